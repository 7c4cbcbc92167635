//! The SDK's handler for an [`Offer`].
//!
//! There is one for each session of a legacy client, and one for each request of another. All share what [`HandlerContext`]
//! has; of its own a handler has the subscriptions of its session. A session's follower, a task, tells its client what has
//! changed; it ends with the handler.

#![expect(deprecated, reason = "the SDK deprecates what the revisions before 2026-07-28 have")]

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::*,
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    call::{CallError, PromptGet, ResourceRead, ToolCall, is_modern},
    changes::{Changes, Follower, Subscribed},
    logging::LogLevel,
    offer::Offer,
};
use crate::{protocol::method, registration::RegistrationOptions};

/// How long the future of a cancelled call is kept, so that it can end in order.
const PARTING: Duration = Duration::from_secs(1);

/// Resources that one client may subscribe to at a time; with none more than this the lists of a server are read, too.
const MAX_SUBSCRIPTIONS: usize = 1024;

/// What all handlers of a server share.
#[derive(Debug)]
pub(super) struct HandlerContext {
    pub(super) offer: watch::Receiver<Arc<Offer>>,
    pub(super) changes: Changes,
    pub(super) info: ServerConfig,
    /// Followers and calls, for whoever waits until all have ended.
    pub(super) tasks: TaskTracker,
    /// One permit for each call: a session's call goes on when its connection is closed, so the door does not bound them.
    pub(super) room: Semaphore,
    pub(super) stopping: CancellationToken,
}

/// Answers one session, or one request.
pub(super) struct OfferHandler {
    shared: Arc<HandlerContext>,
    follower: Follower,
    subscribed: watch::Sender<Subscribed>,
    level: watch::Sender<LogLevel>,
    ended: CancellationToken,
    _ends_the_follower: DropGuard,
}

/// What the server says of itself: the name and version that it is announced with.
pub(super) fn info(announced: &RegistrationOptions, instructions: Option<String>) -> ServerConfig {
    let directory = || announced.path.as_ref()?.file_name()?.to_str().map(str::to_owned);
    let name = announced.name.clone().or_else(directory).unwrap_or_else(|| "instance".to_owned());
    let version = announced.version.as_deref().unwrap_or("unknown");
    let capabilities = ServerCapabilities::builder()
        .enable_tools()
        .enable_tool_list_changed()
        .enable_resources()
        .enable_resources_list_changed()
        .enable_resources_subscribe()
        .enable_prompts()
        .enable_prompts_list_changed()
        .enable_completions()
        .enable_logging()
        .build();
    let mut info = ServerConfig::new(capabilities).with_server_info(Implementation::new(name, version));
    info.instructions = instructions;
    info
}

impl OfferHandler {
    pub(super) fn new(shared: Arc<HandlerContext>) -> Self {
        let ended = CancellationToken::new();
        Self {
            // From its beginning, so that nothing is missed between a listener's acknowledgement and its first look.
            follower: shared.changes.follow(),
            shared,
            subscribed: watch::Sender::default(),
            level: watch::Sender::default(),
            _ends_the_follower: ended.clone().drop_guard(),
            ended,
        }
    }

    fn offer(&self) -> Arc<Offer> {
        Arc::clone(&self.shared.offer.borrow())
    }

    /// Awaits an answer of the program's, whatever becomes of it.
    async fn await_answer<T>(
        &self,
        answer: impl Future<Output = Result<T, CallError>>,
        cancelled: &CancellationToken,
    ) -> Result<Result<T, CallError>, ErrorData> {
        let Ok(_permit) = self.shared.room.try_acquire() else {
            return Err(ErrorData::internal_error("too many calls at a time; try again later", None));
        };
        let _counted = self.shared.tasks.token();
        let parted = async {
            cancelled.cancelled().await;
            tokio::time::sleep(PARTING).await;
        };
        tokio::select! {
            biased;
            answer = AssertUnwindSafe(answer).catch_unwind() => answer.map_err(|_| {
                tracing::error!("a handler panicked");
                ErrorData::internal_error("the handler of this request panicked", None)
            }),
            // The client does not read it.
            () = parted => Err(ErrorData::internal_error("cancelled", None)),
        }
    }
}

/// Structured content is an object up to 2025-11-25, and any value later.
fn fit_to_client(mut response: CallToolResponse, context: &RequestContext<RoleServer>) -> CallToolResponse {
    if let CallToolResponse::Complete(result) = &mut response
        && result.structured_content.as_ref().is_some_and(|content| !content.is_object())
        && !is_modern(context)
    {
        result.structured_content = None;
    }
    response
}

