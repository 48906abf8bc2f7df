//! The caller's round.
//!
//! Read the watermarks, gather a page of what the peer lacks, bring its objects over, exchange, take in
//! what came, fetch its objects, persist how far both sides got. How far that is, is decided in
//! [`Sweep::learn`]; the round only does things.

use std::cell::RefCell;
use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::delta::Runs;
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::ItemKind;
use crate::protocol::message::{Answer, DEFAULT_PAGE_LIMIT, Request};
use crate::protocol::watermarks::Watermarks;

use super::carry::Outbound;
use super::inbound::{Inbound, first_held};
use super::intake::{Line, Outcome, take_in};
use super::outbound::{Gathered, Writers, gather};
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::sweep::{Held, Known, Learned, Sweep};

/// How far ahead a timestamp may lie where nobody says otherwise: 24 hours, in milliseconds.
pub const DEFAULT_MAX_CLOCK_SKEW_MS: u64 = 24 * 60 * 60 * 1000;

/// How many objects are on their way at one time where nobody says otherwise.
pub const DEFAULT_BLOB_CONCURRENCY: usize = 8;

/// What an engine may be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Items in a page, of either direction.
    pub page_limit: usize,
    /// Objects on their way at one time.
    pub blob_concurrency: usize,
    /// Whether the bytes of objects are checked against the hashes that their items name.
    pub verify_content_hash: bool,
    /// Whether an item that could not be applied stops its node until it lands; for a node that others
    /// pull from.
    pub strict_order: bool,
    /// How far ahead of the system's clock a timestamp may lie, in milliseconds.
    pub max_clock_skew_ms: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page_limit: DEFAULT_PAGE_LIMIT,
            blob_concurrency: DEFAULT_BLOB_CONCURRENCY,
            verify_content_hash: false,
            strict_order: false,
            max_clock_skew_ms: Some(DEFAULT_MAX_CLOCK_SKEW_MS),
        }
    }
}

/// What a round did.
#[derive(Debug)]
pub struct Report<B> {
    /// Shared records that are new here, with their objects.
    pub applied: usize,
    /// Items sent.
    pub shipped: usize,
    /// Whether another round has something to do at once.
    pub has_more: bool,
    /// What is held in this sweep, the first item of each node and direction.
    pub held: Vec<Held<B>>,
}

/// A caller: its side, its peer, and what it remembers.
pub struct Engine<S: Side, O, X, T, E> {
    /// The own stores.
    pub side: S,
    /// The own objects.
    pub local: O,
    /// The objects of the other side.
    pub remote: O,
    /// The way to the other side.
    pub peer: X,
    /// What is persisted; without it every sweep begins at nothing.
    pub state: Option<T>,
    /// Who hears of what was applied.
    pub events: E,
    /// See [`Options`].
    pub options: Options,
    /// See [`Sweep`].
    pub sweep: RefCell<Sweep<S::Body>>,
}

/// A page that went out, without its items, and the one that came back.
struct Sent<B> {
    /// Nothing of the page went out: what the other side holds must be known before.
    only_hears: bool,
    page: Gathered<B>,
    refused: HashSet<NodeId>,
    horizon: Option<Hlc>,
    outbound: Outbound<B>,
    advertised: Watermarks,
    shipped_after: Watermarks,
    answer: Answer<B>,
}

