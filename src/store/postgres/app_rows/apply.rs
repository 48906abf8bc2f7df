//! The three operations on rows, last writer wins.
//!
//! What is stored afterwards is always a whole row: the fields that an entry does not name stay as they
//! are. A row that is deleted stays as well, and so does one that is deleted before it was ever seen:
//! without it an older version from elsewhere would bring the row back.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::super::columns::quote;
use super::super::fault::{about, code_of, is_of_one_row};
use super::super::log::Sql;
use super::super::param::Param;
use super::super::record::{Fields, same_json};
use super::super::session::PgSession;
use super::super::table::text_of;
use super::namespaces;
use super::table::{self, PgTable, StoredRow};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::{Hlc, wins};
use crate::protocol::item::{Item, ItemKind, Table};
use crate::store::Json;
use crate::store::row::cells::BOOKKEEPING;
pub(super) use crate::store::row::entry::{APPLY, refuse};
use crate::store::row::entry::{Entry, Op};

/// The tables that a page is applied to, each looked at once.
pub(super) struct KnownTables<'s> {
    session: &'s PgSession,
    schema: &'s str,
    known: HashMap<Table, PgTable>,
    /// The log in which items with one timestamp and different content are noted, where there is one.
    log: Option<Sql<'s>>,
}

impl<'s> KnownTables<'s> {
    pub(super) fn new(session: &'s PgSession, schema: &'s str) -> Self {
        Self {
            session,
            schema,
            known: HashMap::new(),
            log: None,
        }
    }

    /// Of two versions with one timestamp the greater one stands, and the log says so.
    pub(super) fn logged(log: Sql<'s>, schema: &'s str) -> Self {
        Self {
            log: Some(log),
            ..Self::new(log.session, schema)
        }
    }

    /// The table of an item.
    pub(super) async fn of(&mut self, item: &Item<Json>) -> Result<&PgTable> {
        let ItemKind::Row(table) = &item.kind else {
            return Err(refuse(
                "a shared record is no row of an app; a store of records takes it in",
            ));
        };
        if !self.known.contains_key(table) {
            let found = find_table(self.session, self.schema, table).await?;
            self.known.insert(table.clone(), found);
        }
        let found = self.known.get(table);
        found.ok_or_else(|| refuse("the table is not known"))
    }

    /// Applies one entry within the caller's transaction; whether it changed anything. Two processes may insert one row: the
    /// second finds it there when it looks again.
    pub(super) async fn apply(&mut self, item: &Item<Json>) -> Result<bool> {
        let (session, log) = (self.session, self.log);
        let known = self.of(item).await?;
        let ItemKind::Row(table) = &item.kind else {
            return Ok(false);
        };
        if item.hlc.wall_time >= 1 << 48 || item.hlc.counter >= 1 << 16 {
            return Err(refuse(&format!(
                "its timestamp must have at most 12 digits of time and 4 of its counter in hexadecimal, got {}: text has \
                 another order then",
                item.hlc
            )));
        }
        let entry = Entry::read(item, table)?;
        let change = Change {
            session,
            table: known,
            hlc: &item.hlc,
            updated_at: entry.updated_at()?,
            revives: entry.op == Op::Insert
                && entry
                    .row
                    .as_ref()
                    .is_some_and(|row| !row.contains_key("deleted_at")),
        };
        let is_changed = change.run(&entry).await?;
        match log {
            Some(log) if !is_changed => change.settle_equal(&log, &entry).await,
            _ => Ok(is_changed),
        }
    }
}

/// Applies one; what it wrote before it failed is undone. A row that is there after all is looked at once more.
pub(super) async fn one(
    session: &PgSession,
    tables: &mut KnownTables<'_>,
    item: &Item<Json>,
) -> Result<bool> {
    let mut again = true;
    loop {
        session.batch(APPLY, "SAVEPOINT item").await?;
        let applied = tables.apply(item).await;
        match &applied {
            Ok(_) => session.batch(APPLY, "RELEASE SAVEPOINT item").await?,
            Err(error) if is_of_one_row(error) && !session.is_lost() => {
                let undo = "ROLLBACK TO SAVEPOINT item; RELEASE SAVEPOINT item";
                session.batch(APPLY, undo).await?;
                if again && is_there_already(error) {
                    again = false;
                    continue;
                }
            }
            Err(_) => {}
        }
        return applied;
    }
}

/// Whether another process may have inserted the row meanwhile.
pub(super) fn is_there_already(error: &Error) -> bool {
    code_of(error).is_some_and(|code| code.code() == "23505")
}

