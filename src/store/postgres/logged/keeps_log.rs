//! What makes a store one with a log.

/// Makes a store with a log (`HasLog`) a `LogStore`.
macro_rules! keeps_log {
    ($store:ty) => {
        const _: () = {
            use $crate::engine::change_log::{Advance, Heard, Look, Note, Recognized, View};
            use $crate::engine::freshness::Freshness;
            use $crate::engine::purge::{Purge, Purged};
            use $crate::protocol::item::Item;
            use $crate::protocol::log::{Cursor, Digest, Key, Range, Reply, Span};
            use $crate::store::postgres::logged;
            use $crate::store::{Json, Later, LogStore, Taken};

            impl LogStore for $store {
                fn has_log(&self) -> bool {
                    logged::has_log(self)
                }

                fn freshness(&self) -> Option<Freshness> {
                    logged::freshness(self)
                }

                fn look(&self, look: Look) -> Later<'_, View<Json>> {
                    logged::look(self, look)
                }

                fn take_in_from(
                    &self,
                    items: Vec<Item<Json>>,
                    origin: Option<Cursor>,
                    advance: Option<Advance>,
                ) -> Later<'_, Vec<Taken>> {
                    logged::take_in_from(self, items, origin, advance)
                }

                fn note(&self, note: Note) -> Later<'_, ()> {
                    logged::note(self, note)
                }

                fn verify(&self) -> Later<'_, u64> {
                    logged::verify(self)
                }

                fn compare(&self, spans: Vec<Span>) -> Later<'_, Vec<Reply>> {
                    logged::compare(self, spans)
                }

                fn digests(&self, ranges: Vec<Range>) -> Later<'_, Vec<Digest>> {
                    logged::digests(self, ranges)
                }

                fn versions(&self, ranges: Vec<Range>) -> Later<'_, Vec<Vec<(Key, String)>>> {
                    logged::versions(self, ranges)
                }

                fn recognizes(&self, heard: &Heard) -> Option<Recognized> {
                    logged::recognizes(self, heard)
                }

                fn hear_of(&self, heard: Heard) -> Later<'_, Recognized> {
                    logged::hear_of(self, heard)
                }

                fn purge(&self, purge: Purge) -> Later<'_, Purged> {
                    logged::purge(self, purge)
                }
            }
        };
    };
}
pub(in crate::store::postgres) use keeps_log;
