//! Sides that are made of native stores alone, exchanging in one process.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};
use starkeep_sync_engine::engine::ports::{Events, Exchange, Side};
use starkeep_sync_engine::engine::responder::Responder;
use starkeep_sync_engine::engine::round::{Engine, Report, RoundOptions};
use starkeep_sync_engine::engine::watch::Watch;
use starkeep_sync_engine::error::Result;
use starkeep_sync_engine::protocol::hlc::{ClockState, Hlc};
use starkeep_sync_engine::protocol::item::{FILE_RECORDS_TABLE, Item, ItemKind, Table};
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::Json;
use starkeep_sync_engine::store::clock::SharedClock;
use starkeep_sync_engine::store::fs::FsObjects;
use starkeep_sync_engine::store::ports::{Here, ObjectPort, Port, StatePort};
use starkeep_sync_engine::store::query::Query;
use starkeep_sync_engine::store::side::{NativeSide, Traced};
use starkeep_sync_engine::store::sqlite::{Options, SqliteAppRows, SqliteRecords, SqliteState};
use starkeep_sync_engine::store::{AppRowStore, RecordStore, Registration, TableSpec};
use starkeep_sync_engine::store::{ObjectStore, PutOptions};
use tempfile::TempDir;

/// A responder that is called where it stands.
struct Wire(Arc<Mutex<Responder<NativeSide>>>);

impl Exchange<Json> for Wire {
    async fn exchange(&self, request: Request<Json>) -> Result<Answer<Json>> {
        let hub = Arc::clone(&self.0);
        let runtime = tokio::runtime::Handle::current();
        let answer = tokio::task::spawn_blocking(move || {
            let hub = hub.lock().unwrap();
            runtime.block_on(hub.answer(request))
        });
        answer.await.unwrap()
    }
}

struct Nobody;

impl Events for Nobody {
    async fn records_applied(&self, _: Vec<Text>) -> Result<()> {
        Ok(())
    }
}

/// A device or a hub: everything in one file and one folder.
struct Node {
    side: NativeSide,
    objects: Arc<dyn ObjectStore>,
    state: SqliteState,
    _folder: TempDir,
}

impl Node {
    async fn new(name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let (side, objects, state) = open(name, folder.path());
        let registration = Registration {
            tables: vec![TableSpec {
                name: "pages".to_owned(),
                pk_columns: vec!["id".to_owned()],
                columns: vec!["title".to_owned()],
            }],
            files_enabled: true,
        };
        let rows = &side.rows.as_ref().unwrap().store;
        rows.register("Notes-App", registration).await.unwrap();
        Self {
            side,
            objects,
            state,
            _folder: folder,
        }
    }

    fn engine(
        &self,
        hub: &Self,
        wire: &Arc<Mutex<Responder<NativeSide>>>,
        page_limit: usize,
    ) -> Engine<NativeSide, ObjectPort, Wire, StatePort<Here, Traced>, Nobody> {
        Engine {
            side: self.side.clone(),
            local: Port::here(Arc::clone(&self.objects)),
            remote: Port::here(Arc::clone(&hub.objects)),
            peer: Wire(Arc::clone(wire)),
            state: Some(StatePort {
                port: Port::here(Arc::new(self.state.clone())),
                log: Traced,
            }),
            events: Nobody,
            options: RoundOptions {
                page_limit,
                ..RoundOptions::default()
            },
            sweep: RefCell::default(),
            session: RefCell::default(),
            watch: Watch::default(),
        }
    }

    fn records(&self) -> &dyn RecordStore {
        &*self.side.records.as_ref().unwrap().store
    }

    fn rows(&self) -> &dyn AppRowStore {
        &*self.side.rows.as_ref().unwrap().store
    }

    /// Writes as an app does: stamped by the clock that the engine uses.
    async fn write_record(&self, id: &str, object: Option<&str>) {
        let hlc = self.side.clock.now();
        let key = object.map(|object| format!("photos/{object}"));
        if let Some(key) = &key {
            let put = self.objects.put(
                key,
                Bytes::copy_from_slice(id.as_bytes()),
                PutOptions::default(),
            );
            put.await.unwrap();
        }
        let record = json!({
            "id": id, "kind": "data", "type": "photo", "createdAt": hlc, "updatedAt": hlc,
            "deletedAt": null, "version": 1, "contentHash": "", "sizeBytes": id.len(),
            "objectStorageKey": key.unwrap_or_default(), "mimeType": "image/jpeg",
            "originalFilename": null, "originAppId": "a", "parentId": null, "unknown": [1, null],
        });
        self.records().put(record.to_string().into()).await.unwrap();
    }

