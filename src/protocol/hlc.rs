//! Hybrid logical clock timestamps: order, text form, and the clock itself ([`ClockState`]).

mod clock;

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

pub use self::clock::ClockState;
use super::text::{Text, plain_text};
use crate::error::{Error, ErrorKind, Result};

/// The id of a node, ordered as JavaScript orders strings.
pub type NodeId = Text;

/// The greatest integer that a JavaScript number holds exactly, 2^53 − 1.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// When something was written, and by whom. Ordered by wall time, counter, node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "HlcFields")]
pub struct Hlc {
    /// Milliseconds since the epoch.
    pub wall_time: u64,
    /// Counts what happened within one millisecond.
    pub counter: u64,
    /// The node that wrote it.
    pub node_id: NodeId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HlcFields {
    wall_time: SafeInteger,
    counter: SafeInteger,
    node_id: NodeId,
}

/// A number of JSON as a safe integer. JSON has no integers of its own: `1`, `1.0` and `1e0` are one.
struct SafeInteger(u64);

impl<'de> Deserialize<'de> for SafeInteger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = SafeInteger;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a non-negative safe integer")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<SafeInteger, E> {
                Some(number)
                    .filter(|number| *number <= MAX_SAFE_INTEGER)
                    .map(SafeInteger)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<SafeInteger, E> {
                safe_integer(number)
                    .map(SafeInteger)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
            }
        }
        deserializer.deserialize_u64(Visitor)
    }
}

/// The non-negative safe integer that a number is.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "checked to be a safe integer"
)]
pub fn safe_integer(number: f64) -> Option<u64> {
    let integer = number as u64;
    // A cast saturates, and cuts off what is no integer.
    let safe = number >= 0.0 && integer <= MAX_SAFE_INTEGER && integer as f64 == number;
    safe.then_some(integer)
}

impl From<HlcFields> for Hlc {
    fn from(fields: HlcFields) -> Self {
        Self::new(fields.wall_time.0, fields.counter.0, fields.node_id)
    }
}

impl Hlc {
    /// A timestamp; the caller vouches for safe integers.
    pub fn new(wall_time: u64, counter: u64, node_id: NodeId) -> Self {
        Self {
            wall_time,
            counter,
            node_id,
        }
    }

    /// Before everything that a clock ever stamps.
    pub fn zero() -> Self {
        Self::new(0, 0, Text::from(""))
    }

    /// Reads the text form: hexadecimal wall time, hexadecimal counter, node id, joined by colons. The
    /// node id may contain colons itself.
    ///
    /// # Errors
    /// `InvalidArgument` if the text has another form or its numbers are no safe integers.
    pub fn parse_text(text: &Text) -> Result<Self> {
        match parts(text.units()) {
            Some((wall_time, counter, node_id)) => {
                Ok(Self::new(wall_time, counter, Text::from_units(node_id)))
            }
            None => Err(malformed(text)),
        }
    }

    /// [`Self::parse_text`] of UTF-8.
    ///
    /// # Errors
    /// As there.
    pub fn parse(text: &str) -> Result<Self> {
        match Self::parts_of(text) {
            Some((wall_time, counter, node_id)) => {
                Ok(Self::new(wall_time, counter, Text::from(node_id)))
            }
            None => Err(malformed(&Text::from(text))),
        }
    }

    /// The wall time, the counter and the node id in a text form; `None` if it is none.
    pub fn parts_of(text: &str) -> Option<(u64, u64, &str)> {
        let (wall_time, counter, node_id) = parts(text.as_bytes())?;
        Some((wall_time, counter, text.get(text.len() - node_id.len()..)?))
    }

    /// Reads a timestamp out of JSON.
    pub fn of_json(json: &str) -> Option<Self> {
        let Some((wall_time, counter, node_id)) = Self::plain_parts(json) else {
            return serde_json::from_str(json).ok();
        };
        Some(Self::new(wall_time, counter, Text::from(node_id)))
    }

    /// The wall time, the counter and the node id in JSON that is written as this package and `JSON.stringify` write a
    /// timestamp; `None` for any other JSON.
    pub fn plain_parts(json: &str) -> Option<(u64, u64, &str)> {
        let (wall_time, rest) = plain_number(json.strip_prefix("{\"wallTime\":")?)?;
        let (counter, rest) = plain_number(rest.strip_prefix(",\"counter\":")?)?;
        let node_id = plain_text(rest.strip_prefix(",\"nodeId\":")?.strip_suffix('}')?)?;
        // Else more follows on it.
        (!node_id.contains('"')).then_some((wall_time, counter, node_id))
    }

