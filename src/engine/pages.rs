//! Where records lie among the pages of a store that has to be scanned.
//!
//! A backlog is fetched by id. Where many of a page's records are wanted, reading that page again is
//! cheaper: a row of a page costs a store a fraction of what a `get` does. Pages are in the order of
//! ids; where a store has another one, nothing is found in a page that is read again, the records are
//! fetched one by one, and no page is read again.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use futures_util::stream::{self, StreamExt};

use super::ports::Fetched;
use super::scan::missing_of;
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;

/// A page with this many rows costs at most what one `get` costs.
const ROWS_PER_GET: usize = 10;

/// How many records of a backlog are asked for at one time.
const FETCHES: usize = 32;

/// A store of records that is read page by page.
#[allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]
pub trait Paged<B> {
    /// Where a page begins.
    type Cursor: Clone;

    /// Puts those records of the page at `cursor` into `fetched` that are wanted: of each timestamp these ids.
    async fn pick(
        &self,
        cursor: Option<&Self::Cursor>,
        wanted: &HashMap<Hlc, Vec<Text>>,
        fetched: &mut Fetched<B>,
    ) -> Result<()>;

    /// The record with this id, if it still has this timestamp.
    async fn fetch_one(&self, id: &Text, hlc: &Hlc) -> Result<Option<Item<B>>>;
}

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
struct Reread<C> {
    /// The cursor that it was read with.
    cursor: Option<C>,
    /// The records that should be on it.
    wanted: Vec<(Hlc, Text)>,
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

    /// Fetches these records: whole pages where that is cheaper, then one by one, several at a time.
    pub async fn fetch<B>(
        &self,
        store: &impl Paged<B, Cursor = C>,
        wanted: &[(Hlc, Text)],
    ) -> Result<Fetched<B>> {
        let mut fetched = Fetched::new();
        for page in self.worth_reading(wanted) {
            let mut of_page: HashMap<Hlc, Vec<Text>> = HashMap::new();
            for (hlc, id) in page.wanted {
                of_page.entry(hlc).or_default().push(id);
            }
            let before = fetched.len();
            let picked = store.pick(page.cursor.as_ref(), &of_page, &mut fetched);
            picked.await?;
            if fetched.len() == before {
                self.forget();
                break;
            }
        }
        let mut answers = stream::iter(missing_of(wanted, &fetched))
            .map(|known| async move { (store.fetch_one(&known.1, &known.0).await, known) })
            .buffered(FETCHES);
        while let Some((answer, known)) = answers.next().await {
            fetched.extend(answer?.map(|item| (known, item)));
        }
        Ok(fetched)
    }

    /// The pages that are worth reading again for these records.
    fn worth_reading(&self, wanted: &[(Hlc, Text)]) -> Vec<Reread<C>> {
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
