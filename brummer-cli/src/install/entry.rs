//! The entry of the hub in a client's configuration, as a value that every format can hold.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    clients::{Client, Shape},
    hub::Start,
    system::Os,
};
use crate::args;

/// What the entry is called.
pub(super) const NAME: &str = "brummer-hub";

/// All that say what is started; a shape has some of them, and the others would contradict it.
const LAUNCHING: [&str; 4] = ["command", "args", "cmd", "transport"];

/// The option that says where announcements are.
const DATA_DIR: &str = "--data-dir";

/// How a client is to start the hub.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Launch {
    pub(super) command: String,
    /// What comes before the options of the hub.
    pub(super) before: Vec<String>,
    pub(super) options: Vec<String>,
}

impl Launch {
    /// By its path, or by npx if a package manager has only put it into a cache, from which it may vanish.
    pub(super) fn of(program: &Path, os: Os) -> Self {
        let text = program.to_string_lossy();
        let by = |command: &str, before: &[&str]| Self {
            command: command.to_owned(),
            before: before.iter().map(|&word| word.to_owned()).collect(),
            options: Vec::new(),
        };
        // Of npm, pnpm and bun.
        let is_cache = |part: &str| {
            part == "_npx" || part == "dlx" || ["dlx-", "bunx-"].iter().any(|start| part.starts_with(start))
        };
        if !text.split(['/', '\\']).any(is_cache) {
            return by(&text, &[]);
        }
        match os {
            // Windows starts no `.cmd` by itself.
            Os::Windows => by("cmd", &["/c", "npx", "-y", NAME]),
            Os::Linux | Os::Mac => by("npx", &["-y", NAME]),
        }
    }

    /// With the options that this client's hub needs.
    pub(super) fn for_client(&self, client: &Client, data_dir: Option<&Path>) -> Self {
        let mut launch = self.clone();
        launch.options.push("--mcp".to_owned());
        launch.options.extend(client.arguments.iter().map(|&word| word.to_owned()));
        if let Some(directory) = data_dir {
            launch.options.push(DATA_DIR.to_owned());
            launch.options.push(directory.to_string_lossy().into_owned());
        }
        launch
    }

    /// All that follows the command.
    pub(super) fn arguments(&self) -> Vec<&String> {
        self.before.iter().chain(&self.options).collect()
    }
}

/// What the entry is to be.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    shape: Shape,
    launch: Launch,
}

impl Entry {
    pub(super) fn new(shape: Shape, launch: Launch) -> Self {
        Self { shape, launch }
    }

    pub(super) fn launch(&self) -> &Launch {
        &self.launch
    }

