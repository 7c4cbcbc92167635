//! Whether an entry starts the hub, and with which options. Pure: words in, an answer out.
//!
//! The entry has the hub's name, which is not enough: its program decides, or what that program is given. A program that is
//! called otherwise (a copy with a version, a wrapper) is the hub's where it is given what only the hub takes. A package manager
//! says which package it starts, and that is believed.

use serde_json::Value;

use super::entry::NAME;
use crate::args;

/// Starts a package whose name follows.
const PACKAGE_RUNNERS: [&str; 3] = ["npx", "pnpx", "bunx"];

/// Do so if one of these words is before it.
const PACKAGE_MANAGERS: [&str; 4] = ["npm", "pnpm", "yarn", "bun"];
const RUNNER_WORDS: [&str; 3] = ["dlx", "exec", "x"];

/// Their options that take the next word.
const VALUED: [&str; 6] = ["-p", "--package", "--registry", "--cache", "--userconfig", "--prefix"];

/// Start what follows their options, and nothing of theirs is missed where it is started without them.
const PREFIXES: [&str; 8] = ["env", "nice", "ionice", "nohup", "setsid", "stdbuf", "time", "exec"];

/// Start the script that follows their options.
const SCRIPT_RUNNERS: [&str; 4] = ["node", "deno", "bun", "tsx"];

/// Shells, which take a command line for one word.
const SHELLS: [&str; 6] = ["sh", "bash", "zsh", "dash", "ksh", "fish"];

/// The same on Windows, where the line may be in several words.
const WINDOWS_SHELLS: [&str; 3] = ["cmd", "powershell", "pwsh"];

/// What stands for the other words after a shell's line.
const PASSED_ON: [&str; 4] = ["$@", "$*", "${@}", "%*"];

/// What the version of a release before another may be called.
const BEFORE_RELEASE: [&str; 8] = ["alpha", "beta", "rc", "pre", "dev", "nightly", "canary", "next"];

/// What copies of a program are called beside its name.
const COPIES: [&str; 8] = ["old", "new", "bak", "orig", "copy", "dev", "debug", "latest"];

/// Whose repository is the hub's own, and where npm keeps its package.
const REPOSITORY: &str = "standardbeagle/brummer-hub";
const REGISTRY: &str = "https://registry.npmjs.org/brummer-hub/-/";

/// What a program may be called besides its name.
const ENDINGS: [&str; 9] = [".exe", ".cmd", ".bat", ".ps1", ".sh", ".js", ".cjs", ".mjs", ".ts"];

/// Program and arguments of an entry, whatever its shape; none if it starts nothing.
pub(crate) fn words(entry: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        // Some formats make a number of what is meant as a word.
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let list = |value: &Value| value.as_array()?.iter().map(text).collect::<Option<Vec<String>>>();
    let entry = launching(entry);
    let command = if entry["cmd"].is_string() { &entry["cmd"] } else { &entry["command"] };
    let command = if command.is_null() { &entry["path"] } else { command };
    let mut words = if command.is_array() { list(command)? } else { vec![command.as_str()?.to_owned()] };
    match &entry["args"] {
        Value::Null => {}
        Value::String(line) => words.extend(line.split_whitespace().map(str::to_owned)),
        args => words.extend(list(args)?),
    }
    (!words.is_empty()).then_some(words)
}

/// The part of an entry that says what is started: within `transport`, or within `command`, as Zed once had it.
pub(crate) fn launching(entry: &Value) -> &Value {
    ["transport", "command"].iter().map(|key| &entry[*key]).find(|part| part.is_object()).unwrap_or(entry)
}

/// How an entry starts the hub.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Start {
    /// What the hub is given.
    pub(crate) arguments: Vec<String>,
    /// Whether the entry says which release of the package it is.
    pub(crate) is_pinned: bool,
}

impl Start {
    /// In whatever way that may be written anew without a loss, or none if it starts something else.
    pub(crate) fn of(entry: &Value) -> Option<Self> {
        let words = words(entry)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // The whole command line may stand in the first word.
        let (line, rest) = words.split_first()?;
        Self::of_words(&words).or_else(|| Self::of_words(&[&taken_apart(line)[..], rest].concat()))
    }

