//! The two messages of an exchange.

use super::hlc::safe_integer;
use super::item::Item;
use super::watermarks::Watermarks;

/// How many items a page has where nobody says otherwise.
pub const DEFAULT_PAGE_LIMIT: usize = 1000;

/// The positive count that a number is; infinity is as many as there are.
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
    /// At most so many items are wanted back.
    pub limit: usize,
}

/// What the answering side sends back.
#[derive(Debug)]
pub struct Answer<B> {
    /// What the caller has not seen.
    pub items: Vec<Item<B>>,
    /// Whether unseen items were left out because of the limit.
    pub has_more: bool,
    /// Per node the greatest timestamp that the answering side holds, where it can know.
    pub coverage: Option<Watermarks>,
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
        })
    }
}

fn with_bodies<B, J, E>(
    items: &[Item<B>],
    body: impl Fn(&B) -> Result<J, E>,
) -> Result<Vec<Item<J>>, E> {
    items.iter().map(|item| item.with_body(&body)).collect()
}