    /// The text form: see [`Hlc::parse_text`].
    pub fn to_text(&self) -> Text {
        let prefix = text_prefix(self.wall_time, self.counter);
        let mut units: Vec<u16> = prefix.encode_utf16().collect();
        units.extend_from_slice(self.node_id.units());
        Text::from_units(&units)
    }

    /// The last timestamp before this one that its node can have; `None` before the first.
    pub fn before(&self) -> Option<Self> {
        let (wall_time, counter) = match self.counter.checked_sub(1) {
            Some(counter) => (self.wall_time, counter),
            None => (self.wall_time.checked_sub(1)?, MAX_SAFE_INTEGER),
        };
        Some(Self::new(wall_time, counter, self.node_id.clone()))
    }

    /// Whether the wall time needs no more than the twelve digits of the text form, so that text order
    /// of wall times is their order.
    pub fn wall_time_fits_text(&self) -> bool {
        self.wall_time < 1 << 48
    }
}

/// The wall time, the counter and the units of the node id in a text form, of whatever units it is made.
fn parts<U: Copy + Into<u32>>(text: &[U]) -> Option<(u64, u64, &[U])> {
    let mut parts = text.splitn(3, |unit| (*unit).into() == u32::from(b':'));
    let (wall_time, counter) = (hex(parts.next()?)?, hex(parts.next()?)?);
    Some((wall_time, counter, parts.next()?))
}

fn malformed(text: &Text) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        "read a text timestamp",
        format!("must be <hex wall time>:<hex counter>:<node id>, got {text:?}"),
    )
}

/// The safe integer that hexadecimal digits, and nothing else, spell.
fn hex<U: Copy + Into<u32>>(digits: &[U]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, unit| {
        let digit = char::from_u32((*unit).into())?.to_digit(16)?;
        Some(number * 16 + u64::from(digit)).filter(|number| *number <= MAX_SAFE_INTEGER)
    })
}

/// The text from which on everything of a node lies, in text order, that is later than `seen` and written
/// in the usual 12 and 4 digits; `None` if nothing can be.
pub fn text_floor(seen: Option<&Hlc>) -> Option<String> {
    let Some(seen) = seen else {
        return Some(String::new());
    };
    seen.wall_time_fits_text()
        .then(|| text_prefix(seen.wall_time, seen.counter.min(LAST_USUAL_COUNTER)))
}

/// The text up to which everything of the node of `mark` lies, in text order, that is not later and written in the
/// usual 12 and 4 digits.
pub fn text_ceiling(mark: &Hlc) -> String {
    let (wall_time, counter) = if mark.wall_time_fits_text() {
        (mark.wall_time, mark.counter.min(LAST_USUAL_COUNTER))
    } else {
        ((1 << 48) - 1, LAST_USUAL_COUNTER)
    };
    Hlc::new(wall_time, counter, mark.node_id.clone()).to_string()
}

const LAST_USUAL_COUNTER: u64 = 0xffff;

/// The part of the text form before the node id.
pub fn text_prefix(wall_time: u64, counter: u64) -> String {
    text_form((wall_time, counter, ""))
}

/// The text form of these parts.
pub fn text_form((wall_time, counter, node_id): (u64, u64, &str)) -> String {
    const PREFIX: usize = 18;
    let mut text = String::with_capacity(PREFIX + node_id.len());
    push_hex(wall_time, 12, &mut text);
    text.push(':');
    push_hex(counter, 4, &mut text);
    text.push(':');
    text.push_str(node_id);
    text
}

/// Adds a number in hexadecimal, padded to a width.
fn push_hex(number: u64, least: u32, text: &mut String) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(least);
    for at in (0..digits).rev() {
        let digit = usize::try_from(number >> (4 * at) & 0xf).unwrap_or_default();
        text.push(char::from(*b"0123456789abcdef".get(digit).unwrap_or(&b'0')));
    }
}

