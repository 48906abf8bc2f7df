//! Which keys a bucket can hold, and a url can carry.

use super::S3Bucket;
use crate::error::{Error, ErrorKind, Result};

/// No bucket holds longer keys.
const LONGEST: usize = 1024;

impl S3Bucket {
    /// The key as it stands in the bucket, if it is one that can.
    pub(super) fn key(&self, operation: &'static str, key: &str) -> Result<String> {
        let whole = format!("{}{key}", self.key_prefix);
        let reason = if key.is_empty() {
            "is empty"
        } else if whole.len() > LONGEST {
            "has more than the 1024 bytes that S3 takes, with its keyPrefix"
        } else if whole
            .split('/')
            .any(|segment| matches!(segment, "." | ".."))
        {
            // A url is another one without it.
            "has a segment of dots"
        } else {
            return Ok(whole);
        };
        Err(Error::new(
            ErrorKind::InvalidKey,
            operation,
            format!("the key {key:?} {reason}; use a key like \"photos/x.jpg\""),
        ))
    }
}
