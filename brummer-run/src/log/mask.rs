//! Hides secrets in well-known forms, so that they do not get into a model's context with the output of a script.
//!
//! Tokens with a form of their own are found by patterns of the rule sets of secretlint and gitleaks (`mask/*.tsv`); the rest by what
//! stands before them: a name that says it, a header field, a URL. It is a net with known holes, not a wall: a secret without a telling
//! form or name is text like any other. How wide it is, is measured on `mask/corpus.tsv`.

mod settings;

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex, RegexSet};

pub use self::settings::{mask_setting, mask_words};

/// What stands where a secret was.
pub(crate) const MASK: &str = "[masked]";

/// The rules: a name, the part of a line without which it cannot match, and the pattern. Its first group stays.
const RULES: [&str; 2] = [include_str!("mask/secretlint.tsv"), include_str!("mask/gitleaks.tsv")];

/// Parts of lines, in any case, without which nothing but a rule can match.
const HINTS: [&str; 13] = [
    "bearer",
    "basic",
    URL_HINT,
    "sig=",
    "signature=",
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "cookie",
    "credential",
];

/// The hint that also tells of a URL.
pub(super) const URL_HINT: &str = "://";

/// Parts of lines, in any case, without which nothing below can match.
pub(super) fn hints() -> impl Iterator<Item = &'static str> {
    HINTS.into_iter().chain(rules().map(|(_, hint, _)| hint))
}

/// The beginning of a private key in text form, and its end.
pub(super) const KEY_HINT: &str = "private key-----";

/// Tokens that can be told by their own form.
struct TokenRules {
    /// Says at once which of them match: mostly none does.
    any: RegexSet,
    each: Vec<Regex>,
}

static TOKENS: LazyLock<TokenRules> = LazyLock::new(|| {
    // Where words end by ASCII alone, a line with other letters is searched as fast as one without.
    let patterns: Vec<String> = rules().map(|(_, _, pattern)| pattern.replace(r"\b", r"(?-u:\b)")).collect();
    let any = RegexSet::new(&patterns).expect("the patterns are part of the program");
    TokenRules { any, each: patterns.iter().map(|pattern| compile(pattern)).collect() }
});

/// Name, hint and pattern of each rule.
fn rules() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    RULES.into_iter().flat_map(str::lines).filter(|line| !line.is_empty() && !line.starts_with('#')).map(
        |line| {
            let mut parts = line.splitn(3, '\t');
            let mut part = || parts.next().unwrap_or_default();
            (part(), part(), part())
        },
    )
}

/// Credentials of HTTP, and in URLs.
static CREDENTIALS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?xi)
        (?P<scheme>\b(?:bearer|basic)\s+)(?P<credentials>[A-Za-z0-9._~+/=-]{8,})
        | (?P<before>://[^\s/:@"']*:)[^\s/"']+(?P<after>@)
        | (?P<user>\bhttps?://)[a-z0-9_~.-]{20,}(?P<at>@)
        | (?P<signed>[?&;](?:[a-z0-9-]*[_-])?(?:sig|signature)=)[^\s&"'\#]+"#,
    )
});

