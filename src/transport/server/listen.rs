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

use futures_util::StreamExt;
use http::header::EXPECT;
use http::{Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::framed::Framed;
use super::idle_timeout::{End, Pulse, Watched};
use super::intake::Intake;
use super::limits::Limits;
use super::origin::{is_simple_body, misframed};
use super::outgoing::Outgoing;
use super::service::{admit, answer, healthy, refused};
use super::shares::{Share, Shares};
use super::stats::Counted;
use super::terms::{Audience, Terms};
use super::tls::{Acceptor, Entered, enter};
use super::upload::Why;
use super::{AnswerBody, Channel};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::grant::Grant;
use crate::transport::routes::{Found, Refusal, Route, encoded_path, find};

/// Channels by the prefix of their paths. The root's prefix is empty.
#[derive(Debug)]
pub struct Channels(Vec<(String, Channel)>);

impl Channels {
    /// Of these prefixes the longest that fits counts.
    pub fn new(mut channels: Vec<(String, Channel)>) -> Self {
        channels.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Self(channels)
    }

    /// What is answered to a path of no channel. Where every channel is guarded, that there is none is not told either.
    fn refusal(&self) -> Refusal {
        if self
            .0
            .iter()
            .all(|(_, channel)| channel.authorizer.is_some())
        {
            return Refusal::unauthorized();
        }
        Refusal::not_found("there is no such channel here")
    }

    /// Says something on the console of the app.
    fn warn(&self, message: String, error: &Error) {
        if let Some((_, channel)) = self.0.first() {
            channel.log.warn(message, error);
        }
    }

    /// The channel of a path, and the rest of the path.
    fn of<'p>(&self, path: &'p str) -> Option<(&Channel, &'p str)> {
        self.0.iter().find_map(|(prefix, channel)| {
            let rest = path.strip_prefix(prefix.as_str())?;
            rest.starts_with('/').then_some((channel, rest))
        })
    }
}

