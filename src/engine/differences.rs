//! Finding what two sides hold differently: ranges of keys are compared, and split where they differ, until few enough
//! keys are in them to name.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::log::{Digest, Found, Key, LogRequest, Range, Reply, Span, Stream};
use crate::protocol::message::Request;
use crate::protocol::text::Text;

use super::caller::Engine;
use super::change_log::{ChangeLog, Look};
use super::pair::Planes;
use super::planes::{hash_of, look, names_of, no_logs, streams_of, verify};
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::progress::Phase;

/// At most this many ranges are compared in one request.
pub(super) const MOST_SPANS: usize = 256;

/// At most this many requests compare ranges: a peer that answers each with another split has no end.
const MOST_QUESTIONS: usize = 10_000;

/// How thoroughly two sides are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thoroughly {
    /// Each side first holds its log against its tables.
    pub(super) verify: bool,
    /// What belongs to streams that the peer does not have is offered as well.
    pub(super) offer_all: bool,
}

impl Thoroughly {
    /// As thoroughly as can be.
    pub(super) const WHOLE: Self = Self {
        verify: true,
        offer_all: true,
    };
}

/// What two sides hold differently.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// What is newer there, or only there.
    pub(super) want: Vec<Key>,
    /// What is newer here, or only here.
    pub(super) offer: Vec<Key>,
}

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// What the two sides hold differently. Nothing is moved or noted.
    pub(super) async fn differences(&self, how: Thoroughly) -> Result<Differences> {
        const SIDES: usize = 2;
        self.tell(Phase::Verify, 0, Some(SIDES));
        if how.verify {
            verify(&self.side).await?;
        }
        self.tell(Phase::Verify, 1, Some(SIDES));
        let looks = Planes::both(Look::default());
        let views = look(&self.side, looks).await?;
        let streams = streams_of(&views);
        let all = streams.iter().flat_map(|streams| streams.iter());
        let mut pending: Vec<Span> = all
            .map(|(name, digest)| Span {
                range: Range {
                    stream: name.to_owned(),
                    from: String::new(),
                    to: None,
                },
                digest,
            })
            .collect();
        let mut found = Differences::default();
        let mut compared = 0;
        let mut is_first = true;
        for _ in 0..MOST_QUESTIONS {
            if pending.is_empty() && !is_first {
                self.tell_end(Phase::Compare, compared);
                return Ok(found);
            }
            let most = if is_first { pending.len() } else { MOST_SPANS };
            let asked: Vec<Span> = pending.drain(..pending.len().min(most)).collect();
            let request = Request {
                limit: 1,
                log: Some(Box::new(LogRequest {
                    verify: is_first && how.verify,
                    stream_names: is_first.then(|| names_of(&streams)),
                    streams: hash_of(&streams),
                    compare: asked.clone(),
                    ..LogRequest::default()
                })),
                ..Request::default()
            };
            let answer = self.ask(request).await?.log.ok_or_else(no_logs)?;
            if is_first {
                self.tell_end(Phase::Verify, SIDES);
            }
            is_first = false;
            if answer.compared.len() != asked.len() {
                let message = "the peer must answer for every range that it was asked for";
                return Err(Error::sync("malformed exchange answer", message));
            }
            compared += asked.len();
            let is_common = |span: &Span| {
                let both = answer.stream_names.as_ref();
                both.is_none_or(|both| both.contains(&span.range.stream))
            };
            for (span, reply) in asked.iter().zip(answer.compared) {
                match reply {
                    _ if !is_common(span) => {
                        if how.offer_all {
                            let none = Vec::new();
                            self.other_keys(&span.range, none, &mut found).await?;
                        }
                    }
                    Reply::Same => {}
                    Reply::Parts(parts) if parts.iter().any(|part| part.range == span.range) => {
                        let message = "a part of a range must be smaller than the range";
                        return Err(Error::sync("malformed exchange answer", message));
                    }
                    Reply::Parts(parts) => pending.extend(self.other_parts(parts).await?),
                    Reply::Keys(theirs) => self.other_keys(&span.range, theirs, &mut found).await?,
                }
            }
            self.tell(Phase::Compare, compared, Some(compared + pending.len()));
        }
        let message = "the peer splits its ranges without end; see its log";
        Err(Error::sync("reconcile", message))
    }

    /// Those of the parts of which this side holds something else, with that.
    async fn other_parts(&self, parts: Vec<Span>) -> Result<Vec<Span>> {
        let ranges: Vec<Range> = parts.iter().map(|part| part.range.clone()).collect();
        let is_records = ranges.first().is_some_and(|range| range.stream.is_empty());
        let ours: Vec<Digest> = match (is_records, self.side.records(), self.side.rows()) {
            (true, Some(records), _) => records.digests(ranges).await?,
            (false, _, Some(rows)) => rows.digests(ranges).await?,
            _ => Vec::new(),
        };
        let both = parts.into_iter().zip(ours);
        Ok(both
            .filter(|(theirs, ours)| theirs.digest != *ours)
            .map(|(theirs, digest)| Span {
                range: theirs.range,
                digest,
            })
            .collect())
    }

    /// Notes which of the keys of a range are to be fetched and which to be sent.
    async fn other_keys(
        &self,
        range: &Range,
        theirs: Vec<Found>,
        found: &mut Differences,
    ) -> Result<()> {
        let ranges = vec![range.clone()];
        let is_records = range.stream.is_empty();
        let versions = match (is_records, self.side.records(), self.side.rows()) {
            (true, Some(records), _) => records.versions(ranges).await?,
            (false, _, Some(rows)) => rows.versions(ranges).await?,
            _ => Vec::new(),
        };
        let ours: BTreeMap<Key, String> = versions.into_iter().flatten().collect();
        let stream = Stream::named(&range.stream);
        let key = |id: &str| Key {
            stream: stream.clone(),
            id: Text::from(id),
        };
        let theirs: BTreeMap<Key, String> = theirs
            .into_iter()
            .map(|Found(id, time)| (key(&id), time))
            .collect();
        let keys: BTreeSet<&Key> = ours.keys().chain(theirs.keys()).collect();
        for key in keys {
            let time = |versions: &BTreeMap<Key, String>| {
                versions.get(key).and_then(|time| Hlc::parse(time).ok())
            };
            let (ours, theirs) = (time(&ours), time(&theirs));
            if theirs > ours {
                found.want.push(key.clone());
            } else if ours > theirs {
                found.offer.push(key.clone());
            }
        }
        Ok(())
    }
}
