//! The script's client on the Rust SDK, of either era.

#![expect(deprecated, reason = "the deprecated parts of MCP must go through the hub, too")]

use std::sync::Arc;

use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt as _, ErrorData, RoleClient, ServiceError,
    model::*,
    service::{NotificationContext, PeerRequestOptions, RequestContext, RunningService, Subscription},
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Outcomes, Place, Step, script};
use crate::support::{HubOptions, LATEST, expect};

/// What a step made the client be asked and told, and how it answers.
#[derive(Clone, Debug, Default)]
struct Told {
    asked: Vec<Value>,
    heard: Vec<Value>,
    answer: Value,
}

#[derive(Clone, Default)]
struct Client {
    told: Arc<watch::Sender<Told>>,
}

impl Client {
    fn asked(&self, method: &str, params: impl serde::Serialize) {
        let mut question = json!({ "method": method, "params": params });
        if let Some(params) = question["params"].as_object_mut() {
            params.shift_remove("_meta");
        }
        self.told.send_modify(|told| told.asked.push(question));
    }

    fn heard(&self, what: Value) {
        self.told.send_modify(|told| told.heard.push(what));
    }

    /// Waits until something was heard.
    async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut told = self.told.subscribe();
        let told = expect(what, told.wait_for(|told| told.heard.iter().any(&wanted))).await.unwrap();
        told.heard.iter().find(|it| wanted(it)).expect("it was just there").clone()
    }
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientInfo {
        let capabilities =
            ClientCapabilities::builder().enable_roots().enable_sampling().enable_elicitation().build();
        ClientInfo::new(capabilities, Implementation::new("pairs", "1.0.0"))
            .with_protocol_version(serde_json::from_value(json!(LATEST)).unwrap())
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.asked("sampling/createMessage", &params);
        let message = SamplingMessage::assistant_text("the model's answer");
        Ok(CreateMessageResult::new(message, "test-model".to_owned()))
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.asked("elicitation/create", &params);
        Ok(serde_json::from_value(self.told.borrow().answer.clone()).unwrap())
    }

    async fn list_roots(&self, _context: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        self.asked("roots/list", json!({}));
        Ok(ListRootsResult::new(vec![Root::new("file:///first"), Root::new("file:///second")]))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let mut progress = json!(params);
        progress.as_object_mut().unwrap().shift_remove("progressToken");
        self.heard(json!({ "progress": progress }));
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.heard(json!({ "method": "notifications/resources/updated", "params": { "uri": params.uri } }));
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.heard(json!({ "method": "notifications/message", "params": params }));
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.heard(json!({ "method": "notifications/tools/list_changed" }));
    }
}

/// A client that is connected, and what it is served under.
struct Connected {
    client: RunningService<RoleClient, Client>,
    prefix: &'static str,
    modern: bool,
}

/// Runs the script.
pub(super) async fn run(modern: bool, place: Place<'_>) -> Outcomes {
    let lifecycle = if modern {
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
    } else {
        ClientLifecycleMode::Initialize
    };
    let client = match place {
        Place::Direct(instance) => {
            let url = format!("http://127.0.0.1:{}/mcp", instance.port);
            let transport = StreamableHttpClientTransport::from_uri(url);
            Client::default().serve_with_lifecycle(transport, lifecycle).await.unwrap()
        }
        Place::Hub(home, ..) => {
            let command = HubOptions::args(&["--no-auto-connect"]).command(home);
            let transport = TokioChildProcess::new(command).unwrap();
            Client::default().serve_with_lifecycle(transport, lifecycle).await.unwrap()
        }
    };
    let it = Connected { client, prefix: place.prefix(), modern };
    if let Place::Hub(_, instance, ..) = place {
        it.connect(&instance.id).await;
    }
    let mut outcomes = Outcomes::new();
    for step in script() {
        let answer = step.rest["answer"].clone();
        it.client.service().told.send_replace(Told { answer, ..Told::default() });
        let deaf = matches!(place, Place::Hub(.., lost) if lost.step(&step));
        let mut outcome = match expect(&step.name, it.step(&step, deaf)).await {
            Ok(result) => json!({ "result": result }),
            Err(ServiceError::McpError(error)) => json!({ "error": error }),
            Err(error) => json!({ "error": { "message": error.to_string() } }),
        };
        let mut told = it.client.service().told.borrow().clone();
        // The hub's own list may change while it finds the instance; the step that is about changes has waited for them.
        told.heard.retain(|heard| heard["method"] != "notifications/tools/list_changed");
        // This client handles notifications side by side, so their order is not the one they came in.
        told.heard.sort_by_key(|heard| heard["progress"]["progress"].as_f64().map(f64::to_bits));
        outcome["asked"] = told.asked.into();
        outcome["heard"] = told.heard.into();
        outcomes.insert(step.name, outcome);
    }
    it.client.cancel().await.unwrap();
    outcomes
}