/// Header fields whose whole value is a secret: `Authorization` with any scheme, cookies.
static FIELDS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?xi)
        (?P<name>\b(?:proxy-)?authorization(?:\\*["'])?\s*[:=]\s*(?:\\*["'])?)(?P<scheme>[a-z][a-z0-9-]*\s+)?
            (?P<value>[^\s"'\\](?:[^"']*[^\s"'\\])?)
        | (?P<cookie>\b(?:set-)?cookie(?:\\*["'])?\s*[:=]\s*(?:\\*["'])?)[^"'=\s\\]+=(?:[^"']*[^"'\\])?"#,
    )
});

/// A name that says that a secret follows, by its ending or by a word in it.
const NAME: &str = r"\b(?:
            (?i:[a-z0-9_.-]*(?:password|passwd|passphrase|secret|credential)[a-z0-9_.-]*)
            | (?i:(?:[a-z0-9]+[_.-])*(?:pass|pwd|token|auth|(?:api|access|private|auth|encryption|signing|master|ssh|account|
                storage|license|deploy|webhook|service)[_.-]?key(?:[_.-]id)?))
            | (?:[A-Z0-9]+_)+(?:KEY|PASS|PWD|TOKEN|AUTH)
            | _?[a-z][A-Za-z0-9]*(?:Token|Key|Pwd|Passwd|Pass)
        )";

/// A quotation mark as it is, or within a text that is quoted itself, as JSON in JSON is.
const QUOTE: &str = r#"(?:\\*["']|\\+u002[27]|&quot;)"#;

/// A name and the beginning of a value in quotes.
static NAMED_QUOTED: LazyLock<Regex> =
    LazyLock::new(|| compile(&format!(r"(?x)(?P<name>{NAME}){QUOTE}?\s*[:=]\s*(?P<quote>{QUOTE})")));

/// A name and a value without quotes, and how it is set off.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?x)
        (?P<name>{NAME})(?P<quote>{QUOTE}?)
        (?: (?P<equals>\s?=\s?)(?P<set>[^\s"'&][^\s"'&]*)
          | (?P<bare>\s?:\s*)(?P<said>[^\s"',;]*[0-9][^\s"',;]{{3,}}) )"#
    ))
});

/// An option and the beginning of the secret in quotes that follows it: `--token "abc`, also in a list (`"--token", "abc`).
static OPTIONS_QUOTED: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?x)(?:^|[\s"'`(\[,;])--?(?P<name>{OPTION})(?:\x20|{QUOTE},\x20?)(?P<quote>{QUOTE})"#
    ))
});

