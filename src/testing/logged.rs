//! The stores in memory as stores with a change log.

use std::cell::RefCell;

use super::body::Body;
use super::faults::{Faults, Operation, pause};
use super::log::{Journal, Shelf, key_of, settle};
use super::records::MemoryRecords;
use super::rows::MemoryRows;
use crate::engine::change_log::{Advance, ChangeLog, Heard, Look, Note, Recognized, View};
use crate::engine::freshness::Freshness;
use crate::engine::ports::Outcome;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Item;
use crate::protocol::log::{Cursor, Digest, Key, Range, Reply, Span};

/// A store with the parts that its log needs.
trait LoggedInMemory {
    /// The items.
    type Shelf: Shelf;
    /// Storing one item fails by this.
    const PUT: Operation;

    /// The log.
    fn log(&self) -> &RefCell<Option<Journal>>;
    /// The items.
    fn shelf(&self) -> &RefCell<Self::Shelf>;
    /// The plan.
    fn faults(&self) -> &Faults;
    /// Stores an item without the log; `false` if there is no place for it.
    fn place(&self, item: &Item<Body>) -> bool;

    fn with<T>(&self, act: impl FnOnce(&mut Journal, &Self::Shelf) -> T) -> Result<T> {
        match &mut *self.log().borrow_mut() {
            Some(journal) => Ok(act(journal, &self.shelf().borrow())),
            None => Err(Error::sync("look at a log", "this store keeps none")),
        }
    }

    /// What becomes of one item, at once.
    fn take_in_one(&self, item: &Item<Body>, origin: Option<&Cursor>) -> Outcome {
        let key = key_of(item);
        let stored = self.shelf().borrow().get(&key);
        let (stands, is_renewed) = settle(item, stored.as_ref());
        if stands && !self.place(item) {
            let message = "the table is not registered on this side";
            let error = Error::new(ErrorKind::UnknownApp, "apply an app row", message);
            return Outcome::Failed(error);
        }
        if let Some(journal) = &mut *self.log().borrow_mut() {
            if is_renewed {
                let standing = stored.as_ref().filter(|_| !stands).unwrap_or(item);
                journal.note_version(key, standing, None);
            } else if stands {
                journal.note_version(key, item, origin.cloned());
            }
        }
        if stands {
            Outcome::Applied
        } else {
            Outcome::Stale
        }
    }
}

impl LoggedInMemory for MemoryRecords {
    type Shelf = super::records::Items;
    const PUT: Operation = Operation::PutRecord;

    fn log(&self) -> &RefCell<Option<Journal>> {
        &self.journal
    }
    fn shelf(&self) -> &RefCell<Self::Shelf> {
        &self.items
    }
    fn faults(&self) -> &Faults {
        &self.faults
    }
    fn place(&self, item: &Item<Body>) -> bool {
        self.write_behind(item.clone());
        true
    }
}

impl LoggedInMemory for MemoryRows {
    type Shelf = super::rows::TableRows;
    const PUT: Operation = Operation::ApplyRow;

    fn log(&self) -> &RefCell<Option<Journal>> {
        &self.journal
    }
    fn shelf(&self) -> &RefCell<Self::Shelf> {
        &self.tables
    }
    fn faults(&self) -> &Faults {
        &self.faults
    }
    fn place(&self, item: &Item<Body>) -> bool {
        self.write_behind(item)
    }
}

impl<S: LoggedInMemory> ChangeLog<Body> for S {
    fn has_log(&self) -> bool {
        self.log().borrow().is_some()
    }

    fn freshness(&self) -> Option<Freshness> {
        let log = self.log().borrow();
        let version = log.as_ref()?.version(&self.shelf().borrow().streams());
        Some(Freshness {
            counter: 0,
            version,
            unnoticed_ms: None,
        })
    }

    async fn look(&self, look: Look) -> Result<View<Body>> {
        self.faults().meet(Operation::LookAtLog, None).await?;
        let view = self.with(|journal, shelf| journal.look(&look, shelf));
        pause().await;
        view
    }

    async fn take_in(
        &self,
        items: Vec<Item<Body>>,
        origin: Option<Cursor>,
        advance: Option<Advance>,
    ) -> Result<Vec<Outcome>> {
        self.faults().meet(Operation::TakeIn, None).await?;
        let mut failed = Vec::with_capacity(items.len());
        for item in &items {
            let id = Some(&item.body.id);
            failed.push(self.faults().meet(S::PUT, id).await.err());
        }
        // From here on all happens at once, as in a transaction.
        let one = |(item, failed): (&Item<Body>, Option<Error>)| match failed {
            Some(error) => Outcome::Failed(error),
            None => self.take_in_one(item, origin.as_ref()),
        };
        let outcomes: Vec<_> = items.iter().zip(failed).map(one).collect();
        let is_whole = outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Applied | Outcome::Stale));
        if let Some(advance) = advance.filter(|advance| !advance.only_whole || is_whole) {
            self.with(|journal, _| journal.advance(&advance))?;
        }
        pause().await;
        Ok(outcomes)
    }

    async fn note(&self, note: Note) -> Result<()> {
        self.faults().meet(Operation::NoteInLog, None).await?;
        self.with(|journal, _| journal.note(&note))?;
        pause().await;
        Ok(())
    }

    async fn verify(&self) -> Result<u64> {
        self.faults().meet(Operation::LookAtLog, None).await?;
        let wrong = self.with(super::log::Journal::verify);
        pause().await;
        wrong
    }

    async fn compare(&self, spans: Vec<Span>) -> Result<Vec<Reply>> {
        self.faults().meet(Operation::LookAtLog, None).await?;
        let compare = |journal: &mut Journal, shelf: &S::Shelf| {
            let spans = spans.iter();
            spans.map(|span| journal.compare(span, shelf)).collect()
        };
        self.with(compare)
    }

    async fn digests(&self, ranges: Vec<Range>) -> Result<Vec<Digest>> {
        self.faults().meet(Operation::LookAtLog, None).await?;
        self.with(|journal, _| ranges.iter().map(|range| journal.digest(range)).collect())
    }

    async fn versions(&self, ranges: Vec<Range>) -> Result<Vec<Vec<(Key, String)>>> {
        self.faults().meet(Operation::LookAtLog, None).await?;
        let versions = |journal: &mut Journal, shelf: &S::Shelf| {
            let ranges = ranges.iter();
            ranges.map(|range| journal.versions(range, shelf)).collect()
        };
        self.with(versions)
    }

    fn recognizes(&self, heard: &Heard) -> Option<Recognized> {
        self.with(|journal, _| journal.recognizes(heard)).ok()?
    }

    async fn hear_of(&self, heard: Heard) -> Result<Recognized> {
        self.faults().meet(Operation::HearOf, None).await?;
        self.with(|journal, _| journal.hear_of(&heard))
    }
}
