//! The change log of a database: it is true to the tables for every writer and every statement.

use std::collections::BTreeMap;

use starkeep_sync_engine::engine::change_log::{After, Look, View};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::log::{Digest, entry_hash};
use starkeep_sync_engine::store::postgres::{PostgresOptions, PostgresRecords};
use starkeep_sync_engine::store::{Json, LogStore, RecordStore};
use tokio_postgres::{Client, NoTls};

use crate::support::postgres::{Server, options, records, shared};
use crate::support::{at, record, text};

/// A connection of a program that knows nothing of logs.
pub async fn other_program(server: &Server) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A statement that stores a record, as such a program has it.
pub fn insert(schema: &str, id: &str, time: &Hlc) -> String {
    format!(
        "INSERT INTO {schema}.records (id, type, created_at, updated_at, node_id, version, content_hash, \
         object_storage_key, mime_type, size_bytes, origin_app_id) \
         VALUES ('{id}', 't', '{time}', '{time}', '{}', 1, '', '', '', 0, 'a') \
         ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, node_id = excluded.node_id",
        time.node_id
    )
}

pub async fn all_after(store: &impl LogStore, after: u64) -> View<Json> {
    let look = Look {
        history: usize::MAX,
        after: After::Seq(after),
        limit: usize::MAX,
        ..Look::default()
    };
    store.look(look).await.unwrap()
}

pub fn ids(view: &View<Json>) -> Vec<String> {
    let ids = view.items.iter().map(|(_, keyed)| keyed.key.id.to_string());
    ids.collect()
}

/// What the table holds, hashed by the rule and not by the log.
async fn digest_of_table(other: &Client, schema: &str) -> Digest {
    let query = format!("SELECT id, updated_at FROM {schema}.records");
    let mut digest = Digest::default();
    for row in other.query(&query, &[]).await.unwrap() {
        let (id, time): (&str, &str) = (row.get(0), row.get(1));
        let time = Hlc::parse(time).map_or(time.to_owned(), |hlc| hlc.to_string());
        digest.add(entry_hash("", id, &time));
    }
    digest
}

/// The log, which says what is in the table and nothing else.
pub async fn assert_true(other: &Client, schema: &str, records: &PostgresRecords) -> View<Json> {
    let view = all_after(records, 0).await;
    let [(_, digest)] = &view.streams.iter().collect::<Vec<_>>()[..] else {
        panic!("one stream")
    };
    assert_eq!(*digest, digest_of_table(other, schema).await);
    assert_eq!(digest.count, view.items.len() as u64, "one entry each");
    assert!(view.items.is_sorted_by_key(|(seq, _)| *seq));
    assert_eq!(records.verify().await.unwrap(), 0);
    view
}

/// A store whose tables and log are there.
pub async fn begun(server: &Server) -> (PostgresOptions, PostgresRecords, Client) {
    let options = options(server);
    let records = records(&options);
    records.init().await.unwrap();
    (options, records, other_program(server).await)
}

#[tokio::test]
async fn every_way_to_write_is_noted_in_its_order() {
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    let schema = &options.schema;
    for (id, wall) in [("a", 9), ("b", 5)] {
        let record = record(id, &at(wall, 0, "n"));
        records.put(text(&record)).await.unwrap();
    }
    let run = async |sql: &str| other.batch_execute(sql).await.unwrap();
    run(&insert(schema, "c", &at(1, 0, "n"))).await;
    run(&insert(schema, "a", &at(10, 0, "n"))).await;
    run(&format!(
        "BEGIN; {}; ROLLBACK",
        insert(schema, "d", &at(2, 0, "n"))
    ))
    .await;
    assert_eq!(
        ids(&assert_true(&other, schema, &records).await),
        ["b", "c", "a"]
    );
    run(&format!("DELETE FROM {schema}.records WHERE id = 'b'")).await;
    run(&format!(
        "UPDATE {schema}.records SET id = 'e' WHERE id = 'c'"
    ))
    .await;
    run(&format!(
        "UPDATE {schema}.records SET version = 2 WHERE id = 'a'"
    ))
    .await;
    assert_eq!(
        ids(&assert_true(&other, schema, &records).await),
        ["a", "e"]
    );
    run(&format!("TRUNCATE {schema}.records")).await;
    run(&insert(schema, "f", &at(1, 0, "n"))).await;
    let view = assert_true(&other, schema, &records).await;
    assert_eq!(ids(&view), ["f"]);
    assert_eq!(view.head, 5, "no number is given twice");
    records.close().await.unwrap();
}

