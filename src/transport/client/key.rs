//! Keys in the paths of files.

use crate::engine::object::key_text;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::text::Text;
use crate::transport::routes::encoded_path;

/// The path of a file below the base URL: its key encoded as `encodeURIComponent` does it.
///
/// # Errors
/// `InvalidKey` where the key cannot stand in a path: one with a lone surrogate, an empty one, and `.`
/// and `..`, which every URL parser takes for folders, percent-encoded or not.
pub fn file_path(key: &Text) -> Result<String> {
    let text = key_text(key)?;
    if matches!(text.as_str(), "" | "." | "..") {
        return Err(Error::new(
            ErrorKind::InvalidKey,
            "object key",
            format!("{text:?} cannot be the name of a file in a URL"),
        ));
    }
    Ok(encoded_path(&text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_one_segment_whatever_it_holds() {
        for (key, path) in [
            ("a", "/files/a"),
            ("photos/2024/a b.jpg", "/files/photos%2F2024%2Fa%20b.jpg"),
            ("100%?#&=+", "/files/100%25%3F%23%26%3D%2B"),
            ("-_.!~*'()", "/files/-_.!~*'()"),
            ("é€😀", "/files/%C3%A9%E2%82%AC%F0%9F%98%80"),
            ("../../etc", "/files/..%2F..%2Fetc"),
            ("...", "/files/..."),
        ] {
            assert_eq!(file_path(&Text::from(key)).unwrap(), path);
            let url = reqwest::Url::parse(&format!("http://h/base{path}")).unwrap();
            assert_eq!(url.path(), format!("/base{path}"), "a URL keeps it");
        }
    }

    #[test]
    fn a_key_that_no_path_can_hold_is_refused() {
        let lone = Text::from_units(&[0x61, 0xD800]);
        for key in [Text::from(""), Text::from("."), Text::from(".."), lone] {
            let error = file_path(&key).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidKey, "{key:?}");
        }
    }
}
