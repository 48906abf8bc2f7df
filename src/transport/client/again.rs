//! Whether a failure is worth another try, and after how long.

use std::time::{Duration, SystemTime};

/// The pause before the first further try; each one after it is twice as long.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// No pause is longer, whatever the peer asks for.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether a request that failed is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryPolicy {
    /// It would fail again.
    Never,
    /// After a pause.
    Later,
    /// Not before this long.
    After(Duration),
}

impl RetryPolicy {
    /// What a status asks for, where `retry_after` is the header of that name.
    pub fn of_status(status: u16, retry_after: Option<&str>) -> Self {
        match (status, retry_after.and_then(self::retry_after)) {
            (429 | 502..=504, Some(wait)) => Self::After(wait),
            (429 | 502..=504, None) => Self::Later,
            _ => Self::Never,
        }
    }

    /// Whether what was answered with this status may be answered otherwise later. [`Self::of_status`] waits
    /// for fewer of them: those that are over within a minute.
    pub fn may_pass(status: u16) -> bool {
        matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 506..=599)
    }
}

/// How long a `Retry-After` asks to wait: seconds, or a date.
pub fn retry_after(header: &str) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(header).ok()?;
    Some(
        date.duration_since(SystemTime::now())
            .unwrap_or(Duration::ZERO),
    )
}
