//! JSON-RPC texts of the hub's own, and the members by which messages are told apart.

use std::{borrow::Cow, sync::LazyLock};

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    frame::{Frame, Object, Parts},
    protocol::meta,
};

/// A result, as JSON text.
pub(crate) fn result(id: &str, result: &str) -> Parts {
    Parts::whole(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

/// The result (JSON text) of a call that could not be done, for a model to read. What a client makes of an error is its own
/// affair: some end the conversation, some show the model other words. `data` is JSON text. There is no structured part: the
/// tool's own schema would hold for it.
pub(crate) fn failed_call(text: &str, data: Option<&str>) -> String {
    let meta = data.map(|data| format!(r#""_meta":{{"{}":{data}}},"#, meta::FAILURE)).unwrap_or_default();
    format!(r#"{{{meta}"content":[{{"type":"text","text":{}}}],"isError":true}}"#, quoted(text))
}

/// An error. `data` is JSON text.
pub(crate) fn error(id: Option<&str>, code: i32, message: &str, data: Option<&str>) -> Parts {
    let id = id.unwrap_or("null");
    let message = Value::from(message);
    let data = data.map(|data| format!(r#","data":{data}"#)).unwrap_or_default();
    Parts::whole(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}{data}}}}}"#
    ))
}

/// A notification. `params` is JSON text.
pub(crate) fn notification(method: &str, params: Option<&str>) -> Parts {
    let params = params.map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
    Parts::whole(format!(r#"{{"jsonrpc":"2.0","method":"{method}"{params}}}"#))
}

/// A request; its id is given when it is sent. `params` is JSON text.
pub(crate) fn request(method: &str, params: &str) -> Frame {
    let text = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"{method}","params":{params}}}"#);
    Frame::parse(text).expect("the method is a constant and the parameters are JSON")
}

/// A cancellation of the request with this id (JSON text).
pub(crate) fn cancelled(id: &str, reason: &str) -> Parts {
    let params = format!(r#"{{"requestId":{id},"reason":"{reason}"}}"#);
    notification(crate::protocol::method::CANCELLED, Some(&params))
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A JSON string, unescaped.
pub(crate) fn text_of(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    crate::frame::string(raw?.get())
}

/// Ids and tokens (JSON text) are compared by what they mean: `"\u0061"` is `"a"`, and `1.0` is `1`.
pub(crate) fn canonical(id: &str) -> Cow<'_, str> {
    if id.contains('\\')
        && let Ok(text) = serde_json::from_str::<String>(id)
        && let Ok(plain) = serde_json::to_string(&text)
    {
        return plain.into();
    }
    // Beyond 2^53 two integers may be the same floating-point number, so these are taken as they are written.
    if !id.starts_with('"')
        && id.contains(['.', 'e', 'E'])
        && let Ok(number) = id.parse::<f64>()
        && number.fract() == 0.0
        && number.abs() < 9_007_199_254_740_992.0
    {
        return format!("{number:.0}").into();
    }
    id.into()
}

/// A value (JSON text) with the members of all objects in order, so that texts are the same when they mean the same.
pub(crate) fn in_order(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            value.sort_all_objects();
            value.to_string()
        }
        Err(_) => text.to_owned(),
    }
}

/// What must stand between something new and the rest of an object.
pub(crate) fn separator(rest: &str) -> &'static str {
    if rest.trim_start().starts_with('}') { "" } else { "," }
}

/// An object (JSON text) without some of its members; the others stay as they are written.
pub(crate) fn without(object: &str, names: &[&str]) -> String {
    let Some(read) = Object::read(object) else { return object.to_owned() };
    let edits = read.edits(object.as_bytes(), "", |name| names.contains(&name));
    let edits = edits.into_iter().map(|(span, with)| (span, with.into()));
    String::from_utf8(crate::frame::splice(object.as_bytes(), edits).into())
        .expect("members were cut out of text as a whole")
}

