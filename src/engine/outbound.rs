//! Gathering what the other side has not seen: one page over all streams together.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::protocol::delta::{Ask, Backlog, MOST_UNORDERABLE, Stretch, Unorderable};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

use super::ports::{AppRows, Clock, Log, Records, Side};
use super::scan::{find_records, find_rows};

/// A page of unseen items.
#[derive(Debug)]
pub struct Gathered<B> {
    /// In the order of timestamps.
    pub items: Vec<Item<B>>,
    /// Whether unseen items were left out because of the limit.
    pub more: bool,
    /// Per node the greatest timestamp that the reading met.
    pub met: Watermarks,
    /// The error of a table that could not be scanned and cannot say of which nodes it has rows: any may be missing.
    pub blind: Option<Error>,
    /// What a scan met without a valid timestamp, each with its fault. It has no place on any page.
    pub unorderable: Unorderable<Item<B>>,
}

/// What a side is known to hold without a valid timestamp. It is named as long as nothing says that it is gone:
/// an adapter that is only read by its index does not meet it in every round.
#[derive(Debug)]
pub struct Unordered<B> {
    told: Vec<Item<B>>,
    met: Vec<Item<B>>,
}

impl<B> Default for Unordered<B> {
    fn default() -> Self {
        Self {
            told: Vec::new(),
            met: Vec::new(),
        }
    }
}

impl<B> Unordered<B> {
    /// Takes what the stores say now.
    pub fn told(&mut self, items: Vec<Item<B>>) {
        self.told = items;
    }

    /// Takes what a reading of the stores met.
    pub fn met(&mut self, found: Unorderable<Item<B>>) {
        if found.is_all {
            self.met.clear();
        }
        for item in found.items {
            if self.met.len() < MOST_UNORDERABLE && !is_among(&self.met, &item) {
                self.met.push(item);
            }
        }
    }

    /// All that is known.
    pub fn iter(&self) -> impl Iterator<Item = &Item<B>> {
        let met = self.met.iter().filter(|item| !is_among(&self.told, item));
        self.told.iter().chain(met)
    }
}

fn is_among<B>(items: &[Item<B>], item: &Item<B>) -> bool {
    items.iter().any(|known| known.kind == item.kind)
}

/// What the stores know to hold without a valid timestamp. A store that cannot say is not asked again by
/// another way: a scan meets what it holds.
pub async fn unorderable<S: Side>(side: &S) -> Vec<Item<S::Body>> {
    let mut found = Vec::new();
    let mut note = |what: &str, answer: Result<Vec<Item<S::Body>>>| match answer {
        Ok(items) => found.extend(items),
        Err(error) => side.log().warn(
            &format!("what {what} holds without a valid timestamp could not be read"),
            Some(&error),
        ),
    };
    if let Some(records) = side.records() {
        note("the records", records.unorderable(MOST_UNORDERABLE).await);
    }
    if let Some(rows) = side.rows() {
        match rows.tables().await {
            Ok(tables) => {
                for table in &tables {
                    let answer = rows.unorderable(table, MOST_UNORDERABLE).await;
                    note(&table.to_string(), answer);
                }
            }
            Err(error) => note("the list of tables", Err(error)),
        }
    }
    found.truncate(MOST_UNORDERABLE);
    found
}

/// The page that `ask` wants from `side`.
///
/// The stores are read one after the other while the app writes. An item that is written in between, and
/// met, must not carry a watermark past an earlier one that was written to a store which was already
/// read. So the page ends, per node, at what was there before the reading began: at what all stores
/// reported then, or, if one of them cannot, at what a first reading met. No such bound is needed
/// if one reading of a single store saw everything at one moment, or if `writers` say that nothing
/// on the page can have been written meanwhile.
///
/// A table whose scan fails is left out. If it can say which nodes it is ahead of, those nodes are
/// left out as a whole: their other items would carry a watermark past the rows that were not read.
pub async fn gather<S: Side>(
    side: &S,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
    writers: Writers<'_>,
) -> Result<Gathered<S::Body>> {
    let mut ask = ask.clone();
    let mut met = None;
    let began_ms = side.clock().system_ms();
    loop {
        let mut streams = Streams::of(side).await?;
        let remembered = backlog.complete_upto(&ask).cloned();
        let bounded = remembered.is_some() || streams.held.is_some() || met.is_some();
        ask.upto = remembered
            .clone()
            .or(met.take())
            .or_else(|| streams.held.clone());
        if streams.count() > 1
            && streams
                .held
                .as_ref()
                .is_some_and(|held| ask.is_behind(held))
        {
            // The bounds of the page were read one stream after the other. Which streams can be passed over,
            // and where to begin, is decided by what the streams hold now, when all bounds are known.
            let held = streams.held.take();
            streams = Streams {
                held,
                ..Streams::of(side).await?
            };
        }
        backlog.pass.begin(side.clock().app_ms());
        let mut reading = read(side, &streams, &ask, backlog).await?;
        if !reading.unread.is_empty() {
            ask.skip.extend(reading.unread);
            continue;
        }
        let survey = reading.stretch.survey();
        let at_one_moment = streams.count() == 1 && survey.reads <= 1;
        if !bounded && !at_one_moment && writers.may_have_written(&survey.newest, began_ms) {
            met = Some(survey.newest.clone());
            backlog.forget();
            continue;
        }
        let (too_late, newest) = (survey.too_late.clone(), survey.newest.clone());
        let unorderable = reading.stretch.take_unorderable();
        let (items, more) = reading.stretch.into_items();
        if remembered.is_some()
            && too_late.is_some_and(|hlc| items.last().is_none_or(|(end, _)| hlc < *end))
        {
            // Something new belongs before what is remembered.
            backlog.forget();
            continue;
        }
        return Ok(Gathered {
            items: items.into_iter().map(|(_, item)| item).collect(),
            more,
            met: newest,
            blind: reading.blind,
            unorderable,
        });
    }
}

