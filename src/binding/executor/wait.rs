//! Waiting for the promises of adapters.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use napi::sys;

use super::Task;
use crate::binding::error::{Thrown, invalid};
use crate::binding::js::{Call, Intrinsic, Kept, Key, Realm, Scope, Value, function};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::safe_integer;

/// A promise that is waited for. Known to `marshal.js` by its number, and used again.
pub(super) struct Wait {
    id: u32,
    task: RefCell<Option<Rc<Task>>>,
    waker: RefCell<Option<Waker>>,
    settled: RefCell<Option<Settlement>>,
    abandoned: Cell<bool>,
    /// When it began, counted in waits.
    began: Cell<u64>,
    /// Whether its reactions hang on the promise alone.
    loose: Cell<bool>,
}

/// The waits of one environment.
///
/// A wait that lasts is made loose: it goes when its promise is collected, which nobody can settle then.
/// The round that waited is dropped with it.
#[derive(Default)]
pub(super) struct Waits {
    all: RefCell<Vec<Rc<Wait>>>,
    idle: RefCell<Vec<Rc<Wait>>>,
    begun: Cell<u64>,
    next_look: Cell<u64>,
}

/// After so many later ones a wait counts as one that lasts.
const LASTING: u64 = 1024;

impl Waits {
    /// A wait for `task`.
    pub(super) fn arm(&self, task: Rc<Task>) -> Rc<Wait> {
        let wait = self.idle.borrow_mut().pop().unwrap_or_else(|| {
            let mut all = self.all.borrow_mut();
            let wait = Rc::new(Wait {
                id: u32::try_from(all.len()).unwrap_or(u32::MAX),
                task: RefCell::new(None),
                waker: RefCell::new(None),
                settled: RefCell::new(None),
                abandoned: Cell::new(false),
                began: Cell::new(0),
                loose: Cell::new(false),
            });
            all.push(Rc::clone(&wait));
            wait
        });
        self.begun.set(self.begun.get() + 1);
        wait.began.set(self.begun.get());
        wait.loose.set(false);
        wait.abandoned.set(false);
        wait.settled.replace(None);
        wait.task.replace(Some(task));
        wait
    }

    fn rest(&self, wait: &Rc<Wait>) {
        wait.task.replace(None);
        self.idle.borrow_mut().push(Rc::clone(wait));
    }

    /// The waits that last and are not loose yet. They are looked for seldom.
    fn loosen_lasting(&self) -> Vec<u32> {
        let now = self.begun.get();
        if now < self.next_look.get() {
            return Vec::new();
        }
        let all = self.all.borrow();
        self.next_look
            .set(now + LASTING.max(u64::try_from(all.len()).unwrap_or(u64::MAX)));
        let lasts = |wait: &&Rc<Wait>| {
            wait.task.borrow().is_some() && !wait.loose.get() && wait.began.get() + LASTING <= now
        };
        let lasting = all.iter().filter(lasts);
        lasting
            .map(|wait| {
                wait.loose.set(true);
                wait.id
            })
            .collect()
    }

    /// The wait that a call of `marshal.js` is about.
    fn named_by(&self, call: &Call<'_>) -> Option<Rc<Wait>> {
        let id = call.scope.as_number(call.arg(0)).and_then(safe_integer)?;
        let id = usize::try_from(id).ok()?;
        self.all.borrow().get(id).cloned()
    }

    /// `lost(id)` of `marshal.js`: nobody holds the promise any more.
    fn lose(&self, call: &Call<'_>) {
        let Some(wait) = self.named_by(call).filter(|wait| wait.loose.get()) else {
            return;
        };
        let Some(task) = wait.task.replace(None) else {
            return;
        };
        task.abandon();
        if wait.abandoned.get() {
            self.rest(&wait);
        }
    }

    /// `settle(id, fulfilled, value)` of `marshal.js`.
    fn settle(&self, call: &Call<'_>) -> Result<()> {
        let Some(wait) = self.named_by(call) else {
            return Ok(());
        };
        let task = wait.task.replace(None);
        if wait.abandoned.get() {
            self.rest(&wait);
        } else {
            wait.settled.replace(Some(Settlement {
                fulfilled: call.scope.as_boolean(call.arg(1)).unwrap_or(false),
                value: SettledValue::OfReaction(call.arg(2).raw()),
            }));
            if let Some(waker) = wait.waker.replace(None) {
                waker.wake();
            }
        }
        if let Some(task) = task {
            task.run();
        }
        if let Some(unread) = wait.settled.borrow_mut().as_mut() {
            unread.value = SettledValue::Kept(call.realm.keep(call.scope, call.arg(2))?);
        }
        Ok(())
    }

    /// The environment ends.
    pub(super) fn end(&self) {
        let (all, idle) = (
            std::mem::take(&mut *self.all.borrow_mut()),
            std::mem::take(&mut *self.idle.borrow_mut()),
        );
        for wait in &all {
            wait.task.replace(None);
        }
        drop((all, idle));
    }
}

