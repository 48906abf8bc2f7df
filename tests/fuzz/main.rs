//! The kept inputs of every target, and a bounded number of mutations of them.
//!
//! `FUZZ_RUNS=n` plays n mutations of each; `FUZZ_SEED=n` replays those of one seed. An input that fails is
//! written beside the kept ones, where it is replayed from then on.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[allow(dead_code, reason = "a simulation needs more of it")]
#[path = "../simulation/rng.rs"]
mod rng;
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rng::Rng;
use targets::{TARGETS, Target};

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name)
}

fn kept(name: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(corpus(name))
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has inputs");
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Words that break the readers of words.
const WORDS: [&str; 22] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\ud800",
    "\\u0000",
    "null",
    "1e999",
    "-0",
    "9007199254740993",
    "__proto__",
    "..",
    "/",
    "\\",
    "\u{1F600}",
    "ffffffffffff",
    "shippedAfter",
    "deletedAt",
    "1.0",
];

fn mutated(input: &[u8], others: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut data = input.to_vec();
    for _ in 0..=rng.below(4) {
        let at = rng.below(data.len() + 1);
        let end = (at + 1 + rng.below(8)).min(data.len());
        match rng.below(6) {
            0 if at < data.len() => data[at] = rng.next().to_le_bytes()[0],
            1 => drop(data.drain(at..end)),
            2 => drop(data.splice(at..at, data[at..end].to_vec())),
            3 => {
                let other = &others[rng.below(others.len())];
                let from = rng.below(other.len() + 1);
                let piece = &other[from..(from + rng.below(40)).min(other.len())];
                drop(data.splice(at..end, piece.iter().copied()));
            }
            4 => data.truncate(at.max(1)),
            _ => {
                let word = rng.pick(&WORDS);
                drop(data.splice(at..at, word.bytes()));
            }
        }
    }
    data
}

/// Runs a target; what it fails on is kept.
fn run(name: &str, target: Target, data: &[u8]) {
    if catch_unwind(|| target(data)).is_err() {
        let hash = data
            .iter()
            .fold(5381u64, |h, b| h.wrapping_mul(33) ^ u64::from(*b));
        let file = corpus(name).join(format!("found-{hash:016x}"));
        fs::write(&file, data).unwrap();
        panic!(
            "{name} fails on {:?}, kept as {}",
            String::from_utf8_lossy(data),
            file.display()
        );
    }
}

#[test]
fn every_target_holds_for_its_kept_inputs() {
    for (name, target, _) in TARGETS {
        for data in kept(name) {
            run(name, target, &data);
        }
    }
}

#[test]
fn every_target_holds_for_mutations_of_its_inputs() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("FUZZ_SEED").unwrap_or(since.as_secs());
    println!("FUZZ_SEED={seed}");
    for (name, target, little) in TARGETS {
        let inputs = kept(name);
        let mut rng = Rng::new(seed);
        let runs = number("FUZZ_RUNS").map_or(little, |runs| usize::try_from(runs).unwrap());
        for _ in 0..runs {
            let input = &inputs[rng.below(inputs.len())];
            run(name, target, &mutated(input, &inputs, &mut rng));
        }
        println!("{name}: {} inputs, {runs} mutations", inputs.len());
    }
}
