//! A page on its way to a peer with change logs: what goes, and what waits.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::log::{Cursor, History, Key, Keyed, Stream};
use crate::protocol::message::Refusal;

use super::change_log::View;
use super::held::{Direction, Held};
use super::pair::Planes;
use super::planes::PlaneStreams;
use super::shipment::pack;
use super::stuck::{Stuck, Waits, is_record};

/// An item on its way out.
#[derive(Debug)]
pub(super) struct One<B> {
    /// Its number in the own log; none if it waited and is tried again.
    pub(super) seq: Option<u64>,
    pub(super) key: Key,
    pub(super) item: Item<B>,
}

/// Where the own log of a plane stands behind a page.
#[derive(Debug, Clone)]
pub(super) struct SentPlane {
    pub(super) id: String,
    pub(super) history: History,
    pub(super) upto: u64,
    pub(super) more: bool,
}

/// A page on its way out.
#[derive(Debug)]
pub(super) struct Outgoing<B> {
    pub(super) items: Vec<One<B>>,
    pub(super) records: Option<SentPlane>,
    pub(super) rows: Option<SentPlane>,
    /// Keys that waited and are not there any more.
    pub(super) gone: Vec<Key>,
    /// What cannot go, and why.
    pub(super) waits: Vec<Waits<B>>,
    /// Nothing of it goes yet.
    pub(super) stays: bool,
    /// Nothing new goes, and nothing new that comes is passed: what waits has its turn.
    pub(super) only_retries: bool,
    /// How much had been tried before it went.
    pub(super) tried: usize,
    /// The keys that are asked for.
    pub(super) wanted: Vec<Key>,
    /// What found no room to wait.
    pub(super) stuck: Stuck,
    /// Whether the request says the names of the own streams.
    pub(super) tells_names: bool,
    pub(super) streams: PlaneStreams,
    /// What its items weigh, at most.
    pub(super) weight: usize,
}

impl<B> Default for Outgoing<B> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            records: None,
            rows: None,
            gone: Vec::new(),
            waits: Vec::new(),
            stays: false,
            only_retries: false,
            tried: 0,
            wanted: Vec::new(),
            stuck: Stuck::default(),
            tells_names: false,
            streams: Vec::new(),
            weight: 0,
        }
    }
}

impl<B: Clone> Outgoing<B> {
    pub(super) fn plane(&mut self, view: View<B>) -> SentPlane {
        self.streams.push(view.streams);
        let items = view.items.into_iter();
        self.items
            .extend(items.map(|(seq, Keyed { key, item })| One {
                seq: Some(seq),
                key,
                item,
            }));
        SentPlane {
            id: view.id,
            history: view.history,
            upto: view.upto,
            more: view.more,
        }
    }

    /// Where the own logs ended when the page was made.
    pub(super) fn ends(&self) -> Planes<Option<Cursor>> {
        let end = |plane: &SentPlane| plane.history.head().cloned();
        Planes {
            records: self.records.as_ref().map(end),
            rows: self.rows.as_ref().map(end),
        }
    }

