//! A version as it is named where two sides hold something else.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A version. It travels as an array of its key and its time, with `true` behind them if it is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: String,
    /// Its time as text.
    pub time: String,
    /// Whether it is a tombstone. No digest counts it then.
    pub is_deleted: bool,
}

impl Serialize for Found {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_deleted {
            return (&self.key, &self.time, true).serialize(serializer);
        }
        (&self.key, &self.time).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Marked(String, String, bool),
            Plain(String, String),
        }
        let (key, time, is_deleted) = match Wire::deserialize(deserializer)? {
            Wire::Marked(key, time, is_deleted) => (key, time, is_deleted),
            Wire::Plain(key, time) => (key, time, false),
        };
        Ok(Self {
            key,
            time,
            is_deleted,
        })
    }
}
