//! How much of what is here the peer has not got yet.

use super::caller::Engine;
use super::change_log::{After, Look};
use super::greeting::WHOLE_HISTORY;
use super::pair::Pair;
use super::pair::Planes;
use super::planes::{keeps_logs, look};
use super::ports::Side;
use crate::error::Result;

impl<S: Side, O, X, T, E> Engine<S, O, X, T, E> {
    /// How many items of this side the peer lacks, by what it said last of how far it has taken in the own logs; `None`
    /// where it has not said it, or a side keeps no log. A round may run meanwhile.
    ///
    /// # Errors
    /// What the stores failed with.
    pub async fn backlog(&self) -> Result<Option<u64>> {
        let Some(pairs) = self.watch.acknowledged() else {
            return Ok(None);
        };
        if !keeps_logs(&self.side) {
            return Ok(None);
        }
        let question = |pair: &Pair| Look {
            after: After::Seq(pair.have),
            history: WHOLE_HISTORY,
            skip: pair.history.clone(),
            lacking_at: Some(pair.id.clone()),
            ..Look::default()
        };
        let looks = Planes {
            records: pairs.records.as_ref().map(question),
            rows: pairs.rows.as_ref().map(question),
        };
        let views = look(&self.side, looks).await?;
        let is_own = views
            .iter()
            .zip(pairs.iter())
            .all(|(view, pair)| pair.is_of(view));
        let lacking = views.iter().filter_map(|view| view.lacking).sum();
        Ok(is_own.then_some(lacking))
    }
}
