//! Memory that both sides of the bridge read and write without a call.
//!
//! A call into the engine's JavaScript costs more than what most of them say. Numbers and short texts lie
//! here instead, in places that `js/bridge/layout.js` knows too. What is laid down is for the call that follows at
//! once, and what a call lays down is taken up when it returns: no code of an app's runs in between.

use std::cell::Cell;

use super::keys::Key;
use super::scope::{Scope, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::safe_integer;

/// A place for a number.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub enum Slot {
    /// Changes when the numbering of node names begins anew.
    Generation = 0,
    /// How many node names have a number.
    Names = 1,
    /// The number of a wait.
    Wait = 2,
    /// The number of a property's name.
    Method = 3,
    /// What became of a call, or of a promise.
    State = 4,
    /// How many entries there are.
    Count = 5,
    /// Where a value is kept.
    Slab = 6,
    /// What a call is about.
    First = 8,
}

/// A call's answer is a promise, which is watched.
pub const WAITING: f64 = 1.0;
/// There was nothing to call.
pub const NOT_CALLABLE: f64 = 2.0;
/// A promise was fulfilled.
pub const FULFILLED: f64 = 0.0;

const DESK_LENGTH: usize = 512;

/// The shared of an environment. Empty, it takes nothing and answers what is no number.
#[derive(Default)]
pub struct SharedBuffer {
    numbers: Cell<&'static [Cell<f64>]>,
    page: Cell<&'static [Cell<f64>]>,
    letters: Cell<&'static [Cell<u16>]>,
}

impl SharedBuffer {
    /// How many numbers lie from [`Slot::First`] on.
    pub const ROOM: usize = DESK_LENGTH - Slot::First as usize;

    /// Takes over the arrays that `js/bridge/index.js` made.
    pub fn set_up(&self, scope: Scope<'_>, [numbers, page, letters]: [Value<'_>; 3]) -> Result<()> {
        for array in [numbers, page, letters] {
            // It lives as long as the environment.
            scope.reference(array)?;
        }
        let numbers = scope.doubles(numbers)?;
        if numbers.len() != DESK_LENGTH {
            let what = "js/bridge/ is of another version than the addon";
            return Err(Error::new(ErrorKind::Internal, "set up the bridge", what));
        }
        // SAFETY: the arrays are held for the life of the environment and never handed out, so nobody
        // detaches their memory. It is read and written on this thread alone, as cells.
        unsafe {
            self.numbers
                .set(std::slice::from_raw_parts(numbers.as_ptr(), numbers.len()));
            let page = scope.doubles(page)?;
            self.page
                .set(std::slice::from_raw_parts(page.as_ptr(), page.len()));
            let letters = scope.units(letters)?;
            self.letters
                .set(std::slice::from_raw_parts(letters.as_ptr(), letters.len()));
        }
        Ok(())
    }

    /// Lays a number down.
    pub fn put(&self, place: Slot, number: f64) {
        self.put_after(place, 0, number);
    }

    /// Lays a number down, so many places further.
    pub fn put_after(&self, place: Slot, further: usize, number: f64) {
        if let Some(cell) = self.numbers.get().get(place as usize + further) {
            cell.set(number);
        }
    }

    /// Lays down which property a call is about; without one it is about the value itself.
    pub fn put_key(&self, key: Option<Key>) {
        let number = key.map_or(-1.0, |key| f64::from(key as u32));
        self.put(Slot::Method, number);
    }

    /// What lies there.
    pub fn get(&self, place: Slot) -> f64 {
        self.get_after(place, 0)
    }

    /// What lies so many places further.
    pub fn get_after(&self, place: Slot, further: usize) -> f64 {
        let cell = self.numbers.get().get(place as usize + further);
        cell.map_or(f64::NAN, Cell::get)
    }

    /// So many numbers that lie from there on.
    pub fn from(&self, place: Slot, length: usize) -> &'static [Cell<f64>] {
        let from = place as usize;
        self.numbers
            .get()
            .get(from..from + length)
            .unwrap_or_default()
    }

    /// What lies there as a count; `None` where it is negative.
    pub fn count(&self, place: Slot) -> Option<usize> {
        self.count_after(place, 0)
    }

    /// What lies so many places further as a count.
    pub fn count_after(&self, place: Slot, further: usize) -> Option<usize> {
        usize::try_from(safe_integer(self.get_after(place, further))?).ok()
    }

    /// The first `length` numbers of a list: it lies on the page, or apart in an array.
    pub fn list<'s>(
        &self,
        scope: Scope<'s>,
        apart: Value<'s>,
        length: usize,
    ) -> Result<&'s [Cell<f64>]> {
        let page = self.page.get();
        let numbers = if scope.is_nullish(apart)? {
            page
        } else {
            scope.doubles(apart)?
        };
        Ok(numbers.get(..length).unwrap_or_default())
    }

    /// Letters that lie from `at` on.
    pub fn letters<R>(&self, at: usize, length: usize, read: impl FnOnce(&[u16]) -> R) -> R {
        let letters = self.letters.get();
        let letters = letters.get(at..at + length).unwrap_or_default();
        // SAFETY: a cell is laid out as what it holds, and nothing writes while `read` looks.
        read(unsafe { std::slice::from_raw_parts(letters.as_ptr().cast(), letters.len()) })
    }
}
