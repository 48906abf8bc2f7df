//! Tombstones in a database that are removed for good: only those that every known peer has seen.

use serde_json::{Value, json};
use starkeep_sync_engine::engine::change_log::{Heard, Proof};
use starkeep_sync_engine::engine::purge::{Kind, Purge, Purged, Reason};
use starkeep_sync_engine::protocol::log::{Cursor, Generation, History};
use starkeep_sync_engine::store::postgres::PostgresRecords;
use starkeep_sync_engine::store::{AppRowStore, LogStore, RecordStore};

use crate::log::{all_after, assert_true, begun, ids, insert};
use crate::log_rows::{open, register, row};
use crate::support::postgres::{options, records, shared};
use crate::support::{at, record, rows, text};

fn purge(before: u64) -> Purge {
    Purge {
        before: at(before, 0, ""),
        is_dry: false,
        forget: Vec::new(),
        forget_unseen_for_ms: None,
        after: 0,
        limit: 100,
    }
}

async fn end_of(store: &impl LogStore) -> Cursor {
    let view = all_after(store, 0).await;
    view.history.head().cloned().unwrap()
}

/// What is heard of a peer that holds the same as the store does.
fn same(id: &str, own: &Cursor, common: &[&str]) -> Heard {
    let generation = Generation::new("a1").unwrap();
    Heard {
        id: Some(id.to_owned()),
        history: History(vec![Cursor { generation, seq: 9 }]),
        common: common.iter().map(|name| (*name).to_owned()).collect(),
        own: Some(own.clone()),
        proof: Proof::Same(own.seq),
        ..Heard::default()
    }
}

fn removed(purged: &Purged) -> Vec<String> {
    let keys = purged.removed.iter();
    keys.map(|(key, _)| key.id.to_string()).collect()
}

/// Two records that were deleted, and a later one that stays.
async fn fill(records: &PostgresRecords) {
    for (id, wall) in [("a", 1), ("b", 2)] {
        let record = record(id, &at(wall, 0, "n"));
        records.put(text(&record)).await.unwrap();
        records.delete(id, at(wall + 100, 0, "n")).await.unwrap();
    }
    let last = record("last", &at(1000, 0, "n"));
    records.put(text(&last)).await.unwrap();
}

#[tokio::test]
async fn what_was_deleted_goes_only_once_every_known_peer_has_seen_it_in_whichever_process() {
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    fill(&records).await;
    let own = end_of(&records).await;
    let unproved = |id| Heard {
        proof: Proof::None,
        ..same(id, &own, &[""])
    };
    records.hear_of(unproved("laptop")).await.unwrap();
    let kept = records.purge(purge(500)).await.unwrap();
    assert_eq!(kept.kept, [Reason::Unseen, Reason::Unseen]);
    // Another process of the same database hears of another peer.
    let beside = crate::support::postgres::records(&options);
    beside.hear_of(unproved("phone")).await.unwrap();
    records.hear_of(same("laptop", &own, &[""])).await.unwrap();
    let kept = records.purge(purge(500)).await.unwrap();
    assert_eq!(kept.kept, [Reason::Unseen, Reason::Unseen]);
    beside.hear_of(same("phone", &own, &[""])).await.unwrap();
    // What is not written yet is known to the process that heard it.
    assert_eq!(
        removed(&beside.purge(purge(102)).await.unwrap()),
        ["a"],
        "b is too young"
    );
    let before = all_after(&records, 0).await;
    assert_eq!(removed(&records.purge(purge(500)).await.unwrap()), ["b"]);
    let after = assert_true(&other, &options.schema, &records).await;
    assert_eq!(
        (ids(&after), after.head),
        (vec!["last".to_owned()], before.head)
    );
    assert_eq!(
        before.streams.whole().alive(),
        after.streams.whole().alive()
    );
    assert!(after.streams.has_purged());
    records.close().await.unwrap();
    beside.close().await.unwrap();
}

#[tokio::test]
async fn a_peer_that_another_process_forgot_is_noted_again_by_the_next_that_is_heard_of_it() {
    let Some(server) = shared() else { return };
    let (options, server, _other) = begun(server).await;
    fill(&server).await;
    let own = end_of(&server).await;
    server.hear_of(same("laptop", &own, &[""])).await.unwrap();
    assert!(server.recognizes(&same("laptop", &own, &[""])).is_some());
    let beside = records(&options);
    let forgetting = Purge {
        forget: vec!["laptop".to_owned()],
        ..purge(0)
    };
    beside.purge(forgetting).await.unwrap();
    assert!(beside.purge(purge(0)).await.unwrap().peers.is_empty());
    let again = Heard {
        proof: Proof::None,
        ..same("laptop", &end_of(&server).await, &[""])
    };
    assert_eq!(
        server.recognizes(&again),
        None,
        "it is to be noted before it gets anything"
    );
    server.hear_of(again).await.unwrap();
    let kept = beside.purge(purge(500)).await.unwrap();
    assert_eq!(kept.kept, [Reason::Unseen, Reason::Unseen]);
    server.close().await.unwrap();
    beside.close().await.unwrap();
}

