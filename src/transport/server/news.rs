//! The news of exchanges, for the app and for callers that would else ask again and again.
//!
//! `GET /events` is an event stream of server-sent events: `ready` when it begins, and `change` after each exchange that
//! brought something which the caller may see. The data of both is JSON, and an empty object says nothing more. A
//! comment comes every 15 seconds, so that a connection that has died is noticed by both ends.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response};
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver};
use tokio::sync::watch;
use tokio::time::sleep;

use super::body::AnswerBody;
use super::shares::Share;
use super::stats::Counted;
use crate::engine::object::Chunks;
use crate::protocol::grant::Grant;
use crate::protocol::item::ItemKind;
use crate::protocol::text::Text;

/// The most news that wait for a slow caller; of more it hears only that there was some.
const KEPT: usize = 64;

/// Something is sent at least this often.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// What an exchange brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Arrived {
    /// The ids of the shared records that are new.
    pub records: Vec<Text>,
    /// The tables of which rows are new.
    pub tables: BTreeSet<AppTable>,
    /// How many records and rows were refused.
    pub refused: usize,
    /// The address of the caller.
    pub remote_address: Option<IpAddr>,
}

/// A table of an app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppTable {
    app_id: Text,
    table: Text,
}

impl Arrived {
    /// What is new, and how many were refused.
    pub fn new(kinds: Vec<ItemKind>, refused: usize, remote_address: Option<IpAddr>) -> Self {
        let mut arrived = Self {
            refused,
            remote_address,
            ..Self::default()
        };
        for kind in kinds {
            match kind {
                ItemKind::Record(id) => arrived.records.push(id),
                ItemKind::Row(table) => {
                    arrived.tables.insert(AppTable {
                        app_id: table.app,
                        table: table.name,
                    });
                }
            }
        }
        arrived
    }

    /// Whether there is anything to tell.
    pub fn is_empty(&self) -> bool {
        self.brought_nothing() && self.refused == 0
    }

    fn brought_nothing(&self) -> bool {
        self.records.is_empty() && self.tables.is_empty()
    }

    fn is_shown_to(&self, grant: &Grant) -> bool {
        !self.records.is_empty() || self.tables.iter().any(|of| grant.shows(&of.app_id))
    }
}

/// What is told of one channel. Clones are the same.
#[derive(Debug, Clone)]
pub struct News(broadcast::Sender<Arc<Arrived>>);

impl Default for News {
    fn default() -> Self {
        Self(broadcast::channel(KEPT).0)
    }
}

impl News {
    /// Tells of an exchange.
    pub fn tell(&self, arrived: Arc<Arrived>) {
        if !arrived.brought_nothing() {
            // That there is no listener is no fault.
            let _ = self.0.send(arrived);
        }
    }

    /// The answer that goes on for as long as its caller listens, or until the server begins to close.
    pub fn answer(
        &self,
        grant: Arc<Grant>,
        closing: watch::Receiver<bool>,
        place: (Share, Counted),
    ) -> Response<AnswerBody> {
        let subscribed = Subscribed {
            heard: self.0.subscribe(),
            grant,
            closing,
            _place: place,
        };
        event_stream(subscribed.events())
    }
}

/// A caller that listens.
struct Subscribed {
    heard: Receiver<Arc<Arrived>>,
    grant: Arc<Grant>,
    closing: watch::Receiver<bool>,
    _place: (Share, Counted),
}

impl Subscribed {
    fn events(self) -> Chunks {
        let begin = stream::once(async { Ok(event("ready", &json!({}))) });
        let rest = stream::unfold(self, |mut subscribed| async move {
            let next = subscribed.next().await?;
            Some((Ok(next), subscribed))
        });
        begin.chain(rest).boxed()
    }

    async fn next(&mut self) -> Option<Bytes> {
        let quiet = sleep(HEARTBEAT);
        tokio::pin!(quiet);
        loop {
            tokio::select! {
                _ = self.closing.wait_for(|closing| *closing) => return None,
                () = &mut quiet => return Some(Bytes::from_static(b":\n\n")),
                heard = self.heard.recv() => match heard {
                    Ok(arrived) if arrived.is_shown_to(&self.grant) => {
                        return Some(event("change", &json!({})));
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Some(event("change", &json!({}))),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}

/// The answer that is a stream of these events.
pub(super) fn event_stream(events: Chunks) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Pieces(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect an answer before they pass it on do not do so with this one.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    headers.insert(unbuffered, HeaderValue::from_static("no"));
    response
}

/// An event whose data is in one line.
pub(super) fn event(name: &str, data: &impl Display) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
