//! What of a text of elsewhere may stand in a message.

use std::borrow::Cow;

/// What a name may have in a message, in characters: the rest is left out.
const MOST_OF_A_NAME: usize = 200;

/// Text of elsewhere as it may stand in a message: in one line, and each character as it is, or escaped if it is none that
/// is seen. With others, a name could begin a line of a log by itself, or have a terminal show another text.
pub fn one_line(text: String) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text;
    }
    text.chars().fold(String::new(), |mut line, character| {
        if matches!(character, ' '..='~') {
            line.push(character);
        } else {
            // What comes first is escaped where it is an accent, which stays one behind another character.
            let pair = String::from_iter(['a', character]);
            line.extend(pair.escape_debug().skip(1));
        }
        line
    })
}

/// The beginning of a name of elsewhere, as a message shows it.
pub fn shortened(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(MOST_OF_A_NAME) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()).into(),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_names_is_in_one_line_and_shows_as_it_is() {
        for text in ["", "a b ~", "\"C:\\x\"", "größe", "写真", "e\u{301}", "🙂"] {
            assert_eq!(one_line(text.to_owned()), text);
        }
        for (text, line) in [
            ("a\nb\r\n\tc\0", r"a\nb\r\n\tc\0"),
            ("\u{1b}[2J\u{7f}\u{9b}", r"\u{1b}[2J\u{7f}\u{9b}"),
            (
                "\u{202e}a\u{2066}b\u{200b}\u{feff}",
                r"\u{202e}a\u{2066}b\u{200b}\u{feff}",
            ),
            ("\u{2028}\u{2029}\u{85}", r"\u{2028}\u{2029}\u{85}"),
        ] {
            assert_eq!(one_line(text.to_owned()), line);
        }
    }
}
