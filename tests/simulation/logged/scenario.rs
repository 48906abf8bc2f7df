//! What happens to places with change logs, as data.

use starkeep_sync_engine::engine::change_log::MOST_WAITING;
use starkeep_sync_engine::testing::Operation;

use super::super::node::LATE;
use super::super::scenario::{Caller, Fault, Place, Rounds, Stream, Write};

#[derive(Debug, Clone)]
pub enum Deed {
    Write(Write),
    /// A version that is stamped in the name of another node, so far from the present.
    Forge {
        write: Write,
        node: usize,
        off_ms: i64,
    },
    /// A stamp is taken, and nothing is written under it yet.
    TakeStamp(usize),
    /// What is written under the oldest stamp that was taken.
    PutLate(Write),
    Rounds(Rounds),
    Fault(Fault),
    Heal(usize),
    Jump {
        place: usize,
        ms: i64,
    },
    Wait(u64),
    /// The program ends and begins again; its clock knows nothing.
    Restart(usize),
    Snapshot(usize),
    /// The whole file is put back.
    Restore(usize),
    /// The rows are put back, and the log is not.
    RestoreData(usize),
    /// A place becomes a copy of another one, and both write on.
    Clone {
        from: usize,
        to: usize,
    },
    Wipe(usize),
    Remove {
        place: usize,
        stream: Stream,
        id: usize,
        seen: bool,
    },
    RemoveObject {
        place: usize,
        blob: usize,
    },
    /// The log does not see it.
    WriteBehind(Write),
    Reconcile(usize),
    /// Rounds until there is no more, unless faults are planned.
    Sync(usize),
    RegisterLateApp(usize),
    /// Tombstones that are older than this go, as far as every known peer has seen them.
    Purge {
        place: usize,
        older_than_ms: u64,
    },
}

