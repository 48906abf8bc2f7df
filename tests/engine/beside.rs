//! Requests of one answering side that run beside each other end as if one had followed the other.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use starkeep_sync_engine::engine::change_log::{After, ChangeLog as _, Look, View};
use starkeep_sync_engine::engine::ports::Exchange;
use starkeep_sync_engine::engine::responder::Responder;
use starkeep_sync_engine::engine::round::{DEFAULT_MAX_CLOCK_SKEW_MS, Engine, Report};
use starkeep_sync_engine::error::Result;
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::testing::{
    Body, MemoryBlobs, MemoryEvents, MemorySide, MemoryState, record,
};

use crate::support::{Node, Setup, body, ids, setup};

/// The number of orders in which the steps of two callers are played.
const ORDERS: u64 = 100;

/// Answers each request when it comes, unlike the wire of the other tests.
#[derive(Clone)]
struct AtOnce(Rc<Responder<MemorySide>>);

impl AtOnce {
    fn new(hub: &Node) -> Self {
        let skew = Some(DEFAULT_MAX_CLOCK_SKEW_MS);
        Self(Rc::new(Responder::new(hub.side.clone(), skew)))
    }
}

impl Exchange<Body> for AtOnce {
    async fn exchange(&self, request: Request<Body>) -> Result<Answer<Body>> {
        match self.0.answer_at_hand(request) {
            Ok(answer) => Ok(answer),
            Err(request) => self.0.answer(request).await,
        }
    }
}

type Caller = Engine<MemorySide, MemoryBlobs, AtOnce, MemoryState, MemoryEvents>;

/// Two callers of one side.
struct Two {
    hub: Node,
    nodes: [Node; 2],
    callers: [Caller; 2],
}

/// They hold the record `both` already.
async fn two() -> Two {
    let of = Setup::logged(2);
    let (one, hub) = setup(of);
    let nodes = [one, Node::new("other", &hub, of)];
    let answering = AtOnce::new(&hub);
    let callers = [0, 1].map(|at| nodes[at].engine_over(&hub, answering.clone(), 2));
    let two = Two {
        hub,
        nodes,
        callers,
    };
    two.hub.write_record("both", None);
    for caller in &two.callers {
        rounds(caller).await;
    }
    two
}

/// Rounds until there is nothing more.
async fn rounds(caller: &Caller) -> Vec<Report<Body>> {
    let mut reports = Vec::new();
    loop {
        let report = caller.round().await.unwrap();
        let is_over = !report.has_more;
        reports.push(report);
        if is_over {
            return reports;
        }
    }
}

/// Both, step by step in an order that `seed` says.
async fn beside<T>(seed: u64, [one, other]: [impl Future<Output = T>; 2]) -> [T; 2] {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let mut ended = [None, None];
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    poll_fn(|context| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let first = state & 1 == 0 && ended[0].is_none() || ended[1].is_some();
        let polled = if first {
            (0, one.as_mut().poll(context))
        } else {
            (1, other.as_mut().poll(context))
        };
        if let (at, Poll::Ready(answer)) = polled {
            ended[at] = Some(answer);
        }
        if ended.iter().all(Option::is_some) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    ended.map(Option::unwrap)
}

impl Two {
    /// The callers' rounds in this order of their steps; what their apps were told of lost versions.
    async fn play(&self, seed: u64) -> Vec<(String, bool)> {
        let both = [0, 1].map(|at| rounds(&self.callers[at]));
        let mut reports: Vec<_> = beside(seed, both).await.into_iter().flatten().collect();
        for caller in &self.callers {
            reports.extend(rounds(caller).await);
        }
        let told = reports.iter().flat_map(|report| &report.conflicts);
        told.map(|found| (found.local.id.to_string(), found.incoming_wins))
            .collect()
    }

    /// All sides hold the same, the log of the hub has each record once, and what the sides know of each other's logs is
    /// so much that nothing travels again, also when the answering side has forgotten what was in its memory.
    async fn check(&self, all: &[&str], order: &str) {
        assert_eq!(ids(&self.hub), all, "{order}");
        for node in &self.nodes {
            assert_eq!(ids(node), all, "{order}");
            for id in all {
                assert_eq!(node.time_of(id), self.hub.time_of(id), "{id}, {order}");
            }
        }
        let look = Look {
            after: After::Seq(0),
            limit: usize::MAX,
            ..Look::default()
        };
        let view: View<Body> = self.hub.records.look(look).await.unwrap();
        let numbers: Vec<u64> = view.items.iter().map(|(number, _)| *number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}, {order}");
        assert_eq!(
            (numbers.len(), numbers.last()),
            (all.len(), Some(&view.head))
        );
        let restarted = AtOnce::new(&self.hub);
        let again = [0, 1].map(|at| self.nodes[at].engine_over(&self.hub, restarted.clone(), 2));
        for caller in self.callers.iter().chain(&again) {
            let (mut shipped, mut applied, mut last) = (0, 0, None);
            for report in rounds(caller).await {
                shipped += report.shipped;
                applied += report.applied;
                last = report.in_sync;
            }
            assert_eq!((shipped, applied, last), (0, 0, Some(true)), "{order}");
        }
    }
}

#[tokio::test]
async fn two_callers_that_both_write_lose_nothing() {
    for seed in 0..ORDERS {
        let two = two().await;
        for id in ["a", "b", "c"] {
            two.nodes[0].write_record(id, None);
        }
        for id in ["x", "y", "z"] {
            two.nodes[1].write_record(id, None);
        }
        let told = two.play(seed).await;
        assert_eq!(told, [], "order {seed}");
        let all = ["a", "b", "both", "c", "x", "y", "z"];
        two.check(&all, &format!("order {seed}")).await;
    }
}

#[tokio::test]
async fn one_that_reads_beside_one_that_writes_gets_everything_and_passes_nothing() {
    for seed in 0..ORDERS {
        let two = two().await;
        for id in ["p", "q", "r"] {
            two.hub.write_record(id, None);
        }
        for id in ["a", "b", "both"] {
            two.nodes[0].write_record(id, None);
        }
        let told = two.play(seed).await;
        assert_eq!(told, [], "order {seed}");
        let all = ["a", "b", "both", "p", "q", "r"];
        two.check(&all, &format!("order {seed}")).await;
    }
}

#[tokio::test]
async fn of_one_record_that_both_bring_the_later_version_stays_and_its_conflict_is_told_once() {
    for seed in 0..ORDERS {
        let two = two().await;
        let mut first = two.nodes[0].side.clock.now();
        let mut second = two.nodes[1].side.clock.now();
        let (earlier, later) = if seed % 2 == 0 {
            (&mut first, &mut second)
        } else {
            (&mut second, &mut first)
        };
        later.wall_time = earlier.wall_time + 1;
        let winner = later.clone();
        two.nodes[0].put_record(record(first, body("both"), None));
        two.nodes[1].put_record(record(second, body("both"), None));
        let told = two.play(seed).await;
        assert_eq!(told.len(), 1, "{told:?}, order {seed}");
        assert_eq!(two.hub.time_of("both"), winner);
        two.check(&["both"], &format!("order {seed}")).await;
    }
}
