//! Stores of shared records.

use proptest::prelude::*;
use starkeep_sync_engine::engine::apply_records::apply_records;
use starkeep_sync_engine::engine::ports::Records;
use starkeep_sync_engine::engine::scan::find_records;
use starkeep_sync_engine::protocol::delta::{Ask, Backlog, Selection};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::text::Text;

use crate::shelf::{Bodies, OfRecords, Told, every_store_of_records};
use crate::support::at;
use crate::{arrivals, clock, guard, hlc, marks, model, outcomes, run, usual, writes};

async fn page_of<K: Bodies>(
    records: &impl Records<K::Body>,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
) -> (Vec<Told>, bool) {
    let found = find_records(records, ask, backlog).await.unwrap();
    let (items, more) = found.into_items();
    let told = items.iter().map(|(hlc, item)| {
        let told = K::told(item);
        assert_eq!(told.1, *hlc);
        told
    });
    (told.collect(), more)
}

/// Everything, page by page, as an asker who has seen the pages before.
async fn drain<K: Bodies>(records: &impl Records<K::Body>, limit: usize) -> Vec<Told> {
    let mut backlog = Backlog::default();
    let mut ask = Ask {
        limit,
        ..Ask::default()
    };
    let mut all = Vec::new();
    loop {
        let (told, more) = page_of::<K>(records, &ask, &mut backlog).await;
        assert!(
            !more || !told.is_empty(),
            "a page with more behind it has something"
        );
        for (_, hlc, _) in &told {
            ask.seen.advance(hlc);
        }
        all.extend(told);
        if !more {
            return all;
        }
    }
}

async fn put_all<K: Bodies>(records: &impl Records<K::Body>, all: &[(&str, Hlc)]) {
    for (id, hlc) in all {
        records.put(&K::record(id, hlc, false)).await.unwrap();
    }
}

struct Model {
    writes: Vec<(u8, Hlc, bool)>,
    ask: Ask,
}

impl OfRecords for Model {
    fn usual(&self) -> Option<Self> {
        Some(Self {
            writes: usual(&self.writes),
            ask: self.ask.clone(),
        })
    }

    async fn check<K: Bodies>(&self, name: &str, records: &impl Records<K::Body>) {
        let (model, won) = model(&self.writes);
        let mut run = arrivals(
            self.writes
                .iter()
                .map(|(id, hlc, deleted)| K::record(&format!("r{id}"), hlc, *deleted)),
        );
        apply_records(records, &mut run, &clock(), &mut guard()).await;
        assert_eq!(outcomes(&run), won, "{name}");

        let all: Vec<&Hlc> = model.values().map(|(hlc, _)| hlc).collect();
        if records.capabilities().unwrap().coverage {
            let coverage = records.coverage().await.unwrap();
            assert_eq!(coverage, marks(all.iter().copied()), "{name}");
        }
        for (id, (hlc, _)) in &model {
            let stored = records.stored(&Text::from(format!("r{id}").as_str())).await;
            assert_eq!(stored.unwrap().as_ref(), Some(hlc), "{name}");
        }

        let mut naive = Selection::new(self.ask.limit);
        for (id, (hlc, deleted)) in &model {
            if self.ask.wants(hlc) {
                naive.offer(hlc.clone(), (format!("r{id}"), hlc.clone(), *deleted));
            }
        }
        let (naive, naive_more) = naive.finish().into_items();
        let naive = naive.into_iter().map(|(_, told)| told);
        let (found, more) = page_of::<K>(records, &self.ask, &mut Backlog::default()).await;
        assert_eq!(sorted(found), sorted(naive.collect()), "{name}");
        assert_eq!(more, naive_more, "{name}");

        let drained = drain::<K>(records, self.ask.limit).await;
        let expected = model
            .iter()
            .map(|(id, (hlc, deleted))| (format!("r{id}"), hlc.clone(), *deleted));
        assert_eq!(sorted(drained), sorted(expected.collect()), "{name}");
    }
}

