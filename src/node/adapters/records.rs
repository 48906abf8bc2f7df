//! The app's own store of shared records.

use std::collections::HashMap;

use super::pages::{items_of, next_of, page_options, store_page};
use crate::engine::change_log::ChangeLog;
use crate::engine::pages::{Paged, Pages};
use crate::engine::ports::{Capabilities, Fetched, Order, Outcome, Records, Scanned};
use crate::error::{Error, Result};
use crate::node::convert::{
    Body, faulty_record, is_nameless, malformed, read_hlc_of, read_stamped, read_watermarks,
    unreadable, wanted_hlcs,
};
use crate::node::runtime::{Argument, JsObject, Made};
use crate::node::value::{Intrinsic, Kind, Persistent, Scope, Value};
use crate::protocol::delta::{Ask, Standing, Stretch};
use crate::protocol::hlc::{Hlc, safe_integer};
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// A `DatabaseAdapter` object.
pub struct JsRecords {
    pub(super) adapter: JsObject,
    scan_page_size: f64,
    pages: Pages<Persistent>,
}

/// Where a page ends: the id of its last record, and how many there are.
type End = Option<(Text, usize)>;

impl JsRecords {
    /// The adapter, scanned in pages of `scan_page_size`.
    pub fn new(adapter: JsObject, scan_page_size: f64) -> Self {
        Self {
            adapter,
            scan_page_size,
            pages: Pages::default(),
        }
    }

    /// Calls `query` for the page at `cursor`. `read` gets its answer, and the array of records in it.
    async fn query<R>(
        &self,
        cursor: Option<&Persistent>,
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>, Value<'s>) -> Result<R>,
    ) -> Result<R> {
        let options = Made(|scope| page_options(scope, self.scan_page_size, cursor));
        self.adapter
            .call("query", &[&options], |scope, answer| {
                let page = (answer, "records");
                let records = items_of(scope, (&self.adapter, "query"), page)?;
                read(scope, answer, records)
            })
            .await
    }

    fn read_page(
        &self,
        scope: Scope<'_>,
        (records, next): (Value<'_>, Option<Persistent>),
        (ask, horizon): (&Ask, Option<&Hlc>),
    ) -> Result<(Scanned<Body, Persistent>, End)> {
        let env = self.adapter.env();
        let length = scope.length(records)?;
        let last = match length.checked_sub(1) {
            Some(index) => id_of(scope, scope.element(records, index)?)?,
            None => None,
        };
        let mut scanned = Scanned {
            next,
            ..Scanned::default()
        };
        let wanted = |hlc: &Hlc| ask.standing(hlc) != Standing::Unwanted;
        for (index, stamp) in wanted_hlcs(scope, (records, Some("updatedAt")), wanted)? {
            // A scope per record: a page may be the whole table.
            env.scope(|scope| {
                let record = scope.element(records, index)?;
                let Some(hlc) = stamp else {
                    let item = faulty_record(scope, record, (Hlc::zero(), no_stamp()))?;
                    scanned.unorderable.push(item);
                    return Ok(());
                };
                match ask.place_of(&hlc, horizon) {
                    Some(true) => {
                        let item = read_stamped(scope, record, hlc)?;
                        let id = item.kind.record_id();
                        // It cannot be asked for again by its id: a further scan has to meet it.
                        scanned.has_ids &= id.is_some_and(|id| !is_nameless(id));
                        scanned.items.push(item);
                    }
                    Some(false) => {
                        let id = id_of(scope, record)?;
                        scanned.has_ids &= id.is_some();
                        let id = id.unwrap_or_else(|| Text::from(""));
                        scanned.others.push((hlc, id));
                    }
                    None => {}
                }
                Ok(())
            })?;
        }
        Ok((scanned, last.map(|last| (last, length as usize))))
    }

    /// Calls `get`. `read` gets the record, if there is one.
    async fn get<R>(
        &self,
        id: &Text,
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<Option<R>>,
    ) -> Result<Option<R>> {
        self.adapter
            .call("get", &[id], |scope, record| {
                if scope.is_nullish(record)? {
                    return Ok(None);
                }
                read(scope, record)
            })
            .await
    }
}

impl Paged<Body> for JsRecords {
    type Cursor = Persistent;

    async fn pick(
        &self,
        cursor: Option<&Persistent>,
        wanted: &HashMap<Hlc, Vec<Text>>,
        fetched: &mut Fetched<Body>,
    ) -> Result<()> {
        self.query(cursor, |scope, _, records| {
            let is_wanted = |hlc: &Hlc| wanted.contains_key(hlc);
            for (index, hlc) in wanted_hlcs(scope, (records, Some("updatedAt")), is_wanted)? {
                let Some((hlc, ids)) = hlc.and_then(|hlc| wanted.get_key_value(&hlc)) else {
                    continue;
                };
                let record = |scope: Scope<'_>| {
                    read_stamped(scope, scope.element(records, index)?, hlc.clone())
                };
                let item = self.adapter.env().scope(record)?;
                let id = item.kind.record_id();
                if let Some(id) = id.filter(|id| ids.contains(id)).cloned() {
                    fetched.insert((hlc.clone(), id), item);
                }
            }
            Ok(())
        })
        .await
    }

