//! What stands before a line of a tool: the name that a runner of several scripts puts there, and the time.

use std::sync::LazyLock;

use regex::Regex;

/// What stands before a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Prefix<'a> {
    /// The runner's name for the script, if it puts one there.
    pub(super) name: &'a str,
    pub(super) rest: &'a str,
    /// The system's log has put it there, with a time.
    pub(super) is_of_system: bool,
}

static RUNNER: LazyLock<Regex> = LazyLock::new(|| {
    // `[0] `, `[web] `, `[web   ] `, `[web]: `, `0|web  | `, `web | `, `web-1  | `, `web:dev: `, `packages/web dev: `,
    // `apps/web dev$ `, `@acme/web: `, `web: `
    let pattern = r"^(?:\[(?P<tag>[A-Za-z0-9_@/:.-]{1,40}) *\]:? ?|(?P<number>[0-9]{1,4}\|[A-Za-z_@][A-Za-z0-9_@/:.-]{0,39}) *\| ?|(?P<bar>[A-Za-z0-9_@][A-Za-z0-9_@/:.-]{0,39}) *\| ?|(?P<task>[@A-Za-z0-9_./-]{1,60}:[a-z][A-Za-z0-9_:.-]{0,30}): ?|(?P<package>[@A-Za-z0-9_./-]{1,80} [a-z][A-Za-z0-9_:.-]{0,30})(?:: ?|\$ )|(?P<label>(?:@[a-z0-9_.-]{1,40}/[a-z0-9_.-]{1,60}|[a-z][a-z0-9_-]{1,59})): )";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// `17:21:01 web.1  | ` of foreman and honcho, `5:21:01 PM web.1   |  ` of foreman for Node, which has a blank more.
static FOREMAN: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^[0-9]{1,2}:[0-9]{2}:[0-9]{2} (?:(?P<bar>[A-Za-z_][A-Za-z0-9_.-]{0,39}) *\| ?|[AP]M (?P<node>[A-Za-z_][A-Za-z0-9_.-]{0,39}) *\| {0,2})";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// `Nov 29 12:00:00 host app[4711]: `, the same with a time of ISO 8601, which needs no host, and `<14>1 TIME host app 4711 - - `.
static SYSTEM: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:.]{8,15} \S{1,80} (?:[A-Za-z0-9_@/.-]{1,60}(?:\[[0-9]+\])?): ?|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.,]{8,18}(?:Z|[+-][0-9]{2}:?[0-9]{2}) (?:(?P<host>[^\s:\[]{1,80}) )?(?:[A-Za-z0-9_@/.-]{1,60}\[(?:[a-z_-]{1,30}\.)?[0-9]+\]): ?|<[0-9]{1,3}>1 [0-9T:.,Z+-]{19,35} \S{1,80} (?:\S{1,60} \S{1,60}) \S{1,60} (?:-|\[[^\]]{1,200}\]) )";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// What follows the name of a package that stands alone before its lines: a frame, a place, or what names an error.
static TOLD: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"^(?:\s{2,}(?:at \S|File ")|\s*[^\s:(]+\.[A-Za-z]{1,10}(?:\([0-9]+,[0-9]+\)|:[0-9]+:[0-9]+)|(?:[A-Z][A-Za-z]*)?(?:Error|Exception): )"#;
    Regex::new(pattern).expect("part of the program, and tested")
});

static TIME: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^\[?(?:[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ])?(?:[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?: ?[AP]M)?|[0-9]{1,2}:[0-9]{2}[AP]M)(?:Z|[+-][0-9]{2}:?[0-9]{2})?\]?(?: - | \| | +|\t|$)|^\[(?:[A-Z][a-z]{2} [A-Z][a-z]{2} +[0-9]{1,2} [0-9:.]+ [0-9]{4}|[0-9]{2}-[A-Z][a-z]{2}-[0-9]{4} [0-9:]+ [A-Za-z/_]+)\] ";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// Words in brackets with which tools begin lines of their own.
const TAGS: [&str; 25] = [
    "error",
    "warn",
    "warning",
    "info",
    "debug",
    "log",
    "fatal",
    "trace",
    "vite",
    "nodemon",
    "tsx",
    "tsl",
    "watch",
    "nitro",
    "webpack",
    "webpack-cli",
    "astro",
    "h3",
    "hmr",
    "critical",
    "notice",
    "stdout",
    "stderr",
    "success",
    "nuxt",
];

