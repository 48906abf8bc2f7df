//! Pages of a peer and the change log: what is stored is entered, and what else writes to the table is noted as ever.

use crate::log::{all_after, assert_true, ids};
use crate::support::{Home, NEW_TABLE, at, item, item_of, record, text, with};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::json;
use starkeep_sync_engine::engine::change_log::{After, Look};
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::log::{Cursor, Generation, History};
use starkeep_sync_engine::store::sqlite::SqliteRecords;
use starkeep_sync_engine::store::{Json, LogStore, RecordStore, Taken};

/// A trigger of the app's, which keeps a list.
const LISTED: &str = "CREATE TABLE IF NOT EXISTS listed (id TEXT);
  CREATE TRIGGER lists AFTER INSERT ON shared_records BEGIN INSERT INTO listed VALUES (NEW.id); END;";

fn peer(seq: u64) -> Cursor {
    Cursor {
        generation: Generation::new("a1").unwrap(),
        seq,
    }
}

async fn take_in(records: &SqliteRecords, page: Vec<Item<Json>>) -> Vec<Taken> {
    let taken = records.take_in_from(page, Some(peer(7)), None).await;
    taken.unwrap()
}

/// What the peer has not sent itself.
async fn for_the_peer(records: &SqliteRecords) -> Vec<String> {
    let look = Look {
        after: After::Seq(0),
        skip: History(vec![peer(7)]),
        limit: 100,
        ..Look::default()
    };
    ids(&records.look(look).await.unwrap())
}

#[derive(Debug, Clone)]
enum Step {
    /// Versions, some of them tombstones.
    Page(Vec<(u8, u64, bool)>),
    Put(u8, u64),
    /// By a program that knows nothing of logs.
    Delete(u8),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let version = || (0..6u8, 1..40u64);
    prop_oneof![
        prop::collection::vec((0..6u8, 1..40u64, any::<bool>()), 0..8).prop_map(Step::Page),
        version().prop_map(|(id, wall)| Step::Put(id, wall)),
        (0..6u8).prop_map(Step::Delete),
        Just(Step::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_log_is_true_to_the_table_whatever_comes_in_pages(
        steps in prop::collection::vec((step(), any::<bool>()), 1..20),
        has_trigger in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let home = Home::of_an_app(&format!("{NEW_TABLE} {}", if has_trigger { LISTED } else { "" }));
            let mut records = home.records();
            for (step, looks) in &steps {
                match step {
                    Step::Page(versions) => {
                        let page = versions.iter().map(|(id, wall, is_deleted)| {
                            let hlc = at(*wall, 0, "n");
                            let mut record = record(&id.to_string(), &hlc);
                            if *is_deleted {
                                record = with(record, json!({ "deletedAt": hlc }));
                            }
                            item_of(&record)
                        });
                        let taken = take_in(&records, page.collect()).await;
                        prop_assert!(taken.iter().all(|taken| matches!(taken, Taken::Applied | Taken::Stale)));
                    }
                    Step::Put(id, wall) => {
                        let record = record(&id.to_string(), &at(*wall, 0, "n"));
                        records.put(text(&record)).await.unwrap();
                    }
                    Step::Delete(id) => {
                        home.sql(&format!("DELETE FROM shared_records WHERE id = '{id}'"));
                    }
                    Step::Close => {
                        RecordStore::close(&records).await.unwrap();
                        records = home.records();
                    }
                }
                if *looks {
                    assert_true(&home, &records).await;
                }
            }
            assert_true(&home, &records).await;
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_came_from_a_peer_does_not_go_back_there_until_it_is_written_here() {
    let home = Home::new();
    let records = home.records();
    let page = ["a", "b", "c"].map(|id| item(id, &at(5, 0, "n"))).to_vec();
    take_in(&records, page).await;
    assert_eq!(for_the_peer(&records).await, Vec::<String>::new());
    records
        .put(text(&record("b", &at(6, 0, "m"))))
        .await
        .unwrap();
    assert_eq!(for_the_peer(&records).await, ["b"]);
    take_in(&records, vec![item("b", &at(7, 0, "n"))]).await;
    assert_eq!(for_the_peer(&records).await, Vec::<String>::new());
    assert_eq!(ids(&assert_true(&home, &records).await), ["a", "c", "b"]);
}

#[tokio::test]
async fn of_two_versions_with_one_time_everybody_hears_of_the_greater_one_again() {
    let home = Home::new();
    let records = home.records();
    let labelled = |label: &str| with(record("a", &at(5, 0, "n")), json!({ "label": label }));
    take_in(&records, vec![item_of(&labelled("b"))]).await;
    let first = assert_true(&home, &records).await.head;
    for (label, is_new) in [("b", false), ("c", true), ("a", false)] {
        let taken = take_in(&records, vec![item_of(&labelled(label))]).await;
        assert_eq!(matches!(taken[..], [Taken::Applied]), is_new, "{label}");
    }
    let stored = records.get("a").await.unwrap().unwrap();
    assert!(stored.contains("\"label\":\"c\""), "{stored}");
    assert_eq!(for_the_peer(&records).await, ["a"]);
    assert_eq!(assert_true(&home, &records).await.head, first + 2);
}

#[tokio::test]
async fn triggers_of_the_app_fire_for_what_comes_in_a_page() {
    let home = Home::new();
    let records = home.records();
    take_in(&records, vec![item("a", &at(1, 0, "n"))]).await;
    home.sql(LISTED);
    take_in(&records, vec![item("b", &at(1, 0, "n"))]).await;
    home.sql("DROP TRIGGER lists");
    take_in(&records, vec![item("c", &at(1, 0, "n"))]).await;
    let listed = Connection::open(home.path()).unwrap();
    let listed: Vec<String> = listed
        .prepare("SELECT id FROM listed")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    assert_eq!(listed, ["b"]);
    assert_eq!(ids(&assert_true(&home, &records).await), ["a", "b", "c"]);
}

#[tokio::test]
async fn an_item_that_is_refused_leaves_the_others_of_its_page_and_the_log_alone() {
    let home = Home::of_an_app(&format!(
        "{NEW_TABLE} CREATE UNIQUE INDEX one_label ON shared_records (label);"
    ));
    let records = home.records();
    let labelled = |id: &str, wall: u64, label: &str| {
        item_of(&with(
            record(id, &at(wall, 0, "n")),
            json!({ "label": label }),
        ))
    };
    let page = vec![
        labelled("a", 1, "x"),
        labelled("b", 2, "x"),
        labelled("c", 3, "y"),
        labelled("a", 4, "y"),
    ];
    let taken = take_in(&records, page).await;
    assert!(
        matches!(
            taken[..],
            [
                Taken::Applied,
                Taken::Failed(_),
                Taken::Applied,
                Taken::Failed(_)
            ]
        ),
        "{taken:?}"
    );
    assert_eq!(ids(&assert_true(&home, &records).await), ["a", "c"]);
    records
        .put(text(&record("d", &at(5, 0, "n"))))
        .await
        .unwrap();
    let view = all_after(&records, 0).await;
    assert_eq!(ids(&view), ["a", "c", "d"]);
    assert_true(&home, &records).await;
}
