//! Stores with a change log.

use std::sync::Arc;

use starkeep_sync_engine::engine::change_log::{
    Advance, After, ChangeLog, Look, Note, Others, View, Waiting,
};
use starkeep_sync_engine::engine::held::Direction;
use starkeep_sync_engine::engine::ports::{Outcome, Records};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::log::{Cursor, Digest, History, Key, Stream, entry_hash};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::RecordStore;
use starkeep_sync_engine::store::ports::{Port, RecordPort};
use starkeep_sync_engine::testing::{Access, Faults, MemoryRecords};

use crate::run;
use crate::shelf::{AsText, Bodies, InMemory};
use crate::support::dsql::Proxy;
use crate::support::{Home, at, postgres};

/// A store of records with a log.
pub trait Logged<B>: Records<B> + ChangeLog<B> {}
impl<B, S: Records<B> + ChangeLog<B>> Logged<B> for S {}

/// A sentence about such a store.
pub trait OfLogs {
    async fn check<K: Bodies>(&self, name: &str, log: &impl Logged<K::Body>);
}

pub async fn every_log(sentence: &impl OfLogs) {
    let memory = MemoryRecords::new(Access::Indexed, 2, Faults::default()).keeping_a_log();
    sentence.check::<InMemory>("in memory", &memory).await;
    let home = Home::new();
    let records = Arc::new(home.records());
    let port: RecordPort = Port::here(Arc::clone(&records) as _);
    sentence.check::<AsText>("SQLite", &port).await;
    records.close().await.unwrap();
    if let Some(server) = postgres::shared() {
        // What waits counts how often it was noted, and so what was noted again for a lost answer.
        for (name, proxy) in postgres::each(server, None) {
            let options = postgres::by_way_of(proxy.as_ref(), postgres::options(server));
            let records = Arc::new(postgres::records(&options));
            records.init().await.unwrap();
            let port: RecordPort = Port::here(Arc::clone(&records) as _);
            sentence.check::<AsText>(name, &port).await;
            records.close().await.unwrap();
            proxy.iter().for_each(Proxy::assert_has_all);
        }
    }
}

pub fn cursor(text: &str) -> Cursor {
    text.parse().unwrap()
}

pub fn history(text: &str) -> History {
    History(text.split_whitespace().map(cursor).collect())
}

pub fn key(id: &str) -> Key {
    Key {
        stream: Stream::Records,
        id: Text::from(id),
    }
}

pub fn ids<B>(view: &View<B>) -> Vec<String> {
    let ids = view.items.iter().map(|(_, keyed)| keyed.key.id.to_string());
    ids.collect()
}

fn wanted<B>(view: &View<B>) -> Vec<String> {
    let ids = view.wanted.iter().map(|keyed| keyed.key.id.to_string());
    ids.collect()
}

pub fn after(seq: u64, limit: usize) -> Look {
    Look {
        history: usize::MAX,
        after: After::Seq(seq),
        limit,
        ..Look::default()
    }
}

pub async fn take_in<K: Bodies>(
    log: &impl Logged<K::Body>,
    all: &[(&str, Hlc)],
    origin: Option<&str>,
) -> Vec<Outcome> {
    let items: Vec<Item<K::Body>> = all
        .iter()
        .map(|(id, hlc)| K::record(id, hlc, false))
        .collect();
    log.take_in(items, origin.map(cursor), None).await.unwrap()
}

pub fn digest(all: &[(&str, Hlc)]) -> Digest {
    let mut digest = Digest::default();
    for (id, hlc) in all {
        digest.add(entry_hash("", id, &hlc.to_string()));
    }
    digest
}

struct Pages;

