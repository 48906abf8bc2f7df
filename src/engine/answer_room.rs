//! How large an answer may be, and what of that is for the items, the version vectors and the refusals.

use crate::protocol::item::ItemKind;
use crate::protocol::message::{Refusal, Request};
use crate::protocol::watermarks::Watermarks;

/// Refusals of each kind may take this part of an answer that has a limit.
const REFUSALS_SHARE: usize = 8;

/// What an answer has room for besides its items, its version vectors and its refusals, in bytes.
const FRAME_BYTES: usize = 1024;

/// What the answer to a request has room for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// At most how many bytes the caller takes.
    most: Option<usize>,
}

impl Room {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self {
            most: request.max_answer_bytes,
        }
    }

    /// At most how many bytes the refusals of one kind may have.
    fn budget(self) -> usize {
        self.most.map_or(usize::MAX, |most| most / REFUSALS_SHARE)
    }

    /// As many of the refusals of one kind as there is room for.
    pub(super) fn cut(self, refusals: Vec<Refusal>) -> Vec<Refusal> {
        let mut total = 0usize;
        let fits = |refusal: &Refusal| {
            total = total.saturating_add(size_of_refusal(refusal));
            total <= self.budget()
        };
        refusals.into_iter().take_while(fits).collect()
    }

    /// At most how many bytes the items may have beside these version vectors.
    pub(super) fn for_items(self, watermarks: &[Option<&Watermarks>]) -> usize {
        self.most.map_or(usize::MAX, |most| {
            let watermarks = watermarks.iter().copied().map(size_of_watermarks);
            most.saturating_sub(FRAME_BYTES + watermarks.sum::<usize>() + 2 * self.budget())
        })
    }
}

/// At most how many bytes a refusal has as text.
fn size_of_refusal(refusal: &Refusal) -> usize {
    const FRAME: usize = 256;
    const UNIT: usize = 6;
    let id = match &refusal.kind {
        ItemKind::Record(id) => id.units().len(),
        ItemKind::Row(table) => table.app.units().len() + table.name.units().len(),
    };
    let node = refusal
        .hlc
        .as_ref()
        .map_or(0, |hlc| hlc.node_id.units().len());
    FRAME + UNIT * (id + node + refusal.code.len() + refusal.reason.len())
}

/// At most how many bytes a version vector has as text.
fn size_of_watermarks(watermarks: Option<&Watermarks>) -> usize {
    const NUMBERS: usize = 96;
    const UNIT: usize = 6;
    let nodes = watermarks.into_iter().flat_map(Watermarks::iter);
    nodes
        .map(|(node, _)| NUMBERS + 2 * UNIT * node.units().len())
        .sum()
}
