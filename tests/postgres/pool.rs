//! Connections: how long they live, who is asked for a password, and a server that starts again.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use starkeep_sync_engine::error::{Error, ErrorKind};
use starkeep_sync_engine::protocol::delta::Ask;
use starkeep_sync_engine::store::RecordStore;
use starkeep_sync_engine::store::postgres::{PasswordSource, PostgresOptions, PostgresRecords};
use starkeep_sync_engine::transport::client::Connections;

use crate::support::postgres::{Server, options, records, shared};
use crate::support::{at, item_of, record};

/// Records whose password is asked for; `fails` says which asking, from 0, comes to nothing.
fn asking(options: &PostgresOptions, fails: usize) -> (PostgresRecords, Arc<AtomicUsize>) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let source = PasswordSource::Asked {
        known: format!("test {}", COUNT.fetch_add(1, Ordering::Relaxed)),
        ask: Arc::new(move || {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                if number == fails {
                    return Err(Error::new(ErrorKind::Foreign, "password", "not today"));
                }
                Ok("any".to_owned())
            })
        }),
    };
    let store = PostgresRecords::open(options, source, Arc::new(Connections::default()));
    (store.unwrap(), asked)
}

#[tokio::test]
async fn a_connection_that_has_lived_long_enough_is_replaced() {
    let Some(server) = shared() else { return };
    let options = PostgresOptions {
        max_lifetime: Duration::from_secs(1),
        max: 1,
        ..options(server)
    };
    let (records, asked) = asking(&options, usize::MAX);
    for _ in 0..3 {
        records.get("a").await.unwrap();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "one connection serves all");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    records.get("a").await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_password_that_cannot_be_had_fails_the_call_and_is_asked_for_again() {
    let Some(server) = shared() else { return };
    let (records, asked) = asking(&options(server), 0);
    let error = records.get("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    assert_eq!(records.get("a").await.unwrap(), None);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn more_calls_than_connections_wait_for_each_other() {
    let Some(server) = shared() else { return };
    let options = PostgresOptions {
        max: 2,
        ..options(server)
    };
    let (records, asked) = asking(&options, usize::MAX);
    records.init().await.unwrap();
    let gets = (0..40).map(|_| records.get("a"));
    for got in futures_util::future::join_all(gets).await {
        got.unwrap();
    }
    assert!(asked.load(Ordering::SeqCst) <= 2);
}

/// A server that is stopped under load: what was answered is there, what was not is told as one that may pass.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_outlives_a_server_that_starts_again() {
    let Some(server) = Server::start(&["synchronous_commit=on"]) else {
        return;
    };
    let options = options(&server);
    let store = records(&options);
    store.init().await.unwrap();
    let writing = |worker: u64| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut answered = HashSet::new();
            for number in 0..60u64 {
                let id = format!("{worker}-{number}");
                let page = || vec![item_of(&record(&id, &at(number, 0, &format!("n{worker}"))))];
                // A server that is away for longer than calls are made again is asked anew.
                for _ in 0..20 {
                    match store.take_in(page(), false).await {
                        Ok(_) => {
                            answered.insert(id.clone());
                            break;
                        }
                        Err(error) => assert!(
                            error.network().is_some_and(|network| network.retryable),
                            "{error}"
                        ),
                    }
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            answered
        })
    };
    let workers: Vec<_> = (0..4).map(writing).collect();
    for way in ["restart", "kill", "start"] {
        tokio::time::sleep(Duration::from_millis(200)).await;
        tokio::task::block_in_place(|| server.say(way));
    }
    let mut answered = HashSet::new();
    for worker in workers {
        answered.extend(worker.await.unwrap());
    }
    assert_eq!(answered.len(), 240);
    let ask = Ask {
        limit: 1000,
        ..Ask::default()
    };
    let (found, _) = store.unseen(ask).await.unwrap();
    let found: HashSet<String> = found
        .iter()
        .map(|item| item.kind.record_id().unwrap().to_string())
        .collect();
    assert_eq!(found, answered);
}
