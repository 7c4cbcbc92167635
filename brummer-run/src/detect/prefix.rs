//! What stands before a line of a tool: the name that a runner of several scripts puts there, and the time.

use std::sync::LazyLock;

use regex::Regex;

static RUNNER: LazyLock<Regex> = LazyLock::new(|| {
    // `[0] `, `[web] `, `web | `, `web-1  | `, `web:dev: `, `packages/web dev: `, `apps/web dev$ `
    let pattern = r"^(?:\[(?P<tag>[A-Za-z0-9_@/:.-]{1,40})\] ?|(?P<bar>[A-Za-z0-9_@][A-Za-z0-9_@/:.-]{0,39}) *\| ?|(?P<task>[@A-Za-z0-9_./-]{1,60}:[a-z][A-Za-z0-9_:.-]{0,30}): ?|(?P<package>[@A-Za-z0-9_./-]{1,80} [a-z][A-Za-z0-9_:.-]{0,30})(?:: ?|\$ ))";
    Regex::new(pattern).expect("part of the program, and tested")
});

static TIME: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^\[?(?:[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ])?(?:[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?: ?[AP]M)?|[0-9]{1,2}:[0-9]{2}[AP]M)(?:Z|[+-][0-9]{2}:?[0-9]{2})?\]?(?: - | \| | +|\t|$)|^\[(?:[A-Z][a-z]{2} [A-Z][a-z]{2} +[0-9]{1,2} [0-9:.]+ [0-9]{4}|[0-9]{2}-[A-Z][a-z]{2}-[0-9]{4} [0-9:]+ [A-Za-z/_]+)\] ";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// Words in brackets with which tools begin lines of their own.
const TAGS: [&str; 23] = [
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
];

/// The runner's name for the script, if it puts one there, and the rest.
pub(super) fn runner(line: &str) -> (&str, &str) {
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
            || is_of_logger(rest);
        return if is_index || is_name && !is_own { (tag, rest) } else { ("", line) };
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
        return if is_path && !script.is_empty() { (package.as_str(), rest) } else { ("", line) };
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
        ] {
            assert_eq!(runner(line), wanted);
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
