//! The answering side of a comparison: whether ranges of keys hold the same on both sides, whatever the logs say.

use crate::error::{Error, Result};
use crate::protocol::log::{LogAnswer, LogRequest, Reply, Span};
use crate::protocol::message::Answer;

use super::change_log::{ChangeLog, Look};
use super::differences::MOST_SPANS;
use super::granted::Granted;
use super::pair::Planes;
use super::planes::{hash_of, in_common, look, streams_of, verify};
use super::ports::{Clock, Side};
use super::responder::Responder;

/// The milliseconds between two times that a caller can have the log held against the tables.
const VERIFY_AFTER_MS: u64 = 60_000;

/// Answers a request that compares.
pub(super) async fn compare<S: Side>(
    responder: &Responder<S>,
    side: &Granted<'_, S>,
    asked: &LogRequest,
) -> Result<Answer<S::Body>> {
    let now_ms = side.clock().system_ms();
    if asked.verify && responder.known().may_verify(now_ms, VERIFY_AFTER_MS) {
        verify(side).await?;
    }
    if asked.compare.len() > MOST_SPANS.max(asked.stream_names.as_ref().map_or(0, Vec::len)) {
        let message = format!("at most {MOST_SPANS} ranges can be compared in one request");
        return Err(Error::sync("malformed exchange request", message));
    }
    let is_record = |span: &&Span| span.range.stream.is_empty();
    let (records, rows): (Vec<_>, Vec<_>) = asked.compare.iter().partition(is_record);
    let mut of_records = answers(side.records(), records).await?.into_iter();
    let mut of_rows = answers(side.rows(), rows).await?.into_iter();
    let compared = asked.compare.iter().filter_map(|span| {
        if is_record(&span) {
            of_records.next()
        } else {
            of_rows.next()
        }
    });
    let compared = compared.collect();
    let streams = streams_of(&look(side, Planes::both(Look::default())).await?);
    let theirs = asked.stream_names.as_ref();
    Ok(Answer {
        log: Some(Box::new(LogAnswer {
            streams: hash_of(&streams),
            stream_names: theirs.map(|theirs| in_common(&streams, theirs)),
            compared,
            ..LogAnswer::default()
        })),
        ..Answer::default()
    })
}

async fn answers<B>(store: Option<&impl ChangeLog<B>>, spans: Vec<&Span>) -> Result<Vec<Reply>> {
    match store {
        Some(store) if !spans.is_empty() => {
            store.compare(spans.into_iter().cloned().collect()).await
        }
        // What a side does not carry it does not hold.
        _ => Ok(spans.iter().map(|_| Reply::Same).collect()),
    }
}
