//! What is beyond the limits of Aurora DSQL's transactions, and what its tables do not tell of.

use serde_json::{Value, json};
use starkeep_sync_engine::engine::change_log::{Advance, Look, Note, Others, Waiting};
use starkeep_sync_engine::engine::held::Direction;
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::log::{Cursor, Generation, History, Key, Stream};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::postgres::{PostgresAppRows, PostgresOptions};
use starkeep_sync_engine::store::{AppRowStore, Json, LogStore, RecordStore, Taken};

use crate::dsql::{FAULTY, QUIET, begin};
use crate::log::{all_after, ids, insert, other_program};
use crate::support::dsql::Proxy;
use crate::support::postgres::{app_rows, database, records, shared, sql};
use crate::support::{at, item, item_of, record, rows, value, with};

#[tokio::test]
async fn what_another_program_wrote_is_found_by_a_comparison_and_not_before() {
    let Some(server) = shared() else { return };
    let (proxy, options) = begin(server, QUIET);
    let schema = &options.schema;
    let other = other_program(server).await;
    let begun = records(&options);
    // Without a log: its table alone.
    begun.get("x").await.unwrap();
    let insert_all = format!(
        "INSERT INTO {schema}.records (id, type, created_at, updated_at, node_id, version, content_hash, object_storage_key,
           mime_type, size_bytes, origin_app_id)
         SELECT 'r' || g, 't', '00000000000{{1}}:0000:n', '000000000001:0000:n', 'n', 1, '', '', '', 0, 'a'
           FROM generate_series(1, 2500) AS g"
    );
    other
        .batch_execute(&insert_all.replace("{1}", "1"))
        .await
        .unwrap();
    begun.init().await.unwrap();
    assert_eq!(
        all_after(&begun, 0).await.items.len(),
        2_500,
        "as the log begins"
    );
    let run = async |sql: &str| other.batch_execute(sql).await.unwrap();
    run(&insert(schema, "new", &at(9, 0, "n"))).await;
    run(&insert(schema, "r7", &at(9, 0, "n"))).await;
    run(&format!("DELETE FROM {schema}.records WHERE id = 'r8'")).await;
    let before = all_after(&begun, 2_500).await;
    assert_eq!(before.items.len(), 0);
    assert_eq!(begun.verify().await.unwrap(), 3);
    let mut found = ids(&all_after(&begun, before.upto).await);
    found.sort();
    assert_eq!(found, ["new", "r7"]);
    assert_eq!(begun.verify().await.unwrap(), 0);
    run(&format!(
        "UPDATE {schema}._starkeep_records_log_streams SET sum = 1"
    ))
    .await;
    assert_eq!(begun.verify().await.unwrap(), 1);
    assert_eq!(begun.verify().await.unwrap(), 0);
    // A table of the log is gone: all of it begins anew.
    let id = all_after(&begun, 0).await.id;
    run(&format!(
        "DROP TABLE {schema}._starkeep_records_log_streams"
    ))
    .await;
    let anew = all_after(&begun, 0).await;
    assert!(anew.id != id && anew.items.len() == 2_500);
    proxy.assert_has_all();
    assert!(proxy.largest() <= 3_000);
    begun.close().await.unwrap();
}

