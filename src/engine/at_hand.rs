//! Looks at the logs of an answering side, which memory spares if it can.

use futures_util::future::OptionFuture;

use crate::error::Result;
use crate::protocol::log::Cursor;

use super::change_log::{Advance, ChangeLog, Look, Note, Others, View};
use super::freshness::Freshness;
use super::granted::Granted;
use super::memory::{Memory, Noting};
use super::pair::Planes;
use super::ports::{Clock, Side};
use super::responder::Responder;

/// What a request without items says of a plane.
#[derive(Debug, Default)]
pub(super) struct CallerSays {
    /// How far the caller's log is taken in with it.
    pub(super) advance: Option<Advance>,
    /// Where the own log ended when the caller last heard of it.
    pub(super) presumes: Option<Cursor>,
}

/// A log, and what is in memory of it.
struct Remembered<'a, L, C> {
    log: &'a L,
    memory: &'a Memory,
    clock: &'a C,
}

impl<S: Side> Responder<S> {
    /// As [`look`](super::planes::look), and notes how far the caller's logs were taken in without anything of them.
    pub(super) async fn look(
        &self,
        side: &Granted<'_, S>,
        looks: Planes<Look>,
        said: Planes<CallerSays>,
    ) -> Result<Planes<View<S::Body>>> {
        let clock = side.clock();
        let [of_records, of_rows] = &*self.memory;
        let (mut views, mut taken) = (Planes::default(), 0);
        if let (Some(log), Some(look)) = (self.side.records(), looks.records) {
            let records = remembered(log, of_records, clock);
            let view = records.look(look, said.records.unwrap_or_default()).await?;
            taken = view.items.len();
            views.records = Some(view);
        }
        if let (Some(log), Some(mut look)) = (self.side.rows(), looks.rows) {
            look.limit = look.limit.saturating_sub(taken);
            let rows = remembered(log, of_rows, clock);
            let view = rows
                .look(side.narrowed(look), said.rows.unwrap_or_default())
                .await?;
            views.rows = Some(side.shown(view));
        }
        Ok(views)
    }

    /// The same, if memory alone can answer.
    pub(super) fn views_at_hand(
        &self,
        side: &Granted<'_, S>,
        looks: Planes<Look>,
        said: Planes<CallerSays>,
    ) -> Option<Planes<View<S::Body>>> {
        let clock = side.clock();
        let [of_records, of_rows] = &*self.memory;
        let mut views = Planes::default();
        if let (Some(log), Some(look)) = (self.side.records(), looks.records) {
            let records = remembered(log, of_records, clock);
            views.records = Some(records.at_hand(&look, &said.records.unwrap_or_default())?);
        }
        if let (Some(log), Some(look)) = (self.side.rows(), looks.rows) {
            let rows = remembered(log, of_rows, clock);
            let view = rows.at_hand(&side.narrowed(look), &said.rows.unwrap_or_default())?;
            views.rows = Some(side.shown(view));
        }
        Some(views)
    }
}

fn remembered<'a, L, C>(log: &'a L, memory: &'a Memory, clock: &'a C) -> Remembered<'a, L, C> {
    Remembered { log, memory, clock }
}

/// A view with the whole history, as much of it as was asked for.
fn cut_to<B>(mut view: View<B>, look: &Look) -> View<B> {
    view.history.0.truncate(look.history);
    view
}

impl<L, C: Clock> Remembered<'_, L, C> {
    fn now_ms(&self) -> u64 {
        self.clock.system_ms()
    }

    /// What memory alone can answer.
    fn at_hand<B>(&self, look: &Look, said: &CallerSays) -> Option<View<B>>
    where
        L: ChangeLog<B>,
    {
        let fresh = self.log.freshness();
        let mut view = self.memory.view(fresh, self.now_ms(), look)?;
        let stored = view.others.clone();
        self.memory.add_untold(&mut view, &look.others);
        // A caller may have asked another server of a store that is shared, and know more than memory does.
        let may_know_more = fresh.is_some_and(Freshness::is_shared);
        let lacks = |presumed| !view.history.has(presumed);
        if may_know_more && said.presumes.as_ref().is_some_and(lacks) {
            return None;
        }
        if let Some(advance) = &said.advance {
            let reached = advance.history.common(&view.others).unwrap_or_default();
            if may_know_more && reached < advance.follows {
                return None;
            }
            if let Noting::InStore(_) = self.note((&view, fresh), &stored, advance) {
                return None;
            }
            self.memory.add_untold(&mut view, &look.others);
        }
        Some(cut_to(view, look))
    }

    fn note<B>(
        &self,
        (view, fresh): (&View<B>, Option<Freshness>),
        stored: &[Cursor],
        advance: &Advance,
    ) -> Noting {
        let others = (stored, &view.others[..]);
        let when = (self.now_ms(), fresh.is_some_and(Freshness::is_shared));
        self.memory
            .note(advance, (&view.id, &view.history), others, when)
    }

    /// Answers from memory, or else asks the store.
    async fn look<B>(&self, look: Look, said: CallerSays) -> Result<View<B>>
    where
        L: ChangeLog<B>,
    {
        if let Some(view) = self.at_hand(&look, &said) {
            return Ok(view);
        }
        let (fresh, memory) = (self.log.freshness(), self.memory);
        // Of all that only want to know whether anything is new, one asks.
        let asks_for_all = memory.is_worth_asking_once(fresh, self.now_ms(), &look);
        let asking = OptionFuture::from(asks_for_all.then(|| memory.asking.lock())).await;
        if asking.is_some()
            && let Some(view) = self.at_hand(&look, &said)
        {
            return Ok(view);
        }
        let (mut view, stored) = self.read(&look).await?;
        if let Some(advance) = said.advance
            && let Noting::InStore(advance) = self.note((&view, fresh), &stored, &advance)
        {
            let generation = advance.upto.generation.clone();
            let note = Note {
                advance: Some(advance),
                ..Note::default()
            };
            self.log.note(note).await?;
            self.memory.told(&generation, self.now_ms());
            (view, _) = self.read(&look).await?;
        }
        self.memory.add_untold(&mut view, &look.others);
        Ok(cut_to(view, &look))
    }

    /// What the store says, with the whole history, and what of it is noted there of other logs.
    async fn read<B>(&self, look: &Look) -> Result<(View<B>, Vec<Cursor>)>
    where
        L: ChangeLog<B>,
    {
        let seen = (self.log.freshness(), self.now_ms());
        let whole = Look {
            history: usize::MAX,
            others: self.memory.with_outdated(seen, &look.others),
            ..look.clone()
        };
        let others = whole.others.clone();
        let mut view = self.log.look(whole).await?;
        self.memory.keep(seen, &others, &view);
        self.memory.hear(&view.others);
        if let Others::Of(asked) = &look.others {
            let is_asked = |cursor: &Cursor| asked.contains(&cursor.generation);
            view.others.retain(is_asked);
        }
        let stored = view.others.clone();
        self.memory.add_untold(&mut view, &look.others);
        Ok((view, stored))
    }
}
