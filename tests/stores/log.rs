//! The change log of a file: it is true to the tables, whoever writes to them and however.

use std::fs;

use crate::support::{Home, NEW_TABLE, OLD_TABLE, at, record, text};
use rusqlite::Connection;
use serde_json::json;
use starkeep_sync_engine::engine::change_log::{After, Look, View};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::{Item, ItemKind, Table};
use starkeep_sync_engine::protocol::log::{Digest, History, Key, Stream, entry_hash};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::sqlite::{Options, SqliteAppRows, SqliteRecords};
use starkeep_sync_engine::store::{
    AppRowStore, Json, LogStore, Operation, RecordStore, Registration, TableSpec,
};

pub async fn all_after(store: &impl LogStore, after: u64) -> View<Json> {
    let look = Look {
        history: usize::MAX,
        after: After::Seq(after),
        limit: usize::MAX,
        ..Look::default()
    };
    store.look(look).await.unwrap()
}

pub fn ids(view: &View<Json>) -> Vec<String> {
    let ids = view.items.iter().map(|(_, keyed)| keyed.key.id.to_string());
    ids.collect()
}

/// What the table holds, hashed by the rule and not by the log.
fn digest_of_table(home: &Home) -> Digest {
    let connection = Connection::open(home.path()).unwrap();
    let mut rows = connection
        .prepare("SELECT id, updated_at FROM shared_records")
        .unwrap();
    let rows = rows.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    });
    let mut digest = Digest::default();
    for row in rows.unwrap() {
        let (id, time) = row.unwrap();
        let time = Hlc::parse(&time).map_or(time, |hlc| hlc.to_string());
        digest.add(entry_hash("", &id, &time));
    }
    digest
}

pub async fn assert_true(home: &Home, records: &SqliteRecords) -> View<Json> {
    let view = all_after(records, 0).await;
    let [(_, digest)] = &view.streams.iter().collect::<Vec<_>>()[..] else {
        panic!("one stream")
    };
    assert_eq!(*digest, digest_of_table(home));
    assert_eq!(digest.count, view.items.len() as u64, "one entry each");
    assert_eq!(records.verify().await.unwrap(), 0);
    view
}

#[tokio::test]
async fn every_way_to_write_is_noted_in_its_order() {
    for schema in ["", OLD_TABLE, NEW_TABLE] {
        let home = Home::of_an_app(schema);
        let records = home.records();
        records
            .put(text(&record("a", &at(9, 0, "n"))))
            .await
            .unwrap();
        records
            .put(text(&record("b", &at(5, 0, "n"))))
            .await
            .unwrap();
        records.delete("a", at(10, 0, "n")).await.unwrap();
        let batch = vec![
            Operation::Put(text(&record("c", &at(1, 0, "n")))),
            Operation::Delete {
                id: "b".to_owned(),
                hlc: at(11, 0, "n"),
            },
        ];
        records.batch(batch).await.unwrap();
        let transaction = records.transaction().await.unwrap();
        transaction
            .put(text(&record("d", &at(2, 0, "n"))))
            .await
            .unwrap();
        transaction.delete("c", at(12, 0, "n")).await.unwrap();
        transaction.commit().await.unwrap();
        let view = assert_true(&home, &records).await;
        assert_eq!(ids(&view), ["a", "b", "d", "c"]);
        assert!(view.items.is_sorted_by_key(|(seq, _)| *seq));
    }
}

