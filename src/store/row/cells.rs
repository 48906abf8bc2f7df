//! The cells of an app's row, and the fields that it has.
//!
//! A field that has no column, or that its column would not give back as it came, lies in one more column.

use rusqlite::types::Value;

use super::cell::Column;
use super::columns::write_string;
use super::record::{Fields, read_extra, same_json, write_extra};

/// The columns of an app's table, but for the one for what has none.
#[derive(Debug)]
pub(in crate::store) struct Cells {
    pub(in crate::store) columns: Vec<Column>,
    /// The columns that the table computes itself: never sent, never written.
    pub(in crate::store) computed: Vec<Column>,
}

/// What every table of an app has for the exchange.
pub(in crate::store) const BOOKKEEPING: [&str; 3] = ["updated_at", "deleted_at", "node_id"];

impl Cells {
    pub(in crate::store) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column of a field.
    pub(in crate::store) fn column(&self, field: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == field)
    }

    /// The column of a field that the table computes itself.
    pub(in crate::store) fn computed(&self, field: &str) -> Option<&Column> {
        self.computed.iter().find(|column| column.name == field)
    }

    /// A row of these fields, written by `node`. What `stays` of a column is written back as it is.
    pub(in crate::store) fn encode<V: From<Value>>(
        &self,
        fields: &Fields<'_>,
        node: &str,
        stays: impl Fn(usize, &Column) -> Option<V>,
    ) -> (Vec<V>, Option<String>) {
        let mut extra = Fields::new();
        let mut missing = Vec::new();
        let mut values = Vec::with_capacity(self.columns.len());
        let mut reads_back = String::new();
        for (at, column) in self.columns.iter().enumerate() {
            if let Some(raw) = stays(at, column) {
                values.push(raw);
                continue;
            }
            let json = fields.get(column.name.as_str()).copied();
            let value = match column.name.as_str() {
                "node_id" => Value::Text(node.to_owned()),
                _ => column.value_of(json),
            };
            reads_back.clear();
            column.write_json(&value, &mut reads_back);
            match json {
                Some(json) if same_json(&reads_back, json.get()) => {}
                Some(json) => {
                    extra.insert(column.name.as_str().into(), json);
                }
                None => missing.push(column.name.as_str()),
            }
            values.push(V::from(value));
        }
        for (name, json) in fields {
            if self.column(name).is_none() && self.computed(name).is_none() {
                extra.insert(name.clone(), json);
            }
        }
        (values, write_extra(&extra, &missing))
    }

    /// A row as the JSON object that it is. What was kept beside a column counts as long as the column holds
    /// what belongs to it; where somebody has changed the column since, the column counts.
    pub(in crate::store) fn decode(&self, values: &[Value], extra: Option<&str>) -> String {
        let (extra, missing) = extra.map(read_extra).unwrap_or_default();
        let mut json = String::with_capacity(256);
        let begin = |name: &str, json: &mut String| {
            json.push(if json.is_empty() { '{' } else { ',' });
            write_string(name, json);
            json.push(':');
        };
        for (column, value) in self.columns.iter().zip(values) {
            let is_its_own = column.name == "node_id";
            let stands = |value_of: Value| is_its_own || value_of == *value;
            let kept = extra.get(column.name.as_str()).copied();
            if let Some(kept) =
                kept.filter(|kept| *value == Value::Null || stands(column.value_of(Some(kept))))
            {
                begin(&column.name, &mut json);
                json.push_str(kept.get());
            } else if !(missing.contains(&column.name) && stands(column.value_of(None))) {
                begin(&column.name, &mut json);
                column.write_json(value, &mut json);
            }
        }
        for (name, kept) in &extra {
            if self.column(name).is_none() && self.computed(name).is_none() {
                begin(name, &mut json);
                json.push_str(kept.get());
            }
        }
        json.push_str(if json.is_empty() { "{}" } else { "}" });
        json
    }
}
