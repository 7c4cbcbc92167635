//! What may be printed. Names, paths, errors and lines come from projects and instances, and a terminal does what certain
//! characters say: move the cursor, set the clipboard, turn the writing direction. Everything that this project prints goes
//! through here.

use std::{borrow::Cow, fmt::Write as _};

/// What stands where a character was that must not be printed.
pub const PLACEHOLDER: char = char::REPLACEMENT_CHARACTER;

/// Whether a character acts on a terminal or hides what is shown: control characters (C0, DEL and C1), separators of lines,
/// marks that turn the writing direction or join what stands apart, and invisible letters (tags).
#[must_use]
pub fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061C}'
                | '\u{180E}'
                | '\u{200B}'
                | '\u{200E}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E007F}'
        )
}

/// Text of several lines: line feeds and tabs stay, every other harmful character becomes U+FFFD.
///
/// # Examples
/// ```
/// use brummer_hub::terminal::clean;
///
/// assert_eq!(clean("dev\x1b]0;owned\x07\n"), "dev\u{fffd}]0;owned\u{fffd}\n");
/// assert!(matches!(clean("Grüße 👋🏽"), std::borrow::Cow::Borrowed(_)));
/// ```
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    replaced(text, |character| is_harmful(character) && !matches!(character, '\n' | '\t'))
}

/// A name, a path or a message that must stay on its line: line feeds and tabs go as well.
#[must_use]
pub fn clean_line(text: &str) -> Cow<'_, str> {
    replaced(text, is_harmful)
}

/// Text of several lines that has colours of this program's own in it (`ESC [ … m`), which stay.
#[must_use]
pub fn clean_but_colours(text: &str) -> Cow<'_, str> {
    if !text.contains('\x1b') {
        return clean(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        cleaned.push_str(&clean(&rest[..at]));
        let inside = rest[at..].strip_prefix("\x1b[").and_then(|sequence| {
            let length = sequence.find(|c: char| !matches!(c, '0'..='9' | ';' | ':'))?;
            sequence[length..].starts_with('m').then_some(length)
        });
        let length = match inside {
            Some(length) => {
                let length = "\x1b[".len() + length + "m".len();
                cleaned.push_str(&rest[at..at + length]);
                length
            }
            None => {
                cleaned.push(PLACEHOLDER);
                1
            }
        };
        rest = &rest[at + length..];
    }
    cleaned.push_str(&clean(rest));
    Cow::Owned(cleaned)
}

/// JSON as text, with every harmful character written as an escape: it means the same.
#[must_use]
pub fn clean_json(json: &str) -> Cow<'_, str> {
    let is_harmful = |character| is_harmful(character) && !matches!(character, '\n' | '\t');
    if !json.contains(is_harmful) {
        return Cow::Borrowed(json);
    }
    let mut cleaned = String::with_capacity(json.len());
    for character in json.chars() {
        if is_harmful(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(cleaned, "\\u{unit:04x}");
            }
        } else {
            cleaned.push(character);
        }
    }
    Cow::Owned(cleaned)
}

fn replaced(text: &str, is_harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_harmful) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_harmful(c) { PLACEHOLDER } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_families_are_harmful() {
        for number in (0..0x20)
            .chain(0x7F..0xA0)
            .chain(0x202A..0x202F)
            .chain(0x2066..0x206A)
            .chain([0x61C, 0x200E, 0x200F])
        {
            let character = char::from_u32(number).unwrap();
            assert!(is_harmful(character), "U+{number:04X}");
        }
        // Letters of every script, joined emoji and soft hyphens are what they are.
        for text in
            ["Straße", "日本語", "עברית", "العربية", "👩\u{200D}💻", "❤\u{FE0F}", "e\u{301}", "co\u{AD}op"]
        {
            assert_eq!(clean_line(text), text);
        }
    }

    #[test]
    fn only_colours_stay_of_all_sequences() {
        for (text, expected) in [
            ("\x1b[1;32mok\x1b[0m\n", "\x1b[1;32mok\x1b[0m\n"),
            ("\x1b[2J\x1b[38:2::1:2:3mred", "\u{fffd}[2J\x1b[38:2::1:2:3mred"),
            ("\x1b]52;c;aGk=\x07", "\u{fffd}]52;c;aGk=\u{fffd}"),
            ("\x1b", "\u{fffd}"),
            ("\x1b[", "\u{fffd}["),
            ("\x1b[1", "\u{fffd}[1"),
            ("\u{9b}31m", "\u{fffd}31m"),
        ] {
            assert_eq!(clean_but_colours(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_cleaned_is_clean(text in "[\\PC\\p{Cc}\\p{Cf}]{0,60}") {
            let not_harmful = |c: char| !is_harmful(c) || matches!(c, '\n' | '\t');
            prop_assert!(clean(&text).chars().all(not_harmful));
            prop_assert!(!clean_line(&text).contains(is_harmful));
            let coloured = clean_but_colours(&text);
            prop_assert!(coloured.chars().all(|c| not_harmful(c) || c == '\x1b'));
            let plain = clean(&text);
            prop_assert_eq!(clean(&plain), plain.as_ref());
            let json = serde_json::Value::from(text.as_str());
            let cleaned = clean_json(&json.to_string()).into_owned();
            prop_assert!(!cleaned.contains(is_harmful));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&cleaned).unwrap(), json);
        }
    }
}
