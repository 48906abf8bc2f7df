//! Several processes write to one database, and roll back at times, while others read its log: nothing is passed over.

use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use starkeep_sync_engine::engine::change_log::{Advance, Look, Others};
use starkeep_sync_engine::protocol::log::{Generation, History};
use starkeep_sync_engine::store::postgres::{PostgresOptions, PostgresRecords};
use starkeep_sync_engine::store::{LogStore, RecordStore};
use tokio_postgres::{Client, NoTls};

use crate::log::{all_after, assert_true, begun, ids, insert, other_program};
use crate::support::postgres::{records, shared};
use crate::support::{at, item};

const WRITERS: usize = 3;
/// The transactions of each. One in three is rolled back.
const EACH: usize = 40;
const LONGEST: Duration = Duration::from_secs(60);

/// This program, as a process that does `work` on a database.
fn process(work: &str, options: &PostgresOptions, name: &str) -> Child {
    let url = options.connection_string.as_ref().unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("log_race::{work}"), "--nocapture", "-q"])
        .env(
            "STARKEEP_TEST_DATABASE",
            format!("{url} {} {name}", options.schema),
        )
        .spawn()
        .unwrap()
}

/// What such a process was told.
fn told() -> Option<(String, String, String)> {
    let told = std::env::var("STARKEEP_TEST_DATABASE").ok()?;
    let mut parts = told.split(' ').map(str::to_owned);
    Some((parts.next()?, parts.next()?, parts.next()?))
}

/// The part of the processes that write.
#[tokio::test]
async fn one_that_writes() {
    let Some((url, schema, name)) = told() else {
        return;
    };
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    for count in 0..EACH {
        client.batch_execute("BEGIN").await.unwrap();
        for part in 0..2 {
            let id = format!("{name}-{count}-{part}");
            client
                .batch_execute(&insert(&schema, &id, &at(count as u64, 0, &name)))
                .await
                .unwrap();
            // Others begin and end meanwhile.
            tokio::time::sleep(Duration::from_millis(count as u64 % 4)).await;
        }
        let end = if count % 3 == 2 { "ROLLBACK" } else { "COMMIT" };
        client.batch_execute(end).await.unwrap();
    }
}

/// The part of a server that reads until it is killed.
#[tokio::test]
async fn one_that_reads() {
    let Some((url, schema, _)) = told() else {
        return;
    };
    let records = records(&PostgresOptions {
        connection_string: Some(url),
        schema,
        ..PostgresOptions::default()
    });
    let mut upto = 0;
    let began = Instant::now();
    while began.elapsed() < LONGEST {
        upto = all_after(&records, upto).await.upto;
    }
}

/// As many items as a page of a laptop has.
const A_PAGE: u64 = 50;

/// The part of a server that takes pages in until it is killed.
#[tokio::test]
async fn one_that_takes_pages_in() {
    let Some((url, schema, name)) = told() else {
        return;
    };
    let records = records(&PostgresOptions {
        connection_string: Some(url),
        schema,
        ..PostgresOptions::default()
    });
    let upto = |page: u64| format!("{name}.{}", page * A_PAGE).parse().unwrap();
    let began = Instant::now();
    for page in 1.. {
        let items = (0..A_PAGE).map(|at| {
            let time = crate::support::at(page, at, &name);
            item(&format!("{name}-{page}-{at}"), &time)
        });
        let advance = Advance {
            history: History(vec![upto(page)]),
            follows: (page - 1) * A_PAGE,
            presumes: None,
            upto: upto(page),
            only_whole: true,
        };
        let taken = records.take_in_from(items.collect(), Some(upto(page)), Some(advance));
        assert_eq!(taken.await.unwrap().len() as u64, A_PAGE);
        assert!(began.elapsed() < LONGEST);
    }
}

#[tokio::test]
async fn a_server_that_is_killed_among_pages_has_each_as_a_whole_and_knows_how_far_it_came() {
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    for round in 0..3 {
        let name = format!("laptop{round}");
        let mut killed = process("one_that_takes_pages_in", &options, &name);
        let meanwhile = all_after(&records, 0).await.head;
        tokio::time::sleep(Duration::from_millis(900 + 60 * round)).await;
        killed.kill().unwrap();
        killed.wait().unwrap();
        // What it had begun ends before the database has heard of its end.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let look = Look {
            others: Others::Of(vec![Generation::new(&name).unwrap()]),
            ..Look::default()
        };
        let view = records.look(look).await.unwrap();
        let count = format!(
            "SELECT count(*) FROM {}.records WHERE id LIKE '{name}-%'",
            options.schema
        );
        let count: i64 = other.query_one(&count, &[]).await.unwrap().get(0);
        let known = view.others.first().map_or(0, |cursor| cursor.seq);
        assert_eq!((known, known % A_PAGE), (count.unsigned_abs(), 0));
        assert!(view.head >= meanwhile + known);
    }
    assert_true(&other, &options.schema, &records).await;
    records.close().await.unwrap();
}

