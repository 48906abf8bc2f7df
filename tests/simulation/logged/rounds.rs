//! Rounds of a scenario, beside each other, and the requests that they make.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use starkeep_sync_engine::engine::held::{Direction, Held};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::ItemKind;
use starkeep_sync_engine::testing::pause;

use super::super::courier::Post;
use super::super::executor::{Task, run};
use super::super::node::Node;
use super::super::rng::Rng;
use super::super::scenario::{Caller, Rounds};
use super::dialogue::told;
use super::world::World;

/// What a round came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    pub applied: usize,
    pub shipped: usize,
    pub has_more: bool,
    pub in_sync: Option<bool>,
    pub held: Vec<(bool, ItemKind, Hlc, String)>,
}

pub type Done = Result<Round, String>;

impl World {
    pub fn one_round(&self, place: usize) -> Done {
        self.wait(1);
        let said = self.nodes[place].side.log.lines().len();
        self.said.is_undisturbed.set(true);
        let done = self.rounds(&Rounds {
            interleaving: self.now_ms.get(),
            callers: vec![Caller {
                place,
                rounds: 1,
                crashes_after: None,
            }],
            meanwhile: Vec::new(),
            crash: None,
        });
        self.said.is_undisturbed.set(false);
        let done = done.into_iter().next();
        let done = done.unwrap_or_else(|| Err("the round did not end".to_owned()));
        self.check_proof(place, &done);
        self.check_logs_sufficed(place, said);
        done
    }

    pub fn rounds(&self, rounds: &Rounds) -> Vec<Done> {
        self.note_standing(rounds);
        let done = RefCell::new(Vec::new());
        let mut tasks: Vec<Task<'_>> = Vec::new();
        for node in self.nodes.iter().filter(|node| node.is_parent) {
            node.inbox.open();
            let crash = rounds.crash.filter(|(place, _)| *place == node.index);
            let serve = Task::new(self.serve(node, rounds.interleaving)).serving();
            tasks.push(serve.dying_after(crash.map(|(_, steps)| steps), || {
                self.note(|| format!("n{} crashes while it answers", node.index));
                node.inbox.break_down();
            }));
        }
        for caller in &rounds.callers {
            let node = &self.nodes[caller.place];
            let call = Task::new(self.call(node, caller.rounds, &done));
            tasks.push(call.dying_after(caller.crashes_after, || {
                self.note(|| format!("n{} crashes", node.index));
            }));
        }
        tasks.push(Task::new(async {
            for (pauses, write) in &rounds.meanwhile {
                for _ in 0..*pauses {
                    pause().await;
                }
                self.write(write);
            }
        }));
        let close = || self.nodes.iter().for_each(|node| node.inbox.close());
        if !run(tasks, &mut Rng::new(rounds.interleaving), close) {
            self.violation("the rounds do not come to an end".to_owned());
        }
        let crashed = rounds.callers.iter().filter(|c| c.crashes_after.is_some());
        for place in crashed.map(|c| c.place).chain(rounds.crash.map(|c| c.0)) {
            self.start(place);
        }
        let done = done.into_inner();
        self.check_conflicts();
        done
    }

    pub fn start(&self, place: usize) {
        let node = &self.nodes[place];
        self.forget_conflicts(place);
        node.start(&self.nodes[node.place.parent]);
    }

    /// So many rounds; none is a reconciliation.
    async fn call(&self, node: &Node, rounds: usize, done: &RefCell<Vec<Done>>) {
        let Some(engine) = node.engine.borrow().clone() else {
            return;
        };
        if rounds == 0 {
            self.note_held(node.index, true);
            let found = engine.reconcile(false).await;
            let conflicts = found.as_ref().ok().map(|found| &found.conflicts[..]);
            self.hear_of_conflicts(node.index, conflicts);
            return self.note(|| format!("n{} reconciles: {found:?}", node.index));
        }
        for _ in 0..rounds {
            // A program that ends in a round may leave something that is to come in.
            self.note_held(node.index, true);
            let outcome = engine.round().await;
            let conflicts = outcome.as_ref().ok().map(|report| &report.conflicts[..]);
            self.hear_of_conflicts(node.index, conflicts);
            let holds =
                |held: &[Held<_>]| held.iter().any(|one| one.direction == Direction::Inbound);
            let held = outcome.as_ref().map_or(true, |report| holds(&report.held));
            self.note_held(node.index, held);
            let outcome = match outcome {
                Ok(report) => Ok(Round {
                    applied: report.applied,
                    shipped: report.shipped,
                    has_more: report.has_more,
                    in_sync: report.in_sync,
                    held: report
                        .held
                        .iter()
                        .map(|h| {
                            let inbound = h.direction == Direction::Inbound;
                            (inbound, h.kind.clone(), h.hlc.clone(), h.code.clone())
                        })
                        .collect(),
                }),
                Err(error) => Err(error.to_string()),
            };
            self.count(if outcome.is_ok() {
                "rounds that ended well"
            } else {
                "rounds that threw"
            });
            if let Ok(round) = &outcome {
                let mut holding = self.holding_in_memory.borrow_mut();
                let holds = round.held.iter().any(|(inbound, ..)| *inbound);
                if holds && !self.exchanges_by_logs(node.index) {
                    holding.insert(node.index);
                } else {
                    holding.remove(&node.index);
                }
            }
            self.note(|| format!("n{} round: {outcome:?}", node.index));
            done.borrow_mut().push(outcome);
        }
    }

    /// Requests are answered beside each other: which of them goes on is chance.
    async fn serve(&self, node: &Node, interleaving: u64) {
        let mut rng = Rng::new(interleaving ^ 0x6F76_6572 ^ node.index as u64);
        let mut running: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
        let mut next = Box::pin(node.inbox.next());
        let mut is_over = false;
        poll_fn(|context| {
            let is_asked = |running: &[_]| running.len() < self.scenario.answers_at_once;
            if !is_over
                && is_asked(&running)
                && let Poll::Ready(post) = next.as_mut().poll(context)
            {
                match post {
                    None => is_over = true,
                    Some(post) => {
                        next = Box::pin(node.inbox.next());
                        running.push(Box::pin(self.answer(node, post)));
                        if running.len() > 1 {
                            self.count("requests beside others");
                        }
                    }
                }
            }
            if !running.is_empty() {
                let chosen = rng.below(running.len());
                if running[chosen].as_mut().poll(context).is_ready() {
                    drop(running.swap_remove(chosen));
                }
            }
            if is_over && running.is_empty() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }

    async fn answer(&self, node: &Node, post: Rc<Post>) {
        let answering = Rc::clone(&node.answering.borrow());
        let Post { from, request, .. } = &*post;
        let Some(request) = request.take() else {
            return;
        };
        self.check_request(node, *from, &request);
        let before = self.hear(node, &request);
        let answer = answering.answer(request).await;
        if let Ok(answer) = &answer {
            self.check_answer(*from, &before, answer);
        }
        self.note(|| told(node, *from, answer.as_ref().map_err(ToString::to_string)));
        *post.reply.borrow_mut() = Some(answer);
    }
}
