//! The four lists of MCP, and how the hub's own items get into the list of one instance.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::hub_tools;
use crate::{
    frame::{Edit, Frame},
    protocol::method,
};

/// Which list.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum ListKind {
    Tools,
    Prompts,
    Resources,
    Templates,
    /// Tasks of 2025-11-25, where a list of them is part of the revision.
    Tasks,
}

/// The resource that shows the instances.
pub(super) const INSTANCES_URI: &str = "brummer://instances";

const INSTANCES_RESOURCE: &str = r#"{"uri":"brummer://instances","name":"instances","title":"Running instances","description":"Every dev server and process manager that the hub has found, with its state. Can be subscribed to.","mimeType":"application/json"}"#;

impl ListKind {
    pub(super) fn of_method(name: &str) -> Option<Self> {
        match name {
            method::TOOLS_LIST => Some(Self::Tools),
            method::PROMPTS_LIST => Some(Self::Prompts),
            method::RESOURCES_LIST => Some(Self::Resources),
            method::RESOURCES_TEMPLATES_LIST => Some(Self::Templates),
            method::TASKS_LIST => Some(Self::Tasks),
            _ => None,
        }
    }

    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Tools => method::TOOLS_LIST,
            Self::Prompts => method::PROMPTS_LIST,
            Self::Resources => method::RESOURCES_LIST,
            Self::Templates => method::RESOURCES_TEMPLATES_LIST,
            Self::Tasks => method::TASKS_LIST,
        }
    }

    /// The notification that tells that it has changed. Templates have none of their own, and tasks none at all.
    pub(super) fn changed(self) -> &'static str {
        match self {
            Self::Tools => method::TOOLS_LIST_CHANGED,
            Self::Prompts => method::PROMPTS_LIST_CHANGED,
            Self::Resources | Self::Templates | Self::Tasks => method::RESOURCES_LIST_CHANGED,
        }
    }

    /// The member of the result that holds the items.
    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Tasks => "tasks",
        }
    }

    /// The hub's own items: JSON texts, separated by commas.
    pub(super) fn own_items(self) -> &'static str {
        match self {
            Self::Tools => hub_tools::definitions(),
            Self::Resources => INSTANCES_RESOURCE,
            Self::Prompts | Self::Templates | Self::Tasks => "",
        }
    }

    /// A whole result with these items (JSON texts, separated by commas).
    pub(super) fn result(self, items: &str) -> String {
        format!(r#"{{"{}":[{items}]}}"#, self.member())
    }
}

/// The notifications that tell a client that its lists have changed.
pub(super) const LISTS_CHANGED: [&str; 3] =
    [method::TOOLS_LIST_CHANGED, method::PROMPTS_LIST_CHANGED, method::RESOURCES_LIST_CHANGED];

/// One page of a list as an instance sent it.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// The array of items, as JSON text.
    pub(super) array: &'a str,
    pub(super) items: Vec<&'a RawValue>,
    /// Present unless this is the last page; an empty string is a cursor too (pagination § Guidelines).
    pub(super) next_cursor: Option<Cow<'a, str>>,
}

/// Reads a page; `None` when the frame is no result with such a list.
pub(super) fn page(frame: &Frame, kind: ListKind) -> Option<Page<'_>> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow, default)]
        tools: Option<&'a RawValue>,
        #[serde(borrow, default)]
        prompts: Option<&'a RawValue>,
        #[serde(borrow, default)]
        resources: Option<&'a RawValue>,
        #[serde(borrow, default, rename = "resourceTemplates")]
        templates: Option<&'a RawValue>,
        #[serde(borrow, default)]
        tasks: Option<&'a RawValue>,
        #[serde(borrow, default, rename = "nextCursor")]
        next_cursor: Option<Cow<'a, str>>,
    }
    let fields: Fields<'_> = frame.peek_result()?;
    let array = match kind {
        ListKind::Tools => fields.tools,
        ListKind::Prompts => fields.prompts,
        ListKind::Resources => fields.resources,
        ListKind::Templates => fields.templates,
        ListKind::Tasks => fields.tasks,
    }?
    .get();
    let items = serde_json::from_str(array).ok()?;
    Some(Page { array, items, next_cursor: fields.next_cursor })
}

/// The member of an item that names it, as JSON text and as what it means.
pub(super) fn key_of<'a>(item: &'a RawValue, member: &str) -> Option<(&'a str, String)> {
    #[derive(Deserialize)]
    struct Keys<'a> {
        #[serde(borrow, default)]
        name: Option<&'a RawValue>,
        #[serde(borrow, default)]
        uri: Option<&'a RawValue>,
        #[serde(borrow, default, rename = "uriTemplate")]
        template: Option<&'a RawValue>,
        #[serde(borrow, default, rename = "taskId")]
        task: Option<&'a RawValue>,
    }
    let keys: Keys<'a> = serde_json::from_str(item.get()).ok()?;
    let raw = match member {
        "name" => keys.name,
        "uri" => keys.uri,
        "taskId" => keys.task,
        _ => keys.template,
    }?
    .get();
    Some((raw, serde_json::from_str(raw).ok()?))
}

/// The edits that put the hub's own items in front of the first page of an instance, and rename what would clash.
pub(super) fn first_page_edits(frame: &Frame, kind: ListKind, alias: &str) -> Option<Vec<Edit>> {
    let page = page(frame, kind)?;
    let start = frame.span_of(page.array).start + 1;
    let own = kind.own_items();
    let separator = if own.is_empty() || page.items.is_empty() { "" } else { "," };
    let mut edits = vec![(start..start, format!("{own}{separator}"))];
    edits.extend(clash_edits(frame, &page, kind, alias));
    Some(edits)
}

/// The edits for any page: a tool with the name of one of the hub's own is listed as `<alias>__<name>`.
pub(super) fn clash_edits(frame: &Frame, page: &Page<'_>, kind: ListKind, alias: &str) -> Vec<Edit> {
    if kind != ListKind::Tools {
        return Vec::new();
    }
    page.items
        .iter()
        .filter_map(|item| key_of(item, "name"))
        .filter(|(_, name)| hub_tools::Tool::named(name).is_some())
        .map(|(raw, name)| (frame.span_of(raw), format!("\"{}\"", clash_name(alias, &name))))
        .collect()
}

/// How a tool is listed that has the name of one of the hub's own.
pub(super) fn clash_name(alias: &str, name: &str) -> String {
    format!("{alias}__{}", name.replace('/', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::splice;

    fn edited(result: &str) -> serde_json::Value {
        let frame = Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)).unwrap();
        let edits = first_page_edits(&frame, ListKind::Tools, "web").unwrap();
        let text = splice(frame.bytes(), edits.into_iter().map(|(span, with)| (span, with.into())));
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()["result"].clone()
    }

    #[test]
    fn own_tools_come_first_and_clashes_are_renamed() {
        let result =
            edited(r#"{"nextCursor":"","tools":[{"name":"a"},{"name":"instances_list","x":1.0}],"y":2}"#);
        let names: Vec<_> =
            result["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names[0], "instances_list");
        assert_eq!(names[names.len() - 2..], ["a", "web__instances_list"]);
        assert_eq!((&result["nextCursor"], &result["y"]), (&"".into(), &2.into()));
        assert_eq!(edited(r#"{"tools":[ ]}"#)["tools"].as_array().unwrap().len(), 6);
    }
}
