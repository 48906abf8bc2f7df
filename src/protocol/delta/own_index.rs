//! What an app's own index found, which is taken for a hint.
//!
//! It is used where it shows that nothing can be missing from it: the timestamps come in their order, none of them was
//! seen, and those at its end cannot have been parted from equal ones.

use super::ask::{Ask, Standing};
use super::selection::Selection;
use crate::protocol::hlc::Hlc;
use crate::protocol::watermarks::Watermarks;

/// Covers whatever a clock stamps, and is still written in the 12 and 4 digits that text order needs.
const EVERYTHING: (u64, u64) = ((1 << 48) - 1, 0xffff);

/// Why what was found cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// All of it has one timestamp, and there is more.
    TooShort,
    /// It shows that something may be missing.
    Unusable(&'static str),
}

impl Ask {
    /// What an index of the app's is told was seen: nodes that stay out are seen whole.
    pub fn seen_or_skipped(&self) -> Watermarks {
        let mut watermarks = self.seen.clone();
        for node in &self.skip {
            let (wall_time, counter) = EVERYTHING;
            let all = Hlc::new(wall_time, counter, node.clone());
            watermarks.set(node.clone(), Some(all));
        }
        watermarks
    }

    /// How many of the timestamps that were found are complete, where there are more: all before the last.
    ///
    /// # Errors
    /// Why they cannot be used.
    fn complete_of(&self, found: &[Option<Hlc>]) -> Result<usize, Unfit> {
        let all: Option<Vec<&Hlc>> = found.iter().map(Option::as_ref).collect();
        let all = all.ok_or(Unfit::Unusable("a record without a timestamp"))?;
        let last = all.last();
        let last = last.ok_or(Unfit::Unusable("nothing, and that there is more"))?;
        if !all.is_sorted() {
            return Err(Unfit::Unusable("records out of their order"));
        }
        if all
            .iter()
            .any(|hlc| self.standing(hlc) == Standing::Unwanted)
        {
            return Err(Unfit::Unusable("what was seen before"));
        }
        match all.partition_point(|hlc| hlc < last) {
            0 => Err(Unfit::TooShort),
            complete => Ok(complete),
        }
    }

    /// What can be used of the items with these timestamps, which an index of the app's found, and whether there are
    /// `more`. `read` gets the index of an item, and its timestamp if it has one.
    ///
    /// # Errors
    /// What `read` fails with.
    pub fn select_found<T, E>(
        &self,
        found: &[Option<Hlc>],
        more: bool,
        mut read: impl FnMut(u32, Option<&Hlc>) -> Result<T, E>,
    ) -> Result<Result<Selection<T>, Unfit>, E> {
        let complete = match more.then(|| self.complete_of(found)) {
            Some(Err(unfit)) => return Ok(Err(unfit)),
            Some(Ok(complete)) => complete,
            None => found.len(),
        };
        let mut page = Selection::new(self.limit);
        page.begin_read();
        for (index, stamp) in (0u32..).zip(found.iter().take(complete)) {
            let Some(hlc) = stamp else {
                page.note_unorderable(read(index, None)?);
                continue;
            };
            if page.meets(self, hlc) {
                page.offer(hlc.clone(), read(index, Some(hlc))?);
            }
        }
        let last = found.iter().take(complete).flatten().last();
        if let Some(last) = last.filter(|_| more) {
            page.left_out_after(last.clone());
        }
        Ok(Ok(page))
    }
}
