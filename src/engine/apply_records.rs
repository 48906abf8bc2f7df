//! Taking in records: of two versions of one record the later one wins.

use std::collections::HashMap;

use crate::error::Result;
use crate::protocol::hlc::{Hlc, wins};
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::log::{Key, Keyed, key_of_record};

use super::apply_page::apply_page;
use super::arrival::Arrival;
use super::change_log::Look;
use super::order_guard::OrderGuard;
use super::ports::{Added, Clock, Outcome, Records};

/// Takes in records that arrive in the order of timestamps, last writer wins.
pub async fn apply_records<B, R: Records<B>>(
    records: &R,
    run: &mut [Arrival<B>],
    clock: &impl Clock,
    guard: &mut OrderGuard,
) where
    B: Clone,
{
    let pages = records.capabilities().is_ok_and(|able| able.pages);
    if pages {
        let mut free = without_stopped(run, guard);
        note_unsent(records, &mut free, guard).await;
        return apply_page(free, clock, guard, |items, order| {
            records.apply(items, order)
        })
        .await;
    }
    for page in run.chunks_mut(ADDED_AT_ONCE) {
        let Added { stored, end } = add_first(records, page, clock, guard).await;
        let mut known = end;
        for (index, arrival) in page.iter_mut().enumerate() {
            let outcome = if index < stored {
                Outcome::Applied
            } else if guard.holds_back(&arrival.item.hlc.node_id) {
                Outcome::Behind
            } else {
                match apply_record(records, arrival, known.take(), (clock, guard)).await {
                    Ok(true) => Outcome::Applied,
                    Ok(false) => Outcome::Stale,
                    Err(error) => Outcome::Failed(error),
                }
            };
            arrival.settle(outcome, guard);
        }
    }
}

/// At most this many new records are added together. Where one is not new, those that follow are taken in one by one.
const ADDED_AT_ONCE: usize = 64;

/// Adds the first of these that are new here.
async fn add_first<B, R: Records<B>>(
    records: &R,
    page: &[Arrival<B>],
    clock: &impl Clock,
    guard: &OrderGuard,
) -> Added {
    let is_free = |item: &&Item<B>| !guard.holds_back(&item.hlc.node_id) && !guard.is_echo(item);
    let items = page.iter().map(|arrival| &arrival.item);
    let free: Vec<_> = items.take_while(is_free).collect();
    if free.is_empty() {
        return Added::default();
    }
    records.add(&free, clock).await
}

/// Takes in one record, of whose stored version something may be `known`. Returns whether it was new.
async fn apply_record<B, R: Records<B>>(
    records: &R,
    arrival: &mut Arrival<B>,
    known: Option<Result<Option<Hlc>>>,
    (clock, guard): (&impl Clock, &OrderGuard),
) -> Result<bool> {
    let Arrival { item, met, .. } = arrival;
    let ItemKind::Record(id) = &item.kind else {
        return Ok(false);
    };
    if guard.is_echo(item) {
        return Ok(false);
    }
    let stored = match known {
        Some(known) => known?,
        None => records.stored(id).await?,
    };
    if guard.meets_unsent(item, stored.as_ref())
        && let Some(hlc) = &stored
    {
        let found = records.fetch(&[(hlc.clone(), id.clone())]).await?;
        *met = found.into_values().next();
    }
    if !wins(&item.hlc, stored.as_ref()) {
        return Ok(false);
    }
    clock.receive(&item.hlc).await?;
    records.put(item).await?;
    Ok(true)
}

/// Notes of a whole page which records its items meet that the other side was not sent. A store that takes one in at once, and has no log to read from, is not asked.
async fn note_unsent<B: Clone, R: Records<B>>(
    records: &R,
    page: &mut [&mut Arrival<B>],
    guard: &OrderGuard,
) {
    let want: Vec<_> = page
        .iter()
        .filter_map(|arrival| key_of_record(&arrival.item))
        .collect();
    if !guard.notes_unsent() || want.is_empty() || !records.has_log() {
        return;
    }
    let look = Look {
        want,
        ..Look::default()
    };
    // What cannot be looked at is not noted, and no reason not to take in the page.
    let found = records.look(look).await.map(|view| view.wanted);
    let found = found.unwrap_or_default().into_iter();
    let mut stored: HashMap<Key, Item<B>> = found.map(|Keyed { key, item }| (key, item)).collect();
    for arrival in page {
        let stored = key_of_record(&arrival.item).and_then(|key| stored.remove(&key));
        let is_unsent = |stored: &Item<B>| guard.meets_unsent(&arrival.item, Some(&stored.hlc));
        arrival.met = stored.filter(is_unsent);
    }
}

/// Those that do not have to wait; the others are settled.
fn without_stopped<'a, B>(
    run: &'a mut [Arrival<B>],
    guard: &mut OrderGuard,
) -> Vec<&'a mut Arrival<B>> {
    let mut free = Vec::with_capacity(run.len());
    for arrival in run {
        if guard.holds_back(&arrival.item.hlc.node_id) {
            arrival.settle(Outcome::Behind, guard);
        } else {
            free.push(arrival);
        }
    }
    free
}
