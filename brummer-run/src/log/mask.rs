//! Hides secrets in well-known forms, so that they do not get into a model's context with the output of a script.
//!
//! It is a net with known holes, not a wall: a secret without a telling form or name is text like any other.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};

/// What stands where a secret was.
pub(crate) const MASK: &str = "[masked]";

/// Parts of lines, in any case, without which no pattern below can match.
pub(super) const HINTS: [&str; 27] = [
    "akia",
    "asia",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_live",
    "sk_test",
    "rk_live",
    "rk_test",
    "whsec_",
    "xox",
    "aiza",
    "npm_",
    "pypi-",
    "eyj",
    "bearer",
    "basic",
    "://",
    "pass",
    "secret",
    "token",
    "key",
];

/// The beginning of a private key in text form, and its end.
pub(super) const KEY_HINT: &str = "private key-----";

/// Tokens that can be told by their own form. The first group, if any, stays to tell what it was.
static TOKENS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?x)
        \b(AKIA|ASIA)[0-9A-Z]{16}\b
        | \b(gh[pousr]_)[A-Za-z0-9]{20,}
        | \b(github_pat_)[A-Za-z0-9_]{20,}
        | \b(glpat-)[A-Za-z0-9_-]{16,}
        | \b(sk-(?:ant-|proj-)?)[A-Za-z0-9_-]{20,}
        | \b((?:sk|rk)_(?:live|test)_|whsec_)[A-Za-z0-9]{16,}
        | \b(xox[a-z]-)[A-Za-z0-9-]{10,}
        | \b(AIza)[0-9A-Za-z_-]{35}
        | \b(npm_)[A-Za-z0-9]{36}
        | \b(pypi-)[A-Za-z0-9_-]{32,}
        | \b(eyJ)[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    )
});

/// Credentials of HTTP, and in URLs.
static CREDENTIALS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?xi)
        (?P<scheme>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}
        | (?P<before>://[^\s/:@"']*:)[^\s/@"']+(?P<after>@)"#,
    )
});

