//! Errands: what a native thread wants done on the JS thread.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{Bell, spawn};
use crate::binding::js::{Realm, Remote};
use crate::error::{Error, ErrorKind, Result};

/// What comes of an errand.
pub type Local<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

type Errand<C> = Box<dyn FnOnce(Rc<C>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// A queue of errands that are run with a `C`, on its thread.
pub struct Errands<C> {
    realm: Arc<Remote>,
    state: Mutex<State<C>>,
}

struct State<C> {
    waiting: VecDeque<Errand<C>>,
    bell: Option<u64>,
    over: bool,
}

impl<C: 'static> Errands<C> {
    /// An empty queue.
    pub fn new(realm: &Realm) -> Arc<Self> {
        Arc::new(Self {
            realm: Arc::clone(&realm.remote),
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                bell: None,
                over: false,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `work` done, from any thread. What comes of it may hold nothing that only the JS thread may.
    pub async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(Rc<C>) -> Local<T> + Send + 'static,
    ) -> Result<T> {
        let (done, answer) = oneshot::channel();
        self.push(Box::new(move |context| {
            let outcome = work(context);
            Box::pin(async move {
                // Nobody listens where the asking work ended meanwhile.
                let _ = done.send(outcome.await);
            })
        }));
        answer.await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Internal,
                operation,
                "the JavaScript environment ended, or its work panicked",
            ))
        })
    }

    /// Has something short done, and does not wait for it.
    pub fn post(&self, work: impl FnOnce(Rc<C>) + Send + 'static) {
        self.push(Box::new(move |context| {
            work(context);
            Box::pin(std::future::ready(()))
        }));
    }

    fn push(&self, errand: Errand<C>) {
        let mut state = self.lock();
        if state.over {
            return;
        }
        state.waiting.push_back(errand);
        let bell = state.bell.take();
        drop(state);
        if let Some(bell) = bell {
            self.realm.ring(bell);
        }
    }

    /// No errand comes any more.
    pub fn end(&self) {
        let mut state = self.lock();
        state.over = true;
        let bell = state.bell.take();
        drop(state);
        if let Some(bell) = bell {
            self.realm.ring(bell);
        }
    }

    /// Runs errands until they end, each as a task of its own in the context of the caller. On the JS
    /// thread, in a task.
    pub async fn serve(&self, realm: &Rc<Realm>, context: Rc<C>) -> Result<()> {
        loop {
            let (errands, over) = {
                let mut state = self.lock();
                (std::mem::take(&mut state.waiting), state.over)
            };
            if errands.is_empty() {
                if over {
                    return Ok(());
                }
                self.wait(realm).await?;
                continue;
            }
            realm.scope(|scope| {
                for errand in errands {
                    let work = errand(Rc::clone(&context));
                    spawn(scope, realm, async move {
                        work.await;
                        Ok(())
                    })?;
                }
                Ok(())
            })?;
        }
    }

    async fn wait(&self, realm: &Rc<Realm>) -> Result<()> {
        let bell = Bell::new(realm)?;
        {
            let mut state = self.lock();
            if state.waiting.is_empty() && !state.over {
                state.bell = Some(bell.id());
            } else {
                self.realm.ring(bell.id());
            }
        }
        bell.rung().await;
        Ok(())
    }
}

/// Ends a queue when it is dropped.
pub struct EndOfErrands<C: 'static>(pub Arc<Errands<C>>);

impl<C: 'static> Drop for EndOfErrands<C> {
    fn drop(&mut self) {
        self.0.end();
    }
}
