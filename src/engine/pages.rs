//! Where records lie among the pages of a store that has to be scanned.
//!
//! A backlog is fetched by id. Where many of a page's records are wanted, reading that page again is
//! cheaper: a row of a page costs a store a fraction of what a `get` does. Pages are in the order of
//! ids; where a store has another one, nothing is found in a page that is read again, the records are
//! fetched one by one, and no page is read again.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::protocol::hlc::Hlc;
use crate::protocol::text::Text;

/// A page with this many rows costs at most what one `get` costs.
const ROWS_PER_GET: usize = 10;

/// The pages of the last scan.
#[derive(Debug)]
pub struct Pages<C>(RefCell<Vec<Page<C>>>);

impl<C> Default for Pages<C> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

#[derive(Debug)]
struct Page<C> {
    cursor: Option<C>,
    last: Text,
    rows: usize,
}

/// A page that is worth reading again, and what is wanted of it.
#[derive(Debug)]
pub struct Reread<C> {
    /// The cursor that it was read with.
    pub cursor: Option<C>,
    /// The records that should be on it.
    pub wanted: Vec<(Hlc, Text)>,
}

impl<C: Clone> Pages<C> {
    /// Forgets the pages: another scan begins, or they are not what they were taken for.
    pub fn forget(&self) {
        self.0.borrow_mut().clear();
    }

    /// Notes a page of the scan that was read with `cursor` and ends with the record `last`.
    pub fn note(&self, cursor: Option<C>, last: Text, rows: usize) {
        self.0.borrow_mut().push(Page { cursor, last, rows });
    }

    /// The pages that are worth reading again for these records.
    pub fn worth_reading(&self, wanted: &[(Hlc, Text)]) -> Vec<Reread<C>> {
        let pages = self.0.borrow();
        let mut by_page: BTreeMap<usize, Vec<(Hlc, Text)>> = BTreeMap::new();
        for item in wanted {
            let page = pages.partition_point(|page| page.last < item.1);
            by_page.entry(page).or_default().push(item.clone());
        }
        by_page
            .into_iter()
            .filter_map(|(index, wanted)| {
                let page = pages.get(index)?;
                let worth = wanted.len().saturating_mul(ROWS_PER_GET) >= page.rows;
                worth.then(|| Reread {
                    cursor: page.cursor.clone(),
                    wanted,
                })
            })
            .collect()
    }
}
