//! What an object is, and how it is listed.

use std::collections::BTreeMap;

/// What is kept about an object beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// The content type.
    pub content_type: Option<String>,
    /// Whatever else the app wants to keep with it.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// An object with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The bytes.
    pub data: Vec<u8>,
    /// The content type it was put with.
    pub content_type: Option<String>,
    /// The metadata it was put with.
    pub metadata: Option<BTreeMap<String, String>>,
    /// How many bytes there are.
    pub size: u64,
}

/// One page of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Keys in ascending order.
    pub keys: Vec<String>,
    /// The cursor of the next page, if there is one: the last of these keys.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}