/// One request and all that follows from it.
enum Pass<B> {
    /// With a page that went out.
    Whole(Report<B>),
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
        let mut sweep = self.sweep.take();
        let result = self.round_of(&mut sweep).await;
        self.sweep.replace(sweep);
        result
    }

    /// Objects of the other side are replaced only once all is here that the other side holds: a newer
    /// version of an item may have brought them there.
    async fn round_of(&self, sweep: &mut Sweep<S::Body>) -> Result<Report<S::Body>> {
        let (mut applied, mut replaces) = (0, false);
        loop {
            match self.pass(sweep, replaces).await? {
                Pass::Whole(report) => {
                    let applied = applied + report.applied;
                    return Ok(Report { applied, ..report });
                }
                Pass::Heard { taken_in, more } => {
                    applied += taken_in;
                    replaces = !more;
                }
            }
        }
    }

    async fn pass(&self, sweep: &mut Sweep<S::Body>, replaces: bool) -> Result<Pass<S::Body>> {
        let (own, peer) = self.read_state().await?;
        let Sent {
            only_hears,
            page,
            refused,
            horizon,
            outbound,
            advertised,
            shipped_after,
            answer,
        } = self.send(sweep, &own, &peer, replaces).await?;
        let news = answer
            .items
            .iter()
            .any(|item| !advertised.covers(&item.hlc));

        let mut line = Line::of_caller(self.options.strict_order, sweep.gapped.clone());
        let skew = self.options.max_clock_skew_ms;
        let arrivals = take_in(&self.side, answer.items, skew, &mut line).await;
        let inbound = self.fetch(arrivals).await;

        sweep.superseded.extend(inbound.not_stored());
        sweep.not_stored.extend(inbound.keys_not_stored());
        sweep.held.extend(outbound.held);
        inbound.add_held(&mut sweep.held, &sweep.broken, self.side.log());
        let learned = Learned {
            shipped: outbound.runs,
            received: inbound
                .arrivals
                .iter()
                .map(|a| a.item.hlc.clone())
                .collect(),
            taken_in: inbound.runs(),
            gapped: line.into_stopped(),
            coverage: answer.coverage,
            shipped_after,
            horizon,
            more: page.more || only_hears,
            blind: page.blind.is_some(),
        };
        let Known {
            own: own_after,
            peer: peer_after,
            peer_lost,
        } = sweep.learn(&own, &peer, learned);
        if let Err(error) = self
            .write_state((&own, &own_after), (&peer, &peer_after))
            .await
        {
            *sweep = Sweep::default();
            return Err(error);
        }
        self.announce(&inbound).await?;

        if only_hears {
            let pass = Pass::Heard {
                taken_in: inbound.applied(),
                more: news && answer.has_more,
            };
            return inbound.fatal().map_or(Ok(pass), Err);
        }
        let has_more = page.more || peer_lost || (news && (answer.has_more || !refused.is_empty()));
        if !has_more {
            self.hold_what_the_peer_refused(sweep).await?;
        }
        let report = Report {
            applied: inbound.applied(),
            shipped: outbound.shipped.len(),
            has_more,
            held: sweep.held.clone(),
        };
        if !has_more {
            *sweep = Sweep::default();
        }
        inbound.fatal().map_or(Ok(Pass::Whole(report)), Err)
    }

    /// Sends a page, and gets one. Where either is too large for its receiver, the pages become smaller for
    /// the rest of the sweep: their size in bytes is known to nobody before.
    async fn send(
        &self,
        sweep: &mut Sweep<S::Body>,
        own: &Watermarks,
        peer: &Watermarks,
        replaces: bool,
    ) -> Result<Sent<S::Body>> {
        loop {
            let limit = sweep.page_limit.unwrap_or(self.options.page_limit);
            let (mut page, refused) = self.select(sweep, peer, limit).await?;
            let items = std::mem::take(&mut page.items);
            let mut horizon = items.last().map(|item| item.hlc.clone());
            let replaces = replaces.then_some(&sweep.not_stored);
            let outbound = self.bring_over(items, replaces).await;
            let only_hears = outbound.is_none();
            if only_hears {
                horizon = None;
            }
            let outbound = outbound.unwrap_or_default();
            let advertised = sweep.advertised(own);
            let shipped_after = sweep.floor_of(&outbound.shipped, peer);
            let request = Request {
                watermarks: advertised.clone(),
                shipped_after: shipped_after.clone(),
                items: outbound.shipped.clone(),
                limit,
            };
            let answer = match self.peer.exchange(request).await {
                Err(error) if error.kind() == ErrorKind::TooLarge && limit > 1 => {
                    let shipped = outbound.shipped.len();
                    let most = if shipped > 1 {
                        limit.min(shipped)
                    } else {
                        limit
                    };
                    sweep.page_limit = Some((most / 2).max(1));
                    continue;
                }
                answer => answer?,
            };
            return Ok(Sent {
                only_hears,
                page,
                refused,
                horizon,
                outbound,
                advertised,
                shipped_after,
                answer,
            });
        }
    }

    async fn read_state(&self) -> Result<(Watermarks, Watermarks)> {
        match &self.state {
            Some(state) => Ok((state.watermarks().await?, state.peer_watermarks().await?)),
            None => Ok((Watermarks::default(), Watermarks::default())),
        }
    }

    /// Writes what changed: a quiet round leaves the disk alone.
    async fn write_state(
        &self,
        own: (&Watermarks, &Watermarks),
        peer: (&Watermarks, &Watermarks),
    ) -> Result<()> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        if own.0 != own.1 {
            state.set_watermarks(own.1).await?;
        }
        if peer.0 != peer.1 {
            state.set_peer_watermarks(peer.1).await?;
        }
        Ok(())
    }

    /// The page to offer, and the nodes that are left out of it because the peer has not taken in what
    /// it was sent of them in this sweep. What follows would hide the gap from the peer's own peers.
    ///
    /// A version that lost to a newer one leaves the peer behind too, but only until that newer version
    /// has come in here and replaced ours. So a node counts as refused only while its items still stand.
    async fn select(
        &self,
        sweep: &mut Sweep<S::Body>,
        peer: &Watermarks,
        limit: usize,
    ) -> Result<(Gathered<S::Body>, HashSet<NodeId>)> {
        let mut ask = sweep.ask(peer, limit);
        let mut refused = HashSet::new();
        loop {
            let page = gather(&self.side, &ask, &mut sweep.backlog, self.writers()).await?;
            let shipped = page
                .items
                .iter()
                .filter(|item| sweep.shipped.covers(&item.hlc));
            let (lost, again): (Vec<_>, Vec<_>) =
                shipped.partition(|item| sweep.is_superseded(item));
            if lost.is_empty() && again.is_empty() {
                return Ok((page, refused));
            }
            let again: HashSet<NodeId> = again
                .into_iter()
                .map(|item| item.hlc.node_id.clone())
                .collect();
            for item in lost {
                ask.seen.advance(&item.hlc);
            }
            ask.skip.extend(again.iter().cloned());
            refused.extend(again);
        }
    }

    /// A node that others pull from is one that others write to.
    fn writers(&self) -> Writers<'static> {
        if self.options.strict_order {
            Writers::Anyone(None)
        } else {
            Writers::App
        }
    }

    async fn announce(&self, inbound: &Inbound<S::Body>) -> Result<()> {
        let ids: Vec<_> = inbound
            .arrivals
            .iter()
            .filter(|arrival| matches!(arrival.outcome, Outcome::Applied))
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

    /// At the end of a sweep, when every newer version has come in: whatever was shipped, still stands
    /// here and is not reported by the peer was refused there.
    async fn hold_what_the_peer_refused(&self, sweep: &mut Sweep<S::Body>) -> Result<()> {
        let Some(ask) = sweep.ask_for_refused(self.options.page_limit) else {
            return Ok(());
        };
        let page = gather(&self.side, &ask, &mut sweep.backlog, self.writers()).await?;
        let mut runs = Runs::default();
        for item in page.items.iter().filter(|item| sweep.looks_refused(item)) {
            runs.gap(&item.hlc);
        }
        let refused = first_held(&page.items, &runs, self.side.log(), |item| {
            Some(Error::new(
                ErrorKind::Sync,
                "exchange",
                format!(
                    "the peer did not take in the item of {}; its own log says why",
                    item.hlc
                ),
            ))
        });
        sweep.held.extend(refused);
        Ok(())
    }
}
