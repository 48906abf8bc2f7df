//! What an answer by logs says: of the items that were sent, of those that came, and how far both logs got.

use futures_util::future::{OptionFuture, join};

use crate::error::Result;
use crate::protocol::log::{Digest, LogAnswer, PlaneAnswer};
use crate::protocol::message::Answer;

use super::arrival::Arrival;
use super::caller::Engine;
use super::change_log::Waiting;
use super::inbound::Inbound;
use super::log_answer::{learn_of_sent, lost, moved, remember};
use super::outgoing::Outgoing;
use super::pair::{Pair, Planes};
use super::planes::note;
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::round::Report;
use super::session::Session;
use super::step::Step;
use super::stuck::{Lesson, Stuck, is_record};
use super::waiting::notes_of;
use super::watch::Moved;

/// What an exchange came to.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says something else, and any of them may hold"
)]
struct Exchanged {
    /// Whether either log got any further.
    moved: bool,
    /// Whether anything is stored by it that was not here: also of what was asked for by its key, and is in no log.
    is_new: bool,
    /// Whether something does not wait any longer.
    has_settled: bool,
    /// Whether any of the items in the answer is here.
    applied: bool,
    /// Whether the peer said that it has more.
    told_more: bool,
    /// Whether another request follows in any case.
    is_partial: bool,
    /// What found no room to wait.
    stuck: Stuck,
    /// What the peer says that it holds, and what of it is alive.
    theirs: Option<(Digest, Option<Digest>)>,
}

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Takes in the answer, and what it says of the request.
    pub(super) async fn learn_logged(
        &self,
        session: &mut Session<S::Body>,
        mut pairs: Planes<Pair>,
        (out, now): (Outgoing<S::Body>, Option<Outgoing<S::Body>>),
        (answer, told): (Answer<S::Body>, LogAnswer),
        only_heard: bool,
    ) -> Result<Step<S::Body>> {
        self.wait_for_present_logs(session, &mut pairs, &told)
            .await?;
        let mut lesson = Lesson::default();
        let not_taken = learn_of_sent(session, &out, (&answer, &told), &mut lesson);
        let came = !answer.items.is_empty();
        let sent = (&out, now.as_ref().unwrap_or(&out));
        let (inbound, has_blobs) = self
            .receive_and_ask_early(session, &pairs, (answer, &told), sent, &mut lesson)
            .await?;
        let noted = (came, came && !has_blobs && lesson.waits.is_empty());
        let has_settled = !lesson.settled.is_empty();
        let stuck = self
            .note_lesson(session, &mut pairs, (&told, noted), (lesson, &out))
            .await?;
        let rewound = !only_heard && lost(&pairs, &told);
        let exchanged = Exchanged {
            moved: moved(&pairs, &told, &out, &stuck),
            is_new: inbound.arrivals.iter().any(Arrival::is_applied),
            has_settled,
            applied: inbound.arrivals.iter().any(Arrival::is_here),
            told_more: told.has_more(),
            is_partial: rewound || only_heard,
            stuck,
            theirs: told.digest.map(|digest| (digest, told.alive)),
        };
        self.announce(&inbound).await?;
        remember(session, pairs, told, &out, (not_taken == 0, &stuck));
        let mut report = Report {
            applied: inbound.applied(),
            shipped: out.items.len() - not_taken.min(out.items.len()),
            has_more: false,
            held: Vec::new(),
            landed: 0,
            in_sync: Some(false),
            moved: Moved::default(),
            conflicts: Vec::new(),
        };
        report.has_more = self.goes_on(session, &exchanged, &out, &mut report).await?;
        report.held = session.held.values().cloned().collect();
        if let Some(error) = inbound.fatal(&self.options) {
            return Err(error);
        }
        Ok(Step {
            report,
            only_heard,
            rewound,
        })
    }

    /// What waits now waits for the logs that the peer has now: where one of them is another log than before, what waited
    /// for that is noted again.
    async fn wait_for_present_logs(
        &self,
        session: &Session<S::Body>,
        pairs: &mut Planes<Pair>,
        told: &LogAnswer,
    ) -> Result<()> {
        let is_other = |pair: &Option<Pair>, told: &Option<PlaneAnswer>| {
            let both = pair.as_ref().zip(told.as_ref());
            both.is_some_and(|(pair, told)| pair.id != told.id)
        };
        let records = is_other(&pairs.records, &told.records);
        let rows = is_other(&pairs.rows, &told.rows);
        for (pair, told) in [
            (&mut pairs.records, &told.records),
            (&mut pairs.rows, &told.rows),
        ] {
            if let (Some(pair), Some(told)) = (pair, told) {
                pair.id.clone_from(&told.id);
            }
        }
        let of_other = |waits: &Waiting| if is_record(&waits.key) { records } else { rows };
        let again: Vec<_> = session.all_waiting().filter(of_other).collect();
        note(&self.side, notes_of(pairs, &again, &[])).await
    }

    /// Takes in the items that came. The request that follows is on its way meanwhile, if it can be told already: by `now`,
    /// which is what would be sent. Also returns whether any of the items has an object.
    async fn receive_and_ask_early(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        (answer, told): (Answer<S::Body>, &LogAnswer),
        (out, now): (&Outgoing<S::Body>, &Outgoing<S::Body>),
        lesson: &mut Lesson<S::Body>,
    ) -> Result<(Inbound<S::Body>, bool)> {
        let early = self.early_request(session, pairs, now, (&answer, told));
        let (thought, request) = early.unzip();
        let ask = request.map(|request| Box::pin(self.peer.exchange(request)));
        let learn = self.learn_of_received(session, pairs, (answer, told), (out, lesson));
        let (early, learned) = Box::pin(join(OptionFuture::from(ask), learn)).await;
        // That what was sent does not wait any longer is not noted yet.
        let received = learned.inspect_err(|_| session.forget())?;
        if let (Some(thought), Some(early)) = (thought, early) {
            self.keep_early(session, now.planes_only(), thought, early);
        }
        Ok(received)
    }

    /// Whether more is to be exchanged. Where nothing is left, it is proved that both sides hold the same.
    async fn goes_on(
        &self,
        session: &mut Session<S::Body>,
        exchanged: &Exchanged,
        out: &Outgoing<S::Body>,
        report: &mut Report<S::Body>,
    ) -> Result<bool> {
        let most = self.options.most_waiting;
        let is_confirmed = |pairs: &Planes<Pair>| {
            let mut pairs = pairs.iter();
            pairs.all(|pair| pair.confirmed == pair.have)
        };
        let is_confirmed = session.pairs().is_some_and(is_confirmed);
        let is_heard = out.stays && session.heard_all;
        let goes_on = exchanged.moved || exchanged.is_new || is_heard;
        let mut has_more = (out.more() || exchanged.told_more) && goes_on;
        session.told_of_full &= session.is_full(most);
        if out.only_retries {
            // Something new follows, unless nothing goes on.
            let tried = session.tried.len() > out.tried;
            has_more = exchanged.moved || exchanged.has_settled || tried;
        } else if exchanged.stuck.is_any() {
            has_more |= session.has_untried() || !session.is_full(most);
        } else if !has_more && !exchanged.is_partial && !session.is_reconciling {
            let theirs = (exchanged.theirs, exchanged.applied);
            has_more = self.prove(session, theirs, out, report).await?;
        }
        has_more |= session.has_untried() && is_confirmed && !out.more();
        if !has_more {
            session.tried.clear();
        }
        Ok(has_more)
    }
}
