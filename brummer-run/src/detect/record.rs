//! The level that a logger has written before a message. A line of a low level is no error, whatever words it has.
//!
//! Loggers write time, level, thread, name and number in any order. What stands before the level has to look like one of
//! these; a sentence that has a level among its words has not.

use super::prefix::{self, Prefix};

/// How much a logger says a message matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    /// Below a warning.
    Low,
    Warning,
    Error,
}

/// What stands before a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Record {
    pub(super) level: Level,
    /// Where the message begins.
    pub(super) message: usize,
    /// A logger has written it for certain, and no compiler that says `warning: ` like one.
    pub(super) is_certain: bool,
}

/// How far from its beginning a line is looked at.
const MOST: usize = 200;

/// How many names, numbers and brackets may stand before the level.
const PARTS: usize = 12;

/// How long a name is, or what is in brackets.
const NAME: usize = 80;

/// The levels, as loggers write them in capitals. Those in short are of serilog and zerolog.
const LEVELS: [(&str, Level); 29] = [
    ("TRACE", Level::Low),
    ("DEBUG", Level::Low),
    ("INFO", Level::Low),
    ("INFORMATION", Level::Low),
    ("NOTICE", Level::Low),
    ("NOTE", Level::Low),
    ("VERBOSE", Level::Low),
    ("SILLY", Level::Low),
    ("TRC", Level::Low),
    ("TRCE", Level::Low),
    ("DBG", Level::Low),
    ("DBUG", Level::Low),
    ("VRB", Level::Low),
    ("INF", Level::Low),
    ("WARN", Level::Warning),
    ("WARNING", Level::Warning),
    ("WRN", Level::Warning),
    ("ERROR", Level::Error),
    ("ERR", Level::Error),
    ("FATAL", Level::Error),
    ("FTL", Level::Error),
    ("CRITICAL", Level::Error),
    ("CRIT", Level::Error),
    ("CRT", Level::Error),
    ("SEVERE", Level::Error),
    ("ALERT", Level::Error),
    ("EMERGENCY", Level::Error),
    ("EMERG", Level::Error),
    ("PANIC", Level::Error),
];

/// They begin the lines of a system's log.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Words that are levels only where it is certain that a logger has written them.
const RARE: [(&str, Level); 11] = [
    ("LOG", Level::Low),
    ("HINT", Level::Low),
    ("DETAIL", Level::Low),
    ("CONTEXT", Level::Low),
    ("STATEMENT", Level::Low),
    ("SUCCESS", Level::Low),
    ("SYSTEM", Level::Low),
    ("FINEST", Level::Low),
    ("FINER", Level::Low),
    ("FINE", Level::Low),
    ("CONFIG", Level::Low),
];

/// Parts of what builds and tests say at a low level.
const NEWS: [&str; 15] = [
    "BUILD",
    "Running ",
    "Tests run",
    "Started ",
    "startup",
    "ompil",
    "uil",
    "eload",
    "estart",
    "eady",
    "passed",
    "0 ",
    "hanges",
    "Total time: ",
    "✅ success",
];

/// From here on they are those of Java, which writes the time into the line before.
const JAVA: usize = 7;

/// The level that a logger has written for certain into a whole line.
pub(crate) fn level_of(line: &str) -> Option<Level> {
    let Prefix { rest, is_of_system, .. } = prefix::read(line, |_| false);
    let text = prefix::without_time(rest);
    read(text, is_of_system || text.len() < rest.len())
        .filter(|record| record.is_certain)
        .map(|record| record.level)
}

/// Whether no rule has anything to say of a line: a logger has written it at a low level, as most of a log, and it has none of
/// the words with which builds and tests tell of themselves in this way. It spares most of a log the rules, which take longer.
pub(super) fn is_chatter(line: &str, is_timed: bool) -> bool {
    read(line, is_timed).is_some_and(|record| {
        record.level == Level::Low
            && record.is_certain
            && !NEWS.iter().any(|word| line[record.message..].contains(word))
    })
}

