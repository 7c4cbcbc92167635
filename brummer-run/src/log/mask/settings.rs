//! Hides secrets in what somebody has configured: command lines, URLs, labels. Nobody talks there, and a word too much that is masked
//! harms nobody, so that more is masked than in a log.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

use super::{
    AROUND, MASK, OPTION, QUOTE, SIGN, bare, compile, hide, is_secret, mask, names,
    programs::{self, Program, Takes},
    quoted, replace, set, url, values,
};

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

/// Options that some programs ask for their value if it is not given, or read elsewhere.
static MAY_ASK: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?xi)(?:password|passwd|passphrase|pass|pwd|pw|pin|otp|auth)$|^(?:with|require|force|use|check|verify)[_.-]",
    )
});

/// What is hardly a value.
static OTHER_OPTION: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^(?:--[a-z][a-z0-9-]*(?:=.*)?|-[A-Za-z])$"));

/// A word that is nothing but a name and its secret.
static NAMED_WORD: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r"(?x)^(?P<before>(?:--?|/)?(?P<name>(?:[A-Za-z0-9]+[_.-])*{})\s*{SIGN}\s*(?:{SCHEME})?)(?P<value>\S.*)$",
        *NAMES
    ))
});

/// Options for a field of an HTTP request, and for a user with a password. The value may be part of the word.
static HEADER: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^(?P<option>--?(?:[a-z]+-)*headers?=?|-H)(?P<value>.*)$"));
static USER: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^(?P<option>--?(?:[a-z]+-)*user=?|-[uU])(?P<value>.*)$"));

/// The same for a field, within a text.
static HEADERS_QUOTED: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?x)(?:^|[\s"'`(\[,;])(?:-H|--(?:[a-z]+-)*headers?)(?:\x20*|=)(?P<quote>{QUOTE})\s*(?P<name>[A-Za-z0-9_-]+)\s*[:=]\s*"#
    ))
});

/// A field of an HTTP request: what is shown of it, and the rest.
static FIELD: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(r"(?x)^(?P<before>\s*(?P<name>[A-Za-z0-9_-]+)\s*[:=]\s*(?:{SCHEME})?)(?P<value>\S.*)$"))
});

/// A word of a command line that is a field: `X-Token:abc`.
static FIELD_WORD: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?x)(?:^|[\s"'`])(?P<name>(?:[xX]-(?:[A-Za-z0-9]+-)*)?{}):(?P<value>[^\s"'`:;=/\\][^\s"'`]*)"#,
        *NAMES
    ))
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
        r#"(?x)(?:^|[\s"'`(\[,;=])--?(?P<name>{})(?P<sign>\x20+|=)(?P<value>[^\s"'`]+)"#,
        *NAMES
    ))
});
static OPTIONS_QUOTED: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?x)(?:^|[\s"'`(\[,;=])--?(?P<name>{})(?P<sign>\x20+|=|{QUOTE},\x20?)(?P<quote>{QUOTE})"#,
        *NAMES
    ))
});

/// Within a text, as in JSON: a name and its value, without quotes and with them.
static MEMBERS: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?x)\b(?P<name>{})(?:=|{QUOTE}\s*{SIGN}\s*\[?\s*)(?P<value>[^\s"'`&\\,;{{}}\[\]]+)"#,
        *NAMES
    ))
});
static MEMBERS_QUOTED: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(r"(?x)\b(?P<name>{}){QUOTE}?\s*{SIGN}\s*\[?\s*{AROUND}(?P<quote>{QUOTE})", *NAMES))
});

/// Members of a URL's query that let somebody in.
static QUERY: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?xi)[?&;\#](?P<name>(?:[\w.-]*[_.-])?(?:(?:api)?key|sig|signature|code|auth|sid|session))=(?P<value>[^&\s"'\#;]+)"#,
    )
});

