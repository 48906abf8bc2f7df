//! Questions of an app to its records.
//!
//! A field of the record is named as in the record. Times are compared as timestamps, by a collation of
//! this package's own. Pages follow each other without gaps: every order ends with the id, and the cursor
//! is the id of the last record, whose place in the order is looked up again for the next page.

use std::cmp::Ordering;
use std::fmt::Write as _;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Rows, params_from_iter};
use serde::Deserialize;
use serde_json::Value as JsonValue;

use super::columns::{FieldKind, KIND, is_known};
use super::fault::during;
use super::malformed::Raw;
use super::rows::Stored;
use super::schema::{EXTRA, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::store::Json;

const OPERATION: &str = "query records";
const COLLATION: &str = "starkeep_time";

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
    /// At most so many records; all where there is none.
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

impl Query {
    /// Reads a query from JSON.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| {
            refuse("a query must be { type, filters, sort, limit, cursor }".to_owned())
                .caused_by(error)
        })
    }
}

/// Lets a connection compare times.
pub(super) fn add_collation(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_collation(COLLATION, |a, b| match (Hlc::parse(a), Hlc::parse(b)) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Greater,
        (Err(_), Ok(_)) => Ordering::Less,
        (Err(_), Err(_)) => a.cmp(b),
    })
}

/// Answers a query.
pub(super) fn run(connection: &Connection, shape: &Shape, query: &Query) -> Result<QueryResult> {
    let mut sql = Builder::new(shape);
    if let Some(kind) = &query.r#type {
        let kind = sql.bind(Value::Text(kind.clone()));
        sql.conditions.push(format!("\"type\" = {kind}"));
    }
    for filter in query.filters.iter().flatten() {
        sql.filter(filter)?;
    }
    let order = sql.order(query.sort.as_deref().unwrap_or_default())?;
    if let Some(cursor) = &query.cursor {
        sql.after(connection, &order, cursor)?;
    }
    let limit = match query.limit {
        Some(0) => {
            return Err(refuse(
                "limit must be at least 1; leave it out to get all".to_owned(),
            ));
        }
        limit => limit.unwrap_or(usize::MAX),
    };
    let (text, parameters) = sql.finish(&order);
    let parameters = |most: usize| {
        let most = Value::Integer(i64::try_from(most).unwrap_or(i64::MAX));
        params_from_iter(parameters.iter().cloned().chain([Raw::Readable(most)]))
    };
    let mut statement = connection
        .prepare_cached(&text)
        .map_err(during(OPERATION))?;
    let most = limit.saturating_add(1);
    let mut page = statement
        .query(parameters(most))
        .and_then(|rows| read_page(shape, rows, limit))
        .map_err(during(OPERATION))?;
    if page.left_out > 0 {
        tracing::warn!(
            rows = page.left_out,
            "rows of shared_records whose id is no text are left out of a query; mend them in the database"
        );
        if !page.has_more && page.left_out + page.records.len() == most {
            // They took the places of records that are there.
            page = statement
                .query(parameters(usize::MAX))
                .and_then(|rows| read_page(shape, rows, limit))
                .map_err(during(OPERATION))?;
        }
    }
    Ok(QueryResult {
        records: page.records,
        next_cursor: page.last.filter(|_| page.has_more),
        has_more: page.has_more,
    })
}

#[derive(Default)]
struct ReadPage {
    records: Vec<Json>,
    last: Option<String>,
    has_more: bool,
    left_out: usize,
}

/// At most `limit` records. A row whose id is no text is left out, for neither a cursor nor anything else can
/// name it; of any other, what can be read is the record.
fn read_page(shape: &Shape, mut rows: Rows<'_>, limit: usize) -> rusqlite::Result<ReadPage> {
    let mut page = ReadPage::default();
    while let Some(row) = rows.next()? {
        let stored = Stored::read(shape, row)?;
        let Some(id) = stored.id(shape) else {
            page.left_out += 1;
            continue;
        };
        if page.records.len() == limit {
            page.has_more = true;
            break;
        }
        page.last = Some(id.to_owned());
        page.records.push(stored.json(shape));
    }
    Ok(page)
}

