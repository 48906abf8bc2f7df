//! The way to a peer: what the app adds to a request, and a `fetch` of the app's that requests may go by.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::node::options::Options;
use crate::node::runtime::{await_js, on_threads, stringify};
use crate::node::value::{Env, Intrinsic, Persistent, Scope, Thrown, Value};
use crate::transport::client::{
    Asked, Caller, Client, ClientOptions, Connections, Content, Either, Failure, Head, Headers,
    OverFetch, Peer, PeerTerms, RetryPolicy, Sender, Sent, said_of, text_in,
};

/// A peer over connections of this package's own.
pub type NativePeer = Peer<Rc<PeerOptions>>;

/// A peer, and the app's functions for it. They are called with the options as their `this`.
pub struct PeerOptions {
    /// Which peer it is.
    terms: PeerTerms,
    /// Their owner.
    owner: Persistent,
    auth_header: Option<Persistent>,
    sign_request: Option<Persistent>,
}

impl PeerOptions {
    /// Reads the options that are common to transport and storage.
    pub fn new<'s>(options: &Options<'s>, owner: Value<'s>) -> Result<Self> {
        Ok(Self {
            terms: options.data()?,
            owner: options.hang(owner)?,
            auth_header: options.function("getAuthHeader")?,
            sign_request: options.function("signRequest")?,
        })
    }

    /// The environment.
    pub fn env(&self) -> &Rc<Env> {
        self.owner.env()
    }

    /// The peer over connections of this package's own.
    fn peer(self: &Rc<Self>, timeout: Option<Duration>, max_answer_bytes: usize) -> NativePeer {
        let options = ClientOptions {
            base_url: self.terms.base_url.clone(),
            timeout,
            max_answer_bytes,
            forbidden_is_absent: self.terms.forbidden_is_absent,
        };
        Peer {
            client: Arc::new(Client::new(Connections::of_process(), options)),
            retries: self.terms.retries,
            caller: Rc::clone(self),
            presigns: self.terms.presigns,
        }
    }
}

/// Requests of a round on the JS thread.
impl Caller for Rc<PeerOptions> {
    /// The app is asked at every one.
    async fn headers(&self, head: &Head) -> Result<Headers> {
        let mut headers = head.headers();
        if !self.is_asked() {
            return Ok(headers);
        }
        let asked = await_js(
            self.env(),
            "ask for headers",
            |scope| {
                let body = match &head.body {
                    Some(body) => scope.text(text_in(body)?)?,
                    None => scope.undefined()?,
                };
                let asks = scope.if_kept(self.auth_header.as_ref())?;
                let signs = scope.if_kept(self.sign_request.as_ref())?;
                let (method, path) = (
                    scope.text(head.method)?,
                    scope.text(&head.signed_path(self.terms.presigns))?,
                );
                let args = [self.owner.value(scope)?, asks, signs, method, path, body];
                scope.helper(Intrinsic::AskedHeaders, &args)
            },
            |scope, flat| {
                scope.each(flat, |scope, text| {
                    Ok(scope.as_string(text).unwrap_or_default())
                })
            },
        );
        let mut asked = asked.await?.into_iter();
        while let Some((name, value)) = asked.next().zip(asked.next()) {
            headers.set(&name, value);
        }
        Ok(headers)
    }

    fn is_asked(&self) -> bool {
        self.auth_header.is_some() || self.sign_request.is_some()
    }

    fn signs(&self) -> bool {
        self.sign_request.is_some()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        on_threads(self.env(), work).await
    }
}

/// A peer over a `fetch` of the app's.
pub type FetchPeer = OverFetch<Fetch, Rc<PeerOptions>>;

/// A `fetch`, and how long it may take.
pub struct Fetch {
    function: Persistent,
    app: Rc<PeerOptions>,
    /// `None` for as long as it likes.
    timeout: Option<Duration>,
    max_answer_bytes: usize,
}

/// The way to a peer.
pub type Way = Either<Rc<PeerOptions>, Fetch>;

/// The way to the peer of the options: over the `fetch` among them, if there is one, which may take as long as it likes
/// unless they say how long.
pub fn way_to(
    options: &Options<'_>,
    app: &Rc<PeerOptions>,
    (default_timeout, max_answer_bytes): (Duration, usize),
) -> Result<Way> {
    let Some(function) = options.function("fetch")? else {
        let timeout = options.time("timeoutMs", Some(default_timeout))?;
        return Ok(Way::Own(Rc::new(app.peer(timeout, max_answer_bytes))));
    };
    Ok(Way::Fetch(Rc::new(OverFetch {
        sender: Fetch {
            function,
            app: Rc::clone(app),
            timeout: options.time("timeoutMs", None)?,
            max_answer_bytes,
        },
        terms: app.terms.clone(),
        caller: Rc::clone(app),
    })))
}

impl Sender for Fetch {
    type Data = Persistent;

    async fn send(&self, asked: &Asked<'_, Persistent>) -> Result<Sent<Persistent>, Failure> {
        let answer = await_js(
            self.app.env(),
            "fetch",
            |scope| scope.helper(Intrinsic::FetchAnswer, &self.arguments(scope, asked)?),
            read,
        );
        match answer.await? {
            Ok(sent) => Ok(sent),
            Err((thrown, again)) => Err(Failure {
                again,
                ..Thrown::kept(thrown, "fetch").into()
            }),
        }
    }

    fn size(&self, data: &Persistent) -> Result<Option<u64>> {
        data.byte_length()
    }

    fn text(&self, data: &Persistent) -> Result<Vec<u8>> {
        data.env().scope(|scope| {
            let data = data.value(scope)?;
            match text_of_answer(scope, data) {
                Some(text) => Ok(text),
                None => Ok(stringify(scope, data)?.as_bytes().to_vec()),
            }
        })
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn max_answer_bytes(&self) -> usize {
        self.max_answer_bytes
    }
}

/// The text of an answer; a double that has nothing but `json()` has none.
pub fn text_of_answer(scope: Scope<'_>, data: Value<'_>) -> Option<Vec<u8>> {
    let text = scope.as_string(data).map(String::into_bytes);
    text.or_else(|| scope.as_bytes(data))
}

impl Fetch {
    /// The arguments of `fetchAnswer` of `js/fetch.js`: what is data alone is JSON.
    fn arguments<'s>(
        &self,
        scope: Scope<'s>,
        asked: &Asked<'_, Persistent>,
    ) -> Result<[Value<'s>; 4]> {
        let body = match &asked.body {
            Some(Content::Text(text)) => scope.text(text)?,
            Some(Content::Bytes(bytes)) => bytes.value(scope)?,
            None => scope.undefined()?,
        };
        let said = asked.to_json(self.timeout, self.max_answer_bytes);
        let (owner, fetch) = (self.app.owner.value(scope)?, self.function.value(scope)?);
        Ok([owner, fetch, scope.text(&said.to_string())?, body])
    }
}

/// Reads what `fetchAnswer` answers, or what it says was thrown, and whether the request may be made again.
fn read(
    scope: Scope<'_>,
    answer: Value<'_>,
) -> Result<std::result::Result<Sent<Persistent>, (Persistent, RetryPolicy)>> {
    let [said, data] = scope.pick(answer, ["said", "data"])?;
    let said = scope.as_string(said).unwrap_or_default();
    said_of(&said, scope.keep(data)?)
}
