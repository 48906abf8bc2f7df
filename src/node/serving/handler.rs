//! `createHttpSyncHandler(options)`, the native half.
//!
//! `js/http-handler.js` moves the bytes of `node:http` to here and back, and decides nothing. It is given
//! functions that take the number of a request:
//!
//! - `begin(req, method, url)`: the number, or `undefined` where the request is not ours
//! - `push(id, bytes)`: more of the body; false if no more is wanted, a promise if it has to wait
//! - `end(id, broken)`: there is no more of it
//! - `answer(id, headers)`, the headers being JSON: the promise of `{ status, headers, body }`; `body` is bytes, or null where they come
//!   in pieces
//! - `pull(id)`: the promise of the next piece, or of null after the last
//! - `done(id)`: forgets the request, whatever of it is still under way

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::try_join;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use tokio::sync::mpsc;

use super::channel::{Context, JsChannel, across};
use crate::engine::object::Chunks;
use crate::error::{Error, ErrorKind, Result};
use crate::joint::tasks::{EndOfTasks, TaskQueue};
use crate::node::error::invalid;
use crate::node::options::Options;
use crate::node::runtime::{IntoJs, on_threads, run_tasks, spawn, threads};
use crate::node::value::{Call, Env, Method as Step, Persistent, Scope, Value, add_bound, enter};
use crate::protocol::hlc::safe_integer;
use crate::transport::routes::{Found, Route, find};
use crate::transport::server::{AnswerBody, Why, serve};

/// How many pieces of a body wait between the socket and the storage.
const PIECES_UNDER_WAY: usize = 4;

type Pieces = mpsc::Sender<Result<Bytes>>;

/// A request that is being answered.
#[derive(Default)]
struct Live {
    asked: Option<(Persistent, Found, Parts)>,
    sender: Option<Pieces>,
    receiver: Option<mpsc::Receiver<Result<Bytes>>>,
    answer: Option<Chunks>,
}

/// The requests of one handler.
struct Handler {
    channel: Rc<JsChannel>,
    live: RefCell<HashMap<u64, Live>>,
    next: Cell<u64>,
}

/// The native half of `createHttpSyncHandler(options)`.
pub fn create_http_sync_handler<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let options = Options::new(scope, call.arg(0))?;
    let handler = Rc::new(Handler {
        channel: Rc::new(JsChannel::new(&options, scope.env())?),
        live: RefCell::default(),
        next: Cell::new(0),
    });
    let object = scope.object()?;
    add_bound(scope, (object, options.array()), METHODS, &handler)?;
    Ok(object)
}

const METHODS: &[(&str, Step<Rc<Handler>>)] = &[
    ("begin", begin),
    ("push", push),
    ("end", end),
    ("answer", answer),
    ("pull", pull),
    ("done", |call, handler| {
        let live = handler.live.borrow_mut().remove(&id(call)?);
        drop(live);
        call.scope.undefined()
    }),
];

fn id(call: &Call<'_>) -> Result<u64> {
    let id = call.scope.as_number(call.arg(0)).and_then(safe_integer);
    id.ok_or_else(|| invalid("id", "must be the number of a request"))
}

fn begin<'s>(call: &Call<'s>, handler: &Rc<Handler>) -> Result<Value<'s>> {
    let scope = call.scope;
    let text = |index| scope.as_string(call.arg(index));
    let (Some(method), Some(url)) = (text(1), text(2)) else {
        return scope.undefined();
    };
    let Ok(method) = Method::from_bytes(method.as_bytes()) else {
        return scope.undefined();
    };
    let found = find(&method, &url);
    // What is not of 0.1 stays the app's: its own health route, and its answer to other methods.
    match found {
        Found::Route(Route::Exchange | Route::Reconcile | Route::File(..)) | Found::BadKey(_) => {}
        _ => return scope.undefined(),
    }
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = method;
    let (sender, receiver) = mpsc::channel(PIECES_UNDER_WAY);
    let id = handler.next.replace(handler.next.get() + 1);
    let request = scope.keep(call.arg(0))?;
    handler.live.borrow_mut().insert(
        id,
        Live {
            asked: Some((request, found, head)),
            sender: Some(sender),
            receiver: Some(receiver),
            answer: None,
        },
    );
    scope.count(id)
}

/// The headers of a request, as JSON by their names.
fn read_headers(scope: Scope<'_>, given: Value<'_>) -> HeaderMap {
    let given = scope.as_string(given).unwrap_or_default();
    let given: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&given).unwrap_or_default();
    let header = |(name, value): (String, serde_json::Value)| {
        let value = HeaderValue::from_str(value.as_str()?).ok()?;
        Some((HeaderName::try_from(name).ok()?, value))
    };
    given.into_iter().filter_map(header).collect()
}

