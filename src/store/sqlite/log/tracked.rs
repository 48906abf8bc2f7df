//! The tables whose versions a log notes.

use super::super::columns::quote;

/// A table whose versions a log notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The name of its stream.
    pub stream: String,
    /// The table.
    pub table: String,
    /// The columns that tell its rows apart; at least one.
    pub key: Vec<String>,
}

impl Tracked {
    /// The key of a row as SQL. `of` stands before its columns, as in `NEW.`.
    pub fn key_of(&self, of: &str) -> String {
        let plain = |column: &String| format!("coalesce(CAST({of}{} AS TEXT), '')", quote(column));
        match &self.key[..] {
            [only] => plain(only),
            several => {
                let parts = several.iter().map(|column| {
                    format!(
                        "replace(replace({}, '%', '%25'), ',', '%2C')",
                        plain(column)
                    )
                });
                parts.collect::<Vec<_>>().join(" || ',' || ")
            }
        }
    }

    /// The parts of a key that [`key_of`](Self::key_of) made.
    pub fn parts_of(&self, key: &str) -> Vec<String> {
        if self.key.len() == 1 {
            return vec![key.to_owned()];
        }
        let parts = key.split(',');
        parts
            .map(|part| part.replace("%2C", ",").replace("%25", "%"))
            .collect()
    }
}
