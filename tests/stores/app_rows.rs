//! The rows of apps: their tables as apps have them and as this crate makes them.

use crate::support::rows::{
    SCHEMAS, entry, insert, kinds, of_an_app, open, pages, shipped, spec, table, tables,
};
use crate::support::{Home, at};
use serde_json::{Value, json};
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::delta::Ask;
use starkeep_sync_engine::protocol::item::{Blob, FILE_RECORDS_TABLE};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::{AppRowStore, Registration};

#[tokio::test]
async fn a_row_of_an_app_goes_out_as_the_app_wrote_it() {
    let columns = [
        "id, title, updated_at",
        "id, title, node_id, updated_at",
        "id, title, updated_at",
    ];
    let nodes = ["", "'n', ", ""];
    for ((schema, columns), node) in SCHEMAS.iter().zip(columns).zip(nodes) {
        let home = of_an_app(schema);
        home.sql(&format!(
            "INSERT INTO my_app_syncable_pages ({columns}) VALUES ('a', 'one', {node}'000000000002:0000:n');
             INSERT INTO my_app_syncable_pages ({columns}) VALUES ('b', 'odd', {node}'3:1:n');
             INSERT INTO my_app_syncable_pages ({columns}) VALUES ('c', 'none', {node}'yesterday');"
        ));
        let rows = open(&home);
        let entries = shipped(&rows, &pages()).await;
        let ids: Vec<_> = entries
            .iter()
            .map(|entry| entry["row"]["id"].clone())
            .collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(entries[0]["timestamp"], json!(at(2, 0, "n")));
        assert_eq!(entries[0]["row"]["title"], json!("one"));
        assert_eq!(entries[0]["row"]["deleted_at"], Value::Null);
        assert_eq!(
            rows.node_watermarks(&pages()).await.unwrap(),
            [(Text::from("n"), at(3, 1, "n"))].into_iter().collect()
        );
        assert!(shipped(&rows, &table("My-App", "lost")).await.is_empty());
        assert!(shipped(&rows, &table("nobody", "pages")).await.is_empty());
    }
}

#[tokio::test]
async fn what_arrives_goes_on_unchanged_whatever_the_columns_make_of_it() {
    for schema in SCHEMAS {
        let home = of_an_app(schema);
        let rows = open(&home);
        let odd = [
            json!({ "title": 5, "count": "007", "share": "1.50" }),
            json!({ "title": true, "count": 0.5, "share": 3, "unknown": { "a": [1] } }),
            json!({ "title": null, "count": "5", "share": 1e300, "node_id": "elsewhere" }),
            json!({ "title": { "a": 1 }, "count": null, "share": "inf" }),
            json!({ "TITLE": "not that column", "count": 9_007_199_254_740_991_i64 }),
            json!({ "count": -0.000_000_1, "share": "", "starkeep_extra_json": "mine" }),
        ];
        for (number, fields) in (1..).zip(odd) {
            let hlc = at(number, 0, "n");
            let mut row = fields;
            row["id"] = json!(format!("r{number}"));
            row["part"] = json!(0);
            rows.apply(insert(&pages(), &hlc, row.clone()))
                .await
                .unwrap();
            row["updated_at"] = json!(hlc.to_string());
            assert_eq!(
                shipped(&rows, &pages()).await.last().unwrap()["row"],
                row,
                "{schema}"
            );
        }
    }
}

