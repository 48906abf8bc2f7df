//! What the stores do about files that go away under them, and transactions that do not end.

use std::fs;
use std::time::Duration;

use crate::support::{Home, at, get, record, text};
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::store::blocking::Threads;
use starkeep_sync_engine::store::fs::{FsObjects, PutOptions};
use starkeep_sync_engine::store::sqlite::{Options, SqliteState};
use starkeep_sync_engine::store::{RecordStore, StateStore};
use tempfile::TempDir;

#[tokio::test]
async fn a_transaction_that_outlives_its_time_is_undone_and_gives_its_turn_away() {
    let home = Home::new();
    let records = home.records();
    let transaction = records.transaction().await.unwrap();
    assert_eq!(records.held_by(), Some(transaction.holder()));
    let late = text(&record("late", &at(1, 0, "n")));
    transaction.put(late.clone()).await.unwrap();
    let behind = tokio::spawn({
        let (records, record) = (records.clone(), record("behind", &at(2, 0, "n")));
        async move { records.put(text(&record)).await }
    });
    let why = transaction.outlived(Some(Duration::from_millis(10))).await;
    assert_eq!(why.kind(), ErrorKind::TransactionTimeout);
    behind.await.unwrap().unwrap();
    assert_eq!(records.held_by(), None);
    assert!(get(&records, "late").await.is_none());
    for failed in [
        transaction.put(late).await,
        transaction.commit().await,
        transaction.rollback().await,
    ] {
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::TransactionTimeout);
    }
}

#[tokio::test]
async fn a_transaction_that_ended_in_time_outlives_nothing() {
    let home = Home::new();
    let records = home.records();
    let transaction = records.transaction().await.unwrap();
    transaction
        .put(text(&record("r", &at(1, 0, "n"))))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let why = transaction.outlived(Some(Duration::from_millis(1))).await;
    assert_eq!(why.kind(), ErrorKind::Closed);
    assert!(get(&records, "r").await.is_some());
}

#[tokio::test]
async fn closing_undoes_a_transaction_that_goes_on_and_on() {
    let home = Home::new();
    let records = home.records();
    let state = SqliteState::open(&home.path(), Options::default()).unwrap();
    let transaction = records.transaction().await.unwrap();
    transaction
        .put(text(&record("r", &at(1, 0, "n"))))
        .await
        .unwrap();
    let outlived = tokio::spawn({
        let transaction = transaction.clone();
        async move { transaction.outlived(None).await }
    });
    let waiting = tokio::spawn({
        let state = state.clone();
        async move { state.set("key", "1".into()).await }
    });
    tokio::task::yield_now().await;
    state.close().await.unwrap();
    assert_eq!(
        waiting.await.unwrap().unwrap_err().kind(),
        ErrorKind::Closed
    );
    records.close().await.unwrap();
    assert_eq!(outlived.await.unwrap().kind(), ErrorKind::Closed);
    let again = home.records();
    assert!(get(&again, "r").await.is_none());
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_that_is_no_longer_at_its_path_is_neither_read_nor_written() {
    let home = Home::new();
    let records = home.records();
    let kept = text(&record("r", &at(1, 0, "n")));
    records.put(kept.clone()).await.unwrap();
    let transaction = records.transaction().await.unwrap();
    transaction
        .put(text(&record("open", &at(2, 0, "n"))))
        .await
        .unwrap();
    fs::remove_file(home.path()).unwrap();
    fs::write(home.path(), "").unwrap();
    let replaced = |kind| assert_eq!(kind, ErrorKind::StoreReplaced);
    replaced(transaction.commit().await.unwrap_err().kind());
    replaced(records.put(kept).await.unwrap_err().kind());
    replaced(records.get("r").await.unwrap_err().kind());
    replaced(records.node_watermarks().await.unwrap_err().kind());
    replaced(records.transaction().await.unwrap_err().kind());
    replaced(records.take_in(Vec::new(), false).await.unwrap_err().kind());
    assert!(!records.health_check().await.unwrap());
    records.close().await.unwrap();
    assert!(get(&home.records(), "r").await.is_none());
}

#[cfg(unix)]
#[tokio::test]
async fn an_object_that_is_half_written_when_its_folder_is_replaced_comes_to_no_place() {
    let above = TempDir::new().unwrap();
    let root = above.path().join("objects");
    let objects = FsObjects::open(&root).unwrap();
    let pieces = futures_util::stream::unfold(0, {
        let root = root.clone();
        move |count| {
            let root = root.clone();
            async move {
                if count == 1 {
                    fs::remove_dir_all(&root).unwrap();
                    fs::create_dir(&root).unwrap();
                }
                (count < 2).then(|| (Ok(bytes::Bytes::from_static(b"piece")), count + 1))
            }
        }
    });
    let error = objects
        .put_chunks("key", PutOptions::default(), Box::pin(pieces))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreReplaced);
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    assert!(!objects.health_check().await.unwrap());
    objects.close().await.unwrap();
}

#[test]
fn threads_that_could_not_start_start_with_a_later_call() {
    let threads = Threads::new();
    let refused = threads.get(|| Err(std::io::ErrorKind::WouldBlock.into()));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Io);
    let panicked = threads.get(|| panic!("the system gives no thread"));
    assert_eq!(panicked.unwrap_err().kind(), ErrorKind::Io);
    let start = || tokio::runtime::Builder::new_current_thread().build();
    assert!(threads.get(start).is_ok());
    assert!(threads.get(|| panic!("they run")).is_ok());
}
