//! What an app can ask the store of records.

use crate::support::{Home, OLD_TABLE, at, record, text, value, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::store::RecordStore;
use starkeep_sync_engine::store::query::Query;
use starkeep_sync_engine::store::sqlite::SqliteRecords;

fn query(json: &Value) -> Query {
    Query::from_json(&json.to_string()).unwrap()
}

async fn ids(records: &SqliteRecords, asked: &Value) -> Vec<String> {
    let found = records.query(query(asked)).await.unwrap().records;
    found
        .iter()
        .map(|json| value(json)["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn filters_select_what_they_say() {
    let home = Home::of_an_app(OLD_TABLE);
    let records = home.records();
    for (id, size, label, counter) in [
        ("a", 1, json!("x_y"), 9),
        ("b", 2, json!(null), 70_000),
        ("c", 10, json!("XY"), 65_535),
    ] {
        let changes = json!({ "sizeBytes": size, "label": label, "type": format!("t{id}") });
        records
            .put(text(&with(record(id, &at(5, counter, "n")), changes)))
            .await
            .unwrap();
    }
    let cases: [(&str, &str, Value, &[&str]); 21] = [
        ("sizeBytes", "eq", json!(2), &["b"]),
        ("sizeBytes", "=", json!(2), &["b"]),
        ("sizeBytes", "!=", json!(2), &["a", "c"]),
        ("sizeBytes", "gte", json!(2), &["b", "c"]),
        ("sizeBytes", "<", json!(10), &["a", "b"]),
        ("sizeBytes", "in", json!([1, 10]), &["a", "c"]),
        ("sizeBytes", "notIn", json!([1, 10]), &["b"]),
        ("sizeBytes", "in", json!([]), &[]),
        ("label", "eq", json!(null), &["b"]),
        ("label", "ne", json!("XY"), &["a", "b"]),
        ("label", "notIn", json!(["XY"]), &["a", "b"]),
        ("label", "in", json!([null, "XY"]), &["b", "c"]),
        ("label", "isNotNull", json!(null), &["a", "c"]),
        ("label", "isNull", json!(null), &["b"]),
        ("label", "like", json!("x%"), &["a", "c"]),
        ("label", "contains", json!("_"), &["a"]),
        ("label", "startsWith", json!("X"), &["c"]),
        ("updatedAt", "gt", json!(at(5, 65_535, "n")), &["b"]),
        (
            "updatedAt",
            "lte",
            json!("000000000005:ffff:n"),
            &["a", "c"],
        ),
        ("updatedAt", "in", json!([at(5, 9, "n")]), &["a"]),
        ("kind", "eq", json!("data"), &["a", "b", "c"]),
    ];
    for (field, operator, value, expected) in cases {
        let asked =
            json!({ "filters": [{ "field": field, "operator": operator, "value": value }] });
        assert_eq!(ids(&records, &asked).await, expected, "{asked}");
    }
    assert_eq!(
        ids(&records, &json!({ "type": "tb", "filters": [] })).await,
        ["b"]
    );
    for (field, operator, value) in [
        ("nonsense", "eq", json!(1)),
        ("id", "nonsense", json!(1)),
        ("id", "in", json!(1)),
        ("updatedAt", "gt", json!(5)),
        ("id\" OR 1 --", "eq", json!(1)),
        ("id", "eq", json!({})),
    ] {
        let asked =
            json!({ "filters": [{ "field": field, "operator": operator, "value": value }] });
        let refused = records.query(query(&asked)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{asked}");
    }
    let zero = Query {
        limit: Some(0),
        ..Query::default()
    };
    assert_eq!(
        records.query(zero).await.unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    assert!(Query::from_json(r#"{"sort":[{"field":"id","direction":"up"}]}"#).is_err());
    for limit in ["-1", "2.5", "\"5\""] {
        let refused = Query::from_json(&format!("{{\"limit\":{limit}}}")).unwrap_err();
        let wanted = format!("limit must be an integer from 1, got {limit}");
        assert!(refused.to_string().contains(&wanted), "{refused}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn pages_in_any_order_are_complete_and_in_that_order(
        rows in prop::collection::vec((0u8..3, prop::option::of(0u8..3), 0u64..3, 65_534u64..65_538), 0..14),
        sort in prop::collection::vec((prop::sample::select(vec!["sizeBytes", "parentId", "updatedAt", "type"]), any::<bool>()), 0..3),
        limit in 1usize..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let home = Home::new();
            let records = home.records();
            let mut stored = Vec::new();
            for (number, (size, parent, wall, counter)) in rows.iter().enumerate() {
                let changes = json!({ "sizeBytes": size, "parentId": parent.map(|p| p.to_string()) });
                let made = with(record(&format!("r{number:02}"), &at(*wall, *counter, "n")), changes);
                records.put(text(&made)).await.unwrap();
                stored.push((made, (*wall, *counter)));
            }
            stored.sort_by(|(a, a_time), (b, b_time)| {
                for (field, descending) in &sort {
                    let order = match *field {
                        "sizeBytes" => a[field].as_u64().cmp(&b[field].as_u64()),
                        "updatedAt" => a_time.cmp(b_time),
                        _ => a[field].as_str().cmp(&b[field].as_str()),
                    };
                    let order = if *descending { order.reverse() } else { order };
                    if order.is_ne() {
                        return order;
                    }
                }
                a["id"].as_str().cmp(&b["id"].as_str())
            });
            let sort: Vec<_> = sort.iter().map(|(field, descending)| {
                json!({ "field": field, "direction": if *descending { "desc" } else { "asc" } })
            }).collect();
            let (mut found, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let page = records.query(query(&json!({ "sort": sort, "limit": limit, "cursor": cursor }))).await.unwrap();
                assert_eq!(page.has_more, page.next_cursor.is_some());
                found.extend(page.records.iter().map(|json| value(json)));
                match page.next_cursor {
                    Some(next) => cursor = json!(next),
                    None => break,
                }
            }
            let expected: Vec<_> = stored.into_iter().map(|(record, _)| record).collect();
            assert_eq!(found, expected);
        });
    }
}