/// Sets up the calls of adapters in an environment: `create` is `createCaller` of `marshal.js`.
pub fn set_up_calls(scope: Scope<'_>, realm: &Rc<Realm>, create: Value<'_>) -> Result<()> {
    let settle = function(scope, realm, "settle", |call| {
        call.realm.executor.waits.settle(call)?;
        call.scope.undefined()
    })?;
    let lost = function(scope, realm, "lost", |call| {
        call.realm.executor.waits.lose(call);
        call.scope.undefined()
    })?;
    let caller = scope.call(scope.undefined()?, create, &[settle, lost])?;
    let parts = [
        ("callMethod", Intrinsic::CallMethod),
        ("take", Intrinsic::TakeAnswer),
        ("loosen", Intrinsic::Loosen),
        ("never", Intrinsic::Never),
        ("waiting", Intrinsic::Waiting),
        ("notCallable", Intrinsic::NotCallable),
    ];
    for (name, intrinsic) in parts {
        realm.set_intrinsic(scope, intrinsic, scope.get_named(caller, name)?)?;
    }
    Ok(())
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

/// Waits for a promise.
pub(super) struct Waiting {
    realm: Rc<Realm>,
    wait: Option<Rc<Wait>>,
}

impl Future for Waiting {
    type Output = Settlement;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settlement> {
        let Some(wait) = self.wait.as_ref() else {
            return Poll::Pending;
        };
        let Some(settlement) = wait.settled.replace(None) else {
            wait.waker.replace(Some(context.waker().clone()));
            return Poll::Pending;
        };
        self.realm.executor.waits.rest(wait);
        self.wait = None;
        Poll::Ready(settlement)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(wait) = self.wait.take() {
            wait.abandoned.set(true);
            if wait.settled.replace(None).is_some() {
                self.realm.executor.waits.rest(&wait);
            }
        }
    }
}

/// One call of the app's code by a round.
pub struct Invocation<'r> {
    realm: &'r Rc<Realm>,
    waiting: RefCell<Option<Waiting>>,
}

impl Invocation<'_> {
    /// `object[key](...args)` of an adapter that came in as `owner`.
    pub fn method<'s>(
        &self,
        scope: Scope<'s>,
        (object, owner): (Value<'s>, &str),
        key: Key,
        args: &[Value<'s>],
    ) -> Result<Value<'s>> {
        let key_value = self.realm.key(scope, key)?;
        let answer = self.with_wait(scope, Intrinsic::CallMethod, &[object, key_value], args)?;
        let waits = self.waiting.borrow().is_some();
        if !waits && scope.same(answer, self.realm.intrinsic(scope, Intrinsic::NotCallable)?)? {
            return Err(invalid(
                &format!("{owner}.{}", key.name()),
                "is not a function; pass an adapter that has it",
            ));
        }
        Ok(answer)
    }

    /// Takes whatever a function of the app's answered.
    pub fn take<'s>(&self, scope: Scope<'s>, answer: Value<'s>) -> Result<Value<'s>> {
        self.with_wait(scope, Intrinsic::TakeAnswer, &[answer], &[])
    }

    fn with_wait<'s>(
        &self,
        scope: Scope<'s>,
        caller: Intrinsic,
        head: &[Value<'s>],
        args: &[Value<'s>],
    ) -> Result<Value<'s>> {
        let task = self.realm.executor.current.borrow().clone();
        let task = task.ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "call an adapter",
                "nothing but a round may wait",
            )
        })?;
        let waits = &self.realm.executor.waits;
        let wait = waits.arm(task);
        for lasting in waits.loosen_lasting() {
            let loosen = self.realm.intrinsic(scope, Intrinsic::Loosen)?;
            let id = scope.count(u64::from(lasting))?;
            scope.call(scope.undefined()?, loosen, &[id])?;
        }
        let mut all = Vec::with_capacity(1 + head.len() + args.len());
        all.push(scope.count(u64::from(wait.id))?);
        all.extend_from_slice(head);
        all.extend_from_slice(args);
        let caller = self.realm.intrinsic(scope, caller)?;
        let answer = scope.call(scope.undefined()?, caller, &all);
        let is_waiting = match &answer {
            Ok(answer) => scope.same(*answer, self.realm.intrinsic(scope, Intrinsic::Waiting)?)?,
            Err(_) => false,
        };
        if is_waiting {
            let realm = Rc::clone(self.realm);
            *self.waiting.borrow_mut() = Some(Waiting {
                realm,
                wait: Some(wait),
            });
        } else {
            waits.rest(&wait);
        }
        answer
    }
}

/// Awaits whatever an adapter answers: `read` gets the value, or what the promise was fulfilled with.
/// `begin` is called at once, in a scope of its own.
pub async fn await_js<R>(
    realm: &Rc<Realm>,
    operation: &str,
    begin: impl for<'s> FnOnce(Scope<'s>, &Invocation<'_>) -> Result<Value<'s>>,
    read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<R>,
) -> Result<R> {
    enum Begun<R, F> {
        Done(R),
        Pending(Waiting, F),
    }
    let state = realm.scope(|scope| {
        let invocation = Invocation {
            realm,
            waiting: RefCell::new(None),
        };
        let answer = begin(scope, &invocation).map_err(|error| Thrown::rename(error, operation))?;
        match invocation.waiting.take() {
            None => read(scope, answer).map(Begun::Done),
            Some(waiting) => Ok(Begun::Pending(waiting, read)),
        }
    })?;
    match state {
        Begun::Done(result) => Ok(result),
        Begun::Pending(waiting, read) => {
            let Settlement { fulfilled, value } = waiting.await;
            realm.scope(|scope| {
                let value = value.value(scope)?;
                if fulfilled {
                    return read(scope, value);
                }
                Err(Thrown::kept(realm.keep(scope, value)?, operation))
            })
        }
    }
}

/// Waits for a promise of this package's own, in the name of `task`.
pub(super) fn wait_for(
    scope: Scope<'_>,
    realm: &Rc<Realm>,
    task: Rc<Task>,
    promise: Value<'_>,
) -> Result<Waiting> {
    let wait = realm.executor.waits.arm(task);
    let take = realm.intrinsic(scope, Intrinsic::TakeAnswer)?;
    scope.call(
        scope.undefined()?,
        take,
        &[scope.count(u64::from(wait.id))?, promise],
    )?;
    Ok(Waiting {
        realm: Rc::clone(realm),
        wait: Some(wait),
    })
}