    /// The entry that there is to be: the user's own settings in the present one stay, the options of the hub among them.
    pub(super) fn over(&self, present: Option<&Value>) -> Value {
        let Some(Value::Object(had)) = present else { return Value::Object(self.written(&self.launch)) };
        let Some(launch) = present.and_then(|present| self.launch_over(present)) else {
            return Value::Object(had.clone());
        };
        let mut merged = had.clone();
        if let Some(Value::Object(command)) = merged.get_mut("command") {
            command.insert("path".to_owned(), json!(launch.command));
            command.insert("args".to_owned(), json!(launch.arguments()));
            return Value::Object(merged);
        }
        let (whole, fixed) = (self.written(&launch), self.fixed());
        merged.retain(|key, _| !LAUNCHING.contains(&key.as_str()) || fixed.contains(&key.as_str()));
        for &key in fixed {
            let Some(wanted) = whole.get(key) else { continue };
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

    /// The options of the present entry that are the user's own.
    pub(super) fn own_options(&self, present: &Value) -> Vec<String> {
        let had = Start::of(present).and_then(|start| args::hub_options(&start.arguments));
        let ours = args::hub_options(&self.launch.options).unwrap_or_default();
        let is_ours = |option: &[String]| {
            let ours = ours.iter().find(|ours| name(ours) == name(option));
            ours.is_some_and(|ours| value(ours) == value(option) || [DATA_DIR, "--mcp"].contains(&name(ours)))
        };
        had.unwrap_or_default().into_iter().filter(|option| !is_ours(option)).flatten().collect()
    }

    /// How the hub is to be started in the place of this entry; none if the entry says which release it starts, in a way that
    /// cannot be written with other options.
    fn launch_over(&self, present: &Value) -> Option<Launch> {
        let mut launch = self.launch.clone();
        let Some(Start { arguments, is_pinned }) = Start::of(present) else { return Some(launch) };
        if is_pinned {
            let words = super::hub::words(present)?;
            let (command, before) = words.strip_suffix(&arguments[..])?.split_first()?;
            (launch.command, launch.before) = (command.clone(), before.to_vec());
        }
        if let Some(mut options) = args::hub_options(&arguments) {
            for ours in args::hub_options(&launch.options)? {
                match options.iter_mut().find(|option| name(option) == name(&ours)) {
                    Some(own) if name(&ours) == DATA_DIR && value(own) != value(&ours) => *own = ours,
                    Some(_) => {}
                    None => options.push(ours),
                }
            }
            launch.options = options.concat();
        }
        Some(launch)
    }

    /// As it is written where there is none.
    fn written(&self, launch: &Launch) -> Map<String, Value> {
        let (command, arguments) = (&launch.command, launch.arguments());
        let one_list = || {
            let words: Vec<&String> = std::iter::once(command).chain(launch.arguments()).collect();
            json!(words)
        };
        let whole = match self.shape {
            Shape::Plain => json!({ "command": command, "args": arguments }),
            Shape::Typed(kind) => json!({ "type": kind, "command": command, "args": arguments }),
            Shape::Transport(kind) => json!({ "transport": kind, "command": command, "args": arguments }),
            Shape::WithinTransport => {
                json!({ "transport": { "type": "stdio", "command": command, "args": arguments } })
            }
            Shape::Copilot => {
                json!({ "type": "local", "command": command, "args": arguments, "tools": ["*"] })
            }
            Shape::OneList => json!({ "type": "local", "command": one_list(), "enabled": true }),
            Shape::Zed => json!({ "source": "custom", "command": command, "args": arguments, "env": {} }),
            Shape::Goose => json!({
                "name": NAME, "description": "Every dev process on this machine", "type": "stdio",
                "cmd": command, "args": arguments, "enabled": true, "timeout": 300,
            }),
            Shape::Item => json!({ "name": NAME, "command": command, "args": arguments }),
        };
        let Value::Object(whole) = whole else { unreachable!("every shape is an object") };
        whole
    }

    /// Its keys that must be so, also where there is an entry already. The others are the user's.
    fn fixed(&self) -> &'static [&'static str] {
        match self.shape {
            Shape::Transport(_) => &["transport", "command", "args"],
            Shape::WithinTransport => &["transport"],
            Shape::OneList => &["command"],
            Shape::Goose => &["cmd", "args"],
            Shape::Plain | Shape::Typed(_) | Shape::Copilot | Shape::Zed | Shape::Item => {
                &["command", "args"]
            }
        }
    }
}

/// What an option is called.
fn name(option: &[String]) -> &str {
    let word = option.first().map_or("", |word| word.split('=').next().unwrap_or(word));
    if word == "mcp" { "--mcp" } else { word }
}

/// Its value, behind a space or an equals sign.
fn value(option: &[String]) -> Option<&str> {
    option.get(1).map(String::as_str).or_else(|| Some(option.first()?.split_once('=')?.1))
}

/// Whether the user has turned the entry off.
pub(super) fn is_off(entry: &Value) -> bool {
    entry["disabled"] == true || entry["enabled"] == false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> Launch {
        let program = Launch::of(Path::new("/x/brummer-hub"), Os::Linux);
        program.for_client(super::super::clients::named("cursor").unwrap(), None)
    }

    #[test]
    fn the_path_is_used_but_for_what_npx_has_cached() {
        let plain = Launch::of(Path::new(r"C:\tools\brummer-hub.exe"), Os::Windows);
        assert_eq!((plain.command.as_str(), plain.arguments().len()), (r"C:\tools\brummer-hub.exe", 0));
        let cached = Path::new("/home/ada/.npm/_npx/1f/node_modules/@brummer-hub/linux-x64/bin/brummer-hub");
        assert_eq!(Launch::of(cached, Os::Linux).before, ["-y", "brummer-hub"]);
        let cached =
            Path::new(r"C:\Users\Ada\AppData\Local\npm-cache\_npx\1f\node_modules\x\brummer-hub.exe");
        let launch = Launch::of(cached, Os::Windows);
        assert_eq!((launch.command.as_str(), launch.before[0].as_str()), ("cmd", "/c"));
    }

    #[test]
    fn what_the_user_has_set_stays() {
        let entry = Entry::new(Shape::Typed("stdio"), launch());
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
        let nested = Entry::new(Shape::WithinTransport, launch());
        let present = json!({ "transport": { "env": {}, "command": "old" }, "command": "brummer-hub" });
        assert_eq!(
            nested.over(Some(&present)),
            json!({ "transport": { "env": {}, "command": "/x/brummer-hub", "type": "stdio", "args": ["--mcp"] } })
        );
    }

    #[test]
    fn an_entry_that_is_merged_twice_stays_as_it_is() {
        for client in super::super::clients::CLIENTS {
            let entry = Entry::new(client.shape, launch());
            let once = entry.over(None);
            assert_eq!(entry.over(Some(&once)), once, "{}", client.id);
            assert!(Start::of(&once).is_some(), "{}", client.id);
        }
    }

    #[test]
    fn the_users_own_options_stay_and_what_is_needed_is_added() {
        let program = Launch::of(Path::new("/x/brummer-hub"), Os::Linux);
        let codex = super::super::clients::named("codex").unwrap();
        let plain = Entry::new(Shape::Plain, program.for_client(codex, None));
        let told = Entry::new(Shape::Plain, program.for_client(codex, Some(Path::new("/d"))));
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (entry, present, becomes, own) in [
            (&plain, "brummer-hub --mcp --tools all", "/x/brummer-hub --mcp --tools all", ""),
            (&plain, "brummer-hub", "/x/brummer-hub --mcp --tools all", ""),
            (&plain, "/old/brummer-hub mcp --tools=hub", "/x/brummer-hub mcp --tools=hub", "--tools=hub"),
            (
                &plain,
                "npx -y brummer-hub --log-level debug --log-file /l --mcp",
                "/x/brummer-hub --log-level debug --log-file /l --mcp --tools all",
                "--log-level debug --log-file /l",
            ),
            (
                &plain,
                "hub --mcp --data-dir /e",
                "/x/brummer-hub --mcp --data-dir /e --tools all",
                "--data-dir /e",
            ),
            (&told, "hub --mcp --data-dir /e", "/x/brummer-hub --mcp --data-dir /d --tools all", ""),
            (&told, "hub --mcp --data-dir=/d", "/x/brummer-hub --mcp --data-dir=/d --tools all", ""),
            // A release that the user has chosen.
            (
                &told,
                "npx -y brummer-hub@0.1.0 --mcp --only label=x",
                "npx -y brummer-hub@0.1.0 --mcp --only label=x --tools all --data-dir /d",
                "--only label=x",
            ),
            // What the hub does not know would keep it from starting.
            (&plain, "brummer-hub --mcp --bogus", "/x/brummer-hub --mcp --tools all", ""),
        ] {
            let mut list = words(present);
            let had = json!({ "command": list.remove(0), "args": list, "env": { "A": "b" } });
            let merged = entry.over(Some(&had));
            let mut list = words(becomes);
            assert_eq!(
                merged,
                json!({ "command": list.remove(0), "args": list, "env": { "A": "b" } }),
                "{present}"
            );
            assert_eq!(entry.own_options(&had).join(" "), own, "{present}");
            assert_eq!(entry.over(Some(&merged)), merged, "{present}");
        }
        // It cannot be said in other words.
        let line = json!({ "command": "sh", "args": ["-c", "exec npx -y brummer-hub@0.1.0 --mcp -v"] });
        assert_eq!((told.over(Some(&line)), told.own_options(&line)), (line, vec!["-v".to_owned()]));
    }

    #[test]
    fn a_command_that_is_an_object_stays_one() {
        let entry = Entry::new(Shape::Zed, launch());
        let present = json!({ "command": { "path": "npx", "args": ["brummer-hub", "--mcp", "-v"], "env": { "A": "b" } }, "settings": {} });
        let merged = json!({ "command": { "path": "/x/brummer-hub", "args": ["--mcp", "-v"], "env": { "A": "b" } }, "settings": {} });
        assert_eq!(entry.over(Some(&present)), merged);
        assert_eq!(entry.over(Some(&merged)), merged);
    }
}
