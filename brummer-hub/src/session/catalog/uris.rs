//! URIs and URI templates of several instances in one list, and the way back.
//!
//! They are left alone while each has one owner; only the later ones of a collision become `brummer+<alias>:<uri>`,
//! because text that mentions a URI cannot be rewritten.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::frame::Frame;

/// How a URI that an instance before this one lists as well is listed.
pub(super) fn prefixed(alias: &str, original: &str) -> String {
    format!("brummer+{alias}:{original}")
}

/// The alias in a [`prefixed`] URI, and the URI as the instance knows it.
pub(super) fn unprefixed(listed: &str) -> Option<(&str, &str)> {
    listed.strip_prefix("brummer+")?.split_once(':')
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
/// tool results and prompts.
pub(in crate::session) fn uris_in(frame: &Frame) -> Vec<&str> {
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
    }

    #[test]
    fn a_prefixed_uri_leads_back() {
        assert_eq!(unprefixed(&prefixed("web", "file:///a")), Some(("web", "file:///a")));
        assert_eq!(unprefixed("file:///a"), None);
    }
}
