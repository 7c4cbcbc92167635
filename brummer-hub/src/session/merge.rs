//! The lists of all active instances as one ([`ToolsMode::All`](super::ToolsMode)), and the way back from a listed
//! name or URI to its instance.
//!
//! The order is fixed: the hub's own items, then by alias, then the instance's order. Tools and prompts are prefixed
//! always; URIs are left alone while each has one owner, and only the later ones of a collision become
//! `brummer+<alias>:<uri>`, because text that mentions a URI cannot be rewritten.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    client::Caller,
    jobs::{Done, Then},
    lists::{ListKind, key_of, page},
    modern::without,
    names::{Names, Owner},
    task::SessionTask,
};
use crate::{
    frame::{Edit, Frame, splice},
    instance::Instance,
};

/// What was listed last.
#[derive(Debug, Default)]
pub(super) struct Merged {
    tools: Option<Names>,
    prompts: Option<Names>,
    resources: Option<Uris>,
    templates: Option<Uris>,
}

/// Listed URIs or URI templates, and whose they are.
#[derive(Debug, Default)]
struct Uris {
    owners: Vec<(Box<str>, Owner)>,
    index: HashMap<Box<str>, usize>,
}

impl Uris {
    fn add(&mut self, alias: &str, original: &str) -> String {
        let owner = Owner { alias: alias.into(), original: original.into() };
        let listed = match self.index.get(original) {
            Some(at) if self.owners[*at].1.alias != owner.alias => format!("brummer+{alias}:{original}"),
            _ => original.to_owned(),
        };
        self.index.insert(listed.as_str().into(), self.owners.len());
        self.owners.push((listed.clone().into(), owner));
        listed
    }

    fn exact(&self, listed: &str) -> Option<&Owner> {
        self.index.get(listed).map(|at| &self.owners[*at].1)
    }

    /// How a URI of this instance is listed, when that differs.
    fn renamed(&self, alias: &str, original: &str) -> Option<&str> {
        let listed =
            self.owners.iter().find(|(_, owner)| *owner.alias == *alias && *owner.original == *original)?;
        (*listed.0 != *original).then_some(&*listed.0)
    }
}

impl Merged {
    /// Whether this list has been made at all.
    pub(super) fn knows(&self, kind: ListKind) -> bool {
        match kind {
            ListKind::Tools => self.tools.is_some(),
            ListKind::Prompts => self.prompts.is_some(),
            ListKind::Resources => self.resources.is_some(),
            ListKind::Templates => self.templates.is_some(),
            ListKind::Tasks => true,
        }
    }

    /// Whose tool or prompt is listed under this name.
    pub(super) fn named(&self, kind: ListKind, listed: &str) -> Option<Owner> {
        let names = if kind == ListKind::Tools { &self.tools } else { &self.prompts };
        names.as_ref()?.owner(listed).cloned()
    }

    /// Whose resource this URI is: by exact URI, then by template.
    pub(super) fn located(&self, uri: &str) -> Option<Owner> {
        if let Some(owner) = self.resources.as_ref().and_then(|uris| uris.exact(uri)) {
            return Some(owner.clone());
        }
        let templates = self.templates.as_ref()?;
        if let Some(owner) = templates.exact(uri) {
            return Some(owner.clone());
        }
        templates.owners.iter().find(|(template, _)| template_matches(template, uri)).map(
            |(listed, owner)| {
                // The prefix of a renamed template is also on the URIs made from it.
                let prefix = listed.len() - owner.original.len();
                Owner { alias: owner.alias.clone(), original: uri[prefix..].into() }
            },
        )
    }

    /// How a URI of this instance is listed, when that differs from what the instance calls it.
    pub(super) fn renamed(&self, alias: &str, original: &str) -> Option<&str> {
        self.resources.as_ref()?.renamed(alias, original)
    }

