//! The objects of all items: whether both sides have them, and bringing over what one side lacks.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt};
use serde::{Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Blob;
use crate::protocol::text::Text;
use crate::protocol::wire::Exact;

use super::blobs::{Transfers, transfer_all};
use super::bring::How;
use super::caller::Engine;
use super::claims::claims;
use super::held::{Direction, said_code};
use super::object::compare;
use super::ports::{Blobs, Events, Exchange, Log, Side, Stat, State};
use super::progress::Phase;

/// At most this many keys are named in each list.
const MOST_NAMED: usize = 1000;

/// The number of objects that are looked for before those that were not found are brought over.
const AT_ONCE: usize = 256;

/// What became of the objects. It can be written as the text of JSON.
#[derive(Debug, Default, Serialize)]
pub struct Objects {
    /// The keys that were looked for on both sides.
    pub checked: usize,
    /// The objects that were brought to the peer.
    pub sent: usize,
    /// The objects that were fetched from it.
    pub received: usize,
    /// The first keys of which neither side has the object that its item means.
    #[serde(serialize_with = "write_keys")]
    pub missing: Vec<Text>,
    /// The first keys whose objects could not be brought over, with the reasons.
    #[serde(serialize_with = "write_failures")]
    pub failed: Vec<(Text, Error)>,
}

fn write_keys<S: Serializer>(keys: &[Text], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(keys.iter().map(Exact))
}

fn write_failures<S: Serializer>(failed: &[(Text, Error)], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Failed<'a> {
        key: Exact<'a, Text>,
        code: String,
        reason: String,
    }
    to.collect_seq(failed.iter().map(|(key, error)| Failed {
        key: Exact(key),
        code: said_code(error),
        reason: error.to_string(),
    }))
}

impl Objects {
    fn miss(&mut self, key: &Text) {
        if self.missing.len() < MOST_NAMED {
            self.missing.push(key.clone());
        }
    }
}

/// An object that an item names.
type Claim<'a> = (&'a Hlc, &'a Blob);

/// Where an object is.
enum End {
    /// At both sides.
    Both,
    /// Here.
    Here,
    /// There.
    There,
    /// At neither.
    Nowhere,
}

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Looks for the object of every key that an item of this side names, on both sides, and brings over what one of
    /// them lacks. An object that is not what the newest item of its key says is replaced; at the peer only if
    /// `replaces`, that is if nothing newer can have put it there.
    pub(super) async fn reconcile_objects(&self, replaces: bool) -> Result<Objects> {
        let named = self
            .unless_stopped(claims(&self.side, &Hlc::zero(), None))
            .await??;
        let mut named: Vec<Claim<'_>> = named.values().map(|(hlc, blob)| (hlc, blob)).collect();
        named.sort_by_key(|(_, blob)| &blob.key);
        let mut done = Objects::default();
        self.tell(Phase::Objects, 0, Some(named.len()));
        for some in named.chunks(AT_ONCE) {
            self.unless_stopped(self.reconcile_some(some, replaces, &mut done))
                .await??;
            self.tell(Phase::Objects, done.checked, Some(named.len()));
        }
        self.tell_end(Phase::Objects, done.checked);
        Ok(done)
    }

    async fn reconcile_some(
        &self,
        some: &[Claim<'_>],
        replaces: bool,
        done: &mut Objects,
    ) -> Result<()> {
        let window = self.options.blob_concurrency.max(1);
        let looks = some
            .iter()
            .map(|claim| async { Ok::<_, Error>((*claim, self.place_of(claim.1).await?)) });
        let mut looks = stream::iter(looks).buffer_unordered(window);
        let (mut send, mut receive) = (Vec::new(), Vec::new());
        while let Some(looked) = looks.next().await {
            let (claim, place) = looked?;
            done.checked += 1;
            match place {
                End::Both => {}
                End::Here => send.push(claim),
                End::There => receive.push(claim),
                End::Nowhere => done.miss(&claim.1.key),
            }
        }
        let all = HashSet::new();
        let how = How {
            window,
            stop_nodes: false,
            ..self.how(Direction::Outbound, replaces.then_some(&all))
        };
        let brought = transfer_all(&self.local, &self.remote, send.iter().copied(), how).await;
        done.sent += self.count(&send, &brought, done);
        let how = How {
            window,
            same_is_right: false,
            ..self.how(Direction::Inbound, Some(&all))
        };
        let received = transfer_all(&self.remote, &self.local, receive.iter().copied(), how).await;
        done.received += self.count(&receive, &received, done);
        Ok(())
    }

    async fn place_of(&self, blob: &Blob) -> Result<End> {
        let (here, there) =
            futures_util::future::try_join(self.local.stat(&blob.key), self.remote.stat(&blob.key))
                .await?;
        let is_object = |stat: &Stat| !stat.is_page || blob.is_page();
        let (here, there) = (here.filter(is_object), there.filter(is_object));
        let is_right = |stat: &Option<Stat>| {
            stat.as_ref()
                .is_some_and(|stat| compare(blob, stat).is_ok())
        };
        Ok(match (is_right(&here), is_right(&there)) {
            (true, true) => End::Both,
            (true, false) => End::Here,
            (false, true) => End::There,
            // An item may say something that no object is. What both sides have in common stays.
            (false, false) if here.is_some() && is_one(here.as_ref(), there.as_ref()) => End::Both,
            (false, false) => End::Nowhere,
        })
    }

    /// How many of the objects are where they belong now. Those that are not are noted.
    fn count(&self, claims: &[Claim<'_>], moved: &Transfers, done: &mut Objects) -> usize {
        let mut count = 0;
        for (_, blob) in claims {
            match moved.of_key(&blob.key) {
                None => {}
                Some(Ok(())) => count += 1,
                Some(Err(error)) if error.kind() == ErrorKind::BlobMissing => done.miss(&blob.key),
                Some(Err(error)) => {
                    let message = format!(
                        "the object under {:?} could not be brought over",
                        blob.key.to_string()
                    );
                    self.side.log().warn(&message, Some(error));
                    if done.failed.len() < MOST_NAMED {
                        done.failed.push((blob.key.clone(), error.clone()));
                    }
                }
            }
        }
        count
    }
}

/// Whether two sides have the same object, as far as both know.
fn is_one(here: Option<&Stat>, there: Option<&Stat>) -> bool {
    let (Some(here), Some(there)) = (here, there) else {
        return false;
    };
    here.size == there.size
        && (here.digest.is_none() || there.digest.is_none() || here.digest == there.digest)
}
