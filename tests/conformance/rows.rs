//! Stores of app rows.

use proptest::prelude::*;
use starkeep_sync_engine::engine::apply_rows::apply_rows;
use starkeep_sync_engine::engine::ports::AppRows;
use starkeep_sync_engine::engine::scan::find_rows;
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::delta::{Ask, Selection};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::ItemKind;

use crate::shelf::{Bodies, OfRows, Told, every_store_of_rows, unknown};
use crate::support::at;
use crate::support::rows::pages;
use crate::{arrivals, clock, guard, hlc, marks, model, outcomes, run, usual, writes};

async fn page_of<K: Bodies>(
    rows: &impl AppRows<K::Body>,
    floor: &Hlc,
    ask: &Ask,
) -> (Vec<Told>, bool) {
    let found = find_rows(rows, &pages(), floor, ask).await.unwrap();
    let (items, more) = found.into_items();
    let mut told: Vec<Told> = items.iter().map(|(_, item)| K::told(item)).collect();
    told.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
    (told, more)
}

struct Model {
    writes: Vec<(u8, Hlc, bool)>,
    together: bool,
    ask: Ask,
}

impl OfRows for Model {
    fn usual(&self) -> Option<Self> {
        Some(Self {
            writes: usual(&self.writes),
            together: self.together,
            ask: self.ask.clone(),
        })
    }

    async fn check<K: Bodies>(&self, name: &str, rows: &impl AppRows<K::Body>) {
        let (model, _) = model(&self.writes);
        let items = self
            .writes
            .iter()
            .map(|(id, hlc, deleted)| K::row(&format!("r{id}"), hlc, *deleted));
        if self.together {
            let mut run = arrivals(items);
            apply_rows(rows, &mut run, &clock(), &mut guard()).await;
            assert!(
                !outcomes(&run)
                    .iter()
                    .any(|one| ["failed", "?"].contains(one)),
                "{name}"
            );
        } else {
            for item in items {
                rows.apply_one(&item).await.unwrap();
            }
        }

        let all = marks(model.values().map(|(hlc, _)| hlc));
        if rows.capabilities().unwrap().coverage {
            assert_eq!(rows.coverage(&pages()).await.unwrap(), all, "{name}");
        }

        let mut naive = Selection::new(self.ask.limit);
        for (id, (hlc, deleted)) in &model {
            if self.ask.wants(hlc) {
                naive.offer(hlc.clone(), (format!("r{id}"), hlc.clone(), *deleted));
            }
        }
        let (naive, naive_more) = naive.finish().into_items();
        let mut naive: Vec<Told> = naive.into_iter().map(|(_, told)| told).collect();
        naive.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        // Nothing that is wanted lies at the floor, so a row at the very beginning is not asked for.
        if model.values().any(|(hlc, _)| *hlc == Hlc::zero()) {
            return;
        }
        let (found, more) = page_of::<K>(rows, &Hlc::zero(), &self.ask).await;
        assert_eq!((found, more), (naive, naive_more), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn applying_coverage_and_pages_are_those_of_a_plain_model(
        writes in writes(),
        seen in prop::collection::vec(hlc(), 0..4),
        together in any::<bool>(),
        limit in 1usize..8,
    ) {
        let ask = Ask { seen: marks(&seen), limit, ..Ask::default() };
        run(every_store_of_rows(&Model { writes, together, ask }));
    }
}

struct Strangers;

impl OfRows for Strangers {
    async fn check<K: Bodies>(&self, name: &str, rows: &impl AppRows<K::Body>) {
        assert!(rows.knows(&pages().app).await.unwrap(), "{name}");
        assert!(!rows.knows(&unknown().app).await.unwrap(), "{name}");
        assert!(rows.tables().await.unwrap().contains(&pages()), "{name}");
        let mut stray = K::row("a", &at(1, 0, "n"), false);
        stray.kind = ItemKind::Row(unknown());
        let refused = rows.apply_one(&stray).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::UnknownApp, "{name}");
        let ask = Ask {
            limit: 5,
            ..Ask::default()
        };
        assert_eq!(
            page_of::<K>(rows, &Hlc::zero(), &ask).await,
            (vec![], false),
            "{name}"
        );
    }
}

#[test]
fn rows_of_nobody_are_refused_and_the_tables_of_apps_are_known() {
    run(every_store_of_rows(&Strangers));
}

struct Brought;

impl OfRows for Brought {
    async fn check<K: Bodies>(&self, name: &str, rows: &impl AppRows<K::Body>) {
        for (hlc, deleted) in [
            (at(5, 0, "n"), true),
            (at(4, 0, "m"), false),
            (at(5, 0, "n"), false),
        ] {
            rows.apply_one(&K::row("a", &hlc, deleted)).await.unwrap();
        }
        let ask = Ask {
            limit: 5,
            ..Ask::default()
        };
        let dead = ("a".to_owned(), at(5, 0, "n"), true);
        assert_eq!(
            page_of::<K>(rows, &Hlc::zero(), &ask).await,
            (vec![dead], false),
            "{name}"
        );
    }
}

#[test]
fn a_row_that_is_deleted_before_it_was_seen_is_not_brought_back() {
    run(every_store_of_rows(&Brought));
}
