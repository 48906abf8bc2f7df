//! An exchange while it is under way, as the status page will show it.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::Response;

use super::body::AnswerBody;
use super::meter::Meter;
use super::past::{PastExchange, PastRefusal, now};
use super::status::{Ended, NODES, REFUSALS};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::message::{Answer, Refusal};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::transport::routes;

/// An exchange that was let in. It is put down when this is dropped, also if its caller has gone before it was answered.
pub(super) struct Visit {
    meter: Arc<Meter>,
    began: (Instant, u64),
    route: &'static str,
    caller: IpAddr,
    account: Account,
    answer: Option<(u16, u64, Option<routes::Refusal>)>,
}

/// What an exchange says of itself. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Account(Arc<Mutex<Details>>);

#[derive(Debug, Default)]
struct Details {
    came: Vec<Hlc>,
    held: BTreeMap<String, u64>,
    items_out: Option<usize>,
    items_refused: Option<usize>,
    refused: Vec<Refusal>,
}

impl Account {
    /// These items came.
    pub(super) fn came<B>(&self, items: &[Item<B>]) {
        self.details().came = items.iter().map(|item| item.hlc.clone()).collect();
    }

    /// This is what they come to.
    pub(super) fn answered<B>(&self, answer: &Answer<B>) {
        let mut details = self.details();
        details.items_out = Some(answer.items.len());
        details.items_refused = Some(answer.refused.len());
        details.refused.clone_from(&answer.refused);
        let held = answer.coverage.iter().flat_map(Watermarks::iter);
        let held = held.map(|(_, hlc)| hlc).take(NODES);
        details.held = newest(answer.items.iter().map(|item| &item.hlc).chain(held));
    }

    fn details(&self) -> MutexGuard<'_, Details> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Details {
    /// What came and was taken. If more was refused than an answer names, it is not known what that is.
    fn brought(&self) -> BTreeMap<String, u64> {
        if self.refused.len() >= Refusal::MOST {
            return BTreeMap::new();
        }
        let stamps = self
            .refused
            .iter()
            .filter_map(|refusal| refusal.hlc.as_ref());
        let refused: HashSet<&Hlc> = stamps.collect();
        newest(self.came.iter().filter(|hlc| !refused.contains(hlc)))
    }
}

/// The wall time of the newest of each node, by the node's name as it is shown.
fn newest<'h>(stamps: impl Iterator<Item = &'h Hlc>) -> BTreeMap<String, u64> {
    let mut by_node: BTreeMap<&Text, u64> = BTreeMap::new();
    for hlc in stamps {
        let newest = by_node.entry(&hlc.node_id).or_default();
        *newest = hlc.wall_time.max(*newest);
    }
    let shown = |(node, newest): (&Text, u64)| (node.shown(), newest);
    by_node.into_iter().take(NODES).map(shown).collect()
}

impl Visit {
    /// Begins now, if that is to be shown.
    pub(super) fn begin(meter: &Arc<Meter>, route: &'static str, caller: IpAddr) -> Option<Self> {
        let is_exchange = matches!(route, "exchange" | "reconcile");
        meter.channel().filter(|_| is_exchange).map(|_| Self {
            meter: Arc::clone(meter),
            began: (Instant::now(), now()),
            route,
            caller,
            account: Account::default(),
            answer: None,
        })
    }

    /// What the exchange is to tell.
    pub(super) fn account(&self) -> Account {
        self.account.clone()
    }

    /// It is answered with this.
    pub(super) fn answered(&mut self, response: &Response<AnswerBody>) {
        let bytes = match response.body() {
            AnswerBody::Whole(bytes) => bytes.len() as u64,
            AnswerBody::Pieces(_) => 0,
        };
        let refusal = response.extensions().get().cloned();
        self.answer = Some((response.status().as_u16(), bytes, refusal));
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let shown = &self.meter.stats().shown;
        let (Some(shown), Some(channel)) = (shown, self.meter.channel()) else {
            return;
        };
        let details = self.account.details();
        let (began, at) = self.began;
        let refusal = self.answer.as_ref().and_then(|(.., why)| why.as_ref());
        let exchange = PastExchange {
            at,
            channel: channel.to_owned(),
            route: self.route,
            remote_address: self.caller.to_canonical(),
            items_in: details.came.len(),
            items_out: details.items_out,
            items_refused: details.items_refused,
            bytes_in: self.meter.came(),
            bytes_out: self.answer.as_ref().map_or(0, |(_, bytes, _)| *bytes),
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            status: self.answer.as_ref().map(|(status, ..)| *status),
            code: refusal.map(routes::Refusal::code),
        };
        let all = refusal.map(|why| PastRefusal::of_all(&exchange, why.code(), why.message()));
        let each = details.refused.iter().take(REFUSALS);
        let each = each.map(|refusal| PastRefusal::of_item(&exchange, refusal));
        // Of an exchange that failed it is not known what was taken.
        let is_known = details.items_refused.is_some() || (self.answer.is_some() && all.is_none());
        let brought = if is_known {
            details.brought()
        } else {
            BTreeMap::new()
        };
        shown.ended(Ended {
            refusals: each.chain(all).collect(),
            brought,
            held: details.held.clone(),
            exchange,
        });
    }
}
