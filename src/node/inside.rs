//! Calls from inside the callback of a transaction.
//!
//! A call that would wait for the writer's turn of a file waits for ever where it is made by the callback
//! that has that turn. Which asynchronous context a call is made in says whether it is: `js/transactions.js` runs
//! callbacks in contexts that know their transactions.

use std::rc::Rc;

use super::value::{Call, Env, Intrinsic};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Holder;

/// The number of a transaction, for JavaScript.
#[allow(clippy::cast_precision_loss, reason = "no process has so many")]
pub fn number_of(holder: Holder) -> f64 {
    holder.number() as f64
}

/// Fails where the call is made from inside the callback of the transaction that has the turn.
pub fn refuse_inside(call: &Call<'_>, held_by: Option<Holder>) -> Result<()> {
    match held_by {
        Some(holder) if is_inside(call.env, Some(holder))? => Err(Error::new(
            ErrorKind::InTransaction,
            call.name.to_owned(),
            "was called inside the callback of a transaction of the same file, for whose end it would wait; \
             use the transaction that was handed to the callback, or call it once the transaction has ended",
        )),
        _ => Ok(()),
    }
}

/// The same for all stores that a round or an answer asks. They are looked for only inside a callback.
pub fn refuse_any_inside(
    call: &Call<'_>,
    holders: impl FnOnce() -> Result<Vec<Holder>>,
) -> Result<()> {
    if !is_inside(call.env, None)? {
        return Ok(());
    }
    let mut holders = holders()?.into_iter();
    holders.try_for_each(|holder| refuse_inside(call, Some(holder)))
}

fn is_inside(env: &Rc<Env>, holder: Option<Holder>) -> Result<bool> {
    env.scope(|scope| {
        let number = match holder {
            Some(holder) => scope.number(number_of(holder))?,
            None => scope.undefined()?,
        };
        let answer = scope.helper(Intrinsic::IsInTransaction, &[number])?;
        Ok(scope.as_boolean(answer) == Some(true))
    })
}
