//! Where a store that has to be read whole need not be read for each page.
//!
//! In a first sync one side takes in page after page. Nothing of that has to be found again: the answering side answers
//! what the caller brought, and the caller has nothing to offer. What an app writes beside it waits for the next pass
//! ([`LastPass`](crate::protocol::delta::LastPass)): that is made for a caller that does not go on, once the peer has no
//! more, and before a round says that nothing is left. It is stamped after the last pass began, so no watermark goes past
//! it.

use crate::error::Result;
use crate::protocol::delta::{Ask, Unorderable};
use crate::protocol::item::Item;
use crate::protocol::watermarks::Watermarks;

use super::arrival::Arrival;
use super::caller::Engine;
use super::outbound::{Gathered, Writers};
use super::planes::keeps_logs;
use super::ports::{Blobs, Clock, Events, Exchange, Records, Side, State};
use super::sweep::Sweep;

/// Whether all that a side has are records that are found by reading all of them.
pub(super) fn is_scanned<S: Side>(side: &S) -> bool {
    let is_plain = |records: &S::Records| {
        let able = records.capabilities();
        able.is_ok_and(|able| !able.index && !able.coverage)
    };
    side.rows().is_none() && side.records().is_some_and(is_plain) && !keeps_logs(side)
}

/// The page that answers a caller that goes on, and for which a pass that began at `began_ms` shows nothing: the records
/// that it brought. What was written since is later than all of them and waits, so the page says that there may be more.
/// `None` if the store has to be read.
pub(super) fn echo<B: Clone>(
    arrivals: &[Arrival<B>],
    ask: &Ask,
    began_ms: u64,
) -> Option<Gathered<B>> {
    // What was here already was written by another.
    let is_settled = |one: &Arrival<B>| one.is_applied() && one.item.hlc.wall_time < began_ms;
    if !arrivals.iter().all(is_settled) {
        return None;
    }
    let unseen = arrivals.iter().filter(|one| ask.wants(&one.item.hlc));
    let items: Vec<Item<B>> = unseen.map(|one| one.item.clone()).collect();
    let fits = !items.is_empty() && items.len() <= ask.limit;
    fits.then(|| Gathered::of(items, true))
}

impl<B> Gathered<B> {
    /// These items, and whether there may be `more`.
    fn of(items: Vec<Item<B>>, more: bool) -> Self {
        Self {
            items,
            more,
            met: Watermarks::default(),
            blind: None,
            unorderable: Unorderable::default(),
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
    /// When the pass began that shows that there is nothing to offer, while the peer has more to send. `None` if the
    /// records have to be read.
    pub(super) fn rests(&self, sweep: &Sweep<S::Body>, peer: &Watermarks) -> Option<u64> {
        let is_clear = sweep.peer_has_more
            && sweep.held.is_empty()
            && sweep.stopped.is_empty()
            && !sweep.offers_all
            && sweep.guards.node.is_some();
        if !is_clear || !matches!(self.writers(), Writers::App) || !is_scanned(&self.side) {
            return None;
        }
        let ask = sweep.ask(peer, self.options.page_limit);
        let now_ms = self.side.clock().app_ms();
        sweep.backlog.pass.shows_nothing_for(&ask, now_ms)
    }

    /// Notes what was taken in.
    pub(super) fn note_taken_in(sweep: &mut Sweep<S::Body>, arrivals: &[Arrival<S::Body>]) {
        for arrival in arrivals.iter().filter(|arrival| arrival.is_here()) {
            sweep.backlog.pass.took_in(&arrival.item.hlc);
        }
    }

    /// Whether there is something to offer after a round that rested, and so did not look.
    pub(super) async fn has_more_here(
        &self,
        sweep: &mut Sweep<S::Body>,
        rests: Option<u64>,
        peer: &Watermarks,
    ) -> Result<bool> {
        if rests.is_none() {
            return Ok(false);
        }
        let (mut page, _) = self.select(sweep, peer, self.options.page_limit).await?;
        sweep.unordered.met(std::mem::take(&mut page.unorderable));
        self.hold_unordered(sweep);
        Ok(!page.items.is_empty())
    }
}

/// A page of nothing, of a round that rests.
pub(super) fn nothing<B>() -> Gathered<B> {
    Gathered::of(Vec::new(), false)
}
