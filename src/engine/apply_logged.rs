//! Taking in items by logs: each stands by itself, and nothing waits for another.

use std::collections::HashMap;

use crate::error::{ErrorKind, Result};
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::log::{Cursor, Keyed};

use super::admission::{admit, no_store, unless_known};
use super::arrival::{Arrival, Fate};
use super::change_log::{Advance, After, ChangeLog, Look, Note};
use super::conflict::Unsent;
use super::node_ids::NodeIds;
use super::pair::Planes;
use super::ports::{Clock, Outcome, Side};

/// Where items came from, and what is noted of it when they are taken in.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    pub(super) origin: Option<Cursor>,
    pub(super) advance: Option<Advance>,
    /// Of the versions that the items meet here, those are wanted that the other side was not sent.
    pub(super) unsent: Unsent,
}

/// How items are taken in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// How far ahead of the system's clock a timestamp may lie, in milliseconds.
    pub(super) max_clock_skew_ms: Option<u64>,
    /// Rows of apps that are not registered are refused without asking the store.
    pub(super) known_apps_only: bool,
}

/// What became of items.
pub(super) struct Applied<B> {
    /// Each with its outcome, in the order of the items.
    pub(super) arrivals: Vec<Arrival<B>>,
    /// The versions that they met here and that the other side was not sent, as they were.
    pub(super) met: Vec<Keyed<B>>,
    /// What a store failed with as a whole: nothing that was to be taken in by it is stored, and has an outcome.
    pub(super) done: Result<()>,
}

/// Takes in `items`.
pub(super) async fn apply_logged<S: Side>(
    side: &S,
    items: Vec<Item<S::Body>>,
    sources: Planes<Source>,
    (rules, nodes): (Rules, &NodeIds),
) -> Applied<S::Body> {
    let mut met = Vec::new();
    let (mut arrivals, _) = admit(side, items, (rules.max_clock_skew_ms, nodes)).await;
    let mut apps = HashMap::new();
    for arrival in arrivals.iter_mut().filter(|arrival| arrival.is_waiting()) {
        let ItemKind::Row(table) = &arrival.item.kind else {
            continue;
        };
        let refused = match side.rows() {
            None => Some(no_store()),
            Some(rows) if rules.known_apps_only => unless_known(rows, table, &mut apps).await,
            Some(_) => None,
        };
        if let Some(refused) = refused {
            arrival.fate = Fate::Settled(refused);
        }
    }
    let done = take_in_each(side, &mut arrivals, sources, &mut met).await;
    Applied {
        arrivals,
        met,
        done,
    }
}

async fn take_in_each<S: Side>(
    side: &S,
    arrivals: &mut [Arrival<S::Body>],
    sources: Planes<Source>,
    met: &mut Vec<Keyed<S::Body>>,
) -> Result<()> {
    let greatest = arrivals.iter().filter(|arrival| arrival.is_waiting());
    if let Some(greatest) = greatest.map(|arrival| arrival.item.hlc.clone()).max() {
        side.clock().receive(&greatest).await?;
    }
    if let Some(records) = side.records() {
        let page = arrivals.iter_mut().filter(|arrival| arrival.is_record());
        take_in(records, page, sources.records, met).await?;
    }
    if let Some(rows) = side.rows() {
        let page = arrivals.iter_mut().filter(|arrival| !arrival.is_record());
        take_in(rows, page, sources.rows, met).await?;
    }
    Ok(())
}

/// The clock has heard of what comes in: what the app stamps after this look wins over it, and is not lost.
async fn look_for_unsent<B>(
    store: &impl ChangeLog<B>,
    unsent: Unsent,
    met: &mut Vec<Keyed<B>>,
) -> Result<()> {
    for (want, after) in [(unsent.keys, unsent.after), (unsent.waiting, 0)] {
        if !want.is_empty() {
            let look = Look {
                after: After::Seq(after),
                skip: unsent.skip.clone(),
                want,
                only_unsent: true,
                ..Look::default()
            };
            met.extend(store.look(look).await?.wanted);
        }
    }
    Ok(())
}

async fn take_in<'a, B: Clone + 'a>(
    store: &impl ChangeLog<B>,
    page: impl Iterator<Item = &'a mut Arrival<B>>,
    source: Option<Source>,
    met: &mut Vec<Keyed<B>>,
) -> Result<()> {
    let Source {
        origin,
        advance,
        unsent,
    } = source.unwrap_or_default();
    look_for_unsent(store, unsent, met).await?;
    let (waiting, refused): (Vec<_>, Vec<_>) = page.partition(|arrival| arrival.is_waiting());
    let advance = advance.filter(|advance| !advance.only_whole || refused.is_empty());
    if waiting.is_empty() {
        if advance.is_some() {
            let note = Note {
                advance,
                ..Note::default()
            };
            store.note(note).await?;
        }
        return Ok(());
    }
    let items: Vec<_> = waiting.iter().map(|arrival| arrival.item.clone()).collect();
    match store.take_in(items.clone(), origin.clone(), advance).await {
        Ok(outcomes) => {
            let mut outcomes = outcomes.into_iter();
            for arrival in waiting {
                arrival.fate = Fate::Settled(outcomes.next().unwrap_or_else(Outcome::unsaid));
            }
        }
        // The app's own code threw at the page as a whole: the error may be about one of them.
        Err(error) if error.kind() == ErrorKind::Foreign && items.len() > 1 => {
            for (arrival, item) in waiting.into_iter().zip(items) {
                let taken = store.take_in(vec![item], origin.clone(), None).await;
                arrival.fate = Fate::Settled(Outcome::of_one(taken));
            }
        }
        Err(error) if error.kind().is_of_one_item() || error.kind() == ErrorKind::Foreign => {
            for arrival in waiting {
                arrival.fate = Fate::Settled(Outcome::Failed(error.clone()));
            }
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
