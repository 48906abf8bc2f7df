//! The task queue: what a native thread wants done on the JS thread.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{Notify, spawn};
use crate::error::{Error, ErrorKind, Result};
use crate::node::value::{Env, Remote};

type Errand<C> = Box<dyn FnOnce(Rc<C>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// A queue of tasks that are run with a `C`, on its thread.
pub struct TaskQueue<C> {
    env: Arc<Remote>,
    state: Mutex<QueueState<C>>,
}

struct QueueState<C> {
    waiting: VecDeque<Errand<C>>,
    notify: Option<u64>,
    over: bool,
}

impl<C: 'static> TaskQueue<C> {
    /// An empty queue.
    pub fn new(env: &Rc<Env>) -> Arc<Self> {
        Arc::new(Self {
            env: Arc::clone(&env.remote),
            state: Mutex::new(QueueState {
                waiting: VecDeque::new(),
                notify: None,
                over: false,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `work` done, from any thread. The outcome may hold nothing that only the JS thread may.
    pub async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl AsyncFnOnce(Rc<C>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (done, answer) = oneshot::channel();
        self.push(Box::new(move |context| {
            Box::pin(async move {
                // There is no listener if the asking work ended meanwhile.
                let _ = done.send(work(context).await);
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

    fn push(&self, task: Errand<C>) {
        let mut state = self.lock();
        if state.over {
            return;
        }
        state.waiting.push_back(task);
        let notify = state.notify.take();
        drop(state);
        if let Some(notify) = notify {
            self.env.ring(notify);
        }
    }

    /// No task comes any more.
    pub fn end(&self) {
        let mut state = self.lock();
        state.over = true;
        let notify = state.notify.take();
        drop(state);
        if let Some(notify) = notify {
            self.env.ring(notify);
        }
    }

    /// Runs tasks until they end, each as a task of its own in the context of the caller. On the JS
    /// thread, in a task.
    pub async fn serve(&self, env: &Rc<Env>, context: Rc<C>) -> Result<()> {
        loop {
            let (tasks, over) = {
                let mut state = self.lock();
                (std::mem::take(&mut state.waiting), state.over)
            };
            if tasks.is_empty() {
                if over {
                    return Ok(());
                }
                self.wait(env).await?;
                continue;
            }
            env.scope(|scope| {
                for task in tasks {
                    let work = task(Rc::clone(&context));
                    spawn(scope, async move {
                        work.await;
                        Ok(())
                    })?;
                }
                Ok(())
            })?;
        }
    }

    async fn wait(&self, env: &Rc<Env>) -> Result<()> {
        let notify = Notify::new(env)?;
        {
            let mut state = self.lock();
            if state.waiting.is_empty() && !state.over {
                state.notify = Some(notify.id());
            } else {
                self.env.ring(notify.id());
            }
        }
        notify.rung().await;
        Ok(())
    }
}

/// Ends a queue when it is dropped.
pub struct EndOfTasks<C: 'static>(pub Arc<TaskQueue<C>>);

impl<C: 'static> Drop for EndOfTasks<C> {
    fn drop(&mut self) {
        self.0.end();
    }
}
