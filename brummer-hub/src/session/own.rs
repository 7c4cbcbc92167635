//! What the hub has of its own beside what instances have: its tools, and the resource that shows the instances.

use std::{borrow::Cow, sync::LazyLock};

use serde_json::value::RawValue;

use super::list_kind::ListKind;

/// The resource that shows the instances.
pub(super) const INSTANCES_URI: &str = "brummer://instances";

const INSTANCES_RESOURCE: &str = r#"{"uri":"brummer://instances","name":"instances","title":"Running instances","description":"Every dev server and process manager that the hub has found, with its state. Can be subscribed to.","mimeType":"application/json"}"#;

/// The hub's own items of a list: JSON texts, separated by commas. A client without a handshake is not shown the tools that
/// mean nothing to it.
pub(super) fn items(kind: ListKind, is_modern: bool) -> Cow<'static, str> {
    match kind {
        ListKind::Tools => definitions(is_modern),
        ListKind::Resources => INSTANCES_RESOURCE.into(),
        ListKind::Prompts | ListKind::Templates | ListKind::Skills | ListKind::Tasks => "".into(),
    }
}

/// One of the hub's tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tool {
    List,
    Connect,
    Disconnect,
    Health,
    Tools,
    Call,
}

impl Tool {
    pub(super) const ALL: [Self; 6] =
        [Self::List, Self::Connect, Self::Disconnect, Self::Health, Self::Tools, Self::Call];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::List => "instances_list",
            Self::Connect => "instances_connect",
            Self::Disconnect => "instances_disconnect",
            Self::Health => "instances_health",
            Self::Tools => "instances_tools",
            Self::Call => "instances_call",
        }
    }

    /// Whether it is about the connection of a session, which clients without a handshake do not have.
    const fn connects(self) -> bool {
        matches!(self, Self::Connect | Self::Disconnect)
    }

    /// The tool of this name, also when it is spelt with a slash (`instances/list`).
    pub(crate) fn named(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("instances")?.strip_prefix(['_', '/'])?;
        Self::ALL.into_iter().find(|tool| &tool.name()["instances_".len()..] == rest)
    }
}

/// The definitions of the tools.
fn definitions(is_modern: bool) -> Cow<'static, str> {
    const ARRAY: &str = include_str!("tools/definitions.json");
    static MODERN: LazyLock<String> = LazyLock::new(|| {
        let all: Vec<&RawValue> = serde_json::from_str(ARRAY).expect("the tests read it");
        let shown = Tool::ALL.iter().zip(all).filter(|(tool, _)| !tool.connects());
        shown.map(|(_, text)| text.get()).collect::<Vec<_>>().join(",")
    });
    if is_modern {
        return MODERN.as_str().into();
    }
    let array = ARRAY.trim_end();
    array[1..array.len() - 1].into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn slashes_are_an_alias() {
        assert_eq!(Tool::named("instances_list"), Some(Tool::List));
        assert_eq!(Tool::named("instances/connect"), Some(Tool::Connect));
        for other in ["instances", "instances.list", "instances_", "list", "instances_lists"] {
            assert_eq!(Tool::named(other), None, "{other}");
        }
    }

    #[test]
    fn every_tool_is_defined_once() {
        let read = |is_modern| -> Vec<Value> {
            serde_json::from_str(&format!("[{}]", definitions(is_modern))).unwrap()
        };
        let definitions = read(false);
        let names: Vec<_> = definitions.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, Tool::ALL.map(Tool::name));
        for tool in &definitions {
            assert_eq!(tool["inputSchema"]["type"], "object");
            assert_eq!(tool["outputSchema"]["type"] == "object", tool["name"] != "instances_call");
            assert!(tool["description"].as_str().unwrap().len() > 20);
        }
        let shown: Vec<_> = read(true).iter().map(|tool| tool["name"].clone()).collect();
        assert_eq!(shown, ["instances_list", "instances_health", "instances_tools", "instances_call"]);
    }

    /// Most that the six may take in names, descriptions and input schemas.
    const MAX_COST: usize = 3 * 1024;

    #[test]
    fn own_tools_cost_little_and_are_not_deferred() {
        let tools: Vec<Value> = serde_json::from_str(&format!("[{}]", definitions(false))).unwrap();
        let cost = |tool: &Value| {
            let text = |member: &str| tool[member].as_str().unwrap().len();
            text("name") + text("description") + tool["inputSchema"].to_string().len()
        };
        let costs: Vec<_> = tools.iter().map(|tool| (tool["name"].as_str().unwrap(), cost(tool))).collect();
        let whole: usize = costs.iter().map(|(_, cost)| cost).sum();
        println!("{costs:?}: {whole} bytes of {MAX_COST}");
        assert!(whole <= MAX_COST);
        for tool in &tools {
            assert_eq!(tool["_meta"]["anthropic/alwaysLoad"], true, "{tool}");
            assert!(tool["_meta"]["anthropic/searchHint"].is_string(), "{tool}");
            assert!(!tool.to_string().contains("\"format\""), "{tool}");
        }
    }
}
