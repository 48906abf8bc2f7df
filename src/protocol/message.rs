//! The two messages of an exchange.

use std::sync::Arc;

use super::grant::Grant;
use super::hlc::{Hlc, safe_integer};
use super::item::{Item, ItemKind};
use super::log::{LogAnswer, LogRequest};
use super::watermarks::Watermarks;

/// How many items a page has by default.
pub const DEFAULT_PAGE_LIMIT: usize = 1000;

/// A number as a positive count; infinity is no limit.
pub fn as_count(number: f64) -> Option<usize> {
    if number == f64::INFINITY {
        return Some(usize::MAX);
    }
    safe_integer(number)
        .filter(|count| *count > 0)
        .and_then(|count| usize::try_from(count).ok())
}

/// What the caller sends.
#[derive(Debug)]
pub struct Request<B> {
    /// What the caller has seen.
    pub watermarks: Watermarks,
    /// Per node of which there are items: what they follow on, which is what the peer was last known to
    /// hold. A peer that holds less has lost something, and what it is sent must not hide that. A node
    /// whose items follow on nothing has no entry.
    pub shipped_after: Watermarks,
    /// What the caller believes the peer lacks, in the order of timestamps.
    pub items: Vec<Item<B>>,
    /// At most this many items are wanted back.
    pub limit: usize,
    /// Whether the page left items out, so that the caller asks again at once. It is not in the message: only a caller in
    /// the process of the answering side says it.
    pub goes_on: bool,
    /// The items of the answer may have at most this many bytes as text; `None` if there is no limit.
    pub max_answer_bytes: Option<usize>,
    /// What sides with change logs say beside it.
    pub log: Option<Box<LogRequest>>,
    /// How many of the items delete something, as far as the reader of the message says it.
    pub deletions: usize,
    /// What the caller may do. It is not in the message: whoever let the caller in says it.
    pub grant: Arc<Grant>,
}

impl<B> Request<B> {
    /// What its answer may be.
    pub fn expects(&self) -> Expected {
        let log = self.log.as_ref();
        let wanted = log.map_or(0, |log| log.want.len());
        Expected {
            compares: log.is_some_and(|log| log.compares()),
            // The limit is of records and of rows each where a peer reads it so.
            items: self.limit.saturating_mul(2).saturating_add(wanted),
        }
    }

    /// Takes out what the caller may not write, and says so. What is left does not count as all that was sent.
    pub fn take_out_barred(&mut self) -> Vec<Refusal> {
        let grant = Arc::clone(&self.grant);
        let mut refused = Vec::new();
        self.items.retain(|item| match grant.bars(item) {
            None => true,
            Some(error) => {
                refused.push(Refusal::new(
                    item.kind.clone(),
                    Some(item.hlc.clone()),
                    error.kind().code().to_owned(),
                    error.to_string(),
                ));
                false
            }
        });
        if let Some(log) = self.log.as_mut().filter(|_| !refused.is_empty()) {
            for plane in [&mut log.records, &mut log.rows].into_iter().flatten() {
                plane.follows = None;
            }
        }
        refused
    }
}

/// What the answer to a request may be.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Both sides are compared, and nothing is moved.
    pub compares: bool,
    /// It has at most this many items.
    pub items: usize,
}

impl<B> Default for Request<B> {
    fn default() -> Self {
        Self {
            watermarks: Watermarks::default(),
            shipped_after: Watermarks::default(),
            items: Vec::new(),
            limit: DEFAULT_PAGE_LIMIT,
            goes_on: false,
            max_answer_bytes: None,
            log: None,
            deletions: 0,
            grant: Arc::default(),
        }
    }
}

/// An item that the answering side did not take in, or cannot send, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where the item belongs; a record with its id.
    pub kind: ItemKind,
    /// Its timestamp, if it has a valid one.
    pub hlc: Option<Hlc>,
    /// What is wrong, as the `code` of an error.
    pub code: String,
    /// What is wrong, in words.
    pub reason: String,
}

impl Refusal {
    /// An answer names at most this many items of each kind of refusal.
    pub const MOST: usize = 1000;

    /// A code and a reason have at most this many bytes; the rest of a reason is cut off.
    pub const LONGEST: usize = 1000;

    /// The refusal of an item, its texts no longer than allowed.
    pub fn new(kind: ItemKind, hlc: Option<Hlc>, code: String, reason: String) -> Self {
        Self {
            kind,
            hlc,
            code: shortened(code),
            reason: shortened(reason),
        }
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > Refusal::LONGEST {
        let end = (0..=Refusal::LONGEST)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
    }
    text
}

/// What the answering side sends back.
#[derive(Debug)]
pub struct Answer<B> {
    /// What the caller has not seen.
    pub items: Vec<Item<B>>,
    /// Whether unseen items were left out because of the limit.
    pub has_more: bool,
    /// Per node the greatest timestamp that the answering side holds, if it can know.
    pub coverage: Option<Watermarks>,
    /// Items of the request that were not taken in.
    pub refused: Vec<Refusal>,
    /// Items that the caller has not seen and that cannot be sent. What their nodes wrote later is not in
    /// the answer either, so that the caller's watermarks do not pass them.
    pub withheld: Vec<Refusal>,
    /// What sides with change logs say beside it.
    pub log: Option<Box<LogAnswer>>,
    /// What of the request is new at the answering side. It is not in the message.
    pub taken_in: Vec<ItemKind>,
    /// The bytes of the two messages, where that is known. It is not in the message.
    pub traffic: Traffic,
}

/// The bytes of a request and its answer, as they travelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Those of the request.
    pub sent: usize,
    /// Those of the answer.
    pub received: usize,
}

impl<B> Default for Answer<B> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            has_more: false,
            coverage: None,
            refused: Vec::new(),
            withheld: Vec::new(),
            log: None,
            taken_in: Vec::new(),
            traffic: Traffic::default(),
        }
    }
}

impl<B> Request<B> {
    /// The same request around other bodies.
    ///
    /// # Errors
    /// The first of `body`.
    pub fn with_bodies<J, E>(self, body: impl Fn(&B) -> Result<J, E>) -> Result<Request<J>, E> {
        Ok(Request {
            items: with_bodies(&self.items, body)?,
            watermarks: self.watermarks,
            shipped_after: self.shipped_after,
            limit: self.limit,
            goes_on: self.goes_on,
            max_answer_bytes: self.max_answer_bytes,
            log: self.log,
            deletions: self.deletions,
            grant: self.grant,
        })
    }
}

impl<B> Answer<B> {
    /// The same answer around other bodies.
    ///
    /// # Errors
    /// The first of `body`.
    pub fn with_bodies<J, E>(self, body: impl Fn(&B) -> Result<J, E>) -> Result<Answer<J>, E> {
        Ok(Answer {
            items: with_bodies(&self.items, body)?,
            has_more: self.has_more,
            coverage: self.coverage,
            refused: self.refused,
            withheld: self.withheld,
            log: self.log,
            taken_in: self.taken_in,
            traffic: self.traffic,
        })
    }
}

fn with_bodies<B, J, E>(
    items: &[Item<B>],
    body: impl Fn(&B) -> Result<J, E>,
) -> Result<Vec<Item<J>>, E> {
    items.iter().map(|item| item.with_body(&body)).collect()
}
