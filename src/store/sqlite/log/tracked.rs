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
    /// Whether it has the column `deleted_at`: without one none of its rows is a tombstone.
    pub has_deleted_at: bool,
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

    /// Whether a row is a tombstone, as SQL. An empty text stands for none where the column may not be null.
    pub(super) fn is_deleted(&self, of: &str) -> String {
        if self.has_deleted_at {
            return format!("(coalesce({of}\"deleted_at\", '') <> '')");
        }
        "0".to_owned()
    }

    /// What holds for the rows under a key, as SQL, and its parameters. A column may hold a number where the key has its
    /// digits, so both are looked for by the index, and the key decides.
    pub fn test_of(&self, key: &str) -> (String, Vec<String>) {
        let mut values = self.parts_of(key);
        let mut tests: Vec<String> = (1..)
            .zip(&self.key)
            .map(|(at, column)| format!("{} IN (?{at}, CAST(?{at} AS NUMERIC))", quote(column)))
            .collect();
        values.push(key.to_owned());
        tests.push(format!("{} = ?{}", self.key_of(""), values.len()));
        (tests.join(" AND "), values)
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
