//! Versions of one item that two sides wrote without knowing of each other's.
//!
//! A caller finds them where items come in: the version that an item meets here is one that the peer had not been sent, or
//! goes to it in the same exchange. By logs the number of that version says so, or that it waits on its way out; by
//! watermarks its timestamp does, of records alone: nothing tells rows apart there. Last writer wins, as ever; the app
//! is told of both versions, once, and can merge them.

use std::collections::{HashMap, HashSet};

use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::log::{History, Key, Stream};

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
    /// Their timestamps, in this order.
    pub times: [Hlc; 2],
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
            times: self.times,
            incoming_wins: self.incoming_wins,
        }
    }
}

/// Which version of this side met which of the peer's.
type Pair = (Key, Hlc, Hlc);

/// What met, until the app is told of it.
#[derive(Debug)]
pub(super) struct Met<B> {
    untold: Vec<Conflict<B>>,
    /// What was found since there was last nothing more to exchange: what comes again after a fault is no news.
    known: HashSet<Pair>,
    /// What was found before that: what is held is asked for again each time.
    before: HashSet<Pair>,
    /// What differed when two sides with logs met for the first time. The peer was not sent it, and its own log is passed
    /// all the same.
    pub(super) differed: HashSet<Key>,
}

impl<B> Default for Met<B> {
    fn default() -> Self {
        Self {
            untold: Vec::new(),
            known: HashSet::new(),
            before: HashSet::new(),
            differed: HashSet::new(),
        }
    }
}

impl<B: Clone> Met<B> {
    /// Notes where one of the `own` versions met another one that came in for the same item.
    pub(super) fn note<'a>(
        &mut self,
        own: impl Iterator<Item = (Key, &'a Item<B>)>,
        arrived: impl Iterator<Item = (Key, &'a Arrival<B>)>,
    ) where
        B: 'a,
    {
        let mut arrived = arrived.filter(|(_, arrival)| arrival.is_here()).peekable();
        if arrived.peek().is_none() {
            return;
        }
        let own: HashMap<Key, &Item<B>> = own.collect();
        self.differed.retain(|key| !own.contains_key(key));
        for (key, Arrival { item: incoming, .. }) in arrived {
            let Some(local) = own.get(&key).filter(|local| local.hlc != incoming.hlc) else {
                continue;
            };
            let pair = (key, local.hlc.clone(), incoming.hlc.clone());
            let is_old = self.before.contains(&pair);
            if self.known.insert(pair) && !is_old {
                self.untold.push(Conflict {
                    kind: incoming.kind.clone(),
                    local: local.body.clone(),
                    incoming: incoming.body.clone(),
                    times: [local.hlc.clone(), incoming.hlc.clone()],
                    incoming_wins: incoming.hlc > local.hlc,
                });
            }
        }
    }

    /// What the app is told of now; `is_over` says that there is nothing more to exchange.
    pub(super) fn tell(&mut self, is_over: bool) -> Vec<Conflict<B>> {
        if is_over {
            self.before = std::mem::take(&mut self.known);
        }
        std::mem::take(&mut self.untold)
    }
}

/// The key of a record, where rows have none.
pub(super) fn key_of_record<B>(item: &Item<B>) -> Option<Key> {
    let id = item.kind.record_id()?.clone();
    let stream = Stream::Records;
    Some(Key { stream, id })
}

/// How the versions are known that a peer with change logs was not sent, where items come in under `keys`.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsent {
    /// The keys of what comes in.
    pub(super) keys: Vec<Key>,
    /// The own log went to the peer up to this number.
    pub(super) after: u64,
    /// What came from there is not new there.
    pub(super) skip: History,
    /// Those of the keys that wait on their way out, or differed at first, whatever their number.
    pub(super) waiting: Vec<Key>,
}
