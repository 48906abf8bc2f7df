//! Rounds on the JS thread.
//!
//! A round is a Rust future. It is polled when it begins and after each promise that it waits for has
//! settled, from the reaction to that very promise. A reaction runs in the asynchronous context in which
//! it was attached, so whatever a round calls sees the context that the round was begun in
//! (`AsyncLocalStorage`), and so do its promises in turn. An executor with one queue of ready tasks could
//! not promise that, which is why this one has none.
//!
//! What is not a promise is made one: work on another thread, and the turn in a queue, end by ringing a
//! [`Bell`], a promise that was made in the round's context.
//!
//! A round that begins while another is being polled (an adapter that calls `exchange()` of another
//! engine) begins in a reaction of its own; polls never nest.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use napi::sys;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::error::{Thrown, panicked, to_js};
use super::js::{Call, Intrinsic, Kept, Key, Kind, Realm, Scope, Value, function};
use crate::error::{Error, ErrorKind, Result};

type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The tasks of one environment.
#[derive(Default)]
pub struct Executor {
    current: RefCell<Option<Rc<Task>>>,
    tasks: RefCell<Vec<Weak<Task>>>,
    idle: RefCell<Vec<Rc<Wait>>>,
    bells: RefCell<HashMap<u64, sys::napi_deferred>>,
    next_bell: Cell<u64>,
    away: Cell<usize>,
}

/// So many values may stay held without a use while a round goes on.
const LEFT_HELD: usize = 32;

struct Task {
    realm: Rc<Realm>,
    future: RefCell<Option<LocalFuture>>,
    polling: Cell<bool>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl Task {
    fn run(self: &Rc<Self>) {
        if self.polling.replace(true) {
            return;
        }
        let before = self.realm.executor.current.replace(Some(Rc::clone(self)));
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut context = Context::from_waker(&waker);
        loop {
            self.woken.0.store(false, Ordering::Release);
            let mut slot = self.future.borrow_mut();
            let Some(future) = slot.as_mut() else { break };
            if future.as_mut().poll(&mut context).is_ready() {
                let finished = slot.take();
                drop(slot);
                drop(finished);
                break;
            }
            drop(slot);
            if !self.woken.0.load(Ordering::Acquire) {
                break;
            }
        }
        self.realm.executor.current.replace(before);
        self.polling.set(false);
        let few = if self.future.borrow().is_some() { LEFT_HELD } else { 0 };
        // What could not be let go of is let go of after a later poll.
        let _ = self.realm.let_go(few);
    }
}

/// What can be handed to JavaScript.
pub trait IntoJs: 'static {
    /// The value.
    fn into_js<'s>(self, scope: Scope<'s>, realm: &Rc<Realm>) -> Result<Value<'s>>;
}

impl IntoJs for () {
    fn into_js<'s>(self, scope: Scope<'s>, _: &Rc<Realm>) -> Result<Value<'s>> {
        scope.undefined()
    }
}

impl IntoJs for bool {
    fn into_js<'s>(self, scope: Scope<'s>, _: &Rc<Realm>) -> Result<Value<'s>> {
        scope.boolean(self)
    }
}

impl IntoJs for Kept {
    fn into_js<'s>(self, scope: Scope<'s>, _: &Rc<Realm>) -> Result<Value<'s>> {
        self.value(scope)
    }
}

/// Begins a task. Answers the promise of its outcome.
pub fn spawn<'s, T: IntoJs>(
    scope: Scope<'s>,
    realm: &Rc<Realm>,
    work: impl Future<Output = Result<T>> + 'static,
) -> Result<Value<'s>> {
    let (deferred, promise) = scope.promise()?;
    let for_outcome = Rc::clone(realm);
    let future = async move {
        let outcome = CatchPanics(work).await;
        settle(&for_outcome, deferred, outcome);
    };
    let task = Rc::new(Task {
        realm: Rc::clone(realm),
        future: RefCell::new(Some(Box::pin(future))),
        polling: Cell::new(false),
        woken: Arc::new(Woken(AtomicBool::new(false))),
    });
    let executor = &realm.executor;
    {
        let mut tasks = executor.tasks.borrow_mut();
        tasks.retain(|task| task.strong_count() > 0);
        tasks.push(Rc::downgrade(&task));
    }
    if executor.current.borrow().is_none() {
        task.run();
        return Ok(promise);
    }
    let wait = Wait::idle(scope, realm)?;
    wait.arm(task);
    let nothing = scope.undefined()?;
    let resolve = realm.intrinsic(scope, Intrinsic::Resolve)?;
    let now = scope.call(realm.intrinsic(scope, Intrinsic::Promise)?, resolve, &[nothing])?;
    wait.attach(scope, now)?;
    Ok(promise)
}

