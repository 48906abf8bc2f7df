//! The stores on a server that is as Aurora DSQL is, which refuses commits and loses answers: nothing is lost, nothing is
//! passed over, and nothing is asked that such a server lacks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use starkeep_sync_engine::engine::change_log::{Heard, Recognized};
use starkeep_sync_engine::engine::purge::Purge;
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::postgres::{Dialect, PostgresOptions, PostgresRecords};
use starkeep_sync_engine::store::{LogStore, Operation, RecordStore, Taken};

use crate::log::{all_after, ids};
use crate::support::dsql::{Plan, Proxy};
use crate::support::postgres::{Server, options, records, shared, sql};
use crate::support::{at, item, record, text};

pub const QUIET: Plan = Plan {
    is_dsql: true,
    lacks_conflicts: false,
    refuses: None,
    cuts: None,
};

pub const FAULTY: Plan = Plan {
    is_dsql: true,
    lacks_conflicts: false,
    refuses: Some(3),
    cuts: Some(7),
};

pub fn begin(server: &Server, plan: Plan) -> (Proxy, PostgresOptions) {
    let proxy = Proxy::start(server, plan);
    let options = proxy.options(options(server));
    (proxy, options)
}

const WRITERS: u64 = 3;
const EACH: u64 = 30;
const LONGEST: Duration = Duration::from_secs(120);

/// One that writes by every way there is, over connections of its own.
async fn write(options: PostgresOptions, name: String) {
    let records = records(&options);
    for count in 0..EACH {
        let id = format!("{name}-{count}");
        let time = at(count + 1, 0, &name);
        match count % 4 {
            0 => records.put(text(&record(&id, &time))).await.unwrap(),
            1 => {
                let taken = records
                    .take_in_from(vec![item(&id, &time)], None, None)
                    .await;
                assert!(!matches!(taken.unwrap()[..], [Taken::Failed(_)]));
            }
            2 => {
                let put = Operation::Put(text(&record(&id, &time)));
                records.batch(vec![put]).await.unwrap();
            }
            _ => in_transaction(&records, &id, &time).await,
        }
    }
    records.close().await.unwrap();
}

/// Whether a transaction of an app's lasts is not known where its answer was lost: it does it again, as an app would.
async fn in_transaction(records: &impl RecordStore, id: &str, time: &Hlc) {
    let began = Instant::now();
    loop {
        let transaction = records.transaction().await.unwrap();
        transaction.put(text(&record(id, time))).await.unwrap();
        match transaction.commit().await {
            Ok(()) => return,
            Err(error) => {
                let network = error.network().unwrap();
                assert!(network.retryable && began.elapsed() < LONGEST, "{error}");
            }
        }
    }
}

#[tokio::test]
async fn tombstones_are_not_purged_and_nothing_is_said_of_what_is_alive() {
    let Some(server) = shared() else { return };
    let (_proxy, options) = begin(server, QUIET);
    let records = records(&options);
    let put = records.put(text(&record("a", &at(1, 0, "n"))));
    put.await.unwrap();
    records.delete("a", at(2, 0, "n")).await.unwrap();
    let streams = all_after(&records, 0).await.streams;
    assert!(!streams.counts_deleted() && !streams.has_purged());
    assert_eq!(streams.whole().all.count, 1);
    let known = records.hear_of(Heard::default()).await.unwrap();
    assert_eq!(known, Recognized::default());
    let purge = Purge {
        before: at(9, 0, ""),
        is_dry: true,
        forget: Vec::new(),
        forget_unseen_for_ms: None,
        after: 0,
        limit: 100,
    };
    let error = records.purge(purge).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("dsql"), "{error}");
}

/// What a server has seen that reads on from its cursor each time, until `is_done` says that all was written before.
async fn follow(records: &PostgresRecords, is_done: &AtomicBool) -> BTreeSet<String> {
    let (mut seen, mut upto, began) = (BTreeSet::new(), 0, Instant::now());
    loop {
        let was_done = is_done.load(Ordering::Acquire);
        let view = all_after(records, upto).await;
        seen.extend(ids(&view));
        upto = view.upto;
        assert!(began.elapsed() < LONGEST);
        if was_done {
            return seen;
        }
    }
}

/// The same place by connections of its own, as another process has them.
fn further(options: &PostgresOptions, at: u64) -> PostgresOptions {
    PostgresOptions {
        max: options.max + 1 + usize::try_from(at).unwrap(),
        ..options.clone()
    }
}