    fn new(arguments: &[&str], is_pinned: bool) -> Self {
        Self { arguments: arguments.iter().map(|&word| word.to_owned()).collect(), is_pinned }
    }

    fn of_words(words: &[&str]) -> Option<Self> {
        let (program, arguments) = words.split_first()?;
        if is_program(program) {
            return (!args::ask_for_another(arguments)).then(|| Self::new(arguments, false));
        }
        if let Some(rest) = after_runner(words) {
            return Self::of_package(rest);
        }
        // Whatever it is called, but for what has a name of its own that begins with the hub's.
        if args::ask_for_hub(arguments) {
            let name = bare(program);
            let is_copy = name
                .strip_prefix(NAME)
                .is_none_or(|rest| COPIES.contains(&rest.trim_start_matches(['.', '-', '_'])));
            return is_copy.then(|| Self::new(arguments, false));
        }
        let is_one = |of: &[&str]| is_one(program, of);
        if is_one(&PREFIXES) {
            starts(arguments).find_map(|at| Self::of_words(&arguments[at..]))
        } else if is_one(&SHELLS) {
            let is_option = |word: &&str| {
                word.strip_prefix('-').is_some_and(|letters| {
                    letters.ends_with('c') && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
                })
            };
            Self::of_line(arguments.get(arguments.iter().position(is_option)? + 1)?)
        } else if is_one(&WINDOWS_SHELLS) {
            let is_option =
                |word: &&str| ["/c", "/k", "-c", "-command"].contains(&&*word.to_ascii_lowercase());
            Self::of_line(&arguments[arguments.iter().position(is_option)? + 1..].join(" "))
        } else if is_one(&SCRIPT_RUNNERS) || is_one(&PACKAGE_MANAGERS) {
            let from = usize::from(arguments.first() == Some(&"run"));
            let arguments = &arguments[from..];
            starts(arguments).find_map(|at| {
                let (word, rest) = (arguments[at], &arguments[at + 1..]);
                let is_hub = (is_program(word) || is_script(word)) && args::ask_for_hub(rest);
                is_hub.then(|| Self::new(rest, file(word).contains('@') && is_release(word)))
            })
        } else {
            None
        }
    }

    /// By a line of a shell that does nothing else, which would be lost.
    fn of_line(line: &str) -> Option<Self> {
        let mut commands =
            line.split([';', '&', '|', '\n']).map(taken_apart).filter(|words| !words.is_empty());
        let start = Self::of_words(&commands.next()?)?;
        commands.next().is_none().then_some(start)
    }

    /// By what a package manager is told to start.
    fn of_package(words: &[&str]) -> Option<Self> {
        let at = first(words)?;
        let mut packages = Vec::new();
        for (at, word) in words[..at].iter().enumerate() {
            match word.split_once('=') {
                Some(("-p" | "--package", package)) => packages.push(package),
                None if matches!(*word, "-p" | "--package") => packages.extend(words.get(at + 1).copied()),
                _ => {}
            }
        }
        let (started, arguments) = (words[at], &words[at + 1..]);
        let arguments = arguments.strip_prefix(&["--"]).unwrap_or(arguments);
        if args::ask_for_another(arguments) {
            return None;
        }
        let package = if packages.is_empty() {
            Some(started).filter(|package| is_package(package))
        } else {
            // The name of a program, of whichever of these packages.
            packages.into_iter().find(|package| is_package(package)).filter(|_| is_program(started))
        };
        Some(Self::new(arguments, is_release(package?)))
    }
}

/// Where the program may be that these words start: behind options, their values and variables.
fn starts<'w>(words: &'w [&str]) -> impl Iterator<Item = usize> + 'w {
    let is_before = |at: usize| {
        let is_option = |word: &str| word.starts_with('-');
        is_option(words[at]) || words[at].contains('=') || at > 0 && is_option(words[at - 1])
    };
    let first = (0..words.len()).find(|&at| !is_before(at)).unwrap_or(words.len());
    // What follows an option need not be its value.
    (0..words.len().min(first + 1)).filter(|&at| !words[at].starts_with('-'))
}

/// The words of a command. What is done with its output says nothing about it.
fn taken_apart(command: &str) -> Vec<&str> {
    let words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    words.take_while(|word| !word.contains(['<', '>'])).filter(|word| !PASSED_ON.contains(word)).collect()
}

