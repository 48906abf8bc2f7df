//! `createHttpSyncTransport(options)`

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::callbacks::{App, pause};
use super::fetching::{Asked, Fetch, Sent, Wanted};
use crate::binding::convert::{Body, as_body};
use crate::binding::executor::{on_threads, spawn};
use crate::binding::js::{Call, Key, Kind, Value, bound, enter, mark};
use crate::binding::messages::{read_answer, read_request};
use crate::binding::options::Options;
use crate::error::{Error, Result};
use crate::protocol::message::{Answer, Request};
use crate::protocol::wire::write_request;
use crate::transport::EXCHANGE_PATH;
use crate::transport::client::{
    Client, DEFAULT_EXCHANGE_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES, Failure, read, repeat,
};

/// What is behind a transport object.
pub struct HttpTransport {
    app: App,
    way: Way,
}

enum Way {
    Native(Arc<Client>),
    Fetch(Fetch),
}

/// `createHttpSyncTransport(options)`
pub fn create_http_sync_transport<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, realm) = (call.scope, call.realm);
    let options = Options::new(scope, realm, call.arg(0), "createHttpSyncTransport")?;
    let app = App::new(&options, call.arg(0))?;
    let max_answer_bytes = options.count("maxAnswerBytes", DEFAULT_MAX_ANSWER_BYTES)?;
    let way = if let Some(function) = options.function("fetch")? {
        Way::Fetch(Fetch {
            function,
            timeout: options.timeout(None)?,
            max_answer_bytes,
        })
    } else {
        let timeout = options.timeout(Some(DEFAULT_EXCHANGE_TIMEOUT))?;
        Way::Native(Arc::new(app.client(timeout, max_answer_bytes)))
    };
    let behind = Rc::new(HttpTransport { app, way });
    let transport = scope.object()?;
    let asking = Rc::clone(&behind);
    let exchange = bound(scope, realm, "exchange", options.array(), move |call| {
        let request = read_request(call.scope, call.realm, call.arg(0));
        let asking = Rc::clone(&asking);
        let entered = enter(call)?;
        spawn(call.scope, call.realm, async move {
            let _entered = entered;
            asking.exchange(request?).await
        })
    })?;
    scope.set(realm, transport, Key::Exchange, exchange)?;
    mark(scope, realm, transport, behind)?;
    Ok(transport)
}

impl HttpTransport {
    /// One request and its answer. The text is written, and the answer read, on the native threads.
    pub async fn exchange(&self, request: Request<Body>) -> Result<Answer<Body>> {
        let realm = self.app.realm();
        let request = request.with_bodies(|body| body.to_json(realm))?;
        let text = on_threads(
            realm,
            async move { Ok(Bytes::from(write_request(&request))) },
        );
        let text = text.await?;
        repeat(
            self.app.retries,
            async || self.attempt(&text).await,
            async |how_long| pause(realm, how_long).await,
        )
        .await
    }

    async fn attempt(&self, text: &Bytes) -> Result<Answer<Body>, Failure> {
        let realm = self.app.realm();
        let as_text = std::str::from_utf8(text).map_err(|error| {
            Error::sync("write a request", "its text is no Unicode").caused_by(error)
        })?;
        let headers = self
            .app
            .headers(
                "POST",
                EXCHANGE_PATH,
                Some("application/json"),
                Some(as_text),
            )
            .await?;
        match &self.way {
            Way::Native(client) => {
                let (client, text) = (Arc::clone(client), text.clone());
                // What is signed is what is sent.
                let may_pack = !self.app.signs();
                let answer = on_threads(realm, async move {
                    Ok(client.exchange(text, &headers, may_pack).await)
                });
                answer.await??.with_bodies(as_body).map_err(Failure::from)
            }
            Way::Fetch(fetch) => {
                let asked = Asked {
                    method: "POST",
                    path: EXCHANGE_PATH,
                    headers: &headers,
                    body: Some(Sent::Text(as_text)),
                    wanted: Wanted::Message,
                };
                self.over_fetch(fetch, asked).await
            }
        }
    }

    async fn over_fetch(&self, fetch: &Fetch, asked: Asked<'_>) -> Result<Answer<Body>, Failure> {
        let realm = self.app.realm();
        let fetched = fetch.send(&self.app, asked).await?;
        let fetched =
            fetched.ok_or_else(|| Error::sync("malformed exchange answer", "there is none"))?;
        let bytes = realm.scope(|scope| {
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
            return Ok(realm.scope(|scope| read_answer(scope, realm, fetched.data.value(scope)?))?);
        };
        let content_type = fetched.content_type.unwrap_or_default();
        let answer = on_threads(realm, async move { read(&bytes, &content_type) }).await?;
        Ok(answer.with_bodies(as_body)?)
    }
}
