//! Versions of one item that two sides wrote without knowing of each other's.
//!
//! A caller finds them where items come in: the version that an item meets here is one that the peer had not been sent, or
//! goes to it in the same exchange. By logs the number of that version says so, or that it waits on its way out; by
//! watermarks its timestamp does, of records alone: nothing tells rows apart there. Last writer wins, as ever; the app
//! is told of both versions, once, and can merge them.

use std::collections::{HashMap, HashSet};

use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::log::{History, Key};

use super::arrival::Arrival;
use super::pair::{Pair, Planes};

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
type Versions = (Key, Hlc, Hlc);

/// At least this many of the last conflicts are remembered. A version that stands here may meet the same
/// one again: after a fault, where something waits, and where the peer's file was put back.
const MOST_KNOWN: usize = 10_000;

/// What met, until the app is told of it.
#[derive(Debug)]
pub(super) struct Met<B> {
    untold: Vec<Conflict<B>>,
    /// What was found, and is no news.
    known: HashSet<Versions>,
    /// What was found before those.
    before: HashSet<Versions>,
    /// How far the peer had the own logs when it was last heard out.
    heard: Planes<Heard>,
    /// Where a version met one that could not be sent or stored: it counts as unsent until that comes in, or need not.
    pub(super) barred: HashSet<Key>,
}

/// A version that was sent may have lost to one that comes pages later. It counts as unsent until the peer was heard as far
/// as its log went then.
#[derive(Debug, Clone, Default)]
struct Heard {
    /// What has a later number in the own log counts as unsent.
    upto: u64,
    /// Once the peer's log is heard up to the second number, this is the first.
    next: Option<(u64, u64)>,
}

impl Heard {
    /// The peer had the own log up to `before`, and now has what the pair says; `went` says that anything new did.
    fn hear(&mut self, before: u64, pair: &Pair, went: bool) {
        let head = pair.history.head().map_or(0, |head| head.seq);
        match self.next {
            _ if pair.taken() >= head || (!went && self.upto == before) => {
                (self.upto, self.next) = (pair.have, None);
            }
            Some((have, then)) if pair.taken() >= then => {
                (self.upto, self.next) = (have, Some((pair.have, head)));
            }
            Some(_) => {}
            None => self.next = Some((pair.have, head)),
        }
        self.upto = self.upto.min(pair.have);
    }
}

impl<B> Default for Met<B> {
    fn default() -> Self {
        Self {
            untold: Vec::new(),
            known: HashSet::new(),
            before: HashSet::new(),
            heard: Planes::default(),
            barred: HashSet::new(),
        }
    }
}

impl<B: Clone> Met<B> {
    /// Notes where one of the `own` versions met another one that came in for the same item, or that the peer withheld.
    pub(super) fn note<'a>(
        &mut self,
        own: impl Iterator<Item = (Key, &'a Item<B>)>,
        arrived: impl Iterator<Item = (Key, &'a Arrival<B>)>,
        withheld: &[Key],
    ) where
        B: 'a,
    {
        let mut arrived = arrived.peekable();
        if arrived.peek().is_none() && withheld.is_empty() {
            return;
        }
        let own: HashMap<Key, &Item<B>> = own.collect();
        let barred = withheld.iter().filter(|key| own.contains_key(key));
        self.barred.extend(barred.cloned());
        for (key, arrival) in arrived {
            let incoming = &arrival.item;
            if arrival.is_here() {
                self.barred.remove(&key);
            }
            let Some(local) = own.get(&key).filter(|local| local.hlc != incoming.hlc) else {
                continue;
            };
            if !arrival.is_here() {
                self.barred.insert(key);
                continue;
            }
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

    /// The peer has said at first how much it has of the own logs.
    pub(super) fn begin(&mut self, pairs: &Planes<Pair>) {
        let begin = |pair: &Option<Pair>, heard: Option<Heard>| {
            let have = pair.as_ref()?.have;
            let upto = heard.map_or(have, |heard| heard.upto.min(have));
            Some(Heard { upto, next: None })
        };
        self.heard = Planes {
            records: begin(&pairs.records, self.heard.records.take()),
            rows: begin(&pairs.rows, self.heard.rows.take()),
        };
    }

    /// An answer was taken in. Before it the peer had this much; of the records, or of the rows, something new `went`.
    pub(super) fn hear(&mut self, before: [u64; 2], pairs: &Planes<Pair>, went: [bool; 2]) {
        let heard = [&mut self.heard.records, &mut self.heard.rows];
        let pairs = [&pairs.records, &pairs.rows];
        for (((heard, pair), before), went) in heard.into_iter().zip(pairs).zip(before).zip(went) {
            if let (Some(heard), Some(pair)) = (heard, pair) {
                heard.hear(before, pair, went);
            }
        }
    }

    /// Up to which number of each of the own logs a version has been sent, and did not lose to one that is still to come.
    pub(super) fn heard(&self) -> [u64; 2] {
        let upto = |heard: &Option<Heard>| heard.as_ref().map_or(0, |heard| heard.upto);
        [upto(&self.heard.records), upto(&self.heard.rows)]
    }

    /// What the app is told of now.
    pub(super) fn tell(&mut self) -> Vec<Conflict<B>> {
        if self.known.len() >= MOST_KNOWN {
            self.before = std::mem::take(&mut self.known);
        }
        std::mem::take(&mut self.untold)
    }
}

/// How the versions are known that a peer with change logs was not sent, where items come in under `keys`.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsent {
    /// The keys of what comes in.
    pub(super) keys: Vec<Key>,
    /// They have later numbers in the own log.
    pub(super) after: u64,
    /// What came from there is not new there.
    pub(super) skip: History,
    /// Those of the keys that wait on their way out, whatever their number.
    pub(super) waiting: Vec<Key>,
}
