//! Storages of objects.

use starkeep_sync_engine::engine::object::measure;
use starkeep_sync_engine::engine::ports::{Blobs, Stat};
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::item::{Blob, Digest};
use starkeep_sync_engine::protocol::text::Text;

use crate::run;
use crate::shelf::{Bytesful, OfBlobs, every_storage};

fn blob(key: &Text) -> Blob {
    Blob {
        key: key.clone(),
        mime_type: Some(Text::from("text/plain")),
        digest: None,
        size: None,
    }
}

struct Kept;

impl OfBlobs for Kept {
    async fn check<B: Blobs>(&self, name: &str, blobs: &B, bytes: &Bytesful<B::Data>) {
        let keys = [
            "a",
            "a b",
            "deep/er/é 🪐",
            "sha256:abc",
            "__proto__",
            ".hidden",
        ]
        .map(Text::from);
        for key in &keys {
            assert!(!blobs.has(key).await.unwrap(), "{name}");
            assert!(blobs.get(key).await.unwrap().is_none(), "{name}");
            for data in [&b"first, and longer"[..], b"second", b""] {
                blobs.put(&blob(key), (bytes.of)(data)).await.unwrap();
                assert!(blobs.has(key).await.unwrap(), "{name}");
                let found = blobs.get(key).await.unwrap().unwrap();
                assert_eq!((bytes.all)(found).await.unwrap(), data, "{name}");
            }
        }
    }
}

#[test]
fn an_object_is_there_as_it_was_put_last() {
    run(every_storage(&Kept));
}

struct Checked;

impl OfBlobs for Checked {
    async fn check<B: Blobs>(&self, name: &str, blobs: &B, bytes: &Bytesful<B::Data>) {
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let key = Blob {
            digest: Digest::parse(of_abc),
            ..blob(&Text::from("k"))
        };
        let right = blobs.checked(&key, true, (bytes.of)(b"abc")).await.unwrap();
        blobs.put(&key, right).await.unwrap();
        let refused = match blobs.checked(&key, true, (bytes.of)(b"abd")).await {
            Ok(wrong) => blobs.put(&key, wrong).await.unwrap_err(),
            Err(refused) => refused,
        };
        assert_eq!(refused.kind(), ErrorKind::HashMismatch, "{name}");
        let stands = blobs.get(&key.key).await.unwrap().unwrap();
        assert_eq!((bytes.all)(stands).await.unwrap(), b"abc", "{name}");
    }
}

#[test]
fn bytes_that_are_not_those_of_their_digest_are_not_stored() {
    run(every_storage(&Checked));
}

struct Told;

impl OfBlobs for Told {
    async fn check<B: Blobs>(&self, name: &str, blobs: &B, bytes: &Bytesful<B::Data>) {
        let key = Text::from("k");
        assert_eq!(blobs.stat(&key).await.unwrap(), None, "{name}");
        assert_eq!(blobs.inspect(&key).await.unwrap(), None, "{name}");
        for data in [&b"first, and longer"[..], b"abc"] {
            blobs.put(&blob(&key), (bytes.of)(data)).await.unwrap();
            // When it was written is what a folder alone can say.
            let undated = |stat: Option<Stat>| {
                stat.map(|stat| Stat {
                    modified_ms: None,
                    ..stat
                })
            };
            let told = undated(blobs.stat(&key).await.unwrap());
            assert_eq!(told, Some(measure(data)), "{name}");
            assert_eq!(undated(blobs.inspect(&key).await.unwrap()), told, "{name}");
        }
    }
}

#[test]
fn a_storage_tells_the_size_and_the_hash_of_what_was_put_last() {
    run(every_storage(&Told));
}

struct Sized;

impl OfBlobs for Sized {
    async fn check<B: Blobs>(&self, name: &str, blobs: &B, bytes: &Bytesful<B::Data>) {
        let key = Blob {
            size: Some(3),
            ..blob(&Text::from("k"))
        };
        for wrong in [&b"ab"[..], b"abcd", b"", b"abcdefghi"] {
            let refused = match blobs.checked(&key, false, (bytes.of)(wrong)).await {
                Ok(wrong) => blobs.put(&key, wrong).await.unwrap_err(),
                Err(refused) => refused,
            };
            assert_eq!(refused.kind(), ErrorKind::SizeMismatch, "{name}");
            assert!(!blobs.has(&key.key).await.unwrap(), "{name}");
        }
        let right = blobs.checked(&key, false, (bytes.of)(b"abc")).await;
        blobs.put(&key, right.unwrap()).await.unwrap();
        assert!(blobs.has(&key.key).await.unwrap(), "{name}");
    }
}

#[test]
fn bytes_that_are_more_or_fewer_than_said_are_not_stored() {
    run(every_storage(&Sized));
}

struct Keys;

impl OfBlobs for Keys {
    async fn check<B: Blobs>(&self, name: &str, blobs: &B, bytes: &Bytesful<B::Data>) {
        for key in [
            Text::from(""),
            Text::from(".."),
            Text::from_units(&[0x61, 0xD800]),
        ] {
            let put = blobs.put(&blob(&key), (bytes.of)(b"x")).await;
            if bytes.takes_any_key {
                assert!(put.is_ok() && blobs.has(&key).await.unwrap(), "{name}");
                continue;
            }
            let refused = [
                put.unwrap_err(),
                blobs.has(&key).await.unwrap_err(),
                blobs.get(&key).await.err().unwrap(),
            ];
            for error in refused {
                assert_eq!(error.kind(), ErrorKind::InvalidKey, "{name}: {key:?}");
            }
        }
    }
}

#[test]
fn a_key_that_the_storage_cannot_hold_is_a_wrong_key_in_every_call() {
    run(every_storage(&Keys));
}
