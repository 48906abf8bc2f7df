//! What a server has to show of its work: its channels, the nodes that it has seen, its last exchanges and refusals, and
//! the bytes of the last hour.
//!
//! It is kept in memory and is bounded, whatever callers send: one [`Served`] for each channel that the app has made,
//! [`NODES`] nodes, [`EXCHANGES`] exchanges, [`REFUSALS`] refusals, and the [`Minutes`] of an hour. Names of elsewhere are kept as a
//! message shows them, by their first 200 characters, and reasons by their first 400. Together that is less
//! than 1 MiB, of which a server in a household uses a few KiB.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use tokio::sync::watch;

use super::minutes::{MINUTE_MS, MinuteOfBytes, Minutes};
use super::past::{PastExchange, PastRefusal, now};

/// The most nodes that are shown. For one more that brings something, the one that was seen longest ago is forgotten.
pub(super) const NODES: usize = 256;

/// How many of the last exchanges are shown.
const EXCHANGES: usize = 50;

/// How many of the last refusals are shown.
pub(super) const REFUSALS: usize = 50;

/// What there is to show, and a bell that rings when it has changed.
#[derive(Debug)]
pub struct Status {
    began: Instant,
    began_at: u64,
    book: Mutex<Book>,
    bell: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Book {
    channels: BTreeMap<String, Served>,
    nodes: BTreeMap<String, SeenNode>,
    exchanges: VecDeque<PastExchange>,
    refusals: VecDeque<PastRefusal>,
    minutes: Minutes,
}

/// What a channel has done. Times are in milliseconds since the epoch; bytes are those of bodies, files too, as they
/// travelled.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Served {
    exchanges: u64,
    last_exchange: Option<u64>,
    items_in: u64,
    items_out: u64,
    items_refused: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// Requests that were not let in.
    turned_away: u64,
}

/// A node of which something was seen.
#[derive(Debug, Default, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct SeenNode {
    /// The wall time of its newest item that came, went, or is known to be held here.
    newest: u64,
    /// When an item of it last came and was not refused.
    brought_at: Option<u64>,
    #[serde(skip)]
    seen_at: u64,
}

/// What is known of an exchange once it has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub exchange: PastExchange,
    pub refusals: Vec<PastRefusal>,
    /// The wall time of the newest item of each node that came.
    pub brought: BTreeMap<String, u64>,
    /// The same of those that went or are known to be held here.
    pub held: BTreeMap<String, u64>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            began_at: now(),
            book: Mutex::default(),
            bell: watch::channel(()).0,
        }
    }
}

impl Status {
    /// There is a channel of this name.
    pub(super) fn has(&self, channel: &str) {
        self.book().served(channel);
    }

    /// A request of this channel was not let in.
    pub(super) fn turned_away(&self, channel: &str) {
        self.book().served(channel).turned_away += 1;
        self.ring();
    }

    /// Bytes came to a channel, and went from it.
    pub(super) fn moved(&self, channel: &str, (came, went): (u64, u64)) {
        let minute = self.minute();
        let mut book = self.book();
        let served = book.served(channel);
        served.bytes_in += came;
        served.bytes_out += went;
        book.minutes.add(minute, (came, went));
    }

    /// An exchange has ended.
    pub(super) fn ended(&self, ended: Ended) {
        self.book().enter(ended);
        self.ring();
    }

    /// Changes when there is something else to show. What rings for callers of `/events` rings only where an exchange has
    /// brought something; here one that brought nothing, or was refused, is of interest as well.
    pub(super) fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// All of it, as JSON in one line.
    pub(super) fn to_json(&self) -> String {
        let minute = self.minute();
        let into_minute = self.uptime_ms() % MINUTE_MS;
        let now = now();
        let book = self.book();
        let shown = Shown {
            version: env!("CARGO_PKG_VERSION"),
            now,
            started_at: self.began_at,
            uptime_ms: self.uptime_ms(),
            channels: book.channels.iter().map(Named::channel).collect(),
            nodes: book.nodes.iter().map(Named::node).collect(),
            exchanges: &book.exchanges,
            refusals: &book.refusals,
            minutes: book.minutes.last(minute, now.saturating_sub(into_minute)),
        };
        serde_json::to_string(&shown).unwrap_or_default()
    }

    fn ring(&self) {
        self.bell.send_replace(());
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uptime_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn minute(&self) -> u64 {
        self.uptime_ms() / MINUTE_MS
    }
}

impl Book {
    fn served(&mut self, channel: &str) -> &mut Served {
        if !self.channels.contains_key(channel) {
            let served = Served::default();
            self.channels.insert(channel.to_owned(), served);
        }
        self.channels.entry(channel.to_owned()).or_default()
    }

    fn enter(&mut self, ended: Ended) {
        let exchange = ended.exchange;
        let count = |number: Option<usize>| number.unwrap_or_default() as u64;
        let served = self.served(&exchange.channel);
        served.exchanges += 1;
        served.last_exchange = served.last_exchange.max(Some(exchange.at));
        served.items_in += exchange.items_in as u64;
        served.items_out += count(exchange.items_out);
        served.items_refused += count(exchange.items_refused);
        for (name, newest) in ended.brought.into_iter().take(NODES) {
            self.see((name, newest), (exchange.at, true));
        }
        for (name, newest) in ended.held.into_iter().take(NODES) {
            self.see((name, newest), (exchange.at, false));
        }
        push(&mut self.exchanges, EXCHANGES, exchange);
        for refusal in ended.refusals {
            push(&mut self.refusals, REFUSALS, refusal);
        }
    }

