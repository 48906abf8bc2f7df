//! Callers with nothing to do cost a database nothing, and hear of what others write after a second at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use starkeep_sync_engine::engine::ports::Clock;
use starkeep_sync_engine::engine::purge::{Purge, Reason};
use starkeep_sync_engine::engine::responder::Responder;
use starkeep_sync_engine::error::Result;
use starkeep_sync_engine::protocol::hlc::{ClockState, Hlc};
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::protocol::wire::{read_request, write_answer};
use starkeep_sync_engine::store::clock::SharedClock;
use starkeep_sync_engine::store::ports::Port;
use starkeep_sync_engine::store::postgres::{PostgresOptions, PostgresRecords};
use starkeep_sync_engine::store::side::{NativeSide, Traced};
use starkeep_sync_engine::store::{Json, LogStore, Operation, RecordStore};
use tokio_postgres::Client;

use crate::log::insert;
use crate::support::postgres::{app_rows, database, records, shared, url_of};
use crate::support::{at, item, record, text};

/// A clock whose system time is what the test says.
#[derive(Clone)]
struct Still {
    hybrid: SharedClock,
    now_ms: Arc<AtomicU64>,
}

impl Clock for Still {
    async fn receive(&self, remote: &Hlc) -> Result<()> {
        self.hybrid.receive(remote).await
    }

    fn app_ms(&self) -> u64 {
        self.system_ms()
    }

    fn system_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }
}

/// A server over a database of its own, and a program that knows nothing of logs.
struct Server {
    answering: Responder<NativeSide<Traced, Still>>,
    now_ms: Arc<AtomicU64>,
    options: PostgresOptions,
    other: Client,
    records: Arc<PostgresRecords>,
}

impl Server {
    async fn new() -> Option<Self> {
        let options = database(shared()?).await;
        let now_ms = Arc::new(AtomicU64::new(1_700_000_000_000));
        let clock = Still {
            hybrid: SharedClock::new(Text::from("cloud"), ClockState::default()),
            now_ms: Arc::clone(&now_ms),
        };
        let url = url_of(&options);
        let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
        let (other, connection) = connected.unwrap();
        tokio::spawn(connection);
        let records = Arc::new(records(&options));
        let side = NativeSide {
            records: Some(Port::here(Arc::clone(&records) as _)),
            rows: Some(Port::here(Arc::new(app_rows(&options)) as _)),
            clock,
            log: Traced,
        };
        Some(Self {
            answering: Responder::new(side, None),
            now_ms,
            options,
            other,
            records,
        })
    }

    fn wait(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// When the stores asked the database last, and how many connections they have.
    async fn last_query(&self) -> (String, i64) {
        let last = "SELECT max(query_start)::text, count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let row = self.other.query_one(last, &[]).await.unwrap();
        (row.get(0), row.get(1))
    }

    async fn write_elsewhere(&self, id: &str, time: &Hlc) {
        let insert = insert(&self.options.schema, id, time);
        self.other.batch_execute(&insert).await.unwrap();
    }
}

/// A caller with a log of its own, in which nothing was written.
struct Caller {
    generation: String,
    cursors: [Value; 2],
    have: [Value; 2],
    streams: Value,
    /// What it holds, and what of it is alive: what the server holds.
    digests: [Value; 2],
    is_known: bool,
    /// Where the log of the records ended, by another server.
    presumes: Option<String>,
}

impl Caller {
    /// One that has taken in all that there is.
    async fn new(server: &Server, number: usize) -> Self {
        let mut caller = Self::unknown(number);
        for _ in 0..3 {
            caller.ask(server).await;
        }
        caller
    }

    /// One that has asked for nothing yet.
    fn unknown(number: usize) -> Self {
        Self {
            generation: format!("caller{number}"),
            cursors: [Value::Null, Value::Null],
            have: [json!(0), json!(0)],
            streams: json!(0),
            digests: [Value::Null, Value::Null],
            is_known: false,
            presumes: None,
        }
    }

