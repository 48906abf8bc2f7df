//! Adapters that are this package's own: their stores are reached without JavaScript, their work done off its
//! thread.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::Result;
use crate::node::convert::Body;
use crate::node::runtime::{JsObject, on_a_thread, on_threads};
use crate::node::stores::Native;
use crate::node::value::Env;
use crate::store::ports::Threading;
use crate::store::{Json, Later};

/// The store that is behind an adapter now, if it is one of this package.
pub fn store_of<S: ?Sized + 'static>(adapter: &JsObject) -> Result<Option<Arc<S>>> {
    let native = adapter.native::<Native<S>>()?;
    Ok(native.map(|native| Arc::clone(&native.0)))
}

/// On a thread of the native side; the round goes on in its own context when the work is done.
#[derive(Clone)]
pub struct OffThread(pub Rc<Env>);

impl Threading for OffThread {
    type Body = Body;

    async fn run<T, W>(&self, begin: impl FnOnce() -> W + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>>,
    {
        on_a_thread(&self.0, begin).await
    }

    async fn wait<T: Send + 'static>(&self, work: Later<'static, T>) -> Result<T> {
        on_threads(&self.0, work).await
    }

    fn body(&self, json: Json) -> Body {
        Body::Json(json)
    }

    fn json(&self, body: &Body) -> Result<Json> {
        body.to_json(&self.0)
    }
}
