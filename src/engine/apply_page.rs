//! Taking in a page at once, by a store that is able to.

use std::collections::HashSet;

use crate::error::{ErrorKind, Result};
use crate::protocol::hlc::NodeId;
use crate::protocol::item::Item;

use super::arrival::Arrival;
use super::order_guard::OrderGuard;
use super::ports::{Clock, Order, Outcome};

/// Takes items in as one page. If the app's own code threw at the page as a whole, its items are tried one by one:
/// the error may be about one of them.
///
/// The clock hears the greatest timestamp of the page before anything is written: it is past all of them
/// then.
pub(super) async fn apply_page<B: Clone, F>(
    page: Vec<&mut Arrival<B>>,
    clock: &impl Clock,
    guard: &mut OrderGuard,
    apply: impl Fn(Vec<Item<B>>, Order) -> F,
) where
    F: Future<Output = Result<Vec<Outcome>>>,
{
    let Some(greatest) = page.iter().map(|arrival| &arrival.item.hlc).max() else {
        return;
    };
    let order = guard.order;
    let taken = match clock.receive(greatest).await {
        Ok(()) => {
            let items = page.iter().map(|arrival| arrival.item.clone()).collect();
            apply(items, order).await
        }
        Err(error) => Err(error),
    };
    match taken {
        Ok(outcomes) => {
            let mut outcomes = outcomes.into_iter();
            for arrival in page {
                arrival.settle(outcomes.next().unwrap_or_else(Outcome::unsaid), guard);
            }
        }
        Err(error) if error.kind() == ErrorKind::Foreign && page.len() > 1 => {
            let mut stopped: HashSet<NodeId> = HashSet::new();
            for arrival in page {
                let node = arrival.item.hlc.node_id.clone();
                let outcome = if order == Order::Strict && stopped.contains(&node) {
                    Outcome::Behind
                } else {
                    Outcome::of_one(apply(vec![arrival.item.clone()], order).await)
                };
                if matches!(outcome, Outcome::Failed(_)) {
                    stopped.insert(node);
                }
                arrival.settle(outcome, guard);
            }
        }
        Err(error) => {
            for arrival in page {
                arrival.settle(Outcome::Failed(error.clone()), guard);
            }
        }
    }
}
