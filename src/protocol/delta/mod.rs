//! The page and the contiguous prefix: the two rules that keep a watermark from passing an item.

mod ask;
mod backlog;
mod contiguous_prefix;
mod last_pass;
mod own_index;
mod selection;

pub use ask::{Ask, Standing};
pub use backlog::Backlog;
pub use contiguous_prefix::ContiguousPrefix;
pub use last_pass::LastPass;
pub use own_index::Unfit;
pub use selection::{MOST_UNORDERABLE, Selection, Stretch, Survey, Unorderable};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hlc::Hlc;
    use crate::protocol::text::Text;
    use crate::protocol::watermarks::Watermarks;
    use proptest::prelude::*;

    fn at(wall: u64) -> Hlc {
        Hlc::new(wall, 0, Text::from("n"))
    }

    fn select(limit: usize, walls: &[u64]) -> (Vec<u64>, bool) {
        let mut selection = Selection::new(limit);
        for wall in walls {
            selection.offer(at(*wall), *wall);
        }
        let (items, more) = selection.finish().into_items();
        (items.into_iter().map(|(_, wall)| wall).collect(), more)
    }

    #[test]
    fn a_page_never_parts_equal_timestamps() {
        assert_eq!(select(2, &[1, 2, 2]), (vec![1], true));
        assert_eq!(select(1, &[2, 2, 3]), (vec![2, 2], true));
        assert_eq!(select(1, &[2, 2]), (vec![2, 2], false));
        assert_eq!(select(3, &[3, 2, 2]), (vec![2, 2, 3], false));
    }

    #[test]
    fn what_lies_behind_the_end_of_one_stream_waits_in_all() {
        let mut first = Selection::new(3);
        first.offer(at(10), 10);
        let mut second = Selection::new(3);
        second.offer(at(1), 1);
        second.left_out_more();
        let (items, more) = Stretch::join(3, [first.finish(), second.finish()]).into_items();
        let walls: Vec<_> = items.into_iter().map(|(_, wall)| wall).collect();
        assert_eq!((walls, more), (vec![1], true));
    }

    proptest! {
        #[test]
        fn a_page_is_a_prefix_of_the_sorted_items(limit in 1usize..6, walls in prop::collection::vec(0u64..8, 0..24)) {
            let (page, more) = select(limit, &walls);
            let mut sorted = walls.clone();
            sorted.sort_unstable();
            prop_assert_eq!(&page[..], &sorted[..page.len()]);
            prop_assert_eq!(more, page.len() < sorted.len());
            if more {
                prop_assert!(page.last() < sorted.get(page.len()));
                prop_assert!(!page.is_empty());
            }
            let first_group = sorted.iter().take_while(|w| **w == sorted[0]).count();
            prop_assert!(page.len() <= limit.max(first_group));
        }

        #[test]
        fn pages_from_a_backlog_equal_pages_from_fresh_passes(limit in 1usize..5, walls in prop::collection::vec(0u64..40, 0..30)) {
            let mut ask = Ask { limit, ..Ask::default() };
            let mut backlog = Backlog::default();
            let mut all: Vec<_> = walls.iter().map(|w| (at(*w), *w)).collect();
            all.sort();
            backlog.remember(&ask, Watermarks::default(), all);
            while let Some(page) = backlog.next_page(&ask) {
                let unseen: Vec<_> = walls.iter().copied().filter(|w| ask.wants(&at(*w))).collect();
                let (fresh, more) = select(limit, &unseen);
                prop_assert!(more);
                prop_assert_eq!(page.iter().map(|(_, w)| *w).collect::<Vec<_>>(), fresh);
                for (hlc, _) in page { ask.seen.advance(&hlc); }
            }
            let unseen: Vec<_> = walls.iter().copied().filter(|w| ask.wants(&at(*w))).collect();
            prop_assert!(!select(limit, &unseen).1);
        }

        #[test]
        fn a_backlog_answers_nobody_who_has_seen_less_than_its_last_asker(walls in prop::collection::vec(0u64..40, 4..30)) {
            let mut ask = Ask { limit: 1, ..Ask::default() };
            let mut backlog = Backlog::default();
            let mut all: Vec<_> = walls.iter().map(|w| (at(*w), *w)).collect();
            all.sort();
            backlog.remember(&ask, Watermarks::default(), all.clone());
            ask.seen.advance(&all[0].0);
            if backlog.next_page(&ask).is_some() {
                let newcomer = Ask { limit: 1, ..Ask::default() };
                prop_assert!(backlog.next_page(&newcomer).is_none());
            }
        }

        #[test]
        fn an_unbroken_run_ends_before_the_first_gap(outcomes in prop::collection::vec((0u64..10, any::<bool>()), 0..20)) {
            let mut runs = ContiguousPrefix::default();
            for (wall, whole) in &outcomes { runs.note(&at(*wall), *whole); }
            if let Some(reached) = runs.unbroken().get(&Text::from("n")) {
                prop_assert!(outcomes.iter().all(|(wall, whole)| *whole || *wall > reached.wall_time));
            }
        }
    }

    #[test]
    fn a_scan_may_begin_at_the_smallest_entry_of_the_nodes_ahead() {
        let node = |n: &str, wall| (Text::from(n), Hlc::new(wall, 0, Text::from(n)));
        let ask = Ask {
            seen: [node("a", 5), node("b", 3), node("c", 1)]
                .into_iter()
                .collect(),
            ..Ask::default()
        };
        let coverage: Watermarks = [node("a", 9), node("b", 7), node("c", 1)]
            .into_iter()
            .collect();
        assert_eq!(ask.scan_floor(&coverage), Hlc::new(3, 0, Text::from("b")));
        let unknown: Watermarks = [node("d", 1), node("a", 9)].into_iter().collect();
        assert_eq!(ask.scan_floor(&unknown), Hlc::zero());
        assert!(!ask.is_behind(&[node("a", 5)].into_iter().collect()));
    }
}
