//! The routes behind a socket of their own.
//!
//! What holds, whoever is at the other end: no connection keeps its place without doing anything, no more
//! requests are in work than allowed, and closing lets those in work end, up to a bound.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::Channel;
use super::framed::Framed;
use super::front::{Channels, Ends, Server};
use super::idle_timeout::{End, Pulse, Watched};
use super::limits::Limits;
use super::shares::Shares;
use super::terms::Terms;
use super::tls::{Acceptor, Entered};
use crate::error::{Error, ErrorKind, Result};

/// The most bytes of an HTTP/2 answer that wait in memory for the caller's window.
const MOST_UNSENT: usize = 64 * 1024;

/// So long a connection that is let go of has to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// A socket that is bound.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    terms: Terms,
    acceptor: Option<Arc<Acceptor>>,
}

/// Binds a socket for a server that goes by these terms.
///
/// # Errors
/// `Io` if it cannot be bound; what [`Acceptor::load`] fails with.
pub async fn bind((host, port): (String, u16), terms: Terms) -> Result<Bound> {
    let acceptor = terms.tls.clone().map(Acceptor::load).transpose()?;
    let listener = TcpListener::bind((host.as_str(), port)).await;
    let bound = listener.and_then(|listener| {
        Ok(Bound {
            address: listener.local_addr()?,
            listener,
            terms,
            acceptor: acceptor.map(Arc::new),
        })
    });
    bound.map_err(|error| {
        Error::new(
            ErrorKind::Io,
            "listen",
            format!("cannot listen on {host}, port {port}: {error}"),
        )
        .caused_by(error)
    })
}

/// A server that listens.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    closing: watch::Sender<bool>,
    /// True once nothing of the server is left.
    over: watch::Receiver<bool>,
}

impl Listening {
    /// Begins to serve on these threads. `end` is dropped once it is closed.
    pub fn begin(
        threads: &Runtime,
        bound: Bound,
        channels: Vec<(String, Channel)>,
        end: impl Send + 'static,
    ) -> Self {
        let address = bound.address;
        let (closing, close) = watch::channel(false);
        let (ended, over) = watch::channel(false);
        threads.spawn(async move {
            run(bound, Channels::new(channels), close).await;
            drop(end);
            ended.send_replace(true);
        });
        Self {
            address,
            closing,
            over,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is closed.
    pub fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Closes it, and returns what waits until it is closed.
    pub fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        self.closing.send_replace(true);
        let mut over = self.over.clone();
        async move {
            // An error is the end as well: nothing else would say that it is over.
            let _ = over.wait_for(|over| *over).await;
        }
    }
}

/// Serves until `closing` is true, then lets what is in work end.
async fn run(bound: Bound, channels: Channels, mut closing: watch::Receiver<bool>) {
    let Bound {
        listener,
        terms,
        acceptor,
        ..
    } = bound;
    if let Some(shown) = &terms.stats.shown {
        channels.names().for_each(|name| shown.has(name));
    }
    let limits = terms.limits;
    let places = Arc::new(Semaphore::new(
        limits.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    let requests = Arc::new(Semaphore::new(
        limits.max_requests.min(Semaphore::MAX_PERMITS),
    ));
    let server = Arc::new(Server {
        channels,
        terms,
        acceptor,
        requests,
        shares: Shares::new(limits.max_requests_per_address),
        listeners: Shares::new(limits.max_requests_per_address),
        closing: closing.clone(),
    });
    let mut connections = JoinSet::new();
    let end = closing.clone();
    let mut closed = pin!(closing.wait_for(|closing| *closing));
    let callers = Shares::new(limits.max_connections_per_address);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (accept(&listener).await, place)
        };
        tokio::select! {
            _ = &mut closed => break,
            ((stream, caller), place) = next => {
                // An address beyond its share is cut off, so that others do not wait for it.
                let stats = &server.terms.stats;
                let Some(share) = callers.take(caller) else {
                    stats.turned_away.add(1);
                    continue;
                };
                stats.connections.add(1);
                let open = stats.open.one();
                let server = Arc::clone(&server);
                let end = end.clone();
                connections.spawn(async move {
                    let _place = (place, share, open);
                    connection(server, (stream, caller), end).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // What is still in work after that is cut off when the set is dropped.
    let _ = tokio::time::timeout(limits.close_timeout, ended).await;
}

/// The next connection. Where there are no descriptors left, this waits for some.
async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    const PAUSE: Duration = Duration::from_millis(100);
    loop {
        match listener.accept().await {
            Ok((stream, caller)) => return (stream, caller.ip()),
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "connections cannot be accepted for now");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset
    )
}

async fn connection(
    server: Arc<Server>,
    (stream, caller): (TcpStream, IpAddr),
    mut closing: watch::Receiver<bool>,
) {
    // Answers are written in few pieces; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let own = stream.local_addr().ok().map(|own| own.ip().to_canonical());
    let Limits {
        header_timeout,
        idle_timeout,
        ..
    } = server.terms.limits;
    let mut closed = pin!(closing.wait_for(|closing| *closing));
    let entering = tokio::time::timeout(header_timeout, server.enter(stream));
    // A caller with which no TLS is agreed upon learns so by TLS, or is too late to be told.
    let (stream, lacks_tls) = tokio::select! {
        entered = entering => match entered {
            Ok(Ok(Entered { stream, lacks_tls })) => (stream, lacks_tls),
            _ => return,
        },
        _ = &mut closed => return,
    };
    let ends = Ends {
        caller,
        own,
        lacks_tls,
    };
    let pulse = Pulse::new();
    let watched = Watched::new(stream, pulse.clone(), idle_timeout);
    let io = TokioIo::new(Framed::new(watched, pulse.clone()));
    let builder = http_of(&server.terms.limits);
    let state = pulse.clone();
    let service = service_fn(move |request| {
        let (server, pulse) = (Arc::clone(&server), pulse.clone());
        async move { Ok::<_, Infallible>(server.answer(request, (&pulse, ends)).await) }
    });
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut stopped = pin!(state.stopped(header_timeout, idle_timeout));
    let mut is_closing = false;
    let end = loop {
        tokio::select! {
            // What ends a connection is the other end's business, or was answered already.
            _ = &mut connection => return,
            end = &mut stopped => break end,
            _ = &mut closed, if !is_closing => {
                is_closing = true;
                state.let_go();
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if end == End::Idle {
        // Says goodbye: a caller of HTTP/2 that is about to ask asks elsewhere then.
        state.let_go();
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(GOODBYE, connection).await;
    }
}

/// Both versions of HTTP, as `limits` allow.
fn http_of(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Its own timeout runs between two requests too; the pulse tells the two apart.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None);
    let streams = u32::try_from(limits.max_requests_per_connection).unwrap_or(u32::MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_send_buf_size(MOST_UNSENT);
    builder
}
