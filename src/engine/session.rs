//! What a caller knows of a peer with change logs, from one round to the next.
//!
//! All of it can be asked for again: it is forgotten with the engine, and whenever the own log turns out to be
//! another one. What must outlast it lies in the stores: how far each has taken in the log of the other, and what
//! waits.

use std::collections::{BTreeMap, HashSet};

use crate::error::{Error, ErrorKind};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::ItemKind;
use crate::protocol::log::{Digest, Key, Stream};
use crate::protocol::text::Text;

use super::change_log::Waiting;
use super::conflict::Met;
use super::held::{Direction, Held};
use super::node_ids::NodeIds;
use super::pair::{Pair, Planes};
use super::prepared::Prepared;

/// A peer that turned out to keep no logs is asked again after this long, in milliseconds.
pub(super) const ASK_AGAIN_MS: u64 = 600_000;

/// Two sides that turn out not to be equal are reconciled at most so often, in milliseconds.
pub(super) const RECONCILE_AFTER_MS: u64 = 600_000;

/// How the peer exchanges.
#[derive(Debug, Clone, Default)]
pub(super) enum KnownPeer {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// By watermarks; it was asked at this time.
    Older(u64),
    /// By logs.
    Logged(Box<Planes<Pair>>),
}

/// What was brought over without being told of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Untold {
    pub(super) differing: usize,
    pub(super) applied: usize,
    pub(super) shipped: usize,
}

/// See the [module page](self).
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says something else of the peer, and none excludes another"
)]
pub struct Session<B> {
    pub(super) peer: KnownPeer,
    /// What waits.
    pub(super) held: BTreeMap<(bool, Key), Held<B>>,
    /// The conflicts, also those with a peer without logs. They outlast what is known of the peer.
    pub(super) met: Met<B>,
    /// What of it was tried since there was last nothing to do: each is tried once before that is said again.
    pub(super) tried: HashSet<(bool, Key)>,
    /// What both sides held when that was last compared: this side and the peer.
    pub(super) compared: Option<(Digest, Digest)>,
    /// The same when all that differed was found to wait.
    pub(super) explained: Option<(Digest, Digest)>,
    /// Keys of objects whose newest items came in and could not be stored.
    pub(super) not_stored: HashSet<Text>,
    /// Whether the last answer of this round held all that the peer had.
    pub(super) heard_all: bool,
    /// Whether an answer since the greeting held all that the peer had. Until then what follows there may have come from
    /// here long ago, and the peer is told the whole history of the own log to know that.
    pub(super) caught_up: bool,
    /// When the two sides were last reconciled, in milliseconds since the epoch.
    pub(super) reconciled_ms: Option<u64>,
    /// The names of the peer's streams that this side has, by the hashes of both sides' names.
    pub(super) common: Option<(u64, u64, Vec<String>)>,
    /// At most this many items are asked for, if an answer of the usual size was too large for this side.
    pub(super) answer_limit: Option<usize>,
    /// At most this much may go out in one request, if a larger one was too large for the peer.
    pub(super) most_weight: Option<usize>,
    /// Keys that are to be fetched, because a comparison found them to differ.
    pub(super) want: Vec<Key>,
    /// Keys that are to be sent, for the same reason.
    pub(super) offer: Vec<Key>,
    /// What the first comparison with the peer brought over, which no round has told of yet.
    pub(super) untold: Untold,
    /// Nothing is proved before they have travelled.
    pub(super) is_reconciling: bool,
    /// Whether this side held anything when the peer was first asked.
    pub(super) had_items: bool,
    /// The streams of which both sides once held the same, tombstones too, if they ever did.
    pub(super) even: Option<Vec<String>>,
    /// Whether the peer says what it holds alive: one of the two sides has purged tombstones.
    pub(super) tells_alive: bool,
    /// Whether the clock has heard of what the own stores hold.
    pub(super) clock_has_heard: bool,
    /// The nodes that items came of.
    pub(super) nodes: NodeIds,
    /// The own node, if the clock says it.
    pub(super) node: Option<NodeId>,
    /// Whether it was said already that two machines share the own node id.
    pub(super) told_of_twin: bool,
    /// Whether it was said that no more can wait.
    pub(super) told_of_full: bool,
    /// What is there before it is needed.
    pub(super) ahead: Prepared<B>,
}

/// What becomes of an item that is to wait.
pub(super) enum Wait {
    /// It waits now, and that is to be noted.
    News(Waiting),
    /// It waited before.
    Known,
    /// As many wait as may: nothing may pass it.
    NoRoom,
}

impl<B> Session<B> {
    /// The names of the streams that both sides have, if they are not all of both.
    pub(super) fn meant(&self) -> Option<&[String]> {
        self.common.as_ref().map(|(_, _, names)| &names[..])
    }
}

impl<B> Default for Session<B> {
    fn default() -> Self {
        Self {
            peer: KnownPeer::Unknown,
            held: BTreeMap::new(),
            met: Met::default(),
            tried: HashSet::new(),
            compared: None,
            explained: None,
            not_stored: HashSet::new(),
            heard_all: false,
            caught_up: false,
            reconciled_ms: None,
            common: None,
            answer_limit: None,
            most_weight: None,
            want: Vec::new(),
            offer: Vec::new(),
            untold: Untold::default(),
            is_reconciling: false,
            had_items: false,
            even: None,
            tells_alive: false,
            clock_has_heard: false,
            nodes: NodeIds::default(),
            node: None,
            told_of_twin: false,
            told_of_full: false,
            ahead: Prepared::default(),
        }
    }
}

