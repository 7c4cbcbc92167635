//! Limits that a client without a handshake meets, in a session of a real hub.

use std::{net::Ipv4Addr, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, timeout},
};

use super::feeds::MAX_LISTENS;
use crate::{
    Hub, HubConfig,
    client::{ClientConfig, ClientError, Request},
    discovery::Directories,
    doorbell::InstanceId,
    instance::InstanceState,
    protocol::code,
    registration::{Registration, RegistrationOptions},
    session::{Session, SessionConfig},
};

/// After this a test has failed, also where time is paused: it is longer than all that the hub waits for there.
const PATIENCE: Duration = Duration::from_secs(3000);

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it happens in time")
}

struct ModernClient(Session);

impl ModernClient {
    async fn send(&self, id: usize, method: &str, mut params: Value) {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
        });
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.0.send(request.to_string()).await.unwrap();
    }

    async fn recv(&mut self) -> Value {
        serde_json::from_slice(&within(self.0.recv()).await.unwrap()).unwrap()
    }

    /// Sends a request and waits for its answer, whatever else comes before.
    async fn ask(&mut self, id: usize, method: &str, params: Value) -> Value {
        self.send(id, method, params).await;
        loop {
            let message = self.recv().await;
            if message["id"] == id {
                return message;
            }
        }
    }
}

fn hub(data: &TempDir) -> Hub {
    let mut config = HubConfig { directories: Directories::only(data.path()), ..HubConfig::default() };
    // Where time is paused, it passes from one ping to the next.
    config.health.ping_interval = PATIENCE;
    Hub::start(config)
}

/// Serves an instance of the older kind in this very thread, with a tool that asks and then waits for ever. Every
/// notification, answer and subscription that it gets goes into the channel.
async fn instance(data: &TempDir, heard: mpsc::Sender<Value>) -> Registration {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut options = RegistrationOptions::new(listener.local_addr().unwrap().port());
    options.id = Some(InstanceId::parse("it-id").unwrap());
    options.name = Some("it".to_owned());
    options.directories = Directories::only(data.path());
    let app = Router::new().route("/mcp", post(answer).get(silence)).with_state(heard);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Registration::announce(options).unwrap()
}

