//! Objects that go in and out piece by piece.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use proptest::prelude::*;
use starkeep_sync_engine::engine::object::{Chunks, measure};
use starkeep_sync_engine::error::{Error, ErrorKind};
use starkeep_sync_engine::store::fs::{FsObjects, PutOptions};
use tempfile::TempDir;

fn pieces(of: Vec<Bytes>) -> Chunks {
    stream::iter(of.into_iter().map(Ok)).boxed()
}

async fn read(chunks: Chunks) -> Vec<u8> {
    let pieces: Vec<_> = chunks.collect().await;
    pieces
        .into_iter()
        .flat_map(|piece| piece.unwrap().to_vec())
        .collect()
}

fn leftovers(root: &Path) -> usize {
    let writing = root.join(".starkeep-store").join("writing");
    let sessions = fs::read_dir(writing)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    sessions
        .filter(|path| path.is_dir())
        .map(|session| fs::read_dir(session).unwrap().count())
        .sum()
}

async fn with_object(data: &'static [u8]) -> (TempDir, FsObjects) {
    let folder = TempDir::new().unwrap();
    let objects = FsObjects::open(folder.path()).unwrap();
    objects.put("k", data, PutOptions::default()).await.unwrap();
    (folder, objects)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_range_of_an_object_is_what_a_slice_of_its_bytes_is(
        size in 0usize..700_000, cuts in (any::<u32>(), any::<u32>()), step in 1usize..200_000,
    ) {
        let data: Vec<u8> = (0..size).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();
        let folder = TempDir::new().unwrap();
        let objects = FsObjects::open(folder.path()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let parts = data.chunks(step).map(Bytes::copy_from_slice).collect();
            objects.put_chunks("k", PutOptions::default(), pieces(parts)).await.unwrap();
            let object = objects.open_object("k").await.unwrap().unwrap();
            assert_eq!(object.size, size as u64);
            let (start, end) = (cuts.0 as usize % (size + 1), cuts.1 as usize % (size + 10));
            let expected = data.get(start..end.min(size)).unwrap_or_default();
            assert_eq!(read(object.into_chunks(start as u64..end as u64)).await, expected);
        });
    }
}

/// Pieces that come as fast as they are taken, or wait a while before each.
fn coming(of: Vec<Bytes>, waits: bool) -> Chunks {
    let piece = move |piece| async move {
        if waits {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        Ok(piece)
    };
    stream::iter(of).then(piece).boxed()
}

#[tokio::test]
async fn an_object_is_its_pieces_and_has_their_hash_however_they_come() {
    let folder = TempDir::new().unwrap();
    let objects = FsObjects::open(folder.path()).unwrap();
    // Less than is written at one time, and more than is gathered meanwhile.
    for (size, step) in [(0, 1), (4096, 4096), (65_536, 9_999), (20_000_000, 333_333)] {
        let data: Vec<u8> = (0..size)
            .map(|at| u8::try_from(at * 31 % 251).unwrap())
            .collect();
        for waits in [false, true] {
            let parts = data.chunks(step).map(Bytes::copy_from_slice).collect();
            let put = objects.put_chunks("k", PutOptions::default(), coming(parts, waits));
            put.await.unwrap();
            let object = objects.open_object("k").await.unwrap().unwrap();
            assert_eq!(object.digest, measure(&data).digest);
            assert!(read(object.into_chunks(0..u64::MAX)).await == data);
        }
    }
}

#[tokio::test]
async fn an_object_whose_pieces_end_in_an_error_leaves_the_old_one_and_nothing_else() {
    let (folder, objects) = with_object(b"old").await;
    let broken = Error::new(ErrorKind::Io, "send", "the line went dead");
    for size in [3, 300_000] {
        let new = Bytes::from(vec![b'n'; size]);
        let chunks = stream::iter([Ok(new), Err(broken.clone())]).boxed();
        let put = objects.put_chunks("k", PutOptions::default(), chunks).await;
        assert_eq!(put.unwrap_err().to_string(), broken.to_string());
        assert_eq!(objects.get("k").await.unwrap().unwrap().data, b"old");
        assert_eq!(leftovers(folder.path()), 0);
    }
}

#[tokio::test]
async fn a_put_that_nobody_waits_for_any_more_leaves_nothing() {
    let (folder, objects) = with_object(b"old").await;
    let never = stream::iter([Ok(Bytes::from_static(b"new"))])
        .chain(stream::pending())
        .boxed();
    let put = objects.put_chunks("k", PutOptions::default(), never);
    let waited = tokio::time::timeout(std::time::Duration::from_millis(50), put).await;
    assert!(waited.is_err());
    assert_eq!(leftovers(folder.path()), 0);
    assert_eq!(objects.get("k").await.unwrap().unwrap().data, b"old");
}

#[tokio::test]
async fn a_reader_keeps_the_version_that_it_opened() {
    let (_folder, objects) = with_object(b"old version").await;
    let object = objects.open_object("k").await.unwrap().unwrap();
    objects
        .put("k", *b"new", PutOptions::default())
        .await
        .unwrap();
    let newer = objects.open_object("k").await.unwrap().unwrap();
    assert_ne!(object.version, newer.version);
    assert_eq!(read(object.into_chunks(0..u64::MAX)).await, b"old version");
    assert_eq!(read(newer.into_chunks(0..u64::MAX)).await, b"new");
}
