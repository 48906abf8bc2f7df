//! What the other side has not seen, found by the index of nodes and times.
//!
//! Each node is visited once, by jumping from each to the next in the index, and of each at most a page is looked at, and
//! mostly little more than its part of one. All of it is one statement, and so one state of the table.

use tokio_postgres::Row;

use super::answer::text;
use super::dialect::Dialect;
use super::fault::during;
use super::param::Param;
use super::session::PgSession;
use crate::error::Result;
use crate::protocol::delta::{Ask, Selection};
use crate::protocol::hlc::{Hlc, NodeId, text_floor};
use crate::protocol::watermarks::Watermarks;

/// What is greater than every timestamp with the usual digits.
const BEYOND: &str = "g";

/// That a row has a place in the order: its time has the usual digits, and is that of its node.
pub(super) fn is_ordered(row: &str) -> String {
    format!(
        "({row}updated_at ~ '^[0-9a-f]{{12}}:[0-9a-f]{{4}}:' AND substr({row}updated_at, 19) = {row}node_id)"
    )
}

/// The same of `t`, where rows are read in the order of an index. Of a plain condition the planner believes that it lets almost
/// nothing through; it would read all rows of a node, and sort them, where it can stop at a limit.
fn is_in_place() -> String {
    format!("CASE WHEN {} THEN true END", is_ordered("t."))
}

/// The statements for a table with the columns `node_id` and `updated_at`.
#[derive(Debug)]
pub(super) struct ByTime {
    watermarks: String,
    newest_upto: String,
    /// The newest of each of these nodes.
    newest: String,
    page: String,
    after: String,
    unorderable: String,
}

