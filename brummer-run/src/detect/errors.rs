//! Errors in the output: the same one counted, not listed again.

use std::{collections::VecDeque, sync::LazyLock};

use regex::Regex;

/// How many different errors are remembered; the one that was not seen for the longest time goes first.
pub(crate) const MAX_ERRORS: usize = 100;

/// How much of an error's text is kept: a screenful.
const MAX_TEXT: usize = 4 * 1024;

/// How much of its first line.
const MAX_MESSAGE: usize = 300;

/// `src/a.ts(3,5)`, `at f (/app/a.js:3:5)`, `File "a.py", line 3`, `src/main.rs:2:5`.
static PLACE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?x)
        (?P<file> (?:file://)? (?:[A-Za-z]:)? [\w@~./\\+-]* [\w-] \.[A-Za-z]\w{0,4} )
        (?: :(?P<line>\d+)(?::(?P<column>\d+))?
          | \((?P<line2>\d+),(?P<column2>\d+)\)
          | ",\ line\ (?P<line3>\d+) )"#;
    Regex::new(pattern).expect("part of the program, and tested")
});

/// `TypeError`, `NullPointerException`, `TS2322`, `ELIFECYCLE`.
static KIND: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"\b([A-Z]\w*(?:Error|Exception)|TS\d{3,5}|E[A-Z]{5,}|error\[E\d{4}\]|ERR_[A-Z_]+)\b?";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// What changes from one time to the next: numbers, hashes.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,}\b|\d+").expect("part of the program, and tested")
});

/// An error and how often it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FoundError {
    /// The line that says what went wrong.
    pub(crate) message: String,
    /// What it is called: `TypeError`, `TS2322`.
    pub(crate) kind: Option<String>,
    /// Where in the project's own source: `src/a.ts:3:5`.
    pub(crate) place: Option<String>,
    /// All of it, as it came the last time.
    pub(crate) text: String,
    pub(crate) process: u32,
    pub(crate) count: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// The entry of the log in which it came the last time.
    pub(crate) entry: u64,
    fingerprint: String,
}

/// The errors that were found. Owned by the log's task.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    found: VecDeque<FoundError>,
}

impl Errors {
    /// Takes note of an entry that is an error.
    pub(crate) fn take(&mut self, process: u32, text: &str, at: i64, entry: u64) {
        let message = cut(message(text), MAX_MESSAGE);
        let fingerprint = VARIABLE.replace_all(message, "#").into_owned();
        let known =
            self.found.iter().position(|known| known.process == process && known.fingerprint == fingerprint);
        if let Some(mut known) = known.and_then(|index| self.found.remove(index)) {
            known.count += 1;
            known.last = at;
            known.entry = entry;
            cut(text, MAX_TEXT).clone_into(&mut known.text);
            self.found.push_back(known);
            return;
        }
        if self.found.len() == MAX_ERRORS {
            self.found.pop_front();
        }
        self.found.push_back(FoundError {
            message: message.trim().to_owned(),
            kind: KIND.captures(message).map(|found| found[1].to_owned()),
            place: place(text),
            text: cut(text, MAX_TEXT).to_owned(),
            process,
            count: 1,
            first: at,
            last: at,
            entry,
            fingerprint,
        });
    }

    /// A repeat of the entry that came last, which the log does not store again.
    pub(crate) fn again(&mut self, process: u32, at: i64) {
        if let Some(known) = self.found.iter_mut().rev().find(|known| known.process == process) {
            known.count += 1;
            known.last = at;
        }
    }

    /// All of them; the one that came last is the last.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &FoundError> {
        self.found.iter()
    }

    /// Forgets those of a process.
    pub(crate) fn forget(&mut self, process: u32) {
        self.found.retain(|known| known.process != process);
    }
}

