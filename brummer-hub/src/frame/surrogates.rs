//! Halves of surrogate pairs that stand alone: `"\ud83d"` is what is left of an emoji when a JavaScript program cuts a text
//! in the middle of it. JSON lets it be written (RFC 8259 § 8.2), but it is no character: readers in Rust and Python refuse
//! the whole message, and services for models the whole conversation that it has got into.

/// Puts U+FFFD, written as long, in place of each half that stands alone in the strings of this JSON text.
pub(super) fn mend(text: &mut [u8]) {
    let mut from = 0;
    while let Some(digits) = lone(text, from) {
        text[digits..digits + 4].copy_from_slice(b"fffd");
        from = digits + 4;
    }
}

/// Whether a half stands alone in the strings of this JSON text.
pub(super) fn any_lone(text: &[u8]) -> bool {
    lone(text, 0).is_some()
}

/// Where the digits of the next half that stands alone begin.
fn lone(text: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr::memchr(b'\\', text.get(from..)?)?;
        match unit(text, at) {
            Some(0xD800..=0xDBFF) if matches!(unit(text, at + 6), Some(0xDC00..=0xDFFF)) => from = at + 12,
            Some(0xD800..=0xDFFF) => return Some(at + 2),
            // Behind a backslash may stand another one, which begins nothing then.
            _ => from = at + 2,
        }
    }
}

/// The code unit that is written as an escape here.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mended(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        mend(&mut bytes);
        let mended = String::from_utf8(bytes).unwrap();
        assert_eq!(any_lone(text.as_bytes()), mended != text, "{text}");
        mended
    }

    #[test]
    fn halves_that_stand_alone_are_replaced_and_nothing_else() {
        for (text, expected) in [
            (r#""cut \ud83d""#, r#""cut \ufffd""#),
            (r#""\uDE00 cut""#, r#""\ufffd cut""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\uD83D\uDE00\uD83D""#, r#""\uD83D\uDE00\ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\n\ude00""#, r#""\ufffd\n\ufffd""#),
            (r#""\\ud83d \\\ud83d""#, r#""\\ud83d \\\ufffd""#),
            (r#""\u00e9\udbff\udfff\ue000""#, r#""\u00e9\udbff\udfff\ue000""#),
            (r#"{"\ud800":["\udfff"]}"#, r#"{"\ufffd":["\ufffd"]}"#),
            ("\"\\", "\"\\"),
            ("\"\\ud8", "\"\\ud8"),
        ] {
            assert_eq!(mended(text), expected, "{text}");
        }
    }

    proptest! {
        /// What serde_json, which reads no half, makes of it.
        #[test]
        fn the_text_can_be_read_then(text in r#"(\\ud8[0-9a-f]{2}|\\uD[c-f]00|\\u0041|\\\\|\\n|u|é){0,12}"#) {
            let text = format!("\"{text}\"");
            let is_whole = serde_json::from_str::<String>(&text).is_ok();
            prop_assert_eq!(any_lone(text.as_bytes()), !is_whole);
            prop_assert!(serde_json::from_str::<String>(&mended(&text)).is_ok(), "{}", text);
        }
    }
}
