//! `createHttpSyncServer(options)`

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::channel::{Context, JsChannel, across};
use crate::error::{Error, ErrorKind, Result};
use crate::joint::tasks::{EndOfTasks, TaskQueue, Tasks};
use crate::node::error::invalid;
use crate::node::options::Options;
use crate::node::runtime::{IntoJs, on_threads, run_tasks, spawn, threads};
use crate::node::value::{Call, Env, Method, Scope, Value, add_bound, enter};
use crate::protocol::hlc::safe_integer;
use crate::transport::server::Channel;
use crate::transport::server::listen::{Limits, Listening, bind};
use crate::transport::server::origin::Hosts;

/// What is behind a server object.
struct Server {
    prefixes: Vec<String>,
    context: Rc<Context>,
    hosts: Hosts,
    limits: Limits,
    state: RefCell<ServerState>,
}

enum ServerState {
    Closed,
    Starting,
    Listening(Listening),
}

/// `createHttpSyncServer(options)`
pub fn create_http_sync_server<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let options = Options::new(scope, call.arg(0))?;
    // What the channels refer to hangs on one array, however many there are.
    let array = options.array();
    let (prefixes, channels) = read_channels(scope, &options)?.into_iter().unzip();
    let server = Rc::new(Server {
        prefixes,
        context: Rc::new(Context {
            channels,
            request: None,
        }),
        hosts: read_hosts(&options)?,
        limits: read_limits(&options)?,
        state: RefCell::new(ServerState::Closed),
    });
    let object = scope.object()?;
    add_bound(scope, (object, array), METHODS, &server)?;
    Ok(object)
}

const METHODS: &[(&str, Method<Rc<Server>>)] =
    &[("listen", listen), ("address", address), ("close", close)];

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

fn read_hosts(options: &Options<'_>) -> Result<Hosts> {
    let given = options.string("allowedHosts")?;
    let read = |error: serde_json::Error| invalid("allowedHosts", &error.to_string());
    let allowed = given.map(|json| serde_json::from_str(&json).map_err(read));
    Ok(Hosts {
        allowed: allowed.transpose()?.unwrap_or_default(),
    })
}

fn read_limits(options: &Options<'_>) -> Result<Limits> {
    // As good as for ever, and far enough from the end of time to be added to now.
    const LONGEST_MS: u64 = 1000 * 60 * 60 * 24 * 365;
    let default = Limits::default();
    let time = |name, default: Duration| {
        let ms = usize::try_from(default.as_millis()).unwrap_or(usize::MAX);
        let given = options.count(name, ms)?;
        Ok::<_, Error>(Duration::from_millis((given as u64).min(LONGEST_MS)))
    };
    let max_connections = options.count("maxConnections", default.max_connections)?;
    let max_requests = options.count("maxRequests", default.max_requests)?;
    let of_one = |name, of| options.count(name, Limits::share_of(of));
    Ok(Limits {
        header_timeout: time("headerTimeoutMs", default.header_timeout)?,
        body_timeout: time("bodyTimeoutMs", default.body_timeout)?,
        idle_timeout: time("idleTimeoutMs", default.idle_timeout)?,
        close_timeout: time("closeTimeoutMs", default.close_timeout)?,
        max_connections,
        max_connections_per_address: of_one("maxConnectionsPerAddress", max_connections)?,
        max_requests,
        max_requests_per_address: of_one("maxRequestsPerAddress", max_requests)?,
        max_requests_per_connection: options.count(
            "maxRequestsPerConnection",
            default.max_requests_per_connection,
        )?,
    })
}

/// `listen(port, host)`, which `js/server.js` has read.
fn listen<'s>(call: &Call<'s>, server: &Rc<Server>) -> Result<Value<'s>> {
    let port = call.scope.as_number(call.arg(0)).and_then(safe_integer);
    let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let host = call.scope.as_string(call.arg(1)).unwrap_or_default();
    let (server, env) = (Rc::clone(server), Rc::clone(call.env));
    let entered = enter(call)?;
    spawn(call.scope, async move {
        if !matches!(*server.state.borrow(), ServerState::Closed) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "listen",
                "the server listens already; close it first",
            ));
        }
        server.state.replace(ServerState::Starting);
        let started = start(&env, &server, (host, port)).await;
        let (address, tasks) = started.inspect_err(|_| {
            server.state.replace(ServerState::Closed);
        })?;
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
        })?;
        Ok(address)
    })
}

/// Binds the socket and begins to serve.
async fn start(
    env: &Rc<Env>,
    server: &Rc<Server>,
    place: (String, u16),
) -> Result<(SocketAddr, Tasks<Context>)> {
    let (listener, address) = on_threads(env, bind(place)).await?;
    let (queue, tasks) = TaskQueue::new();
    let mut channels: Vec<(String, Channel)> = Vec::new();
    for (number, prefix) in server.prefixes.iter().enumerate() {
        let Some(mut channel) = across(&server.context, &queue, number)? else {
            continue;
        };
        let js = server.context.channels.get(number);
        let native = js.map(|js| js.native_answers(&queue, number));
        if let Some(native) = native.transpose()?.flatten() {
            channel.answers = Arc::new(native);
        }
        channels.push((prefix.clone(), channel));
    }
    let end = EndOfTasks(queue);
    let bound = (listener, address);
    let listening = Listening::begin(
        threads()?,
        bound,
        (channels, server.hosts.clone(), server.limits),
        end,
    );
    server.state.replace(ServerState::Listening(listening));
    Ok((address, tasks))
}

fn address<'s>(call: &Call<'s>, server: &Rc<Server>) -> Result<Value<'s>> {
    let address = match &*server.state.borrow() {
        ServerState::Listening(listening) => Some(listening.address()),
        ServerState::Closed | ServerState::Starting => None,
    };
    address.into_js(call.scope)
}

fn close<'s>(call: &Call<'s>, server: &Rc<Server>) -> Result<Value<'s>> {
    let (server, env) = (Rc::clone(server), Rc::clone(call.env));
    spawn(call.scope, async move {
        let Some(over) = server.begin_to_close() else {
            return Ok(());
        };
        on_threads(&env, async move {
            over.await;
            Ok(())
        })
        .await?;
        // Only the first of several that waited finds it listening still.
        if matches!(&*server.state.borrow(), ServerState::Listening(it) if it.is_over()) {
            server.state.replace(ServerState::Closed);
        }
        Ok(())
    })
}

impl Server {
    /// Closes it, if it listens, and answers what waits until it is closed.
    fn begin_to_close(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        match &*self.state.borrow() {
            ServerState::Listening(listening) => Some(listening.close()),
            ServerState::Closed | ServerState::Starting => None,
        }
    }
}

struct ClosesWith(Rc<Server>);

impl Drop for ClosesWith {
    fn drop(&mut self) {
        drop(self.0.begin_to_close());
    }
}

/// Where a server listens, as `node:net` says it.
impl IntoJs for SocketAddr {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let family = if self.is_ipv4() { "IPv4" } else { "IPv6" };
        let address = self.ip().to_string();
        json!({ "address": address, "family": family, "port": self.port() }).into_js(scope)
    }
}
