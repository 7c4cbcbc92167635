//! Cuts a stream of bytes into whole lines, so that everything behind it may look at one line at a time.
//!
//! It copies nothing: what it gives out are parts of the buffer that was read into. A line that never ends is cut, so
//! that a stream without line ends has a bounded buffer too.

use bytes::{Buf as _, Bytes, BytesMut};

/// A line longer than this is cut, and the rest of it is left out. The longest lines that people read are stack traces
/// of minified code, with some KiB.
pub(crate) const MAX_LINE: usize = 16 * 1024;

/// What is put behind a line that was cut.
pub(super) const CUT: &[u8] = " … (line cut)\n".as_bytes();

/// The state between two reads.
#[derive(Debug, Default)]
pub(super) struct Splitter {
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

impl Splitter {
    /// Takes all whole lines out of the buffer: text that ends with a line end, or nothing.
    pub(super) fn lines(&mut self, buffer: &mut BytesMut) -> Option<Bytes> {
        self.skip(buffer);
        if let Some(end) = memchr::memrchr(b'\n', buffer) {
            return Some(buffer.split_to(end + 1).freeze());
        }
        if buffer.len() <= MAX_LINE || self.state == SplitterState::Rest {
            return None;
        }
        // A progress bar writes over its line with carriage returns: only what stands after the last one is seen. The
        // very last one may belong to a line end.
        let overwritten = memchr::memrchr(b'\r', &buffer[..buffer.len() - 1]);
        if let Some(end) = overwritten
            && buffer.len() - end <= MAX_LINE
        {
            buffer.advance(end + 1);
            return None;
        }
        let mut cut = buffer.split_to(MAX_LINE);
        cut.extend_from_slice(CUT);
        self.state = SplitterState::Rest;
        self.skip(buffer);
        Some(cut.freeze())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds the pieces one by one and gathers what comes out, the rest flushed.
    fn split(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut splitter, mut buffer, mut out) = (Splitter::default(), BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            if let Some(lines) = splitter.lines(&mut buffer) {
                assert_eq!(lines.last(), Some(&b'\n'));
                out.extend_from_slice(&lines);
            }
            assert!(buffer.len() <= MAX_LINE + piece.len());
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

    proptest! {
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