struct Builder<'a> {
    shape: &'a Shape,
    conditions: Vec<String>,
    parameters: Vec<Raw>,
}

/// One step of an order, as SQL.
struct Step {
    field: String,
    direction: Direction,
}

struct Field {
    sql: String,
    is_time: bool,
}

impl<'a> Builder<'a> {
    fn new(shape: &'a Shape) -> Self {
        Self {
            shape,
            conditions: Vec::new(),
            parameters: Vec::new(),
        }
    }

    fn bind(&mut self, value: Value) -> String {
        self.bind_raw(Raw::Readable(value))
    }

    fn bind_raw(&mut self, value: Raw) -> String {
        self.parameters.push(value);
        format!("?{}", self.parameters.len())
    }

    fn filter(&mut self, filter: &Filter) -> Result<()> {
        let field = self.field(&filter.field)?;
        let f = &field.sql;
        let condition = match (filter.operator.as_str(), &filter.value) {
            ("isNull", _) | ("eq" | "=" | "==", JsonValue::Null) => format!("{f} IS NULL"),
            ("isNotNull", _) | ("ne" | "neq" | "!=" | "<>", JsonValue::Null) => {
                format!("{f} IS NOT NULL")
            }
            ("in", JsonValue::Array(values)) => self.one_of(&field, values)?,
            ("notIn", JsonValue::Array(values)) => {
                format!("({}) IS NOT TRUE", self.one_of(&field, values)?)
            }
            (operator @ ("in" | "notIn"), _) => {
                return Err(refuse(format!("{operator} must have a list of values")));
            }
            (operator, value) => {
                let value = field_value(&field, &filter.field, value)?;
                let v = self.bind(value);
                match operator {
                    "eq" | "=" | "==" => format!("{f} = {v}"),
                    "ne" | "neq" | "!=" | "<>" => format!("{f} IS NOT {v}"),
                    "gt" | ">" => format!("{f} > {v}"),
                    "gte" | ">=" => format!("{f} >= {v}"),
                    "lt" | "<" => format!("{f} < {v}"),
                    "lte" | "<=" => format!("{f} <= {v}"),
                    "like" => format!("{f} LIKE {v}"),
                    "contains" => format!("instr({f}, {v}) > 0"),
                    "startsWith" => format!("substr({f}, 1, length({v})) = {v}"),
                    _ => return Err(unknown_operator(operator)),
                }
            }
        };
        self.conditions.push(condition);
        Ok(())
    }

    fn one_of(&mut self, field: &Field, values: &[JsonValue]) -> Result<String> {
        let mut list = Vec::new();
        for value in values.iter().filter(|value| !value.is_null()) {
            let value = field_value(field, "in", value)?;
            list.push(self.bind(value));
        }
        let or_null = if list.len() < values.len() {
            format!(" OR {} IS NULL", field.sql)
        } else {
            String::new()
        };
        Ok(format!("({} IN ({}){or_null})", field.sql, list.join(", ")))
    }

    fn order(&self, sort: &[Sort]) -> Result<Vec<Step>> {
        let mut order = Vec::with_capacity(sort.len() + 1);
        for step in sort {
            order.push(Step {
                field: self.field(&step.field)?.sql,
                direction: step.direction,
            });
        }
        order.push(Step {
            field: "\"id\"".to_owned(),
            direction: Direction::Asc,
        });
        Ok(order)
    }

