//! What every store promises the engine, said once over the ports and asked of each: the stores in memory,
//! in every age that adapters have, and the native ones, over files of every age that apps have.
//!
//! What JavaScript sees of stores, the app's own among them, is asked in `__test__/conformance`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::must_use_candidate)]

#[path = "../stores/support/mod.rs"]
mod support;

mod blobs;
mod bucket;
mod log_ranges;
mod logs;
mod records;
mod rows;
mod shelf;
mod state;

use std::future::Future;

use proptest::prelude::*;
use starkeep_sync_engine::engine::arrival::{Arrival, Fate};
use starkeep_sync_engine::engine::order_guard::OrderGuard;
use starkeep_sync_engine::engine::ports::Outcome;
use starkeep_sync_engine::protocol::hlc::{Hlc, wins};
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::watermarks::Watermarks;
use starkeep_sync_engine::testing::{Faults, MemoryClock};
use support::at;

/// Runs a sentence to its end.
fn run<T>(sentence: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(sentence)
}

fn clock() -> MemoryClock {
    MemoryClock::new("here", 1, Faults::default())
}

fn marks<'a>(all: impl IntoIterator<Item = &'a Hlc>) -> Watermarks {
    let mut marks = Watermarks::default();
    for hlc in all {
        marks.advance(hlc);
    }
    marks
}

fn hlc() -> impl Strategy<Value = Hlc> {
    let wall = prop_oneof![0u64..4, Just((1 << 48) - 1), Just(1 << 48)];
    let counter = prop_oneof![0u64..3, 65_534u64..65_539, Just(1_000_000)];
    let node = prop::sample::select(vec!["", "a", "b", "b:", "B", "ü"]);
    (wall, counter, node).prop_map(|(wall, counter, node)| at(wall, counter, node))
}

/// Versions of a few items, some of them tombstones.
fn writes() -> impl Strategy<Value = Vec<(u8, Hlc, bool)>> {
    prop::collection::vec((0u8..10, hlc(), any::<bool>()), 0..24)
}

/// Those of them whose timestamps have the usual 12 and 4 digits.
fn usual(writes: &[(u8, Hlc, bool)]) -> Vec<(u8, Hlc, bool)> {
    let is_usual = |hlc: &Hlc| hlc.wall_time < 1 << 48 && hlc.counter < 1 << 16;
    let usual = writes.iter().filter(|(_, hlc, _)| is_usual(hlc));
    usual.cloned().collect()
}

/// What became of the arrivals, in a word each.
fn outcomes<B>(run: &[Arrival<B>]) -> Vec<&'static str> {
    run.iter()
        .map(|arrival| match arrival.fate {
            Fate::Settled(Outcome::Applied) => "applied",
            Fate::Settled(Outcome::Stale) => "stale",
            Fate::Settled(Outcome::Behind) => "behind",
            Fate::Settled(Outcome::Failed(_)) => "failed",
            Fate::Waiting | Fate::Dropped => "?",
        })
        .collect()
}

fn arrivals<B>(items: impl IntoIterator<Item = Item<B>>) -> Vec<Arrival<B>> {
    items.into_iter().map(Arrival::new).collect()
}

fn guard() -> OrderGuard {
    OrderGuard::of_caller(false, std::collections::HashSet::new())
}

/// What stands after these writes, and which of them won.
fn model(
    writes: &[(u8, Hlc, bool)],
) -> (
    std::collections::BTreeMap<u8, (Hlc, bool)>,
    Vec<&'static str>,
) {
    let mut model: std::collections::BTreeMap<u8, (Hlc, bool)> = std::collections::BTreeMap::new();
    let mut won = Vec::new();
    for (id, hlc, deleted) in writes {
        let newer = wins(hlc, model.get(id).map(|(stands, _)| stands));
        won.push(if newer { "applied" } else { "stale" });
        if newer {
            model.insert(*id, (hlc.clone(), *deleted));
        }
    }
    (model, won)
}
