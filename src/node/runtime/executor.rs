//! The tasks of an environment, and the promises that they wait for.
//!
//! A wait that lasts goes when its promise is collected, which cannot be settled then. The round that waited is dropped
//! with it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use napi::sys;

use crate::error::Result;
use crate::node::value::{Call, Env, Intrinsic, Kind, Persistent, Runtime, Scope, Value, function};
use crate::polling::{Task, Tasks, Waiting, Waits};
use crate::protocol::hlc::safe_integer;

/// The tasks of one environment.
#[derive(Default)]
pub(super) struct Executor {
    pub(super) tasks: Rc<Tasks>,
    pub(super) waits: Waits<Settlement>,
    notifies: RefCell<HashMap<u64, sys::napi_deferred>>,
    next_notify: Cell<u64>,
    offloaded: Cell<usize>,
}

impl Executor {
    /// The executor of `env`.
    pub(super) fn of(env: &Rc<Env>) -> Rc<Self> {
        let executor = env.run_by(|| Rc::<Self>::default());
        // There is no other runtime.
        executor.downcast().unwrap_or_default()
    }

    /// A number under which `deferred` is settled once it is rung.
    pub(super) fn notify_by(&self, deferred: sys::napi_deferred) -> u64 {
        let id = self.next_notify.replace(self.next_notify.get() + 1);
        self.notifies.borrow_mut().insert(id, deferred);
        id
    }

    /// How many more things are under way on other threads. While there are any, the process is kept alive.
    pub(super) fn offload(&self, env: &Rc<Env>, step: isize) {
        let before = self.offloaded.get();
        let after = before.saturating_add_signed(step);
        self.offloaded.set(after);
        if (before == 0) != (after == 0) {
            env.remote.hold_process(env.raw(), after > 0);
        }
    }
}

impl Runtime for Executor {
    fn hear(&self, env: &Rc<Env>, rung: Vec<u64>) {
        for notify in rung {
            let Some(deferred) = self.notifies.borrow_mut().remove(&notify) else {
                continue;
            };
            // Fails only where the environment is ending.
            let _ = env.scope(|scope| scope.settle(deferred, Ok(scope.undefined()?)));
        }
    }

    /// Rounds are dropped where they stand.
    fn end(&self) {
        self.tasks.end();
        self.waits.end();
    }
}

/// What a promise was fulfilled, or rejected, with.
pub(super) type Settlement = std::result::Result<Persistent, Persistent>;

/// Sets up the waits of an environment: `create` is `createWaits` of `js/bridge/calls.js`.
pub fn set_up_waits<'s>(scope: Scope<'s>, create: Value<'s>) -> Result<()> {
    let executor = Executor::of(scope.env());
    let settling = Rc::clone(&executor);
    let settle = function(scope, "settle", move |call| {
        if let Some(id) = number(call) {
            let value = call.scope.keep(call.arg(2))?;
            let is_fulfilled = call.scope.is_truthy(call.arg(1));
            settling
                .waits
                .settle(id, if is_fulfilled { Ok(value) } else { Err(value) });
        }
        Ok(call.scope.nothing())
    })?;
    let lost = function(scope, "lost", move |call| {
        if let Some(id) = number(call) {
            executor.waits.lose(id);
        }
        call.scope.undefined()
    })?;
    let made = scope.call(create, create, &[settle, lost])?;
    scope.set_intrinsic(Intrinsic::WaitFor, scope.get(made, "waitFor")?)
}

/// The number of a wait, the first argument.
fn number(call: &Call<'_>) -> Option<u64> {
    call.scope.as_number(call.arg(0)).and_then(safe_integer)
}

impl Executor {
    /// Waits in the name of `task` for an answer that can be a promise, or like one. Returns the answer, and what it is
    /// waited for by where it is a promise; see `js/bridge/calls.js`.
    pub(super) fn wait_for<'s>(
        &self,
        scope: Scope<'s>,
        task: Rc<Task>,
        answer: Value<'s>,
    ) -> Result<(Value<'s>, Option<Waiting<Settlement>>)> {
        if !matches!(
            scope.kind(answer)?,
            Kind::Object | Kind::Function | Kind::Symbol
        ) {
            return Ok((answer, None));
        }
        let (id, waiting) = self.waits.begin(task);
        let ask = |id| scope.helper(Intrinsic::WaitFor, &[id, answer]);
        let answer = scope.count(id).and_then(ask);
        let is_symbol = |answer: &Value<'s>| matches!(scope.kind(*answer), Ok(Kind::Symbol));
        let waits = answer.as_ref().is_ok_and(is_symbol);
        if !waits {
            self.waits.forget(id);
        }
        answer.map(|answer| (answer, waits.then_some(waiting)))
    }
}
