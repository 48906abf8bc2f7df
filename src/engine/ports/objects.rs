//! Storages of objects.

use crate::engine::watch::ByteCounter;
use crate::error::Result;
use crate::protocol::item::{Blob, Digest};
use crate::protocol::text::Text;

/// What a storage says of an object that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stat {
    /// How many bytes it has, if the storage knows.
    pub size: Option<u64>,
    /// The SHA-256 of its bytes, if the storage knows.
    pub digest: Option<Digest>,
    /// It is a web page, and the server does not say that it speaks the protocol.
    pub is_page: bool,
    /// When it was put, in milliseconds since the epoch, if the storage knows. A round does not ask for it.
    pub modified_ms: Option<u64>,
}

/// A storage of objects.
pub trait Blobs {
    /// An object's bytes, or a way to them.
    type Data;
    /// Whether the object is there.
    async fn has(&self, key: &Text) -> Result<bool>;
    /// What is known of the object without reading it, if it is there.
    async fn stat(&self, key: &Text) -> Result<Option<Stat>>;
    /// The same, but what is not known without reading the object is found by reading it.
    async fn inspect(&self, key: &Text) -> Result<Option<Stat>>;
    /// The object, if it is there.
    async fn get(&self, key: &Text) -> Result<Option<Self::Data>>;
    /// The object of an item, if it is there. What is not what the item says need not be read to its end.
    async fn fetch(&self, blob: &Blob) -> Result<Option<Self::Data>> {
        self.get(&blob.key).await
    }
    /// The same object, whose bytes are counted on their way to where it is stored.
    fn counted(&self, data: Self::Data, _counter: &ByteCounter) -> Self::Data {
        data
    }
    /// Stores the object. It replaces the one under the same key.
    async fn put(&self, blob: &Blob, data: Self::Data) -> Result<()>;
    /// Whether many small objects may be on their way to or from it at one time.
    fn takes_many(&self) -> bool {
        false
    }
    /// Whether [`put_new`](Self::put_new) spares the look at what is there.
    fn puts_new(&self) -> bool {
        false
    }
    /// Stores the object if none is under its key. Returns whether none was. Asked only of a storage that
    /// [`puts_new`](Self::puts_new).
    async fn put_new(&self, blob: &Blob, data: Self::Data) -> Result<bool> {
        self.put(blob, data).await.map(|()| true)
    }
    /// The same object, which cannot be stored if it is not what `blob` says it is: in size, and, if
    /// `hashed`, in its hash. Either this fails, or the bytes end in an error.
    async fn checked(&self, blob: &Blob, hashed: bool, data: Self::Data) -> Result<Self::Data>;
}