impl OfLogs for Pages {
    async fn check<K: Bodies>(&self, name: &str, log: &impl Logged<K::Body>) {
        let empty = log.look(after(0, 10)).await.unwrap();
        assert_eq!(
            (empty.head, empty.upto, empty.more),
            (0, 0, false),
            "{name}"
        );
        assert!(empty.history.0.is_empty(), "{name}");
        let all = [
            ("d", at(4, 0, "n")),
            ("a", at(9, 0, "n")),
            ("c", at(1, 0, "m")),
            ("b", at(2, 0, "n")),
        ];
        for one in &all {
            take_in::<K>(log, std::slice::from_ref(one), None).await;
            log.look(after(0, 0)).await.unwrap();
        }
        let mut upto = 0;
        for (page, more) in [(["d", "a"], true), (["c", "b"], false)] {
            let view = log.look(after(upto, 2)).await.unwrap();
            assert_eq!(
                (ids(&view), view.more),
                (page.map(str::to_owned).to_vec(), more),
                "{name}"
            );
            upto = view.upto;
        }
        let view = log.look(after(upto, 2)).await.unwrap();
        assert_eq!(
            (view.items.len(), view.upto, view.more),
            (0, 4, false),
            "{name}"
        );
        assert_eq!(view.history.0.len(), 1, "{name}");
        let [(stream, held)] = &view.streams.iter().collect::<Vec<_>>()[..] else {
            panic!("{name}: one stream")
        };
        assert_eq!((*stream, *held), ("", digest(&all)), "{name}");
        // By what another side has in common with it.
        let common = Look {
            after: After::Common(vec![cursor("unknown.9"), view.history.at(3).unwrap()]),
            limit: 9,
            ..Look::default()
        };
        let view = log.look(common).await.unwrap();
        assert_eq!(
            (view.after, ids(&view)),
            (3, vec!["b".to_owned()]),
            "{name}"
        );
        let want = Look {
            want: ["c", "x", "d"].map(key).to_vec(),
            ..after(2, 0)
        };
        assert_eq!(
            wanted(&log.look(want.clone()).await.unwrap()),
            ["c", "d"],
            "{name}"
        );
        let unsent = Look {
            only_unsent: true,
            ..want
        };
        assert_eq!(wanted(&log.look(unsent).await.unwrap()), ["c"], "{name}");
        assert_eq!(log.verify().await.unwrap(), 0, "{name}");
    }
}

#[test]
fn pages_of_a_log_follow_on_each_other() {
    run(every_log(&Pages));
}

struct Origins;

impl OfLogs for Origins {
    async fn check<K: Bodies>(&self, name: &str, log: &impl Logged<K::Body>) {
        take_in::<K>(log, &[("a", at(1, 0, "n"))], Some("laptop.5")).await;
        take_in::<K>(log, &[("b", at(1, 0, "n"))], Some("laptop.7")).await;
        take_in::<K>(log, &[("c", at(1, 0, "n"))], Some("phone.5")).await;
        take_in::<K>(log, &[("d", at(1, 0, "n"))], None).await;
        let view = async |skip| {
            let look = Look {
                skip: history(skip),
                lacking_at: Some("peer".to_owned()),
                ..after(0, 9)
            };
            let view = log.look(look).await.unwrap();
            (ids(&view).concat(), view.lacking)
        };
        assert_eq!(view("laptop.9").await, ("cd".to_owned(), Some(2)), "{name}");
        assert_eq!(
            view("laptop.5").await,
            ("bcd".to_owned(), Some(3)),
            "{name}"
        );
        assert_eq!(
            view("laptop.9 phone.5").await,
            ("d".to_owned(), Some(1)),
            "{name}"
        );
        // What is written over here is no other side's any more.
        take_in::<K>(log, &[("a", at(2, 0, "n"))], None).await;
        assert_eq!(view("laptop.9").await.0, "cda", "{name}");
        // What is passed over at the end of a page does not begin another.
        let look = Look {
            skip: history("phone.9"),
            ..after(0, 1)
        };
        let found = log.look(look).await.unwrap();
        assert_eq!(
            (ids(&found).concat(), found.upto, found.more),
            ("b".to_owned(), 3, true),
            "{name}"
        );
    }
}

#[test]
fn what_came_from_a_log_is_passed_over_for_that_log() {
    run(every_log(&Origins));
}

struct Advances;

