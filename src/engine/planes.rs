//! Both planes of a side at once, by their logs.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::log::{Cursor, Digest, Digests, Key, Keyed, Stream, Streams};

use super::change_log::{ChangeLog, Heard, Look, Note, Recognized, View};
use super::pair::{Pair, Planes};
use super::ports::{Log, Side};

/// Whether each plane of `side` keeps a log.
pub(super) fn keeps_logs<S: Side>(side: &S) -> bool {
    let records = side.records().map(ChangeLog::has_log);
    let rows = side.rows().map(ChangeLog::has_log);
    (records.is_some() || rows.is_some()) && records != Some(false) && rows != Some(false)
}

/// Looks at the logs of `side`: of each plane with the look that is made for it. The rows may have as many items as
/// the records left room for.
pub(super) async fn look<S: Side>(side: &S, looks: Planes<Look>) -> Result<Planes<View<S::Body>>> {
    let mut views = Planes {
        records: None,
        rows: None,
    };
    let mut taken = 0;
    if let (Some(records), Some(look)) = (side.records(), looks.records) {
        let view = records.look(look).await?;
        taken = view.items.len();
        views.records = Some(view);
    }
    if let (Some(rows), Some(mut look)) = (side.rows(), looks.rows) {
        look.limit = look.limit.saturating_sub(taken);
        views.rows = Some(rows.look(look).await?);
    }
    Ok(views)
}

/// Notes what an exchange came to, if there is anything to note.
pub(super) async fn note<S: Side>(side: &S, notes: Planes<Note>) -> Result<()> {
    let says =
        |note: &Note| note.advance.is_some() || !note.waits.is_empty() || !note.settled.is_empty();
    if let (Some(records), Some(note)) = (side.records(), notes.records.filter(says)) {
        records.note(note).await?;
    }
    if let (Some(rows), Some(note)) = (side.rows(), notes.rows.filter(says)) {
        rows.note(note).await?;
    }
    Ok(())
}

/// Hears of a peer, of each plane, and warns if it has missed what was purged of any. Returns the streams of
/// which both sides once held the same, tombstones too, in all planes.
pub(super) async fn hear_of<S: Side>(
    side: &S,
    heard: Planes<Heard>,
) -> Result<Option<Vec<String>>> {
    let mut known = Vec::new();
    if let (Some(records), Some(heard)) = (side.records(), heard.records) {
        known.push(records.hear_of(heard).await?);
    }
    if let (Some(rows), Some(heard)) = (side.rows(), heard.rows) {
        known.push(rows.hear_of(heard).await?);
    }
    if known.iter().any(|known: &Recognized| known.has_missed) {
        side.log().warn(MISSED, None);
    }
    Ok(even_in_all(known))
}

/// The same without waiting, if nothing has to be written of the peer.
pub(super) fn recognized<S: Side>(side: &S, heard: &Planes<Heard>) -> Option<Vec<Recognized>> {
    let mut known = Vec::new();
    if let (Some(records), Some(heard)) = (side.records(), &heard.records) {
        known.push(records.recognizes(heard)?);
    }
    if let (Some(rows), Some(heard)) = (side.rows(), &heard.rows) {
        known.push(rows.recognizes(heard)?);
    }
    Some(known)
}

/// The streams of which both sides once held the same, tombstones too, in all planes.
pub(super) fn even_in_all(known: Vec<Recognized>) -> Option<Vec<String>> {
    let even = known.into_iter().map(|known| known.even);
    let in_both = |ours: Option<Vec<String>>, theirs: Option<Vec<String>>| {
        let (mut ours, theirs) = ours.zip(theirs)?;
        ours.retain(|name| theirs.contains(name));
        Some(ours)
    };
    even.reduce(in_both).flatten()
}

/// Whether all of the streams of these names, or of this side, are among those of which both sides once held the same.
pub(super) fn are_even(
    even: Option<&Vec<String>>,
    planes: &PlaneStreams,
    meant: Option<&[String]>,
) -> bool {
    let Some(even) = even else { return false };
    let even: HashSet<&str> = even.iter().map(String::as_str).collect();
    if let Some(meant) = meant {
        return meant.iter().all(|name| even.contains(name.as_str()));
    }
    let mut all = planes.iter().flat_map(|streams| streams.iter());
    all.all(|(name, _)| even.contains(name))
}

/// What is known of the peer that these `pairs` are about, for a side whose logs end at `ends`.
pub(super) fn heard_of(
    pairs: &Planes<Pair>,
    ends: Planes<Option<Cursor>>,
    greets: bool,
) -> Planes<Heard> {
    let known = Planes {
        records: pairs.records.as_ref(),
        rows: pairs.rows.as_ref(),
    };
    known.zip(ends, |pair, own| Heard {
        id: Some(pair.id.clone()),
        history: pair.history.clone(),
        own,
        has: Some(pair.have),
        greets,
        ..Heard::default()
    })
}

