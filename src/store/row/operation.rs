//! The three operations on rows, last writer wins: what an entry does to its table, whichever database has it.
//!
//! What is stored afterwards is always a whole row: the fields that an entry does not name stay as they
//! are. A row that is deleted stays as well, and so does one that is deleted before it was ever seen:
//! without it an older version from elsewhere would bring the row back.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::cells::BOOKKEEPING;
use super::entry::{Entry, Op, refuse};
use super::record::{Fields, same_json};
use crate::error::Result;

/// What is to be done to a table. Rows are changed only where they are older.
pub(in crate::store) enum Step<'e> {
    /// Changes the row with this key; inserts it if there is none.
    Upsert {
        key: Fields<'e>,
        row: Cow<'e, Fields<'e>>,
        /// Whether a row that is deleted is not any more: an insert that does not say otherwise.
        revives: bool,
    },
    /// Inserts a row of a table in which nothing tells rows apart, unless it is there already.
    InsertOnce(Cow<'e, Fields<'e>>),
    /// Changes the rows for which a filter holds.
    Change {
        filter: Cow<'e, Fields<'e>>,
        changes: Fields<'e>,
    },
    /// Changes the rows that are the same but for their bookkeeping; inserts the row if none was changed.
    ChangeOrInsert { same: Fields<'e>, row: Fields<'e> },
}

impl Step<'_> {
    pub(in crate::store) fn revives(&self) -> bool {
        matches!(self, Self::Upsert { revives: true, .. })
    }
}

impl<'a> Entry<'a> {
    /// What it does to a table with this primary key. `updated_at` is [its own](Self::updated_at).
    pub(in crate::store) fn step<'e>(
        &'e self,
        pk_columns: &[String],
        updated_at: &'e RawValue,
    ) -> Result<Step<'e>> {
        match self.op {
            Op::Insert => {
                let row = self
                    .row
                    .as_ref()
                    .ok_or_else(|| refuse("an insert must have a `row`"))?;
                if pk_columns.is_empty() {
                    return Ok(Step::InsertOnce(Cow::Borrowed(row)));
                }
                let key = key_of(pk_columns, row).ok_or_else(|| {
                    refuse("the row of an insert must have all columns of the primary key")
                })?;
                Ok(Step::Upsert {
                    key,
                    row: Cow::Borrowed(row),
                    revives: !row.contains_key("deleted_at"),
                })
            }
            Op::Update => {
                let key = || self.keyed(pk_columns).map(|(_, key)| Cow::Owned(key));
                let filter = self.filter.as_ref().map(Cow::Borrowed).or_else(key);
                Ok(Step::Change {
                    filter: filter.ok_or_else(|| refuse("an update must have a `where`"))?,
                    changes: self.row.clone().unwrap_or_default(),
                })
            }
            Op::Delete => self.delete(pk_columns, updated_at),
        }
    }

    fn delete<'e>(&'e self, pk_columns: &[String], updated_at: &'e RawValue) -> Result<Step<'e>> {
        let mut changes: Fields<'e> = self.row.clone().unwrap_or_default();
        let deleted_at = changes.entry("deleted_at".into()).or_insert(updated_at);
        if deleted_at.get() == "null" {
            *deleted_at = updated_at;
        }
        match (self.keyed(pk_columns), &self.filter) {
            (Some((_, key)), _) => Ok(Step::Upsert {
                key,
                row: Cow::Owned(changes),
                revives: false,
            }),
            (None, Some(filter)) => Ok(Step::Change {
                filter: Cow::Borrowed(filter),
                changes: changes.remove_entry("deleted_at").into_iter().collect(),
            }),
            (None, None) if self.row.is_some() && pk_columns.is_empty() => {
                let mut same = changes.clone();
                same.retain(|name, _| !BOOKKEEPING.contains(&&**name));
                Ok(Step::ChangeOrInsert { same, row: changes })
            }
            _ => Err(refuse(
                "a delete must have a `where`, or a `row` with its primary key",
            )),
        }
    }

    /// Its row and the row's primary key, if the table has one and the row has all of it.
    pub(in crate::store) fn keyed(
        &self,
        pk_columns: &[String],
    ) -> Option<(&Fields<'a>, Fields<'a>)> {
        let row = self.row.as_ref()?;
        Some((row, key_of(pk_columns, row)?))
    }
}

fn key_of<'f>(pk_columns: &[String], row: &Fields<'f>) -> Option<Fields<'f>> {
    let key = pk_columns.iter().map(|column| {
        let (name, json) = row.get_key_value(column.as_str())?;
        Some((name.clone(), *json))
    });
    key.collect::<Option<Fields<'f>>>()
        .filter(|key| !key.is_empty())
}

/// The whole row that a stored one is after changes; it `revives` if it is not deleted any more.
pub(in crate::store) fn changed<'f>(
    stored: &'f str,
    changes: &Fields<'f>,
    revives: bool,
) -> Result<Fields<'f>> {
    let mut fields: Fields<'f> = serde_json::from_str(stored)
        .map_err(|error| refuse("the stored row cannot be read").caused_by(error))?;
    // The row's old node is no field of the new one, unless that names it itself.
    if fields.contains_key("node_id") && !changes.contains_key("node_id") {
        fields.remove("node_id");
    }
    fields.extend(changes.iter().map(|(name, json)| (name.clone(), *json)));
    if revives && fields.contains_key("deleted_at") {
        fields.insert("deleted_at".into(), RawValue::NULL);
    }
    Ok(fields)
}

/// What a row says at this time. The node of its time is no content: some sides name it in a row, others do not.
pub(in crate::store) fn content<'f>(row: &Fields<'f>, updated_at: &'f RawValue) -> Fields<'f> {
    let mut content = row.clone();
    content.remove("node_id");
    content.insert("updated_at".into(), updated_at);
    content
}

/// Whether a row has these very fields: a column may hold the same for two values that are not.
pub(in crate::store) fn has_fields(filter: &Fields<'_>, row: impl FnOnce() -> String) -> bool {
    if filter.is_empty() {
        return true;
    }
    let json = row();
    let fields: Fields<'_> = serde_json::from_str(&json).unwrap_or_default();
    filter.iter().all(|(name, wanted)| match fields.get(name) {
        Some(has) => same_json(has.get(), wanted.get()),
        None => wanted.get() == "null",
    })
}
