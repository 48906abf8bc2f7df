//! A side as a caller may see it: without the rows of other apps.
//!
//! What the stores say of those is left out here, once, whichever way the caller exchanges. An answering side looks at
//! its stores through this alone.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::grant::Grant;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::log::{Cursor, Digest, Key, Keyed, Range, Reply, Span, Stream};
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

use super::change_log::{Advance, ChangeLog, Heard, Look, Note, Recognized, View};
use super::freshness::Freshness;
use super::ports::{
    AppRows, Capabilities, Clock, Exchange, Late, Log, Order, Outcome, Scanned, Side,
};

/// See the [module page](self).
pub(super) struct Granted<'a, S> {
    pub(super) side: &'a S,
    pub(super) grant: &'a Grant,
    /// What the own clock would stamp now, if the caller may not be ahead of it with items of the own node.
    pub(super) own: Option<Hlc>,
}

impl<'a, S: Side> Granted<'a, S> {
    /// The side, for a caller that brings these items.
    pub(super) async fn new(side: &'a S, grant: &'a Grant, items: &[Item<S::Body>]) -> Self {
        let own = if grant.is_other {
            own_stamp(side, items).await
        } else {
            None
        };
        Self { side, grant, own }
    }
}

/// The answer of a peer that knows nothing of grants: it is not shown what it may not take in, and nothing is passed on
/// that the caller may not see.
///
/// # Errors
/// Those of the peer.
pub async fn exchange_within_grant<B>(
    peer: &impl Exchange<B>,
    mut request: Request<B>,
) -> Result<Answer<B>> {
    let refused = request.take_out_barred();
    let grant = Arc::clone(&request.grant);
    let mut answer = peer.exchange(request).await?;
    answer.items.retain(|item| grant.shows_item(item));
    answer.refused.extend(refused);
    Ok(answer)
}

/// What the clock of a side would stamp now, and no time that is past: a clock that an app gives may stand still. It is
/// asked only if some item is not in the past.
async fn own_stamp<S: Side>(side: &S, items: &[Item<S::Body>]) -> Option<Hlc> {
    let clock = side.clock();
    let now_ms = clock.app_ms();
    if items.iter().all(|item| item.hlc.wall_time < now_ms) {
        return None;
    }
    let stamp = clock.next().await.unwrap_or_else(|error| {
        let message = "the clock does not say whose it is";
        side.log().warn(message, Some(&error));
        None
    });
    stamp.map(|stamp| Hlc::new(now_ms, 0, stamp.node_id.clone()).max(stamp))
}

/// The error of an item that says that this node wrote it, later than the node has written anything.
fn forged(hlc: &Hlc) -> Error {
    let what = format!(
        "it says that this node, {:?}, wrote it at {hlc}, and this node's clock has not come so far: it is forged, or \
         another machine has this node id",
        hlc.node_id
    );
    Error::new(ErrorKind::Forbidden, "take in an item", what)
}

impl<S: Side> Side for Granted<'_, S> {
    type Body = S::Body;
    type Records = S::Records;
    type Rows = Self;
    type Clock = S::Clock;
    type Log = S::Log;

    fn records(&self) -> Option<&S::Records> {
        self.side.records()
    }

    fn rows(&self) -> Option<&Self> {
        self.side.rows().map(|_| self)
    }

    fn clock(&self) -> &S::Clock {
        self.side.clock()
    }

    fn log(&self) -> &S::Log {
        self.side.log()
    }

    fn bars(&self, item: &Item<S::Body>) -> Option<Error> {
        let is_forged = |own: &Hlc| item.hlc.node_id == own.node_id && item.hlc > *own;
        let forged = || {
            self.own
                .as_ref()
                .is_some_and(is_forged)
                .then(|| forged(&item.hlc))
        };
        self.grant.bars(item).or_else(forged)
    }
}

impl<S: Side> Granted<'_, S> {
    fn stores(&self) -> Result<&S::Rows> {
        self.side.rows().ok_or_else(|| {
            let what = "there are no app rows; this is a fault of this package, please report it";
            Error::new(ErrorKind::Internal, "exchange", what)
        })
    }

    fn shows(&self, stream: &Stream) -> bool {
        match stream {
            Stream::Records => true,
            Stream::Rows(table) => self.grant.shows(&table.app),
        }
    }

    /// A look at the app rows, without what is not shown.
    pub(super) fn narrowed(&self, mut look: Look) -> Look {
        look.want.retain(|key| self.shows(&key.stream));
        look
    }

    /// What is shown of a look at the app rows.
    pub(super) fn shown(&self, mut view: View<S::Body>) -> View<S::Body> {
        if self.grant.apps.is_some() {
            view.items
                .retain(|(_, Keyed { key, .. })| self.shows(&key.stream));
            let shown = view.streams.only(|name| self.shows_named(name));
            view.streams = Arc::new(shown);
        }
        view
    }

    fn shows_named(&self, stream: &str) -> bool {
        self.shows(&Stream::named(stream))
    }
}

