//! Which item decides what is under a key.
//!
//! Keys may be used again: by a newer version of a record, by another record, by the app row that belongs to
//! one. Then the newest item of the key decides, and an older one is content with what that one says. Only
//! the own stores can be asked for it. They are asked only if two sides disagree about an object, because
//! it may take a scan of them.

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::protocol::delta::{Ask, Backlog, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Blob, FILE_RECORDS_TABLE, Item};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

use super::ports::{AppRows, Records, Side};
use super::scan::{find_records, find_rows};

/// At most this many items are looked at, at one time.
const AT_ONCE: usize = 1000;

/// Per key the newest item that names it, with what it says of the object.
pub(super) type Claims = HashMap<Text, (Hlc, Blob)>;

/// Which items of the own stores name these keys, or any, with timestamps of `since` and later.
///
/// # Errors
/// Those of the stores.
pub(super) async fn claims<S: Side>(
    side: &S,
    since: &Hlc,
    keys: Option<&HashSet<Text>>,
) -> Result<Claims> {
    let floor = Hlc::new(since.wall_time.saturating_sub(1), 0, Text::from(""));
    let mut claims = Claims::new();
    if let Some(records) = side.records() {
        let coverage = if records.capabilities()?.coverage {
            records.coverage().await?
        } else {
            Watermarks::default()
        };
        let mut ask = ask_from(&floor, &coverage);
        let mut backlog = Backlog::default();
        loop {
            let found = find_records(records, &ask, &mut backlog).await?;
            if !note(found, &mut ask, keys, &mut claims) {
                break;
            }
        }
    }
    let Some(rows) = side.rows() else {
        return Ok(claims);
    };
    for table in rows.tables().await? {
        if table.name != Text::from(FILE_RECORDS_TABLE) {
            continue;
        }
        let mut ask = ask_from(&floor, &Watermarks::default());
        loop {
            let found = find_rows(rows, &table, &floor, &ask).await?;
            if !note(found, &mut ask, keys, &mut claims) {
                break;
            }
        }
    }
    Ok(claims)
}

/// What is later than `floor`, as far as the nodes are known.
fn ask_from(floor: &Hlc, coverage: &Watermarks) -> Ask {
    let seen = |(node, _): (&_, &_)| {
        let upto = Hlc::new(floor.wall_time, floor.counter, Clone::clone(node));
        (Clone::clone(node), upto)
    };
    Ask {
        seen: coverage.iter().map(seen).collect(),
        skip: HashSet::new(),
        upto: None,
        limit: AT_ONCE,
    }
}

/// Notes the claims of a page, and says whether another one follows.
fn note<B>(
    found: Stretch<Item<B>>,
    ask: &mut Ask,
    keys: Option<&HashSet<Text>>,
    claims: &mut Claims,
) -> bool {
    let (items, more) = found.into_items();
    let follows = more && !items.is_empty();
    for (hlc, item) in items {
        ask.seen.advance(&hlc);
        let Some(blob) = item
            .blob
            .filter(|blob| keys.is_none_or(|keys| keys.contains(&blob.key)))
        else {
            continue;
        };
        if claims
            .get(&blob.key)
            .is_none_or(|(newest, _)| *newest < hlc)
        {
            claims.insert(blob.key.clone(), (hlc, blob));
        }
    }
    follows
}
