//! The caller's round.
//!
//! Read the watermarks, gather a page of what the peer lacks, bring its objects over, exchange, take in
//! the answer's page, fetch its objects, persist how far both sides got. How far that is, is decided in
//! [`Sweep::learn`]; the round only does things.

use std::collections::HashSet;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::protocol::hlc::NodeId;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::watermarks::Watermarks;

use super::advancing::{Known, Learned};
use super::apply::apply_all;
use super::apply_rows::warn_of_failed_rows;
pub use super::caller::{
    DEFAULT_BLOB_CONCURRENCY, DEFAULT_MAX_CLOCK_SKEW_MS, Engine, RoundOptions,
};
use super::conflict::Conflict;
use super::guards::{Guards, hear};
use super::held::Held;
use super::inbound::Inbound;
use super::outbound::Writers;
use super::overtaken::{Brought, Persisted};
use super::planes::keeps_logs;
use super::ports::{Blobs, Clock, Events, Exchange, Side, State};
use super::sending::Sent;
use super::sweep::Sweep;
use super::watch::Moved;

/// What a round did. What is data alone of it can be written as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<B> {
    /// Shared records that are new here, with their objects.
    pub applied: usize,
    /// Items sent, without those that the peer says it did not take in.
    pub shipped: usize,
    /// Whether another round has something to do at once.
    pub has_more: bool,
    /// What is held in this sweep, the first item of each node and direction.
    #[serde(skip)]
    pub held: Vec<Held<B>>,
    /// How many of the items sent the peer says that it holds now; all of them if it does not say.
    #[serde(skip)]
    pub(crate) landed: usize,
    /// Whether both sides are proved to hold the same; `None` if they exchange by watermarks, which cannot prove it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_sync: Option<bool>,
    /// What it moved.
    pub moved: Moved,
    /// Versions that met others which were written without knowing of them.
    #[serde(skip)]
    pub conflicts: Vec<Conflict<B>>,
}

impl<B> Report<B> {
    /// The same around another form of the bodies.
    pub fn map<J>(self, body: impl Fn(B) -> J) -> Report<J> {
        let conflicts = self.conflicts.into_iter();
        let held = self.held.into_iter().map(|held| held.map(&body));
        Report {
            applied: self.applied,
            shipped: self.shipped,
            has_more: self.has_more,
            held: held.collect(),
            landed: self.landed,
            in_sync: self.in_sync,
            moved: self.moved,
            conflicts: conflicts.map(|found| found.map(&body)).collect(),
        }
    }

    /// Of a round by watermarks that did nothing.
    fn of_nothing(has_more: bool) -> Self {
        Self {
            applied: 0,
            shipped: 0,
            has_more,
            held: Vec::new(),
            landed: 0,
            in_sync: None,
            moved: Moved::default(),
            conflicts: Vec::new(),
        }
    }

    /// Whether the round brought anything over, as far as it says.
    fn has_work(&self) -> bool {
        self.applied > 0 || self.shipped > 0
    }
}

/// At most this many rounds follow on trying again what is held, as long as they bring nothing over.
const MOST_RETRIES: usize = 1000;

