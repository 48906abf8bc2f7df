//! Rows of apps, in tables of this package's and of Starkeep's cloud.

use serde_json::{Value, json};
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::delta::Ask;
use starkeep_sync_engine::store::{AppRowStore, Taken};

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
