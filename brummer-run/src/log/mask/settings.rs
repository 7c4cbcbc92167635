//! Hides secrets in what somebody has configured: command lines, URLs, labels. Nobody talks there, and a word too much that is masked
//! harms nobody, so that more is masked than in a log.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

use super::{HARMLESS, MASK, OPTION, QUOTE, compile, mask, replace, replace_quoted};

/// Names of options and members whose value is a secret here, and may be anything in a log.
static NAMES: LazyLock<String> = LazyLock::new(|| {
    format!(
        r"(?:{OPTION}
        | (?i:(?:[a-z0-9]+[_.-])*(?:auth|authorization|key|pat|bearer|jwt|pw|pin|otp|sig|signature|(?:set-)?cookies?
            |secret[_-]key[_-]base))
        | [a-z][A-Za-z0-9]*(?:Auth|Authorization|Cookie|Jwt|Pin))"
    )
});

/// A word that is such an option.
static OPTION_WORD: LazyLock<Regex> =
    LazyLock::new(|| compile(&format!(r"(?x)^(?:--?|/)(?P<name>{})$", *NAMES)));

/// Options that some programs ask for their value if it is not given.
static MAY_ASK: LazyLock<Regex> =
    LazyLock::new(|| compile(r"(?xi)(?:password|passwd|passphrase|pass|pwd|pw|pin|otp|auth)$"));

/// What is hardly a value.
static OTHER_OPTION: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^(?:--[a-z][a-z0-9-]*(?:=.*)?|-[A-Za-z])$"));

/// A word that is nothing but a name and its secret.
static NAMED_WORD: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r"(?x)^(?P<before>(?:--?|/)?(?:[A-Za-z0-9]+[_.-])*(?P<name>{})\s*[=:]\s*(?:{SCHEME})?)(?P<value>\S.*)$",
        *NAMES
    ))
});

/// Options for a field of an HTTP request, and for a user with a password. The value may be part of the word.
static HEADER: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^(?P<option>--?(?:[a-z]+-)*headers?=?|-H)(?P<value>.*)$"));
static USER: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^(?P<option>--?(?:[a-z]+-)*user=?|-[uU])(?P<value>.*)$"));

/// A field of an HTTP request: what is shown of it, and the rest.
static FIELD: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(r"(?x)^(?P<before>\s*(?P<name>[A-Za-z0-9_-]+)\s*[:=]\s*(?:{SCHEME})?)(?P<value>\S.*)$"))
});

/// Fields that say nothing secret.
static HARMLESS_FIELD: LazyLock<Regex> = LazyLock::new(|| {
    compile(r"(?i)^(?:accept(?:-\w+)?|cache-control|connection|content-\w+|host|origin|referer|user-agent)$")
});

/// Schemes of `Authorization`.
const SCHEME: &str = r"(?i:bearer|basic|token|digest)\s+";

/// Within a text: an option and its value, without quotes and with them.
static OPTIONS: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?x)(?P<option>(?:^|[\s"'`(\[,;=])--?(?P<name>{})(?:\x20+|=))(?P<said>[^\s"'`]+)"#,
        *NAMES
    ))
});
static OPTIONS_QUOTED: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?x)(?:^|[\s"'`(\[,;=])--?(?P<name>{})(?:\x20+|=|{QUOTE},\x20?)(?P<quote>{QUOTE})"#,
        *NAMES
    ))
});

/// Within a text, as in JSON: a name and its value, without quotes and with them.
static MEMBERS: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?x)(?P<before>\b(?P<name>{})(?:=|{QUOTE}\s*[:=]\s*\[?\s*))(?P<value>[^\s"'`&\\,;{{}}\[\]]+)"#,
        *NAMES
    ))
});
static MEMBERS_QUOTED: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(r"(?x)\b(?P<name>{}){QUOTE}?\s*[:=]\s*\[?\s*(?P<quote>{QUOTE})", *NAMES))
});

/// Members of a URL's query that let somebody in.
static QUERY: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?i)(?P<before>[?&;#](?:[\w.-]*[_.-])?(?:(?:api)?key|sig|signature|code|auth|sid|session)=)[^&\s"'#;]+"#,
    )
});

static URL: LazyLock<Regex> = LazyLock::new(|| compile(r#"(?i)\b[a-z][a-z0-9+.-]*://[^\s"'`<>\\]+"#));

/// Addresses at which the rest of the path lets somebody in.
static HOOKS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?xi)^(?P<before>hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/|(?:\w+\.)?discord(?:app)?\.com/api/webhooks/
        |api\.telegram\.org/(?:file/)?bot|[\w.-]+\.webhook\.office\.com/webhookb2/|hooks\.zapier\.com/hooks/catch/
        |mcp\.zapier\.com/api/mcp/[a-z]/)[^?\#]+",
    )
});