#[tokio::test]
async fn what_was_rolled_back_is_not_noted() {
    let home = Home::new();
    let records = home.records();
    let transaction = records.transaction().await.unwrap();
    transaction
        .put(text(&record("a", &at(9, 0, "n"))))
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(
        ids(&assert_true(&home, &records).await),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_number_is_never_given_twice() {
    let home = Home::new();
    let records = home.records();
    for id in ["a", "b"] {
        records
            .put(text(&record(id, &at(1, 0, "n"))))
            .await
            .unwrap();
    }
    let head = all_after(&records, 0).await.head;
    let other = Connection::open(home.path()).unwrap();
    other
        .execute("DELETE FROM shared_records WHERE id = 'b'", [])
        .unwrap();
    records
        .put(text(&record("c", &at(1, 0, "n"))))
        .await
        .unwrap();
    assert_eq!(ids(&all_after(&records, head).await), ["c"]);
    assert_true(&home, &records).await;
}

fn history(view: &View<Json>) -> &History {
    &view.history
}

#[tokio::test]
async fn a_copy_of_a_file_has_in_common_with_it_what_was_numbered_when_they_parted() {
    let home = Home::new();
    let records = home.records();
    for id in ["a", "b"] {
        records
            .put(text(&record(id, &at(1, 0, "n"))))
            .await
            .unwrap();
        if id == "a" {
            all_after(&records, 0).await;
        }
    }
    RecordStore::close(&records).await.unwrap();
    let copied = Home::new();
    fs::copy(home.path(), copied.path()).unwrap();
    // What another program writes to the copy before it is opened is told apart as well.
    copied.sql("UPDATE shared_records SET updated_at = replace(updated_at, ':0000:', ':0001:') WHERE id = 'a'");
    let (original, copy) = (home.records(), copied.records());
    for (store, id) in [(&original, "c"), (&copy, "d"), (&copy, "e")] {
        store.put(text(&record(id, &at(2, 0, "n")))).await.unwrap();
    }
    let (original, copy) = (all_after(&original, 0).await, all_after(&copy, 0).await);
    assert_eq!(original.id, copy.id);
    assert_eq!(history(&original).common(&history(&copy).0), Some(1));
    assert_eq!(history(&copy).common(&history(&original).0), Some(1));
    assert_eq!((original.head, copy.head), (3, 5));
}

#[tokio::test]
async fn a_log_that_was_dropped_or_written_by_hand_is_made_anew_when_the_file_is_opened() {
    for damage in [
        "DROP TABLE starkeep_records_log",
        "DROP TRIGGER starkeep_records_log_1_insert",
        "DROP TABLE starkeep_records_log_streams",
        "UPDATE starkeep_records_log SET hash = 7; DROP TRIGGER starkeep_records_log_1_delete",
    ] {
        let home = Home::new();
        let records = home.records();
        for id in ["a", "b", "c"] {
            records
                .put(text(&record(id, &at(1, 0, "n"))))
                .await
                .unwrap();
        }
        RecordStore::close(&records).await.unwrap();
        home.sql(damage);
        let records = home.records();
        let mut found = ids(&assert_true(&home, &records).await);
        found.sort();
        assert_eq!(found, ["a", "b", "c"], "{damage}");
    }
}

#[tokio::test]
async fn a_log_that_is_dropped_while_the_file_is_open_is_made_anew_by_the_next_write() {
    for damage in [
        "DROP TABLE starkeep_records_log",
        "DROP TABLE starkeep_records_log_noted",
        "DROP TRIGGER starkeep_records_log_1_insert",
    ] {
        let home = Home::new();
        let records = home.records();
        let put = |id: &str| records.put(text(&record(id, &at(1, 0, "n"))));
        put("a").await.unwrap();
        home.sql(damage);
        put("b").await.unwrap();
        home.sql(damage);
        let open = records.transaction().await.unwrap();
        open.put(text(&record("c", &at(1, 0, "n")))).await.unwrap();
        open.commit().await.unwrap();
        let mut found = ids(&assert_true(&home, &records).await);
        found.sort();
        assert_eq!(found, ["a", "b", "c"], "{damage}");
    }
}

#[tokio::test]
async fn a_table_that_an_app_builds_anew_while_the_file_is_open_keeps_its_log() {
    let home = Home::of_an_app(OLD_TABLE);
    let records = home.records();
    records
        .put(text(&record("a", &at(1, 0, "n"))))
        .await
        .unwrap();
    assert_true(&home, &records).await;
    home.sql(
        "BEGIN; CREATE TABLE anew AS SELECT * FROM shared_records; DROP TABLE shared_records;
         CREATE TABLE shared_records (
           id TEXT PRIMARY KEY, type TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
           owner_id TEXT NOT NULL, deleted_at TEXT, version INTEGER NOT NULL DEFAULT 1,
           content_hash TEXT NOT NULL, object_storage_key TEXT NOT NULL, mime_type TEXT NOT NULL,
           size_bytes INTEGER NOT NULL, original_filename TEXT, origin_app_id TEXT NOT NULL, parent_id TEXT,
           extra_json TEXT);
         INSERT INTO shared_records SELECT * FROM anew; DROP TABLE anew; COMMIT",
    );
    assert_eq!(ids(&assert_true(&home, &records).await), ["a"]);
    records
        .put(text(&record("b", &at(2, 0, "n"))))
        .await
        .unwrap();
    let mut found = ids(&assert_true(&home, &records).await);
    found.sort();
    assert_eq!(found, ["a", "b"]);
}

fn row(table: &Table, key: &serde_json::Value, wall: u64) -> Item<Json> {
    let hlc = at(wall, 0, "n");
    let body = json!({
        "timestamp": hlc, "appId": table.app.to_string(), "table": table.name.to_string(), "op": "insert", "row": key,
    });
    Item {
        hlc,
        kind: ItemKind::Row(table.clone()),
        blob: None,
        body: text(&body),
        fault: None,
    }
}

#[tokio::test]
async fn a_row_is_found_by_its_key_whatever_the_key_is() {
    let home = Home::new();
    let rows = SqliteAppRows::open(&home.path(), Options::default()).unwrap();
    let spec = |name: &str, keys: &[&str]| TableSpec {
        name: name.to_owned(),
        pk_columns: keys.iter().map(|key| (*key).to_owned()).collect(),
        columns: vec!["note".to_owned()],
    };
    let registration = Registration {
        tables: vec![spec("one", &["id"]), spec("two", &["a", "b"])],
        files_enabled: false,
    };
    rows.register("app", registration).await.unwrap();
    let table = |name: &str| Table {
        app: Text::from("app"),
        name: Text::from(name),
    };
    let (one, two) = (table("one"), table("two"));
    let mut wall = 0;
    let mut written = Vec::new();
    for key in [
        json!("x"),
        json!(7),
        json!("a,b"),
        json!("50%"),
        json!(1.5),
        json!("ü🪐"),
        json!(""),
    ] {
        wall += 1;
        written.push(row(&one, &json!({ "id": key }), wall));
        wall += 1;
        written.push(row(&two, &json!({ "a": key, "b": "%2C,x" }), wall));
    }
    for item in &written {
        rows.apply(item.clone()).await.unwrap();
    }
    let view = all_after(&rows, 0).await;
    assert_eq!(view.items.len(), written.len());
    let keys: Vec<Key> = view
        .items
        .iter()
        .map(|(_, keyed)| keyed.key.clone())
        .collect();
    let look = Look {
        want: keys.clone(),
        ..Look::default()
    };
    let wanted = rows.look(look).await.unwrap().wanted;
    assert_eq!(wanted.len(), keys.len());
    for (item, keyed) in written.iter().zip(&wanted) {
        assert_eq!(
            (&item.hlc, Stream::of(&item.kind)),
            (&keyed.item.hlc, keyed.key.stream.clone())
        );
    }
    assert_eq!(rows.verify().await.unwrap(), 0);
}

#[tokio::test]
async fn rows_without_a_key_have_no_log() {
    let home = Home::new();
    let rows = SqliteAppRows::open(&home.path(), Options::default()).unwrap();
    assert!(rows.has_log());
    let registration = Registration {
        tables: vec![TableSpec {
            name: "heap".to_owned(),
            ..TableSpec::default()
        }],
        files_enabled: false,
    };
    rows.register("app", registration).await.unwrap();
    assert!(!rows.has_log());
}
