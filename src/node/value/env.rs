//! What one JavaScript environment has: its kept values, its way to be woken, and who runs its rounds.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::ffi::c_void;
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use napi::sys;

use super::intrinsics::Intrinsic;
use super::keys::Key;
use super::names::NumberedNames;
use super::remote::Remote;
use super::scope::{Scope, Value};
use super::shared_buffer::SharedBuffer;
use crate::error::Result;
use crate::protocol::text::Text;

/// Who runs the rounds of an environment.
pub trait Runtime {
    /// Tells rounds what was rung for them, on the JS thread.
    fn hear(&self, env: &Env, rung: Vec<u64>);

    /// The environment ends.
    fn end(&self);
}

/// One JavaScript environment: the main thread's, or a worker's. Nothing is shared between two.
pub struct Env {
    raw: sys::napi_env,
    alive: Cell<bool>,
    slab: sys::napi_ref,
    keys: sys::napi_ref,
    slots: RefCell<Slots>,
    runtime: OnceCell<Rc<dyn Runtime>>,
    /// The way to this environment from other threads.
    pub remote: Arc<Remote>,
    intrinsics: [Cell<Option<sys::napi_ref>>; Intrinsic::COUNT],
    nodes: RefCell<HashSet<Text>>,
    /// What both sides read and write without a call.
    pub shared: SharedBuffer,
    /// What was warned of, of that which is warned of once.
    pub warned: RefCell<HashSet<String>>,
    pub(super) numbered: RefCell<NumberedNames>,
}

thread_local! {
    /// The envs of this thread, to find one from a bare scope.
    static ENVS: RefCell<Vec<Weak<Env>>> = const { RefCell::new(Vec::new()) };
}

/// How many node ids are remembered; a hostile peer's are not remembered for ever.
const INTERNED_NODES: usize = 1024;

#[derive(Default)]
struct Slots {
    len: u32,
    free: Vec<u32>,
    /// Free slots that still hold their last value.
    stale: Vec<u32>,
}

impl Env {
    /// Sets up the environment. Must be called on its thread, inside a call from JavaScript.
    pub fn new(raw_env: sys::napi_env) -> Result<Rc<Self>> {
        let scope = Scope::of_callback(raw_env);
        let slab = scope.reference(scope.array()?)?;
        let names = scope.array()?;
        for (index, name) in (0u32..).zip(Key::NAMES) {
            scope.set_element(names, index, scope.text(name)?)?;
        }
        let keys = scope.reference(names)?;
        let env = Rc::new(Self {
            raw: raw_env,
            alive: Cell::new(true),
            slab,
            keys,
            slots: RefCell::default(),
            runtime: OnceCell::new(),
            remote: Arc::default(),
            intrinsics: std::array::from_fn(|_| Cell::default()),
            nodes: RefCell::default(),
            shared: SharedBuffer::default(),
            warned: RefCell::default(),
            numbered: RefCell::default(),
        });
        ENVS.with_borrow_mut(|envs| {
            envs.retain(|env| env.strong_count() > 0);
            envs.push(Rc::downgrade(&env));
        });
        let hearing = Rc::clone(&env);
        env.remote.attach(scope, move |rung| {
            if let Some(runtime) = hearing.runtime.get() {
                runtime.hear(&hearing, rung);
            }
        })?;
        env.keep_intrinsics(scope)?;
        env.end_with_environment();
        Ok(env)
    }

    /// The env of a scope's environment.
    pub fn of(scope: Scope<'_>) -> Option<Rc<Self>> {
        ENVS.with_borrow(|envs| {
            let mut alive = envs.iter().filter_map(Weak::upgrade);
            alive.find(|env| env.raw == scope.raw_env() && env.is_alive())
        })
    }

    /// Its rounds are run by `runtime`, unless something runs them already.
    pub fn run_by(&self, runtime: Rc<dyn Runtime>) {
        self.runtime.get_or_init(|| runtime);
    }

    /// A string as text that is shared with every equal one.
    pub fn interned(&self, scope: Scope<'_>, value: Value<'_>) -> Option<Text> {
        scope.with_units(value, |units| {
            let mut nodes = self.nodes.borrow_mut();
            if let Some(known) = nodes.get(units) {
                return known.clone();
            }
            if nodes.len() >= INTERNED_NODES {
                nodes.clear();
            }
            let text = Text::from_units(units);
            nodes.insert(text.clone());
            text
        })
    }

    /// What rounds depend on, as it was when the package was loaded.
    fn keep_intrinsics(&self, scope: Scope<'_>) -> Result<()> {
        let json = scope.get_named(scope.global()?, "JSON")?;
        self.set_intrinsic(scope, Intrinsic::Parse, scope.get_named(json, "parse")?)
    }

