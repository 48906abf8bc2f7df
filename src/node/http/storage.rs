//! `createHttpObjectStorage(options)`

use std::rc::Rc;

use super::callbacks::PeerOptions;
use super::fetching::{FetchPeer, over_fetch};
use super::files::{NativeFiles, collect};
use crate::engine::ports::Blobs;
use crate::error::{Error, ErrorKind, Result};
use crate::node::error::must_be;
use crate::node::options::Options;
use crate::node::runtime::{IntoJs, on_threads, spawn, spawn_traced};
use crate::node::stores::key_arg;
use crate::node::value::{Call, Key, Method, Persistent, Scope, Value, bound, brand, enter};
use crate::protocol::item::Blob;
use crate::protocol::text::Text;
use crate::transport::client::{DEFAULT_FILE_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES, Whole};

enum Files {
    Native(Rc<NativeFiles>),
    Fetch(Rc<FetchPeer>),
}

/// `createHttpObjectStorage(options)`
pub fn create_http_object_storage<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let options = Options::new(scope, call.arg(0))?;
    let app = Rc::new(PeerOptions::new(&options, call.arg(1))?);
    let files = if let Some(peer) = over_fetch(&options, &app, DEFAULT_MAX_ANSWER_BYTES)? {
        Files::Fetch(Rc::new(peer))
    } else {
        let timeout = options.time("timeoutMs", Some(DEFAULT_FILE_TIMEOUT))?;
        let peer = app.peer(timeout, DEFAULT_MAX_ANSWER_BYTES);
        Files::Native(Rc::new(NativeFiles(peer)))
    };
    let files = Rc::new(files);
    let object = scope.object()?;
    for (name, body) in METHODS {
        let files = Rc::clone(&files);
        let method = bound(scope, name, options.array(), move |call| body(call, &files))?;
        scope.set_named(object, name, method)?;
    }
    match &*files {
        Files::Native(native) => brand(scope, object, Rc::clone(native) as _)?,
        Files::Fetch(fetch) => brand(scope, object, Rc::clone(fetch) as _)?,
    }
    Ok(object)
}

const METHODS: &[(&str, Method<Rc<Files>>)] = &[
    ("init", |call, _| spawn(call.scope, async { Ok(()) })),
    ("close", |call, _| spawn(call.scope, async { Ok(()) })),
    ("healthCheck", |call, files| {
        let healthy = async |files: &Files, ()| files.is_healthy().await;
        running(call, files, Ok(()), healthy)
    }),
    ("put", put),
    ("get", |call, files| {
        let key = key_arg(call, "get(key)");
        running(call, files, key, async |files, key| files.get(&key).await)
    }),
    ("has", |call, files| {
        let key = key_arg(call, "has(key)");
        running(call, files, key, async |files, key| files.has(&key).await)
    }),
    ("delete", |call, files| {
        let key = key_arg(call, "delete(key)");
        running(call, files, key, async |files, key| {
            files.delete(&key).await
        })
    }),
    ("list", |call, _| {
        spawn(call.scope, async {
            Err::<(), _>(Error::new(
                ErrorKind::InvalidArgument,
                "list",
                "an object storage over HTTP cannot list its keys; keep the keys in records",
            ))
        })
    }),
];

/// Does `work` and answers the promise of it. What is wrong with the arguments rejects the promise.
fn running<'s, A: 'static, T: IntoJs>(
    call: &Call<'s>,
    files: &Rc<Files>,
    arguments: Result<A>,
    work: impl AsyncFnOnce(&Files, A) -> Result<T> + 'static,
) -> Result<Value<'s>> {
    let files = Rc::clone(files);
    let entered = enter(call)?;
    spawn_traced(call.scope, async move {
        let _entered = entered;
        work(&files, arguments?).await
    })
}

fn put<'s>(call: &Call<'s>, files: &Rc<Files>) -> Result<Value<'s>> {
    let arguments = || -> Result<_> {
        let (scope, options) = (call.scope, call.arg(2));
        let content_type = if scope.is_nullish(options)? {
            None
        } else {
            scope.as_text(scope.get(options, Key::ContentType)?)
        };
        let data = scope.keep(call.arg(1))?;
        Ok((key_arg(call, "put(key)")?, data, content_type))
    };
    running(
        call,
        files,
        arguments(),
        async |files, (key, data, content_type)| {
            let content_type = content_type.map(|text| text.to_string());
            files.put(&key, data, content_type.as_deref()).await
        },
    )
}

impl Files {
    /// A peer that cannot be reached is not well.
    async fn is_healthy(&self) -> Result<bool> {
        let (healthy, unreachable) = match self {
            Self::Native(files) => (files.0.is_healthy().await, ErrorKind::Sync),
            Self::Fetch(files) => (files.is_healthy().await, ErrorKind::Foreign),
        };
        healthy.or_else(|error| match error.kind() {
            kind if kind == ErrorKind::Sync || kind == unreachable => Ok(false),
            _ => Err(error),
        })
    }

    async fn has(&self, key: &Text) -> Result<bool> {
        match self {
            Self::Native(files) => files.0.has(key).await,
            Self::Fetch(files) => files.has(key).await,
        }
    }

    async fn delete(&self, key: &Text) -> Result<()> {
        match self {
            Self::Native(files) => files.0.delete(key).await,
            Self::Fetch(files) => files.delete(key).await,
        }
    }

    async fn get(&self, key: &Text) -> Result<Option<Whole<Persistent>>> {
        match self {
            Self::Native(files) => {
                let Some(object) = files.0.get_file(key).await? else {
                    return Ok(None);
                };
                let content_type = object.content_type.clone();
                let env = files.0.caller.env();
                let bytes = on_threads(env, collect(object)).await?;
                let data = env.scope(|scope| scope.keep(scope.bytes(&bytes)?))?;
                let size = bytes.len() as u64;
                Ok(Some(Whole {
                    data,
                    size,
                    content_type,
                }))
            }
            Self::Fetch(files) => files.get(&Blob::under(key.clone())).await,
        }
    }

    async fn put(&self, key: &Text, data: Persistent, content_type: Option<&str>) -> Result<()> {
        let env = data.env();
        let bytes = env.scope(|scope| {
            let data = data.value(scope)?;
            let got = || scope.describe_kind(data);
            let bytes = scope.as_bytes(data);
            bytes.ok_or_else(|| must_be("put(data)", "a Uint8Array", &got()))
        })?;
        match self {
            Self::Native(files) => {
                let put = files.0.put_bytes(key, bytes.into(), content_type).await;
                put.map(drop)
            }
            Self::Fetch(files) => files.put(key, &data, content_type).await.map(drop),
        }
    }
}

impl IntoJs for Whole<Persistent> {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let Self {
            data,
            size,
            content_type,
        } = self;
        let object = scope.object()?;
        scope.set(object, Key::Data, data.value(scope)?)?;
        if let Some(content_type) = &content_type {
            scope.set(object, Key::ContentType, scope.text(content_type)?)?;
        }
        scope.set_named(object, "size", scope.count(size)?)?;
        Ok(object)
    }
}
