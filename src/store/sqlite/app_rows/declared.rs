//! Apps and tables as they are declared.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as JsonValue};

/// A table of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableInfo {
    /// Its bare name.
    pub name: String,
    /// The columns that tell its rows apart.
    #[serde(default)]
    pub pk_columns: Vec<String>,
    /// Whatever else is noted there.
    #[serde(flatten)]
    pub other: Map<String, JsonValue>,
}

/// An app that is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its id.
    pub app_id: String,
    /// Its tables.
    pub tables: Vec<TableInfo>,
    /// Whether its rows may have files.
    pub files_enabled: bool,
}

impl Namespace {
    /// The table with this bare name.
    pub(super) fn table(&self, name: &str) -> Option<&TableInfo> {
        self.tables.iter().find(|table| table.name == name)
    }
}

/// What an app wants to have here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Its tables.
    #[serde(default)]
    pub tables: Vec<TableSpec>,
    /// Whether its rows may have files: then it has the table of files as well.
    #[serde(default)]
    pub files_enabled: bool,
}

/// A table as an app declares it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSpec {
    /// Its bare name.
    pub name: String,
    /// The columns that tell its rows apart.
    #[serde(default)]
    pub pk_columns: Vec<String>,
    /// Its other columns. What rows have beyond them is kept as well, in one column for all of it.
    #[serde(default)]
    pub columns: Vec<String>,
}
