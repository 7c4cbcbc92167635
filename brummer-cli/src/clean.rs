//! What instances and projects say, made fit for a terminal. Nothing of it may move the cursor, change a setting or
//! turn the direction of text around.

pub(crate) use crate::list::table::printable as line;

/// A text of several lines, which stay lines.
pub(crate) fn block(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|text| {
            text.strip_suffix('\r').unwrap_or(text).split('\t').map(line).collect::<Vec<_>>().join("\t")
        })
        .collect();
    lines.join("\n")
}

/// JSON, in which whatever a terminal might obey is escaped: the same value to a program that reads it.
pub(crate) fn json(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        let layout = matches!(c, '\n' | '\r' | '\t' | char::REPLACEMENT_CHARACTER);
        if layout || line(c.encode_utf8(&mut [0; 4])) != "\u{fffd}" {
            clean.push(c);
        } else {
            // All of them are in the first plane.
            clean += &format!("\\u{:04x}", u32::from(c));
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_tabs_stay_and_nothing_else_that_steers() {
        assert_eq!(block("a\tb\r\nc\x1b[2J\n\u{202e}d\u{9b}"), "a\tb\nc\u{fffd}[2J\n\u{fffd}d\u{fffd}");
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let text = "{\n  \"a\": \"\u{9b}2J\u{7f}\u{202e}\u{fffd}é\"\n}";
        let clean = json(text);
        assert_eq!(clean, "{\n  \"a\": \"\\u009b2J\\u007f\\u202e\u{fffd}é\"\n}");
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parsed(&clean), parsed(text));
    }
}
