//! JSON of instances, however deep: schemas come from anybody, and a reader of values goes as deep as they do. What is read here
//! is read without recursion, as far as it is deeper than anything that means something to this program.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::Value;

/// Levels that are kept. The reader of values takes 127.
const LEVELS: usize = 100;

/// What stands for a list or an object that is deeper.
const DEEPER: &str = "\"…\"";

/// Reads JSON. Lists and objects below the hundredth level are `"…"`.
pub(crate) fn read(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&shallow(text)?)
}

/// Whether [`read`] leaves something out.
pub(crate) fn is_deep(text: &str) -> bool {
    matches!(shallow(text), Ok(Cow::Owned(_)))
}

/// The text without what is too deep.
fn shallow(text: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    // Does not go deeper with the text, and checks all of it: from here on, what is opened is closed.
    serde_json::from_str::<IgnoredAny>(text)?;
    let (mut level, mut is_string, mut is_escaped) = (0_usize, false, false);
    let mut shallow = String::new();
    // From where on the text is not copied yet, or none while it is left out.
    let mut from = Some(0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            _ if is_string => {}
            b'{' | b'[' => {
                if level == LEVELS
                    && let Some(from) = from.take()
                {
                    shallow += &text[from..at];
                    shallow += DEEPER;
                }
                level += 1;
            }
            b'}' | b']' => {
                level -= 1;
                if level == LEVELS {
                    from = Some(at + 1);
                }
            }
            _ => {}
        }
    }
    if shallow.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    shallow += &text[from.unwrap_or(text.len())..];
    Ok(Cow::Owned(shallow))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn nested(levels: usize, inside: &str) -> String {
        format!("{}{inside}{}", "{\"a\":[".repeat(levels / 2), "]}".repeat(levels / 2))
    }

    #[test]
    fn what_is_not_deep_is_as_it_was() {
        for text in ["{}", " [1, 2.50, \"a{[\\\"\"] ", "null", &nested(LEVELS, "7")] {
            assert_eq!(read(text).unwrap(), serde_json::from_str::<Value>(text).unwrap(), "{text}");
            assert!(!is_deep(text));
        }
        for text in ["", "{", "{\"a\":[}", "{} {}", "nonsense"] {
            assert!(read(text).is_err() && !is_deep(text), "{text}");
        }
    }

    #[test]
    fn what_is_deeper_is_left_out_and_the_rest_is_there() {
        for levels in [LEVELS + 2, 200, 10_000, 200_000] {
            let deep = nested(levels, "\"]}\\\"\"");
            let text =
                format!("{{\"before\":1,\"deep\":{deep},\"more\":[{deep},{deep}],\"after\":[\"x\",{{}}]}}");
            assert!(is_deep(&text));
            let value = read(&text).unwrap();
            assert_eq!(
                (&value["before"], &value["after"], value["more"].as_array().map(Vec::len)),
                (&json!(1), &json!(["x", {}]), Some(2)),
                "{levels}"
            );
            let mut at = &value["deep"];
            for _ in 0..LEVELS / 2 - 1 {
                at = &at["a"][0];
            }
            assert!(at.to_string().contains('…') && at.to_string().len() < 20, "{at}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}\":,\\\\ 1au]{0,40}", levels in 0..LEVELS * 2) {
            for text in [nested(levels, &text), text] {
                let is_json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
                prop_assert_eq!(read(&text).is_ok(), is_json, "{}", text);
            }
        }
    }
}
