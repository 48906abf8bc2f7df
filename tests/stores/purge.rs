//! Tombstones that are removed for good: only those that every known peer has seen, and never the newest of a node.

use crate::log::{all_after, assert_true, ids};
use crate::support::{Home, at, record, text};
use starkeep_sync_engine::engine::change_log::{Heard, Note, Proof, Waiting};
use starkeep_sync_engine::engine::held::Direction;
use starkeep_sync_engine::engine::purge::{Purge, Purged, Reason};
use starkeep_sync_engine::protocol::log::{Cursor, Generation, History, Key, Stream};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::sqlite::SqliteRecords;
use starkeep_sync_engine::store::{LogStore, RecordStore};

fn purge(before: u64) -> Purge {
    Purge {
        before: at(before, 0, ""),
        is_dry: false,
        forget: Vec::new(),
        forget_unseen_for_ms: None,
        after: 0,
        limit: 100,
    }
}

fn history(generation: &str, seq: u64) -> History {
    let generation = Generation::new(generation).unwrap();
    History(vec![Cursor { generation, seq }])
}

/// What is heard of a peer; `proved` is a position of the own log.
fn heard(id: &str, history: History, (own, proved): (&Option<Cursor>, Option<u64>)) -> Heard {
    Heard {
        id: Some(id.to_owned()),
        history,
        common: vec![String::new()],
        own: own.clone(),
        proof: proved.map_or(Proof::None, Proof::Same),
        ..Heard::default()
    }
}

/// Where the own log ends.
async fn end_of(records: &SqliteRecords) -> Option<Cursor> {
    all_after(records, 0).await.history.head().cloned()
}

/// Records that node `n` wrote and deleted, and a last one that stays.
async fn store(home: &Home, deleted: &[&str]) -> SqliteRecords {
    let records = home.records();
    for (id, wall) in deleted.iter().zip(1..) {
        let put = records.put(text(&record(id, &at(wall, 0, "n"))));
        put.await.unwrap();
        records.delete(id, at(wall + 100, 0, "n")).await.unwrap();
    }
    let last = records.put(text(&record("last", &at(1000, 0, "n"))));
    last.await.unwrap();
    records
}

fn removed(purged: &Purged) -> Vec<String> {
    let keys = purged.removed.iter();
    keys.map(|(key, _)| key.id.to_string()).collect()
}

