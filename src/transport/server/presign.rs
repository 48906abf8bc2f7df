//! Files whose bytes go past the server: urls are handed out, and what was uploaded by one is looked at.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Response;
use http::request::Parts;
use serde_json::from_slice;

use super::body::AnswerBody;
use super::replies::json;
use super::upload::{Upload, Why};
use super::{Channel, Load};
use crate::engine::object::Chunks;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::presign::{FileToUpload, Presigned};
use crate::transport::routes::{Found, Refusal, Route, UploadStep, reason_against};

/// The most bytes of a body that names a file. A key has up to 4096, each of which may be written as six.
const MOST_SAID: u64 = 64 * 1024;

/// What is asked for, if the body has to say it, and the rest of the body. A rule on files goes by their key, so this is
/// known before it is asked.
pub(super) async fn read_body(found: Found, head: &Parts, body: Chunks) -> (Found, Chunks) {
    let Found::InBody(step) = found else {
        return (found, body);
    };
    let why = Why::default();
    let read = async {
        let upload = Upload::new(&head.headers, body, why.clone(), MOST_SAID)?;
        let whole = upload.whole().await;
        let text = whole.map_err(|_| why.refusal().unwrap_or_else(Refusal::fault))?;
        from_slice::<FileToUpload>(&text).map_err(|error| {
            Refusal::malformed(format!(
                "the body must be JSON like {{ \"key\": \"photos/x.jpg\", \"size\": 5 }}: {error}"
            ))
        })
    };
    let found = match read.await {
        Err(refusal) => Found::BadBody(refusal.message().to_owned()),
        Ok(file) => match reason_against(&file.key) {
            Some(what) => Found::BadKey(what),
            None => Found::Route(Route::Upload(step, file)),
        },
    };
    (found, stream::empty().boxed())
}

type UrlAnswer = Result<Result<Response<AnswerBody>, Refusal>>;

/// A url to get a file from.
pub(super) async fn to_get(channel: &Channel, key: String) -> UrlAnswer {
    let Some(presigner) = &channel.presigner else {
        return Ok(Err(Refusal::no_urls()));
    };
    if channel.files.about(key.clone()).await?.is_none() {
        return Ok(Err(Refusal::not_found("there is no file under this key")));
    }
    told(presigner.to_get(key).await?)
}

/// A step of an upload.
pub(super) async fn upload(
    channel: &Channel,
    head: &Parts,
    (step, file): (UploadStep, FileToUpload),
) -> UrlAnswer {
    let Some(presigner) = &channel.presigner else {
        return Ok(Err(Refusal::no_urls()));
    };
    if step == UploadStep::Confirm {
        return confirm(channel, &file).await;
    }
    let most = channel.limits.max_file;
    if file.size.is_some_and(|size| size > most) {
        return Ok(Err(Refusal::too_large(most)));
    }
    if file.size.is_none() && most != u64::MAX {
        let what = "say the `size` of the file: this server takes none without a limit";
        return Ok(Err(Refusal::malformed(what)));
    }
    let load = Load {
        files: 1,
        ..Load::default()
    };
    if !channel.rates.take(head.extensions.get().copied(), load) {
        return Ok(Err(Refusal::too_much()));
    }
    told(presigner.to_put(file).await?)
}

fn told(presigned: Option<Presigned>) -> UrlAnswer {
    let Some(presigned) = presigned else {
        return Ok(Err(Refusal::no_urls()));
    };
    let text = serde_json::to_vec(&presigned)
        .map_err(|error| Error::new(ErrorKind::Internal, "presign a file", error.to_string()))?;
    Ok(Ok(json(Bytes::from(text))))
}

/// Whether the file that was uploaded is there, as far as the storage can say.
async fn confirm(channel: &Channel, file: &FileToUpload) -> UrlAnswer {
    let Some(about) = channel.files.about(file.key.clone()).await? else {
        let what = "there is no file under this key; put its bytes to the url first";
        return Ok(Err(Refusal::not_found(what)));
    };
    if let (Some(said), Some(found)) = (file.size, about.size)
        && said != found
    {
        let what = format!("the file has {found} bytes instead of {said}; upload it again");
        return Ok(Err(Refusal::not_as_said(ErrorKind::SizeMismatch, what)));
    }
    if let (Some(said), Some(found)) = (file.digest, about.digest)
        && said != found
    {
        let what = format!("the file has the SHA-256 {found} instead of {said}; upload it again");
        return Ok(Err(Refusal::not_as_said(ErrorKind::HashMismatch, what)));
    }
    Ok(Ok(json(Bytes::from_static(b"{}"))))
}
