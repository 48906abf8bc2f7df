//! The three operations on rows, last writer wins.
//!
//! What is stored afterwards is always a whole row: the fields that an entry does not name stay as they
//! are. A row that is deleted stays as well, and so does one that is deleted before it was ever seen:
//! without it an older version from elsewhere would bring the row back.

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde_json::value::RawValue;

use super::super::columns::quote;
use super::super::fault::{about, during, ignored};
use super::super::late::LateCheck;
use super::super::malformed::Raw;
use super::super::record::{Fields, same_json};
use super::faults::unsaid;
use super::namespaces;
use super::table::{self, AppTable, BOOKKEEPING, EncodedRow, StoredRow};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::{Hlc, wins};
use crate::protocol::item::{Item, ItemKind, Table};
use crate::protocol::log::canonical_body;
use crate::store::row::cell::Column;
pub(super) use crate::store::row::entry::APPLY;
use crate::store::row::entry::{Entry, Op, refuse, without_node};
use crate::store::{Json, SHARED_NODE};

/// The tables that a page is applied to, each looked at once.
#[derive(Default)]
pub(super) struct Tables(RefCell<HashMap<Table, AppTable>>);

impl Tables {
    /// Applies one entry within the caller's transaction; whether it changed anything.
    pub(super) fn apply(&self, connection: &Connection, item: &Item<Json>) -> Result<bool> {
        #[allow(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is of one lifetime, and any is needed"
        )]
        self.run(connection, item, |change, entry| change.run(entry))
    }

    /// The same for an entry that a log sent: of two versions of a row with one timestamp the greater one stands.
    pub(super) fn settle(&self, connection: &Connection, item: &Item<Json>) -> Result<bool> {
        self.run(connection, item, |change, entry| {
            Ok(change.run(entry)? || change.settle_equal(entry)?)
        })
    }

    fn run(
        &self,
        connection: &Connection,
        item: &Item<Json>,
        work: impl FnOnce(&mut Change<'_>, &Entry<'_>) -> Result<bool>,
    ) -> Result<bool> {
        let applied = self.apply_entry(connection, item, work);
        if applied.is_err() {
            // What it did to a table is undone with it.
            self.0.borrow_mut().clear();
        }
        applied
    }

    /// Applies an entry of the app's, and notes where it is late.
    pub(super) fn apply_own(
        &self,
        connection: &Connection,
        item: &Item<Json>,
        late: &mut LateCheck,
    ) -> Result<bool> {
        if let ItemKind::Row(table) = &item.kind {
            let known = find_table(connection, table)?;
            let by_time = (connection, &known.by_time);
            late.look(APPLY, by_time, &item.hlc, || Ok(None))?;
            self.0.borrow_mut().insert(table.clone(), known);
        }
        self.apply(connection, item)
    }

    fn apply_entry(
        &self,
        connection: &Connection,
        item: &Item<Json>,
        work: impl FnOnce(&mut Change<'_>, &Entry<'_>) -> Result<bool>,
    ) -> Result<bool> {
        let ItemKind::Row(table) = &item.kind else {
            return Err(refuse(
                "a shared record is no row of an app; a store of records takes it in",
            ));
        };
        let known = self.0.borrow_mut().remove(table);
        let known = match known {
            Some(known) => known,
            None => find_table(connection, table)?,
        };
        let entry = Entry::read(item, table)?;
        let mut change = Change {
            connection,
            table: known,
            hlc: &item.hlc,
            updated_at: entry.updated_at()?,
            revives: false,
        };
        let changed = work(&mut change, &entry)?;
        self.0.borrow_mut().insert(table.clone(), change.table);
        Ok(changed)
    }
}

fn find_table(connection: &Connection, table: &Table) -> Result<AppTable> {
    let unknown = |message| {
        let names = format!("{:?} of the app {:?}", table.name, table.app);
        Error::new(
            ErrorKind::UnknownApp,
            APPLY,
            format!("the table {names} {message}"),
        )
    };
    let (Some(app), Some(name)) = (table.app.to_utf8(), table.name.to_utf8()) else {
        return Err(unknown("has a name that no table can have"));
    };
    let namespace = namespaces::get(APPLY, connection, &app)?;
    let info = namespace
        .as_ref()
        .and_then(|namespace| namespace.table(&name));
    let info = info.ok_or_else(|| unknown("is not registered on this side; register it first"))?;
    let found = table::load(APPLY, connection, &app, info)?
        .ok_or_else(|| unknown("is registered but not there; create it first"))?;
    found.create_indexes(APPLY, connection)?;
    Ok(found)
}

/// One entry on its way into its table.
struct Change<'a> {
    connection: &'a Connection,
    table: AppTable,
    hlc: &'a Hlc,
    updated_at: Box<RawValue>,
    /// Whether a row that is deleted is not any more: an insert that does not say otherwise.
    revives: bool,
}

