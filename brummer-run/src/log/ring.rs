//! The last lines of one process, in a bounded room. Owned by the log's task.

use std::collections::VecDeque;

use super::level::Level;

/// Room for the text of one process, both with and without control sequences. With the usual hundred bytes a line it is
/// never what limits; long lines must not make a process cost more than this.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Text is stored in pieces of this size, which are let go of one by one.
const SEGMENT: usize = 64 * 1024;

/// Lines and traces of one process, the oldest first.
#[derive(Debug)]
pub(super) struct Ring {
    limit: usize,
    records: VecDeque<RingEntry>,
    segments: VecDeque<Segment>,
    /// A segment that was let go of, for the next one.
    spare: Option<String>,
    /// The highest number among those that were let go of.
    evicted: u64,
}

/// A piece of the process's text, by the position of its first byte in all of it.
#[derive(Debug)]
struct Segment {
    base: u64,
    text: String,
}

/// Where the last segment ends, and how much fits behind that.
#[derive(Clone, Copy, Debug)]
struct SegmentEnd {
    offset: u64,
    room: usize,
}

/// One entry, with its text elsewhere.
#[derive(Clone, Copy, Debug)]
struct RingEntry {
    number: u64,
    at: i64,
    last: i64,
    offset: u64,
    plain: u32,
    raw: u32,
    repeats: u32,
    level: Level,
    is_error: bool,
    is_echo: bool,
}

/// What is to be stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredLine<'a> {
    /// Without control sequences.
    pub(super) plain: &'a str,
    /// With them, if there are any.
    pub(super) raw: Option<&'a str>,
    pub(super) level: Level,
    pub(super) is_error: bool,
    /// The package manager says what it runs.
    pub(super) is_echo: bool,
    /// Milliseconds of Unix time.
    pub(super) at: i64,
}

/// An entry as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    pub(super) number: u64,
    pub(super) plain: &'a str,
    pub(super) raw: &'a str,
    pub(super) level: Level,
    pub(super) is_error: bool,
    pub(super) is_echo: bool,
    pub(super) at: i64,
    /// When it was said for the last time.
    pub(super) last: i64,
    /// How often it was said in a row.
    pub(super) repeats: u32,
}