/// A user or a part of a path that is this long is hardly a name.
const LONG: usize = 20;

/// The words of a command line, each without its secrets. They are told apart and nobody talks in them, so that more is known than
/// of a line: the word after `--token` is one, whatever it looks like.
#[must_use]
pub fn mask_words(words: &[String]) -> Vec<String> {
    let mut expected = Next::Any;
    let mut masked = Vec::with_capacity(words.len());
    for word in words {
        let next = Next::of(word);
        let shown = match std::mem::replace(&mut expected, next) {
            Next::Secret { may_ask } if !next.is_option(may_ask, word) && !is_file(word) => {
                // Whatever it looks like, nothing follows from it.
                expected = Next::Any;
                if is_reference(word) { word.clone() } else { MASK.to_owned() }
            }
            Next::Header if FIELD.is_match(word) => field(word),
            Next::User => user(word),
            // An option by itself says nothing.
            _ if next != Next::Any => word.clone(),
            _ => word_alone(word),
        };
        masked.push(shown);
    }
    masked
}

/// What the word after another one is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Any,
    /// `may_ask`: some programs ask for it if it is not given.
    Secret {
        may_ask: bool,
    },
    Header,
    User,
}

impl Next {
    /// After this word.
    fn of(word: &str) -> Self {
        let is_alone = |option: &Regex| {
            option.captures(word).is_some_and(|found| found["value"].is_empty() && !word.ends_with('='))
        };
        match OPTION_WORD.captures(word) {
            Some(found) if !HARMLESS.is_match(&found["name"]) => {
                Self::Secret { may_ask: MAY_ASK.is_match(&found["name"]) }
            }
            _ if is_alone(&HEADER) => Self::Header,
            _ if is_alone(&USER) => Self::User,
            _ => Self::Any,
        }
    }

    /// Whether the word that this comes after is another option, where a secret might stand.
    fn is_option(self, may_ask: bool, word: &str) -> bool {
        matches!(self, Self::Secret { .. }) || may_ask && OTHER_OPTION.is_match(word)
    }
}

/// A word that is no other's value.
fn word_alone(word: &str) -> String {
    let with_value = |option: &Regex, mask: fn(&str) -> String| {
        let found = option.captures(word)?;
        Some(found["option"].to_owned() + &mask(&found["value"]))
    };
    if let Some(found) = with_value(&HEADER, field).or_else(|| with_value(&USER, user)) {
        return found;
    }
    match NAMED_WORD.captures(word) {
        Some(found) if is_secret(&found["name"], &found["value"]) && !found["value"].starts_with("//") => {
            format!("{}{MASK}", &found["before"])
        }
        _ => mask_setting(word),
    }
}

/// A text in which a command line, a URL or a part of a configuration may stand, without its secrets.
#[must_use]
pub fn mask_setting(text: &str) -> String {
    let text = replace(Cow::Borrowed(text), &URL, |found| url(&found[0]));
    let text = match mask(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(masked) => Cow::Owned(masked),
    };
    let text = replace(text, &QUERY, |found| format!("{}{MASK}", &found["before"]));
    let text = replace_quoted(text, &OPTIONS_QUOTED, is_secret);
    let text = replace(text, &OPTIONS, |found| {
        let value = &found["said"];
        let is_other = MAY_ASK.is_match(&found["name"]) && OTHER_OPTION.is_match(value);
        // Where a shell reads the text, it is one.
        let is_variable = value.strip_prefix('$').is_some_and(|name| {
            name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        });
        if is_other || is_variable || !is_secret(&found["name"], value) || super::TALK_WORDS.is_match(value) {
            return found[0].to_owned();
        }
        format!("{}{MASK}", &found["option"])
    });
    let text = replace_quoted(text, &MEMBERS_QUOTED, is_secret);
    let text = replace(text, &MEMBERS, |found| {
        let is_word = ["true", "false", "null"].contains(&&found["value"]);
        if is_word || !is_secret(&found["name"], &found["value"]) {
            return found[0].to_owned();
        }
        format!("{}{MASK}", &found["before"])
    });
    text.into_owned()
}

fn is_secret(name: &str, value: &str) -> bool {
    !HARMLESS.is_match(name) && !is_reference(value) && !is_file(value)
}

/// Whether a value only says where a secret is: `${NAME}`, as many programs read it in their arguments.
fn is_reference(value: &str) -> bool {
    let name = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:.".contains(&byte)))
}

/// Whether a value is a file with a key.
fn is_file(value: &str) -> bool {
    [".pem", ".key", ".pub", ".json", ".crt"].iter().any(|end| value.ends_with(end))
}

