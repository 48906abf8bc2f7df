//! The first question to a peer: where its logs stand, and how much the two sides already have of each other.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::protocol::log::{Cursor, Keyed, LogAnswer, LogRequest, PlaneRequest};
use crate::protocol::message::Request;

use super::caller::Engine;
use super::change_log::{Look, Others, View, Waiting};
use super::pair::{Pair, Planes};
use super::planes::{fetch, hash_of, hear_of, heard_of, look, streams_of};
use super::ports::{Blobs, Events, Exchange, Log, Side, State};
use super::session::{KnownPeer, Session};
use super::waiting::note_waiting;

/// The most logs of others that are told of when it is not known which of them is the peer's.
const LATEST_OTHERS: usize = 32;

/// So much of the own history is told to a peer that was not asked before.
pub(super) const WHOLE_HISTORY: usize = 100;

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Asks the peer where its logs stand. Returns whether it keeps any.
    pub(super) async fn greet(&self, session: &mut Session<S::Body>) -> Result<bool> {
        let question = || Look {
            history: WHOLE_HISTORY,
            others: Others::Latest(LATEST_OTHERS),
            ..Look::default()
        };
        let looks = Planes {
            records: Some(question()),
            rows: Some(question()),
        };
        let views = look(&self.side, looks).await?;
        let told = |view: &View<S::Body>| PlaneRequest {
            id: view.id.clone(),
            history: view.history.clone(),
            since: view.others.clone(),
            ..PlaneRequest::default()
        };
        let request = Request {
            limit: 1,
            log: Some(Box::new(LogRequest {
                hello: true,
                records: views.records.as_ref().map(told),
                rows: views.rows.as_ref().map(told),
                streams: hash_of(&streams_of(&views)),
                ..LogRequest::default()
            })),
            ..Request::default()
        };
        let Some(answer) = self.ask(request).await?.log else {
            return Ok(false);
        };
        let has_items = views.iter().any(|view| view.head > 0);
        session.had_items = has_items;
        session.tells_alive = answer.alive.is_some();
        let LogAnswer { records, rows, .. } = *answer;
        let both = Planes {
            records: records.as_ref(),
            rows: rows.as_ref(),
        };
        let is_first = has_items
            && both.iter().any(|told| !told.history.0.is_empty())
            && both.iter().all(|told| {
                told.have == 0 && told.cursor.as_ref().is_none_or(|cursor| cursor.seq == 0)
            });
        self.warn_of_missing_planes(&views, records.is_some(), rows.is_some());
        let pairs = views.zip(Planes { records, rows }, |view, told| {
            (view.history.head().cloned(), Pair::begin(&view, told))
        });
        let own = Planes {
            records: pairs.records.as_ref().map(|(own, _)| own.clone()),
            rows: pairs.rows.as_ref().map(|(own, _)| own.clone()),
        };
        let last = |own: &Option<Cursor>| own.as_ref().map_or(0, |own| own.seq);
        let heads = Planes {
            records: own.records.as_ref().map(last),
            rows: own.rows.as_ref().map(last),
        };
        let pairs = Planes {
            records: pairs.records.map(|(_, pair)| pair),
            rows: pairs.rows.map(|(_, pair)| pair),
        };
        let heard = heard_of(&pairs, own, true);
        session.even = hear_of(&self.side, heard).await?;
        session.met.begin(&pairs);
        session.peer = KnownPeer::Logged(Box::new(pairs));
        let met = async {
            let has_met = Box::pin(self.remember_waiting(session)).await?;
            if is_first && !has_met {
                self.meet(session, &heads).await?;
            }
            Ok::<bool, Error>(true)
        };
        // A peer counts as asked only once it is known what waits for it.
        met.await.inspect_err(|_| session.peer = KnownPeer::Unknown)
    }

    fn warn_of_missing_planes(&self, own: &Planes<View<S::Body>>, records: bool, rows: bool) {
        for (is_missing, what) in [
            (own.records.is_some() && !records, "shared records"),
            (own.rows.is_some() && !rows, "app rows"),
        ] {
            if is_missing {
                let message = format!("the peer carries no {what} on this channel; they stay here");
                self.side.log().warn(&message, None);
            }
        }
    }

    /// Remembers what waits. Returns whether anything of the peer's logs came in before, even if it was not noted how far:
    /// its objects may be missing.
    async fn remember_waiting(&self, session: &mut Session<S::Body>) -> Result<bool> {
        let KnownPeer::Logged(pairs) = session.peer.clone() else {
            return Ok(false);
        };
        let generations = |pair: &Pair| {
            let stretches = pair.history.0.iter();
            stretches.map(|cursor| cursor.generation.clone()).collect()
        };
        let question = |pair: &Pair| Look {
            waiting_for: Some(pair.id.clone()),
            others: Others::Of(generations(pair)),
            ..Look::default()
        };
        let looks = Planes {
            records: pairs.records.as_ref().map(question),
            rows: pairs.rows.as_ref().map(question),
        };
        let views = look(&self.side, looks).await?;
        let mut has_met = false;
        let mut elsewhere = Vec::new();
        for view in [views.records, views.rows].into_iter().flatten() {
            has_met |= !view.others.is_empty();
            session.remember(view.waiting);
            elsewhere.extend(view.elsewhere);
        }
        let lacking = Box::pin(self.lacking_objects(elsewhere)).await?;
        session.remember(lacking.clone());
        note_waiting(&self.side, session, &pairs, &lacking).await?;
        Ok(has_met)
    }

    /// Of what waits to come in from other logs, the items that are here without their objects. They wait for this peer
    /// too: its log may have taken the place of the other, and the object may be where it was.
    async fn lacking_objects(&self, waiting: Vec<Waiting>) -> Result<Vec<Waiting>> {
        if waiting.is_empty() {
            return Ok(waiting);
        }
        let keys = waiting.iter().map(|waits| waits.key.clone());
        let mut lacking = HashSet::new();
        for Keyed { key, item } in fetch(&self.side, keys.collect()).await? {
            if let Some(blob) = &item.blob
                && !self.local.has(&blob.key).await.unwrap_or(true)
            {
                lacking.insert(key);
            }
        }
        let waiting = waiting.into_iter();
        Ok(waiting
            .filter(|waits| lacking.contains(&waits.key))
            .collect())
    }
}
