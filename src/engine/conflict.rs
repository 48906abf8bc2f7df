//! Versions of one item that two sides wrote without knowing of each other's.
//!
//! A caller finds them where an item goes out in an exchange, and comes in with another version in its answer: the peer
//! had not been sent the one, and this side had not seen the other. Last writer wins, as ever; the app can be told of the
//! version that loses, and merge the two.

use std::collections::HashMap;
use std::hash::Hash;

use crate::protocol::item::{Item, ItemKind};
use crate::protocol::watermarks::Watermarks;

use super::apply::Arrival;

/// See the [module page](self).
#[derive(Debug)]
pub struct Conflict<B> {
    /// Where the item belongs; a record with its id.
    pub kind: ItemKind,
    /// The version of this side.
    pub local: B,
    /// The version of the peer.
    pub incoming: B,
    /// Whether the peer's is the later one, and stands here now.
    pub incoming_wins: bool,
}

impl<B> Conflict<B> {
    /// What the version is called that is the later one.
    pub fn winner(&self) -> &'static str {
        if self.incoming_wins {
            "incoming"
        } else {
            "local"
        }
    }

    /// The same around another form of the bodies.
    pub fn map<J>(self, body: impl Fn(B) -> J) -> Conflict<J> {
        Conflict {
            kind: self.kind,
            local: body(self.local),
            incoming: body(self.incoming),
            incoming_wins: self.incoming_wins,
        }
    }
}

/// The conflicts of what `arrived` with what of the `own` side went out meanwhile, each by its key.
pub(super) fn conflicts<'a, K: Hash + Eq, B: Clone + 'a>(
    own: impl Iterator<Item = (K, &'a Item<B>)>,
    arrived: impl Iterator<Item = (K, &'a Arrival<B>)>,
) -> Vec<Conflict<B>> {
    let mut arrived = arrived.filter(|(_, arrival)| arrival.is_here()).peekable();
    if arrived.peek().is_none() {
        return Vec::new();
    }
    let own: HashMap<K, &Item<B>> = own.collect();
    let met = |(key, arrival): (K, &Arrival<B>)| {
        let (local, incoming) = (own.get(&key)?, &arrival.item);
        (local.hlc != incoming.hlc).then(|| Conflict {
            kind: incoming.kind.clone(),
            local: local.body.clone(),
            incoming: incoming.body.clone(),
            incoming_wins: incoming.hlc > local.hlc,
        })
    };
    arrived.filter_map(met).collect()
}

/// The same between sides without logs, where the keys of rows are not known: of what was `shipped`, only what the peer
/// had not been sent before counts.
pub(super) fn conflicts_of_records<B: Clone>(
    shipped: &[Item<B>],
    peer: &Watermarks,
    arrived: &[Arrival<B>],
) -> Vec<Conflict<B>> {
    let own = shipped.iter().filter(|item| !peer.covers(&item.hlc));
    let own = own.filter_map(|item| Some((item.kind.record_id()?, item)));
    let arrived = arrived
        .iter()
        .filter_map(|arrival| Some((arrival.item.kind.record_id()?, arrival)));
    conflicts(own, arrived)
}
