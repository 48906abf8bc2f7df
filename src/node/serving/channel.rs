//! A channel: what the options of a handler, or of one channel of a server, describe.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use crate::engine::ports::{Log as _, Stat};
use crate::error::{Error, Result};
use crate::joint::across::{self, Across, Around, LocalChannel, UrlFor, Warnings};
use crate::joint::serving::StoreAnswers;
use crate::joint::tasks::TaskQueue;
use crate::node::adapters::{JsBlobs, store_of};
use crate::node::console::Console;
use crate::node::convert::Body;
use crate::node::error::invalid;
use crate::node::options::Options;
use crate::node::runtime::{await_js, write_data};
use crate::node::transport::{InProcess, Peer};
use crate::node::value::{Env, Persistent, Scope, Value};
use crate::protocol::grant::Grant;
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;
use crate::protocol::wire::Json;
use crate::store::ObjectStore;
use crate::transport::presign::{FileToUpload, Presigned};
use crate::transport::server::{AccessRequest, Arrived, Channel, ChannelLimits};

/// What of a channel lives on the JS thread.
pub struct JsChannel {
    answering: Answering,
    storage: JsBlobs,
    authorize: Option<Persistent>,
    /// Of a server, what hears of arrivals.
    heard: Option<Persistent>,
    grant: Arc<Grant>,
    limits: ChannelLimits,
    log: Console,
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
        let answering = match options.object_if_given("transport")? {
            Some(transport) => Answering::Theirs(Peer(transport)),
            None => Answering::Own(Box::new(InProcess::new(options, env)?)),
        };
        Ok(Self {
            answering,
            storage: JsBlobs(options.object("objectStorageAdapter")?),
            authorize: options.function("authorize")?,
            heard: options.function("heard")?,
            grant: match options.string("apps")? {
                Some(json) => Arc::new(Grant::read("apps", &json)?),
                None => Arc::default(),
            },
            limits: ChannelLimits::read(|name, default| options.count(name, default))?,
            log: Console::of(options, env)?,
            env: Rc::clone(env),
        })
    }

    /// Whether the storage hands out urls.
    pub fn has_urls(&self) -> bool {
        // What cannot be looked at hands out nothing.
        self.storage.0.has("presign").unwrap_or(false)
    }

    /// The answering side without the JS thread, if nothing of the channel is the app's.
    pub fn native_answers(
        &self,
        tasks: &TaskQueue<Context>,
        number: usize,
    ) -> Result<Option<StoreAnswers<Warnings<Self>>>> {
        let Answering::Own(in_process) = &self.answering else {
            return Ok(None);
        };
        let Some(clock) = in_process.clock().shared()? else {
            return Ok(None);
        };
        let log = Warnings(Across::new(tasks, number, false));
        Ok(in_process.natively(log, clock)?.map(StoreAnswers::new))
    }
}

impl LocalChannel for JsChannel {
    type Request = Persistent;

    async fn exchange(&self, request: Request<Json>) -> Result<Answer<Json>> {
        let request = request.with_bodies(|json| Ok(Body::of(json)))?;
        let answer = match &self.answering {
            Answering::Own(in_process) => in_process.answer_json(request).await?,
            Answering::Theirs(peer) => peer.answer_json(request).await?,
        };
        answer.with_bodies(|body| body.to_json(&self.env))
    }

    async fn relay(&self, request: &str) -> Result<Json> {
        let Answering::Theirs(peer) = &self.answering else {
            return Err(invalid("transport", "is not the app's"));
        };
        peer.relay(request).await
    }

    async fn admits(
        &self,
        request: Option<&Persistent>,
        wanted: &AccessRequest,
    ) -> Result<Option<Grant>> {
        let Some(authorize) = &self.authorize else {
            return Ok(Some(Grant::default()));
        };
        await_js(
            &self.env,
            "authorize",
            |scope| {
                let given =
                    request.map_or_else(|| scope.undefined(), |given| given.value(scope))?;
                let args = [given, scope.text(&wanted.to_json().to_string())?];
                scope.call(scope.undefined()?, authorize.value(scope)?, &args)
            },
            |scope, answer| {
                let granted = scope.as_string(answer);
                granted
                    .map(|json| Grant::read("authorize", &json))
                    .transpose()
            },
        )
        .await
    }

    async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        self.storage.stat(key).await
    }

    async fn get(&self, key: &Text) -> Result<Option<(Bytes, Option<String>)>> {
        let read = |scope: Scope<'_>, file: Value<'_>| {
            let [data, content_type] = scope.pick(file, ["data", "contentType"])?;
            let data = scope.as_bytes(data).map(Bytes::from).ok_or_else(|| {
                let what = "must answer an object whose `data` is a Uint8Array";
                self.storage.0.wrong("get", what)
            })?;
            let content_type = scope.as_text(content_type);
            Ok((data, content_type.and_then(|text| text.to_utf8())))
        };
        self.storage.get(key, read).await
    }

    async fn put(&self, key: &Text, content_type: Option<&Text>, bytes: &Bytes) -> Result<()> {
        let put = self
            .storage
            .put(key, content_type, |scope| scope.buffer(bytes));
        put.await
    }

    async fn delete(&self, key: &Text) -> Result<()> {
        self.storage.delete(key).await
    }

    async fn presign(&self, way: UrlFor, file: &FileToUpload) -> Result<Option<Presigned>> {
        self.storage.presign(way, file).await
    }

    fn warn(&self, message: &str, error: Option<&Error>) {
        self.log.warn(message, error);
    }

    fn arrived(&self, arrived: &Arrived) {
        let Some(heard) = &self.heard else {
            return;
        };
        // `js/server.js` catches what listeners throw.
        let _ = self.env.scope(|scope| {
            let given = write_data(scope, arrived)?;
            scope.call(given, heard.value(scope)?, &[given]).map(drop)
        });
    }
}

/// What tasks of a server or a handler are run with.
pub type Context = across::Context<JsChannel>;

/// The channel with this number, for the native threads. Finds out whose its storage is.
pub fn across(
    context: &Context,
    tasks: &TaskQueue<Context>,
    number: usize,
) -> Result<Option<Channel>> {
    let Some(channel) = context.channels.get(number) else {
        return Ok(None);
    };
    let relays = match &channel.answering {
        Answering::Own(_) => false,
        Answering::Theirs(peer) => peer.0.native::<InProcess>()?.is_none(),
    };
    Ok(Some(Across::new(tasks, number, relays).channel(Around {
        store: store_of::<dyn ObjectStore>(&channel.storage.0)?,
        has_urls: channel.has_urls(),
        is_guarded: channel.authorize.is_some(),
        grant: Arc::clone(&channel.grant),
        limits: channel.limits.clone(),
    })))
}