/// Hears of a peer that keeps no logs.
pub(super) async fn hear_of_plain<S: Side>(side: &S) -> Result<()> {
    let heard = Planes {
        records: Some(Heard::default()),
        rows: Some(Heard::default()),
    };
    hear_of(side, heard).await.map(drop)
}

/// What is said of a peer that was away while tombstones were purged.
const MISSED: &str = "a peer took part before, and has missed deletions whose tombstones were purged here since: \
     it was forgotten, or its file was put back or copied. What it still holds of these items comes back as if it were new; \
     delete it again, or give that peer a new file";

/// Where each log ended.
pub(super) fn ends_of<B>(views: &Planes<View<B>>) -> Planes<Option<Cursor>> {
    let end = |view: &View<B>| view.history.head().cloned();
    Planes {
        records: views.records.as_ref().map(end),
        rows: views.rows.as_ref().map(end),
    }
}

/// The items under these keys, each with its key.
pub(super) async fn fetch<S: Side>(side: &S, keys: Vec<Key>) -> Result<Vec<Keyed<S::Body>>> {
    let (records, rows): (Vec<_>, Vec<_>) = keys
        .into_iter()
        .partition(|key| key.stream == Stream::Records);
    let of = |want: Vec<Key>| Look {
        want,
        ..Look::default()
    };
    let looks = Planes {
        records: (!records.is_empty()).then(|| of(records)),
        rows: (!rows.is_empty()).then(|| of(rows)),
    };
    let views = look(side, looks).await?;
    Ok(views
        .records
        .into_iter()
        .chain(views.rows)
        .flat_map(|view| view.wanted)
        .collect())
}

/// The streams of each plane.
pub(super) type PlaneStreams = Vec<Arc<Streams>>;

pub(super) fn streams_of<B>(views: &Planes<View<B>>) -> PlaneStreams {
    views.iter().map(|view| Arc::clone(&view.streams)).collect()
}

/// What all planes hold together, of the streams of these names, or of all.
pub(super) fn counted_of(planes: &PlaneStreams, meant: Option<&[String]>) -> Digests {
    let Some(meant) = meant else {
        let wholes = planes.iter().map(|streams| streams.whole());
        return wholes.fold(Digests::default(), Digests::and);
    };
    let meant: HashSet<&str> = meant.iter().map(String::as_str).collect();
    let all = planes.iter().flat_map(|streams| streams.counted());
    all.filter(|(name, _)| meant.contains(name))
        .fold(Digests::default(), |sum, (_, counted)| sum.and(counted))
}

/// Whether all planes count what of them is deleted.
pub(super) fn counts_deleted(planes: &PlaneStreams) -> bool {
    planes.iter().all(|streams| streams.counts_deleted())
}

/// Whether tombstones of any plane were ever removed for good.
pub(super) fn has_purged(planes: &PlaneStreams) -> bool {
    planes.iter().any(|streams| streams.has_purged())
}

/// The names of all streams.
pub(super) fn names_of(planes: &PlaneStreams) -> Vec<String> {
    let all = planes.iter().flat_map(|streams| streams.iter());
    all.map(|(name, _)| name.to_owned()).collect()
}

/// Those of the peer's streams that are here as well.
pub(super) fn in_common(planes: &PlaneStreams, theirs: &[String]) -> Vec<String> {
    let all = planes.iter().flat_map(|streams| streams.iter());
    let ours: HashSet<&str> = all.map(|(name, _)| name).collect();
    let both = theirs.iter().filter(|name| ours.contains(name.as_str()));
    both.cloned().collect()
}

/// The hash of the names of all streams.
pub(super) fn hash_of(planes: &PlaneStreams) -> u64 {
    let names = planes.iter().map(|streams| streams.names());
    names.fold(Digest::default(), Digest::and).sum
}

/// The keys of items that came in a message: the rows' are given beside them, in their order.
pub(super) fn keyed<B>(
    items: Vec<Item<B>>,
    row_keys: Vec<crate::protocol::text::Text>,
) -> Vec<Keyed<B>> {
    let mut row_keys = row_keys.into_iter();
    let key_of = |item: &Item<B>, next: &mut dyn FnMut() -> Option<crate::protocol::text::Text>| {
        let id = match &item.kind {
            ItemKind::Record(id) => id.clone(),
            ItemKind::Row(_) => next().unwrap_or_else(|| item.hlc.to_text()),
        };
        let stream = Stream::of(&item.kind);
        Key { stream, id }
    };
    items
        .into_iter()
        .map(|item| Keyed {
            key: key_of(&item, &mut || row_keys.next()),
            item,
        })
        .collect()
}

/// Holds the logs of a side against its tables.
pub(super) async fn verify<S: Side>(side: &S) -> Result<u64> {
    let mut mended = 0;
    if let Some(records) = side.records() {
        mended += records.verify().await?;
    }
    if let Some(rows) = side.rows() {
        mended += rows.verify().await?;
    }
    Ok(mended)
}

pub(super) fn no_logs() -> Error {
    Error::sync(
        "reconcile",
        "one of the two sides keeps no change log; use the stores of this package on both, or let the ordinary rounds do \
         it",
    )
}