#[tokio::test]
async fn times_in_any_form_are_hashed_in_one() {
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    let times = [
        "18BCFE56800:0:n:x",
        "no time",
        "0001fffffffffffff:0:",
        "20000000000000:0:x",
        "1:abcdef0:ü",
        "::",
    ];
    for (at, time) in times.iter().enumerate() {
        let stored = insert(
            &options.schema,
            &format!("r{at}"),
            &crate::support::at(1, 0, "n"),
        );
        other.batch_execute(&stored).await.unwrap();
        let sql = format!(
            "UPDATE {}.records SET updated_at = $1 WHERE id = $2",
            options.schema
        );
        other
            .execute(&sql, &[time, &format!("r{at}")])
            .await
            .unwrap();
    }
    assert_true(&other, &options.schema, &records).await;
    records.close().await.unwrap();
}

#[tokio::test]
async fn rows_that_are_there_already_are_brought_in_once() {
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    let schema = &options.schema;
    for (id, wall) in [("a", 9), ("b", 5)] {
        other
            .batch_execute(&insert(schema, id, &at(wall, 0, "n")))
            .await
            .unwrap();
    }
    let before = assert_true(&other, schema, &records).await;
    // Its triggers are gone, and meanwhile something is written.
    let drop = format!("DROP FUNCTION {schema}._starkeep_records_log_note_1() CASCADE");
    other.batch_execute(&drop).await.unwrap();
    other
        .batch_execute(&insert(schema, "a", &at(10, 0, "n")))
        .await
        .unwrap();
    let view = assert_true(&other, schema, &records).await;
    assert_eq!(view.id, before.id);
    assert_eq!(ids(&view), ["b", "a"]);
    // A table of the log is gone: all of it begins anew.
    let drop = format!("DROP TABLE {schema}._starkeep_records_log_streams");
    other.batch_execute(&drop).await.unwrap();
    let view = assert_true(&other, schema, &records).await;
    assert_ne!(view.id, before.id);
    assert_eq!(ids(&view), ["b", "a"]);
    other
        .batch_execute(&insert(schema, "c", &at(1, 0, "n")))
        .await
        .unwrap();
    assert_eq!(
        ids(&assert_true(&other, schema, &records).await),
        ["b", "a", "c"]
    );
    records.close().await.unwrap();
}

#[tokio::test]
async fn a_cursor_does_not_pass_what_a_transaction_wrote_that_is_still_open() {
    let Some(server) = shared() else { return };
    let (options, records, first) = begun(server).await;
    let second = other_program(server).await;
    let schema = &options.schema;
    first.batch_execute("BEGIN").await.unwrap();
    first
        .batch_execute(&insert(schema, "early", &at(1, 0, "n")))
        .await
        .unwrap();
    second
        .batch_execute(&insert(schema, "late", &at(2, 0, "n")))
        .await
        .unwrap();
    let seen = all_after(&records, 0).await;
    assert_eq!(
        ids(&seen),
        ["late"],
        "a transaction that is open holds up no other"
    );
    first.batch_execute("COMMIT").await.unwrap();
    let view = all_after(&records, seen.upto).await;
    assert_eq!(ids(&view), ["early"]);
    assert_true(&second, schema, &records).await;
    records.close().await.unwrap();
}

#[tokio::test]
async fn a_follower_gets_what_every_writer_wrote() {
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    let schema = &options.schema;
    let (mut seen, mut head) = (BTreeMap::new(), 0);
    let mut random = 7u64;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for _ in 0..120 {
        let (id, wall) = (next(6), next(40) + 1);
        let sql = match next(6) {
            0 => format!("DELETE FROM {schema}.records WHERE id = '{id}'"),
            1 => format!("UPDATE {schema}.records SET deleted_at = updated_at WHERE id = '{id}'"),
            2 => format!(
                "DELETE FROM {schema}.records WHERE id = '{0}' AND '{0}' <> '{id}';
                 UPDATE {schema}.records SET id = '{0}' WHERE id = '{id}'",
                next(6)
            ),
            3 => format!("BEGIN; DELETE FROM {schema}.records; ROLLBACK"),
            _ => insert(schema, &id.to_string(), &at(wall, 0, "n")),
        };
        other.batch_execute(&sql).await.unwrap();
        if next(3) > 0 {
            continue;
        }
        let view = all_after(&records, head).await;
        for (_, keyed) in &view.items {
            seen.insert(keyed.key.id.to_string(), keyed.item.hlc.clone());
        }
        head = view.upto;
        for (_, keyed) in &assert_true(&other, schema, &records).await.items {
            assert_eq!(seen.get(&keyed.key.id.to_string()), Some(&keyed.item.hlc));
        }
    }
    records.close().await.unwrap();
}
