//! `PostgreSQL` over a line that ends before an answer, and one whose disk is full.

use starkeep_sync_engine::engine::change_log::{Advance, Look, Others};
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::log::{Cursor, Generation, History};
use starkeep_sync_engine::store::postgres::Dialect;
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
