//! Finds out, for a whole block of lines at once, whether anything in it needs a closer look.
//!
//! Most output does not: then its lines are stored as they are, at the speed of a search for a few dozen words. That is
//! what lets a script print as fast as it can.

use aho_corasick::{AhoCorasick, Anchored, Input, MatchKind, StartKind};

use super::{ansi, level, mask, sieve::Sieve};

/// Parts of lines that begin an error without a word for it, such as a place in a source file, and of those that tell of
/// builds.
const SIGNS: [&str; 92] = [
    "[browser]",
    "js:",
    "ts:",
    "sx:",
    "py:",
    "go:",
    "rs:",
    "vue:",
    "svelte:",
    "astro:",
    "css:",
    "●",
    "×",
    "⨯",
    "✗",
    "✘",
    "❌",
    "🚨",
    "[!]",
    "not ok",
    "━━",
    "  x ",
    "cannot ",
    "can't ",
    "could not ",
    "couldn't ",
    "unable to ",
    "unhandled",
    "invalid",
    "crashed",
    "not found",
    "unknown ",
    "missing script",
    "compil",
    "build ",
    "built in",
    "bundles ",
    "created ",
    "restart",
    "reload",
    "rerun",
    "hmr update",
    " hmr ",
    "[watch]",
    "ready in",
    "startup complete",
    "passed",
    "finished",
    "clean exit",
    "no issues",
    ":in `",
    ":in '",
    "** (",
    "e: file:",
    ".kt: (",
    "went wrong",
    "crit:",
    " err ",
    "erro[",
    "fata[",
    "tion fault",
    "bus error",
    "illegal ",
    "core dumped",
    " assertion",
    "seconds (process running",
    "stderr | ",
    "building for ",
    "terminate called",
    "=== run",
    "=== cont",
    "=== name",
    "--- pass",
    "--- skip",
    " ... ok",
    "ok  \t",
    " tests in ",
    " test in ",
    " tests across ",
    " passing (",
    "building...",
    " refused",
    "severe",
    "checked ",
    "running...",
    "dotnet watch",
    "[command ",
    " standard_",
    " live log ",
    " captured log",
    " captured std",
    "running ",
];

/// Parts of lines that say on which port a server listens, without a URL.
const ADDRESSES: [&str; 11] = [
    "listening",
    "port ",
    "port:",
    "port=",
    "port(",
    "localhost:",
    "0.0.0.0:",
    "127.0.0.1:",
    "*:",
    " on :",
    " at :",
];

/// One automaton for all words that matter, and a sieve that keeps most text from it.
#[derive(Debug)]
pub(super) struct Scanner {
    words: AhoCorasick,
    /// Which of them hint at secrets: those from the first number to the second.
    secrets: [usize; 2],
    /// The one of the hints that tells of a URL, too.
    url: Option<usize>,
    sieve: Sieve,
}

/// What is in a line.
#[derive(Debug, Default)]
pub(super) struct LineFeatures {
    /// Words that say a level: their index in [`level::WORDS`], and where they are.
    pub(super) levels: Vec<(usize, usize)>,
    /// Something that a secret may have.
    pub(super) secret: bool,
    /// The edge of a private key.
    pub(super) key: bool,
    /// A URL, or the port of a server.
    pub(super) url: bool,
}

impl Scanner {
    pub(super) fn new() -> Self {
        let hints: Vec<&str> = mask::hints().collect();
        let first = level::WORDS.len();
        let secrets = [first, first + hints.len()];
        let url = hints.iter().position(|hint| *hint == mask::URL_HINT).map(|index| first + index);
        let words =
            level::WORDS.into_iter().chain(hints).chain([mask::KEY_HINT]).chain(ADDRESSES).chain(SIGNS);
        let words: Vec<&str> = words.collect();
        let sieve = Sieve::new(words.iter().copied());
        let words = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .start_kind(StartKind::Both)
            .build(words)
            .expect("a few hundred short words fit into an automaton");
        Self { words, sieve, secrets, url }
    }

    /// Whether these lines have nothing to look at more closely.
    pub(super) fn is_plain(&self, lines: &str) -> bool {
        let [escape, back, erase] = ansi::CONTROLS;
        let bytes = lines.as_bytes();
        let begins = |at: usize| self.words.is_match(Input::new(bytes).range(at..).anchored(Anchored::Yes));
        memchr::memchr3(escape, back, erase, bytes).is_none() && !self.sieve.any(bytes, begins)
    }

    /// Looks at one line, without its control sequences.
    pub(super) fn scan(&self, line: &str) -> LineFeatures {
        let [secrets, key] = self.secrets;
        let places = key + 1 + ADDRESSES.len();
        let mut found = LineFeatures::default();
        for word in self.words.find_overlapping_iter(line) {
            match word.pattern().as_usize() {
                index if index < secrets => found.levels.push((index, word.start())),
                index if index < key => {
                    found.secret = true;
                    found.url |= self.url == Some(index);
                }
                index if index == key => found.key = true,
                index if index < places => found.url = true,
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_are_passed_over() {
        let scanner = Scanner::new();
        assert!(scanner.is_plain("line 1 of many\nline 2 of many\n"));
        for line in [
            "an Error\n",
            "\x1b[1mbold\n",
            "50 %\r100 %\n",
            "http://localhost\n",
            "Server listening on port 80\n",
            "up at localhost:80\n",
            "/a/b.mjs:12\n",
            "Password\n",
        ] {
            assert!(!scanner.is_plain(line), "{line}");
        }
    }

    #[test]
    fn words_within_words_are_found() {
        let found = Scanner::new().scan("secret_token ERROR at https://x");
        assert!(found.secret && found.url && !found.key);
        assert_eq!(found.levels, [(0, 13)]);
        assert!(Scanner::new().scan("started on port 80").url);
        assert!(!Scanner::new().scan("/a/b.ts:12").url);
        assert!(Scanner::new().scan("-----BEGIN RSA PRIVATE KEY-----").key);
    }
}
