//! Lines out of a stream of bytes, with a limit on their length.

use bytes::{Bytes, BytesMut};

use super::glimpse::Glimpse;

/// Room for reading. A pipe holds 64 KiB on most systems, so this takes in what is there with one call.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// Memory that is kept for the next lines. After a larger line it is given back.
const KEPT_BYTES: usize = 4 * READ_BYTES;

/// One line of input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// Its text, without the line break and white space around it.
    Text(Bytes),
    /// It was over the limit, and thrown away.
    TooLong {
        /// The limit, in bytes.
        limit: usize,
        /// The id of the request that it was, or that it answers, as JSON text, if it was one of these.
        id: Option<Box<str>>,
        /// It was an answer.
        is_answer: bool,
    },
}

/// Cuts a stream of bytes into lines, without looking at any byte twice. A line over the limit is thrown away as it
/// comes in, and told as such.
#[derive(Debug)]
pub struct LineSplitter {
    buffer: BytesMut,
    /// Bytes at the start of the buffer that hold no line break.
    searched: usize,
    limit: usize,
    /// The current line is over the limit: it is thrown away, but for what its answer needs.
    skipping: Option<Glimpse>,
}

impl LineSplitter {
    /// For lines of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::with_capacity(READ_BYTES), searched: 0, limit, skipping: None }
    }

    /// Where the next bytes go, with some room.
    pub fn room(&mut self) -> &mut BytesMut {
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BYTES {
            self.buffer = BytesMut::with_capacity(READ_BYTES);
        }
        self.buffer.reserve(READ_BYTES / 4);
        &mut self.buffer
    }

    /// The next whole line; `None` when more bytes are needed. Blank lines are passed over.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                if self.searched > self.limit || self.skipping.is_some() {
                    self.skipping.get_or_insert(Glimpse::new()).read(&self.buffer);
                    self.buffer.clear();
                    self.searched = 0;
                }
                return None;
            };
            let line = self.buffer.split_to(self.searched + at + 1);
            self.searched = 0;
            if self.skipping.is_some() || line.len() > self.limit + 1 {
                return Some(self.too_long(&line));
            }
            if let Some(line) = content(&line.freeze()) {
                return Some(Line::Text(line));
            }
        }
    }

    /// The line that ends with these bytes is over the limit.
    fn too_long(&mut self, end: &[u8]) -> Line {
        let mut skipped = self.skipping.take().unwrap_or(Glimpse::new());
        skipped.read(end);
        let is_answer = skipped.is_answer();
        Line::TooLong { limit: self.limit, id: skipped.id(), is_answer }
    }

    /// Bytes of the unfinished line.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// What stands after the last line break once the input has ended.
    pub fn last_line(&mut self) -> Option<Line> {
        self.searched = 0;
        let line = self.buffer.split().freeze();
        if self.skipping.is_some() {
            return Some(self.too_long(&line));
        }
        content(&line).map(Line::Text)
    }
}

/// A line without its end; `None` when it is blank, which is not worth an error.
fn content(line: &Bytes) -> Option<Bytes> {
    let trimmed = line.trim_ascii();
    (!trimmed.is_empty()).then(|| line.slice_ref(trimmed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&[u8]], limit: usize) -> Vec<Option<Bytes>> {
        let mut splitter = LineSplitter::new(limit);
        let mut found = Vec::new();
        for chunk in chunks {
            splitter.room().extend_from_slice(chunk);
            while let Some(line) = splitter.next_line() {
                found.push(line);
            }
        }
        found.extend(splitter.last_line());
        found
            .into_iter()
            .map(|line| match line {
                Line::Text(bytes) => Some(bytes),
                Line::TooLong { .. } => None,
            })
            .collect()
    }

    #[test]
    fn lines_are_cut_at_line_breaks_and_blank_ones_left_out() {
        assert_eq!(
            lines(&[b"a\r\nb", b"c\n\n \nd"], 9),
            [Some("a".into()), Some("bc".into()), Some("d".into())]
        );
    }

    #[test]
    fn a_line_over_the_limit_is_told_once_and_the_next_is_read() {
        for chunks in
            [&[&b"12345\nab\n"[..]][..], &[b"123", b"45", b"6789", b"\nab", b"\n"], &[b"1234", b"5\nab\n"]]
        {
            assert_eq!(lines(chunks, 4), [None, Some("ab".into())]);
        }
        assert_eq!(lines(&[b"1234\n"], 4), [Some("1234".into())]);
        assert_eq!(lines(&[b"12345"], 4), [None]);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(text in "[a\\n\\r ]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..8), limit in 1_usize..9) {
            let whole = lines(&[text.as_bytes()], limit);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<_> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(lines(&chunks, limit), whole);
        }
    }
}