#[tokio::test]
async fn what_was_deleted_goes_only_once_every_known_peer_has_proved_to_hold_the_same() {
    let home = Home::new();
    let records = store(&home, &["a", "b"]).await;
    let own = end_of(&records).await;
    let head = own.as_ref().unwrap().seq;
    for (id, generation) in [("laptop", "a1"), ("phone", "b1")] {
        let known = records.hear_of(heard(id, history(generation, 1), (&own, None)));
        assert!(!known.await.unwrap().has_missed);
    }
    let kept = records.purge(purge(500)).await.unwrap();
    assert_eq!(kept.kept, [Reason::Unseen, Reason::Unseen]);
    assert!(kept.peers.iter().all(|(_, keeps, _)| *keeps == 2));
    for (id, generation) in [("laptop", "a1"), ("phone", "b1")] {
        assert!(removed(&records.purge(purge(500)).await.unwrap()).is_empty());
        let proof = heard(id, history(generation, 9), (&own, Some(head)));
        records.hear_of(proof).await.unwrap();
    }
    let dry = Purge {
        is_dry: true,
        ..purge(102)
    };
    let told = records.purge(dry).await.unwrap();
    assert_eq!(
        (removed(&told), told.kept),
        (vec!["a".to_owned()], vec![Reason::Young])
    );
    let before = assert_true(&home, &records).await;
    assert_eq!(
        removed(&records.purge(purge(500)).await.unwrap()),
        ["a", "b"]
    );
    let after = assert_true(&home, &records).await;
    assert_eq!(ids(&after), ["last"]);
    assert_eq!(before.head, after.head, "the numbers go on");
    assert_eq!(before.history, after.history);
    let alive =
        |view: &starkeep_sync_engine::engine::change_log::View<_>| view.streams.whole().alive();
    assert_eq!(alive(&before), alive(&after));
    assert!(!before.streams.has_purged() && after.streams.has_purged());
    assert!(records.get("a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_peer_that_is_noted_costs_no_look_and_a_purge_makes_what_is_in_memory_old() {
    let home = Home::new();
    let records = store(&home, &["a"]).await;
    let own = end_of(&records).await;
    let head = own.as_ref().map(|own| own.seq);
    let proof = heard("laptop", history("a1", 1), (&own, head));
    assert_eq!(records.recognizes(&proof), None);
    let known = records.hear_of(proof.clone()).await.unwrap();
    let fresh = records.freshness();
    assert_eq!(records.recognizes(&proof), Some(known));
    assert!(fresh.is_some() && records.freshness() == fresh);
    assert_eq!(removed(&records.purge(purge(500)).await.unwrap()), ["a"]);
    assert_ne!(records.freshness(), fresh);
}

#[tokio::test]
async fn the_newest_item_of_a_node_stays_whatever_it_is() {
    let home = Home::new();
    let records = store(&home, &["a", "b"]).await;
    records.delete("last", at(2000, 0, "m")).await.unwrap();
    let put = records.put(text(&record("z", &at(2, 0, "q"))));
    put.await.unwrap();
    let purged = records.purge(purge(5000)).await.unwrap();
    assert_eq!(
        removed(&purged),
        ["a"],
        "b is the newest of n, and last of m"
    );
    assert_eq!(purged.kept, [Reason::Newest, Reason::Newest]);
    let marks = records.node_watermarks().await.unwrap();
    assert_eq!(marks.iter().count(), 3);
}

#[tokio::test]
async fn what_waits_for_a_peer_stays_and_so_does_what_another_table_refers_to() {
    let home = Home::new();
    let records = store(&home, &["a", "b"]).await;
    let waits = Waiting {
        key: Key {
            stream: Stream::Records,
            id: Text::from("a"),
        },
        direction: Direction::Outbound,
        hlc: None,
        code: "SYNC_ERROR".to_owned(),
        reason: String::new(),
        since_ms: 0,
        attempts: 0,
    };
    let note = Note {
        peer: "laptop".to_owned(),
        waits: vec![waits],
        ..Note::default()
    };
    records.note(note).await.unwrap();
    let purged = records.purge(purge(500)).await.unwrap();
    assert_eq!(
        (removed(&purged), purged.kept),
        (vec!["b".to_owned()], vec![Reason::Waiting])
    );
    let other = Home::new();
    let records = store(&other, &["a"]).await;
    other.sql(
        "CREATE TABLE tags (record TEXT REFERENCES shared_records (id) ON DELETE CASCADE);
         INSERT INTO tags VALUES ('a')",
    );
    let purged = records.purge(purge(500)).await.unwrap();
    assert_eq!(purged.kept, [Reason::Referenced]);
}

#[tokio::test]
async fn a_peer_without_a_log_keeps_everything_until_it_is_forgotten() {
    let home = Home::new();
    let records = store(&home, &["a"]).await;
    records.hear_of(Heard::default()).await.unwrap();
    let purged = records.purge(purge(500)).await.unwrap();
    assert_eq!(purged.kept, [Reason::Unseen]);
    let forgetting = Purge {
        forget: vec!["withoutLog".to_owned()],
        ..purge(500)
    };
    assert_eq!(removed(&records.purge(forgetting).await.unwrap()), ["a"]);
    assert!(records.purge(purge(500)).await.unwrap().peers.is_empty());
}

#[tokio::test]
async fn a_peer_that_was_put_back_is_another_one_and_it_is_told_that_it_has_missed_something() {
    let home = Home::new();
    let records = store(&home, &["a", "b"]).await;
    let own = end_of(&records).await;
    let head = own.as_ref().unwrap().seq;
    let proof = heard("laptop", history("a1", 9), (&own, Some(head)));
    records.hear_of(proof).await.unwrap();
    let knows = |has| Heard {
        has: Some(has),
        ..heard("laptop", history("a1", 9), (&own, None))
    };
    assert!(
        !records.hear_of(knows(1)).await.unwrap().has_missed,
        "it is known"
    );
    assert_eq!(
        removed(&records.purge(purge(500)).await.unwrap()),
        ["a", "b"]
    );
    let put_back = |has| Heard {
        has: Some(has),
        ..heard("laptop", history("a1", 3), (&own, None))
    };
    assert!(records.hear_of(put_back(1)).await.unwrap().has_missed);
    let again = Home::new();
    let records = store(&again, &["a"]).await;
    let own = end_of(&records).await;
    records.purge(purge(500)).await.unwrap();
    let new = heard("new", History::default(), (&own, None));
    let new = Heard {
        has: Some(0),
        ..new
    };
    assert!(
        !records.hear_of(new).await.unwrap().has_missed,
        "one that never took part"
    );
}

#[tokio::test]
async fn a_forgotten_peer_that_comes_back_is_told_and_is_known_again() {
    let home = Home::new();
    let records = store(&home, &["a", "b", "c"]).await;
    let own = end_of(&records).await;
    records
        .hear_of(heard("laptop", history("a1", 9), (&own, Some(1))))
        .await
        .unwrap();
    let forgetting = Purge {
        forget: vec!["laptop".to_owned()],
        ..purge(103)
    };
    assert_eq!(
        removed(&records.purge(forgetting).await.unwrap()),
        ["a", "b"]
    );
    let back = Heard {
        has: Some(1),
        ..heard("laptop", history("a1", 12), (&own, None))
    };
    assert!(records.hear_of(back).await.unwrap().has_missed);
    assert_eq!(
        records.purge(purge(500)).await.unwrap().kept,
        [Reason::Unseen]
    );
}

#[tokio::test]
async fn what_is_proved_after_a_greeting_is_known_to_the_next_process_at_once() {
    let home = Home::new();
    let records = store(&home, &["a"]).await;
    let own = end_of(&records).await;
    let head = own.as_ref().map(|own| own.seq);
    let greeted = heard("laptop", history("a1", 9), (&own, None));
    records.hear_of(greeted.clone()).await.unwrap();
    let proved = heard("laptop", history("a1", 9), (&own, head));
    records.hear_of(proved).await.unwrap();
    records.close().await.unwrap();
    let next = home.records();
    let known = next.hear_of(greeted).await.unwrap();
    assert_eq!(known.even, Some(vec![String::new()]));
    assert_eq!(removed(&next.purge(purge(500)).await.unwrap()), ["a"]);
}

#[tokio::test]
async fn that_both_sides_held_the_same_is_written_with_a_purge_also_of_an_empty_log() {
    let home = Home::new();
    let records = home.records();
    let same = |common: &[&str]| Heard {
        common: common.iter().map(|name| (*name).to_owned()).collect(),
        ..heard("laptop", History::default(), (&None, Some(0)))
    };
    for common in [&[][..], &[""], &["", "notes\u{1f}lines"]] {
        records.hear_of(same(common)).await.unwrap();
    }
    records.purge(purge(500)).await.unwrap();
    records.close().await.unwrap();
    let greeted = heard("laptop", History::default(), (&None, None));
    let known = home.records().hear_of(greeted).await.unwrap();
    let both = vec![String::new(), "notes\u{1f}lines".to_owned()];
    assert_eq!(known.even, Some(both));
}

#[tokio::test]
async fn what_is_known_of_peers_outlasts_the_process_and_a_store_that_was_not_empty_knows_that_it_may_not_know_all()
 {
    let home = Home::new();
    let records = store(&home, &["a"]).await;
    let own = end_of(&records).await;
    let head = own.as_ref().unwrap().seq;
    records
        .hear_of(heard("laptop", history("a1", 1), (&own, None)))
        .await
        .unwrap();
    RecordStore::close(&records).await.unwrap();
    let records = home.records();
    assert_eq!(
        records.purge(purge(500)).await.unwrap().kept,
        [Reason::Unseen]
    );
    // The history has gone on since: it is the same peer.
    let generations = [("a2", 7), ("a1", 4)].map(|(name, seq)| history(name, seq).0.remove(0));
    records
        .hear_of(heard(
            "laptop",
            History(generations.to_vec()),
            (&end_of(&records).await, Some(head)),
        ))
        .await
        .unwrap();
    RecordStore::close(&records).await.unwrap();
    home.sql("DROP TABLE starkeep_records_log_known");
    let records = home.records();
    let purged = records.purge(purge(500)).await.unwrap();
    assert_eq!(
        purged.kept,
        [Reason::Unseen],
        "peers of before may not be known"
    );
    let forgetting = Purge {
        forget: vec!["earlier".to_owned()],
        ..purge(500)
    };
    assert_eq!(removed(&records.purge(forgetting).await.unwrap()), ["a"]);
}

#[tokio::test]
async fn a_log_of_an_earlier_build_is_brought_over_in_place() {
    let home = Home::new();
    let records = store(&home, &["a", "b"]).await;
    let before = all_after(&records, 0).await;
    RecordStore::close(&records).await.unwrap();
    // As that build left it: tombstones count like others, and nothing says which they are.
    let trigger = |event: &str, on: &str, body: &str| {
        format!(
            "CREATE TRIGGER starkeep_records_log_1_{event} AFTER {event} ON shared_records{on} BEGIN
               INSERT INTO starkeep_records_log_noted (stream, key, time) VALUES (1, {body}); END;"
        )
    };
    home.sql(&format!(
        "DROP TRIGGER starkeep_records_log_1_insert; DROP TRIGGER starkeep_records_log_1_update;
         DROP TRIGGER starkeep_records_log_1_delete; DROP TABLE starkeep_records_log_known;
         ALTER TABLE starkeep_records_log_noted DROP COLUMN deleted;
         ALTER TABLE starkeep_records_log_streams DROP COLUMN deleted_count;
         ALTER TABLE starkeep_records_log_streams DROP COLUMN deleted_sum;
         UPDATE starkeep_records_log SET hash = abs(hash) - 1 WHERE hash < 0;
         UPDATE starkeep_records_log_streams SET count = 3, sum = 7; {} {} {}
         UPDATE shared_records SET deleted_at = '000000000fff:0000:n', updated_at = '000000000fff:0000:n' WHERE id = 'last'",
        trigger("insert", "", "NEW.id, NEW.updated_at"),
        trigger("update", "", "NEW.id, NEW.updated_at"),
        trigger("delete", "", "OLD.id, NULL"),
    ));
    let records = home.records();
    let view = assert_true(&home, &records).await;
    let seqs = |view: &starkeep_sync_engine::engine::change_log::View<_>| {
        let items = view.items.iter().take(2);
        items.map(|(seq, _)| *seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(&view), seqs(&before), "nothing travels again");
    assert_eq!(view.items.len(), 3);
    assert_eq!(records.verify().await.unwrap(), 0);
    let purged = records.purge(purge(500)).await.unwrap();
    assert_eq!(purged.kept[..2], [Reason::Unseen, Reason::Unseen]);
}

/// Of a peer that is even, and holds the same alive, as much is seen as it says that it has taken in.
#[tokio::test]
async fn what_is_alive_proves_no_more_than_the_peer_has_taken_in() {
    let home = Home::new();
    let records = store(&home, &["a", "b"]).await;
    let view = all_after(&records, 0).await;
    let own = view.history.head().cloned();
    let seq_of = |id: &str| {
        let found = view.items.iter().zip(ids(&view));
        found
            .filter(|(_, name)| name == id)
            .map(|((seq, _), _)| *seq)
            .next()
            .unwrap()
    };
    let alive = |taken_in| Heard {
        proof: Proof::Alive(taken_in),
        ..heard("laptop", history("a1", 9), (&own, None))
    };
    let known = records.hear_of(alive(seq_of("a"))).await.unwrap();
    assert_eq!(known.even, Some(vec![String::new()]));
    let purged = records.purge(purge(500)).await.unwrap();
    assert_eq!(
        (removed(&purged), purged.kept),
        (vec!["a".to_owned()], vec![Reason::Unseen])
    );
    records.hear_of(alive(seq_of("b"))).await.unwrap();
    assert_eq!(removed(&records.purge(purge(500)).await.unwrap()), ["b"]);
}

/// What was proved of some streams says nothing of others.
#[tokio::test]
async fn a_tombstone_of_a_stream_that_was_not_compared_stays() {
    let home = Home::new();
    let records = store(&home, &["a"]).await;
    let own = end_of(&records).await;
    let head = own.as_ref().unwrap().seq;
    let other = Heard {
        common: vec!["app/table".to_owned()],
        ..heard("laptop", history("a1", 9), (&own, Some(head)))
    };
    records.hear_of(other).await.unwrap();
    assert_eq!(
        records.purge(purge(500)).await.unwrap().kept,
        [Reason::Unseen]
    );
}