impl<B: Clone> Session<B> {
    /// What is known of the logs of both sides, if the peer keeps logs.
    pub(super) fn pairs(&self) -> Option<&Planes<Pair>> {
        match &self.peer {
            KnownPeer::Logged(pairs) => Some(pairs),
            KnownPeer::Unknown | KnownPeer::Older(_) => None,
        }
    }

    /// Whether as many items wait as may.
    pub(super) fn is_full(&self, most: usize) -> bool {
        self.held.len() >= most
    }

    /// What a store remembers to wait. It may be a little more than may wait, if the program ended before it was noted
    /// that something did not wait any longer: the logs passed all of it.
    pub(super) fn remember(&mut self, waiting: Vec<Waiting>) {
        for waits in waiting {
            let at = (waits.direction == Direction::Inbound, waits.key.clone());
            self.held.entry(at).or_insert_with(|| held(waits));
        }
    }

    /// An item waits, unless `most` others do.
    pub(super) fn hold(&mut self, key: &Key, held: Held<B>, most: usize) -> Wait {
        let at = (held.direction == Direction::Inbound, key.clone());
        if !self.held.contains_key(&at) && self.is_full(most) {
            return Wait::NoRoom;
        }
        self.tried.insert(at.clone());
        let is_known = self.held.get(&at).is_some_and(|known| {
            known.code == held.code && (known.hlc == held.hlc || held.body.is_none())
        });
        let waits = waiting(key, &held);
        self.held.insert(at, held);
        if is_known {
            Wait::Known
        } else {
            Wait::News(waits)
        }
    }

    /// What waits, as it is noted.
    pub(super) fn all_waiting(&self) -> impl Iterator<Item = Waiting> {
        let held = self.held.iter();
        held.map(|((_, key), held)| waiting(key, held))
    }

    /// Begins anew where something could not be noted: what is known of the peer is what the stores say.
    pub(super) fn forget(&mut self) {
        *self = Self {
            met: std::mem::take(&mut self.met),
            ..Self::default()
        };
    }

    /// An item waits no longer. Returns whether it did.
    pub(super) fn settle(&mut self, direction: Direction, key: &Key) -> bool {
        if direction == Direction::Inbound {
            self.met.barred.remove(key);
        }
        if self.held.is_empty() {
            return false;
        }
        let at = (direction == Direction::Inbound, key.clone());
        self.held.remove(&at).is_some()
    }

    /// The keys that the peer is asked for.
    pub(super) fn wanted(&self) -> Vec<Key> {
        let mut wanted = self.want.clone();
        let untried = self.waiting(Direction::Inbound).into_iter();
        wanted.extend(untried.filter(|key| !self.want.contains(key)));
        wanted
    }

    /// The keys of what waits on one way and was not tried yet.
    pub(super) fn waiting(&self, direction: Direction) -> Vec<Key> {
        let inbound = direction == Direction::Inbound;
        let waiting = self.held.keys().filter(|(way, _)| *way == inbound);
        let untried = waiting.filter(|at| !self.tried.contains(at));
        untried.map(|(_, key)| key.clone()).collect()
    }

    /// Whether what waits has its turn before anything new: as many wait as may, and nothing new could.
    pub(super) fn only_retries(&self, most: usize, is_confirmed: bool) -> bool {
        let has_keys = !self.want.is_empty() || !self.offer.is_empty();
        self.is_full(most) && (!is_confirmed || has_keys || self.has_untried())
    }

    /// Whether something is still to come in that only a comparison found, and no log will bring.
    pub(super) fn expects_by_key(&self) -> bool {
        let unknown = Hlc::zero();
        let mut inbound = self.held.iter().filter(|((inbound, _), _)| *inbound);
        !self.want.is_empty()
            || inbound.any(|(_, held)| held.hlc == unknown && held.code == ErrorKind::Sync.code())
    }

    /// Whether nothing waits, is asked for by its key, or is to be sent by it.
    pub(super) fn has_nothing_to_do(&self) -> bool {
        self.held.is_empty() && self.want.is_empty() && self.offer.is_empty()
    }

    /// Whether anything waits that was not tried yet.
    pub(super) fn has_untried(&self) -> bool {
        self.held.keys().any(|at| !self.tried.contains(at))
    }
}

fn held<B>(waits: Waiting) -> Held<B> {
    let hlc = waits.hlc.unwrap_or_else(Hlc::zero);
    let kind = ErrorKind::of_code(&waits.code).unwrap_or(ErrorKind::Sync);
    Held {
        node_id: hlc.node_id.clone(),
        direction: waits.direction,
        kind: kind_of(&waits.key),
        hlc,
        body: None,
        blob: None,
        code: waits.code,
        error: Error::new(kind, "exchange", waits.reason),
    }
}

/// What an item with this key is called.
pub(super) fn kind_of(key: &Key) -> ItemKind {
    match &key.stream {
        Stream::Records => ItemKind::Record(key.id.clone()),
        Stream::Rows(table) => ItemKind::Row(table.clone()),
    }
}

/// An item that begins to wait.
fn waiting<B>(key: &Key, held: &Held<B>) -> Waiting {
    Waiting {
        key: key.clone(),
        direction: held.direction,
        hlc: (held.hlc != Hlc::zero()).then(|| held.hlc.clone()),
        code: held.code.clone(),
        reason: held.error.to_string(),
        since_ms: 0,
        attempts: 0,
    }
}
