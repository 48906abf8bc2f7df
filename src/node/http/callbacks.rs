//! What the app adds to a request, and what is common to everything that speaks to one peer.

use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::error::Result;
use crate::node::options::Options;
use crate::node::runtime::{await_js, on_threads};
use crate::node::value::{Env, Intrinsic, Persistent, Value};
use crate::transport::client::{self, Caller, Client, Connections, Head, Headers, Peer, text_in};

/// A peer over connections of this package's own.
pub type NativePeer = Peer<Rc<PeerOptions>>;

/// A peer, and the app's functions for it. They are called with the options as their `this`.
pub struct PeerOptions {
    /// What paths are appended to.
    pub base_url: String,
    /// How many further tries a request has.
    pub retries: u32,
    /// Whether the peer answers 403 for a file that it does not have.
    pub forbidden_is_absent: bool,
    /// Their owner.
    pub owner: Persistent,
    auth_header: Option<Persistent>,
    sign_request: Option<Persistent>,
}

impl PeerOptions {
    /// Reads the options that are common to transport and storage.
    pub fn new<'s>(options: &Options<'s>, owner: Value<'s>) -> Result<Self> {
        let base_url = options.string("baseUrl")?.unwrap_or_default();
        Ok(Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            retries: options.retries()?,
            forbidden_is_absent: options.flag("forbiddenMeansAbsent", false)?,
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
    pub fn peer(self: &Rc<Self>, timeout: Option<Duration>, max_answer_bytes: usize) -> NativePeer {
        // Connections belong to the process: they hold nothing of an environment.
        static CONNECTIONS: LazyLock<Connections> = LazyLock::new(Connections::default);
        let options = client::ClientOptions {
            base_url: self.base_url.clone(),
            timeout,
            max_answer_bytes,
            forbidden_is_absent: self.forbidden_is_absent,
        };
        Peer {
            client: Arc::new(Client::new(CONNECTIONS.clone(), options)),
            retries: self.retries,
            caller: Rc::clone(self),
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
                let given = |function: &Option<Persistent>| match function {
                    Some(function) => function.value(scope),
                    None => scope.undefined(),
                };
                let body = match &head.body {
                    Some(body) => scope.text(text_in(body)?)?,
                    None => scope.undefined()?,
                };
                let (asks, signs) = (given(&self.auth_header)?, given(&self.sign_request)?);
                let (method, path) = (scope.text(head.method)?, scope.text(&head.path)?);
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
