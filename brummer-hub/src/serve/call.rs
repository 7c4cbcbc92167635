//! What a program's handlers are called with, and what they may answer.

use std::{borrow::Cow, collections::BTreeMap, error::Error, sync::Arc};

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode,
        GetPromptRequestParams, GetPromptResult, ProgressNotificationParam, PromptMessage, ProtocolVersion,
        ReadResourceResult, ResourceContents, Role,
    },
    service::RequestContext,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    logging::{self, LogLevel},
    shapes::{PromptResponse, ReadResponse, ToolResponse},
};

/// A call of a tool. A cheap clone.
#[derive(Clone, Debug)]
pub struct ToolCall {
    request: Arc<CallToolRequestParams>,
    context: RequestContext<RoleServer>,
    /// From which level on the session's client wants log messages.
    level: watch::Receiver<LogLevel>,
    /// It is answered; what comes later is not sent.
    answered: CancellationToken,
}

impl ToolCall {
    pub(super) fn new(
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
        level: watch::Receiver<LogLevel>,
    ) -> Self {
        Self { request: Arc::new(request), context, level, answered: CancellationToken::new() }
    }

    /// Name of the tool.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.request.name
    }

    /// The arguments, as the client sent them. Nothing has been checked against the tool's schema.
    #[must_use]
    pub fn arguments(&self) -> Cow<'_, Map<String, Value>> {
        match &self.request.arguments {
            Some(arguments) => Cow::Borrowed(arguments),
            None => Cow::Owned(Map::new()),
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
        if self.is_over() {
            return;
        }
        let mut progress = ProgressNotificationParam::new(token, done);
        progress.total = total;
        progress.message = message.map(str::to_owned);
        // A client that has gone away misses nothing.
        let _ = self.context.peer.notify_progress(progress).await;
    }

    /// Whether the client wants to know how far the call is.
    #[must_use]
    pub fn wants_progress(&self) -> bool {
        self.context.meta.get_progress_token().is_some()
    }

    /// Writes a log message to the client, if it wants messages of this level.
    pub async fn log(&self, level: LogLevel, logger: Option<&str>, data: impl Into<Value>) {
        let from = match is_modern(&self.context) {
            true => logging::wanted(&self.context),
            false => Some(*self.level.borrow()),
        };
        if !self.is_over() && from.is_some_and(|from| level >= from) {
            logging::send(&self.context.peer, level, logger, data.into()).await;
        }
    }

    fn is_over(&self) -> bool {
        self.answered.is_cancelled() || self.cancelled().is_cancelled()
    }

    /// Cancelled when the client gives the call up, goes away (2026-07-28), or the server ends. The call's future is
    /// dropped a second later.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.context.ct
    }

    /// The whole request.
    #[cfg(feature = "sdk")]
    #[must_use]
    pub fn request(&self) -> &CallToolRequestParams {
        &self.request
    }

    /// The client, its capabilities, and the HTTP request, as the SDK has them.
    #[cfg(feature = "sdk")]
    #[must_use]
    pub fn context(&self) -> &RequestContext<RoleServer> {
        &self.context
    }

    pub(super) fn answered(&self) -> &CancellationToken {
        &self.answered
    }
}

/// Whether the request is one of a revision without sessions.
pub(super) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
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

    /// Cancelled when the client gives the request up, goes away (2026-07-28), or the server ends.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.context.ct
    }

    /// The client, its capabilities, and the HTTP request, as the SDK has them.
    #[cfg(feature = "sdk")]
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

    /// All arguments.
    #[must_use]
    pub fn arguments(&self) -> Option<&Map<String, Value>> {
        self.request.arguments.as_ref()
    }

    /// Cancelled when the client gives the request up, goes away (2026-07-28), or the server ends.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.context.ct
    }

    /// The whole request.
    #[cfg(feature = "sdk")]
    #[must_use]
    pub fn request(&self) -> &GetPromptRequestParams {
        &self.request
    }

    /// The client, its capabilities, and the HTTP request, as the SDK has them.
    #[cfg(feature = "sdk")]
    #[must_use]
    pub fn context(&self) -> &RequestContext<RoleServer> {
        &self.context
    }
}

/// Why a handler has no answer. Any error becomes one with `?`.
///
/// For a tool it is a result that the model reads (2025-11-25, tools § Error Handling); for a resource or a prompt it is an
/// error of the protocol. An `ErrorData` of the SDK stays the error of the protocol that it is.
#[derive(Debug)]
pub struct CallError(Reason);

#[derive(Debug)]
enum Reason {
    Message(String),
    Protocol(ErrorData),
}

