//! How a request says who sends it: `params._meta` (2026-07-28, basic § `_meta`), fitted to the instance.
//!
//! Requests of the owner pass through here on their way out. Only the keys that belong to one era are touched; the rest
//! of the text stays as the client wrote it.

use bytes::Bytes;
use serde_json::Value;

use super::super::Hello;
use crate::{
    frame::{Edit, Frame, Object, splice},
    protocol::{ModernVersion, meta, method},
};

/// The three that every request to a modern instance carries.
const INTRODUCTION: [&str; 3] = [meta::PROTOCOL_VERSION, meta::CLIENT_INFO, meta::CLIENT_CAPABILITIES];

/// An extension that lies in `_meta` and content alone, and so is the same in both eras (MCP Apps).
const BRIDGED_EXTENSION: &str = "io.modelcontextprotocol/ui";

/// As whom a conversation with a modern instance introduces itself, request by request.
#[derive(Debug)]
pub(in crate::upstream) struct Introduction {
    version: ModernVersion,
    /// Whether the owner's requests carry an introduction of their own.
    from_owner: bool,
    /// The members of `_meta`, as JSON text.
    members: Box<str>,
    /// Capabilities and extensions that the owner declared and the instance is not told of.
    withheld: Box<[Box<str>]>,
}

impl Introduction {
    pub(in crate::upstream) fn new(hello: &Hello, version: ModernVersion) -> Self {
        let Hello { era, capabilities, client_info, .. } = hello;
        let from_owner = era.is_modern();
        let bridged;
        let capabilities = if from_owner {
            capabilities
        } else {
            bridged = bridged_capabilities(capabilities);
            &*bridged
        };
        let [version_key, info_key, capabilities_key] = INTRODUCTION;
        let members = format!(
            r#""{version_key}":"{version}","{info_key}":{client_info},"{capabilities_key}":{capabilities}"#
        );
        let withheld = if from_owner { Box::default() } else { withheld(&hello.capabilities) };
        Self { version, from_owner, members: members.into(), withheld }
    }

    /// What the instance wants of the client that the client can do, and that was not said.
    pub(in crate::upstream) fn withheld_in(&self, wanted: &str) -> Option<&str> {
        let wanted = Object::read(Object::read(wanted)?.get("requiredCapabilities")?)?;
        let extensions = wanted.get("extensions").and_then(Object::read);
        let is_wanted = |name: &str| {
            wanted.get(name).is_some() || extensions.as_ref().is_some_and(|names| names.get(name).is_some())
        };
        self.withheld.iter().map(|name| &**name).find(|name| is_wanted(name))
    }

    /// The members of `_meta` for a request of the hub's own.
    pub(in crate::upstream) fn members(&self) -> &str {
        &self.members
    }
}

/// What a client of one era can do that an instance of the other may make use of. Tasks differ between the eras, and
/// nothing tells a modern instance of changed roots.
pub(in crate::upstream) fn bridged_capabilities(declared: &str) -> String {
    let Ok(Value::Object(mut declared)) = serde_json::from_str(declared) else { return "{}".to_owned() };
    declared.remove("tasks");
    if let Some(Value::Object(roots)) = declared.get_mut("roots") {
        roots.remove("listChanged");
    }
    if let Some(Value::Object(extensions)) = declared.get_mut("extensions") {
        extensions.retain(|name, _| name == BRIDGED_EXTENSION);
        if extensions.is_empty() {
            declared.remove("extensions");
        }
    }
    Value::Object(declared).to_string()
}

/// The names of what [`bridged_capabilities`] leaves out, but for what no instance could want.
fn withheld(declared: &str) -> Box<[Box<str>]> {
    let Some(declared) = Object::read(declared) else { return Box::default() };
    let extensions = declared.get("extensions").and_then(Object::read);
    let extensions = extensions.iter().flat_map(Object::iter).map(|extension| &*extension.name);
    let extensions = extensions.filter(|name| *name != BRIDGED_EXTENSION);
    declared.get("tasks").map(|_| "tasks").into_iter().chain(extensions).map(Into::into).collect()
}

