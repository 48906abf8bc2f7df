//! What a scenario does to places.

use starkeep_sync_engine::engine::purge::{Purge, Purged, Reason};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::testing::Journal;

use super::super::model::Key;
use super::super::node::{LATE, Node, blob_name, id_name, key_of, node_name, table};
use super::super::scenario::Stream;
use super::said::named;
use super::scenario::Deed;
use super::world::{Snapshot, World};

impl World {
    pub fn act(&self, deed: &Deed) {
        match deed {
            Deed::Write(write) => self.write(write),
            Deed::Forge {
                write,
                node,
                off_ms,
            } => {
                let clock = &self.nodes[write.place].side.clock;
                let mut hlc = clock.now();
                hlc.wall_time = hlc.wall_time.saturating_add_signed(*off_ms);
                hlc.node_id = Text::from(node_name(*node).as_str());
                let held = self.holding(write.place);
                while held.values().any(|item| item.hlc == hlc) {
                    hlc.counter += 1;
                }
                self.put(write, &hlc, false);
            }
            Deed::TakeStamp(place) => {
                let stamp = self.nodes[*place].side.clock.now();
                self.stamps.borrow_mut().push((*place, stamp));
            }
            Deed::PutLate(write) => {
                let mut stamps = self.stamps.borrow_mut();
                if let Some(at) = stamps.iter().position(|(place, _)| *place == write.place) {
                    let (_, hlc) = stamps.remove(at);
                    self.put(write, &hlc, false);
                }
            }
            Deed::Rounds(rounds) => drop(self.rounds(rounds)),
            Deed::Fault(fault) => {
                let faults = self.nodes[fault.place].faults(fault.reach);
                faults.fail(fault.operation, fault.key.as_deref(), fault.when);
            }
            Deed::Heal(place) => self.nodes[*place].heal(),
            Deed::Jump { place, ms } => {
                self.skews.borrow_mut()[*place] = *ms;
                self.wait(0);
            }
            Deed::Wait(ms) => self.wait(*ms),
            Deed::Restart(place) => {
                self.nodes[*place].side.clock.forget();
                self.start(*place);
            }
            Deed::Snapshot(place) => {
                let snapshot = self.snapshot(*place);
                self.snapshots.borrow_mut().insert(*place, snapshot);
            }
            Deed::Restore(place) => self.restore(*place, true),
            Deed::RestoreData(place) => self.restore(*place, false),
            Deed::Clone { from, to } => self.clone_place(*from, *to),
            Deed::Wipe(place) => {
                let node = &self.nodes[*place];
                node.wipe();
                node.records.put_journal(Some(Journal::default()));
                node.rows.put_journal(Some(Journal::default()));
                self.start(*place);
                self.forget_lost_versions();
                self.loses_what_children_hold(*place);
                self.wiped.borrow_mut().insert(*place);
            }
            Deed::Remove {
                place,
                stream,
                id,
                seen,
            } => self.remove(*place, *stream, *id, *seen),
            Deed::RemoveObject { place, blob } => {
                let key = blob_name(*blob);
                self.nodes[*place].blobs.remove(&key);
                self.removed_objects.borrow_mut().insert(key);
            }
            Deed::WriteBehind(write) => {
                let hlc = self.nodes[write.place].side.clock.now();
                self.blind.borrow_mut().insert(write.place);
                self.put(write, &hlc, true);
            }
            Deed::Reconcile(place) => self.reconcile(*place),
            Deed::Sync(place) => {
                let is_healthy = |node: &Node| node.local.is_healthy() && node.network.is_healthy();
                if self.nodes.iter().all(is_healthy) {
                    self.sync(*place);
                }
            }
            Deed::Purge {
                place,
                older_than_ms,
            } => self.purge(*place, *older_than_ms),
            Deed::RegisterLateApp(place) => {
                let mut nodes = self.nodes.iter();
                let is_new = nodes.any(|node| node.rows.tables_len() > LATE);
                self.has_new_table.set(self.has_new_table.get() || is_new);
                self.nodes[*place].rows.register(&table(LATE));
            }
        }
    }

