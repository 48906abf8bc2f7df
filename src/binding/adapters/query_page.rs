//! A page that an adapter's `query` answered.

use std::rc::Rc;

use crate::binding::convert::wanted_hlcs;
use crate::binding::js::{Intrinsic, Kept, Key, Place, Realm, Scope, Value};
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::text::Text;

/// What is read of a page at once. Its records are read one by one, and only those that are wanted.
pub struct QueryPage<'s> {
    /// An array.
    pub records: Value<'s>,
    /// The timestamps that are wanted, with the indexes of their records; `None` where one has none.
    pub stamps: Vec<(u32, Option<Hlc>)>,
    /// The cursor of the next page, if there is one.
    pub next: Option<Kept>,
    /// The id of the last record, and how many there are.
    pub end: Option<(Text, usize)>,
}

impl<'s> QueryPage<'s> {
    /// Reads what `query` answered, and of it the timestamps that are `wanted`. `Err` says what it lacks.
    pub fn read(
        scope: Scope<'s>,
        realm: &Rc<Realm>,
        answer: Value<'s>,
        wanted: impl Fn(&Hlc) -> bool,
    ) -> Result<std::result::Result<Self, &'static str>> {
        let (desk, next) = (&realm.desk, realm.reserve());
        desk.put(Place::Slot, f64::from(next.slot()));
        desk.put_key(Some(Key::UpdatedAt));
        let packed = realm.helper(scope, Intrinsic::PackPage, &[answer])?;
        let Some(length) = desk.count(Place::Count) else {
            let is_object = desk.get(Place::Count) < -1.0;
            return Ok(Err(if is_object {
                "answered no `records`"
            } else {
                "answered no object"
            }));
        };
        let has_next = desk.get(Place::First) > 0.0;
        let last_id = desk
            .count_after(Place::First, 1)
            .map(|length| desk.letters(0, length, Text::from_units));
        let (records, apart, last_id) = if desk.get(Place::State) > 0.0 {
            let part = |index| scope.element(packed, index);
            let last_id = last_id.or(scope.as_text(part(2)?));
            (part(0)?, part(1)?, last_id)
        } else {
            (packed, scope.undefined()?, last_id)
        };
        Ok(Ok(Self {
            records,
            stamps: wanted_hlcs(scope, realm, (apart, length), wanted)?,
            next: has_next.then_some(next),
            end: last_id.map(|id| (id, length)),
        }))
    }
}
