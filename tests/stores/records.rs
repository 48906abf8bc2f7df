//! What the store of records promises to the app that keeps its records in it.

use crate::support::{
    Home, NEW_TABLE, OLD_TABLE, at, get, item, item_of, record, text, value, with,
};
use serde_json::{Value, json};
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::store::query::Query;
use starkeep_sync_engine::store::sqlite::SqliteRecords;
use starkeep_sync_engine::store::{Operation, RecordStore, Taken};

fn query(json: &Value) -> Query {
    Query::from_json(&json.to_string()).unwrap()
}

async fn ids(records: &SqliteRecords, asked: &Value) -> Vec<String> {
    let found = records.query(query(asked)).await.unwrap().records;
    found
        .iter()
        .map(|json| value(json)["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_in_a_table_of_any_age() {
    let gone = json!([null]);
    let plain = record("r", &at(7, 3, "n"));
    let odd = [
        json!({}),
        json!({ "ownerId": "me" }),
        json!({ "ownerId": null, "label": null, "mimeType": null }),
        json!({ "label": "L", "parentId": "p", "originalFilename": null }),
        json!({ "label": gone, "parentId": gone, "mimeType": gone, "version": gone, "contentHash": gone }),
        json!({ "deletedAt": at(9, 70_000, "a:b") }),
        json!({ "future": { "deep": [1, 1.5, null, "x"], "__proto__": {} }, "": 1, "extra_json": 2, "nodeId": 3 }),
        json!({ "version": 1.5, "sizeBytes": 1e300 }),
        json!({ "version": 9_007_199_254_740_993_u64, "sizeBytes": "12" }),
        json!({ "contentHash": 5, "originAppId": { "a": 1 }, "originalFilename": "a\u{0}b\u{1F600}\"" }),
        json!({ "updatedAt": { "wallTime": 7, "counter": 3, "nodeId": "n", "more": true } }),
        json!({ "updatedAt": at(1 << 50, 0, "ü\"\\") }),
    ];
    for schema in ["", OLD_TABLE, NEW_TABLE] {
        let home = Home::of_an_app(schema);
        let mut expected = Vec::new();
        let records = home.records();
        for (number, changes) in odd.iter().enumerate() {
            let id = format!("r{number:02}");
            let changed = with(plain.clone(), changes.clone());
            let changed = with(changed, json!({ "id": id, "originalFilename": id }));
            let changed = if changes.get("originalFilename").is_some() {
                with(
                    changed,
                    json!({ "originalFilename": changes["originalFilename"] }),
                )
            } else {
                changed
            };
            records.put(text(&changed)).await.unwrap();
            assert_eq!(get(&records, &id).await.unwrap(), changed, "{schema}");
            expected.push(changed);
        }
        records.close().await.unwrap();
        let records = home.records();
        let all = records.query(Query::default()).await.unwrap().records;
        assert_eq!(
            all.iter().map(|json| value(json)).collect::<Vec<_>>(),
            expected
        );
    }
}

#[tokio::test]
async fn numbers_of_unknown_fields_keep_every_digit() {
    let home = Home::new();
    let records = home.records();
    let json = record("r", &at(1, 0, "n")).to_string();
    let json = json.replacen(
        '{',
        "{\"exact\":123456789012345678901234567890.10,\"s\":\"\\ud800\",",
        1,
    );
    records.put(json.into()).await.unwrap();
    let back = records.get("r").await.unwrap().unwrap();
    assert!(
        back.contains("\"exact\":123456789012345678901234567890.10"),
        "{back}"
    );
    assert!(back.contains("\"s\":\"\\ud800\""), "{back}");
}

#[tokio::test]
async fn what_an_app_writes_into_a_column_counts_more_than_what_was_kept_of_the_field() {
    let home = Home::of_an_app(OLD_TABLE);
    let records = home.records();
    records
        .put(text(&with(
            record("r", &at(1, 0, "n")),
            json!({ "mimeType": null }),
        )))
        .await
        .unwrap();
    records.close().await.unwrap();
    home.sql("UPDATE shared_records SET mime_type = 'text/plain', owner_id = 'me'");
    let read = get(&home.records(), "r").await.unwrap();
    assert_eq!(
        (&read["mimeType"], &read["ownerId"]),
        (&json!("text/plain"), &json!("me"))
    );
}

#[tokio::test]
async fn a_column_of_the_apps_own_is_a_field_and_survives_who_does_not_know_it() {
    let home = Home::of_an_app(&format!(
        "{NEW_TABLE} ALTER TABLE shared_records ADD COLUMN star_count INTEGER NOT NULL DEFAULT 4;
         ALTER TABLE shared_records ADD COLUMN note TEXT;"
    ));
    let records = home.records();
    let plain = record("r", &at(1, 0, "n"));
    records.put(text(&plain)).await.unwrap();
    assert_eq!(get(&records, "r").await.unwrap()["starCount"], json!(4));
    let starred = with(
        plain.clone(),
        json!({ "starCount": 5, "note": { "a": true } }),
    );
    records.put(text(&starred)).await.unwrap();
    assert_eq!(get(&records, "r").await.unwrap(), starred);
    records.put(text(&plain)).await.unwrap();
    assert_eq!(get(&records, "r").await.unwrap()["starCount"], json!(5));
    assert_eq!(
        ids(
            &records,
            &json!({ "filters": [{ "field": "starCount", "operator": ">", "value": 4 }] })
        )
        .await,
        ["r"]
    );
}

#[tokio::test]
async fn what_is_no_record_is_refused() {
    let home = Home::new();
    let records = home.records();
    let plain = record("r", &at(1, 0, "n"));
    for changes in [
        json!({ "id": [null] }),
        json!({ "id": "" }),
        json!({ "id": 5 }),
        json!({ "type": null }),
        json!({ "createdAt": "1" }),
        json!({ "updatedAt": { "wallTime": -1, "counter": 0, "nodeId": "n" } }),
        json!({ "updatedAt": [null] }),
        json!({ "deletedAt": 5 }),
        json!({ "objectStorageKey": 5 }),
    ] {
        let refused = records
            .put(text(&with(plain.clone(), changes.clone())))
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{changes}");
    }
    for json in ["", "[]", "null", "{", "{\"id\":\"\\ud800\"}"] {
        assert_eq!(
            records.put(json.into()).await.unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
    }
    assert_eq!(
        records.query(Query::default()).await.unwrap().records.len(),
        0
    );
}

#[tokio::test]
async fn deleting_stamps_the_row_and_leaves_it_there() {
    for schema in ["", OLD_TABLE] {
        let home = Home::of_an_app(schema);
        let records = home.records();
        let plain = record("r", &at(1, 0, "n"));
        records.put(text(&plain)).await.unwrap();
        records.delete("r", at(5, 0, "m")).await.unwrap();
        records.delete("missing", at(5, 0, "m")).await.unwrap();
        let stamp = json!({ "deletedAt": at(5, 0, "m"), "updatedAt": at(5, 0, "m") });
        assert_eq!(get(&records, "r").await.unwrap(), with(plain, stamp));
        assert_eq!(get(&records, "missing").await, None);
        let marks = records.node_watermarks().await.unwrap();
        assert_eq!(
            marks,
            [(at(5, 0, "m").node_id, at(5, 0, "m"))]
                .into_iter()
                .collect()
        );
    }
}

#[tokio::test]
async fn a_batch_is_stored_as_a_whole_or_not_at_all() {
    let home = Home::new();
    let records = home.records();
    let good = Operation::Put(text(&record("r", &at(1, 0, "n"))));
    let bad = Operation::Put("{}".into());
    assert!(records.batch(vec![good.clone(), bad]).await.is_err());
    assert_eq!(get(&records, "r").await, None);
    let delete = Operation::Delete {
        id: "r".to_owned(),
        hlc: at(2, 0, "n"),
    };
    records.batch(vec![good, delete]).await.unwrap();
    assert_eq!(
        get(&records, "r").await.unwrap()["deletedAt"],
        json!(at(2, 0, "n"))
    );
}

#[tokio::test]
async fn a_transaction_is_seen_by_itself_until_it_is_committed_and_undone_where_it_is_not() {
    let home = Home::new();
    let records = home.records();
    let json = text(&record("r", &at(1, 0, "n")));
    let transaction = records.transaction().await.unwrap();
    transaction.put(json.clone()).await.unwrap();
    assert!(transaction.get("r").await.unwrap().is_some());
    assert_eq!(
        transaction
            .query(Query::default())
            .await
            .unwrap()
            .records
            .len(),
        1
    );
    assert!(records.get("r").await.unwrap().is_none());
    transaction.rollback().await.unwrap();
    assert_eq!(
        transaction.put(json.clone()).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert!(records.get("r").await.unwrap().is_none());

    let dropped = records.transaction().await.unwrap();
    dropped.put(json.clone()).await.unwrap();
    drop(dropped);
    let last = records.transaction().await.unwrap();
    assert!(last.get("r").await.unwrap().is_none());
    last.put(json).await.unwrap();
    last.delete("r", at(3, 0, "n")).await.unwrap();
    last.commit().await.unwrap();
    assert_eq!(
        get(&records, "r").await.unwrap()["updatedAt"],
        json!(at(3, 0, "n"))
    );
}

#[tokio::test]
async fn metadata_is_kept_per_type_and_record() {
    let home = Home::new();
    let records = home.records();
    for (kind, id, row) in [
        ("exif", "a", "1"),
        ("exif", "b", "2"),
        ("ocr", "a", "3"),
        ("exif", "a", "4"),
    ] {
        records.put_metadata(kind, id, row.into()).await.unwrap();
    }
    let wanted = ["a", "b", "c"].map(str::to_owned).to_vec();
    let found = records.get_metadata_by_ids("exif", wanted).await.unwrap();
    assert_eq!((found.len(), &*found["a"], &*found["b"]), (2, "4", "2"));
    records.delete_metadata("exif", "a").await.unwrap();
    assert_eq!(records.get_metadata("exif", "a").await.unwrap(), None);
    assert_eq!(
        records.get_metadata("ocr", "a").await.unwrap().as_deref(),
        Some("3")
    );
}

#[tokio::test]
async fn a_record_that_a_unique_index_refuses_does_not_undo_the_others() {
    let home = Home::of_an_app(OLD_TABLE);
    let records = home.records();
    let same = json!({ "ownerId": "o", "originalFilename": "f", "contentHash": "h" });
    records
        .put(text(&with(record("mine", &at(1, 0, "n")), same.clone())))
        .await
        .unwrap();
    let page = || {
        vec![
            item("first", &at(2, 0, "a")),
            item_of(&with(record("twin", &at(3, 0, "a")), same.clone())),
            item("other node", &at(4, 0, "b")),
            item("after", &at(5, 0, "a")),
            item("mine", &at(0, 9, "c")),
        ]
    };
    let strict = records.take_in(page(), true).await.unwrap();
    assert!(
        matches!(&strict[..], [Taken::Applied, Taken::Failed(error), Taken::Applied, Taken::Behind, Taken::Stale]
            if error.kind() == ErrorKind::Constraint),
        "{strict:?}"
    );
    assert_eq!(
        ids(&records, &json!({})).await,
        ["first", "mine", "other node"]
    );
    let leaf = records.take_in(page(), false).await.unwrap();
    assert!(
        matches!(
            &leaf[..],
            [
                Taken::Stale,
                Taken::Failed(_),
                Taken::Stale,
                Taken::Applied,
                Taken::Stale
            ]
        ),
        "{leaf:?}"
    );
    let refused = records
        .put(text(&with(record("twin", &at(9, 0, "a")), same)))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Constraint);
}
