//! An rmcp server that shows each feature of MCP once, to clients of both eras: those that open with `initialize`, and those
//! of 2026-07-28, who have no session, are asked in results (`asking.rs`) and listen for changes (`listening.rs`).
#![expect(
    deprecated,
    reason = "the deprecated parts of MCP (logging, sampling, roots) must go through the hub, too"
)]

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::{
        tool::{InputResponses as Answers, RequestState, schema_for_output},
        wrapper::{Json, Parameters},
    },
    model::*,
    prompt, prompt_handler, prompt_router,
    service::{NotificationContext, RequestContext, SubscriptionContext},
    tool, tool_handler, tool_router,
};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    arguments::{Add, Answer, Big, Cancellations, Echo, Greeting, Log, Question, Sampled, Slow, Sum, Touch},
    asking::{Asked, Round},
    listening,
    shared::{Era, Shared, gone, is_modern, note_name},
};

/// One client's session; for clients without sessions, one request.
#[derive(Clone)]
pub(crate) struct Server {
    shared: Shared,
    level: Arc<watch::Sender<LoggingLevel>>,
    /// The notes this session subscribed to, with what ends each subscription.
    subscriptions: Arc<watch::Sender<HashMap<String, CancellationToken>>>,
    ended: CancellationToken,
    _ends_with_session: Arc<DropGuard>,
}

/// Values of `style` that completion offers.
const STYLES: [&str; 3] = ["formal", "friendly", "short"];

#[tool_router]
impl Server {
    pub(crate) fn new(shared: Shared) -> Self {
        let ended = CancellationToken::new();
        Self {
            shared,
            level: Arc::new(watch::Sender::new(LoggingLevel::Info)),
            subscriptions: Arc::default(),
            _ends_with_session: Arc::new(ended.clone().drop_guard()),
            ended,
        }
    }

    #[tool(description = "Says the message back")]
    async fn echo(&self, Parameters(Echo { message }): Parameters<Echo>) -> String {
        message
    }

    #[tool(description = "Adds two numbers")]
    async fn add(&self, Parameters(Add { a, b }): Parameters<Add>) -> Json<Sum> {
        Json(Sum { sum: a + b })
    }

    #[tool(description = "Takes its time and reports progress, until it is done or cancelled")]
    async fn slow(
        &self,
        Parameters(Slow { steps, step_ms }): Parameters<Slow>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        for step in 1..=steps {
            tokio::select! {
                biased;
                () = context.ct.cancelled() => return Err(self.shared.note_cancelled()),
                () = tokio::time::sleep(Duration::from_millis(step_ms)) => {}
            }
            if let Some(token) = context.meta.get_progress_token() {
                let progress = ProgressNotificationParam::new(token, f64::from(step))
                    .with_total(f64::from(steps))
                    .with_message(format!("step {step} of {steps}"));
                // Without a session, a client cancels by going away, which is noticed here or above.
                context.peer.notify_progress(progress).await.map_err(|_| self.shared.note_cancelled())?;
            }
        }
        Ok(format!("{steps} steps"))
    }

    #[tool(
        description = "Says how many calls of `slow` were cancelled, once there are more than `above` if that is given"
    )]
    async fn cancellations(
        &self,
        Parameters(Cancellations { above }): Parameters<Cancellations>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let mut cancelled = self.shared.cancelled.subscribe();
        let counted = cancelled.wait_for(|count| above.is_none_or(|above| *count > above));
        let counted = context.ct.run_until_cancelled(counted).await;
        let count = counted.and_then(Result::ok).map(|count| *count);
        count.map(|count| count.to_string()).ok_or_else(|| ErrorData::internal_error("cancelled", None))
    }

    #[tool(description = "Answers with a text of the given length")]
    async fn big(&self, Parameters(Big { bytes }): Parameters<Big>) -> String {
        "x".repeat(bytes)
    }

    #[tool(description = "Asks the person at the client (elicitation)")]
    async fn ask(
        &self,
        Parameters(Question { question }): Parameters<Question>,
        Answers(answers): Answers,
        RequestState(state): RequestState,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let round = Round::new("ask", &context, answers, state)?;
        let answer = match round.person::<Answer>(question).await? {
            Asked::Answered(answer) => answer,
            Asked::Open(open) => return Ok(open.into()),
        };
        let text = match (answer.action, answer.content) {
            (ElicitationAction::Accept, Some(content)) => {
                let Answer { answer } = serde_json::from_value(content)
                    .map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
                format!("answered: {answer}")
            }
            (ElicitationAction::Accept, None) => "answered nothing".to_owned(),
            (ElicitationAction::Decline, _) => "declined".to_owned(),
            _ => "dismissed".to_owned(),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }

    #[tool(description = "Asks the client's model (sampling)", output_schema = schema_for_output::<Sampled>())]
    async fn sample(
        &self,
        Parameters(Question { question }): Parameters<Question>,
        Answers(answers): Answers,
        RequestState(state): RequestState,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let round = Round::new("sample", &context, answers, state)?;
        let answer = match round.model(question).await? {
            Asked::Answered(answer) => answer,
            Asked::Open(open) => return Ok(open.into()),
        };
        let text = answer.message.content.iter().filter_map(|content| content.as_text());
        let sampled = Sampled { model: answer.model, text: text.map(|text| text.text.as_str()).collect() };
        Ok(CallToolResult::structured(json!(sampled)).into())
    }

    #[tool(description = "Lists the client's roots")]
    async fn roots(
        &self,
        Answers(answers): Answers,
        RequestState(state): RequestState,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let round = Round::new("roots", &context, answers, state)?;
        let roots = match round.roots().await? {
            Asked::Answered(answer) => answer.roots,
            Asked::Open(open) => return Ok(open.into()),
        };
        let text = roots.into_iter().map(|root| root.uri).collect::<Vec<_>>().join("\n");
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }

    #[tool(description = "Changes a note, which tells its subscribers")]
    async fn touch(&self, Parameters(Touch { name }): Parameters<Touch>) -> String {
        self.shared.revisions.send_modify(|notes| *notes.entry(name.clone()).or_default() += 1);
        format!("{name} is at revision {}", self.revision(&name))
    }

    #[tool(description = "Writes a log message, if the client wants messages of that level")]
    async fn log(
        &self,
        Parameters(Log { level, message }): Parameters<Log>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        // A client without a session says with each request what it wants to hear; without a word, nothing.
        let least = if is_modern(&context) { context.meta.log_level() } else { Some(*self.level.borrow()) };
        if least.is_none_or(|least| (level as u8) < (least as u8)) {
            return Ok("below the level".to_owned());
        }
        let message = LoggingMessageNotificationParam::new(level, message.into()).with_logger("rmcp-server");
        context.peer.notify_logging_message(message).await.map_err(gone)?;
        Ok("logged".to_owned())
    }

    #[tool(description = "Adds one tool to the list of tools")]
    async fn add_tool(&self) -> String {
        self.shared.added_tools.send_modify(|count| *count += 1);
        format!("added_{}", *self.shared.added_tools.borrow())
    }
}

