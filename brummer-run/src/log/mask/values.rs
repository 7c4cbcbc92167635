//! What may be a secret where a name has told of one, and what is shown of it.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{MASK, compile, reference::Reference, url};

/// Words that stand for a value, or for its type, in programs and messages; what somebody has hidden already; versions of packages, the
/// names of which may be telling.
static PLACEHOLDERS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?xi) ^(?:string|number|boolean|any|unknown|never|void|object|null|undefined|none|nil|true|false|yes|no|on|off|[01]
            |required|optional|missing|invalid|empty|unset|redacted|hidden|include|omit|same-origin
            |\*+|•+|x+|\.{2,}|…|<[^<>]*>|\[[a-z\x20_-]*\]|%\w+%|!\w+!|[\#%]?\{\{?[\w.\x20-]*\}\}?|%[sdv]
            |[a-z]+(?:\|[a-z]+)+|(?:id|type|src|source|env)=[\w.,=/~-]*
            |[\^~]?v?\d+\.\d+\.\d+(?:-[a-z]+(?:\.\d+)*)?|workspace:.{0,8})[,;:.)\}\]]*$",
    )
});

/// Parts of programs that stand where a value without quotes would.
static CODE: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?xi) ^(?:await|new|\{|\[|\{.*\}|\{\w+[:=].*|process\.env\b.*|import\.meta\.env\b.*|os\.environ\b.*|ENV\[.*
            |[a-z_.]+\(.*|<%=?|!+[a-z_.]+)[,;)]*$",
    )
});

/// Ways to let somebody in, as they are called.
static WAYS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?xi)^(?:always|anonymous|api-?key|basic|bearer|certificate|cookie|default|digest|disabled?|enabled?|github|gitlab|google
            |kerberos|ldap|local|login|microsoft|mtls|negotiate|never|ntlm|oauth[12]?|oidc|optional|passkey|password|private|public
            |required|saml[12]?|scram-sha-\d+|session|token|webauthn)[,;]?$",
    )
});

/// Files, by the ends of their names, or by their way and any end.
static FILES: LazyLock<Regex> = LazyLock::new(|| {
    compile(r"(?x)\.(?:pem|key|pub|json|crt)$ | ^(?:~|\.{1,2}|[A-Za-z]:)?[/\\].*\.[a-z]{1,5}$")
});

/// Paths to files without an end of their names.
static PATHS: LazyLock<Regex> = LazyLock::new(|| compile(r"^(?:~|\.{1,2})?/[\w./@-]*$"));

/// What is measured, versions and addresses, and when something was.
static MEASURES: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?x)^(?: [0-9]+(?:[.,][0-9]+)?(?:ms|s|m|min|h|d|%|x|[kKMGT]?i?[bB]) | v?[0-9]+(?:\.[0-9]+)+(?::[0-9]{1,5})?
            | [0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.+Z-]*)? | [0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:[.,][0-9]+)? )[.,;:)\]]*$",
    )
});

/// A line, and a column, behind the name of a file.
static LINES: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^[0-9]{1,5}(?P<column>:[0-9]{1,7}|:in)?(?:[^0-9A-Za-z]|$)"));

/// The end of the name of a file.
static SUFFIX: LazyLock<Regex> =
    LazyLock::new(|| compile(r"[A-Za-z0-9_\])-]\.(?P<end>[A-Za-z][A-Za-z0-9]{0,6})$"));

/// Words that no end of a file's name has in it.
static TELLING: LazyLock<Regex> =
    LazyLock::new(|| compile(r"(?i)pass|pwd|secret|token|key|auth|cred|pin|old|new|value"));

/// A scheme of `Authorization`, which is shown.
static SCHEME: LazyLock<Regex> = LazyLock::new(|| compile(r"(?i)^(?:bearer|basic|token|digest)\s+"));

static URL: LazyLock<Regex> = LazyLock::new(|| compile(r"(?i)^(?:[a-z]+:)*[a-z][a-z0-9+.-]*://"));

/// Whether this only stands for a value.
pub(super) fn is_placeholder(value: &str) -> bool {
    PLACEHOLDERS.is_match(value) || is_joint(value)
}

/// Whether this is a part of a program.
pub(super) fn is_code(value: &str) -> bool {
    CODE.is_match(value)
}

/// Whether a value says only in which file a secret is.
pub(super) fn is_file(value: &str) -> bool {
    FILES.is_match(value)
}

/// Whether a value is the path to a file, as behind an option for one.
pub(super) fn is_path(value: &str) -> bool {
    PATHS.is_match(value)
}

/// Whether a value is a directory in which a shell works.
pub(super) fn is_directory(value: &str) -> bool {
    static DIRECTORY: LazyLock<Regex> = LazyLock::new(|| compile(r"^(?:[/~]|[A-Za-z]:[/\\]|\\\\)"));
    DIRECTORY.is_match(value)
}