impl ByTime {
    /// Of the table named so within SQL. `read` is what its rows are read by, as the columns of `t`.
    pub(super) fn new(dialect: Dialect, table: &str, read: &str) -> Self {
        if !dialect.has_jumps() {
            return Self::by_reading(table, read);
        }
        let is_in_place = is_in_place();
        let newest_before = |limit: &str| {
            format!(
                "SELECT t.node_id, t.updated_at FROM {table} AS t WHERE {limit}{is_in_place}
                  ORDER BY t.node_id DESC, t.updated_at DESC LIMIT 1"
            )
        };
        let nodes = format!(
            "WITH RECURSIVE n AS (({}) UNION ALL
               SELECT x.node_id, x.updated_at FROM n CROSS JOIN LATERAL ({}) x)",
            newest_before(""),
            newest_before("t.node_id < n.node_id AND ")
        );
        let newest_of = |given: &str, limit: &str| {
            format!(
                "SELECT x.updated_at FROM {given} CROSS JOIN LATERAL (
                   SELECT t.updated_at FROM {table} AS t WHERE t.node_id = s.node AND {limit}{is_in_place}
                    ORDER BY t.updated_at DESC LIMIT 1) x"
            )
        };
        Self {
            page: page(&nodes, table, read),
            watermarks: format!("{nodes} SELECT updated_at FROM n"),
            newest: newest_of("unnest($1::text[]) AS s(node)", ""),
            newest_upto: newest_of(
                "unnest($1::text[], $2::text[]) AS s(node, ceiling)",
                "t.updated_at <= s.ceiling AND ",
            ),
            after: after(table, read),
            unorderable: unorderable(table, read),
        }
    }

    /// The same without jumps: all that has a place in the order is read, and nothing is found by where it lies.
    fn by_reading(table: &str, read: &str) -> Self {
        let is_ordered = is_ordered("t.");
        let newest_of = |given: &str, limit: &str| {
            format!(
                "SELECT x.newest FROM (
                   SELECT (SELECT max(t.updated_at) FROM {table} AS t WHERE t.node_id = s.node AND {limit}{is_ordered})
                          AS newest FROM {given}) AS x WHERE x.newest IS NOT NULL"
            )
        };
        Self {
            watermarks: format!(
                "SELECT max(t.updated_at) FROM {table} AS t WHERE {is_ordered} GROUP BY t.node_id"
            ),
            newest: newest_of("unnest($1::text[]) AS s(node)", ""),
            newest_upto: newest_of(
                "unnest($1::text[], $2::text[]) AS s(node, ceiling)",
                "t.updated_at <= s.ceiling AND ",
            ),
            page: format!(
                "SELECT {read}, t.updated_at FROM {table} AS t
                   LEFT JOIN unnest($1::text[], $2::text[], $3::text[]) AS s(node, floor, ceiling) ON s.node = t.node_id
                  WHERE t.updated_at > coalesce(s.floor, '') AND t.updated_at <= coalesce(s.ceiling, $4) AND {is_ordered}
                  ORDER BY t.updated_at FETCH FIRST ($5::bigint) ROWS WITH TIES"
            ),
            after: after(table, read),
            unorderable: unorderable(table, read),
        }
    }

    /// Per node the greatest timestamp of all rows, deleted ones too.
    pub(super) async fn watermarks(
        &self,
        operation: &'static str,
        session: &PgSession,
    ) -> Result<Watermarks> {
        marks(
            session.query(operation, &self.watermarks, &[]).await?,
            operation,
        )
    }

    /// Per node of `upto` the greatest timestamp of all rows that is not later than its entry.
    pub(super) async fn newest_upto(
        &self,
        operation: &'static str,
        session: &PgSession,
        upto: &Watermarks,
    ) -> Result<Watermarks> {
        let known = upto
            .iter()
            .filter_map(|(node, hlc)| Some((node.to_utf8()?, bound(hlc))));
        let (nodes, ceilings): (Vec<String>, Vec<String>) = known.unzip();
        let params = [Param::texts(nodes), Param::texts(ceilings)];
        marks(
            session.query(operation, &self.newest_upto, &params).await?,
            operation,
        )
    }

    /// The greatest timestamps of these nodes.
    pub(super) async fn newest_of(
        &self,
        operation: &'static str,
        session: &PgSession,
        nodes: impl Iterator<Item = &NodeId>,
    ) -> Result<Watermarks> {
        let nodes = Param::texts(nodes.filter_map(NodeId::to_utf8));
        marks(
            session.query(operation, &self.newest, &[nodes]).await?,
            operation,
        )
    }

    /// The page that is wanted, in the order of timestamps, and whether something was left out.
    pub(super) async fn page<T>(
        &self,
        operation: &'static str,
        session: &PgSession,
        ask: &Ask,
        read: impl Fn(Hlc, &Row) -> Result<T> + Send,
    ) -> Result<(Vec<T>, bool)> {
        let bounds = Bounds::of(ask);
        let page = (ask.limit, |hlc: &Hlc| ask.wants(hlc));
        let find = |most| session.query(operation, &self.page, bounds.params(most));
        chosen(operation, page, find, read).await
    }

    /// The rows of all nodes that are later than `since`, at most `limit` of them.
    pub(super) async fn after<T>(
        &self,
        operation: &'static str,
        session: &PgSession,
        (since, limit): (&Hlc, usize),
        read: impl Fn(Hlc, &Row) -> Result<T> + Send,
    ) -> Result<(Vec<T>, bool)> {
        // Of nodes at one time bytes are not the order: all of them are looked at.
        let since_text = text_floor(Some(since)).unwrap_or_else(|| BEYOND.to_owned());
        let page = (limit, |hlc: &Hlc| hlc > since);
        let find = |most| {
            let params = [Param::text(since_text.as_str()), Param::count(most)];
            session.query(operation, &self.after, params)
        };
        chosen(operation, page, find, read).await
    }

    /// At most `limit` rows that have no place in the order.
    pub(super) async fn unorderable<T>(
        &self,
        operation: &'static str,
        session: &PgSession,
        limit: usize,
        read: impl Fn(&Row) -> Result<T> + Send,
    ) -> Result<Vec<T>> {
        let rows = session
            .query(operation, &self.unorderable, &[Param::count(limit)])
            .await?;
        rows.iter().map(read).collect()
    }
}