    async fn write_row(&self, table: &str, op: &str, mut row: Value) {
        let hlc = self.side.clock.now();
        row["updated_at"] = json!(hlc.to_string());
        let entry = json!({
            "timestamp": hlc, "appId": "Notes-App", "table": table, "op": op, "row": row,
            "where": { "id": row["id"] },
        });
        self.rows().apply(item(&entry)).await.unwrap();
    }

    /// Everything that the node holds, by name.
    async fn holds(&self) -> BTreeMap<String, Value> {
        let mut held = BTreeMap::new();
        let all = self.records().query(Query::default()).await.unwrap();
        for record in all.records {
            let record: Value = serde_json::from_str(&record).unwrap();
            held.insert(format!("record {}", record["id"]), record);
        }
        for name in ["pages", FILE_RECORDS_TABLE] {
            let table = table(name);
            let scan = self.rows().scan(&table, Hlc::zero(), usize::MAX);
            for item in scan.await.unwrap().0 {
                let entry: Value = serde_json::from_str(&item.body).unwrap();
                held.insert(format!("{name} {}", entry["row"]["id"]), entry);
            }
        }
        for key in self.objects.list("", None, None).await.unwrap().keys {
            let object = self.objects.get(&key).await.unwrap().unwrap();
            held.insert(format!("object {key}"), json!(object.data));
        }
        held
    }
}

fn open(name: &str, folder: &Path) -> (NativeSide, Arc<dyn ObjectStore>, SqliteState) {
    let file = folder.join("data.db");
    let records = SqliteRecords::open(&file, Options::default()).unwrap();
    let rows = SqliteAppRows::open(&file, Options::default()).unwrap();
    let side = NativeSide {
        records: Some(Port::here(Arc::new(records))),
        rows: Some(Port::here(Arc::new(rows))),
        clock: SharedClock::new(Text::from(name), ClockState::default()),
        log: Traced,
    };
    let state = SqliteState::open(&file, Options::default()).unwrap();
    let objects = FsObjects::open(&folder.join("objects")).unwrap();
    (side, Arc::new(objects), state)
}

fn table(name: &str) -> Table {
    Table {
        app: Text::from("Notes-App"),
        name: Text::from(name),
    }
}

fn item(entry: &Value) -> Item<Json> {
    Item {
        hlc: serde_json::from_value(entry["timestamp"].clone()).unwrap(),
        kind: ItemKind::Row(table(entry["table"].as_str().unwrap())),
        blob: None,
        body: entry.to_string().into(),
        fault: None,
    }
}

fn responder(hub: &Node) -> Arc<Mutex<Responder<NativeSide>>> {
    Arc::new(Mutex::new(Responder::new(
        hub.side.clone(),
        RoundOptions::default().max_clock_skew_ms,
    )))
}

/// Rounds until neither side has more; what all of them did.
async fn sync(
    engine: &Engine<NativeSide, ObjectPort, Wire, StatePort<Here, Traced>, Nobody>,
) -> Vec<Report<Json>> {
    let mut reports = Vec::new();
    for _ in 0..100 {
        let report = engine.round().await.unwrap();
        let more = report.has_more;
        reports.push(report);
        if !more {
            return reports;
        }
    }
    panic!("a hundred rounds and still more");
}

#[test]
fn a_native_responder_can_be_moved_between_threads() {
    fn moves<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    moves::<Responder<NativeSide>>();
    moves::<Engine<NativeSide, ObjectPort, Wire, StatePort<Here, Traced>, Nobody>>();
    is_shared::<NativeSide>();
    is_shared::<Arc<Mutex<Responder<NativeSide>>>>();
}

