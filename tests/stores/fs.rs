//! What the object storage in a folder promises.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use starkeep_sync_engine::error::{ErrorKind, Result};
use starkeep_sync_engine::store::fs::{FsObjects, PutOptions};
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

async fn put(objects: &FsObjects, key: &str, data: &str) -> Result<()> {
    objects
        .put(key, data.to_owned(), PutOptions::default())
        .await
}

async fn text(objects: &FsObjects, key: &str) -> Option<String> {
    let object = objects.get(key).await.unwrap()?;
    Some(String::from_utf8(object.data).unwrap())
}

async fn keys(objects: &FsObjects) -> Vec<String> {
    objects.list("", None, None).await.unwrap().keys
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
async fn an_object_comes_back_as_it_was_put_and_lies_where_its_key_says() {
    let (folder, objects) = storage();
    let options = PutOptions {
        content_type: Some("image/jpeg".to_owned()),
        metadata: Some(BTreeMap::from([(
            "tag".to_owned(),
            "ü \u{1F600}".to_owned(),
        )])),
        ..PutOptions::default()
    };
    objects
        .put("photos/x.jpg", vec![0u8, 255, 10], options.clone())
        .await
        .unwrap();
    assert_eq!(
        fs::read(folder.path().join("photos/x.jpg")).unwrap(),
        [0, 255, 10]
    );
    objects.close().await.unwrap();

    let reopened = FsObjects::open(folder.path()).unwrap();
    let object = reopened.get("photos/x.jpg").await.unwrap().unwrap();
    assert_eq!(object.data, [0, 255, 10]);
    assert_eq!(object.size, 3);
    assert_eq!(object.content_type, options.content_type);
    assert_eq!(object.metadata, options.metadata);
    assert!(reopened.has("photos/x.jpg").await.unwrap());
    assert!(!reopened.has("photos").await.unwrap());
    assert_eq!(reopened.get("photos/y.jpg").await.unwrap(), None);
}

#[tokio::test]
async fn a_later_put_replaces_bytes_and_content_type_together() {
    let (folder, objects) = storage();
    objects
        .put("k", "same size", typed("text/a"))
        .await
        .unwrap();
    objects
        .put("k", "size same", typed("text/b"))
        .await
        .unwrap();
    let object = objects.get("k").await.unwrap().unwrap();
    assert_eq!(
        (object.data, object.content_type),
        (b"size same".to_vec(), Some("text/b".into()))
    );
    put(&objects, "k", "no type!!").await.unwrap();
    assert_eq!(objects.get("k").await.unwrap().unwrap().content_type, None);
    objects.delete("k").await.unwrap();
    objects.delete("k").await.unwrap();
    assert!(!objects.has("k").await.unwrap());
    assert!(files_below(&folder.path().join(".starkeep-store/sidecars")).is_empty());
}

#[tokio::test]
async fn bytes_never_take_the_content_type_of_another_version() {
    let (folder, objects) = storage();
    let path = folder.path().join("k");
    let sidecars = folder.path().join(".starkeep-store/sidecars");
    objects.put("k", "old", typed("text/old")).await.unwrap();
    let (old_sidecar, old_time) = (
        files_below(&sidecars).remove(0),
        fs::metadata(&path).unwrap().modified().unwrap(),
    );
    let kept = fs::read(&old_sidecar).unwrap();
    objects.put("k", "new", typed("text/new")).await.unwrap();

    // As if the process had died after the rename, before the older sidecar was removed.
    fs::write(&old_sidecar, &kept).unwrap();
    assert_eq!(
        objects
            .get("k")
            .await
            .unwrap()
            .unwrap()
            .content_type
            .unwrap(),
        "text/new"
    );
    // As if it had died after the newer sidecar was written, before the rename.
    fs::write(&path, "old").unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(old_time)
        .unwrap();
    assert_eq!(
        objects
            .get("k")
            .await
            .unwrap()
            .unwrap()
            .content_type
            .unwrap(),
        "text/old"
    );
    // What a person puts there has none.
    fs::write(&path, "by hand").unwrap();
    let object = objects.get("k").await.unwrap().unwrap();
    assert_eq!(
        (object.data, object.content_type),
        (b"by hand".to_vec(), None)
    );
}

#[tokio::test]
async fn a_key_and_what_lies_below_it_are_objects_side_by_side() {
    for order in [
        ["a", "a/b", "a/b/c"],
        ["a/b/c", "a/b", "a"],
        ["a/b", "a", "a/b/c"],
    ] {
        let (folder, objects) = storage();
        for key in order {
            objects.put(key, key.to_owned(), typed(key)).await.unwrap();
        }
        let reopened = FsObjects::open(folder.path()).unwrap();
        assert_eq!(keys(&reopened).await, ["a", "a/b", "a/b/c"]);
        for key in order {
            let object = reopened.get(key).await.unwrap().unwrap();
            assert_eq!(
                (object.data, object.content_type.unwrap()),
                (key.into(), key.to_owned())
            );
        }
        for (gone, key) in order.iter().enumerate() {
            reopened.delete(key).await.unwrap();
            assert_eq!(keys(&reopened).await.len(), 2 - gone);
            assert_eq!(text(&reopened, key).await, None);
        }
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "only the store's own folder stays: {left:?}");
    }
}

