//! The change logs of adapters: those of this package's own stores, and those of databases that the app opened.

use super::any_records::AnyRecords;
use super::any_rows::AnyRows;
use super::records::JsRecords;
use super::rows::JsRows;
use crate::engine::change_log::{Advance, ChangeLog, Look, Note, View};
use crate::engine::ports::Outcome;
use crate::error::Result;
use crate::node::convert::Body;
use crate::protocol::item::Item;
use crate::protocol::log::{Cursor, Digest, Key, Range, Reply, Span};

// What an app's adapter keeps of changes is behind its database, not in the adapter.
impl ChangeLog<Body> for JsRecords {}
impl ChangeLog<Body> for JsRows {}

/// Both planes reach the log of their store by the same port, and that of an app's database by its handle.
macro_rules! log_of_port {
    ($adapter:ty) => {
        impl ChangeLog<Body> for $adapter {
            fn has_log(&self) -> bool {
                match self.port() {
                    Some(port) => port.has_log(),
                    None => self.logged().is_kept(),
                }
            }

            async fn look(&self, look: Look) -> Result<View<Body>> {
                match self.port() {
                    Some(port) => port.look(look).await,
                    None => self.logged().view(look).await,
                }
            }

            async fn take_in(
                &self,
                items: Vec<Item<Body>>,
                origin: Option<Cursor>,
                advance: Option<Advance>,
            ) -> Result<Vec<Outcome>> {
                match self.port() {
                    Some(port) => port.take_in(items, origin, advance).await,
                    None => self.logged().take_in(items, origin, advance).await,
                }
            }

            async fn note(&self, note: Note) -> Result<()> {
                match self.port() {
                    Some(port) => port.note(note).await,
                    None => self.logged().note(&note),
                }
            }

            async fn verify(&self) -> Result<u64> {
                match self.port() {
                    Some(port) => port.verify().await,
                    None => self.logged().verify(),
                }
            }

            async fn compare(&self, spans: Vec<Span>) -> Result<Vec<Reply>> {
                match self.port() {
                    Some(port) => port.compare(spans).await,
                    None => self.logged().compare(&spans),
                }
            }

            async fn digests(&self, ranges: Vec<Range>) -> Result<Vec<Digest>> {
                match self.port() {
                    Some(port) => port.digests(ranges).await,
                    None => self.logged().digests(&ranges),
                }
            }

            async fn versions(&self, ranges: Vec<Range>) -> Result<Vec<Vec<(Key, String)>>> {
                match self.port() {
                    Some(port) => port.versions(ranges).await,
                    None => self.logged().versions(&ranges),
                }
            }
        }
    };
}

log_of_port!(AnyRecords);
log_of_port!(AnyRows);