    async fn fetch_one(&self, id: &Text, hlc: &Hlc) -> Result<Option<Item<Body>>> {
        self.get(id, |scope, record| {
            let stands = read_hlc_of(scope, record, "updatedAt")?;
            if stands.as_ref() != Some(hlc) {
                return Ok(None);
            }
            read_stamped(scope, record, hlc.clone()).map(Some)
        })
        .await
    }
}

/// The id of a record, unless it is none or cannot be read.
fn id_of(scope: Scope<'_>, record: Value<'_>) -> Result<Option<Text>> {
    if scope.is_nullish(record)? {
        return Ok(None);
    }
    match scope.get(record, "id") {
        Ok(id) => Ok(scope.as_text(id)),
        Err(error) => unreadable(error).map(|_| None),
    }
}

/// Asks the adapter's `queryMalformed`, if it has one, for `{ id, reason }` of each item.
pub(super) async fn query_malformed(
    adapter: &JsObject,
    args: &[&dyn Argument],
    limit: usize,
    item: impl Fn(Scope<'_>, Value<'_>, Error) -> Result<Item<Body>>,
) -> Result<Vec<Item<Body>>> {
    const METHOD: &str = "queryMalformed";
    if !adapter.has(METHOD)? {
        return Ok(Vec::new());
    }
    adapter
        .call(METHOD, args, |scope, answer| {
            if !scope.is_array(answer)? {
                return Err(adapter.wrong(METHOD, "must answer an array of { id, reason }"));
            }
            scope.first_of(answer, limit, |scope, entry| {
                let reason = match scope.kind(entry)? {
                    Kind::Object => scope.as_string(scope.get(entry, "reason")?),
                    _ => None,
                };
                let fault = reason.map_or_else(no_stamp, |reason| malformed(&reason));
                item(scope, entry, fault)
            })
        })
        .await
}

/// Asks the adapter's `getNodeWatermarks`.
pub(super) async fn node_watermarks(
    adapter: &JsObject,
    args: &[&dyn Argument],
) -> Result<Watermarks> {
    const METHOD: &str = "getNodeWatermarks";
    adapter
        .call(METHOD, args, |scope, answer| {
            let read = read_watermarks(scope, answer)?;
            read.map_err(|what| adapter.wrong(METHOD, &what))
        })
        .await
}

/// The fault of a record that has no place in the order.
pub(super) fn no_stamp() -> Error {
    malformed("updatedAt must be a timestamp { wallTime, counter, nodeId }; mend it in its store")
}

// What an app's adapter keeps of changes is behind its database, not in the adapter.
impl ChangeLog<Body> for JsRecords {}

impl Records<Body> for JsRecords {
    type Cursor = Persistent;

    fn capabilities(&self) -> Result<Capabilities> {
        self.adapter.env().scope(|scope| {
            let adapter = self.adapter.value(scope)?;
            let found = scope.helper(Intrinsic::AbilitiesOf, &[adapter])?;
            let found = scope.as_number(found).and_then(safe_integer);
            let has = |bit| found.unwrap_or_default() & bit != 0;
            Ok(Capabilities {
                coverage: has(1),
                index: has(2),
                pages: has(4),
            })
        })
    }

    async fn coverage(&self) -> Result<Watermarks> {
        node_watermarks(&self.adapter, &[]).await
    }

    async fn changes(&self, ask: &Ask) -> Result<Option<Stretch<Item<Body>>>> {
        self.ask_adapter(ask).await
    }

    async fn scan(
        &self,
        ask: &Ask,
        horizon: Option<&Hlc>,
        after: Option<Persistent>,
    ) -> Result<Scanned<Body, Persistent>> {
        if after.is_none() {
            self.pages.forget();
        }
        let asked = after.as_ref();
        let (scanned, end) = self
            .query(asked, |scope, answer, records| {
                let method = (&self.adapter, "query");
                let next = next_of(scope, method, (answer, records), asked)?;
                self.read_page(scope, (records, next), (ask, horizon))
            })
            .await?;
        if let Some((last, rows)) = end {
            self.pages.note(after, last, rows);
        }
        Ok(scanned)
    }

    async fn fetch(&self, wanted: &[(Hlc, Text)]) -> Result<Fetched<Body>> {
        self.pages.fetch(self, wanted).await
    }

    async fn unorderable(&self, limit: usize) -> Result<Vec<Item<Body>>> {
        query_malformed(&self.adapter, &[], limit, |scope, entry, fault| {
            faulty_record(scope, entry, (Hlc::zero(), fault))
        })
        .await
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        self.get(id, |scope, record| read_hlc_of(scope, record, "updatedAt"))
            .await
    }

    async fn put(&self, item: &Item<Body>) -> Result<()> {
        self.adapter.tell("put", &[&item.body]).await
    }

    async fn apply(&self, items: Vec<Item<Body>>, order: Order) -> Result<Vec<Outcome>> {
        store_page(&self.adapter, "applyRecords", &items, order).await
    }
}
