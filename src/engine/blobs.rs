//! A pass over the objects of many items: a window of transfers, one per key. Each object is brought to where it belongs
//! by [`bring`](super::bring).

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use futures_util::future::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::delta::ContiguousPrefix;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Blob, Item};
use crate::protocol::text::Text;

use super::bring::{Brought, How, bring};
use super::copying::missing;
use super::ports::Blobs;
use super::window::Window;

/// What became of the objects of a list of items.
#[derive(Debug, Default)]
pub struct Transfers {
    outcomes: HashMap<Text, Result<()>>,
    contested: bool,
}

impl Transfers {
    /// Whether the item's object is where it belongs: `Ok` also if it has none, `None` if nothing was tried.
    pub fn of<B>(&self, item: &Item<B>) -> Option<Result<()>> {
        match &item.blob {
            None => Some(Ok(())),
            Some(blob) => self.outcomes.get(&blob.key).cloned(),
        }
    }

    /// What became of the object under a key; `None` if nothing was tried.
    pub fn of_key(&self, key: &Text) -> Option<&Result<()>> {
        self.outcomes.get(key)
    }

    /// The keys under which an object is not what its item says it is, at either end.
    pub fn disputed(&self) -> HashSet<Text> {
        let disputed = self
            .outcomes
            .iter()
            .filter(|(_, outcome)| outcome.as_ref().is_err_and(is_dispute));
        disputed.map(|(key, _)| key.clone()).collect()
    }

    /// Whether an object was left at its destination that is not the right one.
    pub fn is_contested(&self) -> bool {
        self.contested
    }

    /// Takes over what became of a second attempt.
    pub fn settle(&mut self, later: Self) {
        self.contested = later.contested;
        self.outcomes.extend(later.outcomes);
    }
}

fn is_dispute(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::HashMismatch | ErrorKind::SizeMismatch
    )
}

/// Brings the objects of `items`, which are in the order of timestamps, each key once: the last item of a key
/// says what is to be under it.
pub async fn transfer_all<'a, S: Blobs>(
    source: &S,
    destination: &S,
    items: impl Iterator<Item = (&'a Hlc, &'a Blob)>,
    how: How<'_>,
) -> Transfers {
    let mut waiting: VecDeque<(&Hlc, &Blob)> = items.collect();
    if waiting.is_empty() {
        return Transfers::default();
    }
    let mut owners: HashMap<&Text, (Vec<&Hlc>, &Blob)> = HashMap::new();
    for (hlc, blob) in &waiting {
        let (hlcs, newest) = owners.entry(&blob.key).or_insert((Vec::new(), *blob));
        hlcs.push(hlc);
        *newest = *blob;
    }
    let mut failed = ContiguousPrefix::default();
    let mut begun: HashSet<&Text> = HashSet::new();
    let mut transfers = Transfers::default();
    let mut running = FuturesUnordered::new();
    let more_small = how.more_small && source.takes_many() && destination.takes_many();
    let mut window = Window::new(how.window, more_small);
    loop {
        while let Some((hlc, blob)) = waiting.front() {
            if !failed.is_before_gap(hlc) || begun.contains(&blob.key) {
                waiting.pop_front();
                continue;
            }
            let blob = owners.get(&blob.key).map_or(*blob, |(_, newest)| *newest);
            let Some(room) = window.take(blob) else { break };
            begun.insert(&blob.key);
            let (start, brought) = (Instant::now(), bring(source, destination, blob, how));
            running.push(brought.map(move |done| (blob, done, room, start.elapsed())));
        }
        let Some((blob, done, room, took)) = running.next().await else {
            return transfers;
        };
        window.leave(blob, room, took);
        let outcome = match done {
            Ok(Brought::There) => Ok(()),
            Ok(Brought::Missing) => Err(missing(blob)),
            Ok(Brought::Contested(differs)) => {
                transfers.contested = true;
                Err(differs)
            }
            Err(error) => Err(error),
        };
        // A dispute may still be settled.
        if how.stop_nodes && outcome.as_ref().is_err_and(|error| !is_dispute(error)) {
            let hlcs = owners.get(&blob.key).map(|(hlcs, _)| hlcs);
            hlcs.into_iter().flatten().for_each(|hlc| failed.gap(hlc));
        }
        how.moved.settled.set(how.moved.settled.get() + 1);
        transfers.outcomes.insert(blob.key.clone(), outcome);
    }
}
