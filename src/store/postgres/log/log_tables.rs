//! What a log needs to know of the tables that it speaks of.

use super::sql::Sql;
use super::tracked::Tracked;
use crate::protocol::hlc::NodeId;
use crate::protocol::item::Item;
use crate::protocol::log::Stream;
use crate::protocol::watermarks::Watermarks;
use crate::store::postgres::intake::Pace;
use crate::store::postgres::session::PgSession;
use crate::store::{Json, Later, Taken};

/// The tables of a plane, as far as a log needs to know them.
pub trait LogTables: Clone + Send + Sync + 'static {
    /// The tables whose versions are noted; `None` if one of them has nothing that tells its rows apart.
    fn tracked<'s>(&'s self, session: &'s PgSession) -> Later<'s, Option<Vec<Tracked>>>;

    /// What in SQL is another text once there are other tables.
    fn which(&self) -> String {
        "NULL::text".to_owned()
    }

    /// Reads the items that lie under keys, each with its key.
    fn fetch<'s>(
        &'s self,
        session: &'s PgSession,
        stream: &'s Stream,
        keys: Vec<String>,
    ) -> Later<'s, Vec<(String, Item<Json>)>>;

    /// The greatest timestamps of these nodes in a stream, among usual ones.
    fn newest_of<'s>(
        &'s self,
        session: &'s PgSession,
        stream: &'s Stream,
        nodes: Vec<NodeId>,
    ) -> Later<'s, Watermarks>;

    /// Takes items in within a transaction. Says of each whether it is stored now and was not before. Of two versions
    /// with one timestamp the greater one is stored; if that is the stored one it is [renewed](super::renew), so that
    /// every side hears of it.
    fn take_in<'s>(
        &'s self,
        sql: Sql<'s>,
        items: &'s [Item<Json>],
        how: Pace,
    ) -> Later<'s, Vec<Taken>>;
}
