//! An exchange over HTTP: its body is read within bounds, answered, and written.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, VARY};
use http::request::Parts;
use http::{HeaderValue, Response};

use super::body::AnswerBody;
use super::budget::Reservation;
use super::replies::{explained, json};
use super::upload::{Upload, Why};
use super::visit::Account;
use super::{Arrived, Channel, Load};
use crate::engine::object::Chunks;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::grant::Grant;
use crate::protocol::message::{Answer, Request};
use crate::protocol::wire::{Json, Unread, write_answer};
use crate::transport::gzip::{WORTH_PACKING, pack};
use crate::transport::routes::{Refusal, packs_answers};

/// Reading or writing more bytes than this is done off the network's threads.
const LONG: usize = 64 * 1024;

/// What is to be sent.
enum Reply {
    Answer(Answer<Json>),
    Text(Json),
}

impl Reply {
    /// About how many bytes it has.
    fn length(&self) -> usize {
        match self {
            Self::Answer(answer) => answer.items.iter().map(|item| item.body.len()).sum(),
            Self::Text(text) => text.len(),
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Answer(answer) => write_answer(&answer).into_bytes(),
            Self::Text(text) => text.as_bytes().to_vec(),
        }
    }
}

/// The answer to an exchange.
pub(super) async fn exchange(
    channel: &Channel,
    grant: Arc<Grant>,
    head: &Parts,
    (body, why): (Chunks, &Why),
) -> Result<Response<AnswerBody>, Refusal> {
    let explain = |error: Error| explained(channel, "exchange", &error, Some(why));
    let memory = channel.limits.budget.reserve();
    let mut upload = Upload::new(&head.headers, body, why.clone(), channel.limits.max_body)?;
    upload.reserves(&memory);
    let text = upload.whole().await.map_err(explain)?;
    let (items, reserved) = (channel.limits.max_items, Arc::clone(&memory));
    let read = aside(text.len(), move || Ok(request_of(text, items, &reserved))).await;
    let (mut request, text) = read.map_err(explain)??;
    let caller = head.extensions.get().copied();
    let load = Load {
        items: request.items.len(),
        deletions: request.deletions,
        files: 0,
    };
    if !channel.rates.take(caller, load) {
        return Err(Refusal::too_much());
    }
    let stats = &channel.stats;
    stats.received_items.add(request.items.len());
    let account = head.extensions.get::<Account>();
    account.inspect(|account| account.came(&request.items));
    // What a caller may not do is left out of what was read, not of its text.
    let relays = grant.is_whole();
    request.grant = grant;
    let relayed = relays.then(|| channel.answers.relay(&text)).flatten();
    drop(text);
    let answer = if let Some(text) = relayed {
        Reply::Text(text.await.map_err(explain)?)
    } else {
        let mut answer = channel.answers.exchange(request).await.map_err(explain)?;
        stats.refused_items.add(answer.refused.len());
        stats.sent_items.add(answer.items.len());
        account.inspect(|account| account.answered(&answer));
        let new = std::mem::take(&mut answer.taken_in);
        tell(channel, Arrived::new(new, answer.refused.len(), caller));
        Reply::Answer(answer)
    };
    let length = answer.length();
    // Its items, its text, and that packed.
    if !memory.hold(3 * length as u64) {
        return Err(Refusal::out_of_memory());
    }
    let packs = packs_answers(&head.headers);
    let (text, packed) = aside(length, move || {
        let text = answer.into_bytes();
        if packs && text.len() >= WORTH_PACKING {
            let packed = pack(&text).map_err(|error| {
                Error::new(ErrorKind::Internal, "pack an answer", error.to_string())
            })?;
            return Ok((packed, true));
        }
        Ok((text, false))
    })
    .await
    .map_err(explain)?;
    memory.hold(text.len() as u64);
    let mut response = json(Bytes::from(text));
    response.extensions_mut().insert(memory);
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// Tells listeners of an exchange.
fn tell(channel: &Channel, arrived: Arrived) {
    if arrived.is_empty() {
        return;
    }
    let arrived = Arc::new(arrived);
    channel.log.arrived(&arrived);
    channel.news.tell(arrived);
}

/// The request in a text, of at most `most` items. The text is kept: it may have to go on as it came.
fn request_of(
    text: Vec<u8>,
    most: usize,
    memory: &Reservation,
) -> Result<(Request<Json>, Vec<u8>), Refusal> {
    /// What an item has besides its body, in bytes.
    const ITEM: usize = 256;
    let malformed = |error: Error| Refusal::malformed(error.to_string());
    let unread = Unread::request(&text, most).map_err(malformed)?;
    let count = unread.count();
    // The text, the bodies out of it, and as much again while they are stored.
    if !memory.hold((3 * text.len() + count.min(most) * ITEM) as u64) {
        return Err(Refusal::out_of_memory());
    }
    let request = unread.into_request().map_err(malformed)?;
    if count > most {
        return Err(Refusal::too_many_items(most));
    }
    Ok((request, text))
}

/// Does `work` on a thread that may be kept busy, where there is much of it.
async fn aside<T: Send + 'static>(
    length: usize,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if length < LONG {
        return work();
    }
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|failed| {
            Err(Error::new(
                ErrorKind::Internal,
                "answer a request",
                "the work ended without an answer; this is a fault of this package, please report it",
            )
            .caused_by(failed))
        })
}