fn settle<T: IntoJs>(realm: &Rc<Realm>, deferred: sys::napi_deferred, outcome: Result<T>) {
    // The environment is ending where this fails: nobody is left to be told.
    let _ = realm.scope(|scope| {
        let outcome = outcome.and_then(|value| value.into_js(scope, realm));
        match outcome {
            Ok(value) => scope.settle(deferred, Ok(value)),
            Err(error) => scope.settle(deferred, Err(to_js(scope, realm, &error)?)),
        }
    });
}

struct CatchPanics<F>(F);

impl<T, F: Future<Output = Result<T>>> Future for CatchPanics<F> {
    type Output = Result<T>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        // SAFETY: the field is pinned with the struct and never moved out.
        let inner = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        catch_unwind(AssertUnwindSafe(|| inner.poll(context)))
            .unwrap_or_else(|payload: Box<dyn Any + Send>| Poll::Ready(Err(panicked(&*payload))))
    }
}

/// A promise that is waited for. The two reactions are made once and used again.
struct Wait {
    realm: Rc<Realm>,
    reactions: RefCell<Option<(Kept, Kept)>>,
    task: RefCell<Option<Rc<Task>>>,
    waker: RefCell<Option<Waker>>,
    settled: RefCell<Option<Settlement>>,
    abandoned: Cell<bool>,
}

