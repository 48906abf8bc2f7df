//! Rounds at work: callers, answering sides and the app, one task each.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use starkeep_sync_engine::protocol::message::Answer;
use starkeep_sync_engine::testing::pause;

use super::courier::Post;
use super::executor::{Task, run};
use super::node::{Node, brief, list, plain};
use super::rng::Rng;
use super::scenario::Rounds;
use super::world::{Done, Round, World};

impl World {
    pub fn rounds(&self, rounds: &Rounds) -> Vec<Done> {
        let done = RefCell::new(Vec::new());
        let mut tasks: Vec<Task<'_>> = Vec::new();
        for node in self.nodes.iter().filter(|node| node.is_parent) {
            node.inbox.open();
            let crash = rounds.crash.filter(|(place, _)| *place == node.index);
            let serve = Task::new(self.serve(node)).serving();
            tasks.push(serve.dying_after(crash.map(|(_, steps)| steps), || {
                self.note(|| format!("n{} crashes while it answers", node.index));
                self.count("crashes of an answering side");
                self.note_stranded(node, None);
                node.inbox.break_down();
            }));
        }
        for caller in &rounds.callers {
            let node = &self.nodes[caller.place];
            let call = Task::new(self.call(node, caller.rounds, &done));
            tasks.push(call.dying_after(caller.crashes_after, || {
                self.note(|| format!("n{} crashes", node.index));
                self.count("crashes of a caller");
                node.running_rounds.set(0);
                node.other_writes.set(node.other_writes.get() + 1);
            }));
        }
        let app = async {
            for (pauses, write) in &rounds.meanwhile {
                for _ in 0..*pauses {
                    pause().await;
                }
                self.write(write);
            }
        };
        tasks.push(Task::new(app));
        let close = || self.nodes.iter().for_each(|node| node.inbox.close());
        let ended = run(tasks, &mut Rng::new(rounds.interleaving), close);
        if !ended {
            self.violation("the rounds do not come to an end".to_owned());
        }
        let crashed = rounds.callers.iter().filter(|c| c.crashes_after.is_some());
        for place in crashed.map(|c| c.place).chain(rounds.crash.map(|c| c.0)) {
            let node = &self.nodes[place];
            node.start(&self.nodes[node.place.parent]);
        }
        done.into_inner()
    }

    async fn call(&self, node: &Node, rounds: usize, done: &RefCell<Vec<Done>>) {
        for _ in 0..rounds {
            let Some(engine) = node.engine.borrow().clone() else {
                return;
            };
            node.running_rounds.set(1);
            node.other_writes.set(node.other_writes.get() + 1);
            let outcome = engine.round().await;
            node.running_rounds.set(0);
            node.other_writes.set(node.other_writes.get() + 1);
            self.count(if outcome.is_ok() {
                "rounds that ended well"
            } else {
                "rounds that threw"
            });
            if outcome.is_ok() && node.was_told_coverage.get() {
                node.trusts_a_wiped_parent.set(false);
            }
            let outcome = match outcome {
                Ok(report) => Ok(Round {
                    applied: report.applied,
                    shipped: report.shipped,
                    has_more: report.has_more,
                    held: report
                        .held
                        .iter()
                        .map(|h| format!("{:?} {} {} {}", h.direction, h.kind, h.hlc, h.error))
                        .collect(),
                }),
                Err(error) => Err(error.to_string()),
            };
            self.note(|| {
                let (own, peer) = node.persisted();
                format!(
                    "n{} round: {outcome:?}, own: {}, peer: {}",
                    node.index,
                    brief(&own),
                    brief(&peer),
                )
            });
            done.borrow_mut().push(Done { outcome });
        }
    }

    fn serve<'a>(&'a self, node: &'a Node) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        let answering = Rc::clone(&node.answering.borrow());
        Box::pin(async move {
            while let Some(post) = node.inbox.next().await {
                let Post { from, request, .. } = &*post;
                let Some(request) = request.take() else {
                    continue;
                };
                let asked = self.check_request(node, *from, &request);
                *node.asked.borrow_mut() = Some(asked);
                let answer = answering.answer(request).await;
                self.check_answer(node, answer.as_ref().ok());
                self.note(|| match &answer {
                    Ok(answer) => format!(
                        "n{from} <- n{}: [{}], more: {}, coverage: {:?}",
                        node.index,
                        list(&answer.items),
                        answer.has_more,
                        answer.coverage.as_ref().map(|c| brief(&plain(c))),
                    ),
                    Err(error) => format!("n{from} <- n{}: {error}", node.index),
                });
                let told = matches!(
                    &answer,
                    Ok(Answer {
                        coverage: Some(_),
                        ..
                    })
                );
                self.nodes[*from].was_told_coverage.set(told);
                *post.reply.borrow_mut() = Some(answer);
            }
        })
    }
}
