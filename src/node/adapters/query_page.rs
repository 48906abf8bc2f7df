//! A page that an adapter's `query` answered.

use std::rc::Rc;

use crate::error::Result;
use crate::node::convert::wanted_hlcs;
use crate::node::value::{Env, Intrinsic, Key, Persistent, Scope, Slot, Value};
use crate::protocol::hlc::Hlc;
use crate::protocol::text::Text;

/// What is read of a page at once. Its records are read one by one, and only those that are wanted.
pub struct QueryPage<'s> {
    /// An array.
    pub records: Value<'s>,
    /// The timestamps that are wanted, with the indexes of their records; `None` where one has none.
    pub stamps: Vec<(u32, Option<Hlc>)>,
    /// The cursor of the next page, if there is one.
    pub next: Option<Persistent>,
    /// The id of the last record, and how many there are.
    pub end: Option<(Text, usize)>,
}

impl<'s> QueryPage<'s> {
    /// Reads what `query` answered to `cursor`, and of it the timestamps that are `wanted`. `Err` says what it
    /// lacks.
    pub fn read(
        scope: Scope<'s>,
        env: &Rc<Env>,
        (answer, cursor): (Value<'s>, Option<&Persistent>),
        wanted: impl Fn(&Hlc) -> bool,
    ) -> Result<std::result::Result<Self, &'static str>> {
        let (shared, next) = (&env.shared, env.reserve());
        shared.put(Slot::Slab, f64::from(next.slot()));
        shared.put_key(Some(Key::UpdatedAt));
        let args = [answer, asked(scope, cursor)?];
        let packed = env.helper(scope, Intrinsic::PackPage, &args)?;
        let Some(length) = shared.count(Slot::Count) else {
            return Ok(Err(lack(shared.get(Slot::Count))));
        };
        let has_next = shared.get(Slot::First) > 0.0;
        let last_id = shared
            .count_after(Slot::First, 1)
            .map(|length| shared.letters(0, length, Text::from_units));
        let (records, apart, last_id) = if shared.get(Slot::State) > 0.0 {
            let part = |index| scope.element(packed, index);
            let last_id = last_id.or(scope.as_text(part(2)?));
            (part(0)?, part(1)?, last_id)
        } else {
            (packed, scope.undefined()?, last_id)
        };
        Ok(Ok(Self {
            records,
            stamps: wanted_hlcs(scope, env, (apart, length), wanted)?,
            next: has_next.then_some(next),
            end: last_id.map(|id| (id, length)),
        }))
    }
}

fn asked<'s>(scope: Scope<'s>, cursor: Option<&Persistent>) -> Result<Value<'s>> {
    cursor.map_or_else(|| scope.undefined(), |cursor| cursor.value(scope))
}

/// What follows a page that was answered to `cursor`: the cursor of the next, or nothing after the last. `Err`
/// says why it cannot be told.
pub fn rest_of<'s>(
    scope: Scope<'s>,
    env: &Rc<Env>,
    (answer, cursor): (Value<'s>, Option<&Persistent>),
    is_empty: bool,
) -> Result<std::result::Result<Option<Persistent>, &'static str>> {
    let (shared, next) = (&env.shared, env.reserve());
    shared.put(Slot::Slab, f64::from(next.slot()));
    let args = [answer, scope.boolean(is_empty)?, asked(scope, cursor)?];
    env.helper(scope, Intrinsic::PackRest, &args)?;
    Ok(match shared.count(Slot::Count) {
        Some(more) => Ok((more > 0).then_some(next)),
        None => Err(lack(shared.get(Slot::Count))),
    })
}

/// What a page lacks, by its number in `js/bridge/pack.js`.
fn lack(number: f64) -> &'static str {
    #[allow(clippy::cast_possible_truncation, reason = "a small integer")]
    match number as i32 {
        -1 => "must answer a page, an object; got something else",
        -2 => "must answer a page with an array of `records`",
        -3 => {
            "answered `hasMore` without a `nextCursor`, so what follows cannot be read; it must answer the \
             cursor of the next page, and `hasMore: false` with the last"
        }
        -5 => {
            "answered an empty page and the cursor that it was given, and would do so for ever; it must answer \
             `hasMore: false` with the last page"
        }
        _ => {
            "answered neither `hasMore` nor `nextCursor`, so whether more follows cannot be told; it must answer \
             `hasMore: false` with the last page"
        }
    }
}
