//! The tables and functions of a log, as SQL; [`schema`](super::schema) puts them in place.

use super::digests::with_counts;

/// Counted up with each change to what is made here: a log of an older layout is brought up to date.
pub const LAYOUT: i64 = 2;

/// The tables, in which everything of a log is.
///
/// - An **entry** is the newest version of an item, under its number.
/// - What is **noted** is what triggers wrote of a version and has no number yet.
/// - `turn` is empty. The process that gives numbers locks it.
pub const TABLES: [&str; 10] = [
    "CREATE TABLE IF NOT EXISTS @ (
       seq bigint PRIMARY KEY, stream int NOT NULL, key text COLLATE \"C\" NOT NULL, hash bigint NOT NULL,
       deleted boolean NOT NULL, origin int, origin_seq bigint)",
    "CREATE UNIQUE INDEX IF NOT EXISTS #_keys ON @ (stream, key) INCLUDE (hash, deleted)",
    "CREATE TABLE IF NOT EXISTS @_noted (
       id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream int NOT NULL, key text COLLATE \"C\" NOT NULL,
       time text, deleted boolean, origin int, origin_seq bigint)
     WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)",
    "CREATE TABLE IF NOT EXISTS @_streams (
       id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE \"C\" NOT NULL UNIQUE,
       relation text NOT NULL, key text[] NOT NULL, is_whole boolean NOT NULL DEFAULT false,
       count bigint NOT NULL DEFAULT 0, sum bigint NOT NULL DEFAULT 0,
       deleted_count bigint NOT NULL DEFAULT 0, deleted_sum bigint NOT NULL DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS @_peers (
       id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, generation text COLLATE \"C\" NOT NULL UNIQUE,
       seq bigint NOT NULL, moved bigint NOT NULL)",
    "CREATE TABLE IF NOT EXISTS @_generations (
       id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, first bigint NOT NULL, generation text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS @_waiting (
       peer text COLLATE \"C\", direction text COLLATE \"C\", stream text COLLATE \"C\", key text COLLATE \"C\",
       hlc text, code text NOT NULL, reason text NOT NULL, since bigint NOT NULL, attempts bigint NOT NULL,
       PRIMARY KEY (peer, direction, stream, key))",
    "CREATE TABLE IF NOT EXISTS @_meta (
       id text NOT NULL, layout int NOT NULL, head bigint NOT NULL, state uuid NOT NULL, place text NOT NULL,
       written xid NOT NULL, purged bigint NOT NULL DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS @_known (
       kind text COLLATE \"C\", peer text COLLATE \"C\", generation text COLLATE \"C\", reached bigint NOT NULL,
       proved bigint NOT NULL, streams text NOT NULL, since bigint NOT NULL, heard bigint NOT NULL,
       PRIMARY KEY (kind, peer, generation))",
    "CREATE TABLE IF NOT EXISTS @_turn ()",
];

/// What logs of earlier layouts have not.
pub const ADDED: [&str; 3] = [
    "ALTER TABLE @_streams ADD COLUMN IF NOT EXISTS deleted_count bigint NOT NULL DEFAULT 0,
       ADD COLUMN IF NOT EXISTS deleted_sum bigint NOT NULL DEFAULT 0",
    "ALTER TABLE @_meta ADD COLUMN IF NOT EXISTS purged bigint NOT NULL DEFAULT 0",
    "UPDATE @_streams AS s SET (deleted_count, deleted_sum) = (
       SELECT DELETED_COUNT_OF, DELETED_SUM_OF FROM @ AS e WHERE e.stream = s.id)",
];

/// The names of all tables behind that of the entries, but for that of the known peers, which earlier layouts have not.
pub const REST: [&str; 8] = [
    "",
    "_noted",
    "_streams",
    "_peers",
    "_generations",
    "_waiting",
    "_meta",
    "_turn",
];

/// Where this database is: another one that was copied from it is elsewhere, and so is one that was put back to an older
/// copy. The server was started anew for either, or the database or the table made anew.
///
/// What a dump brings back is told by the transaction that wrote the row of `meta`, which is another one then.
const PLACE: &str = "(SELECT concat_ws('-', d.oid, (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint)
    FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())";

/// A time that is not written in the usual digits, in the one form that all sides hash. What is none stays as it is.
const TIME: &str = r"CREATE OR REPLACE FUNCTION @_time(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce((
    SELECT lpad(wall, greatest(12, length(wall)), '0') || ':' || lpad(counter, greatest(4, length(counter)), '0') || ':' || node
      FROM (SELECT ltrim(lower(m[1]), '0') AS wall, ltrim(lower(m[2]), '0') AS counter, m[3] AS node
              FROM regexp_match($1, '^([0-9A-Fa-f]+):([0-9A-Fa-f]+):(.*)$') AS m) AS parts
     WHERE (length(wall) < 14 OR wall ~ '^1.{13}$') AND (length(counter) < 14 OR counter ~ '^1.{13}$')), $1)
$$";

/// The hash of a version: see [`entry_hash`](crate::protocol::log::entry_hash). It is one expression, and as stable as what
/// is in it: so statements have it in them, and call nothing.
const HASH: &str = r"CREATE OR REPLACE FUNCTION @_hash(stream text, key text, written text) RETURNS bigint
  LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT ('x' || encode(substring(sha256(
      convert_to($1, 'UTF8') || '\x00'::bytea || convert_to($2, 'UTF8') || '\x00'::bytea
      || convert_to(CASE WHEN $3 ~ '^[0-9a-f]{12}:[0-9a-f]{4}:' THEN $3 ELSE @_time($3) END, 'UTF8')
    ) FROM 1 FOR 8), 'hex'))::bit(64)::bigint & 4503599627370495