/// One request and all that follows from it.
enum Pass<B> {
    /// With a page that went out. Also the error of a record that could not be stored, if nothing at all was taken
    /// in.
    Whole(Report<B>, Option<Error>),
    /// What the other side holds was heard, as a page of its own.
    Heard { taken_in: usize, more: bool },
}

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// One round. Rounds of one engine do not overlap; the caller sees to that.
    ///
    /// # Errors
    /// What the stores, the state or the peer failed with: no watermark moved then, and the sweep stands
    /// where it stood. Also the error of a record that could not be stored, if nothing at all was taken
    /// in; the round is complete then, and the record is held.
    pub async fn round(&self) -> Result<Report<S::Body>> {
        self.round_heard(false).await
    }

    /// A round of which the app hears how far it is, if it `listens`.
    pub(super) async fn round_heard(&self, listens: bool) -> Result<Report<S::Body>> {
        let report = Box::pin(self.round_untold(listens)).await?;
        let conflicts = self.tell_conflicts();
        Ok(Report {
            conflicts,
            ..report
        })
    }

    /// The same, where the app is not told of conflicts yet.
    pub(super) async fn round_untold(&self, listens: bool) -> Result<Report<S::Body>> {
        let began_ms = self.side.clock().system_ms();
        let before = self.watch.begin_round(listens);
        let report = self.either_round().await?;
        let duration_ms = self.side.clock().system_ms().saturating_sub(began_ms);
        let moved = self.watch.moved_since(before, duration_ms);
        Ok(Report { moved, ..report })
    }

    async fn either_round(&self) -> Result<Report<S::Body>> {
        if keeps_logs(&self.side) {
            let mut session = self.session.take();
            let by_logs = self.round_by_logs(&mut session).await;
            self.watch.acknowledge(session.pairs());
            self.session.replace(session);
            if let Some(report) = by_logs? {
                return Ok(report);
            }
        }
        let mut sweep = self.sweep.take();
        let result = self.round_in(&mut sweep).await;
        self.sweep.replace(sweep);
        result
    }

    /// A round that has nothing to do, while something is held that it did not try, tries that: an app that stops
    /// at a round without work has stopped after everything was tried in that round.
    async fn round_in(&self, sweep: &mut Sweep<S::Body>) -> Result<Report<S::Body>> {
        let has_untried = sweep.has_untried();
        let (mut report, mut fatal) = self.round_of(sweep).await?;
        if has_untried && fatal.is_none() && !report.has_more && !report.has_work() {
            let retried = self.retry_held(sweep).await?;
            for _ in 0..MOST_RETRIES {
                if !retried.begins_again {
                    break;
                }
                (report, fatal) = self.round_of(sweep).await?;
                // What was sent before and is not held now either has brought nothing over.
                report.shipped = report.landed;
                if fatal.is_some() || !report.has_more || report.has_work() {
                    break;
                }
            }
            report.applied += retried.applied;
        }
        if !report.has_more {
            sweep.end();
        }
        fatal.map_or(Ok(report), Err)
    }

    /// Objects of the other side are replaced only once everything that the other side holds is here: a newer
    /// version of an item may have brought them there.
    ///
    /// Also returns the error of a record that could not be stored, if nothing at all was taken in.
    async fn round_of(
        &self,
        sweep: &mut Sweep<S::Body>,
    ) -> Result<(Report<S::Body>, Option<Error>)> {
        let (mut applied, mut replaces) = (0, false);
        loop {
            match self.pass(sweep, replaces).await? {
                Pass::Whole(report, fatal) => {
                    let applied = applied + report.applied;
                    return Ok((Report { applied, ..report }, fatal));
                }
                Pass::Heard { taken_in, more } => {
                    applied += taken_in;
                    replaces = !more;
                }
            }
        }
    }

    async fn pass(&self, sweep: &mut Sweep<S::Body>, replaces: bool) -> Result<Pass<S::Body>> {
        let began_ms = self.side.clock().app_ms();
        let stored = self.read_state(&mut sweep.guards).await?;
        let mut now = stored.clone();
        self.offer_late(sweep, &mut now, Brought::new()).await?;
        let peer = self.guarded(sweep, &now.own, now.peer.clone()).await;
        self.note_unorderable(sweep).await;
        let Sent {
            only_hears,
            rests,
            page,
            refused,
            horizon,
            mut outbound,
            advertised,
            shipped_after,
            answer,
        } = self
            .send(sweep, (&now.own, &now.logs.seen), &peer, replaces)
            .await?;
        sweep.begin(self.state.is_some(), &peer);
        if sweep.guards.hears_of_the_page() {
            let skew = self.options.max_clock_skew_ms;
            hear(&self.side, [&page.met].into_iter(), skew).await;
        }
        let news = answer
            .items
            .iter()
            .any(|item| !advertised.covers(&item.hlc));

        sweep.sent.merge(&advertised);
        let (inbound, gapped) = self.take_in(sweep, answer.items, &outbound.shipped).await;
        self.note_met(&outbound.shipped, &sweep.sent, &inbound);
        sweep.superseded.note_not_stored(inbound.not_stored());
        sweep.not_stored.extend(inbound.keys_not_stored());
        sweep.held.extend(outbound.held);
        let shipped = (&outbound.shipped[..], &mut outbound.runs);
        let not_taken = self.note_refused(sweep, shipped, &answer.refused);
        self.note_withheld(sweep, answer.withheld);
        inbound.note_held(sweep, self.side.log());
        let leaves_out = page.more || only_hears;
        let learned = Learned {
            shipped: outbound.runs,
            received: inbound
                .arrivals
                .iter()
                .map(|a| a.item.hlc.clone())
                .collect(),
            taken_in: inbound.runs(),
            gapped,
            coverage: answer.coverage.clone(),
            shipped_after,
            began_ms: rests.unwrap_or(began_ms),
            horizon,
            more: leaves_out,
            blind: page.blind.is_some(),
            keeps_logs: keeps_logs(&self.side),
        };
        let told = answer.log.and_then(|log| log.overtaken);
        let Known {
            own,
            peer,
            peer_lost,
        } = sweep.learn(&now.own, &peer, learned);
        now = Persisted { own, peer, ..now };
        self.learn_of_late(sweep, &mut now, (&advertised, told), &inbound)
            .await?;
        let asks_again = sweep.guards.asks_again();
        if let Err(error) = self.write_state(stored, &now).await {
            sweep.end();
            return Err(error);
        }
        sweep.guards.persisted();
        sweep.guards.logs = Some((now.logs, now.keeps_logs));
        self.announce(&inbound).await?;

        if only_hears {
            let heard = Pass::Heard {
                taken_in: inbound.applied(),
                more: asks_again || (news && answer.has_more),
            };
            return inbound.fatal(&self.options).map_or(Ok(heard), Err);
        }
        let has_more = page.more
            || peer_lost
            || asks_again
            || (news && (answer.has_more || !refused.is_empty()));
        let has_more = has_more || self.has_more_here(sweep, rests, &now.peer).await?;
        if !has_more {
            self.hold_what_the_peer_refused(sweep).await?;
        }
        let report = Report {
            applied: inbound.applied(),
            shipped: outbound.shipped.len() - not_taken,
            held: sweep.held.clone(),
            landed: landed(&outbound.shipped, answer.coverage.as_ref()),
            ..Report::of_nothing(has_more)
        };
        Ok(Pass::Whole(report, inbound.fatal(&self.options)))
    }

    /// Takes in the items of an answer to what `went`, and fetches their objects. Also returns the nodes that the strict
    /// order stops.
    async fn take_in(
        &self,
        sweep: &mut Sweep<S::Body>,
        items: Vec<Item<S::Body>>,
        went: &[Item<S::Body>],
    ) -> (Inbound<S::Body>, HashSet<NodeId>) {
        let mut guard = self.guard(sweep, sweep.gapped.clone()).echoing(went);
        let skew = self.options.max_clock_skew_ms;
        let rules = (skew, &sweep.guards.nodes);
        let arrivals = apply_all(&self.side, items, rules, &mut guard).await;
        warn_of_failed_rows(&self.side, &arrivals);
        Self::note_taken_in(sweep, &arrivals);
        (self.fetch(arrivals).await, guard.into_stopped())
    }

    async fn read_state(&self, guards: &mut Guards) -> Result<Persisted> {
        let Some(state) = &self.state else {
            return Ok(Persisted::default());
        };
        if guards.logs.is_none() {
            let kept = state.log_positions().await?;
            let keeps_logs = kept.is_some();
            guards.logs = Some((kept.unwrap_or_default(), keeps_logs));
        }
        let (logs, keeps_logs) = guards.logs.clone().unwrap_or_default();
        Ok(Persisted {
            own: state.watermarks().await?,
            peer: state.peer_watermarks().await?,
            logs,
            keeps_logs,
        })
    }

    /// Writes what changed: a quiet round leaves the disk alone. How far logs were looked at comes last: what came late
    /// is looked for again if that is not written.
    async fn write_state(&self, before: Persisted, now: &Persisted) -> Result<()> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        if before.own != now.own {
            state.set_watermarks(&now.own).await?;
        }
        if before.peer != now.peer {
            state.set_peer_watermarks(&now.peer).await?;
        }
        if before.logs != now.logs && now.keeps_logs {
            state.set_log_positions(&now.logs).await?;
        }
        Ok(())
    }

    /// A node that others pull from is one that others write to.
    pub(super) fn writers(&self) -> Writers<'static> {
        if self.options.strict_order {
            Writers::Anyone(None)
        } else {
            Writers::App
        }
    }

    pub(super) async fn announce(&self, inbound: &Inbound<S::Body>) -> Result<()> {
        let ids: Vec<_> = inbound
            .arrivals
            .iter()
            .filter(|arrival| arrival.is_applied())
            .filter_map(|arrival| match &arrival.item.kind {
                ItemKind::Record(id) => Some(id.clone()),
                ItemKind::Row(_) => None,
            })
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.events.records_applied(ids).await
    }
}

fn landed<B>(shipped: &[Item<B>], coverage: Option<&Watermarks>) -> usize {
    let is_there = |item: &&Item<B>| coverage.is_none_or(|held| held.covers(&item.hlc));
    shipped.iter().filter(is_there).count()
}
