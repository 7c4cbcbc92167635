//! The script's client on the Rust SDK, of either era.

#![expect(deprecated, reason = "the deprecated parts of MCP must go through the hub, too")]

use rmcp::{
    ClientLifecycleMode, ClientServiceExt as _, ServiceError,
    model::*,
    service::PeerRequestOptions,
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use serde_json::{Value, json};

use super::{Outcomes, Place, Step, script};
use crate::support::{
    HubOptions, expect,
    sdk_client::{Following, Running, SdkClient, call, until_active},
};

/// A client that is connected, and what it is served under.
struct Connected {
    client: Running,
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
            SdkClient::default().serve_with_lifecycle(transport, lifecycle).await.unwrap()
        }
        Place::Hub(home, ..) => {
            let command = HubOptions::args(&["--no-auto-connect"]).command(home);
            let transport = TokioChildProcess::new(command).unwrap();
            SdkClient::default().serve_with_lifecycle(transport, lifecycle).await.unwrap()
        }
    };
    let it = Connected { client, prefix: place.prefix(), modern };
    if let Place::Hub(_, instance, ..) = place {
        it.connect(&instance.id).await;
    }
    let mut outcomes = Outcomes::new();
    for step in script() {
        let answer = step.rest["answer"].clone();
        it.client.service().begin(answer);
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
        until_active(&self.client, self.modern, id).await;
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
                let following = Following::begin(&self.client, self.modern, uri).await?;
                self.own_call(rest).await?;
                let updated = told.until_method("notifications/resources/updated").await;
                following.end(&self.client).await?;
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
                let following = Following::begin(&self.client, self.modern, "tools").await?;
                self.own_call(rest).await?;
                told.until_method("notifications/tools/list_changed").await;
                let after = self.list("tools").await?.len();
                following.end(&self.client).await?;
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
        let before = self.cancellations(json!({})).await?;
        let request = CallToolRequest::new(call(&self.own(&rest["tool"]), &rest["arguments"]));
        let options = PeerRequestOptions::no_options();
        let request = ClientRequest::CallToolRequest(request);
        let running = self.client.send_cancellable_request(request, options).await?;
        told.until("progress", |it| !it["progress"].is_null()).await;
        running.cancel(Some("enough".to_owned())).await?;
        self.cancellations(json!({ "above": before })).await?;
        told.told.send_modify(|told| told.heard.clear());
        Ok(json!({ "error": "enough" }))
    }

    /// How many calls the server knows to be cancelled.
    async fn cancellations(&self, arguments: Value) -> Result<u64, ServiceError> {
        let result = self.call(&format!("{}cancellations", self.prefix), &arguments).await?;
        Ok(result["content"][0]["text"].as_str().unwrap().parse().unwrap())
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
