//! What happens in a simulation, as data: it can be made from a seed, printed, replayed and shortened.

use starkeep_sync_engine::testing::{Access, Operation, When};

/// A place with stores. The first is the hub; every other calls its parent.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each stands alone")]
pub struct Place {
    pub parent: usize,
    /// Whether its answering side is of the first generation.
    pub is_old: bool,
    /// Whether its stores keep change logs.
    pub keeps_log: bool,
    /// So many items may wait for the parent.
    pub most_waiting: usize,
    /// Whose node id it uses; its own, unless it says otherwise.
    pub node: Option<usize>,
    pub access: Access,
    pub rows_know_coverage: bool,
    /// Whether it has no rows of apps.
    pub has_records_alone: bool,
    pub scan_page_size: usize,
    pub page_limit: usize,
    pub blob_concurrency: usize,
}

impl Place {
    pub fn reports_coverage(&self) -> bool {
        !self.is_old && self.access != Access::Scanned && self.rows_know_coverage
    }
}

/// Where an item is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Records,
    Rows(usize),
}

#[derive(Debug, Clone)]
pub struct Write {
    pub place: usize,
    pub stream: Stream,
    pub id: usize,
    pub blob: Option<usize>,
    pub deleted: bool,
    /// Another item that is written with the same timestamp.
    pub twin: Option<(Stream, usize)>,
}

/// Which of a place's plans a fault goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Local,
    Network,
}

#[derive(Debug, Clone)]
pub struct Fault {
    pub place: usize,
    pub reach: Reach,
    pub operation: Operation,
    pub key: Option<String>,
    pub when: When,
}

#[derive(Debug, Clone)]
pub struct Caller {
    pub place: usize,
    pub rounds: usize,
    pub crashes_after: Option<usize>,
}

/// Rounds that run at the same time, and what is written meanwhile.
#[derive(Debug, Clone)]
pub struct Rounds {
    pub interleaving: u64,
    pub callers: Vec<Caller>,
    pub meanwhile: Vec<(usize, Write)>,
    /// An answering place that crashes after so many steps.
    pub crash: Option<(usize, usize)>,
}

#[derive(Debug, Clone)]
pub enum Step {
    Write(Write),
    Fault(Fault),
    CutAnswer {
        place: usize,
        items: usize,
    },
    Heal(usize),
    Rounds(Rounds),
    /// The physical clock of one place is set.
    Jump {
        place: usize,
        ms: i64,
    },
    /// Time goes by.
    Wait(u64),
    LoseWatermarks(usize),
    Copy(usize),
    /// All comes to rest, and the place goes back to its copy.
    Restore(usize),
    /// All comes to rest, and the hub loses everything.
    WipeHub,
    RegisterLateApp(usize),
}

impl Step {
    /// What is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Write(_) => "steps: an app writes",
            Self::Fault(_) => "steps: a fault is planned",
            Self::CutAnswer { .. } => "steps: an answer is cut short",
            Self::Heal(_) => "steps: a place heals",
            Self::Rounds(_) => "steps: rounds overlap",
            Self::Jump { .. } => "steps: a clock jumps",
            Self::Wait(_) => "steps: time goes by",
            Self::LoseWatermarks(_) => "steps: watermarks are lost",
            Self::Copy(_) => "steps: a copy is made",
            Self::Restore(_) => "steps: a place goes back to its copy",
            Self::WipeHub => "steps: the hub loses everything",
            Self::RegisterLateApp(_) => "steps: an app is registered",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Scenario {
    pub places: Vec<Place>,
    pub steps: Vec<Step>,
    /// Faults that stay while everything else has to go on.
    pub lasting: Vec<Fault>,
    /// Nothing goes wrong at all.
    pub clean: bool,
}

impl Scenario {
    pub fn is_parent(&self, place: usize) -> bool {
        self.places
            .iter()
            .skip(1)
            .any(|child| child.parent == place)
    }

    /// The same with records alone, in stores that can only be read from end to end.
    pub fn of_records_alone(mut self) -> Self {
        let alone = |write: &mut Write| {
            write.stream = Stream::Records;
            if let Some((stream, _)) = &mut write.twin {
                *stream = Stream::Records;
            }
        };
        for place in &mut self.places {
            place.access = Access::Scanned;
            place.has_records_alone = true;
        }
        for step in &mut self.steps {
            match step {
                Step::Write(write) => alone(write),
                Step::Rounds(rounds) => {
                    rounds
                        .meanwhile
                        .iter_mut()
                        .for_each(|(_, write)| alone(write));
                }
                _ => {}
            }
        }
        self
    }

    /// Places in the order in which what they wrote gets up to the hub.
    pub fn callers_upwards(&self) -> impl DoubleEndedIterator<Item = usize> + use<> {
        (1..self.places.len()).rev()
    }
}
