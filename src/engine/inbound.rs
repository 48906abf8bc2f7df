//! The items that came in with a round, and what became of each.

use std::collections::HashSet;

use crate::error::Error;
use crate::protocol::delta::ContiguousPrefix;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::text::Text;

use super::arrival::{Arrival, Fate};
use super::blobs::Transfers;
use super::caller::RoundOptions;
use super::held::{Direction, Held};
use super::ports::{Log, Outcome};
use super::sweep::Sweep;

/// The items that came in, and what became of each.
pub(super) struct Inbound<B> {
    pub(super) arrivals: Vec<Arrival<B>>,
    pub(super) fetched: Transfers,
}

impl<B: Clone> Inbound<B> {
    /// Whether the item and its object are here; `Err` says why not, or nothing if it only waits.
    pub(super) fn whole(&self, arrival: &Arrival<B>) -> Result<(), Option<Error>> {
        match &arrival.fate {
            Fate::Settled(Outcome::Applied | Outcome::Stale) => {
                match self.fetched.of(&arrival.item) {
                    Some(fetched) => fetched.map_err(Some),
                    None => Err(None),
                }
            }
            Fate::Settled(Outcome::Failed(error)) => Err(Some(error.clone())),
            Fate::Settled(Outcome::Behind) | Fate::Waiting | Fate::Dropped => Err(None),
        }
    }

    /// Whether any item is here with its object.
    pub(super) fn has_whole(&self) -> bool {
        self.arrivals
            .iter()
            .any(|arrival| self.whole(arrival).is_ok())
    }

    pub(super) fn runs(&self) -> ContiguousPrefix {
        let mut runs = ContiguousPrefix::default();
        for arrival in &self.arrivals {
            if !matches!(arrival.fate, Fate::Dropped) {
                runs.note(&arrival.item.hlc, self.whole(arrival).is_ok());
            }
        }
        runs
    }

    /// Notes the item that stopped each node, unless one did before. Rows that could not be applied were
    /// warned of when they failed.
    pub(super) fn note_held(&self, sweep: &mut Sweep<B>, log: &impl Log) {
        let runs = self.runs();
        for arrival in &self.arrivals {
            let hlc = &arrival.item.hlc;
            if sweep.broken.contains(&hlc.node_id) || runs.gaps().get(&hlc.node_id) != Some(hlc) {
                continue;
            }
            if let Err(Some(error)) = self.whole(arrival) {
                let waits = Held::new(&arrival.item, Direction::Inbound, error);
                if arrival.is_here() || arrival.item.kind.record_id().is_some() {
                    waits.warn(log);
                }
                sweep.held.push(waits);
            }
        }
    }

    /// The records that could not be stored.
    pub(super) fn not_stored(&self) -> impl Iterator<Item = (Text, Hlc)> {
        self.arrivals
            .iter()
            .filter(|arrival| !arrival.is_here())
            .filter_map(|arrival| match &arrival.item.kind {
                ItemKind::Record(id) => Some((id.clone(), arrival.item.hlc.clone())),
                ItemKind::Row(_) => None,
            })
    }

    /// The keys of objects that belong to what could not be stored.
    pub(super) fn keys_not_stored(&self) -> impl Iterator<Item = Text> {
        self.arrivals
            .iter()
            .filter(|arrival| !arrival.is_here())
            .filter_map(|arrival| arrival.item.blob.as_ref().map(|blob| blob.key.clone()))
    }

    pub(super) fn applied(&self) -> usize {
        self.arrivals
            .iter()
            .filter(|arrival| arrival.is_applied())
            .filter(|arrival| matches!(arrival.item.kind, ItemKind::Record(_)))
            .filter(|arrival| self.whole(arrival).is_ok())
            .count()
    }

    /// The error of a record that could not be stored, if nothing at all was taken in and the error is not about
    /// that record alone.
    pub(super) fn fatal(self, options: &RoundOptions) -> Option<Error> {
        if options.holds_all || self.arrivals.iter().any(Arrival::is_here) {
            return None;
        }
        self.arrivals
            .into_iter()
            .find_map(|arrival| match (arrival.item.kind, arrival.fate) {
                (ItemKind::Record(_), Fate::Settled(Outcome::Failed(error)))
                    if !error.kind().is_of_one_item() =>
                {
                    Some(error)
                }
                _ => None,
            })
    }
}

/// Of each node the item at its gap that does not go out, with the reason, which is warned of.
pub(super) fn first_held<B: Clone>(
    items: &[Item<B>],
    runs: &ContiguousPrefix,
    log: &impl Log,
    reason: impl Fn(&Item<B>) -> Option<Error>,
) -> Vec<Held<B>> {
    let mut told = HashSet::new();
    let mut held = Vec::new();
    for item in items {
        let node = &item.hlc.node_id;
        if runs.gaps().get(node) == Some(&item.hlc)
            && let Some(error) = reason(item)
            && told.insert(node.clone())
        {
            let waits = Held::new(item, Direction::Outbound, error);
            waits.warn(log);
            held.push(waits);
        }
    }
    held
}
