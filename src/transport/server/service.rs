//! From a request to its answer.

use std::any::Any;
use std::net::IpAddr;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Response, StatusCode};

use super::body::{AnswerBody, SMALL_ANSWER};
use super::exchange::exchange;
use super::presign;
use super::replies::{explained, json};
use super::resume::kept;
use super::upload::Why;
use super::writes::{delete, put};
use super::{About, AccessRequest, Channel, ReadFile};
use crate::engine::object::Chunks;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::grant::Grant;
use crate::transport::routes::{
    Action, Found, Refusal, Route, Selection, add_marker, entity_tag, select,
};
use crate::transport::{REPR_DIGEST, UPLOAD_OFFSET, write_repr_digest};

/// The content type of a file that has none.
const UNKNOWN_TYPE: HeaderValue = HeaderValue::from_static("application/octet-stream");

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
    let (found, body) = presign::read_body(found, &head, body).await;
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
        Found::Route(route) if grant.read_only && route.writes() => {
            Err(Refusal::forbidden("the caller may only read here"))
        }
        Found::Route(route) => Ok((route, grant)),
        Found::BadKey(what) => Err(Refusal::bad_key(what)),
        Found::BadBody(what) => Err(Refusal::malformed(what)),
        // Read before; nothing is known of the file here.
        Found::InBody(_) => Err(Refusal::malformed("the body was not read")),
        Found::NoUrls => Err(Refusal::no_urls()),
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

/// The answer that says why there is no other, and has the reason beside it.
pub(super) fn refused(refusal: Refusal) -> Response<AnswerBody> {
    let said = refusal.clone();
    let mut response = refusal.into_response().map(AnswerBody::Whole);
    response.extensions_mut().insert(said);
    response
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
        Route::Presign(key) => {
            let answered = presign::to_get(channel, key).await;
            answered.map_err(|error| explained(channel, "presign a file", &error, None))?
        }
        Route::Upload(step, file) => {
            let answered = presign::upload(channel, head, (step, file)).await;
            answered.map_err(|error| explained(channel, "presign a file", &error, None))?
        }
        Route::File(action, key) => {
            let operation = match action {
                Action::Put => "store a file",
                _ => "serve a file",
            };
            let explain = |error| explained(channel, operation, &error, Some(why));
            match action {
                Action::Head => look(channel, head, key).await.map_err(explain)?,
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

async fn look(
    channel: &Channel,
    head: &Parts,
    key: String,
) -> Result<Result<Response<AnswerBody>, Refusal>> {
    let kept = match kept(channel, &head.headers, &key).await? {
        Ok(kept) => kept,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut response = described(channel, key).await?;
    if let Some(kept) = kept {
        response.headers_mut().insert(UPLOAD_OFFSET, kept.into());
    }
    Ok(Ok(response))
}

async fn described(channel: &Channel, key: String) -> Result<Response<AnswerBody>> {
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
