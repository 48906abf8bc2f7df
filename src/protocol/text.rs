//! Text as JavaScript has it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::error::{one_line, shortened};

/// A string of UTF-16 code units.
///
/// Node ids, keys and ids come from JavaScript and are ordered there. Held as UTF-16 they compare as
/// JavaScript compares them, and a lone surrogate, which UTF-8 cannot express, stays itself instead of
/// becoming equal to every other.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Text(Arc<[u16]>);

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Names of nodes are mostly one and the same text, which need not be read to be equal to itself.
impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        self.0.cmp(&other.0)
    }
}

impl Text {
    /// The text of these code units.
    pub fn from_units(units: &[u16]) -> Self {
        Self(units.into())
    }

    /// The code units.
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a name in a message: in one line, and not too long.
    pub fn shown(&self) -> String {
        one_line(shortened(&self.to_string()).into_owned())
    }

    /// As UTF-8, or `None` if there is a lone surrogate in it.
    pub fn to_utf8(&self) -> Option<String> {
        self.ascii().or_else(|| String::from_utf16(&self.0).ok())
    }

    /// As UTF-8 if it is ASCII, as nearly all ids are.
    fn ascii(&self) -> Option<String> {
        let is_ascii = self.0.iter().all(|unit| *unit < 0x80);
        let bytes = self.0.iter().map(|unit| {
            let [byte, _] = unit.to_le_bytes();
            byte
        });
        is_ascii
            .then(|| String::from_utf8(bytes.collect()).ok())
            .flatten()
    }
}

/// The text that a string of JSON is, if nothing in it is escaped.
pub fn plain_text(json: &str) -> Option<&str> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains('\\')).then_some(text)
}

impl Borrow<[u16]> for Text {
    fn borrow(&self) -> &[u16] {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        if text.is_ascii() {
            return Self(text.bytes().map(u16::from).collect());
        }
        Self(text.encode_utf16().collect())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ascii() {
            Some(text) => f.write_str(&text),
            None => f.write_str(&String::from_utf16_lossy(&self.0)),
        }
    }
}

/// In quotes, as a message names it: in one line, and not too long.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*shortened(&self.to_string()), f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_utf8() {
            Some(text) => serializer.serialize_str(&text),
            None => Err(ser::Error::custom(
                "a lone surrogate cannot be written as JSON text",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::from(text))
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Text, E> {
                wtf8(bytes).ok_or_else(|| E::custom("a string is well-formed text"))
            }
        }
        // As bytes JSON gives a lone surrogate too, in the three bytes that UTF-8 would need for it.
        deserializer.deserialize_bytes(Visitor)
    }
}

/// Text from UTF-8 in which lone surrogates may stand as if they were characters.
fn wtf8(bytes: &[u8]) -> Option<Text> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Text::from(text));
    }
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let (valid, invalid) = match std::str::from_utf8(rest) {
            Ok(text) => (text, &[][..]),
            Err(error) => {
                let (valid, invalid) = rest.split_at(error.valid_up_to());
                (std::str::from_utf8(valid).ok()?, invalid)
            }
        };
        units.extend(valid.encode_utf16());
        rest = match invalid {
            [] => invalid,
            [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, rest @ ..] => {
                units.push(0xD000 | u16::from(second & 0x3F) << 6 | u16::from(third & 0x3F));
                rest
            }
            _ => return None,
        };
    }
    Some(Text::from_units(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_javascript_not_of_utf8() {
        let fullwidth = Text::from("\u{FF5E}");
        let emoji = Text::from("\u{1F600}");
        assert!(emoji < fullwidth);
        assert!("\u{1F600}" > "\u{FF5E}");
    }

    #[test]
    fn lone_surrogates_come_out_of_json_as_they_are() {
        let read = |json: &str| {
            let text = serde_json::from_str::<Text>(json).ok();
            text.map(|text| text.units().to_vec())
        };
        assert_eq!(read(r#""a\ud800b""#), Some(vec![97, 0xD800, 98]));
        assert_eq!(read(r#""\udfff""#), Some(vec![0xDFFF]));
        assert_eq!(
            read(r#""\ud83d\ude00\udc00""#),
            Some(vec![0xD83D, 0xDE00, 0xDC00])
        );
        assert_eq!(read("\"\u{1F600}é\""), Some(vec![0xD83D, 0xDE00, 0xE9]));
    }

    #[test]
    fn lone_surrogates_stay_apart() {
        let (a, b) = (Text::from_units(&[0xD800]), Text::from_units(&[0xD801]));
        assert_ne!(a, b);
        assert_eq!(a.to_utf8(), None);
        assert_eq!(a.to_string(), b.to_string());
    }
}
