//! A channel: what the options of a handler, or of one channel of a server, describe.

use std::error::Error as StdError;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;

use crate::engine::object::{Incoming, pieces_of};
use crate::engine::ports::Log as EngineLog;
use crate::error::{Error, Result};
use crate::joint::serving::{StoreAnswers, StoreFiles};
use crate::node::adapters::{JsBlobs, store_of};
use crate::node::convert::as_body;
use crate::node::error::{invalid, warn};
use crate::node::options::Options;
use crate::node::runtime::{TaskQueue, await_js};
use crate::node::transport::{InProcess, Peer};
use crate::node::value::{Env, Persistent, Scope, Value};
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;
use crate::protocol::wire::Json;
use crate::store::ObjectStore;
use crate::transport::routes::{Refusal, Route};
use crate::transport::server::{
    About, Answers, Authorizer, Channel, DEFAULT_MAX_BODY, File, Files, Later, Log,
};

/// What of a channel lives on the JS thread.
pub struct JsChannel {
    answering: Answering,
    storage: JsBlobs,
    authorize: Option<Persistent>,
    max_body: u64,
    max_file: u64,
    env: Rc<Env>,
}

enum Answering {
    /// Over the stores of the options.
    Own(Box<InProcess>),
    /// The app's `transport`.
    Theirs(Peer),
}

impl JsChannel {
    /// The channel that the options describe.
    pub fn new(options: &Options<'_>, env: &Rc<Env>) -> Result<Self> {
        let bytes = |name, default: u64| {
            let default = usize::try_from(default).unwrap_or(usize::MAX);
            options.count(name, default).map(|count| match count {
                usize::MAX => u64::MAX,
                count => count as u64,
            })
        };
        let answering = match options.object_if_given("transport")? {
            Some(transport) => Answering::Theirs(Peer(transport)),
            None => Answering::Own(Box::new(InProcess::new(options, env)?)),
        };
        Ok(Self {
            answering,
            storage: JsBlobs(options.object("objectStorageAdapter")?),
            authorize: options.function("authorize")?,
            max_body: bytes("maxBodyBytes", DEFAULT_MAX_BODY)?,
            max_file: bytes("maxFileBytes", u64::MAX)?,
            env: Rc::clone(env),
        })
    }

    /// The answering side without the JS thread, if nothing of the channel is the app's.
    pub fn native_answers(
        &self,
        tasks: &TaskQueue<Context>,
        number: usize,
    ) -> Result<Option<StoreAnswers<Warnings>>> {
        let Answering::Own(in_process) = &self.answering else {
            return Ok(None);
        };
        let Some(clock) = in_process.clock().shared()? else {
            return Ok(None);
        };
        let log = Warnings(Across {
            tasks: tasks.clone(),
            channel: number,
            relays: false,
        });
        Ok(in_process.natively(log, clock)?.map(StoreAnswers::new))
    }

    async fn exchange(&self, request: Request<Json>) -> Result<Answer<Json>> {
        let request = request.with_bodies(as_body)?;
        let answer = match &self.answering {
            Answering::Own(in_process) => in_process.answer_json(request).await?,
            Answering::Theirs(peer) => peer.answer_json(request).await?,
        };
        answer.with_bodies(|body| body.to_json(&self.env))
    }

    /// What the app's `transport` answers to the text of a request.
    async fn relay(&self, request: &str) -> Result<Json> {
        let Answering::Theirs(peer) = &self.answering else {
            return Err(invalid("transport", "is not the app's"));
        };
        peer.relay(request).await
    }

    /// Only `true` lets a caller in.
    async fn opens(&self, visitor: Visitor, route: Route) -> Result<bool> {
        let Some(authorize) = &self.authorize else {
            return Ok(true);
        };
        await_js(
            &self.env,
            "authorize",
            |scope| {
                let args = [visitor.value(scope)?, wanted(scope, &route)?];
                scope.call(scope.undefined()?, authorize.value(scope)?, &args)
            },
            |scope, answer| {
                if let Some(opens) = scope.as_boolean(answer) {
                    return Ok(opens);
                }
                let got = scope.describe(answer, true)?;
                let what = format!("must answer true or false, got {got}");
                Err(invalid("authorize", &what))
            },
        )
        .await
    }
}