fn sorted(mut told: Vec<Told>) -> Vec<Told> {
    told.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn taking_in_coverage_and_pages_are_those_of_a_plain_model(
        writes in writes(),
        seen in prop::collection::vec(hlc(), 0..4),
        skip in prop::collection::vec(prop::sample::select(vec!["a", "b"]), 0..2),
        limit in 1usize..8,
    ) {
        let lone = Text::from_units(&[0xD800]);
        let skip = skip.into_iter().map(Text::from).chain([lone]).collect();
        let ask = Ask { seen: marks(&seen), skip, upto: None, limit };
        run(every_store_of_records(&Model { writes, ask }));
    }
}

struct Equal;

impl OfRecords for Equal {
    async fn check<K: Bodies>(&self, name: &str, records: &impl Records<K::Body>) {
        put_all::<K>(
            records,
            &[
                ("a", at(2, 0, "n")),
                ("b", at(2, 0, "n")),
                ("c", at(1, 0, "n")),
                ("d", at(2, 0, "n")),
            ],
        )
        .await;
        let pages = async |seen: &[Hlc], limit| {
            let ask = Ask {
                seen: marks(seen),
                limit,
                ..Ask::default()
            };
            let (told, more) = page_of::<K>(records, &ask, &mut Backlog::default()).await;
            (told.len(), more)
        };
        assert_eq!(pages(&[], 2).await, (1, true), "{name}");
        assert_eq!(pages(&[at(1, 0, "n")], 1).await, (3, false), "{name}");
        assert_eq!(pages(&[at(2, 0, "n")], 1).await, (0, false), "{name}");
    }
}

#[test]
fn equal_timestamps_are_never_parted() {
    run(every_store_of_records(&Equal));
}

struct Bounded;

impl OfRecords for Bounded {
    async fn check<K: Bodies>(&self, name: &str, records: &impl Records<K::Body>) {
        put_all::<K>(
            records,
            &[
                ("a", at(1, 0, "n")),
                ("b", at(5, 0, "n")),
                ("c", at(2, 0, "new")),
            ],
        )
        .await;
        let ask = Ask {
            upto: Some(marks(&[at(3, 0, "n")])),
            limit: 10,
            ..Ask::default()
        };
        let (told, _) = page_of::<K>(records, &ask, &mut Backlog::default()).await;
        assert_eq!(told, [("a".to_owned(), at(1, 0, "n"), false)], "{name}");
    }
}

#[test]
fn what_was_written_too_late_for_an_answer_stays_out_of_it() {
    run(every_store_of_records(&Bounded));
}

struct Changing;

impl OfRecords for Changing {
    /// While a backlog drains, one record goes behind it and one is new.
    async fn check<K: Bodies>(&self, name: &str, records: &impl Records<K::Body>) {
        for i in 0..9 {
            put_all::<K>(records, &[(format!("r{}", 8 - i).as_str(), at(i, 0, "n"))]).await;
        }
        let mut backlog = Backlog::default();
        let mut ask = Ask {
            limit: 2,
            ..Ask::default()
        };
        let (first, more) = page_of::<K>(records, &ask, &mut backlog).await;
        assert!(more, "{name}");
        put_all::<K>(records, &[("r4", at(20, 0, "n")), ("new", at(21, 0, "n"))]).await;
        let mut all = first;
        loop {
            ask.seen = marks(all.iter().map(|(_, hlc, _)| hlc));
            let (told, more) = page_of::<K>(records, &ask, &mut backlog).await;
            all.extend(told);
            if !more {
                break;
            }
        }
        let mut ids: Vec<_> = all.iter().map(|(id, _, _)| id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!(
            ids,
            ["new", "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"],
            "{name}"
        );
    }
}

#[test]
fn what_changes_while_a_backlog_drains_goes_along_once() {
    run(every_store_of_records(&Changing));
}

struct Absent;

impl OfRecords for Absent {
    async fn check<K: Bodies>(&self, name: &str, records: &impl Records<K::Body>) {
        for id in [Text::from("nowhere"), Text::from_units(&[0xD800])] {
            assert_eq!(records.stored(&id).await.unwrap(), None, "{name}");
        }
        assert!(
            !records.capabilities().unwrap().coverage
                || records.coverage().await.unwrap().is_empty(),
            "{name}"
        );
        assert_eq!(drain::<K>(records, 1).await, [], "{name}");
    }
}

#[test]
fn an_empty_store_holds_nothing_under_any_id() {
    run(every_store_of_records(&Absent));
}
