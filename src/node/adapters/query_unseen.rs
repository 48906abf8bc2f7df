//! The page that an adapter finds itself: `queryUnseen`.
//!
//! The answer is the app's own work and is taken for a hint. It is used where it shows that nothing
//! can be missing from it: the timestamps come in their order, none of them was seen, and those at its end
//! cannot have been parted from equal ones. Otherwise the store is scanned, which is slow and always right.

use super::page::items_of;
use super::records::{JsRecords, no_stamp};
use crate::error::Result;
use crate::node::convert::{Body, faulty_record, read_hlcs, read_stamped, write_watermarks};
use crate::node::error::warn;
use crate::node::value::{Key, Scope, Value};
use crate::protocol::delta::{Ask, Selection, Standing, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::watermarks::Watermarks;

/// How often a larger page is asked for, if one holds a single timestamp only.
const TRIES: u32 = 4;

/// Covers whatever a clock stamps, and is still written in the 12 and 4 digits that text order needs.
const EVERYTHING: (u64, u64) = ((1 << 48) - 1, 0xffff);

enum Found {
    /// The page was offered what it showed.
    Taken,
    /// All of it has one timestamp, and there is more.
    TooShort,
    /// It shows that something may be missing.
    Unusable(&'static str),
}

impl JsRecords {
    /// What `ask` wants, if what the adapter found can be used; else the store has to be scanned.
    pub(super) async fn ask_adapter(&self, ask: &Ask) -> Result<Option<Stretch<Item<Body>>>> {
        // One more than has a place shows whether the last that has one shares its timestamp.
        let mut limit = ask.limit.saturating_add(1);
        for _ in 0..TRIES {
            let mut selection = Selection::new(ask.limit);
            selection.begin_read();
            match self.ask_once(ask, limit, &mut selection).await? {
                Found::Taken => return Ok(Some(selection.finish())),
                Found::TooShort => limit = limit.saturating_mul(8),
                Found::Unusable(why) => {
                    let message = format!(
                        "{} answered {why}; the records are scanned instead",
                        self.adapter.method(Key::QueryUnseen)
                    );
                    warn(self.adapter.env(), &message, None);
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    async fn ask_once(
        &self,
        ask: &Ask,
        limit: usize,
        page: &mut Selection<Item<Body>>,
    ) -> Result<Found> {
        self.adapter
            .call(
                Key::QueryUnseen,
                |scope| {
                    let options = scope.object()?;
                    scope.set(options, Key::Limit, scope.count(limit as u64)?)?;
                    let watermarks = write_watermarks(scope, &watermarks_for(ask))?;
                    Ok(vec![watermarks, options])
                },
                |scope, answer| self.read_found(scope, answer, (ask, limit), page),
            )
            .await
    }

    fn read_found(
        &self,
        scope: Scope<'_>,
        answer: Value<'_>,
        (ask, limit): (&Ask, usize),
        page: &mut Selection<Item<Body>>,
    ) -> Result<Found> {
        let env = self.adapter.env();
        let method = (&self.adapter, Key::QueryUnseen);
        let records = items_of(scope, method, (answer, Key::Records))?;
        let has_more = scope.get(answer, Key::HasMore)?;
        if scope.is_nullish(has_more)? {
            return Ok(Found::Unusable("a page without `hasMore`"));
        }
        let has_more = scope.is_truthy(has_more);
        let stamps = read_hlcs(scope, records, Some(Key::UpdatedAt))?;
        let more = has_more || stamps.len() >= limit;
        let shown = if more {
            match beginning(ask, &stamps) {
                Ok(shown) => shown,
                Err(hint) => return Ok(hint),
            }
        } else {
            stamps.len()
        };
        for (index, stamp) in (0u32..).zip(stamps.iter().take(shown)) {
            let Some(hlc) = stamp else {
                let fault = (Hlc::zero(), no_stamp());
                page.note_unorderable(
                    env.scope(|scope| faulty_record(scope, scope.element(records, index)?, fault))?,
                );
                continue;
            };
            if page.meets(ask, hlc) {
                let item = env.scope(|scope| {
                    read_stamped(scope, scope.element(records, index)?, hlc.clone())
                })?;
                page.offer(hlc.clone(), item);
            }
        }
        if let Some(last) = stamps.iter().take(shown).flatten().last().filter(|_| more) {
            page.left_out_after(last.clone());
        }
        Ok(Found::Taken)
    }
}

/// What the adapter is told was seen: nodes that stay out are seen whole.
fn watermarks_for(ask: &Ask) -> Watermarks {
    let mut watermarks = ask.seen.clone();
    for node in &ask.skip {
        let (wall_time, counter) = EVERYTHING;
        watermarks.set(
            node.clone(),
            Some(Hlc::new(wall_time, counter, node.clone())),
        );
    }
    watermarks
}

/// How many of these, of which there are more, are complete: all before the last timestamp.
fn beginning(ask: &Ask, stamps: &[Option<Hlc>]) -> std::result::Result<usize, Found> {
    let Some(all) = stamps
        .iter()
        .map(Option::as_ref)
        .collect::<Option<Vec<_>>>()
    else {
        return Err(Found::Unusable("a record without a timestamp"));
    };
    let Some(last) = all.last() else {
        return Err(Found::Unusable("nothing, and that there is more"));
    };
    if !all.is_sorted() {
        return Err(Found::Unusable("records out of their order"));
    }
    if all
        .iter()
        .any(|hlc| ask.standing(hlc) == Standing::Unwanted)
    {
        return Err(Found::Unusable("what was seen before"));
    }
    match all.partition_point(|hlc| hlc < last) {
        0 => Err(Found::TooShort),
        shown => Ok(shown),
    }
}