/// `Name: value`, of which the name is shown, and the scheme.
fn field(text: &str) -> String {
    match FIELD.captures(text) {
        Some(found) if HARMLESS_FIELD.is_match(&found["name"]) => mask_setting(text),
        Some(found) if is_reference(&found["value"]) => text.to_owned(),
        // The port of a host.
        Some(found) if found["value"].bytes().all(|byte| byte.is_ascii_digit()) => text.to_owned(),
        Some(found) => format!("{}{MASK}", &found["before"]),
        None => mask_setting(text),
    }
}

/// `user:password`; without a password, what stands for the user is often the secret.
fn user(text: &str) -> String {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once(':') {
        Some((name, password)) if !(password.starts_with("//") || is_number(name) && is_number(password)) => {
            if password.is_empty() {
                format!("{MASK}:")
            } else {
                format!("{name}:{MASK}")
            }
        }
        _ => mask_setting(text),
    }
}

/// A URL without what lets somebody in by its user, its password or its path.
fn url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (users, host) = match authority.rsplit_once('@') {
        Some((users, host)) => (credentials(scheme, users) + "@", host),
        None => (String::new(), authority),
    };
    let (path, query) = tail.split_at(tail.find(['?', '#']).unwrap_or(tail.len()));
    let place = format!("{host}{path}");
    if let Some(hook) = HOOKS.captures(&place) {
        return format!("{scheme}://{users}{}{MASK}{query}", &hook["before"]);
    }
    let parts: Vec<&str> = path.split('/').map(|part| if is_random(part) { MASK } else { part }).collect();
    format!("{scheme}://{users}{host}{}{query}", parts.join("/"))
}

/// What stands before the `@` of a URL.
fn credentials(scheme: &str, users: &str) -> String {
    let (user, password) = users.split_once(':').unwrap_or((users, ""));
    let is_http = scheme.to_ascii_lowercase().starts_with("http");
    let is_name = user.is_empty() || is_reference(user) || user == "git";
    let alone = password.is_empty() && is_http;
    let user = if !is_name && (alone || user.len() >= LONG) { MASK } else { user };
    match password {
        "" => user.to_owned() + &users[users.find(':').unwrap_or(users.len())..],
        password if is_reference(password) => format!("{user}:{password}"),
        _ => format!("{user}:{MASK}"),
    }
}

