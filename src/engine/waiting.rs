//! The list of what waits between two sides with change logs, and what is noted of both logs beside it.
//!
//! The list is bounded. What would be one more does not get onto it, so nothing may pass it: the log that it is in
//! stands still there. Then what waits has its turn before anything new, until some of it could be brought over.

use crate::error::Result;
use crate::protocol::log::{Key, LogAnswer, PlaneAnswer};

use super::apply_logged::Source;
use super::caller::Engine;
use super::change_log::{Advance, Note, Waiting};
use super::held::{Direction, Held};
use super::outgoing::Outgoing;
use super::pair::{Pair, Planes};
use super::planes::note;
use super::ports::{Blobs, Events, Exchange, Log, Side, State};
use super::session::{Session, Wait};
use super::stuck::{Lesson, Stuck, Waits, is_record};

/// What was taken in of the peer's log without bringing anything is noted in the store once it is this much. What is
/// not noted is looked at again after a restart, and brings nothing.
const NOTED_AFTER: u64 = 10_000;

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Notes what waits before anything passes it. What finds no room stays in its log, and what follows it there.
    pub(super) async fn keep_waiting(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        out: &mut Outgoing<S::Body>,
    ) -> Result<()> {
        let mut waits = std::mem::take(&mut out.waits);
        waits.sort_by_key(|waits| waits.seq);
        let mut news = Vec::new();
        for Waits { seq, key, held } in waits {
            match self.keep_one(session, &key, &held, &mut news) {
                Wait::NoRoom => match seq {
                    Some(seq) => out.leave(&key, seq),
                    // It was found to differ, and will be found again.
                    None => session.offer.retain(|other| *other != key),
                },
                Wait::News(_) | Wait::Known => {}
            }
        }
        note_waiting(&self.side, session, pairs, &news).await
    }

    /// An item waits, if there is room. What is to be noted of it comes among the `news`.
    fn keep_one(
        &self,
        session: &mut Session<S::Body>,
        key: &Key,
        held: &Held<S::Body>,
        news: &mut Vec<Waiting>,
    ) -> Wait {
        let most = self.options.most_waiting;
        let wait = session.hold(key, held.clone(), most);
        match &wait {
            Wait::News(waits) => {
                held.warn(self.side.log());
                news.push(waits.clone());
            }
            Wait::Known => {}
            Wait::NoRoom if session.told_of_full => {}
            Wait::NoRoom => {
                session.told_of_full = true;
                let message = format!(
                    "{most} items wait for this peer, and no more may: what follows in the log of either side waits \
                     there until some of them are brought over"
                );
                self.side.log().warn(&message, Some(&held.error));
            }
        }
        wait
    }

    /// Notes what waits, what waits no longer, and how far the peer's logs were taken in, as far as that is not noted
    /// with the items themselves. Returns what found no room to wait.
    pub(super) async fn note_lesson(
        &self,
        session: &mut Session<S::Body>,
        pairs: &mut Planes<Pair>,
        (told, (came, is_noted)): (&LogAnswer, (bool, bool)),
        (lesson, out): (Lesson<S::Body>, &Outgoing<S::Body>),
    ) -> Result<Stuck> {
        let mut stuck = if out.only_retries {
            Stuck::WHOLLY_INBOUND
        } else {
            out.stuck
        };
        let mut news = Vec::new();
        for Waits { seq, key, held } in lesson.waits {
            let is_inbound = held.direction == Direction::Inbound;
            match (self.keep_one(session, &key, &held, &mut news), seq) {
                (Wait::NoRoom, _) if is_inbound => stuck.inbound(&key),
                (Wait::NoRoom, Some(seq)) => stuck.out(&key, seq),
                // It was found to differ, and will be found again.
                (Wait::NoRoom, None) | (Wait::News(_) | Wait::Known, _) => {}
            }
        }
        let advances = advances(pairs, told);
        let mut notes = notes_of(pairs, &news, &lesson.settled);
        for (pair, advance, note, still) in [
            (
                &mut pairs.records,
                advances.records,
                &mut notes.records,
                stuck.records,
            ),
            (&mut pairs.rows, advances.rows, &mut notes.rows, stuck.rows),
        ] {
            let (Some(pair), Some(note), Some(Some(advance))) =
                (pair.as_mut(), note.as_mut(), advance)
            else {
                continue;
            };
            pair.has_unnoted |= came;
            if still.inbound {
                continue;
            }
            let upto = advance.upto.clone();
            if !is_noted && (pair.has_unnoted || pair.is_far_from_noted(&upto, NOTED_AFTER)) {
                note.advance = Some(Advance {
                    only_whole: false,
                    ..advance
                });
            }
            if is_noted || note.advance.is_some() {
                pair.noted = Some(upto);
                pair.has_unnoted = false;
            }
        }
        note(&self.side, notes)
            .await
            .inspect_err(|_| session.forget())?;
        Ok(stuck)
    }
}

/// What is noted of the peer's logs once the answer is taken in.
fn advances(pairs: &Planes<Pair>, told: &LogAnswer) -> Planes<Option<Advance>> {
    let of = |(pair, told): (&Pair, &PlaneAnswer)| {
        let upto = told.cursor.clone()?;
        let is_news = pair.noted.as_ref() != Some(&upto);
        is_news.then(|| Advance {
            history: told.history.clone(),
            follows: 0,
            presumes: None,
            upto,
            only_whole: true,
        })
    };
    Planes {
        records: pairs.records.as_ref().zip(told.records.as_ref()).map(of),
        rows: pairs.rows.as_ref().zip(told.rows.as_ref()).map(of),
    }
}

/// Where the items of an answer come from, and what is noted of that log with them. Items with objects are not whole
/// before these are here, and what cannot be sent has to wait first: then it is noted afterwards.
pub(super) fn sources(
    pairs: &Planes<Pair>,
    told: &LogAnswer,
    passes_at_once: bool,
) -> Planes<Source> {
    let advances = advances(pairs, told);
    let of = |(advance, told): (&Option<Advance>, &PlaneAnswer)| Source {
        origin: told.cursor.clone(),
        advance: advance
            .clone()
            .filter(|_| passes_at_once && told.withheld.is_empty()),
        ..Source::default()
    };
    Planes {
        records: advances.records.as_ref().zip(told.records.as_ref()).map(of),
        rows: advances.rows.as_ref().zip(told.rows.as_ref()).map(of),
    }
}

pub(super) fn notes_of(
    pairs: &Planes<Pair>,
    waits: &[Waiting],
    settled: &[(Direction, Key)],
) -> Planes<Note> {
    let of = |pair: &Pair, is_records: bool| Note {
        peer: pair.id.clone(),
        waits: waits
            .iter()
            .filter(|waits| is_record(&waits.key) == is_records)
            .cloned()
            .collect(),
        settled: settled
            .iter()
            .filter(|(_, key)| is_record(key) == is_records)
            .cloned()
            .collect(),
        advance: None,
    };
    Planes {
        records: pairs.records.as_ref().map(|pair| of(pair, true)),
        rows: pairs.rows.as_ref().map(|pair| of(pair, false)),
    }
}

/// Notes what waits now, as far as it speaks of the peer of these logs.
pub(super) async fn note_waiting<S: Side>(
    side: &S,
    session: &mut Session<S::Body>,
    pairs: &Planes<Pair>,
    news: &[Waiting],
) -> Result<()>
where
    S::Body: Clone,
{
    note(side, notes_of(pairs, news, &[]))
        .await
        .inspect_err(|_| session.forget())
}
