//! The items that an answer by logs brings: they are taken in, and their objects fetched.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::protocol::item::Item;
use crate::protocol::log::{Key, Keyed, LogAnswer};
use crate::protocol::message::Answer;

use super::apply_logged::{Rules, Source, apply_logged};
use super::apply_rows::warn_of_failed_rows;
use super::arrival::Arrival;
use super::caller::Engine;
use super::held::{Direction, Held};
use super::inbound::Inbound;
use super::log_answer::{learn_of_withheld, unsent_of};
use super::meeting::ask_for_unsent;
use super::outgoing::Outgoing;
use super::pair::{Pair, Planes};
use super::planes::{fetch, has_purged, keyed};
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::session::{Session, Wait};
use super::stuck::{Lesson, Waits};
use super::waiting::{note_waiting, sources};

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Takes in the items that came, and fetches their objects. Also returns whether any has one.
    pub(super) async fn learn_of_received(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        (answer, told): (Answer<S::Body>, &LogAnswer),
        (out, lesson): (&Outgoing<S::Body>, &mut Lesson<S::Body>),
    ) -> Result<(Inbound<S::Body>, bool)> {
        let mut wanted = out.wanted.clone();
        wanted.truncate(self.answer_limit(session));
        let unsent: HashSet<Key> = unsent_of(told).collect();
        session
            .want
            .retain(|key| !wanted.contains(key) || unsent.contains(key));
        session
            .tried
            .extend(wanted.iter().map(|key| (true, key.clone())));
        let withheld = learn_of_withheld(told, answer.withheld, lesson);
        let row_keys = told.rows.as_ref().map(|rows| rows.keys.clone());
        let mut incoming = keyed(answer.items, row_keys.unwrap_or_default());
        let left = self
            .expect_objects(session, pairs, &incoming, &wanted)
            .await?;
        incoming.retain(|keyed| !left.contains(&keyed.key));
        session.want.extend(left);
        let has_blobs = incoming.iter().any(|keyed| keyed.item.blob.is_some());
        let incoming = incoming.into_iter().map(|keyed| (keyed.key, keyed.item));
        let (keys, items): (Vec<Key>, Vec<_>) = incoming.unzip();
        let at_once = !items.is_empty() && !has_blobs && !out.only_retries;
        let sources = sources(pairs, told, at_once);
        let came = (&keys[..], &withheld[..]);
        let arrivals = self
            .take_in_received(session, (pairs, sources), items, came, out)
            .await?;
        // The object of a version over which this side has written need not come.
        let sends = |key: &Key| out.items.iter().any(|one| one.key == *key);
        let (over, arrived): (Vec<_>, Vec<_>) = keys
            .into_iter()
            .zip(arrivals)
            .partition(|(key, arrival)| arrival.is_stale() && sends(key));
        let mut unsure: Vec<Key> = over.into_iter().map(|(key, _)| key).collect();
        let (keys, arrivals): (Vec<_>, Vec<_>) = arrived.into_iter().unzip();
        let inbound = self.fetch(arrivals).await;
        session.not_stored.extend(inbound.keys_not_stored());
        unsure.extend(learn_of_objects(session, (&inbound, &keys), lesson));
        if wanted.iter().any(|key| keys.contains(key)) {
            // There was room for some of them, and the others are next.
            session
                .tried
                .retain(|(inbound, key)| !inbound || !unsent.contains(key));
        }
        wanted
            .retain(|key| !keys.contains(key) && !withheld.contains(key) && !unsent.contains(key));
        // What the peer has no more need not come.
        unsure.extend(wanted);
        self.settle_whole(session, unsure, lesson).await?;
        Ok((inbound, has_blobs))
    }

    /// Takes in the items, which `came` under these keys, besides those that were withheld.
    async fn take_in_received(
        &self,
        session: &mut Session<S::Body>,
        (pairs, mut sources): (&Planes<Pair>, Planes<Source>),
        items: Vec<Item<S::Body>>,
        came: (&[Key], &[Key]),
        out: &Outgoing<S::Body>,
    ) -> Result<Vec<Arrival<S::Body>>> {
        let met = [came.0, came.1].concat();
        ask_for_unsent(session, &mut sources, (pairs, out), &met);
        let rules = Rules {
            max_clock_skew_ms: self.options.max_clock_skew_ms,
            known_apps_only: false,
        };
        let rules = (rules, &session.nodes);
        let taken_in = apply_logged(&self.side, items, sources, rules).await;
        self.note_conflicts(session, out, came, &taken_in).await;
        taken_in.done?;
        let arrivals = taken_in.arrivals;
        warn_of_failed_rows(&self.side, &arrivals);
        self.look_for_a_twin(session, &arrivals, has_purged(&out.streams))
            .await;
        Ok(arrivals)
    }

    /// An object that is still to be fetched is noted to be missing before its item is stored: a page may not come again,
    /// because the peer is put back to before it had it, and what was asked for by its key is in none. If as many items
    /// wait as may, a page is not passed before its objects are here, and of what was asked for the objects are fetched
    /// at once: returns what they could not be fetched for, which may not be stored yet.
    async fn expect_objects(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        items: &[Keyed<S::Body>],
        wanted: &[Key],
    ) -> Result<HashSet<Key>> {
        let (mut news, mut no_room) = (Vec::new(), Vec::new());
        for Keyed { key, item } in items {
            let waits = session.held.contains_key(&(true, key.clone()));
            if item.blob.is_some() && !waits {
                let message = "its object was not fetched yet; a later round does that";
                let error = Error::sync("exchange", message);
                let held = Held::new(item, Direction::Inbound, error);
                match session.hold(key, held, self.options.most_waiting) {
                    Wait::News(waits) => news.push(waits),
                    Wait::NoRoom if wanted.contains(key) => no_room.push((key, item)),
                    Wait::NoRoom | Wait::Known => {}
                }
            }
        }
        note_waiting(&self.side, session, pairs, &news).await?;
        let fetched = self
            .fetch_ahead(no_room.iter().map(|(_, item)| *item))
            .await;
        no_room.retain(|(_, item)| !matches!(fetched.of(item), Some(Ok(()))));
        Ok(no_room.into_iter().map(|(key, _)| key.clone()).collect())
    }

    /// Of these items, those that are here without their objects wait as before. The others do not wait any longer.
    async fn settle_whole(
        &self,
        session: &mut Session<S::Body>,
        mut keys: Vec<Key>,
        lesson: &mut Lesson<S::Body>,
    ) -> Result<()> {
        keys.retain(|key| session.held.contains_key(&(true, key.clone())));
        if keys.is_empty() {
            return Ok(());
        }
        for Keyed { key, item } in fetch(&self.side, keys.clone()).await? {
            let Some(blob) = &item.blob else { continue };
            if !self.local.has(&blob.key).await.unwrap_or(false) {
                keys.retain(|other| *other != key);
            }
        }
        for key in keys {
            session.settle(Direction::Inbound, &key);
            lesson.settled.push((Direction::Inbound, key));
        }
        Ok(())
    }
}

/// What became of the objects of the items under these keys. Returns the keys of which a newer version is here, perhaps,
/// which may be without its object.
fn learn_of_objects<B: Clone>(
    session: &mut Session<B>,
    (inbound, keys): (&Inbound<B>, &[Key]),
    lesson: &mut Lesson<B>,
) -> Vec<Key> {
    let mut unsure = Vec::new();
    for (arrival, key) in inbound.arrivals.iter().zip(keys) {
        match inbound.whole(arrival) {
            Ok(()) if arrival.is_stale() => unsure.push(key.clone()),
            Ok(()) if session.settle(Direction::Inbound, key) => {
                lesson.settled.push((Direction::Inbound, key.clone()));
            }
            Err(Some(error)) => lesson.waits.push(Waits {
                seq: None,
                key: key.clone(),
                held: Held::new(&arrival.item, Direction::Inbound, error),
            }),
            Ok(()) | Err(None) => {}
        }
    }
    unsure
}
