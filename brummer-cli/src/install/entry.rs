//! The entry of the hub in a client's configuration, as a value that every format can hold.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    clients::{Client, Shape},
    system::Os,
};

/// What the entry is called.
pub(super) const NAME: &str = "brummer-hub";

/// All that say what is started; a shape has some of them, and the others would contradict it.
const LAUNCHING: [&str; 4] = ["command", "args", "cmd", "transport"];

/// How a client is to start the hub.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Launch {
    pub(super) command: String,
    pub(super) arguments: Vec<String>,
}

impl Launch {
    /// By its path, or by npx if a package manager has only put it into a cache, from which it may vanish.
    pub(super) fn of(program: &Path, os: Os) -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let text = program.to_string_lossy();
        // Of npm, pnpm and bun.
        let is_cache = |part: &str| {
            part == "_npx" || part == "dlx" || ["dlx-", "bunx-"].iter().any(|start| part.starts_with(start))
        };
        if !text.split(['/', '\\']).any(is_cache) {
            return Self { command: text.into_owned(), arguments: Vec::new() };
        }
        match os {
            // Windows starts no `.cmd` by itself.
            Os::Windows => Self { command: "cmd".to_owned(), arguments: words(&["/c", "npx", "-y", NAME]) },
            Os::Linux | Os::Mac => Self { command: "npx".to_owned(), arguments: words(&["-y", NAME]) },
        }
    }

    /// With the arguments that this client's hub needs.
    pub(super) fn for_client(&self, client: &Client, data_dir: Option<&Path>) -> Self {
        let mut launch = self.clone();
        launch.arguments.push("--mcp".to_owned());
        launch.arguments.extend(client.arguments.iter().map(|&word| word.to_owned()));
        if let Some(directory) = data_dir {
            launch.arguments.push("--data-dir".to_owned());
            launch.arguments.push(directory.to_string_lossy().into_owned());
        }
        launch
    }
}

/// What the entry is to be.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// As it is written where there is none.
    whole: Map<String, Value>,
    /// Its keys that must be so, also where there is one already. The others are the user's.
    fixed: &'static [&'static str],
}

impl Entry {
    pub(super) fn new(shape: Shape, launch: &Launch) -> Self {
        let Launch { command, arguments } = launch;
        let one_list = || {
            let words: Vec<&String> = std::iter::once(command).chain(arguments).collect();
            json!(words)
        };
        let plain = &["command", "args"];
        let (whole, fixed): (Value, &[&str]) = match shape {
            Shape::Plain => (json!({ "command": command, "args": arguments }), plain),
            Shape::Typed(kind) => (json!({ "type": kind, "command": command, "args": arguments }), plain),
            Shape::Transport(kind) => (
                json!({ "transport": kind, "command": command, "args": arguments }),
                &["transport", "command", "args"],
            ),
            Shape::WithinTransport => (
                json!({ "transport": { "type": "stdio", "command": command, "args": arguments } }),
                &["transport"],
            ),
            Shape::Copilot => {
                (json!({ "type": "local", "command": command, "args": arguments, "tools": ["*"] }), plain)
            }
            Shape::OneList => {
                (json!({ "type": "local", "command": one_list(), "enabled": true }), &["command"])
            }
            Shape::Zed => {
                (json!({ "source": "custom", "command": command, "args": arguments, "env": {} }), plain)
            }
            Shape::Goose => (
                json!({
                    "name": NAME, "description": "Every dev process on this machine", "type": "stdio",
                    "cmd": command, "args": arguments, "enabled": true, "timeout": 300,
                }),
                &["cmd", "args"],
            ),
            Shape::Item => (json!({ "name": NAME, "command": command, "args": arguments }), plain),
        };
        let Value::Object(whole) = whole else { unreachable!("every shape is an object") };
        Self { whole, fixed }
    }

    /// The entry that there is to be: the user's own settings in the present one stay.
    pub(super) fn over(&self, present: Option<&Value>) -> Value {
        let Some(Value::Object(present)) = present else { return Value::Object(self.whole.clone()) };
        let mut merged = present.clone();
        merged.retain(|key, _| !LAUNCHING.contains(&key.as_str()) || self.is_fixed(key));
        for &key in self.fixed {
            let Some(wanted) = self.whole.get(key) else { continue };
            match (merged.get_mut(key), wanted) {
                (Some(Value::Object(had)), Value::Object(wanted)) => {
                    for (key, value) in wanted {
                        had.insert(key.clone(), value.clone());
                    }
                }
                _ => {
                    merged.insert(key.to_owned(), wanted.clone());
                }
            }
        }
        Value::Object(merged)
    }

    fn is_fixed(&self, key: &str) -> bool {
        self.fixed.contains(&key)
    }
}

/// Whether the user has turned the entry off.
pub(super) fn is_off(entry: &Value) -> bool {
    entry["disabled"] == true || entry["enabled"] == false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> Launch {
        Launch { command: "/x/brummer-hub".to_owned(), arguments: vec!["--mcp".to_owned()] }
    }

    #[test]
    fn the_path_is_used_but_for_what_npx_has_cached() {
        let plain = Launch::of(Path::new(r"C:\tools\brummer-hub.exe"), Os::Windows);
        assert_eq!(plain, Launch { command: r"C:\tools\brummer-hub.exe".to_owned(), arguments: vec![] });
        let cached = Path::new("/home/ada/.npm/_npx/1f/node_modules/@brummer-hub/linux-x64/bin/brummer-hub");
        assert_eq!(Launch::of(cached, Os::Linux).arguments, ["-y", "brummer-hub"]);
        let cached =
            Path::new(r"C:\Users\Ada\AppData\Local\npm-cache\_npx\1f\node_modules\x\brummer-hub.exe");
        let launch = Launch::of(cached, Os::Windows);
        assert_eq!((launch.command.as_str(), launch.arguments[0].as_str()), ("cmd", "/c"));
    }

    #[test]
    fn what_the_user_has_set_stays() {
        let entry = Entry::new(Shape::Typed("stdio"), &launch());
        let present = json!({
            "env": { "A": "b" }, "command": "npx", "cmd": "stale", "args": ["-y", "brummer-hub"], "disabled": true,
        });
        assert_eq!(
            entry.over(Some(&present)),
            json!({ "env": { "A": "b" }, "command": "/x/brummer-hub", "args": ["--mcp"], "disabled": true })
        );
        assert_eq!(
            entry.over(None),
            json!({ "type": "stdio", "command": "/x/brummer-hub", "args": ["--mcp"] })
        );
        let nested = Entry::new(Shape::WithinTransport, &launch());
        let present = json!({ "transport": { "env": {}, "command": "old" }, "command": "brummer-hub" });
        assert_eq!(
            nested.over(Some(&present)),
            json!({ "transport": { "env": {}, "command": "/x/brummer-hub", "type": "stdio", "args": ["--mcp"] } })
        );
    }

    #[test]
    fn an_entry_that_is_merged_twice_stays_as_it_is() {
        for client in super::super::clients::CLIENTS {
            let entry = Entry::new(client.shape, &launch());
            let once = entry.over(None);
            assert_eq!(entry.over(Some(&once)), once, "{}", client.id);
            assert!(super::super::hub::starts_hub(&once), "{}", client.id);
        }
    }
}