/// Words with which tools begin lines of their own, before a colon and a place or an error.
const WORDS: [&str; 28] = [
    "at",
    "caught",
    "cause",
    "cc",
    "details",
    "err",
    "exception",
    "file",
    "from",
    "go",
    "help",
    "hint",
    "in",
    "ld",
    "location",
    "make",
    "message",
    "msg",
    "note",
    "original",
    "panic",
    "reason",
    "sh",
    "source",
    "stack",
    "uncaught",
    "unhandled",
    "vet",
];

/// Reads what stands before a line. A name alone, `web: `, is one if that of a script that is known, or by what follows it.
pub(super) fn read<'a>(line: &'a str, is_known: impl Fn(&str) -> bool) -> Prefix<'a> {
    let none = Prefix { name: "", rest: line, is_of_system: false };
    let named = |name: &'a str, rest: &'a str| Prefix { name, rest, is_of_system: false };
    let first = line.as_bytes().first();
    if first.is_some_and(|first| first.is_ascii_digit() || first.is_ascii_uppercase() || *first == b'<') {
        if let Some(found) = SYSTEM.captures(line)
            && !found.name("host").is_some_and(|host| is_level(host.as_str()))
        {
            // No name of a script: what a program writes there may go on in lines without any of this.
            let rest = &line[found.get(0).map_or(0, |all| all.end())..];
            return Prefix { name: "", rest, is_of_system: true };
        }
        if let Some(found) = FOREMAN.captures(line)
            && let Some(name) = found.name("bar").or_else(|| found.name("node"))
            && !is_level(name.as_str())
        {
            return named(name.as_str(), &line[found.get(0).map_or(0, |all| all.end())..]);
        }
    }
    // A time may stand before a name in brackets.
    if line.starts_with('[') && first_is_digit(&line[1..]) {
        let inner = without_time(line);
        if inner.len() < line.len() && inner.starts_with('[') && !first_is_digit(&inner[1..]) {
            let (name, rest) = runner(inner, is_known);
            return if name.is_empty() || is_thread(name) { none } else { named(name, rest) };
        }
    }
    let (name, rest) = runner(line, is_known);
    named(name, rest)
}