#[tokio::test]
async fn a_table_of_an_app_gets_no_column_before_a_row_needs_it() {
    let home = of_an_app(SCHEMAS[0]);
    let rows = open(&home);
    let full = json!({ "id": "a", "title": "t", "count": 1, "share": 0.5, "deleted_at": null });
    rows.apply(insert(&pages(), &at(1, 0, "n"), full.clone()))
        .await
        .unwrap();
    rows.close().await.unwrap();
    let columns = "SELECT count(*) FROM pragma_table_info('my_app_syncable_pages')";
    let count = || -> i64 {
        let connection = rusqlite::Connection::open(home.path()).unwrap();
        connection.query_row(columns, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(), 6);
    let rows = open(&home);
    let mut more = full;
    more["unknown"] = json!(1);
    rows.apply(insert(&pages(), &at(2, 0, "n"), more))
        .await
        .unwrap();
    rows.close().await.unwrap();
    assert_eq!(count(), 7);
}

#[tokio::test]
async fn a_column_that_the_app_has_changed_since_counts() {
    let home = of_an_app(SCHEMAS[0]);
    let rows = open(&home);
    let row = json!({ "id": "a", "title": true, "count": "007", "more": 1 });
    rows.apply(insert(&pages(), &at(1, 0, "n"), row))
        .await
        .unwrap();
    rows.close().await.unwrap();
    home.sql("UPDATE my_app_syncable_pages SET title = 'changed', share = 2");
    let row = &shipped(&open(&home), &pages()).await[0]["row"];
    assert_eq!(row["title"], json!("changed"));
    assert_eq!(
        (&row["count"], &row["share"], &row["more"]),
        (&json!("007"), &json!(2), &json!(1))
    );
}

#[tokio::test]
async fn a_page_is_taken_in_though_one_of_its_rows_is_refused() {
    let home = of_an_app(
        "CREATE TABLE my_app_syncable_pages (id TEXT PRIMARY KEY, title TEXT UNIQUE,
           updated_at TEXT NOT NULL, deleted_at TEXT);",
    );
    let rows = open(&home);
    let page = || {
        vec![
            insert(&pages(), &at(1, 0, "a"), json!({ "id": "a", "title": "t" })),
            insert(
                &pages(),
                &at(2, 0, "b"),
                json!({ "id": "b", "title": "t", "new": 1 }),
            ),
            insert(
                &table("My-App", "lost"),
                &at(3, 0, "c"),
                json!({ "id": "c" }),
            ),
            insert(
                &table("nobody", "pages"),
                &at(4, 0, "c"),
                json!({ "id": "c" }),
            ),
            insert(
                &pages(),
                &at(5, 0, "b"),
                json!({ "id": "d", "title": "u", "new": 1 }),
            ),
        ]
    };
    let constraint = Err(ErrorKind::Constraint);
    let unknown = Err(ErrorKind::UnknownApp);
    let taken = rows.take_in(page(), true).await.unwrap();
    assert_eq!(
        kinds(&taken),
        [Ok(true), constraint, unknown, Ok(false), Ok(false)]
    );
    let taken = rows.take_in(page(), false).await.unwrap();
    assert_eq!(
        kinds(&taken),
        [Ok(false), constraint, unknown, unknown, Ok(true)]
    );
    assert_eq!(shipped(&rows, &pages()).await.len(), 2);
}

#[tokio::test]
async fn a_table_without_a_primary_key_takes_each_row_once() {
    let home = Home::new();
    let rows = open(&home);
    rows.register("log", tables(vec![spec("lines", &[], &["line"])]))
        .await
        .unwrap();
    let lines = table("log", "lines");
    for (hlc, line) in [(1, "a"), (1, "a"), (1, "b"), (2, "a")] {
        let item = insert(
            &lines,
            &at(hlc, 0, "n"),
            json!({ "line": line, "deleted_at": null }),
        );
        rows.apply(item).await.unwrap();
    }
    assert_eq!(shipped(&rows, &lines).await.len(), 3);
    let dead = json!({ "line": "b", "deleted_at": at(3, 0, "n").to_string() });
    for _ in 0..2 {
        let delete = entry(&lines, "delete", &at(3, 0, "n"), dead.clone(), Value::Null);
        rows.apply(delete).await.unwrap();
    }
    let ops: Vec<_> = shipped(&rows, &lines)
        .await
        .iter()
        .map(|entry| entry["op"].clone())
        .collect();
    assert_eq!(ops, ["insert", "insert", "delete"]);
}

