//! What the object storage does where something other than a file stands in an object's place, or is put
//! there while it looks.

use std::fs;
use std::future::Future;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use starkeep_sync_engine::error::{Error, ErrorKind, Result};
use starkeep_sync_engine::store::fs::{FsObjects, PutOptions};
use tempfile::TempDir;

/// No call may wait for the other end of a named pipe, which never comes.
const LONG: Duration = Duration::from_secs(60);

async fn in_time<T>(call: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(LONG, call).await;
    done.expect("the call waits for something")
}

fn storage() -> (TempDir, FsObjects) {
    let folder = TempDir::new().unwrap();
    let objects = FsObjects::open(folder.path()).unwrap();
    (folder, objects)
}

async fn put(objects: &FsObjects, key: &str, data: &str) -> Result<()> {
    let data = data.to_owned();
    in_time(objects.put(key, data, PutOptions::default())).await
}

async fn text(objects: &FsObjects, key: &str) -> Result<Option<String>> {
    let object = in_time(objects.get(key)).await?;
    Ok(object.map(|object| String::from_utf8(object.data).unwrap()))
}

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[tokio::test]
async fn what_is_neither_a_file_nor_a_folder_is_refused_by_name_until_an_object_replaces_it() {
    let (folder, objects) = storage();
    fs::create_dir(folder.path().join("photos")).unwrap();
    make_pipe(&folder.path().join("photos/pipe"));
    let _socket = UnixListener::bind(folder.path().join("photos/socket")).unwrap();
    for key in ["photos/pipe", "photos/socket"] {
        let refusals: [Error; 5] = [
            in_time(objects.get(key)).await.unwrap_err(),
            in_time(objects.open_object(key)).await.unwrap_err(),
            in_time(objects.stat(key)).await.unwrap_err(),
            in_time(objects.has(key)).await.unwrap_err(),
            in_time(objects.delete(key)).await.unwrap_err(),
        ];
        for refusal in refusals {
            assert_eq!(refusal.kind(), ErrorKind::InvalidKey, "{refusal}");
            assert!(refusal.message().contains(key), "{refusal}");
        }
        let listed = in_time(objects.list("", None, None)).await.unwrap();
        assert!(!listed.keys.iter().any(|listed| listed == key));
        let below = format!("{key}/below");
        assert_eq!(text(&objects, &below).await.unwrap(), None);
        put(&objects, &below, "below").await.unwrap();
        put(&objects, key, "mine").await.unwrap();
        assert_eq!(text(&objects, key).await.unwrap().unwrap(), "mine");
        assert_eq!(text(&objects, &below).await.unwrap().unwrap(), "below");
    }
}

#[tokio::test]
async fn a_pipe_or_link_among_the_files_of_the_store_itself_is_not_followed() {
    let (folder, objects) = storage();
    let own = folder.path().join(".starkeep-store");
    put(&objects, "k", "mine").await.unwrap();
    let sidecar = files_below(&own.join("sidecars")).remove(0);
    make_pipe(&own.join("writing/pipe.lock"));
    let outside = TempDir::new().unwrap();
    symlink(outside.path().join("made"), own.join("writing/link.lock")).unwrap();
    let second = FsObjects::open(folder.path()).unwrap();
    assert_eq!(text(&second, "k").await.unwrap().unwrap(), "mine");

    fs::remove_file(&sidecar).unwrap();
    make_pipe(&sidecar);
    // What is kept in an attribute of the file needs no sidecar.
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    let _ = rustix::fs::removexattr(folder.path().join("k"), "user.starkeep.object");
    let refusal = text(&second, "k").await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Io);
    assert!(refusal.message().contains('k'), "{refusal}");
    put(&second, "k", "again").await.unwrap();
    assert_eq!(text(&second, "k").await.unwrap().unwrap(), "again");
    assert!(files_below(outside.path()).is_empty());
}

/// Runs `work` while another thread takes the `turns` one after the other, over and over.
async fn while_they_turn(turns: Vec<Box<dyn Fn() + Send>>, work: impl AsyncFnOnce()) {
    struct Stop(Arc<AtomicBool>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Stop(Arc::clone(&stopped));
    let turner = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            for turn in &turns {
                turn();
            }
        }
    });
    work().await;
    drop(stop);
    turner.join().unwrap();
}

#[tokio::test]
async fn whatever_takes_an_objects_place_while_it_is_read_is_not_read() {
    let (folder, objects) = storage();
    let aside = TempDir::new_in(folder.path().parent().unwrap()).unwrap();
    let place = folder.path().join("k");
    let secret = aside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    make_pipe(&aside.path().join("pipe"));
    fs::create_dir(aside.path().join("folder")).unwrap();
    symlink(&secret, aside.path().join("link")).unwrap();
    fs::write(aside.path().join("file"), "mine").unwrap();
    let turns = ["pipe", "folder", "link", "file"].map(|name| {
        let (there, place) = (aside.path().join(name), place.clone());
        Box::new(move || {
            fs::rename(&there, &place).unwrap();
            fs::rename(&place, &there).unwrap();
        }) as Box<dyn Fn() + Send>
    });
    while_they_turn(turns.into(), async || {
        for _ in 0..3000 {
            match text(&objects, "k").await {
                Ok(found) => assert!(found.is_none_or(|found| found == "mine")),
                Err(refusal) => assert_ne!(refusal.kind(), ErrorKind::Internal, "{refusal}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_that_takes_a_folders_place_leads_nobody_out_of_the_root() {
    let (folder, objects) = storage();
    let outside = TempDir::new_in(folder.path().parent().unwrap()).unwrap();
    fs::create_dir(outside.path().join("there")).unwrap();
    fs::write(outside.path().join("there/k"), "secret").unwrap();
    put(&objects, "photos/k", "mine").await.unwrap();
    let (photos, aside) = (folder.path().join("photos"), outside.path().join("aside"));
    let link = outside.path().join("link");
    symlink(outside.path().join("there"), &link).unwrap();
    let turn = move || {
        // The store makes the folder anew when it puts an object meanwhile.
        if fs::rename(&photos, &aside).is_ok() {
            if fs::rename(&link, &photos).is_ok() {
                fs::rename(&photos, &link).unwrap();
            }
            if fs::rename(&aside, &photos).is_err() {
                fs::remove_dir_all(&aside).unwrap();
            }
        }
    };
    while_they_turn(vec![Box::new(turn)], async || {
        for round in 0..500 {
            let read = text(&objects, "photos/k").await;
            if let Ok(Some(found)) = read {
                assert_eq!(found, "mine");
            }
            let _ = put(&objects, "photos/k", "mine").await;
            let _ = put(&objects, &format!("photos/{round}"), "mine").await;
            let _ = in_time(objects.delete("photos/k")).await;
            let listed = in_time(objects.list("", None, None)).await;
            if let Ok(listed) = listed {
                assert!(listed.keys.iter().all(|key| key.starts_with("photos/")));
            }
            let there = outside.path().join("there");
            assert_eq!(files_below(&there), [there.join("k")]);
            assert_eq!(fs::read_to_string(there.join("k")).unwrap(), "secret");
        }
    })
    .await;
}
