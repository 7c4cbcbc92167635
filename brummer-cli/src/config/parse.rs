//! What one file says. Pure: text in, contents and problems out. What is wrong costs the entry that it stands in, and nothing
//! else.

use std::{collections::BTreeMap, ops::Range};

use brummer_hub::{
    policy::{Glob, ToolFilter},
    sources::SourceKind,
    stdio_instance::Sharing,
};
use toml_edit::{Document, Item, TableLike};

use crate::{
    args::{Idle, parse_idle},
    clean,
};

/// Bounds of what a file may say: far above what anybody writes by hand.
const MAX_ENTRIES: usize = 64;
const MAX_ITEMS: usize = 256;
const MAX_TEXT: usize = 4096;
const MAX_NAME: usize = 64;

/// Everything that a file says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Contents {
    pub(crate) servers: BTreeMap<String, Server>,
    pub(crate) instances: Vec<Rule>,
    /// Sources that are switched on or off, and where.
    pub(crate) sources: BTreeMap<SourceKind, (bool, usize)>,
    /// What is wrong, by line.
    pub(crate) problems: Vec<(usize, String)>,
}

/// A server that is declared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Server {
    pub(crate) line: usize,
    pub(crate) enabled: bool,
    /// What it is; none for one that is only switched off.
    pub(crate) kind: Option<ServerKind>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) tools: ToolFilter,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ServerKind {
    Stdio(Stdio),
    Http(Http),
}

/// A server that speaks over stdio.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stdio {
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    /// Variables that it gets, beside what every program needs.
    pub(crate) env: Vec<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) sharing: Sharing,
    pub(crate) idle: Option<Idle>,
}

/// A server on a port of this machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Http {
    pub(crate) url: String,
    /// Variable that holds its token.
    pub(crate) token: Option<String>,
    /// Header fields, and the variables that hold their values.
    pub(crate) headers: BTreeMap<String, String>,
}

/// What is said of instances.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) line: usize,
    pub(crate) called: Glob,
    pub(crate) path: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) tools: ToolFilter,
}

/// Reads a file.
pub(crate) fn parse(bytes: &[u8]) -> Contents {
    let mut contents = Contents::default();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let line = line_at(bytes, error.valid_up_to());
            contents.problems.push((line, "it is not UTF-8; nothing of the file counts".to_owned()));
            return contents;
        }
    };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let line = line_at(text.as_bytes(), error.span().map_or(0, |span| span.start));
            let why = clean::line(error.message());
            contents.problems.push((line, format!("it is not TOML: {why}; nothing of the file counts")));
            return contents;
        }
    };
    let mut reader = Reader { text, problems: Vec::new() };
    reader.document(document.as_table(), &mut contents);
    contents.problems = reader.problems;
    contents.problems.sort();
    contents
}

