//! One form for one content, so that all sides decide alike which of two versions with one timestamp stands.

use serde_json::Value;
use std::fmt::Write as _;

/// A body in its canonical form: no spaces, members in the order of their names, none that is null, numbers as
/// JavaScript writes them as far as they are integers. What is no JSON stays as it is.
pub fn canonical_body(json: &str) -> String {
    match serde_json::from_str::<Value>(json) {
        Ok(value) => {
            let mut text = String::with_capacity(json.len());
            write(&value, &mut text);
            text
        }
        Err(_) => json.to_owned(),
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
        assert_eq!(form, r#"{"a":{"z":2},"b":[1,null,"x"]}"#);
        assert_eq!(canonical_body("{"), "{");
    }
}