/// What a request asks for, whatever its spelling.
fn wanted<'s>(scope: Scope<'s>, route: &Route) -> Result<Value<'s>> {
    let key = match route.key() {
        Some(key) => scope.text(key)?,
        None => scope.null()?,
    };
    scope.object_of(&[("route", scope.text(route.name())?), ("key", key)])
}

/// Who `authorize` is asked about.
pub enum Visitor {
    /// The request of `node:http`.
    Request(Persistent),
    /// A request that never was in JavaScript.
    Head(Box<Parts>),
}

impl Visitor {
    fn value<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        let head = match self {
            Self::Request(request) => return request.value(scope),
            Self::Head(head) => head,
        };
        let headers = scope.object()?;
        for name in head.headers.keys() {
            let values = head.headers.get_all(name).iter();
            let values: Vec<_> = values
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            scope.set(headers, name.as_str(), scope.text(&values.join(", "))?)?;
        }
        scope.object_of(&[
            ("method", scope.text(head.method.as_str())?),
            ("url", scope.text(&head.uri.to_string())?),
            ("headers", headers),
        ])
    }
}

/// What tasks are run with: the channels, and the request of `node:http` where there is one.
pub struct Context {
    /// The channels, in the order of their numbers.
    pub channels: Vec<Rc<JsChannel>>,
    /// The request of `node:http`.
    pub request: Option<Persistent>,
}

/// The way to a channel from the native threads.
pub struct Across {
    tasks: TaskQueue<Context>,
    channel: usize,
    /// Whether exchanges go through to a transport that is the app's own.
    relays: bool,
}

/// The channel with this number, for the native threads. Finds out whose its storage is.
pub fn across(
    context: &Context,
    tasks: &TaskQueue<Context>,
    number: usize,
) -> Result<Option<Channel>> {
    let Some(channel) = context.channels.get(number) else {
        return Ok(None);
    };
    let store = store_of::<dyn ObjectStore>(&channel.storage.0)?;
    let relays = match &channel.answering {
        Answering::Own(_) => false,
        Answering::Theirs(peer) => !peer.is_in_process()?,
    };
    let way = Arc::new(Across {
        tasks: tasks.clone(),
        channel: number,
        relays,
    });
    let files: Arc<dyn Files> = match store {
        Some(store) => Arc::new(StoreFiles(store)),
        None => Arc::clone(&way) as _,
    };
    Ok(Some(Channel {
        answers: Arc::clone(&way) as _,
        files,
        authorizer: channel
            .authorize
            .as_ref()
            .map(|_| Arc::clone(&way) as Arc<dyn Authorizer>),
        log: way,
        max_body: channel.max_body,
        max_file: channel.max_file,
    }))
}

impl Across {
    /// Has `work` done with the channel.
    fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl AsyncFnOnce(Rc<JsChannel>, Rc<Context>) -> Result<T> + Send + 'static,
    ) -> Later<'_, T> {
        let number = self.channel;
        let work = async move |context: Rc<Context>| {
            let channel = context.channels.get(number).map(Rc::clone);
            let channel = channel.ok_or_else(|| invalid(operation, "has no such channel"))?;
            let outcome = work(Rc::clone(&channel), context).await;
            outcome.map_err(|error| said(&channel.env, operation, &error))
        };
        Box::pin(self.tasks.run(operation, work))
    }
}

/// Warnings of an answering side on the native threads: they are said where those of the others are.
pub struct Warnings(Across);

impl EngineLog for Warnings {
    fn warn(&self, message: &str, error: Option<&Error>) {
        let (number, message, error) = (self.0.channel, message.to_owned(), error.cloned());
        self.0.tasks.post(move |context| {
            if let Some(channel) = context.channels.get(number) {
                warn(&channel.env, &message, error.as_ref());
            }
        });
    }
}

/// The mark of an error that was said already.
#[derive(Debug, thiserror::Error)]
#[error("see the warning of the JavaScript thread")]
struct Said;

/// The error without its cause, which may be a value that only the JS thread may hold. A fault is said
/// before, with the cause.
fn said(env: &Rc<Env>, operation: &str, error: &Error) -> Error {
    if Refusal::of(error).is_fault() {
        say(env, operation, error);
    }
    Error::new(error.kind(), "", error.to_string()).caused_by(Said)
}