/// What a follower has seen that reads on from its cursor each time, while the writers write.
async fn follow(records: &PostgresRecords, mut writers: Vec<Child>) -> Vec<String> {
    let (mut seen, mut upto) = (Vec::new(), 0);
    let began = Instant::now();
    loop {
        let are_done = writers
            .iter_mut()
            .all(|writer| writer.try_wait().unwrap().is_some());
        let view = all_after(records, upto).await;
        seen.extend(ids(&view));
        upto = view.upto;
        if are_done {
            for mut writer in writers {
                assert!(writer.wait().unwrap().success());
            }
            return seen;
        }
        assert!(began.elapsed() < LONGEST);
    }
}

fn writers(options: &PostgresOptions) -> Vec<Child> {
    let writer = |at| process("one_that_writes", options, &format!("w{at}"));
    (0..WRITERS).map(writer).collect()
}

async fn stored(other: &Client, schema: &str) -> BTreeSet<String> {
    let query = format!("SELECT id FROM {schema}.records");
    let rows = other.query(&query, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn nothing_is_passed_over_while_others_write_and_roll_back() {
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    let seen = follow(&records, writers(&options)).await;
    let stored = stored(&other, &options.schema).await;
    assert_eq!(stored.len(), WRITERS * 2 * (EACH - EACH / 3));
    let seen: BTreeSet<String> = seen.into_iter().collect();
    assert_eq!(
        seen.len(),
        stored.len(),
        "passed over: {:?}",
        stored.difference(&seen).collect::<Vec<_>>()
    );
    assert_true(&other, &options.schema, &records).await;
    records.close().await.unwrap();
}

/// What the test before shows is no accident.
#[tokio::test]
async fn a_log_whose_writers_give_the_numbers_is_passed_over() {
    let Some(server) = shared() else { return };
    let (options, records, other) = begun(server).await;
    // The number of an entry is the one that its writer drew.
    let schema = &options.schema;
    let settle =
        format!("SELECT pg_get_functiondef('{schema}._starkeep_records_log_settle'::regproc)");
    let settle: String = other.query_one(&settle, &[]).await.unwrap().get(0);
    let drawn = settle
        .replace(
            "m.head + row_number() OVER (ORDER BY n.id) AS seq",
            "n.id AS seq",
        )
        .replace(
            "SET head = head + (SELECT count(*) FROM numbered)",
            "SET head = greatest(head, (SELECT max(seq) FROM numbered))",
        );
    assert_eq!(
        drawn.matches("n.id AS seq").count() + drawn.matches("greatest(head").count(),
        2
    );
    other.batch_execute(&drawn).await.unwrap();
    let seen = follow(&records, writers(&options)).await;
    let seen: BTreeSet<String> = seen.into_iter().collect();
    assert!(seen.len() < stored(&other, schema).await.len());
    records.close().await.unwrap();
}

/// Two read with another pool each, a third is killed again and again in whatever it does.
#[tokio::test]
async fn several_servers_number_together_and_one_that_is_killed_leaves_nothing_half_done() {
    let Some(server) = shared() else { return };
    let (options, one, other) = begun(server).await;
    let further = PostgresOptions {
        max: options.max + 1,
        ..options.clone()
    };
    let two = records(&further);
    let killing = async {
        for round in 0..4 {
            let mut killed = process("one_that_reads", &options, "reader");
            tokio::time::sleep(Duration::from_millis(300 + 70 * round)).await;
            killed.kill().unwrap();
            killed.wait().unwrap();
        }
    };
    let (by_one, by_two, ()) = tokio::join!(
        follow(&one, writers(&options)),
        follow(&two, Vec::new()),
        killing,
    );
    let stored = stored(&other, &options.schema).await;
    let all: BTreeSet<String> = by_one.into_iter().collect();
    assert_eq!(all, stored);
    assert!(by_two.iter().all(|id| stored.contains(id)));
    let [view, same] = [all_after(&one, 0).await, all_after(&two, 0).await];
    assert_eq!((ids(&view), view.head), (ids(&same), same.head));
    assert_true(&other, &options.schema, &one).await;
    let mut numbers = BTreeSet::new();
    assert!(view.items.iter().all(|(seq, _)| numbers.insert(*seq)));
    one.close().await.unwrap();
    two.close().await.unwrap();
    drop(other_program(server).await);
}
