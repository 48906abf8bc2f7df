//! `createHttpSyncTransport(options)`

use std::rc::Rc;

use bytes::Bytes;

use super::peer::{NativePeer, PeerOptions, Way, text_of_answer, way_to};
use crate::engine::ports::Exchange;
use crate::error::Result;
use crate::node::convert::Body;
use crate::node::messages::{read_answer, read_request};
use crate::node::options::Options;
use crate::node::runtime::{on_threads, spawn_bound, stringify};
use crate::node::value::{Call, Env, Method, Persistent, Value, brand, object_of_methods};
use crate::protocol::message::{Answer, Expected, Request};
use crate::transport::client::{
    DEFAULT_EXCHANGE_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES, Fetched, read, text_of,
};

/// What is behind a transport object.
pub struct HttpTransport {
    app: Rc<PeerOptions>,
    way: Way,
}

/// `createHttpSyncTransport(options)`
pub fn create_http_sync_transport<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let app = Rc::new(PeerOptions::new(options, call.arg(1))?);
    let max_answer_bytes = options.count("maxAnswerBytes", DEFAULT_MAX_ANSWER_BYTES)?;
    let way = way_to(options, &app, (DEFAULT_EXCHANGE_TIMEOUT, max_answer_bytes))?;
    let native = Rc::new(HttpTransport { app, way });
    let object = object_of_methods(scope, options.array(), METHODS, &native)?;
    brand(scope, object, native)
}

const METHODS: &[(&str, Method<Rc<HttpTransport>>)] = &[("exchange", |call, transport| {
    let request = request_text(call);
    let transport = Rc::clone(transport);
    spawn_bound(call, async move {
        let (text, expected) = request?;
        transport.post(text, expected).await
    })
})];

/// The request of an app that calls `exchange` itself, as it is, with all that it says besides.
fn request_text(call: &Call<'_>) -> Result<(Bytes, Expected)> {
    let (scope, request) = (call.scope, call.arg(0));
    let expected = read_request(scope, request)?.expects();
    let text = stringify(scope, request)?;
    Ok((Bytes::copy_from_slice(text.as_bytes()), expected))
}

impl HttpTransport {
    /// The peer, where it is reached over connections of this package's own.
    pub fn native(&self) -> Option<&NativePeer> {
        match &self.way {
            Way::Own(peer) => Some(peer),
            Way::Fetch(_) => None,
        }
    }

    /// One request and its answer. The text is written, and the answer read, on the native threads.
    pub async fn exchange(&self, request: Request<Body>) -> Result<Answer<Body>> {
        let request = request.with_bodies(|body| body.to_json(self.app.env()))?;
        if let Some(peer) = self.native() {
            let answer = peer.exchange(request).await?;
            return answer.with_bodies(|json| Ok(Body::of(json)));
        }
        let request = Request {
            max_answer_bytes: Some(self.way.max_answer_bytes()),
            ..request
        };
        let expected = request.expects();
        self.post(text_of(&self.app, request).await?, expected)
            .await
    }

    async fn post(&self, text: Bytes, expected: Expected) -> Result<Answer<Body>> {
        let env = self.app.env();
        match &self.way {
            Way::Own(peer) => peer
                .post(text, expected)
                .await?
                .with_bodies(|json| Ok(Body::of(json))),
            Way::Fetch(peer) => {
                let sent = text.len();
                let read = async |fetched| Self::message_in(env, fetched, expected.items).await;
                let mut answer: Answer<Body> = peer.post((&text, expected), read).await?;
                answer.traffic.sent = sent;
                Ok(answer)
            }
        }
    }

    async fn message_in(
        env: &Rc<Env>,
        fetched: Fetched<Persistent>,
        items: usize,
    ) -> Result<Answer<Body>> {
        let bytes = env.scope(|scope| Ok(text_of_answer(scope, fetched.data.value(scope)?)))?;
        let Some(bytes) = bytes else {
            return env.scope(|scope| read_answer(scope, fetched.data.value(scope)?));
        };
        let content_type = fetched.head.content_type.unwrap_or_default();
        let received = bytes.len();
        let mut answer = on_threads(env, async move { read(&bytes, &content_type, items) }).await?;
        answer.traffic.received = received;
        answer.with_bodies(|json| Ok(Body::of(json)))
    }
}
