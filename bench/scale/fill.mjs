/** What the database holds: records of many laptops, in the table that Starkeep's cloud has. They name no objects. */

const COLUMNS = `id text PRIMARY KEY, type text NOT NULL, created_at text COLLATE "C" NOT NULL,
  updated_at text COLLATE "C" NOT NULL, node_id text COLLATE "C" NOT NULL, deleted_at text, version integer NOT NULL,
  content_hash text, object_storage_key text NOT NULL, mime_type text, size_bytes bigint, original_filename text,
  origin_app_id text, parent_id text, label text`;

/** A timestamp as text: milliseconds and a counter in hexadecimal digits, and the node. */
const STAMP = `lpad(to_hex(1700000000000 + n), 12, '0') || ':0000:laptop-' || n % $2`;

/**
 * Makes `shared.records` with this many records and nodes.
 *
 * @param {any} client
 * @param {{ records: number, nodes: number }} size
 */
export async function fill(client, { records, nodes }) {
  await client.query("CREATE SCHEMA shared");
  await client.query(`CREATE TABLE shared.records (${COLUMNS})`);
  await client.query("CREATE INDEX idx_records_node_watermark ON shared.records (node_id, updated_at)");
  await client.query("CREATE TABLE shared.access_grants (app_id text, category text)");
  await client.query("INSERT INTO shared.access_grants VALUES ('drive', 'image'), ('drive', 'document')");
  await client.query(
    `INSERT INTO shared.records
     SELECT 'record-' || lpad(n::text, 7, '0'), 'image/jpeg', ${STAMP}, ${STAMP}, 'laptop-' || n % $2, NULL, 1,
            '', '', 'image/jpeg', 100000, 'photo ' || n || '.jpg', 'drive', NULL, NULL
       FROM generate_series(1, $1::bigint) AS n`,
    [records, nodes],
  );
  await client.query("ANALYZE shared.records");
}