impl Connected {
    /// Waits until the hub has found the instance, and connects the session to it where a session can be.
    async fn connect(&self, id: &str) {
        expect("the instance is active", async {
            let listed = |result: &Value| {
                let instances = result["structuredContent"]["instances"].as_array().unwrap();
                instances.iter().any(|it| it["id"] == id && it["state"] == "active")
            };
            while !listed(&self.call("instances_list", &json!({})).await.unwrap()) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        if !self.modern {
            self.call("instances_connect", &json!({ "instance_id": id })).await.unwrap();
        }
    }

    async fn call(&self, name: &str, arguments: &Value) -> Result<Value, ServiceError> {
        self.client.call_tool(call(name, arguments)).await.map(|result| json!(result))
    }

    /// A call of the tool that a step names.
    async fn own_call(&self, rest: &Value) -> Result<Value, ServiceError> {
        self.call(&self.own(&rest["tool"]), &rest["arguments"]).await
    }

    /// The name under which the tool or prompt is served.
    fn own(&self, name: &Value) -> String {
        format!("{}{}", self.prefix, name.as_str().unwrap())
    }

    async fn step(&self, Step { r#do, rest, .. }: &Step, deaf: bool) -> Result<Value, ServiceError> {
        let told = self.client.service();
        let result = match r#do.as_str() {
            "list" => {
                let listed = self.list(rest["what"].as_str().unwrap()).await?;
                let constant = |item: &Value| !item["name"].as_str().unwrap().starts_with("added_");
                listed.into_iter().filter(constant).collect()
            }
            "call" => self.own_call(rest).await?,
            "cancel" => self.cancelled(rest).await?,
            "read" => {
                let params = ReadResourceRequestParams::new(rest["uri"].as_str().unwrap());
                json!(self.client.read_resource(params).await?)
            }
            "follow" => {
                let uri = rest["uri"].as_str().unwrap();
                let listening = self.follow(uri).await?;
                self.own_call(rest).await?;
                let updated =
                    told.until("the update", |it| it["method"] == "notifications/resources/updated").await;
                self.stop(listening, uri).await?;
                updated
            }
            "prompt" => {
                let mut params = GetPromptRequestParams::new(self.own(&rest["prompt"]));
                params.arguments = rest["arguments"].as_object().cloned();
                json!(self.client.get_prompt(params).await?)
            }
            "complete" => {
                let mut params = rest["params"].clone();
                params["ref"]["name"] = self.own(&params["ref"]["name"]).into();
                json!(self.client.complete(serde_json::from_value(params).unwrap()).await?)
            }
            "log" => self.log(rest).await?,
            "grow" => {
                let before = self.list("tools").await?.len();
                let listening = self.follow("tools").await?;
                self.own_call(rest).await?;
                told.until("the change", |it| it["method"] == "notifications/tools/list_changed").await;
                let after = self.list("tools").await?.len();
                self.stop(listening, "tools").await?;
                told.told.send_modify(|told| told.heard.clear());
                json!(after - before)
            }
            other => panic!("the script says {other}"),
        };
        let hears = if deaf { 0 } else { rest["hears"].as_u64().unwrap_or(0) };
        let hears = usize::try_from(hears).unwrap();
        let mut told = told.told.subscribe();
        told.wait_for(|told| told.heard.len() >= hears).await.unwrap();
        Ok(result)
    }

    async fn list(&self, what: &str) -> Result<Vec<Value>, ServiceError> {
        let items = match what {
            "tools" => json!(self.client.list_all_tools().await?),
            "prompts" => json!(self.client.list_all_prompts().await?),
            "resources" => json!(self.client.list_all_resources().await?),
            _ => json!(self.client.list_all_resource_templates().await?),
        };
        let own = |item: &Value| {
            let begins = |key: &str, with: &str| item[key].as_str().is_some_and(|it| it.starts_with(with));
            !begins("name", "instances_") && !begins("uri", "brummer:")
        };
        let bare = |mut item: Value| {
            if let Some(name) = item["name"].as_str().and_then(|name| name.strip_prefix(self.prefix)) {
                item["name"] = name.into();
            }
            item
        };
        let Value::Array(items) = items else { unreachable!("a list") };
        Ok(items.into_iter().filter(own).map(bare).collect())
    }

    /// A call that is cancelled at its first progress.
    async fn cancelled(&self, rest: &Value) -> Result<Value, ServiceError> {
        let told = self.client.service();
        let before = self.cancellations().await?;
        let request = CallToolRequest::new(call(&self.own(&rest["tool"]), &rest["arguments"]));
        let options = PeerRequestOptions::no_options();
        let request = ClientRequest::CallToolRequest(request);
        let running = self.client.send_cancellable_request(request, options).await?;
        told.until("progress", |it| !it["progress"].is_null()).await;
        running.cancel(Some("enough".to_owned())).await?;
        while self.cancellations().await? == before {
            tokio::task::yield_now().await;
        }
        told.told.send_modify(|told| told.heard.clear());
        Ok(json!({ "error": "enough" }))
    }

    async fn cancellations(&self) -> Result<Value, ServiceError> {
        let result = self.call(&format!("{}cancellations", self.prefix), &json!({})).await?;
        Ok(result["content"][0]["text"].clone())
    }

    async fn follow(&self, what: &str) -> Result<Option<tokio::task::JoinHandle<()>>, ServiceError> {
        if !self.modern {
            if what != "tools" {
                self.client.subscribe(SubscribeRequestParams::new(what)).await?;
            }
            return Ok(None);
        }
        let filter = match what {
            "tools" => SubscriptionFilter::builder().tools_list_changed(),
            uri => SubscriptionFilter::builder().resource_subscriptions([uri]),
        };
        let mut subscription: Subscription = self.client.listen(filter.build()).await?;
        let client = self.client.service().clone();
        Ok(Some(tokio::spawn(async move {
            while let Ok(Some(notification)) = subscription.next().await {
                client.heard(match notification {
                    ServerNotification::ResourceUpdatedNotification(it) => {
                        json!({ "method": it.method, "params": { "uri": it.params.uri } })
                    }
                    ServerNotification::ToolListChangedNotification(it) => json!({ "method": it.method }),
                    other => panic!("nobody asked for {other:?}"),
                });
            }
        })))
    }

    async fn stop(
        &self,
        listening: Option<tokio::task::JoinHandle<()>>,
        what: &str,
    ) -> Result<(), ServiceError> {
        match listening {
            // Dropping the subscription cancels it.
            Some(listening) => listening.abort(),
            None if what != "tools" => {
                self.client.unsubscribe(UnsubscribeRequestParams::new(what)).await?;
            }
            None => {}
        }
        Ok(())
    }

    async fn log(&self, rest: &Value) -> Result<Value, ServiceError> {
        let level: LoggingLevel = serde_json::from_value(rest["level"].clone()).unwrap();
        if !self.modern {
            self.client.set_level(SetLevelRequestParams::new(level)).await?;
            return self.own_call(rest).await;
        }
        let mut meta = RequestMetaObject::new();
        meta.set_log_level(level);
        let mut params = call(&self.own(&rest["tool"]), &rest["arguments"]);
        params.meta = Some(meta);
        self.client.call_tool(params).await.map(|result| json!(result))
    }
}

fn call(name: &str, arguments: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name.to_owned())
        .with_arguments(arguments.as_object().cloned().unwrap_or_default())
}
