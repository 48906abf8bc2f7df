//! Moving objects: a window of transfers, one per key.
//!
//! A key that is there is not enough: an object is what its item says it is, as far as the storages know.
//! If another object is under the key, the two sides *disagree*, and it depends on which item is the
//! newest of that key whether one may take the place of the other. That is for the round to find out, see
//! [`claims`](super::claims).

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use futures_util::future::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::delta::ContiguousPrefix;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Blob, Item};
use crate::protocol::text::Text;

use super::held::Direction;
use super::object::{UploadId, compare};
use super::ports::{Blobs, Stat};
use super::transfer::{Hears, Telling};
use super::watch::{ByteCounter, Way};
use super::window::Window;

/// Copies an object from one storage to another, unless the key is there. `false` if the source does not
/// have it.
pub async fn copy<S: Blobs>(source: &S, destination: &S, blob: &Blob) -> Result<bool> {
    if destination.has(&blob.key).await? {
        return Ok(true);
    }
    let Some(data) = source.get(&blob.key).await? else {
        return Ok(false);
    };
    destination.put(blob, data).await?;
    Ok(true)
}

/// What became of a transfer that did not fail.
#[derive(Debug)]
enum Brought {
    /// The object is at its destination.
    There,
    /// It is at neither end.
    Missing,
    /// Another object is at the destination, and may not be replaced.
    Contested(Error),
}

/// Brings an object to where it belongs, in place of another one only if `replaces`.
async fn bring<S: Blobs>(
    source: &S,
    destination: &S,
    blob: &Blob,
    how: How<'_>,
) -> Result<Brought> {
    let verify = how.verify;
    let mut refused = None;
    if How::tries_new(destination, blob) {
        let only_new = Put {
            only_new: true,
            hashed: verify,
        };
        match carry((source, destination), blob, only_new, how.forth()).await {
            Ok(Carried::There) => return Ok(Brought::There),
            Ok(Carried::Missing | Carried::Occupied) => {}
            Err(error) if was_not_reached(&error) => {
                how.fails(blob, &error);
                return Err(error);
            }
            // A storage that takes in nothing may have it all the same.
            Err(error) => refused = Some(error).filter(|error| !minds_the_condition(error)),
        }
    }
    let replaces = how.replaces.is_some_and(|not| !not.contains(&blob.key));
    let looked = look(destination, blob, verify).await;
    let differs = match looked.inspect_err(|error| how.fails(blob, error))? {
        Some(Ok(())) if how.completes => {
            return bring_back(source, destination, blob, how).await;
        }
        Some(Ok(())) => return Ok(Brought::There),
        Some(Err(differs)) if !replaces => return Ok(Brought::Contested(differs)),
        Some(Err(differs)) => {
            let hash = differs.kind() == ErrorKind::HashMismatch;
            if hash && how.same_is_right && !verify && same(source, destination, blob).await? {
                return Ok(Brought::There);
            }
            Some(differs)
        }
        None => match refused {
            Some(refused) => {
                how.fails(blob, &refused);
                return Err(refused);
            }
            None => None,
        },
    };
    // What takes the place of another object is the right one for sure.
    let hashed = verify || differs.is_some();
    let put = Put {
        hashed,
        only_new: false,
    };
    match carry((source, destination), blob, put, how.forth()).await? {
        Carried::Missing => differs.map_or(Ok(Brought::Missing), Err),
        Carried::There | Carried::Occupied => Ok(Brought::There),
    }
}

/// Whether the other end did not answer, so that asking it once more only takes time.
fn was_not_reached(error: &Error) -> bool {
    error
        .network()
        .is_some_and(|network| network.status.is_none())
}

/// Whether the other end, or what stands before it, may refuse nothing but that something was asked for the put.
fn minds_the_condition(error: &Error) -> bool {
    const PRECONDITION_REQUIRED: u16 = 428;
    const NOT_IMPLEMENTED: u16 = 501;
    let status = error.network().and_then(|network| network.status);
    matches!(status, Some(PRECONDITION_REQUIRED | NOT_IMPLEMENTED))
}

/// How an object is stored.
#[derive(Debug, Clone, Copy)]
struct Put {
    /// Whether its bytes are checked against the hash that its item names.
    hashed: bool,
    /// Only if there is none under its key.
    only_new: bool,
}

/// What became of an object that was to be stored.
enum Carried {
    There,
    /// The source does not have it.
    Missing,
    /// There is one under its key, which stays.
    Occupied,
}

/// Brings an object over, and tells of it.
async fn carry<S: Blobs>(ends: (&S, &S), blob: &Blob, put: Put, lane: Lane<'_>) -> Result<Carried> {
    // What may not travel at all is told of once it has.
    let telling = lane.tell(blob, !put.only_new);
    let bytes = telling.as_ref().map(Telling::bytes);
    let carried = carry_bytes(ends, blob, put, (lane.way, bytes)).await;
    if let Some(telling) = telling {
        telling.end(match &carried {
            Ok(Carried::There) => None,
            _ if put.only_new => return carried,
            Ok(Carried::Occupied) => None,
            Ok(Carried::Missing) => Some(missing(blob)),
            Err(error) => Some(error.clone()),
        });
    }
    carried
}

