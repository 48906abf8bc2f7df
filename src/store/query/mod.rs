//! Questions of an app to its records, whichever store answers them.
//!
//! A field of the record is named as in the record. Times are compared as timestamps. Pages follow each other
//! without gaps: every order ends with the id, and the cursor is the id of the last record, whose place in the
//! order is looked up again for the next page.

mod condition;
mod place;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value as JsonValue;

use super::Json;
use crate::error::{Error, ErrorKind, Result};

pub use condition::{Choice, Comparison, Condition, Operand};
pub(super) use place::AfterPlace;

/// What every store calls the work.
pub const OPERATION: &str = "query records";

/// What is asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Query {
    /// Only records of this type.
    pub r#type: Option<String>,
    /// Only records for which all of these hold.
    pub filters: Option<Vec<Filter>>,
    /// The order; by id where there is none.
    pub sort: Option<Vec<Sort>>,
    /// The most records; all if there is none.
    #[serde(deserialize_with = "limit")]
    pub limit: Option<usize>,
    /// The id of the previous page's last record.
    pub cursor: Option<String>,
}

/// A condition on one field.
#[derive(Debug, Clone, Deserialize)]
pub struct Filter {
    /// The field of the record.
    pub field: String,
    /// How it is compared.
    pub operator: String,
    /// What it is compared with.
    #[serde(default)]
    pub value: JsonValue,
}

/// One step of an order.
#[derive(Debug, Clone, Deserialize)]
pub struct Sort {
    /// The field of the record.
    pub field: String,
    /// Which way.
    pub direction: Direction,
}

/// Which way an order goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Smallest first; a field without a value comes first.
    Asc,
    /// Greatest first; a field without a value comes last.
    Desc,
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryResult {
    /// The records as JSON.
    pub records: Vec<Json>,
    /// The cursor of the next page, if there is one.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}

/// Says of a limit that is none what it must be.
fn limit<'de, D: Deserializer<'de>>(read: D) -> Result<Option<usize>, D::Error> {
    let told = Option::<serde_json::Value>::deserialize(read)?;
    let read = |told: serde_json::Value| {
        let number = told.as_u64().and_then(|number| number.try_into().ok());
        number
            .ok_or_else(|| D::Error::custom(format!("limit must be an integer from 1, got {told}")))
    };
    told.map(read).transpose()
}

impl Query {
    /// Reads a query from JSON.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| {
            let what = format!("a query must be {{ type, filters, sort, limit, cursor }}; {error}");
            refuse(what).caused_by(error)
        })
    }

    /// The greatest number of records that are wanted.
    pub fn most(&self) -> Result<usize> {
        match self.limit {
            Some(0) => Err(refuse("limit must be at least 1; leave it out to get all")),
            limit => Ok(limit.unwrap_or(usize::MAX)),
        }
    }
}

/// Whether the field of a record is a timestamp, and compared as one.
pub fn is_time(field: &str) -> bool {
    matches!(field, "createdAt" | "updatedAt" | "deletedAt")
}

/// That records do not have this field.
pub fn no_such_field(name: &str) -> Error {
    refuse(format!(
        "there is no field {name:?} to ask for; use a field of the records"
    ))
}

/// That the cursor names no record.
pub fn no_such_cursor(id: &str) -> Error {
    refuse(format!(
        "the cursor {id:?} is no record's id; begin without one"
    ))
}

fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, OPERATION, message.into())
}
