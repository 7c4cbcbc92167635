//! What a stdio server offers, as it said in its last life: so that clients can be answered before it runs.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::Sharing;
use crate::{
    discovery::{create_private, create_private_file, open_regular},
    frame::Object,
    protocol::{method, program},
};

/// A file that is larger is not read, and not written: a server with thousands of tools has some megabytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Marks what was said in an earlier life, in `_meta` of a list.
pub(super) const STALE: &str = "brummer-hub/stale";

/// One of the lists of MCP.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum OfferedList {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl OfferedList {
    pub(super) const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    pub(super) fn of_method(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.method() == method)
    }

    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Tools => method::TOOLS_LIST,
            Self::Prompts => method::PROMPTS_LIST,
            Self::Resources => method::RESOURCES_LIST,
            Self::Templates => method::RESOURCES_TEMPLATES_LIST,
        }
    }

    /// How a change of it is told.
    pub(super) const fn changed(self) -> &'static str {
        match self {
            Self::Tools => method::TOOLS_LIST_CHANGED,
            Self::Prompts => method::PROMPTS_LIST_CHANGED,
            Self::Resources | Self::Templates => method::RESOURCES_LIST_CHANGED,
        }
    }

    /// The member of a result that has the items.
    const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The capability that a server with such a list declares.
    const fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        }
    }

    /// The items of a page, without brackets (`None`: there are none), and the cursor of the next page as JSON text.
    pub(super) fn page(self, result: &str) -> Option<(Option<String>, Option<String>)> {
        let object = Object::read(result)?;
        let items = object.get(self.member())?.strip_prefix('[')?.strip_suffix(']')?.trim();
        let cursor = object.get("nextCursor").filter(|cursor| cursor.starts_with('"'));
        Some((Some(items.to_owned()).filter(|items| !items.is_empty()), cursor.map(str::to_owned)))
    }
}

/// What a server said of itself. Texts are as the server wrote them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Inventory {
    /// The result of `initialize`.
    welcome: String,
    /// The capabilities in it.
    capabilities: Value,
    /// The items of each list, separated by commas.
    lists: BTreeMap<OfferedList, String>,
}

impl Inventory {
    /// Of a server that answered `initialize` with this result; `None` when no client could make anything of it.
    pub(super) fn new(welcome: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Welcome {
            #[serde(rename = "protocolVersion")]
            _version: String,
            #[serde(default)]
            capabilities: Value,
        }
        let read: Welcome = serde_json::from_str(welcome).ok()?;
        Some(Self { welcome: welcome.to_owned(), capabilities: read.capabilities, lists: BTreeMap::new() })
    }

    /// The same server in its next life; its lists are those of the former one until they are asked for.
    pub(super) fn renewed(&self, welcome: &str) -> Option<Self> {
        Some(Self { lists: self.lists.clone(), ..Self::new(welcome)? })
    }

    /// Whether the server declares a capability.
    pub(super) fn has(&self, capability: &str) -> bool {
        self.capabilities.get(capability).is_some_and(|value| !value.is_null())
    }

    /// Whether the server has such a list.
    pub(super) fn declares(&self, list: OfferedList) -> bool {
        self.has(list.capability())
    }

    /// The result of `initialize` for a client. Changes of lists are always told, since lists of an earlier life may
    /// turn out to be old; tasks of one client are nobody else's.
    pub(super) fn welcome(&self, sharing: Sharing) -> String {
        let Ok(mut welcome) = serde_json::from_str::<Value>(&self.welcome) else {
            return self.welcome.clone();
        };
        if let Some(capabilities) = welcome.get_mut("capabilities").and_then(Value::as_object_mut) {
            for name in ["tools", "prompts", "resources"] {
                if let Some(capability) = capabilities.get_mut(name).and_then(Value::as_object_mut) {
                    capability.insert("listChanged".to_owned(), true.into());
                }
            }
            let experimental = capabilities.entry("experimental").or_insert_with(|| json!({}));
            if let Some(experimental) = experimental.as_object_mut() {
                experimental.insert(program::CAPABILITY.to_owned(), json!({}));
            }
            if sharing == Sharing::Shared {
                capabilities.shift_remove("tasks");
            }
        }
        welcome.to_string()
    }