/// Whether a program is one of these, wherever it is.
fn is_one(program: &str, of: &[&str]) -> bool {
    let name = file(program).to_ascii_lowercase();
    let name = [".exe", ".cmd", ".ps1"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    of.contains(&name)
}

/// What a program is called, without the usual endings.
fn bare(program: &str) -> String {
    let name = file(program).to_ascii_lowercase();
    ENDINGS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name).to_owned()
}

/// Whether this is the hub's program, wherever it is and of whichever version.
fn is_program(word: &str) -> bool {
    let name = bare(word);
    let Some(rest) = name.strip_prefix(NAME) else { return false };
    // `@0.1.0`, `-1.2`, `_v2`.
    rest.is_empty()
        || rest.strip_prefix('@').is_some_and(is_tag)
        || rest.strip_prefix(['-', '_', '.']).is_some_and(is_version)
}

/// Whether this names a version of a package, and no other package.
fn is_tag(text: &str) -> bool {
    !text.contains([':', '/'])
}

/// Whether this is a version and nothing else: `1.2`, `v2`, `0.1.0-rc.1`.
fn is_version(text: &str) -> bool {
    let is_numbers = |text: &str| {
        text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let text = text.strip_prefix('v').unwrap_or(text);
    let Some((numbers, before)) = text.split_once('-') else { return is_numbers(text) };
    let is_before = |name: &str| {
        let Some(number) = before.strip_prefix(name) else { return false };
        number.is_empty() || is_numbers(number.strip_prefix('.').unwrap_or(number))
    };
    is_numbers(numbers) && BEFORE_RELEASE.iter().any(|name| is_before(name))
}

/// Whether this is a script of the npm package.
fn is_script(word: &str) -> bool {
    let mut places = word.split(['/', '\\']).rev();
    let is_script =
        places.next().is_some_and(|file| [".js", ".cjs", ".mjs"].iter().any(|end| file.ends_with(end)));
    is_script && places.any(|place| place == NAME)
}

/// The last part of a path, or of the name of a package.
fn file(word: &str) -> &str {
    let word = word.strip_prefix("npm:").unwrap_or(word);
    word.rsplit(['/', '\\']).next().unwrap_or(word)
}

/// What follows the word that makes a package manager start a package.
fn after_runner<'a, 'w>(words: &'a [&'w str]) -> Option<&'a [&'w str]> {
    let (program, rest) = words.split_first()?;
    if is_one(program, &PACKAGE_RUNNERS) {
        return Some(rest);
    }
    let command = first(rest)?;
    let is_runner = is_one(program, &PACKAGE_MANAGERS) && RUNNER_WORDS.contains(&rest[command]);
    is_runner.then(|| &rest[command + 1..])
}

/// Whether this says which release of the package is meant, or where it is, rather than whichever is the last.
fn is_release(package: &str) -> bool {
    let name = package.strip_prefix("npm:").unwrap_or(package);
    name.strip_prefix(NAME).is_none_or(|tag| !matches!(tag, "" | "@latest"))
}

/// Whether this names the npm package: by its name, by its repository or by a file of this machine. A name with a scope is another's.
fn is_package(word: &str) -> bool {
    let word = word.split('#').next().unwrap_or(word);
    if word.starts_with('@') {
        return word.strip_prefix("@brummer-hub/").is_some_and(is_tag);
    }
    let lower = word.to_ascii_lowercase();
    let repository =
        ["github:", "https://github.com/", "git@github.com:", "ssh://git@github.com/", "git://github.com/"];
    let lower = lower.strip_prefix("git+").unwrap_or(&lower);
    let place = repository.iter().find_map(|start| lower.strip_prefix(start)).unwrap_or(lower);
    if let Some(rest) = place.strip_prefix(REPOSITORY) {
        return matches!(rest, "" | ".git") || rest.starts_with('/');
    }
    if lower.starts_with(REGISTRY) {
        return true;
    }
    let path = lower.strip_prefix("file:").unwrap_or(lower);
    let is_local = path.len() < lower.len()
        || path.starts_with(['.', '/', '~', '\\'])
        || path.get(1..3) == Some(":\\")
        || path.get(1..3) == Some(":/")
        || (path.ends_with(".tgz") && !path.contains(['/', ':']));
    if is_local {
        return is_program(path.strip_suffix(".tgz").unwrap_or(path));
    }
    let name = word.strip_prefix("npm:").unwrap_or(word);
    name.strip_prefix(NAME).is_some_and(|rest| rest.is_empty() || rest.strip_prefix('@').is_some_and(is_tag))
}

