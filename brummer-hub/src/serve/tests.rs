//! Real servers, asked in plain HTTP: what the tests ask with.

use std::{collections::BTreeMap, future::Future, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};

use super::*;
use crate::discovery::Directories;

mod announcing;
mod ending;
mod hub;
mod legacy;
mod limits;
mod logs;
mod modern;
mod routes;

/// After this a test has failed. Nothing waits for it otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

async fn within<T>(happening: impl Future<Output = T>) -> T {
    timeout(PATIENCE, happening).await.expect("it takes too long")
}

/// A builder that announces in a directory of its own.
fn builder() -> (InstanceServerBuilder, TempDir) {
    let data = TempDir::new().unwrap();
    let builder =
        InstanceServer::builder().name("test").version("1.2.3").directories(Directories::only(data.path()));
    let builder = builder.token(Secret::new(TOKEN).unwrap());
    (builder, data)
}

/// A builder with a tool of each kind.
fn with_tools() -> (InstanceServerBuilder, TempDir) {
    let (builder, data) = builder();
    let schema =
        json!({ "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] });
    let builder = builder
        .instructions("Try the tools.")
        .tool("echo", "Says it back", schema, |call: ToolCall| async move {
            #[derive(serde::Deserialize)]
            struct Echo {
                text: String,
            }
            let Echo { text } = call.parse()?;
            Ok(text)
        })
        .tool("list", "A list", Value::Null, |_call| async { Ok(json!([1, 2])) })
        .tool("steps", "Shows progress", json!({}), |call: ToolCall| async move {
            call.progress(1.0, Some(2.0), Some("half")).await;
            call.progress(2.0, Some(2.0), None).await;
            Ok(json!({ "steps": 2 }))
        })
        .tool("panic", "Panics", json!({}), |call: ToolCall| async move {
            assert!(call.arguments().contains_key("never"), "as it was asked to");
            Ok(())
        })
        .add_resource(rmcp::model::Resource::new("note://one", "one"), |_read| async { Ok("first") })
        .add_resource_template(
            rmcp::model::ResourceTemplate::new("note://all/{name}", "any").with_mime_type("text/markdown"),
            |read: ResourceRead| async move {
                let name = read.variable("name").unwrap_or_default();
                if name == "lost" { Err(CallError::new("it is lost")) } else { Ok(format!("# {name}")) }
            },
        )
        .add_prompt(
            rmcp::model::Prompt::new(
                "greet",
                Some("Greets"),
                Some(vec![rmcp::model::PromptArgument::new("name").with_required(true)]),
            ),
            |get: PromptGet| async move { Ok(format!("Greet {}.", get.argument("name").unwrap_or_default())) },
        );
    (builder, data)
}

/// What the requests of these tests carry.
const TOKEN: &str = "open-sesame";
const AUTHORIZED: &str = "Bearer open-sesame";

/// A request for the endpoint that nobody objects to.
fn post(port: u16, body: &Value) -> Request<Full<Bytes>> {
    Request::post("/mcp")
        .header(header::HOST, format!("localhost:{port}"))
        .header(header::AUTHORIZATION, AUTHORIZED)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap()
}

fn get(port: u16, path: &str) -> Request<Full<Bytes>> {
    let request = Request::get(path).header(header::HOST, format!("localhost:{port}"));
    let request = request.header(header::AUTHORIZATION, AUTHORIZED);
    request.header(header::ACCEPT, "text/event-stream").body(Full::default()).unwrap()
}

/// Sends a request on a connection of its own, which ends with the response's body.
async fn send(port: u16, request: Request<Full<Bytes>>) -> Response<Incoming> {
    within(async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    })
    .await
}

async fn text(response: Response<Incoming>) -> String {
    let body = within(response.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The messages of a response, read one by one.
struct Messages {
    body: Incoming,
    read: String,
}

impl Messages {
    fn of(response: Response<Incoming>) -> Self {
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { body: response.into_body(), read: String::new() }
    }

    /// The next message; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data:")).map(str::trim);
                let message =
                    data.filter(|data| !data.is_empty()).map(|data| serde_json::from_str(data).unwrap());
                self.read = rest.to_owned();
                if message.is_some() {
                    return message;
                }
            }
            let frame = within(self.body.frame()).await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.read.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }

    async fn all(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
        }
        all
    }
}

