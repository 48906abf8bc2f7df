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
use futures_util::future::try_join;
use futures_util::{FutureExt, StreamExt};
use http::Response;

use super::channel::{Context, JsChannel, across};
use crate::error::{Error, ErrorKind, Result};
use crate::joint::tasks::{EndOfTasks, TaskQueue};
use crate::joint::threads::threads;
use crate::node::error::invalid;
use crate::node::options::Options;
use crate::node::runtime::{IntoJs, on_threads, run_tasks, spawn, write_data};
use crate::node::value::{Call, Method as Step, Scope, Value, bound, enter, object_of_methods};
use crate::transport::server::{Handed, MoreBody, Why, headers_in_json, serve};

/// A request that is being answered.
type Request = Rc<RefCell<Handed<Context>>>;

/// The native half of `createHttpSyncHandler(options)`.
pub fn create_http_sync_handler<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let channel = Rc::new(JsChannel::new(options, scope.env())?);
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
        live.borrow_mut().done();
        call.scope.undefined()
    }),
];

fn begin<'s>(call: &Call<'s>, channel: &Rc<JsChannel>) -> Result<Value<'s>> {
    let scope = call.scope;
    let text = |index| scope.as_string(call.arg(index));
    let (Some(method), Some(url)) = (text(1), text(2)) else {
        return scope.undefined();
    };
    let context = || {
        Ok(Context {
            channels: vec![Rc::clone(channel)],
            request: Some(scope.keep(call.arg(0))?),
        })
    };
    let Some(live) = Handed::new((&method, &url), || channel.has_urls(), context)? else {
        return scope.undefined();
    };
    let live = Rc::new(RefCell::new(live));
    object_of_methods(scope, call.this, METHODS, &live)
}

fn push<'s>(call: &Call<'s>, live: &Request) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, Rc::clone(call.env));
    let bytes = scope.as_bytes(call.arg(0));
    let bytes = bytes.ok_or_else(|| invalid("the body of a request", "must come as bytes"))?;
    match live.borrow().push(bytes.into()) {
        MoreBody::Known(wanted) => scope.boolean(wanted),
        MoreBody::Waits(wanted) => {
            spawn(scope, async move { on_threads(&env, wanted.map(Ok)).await })
        }
    }
}

fn end<'s>(call: &Call<'s>, live: &Request) -> Result<Value<'s>> {
    let broken = call.scope.is_truthy(call.arg(0));
    if let Some(telling) = live.borrow_mut().end(broken) {
        threads()?.spawn(telling);
    }
    call.scope.undefined()
}

/// The answer is made on the native threads; their tasks are run meanwhile.
fn answer<'s>(call: &Call<'s>, live: &Request) -> Result<Value<'s>> {
    let headers = call.scope.as_string(call.arg(0)).unwrap_or_default();
    let asked = live.borrow_mut().take(&headers);
    let Some((context, found, head, body)) = asked else {
        return Err(invalid("answer", "must be called once"));
    };
    let (env, live) = (Rc::clone(call.env), Rc::clone(live));
    let entered = enter(call)?;
    spawn(call.scope, async move {
        let _entered = entered;
        let (queue, tasks) = TaskQueue::new();
        let channel = across(&context, &queue, 0)?
            .ok_or_else(|| Error::new(ErrorKind::Internal, "answer a request", "has no channel"))?;
        let end = EndOfTasks(queue);
        let answer = on_threads(&env, async move {
            let _end = end;
            Ok(serve(&channel, found, head, body, Why::default()).await)
        });
        let tasks = run_tasks(&env, tasks, Rc::new(context));
        let (response, ()) = try_join(answer, tasks).await?;
        Ok(live.borrow_mut().answered(response))
    })
}

fn pull<'s>(call: &Call<'s>, live: &Request) -> Result<Value<'s>> {
    let pieces = live.borrow_mut().pieces();
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

impl IntoJs for Response<Option<Bytes>> {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        scope.object_of(&[
            ("status", u32::from(self.status().as_u16()).into_js(scope)?),
            (
                "headers",
                write_data(scope, &headers_in_json(self.headers()))?,
            ),
            ("body", self.into_body().into_js(scope)?),
        ])
    }
}
