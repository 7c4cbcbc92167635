//! One line of the hub's output, read no further than a client must, so that what no JSON library can hold stays visible.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// A line with the parts that it is told apart by.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The line as it came, without its end.
    pub(crate) raw: String,
    /// The id as it was written.
    pub(crate) id: Option<String>,
    pub(crate) method: Option<String>,
    /// `result` as it was written.
    pub(crate) result: Option<String>,
    /// `error` as it was written.
    pub(crate) error: Option<String>,
    /// `params` as they were written.
    pub(crate) params: Option<String>,
}

/// A JSON-RPC error.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) data: Value,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

impl Line {
    /// Reads a line. A line that is no JSON object (a batch, or dirt) has no parts.
    pub(crate) fn read(raw: String) -> Self {
        let envelope: Option<Envelope<'_>> = serde_json::from_str(&raw).ok();
        let text = |part: Option<&RawValue>| part.map(|part| part.get().to_owned());
        let (id, method, result, error, params) = match &envelope {
            Some(it) => (
                // `"id": null` reads as absent, which would hide it.
                text(it.id).or_else(|| raw.contains(r#""id":null"#).then(|| "null".to_owned())),
                it.method.as_deref().map(str::to_owned),
                text(it.result),
                text(it.error),
                text(it.params),
            ),
            None => Default::default(),
        };
        Self { id, method, result, error, params, raw }
    }

    /// The whole line as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.raw).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.raw))
    }

    /// The result, or a panic that shows what came instead.
    pub(crate) fn ok(&self) -> Value {
        let Some(result) = &self.result else { panic!("a result was expected, not {}", self.raw) };
        serde_json::from_str(result).unwrap()
    }

    /// The error, or a panic that shows what came instead.
    pub(crate) fn err(&self) -> RpcError {
        let Some(error) = &self.error else { panic!("an error was expected, not {}", self.raw) };
        serde_json::from_str(error).unwrap()
    }

    /// Whether a call has come to something.
    pub(crate) fn is_done(&self) -> bool {
        self.result.is_some() && self.ok()["isError"] != true
    }

    /// What the hub says of a call that it could not get done: a result with `isError`, its text as `message`, what it knows as
    /// `data`. It must be complete in its text, which some clients show alone, and without a structured part, for which the
    /// tool's own schema would hold.
    pub(crate) fn failure(&self) -> RpcError {
        let result = self.ok();
        assert_eq!(result["isError"], true, "{result:#}");
        assert!(result.get("structuredContent").is_none(), "{result:#}");
        let message = result["content"][0]["text"].as_str().expect("a text").to_owned();
        RpcError { code: 0, message, data: result["_meta"]["brummer-hub/failure"].clone() }
    }

    /// The parameters as JSON; null when there are none.
    pub(crate) fn params(&self) -> Value {
        self.params.as_deref().map_or(Value::Null, |params| serde_json::from_str(params).unwrap())
    }

    /// Whether this answers the request with this id.
    pub(crate) fn answers(&self, id: &str) -> bool {
        self.method.is_none() && self.id.as_deref() == Some(id)
    }

    /// Whether this is a notification of this method.
    pub(crate) fn notifies(&self, method: &str) -> bool {
        self.id.is_none() && self.method.as_deref() == Some(method)
    }

    /// Whether this is a request of this method.
    pub(crate) fn requests(&self, method: &str) -> bool {
        self.id.is_some() && self.method.as_deref() == Some(method)
    }

    /// The text of a tool result's first content, and that the result is no error.
    pub(crate) fn text(&self) -> String {
        let result = self.ok();
        assert_ne!(result["isError"], true, "{result:#}");
        result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {result:#}")).to_owned()
    }
}
