//! What a caller does while its peer works: it reads the next page of its own log while the peer takes in the one
//! before, and asks for the peer's next page while it takes in the one before itself.
//!
//! Neither changes what an exchange means. What was read counts if nothing was written since. What was asked for counts
//! if the very same would be asked now; else it is as if the answer had been lost on its way.

use futures_util::future::join;

use crate::error::Result;
use crate::protocol::log::LogAnswer;
use crate::protocol::message::{Answer, Request};

use super::caller::Engine;
use super::change_log::{After, Look, View};
use super::outgoing::{Outgoing, SentPlane};
use super::pair::{Pair, Planes};
use super::planes::look;
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::prepared::Early;
use super::session::Session;

/// A page is read ahead if the one before it weighs at most this, in bytes: two of them are in memory then.
const LIGHT_PAGE_BYTES: usize = 4 << 20;

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Looks at the own log. A page that was read ahead is taken if nothing was written since.
    pub(super) async fn look_at_own(
        &self,
        session: &mut Session<S::Body>,
        looks: Planes<Look>,
    ) -> Result<Planes<View<S::Body>>> {
        let page = session.ahead.page.take();
        let Some((_, page)) = page.filter(|(asked, _)| is_same(asked, &looks)) else {
            return look(&self.side, looks).await;
        };
        let bare = |look: &Look| Look {
            after: After::Seq(u64::MAX),
            limit: 0,
            ..look.clone()
        };
        let now = Planes {
            records: looks.records.as_ref().map(bare),
            rows: looks.rows.as_ref().map(bare),
        };
        let now = look(&self.side, now).await?;
        let is_up_to_date = now
            .iter()
            .zip(page.iter())
            .all(|(now, read)| now.is_at(read));
        if !is_up_to_date {
            return look(&self.side, looks).await;
        }
        Ok(now.zip(page, |now, read| View {
            after: read.after,
            items: read.items,
            upto: read.upto,
            more: read.more,
            ..now
        }))
    }

    /// Asks the peer. Where more of the own log follows on the page that goes, it is read meanwhile.
    pub(super) async fn ask_and_read(
        &self,
        session: &mut Session<S::Body>,
        request: Request<S::Body>,
        (pairs, out): (&Planes<Pair>, &Outgoing<S::Body>),
    ) -> Result<Answer<S::Body>> {
        let is_worth_it = self.peer.is_elsewhere()
            && out.more()
            && !out.stays
            && !out.only_retries
            && out.weight <= LIGHT_PAGE_BYTES;
        if !is_worth_it {
            return Box::pin(self.ask(request)).await;
        }
        let next = |(sent, pair): (&SentPlane, &Pair)| self.question(pair, sent.upto);
        let looks = Planes {
            records: out.records.as_ref().zip(pairs.records.as_ref()).map(next),
            rows: out.rows.as_ref().zip(pairs.rows.as_ref()).map(next),
        };
        let ask = Box::pin(self.ask(request));
        let (answer, page) = join(ask, look(&self.side, looks.clone())).await;
        // A log that cannot be read says so when it is looked at next.
        session.ahead.page = page.ok().map(|page| (looks, page));
        answer
    }

    /// The request for the page that follows on the one that came, if that can be asked for already.
    pub(super) fn early_request(
        &self,
        session: &Session<S::Body>,
        pairs: &Planes<Pair>,
        out: &Outgoing<S::Body>,
        (answer, told): (&Answer<S::Body>, &LogAnswer),
    ) -> Option<(Planes<Pair>, Request<S::Body>)> {
        let is_asked = self.peer.is_elsewhere()
            && !self.watch.runs.get()
            && told.has_more()
            && !answer.items.is_empty()
            && out.is_empty()
            && session.has_nothing_to_do();
        if !is_asked {
            return None;
        }
        let mut next = pairs.clone();
        for (pair, told) in [
            (&mut next.records, &told.records),
            (&mut next.rows, &told.rows),
        ] {
            if let (Some(pair), Some(told)) = (pair, told) {
                // What is not sent is thought to be there: because it went before, or came from there.
                if told.have < pair.have || pair.is_of_another(told) {
                    return None;
                }
                pair.hear(told);
            }
        }
        let mut request = self.request_of(session, &next, out);
        if let Some(log) = &mut request.log {
            // The answer's items are not taken in yet, so nothing is proved by what is held now.
            (log.digest, log.alive) = (None, None);
        }
        Some((next, request))
    }

    /// Keeps what was asked for early, unless it is the last page: that says what both sides hold, and what was taken in
    /// meanwhile is not in it.
    pub(super) fn keep_early(
        &self,
        session: &mut Session<S::Body>,
        out: Outgoing<S::Body>,
        pairs: Planes<Pair>,
        answer: Result<Answer<S::Body>>,
    ) {
        let Ok(mut answer) = answer else { return };
        self.note_answer(0, &answer);
        let Some(told) = answer.log.take().filter(|told| told.has_more()) else {
            return;
        };
        session.ahead.early = Some(Early {
            pairs,
            limit: self.answer_limit(session),
            out,
            answer,
            told: *told,
        });
    }

    /// What was asked for early, if it would be asked for now.
    pub(super) fn take_early(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        out: &Outgoing<S::Body>,
    ) -> Option<Early<S::Body>> {
        let early = session.ahead.early.take()?;
        let is_same = early
            .pairs
            .iter()
            .zip(pairs.iter())
            .all(|(thought, pair)| thought.knows_the_same(pair));
        let is_meant = is_same
            && early.limit == self.answer_limit(session)
            && !self.watch.runs.get()
            && out.is_empty()
            && session.has_nothing_to_do();
        is_meant.then_some(early)
    }
}

/// Whether the same is asked of the own log, for the same log of the peer.
fn is_same(asked: &Planes<Look>, now: &Planes<Look>) -> bool {
    let same = |asked: &Option<Look>, now: &Option<Look>| match (asked, now) {
        (Some(asked), Some(now)) => {
            let (After::Seq(before), After::Seq(after)) = (&asked.after, &now.after) else {
                return false;
            };
            let is_another_log = asked.skip.head().is_some_and(|head| !now.skip.has(head));
            before == after && !is_another_log
        }
        (None, None) => true,
        _ => false,
    };
    same(&asked.records, &now.records) && same(&asked.rows, &now.rows)
}
