//! The change log of a file to which programs write that know nothing of logs.

use std::collections::BTreeMap;

use crate::log::{all_after, assert_true};
use crate::support::{Home, NEW_TABLE, at, record, text};
use proptest::prelude::*;
use rusqlite::Connection;
use starkeep_sync_engine::store::RecordStore;

/// A statement of a program that knows nothing of logs.
#[derive(Debug, Clone)]
enum Foreign {
    Replace(u8, u64),
    Ignore(u8, u64),
    Upsert(u8, u64),
    Update(u8, u64),
    UpdateOrIgnore(u8, u64),
    Rename(u8, u8),
    Touch(u8),
    Delete(u8),
    Through(u8, u64),
}

impl Foreign {
    fn sql(&self) -> Option<String> {
        let row = |id: &u8, wall: &u64| {
            let time = at(*wall, 0, "n");
            format!(
                "shared_records (id, type, created_at, updated_at, node_id, version, content_hash, \
                 object_storage_key, mime_type, size_bytes, origin_app_id) VALUES ('{id}', 't', '{time}', '{time}', \
                 'n', 1, '', '', '', 0, 'a')"
            )
        };
        let time = |wall: &u64| at(*wall, 0, "n").to_string();
        Some(match self {
            Self::Replace(id, wall) => format!("INSERT OR REPLACE INTO {}", row(id, wall)),
            Self::Ignore(id, wall) => format!("INSERT OR IGNORE INTO {}", row(id, wall)),
            Self::Upsert(id, wall) => format!(
                "INSERT INTO {} ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at",
                row(id, wall)
            ),
            Self::Update(id, wall) => {
                format!(
                    "UPDATE shared_records SET updated_at = '{}' WHERE id = '{id}'",
                    time(wall)
                )
            }
            Self::UpdateOrIgnore(id, wall) => format!(
                "UPDATE OR IGNORE shared_records SET updated_at = '{}' WHERE id = '{id}'",
                time(wall)
            ),
            Self::Rename(id, to) => {
                format!("UPDATE OR REPLACE shared_records SET id = '{to}' WHERE id = '{id}'")
            }
            Self::Touch(id) => format!("UPDATE shared_records SET version = 2 WHERE id = '{id}'"),
            Self::Delete(id) => format!("DELETE FROM shared_records WHERE id = '{id}'"),
            Self::Through(..) => return None,
        })
    }
}

fn foreign() -> impl Strategy<Value = Foreign> {
    let (id, wall) = (0..6u8, 1..40u64);
    prop_oneof![
        (id.clone(), wall.clone()).prop_map(|(id, wall)| Foreign::Replace(id, wall)),
        (id.clone(), wall.clone()).prop_map(|(id, wall)| Foreign::Ignore(id, wall)),
        (id.clone(), wall.clone()).prop_map(|(id, wall)| Foreign::Upsert(id, wall)),
        (id.clone(), wall.clone()).prop_map(|(id, wall)| Foreign::Update(id, wall)),
        (id.clone(), wall.clone()).prop_map(|(id, wall)| Foreign::UpdateOrIgnore(id, wall)),
        (id.clone(), id.clone()).prop_map(|(id, to)| Foreign::Rename(id, to)),
        id.clone().prop_map(Foreign::Touch),
        id.clone().prop_map(Foreign::Delete),
        (id, wall).prop_map(|(id, wall)| Foreign::Through(id, wall)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_log_is_true_to_the_table_whoever_writes(steps in prop::collection::vec((foreign(), any::<bool>()), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let home = Home::of_an_app(NEW_TABLE);
            let records = home.records();
            let other = Connection::open(home.path()).unwrap();
            let mut seen: BTreeMap<String, String> = BTreeMap::new();
            let mut head = 0;
            for (step, looks) in &steps {
                match (step, step.sql()) {
                    (Foreign::Through(id, wall), _) => {
                        let record = record(&id.to_string(), &at(*wall, 0, "n"));
                        records.put(text(&record)).await.unwrap();
                    }
                    (_, Some(sql)) => drop(other.execute(&sql, []).unwrap()),
                    _ => {}
                }
                if !looks {
                    continue;
                }
                // A follower that reads what is new has everything that is there.
                let view = all_after(&records, head).await;
                for (_, keyed) in &view.items {
                    seen.insert(keyed.key.id.to_string(), keyed.item.hlc.to_string());
                }
                head = view.upto;
                for (_, keyed) in &assert_true(&home, &records).await.items {
                    prop_assert_eq!(seen.get(&keyed.key.id.to_string()), Some(&keyed.item.hlc.to_string()));
                }
            }
            assert_true(&home, &records).await;
            Ok(())
        })?;
    }
}
