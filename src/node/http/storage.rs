//! `createHttpObjectStorage(options)`

use std::rc::Rc;

use super::callbacks::PeerOptions;
use super::fetching::{Fetch, over_fetch};
use crate::error::{Error, ErrorKind, Result};
use crate::node::options::Options;
use crate::node::runtime::{IntoJs, on_threads, spawn, spawn_traced};
use crate::node::stores::key_arg;
use crate::node::value::{Call, Method, Persistent, Scope, Value, add_bound, brand, enter};
use crate::protocol::item::Blob;
use crate::protocol::text::Text;
use crate::transport::client::{DEFAULT_FILE_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES, Either, Whole};

type Files = Either<Rc<PeerOptions>, Fetch>;

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
        Files::Own(Rc::new(peer))
    };
    let files = Rc::new(files);
    let object = scope.object()?;
    add_bound(scope, (object, options.array()), METHODS, &files)?;
    match &*files {
        Files::Own(native) => brand(scope, object, Rc::clone(native) as _)?,
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
        running(call, files, key, async |files, key| get(files, &key).await)
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
        let (scope, given, options) = (call.scope, call.arg(1), call.arg(2));
        let content_type = if scope.is_nullish(options)? {
            None
        } else {
            scope.as_string(scope.get(options, "contentType")?)
        };
        let key = key_arg(call, "put(key)")?;
        let bytes = scope.as_bytes(given);
        let bytes = bytes.ok_or_else(|| scope.must_be_some("put(data)", "a Uint8Array", given))?;
        Ok((key, scope.keep(given)?, bytes, content_type))
    };
    let put = async |files: &Files, (key, data, bytes, content_type): (Text, _, Vec<u8>, _)| {
        let content_type: Option<String> = content_type;
        let content_type = content_type.as_deref();
        let put = match files {
            Files::Own(files) => files.put_bytes(&key, bytes.into(), content_type).await,
            Files::Fetch(files) => files.put(&key, &data, content_type).await,
        };
        put.map(drop)
    };
    running(call, files, arguments(), put)
}

async fn get(files: &Files, key: &Text) -> Result<Option<Whole<Persistent>>> {
    let files = match files {
        Files::Own(files) => files,
        Files::Fetch(files) => return files.get(&Blob::under(key.clone())).await,
    };
    let Some(object) = files.get_file(key).await? else {
        return Ok(None);
    };
    let content_type = object.content_type.clone();
    let env = files.caller.env();
    let bytes = on_threads(env, object.whole()).await?;
    Ok(Some(Whole {
        data: env.scope(|scope| scope.keep(scope.bytes(&bytes)?))?,
        size: bytes.len() as u64,
        content_type,
    }))
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
