//! One form for one content, so that all sides decide alike which of two versions with one timestamp stands.

use serde_json::Value;
use std::fmt::Write as _;

/// A body in its canonical form: no spaces, members in the order of their names, none that is null, numbers as
/// JavaScript writes them as far as they are integers. What is no JSON stays as it is.
///
/// Before it stands how many values it has. So a version that lacks a field and is the same else is the lesser one:
/// a side that has no place for a field never takes it from one that has.
pub fn canonical_body(json: &str) -> String {
    match serde_json::from_str::<Value>(json) {
        Ok(value) => {
            let mut text = String::with_capacity(json.len() + 11);
            let _ = write!(text, "{:010} ", values(&value));
            write(&value, &mut text);
            text
        }
        Err(_) => json.to_owned(),
    }
}

fn values(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Object(members) => members.values().map(values).sum(),
        Value::Array(items) => items.iter().map(|item| values(item).max(1)).sum(),
        _ => 1,
    }
}

// Writing to a string does not fail.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut names: Vec<_> = members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .collect();
            names.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (at, (name, value)) in names.into_iter().enumerate() {
                let _ = write!(
                    text,
                    "{}{}:",
                    if at > 0 { "," } else { "" },
                    Value::from(name.as_str())
                );
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write(item, text);
            }
            text.push(']');
        }
        Value::Number(number) => {
            let _ = match number.as_f64().and_then(crate::protocol::hlc::safe_integer) {
                Some(integer) => write!(text, "{integer}"),
                None => write!(text, "{number}"),
            };
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_content_has_one_form() {
        let form =
            canonical_body(r#"{ "b": [1.0, null, "x"], "a": {"z": 2, "y": null}, "c": null }"#);
        assert_eq!(form, r#"0000000004 {"a":{"z":2},"b":[1,null,"x"]}"#);
        assert_eq!(canonical_body("{"), "{");
    }

    #[test]
    fn what_lacks_a_field_is_less_than_the_same_with_it() {
        let lacks = canonical_body(r#"{"label":"b","size":0}"#);
        assert!(lacks < canonical_body(r#"{"label":"b","owner":"o","size":0}"#));
        assert!(lacks < canonical_body(r#"{"label":"c","size":0}"#));
    }
}