/// Three that write, and three that follow and so give numbers, by way of the proxy. Says of each follower what it passed over,
/// how many entries there are more than numbers, and how many entries are wrong.
async fn race(proxy: &Proxy, options: &PostgresOptions) -> (Vec<Vec<String>>, usize, u64) {
    let first = records(options);
    first.init().await.unwrap();
    let is_done = Arc::new(AtomicBool::new(false));
    let followers = (0..3).map(|at| {
        let (options, is_done) = (further(options, 10 + at), Arc::clone(&is_done));
        tokio::spawn(async move {
            let records = records(&options);
            let seen = follow(&records, &is_done).await;
            records.close().await.unwrap();
            seen
        })
    });
    let followers: Vec<_> = followers.collect();
    let writing = (0..WRITERS).map(|at| {
        let name = format!("w{at}");
        tokio::spawn(write(further(options, at), name))
    });
    for writer in writing.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    is_done.store(true, Ordering::Release);
    let stored = (0..WRITERS).flat_map(|at| (0..EACH).map(move |count| format!("w{at}-{count}")));
    let stored: BTreeSet<String> = stored.collect();
    let mut passed_over = Vec::new();
    for follower in followers {
        let seen = follower.await.unwrap();
        assert!(seen.is_subset(&stored));
        passed_over.push(stored.difference(&seen).cloned().collect());
    }
    let view = all_after(&first, 0).await;
    let numbers: BTreeSet<u64> = view.items.iter().map(|(seq, _)| *seq).collect();
    let twice = view.items.len() - numbers.len();
    let wrong = first.verify().await.unwrap();
    proxy.assert_has_all();
    first.close().await.unwrap();
    (passed_over, twice, wrong)
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_that_number_at_once_pass_over_nothing_of_three_writers() {
    let Some(server) = shared() else { return };
    let (proxy, options) = begin(server, FAULTY);
    let found = race(&proxy, &options).await;
    assert_eq!(found, (vec![Vec::<String>::new(); 3], 0, 0));
    let (refused, cut) = proxy.faults();
    assert!(refused > 10 && cut > 5, "{refused} {cut}");
}

/// What the test before shows is no accident.
#[tokio::test(flavor = "multi_thread")]
async fn without_conflicts_an_entry_is_passed_over_or_the_log_is_wrong() {
    let Some(server) = shared() else { return };
    let nothing = (vec![Vec::<String>::new(); 3], 0, 0);
    for _ in 0..8 {
        let plan = Plan {
            lacks_conflicts: true,
            ..QUIET
        };
        let (proxy, options) = begin(server, plan);
        if race(&proxy, &options).await != nothing {
            return;
        }
    }
    panic!("nothing went wrong in 8 races");
}

#[tokio::test]
async fn a_cursor_does_not_pass_a_transaction_that_is_still_open() {
    let Some(server) = shared() else { return };
    let (proxy, options) = begin(server, QUIET);
    let records = records(&options);
    records.init().await.unwrap();
    let further = crate::support::postgres::records(&options);
    let open = further.transaction().await.unwrap();
    open.put(text(&record("early", &at(1, 0, "n"))))
        .await
        .unwrap();
    records
        .put(text(&record("late", &at(2, 0, "n"))))
        .await
        .unwrap();
    let seen = all_after(&records, 0).await;
    assert_eq!(ids(&seen), ["late"]);
    open.commit().await.unwrap();
    assert_eq!(ids(&all_after(&records, seen.upto).await), ["early"]);
    proxy.assert_has_all();
    records.close().await.unwrap();
    further.close().await.unwrap();
}

#[tokio::test]
async fn a_transaction_of_an_app_ends_with_a_statement_that_the_server_refuses() {
    let Some(server) = shared() else { return };
    let (proxy, options) = begin(server, QUIET);
    let records = records(&options);
    records
        .put(text(&record("a", &at(1, 0, "n"))))
        .await
        .unwrap();
    let unique = format!(
        "CREATE UNIQUE INDEX one_name ON {}.records (mime_type)",
        options.schema
    );
    sql(&server.url, &unique).await.unwrap();
    let transaction = records.transaction().await.unwrap();
    transaction.delete("a", at(2, 0, "n")).await.unwrap();
    let not_a_record = transaction.put("{}".into()).await.unwrap_err();
    assert_eq!(not_a_record.kind(), ErrorKind::InvalidArgument);
    transaction.get("a").await.unwrap();
    let same = transaction.put(text(&record("b", &at(3, 0, "n")))).await;
    assert_eq!(same.unwrap_err().kind(), ErrorKind::Constraint);
    let over = transaction.commit().await.unwrap_err();
    assert!(over.to_string().contains("begin a new one"), "{over}");
    let stored = records.stored(&Text::from("a")).await.unwrap();
    assert_eq!(stored, Some(at(1, 0, "n")), "nothing of it lasts");
    proxy.assert_has_all();
    records.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn several_that_find_an_empty_database_at_one_moment_begin_one_log() {
    let Some(server) = shared() else { return };
    let (proxy, options) = begin(server, FAULTY);
    let starts = (1..=4usize).map(|at| {
        let options = PostgresOptions {
            max: options.max + at,
            ..options.clone()
        };
        tokio::spawn(async move {
            let records = records(&options);
            records.init().await.unwrap();
            let id = format!("r{at}");
            let time = crate::support::at(1, 0, &id);
            records.put(text(&record(&id, &time))).await.unwrap();
            let id = all_after(&records, 0).await.id;
            records.close().await.unwrap();
            id
        })
    });
    let starts: Vec<_> = starts.collect();
    let mut logs = BTreeSet::new();
    for start in starts {
        logs.insert(start.await.unwrap());
    }
    assert_eq!(logs.len(), 1);
    let records = records(&options);
    assert_eq!(all_after(&records, 0).await.items.len(), 4);
    assert_eq!(records.verify().await.unwrap(), 0);
    proxy.assert_has_all();
    records.close().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_another_than_was_said_says_which_option_to_correct() {
    let Some(server) = shared() else { return };
    let options = PostgresOptions {
        dialect: Dialect::Dsql,
        ..options(server)
    };
    let error = records(&options).init().await.unwrap_err();
    assert!(
        error.to_string().contains("leave the option dialect out"),
        "{error}"
    );
}
