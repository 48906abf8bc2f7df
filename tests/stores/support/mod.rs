//! What the tests of the stores share.
#![allow(dead_code, clippy::unwrap_used, clippy::needless_pass_by_value)]

pub mod dsql;
pub mod postgres;
pub mod rows;

use std::path::PathBuf;

use serde_json::{Value, json};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::{Item, ItemKind};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::Json;
use starkeep_sync_engine::store::RecordStore;
use starkeep_sync_engine::store::sqlite::{Options, SqliteRecords};
use tempfile::TempDir;

/// A table as apps of the first age have it, with their unique index.
pub const OLD_TABLE: &str = "
    CREATE TABLE shared_records (
      id TEXT PRIMARY KEY, type TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
      owner_id TEXT NOT NULL, deleted_at TEXT, version INTEGER NOT NULL DEFAULT 1,
      content_hash TEXT NOT NULL, object_storage_key TEXT NOT NULL, mime_type TEXT NOT NULL,
      size_bytes INTEGER NOT NULL, original_filename TEXT, origin_app_id TEXT NOT NULL, parent_id TEXT);
    CREATE UNIQUE INDEX no_duplicates ON shared_records (owner_id, original_filename, content_hash)
      WHERE deleted_at IS NULL AND original_filename IS NOT NULL;";

/// A table as apps of the second age have it.
pub const NEW_TABLE: &str = "
    CREATE TABLE shared_records (
      id TEXT PRIMARY KEY, type TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
      node_id TEXT NOT NULL, deleted_at TEXT, version INTEGER NOT NULL DEFAULT 1,
      content_hash TEXT NOT NULL, object_storage_key TEXT NOT NULL, mime_type TEXT,
      size_bytes INTEGER NOT NULL, original_filename TEXT, origin_app_id TEXT NOT NULL, parent_id TEXT,
      label TEXT);
    CREATE INDEX app_index ON shared_records (node_id, updated_at);";

pub struct Home {
    folder: TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    /// A home in which an app has left this schema.
    pub fn of_an_app(schema: &str) -> Self {
        let home = Self::new();
        home.sql(schema);
        home
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("records.db")
    }

    /// Runs SQL on the file while no store has it open.
    pub fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.path())
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }

    pub fn records(&self) -> SqliteRecords {
        SqliteRecords::open(&self.path(), Options::default()).unwrap()
    }
}

pub fn at(wall: u64, counter: u64, node: &str) -> Hlc {
    Hlc::new(wall, counter, Text::from(node))
}

/// A record with every field of either age but the owner and the label.
pub fn record(id: &str, hlc: &Hlc) -> Value {
    json!({
        "id": id, "kind": "data", "type": "photo",
        "createdAt": { "wallTime": 1, "counter": 0, "nodeId": "creator" }, "updatedAt": hlc,
        "deletedAt": null, "version": 1, "contentHash": format!("hash of {id}"),
        "objectStorageKey": format!("photos/{id}"), "mimeType": "image/jpeg", "sizeBytes": 5,
        "originalFilename": format!("{id}.jpg"), "originAppId": "photos", "parentId": null,
    })
}

/// The record with these fields instead, or without them where the value is a null in a list.
pub fn with(mut record: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        let fields = record.as_object_mut().unwrap();
        if *value == json!([null]) {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    record
}

pub fn text(record: &Value) -> Json {
    record.to_string().into()
}

pub fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

pub fn item(id: &str, hlc: &Hlc) -> Item<Json> {
    item_of(&record(id, hlc))
}

pub fn item_of(record: &Value) -> Item<Json> {
    Item {
        hlc: serde_json::from_value(record["updatedAt"].clone()).unwrap(),
        kind: ItemKind::Record(Text::from(record["id"].as_str().unwrap())),
        blob: None,
        body: text(record),
        fault: None,
    }
}

pub async fn get(records: &SqliteRecords, id: &str) -> Option<Value> {
    records.get(id).await.unwrap().map(|json| value(&json))
}
