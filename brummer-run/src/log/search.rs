//! Which entries are wanted, and the page of them that is given out. Pure.

use std::{fmt, sync::Arc};

use regex::{Regex, RegexBuilder};

use super::{level::Level, ring::Stored};

/// How large the program of a pattern may become. Patterns that people write take a few KiB.
const MAX_PATTERN: usize = 1024 * 1024;

/// What an entry must be like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) processes: Which,
    /// At least this level.
    pub(crate) level: Option<Level>,
    /// Its text has this.
    pub(crate) text: Option<Pattern>,
    /// Said at this time or later, in milliseconds of Unix time.
    pub(crate) since: Option<i64>,
    /// Only what the script itself has said, not the command that its package manager shows first.
    pub(crate) no_echo: bool,
}

/// Whose entries, by the numbers of processes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Which {
    #[default]
    All,
    Only(Vec<u32>),
    /// Also of those that are started later.
    AllBut(Vec<u32>),
}

/// What is looked for in a text.
#[derive(Clone)]
pub(crate) struct Pattern(Regex);

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.0.as_str()).finish()
    }
}

impl Pattern {
    /// Words, in any case.
    pub(crate) fn words(words: &str) -> Result<Self, String> {
        Self::build(&regex::escape(words), true)
    }

    /// A regular expression. `^` and `$` are the ends of lines.
    pub(crate) fn regex(pattern: &str) -> Result<Self, String> {
        Self::build(pattern, false)
    }

    fn build(pattern: &str, any_case: bool) -> Result<Self, String> {
        let mut builder = RegexBuilder::new(pattern);
        builder.case_insensitive(any_case).multi_line(true).size_limit(MAX_PATTERN);
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl Filter {
    /// Whether entries of this process may be wanted at all.
    pub(crate) fn takes_process(&self, process: u32) -> bool {
        match &self.processes {
            Which::All => true,
            Which::Only(wanted) => wanted.contains(&process),
            Which::AllBut(others) => !others.contains(&process),
        }
    }

    /// Whether an entry of such a process is wanted.
    pub(super) fn takes(&self, entry: &Stored<'_>) -> bool {
        self.level.is_none_or(|level| entry.level >= level)
            && !(self.no_echo && entry.is_echo)
            && self.since.is_none_or(|since| entry.last >= since)
            && self.text.as_ref().is_none_or(|text| text.is_in(entry.plain))
    }
}

/// Where in the log a page is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Start {
    /// The newest entries.
    #[default]
    Newest,
    /// The first ones after this number.
    After(u64),
    /// The last ones before this number.
    Before(u64),
}

/// One entry, for whoever asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) process: u32,
    /// Id and name of the process.
    pub(crate) id: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) content: String,
    pub(crate) level: Level,
    pub(crate) is_error: bool,
    pub(crate) at: i64,
    pub(crate) last: i64,
    pub(crate) repeats: u32,
}

/// Entries in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    /// Entries after this number have not been seen yet.
    pub(crate) cursor: u64,
    /// There are wanted entries before the first one of this page.
    pub(crate) has_older: bool,
    /// There are wanted entries after the last one of this page.
    pub(crate) has_newer: bool,
    /// Entries that could have been wanted were overwritten before they were asked for.
    pub(crate) missed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(plain: &str) -> Stored<'_> {
        let level = Level::Warn;
        Stored {
            number: 1,
            plain,
            raw: plain,
            level,
            is_error: false,
            is_echo: false,
            at: 5,
            last: 9,
            repeats: 1,
        }
    }

    #[test]
    fn words_are_taken_literally_and_in_any_case() {
        let pattern = Pattern::words("a.B(").unwrap();
        assert!(pattern.is_in("xA.b(y") && !pattern.is_in("aXb("));
        let pattern = Pattern::regex("^b.d$").unwrap();
        assert!(pattern.is_in("abc\nbcd\nx") && !pattern.is_in("BCD"));
    }

    #[test]
    fn bad_patterns_are_explained() {
        assert!(Pattern::regex("(").unwrap_err().contains("unclosed group"));
        assert!(Pattern::regex(r"\w{1000}{1000}").unwrap_err().contains("size limit"));
    }

    #[test]
    fn every_condition_counts() {
        let entry = stored("slow query");
        assert!(Filter::default().takes(&entry));
        let level = |level| Filter { level: Some(level), ..Filter::default() }.takes(&entry);
        assert!(level(Level::Warn) && !level(Level::Error));
        let since = |since| Filter { since: Some(since), ..Filter::default() }.takes(&entry);
        assert!(since(9) && !since(10));
        let echo = Stored { is_echo: true, ..stored("> slow") };
        let no_echo = Filter { no_echo: true, ..Filter::default() };
        assert!(no_echo.takes(&entry) && !no_echo.takes(&echo) && Filter::default().takes(&echo));
        let filter = |processes| Filter { processes, ..Filter::default() };
        let (only, but) = (filter(Which::Only(vec![3])), filter(Which::AllBut(vec![3])));
        assert_eq!([3, 4].map(|process| only.takes_process(process)), [true, false]);
        assert_eq!([3, 4].map(|process| but.takes_process(process)), [false, true]);
    }
}
