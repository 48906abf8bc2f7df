//! `createHttpSyncTransport(options)`

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::callbacks::{PeerOptions, as_text};
use super::fetching::{Asked, Fetch, Fetched, Sent, Wanted};
use crate::error::{Error, Result};
use crate::node::convert::{Body, as_body, pack_as_json, stringify};
use crate::node::known_options::HTTP_SYNC_TRANSPORT;
use crate::node::messages::{read_answer, read_request};
use crate::node::options::Options;
use crate::node::runtime::{on_threads, spawn_traced};
use crate::node::value::{Call, Env, Key, Kind, Value, bound, brand, enter};
use crate::protocol::item::Item;
use crate::protocol::message::{Answer, Request};
use crate::transport::client::{
    DEFAULT_EXCHANGE_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES, Failure, Head, Peer, pause, read, repeat,
    text_of,
};

/// What is behind a transport object.
pub struct HttpTransport {
    app: Rc<PeerOptions>,
    way: Way,
}

enum Way {
    Native(Peer<Rc<PeerOptions>>),
    Fetch(Fetch),
}

/// `createHttpSyncTransport(options)`
pub fn create_http_sync_transport<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let options = Options::new(scope, env, call.arg(0), &HTTP_SYNC_TRANSPORT)?;
    let app = Rc::new(PeerOptions::new(&options, call.arg(0))?);
    let max_answer_bytes = options.count("maxAnswerBytes", DEFAULT_MAX_ANSWER_BYTES)?;
    let way = if let Some(function) = options.function("fetch")? {
        Way::Fetch(Fetch {
            function,
            timeout: options.timeout(None)?,
            max_answer_bytes,
        })
    } else {
        let timeout = options.timeout(Some(DEFAULT_EXCHANGE_TIMEOUT))?;
        Way::Native(Peer {
            client: Arc::new(app.client(timeout, max_answer_bytes)),
            retries: app.retries,
            caller: Rc::clone(&app),
        })
    };
    let native = Rc::new(HttpTransport { app, way });
    let transport = scope.object()?;
    let asking = Rc::clone(&native);
    let exchange = bound(scope, env, "exchange", options.array(), move |call| {
        let request = request_text(call);
        let asking = Rc::clone(&asking);
        let entered = enter(call)?;
        spawn_traced(call.scope, call.env, async move {
            let _entered = entered;
            let (text, compares) = request?;
            asking.post(text, compares).await
        })
    })?;
    scope.set(env, transport, Key::Exchange, exchange)?;
    brand(scope, env, transport, native)?;
    Ok(transport)
}

/// The request of an app that calls `exchange` itself, as it is, with all that it says besides.
fn request_text(call: &Call<'_>) -> Result<(Bytes, bool)> {
    let (scope, env, request) = (call.scope, call.env, call.arg(0));
    let compares = read_request(scope, env, request)?.compares();
    let text = stringify(scope, env, request)?;
    Ok((Bytes::copy_from_slice(text.as_bytes()), compares))
}

impl HttpTransport {
    /// The peer, where it is reached over connections of this package's own.
    pub fn native(&self) -> Option<&Peer<Rc<PeerOptions>>> {
        match &self.way {
            Way::Native(peer) => Some(peer),
            Way::Fetch(_) => None,
        }
    }

    /// One request and its answer. The text is written, and the answer read, on the native threads.
    pub async fn exchange(&self, request: Request<Body>) -> Result<Answer<Body>> {
        let request = Request {
            max_answer_bytes: Some(self.max_answer_bytes()),
            ..request.with_bodies(|body| body.to_json(self.app.env()))?
        };
        let compares = request.compares();
        self.post(text_of(&self.app, request).await?, compares)
            .await
    }

    /// See [`Exchange::pack`](crate::engine::ports::Exchange::pack).
    pub fn pack(&self, item: &mut Item<Body>) -> Result<usize> {
        pack_as_json(self.app.env(), item)
    }

    fn max_answer_bytes(&self) -> usize {
        match &self.way {
            Way::Native(peer) => peer.client.max_answer_bytes(),
            Way::Fetch(fetch) => fetch.max_answer_bytes,
        }
    }

    async fn post(&self, text: Bytes, compares: bool) -> Result<Answer<Body>> {
        let fetch = match &self.way {
            Way::Native(peer) => return peer.post(text, compares).await?.with_bodies(as_body),
            Way::Fetch(fetch) => fetch,
        };
        let head = Head::post(&text, compares);
        repeat(
            self.app.retries,
            async |_| {
                let headers = self.app.headers(&head).await?;
                let asked = Asked {
                    method: head.method,
                    path: &head.path,
                    headers: &headers,
                    body: Some(Sent::Text(as_text(&text)?)),
                    wanted: Wanted::Message,
                    accepts: &[],
                };
                self.over_fetch(fetch, asked).await
            },
            async |how_long| pause(&self.app, how_long).await,
        )
        .await
    }

    async fn over_fetch(&self, fetch: &Fetch, asked: Asked<'_>) -> Result<Answer<Body>, Failure> {
        let (env, asked_path) = (self.app.env(), asked.path);
        let fetched = fetch.send(&self.app, asked).await?;
        let fetched =
            fetched.ok_or_else(|| Error::sync("malformed exchange answer", "there is none"))?;
        let status = fetched.head.status;
        let answer = Self::message_in(env, fetched).await;
        answer.map_err(|error| {
            Failure::from(error)
                .answered(status)
                .at(&self.app.base_url, asked_path)
        })
    }

    async fn message_in(env: &Rc<Env>, fetched: Fetched) -> Result<Answer<Body>> {
        let bytes = env.scope(|scope| {
            let data = fetched.data.value(scope)?;
            Ok(match scope.kind(data)? {
                Kind::String => scope
                    .as_text(data)
                    .map(|text| text.to_string().into_bytes()),
                _ => scope.as_bytes(data),
            })
        })?;
        let Some(bytes) = bytes else {
            // A double that has nothing but `json()`.
            return env.scope(|scope| read_answer(scope, env, fetched.data.value(scope)?));
        };
        let content_type = fetched.head.content_type.unwrap_or_default();
        let answer = on_threads(env, async move { read(&bytes, &content_type) }).await?;
        answer.with_bodies(as_body)
    }
}
