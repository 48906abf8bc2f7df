//! Histories of a log: what is told apart, and who may keep one.

use starkeep_sync_engine::engine::change_log::View;
use starkeep_sync_engine::store::postgres::{PostgresOptions, PostgresRecords};
use starkeep_sync_engine::store::{Json, LogStore, RecordStore};
use tokio_postgres::{Client, NoTls};

use crate::log::{all_after, assert_true, begun, ids, insert, other_program};
use crate::support::at;
use crate::support::postgres::{Server, records, shared};

async fn write(other: &Client, schema: &str, id: &str) {
    other
        .batch_execute(&insert(schema, id, &at(1, 0, "n")))
        .await
        .unwrap();
}

fn stretches(view: &View<Json>) -> Vec<u64> {
    view.history.0.iter().map(|stretch| stretch.seq).collect()
}

fn url_of(server: &Server, database: &str) -> String {
    let (before, _) = server.url.rsplit_once('/').unwrap();
    format!("{before}/{database}")
}

async fn program_in(server: &Server, database: &str) -> Client {
    let url = url_of(server, database);
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The same store, as another process has it: with connections of its own.
fn anew(options: &PostgresOptions) -> PostgresRecords {
    records(&PostgresOptions {
        max: options.max + 1,
        ..options.clone()
    })
}

#[tokio::test]
async fn what_a_server_writes_after_it_was_started_anew_is_a_stretch_of_its_own() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (options, records, other) = begun(&server).await;
    write(&other, &options.schema, "a").await;
    let before = all_after(&records, 0).await;
    assert_eq!(
        stretches(&all_after(&anew(&options), 0).await),
        [1],
        "a further process begins none"
    );
    server.say("restart");
    let other = other_program(&server).await;
    assert_eq!(
        stretches(&all_after(&records, 0).await),
        [1],
        "nothing was written"
    );
    write(&other, &options.schema, "b").await;
    let view = assert_true(&other, &options.schema, &records).await;
    assert_eq!(stretches(&view), [2, 1]);
    assert_eq!(view.history.common(&before.history.0), Some(1));
    records.close().await.unwrap();
}

#[tokio::test]
async fn a_copy_of_a_database_has_in_common_with_it_what_was_numbered_when_they_parted() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (options, records, other) = begun(&server).await;
    write(&other, &options.schema, "a").await;
    all_after(&records, 0).await;
    records.close().await.unwrap();
    drop((records, other));
    server.say("restart");
    let admin = program_in(&server, "template1").await;
    admin
        .batch_execute("CREATE DATABASE copy TEMPLATE postgres")
        .await
        .unwrap();
    let original = anew(&options);
    let copy = anew(&PostgresOptions {
        connection_string: Some(url_of(&server, "copy")),
        ..options.clone()
    });
    // The restart begins a stretch in either; the place is what tells them apart.
    let other = other_program(&server).await;
    write(&other, &options.schema, "b").await;
    let within = program_in(&server, "copy").await;
    write(&within, &options.schema, "c").await;
    let (original, copy) = (all_after(&original, 0).await, all_after(&copy, 0).await);
    assert_eq!(
        (ids(&original), ids(&copy)),
        (vec!["a".into(), "b".into()], vec!["a".into(), "c".into()])
    );
    assert_eq!(original.id, copy.id);
    assert_eq!(original.history.common(&copy.history.0), Some(1));
    assert_eq!(copy.history.common(&original.history.0), Some(1));
}

#[tokio::test]
async fn a_log_that_a_dump_brought_back_goes_on_as_another_one() {
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    let schema = &options.schema;
    write(&other, schema, "a").await;
    let before = all_after(&records, 0).await;
    // What a dump keeps, and what is written behind it and lost.
    let tables = [
        "records",
        "_starkeep_records_log",
        "_starkeep_records_log_meta",
        "_starkeep_records_log_streams",
    ];
    for table in tables {
        let keep = format!("CREATE TABLE kept_{schema}_{table} AS SELECT * FROM {schema}.{table}");
        other.batch_execute(&keep).await.unwrap();
    }
    write(&other, schema, "lost").await;
    let lost = all_after(&records, before.upto).await;
    assert_eq!(ids(&lost), ["lost"]);
    other
        .batch_execute("BEGIN; SET session_replication_role = replica")
        .await
        .unwrap();
    for table in tables {
        let back = format!(
            "DELETE FROM {schema}.{table}; INSERT INTO {schema}.{table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{schema}_{table}"
        );
        other.batch_execute(&back).await.unwrap();
    }
    other
        .batch_execute("COMMIT; SET session_replication_role = origin")
        .await
        .unwrap();
    write(&other, schema, "b").await;
    let view = assert_true(&other, schema, &records).await;
    assert_eq!(ids(&view), ["a", "b"]);
    assert_eq!(
        view.head, lost.head,
        "the number is given again, in another stretch"
    );
    assert_eq!(view.history.common(&lost.history.0), Some(1));
    records.close().await.unwrap();
}

#[tokio::test]
async fn a_role_that_may_make_no_triggers_has_no_log_and_its_writes_are_noted_in_one() {
    let Some(server) = shared() else { return };
    let (options, owner, other) = begun(server).await;
    let schema = &options.schema;
    let bare = format!("{schema}_bare");
    let rights = format!(
        "CREATE ROLE {schema}_app LOGIN;
         CREATE SCHEMA {bare}; CREATE TABLE {bare}.records (LIKE {schema}.records INCLUDING ALL);
         CREATE TABLE {bare}.starkeep_metadata (LIKE {schema}.starkeep_metadata INCLUDING ALL);
         GRANT USAGE ON SCHEMA {schema}, {bare} TO {schema}_app;
         GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.records, {bare}.records TO {schema}_app"
    );
    other.batch_execute(&rights).await.unwrap();
    let of_app = |schema: &str| PostgresOptions {
        user: Some(format!("{}_app", options.schema)),
        schema: schema.to_owned(),
        ..options.clone()
    };
    for (schema, kept) in [(bare.as_str(), false), (schema.as_str(), false)] {
        let app = records(&of_app(schema));
        app.init().await.unwrap();
        assert_eq!(app.has_log(), kept);
        let record = crate::support::record("of the app", &at(3, 0, "n"));
        app.put(crate::support::text(&record)).await.unwrap();
        app.close().await.unwrap();
    }
    assert_eq!(
        ids(&assert_true(&other, schema, &owner).await),
        ["of the app"]
    );
    owner.close().await.unwrap();
}

#[tokio::test]
async fn without_its_triggers_and_tables_the_database_is_as_before() {
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    let schema = &options.schema;
    write(&other, schema, "a").await;
    records.close().await.unwrap();
    let drop = include_str!("../../docs/cloud.md")
        .split("```sql")
        .find(|part| part.contains("DROP FUNCTION"))
        .and_then(|part| part.split("```").next())
        .unwrap()
        .replace("shared", schema);
    other.batch_execute(&drop).await.unwrap();
    write(&other, schema, "b").await;
    let left = format!(
        "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE '%starkeep%log%' AND relnamespace = '{schema}'::regnamespace)
              + (SELECT count(*) FROM pg_proc WHERE pronamespace = '{schema}'::regnamespace)
              + (SELECT count(*) FROM pg_trigger WHERE tgrelid = '{schema}.records'::regclass)"
    );
    assert_eq!(
        other.query_one(&left, &[]).await.unwrap().get::<_, i64>(0),
        0
    );
}