impl<S: Side> AppRows<S::Body> for Granted<'_, S> {
    type Cursor = <S::Rows as AppRows<S::Body>>::Cursor;

    fn capabilities(&self) -> Result<Capabilities> {
        self.stores()?.capabilities()
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        let mut tables = self.stores()?.tables().await?;
        tables.retain(|table| self.grant.shows(&table.app));
        Ok(tables)
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        self.stores()?.knows(app).await
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        self.stores()?.coverage(table).await
    }

    async fn newest_upto(&self, table: &Table, marks: &Watermarks) -> Result<Option<Watermarks>> {
        self.stores()?.newest_upto(table, marks).await
    }

    fn late(&self, known: u64) -> Late {
        self.stores()
            .map_or_else(|_| Late::default(), |rows| rows.late(known))
    }

    async fn changes(&self, table: &Table, ask: &Ask) -> Result<Stretch<Item<S::Body>>> {
        self.stores()?.changes(table, ask).await
    }

    async fn scan(
        &self,
        table: &Table,
        from: (&Hlc, Option<Self::Cursor>),
        ask: &Ask,
        horizon: Option<&Hlc>,
    ) -> Result<Scanned<S::Body, Self::Cursor>> {
        self.stores()?.scan(table, from, ask, horizon).await
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<S::Body>>> {
        self.stores()?.unorderable(table, limit).await
    }

    async fn apply_one(&self, item: &Item<S::Body>) -> Result<()> {
        self.stores()?.apply_one(item).await
    }

    async fn apply(&self, items: Vec<Item<S::Body>>, order: Order) -> Result<Vec<Outcome>> {
        self.stores()?.apply(items, order).await
    }
}

impl<S: Side> ChangeLog<S::Body> for Granted<'_, S> {
    fn has_log(&self) -> bool {
        self.stores().is_ok_and(ChangeLog::has_log)
    }

    fn freshness(&self) -> Option<Freshness> {
        self.stores().ok()?.freshness()
    }

    async fn look(&self, look: Look) -> Result<View<S::Body>> {
        let view = self.stores()?.look(self.narrowed(look)).await?;
        Ok(self.shown(view))
    }

    async fn take_in(
        &self,
        items: Vec<Item<S::Body>>,
        origin: Option<Cursor>,
        advance: Option<Advance>,
    ) -> Result<Vec<Outcome>> {
        self.stores()?.take_in(items, origin, advance).await
    }

    async fn note(&self, note: Note) -> Result<()> {
        self.stores()?.note(note).await
    }

    async fn verify(&self) -> Result<u64> {
        self.stores()?.verify().await
    }

    /// Of what is not shown, nothing is said to differ.
    async fn compare(&self, spans: Vec<Span>) -> Result<Vec<Reply>> {
        let shown: Vec<bool> = spans
            .iter()
            .map(|span| self.shows_named(&span.range.stream))
            .collect();
        let asked = spans.into_iter().zip(&shown);
        let asked = asked.filter_map(|(span, shown)| shown.then_some(span));
        let mut replies = self.stores()?.compare(asked.collect()).await?.into_iter();
        let reply = |shown: bool| {
            if shown {
                replies.next()
            } else {
                Some(Reply::Same)
            }
        };
        Ok(shown.into_iter().filter_map(reply).collect())
    }

    async fn digests(&self, ranges: Vec<Range>) -> Result<Vec<Digest>> {
        self.stores()?.digests(ranges).await
    }

    async fn versions(&self, ranges: Vec<Range>) -> Result<Vec<Vec<(Key, String)>>> {
        self.stores()?.versions(ranges).await
    }

    fn recognizes(&self, heard: &Heard) -> Option<Recognized> {
        self.stores().ok()?.recognizes(heard)
    }

    async fn hear_of(&self, heard: Heard) -> Result<Recognized> {
        self.stores()?.hear_of(heard).await
    }
}