async fn find_table(session: &PgSession, schema: &str, table: &Table) -> Result<PgTable> {
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
    let namespace = namespaces::get(APPLY, session, schema, &app).await?;
    let info = namespace
        .as_ref()
        .and_then(|namespace| namespace.table(&name));
    let info = info.ok_or_else(|| unknown("is not registered on this side; register it first"))?;
    table::load(APPLY, session, &app, info)
        .await?
        .ok_or_else(|| unknown("is registered but not there; create it first"))
}

/// One entry on its way into its table.
pub(super) struct Change<'a> {
    session: &'a PgSession,
    pub(super) table: &'a PgTable,
    pub(super) hlc: &'a Hlc,
    pub(super) updated_at: Box<RawValue>,
    /// Whether a row that is deleted is not any more: an insert that does not say otherwise.
    revives: bool,
}

impl Change<'_> {
    async fn run(&self, entry: &Entry<'_>) -> Result<bool> {
        let key = entry.row.as_ref().and_then(|row| self.key_of(row));
        match entry.op {
            Op::Insert => {
                let row = entry
                    .row
                    .as_ref()
                    .ok_or_else(|| refuse("an insert must have a `row`"))?;
                if self.table.info.pk_columns.is_empty() {
                    return self.insert_once(row).await;
                }
                let key = key.ok_or_else(|| {
                    refuse("the row of an insert must have all columns of the primary key")
                })?;
                self.upsert(&key, row).await
            }
            Op::Update => {
                let filter = entry.filter.as_ref().or(key.as_ref());
                let filter = filter.ok_or_else(|| refuse("an update must have a `where`"))?;
                let changes = entry.row.clone().unwrap_or_default();
                Ok(self.change(filter, &changes).await? > 0)
            }
            Op::Delete => self.delete(entry, key).await,
        }
    }

    async fn delete(&self, entry: &Entry<'_>, key: Option<Fields<'_>>) -> Result<bool> {
        let text = self.updated_at.clone();
        let mut changes = entry.row.clone().unwrap_or_default();
        let deleted_at = changes.entry("deleted_at".into()).or_insert(&text);
        if deleted_at.get() == "null" {
            *deleted_at = &text;
        }
        match (key, &entry.filter) {
            (Some(key), _) => self.upsert(&key, &changes).await,
            (None, Some(filter)) => {
                let only = changes.remove_entry("deleted_at").into_iter().collect();
                Ok(self.change(filter, &only).await? > 0)
            }
            (None, None) if entry.row.is_some() && self.table.info.pk_columns.is_empty() => {
                let mut same = changes.clone();
                same.retain(|name, _| !BOOKKEEPING.contains(&&**name));
                Ok(self.change(&same, &changes).await? > 0 || self.insert_once(&changes).await?)
            }
            _ => Err(refuse(
                "a delete must have a `where`, or a `row` with its primary key",
            )),
        }
    }

    /// The primary key of a row, if the table has one and the row has all of it.
    pub(super) fn key_of<'f>(&self, row: &Fields<'f>) -> Option<Fields<'f>> {
        let columns = &self.table.info.pk_columns;
        let key = columns.iter().map(|column| {
            let (name, json) = row.get_key_value(column.as_str())?;
            Some((name.clone(), *json))
        });
        key.collect::<Option<Fields<'_>>>()
            .filter(|key| !key.is_empty())
    }

    async fn upsert(&self, key: &Fields<'_>, row: &Fields<'_>) -> Result<bool> {
        let stored = self.matching(key).await?;
        if stored.is_empty() {
            return self.insert(row).await.map(|()| true);
        }
        Ok(self.change_all(stored, row).await? > 0)
    }

    /// Inserts a row of a table in which nothing tells rows apart, unless it is there already.
    async fn insert_once(&self, row: &Fields<'_>) -> Result<bool> {
        let mut same = row.clone();
        same.remove("node_id");
        let time = self.updated_at.clone();
        same.insert("updated_at".into(), &time);
        let mut alike = self.matching(&same).await?.into_iter();
        if alike.any(|stored| self.has_fields(&stored, &same)) {
            return Ok(false);
        }
        self.insert(row).await.map(|()| true)
    }

    /// Changes the rows for which `filter` holds and that are older; how many.
    async fn change(&self, filter: &Fields<'_>, changes: &Fields<'_>) -> Result<usize> {
        let stored = self.matching(filter).await?;
        self.change_all(stored, changes).await
    }

    async fn change_all(&self, stored: Vec<StoredRow>, changes: &Fields<'_>) -> Result<usize> {
        let mut count = 0;
        for stored in stored {
            if !wins(self.hlc, self.table.time_of(&stored).as_ref()) {
                continue;
            }
            let json = self.table.json(&stored);
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
            self.update(&stored, fields).await?;
            count += 1;
        }
        Ok(count)
    }

    async fn insert(&self, row: &Fields<'_>) -> Result<()> {
        let mut fields = row.clone();
        let time = self.updated_at.clone();
        fields.insert("updated_at".into(), &time);
        let written = self.table.written(&fields, &self.hlc.node_id.to_string())?;
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.table.name,
            written.names.join(", "),
            written.places.join(", ")
        );
        let named = || {
            let value_of = |column: &str| row.get(column).map(|json| json.get().to_owned());
            self.table.named_by(value_of)
        };
        self.execute(&sql, written.texts, named).await
    }

    pub(super) async fn update(&self, stored: &StoredRow, mut fields: Fields<'_>) -> Result<()> {
        let time = self.updated_at.clone();
        fields.insert("updated_at".into(), &time);
        let written = self.table.written(&fields, &self.hlc.node_id.to_string())?;
        let set = written.names.iter().zip(&written.places);
        let set: Vec<String> = set
            .map(|(name, place)| format!("{name} = {place}"))
            .collect();
        let sql = format!(
            "UPDATE {} SET {} WHERE ctid = ${}::text::tid",
            self.table.name,
            set.join(", "),
            written.names.len() + 1
        );
        let mut texts = written.texts;
        texts.push(Some(stored.place.clone()));
        let named = || {
            let value_of = |column: &str| fields.get(column).map(|json| json.get().to_owned());
            self.table.named_by(value_of)
        };
        self.execute(&sql, texts, named).await
    }

    /// Runs a statement that writes one row.
    async fn execute(
        &self,
        sql: &str,
        texts: Vec<Option<String>>,
        named: impl Fn() -> String,
    ) -> Result<()> {
        let params: Vec<Param> = texts.into_iter().map(Param::Text).collect();
        let sql = format!("{sql} RETURNING 1");
        let done = self.session.query(APPLY, &sql, &params).await;
        if done.map_err(about(APPLY, &named))?.is_empty() {
            let what = format!(
                "{} was not written: a trigger of the table ignores it; change the row, or the table",
                named()
            );
            return Err(Error::new(ErrorKind::Constraint, APPLY, what));
        }
        Ok(())
    }

    /// The rows whose fields are these, locked until the transaction ends: where a field has a column, as the column
    /// compares.
    pub(super) async fn matching(&self, filter: &Fields<'_>) -> Result<Vec<StoredRow>> {
        let (mut conditions, mut params) = (Vec::new(), Vec::new());
        for (name, json) in filter {
            let column = self
                .table
                .position(name)
                .and_then(|at| self.table.kinds.get(at));
            let (Some(kind), Some(column)) = (column, self.table.column(name)) else {
                continue;
            };
            let text = text_of(column.value_of(Some(json)));
            if text.as_ref().is_some_and(|text| text.contains('\0')) {
                return Ok(Vec::new());
            }
            let name = quote(&kind.name);
            if text.is_none() {
                conditions.push(format!("t.{name} IS NULL"));
                continue;
            }
            params.push(Param::Text(text));
            let value = kind.write(&format!("${}::text", params.len()));
            conditions.push(format!("t.{name} = {value}"));
        }
        if conditions.is_empty() && filter.is_empty() {
            return Err(refuse("a `where` must name at least one column"));
        }
        let select = &self.table.select;
        let sql = if conditions.is_empty() {
            format!("{select} FOR UPDATE")
        } else {
            format!("{select} WHERE {} FOR UPDATE", conditions.join(" AND "))
        };
        let rows = self.session.query(APPLY, &sql, &params).await?;
        let read = rows.iter().map(|row| self.table.read(APPLY, row));
        let mut rows = read.collect::<Result<Vec<_>>>()?;
        let mut rest = filter.clone();
        rest.retain(|name, _| self.table.column(name).is_none());
        rows.retain(|row| self.has_fields(row, &rest));
        Ok(rows)
    }

    /// Whether a row has these very fields: a column may hold the same for two values that are not.
    fn has_fields(&self, row: &StoredRow, filter: &Fields<'_>) -> bool {
        if filter.is_empty() {
            return true;
        }
        let json = self.table.json(row);
        let fields: Fields<'_> = serde_json::from_str(&json).unwrap_or_default();
        filter.iter().all(|(name, wanted)| match fields.get(name) {
            Some(has) => same_json(has.get(), wanted.get()),
            None => wanted.get() == "null",
        })
    }
}
