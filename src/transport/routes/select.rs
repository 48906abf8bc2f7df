//! What the headers of a request choose of what there is.

use std::ops::Range;

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH, IF_RANGE, RANGE};

use super::preconditions::Tags;

/// What of a file is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Nothing: the caller has this version.
    Unchanged,
    /// Nothing: the file has no such bytes.
    Unsatisfiable,
}

/// The entity tag of a version.
pub fn entity_tag(version: &str) -> String {
    format!("\"{version}\"")
}

/// What of a file of `size` bytes and this entity tag a request with these headers gets. One range is
/// served; a request for several gets the whole, as the standard allows.
pub fn select(headers: &HeaderMap, size: u64, tag: Option<&str>) -> Selection {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let (Ok(Some(had)), Some(tag)) = (Tags::read(headers, &IF_NONE_MATCH), tag)
        && had.have(tag, false)
    {
        return Selection::Unchanged;
    }
    let Some(range) = text(RANGE) else {
        return Selection::Whole;
    };
    if text(IF_RANGE).is_some_and(|wanted| Some(wanted.trim()) != tag) {
        return Selection::Whole;
    }
    // A header that is not as it must be is ignored, as the standard says.
    let Ok(ranges) = http_range_header::parse_range_header(range.trim()) else {
        return Selection::Whole;
    };
    if ranges.len() != 1 {
        return Selection::Whole;
    }
    match ranges.validate(size).unwrap_or_default().first() {
        None => Selection::Unsatisfiable,
        Some(part) => Selection::Part(*part.start()..part.end() + 1),
    }
}

/// Whether the caller takes an answer packed with gzip.
pub fn packs_answers(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCEPT_ENCODING);
    let all: Vec<&str> = lists
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .collect();
    let weight_of = |wanted: &[&str]| {
        all.iter().find_map(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let name = parts.next()?;
            if !wanted.iter().any(|one| name.eq_ignore_ascii_case(one)) {
                return None;
            }
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f64>().ok());
            Some(weight.unwrap_or(1.0))
        })
    };
    weight_of(&["gzip", "x-gzip"])
        .or_else(|| weight_of(&["*"]))
        .is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter().cloned();
        pairs
            .map(|(name, value)| (name, value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_range_is_the_bytes_that_it_names() {
        let part = |range: &str| select(&headers(&[(RANGE, range)]), 10, None);
        assert_eq!(part("bytes=0-3"), Selection::Part(0..4));
        assert_eq!(part("bytes=4-"), Selection::Part(4..10));
        assert_eq!(part("bytes=-3"), Selection::Part(7..10));
        assert_eq!(part("bytes=-99"), Selection::Part(0..10));
        assert_eq!(
            part("bytes=8-99999999999999999999999"),
            Selection::Part(8..10)
        );
        for none in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
            assert_eq!(part(none), Selection::Unsatisfiable, "{none}");
        }
        for ignored in [
            "bytes=3-1",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes",
            "bytes=a-b",
            "bytes=-",
            "bytes=+1-2",
        ] {
            assert_eq!(part(ignored), Selection::Whole, "{ignored}");
        }
        for range in ["bytes=0-", "bytes=0-0", "bytes=-5"] {
            let chosen = select(&headers(&[(RANGE, range)]), 0, None);
            assert_eq!(chosen, Selection::Unsatisfiable, "{range} of an empty file");
        }
    }

    #[test]
    fn who_has_the_version_gets_none_and_who_has_another_the_whole() {
        let tag = entity_tag("v1");
        let given = |pairs: &[_]| select(&headers(pairs), 10, Some(&tag));
        assert_eq!(
            given(&[(IF_NONE_MATCH, "\"v0\", W/\"v1\"")]),
            Selection::Unchanged
        );
        assert_eq!(given(&[(IF_NONE_MATCH, "*")]), Selection::Unchanged);
        assert_eq!(given(&[(IF_NONE_MATCH, "\"v0\"")]), Selection::Whole);
        let ranged = |tag| given(&[(RANGE, "bytes=0-0"), (IF_RANGE, tag)]);
        assert_eq!(ranged("\"v1\""), Selection::Part(0..1));
        assert_eq!(ranged("\"v0\""), Selection::Whole);
    }

    #[test]
    fn answers_are_packed_only_for_who_takes_them() {
        let takes = |list: &str| packs_answers(&headers(&[(ACCEPT_ENCODING, list)]));
        for list in ["gzip", "br, gzip;q=0.5", "*", "deflate, GZIP", "x-gzip"] {
            assert!(takes(list), "{list}");
        }
        for list in ["", "br", "gzip;q=0", "gzip; q=0, *", "*;q=0"] {
            assert!(!takes(list), "{list}");
        }
        assert!(!packs_answers(&HeaderMap::new()));
    }
}
