//! Applying an entry to its table: looking for the rows and writing them. What is to be done is said in
//! [`row::operation`](crate::store::row::operation).

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde_json::value::RawValue;

use super::super::columns::quote;
use super::super::fault::{about, during, ignored};
use super::super::malformed::Raw;
use super::super::record::Fields;
use super::faults::unsaid;
use super::table::{AppTable, EncodedRow, StoredRow};
use crate::error::Result;
use crate::protocol::hlc::{Hlc, wins};
use crate::store::SHARED_NODE;
use crate::store::row::cell::Column;
pub(super) use crate::store::row::entry::APPLY;
use crate::store::row::entry::{Entry, refuse};
use crate::store::row::equal::is_greater_row;
use crate::store::row::operation::{Step, changed, content, has_fields};

/// One entry on its way into its table.
pub(super) struct Change<'a> {
    pub(super) connection: &'a Connection,
    pub(super) table: AppTable,
    pub(super) hlc: &'a Hlc,
    pub(super) updated_at: &'a RawValue,
    /// Whether a row that is deleted is not any more.
    pub(super) revives: bool,
}

impl Change<'_> {
    pub(super) fn run(&mut self, step: &Step<'_>) -> Result<bool> {
        match step {
            Step::Upsert { key, row, .. } => self.upsert(key, row),
            Step::InsertOnce(row) => self.insert_once(row),
            Step::Change { filter, changes } => Ok(self.change(filter, changes)? > 0),
            Step::ChangeOrInsert { same, row } => {
                Ok(self.change(same, row)? > 0 || self.insert_once(row)?)
            }
        }
    }

    /// Of two versions of a row with one timestamp the greater one stands; whether that is the one that came, and was
    /// not stored.
    pub(super) fn settle_equal(&mut self, entry: &Entry<'_>) -> Result<bool> {
        let Some((row, key)) = entry.keyed(&self.table.info.pk_columns) else {
            return Ok(false);
        };
        let stored = self.matching(&key)?;
        let [stored] = &stored[..] else {
            return Ok(false);
        };
        if self.table.time_of(stored).as_ref() != Some(self.hlc) {
            return Ok(false);
        }
        let incoming = self.encode(content(row, self.updated_at), |_, _| None);
        let came = self.table.decode(&incoming.clone().into_stored());
        let Some(is_greater) = is_greater_row(&came, &self.table.decode(stored)) else {
            return Ok(false);
        };
        tracing::warn!(row = self.table.named(stored), time = %self.hlc, "{SHARED_NODE}");
        if is_greater {
            self.update(stored, &incoming)?;
        }
        self.table.renew(self.connection, stored, self.hlc)?;
        Ok(is_greater)
    }

    fn upsert(&mut self, key: &Fields<'_>, row: &Fields<'_>) -> Result<bool> {
        if self.matching(key)?.is_empty() {
            return self.insert(row).map(|()| true);
        }
        Ok(self.change(key, row)? > 0)
    }

    /// Inserts a row of a table in which nothing tells rows apart, unless it is there already.
    fn insert_once(&mut self, row: &Fields<'_>) -> Result<bool> {
        let same = content(row, self.updated_at);
        let mut alike = self.matching(&same)?.into_iter();
        if alike.any(|stored| has_fields(&same, || self.table.decode(&stored))) {
            return Ok(false);
        }
        self.insert(row).map(|()| true)
    }

    /// Changes the rows for which `filter` holds and that are older; how many.
    fn change(&mut self, filter: &Fields<'_>, changes: &Fields<'_>) -> Result<usize> {
        let mut count = 0;
        for stored in self.matching(filter)? {
            if !wins(self.hlc, self.table.time_of(&stored).as_ref()) {
                continue;
            }
            let json = self.table.decode(&stored);
            let fields = changed(&json, changes, self.revives)?;
            let is_written = |name: &str| {
                changes.contains_key(name)
                    || matches!(name, "updated_at" | "node_id")
                    || (self.revives && name == "deleted_at")
            };
            let encoded = self.encode(fields, |at, column| {
                (!is_written(&column.name))
                    .then(|| unsaid(&stored, at))
                    .flatten()
            });
            self.update(&stored, &encoded)?;
            count += 1;
        }
        Ok(count)
    }

    fn encode(
        &self,
        fields: Fields<'_>,
        stays: impl Fn(usize, &Column) -> Option<Raw>,
    ) -> EncodedRow {
        let mut fields: Fields<'_> = fields;
        fields.insert("updated_at".into(), self.updated_at);
        let node = self.hlc.node_id.to_string();
        self.table.encode(&fields, &node, stays)
    }

    /// Makes room for what has no column.
    fn make_room(&mut self, encoded: &EncodedRow) -> Result<()> {
        if encoded.extra.is_some() && !self.table.has_extra {
            self.table.add_extra(APPLY, self.connection)?;
        }
        Ok(())
    }

    fn insert(&mut self, row: &Fields<'_>) -> Result<()> {
        let mut fields = row.clone();
        let deleted_at = self.table.column("deleted_at");
        if self.revives && deleted_at.is_some_and(|column| column.default != Value::Null) {
            fields.insert("deleted_at".into(), RawValue::NULL);
        }
        let encoded = self.encode(fields, |_, _| None);
        self.make_room(&encoded)?;
        let names = self.table.written_names();
        let places: Vec<String> = (1..=names.len()).map(|at| format!("?{at}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.table.name,
            names.join(", "),
            places.join(", ")
        );
        let row_in_words = || {
            let value_of = |column: &str| row.get(column).map(|json| json.get().to_owned());
            self.table.named_by(&[], value_of)
        };
        self.execute(&sql, &self.table.written_values(encoded), row_in_words)
    }

    fn update(&mut self, stored: &StoredRow, encoded: &EncodedRow) -> Result<()> {
        self.make_room(encoded)?;
        let names = self.table.written_names();
        let set: Vec<String> = (1..)
            .zip(&names)
            .map(|(at, name)| format!("{name} = ?{at}"))
            .collect();
        let is_key: Vec<String> = (names.len() + 1..)
            .zip(&self.table.key)
            .map(|(at, name)| format!("{name} = ?{at}"))
            .collect();
        let sql = format!(
            "UPDATE {} SET {} WHERE {}",
            self.table.name,
            set.join(", "),
            is_key.join(" AND ")
        );
        let mut values = self.table.written_values(encoded.clone());
        values.extend(stored.key.iter().cloned());
        self.execute(&sql, &values, || self.table.named(stored))
    }

    /// Runs a statement that changes one row, which `named` names where it does not.
    fn execute(&self, sql: &str, values: &[Raw], named: impl Fn() -> String) -> Result<()> {
        let changed = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params_from_iter(values)))
            .map_err(about(APPLY, &named))?;
        if changed == 0 {
            return Err(ignored(APPLY, &named()));
        }
        Ok(())
    }

    /// The rows whose fields are these: where a field has a column, as the column compares.
    fn matching(&self, filter: &Fields<'_>) -> Result<Vec<StoredRow>> {
        let (mut conditions, mut values) = (Vec::new(), Vec::new());
        for (name, json) in filter {
            if let Some(column) = self.column_to_compare(name) {
                values.push(column.value_of(Some(json)));
                conditions.push(format!("{} IS ?{}", quote(name), values.len()));
            }
        }
        if conditions.is_empty() && filter.is_empty() {
            return Err(refuse("a `where` must name at least one column"));
        }
        let select = &self.table.select;
        let sql = if conditions.is_empty() {
            select.clone()
        } else {
            format!("{select} WHERE {}", conditions.join(" AND "))
        };
        let read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), |row| self.table.read(row))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut rows = read().map_err(during(APPLY))?;
        let mut rest = filter.clone();
        rest.retain(|name, _| self.column_to_compare(name).is_none());
        rows.retain(|row| has_fields(&rest, || self.table.decode(row)));
        Ok(rows)
    }

    /// The column of a field, also where the table computes it.
    fn column_to_compare(&self, field: &str) -> Option<&Column> {
        let computed = || self.table.computed(field);
        self.table.column(field).or_else(computed)
    }
}
