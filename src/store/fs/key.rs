//! Which keys are allowed: relative paths of plain segments, and nothing that leaves the root.

use crate::error::{Error, ErrorKind, Result};

/// The folder under the root that belongs to the store itself.
pub(super) const RESERVED: &str = ".starkeep-store";

/// No common file system holds longer names.
pub(super) const LONGEST_SEGMENT: usize = 255;

/// A key that is known to stay below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(String);

impl Key {
    /// The key, if it is an allowed one.
    pub(super) fn parse(operation: &'static str, key: &str) -> Result<Self> {
        match reason_against(key) {
            None => Ok(Self(key.to_owned())),
            Some(reason) => Err(Error::new(
                ErrorKind::InvalidKey,
                operation,
                format!(
                    "the key {key:?} {reason}; use a relative path like \"photos/x.jpg\" as key"
                ),
            )),
        }
    }

    /// Whether `key` is an allowed key.
    pub(super) fn allows(key: &str) -> bool {
        reason_against(key).is_none()
    }

    /// The key itself.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders and, last, the file that it names.
    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

fn reason_against(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("is empty");
    }
    if key.starts_with('/') {
        return Some("is an absolute path");
    }
    if key.contains('\\') {
        return Some("has a backslash in it");
    }
    if key.contains('\0') {
        return Some("has a NUL character in it");
    }
    let bytes = key.as_bytes();
    if bytes.get(1) == Some(&b':') && bytes[0].is_ascii_alphabetic() {
        return Some("begins with a drive letter");
    }
    let first = key.split('/').next().unwrap_or_default();
    if first.eq_ignore_ascii_case(RESERVED) {
        return Some("is in the folder that the store keeps for itself");
    }
    key.split('/').find_map(reason_against_segment)
}

fn reason_against_segment(segment: &str) -> Option<&'static str> {
    match segment {
        "" => Some("has an empty segment"),
        "." | ".." => Some("has a segment of dots"),
        long if long.len() > LONGEST_SEGMENT => Some("has a segment of more than 255 bytes"),
        name if cfg!(windows) && !windows_allows(name) => {
            Some("has a segment that Windows does not allow as a file name")
        }
        _ => None,
    }
}

fn windows_allows(name: &str) -> bool {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_ascii_uppercase();
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4
            && (stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.ends_with(|c: char| c.is_ascii_digit()));
    !device
        && !name.ends_with(['.', ' '])
        && !name.contains(|c: char| c.is_control() || "<>:\"|?*".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_keeps_for_devices_are_known() {
        for name in ["con", "NUL.txt", "com1", "a.", "a ", "a:b", "a\u{1}"] {
            assert!(!windows_allows(name), "{name}");
        }
        for name in ["console", "com", "comx", "lpt", ".git", "a b"] {
            assert!(windows_allows(name), "{name}");
        }
    }
}
