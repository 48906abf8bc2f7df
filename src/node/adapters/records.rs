//! The app's own store of shared records.

use std::collections::HashMap;

use super::pages::{page_in, page_options, read_page, store_page};
use crate::engine::change_log::ChangeLog;
use crate::engine::pages::{Paged, Pages};
use crate::engine::ports::{Added, Capabilities, Clock, Fetched, Order, Outcome, Records, Scanned};
use crate::error::Result;
use crate::node::convert::{
    Body, id_of, read_hlc_of, read_hlcs, read_stored, read_watermarks, wanted_hlcs,
};
use crate::node::error::warn;
use crate::node::runtime::{Argument, JsObject, Made, await_js};
use crate::node::value::{Intrinsic, Persistent, Scope, Value, list};
use crate::protocol::delta::{Ask, Selection, Stretch, Unfit};
use crate::protocol::hlc::{Hlc, safe_integer};
use crate::protocol::item::{Item, malformed, without_time};
use crate::protocol::log::Stream;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

const QUERY_UNSEEN: &str = "queryUnseen";

/// How often a larger page is asked for, if one holds a single timestamp only.
const TRIES: u32 = 4;

/// A `DatabaseAdapter` object.
pub struct JsRecords {
    pub(super) adapter: JsObject,
    /// The clock of the side, which hears of what is added.
    clock: JsObject,
    scan_page_size: f64,
    pages: Pages<Persistent>,
}

impl JsRecords {
    /// The adapter, beside the `clock` of its side, scanned in pages of `scan_page_size`.
    pub fn new(adapter: JsObject, clock: JsObject, scan_page_size: f64) -> Self {
        Self {
            adapter,
            clock,
            scan_page_size,
            pages: Pages::default(),
        }
    }

