//! Text as JavaScript has it.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// A string of UTF-16 code units.
///
/// Node ids, keys and ids come from JavaScript and are ordered there. Held as UTF-16 they compare as
/// JavaScript compares them, and a lone surrogate, which UTF-8 cannot express, stays itself instead of
/// becoming equal to every other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<[u16]>);

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

    /// As UTF-8, or `None` where a lone surrogate forbids it.
    pub fn to_utf8(&self) -> Option<String> {
        String::from_utf16(&self.0).ok()
    }
}

impl Borrow<[u16]> for Text {
    fn borrow(&self) -> &[u16] {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        char::decode_utf16(self.0.iter().copied())
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
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
        }
        deserializer.deserialize_str(Visitor)
    }
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
    fn lone_surrogates_stay_apart() {
        let (a, b) = (Text::from_units(&[0xD800]), Text::from_units(&[0xD801]));
        assert_ne!(a, b);
        assert_eq!(a.to_utf8(), None);
        assert_eq!(a.to_string(), b.to_string());
    }
}
