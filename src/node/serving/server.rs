//! `createHttpSyncServer(options)`

use std::rc::Rc;
use std::sync::Arc;

use super::channel::{Context, JsChannel, across};
use crate::error::Result;
use crate::joint::tasks::{EndOfTasks, TaskQueue, Tasks};
use crate::joint::threads::threads;
use crate::node::options::Options;
use crate::node::runtime::{on_threads, run_tasks, spawn, write_data};
use crate::node::value::{Call, Env, Method, Scope, Value, enter, object_of_methods};
use crate::protocol::hlc::safe_integer;
use crate::transport::server::listen::{Listening, bind};
use crate::transport::server::{Channel, Standing, Terms};
use futures_util::FutureExt;

/// What is behind a server object.
struct Server {
    prefixes: Vec<String>,
    context: Rc<Context>,
    terms: Terms,
    standing: Standing,
}

/// `createHttpSyncServer(options)`
pub fn create_http_sync_server<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    // What the channels refer to hangs on one array, however many there are.
    let array = options.array();
    let (prefixes, channels) = read_channels(scope, options)?.into_iter().unzip();
    let server = Rc::new(Server {
        prefixes,
        context: Rc::new(Context {
            channels,
            request: None,
        }),
        terms: Terms::read(
            |name| options.string(name),
            |name, default| options.count(name, default),
        )?,
        standing: Standing::default(),
    });
    object_of_methods(scope, array, METHODS, &server)
}

const METHODS: &[(&str, Method<Rc<Server>>)] = &[
    ("listen", listen),
    ("close", close),
    ("address", |call, server| {
        write_data(call.scope, &server.standing.place())
    }),
    ("stats", |call, server| {
        write_data(call.scope, &server.terms.snapshot())
    }),
];

fn read_channels<'s>(
    scope: Scope<'s>,
    options: &Options<'s>,
) -> Result<Vec<(String, Rc<JsChannel>)>> {
    let Some(given) = options.given("channels")? else {
        let channel = JsChannel::new(options, scope.env())?;
        return Ok(vec![(String::new(), Rc::new(channel))]);
    };
    let channels = scope.elements(given)?.into_iter();
    channels
        .map(|entry| {
            let prefix = scope.as_string(scope.element(entry, 0)?);
            let part = options.part(scope.element(entry, 1)?);
            let channel = JsChannel::new(&part, scope.env())?;
            Ok((prefix.unwrap_or_default(), Rc::new(channel)))
        })
        .collect()
}

/// `listen(port, host)`, which `js/server.js` has read.
fn listen<'s>(call: &Call<'s>, server: &Rc<Server>) -> Result<Value<'s>> {
    let port = call.scope.as_number(call.arg(0)).and_then(safe_integer);
    let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let host = call.scope.as_string(call.arg(1)).unwrap_or_default();
    let (server, env) = (Rc::clone(server), Rc::clone(call.env));
    let entered = enter(call)?;
    spawn(call.scope, async move {
        let start = async || start(&env, &server, (host, port)).await;
        let tasks = server.standing.listen(start).await?;
        let context = Rc::clone(&server.context);
        let serving = Rc::clone(&env);
        env.scope(|scope| {
            spawn(scope, async move {
                let _entered = entered;
                // Where the environment ends, this is dropped, and with it the server.
                let _closes = ClosesWith(server);
                run_tasks(&serving, tasks, context).await
            })
            .map(|_| ())
        })
    })
}

/// Binds the socket and begins to serve.
async fn start(
    env: &Rc<Env>,
    server: &Rc<Server>,
    place: (String, u16),
) -> Result<(Listening, Tasks<Context>)> {
    let bound = on_threads(env, bind(place, server.terms.clone())).await?;
    let (queue, tasks) = TaskQueue::new();
    let mut channels: Vec<(String, Channel)> = Vec::new();
    for (number, prefix) in server.prefixes.iter().enumerate() {
        let Some(mut channel) = across(&server.context, &queue, number)? else {
            continue;
        };
        server.terms.share(&mut channel);
        let js = server.context.channels.get(number);
        let native = js.map(|js| js.native_answers(&queue, number));
        if let Some(native) = native.transpose()?.flatten() {
            channel.answers = Arc::new(native);
        }
        channels.push((prefix.clone(), channel));
    }
    let end = EndOfTasks(queue);
    let listening = Listening::begin(threads()?, bound, channels, end);
    Ok((listening, tasks))
}

fn close<'s>(call: &Call<'s>, server: &Rc<Server>) -> Result<Value<'s>> {
    let (server, env) = (Rc::clone(server), Rc::clone(call.env));
    spawn(call.scope, async move {
        if let Some(over) = server.standing.begin_to_close() {
            on_threads(&env, over.map(Ok)).await?;
            server.standing.closed();
        }
        Ok(())
    })
}

struct ClosesWith(Rc<Server>);

impl Drop for ClosesWith {
    fn drop(&mut self) {
        drop(self.0.standing.begin_to_close());
    }
}
