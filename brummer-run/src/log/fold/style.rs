//! Colour and weight of characters. Pure.

use std::fmt::Write as _;

use super::{BytesMut, CUT, FILLER, MAX_LINE};

/// How a character looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Style {
    front: Colour,
    back: Colour,
    /// A bit for each of the attributes from 1 (bold) to 9 (crossed out).
    attributes: u16,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Colour {
    Default,
    /// As SGR counts it: 30 to 37, 40 to 47, 90 to 97, 100 to 107.
    Named(u8),
    Indexed(u8),
    Rgb(u8, u8, u8),
}

impl Style {
    pub(super) const PLAIN: Self = Self { front: Colour::Default, back: Colour::Default, attributes: 0 };

    /// After `ESC [ parameters m`.
    pub(super) fn after(mut self, parameters: &str) -> Self {
        let numbers: Vec<u8> =
            parameters.split([';', ':']).map(|number| number.parse().unwrap_or(0)).collect();
        let mut rest = numbers.as_slice();
        while let [number, more @ ..] = rest {
            rest = more;
            match *number {
                0 => self = Self::PLAIN,
                bit @ 1..=9 => self.attributes |= 1 << bit,
                21 | 22 => self.attributes &= !0b110,
                end @ 23..=29 => self.attributes &= !(1 << (end - 20)),
                named @ (30..=37 | 90..=97) => self.front = Colour::Named(named),
                named @ (40..=47 | 100..=107) => self.back = Colour::Named(named),
                39 => self.front = Colour::Default,
                49 => self.back = Colour::Default,
                which @ (38 | 48) => {
                    let (colour, after) = match rest {
                        [5, index, after @ ..] => (Colour::Indexed(*index), after),
                        [2, red, green, blue, after @ ..] => (Colour::Rgb(*red, *green, *blue), after),
                        _ => return self,
                    };
                    rest = after;
                    *(if which == 38 { &mut self.front } else { &mut self.back }) = colour;
                }
                _ => {}
            }
        }
        self
    }

    /// The sequence that leads to it from wherever one is.
    fn write(self, out: &mut String) {
        out.push_str("\x1b[0");
        for bit in (1..=9).filter(|bit| self.attributes & (1 << bit) != 0) {
            // Writing into a string does not fail.
            let _ = write!(out, ";{bit}");
        }
        for (colour, base) in [(self.front, 38), (self.back, 48)] {
            let _ = match colour {
                Colour::Default => Ok(()),
                Colour::Named(number) => write!(out, ";{number}"),
                Colour::Indexed(index) => write!(out, ";{base};5;{index}"),
                Colour::Rgb(red, green, blue) => write!(out, ";{base};2;{red};{green};{blue}"),
            };
        }
        out.push('m');
    }
}

/// Writes characters as a line, without blanks at its end.
pub(super) fn draw(cells: impl Iterator<Item = (char, Style)>, told: &mut BytesMut) {
    let mut line = String::new();
    // Where the text ends, and its style there.
    let (mut end, mut last) = (0, Style::PLAIN);
    let mut now = Style::PLAIN;
    for (character, style) in cells.filter(|(character, _)| *character != FILLER) {
        if style != now {
            now = style;
            if style == Style::PLAIN { line.push_str("\x1b[0m") } else { style.write(&mut line) }
        }
        line.push(character);
        if !character.is_whitespace() {
            (end, last) = (line.len(), now);
        }
    }
    line.truncate(end);
    if line.len() > MAX_LINE {
        let cut = (0..=MAX_LINE).rev().find(|at| line.is_char_boundary(*at));
        line.truncate(cut.unwrap_or_default());
        told.extend_from_slice(line.as_bytes());
        return told.extend_from_slice(CUT);
    }
    if last != Style::PLAIN {
        line.push_str("\x1b[0m");
    }
    told.extend_from_slice(line.as_bytes());
    told.extend_from_slice(b"\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(parts: &[(&str, &str)]) -> String {
        let mut told = BytesMut::new();
        let mut style = Style::PLAIN;
        let mut cells = Vec::new();
        for (parameters, text) in parts {
            style = style.after(parameters);
            cells.extend(text.chars().map(|character| (character, style)));
        }
        draw(cells.into_iter(), &mut told);
        String::from_utf8(told.to_vec()).unwrap()
    }

    #[test]
    fn colours_are_drawn_as_they_were_set() {
        assert_eq!(drawn(&[("", "plain  ")]), "plain\n");
        assert_eq!(
            drawn(&[("1;32", "ok"), ("39", "!"), ("22", " done")]),
            "\x1b[0;1;32mok\x1b[0;1m!\x1b[0m done\n"
        );
        assert_eq!(drawn(&[("38;5;9;48;2;1;2;3", "x"), ("0", "  ")]), "\x1b[0;38;5;9;48;2;1;2;3mx\x1b[0m\n");
        assert_eq!(drawn(&[("38;7", "x"), ("nonsense", "y")]), "xy\n");
    }

    #[test]
    fn a_long_line_is_cut() {
        let line = drawn(&[("", &"é".repeat(MAX_LINE))]);
        assert!(line.ends_with(std::str::from_utf8(CUT).unwrap()) && line.len() <= MAX_LINE + CUT.len());
    }
}
