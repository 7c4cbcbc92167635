//! `NaN`, `Infinity` and `-Infinity`, which JSON does not have: Python writes them into it, and reads them, unless it is told not to.

use memchr::memmem;

/// What Python writes, the longer ones first.
const CONSTANTS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// The text with `null` in place of each of them, as JavaScript has it; `None` if there is none outside of strings.
pub(super) fn as_null(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if !CONSTANTS.iter().any(|constant| memmem::find(bytes, constant).is_some()) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let (mut kept, mut at, mut in_string) = (0, 0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'I' | b'N' if !in_string => {
                if let Some(found) = CONSTANTS.iter().find(|constant| bytes[at..].starts_with(constant)) {
                    out.push_str(&text[kept..at]);
                    out.push_str("null");
                    kept = at + found.len();
                    at = kept;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(&text[kept..]);
    (kept > 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_writes_can_be_read() {
        for (text, expected) in [
            (r#"{"a":NaN}"#, Some(r#"{"a":null}"#)),
            (r#"[-Infinity, Infinity,NaN]"#, Some("[null, null,null]")),
            (r#"{"NaN":"Infinity","a":NaN}"#, Some(r#"{"NaN":"Infinity","a":null}"#)),
            (r#"{"a":"\\\"NaN","é":-Infinity}"#, Some(r#"{"a":"\\\"NaN","é":null}"#)),
            (r#"{"a":"NaN \\"}"#, None),
            (r#"{"a":-1,"b":nan}"#, None),
            (r#"NaN"#, Some("null")),
            ("\"NaN", None),
            ("", None),
        ] {
            assert_eq!(as_null(text).as_deref(), expected, "{text}");
        }
    }
}