    /// The edits that make a result name its resources as they are listed: read contents, links and embedded
    /// resources in tool results and prompts.
    pub(super) fn uri_edits(&self, frame: &Frame, alias: &str) -> Vec<Edit> {
        let Some(resources) = &self.resources else { return Vec::new() };
        if !resources.owners.iter().any(|(listed, owner)| *owner.alias == *alias && *listed != owner.original)
        {
            return Vec::new();
        }
        let mut edits: Vec<_> = uris_in(frame)
            .into_iter()
            .filter_map(|raw| {
                let uri: String = serde_json::from_str(raw).ok()?;
                let listed = resources.renamed(alias, &uri)?;
                Some((frame.span_of(raw), serde_json::Value::from(listed).to_string()))
            })
            .collect();
        edits.sort_by_key(|(span, _)| span.start);
        edits
    }
}

/// Every place of a result that names a resource by `uri`.
fn uris_in(frame: &Frame) -> Vec<&str> {
    #[derive(Deserialize)]
    struct Result<'a> {
        #[serde(borrow, default)]
        contents: Vec<Item<'a>>,
        #[serde(borrow, default)]
        content: Vec<Item<'a>>,
        #[serde(borrow, default)]
        messages: Vec<Message<'a>>,
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        content: Option<Item<'a>>,
    }
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow, default)]
        uri: Option<&'a RawValue>,
        #[serde(borrow, default)]
        resource: Option<Inner<'a>>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow, default)]
        uri: Option<&'a RawValue>,
    }
    let Some(found) = frame.peek_result::<Result<'_>>() else { return Vec::new() };
    let items = found.contents.into_iter().chain(found.content);
    let items = items.chain(found.messages.into_iter().filter_map(|message| message.content));
    items
        .flat_map(|item| [item.uri, item.resource.and_then(|resource| resource.uri)])
        .flatten()
        .map(RawValue::get)
        .collect()
}

/// Whether a URI can come from a template (RFC 6570): its literal parts in order, something for each expression.
fn template_matches(template: &str, uri: &str) -> bool {
    if !template.contains('{') {
        return uri == template;
    }
    let mut parts = template.split('{').peekable();
    let Some(mut rest) = parts.next().and_then(|start| uri.strip_prefix(start)) else { return false };
    while let Some(part) = parts.next() {
        let Some((_, literal)) = part.split_once('}') else { return false };
        if parts.peek().is_none() {
            return rest.len() > literal.len() && rest.ends_with(literal);
        }
        // An expression stands for at least one character.
        let Some((first, _)) = rest.char_indices().nth(1) else { return false };
        let Some(at) = rest[first..].find(literal) else { return false };
        rest = &rest[first + at + literal.len()..];
    }
    true
}

impl SessionTask {
    /// The lists of all active instances are there: make one of them.
    pub(super) fn on_lists(&mut self, kind: ListKind, lists: &[(Instance, Vec<Frame>)], then: Then) {
        let (Then::Show(to) | Then::Resolve(_, to)) = &then;
        let caller = to.caller();
        let items = self.merge(kind, lists, caller);
        self.catch_up(kind, lists, caller);
        match then {
            Then::Show(to) => {
                let own = kind.own_items();
                let separator = if own.is_empty() || items.is_empty() { "" } else { "," };
                self.answer_result(&to, &kind.result(&format!("{own}{separator}{}", items.join(","))));
            }
            Then::Resolve(frame, to) => self.route_resolved(&frame, &to),
        }
    }

    /// Waits for the lists that came too late, so that the client can be told when they are there.
    fn catch_up(&mut self, kind: ListKind, lists: &[(Instance, Vec<Frame>)], caller: Caller) {
        for (instance, _) in lists.iter().filter(|(_, pages)| pages.is_empty()) {
            let (asking, instance) = (self.asking(caller), instance.clone());
            self.start_task(async move {
                match asking.list(&instance, kind).await {
                    Ok(_) => Done::ListsChanged(kind, caller),
                    Err(_) => Done::Nothing,
                }
            });
        }
    }

