//! The bytes of one object on their way from one storage to another, and what is told of them.

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Blob;

use super::held::Direction;
use super::object::UploadId;
use super::ports::Blobs;
use super::transfer::{Hears, Telling};
use super::watch::{ByteCounter, Way};

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

/// How an object is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Put {
    /// Whether its bytes are checked against the hash that its item names.
    pub(super) hashed: bool,
    /// Only if there is none under its key.
    pub(super) only_new: bool,
}

/// What became of an object that was to be stored.
pub(super) enum Carried {
    /// It is stored.
    There,
    /// The source does not have it.
    Missing,
    /// There is one under its key, which stays.
    Occupied,
}

/// Copies an object to where it belongs, and tells of it.
pub(super) async fn copy_and_tell<S: Blobs>(
    ends: (&S, &S),
    blob: &Blob,
    put: Put,
    lane: Lane<'_>,
) -> Result<Carried> {
    // What may not travel at all is told of once it has.
    let telling = lane.tell(blob, !put.only_new);
    let bytes = telling.as_ref().map(Telling::bytes);
    let carried = copy_bytes(ends, blob, put, (lane.way, bytes)).await;
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

async fn copy_bytes<S: Blobs>(
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

/// One of the two ways of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane<'a> {
    pub(super) way: &'a Way,
    pub(super) direction: Direction,
    pub(super) hears: Option<&'a dyn Hears>,
}

impl<'a> Lane<'a> {
    /// What tells of the object, if anything hears of it: that it sets out `at_once`, or with its first bytes.
    pub(super) fn tell(self, blob: &Blob, at_once: bool) -> Option<Telling<'a>> {
        let hears = self.hears?;
        let telling = Telling::new(hears, &blob.key, self.direction);
        Some(if at_once { telling.begun() } else { telling })
    }
}

/// Why an object cannot travel that the source does not have.
pub(super) fn missing(blob: &Blob) -> Error {
    Error::new(
        ErrorKind::BlobMissing,
        "transfer an object",
        format!(
            "the source storage has no object under {:?}",
            blob.key.to_string()
        ),
    )
}
