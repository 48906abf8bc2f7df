//! The answering side where all of it is this package's own: no exchange touches the JS thread.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::engine::ports::Log;
use crate::engine::responder::Responder;
use crate::error::{Error, ErrorKind};
use crate::protocol::message::{Answer, Request};
use crate::protocol::wire::{Json, weigh};
use crate::store::blocking::to_its_end;
use crate::store::side::NativeSide;
use crate::transport::server::{Answers, Later};

/// Answers one request at a time, in the order of asking.
pub struct NativeAnswers<L: Log>(Arc<Mutex<Responder<NativeSide<L>>>>);

impl<L: Log> NativeAnswers<L> {
    /// Over these stores.
    pub fn new(responder: Responder<NativeSide<L>>) -> Self {
        Self(Arc::new(Mutex::new(responder)))
    }
}

impl<L: Log + Send + 'static> Answers for NativeAnswers<L> {
    fn exchange(&self, request: Request<Json>) -> Later<'_, Answer<Json>> {
        Box::pin(async move {
            let responder = Arc::clone(&self.0).lock_owned().await;
            let threads = Handle::current();
            // What a responder does between two waits stays on one thread.
            let answered = spawn_blocking(move || {
                to_its_end(
                    &threads,
                    responder.answer_packed(request, &|item| weigh(&item.body)),
                )
            })
            .await;
            answered.unwrap_or_else(|failed| {
                Err(Error::new(
                    ErrorKind::Internal,
                    "exchange",
                    "the work ended without an answer; this is a fault of this package, please report it",
                )
                .caused_by(failed))
            })
        })
    }
}