/// The rows with the smallest times, `$5` of them and those that have the time of the last, given the newest of each node.
///
/// Of each node that has any (`a`) at most a page is read. Of many nodes that would be many rows for few, so it is first found
/// where `each` rows of a node end, which is twice its part of the page (`cut`). At the time up to which so many nodes
/// have their `each` that they make a page, all nodes can end: nothing later is on it.
///
/// The planner is to read in the order of the index and to stop, also where it has no statistics. So how many rows are wanted is
/// asked of `k`, where it does not know, and the upper bound is one of rows: it is the same to the index, while the
/// planner takes two plain bounds of one column to let almost nothing through.
fn page(nodes: &str, table: &str, read: &str) -> String {
    let rows_of = |node: &str| {
        format!(
            "FROM {table} AS t WHERE t.node_id = {node}.node_id AND t.updated_at > {node}.floor
               AND (t.updated_at, 0) <= ({node}.ceiling, 0) AND {} ORDER BY t.updated_at",
            is_in_place()
        )
    };
    format!(
        "{nodes}, a AS MATERIALIZED (
           SELECT n.node_id, coalesce(s.floor, '') AS floor, coalesce(s.ceiling, $4) AS ceiling FROM n
             LEFT JOIN unnest($1::text[], $2::text[], $3::text[]) AS s(node, floor, ceiling) ON s.node = n.node_id
            WHERE n.updated_at > coalesce(s.floor, '')
              AND coalesce(s.ceiling, $4) COLLATE \"C\" > coalesce(s.floor, '') COLLATE \"C\"),
         k AS MATERIALIZED (
           SELECT $5::bigint AS most, greatest($5::bigint / greatest(count(*) / 2, 1), 1) AS each FROM a),
         cut AS MATERIALIZED (
           SELECT x.updated_at FROM a CROSS JOIN LATERAL (
              SELECT t.updated_at {} OFFSET (SELECT each - 1 FROM k) LIMIT 1) x
            WHERE (SELECT each < most / 2 FROM k)
            ORDER BY x.updated_at OFFSET (SELECT (most - 1) / each FROM k) LIMIT 1),
         b AS MATERIALIZED (
           SELECT a.node_id, a.floor, least(a.ceiling, (SELECT updated_at FROM cut)) AS ceiling FROM a),
         page AS MATERIALIZED (
           SELECT x.place FROM b CROSS JOIN LATERAL (
              SELECT t.ctid AS place, t.updated_at {} FETCH FIRST ((SELECT most FROM k)) ROWS WITH TIES) x
            ORDER BY x.updated_at FETCH FIRST ($5::bigint) ROWS WITH TIES)
         SELECT {read}, t.updated_at FROM {table} AS t
          WHERE t.ctid = ANY (ARRAY(SELECT place FROM page))",
        rows_of("a"),
        rows_of("b"),
    )
}

fn after(table: &str, read: &str) -> String {
    let is_ordered = is_ordered("t.");
    format!(
        "SELECT {read}, t.updated_at FROM {table} AS t WHERE t.updated_at > $1 AND {is_ordered}
          ORDER BY left(t.updated_at, 17) FETCH FIRST ($2::bigint) ROWS WITH TIES"
    )
}

fn unorderable(table: &str, read: &str) -> String {
    let is_ordered = is_ordered("t.");
    format!("SELECT {read}, t.updated_at FROM {table} AS t WHERE NOT {is_ordered} LIMIT $1")
}

