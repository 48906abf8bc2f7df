//! Laptops with their records in SQLite, and servers over one database.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;
use starkeep_sync_engine::engine::ports::{Events, Exchange, Side};
use starkeep_sync_engine::engine::responder::Responder;
use starkeep_sync_engine::engine::round::{Engine, Report, RoundOptions};
use starkeep_sync_engine::engine::watch::Watch;
use starkeep_sync_engine::error::Result;
use starkeep_sync_engine::protocol::hlc::{ClockState, Hlc};
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::clock::SharedClock;
use starkeep_sync_engine::store::fs::FsObjects;
use starkeep_sync_engine::store::ports::{Here, ObjectPort, Port, StatePort};
use starkeep_sync_engine::store::postgres::{PasswordSource, PostgresAppRows, PostgresOptions};
use starkeep_sync_engine::store::query::Query;
use starkeep_sync_engine::store::side::{NativeSide, Traced};
use starkeep_sync_engine::store::sqlite::{Options, SqliteAppRows, SqliteRecords, SqliteState};
use starkeep_sync_engine::store::{AppRowStore, Json, RecordStore, Registration, TableSpec};
use starkeep_sync_engine::transport::client::Connections;
use tempfile::TempDir;

use crate::log::{assert_true, begun, insert, other_program};
use crate::support::at;
use crate::support::postgres::{in_each, records, shared};
use crate::support::rows;

type Server = Arc<Mutex<Responder<NativeSide>>>;

/// Servers that are asked in turn.
struct InTurn(Vec<Server>, RefCell<usize>);

impl Exchange<Json> for InTurn {
    async fn exchange(&self, request: Request<Json>) -> Result<Answer<Json>> {
        let turn = self.1.replace_with(|turn| *turn + 1) % self.0.len();
        let server = Arc::clone(&self.0[turn]);
        let runtime = tokio::runtime::Handle::current();
        let answer = tokio::task::spawn_blocking(move || {
            let server = server.lock().unwrap();
            runtime.block_on(server.answer(request))
        });
        answer.await.unwrap()
    }
}

struct NoEvents;

impl Events for NoEvents {
    async fn records_applied(&self, _: Vec<Text>) -> Result<()> {
        Ok(())
    }
}

type Rounds = Engine<NativeSide, ObjectPort, InTurn, StatePort<Here, Traced>, NoEvents>;

fn side(name: &str, records: Arc<dyn RecordStore>, rows: Arc<dyn AppRowStore>) -> NativeSide {
    NativeSide {
        records: Some(Port::here(records)),
        rows: Some(Port::here(rows)),
        clock: SharedClock::new(Text::from(name), ClockState::default()),
        log: Traced,
    }
}

fn server(name: &str, options: &PostgresOptions) -> Server {
    let (records, rows) = (Arc::new(records(options)), Arc::new(app_rows(options)));
    Arc::new(Mutex::new(Responder::new(side(name, records, rows), None)))
}

struct Laptop {
    rounds: Rounds,
    records: Arc<SqliteRecords>,
    rows: Arc<SqliteAppRows>,
    app: String,
    folder: TempDir,
}

impl Laptop {
    async fn new(name: &str, app: &str, servers: &[Server]) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("data.db");
        let records = Arc::new(SqliteRecords::open(&file, Options::default()).unwrap());
        let objects =
            || Port::here(Arc::new(FsObjects::open(&folder.path().join("objects")).unwrap()) as _);
        let rows = Arc::new(SqliteAppRows::open(&file, Options::default()).unwrap());
        rows.register(app, pages()).await.unwrap();
        let state = SqliteState::open(&file, Options::default()).unwrap();
        let rounds = Engine {
            side: side(name, Arc::clone(&records) as _, Arc::clone(&rows) as _),
            local: objects(),
            remote: objects(),
            peer: InTurn(servers.to_vec(), RefCell::default()),
            state: Some(StatePort {
                port: Port::here(Arc::new(state)),
                log: Traced,
            }),
            events: NoEvents,
            options: RoundOptions {
                page_limit: 4,
                ..RoundOptions::default()
            },
            sweep: RefCell::default(),
            session: RefCell::default(),
            watch: Watch::default(),
        };
        let app = app.to_owned();
        Self {
            rounds,
            records,
            rows,
            app,
            folder,
        }
    }

    async fn write(&self, id: &str) {
        let hlc = self.rounds.side.clock().now();
        let record = json!({
            "id": id, "kind": "data", "type": "note", "createdAt": hlc, "updatedAt": hlc, "deletedAt": null,
            "version": 1, "contentHash": "", "sizeBytes": 0, "objectStorageKey": "", "mimeType": "text/plain",
            "originalFilename": null, "originAppId": "a", "parentId": null, "unknown": [1, null],
        });
        self.records.put(record.to_string().into()).await.unwrap();
        let hlc = self.rounds.side.clock().now();
        let row = json!({ "id": id, "part": "a,b%", "title": hlc.to_string(), "updated_at": hlc.to_string() });
        let table = rows::table(&self.app, "pages");
        let entry = rows::entry(&table, "insert", &hlc, row, json!(null));
        self.rows.apply(entry).await.unwrap();
    }

    /// Rounds until neither side has more; the last report, and how much was moved.
    async fn sync(&self) -> (Report<Json>, usize, usize) {
        let (mut shipped, mut applied) = (0, 0);
        for _ in 0..200 {
            let report = self.rounds.round().await.unwrap();
            assert!(report.held.is_empty(), "{:?}", report.held);
            shipped += report.shipped;
            applied += report.applied;
            if !report.has_more {
                return (report, shipped, applied);
            }
        }
        panic!("two hundred rounds and still more");
    }

    async fn holds(&self) -> BTreeMap<String, String> {
        let all = self.records.query(Query::default()).await.unwrap().records;
        let all = all.iter().map(|record| crate::support::value(record));
        let mut held: BTreeMap<_, _> = all
            .map(|record| (record["id"].to_string(), record.to_string()))
            .collect();
        let table = rows::table(&self.app, "pages");
        for item in self
            .rows
            .scan(&table, Hlc::zero(), usize::MAX)
            .await
            .unwrap()
            .0
        {
            let row = crate::support::value(&item.body)["row"].clone();
            held.insert(
                format!("row {}", row["id"]),
                format!("{} {}", row["title"], row["part"]),
            );
        }
        held
    }
}

