//! Where records lie among the pages of an adapter's `query`.
//!
//! A backlog is fetched by id. Where many of a page's records are wanted, reading that page again is
//! cheaper: a row of a page costs an adapter a fraction of what a `get` does. Pages are in the order of
//! ids; where an adapter has another one, nothing is found in a page that is read again, the records are
//! fetched one by one, and no page is read again.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::node::value::Persistent;
use crate::protocol::hlc::Hlc;
use crate::protocol::text::Text;

/// A page with this many rows costs at most what one `get` costs.
const ROWS_PER_GET: usize = 10;

/// The pages of the last pass.
#[derive(Default)]
pub struct Pages(RefCell<Vec<PageOfPass>>);

struct PageOfPass {
    cursor: Option<Persistent>,
    last: Text,
    rows: usize,
}

/// A page that is worth reading again, and what is wanted of it.
pub struct Reread {
    /// The cursor that it was read with.
    pub cursor: Option<Persistent>,
    /// The records that should be on it.
    pub wanted: Vec<(Hlc, Text)>,
}

impl Pages {
    /// Forgets the pages: another pass begins, or they are not what they were taken for.
    pub fn forget(&self) {
        self.0.borrow_mut().clear();
    }

    /// Notes a page of the pass that was read with `cursor` and ends with the record `last`.
    pub fn note(&self, cursor: Option<Persistent>, last: Text, rows: usize) {
        self.0.borrow_mut().push(PageOfPass { cursor, last, rows });
    }

    /// The pages that are worth reading again for these records.
    pub fn worth_reading(&self, wanted: &[(Hlc, Text)]) -> Vec<Reread> {
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