/// The safe integer that a text begins with, written as JSON writes integers, and what follows on it.
fn plain_number(text: &str) -> Option<(u64, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(end)?;
    let number = digits.parse().ok()?;
    let is_plain = number <= MAX_SAFE_INTEGER && (digits == "0" || !digits.starts_with('0'));
    is_plain.then_some((number, rest))
}

impl Ord for Hlc {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.wall_time, self.counter)
            .cmp(&(other.wall_time, other.counter))
            .then_with(|| self.node_id.cmp(&other.node_id))
    }
}

impl PartialOrd for Hlc {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node_id = self.node_id.to_string();
        f.write_str(&text_form((self.wall_time, self.counter, &node_id)))
    }
}

/// Last writer wins: whether `incoming` replaces what is stored under the same id.
pub fn wins(incoming: &Hlc, stored: Option<&Hlc>) -> bool {
    stored.is_none_or(|stored| incoming > stored)
}

/// Whether `hlc` lies more than `max_skew_ms` ahead of `now_ms`, both in milliseconds since the epoch.
pub fn too_far_ahead(hlc: &Hlc, now_ms: u64, max_skew_ms: Option<u64>) -> bool {
    max_skew_ms.is_some_and(|skew| hlc.wall_time > now_ms.saturating_add(skew))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn any_hlc() -> impl Strategy<Value = Hlc> {
        (0..1u64 << 48, 0..0x1_0000u64, "[a-c:]{0,3}")
            .prop_map(|(wall, counter, node)| Hlc::new(wall, counter, Text::from(node.as_str())))
    }

    proptest! {
        #[test]
        fn text_form_reads_back(hlc in any_hlc()) {
            prop_assert_eq!(Hlc::parse_text(&hlc.to_text()).ok(), Some(hlc));
        }

        #[test]
        fn text_order_is_hlc_order_while_the_counter_has_four_digits(a in any_hlc(), b in any_hlc()) {
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        }

        #[test]
        fn json_reads_back_in_its_plain_form_and_in_any_other(hlc in any_hlc()) {
            let plain = serde_json::to_string(&hlc).unwrap_or_default();
            prop_assert_eq!(Hlc::plain_parts(&plain).map(text_form), Some(hlc.to_string()));
            let spaced = plain.replace(',', " , ");
            prop_assert_eq!(Hlc::plain_parts(&spaced), None);
            for json in [plain, spaced] {
                prop_assert_eq!(Hlc::of_json(&json), Some(hlc.clone()));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = Hlc::parse(&text);
        }
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in [
            "",
            "1",
            "1:2",
            "x:2:n",
            "1:-2:n",
            "+1:2:n",
            ":2:n",
            "ffffffffffffffff:0:n",
        ] {
            assert!(Hlc::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn json_that_is_not_plain_reads_as_the_parser_of_json_reads_it() {
        for json in [
            r#"{"wallTime":01,"counter":0,"nodeId":"n"}"#,
            r#"{"wallTime":1.0,"counter":0,"nodeId":"n"}"#,
            r#"{"wallTime":9007199254740992,"counter":0,"nodeId":"n"}"#,
            r#"{"wallTime":,"counter":0,"nodeId":"n"}"#,
            r#"{"wallTime":1,"counter":0,"nodeId":"\u006e"}"#,
            r#"{"wallTime":1,"counter":0,"nodeId":7}"#,
            r#"{"counter":0,"wallTime":1,"nodeId":"n"}"#,
            r#"{"wallTime":1,"counter":0,"nodeId":"n","more":1}"#,
            r#"{"wallTime":1,"counter":0,"nodeId":"n","more":"1"}"#,
            "null",
        ] {
            assert_eq!(Hlc::plain_parts(json), None, "{json}");
            assert_eq!(
                Hlc::of_json(json),
                serde_json::from_str(json).ok(),
                "{json}"
            );
        }
    }

    #[test]
    fn json_with_unsafe_numbers_is_refused() {
        for json in [
            r#"{"wallTime":-1,"counter":0,"nodeId":"n"}"#,
            r#"{"wallTime":1.5,"counter":0,"nodeId":"n"}"#,
            r#"{"wallTime":9007199254740992,"counter":0,"nodeId":"n"}"#,
            r#"{"wallTime":1,"counter":0}"#,
            r#"{"wallTime":1,"counter":0,"nodeId":7}"#,
        ] {
            assert!(serde_json::from_str::<Hlc>(json).is_err(), "{json}");
        }
    }
}