#[tokio::test]
async fn a_key_that_leaves_the_root_is_refused_by_every_operation() {
    let home = TempDir::new().unwrap();
    let objects = FsObjects::open(&home.path().join("root")).unwrap();
    let long = "x".repeat(256);
    let hostile = [
        "",
        ".",
        "..",
        "../x",
        "a/../../x",
        "a/./b",
        "/etc/x",
        "a//b",
        "a/",
        "\\x",
        "a\\..\\x",
        "a\0b",
        "C:x",
        "c:/x",
        ".starkeep-store",
        ".starkeep-store/writing/x",
        ".Starkeep-Store/x",
        &long,
    ];
    for key in hostile {
        let kinds = [
            put(&objects, key, "x").await.unwrap_err().kind(),
            objects.get(key).await.unwrap_err().kind(),
            objects.has(key).await.unwrap_err().kind(),
            objects.delete(key).await.unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::InvalidKey; 4], "{key:?}");
    }
    for deep in [
        "d/".repeat(3000) + "x",
        "d".repeat(255) + "/" + &("e".repeat(255) + "/").repeat(20) + "x",
    ] {
        assert_eq!(
            put(&objects, &deep, "x").await.unwrap_err().kind(),
            ErrorKind::InvalidKey
        );
    }
    assert_eq!(keys(&objects).await, Vec::<String>::new());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn unusual_keys_are_keys_like_any_other() {
    let (_folder, objects) = storage();
    let unusual = [
        "sha256:ab",
        "...",
        "a b",
        "x+",
        "x=",
        "x/.starkeep-store/y",
        "~",
        "ü\u{1F600}",
        "%2e%2e",
        "a\nb",
    ];
    for key in unusual {
        objects.put(key, key.to_owned(), typed(key)).await.unwrap();
    }
    for key in unusual {
        assert_eq!(text(&objects, key).await.as_deref(), Some(key));
    }
    let mut sorted = unusual.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(keys(&objects).await, sorted);
}

