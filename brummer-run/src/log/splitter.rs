//! Cuts a stream of bytes into whole lines, so that everything behind it may look at one line at a time.
//!
//! It copies nothing but what is too long: what it gives out are parts of the buffer that was read into. A line that is too long
//! is cut, so that a stream without line ends has a bounded buffer too. Where it is cut is a matter of the line alone, not of how
//! its bytes arrive.

use bytes::{Buf as _, Bytes, BytesMut};

/// A line longer than this is cut, and the rest of it is left out. The longest lines that people read are stack traces
/// of minified code, with some KiB.
pub(crate) const MAX_LINE: usize = 16 * 1024;

/// What is put behind a line that was cut.
pub(super) const CUT: &[u8] = " … (line cut)\n".as_bytes();

/// The state between two reads.
#[derive(Debug)]
pub(super) struct Splitter {
    limit: usize,
    state: SplitterState,
}

#[derive(Debug, Default, Eq, PartialEq)]
enum SplitterState {
    #[default]
    Line,
    /// In the rest of a line that was cut: everything up to its end is left out.
    Rest,
    /// The beginning of a line was given out before its end came. If nothing but the end follows, there is no line.
    Flushed,
}

/// What becomes of a line, or of as much of it as is there.
#[derive(Debug, Eq, PartialEq)]
enum Fit {
    /// It fits from here on; what was before it is written over.
    From(usize),
    /// It is too long: from here on, so many bytes of it are kept.
    Cut(usize, usize),
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new(MAX_LINE)
    }
}

impl Splitter {
    fn new(limit: usize) -> Self {
        Self { limit, state: SplitterState::default() }
    }

    /// Takes all whole lines out of the buffer: text that ends with a line end, or nothing.
    pub(super) fn lines(&mut self, buffer: &mut BytesMut) -> Option<Bytes> {
        self.skip(buffer);
        let whole =
            memchr::memrchr(b'\n', buffer).map(|end| self.shortened(buffer.split_to(end + 1).freeze()));
        if buffer.len() <= self.limit || self.state == SplitterState::Rest {
            return whole;
        }
        let cut = match fit(buffer, self.limit) {
            Fit::From(begin) => {
                buffer.advance(begin);
                // Of the ends that a line may have before its own, one says as much as all.
                buffer.truncate(buffer.len().min(self.limit + 1));
                return whole;
            }
            Fit::Cut(begin, length) => {
                buffer.advance(begin);
                let mut cut = buffer.split_to(length);
                cut.extend_from_slice(CUT);
                cut.freeze()
            }
        };
        self.state = SplitterState::Rest;
        self.skip(buffer);
        Some(match whole {
            Some(lines) => [lines, cut].concat().into(),
            None => cut,
        })
    }

    /// Whole lines, those cut that are too long.
    fn shortened(&self, lines: Bytes) -> Bytes {
        let mut at = 0;
        // Wherever so many bytes have a line end in them, no line among those before it is too long.
        while let Some(window) = lines.get(at..=at + self.limit) {
            match memchr::memrchr(b'\n', window) {
                Some(end) => at += end + 1,
                None => break,
            }
        }
        if lines.len() - at <= self.limit + 1 {
            return lines;
        }
        let mut shortened = BytesMut::from(&lines[..at]);
        for line in lines[at..].split_inclusive(|byte| *byte == b'\n') {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            match fit(text, self.limit) {
                Fit::From(begin) => {
                    let text = &text[begin..];
                    shortened.extend_from_slice(&text[..text.len().min(self.limit + 1)]);
                    shortened.extend_from_slice(b"\n");
                }
                Fit::Cut(begin, length) => {
                    shortened.extend_from_slice(&text[begin..begin + length]);
                    shortened.extend_from_slice(CUT);
                }
            }
        }
        shortened.freeze()
    }

    /// Takes what stands there without a line end, such as a question to the person at the terminal.
    pub(super) fn flush(&mut self, buffer: &mut BytesMut) -> Option<Bytes> {
        self.skip(buffer);
        if buffer.is_empty() || self.state == SplitterState::Rest {
            return None;
        }
        let mut line = buffer.split();
        line.extend_from_slice(b"\n");
        self.state = SplitterState::Flushed;
        Some(line.freeze())
    }

    /// Leaves out what does not make a line.
    fn skip(&mut self, buffer: &mut BytesMut) {
        match self.state {
            SplitterState::Line => {}
            SplitterState::Rest => match memchr::memchr(b'\n', buffer) {
                Some(end) => {
                    buffer.advance(end + 1);
                    self.state = SplitterState::Line;
                }
                None => buffer.clear(),
            },
            SplitterState::Flushed => {
                let end =
                    if buffer.starts_with(b"\r\n") { 2 } else { usize::from(buffer.starts_with(b"\n")) };
                if !buffer.is_empty() && **buffer != *b"\r" {
                    buffer.advance(end);
                    self.state = SplitterState::Line;
                }
            }
        }
    }
}

/// What becomes of a line without its end, which may still go on. Whenever more of it has come than fits, this is decided by
/// what has come until then.
fn fit(line: &[u8], limit: usize) -> Fit {
    let mut begin = 0;
    loop {
        let rest = &line[begin..];
        // A carriage return may belong to the end of the line.
        let Some(over) = rest.iter().skip(limit).position(|byte| *byte != b'\r') else {
            return Fit::From(begin);
        };
        // A progress bar writes over its line with carriage returns: only what stands after the last one is seen.
        match memchr::memrchr(b'\r', &rest[..limit + over]) {
            Some(overwritten) => begin += overwritten + 1,
            None => return Fit::Cut(begin, whole_characters(rest, limit)),
        }
    }
}