    fn request(&self) -> Request<Json> {
        let plane = |of: usize| {
            let position = format!("{}p{of}.1", self.generation);
            let (cursor, have) = (&self.cursors[of], &self.have[of]);
            let mut plane = json!({
                "id": self.generation, "history": [position], "follows": have, "upto": position,
            });
            if !cursor.is_null() {
                let heard = self.presumes.as_ref().filter(|_| of == 0);
                plane["presumes"] = heard.map_or(cursor.clone(), |heard| json!(heard));
                plane["since"] = json!([cursor]);
            }
            plane
        };
        let mut log = json!({ "records": plane(0), "rows": plane(1), "streams": self.streams });
        if !self.is_known {
            log["hello"] = json!(true);
        }
        for (name, digest) in ["digest", "alive"].into_iter().zip(&self.digests) {
            if !digest.is_null() {
                log[name] = digest.clone();
            }
        }
        let request = json!({
            "watermarks": {}, "records": [], "appSyncableRows": [], "limit": 100, "log": log,
        });
        read_request(request.to_string().as_bytes()).unwrap()
    }

    /// The ids of what an answer brings, which this takes in.
    fn hear(&mut self, answer: &Answer<Json>) -> Vec<String> {
        let answer: Value = serde_json::from_str(&write_answer(answer)).unwrap();
        for (of, name) in ["records", "rows"].into_iter().enumerate() {
            let told = &answer["log"][name];
            self.have[of] = told["have"].clone();
            if told["cursor"].is_string() {
                self.cursors[of] = told["cursor"].clone();
            }
        }
        self.is_known = true;
        self.digests = ["digest", "alive"].map(|name| answer["log"][name].clone());
        self.streams = answer["log"]["streams"].clone();
        let records = answer["records"].as_array().unwrap().iter();
        records
            .map(|record| record["id"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn ask(&mut self, server: &Server) -> Vec<String> {
        let answer = server.answering.answer(self.request()).await;
        self.hear(&answer.unwrap())
    }

    /// Whether it is answered without a question to the stores, with nothing new.
    fn is_spared(&mut self, server: &Server) -> bool {
        let answer = server.answering.answer_at_hand(self.request());
        answer.is_ok_and(|answer| self.hear(&answer).is_empty())
    }
}

#[tokio::test]
async fn quiet_callers_cost_one_look_a_second_together() {
    let Some(server) = Server::new().await else {
        return;
    };
    let mut callers = Vec::new();
    for number in 0..20 {
        callers.push(Caller::new(&server, number).await);
    }
    for second in 0..3 {
        // The first one asks for all of them.
        assert!(!callers[0].is_spared(&server) || second == 0);
        assert_eq!(callers[second].ask(&server).await, [""; 0]);
        let before = server.last_query().await;
        for _ in 0..10 {
            for caller in &mut callers {
                assert!(caller.is_spared(&server), "{}", caller.generation);
                assert_eq!(caller.ask(&server).await, [""; 0]);
            }
            server.wait(99);
        }
        assert_eq!(server.last_query().await, before);
        server.wait(10);
    }
}

#[tokio::test]
async fn what_another_process_writes_is_told_after_a_second_at_most() {
    let Some(server) = Server::new().await else {
        return;
    };
    let mut callers = [Caller::new(&server, 0).await, Caller::new(&server, 1).await];
    server.write_elsewhere("a", &at(1, 0, "lambda")).await;
    server.wait(999);
    assert!(callers[0].is_spared(&server));
    server.wait(1);
    for caller in &mut callers {
        assert!(!caller.is_spared(&server));
        assert_eq!(caller.ask(&server).await, ["a"]);
        assert_eq!(caller.ask(&server).await, [""; 0]);
        assert!(caller.is_spared(&server));
    }
    // One that has seen more than this server has read is not told that it is lost.
    server.write_elsewhere("b", &at(2, 0, "lambda")).await;
    let elsewhere = records(&server.options);
    let look = starkeep_sync_engine::engine::change_log::Look {
        history: usize::MAX,
        ..Default::default()
    };
    let view = elsewhere.look(look.clone()).await.unwrap();
    callers[0].cursors[0] = json!(view.history.head().unwrap().to_string());
    assert!(!callers[0].is_spared(&server));
    assert_eq!(callers[0].ask(&server).await, [""; 0]);
    // Nor one that has only heard of more, and has taken in as much as this server has read.
    server.write_elsewhere("c", &at(3, 0, "lambda")).await;
    let view = elsewhere.look(look).await.unwrap();
    callers[0].presumes = Some(view.history.head().unwrap().to_string());
    assert!(!callers[0].is_spared(&server));
    assert_eq!(callers[0].ask(&server).await, ["c"]);
}

#[tokio::test]
async fn what_this_process_writes_is_told_at_once_however_it_is_written() {
    let Some(server) = Server::new().await else {
        return;
    };
    let mut caller = Caller::new(&server, 0).await;
    // Over connections of other options, which are not those of the server.
    let records = records(&PostgresOptions {
        max: server.options.max + 1,
        ..server.options.clone()
    });
    let put = |id: &str, wall| text(&record(id, &at(wall, 0, "n")));
    for way in ["put", "delete", "batch", "transaction", "take_in", "by_log"] {
        assert!(caller.is_spared(&server), "{way}");
        match way {
            "put" => records.put(put("a", 1)).await.unwrap(),
            "delete" => records.delete("a", at(2, 0, "n")).await.unwrap(),
            "batch" => {
                let batch = vec![Operation::Put(put("a", 3))];
                records.batch(batch).await.unwrap();
            }
            "transaction" => {
                let transaction = records.transaction().await.unwrap();
                transaction.put(put("a", 4)).await.unwrap();
                assert!(caller.is_spared(&server), "it is not committed");
                transaction.commit().await.unwrap();
            }
            "take_in" => {
                let taken = records
                    .take_in(vec![item("a", &at(5, 0, "n"))], false)
                    .await;
                taken.unwrap();
            }
            _ => {
                let items = vec![item("a", &at(6, 0, "n"))];
                records.take_in_from(items, None, None).await.unwrap();
            }
        }
        assert!(!caller.is_spared(&server), "{way}");
        assert_eq!(caller.ask(&server).await, ["a"], "{way}");
        assert_eq!(caller.ask(&server).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_caller_is_told_at_once_what_is_alive_once_its_server_has_purged_and_is_quiet_again() {
    let Some(server) = Server::new().await else {
        return;
    };
    server.records.init().await.unwrap();
    for (id, wall) in [("a", 1), ("last", 1000)] {
        let put = server.records.put(text(&record(id, &at(wall, 0, "n"))));
        put.await.unwrap();
    }
    server.records.delete("a", at(2, 0, "n")).await.unwrap();
    let mut caller = Caller::new(&server, 0).await;
    assert!(caller.is_spared(&server));
    assert!(caller.digests[0].is_object() && caller.digests[1].is_null());
    let purge = Purge {
        before: at(500, 0, ""),
        is_dry: false,
        forget: Vec::new(),
        forget_unseen_for_ms: None,
        after: 0,
        limit: 100,
    };
    // One that was only greeted is noted, and keeps what it may not have seen.
    let mut newcomer = Caller::unknown(1);
    newcomer.ask(&server).await;
    let kept = server.records.purge(purge.clone()).await.unwrap();
    assert_eq!(kept.kept, [Reason::Unseen]);
    for _ in 0..3 {
        newcomer.ask(&server).await;
    }
    let purged = server.records.purge(purge).await.unwrap();
    assert_eq!((purged.removed.len(), purged.peers.len()), (1, 2));
    assert!(!caller.is_spared(&server), "what is in memory is old");
    assert_eq!(caller.ask(&server).await, [""; 0]);
    assert!(caller.digests.iter().all(Value::is_object));
    assert_eq!(
        caller.digests[0], caller.digests[1],
        "nothing else is deleted"
    );
    let told = caller.digests.clone();
    let before = server.last_query().await;
    for _ in 0..10 {
        assert!(caller.is_spared(&server));
    }
    assert_eq!(caller.digests, told);
    assert_eq!(server.last_query().await, before);
}
