//! Messages out of their text.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::envelope::{Name, is_bearable, record, refusal, row};
use super::limits::{Json, MAX_DEPTH};
use crate::error::{Error, Result};
use crate::protocol::item::{Item, NoItem};
use crate::protocol::message::{Answer, DEFAULT_PAGE_LIMIT, Refusal, Request, as_count};
use crate::protocol::watermarks::Watermarks;

/// A message whose items are found and not built yet.
pub struct Unread<'a> {
    malformed: Malformed,
    fields: Members<'a>,
    most: usize,
}

impl<'a> Unread<'a> {
    /// Finds the items of a request, of which it remembers at most `most` of each kind.
    ///
    /// # Errors
    /// `Sync` if it is malformed.
    pub fn request(text: &'a [u8], most: usize) -> Result<Self> {
        Self::of(Malformed::message(REQUEST), text, most)
    }

    /// The same of an answer.
    ///
    /// # Errors
    /// `Sync` if it is malformed.
    pub fn answer(text: &'a [u8], most: usize) -> Result<Self> {
        Self::of(Malformed::message(ANSWER), text, most)
    }

    /// A request of this process, which is no text but for this: what bounds a text does not bound it.
    ///
    /// # Errors
    /// `Sync` if it is malformed.
    pub fn request_here(text: &'a [u8]) -> Result<Self> {
        Self::of(Malformed::here(REQUEST), text, usize::MAX)
    }

    /// The same of an answer.
    ///
    /// # Errors
    /// `Sync` if it is malformed.
    pub fn answer_here(text: &'a [u8]) -> Result<Self> {
        Self::of(Malformed::here(ANSWER), text, usize::MAX)
    }

    fn of(malformed: Malformed, text: &'a [u8], most: usize) -> Result<Self> {
        let fields = malformed.fields(text, most)?;
        Ok(Self {
            malformed,
            fields,
            most,
        })
    }

    /// How many items it has, remembered or not.
    pub fn count(&self) -> usize {
        self.fields.count
    }

    /// The request, with the items that were remembered.
    ///
    /// # Errors
    /// `Sync` if it is malformed.
    pub fn into_request(self) -> Result<Request<Json>> {
        request_of(&self.malformed, self.fields)
    }

    /// The answer.
    ///
    /// # Errors
    /// `Sync` if it is malformed, or has more items than may be remembered.
    pub fn into_answer(self) -> Result<Answer<Json>> {
        let (count, most) = (self.fields.count, self.most);
        if count > most {
            let what = format!("it has {count} items where at most {most} may come");
            return Err(self.malformed.error(what));
        }
        answer_of(&self.malformed, self.fields)
    }
}

/// Reads a request.
///
/// # Errors
/// `Sync` if it is malformed.
pub fn read_request(text: &[u8]) -> Result<Request<Json>> {
    Unread::request(text, usize::MAX)?.into_request()
}

fn request_of(malformed: &Malformed, fields: Members<'_>) -> Result<Request<Json>> {
    let limit = match fields.limit {
        None => DEFAULT_PAGE_LIMIT,
        Some(limit) => {
            as_count(limit).ok_or_else(|| malformed.error("limit must be a positive integer"))?
        }
    };
    let (items, deletions) = malformed.items(&fields)?;
    Ok(Request {
        items,
        deletions,
        limit,
        watermarks: malformed
            .watermarks(fields.watermarks, "watermarks")?
            .ok_or_else(|| malformed.error("a request must have `watermarks`"))?,
        shipped_after: malformed
            .watermarks(fields.shipped_after, "shippedAfter")?
            .unwrap_or_default(),
        max_answer_bytes: match fields.max_answer_bytes {
            None => None,
            Some(most) => Some(as_count(most).ok_or_else(|| {
                malformed.error(format!(
                    "maxAnswerBytes must be a positive integer, got {most}"
                ))
            })?),
        },
        log: malformed.log(fields.log)?,
        ..Request::default()
    })
}

/// Reads an answer.
///
/// # Errors
/// `Sync` if it is malformed.
pub fn read_answer(text: &[u8]) -> Result<Answer<Json>> {
    Unread::answer(text, usize::MAX)?.into_answer()
}

fn answer_of(malformed: &Malformed, fields: Members<'_>) -> Result<Answer<Json>> {
    if fields.records.is_none() && fields.rows.is_none() {
        return Err(malformed.error("an answer must have `records`, `appSyncableRows` or both"));
    }
    Ok(Answer {
        items: malformed.items(&fields)?.0,
        has_more: fields.has_more.unwrap_or(false),
        coverage: malformed.watermarks(fields.coverage, "responderWatermarks")?,
        refused: refusals(fields.refused.as_deref()),
        withheld: refusals(fields.withheld.as_deref()),
        log: malformed.log(fields.log)?,
        ..Answer::default()
    })
}

/// What a peer says of items that it did not take in or cannot send. It only explains: an entry that cannot be
/// read is passed over.
fn refusals(list: Option<&[&RawValue]>) -> Vec<Refusal> {
    let list = list.unwrap_or_default().iter().take(Refusal::MOST);
    list.filter_map(|json| refusal(json)).collect()
}

const REQUEST: &str = "malformed exchange request";
const ANSWER: &str = "malformed exchange answer";

/// Where a message is wrong.
struct Malformed {
    operation: &'static str,
    /// Whether it came as text, which must not be as long and as deep as it likes.
    is_bounded: bool,
}

impl Malformed {
    fn message(operation: &'static str) -> Self {
        Self {
            operation,
            is_bounded: true,
        }
    }