/// How a promise settled.
struct Settlement {
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
    fn idle(scope: Scope<'_>, realm: &Rc<Realm>) -> Result<Rc<Self>> {
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

    fn arm(self: &Rc<Self>, task: Rc<Task>) {
        self.abandoned.set(false);
        self.settled.replace(None);
        self.task.replace(Some(task));
    }

    fn attach(self: &Rc<Self>, scope: Scope<'_>, promise: Value<'_>) -> Result<()> {
        let reactions = self.reactions.borrow();
        let Some((fulfilled, rejected)) = reactions.as_ref() else {
            return Ok(());
        };
        let then = self.realm.intrinsic(scope, Intrinsic::Then)?;
        scope.call(promise, then, &[fulfilled.value(scope)?, rejected.value(scope)?])?;
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
struct Waiting(Option<Rc<Wait>>);

impl Future for Waiting {
    type Output = Settlement;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settlement> {
        let Some(wait) = self.0.as_ref() else {
            return Poll::Pending;
        };
        match wait.settled.replace(None) {
            Some(settlement) => {
                wait.rest();
                self.0 = None;
                Poll::Ready(settlement)
            }
            None => {
                wait.waker.replace(Some(context.waker().clone()));
                Poll::Pending
            }
        }
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
    let begun = realm.scope(|scope| {
        let answer = begin(scope).map_err(|error| Thrown::rename(error, operation))?;
        match as_promise(scope, realm, answer)? {
            None => read(scope, answer).map(Begun::Done),
            Some(promise) => Ok(Begun::Pending(wait_for(scope, realm, promise)?, read)),
        }
    })?;
    match begun {
        Begun::Done(result) => Ok(result),
        Begun::Pending(waiting, read) => match waiting.await {
            Settlement { fulfilled: true, value } => realm.scope(|scope| read(scope, value.value(scope)?)),
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
    scope.call(realm.intrinsic(scope, Intrinsic::Promise)?, resolve, &[answer]).map(Some)
}

fn wait_for(scope: Scope<'_>, realm: &Rc<Realm>, promise: Value<'_>) -> Result<Waiting> {
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

/// A promise of this package's own, made in the context of the current round.
pub struct Bell {
    realm: Rc<Realm>,
    id: u64,
    waiting: Waiting,
}

impl Bell {
    /// A bell for the current round.
    pub fn new(realm: &Rc<Realm>) -> Result<Self> {
        realm.scope(|scope| {
            let (deferred, promise) = scope.promise()?;
            let waiting = wait_for(scope, realm, promise)?;
            let executor = &realm.executor;
            let id = executor.next_bell.get();
            executor.next_bell.set(id + 1);
            executor.bells.borrow_mut().insert(id, deferred);
            Ok(Self {
                realm: Rc::clone(realm),
                id,
                waiting,
            })
        })
    }

    /// What it is rung by.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Waits until it is rung.
    pub async fn rung(self) {
        let _ = self.waiting.await;
        let _ = self.realm;
    }
}

impl Executor {
    /// Rings bells, on the JS thread.
    pub fn hear(&self, realm: &Realm, bells: Vec<u64>) {
        for bell in bells {
            let Some(deferred) = self.bells.borrow_mut().remove(&bell) else {
                continue;
            };
            // Fails only where the environment is ending.
            let _ = realm.scope(|scope| scope.settle(deferred, Ok(scope.undefined()?)));
        }
    }

    /// The environment ends: rounds are dropped where they stand.
    pub fn end(&self) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        for task in tasks.iter().filter_map(Weak::upgrade) {
            if let Ok(mut future) = task.future.try_borrow_mut() {
                let dropped = future.take();
                drop(future);
                drop(dropped);
            }
        }
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        drop(idle);
    }

    fn away(&self, realm: &Realm, step: isize) {
        let before = self.away.get();
        let after = before.saturating_add_signed(step);
        self.away.set(after);
        if (before == 0) != (after == 0) {
            realm.remote.hold_process(realm, after > 0);
        }
    }
}

/// Runs `work` on the threads of the native side, and comes back to the round's context when it is done.
pub async fn on_threads<T: Send + 'static>(
    realm: &Rc<Realm>,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    struct Away<'r>(&'r Rc<Realm>);
    impl Drop for Away<'_> {
        fn drop(&mut self) {
            if self.0.is_alive() {
                self.0.executor.away(self.0, -1);
            }
        }
    }
    let (done, mut answer) = oneshot::channel();
    let bell = Bell::new(realm)?;
    let (remote, id) = (Arc::clone(&realm.remote), bell.id());
    realm.executor.away(realm, 1);
    let _away = Away(realm);
    threads()?.spawn(async move {
        // Nobody listens if the environment ended meanwhile.
        let _ = done.send(work.await);
        remote.ring(id);
    });
    bell.rung().await;
    answer.try_recv().unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Internal,
            "work on a thread",
            "the work panicked; please report it",
        ))
    })
}

/// The threads of the native side, shared by all environments of the process: they hold no state.
pub fn threads() -> Result<&'static Runtime> {
    static THREADS: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let started = THREADS.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("starkeep-sync")
            .build()
    });
    started.as_ref().map_err(|error| {
        Error::new(ErrorKind::Io, "start threads", error.to_string())
    })
}

/// One at a time, in the order of asking.
#[derive(Default)]
pub struct Turns {
    taken: Cell<bool>,
    waiting: RefCell<VecDeque<u64>>,
}

/// Somebody's turn; the next one's begins when it is dropped.
pub struct Turn {
    realm: Rc<Realm>,
    turns: Rc<Turns>,
}

impl Turns {
    /// Waits for a turn.
    pub async fn take(self: &Rc<Self>, realm: &Rc<Realm>) -> Result<Turn> {
        if self.taken.replace(true) {
            let bell = Bell::new(realm)?;
            self.waiting.borrow_mut().push_back(bell.id());
            bell.rung().await;
        }
        Ok(Turn {
            realm: Rc::clone(realm),
            turns: Rc::clone(self),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = self.turns.waiting.borrow_mut().pop_front();
        match next {
            Some(bell) if self.realm.is_alive() => self.realm.executor.hear(&self.realm, vec![bell]),
            _ => self.turns.taken.set(false),
        }
    }
}
