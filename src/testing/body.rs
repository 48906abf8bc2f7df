//! What the items of these stores carry.

use std::sync::Arc;

use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind, Said, Table, record_blob, row_blob};
use crate::protocol::text::Text;

/// The body of a record or a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The id of the record, or of the row within its table.
    pub id: Text,
    /// Whether this version is a tombstone.
    pub deleted: bool,
    /// Everything else.
    pub content: Arc<str>,
}

impl Body {
    /// A version that is not deleted.
    pub fn new(id: &str, content: &str) -> Self {
        Self {
            id: Text::from(id),
            deleted: false,
            content: content.into(),
        }
    }

    /// A tombstone.
    pub fn tombstone(id: &str) -> Self {
        Self {
            deleted: true,
            ..Self::new(id, "")
        }
    }
}

/// A shared record, with the object under `key` if it is not deleted.
pub fn record(hlc: Hlc, body: Body, key: Option<&str>) -> Item<Body> {
    Item {
        hlc,
        kind: ItemKind::Record(body.id.clone()),
        blob: record_blob(said(key), body.deleted),
        body,
        fault: None,
    }
}

/// A row of `table`, with the object under `key` if the table's rows have one and it is not deleted.
pub fn row(table: &Table, hlc: Hlc, body: Body, key: Option<&str>) -> Item<Body> {
    Item {
        hlc,
        kind: ItemKind::Row(table.clone()),
        blob: row_blob(table, said(key), body.deleted),
        body,
        fault: None,
    }
}

fn said(key: Option<&str>) -> Said {
    Said {
        key: key.map(Text::from),
        ..Said::default()
    }
}
