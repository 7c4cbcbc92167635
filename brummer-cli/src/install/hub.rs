//! Whether an entry starts the hub. Pure: words in, an answer out.
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

/// Options by which a shell takes its next word for a command line.
const SHELL_OPTIONS: [&str; 6] = ["-c", "-lc", "-ic", "/c", "/k", "-command"];

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
    let entry = if entry["transport"].is_object() { &entry["transport"] } else { entry };
    let command = if entry["cmd"].is_string() { &entry["cmd"] } else { &entry["command"] };
    let mut words = if command.is_array() { list(command)? } else { vec![command.as_str()?.to_owned()] };
    if !entry["args"].is_null() {
        words.extend(list(&entry["args"])?);
    }
    (!words.is_empty()).then_some(words)
}

/// Whether this entry starts the hub, in whatever way.
pub(super) fn starts_hub(entry: &Value) -> bool {
    let Some(words) = words(entry) else { return false };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    is_hub(&words) || is_hub(&split(&words))
}

fn is_hub(words: &[&str]) -> bool {
    let Some((program, arguments)) = words.split_first() else { return false };
    if is_program(program) {
        return true;
    }
    if let Some(rest) = after_runner(words) {
        return is_own_package(rest);
    }
    // Whatever it is called.
    if args::ask_for_hub(arguments) {
        return true;
    }
    // `node`, `env`, `nice`, a container: what they start is named before its arguments.
    // After an option, a path that ends with the name alone may be that of a directory.
    let is_value = |at: usize, word: &str| {
        let before = at.checked_sub(1).map(|before| arguments[before]);
        before.is_some_and(|before| before.starts_with('-')) && word != NAME && file(word) == NAME
    };
    let is_named = |at: usize, word: &str| (is_program(word) && !is_value(at, word)) || is_script(word);
    let mut words = arguments.iter().enumerate();
    words.any(|(at, word)| is_named(at, word) && args::ask_for_hub(&arguments[at + 1..]))
}

/// Whether this is the hub's program, wherever it is and of whichever version.
fn is_program(word: &str) -> bool {
    let name = file(word).to_ascii_lowercase();
    let name = ENDINGS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let Some(rest) = name.strip_prefix(NAME) else { return false };
    // `@0.1.0`, the tag of an image, `-1.2`, `_v2`.
    let version = rest.trim_start_matches(['-', '_', '.']).trim_start_matches('v');
    rest.is_empty()
        || rest.starts_with(['@', ':'])
        || (rest.starts_with(['-', '_', '.']) && version.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether this is a script of the npm package.
fn is_script(word: &str) -> bool {
    let mut places = word.split(['/', '\\']).rev();
    let is_script =
        places.next().is_some_and(|file| [".js", ".cjs", ".mjs"].iter().any(|end| file.ends_with(end)));
    is_script && places.any(|place| place == NAME)
}

/// The last part of a path, of the name of an image or of a package.
fn file(word: &str) -> &str {
    let word = word.strip_prefix("npm:").unwrap_or(word);
    word.rsplit(['/', '\\']).next().unwrap_or(word)
}

/// What follows the word that makes a package manager start a package.
fn after_runner<'a, 'w>(words: &'a [&'w str]) -> Option<&'a [&'w str]> {
    let is_one = |word: &str, of: &[&str]| {
        let name = file(word).to_ascii_lowercase();
        let name = [".exe", ".cmd", ".ps1"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        of.contains(&name)
    };
    for (at, word) in words.iter().enumerate() {
        let rest = &words[at + 1..];
        if is_one(word, &PACKAGE_RUNNERS) {
            return Some(rest);
        }
        if is_one(word, &PACKAGE_MANAGERS) {
            let command = first(rest)?;
            return RUNNER_WORDS.contains(&rest[command]).then(|| &rest[command + 1..]);
        }
    }
    None
}

/// Whether what a package manager is told to start is the hub.
fn is_own_package(words: &[&str]) -> bool {
    let mut packages = Vec::new();
    for (at, word) in words[..first(words).unwrap_or(words.len())].iter().enumerate() {
        match word.split_once('=') {
            Some(("-p" | "--package", package)) => packages.push(package),
            None if matches!(*word, "-p" | "--package") => packages.extend(words.get(at + 1).copied()),
            _ => {}
        }
    }
    let Some(started) = first(words).map(|at| words[at]) else { return false };
    if packages.is_empty() {
        return is_package(started);
    }
    // The name of a program, of whichever of these packages.
    packages.into_iter().any(is_package) && is_program(started)
}

/// Whether this names the npm package: by its name, by its repository or by a file. A name with a scope is another's.
fn is_package(word: &str) -> bool {
    let file = file(word.split('#').next().unwrap_or(word));
    let file = [".git", ".tgz"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file);
    if word.starts_with('@') {
        return word.starts_with("@brummer-hub/");
    }
    let is_elsewhere = word.contains(['/', '\\']) || word.ends_with(".tgz");
    if is_elsewhere { is_program(file) } else { file.split('@').next() == Some(NAME) }
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

/// The same words, with command lines that stand in one word taken apart.
fn split<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let mut all = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let is_line =
            at == 0 || SHELL_OPTIONS.iter().any(|option| words[at - 1].eq_ignore_ascii_case(option));
        if is_line {
            // What is done with its output says nothing about it.
            let parts = word.split_whitespace().map(|part| part.trim_matches(['"', '\'']));
            all.extend(parts.take_while(|part| !part.contains(['<', '>', '|'])));
        } else {
            all.push(word);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        ] {
            assert_eq!(words(&entry).unwrap(), ["a", "b", "7"], "{entry}");
        }
        for entry in [
            json!({ "url": "http://x" }),
            json!(7),
            json!({}),
            json!({ "command": [] }),
            json!({ "command": "a", "args": [null] }),
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
            "/opt/brummer-hub-0.1.0-linux-x64/brummer-hub --mcp",
            "/opt/homebrew/Cellar/brummer-hub/0.1.0/bin/brummer-hub",
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
            "npx -y https://example.com/brummer-hub-0.1.0.tgz --mcp",
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
            "docker run -i --rm ghcr.io/standardbeagle/brummer-hub:1.2 --mcp",
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
            json!(7),
            json!({}),
        ] {
            assert!(!starts_hub(&entry), "{entry}");
        }
    }
}