/// A name that says that a secret follows. In the form of a shell or `.env` file (`=`) any value is one; after a colon,
/// where types of programs are written too, it must be quoted or look like no word.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?xi)
        (?P<name>["']?(?:[a-z0-9]+[_.-])*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key(?:[_-]id)?
            |secret[_-]?key|private[_-]?key|client[_-]?secret|auth[_-]?token)["']?)
        (?: (?P<equals>\s?=\s?["']?)[^\s"',;&]{4,}
          | (?P<colon>\s?:\s?["'])[^\s"']{4,}
          | (?P<bare>\s?:\s?)[^\s"',;]*[0-9][^\s"',;]{5,} )"#,
    )
});

/// Patterns of this file are tested as a whole: one that does not compile fails every test.
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is part of the program")
}

/// The line without its secrets. Only worth calling for lines that have one of [`HINTS`].
pub(super) fn mask(line: &str) -> Cow<'_, str> {
    let line = replace(Cow::Borrowed(line), &TOKENS, |found| {
        let kept = found.iter().skip(1).flatten().next().map_or("", |group| group.as_str());
        format!("{kept}{MASK}")
    });
    let line = replace(line, &CREDENTIALS, |found| {
        let part = |name| found.name(name).map_or("", |group| group.as_str());
        format!("{}{}{MASK}{}", part("scheme"), part("before"), part("after"))
    });
    replace(line, &NAMED, |found| {
        let part = |name| found.name(name).map_or("", |group| group.as_str());
        format!("{}{}{}{}{MASK}", part("name"), part("equals"), part("colon"), part("bare"))
    })
}

/// Replaces, unless what was found is masked already: masking twice must change nothing.
fn replace<'a>(line: Cow<'a, str>, pattern: &Regex, with: impl Fn(&Captures<'_>) -> String) -> Cow<'a, str> {
    let masked =
        pattern.replace_all(
            &line,
            |found: &Captures<'_>| {
                if found[0].contains(MASK) { found[0].to_owned() } else { with(found) }
            },
        );
    match masked {
        Cow::Borrowed(_) => line,
        Cow::Owned(masked) => Cow::Owned(masked),
    }
}

/// Follows private keys, which have many lines.
#[derive(Debug, Default)]
pub(super) struct KeyBlock {
    /// How many lines of a key were hidden so far; `None` outside of one.
    hidden: Option<u32>,
}

/// A key of 16,384 bits has some 200 lines. What is longer has lost its end.
const KEY_LINES: u32 = 400;

impl KeyBlock {
    /// Whether this line is within a key.
    pub(super) fn is_open(&self) -> bool {
        self.hidden.is_some()
    }

    /// What to keep of a line: itself, [`MASK`] for the first line of a key's inside, nothing for the others.
    pub(super) fn line<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        let edge = line.contains("PRIVATE KEY-----");
        match self.hidden {
            None => {
                // A whole key on one line, with `\n` in it as in JSON, is one secret.
                let begins = edge && line.contains("-----BEGIN ");
                if begins && line.contains("-----END ") {
                    return Some(MASK);
                }
                self.hidden = begins.then_some(0);
                Some(line)
            }
            Some(_) if edge => {
                self.hidden = None;
                Some(line)
            }
            Some(hidden) => {
                self.hidden = (hidden < KEY_LINES).then_some(hidden + 1);
                (hidden == 0).then_some(MASK)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hinted(line: &str) -> bool {
        let lower = line.to_ascii_lowercase();
        HINTS.iter().any(|hint| lower.contains(hint))
    }

    #[test]
    fn well_known_forms_are_masked() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4";
        for (line, wanted) in [
            ("key AKIAIOSFODNN7EXAMPLE ok", "key AKIA[masked] ok"),
            (&format!("push with ghp_{}", "a1B2".repeat(9)), "push with ghp_[masked]"),
            (&format!("github_pat_{}", "x9_".repeat(10)), "github_pat_[masked]"),
            (&format!("sk-ant-{}", "k7".repeat(20)), "sk-ant-[masked]"),
            (&format!("sk_live_{}", "k7".repeat(12)), "sk_live_[masked]"),
            ("hook xoxb-1234567890-abc", "hook xoxb-[masked]"),
            (&format!("cookie {jwt};"), "cookie eyJ[masked];"),
            ("Authorization: Bearer abcdef123456", "Authorization: Bearer [masked]"),
            ("postgres://me:hunter2@localhost/db", "postgres://me:[masked]@localhost/db"),
            ("DB_PASSWORD=correct-horse next", "DB_PASSWORD=[masked] next"),
            ("{\"apiKey\": \"zzzz-yyyy\"}", "{\"apiKey\": \"[masked]\"}"),
            ("client_secret: 12ab34cd56", "client_secret: [masked]"),
            ("AWS_SECRET_ACCESS_KEY = wJalrXUtnFEMI/K7MDENG", "AWS_SECRET_ACCESS_KEY = [masked]"),
        ] {
            assert!(hinted(line), "{line}");
            assert_eq!(mask(line), wanted, "{line}");
        }
    }

    #[test]
    fn ordinary_text_stays() {
        for line in [
            "error TS2322: Property 'token' is missing in type",
            "password: string;",
            "token: Token",
            "http://localhost:5173/",
            "https://example.com/a:b@c",
            "task-runner finished, disk-usage 3 %",
            "tokens used: 12",
            "sk-short",
        ] {
            assert_eq!(mask(line), line);
        }
    }

    #[test]
    fn a_private_key_leaves_its_edges() {
        let mut block = KeyBlock::default();
        let lines =
            ["a", "-----BEGIN RSA PRIVATE KEY-----", "MIIE", "AbCd", "-----END RSA PRIVATE KEY-----", "b"];
        let kept: Vec<_> = lines.iter().filter_map(|line| block.line(line)).collect();
        assert_eq!(kept, ["a", lines[1], MASK, lines[4], "b"]);
        let inline = r#""key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n""#;
        assert_eq!(block.line(inline), Some(MASK));
        assert!(!block.is_open());
    }

    #[test]
    fn a_key_without_end_does_not_hide_everything() {
        let mut block = KeyBlock::default();
        block.line("-----BEGIN PRIVATE KEY-----");
        let kept = (0..1000).filter_map(|_| block.line("line")).count();
        assert_eq!(kept, 1000 - KEY_LINES as usize);
    }

    proptest! {
        #[test]
        fn masking_twice_changes_nothing(line in "[ -~]{0,60}(token|password|ghp_|Bearer |://)?[=: ]{0,2}[ -~]{0,60}") {
            let once = mask(&line).into_owned();
            prop_assert_eq!(mask(&once), once.clone());
        }

        #[test]
        fn no_github_token_survives(before in "[ -~]{0,20}", token in "[A-Za-z0-9]{36}", after in "[ -~]{0,20}") {
            let line = format!("{before} ghp_{token} {after}");
            prop_assert!(!mask(&line).contains(&token));
        }

        #[test]
        fn what_has_no_hint_has_no_secret(line in "[ -~]{0,120}") {
            prop_assert!(hinted(&line) || mask(&line) == line, "{}", line);
        }
    }
}
