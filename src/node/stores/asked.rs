//! What a store asks a function of the app for.

use std::rc::Rc;
use std::sync::Arc;

use crate::error::Result;
use crate::joint::tasks::{EndOfTasks, TaskQueue};
use crate::node::runtime::{await_js, run_tasks_aside, spawn};
use crate::node::value::{Call, Persistent};
use crate::store::Later;

/// What asks, from any thread.
pub type Ask = Arc<dyn Fn() -> Later<'static, String> + Send + Sync>;

/// The function is asked on its thread, in the context that the store was made in, for a text. What asks keeps the process
/// alive. `operation` is what errors call it.
pub fn asked(call: &Call<'_>, function: Persistent, operation: &'static str) -> Result<Ask> {
    let (queue, tasks) = TaskQueue::new();
    let (env, function) = (Rc::clone(call.env), Rc::new(function));
    spawn(call.scope, async move {
        run_tasks_aside(&env, tasks, function).await
    })?;
    let end = EndOfTasks(queue);
    let ask = move || -> Later<'static, String> {
        let queue = end.0.clone();
        let asking = async move |function: Rc<Persistent>| {
            await_js(
                function.env(),
                operation,
                |scope| scope.call(scope.undefined()?, function.value(scope)?, &[]),
                |scope, answer| Ok(scope.as_string(answer).unwrap_or_default()),
            )
            .await
        };
        Box::pin(async move { queue.run(operation, asking).await })
    };
    Ok(Arc::new(ask))
}