/// The page of `limit` rows that is wanted of what `find` finds, given how many to look for.
async fn chosen<T, F: Future<Output = Result<Vec<Row>>>>(
    operation: &'static str,
    (limit, is_wanted): (usize, impl Fn(&Hlc) -> bool),
    find: impl Fn(usize) -> F,
    read: impl Fn(Hlc, &Row) -> Result<T>,
) -> Result<(Vec<T>, bool)> {
    let mut most = limit.saturating_add(1);
    loop {
        let rows = find(most).await?;
        let mut stamped = Vec::with_capacity(rows.len());
        for row in rows {
            stamped.push((Hlc::parse(&time_of(operation, &row)?)?, row));
        }
        let is_cut = stamped.len() >= most;
        let found = stamped.len();
        stamped.retain(|(hlc, _)| is_wanted(hlc));
        let first = stamped.first().map(|(hlc, _)| hlc);
        // What has one timestamp goes together, so whether more follows is not known yet.
        let is_one = stamped.iter().all(|(hlc, _)| Some(hlc) == first);
        if is_cut && (is_one || stamped.len() <= limit) {
            most = found.saturating_add(limit).saturating_add(1);
            continue;
        }
        let mut page = Selection::new(limit);
        for (hlc, row) in stamped {
            page.offer(hlc, row);
        }
        let (items, more) = page.finish().into_items();
        let items = items.into_iter().map(|(hlc, row)| read(hlc, &row));
        return Ok((items.collect::<Result<_>>()?, more));
    }
}

/// The time of a row of a page, which is its last column.
fn time_of(operation: &'static str, row: &Row) -> Result<String> {
    text(operation, row, row.len().saturating_sub(1))
}

fn marks(rows: Vec<Row>, operation: &'static str) -> Result<Watermarks> {
    let mut marks = Watermarks::default();
    for row in rows {
        let time: String = row.try_get(0).map_err(during(operation))?;
        marks.advance(&Hlc::parse(&time)?);
    }
    Ok(marks)
}

/// The text up to which everything of the node lies that is not later.
pub(super) fn bound(hlc: &Hlc) -> String {
    if !hlc.wall_time_fits_text() {
        return BEYOND.to_owned();
    }
    if hlc.counter < 1 << 16 {
        return hlc.to_string();
    }
    format!("{:012x}:{BEYOND}", hlc.wall_time)
}

/// Between which texts the rows of each node are wanted.
struct Bounds {
    nodes: Vec<Option<String>>,
    floors: Vec<Option<String>>,
    ceilings: Vec<Option<String>>,
    /// Where a node has no ceiling of its own.
    ceiling: &'static str,
}

impl Bounds {
    fn of(ask: &Ask) -> Self {
        let mut bounds = Self {
            nodes: Vec::new(),
            floors: Vec::new(),
            ceilings: Vec::new(),
            ceiling: if ask.upto.is_some() { "" } else { BEYOND },
        };
        let seen = ask.seen.iter().map(|(node, _)| node);
        let upto = ask
            .upto
            .iter()
            .flat_map(Watermarks::iter)
            .map(|(node, _)| node);
        let mut nodes: Vec<&NodeId> = seen.chain(upto).chain(&ask.skip).collect();
        nodes.sort_unstable();
        nodes.dedup();
        for node in nodes {
            let Some(name) = node.to_utf8() else {
                continue;
            };
            let limit = ask.upto.as_ref().and_then(|upto| upto.get(node));
            let ceiling = if ask.skip.contains(node) {
                Some(String::new())
            } else {
                limit.map(bound)
            };
            bounds.nodes.push(Some(name));
            bounds.floors.push(ask.seen.get(node).map(bound));
            bounds.ceilings.push(ceiling);
        }
        bounds
    }

    fn params(&self, most: usize) -> [Param; 5] {
        [
            Param::Texts(self.nodes.clone()),
            Param::Texts(self.floors.clone()),
            Param::Texts(self.ceilings.clone()),
            Param::text(self.ceiling),
            Param::count(most),
        ]
    }
}
