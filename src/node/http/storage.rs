//! `createHttpObjectStorage(options)`

use std::rc::Rc;

use super::callbacks::{NativePeer, PeerOptions};
use super::fetching::{FetchPeer, over_fetch};
use crate::engine::ports::Blobs;
use crate::error::{Error, ErrorKind, Result};
use crate::node::options::Options;
use crate::node::runtime::{IntoJs, on_threads, spawn, spawn_traced};
use crate::node::stores::key_arg;
use crate::node::value::{Call, Method, Persistent, Scope, Value, add_bound, brand, enter};
use crate::protocol::item::Blob;
use crate::protocol::text::Text;
use crate::transport::client::{DEFAULT_FILE_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES, Whole};

enum Files {
    Native(Rc<NativePeer>),
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
        Files::Native(Rc::new(peer))
    };
    let files = Rc::new(files);
    let object = scope.object()?;
    add_bound(scope, (object, options.array()), METHODS, &files)?;
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
            scope.as_string(scope.get(options, "contentType")?)
        };
        let data = scope.keep(call.arg(1))?;
        Ok((key_arg(call, "put(key)")?, data, content_type))
    };
    running(
        call,
        files,
        arguments(),
        async |files, (key, data, content_type)| {
            files.put(&key, data, content_type.as_deref()).await
        },
    )
}

impl Files {
    /// A peer that cannot be reached is not well.
    async fn is_healthy(&self) -> Result<bool> {
        let (healthy, unreachable) = match self {
            Self::Native(files) => (files.is_healthy().await, ErrorKind::Sync),
            Self::Fetch(files) => (files.is_healthy().await, ErrorKind::Foreign),
        };
        healthy.or_else(|error| match error.kind() {
            kind if kind == ErrorKind::Sync || kind == unreachable => Ok(false),
            _ => Err(error),
        })
    }

    async fn has(&self, key: &Text) -> Result<bool> {
        match self {
            Self::Native(files) => files.has(key).await,
            Self::Fetch(files) => files.has(key).await,
        }
    }

    async fn delete(&self, key: &Text) -> Result<()> {
        match self {
            Self::Native(files) => files.delete(key).await,
            Self::Fetch(files) => files.delete(key).await,
        }
    }

    async fn get(&self, key: &Text) -> Result<Option<Whole<Persistent>>> {
        match self {
            Self::Native(files) => {
                let Some(object) = files.get_file(key).await? else {
                    return Ok(None);
                };
                let content_type = object.content_type.clone();
                let env = files.caller.env();
                let bytes = on_threads(env, object.whole()).await?;
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
            let bytes = scope.as_bytes(data);
            bytes.ok_or_else(|| scope.must_be_some("put(data)", "a Uint8Array", data))
        })?;
        match self {
            Self::Native(files) => {
                let put = files.put_bytes(key, bytes.into(), content_type).await;
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
        scope.set(object, "data", data.value(scope)?)?;
        if let Some(content_type) = &content_type {
            scope.set(object, "contentType", scope.text(content_type)?)?;
        }
        scope.set(object, "size", scope.count(size)?)?;
        Ok(object)
    }
}
