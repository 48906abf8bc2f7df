//! What is exchanged: shared records and app rows, each an envelope around a body that is carried and
//! never understood.

use std::fmt;

use super::hlc::Hlc;
use super::text::Text;
use crate::error::Error;

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
    /// Why the item cannot be exchanged as it stands in its store. It keeps its place in the order of
    /// timestamps, so that nothing of its node passes it.
    pub fault: Option<Error>,
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
            fault: self.fault.clone(),
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

impl ItemKind {
    /// The id of a shared record.
    pub fn record_id(&self) -> Option<&Text> {
        match self {
            Self::Record(id) => Some(id),
            Self::Row(_) => None,
        }
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(id) => write!(f, "the record {id:?}"),
            Self::Row(table) => write!(f, "a row of {}/{}", table.app, table.name),
        }
    }
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
    /// The SHA-256 of its bytes, where the item names one.
    pub digest: Option<Digest>,
}

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads 64 hexadecimal digits, which `sha256:` may stand before. Anything else is no SHA-256.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().try_fold(0, |byte, digit| {
                let digit = char::from(*digit).to_digit(16)?;
                Some(byte << 4 | u8::try_from(digit).ok()?)
            })?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The object of a shared record: one that is not deleted and names a key.
pub fn record_blob(
    key: Option<Text>,
    deleted: bool,
    mime_type: Option<Text>,
    content_hash: Option<&Text>,
) -> Option<Blob> {
    let key = key.filter(|key| !deleted && !key.is_empty())?;
    let digest = content_hash
        .and_then(Text::to_utf8)
        .and_then(|hash| Digest::parse(&hash));
    Some(Blob {
        key,
        mime_type,
        digest,
    })
}

/// The object of an app row: only rows of [`FILE_RECORDS_TABLE`] that are not deleted have one.
pub fn row_blob(
    table: &Table,
    deleted: bool,
    key: Option<Text>,
    mime_type: Option<Text>,
    content_hash: Option<&Text>,
) -> Option<Blob> {
    let carries = table
        .name
        .units()
        .iter()
        .copied()
        .eq(FILE_RECORDS_TABLE.encode_utf16());
    record_blob(key.filter(|_| carries), deleted, mime_type, content_hash)
}

/// Why something is no item, in the words of whoever is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoItem {
    /// A record that is none.
    Record,
    /// A record without an id.
    Id,
    /// A record without a timestamp.
    UpdatedAt,
    /// An app row that is none.
    Entry,
    /// An app row without a timestamp.
    Timestamp,
    /// An app row without an app or a table.
    Table,
    /// An app row that does nothing known.
    Op,
    /// An app row whose columns are none.
    Row,
}

impl fmt::Display for NoItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Record => "a record must be an object",
            Self::Id => "a record's id must be a string",
            Self::UpdatedAt => "a record's updatedAt must be a timestamp",
            Self::Entry => "an app row must be an object",
            Self::Timestamp => "an app row's timestamp must be a timestamp",
            Self::Table => "an app row's appId and table must be strings",
            Self::Op => "an app row's op must be insert, update or delete",
            Self::Row => "an app row's row must be an object",
        })
    }
}

/// Whether what an app row does is to delete.
///
/// # Errors
/// That it does nothing known.
pub fn deletes(op: Option<&Text>) -> Result<bool, NoItem> {
    match op.and_then(Text::to_utf8).as_deref() {
        Some("insert" | "update") => Ok(false),
        Some("delete") => Ok(true),
        _ => Err(NoItem::Op),
    }
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
