//! Bringing one object to where it belongs.
//!
//! A key that is there is not enough: an object is what its item says it is, as far as the storages know.
//! If another object is under the key, the two sides *disagree*, and it depends on which item is the
//! newest of that key whether one may take the place of the other. That is for the round to find out, see
//! [`claims`](super::claims).

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Blob;
use crate::protocol::text::Text;

use super::copying::{Carried, Lane, Put, copy_and_tell};
use super::held::Direction;
use super::object::compare;
use super::ports::{Blobs, Stat};
use super::transfer::Hears;
use super::watch::Way;

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

/// What became of a transfer that did not fail.
#[derive(Debug)]
pub(super) enum Brought {
    /// The object is at its destination.
    There,
    /// It is at neither end.
    Missing,
    /// Another object is at the destination, and may not be replaced.
    Contested(Error),
}

/// Brings an object to where it belongs, in place of another one only if `replaces`.
pub(super) async fn bring<S: Blobs>(
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
        match copy_and_tell((source, destination), blob, only_new, how.forth()).await {
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
    match copy_and_tell((source, destination), blob, put, how.forth()).await? {
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
        match copy_and_tell((destination, source), blob, put, how.back()).await? {
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
