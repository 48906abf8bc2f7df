//! Holding a log against the tables that it speaks of, page by page. What is wrong is noted, and so put right.

use std::collections::HashSet;

use super::super::digests::{COUNT_OF, SUM_OF, digest};
use super::super::sql::{OPERATION, Sql, get};
use super::super::tracked::Tracked;
use super::number::{entries, hash, settle, versions};
use crate::error::Result;
use crate::protocol::log::Digest;
use crate::store::postgres::dialect::Dialect;
use crate::store::postgres::noted::is_too_long;
use crate::store::postgres::param::Param;

/// Mends what was written past the stores. Returns how many entries were wrong.
pub async fn verify(sql: &Sql<'_>, tables: &[Tracked]) -> Result<u64> {
    let mut mended = 0;
    for table in tables {
        let query = "SELECT id FROM @_streams WHERE name = $1";
        let row = sql.one(query, &[Param::text(&table.stream)]).await?;
        if let Some(row) = row {
            mended += mend(sql, get(&row, 0)?, table).await?;
        }
    }
    Ok(mended)
}

/// The same of one stream.
pub async fn mend(sql: &Sql<'_>, stream: i64, table: &Tracked) -> Result<u64> {
    settle(sql).await?;
    let wrong = rows_without_entries(sql, stream, table).await?;
    let gone = entries_without_rows(sql, stream, table).await?;
    settle(sql).await?;
    Ok(wrong + gone + recount(sql, stream).await?)
}

/// Notes the rows that have no entry, or another one.
async fn rows_without_entries(sql: &Sql<'_>, stream: i64, table: &Tracked) -> Result<u64> {
    let texts = table.texts_of_key("r.");
    let (columns, order) = (texts.len(), texts.join(", "));
    let there: Vec<String> = texts
        .iter()
        .map(|text| format!("{text} IS NOT NULL"))
        .collect();
    let there = there.join(" AND ");
    let select = format!(
        "SELECT {}, {order} FROM {} AS r WHERE {there}",
        table.version_of("r."),
        table.relation
    );
    let places: Vec<String> = (1..=columns).map(|at| format!("${at}::text")).collect();
    let first = format!("{select} ORDER BY {order} LIMIT {}", Dialect::ROWS);
    let next = format!(
        "{select} AND ({order}) > ({}) ORDER BY {order} LIMIT {}",
        places.join(", "),
        Dialect::ROWS
    );
    let (mut wrong, mut after): (u64, Vec<Param>) = (0, Vec::new());
    loop {
        sql.session.transaction(OPERATION, false).await?;
        let query = if after.is_empty() { &first } else { &next };
        let rows = sql.rows(query, &after).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let key: String = get(row, 0)?;
            if is_too_long(&key) {
                tracing::warn!(
                    table = table.relation,
                    "a row has a key that is too long for the change log"
                );
                continue;
            }
            let time: &str = get(row, 1)?;
            let is: (i64, bool) = (hash(&table.stream, &key, time), get(row, 2)?);
            found.push((key, is));
        }
        let keys: Vec<String> = found.iter().map(|(key, _)| key.clone()).collect();
        let known = entries(sql, stream, &keys).await?;
        found.retain(|(key, is)| known.get(key) != Some(is));
        let keys: Vec<String> = found.into_iter().map(|(key, _)| key).collect();
        wrong += note(sql, table, keys).await?;
        sql.session.commit(OPERATION).await?;
        let Some(last) = rows.last().filter(|_| rows.len() >= Dialect::ROWS) else {
            return Ok(wrong);
        };
        let key = (0..columns).map(|at| Ok(Param::Text(get(last, 3 + at)?)));
        after = key.collect::<Result<_>>()?;
        // What was noted does not pile up.
        settle(sql).await?;
    }
}

/// Notes the entries whose rows are gone.
async fn entries_without_rows(sql: &Sql<'_>, stream: i64, table: &Tracked) -> Result<u64> {
    let query = format!(
        "SELECT e.key FROM @ AS e WHERE e.stream = $1 AND e.key > $2 ORDER BY e.key LIMIT {}",
        Dialect::ROWS
    );
    let (mut gone, mut after) = (0, String::new());
    // A key may be empty.
    let mut is_first = true;
    loop {
        let query = if is_first {
            query.replace("e.key >", "e.key >=")
        } else {
            query.clone()
        };
        is_first = false;
        sql.session.transaction(OPERATION, false).await?;
        let rows = sql
            .rows(&query, &[Param::Whole(stream), Param::text(after.as_str())])
            .await?;
        let keys: Vec<String> = rows.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
        let now = versions(sql, table, &keys).await?;
        let missing = keys.iter().filter(|key| !now.contains_key(*key));
        gone += note(sql, table, missing.cloned().collect()).await?;
        sql.session.commit(OPERATION).await?;
        match keys.last() {
            Some(last) if keys.len() >= Dialect::ROWS => after.clone_from(last),
            _ => return Ok(gone),
        }
        settle(sql).await?;
    }
}

/// Notes items as wrong, but for those that a writer has noted already; how many.
async fn note(sql: &Sql<'_>, table: &Tracked, mut keys: Vec<String>) -> Result<u64> {
    if keys.is_empty() {
        return Ok(0);
    }
    let query = "SELECT n.key FROM @_noted AS n WHERE n.stream = $1 AND n.key = ANY ($2)";
    let asked = [Param::text(&table.stream), Param::texts(&keys)];
    let rows = sql.rows(query, &asked).await?;
    let noted: HashSet<String> = rows.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
    keys.retain(|key| !noted.contains(key));
    let count = keys.len() as u64;
    let versions: Vec<_> = keys.into_iter().map(|key| (key, None)).collect();
    let noted = sql.names.noted(&table.stream);
    noted.note(OPERATION, sql.session, &versions).await?;
    Ok(count)
}

/// Puts right what a stream says that it holds, where that is wrong; how many are.
async fn recount(sql: &Sql<'_>, stream: i64) -> Result<u64> {
    sql.session.transaction(OPERATION, false).await?;
    let one = [Param::Whole(stream)];
    let query = format!("SELECT {COUNT_OF}, {SUM_OF} FROM @ AS e WHERE e.stream = $1");
    let is = sql.one(&query, &one).await?;
    let is = is
        .as_ref()
        .map_or(Ok(Digest::default()), |row| digest(row, 0))?;
    let query = "SELECT count, sum FROM @_streams WHERE id = $1";
    let said = sql.one(query, &one).await?;
    let said = said.as_ref().map_or(Ok(is), |row| digest(row, 0))?;
    if is == said {
        sql.session.rollback(OPERATION).await?;
        return Ok(0);
    }
    let state = "UPDATE @_meta SET state = gen_random_uuid()::text WHERE one = 1";
    sql.run(state, &[]).await?;
    let query = format!(
        "UPDATE @_streams SET count = t.count, sum = t.sum
           FROM (SELECT {COUNT_OF} AS count, {SUM_OF} AS sum FROM @ AS e WHERE e.stream = $1) AS t WHERE id = $1"
    );
    sql.run(&query, &one).await?;
    sql.session.commit(OPERATION).await?;
    Ok(1)
}
