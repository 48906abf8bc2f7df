//! What a caller may do beside reading.

use std::collections::HashSet;

use serde::Deserialize;

use super::hlc::NodeId;
use super::item::{Item, ItemKind};
use super::text::Text;
use crate::error::{Error, ErrorKind, Result};

/// What a caller may do. By default everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// Nothing is taken in from it.
    pub read_only: bool,
    /// Only items of these nodes are taken in from it.
    #[serde(rename = "nodeIds")]
    pub nodes: Option<HashSet<NodeId>>,
    /// Only rows of these apps are taken in from it, and go to it.
    pub apps: Option<HashSet<Text>>,
    /// It is one of several that an app tells apart. It cannot have what this side has not written yet.
    #[serde(skip)]
    pub is_other: bool,
}

impl Grant {
    /// The grant that is written as JSON, for this operation: `{ nodeIds, readOnly, apps }`, each of them optional.
    ///
    /// # Errors
    /// `InvalidArgument` if it is none.
    pub fn read(operation: &'static str, json: &str) -> Result<Self> {
        let read = serde_json::from_str(json);
        read.map_err(|error| Error::new(ErrorKind::InvalidArgument, operation, error.to_string()))
    }

    /// Whether it leaves nothing out.
    pub fn is_whole(&self) -> bool {
        !self.read_only && self.nodes.is_none() && self.apps.is_none()
    }

    /// What both allow.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both = |a: &Option<HashSet<Text>>, b: &Option<HashSet<Text>>| match (a, b) {
            (Some(a), Some(b)) => Some(a.intersection(b).cloned().collect()),
            (a, b) => a.as_ref().or(b.as_ref()).cloned(),
        };
        Self {
            read_only: self.read_only || other.read_only,
            nodes: both(&self.nodes, &other.nodes),
            apps: both(&self.apps, &other.apps),
            is_other: self.is_other || other.is_other,
        }
    }

    /// Whether rows of the app go to the caller.
    pub fn shows(&self, app: &Text) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.contains(app))
    }

    /// Whether the item may go to the caller.
    pub fn shows_item<B>(&self, item: &Item<B>) -> bool {
        match &item.kind {
            ItemKind::Record(_) => true,
            ItemKind::Row(table) => self.shows(&table.app),
        }
    }

    /// Why the item is not taken in from the caller, if it is not.
    pub fn bars<B>(&self, item: &Item<B>) -> Option<Error> {
        let node = &item.hlc.node_id;
        let what = if self.read_only {
            "the caller may only read here".to_owned()
        } else if self
            .nodes
            .as_ref()
            .is_some_and(|nodes| !nodes.contains(node))
        {
            format!("the caller may not write for the node {node:?}")
        } else if let ItemKind::Row(table) = &item.kind
            && !self.shows(&table.app)
        {
            format!("the caller may not write rows of the app {:?}", table.app)
        } else {
            return None;
        };
        let error = Error::new(ErrorKind::Forbidden, "take in an item", what);
        Some(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(apps: &[&str]) -> Grant {
        Grant {
            apps: Some(apps.iter().copied().map(Text::from).collect()),
            ..Grant::default()
        }
    }

    #[test]
    fn two_grants_together_allow_what_both_allow() {
        let both = of(&["notes", "photos"]).and(&of(&["photos", "tasks"]));
        assert_eq!(both, of(&["photos"]));
        assert_eq!(both.and(&Grant::default()), both);
        assert!(Grant::default().is_whole());
        assert!(!of(&[]).is_whole());
    }
}
