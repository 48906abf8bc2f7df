//! `createHttpObjectStorage(options)`

use std::any::Any;
use std::rc::Rc;

use super::peer::{PeerOptions, Way as Files, way_to};
use crate::error::Result;
use crate::node::error::invalid;
use crate::node::options::Options;
use crate::node::runtime::{IntoJs, on_threads, spawn_bound, write_data};
use crate::node::stores::{arguments, bytes_arg, methods, stand_for};
use crate::node::value::{Call, Method, Persistent, Scope, Value, object_of_methods};
use crate::protocol::item::Blob;
use crate::protocol::text::Text;
use crate::store::PutOptions;
use crate::transport::client::{DEFAULT_FILE_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES, Whole};

/// `createHttpObjectStorage(options)`
pub fn create_http_object_storage<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let app = Rc::new(PeerOptions::new(options, call.arg(1))?);
    let limits = (DEFAULT_FILE_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES);
    let files = Rc::new(way_to(options, &app, limits)?);
    let object = object_of_methods(scope, options.array(), METHODS, &files)?;
    let native: Rc<dyn Any> = match &*files {
        Files::Own(native) => Rc::clone(native) as _,
        Files::Fetch(fetch) => Rc::clone(fetch) as _,
    };
    stand_for(scope, "files", object, native)
}

const METHODS: &[(&str, Method<Rc<Files>>)] = methods! { files, running,
    "init"() => Ok(());
    "close"() => Ok(());
    "healthCheck"() => files.is_healthy().await;
    "put"(key: Text, options: PutOptions), data = |call| {
        Ok((bytes_arg(call)?, call.scope.keep(call.arg(2))?))
    } => {
        let (bytes, data) = data;
        let blob = Blob {
            mime_type: options.content_type.as_deref().map(Text::from),
            ..Blob::under(key)
        };
        let put = match &*files {
            Files::Own(files) => files.put_bytes(&blob, bytes.into()).await,
            Files::Fetch(files) => files.put(&blob, &data).await,
        };
        put.map(drop)
    };
    "get"(key: Text) => get(&files, &key).await;
    "has"(key: Text) => files.has(&key).await;
    "delete"(key: Text) => files.delete(&key).await;
    "list"() => Err::<(), _>(invalid(
        "list",
        "an object storage over HTTP cannot list its keys; keep the keys in records",
    ));
};

fn running<'s, T: IntoJs>(
    call: &Call<'s>,
    work: Result<impl Future<Output = Result<T>> + 'static>,
) -> Result<Value<'s>> {
    spawn_bound(call, async move { work?.await })
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
        let object = write_data(scope, &self)?;
        scope.set(object, "data", self.data.value(scope)?)?;
        Ok(object)
    }
}
