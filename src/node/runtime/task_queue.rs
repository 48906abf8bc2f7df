//! The task queue: what a native thread wants done on the JS thread.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::{Offload, spawn, watch};
use crate::error::{Error, ErrorKind, Result};
use crate::node::value::Env;

type Task<C> = Box<dyn FnOnce(Rc<C>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// The way to where tasks are run with a `C`.
pub struct TaskQueue<C>(UnboundedSender<Option<Task<C>>>);

impl<C> Clone for TaskQueue<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: 'static> TaskQueue<C> {
    /// A queue, and what comes out of it.
    pub fn new() -> (Self, Tasks<C>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), Tasks(receiver))
    }

    /// Has `work` done, from any thread. The outcome may hold nothing that only the JS thread may.
    pub async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl AsyncFnOnce(Rc<C>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (done, answer) = oneshot::channel();
        self.push(Some(Box::new(move |context| {
            Box::pin(async move {
                // There is no listener if the asking work ended meanwhile.
                let _ = done.send(work(context).await);
            })
        })));
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
        self.push(Some(Box::new(move |context| {
            work(context);
            Box::pin(std::future::ready(()))
        })));
    }

    fn push(&self, task: Option<Task<C>>) {
        // Nobody runs it where the environment has ended.
        let _ = self.0.send(task);
    }
}

/// Tasks that are to be run.
pub struct Tasks<C>(UnboundedReceiver<Option<Task<C>>>);

impl<C: 'static> Tasks<C> {
    /// Runs tasks until they end, each as a task of its own in the context of the caller. On the JS
    /// thread, in a task. Keeps the process alive meanwhile.
    pub async fn run(self, env: &Rc<Env>, context: Rc<C>) -> Result<()> {
        let _offload = Offload::new(env);
        let mut waiting = self.0;
        loop {
            let (rest, task) = watch(env, async move {
                let task = waiting.recv().await;
                (waiting, task)
            })?
            .await;
            waiting = rest;
            // Nothing follows where nobody is left to send it.
            let mut next = task.flatten();
            loop {
                let Some(task) = next else { return Ok(()) };
                let work = task(Rc::clone(&context));
                let work = async move {
                    work.await;
                    Ok(())
                };
                env.scope(|scope| spawn(scope, work).map(drop))?;
                match waiting.try_recv() {
                    Ok(task) => next = task,
                    Err(_) => break,
                }
            }
        }
    }
}

/// Ends a queue when it is dropped.
pub struct EndOfTasks<C: 'static>(pub TaskQueue<C>);

impl<C: 'static> Drop for EndOfTasks<C> {
    fn drop(&mut self) {
        self.0.push(None);
    }
}
