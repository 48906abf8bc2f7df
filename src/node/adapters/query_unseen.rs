//! The page that an adapter finds itself: `queryUnseen`.
//!
//! The answer is the app's own work and is taken for a hint ([`Ask::select_found`]). Where it is of no use the store is
//! scanned, which is slow and always right.

use super::pages::items_of;
use super::records::{JsRecords, no_stamp};
use crate::error::Result;
use crate::node::convert::{Body, faulty_record, read_hlcs, read_stamped};
use crate::node::error::warn;
use crate::node::runtime::{Argument, Made};
use crate::node::value::{Scope, Value};
use crate::protocol::delta::{Ask, Selection, Stretch, Unfit};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;

const METHOD: &str = "queryUnseen";

/// How often a larger page is asked for, if one holds a single timestamp only.
const TRIES: u32 = 4;

impl JsRecords {
    /// What `ask` wants, if what the adapter found can be used; else the store has to be scanned.
    pub(super) async fn ask_adapter(&self, ask: &Ask) -> Result<Option<Stretch<Item<Body>>>> {
        // One more than has a place shows whether the last that has one shares its timestamp.
        let mut limit = ask.limit.saturating_add(1);
        for _ in 0..TRIES {
            let seen = ask.seen_or_skipped();
            let options = Made(|scope| scope.object_of(&[("limit", scope.count(limit as u64)?)]));
            let read =
                |scope: Scope<'_>, answer: Value<'_>| self.read_found(scope, answer, (ask, limit));
            let args: [&dyn Argument; 2] = [&seen, &options];
            match self.adapter.call(METHOD, &args, read).await? {
                Ok(found) => return Ok(Some(found.finish())),
                Err(Unfit::TooShort) => limit = limit.saturating_mul(8),
                Err(Unfit::Unusable(why)) => {
                    let method = self.adapter.method(METHOD);
                    let message =
                        format!("{method} answered {why}; the records are scanned instead");
                    warn(self.adapter.env(), &message, None);
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    fn read_found(
        &self,
        scope: Scope<'_>,
        answer: Value<'_>,
        (ask, limit): (&Ask, usize),
    ) -> Result<std::result::Result<Selection<Item<Body>>, Unfit>> {
        let records = items_of(scope, (&self.adapter, METHOD), (answer, "records"))?;
        let has_more = scope.get(answer, "hasMore")?;
        if scope.is_nullish(has_more)? {
            return Ok(Err(Unfit::Unusable("a page without `hasMore`")));
        }
        let stamps = read_hlcs(scope, records, Some("updatedAt"))?;
        let more = scope.is_truthy(has_more) || stamps.len() >= limit;
        ask.select_found(&stamps, more, |index, stamp| {
            scope.nested(|scope| {
                let record = scope.element(records, index)?;
                match stamp {
                    Some(hlc) => read_stamped(scope, record, hlc.clone()),
                    None => faulty_record(scope, record, (Hlc::zero(), no_stamp())),
                }
            })
        })
    }
}
