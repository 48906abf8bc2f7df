//! What is exchanged: shared records and app rows, each an envelope around a body that is carried and
//! never understood.

use std::fmt;

use super::hlc::{Hlc, safe_integer};
use super::text::Text;
use crate::error::{Error, ErrorKind};

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
    /// An item that nothing is wrong with.
    pub fn new(hlc: Hlc, kind: ItemKind, blob: Option<Blob>, body: B) -> Self {
        Self {
            hlc,
            kind,
            blob,
            body,
            fault: None,
        }
    }

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
    /// The id that stands for one which cannot be read: the store of the record does not know it by this.
    pub const NAMELESS: &str = "(without an id)";

    /// What each of the two is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Record(_) => "record",
            Self::Row(_) => "appRow",
        }
    }

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
            Self::Row(table) => write!(f, "a row of {table}"),
        }
    }
}

/// A table that an app has registered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Table {
    /// The app.
    pub app: Text,
    /// The table's bare name, without the prefix that stores give it.
    pub name: Text,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app.shown(), self.name.shown())
    }
}

/// The object that belongs to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its key in the object storage.
    pub key: Text,
    /// Its content type, if the item names one.
    pub mime_type: Option<Text>,
    /// The SHA-256 of its bytes, if the item names one.
    pub digest: Option<Digest>,
    /// How many bytes it has, if the item says so.
    pub size: Option<u64>,
}

impl Blob {
    /// An object of which no more is known than its key.
    pub fn under(key: Text) -> Self {
        Self {
            key,
            mime_type: None,
            digest: None,
            size: None,
        }
    }

    /// Whether the object itself is a web page, as far as its item and its key say.
    pub fn is_page(&self) -> bool {
        let lower = |text: &Text| text.to_string().to_ascii_lowercase();
        if let Some(mime_type) = &self.mime_type {
            return lower(mime_type).contains("html");
        }
        let key = lower(&self.key);
        key.rsplit_once('.')
            .is_some_and(|(_, ending)| matches!(ending, "html" | "htm" | "xhtml"))
    }
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

impl Digest {
    /// That of no bytes at all.
    pub const OF_NOTHING: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]);
}

/// What the fields of an item say of its object.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The key.
    pub key: Option<Text>,
    /// The content type.
    pub mime_type: Option<Text>,
    /// The hash of the bytes, in whatever form.
    pub content_hash: Option<Text>,
    /// How many bytes there are; see [`size_of`] and [`size_in`].
    pub size: Option<u64>,
}

/// A number of bytes. What is negative, or has a fraction, says nothing.
pub fn size_of(number: f64) -> Option<u64> {
    safe_integer(number)
}

/// A number of bytes that is written in digits. Anything else says nothing.
pub fn size_in(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).and_then(size_of)
}

/// The object of a shared record: one that is not deleted and names a key.
///
/// A size of 0 counts only beside the hash of nothing: many apps write 0 if they have not counted.
pub fn record_blob(said: Said, deleted: bool) -> Option<Blob> {
    let key = said.key.filter(|key| !deleted && !key.is_empty())?;
    let digest = said
        .content_hash
        .and_then(|hash| Digest::parse(&hash.to_utf8()?));
    let counts = |size: &u64| *size > 0 || digest == Some(Digest::OF_NOTHING);
    Some(Blob {
        key,
        mime_type: said.mime_type,
        digest,
        size: said.size.filter(counts),
    })
}

/// The object of an app row: only rows of [`FILE_RECORDS_TABLE`] that are not deleted have one.
pub fn row_blob(table: &Table, said: Said, deleted: bool) -> Option<Blob> {
    let name = table.name.units().iter().copied();
    if !name.eq(FILE_RECORDS_TABLE.encode_utf16()) {
        return None;
    }
    record_blob(said, deleted)
}

/// Why something is no item, in words.
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

impl NoItem {
    /// The fault of what is none.
    pub fn fault(self) -> Error {
        malformed(self.to_string())
    }
}

/// The fault of an item that is not one, or cannot be read.
pub fn malformed(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::MalformedItem, "read an item", what)
}

/// The fault of a record that has no place in the order.
pub fn without_time() -> Error {
    malformed("updatedAt must be a timestamp { wallTime, counter, nodeId }; mend it in its store")
}

/// The fault of a record of which another timestamp, under `field`, is none.
pub fn without_other_time(field: &str, id: &Text) -> Error {
    malformed(format!(
        "{field} of the record {id:?} must be a timestamp {{ wallTime, counter, nodeId }}; mend it in its store"
    ))
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
