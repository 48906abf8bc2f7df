//! The log of the rows of apps, each in a table of its app.

use std::sync::Arc;

use serde_json::{Value, json};
use starkeep_sync_engine::engine::change_log::{Look, View};
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::log::{Key, Stream};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::postgres::{PasswordSource, PostgresAppRows, PostgresOptions};
use starkeep_sync_engine::store::{AppRowStore, Json, LogStore, Registration, TableSpec, Taken};
use starkeep_sync_engine::transport::client::Connections;

use crate::log::{all_after, ids, other_program};
use crate::support::at;
use crate::support::postgres::{in_each, options, shared};
use crate::support::rows;

pub fn open(options: &PostgresOptions) -> PostgresAppRows {
    let tls = Arc::new(Connections::default());
    PostgresAppRows::open(options, PasswordSource::OfString, tls).unwrap()
}

pub async fn register(store: &PostgresAppRows, app: &str, key: &[&str]) {
    let registration = Registration {
        tables: vec![TableSpec {
            name: "pages".to_owned(),
            pk_columns: key.iter().map(|column| (*column).to_owned()).collect(),
            columns: vec!["title".to_owned()],
        }],
        files_enabled: false,
    };
    store.register(app, registration).await.unwrap();
}

pub fn row(app: &str, wall: u64, fields: Value) -> Item<Json> {
    let hlc = at(wall, 0, "n");
    rows::entry(
        &rows::table(app, "pages"),
        "insert",
        &hlc,
        fields,
        Value::Null,
    )
}

fn streams(view: &View<Json>) -> Vec<(String, u64)> {
    let streams = view.streams.iter();
    streams
        .map(|(name, digest)| (name.replace('\u{1f}', "/"), digest.count))
        .collect()
}

#[tokio::test]
async fn rows_are_noted_under_their_keys_by_every_writer() {
    let Some(server) = shared() else { return };
    let options = options(server);
    let (store, other) = (open(&options), other_program(server).await);
    let [one, two] = ["one", "two"].map(|app| format!("{app}-{}", options.schema));
    register(&store, &one, &["id", "part"]).await;
    store
        .apply(row(&one, 5, json!({ "id": "a,b%", "part": "1" })))
        .await
        .unwrap();
    let view = all_after(&store, 0).await;
    assert_eq!(
        (ids(&view), streams(&view)),
        (vec!["a%2Cb%25,1".into()], vec![(format!("{one}/pages"), 1)])
    );
    // An app that comes later, and a program that writes to it.
    register(&store, &two, &["id"]).await;
    let table = format!("app_{}.pages", two.replace('-', "_"));
    let insert = |id: &str, wall| {
        let time = at(wall, 0, "n");
        format!("INSERT INTO {table} (id, updated_at, node_id) VALUES ('{id}', '{time}', 'n')")
    };
    other.batch_execute(&insert("x", 3)).await.unwrap();
    let view = all_after(&store, view.upto).await;
    assert_eq!(ids(&view), ["x"]);
    assert_eq!(
        streams(&view),
        [(format!("{one}/pages"), 1), (format!("{two}/pages"), 1)]
    );
    // A migration that puts another table in its place.
    let migrate = format!(
        "ALTER TABLE {table} RENAME TO before; CREATE TABLE {table} (LIKE app_{0}.before INCLUDING ALL);
         INSERT INTO {table} SELECT * FROM app_{0}.before WHERE id <> 'x'; {1}; DROP TABLE app_{0}.before",
        two.replace('-', "_"),
        insert("y", 4)
    );
    other.batch_execute(&migrate).await.unwrap();
    let view = all_after(&store, view.upto).await;
    assert_eq!((ids(&view), streams(&view)[1].1), (vec!["y".into()], 1));
    let key = |app: &str, id: &str| Key {
        stream: Stream::Rows(rows::table(app, "pages")),
        id: Text::from(id),
    };
    let want = Look {
        want: vec![
            key(&one, "a%2Cb%25,1"),
            key(&two, "x"),
            key(&two, "y"),
            key("unheard of", "y"),
        ],
        ..Look::default()
    };
    let wanted = store.look(want).await.unwrap().wanted;
    let wanted: Vec<String> = wanted
        .iter()
        .map(|keyed| keyed.key.id.to_string())
        .collect();
    assert_eq!(wanted, ["a%2Cb%25,1", "y"]);
    assert_eq!(store.verify().await.unwrap(), 0);
    store.close().await.unwrap();
}

#[tokio::test]
async fn of_two_versions_of_a_row_one_stands_whichever_came_first() {
    let Some(server) = shared() else { return };
    in_each(server, async |options| {
        let (mut stands, mut heads) = (Vec::new(), Vec::new());
        for titles in [["a", "b"], ["b", "a"]] {
            let options = PostgresOptions {
                schema: format!("{}_{}", options.schema, titles[0]),
                ..options.clone()
            };
            let store = open(&options);
            let app = format!("app-{}", options.schema);
            register(&store, &app, &["id"]).await;
            let page = titles.map(|title| row(&app, 5, json!({ "id": "x", "title": title })));
            for item in page {
                let taken = store
                    .take_in_from(vec![item], Some("laptop.1".parse().unwrap()), None)
                    .await
                    .unwrap();
                assert!(matches!(taken[..], [Taken::Applied | Taken::Stale]));
                heads.push(all_after(&store, 0).await.head);
            }
            let view = all_after(&store, 0).await;
            let body: Value = serde_json::from_str(&view.items[0].1.item.body).unwrap();
            stands.push(body["row"]["title"].clone());
            let unknown = row("unheard-of", 5, json!({ "id": "x" }));
            let fine = row(&app, 6, json!({ "id": "y" }));
            let taken = store
                .take_in_from(vec![unknown, fine], None, None)
                .await
                .unwrap();
            assert!(
                matches!(taken[..], [Taken::Failed(_), Taken::Applied]),
                "{taken:?}"
            );
            assert_eq!(store.verify().await.unwrap(), 0);
            store.close().await.unwrap();
        }
        assert_eq!(stands[0], stands[1]);
        assert_eq!(heads, [1, 2, 1, 2], "every side hears of it");
    })
    .await;
}
