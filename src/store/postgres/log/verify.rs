//! Holding a log against the tables that it speaks of.

use super::super::param::Param;
use super::digests::with_counts;
use super::settle::settle_all;
use super::sql::Sql;
use super::tracked::Tracked;
use crate::error::Result;

/// What is wrong with the entries of a stream is noted: they speak of rows that are not there, are missing, or are of
/// other versions.
const NOTE_WRONG: &str = "WITH noted AS (INSERT INTO @_noted (stream, key, time, deleted)
  SELECT $1, coalesce(r.key, e.key), r.time, r.deleted
    FROM (SELECT v.*, @_hash($2, v.key, v.time) AS hash FROM (VERSIONS) AS v) AS r
    FULL JOIN (SELECT key, hash, deleted FROM @ WHERE stream = $1) AS e ON e.key = r.key
   WHERE r.hash IS DISTINCT FROM e.hash OR r.deleted IS DISTINCT FROM e.deleted
   ORDER BY r.time RETURNING 1) SELECT count(*) FROM noted";

/// Puts right what a stream says that it holds, where that is wrong.
const RECOUNT: &str =
    "WITH t AS (SELECT COUNT_OF AS count, SUM_OF AS sum, DELETED_COUNT_OF AS deleted_count, DELETED_SUM_OF AS deleted_sum
               FROM @ AS e WHERE e.stream = $1),
  counted AS (UPDATE @_streams AS s SET count = t.count, sum = t.sum, deleted_count = t.deleted_count,
                     deleted_sum = t.deleted_sum FROM t
               WHERE s.id = $1 AND (s.count, s.sum, s.deleted_count, s.deleted_sum)
                     <> (t.count, t.sum, t.deleted_count, t.deleted_sum) RETURNING s.id),
  changed AS (UPDATE @_meta SET state = gen_random_uuid(), written = pg_current_xact_id()::xid
               WHERE EXISTS (SELECT 1 FROM counted))
  SELECT count(*) FROM counted";

/// Enters the rows of a table that has no entries yet.
const BRING_IN: &str = "WITH numbered AS (
    SELECT m.head + row_number() OVER (ORDER BY v.time, v.key) AS seq, v.key, @_hash($2, v.key, v.time) AS hash, v.deleted
      FROM (VERSIONS) AS v CROSS JOIN @_meta AS m
  ), entered AS (
    INSERT INTO @ (seq, stream, key, hash, deleted) SELECT seq, $1, key, hash, deleted FROM numbered
  ), counted AS (
    UPDATE @_streams SET (count, sum, deleted_count, deleted_sum) = (
      SELECT COUNT_OF, SUM_OF, DELETED_COUNT_OF, DELETED_SUM_OF FROM numbered AS e) WHERE id = $1
  )
  UPDATE @_meta SET head = head + (SELECT count(*) FROM numbered), state = gen_random_uuid(),
         written = pg_current_xact_id()::xid";

/// Mends what was changed behind the back of the log, in a transaction that sees one moment and has the turn to give
/// numbers. Returns how many entries were wrong.
pub async fn verify(sql: &Sql<'_>, tables: &[Tracked]) -> Result<u64> {
    settle_all(sql).await?;
    let mut mended = 0;
    for table in tables {
        if let Some(id) = stream_id(sql, table).await? {
            mended += mend(sql, id, table).await?;
        }
    }
    Ok(mended)
}

/// Enters a table whose versions were not noted before, in such a transaction.
pub async fn bring_in(sql: &Sql<'_>, id: i64, table: &Tracked) -> Result<()> {
    settle_all(sql).await?;
    let is_known = "SELECT 1 FROM @ WHERE stream = $1 LIMIT 1";
    if sql.one(is_known, &[Param::Whole(id)]).await?.is_some() {
        mend(sql, id, table).await?;
    } else {
        let enter = with_versions(BRING_IN, table);
        sql.run(&enter, &of(id, table)).await?;
    }
    let whole = "UPDATE @_streams SET is_whole = true WHERE id = $1";
    sql.run(whole, &[Param::Whole(id)]).await?;
    let changed =
        "UPDATE @_meta SET state = gen_random_uuid(), written = pg_current_xact_id()::xid";
    sql.run(changed, &[]).await
}

async fn mend(sql: &Sql<'_>, id: i64, table: &Tracked) -> Result<u64> {
    let note = with_versions(NOTE_WRONG, table);
    let mut mended = sql.count(&note, &of(id, table)).await?;
    if mended > 0 {
        settle_all(sql).await?;
    }
    let recount = with_counts(RECOUNT);
    mended += sql.count(&recount, &[Param::Whole(id)]).await?;
    Ok(mended)
}

/// The rows of a table, one for each key.
fn with_versions(text: &str, table: &Tracked) -> String {
    let (versions, relation) = (table.version_of("r."), &table.relation);
    let versions =
        format!("SELECT DISTINCT ON (key) {versions} FROM {relation} AS r ORDER BY key, time DESC");
    with_counts(text).replace("VERSIONS", &versions)
}

fn of(id: i64, table: &Tracked) -> [Param; 2] {
    [Param::Whole(id), Param::text(&table.stream)]
}

/// The number of a stream.
pub async fn stream_id(sql: &Sql<'_>, table: &Tracked) -> Result<Option<i64>> {
    let query = "SELECT id::bigint FROM @_streams WHERE name = $1";
    let row = sql.one(query, &[Param::text(&table.stream)]).await?;
    row.as_ref().map(|row| super::sql::get(row, 0)).transpose()
}
