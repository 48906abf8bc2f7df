//! Rows of an app that stand in a file as no store of this package would have written them: each is named and keeps
//! its place, and everything else goes on.

use crate::support::rows::{entry, of_an_app, open, pages};
use crate::support::{Home, at, value};
use serde_json::{Value, json};
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::delta::Ask;
use starkeep_sync_engine::store::AppRowStore;

const ROWS: [&str; 3] = [
    "CREATE TABLE my_app_syncable_pages (id TEXT PRIMARY KEY, title, updated_at, deleted_at, node_id);",
    "CREATE TABLE my_app_syncable_pages (id TEXT PRIMARY KEY, title, updated_at, deleted_at);",
    "CREATE TABLE my_app_syncable_pages (id TEXT, title, updated_at, deleted_at,
       PRIMARY KEY (id)) WITHOUT ROWID;",
];

fn of_rows(schema: &str, id: &str, set: &str) -> Home {
    let home = of_an_app(schema);
    for (id, time) in [("'first'", 1), (id, 5), ("'last'", 9)] {
        home.sql(&format!(
            "INSERT INTO my_app_syncable_pages (id, title, updated_at) VALUES ({id}, 'o', '{}')",
            at(time, 0, "n")
        ));
    }
    home.sql(&format!(
        "UPDATE my_app_syncable_pages SET {set} WHERE id IS {id}"
    ));
    home
}

#[tokio::test]
async fn a_row_of_an_app_that_cannot_be_sent_is_named_and_keeps_its_place() {
    for (id, set, told) in [
        (
            "'odd'",
            "title = CAST(x'ff' AS TEXT)",
            r#"the column title of the row of My-App/pages with id = "odd" must be"#,
        ),
        (
            "NULL",
            "title = 'x'",
            "the column id of the row of My-App/pages with rowid 2 must be",
        ),
        ("x'00'", "title = 'x'", "the column id of the row"),
        ("'odd'", "deleted_at = x'00'", "the column deleted_at of"),
    ] {
        for schema in ROWS {
            if id == "NULL" && schema.contains("WITHOUT ROWID") {
                continue;
            }
            let home = of_rows(schema, id, set);
            let rows = open(&home);
            let ask = Ask {
                limit: 10,
                ..Ask::default()
            };
            let (items, _) = rows.unseen(&pages(), ask).await.unwrap();
            let faulty: Vec<_> = items.iter().map(|item| item.fault.is_some()).collect();
            assert_eq!(faulty, [false, true, false], "{id} {set} {schema}");
            let fault = items[1].fault.clone().unwrap();
            assert_eq!(fault.kind(), ErrorKind::MalformedItem);
            assert!(fault.message().contains(told), "{fault}");
            assert!(rows.unorderable(&pages(), 10).await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn a_row_of_an_app_without_a_time_is_named_apart() {
    for time in ["NULL", "'yesterday'", "x'00'", "CAST(x'ff' AS TEXT)"] {
        for schema in ROWS {
            let home = of_rows(schema, "'odd'", &format!("updated_at = {time}"));
            let rows = open(&home);
            let apart = rows.unorderable(&pages(), 10).await.unwrap();
            assert_eq!(apart.len(), 1, "{time} {schema}");
            let fault = apart[0].fault.clone().unwrap();
            assert!(
                fault
                    .message()
                    .contains(r#"updated_at of the row of My-App/pages with id = "odd" must be"#),
                "{fault}"
            );
            assert_eq!(value(&apart[0].body)["row"]["id"], json!("odd"));
            let marks = rows.node_watermarks(&pages()).await.unwrap();
            assert_eq!(marks.iter().count(), 1);
        }
    }
}

#[tokio::test]
async fn a_change_of_a_row_leaves_alone_what_it_cannot_say() {
    let home = of_rows(ROWS[0], "'odd'", "title = CAST(x'61ff' AS TEXT)");
    home.sql("ALTER TABLE my_app_syncable_pages ADD COLUMN picture BLOB");
    home.sql("UPDATE my_app_syncable_pages SET picture = x'00ff'");
    let rows = open(&home);
    let delete = entry(
        &pages(),
        "delete",
        &at(7, 0, "m"),
        Value::Null,
        json!({ "id": "odd" }),
    );
    rows.apply(delete).await.unwrap();
    rows.close().await.unwrap();
    let stored: (Vec<u8>, String, Vec<u8>) = rusqlite::Connection::open(home.path())
        .unwrap()
        .query_row(
            "SELECT CAST(title AS BLOB), typeof(title), picture FROM my_app_syncable_pages
              WHERE id = 'odd' AND deleted_at IS NOT NULL",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(
        stored,
        (vec![0x61, 0xff], "text".to_owned(), vec![0x00, 0xff])
    );
}
