//! Rows of records that stand in a file as no store of this package would have written them: each is named and keeps
//! its place, and everything else goes on.

use crate::support::{Home, at, get, item, text, value, with};
use proptest::prelude::*;
use serde_json::json;
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::delta::Ask;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::{Item, ItemKind};
use starkeep_sync_engine::store::Json;
use starkeep_sync_engine::store::RecordStore;
use starkeep_sync_engine::store::query::Query;
use starkeep_sync_engine::store::sqlite::SqliteRecords;

const SHAPES: [&str; 3] = [
    "id TEXT PRIMARY KEY, node_id TEXT",
    "id TEXT PRIMARY KEY",
    "id TEXT, node_id TEXT, PRIMARY KEY (id)",
];

/// A table as an app might have it that checks nothing, with a good row at each end.
fn of_records(shape: &str, without_rowid: bool) -> Home {
    let without = if without_rowid { " WITHOUT ROWID" } else { "" };
    let (columns, keys) = shape.split_once(", PRIMARY").unwrap_or((shape, ""));
    let keys = if keys.is_empty() {
        String::new()
    } else {
        format!(", PRIMARY{keys}")
    };
    let home = Home::of_an_app(&format!(
        "CREATE TABLE shared_records ({columns}, type, created_at, updated_at, deleted_at,
           object_storage_key, content_hash, size_bytes{keys}){without};"
    ));
    write(&home, "'first'", &at(1, 0, "n"));
    write(&home, "'last'", &at(9, 0, "n"));
    home
}

/// A row with this id, as SQL, written at this time.
fn write(home: &Home, id: &str, hlc: &Hlc) {
    home.sql(&format!(
        "INSERT INTO shared_records (id, type, created_at, updated_at, object_storage_key, content_hash)
           VALUES ({id}, 't', '000000000001:0000:n', '{hlc}', 'key', 'h')"
    ));
    if has_node(home) {
        home.sql("UPDATE shared_records SET node_id = 'n' WHERE node_id IS NULL");
    }
}

fn has_node(home: &Home) -> bool {
    rusqlite::Connection::open(home.path())
        .unwrap()
        .prepare("SELECT node_id FROM shared_records")
        .is_ok()
}

async fn unseen(records: &SqliteRecords) -> Vec<Item<Json>> {
    let ask = Ask {
        limit: 100,
        ..Ask::default()
    };
    let (items, more) = records.unseen(ask).await.unwrap();
    assert!(!more);
    items
}

fn id_of(item: &Item<Json>) -> String {
    match &item.kind {
        ItemKind::Record(id) => id.to_string(),
        ItemKind::Row(table) => panic!("a row of {table:?} among records"),
    }
}

/// Which item is faulty, and with which message.
fn faults(items: &[Item<Json>]) -> Vec<(String, String)> {
    let faulty = items.iter().filter_map(|item| {
        let fault = item.fault.as_ref()?;
        assert_eq!(fault.kind(), ErrorKind::MalformedItem);
        assert!(value(&item.body).is_object());
        assert_eq!(item.blob, None, "nothing is brought for it");
        Some((id_of(item), fault.message().to_owned()))
    });
    faulty.collect()
}

