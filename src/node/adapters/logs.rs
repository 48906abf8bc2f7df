//! The change logs of adapters: those of this package's own stores.

use super::any_records::AnyRecords;
use super::any_rows::AnyRows;
use super::records::JsRecords;
use super::rows::JsRows;
use crate::engine::change_log::{Advance, ChangeLog, Look, Note, View};
use crate::engine::ports::Outcome;
use crate::error::{Error, ErrorKind, Result};
use crate::node::convert::Body;
use crate::protocol::item::Item;
use crate::protocol::log::{Cursor, Digest, Key, Range, Reply, Span};

impl ChangeLog<Body> for JsRecords {}
impl ChangeLog<Body> for JsRows {}

/// Both planes reach the log of their store by the same port.
macro_rules! log_of_port {
    ($adapter:ty) => {
        impl ChangeLog<Body> for $adapter {
            fn has_log(&self) -> bool {
                self.port().is_some_and(|port| port.has_log())
            }

            async fn look(&self, look: Look) -> Result<View<Body>> {
                self.port().ok_or_else(no_store)?.look(look).await
            }

            async fn take_in(
                &self,
                items: Vec<Item<Body>>,
                origin: Option<Cursor>,
                advance: Option<Advance>,
            ) -> Result<Vec<Outcome>> {
                let port = self.port().ok_or_else(no_store)?;
                port.take_in(items, origin, advance).await
            }

            async fn note(&self, note: Note) -> Result<()> {
                self.port().ok_or_else(no_store)?.note(note).await
            }

            async fn verify(&self) -> Result<u64> {
                self.port().ok_or_else(no_store)?.verify().await
            }

            async fn compare(&self, spans: Vec<Span>) -> Result<Vec<Reply>> {
                self.port().ok_or_else(no_store)?.compare(spans).await
            }

            async fn digests(&self, ranges: Vec<Range>) -> Result<Vec<Digest>> {
                self.port().ok_or_else(no_store)?.digests(ranges).await
            }

            async fn versions(&self, ranges: Vec<Range>) -> Result<Vec<Vec<(Key, String)>>> {
                self.port().ok_or_else(no_store)?.versions(ranges).await
            }
        }
    };
}

log_of_port!(AnyRecords);
log_of_port!(AnyRows);

fn no_store() -> Error {
    let message = "the store was exchanged for another one during a round; exchange again";
    Error::new(ErrorKind::Closed, "read the change log", message)
}