fn say(env: &Rc<Env>, operation: &str, error: &Error) {
    warn(
        env,
        &format!("{operation} failed for a caller"),
        Some(error),
    );
}

impl Answers for Across {
    fn exchange(&self, request: Request<Json>) -> Later<'_, Answer<Json>> {
        self.run("exchange", async move |channel: Rc<JsChannel>, _| {
            channel.exchange(request).await
        })
    }

    fn relay(&self, request: &[u8]) -> Option<Later<'_, Json>> {
        if !self.relays {
            return None;
        }
        let request = Json::from(String::from_utf8_lossy(request));
        Some(
            self.run("exchange", async move |channel: Rc<JsChannel>, _| {
                channel.relay(&request).await
            }),
        )
    }
}

impl Authorizer for Across {
    fn opens(&self, request: &Parts, route: &Route) -> Later<'_, bool> {
        let (head, route) = (request.clone(), route.clone());
        let opens = async move |channel: Rc<JsChannel>, context: Rc<Context>| {
            let visitor = match &context.request {
                Some(request) => Visitor::Request(request.clone()),
                None => Visitor::Head(Box::new(head)),
            };
            channel.opens(visitor, route).await
        };
        self.run("authorize", opens)
    }
}

impl Log for Across {
    fn fault(&self, operation: &'static str, error: &Error) {
        if error
            .cause()
            .is_some_and(<dyn StdError + Send + Sync>::is::<Said>)
        {
            return;
        }
        let error = error.clone();
        self.tasks.post(move |context: Rc<Context>| {
            if let Some(channel) = context.channels.first() {
                say(&channel.env, operation, &error);
            }
        });
    }
}

impl Files for Across {
    fn about(&self, key: String) -> Later<'_, Option<About>> {
        self.run("has", async move |channel: Rc<JsChannel>, _| {
            let stat = channel.storage.stat(&Text::from(key.as_str())).await?;
            Ok(stat.map(|stat| About {
                size: stat.size,
                digest: stat.digest,
                ..About::default()
            }))
        })
    }

    fn open(&self, key: String) -> Later<'_, Option<File>> {
        let fetched = self.run("get", async move |channel: Rc<JsChannel>, _| {
            let storage = &channel.storage;
            let read = |scope: Scope<'_>, file: Value<'_>| {
                let [data, content_type] = scope.pick(file, ["data", "contentType"])?;
                let data = scope.as_bytes(data).map(Bytes::from).ok_or_else(|| {
                    let what = "must answer an object whose `data` is a Uint8Array";
                    storage.0.wrong("get", what)
                })?;
                let content_type = scope.as_text(content_type);
                Ok((data, content_type.and_then(|text| text.to_utf8())))
            };
            storage.get(&Text::from(key.as_str()), read).await
        });
        Box::pin(async move {
            let file = |(bytes, content_type): (Bytes, Option<String>)| File {
                about: About {
                    size: Some(bytes.len() as u64),
                    content_type,
                    ..About::default()
                },
                size: bytes.len() as u64,
                read: Box::new(move |range| pieces_of(part(&bytes, &range))),
            };
            Ok(fetched.await?.map(file))
        })
    }

    fn put(&self, key: String, file: Incoming) -> Later<'_, ()> {
        Box::pin(async move {
            let content_type = file.content_type.as_deref().map(Text::from);
            let bytes = file.whole().await?;
            let put = async move |channel: Rc<JsChannel>, _| {
                let (storage, key) = (&channel.storage, Text::from(key.as_str()));
                let content_type = content_type.as_ref();
                let put = storage.put(&key, content_type, |scope| scope.buffer(&bytes));
                put.await
            };
            self.run("put", put).await
        })
    }

    fn delete(&self, key: String) -> Later<'_, ()> {
        self.run("delete", async move |channel: Rc<JsChannel>, _| {
            channel.storage.delete(&Text::from(key.as_str())).await
        })
    }
}

fn part(bytes: &Bytes, range: &std::ops::Range<u64>) -> Bytes {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(place(range.start)..place(range.end))
}
