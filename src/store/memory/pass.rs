//! Finding unseen records where no index helps: a full pass, and the backlog that it leaves.

use std::collections::{HashMap, HashSet};

use super::body::Body;
use super::records::MemoryRecords;
use crate::error::Result;
use crate::protocol::delta::{Ask, Backlog, Page};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;

/// Offers what `ask` wants to the page.
pub(super) async fn unseen(
    records: &MemoryRecords,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
    page: &mut Page<Item<Body>>,
) -> Result<()> {
    if fetch(records, ask, backlog, page).await? {
        return Ok(());
    }
    scan(records, ask, backlog, page).await
}

/// One full pass in the order of ids: keeps the page, and remembers the ids of what did not fit.
async fn scan(
    records: &MemoryRecords,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
    page: &mut Page<Item<Body>>,
) -> Result<()> {
    let mut found = Page::new(Backlog::<Text>::CAPACITY);
    let mut after: Option<Text> = None;
    loop {
        page.begin_read();
        let scanned = records.scan(after.as_ref()).await?;
        after = scanned.last().map(|item| item.body.id.clone());
        for item in scanned {
            let has_place = page.meets(ask, &item.hlc);
            if has_place || ask.wants(&item.hlc) {
                found.offer(item.hlc.clone(), item.body.id.clone());
            }
            if has_place {
                page.offer(item.hlc.clone(), item);
            }
        }
        if after.is_none() {
            break;
        }
    }
    let (found, _) = found.finish();
    if found.len() > ask.limit {
        backlog.remember(ask, page.survey().newest.clone(), found);
    } else {
        backlog.forget();
    }
    Ok(())
}

/// Fetches the page that an earlier pass knows of, or answers `false` where none does.
async fn fetch(
    records: &MemoryRecords,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
    page: &mut Page<Item<Body>>,
) -> Result<bool> {
    let mut fetched: HashMap<(Hlc, Text), Item<Body>> = HashMap::new();
    while let Some(known) = backlog.next_page(ask) {
        let mut gone = HashSet::new();
        for key in &known {
            if fetched.contains_key(key) {
                continue;
            }
            match records.get(&key.1).await? {
                Some(item) if item.hlc == key.0 => {
                    fetched.insert(key.clone(), item);
                }
                _ => {
                    gone.insert(key.clone());
                }
            }
        }
        if gone.is_empty() {
            for item in known.iter().filter_map(|key| fetched.remove(key)) {
                page.offer(item.hlc.clone(), item);
            }
            page.left_out_more();
            return Ok(true);
        }
        backlog.gone(&gone);
    }
    Ok(false)
}