    fn merge(&mut self, kind: ListKind, lists: &[(Instance, Vec<Frame>)], caller: Caller) -> Vec<String> {
        let mut names = Names::default();
        let mut uris = Uris::default();
        let budget = self.config.name_budget.max(super::SessionConfig::MIN_NAME_BUDGET);
        let member = match kind {
            ListKind::Tools | ListKind::Prompts => "name",
            ListKind::Resources => "uri",
            ListKind::Templates => "uriTemplate",
            ListKind::Tasks => "taskId",
        };
        let mut items = Vec::new();
        for (instance, frames) in lists {
            let pages = frames.iter().filter_map(|frame| page(frame, kind));
            for item in pages.flat_map(|page| page.items) {
                let Some((raw, key)) = key_of(item, member) else { continue };
                let listed = match kind {
                    ListKind::Tools | ListKind::Prompts => names.add(&instance.alias, &key, budget),
                    ListKind::Resources | ListKind::Templates => Some(uris.add(&instance.alias, &key)),
                    ListKind::Tasks => {
                        self.tasks.learn(&key, &instance.alias);
                        Some(key)
                    }
                };
                let Some(listed) = listed else { continue };
                let text = item.get();
                let start = raw.as_ptr() as usize - text.as_ptr() as usize;
                let listed = serde_json::Value::from(listed).to_string();
                let item = splice(text.as_bytes(), [(start..start + raw.len(), listed.into())]);
                let item =
                    String::from_utf8(item.into()).expect("JSON text with a JSON string put in is UTF-8");
                // Tasks of 2025-11-25 are not for clients without a handshake, which would take the hint for theirs.
                let foreign = kind == ListKind::Tools
                    && caller != Caller::Greeted
                    && !self.speaks_modern(instance, caller);
                items.push(if foreign { without(&item, &["execution"]) } else { item });
            }
        }
        match kind {
            ListKind::Tools => self.merged.tools = Some(names),
            ListKind::Prompts => self.merged.prompts = Some(names),
            ListKind::Resources => self.merged.resources = Some(uris),
            ListKind::Templates => self.merged.templates = Some(uris),
            ListKind::Tasks => {}
        }
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_left_alone_until_they_collide() {
        let mut uris = Uris::default();
        assert_eq!(uris.add("api", "file:///a"), "file:///a");
        assert_eq!(uris.add("web", "file:///a"), "brummer+web:file:///a");
        assert_eq!(uris.add("web", "file:///b"), "file:///b");
        assert_eq!(*uris.exact("brummer+web:file:///a").unwrap().original, *"file:///a");
        assert_eq!(uris.renamed("web", "file:///a"), Some("brummer+web:file:///a"));
        assert_eq!(uris.renamed("api", "file:///a"), None);
    }

    #[test]
    fn templates_match_what_they_can_make() {
        for (template, uri, fits) in [
            ("a://{x}", "a://1", true),
            ("a://{x}", "a://", false),
            ("a://{x}/b", "a://1/b", true),
            ("a://{x}/{y}.txt", "a://1/2.txt", true),
            ("a://{x}/{y}.txt", "a://1/.txt", false),
            ("a://{x}/{y}.txt", "b://1/2.txt", false),
            ("a://b", "a://b", true),
            ("a://b", "a://bc", false),
            ("a://{x", "a://1", false),
        ] {
            assert_eq!(template_matches(template, uri), fits, "{template} {uri}");
        }
    }

    #[test]
    fn resources_are_found_wherever_a_result_names_them() {
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a"},{"type":"resource_link","uri":"u:1"},{"type":"resource","resource":{"uri":"u:2","text":""}}],"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"u:3"}}}]}}"#;
        let frame = Frame::parse(text).unwrap();
        assert_eq!(uris_in(&frame), ["\"u:1\"", "\"u:2\"", "\"u:3\""]);
    }
}