    /// Keeps a class, function or object of the environment.
    pub fn set_intrinsic(
        &self,
        scope: Scope<'_>,
        which: Intrinsic,
        value: Value<'_>,
    ) -> Result<()> {
        self.intrinsics[which as usize].set(Some(scope.reference(value)?));
        Ok(())
    }

    /// The kept value; `undefined` if there is none.
    pub fn intrinsic<'s>(&self, scope: Scope<'s>, which: Intrinsic) -> Result<Value<'s>> {
        match self.intrinsics[which as usize].get() {
            Some(reference) => scope.dereference(reference),
            None => scope.undefined(),
        }
    }

    /// Calls a function of `js/bridge/`, which needs no `this`.
    pub fn helper<'s>(
        &self,
        scope: Scope<'s>,
        which: Intrinsic,
        args: &[Value<'s>],
    ) -> Result<Value<'s>> {
        let function = self.intrinsic(scope, which)?;
        scope.call(function, function, args)
    }

    /// For calls to napi.
    pub fn raw_env(&self) -> sys::napi_env {
        self.raw
    }

    /// Opens a scope: the handles made in it end with it.
    pub fn scope<R>(&self, body: impl for<'s> FnOnce(Scope<'s>) -> Result<R>) -> Result<R> {
        Scope::open(self.raw, body)
    }

    /// Whether the environment still runs.
    pub fn is_alive(&self) -> bool {
        self.alive.get()
    }

    /// A name of a property.
    pub fn key<'s>(&self, scope: Scope<'s>, key: Key) -> Result<Value<'s>> {
        scope.element(scope.dereference(self.keys)?, key as u32)
    }

    /// The names of all properties, and what is kept, as arrays.
    pub fn arrays<'s>(&self, scope: Scope<'s>) -> Result<[Value<'s>; 2]> {
        Ok([scope.dereference(self.keys)?, scope.dereference(self.slab)?])
    }

    /// Holds a value until the answer is dropped.
    pub fn keep(self: &Rc<Self>, scope: Scope<'_>, value: Value<'_>) -> Result<Persistent> {
        let kept = self.reserve();
        scope.set_element(scope.dereference(self.slab)?, kept.slot(), value)?;
        Ok(kept)
    }

    /// A place for a value that is to be put there at once.
    pub fn reserve(self: &Rc<Self>) -> Persistent {
        let index = {
            let mut slots = self.slots.borrow_mut();
            slots
                .stale
                .pop()
                .or_else(|| slots.free.pop())
                .unwrap_or_else(|| {
                    slots.len += 1;
                    slots.len - 1
                })
        };
        Persistent(Rc::new(Slot {
            env: Rc::clone(self),
            index,
        }))
    }

    /// Lets go of what dropped [`Persistent`]s held, if it is more than `few`: their places are used again.
    pub fn let_go(&self, few: usize) -> Result<()> {
        if self.slots.borrow().stale.len() <= few {
            return Ok(());
        }
        self.scope(|scope| {
            let slab = scope.dereference(self.slab)?;
            let nothing = scope.undefined()?;
            let mut slots = self.slots.borrow_mut();
            while let Some(index) = slots.stale.pop() {
                scope.set_element(slab, index, nothing)?;
                slots.free.push(index);
            }
            Ok(())
        })
    }

    fn end_with_environment(self: &Rc<Self>) {
        unsafe extern "C" fn ended(data: *mut c_void) {
            // SAFETY: `data` came from `Rc::into_raw` below, and a hook runs once.
            let env = unsafe { Rc::from_raw(data.cast::<Env>().cast_const()) };
            env.alive.set(false);
            env.remote.detach();
            if let Some(runtime) = env.runtime.get() {
                runtime.end();
            }
            for reference in env.intrinsics.iter().filter_map(Cell::take) {
                // SAFETY: the environment is there while its hooks run, and the reference was taken out.
                unsafe { sys::napi_delete_reference(env.raw, reference) };
            }
        }
        let data = Rc::into_raw(Rc::clone(self)).cast_mut().cast();
        // SAFETY: the environment is alive, and `ended` takes back what it is given.
        unsafe { sys::napi_add_env_cleanup_hook(self.raw, Some(ended), data) };
    }
}

struct Slot {
    env: Rc<Env>,
    index: u32,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Ok(mut slots) = self.env.slots.try_borrow_mut() {
            slots.stale.push(self.index);
        }
    }
}

/// A JavaScript value that outlives the scope it came from. Cheap to clone.
#[derive(Clone)]
pub struct Persistent(Rc<Slot>);

impl Persistent {
    /// The value, in `scope`.
    pub fn value<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        let env = &self.0.env;
        scope.element(scope.dereference(env.slab)?, self.0.index)
    }

    /// Its place among what is kept.
    pub fn slot(&self) -> u32 {
        self.0.index
    }

    /// The environment it lives in.
    pub fn env(&self) -> &Rc<Env> {
        &self.0.env
    }
}

impl fmt::Debug for Persistent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Persistent({})", self.0.index)
    }
}