static URL: LazyLock<Regex> = LazyLock::new(|| compile(r#"(?i)\b[a-z][a-z0-9+.-]*://[^\s"'`<>\\]+"#));

/// The words of a command line, each without its secrets. They are told apart and nobody talks in them, so that more is known than
/// of a line: the word after `--token` is one, whatever it looks like.
#[must_use]
pub fn mask_words(words: &[String]) -> Vec<String> {
    let mut expected = Next::Any;
    let mut program = None;
    let mut last = "";
    let mut masked = Vec::with_capacity(words.len());
    for word in words {
        let mut next = Next::of(word);
        let mut within = None;
        if let Some((takes, value)) = program.and_then(|it: &Program| it.takes(word)) {
            next = match takes {
                Takes::User if value.is_empty() => Next::User,
                _ if value.is_empty() => Next::Secret { may_ask: true, is_weak: false },
                _ => Next::Any,
            };
            within = (!value.is_empty()).then_some((takes, value));
            // A program that this one runs may have the same option for something else.
            program = None;
        } else {
            program = Program::within(&format!("{last} {word}")).or(program);
        }
        last = word;
        let shown = match std::mem::replace(&mut expected, next) {
            Next::Secret { may_ask, is_weak }
                if !(next.is_option(may_ask, word)
                    || values::is_file(word)
                    || is_weak && values::is_plain(word)) =>
            {
                // Whatever it looks like, nothing follows from it.
                expected = Next::Any;
                argument(word)
            }
            Next::Header if FIELD.is_match(word) => field(word),
            Next::User => user(word),
            _ => match within {
                Some((Takes::User, value)) => word[..value.start].to_owned() + &user(&word[value]),
                Some((_, value)) => word[..value.start].to_owned() + &argument(&word[value]),
                // An option by itself says nothing.
                None if next != Next::Any => word.clone(),
                None => word_alone(word),
            },
        };
        masked.push(shown);
    }
    masked
}

/// The same of words that come behind a command.
pub(crate) fn mask_arguments(command: &str, words: &[String]) -> Vec<String> {
    let all: Vec<String> =
        std::iter::once(command).chain(words.iter().map(String::as_str)).map(str::to_owned).collect();
    mask_words(&all).split_off(1)
}

/// What the word after another one is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Any,
    /// `may_ask`: some programs ask for it if it is not given. `is_weak`: the option may be one for something else.
    Secret {
        may_ask: bool,
        is_weak: bool,
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
            Some(found) if !names::is_harmless(&found["name"]) && !names::is_switch(&found["name"]) => {
                let name = &found["name"];
                Self::Secret { may_ask: MAY_ASK.is_match(name), is_weak: names::is_weak(name) }
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
        Some(found) if is_secret(&found["name"], &found["value"]) && !found["value"].contains("//") => {
            format!("{}{}", &found["before"], argument(&found["value"]))
        }
        _ => mask_setting(word),
    }
}

/// What is shown of a word that is a secret. Only with brackets is a variable one here: no shell reads it, and a `$` may be the secret's.
fn argument(word: &str) -> String {
    match values::shown(word, word.len(), |_| true) {
        Some((length, shown)) if word.starts_with("${") && length == word.len() => shown,
        _ => MASK.to_owned(),
    }
}

/// A text in which a command line, a URL or a part of a configuration may stand, without its secrets.
#[must_use]
pub fn mask_setting(text: &str) -> String {
    let text = replace(Cow::Borrowed(text), &URL, |found| url::masked(&found[0]));
    let text = match mask(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(masked) => Cow::Owned(masked),
    };
    let text = programs::masked(text);
    let text = hide(text, &FIELD_WORD, bare, |_, found, value| {
        let name = &found["name"];
        let is_field = name.starts_with(|c: char| c.is_ascii_uppercase()) || name.starts_with("x-");
        is_field && is_secret(name, value)
    });
    let text = hide(text, &QUERY, bare, |_, found, value| is_secret(&found["name"], value));
    let text = hide(text, &HEADERS_QUOTED, quoted, |_, found, value| {
        !HARMLESS_FIELD.is_match(&found["name"]) && !values::is_placeholder(value)
    });
    let is_option_value = |found: &regex::Captures<'_>, value: &str| {
        let name = &found["name"];
        !(found["sign"].starts_with(' ') && names::is_switch(name)) && is_secret(name, value)
    };
    let text = hide(text, &OPTIONS_QUOTED, quoted, |_, found, value| is_option_value(found, value));
    let text = hide(text, &OPTIONS, set, |_, found, value| {
        let is_other = MAY_ASK.is_match(&found["name"]) && OTHER_OPTION.is_match(value);
        !is_other && is_option_value(found, value) && !super::TALK_WORDS.is_match(value)
    });
    let text = hide(text, &MEMBERS_QUOTED, quoted, |_, found, value| is_secret(&found["name"], value));
    let text = hide(text, &MEMBERS, bare, |_, found, value| {
        !values::is_code(value) && is_secret(&found["name"], value)
    });
    text.into_owned()
}

/// `Name: value`, of which the name is shown, and the scheme.
fn field(text: &str) -> String {
    match FIELD.captures(text) {
        Some(found) if HARMLESS_FIELD.is_match(&found["name"]) => mask_setting(text),
        // The port of a host.
        Some(found) if found["value"].bytes().all(|byte| byte.is_ascii_digit()) => text.to_owned(),
        Some(found) => format!("{}{}", &found["before"], argument(&found["value"])),
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
                format!("{name}:{}", argument(password))
            }
        }
        _ => mask_setting(text),
    }
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
                &["--auth", "abcdef", "--authorization", "abcdef"],
                &["--auth", "[masked]", "--authorization", "[masked]"],
            ),
            (&["--key", "abcdef", "--pat", "abcdef"], &["--key", "[masked]", "--pat", "[masked]"]),
            (&["--bearer", "abc", "--jwt", "abc"], &["--bearer", "[masked]", "--jwt", "[masked]"]),
            (&["--pw", "abc", "--pin", "1234"], &["--pw", "[masked]", "--pin", "[masked]"]),
            (&["--cookie", "sid=abc", "--key=abcdef"], &["--cookie", "[masked]", "--key=[masked]"]),
            (&["--key", "server.pem", "--key-file", "x"], &["--key", "server.pem", "--key-file", "x"]),
            (&["-u", "me:abc", "--user", "me:abc"], &["-u", "me:[masked]", "--user", "me:[masked]"]),
            (
                &["--user=me:abc", "-ume:abc", "-u", "abc:"],
                &["--user=me:[masked]", "-ume:[masked]", "-u", "[masked]:"],
            ),
            (&["-u", "1000:1000", "--user", "me"], &["-u", "1000:1000", "--user", "me"]),
            (&[r#"{"auth":{"key":"abcdef"}}"#], &[r#"{"auth":{"key":"[masked]"}}"#]),
            (&["--primary-key", "id"], &["--primary-key", "id"]),
            (&["-y", "@modelcontextprotocol/server-memory"], &["-y", "@modelcontextprotocol/server-memory"]),
            (&["--no-verify-jwt", "--env-file", ".env"], &["--no-verify-jwt", "--env-file", ".env"]),
            (&["--disable-auth", "abcdef"], &["--disable-auth", "abcdef"]),
            (&["--with-token", "--hostname", "h"], &["--with-token", "--hostname", "h"]),
            (
                &["--auth", "none", "--key", "MIT", "--pin", "3"],
                &["--auth", "none", "--key", "MIT", "--pin", "3"],
            ),
            (&["--auth=basic", "KEY=x", "-k", "--key"], &["--auth=basic", "KEY=x", "-k", "--key"]),
            (&["--key", "abc", "--token", "abc"], &["--key", "abc", "--token", "[masked]"]),
            (&["--token", "${A:-abc}", "x"], &["--token", "${A:-[masked]}", "x"]),
            (&["--token=${A:-abc}", "A_KEY=${A}"], &["--token=${A:-[masked]}", "A_KEY=${A}"]),
            (&["-u", "me:${PW:-abc}"], &["-u", "me:${PW:-[masked]}"]),
            (
                &["-H", "X-Who: ${WHO}", "-H", "X-Who: $WHO"],
                &["-H", "X-Who: ${WHO}", "-H", "X-Who: [masked]"],
            ),
            (&["PASSWORD_MIN_LENGTH=8"], &["PASSWORD_MIN_LENGTH=8"]),
            (&["mysql", "-uroot", "-pabc", "app"], &["mysql", "-uroot", "-p[masked]", "app"]),
            (&["/usr/bin/mysqldump", "-pabc", "-p"], &["/usr/bin/mysqldump", "-p[masked]", "-p"]),
            (&["sshpass", "-p", "abc", "ssh", "-p", "22"], &["sshpass", "-p", "[masked]", "ssh", "-p", "22"]),
            (&["redis-cli", "-h", "h", "-a", "abc"], &["redis-cli", "-h", "h", "-a", "[masked]"]),
            (
                &["docker", "login", "-u", "me", "-p", "abc"],
                &["docker", "login", "-u", "me", "-p", "[masked]"],
            ),
            (&["docker login -u me", "-p", "abc"], &["docker login -u me", "-p", "[masked]"]),
            (&["docker", "run", "-p", "3000:3000"], &["docker", "run", "-p", "3000:3000"]),
            (&["mysql", "-p", "app"], &["mysql", "-p", "app"]),
            (&["http", "-a", "me:abc", ":1/x"], &["http", "-a", "me:[masked]", ":1/x"]),
            (&["http", ":1/x", "X-Token:abc"], &["http", ":1/x", "X-Token:[masked]"]),
        ] {
            assert_eq!(words(given), wanted, "{given:?}");
        }
    }

    #[test]
    fn settings_are_masked_more_than_lines() {
        let random = "a1b2c3d4e5f6g7h8i9j0k1l2";
        for (text, wanted) in [
            ("see https://abc@o1.ingest.sentry.io/42", "see https://[masked]@o1.ingest.sentry.io/42"),
            ("https://x.test/?key=abcdef&a=b&sig=abc", "https://x.test/?key=[masked]&a=b&sig=[masked]"),
            ("https://x.test/?X-Amz-Signature=abc", "https://x.test/?X-Amz-Signature=[masked]"),
            (
                "https://x.test/cb?auth=abcdef&code=abcdef#x",
                "https://x.test/cb?auth=[masked]&code=[masked]#x",
            ),
            (&format!("https://x.test/s/{random}/mcp"), "https://x.test/s/[masked]/mcp"),
            ("note=--password abc", "note=--password [masked]"),
            ("note=--key abcdef --port 1", "note=--key [masked] --port 1"),
            (r#"{"auth":["abcdef"],"pin":1234}"#, r#"{"auth":["[masked]"],"pin":[masked]}"#),
            (r#"{\"jwt\":\"abc\"}"#, r#"{\"jwt\":\"[masked]\"}"#),
            (r#"auth = "abcdef""#, r#"auth = "[masked]""#),
            ("mysql -uroot -pabc app", "mysql -uroot -p[masked] app"),
            ("x | mysql -e \"a; b\" -p'a b' app", "x | mysql -e \"a; b\" -p'[masked]' app"),
            (
                "docker exec -it -p 80:80 db mysqldump -pabc app",
                "docker exec -it -p 80:80 db mysqldump -p[masked] app",
            ),
            ("sshpass -p abc ssh -p 22 h", "sshpass -p [masked] ssh -p 22 h"),
            ("sshpass -pabc ssh h", "sshpass -p[masked] ssh h"),
            ("redis-cli -a abc ping", "redis-cli -a [masked] ping"),
            (
                "docker login -u me -p \"abc\" h && x -p abc",
                "docker login -u me -p \"[masked]\" h && x -p abc",
            ),
            ("helm registry login -p ABC h", "helm registry login -p [masked] h"),
            (r#"["sshpass","-p","abc","ssh"]"#, r#"["sshpass","-p","[masked]","ssh"]"#),
            (r#"[ "redis-cli", "-a", "abc" ]"#, r#"[ "redis-cli", "-a", "[masked]" ]"#),
            ("mongosh -u me -p abc h", "mongosh -u me -p [masked] h"),
            ("mosquitto_pub -t a -P abc", "mosquitto_pub -t a -P [masked]"),
            ("keytool -storepass abc -list", "keytool -storepass [masked] -list"),
            ("curl -su me:abc http://h", "curl -su me:[masked] http://h"),
            ("curl -s -u me:abc http://h", "curl -s -u me:[masked] http://h"),
            ("curl --user 'me:a b' http://h", "curl --user 'me:[masked]' http://h"),
            ("http :1/x X-Token:abc Api-Key:abc", "http :1/x X-Token:[masked] Api-Key:[masked]"),
            ("http -a me:abc :1/x", "http -a me:[masked] :1/x"),
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
            "make KEY=x && sort --key MIT --pin 3 --auth basic",
            "serve --auth none|basic",
            "https://x.test/cb?code=1&session=new&key=name",
            "https://x.test/p/6ff5cfe6-6d4d-4c8e-8a8b-0f6f6f1f2b11",
            "git checkout https://github.com/a/b/tree/9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c",
            "aws s3api get-object --key ./uploads/2026/image-0001.png x",
            "supabase functions serve --no-verify-jwt --env-file .env",
            "docker run -p 3000:3000 --name x mysql",
            "docker compose -p shop up",
            "mysql -u root -p app",
            "mysql -p\"$PASSWORD\" app",
            "mysql; serve -p3000",
            "sshpass -p \"$PW\" ssh -p 22 h",
            "npm run login -p 3000",
            "npm run test:token token:refresh x-login:key",
            "curl http://h:1/x",
            "curl -sLu https://h:1/x",
            "redis-server -p 6379 -a",
        ] {
            assert_eq!(mask_setting(text), text);
        }
    }

    #[test]
    fn a_field_is_masked_by_its_option() {
        for (text, wanted) in [
            (
                "curl -H 'X-Who: abc' -H \"Accept: text/html\"",
                "curl -H 'X-Who: [masked]' -H \"Accept: text/html\"",
            ),
            ("x --header=\"X-Who: $WHO\" -H'X-Who:abc'", "x --header=\"X-Who: $WHO\" -H'X-Who:[masked]'"),
            ("x -H \\\"X-Who: abc\\\" y", "x -H \\\"X-Who: [masked]\\\" y"),
            ("x -H 'Authorization: Bearer ${T:-abc}'", "x -H 'Authorization: Bearer ${T:-[masked]}'"),
        ] {
            assert_eq!(mask_setting(text), wanted, "{text}");
        }
    }

    #[test]
    fn of_a_variable_only_the_default_is_masked() {
        for (text, wanted) in [
            (
                "serve --token ${TOKEN:-abc} --port ${PORT:-3000}",
                "serve --token ${TOKEN:-[masked]} --port ${PORT:-3000}",
            ),
            ("TOKEN=${TOKEN:-abc} serve", "TOKEN=${TOKEN:-[masked]} serve"),
            ("serve --key \"${K:-two words}\"", "serve --key \"${K:-[masked]}\""),
            ("serve --token ${A:-${B:-abc}}", "serve --token ${A:-${B:-[masked]}}"),
            ("serve --token ${A:-$B}", "serve --token ${A:-$B}"),
            ("serve --token ${A:-$(cat b)}", "serve --token ${A:-$(cat b)}"),
            ("echo ${API_TOKEN:=abc} ${X:=abc}", "echo ${API_TOKEN:=[masked]} ${X:=abc}"),
            ("url: ${DB_PASSWORD:abc}", "url: ${DB_PASSWORD:[masked]}"),
            ("serve --token $A-abc1 x", "serve --token $A[masked] x"),
            ("serve --auth me:$PASS --port 1", "serve --auth [masked] --port 1"),
            ("serve --auth me:${PASS} --port 1", "serve --auth [masked]${PASS} --port 1"),
            ("serve --auth $ME:$PASS --port 1", "serve --auth $ME:$PASS --port 1"),
            ("serve --token $(login --password abc)", "serve --token $(login --password [masked])"),
            ("serve --token $TOKEN; x --token abc", "serve --token $TOKEN; x --token [masked]"),
            ("serve --key $HOME/keys/server", "serve --key $HOME/keys/server"),
            ("DB=postgres://me:${PW:-abc}@db/x?token=$T", "DB=postgres://me:${PW:-[masked]}@db/x?token=$T"),
            ("PASSWORD=$3cr3t x --token '$a1b2c3'", "PASSWORD=[masked] x --token '[masked]'"),
            ("set TOKEN=%TOKEN% & serve --token %TOKEN%", "set TOKEN=%TOKEN% & serve --token %TOKEN%"),
        ] {
            assert_eq!(mask_setting(text), wanted, "{text}");
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
            prop_assume!(!values::is_file(&value) && !value.starts_with("${"));
            let masked = words(&["--token", &value]);
            prop_assert_eq!(&masked[1], MASK);
        }
    }
}
