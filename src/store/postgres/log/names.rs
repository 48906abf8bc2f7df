//! What a log is called, and where in the database it is.

use crate::store::postgres::columns::quote;

/// Which of the two logs of a database: each has tables and functions of its own, named after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Of the shared records.
    Records,
    /// Of the rows of apps.
    Rows,
}

/// The names of a log's tables, functions and triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// What the names of triggers begin with; those of tables and functions begin so within their schema.
    bare: &'static str,
    qualified: String,
    schema: String,
}

impl Names {
    /// Of the log of a plane whose tables are in this schema.
    pub fn of(plane: Plane, schema: &str) -> Self {
        let bare = match plane {
            Plane::Records => "_starkeep_records_log",
            Plane::Rows => "_starkeep_rows_log",
        };
        let qualified = format!("{}.{bare}", quote(schema));
        let schema = schema.to_owned();
        Self {
            bare,
            qualified,
            schema,
        }
    }

    /// A statement about this log: `@` stands for the name of its table of entries, with which the other names begin, and
    /// `#` for the same without the schema.
    pub fn sql(&self, text: &str) -> String {
        text.replace('@', &self.qualified).replace('#', self.bare)
    }

    /// The name of its table of entries.
    pub fn log(&self) -> &str {
        &self.qualified
    }

    /// The same with something behind it, as the catalog of the database has it.
    pub fn plain(&self, rest: &str) -> String {
        format!("{}.{}{rest}", self.schema, self.bare)
    }

    /// The trigger that notes what an event does to the table of a stream.
    pub fn trigger(&self, stream: i64, event: &str) -> String {
        format!("{}_{stream}_{event}", self.bare)
    }
}