    /// A list of an earlier life, marked as such; `None` when it is not known.
    pub(super) fn stale(&self, list: OfferedList) -> Option<String> {
        let items = self.lists.get(&list)?;
        Some(format!(r#"{{"{}":[{items}],"_meta":{{"{STALE}":true}}}}"#, list.member()))
    }

    /// Takes in a whole list. `None`: it is as it was; else what it was.
    pub(super) fn replace(&mut self, list: OfferedList, items: &str) -> Option<Option<String>> {
        if self.lists.get(&list).is_some_and(|former| former == items) {
            return None;
        }
        Some(self.lists.insert(list, items.to_owned()))
    }

    /// Names of the tools, for people.
    pub(super) fn tools(&self) -> usize {
        #[derive(Deserialize)]
        struct Item {}
        let items = self.lists.get(&OfferedList::Tools).map_or("", String::as_str);
        serde_json::from_str::<Vec<Item>>(&format!("[{items}]")).map_or(0, |items| items.len())
    }

    fn to_json(&self) -> Option<String> {
        let lists: serde_json::Map<String, Value> = self
            .lists
            .iter()
            .map(|(list, items)| (list.member().to_owned(), Value::from(items.as_str())))
            .collect();
        serde_json::to_string(&json!({ "initialize": self.welcome, "lists": lists })).ok()
    }

    fn from_json(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Kept {
            initialize: String,
            #[serde(default)]
            lists: BTreeMap<String, String>,
        }
        let kept: Kept = serde_json::from_str(text).ok()?;
        let mut inventory = Self::new(&kept.initialize)?;
        for list in OfferedList::ALL {
            let Some(items) = kept.lists.get(list.member()) else { continue };
            // What cannot be a list is asked for again instead of being handed to clients.
            serde_json::from_str::<Vec<&RawValue>>(&format!("[{items}]")).ok()?;
            inventory.lists.insert(list, items.clone());
        }
        Some(inventory)
    }

    /// What was kept in a file; nothing when it is not there or not ours. Blocking.
    pub(super) fn load(file: &Path) -> Option<Self> {
        let mut text = String::new();
        open_regular(file).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        Self::from_json(&text)
    }

    /// Keeps it in a file that only this user can read. Blocking.
    pub(super) fn save(&self, file: &Path) -> io::Result<()> {
        let text = self.to_json().unwrap_or_default();
        if text.is_empty() || text.len() as u64 > MAX_BYTES {
            return Err(io::Error::other("it is too large"));
        }
        let directory = file.parent().ok_or_else(|| io::Error::other("it has no directory"))?;
        create_private(directory)?;
        let mut draft = PathBuf::from(file);
        draft.set_extension(format!("{:016x}.tmp", fastrand::u64(..)));
        let written = create_private_file(&draft).and_then(|mut file| file.write_all(text.as_bytes()));
        let placed = written.and_then(|()| fs::rename(&draft, file));
        if placed.is_err() {
            // Nothing more can be done about a draft that cannot be removed.
            let _ = fs::remove_file(&draft);
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELCOME: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"tasks":{}},"serverInfo":{"name":"x"}}"#;

    #[test]
    fn what_is_kept_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("inventory").join("x.json");
        let mut inventory = Inventory::new(WELCOME).unwrap();
        assert_eq!(inventory.replace(OfferedList::Tools, r#"{"name":"a"},{"name":"b"}"#), Some(None));
        assert_eq!(inventory.replace(OfferedList::Tools, r#"{"name":"a"},{"name":"b"}"#), None);
        inventory.save(&file).unwrap();
        let read = Inventory::load(&file).unwrap();
        assert_eq!((&read, read.tools()), (&inventory, 2));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for bad in ["", "{}", r#"{"initialize":"{}"}"#] {
            fs::write(&file, bad).unwrap();
            assert_eq!(Inventory::load(&file), None, "{bad}");
        }
        let bad = json!({"initialize": WELCOME, "lists": {"tools": "{\"name\":"}});
        fs::write(&file, bad.to_string()).unwrap();
        assert_eq!(Inventory::load(&file), None);
    }

    #[test]
    fn clients_are_told_of_changes_and_of_no_tasks_that_they_would_share() {
        let inventory = Inventory::new(WELCOME).unwrap();
        let shared: Value = serde_json::from_str(&inventory.welcome(Sharing::Shared)).unwrap();
        let told = json!({"brummer-hub/program": {}});
        assert_eq!(shared["capabilities"], json!({"tools": {"listChanged": true}, "experimental": told}));
        let own: Value = serde_json::from_str(&inventory.welcome(Sharing::PerSession)).unwrap();
        assert_eq!(own["capabilities"]["tasks"], json!({}));
        assert_eq!(own["serverInfo"]["name"], "x");
    }

    #[test]
    fn pages_are_read() {
        assert_eq!(OfferedList::Tools.page(r#"{"tools":[ ]}"#), Some((None, None)));
        assert_eq!(
            OfferedList::Tools.page(r#"{"tools":[{"name":"a"}],"nextCursor":"2"}"#),
            Some((Some(r#"{"name":"a"}"#.to_owned()), Some("\"2\"".to_owned())))
        );
        assert_eq!(OfferedList::Tools.page(r#"{"prompts":[]}"#), None);
    }
}
