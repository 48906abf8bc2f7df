//! Shared records: what is put, what the columns hold, and pages that are taken in.

use serde_json::json;
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::delta::Ask;
use starkeep_sync_engine::store::{RecordStore, Taken};

use crate::support::postgres::{in_each, records, shared, sql};
use crate::support::{at, item_of, record, value, with};

/// The table of Starkeep's cloud.
const OF_STARKEEP: &str = "
    CREATE TABLE records (id text PRIMARY KEY, type text NOT NULL, created_at text NOT NULL, updated_at text NOT NULL,
      node_id text NOT NULL, deleted_at text, version int NOT NULL DEFAULT 1, content_hash text NOT NULL,
      object_storage_key text NOT NULL, mime_type text, size_bytes bigint NOT NULL, original_filename text,
      origin_app_id text NOT NULL, parent_id text, label text);
    CREATE INDEX idx_records_node_watermark ON records (node_id, updated_at);
    CREATE UNIQUE INDEX uq_records_filename_hash ON records (original_filename, content_hash, deleted_at)
      NULLS NOT DISTINCT;";

fn outcomes(taken: &[Taken]) -> Vec<&'static str> {
    let name = |taken: &Taken| match taken {
        Taken::Applied => "applied",
        Taken::Stale => "stale",
        Taken::Failed(_) => "failed",
        Taken::Behind => "behind",
    };
    taken.iter().map(name).collect()
}

/// An id that is longer than an index can hold, however well it is packed.
fn no_key() -> String {
    let digit = |seed: u64| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let digits = (0..1000).map(|seed| format!("{:016x}", digit(seed * seed)));
    digits.collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_put() {
    let Some(server) = shared() else { return };
    in_each(server, async |options| {
        let records = records(&options);
        let first = with(
            record("a", &at(7, 3, "n")),
            json!({ "note": [1, { "x": null }] }),
        );
        records.put(first.to_string().into()).await.unwrap();
        let found = records.get("a").await.unwrap().unwrap();
        assert_eq!(value(&found), first);
        assert_eq!(records.get("b").await.unwrap(), None);
        records.close().await.unwrap();
        let closed = records.get("a").await.unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Closed);
    })
    .await;
}

#[tokio::test]
async fn without_prepared_statements_the_same_is_asked() {
    let Some(server) = shared() else { return };
    in_each(server, async |options| {
        let mut options = options;
        options.prepare = false;
        let records = records(&options);
        let page = vec![item_of(&record("a", &at(1, 0, "n")))];
        let taken = records.take_in(page, false).await.unwrap();
        assert_eq!(outcomes(&taken), ["applied"]);
        let ask = Ask {
            limit: 5,
            ..Ask::default()
        };
        let (found, more) = records.unseen(ask).await.unwrap();
        assert_eq!((found.len(), more), (1, false));
    })
    .await;
}

