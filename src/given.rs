//! Options that come as JSON. `Infinity` comes as `null`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::protocol::hlc::safe_integer;
use crate::protocol::message::as_count;

/// A count of at least one; `null` is the greatest there is.
pub fn count<'de, D: Deserializer<'de>>(given: D) -> Result<usize, D::Error> {
    let count = Option::deserialize(given)?.map_or(Some(usize::MAX), as_count);
    count.ok_or_else(|| serde::de::Error::custom("must be a positive integer"))
}

/// A number of milliseconds; `null`, and what is longer than any clock runs, is no limit.
pub fn limit<'de, D: Deserializer<'de>>(given: D) -> Result<Option<Duration>, D::Error> {
    let ms: Option<f64> = Option::deserialize(given)?;
    Ok(ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok()))
}

/// A number of milliseconds. Without a limit it is an age.
pub fn time<'de, D: Deserializer<'de>>(given: D) -> Result<Duration, D::Error> {
    const AGE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    Ok(limit(given)?.unwrap_or(AGE))
}

/// A number of milliseconds of which whole ones count; `null` is no limit.
pub fn whole_ms<'de, D: Deserializer<'de>>(given: D) -> Result<Option<u64>, D::Error> {
    let ms: Option<f64> = Option::deserialize(given)?;
    Ok(ms.and_then(|ms| safe_integer(ms.floor())))
}
