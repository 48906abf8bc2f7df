//! Keys as they stand in a path.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::transport::FILES_PREFIX;

/// The longest key, in bytes of UTF-8.
pub const MAX_KEY: usize = 4096;

/// What `encodeURIComponent` encodes, beside all that is not ASCII.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The path of a file: its key encoded as `encodeURIComponent` does it. Of all the spellings of a key it is
/// the one that is sent, signed and shown to `authorize`.
pub fn encoded_path(key: &str) -> String {
    format!("{FILES_PREFIX}{}", utf8_percent_encode(key, ENCODED))
}

/// The key that a path names. `Err` says what is wrong with it.
///
/// What is refused here no storage should see: whatever climbs out of a folder, on any system. A storage
/// may refuse more.
pub fn decode_key(encoded: &str) -> Result<String, &'static str> {
    if !is_percent_encoded(encoded) {
        return Err("is not percent-encoded as it should be");
    }
    let key = percent_decode_str(encoded).decode_utf8();
    let key = key.map_err(|_| "is not UTF-8")?.into_owned();
    match reason_against(&key) {
        None => Ok(key),
        Some(reason) => Err(reason),
    }
}

/// What is wrong with a key, if it is none.
pub fn reason_against(key: &str) -> Option<&'static str> {
    let bytes = key.as_bytes();
    if bytes.is_empty() {
        return Some("is empty");
    }
    if bytes.len() > MAX_KEY {
        return Some("is longer than 4096 bytes");
    }
    if bytes.contains(&0) {
        return Some("has a NUL character in it");
    }
    let has_drive = bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.get(1) == Some(&b':')
        && matches!(bytes.get(2), Some(b'/' | b'\\'));
    if key.starts_with(['/', '\\']) || has_drive {
        return Some("is an absolute path");
    }
    let mut segments = key.split(['/', '\\']);
    segments
        .any(|segment| matches!(segment, "." | ".."))
        .then_some("has a segment of dots")
}

/// Whether two digits follow every percent sign. The decoder would leave any other as it stands.
fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}
