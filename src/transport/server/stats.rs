//! What a server has done, in numbers: as an object, and as text in the form of `OpenMetrics`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde::Serialize;

use super::body::AnswerBody;
use super::budget::Budget;
use super::status::Status;

/// Numbers of a server, from when it was made. Each only grows, but for those that say what is now.
#[derive(Debug, Default)]
pub struct Stats {
    /// By route and status.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    /// Requests in work now.
    pub in_work: Gauge,
    /// Event streams now.
    pub listening: Gauge,
    /// Connections that are open now.
    pub open: Gauge,
    /// Connections that were accepted.
    pub connections: Counter,
    /// Connections that were closed at once, because their address had its share.
    pub turned_away: Counter,
    /// Bytes of bodies as they came over the line.
    pub received_bytes: Counter,
    /// Bytes of bodies as they went.
    pub sent_bytes: Counter,
    /// Records and rows that came with exchanges.
    pub received_items: Counter,
    /// Those of them that were refused.
    pub refused_items: Counter,
    /// Records and rows that went with answers.
    pub sent_items: Counter,
    /// What of its work a server shows, if it does.
    pub shown: Option<Status>,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `more`.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of things that are there now.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Gauge {
    /// One more.
    pub fn one(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The numbers at one moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    requests: Vec<RouteCount>,
    requests_in_work: u64,
    event_streams: u64,
    connections_open: u64,
    connections: u64,
    connections_turned_away: u64,
    bytes_received: u64,
    bytes_sent: u64,
    items_received: u64,
    items_refused: u64,
    items_sent: u64,
    memory_bytes: u64,
}

/// How many requests of a route were answered with a status.
#[derive(Debug, Serialize)]
struct RouteCount {
    route: &'static str,
    status: u16,
    count: u64,
}

impl Stats {
    /// Of a server that shows its work with this.
    pub fn with(shown: Option<Status>) -> Self {
        Self {
            shown,
            ..Self::default()
        }
    }

    /// A request was answered.
    pub fn answered(&self, route: &'static str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route, status)).or_default() += 1;
    }

    /// The numbers now, with what of `budget` is held.
    pub fn snapshot(&self, budget: &Budget) -> Snapshot {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = |(&(route, status), &count): (&(&'static str, u16), &u64)| RouteCount {
            route,
            status,
            count,
        };
        Snapshot {
            requests: requests.iter().map(answered).collect(),
            requests_in_work: self.in_work.get(),
            event_streams: self.listening.get(),
            connections_open: self.open.get(),
            connections: self.connections.get(),
            connections_turned_away: self.turned_away.get(),
            bytes_received: self.received_bytes.get(),
            bytes_sent: self.sent_bytes.get(),
            items_received: self.received_items.get(),
            items_refused: self.refused_items.get(),
            items_sent: self.sent_items.get(),
            memory_bytes: budget.held(),
        }
    }
}

impl Snapshot {
    /// The answer of `GET /metrics`.
    pub fn answer(&self) -> Response<AnswerBody> {
        let mut response = Response::new(AnswerBody::Whole(self.to_text().into()));
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }

    /// In the form of `OpenMetrics` 1.0.
    fn to_text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "# TYPE starkeep_sync_requests counter");
        let _ = writeln!(
            text,
            "# HELP starkeep_sync_requests Requests that were answered."
        );
        for RouteCount {
            route,
            status,
            count,
        } in &self.requests
        {
            let of = format!("{{route=\"{route}\",status=\"{status}\"}}");
            let _ = writeln!(text, "starkeep_sync_requests_total{of} {count}");
        }
        let counters = [
            (
                "connections",
                "Connections that were accepted.",
                self.connections,
            ),
            (
                "connections_turned_away",
                "Connections that were closed at once.",
                self.connections_turned_away,
            ),
            (
                "received_bytes",
                "Bytes of bodies that came.",
                self.bytes_received,
            ),
            ("sent_bytes", "Bytes of bodies that went.", self.bytes_sent),
            (
                "received_items",
                "Records and rows that came.",
                self.items_received,
            ),
            (
                "refused_items",
                "Records and rows that were refused.",
                self.items_refused,
            ),
            ("sent_items", "Records and rows that went.", self.items_sent),
        ];
        for (name, help, value) in counters {
            let _ = writeln!(text, "# TYPE starkeep_sync_{name} counter");
            let _ = writeln!(text, "# HELP starkeep_sync_{name} {help}");
            let _ = writeln!(text, "starkeep_sync_{name}_total {value}");
        }
        let gauges = [
            (
                "requests_in_work",
                "Requests in work now.",
                self.requests_in_work,
            ),
            (
                "event_streams",
                "Callers that listen for events now.",
                self.event_streams,
            ),
            (
                "connections_open",
                "Connections that are open now.",
                self.connections_open,
            ),
            (
                "memory_bytes",
                "What requests hold in memory now.",
                self.memory_bytes,
            ),
        ];
        for (name, help, value) in gauges {
            let _ = writeln!(text, "# TYPE starkeep_sync_{name} gauge");
            let _ = writeln!(text, "# HELP starkeep_sync_{name} {help}");
            let _ = writeln!(text, "starkeep_sync_{name} {value}");
        }
        text.push_str("# EOF\n");
        text
    }
}
