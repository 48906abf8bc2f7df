//! What holds for the files that stores of records and state stand on: opening, sharing, closing.

use std::fs;
use std::time::Duration;

use crate::support::{Home, NEW_TABLE, OLD_TABLE, at, get, item, record, text};
use serde_json::json;
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::store::Json;
use starkeep_sync_engine::store::query::Query;
use starkeep_sync_engine::store::sqlite::{Options, SqliteRecords, SqliteState};
use starkeep_sync_engine::store::{Modes, RecordStore, StateStore};

const QUICK: Options = Options {
    busy_timeout: Duration::from_millis(50),
    modes: Modes::Private,
};

#[tokio::test]
async fn a_reopened_file_has_everything() {
    let home = Home::new();
    let first = record("r", &at(5, 0, "n"));
    let records = home.records();
    let state = SqliteState::open(&home.path(), QUICK).unwrap();
    records.put(text(&first)).await.unwrap();
    records
        .put_metadata("exif", "r", r#"{"recordId":"r","iso":100}"#.into())
        .await
        .unwrap();
    state.set("watermarks", "{}".into()).await.unwrap();
    records.close().await.unwrap();
    state.close().await.unwrap();

    let records = home.records();
    let state = SqliteState::open(&home.path(), QUICK).unwrap();
    assert_eq!(get(&records, "r").await, Some(first));
    let metadata = records.get_metadata("exif", "r").await.unwrap();
    assert_eq!(metadata.as_deref(), Some(r#"{"recordId":"r","iso":100}"#));
    assert_eq!(
        state.get("watermarks").await.unwrap().as_deref(),
        Some("{}")
    );
    assert_eq!(state.get("hlc_clock").await.unwrap(), None);
    assert!(records.health_check().await.unwrap());
}

#[tokio::test]
async fn the_state_is_the_table_that_apps_read_and_write() {
    let home = Home::new();
    home.sql(
        "CREATE TABLE sync_state (key TEXT PRIMARY KEY, value_json TEXT NOT NULL,
           updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now')));
         INSERT INTO sync_state VALUES ('photos:watermarks', '{\"a\":1}', 7), ('watermarks', '{}', 7);",
    );
    let state = SqliteState::open(&home.path(), QUICK).unwrap();
    assert_eq!(
        state.get("photos:watermarks").await.unwrap().as_deref(),
        Some("{\"a\":1}")
    );
    let pair = |key: &str, value: &str| (key.to_owned(), Json::from(value));
    state
        .set_all(vec![pair("watermarks", "[1]"), pair("mine", "2")])
        .await
        .unwrap();
    state.close().await.unwrap();
    let file = rusqlite::Connection::open(home.path()).unwrap();
    let row: (String, String, i64) = file
        .query_row(
            "SELECT value_json, typeof(updated_at), updated_at FROM sync_state WHERE key = 'watermarks'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!((row.0.as_str(), row.1.as_str()), ("[1]", "integer"));
    assert!(row.2 > 1_000_000_000);
}

#[tokio::test]
async fn a_file_that_this_process_has_open_otherwise_is_refused() {
    let home = Home::of_an_app(NEW_TABLE);
    let before = fs::read(home.path()).unwrap();
    let held = fs::File::open(home.path()).unwrap();
    let refused = SqliteRecords::open(&home.path(), QUICK).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PathInUse);
    assert!(refused.to_string().contains("{ db }"), "{refused}");
    assert_eq!(
        SqliteState::open(&home.path(), QUICK).unwrap_err().kind(),
        ErrorKind::PathInUse
    );
    assert_eq!(fs::read(home.path()).unwrap(), before);
    drop(held);
    home.records().close().await.unwrap();

    let other_library = rusqlite::Connection::open(home.path()).unwrap();
    let _: String = other_library
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(
        SqliteRecords::open(&home.path(), QUICK).unwrap_err().kind(),
        ErrorKind::PathInUse
    );
    drop(other_library);
    assert!(SqliteRecords::open(&home.path(), QUICK).is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_is_known_by_what_it_is_and_not_by_its_path() {
    let home = Home::new();
    let records = home.records();
    let link = home.path().with_file_name("link.db");
    std::os::unix::fs::symlink(home.path(), &link).unwrap();
    assert_eq!(
        SqliteRecords::open(&link, QUICK).unwrap_err().kind(),
        ErrorKind::PathInUse
    );
    let state = SqliteState::open(&link, QUICK).unwrap();
    records
        .put(text(&record("r", &at(1, 0, "n"))))
        .await
        .unwrap();
    state.set("k", "1".into()).await.unwrap();
}

#[tokio::test]
async fn one_store_of_records_at_a_time_and_any_number_of_states_share_a_file() {
    let home = Home::new();
    let records = home.records();
    let states = [(); 2].map(|()| SqliteState::open(&home.path(), QUICK).unwrap());
    let refused = SqliteRecords::open(&home.path(), QUICK).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PathInUse);
    records.close().await.unwrap();
    states[0].set("k", "1".into()).await.unwrap();
    assert_eq!(states[1].get("k").await.unwrap().as_deref(), Some("1"));

    let again = home.records();
    again.put(text(&record("r", &at(1, 0, "n")))).await.unwrap();
    drop(again);
    let again = home.records();
    assert!(get(&again, "r").await.is_some());
    for state in states {
        state.close().await.unwrap();
    }
    again.close().await.unwrap();
    assert_eq!(
        fs::read_dir(home.path().parent().unwrap()).unwrap().count(),
        1,
        "no log stays"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let home = Home::new();
    let text = "these are the notes of a person, and no database at all\n".repeat(40);
    fs::write(home.path(), &text).unwrap();
    for kind in [
        SqliteRecords::open(&home.path(), QUICK).unwrap_err().kind(),
        SqliteState::open(&home.path(), QUICK).unwrap_err().kind(),
    ] {
        assert_eq!(kind, ErrorKind::NotADatabase);
    }
    assert_eq!(fs::read_to_string(home.path()).unwrap(), text);
    let folder = home.path().parent().unwrap().to_owned();
    assert_eq!(
        SqliteState::open(&folder, QUICK).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    let nowhere = folder.join("no/such/folder/x.db");
    assert_eq!(
        SqliteState::open(&nowhere, QUICK).unwrap_err().kind(),
        ErrorKind::Io
    );
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}

#[tokio::test]
async fn a_table_that_is_not_starkeeps_is_refused_and_left_alone() {
    let home = Home::of_an_app("CREATE TABLE shared_records (id TEXT PRIMARY KEY, song TEXT)");
    let refused = SqliteRecords::open(&home.path(), QUICK).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Database);
    assert!(refused.to_string().contains("no column type"), "{refused}");
    let file = rusqlite::Connection::open(home.path()).unwrap();
    let tables: i64 = file
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_store_that_was_closed_says_so() {
    let home = Home::new();
    let (records, state) = (
        home.records(),
        SqliteState::open(&home.path(), QUICK).unwrap(),
    );
    let clone = records.clone();
    records.close().await.unwrap();
    records.close().await.unwrap();
    let json = text(&record("r", &at(1, 0, "n")));
    let kinds = [
        clone.put(json).await.unwrap_err().kind(),
        clone.get("r").await.unwrap_err().kind(),
        clone.query(Query::default()).await.unwrap_err().kind(),
        clone.node_watermarks().await.unwrap_err().kind(),
        clone
            .take_in(vec![item("r", &at(1, 0, "n"))], false)
            .await
            .unwrap_err()
            .kind(),
        clone.transaction().await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::Closed; 6]);
    state.set("k", "1".into()).await.unwrap();
    state.close().await.unwrap();
    assert_eq!(state.get("k").await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn closing_waits_for_a_transaction_and_what_it_committed_stays() {
    let home = Home::new();
    let records = home.records();
    let transaction = records.transaction().await.unwrap();
    let closing = tokio::spawn({
        let records = records.clone();
        async move { records.close().await }
    });
    tokio::task::yield_now().await;
    assert_eq!(
        records.get("r").await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    transaction
        .put(text(&record("r", &at(1, 0, "n"))))
        .await
        .unwrap();
    assert!(!closing.is_finished());
    transaction.commit().await.unwrap();
    drop(transaction);
    closing.await.unwrap().unwrap();
    assert!(get(&home.records(), "r").await.is_some());
}

#[tokio::test]
async fn a_database_that_another_process_keeps_locked_is_busy_and_then_works_again() {
    let home = Home::new();
    let records = SqliteRecords::open(&home.path(), QUICK).unwrap();
    // Within one library a second connection stands in for another process.
    let other = rusqlite::Connection::open(home.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let json = text(&record("r", &at(1, 0, "n")));
    assert_eq!(
        records.put(json.clone()).await.unwrap_err().kind(),
        ErrorKind::Busy
    );
    assert_eq!(records.get("r").await.unwrap(), None);
    other.execute_batch("COMMIT").unwrap();
    records.put(json).await.unwrap();
    other
        .execute_batch("UPDATE shared_records SET version = 9")
        .unwrap();
    assert_eq!(get(&records, "r").await.unwrap()["version"], json!(9));
}

#[tokio::test]
async fn a_database_in_memory_is_one_store_and_ends_with_it() {
    let path = std::path::Path::new(":memory:");
    let records = SqliteRecords::open(path, QUICK).unwrap();
    let other = SqliteRecords::open(path, QUICK).unwrap();
    records
        .put(text(&record("r", &at(1, 0, "n"))))
        .await
        .unwrap();
    assert!(get(&records, "r").await.is_some() && get(&other, "r").await.is_none());
    assert_eq!(records.node_watermarks().await.unwrap().iter().count(), 1);
    records.close().await.unwrap();
    assert!(!std::path::Path::new(":memory:").exists());
}

#[tokio::test]
async fn a_file_of_an_app_gains_one_nullable_column_and_indexes_and_its_own_statements_still_work()
{
    for (schema, own_index) in [(OLD_TABLE, "no_duplicates"), (NEW_TABLE, "app_index")] {
        let home = Home::of_an_app(schema);
        let columns = |file: &rusqlite::Connection| -> Vec<(String, bool)> {
            let mut statement = file
                .prepare("SELECT name, \"notnull\" FROM pragma_table_info('shared_records')")
                .unwrap();
            let rows = statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap();
            rows.map(Result::unwrap).collect()
        };
        let mut before = columns(&rusqlite::Connection::open(home.path()).unwrap());
        for _ in 0..2 {
            home.records().close().await.unwrap();
        }
        let file = rusqlite::Connection::open(home.path()).unwrap();
        before.push(("extra_json".to_owned(), false));
        assert_eq!(columns(&file), before);
        let indexes: Vec<String> = file
            .prepare("SELECT name FROM pragma_index_list('shared_records') WHERE origin = 'c'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(indexes.contains(&own_index.to_owned()));
        assert_eq!(
            indexes
                .iter()
                .filter(|name| name.contains("by_node"))
                .count(),
            usize::from(own_index != "app_index")
        );
        file.execute_batch("VACUUM; DELETE FROM shared_records")
            .unwrap();
    }
}
