#![allow(clippy::unwrap_used)]
use super::*;

const EXACT: Freshness = Freshness {
    counter: 0,
    version: 1,
    unnoticed_ms: None,
};

const WITHIN_A_SECOND: Freshness = Freshness {
    counter: 0,
    version: 1,
    unnoticed_ms: Some(1000),
};

fn cursors(text: &str) -> Vec<Cursor> {
    let all = text.split_whitespace();
    all.map(|one| one.parse().unwrap()).collect()
}

/// A look of a caller whose log has this history, and which has seen the own log up to `seen`.
fn look(history: &str, seen: &str) -> Look {
    let generations = cursors(history).into_iter();
    Look {
        others: Others::Of(generations.map(|cursor| cursor.generation).collect()),
        after: After::Common(cursors(seen)),
        ..Look::default()
    }
}

/// What a store says whose log ends at `own.9` and that has taken in `others`.
fn found(others: &str) -> View<()> {
    View {
        id: "log".to_owned(),
        head: 9,
        history: History(cursors("own.9")),
        others: cursors(others),
        after: 9,
        items: Vec::new(),
        upto: 9,
        more: false,
        wanted: Vec::new(),
        waiting: Vec::new(),
        elsewhere: Vec::new(),
        streams: Arc::default(),
        lacking: None,
    }
}

fn memory_of(fresh: Freshness, others: &str, asked: &Look) -> Memory {
    let memory = Memory::default();
    memory.keep((Some(fresh), 0), &asked.others, &found(others));
    memory
}

fn knows(memory: &Memory, fresh: Freshness, now_ms: u64, look: &Look) -> bool {
    memory.view::<()>(Some(fresh), now_ms, look).is_some()
}

#[test]
fn who_has_seen_all_of_a_log_is_answered_from_memory_and_who_has_not_is_not() {
    let asked = look("caller.3", "own.9");
    let memory = memory_of(EXACT, "caller.3", &asked);
    let view = memory.view::<()>(Some(EXACT), u64::MAX, &asked).unwrap();
    assert_eq!((view.head, view.after, view.upto), (9, 9, 9));
    assert_eq!(view.others, cursors("caller.3"));
    for (history, seen) in [
        ("caller.3", "own.8"),
        ("caller.3", ""),
        ("unknown.1", "own.9"),
    ] {
        assert!(
            !knows(&memory, EXACT, 0, &look(history, seen)),
            "{history} {seen}"
        );
    }
}

#[test]
fn nothing_is_answered_from_memory_once_the_store_was_written_to() {
    let asked = look("caller.3", "own.9");
    let memory = memory_of(EXACT, "caller.3", &asked);
    let changed = Freshness {
        version: 2,
        ..EXACT
    };
    assert!(!knows(&memory, changed, 0, &asked));
    assert!(memory.view::<()>(None, 0, &asked).is_none());
    memory.forget_log();
    assert!(!knows(&memory, EXACT, 0, &asked));
}

#[test]
fn a_store_that_may_not_notice_others_is_asked_after_that_time_and_by_who_knows_more() {
    let asked = look("caller.3", "own.9");
    let memory = memory_of(WITHIN_A_SECOND, "caller.3", &asked);
    assert!(knows(&memory, WITHIN_A_SECOND, 999, &asked));
    assert!(!knows(&memory, WITHIN_A_SECOND, 1000, &asked));
    let knows_more = look("caller.3", "own.10");
    assert!(!knows(&memory, WITHIN_A_SECOND, 0, &knows_more));
}

fn advance(follows: u64, upto: &str) -> Advance {
    Advance {
        history: History(cursors(upto)),
        follows,
        presumes: cursors("own.9").pop(),
        upto: cursors(upto).remove(0),
        only_whole: true,
    }
}

#[test]
fn what_a_caller_took_in_is_noted_in_the_store_once_a_minute_and_in_memory_in_between() {
    let asked = look("caller.3", "own.9");
    let memory = Memory::default();
    let note = |advance: &Advance, view: &View<()>, now_ms| {
        let stored = cursors("caller.3");
        memory.note(
            advance,
            (&view.id, &view.history),
            (&stored, &view.others),
            (now_ms, false),
        )
    };
    let mut view = found("caller.3");
    let first = note(&advance(3, "caller.3"), &view, 0);
    assert!(matches!(first, Noting::InStore(_)));
    memory.told(&advance(3, "caller.3").upto.generation, 0);
    assert!(matches!(
        note(&advance(3, "caller.3"), &view, 1),
        Noting::Nothing
    ));
    assert!(matches!(
        note(&advance(3, "caller.5"), &view, 1),
        Noting::Remembered
    ));
    for _ in 0..2 {
        memory.add_untold(&mut view, &asked.others);
        assert_eq!(view.others, cursors("caller.5"));
    }
    assert!(matches!(
        note(&advance(5, "caller.7"), &view, 2),
        Noting::Remembered
    ));
    let Noting::InStore(told) = note(&advance(5, "caller.8"), &view, 60_000) else {
        panic!("the store is not told");
    };
    assert_eq!((told.follows, told.upto.seq), (3, 8));
}

