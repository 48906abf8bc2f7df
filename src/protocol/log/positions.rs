//! How far logs were looked at, as it is persisted.

use serde::{Deserialize, Serialize};

use super::message::Seen;

/// How far logs were looked at by a caller where one side keeps some and the other none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogPositions {
    /// The peer's, for what came late into them.
    pub seen: Seen,
    /// The own ones, for what is to be offered.
    pub offered: Seen,
}
