//! The lines by which a package manager says what it is about to run. They are no output of the script: nothing that waits
//! for a word of the script is met by them, and what they name is no error and no URL. Pure.

use std::sync::Arc;

use memchr::memmem;

/// What is known of one stream of a process.
#[derive(Debug)]
pub(super) struct Echo {
    /// The script's own name, without that of its workspace.
    script: Arc<str>,
    /// What `package.json` says of it.
    command: Arc<str>,
    before: PreviousLine,
}

/// The line before the next one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum PreviousLine {
    /// There was none, or it was empty.
    Blank,
    /// It belongs to an echo, and the command may follow.
    Echo,
    Other,
}

impl Echo {
    /// For a process of this name, which may be `WORKSPACE#SCRIPT`, and its command.
    pub(super) fn new(name: &str, command: &Arc<str>) -> Self {
        let script = name.rsplit_once('#').map_or(name, |(_, script)| script);
        Self { script: script.into(), command: command.clone(), before: PreviousLine::Blank }
    }

    /// Whether these whole lines have nothing in them that begins as an echo does.
    pub(super) fn is_plain(&self, lines: &str) -> bool {
        const SIGNS: [(&str, &str); 3] = [("> ", "\n> "), ("$ ", "\n$ "), ("yarn run ", "\nyarn run ")];
        let has = |(first, later): &(&str, &str)| {
            lines.starts_with(first) || memmem::find(lines.as_bytes(), later.as_bytes()).is_some()
        };
        !SIGNS.iter().any(has)
    }

    /// Goes past whole lines that are plain.
    pub(super) fn pass(&mut self, lines: &str) {
        let mut backwards = lines.bytes().rev().filter(|byte| *byte != b'\r');
        let blank = backwards.next().is_none_or(|byte| byte == b'\n')
            && backwards.next().is_none_or(|byte| byte == b'\n');
        self.before = if blank { PreviousLine::Blank } else { PreviousLine::Other };
    }

    /// Whether a line is an echo.
    ///
    /// npm and pnpm 9 say `> name@1.0.0 dev` after an empty line, then `> ` before each line of the command; yarn says
    /// `yarn run v1.22.22`, and it, bun and newer pnpm `$ ` before the command.
    pub(super) fn line(&mut self, line: &str) -> bool {
        let is_echo = if let Some(said) = line.strip_prefix("> ") {
            self.before == PreviousLine::Echo || self.before == PreviousLine::Blank && self.is_banner(said)
        } else if let Some(said) = line.strip_prefix("$ ") {
            self.before == PreviousLine::Echo || !self.command.is_empty() && said.starts_with(&*self.command)
        } else {
            line.strip_prefix("yarn run v").is_some_and(|said| said.starts_with(|c: char| c.is_ascii_digit()))
        };
        self.before = match is_echo {
            true => PreviousLine::Echo,
            false if line.trim_ascii().is_empty() => PreviousLine::Blank,
            false => PreviousLine::Other,
        };
        is_echo
    }

    /// `name@1.0.0 dev`, also with a directory behind it; `dev`, `predev` or `postdev` in a package without a name.
    fn is_banner(&self, said: &str) -> bool {
        let mut words = said.split(' ');
        let first = words.next().unwrap_or_default();
        match words.next() {
            Some(_) => first.contains('@'),
            None => first.strip_suffix(&*self.script).is_some_and(|rest| ["", "pre", "post"].contains(&rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a text that are no echo, read one by one.
    fn said<'a>(name: &str, command: &str, text: &'a str) -> Vec<&'a str> {
        let mut echo = Echo::new(name, &command.into());
        text.lines().filter(|line| !echo.line(line) && !line.is_empty()).collect()
    }

    #[test]
    fn managers_are_not_taken_for_their_scripts() {
        for (manager, text) in [
            (
                "npm",
                "\n> shop@1.0.0 dev\n> node a.js && npm run b\n\nhi\n\n> shop@1.0.0 b\n> echo \"x\n> y\"\n\nx",
            ),
            ("npm without a name", "\n> predev\n> true\n\n\n> dev\n> node a.js && npm run b\n\nhi\nx"),
            ("pnpm", "\n> shop@1.0.0 dev /home/me/my shop\n> node a.js\n\nhi\nx"),
            ("yarn", "yarn run v1.22.22\n$ node a.js\nhi\n$ yarn run b\nyarn run v1.22.22\n$ echo x\nx"),
            ("bun", "$ node a.js && npm run b -- --port 3\nhi\nx"),
        ] {
            let said = said("@shop/web#dev", "node a.js", text);
            let wanted: &[&str] = if manager == "yarn" { &["hi", "$ yarn run b", "x"] } else { &["hi", "x"] };
            assert_eq!(said, wanted, "{manager}");
        }
    }

    #[test]
    fn what_a_script_says_is_no_echo() {
        for line in
            ["> Ready on http://localhost:3000", "> ready", "> a@b", "$ cd shop", "yarn run build", "a > b"]
        {
            assert_eq!(said("dev", "node a.js", &format!("\n{line}")), [line]);
        }
        // After a line of text it is a quotation.
        assert_eq!(said("dev", "", "he wrote:\n> me@example.com yes\n> dev").len(), 3);
        assert_eq!(said("dev", "", "$ "), ["$ "]);
    }

    #[test]
    fn blocks_are_passed_over_only_without_an_echo() {
        let mut echo = Echo::new("dev", &"node a.js".into());
        for lines in ["> a\n", "x\n> a\n", "x\n$ a\n", "yarn run v1\n"] {
            assert!(!echo.is_plain(lines), "{lines:?}");
        }
        assert!(echo.is_plain("a > b\n  > c\nx$ y\n"));
        for (lines, follows) in
            [("x\n", false), ("x\n\n", true), ("\n", true), ("x\r\n\r\n", true), ("\r\n", true)]
        {
            echo.pass(lines);
            assert_eq!(echo.line("> shop@1.0.0 dev"), follows, "{lines:?}");
        }
    }
}