async fn answer(State(heard): State<mpsc::Sender<Value>>, body: String) -> Response {
    let message: Value = serde_json::from_str(&body).unwrap();
    let (Some(id), Some(method)) = (message.get("id"), message["method"].as_str()) else {
        heard.send(message).await.unwrap();
        return StatusCode::ACCEPTED.into_response();
    };
    let result = match method {
        "initialize" => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "it", "version": "0"},
        }),
        "resources/subscribe" => {
            heard.send(message.clone()).await.unwrap();
            json!({})
        }
        "tools/list" => json!({"tools": [{"name": "ask", "inputSchema": {"type": "object"}}]}),
        "tools/call" => {
            let question = json!({
                "jsonrpc": "2.0",
                "id": 77,
                "method": "elicitation/create",
                "params": {"message": "?", "requestedSchema": {"type": "object", "properties": {}}},
            });
            let question = stream::iter([Ok::<_, std::io::Error>(format!("data: {question}\n\n"))]);
            let events = Body::from_stream(question.chain(stream::pending()));
            return ([(header::CONTENT_TYPE, "text/event-stream")], events).into_response();
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let answer = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
    ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

async fn silence() -> Response {
    let silence = Body::from_stream(stream::pending::<Result<String, std::io::Error>>());
    ([(header::CONTENT_TYPE, "text/event-stream")], silence).into_response()
}

#[tokio::test]
async fn a_suspended_call_is_given_up_after_ten_minutes() {
    let data = TempDir::new().unwrap();
    let (sender, mut heard) = mpsc::channel(16);
    let registration = instance(&data, sender).await;
    let hub = hub(&data);
    within(hub.instances().wait_for(|list| list.active().next().is_some())).await.unwrap();
    let mut client = ModernClient(hub.session(SessionConfig::default()));
    client.ask(1, "tools/list", json!({})).await;
    // From here on nothing but what this thread itself writes is waited for.
    tokio::time::pause();
    let call = json!({"name": "it__ask", "arguments": {}});
    let round = client.ask(2, "tools/call", call.clone()).await["result"].clone();
    let asked = Instant::now();
    assert_eq!(round["resultType"], "input_required", "{round}");
    let (mut answered, mut cancelled) = (false, false);
    while !answered || !cancelled {
        let message = within(heard.recv()).await.unwrap();
        if message["method"] == "notifications/initialized" {
            continue;
        }
        assert_eq!(asked.elapsed().as_secs(), 600, "{message}");
        answered |= message["id"] == 77 && message["result"] == json!({"action": "cancel"});
        cancelled |= message["method"] == "notifications/cancelled";
    }
    let mut late = call;
    late["requestState"] = round["requestState"].clone();
    late["inputResponses"] = json!({});
    let error = client.ask(3, "tools/call", late).await["error"].clone();
    assert_eq!(error["code"], code::INVALID_PARAMS);
    assert!(error["message"].as_str().unwrap().contains("expired"), "{error}");
    tokio::time::resume();
    client.0.close().await;
    drop(registration);
    hub.shutdown().await;
}

/// Only what is coming up is waited for, and only for a while.
#[tokio::test]
async fn an_instance_that_never_answers_is_waited_for_once_and_a_program_gets_an_error() {
    let data = TempDir::new().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut options = RegistrationOptions::new(listener.local_addr().unwrap().port());
    options.name = Some("mute".to_owned());
    options.directories = Directories::only(data.path());
    let registration = Registration::announce(options).unwrap();
    let hub = hub(&data);
    within(
        hub.instances()
            .wait_for(|list| list.instances.iter().any(|it| it.state == InstanceState::Connecting)),
    )
    .await
    .unwrap();
    within(hub.settled()).await;
    let mut client = ModernClient(hub.session(SessionConfig::default()));
    tokio::time::pause();
    for name in ["mute__tool", "instances_call"] {
        let began = Instant::now();
        let arguments = json!({"instance_id": "mute", "tool": "tool"});
        let call = json!({"name": name, "arguments": arguments});
        let answer = client.ask(name.len(), "tools/call", call).await;
        assert_eq!(began.elapsed().as_secs(), 5, "{answer}");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("`mute` is not active: it is connecting"), "{answer}");
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    }
    let (program, _incoming) = hub.client(ClientConfig::default()).unwrap();
    let error = within(program.request(Request::tool(None, "mute__tool", None).unwrap())).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Rpc(error) if error.code == i64::from(code::INTERNAL_ERROR)),
        "{error:?}"
    );
    tokio::time::resume();
    client.0.close().await;
    program.close().await;
    drop(registration);
    hub.shutdown().await;
}

#[tokio::test]
async fn listens_are_counted_from_their_beginning_to_their_end() {
    const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
    let data = TempDir::new().unwrap();
    let (sender, mut heard) = mpsc::channel(16);
    let registration = instance(&data, sender).await;
    let hub = hub(&data);
    within(hub.instances().wait_for(|list| list.active().next().is_some())).await.unwrap();
    let mut client = ModernClient(hub.session(SessionConfig::default()));
    for (id, list) in ["resources/list", "resources/templates/list"].into_iter().enumerate() {
        client.ask(id, list, json!({})).await;
    }
    let filter = || json!({"notifications": {"resourceSubscriptions": ["x://a"]}});
    // Two more than there may be, while the instance accepts a few subscriptions only.
    for id in 0..MAX_LISTENS + 2 {
        client.send(100 + id, "subscriptions/listen", filter()).await;
    }
    let (mut open, mut refused) = (0, 0);
    while open + refused < MAX_LISTENS + 2 {
        tokio::select! {
            Some(_) = heard.recv(), if refused == 2 => {}
            message = client.recv() => {
                if message["method"] == ACKNOWLEDGED {
                    open += 1;
                } else {
                    assert_eq!(message["error"]["code"], code::INTERNAL_ERROR, "{message}");
                    refused += 1;
                }
            }
        }
    }
    assert_eq!((open, refused), (MAX_LISTENS, 2));
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":100}}"#;
    client.0.send(cancelled).await.unwrap();
    client.send(1000, "subscriptions/listen", filter()).await;
    let message = client.recv().await;
    assert_eq!(message["method"], ACKNOWLEDGED, "{message}");
    client.0.close().await;
    drop(registration);
    hub.shutdown().await;
}