/// How many bytes of a text make the most whole characters, if it is UTF-8.
fn whole_characters(text: &[u8], limit: usize) -> usize {
    let is_first = |at: &usize| text.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80);
    // A character has four bytes at most.
    (limit.saturating_sub(3)..=limit).rev().find(is_first).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds the pieces one by one and gathers what comes out, the rest flushed.
    fn split(pieces: &[&[u8]]) -> Vec<u8> {
        split_at(MAX_LINE, pieces)
    }

    fn split_at(limit: usize, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut splitter, mut buffer, mut out) = (Splitter::new(limit), BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            if let Some(lines) = splitter.lines(&mut buffer) {
                assert_eq!(lines.last(), Some(&b'\n'));
                out.extend_from_slice(&lines);
            }
            assert!(buffer.len() <= limit + 1);
        }
        out.extend(splitter.flush(&mut buffer).unwrap_or_default());
        out
    }

    #[test]
    fn whole_lines_come_out_and_the_rest_stays() {
        let (mut splitter, mut buffer) = (Splitter::default(), BytesMut::from("one\ntwo\nthr"));
        assert_eq!(splitter.lines(&mut buffer).unwrap(), "one\ntwo\n");
        assert_eq!(splitter.lines(&mut buffer), None);
        buffer.extend_from_slice(b"ee\n");
        assert_eq!(splitter.lines(&mut buffer).unwrap(), "three\n");
        assert_eq!(splitter.flush(&mut buffer), None);
    }

    #[test]
    fn a_question_that_was_flushed_leaves_no_empty_line() {
        let (mut splitter, mut buffer) = (Splitter::default(), BytesMut::from("Go on? "));
        assert_eq!(splitter.flush(&mut buffer).unwrap(), "Go on? \n");
        buffer.extend_from_slice(b"\nyes\n");
        assert_eq!(splitter.lines(&mut buffer).unwrap(), "yes\n");
        buffer.extend_from_slice(b"Sure? ");
        assert_eq!(splitter.flush(&mut buffer).unwrap(), "Sure? \n");
        buffer.extend_from_slice(b"no\n");
        assert_eq!(splitter.lines(&mut buffer).unwrap(), "no\n");
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = vec![b'x'; 3 * MAX_LINE];
        let out = split(&[&long, &long, b"\nnext\n"]);
        assert_eq!(out.len(), MAX_LINE + CUT.len() + "next\n".len());
        assert!(out.ends_with(b"next\n"));
    }

    #[test]
    fn a_progress_bar_takes_no_room() {
        let frames: Vec<Vec<u8>> =
            (0..5000).map(|frame| format!("\r{frame:>5} of 5000").into_bytes()).collect();
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let out = split(&frames);
        assert!(out.len() <= MAX_LINE + 1);
        assert!(out.ends_with(b"\r 4999 of 5000\n"));
    }

    #[test]
    fn a_line_is_cut_at_the_same_place_however_it_arrives() {
        for (line, expected) in [
            ("x".repeat(8), "x".repeat(8) + "\n"),
            ("x".repeat(9), "x".repeat(8) + " … (line cut)\n"),
            // The end of a line of Windows is none of its bytes.
            ("x".repeat(8) + "\r", "x".repeat(8) + "\r\n"),
            ("x".repeat(9) + "\r", "x".repeat(8) + " … (line cut)\n"),
            ("x".repeat(8) + "\r\r\r", "x".repeat(8) + "\r\n"),
            // Written over.
            ("x".repeat(8) + "\ryy", "yy\n".to_owned()),
            ("12345\r6789\rabcde".to_owned(), "abcde\n".to_owned()),
            ("123\r\r\r".to_owned() + &"y".repeat(9), "y".repeat(8) + " … (line cut)\n"),
            // Characters stay whole.
            ("1234567é".to_owned(), "1234567 … (line cut)\n".to_owned()),
            ("12345👋".to_owned(), "12345 … (line cut)\n".to_owned()),
        ] {
            let text = format!("{line}\n");
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            for pieces in [vec![text.as_bytes()], bytes] {
                assert_eq!(String::from_utf8(split_at(8, &pieces)).unwrap(), expected, "{line:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter_for_what_is_cut(
            text in "([a-c\r\n]|é|[a-c]{6,12}|👋){0,60}",
            cuts in prop::collection::vec(0usize..200, 0..8),
            limit in 4usize..12,
        ) {
            let text = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            let each: Vec<&[u8]> = text.chunks(1).collect();
            let whole = split_at(limit, &[text]);
            prop_assert_eq!(split_at(limit, &pieces), whole.clone());
            prop_assert_eq!(split_at(limit, &each), whole.clone());
            for line in whole.split(|byte| *byte == b'\n') {
                prop_assert!(line.len() <= limit + CUT.len(), "{:?}", line);
            }
        }

        #[test]
        fn the_pieces_do_not_matter(text in "[a-c\r\n]{0,80}", cuts in prop::collection::vec(0usize..80, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.push(0);
            cuts.push(text.len());
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            let mut wanted = text.clone().into_bytes();
            if !text.is_empty() && !text.ends_with('\n') {
                wanted.push(b'\n');
            }
            prop_assert_eq!(split(&pieces), wanted);
        }
    }
}
