//! Connections that the peer closed while nothing was under way.
//!
//! HTTP gives a server no way to say so in time: a request that is written just then is lost, unanswered and
//! most likely unread.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use http::Extensions;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::Response;

use super::fault::causes;

/// How many connections are remembered. A forgotten one counts as fresh.
const REMEMBERED: usize = 256;

/// Both ends of a connection.
type Ends = (SocketAddr, SocketAddr);

/// The connections that an answer has come over, the latest first.
#[derive(Debug, Default)]
pub(super) struct Answered(Mutex<VecDeque<Ends>>);

impl Answered {
    /// Notes the connection of an answer.
    pub(super) fn note(&self, response: &Response) {
        if let Some(ends) = ends_of(response.extensions()) {
            self.note_ends(ends);
        }
    }

    fn note_ends(&self, ends: Ends) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.front() == Some(&ends) {
            return;
        }
        known.retain(|other| *other != ends);
        known.push_front(ends);
        known.truncate(REMEMBERED);
    }

    /// Whether the request failed because a connection that was used before ended, and no answer began.
    pub(super) fn is_stale(&self, error: &reqwest::Error) -> bool {
        let client = causes(error).find_map(|cause| cause.downcast_ref::<legacy::Error>());
        let Some(connection) = client.and_then(legacy::Error::connect_info) else {
            return false;
        };
        let mut extras = Extensions::new();
        connection.get_extras(&mut extras);
        let Some(ends) = ends_of(&extras) else {
            return false;
        };
        has_ended(error) && self.forget(ends)
    }

    /// Whether an answer has come over the connection, which is no more.
    fn forget(&self, ends: Ends) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.len();
        known.retain(|other| *other != ends);
        known.len() < before
    }
}

fn ends_of(extensions: &Extensions) -> Option<Ends> {
    let info = extensions.get::<HttpInfo>()?;
    Some((info.local_addr(), info.remote_addr()))
}

/// Whether the connection ended, rather than that something wrong came over it.
fn has_ended(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        if let Some(hyper) = cause.downcast_ref::<hyper::Error>() {
            return hyper.is_incomplete_message() || hyper.is_closed() || hyper.is_canceled();
        }
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(
            io,
            Some(
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::NotConnected
                    | io::ErrorKind::UnexpectedEof
            )
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_connections_that_were_used_last_are_remembered() {
        let ends = |port: usize| {
            let local = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()));
            (local, SocketAddr::from(([127, 0, 0, 1], 80)))
        };
        let answered = Answered::default();
        for port in 0..=REMEMBERED {
            answered.note_ends(ends(1));
            answered.note_ends(ends(port));
        }
        assert!(!answered.forget(ends(0)), "it was used longest ago");
        assert!(answered.forget(ends(1)), "it was used all the time");
        assert!(!answered.forget(ends(1)), "it ends once");
        assert!(answered.forget(ends(REMEMBERED)));
    }
}