/// The first word that is no option nor the value of one.
fn first(words: &[&str]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if !word.starts_with('-') {
            return Some(at);
        }
        at += if VALUED.contains(word) { 2 } else { 1 };
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn starts_hub(entry: &Value) -> bool {
        Start::of(entry).is_some()
    }

    fn of(line: &str) -> Value {
        let mut words = line.split(' ');
        json!({ "command": words.next(), "args": words.collect::<Vec<_>>() })
    }

    #[test]
    fn words_are_found_in_every_shape() {
        for entry in [
            json!({ "command": "a", "args": ["b", "7"] }),
            json!({ "command": "a", "args": ["b", 7] }),
            json!({ "command": ["a", "b", "7"] }),
            json!({ "cmd": "a", "args": ["b", "7"] }),
            json!({ "transport": { "command": "a", "args": ["b", "7"] } }),
            json!({ "transport": "stdio", "command": "a", "args": ["b", "7"] }),
            json!({ "command": { "path": "a", "args": ["b", "7"], "env": {} } }),
        ] {
            assert_eq!(words(&entry).unwrap(), ["a", "b", "7"], "{entry}");
        }
        for entry in [
            json!({ "url": "http://x" }),
            json!(7),
            json!({}),
            json!({ "command": [] }),
            json!({ "command": "a", "args": [null] }),
            json!({ "command": { "args": ["a"] } }),
            json!(null),
        ] {
            assert_eq!(words(&entry), None, "{entry}");
        }
    }

    #[test]
    fn the_hub_is_known_however_it_is_started() {
        for line in [
            "brummer-hub",
            "brummer-hub --mcp",
            "brummer-hub mcp",
            "/usr/local/bin/brummer-hub --mcp",
            r"C:\bin\Brummer-Hub.EXE --mcp",
            // Copies with other names.
            "/opt/brummer-hub-1.2 --mcp",
            "/opt/brummer-hub_v2.exe --mcp",
            "/opt/brummer-hub-0.1.0-rc.1.exe --mcp",
            "/opt/brummer-hub-0.1.0-beta2 --mcp",
            "/opt/brummer-hub-0.1.0-linux-x64/brummer-hub --mcp",
            "/opt/homebrew/Cellar/brummer-hub/0.1.0/bin/brummer-hub",
            "/opt/brummer-hub.old --mcp",
            "/home/ada/bin/hub --mcp",
            "/home/ada/bin/hub mcp",
            "/home/ada/bin/my-wrapper --mcp --tools all --data-dir /d",
            "/home/ada/bin/hub --data-dir /d --log-level debug --mcp",
            // Package managers.
            "npx -y brummer-hub --mcp",
            "npx brummer-hub@0.1.0 --mcp",
            "npx.cmd --yes brummer-hub@latest --mcp",
            "npx -y brummer-hub",
            "npx -y --package brummer-hub@0.1.0 brummer-hub --mcp",
            "npx --package=brummer-hub -- brummer-hub --mcp",
            "npx -y github:standardbeagle/brummer-hub --mcp",
            "npx -y standardbeagle/brummer-hub --mcp",
            "npx -y git+https://github.com/standardbeagle/brummer-hub.git#v1 --mcp",
            "npx -y https://github.com/standardbeagle/brummer-hub/releases/download/v0.1.0/brummer-hub-0.1.0.tgz --mcp",
            "npx -y https://registry.npmjs.org/brummer-hub/-/brummer-hub-0.1.0.tgz --mcp",
            "npx -y ./brummer-hub-0.1.0.tgz --mcp",
            "npx -y /home/ada/src/brummer-hub --mcp",
            "cmd /c npx -y brummer-hub@0.1.0 --mcp",
            "cmd.exe /d /s /c npx.cmd -y brummer-hub --mcp",
            "bunx brummer-hub --mcp",
            "bunx --bun brummer-hub@0.1 --mcp",
            "bun x brummer-hub --mcp",
            "pnpm dlx brummer-hub --mcp",
            "pnpm --silent dlx brummer-hub@0.1.0 --mcp",
            "pnpx brummer-hub --mcp",
            "yarn dlx -q brummer-hub --mcp",
            "npm exec -y -- brummer-hub --mcp",
            "npm x brummer-hub -- --mcp",
            "pnpm brummer-hub --mcp",
            // Scripts.
            "node /usr/lib/node_modules/brummer-hub/bin/brummer-hub.js --mcp",
            "node --no-warnings /usr/lib/node_modules/brummer-hub/dist/start.mjs --mcp --tools all",
            r"node C:\npm\node_modules\brummer-hub\bin\brummer-hub.js --mcp",
            "deno run -A npm:brummer-hub@0.1.0 --mcp",
            // What stands before a program.
            "env -i A=b brummer-hub --mcp",
            "nice -n 5 /opt/brummer-hub-1.2 --mcp",
        ] {
            assert!(starts_hub(&of(line)), "{line}");
        }
        for entry in [
            json!({ "command": ["/usr/bin/brummer-hub", "--mcp"] }),
            json!({ "cmd": "brummer-hub" }),
            json!({ "transport": { "command": "brummer-hub" } }),
            json!({ "command": r"C:\Program Files\hub\brummer-hub.exe", "args": ["--mcp"] }),
            json!({ "command": r"C:\Program Files\hub\hub.exe", "args": ["--mcp"] }),
            json!({ "command": "npx -y brummer-hub --mcp" }),
            json!({ "command": "/bin/sh", "args": ["-c", "exec /opt/brummer-hub --mcp 2>> /tmp/log"] }),
            json!({ "command": "cmd", "args": ["/c", "npx -y brummer-hub --mcp"] }),
            json!({ "command": "hub", "args": ["--mcp", "--name-budget", 46] }),
            json!({ "command": "brummer-hub", "args": "--mcp" }),
            json!({ "command": "npx", "args": "-y brummer-hub --mcp" }),
            json!({ "command": "sh", "args": ["-c", "exec brummer-hub --mcp \"$@\"", "sh"] }),
            json!({ "command": "sh", "args": ["-c", "nice -n 5 npx -y brummer-hub --mcp;"] }),
            json!({ "command": "bash", "args": ["-euc", "brummer-hub --mcp"] }),
            json!({ "command": "/bin/zsh", "args": ["-ilc", "brummer-hub --mcp 2>/tmp/log"] }),
            json!({ "command": "env", "args": ["A=b", "sh", "-c", "exec brummer-hub --mcp"] }),
        ] {
            assert!(starts_hub(&entry), "{entry}");
        }
    }

    #[test]
    fn what_is_foreign_is_left_to_its_owner() {
        for line in [
            "docker",
            "docker mcp gateway run",
            "claude mcp serve",
            "storybook dev --mcp",
            "other --mcp --port 3000",
            "other --mcp dev",
            "brummer-hubbub",
            "brummer-hub-tools --stdio",
            "brummer-hub-1password --mcp",
            "brummer-hub-2fa-server",
            "brummer-hub.v2-tools",
            "brummer-hub-1.2.",
            "brummer-hub.old dev",
            "brummer-hub-1.2-rc.x",
            // Another command of the hub's program.
            "brummer-hub register --stdio -- x",
            "brummer-hub --data-dir /d run dev",
            "brummer-hub --no-tui dev",
            "npx -y brummer-hub register --stdio -- x",
            // Elsewhere, or with something in between: it would be lost.
            "ssh host brummer-hub --mcp",
            "ssh host npx -y brummer-hub --mcp",
            "env A=b ssh host brummer-hub --mcp",
            "docker exec -i box brummer-hub --mcp",
            "docker exec -i box npx -y brummer-hub --mcp",
            "docker run -i --rm ghcr.io/standardbeagle/brummer-hub:1.2 --mcp",
            "kubectl exec -i box -- brummer-hub --mcp",
            "wsl brummer-hub --mcp",
            "uvx mcp-proxy -- brummer-hub --mcp",
            "uvx mcp-proxy -- npx -y brummer-hub --mcp",
            "node proxy.js brummer-hub --mcp",
            "my-brummer-hub",
            // A project of this name.
            "filesystem-mcp /home/ada/src/brummer-hub",
            "node /home/ada/src/brummer-hub/tools/server.js",
            "node server.js /home/ada/src/brummer-hub",
            "uv --directory /home/ada/src/brummer-hub run server.py",
            "git -C /home/ada/brummer-hub mcp",
            "storybook --dir /home/ada/brummer-hub --mcp",
            // Other packages, whatever they are given.
            "npx -y @modelcontextprotocol/server-filesystem /home/ada/src/brummer-hub",
            "npx -y other --mcp",
            "npx -y other brummer-hub --mcp",
            "npx -y nx mcp",
            "npx -y brummer-hub-tools --mcp",
            "npx -y @evil/brummer-hub --mcp",
            "npx -y evil/brummer-hub --mcp",
            "npx -y github:evil/brummer-hub --mcp",
            "npx -y standardbeagle/brummer-hub-tools --mcp",
            "npx -y https://evil.example/standardbeagle/brummer-hub --mcp",
            "npx -y https://evil.example/brummer-hub-0.1.0.tgz --mcp",
            "npx -y https://registry.npmjs.org/evil/-/brummer-hub-0.1.0.tgz --mcp",
            "npx -y brummer-hub@npm:evil --mcp",
            "npx -y brummer-hub@github:evil/x --mcp",
            "npx -y @brummer-hub/linux-x64@npm:evil --mcp",
            "npm exec brummer-hub@npm:evil -- --mcp",
            "deno run -A npm:brummer-hub@npm:evil --mcp",
            "npx -p other brummer-hub --mcp",
            "npx -p brummer-hub other --mcp",
            "npx --registry brummer-hub other --mcp",
            "pnpm dlx other mcp",
            "cmd /c npx -y other --mcp",
        ] {
            assert!(!starts_hub(&of(line)), "{line}");
        }
        for entry in [
            json!({ "command": "docker", "env": { "X": "brummer-hub --mcp" } }),
            json!({ "url": "http://127.0.0.1:7777/brummer-hub", "args": ["--mcp"] }),
            json!({ "command": "agent", "args": ["--prompt", "start brummer-hub --mcp"] }),
            json!({ "command": "sh", "args": ["-c", "other --prompt brummer-hub"] }),
            json!({ "command": "sh", "args": ["-c", "ssh host brummer-hub --mcp"] }),
            json!({ "command": "sh", "args": ["-c", "cd /x && brummer-hub --mcp"] }),
            json!({ "command": "sh", "args": ["-c", "brummer-hub register --stdio -- x"] }),
            json!(7),
            json!({}),
        ] {
            assert!(!starts_hub(&entry), "{entry}");
        }
    }

    #[test]
    fn what_the_hub_is_given_is_told_from_what_starts_it() {
        for (line, arguments, is_pinned) in [
            ("brummer-hub", "", false),
            ("/opt/brummer-hub-1.2 --mcp --log-level debug", "--mcp --log-level debug", false),
            ("env A=b hub --data-dir /d mcp", "--data-dir /d mcp", false),
            ("npx -y brummer-hub --mcp --tools hub", "--mcp --tools hub", false),
            ("npx -y brummer-hub@latest --mcp", "--mcp", false),
            ("npx -y brummer-hub@0.1.0 --mcp", "--mcp", true),
            ("npx -y --package brummer-hub@0.1 brummer-hub -- --mcp", "--mcp", true),
            ("npx -y ./brummer-hub-0.1.0.tgz --mcp", "--mcp", true),
            ("npx -y standardbeagle/brummer-hub --mcp", "--mcp", true),
            ("cmd /c npx -y brummer-hub@0.1.0 --mcp --tools all", "--mcp --tools all", true),
            ("deno run -A npm:brummer-hub@0.1.0 --mcp", "--mcp", true),
            ("node /x/node_modules/brummer-hub/bin/brummer-hub.js --mcp -v", "--mcp -v", false),
        ] {
            let start = Start::of(&of(line)).unwrap();
            assert_eq!(
                (start.arguments.join(" ").as_str(), start.is_pinned),
                (arguments, is_pinned),
                "{line}"
            );
        }
    }
}