/// An option that a secret follows, as on a command line: `--token abc`.
static OPTIONS: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?x)(?P<option>(?:^|[\s"'`(\[,;])--?(?P<name>{OPTION})\x20)(?P<said>[^\s"'`\-][^\s"'`]*)"#
    ))
});

/// The name of an option whose value is a secret.
const OPTION: &str = r"(?:
    (?i:(?:[a-z0-9]+[_.-])*(?:password|passwd|passphrase|secret|credentials?|pass|pwd|token|(?:http|basic|proxy|digest)[_.-]?auth
        |(?:api|access|private|auth|encryption|signing|master|ssh|account|storage|license|deploy|webhook|service|secret)[_.-]?key))
    | [a-z][A-Za-z0-9]*(?:Token|Key|Pwd|Passwd|Password|Pass|Secret))";

/// What stands behind the name of an option where people talk of it.
static TALK_WORDS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?x) ^(?i:an?|and|are|arguments?|as|at|but|by|can|cannot|can't|does|doesn't|env|environment|expects?|file|flags?|for|from|given|
            has|if|in|instead|is|isn't|it|may|must|needs?|not|of|on|only|options?|or|parameters?|requires?|set|should|takes?|than|that|the|
            then|this|to|value|values|via|was|when|which|will|with|without|you|your)[,;:.)]*$",
    )
});

/// What stands there in a help text.
static TALK_VALUE: LazyLock<Regex> = LazyLock::new(|| compile(r"^[A-Z][A-Z_-]*[,;:.)\]]*$"));

/// Names that end like those of secrets and are none: keys of tables and caches, and what is counted.
static HARMLESS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?xi) (?:primary|foreign|partition|sort|cache|object|public|row|map|group|unique|composite|index|query|lookup|hot|
            idempotency|translation|react|i18n|storage(?:Key)?Prefix)[_.-]?key$
            | (?:by|pass)pass$ | compass$ | publickey$ | next_?page_?token$ | (?:keyword|tokenize\w*)$",
    )
});

/// Words that stand for a value, or for its type, in programs and messages.
static PLACEHOLDERS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?xi) ^(?:string|number|boolean|any|unknown|never|void|object|null|undefined|none|nil|true|false|required|optional|
            missing|invalid|empty|unset|redacted|hidden|include|omit|same-origin|await|new|\{.*|\[.*\]|\*+|x+|\.{2,}|<.*>|\$\{?\w.*|%\w+%|process\.env.*|os\.environ.*|
            \w+\(.*|=>?.*|[=!&|].*)[,;]?$",
    )
});

/// Patterns of this file are tested as a whole: one that does not compile fails every test.
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is part of the program")
}

/// The line without its secrets, as far as their form or what stands before them tells of them.
#[must_use]
pub fn mask(line: &str) -> Cow<'_, str> {
    let mut line = Cow::Borrowed(line);
    for rule in TOKENS.any.matches(&line) {
        line = replace(line, &TOKENS.each[rule], |found| {
            let kept = found.iter().skip(1).flatten().next().map_or("", |group| group.as_str());
            format!("{kept}{MASK}")
        });
    }
    line = replace(line, &FIELDS, |found| {
        let part = |name| found.name(name).map_or("", |group| group.as_str());
        // `Authorization: required` is talk.
        let is_word = |text: &str| text.chars().all(|c| c.is_ascii_alphabetic());
        if part("scheme").is_empty() && is_word(part("value")) && part("cookie").is_empty() {
            return found[0].to_owned();
        }
        format!("{}{}{}{MASK}", part("name"), part("scheme"), part("cookie"))
    });
    line = replace(line, &CREDENTIALS, |found| {
        let part = |name| found.name(name).map_or("", |group| group.as_str());
        // `Basic authentication` is talk.
        let credentials = part("credentials");
        if !credentials.is_empty() && credentials.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return found[0].to_owned();
        }
        let before = ["scheme", "before", "user", "signed"].map(part).concat();
        format!("{before}{MASK}{}{}", part("after"), part("at"))
    });
    line = replace_quoted(line, &OPTIONS_QUOTED, |name, value| !is_no_secret(name, value) && !is_talk(value));
    line = replace(line, &OPTIONS, |found| {
        let (value, slashes) = before_mark(&found["said"]);
        if value.is_empty() || is_no_secret(&found["name"], value) || is_talk(value) {
            return found[0].to_owned();
        }
        format!("{}{MASK}{slashes}", &found["option"])
    });
    line = replace_quoted(line, &NAMED_QUOTED, |name, value| {
        !HARMLESS.is_match(name) && !PLACEHOLDERS.is_match(value)
    });
    replace(line, &NAMED, |found| {
        let part = |name| found.name(name).map_or("", |group| group.as_str());
        let value = ["set", "said"].map(part).concat();
        let (value, slashes) = before_mark(&value);
        if value.is_empty() || HARMLESS.is_match(part("name")) || PLACEHOLDERS.is_match(value) {
            return found[0].to_owned();
        }
        let rest = if found.name("set").is_some() { after_value(value) } else { "" };
        format!("{}{}{}{}{MASK}{rest}{slashes}", part("name"), part("quote"), part("equals"), part("bare"))
    })
}

/// Whether this stands behind the name of an option because people talk of it.
fn is_talk(value: &str) -> bool {
    TALK_WORDS.is_match(value) || TALK_VALUE.is_match(value)
}

/// Whether this is no secret though it stands behind such a name.
fn is_no_secret(name: &str, value: &str) -> bool {
    let is_key_file = || {
        let ends = [".pem", ".key", ".pub", ".json", ".crt"];
        name.to_ascii_lowercase().ends_with("key")
            && (value.starts_with(['/', '~', '.']) || ends.iter().any(|end| value.ends_with(end)))
    };
    HARMLESS.is_match(name) || PLACEHOLDERS.is_match(value) || is_key_file()
}

/// Whether a line that is not whole yet ends in the middle of a secret, or right before one: what comes next belongs to it. A
/// question for one (`Password:`) is none, and is to be seen.
pub(super) fn is_within(beginning: &str) -> bool {
    const MORE: &str = "1a2b3c4d5e6f7g8h9i0j";
    let is_hidden = |end| !mask(&format!("{beginning}{MORE}{end}")).contains(MORE);
    !beginning.trim_end().ends_with([':', '?', '>']) && ["", "\"", "'"].into_iter().any(is_hidden)
}

/// What comes after an unquoted value: another setting, as in `Password=a;Database=b`, or the end of a sentence.
fn after_value(value: &str) -> &str {
    let is_setting = |rest: &str| {
        let name = rest.trim_start_matches([',', ';', ' ']);
        let length = name.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.'));
        rest.len() == 1 || length.is_some_and(|length| length > 0 && name[length..].starts_with('='))
    };
    let ends = value.match_indices([',', ';', ')']).map(|(at, _)| &value[at..]);
    ends.into_iter().find(|rest| is_setting(rest)).unwrap_or("")
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

/// Replaces what is in quotes behind each place of the pattern, if it is a secret: up to the mark that ends it, or to the end of the
/// line, which may have been cut.
fn replace_quoted<'a>(
    line: Cow<'a, str>,
    pattern: &Regex,
    is_secret: impl Fn(&str, &str) -> bool,
) -> Cow<'a, str> {
    let (mut masked, mut done) = (String::new(), 0);
    let mut from = 0;
    while let Some(found) = pattern.captures_at(&line, from) {
        let begin = found.get_match().end();
        let value = quoted(&line[begin..], &found["quote"]);
        from = begin;
        if !value.is_empty() && !value.contains(MASK) && is_secret(&found["name"], value) {
            masked += &line[done..begin];
            masked += MASK;
            from = begin + value.len();
            done = from;
        }
    }
    if done == 0 {
        return line;
    }
    masked += &line[done..];
    Cow::Owned(masked)
}

/// A value without quotes, and the backslashes behind it, which belong to the quotation mark that it ends at.
fn before_mark(value: &str) -> (&str, &str) {
    value.split_at(value.trim_end_matches('\\').len())
}

/// What is in quotes, without the mark that ends it. In a text that is quoted itself, marks have backslashes before them, and those
/// that belong to the value have more.
fn quoted<'a>(rest: &'a str, quote: &str) -> &'a str {
    let (slashes, mark) = quote.split_at(quote.bytes().take_while(|&byte| byte == b'\\').count());
    let depth = slashes.len();
    let ends = rest.match_indices(mark).find_map(|(at, _)| {
        let before = rest[..at].bytes().rev().take_while(|&byte| byte == b'\\').count();
        // A backslash of the value has its own ones, too.
        let more = before.checked_sub(depth)?;
        (more % (2 * (depth + 1)) == 0).then_some(at - depth)
    });
    ends.map_or(rest, |end| &rest[..end])
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
        hints().any(|hint| lower.contains(hint))
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
            ("http://me:p@ss@h/x", "http://me:[masked]@h/x"),
            (
                "to https://a1b2c3d4e5f6a7b8c9d0@o1.ingest.sentry.io/1",
                "to https://[masked]@o1.ingest.sentry.io/1",
            ),
            ("GET /a?X-Amz-Signature=abc&b=c", "GET /a?X-Amz-Signature=[masked]&b=c"),
            ("GET /a?sig=abc HTTP/1.1", "GET /a?sig=[masked] HTTP/1.1"),
            ("DB_PASSWORD=correct-horse next", "DB_PASSWORD=[masked] next"),
            ("DB_PASS=hunter2", "DB_PASS=[masked]"),
            ("SECRET_KEY_BASE=a,b;c&d", "SECRET_KEY_BASE=[masked]&d"),
            ("Authorization: token abc", "Authorization: token [masked]"),
            ("authorization: Digest username=\"a\"", "authorization: Digest [masked]\"a\""),
            ("Server=db;Password=p,w;Database=shop", "Server=db;Password=[masked];Database=shop"),
            ("Set-Cookie: sid=abc; Path=/", "Set-Cookie: [masked]"),
            ("{\"apiKey\": \"zzzz-yyyy\"}", "{\"apiKey\": \"[masked]\"}"),
            ("client_secret: 12ab34cd56", "client_secret: [masked]"),
            ("AWS_SECRET_ACCESS_KEY = wJalrXUtnFEMI/K7MDENG", "AWS_SECRET_ACCESS_KEY = [masked]"),
        ] {
            assert!(hinted(line), "{line}");
            assert_eq!(mask(line), wanted, "{line}");
        }
    }

    #[test]
    fn a_secret_after_an_option_is_masked_and_talk_of_options_is_not() {
        for (line, wanted) in [
            ("> node server.js --token abc --port 3000", "> node server.js --token [masked] --port 3000"),
            ("mysqldump --password hunter2 shop", "mysqldump --password [masked] shop"),
            ("x -password 'two words' y", "x -password '[masked]' y"),
            ("x --client-secret \"two words\"", "x --client-secret \"[masked]\""),
            (r#"args: ["--api-key", "abc", "-v"]"#, r#"args: ["--api-key", "[masked]", "-v"]"#),
            ("['--authToken','abc']", "['--authToken','[masked]']"),
            ("--db-password p@ss;w0rd", "--db-password [masked]"),
            ("--api-key=abc", "--api-key=[masked]"),
        ] {
            assert!(hinted(line), "{line}");
            assert_eq!(mask(line), wanted, "{line}");
        }
        for line in [
            "error: option --token requires a value",
            "the --password option is deprecated",
            "use --token to log in, or --password <PASSWORD>",
            "  --token TOKEN      The token",
            "  --token            The token",
            "--token --verbose",
            "--token $TOKEN",
            "--token-file /run/secrets/token",
            "--password-stdin",
            "--primary-key id",
            "--ssh-key ~/.ssh/id_ed25519",
            "--private-key server.pem",
            "--max-tokens 100",
            "--bypass abc",
        ] {
            assert_eq!(mask(line), line);
        }
    }

    #[test]
    fn a_secret_in_quotes_is_masked_up_to_the_mark_that_ends_it() {
        for (line, wanted) in [
            (r#"password: "a\"REST" x"#, r#"password: "[masked]" x"#),
            (r#"password: "a\\" x"#, r#"password: "[masked]" x"#),
            (r"password: 'a\'REST' x", "password: '[masked]' x"),
            (r#"password: "cut off"#, r#"password: "[masked]"#),
            (r#"{\"password\":\"Xy\",\"b\":1}"#, r#"{\"password\":\"[masked]\",\"b\":1}"#),
            (r#"{\"password\": \"a\\\"REST\"}"#, r#"{\"password\": \"[masked]\"}"#),
            (r#"{\"password\": \"a\\\\\"}"#, r#"{\"password\": \"[masked]\"}"#),
            (r#"{\\\"password\\\":\\\"a b\\\"}"#, r#"{\\\"password\\\":\\\"[masked]\\\"}"#),
            (r#"{\"api_key\":12345}"#, r#"{\"api_key\":[masked]"#),
            (r#"{\u0022password\u0022:\u0022Xy\u0022}"#, r#"{\u0022password\u0022:\u0022[masked]\u0022}"#),
            ("{&quot;password&quot;:&quot;Xy&quot;}", "{&quot;password&quot;:&quot;[masked]&quot;}"),
            (r#""run": "DB_PASSWORD=\"a b\" serve""#, r#""run": "DB_PASSWORD=\"[masked]\" serve""#),
            (r#"{\"authorization\":\"Bearer X.Y\"}"#, r#"{\"authorization\":\"Bearer [masked]\"}"#),
            (r#"{\"cookie\":\"sid=X\"}"#, r#"{\"cookie\":\"[masked]\"}"#),
            (r#"x --token "a\"REST" y"#, r#"x --token "[masked]" y"#),
            (r#"[\"--token\",\"Xy\"]"#, r#"[\"--token\",\"[masked]\"]"#),
            (r#""x --token=ab\" y""#, r#""x --token=[masked]\" y""#),
            (r"password=\ab", "password=[masked]"),
            (r#""x --token \"a b\" y""#, r#""x --token \"[masked]\" y""#),
            (r#"password: "a", token: "b""#, r#"password: "[masked]", token: "[masked]""#),
        ] {
            assert!(hinted(line), "{line}");
            assert_eq!(mask(line), wanted, "{line}");
        }
        for line in
            [r#"{\"type\":\"Xy\"}"#, r#"password: """#, r#"{\"token\":\"string\"}"#, r#"{\"password\":\"\"}"#]
        {
            assert_eq!(mask(line), line);
        }
    }

    #[test]
    fn a_secret_that_comes_in_pieces_is_seen_as_one() {
        for beginning in
            ["DB_PASS=", "DB_PASS=hun", "Authorization: token a", "key ghp_a1B2c3D4", "x \"apiKey\": \"zz"]
        {
            assert!(is_within(beginning), "{beginning}");
        }
        for beginning in ["", "Password: ", "Continue? ", "50 %", "done in 3 s", "DB_PASS=hunter2 next"] {
            assert!(!is_within(beginning), "{beginning}");
        }
    }

    #[test]
    fn every_rule_has_its_hint_and_says_who_made_it() {
        for (rules, maker) in RULES.into_iter().zip(["secretlint", "gitleaks"]) {
            assert!(rules.contains(maker) && rules.contains("MIT"), "{maker}");
        }
        let mut count = 0;
        for (name, hint, pattern) in rules() {
            count += 1;
            assert!(hint.len() > 1 && !hint.bytes().any(|byte| byte.is_ascii_uppercase()), "{name}: {hint}");
            assert!(!pattern.is_empty() && Regex::new(pattern).is_ok(), "{name}");
        }
        assert!(count > 100, "{count}");
    }

    /// The corpus: `+`, the line and the secret in it, or `-` and a line without one.
    const CORPUS: &str = include_str!("mask/corpus.tsv");

    #[test]
    fn the_net_is_as_wide_as_the_documents_say() {
        let (mut secrets, mut missed, mut harmless, mut alarms) = (0, Vec::new(), 0, Vec::new());
        for line in CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let parts: Vec<&str> = line.split('\t').collect();
            match parts[..] {
                ["+", line, secret] => {
                    assert!(line.contains(secret), "{line}");
                    secrets += 1;
                    if !hinted(line) || mask(line).contains(secret) {
                        missed.push(line);
                    }
                }
                ["-", line] => {
                    harmless += 1;
                    if mask(line) != line {
                        alarms.push(format!("{line} -> {}", mask(line)));
                    }
                }
                _ => panic!("neither: {line}"),
            }
        }
        println!("{} of {secrets} secrets found; missed: {missed:#?}", secrets - missed.len());
        println!("{} false alarms in {harmless} lines: {alarms:#?}", alarms.len());
        assert!(secrets >= 120 && harmless >= 120, "{secrets} and {harmless}");
        // RUN.md states these.
        assert!(missed.len() * 100 <= secrets * 5, "{missed:#?}");
        assert!(alarms.len() * 100 <= harmless * 3, "{alarms:#?}");
    }

    /// What real tools have printed has no tokens in it.
    #[test]
    fn no_token_is_seen_in_recorded_output() {
        let mut lines = 0;
        for half in ["visible", "held-out"] {
            let folder = format!("{}/tests/corpus/{half}", env!("CARGO_MANIFEST_DIR"));
            for file in std::fs::read_dir(folder).unwrap() {
                let Ok(text) = std::fs::read_to_string(file.unwrap().path()) else { continue };
                for line in text.lines() {
                    lines += 1;
                    let found: Vec<_> =
                        TOKENS.any.matches(line).into_iter().map(|rule| TOKENS.each[rule].as_str()).collect();
                    assert_eq!(found, [""; 0], "{line}");
                }
            }
        }
        assert!(lines > 1000, "{lines}");
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
        fn masking_twice_changes_nothing(line in "[ -~]{0,60}(--?token|token|password|ghp_|Bearer |://)?[=: ]{0,2}[\"'\\\\]{0,4}[ -~]{0,60}") {
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