struct Server {
    channels: Channels,
    terms: Terms,
    acceptor: Option<Arc<Acceptor>>,
    requests: Arc<Semaphore>,
    shares: Shares,
    /// Of event streams: they are no requests in work.
    listeners: Shares,
    closing: watch::Receiver<bool>,
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
struct Ends {
    caller: IpAddr,
    own: Option<IpAddr>,
    /// Whether it speaks plain HTTP to a server that speaks TLS.
    lacks_tls: bool,
}

/// The most bytes of an HTTP/2 answer that wait in memory for the caller's window.
const MOST_UNSENT: usize = 64 * 1024;

/// Where a server tells its numbers.
const METRICS_PATH: &str = "/metrics";

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
    let io = TokioIo::new(Framed::new(watched));
    let builder = http_of(&server.terms.limits);
    let watched = pulse.clone();
    let service = service_fn(move |request| {
        let (server, pulse) = (Arc::clone(&server), pulse.clone());
        async move { Ok::<_, Infallible>(server.answer(request, (&pulse, ends)).await) }
    });
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut stopped = pin!(watched.stopped(header_timeout, idle_timeout));
    let mut is_closing = false;
    let end = loop {
        tokio::select! {
            // What ends a connection is the other end's business, or was answered already.
            _ = &mut connection => return,
            end = &mut stopped => break end,
            _ = &mut closed, if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if end == End::Idle {
        // Says goodbye: a caller of HTTP/2 that is about to ask asks elsewhere then.
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

impl Server {
    async fn enter(&self, stream: TcpStream) -> io::Result<Entered> {
        let warn = |message, error: &Error| self.channels.warn(message, error);
        enter(stream, self.acceptor.as_ref(), warn).await
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        (pulse, ends): (&Pulse, Ends),
    ) -> Response<Outgoing<Work>> {
        let beat = pulse.beat();
        let has_windows = request.version() == Version::HTTP_2;
        let (head, body) = request.into_parts();
        let expects = head.headers.contains_key(EXPECT);
        let stats = &self.terms.stats;
        let intake = Intake::new(body, Arc::clone(stats));
        let (response, work) = self.serve(head, &intake, ends).await;
        let route = response.extensions().get::<RouteName>();
        let route = route.map_or("unknown", |name| name.0);
        stats.answered(route, response.status().as_u16());
        // Ends at once where the body was read. A caller that waits to be asked for it sends none.
        if !expects {
            tokio::spawn(intake.pass_by());
        }
        Outgoing::of(response, (beat, has_windows), (work, Arc::clone(stats)))
    }

    /// What is answered, and what is in work for it. Neither that the server is there nor a refusal counts among the
    /// requests in work: they are answered also where there are as many as may be.
    async fn serve(
        &self,
        head: http::request::Parts,
        intake: &Intake,
        Ends {
            caller,
            own,
            lacks_tls,
        }: Ends,
    ) -> (Response<AnswerBody>, Option<Work>) {
        if let Some(refusal) = lacks_tls
            .then(Refusal::lacks_tls)
            .or_else(|| misframed(&head))
        {
            return (refused(refusal), None);
        }
        let path = head.uri.path().to_owned();
        if let Some(metrics) = self.metrics(&head, caller, own) {
            return (named(metrics, "metrics"), None);
        }
        let Some((channel, rest)) = self.channels.of(&path) else {
            // A server says that it is there whatever its channels are.
            if find(&head.method, &path) == Found::Route(Route::Health) {
                return (named(healthy(), "health"), None);
            }
            return (refused(self.channels.refusal()), None);
        };
        let found = find(&head.method, rest);
        let name = found.name();
        let (response, work) = self
            .serve_channel((channel, &path, rest), (head, found), intake, (caller, own))
            .await;
        (named(response, name), work)
    }

    /// The numbers of the server, if they are asked for and this caller gets them.
    fn metrics(
        &self,
        head: &http::request::Parts,
        caller: IpAddr,
        own: Option<IpAddr>,
    ) -> Option<Response<AnswerBody>> {
        let terms = &self.terms;
        let audience = terms.metrics.filter(|_| head.uri.path() == METRICS_PATH)?;
        let is_asked = head.method == Method::GET && audience.has(caller);
        let is_own = audience == Audience::Everyone || terms.hosts.refusal(head, own).is_none();
        (is_asked && is_own).then(|| terms.snapshot().answer())
    }

    /// What a channel answers to a request of the path of which `rest` is without its prefix.
    async fn serve_channel(
        &self,
        (channel, path, rest): (&Channel, &str, &str),
        (mut head, found): (http::request::Parts, Found),
        intake: &Intake,
        (caller, own): (IpAddr, Option<IpAddr>),
    ) -> (Response<AnswerBody>, Option<Work>) {
        if channel.authorizer.is_none() && found != Found::Route(Route::Health) {
            let is_exchange = matches!(found, Found::Route(Route::Exchange | Route::Reconcile));
            let is_simple = is_exchange && is_simple_body(&head.headers);
            let refusal = self.terms.hosts.refusal(&head, own);
            if let Some(refusal) = refusal.or_else(|| is_simple.then(Refusal::no_exchange)) {
                return (refused(refusal), None);
            }
        }
        let prefix = path.strip_suffix(rest).unwrap_or_default();
        head.uri = one_spelling(&head.uri, prefix, &found);
        head.extensions.insert(caller);
        let admitted = match admit((channel, prefix), found, &head, Some(caller)).await {
            Ok((Route::Health, _)) => return (healthy(), None),
            Ok((Route::Events, grant)) => return (self.listen(channel, grant, caller), None),
            Ok(admitted) => admitted,
            Err(refusal) => return (refused(refusal), None),
        };
        let Some(work) = self.take_up(caller) else {
            return (refused(Refusal::busy()), None);
        };
        let why = Why::default();
        let body = intake.steadily(self.terms.limits.body_timeout, why.clone());
        let response = answer(channel, admitted, &head, (body.boxed(), why)).await;
        (response, Some(work))
    }

    /// The event stream of a channel. It is no request in work: it lasts for as long as its caller listens.
    fn listen(&self, channel: &Channel, grant: Arc<Grant>, caller: IpAddr) -> Response<AnswerBody> {
        let Some(share) = self.listeners.take(caller) else {
            return refused(Refusal::busy());
        };
        let place = (share, self.terms.stats.listening.one());
        channel.news.answer(grant, self.closing.clone(), place)
    }

    /// One more request of this caller, if there may be one.
    fn take_up(&self, caller: IpAddr) -> Option<Work> {
        let share = self.shares.take(caller)?;
        let permit = Arc::clone(&self.requests).try_acquire_owned().ok()?;
        Some((permit, share, self.terms.stats.in_work.one()))
    }
}

/// What a request takes up of the requests that may be in work.
type Work = (OwnedSemaphorePermit, Share, Counted);

/// What a request asked for, beside its answer.
#[derive(Clone)]
struct RouteName(&'static str);

fn named(mut response: Response<AnswerBody>, name: &'static str) -> Response<AnswerBody> {
    response.extensions_mut().insert(RouteName(name));
    response
}

/// The target as a client of this package spells it: a rule on it cannot be passed by with another spelling.
fn one_spelling(target: &Uri, prefix: &str, found: &Found) -> Uri {
    let path = match found {
        Found::Route(Route::File(_, key)) => format!("{prefix}{}", encoded_path(key)),
        _ => target.path().to_owned(),
    };
    let query = target.query().map(|query| format!("?{query}"));
    let spelt = format!("{path}{}", query.unwrap_or_default());
    spelt.parse().unwrap_or_else(|_| target.clone())
}
