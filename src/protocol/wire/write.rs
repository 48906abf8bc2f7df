//! Messages as text.

use std::fmt::Write as _;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::limits::Json;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::message::{Answer, Refusal, Request};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// A request. Lists without items are left out, and so is a limit that limits nothing.
pub fn write_request(request: &Request<Json>) -> String {
    let mut text = String::with_capacity(room_for(&request.items));
    text.push_str("{\"watermarks\":");
    watermarks(&request.watermarks, &mut text);
    if !request.shipped_after.is_empty() {
        text.push_str(",\"shippedAfter\":");
        watermarks(&request.shipped_after, &mut text);
    }
    if request.items.iter().any(is_record) {
        text.push_str(",\"records\":");
        list(
            request.items.iter().filter(|item| is_record(item)),
            &mut text,
        );
    }
    if !request.items.iter().all(is_record) {
        text.push_str(",\"appSyncableRows\":");
        list(
            request.items.iter().filter(|item| !is_record(item)),
            &mut text,
        );
    }
    if request.limit != usize::MAX {
        // Writing to a string does not fail.
        let _ = write!(text, ",\"limit\":{}", request.limit);
    }
    if let Some(most) = request.max_answer_bytes {
        let _ = write!(text, ",\"maxAnswerBytes\":{most}");
    }
    log(request.log.as_deref(), &mut text);
    text.push('}');
    text
}

/// An answer.
pub fn write_answer(answer: &Answer<Json>) -> String {
    let mut text = String::with_capacity(room_for(&answer.items));
    text.push_str("{\"records\":");
    list(
        answer.items.iter().filter(|item| is_record(item)),
        &mut text,
    );
    text.push_str(",\"appSyncableRows\":");
    list(
        answer.items.iter().filter(|item| !is_record(item)),
        &mut text,
    );
    let _ = write!(text, ",\"hasMore\":{}", answer.has_more);
    if let Some(coverage) = &answer.coverage {
        text.push_str(",\"responderWatermarks\":");
        watermarks(coverage, &mut text);
    }
    for (name, list) in [("refused", &answer.refused), ("withheld", &answer.withheld)] {
        if !list.is_empty() {
            let _ = write!(text, ",\"{name}\":");
            refusals(list, &mut text);
        }
    }
    log(answer.log.as_deref(), &mut text);
    text.push('}');
    text
}

/// What cannot be written, such as a key with a lone surrogate, is left out as a whole: the peer then answers by the
/// older rules, and nothing is lost.
fn log(log: Option<&impl Serialize>, text: &mut String) {
    if let Some(Ok(json)) = log.map(serde_json::to_string) {
        let _ = write!(text, ",\"log\":{json}");
    }
}

fn refusals(list: &[Refusal], text: &mut String) {
    text.push('[');
    for (index, refusal) in list.iter().take(Refusal::MOST).enumerate() {
        if index > 0 {
            text.push(',');
        }
        match &refusal.kind {
            ItemKind::Record(id) => {
                text.push_str("{\"kind\":\"record\",\"id\":");
                string(id, text);
            }
            ItemKind::Row(table) => {
                text.push_str("{\"kind\":\"appRow\",\"appId\":");
                string(&table.app, text);
                text.push_str(",\"table\":");
                string(&table.name, text);
            }
        }
        if let Some(hlc) = &refusal.hlc {
            text.push_str(",\"timestamp\":");
            timestamp(hlc, text);
        }
        text.push_str(",\"code\":");
        string(&Text::from(refusal.code.as_str()), text);
        text.push_str(",\"reason\":");
        string(&Text::from(refusal.reason.as_str()), text);
        text.push('}');
    }
    text.push(']');
}

/// Watermarks, whatever their nodes are called.
pub fn write_watermarks(marks: &Watermarks) -> String {
    let mut text = String::new();
    watermarks(marks, &mut text);
    text
}

fn is_record(item: &Item<Json>) -> bool {
    matches!(item.kind, ItemKind::Record(_))
}

fn room_for(items: &[Item<Json>]) -> usize {
    const AROUND: usize = 1024;
    AROUND + items.iter().map(|item| item.body.len() + 1).sum::<usize>()
}

fn list<'a>(items: impl Iterator<Item = &'a Item<Json>>, text: &mut String) {
    text.push('[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&item.body);
    }
    text.push(']');
}

fn watermarks(marks: &Watermarks, text: &mut String) {
    text.push('{');
    for (index, (node, hlc)) in marks.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        string(node, text);
        text.push(':');
        timestamp(hlc, text);
    }
    text.push('}');
}

fn timestamp(hlc: &Hlc, text: &mut String) {
    let (wall_time, counter) = (hlc.wall_time, hlc.counter);
    let _ = write!(
        text,
        "{{\"wallTime\":{wall_time},\"counter\":{counter},\"nodeId\":"
    );
    string(&hlc.node_id, text);
    text.push('}');
}

/// A text or a timestamp that is written as it is, whatever it is, where it becomes the text of JSON: elsewhere a lone
/// surrogate is an error.
#[derive(Debug)]
pub struct Exact<'a, T>(pub &'a T);

impl Serialize for Exact<'_, Text> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        string(self.0, &mut text);
        raw(text, to)
    }
}

impl Serialize for Exact<'_, Hlc> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        timestamp(self.0, &mut text);
        raw(text, to)
    }
}

fn raw<S: Serializer>(json: String, to: S) -> Result<S::Ok, S::Error> {
    let json = RawValue::from_string(json).map_err(S::Error::custom)?;
    json.serialize(to)
}

/// A string of JSON. Lone surrogates are escaped, as `JSON.stringify` does.
fn string(value: &Text, text: &mut String) {
    text.push('"');
    for unit in char::decode_utf16(value.units().iter().copied()) {
        let _ = match unit {
            Ok(c @ ('"' | '\\')) => write!(text, "\\{c}"),
            Ok(c) if c < ' ' => write!(text, "\\u{:04x}", u32::from(c)),
            Ok(c) => {
                text.push(c);
                Ok(())
            }
            Err(lone) => write!(text, "\\u{:04x}", lone.unpaired_surrogate()),
        };
    }
    text.push('"');
}