async fn carry_bytes<S: Blobs>(
    (source, destination): (&S, &S),
    blob: &Blob,
    put: Put,
    (way, told): (&Way, Option<&ByteCounter>),
) -> Result<Carried> {
    let Some(data) = source.fetch(blob).await? else {
        return Ok(Carried::Missing);
    };
    let mut data = source.checked(blob, put.hashed, data).await?;
    let nameless;
    let blob = if put.hashed || names_its_bytes(source, blob).await? {
        blob
    } else {
        nameless = Blob {
            digest: None,
            ..blob.clone()
        };
        &nameless
    };
    if let Some(told) = told {
        data = source.counted(data, told);
    }
    let data = source.counted(data, &way.bytes);
    if put.only_new {
        if !destination.put_new(blob, data).await? {
            return Ok(Carried::Occupied);
        }
    } else {
        destination.put(blob, data).await?;
    }
    way.objects.set(way.objects.get() + 1);
    Ok(Carried::There)
}

/// Whether the hash that the item names is that of the bytes, as far as it matters: an upload of a large object is known
/// by it, and one with another hash than its bytes never ends.
async fn names_its_bytes<S: Blobs>(source: &S, blob: &Blob) -> Result<bool> {
    let is_small = |size| size < UploadId::LEAST_SIZE;
    if blob.digest.is_none() || blob.size.is_some_and(is_small) {
        return Ok(true);
    }
    let stat = source.stat(&blob.key).await?;
    Ok(stat.is_some_and(|stat| stat.digest == blob.digest))
}

/// Brings an object that is at its destination to where it should have come from, if that has none.
async fn bring_back<S: Blobs>(
    source: &S,
    destination: &S,
    blob: &Blob,
    how: How<'_>,
) -> Result<Brought> {
    if look(source, blob, false).await?.is_some() {
        return Ok(Brought::There);
    }
    let put = Put {
        hashed: how.verify,
        only_new: false,
    };
    Ok(
        match carry((destination, source), blob, put, how.back()).await? {
            Carried::There | Carried::Occupied => Brought::There,
            Carried::Missing => Brought::Missing,
        },
    )
}

/// Whether both ends have the same bytes under the key.
async fn same<S: Blobs>(source: &S, destination: &S, blob: &Blob) -> Result<bool> {
    let there = destination.stat(&blob.key).await?;
    let mut here = source.stat(&blob.key).await?;
    if here.as_ref().is_some_and(|stat| stat.digest.is_none()) {
        here = source.inspect(&blob.key).await?;
    }
    let digest = |stat: Option<Stat>| stat.and_then(|stat| stat.digest);
    let here = digest(here);
    Ok(here.is_some() && here == digest(there))
}

/// Whether the object that is there is the right one; `None` if there is none.
async fn look<S: Blobs>(storage: &S, blob: &Blob, verify: bool) -> Result<Option<Result<()>>> {
    let stat = storage.stat(&blob.key).await?;
    let Some(stat) = stat.filter(|stat| !stat.is_page || blob.is_page()) else {
        return Ok(None);
    };
    let mut same = compare(blob, &stat);
    if same.is_ok() && verify && blob.digest.is_some() && stat.digest.is_none() {
        let Some(read) = storage.inspect(&blob.key).await? else {
            return Ok(None);
        };
        same = compare(blob, &read);
    }
    Ok(Some(same))
}

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

/// How a list of objects is brought over.
#[derive(Debug, Clone, Copy)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says something else, and any of them may hold"
)]
pub struct How<'a> {
    /// At most this many at one time.
    pub window: usize,
    /// Whether more go at one time where they are small and both ends take it.
    pub more_small: bool,
    /// Whether no transfer begins for a node after one of its objects failed.
    pub stop_nodes: bool,
    /// Whether bytes are checked against the hashes that the items name.
    pub verify: bool,
    /// Where an object may take the place of another one: under all keys but these, or nowhere.
    pub replaces: Option<&'a HashSet<Text>>,
    /// Whether bytes with another hash than the item's are right if both ends have the same ones, unless `verify`:
    /// the right ones are at neither end then.
    pub same_is_right: bool,
    /// Whether the source gets an object that it lacks and the destination has.
    pub completes: bool,
    /// Which way that is.
    pub direction: Direction,
    /// Counts what is moved.
    pub moved: &'a Way,
    /// Counts what the source gets.
    pub back: &'a Way,
    /// What hears of each object on its way.
    pub hears: Option<&'a dyn Hears>,
}

impl<'a> How<'a> {
    /// Whether an object is sent without a look at what is under its key: most are new, and of one that is there only a
    /// few bytes go for nothing.
    fn tries_new<S: Blobs>(destination: &S, blob: &Blob) -> bool {
        /// More takes longer to send than the question and its answer.
        const LARGEST: u64 = 8 * 1024;
        blob.size.is_some_and(|size| size <= LARGEST) && destination.puts_new()
    }

    fn forth(self) -> Lane<'a> {
        Lane {
            way: self.moved,
            direction: self.direction,
            hears: self.hears,
        }
    }

    fn back(self) -> Lane<'a> {
        Lane {
            way: self.back,
            direction: self.direction.reversed(),
            hears: self.hears,
        }
    }

    /// Tells that it could not even be found out whether the object is at its destination.
    fn fails(self, blob: &Blob, error: &Error) {
        if let Some(telling) = self.forth().tell(blob, true) {
            telling.end(Some(error.clone()));
        }
    }
}

/// One of the two ways of an object.
#[derive(Debug, Clone, Copy)]
struct Lane<'a> {
    way: &'a Way,
    direction: Direction,
    hears: Option<&'a dyn Hears>,
}

impl<'a> Lane<'a> {
    fn tell(self, blob: &Blob, at_once: bool) -> Option<Telling<'a>> {
        let hears = self.hears?;
        let telling = Telling::new(hears, &blob.key, self.direction);
        Some(if at_once { telling.begun() } else { telling })
    }
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
