//! Taking a page in: one transaction, and of each item what became of it.

use std::collections::HashSet;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::fault::{during, is_of_one_row};
use crate::error::Result;
use crate::protocol::item::Item;
use crate::store::{Json, Taken};

/// A transaction that is going to write.
pub(super) fn begin<'a>(
    operation: &'static str,
    connection: &'a mut Connection,
) -> Result<Transaction<'a>> {
    connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(during(operation))
}

/// Takes in items, between what is done before and after them in the same transaction. `take_in_one` says whether it
/// stored its item; what it wrote before it failed is undone. `strict` stops a node at its first item that fails: the
/// items must come in the order of timestamps. An error means that nothing of the page is stored.
pub(super) fn take_in(
    operation: &'static str,
    connection: &mut Connection,
    (items, strict): (&[Item<Json>], bool),
    (before, take_in_one, after): (
        impl FnOnce(&Connection) -> Result<()>,
        impl Fn(&Connection, &Item<Json>) -> Result<bool>,
        impl FnOnce(&Connection, &[Taken]) -> Result<()>,
    ),
) -> Result<Vec<Taken>> {
    let transaction = begin(operation, connection)?;
    before(&transaction)?;
    let page = RecordsPage {
        items,
        strict,
        undoes: true,
    };
    let one = |item: &Item<Json>| take_in_one(&transaction, item);
    let taken = take_in_all(operation, &transaction, &page, one)?;
    after(&transaction, &taken)?;
    transaction.commit().map_err(during(operation))?;
    Ok(taken)
}

/// A page that is taken in.
pub(super) struct RecordsPage<'a> {
    pub(super) items: &'a [Item<Json>],
    /// Whether a node is stopped at its first item that fails.
    pub(super) strict: bool,
    /// Whether what an item wrote before it failed has to be undone: else one that fails has written nothing.
    pub(super) undoes: bool,
}

/// Takes in the items of a page within the caller's transaction.
pub(super) fn take_in_all(
    operation: &'static str,
    transaction: &Transaction<'_>,
    page: &RecordsPage<'_>,
    mut take_in_one: impl FnMut(&Item<Json>) -> Result<bool>,
) -> Result<Vec<Taken>> {
    let mark = |sql| {
        if !page.undoes {
            return Ok(());
        }
        mark(transaction, sql).map_err(during(operation))
    };
    let mut stopped = HashSet::new();
    let mut outcomes = Vec::with_capacity(page.items.len());
    for item in page.items {
        if page.strict && stopped.contains(&item.hlc.node_id) {
            outcomes.push(Taken::Behind);
            continue;
        }
        mark("SAVEPOINT item")?;
        outcomes.push(match take_in_one(item) {
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
    Ok(outcomes)
}

/// Once per item, so that the statement is kept.
fn mark(transaction: &Transaction<'_>, sql: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached(sql)?.execute([]).map(drop)
}
