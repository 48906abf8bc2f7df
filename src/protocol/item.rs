//! What is exchanged: shared records and app rows, each an envelope around a body that is carried and
//! never understood.

use super::hlc::Hlc;
use super::text::Text;

/// The table whose rows carry blobs, as shared records do.
pub const FILE_RECORDS_TABLE: &str = "_starkeep_sync_records";

/// A shared record or an app row.
#[derive(Debug, Clone)]
pub struct Item<B> {
    /// When this version was written.
    pub hlc: Hlc,
    /// Which of the two it is.
    pub kind: ItemKind,
    /// The object without which the item is not whole.
    pub blob: Option<Blob>,
    /// The item itself, unknown fields and all.
    pub body: B,
}

impl<B> Item<B> {
    /// The same item around another body.
    ///
    /// # Errors
    /// That of `body`.
    pub fn with_body<J, E>(&self, body: impl FnOnce(&B) -> Result<J, E>) -> Result<Item<J>, E> {
        Ok(Item {
            hlc: self.hlc.clone(),
            kind: self.kind.clone(),
            blob: self.blob.clone(),
            body: body(&self.body)?,
        })
    }
}

/// Where an item belongs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ItemKind {
    /// A shared record with its id.
    Record(Text),
    /// A row of an app's table.
    Row(Table),
}

/// A table that an app has registered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Table {
    /// The app.
    pub app: Text,
    /// The table's bare name, without the prefix that stores give it.
    pub name: Text,
}

/// The object that belongs to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its key in the object storage.
    pub key: Text,
    /// Its content type, where the item names one.
    pub mime_type: Option<Text>,
}

/// The object of a shared record: one that is not deleted and names a key.
pub fn record_blob(key: Option<Text>, deleted: bool, mime_type: Option<Text>) -> Option<Blob> {
    let key = key.filter(|key| !deleted && !key.is_empty())?;
    Some(Blob { key, mime_type })
}

/// The object of an app row: only rows of [`FILE_RECORDS_TABLE`] that are not deleted have one.
pub fn row_blob(
    table: &Table,
    deleted: bool,
    key: Option<Text>,
    mime_type: Option<Text>,
) -> Option<Blob> {
    let carries = table
        .name
        .units()
        .iter()
        .copied()
        .eq(FILE_RECORDS_TABLE.encode_utf16());
    record_blob(key.filter(|_| carries), deleted, mime_type)
}

/// Whether a side has a row and what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residency {
    /// No row.
    Absent,
    /// A row whose object is missing.
    Staged,
    /// A row and its object.
    Resident,
    /// A deleted row.
    Tombstoned,
}

impl Residency {
    /// The name in the public interface.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Staged => "staged",
            Self::Resident => "resident",
            Self::Tombstoned => "tombstoned",
        }
    }

    /// A live row is resident if its object is there.
    pub fn of_live_row(object_is_here: bool) -> Self {
        if object_is_here {
            Self::Resident
        } else {
            Self::Staged
        }
    }
}
