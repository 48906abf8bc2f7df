//! From a request of a connection to its answer: whether it is read at all, which channel it is of, and what it may take.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::StreamExt;
use http::header::EXPECT;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::Channel;
use super::body::AnswerBody;
use super::idle_timeout::Pulse;
use super::intake::Intake;
use super::meter::Meter;
use super::origin::{is_simple_body, misframed};
use super::outgoing::Outgoing;
use super::presign::read_body;
use super::service::{admit, answer, healthy, refused};
use super::shares::{Share, Shares};
use super::stats::Counted;
use super::status_page::{self, StatusRoute};
use super::terms::{Audience, Terms};
use super::tls::{Acceptor, Entered, enter};
use super::upload::Why;
use super::visit::Visit;
use crate::error::Error;
use crate::protocol::grant::Grant;
use crate::transport::presign::PRESIGN_SUFFIX;
use crate::transport::routes::{Found, Refusal, Route, encoded_path, find, find_with_urls};

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

    /// The names of all.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(prefix, _)| name_of(prefix))
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

/// What answers the requests of all connections.
pub(super) struct Server {
    pub(super) channels: Channels,
    pub(super) terms: Terms,
    pub(super) acceptor: Option<Arc<Acceptor>>,
    pub(super) requests: Arc<Semaphore>,
    pub(super) shares: Shares,
    /// Of event streams: they are no requests in work.
    pub(super) listeners: Shares,
    pub(super) closing: watch::Receiver<bool>,
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) caller: IpAddr,
    pub(super) own: Option<IpAddr>,
    /// Whether it speaks plain HTTP to a server that speaks TLS.
    pub(super) lacks_tls: bool,
}

/// Where a server tells its numbers.
const METRICS_PATH: &str = "/metrics";

