//! The work of stores, off the JavaScript thread.

use std::future::Future;
use std::rc::Rc;

use crate::error::Result;
use crate::node::convert::Body;
use crate::node::runtime::{on_a_thread, on_threads};
use crate::node::value::Env;
use crate::store::ports::Threading;
use crate::store::{Json, Later};

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