fn push<'s>(call: &Call<'s>, handler: &Rc<Handler>) -> Result<Value<'s>> {
    let scope = call.scope;
    let sender = {
        let live = handler.live.borrow();
        live.get(&id(call)?).and_then(|live| live.sender.clone())
    };
    let Some(sender) = sender else {
        return scope.boolean(false);
    };
    let bytes = scope
        .as_bytes(call.arg(1))
        .ok_or_else(|| invalid("the body of a request", "must come as bytes"))?;
    match sender.try_send(Ok(Bytes::from(bytes))) {
        Ok(()) => scope.boolean(true),
        Err(mpsc::error::TrySendError::Closed(_)) => scope.boolean(false),
        Err(mpsc::error::TrySendError::Full(piece)) => {
            let env = Rc::clone(call.env);
            spawn(scope, async move {
                on_threads(&env, async move { Ok(sender.send(piece).await.is_ok()) }).await
            })
        }
    }
}

fn end<'s>(call: &Call<'s>, handler: &Rc<Handler>) -> Result<Value<'s>> {
    let broken = call.scope.as_boolean(call.arg(1)).unwrap_or(false);
    let sender = {
        let mut live = handler.live.borrow_mut();
        live.get_mut(&id(call)?).and_then(|live| live.sender.take())
    };
    if let Some(sender) = sender.filter(|_| broken) {
        threads()?.spawn(async move {
            // There is no listener if the answer did not wait for the body.
            let _ = sender.send(Err(broke_off())).await;
        });
    }
    call.scope.undefined()
}

fn broke_off() -> Error {
    Error::new(ErrorKind::Io, "read a request", "the body broke off")
}

fn answer<'s>(call: &Call<'s>, handler: &Rc<Handler>) -> Result<Value<'s>> {
    let id = id(call)?;
    let taken = {
        let mut live = handler.live.borrow_mut();
        let live = live.get_mut(&id);
        live.and_then(|live| Some((live.asked.take()?, live.receiver.take()?)))
    };
    let ((request, found, mut head), receiver) = taken.ok_or_else(|| {
        invalid(
            "id",
            "must be the number of a request that is not answered yet",
        )
    })?;
    head.headers = read_headers(call.scope, call.arg(1));
    let context = Rc::new(Context {
        channels: vec![Rc::clone(&handler.channel)],
        request: Some(request),
    });
    let (env, handler) = (Rc::clone(call.env), Rc::clone(handler));
    let entered = enter(call)?;
    spawn(call.scope, async move {
        let _entered = entered;
        let response = respond(&env, &context, (found, head), receiver).await?;
        let (head, body) = response.into_parts();
        let whole = match body {
            AnswerBody::Whole(bytes) => Some(bytes),
            AnswerBody::Pieces(pieces) => {
                if let Some(live) = handler.live.borrow_mut().get_mut(&id) {
                    live.answer = Some(pieces);
                }
                None
            }
        };
        Ok(Head {
            status: head.status.as_u16(),
            headers: head.headers,
            whole,
        })
    })
}

/// The answer, made on the native threads; their tasks are run meanwhile.
async fn respond(
    env: &Rc<Env>,
    context: &Rc<Context>,
    (found, head): (Found, Parts),
    receiver: mpsc::Receiver<Result<Bytes>>,
) -> Result<Response<AnswerBody>> {
    let (queue, tasks) = TaskQueue::new();
    let channel = across(context, &queue, 0)?
        .ok_or_else(|| Error::new(ErrorKind::Internal, "answer a request", "has no channel"))?;
    let body = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    let end = EndOfTasks(queue);
    let answer = on_threads(env, async move {
        let _end = end;
        Ok(serve(&channel, found, head, body.boxed(), Why::default()).await)
    });
    let (response, ()) = try_join(answer, run_tasks(env, tasks, Rc::clone(context))).await?;
    Ok(response)
}

fn pull<'s>(call: &Call<'s>, handler: &Rc<Handler>) -> Result<Value<'s>> {
    let id = id(call)?;
    let pieces = {
        let mut live = handler.live.borrow_mut();
        live.get_mut(&id).and_then(|live| live.answer.take())
    };
    let (env, handler) = (Rc::clone(call.env), Rc::clone(handler));
    spawn(call.scope, async move {
        let Some(mut pieces) = pieces else {
            return Ok(None);
        };
        let (piece, pieces) = on_threads(&env, async move {
            let piece = pieces.next().await.transpose()?;
            Ok((piece, pieces))
        })
        .await?;
        if let Some(live) = handler.live.borrow_mut().get_mut(&id) {
            live.answer = Some(pieces);
        }
        Ok(piece)
    })
}

struct Head {
    status: u16,
    headers: HeaderMap,
    whole: Option<Bytes>,
}

impl IntoJs for Head {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let headers = scope.object()?;
        for (name, value) in &self.headers {
            let text = String::from_utf8_lossy(value.as_bytes());
            scope.set(headers, name.as_str(), scope.text(&text)?)?;
        }
        scope.object_of(&[
            ("status", scope.count(u64::from(self.status))?),
            ("headers", headers),
            ("body", self.whole.into_js(scope)?),
        ])
    }
}
