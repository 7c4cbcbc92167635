//! A fake instance of the era without a handshake: no session, a POST for each request, every header and `_meta` checked.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::sync::Arc;

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::{
    Answer, Call, Fake, MODERN, Seen, event, expect,
    fake::{call, event_stream, respond, status},
    modern::{CLIENT_CAPABILITIES, PROTOCOL_VERSION, SERVER_INFO, SUBSCRIPTION_ID},
};

/// One open `subscriptions/listen`.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    pub(crate) id: Value,
    /// The filter that was asked for.
    pub(crate) filter: Value,
    events: mpsc::Sender<Result<Bytes, std::io::Error>>,
}

/// All that are open or were.
pub(crate) type Listens = Arc<watch::Sender<Vec<Listen>>>;

impl Listen {
    fn is_open(&self) -> bool {
        !self.events.is_closed()
    }

    /// Sends a notification on it, under its id.
    pub(crate) async fn tell(&self, method: &str, mut params: Value) {
        params["_meta"][SUBSCRIPTION_ID] = self.id.clone();
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Ends it with its result, as a server does that shuts down.
    pub(crate) async fn end(&self) {
        let result = json!({ "resultType": "complete", "_meta": { SUBSCRIPTION_ID: self.id } });
        self.send(&json!({ "jsonrpc": "2.0", "id": self.id, "result": result })).await;
        // The stream itself ends with this.
        let _ = self.events.send(Err(std::io::Error::other("the end"))).await;
    }

    /// Breaks the stream without a word.
    pub(crate) async fn cut(&self) {
        let _ = self.events.send(Err(std::io::Error::other("cut"))).await;
    }

    async fn send(&self, message: &Value) {
        self.events.send(Ok(event(&message.to_string()))).await.expect("it is open");
    }

    /// Waits until the other side has closed it.
    pub(crate) async fn closed(&self) {
        expect("the listen stream is closed", self.events.closed()).await;
    }
}

impl Fake {
    /// A listen that is open and as wanted, waited for.
    pub(crate) async fn listen(&self, what: &str, wanted: impl Fn(&Listen) -> bool) -> Listen {
        let mut listens = self.listens.subscribe();
        let wanted = |listen: &&Listen| listen.is_open() && wanted(listen);
        expect(what, async {
            let listens = listens.wait_for(|all| all.iter().any(|it| wanted(&it))).await;
            listens
                .expect("the fake holds the sender")
                .iter()
                .rfind(wanted)
                .expect("it was just there")
                .clone()
        })
        .await
    }

    /// The listen that has this URI in its filter, waited for.
    pub(crate) async fn listen_to(&self, uri: &str) -> Listen {
        let has = |listen: &Listen| {
            let uris = listen.filter["resourceSubscriptions"].as_array();
            uris.is_some_and(|uris| uris.iter().any(|it| it == uri))
        };
        self.listen(&format!("a listen for {uri}"), has).await
    }

    pub(super) async fn answer_modern(&self, seen: Seen) -> Response {
        if seen.verb != "POST" {
            return status(StatusCode::METHOD_NOT_ALLOWED);
        }
        if seen.message.get("id").is_none() || seen.message.get("method").is_none() {
            return status(StatusCode::ACCEPTED);
        }
        if let Err((code, message, data)) = check(&seen) {
            let error = json!({ "code": code, "message": message, "data": data });
            let body = json!({ "jsonrpc": "2.0", "id": seen.message["id"], "error": error });
            return respond(Answer::http(400, "application/json", body.to_string()), None).await;
        }
        let call = call(seen);
        let answered = self.behaviour.methods.contains_key(call.seen.method());
        if call.seen.method() == "subscriptions/listen" && !answered {
            return self.open_listen(&call);
        }
        let answer = match call.seen.method() {
            "server/discover" if !answered => modern_result(&call, discovered()),
            "initialize" | "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
                super::rpc_error(&call, -32601, "not in this revision")
            }
            method => {
                let cacheable = is_cacheable(method);
                modernised(self.perform(call).await, cacheable)
            }
        };
        let missing = matches!(&answer, Answer::Json(body) if body.contains("\"code\":-32601"));
        let mut response = respond(answer, None).await;
        if missing {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    }

