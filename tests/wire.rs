//! Messages as text: what goes in comes out, and nothing malformed comes in.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;

use proptest::prelude::*;
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::{Item, ItemKind};
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::protocol::watermarks::Watermarks;
use starkeep_sync_engine::protocol::wire::{
    Exact, Json, MAX_DEPTH, MAX_NODE_ID, read_answer, read_request, write_answer, write_request,
};

const STAMP: &str = r#"{"wallTime":5,"counter":1,"nodeId":"n"}"#;

fn request_of(record: &str) -> String {
    format!(r#"{{"watermarks":{{}},"records":[{record}]}}"#)
}

fn record_with(fields: &str) -> String {
    format!(r#"{{"id":"r","updatedAt":{STAMP}{fields}}}"#)
}

fn only_item(text: &str) -> Item<Json> {
    let request = read_request(text.as_bytes()).unwrap();
    assert_eq!(request.items.len(), 1);
    request.items.into_iter().next().unwrap()
}

fn refused(text: &str) -> String {
    let error = read_request(text.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sync);
    error.to_string()
}

#[test]
fn a_text_that_utf_8_cannot_express_is_written_exactly() {
    let id = Text::from_units(&[0xd800, u16::from(b'"')]);
    let said = serde_json::to_string(&[Exact(&id)]).unwrap();
    assert_eq!(said, r#"["\ud800\""]"#);
    let read: Vec<Text> = serde_json::from_str(&said).unwrap();
    assert_eq!(read.first(), Some(&id));
    let hlc = Hlc::new(5, 1, id);
    let said = serde_json::to_string(&Exact(&hlc)).unwrap();
    assert_eq!(serde_json::from_str::<Hlc>(&said).unwrap(), hlc);
}

#[test]
fn a_record_keeps_fields_that_nobody_knows() {
    let record = record_with(
        r#","tags":[1,{"a":null}],"__proto__":{"x":1},"objectStorageKey":"k","mimeType":"image/png""#,
    );
    let item = only_item(&request_of(&record));
    assert_eq!(&*item.body, record);
    assert_eq!(item.hlc, Hlc::new(5, 1, Text::from("n")));
    assert_eq!(item.kind, ItemKind::Record(Text::from("r")));
    let blob = item.blob.unwrap();
    assert_eq!(
        (blob.key, blob.mime_type),
        (Text::from("k"), Some(Text::from("image/png")))
    );
}

#[test]
fn a_deleted_record_has_no_object() {
    let deleted = record_with(&format!(r#","deletedAt":{STAMP},"objectStorageKey":"k""#));
    assert!(only_item(&request_of(&deleted)).blob.is_none());
    let alive = record_with(r#","deletedAt":null,"objectStorageKey":"k""#);
    assert!(only_item(&request_of(&alive)).blob.is_some());
}

#[test]
fn of_two_fields_of_one_name_the_last_counts() {
    let item = only_item(&request_of(&record_with(r#","id":"other""#)));
    assert_eq!(item.kind, ItemKind::Record(Text::from("other")));
}

#[test]
fn integers_may_be_written_as_floats() {
    let text = r#"{"watermarks":{"n":{"wallTime":1.0,"counter":2e3,"nodeId":"n"}},"limit":7.0}"#;
    let request = read_request(text.as_bytes()).unwrap();
    assert_eq!(
        request.watermarks.get(&Text::from("n")),
        Some(&Hlc::new(1, 2000, Text::from("n")))
    );
    assert_eq!(request.limit, 7);
}

#[test]
fn every_node_id_is_a_node_id() {
    for name in ["__proto__", "constructor", "", "a:b", "\\ud800"] {
        let stamp = format!(r#"{{"wallTime":1,"counter":0,"nodeId":"{name}"}}"#);
        let text = format!(r#"{{"watermarks":{{"{name}":{stamp}}}}}"#);
        let request = read_request(text.as_bytes()).unwrap();
        assert_eq!(request.watermarks.len(), 1, "{name}");
        assert_eq!(
            read_request(write_request(&request).as_bytes())
                .unwrap()
                .watermarks,
            request.watermarks
        );
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let at = |fields: &str| format!(r#"{{"id":"r","updatedAt":{fields}}}"#);
    for stamp in [
        r#"{"wallTime":-1,"counter":0,"nodeId":"n"}"#,
        r#"{"wallTime":1.5,"counter":0,"nodeId":"n"}"#,
        r#"{"wallTime":9007199254740992,"counter":0,"nodeId":"n"}"#,
        r#"{"wallTime":1e300,"counter":0,"nodeId":"n"}"#,
        r#"{"wallTime":1,"counter":"0","nodeId":"n"}"#,
        r#"{"wallTime":1,"counter":0}"#,
        r#"{"wallTime":1,"counter":0,"nodeId":7}"#,
        r#""5:1:n""#,
        "null",
    ] {
        let error = refused(&request_of(&at(stamp)));
        assert!(
            error.contains("records[0]: a record's updatedAt must be a timestamp"),
            "{stamp}: {error}"
        );
    }
    assert!(
        refused(r#"{"watermarks":{},"records":[7]}"#)
            .contains("records[0]: a record must be an object")
    );
    assert!(refused(r#"{"watermarks":{},"limit":0}"#).contains("limit"));
    assert!(refused(r#"{"watermarks":{},"limit":-1}"#).contains("limit"));
    assert!(refused(r#"{"records":[]}"#).contains("watermarks"));
    assert!(refused("[]").contains("object"));
    for broken in [
        "",
        "{",
        "<html>",
        "{\"watermarks\":{}}}",
        "{\"watermarks\":[]}",
        "\u{0}",
        "null",
    ] {
        refused(broken);
    }
    let answer = read_answer(b"{}").unwrap_err();
    assert!(answer.to_string().contains("records"), "{answer}");
}

#[test]
fn an_operation_that_nobody_knows_is_refused() {
    let row = format!(r#"{{"timestamp":{STAMP},"appId":"a","table":"t","op":"merge","row":{{}}}}"#);
    let text = format!(r#"{{"watermarks":{{}},"appSyncableRows":[{row}]}}"#);
    assert!(refused(&text).contains("appSyncableRows[0]"));
}

#[test]
fn what_nests_too_deep_is_refused_without_recursion() {
    let deep = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        request_of(&record_with(&format!(r#","x":{open}{close}"#)))
    };
    let around = 3;
    assert!(read_request(deep(MAX_DEPTH - around).as_bytes()).is_ok());
    assert!(refused(&deep(MAX_DEPTH - around + 1)).contains("deeper"));
    refused(&deep(1_000_000));
    let in_a_string = request_of(&record_with(&format!(
        r#","x":"\"{}""#,
        "[".repeat(MAX_DEPTH)
    )));
    assert!(read_request(in_a_string.as_bytes()).is_ok());
}

#[test]
fn a_node_id_of_any_length_is_not_kept_for_ever() {
    let stamp = |length: usize| {
        let node = "n".repeat(length);
        format!(r#"{{"watermarks":{{"{node}":{{"wallTime":1,"counter":0,"nodeId":"{node}"}}}}}}"#)
    };
    assert!(read_request(stamp(MAX_NODE_ID).as_bytes()).is_ok());
    assert!(refused(&stamp(MAX_NODE_ID + 1)).contains("too long"));
}

fn texts() -> impl Strategy<Value = Text> {
    prop::collection::vec(
        prop_oneof![
            any::<u16>(),
            32..127u16,
            Just(0xD800),
            Just(u16::from(b'"'))
        ],
        0..6,
    )
    .prop_map(|units| Text::from_units(&units))
}

fn stamps() -> impl Strategy<Value = Hlc> {
    (0..1u64 << 53, 0..1u64 << 53, texts())
        .prop_map(|(wall, counter, node)| Hlc::new(wall, counter, node))
}

fn marks() -> impl Strategy<Value = Watermarks> {
    prop::collection::vec((texts(), stamps()), 0..4)
        .prop_map(|entries| entries.into_iter().collect())
}

fn escaped(text: &Text) -> String {
    text.units().iter().fold(String::new(), |mut json, unit| {
        let _ = write!(json, "\\u{unit:04x}");
        json
    })
}

fn items() -> impl Strategy<Value = Vec<Item<Json>>> {
    let item = (texts(), stamps(), any::<bool>()).prop_map(|(id, hlc, is_row)| {
        let (id, node) = (escaped(&id), escaped(&hlc.node_id));
        let stamp = format!(r#"{{"wallTime":{},"counter":{},"nodeId":"{node}"}}"#, hlc.wall_time, hlc.counter);
        let text = if is_row {
            let row = format!(r#"{{"timestamp":{stamp},"appId":"{id}","table":"t","op":"insert","row":{{"k":1}}}}"#);
            format!(r#"{{"watermarks":{{}},"appSyncableRows":[{row}]}}"#)
        } else {
            request_of(&format!(r#"{{"id":"{id}","updatedAt":{stamp}}}"#))
        };
        only_item(&text)
    });
    prop::collection::vec(item, 0..5)
}

fn same(a: &[Item<Json>], b: &[Item<Json>]) -> bool {
    let key = |item: &Item<Json>| (item.kind.clone(), item.hlc.clone(), item.body.clone());
    let records_first = |items: &[Item<Json>]| {
        let (mut first, rows): (Vec<_>, Vec<_>) = items
            .iter()
            .map(key)
            .partition(|(kind, ..)| matches!(kind, ItemKind::Record(_)));
        first.extend(rows);
        first
    };
    records_first(a) == records_first(b)
}

proptest! {
    #[test]
    fn a_request_comes_out_as_it_went_in(watermarks in marks(), shipped_after in marks(), items in items(), limit in 1..5000usize) {
        let request = Request { watermarks, shipped_after, items, limit, ..Request::default() };
        let again = read_request(write_request(&request).as_bytes()).unwrap();
        prop_assert_eq!(&again.watermarks, &request.watermarks);
        prop_assert_eq!(&again.shipped_after, &request.shipped_after);
        prop_assert_eq!(again.limit, request.limit);
        prop_assert!(same(&again.items, &request.items));
    }

    #[test]
    fn an_answer_comes_out_as_it_went_in(
        coverage in prop::option::of(marks()), items in items(), has_more: bool,
    ) {
        let answer = Answer { items, has_more, coverage, ..Answer::default() };
        let again = read_answer(write_answer(&answer).as_bytes()).unwrap();
        prop_assert_eq!(&again.coverage, &answer.coverage);
        prop_assert_eq!(again.has_more, answer.has_more);
        prop_assert!(same(&again.items, &answer.items));
    }

    #[test]
    fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = read_request(&bytes) {
            prop_assert_eq!(error.kind(), ErrorKind::Sync);
        }
        if let Err(error) = read_answer(&bytes) {
            prop_assert_eq!(error.kind(), ErrorKind::Sync);
        }
    }
}
