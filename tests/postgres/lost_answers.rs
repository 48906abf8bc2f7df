//! `PostgreSQL` over a line that ends before an answer, and one whose disk is full.

use starkeep_sync_engine::engine::change_log::{Advance, Look, Note, Others, Waiting};
use starkeep_sync_engine::engine::held::Direction;
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::log::{Cursor, Generation, History, Key, Stream};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::postgres::{Dialect, PostgresRecords};
use starkeep_sync_engine::store::{LogStore, Operation, RecordStore, Taken};

use crate::dsql::begin;
use crate::log::{all_after, assert_true, other_program};
use crate::support::dsql::Plan;
use crate::support::postgres::{records, shared};
use crate::support::{at, item, record, text};

#[tokio::test]
async fn postgresql_that_loses_the_answer_to_a_commit_has_each_change_once() {
    let Some(server) = shared() else { return };
    let plan = Plan {
        cuts: Some(2),
        ..Plan::default()
    };
    let (proxy, options) = begin(server, plan);
    assert_eq!(options.dialect, Dialect::Postgres);
    let records = records(&options);
    records.init().await.unwrap();
    for page in 1..=10u64 {
        let upto: Cursor = format!("laptop.{page}").parse().unwrap();
        let advance = Advance {
            history: History(vec![upto.clone()]),
            follows: page - 1,
            presumes: None,
            upto: upto.clone(),
            only_whole: true,
        };
        let items = (0..5u64).map(|nr| item(&format!("r{page}-{nr}"), &at(page, nr, "n")));
        let taken = records
            .take_in_from(items.collect(), Some(upto), Some(advance))
            .await;
        let is_here = |taken: &Taken| matches!(taken, Taken::Applied | Taken::Stale);
        assert!(taken.unwrap().iter().all(is_here));
        let put = Operation::Put(text(&record(&format!("own{page}"), &at(page, 0, "own"))));
        records.batch(vec![put]).await.unwrap();
    }
    let (_, cut) = proxy.faults();
    assert!(cut >= 5, "{cut}");
    let view = all_after(&records, 0).await;
    assert_eq!(view.items.len(), 60);
    let look = Look {
        others: Others::Of(vec![Generation::new("laptop").unwrap()]),
        ..Look::default()
    };
    let others = records.look(look).await.unwrap().others;
    assert_eq!(others.first().map(|cursor| cursor.seq), Some(10));
    assert_eq!(
        records.late(0).stamps.len(),
        0,
        "nothing counts as late that was written twice"
    );
    let other = other_program(server).await;
    assert_true(&other, &options.schema, &records).await;
    records.close().await.unwrap();
}

#[tokio::test]
async fn a_disk_that_is_full_is_said_and_nothing_of_the_page_is_stored() {
    let Some(server) = shared() else { return };
    let (proxy, options) = begin(server, Plan::default());
    let records = records(&options);
    records.init().await.unwrap();
    proxy.refuse_with("53100");
    let page = vec![item("a", &at(1, 0, "n"))];
    let error = records.take_in(page.clone(), false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(error.to_string().contains("free some space"), "{error}");
    assert!(!error.network().unwrap().retryable);
    proxy.change(Plan::default());
    assert_eq!(records.get("a").await.unwrap(), None);
    let taken = records.take_in(page, false).await.unwrap();
    assert!(matches!(taken[..], [Taken::Applied]));
    records.close().await.unwrap();
}

/// Items that wait, one of them with an id that no column has as it is.
fn waiting_items() -> Note {
    let waits = ["a", "b\0"].map(|id| Waiting {
        key: Key {
            stream: Stream::Records,
            id: Text::from(id),
        },
        direction: Direction::Inbound,
        hlc: None,
        code: "NO_FILE".to_owned(),
        reason: String::new(),
        since_ms: 0,
        attempts: 0,
    });
    Note {
        peer: "peer".to_owned(),
        waits: waits.to_vec(),
        ..Note::default()
    }
}

/// How often each was tried.
async fn attempts(records: &PostgresRecords) -> Vec<u64> {
    let look = Look {
        waiting_for: Some("peer".to_owned()),
        ..Look::default()
    };
    let waiting = records.look(look).await.unwrap().waiting;
    waiting.iter().map(|waits| waits.attempts).collect()
}

#[tokio::test]
async fn an_attempt_counts_once_though_the_answer_to_its_commit_was_lost() {
    let Some(server) = shared() else { return };
    for is_dsql in [false, true] {
        let plan = Plan {
            is_dsql,
            ..Plan::default()
        };
        let (proxy, options) = begin(server, plan);
        let records = records(&options);
        records.init().await.unwrap();
        for (cuts, refuses, upto) in [(Some(2), None, 6), (Some(2), Some(3), 12)] {
            proxy.change(Plan {
                refuses,
                cuts,
                ..plan
            });
            while attempts(&records).await.first() < Some(&upto) {
                let before = attempts(&records).await.first().copied().unwrap_or(0);
                records.note(waiting_items()).await.unwrap();
                assert_eq!(attempts(&records).await, [before + 1; 2]);
            }
        }
        let (refused, cut) = proxy.faults();
        assert!(refused >= 2 && cut >= 4, "{refused} {cut}");
        proxy.assert_has_all();
        records.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_attempts_of_two_processes_at_once_each_counts() {
    let Some(server) = shared() else { return };
    for is_dsql in [false, true] {
        let plan = Plan {
            is_dsql,
            ..Plan::default()
        };
        let (proxy, options) = begin(server, plan);
        let first = records(&options);
        first.init().await.unwrap();
        let both = [first.clone(), records(&options)].map(|records| {
            tokio::spawn(async move {
                for _ in 0..10 {
                    records.note(waiting_items()).await.unwrap();
                }
            })
        });
        for one in both {
            one.await.unwrap();
        }
        assert_eq!(attempts(&first).await, [20, 20]);
        proxy.assert_has_all();
        first.close().await.unwrap();
    }
}