/// The members of `params` by which a request is routed.
#[derive(Deserialize, Default)]
pub(crate) struct Key<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) uri: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "ref")]
    pub(crate) reference: Option<Reference<'a>>,
    #[serde(borrow, default)]
    pub(crate) cursor: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "taskId")]
    pub(crate) task: Option<&'a RawValue>,
    /// Of `tools/call`: the answer is to be a task (2025-11-25, tasks).
    #[serde(borrow, default, rename = "task")]
    pub(crate) as_task: Option<&'a RawValue>,
}

/// What a completion is about.
#[derive(Deserialize, Default)]
pub(crate) struct Reference<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) uri: Option<&'a RawValue>,
}

impl<'a> Key<'a> {
    pub(crate) fn of(frame: &'a Frame) -> Self {
        frame.peek().unwrap_or_default()
    }
}

/// `params` of `notifications/cancelled`.
#[derive(Deserialize)]
pub(crate) struct Cancelled<'a> {
    #[serde(rename = "requestId", borrow)]
    pub(crate) request: &'a RawValue,
}

/// `params` of `notifications/progress`.
#[derive(Deserialize)]
pub(crate) struct ProgressParams<'a> {
    #[serde(rename = "progressToken", borrow)]
    pub(crate) token: &'a RawValue,
}

/// `params` of `notifications/resources/updated`.
#[derive(Deserialize)]
pub(crate) struct Updated<'a> {
    #[serde(borrow)]
    pub(crate) uri: &'a RawValue,
}

#[derive(Deserialize, Default)]
struct Meta<'a> {
    #[serde(rename = "progressToken", borrow, default)]
    progress_token: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct WithMeta<'a> {
    #[serde(rename = "_meta", borrow, default)]
    meta: Option<Meta<'a>>,
}

/// Whether the parameters may have metadata. Most have none, and looking for the name is much cheaper than reading them.
/// An escaped spelling of it is legal JSON that nobody writes.
pub(crate) fn has_meta(frame: &Frame) -> bool {
    static META: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(br#""_meta""#));
    frame.params().is_some_and(|params| META.find(params.as_bytes()).is_some())
}

/// The progress token of a request, as JSON text.
pub(crate) fn progress_token(frame: &Frame) -> Option<&str> {
    if !has_meta(frame) {
        return None;
    }
    frame.peek::<WithMeta<'_>>()?.meta?.progress_token.map(RawValue::get)
}

/// The members of an error that are looked at.
#[derive(Deserialize)]
pub(crate) struct ErrorMembers<'a> {
    #[serde(borrow, default)]
    pub(crate) code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) message: Option<Cow<'a, str>>,
}

/// The error in a response.
pub(crate) fn error_of(frame: &Frame) -> Option<ErrorMembers<'_>> {
    #[derive(Deserialize)]
    struct Failed<'a> {
        #[serde(borrow)]
        error: ErrorMembers<'a>,
    }
    serde_json::from_slice::<Failed<'_>>(frame.bytes()).ok().map(|failed| failed.error)
}

/// The code of the error in a response.
pub(crate) fn error_code(frame: &Frame) -> Option<i32> {
    error_of(frame)?.code?.get().parse().ok()
}

/// How severe a log message is, least first (RFC 5424, as MCP spells it).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Level {
    /// What a client is told that named another.
    pub(crate) const CHOICES: &'static str =
        "must be one of debug, info, notice, warning, error, critical, alert, emergency";

    /// The level as it is written on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_same_when_they_mean_the_same() {
        for (one, other, same) in [
            (r#""a""#, r#""\u0061""#, true),
            ("1", "1.0", true),
            ("1", "10e-1", true),
            ("1", "1.5", false),
            ("1", "\"1\"", false),
            ("9007199254740993", "9007199254740992", false),
        ] {
            assert_eq!(canonical(one) == canonical(other), same, "{one} {other}");
        }
    }

    #[test]
    fn members_are_taken_out_and_the_rest_stays_as_written() {
        assert_eq!(without(r#"{"a":1.0,"task":{},"b":"\u0041"}"#, &["task"]), r#"{"a":1.0,"b":"\u0041"}"#);
        assert_eq!(without(r#"{"a": 1}"#, &["task"]), r#"{"a": 1}"#);
        assert_eq!(without(r#"{"task":1}"#, &["task"]), "{}");
    }
}