/// Whether a part of a path is no word, but drawn by lot: long, with letters and digits.
fn is_random(part: &str) -> bool {
    let has = |is: fn(&u8) -> bool| part.bytes().any(|byte| is(&byte));
    part.len() >= LONG
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-~=.".contains(&byte))
        && part.bytes().filter(u8::is_ascii_digit).count() >= 3
        && has(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        mask_words(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn words_are_masked_by_what_they_are() {
        for (given, wanted) in [
            (&["--token", "abc", "--port", "1"][..], &["--token", "[masked]", "--port", "1"][..]),
            (&["-password", "to", "x"], &["-password", "[masked]", "x"]),
            (&["--api-key=letters", "x"], &["--api-key=[masked]", "x"]),
            (&["-e", "GITHUB_TOKEN=abc"], &["-e", "GITHUB_TOKEN=[masked]"]),
            (&["-H", "Authorization: abc"], &["-H", "Authorization: [masked]"]),
            (&["-H", "Authorization: Bearer abc"], &["-H", "Authorization: Bearer [masked]"]),
            (&["--header", "X-Api-Key: abc"], &["--header", "X-Api-Key: [masked]"]),
            (&["--header=X-Auth: abc"], &["--header=X-Auth: [masked]"]),
            (&["-HX-Who: abc"], &["-HX-Who: [masked]"]),
            (&["--header", "Authorization:${AUTH}"], &["--header", "Authorization:${AUTH}"]),
            (&["--header", "Accept: text/html"], &["--header", "Accept: text/html"]),
            (&["-H", "0.0.0.0"], &["-H", "0.0.0.0"]),
            (&["postgres://me:abc@db/x"], &["postgres://me:[masked]@db/x"]),
            (&["https://x/mcp?token=abc&a=b"], &["https://x/mcp?token=[masked]&a=b"]),
            (&["sh", "-c", "serve --token abc"], &["sh", "-c", "serve --token [masked]"]),
            (&["sh", "-c", "serve --token $TOKEN"], &["sh", "-c", "serve --token $TOKEN"]),
            (&["--token", "$SECRET"], &["--token", "[masked]"]),
            (&["--token", "-abc"], &["--token", "[masked]"]),
            (&["--token", "--abc"], &["--token", "[masked]"]),
            (&["--token", "--password", "abc"], &["--token", "--password", "[masked]"]),
            (&["--password", "-Abc"], &["--password", "[masked]"]),
            (&["--password", "--verbose", "-v"], &["--password", "--verbose", "-v"]),
            (&["--token=-abc"], &["--token=[masked]"]),
            (
                &["--auth", "abc", "--authorization", "abc"],
                &["--auth", "[masked]", "--authorization", "[masked]"],
            ),
            (&["--key", "abc", "--pat", "abc"], &["--key", "[masked]", "--pat", "[masked]"]),
            (&["--bearer", "abc", "--jwt", "abc"], &["--bearer", "[masked]", "--jwt", "[masked]"]),
            (&["--pw", "abc", "--pin", "1234"], &["--pw", "[masked]", "--pin", "[masked]"]),
            (&["--cookie", "sid=abc", "--key=abc"], &["--cookie", "[masked]", "--key=[masked]"]),
            (&["--key", "server.pem", "--key-file", "x"], &["--key", "server.pem", "--key-file", "x"]),
            (&["-u", "me:abc", "--user", "me:abc"], &["-u", "me:[masked]", "--user", "me:[masked]"]),
            (
                &["--user=me:abc", "-ume:abc", "-u", "abc:"],
                &["--user=me:[masked]", "-ume:[masked]", "-u", "[masked]:"],
            ),
            (&["-u", "1000:1000", "--user", "me"], &["-u", "1000:1000", "--user", "me"]),
            (&[r#"{"auth":{"key":"abc"}}"#], &[r#"{"auth":{"key":"[masked]"}}"#]),
            (&["--primary-key", "id"], &["--primary-key", "id"]),
            (&["-y", "@modelcontextprotocol/server-memory"], &["-y", "@modelcontextprotocol/server-memory"]),
        ] {
            assert_eq!(words(given), wanted, "{given:?}");
        }
    }

    #[test]
    fn settings_are_masked_more_than_lines() {
        let random = "a1b2c3d4e5f6g7h8i9j0k1l2";
        for (text, wanted) in [
            ("https://abc@host.test/x", "https://[masked]@host.test/x"),
            ("https://abc:@host.test/x", "https://[masked]:@host.test/x"),
            ("https://me:p@ss@host.test/x", "https://me:[masked]@host.test/x"),
            (&format!("https://{random}:x-oauth-basic@h.test/x"), "https://[masked]:[masked]@h.test/x"),
            ("https://abc@o1.ingest.sentry.io/42", "https://[masked]@o1.ingest.sentry.io/42"),
            ("https://x.test/?key=abc&a=b&sig=abc", "https://x.test/?key=[masked]&a=b&sig=[masked]"),
            ("https://x.test/?X-Amz-Signature=abc", "https://x.test/?X-Amz-Signature=[masked]"),
            ("https://x.test/cb?auth=abc&code=abc#x", "https://x.test/cb?auth=[masked]&code=[masked]#x"),
            ("https://hooks.slack.com/services/T0/B0/abc", "https://hooks.slack.com/services/[masked]"),
            ("https://discord.com/api/webhooks/1/abc", "https://discord.com/api/webhooks/[masked]"),
            (&format!("https://x.test/s/{random}/mcp"), "https://x.test/s/[masked]/mcp"),
            ("note=--password abc", "note=--password [masked]"),
            ("note=--key abc --port 1", "note=--key [masked] --port 1"),
            (r#"{"auth":["abc"],"pin":1234}"#, r#"{"auth":["[masked]"],"pin":[masked]}"#),
            (r#"{\"jwt\":\"abc\"}"#, r#"{\"jwt\":\"[masked]\"}"#),
            (r#"auth = "abc""#, r#"auth = "[masked]""#),
        ] {
            assert_eq!(mask_setting(text), wanted, "{text}");
        }
        for text in [
            "http://127.0.0.1:3845/mcp?a=b",
            "ssh://git@github.com/a/b",
            "git+https://git@github.com/a/b",
            "https://registry.npmjs.org/@modelcontextprotocol/server-everything",
            "the option --token needs a value",
            "unknown key `x`; there are `command`, `args`",
            "/srv/key/pin/auth.d",
            r#"{"auth":true,"keyboard":"abc"}"#,
        ] {
            assert_eq!(mask_setting(text), text);
        }
    }

    proptest! {
        #[test]
        fn masking_twice_changes_nothing(text in "[ -~]{0,40}(--?(token|key|pin)|auth|://|[?&]sig)?[=: ]{0,2}[\"'\\\\]{0,3}[ -~]{0,40}") {
            let once = mask_setting(&text);
            prop_assert_eq!(mask_setting(&once), once.clone());
        }

        #[test]
        fn nothing_follows_an_option_that_takes_a_secret(value in "[!-~]{8,30}") {
            prop_assume!(!is_file(&value) && !is_reference(&value));
            let masked = words(&["--token", &value]);
            prop_assert_eq!(&masked[1], MASK);
        }
    }
}
