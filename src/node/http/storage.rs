//! `createHttpObjectStorage(options)`

use std::any::Any;
use std::rc::Rc;

use serde::de::DeserializeOwned;

use super::callbacks::PeerOptions;
use super::fetching::{Way as Files, way_to};
use crate::error::{Error, ErrorKind, Result};
use crate::node::options::Options;
use crate::node::runtime::{IntoJs, on_threads, spawn, spawn_traced};
use crate::node::stores::{arguments, bytes_arg, stand_for};
use crate::node::value::{Call, Method, Persistent, Scope, Value, add_bound, enter};
use crate::protocol::item::Blob;
use crate::protocol::text::Text;
use crate::store::PutOptions;
use crate::transport::client::{DEFAULT_FILE_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES, Whole};

/// `createHttpObjectStorage(options)`
pub fn create_http_object_storage<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let options = Options::new(scope, call.arg(0))?;
    let app = Rc::new(PeerOptions::new(&options, call.arg(1))?);
    let limits = (DEFAULT_FILE_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES);
    let files = Rc::new(way_to(&options, &app, limits)?);
    let object = scope.object()?;
    add_bound(scope, (object, options.array()), METHODS, &files)?;
    let native: Rc<dyn Any> = match &*files {
        Files::Own(native) => Rc::clone(native) as _,
        Files::Fetch(fetch) => Rc::clone(fetch) as _,
    };
    stand_for(scope, "files", object, native)
}

const METHODS: &[(&str, Method<Rc<Files>>)] = &[
    ("init", |call, _| spawn(call.scope, async { Ok(()) })),
    ("close", |call, _| spawn(call.scope, async { Ok(()) })),
    ("healthCheck", |call, files| {
        running(call, files, async |files, ()| files.is_healthy().await)
    }),
    ("put", put),
    ("get", |call, files| {
        running(call, files, async |files, (key,)| get(files, &key).await)
    }),
    ("has", |call, files| {
        running(call, files, async |files, (key,): (Text,)| {
            files.has(&key).await
        })
    }),
    ("delete", |call, files| {
        running(call, files, async |files, (key,): (Text,)| {
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

/// Does `work` with the arguments and answers the promise of it.
fn running<'s, A: DeserializeOwned + 'static, T: IntoJs>(
    call: &Call<'s>,
    files: &Rc<Files>,
    work: impl AsyncFnOnce(&Files, A) -> Result<T> + 'static,
) -> Result<Value<'s>> {
    let (files, given) = (Rc::clone(files), arguments(call));
    let entered = enter(call)?;
    spawn_traced(call.scope, async move {
        let _entered = entered;
        work(&files, given?).await
    })
}

fn put<'s>(call: &Call<'s>, files: &Rc<Files>) -> Result<Value<'s>> {
    let (bytes, data) = (bytes_arg(call), call.scope.keep(call.arg(2))?);
    running(
        call,
        files,
        async move |files, (key, options): (Text, PutOptions)| {
            let (bytes, content_type) = (bytes?, options.content_type.as_deref());
            let put = match files {
                Files::Own(files) => files.put_bytes(&key, bytes.into(), content_type).await,
                Files::Fetch(files) => files.put(&key, &data, content_type).await,
            };
            put.map(drop)
        },
    )
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
