//! Writing the files of a channel: what a request wants to be so is so when it is done, as the writers of a key take turns.

use std::future::ready;
use std::sync::{Arc, OnceLock};

use futures_util::{StreamExt, stream};
use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::key_turns::KeyTurn;
use super::resume::{PartialPut, place_of};
use super::upload::{Upload, Why};
use super::{Channel, Files, Load};
use crate::engine::object::{Chunks, Incoming};
use crate::error::Result;
use crate::transport::routes::{Preconditions, Refusal, entity_tag};

/// The greatest body, in bytes, of which a caller has sent as good as all before it hears anything.
const SMALL: u64 = 16 * 1024;

/// Stores the body of a request under `key`.
pub(super) async fn put(
    channel: &Channel,
    head: &Parts,
    key: String,
    (body, why): (Chunks, &Why),
) -> Result<Result<(), Refusal>> {
    let file = Load {
        files: 1,
        ..Load::default()
    };
    if !channel.rates.take(head.extensions.get().copied(), file) {
        return Ok(Err(Refusal::too_much()));
    }
    let memory = channel.limits.budget.reserve();
    let read = || {
        let mut upload = Upload::new(&head.headers, body, why.clone(), channel.limits.max_file)?;
        if channel.files.holds_whole_files() {
            upload.reserves(&memory);
        }
        Ok::<_, Refusal>((upload, Preconditions::read(&head.headers)?))
    };
    let (upload, wanted) = match read() {
        Ok(read) => read,
        Err(refusal) => return Ok(Err(refusal)),
    };
    // Known at once, a refusal spares the body. A small one has come with its head.
    if upload.size().is_none_or(|size| size > SMALL)
        && let Err(refusal) = check(&*channel.files, &key, &wanted).await?
    {
        return Ok(Err(refusal));
    }
    let place = match place_of(channel, &head.headers, &key).await? {
        Ok(place) => place,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let content_type = head.headers.get(CONTENT_TYPE);
    let turn = Arc::default();
    let file = Incoming {
        content_type: content_type.and_then(|value| value.to_str().ok().map(str::to_owned)),
        size: upload.size(),
        is_page: false,
        chunks: in_turn(channel, &key, (upload, wanted, why), &turn),
    };
    match place {
        Some(PartialPut { parts, at, turn }) => {
            parts.go_on(key, file, at).await?;
            drop(turn);
        }
        None => channel.files.put(key, file).await?,
    }
    drop(turn);
    Ok(Ok(()))
}

/// The pieces of `upload`. They end when the turn of the key has come, and in an error where the file is not what is
/// wanted then: however slowly a body comes, it is stored before anything else is done with its key. The turn is kept in
/// `turn` as well, as a storage may let go of the pieces before it has stored them.
fn in_turn(
    channel: &Channel,
    key: &str,
    (upload, wanted, why): (Upload, Preconditions, &Why),
    turn: &Arc<OnceLock<KeyTurn>>,
) -> Chunks {
    let (files, turns) = (Arc::clone(&channel.files), channel.limits.turns.clone());
    let (key, why) = (key.to_owned(), why.clone());
    let (turn, kept) = (Arc::clone(turn), Arc::clone(turn));
    let end = async move {
        let _ = turn.set(turns.take(&key).await);
        match check(&*files, &key, &wanted).await {
            Ok(Ok(())) => None,
            Ok(Err(refusal)) => Some(Err(why.refuse(refusal))),
            Err(error) => Some(Err(error)),
        }
    };
    let end = stream::once(end).filter_map(ready);
    // While the pieces are there, so is the turn.
    upload.chain(end).inspect(move |_| _ = &kept).boxed()
}

/// Deletes the file under `key`.
pub(super) async fn delete(
    channel: &Channel,
    head: &Parts,
    key: String,
) -> Result<Result<(), Refusal>> {
    let wanted = match Preconditions::read(&head.headers) {
        Ok(wanted) => wanted,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let deletion = Load {
        deletions: 1,
        ..Load::default()
    };
    if !channel.rates.take(head.extensions.get().copied(), deletion) {
        return Ok(Err(Refusal::too_much()));
    }
    let _turn = channel.limits.turns.take(&key).await;
    if let Err(refusal) = check(&*channel.files, &key, &wanted).await? {
        return Ok(Err(refusal));
    }
    channel.files.delete(key).await.map(Ok)
}

/// Whether what is under the key is what is wanted.
async fn check(
    files: &dyn Files,
    key: &str,
    wanted: &Preconditions,
) -> Result<Result<(), Refusal>> {
    if wanted.is_empty() {
        return Ok(Ok(()));
    }
    let about = files.about(key.to_owned()).await?;
    let version = about.as_ref().and_then(|about| about.version.as_deref());
    let tag = version.map(entity_tag);
    Ok(wanted.check(about.is_some(), tag.as_deref()))
}
