//! Turns by key: of each key, one has the turn at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// The turns of all keys. Clones are the same ones. A key is remembered while its turn is taken or waited for.
#[derive(Debug, Clone, Default)]
pub struct KeyTurns(Arc<Mutex<HashMap<String, Arc<Turn<()>>>>>);

/// The turn of a key, until it is dropped.
#[derive(Debug)]
pub struct KeyTurn {
    _turn: OwnedMutexGuard<()>,
    /// Goes after the turn.
    _interest: Interest,
}

/// That the turn of a key is taken or waited for.
#[derive(Debug)]
struct Interest {
    turns: KeyTurns,
    key: String,
    turn: Arc<Turn<()>>,
}

impl KeyTurns {
    /// Waits for the turn of `key`, in the order of asking.
    pub async fn take(&self, key: &str) -> KeyTurn {
        let turn = Arc::clone(self.lock().entry(key.to_owned()).or_default());
        let interest = Interest {
            turns: self.clone(),
            key: key.to_owned(),
            turn,
        };
        KeyTurn {
            _turn: Arc::clone(&interest.turn).lock_owned().await,
            _interest: interest,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Turn<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut turns = self.turns.lock();
        // Besides this one, the map has it, and each that takes or waits for it. New ones ask the map.
        if Arc::strong_count(&self.turn) == 2 {
            turns.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_key_has_one_turn_and_is_forgotten_once_no_more_of_it_is_wanted() {
        let turns = KeyTurns::default();
        let first = turns.take("a").await;
        let other = turns.take("b").now_or_never().unwrap();
        let mut second = Box::pin(turns.take("a"));
        let mut third = Box::pin(turns.take("a"));
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        drop(other);
        assert_eq!(turns.lock().len(), 1);
        drop(second);
        drop(first);
        let third = third.now_or_never().unwrap();
        assert!(turns.take("a").now_or_never().is_none());
        drop(third);
        assert!(turns.lock().is_empty());
    }
}