#[tokio::test]
async fn a_page_beyond_the_limits_goes_in_parts_and_notes_how_far_it_came_at_its_end() {
    let Some(server) = shared() else { return };
    let (proxy, options) = begin(server, FAULTY);
    let records = records(&options);
    records.init().await.unwrap();
    let upto: Cursor = "laptop.3500".parse().unwrap();
    let known = async || {
        let look = Look {
            others: Others::Of(vec![Generation::new("laptop").unwrap()]),
            ..Look::default()
        };
        let others = records.look(look).await.unwrap().others;
        others.first().map_or(0, |cursor| cursor.seq)
    };
    let mut page: Vec<_> = (0..3_500u64)
        .map(|nr| item(&format!("r{nr}"), &at(nr + 1, 0, "n")))
        .collect();
    // One that no table can hold.
    let bad = with(record("bad", &at(9, 9, "n")), json!({ "label": "\u{0}" }));
    page.insert(1_700, item_of(&bad));
    let advance = |only_whole| Advance {
        history: History(vec![upto.clone()]),
        follows: 0,
        presumes: None,
        upto: upto.clone(),
        only_whole,
    };
    let taken = records
        .take_in_from(page.clone(), Some(upto.clone()), Some(advance(true)))
        .await
        .unwrap();
    let failed = taken
        .iter()
        .filter(|taken| matches!(taken, Taken::Failed(_)));
    assert_eq!((failed.count(), taken.len()), (1, 3_501));
    assert!(matches!(taken[1_700], Taken::Failed(_)));
    assert_eq!(known().await, 0, "not as long as something is missing");
    page.remove(1_700);
    records
        .take_in_from(page, Some(upto.clone()), Some(advance(true)))
        .await
        .unwrap();
    assert_eq!(known().await, 3_500);
    // It is not sent back to where it came from.
    let look = Look {
        skip: History(vec![upto]),
        limit: usize::MAX,
        ..Look::default()
    };
    assert_eq!(records.look(look).await.unwrap().items.len(), 0);
    assert_eq!(all_after(&records, 0).await.items.len(), 3_500);
    assert_eq!(records.verify().await.unwrap(), 0);
    proxy.assert_has_all();
    records.close().await.unwrap();
}

#[tokio::test]
async fn a_page_of_large_records_and_a_long_list_of_what_waits_go_in_parts() {
    let Some(server) = shared() else { return };
    let (proxy, options) = begin(server, FAULTY);
    let records = records(&options);
    let large = (0..24).map(|nr| {
        let body = json!({ "note": "x".repeat(800_000) });
        item_of(&with(record(&format!("large{nr}"), &at(9, nr, "n")), body))
    });
    let taken = records.take_in(large.collect(), true).await.unwrap();
    assert!(
        taken
            .iter()
            .all(|taken| matches!(taken, Taken::Applied | Taken::Stale))
    );
    let waits = (0..3_500).map(|nr| Waiting {
        key: Key {
            stream: Stream::Records,
            id: Text::from(format!("{}{nr}", "long ".repeat(300)).as_str()),
        },
        direction: Direction::Inbound,
        hlc: None,
        code: "NO_FILE".to_owned(),
        reason: String::new(),
        since_ms: 0,
        attempts: 0,
    });
    let waits: Vec<_> = waits.collect();
    let settled = waits
        .iter()
        .map(|waits| (waits.direction, waits.key.clone()));
    let settled = settled.collect();
    let note = |waits, settled| Note {
        peer: "peer".to_owned(),
        waits,
        settled,
        ..Note::default()
    };
    records.note(note(waits, vec![])).await.unwrap();
    records.note(note(vec![], settled)).await.unwrap();
    let look = Look {
        waiting_for: Some("peer".to_owned()),
        ..Look::default()
    };
    assert_eq!(records.look(look).await.unwrap().waiting.len(), 0);
    assert_eq!(records.verify().await.unwrap(), 0);
    proxy.assert_has_all();
    records.close().await.unwrap();
}

/// An entry of a row of the app, in one of its tables.
fn entry(op: &str, time: u64, row: Value, filter: Value) -> Item<Json> {
    rows::entry(&rows::pages(), op, &at(time, 0, "n"), row, filter)
}

fn row(id: &str, part: &str) -> Value {
    json!({ "id": id, "part": part, "title": "t" })
}

async fn registered(options: &PostgresOptions) -> PostgresAppRows {
    let store = app_rows(options);
    let pages = rows::tables(vec![rows::spec("pages", &["id", "part"], &["title"])]);
    store.register("My-App", pages).await.unwrap();
    store
}