#[prompt_router]
impl Server {
    #[prompt(name = "greeting", description = "Asks the model to greet someone")]
    async fn greeting(
        &self,
        Parameters(Greeting { name, style }): Parameters<Greeting>,
    ) -> Vec<PromptMessage> {
        let style = style.as_deref().unwrap_or("friendly");
        vec![PromptMessage::new_text(Role::User, format!("Write a {style} greeting for {name}."))]
    }
}

#[tool_handler]
#[prompt_handler]
impl ServerHandler for Server {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        let all = ProtocolVersion::KNOWN_VERSIONS.iter();
        let wanted = all.filter(|version| match self.shared.era {
            Era::Legacy => version.has_initialize(),
            Era::Modern => !version.has_initialize(),
            Era::Both => true,
        });
        wanted.cloned().collect::<Vec<_>>().into()
    }

    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_completions()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("rmcp-server", env!("CARGO_PKG_VERSION")))
            .with_instructions("Shows each feature of MCP once.")
    }

    /// Tells the client whenever a tool was added, whichever session added it.
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let (ended, mut added) = (self.ended.clone(), self.shared.added_tools.subscribe());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = ended.cancelled() => return,
                    changed = added.changed() => if changed.is_err() { return },
                }
                if context.peer.notify_tool_list_changed().await.is_err() {
                    return;
                }
            }
        });
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut tools = Self::tool_router().list_all();
        let added = 1..=*self.shared.added_tools.borrow();
        let anything = JsonObject::from_iter([("type".to_owned(), json!("object"))]);
        tools.extend(added.map(|number| {
            let name = format!("added_{number}");
            Tool::new(name, "A tool that was added while running", anything.clone())
        }));
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let welcome = Resource::new("note://welcome", "welcome").with_mime_type("text/plain");
        Ok(ListResourcesResult::with_all_items(vec![welcome]))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let note = ResourceTemplate::new("note://{name}", "note").with_mime_type("text/plain");
        Ok(ListResourceTemplatesResult::with_all_items(vec![note]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let name = note_name(&request.uri)?;
        let text = format!("note {name}, revision {}", self.revision(name));
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, &request.uri)]).into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let name = note_name(&request.uri)?.to_owned();
        let stop = self.ended.child_token();
        self.subscriptions.send_modify(|subscriptions| {
            if let Some(replaced) = subscriptions.insert(request.uri.clone(), stop.clone()) {
                replaced.cancel();
            }
        });
        let mut revisions = self.shared.revisions.subscribe();
        let mut last = self.revision(&name);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    changed = revisions.changed() => if changed.is_err() { return },
                }
                let revision = revisions.borrow_and_update().get(&name).copied().unwrap_or_default();
                if revision == last {
                    continue;
                }
                last = revision;
                let updated = ResourceUpdatedNotificationParam::new(request.uri.clone());
                if context.peer.notify_resource_updated(updated).await.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        listening::listen(&self.shared, &context).await;
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscriptions.send_modify(|subscriptions| {
            if let Some(stop) = subscriptions.remove(&request.uri) {
                stop.cancel();
            }
        });
        Ok(())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let typed = &request.argument.value;
        let values = match (&request.r#ref, request.argument.name.as_str()) {
            (Reference::Prompt(prompt), "style") if prompt.name == "greeting" => {
                STYLES.iter().filter(|style| style.starts_with(typed)).map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        };
        let completion = CompletionInfo::with_all_values(values)
            .map_err(|error| ErrorData::internal_error(error, None))?;
        Ok(CompleteResult::new(completion))
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.level.send_replace(request.level);
        Ok(())
    }
}

impl Server {
    fn revision(&self, name: &str) -> u64 {
        self.shared.revisions.borrow().get(name).copied().unwrap_or_default()
    }
}
