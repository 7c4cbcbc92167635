//! What a program's handlers are called with, and what they may answer.

use std::{borrow::Cow, collections::BTreeMap, error::Error, fmt, sync::Arc};

use rmcp::{
    RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, GetPromptRequestParams,
        GetPromptResponse, GetPromptResult, JsonObject, ProgressNotificationParam, PromptMessage,
        ReadResourceResponse, ReadResourceResult, ResourceContents, Role,
    },
    service::RequestContext,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A call of a tool. A cheap clone.
#[derive(Clone, Debug)]
pub struct ToolCall {
    request: Arc<CallToolRequestParams>,
    context: RequestContext<RoleServer>,
    /// It is answered; what comes later is not sent.
    answered: CancellationToken,
}

impl ToolCall {
    pub(super) fn new(request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Self {
        Self { request: Arc::new(request), context, answered: CancellationToken::new() }
    }

    /// Name of the tool.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.request.name
    }

    /// The arguments, as the client sent them. Nothing has been checked against the tool's schema.
    #[must_use]
    pub fn arguments(&self) -> Cow<'_, JsonObject> {
        match &self.request.arguments {
            Some(arguments) => Cow::Borrowed(arguments),
            None => Cow::Owned(JsonObject::new()),
        }
    }

    /// The arguments as a type of the program's own.
    ///
    /// # Errors
    /// When they are not of that form. The model is told what is wrong and can try again.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        let arguments = Value::Object(self.arguments().into_owned());
        serde_json::from_value(arguments).map_err(|error| CallError::new(format!("wrong arguments: {error}")))
    }

    /// Tells the client how far the call is, if it wants to know. `done` has to grow from one to the next.
    pub async fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        let Some(token) = self.context.meta.get_progress_token() else { return };
        if self.answered.is_cancelled() || self.cancelled().is_cancelled() {
            return;
        }
        let mut progress = ProgressNotificationParam::new(token, done);
        progress.total = total;
        progress.message = message.map(str::to_owned);
        // A client that has gone away misses nothing.
        let _ = self.context.peer.notify_progress(progress).await;
    }

    /// Cancelled when the client gives the call up, goes away (2026-07-28), or the server ends. The call's future is
    /// dropped a second later.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.context.ct
    }

    /// The whole request.
    #[must_use]
    pub fn request(&self) -> &CallToolRequestParams {
        &self.request
    }

    /// The client, its capabilities, and the HTTP request, as the SDK has them.
    #[must_use]
    pub fn context(&self) -> &RequestContext<RoleServer> {
        &self.context
    }

    pub(super) fn answered(&self) -> &CancellationToken {
        &self.answered
    }
}

/// A request to read a resource.
#[derive(Clone, Debug)]
pub struct ResourceRead {
    pub(super) uri: String,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) context: RequestContext<RoleServer>,
}

impl ResourceRead {
    /// The URI asked for.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// What stands in the place of a variable of the template, decoded.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// All of these.
    #[must_use]
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// The client, its capabilities, and the HTTP request, as the SDK has them.
    #[must_use]
    pub fn context(&self) -> &RequestContext<RoleServer> {
        &self.context
    }
}

/// A request for a prompt. Arguments that the prompt requires are there.
#[derive(Clone, Debug)]
pub struct PromptGet {
    pub(super) request: Arc<GetPromptRequestParams>,
    pub(super) context: RequestContext<RoleServer>,
}

impl PromptGet {
    /// Name of the prompt.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.request.name
    }

    /// One argument.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.request.arguments.as_ref()?.get(name)?.as_str()
    }

    /// The whole request.
    #[must_use]
    pub fn request(&self) -> &GetPromptRequestParams {
        &self.request
    }

    /// The client, its capabilities, and the HTTP request, as the SDK has them.
    #[must_use]
    pub fn context(&self) -> &RequestContext<RoleServer> {
        &self.context
    }
}

/// Why a handler has no answer. Any error becomes one with `?`.
///
/// For a tool it is a result that the model reads (2025-11-25, tools § Error Handling); for a resource or a prompt it is an
/// error of the protocol.
pub struct CallError(String);

impl CallError {
    /// With these words.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// What it says.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallError").field(&self.0).finish()
    }
}

// `CallError` is no `Error` itself: then this could not be.
impl<E: Error> From<E> for CallError {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// What a tool may answer: a text, a JSON value (as structured content, with its text beside it), nothing, content blocks,
/// or a result of the SDK.
pub trait IntoToolResponse {
    /// As the SDK has it.
    fn into_tool_response(self) -> CallToolResponse;
}

/// What a resource may hold: a text, a JSON value, or contents of the SDK.
pub trait IntoReadResponse {
    /// As the SDK has it; `uri` and `mime_type` for contents that do not have their own.
    fn into_read_response(self, uri: &str, mime_type: Option<&str>) -> ReadResourceResponse;
}

/// What a prompt may be: a text for the user to say, messages, or a result of the SDK.
pub trait IntoPromptResponse {
    /// As the SDK has it.
    fn into_prompt_response(self) -> GetPromptResponse;
}

macro_rules! convert {
    ($trait:ident :: $method:ident -> $response:ty { $($type:ty => $into:expr;)* }) => {
        $(impl $trait for $type {
            fn $method(self) -> $response {
                let into: fn($type) -> _ = $into;
                into(self).into()
            }
        })*
    };
}

convert!(IntoToolResponse::into_tool_response -> CallToolResponse {
    () => |()| CallToolResult::success(Vec::new());
    String => |text| CallToolResult::success(vec![ContentBlock::text(text)]);
    &'static str => |text| CallToolResult::success(vec![ContentBlock::text(text)]);
    Value => CallToolResult::structured;
    Vec<ContentBlock> => CallToolResult::success;
    CallToolResult => std::convert::identity;
    CallToolResponse => std::convert::identity;
});

convert!(IntoPromptResponse::into_prompt_response -> GetPromptResponse {
    String => |text| GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]);
    &'static str => |text| GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]);
    Vec<PromptMessage> => GetPromptResult::new;
    GetPromptResult => std::convert::identity;
    GetPromptResponse => std::convert::identity;
});

impl IntoReadResponse for String {
    fn into_read_response(self, uri: &str, mime_type: Option<&str>) -> ReadResourceResponse {
        let contents = ResourceContents::text(self, uri).with_mime_type(mime_type.unwrap_or("text/plain"));
        vec![contents].into_read_response(uri, mime_type)
    }
}

impl IntoReadResponse for &'static str {
    fn into_read_response(self, uri: &str, mime_type: Option<&str>) -> ReadResourceResponse {
        self.to_owned().into_read_response(uri, mime_type)
    }
}

impl IntoReadResponse for Value {
    fn into_read_response(self, uri: &str, mime_type: Option<&str>) -> ReadResourceResponse {
        self.to_string().into_read_response(uri, mime_type.or(Some("application/json")))
    }
}

impl IntoReadResponse for Vec<ResourceContents> {
    fn into_read_response(self, _uri: &str, _mime_type: Option<&str>) -> ReadResourceResponse {
        ReadResourceResult::new(self).into()
    }
}

impl IntoReadResponse for ReadResourceResult {
    fn into_read_response(self, _uri: &str, _mime_type: Option<&str>) -> ReadResourceResponse {
        self.into()
    }
}

impl IntoReadResponse for ReadResourceResponse {
    fn into_read_response(self, _uri: &str, _mime_type: Option<&str>) -> ReadResourceResponse {
        self
    }
}
