//! Applying an entry to its table: looking for the rows and writing them. What is to be done is said in
//! [`row::operation`](crate::store::row::operation).

use serde_json::value::RawValue;

use super::super::answer::text;
use super::super::columns::quote;
use super::super::fault::about;
use super::super::noted::Noted;
use super::super::param::Param;
use super::super::record::Fields;
use super::super::session::PgSession;
use super::super::table::text_of;
use super::table::{PgTable, StoredRow};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::{Hlc, wins};
pub(super) use crate::store::row::entry::{APPLY, refuse};
use crate::store::row::operation::{Step, changed, content, has_fields};

/// One entry on its way into its table.
pub(super) struct Change<'a> {
    pub(super) session: &'a PgSession,
    pub(super) table: &'a PgTable,
    pub(super) noted: Option<Noted>,
    pub(super) hlc: &'a Hlc,
    pub(super) updated_at: &'a RawValue,
    /// Whether a row that is deleted is not any more.
    pub(super) revives: bool,
}

impl Change<'_> {
    pub(super) async fn run(&self, step: &Step<'_>) -> Result<bool> {
        match step {
            Step::Upsert { key, row, .. } => self.upsert(key, row).await,
            Step::InsertOnce(row) => self.insert_once(row).await,
            Step::Change { filter, changes } => Ok(self.change(filter, changes).await? > 0),
            Step::ChangeOrInsert { same, row } => {
                Ok(self.change(same, row).await? > 0 || self.insert_once(row).await?)
            }
        }
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
        let same = content(row, self.updated_at);
        let mut alike = self.matching(&same).await?.into_iter();
        if alike.any(|stored| has_fields(&same, || self.table.json(&stored))) {
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
            let fields = changed(&json, changes, self.revives)?;
            self.update(&stored, fields).await?;
            count += 1;
        }
        Ok(count)
    }

    async fn insert(&self, row: &Fields<'_>) -> Result<()> {
        let mut fields = row.clone();
        fields.insert("updated_at".into(), self.updated_at);
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
        self.execute(&sql, written.texts, named).await.map(drop)
    }

    pub(super) async fn update(&self, stored: &StoredRow, mut fields: Fields<'_>) -> Result<()> {
        fields.insert("updated_at".into(), self.updated_at);
        let written = self.table.written(&fields, &self.hlc.node_id.to_string())?;
        let set = written.names.iter().zip(&written.places);
        let set: Vec<String> = set
            .map(|(name, place)| format!("{name} = {place}"))
            .collect();
        let mut texts = written.texts;
        let is_it = self.table.is_it(stored, &mut texts);
        let sql = format!(
            "UPDATE {} AS t SET {} WHERE {is_it}",
            self.table.name,
            set.join(", ")
        );
        let named = || {
            let value_of = |column: &str| fields.get(column).map(|json| json.get().to_owned());
            self.table.named_by(value_of)
        };
        let key = self.execute(&sql, texts, named).await?;
        match (&self.noted, key) {
            // Under its former key there is nothing any more.
            (Some(noted), Some(key)) if key != stored.place => {
                let former = [(stored.place.clone(), None)];
                noted.note(APPLY, self.session, &former).await
            }
            _ => Ok(()),
        }
    }

    /// Runs a statement that writes one row, and notes that where it has to be; answers the row's key then.
    async fn execute(
        &self,
        sql: &str,
        texts: Vec<Option<String>>,
        named: impl Fn() -> String,
    ) -> Result<Option<String>> {
        let params: Vec<Param> = texts.into_iter().map(Param::Text).collect();
        let noted = self.noted.as_ref().zip(self.table.tracked.as_ref());
        let answer = noted.map_or_else(
            || "1".to_owned(),
            |(_, tracked)| format!("{}, updated_at::text", tracked.key_of("")),
        );
        let sql = format!("{sql} RETURNING {answer}");
        let done = self.session.query(APPLY, &sql, &params).await;
        let done = done.map_err(about(APPLY, &named))?;
        let Some(row) = done.first() else {
            let what = format!(
                "{} was not written: a trigger of the table ignores it; change the row, or the table",
                named()
            );
            return Err(Error::new(ErrorKind::Constraint, APPLY, what));
        };
        let Some((noted, _)) = noted else {
            return Ok(None);
        };
        let key = text(APPLY, row, 0)?;
        let version = (key.clone(), Some(text(APPLY, row, 1)?));
        noted.note(APPLY, self.session, &[version]).await?;
        Ok(Some(key))
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
            let value = text_of(column.value_of(Some(json)));
            if value.as_ref().is_some_and(|text| text.contains('\0')) {
                return Ok(Vec::new());
            }
            let name = quote(&kind.name);
            if value.is_none() {
                conditions.push(format!("t.{name} IS NULL"));
                continue;
            }
            params.push(Param::Text(value));
            let value = kind.write(&format!("${}::text", params.len()));
            conditions.push(format!("t.{name} = {value}"));
        }
        if conditions.is_empty() && filter.is_empty() {
            return Err(refuse("a `where` must name at least one column"));
        }
        let select = &self.table.select;
        let lock = self.session.dialect().locking(" FOR UPDATE");
        let sql = if conditions.is_empty() {
            format!("{select}{lock}")
        } else {
            format!("{select} WHERE {}{lock}", conditions.join(" AND "))
        };
        let rows = self.session.query(APPLY, &sql, &params).await?;
        let read = rows.iter().map(|row| self.table.read(APPLY, row));
        let mut rows = read.collect::<Result<Vec<_>>>()?;
        let mut rest = filter.clone();
        rest.retain(|name, _| self.table.column(name).is_none());
        rows.retain(|row| has_fields(&rest, || self.table.json(row)));
        Ok(rows)
    }
}
