//! The app's own store of shared records.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use futures_util::stream::{self, StreamExt};

use super::abilities::Abilities;
use super::batch::{Batch, has_function};
use super::pages::Pages;
use super::query_page::QueryPage;
use crate::engine::ports::{Capabilities, Fetched, Order, Outcome, Records, Scanned};
use crate::engine::scan::missing_of;
use crate::error::{Error, Result};
use crate::node::convert::{
    Body, faulty_record, is_nameless, malformed, read_hlc_of, read_stamped, read_watermarks,
    unreadable,
};
use crate::node::error::invalid;
use crate::node::runtime::{Invocation, await_js};
use crate::node::value::{Env, Handle, Key, Kind, Persistent, Scope, Value};
use crate::protocol::delta::{Ask, Standing, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// How many records of a backlog are asked for at one time.
const FETCHES: usize = 32;

/// A `DatabaseAdapter` object, and the option it came in.
pub struct JsRecords {
    pub(super) adapter: Handle,
    pub(super) option: &'static str,
    pub(super) abilities: Abilities,
    scan_page_size: f64,
    pages: Pages,
}

/// A method of the adapter that came in as an option.
pub(super) struct AdapterMethod(&'static str, Key);

impl fmt::Display for AdapterMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1.name())
    }
}

/// Where a page ends: the id of its last record, and how many there are.
type End = Option<(Text, usize)>;

impl JsRecords {
    /// The adapter that came in as `option`, scanned in pages of `scan_page_size`.
    pub fn new(adapter: Handle, option: &'static str, scan_page_size: f64) -> Self {
        Self {
            adapter,
            option,
            abilities: Abilities::default(),
            scan_page_size,
            pages: Pages::default(),
        }
    }

    pub(super) fn operation(&self, key: Key) -> AdapterMethod {
        AdapterMethod(self.option, key)
    }

    /// Finds out what the adapter is able to do. Once a round.
    pub fn look(&self) -> Result<()> {
        self.abilities.look(&self.adapter)
    }