#[tokio::test]
async fn two_devices_and_a_hub_end_equal() {
    for page_limit in [1, 3, 1000] {
        let (one, two, hub) = (
            Node::new("one").await,
            Node::new("two").await,
            Node::new("hub").await,
        );
        for number in 0..5 {
            let id = format!("one{number}");
            one.write_record(&id, Some(&id)).await;
            one.write_row(
                "pages",
                "insert",
                json!({ "id": id, "title": number, "more": { "a": [true] } }),
            )
            .await;
            two.write_record(&format!("two{number}"), None).await;
        }
        let file = json!({
            "id": "f", "object_storage_key": "files/f", "mime_type": "text/plain", "size_bytes": 4,
        });
        two.objects
            .put(
                "files/f",
                Bytes::from_static(b"file"),
                PutOptions::default(),
            )
            .await
            .unwrap();
        two.write_row(FILE_RECORDS_TABLE, "insert", file).await;
        let wire = responder(&hub);
        let engines = [
            one.engine(&hub, &wire, page_limit),
            two.engine(&hub, &wire, page_limit),
        ];
        for engine in [&engines[0], &engines[1], &engines[0]] {
            for report in sync(engine).await {
                assert!(report.held.is_empty(), "{:?}", report.held);
            }
        }
        assert_eq!(hub.holds().await.len(), 5 * 4 + 2);
        assert_eq!(one.holds().await, hub.holds().await);
        assert_eq!(two.holds().await, hub.holds().await);

        two.write_row(
            "pages",
            "update",
            json!({ "id": "one1", "title": "changed by two" }),
        )
        .await;
        one.write_row("pages", "delete", json!({ "id": "one2" }))
            .await;
        for engine in [&engines[0], &engines[1], &engines[0]] {
            sync(engine).await;
        }
        let held = hub.holds().await;
        let changed = &held["pages \"one1\""];
        assert_eq!(changed["op"], json!("insert"));
        assert_eq!(changed["row"]["title"], json!("changed by two"));
        assert_eq!(changed["row"]["more"], json!({ "a": [true] }));
        assert_eq!(held["pages \"one2\""]["op"], json!("delete"));
        assert_eq!(one.holds().await, held);
        assert_eq!(two.holds().await, held);
        assert_eq!(sync(&engines[0]).await[0].shipped, 0);
    }
}

#[tokio::test]
async fn a_row_of_an_app_that_the_hub_does_not_know_waits_alone_and_lands_once_it_does() {
    let (device, hub) = (Node::new("device").await, Node::new("hub").await);
    let other = || Registration {
        tables: vec![TableSpec {
            name: "pages".to_owned(),
            pk_columns: vec!["id".to_owned()],
            columns: Vec::new(),
        }],
        files_enabled: false,
    };
    device.rows().register("other", other()).await.unwrap();
    let hlc = device.side.clock.now();
    let entry = json!({
        "timestamp": hlc, "appId": "other", "table": "pages", "op": "insert", "row": { "id": 1 },
    });
    let mut row = item(&entry);
    let name = Table {
        app: Text::from("other"),
        name: Text::from("pages"),
    };
    row.kind = ItemKind::Row(name.clone());
    device.rows().apply(row).await.unwrap();
    device.write_record("later", None).await;

    let engine = device.engine(&hub, &responder(&hub), 1000);
    let reports = sync(&engine).await;
    assert_eq!(reports.last().unwrap().held.len(), 1);
    assert_eq!(hub.holds().await.len(), 1, "the record was written later");

    hub.rows().register("other", other()).await.unwrap();
    assert!(sync(&engine).await.last().unwrap().held.is_empty());
    let scan = hub.rows().scan(&name, Hlc::zero(), 10).await.unwrap();
    assert_eq!(scan.0.len(), 1);
    assert_eq!(hub.holds().await, device.holds().await);
}

#[tokio::test]
async fn a_clock_that_native_sides_share_stamps_after_everything_that_they_heard() {
    let (device, hub) = (Node::new("device").await, Node::new("hub").await);
    let ahead = SharedClock::new(Text::from("ahead"), ClockState::default());
    let later = ahead.tick_at(device.side.clock.now().wall_time + 60_000);
    let mut record = json!({ "id": "r", "type": "t", "objectStorageKey": "" });
    record["createdAt"] = json!(later);
    record["updatedAt"] = json!(later);
    hub.records().put(record.to_string().into()).await.unwrap();
    let clock = device.side.clock().clone();
    sync(&device.engine(&hub, &responder(&hub), 1000)).await;
    assert!(clock.now() > later);
}
