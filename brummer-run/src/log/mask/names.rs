//! What a name says of its value. The patterns of `mask.rs` and `settings.rs` find names with a telling word in them; a name is of
//! what its last word says, so that `PASSWORD_MIN_LENGTH` is a length.

use std::sync::LazyLock;

use regex::Regex;

use super::compile;

/// Names with a telling word that name something else: keys of tables and caches, and what is known about a secret.
static HARMLESS: LazyLock<Regex> = LazyLock::new(|| {
    // Where the last word begins.
    const WORDS: &str = "length|len|min|max|minimum|maximum|size|count|limit|timeout|ttl|age|expir[a-z]*|lifetime|duration|interval
        |days|hours|minutes|seconds|secs|policy|policies|rules?|types?|kind|algorithm|algo|alg|strength|score|rounds|iterations|cost
        |attempts|tries|retries|regexp?|pattern|format|encoding|encoder|charset|fields?|columns?|label|placeholder|help|message
        |errors?|enabled|disabled|required|supported|files?|filename|paths?|dir|directory|folder|host|port|provider|manager|helper
        |plugin|module|names?|version|status|mode|method|level|scopes?|exists|valid|invalid|changed|created|updated|at";
    compile(&format!(
        r"(?x) (?i:primary|foreign|partition|sort|cache|object|public|row|map|group|unique|composite|index|query|lookup|hot|
            idempotency|translation|react|i18n|storage(?:Key)?Prefix)[_.-]?(?i:key)$
            | (?i:by|pass)(?i:pass)$ | (?i:compass)$ | (?i:publickey)$ | (?i:next_?page_?token)$ | (?i:keyword|tokenize\w*)$
            | ^(?i:max|min|num|total)[_.-]?(?i:token)$
            | [_.-](?i:{WORDS})$ | [a-z0-9](?:{})$",
        capitalised(WORDS)
    ))
});

/// The words with a capital, as they stand within a name that has no other marks.
fn capitalised(words: &str) -> String {
    let each = words.split('|').map(|word| {
        let word = word.trim();
        word[..1].to_ascii_uppercase() + &word[1..]
    });
    each.collect::<Vec<_>>().join("|")
}

/// Whether a name is none of a secret, though it has a telling word in it.
pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.is_match(name)
}

/// Names of secrets that are as often names of something else.
static WEAK: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?x) (?:^|[_.-])(?i:auth|authorization|key|pat|pin|otp|code|sid|session)$ | [a-z](?:Auth|Authorization|Pin)$",
    )
});

/// Keys that open something.
static OPENING_KEY: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?xi)(?:api|access|private|auth|encryption|signing|master|ssh|account|storage|license|deploy|webhook|service|secret
            |subscription|functions?|shared[_.-]?access)[_.-]?key$",
    )
});

/// Whether a name may as well be one of something else, such as `--key`: then the value has to look like a secret.
pub(super) fn is_weak(name: &str) -> bool {
    WEAK.is_match(name) && !OPENING_KEY.is_match(name)
}

/// How options begin that switch something, or only ask for something.
static SWITCH: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?x) ^(?i:no|not|non|dont|disabled?|disallow|enabled?|allow|skip|without|ignore|ask|prompt|show|print|hide|generate)[_.-]
            | ^(?:no|dont|disable|disallow|enable|allow|skip|without|ignore|ask|prompt|show|print|hide|generate)[A-Z]",
    )
});

/// Whether an option takes no value, so that the word behind it is another one.
pub(super) fn is_switch(option: &str) -> bool {
    SWITCH.is_match(option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_says_what_a_name_is_of() {
        for name in [
            "PASSWORD_MIN_LENGTH",
            "passwordMinLength",
            "password-policy",
            "SECRET_ROTATION_DAYS",
            "secretName",
            "credentials.path",
            "passwordExpiresAt",
            "PRIMARY_KEY",
            "max_token",
            "bypass",
        ] {
            assert!(is_harmless(name), "{name}");
        }
        for name in [
            "PASSWORD",
            "password_2",
            "SECRET_KEY_BASE",
            "secret_id",
            "password_hash",
            "passwordOld",
            "client_secret",
            "secretKey",
            "minPassword",
            "passwordformat2",
        ] {
            assert!(!is_harmless(name), "{name}");
        }
    }

    #[test]
    fn an_option_that_switches_takes_no_value() {
        for option in
            ["no-verify-jwt", "disable-auth", "enable_token", "noAuth", "skip-password", "ask-vault-pass"]
        {
            assert!(is_switch(option), "{option}");
        }
        for option in
            ["token", "notion-token", "node-auth-token", "new-password", "noteToken", "allowance-key"]
        {
            assert!(!is_switch(option), "{option}");
        }
    }

    #[test]
    fn some_names_say_less_than_others() {
        for name in ["key", "KEY", "auth", "pin", "sort.key", "basic-auth", "code"] {
            assert!(is_weak(name), "{name}");
        }
        for name in ["api-key", "apiKey", "password", "token", "jwt", "secret"] {
            assert!(!is_weak(name), "{name}");
        }
    }
}