/// Reads what stands before the message of a line. `is_timed` says that it had a time in front, which is gone.
pub(super) fn read(line: &str, is_timed: bool) -> Option<Record> {
    let head = super::engine::cut(line, MOST);
    if let Some(found) = letter(head) {
        return Some(found);
    }
    let mut at = head.len() - head.trim_start().len();
    // A time or a bracket: something that sentences do not have.
    let mut is_certain = is_timed;
    let (mut names, mut numbers) = (0, 0);
    for part in 0..PARTS {
        let rest = &head[at..];
        let first = rest.chars().next()?;
        if let Some(closing) = closing(first) {
            let inside = &rest[first.len_utf8()..];
            let end = inside.find(closing).filter(|end| *end <= NAME)?;
            let after = at + first.len_utf8() + end + closing.len_utf8();
            if let Some(level) = bracketed(&inside[..end]).filter(|_| first == '[') {
                return Some(Record { level, message: message(line, after), is_certain: true });
            }
            // What a package manager or a tool says in brackets is not a level of a logger by itself.
            is_certain |= first == '[' || first == '{';
            at = after + gap(&head[after..]);
            continue;
        }
        let is_number = first.is_ascii_digit();
        // What has digits in front may go on with colons.
        let ends = |c: char| ends_word(c) && !(is_number && matches!(c, ':' | ','));
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let after = &rest[word.len()..];
        let is_first = part == 0 && is_timed;
        if let Some(level) = level(word, after, is_certain)
            .or_else(|| any_case(word).filter(|_| is_first && after.starts_with(" [")))
            .or_else(|| {
                initial(word).filter(|_| is_certain && numbers > 1 && names == 0 && after.starts_with(' '))
            })
        {
            // `name - LEVEL - ` and `name LEVEL:` are told by what is behind, too.
            let is_told =
                names == 0 || is_certain || after.starts_with([':', '|']) || after.starts_with(" - ");
            let is_certain = is_certain
                || after.starts_with(" - ")
                || after.starts_with("  ")
                || after.starts_with(['|', '\t'])
                || after.starts_with(':') && word.bytes().all(|byte| byte.is_ascii_uppercase())
                || is_of_dotnet(after);
            return is_told.then(|| Record { level, message: message(line, at + word.len()), is_certain });
        }
        if is_number {
            is_certain |= is_time(word);
            numbers += 1;
        } else if word.is_empty() {
            // A mark between two parts.
            if !matches!(first, '|' | '-' | ':' | '*' | ',' | '.' | ']') {
                return None;
            }
            at += first.len_utf8();
            at += gap(&head[at..]);
            continue;
        } else if word.bytes().any(|byte| !b"-*.".contains(&byte)) && !MONTHS.contains(&word) {
            names += 1;
            if !is_name(word) || names > 2 {
                return None;
            }
        }
        at += word.len();
        let next = &head[at..];
        // `local.INFO: `
        if let Some((channel, level)) = word.rsplit_once('.')
            && next.starts_with(": ")
            && !channel.is_empty()
            && let Some(level) = capital(level)
        {
            return Some(Record { level, message: message(line, at), is_certain: true });
        }
        let step = gap(next);
        if step == 0 && !next.starts_with(['[', '(', ':', ',', '|', ']', '\t']) {
            return None;
        }
        at += step;
    }
    None
}

/// `I1129 12:00:00.123 4711 main.go:12] ` of glog, and `I, [2026-11-29T12:00:00 #4711]  INFO -- : ` of Ruby.
fn letter(head: &str) -> Option<Record> {
    let [b'V' | b'D' | b'I' | b'W' | b'E' | b'F' | b'A', rest @ ..] = head.as_bytes() else { return None };
    let level = initial(&head[..1])?;
    let record = |message| Some(Record { level, message, is_certain: true });
    // Android: `W/Shop( 4711): `.
    if rest.starts_with(b"/") {
        let (tag, number) = head.split_once("): ")?.0.split_once('(')?;
        let is_number = !number.is_empty() && number.trim().bytes().all(|byte| byte.is_ascii_digit());
        let is_tag =
            tag.trim_end().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_.:-".contains(&byte));
        return record(message(head, head.find("): ")? + 3)).filter(|_| is_number && is_tag);
    }
    if rest.starts_with(b", [") {
        let end = head.find("]")?;
        let after = head[end..].find(" -- ")?;
        return record(message(head, end + after + 3));
    }
    let (date, time) = head[1..].split_once(' ')?;
    let is_date = date.len() == 4 && date.bytes().all(|byte| byte.is_ascii_digit());
    if is_date && time.split(' ').next().is_some_and(is_time) {
        return record(message(head, head.find("] ")? + 1));
    }
    None
}

/// The level that a letter stands for.
fn initial(letter: &str) -> Option<Level> {
    match letter {
        "V" | "D" | "I" => Some(Level::Low),
        "W" => Some(Level::Warning),
        "E" | "F" | "A" | "C" => Some(Level::Error),
        _ => None,
    }
}

/// Whether a level is followed as that of the console of .NET, which writes the message into the next line: `: Shop.Cart[0]`.
fn is_of_dotnet(after: &str) -> bool {
    let number = after
        .strip_prefix(": ")
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|rest| rest.split_once('['));
    number.is_some_and(|(name, number)| {
        !name.contains(' ') && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Whether a word is a time or a date: `12:00:00.123`, `2026-11-29`, `11/29/2026,`.
fn is_time(word: &str) -> bool {
    [':', '-', '/'].iter().any(|between| {
        let mut parts = word.split(*between);
        let is_part =
            |part: Option<&str>| part.is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()));
        is_part(parts.next()) && is_part(parts.next()) && is_part(parts.next())
    })
}

