//! Tries, and tries again.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use super::again::{FIRST_PAUSE, LONGEST_PAUSE, RetryPolicy};
use super::fault::Failure;
use crate::error::Result;

/// The pauses before further tries. Each is twice as long as the one before it, of which half is left to
/// chance, so that no two callers come together.
pub(super) fn pauses(retries: u32) -> ExponentialBackoff {
    // The chance adds up to once more of each.
    ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE / 2)
        .with_max_delay(LONGEST_PAUSE / 2)
        .with_factor(2.0)
        .with_jitter()
        .with_max_times(usize::try_from(retries).unwrap_or(usize::MAX))
        .build()
}

/// What a try may be sent over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// A connection that was used before, if there is one.
    Any,
    /// A connection that is opened for it.
    Fresh,
}

/// Tries, and tries again at most `retries` times while that is worth it.
///
/// A server may close a quiet connection just when it is used again. Such a try says nothing about the peer:
/// it is made once more at once over a fresh connection, and is not one of the `retries`. Everything that
/// is sent here may arrive twice: a page that is known already, and a file that is put, asked for or deleted
/// again, change nothing.
pub async fn repeat<T>(
    retries: u32,
    mut attempt: impl AsyncFnMut(Over) -> Result<T, Failure>,
    mut wait: impl AsyncFnMut(Duration) -> Result<()>,
) -> Result<T> {
    let mut pauses = pauses(retries);
    let mut over = Over::Any;
    let mut was_stale = false;
    loop {
        let failure = match attempt(over).await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        if failure.stale && !was_stale {
            was_stale = true;
            over = Over::Fresh;
            continue;
        }
        over = Over::Any;
        let pause = match failure.again {
            RetryPolicy::Never => None,
            RetryPolicy::Later => pauses.next(),
            RetryPolicy::After(wanted) => pauses.next().map(|_| wanted.min(LONGEST_PAUSE)),
        };
        match pause {
            Some(pause) => wait(pause).await?,
            None => return Err(failure.error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::SystemTime;

    use super::super::again::{FIRST_PAUSE, LONGEST_PAUSE, RetryPolicy, retry_after};
    use super::*;
    use crate::error::Error;

    fn failing(again: RetryPolicy) -> Failure {
        Failure {
            again,
            ..Error::sync("test", "down").into()
        }
    }

    async fn pauses_of(retries: u32, again: RetryPolicy) -> Vec<Duration> {
        let mut pauses = Vec::new();
        let outcome = repeat(
            retries,
            async |_| Err::<(), _>(failing(again)),
            async |pause| {
                pauses.push(pause);
                Ok(())
            },
        )
        .await;
        assert_eq!(outcome.unwrap_err().to_string(), "test: down");
        pauses
    }

    #[tokio::test]
    async fn pauses_double_and_no_two_need_be_alike() {
        let pauses = pauses_of(12, RetryPolicy::Later).await;
        assert_eq!(pauses.len(), 12);
        for (tries, pause) in (0u32..).zip(&pauses) {
            let longest = FIRST_PAUSE
                .saturating_mul(2u32.pow(tries))
                .min(LONGEST_PAUSE);
            assert!(*pause >= longest / 2 && *pause <= longest, "{pause:?}");
        }
    }

    #[tokio::test]
    async fn what_would_fail_again_is_not_tried_again() {
        assert_eq!(pauses_of(12, RetryPolicy::Never).await, []);
        assert_eq!(pauses_of(0, RetryPolicy::Later).await, []);
    }

    #[tokio::test]
    async fn a_peer_says_when_but_not_for_ever() {
        let (soon, never) = (Duration::from_secs(7), Duration::from_secs(u64::MAX));
        assert_eq!(pauses_of(2, RetryPolicy::After(soon)).await, [soon, soon]);
        assert_eq!(
            pauses_of(1, RetryPolicy::After(never)).await,
            [LONGEST_PAUSE]
        );
    }

    #[tokio::test]
    async fn the_try_that_succeeds_is_the_last() {
        let mut tries = 0;
        let outcome = repeat(
            5,
            async |_| {
                tries += 1;
                if tries < 3 {
                    Err(failing(RetryPolicy::Later))
                } else {
                    Ok(tries)
                }
            },
            async |_| Ok(()),
        )
        .await;
        assert_eq!(outcome.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_stale_connection_costs_no_try_and_is_met_once() {
        let mut tried = Vec::new();
        let outcome = repeat(
            1,
            async |over| {
                tried.push(over);
                Err::<(), _>(Failure {
                    stale: true,
                    ..failing(RetryPolicy::Later)
                })
            },
            async |_| Ok(()),
        )
        .await;
        assert_eq!(outcome.unwrap_err().to_string(), "test: down");
        assert_eq!(tried, [Over::Any, Over::Fresh, Over::Any]);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(
            retry_after("Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(Duration::ZERO)
        );
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let wait = retry_after(&date).unwrap();
        assert!(wait > Duration::from_secs(90) && wait <= Duration::from_secs(100));
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(retry_after(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn only_a_status_that_passes_is_worth_another_try() {
        for status in [429, 502, 503, 504] {
            assert_eq!(RetryPolicy::of_status(status, None), RetryPolicy::Later);
            let wait = RetryPolicy::After(Duration::from_secs(3));
            assert_eq!(RetryPolicy::of_status(status, Some("3")), wait);
        }
        for status in [301, 400, 401, 403, 404, 409, 413, 415, 500, 501] {
            assert_eq!(
                RetryPolicy::of_status(status, Some("3")),
                RetryPolicy::Never
            );
        }
    }
}
