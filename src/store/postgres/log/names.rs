//! What a log is called, and where in the database it is.

use crate::store::postgres::columns::quote;
use crate::store::postgres::noted::{Noted, Plane};

/// The names of a log's tables, functions and triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// What the names of triggers begin with; those of tables and functions begin so within their schema.
    bare: &'static str,
    plane: Plane,
    qualified: String,
    schema: String,
}

impl Names {
    /// Of the log of a plane whose tables are in this schema.
    pub fn of(plane: Plane, schema: &str) -> Self {
        let bare = plane.bare();
        let qualified = format!("{}.{bare}", quote(schema));
        let schema = schema.to_owned();
        Self {
            bare,
            plane,
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

    /// Where the versions of a stream are noted by their writers.
    pub fn noted(&self, stream: &str) -> Noted {
        Noted::of(self.plane, &self.schema, stream.to_owned())
    }

    /// The trigger that notes what an event does to the table of a stream.
    pub fn trigger(&self, stream: i64, event: &str) -> String {
        format!("{}_{stream}_{event}", self.bare)
    }
}
