//! What the store of records answers to an exchange of what only a file can hold.

use crate::support::{Home, NEW_TABLE, OLD_TABLE, at, item, item_of, record, text, value, with};
use serde_json::json;
use starkeep_sync_engine::protocol::delta::Ask;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::{Blob, ItemKind};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::protocol::watermarks::Watermarks;
use starkeep_sync_engine::store::sqlite::SqliteRecords;
use starkeep_sync_engine::store::{RecordStore, Taken};

fn marks(all: &[Hlc]) -> Watermarks {
    let mut marks = Watermarks::default();
    for hlc in all {
        marks.advance(hlc);
    }
    marks
}

async fn unseen_ids(records: &SqliteRecords, ask: &Ask) -> (Vec<String>, bool) {
    let (items, more) = records.unseen(ask.clone()).await.unwrap();
    let ids = items.into_iter().map(|item| {
        let ItemKind::Record(id) = item.kind else {
            panic!("a row among records")
        };
        assert_eq!(value(&item.body)["id"], json!(id.to_string()));
        assert_eq!(value(&item.body)["updatedAt"], json!(item.hlc));
        id.to_string()
    });
    (ids.collect(), more)
}

#[tokio::test]
async fn watermarks_are_right_past_four_digits_of_counter_and_twelve_of_wall_time() {
    for schema in ["", OLD_TABLE, NEW_TABLE] {
        let home = Home::of_an_app(schema);
        let records = home.records();
        let all = [
            at(5, 65_535, "a"),
            at(5, 65_536, "a"),
            at(5, 0x00A0_0000, "a"),
            at(5, 0xfffe, "a"),
            at((1 << 48) - 1, 3, "b"),
            at(1 << 48, 0, "b"),
            at(0x2000, 1, "b"),
            at(9, 1, "c:d"),
            at(9, 0, ""),
            at(9, 2, "ü"),
            at((1 << 53) - 1, 0, "d"),
        ];
        for (number, hlc) in all.iter().enumerate() {
            records
                .put(text(&record(&format!("r{number}"), hlc)))
                .await
                .unwrap();
        }
        assert_eq!(
            records.node_watermarks().await.unwrap(),
            marks(&all),
            "{schema}"
        );
        let ask = Ask {
            seen: marks(&[at(5, 65_535, "a"), at((1 << 48) - 1, 3, "b")]),
            limit: 100,
            ..Ask::default()
        };
        let (ids, more) = unseen_ids(&records, &ask).await;
        assert_eq!(
            ids,
            ["r8", "r7", "r9", "r1", "r2", "r5", "r10"]
                .map(str::to_owned)
                .to_vec()
                .tap_sort(&all)
        );
        assert!(!more);
    }
}

trait TapSort {
    fn tap_sort(self, all: &[Hlc]) -> Self;
}

impl TapSort for Vec<String> {
    /// These ids, in the order of their timestamps.
    fn tap_sort(mut self, all: &[Hlc]) -> Self {
        self.sort_by_key(|id| all[id[1..].parse::<usize>().unwrap()].clone());
        self
    }
}

#[tokio::test]
async fn a_row_that_an_app_wrote_is_exchanged_and_one_without_a_time_never() {
    let home = Home::of_an_app(OLD_TABLE);
    home.sql(
        "INSERT INTO shared_records VALUES
           ('good', 't', '000000000001:0000:n', '000000000002:0000:n', 'o', NULL, 1, 'h', 'key', 'm', 1, NULL, 'a', NULL),
           ('short', 't', '000000000001:0000:n', '3:1:n', 'o', NULL, 1, 'h', '', '', 1, NULL, 'a', NULL),
           ('gone', 't', '000000000001:0000:n', '000000000004:0000:m', 'o', '000000000004:0000:m', 1, 'h', 'key', 'm', 1, NULL, 'a', NULL),
           ('broken', 't', '', 'yesterday', 'o', NULL, 1, 'h', 'key', 'm', 1, NULL, 'a', NULL)",
    );
    let records = home.records();
    let ask = Ask {
        limit: 10,
        ..Ask::default()
    };
    let (items, more) = records.unseen(ask).await.unwrap();
    let seen: Vec<_> = items
        .iter()
        .map(|item| (item.hlc.clone(), item.blob.clone()))
        .collect();
    let blob = Blob {
        key: Text::from("key"),
        mime_type: Some(Text::from("m")),
        digest: None,
        size: Some(1),
    };
    assert_eq!(
        seen,
        [
            (at(2, 0, "n"), Some(blob)),
            (at(3, 1, "n"), None),
            (at(4, 0, "m"), None)
        ]
    );
    assert!(!more);
    assert_eq!(value(&items[0].body)["ownerId"], json!("o"));
    assert_eq!(
        records.node_watermarks().await.unwrap(),
        marks(&[at(3, 1, "n"), at(4, 0, "m")])
    );
}

#[tokio::test]
async fn an_envelope_that_does_not_fit_its_record_is_refused() {
    let home = Home::new();
    let records = home.records();
    let mut later = item("r", &at(1, 0, "n"));
    later.hlc = at(9, 0, "n");
    let mut renamed = item("s", &at(1, 0, "n"));
    renamed.kind = ItemKind::Record(Text::from("t"));
    let lone = with(record("u", &at(1, 0, "n")), json!({}));
    let mut lone = item_of(&lone);
    lone.kind = ItemKind::Record(Text::from_units(&[0xD800]));
    let outcomes = records
        .take_in(vec![later, renamed, lone], false)
        .await
        .unwrap();
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Taken::Failed(_))),
        "{outcomes:?}"
    );
    assert!(records.node_watermarks().await.unwrap().is_empty());
}
