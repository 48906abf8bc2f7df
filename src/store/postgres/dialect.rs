//! What kind of server it is: the one place that says what such a server can, and how a statement is put to it.
//!
//! Aurora DSQL speaks the protocol of `PostgreSQL` and a part of its SQL. It has no locks: two transactions that write one
//! row both go on, and the later one is refused when it commits. It has no savepoints, triggers, sequences, functions in
//! PL/pgSQL, places of rows (`ctid`) or numbers of transactions; an index has columns and nothing else; a transaction that
//! defines does nothing besides, and one that writes has an upper limit.
//!
//! Which it is, is said by the app. It is not guessed: what is written to the change log depends on it, so that all
//! processes of a database must agree, also behind a proxy or another name.

use std::borrow::Cow;

use serde::Deserialize;

/// See the [module page](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `PostgreSQL`.
    #[default]
    Postgres,
    /// Aurora DSQL.
    Dsql,
}

impl Dialect {
    /// The most rows that this package writes in one transaction of a page: each is noted too, and some rows are about
    /// the page itself. The server takes 3,000.
    pub(super) const ROWS: usize = 1_000;
    /// The most bytes of bodies in one transaction of a page. The server takes 10 MiB, of which it counts what it will.
    pub(super) const BYTES: usize = 4 << 20;
    /// The longest key in bytes. The server takes 1 KiB for all columns of a key.
    pub(super) const LONGEST_KEY: usize = 900;

    /// The dialect that an option names.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "postgres" => Some(Self::Postgres),
            "dsql" => Some(Self::Dsql),
            _ => None,
        }
    }

    fn is_postgres(self) -> bool {
        self == Self::Postgres
    }

    /// Whether a part of a transaction can be undone. Otherwise a statement that fails ends all of it.
    pub(super) fn has_savepoints(self) -> bool {
        self.is_postgres()
    }

    /// Whether tables tell of each write by themselves. Otherwise the log knows what this package writes, and a
    /// comparison finds the rest.
    pub(super) fn has_triggers(self) -> bool {
        self.is_postgres()
    }

    /// Whether rows, tables and numbers can be locked. Otherwise the second of two transactions that
    /// write one row is refused.
    pub(super) fn has_locks(self) -> bool {
        self.is_postgres()
    }

    /// Whether a row has a place by which it is found again within its transaction.
    pub(super) fn has_places(self) -> bool {
        self.is_postgres()
    }

    /// Whether a query may jump from node to node, and so reads of each only what it looks for. Otherwise it reads the
    /// table.
    pub(super) fn has_jumps(self) -> bool {
        self.is_postgres()
    }

    /// Whether a statement that reads can have parts that write.
    pub(super) fn writes_within_queries(self) -> bool {
        self.is_postgres()
    }

    /// Whether tables are made within a transaction, all or none. Otherwise each statement that defines stands alone.
    pub(super) fn defines_in_transactions(self) -> bool {
        self.is_postgres()
    }

    /// Whether limits can be set for a connection.
    pub(super) fn has_settings(self) -> bool {
        self.is_postgres()
    }

    /// Whether transactions that are as large as a page likes are taken.
    pub(super) fn takes_whole_pages(self) -> bool {
        self.is_postgres()
    }

    /// How often a call is made again at most. Without locks, conflicts are usual.
    pub(super) fn tries(self) -> u32 {
        if self.has_locks() { 6 } else { 12 }
    }

    /// The clause that keeps rows as they were read, if there is one: otherwise the second transaction that
    /// changes them is refused.
    pub(super) fn locking(self, clause: &str) -> &str {
        if self.has_locks() { clause } else { "" }
    }

    /// What begins a transaction, which reads or writes.
    pub(super) fn begin(self, reads: bool) -> &'static str {
        match (self, reads) {
            (_, false) => "BEGIN",
            (Self::Postgres, true) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            // There is no other level.
            (Self::Dsql, true) => "BEGIN READ ONLY",
        }
    }

    /// A statement as the server takes it. DSQL orders all texts by their bytes, and does not let one say so.
    pub(super) fn text(self, sql: &str) -> Cow<'_, str> {
        const BY_BYTES: &str = " COLLATE \"C\"";
        if self.is_postgres() || !sql.contains(BY_BYTES) {
            return sql.into();
        }
        sql.replace(BY_BYTES, "").into()
    }

    /// The statement that makes an index, over columns alone.
    pub(super) fn index(self, name: &str, table: &str, columns: &str) -> String {
        let later = match self {
            Self::Postgres => "",
            // It is made behind the scenes, and used once it is there.
            Self::Dsql => " ASYNC",
        };
        format!("CREATE INDEX{later} IF NOT EXISTS {name} ON {table} ({columns})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_the_words_of_a_collation_stays_a_name() {
        let sql = "SELECT \"x COLLATE \"\"C\"\"\", (a) COLLATE \"C\" FROM t";
        assert_eq!(Dialect::Postgres.text(sql), sql);
        assert_eq!(
            Dialect::Dsql.text(sql),
            "SELECT \"x COLLATE \"\"C\"\"\", (a) FROM t"
        );
    }
}
