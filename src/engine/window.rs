//! How many objects are on their way at one time.
//!
//! A small object takes no time to send. It waits for an answer, and for a disk that brings many files to rest in the
//! time of one. So between storages of this crate's own more small ones go at one time, as long as they are quick: over a
//! slow line each would only get a smaller part of it.

use std::time::Duration;

use crate::protocol::item::Blob;

/// This many small objects count as one.
const SMALL_FOR_ONE: usize = 4;

/// The greatest small object, in bytes.
const SMALL: u64 = 128 * 1024;

/// The longest time that a quick one takes.
const QUICK: Duration = Duration::from_millis(500);

/// The objects on their way, counted in small ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    most: usize,
    taken: usize,
    /// Whether small ones may count for less.
    more_small: bool,
    is_quick: bool,
}

impl Window {
    /// Room for `objects` of them, and for more of them where they are small, if `more_small`.
    pub(super) fn new(objects: usize, more_small: bool) -> Self {
        Self {
            most: objects.max(1).saturating_mul(SMALL_FOR_ONE),
            taken: 0,
            more_small,
            is_quick: false,
        }
    }

    /// Takes room for the object, if there is some; how much, is to be [left](Self::leave) again.
    pub(super) fn take(&mut self, blob: &Blob) -> Option<usize> {
        let counts_less = self.more_small && self.is_quick && is_small(blob);
        let room = if counts_less { 1 } else { SMALL_FOR_ONE };
        let taken = self.taken.saturating_add(room);
        if taken > self.most {
            return None;
        }
        self.taken = taken;
        Some(room)
    }

    /// The object has come to its end, and took so long.
    pub(super) fn leave(&mut self, blob: &Blob, room: usize, took: Duration) {
        self.taken -= room;
        if is_small(blob) {
            self.is_quick = took <= QUICK;
        }
    }
}

fn is_small(blob: &Blob) -> bool {
    blob.size.is_some_and(|size| size <= SMALL)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::protocol::text::Text;

    const LARGE: u64 = SMALL + 1;
    const SLOW: Duration = Duration::from_secs(1);

    fn blob(size: u64) -> Blob {
        Blob {
            size: Some(size),
            ..Blob::under(Text::from("key"))
        }
    }

    fn taken(window: &mut Window, size: u64) -> usize {
        std::iter::from_fn(|| window.take(&blob(size))).count()
    }

    /// Where one object of this size has been brought over in this time.
    fn after(mut window: Window, size: u64, took: Duration) -> Window {
        let room = window.take(&blob(size)).unwrap();
        window.leave(&blob(size), room, took);
        window
    }

    #[test]
    fn more_small_objects_go_at_one_time_once_one_was_quick() {
        let window = Window::new(2, true);
        assert_eq!(taken(&mut window.clone(), 1), 2);
        let mut quick = after(window, 1, QUICK);
        assert_eq!(taken(&mut quick.clone(), SMALL), 2 * SMALL_FOR_ONE);
        assert_eq!(taken(&mut quick, LARGE), 2);
    }

    #[test]
    fn no_more_go_where_one_was_slow_or_all_count_alike() {
        let quick = after(Window::new(2, true), 1, QUICK);
        assert_eq!(taken(&mut after(quick, 1, SLOW), 1), 2);
        assert_eq!(taken(&mut after(Window::new(2, true), LARGE, QUICK), 1), 2);
        assert_eq!(taken(&mut after(Window::new(2, false), 1, QUICK), 1), 2);
    }

    #[test]
    fn what_was_taken_is_left_as_it_was_taken() {
        let (mut window, small) = (Window::new(1, true), blob(1));
        let room = window.take(&small).unwrap();
        assert!(window.take(&small).is_none());
        window.leave(&small, room, QUICK);
        let rooms: Vec<_> = std::iter::from_fn(|| window.take(&small)).collect();
        for room in rooms {
            window.leave(&small, room, SLOW);
        }
        assert_eq!(taken(&mut window, 1), 1);
        assert!(Window::new(usize::MAX, true).take(&small).is_some());
    }
}
