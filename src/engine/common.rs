//! What an answering side and its caller both have, and what that says of the caller.

use crate::protocol::log::{Digest, Digests, LogRequest, PlaneRequest};

use super::change_log::{Heard, Proof, View};
use super::pair::Planes;
use super::planes::{
    PlaneStreams, are_even, counted_of, counts_deleted, has_purged, hash_of, in_common, names_of,
    streams_of,
};

/// The streams that both sides have, and what this one holds of them.
pub(super) struct Common {
    streams: PlaneStreams,
    /// The sum of the hashes of the names of all own ones.
    pub(super) hash: u64,
    /// The names of those that both have, if they are not all of both and the caller has said its own.
    pub(super) names: Option<Vec<String>>,
    /// What they hold, if it is known which these are.
    pub(super) counted: Option<Digests>,
    /// The streams of which both sides once held the same, tombstones too, if they ever did.
    pub(super) even: Option<Vec<String>>,
}

impl Common {
    pub(super) fn of<B>(views: &Planes<View<B>>, asked: &LogRequest) -> Self {
        let streams = streams_of(views);
        let hash = hash_of(&streams);
        let are_equal = asked.streams == hash;
        let theirs = asked.stream_names.as_ref().filter(|_| !are_equal);
        let names = theirs.map(|theirs| in_common(&streams, theirs));
        let counted =
            (are_equal || names.is_some()).then(|| counted_of(&streams, names.as_deref()));
        Self {
            streams,
            hash,
            names,
            counted,
            even: None,
        }
    }

    /// What of it is alive, if both logs count that.
    pub(super) fn alive(&self) -> Option<Digest> {
        let counted = self.counted.filter(|_| counts_deleted(&self.streams));
        counted.map(Digests::alive)
    }

    /// Whether the caller is told what is alive.
    pub(super) fn tells_alive(&self, asked: &LogRequest) -> bool {
        let are_even = || are_even(self.even.as_ref(), &self.streams, self.names.as_deref());
        asked.alive.is_some() || has_purged(&self.streams) && are_even()
    }

    /// What a request says of its caller, of each plane: also that both sides hold the same, if they do.
    pub(super) fn heard<B>(&self, asked: &LogRequest, views: &Planes<View<B>>) -> Planes<Heard> {
        let names = || match &self.names {
            Some(names) => names.clone(),
            None => names_of(&self.streams),
        };
        let names = self.counted.map(|_| names()).unwrap_or_default();
        let is = |theirs: Option<_>, ours: Option<_>| theirs.is_some() && theirs == ours;
        let are_same = is(asked.digest, self.counted.map(|counted| counted.all));
        let are_same_alive = is(asked.alive, self.alive());
        let heard = |(plane, view): (&PlaneRequest, &View<B>)| Heard {
            id: Some(plane.id.clone()),
            history: plane.history.clone(),
            common: names.clone(),
            own: view.history.head().cloned(),
            proof: if are_same {
                Proof::Same(view.head)
            } else if are_same_alive {
                Proof::Alive(view.after)
            } else {
                Proof::None
            },
            has: Some(view.after),
            greets: asked.hello,
        };
        let (records, rows) = (views.records.as_ref(), views.rows.as_ref());
        Planes {
            records: asked.records.as_ref().zip(records).map(heard),
            rows: asked.rows.as_ref().zip(rows).map(heard),
        }
    }
}
