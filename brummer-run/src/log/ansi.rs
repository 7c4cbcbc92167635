//! Takes the control sequences of terminals out of a line: what is left is what a person would read.

use std::borrow::Cow;

use brummer_hub::terminal::{clean, is_harmful};

/// Bytes that are looked at together.
const PIECE: usize = 128;

/// Whether there is something in a line that may not reach a terminal as it is.
pub(crate) fn needs_cleaning(line: &str) -> bool {
    // Most lines are plain ASCII, and there may be a million: pieces of them are looked at without stopping at each byte.
    let is_plain = |byte: &u8| matches!(byte, b'\n' | b'\t' | b' '..=b'~');
    let are_plain = |piece: &[u8]| piece.iter().fold(true, |plain, byte| plain & is_plain(byte));
    !line.as_bytes().chunks(PIECE).all(are_plain)
        && line.contains(|c| is_harmful(c) && !matches!(c, '\n' | '\t'))
}

/// A line as it may be shown on any terminal, or kept where it will be: without sequences, and with U+FFFD for whatever else would
/// act on a terminal or hide what is shown.
pub(crate) fn printable(line: &str) -> Cow<'_, str> {
    if needs_cleaning(line) { Cow::Owned(clean(&strip(line)).into_owned()) } else { Cow::Borrowed(line) }
}

/// Bytes that make a line need [`strip`]: escape, carriage return, backspace.
pub(crate) const CONTROLS: [u8; 3] = [0x1b, b'\r', 0x08];

const BELL: char = '\x07';
const ESCAPE: char = '\x1b';

/// Where in a sequence the reader is (ECMA-48, and what xterm makes of it).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AnsiState {
    Text,
    /// After ESC.
    Escape,
    /// After ESC and intermediate characters, such as `ESC ( B`.
    Intermediate,
    /// In `ESC [ … final`.
    Control,
    /// In a string: `ESC ]`, `P`, `X`, `^` or `_`, up to BEL or `ESC \`.
    Words,
    /// After an ESC in a string.
    WordsEscape,
}

/// The line as it is read: without sequences, and without what a carriage return or backspace has written over.
///
/// A sequence that the line does not end is left out with the rest of the line. Tabs stay, other control characters go.
pub(crate) fn strip(line: &str) -> String {
    read(line, false)
}

/// The same with its colours, which end with the line: what another program may show in the middle of its own output.
pub(crate) fn strip_but_colours(line: &str) -> String {
    let mut out = read(line, true);
    if out.contains(ESCAPE) {
        out.push_str("\x1b[0m");
    }
    out
}

fn read(line: &str, keep_colours: bool) -> String {
    let mut out = String::with_capacity(line.len());
    let mut state = AnsiState::Text;
    // Where the control sequence began that is being read.
    let mut begin = 0;
    // What a carriage return has made free to be written over; it is only gone when something is written.
    let mut overwritten = false;
    for (at, c) in line.char_indices() {
        let after = state.after(c);
        match state {
            AnsiState::Text if after == AnsiState::Text => match c {
                '\r' => overwritten = true,
                '\x08' => drop(out.pop()),
                c if c.is_control() && c != '\t' => {}
                c => {
                    if std::mem::take(&mut overwritten) {
                        out.clear();
                    }
                    out.push(c);
                }
            },
            AnsiState::Control if after == AnsiState::Text => {
                let sequence = &line[begin..=at];
                if keep_colours && is_colour(sequence) {
                    out.push_str(sequence);
                }
            }
            _ => {}
        }
        if c == ESCAPE {
            begin = at;
        }
        state = after;
    }
    out
}

impl AnsiState {
    /// After a character.
    pub(super) fn after(self, c: char) -> Self {
        match self {
            Self::Text => match c {
                ESCAPE => Self::Escape,
                // The same sequences in the form of one character.
                '\u{9b}' => Self::Control,
                '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => Self::Words,
                _ => Self::Text,
            },
            Self::Escape | Self::Intermediate => match c {
                ESCAPE => Self::Escape,
                ' '..='/' => Self::Intermediate,
                '[' if self == Self::Escape => Self::Control,
                ']' | 'P' | 'X' | '^' | '_' if self == Self::Escape => Self::Words,
                _ => Self::Text,
            },
            Self::Control => match c {
                ESCAPE => Self::Escape,
                '@'..='~' => Self::Text,
                _ => Self::Control,
            },
            Self::Words | Self::WordsEscape => match c {
                '\\' if self == Self::WordsEscape => Self::Text,
                // Only a string's own end may begin with an escape; a second one begins it anew.
                ESCAPE => Self::WordsEscape,
                BELL | '\u{9c}' => Self::Text,
                _ => Self::Words,
            },
        }
    }
}

