//! Rounds on the JS thread.
//!
//! A round is a Rust future. It is polled when it begins and after each promise that it waits for has
//! settled, from the reaction to that very promise. A reaction runs in the asynchronous context in which
//! it was attached, so whatever a round calls sees the context that the round was begun in
//! (`AsyncLocalStorage`), and so do its promises in turn. An executor with one queue of ready tasks could
//! not promise that, which is why this one has none.
//!
//! What is not a promise is made one: work on another thread, and the turn in a queue, end by ringing a
//! notify, a promise that was made in the round's context.
//!
//! A round that begins while another is being polled (an adapter that calls `exchange()` of another
//! engine) begins in a reaction of its own; polls never nest.

mod executor;
mod js_object;
mod offload;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use bytes::Bytes;
use futures_util::FutureExt;
use napi::sys;
use serde::Serialize;

use super::error::{to_js, to_js_of_call};
use super::value::{Call, Env, Intrinsic, Persistent, Scope, Value, enter, list};
use crate::error::{Error, Result};
use crate::joint::tasks::Tasks;
use crate::protocol::text::Text;
use crate::protocol::wire::Json;

pub use js_object::{Argument, JsObject, Made, await_js, kept};
pub use offload::{Offload, in_order_on_threads, on_a_thread, on_threads, take_turn, watch};

pub use executor::set_up_waits;

use executor::Executor;

/// What can be handed to JavaScript.
pub trait IntoJs: 'static {
    /// The value.
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>>;
}

impl<T: Argument + 'static> IntoJs for T {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        self.to_js(scope)
    }
}

/// What each of these becomes.
macro_rules! arguments {
    ($($type:ty: |$scope:ident, $value:ident| $made:expr;)*) => {
        $(impl Argument for $type {
            fn to_js<'s>(&self, $scope: Scope<'s>) -> Result<Value<'s>> {
                let $value = self;
                $made
            }
        })*
    };
}

arguments! {
    (): |scope, _unit| scope.undefined();
    bool: |scope, value| scope.boolean(*value);
    u32: |scope, value| scope.number(f64::from(*value));
    String: |scope, text| scope.text(text);
    Text: |scope, text| scope.string(text);
    Bytes: |scope, bytes| scope.buffer(bytes);
    Persistent: |scope, kept| kept.value(scope);
    serde_json::Value: |scope, json| parse_json(scope, &json.to_string());
    Json: |scope, json| parse_json(scope, json);
}

/// Nothing becomes `null`.
impl<T: IntoJs> IntoJs for Option<T> {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        self.map_or_else(|| scope.null(), |value| value.into_js(scope))
    }
}

impl<A: IntoJs, B: IntoJs> IntoJs for (A, B) {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let pair = scope.array()?;
        scope.set_element(pair, 0, self.0.into_js(scope)?)?;
        scope.set_element(pair, 1, self.1.into_js(scope)?)?;
        Ok(pair)
    }
}

impl<T: IntoJs> IntoJs for Vec<T> {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        list(scope, self, |scope, item| item.into_js(scope))
    }
}

/// `JSON.parse`
pub fn parse_json<'s>(scope: Scope<'s>, text: &str) -> Result<Value<'s>> {
    scope.helper(Intrinsic::Parse, &[scope.text(text)?])
}

/// What is data alone, as a value of its own.
pub fn write_data<'s>(scope: Scope<'s>, data: &impl Serialize) -> Result<Value<'s>> {
    let text = serde_json::to_string(data);
    parse_json(
        scope,
        &text.map_err(|error| Error::json("write as JSON", error))?,
    )
}

/// `JSON.stringify`, with what getters of a class answer.
pub fn stringify(scope: Scope<'_>, value: Value<'_>) -> Result<Json> {
    let text = scope.helper(Intrinsic::TextOf, &[value])?;
    Ok(scope
        .as_string(text)
        .unwrap_or_else(|| "null".to_owned())
        .into())
}

/// Begins a task. Answers the promise of its outcome.
pub fn spawn<T: IntoJs>(
    scope: Scope<'_>,
    work: impl Future<Output = Result<T>> + 'static,
) -> Result<Value<'_>> {
    begin(scope, None, work)
}