impl CallError {
    /// With these words.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Reason::Message(message.into()))
    }

    /// An error of the protocol, for a tool also, with its code in JSON-RPC.
    pub fn protocol(code: i32, message: impl Into<String>, data: Option<Value>) -> Self {
        Self(Reason::Protocol(ErrorData::new(ErrorCode(code), message.into(), data)))
    }

    /// What it says.
    #[must_use]
    pub fn message(&self) -> &str {
        match &self.0 {
            Reason::Message(message) => message,
            Reason::Protocol(error) => &error.message,
        }
    }

    /// As the result of a tool.
    pub(super) fn into_tool_response(self) -> Result<CallToolResponse, ErrorData> {
        match self.0 {
            Reason::Message(message) => Ok(CallToolResult::error(vec![ContentBlock::text(message)]).into()),
            Reason::Protocol(error) => Err(error),
        }
    }

    /// As an error of the protocol.
    pub(super) fn into_protocol(self) -> ErrorData {
        match self.0 {
            Reason::Message(message) => ErrorData::internal_error(message, None),
            Reason::Protocol(error) => error,
        }
    }
}

// `CallError` is no `Error` itself: then this could not be.
impl<E: Error + 'static> From<E> for CallError {
    fn from(error: E) -> Self {
        let protocol = (&error as &dyn Error).downcast_ref::<ErrorData>();
        Self(protocol.map_or_else(|| Reason::Message(error.to_string()), |it| Reason::Protocol(it.clone())))
    }
}

/// What a tool may answer: a text, a JSON value (as structured content, with its text beside it), nothing, or a whole result;
/// with the feature `sdk` also content blocks and results of the SDK.
pub trait IntoToolResponse {
    /// As a result.
    fn into_tool_response(self) -> ToolResponse;
}

/// What a resource may hold: a text, a JSON value, or whole contents; with the feature `sdk` also contents of the SDK.
pub trait IntoReadResponse {
    /// As contents; `uri` and `mime_type` for those that do not have their own.
    fn into_read_response(self, uri: &str, mime_type: Option<&str>) -> ReadResponse;
}

/// What a prompt may be: a text for the user to say, or a whole result; with the feature `sdk` also messages and results of
/// the SDK.
pub trait IntoPromptResponse {
    /// As a result.
    fn into_prompt_response(self) -> PromptResponse;
}

macro_rules! convert {
    ($trait:ident :: $method:ident -> $response:ident { $($(#[$gate:meta])* $type:ty => $into:expr;)* }) => {
        $(
            $(#[$gate])*
            impl $trait for $type {
                fn $method(self) -> $response {
                    let into: fn($type) -> _ = $into;
                    $response(into(self).into())
                }
            }
        )*

        impl $trait for $response {
            fn $method(self) -> $response {
                self
            }
        }
    };
}

convert!(IntoToolResponse::into_tool_response -> ToolResponse {
    () => |()| CallToolResult::success(Vec::new());
    String => |text| CallToolResult::success(vec![ContentBlock::text(text)]);
    &'static str => |text| CallToolResult::success(vec![ContentBlock::text(text)]);
    Value => CallToolResult::structured;
    #[cfg(feature = "sdk")]
    Vec<ContentBlock> => CallToolResult::success;
    #[cfg(feature = "sdk")]
    CallToolResult => std::convert::identity;
    #[cfg(feature = "sdk")]
    CallToolResponse => std::convert::identity;
});

convert!(IntoPromptResponse::into_prompt_response -> PromptResponse {
    String => |text| GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]);
    &'static str => |text| GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]);
    #[cfg(feature = "sdk")]
    Vec<PromptMessage> => GetPromptResult::new;
    #[cfg(feature = "sdk")]
    GetPromptResult => std::convert::identity;
    #[cfg(feature = "sdk")]
    rmcp::model::GetPromptResponse => std::convert::identity;
});

impl IntoReadResponse for String {
    fn into_read_response(self, uri: &str, mime_type: Option<&str>) -> ReadResponse {
        let contents = ResourceContents::text(self, uri).with_mime_type(mime_type.unwrap_or("text/plain"));
        ReadResponse(ReadResourceResult::new(vec![contents]).into())
    }
}

impl IntoReadResponse for &'static str {
    fn into_read_response(self, uri: &str, mime_type: Option<&str>) -> ReadResponse {
        self.to_owned().into_read_response(uri, mime_type)
    }
}

impl IntoReadResponse for Value {
    fn into_read_response(self, uri: &str, mime_type: Option<&str>) -> ReadResponse {
        self.to_string().into_read_response(uri, mime_type.or(Some("application/json")))
    }
}

impl IntoReadResponse for ReadResponse {
    fn into_read_response(self, _uri: &str, _mime_type: Option<&str>) -> ReadResponse {
        self
    }
}

#[cfg(feature = "sdk")]
impl IntoReadResponse for Vec<ResourceContents> {
    fn into_read_response(self, _uri: &str, _mime_type: Option<&str>) -> ReadResponse {
        ReadResponse(ReadResourceResult::new(self).into())
    }
}

#[cfg(feature = "sdk")]
impl IntoReadResponse for ReadResourceResult {
    fn into_read_response(self, _uri: &str, _mime_type: Option<&str>) -> ReadResponse {
        ReadResponse(self.into())
    }
}

#[cfg(feature = "sdk")]
impl IntoReadResponse for rmcp::model::ReadResourceResponse {
    fn into_read_response(self, _uri: &str, _mime_type: Option<&str>) -> ReadResponse {
        ReadResponse(self)
    }
}