fn line_at(text: &[u8], offset: usize) -> usize {
    1 + text[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn line(&self, span: Option<Range<usize>>) -> usize {
        line_at(self.text.as_bytes(), span.map_or(0, |span| span.start))
    }

    /// The members of a table, each with its line.
    fn members<'t>(&self, table: &'t dyn TableLike) -> Vec<(&'t str, &'t Item, usize)> {
        let line = |name: &str, item: &Item| {
            self.line(table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span()))
        };
        table.iter().map(|(name, item)| (name, item, line(name, item))).collect()
    }

    fn problem(&mut self, line: usize, text: impl Into<String>) {
        self.problems.push((line, text.into()));
    }

    fn unknown(&mut self, line: usize, name: &str, place: &str, known: &str) {
        let name = clean::line(name);
        self.problem(line, format!("`{name}` is unknown in {place}; known are {known}"));
    }

    fn table<'t>(&mut self, item: &'t Item, line: usize, what: &str) -> Option<&'t dyn TableLike> {
        let table = item.as_table_like();
        if table.is_none() {
            self.problem(line, format!("{what} must be a table, not {}", kind(item)));
        }
        table
    }

    fn string(&mut self, item: &Item, line: usize, what: &str) -> Option<String> {
        match item.as_str() {
            Some(text) if text.is_empty() || text.len() > MAX_TEXT || text.contains(char::is_control) => {
                let wrong =
                    format!("`{what}` must have 1 to {MAX_TEXT} bytes, and none of them control characters");
                self.problem(line, wrong);
                None
            }
            Some(text) => Some(text.to_owned()),
            None => {
                self.problem(line, format!("`{what}` must be a string, not {}", kind(item)));
                None
            }
        }
    }

    fn boolean(&mut self, item: &Item, line: usize, what: &str) -> Option<bool> {
        let value = item.as_bool();
        if value.is_none() {
            self.problem(line, format!("`{what}` must be true or false, not {}", kind(item)));
        }
        value
    }

    /// Strings, of each of which `read` makes something; those that are fine.
    fn array<T>(
        &mut self,
        item: &Item,
        line: usize,
        what: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(array) = item.as_array().filter(|array| array.len() <= MAX_ITEMS) else {
            let wrong = format!("`{what}` must be an array of at most {MAX_ITEMS} strings");
            self.problem(line, wrong);
            return Vec::new();
        };
        let mut all = Vec::with_capacity(array.len());
        for value in array {
            match value.as_str().ok_or_else(|| "not a string".to_owned()).and_then(&read) {
                Ok(one) => all.push(one),
                Err(why) => {
                    let at = self.line(value.span());
                    self.problem(at, format!("`{what}` has an entry that cannot be used: {why}"));
                }
            }
        }
        all
    }

    fn globs(&mut self, item: &Item, line: usize, what: &str) -> Vec<Glob> {
        self.array(item, line, what, |text| {
            plain(text)?;
            Glob::new(text).map_err(|error| error.to_string())
        })
    }

    /// Patterns of what is shown or hidden. What was to be narrow and cannot be understood shows nothing.
    fn filter(&mut self, item: &Item, line: usize, what: &str, tools: &mut ToolFilter) {
        let before = self.problems.len();
        let globs = self.globs(item, line, what);
        if what == "hide" {
            tools.hide.extend(globs);
        } else {
            if globs.is_empty() {
                self.problem(line, "`show` shows no tool; leave it out to show all");
            }
            tools.show = globs;
        }
        let is_empty = tools.show.is_empty() && what == "show";
        if is_empty || self.problems.len() > before && what == "hide" && tools.hide.is_empty() {
            tools.hide.extend(Glob::new("*"));
        }
    }

    /// A table of strings, whose names and values `check` accepts.
    fn strings(
        &mut self,
        item: &Item,
        line: usize,
        what: &str,
        check: impl Fn(&str, &str) -> Result<(), String>,
    ) -> Option<BTreeMap<String, String>> {
        let table = self.table(item, line, &format!("`{what}`"))?;
        let before = self.problems.len();
        let mut all = BTreeMap::new();
        for (name, item, at) in self.members(table) {
            let checked = item
                .as_str()
                .ok_or_else(|| "its value is not a string".to_owned())
                .and_then(|value| check(name, value).map(|()| value));
            match checked {
                Ok(value) => {
                    all.insert(name.to_owned(), value.to_owned());
                }
                Err(why) => {
                    let name = clean::line(name);
                    self.problem(at, format!("`{name}` in `{what}` cannot be used: {why}"));
                }
            }
        }
        (self.problems.len() == before && all.len() <= MAX_ITEMS).then_some(all)
    }

    fn labels(&mut self, item: &Item, line: usize) -> Option<BTreeMap<String, String>> {
        self.strings(item, line, "labels", |name, value| {
            let fits = |text: &str| !text.trim().is_empty() && text.len() <= 256 && plain(text).is_ok();
            let fits = fits(name) && fits(value);
            fits.then_some(()).ok_or_else(|| "a name and a value have 1 to 256 bytes".to_owned())
        })
    }

    fn document(&mut self, table: &dyn TableLike, contents: &mut Contents) {
        for (name, item, line) in self.members(table) {
            match name {
                "servers" => {
                    let Some(servers) = self.table(item, line, "`servers`") else { continue };
                    for (name, item, line) in self.members(servers) {
                        if let Some(server) = self.server(name, item, line) {
                            contents.servers.insert(name.to_owned(), server);
                        }
                    }
                    if contents.servers.len() > MAX_ENTRIES {
                        self.problem(line, format!("there are more than {MAX_ENTRIES} servers; none counts"));
                        contents.servers.clear();
                    }
                }
                "instances" => {
                    let Some(instances) = self.table(item, line, "`instances`") else { continue };
                    for (name, item, line) in self.members(instances) {
                        contents.instances.extend(self.rule(name, item, line));
                    }
                    if contents.instances.len() > MAX_ENTRIES {
                        let text =
                            format!("`instances` has more than {MAX_ENTRIES} entries; the rest is left out");
                        self.problem(line, text);
                        contents.instances.truncate(MAX_ENTRIES);
                    }
                }
                "sources" => {
                    let Some(sources) = self.table(item, line, "`sources`") else { continue };
                    for (name, item, line) in self.members(sources) {
                        match name.parse::<SourceKind>() {
                            Err(error) => self.problem(line, error),
                            Ok(kind) => {
                                if let Some(on) = self.boolean(item, line, name) {
                                    contents.sources.insert(kind, (on, line));
                                }
                            }
                        }
                    }
                }
                other => self.unknown(line, other, "a file", "servers, instances and sources"),
            }
        }
    }

    /// A server; none when something about it is wrong, which is told.
    fn server(&mut self, name: &str, item: &Item, line: usize) -> Option<Server> {
        const KNOWN: &str = "command, args, env, cwd, sharing, idle (stdio), url, token-env, header-env (http), enabled, \
                             labels, show and hide";
        let shown = clean::line(name);
        let is_name = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            text.len() <= MAX_NAME
                && text.bytes().all(fits)
                && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        };
        if !is_name(name) {
            let wrong = format!(
                "`{shown}` is not a name of a server: 1 to {MAX_NAME} letters and digits, and `-`, `_`, `.` after the first"
            );
            self.problem(line, wrong);
            return None;
        }
        let table = self.table(item, line, &format!("server `{shown}`"))?;
        let before = self.problems.len();
        let (mut stdio, mut http) = (Stdio::default(), Http::default());
        let (mut of_stdio, mut of_http) = (Vec::new(), Vec::new());
        let mut server =
            Server { line, enabled: true, kind: None, labels: BTreeMap::new(), tools: ToolFilter::default() };
        for (key, item, line) in self.members(table) {
            match key {
                "command" => stdio.command = self.string(item, line, key).unwrap_or_default(),
                "args" => stdio.args = self.array(item, line, key, argument),
                "env" => stdio.env = self.array(item, line, key, variable),
                "cwd" => stdio.cwd = self.string(item, line, key),
                "sharing" => match item.as_str() {
                    Some("shared") => stdio.sharing = Sharing::Shared,
                    Some("per-session") => stdio.sharing = Sharing::PerSession,
                    _ => self.problem(line, "`sharing` must be \"shared\" or \"per-session\""),
                },
                "idle" => match self.string(item, line, key).as_deref().map(parse_idle) {
                    Some(Ok(idle)) => stdio.idle = Some(idle),
                    Some(Err(why)) => self.problem(line, format!("`idle` cannot be used: {why}")),
                    None => {}
                },
                "url" => http.url = self.string(item, line, key).unwrap_or_default(),
                "token-env" => {
                    http.token = self.string(item, line, key);
                    if let Some(Err(why)) = http.token.as_deref().map(variable) {
                        self.problem(line, format!("`token-env` cannot be used: {why}"));
                    }
                }
                "header-env" => {
                    let headers = self.strings(item, line, key, |_, value| variable(value).map(drop));
                    http.headers = headers.unwrap_or_default();
                }
                "enabled" => server.enabled = self.boolean(item, line, key).unwrap_or(false),
                "labels" => server.labels = self.labels(item, line).unwrap_or_default(),
                "show" | "hide" => self.filter(item, line, key, &mut server.tools),
                other => self.unknown(line, other, "it", KNOWN),
            }
            match key {
                "command" | "args" | "env" | "cwd" | "sharing" | "idle" => of_stdio.push(key),
                "url" | "token-env" | "header-env" => of_http.push(key),
                _ => {}
            }
        }
        let has = |keys: &[&str], key| keys.contains(&key);
        server.kind = match (has(&of_stdio, "command"), has(&of_http, "url")) {
            (true, false) if of_http.is_empty() => Some(ServerKind::Stdio(stdio)),
            (false, true) if of_stdio.is_empty() => Some(ServerKind::Http(http)),
            (false, false) if of_stdio.is_empty() && of_http.is_empty() && !server.enabled => None,
            (false, false) => {
                if self.problems.len() == before {
                    self.problem(line, "it has neither `command` nor `url`");
                }
                None
            }
            _ => {
                self.problem(line, "it is both one with `command` and one with `url`");
                None
            }
        };
        for (_, text) in &mut self.problems[before..] {
            *text = format!("server `{shown}` is left out: {text}");
        }
        (self.problems.len() == before).then_some(server)
    }

    /// What is said of instances. Of one with something wrong the rest counts.
    fn rule(&mut self, called: &str, item: &Item, line: usize) -> Option<Rule> {
        let shown = clean::line(called);
        let table = self.table(item, line, &format!("instance `{shown}`"))?;
        let called = match plain(called).and_then(|()| Glob::new(called).map_err(|error| error.to_string())) {
            Ok(called) => called,
            Err(why) => {
                self.problem(line, format!("instance `{shown}` is not a pattern for names: {why}"));
                return None;
            }
        };
        let (labels, tools) = (BTreeMap::new(), ToolFilter::default());
        let mut rule = Rule { line, called, path: None, name: None, labels, tools };
        for (key, item, line) in self.members(table) {
            match key {
                "path" => rule.path = Some(self.string(item, line, key)?),
                "name" => {
                    rule.name = self.string(item, line, key).filter(|name| name.len() <= 256);
                    if rule.name.is_none() {
                        self.problem(line, "a name has at most 256 bytes");
                    }
                }
                "labels" => rule.labels = self.labels(item, line).unwrap_or_default(),
                "show" | "hide" => self.filter(item, line, key, &mut rule.tools),
                other => {
                    let place = format!("instance `{shown}`");
                    self.unknown(line, other, &place, "path, name, labels, show and hide");
                }
            }
        }
        Some(rule)
    }
}

