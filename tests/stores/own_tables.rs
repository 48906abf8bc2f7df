//! Tables of an app that have more to them than columns: what they compute, refuse or ignore, and columns with
//! names that are fields already.

use crate::support::rows::{entry, insert, of_an_app, open, pages, shipped};
use crate::support::{Home, NEW_TABLE, at, get, item, item_of, record, text, with};
use rusqlite::Connection;
use serde_json::{Value, json};
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::store::{AppRowStore, RecordStore, Taken};

fn column<T: rusqlite::types::FromSql>(home: &Home, sql: &str) -> T {
    Connection::open(home.path())
        .unwrap()
        .query_row(sql, [], |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn a_column_of_the_kind_is_written_and_the_record_is_a_record() {
    for declared in ["kind TEXT", "kind TEXT NOT NULL"] {
        let table = NEW_TABLE.replacen("(\n", &format!("({declared},\n"), 1);
        let home = Home::of_an_app(&table);
        let records = home.records();
        let written = record("a", &at(1, 0, "n"));
        records.put(text(&written)).await.unwrap();
        let without = with(record("b", &at(2, 0, "n")), json!({ "kind": [null] }));
        records.put(text(&without)).await.unwrap();
        assert_eq!(get(&records, "a").await.unwrap(), written);
        assert_eq!(get(&records, "b").await.unwrap()["kind"], json!("data"));
        records.close().await.unwrap();
        let count =
            "SELECT count(*) FROM shared_records WHERE kind = 'data' AND extra_json IS NULL";
        assert_eq!(column::<i64>(&home, count), 2, "{declared}");
    }
}

#[tokio::test]
async fn a_column_that_has_the_name_of_a_field_is_its_place() {
    let table = NEW_TABLE
        .replacen("mime_type TEXT,", "mimeType TEXT NOT NULL,", 1)
        .replacen("size_bytes", "\"sizeBytes\"", 1);
    let home = Home::of_an_app(&table);
    let records = home.records();
    let written = record("a", &at(1, 0, "n"));
    records
        .take_in(vec![item_of(&written)], false)
        .await
        .unwrap();
    assert_eq!(get(&records, "a").await.unwrap(), written);
    records.close().await.unwrap();
    let stored = "SELECT mimeType || ' ' || sizeBytes FROM shared_records";
    assert_eq!(column::<String>(&home, stored), "image/jpeg 5");
}

#[tokio::test]
async fn what_a_table_computes_is_neither_sent_nor_written() {
    for how in ["VIRTUAL", "STORED"] {
        let more = format!("(half AS (size_bytes / 2.0) {how},\n");
        let home = Home::of_an_app(&NEW_TABLE.replacen("(\n", &more, 1));
        let records = home.records();
        let written = record("a", &at(1, 0, "n"));
        let sent = with(written.clone(), json!({ "half": 77 }));
        let taken = records.take_in(vec![item_of(&sent)], false).await.unwrap();
        assert!(matches!(taken[..], [Taken::Applied]), "{taken:?}");
        assert_eq!(get(&records, "a").await.unwrap(), written);
        records.close().await.unwrap();
        assert!((column::<f64>(&home, "SELECT half FROM shared_records") - 2.5).abs() < 1e-9);

        let home = of_an_app(&format!(
            "CREATE TABLE my_app_syncable_pages (id TEXT PRIMARY KEY, n INTEGER, rowid AS (n) {how},
               g AS (n + 1) {how}, updated_at TEXT NOT NULL, deleted_at TEXT);"
        ));
        let rows = open(&home);
        let row = json!({ "id": "a", "n": 5, "g": 77 });
        rows.apply(insert(&pages(), &at(1, 0, "n"), row))
            .await
            .unwrap();
        let filter = json!({ "g": 6 });
        let update = entry(
            &pages(),
            "update",
            &at(2, 0, "n"),
            json!({ "n": 7 }),
            filter,
        );
        rows.apply(update).await.unwrap();
        let [sent] = &shipped(&rows, &pages()).await[..] else {
            panic!("one row");
        };
        assert_eq!(sent["row"]["n"], json!(7));
        assert_eq!(sent["row"].get("g"), None, "{sent}");
        rows.close().await.unwrap();
        assert_eq!(
            column::<i64>(&home, "SELECT g FROM my_app_syncable_pages"),
            8
        );
    }
}

#[tokio::test]
async fn what_a_trigger_ignores_is_refused_by_name_and_what_is_older_is_not() {
    let home = Home::of_an_app(&format!(
        "{NEW_TABLE}
         CREATE TRIGGER new BEFORE INSERT ON shared_records WHEN NEW.id = 'new'
           BEGIN SELECT RAISE(IGNORE); END;
         CREATE TRIGGER fixed BEFORE UPDATE ON shared_records WHEN OLD.id = 'fixed'
           BEGIN SELECT RAISE(IGNORE); END;"
    ));
    let records = home.records();
    let page = vec![
        item("fixed", &at(1, 0, "n")),
        item("new", &at(2, 0, "n")),
        item("good", &at(3, 0, "n")),
        item("fixed", &at(4, 0, "n")),
        item("good", &at(3, 0, "n")),
    ];
    let taken = records.take_in(page, false).await.unwrap();
    for (at, id) in [(1, "new"), (3, "fixed")] {
        let Taken::Failed(error) = &taken[at] else {
            panic!("{taken:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Constraint);
        let message = error.message();
        assert!(
            message.contains(&format!("the record {id:?}")) && message.contains("trigger"),
            "{message}"
        );
    }
    assert!(
        matches!(
            taken[..],
            [Taken::Applied, _, Taken::Applied, _, Taken::Stale]
        ),
        "{taken:?}"
    );
    let put = records.put(text(&record("new", &at(9, 0, "n")))).await;
    assert_eq!(put.unwrap_err().kind(), ErrorKind::Constraint);
    let delete = records.delete("fixed", at(9, 0, "n")).await;
    assert_eq!(delete.unwrap_err().kind(), ErrorKind::Constraint);
    records.delete("nowhere", at(9, 0, "n")).await.unwrap();
}

const PAGES: &str = "CREATE TABLE my_app_syncable_pages (id TEXT PRIMARY KEY, title TEXT UNIQUE,
    updated_at TEXT NOT NULL, deleted_at TEXT, node_id TEXT NOT NULL);";

#[tokio::test]
async fn a_row_that_a_trigger_ignores_is_refused_by_name_and_one_that_is_not_there_is_not() {
    let home = of_an_app(&format!(
        "{PAGES}
         CREATE TRIGGER new BEFORE INSERT ON my_app_syncable_pages WHEN NEW.id = 'new'
           BEGIN SELECT RAISE(IGNORE); END;
         CREATE TRIGGER fixed BEFORE UPDATE ON my_app_syncable_pages WHEN OLD.id = 'fixed'
           BEGIN SELECT RAISE(IGNORE); END;"
    ));
    let rows = open(&home);
    let one = |op: &str, time, id: &str, filter: Value| {
        let row = if op == "insert" {
            json!({ "id": id })
        } else {
            json!({ "title": "t" })
        };
        entry(&pages(), op, &at(time, 0, "n"), row, filter)
    };
    rows.apply(one("insert", 1, "fixed", Value::Null))
        .await
        .unwrap();
    for refused in [
        one("insert", 2, "new", Value::Null),
        one("insert", 3, "fixed", Value::Null),
        one("update", 3, "", json!({ "id": "fixed" })),
        one("delete", 3, "", json!({ "id": "fixed" })),
    ] {
        let error = rows.apply(refused).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Constraint);
        let message = error.message();
        assert!(
            message.contains("the row of My-App/pages with id = ") && message.contains("trigger"),
            "{message}"
        );
    }
    for nothing in [
        one("insert", 1, "fixed", Value::Null),
        one("update", 5, "", json!({ "id": "nowhere" })),
        one("delete", 5, "", json!({ "id": "nowhere" })),
        one("update", 0, "", json!({ "id": "fixed" })),
    ] {
        rows.apply(nothing).await.unwrap();
    }
    assert_eq!(shipped(&rows, &pages()).await.len(), 1);
}

#[tokio::test]
async fn a_refusal_names_what_was_refused_and_the_constraint() {
    let home = Home::of_an_app(&format!(
        "{NEW_TABLE} CREATE UNIQUE INDEX one_name ON shared_records (original_filename);"
    ));
    let records = home.records();
    records
        .put(text(&record("first", &at(1, 0, "n"))))
        .await
        .unwrap();
    let twin = with(
        record("second", &at(2, 0, "n")),
        json!({ "originalFilename": "first.jpg" }),
    );
    let error = records.put(text(&twin)).await.unwrap_err();
    let named = |message: &str, parts: [&str; 2]| parts.iter().all(|part| message.contains(part));
    let parts = [
        "the record \"second\"",
        "UNIQUE constraint failed: shared_records.original_filename",
    ];
    assert!(named(error.message(), parts), "{error}");

    let home = of_an_app(PAGES);
    let rows = open(&home);
    for (time, id, fails) in [(1, "a", false), (2, "b", true)] {
        let row = json!({ "id": id, "title": "same" });
        let applied = rows.apply(insert(&pages(), &at(time, 0, "n"), row)).await;
        if fails {
            let error = applied.unwrap_err();
            let parts = [
                "the row of My-App/pages with id = \"b\"",
                "UNIQUE constraint failed: my_app_syncable_pages.title",
            ];
            assert!(named(error.message(), parts), "{error}");
        } else {
            applied.unwrap();
        }
    }
}

#[tokio::test]
async fn an_insert_brings_a_row_to_life_unless_it_says_otherwise() {
    let never = PAGES.replace("deleted_at TEXT", "deleted_at TEXT DEFAULT 'born dead'");
    for schema in [PAGES, &never] {
        let home = of_an_app(schema);
        let rows = open(&home);
        let ops = async || {
            let sent = shipped(&rows, &pages()).await;
            let [sent] = &sent[..] else {
                panic!("one row: {sent:?}");
            };
            let (op, row) = (sent["op"].clone(), &sent["row"]);
            (op, row["title"].clone(), row["deleted_at"].is_null())
        };
        let write = async |time, op, row| {
            let filter = json!({ "id": "a" });
            let one = entry(&pages(), op, &at(time, 0, "n"), row, filter);
            rows.apply(one).await.unwrap();
        };
        write(1, "insert", json!({ "id": "a", "title": "t" })).await;
        assert_eq!(ops().await, (json!("insert"), json!("t"), true));
        write(2, "delete", Value::Null).await;
        assert_eq!(ops().await, (json!("delete"), json!("t"), false));
        write(3, "update", json!({ "title": "u" })).await;
        assert_eq!(ops().await, (json!("delete"), json!("u"), false));
        write(4, "insert", json!({ "id": "a" })).await;
        assert_eq!(ops().await, (json!("insert"), json!("u"), true));
        let dead = json!({ "id": "a", "deleted_at": at(5, 0, "n").to_string() });
        write(5, "insert", dead).await;
        assert_eq!(ops().await, (json!("delete"), json!("u"), false));
    }
}
