//! Whatever a peer answers, an app that goes on while there is more comes to an end.

use std::cell::{Cell, RefCell};

use crate::support::{Node, Setup, ids, setup};
use starkeep_sync_engine::engine::ports::Exchange;
use starkeep_sync_engine::error::Result;
use starkeep_sync_engine::protocol::log::{Digest, Reply, Span};
use starkeep_sync_engine::protocol::message::{Answer, Refusal, Request};
use starkeep_sync_engine::testing::{Body, MemoryWire};

/// So many requests are more than enough for a handful of items.
const MOST_REQUESTS: usize = 400;

type Twist = Box<dyn Fn(usize, &Request<Body>, Answer<Body>) -> Answer<Body>>;

struct Liar {
    wire: MemoryWire,
    requests: Cell<usize>,
    twist: RefCell<Twist>,
}

impl Exchange<Body> for Liar {
    async fn exchange(&self, request: Request<Body>) -> Result<Answer<Body>> {
        let nth = self.requests.get();
        self.requests.set(nth + 1);
        assert!(nth < MOST_REQUESTS, "it has no end");
        let told = Request {
            items: request.items.clone(),
            log: request.log.clone(),
            limit: request.limit,
            ..Request::default()
        };
        let answer = self.wire.exchange(request).await?;
        Ok((self.twist.borrow())(nth, &told, answer))
    }
}

/// Rounds against such a peer, until there is no more, several times over. Afterwards the peer is honest.
async fn ends_and_recovers(
    twist: impl Fn(usize, &Request<Body>, Answer<Body>) -> Answer<Body> + 'static,
) -> (Node, Node) {
    let (node, hub) = setup(Setup::logged(2));
    for id in ["a", "b", "c", "d", "e"] {
        node.write_record(id, Some(id));
        hub.write_row(0, &format!("row-{id}"));
    }
    let liar = Liar {
        wire: hub.wire(),
        requests: Cell::new(0),
        twist: RefCell::new(Box::new(twist)),
    };
    let engine = node.engine_over(&hub, liar, 2);
    for sweep in 0..3 {
        let mut rounds = 0;
        while Box::pin(engine.round())
            .await
            .is_ok_and(|report| report.has_more)
        {
            rounds += 1;
            assert!(rounds < 60, "sweep {sweep} has no end");
        }
    }
    *engine.peer.twist.borrow_mut() = Box::new(|_, _, answer| answer);
    engine.peer.requests.set(0);
    for pass in 1..4 {
        let later = crate::support::NOW_MS + pass * 700_000;
        node.side.clock.set_physical(later);
        hub.side.clock.set_physical(later);
        while Box::pin(engine.round())
            .await
            .is_ok_and(|report| report.has_more)
        {}
    }
    assert_eq!(ids(&node), ids(&hub));
    assert_eq!(ids(&node).len(), 10);
    (node, hub)
}

#[tokio::test]
async fn a_peer_that_answers_the_same_page_for_ever() {
    let first: RefCell<Option<Vec<_>>> = RefCell::default();
    ends_and_recovers(move |_, _, mut answer| {
        let mut first = first.borrow_mut();
        if !answer.items.is_empty() && first.is_none() {
            *first = Some(answer.items.clone());
        }
        if let (Some(items), Some(log)) = (&*first, &mut answer.log) {
            answer.items.clone_from(items);
            for plane in [&mut log.records, &mut log.rows].into_iter().flatten() {
                plane.cursor = None;
                plane.more = true;
            }
            answer.has_more = true;
        }
        answer
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_refuses_everything() {
    ends_and_recovers(|_, request, mut answer| {
        let items = request.items.iter();
        answer.refused = items
            .map(|item| {
                let hlc = Some(item.hlc.clone());
                Refusal::new(item.kind.clone(), hlc, "NO".to_owned(), String::new())
            })
            .collect();
        if let Some(log) = &mut answer.log {
            for plane in [&mut log.records, &mut log.rows].into_iter().flatten() {
                plane.have = 0;
            }
        }
        answer
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_forgets_its_log_between_two_requests() {
    ends_and_recovers(|nth, _, mut answer| {
        answer.log = answer.log.filter(|_| nth % 2 == 0);
        answer
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_keeps_a_log_for_greetings_alone() {
    ends_and_recovers(|_, request, mut answer| {
        let greets = request.log.as_ref().is_some_and(|log| log.hello);
        answer.log = answer.log.filter(|_| greets);
        answer
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_forgets_what_it_was_sent() {
    ends_and_recovers(|nth, _, mut answer| {
        if let Some(log) = &mut answer.log {
            for plane in [&mut log.records, &mut log.rows].into_iter().flatten() {
                plane.have = 1_000_000 - nth as u64;
            }
        }
        answer
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_lies_in_its_digest() {
    ends_and_recovers(|nth, _, mut answer| {
        if let Some(log) = &mut answer.log {
            log.digest = Some(Digest {
                count: nth as u64,
                sum: 7,
            });
        }
        answer
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_splits_ranges_without_end() {
    ends_and_recovers(|nth, request, mut answer| {
        let Some((log, asked)) = answer.log.as_mut().zip(request.log.as_ref()) else {
            return answer;
        };
        log.digest = Some(Digest {
            count: nth as u64,
            sum: 7,
        });
        let again = |span: &Span| {
            let digest = Digest {
                count: 1000 + nth as u64,
                sum: 1,
            };
            Reply::Parts(vec![Span {
                range: span.range.clone(),
                digest,
            }])
        };
        log.compared = asked.compare.iter().map(again).collect();
        answer
    })
    .await;
}