/// Whether one of several values may be a secret, and is none of the words that say what is wrong with it.
pub(super) fn is_in_list(value: &str) -> bool {
    !value.contains(char::is_whitespace) && value.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether a value is nothing to open a door with: the way to do so, or too short for it, unless it is all digits.
pub(super) fn is_plain(value: &str) -> bool {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    value.len() < if is_number { 4 } else { 6 } || WAYS.is_match(value)
}

/// Whether a value without quotes behind a colon is one at all, and no word of a sentence: it has a digit before some more, or, if it is
/// long, or the name leaves no doubt, anywhere.
pub(super) fn is_said(name: &str, value: &str) -> bool {
    let digit = value.find(|c: char| c.is_ascii_digit());
    let lower = name.to_ascii_lowercase();
    let is_sure = ["password", "passwd", "passphrase", "secret"].iter().any(|word| lower.contains(word));
    let enough = if is_sure { 6 } else { 8 };
    digit.is_some_and(|at| value.len() - at > 3 || value.len() >= enough) && !MEASURES.is_match(value)
}

/// Whether what stands right behind a name and a colon is a place in a file of that name, such as `password.ts:30:44`.
pub(super) fn is_place(before: &str, name: &str, value: &str) -> bool {
    let Some(lines) = LINES.captures(value) else { return false };
    let has_suffix = SUFFIX.captures(name).is_some_and(|found| !TELLING.is_match(&found["end"]));
    has_suffix || before.ends_with(['/', '\\']) && lines.name("column").is_some()
}

/// Whether a text ends with the place of something in a file.
pub(super) fn ends_with_place(text: &str) -> bool {
    static PLACE: LazyLock<Regex> =
        LazyLock::new(|| compile(r"[A-Za-z0-9_\])-]\.[A-Za-z]{1,6}:[0-9]{1,7}(?::[0-9]{1,7})?\)?$"));
    PLACE.is_match(text)
}

/// What is shown at the beginning of a text, the value of which is so long; and how much of the text this stands for. References are
/// shown, but for their defaults, and URLs, but for what lets somebody in. `None` if nothing was hidden or passed over.
pub(super) fn shown(text: &str, length: usize, is_secret: impl Fn(&str) -> bool) -> Option<(usize, String)> {
    let value = &text[..length];
    let mut at = SCHEME.find(value).map_or(0, |scheme| scheme.end());
    let mut shown = value[..at].to_owned();
    let mut has_reference = false;
    loop {
        match Reference::at(&text[at..]) {
            Some(Reference::Command { length }) => {
                shown += &text[at..at + length];
                return Some((at + length, shown));
            }
            Some(Reference::Variable { length, default }) => {
                let reference = &text[at..at + length];
                shown += &default
                    .map_or_else(|| reference.to_owned(), |default| without_default(reference, default));
                at += length;
                has_reference = true;
            }
            // Between two references, or before one.
            None if at < value.len() => {
                let rest = &value[at..];
                let is_next = |next: usize| {
                    let is_sure = has_reference || text[at + next..].starts_with("${");
                    is_sure && Reference::at(&text[at + next..]).is_some()
                };
                match rest.match_indices('$').map(|(next, _)| next).find(|next| is_next(*next)) {
                    Some(next) => {
                        shown += if is_joint(&rest[..next]) { &rest[..next] } else { MASK };
                        at += next;
                    }
                    None => break,
                }
            }
            None => break,
        }
    }
    let rest = value.get(at..).unwrap_or_default();
    if has_reference {
        // What ends the word of a command line, or a path, is no part of a secret.
        let end =
            rest.find([';', '|', '&', ')', '<', '>', ',', '}', ']', '\\', '/', '@']).unwrap_or(rest.len());
        if end > 0 {
            shown += if is_joint(&rest[..end]) { &rest[..end] } else { MASK };
        }
        return Some((at + end, shown));
    }
    if let Some(scheme) = URL.find(rest) {
        let end = rest.find(['?', '#']).unwrap_or(rest.len()).max(scheme.end());
        return Some((at + end, shown + &url::masked(&rest[..end])));
    }
    (!rest.is_empty() && is_secret(rest)).then(|| (length, shown + MASK))
}

/// Whether this only joins what stands around it, as the signs of shells and programs do.
fn is_joint(text: &str) -> bool {
    text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_punctuation())
}

/// A reference without its default, unless that is one itself.
fn without_default(reference: &str, default: Range<usize>) -> String {
    let value = &reference[default.clone()];
    let rest = |until: usize| value.get(until..).unwrap_or_default();
    let shown = match shown(value, value.len(), |value| !is_placeholder(value) && !value.contains(MASK)) {
        // The rest of a command or a URL is looked at later.
        Some((until, shown))
            if rest(until).is_empty() || shown.ends_with('(') || rest(until).starts_with(['?', '#']) =>
        {
            shown + rest(until)
        }
        Some((_, shown)) => shown + MASK,
        None => value.to_owned(),
    };
    format!("{}{shown}{}", &reference[..default.start], &reference[default.end..])
}
