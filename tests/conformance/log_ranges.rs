//! What stores with a change log hold of ranges, and of two versions with one timestamp.

use std::collections::BTreeSet;

use starkeep_sync_engine::engine::change_log::Look;
use starkeep_sync_engine::engine::ports::Outcome;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::log::{Range, Reply, Span};

use crate::logs::{Logged, OfLogs, after, cursor, digest, every_log, history, ids, take_in};
use crate::run;
use crate::shelf::Bodies;
use crate::support::at;

fn three_hundred() -> Vec<(String, Hlc)> {
    let all = (0..300).map(|id| (format!("r{id:03}"), at(id, 0, "n")));
    all.collect()
}

fn by_name(all: &[(String, Hlc)]) -> Vec<(&str, Hlc)> {
    let all = all.iter().map(|(id, hlc)| (id.as_str(), hlc.clone()));
    all.collect()
}

fn range(from: &str, to: Option<&str>) -> Range {
    Range {
        stream: String::new(),
        from: from.to_owned(),
        to: to.map(str::to_owned),
    }
}

struct Ranges;

impl OfLogs for Ranges {
    async fn check<K: Bodies>(&self, name: &str, log: &impl Logged<K::Body>) {
        let all = three_hundred();
        let held = by_name(&all);
        take_in::<K>(log, &held, None).await;
        let ranges = vec![
            range("", None),
            range("r100", Some("r103")),
            range("r298\0", None),
            range("", Some("r001\0")),
        ];
        let digests = log.digests(ranges.clone()).await.unwrap();
        let of = |part: &[(&str, Hlc)]| digest(part);
        let expected = [
            of(&held),
            of(&held[100..103]),
            of(&held[299..]),
            of(&held[..2]),
        ];
        assert_eq!(digests, expected, "{name}");
        let versions = log.versions(ranges).await.unwrap();
        let times: Vec<String> = versions[1].iter().map(|(_, time)| time.clone()).collect();
        assert_eq!(
            times,
            held[100..103]
                .iter()
                .map(|(_, hlc)| hlc.to_string())
                .collect::<Vec<_>>(),
            "{name}"
        );
    }
}

#[test]
fn a_range_holds_what_is_between_its_keys() {
    run(every_log(&Ranges));
}

struct Differences;

impl OfLogs for Differences {
    async fn check<K: Bodies>(&self, name: &str, log: &impl Logged<K::Body>) {
        let all = three_hundred();
        let held = by_name(&all);
        take_in::<K>(log, &held, None).await;
        // Another side lacks one, and has another version of a second.
        let mut theirs = held.clone();
        theirs[200].1 = at(900, 0, "n");
        theirs.remove(40);
        let theirs_in = |range: &Range| {
            let within = theirs.iter().filter(|(id, _)| {
                *id >= range.from.as_str() && range.to.as_ref().is_none_or(|to| *id < to.as_str())
            });
            digest(&within.cloned().collect::<Vec<_>>())
        };
        let span = |range: Range| Span {
            digest: theirs_in(&range),
            range,
        };
        let (mut open, mut differ) = (vec![span(range("", None))], BTreeSet::new());
        while !open.is_empty() {
            let replies = log.compare(open.clone()).await.unwrap();
            let mut next = Vec::new();
            for (asked, reply) in open.iter().zip(replies) {
                match reply {
                    Reply::Same => {}
                    Reply::Parts(parts) => {
                        assert_eq!(
                            parts.first().map(|part| &part.range.from),
                            Some(&asked.range.from),
                            "{name}"
                        );
                        let differing = parts
                            .into_iter()
                            .filter(|part| part.digest != theirs_in(&part.range));
                        next.extend(differing.map(|part| span(part.range)));
                    }
                    Reply::Keys(keys) => {
                        let known = |id: &str, time: &str| {
                            theirs
                                .iter()
                                .any(|(known, hlc)| *known == id && hlc.to_string() == time)
                        };
                        differ.extend(
                            keys.into_iter()
                                .filter(|found| !known(&found.0, &found.1))
                                .map(|found| found.0),
                        );
                    }
                }
            }
            open = next;
        }
        assert_eq!(
            differ.into_iter().collect::<Vec<_>>(),
            ["r040", "r200"],
            "{name}"
        );
        assert!(
            matches!(
                log.compare(vec![Span {
                    range: range("", None),
                    digest: digest(&held)
                }])
                .await
                .unwrap()[..],
                [Reply::Same]
            ),
            "{name}"
        );
    }
}

#[test]
fn two_sides_find_what_they_hold_differently() {
    run(every_log(&Differences));
}

struct Versions;

impl OfLogs for Versions {
    async fn check<K: Bodies>(&self, name: &str, log: &impl Logged<K::Body>) {
        let words = |taken: Vec<Outcome>| {
            taken
                .iter()
                .map(|one| format!("{one:?}"))
                .collect::<Vec<_>>()
        };
        let newer = take_in::<K>(
            log,
            &[
                ("a", at(5, 0, "n")),
                ("a", at(4, 0, "n")),
                ("a", at(6, 0, "n")),
            ],
            Some("l.3"),
        )
        .await;
        assert_eq!(words(newer), ["Applied", "Stale", "Applied"], "{name}");
        let before = log.look(after(0, 9)).await.unwrap();
        // The same again changes nothing, and no side hears of it.
        let same = take_in::<K>(log, &[("a", at(6, 0, "n"))], Some("l.4")).await;
        assert_eq!(words(same), ["Stale"], "{name}");
        assert_eq!(
            log.look(after(0, 9)).await.unwrap().head,
            before.head,
            "{name}"
        );
        // Of two versions with one time one stands whichever came first, and everybody hears of it.
        let dead = log
            .take_in(
                vec![K::record("a", &at(6, 0, "n"), true)],
                Some(cursor("l.5")),
                None,
            )
            .await
            .unwrap();
        let look = Look {
            skip: history("l.9"),
            ..after(before.head, 9)
        };
        let view = log.look(look.clone()).await.unwrap();
        assert_eq!(ids(&view), ["a"], "{name}");
        let stands = K::told(&view.items[0].1.item).2;
        assert_eq!(
            words(dead),
            [if stands { "Applied" } else { "Stale" }],
            "{name}"
        );
        let alive = take_in::<K>(log, &[("a", at(6, 0, "n"))], Some("l.6")).await;
        assert_eq!(words(alive), ["Stale"], "{name}");
        let view = log.look(after(0, 9)).await.unwrap();
        assert_eq!(K::told(&view.items[0].1.item).2, stands, "{name}");
        assert_eq!(log.verify().await.unwrap(), 0, "{name}");
    }
}

#[test]
fn of_two_versions_one_stands_whichever_came_first() {
    run(every_log(&Versions));
}
