//! A client of the era without a handshake, on the hub's stdio: every request says by itself what it is.

use serde_json::{Value, json};

use super::{Hub, Line, PATIENCE};

/// The newest revision without a handshake.
pub(crate) const MODERN: &str = "2026-07-28";

pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// What such a client says with each request.
pub(crate) fn meta() -> Value {
    json!({
        PROTOCOL_VERSION: MODERN,
        CLIENT_INFO: { "name": "e2e", "version": "1.0.0" },
        CLIENT_CAPABILITIES: { "roots": {}, "sampling": {}, "elicitation": {} },
    })
}

/// The parameters with all of [`meta`] that they do not say themselves.
pub(crate) fn with_meta(mut params: Value) -> Value {
    if params.is_null() {
        params = json!({});
    }
    let Value::Object(meta) = meta() else { unreachable!("an object") };
    for (key, value) in meta {
        if params["_meta"].get(&key).is_none() {
            params["_meta"][key] = value;
        }
    }
    params
}

impl Hub {
    /// Sends a request of the modern era and returns its id.
    pub(crate) async fn modern_ask(&self, method: &str, params: Value) -> String {
        self.ask(method, with_meta(params)).await
    }

    pub(crate) async fn modern(&self, method: &str, params: Value) -> Line {
        let id = self.modern_ask(method, params).await;
        self.answer(&id).await
    }

    pub(crate) async fn modern_call(&self, tool: &str, arguments: Value) -> Line {
        self.modern("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// Sends the request again, as a client does that was asked something: same parameters, with the answers and the
    /// state that the result has, under a new id.
    pub(crate) async fn modern_retry(
        &self,
        method: &str,
        mut params: Value,
        asked: &Value,
        answers: Value,
    ) -> Line {
        assert_eq!(asked["resultType"], "input_required", "{asked:#}");
        params["inputResponses"] = answers;
        if let Some(state) = asked.get("requestState") {
            params["requestState"] = state.clone();
        }
        self.modern(method, params).await
    }

    /// Opens a listen and waits for its acknowledgement; gives its id and the filter that is honoured.
    pub(crate) async fn modern_listen(&self, filter: Value) -> (String, Value) {
        let mark = self.mark();
        let id = self.modern_ask("subscriptions/listen", json!({ "notifications": filter })).await;
        let line = self.line(mark, "an acknowledgement", |line| line.listens(&id)).await;
        assert_eq!(line.method.as_deref(), Some("notifications/subscriptions/acknowledged"), "{}", line.raw);
        let honoured = line.params()["notifications"].clone();
        (id, honoured)
    }

    /// The first notification of this method for a listen since the mark.
    pub(crate) async fn heard(&self, mark: usize, listen: &str, method: &str) -> Line {
        self.line(mark, method, |line| line.notifies(method) && line.listens(listen)).await
    }

    /// The instances as soon as they are as wanted, for a client without a handshake.
    pub(crate) async fn modern_instances_until(&self, what: &str, wanted: impl Fn(&[Value]) -> bool) {
        let uri = "brummer://instances";
        let (listen, _) = self.modern_listen(json!({ "resourceSubscriptions": [uri] })).await;
        let waiting = async {
            loop {
                let mark = self.mark();
                let listed = self.modern_call("instances_list", json!({})).await.ok();
                if wanted(listed["structuredContent"]["instances"].as_array().expect("a list")) {
                    return;
                }
                self.heard(mark, &listen, "notifications/resources/updated").await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}\n{}", self.report()));
        self.cancel(&listen).await;
    }

    /// Takes a request back.
    pub(crate) async fn cancel(&self, id: &str) {
        let id: Value = serde_json::from_str(id).expect("an id is JSON");
        self.notify("notifications/cancelled", json!({ "requestId": id })).await;
    }

    /// Waits until an instance is active.
    pub(crate) async fn modern_active(&self, id: &str) {
        let active = |list: &[Value]| list.iter().any(|it| it["id"] == id && it["state"] == "active");
        self.modern_instances_until(&format!("{id} is active"), active).await;
    }

    /// Names of all tools that are listed now, but for the hub's own.
    pub(crate) async fn modern_tools(&self) -> Vec<String> {
        let listed = self.modern("tools/list", Value::Null).await.ok();
        let names =
            listed["tools"].as_array().expect("tools").iter().map(|tool| tool["name"].as_str().unwrap());
        names.filter(|name| !name.starts_with("instances_")).map(str::to_owned).collect()
    }
}

impl Line {
    /// Whether this is a message for the listen with this id, as JSON: a number and a text are not the same.
    pub(crate) fn listens(&self, id: &str) -> bool {
        let id: Value = serde_json::from_str(id).expect("an id is JSON");
        self.method.is_some() && self.params()["_meta"][SUBSCRIPTION_ID] == id
    }

    /// The `input_required` result, or a panic that shows what came instead.
    pub(crate) fn asks(&self) -> Value {
        let result = self.ok();
        assert_eq!(result["resultType"], "input_required", "{result:#}");
        result
    }

    /// The only question of an `input_required` result: its key and the question.
    pub(crate) fn question(&self) -> (String, Value) {
        let result = self.asks();
        let questions = result["inputRequests"].as_object().expect("questions");
        assert_eq!(questions.len(), 1, "{result:#}");
        let (key, question) = questions.iter().next().expect("one");
        (key.clone(), question.clone())
    }
}
