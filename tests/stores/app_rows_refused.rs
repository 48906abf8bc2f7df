//! The rows of apps: what is refused, and what stays as it was then.

use std::fs;

use crate::support::rows::{
    REGISTRY, SCHEMAS, entry, insert, of_an_app, open, pages, shipped, spec, table, tables,
};
use crate::support::{Home, at};
use serde_json::json;
use starkeep_sync_engine::error::{Error, ErrorKind};
use starkeep_sync_engine::protocol::item::ItemKind;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::sqlite::{Options, SqliteAppRows, SqliteState};
use starkeep_sync_engine::store::{AppRowStore, StateStore};

#[tokio::test]
async fn names_that_no_table_can_have_or_that_another_app_has_are_refused() {
    let home = Home::new();
    let rows = open(&home);
    let one = |name: &str| tables(vec![spec(name, &["id"], &[])]);
    rows.register("a-b", one("t")).await.unwrap();
    rows.register("x", one("y_syncable_z")).await.unwrap();
    for (app, name) in [
        ("A_b", "t"),
        ("a_b", "T"),
        ("x_syncable_y", "z"),
        ("", "t"),
        ("a", ""),
        ("a\0", "t"),
        ("a", "t\0"),
        ("sqlite", "t"),
    ] {
        let refused = rows.register(app, one(name)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{app}/{name}");
    }
    let twice = tables(vec![spec("t", &["id"], &[]), spec("T", &["id"], &[])]);
    assert!(rows.register("c", twice).await.is_err());
    let other_key = tables(vec![spec("t", &["other"], &[])]);
    assert!(rows.register("a-b", other_key).await.is_err());
    let lone = Text::from_units(&[0xD800]);
    assert!(rows.namespace(&lone).await.unwrap().is_none());
    assert_eq!(rows.namespaces().await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_entry_that_does_not_fit_its_envelope_is_refused() {
    let home = of_an_app(SCHEMAS[1]);
    let rows = open(&home);
    let good = || insert(&pages(), &at(1, 0, "n"), json!({ "id": "a" }));
    let mut later = good();
    later.hlc = at(9, 0, "n");
    let mut elsewhere = good();
    elsewhere.kind = ItemKind::Row(table("My-App", "lost"));
    let mut a_record = good();
    a_record.kind = ItemKind::Record(Text::from("a"));
    let mut future = good();
    let text = future
        .body
        .replace("000000000001:0000:n", "ffffffffffff:0000:n");
    future.body = text.into();
    let all_rows = entry(&pages(), "update", &at(1, 0, "n"), json!({}), json!({}));
    for item in [later, a_record, future, all_rows] {
        let refused: Error = rows.apply(item).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{refused}");
    }
    assert!(rows.apply(elsewhere).await.is_err());
    assert!(shipped(&rows, &pages()).await.is_empty());
}

#[tokio::test]
async fn a_file_that_cannot_be_used_says_why() {
    let kind = |home: &Home| {
        let options = Options {
            busy_timeout: std::time::Duration::from_millis(20),
            ..Options::default()
        };
        SqliteAppRows::open(&home.path(), options)
            .map(|_| ())
            .unwrap_err()
            .kind()
    };
    let text = Home::new();
    fs::write(
        text.path(),
        "no database at all, but long enough to be one ".repeat(40),
    )
    .unwrap();
    assert_eq!(kind(&text), ErrorKind::NotADatabase);

    let foreign = of_an_app("CREATE TABLE my_app_syncable_pages (id TEXT PRIMARY KEY, body TEXT);");
    assert_eq!(kind(&foreign), ErrorKind::Database);

    let folder = Home::new();
    fs::create_dir(folder.path()).unwrap();
    assert_eq!(kind(&folder), ErrorKind::InvalidArgument);

    let broken = Home::of_an_app(&format!(
        "{REGISTRY} UPDATE app_syncable_namespaces SET tables_json = 'nothing';"
    ));
    assert_eq!(kind(&broken), ErrorKind::Database);

    let closed = Home::new();
    let rows = open(&closed);
    let state = SqliteState::open(&closed.path(), Options::default()).unwrap();
    rows.close().await.unwrap();
    let refused = rows.namespaces().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed);
    assert_eq!(rows.namespaces_now().unwrap_err().kind(), ErrorKind::Closed);
    state.set("still", "1".into()).await.unwrap();
}

#[tokio::test]
async fn a_file_that_another_writer_keeps_locked_stays_as_it_is() {
    let home = of_an_app(SCHEMAS[0]);
    let options = Options {
        busy_timeout: std::time::Duration::from_millis(20),
        ..Options::default()
    };
    let rows = SqliteAppRows::open(&home.path(), options).unwrap();
    let other = rusqlite::Connection::open(home.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let page = || insert(&pages(), &at(1, 0, "n"), json!({ "id": "a" }));
    let refused = rows.apply(page()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Busy);
    assert!(shipped(&rows, &pages()).await.is_empty());
    other.execute_batch("ROLLBACK").unwrap();
    rows.apply(page()).await.unwrap();
}
