//! Turns: one at a time.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::error::Result;

/// One at a time, in the order of asking. A caller that waits is rung by a number.
#[derive(Debug, Default)]
pub struct Turns {
    taken: Cell<bool>,
    waiting: RefCell<VecDeque<u64>>,
}

impl Turns {
    /// Takes the turn, as soon as it is free. `wait` answers the number by which the wait that it begins is rung, and
    /// `ring` rings such a number; it says whether anybody can hear that.
    ///
    /// # Errors
    /// Those of `wait`.
    pub async fn take<W: Future<Output = ()>, R: Fn(u64) -> bool>(
        self: &Rc<Self>,
        wait: impl FnOnce() -> Result<(u64, W)>,
        ring: R,
    ) -> Result<Turn<R>> {
        if self.taken.replace(true) {
            let (number, waiting) = wait()?;
            self.waiting.borrow_mut().push_back(number);
            waiting.await;
        }
        Ok(Turn(Rc::clone(self), ring))
    }
}

/// A turn; the next one begins when it is dropped.
#[derive(Debug)]
pub struct Turn<R: Fn(u64) -> bool>(Rc<Turns>, R);

impl<R: Fn(u64) -> bool> Drop for Turn<R> {
    fn drop(&mut self) {
        let next = self.0.waiting.borrow_mut().pop_front();
        if !next.is_some_and(&self.1) {
            self.0.taken.set(false);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn turns_come_in_the_order_of_asking_and_nothing_waits_for_one_that_nobody_hears_of() {
        let turns = Rc::<Turns>::default();
        let heard = RefCell::new(Vec::new());
        let is_there = Cell::new(true);
        let ring = |number| {
            heard.borrow_mut().push(number);
            is_there.get()
        };
        let free = || -> Result<(u64, std::future::Ready<()>)> { unreachable!("it is free") };
        let first = turns.take(free, ring).now_or_never().unwrap().unwrap();
        let waits = |number| move || Ok((number, std::future::ready(())));
        let second = turns.take(waits(1), ring).now_or_never().unwrap().unwrap();
        let third = turns.take(waits(2), ring).now_or_never().unwrap().unwrap();
        drop(first);
        assert_eq!(*heard.borrow(), [1]);
        is_there.set(false);
        drop(second);
        assert_eq!(*heard.borrow(), [1, 2]);
        drop(turns.take(free, ring).now_or_never().unwrap().unwrap());
        drop(third);
    }
}
