//! What the store of app rows makes of columns, against a plain model of it.

use std::collections::BTreeMap;

use crate::support::rows::{SCHEMAS, entry, kinds, of_an_app, open, pages};
use crate::support::{at, value};
use proptest::prelude::*;
use serde_json::{Value, json};
use starkeep_sync_engine::protocol::delta::Selection;
use starkeep_sync_engine::protocol::hlc::{Hlc, wins};
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::store::{AppRowStore, Json};

#[derive(Debug, Clone)]
struct Write {
    id: u8,
    hlc: Hlc,
    delete: bool,
    note: u8,
}

fn hlc() -> impl Strategy<Value = Hlc> {
    let wall = prop_oneof![0u64..4, Just((1 << 48) - 1), Just(1 << 48)];
    let counter = prop_oneof![0u64..3, 65_534u64..65_539];
    let node = prop::sample::select(vec!["", "a", "b", "b:"]);
    (wall, counter, node).prop_map(|(wall, counter, node)| at(wall, counter, node))
}

fn write() -> impl Strategy<Value = Write> {
    (0u8..8, hlc(), any::<bool>(), 0u8..3).prop_map(|(id, hlc, delete, note)| Write {
        id,
        hlc,
        delete,
        note,
    })
}

impl Write {
    /// The row as it stands after this write over `before`.
    fn over(&self, before: Option<&Value>) -> Value {
        let mut row = before.cloned().unwrap_or_else(|| json!({}));
        row["id"] = json!(format!("r{}", self.id));
        row["part"] = json!(0);
        row[format!("note{}", self.note)] = json!(self.hlc);
        row["deleted_at"] = if self.delete {
            json!(self.hlc.to_string())
        } else {
            Value::Null
        };
        row["updated_at"] = json!(self.hlc.to_string());
        row
    }

    fn item(&self) -> Item<Json> {
        let op = if self.delete { "delete" } else { "insert" };
        entry(&pages(), op, &self.hlc, self.over(None), Value::Null)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_and_scans_equal_a_naive_model(
        writes in prop::collection::vec(write(), 0..30),
        since in hlc(),
        limit in 1usize..8,
        schema in prop::sample::select(SCHEMAS.to_vec()),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let home = of_an_app(schema);
            let rows = open(&home);
            let mut model: BTreeMap<u8, (Hlc, Value)> = BTreeMap::new();
            let mut expected = Vec::new();
            for write in &writes {
                let before = model.get(&write.id);
                let newer = wins(&write.hlc, before.map(|(hlc, _)| hlc));
                expected.push(Ok(newer));
                if newer {
                    let row = write.over(before.map(|(_, row)| row));
                    model.insert(write.id, (write.hlc.clone(), row));
                }
            }
            let items = writes.iter().map(Write::item).collect();
            let taken = rows.take_in(items, true).await.unwrap();
            assert_eq!(kinds(&taken), expected);

            let found = rows.scan(&pages(), since.clone(), limit).await.unwrap();
            assert_page(found, &model, limit, |hlc| *hlc > since);
        });
    }
}

fn assert_page(
    (items, more): (Vec<Item<Json>>, bool),
    model: &BTreeMap<u8, (Hlc, Value)>,
    limit: usize,
    wanted: impl Fn(&Hlc) -> bool,
) {
    let mut page = Selection::new(limit);
    for (hlc, row) in model.values().filter(|(hlc, _)| wanted(hlc)) {
        page.offer(hlc.clone(), row.clone());
    }
    let (naive, naive_more) = page.finish().into_items();
    let by_id = |(hlc, row): &(Hlc, Value)| (hlc.clone(), row["id"].to_string());
    let mut naive: Vec<_> = naive.into_iter().collect();
    naive.sort_by_key(by_id);
    let found = items.into_iter().map(|item| {
        let entry = value(&item.body);
        let deleted = !entry["row"]["deleted_at"].is_null();
        assert_eq!(
            entry["op"],
            json!(if deleted { "delete" } else { "insert" })
        );
        (item.hlc, entry["row"].clone())
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(by_id);
    assert_eq!(found, naive);
    assert_eq!(more, naive_more);
}
