//! How much a line matters, told from its words.

use rmcp::schemars::JsonSchema;
use serde::Deserialize;

use crate::detect::record;

/// The level of a line, from the least to the most that matters. Its number is what tools show.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd)]
#[schemars(crate = "rmcp::schemars")]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub(crate) enum Level {
    Debug = 0,
    Info = 1,
    Warn = 2,
    Error = 3,
    Critical = 4,
}

/// The beginnings of words that say a level. They are looked for in any case.
pub(super) const WORDS: [&str; 13] = [
    "error",
    "err!",
    "fail",
    "exception",
    "fatal",
    "critical",
    "panic",
    "warn",
    "debug",
    "trace",
    "verbose",
    "✖",
    "\"level\":",
];

impl Level {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// The level of a line without control sequences. `found` are the places of [`WORDS`] in it, with the word's index.
pub(super) fn of_line(line: &str, found: impl IntoIterator<Item = (usize, usize)>) -> Level {
    // What a package manager repeats of package.json before it runs it.
    if line.starts_with("> ") || line.starts_with("$ ") {
        return Level::Info;
    }
    let mut debug = false;
    let mut highest = None;
    for (word, at) in found {
        let level = match WORDS[word] {
            "\"level\":" => numbered(&line[at + WORDS[word].len()..]),
            "✖" => Some(Level::Error),
            word => named(line, at, word),
        };
        debug |= level == Some(Level::Debug);
        highest = highest.max(level.filter(|level| *level > Level::Info));
    }
    let low = if debug { Level::Debug } else { Level::Info };
    let Some(highest) = highest else { return low };
    // Where a logger has written a level, the other words are those of its message.
    match record::level_of(line) {
        Some(record::Level::Low) => low,
        Some(record::Level::Warning) => Level::Warn,
        Some(record::Level::Error) => highest.max(Level::Error),
        None => highest,
    }
}

/// The level that a word at this place says, if it is meant as one.
fn named(line: &str, at: usize, word: &str) -> Option<Level> {
    let (before, rest) = (&line[..at], &line[at..]);
    let whole: &str = &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())];
    let after = &rest[whole.len()..];
    let level = match word {
        "err!" => return Some(Level::Error),
        "error" if matches(whole, &["error", "errors", "errored"]) => Level::Error,
        "exception" if matches(whole, &["exception"]) => Level::Error,
        "fail" if matches(whole, &["fail", "failed", "fails", "failure", "failures", "failing"]) => {
            Level::Error
        }
        "fatal" if matches(whole, &["fatal"]) => Level::Critical,
        "critical" if matches(whole, &["critical"]) => Level::Critical,
        // The server of Go has caught it, and goes on.
        "panic" if before.ends_with("http: ") && after.starts_with(" serving ") => Level::Error,
        "panic" if matches(whole, &["panic", "panicked"]) => Level::Critical,
        "warn" if matches(whole, &["warn", "warning", "warnings"]) => Level::Warn,
        "debug" if matches(whole, &["debug"]) => Level::Debug,
        "trace" if matches(whole, &["trace"]) => Level::Debug,
        "verbose" if matches(whole, &["verbose"]) => Level::Debug,
        _ => return None,
    };
    // The end of a name such as `TypeError` counts, the end of a word such as `terror` does not.
    let camel = rest.starts_with(|c: char| c.is_ascii_uppercase());
    let attached = before.chars().next_back().is_some_and(|c| {
        (c.is_alphanumeric() && !camel) || matches!(c, '_' | '-' | '/' | '\\' | '.' | '$' | '@' | '#')
    });
    let mut following = after.chars();
    let attached_after = match following.next() {
        Some('_' | '/' | '\\') => true,
        // `error.ts`, `error-handler`, but not `error.` or `error - `.
        Some('.' | '-') => following.next().is_some_and(char::is_alphanumeric),
        Some(c) => c.is_alphanumeric(),
        None => false,
    };
    // Levels below errors are only meant where a logger writes them, not within a sentence.
    let in_sentence =
        level == Level::Debug && !before.trim_end().is_empty() && !before.ends_with(['[', '(', '"', '=']);
    (!attached && !attached_after && !in_sentence && !is_none(before, after)).then_some(level)
}

fn matches(word: &str, forms: &[&str]) -> bool {
    forms.iter().any(|form| word.eq_ignore_ascii_case(form))
}

/// Whether a sentence says that there are none: `0 errors`, `no warnings`, `failed: 0`, `"error": null`.
fn is_none(before: &str, after: &str) -> bool {
    let before = before.trim_end_matches([' ', '(', '[']);
    let last = before.rsplit(|c: char| c.is_whitespace() || c == ',').next().unwrap_or_default();
    if last == "0" || matches(last, &["no", "without", "zero"]) {
        return true;
    }
    let value = after.trim_start_matches(['"', '\'', ' ', ':', '=']);
    let word = &value[..value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len())];
    value.len() < after.len() && matches(word, &["0", "null", "false", "none", "undefined"])
}