#[cfg(unix)]
#[tokio::test]
async fn symbolic_links_lead_nobody_out_of_the_root() {
    use std::os::unix::fs::symlink;
    let (folder, objects) = storage();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), folder.path().join("out")).unwrap();
    symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
    for key in ["out/secret", "out/new", "file"] {
        assert_eq!(
            put(&objects, key, "mine").await.unwrap_err().kind(),
            ErrorKind::InvalidKey
        );
        assert_eq!(
            objects.get(key).await.unwrap_err().kind(),
            ErrorKind::InvalidKey
        );
        assert_eq!(
            objects.delete(key).await.unwrap_err().kind(),
            ErrorKind::InvalidKey
        );
    }
    assert_eq!(
        fs::read_to_string(outside.path().join("secret")).unwrap(),
        "secret"
    );
    assert_eq!(files_below(outside.path()).len(), 1);
    assert_eq!(keys(&objects).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_put_that_fails_leaves_the_old_object_and_nothing_else() {
    let (folder, objects) = storage();
    objects.put("k", "old", typed("text/old")).await.unwrap();
    let writing = folder.path().join(".starkeep-store/writing");
    let sidecars = folder.path().join(".starkeep-store/sidecars");
    let before = files_below(&sidecars);
    // The folder of the sidecars is no folder any more, so the put fails after the bytes were written.
    let aside = folder.path().join("aside");
    fs::rename(&sidecars, &aside).unwrap();
    fs::write(&sidecars, "").unwrap();
    assert_eq!(
        objects
            .put("k", "new", typed("text/new"))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Io
    );
    fs::remove_file(&sidecars).unwrap();
    fs::rename(&aside, &sidecars).unwrap();
    let object = objects.get("k").await.unwrap().unwrap();
    assert_eq!(
        (object.data, object.content_type.unwrap()),
        (b"old".to_vec(), "text/old".into())
    );
    assert_eq!(files_below(&sidecars), before);
    assert_eq!(
        files_below(&writing).len(),
        1,
        "only the lock of the session"
    );
}

#[tokio::test]
async fn what_a_crash_left_over_is_removed_and_what_lives_is_not() {
    let (folder, objects) = storage();
    let writing = folder.path().join(".starkeep-store/writing");
    fs::create_dir(writing.join("dead")).unwrap();
    fs::write(writing.join("dead/0"), "half a pho").unwrap();
    fs::write(writing.join("dead.lock"), "").unwrap();
    let second = FsObjects::open(folder.path()).unwrap();
    assert!(!writing.join("dead").exists() && !writing.join("dead.lock").exists());
    for store in [&objects, &second] {
        put(store, "k", "still works").await.unwrap();
        assert!(store.health_check().await.unwrap());
    }
    second.close().await.unwrap();
    drop(objects);
    assert_eq!(fs::read_dir(&writing).unwrap().count(), 0);
}

#[tokio::test]
async fn a_closed_store_says_so_and_closing_twice_does_nothing() {
    let (_folder, objects) = storage();
    let clone = objects.clone();
    objects.close().await.unwrap();
    objects.close().await.unwrap();
    assert_eq!(
        put(&clone, "k", "x").await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert_eq!(clone.get("k").await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(
        clone.list("", None, None).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
}

#[tokio::test]
async fn a_root_that_cannot_be_a_folder_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(FsObjects::open(&file).unwrap_err().kind(), ErrorKind::Io);
    assert!(FsObjects::open(&folder.path().join("made/on/the/way")).is_ok());
}

#[tokio::test]
async fn a_folder_of_starkeeps_own_file_store_is_refused_and_stays_as_it_is() {
    for (object, description) in [
        ("k", "k.meta.json"),
        ("ab/cd/abcd12", "ab/cd/abcd12.meta.json"),
    ] {
        let home = TempDir::new().unwrap();
        for name in [object, description] {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{\"contentType\":\"a/b\"}").unwrap();
        }
        let before = files_below(home.path());
        let error = FsObjects::open(home.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(".meta.json"), "{error}");
        assert_eq!(files_below(home.path()), before);
    }
    // What was put here under such names stays a key like any other.
    let (folder, objects) = storage();
    for key in ["k", "k.meta.json"] {
        put(&objects, key, "mine").await.unwrap();
    }
    let again = FsObjects::open(folder.path()).unwrap();
    assert_eq!(keys(&again).await, ["k", "k.meta.json"]);
}
