//! A client on the Rust SDK, of either era, that keeps what it is asked and told.

#![expect(deprecated, reason = "the deprecated parts of MCP must go through the hub, too")]

use std::sync::Arc;

use rmcp::{
    ClientHandler, ErrorData, RoleClient, ServiceError,
    model::*,
    service::{NotificationContext, RequestContext, RunningService, Subscription},
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

use super::{LATEST, expect};

/// The hub's own resource.
const INSTANCES: &str = "brummer://instances";

/// What a client was asked and told, and how it answers the person's questions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) asked: Vec<Value>,
    pub(crate) heard: Vec<Value>,
    pub(crate) answer: Value,
    /// How often the hub's list of instances has changed.
    instances: usize,
}

#[derive(Clone, Default)]
pub(crate) struct SdkClient {
    pub(crate) told: Arc<watch::Sender<Told>>,
}

pub(crate) type Running = RunningService<RoleClient, SdkClient>;

impl SdkClient {
    pub(crate) fn begin(&self, answer: Value) {
        self.told.send_replace(Told { answer, ..Told::default() });
    }

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

    fn updated(&self, uri: &str) {
        if uri == INSTANCES {
            return self.told.send_modify(|told| told.instances += 1);
        }
        self.heard(json!({ "method": "notifications/resources/updated", "params": { "uri": uri } }));
    }

    /// Waits until something was heard.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut told = self.told.subscribe();
        let told = expect(what, told.wait_for(|told| told.heard.iter().any(&wanted))).await.unwrap();
        told.heard.iter().find(|it| wanted(it)).expect("it was just there").clone()
    }

    /// Waits until a notification of this method was heard.
    pub(crate) async fn until_method(&self, method: &str) -> Value {
        self.until(method, |heard| heard["method"] == method).await
    }
}

impl ClientHandler for SdkClient {
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
        self.updated(&params.uri);
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

pub(crate) fn call(name: &str, arguments: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name.to_owned())
        .with_arguments(arguments.as_object().cloned().unwrap_or_default())
}

/// A subscription to a resource, or to the list of tools.
pub(crate) enum Following {
    /// Of a client without a handshake.
    Listen(JoinHandle<()>),
    /// Of one with a handshake.
    Resource(String),
    /// Such a client is told of lists unasked.
    Unasked,
}

impl Following {
    /// Follows the resource `what`, or the list of `tools`.
    pub(crate) async fn begin(client: &Running, modern: bool, what: &str) -> Result<Self, ServiceError> {
        let filter = match what {
            "tools" if !modern => return Ok(Self::Unasked),
            uri if !modern => {
                client.subscribe(SubscribeRequestParams::new(uri)).await?;
                return Ok(Self::Resource(uri.to_owned()));
            }
            "tools" => SubscriptionFilter::builder().tools_list_changed(),
            uri => SubscriptionFilter::builder().resource_subscriptions([uri]),
        };
        let mut subscription: Subscription = client.listen(filter.build()).await?;
        let client = client.service().clone();
        Ok(Self::Listen(tokio::spawn(async move {
            while let Ok(Some(notification)) = subscription.next().await {
                match notification {
                    ServerNotification::ResourceUpdatedNotification(it) => client.updated(&it.params.uri),
                    ServerNotification::ToolListChangedNotification(it) => {
                        client.heard(json!({ "method": it.method }));
                    }
                    other => panic!("nobody asked for {other:?}"),
                }
            }
        })))
    }

    pub(crate) async fn end(self, client: &Running) -> Result<(), ServiceError> {
        match self {
            // Dropping the subscription cancels it.
            Self::Listen(listening) => listening.abort(),
            Self::Resource(uri) => client.unsubscribe(UnsubscribeRequestParams::new(uri)).await?,
            Self::Unasked => {}
        }
        Ok(())
    }
}

/// Waits until the hub that a client is connected to lists this instance as active.
pub(crate) async fn until_active(client: &Running, modern: bool, id: &str) {
    let following = Following::begin(client, modern, INSTANCES).await.unwrap();
    let mut told = client.service().told.subscribe();
    expect("the instance is active", async {
        loop {
            told.mark_unchanged();
            let listed = client.call_tool(call("instances_list", &json!({}))).await.unwrap();
            let listed = json!(listed)["structuredContent"]["instances"].clone();
            if listed.as_array().unwrap().iter().any(|it| it["id"] == id && it["state"] == "active") {
                return;
            }
            told.changed().await.unwrap();
        }
    })
    .await;
    following.end(client).await.unwrap();
}
