//! Moving objects: a window of transfers, one per key.

use std::collections::{HashMap, HashSet, VecDeque};

use futures_util::future::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::delta::Runs;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Blob, Item};
use crate::protocol::text::Text;

use super::ports::Blobs;

/// Brings an object from one storage to another, checked against its item's hash where `verify` and where
/// there is one. `false` if the source does not have it.
pub async fn transfer<S: Blobs>(
    source: &S,
    destination: &S,
    blob: &Blob,
    verify: bool,
) -> Result<bool> {
    if destination.has(&blob.key).await? {
        return Ok(true);
    }
    let Some(mut data) = source.get(&blob.key).await? else {
        return Ok(false);
    };
    if let Some(digest) = blob.digest.filter(|_| verify) {
        data = source.checked(blob, digest, data).await?;
    }
    destination.put(blob, data).await?;
    Ok(true)
}

/// What became of the objects of a list of items.
#[derive(Debug, Default)]
pub struct Transfers {
    outcomes: HashMap<Text, Result<()>>,
}

impl Transfers {
    /// Whether the item's object is where it belongs: `Ok` also where it has none, `None` if nobody tried.
    pub fn of<B>(&self, item: &Item<B>) -> Option<Result<()>> {
        match &item.blob {
            None => Some(Ok(())),
            Some(blob) => self.outcomes.get(&blob.key).cloned(),
        }
    }
}

/// How a list of objects is brought over.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// So many at one time.
    pub window: usize,
    /// Whether no transfer begins for a node after one of its objects failed.
    pub stop_nodes: bool,
    /// Whether bytes are checked against the hashes that the items name.
    pub verify: bool,
}

/// Brings the objects of `items`, which are in the order of timestamps, each key once.
pub async fn transfer_all<'a, S: Blobs, B: 'a>(
    source: &S,
    destination: &S,
    items: impl Iterator<Item = &'a Item<B>>,
    how: How,
) -> Transfers {
    let mut waiting: VecDeque<(&Hlc, &Blob)> = items
        .filter_map(|item| item.blob.as_ref().map(|blob| (&item.hlc, blob)))
        .collect();
    if waiting.is_empty() {
        return Transfers::default();
    }
    let mut owners: HashMap<&Text, Vec<&Hlc>> = HashMap::new();
    for (hlc, blob) in &waiting {
        owners.entry(&blob.key).or_default().push(hlc);
    }
    let mut failed = Runs::default();
    let mut begun: HashSet<&Text> = HashSet::new();
    let mut transfers = Transfers::default();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < how.window.max(1)
            && let Some((hlc, blob)) = waiting.pop_front()
        {
            if failed.is_before_gap(hlc) && begun.insert(&blob.key) {
                running.push(
                    transfer(source, destination, blob, how.verify).map(move |done| (blob, done)),
                );
            }
        }
        let Some((blob, done)) = running.next().await else {
            return transfers;
        };
        let outcome = done.and_then(|there| if there { Ok(()) } else { Err(missing(blob)) });
        if outcome.is_err() && how.stop_nodes {
            owners
                .get(&blob.key)
                .into_iter()
                .flatten()
                .for_each(|hlc| failed.gap(hlc));
        }
        transfers.outcomes.insert(blob.key.clone(), outcome);
    }
}

fn missing(blob: &Blob) -> Error {
    Error::new(
        ErrorKind::BlobMissing,
        "transfer an object",
        format!(
            "the source storage has no object under {:?}",
            blob.key.to_string()
        ),
    )
}
