//! Keys as they stand in a path.

/// The longest key, in bytes of UTF-8.
pub const MAX_KEY: usize = 4096;

/// The key that a path names. `Err` says what is wrong with it.
///
/// What is refused here no storage should see: whatever climbs out of a folder, on any system. A storage
/// may refuse more.
pub fn decode_key(encoded: &str) -> Result<String, &'static str> {
    let bytes =
        percent_decode(encoded.as_bytes()).ok_or("is not percent-encoded as it should be")?;
    let key = String::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    match reason_against(&key) {
        None => Ok(key),
        Some(reason) => Err(reason),
    }
}

fn reason_against(key: &str) -> Option<&'static str> {
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

fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (high, low) = (hex(*rest.next()?)?, hex(*rest.next()?)?);
        bytes.push(high << 4 | low);
    }
    Some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}
