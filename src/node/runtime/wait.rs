//! Waiting for the promises of adapters.
//!
//! A wait that lasts goes when its promise is collected, which cannot be settled then. The round that waited is dropped
//! with it.

use std::rc::Rc;

use super::executor::{Executor, SettledValue, Settlement};
use crate::error::Result;
use crate::node::value::{Call, Intrinsic, Scope, Value, function};
use crate::polling::{Task, Waiting};
use crate::protocol::hlc::safe_integer;

/// Sets up the waits of an environment: `create` is `createWaits` of `js/bridge/calls.js`.
pub fn set_up_waits<'s>(scope: Scope<'s>, create: Value<'s>) -> Result<()> {
    let executor = Executor::of(scope.env());
    let settling = Rc::clone(&executor);
    let settle = function(scope, "settle", move |call| {
        if let Some(id) = number(call) {
            let settlement = Settlement {
                fulfilled: call.scope.as_boolean(call.arg(1)) == Some(true),
                value: SettledValue::OfReaction(call.arg(2).raw()),
            };
            settling.waits.settle(id, settlement, |unread| {
                let value = SettledValue::Persistent(call.scope.keep(call.arg(2))?);
                Ok(Settlement { value, ..unread })
            })?;
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
    scope.set_intrinsic(Intrinsic::WaitFor, scope.get(made, "waitFor")?)?;
    scope.set_intrinsic(Intrinsic::CallMethod, scope.get(made, "callMethod")?)
}

/// The number of a wait, the first argument.
fn number(call: &Call<'_>) -> Option<u64> {
    call.scope.as_number(call.arg(0)).and_then(safe_integer)
}

impl Executor {
    /// Waits for an answer in the name of `task`, if it is a promise or like one.
    pub(super) fn wait_for(
        &self,
        scope: Scope<'_>,
        task: Rc<Task>,
        answer: Value<'_>,
    ) -> Result<Option<Waiting<Settlement>>> {
        let (id, waiting) = self.waits.begin(task);
        let args = [scope.count(id)?, scope.value(answer.raw())];
        let waits = scope.helper(Intrinsic::WaitFor, &args);
        if matches!(waits, Ok(waits) if scope.as_boolean(waits) == Some(true)) {
            return Ok(Some(waiting));
        }
        self.waits.forget(id);
        waits.map(|_| None)
    }

    /// Calls a method of an object in the name of the current task.
    pub(super) fn call<'s>(
        &self,
        scope: Scope<'s>,
        (object, method): (Value<'s>, Value<'s>),
        args: &[Value<'s>],
    ) -> Result<Called<'s>> {
        let (id, waiting) = self.waits.begin(self.tasks.current()?);
        let call = [scope.count(id)?, object, method];
        let answer = scope.helper(Intrinsic::CallMethod, &[&call[..], args].concat());
        let is_there = answer.and_then(|answer| Ok((scope.is_object(answer)?, answer)));
        if matches!(is_there, Ok((false, _))) {
            return Ok(Called::Waiting(waiting));
        }
        self.waits.forget(id);
        is_there.and_then(|(_, answer)| scope.element(answer, 0).map(Called::Answered))
    }
}

/// What became of a call.
pub(super) enum Called<'s> {
    /// It answered a promise, or what is like one.
    Waiting(Waiting<Settlement>),
    /// It answered something else.
    Answered(Value<'s>),
}