impl ServerHandler for OfferHandler {
    fn get_info(&self) -> ServerConfig {
        self.shared.info.clone()
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let follower = self.follower.clone().follow_for_session(context.peer, self.subscribed.subscribe());
        let ended = self.ended.clone();
        self.shared.tasks.spawn(async move { ended.run_until_cancelled(follower).await });
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.offer().tools()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        Some(Tool::clone(&self.shared.offer.borrow().find_tool(name)?.definition))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let offer = self.offer();
        let Some(tool) = offer.find_tool(&request.name) else {
            return Err(ErrorData::invalid_params(format!("Unknown tool: {}", request.name), None));
        };
        let call = ToolCall::new(request, context.clone(), self.level.subscribe());
        let answered = call.answered().clone().drop_guard();
        let answer = self.await_answer(tool.answer(call), &context.ct).await?;
        drop(answered);
        Ok(fit_to_client(answer.or_else(CallError::into_tool_response)?, &context))
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(self.offer().resources()))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(self.offer().templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let (uri, cancelled) = (request.uri, context.ct.clone());
        let call = |variables| ResourceRead { uri: uri.clone(), variables, context };
        let Some(answer) = self.offer().read(&uri, call) else {
            let data = Some(json!({ "uri": uri }));
            return Err(ErrorData::resource_not_found(format!("no resource {uri}"), data));
        };
        self.await_answer(answer, &cancelled).await?.map_err(CallError::into_protocol)
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(self.offer().prompts()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let offer = self.offer();
        let Some(prompt) = offer.find_prompt(&request.name) else {
            return Err(ErrorData::invalid_params(format!("Unknown prompt: {}", request.name), None));
        };
        let given =
            |name: &str| request.arguments.as_ref().is_some_and(|arguments| arguments.contains_key(name));
        let declared = prompt.definition.arguments.iter().flatten();
        if let Some(missing) = declared.filter(|it| it.required == Some(true)).find(|it| !given(&it.name)) {
            return Err(ErrorData::invalid_params(format!("Missing argument: {}", missing.name), None));
        }
        let cancelled = context.ct.clone();
        let call = PromptGet { request: Arc::new(request), context };
        self.await_answer(prompt.answer(call), &cancelled).await?.map_err(CallError::into_protocol)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let Some(answer) = self.offer().complete(request) else { return Ok(CompleteResult::default()) };
        let mut values = self.await_answer(answer, &context.ct).await?.map_err(CallError::into_protocol)?;
        let mut info = CompletionInfo::default();
        info.total = u32::try_from(values.len()).ok();
        info.has_more = Some(values.len() > CompletionInfo::MAX_VALUES);
        values.truncate(CompletionInfo::MAX_VALUES);
        info.values = values;
        Ok(CompleteResult::new(info))
    }

    /// The SDK takes a request for one of a method of its own when it does not understand the parameters.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let is_known = match &*request.method {
            method::TOOLS_CALL
            | method::PROMPTS_GET
            | method::RESOURCES_READ
            | method::COMPLETION_COMPLETE => true,
            method::RESOURCES_SUBSCRIBE | method::RESOURCES_UNSUBSCRIBE | method::LOGGING_SET_LEVEL => {
                !is_modern(&context)
            }
            _ => false,
        };
        if !is_known {
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None));
        }
        let arguments = request.params.as_ref().and_then(|params| params.get("arguments"));
        let why = match arguments {
            Some(arguments) if !arguments.is_object() && !arguments.is_null() => {
                "`arguments` must be an object, such as {\"name\": \"value\"}"
            }
            _ => "they are not what MCP asks for",
        };
        Err(ErrorData::invalid_params(format!("wrong parameters of `{}`: {why}", request.method), None))
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if is_modern(&context) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        self.level.send_replace(LogLevel::of_sdk(request.level));
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let mut room = true;
        self.subscribed.send_modify(|subscribed| {
            room = subscribed.len() < MAX_SUBSCRIPTIONS || subscribed.contains(&request.uri);
            if room {
                subscribed.insert(request.uri);
            }
        });
        let full = || ErrorData::invalid_request("too many subscriptions; end some first", None);
        room.then_some(()).ok_or_else(full)
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscribed.send_modify(|subscribed| {
            subscribed.remove(&request.uri);
        });
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = requested.clone();
        if let Some(uris) = &mut accepted.resource_subscriptions {
            uris.truncate(MAX_SUBSCRIPTIONS);
        }
        Some(accepted)
    }

    async fn listen(&self, listener: SubscriptionContext) -> Result<(), ErrorData> {
        let _counted = self.shared.tasks.token();
        tokio::select! {
            biased;
            // Its answer says that the server ends (2026-07-28, subscriptions § Ending).
            () = self.shared.stopping.cancelled() => {}
            () = self.follower.clone().follow_for_listener(&listener) => {}
        }
        Ok(())
    }
}
