//! The tables whose versions a log notes.

use crate::store::postgres::columns::quote;
use crate::store::postgres::param::Param;

/// A table whose versions a log notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The name of its stream.
    pub stream: String,
    /// The table, as SQL names it.
    pub relation: String,
    /// The columns that tell its rows apart; at least one.
    pub key: Vec<String>,
}

impl Tracked {
    /// The columns that the log reads.
    pub fn columns(&self) -> Vec<&str> {
        let key = self.key.iter().map(String::as_str);
        key.chain(["updated_at", "deleted_at"]).collect()
    }

    /// The key of a row as SQL. `of` stands before its columns, as in `n.`.
    pub fn key_of(&self, of: &str) -> String {
        let plain = |column: &String| format!("coalesce({of}{}::text, '')", quote(column));
        let key = match &self.key[..] {
            [only] => plain(only),
            several => {
                let parts = several.iter().map(|column| {
                    let plain = plain(column);
                    format!("replace(replace({plain}, '%', '%25'), ',', '%2C')")
                });
                parts.collect::<Vec<_>>().join(" || ',' || ")
            }
        };
        format!("({key}) COLLATE \"C\"")
    }

    /// The columns of the key as texts, each as SQL.
    pub fn texts_of_key(&self, of: &str) -> Vec<String> {
        let text = |column: &String| format!("{of}{}::text", quote(column));
        self.key.iter().map(text).collect()
    }

    /// What the log says of a row, as SQL: its key, when it was written, and whether it is deleted.
    pub fn version_of(&self, of: &str) -> String {
        let key = self.key_of(of);
        format!(
            "{key} AS key, {} AS time, {} AS deleted",
            time(of),
            deleted(of)
        )
    }

    /// Whether two rows with one key are two versions, as SQL.
    pub fn is_other(a: &str, b: &str) -> String {
        format!(
            "{} <> {} OR {} <> {}",
            time(a),
            time(b),
            deleted(a),
            deleted(b)
        )
    }
}

fn time(of: &str) -> String {
    format!("coalesce({of}\"updated_at\"::text, '')")
}

fn deleted(of: &str) -> String {
    format!("({of}\"deleted_at\" IS NOT NULL)")
}

/// Keys of this many columns as lists of SQL, one for each column. What is no such key is left out.
pub fn key_lists(columns: usize, keys: &[String]) -> Vec<Param> {
    let mut lists = vec![Vec::new(); columns];
    for key in keys {
        let parts = parts_of(columns, key);
        if parts.len() == columns {
            for (list, part) in lists.iter_mut().zip(parts) {
                list.push(Some(part));
            }
        }
    }
    lists.into_iter().map(Param::Texts).collect()
}

/// The parts of a key that [`Tracked::key_of`] made of this many columns.
fn parts_of(columns: usize, key: &str) -> Vec<String> {
    if columns == 1 {
        return vec![key.to_owned()];
    }
    let parts = key.split(',');
    parts
        .map(|part| part.replace("%2C", ",").replace("%25", "%"))
        .collect()
}
