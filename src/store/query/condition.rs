//! What a filter says of its field, read and checked.

use serde::Deserialize;
use serde_json::Value as JsonValue;

use super::{Filter, refuse};
use crate::error::{Error, Result};
use crate::protocol::hlc::Hlc;

/// What must hold of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// It has no value.
    IsNull,
    /// It has a value.
    IsNotNull,
    /// It is one of these.
    In(Choice),
    /// It is none of these.
    NotIn(Choice),
    /// It compares like this. A field without a value does so only as [`Comparison::NotEqual`].
    Compare(Comparison, Operand),
}

/// Values of which a field may have one.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The values.
    pub values: Vec<Operand>,
    /// Whether a field without a value is chosen as well.
    pub or_null: bool,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It is the same.
    Equal,
    /// It is another, or has no value.
    NotEqual,
    /// It is greater.
    Greater,
    /// It is greater or the same.
    AtLeast,
    /// It is smaller.
    Less,
    /// It is smaller or the same.
    AtMost,
    /// It is like a pattern, in which `%` is any text and `_` any character; ASCII letters are alike whatever
    /// their case.
    Like,
    /// It contains the text.
    Contains,
    /// It begins with the text.
    StartsWith,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// Nothing: it is equal to nothing, and neither greater nor smaller.
    Null,
    /// A whole number; a truth value is 1 or 0.
    Whole(i64),
    /// Another number.
    Real(f64),
    /// A text.
    Text(String),
    /// A timestamp.
    Time(Hlc),
}

impl Filter {
    /// What must hold of the field, which is a timestamp if `is_time`.
    pub fn condition(&self, is_time: bool) -> Result<Condition> {
        Ok(match (self.operator.as_str(), &self.value) {
            ("isNull", _) | ("eq" | "=" | "==", JsonValue::Null) => Condition::IsNull,
            ("isNotNull", _) | ("ne" | "neq" | "!=" | "<>", JsonValue::Null) => {
                Condition::IsNotNull
            }
            ("in", JsonValue::Array(values)) => Condition::In(Choice::of(values, is_time)?),
            ("notIn", JsonValue::Array(values)) => Condition::NotIn(Choice::of(values, is_time)?),
            (operator @ ("in" | "notIn"), _) => {
                return Err(refuse(format!("{operator} must have a list of values")));
            }
            (operator, value) => {
                let operand = Operand::of(&self.field, value, is_time)?;
                Condition::Compare(Comparison::of(operator)?, operand)
            }
        })
    }
}

impl Choice {
    fn of(values: &[JsonValue], is_time: bool) -> Result<Self> {
        let chosen = values.iter().filter(|value| !value.is_null());
        let chosen: Vec<_> = chosen
            .map(|value| Operand::of("in", value, is_time))
            .collect::<Result<_>>()?;
        Ok(Self {
            or_null: chosen.len() < values.len(),
            values: chosen,
        })
    }
}

impl Comparison {
    fn of(operator: &str) -> Result<Self> {
        Ok(match operator {
            "eq" | "=" | "==" => Self::Equal,
            "ne" | "neq" | "!=" | "<>" => Self::NotEqual,
            "gt" | ">" => Self::Greater,
            "gte" | ">=" => Self::AtLeast,
            "lt" | "<" => Self::Less,
            "lte" | "<=" => Self::AtMost,
            "like" => Self::Like,
            "contains" => Self::Contains,
            "startsWith" => Self::StartsWith,
            _ => return Err(unknown_operator(operator)),
        })
    }
}

impl Operand {
    fn of(name: &str, value: &JsonValue, is_time: bool) -> Result<Self> {
        if is_time {
            let time = match value {
                JsonValue::String(text) => Hlc::parse(text).ok(),
                other => Hlc::deserialize(other).ok(),
            };
            return time.map(Self::Time).ok_or_else(|| {
                refuse(format!(
                    "{name:?} must be compared with a timestamp {{ wallTime, counter, nodeId }}"
                ))
            });
        }
        Ok(match value {
            JsonValue::Null => Self::Null,
            JsonValue::Bool(truth) => Self::Whole(i64::from(*truth)),
            JsonValue::Number(number) => match number.as_i64() {
                Some(whole) => Self::Whole(whole),
                None => Self::Real(number.as_f64().unwrap_or(f64::NAN)),
            },
            JsonValue::String(text) => Self::Text(text.clone()),
            JsonValue::Array(_) | JsonValue::Object(_) => {
                return Err(refuse(format!(
                    "{name:?} must be compared with a text or a number"
                )));
            }
        })
    }
}

fn unknown_operator(operator: &str) -> Error {
    refuse(format!(
        "there is no operator {operator:?}; there are eq, ne, gt, gte, lt, lte, in, notIn, like, \
         contains, startsWith, isNull, isNotNull"
    ))
}