    /// Calls `query` for the page at a cursor, and, if that is said beside it, for what follows it. `read` gets the array of
    /// records in its answer, and what follows.
    async fn query<R>(
        &self,
        asked: (Option<&Persistent>, bool),
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>, Option<Persistent>) -> Result<R>,
    ) -> Result<R> {
        let options = Made(|scope| page_options(scope, self.scan_page_size, asked.0));
        self.adapter
            .call("query", &[&options], |scope, answer| {
                let (method, page) = ((&self.adapter, "query"), (answer, "records"));
                let (records, next) = page_in(scope, method, page, asked)?;
                read(scope, records, next)
            })
            .await
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

    /// What `ask` wants, of the page that the adapter finds itself: `queryUnseen`. The answer is the app's own work and is
    /// taken for a hint ([`Ask::select_found`]). Where it is of no use the store is scanned, which is slow and always right.
    async fn ask_adapter(&self, ask: &Ask) -> Result<Option<Stretch<Item<Body>>>> {
        // One more than has a place shows whether the last that has one shares its timestamp.
        let mut limit = ask.limit.saturating_add(1);
        for _ in 0..TRIES {
            let seen = ask.seen_or_skipped();
            let options = Made(|scope| scope.object_of(&[("limit", scope.count(limit as u64)?)]));
            let read =
                |scope: Scope<'_>, answer: Value<'_>| self.read_found(scope, answer, (ask, limit));
            let args: [&dyn Argument; 2] = [&seen, &options];
            match self.adapter.call(QUERY_UNSEEN, &args, read).await? {
                Ok(found) => return Ok(Some(found.finish())),
                Err(Unfit::TooShort) => limit = limit.saturating_mul(8),
                Err(Unfit::Unusable(why)) => {
                    let method = self.adapter.method(QUERY_UNSEEN);
                    let message =
                        format!("{method} answered {why}; the records are scanned instead");
                    warn(self.adapter.env(), &message, None);
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Reads what `addNew` of `js/bridge/adding.js` answers.
    fn read_added(&self, scope: Scope<'_>, answer: Value<'_>) -> Result<Added> {
        let parts = ["stored", "version", "call", "thrown"];
        let [stored, version, call, thrown] = scope.pick(answer, parts)?;
        let end = match scope.as_string(call).as_deref() {
            Some("receive") => Some(Err(self.clock.threw(scope, "receive", thrown)?)),
            Some(method) => Some(Err(self.adapter.threw(scope, method, thrown)?)),
            None if scope.is_nullish(version)? => None,
            None => Some(read_hlc_of(scope, version, "updatedAt")),
        };
        let stored = scope.as_number(stored).and_then(safe_integer);
        let stored = usize::try_from(stored.unwrap_or_default()).unwrap_or_default();
        Ok(Added { stored, end })
    }

    fn read_found(
        &self,
        scope: Scope<'_>,
        answer: Value<'_>,
        (ask, limit): (&Ask, usize),
    ) -> Result<std::result::Result<Selection<Item<Body>>, Unfit>> {
        let method = (&self.adapter, QUERY_UNSEEN);
        let (records, _) = page_in(scope, method, (answer, "records"), (None, false))?;
        let has_more = scope.get(answer, "hasMore")?;
        if scope.is_nullish(has_more)? {
            return Ok(Err(Unfit::Unusable("a page without `hasMore`")));
        }
        let stamps = read_hlcs(scope, records, Some("updatedAt"))?;
        let more = scope.is_truthy(has_more) || stamps.len() >= limit;
        ask.select_found(&stamps, more, |index, stamp| {
            scope.nested(|scope| {
                let record = scope.element(records, index)?;
                let stamp = stamp.cloned().ok_or_else(without_time);
                read_stored(scope, &Stream::Records, record, stamp)
            })
        })
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
        self.query((cursor, false), |scope, records, _| {
            let is_wanted = |hlc: &Hlc| wanted.contains_key(hlc);
            for (index, hlc) in wanted_hlcs(scope, (records, Some("updatedAt")), is_wanted)? {
                let Some((hlc, ids)) = hlc.and_then(|hlc| wanted.get_key_value(&hlc)) else {
                    continue;
                };
                let item = scope.nested(|scope| {
                    let record = scope.element(records, index)?;
                    read_stored(scope, &Stream::Records, record, Ok(hlc.clone()))
                })?;
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
            read_stored(scope, &Stream::Records, record, Ok(hlc.clone())).map(Some)
        })
        .await
    }
}

/// Asks the adapter's `queryMalformed`, if it has one, for `{ id, reason }` of each item.
pub(super) async fn query_malformed(
    adapter: &JsObject,
    args: &[&dyn Argument],
    limit: usize,
    stream: &Stream,
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
            let entries = scope.elements(answer)?.into_iter().take(limit);
            let malformed = entries.map(|entry| {
                let reason = scope.string_in(entry, "reason")?;
                let fault = reason.map_or_else(without_time, malformed);
                read_stored(scope, stream, entry, Err(fault))
            });
            malformed.collect()
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
        let (scanned, end) = self
            .query((after.as_ref(), true), |scope, records, next| {
                let rows = scope.length(records)?;
                let last = match rows.checked_sub(1) {
                    Some(last) => id_of(scope, scope.element(records, last)?),
                    None => None,
                };
                let page = (&Stream::Records, records);
                let scanned = read_page(scope, page, (ask, horizon), next)?;
                Ok((scanned, last.map(|last| (last, rows as usize))))
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
        query_malformed(&self.adapter, &[], limit, &Stream::Records).await
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        self.get(id, |scope, record| read_hlc_of(scope, record, "updatedAt"))
            .await
    }

    async fn put(&self, item: &Item<Body>) -> Result<()> {
        self.adapter.tell("put", &[&item.body]).await
    }

    async fn add(&self, items: &[&Item<Body>], _clock: &impl Clock) -> Added {
        let added = await_js(
            self.adapter.env(),
            "add records",
            |scope| {
                let (adapter, clock) = (self.adapter.value(scope)?, self.clock.value(scope)?);
                let records = list(scope, items, |scope, item| item.body.to_js(scope))?;
                scope.helper(Intrinsic::AddNew, &[adapter, clock, records])
            },
            |scope, answer| self.read_added(scope, answer),
        );
        // A record of which no value can be made is found when it is put by itself.
        added.await.unwrap_or_default()
    }

    async fn apply(&self, items: Vec<Item<Body>>, order: Order) -> Result<Vec<Outcome>> {
        store_page(&self.adapter, "applyRecords", &items, order).await
    }
}