/// The line of a trace that says what went wrong.
fn message(text: &str) -> &str {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    if first.starts_with("Traceback ") {
        return text.lines().rev().find(|line| !line.starts_with([' ', '\t'])).unwrap_or(first);
    }
    if first.starts_with("thread '") && first.ends_with(':') {
        return lines.next().unwrap_or(first);
    }
    // Below the place that Node prints first, the source line and what points at its part.
    let is_place = PLACE.find(first).is_some_and(|place| place.as_str() == first.trim());
    let below = is_place.then(|| lines.skip(1).find(|line| !line.starts_with([' ', '\t', '^'])));
    below.flatten().unwrap_or(first)
}

/// The first place that is in the project, else the first place.
fn place(text: &str) -> Option<String> {
    let mut places = PLACE.captures_iter(text).map(|found| {
        let group = |names: [&str; 3]| names.iter().find_map(|name| found.name(name)).map(|it| it.as_str());
        let line = group(["line", "line2", "line3"]).unwrap_or_default();
        match group(["column", "column2", "column2"]) {
            Some(column) => format!("{}:{line}:{column}", &found["file"]),
            None => format!("{}:{line}", &found["file"]),
        }
    });
    let first = places.next()?;
    let own = |place: &String| !place.contains("node_modules") && !place.contains("internal/");
    if own(&first) { Some(first) } else { Some(places.find(own).unwrap_or(first)) }
}

/// The beginning of a text, cut between characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> FoundError {
        let mut errors = Errors::default();
        errors.take(1, text, 5, 9);
        errors.found.pop_front().unwrap()
    }

    #[test]
    fn message_kind_and_place_are_read() {
        for (text, message, kind, place) in [
            (
                "src/a.ts(3,5): error TS2322: Type 'x'",
                "src/a.ts(3,5): error TS2322: Type 'x'",
                Some("TS2322"),
                Some("src/a.ts:3:5"),
            ),
            (
                "/app/server.js:3\nthrow new TypeError('a')\n  ^\n\nTypeError: boom\n    at f (/app/server.js:3:9)",
                "TypeError: boom",
                Some("TypeError"),
                Some("/app/server.js:3"),
            ),
            (
                "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\nValueError: no",
                "ValueError: no",
                Some("ValueError"),
                Some("a.py:1"),
            ),
            ("thread 'main' panicked at src/main.rs:2:5:\nboom", "boom", None, Some("src/main.rs:2:5")),
            (
                "Error: x\n    at g (/p/node_modules/a/i.js:1:1)\n    at f (C:\\p\\src\\b.js:2:3)",
                "Error: x",
                None,
                Some("C:\\p\\src\\b.js:2:3"),
            ),
            ("build failed", "build failed", None, None),
        ] {
            let found = one(text);
            assert_eq!(found.message, message);
            assert_eq!(found.kind.as_deref(), kind, "{text}");
            assert_eq!(found.place.as_deref(), place, "{text}");
        }
    }

    #[test]
    fn the_same_error_is_counted() {
        let mut errors = Errors::default();
        errors.take(1, "Error: request 17 failed after 30 ms", 1, 1);
        errors.take(1, "other error", 2, 2);
        errors.take(1, "Error: request 18 failed after 31 ms", 3, 3);
        errors.take(2, "Error: request 18 failed after 31 ms", 4, 4);
        errors.again(2, 5);
        let counts: Vec<_> = errors.iter().map(|it| (it.process, it.count, it.last, it.entry)).collect();
        assert_eq!(counts, [(1, 1, 2, 2), (1, 2, 3, 3), (2, 2, 5, 4)]);
    }

    #[test]
    fn their_number_and_length_are_bounded() {
        let mut errors = Errors::default();
        for letter in 0..3 * MAX_ERRORS {
            let name: String = std::iter::repeat_n('x', letter + 1).collect();
            errors.take(1, &format!("error {name}\n{}", "é".repeat(MAX_TEXT)), 1, 1);
        }
        assert_eq!(errors.iter().count(), MAX_ERRORS);
        assert!(errors.iter().all(|it| it.text.len() <= MAX_TEXT && it.message.len() <= MAX_MESSAGE));
    }
}