/// Whether a control sequence is one of colour or weight: `ESC [ 1 ; 32 m`.
fn is_colour(sequence: &str) -> bool {
    let inside = sequence.strip_prefix("\x1b[").and_then(|rest| rest.strip_suffix('m'));
    inside.is_some_and(|inside| inside.chars().all(|c| c.is_ascii_digit() || matches!(c, ';' | ':')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_links_and_titles_go() {
        for (line, read) in [
            (
                "\x1b[32m➜\x1b[39m  \x1b[1mLocal\x1b[22m:   \x1b[36mhttp://localhost:\x1b[1m5173\x1b[22m/\x1b[39m",
                "➜  Local:   http://localhost:5173/",
            ),
            ("\x1b[38;2;1;2;3mred\x1b[0m \x1b[?25l\x1b[2K\x1b[1Gdone", "red done"),
            ("\x1b]8;;http://a/b\x1b\\text\x1b]8;;\x07!", "text!"),
            ("\x1b]0;title\x07prompt", "prompt"),
            ("\x1b(Bplain\x1b=\x1b7", "plain"),
            ("a\tb\x07\x00c", "a\tbc"),
            ("\u{9b}31mone\u{9b}0m", "one"),
            ("plain", "plain"),
            ("cut \x1b[3", "cut "),
        ] {
            assert_eq!(strip(line), read, "{line:?}");
        }
    }

    #[test]
    fn what_may_not_reach_a_terminal_is_found_wherever_it_is() {
        let plain = "a\tline, ~\n".repeat(PIECE);
        assert!(!needs_cleaning("") && !needs_cleaning(&plain) && !needs_cleaning("é → ✓\n"));
        for at in [0, 1, PIECE - 1, PIECE, PIECE + 1, plain.len()] {
            for harmful in ["\x1b", "\r", "\x7f", "\u{9b}", "\u{202e}"] {
                let mut line = plain.clone();
                line.insert_str(at, harmful);
                assert!(needs_cleaning(&line), "{harmful:?} at {at}");
            }
        }
    }

    #[test]
    fn what_was_written_over_goes() {
        assert_eq!(strip("10 %\r20 %\r100 %"), "100 %");
        assert_eq!(strip("whole line\r"), "whole line");
        assert_eq!(strip("typo\x08\x08pe"), "type");
        assert_eq!(strip("/ spinning\r\x1b[K\r- spinning"), "- spinning");
    }

    #[test]
    fn colours_can_be_kept() {
        let line = "\x1b[2J\x1b[H\x1b[1;32mok\x1b[K \x1b]0;t\x07done\x1b[?25h";
        assert_eq!(strip_but_colours(line), "\x1b[1;32mok done\x1b[0m");
        assert_eq!(strip_but_colours("plain\r"), "plain");
        assert_eq!(strip_but_colours("\x1b[31\x1b[32mgreen"), "\x1b[32mgreen\x1b[0m");
    }

    proptest! {
        #[test]
        fn only_colours_are_kept(line in "(\\PC|\x1b\\[[0-9;?]{0,4}[A-Za-z]|\x1b|\r)*") {
            prop_assert_eq!(strip(&strip_but_colours(&line)), strip(&line));
        }

        #[test]
        fn no_sequence_survives_and_stripping_twice_changes_nothing(line in "(\\PC|\x1b\\[[0-9;]{0,5}m|\x1b|[\x00-\x1f])*") {
            let once = strip(&line);
            prop_assert!(once.chars().all(|c| !c.is_control() || c == '\t'), "{:?}", once);
            prop_assert_eq!(strip(&once), once.clone());
        }

        #[test]
        fn text_without_sequences_stays(line in "[^\\p{Cc}]*") {
            prop_assert_eq!(strip(&line), line);
        }
    }
}