#[tokio::test]
async fn a_row_that_is_no_record_is_named_and_keeps_its_place() {
    for (set, column, got) in [
        ("created_at = 'rubbish'", "created_at", r#"got "rubbish""#),
        ("created_at = NULL", "created_at", "got null"),
        ("deleted_at = 'rubbish'", "deleted_at", r#"got "rubbish""#),
        ("deleted_at = x'00'", "deleted_at", "got a BLOB of 1 bytes"),
        ("type = NULL", "type", "got null"),
        ("type = x'6162'", "type", "got a BLOB of 2 bytes"),
        (
            "content_hash = CAST(x'61ff' AS TEXT)",
            "content_hash",
            "got the bytes 61 ff, which are no UTF-8",
        ),
        (
            "object_storage_key = x'61'",
            "object_storage_key",
            "got a BLOB of 1 bytes",
        ),
    ] {
        for shape in SHAPES {
            let home = of_records(shape, false);
            write(&home, "'odd'", &at(5, 0, "n"));
            home.sql(&format!("UPDATE shared_records SET {set} WHERE id = 'odd'"));
            let records = home.records();
            let items = unseen(&records).await;
            let ids: Vec<_> = items.iter().map(id_of).collect();
            assert_eq!(ids, ["first", "odd", "last"], "{set}");
            assert_eq!(items[1].hlc, at(5, 0, "n"));
            let [(id, reason)] = &faults(&items)[..] else {
                panic!("{set}: {:?}", faults(&items));
            };
            assert_eq!(id, "odd");
            assert!(
                reason.contains(&format!(
                    "the column {column} of the record \"odd\" must be"
                )) && reason.contains(got),
                "{reason}"
            );
            assert!(records.unorderable(10).await.unwrap().is_empty());
            let listed = records.query(Query::default()).await.unwrap().records;
            assert_eq!(listed.len(), 3, "one row does not make a listing fail");
            assert!(get(&records, "odd").await.is_some());
        }
    }
}

#[tokio::test]
async fn an_id_that_is_none_has_a_name_that_can_be_read() {
    for (id, got) in [
        ("NULL", "got null"),
        ("''", r#"got """#),
        ("x'6f6464'", "got a BLOB of 3 bytes"),
        ("CAST(x'6fff' AS TEXT)", "the bytes 6f ff"),
    ] {
        let home = of_records(SHAPES[0], false);
        write(&home, id, &at(5, 0, "n"));
        let records = home.records();
        let items = unseen(&records).await;
        let [(name, reason)] = &faults(&items)[..] else {
            panic!("{id}: {:?}", faults(&items));
        };
        assert_eq!(name, "rowid 3");
        assert!(
            reason.contains("the column id of the record with rowid 3") && reason.contains(got),
            "{reason}"
        );
        let page = |cursor: Option<String>| Query {
            limit: Some(1),
            cursor,
            ..Query::default()
        };
        let one = records.query(page(None)).await.unwrap();
        assert!(one.has_more, "{id}");
        let two = records.query(page(one.next_cursor)).await.unwrap();
        assert!(!two.has_more);
        assert_eq!(value(&one.records[0])["id"], json!("first"));
        assert_eq!(value(&two.records[0])["id"], json!("last"));
    }
    let home = of_records(SHAPES[1], true);
    write(&home, "CAST(x'6fff' AS TEXT)", &at(5, 0, "n"));
    let items = unseen(&home.records()).await;
    assert_eq!(
        faults(&items)[0].0,
        "key the bytes 6f ff, which are no UTF-8"
    );
}

#[tokio::test]
async fn a_row_without_a_time_has_no_place_and_is_named_apart() {
    for time in [
        "NULL",
        "''",
        "'yesterday'",
        "7",
        "x'3030303030303030303030353a303030303a6e'",
        "CAST(x'3030303030303030303030353a303030303aff' AS TEXT)",
    ] {
        for shape in SHAPES {
            for node in ["node_id", "NULL", "CAST(x'ff' AS TEXT)", "x'6e'"] {
                let home = of_records(shape, false);
                write(&home, "'odd'", &at(5, 0, "n"));
                home.sql(&format!(
                    "UPDATE shared_records SET updated_at = {time} WHERE id = 'odd'"
                ));
                if has_node(&home) {
                    home.sql(&format!(
                        "UPDATE shared_records SET node_id = {node} WHERE id = 'odd'"
                    ));
                }
                let records = home.records();
                let items = unseen(&records).await;
                let ids: Vec<_> = items.iter().map(id_of).collect();
                assert_eq!(ids, ["first", "last"], "{time}, {node}, {shape}");
                assert!(faults(&items).is_empty());
                let apart = records.unorderable(10).await.unwrap();
                let [(id, reason)] = &faults(&apart)[..] else {
                    panic!("{time}, {node}, {shape}: {:?}", faults(&apart));
                };
                assert_eq!((id.as_str(), &apart[0].hlc), ("odd", &Hlc::zero()));
                assert!(
                    reason.contains("the column updated_at of the record \"odd\" must be"),
                    "{reason}"
                );
                assert_eq!(
                    records.node_watermarks().await.unwrap().iter().count(),
                    1,
                    "it is no knowledge of a node"
                );
                assert!(records.unorderable(0).await.unwrap().is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_good_version_takes_the_place_of_a_malformed_row() {
    for time in ["NULL", "'yesterday'", "x'00'", "CAST(x'ff' AS TEXT)"] {
        let home = of_records(SHAPES[0], false);
        home.sql(&format!(
            "UPDATE shared_records SET updated_at = {time}, created_at = {time} WHERE id = 'first'"
        ));
        let records = home.records();
        records
            .take_in(vec![item("first", &at(3, 0, "m"))], false)
            .await
            .unwrap();
        assert!(records.unorderable(10).await.unwrap().is_empty());
        let items = unseen(&records).await;
        assert!(faults(&items).is_empty(), "{time}: {:?}", faults(&items));
        let stored = get(&records, "first").await.unwrap();
        assert_eq!(stored["updatedAt"], json!(at(3, 0, "m")));
    }
}

#[tokio::test]
async fn what_a_store_itself_was_given_is_never_malformed() {
    let home = Home::new();
    let records = home.records();
    let odd = [
        json!({ "deletedAt": at(2, 0, "n") }),
        json!({ "mimeType": 5, "contentHash": null, "sizeBytes": "many", "label": { "a": [1] } }),
        json!({ "objectStorageKey": null, "ownerId": "\u{fffd}", "parentId": "\u{0}" }),
    ];
    for (number, changes) in odd.into_iter().enumerate() {
        let hlc = at(number as u64, 0, "\u{fffd}");
        let record = with(crate::support::record(&format!("r{number}"), &hlc), changes);
        records.put(text(&record)).await.unwrap();
    }
    let items = unseen(&records).await;
    assert_eq!((items.len(), faults(&items)), (3, Vec::new()));
}

const SPOILT: [&str; 8] = [
    "NULL",
    "''",
    "7",
    "'rubbish'",
    "x'00'",
    "CAST(x'ff' AS TEXT)",
    "'000000000001:0000:\u{fffd}'",
    "CAST(x'3030303030303030303030313a303030303aff' AS TEXT)",
];

const SPOILT_COLUMNS: [&str; 6] = [
    "created_at",
    "updated_at",
    "deleted_at",
    "node_id",
    "type",
    "content_hash",
];

/// The time and node of a row, and what is put where.
type Spoilt = (u64, &'static str, Vec<(&'static str, &'static str)>);

/// What stands in a table.
fn rows() -> impl Strategy<Value = Vec<Spoilt>> {
    let spoil = (
        prop::sample::select(&SPOILT_COLUMNS[..]),
        prop::sample::select(&SPOILT[..]),
    );
    let node = prop::sample::select(vec!["n", "m", "\u{fffd}"]);
    prop::collection::vec((2u64..9, node, prop::collection::vec(spoil, 0..3)), 0..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_stands_in_a_file_every_row_is_on_a_page_or_named_once(rows in rows(), limit in 1usize..4) {
        let home = of_records(SHAPES[0], false);
        let mut sql = String::from("BEGIN;");
        for (number, (wall, node, spoil)) in rows.iter().enumerate() {
            use std::fmt::Write as _;
            let hlc = at(*wall, 0, node);
            write!(sql, "INSERT INTO shared_records (id, type, created_at, updated_at, node_id)
                VALUES ('{number}', 't', '{hlc}', '{hlc}', '{node}');").unwrap();
            for (column, value) in spoil {
                write!(sql, "UPDATE shared_records SET {column} = {value} WHERE id = '{number}';").unwrap();
            }
        }
        home.sql(&format!("{sql} COMMIT;"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut found = runtime.block_on(async {
            let records = home.records();
            let mut ask = Ask { limit, ..Ask::default() };
            let mut found = Vec::new();
            loop {
                let (items, more) = records.unseen(ask.clone()).await.unwrap();
                assert!(items.is_sorted_by_key(|item| item.hlc.clone()));
                for item in &items {
                    ask.seen.advance(&item.hlc);
                }
                found.extend(items.iter().map(id_of));
                if !more {
                    break;
                }
                assert!(!items.is_empty());
            }
            let apart = records.unorderable(100).await.unwrap();
            assert_eq!(faults(&apart).len(), apart.len());
            found.extend(apart.iter().map(id_of));
            found
        });
        found.sort();
        let numbers = (0..rows.len()).map(|number| number.to_string());
        let all: Vec<_> = numbers.chain(["first".to_owned(), "last".to_owned()]).collect();
        prop_assert_eq!(found, all);
    }
}
