//! Members that are null where the protocol has a value or nothing: programs in Go, Java, Python and C# write them so. Clients on
//! the official SDKs refuse the whole message for one of them, and some wait for the answer for ever.

use serde_json::value::RawValue;

use super::peer::Caller;
use crate::{
    frame::{Edit, Frame, Object, span_in, splice},
    protocol::method,
};

/// What instances say unasked, but for what belongs to others than the protocol.
const METHODS: [&str; 13] = [
    method::CANCELLED,
    method::ELICITATION,
    method::ELICITATION_COMPLETE,
    method::MESSAGE,
    method::PING,
    method::PROGRESS,
    method::PROMPTS_LIST_CHANGED,
    method::RESOURCES_LIST_CHANGED,
    method::RESOURCES_UPDATED,
    method::ROOTS_LIST,
    method::SAMPLING,
    method::TASKS_STATUS,
    method::TOOLS_LIST_CHANGED,
];

/// What may be left out of the messages of servers, in any revision.
const OPTIONAL: [&str; 57] = [
    "$schema",
    "_meta",
    "annotations",
    "arguments",
    "audience",
    "costPriority",
    "default",
    "description",
    "destructiveHint",
    "enum",
    "enumNames",
    "execution",
    "format",
    "hasMore",
    "hints",
    "icons",
    "idempotentHint",
    "includeContext",
    "inputRequests",
    "intelligencePriority",
    "lastModified",
    "logger",
    "maxItems",
    "maxLength",
    "maximum",
    "message",
    "metadata",
    "mimeType",
    "minItems",
    "minLength",
    "minimum",
    "mode",
    "modelPreferences",
    "name",
    "openWorldHint",
    "outputSchema",
    "pollInterval",
    "priority",
    "readOnlyHint",
    "reason",
    "requestState",
    "required",
    "size",
    "sizes",
    "speedPriority",
    "statusMessage",
    "stopSequences",
    "systemPrompt",
    "task",
    "taskSupport",
    "temperature",
    "theme",
    "title",
    "toolChoice",
    "tools",
    "total",
    "websiteUrl",
];

/// The same beside the content of a tool's result.
const FAILED: &str = "isError";

/// The same there, but in older revisions only: in 2026-07-28 it is a value as any.
const STRUCTURED: &str = "structuredContent";

const CONTENT: &str = "content";

/// Lists that must be there: Go writes an empty one as null.
const LISTS: [&str; 4] = [CONTENT, "contents", "messages", "values"];

/// What holds more that the protocol names. What any other member holds is the server's own, and null may mean something there.
const HOLDING: [&str; 19] = [
    "annotations",
    "anyOf",
    "arguments",
    "completion",
    "content",
    "contents",
    "execution",
    "hints",
    "icons",
    "items",
    "messages",
    "modelPreferences",
    "oneOf",
    "params",
    "requestedSchema",
    "resource",
    "task",
    "toolChoice",
    "tools",
];

/// The same under names that the server has chosen.
const MAPS: [&str; 2] = ["inputRequests", "properties"];

/// What may be left out of the answer with a list.
const OF_LISTS: [&str; 4] = ["_meta", "cacheScope", "nextCursor", "ttlMs"];

/// Deeper than messages of any revision are nested.
const LEVELS: usize = 16;

/// A message of an instance for this caller without them; `None` if it has none. Only for answers to methods of the protocol.
pub(super) fn left_out(frame: &Frame, caller: Caller) -> Option<Frame> {
    if !frame.has_nulls() || frame.method().is_some_and(|method| !METHODS.contains(&method)) {
        return None;
    }
    let nulls = Nulls::find(frame.result().or_else(|| frame.params())?, frame.bytes(), caller);
    if nulls.edits.is_empty() {
        return None;
    }
    tracing::debug!("members that are null are left out of a message: {}", nulls.names.join(", "));
    Frame::parse(frame.edited(nulls.edits).join()).ok()
}

/// The answer with a list (the member of this name) without them, but for its items.
pub(super) fn left_out_of_list(frame: &Frame, list: &str) -> Option<Frame> {
    let result = frame.result().filter(|_| frame.has_nulls()).and_then(Object::read)?;
    let is_null = |name: &str| OF_LISTS.contains(&name) && result.get(name) == Some("null");
    let mut edits = result.edits(frame.bytes(), "", is_null);
    let empty = result.get(list).filter(|items| *items == "null");
    edits.extend(empty.map(|null| (frame.span_of(null), "[]".to_owned())));
    (!edits.is_empty()).then(|| Frame::parse(frame.edited(edits).join()).ok()).flatten()
}