impl OfLogs for Advances {
    async fn check<K: Bodies>(&self, name: &str, log: &impl Logged<K::Body>) {
        take_in::<K>(log, &[("a", at(1, 0, "n"))], None).await;
        let own = log.look(after(0, 0)).await.unwrap().history;
        let told = |follows, upto: &str| Advance {
            history: history("two.9 one.4"),
            follows,
            presumes: None,
            upto: cursor(upto),
            only_whole: false,
        };
        let had = async || {
            let look = Look {
                others: Others::Of(
                    history("two.9 one.4")
                        .0
                        .into_iter()
                        .map(|one| one.generation)
                        .collect(),
                ),
                ..Look::default()
            };
            let others = log.look(look).await.unwrap().others;
            history("two.9 one.4").common(&others)
        };
        let note = async |advance: Advance| {
            let note = Note {
                advance: Some(advance),
                ..Note::default()
            };
            log.note(note).await.unwrap();
            had().await
        };
        assert_eq!(had().await, None, "{name}");
        assert_eq!(
            note(told(1, "one.3")).await,
            None,
            "{name}: something is missing"
        );
        assert_eq!(note(told(0, "one.3")).await, Some(3), "{name}");
        assert_eq!(note(told(3, "two.6")).await, Some(6), "{name}");
        assert_eq!(note(told(6, "two.5")).await, Some(6), "{name}: never less");
        let presuming = |presumes| Advance {
            presumes: Some(presumes),
            ..told(6, "two.8")
        };
        assert_eq!(note(presuming(cursor("gone.1"))).await, Some(6), "{name}");
        assert_eq!(
            note(presuming(own.head().unwrap().clone())).await,
            Some(8),
            "{name}"
        );
        // Only once all of a page is here.
        let whole = Advance {
            only_whole: true,
            ..told(8, "two.9")
        };
        let page = vec![K::record("b", &at(1, 0, "n"), false)];
        log.take_in(page, Some(cursor("two.9")), Some(whole))
            .await
            .unwrap();
        assert_eq!(had().await, Some(9), "{name}");
        let latest = Look {
            others: Others::Latest(1),
            ..Look::default()
        };
        assert_eq!(
            log.look(latest).await.unwrap().others,
            [cursor("two.9")],
            "{name}"
        );
    }
}

#[test]
fn another_log_is_noted_only_as_far_as_nothing_of_it_is_missing() {
    run(every_log(&Advances));
}

struct Waits;

impl OfLogs for Waits {
    async fn check<K: Bodies>(&self, name: &str, log: &impl Logged<K::Body>) {
        take_in::<K>(log, &[("a", at(1, 0, "n"))], None).await;
        let waits = |id: &str, direction| Waiting {
            key: key(id),
            direction,
            hlc: Some(at(1, 0, "n")),
            code: "NO_FILE".to_owned(),
            reason: "its \u{0} file".to_owned(),
            since_ms: 0,
            attempts: 0,
        };
        let note = |peer: &str, waits, settled| Note {
            peer: peer.to_owned(),
            waits,
            settled,
            ..Note::default()
        };
        let (lost, out) = (
            waits("\u{0}x", Direction::Inbound),
            waits("a", Direction::Outbound),
        );
        log.note(note("peer", vec![lost.clone(), out.clone()], vec![]))
            .await
            .unwrap();
        log.note(note("peer", vec![lost.clone()], vec![]))
            .await
            .unwrap();
        log.note(note("other", vec![lost.clone()], vec![]))
            .await
            .unwrap();
        let look = || Look {
            waiting_for: Some("peer".to_owned()),
            lacking_at: Some("peer".to_owned()),
            ..after(1, 9)
        };
        let view = log.look(look()).await.unwrap();
        let mut found: Vec<_> = view
            .waiting
            .iter()
            .map(|one| (one.key.clone(), one.attempts))
            .collect();
        found.sort();
        assert_eq!(found, [(key("\u{0}x"), 2), (key("a"), 1)], "{name}");
        assert!(
            view.waiting
                .iter()
                .all(|one| one.reason == out.reason && one.hlc == out.hlc),
            "{name}"
        );
        assert_eq!(view.elsewhere.len(), 1, "{name}");
        assert_eq!(view.lacking, Some(1), "{name}: it passed what waits");
        let settled = vec![
            (Direction::Inbound, key("\u{0}x")),
            (Direction::Outbound, key("a")),
        ];
        log.note(note("peer", vec![], settled)).await.unwrap();
        let view = log.look(look()).await.unwrap();
        assert_eq!(
            (view.waiting.len(), view.elsewhere.len(), view.lacking),
            (0, 1, Some(0)),
            "{name}"
        );
    }
}

#[test]
fn what_waits_is_kept_until_it_is_settled() {
    run(every_log(&Waits));
}
