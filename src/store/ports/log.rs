//! The change log of a store, as a port.

use super::port::{Port, Threading};
use crate::engine::change_log::{Advance, ChangeLog, Heard, Look, Note, Recognized, View};
use crate::engine::freshness::Freshness;
use crate::engine::ports::{Order, Outcome};
use crate::error::Result;
use crate::protocol::item::Item;
use crate::protocol::log::{Cursor, Digest, Key, Keyed, Range, Reply, Span};
use crate::store::LogStore;

impl<S, P> ChangeLog<P::Body> for Port<S, P>
where
    S: LogStore + ?Sized + Send + Sync + 'static,
    P: Threading,
{
    fn has_log(&self) -> bool {
        self.store.has_log()
    }

    fn freshness(&self) -> Option<Freshness> {
        self.store.freshness()
    }

    async fn look(&self, look: Look) -> Result<View<P::Body>> {
        let found = self.ask(move |store| store.look(look)).await?;
        let keyed = |Keyed { key, item }| Keyed {
            key,
            item: self.own(item),
        };
        let items = found.items.into_iter();
        Ok(View {
            items: items.map(|(seq, item)| (seq, keyed(item))).collect(),
            wanted: found.wanted.into_iter().map(keyed).collect(),
            id: found.id,
            head: found.head,
            history: found.history,
            others: found.others,
            after: found.after,
            upto: found.upto,
            more: found.more,
            waiting: found.waiting,
            elsewhere: found.elsewhere,
            streams: found.streams,
            lacking: found.lacking,
        })
    }

    async fn take_in(
        &self,
        items: Vec<Item<P::Body>>,
        origin: Option<Cursor>,
        advance: Option<Advance>,
    ) -> Result<Vec<Outcome>> {
        self.apply_page(items, Order::Loose, move |store, items, _| {
            store.take_in_from(items, origin, advance)
        })
        .await
    }

    async fn note(&self, note: Note) -> Result<()> {
        self.ask(move |store| store.note(note)).await
    }

    async fn verify(&self) -> Result<u64> {
        self.ask(|store| store.verify()).await
    }

    async fn compare(&self, spans: Vec<Span>) -> Result<Vec<Reply>> {
        self.ask(move |store| store.compare(spans)).await
    }

    async fn digests(&self, ranges: Vec<Range>) -> Result<Vec<Digest>> {
        self.ask(move |store| store.digests(ranges)).await
    }

    async fn versions(&self, ranges: Vec<Range>) -> Result<Vec<Vec<(Key, String)>>> {
        self.ask(move |store| store.versions(ranges)).await
    }

    fn recognizes(&self, heard: &Heard) -> Option<Recognized> {
        self.store.recognizes(heard)
    }

    async fn hear_of(&self, heard: Heard) -> Result<Recognized> {
        self.ask(move |store| store.hear_of(heard)).await
    }
}
