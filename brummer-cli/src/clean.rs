//! What instances and projects say, made fit for a terminal by the one function that the library has for it.

use brummer_hub::terminal;

/// A text that stays on its line.
pub(crate) fn line(text: &str) -> String {
    terminal::clean_line(text).into_owned()
}

/// A text of several lines, which stay lines.
pub(crate) fn block(text: &str) -> String {
    terminal::clean(&text.replace("\r\n", "\n")).into_owned()
}

/// JSON, in which whatever a terminal might obey is escaped: the same value to a program that reads it.
pub(crate) fn json(text: &str) -> String {
    terminal::clean_json(text).into_owned()
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
