//! What a request wants to be so before anything is done: RFC 9110, section 13.

use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

use super::Refusal;

/// `If-Match` and `If-None-Match`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    match_one: Option<Tags>,
    match_none: Option<Tags>,
}

/// The value of one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tags {
    /// Any version that is there.
    Any,
    /// These; of each, whether it is weak, and the tag with its quotes.
    These(Vec<(bool, String)>),
}

impl Preconditions {
    /// Those of a request that writes.
    ///
    /// # Errors
    /// A header that is none: to write in spite of it would be to pass by what it wants.
    pub fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let tags = |name: HeaderName| {
            Tags::read(headers, &name).map_err(|NoTags| {
                Refusal::malformed(format!(
                    "{name} must be *, or a list of entity tags in double quotes, got something else"
                ))
            })
        };
        Ok(Self {
            match_one: tags(IF_MATCH)?,
            match_none: tags(IF_NONE_MATCH)?,
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Fails unless they hold of what is there: whether a file is, and its entity tag, where it has one.
    pub fn check(&self, is_there: bool, tag: Option<&str>) -> Result<(), Refusal> {
        let holds = |tags: &Tags, is_strong| match tags {
            Tags::Any => is_there,
            Tags::These(_) => tag.is_some_and(|tag| tags.have(tag, is_strong)),
        };
        let is_met = self.match_one.as_ref().is_none_or(|tags| holds(tags, true))
            && self
                .match_none
                .as_ref()
                .is_none_or(|tags| !holds(tags, false));
        if is_met {
            return Ok(());
        }
        Err(Refusal::precondition_failed())
    }
}

/// A header is no list of entity tags.
#[derive(Debug)]
pub(super) struct NoTags;

impl Tags {
    /// The header of this name, if there is one. It may stand in several lines.
    pub(super) fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, NoTags> {
        let mut lines = Vec::new();
        for line in headers.get_all(name) {
            lines.push(line.to_str().map_err(|_| NoTags)?);
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let text = lines.join(",");
        if text.trim() == "*" {
            return Ok(Some(Self::Any));
        }
        let mut tags = Vec::new();
        let mut rest = skip_empty(&text);
        while !rest.is_empty() {
            let (is_weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let opaque = quoted.strip_prefix('"').ok_or(NoTags)?;
            let (opaque, behind) = opaque.split_once('"').ok_or(NoTags)?;
            if opaque.contains([' ', '\t']) {
                return Err(NoTags);
            }
            tags.push((is_weak, format!("\"{opaque}\"")));
            let behind = behind.trim_start_matches([' ', '\t']);
            if !behind.is_empty() && !behind.starts_with(',') {
                return Err(NoTags);
            }
            rest = skip_empty(behind);
        }
        if tags.is_empty() {
            return Err(NoTags);
        }
        Ok(Some(Self::These(tags)))
    }

    /// Whether the tag is among them. Compared strongly, a weak one is none.
    pub(super) fn have(&self, tag: &str, is_strong: bool) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags
                .iter()
                .any(|(is_weak, one)| one == tag && !(is_strong && *is_weak)),
        }
    }
}

/// Elements of a list may be empty.
fn skip_empty(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', ','])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(given: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    /// Whether a file is there, and its entity tag.
    type There = (bool, Option<&'static str>);

    fn holds(given: &[(HeaderName, &str)], (is_there, tag): There) -> bool {
        let wanted = Preconditions::read(&headers(given)).unwrap();
        assert_eq!(wanted.is_empty(), given.is_empty());
        wanted.check(is_there, tag).is_ok()
    }

    #[test]
    fn a_precondition_holds_as_the_standard_says() {
        const V1: There = (true, Some("\"v1\""));
        const V2: There = (true, Some("\"v2\""));
        for there in [V1, V2, (true, None), (false, None)] {
            assert!(holds(&[], there));
            assert_eq!(holds(&[(IF_MATCH, "*")], there), there.0);
            assert_eq!(holds(&[(IF_NONE_MATCH, " * ")], there), !there.0);
            for list in ["\"v1\"", ",\"a,b\" , \"v1\",", "W/\"v2\", \"v1\""] {
                assert_eq!(holds(&[(IF_MATCH, list)], there), there == V1, "{list}");
            }
            for list in ["\"v1\"", "\"v0\",W/\"v1\""] {
                assert_eq!(
                    holds(&[(IF_NONE_MATCH, list)], there),
                    there != V1,
                    "{list}"
                );
            }
            assert!(
                !holds(&[(IF_MATCH, "W/\"v1\"")], there),
                "compared strongly"
            );
            assert!(!holds(&[(IF_MATCH, "*"), (IF_NONE_MATCH, "*")], there));
            let lines = [(IF_MATCH, "\"v0\""), (IF_MATCH, "\"v1\"")];
            assert_eq!(holds(&lines, there), there == V1, "in two lines");
        }
    }

    #[test]
    fn a_precondition_that_is_none_is_refused() {
        for value in [
            "",
            ",",
            "v1",
            "\"v1",
            "\"v1\" \"v2\"",
            "*, \"v1\"",
            "w/\"v1\"",
            "\"a b\"",
            "\u{e9}",
        ] {
            for name in [IF_MATCH, IF_NONE_MATCH] {
                let mut headers = HeaderMap::new();
                headers.insert(
                    name,
                    http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
                );
                assert!(Preconditions::read(&headers).is_err(), "{value}");
            }
        }
    }
}