    fn open_listen(&self, call: &Call) -> Response {
        let (events, stream) = mpsc::channel(64);
        let id: Value = serde_json::from_str(&call.id).unwrap();
        let filter = call.params["notifications"].clone();
        let params = json!({ "notifications": filter, "_meta": { SUBSCRIPTION_ID: id } });
        let method = "notifications/subscriptions/acknowledged";
        let acknowledged = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        events.try_send(Ok(event(&acknowledged.to_string()))).expect("there is room");
        self.listens.send_modify(|all| all.push(Listen { id, filter, events }));
        event_stream(stream)
    }
}

fn is_cacheable(method: &str) -> bool {
    matches!(
        method,
        "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
    )
}

/// What this fake says of itself.
fn discovered() -> Value {
    json!({
        "supportedVersions": [MODERN],
        "capabilities": {
            "tools": { "listChanged": true }, "prompts": { "listChanged": true },
            "resources": { "subscribe": true, "listChanged": true }, "logging": {}, "completions": {},
        },
        "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
        "_meta": { SERVER_INFO: { "name": "fake", "version": "1.0.0" } },
    })
}

/// A result as the handler gives it.
pub(crate) fn modern_result(call: &Call, value: impl std::fmt::Display) -> Answer {
    super::result(call, value)
}

/// Gives a result what every result of this era has, unless it says so itself.
fn modernised(answer: Answer, cacheable: bool) -> Answer {
    const OPENING: &str = r#""result":{"#;
    let Answer::Json(body) = &answer else { return answer };
    let Some((before, after)) = body.split_once(OPENING) else { return answer };
    if after.contains("resultType") {
        return answer;
    }
    let comma = if after.starts_with('}') { "" } else { "," };
    let caching = if cacheable { r#","ttlMs":1000,"cacheScope":"public""# } else { "" };
    let meta = json!({ SERVER_INFO: { "name": "fake", "version": "1.0.0" } });
    let meta = if after.contains("_meta") { String::new() } else { format!(r#","_meta":{meta}"#) };
    Answer::Json(format!(r#"{before}{OPENING}"resultType":"complete"{caching}{meta}{comma}{after}"#))
}

type Refusal = (i64, String, Value);

/// What a strict server finds wrong with a request: its `_meta`, its revision, its headers.
fn check(seen: &Seen) -> Result<(), Refusal> {
    let method = seen.method();
    if has_twice(&seen.body) {
        return Err((-32600, "a member stands there twice".to_owned(), Value::Null));
    }
    let params = &seen.message["params"];
    // What a `Value` cannot hold has no params here; then only the headers can be checked.
    if !params.is_null() {
        let meta = &params["_meta"];
        if !meta[PROTOCOL_VERSION].is_string() || !meta[CLIENT_CAPABILITIES].is_object() {
            return Err((-32602, "params._meta lacks what every request has".to_owned(), Value::Null));
        }
        if meta[PROTOCOL_VERSION] != MODERN {
            let data = json!({ "supported": [MODERN], "requested": meta[PROTOCOL_VERSION] });
            return Err((-32022, "unsupported protocol version".to_owned(), data));
        }
    }
    let mismatch = |what: &str| (-32020, format!("header mismatch: {what}"), Value::Null);
    let equal = |header: &str, wanted: &str| {
        let given = seen.header(header).map(decoded);
        given.as_deref() == Some(wanted)
    };
    if !equal("mcp-protocol-version", MODERN) {
        return Err(mismatch("MCP-Protocol-Version"));
    }
    if !equal("mcp-method", method) {
        return Err(mismatch("Mcp-Method"));
    }
    let named = match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    };
    if let Some(name) = named.and_then(|key| params[key].as_str())
        && !equal("mcp-name", name)
    {
        return Err(mismatch("Mcp-Name"));
    }
    for forbidden in ["mcp-session-id", "last-event-id", "origin"] {
        if seen.headers.contains_key(forbidden) {
            return Err(mismatch(forbidden));
        }
    }
    accepts_both(&seen.headers).ok_or_else(|| mismatch("Accept"))
}

/// Whether a member that the hub writes is there more than once, which readers take in different ways.
fn has_twice(body: &str) -> bool {
    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Message {
        id: IgnoredAny,
        method: IgnoredAny,
        params: Option<Params>,
    }
    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Params {
        _meta: Option<IgnoredAny>,
        name: Option<IgnoredAny>,
        uri: Option<IgnoredAny>,
        cursor: Option<IgnoredAny>,
    }
    serde_json::from_str::<Message>(body).is_err_and(|error| error.to_string().contains("duplicate"))
}

fn accepts_both(headers: &HeaderMap) -> Option<()> {
    let accept = headers.get("accept")?.to_str().ok()?;
    (accept.contains("application/json") && accept.contains("text/event-stream")).then_some(())
}

/// A header value without the wrapping that what is not plain has (`=?base64?…?=`).
pub(crate) fn decoded(value: &str) -> String {
    let inner = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    inner.map_or_else(
        || value.to_owned(),
        |text| String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap(),
    )
}
