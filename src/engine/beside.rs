//! Which requests of one answering side run beside each other.
//!
//! - By logs, without items: beside everything. What is told is of one moment of each log, and a log numbers what it takes
//!   in as it is committed, so that nothing comes in behind what was told.
//! - By logs, with items: beside others by logs, unless both bring a version of one record. What a version meets is looked
//!   up before it is taken in, and its caller hears of it; no other one may come in between.
//! - By watermarks: they stand for all that a node wrote up to them, and items are taken in one store after the other. So
//!   nothing is taken in while a request by watermarks is answered, and one that brings items is alone.
//!
//! Requests begin in the order in which they came, unless they may run beside all that wait.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::protocol::text::Text;

/// What a request does that not every other one may do beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// It is answered by watermarks, and brings nothing.
    Reads,
    /// It brings items by logs: these records among them.
    Brings(HashSet<Text>),
    /// It brings items by watermarks, or needs to be alone for another reason.
    Alone,
}

impl Deed {
    fn goes_beside(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Reads, Self::Reads) => true,
            (Self::Brings(a), Self::Brings(b)) => a.is_disjoint(b),
            _ => false,
        }
    }
}

/// The requests that run, and those that wait.
#[derive(Debug, Default)]
pub(super) struct Beside(Mutex<Requests>);

#[derive(Debug, Default)]
struct Requests {
    last: u64,
    running: HashMap<u64, Deed>,
    /// In the order in which they came.
    waiting: VecDeque<(u64, Deed, Waker)>,
}

impl Beside {
    /// Waits until this may be done.
    pub(super) fn begin(&self, deed: Deed) -> Begin<'_> {
        Begin {
            beside: self,
            deed: Some(deed),
            number: None,
        }
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request is over, or is not waited for any more.
    fn end(&self, number: u64) {
        let mut requests = self.requests();
        requests.running.remove(&number);
        requests.waiting.retain(|(waits, ..)| *waits != number);
        let ready: Vec<Waker> = requests.let_in();
        drop(requests);
        ready.into_iter().for_each(Waker::wake);
    }
}

impl Requests {
    /// Lets those run that may, and returns how they are told.
    fn let_in(&mut self) -> Vec<Waker> {
        let mut told = Vec::new();
        let mut ahead: Vec<(u64, Deed, Waker)> = Vec::new();
        for (number, deed, waker) in std::mem::take(&mut self.waiting) {
            let mut before = ahead.iter().map(|(_, deed, _)| deed);
            let may = self.running.values().all(|one| deed.goes_beside(one))
                && before.all(|one| deed.goes_beside(one));
            if may {
                self.running.insert(number, deed);
                told.push(waker);
            } else {
                ahead.push((number, deed, waker));
            }
        }
        self.waiting = ahead.into();
        told
    }
}

/// See [`Beside::begin`].
pub(super) struct Begin<'a> {
    beside: &'a Beside,
    deed: Option<Deed>,
    number: Option<u64>,
}

/// A request that runs, until this is dropped.
#[derive(Debug)]
pub(super) struct Running<'a> {
    beside: &'a Beside,
    number: u64,
}

impl<'a> Future for Begin<'a> {
    type Output = Running<'a>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Running<'a>> {
        let this = self.get_mut();
        let mut requests = this.beside.requests();
        if let Some(deed) = this.deed.take() {
            requests.last += 1;
            let number = requests.last;
            this.number = Some(number);
            let waker = context.waker().clone();
            requests.waiting.push_back((number, deed, waker));
            requests.let_in();
        }
        let Some(number) = this.number else {
            return Poll::Pending;
        };
        if requests.running.contains_key(&number) {
            // From now on the one that runs ends it.
            this.number = None;
            let beside = this.beside;
            return Poll::Ready(Running { beside, number });
        }
        let mut waiting = requests.waiting.iter_mut();
        if let Some((_, _, waker)) = waiting.find(|(waits, ..)| *waits == number) {
            waker.clone_from(context.waker());
        }
        Poll::Pending
    }
}

impl Drop for Begin<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.beside.end(number);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.beside.end(self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::FutureExt;

    fn brings(ids: &[&str]) -> Deed {
        Deed::Brings(ids.iter().map(|id| Text::from(*id)).collect())
    }

    #[test]
    fn those_that_bring_other_records_run_beside_each_other_and_those_of_one_record_do_not() {
        let beside = Beside::default();
        let first = beside.begin(brings(&["a"])).now_or_never().unwrap();
        assert!(beside.begin(brings(&["b"])).now_or_never().is_some());
        let mut same = beside.begin(brings(&["a", "c"]));
        assert!((&mut same).now_or_never().is_none());
        drop(first);
        assert!(same.now_or_never().is_some());
    }

    #[test]
    fn watermarks_are_read_beside_each_other_and_beside_nothing_that_is_taken_in() {
        let beside = Beside::default();
        let reads = [
            beside.begin(Deed::Reads).now_or_never().unwrap(),
            beside.begin(Deed::Reads).now_or_never().unwrap(),
        ];
        for deed in [brings(&["a"]), Deed::Alone] {
            assert!(beside.begin(deed).now_or_never().is_none());
        }
        drop(reads);
        let alone = beside.begin(Deed::Alone).now_or_never().unwrap();
        for deed in [brings(&[]), Deed::Reads, Deed::Alone] {
            assert!(beside.begin(deed).now_or_never().is_none());
        }
        drop(alone);
        assert!(beside.begin(Deed::Reads).now_or_never().is_some());
    }

    #[test]
    fn one_that_waits_is_not_passed_by_those_that_came_after_it_and_one_that_gave_up_holds_nothing_up()
     {
        let beside = Beside::default();
        let first = beside.begin(brings(&["a"])).now_or_never().unwrap();
        let mut alone = beside.begin(Deed::Alone);
        assert!((&mut alone).now_or_never().is_none());
        let mut after = beside.begin(brings(&["b"]));
        assert!((&mut after).now_or_never().is_none());
        drop(alone);
        assert!(after.now_or_never().is_some());
        drop(first);
    }
}