/// A level in brackets: `[INFO]`, `[12:00:00 INF]`, `[2026-11-29 12:00:00,123: INFO/MainProcess]`, `[core:notice]`,
/// `[main/INFO]`, `[I 12:00:00.123 ServerApp]`.
fn bracketed(inside: &str) -> Option<Level> {
    if let Some((_, level)) = inside.rsplit_once('/')
        && let Some(level) = capital(level)
    {
        return Some(level);
    }
    if let Some((letter, rest)) = inside.split_once(' ')
        && rest.starts_with(|c: char| c.is_ascii_digit())
        && let Some(level) = initial(letter)
    {
        return Some(level);
    }
    let last = inside.trim_end().rsplit([' ', ':']).next()?;
    let word = last.split('/').next()?;
    let before = &inside[..inside.trim_end().len() - last.len()];
    let is_time = before.bytes().all(|byte| byte.is_ascii_digit() || b" -:.,TZ+/".contains(&byte));
    let is_module =
        before.strip_suffix(':').is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_lowercase()));
    if !is_time && !is_module {
        return None;
    }
    any_case(word)
}

/// The level that a word is, by what follows it.
fn level(word: &str, after: &str, is_certain: bool) -> Option<Level> {
    let ends = after.is_empty() || after.starts_with([' ', '\t', ':', ']', '|', '[', '(']);
    if !ends {
        return None;
    }
    if let Some(level) = capital(word) {
        return Some(level);
    }
    if let Some(index) = RARE.iter().position(|(name, _)| *name == word)
        && (is_certain || index >= JAVA && after.starts_with(": ") || index == 0 && after.starts_with("  "))
    {
        return Some(RARE[index].1);
    }
    // In small letters they are words like any others, but for what follows.
    let is_marked =
        after.starts_with([':', ']', '|', '\t']) || ["  ", " - "].iter().any(|mark| after.starts_with(mark));
    if is_marked { any_case(word) } else { None }
}

fn capital(word: &str) -> Option<Level> {
    LEVELS.iter().find(|(name, _)| *name == word).map(|(_, level)| *level)
}

fn any_case(word: &str) -> Option<Level> {
    LEVELS
        .iter()
        .chain(&RARE[5..7])
        .find(|(name, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, level)| *level)
}

fn closing(first: char) -> Option<char> {
    match first {
        '[' => Some(']'),
        '(' => Some(')'),
        '{' => Some('}'),
        '<' => Some('>'),
        _ => None,
    }
}

fn ends_word(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '[' | ']' | '(' | ')' | '|' | '{' | '}' | '<' | '>' | ',' | '"' | '\'' | '=')
        || c == ':'
}

/// Whether a word may be the name of a logger, a thread or a machine. What names an error is none.
fn is_name(word: &str) -> bool {
    let is_word = word.len() <= NAME
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-/@#$+*".contains(&byte) || byte >= 0x80);
    // `uvicorn.error` is a logger.
    let is_logger =
        word.rsplit_once('.').is_some_and(|(_, last)| last.starts_with(|c: char| c.is_ascii_lowercase()));
    let names_error =
        ["Error", "Exception", "rror", "rrors", "ERR", "ail", "ailed", "FAIL", "anic", "atal", "rashed"]
            .iter()
            .any(|part| word.ends_with(part));
    is_word && (is_logger || !names_error)
}

/// How much white space a text begins with, and a mark between two parts.
fn gap(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// Where the message begins that follows this place.
fn message(line: &str, at: usize) -> usize {
    let rest = &line[at..];
    line.len() - rest.trim_start_matches([' ', '\t', ':', '|', '-', ']']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_and_tests_say_is_no_chatter() {
        for line in [
            "[INFO] BUILD SUCCESS",
            "[INFO] Running shop.CartTest",
            "[INFO] Tests run: 2, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.05 s -- in shop.CartTest",
            "INFO:     Application startup complete.",
            "INFO 4711 --- [main] shop.Shop : Started Shop in 2.3 seconds (process running for 2.9)",
            "[12:00:00] INFO (4711): compiled successfully",
            "careful: no logger",
            "[WARN] careful",
            "[ERROR] careful",
        ] {
            assert!(!is_chatter(line, false), "{line}");
        }
        for line in
            ["[INFO] Error: x", "INFO:root:failed", "12:00:00 DEBUG 4711 --- [main] shop.Shop : failed: x"]
        {
            assert!(is_chatter(line, false), "{line}");
        }
    }
}
