//! Uploads that go on where they broke off.

use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap};
use tokio::time::timeout;

use super::key_turns::KeyTurn;
use super::{Channel, GoesOn};
use crate::engine::object::UploadId;
use crate::error::Result;
use crate::transport::UPLOAD_ID;
use crate::transport::routes::Refusal;

/// Which upload a request is of, if it names one.
fn upload_of(headers: &HeaderMap) -> Option<UploadId> {
    UploadId::parse(headers.get(UPLOAD_ID)?.to_str().ok()?)
}

/// An upload whose line broke is over a moment later. One whose line is silent is over after the body timeout.
const MOMENT: Duration = Duration::from_secs(5);

/// The turn of an upload of `key`.
async fn turn_of(channel: &Channel, key: &str, upload: UploadId) -> Result<KeyTurn, Refusal> {
    let name = format!("{key}\0{upload}");
    let turn = timeout(MOMENT, channel.limits.uploads.take(&name)).await;
    turn.map_err(|_| Refusal::busy())
}

/// How much is kept of the upload that a `HEAD` names, if it names one and the storage keeps any.
pub(super) async fn kept(
    channel: &Channel,
    headers: &HeaderMap,
    key: &str,
) -> Result<Result<Option<u64>, Refusal>> {
    let Some((upload, parts)) = upload_of(headers).zip(channel.files.parts()) else {
        return Ok(Ok(None));
    };
    let turn = match turn_of(channel, key, upload).await {
        Ok(turn) => turn,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let kept = parts.uploaded(key.to_owned(), upload).await?;
    drop(turn);
    Ok(Ok(Some(kept)))
}

/// Where the body of a `PUT` goes.
pub(super) struct PartialPut<'c> {
    pub(super) parts: &'c dyn GoesOn,
    pub(super) at: (UploadId, u64),
    /// Until the body is over.
    pub(super) turn: KeyTurn,
}

/// Where the body of a `PUT` goes on, if it is of an upload that may.
pub(super) async fn place_of<'c>(
    channel: &'c Channel,
    headers: &HeaderMap,
    key: &str,
) -> Result<Result<Option<PartialPut<'c>>, Refusal>> {
    let is_part = headers.contains_key(CONTENT_RANGE);
    let Some(upload) = upload_of(headers) else {
        // A part must never be taken for the whole, also if a header was lost on the way.
        let what = "Content-Range needs the Upload-Id of the upload that goes on";
        return Ok(if is_part {
            Err(Refusal::malformed(what))
        } else {
            Ok(None)
        });
    };
    let Some(parts) = channel.files.parts() else {
        // Of a storage that keeps nothing no caller can have learnt where to go on.
        return Ok(if is_part {
            Err(Refusal::no_such_upload())
        } else {
            Ok(None)
        });
    };
    if upload.size > channel.limits.max_file {
        return Ok(Err(Refusal::too_large(channel.limits.max_file)));
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let offset = match text(CONTENT_RANGE) {
        None if is_part => None,
        None => Some(0),
        Some(range) => offset_of(range, upload.size),
    };
    let Some(offset) = offset else {
        let what = "Content-Range must be bytes <offset>-<last>/<size>, up to the end of the Upload-Id's size";
        return Ok(Err(Refusal::malformed(what)));
    };
    let length: Option<u64> = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let is_packed = headers.contains_key(CONTENT_ENCODING);
    if length.is_some_and(|length| !is_packed && length != upload.size - offset) {
        let what = "Content-Length must be what the Upload-Id's size leaves from the offset on";
        return Ok(Err(Refusal::malformed(what)));
    }
    if !is_part {
        let turn = turn_of(channel, key, upload).await;
        let at = (upload, 0);
        return Ok(turn.map(|turn| Some(PartialPut { parts, at, turn })));
    }
    let turn = match turn_of(channel, key, upload).await {
        Ok(turn) => turn,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if parts.uploaded(key.to_owned(), upload).await? != offset {
        return Ok(Err(Refusal::no_such_upload()));
    }
    let at = (upload, offset);
    Ok(Ok(Some(PartialPut { parts, at, turn })))
}

/// Where the range begins that goes to the end of `size` bytes.
fn offset_of(range: &str, size: u64) -> Option<u64> {
    let (part, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = part.split_once('-')?;
    let number = |text: &str| text.parse::<u64>().ok();
    let is_end = number(whole)? == size && number(last)?.checked_add(1)? == size;
    number(first).filter(|first| is_end && *first < size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_goes_to_the_end_of_the_whole() {
        assert_eq!(offset_of("bytes 5-9/10", 10), Some(5));
        assert_eq!(offset_of("bytes 0-9/10", 10), Some(0));
        for range in [
            "bytes 5-8/10",
            "bytes 5-9/11",
            "bytes 10-9/10",
            "bytes 5-9/*",
            "bytes */10",
            "5-9/10",
            "bytes -9/10",
            "bytes 5-18446744073709551615/10",
        ] {
            assert_eq!(offset_of(range, 10), None, "{range}");
        }
    }
}