#[tokio::test]
async fn one_id_twice_in_a_page_is_written_in_the_order_of_the_page() {
    let Some(server) = shared() else { return };
    in_each(server, async |options| {
        let records = records(&options);
        let item = |id: &str, wall| item_of(&record(id, &at(wall, 0, "n")));
        let page = vec![item("b", 1), item("a", 2), item("a", 1), item("a", 3)];
        let taken = records.take_in(page, false).await.unwrap();
        let expected = ["applied", "applied", "stale", "applied"];
        assert_eq!(outcomes(&taken), expected);
        let stored = records.stored(&"a".into()).await.unwrap();
        assert_eq!(stored, Some(at(3, 0, "n")));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_stored_fails_alone_and_says_why() {
    let Some(server) = shared() else { return };
    in_each(server, async |options| {
        let records = records(&options);
        let item = |id: &str, fields| {
            let hlc = at(5, 0, &format!("of {id}"));
            item_of(&with(record(id, &hlc), fields))
        };
        let odd = item_of(&record("odd", &at(5, 70_000, "o")));
        let long = no_key();
        let page = vec![
            item("nul", json!({ "originalFilename": "a\u{0}b" })),
            odd,
            item(&long, json!({})),
            item("whole", json!({})),
        ];
        let taken = records.take_in(page, false).await.unwrap();
        assert_eq!(outcomes(&taken), ["failed", "failed", "failed", "applied"]);
        let said: Vec<String> = taken
            .iter()
            .filter_map(|taken| match taken {
                Taken::Failed(error) => Some(error.to_string()),
                _ => None,
            })
            .collect();
        assert!(said[0].contains("must have no U+0000"), "{}", said[0]);
        assert!(said[1].contains("at most 12 digits"), "{}", said[1]);
        assert!(said[2].contains("larger than"), "{}", said[2]);
    })
    .await;
}

#[tokio::test]
async fn with_strict_order_nothing_passes_a_failure_of_its_node() {
    let Some(server) = shared() else { return };
    in_each(server, async |options| {
        let records = records(&options);
        let item = |id: &str, wall, node: &str| item_of(&record(id, &at(wall, 0, node)));
        let long = no_key();
        let page = vec![
            item("a", 1, "n"),
            item(&long, 2, "n"),
            item("b", 3, "n"),
            item("c", 4, "m"),
        ];
        let taken = records.take_in(page, true).await.unwrap();
        assert_eq!(outcomes(&taken), ["applied", "failed", "behind", "applied"]);
    })
    .await;
}

#[tokio::test]
async fn a_table_of_starkeep_is_used_as_it_is() {
    let Some(server) = shared() else { return };
    in_each(server, async |options| {
        let schema = &options.schema;
        let create = format!("CREATE SCHEMA {schema}; SET search_path = {schema}; {OF_STARKEEP}");
        sql(&server.url, &create).await.unwrap();
        let records = records(&options);
        let named = |id: &str, wall, name: &str| {
            let fields = json!({ "originalFilename": name, "contentHash": "h", "colour": "red" });
            item_of(&with(record(id, &at(wall, 0, id)), fields))
        };
        let page = vec![named("a", 1, "x"), named("b", 2, "x"), named("c", 3, "y")];
        let taken = records.take_in(page, false).await.unwrap();
        assert_eq!(outcomes(&taken), ["applied", "failed", "applied"]);
        let Taken::Failed(error) = &taken[1] else {
            panic!("the second has the name and the content of the first");
        };
        assert_eq!(error.kind(), ErrorKind::Constraint);
        let found = value(&records.get("a").await.unwrap().unwrap());
        assert_eq!(found["originalFilename"], "x");
        assert_eq!(found.get("colour"), None, "there is no column for it");
        let columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'records' AND table_schema = ";
        let counted = sql(&server.url, &format!("{columns}'{schema}'"))
            .await
            .unwrap();
        let tokio_postgres::SimpleQueryMessage::Row(row) = &counted[1] else {
            panic!("one row is answered");
        };
        assert_eq!(row.get(0), Some("15"), "nothing was added");
    })
    .await;
}

#[tokio::test]
async fn two_pages_in_opposite_order_are_both_taken_in() {
    let Some(server) = shared() else { return };
    in_each(server, async |options| {
        let records = records(&options);
        records.init().await.unwrap();
        let page = |node: &str, backwards: bool| {
            let mut ids: Vec<u64> = (0..200).collect();
            if backwards {
                ids.reverse();
            }
            let item = |(wall, id): (usize, u64)| {
                item_of(&record(&format!("r{id}"), &at(wall as u64, 0, node)))
            };
            ids.into_iter().enumerate().map(item).collect::<Vec<_>>()
        };
        let (a, b) = tokio::join!(
            records.take_in(page("a", false), false),
            records.take_in(page("b", true), false),
        );
        assert_eq!(a.unwrap().len() + b.unwrap().len(), 400);
        // Of each id the later time stands: of r0 that is at the end of the second page.
        assert_eq!(
            records.stored(&"r0".into()).await.unwrap(),
            Some(at(199, 0, "b"))
        );
        assert_eq!(
            records.stored(&"r199".into()).await.unwrap(),
            Some(at(199, 0, "a"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_row_without_a_place_in_the_order_is_held_and_named() {
    let Some(server) = shared() else { return };
    in_each(server, async |options| {
        let records = records(&options);
        for id in ["a", "b", "c"] {
            let put = record(id, &at(1, 0, "n")).to_string();
            records.put(put.into()).await.unwrap();
        }
        let table = format!("{}.records", options.schema);
        let spoil = format!(
            "UPDATE {table} SET updated_at = 'yesterday' WHERE id = 'a';
         UPDATE {table} SET node_id = 'other' WHERE id = 'b'"
        );
        sql(&server.url, &spoil).await.unwrap();
        let held = records.unorderable(5).await.unwrap();
        let mut said: Vec<String> = held
            .iter()
            .map(|item| item.fault.as_ref().unwrap().to_string())
            .collect();
        said.sort();
        assert_eq!(said.len(), 2);
        assert!(
            said[0].contains("the record \"a\"") && said[0].contains("yesterday"),
            "{}",
            said[0]
        );
        assert!(
            said[1].contains("the record \"b\"") && said[1].contains("node_id"),
            "{}",
            said[1]
        );
        let ask = Ask {
            limit: 5,
            ..Ask::default()
        };
        assert_eq!(records.unseen(ask).await.unwrap().0.len(), 1);
    })
    .await;
}
