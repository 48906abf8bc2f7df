//! The way to an environment from other threads.

use std::ffi::c_void;
use std::fmt;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use napi::sys;

use super::scope::Scope;
use crate::error::Result;

/// The way to an environment from other threads: a notify that is rung there is heard here.
///
/// The thread-safe function behind it is referenced only while a notify is waited for, so that
/// nothing but pending work keeps the process alive.
#[derive(Default)]
pub struct Remote {
    state: Mutex<RemoteState>,
}

#[derive(Default)]
struct RemoteState {
    function: Option<Tsfn>,
    rung: Vec<u64>,
    /// What only the environment's thread may drop.
    dropped: Vec<Box<dyn Send>>,
}

impl RemoteState {
    fn wake(&self) {
        if let Some(function) = &self.function {
            // SAFETY: the function is valid while it stands in the mutex. A full queue or an ending
            // environment refuses the call; no one waits then.
            unsafe {
                sys::napi_call_threadsafe_function(
                    function.raw,
                    ptr::null_mut(),
                    sys::ThreadsafeFunctionCallMode::nonblocking,
                )
            };
        }
    }
}

struct Tsfn {
    raw: sys::napi_threadsafe_function,
    /// For the calls that only its own thread may make.
    raw_env: sys::napi_env,
}

// SAFETY: a thread-safe function may be called from any thread; it is used under the mutex, and is
// taken out of it before the environment frees it.
unsafe impl Send for Tsfn {}

/// Who hears what is rung, on the environment's thread.
struct Hearing {
    remote: Arc<Remote>,
    hear: Box<dyn Fn(Vec<u64>)>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remote")
    }
}

impl Remote {
    /// Ties it to the environment of `scope`, on its thread, where `hear` is told what was rung.
    pub(super) fn attach(
        self: &Arc<Self>,
        scope: Scope<'_>,
        hear: impl Fn(Vec<u64>) + 'static,
    ) -> Result<()> {
        unsafe extern "C" fn finalized(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
            // SAFETY: `data` came from `Box::into_raw` below, and a finalizer runs once.
            let hearing = unsafe { Box::from_raw(data.cast::<Hearing>()) };
            hearing.remote.detach();
        }
        unsafe extern "C" fn called(
            raw_env: sys::napi_env,
            _: sys::napi_value,
            context: *mut c_void,
            _: *mut c_void,
        ) {
            if raw_env.is_null() {
                return;
            }
            // SAFETY: the context is what `finalized` releases, and this runs before that.
            let hearing = unsafe { &*context.cast::<Hearing>() };
            let (rung, dropped) = {
                let mut state = hearing.remote.lock();
                (
                    std::mem::take(&mut state.rung),
                    std::mem::take(&mut state.dropped),
                )
            };
            drop(dropped);
            (hearing.hear)(rung);
        }
        let name = scope.text("starkeep sync")?;
        let raw_env = scope.raw_env();
        let hearing = Box::new(Hearing {
            remote: Arc::clone(self),
            hear: Box::new(hear),
        });
        let context = Box::into_raw(hearing).cast::<c_void>();
        let mut function = ptr::null_mut();
        // SAFETY: all pointers are valid for the call; the context lives until `finalized`.
        scope.check(unsafe {
            sys::napi_create_threadsafe_function(
                raw_env,
                ptr::null_mut(),
                ptr::null_mut(),
                name.raw(),
                0,
                1,
                context,
                Some(finalized),
                context,
                Some(called),
                &raw mut function,
            )
        })?;
        // SAFETY: the function was just made, on this thread.
        scope.check(unsafe { sys::napi_unref_threadsafe_function(raw_env, function) })?;
        self.lock().function = Some(Tsfn {
            raw: function,
            raw_env,
        });
        Ok(())
    }

    /// The environment ends.
    pub(super) fn detach(&self) {
        let dropped = {
            let mut state = self.lock();
            state.function = None;
            std::mem::take(&mut state.dropped)
        };
        drop(dropped);
    }

    /// Drops a value on its own thread, from any other.
    pub fn drop_there(&self, value: impl Send + 'static) {
        let mut state = self.lock();
        if state.function.is_some() {
            state.dropped.push(Box::new(value));
            state.wake();
        } else {
            // The environment is gone, and what it kept with it.
            std::mem::forget(value);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, RemoteState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings a notify, from any thread.
    pub fn ring(&self, notify: u64) {
        let mut state = self.lock();
        state.rung.push(notify);
        state.wake();
    }

    /// Keeps the process alive, or no longer. Only on the JS thread.
    pub fn hold_process(&self, hold: bool) {
        if let Some(function) = &self.lock().function {
            // SAFETY: as in `ring`; the environment's own thread calls it.
            unsafe {
                if hold {
                    sys::napi_ref_threadsafe_function(function.raw_env, function.raw)
                } else {
                    sys::napi_unref_threadsafe_function(function.raw_env, function.raw)
                }
            };
        }
    }
}
