//! A `fetch` of the app's.

use std::rc::Rc;
use std::time::Duration;

use super::callbacks::PeerOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::node::options::Options;
use crate::node::runtime::await_js;
use crate::node::value::{Env, Handle, Intrinsic, Kind, Persistent, Scope, Value, thrown_in};
use crate::transport::client::{
    Answered, Asked, Content, Failure, FileHead, LOOKED_AT, OverFetch, RetryPolicy, Sender, Sent,
    Wanted,
};

/// A peer over a `fetch` of the app's.
pub type FetchPeer = OverFetch<Fetch, Rc<PeerOptions>>;

/// A `fetch`, and how long it may take.
pub struct Fetch {
    function: Handle,
    owner: Handle,
    base_url: String,
    /// `None` for as long as it likes.
    timeout: Option<Duration>,
    max_answer_bytes: usize,
}

/// The peer over the `fetch` of the options, if there is one.
pub fn over_fetch(
    options: &Options<'_>,
    app: &Rc<PeerOptions>,
    max_answer_bytes: usize,
) -> Result<Option<FetchPeer>> {
    let Some(function) = options.function("fetch")? else {
        return Ok(None);
    };
    Ok(Some(OverFetch {
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
    }))
}

impl Sender for Fetch {
    type Data = Persistent;

    async fn send(&self, asked: &Asked<'_, Persistent>) -> Result<Sent<Persistent>, Failure> {
        let env = self.owner.env();
        let answer = await_js(
            env,
            "fetch",
            |scope| {
                let fetch = scope.intrinsic(Intrinsic::FetchAnswer)?;
                scope.call(scope.undefined()?, fetch, &self.arguments(scope, asked)?)
            },
            read,
        )
        .await;
        answer.map_err(|error| {
            let again = if error.kind() == ErrorKind::Foreign && !is_abort(env, &error) {
                RetryPolicy::Later
            } else {
                RetryPolicy::Never
            };
            Failure {
                again,
                ..error.into()
            }
        })
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
    /// The arguments of `fetchAnswer` of `js/fetch.js`.
    fn arguments<'s>(
        &self,
        scope: Scope<'s>,
        asked: &Asked<'_, Persistent>,
    ) -> Result<[Value<'s>; 8]> {
        let headers = scope.object()?;
        for (name, value) in asked.headers.iter() {
            scope.set_named(headers, name, scope.text(value)?)?;
        }
        let init =
            scope.object_of(&[("method", scope.text(asked.method)?), ("headers", headers)])?;
        match &asked.body {
            Some(Content::Text(text)) => scope.set_named(init, "body", scope.text(text)?)?,
            Some(Content::Bytes(bytes)) => scope.set_named(init, "body", bytes.value(scope)?)?,
            None => {}
        }
        let wanted = match asked.wanted {
            Wanted::Message => "message",
            Wanted::File(_) => "file",
            Wanted::Nothing | Wanted::FirstByte => "none",
        };
        // How far the bytes of a body got cannot be seen from here, so no limit can be kept.
        let is_seen = !matches!(asked.body, Some(Content::Bytes(_)));
        let limit = self.timeout.filter(|_| is_seen);
        #[allow(clippy::cast_precision_loss, reason = "a bound")]
        let most = match asked.wanted {
            Wanted::File(most) => most.map_or(f64::INFINITY, |most| most as f64),
            _ => self.max_answer_bytes as f64,
        };
        Ok([
            self.owner.value(scope)?,
            self.function.value(scope)?,
            scope.text(&format!("{}{}", self.base_url, asked.path))?,
            init,
            scope.text(wanted)?,
            match limit {
                Some(limit) => scope.number(limit.as_secs_f64() * 1000.0)?,
                None => scope.undefined()?,
            },
            scope.boolean(matches!(asked.wanted, Wanted::File(_)))?,
            scope.number(most)?,
        ])
    }
}

/// Reads what `fetchAnswer` answers.
fn read(scope: Scope<'_>, answer: Value<'_>) -> Result<Sent<Persistent>> {
    let text = |name| {
        let value = scope.get_named(answer, name)?;
        Ok::<_, Error>(scope.as_text(value).map(|text| text.to_string()))
    };
    let status = scope.as_number(scope.get_named(answer, "status")?);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a status is a small number; another one is no status that is known"
    )]
    let status = status.unwrap_or_default() as u16;
    match text("outcome")?.as_deref() {
        Some("late") => return Ok(Sent::Late),
        Some("long") => return Ok(Sent::Long(status)),
        _ => {}
    }
    let data = scope.get_named(answer, "data")?;
    let is_ok = scope.as_boolean(scope.get_named(answer, "ok")?) == Some(true);
    let explanation = match scope.kind(data)? {
        _ if is_ok => None,
        Kind::String => text("data")?,
        _ => {
            let bytes = scope.as_bytes(data);
            bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        }
    };
    Ok(Sent::Answered(Answered {
        data: scope.keep(data)?,
        head: read_head(scope, status, scope.get_named(answer, "headers")?)?,
        is_ok,
        line: text("line")?.unwrap_or_default(),
        explanation: explanation.unwrap_or_default(),
        retry_after: text("retryAfter")?,
    }))
}

/// The head of an answer. A double that has no headers at all is believed.
fn read_head(scope: Scope<'_>, status: u16, headers: Value<'_>) -> Result<FileHead> {
    if scope.is_nullish(headers)? {
        return Ok(FileHead::believed(status));
    }
    let mut found = Vec::new();
    for name in LOOKED_AT {
        let value = scope.as_text(scope.get_named(headers, name)?);
        found.extend(value.map(|value| (name, value.to_string())));
    }
    Ok(FileHead::new(status, |name| {
        let found = found.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    }))
}

/// Whether the app itself called the request off.
fn is_abort(env: &Rc<Env>, error: &Error) -> bool {
    let Some(thrown) = thrown_in(error) else {
        return false;
    };
    let name = env.scope(|scope| {
        let thrown = thrown.value(scope)?;
        if scope.kind(thrown)? != Kind::Object {
            return Ok(None);
        }
        Ok(scope.as_text(scope.get_named(thrown, "name")?))
    });
    // A name that cannot be read is another one.
    matches!(name, Ok(Some(name)) if name.to_string() == "AbortError")
}
