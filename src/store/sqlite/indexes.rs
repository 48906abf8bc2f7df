//! The two indexes that serve the exchange, and the statements that read them.
//!
//! One orders the rows of every node by time; where the table has no `node_id`, it is over the text form,
//! whose node begins at character 19. The other holds the few rows for which that is not so: the ones whose
//! time is not written in the usual 12 and 4 digits, and whose text order is therefore not their order, and
//! the ones whose `node_id` is not the node of their time, as an app may have left them. It is the time that
//! counts. Every row that has a time and a node is in one of the two, whatever else it has; one without
//! either is found as such.

use rusqlite::{Connection, OptionalExtension};

use super::columns::quote;

/// Rows whose time is not written in 12 and 4 small hexadecimal digits, or has a NUL, at which the functions
/// of text end.
const ODD_TEXT: &str = "substr(\"updated_at\", 1, 18) NOT GLOB '\
[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]:\
[0-9a-f][0-9a-f][0-9a-f][0-9a-f]:' OR instr(\"updated_at\", char(0)) > 0";

/// The node within a time that is written as usual.
const NODE_IN_TEXT: &str = "substr(\"updated_at\", 19)";

/// The statements of one table. A row is known by its key, which follows the time in what they answer.
#[derive(Debug)]
pub(super) struct ByTime {
    pub(super) first_node: String,
    pub(super) next_node: String,
    pub(super) newest_of_node: String,
    pub(super) newest_upto: String,
    pub(super) node_since: String,
    pub(super) odd_rows: String,
    /// The rows that have neither a time nor a node, given a null. (Where a column may not be null, a null
    /// written out would be no search.)
    pub(super) timeless_rows: String,
    /// The row with a key, by whatever columns the caller selects.
    pub(super) by_key: String,
    pub(super) key_columns: usize,
}

impl ByTime {
    /// The statements for `table`, whose rows have the columns `key` as their key; `select` is everything
    /// but the `WHERE`. All of these are SQL, their names quoted.
    pub(super) fn new(table: &str, key: &[String], has_node_id: bool, select: &str) -> Self {
        let (node, odd) = (node(has_node_id), odd(has_node_id));
        let keys = key.join(", ");
        let is_key: Vec<String> = (1..)
            .zip(key)
            .map(|(at, column)| format!("{column} = ?{at}"))
            .collect();
        Self {
            first_node: format!(
                "SELECT {node} FROM {table} WHERE {node} >= '' ORDER BY {node} LIMIT 1"
            ),
            next_node: format!(
                "SELECT {node} FROM {table} WHERE {node} > ?1 ORDER BY {node} LIMIT 1"
            ),
            newest_of_node: format!(
                "SELECT \"updated_at\" FROM {table}
                  WHERE {node} = ?1 AND NOT ({odd}) ORDER BY \"updated_at\" DESC"
            ),
            newest_upto: format!(
                "SELECT \"updated_at\" FROM {table}
                  WHERE {node} = ?1 AND \"updated_at\" <= ?2 AND NOT ({odd}) ORDER BY \"updated_at\" DESC"
            ),
            node_since: format!(
                "SELECT \"updated_at\", {keys} FROM {table}
                  WHERE {node} = ?1 AND \"updated_at\" >= ?2 AND NOT ({odd}) ORDER BY \"updated_at\""
            ),
            // The order says which index is meant: the other one has all columns that are asked for, and
            // would be read from end to end.
            odd_rows: format!(
                "SELECT \"updated_at\", {keys} FROM {table} WHERE {odd} ORDER BY \"updated_at\""
            ),
            timeless_rows: format!(
                "SELECT \"updated_at\", {keys} FROM {table} WHERE {node} IS ?1 AND \"updated_at\" IS ?1"
            ),
            by_key: format!("{select} WHERE {}", is_key.join(" AND ")),
            key_columns: key.len(),
        }
    }
}

/// The node of a row, as an SQL expression that the index is over.
pub(super) fn node(has_node_id: bool) -> &'static str {
    if has_node_id { "node_id" } else { NODE_IN_TEXT }
}

/// Whether a row is one of the few, as an SQL expression.
fn odd(has_node_id: bool) -> String {
    if has_node_id {
        format!("{ODD_TEXT} OR node_id IS NOT {NODE_IN_TEXT}")
    } else {
        ODD_TEXT.to_owned()
    }
}

/// Creates what is missing of the two indexes. `table` is the table's own name; those of its indexes begin
/// with `prefix`.
pub(super) fn create(
    connection: &Connection,
    table: &str,
    prefix: &str,
    has_node_id: bool,
) -> rusqlite::Result<()> {
    let index = |suffix: &str| quote(&format!("{prefix}_{suffix}"));
    let on = quote(table);
    if !has_node_id {
        connection.execute_batch(&format!(
            "CREATE INDEX IF NOT EXISTS {} ON {on} ({NODE_IN_TEXT}, \"updated_at\")",
            index("by_node_in_text")
        ))?;
    } else if !has_index_by_node(connection, table)? {
        connection.execute_batch(&format!(
            "CREATE INDEX IF NOT EXISTS {} ON {on} (node_id, updated_at)",
            index("by_node")
        ))?;
    }
    connection.execute_batch(&format!(
        "CREATE INDEX IF NOT EXISTS {} ON {on} (\"updated_at\") WHERE {}",
        index(if has_node_id {
            "off_their_node"
        } else {
            "odd_times"
        }),
        odd(has_node_id)
    ))
}

/// Whether the app has the index already, under a name of its own.
fn has_index_by_node(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    connection
        .query_row(
            "SELECT 1 FROM pragma_index_list(?1) AS list
              WHERE list.partial = 0
                AND (SELECT name FROM pragma_index_info(list.name) WHERE seqno = 0) = 'node_id'
                AND (SELECT name FROM pragma_index_info(list.name) WHERE seqno = 1) = 'updated_at'",
            [table],
            |_| Ok(()),
        )
        .optional()
        .map(|found| found.is_some())
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub(in crate::store::sqlite) fn assert_reads_indexes_only(
        connection: &Connection,
        sql: &ByTime,
    ) {
        for statement in [
            &sql.first_node,
            &sql.next_node,
            &sql.newest_of_node,
            &sql.newest_upto,
            &sql.node_since,
            &sql.odd_rows,
            &sql.timeless_rows,
        ] {
            let plan = plan(connection, statement);
            assert!(plan.contains("INDEX starkeep_"), "{statement}: {plan}");
            assert!(!plan.contains("B-TREE"), "{statement}: {plan}");
        }
        for jump in [
            &sql.first_node,
            &sql.next_node,
            &sql.newest_of_node,
            &sql.newest_upto,
            &sql.node_since,
            &sql.timeless_rows,
            &sql.by_key,
        ] {
            let plan = plan(connection, jump);
            assert!(plan.starts_with("SEARCH"), "{jump}: {plan}");
        }
        let few = plan(connection, &sql.odd_rows);
        assert!(
            few.contains("_off_their_node") || few.contains("_odd_times"),
            "{few}"
        );
    }

    fn plan(connection: &Connection, sql: &str) -> String {
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let count = statement.parameter_count();
        let steps = statement
            .query_map(rusqlite::params_from_iter(vec!["x"; count]), |row| {
                row.get(3)
            })
            .unwrap();
        steps
            .collect::<rusqlite::Result<Vec<String>>>()
            .unwrap()
            .join("; ")
    }
}
