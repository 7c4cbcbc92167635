//! Options that a secret follows with some programs only: `-p` is a port elsewhere.

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use regex::{Captures, Regex};

use super::{QUOTE, compile, hide, quoted, set, values};

/// Names of programs, their option, and how it takes the secret.
const PROGRAMS: [(&str, &str, Takes); 11] = [
    (
        r"mysql(?:dump|admin|import|show|check|slap|pump|binlog|sh)?|mariadb(?:-[a-z]+)?|mycli",
        "-p",
        Takes::Rest,
    ),
    ("sshpass", "-p", Takes::Either),
    ("redis-(?:cli|benchmark)|valkey-cli|keydb-cli", "-a", Takes::Word),
    (
        r"(?:docker|podman|nerdctl|buildah|skopeo|crane|oras|registry|az|acr|oc|cf|faas-cli)\s+login",
        "-p",
        Takes::Either,
    ),
    ("mongo(?:sh|dump|restore|export|import|stat|top)?|cqlsh", "-p", Takes::Either),
    ("mosquitto_(?:pub|sub|rr)|sqlcmd|bcp|zip|unzip", "-P", Takes::Either),
    ("7z[az]?", "-p", Takes::Rest),
    ("ldap(?:search|add|modify|delete|whoami|compare)", "-w", Takes::Either),
    ("keytool|jarsigner", "-(?:src|dest)?(?:store|key)pass", Takes::Word),
    ("curl", "(?:-[A-Za-z]*?[uU]|--(?:proxy-)?user)", Takes::User),
    ("https?|xhs?", "(?:-a|--auth)", Takes::User),
];

/// Where a secret stands that belongs to an option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Takes {
    /// In the next word.
    Word,
    /// In the rest of the option's own word.
    Rest,
    /// In either.
    Either,
    /// In either, behind a name and a colon.
    User,
}

#[derive(Debug)]
pub(super) struct Program {
    takes: Takes,
    /// A text that ends within a command of this program.
    command: Regex,
    /// A word that is the option, and what may be its value.
    option: Regex,
    /// A command up to the secret in it.
    secret: Regex,
}

static EACH: LazyLock<Vec<Program>> = LazyLock::new(|| {
    PROGRAMS.into_iter().map(|(names, option, takes)| Program::new(names, option, takes)).collect()
});

/// A command of any of them. Most texts have none.
static ANY: LazyLock<Regex> =
    LazyLock::new(|| compile(&command(&PROGRAMS.map(|(names, ..)| names).join("|"))));

/// A program of one of these names, where a command has it.
fn command(names: &str) -> String {
    format!(r#"(?:^|[\s"'`(;|&/\\=])(?:{names})(?:\.exe)?["']?[\s,]"#)
}

impl Program {
    fn new(names: &str, option: &str, takes: Takes) -> Self {
        let command = command(names);
        let words = r#"(?:\s*(?:"[^"]*"|'[^']*'|[^\s;|&"'])+[\s,])"#;
        let between = match takes {
            Takes::Word => r#"(?:["']?,?\s+|["'],|=)"#,
            Takes::Rest => "",
            Takes::Either | Takes::User => r#"(?:["']?,?\s+|["'],|=)?"#,
        };
        let user = if takes == Takes::User { r#"[^\s:"'`-][^\s:"'`]*:"# } else { "" };
        let secret = format!(
            r#"(?x){command}{words}*?\s*["']?{option}{between}(?:(?P<quote>{QUOTE}){user}|{user}(?P<value>[^\s"'`;|&=-][^\s"'`;|&]*))"#
        );
        Self {
            takes,
            command: compile(&format!("{command}{words}*$")),
            option: compile(&format!("^{option}(?P<value>.*)$")),
            secret: compile(&secret),
        }
    }

    /// The one whose command goes on behind a text.
    pub(super) fn within(text: &str) -> Option<&'static Self> {
        let text = format!("{text} ");
        let mut each = EACH.iter().filter(|_| ANY.is_match(&text));
        each.find(|program| program.command.is_match(&text))
    }

    /// How a word of a command takes a secret; and where in it that stands, if in itself.
    pub(super) fn takes(&self, word: &str) -> Option<(Takes, Range<usize>)> {
        let value = self.option.captures(word)?.name("value")?.range();
        let fits = match self.takes {
            Takes::Word => value.is_empty(),
            Takes::Rest => !value.is_empty(),
            Takes::Either | Takes::User => true,
        };
        fits.then_some((self.takes, value))
    }
}

/// A text without the secrets that belong to options of such programs.
pub(super) fn masked(mut text: Cow<'_, str>) -> Cow<'_, str> {
    let is_any = ANY.is_match(&text);
    for program in EACH.iter().filter(|_| is_any) {
        text = hide(text, &program.secret, value, |_, _, value| {
            !(values::is_placeholder(value) || value.starts_with("//"))
        });
    }
    text
}

/// Where the value stands that was found.
fn value(line: &str, found: &Captures<'_>) -> Range<usize> {
    if found.name("quote").is_some() { quoted(line, found) } else { set(line, found) }
}
