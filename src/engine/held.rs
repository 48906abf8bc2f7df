//! What waits, and what is said of it.

use serde::{Serialize, Serializer};

use crate::error::{Error, ErrorKind};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::{Blob, Item, ItemKind};
use crate::protocol::message::Refusal;
use crate::protocol::text::Text;
use crate::protocol::wire::Exact;

pub use super::outcome::Direction;
use super::ports::Log;

/// An item that waits, and with it what its node wrote later.
#[derive(Debug, Clone)]
pub struct Held<B> {
    /// The node whose watermark waits; empty if the item has no valid timestamp, so that it belongs to none.
    pub node_id: NodeId,
    /// Where it waits.
    pub direction: Direction,
    /// Where the item belongs; a record with its id.
    pub kind: ItemKind,
    /// The item's timestamp; zero if it has no valid one.
    pub hlc: Hlc,
    /// The item itself, unless only the peer has it.
    pub body: Option<B>,
    /// Its object, if it has one.
    pub blob: Option<Blob>,
    /// Why, as the `code` of an error. A peer may use codes that are not known here.
    pub code: String,
    /// Why.
    pub error: Error,
}

impl<B: Clone> Held<B> {
    /// `item` waits.
    pub(super) fn new(item: &Item<B>, direction: Direction, error: Error) -> Self {
        Self {
            node_id: item.hlc.node_id.clone(),
            direction,
            kind: item.kind.clone(),
            hlc: item.hlc.clone(),
            body: Some(item.body.clone()),
            blob: item.blob.clone(),
            code: said_code(&error),
            error,
        }
    }

    /// The peer did not take `item` in, for a reason that it gives.
    pub(super) fn refused(item: &Item<B>, refusal: &Refusal) -> Self {
        Self {
            code: code_of(refusal),
            ..Self::new(
                item,
                Direction::Outbound,
                told(refusal, "the peer did not take it in"),
            )
        }
    }

    /// The peer has an item that it cannot send, for a reason that it gives.
    pub(super) fn withheld(refusal: Refusal) -> Self {
        let hlc = refusal.hlc.clone().unwrap_or_else(Hlc::zero);
        Self {
            node_id: hlc.node_id.clone(),
            direction: Direction::Inbound,
            hlc,
            body: None,
            blob: None,
            code: code_of(&refusal),
            error: told(&refusal, "the peer cannot send it"),
            kind: refusal.kind,
        }
    }
}

impl<B: Clone> Held<B> {
    /// The item itself, unless only the peer has it.
    pub(super) fn item(&self) -> Option<Item<B>> {
        Some(Item {
            hlc: self.hlc.clone(),
            kind: self.kind.clone(),
            blob: self.blob.clone(),
            body: self.body.clone()?,
            fault: None,
        })
    }
}

impl<B> Held<B> {
    /// The same around another form of the body.
    pub fn map<J>(self, body: impl FnOnce(B) -> J) -> Held<J> {
        Held {
            node_id: self.node_id,
            direction: self.direction,
            kind: self.kind,
            hlc: self.hlc,
            body: self.body.map(body),
            blob: self.blob,
            code: self.code,
            error: self.error,
        }
    }

    /// Whether both speak of one item.
    pub(super) fn is_of(&self, direction: Direction, kind: &ItemKind, hlc: &Hlc) -> bool {
        self.direction == direction && self.kind == *kind && self.hlc == *hlc
    }

    /// Says that the item waits: an app need not read what is held.
    pub(super) fn warn(&self, log: &impl Log) {
        let way = match self.direction {
            Direction::Outbound => "out",
            Direction::Inbound => "in",
        };
        let of_node = if self.node_id.is_empty() {
            String::new()
        } else {
            format!(" of node {:?}", self.node_id)
        };
        let message = format!(
            "{}{of_node} waits on its way {way}; it is tried again in a later sweep",
            self.kind
        );
        log.warn(&message, Some(&self.error));
    }
}

/// What is held as an app is told it, but for the item and the error: the text of JSON.
impl<B> Serialize for Held<B> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Said<'a> {
            node_id: Exact<'a, NodeId>,
            direction: &'static str,
            kind: &'static str,
            id: Option<Exact<'a, Text>>,
            timestamp: Exact<'a, Hlc>,
            key: Option<Exact<'a, Text>>,
            code: &'a str,
            reason: String,
        }
        let said = Said {
            node_id: Exact(&self.node_id),
            direction: self.direction.name(),
            kind: self.kind.name(),
            id: self.kind.record_id().map(Exact),
            timestamp: Exact(&self.hlc),
            key: self.blob.as_ref().map(|blob| Exact(&blob.key)),
            code: &self.code,
            reason: self.error.to_string(),
        };
        said.serialize(to)
    }
}

/// The code that the peer gave, if it refused a request about the item; else that of the error.
pub(super) fn said_code(error: &Error) -> String {
    let by_peer = error
        .network()
        .and_then(|network| network.peer_code.clone());
    by_peer.unwrap_or_else(|| error.kind().code().to_owned())
}

fn code_of(refusal: &Refusal) -> String {
    if refusal.code.is_empty() {
        ErrorKind::Sync.code().to_owned()
    } else {
        refusal.code.clone()
    }
}

fn told(refusal: &Refusal, what: &str) -> Error {
    let kind = ErrorKind::of_code(&refusal.code).unwrap_or(ErrorKind::Sync);
    let message = if refusal.reason.is_empty() {
        format!("{what}, and gives no reason")
    } else {
        format!("{what}: {}", refusal.reason)
    };
    Error::new(kind, "exchange", message)
}

/// What a peer is told of an item that was not taken in or cannot be sent.
pub(super) fn refusal<B>(item: &Item<B>, error: &Error) -> Refusal {
    let is_ordered = item.hlc != Hlc::zero();
    Refusal::new(
        item.kind.clone(),
        is_ordered.then(|| item.hlc.clone()),
        error.kind().code().to_owned(),
        error.told(),
    )
}