/// An item of a list (JSON text) without them, and their names; `None` if it has none.
pub(super) fn left_out_of_item(item: &str) -> Option<(String, Vec<&'static str>)> {
    let Nulls { names, mut edits } = Nulls::find(item, item.as_bytes(), Caller::Greeted);
    if edits.is_empty() {
        return None;
    }
    edits.sort_by_key(|(span, _)| span.start);
    let edits = edits.into_iter().map(|(span, with)| (span, with.into()));
    let text = splice(item.as_bytes(), edits);
    Some((String::from_utf8(text.into()).expect("members were cut out of text as a whole"), names))
}

/// What is null in a part of a message, and may not be.
#[derive(Debug, Default)]
struct Nulls {
    names: Vec<&'static str>,
    /// What leaves them out.
    edits: Vec<Edit>,
}

impl Nulls {
    /// Looks for them in `part` (JSON text), of a message for this caller. `whole` is the text that it stands in.
    fn find(part: &str, whole: &[u8], caller: Caller) -> Self {
        let mut found = Self::default();
        found.look(part, whole, caller, LEVELS);
        found
    }

    fn look(&mut self, part: &str, whole: &[u8], caller: Caller, levels: usize) {
        if levels == 0 || memchr::memmem::find(part.as_bytes(), b"null").is_none() {
            return;
        }
        if part.starts_with('[') {
            let items: Vec<&RawValue> = serde_json::from_str(part).unwrap_or_default();
            return items.into_iter().for_each(|item| self.look(item.get(), whole, caller, levels - 1));
        }
        let Some(object) = Object::read(part) else { return };
        let is_outcome = object.get(CONTENT).is_some();
        let structured = (is_outcome && caller == Caller::Greeted).then_some(STRUCTURED);
        let optional = OPTIONAL.into_iter().chain(is_outcome.then_some(FAILED)).chain(structured);
        let nulls: Vec<_> = optional.filter(|name| object.get(name) == Some("null")).collect();
        if !nulls.is_empty() {
            self.edits.extend(object.edits(whole, "", |name| nulls.contains(&name)));
        }
        for member in object.iter().filter(|member| !nulls.contains(&&*member.name)) {
            if HOLDING.contains(&&*member.name) {
                self.look(member.value, whole, caller, levels - 1);
            } else if MAPS.contains(&&*member.name) {
                for member in Object::read(member.value).iter().flat_map(Object::iter) {
                    self.look(member.value, whole, caller, levels - 1);
                }
            }
        }
        let lists =
            LISTS.into_iter().filter_map(|name| Some((name, object.get(name).filter(|it| *it == "null")?)));
        let lists: Vec<_> = lists.collect();
        self.edits.extend(lists.iter().map(|(_, null)| (span_in(whole, null), "[]".to_owned())));
        for name in nulls.into_iter().chain(lists.into_iter().map(|(name, _)| name)) {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn mended(member: &str, text: &str, caller: Caller) -> String {
        let method = if member == "params" { r#""method":"notifications/message","# } else { r#""id":1,"# };
        let frame = Frame::parse(format!(r#"{{"jsonrpc":"2.0",{method}"{member}":{text}}}"#)).unwrap();
        let mended = left_out(&frame, caller).unwrap_or(frame);
        mended.result().or_else(|| mended.params()).unwrap().to_owned()
    }

    #[test]
    fn nulls_are_left_out_where_nothing_may_stand_and_nowhere_else() {
        for (text, expected) in [
            (r#"{"content":[],"_meta":null,"isError" : null }"#, r#"{"content":[] }"#),
            (r#"{"content":null,"structuredContent":null}"#, r#"{"content":[]}"#),
            (
                r#"{"content":[{"type":"text","text":"null","annotations":null},{"type":"resource","resource":{"uri":"u:","mimeType":null,"text":"","_meta":null}}]}"#,
                r#"{"content":[{"type":"text","text":"null"},{"type":"resource","resource":{"uri":"u:","text":""}}]}"#,
            ),
            (r#"{"description":null,"messages":null}"#, r#"{"messages":[]}"#),
            (
                r#"{"completion":{"values":null,"total":null,"hasMore":null}}"#,
                r#"{"completion":{"values":[]}}"#,
            ),
            // What is the server's own.
            (r#"{"structuredContent":{"title":null},"_meta":{"title":null}}"#, ""),
            (r#"{"task":{"ttl":null},"other":null,"content":[null]}"#, ""),
            (r#"{"x":{"title":null,"content":null}}"#, ""),
            (r#"{"contents":[],"isError":null,"structuredContent":null}"#, ""),
            (r#"{"content":[{"type":"text","text":"\"_meta\":null"}]}"#, ""),
        ] {
            let expected = if expected.is_empty() { text } else { expected };
            assert_eq!(mended("result", text, Caller::Greeted), expected, "{text}");
        }
        let structured = r#"{"content":[],"structuredContent":null,"resultType":"complete"}"#;
        assert_eq!(mended("result", structured, Caller::Claimed(1)), structured);
        let told = r#"{"level":"info","logger":null,"data":null}"#;
        assert_eq!(mended("params", told, Caller::Greeted), r#"{"level":"info","data":null}"#);
    }

    #[test]
    fn questions_are_searched_too() {
        let asked = r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"task":null,"message":"m","requestedSchema":{"$schema":null,"type":"object","properties":{"title":{"type":"string","default":null}}}}}"#;
        let told = left_out(&Frame::parse(asked).unwrap(), Caller::Greeted).unwrap();
        assert_eq!(
            told.params(),
            Some(
                r#"{"message":"m","requestedSchema":{"type":"object","properties":{"title":{"type":"string"}}}}"#
            )
        );
    }

    #[test]
    fn a_list_and_its_page_are_there() {
        for (result, expected) in [
            (r#"{"tools":[],"nextCursor":null,"_meta":null}"#, Some(r#"{"tools":[]}"#)),
            (r#"{"_meta":null,"tools":null}"#, Some(r#"{"tools":[]}"#)),
            (r#"{"tools":[{"title":null}],"x":null}"#, None),
        ] {
            let frame = Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)).unwrap();
            let mended = left_out_of_list(&frame, "tools");
            assert_eq!(mended.as_ref().and_then(Frame::result), expected, "{result}");
        }
    }

    #[test]
    fn what_others_have_invented_is_let_be() {
        let frame = r#"{"jsonrpc":"2.0","method":"notifications/x/y","params":{"title":null}}"#;
        assert!(left_out(&Frame::parse(frame).unwrap(), Caller::Greeted).is_none());
    }

    #[test]
    fn items_are_searched_to_their_depths() {
        let item = r#"{"name":"a","title":null,"inputSchema":{"title":null},"annotations":{"title":null},"icons":[{"src":"s","sizes":null}]}"#;
        let (text, names) = left_out_of_item(item).unwrap();
        assert_eq!(
            text,
            r#"{"name":"a","inputSchema":{"title":null},"annotations":{},"icons":[{"src":"s"}]}"#
        );
        assert_eq!(names, ["title", "sizes"]);
        assert!(left_out_of_item(r#"{"name":"null","inputSchema":{"title":null}}"#).is_none());
    }

    /// The same in values.
    fn expected(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(expected),
            Value::Object(members) => {
                let is_outcome = members.contains_key(CONTENT);
                members.retain(|name, value| {
                    let is_of_outcome = is_outcome && [FAILED, STRUCTURED].contains(&&**name);
                    !(value.is_null() && (OPTIONAL.contains(&&**name) || is_of_outcome))
                });
                for (name, value) in members.iter_mut() {
                    if value.is_null() && LISTS.contains(&&**name) {
                        *value = json!([]);
                    }
                    if HOLDING.contains(&&**name) {
                        expected(value);
                    } else if MAPS.contains(&&**name) {
                        value.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(expected);
                    }
                }
            }
            _ => {}
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let names = OPTIONAL
            .into_iter()
            .chain(LISTS)
            .chain(HOLDING)
            .chain(MAPS)
            .chain(["ttl", "x", "null", "_meta", FAILED, STRUCTURED])
            .collect::<Vec<_>>();
        let leaf = prop_oneof![3 => Just(Value::Null), 1 => Just(json!("null")), 1 => any::<i8>().prop_map(Value::from)];
        leaf.prop_recursive(5, 60, 6, move |inner| {
            let name = proptest::sample::select(names.clone());
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((name, inner), 0..6).prop_map(|members| {
                    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_message_has_only_what_may_be_null(result in values(), is_pretty in any::<bool>()) {
            let result = json!({ "content": [result], "x": result });
            let text = if is_pretty { serde_json::to_string_pretty(&result).unwrap() } else { result.to_string() };
            let found: Value = serde_json::from_str(&mended("result", &text, Caller::Greeted)).unwrap();
            let mut wanted = result;
            expected(&mut wanted);
            prop_assert_eq!(found, wanted);
        }
    }
}
