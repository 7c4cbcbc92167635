//! An rmcp server that shows each feature of MCP once.
#![expect(
    deprecated,
    reason = "the deprecated parts of MCP (logging, sampling, roots) must go through the hub, too"
)]

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use rmcp::{
    ErrorData, Peer, RoleServer, ServerHandler,
    handler::server::wrapper::{Json, Parameters},
    model::*,
    prompt, prompt_handler, prompt_router,
    service::{ElicitationError, NotificationContext, RequestContext, ServiceError},
    tool, tool_handler, tool_router,
};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::arguments::{Add, Answer, Big, Echo, Greeting, Log, Question, Sampled, Slow, Sum, Touch};

/// What all sessions share. Each value has one writer side and any number of readers that wait for changes.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    /// How often each note was touched.
    revisions: Arc<watch::Sender<BTreeMap<String, u64>>>,
    /// How many tools were added.
    added_tools: Arc<watch::Sender<usize>>,
    /// How many calls of `slow` were cancelled.
    cancelled: Arc<watch::Sender<u64>>,
}

/// One client's session.
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
                () = context.ct.cancelled() => {
                    self.shared.cancelled.send_modify(|count| *count += 1);
                    return Err(ErrorData::internal_error("cancelled", None));
                }
                () = tokio::time::sleep(Duration::from_millis(step_ms)) => {}
            }
            if let Some(token) = context.meta.get_progress_token() {
                let progress = ProgressNotificationParam::new(token, f64::from(step))
                    .with_total(f64::from(steps))
                    .with_message(format!("step {step} of {steps}"));
                context.peer.notify_progress(progress).await.map_err(gone)?;
            }
        }
        Ok(format!("{steps} steps"))
    }

    #[tool(description = "Says how many calls of `slow` were cancelled")]
    async fn cancellations(&self) -> String {
        self.shared.cancelled.borrow().to_string()
    }

    #[tool(description = "Answers with a text of the given length")]
    async fn big(&self, Parameters(Big { bytes }): Parameters<Big>) -> String {
        "x".repeat(bytes)
    }

    #[tool(description = "Asks the person at the client (elicitation)")]
    async fn ask(
        &self,
        Parameters(Question { question }): Parameters<Question>,
        peer: Peer<RoleServer>,
    ) -> Result<String, ErrorData> {
        match peer.elicit::<Answer>(question).await {
            Ok(Some(Answer { answer })) => Ok(format!("answered: {answer}")),
            Ok(None) => Ok("answered nothing".to_owned()),
            Err(ElicitationError::UserDeclined) => Ok("declined".to_owned()),
            Err(ElicitationError::UserCancelled) => Ok("dismissed".to_owned()),
            Err(error) => Err(ErrorData::internal_error(error.to_string(), None)),
        }
    }

    #[tool(description = "Asks the client's model (sampling)")]
    async fn sample(
        &self,
        Parameters(Question { question }): Parameters<Question>,
        peer: Peer<RoleServer>,
    ) -> Result<Json<Sampled>, ErrorData> {
        let request = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(question)], 100);
        let answer = peer.create_message(request).await.map_err(gone)?;
        let text = answer.message.content.iter().filter_map(|content| content.as_text());
        Ok(Json(Sampled { model: answer.model, text: text.map(|text| text.text.as_str()).collect() }))
    }

    #[tool(description = "Lists the client's roots")]
    async fn roots(&self, peer: Peer<RoleServer>) -> Result<String, ErrorData> {
        let roots = peer.list_roots().await.map_err(gone)?.roots;
        Ok(roots.into_iter().map(|root| root.uri).collect::<Vec<_>>().join("\n"))
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
        peer: Peer<RoleServer>,
    ) -> Result<String, ErrorData> {
        if (level as u8) < (*self.level.borrow() as u8) {
            return Ok("below the level".to_owned());
        }
        let message = LoggingMessageNotificationParam::new(level, message.into()).with_logger("rmcp-server");
        peer.notify_logging_message(message).await.map_err(gone)?;
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
        tools.extend(added.map(|number| {
            Tool::new(format!("added_{number}"), "A tool that was added while running", JsonObject::new())
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

/// The name in `note://NAME`.
fn note_name(uri: &str) -> Result<&str, ErrorData> {
    uri.strip_prefix("note://").filter(|name| !name.is_empty()).ok_or_else(|| {
        ErrorData::resource_not_found(format!("no resource {uri}"), Some(json!({ "uri": uri })))
    })
}

/// The client could not be asked or told.
fn gone(error: ServiceError) -> ErrorData {
    match error {
        ServiceError::McpError(error) => error,
        error => ErrorData::internal_error(error.to_string(), None),
    }
}