    fn purge(&self, place: usize, older_than_ms: u64) {
        self.see_all();
        let node = &self.nodes[place];
        let wall = self.now_ms.get().saturating_sub(older_than_ms);
        let purge = Purge {
            before: Hlc::new(wall, 0, Text::from("")),
            is_dry: false,
            forget: Vec::new(),
            forget_unseen_for_ms: None,
            after: 0,
            limit: usize::MAX,
        };
        let purged = [node.records.purge(&purge), node.rows.purge(&purge)];
        for Purged { removed, kept, .. } in purged.into_iter().flatten() {
            self.note(|| format!("n{place} purges {removed:?}, and keeps {kept:?}"));
            for reason in kept {
                self.count(match reason {
                    Reason::Young => "tombstones kept: young",
                    Reason::Unseen => "tombstones kept: unseen",
                    Reason::Waiting => "tombstones kept: waiting",
                    Reason::Newest => "tombstones kept: newest",
                    Reason::Referenced => "tombstones kept: referenced",
                });
            }
            for (key, hlc) in removed {
                self.count("tombstones purged");
                self.bury(place, named(&key), &hlc);
            }
        }
        self.forget_lost_versions();
    }

    /// What the place has had, and was written before its tombstone was, is deleted for good.
    fn bury(&self, place: usize, key: Key, tombstone: &Hlc) {
        let written = self.written.borrow();
        let all = written.get(&key).map(Vec::as_slice).unwrap_or_default();
        let before = all.iter().take_while(|hlc| *hlc != tombstone);
        let deleted = before
            .filter(|hlc| *hlc < tombstone && self.has_had(place, &key, hlc))
            .cloned()
            .collect::<Vec<_>>();
        let mut buried = self.buried.borrow_mut();
        buried.entry((place, key)).or_default().extend(deleted);
    }

    fn snapshot(&self, place: usize) -> Snapshot {
        let node = &self.nodes[place];
        Snapshot {
            records: node.records.all(),
            rows: node.rows.all(),
            journals: (node.records.journal(), node.rows.journal()),
            blind: self.blind.borrow().contains(&place),
        }
    }

    fn restore(&self, place: usize, whole: bool) {
        let node = &self.nodes[place];
        let Some(snapshot) = self.snapshots.borrow_mut().remove(&place) else {
            return;
        };
        node.records.replace(snapshot.records);
        node.rows.replace(&snapshot.rows);
        // Objects that went meanwhile do not come back with their items.
        for item in self.holding(place).values() {
            if let Some(blob) = item
                .blob
                .as_ref()
                .filter(|blob| !node.blobs.holds(&blob.key))
            {
                self.removed_objects
                    .borrow_mut()
                    .insert(blob.key.to_string());
            }
        }
        if whole && !snapshot.blind {
            // What the state says beside a peer without a log stays as it was.
            if self.every_neighbour_exchanges_by_logs(place) {
                self.blind.borrow_mut().remove(&place);
            }
        } else {
            self.blind.borrow_mut().insert(place);
        }
        if whole {
            node.records.put_journal(snapshot.journals.0);
            node.rows.put_journal(snapshot.journals.1);
        }
        // What stood here once may have been written over, and that have been sent.
        let parent = self.nodes[place].place.parent;
        self.see(parent, self.holding(place).values());
        self.start(place);
        self.forget_lost_versions();
        self.loses_what_children_hold(place);
    }

    /// What a side without a log stores from memory, after its peer has lost it, came late for that side: watermarks do
    /// not tell if the peer holds later items of that node again.
    fn loses_what_children_hold(&self, place: usize) {
        let holding = self.holding_in_memory.borrow();
        let children = holding
            .iter()
            .filter(|child| self.nodes[**child].place.parent == place);
        self.blind.borrow_mut().extend(children);
    }

    fn clone_place(&self, from: usize, to: usize) {
        if from == to {
            return;
        }
        let snapshot = self.snapshot(from);
        let node = &self.nodes[to];
        if self.nodes[from].rows.tables_len() > node.rows.tables_len() {
            node.rows.register(&table(LATE));
        }
        node.blobs.take_all_of(&self.nodes[from].blobs);
        self.snapshots.borrow_mut().insert(to, snapshot);
        self.see_as(from, to);
        self.restore(to, true);
    }

    fn remove(&self, place: usize, stream: Stream, id: usize, seen: bool) {
        let node = &self.nodes[place];
        let id = Text::from(id_name(id).as_str());
        match stream {
            Stream::Records => node.records.remove(&id, seen),
            Stream::Rows(index) => {
                let table = table(index);
                let rows = node.rows.all().into_iter();
                let name = format!("{}/{}", table.app, table.name);
                for row in rows.filter(|row| key_of(row) == (name.clone(), id.to_string())) {
                    node.rows.remove(&row, seen);
                }
            }
        }
        if !seen {
            self.blind.borrow_mut().insert(place);
        }
        self.forget_lost_versions();
    }
}
