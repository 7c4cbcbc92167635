//! Keeps the lines of a stack trace together: which line begins one, and which go on with it. Pure.

use super::level::Level;

/// A trace is at most this long: what is longer is a loop in somebody's code, and its first frames say which.
pub(super) const MAX_LINES: usize = 50;

/// What kind of trace is being read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trace {
    /// An error with indented lines below it: JavaScript, Java, and what most tools write.
    Indented,
    /// The place in the source that Node prints above an uncaught error.
    Place,
    /// Python: `Traceback (most recent call last):`, indented frames, the error itself at the end.
    Python,
    /// Go: `panic: …`, goroutines with their frames.
    Go,
    /// Rust: `thread … panicked at …`, the message below it.
    Rust,
    /// npm's report, each line of which has the same beginning.
    Npm,
}

/// What a line is to an open trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// It belongs to it, and so may the next one.
    Goes(Trace),
    /// It belongs to it and ends it.
    Last,
    /// It is something else.
    Other,
}

/// Whether a line can begin a trace. `is_error` says that it came on standard error.
pub(super) fn begins(line: &str, level: Level, is_error: bool) -> Option<Trace> {
    if line.starts_with("Traceback (most recent call last):") {
        return Some(Trace::Python);
    }
    if is_npm(line) {
        return Some(Trace::Npm);
    }
    if line.starts_with("panic: ") || line.starts_with("fatal error: ") || is_goroutine(line) {
        return Some(Trace::Go);
    }
    if line.starts_with("thread '") && line.contains("panicked at") {
        return Some(Trace::Rust);
    }
    if is_error && is_place(line) {
        return Some(Trace::Place);
    }
    // A frame without its error, as after a cut, begins nothing.
    (level >= Level::Error && !is_indented(line)).then_some(Trace::Indented)
}

/// What the next line is to an open trace that has `lines` lines so far.
pub(super) fn step(trace: Trace, line: &str, lines: usize, level: Level) -> Step {
    if lines >= MAX_LINES {
        return Step::Other;
    }
    match trace {
        Trace::Indented => match line {
            _ if is_indented(line) => Step::Goes(trace),
            _ if line.starts_with("Caused by:") || line.starts_with("caused by:") => Step::Goes(trace),
            // The end of the properties that Node prints behind an error.
            "}" | "]" if lines > 1 => Step::Last,
            _ => Step::Other,
        },
        Trace::Place => match lines {
            // The source line may be anything, and so may what points at its part.
            1 => Step::Goes(trace),
            _ if level >= Level::Error => Step::Goes(Trace::Indented),
            2 | 3 if line.trim_matches([' ', '^', '~', '\t']).is_empty() => Step::Goes(trace),
            _ => Step::Other,
        },
        Trace::Python if is_indented(line) => Step::Goes(trace),
        Trace::Python if line.is_empty() => Step::Other,
        Trace::Python => Step::Last,
        Trace::Go => {
            let goes = line.is_empty()
                || is_indented(line)
                || is_goroutine(line)
                || line.starts_with("[signal ")
                || line.starts_with("created by ")
                || line.ends_with(')');
            if line.starts_with("exit status ") {
                Step::Last
            } else if goes {
                Step::Goes(trace)
            } else {
                Step::Other
            }
        }
        Trace::Rust if lines == 1 || is_indented(line) => Step::Goes(trace),
        Trace::Rust if line.starts_with("note: ") || line.starts_with("stack backtrace:") => {
            Step::Goes(trace)
        }
        Trace::Npm if is_npm(line) => Step::Goes(trace),
        Trace::Rust | Trace::Npm => Step::Other,
    }
}

fn is_indented(line: &str) -> bool {
    line.starts_with([' ', '\t']) && !line.trim().is_empty()
}

fn is_npm(line: &str) -> bool {
    line.starts_with("npm error") || line.starts_with("npm ERR!")
}

fn is_goroutine(line: &str) -> bool {
    line.starts_with("goroutine ") && line.ends_with(':')
}

/// Whether the line is `path/to/file.js:12` or `file:///path/to/file.ts:12`.
fn is_place(line: &str) -> bool {
    let Some((path, number)) = line.rsplit_once(':') else { return false };
    let source = [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx"];
    !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && source.iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups lines as the log does, with the level that a word in them gives.
    fn groups(text: &str) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        let mut open: Option<(Trace, usize)> = None;
        for line in text.lines() {
            let level =
                if line.contains("rror") || line.contains("panic") { Level::Error } else { Level::Info };
            let step = open.map_or(Step::Other, |(trace, lines)| step(trace, line, lines, level));
            match step {
                Step::Other => {
                    open = begins(line, level, true).map(|trace| (trace, 1));
                    groups.push(line.to_owned());
                }
                Step::Goes(trace) => open = open.map(|(_, lines)| (trace, lines + 1)),
                Step::Last => open = None,
            }
            if step != Step::Other {
                let last = groups.last_mut().unwrap();
                last.push('\n');
                last.push_str(line);
            }
        }
        groups
    }

    #[test]
    fn an_uncaught_error_of_node_is_one_entry() {
        let trace = "/app/server.js:3\n    throw new Error('boom');\n    ^\n\nError: boom\n    at Object.<anonymous> \
                     (/app/server.js:3:11)\n    at node:internal/main/run_main_module:28:49 {\n  code: 'E1'\n}";
        let text = format!("start\n{trace}\n\nNode.js v20.20.2");
        assert_eq!(groups(&text), ["start", trace, "", "Node.js v20.20.2"]);
    }

    #[test]
    fn other_languages_too() {
        let python = "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nValueError: no";
        let go = "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/a/main.go:5 +0x1d\nexit status 2";
        let rust = "thread 'main' panicked at src/main.rs:2:5:\nboom\nnote: run with `RUST_BACKTRACE=1`";
        let npm = "npm error code 1\nnpm error path /app\nnpm error command failed";
        let java = "java.lang.Error: x\n\tat A.b(A.java:1)\nCaused by: java.lang.Error: y\n\t... 3 more";
        for trace in [python, go, rust, npm, java] {
            assert_eq!(groups(&format!("before\n{trace}\nafter")), ["before", trace, "after"]);
        }
    }

    #[test]
    fn errors_in_a_row_stay_apart() {
        let text = "a.ts(1,1): error TS1\na.ts(2,1): error TS2\n  hint\ndone";
        assert_eq!(groups(text), ["a.ts(1,1): error TS1", "a.ts(2,1): error TS2\n  hint", "done"]);
    }

    #[test]
    fn a_trace_has_a_bound() {
        let text = format!("Error: x\n{}", "    at f (a.js:1:1)\n".repeat(2 * MAX_LINES));
        assert_eq!(groups(&text)[0].lines().count(), MAX_LINES);
    }
}
