//! What the status page says of one exchange, and of one refusal.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::error::one_line;
use crate::protocol::item::ItemKind;
use crate::protocol::message::Refusal;

/// The most characters of a reason.
pub(super) const REASON: usize = 400;

/// An exchange that has ended.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PastExchange {
    /// When it began.
    pub at: u64,
    pub channel: String,
    pub route: &'static str,
    pub remote_address: IpAddr,
    pub items_in: usize,
    /// Not known where the app's own transport answered.
    pub items_out: Option<usize>,
    /// As for those that went out.
    pub items_refused: Option<usize>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Until the answer was there.
    pub duration_ms: u64,
    /// None if the caller had gone before.
    pub status: Option<u16>,
    /// Why there is no other answer.
    pub code: Option<&'static str>,
}

/// What was not taken, and why.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PastRefusal {
    at: u64,
    channel: String,
    remote_address: IpAddr,
    kind: &'static str,
    /// Of a record its id, of a row its table.
    id: Option<String>,
    code: String,
    reason: String,
}

impl PastRefusal {
    /// Of an item.
    pub(super) fn of_item(of: &PastExchange, refusal: &Refusal) -> Self {
        let (kind, id) = match &refusal.kind {
            ItemKind::Record(id) => ("record", id.shown()),
            ItemKind::Row(table) => ("row", table.to_string()),
        };
        Self::new(of, (kind, Some(id)), (&refusal.code, &refusal.reason))
    }

    /// Of an exchange as a whole.
    pub(super) fn of_all(of: &PastExchange, code: &str, reason: &str) -> Self {
        Self::new(of, ("exchange", None), (code, reason))
    }

    fn new(
        of: &PastExchange,
        (kind, id): (&'static str, Option<String>),
        (code, reason): (&str, &str),
    ) -> Self {
        let cut = |text: &str| one_line(text.chars().take(REASON).collect());
        Self {
            at: now(),
            channel: of.channel.clone(),
            remote_address: of.remote_address,
            kind,
            id,
            code: cut(code),
            reason: cut(reason),
        }
    }
}

/// Milliseconds since the epoch.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
