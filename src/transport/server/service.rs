//! From a request to its answer.

use std::any::Any;
use std::net::IpAddr;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Response, StatusCode};

use super::budget::Reservation;
use super::upload::{Upload, Why};
use super::writes::{delete, put};
use super::{About, AccessRequest, AnswerBody, Arrived, Channel, ReadFile, SMALL_ANSWER};
use crate::engine::object::Chunks;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::grant::Grant;
use crate::protocol::message::{Answer, Request};
use crate::protocol::wire::{Json, Unread, write_answer};
use crate::transport::gzip::{WORTH_PACKING, pack};
use crate::transport::routes::{
    Action, Found, Refusal, Route, Selection, add_marker, entity_tag, packs_answers, select,
};
use crate::transport::{REPR_DIGEST, write_repr_digest};

/// Reading or writing more bytes than this is done off the network's threads.
const LONG: usize = 64 * 1024;

/// The content type of a file that has none.
const UNKNOWN_TYPE: HeaderValue = HeaderValue::from_static("application/octet-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Answers a request. `why` is what whoever feeds the body may say about it.
///
/// Faults, panics too, are an answer like any other: they are logged, and the caller hears that there was
/// one. Every answer says that this protocol is spoken here.
pub async fn serve(
    channel: &Channel,
    found: Found,
    head: Parts,
    body: Chunks,
    why: Why,
) -> Response<AnswerBody> {
    match admit((channel, ""), found, &head, None).await {
        Ok(admitted) => answer(channel, admitted, &head, (body, why)).await,
        Err(refusal) => refused(refusal),
    }
}

/// What a caller that was let in asks for, and what it may do.
pub(super) type Admitted = (Route, Arc<Grant>);

/// Whether a request of the channel with this prefix is let in. What is refused costs no more than this, and its body
/// is not read. Nothing is told of routes and keys before.
pub(super) async fn admit(
    (channel, prefix): (&Channel, &str),
    found: Found,
    head: &Parts,
    caller: Option<IpAddr>,
) -> Result<Admitted, Refusal> {
    let mut grant = Arc::clone(&channel.grant);
    if let Some(authorizer) = &channel.authorizer
        && found != Found::Route(Route::Health)
    {
        let wanted = AccessRequest::new((prefix, &channel.grant), &found, head, caller);
        let admitted = caught(channel, async {
            let admitted = authorizer.admits(wanted).await;
            // If the authorizer fails, the caller is not let in.
            admitted.map_err(|error| explained(channel, "authorize", &error, None))
        });
        let Some(allowed) = admitted.await? else {
            return Err(Refusal::unauthorized());
        };
        grant = Arc::new(Grant {
            is_other: true,
            ..grant.and(&allowed)
        });
    }
    match found {
        Found::Route(Route::File(action, _)) if grant.read_only && action.writes() => {
            Err(Refusal::forbidden("the caller may only read here"))
        }
        Found::Route(route) => Ok((route, grant)),
        Found::BadKey(what) => Err(Refusal::bad_key(what)),
        Found::OtherMethods(allowed) => Err(Refusal::other_methods(allowed)),
        Found::Nothing => Err(Refusal::not_found("there is no such path here")),
    }
}

/// Answers a request that was let in, as [`serve`] says.
pub(super) async fn answer(
    channel: &Channel,
    admitted: Admitted,
    head: &Parts,
    (body, why): (Chunks, Why),
) -> Response<AnswerBody> {
    let answered = caught(channel, follow(channel, admitted, head, (body, &why))).await;
    let mut response = answered.unwrap_or_else(refused);
    add_marker(response.headers_mut());
    response
}

/// What `work` comes to. A panic is a fault like any other.
async fn caught<T>(
    channel: &Channel,
    work: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    outcome.unwrap_or_else(|payload| {
        channel.log.fault("answer a request", &panicked(&*payload));
        Err(Refusal::fault())
    })
}

/// The server is there.
pub fn healthy() -> Response<AnswerBody> {
    let mut response = json(Bytes::from_static(b"{\"status\":\"ok\"}"));
    add_marker(response.headers_mut());
    response
}

/// The answer that says why there is no other.
pub(super) fn refused(refusal: Refusal) -> Response<AnswerBody> {
    refusal.into_response().map(AnswerBody::Whole)
}

fn panicked(payload: &(dyn Any + Send)) -> Error {
    let what = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned());
    Error::new(
        ErrorKind::Internal,
        "answer a request",
        format!(
            "a fault of this package, please report it: {}",
            what.unwrap_or_default()
        ),
    )
}

async fn follow(
    channel: &Channel,
    (route, grant): Admitted,
    head: &Parts,
    (body, why): (Chunks, &Why),
) -> Result<Response<AnswerBody>, Refusal> {
    match route {
        // These two are a server's own.
        Route::Health | Route::Events => Ok(healthy()),
        Route::Exchange | Route::Reconcile => exchange(channel, grant, head, (body, why)).await,
        Route::File(action, key) => {
            let operation = match action {
                Action::Put => "store a file",
                _ => "serve a file",
            };
            let explain = |error| explained(channel, operation, &error, Some(why));
            match action {
                Action::Head => look(channel, key).await.map_err(explain),
                Action::Get => get(channel, head, key).await.map_err(explain)?,
                Action::Put => {
                    let stored = put(channel, head, key, (body, why)).await;
                    stored.map_err(explain)??;
                    Ok(empty(StatusCode::OK))
                }
                Action::Delete => {
                    delete(channel, head, key).await.map_err(explain)??;
                    let mut response = empty(StatusCode::NO_CONTENT);
                    response.headers_mut().remove(CONTENT_LENGTH);
                    Ok(response)
                }
            }
        }
    }
}