#[test]
fn nothing_is_noted_where_something_is_missing_in_between_or_the_own_log_was_lost() {
    let memory = Memory::default();
    let view = found("caller.3");
    let stored = cursors("caller.3");
    let note = |advance: &Advance, history: &History| {
        memory.note(
            advance,
            ("log", history),
            (&stored, &view.others),
            (0, false),
        )
    };
    assert!(matches!(
        note(&advance(4, "caller.5"), &view.history),
        Noting::Nothing
    ));
    let lost = History(cursors("own.8"));
    assert!(matches!(
        note(&advance(3, "caller.5"), &lost),
        Noting::Nothing
    ));
}

#[test]
fn what_was_left_out_for_the_own_log_counts_only_while_that_has_it() {
    let asked = look("caller.3", "own.9");
    let memory = Memory::default();
    let view = found("caller.3");
    memory.told(&cursors("caller.3")[0].generation, 0);
    let others = (&view.others[..], &view.others[..]);
    let noting = memory.note(
        &advance(3, "caller.5"),
        ("log", &view.history),
        others,
        (1, false),
    );
    assert!(matches!(noting, Noting::Remembered));
    let mut lost = found("caller.3");
    lost.history = History(cursors("own.8"));
    memory.add_untold(&mut lost, &asked.others);
    assert_eq!(lost.others, cursors("caller.3"));
}

#[test]
fn where_a_second_is_over_one_question_is_for_all_that_are_remembered() {
    let (asked, another) = (look("caller.3", "own.9"), look("another.1", "own.9"));
    let memory = memory_of(WITHIN_A_SECOND, "caller.3", &asked);
    let fresh = Some(WITHIN_A_SECOND);
    memory.keep((fresh, 500), &another.others, &found("another.1"));
    // What is oldest of it says for how long it counts.
    assert!(knows(&memory, WITHIN_A_SECOND, 999, &another));
    assert!(!knows(&memory, WITHIN_A_SECOND, 1000, &another));
    assert!(!memory.is_worth_asking_once(fresh, 999, &asked));
    assert!(memory.is_worth_asking_once(fresh, 1000, &asked));
    assert!(!memory.is_worth_asking_once(fresh, 1000, &look("caller.3", "own.8")));
    let Others::Of(all) = memory.with_outdated((fresh, 1000), &asked.others) else {
        panic!("these are asked by name");
    };
    assert_eq!(all.len(), 2);
    memory.keep(
        (fresh, 1000),
        &Others::Of(all),
        &found("caller.3 another.2"),
    );
    let view = memory.view::<()>(fresh, 1999, &another).unwrap();
    assert_eq!(view.others, cursors("another.2"));
    assert!(knows(&memory, WITHIN_A_SECOND, 1999, &asked));
}

#[test]
fn a_store_that_others_share_is_told_at_once_of_what_a_caller_took_in() {
    let memory = Memory::default();
    let view = found("caller.3");
    memory.told(&cursors("caller.3")[0].generation, 0);
    let others = (&view.others[..], &view.others[..]);
    let noting = memory.note(
        &advance(3, "caller.5"),
        ("log", &view.history),
        others,
        (1, true),
    );
    assert!(matches!(noting, Noting::InStore(_)));
    let noting = memory.note(
        &advance(3, "caller.3"),
        ("log", &view.history),
        others,
        (1, true),
    );
    assert!(matches!(noting, Noting::Nothing));
}

#[test]
fn a_log_in_which_nothing_was_written_is_in_memory_for_one_that_has_nothing_of_it() {
    let asked = look("caller.3", "");
    let memory = Memory::default();
    let empty = View {
        head: 0,
        history: History(Vec::new()),
        ..found("caller.3")
    };
    memory.keep((Some(WITHIN_A_SECOND), 0), &asked.others, &empty);
    assert!(knows(&memory, WITHIN_A_SECOND, 1, &asked));
    assert!(!knows(
        &memory,
        WITHIN_A_SECOND,
        1,
        &look("caller.3", "own.1")
    ));
}