#[tokio::test]
async fn rows_that_nothing_tells_apart_are_written_by_what_they_hold() {
    let Some(server) = shared() else { return };
    let proxy = Proxy::start(server, FAULTY);
    let store = registered(&proxy.options(database(server).await)).await;
    let loose = rows::table("My-App", "loose");
    let spec = rows::spec("loose", &[], &["title"]);
    store
        .register("My-App", rows::tables(vec![spec]))
        .await
        .unwrap();
    for time in [1, 1, 2] {
        let row = json!({ "title": format!("t{time}") });
        let item = rows::entry(&loose, "insert", &at(time, 0, "n"), row, Value::Null);
        store.apply(item).await.unwrap();
    }
    let (change, filter) = (json!({ "title": "new" }), json!({ "title": "t1" }));
    let item = rows::entry(&loose, "update", &at(3, 0, "n"), change, filter);
    store.apply(item).await.unwrap();
    let (all, _) = store.scan(&loose, Hlc::zero(), 9).await.unwrap();
    let titles = all
        .iter()
        .map(|item| value(&item.body)["row"]["title"].clone());
    assert_eq!(titles.collect::<Vec<_>>(), ["t2", "new"]);
    proxy.assert_has_all();
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_row_is_noted_under_its_key_and_under_the_one_that_it_had() {
    let Some(server) = shared() else { return };
    let proxy = Proxy::start(server, FAULTY);
    let store = registered(&proxy.options(database(server).await)).await;
    let page = ["a,", "b"].map(|id| entry("insert", 1, row(id, "%"), Value::Null));
    store.take_in_from(page.to_vec(), None, None).await.unwrap();
    assert_eq!(all_after(&store, 0).await.items.len(), 2);
    let moved = entry("update", 2, json!({ "part": "2" }), json!({ "id": "a," }));
    store.apply(moved).await.unwrap();
    assert_eq!(ids(&all_after(&store, 2).await), ["a%2C,2"]);
    let mut all = ids(&all_after(&store, 0).await);
    all.sort();
    assert_eq!(all, ["a%2C,2", "b,%25"]);
    let deleted = entry("delete", 3, Value::Null, json!({ "id": "a,", "part": "2" }));
    store.apply(deleted).await.unwrap();
    assert_eq!(
        all_after(&store, 0).await.items.len(),
        2,
        "a tombstone stays"
    );
    assert_eq!(store.verify().await.unwrap(), 0);
    proxy.assert_has_all();
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_copy_of_the_database_is_told_apart_by_its_place() {
    let Some(server) = shared() else { return };
    let proxy = Proxy::start(server, FAULTY);
    let options = proxy.options(database(server).await);
    let store = registered(&options).await;
    let first = entry("insert", 1, row("a", "1"), Value::Null);
    store.apply(first).await.unwrap();
    all_after(&store, 0).await;
    store.close().await.unwrap();
    drop(store);
    let from = options.database.clone().unwrap();
    let copy = format!("{from}_copy");
    let ended =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{from}'");
    sql(&server.url, &ended).await.unwrap();
    let copied = format!("CREATE DATABASE {copy} TEMPLATE {from}");
    sql(&server.url, &copied).await.unwrap();
    let mut histories = Vec::new();
    for database in [from, copy] {
        let options = PostgresOptions {
            database: Some(database),
            ..options.clone()
        };
        let store = app_rows(&options);
        let later = entry("insert", 5, row("c", "1"), Value::Null);
        store.apply(later).await.unwrap();
        histories.push(all_after(&store, 0).await.history.0);
        store.close().await.unwrap();
    }
    assert_eq!((histories[0].len(), histories[1].len()), (1, 2));
    assert_eq!(histories[1][1].generation, histories[0][0].generation);
    proxy.assert_has_all();
}

#[tokio::test]
async fn a_key_that_is_longer_than_the_log_can_hold_fails_alone() {
    let Some(server) = shared() else { return };
    let (proxy, options) = begin(server, FAULTY);
    let records = records(&options);
    records.init().await.unwrap();
    let [most, more] = [900, 901].map(|bytes| "k".repeat(bytes));
    let page = [&more, &most].map(|id| item(id, &at(1, 0, "n")));
    let taken = records.take_in_from(page.to_vec(), None, None).await;
    let [Taken::Failed(error), Taken::Applied | Taken::Stale] = &taken.unwrap()[..] else {
        panic!("the second is stored");
    };
    assert_eq!(error.kind(), ErrorKind::Constraint);
    assert!(error.to_string().contains("at most 900"), "{error}");
    assert_eq!(records.get(&more).await.unwrap(), None);
    assert_eq!(ids(&all_after(&records, 0).await), [most]);
    proxy.assert_has_all();
    records.close().await.unwrap();
}
