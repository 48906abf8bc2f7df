//! Errors that a user can do something about: each has its kind, and says what.

use std::sync::Arc;
use std::time::Duration;

use starkeep_sync_engine::error::{Error, ErrorKind, Reason};
use starkeep_sync_engine::store::postgres::{PasswordSource, PostgresOptions, PostgresRecords};
use starkeep_sync_engine::store::{RecordStore, Taken};
use starkeep_sync_engine::transport::client::Connections;

use crate::support::postgres::{Server, options, records, shared, sql};
use crate::support::{at, item_of, record};

fn with_password(options: &PostgresOptions, password: &str) -> PostgresRecords {
    let password = PasswordSource::Fixed(password.to_owned());
    PostgresRecords::open(options, password, Arc::new(Connections::default())).unwrap()
}

#[track_caller]
fn assert_says(error: &Error, kind: ErrorKind, words: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

fn reason(error: &Error) -> Option<(Reason, bool)> {
    error
        .network()
        .map(|network| (network.reason, network.retryable))
}

#[tokio::test]
async fn where_nothing_listens_that_is_said_and_may_pass() {
    let options = PostgresOptions {
        connection_string: Some("postgres://me:secret@127.0.0.1:9/nothing".to_owned()),
        connect_timeout: Duration::from_secs(2),
        ..PostgresOptions::default()
    };
    let error = records(&options).get("a").await.unwrap_err();
    assert_says(&error, ErrorKind::Database, "nothing listens there");
    assert_eq!(reason(&error), Some((Reason::Unreachable, true)));
    let url = &error.network().unwrap().url;
    assert_eq!(url, "postgres://127.0.0.1:9/nothing");
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test]
async fn a_role_a_password_and_a_database_that_are_wrong_are_said() {
    let Some(server) = Server::start(&["hba=host all guarded 127.0.0.1/32 scram-sha-256"]) else {
        return;
    };
    let create = "CREATE ROLE guarded LOGIN PASSWORD 'right'; CREATE ROLE plain LOGIN;
        GRANT CREATE ON DATABASE postgres TO guarded";
    sql(&server.url, create).await.unwrap();
    let guarded = PostgresOptions {
        user: Some("guarded".to_owned()),
        ..options(&server)
    };
    let wrong = with_password(&guarded, "wrong").init().await.unwrap_err();
    assert_says(&wrong, ErrorKind::Database, "password");
    assert_eq!(reason(&wrong), Some((Reason::Status, false)));
    let missing = records(&guarded).init().await.unwrap_err();
    assert_says(&missing, ErrorKind::Database, "asks for a password");
    with_password(&guarded, "right").init().await.unwrap();

    let nowhere = PostgresOptions {
        database: Some("nowhere".to_owned()),
        ..options(&server)
    };
    let error = records(&nowhere).init().await.unwrap_err();
    assert_says(&error, ErrorKind::Database, "there is no such database");

    let plain = PostgresOptions {
        user: Some("plain".to_owned()),
        ..options(&server)
    };
    let error = records(&plain).init().await.unwrap_err();
    assert_says(&error, ErrorKind::ReadOnly, "this role may not create it");
}

#[tokio::test]
async fn a_role_that_may_only_read_says_so_and_reads() {
    let Some(server) = shared() else { return };
    let options = options(server);
    records(&options).init().await.unwrap();
    let schema = &options.schema;
    let grant = format!(
        "CREATE ROLE reader_{schema} LOGIN; GRANT USAGE ON SCHEMA {schema} TO reader_{schema};
         GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader_{schema}"
    );
    sql(&server.url, &grant).await.unwrap();
    let reader = PostgresOptions {
        user: Some(format!("reader_{schema}")),
        ..options.clone()
    };
    let reading = records(&reader);
    assert_eq!(reading.get("a").await.unwrap(), None);
    assert!(reading.health_check().await.unwrap());
    let put = record("a", &at(1, 0, "n")).to_string();
    let error = reading.put(put.into()).await.unwrap_err();
    assert_says(&error, ErrorKind::ReadOnly, "GRANT");
    let page = vec![item_of(&record("a", &at(1, 0, "n")))];
    let error = reading.take_in(page, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
}

#[tokio::test]
async fn a_table_whose_times_have_another_order_is_refused_with_the_cure() {
    let Some(server) = shared() else { return };
    let options = options(server);
    records(&options).init().await.unwrap();
    let table = format!("{}.records", options.schema);
    let spoil = format!("ALTER TABLE {table} ALTER node_id TYPE text COLLATE \"en-US-x-icu\"");
    if let Err(error) = sql(&server.url, &spoil).await {
        eprintln!("another collation is skipped: {error}");
        return;
    }
    let error = records(&options).get("a").await.unwrap_err();
    let cure = "ALTER COLUMN \"node_id\" TYPE text COLLATE \"C\"";
    assert_says(&error, ErrorKind::Database, cure);
    let (_, statement) = error.message().split_once("run ").unwrap();
    sql(&server.url, statement).await.unwrap();
    records(&options).get("a").await.unwrap();
}

#[tokio::test]
async fn a_table_that_is_none_of_starkeep_is_refused() {
    let Some(server) = shared() else { return };
    let options = options(server);
    let schema = &options.schema;
    let create = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.records (id text)");
    sql(&server.url, &create).await.unwrap();
    let error = records(&options).init().await.unwrap_err();
    assert_says(&error, ErrorKind::Database, "is not one of Starkeep's");
}

#[tokio::test]
async fn tls_that_the_server_has_not_is_said() {
    let Some(server) = shared() else { return };
    let options = PostgresOptions {
        tls: Some(true),
        ..options(server)
    };
    let error = records(&options).init().await.unwrap_err();
    assert_says(&error, ErrorKind::Database, "TLS");
    assert_eq!(reason(&error), Some((Reason::Tls, false)));
}

#[tokio::test]
async fn a_statement_that_takes_too_long_ends() {
    let Some(server) = shared() else { return };
    let options = PostgresOptions {
        statement_timeout: Some(Duration::from_millis(300)),
        ..options(server)
    };
    let records = records(&options);
    records.init().await.unwrap();
    let url = server.url.clone();
    let lock = format!(
        "BEGIN; LOCK TABLE {}.records IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT",
        options.schema
    );
    let locking = tokio::spawn(async move { sql(&url, &lock).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let page = vec![item_of(&record("a", &at(1, 0, "n")))];
    let error = records.take_in(page.clone(), false).await.unwrap_err();
    assert_says(&error, ErrorKind::Busy, "statementTimeoutMs");
    locking.await.unwrap().unwrap();
    let taken = records.take_in(page, false).await.unwrap();
    assert!(matches!(taken[..], [Taken::Applied]));
}