/// All messages of a response, whatever its form.
async fn messages(response: Response<Incoming>) -> Vec<Value> {
    if response.headers()[header::CONTENT_TYPE] == "application/json" {
        return vec![serde_json::from_str(&text(response).await).unwrap()];
    }
    Messages::of(response).all().await
}

/// A client that opens with `initialize`.
struct LegacyClient {
    port: u16,
    version: &'static str,
    session: String,
    initialized: Value,
}

impl LegacyClient {
    async fn open(port: u16, version: &'static str) -> Self {
        let client = Self { port, version, session: String::new(), initialized: Value::Null };
        let response = client.refused_or_opened().await;
        assert_eq!(response.status(), StatusCode::OK);
        let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let initialized = messages(response).await.remove(0)["result"].take();
        let client = Self { session, initialized, ..client };
        client.notify("notifications/initialized", json!({})).await;
        client
    }

    async fn refused_or_opened(&self) -> Response<Incoming> {
        let params = json!({
            "protocolVersion": self.version, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" }
        });
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        send(self.port, post(self.port, &body)).await
    }

    fn with_session(&self, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
        request.headers_mut().insert("mcp-session-id", self.session.parse().unwrap());
        request.headers_mut().insert("mcp-protocol-version", self.version.parse().unwrap());
        request
    }

    async fn send(&self, body: &Value) -> Response<Incoming> {
        send(self.port, self.with_session(post(self.port, body))).await
    }

    async fn notify(&self, method: &str, params: Value) {
        let response = self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
    }

    /// Begins a request.
    async fn request(&self, id: u64, method: &str, params: Value) -> Response<Incoming> {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await
    }

    /// The answer to a request: its result or its error.
    async fn ask(&self, method: &str, params: Value) -> Value {
        let response = self.request(7, method, params).await;
        let status = response.status();
        assert_eq!(status, StatusCode::OK, "{}", text(response).await);
        answer(messages(response).await.pop().expect("an answer"))
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// Opens the standing stream.
    async fn listen(&self) -> Messages {
        let response = send(self.port, self.with_session(get(self.port, "/mcp"))).await;
        assert_eq!(response.status(), StatusCode::OK);
        Messages::of(response)
    }

    async fn delete(&self) -> StatusCode {
        let mut request = self.with_session(get(self.port, "/mcp"));
        *request.method_mut() = Method::DELETE;
        send(self.port, request).await.status()
    }
}

fn answer(mut message: Value) -> Value {
    assert_eq!(message["id"], 7, "{message}");
    match message.get_mut("result") {
        Some(result) => result.take(),
        None => message["error"].take(),
    }
}

/// A request of 2026-07-28, which stands for itself.
fn modern(port: u16, method: &str, mut params: Value) -> Request<Full<Bytes>> {
    let name = params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str).map(str::to_owned);
    let meta = params["_meta"].as_object().cloned().unwrap_or_default();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params["_meta"].as_object_mut().unwrap().extend(meta);
    let mut request = post(port, &json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }));
    let headers = request.headers_mut();
    headers.insert("mcp-protocol-version", "2026-07-28".parse().unwrap());
    headers.insert("mcp-method", method.parse().unwrap());
    if let Some(name) = name {
        headers.insert("mcp-name", name.parse().unwrap());
    }
    request
}

/// The answer to one of these: its result or its error.
async fn ask_modern(port: u16, method: &str, params: Value) -> Value {
    answer(messages(send(port, modern(port, method, params)).await).await.pop().expect("an answer"))
}
