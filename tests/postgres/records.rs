//! Shared records.

use serde_json::json;
use starkeep_sync_engine::store::RecordStore;

use crate::support::postgres::{options, records, shared};
use crate::support::{at, record, value, with};

#[tokio::test]
async fn a_record_comes_back_as_it_was_put() {
    let Some(server) = shared() else { return };
    let records = records(&options(server));
    let first = with(
        record("a", &at(7, 3, "n")),
        json!({ "note": [1, { "x": null }] }),
    );
    records.put(first.to_string().into()).await.unwrap();
    let found = records.get("a").await.unwrap().unwrap();
    assert_eq!(value(&found), first);
    assert_eq!(records.get("b").await.unwrap(), None);
    records.close().await.unwrap();
}
