//! Finding what two sides hold differently, without telling each other all of it.
//!
//! Both order their keys in the same way. A range of them has a digest; where the digests of both sides differ,
//! the range is split, until few enough keys are in it to name them. The idea is range-based set reconciliation.

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// A range that differs is split into at most this many parts.
pub const FANOUT: usize = 32;

/// A range with at most this many keys is not split any more: its keys are named.
pub const LEAF: u64 = 128;

/// Keys of one stream: from `from` on, up to and without `to`; without `to`, all that follow. Keys are ordered by
/// the bytes of their UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The name of the stream.
    #[serde(rename = "s")]
    pub stream: String,
    /// The first key that belongs to it.
    #[serde(rename = "f", default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The first key that does not.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A range, and what the caller holds of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The keys.
    #[serde(flatten)]
    pub range: Range,
    /// What the caller holds.
    #[serde(flatten)]
    pub digest: Digest,
}

/// A version: a key, and its time as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found(pub String, pub String);

/// What the answering side says of a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// It holds the same.
    Same,
    /// It holds something else: these parts of the range, in order, which together are the range.
    Parts(Vec<Span>),
    /// It holds something else, and no more than this.
    Keys(Vec<Found>),
}

/// The parts of a range with about equally many keys each. `entries` are all that is held of it, in order: keys, and
/// hashes of versions.
pub fn split(range: &Range, entries: &[(String, u64)]) -> Vec<Span> {
    let size = entries.len().div_ceil(FANOUT).max(1);
    let mut parts: Vec<Span> = Vec::new();
    for chunk in entries.chunks(size) {
        let first = chunk
            .first()
            .map(|(key, _)| key.clone())
            .unwrap_or_default();
        let from = match parts.last_mut() {
            Some(before) => {
                before.range.to = Some(first.clone());
                first
            }
            None => range.from.clone(),
        };
        let mut digest = Digest::default();
        for (_, hash) in chunk {
            digest.add(*hash);
        }
        let stream = range.stream.clone();
        let range = Range {
            stream,
            from,
            to: range.to.clone(),
        };
        parts.push(Span { range, digest });
    }
    parts
}
