//! Waiting for the promises of adapters.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use napi::sys;

use super::Task;
use crate::binding::error::Thrown;
use crate::binding::js::{Call, Intrinsic, Kept, Key, Kind, Realm, Scope, Value, function};
use crate::error::{Error, ErrorKind, Result};

/// A promise that is waited for. The two reactions are made once and used again.
pub(super) struct Wait {
    realm: Rc<Realm>,
    reactions: RefCell<Option<(Kept, Kept)>>,
    task: RefCell<Option<Rc<Task>>>,
    waker: RefCell<Option<Waker>>,
    settled: RefCell<Option<Settlement>>,
    abandoned: Cell<bool>,
}

/// How a promise settled.
pub(super) struct Settlement {
    fulfilled: bool,
    value: SettledValue,
}

/// What a promise settled with. A task that is polled in the reaction itself reads the reaction's own
/// argument; only for one that is not is the value kept.
enum SettledValue {
    OfReaction(sys::napi_value),
    Kept(Kept),
}

impl SettledValue {
    fn value<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        match self {
            Self::OfReaction(raw) => Ok(scope.value(*raw)),
            Self::Kept(kept) => kept.value(scope),
        }
    }
}

impl Wait {
    pub(super) fn idle(scope: Scope<'_>, realm: &Rc<Realm>) -> Result<Rc<Self>> {
        if let Some(wait) = realm.executor.idle.borrow_mut().pop() {
            return Ok(wait);
        }
        let wait = Rc::new(Self {
            realm: Rc::clone(realm),
            reactions: RefCell::new(None),
            task: RefCell::new(None),
            waker: RefCell::new(None),
            settled: RefCell::new(None),
            abandoned: Cell::new(false),
        });
        let reaction = |fulfilled: bool| {
            let wait = Rc::downgrade(&wait);
            let made = function(scope, realm, "", move |call| {
                if let Some(wait) = wait.upgrade() {
                    wait.settle(call, fulfilled)?;
                }
                call.scope.undefined()
            })?;
            realm.keep(scope, made)
        };
        *wait.reactions.borrow_mut() = Some((reaction(true)?, reaction(false)?));
        Ok(wait)
    }

    pub(super) fn arm(self: &Rc<Self>, task: Rc<Task>) {
        self.abandoned.set(false);
        self.settled.replace(None);
        self.task.replace(Some(task));
    }

    pub(super) fn attach(self: &Rc<Self>, scope: Scope<'_>, promise: Value<'_>) -> Result<()> {
        let reactions = self.reactions.borrow();
        let Some((fulfilled, rejected)) = reactions.as_ref() else {
            return Ok(());
        };
        let then = self.realm.intrinsic(scope, Intrinsic::Then)?;
        scope.call(
            promise,
            then,
            &[fulfilled.value(scope)?, rejected.value(scope)?],
        )?;
        // From here on the reaction keeps the wait: see `settle`.
        std::mem::forget(Rc::clone(self));
        Ok(())
    }

    fn settle(self: &Rc<Self>, call: &Call<'_>, fulfilled: bool) -> Result<()> {
        // SAFETY: takes back the count that `attach` left with the reaction; a promise settles once.
        unsafe { Rc::decrement_strong_count(Rc::as_ptr(self)) };
        let task = self.task.replace(None);
        if self.abandoned.get() {
            self.rest();
        } else {
            self.settled.replace(Some(Settlement {
                fulfilled,
                value: SettledValue::OfReaction(call.arg(0).raw()),
            }));
            if let Some(waker) = self.waker.replace(None) {
                waker.wake();
            }
        }
        if let Some(task) = task {
            task.run();
        }
        if let Some(unread) = self.settled.borrow_mut().as_mut() {
            unread.value = SettledValue::Kept(call.realm.keep(call.scope, call.arg(0))?);
        }
        Ok(())
    }

    /// Goes back to be used again.
    fn rest(self: &Rc<Self>) {
        self.realm.executor.idle.borrow_mut().push(Rc::clone(self));
    }
}

/// Waits for a promise.
pub(super) struct Waiting(Option<Rc<Wait>>);

impl Future for Waiting {
    type Output = Settlement;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settlement> {
        let Some(wait) = self.0.as_ref() else {
            return Poll::Pending;
        };
        let Some(settlement) = wait.settled.replace(None) else {
            wait.waker.replace(Some(context.waker().clone()));
            return Poll::Pending;
        };
        wait.rest();
        self.0 = None;
        Poll::Ready(settlement)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(wait) = self.0.take() {
            wait.abandoned.set(true);
            if wait.settled.replace(None).is_some() {
                wait.rest();
            }
        }
    }
}

/// Awaits whatever an adapter answered: `read` gets the value, or what the promise was fulfilled with.
/// `begin` is called at once, in a scope of its own.
pub async fn await_js<R>(
    realm: &Rc<Realm>,
    operation: &str,
    begin: impl for<'s> FnOnce(Scope<'s>) -> Result<Value<'s>>,
    read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<R>,
) -> Result<R> {
    enum Begun<R, F> {
        Done(R),
        Pending(Waiting, F),
    }
    let state = realm.scope(|scope| {
        let answer = begin(scope).map_err(|error| Thrown::rename(error, operation))?;
        match as_promise(scope, realm, answer)? {
            None => read(scope, answer).map(Begun::Done),
            Some(promise) => Ok(Begun::Pending(wait_for(scope, realm, promise)?, read)),
        }
    })?;
    match state {
        Begun::Done(result) => Ok(result),
        Begun::Pending(waiting, read) => match waiting.await {
            Settlement {
                fulfilled: true,
                value,
            } => realm.scope(|scope| read(scope, value.value(scope)?)),
            Settlement { value, .. } => realm.scope(|scope| {
                let reason = realm.keep(scope, value.value(scope)?)?;
                Err(Thrown::kept(reason, operation))
            }),
        },
    }
}

fn as_promise<'s>(
    scope: Scope<'s>,
    realm: &Rc<Realm>,
    answer: Value<'s>,
) -> Result<Option<Value<'s>>> {
    if scope.is_promise(answer)? {
        return Ok(Some(answer));
    }
    if !matches!(scope.kind(answer)?, Kind::Object | Kind::Function) {
        return Ok(None);
    }
    let then = scope.get(realm, answer, Key::Then)?;
    if scope.kind(then)? != Kind::Function {
        return Ok(None);
    }
    let resolve = realm.intrinsic(scope, Intrinsic::Resolve)?;
    scope
        .call(
            realm.intrinsic(scope, Intrinsic::Promise)?,
            resolve,
            &[answer],
        )
        .map(Some)
}

pub(super) fn wait_for(scope: Scope<'_>, realm: &Rc<Realm>, promise: Value<'_>) -> Result<Waiting> {
    let task = realm.executor.current.borrow().clone();
    let Some(task) = task else {
        return Err(Error::new(
            ErrorKind::Internal,
            "wait for a promise",
            "nothing but a round may wait",
        ));
    };
    let wait = Wait::idle(scope, realm)?;
    wait.arm(task);
    wait.attach(scope, promise)?;
    Ok(Waiting(Some(wait)))
}
