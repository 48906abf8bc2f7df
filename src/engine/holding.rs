//! What of a round is held, and is tried again.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::delta::ContiguousPrefix;
use crate::protocol::item::{Item, malformed};
use crate::protocol::message::Refusal;

use super::apply::apply_all;
use super::caller::Engine;
use super::held::{Direction, Held};
use super::inbound::first_held;
use super::outbound::{gather, unorderable};
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::sweep::Sweep;

/// The outcome of trying again what is held on its way in.
pub(super) struct Retried {
    /// Shared records that are new here, with their objects.
    pub(super) applied: usize,
    /// Whether another round has something to do.
    pub(super) begins_again: bool,
}

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Tries again what is held on its way in: the items themselves, which are at hand, so that the peer need not
    /// send what follows them again. What is held on its way out goes with a round.
    pub(super) async fn retry_held(&self, sweep: &mut Sweep<S::Body>) -> Result<Retried> {
        let items: Vec<_> = sweep
            .held
            .iter()
            .filter(|held| held.direction == Direction::Inbound)
            .filter_map(Held::item)
            .collect();
        let mut guard = self.guard(sweep, HashSet::new());
        let skew = self.options.max_clock_skew_ms;
        let rules = (skew, &sweep.guards.nodes);
        let arrivals = apply_all(&self.side, items, rules, &mut guard).await;
        let inbound = self.fetch(arrivals).await;
        self.note_met(&[], &sweep.sent, &inbound);
        self.announce(&inbound).await?;
        let applied = inbound.applied();
        if inbound.has_whole() {
            // The watermarks move in a sweep from where they stand.
            sweep.end();
            return Ok(Retried {
                applied,
                begins_again: true,
            });
        }
        Ok(Retried {
            applied,
            begins_again: sweep.try_outbound_again(),
        })
    }

    /// What the own stores hold without a valid timestamp is named in every sweep.
    pub(super) async fn note_unorderable(&self, sweep: &mut Sweep<S::Body>) {
        if !sweep.begun {
            let told = unorderable(&self.side).await;
            sweep.unordered.told(told);
            self.hold_unordered(sweep);
        }
    }

    pub(super) fn hold_unordered(&self, sweep: &mut Sweep<S::Body>) {
        let items: Vec<_> = sweep.unordered.iter().cloned().collect();
        for item in &items {
            self.hold(sweep, item, "it has no valid timestamp");
        }
    }

    fn hold(&self, sweep: &mut Sweep<S::Body>, item: &Item<S::Body>, what: &str) {
        let error = item.fault.clone().unwrap_or_else(|| malformed(what));
        let held = Held::new(item, Direction::Outbound, error);
        if sweep.hold(held.clone()) {
            held.warn(self.side.log());
        }
    }

    /// What the peer did not take in stops its node here as it did there, and is a gap in the `runs` of what was
    /// shipped. Returns how many of the shipped items are not at the peer because of that.
    pub(super) fn note_refused(
        &self,
        sweep: &mut Sweep<S::Body>,
        (shipped, runs): (&[Item<S::Body>], &mut ContiguousPrefix),
        refused: &[Refusal],
    ) -> usize {
        for refusal in refused {
            let of = |item: &&Item<S::Body>| {
                item.kind == refusal.kind && refusal.hlc.as_ref() == Some(&item.hlc)
            };
            let Some(item) = shipped.iter().find(of) else {
                continue;
            };
            runs.gap(&item.hlc);
            sweep.refused.insert(item.hlc.clone());
            let first = sweep
                .stopped
                .entry(item.hlc.node_id.clone())
                .or_insert_with(|| item.hlc.clone());
            if item.hlc < *first {
                *first = item.hlc.clone();
            }
            let held = Held::refused(item, refusal);
            if sweep.hold(held.clone()) {
                held.warn(self.side.log());
            }
        }
        let not_taken = shipped.iter().filter(|item| !runs.is_before_gap(&item.hlc));
        not_taken.count()
    }

    pub(super) fn note_withheld(&self, sweep: &mut Sweep<S::Body>, withheld: Vec<Refusal>) {
        for refusal in withheld {
            sweep.superseded.note_at_peer(&refusal);
            let held = Held::withheld(refusal);
            if sweep.hold(held.clone()) {
                held.warn(self.side.log());
            }
        }
    }

    /// At the end of a sweep, when every newer version has come in: what was shipped, still stands
    /// here and is not reported by the peer was refused there.
    pub(super) async fn hold_what_the_peer_refused(
        &self,
        sweep: &mut Sweep<S::Body>,
    ) -> Result<()> {
        let Some(ask) = sweep.ask_for_refused(self.options.page_limit) else {
            return Ok(());
        };
        let page = gather(&self.side, &ask, &mut sweep.backlog, self.writers()).await?;
        let mut runs = ContiguousPrefix::default();
        for item in page.items.iter().filter(|item| sweep.looks_refused(item)) {
            runs.gap(&item.hlc);
        }
        let refused = first_held(&page.items, &runs, self.side.log(), |_| {
            Some(Error::new(
                ErrorKind::Sync,
                "exchange",
                "the peer did not take it in and gave no reason; a peer of this version gives one",
            ))
        });
        sweep.held.extend(refused);
        Ok(())
    }
}