impl Ring {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            records: VecDeque::new(),
            segments: VecDeque::new(),
            spare: None,
            evicted: 0,
        }
    }

    /// Stores an entry under this number, unless it says the same as the one before it. Returns whether it was new.
    pub(super) fn push(&mut self, number: u64, line: StoredLine<'_>) -> bool {
        if let Some(last) = self.records.back().copied()
            && last.plain as usize == line.plain.len()
            && last.is_error == line.is_error
            && last.is_echo == line.is_echo
            && self.text(last.offset, last.plain) == line.plain
        {
            if let Some(record) = self.records.back_mut() {
                record.repeats = record.repeats.saturating_add(1);
                record.last = line.at;
            }
            return false;
        }
        let raw = line.raw.unwrap_or_default();
        let offset = self.store(line.plain, raw);
        self.records.push_back(RingEntry {
            number,
            at: line.at,
            last: line.at,
            offset,
            plain: length(line.plain),
            raw: length(raw),
            repeats: 1,
            level: line.level,
            is_error: line.is_error,
            is_echo: line.is_echo,
        });
        self.make_room();
        true
    }

    /// Stores whole lines without anything in them but text, from this number on, with one copy for as many as fit into a
    /// segment. Returns how many of them were new.
    pub(super) fn push_lines(&mut self, first: u64, lines: &str, is_error: bool, at: i64) -> u64 {
        let bytes = lines.as_bytes();
        let mut number = first;
        // From here on nothing is copied yet, and this is where it goes.
        let mut run = 0;
        let mut place = self.place();
        let mut start = 0;
        let mut before: Option<&[u8]> = None;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let line = &bytes[start..end];
            let repeats = match before {
                Some(before) => before == line,
                None => self.repeats(line, is_error),
            };
            if repeats {
                self.append(&lines[run..start], "");
                if let Some(record) = self.records.back_mut() {
                    record.repeats = record.repeats.saturating_add(1);
                    record.last = at;
                }
                (run, place) = (end + 1, self.place());
            } else {
                if end + 1 - run > place.room {
                    self.append(&lines[run..start], "");
                    if self.place().room < end + 1 - start {
                        self.next_segment(end + 1 - start);
                    }
                    (run, place) = (start, self.place());
                }
                self.records.push_back(RingEntry {
                    number,
                    at,
                    last: at,
                    offset: place.offset + (start - run) as u64,
                    plain: u32::try_from(line.len()).unwrap_or(u32::MAX),
                    raw: 0,
                    repeats: 1,
                    level: Level::Info,
                    is_error,
                    is_echo: false,
                });
                number += 1;
            }
            before = Some(line);
            start = end + 1;
        }
        self.append(&lines[run..start], "");
        self.make_room();
        number - first
    }

    /// Whether the last entry says the same.
    fn repeats(&self, line: &[u8], is_error: bool) -> bool {
        self.records.back().is_some_and(|last| {
            last.plain as usize == line.len()
                && last.is_error == is_error
                && !last.is_echo
                && self.text(last.offset, last.plain).as_bytes() == line
        })
    }

    /// The highest number that was let go of; 0 if none was.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// All entries, the oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Stored<'_>> {
        self.records.iter().map(|record| self.stored(record))
    }

    /// Entries with a higher number, the oldest first.
    pub(super) fn after(&self, number: u64) -> impl Iterator<Item = Stored<'_>> {
        let first = self.records.partition_point(|record| record.number <= number);
        self.records.range(first..).map(|record| self.stored(record))
    }

    /// Entries with a lower number, the newest first.
    pub(super) fn before(&self, number: u64) -> impl Iterator<Item = Stored<'_>> {
        let end = self.records.partition_point(|record| record.number < number);
        self.records.range(..end).rev().map(|record| self.stored(record))
    }

    fn stored(&self, record: &RingEntry) -> Stored<'_> {
        let plain = self.text(record.offset, record.plain);
        let raw = match record.raw {
            0 => plain,
            length => self.text(record.offset + u64::from(record.plain), length),
        };
        Stored {
            number: record.number,
            plain,
            raw,
            level: record.level,
            is_error: record.is_error,
            is_echo: record.is_echo,
            at: record.at,
            last: record.last,
            repeats: record.repeats,
        }
    }

    /// The stored text; empty for a range that is not stored, which does not happen.
    fn text(&self, offset: u64, length: u32) -> &str {
        let index = self.segments.partition_point(|segment| segment.base <= offset);
        let Some(segment) = index.checked_sub(1).and_then(|index| self.segments.get(index)) else {
            return "";
        };
        let start = usize::try_from(offset - segment.base).unwrap_or(usize::MAX);
        segment.text.get(start..start.saturating_add(length as usize)).unwrap_or("")
    }

    fn store(&mut self, plain: &str, raw: &str) -> u64 {
        let needed = plain.len() + raw.len();
        if self.segments.is_empty() || self.place().room < needed {
            self.next_segment(needed);
        }
        self.append(plain, raw)
    }

    /// Where the next text goes.
    fn place(&self) -> SegmentEnd {
        self.segments.back().map_or(SegmentEnd { offset: 0, room: 0 }, |segment| SegmentEnd {
            offset: segment.end(),
            room: segment.text.capacity() - segment.text.len(),
        })
    }

    /// Begins a segment that has room for this much.
    fn next_segment(&mut self, needed: usize) {
        let base = self.segments.back().map_or(0, Segment::end);
        let spare = self.spare.take().filter(|spare| spare.capacity() >= needed);
        let text = spare.unwrap_or_else(|| String::with_capacity(SEGMENT.max(needed)));
        self.segments.push_back(Segment { base, text });
    }

    /// Puts a text into the last segment, which has room for it, and returns where it stands.
    fn append(&mut self, plain: &str, raw: &str) -> u64 {
        let Some(segment) = self.segments.back_mut() else { return 0 };
        let offset = segment.end();
        segment.text.push_str(plain);
        segment.text.push_str(raw);
        offset
    }

    fn bytes(&self) -> usize {
        match (self.records.front(), self.segments.back()) {
            (Some(first), Some(last)) => usize::try_from(last.end() - first.offset).unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// Lets go of the oldest entries as far as there are too many.
    fn make_room(&mut self) {
        let surplus = self.records.len().saturating_sub(self.limit);
        if surplus > 0 {
            self.evict(surplus);
        }
        while self.bytes() > MAX_BYTES && self.records.len() > 1 {
            self.evict(1);
        }
    }

    fn evict(&mut self, count: usize) {
        // Numbers grow.
        let last = self.records.drain(..count).next_back();
        self.evicted = last.map_or(self.evicted, |record| record.number);
        let needed = self.records.front().map_or(u64::MAX, |record| record.offset);
        while self.segments.len() > 1 && self.segments.front().is_some_and(|segment| segment.end() <= needed)
        {
            if let Some(mut segment) = self.segments.pop_front() {
                segment.text.clear();
                self.spare = Some(segment.text).filter(|text| text.capacity() <= SEGMENT);
            }
        }
    }
}

impl Segment {
    fn end(&self) -> u64 {
        self.base + self.text.len() as u64
    }
}

fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(plain: &str) -> StoredLine<'_> {
        StoredLine { plain, raw: None, level: Level::Info, is_error: false, is_echo: false, at: 7 }
    }

    #[test]
    fn the_oldest_lines_make_room() {
        let mut ring = Ring::new(3);
        for number in 1..=5 {
            assert!(ring.push(number, line(&format!("line {number}"))));
        }
        let kept: Vec<_> = ring.iter().map(|it| (it.number, it.plain)).collect();
        assert_eq!(kept, [(3, "line 3"), (4, "line 4"), (5, "line 5")]);
        assert_eq!(ring.evicted(), 2);
        assert_eq!(ring.after(3).map(|it| it.number).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(ring.before(5).map(|it| it.number).collect::<Vec<_>>(), [4, 3]);
    }

    #[test]
    fn repeats_are_counted() {
        let mut ring = Ring::new(10);
        ring.push(1, line("again"));
        for at in 8..12 {
            assert!(!ring.push(2, StoredLine { at, ..line("again") }));
        }
        assert!(ring.push(2, StoredLine { is_error: true, ..line("again") }));
        let entries: Vec<_> = ring.iter().map(|it| (it.repeats, it.at, it.last)).collect();
        assert_eq!(entries, [(5, 7, 11), (1, 7, 7)]);
    }

    #[test]
    fn many_lines_at_once_are_stored_as_one_by_one() {
        let long = format!("{}\n", "x".repeat(SEGMENT / 3));
        let texts = [
            "one\ntwo\ntwo\ntwo\n\n\nthree\n".to_owned(),
            "three\nthree\nfour\n".to_owned(),
            long.repeat(2),
            format!("{long}é\n{long}{long}é\n"),
            (0..2000).map(|number| format!("line {} of many\n", number / 2)).collect(),
        ];
        let (mut one, mut many) = (Ring::new(500), Ring::new(500));
        let (mut last_of_one, mut last_of_many) = (0, 0);
        for text in &texts {
            for line_of in text.lines() {
                last_of_one += u64::from(one.push(last_of_one + 1, line(line_of)));
            }
            last_of_many += many.push_lines(last_of_many + 1, text, false, 7);
            let of = |ring: &Ring| -> Vec<_> {
                ring.iter()
                    .map(|it| (it.number, it.plain.to_owned(), it.repeats, it.raw.to_owned()))
                    .collect()
            };
            assert_eq!(of(&one), of(&many));
            assert_eq!((last_of_one, one.evicted()), (last_of_many, many.evicted()));
        }
    }

    #[test]
    fn a_line_without_end_of_repeats_takes_no_room() {
        let mut ring = Ring::new(10);
        for _ in 0..1000 {
            ring.push_lines(1, &"again\n".repeat(10_000), false, 7);
        }
        assert_eq!((ring.iter().count(), ring.iter().next().unwrap().repeats), (1, 10_000_000));
        assert!(ring.segments.iter().map(|it| it.text.capacity()).sum::<usize>() <= 2 * SEGMENT);
    }

    #[test]
    fn colours_are_kept_beside_the_text() {
        let mut ring = Ring::new(10);
        ring.push(1, StoredLine { raw: Some("\x1b[1mbold\x1b[0m"), ..line("bold") });
        ring.push(2, line("plain"));
        let entries: Vec<_> = ring.iter().map(|it| (it.plain, it.raw)).collect();
        assert_eq!(entries, [("bold", "\x1b[1mbold\x1b[0m"), ("plain", "plain")]);
    }

    #[test]
    fn text_has_a_bound_and_stays_right_when_segments_go() {
        let mut ring = Ring::new(100_000);
        let long = "é".repeat(SEGMENT / 3);
        for number in 1..=2000_u64 {
            ring.push(number, line(&format!("{number}{long}")));
            ring.push(number + 5000, line("short"));
        }
        assert!(ring.bytes() <= MAX_BYTES);
        assert!(ring.segments.iter().map(|it| it.text.capacity()).sum::<usize>() <= 2 * MAX_BYTES);
        assert!(ring.iter().all(|it| it.plain == "short" || it.plain.ends_with('é')));
        assert!(ring.iter().filter(|it| it.plain == "short").count() > 100);
    }
}