    /// Only what comes after the record `cursor` in this order.
    fn after(&mut self, connection: &Connection, order: &[Step], cursor: &str) -> Result<()> {
        let place = if order.len() == 1 {
            vec![Raw::Readable(Value::Text(cursor.to_owned()))]
        } else {
            place_of(connection, order, cursor)?
        };
        let mut alternatives = Vec::new();
        let mut equal_so_far = String::new();
        for (Step { field, direction }, value) in order.iter().zip(place) {
            let is_null = value == Raw::Readable(Value::Null);
            let v = self.bind_raw(value);
            let later = match (direction, is_null) {
                (Direction::Asc, true) => Some(format!("{field} IS NOT NULL")),
                (Direction::Asc, false) => Some(format!("{field} > {v}")),
                (Direction::Desc, true) => None,
                (Direction::Desc, false) => Some(format!("({field} < {v} OR {field} IS NULL)")),
            };
            alternatives.extend(later.map(|later| format!("({equal_so_far}{later})")));
            let _ = write!(equal_so_far, "{field} IS {v} AND ");
        }
        self.conditions
            .push(format!("({})", alternatives.join(" OR ")));
        Ok(())
    }

    /// The last parameter is how many rows are read at most.
    fn finish(self, order: &[Step]) -> (String, Vec<Raw>) {
        let mut sql = self.shape.sql.select.clone();
        if !self.conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", self.conditions.join(" AND "));
        }
        let order: Vec<String> = order
            .iter()
            .map(|Step { field, direction }| match direction {
                Direction::Asc => format!("{field} ASC"),
                Direction::Desc => format!("{field} DESC"),
            })
            .collect();
        let limit = self.parameters.len() + 1;
        let _ = write!(sql, " ORDER BY {} LIMIT ?{limit}", order.join(", "));
        (sql, self.parameters)
    }

    fn field(&self, name: &str) -> Result<Field> {
        let (sql, is_time) = match self.shape.column_of(name) {
            _ if name == KIND => ("'data'".to_owned(), false),
            Some(column) if column.kind == FieldKind::Time => {
                (format!("{} COLLATE {COLLATION}", column.quoted()), true)
            }
            Some(column) => (column.quoted(), false),
            None if is_known(name) => (
                format!("coalesce({EXTRA} ->> '$.{name}', {EXTRA} ->> '$[0].{name}')"),
                false,
            ),
            None => {
                return Err(refuse(format!(
                    "there is no field {name:?} to ask for; use a field of the records"
                )));
            }
        };
        Ok(Field { sql, is_time })
    }
}

/// Where a record stands in an order.
fn place_of(connection: &Connection, order: &[Step], id: &str) -> Result<Vec<Raw>> {
    let fields: Vec<&str> = order.iter().map(|step| step.field.as_str()).collect();
    let sql = format!(
        "SELECT {} FROM shared_records WHERE \"id\" = ?1",
        fields.join(", ")
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement
                .query_row([id], |row| {
                    (0..order.len()).map(|at| Raw::read(row, at)).collect()
                })
                .optional()
        })
        .map_err(during(OPERATION))?
        .ok_or_else(|| {
            refuse(format!(
                "the cursor {id:?} is no record's id; begin without one"
            ))
        })
}

fn field_value(field: &Field, name: &str, value: &JsonValue) -> Result<Value> {
    if field.is_time {
        let time = match value {
            JsonValue::String(text) => Hlc::parse(text).ok(),
            other => Hlc::deserialize(other).ok(),
        };
        return time.map(|hlc| Value::Text(hlc.to_string())).ok_or_else(|| {
            refuse(format!(
                "{name:?} must be compared with a timestamp {{ wallTime, counter, nodeId }}"
            ))
        });
    }
    Ok(match value {
        JsonValue::Null => Value::Null,
        JsonValue::Bool(truth) => Value::Integer(i64::from(*truth)),
        JsonValue::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::Real(number.as_f64().unwrap_or(f64::NAN)),
        },
        JsonValue::String(text) => Value::Text(text.clone()),
        JsonValue::Array(_) | JsonValue::Object(_) => {
            return Err(refuse(format!(
                "{name:?} must be compared with a text or a number"
            )));
        }
    })
}

fn unknown_operator(operator: &str) -> Error {
    refuse(format!(
        "there is no operator {operator:?}; there are eq, ne, gt, gte, lt, lte, in, notIn, like, \
         contains, startsWith, isNull, isNotNull"
    ))
}

fn refuse(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, OPERATION, message)
}