/// As [`spawn`], for the call of a [bound](super::value::bound) function that may take long: what hangs on its array is
/// kept meanwhile, and the stack of the error that it ends in leads to the call. That costs some microseconds, which the
/// call of a store would feel.
pub fn spawn_bound<'s, T: IntoJs>(
    call: &Call<'s>,
    work: impl Future<Output = Result<T>> + 'static,
) -> Result<Value<'s>> {
    let (scope, entered) = (call.scope, enter(call)?);
    let called = scope.keep(scope.error("")?)?;
    begin(scope, Some(called), async move {
        let _entered = entered;
        work.await
    })
}

/// Runs tasks until they end, each as a task of its own in the context of the caller. On the JS thread, in a task.
/// Keeps the process alive meanwhile.
pub async fn run_tasks<C: 'static>(env: &Rc<Env>, tasks: Tasks<C>, context: Rc<C>) -> Result<()> {
    let _offload = Offload::new(env);
    run_tasks_aside(env, tasks, context).await
}

/// The same where what hands tasks in keeps the process alive as long as it waits for them.
pub async fn run_tasks_aside<C: 'static>(
    env: &Rc<Env>,
    mut tasks: Tasks<C>,
    context: Rc<C>,
) -> Result<()> {
    loop {
        let (rest, mut next) = watch(env, tasks.next())?.await;
        tasks = rest;
        loop {
            let Some(task) = next else { return Ok(()) };
            let work = task(Rc::clone(&context));
            env.scope(|scope| {
                let work = async move {
                    work.await;
                    Ok(())
                };
                spawn(scope, work).map(drop)
            })?;
            match tasks.at_hand() {
                Some(task) => next = task,
                None => break,
            }
        }
    }
}

fn begin<T: IntoJs>(
    scope: Scope<'_>,
    called: Option<Persistent>,
    work: impl Future<Output = Result<T>> + 'static,
) -> Result<Value<'_>> {
    let (deferred, promise) = scope.promise()?;
    let promised = Promised {
        env: Rc::clone(scope.env()),
        deferred: Some(deferred),
        called,
    };
    // What is moved from here on is a pointer: a round is large.
    let work = AssertUnwindSafe(Box::pin(work)).catch_unwind();
    let future = async move {
        let outcome = work.await;
        promised.settle(outcome.unwrap_or_else(|payload| Err(Error::panicked(&*payload))));
    };
    let executor = Executor::of(scope.env());
    let task = executor.tasks.add(future);
    if !executor.tasks.is_polling() {
        task.run();
        return Ok(promise);
    }
    // In a reaction to a promise of its own, in the context of the caller.
    let (begin, now) = scope.promise()?;
    // The task is run by the reaction whatever it waits for.
    drop(executor.wait_for(scope, task, now)?);
    scope.settle(begin, Ok(scope.undefined()?))?;
    Ok(promise)
}

/// The promise of a task's outcome.
struct Promised {
    env: Rc<Env>,
    deferred: Option<sys::napi_deferred>,
    /// An error that was made where the task was begun, for its stack.
    called: Option<Persistent>,
}

impl Promised {
    fn settle<T: IntoJs>(mut self, outcome: Result<T>) {
        let Some(deferred) = self.deferred.take() else {
            return;
        };
        let env = &self.env;
        // If this fails, the environment is ending, and there is no one left to tell.
        let _ = env.scope(|scope| {
            let outcome = outcome.and_then(|value| value.into_js(scope));
            match outcome {
                Ok(value) => scope.settle(deferred, Ok(value)),
                Err(error) => {
                    let error = match &self.called {
                        Some(called) => to_js_of_call(scope, &error, called)?,
                        None => to_js(scope, &error)?,
                    };
                    scope.settle(deferred, Err(error))
                }
            }
        });
    }
}

impl Drop for Promised {
    /// A task that was dropped has no outcome: its promise stays as it is, but is held no longer.
    fn drop(&mut self) {
        if let Some(deferred) = self.deferred.take().filter(|_| self.env.is_alive()) {
            let env = &self.env;
            let _ = env.scope(|scope| {
                let never = scope.intrinsic(Intrinsic::Never)?;
                scope.settle(deferred, Ok(never))
            });
        }
    }
}
