//! What only names a secret: a variable, or a command that says it.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::compile;

/// A variable without brackets. What has small letters and digits mixed is no name.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?x)^\$\$?(?: (?:(?i:env):)?[A-Z_][A-Z0-9_]*\b
            | (?: (?i:env):(?:[A-Za-z_]\w*) | (?:[a-z]+(?:_[a-z]+)*|[a-z]+(?:[A-Z][a-z]+)*)[0-9]? | [0-9@*\#?] )
                (?: $ | [\s/;|&)<>,\}\]"'`\\] ) )"#,
    )
});

/// A command between backticks: it has words.
static TICKED: LazyLock<Regex> = LazyLock::new(|| compile(r"^`[A-Za-z./~][\w./-]*\s[^`]*`"));

/// What stands before the colon where the rest is a name, too, and no default.
const PREFIXES: [&str; 11] = [
    "env",
    "input",
    "config",
    "command",
    "secret",
    "secrets",
    "file",
    "vault",
    "localEnv",
    "containerEnv",
    "workspaceFolder",
];

/// Whether this says where the name behind it is to be looked up.
pub(super) fn is_prefix(name: &str) -> bool {
    PREFIXES.contains(&name)
}

/// Whether what stands behind a name takes a part of the value: `:0:4`.
pub(super) fn is_part(rest: &str) -> bool {
    static PART: LazyLock<Regex> =
        LazyLock::new(|| compile(r"^:(?:\x20?-?[0-9]{1,3}:-?[0-9]{1,3}|\x20-[0-9]{1,3}|[0-9]{1,2})$"));
    PART.is_match(rest)
}

/// A reference at the beginning of a text.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Reference {
    /// `$NAME`, `${NAME}` or `${NAME:-default}`: how long it is, and where in it the default stands, which may be a secret.
    Variable { length: usize, default: Option<Range<usize>> },
    /// How long the beginning of a command is: `$(`, or a backtick.
    Command { length: usize },
}

impl Reference {
    /// The one that a text begins with.
    pub(super) fn at(text: &str) -> Option<Self> {
        let dollars = text.bytes().take_while(|&byte| byte == b'$').count();
        let behind = text.as_bytes().get(dollars)?;
        if TICKED.is_match(text) {
            return Some(Self::Command { length: 1 });
        }
        match (dollars, behind) {
            (1 | 2, b'(') => Some(Self::Command { length: dollars + 1 }),
            (1, b'{') if text[2..].starts_with('{') => {
                let length = text.find("}}")? + 2;
                Some(Self::Variable { length, default: None })
            }
            (1 | 2, b'{') => Self::in_brackets(text, dollars + 1),
            (1 | 2, _) => {
                let found = VARIABLE.find(text)?.as_str();
                // One character more was looked at.
                let is_end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '$'));
                let name = found.trim_start_matches('$');
                let length =
                    found.len() - name.len() + name[1..].find(is_end).map_or(name.len(), |end| end + 1);
                Some(Self::Variable { length, default: None })
            }
            _ => None,
        }
    }

    fn in_brackets(text: &str, open: usize) -> Option<Self> {
        let inside = &text[open..open + closing(&text[open..])?];
        let length = open + inside.len() + 1;
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.');
        let name = &inside[..inside.find(is_end).unwrap_or(inside.len())];
        let rest = &inside[name.len()..];
        let sign = match rest.as_bytes() {
            _ if name.is_empty() => return None,
            _ if is_part(rest) => 0,
            [b':', b'-' | b'=' | b'+', ..] => 2,
            [b':', b'?', ..] => 0,
            // As Spring has it.
            [b':', ..] if !is_prefix(name) => 1,
            [b'-' | b'=' | b'+', ..] => 1,
            _ => 0,
        };
        let default = (sign > 0 && rest.len() > sign).then(|| open + name.len() + sign..length - 1);
        Some(Self::Variable { length, default })
    }
}

/// Where the bracket is that ends what stands in one.
pub(super) fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_from_what_begins_with_a_dollar() {
        let variable = |length| Some(Reference::Variable { length, default: None });
        for (text, wanted) in [
            ("$TOKEN", variable(6)),
            ("$TOKEN:$B", variable(6)),
            ("$TOKEN_2 x", variable(8)),
            ("$token", variable(6)),
            ("$dbToken;", variable(8)),
            ("$env:TOKEN", variable(10)),
            ("$$TOKEN", variable(7)),
            ("$1", variable(2)),
            ("$@ x", variable(2)),
            ("${TOKEN}x", variable(8)),
            ("${env:TOKEN}", variable(12)),
            ("${TOKEN:?is not set}", variable(20)),
            ("${TOKEN%%x}", variable(11)),
            ("${TOKEN:0:4}", variable(12)),
            ("${TOKEN:-}", variable(10)),
            ("${{ secrets.TOKEN }}", variable(20)),
            ("$(cat token)", Some(Reference::Command { length: 2 })),
            ("`cat token`", Some(Reference::Command { length: 1 })),
            ("$$(cat token)", Some(Reference::Command { length: 3 })),
            ("${A:-x}", Some(Reference::Variable { length: 7, default: Some(5..6) })),
            ("${A-x y}z", Some(Reference::Variable { length: 8, default: Some(4..7) })),
            ("${A:-${B:-x}}", Some(Reference::Variable { length: 13, default: Some(5..12) })),
            ("${app.token:x}", Some(Reference::Variable { length: 14, default: Some(12..13) })),
        ] {
            assert_eq!(Reference::at(text), wanted, "{text}");
        }
        for text in [
            "", "$", "TOKEN", "$3cr3t", "$ecret!x", "$a1b2c3", "$TOKENx", "${TOKEN", "$$$A", "${}", "$-x",
            "`token`",
        ] {
            assert_eq!(Reference::at(text), None, "{text}");
        }
    }
}
