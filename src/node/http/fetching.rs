//! Requests over a `fetch` of the app's.

use std::time::Duration;

use super::callbacks::PeerOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::node::error::thrown_in;
use crate::node::runtime::await_js;
use crate::node::value::{Handle, Intrinsic, Kind, Persistent, Scope, Value};
use crate::transport::client::{
    Failure, FileHead, Headers, LOOKED_AT, RetryPolicy, late, refused, too_long,
};

const NOT_FOUND: u16 = 404;

/// A `fetch`, and how long it may take.
pub struct Fetch {
    /// The function.
    pub function: Handle,
    /// `None` for as long as it likes.
    pub timeout: Option<Duration>,
    /// The most bytes of an answer.
    pub max_answer_bytes: usize,
}

/// A request.
pub struct Asked<'a> {
    /// Its method.
    pub method: &'static str,
    /// Its path below the base URL.
    pub path: &'a str,
    /// Its headers.
    pub headers: &'a Headers,
    /// Its body.
    pub body: Option<Sent<'a>>,
    /// What is wanted of the answer.
    pub wanted: Wanted,
    /// Further statuses that are an answer.
    pub accepts: &'a [u16],
}

/// The body of a request.
pub enum Sent<'a> {
    /// Text.
    Text(&'a str),
    /// A `Uint8Array`.
    Bytes(&'a Persistent),
}

/// What is wanted of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A message, which has a bound.
    Message,
    /// The bytes of a file, and how many of them there can be at most.
    File(Option<u64>),
    /// Nothing but the head.
    Nothing,
    /// Nothing but the head of an answer that has the first byte.
    FirstByte,
}

/// An answer, with a status from 200 to 299 or one that is accepted.
pub struct Fetched {
    /// The body.
    pub data: Persistent,
    /// The status, and what the headers say.
    pub head: FileHead,
}

impl Fetch {
    /// Sends a request. `None` for a status 404 where a file is asked for or deleted.
    pub async fn send(
        &self,
        app: &PeerOptions,
        asked: Asked<'_>,
    ) -> Result<Option<Fetched>, Failure> {
        let answer = await_js(
            app.env(),
            "fetch",
            |scope, invoke| {
                let fetch = app.env().intrinsic(scope, Intrinsic::FetchAnswer)?;
                let args = self.arguments(scope, app, &asked)?;
                invoke.take(scope, scope.call(scope.undefined()?, fetch, &args)?)
            },
            |scope, answer| self.read(scope, app, &asked, answer),
        )
        .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let again = if error.kind() == ErrorKind::Foreign && !is_abort(app, &error) {
                    RetryPolicy::Later
                } else {
                    RetryPolicy::Never
                };
                Err(Failure {
                    again,
                    ..error.into()
                })
            }
        };
        answer.map_err(|failure| failure.at(&app.base_url, asked.path))
    }

    fn arguments<'s>(
        &self,
        scope: Scope<'s>,
        app: &PeerOptions,
        asked: &Asked<'_>,
    ) -> Result<[Value<'s>; 8]> {
        let headers = scope.object()?;
        for (name, value) in asked.headers.iter() {
            scope.set_named(headers, name, scope.text(value)?)?;
        }
        let init = scope.object()?;
        scope.set_named(init, "method", scope.text(asked.method)?)?;
        scope.set_named(init, "headers", headers)?;
        match &asked.body {
            Some(Sent::Text(text)) => scope.set_named(init, "body", scope.text(text)?)?,
            Some(Sent::Bytes(bytes)) => scope.set_named(init, "body", bytes.value(scope)?)?,
            None => {}
        }
        let wanted = match asked.wanted {
            Wanted::Message => "message",
            Wanted::File(_) => "file",
            Wanted::Nothing | Wanted::FirstByte => "none",
        };
        // How far the bytes of a body got cannot be seen from here, so no limit can be kept.
        let limit = self
            .timeout
            .filter(|_| !matches!(asked.body, Some(Sent::Bytes(_))));
        #[allow(clippy::cast_precision_loss, reason = "a bound")]
        let most = match asked.wanted {
            Wanted::File(most) => most.map_or(f64::INFINITY, |most| most as f64),
            _ => self.max_answer_bytes as f64,
        };
        let is_file = matches!(asked.wanted, Wanted::File(_));
        Ok([
            app.owner.value(scope)?,
            self.function.value(scope)?,
            scope.text(&format!("{}{}", app.base_url, asked.path))?,
            init,
            scope.text(wanted)?,
            match limit {
                Some(limit) => scope.number(limit.as_secs_f64() * 1000.0)?,
                None => scope.undefined()?,
            },
            scope.boolean(is_file)?,
            scope.number(most)?,
        ])
    }

    fn read(
        &self,
        scope: Scope<'_>,
        app: &PeerOptions,
        asked: &Asked<'_>,
        answer: Value<'_>,
    ) -> Result<Result<Option<Fetched>, Failure>> {
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
            Some("late") => {
                let patience = self.timeout.unwrap_or_default().as_millis();
                let what = format!("did not answer within {patience} ms");
                return Ok(Err(late(&app.base_url, &what)));
            }
            Some("long") if matches!(asked.wanted, Wanted::File(_)) => {
                let what = "more bytes came than the item's object has; nothing of them is kept";
                let error = Error::new(ErrorKind::SizeMismatch, "fetch an object", what);
                return Ok(Err(error.into()));
            }
            Some("long") => {
                let failure = Failure::from(too_long(self.max_answer_bytes));
                return Ok(Err(failure.answered(status)));
            }
            _ => {}
        }
        let data = scope.get_named(answer, "data")?;
        let is_ok = scope.as_boolean(scope.get_named(answer, "ok")?) == Some(true);
        if is_ok || asked.accepts.contains(&status) {
            return Ok(Ok(Some(Fetched {
                data: app.env().keep(scope, data)?,
                head: read_head(scope, status, scope.get_named(answer, "headers")?)?,
            })));
        }
        let may_be_absent = asked.wanted != Wanted::Message && asked.method != "PUT";
        if may_be_absent && status == NOT_FOUND {
            return Ok(Ok(None));
        }
        let again = RetryPolicy::of_status(status, text("retryAfter")?.as_deref());
        let body = match scope.kind(data)? {
            Kind::String => scope.as_text(data).map(|text| text.to_string()),
            _ => scope
                .as_bytes(data)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        };
        let what = match asked.wanted {
            Wanted::Message => asked.path.to_owned(),
            _ => format!("{} {}", asked.method, asked.path),
        };
        let line = text("line")?.unwrap_or_default();
        let body = body.unwrap_or_default();
        Ok(Err(refused(&what, status, &line, &body, again)))
    }
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
fn is_abort(app: &PeerOptions, error: &Error) -> bool {
    let Some(thrown) = thrown_in(error) else {
        return false;
    };
    let name = app.env().scope(|scope| {
        let thrown = thrown.value(scope)?;
        if scope.kind(thrown)? != Kind::Object {
            return Ok(None);
        }
        Ok(scope.as_text(scope.get_named(thrown, "name")?))
    });
    // A name that cannot be read is another one.
    matches!(name, Ok(Some(name)) if name.to_string() == "AbortError")
}
