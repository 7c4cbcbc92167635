//! What is asked and what is answered.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::sync::mpsc;

use super::ClientError;
use crate::{
    frame::{Frame, Object, splice},
    protocol::method,
};

/// A request to the hub or, through it, to an instance.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) method: String,
    /// JSON text of an object, on one line or more.
    pub(super) params: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) progress: Option<mpsc::Sender<Frame>>,
}

impl Request {
    /// A request of any method, with its params as the JSON text of an object.
    ///
    /// # Errors
    ///
    /// [`ClientError::InvalidJson`] when the params are something else.
    pub fn new(method: impl Into<String>, params: Option<&str>) -> Result<Self, ClientError> {
        if let Some(params) = params {
            check_object("params", params)?;
        }
        Ok(Self { method: method.into(), params: params.map(str::to_owned), timeout: None, progress: None })
    }

    /// A call of a tool, with its arguments as the JSON text of an object: a tool that the session lists, or, if an
    /// instance is named (by id, alias, name or a unique beginning of one), a tool of that instance.
    ///
    /// # Errors
    ///
    /// [`ClientError::InvalidJson`] when the arguments are something else.
    pub fn tool(instance: Option<&str>, tool: &str, arguments: Option<&str>) -> Result<Self, ClientError> {
        let arguments = arguments.unwrap_or("{}");
        check_object("arguments", arguments)?;
        let tool = Value::from(tool);
        let params = match instance {
            None => format!(r#"{{"name":{tool},"arguments":{arguments}}}"#),
            Some(instance) => format!(
                r#"{{"name":"instances_call","arguments":{{"instance_id":{},"tool":{tool},"arguments":{arguments}}}}}"#,
                Value::from(instance)
            ),
        };
        let method = method::TOOLS_CALL.to_owned();
        Ok(Self { method, params: Some(params), timeout: None, progress: None })
    }

    /// Gives up, and cancels the request, after this time.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Asks for progress, and hands the notifications to this queue; what does not fit into it is dropped.
    #[must_use]
    pub fn progress(mut self, queue: mpsc::Sender<Frame>) -> Self {
        self.progress = Some(queue);
        self
    }

    /// The message, under this id (JSON text), which is also its progress token.
    pub(super) fn message(&self, id: &str) -> Bytes {
        let method = Value::from(self.method.as_str());
        let params = match (&self.params, &self.progress) {
            (None, None) => return format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method}}}"#).into(),
            (Some(params), None) => params.clone(),
            (params, Some(_)) => with_token(params.as_deref().unwrap_or("{}"), id),
        };
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{params}}}"#).into()
    }
}

/// Puts a progress token into params, in place of one that is there.
fn with_token(params: &str, token: &str) -> String {
    let token = format!(r#""progressToken":{token}"#);
    // The params were checked to be an object when the request was made.
    let Some(object) = Object::read(params) else { return params.to_owned() };
    let edits = match object.get("_meta").and_then(Object::read) {
        Some(meta) => meta.edits(params.as_bytes(), &token, |name| name == "progressToken"),
        None => object.edits(params.as_bytes(), &format!(r#""_meta":{{{token}}}"#), |name| name == "_meta"),
    };
    let text = splice(params.as_bytes(), edits.into_iter().map(|(span, with)| (span, with.into())));
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether a text is a JSON object.
pub(super) fn check_object(what: &'static str, text: &str) -> Result<(), ClientError> {
    let reason = match serde_json::from_str::<&RawValue>(text) {
        Ok(_) if text.trim_start().starts_with('{') => return Ok(()),
        Ok(_) => "it must be an object".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(ClientError::InvalidJson { what, reason })
}

/// The result of a request, as the JSON text that it came in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer(Bytes);

impl Answer {
    /// The result of a response; `None` when it is an error.
    pub(super) fn of(frame: &Frame) -> Option<Self> {
        let text = frame.result()?;
        Some(Self(frame.bytes().slice(frame.span_of(text))))
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the reader of messages checked that it is UTF-8")
    }

    /// The text as bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Reads what of the result is wanted.
    ///
    /// # Errors
    ///
    /// When it does not fit.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// Turns the result of a tool that says that it failed into an error.
    ///
    /// # Errors
    ///
    /// [`ClientError::Tool`] with the texts that the tool answered.
    pub fn without_tool_error(self) -> Result<Self, ClientError> {
        #[derive(Deserialize)]
        struct ToolResult {
            #[serde(rename = "isError", default)]
            is_error: bool,
            #[serde(default)]
            content: Vec<Content>,
        }
        #[derive(Deserialize)]
        struct Content {
            #[serde(default)]
            text: String,
        }
        match self.read::<ToolResult>() {
            Ok(ToolResult { is_error: true, content }) => {
                let texts: Vec<_> = content.into_iter().map(|content| content.text).collect();
                Err(ClientError::Tool { text: texts.join("\n") })
            }
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_token_is_put_beside_what_is_there() {
        for (params, expected) in [
            ("{}", r#"{"_meta":{"progressToken":"t"}}"#),
            (r#"{"a":1.0}"#, r#"{"_meta":{"progressToken":"t"},"a":1.0}"#),
            (r#"{"_meta":{"x":1},"a":1}"#, r#"{"_meta":{"progressToken":"t","x":1},"a":1}"#),
            (r#"{"_meta":{"progressToken":9},"a":1}"#, r#"{"_meta":{"progressToken":"t"},"a":1}"#),
            (r#"{"_meta":null,"a":1}"#, r#"{"_meta":{"progressToken":"t"},"a":1}"#),
        ] {
            assert_eq!(with_token(params, r#""t""#), expected);
        }
    }

    #[test]
    fn only_objects_are_taken() {
        for text in ["", "nonsense", "[1]", "1", "null", r#"{"a":1"#, r#"{"a":1}{}"#] {
            assert!(matches!(Request::new("x", Some(text)), Err(ClientError::InvalidJson { .. })), "{text}");
            assert!(matches!(Request::tool(None, "x", Some(text)), Err(ClientError::InvalidJson { .. })));
        }
        let request = Request::tool(Some("a\"b"), "echo", Some("{\n\"n\":1.0}")).unwrap();
        let frame = Frame::parse(request.message("7")).unwrap();
        let arguments = r#"{"instance_id":"a\"b","tool":"echo","arguments":{ "n":1.0}}"#;
        assert_eq!(
            frame.params(),
            Some(format!(r#"{{"name":"instances_call","arguments":{arguments}}}"#).as_str())
        );
    }
}
