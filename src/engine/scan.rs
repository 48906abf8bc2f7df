//! Finding in a store what the other side has not seen: by its index, or by a scan and the backlog that it leaves.

use std::collections::HashSet;

use crate::error::Result;
use crate::protocol::delta::{Ask, Backlog, Selection, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;

use super::ports::{AppRows, Fetched, Records};

/// What `ask` wants of the records: from the backlog if that knows of a whole page, else by the index, else by a
/// scan.
///
/// # Errors
/// Those of the store.
pub async fn find_records<B>(
    store: &impl Records<B>,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
) -> Result<Stretch<Item<B>>> {
    if let Some(known) = from_backlog(store, ask, backlog).await? {
        return Ok(known);
    }
    if store.capabilities()?.index
        && let Some(found) = store.changes(ask).await?
    {
        return Ok(found);
    }
    scan_records(store, ask, backlog).await
}

/// One scan of all records: keeps the smallest, and remembers the ids of what did not fit.
async fn scan_records<B, R: Records<B>>(
    store: &R,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
) -> Result<Stretch<Item<B>>> {
    let mut selection = Selection::new(ask.limit);
    let mut found = Selection::new(Backlog::<Text>::CAPACITY);
    let (mut has_ids, mut met) = (true, 0usize);
    let mut cursor: Option<R::Cursor> = None;
    loop {
        selection.begin_read();
        let horizon = selection.horizon().cloned();
        let page = store.scan(ask, horizon.as_ref(), cursor.take()).await?;
        has_ids &= page.has_ids;
        met += page.met;
        for item in page.unorderable {
            selection.note_unorderable(item);
        }
        for item in page.items {
            if let Some(id) = item.kind.record_id().filter(|_| ask.wants(&item.hlc)) {
                found.offer(item.hlc.clone(), id.clone());
            }
            if selection.meets(ask, &item.hlc) {
                selection.offer(item.hlc.clone(), item);
            }
        }
        for (hlc, id) in page.others {
            selection.meets(ask, &hlc);
            if ask.wants(&hlc) {
                found.offer(hlc, id);
            }
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    selection.read_all();
    let selected = selection.finish();
    let survey = selected.survey();
    let left_out = survey.too_late.is_some();
    backlog.pass.end(ask, &survey.newest, met, left_out);
    let (found, _) = found.finish().into_items();
    if has_ids && found.len() > ask.limit {
        backlog.remember(ask, selected.survey().newest.clone(), found);
    } else {
        backlog.forget();
    }
    Ok(selected)
}

/// Fetches the page that an earlier scan knows of, if one does. What changed since has a later timestamp and is
/// found by a later scan; what follows it takes its place, because items of other streams must find the page as
/// full as it was meant.
async fn from_backlog<B>(
    store: &impl Records<B>,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
) -> Result<Option<Stretch<Item<B>>>> {
    let mut fetched = Fetched::new();
    while let Some(known) = backlog.next_page(ask) {
        let missing = missing_of(&known, &fetched);
        fetched.extend(store.fetch(&missing).await?);
        let gone: HashSet<_> = missing_of(&missing, &fetched).into_iter().collect();
        if gone.is_empty() {
            let mut selection = Selection::new(ask.limit);
            for item in known.iter().filter_map(|known| fetched.remove(known)) {
                selection.offer(item.hlc.clone(), item);
            }
            selection.left_out_more();
            return Ok(Some(selection.finish()));
        }
        backlog.gone(&gone);
    }
    Ok(None)
}

/// Those of the wanted that were not fetched yet.
pub fn missing_of<B>(wanted: &[(Hlc, Text)], fetched: &Fetched<B>) -> Vec<(Hlc, Text)> {
    let missing = wanted.iter().filter(|one| !fetched.contains_key(one));
    missing.cloned().collect()
}

/// What `ask` wants of the rows of a table: by the index, or by a scan from `floor` on, before which nothing is
/// wanted.
///
/// # Errors
/// Those of the store.
pub async fn find_rows<B, R: AppRows<B>>(
    store: &R,
    table: &Table,
    floor: &Hlc,
    ask: &Ask,
) -> Result<Stretch<Item<B>>> {
    if store.capabilities()?.index {
        return store.changes(table, ask).await;
    }
    let mut selection = Selection::new(ask.limit);
    let mut cursor: Option<R::Cursor> = None;
    loop {
        selection.begin_read();
        let horizon = selection.horizon().cloned();
        let from = (floor, cursor.take());
        let page = store.scan(table, from, ask, horizon.as_ref()).await?;
        for item in page.unorderable {
            selection.note_unorderable(item);
        }
        for item in page.items {
            if selection.meets(ask, &item.hlc) {
                selection.offer(item.hlc.clone(), item);
            }
        }
        for (hlc, _) in page.others {
            selection.meets(ask, &hlc);
        }
        let is_full = page
            .reached
            .is_some_and(|reached| no_later_row_fits(&selection, &reached));
        match page.next {
            Some(next) if !is_full => cursor = Some(next),
            _ => return Ok(selection.finish()),
        }
    }
}

/// Whether every row after `reached` is later than a full page. Scans come in the order of the text form,
/// in which counters and wall times sort by value only while they have the same number of digits, so
/// the wall times have to decide, and both have to fit the form.
fn no_later_row_fits<B>(selection: &Selection<Item<B>>, reached: &Hlc) -> bool {
    selection.horizon().is_some_and(|end| {
        end.wall_time_fits_text()
            && reached.wall_time_fits_text()
            && reached.wall_time > end.wall_time
    })
}
