//! `createHttpSyncHandler(options)`, the native half.
//!
//! `js/http-handler.js` moves the bytes of `node:http` to here and back, and decides nothing. It is given
//! `begin(req, method, url)`, which answers `undefined` where the request is not ours, else functions:
//!
//! - `push(bytes)`: more of the body; false if no more is wanted, a promise if it has to wait
//! - `end(broken)`: there is no more of it
//! - `answer(headers)`, the headers being JSON: the promise of `{ status, headers, body }`; `body` is bytes, or null
//!   where they come in pieces
//! - `pull()`: the promise of the next piece, or of null after the last
//! - `done()`: lets go of the request, whatever of it is still under way

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::try_join;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, Response};
use tokio::sync::mpsc;

use super::channel::{Context, JsChannel, across};
use crate::engine::object::Chunks;
use crate::error::{Error, ErrorKind, Result};
use crate::joint::tasks::{EndOfTasks, TaskQueue};
use crate::node::error::invalid;
use crate::node::options::Options;
use crate::node::runtime::{IntoJs, on_threads, run_tasks, spawn, threads};
use crate::node::value::{Call, Env, Method as Step, Scope, Value, add_bound, bound, enter};
use crate::transport::routes::Found;
use crate::transport::server::{AnswerBody, Why, handed, headers_of, serve};

/// How many pieces of a body wait between the socket and the storage.
const PIECES_UNDER_WAY: usize = 4;

type Piece = Result<Bytes>;

/// A request that is being answered.
#[derive(Default)]
struct Live {
    asked: Option<(Context, Found, Parts)>,
    sender: Option<mpsc::Sender<Piece>>,
    receiver: Option<mpsc::Receiver<Piece>>,
    answer: Option<Chunks>,
    is_done: bool,
}

impl Live {
    /// Keeps the rest of the answer, unless nobody will ask for it.
    fn go_on(&mut self, pieces: Chunks) {
        self.answer = Some(pieces).filter(|_| !self.is_done);
    }
}

type Request = Rc<RefCell<Live>>;

/// The native half of `createHttpSyncHandler(options)`.
pub fn create_http_sync_handler<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let options = Options::new(scope, call.arg(0))?;
    let channel = Rc::new(JsChannel::new(&options, scope.env())?);
    bound(scope, "begin", options.array(), move |call| {
        begin(call, &channel)
    })
}

const METHODS: &[(&str, Step<Request>)] = &[
    ("push", push),
    ("end", end),
    ("answer", answer),
    ("pull", pull),
    ("done", |call, live| {
        live.replace(Live {
            is_done: true,
            ..Live::default()
        });
        call.scope.undefined()
    }),
];

fn begin<'s>(call: &Call<'s>, channel: &Rc<JsChannel>) -> Result<Value<'s>> {
    let scope = call.scope;
    let text = |index| scope.as_string(call.arg(index));
    let (Some(method), Some(url)) = (text(1), text(2)) else {
        return scope.undefined();
    };
    let Some((found, head)) = handed(&method, &url) else {
        return scope.undefined();
    };
    let (sender, receiver) = mpsc::channel(PIECES_UNDER_WAY);
    let context = Context {
        channels: vec![Rc::clone(channel)],
        request: Some(scope.keep(call.arg(0))?),
    };
    let live = Rc::new(RefCell::new(Live {
        asked: Some((context, found, head)),
        sender: Some(sender),
        receiver: Some(receiver),
        ..Live::default()
    }));
    let request = scope.object()?;
    add_bound(scope, (request, call.this), METHODS, &live)?;
    Ok(request)
}

fn push<'s>(call: &Call<'s>, live: &Request) -> Result<Value<'s>> {
    let scope = call.scope;
    let Some(sender) = live.borrow().sender.clone() else {
        return scope.boolean(false);
    };
    let bytes = scope
        .as_bytes(call.arg(0))
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

fn end<'s>(call: &Call<'s>, live: &Request) -> Result<Value<'s>> {
    let broken = call.scope.is_truthy(call.arg(0));
    let sender = live.borrow_mut().sender.take();
    if let Some(sender) = sender.filter(|_| broken) {
        threads()?.spawn(async move {
            let broke_off = Error::new(ErrorKind::Io, "read a request", "the body broke off");
            // There is no listener if the answer did not wait for the body.
            let _ = sender.send(Err(broke_off)).await;
        });
    }
    call.scope.undefined()
}

fn answer<'s>(call: &Call<'s>, live: &Request) -> Result<Value<'s>> {
    let (asked, receiver) = {
        let mut live = live.borrow_mut();
        (live.asked.take(), live.receiver.take())
    };
    let Some(((context, found, mut head), receiver)) = asked.zip(receiver) else {
        return Err(invalid("answer", "must be called once"));
    };
    head.headers = headers_of(&call.scope.as_string(call.arg(0)).unwrap_or_default());
    let (env, live) = (Rc::clone(call.env), Rc::clone(live));
    let entered = enter(call)?;
    spawn(call.scope, async move {
        let _entered = entered;
        let response = respond(&env, Rc::new(context), (found, head), receiver).await?;
        let (head, body) = response.into_parts();
        let whole = match body {
            AnswerBody::Whole(bytes) => Some(bytes),
            AnswerBody::Pieces(pieces) => {
                live.borrow_mut().go_on(pieces);
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
    context: Rc<Context>,
    (found, head): (Found, Parts),
    receiver: mpsc::Receiver<Piece>,
) -> Result<Response<AnswerBody>> {
    let (queue, tasks) = TaskQueue::new();
    let channel = across(&context, &queue, 0)?
        .ok_or_else(|| Error::new(ErrorKind::Internal, "answer a request", "has no channel"))?;
    let body = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    let end = EndOfTasks(queue);
    let answer = on_threads(env, async move {
        let _end = end;
        Ok(serve(&channel, found, head, body.boxed(), Why::default()).await)
    });
    let (response, ()) = try_join(answer, run_tasks(env, tasks, context)).await?;
    Ok(response)
}

fn pull<'s>(call: &Call<'s>, live: &Request) -> Result<Value<'s>> {
    let pieces = live.borrow_mut().answer.take();
    let (env, live) = (Rc::clone(call.env), Rc::clone(live));
    spawn(call.scope, async move {
        let Some(mut pieces) = pieces else {
            return Ok(None);
        };
        let (piece, pieces) = on_threads(&env, async move {
            let piece = pieces.next().await.transpose()?;
            Ok((piece, pieces))
        })
        .await?;
        live.borrow_mut().go_on(pieces);
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