/// What a request gets beside its introduction.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::upstream) struct Additions<'a> {
    /// The level of log messages, as JSON text, unless the request says it itself.
    pub(in crate::upstream) log_level: Option<&'a str>,
    /// Members of `params` that take the place of any with these names: JSON text.
    pub(in crate::upstream) input_responses: Option<&'a str>,
    pub(in crate::upstream) request_state: Option<&'a str>,
}

/// The names of members by which the answers to an instance's questions come back (2026-07-28, MRTR).
const INPUT_RESPONSES: &str = "inputResponses";
const REQUEST_STATE: &str = "requestState";

/// The request as a modern instance takes it. `None`: its `params` are no object.
pub(in crate::upstream) fn for_modern(
    request: &Frame,
    introduction: &Introduction,
    additions: Additions<'_>,
) -> Option<Bytes> {
    let log_level = |said: bool| {
        let level = additions.log_level.filter(|_| !said);
        level.map(|level| format!(r#","{}":{level}"#, meta::LOG_LEVEL)).unwrap_or_default()
    };
    let whole = request.bytes();
    let Some(params) = request.params() else {
        let at = whole.iter().position(|byte| *byte == b'{')? + 1;
        let members = introduction.members();
        let with = format!(r#""params":{{"_meta":{{{members}{}}}}},"#, log_level(false));
        return Some(splice(whole, [(at..at, with.into())]));
    };
    let params = Object::read(params)?;
    let mut added = String::new();
    for (name, value) in
        [(INPUT_RESPONSES, additions.input_responses), (REQUEST_STATE, additions.request_state)]
    {
        if let Some(value) = value {
            added.push_str(&format!(r#""{name}":{value},"#));
        }
    }
    let is_retry = !added.is_empty();
    let mut inner = Vec::new();
    let existing = params.get("_meta").and_then(|meta| Some((meta, Object::read(meta)?)));
    match &existing {
        Some((_, existing)) => inner = meta_edits(whole, existing, introduction, &log_level),
        None => added.push_str(&format!(r#""_meta":{{{}{}}},"#, introduction.members(), log_level(false))),
    }
    let added = added.strip_suffix(',').unwrap_or_default();
    let mut edits = params.edits(whole, added, |name| match name {
        INPUT_RESPONSES | REQUEST_STATE => is_retry,
        // One that is no object says nothing.
        "_meta" => existing.is_none(),
        _ => false,
    });
    edits.append(&mut inner);
    Some(apply(whole, edits))
}

fn meta_edits(
    whole: &[u8],
    existing: &Object<'_>,
    introduction: &Introduction,
    log_level: &impl Fn(bool) -> String,
) -> Vec<Edit> {
    let log_level = log_level(existing.get(meta::LOG_LEVEL).is_some());
    if introduction.from_owner
        && let Some(version) = existing.get(meta::PROTOCOL_VERSION)
    {
        let wanted = format!("\"{}\"", introduction.version);
        let mut edits = existing.edits(whole, log_level.trim_start_matches(','), |_| false);
        if version != wanted {
            edits.push((span(whole, version), wanted));
        }
        return edits;
    }
    let added = format!("{}{log_level}", introduction.members());
    existing.edits(whole, &added, |name| {
        INTRODUCTION.contains(&name) || (!introduction.from_owner && name == meta::RELATED_TASK)
    })
}

/// The request as a legacy instance takes it: what means something in the other era only is taken out. `None`: there
/// is nothing to take out.
pub(in crate::upstream) fn for_legacy(request: &Frame) -> Option<Bytes> {
    let params = Object::read(request.params()?)?;
    let existing = Object::read(params.get("_meta")?)?;
    let whole = request.bytes();
    let edits = existing.edits(whole, "", |name| INTRODUCTION.contains(&name) || name == meta::LOG_LEVEL);
    (!edits.is_empty()).then(|| apply(whole, edits))
}

/// A notification from a `subscriptions/listen` stream, as it would have come without one.
pub(in crate::upstream) fn unsubscribed(notification: &Frame) -> Frame {
    let edited = || {
        let params = Object::read(notification.params()?)?;
        let existing = Object::read(params.get("_meta")?)?;
        existing.get(meta::SUBSCRIPTION_ID)?;
        let whole = notification.bytes();
        let is_alone = existing.iter().all(|member| member.name == meta::SUBSCRIPTION_ID);
        let edits = if is_alone {
            params.edits(whole, "", |name| name == "_meta")
        } else {
            existing.edits(whole, "", |name| name == meta::SUBSCRIPTION_ID)
        };
        Frame::parse(apply(whole, edits)).ok()
    };
    edited().unwrap_or_else(|| notification.clone())
}

/// Makes a `ping` the question that a modern instance has in its place (2026-07-28, changelog).
pub(in crate::upstream) fn discover(id: u64, introduction: &str) -> Bytes {
    let method = method::DISCOVER;
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"_meta":{{{introduction}}}}}}}"#)
        .into()
}

/// Applies edits that may have been gathered in any order.
fn apply(whole: &[u8], mut edits: Vec<Edit>) -> Bytes {
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    splice(whole, edits.into_iter().map(|(span, with)| (span, with.into())))
}

fn span(whole: &[u8], part: &str) -> std::ops::Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

/// What of the client's capabilities decides which questions of an instance it can be asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) sampling: bool,
    pub(crate) roots: bool,
    pub(crate) forms: bool,
    pub(crate) urls: bool,
}

impl Declared {
    pub(crate) fn by(hello: &Hello) -> Self {
        let Some(capabilities) = Object::read(&hello.capabilities) else { return Self::default() };
        let has = |name: &str| capabilities.get(name).is_some_and(|value| value != "null");
        let elicitation = capabilities.get("elicitation").and_then(Object::read);
        let (forms, urls) = elicitation.map_or((false, false), |kinds| {
            let urls = kinds.get("url").is_some();
            // An empty object is from before there were two kinds (elicitation § Capabilities).
            (kinds.get("form").is_some() || !urls, urls)
        });
        Self { sampling: has("sampling"), roots: has("roots"), forms, urls }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Era, LegacyVersion};

    fn introduction(capabilities: &str) -> Introduction {
        let era = Era::Legacy(LegacyVersion::LATEST);
        let hello = Hello { era, capabilities: capabilities.into(), client_info: "{}".into(), level: None };
        Introduction::new(&hello, ModernVersion::LATEST)
    }

    #[test]
    fn texts_that_no_model_holds_pass() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"\u0061":"\ud83e\udd80","n":1e400,"n":[[1.0]],"_meta":{"\u0062":"\u0000"}}}"#;
        let out = for_modern(
            &Frame::parse(text).unwrap(),
            &introduction("{}"),
            Additions { log_level: Some("\"info\""), ..Additions::default() },
        );
        let intro = introduction("{}").members;
        let level = r#""io.modelcontextprotocol/logLevel":"info""#;
        let expected = text.replace(r#""_meta":{"#, &format!(r#""_meta":{{{intro},{level},"#));
        assert_eq!(out.unwrap(), expected);
    }

    #[test]
    fn a_level_that_the_request_names_stays() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"io.modelcontextprotocol/logLevel":"debug"}}}"#;
        let additions = Additions { log_level: Some("\"info\""), ..Additions::default() };
        let out = for_modern(&Frame::parse(text).unwrap(), &introduction("{}"), additions).unwrap();
        assert_eq!(
            out,
            text.replace(r#""_meta":{"#, &format!(r#""_meta":{{{},"#, introduction("{}").members))
        );
    }

    #[test]
    fn a_retry_carries_its_answers_and_none_of_others() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"requestState":"old","name":"t"}}"#;
        let frame = Frame::parse(text).unwrap();
        let params = |additions| {
            let text = for_modern(&frame, &introduction("{}"), additions).unwrap();
            let frame = Frame::parse(text).unwrap();
            let params = Object::read(frame.params().unwrap()).unwrap();
            params.iter().map(|member| format!("{}={}", member.name, member.value)).collect::<Vec<_>>()
        };
        let meta = format!("_meta={{{}}}", introduction("{}").members);
        assert_eq!(params(Additions::default()), [&meta, "requestState=\"old\"", "name=\"t\""]);
        let answers = Additions { input_responses: Some(r#"{"k":1.0}"#), ..Additions::default() };
        assert_eq!(params(answers), ["inputResponses={\"k\":1.0}", &meta, "name=\"t\""]);
        let state = Additions { request_state: Some(r#""\u0061""#), ..Additions::default() };
        assert_eq!(params(state), [r#"requestState="\u0061""#, &meta, "name=\"t\""]);
    }

    #[test]
    fn only_what_both_eras_share_is_declared() {
        for (declared, bridged) in [
            ("{}", "{}"),
            ("7", "{}"),
            (
                r#"{"roots":{"listChanged":true,"x":1},"sampling":{"tools":{}},"tasks":{"list":{}},"experimental":{"e":{}}}"#,
                r#"{"roots":{"x":1},"sampling":{"tools":{}},"experimental":{"e":{}}}"#,
            ),
            (r#"{"elicitation":{},"extensions":{"a/b":{}}}"#, r#"{"elicitation":{}}"#),
            (
                r#"{"extensions":{"a/b":{},"io.modelcontextprotocol/ui":{"mimeTypes":["x"]}}}"#,
                r#"{"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["x"]}}}"#,
            ),
        ] {
            assert_eq!(bridged_capabilities(declared), bridged);
        }
    }

    #[test]
    fn a_notification_of_a_subscription_loses_its_mark() {
        let key = meta::SUBSCRIPTION_ID;
        for (params, expected) in [
            (format!(r#"{{"_meta":{{"{key}":1}}}}"#), "{}"),
            (format!(r#"{{"uri":"u", "_meta" : {{ "{key}" : "1" }}}}"#), r#"{"uri":"u"}"#),
            (
                format!(r#"{{"_meta":{{"a/b":1.0,"{key}":1}},"uri":"u"}}"#),
                r#"{"_meta":{"a/b":1.0},"uri":"u"}"#,
            ),
            (r#"{"_meta":{}}"#.to_owned(), r#"{"_meta":{}}"#),
        ] {
            let frame = |params: &str| format!(r#"{{"jsonrpc":"2.0","method":"n","params":{params}}}"#);
            let out = unsubscribed(&Frame::parse(frame(&params)).unwrap());
            assert_eq!(*out.bytes(), frame(expected));
        }
    }

    #[test]
    fn what_a_client_can_be_asked_is_what_it_declared() {
        let declared = |capabilities: &str| {
            let era = Era::Legacy(LegacyVersion::LATEST);
            let hello =
                Hello { era, capabilities: capabilities.into(), client_info: "{}".into(), level: None };
            let Declared { sampling, roots, forms, urls } = Declared::by(&hello);
            (sampling, roots, forms, urls)
        };
        assert_eq!(declared("{}"), (false, false, false, false));
        assert_eq!(declared(r#"{"sampling":{},"roots":{},"elicitation":{}}"#), (true, true, true, false));
        assert_eq!(declared(r#"{"sampling":null,"elicitation":{"url":{}}}"#), (false, false, false, true));
        assert_eq!(declared(r#"{"elicitation":{"url":{},"form":{}}}"#), (false, false, true, true));
    }
}
