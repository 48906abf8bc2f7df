//! Objects in a folder against a plain model: in sequence, at the same time, and killed on the way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use starkeep_sync_engine::store::fs::{FsObjects, Listing, PutOptions};
use tempfile::TempDir;

fn storage() -> (TempDir, FsObjects) {
    let folder = TempDir::new().unwrap();
    let objects = FsObjects::open(folder.path()).unwrap();
    (folder, objects)
}

fn typed(content_type: &str) -> PutOptions {
    PutOptions {
        content_type: Some(content_type.to_owned()),
        ..PutOptions::default()
    }
}

async fn keys(objects: &FsObjects) -> Vec<String> {
    objects.list("", None, None).await.unwrap().keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn puts_and_deletes_at_the_same_time_never_mix_objects() {
    let (_folder, objects) = storage();
    let mut tasks = Vec::new();
    for worker in 0..8usize {
        let objects = objects.clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..25usize {
                let key = ["a", "a/b", "a/b/c", "z/y"][(worker + round) % 4];
                let mark = format!("{key} {worker} {round}");
                objects.put(key, mark.clone(), typed(&mark)).await.unwrap();
                if let Some(object) = objects.get(key).await.unwrap() {
                    assert!(object.data.starts_with(format!("{key} ").as_bytes()));
                    assert_eq!(object.content_type.unwrap().into_bytes(), object.data);
                }
                if round % 3 == worker % 3 {
                    objects.delete(key).await.unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Puts versions of three objects for ever. Run by the test below in a process of its own.
#[test]
#[ignore = "does nothing useful by itself"]
fn a_process_that_puts_until_it_is_killed() {
    let Some(root) = std::env::var_os("STORES_FS_ROOT") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let objects = FsObjects::open(Path::new(&root)).unwrap();
        for version in 0u64.. {
            for key in ["k", "folder/k", "k/below"] {
                let mark = format!("{key} {version}");
                objects
                    .put(key, mark.repeat(5000), typed(&mark))
                    .await
                    .unwrap();
            }
        }
    });
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_whole_objects_with_their_own_content_types() {
    let folder = TempDir::new().unwrap();
    for round in 0..8u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "fs_model::a_process_that_puts_until_it_is_killed",
            ])
            .env("STORES_FS_ROOT", folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        tokio::task::spawn_blocking(move || {
            std::thread::sleep(std::time::Duration::from_millis(60 + round * 7));
            child.kill().unwrap();
            child.wait().unwrap();
        })
        .await
        .unwrap();
        let objects = FsObjects::open(folder.path()).unwrap();
        for key in keys(&objects).await {
            let object = objects.get(&key).await.unwrap().unwrap();
            let mark = object.content_type.unwrap();
            assert!(mark.starts_with(&format!("{key} ")), "{mark}");
            assert!(object.data == mark.repeat(5000).into_bytes(), "{mark}");
        }
        let writing = folder.path().join(".starkeep-store/writing");
        assert_eq!(
            fs::read_dir(writing).unwrap().count(),
            2,
            "the new session and its lock"
        );
    }
    let objects = FsObjects::open(folder.path()).unwrap();
    assert_eq!(keys(&objects).await, ["folder/k", "k", "k/below"]);
}

#[derive(Debug, Clone)]
enum Step {
    Put(String, u8),
    Delete(String),
}

fn key() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "a-", "a.", "ab"]), 1..4)
        .prop_map(|segments| segments.join("/"))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (key(), any::<u8>()).prop_map(|(key, data)| Step::Put(key, data)),
        1 => key().prop_map(Step::Delete),
    ]
}

async fn pages(objects: &FsObjects, prefix: &str, limit: usize) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = objects.list(prefix, Some(limit), cursor).await.unwrap();
        assert!(page.keys.len() <= limit);
        assert_eq!(page.has_more, page.next_cursor.is_some());
        all.extend(page.keys);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return all;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_storage_equals_a_map(
        steps in prop::collection::vec(step(), 0..24),
        prefix in prop::sample::select(vec!["", "a", "a/", "a-", "a/b", "b/a/"]),
        limit in 1usize..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_folder, objects) = storage();
            let mut model = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Put(key, data) => {
                        objects.put(&key, vec![data], typed(&data.to_string())).await.unwrap();
                        model.insert(key, data);
                    }
                    Step::Delete(key) => {
                        objects.delete(&key).await.unwrap();
                        model.remove(&key);
                    }
                }
            }
            for (key, data) in &model {
                let object = objects.get(key).await.unwrap().unwrap();
                assert_eq!((object.data, object.content_type), (vec![*data], Some(data.to_string())));
            }
            let wanted: Vec<_> = model.into_keys().filter(|key| key.starts_with(prefix)).collect();
            assert_eq!(pages(&objects, prefix, limit).await, wanted);
            let all = objects.list(prefix, None, None).await.unwrap();
            assert_eq!(all, Listing { keys: wanted, next_cursor: None, has_more: false });
        });
    }
}