impl Change<'_> {
    fn run(&mut self, entry: &Entry<'_>) -> Result<bool> {
        let key = entry.row.as_ref().and_then(|row| self.key_of(row));
        match entry.op {
            Op::Insert => {
                let row = entry
                    .row
                    .as_ref()
                    .ok_or_else(|| refuse("an insert must have a `row`"))?;
                if self.table.info.pk_columns.is_empty() {
                    return self.insert_once(row);
                }
                let key = key.ok_or_else(|| {
                    refuse("the row of an insert must have all columns of the primary key")
                })?;
                self.revives = !row.contains_key("deleted_at");
                self.upsert(&key, row)
            }
            Op::Update => {
                let filter = entry.filter.as_ref().or(key.as_ref());
                let filter = filter.ok_or_else(|| refuse("an update must have a `where`"))?;
                let changes = entry.row.clone().unwrap_or_default();
                Ok(self.change(filter, &changes)? > 0)
            }
            Op::Delete => {
                let text = self.updated_at.clone();
                let mut changes = entry.row.clone().unwrap_or_default();
                let deleted_at = changes.entry("deleted_at".into()).or_insert(&text);
                if deleted_at.get() == "null" {
                    *deleted_at = &text;
                }
                match (key, &entry.filter) {
                    (Some(key), _) => self.upsert(&key, &changes),
                    (None, Some(filter)) => {
                        let only = changes.remove_entry("deleted_at").into_iter().collect();
                        Ok(self.change(filter, &only)? > 0)
                    }
                    (None, None)
                        if entry.row.is_some() && self.table.info.pk_columns.is_empty() =>
                    {
                        let mut same = changes.clone();
                        same.retain(|name, _| !BOOKKEEPING.contains(&&**name));
                        Ok(self.change(&same, &changes)? > 0 || self.insert_once(&changes)?)
                    }
                    _ => Err(refuse(
                        "a delete must have a `where`, or a `row` with its primary key",
                    )),
                }
            }
        }
    }

    /// Of two versions of a row with one timestamp the greater one stands; whether that is the one that came, and was
    /// not stored.
    fn settle_equal(&mut self, entry: &Entry<'_>) -> Result<bool> {
        let Some(row) = entry.row.as_ref() else {
            return Ok(false);
        };
        let Some(key) = self.key_of(row) else {
            return Ok(false);
        };
        let stored = self.matching(&key)?;
        let [stored] = &stored[..] else {
            return Ok(false);
        };
        if self.table.time_of(stored).as_ref() != Some(self.hlc) {
            return Ok(false);
        }
        // The node of its time is no content: some sides name it in a row, others do not.
        let mut content = row.clone();
        content.remove("node_id");
        let incoming = self.encode(content, |_, _| None);
        let ours = canonical_body(&without_node(&self.table.decode(stored)));
        let theirs = canonical_body(&without_node(
            &self.table.decode(&incoming.clone().into_stored()),
        ));
        if theirs == ours {
            return Ok(false);
        }
        tracing::warn!(row = self.table.named(stored), time = %self.hlc, "{SHARED_NODE}");
        let is_greater = theirs > ours;
        if is_greater {
            self.update(stored, &incoming)?;
        }
        self.table.renew(self.connection, stored, self.hlc)?;
        Ok(is_greater)
    }

    /// The primary key of a row, if the table has one and the row has all of it.
    fn key_of<'f>(&self, row: &Fields<'f>) -> Option<Fields<'f>> {
        let columns = &self.table.info.pk_columns;
        let key = columns.iter().map(|column| {
            let (name, json) = row.get_key_value(column.as_str())?;
            Some((name.clone(), *json))
        });
        key.collect::<Option<Fields<'_>>>()
            .filter(|key| !key.is_empty())
    }

    fn upsert(&mut self, key: &Fields<'_>, row: &Fields<'_>) -> Result<bool> {
        if self.matching(key)?.is_empty() {
            return self.insert(row).map(|()| true);
        }
        Ok(self.change(key, row)? > 0)
    }

    /// Inserts a row of a table in which nothing tells rows apart, unless it is there already.
    fn insert_once(&mut self, row: &Fields<'_>) -> Result<bool> {
        let mut same = row.clone();
        same.remove("node_id");
        let time = self.updated_at.clone();
        same.insert("updated_at".into(), &time);
        let mut alike = self.matching(&same)?.into_iter();
        if alike.any(|stored| self.has_fields(&stored, &same)) {
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
            let mut fields: Fields<'_> = serde_json::from_str(&json)
                .map_err(|error| refuse("the stored row cannot be read").caused_by(error))?;
            // The row's old node is no field of the new one, unless that names it itself.
            if fields.contains_key("node_id") && !changes.contains_key("node_id") {
                fields.remove("node_id");
            }
            fields.extend(changes.iter().map(|(name, json)| (name.clone(), *json)));
            if self.revives && fields.contains_key("deleted_at") {
                fields.insert("deleted_at".into(), RawValue::NULL);
            }
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
        let time = self.updated_at.clone();
        let mut fields: Fields<'_> = fields;
        fields.insert("updated_at".into(), &time);
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
        rows.retain(|row| self.has_fields(row, &rest));
        Ok(rows)
    }

    /// The column of a field, also where the table computes it.
    fn column_to_compare(&self, field: &str) -> Option<&Column> {
        let computed = || self.table.computed(field);
        self.table.column(field).or_else(computed)
    }

    /// Whether a row has these very fields: a column may hold the same for two values that are not.
    fn has_fields(&self, row: &StoredRow, filter: &Fields<'_>) -> bool {
        if filter.is_empty() {
            return true;
        }
        let json = self.table.decode(row);
        let fields: Fields<'_> = serde_json::from_str(&json).unwrap_or_default();
        filter.iter().all(|(name, wanted)| match fields.get(name) {
            Some(has) => same_json(has.get(), wanted.get()),
            None => wanted.get() == "null",
        })
    }
}