    pub(super) fn call<'s>(
        &self,
        scope: Scope<'s>,
        invoke: &Invocation<'_>,
        key: Key,
        args: &[Value<'s>],
    ) -> Result<Value<'s>> {
        let adapter = self.adapter.value(scope)?;
        invoke.method(scope, (adapter, self.option), key, args)
    }

    fn has(&self, key: Key) -> Result<bool> {
        self.abilities.has(&self.adapter, key)
    }

    fn query<'s>(
        &self,
        scope: Scope<'s>,
        invoke: &Invocation<'_>,
        cursor: Option<&Persistent>,
    ) -> Result<Value<'s>> {
        let adapter = (self.adapter.value(scope)?, self.option);
        invoke.with_query(scope, adapter, Key::Query, (self.scan_page_size, cursor))
    }

    fn read_page(
        &self,
        scope: Scope<'_>,
        (answer, cursor): (Value<'_>, Option<&Persistent>),
        (ask, horizon): (&Ask, Option<&Hlc>),
    ) -> Result<(Scanned<Body, Persistent>, End)> {
        let env = self.adapter.env();
        let QueryPage {
            records,
            stamps,
            next,
            end,
        } = self.page_of(scope, (answer, cursor), |hlc| {
            ask.standing(hlc) != Standing::Unwanted
        })?;
        let mut scanned = Scanned {
            next,
            ..Scanned::default()
        };
        for (index, stamp) in stamps {
            // A scope per record: a page may be the whole table.
            env.scope(|scope| {
                let Some(hlc) = stamp else {
                    let record = scope.element(records, index)?;
                    let item = faulty_record(scope, env, record, (Hlc::zero(), no_stamp()))?;
                    scanned.unorderable.push(item);
                    return Ok(());
                };
                match ask.place_of(&hlc, horizon) {
                    Some(true) => {
                        let item = read_stamped(scope, env, (records, index), hlc)?;
                        let id = item.kind.record_id();
                        // It cannot be asked for again by its id: a further scan has to meet it.
                        scanned.has_ids &= id.is_some_and(|id| !is_nameless(id));
                        scanned.items.push(item);
                    }
                    Some(false) => {
                        let id = self.id_at(scope, (records, index))?;
                        scanned.has_ids &= id.is_some();
                        let id = id.unwrap_or_else(|| Text::from(""));
                        scanned.others.push((hlc, id));
                    }
                    None => {}
                }
                Ok(())
            })?;
        }
        Ok((scanned, end))
    }

    /// The id of a record, unless it is none or cannot be read.
    fn id_at(&self, scope: Scope<'_>, (records, index): (Value<'_>, u32)) -> Result<Option<Text>> {
        let record = scope.element(records, index)?;
        match scope.get(self.adapter.env(), record, Key::Id) {
            Ok(id) => Ok(scope.as_text(id)),
            Err(error) => unreadable(error).map(|_| None),
        }
    }

    fn page_of<'s>(
        &self,
        scope: Scope<'s>,
        page: (Value<'s>, Option<&Persistent>),
        wanted: impl Fn(&Hlc) -> bool,
    ) -> Result<QueryPage<'s>> {
        QueryPage::read(scope, self.adapter.env(), page, wanted)?
            .map_err(|what| invalid(&self.operation(Key::Query).to_string(), what))
    }

    /// Reads pages of the last pass again where that is cheaper than asking for each record.
    async fn reread(&self, wanted: &[(Hlc, Text)], fetched: &mut Fetched<Body>) -> Result<()> {
        for page in self.pages.worth_reading(wanted) {
            let wanted: HashMap<Hlc, Vec<Text>> =
                page.wanted
                    .into_iter()
                    .fold(HashMap::new(), |mut ids, (hlc, id)| {
                        ids.entry(hlc).or_default().push(id);
                        ids
                    });
            let before = fetched.len();
            await_js(
                self.adapter.env(),
                self.operation(Key::Query),
                |scope, invoke| self.query(scope, invoke, page.cursor.as_ref()),
                |scope, answer| self.pick(scope, answer, &wanted, fetched),
            )
            .await?;
            if fetched.len() == before {
                self.pages.forget();
                return Ok(());
            }
        }
        Ok(())
    }

    fn pick(
        &self,
        scope: Scope<'_>,
        answer: Value<'_>,
        wanted: &HashMap<Hlc, Vec<Text>>,
        fetched: &mut Fetched<Body>,
    ) -> Result<()> {
        let env = self.adapter.env();
        let QueryPage {
            records, stamps, ..
        } = self.page_of(scope, (answer, None), |hlc| wanted.contains_key(hlc))?;
        for (index, hlc) in stamps {
            let Some((hlc, ids)) = hlc.and_then(|hlc| wanted.get_key_value(&hlc)) else {
                continue;
            };
            env.scope(|scope| {
                let item = read_stamped(scope, env, (records, index), hlc.clone())?;
                let id = item.kind.record_id();
                if let Some(id) = id.filter(|id| ids.contains(id)).cloned() {
                    fetched.insert((hlc.clone(), id), item);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    async fn fetch_one(&self, id: &Text, hlc: &Hlc) -> Result<Option<Item<Body>>> {
        let env = self.adapter.env();
        await_js(
            env,
            self.operation(Key::Get),
            |scope, invoke| self.call(scope, invoke, Key::Get, &[scope.string(id)?]),
            |scope, record| {
                if scope.is_nullish(record)? {
                    return Ok(None);
                }
                let stands = read_hlc_of(scope, env, record, Key::UpdatedAt)?;
                if stands.as_ref() != Some(hlc) {
                    return Ok(None);
                }
                let one = scope.array()?;
                scope.set_element(one, 0, record)?;
                read_stamped(scope, env, (one, 0), hlc.clone()).map(Some)
            },
        )
        .await
    }
}

/// Reads what a `queryMalformed` of the app's answers: `{ id, reason }` of each item.
pub(super) fn read_malformed(
    scope: Scope<'_>,
    env: &Rc<Env>,
    (answer, operation): (Value<'_>, &str),
    limit: usize,
    item: impl Fn(Scope<'_>, Value<'_>, Error) -> Result<Item<Body>>,
) -> Result<Vec<Item<Body>>> {
    if !scope.is_array(answer)? {
        return Err(invalid(operation, "must answer an array of { id, reason }"));
    }
    let length = scope
        .length(answer)?
        .min(u32::try_from(limit).unwrap_or(u32::MAX));
    let read = |index| {
        env.scope(|scope| {
            let entry = scope.element(answer, index)?;
            let reason = match scope.kind(entry)? {
                Kind::Object => scope.as_text(scope.get(env, entry, Key::Reason)?),
                _ => None,
            };
            let fault = reason.map_or_else(no_stamp, |reason| malformed(&reason.to_string()));
            item(scope, entry, fault)
        })
    };
    (0..length).map(read).collect()
}

/// The fault of a record that has no place in the order.
pub(super) fn no_stamp() -> Error {
    malformed("updatedAt must be a timestamp { wallTime, counter, nodeId }; mend it in its store")
}

impl Records<Body> for JsRecords {
    type Cursor = Persistent;

    fn capabilities(&self) -> Result<Capabilities> {
        // A function that cannot be read is found out when it is called; instead of a page it is `put`.
        Ok(Capabilities {
            coverage: self.has(Key::GetNodeWatermarks).unwrap_or(true),
            index: self.has(Key::QueryUnseen).unwrap_or(true),
            pages: self.has(Key::ApplyRecords).unwrap_or(false),
        })
    }

    async fn coverage(&self) -> Result<Watermarks> {
        let env = self.adapter.env();
        await_js(
            env,
            self.operation(Key::GetNodeWatermarks),
            |scope, invoke| self.call(scope, invoke, Key::GetNodeWatermarks, &[]),
            |scope, answer| {
                let read = read_watermarks(scope, env, answer)?;
                read.map_err(|what| {
                    let operation = self.operation(Key::GetNodeWatermarks);
                    invalid(&operation.to_string(), &what)
                })
            },
        )
        .await
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
        let (scanned, end) = await_js(
            self.adapter.env(),
            self.operation(Key::Query),
            |scope, invoke| self.query(scope, invoke, after.as_ref()),
            |scope, answer| self.read_page(scope, (answer, after.as_ref()), (ask, horizon)),
        )
        .await?;
        if let Some((last, rows)) = end {
            self.pages.note(after, last, rows);
        }
        Ok(scanned)
    }

    /// Whole pages where that is cheaper, then one by one, several at a time.
    async fn fetch(&self, wanted: &[(Hlc, Text)]) -> Result<Fetched<Body>> {
        let mut fetched = Fetched::new();
        self.reread(wanted, &mut fetched).await?;
        let mut answers = stream::iter(missing_of(wanted, &fetched))
            .map(|known| async move { (self.fetch_one(&known.1, &known.0).await, known) })
            .buffered(FETCHES);
        while let Some((answer, known)) = answers.next().await {
            fetched.extend(answer?.map(|item| (known, item)));
        }
        Ok(fetched)
    }

    async fn unorderable(&self, limit: usize) -> Result<Vec<Item<Body>>> {
        if !has_function(&self.adapter, Key::QueryMalformed)? {
            return Ok(Vec::new());
        }
        let env = self.adapter.env();
        await_js(
            env,
            self.operation(Key::QueryMalformed),
            |scope, invoke| self.call(scope, invoke, Key::QueryMalformed, &[]),
            |scope, answer| {
                let operation = self.operation(Key::QueryMalformed).to_string();
                read_malformed(
                    scope,
                    env,
                    (answer, &operation),
                    limit,
                    |scope, entry, fault| faulty_record(scope, env, entry, (Hlc::zero(), fault)),
                )
            },
        )
        .await
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        let env = self.adapter.env();
        await_js(
            env,
            self.operation(Key::Get),
            |scope, invoke| self.call(scope, invoke, Key::Get, &[scope.string(id)?]),
            |scope, record| {
                if scope.is_nullish(record)? {
                    return Ok(None);
                }
                read_hlc_of(scope, env, record, Key::UpdatedAt)
            },
        )
        .await
    }

    async fn put(&self, item: &Item<Body>) -> Result<()> {
        let env = self.adapter.env();
        await_js(
            env,
            self.operation(Key::Put),
            |scope, invoke| self.call(scope, invoke, Key::Put, &[item.body.to_js(scope, env)?]),
            |_, _| Ok(()),
        )
        .await
    }

    async fn apply(&self, items: Vec<Item<Body>>, order: Order) -> Result<Vec<Outcome>> {
        let batch = Batch {
            adapter: &self.adapter,
            option: self.option,
            key: Key::ApplyRecords,
        };
        batch.store(&items, order).await
    }
}
