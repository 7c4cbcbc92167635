//! The stage server of the shared cases, as the README describes it. It stands by itself, so that every test that runs the
//! cases can have it.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::sync::{broadcast, mpsc};

/// The id of the question that `ask` asks.
const QUESTION: u64 = 4_711;

/// A running stage server. It ends with the runtime of its test.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) port: u16,
}

/// What the server knows: the answers that clients give to its questions.
#[derive(Clone)]
struct Heard(broadcast::Sender<Value>);

/// A request, with its id as it was written.
#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    method: &'a str,
    #[serde(default)]
    params: Value,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(serve).with_state(Arc::new(Heard(broadcast::channel(16).0)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port }
    }
}

async fn serve(State(heard): State<Arc<Heard>>, request: Request) -> Result<Response, Infallible> {
    let status = match (request.method().as_str(), request.uri().path()) {
        ("POST", "/mcp") => {
            let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
            return Ok(heard.post(&body));
        }
        ("DELETE", "/mcp") => StatusCode::OK,
        (_, "/mcp") => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_FOUND,
    };
    Ok(Response::builder().status(status).body(Body::empty()).unwrap())
}

impl Heard {
    fn post(&self, body: &[u8]) -> Response {
        let Ok(asked) = serde_json::from_slice::<Asked<'_>>(body) else {
            let message: Value = serde_json::from_slice(body).unwrap_or_default();
            if message["id"] == QUESTION {
                // Nobody waits for an answer that comes twice.
                let _ = self.0.send(message["result"].clone());
            }
            return Response::builder().status(StatusCode::ACCEPTED).body(Body::empty()).unwrap();
        };
        let id = asked.id.get().to_owned();
        let result =
            |result: Value| json_response(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
        let error = |error: Value| json_response(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
        let arguments = &asked.params["arguments"];
        match (asked.method, asked.params["name"].as_str().unwrap_or_default()) {
            ("initialize", _) => result(json!({
                "protocolVersion": "2025-11-25", "capabilities": { "tools": {}, "logging": {} },
                "serverInfo": { "name": "stage", "version": "1.0.0" },
            })),
            ("ping", _) => result(json!({})),
            ("tools/list", _) => {
                let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
                let tools = ["echo", "fail", "refuse", "hang", "talk", "ask"].map(tool);
                result(json!({ "tools": tools }))
            }
            ("tools/call", "echo") => result(text(arguments["message"].as_str().unwrap_or("nothing"))),
            ("tools/call", "fail") => {
                let mut failed = text("on purpose");
                failed["isError"] = true.into();
                result(failed)
            }
            ("tools/call", "refuse") => {
                error(json!({ "code": -32001, "message": "refused", "data": { "why": "asked to" } }))
            }
            ("tools/call", "hang") => {
                let (events, stream) = mpsc::channel(1);
                tokio::spawn(async move {
                    let _ = events.send(word("hanging")).await;
                    events.closed().await;
                });
                stream_response(stream)
            }
            ("tools/call", "talk") => {
                let count = arguments["count"].as_u64().unwrap_or(1);
                let (events, stream) = mpsc::channel(64);
                tokio::spawn(async move {
                    for number in 0..count {
                        let _ = events.send(word(&format!("word {number}"))).await;
                    }
                    let _ = events.send(answer(&id, "said")).await;
                });
                stream_response(stream)
            }
            ("tools/call", "ask") => {
                let mut answers = self.0.subscribe();
                let (events, stream) = mpsc::channel(2);
                tokio::spawn(async move {
                    let question = json!({ "jsonrpc": "2.0", "id": QUESTION, "method": "roots/list" });
                    let _ = events.send(question.to_string()).await;
                    let answered = answers.recv().await.unwrap_or_default();
                    let _ = events.send(answer(&id, &answered.to_string())).await;
                });
                stream_response(stream)
            }
            ("tools/call", _) => error(json!({ "code": -32602, "message": "unknown tool" })),
            _ => error(json!({ "code": -32601, "message": "unknown method" })),
        }
    }
}

fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

fn answer(id: &str, said: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#, text(said))
}

fn word(data: &str) -> String {
    let params = json!({ "level": "info", "data": data });
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }).to_string()
}

fn json_response(message: String) -> Response {
    let response = Response::builder().header("content-type", "application/json");
    // Any id will do: this server does not look at it.
    response.header("mcp-session-id", "stage").body(message.into()).unwrap()
}

/// Messages as events, until the channel ends.
fn stream_response(stream: mpsc::Receiver<String>) -> Response {
    let events = futures_util::stream::unfold(stream, async |mut stream| {
        let event = format!("event: message\ndata: {}\n\n", stream.recv().await?);
        Some((Ok::<_, Infallible>(Bytes::from(event)), stream))
    });
    let response = Response::builder().header("content-type", "text/event-stream");
    response.body(Body::from_stream(events)).unwrap()
}