$$";

/// Begins a stretch of the history, behind the last number. One that nothing was written in is forgotten, for no peer
/// can have heard of it.
const BEGIN: &str = "CREATE OR REPLACE FUNCTION @_begin() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM @_generations WHERE (SELECT max(first) FROM @_generations) > (SELECT head + 1 FROM @_meta);
  DELETE FROM @_generations WHERE first > (SELECT head FROM @_meta);
  INSERT INTO @_generations (first, generation)
    SELECT CASE WHEN EXISTS (SELECT 1 FROM @_generations) THEN m.head + 1 ELSE 1 END,
           substr(replace(gen_random_uuid()::text, '-', ''), 1, 16) FROM @_meta AS m;
  UPDATE @_meta SET place = {PLACE}, written = pg_current_xact_id()::xid;
END $$";

/// Gives numbers to at most `most` of the noted versions, and returns how many it dealt with.
///
/// Only what is committed is seen, and so a number is given to nothing else; one process at a time gives numbers.
/// What becomes visible later gets a greater one. So a cursor never passes an entry whose transaction is still open,
/// however long it stays so, and no writer waits for another. A process that dies here has done nothing.
///
/// Of two versions of one item the later one was noted later: a transaction that writes a row keeps
/// others from it until its end, and notes it before.
///
/// What it looks for it finds by indexes, whatever the database believes of how much was noted: that table is large for a
/// moment, and then empty but for what is gone.
const SETTLE: &str = "CREATE OR REPLACE FUNCTION @_settle(most bigint) RETURNS bigint LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE settled bigint;
BEGIN
  LOCK TABLE @_turn IN EXCLUSIVE MODE;
  -- A number that is told must last, also where commits are not waited for.
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  IF (SELECT count(*) FROM @_meta) <> 1 THEN
    RAISE EXCEPTION 'the change log in @_meta is not complete; start the sync server again, which mends it';
  END IF;
  IF EXISTS (SELECT 1 FROM @_meta AS m WHERE m.place <> {PLACE} OR m.xmin <> m.written) THEN
    PERFORM @_begin();
  END IF;
  WITH gone AS (
    DELETE FROM @_noted WHERE id IN (SELECT id FROM @_noted ORDER BY id LIMIT most)
    RETURNING id, stream, key, time, deleted, origin, origin_seq
  ), newest AS (
    SELECT DISTINCT ON (g.stream, g.key) g.*, s.name FROM gone AS g JOIN @_streams AS s ON s.id = g.stream
     ORDER BY g.stream, g.key, g.id DESC
  ), numbered AS (
    SELECT m.head + row_number() OVER (ORDER BY n.id) AS seq, n.stream, n.key, @_hash(n.name, n.key, n.time) AS hash,
           n.deleted, n.origin, n.origin_seq
      FROM newest AS n CROSS JOIN @_meta AS m WHERE n.time IS NOT NULL
  ), before AS (
    SELECT e.stream, COUNT_OF AS count, SUM_OF AS sum, DELETED_COUNT_OF AS deleted_count, DELETED_SUM_OF AS deleted_sum
      FROM newest AS n JOIN @ AS e ON e.stream = n.stream AND e.key = n.key GROUP BY e.stream
  ), after AS (
    SELECT e.stream, COUNT_OF AS count, SUM_OF AS sum, DELETED_COUNT_OF AS deleted_count, DELETED_SUM_OF AS deleted_sum
      FROM numbered AS e GROUP BY e.stream
  ), removed AS (
    DELETE FROM @ AS e USING newest AS n WHERE e.stream = n.stream AND e.key = n.key AND n.time IS NULL
  ), entered AS (
    INSERT INTO @ (seq, stream, key, hash, deleted, origin, origin_seq)
    SELECT seq, stream, key, hash, deleted, origin, origin_seq FROM numbered
    ON CONFLICT (stream, key) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, deleted = excluded.deleted,
      origin = excluded.origin, origin_seq = excluded.origin_seq
  ), counted AS (
    UPDATE @_streams AS s SET count = s.count + coalesce(a.count, 0) - coalesce(b.count, 0),
           sum = mod(s.sum + coalesce(a.sum, 0) - coalesce(b.sum, 0) + 4503599627370496, 4503599627370496),
           deleted_count = s.deleted_count + coalesce(a.deleted_count, 0) - coalesce(b.deleted_count, 0),
           deleted_sum = mod(s.deleted_sum + coalesce(a.deleted_sum, 0) - coalesce(b.deleted_sum, 0) + 4503599627370496,
                             4503599627370496)
      FROM (SELECT stream FROM after UNION SELECT stream FROM before) AS t
      LEFT JOIN after AS a USING (stream) LEFT JOIN before AS b USING (stream) WHERE s.id = t.stream
  ), moved AS (
    UPDATE @_meta SET head = head + (SELECT count(*) FROM numbered), state = gen_random_uuid(),
           written = pg_current_xact_id()::xid
     WHERE EXISTS (SELECT 1 FROM gone)
  )
  SELECT count(*) INTO settled FROM gone;
  RETURN settled;
END $$";

/// The functions that every log has, in the order in which they need each other.
pub fn functions() -> Vec<String> {
    let with = |text: &str| with_counts(&text.replace("{PLACE}", PLACE));
    [TIME, HASH, BEGIN, SETTLE].into_iter().map(with).collect()
}
