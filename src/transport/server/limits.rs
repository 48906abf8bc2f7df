//! What a server allows.

use std::time::Duration;

use super::budget::Budget;
use super::key_turns::KeyTurns;
use crate::error::{Error, Result};

/// The most bytes of a body by default.
const DEFAULT_MAX_BODY: u64 = 64 * 1024 * 1024;

/// The most records and rows of one exchange by default.
const DEFAULT_MAX_ITEMS: usize = 100_000;

/// The most bytes of a server's requests together, by default.
const DEFAULT_MAX_MEMORY: u64 = 256 * 1024 * 1024;

/// As good as for ever, and far enough from the end of time to be added to now.
const LONGEST_MS: u64 = 1000 * 60 * 60 * 24 * 365;

/// What a channel allows its requests. Clones share the budget and the turns.
#[derive(Debug, Clone)]
pub struct ChannelLimits {
    /// The most bytes of an exchange's body, unpacked.
    pub max_body: u64,
    /// The most bytes of a file.
    pub max_file: u64,
    /// The most records and rows of an exchange together.
    pub max_items: usize,
    /// What requests may hold in memory together.
    pub budget: Budget,
    /// In which order files are written: of each key, one request at a time.
    pub(super) turns: KeyTurns,
    /// Of each upload that may go on, one request at a time.
    pub(super) uploads: KeyTurns,
}

impl ChannelLimits {
    /// As they are given by their names; `given` returns the default if one is not.
    ///
    /// # Errors
    /// Those of `given`.
    pub fn read(given: impl Fn(&'static str, usize) -> Result<usize>) -> Result<Self> {
        let bytes = |name, default: u64| {
            let default = usize::try_from(default).unwrap_or(usize::MAX);
            let most = given(name, default)?;
            Ok::<_, Error>(u64::try_from(most).unwrap_or(u64::MAX))
        };
        Ok(Self {
            max_body: bytes("maxBodyBytes", DEFAULT_MAX_BODY)?,
            max_file: bytes("maxFileBytes", u64::MAX)?,
            max_items: given("maxItems", DEFAULT_MAX_ITEMS)?,
            budget: Budget::new(bytes("maxMemoryBytes", DEFAULT_MAX_MEMORY)?),
            turns: KeyTurns::default(),
            uploads: KeyTurns::default(),
        })
    }
}

/// What a server allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first byte of a request to the last of its headers.
    pub header_timeout: Duration,
    /// At least 16 KiB of a body come within this time, or its end.
    pub body_timeout: Duration,
    /// A connection without a request, or whose answer is not read, is closed after this time.
    pub idle_timeout: Duration,
    /// Requests in work have this time to end when the server closes.
    pub close_timeout: Duration,
    /// More connections wait until one ends.
    pub max_connections: usize,
    /// Further connections of one address are closed.
    pub max_connections_per_address: usize,
    /// Requests past this are answered 503.
    pub max_requests: usize,
    /// Requests of one address past this are answered 503.
    pub max_requests_per_address: usize,
    /// Further requests of one connection wait.
    pub max_requests_per_connection: usize,
}

impl Limits {
    /// As they are given by their names, all as numbers; `given` answers the default where one is not.
    ///
    /// # Errors
    /// Those of `given`.
    pub fn read(given: impl Fn(&'static str, usize) -> Result<usize>) -> Result<Self> {
        let default = Self::default();
        let time = |name, default: Duration| {
            let ms = usize::try_from(default.as_millis()).unwrap_or(usize::MAX);
            let ms = given(name, ms)? as u64;
            Ok::<_, Error>(Duration::from_millis(ms.min(LONGEST_MS)))
        };
        let max_connections = given("maxConnections", default.max_connections)?;
        let max_requests = given("maxRequests", default.max_requests)?;
        let of_one = |name, of| given(name, Self::share_of(of));
        Ok(Self {
            header_timeout: time("headerTimeoutMs", default.header_timeout)?,
            body_timeout: time("bodyTimeoutMs", default.body_timeout)?,
            idle_timeout: time("idleTimeoutMs", default.idle_timeout)?,
            close_timeout: time("closeTimeoutMs", default.close_timeout)?,
            max_connections,
            max_connections_per_address: of_one("maxConnectionsPerAddress", max_connections)?,
            max_requests,
            max_requests_per_address: of_one("maxRequestsPerAddress", max_requests)?,
            max_requests_per_connection: given(
                "maxRequestsPerConnection",
                default.max_requests_per_connection,
            )?,
        })
    }

    /// The default for one address, of `most` for all: three quarters, rounded up.
    #[must_use]
    pub fn share_of(most: usize) -> usize {
        most - most / 4
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(10),
            max_connections: 1024,
            max_connections_per_address: Self::share_of(1024),
            max_requests: 256,
            max_requests_per_address: Self::share_of(256),
            max_requests_per_connection: 64,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_given_counts_and_the_share_of_one_address_follows_it() {
        let given = |name, default| Ok(if name == "maxRequests" { 8 } else { default });
        let limits = Limits::read(given).unwrap();
        assert_eq!(limits.max_requests, 8);
        assert_eq!(limits.max_requests_per_address, 6);
        assert_eq!(limits.header_timeout, Limits::default().header_timeout);
    }

    #[test]
    fn no_time_is_longer_than_can_be_added_to_now() {
        let limits = Limits::read(|_, _| Ok(usize::MAX)).unwrap();
        assert_eq!(limits.idle_timeout, Duration::from_millis(LONGEST_MS));
        assert_eq!(limits.max_connections, usize::MAX);
    }
}