    /// Whether there is nothing to send, to ask for by its key, or to wait.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
            && self.gone.is_empty()
            && self.waits.is_empty()
            && self.wanted.is_empty()
            && !self.only_retries
            && !self.more()
    }

    /// The same page without its items: how far the own log stands behind it.
    pub(super) fn planes_only(&self) -> Self {
        Self {
            records: self.records.clone(),
            rows: self.rows.clone(),
            tried: self.tried,
            tells_names: self.tells_names,
            streams: self.streams.clone(),
            ..Self::default()
        }
    }

    pub(super) fn more(&self) -> bool {
        let planes = [&self.records, &self.rows].into_iter().flatten();
        self.stays || planes.into_iter().any(|plane| plane.more)
    }

    /// Brings the items into the form in which they travel. Those that cannot wait; as many of the others go as the
    /// peer takes.
    pub(super) fn fit(
        &mut self,
        most: Option<usize>,
        packed: impl Fn(&mut Item<B>) -> Result<usize>,
    ) {
        let most = most.unwrap_or(usize::MAX);
        let mut total = 0usize;
        let mut fits = self.items.len();
        for (at, one) in self.items.iter_mut().enumerate() {
            let weight = pack(std::slice::from_mut(&mut one.item), &packed);
            total = total.saturating_add(weight.first().copied().unwrap_or_default());
            if total > most && at > 0 {
                fits = at;
                break;
            }
        }
        self.weight = total;
        self.cut(fits);
        self.hold_back(|_| None);
    }

    /// Leaves the items from one on to another request.
    pub(super) fn cut(&mut self, fits: usize) {
        for one in self.items.drain(fits..) {
            let Some(seq) = one.seq else { continue };
            let plane = match one.key.stream {
                Stream::Records => &mut self.records,
                Stream::Rows(_) => &mut self.rows,
            };
            if let Some(plane) = plane {
                plane.upto = plane.upto.min(seq - 1);
                plane.more = true;
            }
        }
    }

    /// Leaves half of the items to another request. Returns how much the other half weighs at most.
    pub(super) fn halve(&mut self, packed: impl Fn(&mut Item<B>) -> Result<usize>) -> usize {
        self.cut(self.items.len() / 2);
        let mut items: Vec<_> = self.items.iter().map(|one| one.item.clone()).collect();
        pack(&mut items, packed).iter().sum::<usize>().max(1)
    }

    /// Puts aside what has a fault, or for which there is a reason not to go.
    pub(super) fn hold_back(&mut self, reason: impl Fn(&Item<B>) -> Option<Error>) {
        let items = std::mem::take(&mut self.items);
        for one in items {
            match one.item.fault.clone().or_else(|| reason(&one.item)) {
                Some(error) => self.waits.push(Waits {
                    seq: one.seq,
                    held: Held::new(&one.item, Direction::Outbound, error),
                    key: one.key,
                }),
                None => self.items.push(one),
            }
        }
    }

    /// Leaves an item that found no room to wait, and what follows it in its log, to another request.
    pub(super) fn leave(&mut self, key: &Key, seq: u64) {
        let of_plane = |one: &Key| is_record(one) == is_record(key);
        self.items
            .retain(|one| !of_plane(&one.key) || one.seq.is_none_or(|other| other < seq));
        let plane = if is_record(key) {
            &mut self.records
        } else {
            &mut self.rows
        };
        if let Some(plane) = plane {
            plane.upto = plane.upto.min(seq - 1);
            plane.more = true;
        }
        self.stuck.out(key, seq);
    }

    /// Nothing goes yet.
    pub(super) fn stay(&mut self) {
        self.items.clear();
        self.waits.clear();
        self.gone.clear();
        self.stays = true;
    }

    /// What was refused. A refusal names a row by its table and time alone: all rows of that time wait.
    pub(super) fn refused(&self, refused: &[Refusal]) -> Vec<Waits<B>> {
        let mut by_time: HashMap<_, Vec<&Refusal>> = HashMap::new();
        for refusal in refused {
            by_time
                .entry(refusal.hlc.as_ref())
                .or_default()
                .push(refusal);
        }
        let refusal_of = |one: &One<B>| {
            let of_time = by_time.get(&Some(&one.item.hlc))?;
            let same =
                |refusal: &&&Refusal| is_same(&one.item, &refusal.kind, refusal.hlc.as_ref());
            of_time.iter().find(same).copied()
        };
        let found = self.items.iter().filter_map(|one| {
            Some(Waits {
                seq: one.seq,
                key: one.key.clone(),
                held: Held::refused(&one.item, refusal_of(one)?),
            })
        });
        found.collect()
    }
}

/// Whether two items are versions of one record, or rows that no more is known of than their tables and times.
fn is_same<B>(item: &Item<B>, kind: &ItemKind, hlc: Option<&Hlc>) -> bool {
    item.kind == *kind && hlc == Some(&item.hlc)
}