#[tokio::test]
async fn the_newest_of_a_node_and_what_another_table_refers_to_stay_and_so_does_what_lives_again() {
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    fill(&records).await;
    records.delete("last", at(2000, 0, "m")).await.unwrap();
    let purged = records.purge(purge(5000)).await.unwrap();
    assert_eq!(
        removed(&purged),
        ["a"],
        "b is the newest of n, and last of m"
    );
    assert_eq!(purged.kept, [Reason::Newest, Reason::Newest]);
    let schema = &options.schema;
    let refer = format!(
        "CREATE TABLE {schema}.tags (record text REFERENCES {schema}.records (id) ON DELETE CASCADE);
         UPDATE {schema}.records SET deleted_at = NULL, updated_at = '{}' WHERE id = 'last'; {}",
        at(3000, 0, "m"),
        insert(schema, "z", &at(4000, 0, "n"))
    );
    other.batch_execute(&refer).await.unwrap();
    let purged = records.purge(purge(5000)).await.unwrap();
    assert_eq!(purged.kept, [Reason::Referenced]);
    records.close().await.unwrap();
}

#[tokio::test]
async fn a_log_of_an_earlier_layout_is_brought_over_in_place_and_knows_that_it_may_not_know_all() {
    let Some(server) = shared() else { return };
    let (options, first, other) = begun(server).await;
    fill(&first).await;
    let before = all_after(&first, 0).await;
    first.close().await.unwrap();
    let log = format!("{}._starkeep_records_log", options.schema);
    let older = format!(
        "DROP TABLE {log}_known; ALTER TABLE {log}_streams DROP COLUMN deleted_count, DROP COLUMN deleted_sum;
         ALTER TABLE {log}_meta DROP COLUMN purged;
         UPDATE {log}_meta SET layout = 1, written = pg_current_xact_id()::xid"
    );
    other.batch_execute(&older).await.unwrap();
    let records = records(&options);
    let view = assert_true(&other, &options.schema, &records).await;
    assert_eq!((view.head, &view.history), (before.head, &before.history));
    assert_eq!(view.streams.whole(), before.streams.whole());
    assert_eq!(view.streams.whole().deleted.count, 2);
    let kept = records.purge(purge(500)).await.unwrap();
    assert_eq!(kept.kept, [Reason::Unseen, Reason::Unseen]);
    assert_eq!(kept.peers[0].0.kind, Kind::Earlier);
    records.close().await.unwrap();
}

#[tokio::test]
async fn what_was_proved_before_the_log_began_another_stretch_counts_no_more_unless_it_was_written()
{
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    fill(&records).await;
    let own = end_of(&records).await;
    let unproved = Heard {
        proof: Proof::None,
        ..same("laptop", &own, &[""])
    };
    records.hear_of(unproved).await.unwrap();
    records.hear_of(same("laptop", &own, &[""])).await.unwrap();
    let late = record("c", &at(3, 0, "n"));
    records.put(text(&late)).await.unwrap();
    records.delete("c", at(103, 0, "n")).await.unwrap();
    // What is proved within the same minute is known to the process alone.
    let later = end_of(&records).await;
    records
        .hear_of(same("laptop", &later, &[""]))
        .await
        .unwrap();
    let log = format!("{}._starkeep_records_log", options.schema);
    let begin = format!(
        "SELECT {log}_begin(); {}",
        insert(&options.schema, "x", &at(3000, 0, "q"))
    );
    other.batch_execute(&begin).await.unwrap();
    let kept = records.purge(purge(500)).await.unwrap();
    assert_eq!(removed(&kept), ["a", "b"]);
    assert_eq!(kept.kept, [Reason::Unseen]);
    records.close().await.unwrap();
}

#[tokio::test]
async fn rows_of_apps_go_by_all_columns_of_their_keys() {
    let Some(server) = shared() else { return };
    let options = options(server);
    let store = open(&options);
    let app = format!("one-{}", options.schema);
    register(&store, &app, &["id", "part"]).await;
    // The log begins before there are rows: no peer can have had any.
    all_after(&store, 0).await;
    let key = |id: &str| json!({ "id": id, "part": "1" });
    for (id, wall) in [("a,b", 5), ("c", 6)] {
        store.apply(row(&app, wall, key(id))).await.unwrap();
    }
    let time = at(50, 0, "n");
    let mut gone = key("a,b");
    gone["deleted_at"] = json!(time.to_string());
    let table = rows::table(&app, "pages");
    let delete = rows::entry(&table, "delete", &time, gone, Value::Null);
    store.apply(delete).await.unwrap();
    store.apply(row(&app, 90, key("d"))).await.unwrap();
    let purged = store.purge(purge(60)).await.unwrap();
    assert_eq!(removed(&purged), ["a%2Cb,1"]);
    let view = all_after(&store, 0).await;
    assert_eq!(ids(&view), ["c,1", "d,1"]);
    assert_eq!(store.verify().await.unwrap(), 0);
    store.close().await.unwrap();
}
