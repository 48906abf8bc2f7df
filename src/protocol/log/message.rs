//! What the messages of an exchange carry between two sides with logs. Older sides pass it over.

use serde::{Deserialize, Serialize};

use super::compare::{Reply, Span};
use super::cursor::{Cursor, History};
use super::digest::Digest;
use super::{Key, Stream};
use crate::protocol::item::Table;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// What a request says of logs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogRequest {
    /// Of the shared records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<PlaneRequest>,
    /// Of the app rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<PlaneRequest>,
    /// Nothing is sent and nothing is wanted but where the peer's logs stand.
    #[serde(skip_serializing_if = "is_false")]
    pub hello: bool,
    /// Items that are asked for by their keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub want: Vec<WireKey>,
    /// The sum of the hashes of the names of the caller's streams.
    #[serde(skip_serializing_if = "is_zero")]
    pub streams: u64,
    /// The names themselves, where the peer's are others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_names: Option<Vec<String>>,
    /// What the caller holds of the streams that both have, as it was when it made the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What of it is alive, if one of the two sides has purged tombstones, both are known to the caller to have held the same
    /// once, tombstones too, and it has all that it was told of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alive: Option<Digest>,
    /// The log is to be held against the tables before anything is compared.
    #[serde(skip_serializing_if = "is_false")]
    pub verify: bool,
    /// Ranges to be compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compare: Vec<Span>,
    /// From a caller without logs, and then nothing else: how far it has seen the peer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// How far a caller without logs has seen those of its peer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Seen {
    /// The log of the shared records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Cursor>,
    /// The log of the app rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Cursor>,
}

/// What a caller without logs is told of those of its peer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Overtaken {
    /// How far it has seen them now.
    #[serde(flatten)]
    pub seen: Seen,
    /// Per node the smallest timestamp that came into them behind a later one which the caller had seen already: from
    /// there on it asks again.
    #[serde(skip_serializing_if = "Watermarks::is_empty")]
    pub again: Watermarks,
    /// Whether they go on, so that more of this may follow.
    #[serde(skip_serializing_if = "is_false")]
    pub more: bool,
    /// One of the logs has not what the caller has seen: it was lost, put back or copied.
    #[serde(skip_serializing_if = "is_false")]
    pub is_other: bool,
}

impl LogRequest {
    /// Whether it compares what both sides hold, and moves nothing.
    pub fn compares(&self) -> bool {
        self.verify || !self.compare.is_empty()
    }
}

/// Of one plane.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlaneRequest {
    /// Whose log it is, in all of its generations.
    pub id: String,
    /// Its history, newest first, as much of it as may matter.
    pub history: History,
    /// What the items of the request follow on in it. Without it they stand by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<u64>,
    /// Where it stands behind them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upto: Option<Cursor>,
    /// Where the peer's log ended when the caller last heard of it: what is left out because it came from there counts on
    /// that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presumes: Option<Cursor>,
    /// What the caller has taken in of the peer's log; after a restart, of any log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub since: Vec<Cursor>,
}

/// What an answer says of logs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogAnswer {
    /// Of the shared records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<PlaneAnswer>,
    /// Of the app rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<PlaneAnswer>,
    /// What the answering side holds of the streams that both have; nothing if it does not know which these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What of it is alive, if one of the two sides has purged tombstones, and both are known to have held the same once,
    /// tombstones too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alive: Option<Digest>,
    /// The sum of the hashes of the names of its streams.
    #[serde(skip_serializing_if = "is_zero")]
    pub streams: u64,
    /// Those of the caller's streams that it has, where the names were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_names: Option<Vec<String>>,
    /// For each range that was to be compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<Reply>,
    /// Whether more of the request was refused than the answer names.
    #[serde(skip_serializing_if = "is_false")]
    pub refuses_more: bool,
    /// To a caller without logs, and then nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overtaken: Option<Overtaken>,
}

impl LogAnswer {
    /// What it says of each plane.
    pub fn planes(&self) -> impl Iterator<Item = &PlaneAnswer> {
        self.records.iter().chain(&self.rows)
    }

    /// Whether more follows in a log than came.
    pub fn has_more(&self) -> bool {
        self.planes().any(|plane| plane.more)
    }
}

/// Of one plane.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlaneAnswer {
    /// Whose log it is, in all of its generations.
    pub id: String,
    /// Its history, newest first, as much of it as may matter.
    pub history: History,
    /// Up to which number of the caller's log it has taken that in.
    pub have: u64,
    /// Where its own log stands behind the items of the answer. Without one the log is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Whether anything follows.
    #[serde(skip_serializing_if = "is_false")]
    pub more: bool,
    /// The keys of the rows of the answer, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Text>,
    /// The keys of the items that it holds and cannot send.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<WireKey>,
    /// The keys of items that were asked for by them and for which there was no room.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsent: Vec<WireKey>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A key as it travels: the id of a record, or an app, a table and the key of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WireKey {
    /// A record's.
    Record([Text; 1]),
    /// A row's.
    Row([Text; 3]),
}

impl From<&Key> for WireKey {
    fn from(key: &Key) -> Self {
        match &key.stream {
            Stream::Records => Self::Record([key.id.clone()]),
            Stream::Rows(table) => {
                Self::Row([table.app.clone(), table.name.clone(), key.id.clone()])
            }
        }
    }
}

impl From<WireKey> for Key {
    fn from(key: WireKey) -> Self {
        match key {
            WireKey::Record([id]) => Self {
                stream: Stream::Records,
                id,
            },
            WireKey::Row([app, name, id]) => Self {
                stream: Stream::Rows(Table { app, name }),
                id,
            },
        }
    }
}
