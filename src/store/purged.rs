//! What purging came to, as `js/housekeeping/purge.js` reads it.

use serde_json::{Value, json};

use crate::engine::purge::{Kind, NotedPeer, Purged, Reason};
use crate::protocol::hlc::Hlc;
use crate::protocol::log::{Key, Stream};

/// What a batch came to.
pub fn as_json(purged: &Purged) -> Value {
    let kept = |reason: Reason| purged.kept.iter().filter(|kept| **kept == reason).count();
    let removed = purged.removed.iter().map(|(key, hlc)| tombstone(key, hlc));
    let peers = purged.peers.iter();
    let peers = peers.map(|(known, keeps, is_forgotten)| peer(known, *keeps, *is_forgotten));
    json!({
        "tombstones": removed.collect::<Vec<_>>(),
        "kept": {
            "young": kept(Reason::Young),
            "unseen": kept(Reason::Unseen),
            "waiting": kept(Reason::Waiting),
            "newest": kept(Reason::Newest),
            "referenced": kept(Reason::Referenced),
        },
        "peers": peers.collect::<Vec<_>>(),
        "next": purged.next,
    })
}

fn tombstone(key: &Key, hlc: &Hlc) -> Value {
    match &key.stream {
        Stream::Records => json!({ "kind": "record", "id": key.id, "timestamp": hlc }),
        Stream::Rows(table) => json!({
            "kind": "appRow", "appId": table.app, "table": table.name, "key": key.id, "timestamp": hlc,
        }),
    }
}

fn peer(known: &NotedPeer, keeps: u64, is_forgotten: bool) -> Value {
    let id = match known.kind {
        Kind::Logged => &known.id,
        kind => kind.name(),
    };
    json!({
        "id": id, "kind": known.kind.name(), "firstSeenMs": known.since_ms, "lastSeenMs": known.heard_ms,
        "keeps": keeps, "forgotten": is_forgotten,
    })
}
