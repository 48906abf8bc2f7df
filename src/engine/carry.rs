//! The objects of a round: those of a page that goes out, and those of a page that came in.

use std::collections::{HashMap, HashSet};

use super::arrival::Arrival;
use super::blobs::{Transfers, transfer_all};
use super::bring::How;
use super::caller::Engine;
use super::claims::claims;
use super::held::{Direction, Held};
use super::inbound::{Inbound, first_held};
use super::ports::{Blobs, Events, Exchange, Log, Side, State};
use super::transfer::Hears;
use crate::protocol::delta::ContiguousPrefix;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Blob, Item, ItemKind};
use crate::protocol::text::Text;

/// A page on its way out: what may go, and what stopped each node that may not go on.
pub(super) struct Outbound<B> {
    pub(super) shipped: Vec<Item<B>>,
    pub(super) runs: ContiguousPrefix,
    pub(super) held: Vec<Held<B>>,
}

impl<B> Default for Outbound<B> {
    fn default() -> Self {
        Self {
            shipped: Vec::new(),
            runs: ContiguousPrefix::default(),
            held: Vec::new(),
        }
    }
}

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// What hears of each object on its way, if anything does.
    pub(super) fn hears(&self) -> Option<&dyn Hears> {
        self.events.hears_transfers().then_some(&self.events)
    }

    /// How the objects of a round are brought over.
    pub(super) fn how<'a>(
        &'a self,
        direction: Direction,
        replaces: Option<&'a HashSet<Text>>,
    ) -> How<'a> {
        let (moved, back) = match direction {
            Direction::Outbound => (&self.watch.sent, &self.watch.received),
            Direction::Inbound => (&self.watch.received, &self.watch.sent),
        };
        How {
            direction,
            moved,
            back,
            hears: self.hears(),
            window: self.options.blob_concurrency,
            more_small: self.options.more_small_blobs,
            stop_nodes: direction == Direction::Outbound,
            verify: self.options.verify_content_hash,
            replaces,
            same_is_right: direction == Direction::Inbound,
            completes: false,
        }
    }

    /// Brings the objects of a page to the other side. Per node, what may be shipped ends before the
    /// first item whose object is not there. `None` if other objects are in the way, which may not be
    /// replaced yet.
    pub(super) async fn bring_over(
        &self,
        items: Vec<Item<S::Body>>,
        replaces: Option<&HashSet<Text>>,
    ) -> Option<Outbound<S::Body>> {
        let mut runs = ContiguousPrefix::default();
        for item in items.iter().filter(|item| item.fault.is_some()) {
            runs.gap(&item.hlc);
        }
        let may_go = items.iter().filter(|item| runs.is_before_gap(&item.hlc));
        let blobs: Vec<_> = may_go.filter_map(blob_of).collect();
        let how = self.how(Direction::Outbound, None);
        let ends = (&self.local, &self.remote);
        let mut sent = self.transfer(Direction::Outbound, &blobs, how).await;
        if replaces.is_some() || !sent.is_contested() {
            let how = self.how(Direction::Outbound, replaces);
            self.settle(&mut sent, &blobs, ends, how).await;
        }
        if replaces.is_none() && sent.is_contested() {
            return None;
        }
        for item in &items {
            let is_there = matches!(sent.of(item), Some(Ok(())));
            runs.note(&item.hlc, item.fault.is_none() && is_there);
        }
        let held = first_held(&items, &runs, self.side.log(), |item| {
            let failed = || sent.of(item).and_then(Result::err);
            item.fault.clone().or_else(failed)
        });
        let shipped = items
            .into_iter()
            .filter(|item| runs.is_before_gap(&item.hlc))
            .collect();
        Some(Outbound {
            shipped,
            runs,
            held,
        })
    }

    /// Brings the objects of items to the other side, each by itself, or from there if they are not here: the item may
    /// have come without its object, before another version took its place there. `None` if other objects are in the
    /// way, which may not be replaced yet.
    pub(super) async fn bring_objects(
        &self,
        items: &[&Item<S::Body>],
        replaces: Option<&HashSet<Text>>,
    ) -> Option<Transfers> {
        let items = items.iter().filter(|item| item.fault.is_none());
        let blobs: Vec<_> = items.filter_map(|item| blob_of(item)).collect();
        let each = |replaces: Option<_>| How {
            stop_nodes: false,
            completes: true,
            ..self.how(Direction::Outbound, replaces)
        };
        let ends = (&self.local, &self.remote);
        let mut sent = self.transfer(Direction::Outbound, &blobs, each(None)).await;
        if replaces.is_some() || !sent.is_contested() {
            self.settle(&mut sent, &blobs, ends, each(replaces)).await;
        }
        (replaces.is_some() || !sent.is_contested()).then_some(sent)
    }

    /// Fetches the objects of what is here now.
    pub(super) async fn fetch(&self, arrivals: Vec<Arrival<S::Body>>) -> Inbound<S::Body> {
        let here = arrivals
            .iter()
            .filter(|arrival| arrival.is_here())
            .filter_map(|arrival| blob_of(&arrival.item));
        let blobs: Vec<_> = here.collect();
        let ends = (&self.remote, &self.local);
        let how = self.how(Direction::Inbound, None);
        let rows = arrivals.iter().filter(|arrival| {
            matches!(arrival.item.kind, ItemKind::Row(_)) && arrival.is_applied()
        });
        let rows_applied = self.watch.rows_applied.get() + rows.count();
        self.watch.rows_applied.set(rows_applied);
        let mut fetched = self.transfer(Direction::Inbound, &blobs, how).await;
        let all = HashSet::new();
        let how = self.how(Direction::Inbound, Some(&all));
        self.settle(&mut fetched, &blobs, ends, how).await;
        Inbound { arrivals, fetched }
    }

    /// Fetches the objects of items that are not stored yet, where no other object is in the way.
    pub(super) async fn fetch_ahead<'a>(
        &self,
        items: impl Iterator<Item = &'a Item<S::Body>>,
    ) -> Transfers
    where
        S::Body: 'a,
    {
        let how = self.how(Direction::Inbound, None);
        let blobs: Vec<_> = items.filter_map(blob_of).collect();
        self.transfer(Direction::Inbound, &blobs, how).await
    }

    /// If an object is not what its item says, the newest item here that names the key decides.
    async fn settle(
        &self,
        transfers: &mut Transfers,
        blobs: &[(&Hlc, &Blob)],
        (source, destination): (&O, &O),
        how: How<'_>,
    ) {
        let disputed = transfers.disputed();
        let mut wanted: HashMap<&Text, (&Hlc, &Blob)> = HashMap::new();
        let mut oldest: Option<&Hlc> = None;
        for (hlc, blob) in blobs
            .iter()
            .filter(|(_, blob)| disputed.contains(&blob.key))
        {
            wanted.insert(&blob.key, (hlc, blob));
            oldest = Some(oldest.map_or(*hlc, |oldest| oldest.min(hlc)));
        }
        let Some(oldest) = oldest else { return };
        let claims = match claims(&self.side, oldest, Some(&disputed)).await {
            Ok(claims) => claims,
            Err(error) => {
                let message =
                    "it could not be found out which item is the newest of an object's key";
                return self.side.log().warn(message, Some(&error));
            }
        };
        for (key, (hlc, blob)) in &claims {
            wanted.insert(key, (hlc, blob));
        }
        let wanted = wanted.into_values();
        transfers.settle(transfer_all(source, destination, wanted, how).await);
    }
}

fn blob_of<B>(item: &Item<B>) -> Option<(&Hlc, &Blob)> {
    item.blob.as_ref().map(|blob| (&item.hlc, blob))
}