fn first_is_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// The runner's name for the script, if it puts one there, and the rest.
fn runner(line: &str, is_known: impl Fn(&str) -> bool) -> (&str, &str) {
    // The first byte tells for most lines that there is none.
    let Some(found) = RUNNER.captures(line) else { return ("", line) };
    let rest = &line[found.get(0).map_or(0, |all| all.end())..];
    if let Some(tag) = found.name("tag") {
        let tag = tag.as_str();
        let is_index = tag.bytes().all(|byte| byte.is_ascii_digit()) && tag.len() <= 2;
        let lower = tag.to_ascii_lowercase();
        let is_name = tag.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && tag.bytes().any(|byte| byte.is_ascii_lowercase());
        let is_own = TAGS.contains(&lower.as_str())
            || tag == "browser"
            || ["builtin", "vite", "plugin"].iter().any(|own| tag.starts_with(own))
            || tag.contains('.')
            || is_of_logger(rest)
            // Part of a path: `[slug]/page.tsx`.
            || line[tag.len() + 1..].starts_with("]/")
            || line[tag.len() + 1..].starts_with("]\\");
        return if is_index || is_name && !is_own { (tag, rest) } else { ("", line) };
    }
    if let Some(number) = found.name("number") {
        return (number.as_str(), rest);
    }
    if let Some(bar) = found.name("bar") {
        // `12 | code` is a line of a code frame, and `ok | 3 passed` what Deno says of tests.
        let is_number = bar.as_str().bytes().all(|byte| byte.is_ascii_digit());
        return if is_number
            || ["ok", "FAILED"].contains(&bar.as_str())
            || bar.as_str().len() < 2
            || is_level(bar.as_str())
        {
            ("", line)
        } else {
            (bar.as_str(), rest)
        };
    }
    if let Some(task) = found.name("task") {
        // `src/a.ts:12: `, `ERROR:root: `
        let (package, script) = task.as_str().split_once(':').unwrap_or_default();
        let is_task = !is_level(package) && package.chars().any(char::is_alphabetic) && !has_ending(package);
        return if is_task && !script.is_empty() { (task.as_str(), rest) } else { ("", line) };
    }
    if let Some(package) = found.name("package") {
        let (path, script) = package.as_str().split_once(' ').unwrap_or_default();
        // pnpm writes the path of a package; a sentence has no slash in its first word.
        let is_path = (path.contains('/') || path == ".") && !has_ending(path);
        // `./my cart.ts:3:5`
        let (name, numbers) = script.split_once(':').unwrap_or((script, rest));
        let is_file = has_ending(name) && first_is_digit(numbers);
        return if is_path && !script.is_empty() && !is_file { (package.as_str(), rest) } else { ("", line) };
    }
    if let Some(label) = found.name("label").map(|label| label.as_str()) {
        let is_own = is_level(label) || WORDS.contains(&label) || label.starts_with("@parcel/");
        let is_told = || label.starts_with('@') || is_known(label) || TOLD.is_match(rest);
        return if !is_own && is_told() { (label, rest) } else { ("", line) };
    }
    ("", line)
}

/// Whether what stands in brackets before this is a thread, as SLF4J's simple logger writes it: `[main] INFO shop.Cart - x`.
fn is_of_logger(rest: &str) -> bool {
    let mut words = rest.split_whitespace();
    let is_level =
        words.next().is_some_and(|word| ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&word));
    is_level && words.next().is_some() && words.next() == Some("-")
}

/// Whether a name is rather that of a thread.
fn is_thread(name: &str) -> bool {
    name == "main" || ["thread", "exec", "pool"].iter().any(|part| name.contains(part))
}

fn is_level(word: &str) -> bool {
    TAGS.contains(&word.to_ascii_lowercase().as_str())
}

/// Whether a path ends as that of a source file.
fn has_ending(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').is_some_and(|(stem, ending)| !stem.is_empty() && ending.len() <= 6)
}

/// The line without the bar along which a dialogue on a terminal is drawn.
pub(super) fn without_gutter(line: &str) -> &str {
    ["│  ", "■  "].iter().find_map(|gutter| line.strip_prefix(gutter)).unwrap_or(line)
}