    fn here(operation: &'static str) -> Self {
        Self {
            operation,
            is_bounded: false,
        }
    }

    fn error(&self, what: impl Into<String>) -> Error {
        Error::sync(self.operation, what)
    }

    fn fields<'a>(&self, text: &'a [u8], most: usize) -> Result<Members<'a>> {
        if self.is_bounded && nests_deeper(text, MAX_DEPTH) {
            return Err(self.error(format!("it must not nest deeper than {MAX_DEPTH}")));
        }
        let mut reader = serde_json::Deserializer::from_slice(text);
        let fields = reader.deserialize_map(Message { most }).and_then(|fields| {
            reader.end()?;
            Ok(fields)
        });
        fields.map_err(|error| self.error(error.to_string()).caused_by(error))
    }

    /// The items, and how many of them delete something.
    fn items(&self, fields: &Members<'_>) -> Result<(Vec<Item<Json>>, usize)> {
        let (records, rows) = (
            fields.records.as_deref().unwrap_or_default(),
            fields.rows.as_deref().unwrap_or_default(),
        );
        let mut items = Vec::with_capacity(records.len() + rows.len());
        let mut deletions = 0;
        for (name, list, read) in [
            (
                "records",
                records,
                record as fn(&RawValue) -> Result<_, NoItem>,
            ),
            ("appSyncableRows", rows, row),
        ] {
            for (index, json) in list.iter().enumerate() {
                let found = read(json);
                let (item, deletes) =
                    found.map_err(|what| self.error(format!("{name}[{index}]: {what}")))?;
                items.push(item);
                deletions += usize::from(deletes);
            }
        }
        Ok((items, deletions))
    }

    fn log<T: DeserializeOwned>(&self, log: Option<&RawValue>) -> Result<Option<Box<T>>> {
        let read = log.map(|json| serde_json::from_str(json.get()).map(Box::new));
        let malformed =
            |error: serde_json::Error| self.error(format!("log: {error}")).caused_by(error);
        read.transpose().map_err(malformed)
    }

    fn watermarks(&self, marks: Option<Watermarks>, name: &str) -> Result<Option<Watermarks>> {
        let too_long = marks.as_ref().is_some_and(|marks| {
            marks
                .iter()
                .any(|(node, hlc)| !is_bearable(node) || !is_bearable(&hlc.node_id))
        });
        if self.is_bounded && too_long {
            return Err(self.error(format!("{name}: a nodeId is too long")));
        }
        Ok(marks)
    }
}

/// Both messages' fields. `null` is as if a field were not there.
#[derive(Default)]
struct Members<'a> {
    /// How many records and rows there are.
    count: usize,
    watermarks: Option<Watermarks>,
    records: Option<Vec<&'a RawValue>>,
    rows: Option<Vec<&'a RawValue>>,
    limit: Option<f64>,
    has_more: Option<bool>,
    coverage: Option<Watermarks>,
    shipped_after: Option<Watermarks>,
    max_answer_bytes: Option<f64>,
    refused: Option<Vec<&'a RawValue>>,
    withheld: Option<Vec<&'a RawValue>>,
    log: Option<&'a RawValue>,
}

const NAMES: [&str; 11] = [
    "watermarks",
    "records",
    "appSyncableRows",
    "limit",
    "hasMore",
    "responderWatermarks",
    "shippedAfter",
    "maxAnswerBytes",
    "refused",
    "withheld",
    "log",
];

struct Message {
    /// The most items of each kind that are remembered.
    most: usize,
}

/// Reads a list, remembers at most this number of its items, and counts them all.
struct Counted(usize);

impl<'a> DeserializeSeed<'a> for Counted {
    type Value = (Option<Vec<&'a RawValue>>, usize);

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_option(self)
    }
}

impl<'a> Visitor<'a> for Counted {
    type Value = (Option<Vec<&'a RawValue>>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok((None, 0))
    }

    fn visit_some<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        let (mut found, mut count) = (Vec::new(), 0);
        while count < self.0
            && let Some(json) = list.next_element()?
        {
            found.push(json);
            count += 1;
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok((Some(found), count))
    }
}

impl<'a> Visitor<'a> for Message {
    type Value = Members<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Members<'a>, M::Error> {
        let mut fields = Members::default();
        let (mut records, mut rows) = (0, 0);
        while let Some(place) = map.next_key_seed(Name(&NAMES))? {
            match place {
                Some(0) => fields.watermarks = map.next_value()?,
                Some(1) => (fields.records, records) = map.next_value_seed(Counted(self.most))?,
                Some(2) => (fields.rows, rows) = map.next_value_seed(Counted(self.most))?,
                Some(3) => fields.limit = map.next_value()?,
                Some(4) => fields.has_more = map.next_value()?,
                Some(5) => fields.coverage = map.next_value()?,
                Some(6) => fields.shipped_after = map.next_value()?,
                Some(7) => fields.max_answer_bytes = map.next_value()?,
                Some(8) => fields.refused = map.next_value()?,
                Some(9) => fields.withheld = map.next_value()?,
                Some(10) => fields.log = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        fields.count = records + rows;
        Ok(fields)
    }
}

/// Whether a text nests deeper than `most`. Brackets within strings do not count.
pub(super) fn nests_deeper(text: &[u8], most: usize) -> bool {
    if text.len() <= most {
        return false;
    }
    let mut depth = 0usize;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => pass_string(&mut bytes),
            b'[' | b'{' => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Passes over a string that has begun.
fn pass_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}