impl Deed {
    /// All that is written, by one or another.
    pub fn writes_mut(&mut self) -> Vec<&mut Write> {
        match self {
            Self::Write(write)
            | Self::Forge { write, .. }
            | Self::PutLate(write)
            | Self::WriteBehind(write) => vec![write],
            Self::Rounds(rounds) => {
                let meanwhile = rounds.meanwhile.iter_mut();
                meanwhile.map(|(_, write)| write).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether what it does is in no log, or the log that it is in may be lost.
    pub fn is_unseen_by_logs(&self) -> bool {
        match self {
            Self::Remove { .. } | Self::WriteBehind(_) | Self::RestoreData(_) | Self::Wipe(_) => {
                true
            }
            Self::Fault(fault) => fault.operation == Operation::NoteInLog,
            _ => false,
        }
    }

    /// The places to which it does what only a log survives.
    pub fn needs_a_log_at(&self) -> Vec<usize> {
        match self {
            Self::Forge { write, node, .. } => vec![write.place, *node],
            Self::PutLate(write) | Self::WriteBehind(write) => vec![write.place],
            Self::TakeStamp(place)
            | Self::Jump { place, .. }
            | Self::Restart(place)
            | Self::Snapshot(place)
            | Self::Restore(place)
            | Self::RestoreData(place)
            | Self::Wipe(place)
            | Self::Remove { place, .. }
            | Self::RemoveObject { place, .. } => vec![*place],
            Self::Clone { from, to } => vec![*from, *to],
            Self::Write(_)
            | Self::Rounds(_)
            | Self::Fault(_)
            | Self::Heal(_)
            | Self::Wait(_)
            | Self::Reconcile(_)
            | Self::Sync(_)
            | Self::RegisterLateApp(_)
            | Self::Purge { .. } => Vec::new(),
        }
    }

    /// Whether it brings back what was deleted, or the log that says who has seen that: a place is then one that its
    /// neighbours never met.
    pub fn may_bring_back(&self) -> bool {
        matches!(
            self,
            Self::Restore(_)
                | Self::RestoreData(_)
                | Self::Clone { .. }
                | Self::Wipe(_)
                | Self::Remove { .. }
                | Self::WriteBehind(_)
        )
    }

    /// Whether two places, or one and its past, have a history in common afterwards.
    pub fn copies(&self) -> bool {
        matches!(self, Self::Restore(_) | Self::Clone { .. })
    }

    /// Whether an item may be refused, or held back, because of it.
    pub fn may_lead_to_a_refusal(&self) -> bool {
        let is_harm = matches!(
            self,
            Self::Fault(_) | Self::Jump { .. } | Self::Forge { .. } | Self::RemoveObject { .. }
        );
        is_harm || self.is_of_late_app()
    }

    /// Whether it writes to the table that not every place has.
    pub fn is_of_late_app(&self) -> bool {
        let is_late = |stream: &Stream| matches!(stream, Stream::Rows(LATE));
        self.clone().writes_mut().iter().any(|write| {
            let twin = write.twin.as_ref();
            is_late(&write.stream) || twin.is_some_and(|(stream, _)| is_late(stream))
        })
    }

    /// What is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Write(_) => "deeds: an app writes",
            Self::Forge { .. } => "deeds: a version is forged",
            Self::TakeStamp(_) => "deeds: a stamp is taken",
            Self::PutLate(_) => "deeds: a stamp is used late",
            Self::Rounds(_) => "deeds: rounds overlap",
            Self::Fault(_) => "deeds: a fault is planned",
            Self::Heal(_) => "deeds: a place heals",
            Self::Jump { .. } => "deeds: a clock jumps",
            Self::Wait(_) => "deeds: time goes by",
            Self::Restart(_) => "deeds: a program begins again",
            Self::Snapshot(_) => "deeds: a snapshot is taken",
            Self::Restore(_) => "deeds: a file is put back",
            Self::RestoreData(_) => "deeds: data is put back without its log",
            Self::Clone { .. } => "deeds: a place is cloned",
            Self::Wipe(_) => "deeds: a place loses everything",
            Self::Remove { .. } => "deeds: an item is removed by hand",
            Self::RemoveObject { .. } => "deeds: an object is removed by hand",
            Self::WriteBehind(_) => "deeds: a log does not see a write",
            Self::Reconcile(_) => "deeds: two sides are reconciled",
            Self::Sync(_) => "deeds: a place exchanges undisturbed",
            Self::RegisterLateApp(_) => "deeds: an app is registered",
            Self::Purge { .. } => "deeds: tombstones are purged",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Scenario {
    pub places: Vec<Place>,
    pub deeds: Vec<Deed>,
    /// Faults that stay while everything else has to go on.
    pub lasting: Vec<Fault>,
    /// Messages are small: so many items fit into an answer.
    pub answer_room: Option<usize>,
    /// The number of requests that are answered beside each other.
    pub answers_at_once: usize,
}

impl Scenario {
    pub fn is_parent(&self, place: usize) -> bool {
        let mut children = self.places.iter().skip(1);
        children.any(|child| child.parent == place)
    }

    /// Scenarios that are a little shorter.
    pub fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        let mut without = |change: &dyn Fn(&mut Self)| {
            let mut scenario = self.clone();
            change(&mut scenario);
            smaller.push(scenario);
        };
        for size in [8, 4, 2, 1] {
            for start in (0..self.deeds.len()).step_by(size) {
                let end = (start + size).min(self.deeds.len());
                without(&|s| drop(s.deeds.drain(start..end)));
            }
        }
        for at in 0..self.lasting.len() {
            without(&|s| drop(s.lasting.remove(at)));
        }
        if self.answer_room.is_some() {
            without(&|s| s.answer_room = None);
        }
        if self.answers_at_once > 1 {
            without(&|s| s.answers_at_once = 1);
        }
        for (at, place) in self.places.iter().enumerate() {
            if place.most_waiting < MOST_WAITING {
                without(&|s| s.places[at].most_waiting = MOST_WAITING);
            }
            if !place.keeps_log {
                without(&|s| s.places[at].keeps_log = true);
            }
        }
        for (at, deed) in self.deeds.iter().enumerate() {
            let Deed::Rounds(rounds) = deed else { continue };
            let mut simpler = |change: &dyn Fn(&mut Rounds)| {
                let mut rounds = rounds.clone();
                change(&mut rounds);
                without(&|s| s.deeds[at] = Deed::Rounds(rounds.clone()));
            };
            for one in 0..rounds.callers.len() {
                simpler(&|r| {
                    r.callers.remove(one);
                });
                let Caller {
                    rounds: many,
                    crashes_after,
                    ..
                } = rounds.callers[one];
                if many > 1 {
                    simpler(&|r| r.callers[one].rounds -= 1);
                }
                if crashes_after.is_some() {
                    simpler(&|r| r.callers[one].crashes_after = None);
                }
            }
            for one in 0..rounds.meanwhile.len() {
                simpler(&|r| {
                    r.meanwhile.remove(one);
                });
            }
            if rounds.crash.is_some() {
                simpler(&|r| r.crash = None);
            }
        }
        smaller
    }
}