/// The line without the time that it begins with.
pub(super) fn without_time(line: &str) -> &str {
    if !line.starts_with(|c: char| c.is_ascii_digit() || c == '[') {
        return line;
    }
    TIME.find(line).map_or(line, |time| &line[time.end()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runners_are_told_from_tools() {
        for (line, wanted) in [
            ("[0] src/a.ts(1,7): error", ("0", "src/a.ts(1,7): error")),
            ("[web]   at f", ("web", "  at f")),
            ("web-1  | Error: x", ("web-1", "Error: x")),
            ("web:dev: Error: x", ("web:dev", "Error: x")),
            (
                "packages/web build: a.ts(1,1): error TS1: x",
                ("packages/web build", "a.ts(1,1): error TS1: x"),
            ),
            ("apps/web dev$ vite", ("apps/web dev", "vite")),
            ("[vite] Internal server error: x", ("", "[vite] Internal server error: x")),
            ("[plugin:vite] x", ("", "[plugin:vite] x")),
            ("[PARSE_ERROR] x", ("", "[PARSE_ERROR] x")),
            ("12 | const a", ("", "12 | const a")),
            ("src/a.ts:12: error: x", ("", "src/a.ts:12: error: x")),
            ("ERROR:root: x", ("", "ERROR:root: x")),
            ("[main] INFO shop.Cart - x", ("", "[main] INFO shop.Cart - x")),
            ("[main] INFO: x", ("main", "INFO: x")),
            ("ok | 1 passed | 0 failed (7ms)", ("", "ok | 1 passed | 0 failed (7ms)")),
            ("Could not read: x", ("", "Could not read: x")),
            ("[dev      ]   at f", ("dev", "  at f")),
            ("[slug]/page.tsx:3:5", ("", "[slug]/page.tsx:3:5")),
            ("./my cart.ts:3:5 - error", ("", "./my cart.ts:3:5 - error")),
            ("./my cart.ts:3: error", ("", "./my cart.ts:3: error")),
            ("[info     ] x", ("", "[info     ] x")),
            ("[web]: x", ("web", "x")),
            ("0|app  | x", ("0|app", "x")),
            ("web.1 | x", ("web.1", "x")),
            ("17:21:01 web.1  |   at f", ("web.1", "  at f")),
            ("5:21:01 PM web.1        |    at f", ("web.1", "  at f")),
            ("12:00:00 INFO | x", ("", "12:00:00 INFO | x")),
            (
                "2026-11-29 12:00:00.123 | SUCCESS  | a:b:12 - x",
                ("", "2026-11-29 12:00:00.123 | SUCCESS  | a:b:12 - x"),
            ),
            ("[10:00:00] [web] x", ("web", "x")),
            ("[10:00:00] [main] x", ("", "[10:00:00] [main] x")),
            ("[10:00:00] [INFO] x", ("", "[10:00:00] [INFO] x")),
            ("@acme/web: x", ("@acme/web", "x")),
            ("@parcel/core: x", ("", "@parcel/core: x")),
            ("web: src/a.ts(3,5): error TS1: x", ("web", "src/a.ts(3,5): error TS1: x")),
            ("web:     at f", ("web", "    at f")),
            ("web: x", ("", "web: x")),
            ("api: x", ("api", "x")),
            ("vet: ./a.go:3:5: x", ("", "vet: ./a.go:3:5: x")),
            ("Nov 29 12:00:00 host app[4711]: x", ("", "x")),
            ("Nov  9 12:00:00 host kernel: x", ("", "x")),
            ("2026-11-29T12:00:00+0000 host app[4711]: x", ("", "x")),
            ("2026-11-29T12:00:00.123456+00:00 app[web.1]: x", ("", "x")),
            ("<14>1 2026-11-29T12:00:00Z host app 4711 - - x", ("", "x")),
            ("2026-11-29T12:00:00Z ERROR x[1]: y", ("", "2026-11-29T12:00:00Z ERROR x[1]: y")),
        ] {
            let found = read(line, |name| name == "api");
            assert_eq!((found.name, found.rest), wanted);
        }
    }

    #[test]
    fn times_go() {
        for (line, wanted) in [
            ("12:00:00 PM [vite] x", "[vite] x"),
            ("[12:00:00] x", "x"),
            ("2026-11-28T18:00:00.123Z x", "x"),
            ("2026-11-28 18:00:00,123 x", "x"),
            ("12 x", "12 x"),
            ("3:08PM ERR x", "ERR x"),
            ("2026-11-29T15:08:48.709Z\tERROR\tx", "ERROR\tx"),
            ("[Sun Nov 29 15:18:44 2026] PHP Fatal error:  x", "PHP Fatal error:  x"),
            ("[29-Nov-2026 15:18:44 UTC] PHP Fatal error:  x", "PHP Fatal error:  x"),
            ("3:08 x", "3:08 x"),
        ] {
            assert_eq!(without_time(line), wanted);
        }
    }
}
