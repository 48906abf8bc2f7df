//! Rows of apps, in tables of this package's and of Starkeep's cloud.

use std::time::Duration;

use serde_json::{Value, json};
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::delta::Ask;
use starkeep_sync_engine::store::{AppRowStore, Taken};
use tokio_postgres::NoTls;

use crate::support::postgres::{app_rows, in_each_database, shared, sql, url_on};
use crate::support::rows::{entry, pages, spec, tables};
use crate::support::{at, value};

/// The registry and a table as Starkeep's cloud has them.
const OF_STARKEEP: &str = r#"
    CREATE SCHEMA shared; CREATE SCHEMA app_my_app;
    CREATE TABLE shared.app_syncable_namespaces (app_id text PRIMARY KEY, tables_json jsonb NOT NULL,
      files_enabled boolean NOT NULL DEFAULT false);
    INSERT INTO shared.app_syncable_namespaces VALUES ('My-App', '[{"name":"pages","pkColumns":["id"]}]', false);
    CREATE TABLE app_my_app.pages (id int PRIMARY KEY, title text NOT NULL DEFAULT 'none', done boolean, share double precision,
      tags jsonb, made timestamptz DEFAULT now(), doubled int GENERATED ALWAYS AS (id * 2) STORED,
      updated_at text NOT NULL, node_id text NOT NULL, deleted_at text);
    CREATE INDEX ON app_my_app.pages (node_id, updated_at);"#;

#[tokio::test]
async fn the_columns_of_a_table_of_starkeep_have_the_types_that_it_gave_them() {
    let Some(server) = shared() else { return };
    in_each_database(server, async |options| {
        sql(&url_on(server, &options), OF_STARKEEP).await.unwrap();
        let rows = app_rows(&options);
        let row = json!({ "id": 7, "done": true, "share": 0.5, "tags": ["a", { "b": null }] });
        let insert = entry(&pages(), "insert", &at(1, 0, "n"), row, Value::Null);
        rows.apply(insert).await.unwrap();
        let change = json!({ "title": "new" });
        let update = entry(
            &pages(),
            "update",
            &at(2, 0, "n"),
            change,
            json!({ "id": 7 }),
        );
        rows.apply(update).await.unwrap();
        let ask = Ask {
            limit: 5,
            ..Ask::default()
        };
        let (found, _) = rows.unseen(&pages(), ask).await.unwrap();
        let [item] = &found[..] else {
            panic!("one row is there");
        };
        let mut row = value(&item.body)["row"].clone();
        assert!(row["made"].is_string(), "the table's own default stands");
        row.as_object_mut().unwrap().remove("made");
        assert_eq!(
            row,
            json!({
                "id": 7, "title": "new", "done": true, "share": 0.5, "tags": ["a", { "b": null }],
                "updated_at": at(2, 0, "n").to_string(), "node_id": "n", "deleted_at": null,
            })
        );
        // It goes on to another side, and comes back, as the row that it is.
        let later = entry(&pages(), "insert", &at(3, 0, "m"), row, Value::Null);
        rows.apply(later).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_row_that_its_table_refuses_fails_alone() {
    let Some(server) = shared() else { return };
    in_each_database(server, async |options| {
        sql(&url_on(server, &options), OF_STARKEEP).await.unwrap();
        let rows = app_rows(&options);
        let item = |id: Value, wall, node: &str| {
            entry(
                &pages(),
                "insert",
                &at(wall, 0, node),
                json!({ "id": id }),
                Value::Null,
            )
        };
        let page = vec![
            item(json!(1), 1, "a"),
            item(json!("no number"), 2, "b"),
            item(json!(3), 3, "c"),
        ];
        let taken = rows.take_in(page, false).await.unwrap();
        assert!(
            matches!(&taken[..], [Taken::Applied, Taken::Failed(error), Taken::Applied]
            if error.kind() == ErrorKind::InvalidArgument),
            "{taken:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn two_processes_that_insert_one_row_end_with_the_newer() {
    let Some(server) = shared() else { return };
    in_each_database(server, async |options| {
        let rows = app_rows(&options);
        let registered = tables(vec![spec("pages", &["id"], &["title"])]);
        rows.register("My-App", registered).await.unwrap();
        let page = |node: &str| {
            let item = |wall: u64| {
                let row = json!({ "id": format!("r{}", wall % 10), "title": node });
                entry(&pages(), "insert", &at(wall, 0, node), row, Value::Null)
            };
            (0..10).map(item).collect::<Vec<_>>()
        };
        let other = app_rows(&options);
        let (a, b) = tokio::join!(
            rows.take_in(page("a"), false),
            other.take_in(page("b"), false)
        );
        assert_eq!(a.unwrap().len() + b.unwrap().len(), 20);
        let marks = rows.node_watermarks(&pages()).await.unwrap();
        assert_eq!(marks.get(&"b".into()), Some(&at(9, 0, "b")));
        assert_eq!(
            marks.len(),
            1,
            "of two equal times that of the greater node stands"
        );
    })
    .await;
}

/// So that both look before either has written: the registry is locked until both wait, or one is done.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_apps_with_one_table_that_register_in_one_moment_one_is_refused() {
    let Some(server) = shared() else { return };
    in_each_database(server, async |options| {
        let url = url_on(server, &options);
        app_rows(&options).namespaces().await.unwrap();
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let lock = "BEGIN; LOCK TABLE shared.app_syncable_namespaces IN SHARE MODE";
        client.batch_execute(lock).await.unwrap();
        let begun = ["My-App", "my_app"].map(|app| {
            let rows = app_rows(&options);
            let pages = tables(vec![spec("pages", &["id"], &[app])]);
            tokio::spawn(async move { rows.register(app, pages).await })
        });
        let waiting = "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
                        WHERE NOT granted AND d.datname = current_database()";
        while !begun.iter().any(tokio::task::JoinHandle::is_finished) {
            let waiting: i64 = client.query_one(waiting, &[]).await.unwrap().get(0);
            if waiting == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        client.batch_execute("COMMIT").await.unwrap();
        let mut refused = Vec::new();
        for begun in begun {
            refused.extend(begun.await.unwrap().err());
        }
        let [refused] = &refused[..] else {
            panic!("one of both is refused: {refused:?}");
        };
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        assert!(
            refused.to_string().contains("belongs to the app"),
            "{refused}"
        );
        let known = app_rows(&options).namespaces().await.unwrap();
        assert_eq!(known.len(), 1);
        let column = "SELECT column_name FROM information_schema.columns
                       WHERE table_schema = 'app_my_app' AND column_name ILIKE 'my%app'";
        let made: String = client.query_one(column, &[]).await.unwrap().get(0);
        assert_eq!(made, known[0].app_id, "the other one has made nothing");
        // Who was first may register again, and more.
        let rows = app_rows(&options);
        let more = tables(vec![
            spec("pages", &["id"], &[]),
            spec("notes", &["id"], &[]),
        ]);
        rows.register(&known[0].app_id, more).await.unwrap();
    })
    .await;
}
