//! Objects.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::faults::{Faults, Operation, pause};
use crate::engine::object::{compare, measure};
use crate::engine::ports::{Blobs, Stat};
use crate::error::Result;
use crate::protocol::item::Blob;
use crate::protocol::text::Text;

#[derive(Debug, Default)]
struct Storage {
    objects: RefCell<BTreeMap<Text, Arc<[u8]>>>,
    puts: RefCell<Vec<Text>>,
    running: Cell<usize>,
    most_at_once: Cell<usize>,
}

/// A storage of objects. All clones are one storage.
#[derive(Debug, Clone, Default)]
pub struct MemoryBlobs {
    storage: Rc<Storage>,
    faults: Faults,
    puts_new: bool,
}

impl MemoryBlobs {
    /// An empty storage.
    pub fn new(faults: Faults) -> Self {
        Self {
            storage: Rc::default(),
            faults,
            puts_new: false,
        }
    }

    /// The same storage over a way with faults of its own.
    #[must_use]
    pub fn seen_through(&self, faults: Faults) -> Self {
        Self {
            storage: Rc::clone(&self.storage),
            faults,
            puts_new: self.puts_new,
        }
    }

    /// The same, which can store an object only if there is none under its key, or cannot.
    #[must_use]
    pub fn with_new_puts(self, puts_new: bool) -> Self {
        Self { puts_new, ..self }
    }

    /// Stores an object as the app does: at once.
    pub fn write(&self, key: &str, data: &[u8]) {
        self.insert(&Text::from(key), data.into());
    }

    fn insert(&self, key: &Text, data: Arc<[u8]>) {
        self.storage.objects.borrow_mut().insert(key.clone(), data);
    }

    /// Whether an object is there, without asking the plan.
    pub fn holds(&self, key: &Text) -> bool {
        self.storage.objects.borrow().contains_key(key)
    }

    /// Whether an object of that many bytes is there, without asking the plan.
    pub fn is_of_size(&self, key: &str, bytes: usize) -> bool {
        let objects = self.storage.objects.borrow();
        let found = objects.get(&Text::from(key));
        found.is_some_and(|data| data.len() == bytes)
    }

    /// Loses everything.
    pub fn wipe(&self) {
        self.storage.objects.borrow_mut().clear();
    }

    /// Loses one object.
    pub fn remove(&self, key: &str) {
        self.storage.objects.borrow_mut().remove(&Text::from(key));
    }

    /// Has a copy of each object of another storage.
    pub fn take_all_of(&self, other: &Self) {
        let objects = other.storage.objects.borrow().clone();
        self.storage.objects.borrow_mut().extend(objects);
    }

    /// The keys of what was put, in that order.
    pub fn puts(&self) -> Vec<Text> {
        self.storage.puts.borrow().clone()
    }

    /// How many puts were on their way at one time at most.
    pub fn most_at_once(&self) -> usize {
        self.storage.most_at_once.get()
    }
}

/// Counts a put for as long as it runs, also one that is dropped in the middle.
struct Running<'a>(&'a Storage);

impl<'a> Running<'a> {
    fn begin(storage: &'a Storage) -> Self {
        let now = storage.running.get() + 1;
        storage.running.set(now);
        let most = storage.most_at_once.get().max(now);
        storage.most_at_once.set(most);
        Self(storage)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
    }
}

impl Blobs for MemoryBlobs {
    type Data = Arc<[u8]>;

    async fn has(&self, key: &Text) -> Result<bool> {
        self.faults.meet(Operation::HasBlob, Some(key)).await?;
        let holds = self.holds(key);
        pause().await;
        Ok(holds)
    }

    async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        self.faults.meet(Operation::HasBlob, Some(key)).await?;
        let found = self.storage.objects.borrow().get(key).cloned();
        pause().await;
        Ok(found.map(|data| measure(&data)))
    }

    async fn inspect(&self, key: &Text) -> Result<Option<Stat>> {
        self.stat(key).await
    }

    async fn get(&self, key: &Text) -> Result<Option<Arc<[u8]>>> {
        self.faults.meet(Operation::GetBlob, Some(key)).await?;
        let found = self.storage.objects.borrow().get(key).cloned();
        pause().await;
        Ok(found)
    }

    async fn put(&self, blob: &Blob, data: Arc<[u8]>) -> Result<()> {
        let _running = Running::begin(&self.storage);
        self.faults
            .meet(Operation::PutBlob, Some(&blob.key))
            .await?;
        self.storage.puts.borrow_mut().push(blob.key.clone());
        self.insert(&blob.key, data);
        pause().await;
        Ok(())
    }

    fn puts_new(&self) -> bool {
        self.puts_new
    }

    async fn put_new(&self, blob: &Blob, data: Arc<[u8]>) -> Result<bool> {
        let _running = Running::begin(&self.storage);
        self.faults
            .meet(Operation::PutBlob, Some(&blob.key))
            .await?;
        let is_new = !self.holds(&blob.key);
        if is_new {
            self.storage.puts.borrow_mut().push(blob.key.clone());
            self.insert(&blob.key, data);
        }
        pause().await;
        Ok(is_new)
    }

    async fn checked(&self, blob: &Blob, hashed: bool, data: Arc<[u8]>) -> Result<Arc<[u8]>> {
        let found = measure(&data);
        let digest = found.digest.filter(|_| hashed);
        compare(blob, &Stat { digest, ..found }).map(|()| data)
    }
}
