//! What is said of the answer to a request over a `fetch` that is not this package's own.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Answered, Sent};
use super::{FileHead, RetryPolicy};
use crate::error::{Error, ErrorKind, Result};

/// What of an answer is data alone.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Said {
    outcome: String,
    ok: bool,
    status: f64,
    line: String,
    explanation: String,
    retry_after: Option<String>,
    /// A double that has no headers at all is believed.
    headers: Option<HashMap<String, String>>,
}

/// Reads what `fetchAnswer` of `js/fetch.js` says of `data`: what was sent, or that it was thrown, and whether the
/// request may be made again.
///
/// # Errors
/// `Internal` if it is none of this.
pub fn said_of<D>(said: &str, data: D) -> Result<Result<Sent<D>, (D, RetryPolicy)>> {
    let said: Said = serde_json::from_str(said)
        .map_err(|error| Error::new(ErrorKind::Internal, "fetch", error.to_string()))?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a status is a small number; another one is no status that is known"
    )]
    let status = said.status as u16;
    Ok(match said.outcome.as_str() {
        "aborted" => Err((data, RetryPolicy::Never)),
        "threw" => Err((data, RetryPolicy::Later)),
        "late" => Ok(Sent::Late),
        "long" => Ok(Sent::Long(status)),
        _ => Ok(Sent::Answered(Answered {
            data,
            head: match &said.headers {
                Some(headers) => FileHead::new(status, |name| headers.get(name).cloned()),
                None => FileHead::believed(status),
            },
            is_ok: said.ok,
            line: said.line,
            explanation: said.explanation,
            retry_after: said.retry_after,
        })),
    })
}
