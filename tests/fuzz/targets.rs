//! What must hold whatever bytes come in. A target panics where it does not.
//!
//! The same functions run here, over the kept inputs and a bounded number of mutations, and in `fuzz/`
//! under libFuzzer.

use std::cell::OnceCell;
use std::fs;

use serde_json::Value;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::protocol::wire::{
    Json, read_answer, read_request, write_answer, write_request,
};
use starkeep_sync_engine::store::RecordStore;
use starkeep_sync_engine::store::fs::{FsObjects, PutOptions};
use starkeep_sync_engine::store::query::Query;
use starkeep_sync_engine::store::sqlite::{Options, SqliteRecords};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Something that bytes are thrown at.
pub type Target = fn(&[u8]);

/// Every target with the folder of its inputs, and how many mutations are little work.
#[allow(dead_code, reason = "a fuzzer runs one of them")]
pub const TARGETS: [(&str, Target, usize); 6] = [
    ("hlc", hlc, 20_000),
    ("key", key, 400),
    ("record", record, 1_000),
    ("query", query, 5_000),
    ("request", request, 20_000),
    ("answer", answer, 20_000),
];

/// A text timestamp that is read is written as one that reads the same, and its length is no surprise.
pub fn hlc(data: &[u8]) {
    let units: Vec<u16> = match std::str::from_utf8(data) {
        Ok(text) => text.encode_utf16().collect(),
        Err(_) => data
            .chunks(2)
            .map(|pair| u16::from(pair[0]) << 8 | u16::from(*pair.last().unwrap()))
            .collect(),
    };
    let Ok(hlc) = Hlc::parse_text(&Text::from_units(&units)) else {
        return;
    };
    let written = hlc.to_text();
    assert_eq!(Hlc::parse_text(&written).unwrap(), hlc);
    assert_eq!(Hlc::parse_text(&written).unwrap().to_text(), written);
    assert!(hlc.to_text().units().ends_with(hlc.node_id.units()));
}

thread_local! {
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    static FOLDER: OnceCell<(TempDir, FsObjects)> = const { OnceCell::new() };
    static RECORDS: OnceCell<(TempDir, SqliteRecords)> = const { OnceCell::new() };
}

/// No key leads out of the folder, and what is put under one comes back under it.
pub fn key(data: &[u8]) {
    let Ok(key) = std::str::from_utf8(data) else {
        return;
    };
    let open = || {
        let folder = TempDir::new().unwrap();
        let objects = FsObjects::open(&folder.path().join("root")).unwrap();
        (folder, objects)
    };
    FOLDER.with(|cell| {
        let (folder, objects) = cell.get_or_init(open);
        RUNTIME.with(|runtime| {
            runtime.block_on(async {
                let put = objects.put(key, data.to_vec(), PutOptions::default()).await;
                if put.is_ok() {
                    assert_eq!(objects.get(key).await.unwrap().unwrap().data, data);
                    assert!(objects.has(key).await.unwrap());
                    let listed = objects.list(key, None, None).await.unwrap();
                    assert!(listed.keys.iter().any(|listed| listed == key));
                    objects.delete(key).await.unwrap();
                }
                assert!(!objects.has(key).await.unwrap_or(false));
            });
        });
        let beside: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(beside.len(), 1, "{key:?} led out of the folder");
    });
}

/// A record that is taken comes back as it was.
pub fn record(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let open = || {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("records.db");
        (
            folder,
            SqliteRecords::open(&path, Options::default()).unwrap(),
        )
    };
    RECORDS.with(|cell| {
        let (_, records) = cell.get_or_init(open);
        RUNTIME.with(|runtime| {
            runtime.block_on(async {
                if records.put(text.into()).await.is_err() {
                    return;
                }
                // A number that no `f64` holds is carried as it is; this test's own reader refuses it.
                let Ok(mut given) = serde_json::from_str::<Value>(text) else {
                    return;
                };
                given["kind"] = "data".into();
                let id = given["id"].as_str().unwrap();
                let got = records.get(id).await.unwrap().unwrap();
                assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), given);
            });
        });
    });
}

/// A question of any form is answered or refused.
pub fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(query) = Query::from_json(text) else {
        return;
    };
    let open = || {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("records.db");
        (
            folder,
            SqliteRecords::open(&path, Options::default()).unwrap(),
        )
    };
    RECORDS.with(|cell| {
        let (_, records) = cell.get_or_init(open);
        // An unknown field is an error; a fault inside would be a panic.
        let _ = RUNTIME.with(|runtime| runtime.block_on(records.query(query)));
    });
}

fn same_items(before: &[Item<Json>], after: &[Item<Json>]) {
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(after) {
        assert_eq!(
            (&before.hlc, &before.kind, &before.blob, &before.body),
            (&after.hlc, &after.kind, &after.blob, &after.body)
        );
    }
}

/// A request that is read is written as one that reads the same.
pub fn request(data: &[u8]) {
    let Ok(request) = read_request(data) else {
        return;
    };
    let again = read_request(write_request(&request).as_bytes()).unwrap();
    assert_eq!(again.watermarks, request.watermarks);
    assert_eq!(again.shipped_after, request.shipped_after);
    assert!(again.limit == request.limit || request.limit == usize::MAX);
    same_items(&request.items, &again.items);
}

/// An answer that is read is written as one that reads the same.
pub fn answer(data: &[u8]) {
    let Ok(answer) = read_answer(data) else {
        return;
    };
    let again = read_answer(write_answer(&answer).as_bytes()).unwrap();
    assert_eq!(again.coverage, answer.coverage);
    assert_eq!(again.has_more, answer.has_more);
    same_items(&answer.items, &again.items);
}
