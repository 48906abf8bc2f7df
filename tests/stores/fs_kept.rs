//! What is kept about an object lies beside its file and in an attribute of it: each serves where the other is gone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use starkeep_sync_engine::store::fs::{FsObjects, PutOptions};
use tempfile::TempDir;

const ATTRIBUTE: &str = "user.starkeep.object";

async fn storage() -> (TempDir, FsObjects) {
    let folder = TempDir::new().unwrap();
    let objects = FsObjects::open(folder.path()).unwrap();
    objects.put("a/k", "bytes", typed("text/a")).await.unwrap();
    (folder, objects)
}

fn typed(content_type: &str) -> PutOptions {
    PutOptions {
        content_type: Some(content_type.to_owned()),
        ..PutOptions::default()
    }
}

async fn found(objects: &FsObjects) -> (String, Option<String>) {
    let object = objects.get("a/k").await.unwrap().unwrap();
    (String::from_utf8(object.data).unwrap(), object.content_type)
}

fn of(content_type: Option<&str>) -> (String, Option<String>) {
    ("bytes".to_owned(), content_type.map(str::to_owned))
}

fn sidecar(folder: &Path) -> PathBuf {
    let fans = fs::read_dir(folder.join(".starkeep-store/sidecars")).unwrap();
    let fan = fans.last().unwrap().unwrap().path();
    fs::read_dir(fan).unwrap().last().unwrap().unwrap().path()
}

/// Takes the attribute away, as a copy without attributes does. Says whether there was one.
fn strip(folder: &Path) -> bool {
    rustix::fs::removexattr(folder.join("a/k"), ATTRIBUTE).is_ok()
}

#[tokio::test]
async fn a_copy_without_attributes_keeps_its_content_types() {
    let (folder, objects) = storage().await;
    strip(folder.path());
    assert_eq!(found(&objects).await, of(Some("text/a")));
}

#[tokio::test]
async fn a_sidecar_that_a_power_cut_left_empty_or_took_away_is_not_needed() {
    let (folder, objects) = storage().await;
    for damage in [&b""[..], &[0; 64], b"{\"key\":\"a/"] {
        fs::write(sidecar(folder.path()), damage).unwrap();
        if !strip(folder.path()) {
            println!("not asked further: this file system keeps no attributes");
            return;
        }
        // Neither is whole: the bytes are there all the same.
        assert_eq!(found(&objects).await, of(None));
        objects.put("a/k", "bytes", typed("text/a")).await.unwrap();
    }
    fs::remove_file(sidecar(folder.path())).unwrap();
    assert_eq!(found(&objects).await, of(Some("text/a")));
}

#[tokio::test]
async fn bytes_that_another_program_wrote_into_the_file_have_no_content_type() {
    let (folder, objects) = storage().await;
    let path = folder.path().join("a/k");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "other").unwrap();
    let later = before + std::time::Duration::from_secs(3);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(later)
        .unwrap();
    assert_eq!(found(&objects).await, ("other".to_owned(), None));
}

#[tokio::test]
async fn what_is_too_large_for_an_attribute_is_kept_beside_the_file() {
    let (folder, objects) = storage().await;
    let long = "x".repeat(10_000);
    objects.put("a/k", "bytes", typed(&long)).await.unwrap();
    assert!(!strip(folder.path()));
    assert_eq!(found(&objects).await, of(Some(&long)));
}

#[tokio::test]
async fn puts_of_one_key_at_once_leave_one_sidecar_and_a_deletion_none() {
    let (folder, objects) = storage().await;
    for _ in 0..5 {
        let puts = (0..8).map(|n| objects.put("a/k", format!("{n}"), typed("text/b")));
        for put in futures_util::future::join_all(puts).await {
            put.unwrap();
        }
        assert_eq!(sidecars(folder.path()), 1);
    }
    objects.delete("a/k").await.unwrap();
    assert_eq!(sidecars(folder.path()), 0);
}

fn sidecars(folder: &Path) -> usize {
    let fans = fs::read_dir(folder.join(".starkeep-store/sidecars")).unwrap();
    let count = |fan: fs::DirEntry| fs::read_dir(fan.path()).unwrap().count();
    fans.map(|fan| count(fan.unwrap())).sum()
}