impl Server {
    pub(super) async fn enter(&self, stream: TcpStream) -> io::Result<Entered> {
        let warn = |message, error: &Error| self.channels.warn(message, error);
        enter(stream, self.acceptor.as_ref(), warn).await
    }

    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        (pulse, ends): (&Pulse, Ends),
    ) -> Response<Outgoing<Work>> {
        let beat = pulse.beat();
        let has_windows = request.version() == Version::HTTP_2;
        let (head, body) = request.into_parts();
        let expects = head.headers.contains_key(EXPECT);
        let stats = &self.terms.stats;
        let meter = Meter::new(Arc::clone(stats));
        let intake = Intake::new(body, Arc::clone(&meter));
        let (response, work) = self.serve(head, &intake, ends).await;
        let route = response.extensions().get::<RouteName>();
        let route = route.map_or("unknown", |name| name.0);
        stats.answered(route, response.status().as_u16());
        // Ends at once where the body was read. A caller that waits to be asked for it sends none.
        if !expects {
            tokio::spawn(intake.pass_by());
        }
        Outgoing::of(response, (beat, has_windows), (work, meter))
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
        if let Some(page) = self.status(&head, caller, own) {
            return (named(page, "status"), None);
        }
        let Some((channel, rest)) = self.channels.of(&path) else {
            // A server says that it is there whatever its channels are.
            if find(&head.method, &path) == Found::Route(Route::Health) {
                return (named(healthy(), "health"), None);
            }
            return (refused(self.channels.refusal()), None);
        };
        let found = find_with_urls(&head.method, rest, || channel.presigner.is_some());
        let name = found.name();
        let (response, work) = self
            .serve_channel((channel, &path, rest), (head, found), intake, (caller, own))
            .await;
        let barred = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        if let Some(shown) = &self.terms.stats.shown
            && intake.meter().channel().is_none()
            && barred.contains(&response.status())
        {
            shown.turned_away(name_of(path.strip_suffix(rest).unwrap_or_default()));
        }
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
        let is_for = self.is_for(audience, head, (caller, own));
        is_for.then(|| terms.snapshot().answer())
    }

    /// Whether this is a request of one that gets what is for `audience`. A web page of elsewhere that runs on this
    /// machine is none of it.
    fn is_for(
        &self,
        audience: Audience,
        head: &http::request::Parts,
        (caller, own): (IpAddr, Option<IpAddr>),
    ) -> bool {
        let is_asked = head.method == Method::GET && audience.has(caller);
        let hosts = &self.terms.hosts;
        is_asked && (audience == Audience::Everyone || hosts.refusal(head, own).is_none())
    }

    /// The status page or a part of it, if one is asked for, this caller gets it, and no channel has another meaning for
    /// its path.
    fn status(
        &self,
        head: &http::request::Parts,
        caller: IpAddr,
        own: Option<IpAddr>,
    ) -> Option<Response<AnswerBody>> {
        let (audience, stats) = (self.terms.status_page?, &self.terms.stats);
        let (route, shown) = (StatusRoute::at(head.uri.path())?, stats.shown.as_ref()?);
        let of_channel = self.channels.of(head.uri.path());
        let is_free = of_channel.is_none_or(|(_, rest)| find(&head.method, rest) == Found::Nothing);
        if !is_free || !self.is_for(audience, head, (caller, own)) {
            return None;
        }
        Some(match route {
            StatusRoute::Html => status_page::html(),
            StatusRoute::Data => status_page::data(shown),
            StatusRoute::Events => match self.place_to_listen(caller) {
                None => refused(Refusal::busy()),
                Some(place) => {
                    let closing = self.closing.clone();
                    status_page::events(stats, closing, place)
                }
            },
        })
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
            let is_posted = matches!(
                found,
                Found::Route(Route::Exchange | Route::Reconcile) | Found::InBody(_)
            );
            let is_simple = is_posted && is_simple_body(&head.headers);
            let refusal = self.terms.hosts.refusal(&head, own);
            if let Some(refusal) = refusal.or_else(|| is_simple.then(Refusal::not_json)) {
                return (refused(refusal), None);
            }
        }
        let patience = self.terms.limits.body_timeout;
        let body = intake.steadily(patience, Why::default()).boxed();
        let (found, _) = read_body(found, &head, body).await;
        let prefix = path.strip_suffix(rest).unwrap_or_default();
        head.uri = one_spelling(&head.uri, prefix, &found);
        let name = found.name();
        head.extensions.insert(caller);
        let admitted = match admit((channel, prefix), found, &head, Some(caller)).await {
            Ok((Route::Health, _)) => return (healthy(), None),
            Ok((Route::Events, grant)) => return (self.listen(channel, grant, caller), None),
            Ok(admitted) => admitted,
            Err(refusal) => return (refused(refusal), None),
        };
        intake.meter().enters(name_of(prefix));
        let mut visit = Visit::begin(intake.meter(), name, caller);
        if let Some(visit) = &visit {
            head.extensions.insert(visit.account());
        }
        let (response, work) = match self.take_up(caller) {
            None => (refused(Refusal::busy()), None),
            Some(work) => {
                let why = Why::default();
                let body = intake.steadily(self.terms.limits.body_timeout, why.clone());
                let response = answer(channel, admitted, &head, (body.boxed(), why)).await;
                (response, Some(work))
            }
        };
        if let Some(visit) = &mut visit {
            visit.answered(&response);
        }
        (response, work)
    }

    /// The event stream of a channel. It is no request in work: it lasts for as long as its caller listens.
    fn listen(&self, channel: &Channel, grant: Arc<Grant>, caller: IpAddr) -> Response<AnswerBody> {
        let Some(place) = self.place_to_listen(caller) else {
            return refused(Refusal::busy());
        };
        channel.news.answer(grant, self.closing.clone(), place)
    }

    /// A place among the listeners, if this caller may have one more.
    fn place_to_listen(&self, caller: IpAddr) -> Option<(Share, Counted)> {
        let share = self.listeners.take(caller)?;
        Some((share, self.terms.stats.listening.one()))
    }

    /// One more request of this caller, if there may be one.
    fn take_up(&self, caller: IpAddr) -> Option<Work> {
        let share = self.shares.take(caller)?;
        let permit = Arc::clone(&self.requests).try_acquire_owned().ok()?;
        Some((permit, share, self.terms.stats.in_work.one()))
    }
}

/// What a request takes up of the requests that may be in work.
pub(super) type Work = (OwnedSemaphorePermit, Share, Counted);

/// What a request asked for, beside its answer.
#[derive(Clone)]
struct RouteName(&'static str);

fn named(mut response: Response<AnswerBody>, name: &'static str) -> Response<AnswerBody> {
    response.extensions_mut().insert(RouteName(name));
    response
}

/// What a channel with this prefix is called.
fn name_of(prefix: &str) -> &str {
    if prefix.is_empty() { "/" } else { prefix }
}

/// The target as a client of this package spells it: a rule on it cannot be passed by with another spelling.
fn one_spelling(target: &Uri, prefix: &str, found: &Found) -> Uri {
    let path = match found {
        Found::Route(Route::File(_, key)) => format!("{prefix}{}", encoded_path(key)),
        Found::Route(Route::Presign(key)) => {
            format!("{prefix}{}{PRESIGN_SUFFIX}", encoded_path(key))
        }
        _ => target.path().to_owned(),
    };
    let query = target.query().map(|query| format!("?{query}"));
    let spelt = format!("{path}{}", query.unwrap_or_default());
    spelt.parse().unwrap_or_else(|_| target.clone())
}
