//! A record as it was read from its row.

use rusqlite::types::Value;

use super::columns::UTF_8;
use super::layout::{EXTRA, Layout};
use super::malformed::{fault, told};
use super::record::{decode, says_deleted};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Blob, Item, ItemKind, Said, record_blob, size_in, size_of};
use crate::protocol::text::Text;
use crate::store::Json;

/// A row as it was read.
pub(in crate::store) struct Stored {
    pub(in crate::store) values: Vec<Value>,
    pub(in crate::store) extra: Option<String>,
    /// The columns that hold a text which is none, by their place, and what stands there in words; the extra column comes
    /// after the others.
    pub(in crate::store) unreadable: Vec<(usize, String)>,
}

impl Stored {
    /// The record as JSON.
    pub(in crate::store) fn json(&self, layout: &Layout) -> Json {
        decode(layout, &self.values, self.extra.as_deref()).into()
    }

    /// The record as an item of the exchange. One that cannot be read as a record has a fault, and where its
    /// id is none, `stand_in` names it.
    pub(in crate::store) fn item(
        &self,
        operation: &'static str,
        layout: &Layout,
        hlc: Hlc,
        stand_in: impl Fn() -> String,
    ) -> Item<Json> {
        let id = self.id(layout);
        let named = || match id {
            Some(id) => named(id),
            None => format!("the record with {}", stand_in()),
        };
        let fault = self
            .malformed(layout)
            .map(|(column, wanted, got)| fault(operation, &named(), column, wanted, &got));
        let blob = self.blob(layout).filter(|_| fault.is_none());
        Item {
            hlc,
            kind: ItemKind::Record(match id {
                Some(id) => Text::from(id),
                None => Text::from(stand_in().as_str()),
            }),
            blob,
            body: self.json(layout),
            fault,
        }
    }

    /// The object that belongs to the record.
    fn blob(&self, layout: &Layout) -> Option<Blob> {
        let text = |field| self.text(layout, field).map(Text::from);
        let key = self.text(layout, "objectStorageKey");
        let said = Said {
            key: Some(Text::from(key.filter(|key| !key.is_empty())?)),
            mime_type: text("mimeType").filter(|mime_type| !mime_type.is_empty()),
            content_hash: text("contentHash"),
            size: self.size(layout),
        };
        record_blob(said, self.text(layout, "deletedAt").is_some())
    }

    /// How many bytes its object has.
    fn size(&self, layout: &Layout) -> Option<u64> {
        match self.values.get(layout.position_of("sizeBytes")?)? {
            Value::Integer(size) => u64::try_from(*size).ok(),
            Value::Real(size) => size_of(*size),
            Value::Text(digits) => size_in(digits),
            _ => None,
        }
    }

    /// The record's id, where it is one.
    pub(in crate::store) fn id(&self, layout: &Layout) -> Option<&str> {
        let at = layout.position_of("id")?;
        let is_text = self.unreadable.iter().all(|(no_text, _)| *no_text != at);
        self.text(layout, "id")
            .filter(|id| is_text && !id.is_empty())
    }

    /// The column that keeps the row from being a record, what must stand in it, and what does.
    fn malformed<'s>(&self, layout: &'s Layout) -> Option<(&'s str, &'static str, String)> {
        if let Some((at, told)) = self.unreadable.first() {
            let column = layout.columns.get(*at);
            let name = column.map_or(EXTRA, |column| &column.name);
            return Some((name, UTF_8, told.clone()));
        }
        let mut columns = layout.columns.iter().zip(&self.values);
        columns.find_map(|(column, value)| {
            let wanted = column.must_be(value)?;
            Some((column.name.as_str(), wanted, told(value)))
        })
    }

    /// When it was written; `None` if what stands there is no time.
    pub(in crate::store) fn time(&self, layout: &Layout) -> Option<Hlc> {
        Hlc::parse(self.text(layout, "updatedAt")?).ok()
    }

    /// Whether it is a tombstone.
    pub(in crate::store) fn is_deleted(&self, layout: &Layout) -> bool {
        says_deleted(layout, &self.values)
    }

    /// The text in the column of a field.
    fn text(&self, layout: &Layout, field: &str) -> Option<&str> {
        match self.values.get(layout.position_of(field)?)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// What a record is called in errors.
pub(in crate::store) fn named(id: &str) -> String {
    format!("the record {id:?}")
}