/// What else writes to the stores while they are read.
#[derive(Debug, Clone, Copy)]
pub enum Writers<'a> {
    /// The app alone, with timestamps of one node and of now.
    App,
    /// Other callers too, with timestamps of any node and any time. What these watermarks cover, if given, is
    /// known to have been there before.
    Anyone(Option<&'a Watermarks>),
}

impl Writers<'_> {
    /// Whether items up to `newest` can have been written after `began_ms`, in milliseconds since the
    /// epoch.
    fn may_have_written(self, newest: &Watermarks, began_ms: u64) -> bool {
        match self {
            Self::Anyone(Some(before)) => !before.covers_all(newest),
            Self::Anyone(None) => !newest.is_empty(),
            Self::App => {
                let mut stamps = newest.iter().map(|(_, hlc)| hlc);
                newest.len() > 1 || stamps.any(|hlc| hlc.wall_time >= began_ms)
            }
        }
    }
}

/// The streams of a side, and what each of them holds, if it can say.
struct Streams {
    has_records: bool,
    records: Option<Watermarks>,
    tables: Vec<(Table, Option<Watermarks>)>,
    /// What all of them hold, if all of them can say.
    held: Option<Watermarks>,
}

impl Streams {
    async fn of<S: Side>(side: &S) -> Result<Self> {
        let records = match side.records() {
            Some(store) => records_coverage(store).await.unwrap_or_else(|error| {
                let message = "getNodeWatermarks of the records failed; they are scanned";
                side.log().warn(message, Some(&error));
                None
            }),
            None => None,
        };
        let has_records = side.records().is_some();
        let mut tables = Vec::new();
        if let Some(rows) = side.rows() {
            for table in rows.tables().await? {
                let coverage = table_coverage(side, rows, &table).await;
                tables.push((table, coverage));
            }
        }
        let of_records = has_records.then_some(&records);
        let mut held = Some(Watermarks::default());
        for coverage in of_records
            .into_iter()
            .chain(tables.iter().map(|(_, coverage)| coverage))
        {
            match (&mut held, coverage) {
                (Some(held), Some(coverage)) => held.merge(coverage),
                _ => held = None,
            }
        }
        Ok(Self {
            has_records,
            records,
            tables,
            held,
        })
    }

    fn count(&self) -> usize {
        self.tables.len() + usize::from(self.has_records)
    }
}

/// One reading of all streams that may hold something wanted.
struct Reading<B> {
    stretch: Stretch<Item<B>>,
    unread: HashSet<NodeId>,
    blind: Option<Error>,
}

async fn read<S: Side>(
    side: &S,
    streams: &Streams,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
) -> Result<Reading<S::Body>> {
    let mut stretches = Vec::new();
    let (mut unread, mut blind) = (HashSet::new(), None);
    if let Some(records) = side.records()
        && streams
            .records
            .as_ref()
            .is_none_or(|coverage| ask.is_behind(coverage))
    {
        stretches.push(find_records(records, ask, backlog).await?);
    }
    if let Some(rows) = side.rows() {
        for (table, coverage) in &streams.tables {
            let floor = match coverage {
                Some(coverage) if !ask.is_behind(coverage) => continue,
                Some(coverage) => ask.scan_floor(coverage),
                None => Hlc::zero(),
            };
            match find_rows(rows, table, &floor, ask).await {
                Ok(found) => stretches.push(found),
                Err(error) => {
                    let message = format!("{table} could not be scanned and is left out");
                    side.log().warn(&message, Some(&error));
                    match coverage {
                        Some(coverage) => unread.extend(ask.ahead(coverage).cloned()),
                        None => blind = Some(error),
                    }
                }
            }
        }
    }
    Ok(Reading {
        stretch: Stretch::join(ask.limit, stretches),
        unread,
        blind,
    })
}

/// Per node the greatest timestamp of the records, if the store can say it.
async fn records_coverage<B>(records: &impl Records<B>) -> Result<Option<Watermarks>> {
    if records.capabilities()?.coverage {
        records.coverage().await.map(Some)
    } else {
        Ok(None)
    }
}

fn rows_know_coverage<B>(rows: &impl AppRows<B>) -> bool {
    rows.capabilities().is_ok_and(|able| able.coverage)
}

async fn table_coverage<S: Side>(side: &S, rows: &S::Rows, table: &Table) -> Option<Watermarks> {
    if !rows_know_coverage(rows) {
        return None;
    }
    match rows.coverage(table).await {
        Ok(coverage) => Some(coverage),
        Err(error) => {
            let message = format!("getNodeWatermarks of {}/{} failed", table.app, table.name);
            side.log().warn(&message, Some(&error));
            None
        }
    }
}

/// Per node the greatest timestamp that `side` holds, over the planes that it carries; `None` if a store
/// has no such capability. Of a table that fails to say, only its nodes are missing: the peer may then send
/// again what it sent before.
pub async fn coverage<S: Side>(side: &S) -> Result<Option<Watermarks>> {
    let mut held = Watermarks::default();
    if let Some(records) = side.records() {
        match records_coverage(records).await? {
            Some(coverage) => held.merge(&coverage),
            None => return Ok(None),
        }
    }
    if let Some(rows) = side.rows() {
        if !rows_know_coverage(rows) {
            return Ok(None);
        }
        for table in rows.tables().await? {
            if let Some(coverage) = table_coverage(side, rows, &table).await {
                held.merge(&coverage);
            }
        }
    }
    Ok(Some(held))
}