#[tokio::test]
async fn a_row_that_has_a_file_names_its_object_until_it_is_deleted() {
    let home = Home::new();
    let rows = open(&home);
    let registration = Registration {
        tables: Vec::new(),
        files_enabled: true,
    };
    rows.register("photos", registration).await.unwrap();
    let files = table("photos", FILE_RECORDS_TABLE);
    let row = json!({ "id": "f", "object_storage_key": "k", "mime_type": "image/png" });
    let ask = || Ask {
        limit: 5,
        ..Ask::default()
    };
    rows.apply(insert(&files, &at(1, 0, "n"), row))
        .await
        .unwrap();
    let blob = Blob {
        key: Text::from("k"),
        mime_type: Some(Text::from("image/png")),
        digest: None,
        size: None,
    };
    assert_eq!(
        rows.unseen(&files, ask()).await.unwrap().0[0].blob,
        Some(blob)
    );
    let delete = entry(
        &files,
        "delete",
        &at(2, 0, "n"),
        Value::Null,
        json!({ "id": "f" }),
    );
    rows.apply(delete).await.unwrap();
    assert_eq!(rows.unseen(&files, ask()).await.unwrap().0[0].blob, None);
}

#[tokio::test]
async fn hostile_names_are_names() {
    let home = Home::new();
    let rows = open(&home);
    let apps = [
        "a\"; DROP TABLE app_syncable_namespaces; --",
        "__proto__",
        "ÄPP",
        "a b",
    ];
    let names = ["x\"y", "select", "'", "]", "_starkeep", "constructor"];
    let column = "c\", \"d\" TEXT); DROP TABLE x; --";
    for app in apps {
        let all = names.map(|name| spec(name, &["i\"d"], &[column]));
        rows.register(app, tables(all.to_vec())).await.unwrap();
        for name in names {
            let row = json!({ "i\"d": 1, column: "kept", "e\"f": "extra" });
            let item = insert(&table(app, name), &at(1, 0, "n\"'"), row);
            rows.apply(item).await.unwrap();
        }
    }
    for app in apps {
        for name in names {
            let entries = shipped(&rows, &table(app, name)).await;
            assert_eq!(entries.len(), 1);
            assert_eq!(entries[0]["row"][column], json!("kept"));
            assert_eq!(entries[0]["row"]["e\"f"], json!("extra"));
        }
    }
    assert_eq!(rows.namespaces().await.unwrap().len(), apps.len());
}

#[tokio::test]
async fn registering_again_only_adds() {
    let home = of_an_app(SCHEMAS[0]);
    let rows = open(&home);
    let page = json!({ "id": "a", "title": "t", "tags": ["x"] });
    rows.apply(insert(&pages(), &at(1, 0, "n"), page))
        .await
        .unwrap();
    let more = tables(vec![
        spec("pages", &["id"], &["tags"]),
        spec("notes", &["id"], &[]),
    ]);
    rows.register("My-App", more).await.unwrap();
    let namespace = &rows.namespaces().await.unwrap()[0];
    let names: Vec<_> = namespace
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    assert_eq!(names, ["pages", "lost", "notes"]);
    assert_eq!(namespace.tables[0].other["note"], json!(1));
    assert_eq!(
        shipped(&rows, &pages()).await[0]["row"]["tags"],
        json!(["x"])
    );
    let change = entry(
        &pages(),
        "update",
        &at(2, 0, "n"),
        json!({ "tags": "y" }),
        json!({ "id": "a" }),
    );
    rows.apply(change).await.unwrap();
    assert_eq!(shipped(&rows, &pages()).await[0]["row"]["tags"], json!("y"));
}

#[tokio::test]
async fn a_key_is_the_same_key_where_its_column_takes_it_for_the_same() {
    let home = of_an_app(
        "CREATE TABLE my_app_syncable_pages (id INTEGER PRIMARY KEY, title TEXT,
           updated_at TEXT NOT NULL, deleted_at TEXT);",
    );
    let rows = open(&home);
    for (time, id) in [(1, json!(5)), (2, json!("5"))] {
        let item = insert(
            &pages(),
            &at(time, 0, "n"),
            json!({ "id": id, "title": time }),
        );
        rows.apply(item).await.unwrap();
    }
    let entries = shipped(&rows, &pages()).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["row"]["id"], json!("5"));
}