fn kind(item: &Item) -> &'static str {
    match item.type_name() {
        "array" | "array of tables" => "an array",
        "inline table" | "table" => "a table",
        "integer" | "float" => "a number",
        "boolean" => "true or false",
        "string" => "a string",
        _ => "that",
    }
}

/// A text without what steers a terminal.
fn plain(text: &str) -> Result<(), String> {
    let fits = !text.chars().any(brummer_hub::terminal::is_harmful);
    fits.then_some(()).ok_or_else(|| "it has characters that cannot be printed".to_owned())
}

/// An argument of a command: anything that can be one.
fn argument(text: &str) -> Result<String, String> {
    if text.contains('\0') || text.len() > MAX_TEXT {
        return Err(format!("an argument has at most {MAX_TEXT} bytes, and none of them is 0"));
    }
    Ok(text.to_owned())
}

/// The name of an environment variable.
fn variable(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_name = (1..=256).contains(&text.len())
        && text.bytes().all(fits)
        && !text.starts_with(|c: char| c.is_ascii_digit());
    is_name.then(|| text.to_owned()).ok_or_else(|| {
        "expected the name of an environment variable, never a value: secrets do not belong into this file".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        parse(text.as_bytes()).problems.into_iter().map(|(line, text)| format!("{line}: {text}")).collect()
    }

    #[test]
    fn everything_that_is_documented_is_read() {
        let contents = parse(
            br#"
            [servers.memory]
            command = "npx"
            args = ["-y", "@modelcontextprotocol/server-memory"]
            env = ["MEMORY_FILE_PATH"]
            cwd = "~/notes"
            sharing = "per-session"
            idle = "never"
            labels = { tier = "tools" }
            show = ["read_*"]
            hide = ["read_secret"]

            [servers.figma]
            url = "http://127.0.0.1:3845/mcp"
            token-env = "FIGMA_TOKEN"
            header-env = { X-Key = "FIGMA_KEY" }

            [servers.old]
            enabled = false

            [instances."shop-*"]
            path = "~/shop"
            name = "shop"
            labels.tier = "frontend"
            hide = ["delete_*"]

            [sources]
            storybook = false
            "#,
        );
        assert_eq!(contents.problems, []);
        let Some(ServerKind::Stdio(memory)) = &contents.servers["memory"].kind else {
            panic!("{contents:?}")
        };
        assert_eq!((&*memory.command, memory.args.len(), &*memory.env[0]), ("npx", 2, "MEMORY_FILE_PATH"));
        assert_eq!((memory.sharing, memory.idle), (Sharing::PerSession, Some(Idle::Never)));
        assert!(
            contents.servers["memory"].tools.shows("read_x")
                && !contents.servers["memory"].tools.shows("read_secret")
        );
        let Some(ServerKind::Http(figma)) = &contents.servers["figma"].kind else { panic!("{contents:?}") };
        assert_eq!((figma.token.as_deref(), &*figma.headers["X-Key"]), (Some("FIGMA_TOKEN"), "FIGMA_KEY"));
        assert_eq!((&contents.servers["old"].kind, contents.servers["old"].line), (&None, 18));
        assert_eq!(contents.instances[0].labels["tier"], "frontend");
        assert_eq!(contents.sources[&SourceKind::Storybook], (false, 28));
    }

    #[test]
    fn each_problem_has_its_line_and_costs_its_entry_only() {
        let text = "[servers.a]\ncommand = \"a\"\n[servers.b]\ncomand = \"b\"\n[servers.c]\ncommand = 7\n\
                    [servers.d]\ncommand = \"d\"\nenv = [\"TOKEN=abc\"]\n[servers.\"e e\"]\ncommand = \"e\"\n\
                    [servers.f]\nurl = \"http://localhost:1/\"\nargs = []\n[servers.g]\n[sources]\nvite = true\nnext = 1\n\
                    [instances.x]\nhide = [\"\", \"b\"]\nname = \"y\"\n[other]\n";
        let contents = parse(text.as_bytes());
        assert_eq!(contents.servers.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(contents.instances[0].name.as_deref(), Some("y"));
        assert!(!contents.instances[0].tools.shows("b") && contents.instances[0].tools.shows("c"));
        for closed in ["hide = 7", "show = []", "show = [7]", "hide = [\"\"]"] {
            let contents = parse(format!("[instances.x]\n{closed}").as_bytes());
            assert!(!contents.instances[0].tools.shows("c"), "{closed}: {:?}", contents.problems);
        }
        let told = problems(text);
        for expected in [
            "4: server `b` is left out: `comand` is unknown in it; known are command,",
            "6: server `c` is left out: `command` must be a string, not a number",
            "9: server `d` is left out: `env` has an entry that cannot be used: expected the name",
            "10: `e e` is not a name of a server",
            "12: server `f` is left out: it is both one",
            "15: server `g` is left out: it has neither",
            "17: `vite` is not a source; the sources are",
            "18: `next` must be true or false, not a number",
            "20: `hide` has an entry that cannot be used: a pattern has",
            "22: `other` is unknown in a file; known are servers,",
        ] {
            assert!(told.iter().any(|told| told.starts_with(expected)), "{expected}\n{told:#?}");
        }
    }

    #[test]
    fn nothing_that_a_file_says_is_too_much() {
        let whole = include_str!("../../../docs/CONFIG.md");
        let whole = whole.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        assert_eq!(parse(whole.as_bytes()).problems, [], "what the documentation shows is right");
        let whole = whole.as_bytes();
        for at in 0..whole.len() {
            parse(&whole[..at]);
            for byte in [b'"', b'[', b'\n', 0, 0xff, b'.'] {
                let mut changed = whole.to_vec();
                changed[at] = byte;
                let contents = parse(&changed);
                let lines = changed.iter().filter(|byte| **byte == b'\n').count() + 1;
                assert!(contents.problems.iter().all(|(line, _)| (1..=lines).contains(line)), "{contents:?}");
            }
        }
    }

    #[test]
    fn what_is_no_toml_is_told_and_not_repeated() {
        let told = problems("[servers.a]\ncommand = \"a\"\nroot:x:0:0:secret\n");
        assert!(told.len() == 1 && told[0].starts_with("3: it is not TOML"), "{told:?}");
        assert!(!told[0].contains("secret"), "{told:?}");
        assert!(
            problems("a = 1\na = 2")[0].starts_with("2: it is not TOML"),
            "{:?}",
            problems("a = 1\na = 2")
        );
        assert_eq!(parse(b"\n\xff").problems[0].0, 2);
        assert_eq!(parse("\u{feff}[servers]".as_bytes()), Contents::default());
        for text in
            ["x\u{1b}]0;y = 1", "\"\\u001b[2J\" = 1", "[servers.\"\\u001b\"]", "[instances.\"\\u202e\"]"]
        {
            let told = problems(text).join("\n");
            assert!(!told.is_empty() && !told.contains(['\u{1b}', '\u{202e}']), "{told:?}");
        }
        // Deep nesting and many entries end soon.
        assert!(!problems(&"[".repeat(60_000)).is_empty());
        assert!(!problems(&format!("a = {}", "[".repeat(60_000))).is_empty());
        assert!(!problems(&(0..5000).map(|n| format!("[servers.s{n}]\n")).collect::<String>()).is_empty());
    }
}
