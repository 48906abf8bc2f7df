//! A `fetch` of the app's.

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use super::callbacks::PeerOptions;
use crate::error::Result;
use crate::node::options::Options;
use crate::node::runtime::await_js;
use crate::node::value::{Intrinsic, Persistent, Scope, Thrown, Value};
use crate::transport::client::{
    Asked, Content, Either, Failure, OverFetch, RetryPolicy, Sender, Sent, Wanted, said_of,
};

/// A peer over a `fetch` of the app's.
pub type FetchPeer = OverFetch<Fetch, Rc<PeerOptions>>;

/// A `fetch`, and how long it may take.
pub struct Fetch {
    function: Persistent,
    owner: Persistent,
    base_url: String,
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
            owner: app.owner.clone(),
            base_url: app.base_url.clone(),
            timeout: options.time("timeoutMs", None)?,
            max_answer_bytes,
        },
        base_url: app.base_url.clone(),
        retries: app.retries,
        forbidden_is_absent: app.forbidden_is_absent,
        caller: Rc::clone(app),
    })))
}

impl Sender for Fetch {
    type Data = Persistent;

    async fn send(&self, asked: &Asked<'_, Persistent>) -> Result<Sent<Persistent>, Failure> {
        let answer = await_js(
            self.owner.env(),
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
        let size = |scope: Scope<'_>| Ok(scope.byte_length(data.value(scope)?));
        data.env().scope(size)
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn max_answer_bytes(&self) -> usize {
        self.max_answer_bytes
    }
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
        let limit = self.timeout.filter(|_| asked.is_seen());
        let most = match asked.wanted {
            Wanted::File(most) => most,
            _ => Some(self.max_answer_bytes as u64),
        };
        let wanted = json!({
            "url": format!("{}{}", self.base_url, asked.path),
            "method": asked.method,
            "headers": asked.headers.iter().collect::<Vec<_>>(),
            "kind": asked.wanted.name(),
            "timeoutMs": limit.map(|limit| limit.as_secs_f64() * 1000.0),
            "idle": matches!(asked.wanted, Wanted::File(_)),
            "most": most,
        });
        let (owner, fetch) = (self.owner.value(scope)?, self.function.value(scope)?);
        Ok([owner, fetch, scope.text(&wanted.to_string())?, body])
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
