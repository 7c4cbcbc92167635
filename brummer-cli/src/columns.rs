//! Columns on a terminal: how wide a text is there, which its letters do not tell. Pure.

use unicode_width::UnicodeWidthStr as _;

/// What ends a colour.
const END: &str = "\x1b[0m";

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text with blanks behind it, so that it takes so many columns.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", padding(text, columns))
}

/// The blanks that a text needs to take so many columns.
pub(crate) fn padding(text: &str, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(width(text)))
}

/// The line if it fits, or else its beginning and `…`.
pub(crate) fn fitted(line: &str, columns: usize) -> String {
    let whole = cut(line, columns);
    if whole == line || columns == 0 {
        return whole;
    }
    cut(line, columns - 1) + "…"
}

/// The beginning of a line that fits; colours take no room. What is wider than the room that is left goes as a whole.
fn cut(line: &str, columns: usize) -> String {
    // Signs that are joined are narrower than each for itself: the text is measured as a whole.
    let (mut cut, mut plain, mut chars) = (String::new(), String::new(), line.chars());
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            cut.push(c);
            for c in chars.by_ref() {
                cut.push(c);
                if c == 'm' {
                    break;
                }
            }
            continue;
        }
        plain.push(c);
        if width(&plain) > columns {
            if line.contains('\x1b') {
                cut += END;
            }
            break;
        }
        cut.push(c);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_joined_signs_are_measured_as_terminals_show_them() {
        for (text, columns) in [
            ("", 0),
            ("abc", 3),
            ("Straße", 6),
            ("日本語", 6),
            ("👋", 2),
            ("👩\u{200d}💻", 2),
            ("e\u{301}", 1),
            ("ｗ", 2),
        ] {
            assert_eq!(width(text), columns, "{text}");
            assert_eq!(width(&padded(text, 10)), 10, "{text}");
        }
    }

    #[test]
    fn what_is_cut_shows_it() {
        for (line, columns, expected) in [
            ("abc", 3, "abc"),
            ("abc", 2, "a…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("\x1b[32m日本\x1b[0m", 4, "\x1b[32m日本\x1b[0m"),
            ("\x1b[32m日本\x1b[0m", 3, "\x1b[32m日\x1b[0m…"),
        ] {
            assert_eq!(fitted(line, columns), expected, "{line:?} {columns}");
        }
    }

    #[test]
    fn nothing_that_is_cut_is_wider_than_it_may_be() {
        for (line, columns, expected) in [
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本"),
            ("a日本", 2, "a"),
            ("👩\u{200d}💻x", 2, "👩\u{200d}💻"),
            ("\x1b[32m日本\x1b[0m", 3, "\x1b[32m日\x1b[0m"),
            ("\x1b[32m日本\x1b[0m", 4, "\x1b[32m日本\x1b[0m"),
            ("abc", 0, ""),
        ] {
            assert_eq!(cut(line, columns), expected, "{line:?} {columns}");
        }
    }
}