    /// What is only held here puts no node aside that has brought something.
    fn see(&mut self, (name, newest): (String, u64), (at, brought): (u64, bool)) {
        if self.nodes.len() >= NODES && !self.nodes.contains_key(&name) {
            if !brought {
                return;
            }
            let oldest = self.nodes.iter().min_by_key(|(_, node)| node.seen_at);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.nodes.remove(&oldest);
            }
        }
        let node = self.nodes.entry(name).or_default();
        node.newest = node.newest.max(newest);
        node.seen_at = node.seen_at.max(at);
        if brought {
            node.brought_at = node.brought_at.max(Some(at));
        }
    }
}

/// The newest is the first.
fn push<T>(kept: &mut VecDeque<T>, most: usize, new: T) {
    kept.push_front(new);
    kept.truncate(most);
}

/// See [`Status::to_json`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'b> {
    version: &'static str,
    now: u64,
    started_at: u64,
    uptime_ms: u64,
    channels: Vec<Named<'b, Served>>,
    nodes: Vec<Named<'b, SeenNode>>,
    exchanges: &'b VecDeque<PastExchange>,
    refusals: &'b VecDeque<PastRefusal>,
    minutes: Vec<MinuteOfBytes>,
}

/// Something and its name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Named<'b, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'b str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_id: Option<&'b str>,
    #[serde(flatten)]
    about: &'b T,
}

impl<'b, T> Named<'b, T> {
    fn channel((name, about): (&'b String, &'b T)) -> Self {
        Self {
            channel: Some(name),
            node_id: None,
            about,
        }
    }

    fn node((name, about): (&'b String, &'b T)) -> Self {
        Self {
            channel: None,
            node_id: Some(name),
            about,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::net::IpAddr;

    use super::super::past::REASON;
    use super::*;
    use crate::protocol::item::ItemKind;
    use crate::protocol::message::Refusal;
    use crate::protocol::text::Text;

    fn exchange(at: u64) -> PastExchange {
        PastExchange {
            at,
            channel: "/".to_owned(),
            route: "exchange",
            remote_address: IpAddr::from([127, 0, 0, 1]),
            items_in: 2,
            items_out: Some(1),
            items_refused: Some(1),
            bytes_in: 10,
            bytes_out: 20,
            duration_ms: 1,
            status: Some(200),
            code: None,
        }
    }

    fn ended(at: u64, brought: &[String], held: &[String]) -> Ended {
        let of = |names: &[String]| names.iter().map(|name| (name.clone(), at)).collect();
        let exchange = exchange(at);
        let kind = ItemKind::Record(Text::from("x".repeat(5000).as_str()));
        let (code, reason) = ("CLOCK_AHEAD".to_owned(), "\u{1b}".repeat(900));
        let refusal = Refusal::new(kind, None, code, reason);
        Ended {
            refusals: vec![PastRefusal::of_item(&exchange, &refusal)],
            brought: of(brought),
            held: of(held),
            exchange,
        }
    }

    fn shown(status: &Status) -> serde_json::Value {
        serde_json::from_str(&status.to_json()).unwrap()
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_newest_of_it() {
        let status = Status::default();
        for at in 0..1000 {
            let held: Vec<String> = (0..9).map(|n| format!("held-{at}-{n}")).collect();
            status.ended(ended(at, &[format!("node-{at:04}")], &held));
        }
        let json = shown(&status);
        assert_eq!(json["exchanges"].as_array().unwrap().len(), EXCHANGES);
        assert_eq!(json["exchanges"][0]["at"], 999);
        let refusals = json["refusals"].as_array().unwrap();
        assert_eq!(refusals.len(), REFUSALS);
        let length = |name: &str| refusals[0][name].as_str().unwrap().chars().count();
        assert_eq!(length("id"), 201);
        assert_eq!(length("reason"), REASON * r"\u{1b}".len());
        let nodes = json["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), NODES);
        assert!(nodes.iter().any(|node| node["nodeId"] == "node-0999"));
        assert!(!nodes.iter().any(|node| node["nodeId"] == "node-0000"));
        let channel = &json["channels"][0];
        assert_eq!(channel["exchanges"], 1000);
        assert_eq!(channel["lastExchange"], 999);
        assert_eq!(channel["itemsIn"], 2000);
        assert!(status.to_json().len() < 1024 * 1024);
    }

    #[test]
    fn a_node_has_brought_something_if_an_item_of_it_came() {
        let status = Status::default();
        let names = |name: &str| vec![name.to_owned()];
        status.ended(ended(7, &names("phone"), &names("laptop")));
        status.ended(ended(9, &[], &names("phone")));
        let expected = serde_json::json!([
            { "nodeId": "laptop", "newest": 7, "broughtAt": null },
            { "nodeId": "phone", "newest": 9, "broughtAt": 7 },
        ]);
        assert_eq!(shown(&status)["nodes"], expected);
    }

    #[test]
    fn the_bell_rings_for_every_exchange_and_for_callers_that_are_not_let_in() {
        let status = Status::default();
        let bell = status.bell();
        assert!(!bell.has_changed().unwrap());
        status.ended(ended(1, &[], &[]));
        assert!(bell.has_changed().unwrap());
        let bell = status.bell();
        status.turned_away("/");
        assert!(bell.has_changed().unwrap());
        assert_eq!(shown(&status)["channels"][0]["turnedAway"], 1);
    }
}
