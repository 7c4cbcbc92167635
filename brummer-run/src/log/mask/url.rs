//! URLs without what lets somebody in by their users, passwords and paths. Their queries are for the patterns by names.

use std::sync::LazyLock;

use regex::Regex;

use super::{MASK, compile, values};

/// Addresses at which the rest of the path lets somebody in.
static HOOKS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?xi)^(?P<before>hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/|(?:\w+\.)?discord(?:app)?\.com/api/webhooks/
        |api\.telegram\.org/(?:file/)?bot|[\w.-]+\.webhook\.office\.com/webhookb2/|hooks\.zapier\.com/hooks/catch/
        |mcp\.zapier\.com/api/mcp/[a-z]/)[^?\#]+",
    )
});

/// Numbers that only say which thing is meant: UUIDs, and the hashes of git and SHA-256.
static NUMBERS: LazyLock<Regex> = LazyLock::new(|| {
    compile(r"(?i)^(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{40}|[0-9a-f]{64})$")
});

/// A user or a part of a path that is this long is hardly a name.
const LONG: usize = 20;

/// What stands for the password where the user is a token of GitHub.
pub(super) const NO_PASSWORD: &str = "x-oauth-basic";

/// A URL without its secrets, but for those in its query.
pub(super) fn masked(url: &str) -> String {
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
    let is_fixed = password == NO_PASSWORD;
    let alone = (password.is_empty() || is_fixed) && is_http;
    let is_secret = |user: &str| !user.is_empty() && user != "git" && (alone || user.len() >= LONG);
    let colon = &users[user.len()..users.len() - password.len()];
    whole(user, is_secret) + colon + &whole(password, |_| !is_fixed)
}

/// A text of which all is shown that is no secret.
fn whole(text: &str, is_secret: impl Fn(&str) -> bool) -> String {
    match values::shown(text, text.len(), is_secret) {
        Some((until, shown)) if until >= text.len() => shown,
        Some((_, shown)) => shown + MASK,
        None => text.to_owned(),
    }
}

/// Whether a part of a path is no word, but drawn by lot: long, with letters and digits.
fn is_random(part: &str) -> bool {
    let has = |is: fn(&u8) -> bool| part.bytes().any(|byte| is(&byte));
    part.len() >= LONG
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-~=.".contains(&byte))
        && part.bytes().filter(u8::is_ascii_digit).count() >= 3
        && has(u8::is_ascii_alphabetic)
        && !NUMBERS.is_match(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_somebody_in_is_masked_and_the_rest_shown() {
        let random = "a1b2c3d4e5f6g7h8i9j0k1l2";
        for (url, wanted) in [
            ("https://abc@host.test/x", "https://[masked]@host.test/x"),
            ("https://abc:@host.test/x", "https://[masked]:@host.test/x"),
            ("https://me:p@ss@host.test/x", "https://me:[masked]@host.test/x"),
            ("postgres://me:abc@db/x", "postgres://me:[masked]@db/x"),
            ("postgres://me:${PW:-abc}@db/x", "postgres://me:${PW:-[masked]}@db/x"),
            (&format!("https://{random}:x-oauth-basic@h.test/x"), "https://[masked]:x-oauth-basic@h.test/x"),
            ("https://abc:x-oauth-basic@h.test/x", "https://[masked]:x-oauth-basic@h.test/x"),
            (&format!("https://x.test/s/{random}/mcp?a=b"), "https://x.test/s/[masked]/mcp?a=b"),
            ("https://hooks.slack.com/services/T0/B0/abc", "https://hooks.slack.com/services/[masked]"),
            (
                "https://discord.com/api/webhooks/6ff5cfe6-6d4d-4c8e-8a8b-0f6f6f1f2b11",
                "https://discord.com/api/webhooks/[masked]",
            ),
        ] {
            assert_eq!(masked(url), wanted);
        }
        for url in [
            "ssh://git@github.com/a/b",
            "postgres://$USER:$PASS@db/x",
            "postgres://me:${PASS}@db/x",
            "https://${TOKEN}@host.test/x",
            "https://x.test/p/6ff5cfe6-6d4d-4c8e-8a8b-0f6f6f1f2b11/edit",
            "https://github.com/a/b/commit/9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c",
            "https://x.test/blobs/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bf1a4f4a1e2d3c4b5a697",
            "https://x.test/2026/11/29/what-is-new",
            "no url",
        ] {
            assert_eq!(masked(url), url);
        }
    }
}