/// What an error is to the caller. Faults of this side are logged.
fn explained(
    channel: &Channel,
    operation: &'static str,
    error: &Error,
    why: Option<&Why>,
) -> Refusal {
    if let Some(refusal) = why.and_then(Why::refusal) {
        return refusal;
    }
    let refusal = Refusal::of(error);
    if refusal.is_fault() {
        channel.log.fault(operation, error);
    }
    refusal
}

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

async fn exchange(
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
    // What a caller may not do is left out of what was read, not of its text.
    let stats = &channel.stats;
    stats.received_items.add(request.items.len());
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
        let new = std::mem::take(&mut answer.taken_in);
        let caller = head.extensions.get().copied();
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

/// Tells those that listen what came in.
fn tell(channel: &Channel, arrived: Arrived) {
    if arrived.is_empty() {
        return;
    }
    let arrived = Arc::new(arrived);
    channel.log.arrived(&arrived);
    channel.news.tell(arrived);
}

/// The request of a text of at most so many items. The text is kept: it may have to go on as it came.
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

async fn look(channel: &Channel, key: String) -> Result<Response<AnswerBody>> {
    let Some(about) = channel.files.about(key).await? else {
        let mut response = empty(StatusCode::NOT_FOUND);
        response.headers_mut().remove(CONTENT_LENGTH);
        return Ok(response);
    };
    let mut response = empty(StatusCode::OK);
    describe(response.headers_mut(), &about);
    match about.size {
        Some(size) => response.headers_mut().insert(CONTENT_LENGTH, size.into()),
        None => response.headers_mut().remove(CONTENT_LENGTH),
    };
    Ok(response)
}

async fn get(
    channel: &Channel,
    head: &Parts,
    key: String,
) -> Result<Result<Response<AnswerBody>, Refusal>> {
    let Some(file) = channel.files.open(key).await? else {
        return Ok(Err(Refusal::not_found("there is no file under this key")));
    };
    let size = file.size;
    let memory = channel.limits.budget.reserve();
    if channel.files.holds_whole_files() && !memory.hold(size) {
        return Ok(Err(Refusal::out_of_memory()));
    }
    let tag = file.about.version.as_deref().map(entity_tag);
    let mut response = match select(&head.headers, size, tag.as_deref()) {
        Selection::Whole => sent(0..size, file.read).await?,
        Selection::Part(part) => {
            let said = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            let mut response = sent(part, file.read).await?;
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            insert_text(response.headers_mut(), CONTENT_RANGE, &said);
            response
        }
        Selection::Unchanged => {
            let mut response = empty(StatusCode::NOT_MODIFIED);
            response.headers_mut().remove(CONTENT_LENGTH);
            response
        }
        Selection::Unsatisfiable => {
            let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
            insert_text(
                response.headers_mut(),
                CONTENT_RANGE,
                &format!("bytes */{size}"),
            );
            return Ok(Ok(response));
        }
    };
    describe(response.headers_mut(), &file.about);
    response.extensions_mut().insert(memory);
    Ok(Ok(response))
}

/// These bytes of a file. A few are read at once: then nothing of the storage is in use any more while a caller takes
/// its time to read them.
async fn sent(range: Range<u64>, read: ReadFile) -> Result<Response<AnswerBody>> {
    let length = range.end - range.start;
    let mut pieces = read(range);
    let body = if length <= SMALL_ANSWER {
        let mut bytes = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece?);
        }
        if bytes.len() as u64 != length {
            let message = "the file has another size than when it was opened";
            return Err(Error::new(ErrorKind::Io, "serve a file", message));
        }
        AnswerBody::Whole(bytes.freeze())
    } else {
        AnswerBody::Pieces(pieces)
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    Ok(response)
}

fn describe(headers: &mut HeaderMap, about: &About) {
    let known = about.content_type.as_deref();
    let known = known.and_then(|text| HeaderValue::from_str(text).ok());
    headers.insert(CONTENT_TYPE, known.clone().unwrap_or(UNKNOWN_TYPE));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // What is under a key may change: a cache asks whether it has.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A stored page is not one of this server's: opened in a browser it must not act in the server's name.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    if known.as_ref().is_some_and(is_active) {
        let attachment = HeaderValue::from_static("attachment");
        headers.insert(CONTENT_DISPOSITION, attachment);
    }
    if let Some(digest) = about.digest {
        let name = HeaderName::from_static(REPR_DIGEST);
        insert_text(headers, name, &write_repr_digest(digest));
    }
    if let Some(version) = &about.version {
        insert_text(headers, ETAG, &entity_tag(version));
    }
}

/// Whether a browser may run something in a file of this type.
fn is_active(content_type: &HeaderValue) -> bool {
    let text = content_type.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let (kind, subtype) = essence.split_once('/').unwrap_or_default();
    let is_xml = subtype == "xml" || subtype.ends_with("+xml");
    is_xml || subtype.contains("html") || subtype.contains("script") || kind == "multipart"
}

/// Text that cannot stand in a header is left out.
fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

fn empty(status: StatusCode) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(Bytes::new()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, 0.into());
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

fn json(text: Bytes) -> Response<AnswerBody> {
    let length = text.len();
    let mut response = Response::new(AnswerBody::Whole(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    response
}
