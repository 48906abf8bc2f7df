//! The task queue: what native threads want done where that lives which only one thread may hold.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

/// Something to be done with a `C`, on its thread.
pub type Task<C> = Box<dyn FnOnce(Rc<C>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

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

    /// Has `work` done, from any thread. The outcome may hold nothing that only that thread may.
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
        // It is not run if the thread has ended.
        let _ = self.0.send(task);
    }
}

/// Tasks that are to be run.
pub struct Tasks<C>(UnboundedReceiver<Option<Task<C>>>);

impl<C: 'static> Tasks<C> {
    /// Waits for the next; nothing where none follows.
    pub async fn next(mut self) -> (Self, Option<Task<C>>) {
        let task = self.0.recv().await;
        (self, task.flatten())
    }

    /// The next, if it is there; of that, nothing where none follows.
    pub fn at_hand(&mut self) -> Option<Option<Task<C>>> {
        self.0.try_recv().ok()
    }
}

/// Ends a queue when it is dropped.
pub struct EndOfTasks<C: 'static>(pub TaskQueue<C>);

impl<C: 'static> Drop for EndOfTasks<C> {
    fn drop(&mut self) {
        self.0.push(None);
    }
}