fn pages() -> Registration {
    Registration {
        tables: vec![TableSpec {
            name: "pages".to_owned(),
            pk_columns: vec!["id".to_owned(), "part".to_owned()],
            columns: vec!["title".to_owned()],
        }],
        files_enabled: false,
    }
}

fn app_rows(options: &PostgresOptions) -> PostgresAppRows {
    let tls = Arc::new(Connections::default());
    PostgresAppRows::open(options, PasswordSource::OfString, tls).unwrap()
}

/// What another program writes may go unnoticed for a second.
async fn noticed() {
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn laptops_and_servers_over_one_database_end_equal() {
    let Some(postgres) = shared() else { return };
    let (options, records, other) = begun(postgres).await;
    let schema = &options.schema;
    let further = PostgresOptions {
        max: options.max + 1,
        ..options.clone()
    };
    let servers = [server("cloud-1", &options), server("cloud-2", &further)];
    let app = format!("notes-{schema}");
    app_rows(&options).register(&app, pages()).await.unwrap();
    let (one, two) = (
        Laptop::new("one", &app, &servers).await,
        Laptop::new("two", &app, &servers).await,
    );
    for number in 0..10 {
        one.write(&format!("one{number}")).await;
        two.write(&format!("two{number}")).await;
    }
    // A program that knows no log, whose transaction stays open.
    let hlc = at(1_700_000_000_000, 0, "lambda");
    other
        .batch_execute(&format!("BEGIN; {}", insert(schema, "lambda", &hlc)))
        .await
        .unwrap();
    assert_eq!(one.sync().await.1, 20);
    let (_, shipped, applied) = two.sync().await;
    assert_eq!((shipped, applied), (20, 10));
    let (report, shipped, applied) = one.sync().await;
    assert_eq!(
        (report.in_sync, shipped, applied),
        (Some(true), 0, 10),
        "nothing comes back to where it is from"
    );
    other.batch_execute("COMMIT").await.unwrap();
    noticed().await;
    for laptop in [&one, &two] {
        let (report, shipped, applied) = laptop.sync().await;
        assert_eq!((report.in_sync, shipped, applied), (Some(true), 0, 1));
    }
    assert_eq!(one.holds().await.len(), 41);
    assert_eq!(one.holds().await, two.holds().await);
    // A row that is removed by hand is found by the digests, and comes back.
    let remove = format!("DELETE FROM {schema}.records WHERE id = 'one3'");
    other.batch_execute(&remove).await.unwrap();
    noticed().await;
    one.sync().await;
    let (report, ..) = one.sync().await;
    assert_eq!(report.in_sync, Some(true));
    assert_eq!(assert_true(&other, schema, &records).await.items.len(), 21);
    assert!(one.folder.path().exists() && two.folder.path().exists());
}

#[tokio::test]
async fn laptops_that_write_all_at_once_lose_nothing() {
    let Some(postgres) = shared() else { return };
    in_each(postgres, async |options| {
        let records = records(&options);
        records.init().await.unwrap();
        let other = other_program(postgres).await;
        let further = PostgresOptions {
            max: options.max + 1,
            ..options.clone()
        };
        let servers = [server("cloud-1", &options), server("cloud-2", &further)];
        let app = format!("notes-{}", options.schema);
        app_rows(&options).register(&app, pages()).await.unwrap();
        let mut laptops = Vec::new();
        for name in ["one", "two", "three"] {
            laptops.push(Laptop::new(name, &app, &servers).await);
        }
        let work = laptops.iter().enumerate().map(|(at, laptop)| async move {
            for number in 0..12 {
                laptop.write(&format!("{at}-{number}")).await;
                laptop.write("shared").await;
                laptop.sync().await;
            }
        });
        futures_util::future::join_all(work).await;
        for laptop in laptops.iter().chain(&laptops) {
            laptop.sync().await;
        }
        for laptop in &laptops {
            let (report, shipped, applied) = laptop.sync().await;
            assert_eq!((report.in_sync, shipped, applied), (Some(true), 0, 0));
            assert_eq!(laptop.holds().await, laptops[0].holds().await);
        }
        assert_eq!(
            assert_true(&other, &options.schema, &records)
                .await
                .items
                .len(),
            37
        );
    })
    .await;
}
