//! URIs and URI templates of several instances in one list, and the way back.
//!
//! They are left alone while each has one owner; only the later ones of a collision become `brummer+<alias>:<uri>`,
//! because text that mentions a URI cannot be rewritten.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::frame::{Frame, Object};

/// How a URI that an instance before this one lists as well is listed.
pub(super) fn prefixed(alias: &str, original: &str) -> String {
    format!("brummer+{alias}:{original}")
}

/// The alias in a [`prefixed`] URI, and the URI as the instance knows it.
pub(in crate::session) fn unprefixed(listed: &str) -> Option<(&str, &str)> {
    listed.strip_prefix("brummer+")?.split_once(':')
}

/// Whether a URI is that of a skill (which is named by its `SKILL.md`), of its directory, or of something within. A skill has a
/// directory of its own: one at the root of a scheme would be all that others have there.
pub(super) fn is_within(skill: &str, uri: &str) -> bool {
    let has_name =
        |root: &&str| root.split_once(':').is_some_and(|(_, path)| !path.trim_matches('/').is_empty());
    let root = skill.strip_suffix("/SKILL.md").filter(has_name);
    root.and_then(|root| uri.strip_prefix(root)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A skill (JSON text) whose files are called with this in front of their URIs, as it is itself.
pub(in crate::session) fn with_files(skill: &str, prefix: &str) -> String {
    let files = Object::read(skill).and_then(|skill| skill.get("resources"));
    let files =
        files.and_then(|files| serde_json::from_str::<Vec<&RawValue>>(files).ok()).unwrap_or_default();
    let uris = files.into_iter().filter_map(|file| Object::read(file.get())?.get("uri"));
    let mut told = skill.to_owned();
    // From the end, so that what stands before keeps its place.
    for uri in uris.filter(|uri| uri.starts_with('"')).collect::<Vec<_>>().into_iter().rev() {
        told.insert_str(uri.as_ptr() as usize - skill.as_ptr() as usize + 1, prefix);
    }
    told
}

/// Whether a URI can come from a template (RFC 6570): its literal parts in order, something for each expression.
pub(super) fn matches(template: &str, uri: &str) -> bool {
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

/// Every place of a result that names a resource by `uri`, as JSON text: read contents, links and embedded resources in
/// tool results and prompts, a skill and its files, what is in a directory. What is odd about one item hides no other.
pub(in crate::session) fn uris_in(frame: &Frame) -> Vec<&str> {
    #[derive(Deserialize)]
    struct Result<'a> {
        #[serde(borrow, default)]
        contents: Option<&'a RawValue>,
        #[serde(borrow, default)]
        content: Option<&'a RawValue>,
        #[serde(borrow, default)]
        messages: Option<&'a RawValue>,
        #[serde(borrow, default)]
        resources: Option<&'a RawValue>,
        #[serde(borrow, default)]
        skill: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Skill<'a> {
        #[serde(borrow, default)]
        resources: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        content: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow, default)]
        uri: Option<&'a RawValue>,
        #[serde(borrow, default)]
        resource: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow, default)]
        uri: Option<&'a RawValue>,
    }
    fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
        serde_json::from_str(raw.get()).ok()
    }
    /// One item, or an array of them.
    fn items(raw: Option<&RawValue>) -> Vec<&RawValue> {
        raw.map(|raw| read(raw).unwrap_or_else(|| vec![raw])).unwrap_or_default()
    }
    let Some(found) = frame.peek_result::<Result<'_>>() else { return Vec::new() };
    let said = items(found.messages).into_iter().filter_map(read::<Message<'_>>);
    let files = found.skill.and_then(read::<Skill<'_>>).and_then(|skill| skill.resources);
    let content = [found.contents, found.content, found.resources, found.skill, files]
        .into_iter()
        .chain(said.map(|message| message.content));
    content
        .flat_map(items)
        .filter_map(read::<Item<'_>>)
        .flat_map(|item| [item.uri, item.resource.and_then(read::<Inner<'_>>).and_then(|inner| inner.uri)])
        .flatten()
        .map(RawValue::get)
        .collect()
}

/// Where the definition of a tool (JSON text) names the view that shows its results, as ranges of the text: as the extension
/// has it, as it had it at first, and as one client calls it.
pub(in crate::session) fn views_in(tool: &str) -> Vec<Range<usize>> {
    const NAMES: [&str; 3] = ["resourceUri", "ui/resourceUri", "openai/outputTemplate"];
    if !NAMES.iter().any(|name| memchr::memmem::find(tool.as_bytes(), name.as_bytes()).is_some()) {
        return Vec::new();
    }
    let Some(meta) = Object::read(tool).and_then(|tool| tool.get("_meta")).and_then(Object::read) else {
        return Vec::new();
    };
    let nested = meta.get("ui").and_then(Object::read).and_then(|ui| ui.get(NAMES[0]));
    let flat = NAMES[1..].iter().map(|name| meta.get(name));
    let span = |raw: &str| {
        let start = raw.as_ptr() as usize - tool.as_ptr() as usize;
        start..start + raw.len()
    };
    let mut spans: Vec<_> = flat.chain([nested]).flatten().map(span).collect();
    spans.sort_by_key(|span| span.start);
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(matches(template, uri), fits, "{template} {uri}");
        }
    }

    #[test]
    fn resources_are_found_wherever_a_result_names_them() {
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a"},{"type":"resource_link","uri":"u:1"},{"type":"resource","resource":{"uri":"u:2","text":""}}],"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"u:3"}}}]}}"#;
        let frame = Frame::parse(text).unwrap();
        assert_eq!(uris_in(&frame), ["\"u:1\"", "\"u:2\"", "\"u:3\""]);
        // One odd item, or content that is no array, hides nothing.
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{"contents":null,"content":[7,{"uri":"u:1","resource":"odd"}],"messages":[null,{"content":[{"type":"resource","resource":{"uri":"u:2"}}]},{"content":"text"}]}}"#;
        assert_eq!(uris_in(&Frame::parse(text).unwrap()), ["\"u:1\"", "\"u:2\""]);
    }

    #[test]
    fn a_skill_and_its_files_are_found_and_called_alike() {
        let skill = r#"{"uri":"skill://a/SKILL.md","frontmatter":{"uri":"x"},"resources":[{"uri":"skill://a/SKILL.md","digest":"d"},7,{"uri":"skill://a/b.md"},{"uri":9}]}"#;
        let frame =
            Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"skill":{skill}}}}}"#)).unwrap();
        let mut uris = uris_in(&frame);
        uris.sort_unstable();
        assert_eq!(uris, ["\"skill://a/SKILL.md\"", "\"skill://a/SKILL.md\"", "\"skill://a/b.md\"", "9"]);
        let told = with_files(skill, "brummer+web:");
        assert_eq!(told.matches("brummer+web:skill://a/").count(), 2, "{told}");
        assert!(told.starts_with(r#"{"uri":"skill://a/SKILL.md""#), "{told}");
        for (uri, within) in [
            ("skill://a/SKILL.md", true),
            ("skill://a", true),
            ("skill://a/b/c.md", true),
            ("skill://ab/SKILL.md", false),
            ("skill://b", false),
        ] {
            assert_eq!(is_within("skill://a/SKILL.md", uri), within, "{uri}");
        }
        assert!(!is_within("skill://a", "skill://a/b"));
        // One at the root would be all that there is, of others too.
        for root in ["skill://SKILL.md", "skill:/SKILL.md", "file:///SKILL.md", "/SKILL.md", "x/SKILL.md"] {
            for uri in ["skill://b/c.md", "file:///etc/x", "/b", "x/b"] {
                assert!(!is_within(root, uri), "{root} {uri}");
            }
        }
    }

    #[test]
    fn the_views_of_a_tool_are_found() {
        let views =
            |tool: &str| views_in(tool).into_iter().map(|span| tool[span].to_owned()).collect::<Vec<_>>();
        let tool = r#"{"name":"a","_meta":{"openai/outputTemplate":"ui://o","ui":{"resourceUri":"ui://w","x":1},"ui/resourceUri":"ui://w"}}"#;
        assert_eq!(views(tool), ["\"ui://o\"", "\"ui://w\"", "\"ui://w\""]);
        for none in [
            r#"{"name":"a","description":"resourceUri"}"#,
            r#"{"name":"a","_meta":{"ui":{"csp":"resourceUri"}}}"#,
            r#"{"name":"a","_meta":7,"resourceUri":"ui://w"}"#,
        ] {
            assert!(views(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_prefixed_uri_leads_back() {
        assert_eq!(unprefixed(&prefixed("web", "file:///a")), Some(("web", "file:///a")));
        assert_eq!(unprefixed("file:///a"), None);
    }
}