/// The numbers that pino and bunyan use.
fn numbered(rest: &str) -> Option<Level> {
    let rest = rest.trim_start();
    let number: u8 = rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()?;
    Some(match number {
        0..=29 => Level::Debug,
        30..=39 => Level::Info,
        40..=49 => Level::Warn,
        50..=59 => Level::Error,
        _ => Level::Critical,
    })
}

/// What else a line is about. The order is that in which they are shown.
const TAGS: [(&str, &[&str]); 4] = [
    ("build", &["build", "bundl", "webpack", "vite", "rollup", "esbuild"]),
    ("test", &["test", "spec", "jest", "vitest", "mocha"]),
    ("lint", &["lint", "prettier", "biome"]),
    ("compile", &["compil", "tsc", "typescript"]),
];

/// The topics of a line.
pub(crate) fn tags(line: &str, level: Level) -> Vec<&'static str> {
    let lower = line.to_ascii_lowercase();
    let topics = TAGS.iter().filter(|(_, words)| words.iter().any(|word| lower.contains(word)));
    let mut tags: Vec<&str> = topics.map(|(tag, _)| *tag).collect();
    match level {
        Level::Error | Level::Critical => tags.push("error"),
        Level::Warn => tags.push("warning"),
        Level::Info | Level::Debug => {}
    }
    tags
}

/// A number by which lines can be sorted: the higher, the sooner one should read it.
pub(crate) fn priority(line: &str, level: Level, is_error: bool, tags: &[&str]) -> u32 {
    let failed = level >= Level::Error && line.to_ascii_lowercase().contains("fail");
    let parts = [
        (is_error, 50),
        (failed, 40),
        (level >= Level::Error, 30),
        (level == Level::Warn, 20),
        (tags.contains(&"test"), 15),
        (tags.contains(&"build"), 10),
    ];
    parts.iter().filter(|(holds, _)| *holds).map(|(_, points)| points).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(line: &str) -> Level {
        let lower = line.to_ascii_lowercase();
        let found = WORDS.iter().enumerate().flat_map(|(index, word)| {
            lower.match_indices(word).map(move |(at, _)| (index, at)).collect::<Vec<_>>()
        });
        of_line(line, found)
    }

    #[test]
    fn words_of_loggers_and_tools_are_told_apart() {
        for (line, wanted) in [
            ("listening on port 3000", Level::Info),
            ("ERROR in ./src/index.js", Level::Error),
            ("src/a.ts(3,5): error TS2322: Type 'string' is not assignable", Level::Error),
            ("TypeError: x is not a function", Level::Error),
            ("npm ERR! code ELIFECYCLE", Level::Error),
            ("  ✖ 3 problems", Level::Error),
            ("Test Suites: 1 failed, 2 passed", Level::Error),
            ("java.lang.NullPointerException", Level::Error),
            ("FATAL: role does not exist", Level::Critical),
            ("thread 'main' panicked at src/main.rs:2:5:", Level::Critical),
            ("(node:12) Warning: deprecated", Level::Warn),
            ("WARN  slow query", Level::Warn),
            ("[debug] cache hit", Level::Debug),
            ("DEBUG cache hit", Level::Debug),
            ("{\"level\":50,\"msg\":\"boom\"}", Level::Error),
            ("{\"level\":30,\"msg\":\"fine\"}", Level::Info),
            ("{\"level\":\"warn\",\"msg\":\"hm\"}", Level::Warn),
            ("warning: 2 errors", Level::Error),
            ("12:00:00.123 [main] INFO shop.Cart - Error: no price", Level::Info),
            ("[DEBUG] Error: no price", Level::Debug),
            ("WARNING:root:failed to load", Level::Warn),
            ("[web] WARNING:root:failed to load", Level::Warn),
            ("2026-11-29 12:00:00 [error] Warning: x", Level::Error),
            ("2026/11/29 12:00:00 http: panic serving 127.0.0.1:4711: no price", Level::Error),
            ("panic: http: panic serving", Level::Critical),
        ] {
            assert_eq!(level(line), wanted, "{line}");
        }
    }

    #[test]
    fn the_absence_of_errors_is_none() {
        for line in [
            "Found 0 errors. Watching for file changes.",
            "compiled with no errors",
            "0 failed, 12 passed",
            "Failed: 0",
            "{\"error\":null,\"ok\":true}",
            "GET /error.html 200",
            "src/error-handler.ts built",
            "src/errors/index.ts",
            "the terror of it",
            "turn on debug for more",
            "3 passed, 0 failures",
            "> shop@1.0.0 fail",
            "$ jest --ci error",
        ] {
            assert_eq!(level(line), Level::Info, "{line}");
        }
    }

    #[test]
    fn priority_adds_up() {
        let line = "build failed";
        let tags = tags(line, Level::Error);
        assert_eq!(tags, ["build", "error"]);
        assert_eq!(priority(line, Level::Error, true, &tags), 50 + 40 + 30 + 10);
        assert_eq!(priority("hello", Level::Info, false, &[]), 0);
    }
}
