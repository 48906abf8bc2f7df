//! Taking a page in: one transaction, and of each item what became of it.

use std::collections::HashSet;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::fault::{during, is_of_one_row};
use crate::engine::ports::Outcome;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Item;
use crate::store::Json;

/// What became of an item that was to be taken in.
#[derive(Debug)]
pub enum Taken {
    /// It is stored.
    Applied,
    /// What is stored is not older.
    Stale,
    /// It could not be stored.
    Failed(Error),
    /// An earlier item of its node could not be stored, and order is strict.
    Behind,
}

impl From<Taken> for Outcome {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Applied => Self::Applied,
            Taken::Stale => Self::Stale,
            // To an engine the item is no argument of the app's: it came from a peer.
            Taken::Failed(error) if error.kind() == ErrorKind::InvalidArgument => {
                Self::Failed(error.as_kind(ErrorKind::MalformedItem))
            }
            Taken::Failed(error) => Self::Failed(error),
            Taken::Behind => Self::Behind,
        }
    }
}

/// A transaction that is going to write.
pub(super) fn begin<'a>(
    operation: &'static str,
    connection: &'a mut Connection,
) -> Result<Transaction<'a>> {
    connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(during(operation))
}

/// Takes in items that come in the order of timestamps. `take_in_one` says whether it stored its item; what
/// it wrote before it failed is undone. An error means that nothing of the page is stored.
pub(super) fn take_in(
    operation: &'static str,
    connection: &mut Connection,
    items: &[Item<Json>],
    strict: bool,
    take_in_one: impl Fn(&Connection, &Item<Json>) -> Result<bool>,
) -> Result<Vec<Taken>> {
    let transaction = begin(operation, connection)?;
    let mut stopped = HashSet::new();
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        if strict && stopped.contains(&item.hlc.node_id) {
            outcomes.push(Taken::Behind);
            continue;
        }
        let mark = |sql| mark(&transaction, sql).map_err(during(operation));
        mark("SAVEPOINT item")?;
        outcomes.push(match take_in_one(&transaction, item) {
            Ok(stored) => {
                mark("RELEASE item")?;
                if stored { Taken::Applied } else { Taken::Stale }
            }
            // An item that fails leaves the others of its page alone, unless the database has given up the
            // transaction as a whole.
            Err(error) if is_of_one_row(&error) && !transaction.is_autocommit() => {
                mark("ROLLBACK TO item")?;
                mark("RELEASE item")?;
                stopped.insert(&item.hlc.node_id);
                Taken::Failed(error)
            }
            Err(error) => return Err(error),
        });
    }
    transaction.commit().map_err(during(operation))?;
    Ok(outcomes)
}

/// Once per item, so that the statement is kept.
fn mark(transaction: &Transaction<'_>, sql: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached(sql)?.execute([]).map(drop)
}
