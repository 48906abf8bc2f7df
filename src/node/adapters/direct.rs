//! Adapters that are this package's own: their stores are reached without JavaScript, their work done off its
//! thread.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::Result;
use crate::node::convert::Body;
use crate::node::runtime::{JsObject, on_a_thread, on_threads};
use crate::node::stores::Native;
use crate::node::value::Env;
use crate::store::ports::{Port, Threading};
use crate::store::{Json, Later};

/// The store that is behind an adapter of this package, as of the beginning of the call.
pub struct Direct<S: ?Sized>(RefCell<Option<Arc<S>>>);

impl<S: ?Sized + 'static> Direct<S> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Looks at the adapter: an app may have replaced one of its functions since.
    pub fn look(&self, adapter: &JsObject) -> Result<()> {
        self.0.replace(store_of(adapter)?);
        Ok(())
    }

    /// What is behind it.
    pub fn get(&self) -> Option<Arc<S>> {
        self.0.borrow().clone()
    }

    /// The same as a port, whose work is done off this thread.
    pub fn port(&self, env: &Rc<Env>) -> Option<Port<S, OffThread>> {
        let place = OffThread(Rc::clone(env));
        self.get().map(|store| Port { store, place })
    }
}

/// The store that is behind an adapter now, if it is one of this package.
pub fn store_of<S: ?Sized + 'static>(adapter: &JsObject) -> Result<Option<Arc<S>>> {
    let native = adapter.native::<Native<S>>()?;
    Ok(native.map(|native| Arc::clone(&native.0)))
}

/// Asks the store where it is this package's own, else the app's adapter.
macro_rules! ask {
    ($whose:ident.$question:ident($($argument:expr),*)) => {
        match $whose.port() {
            Some(port) => port.$question($($argument),*).await,
            None => $whose.js.$question($($argument),*).await,
        }
    };
}

pub(super) use ask;

/// On a thread of the native side; the round goes on in its own context when the work is done.
#[derive(Clone)]
pub struct OffThread(Rc<Env>);

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
