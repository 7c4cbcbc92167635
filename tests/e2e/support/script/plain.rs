//! What a server without quirks answers: everything that MCP up to 2025-11-25 has, once.

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Asked, Chunks, DELETE, Framing, GET, POST, Reply, Then};
use crate::support::unique_id;

/// The revision that a plain server answers with.
const REVISION: &str = "2025-06-18";

/// Over Streamable HTTP.
pub(super) fn streamable(asked: &Asked, sessions: &watch::Sender<Vec<String>>) -> Reply {
    let path = asked.path.split('?').next().unwrap_or_default();
    // Where a redirect leads.
    if !matches!(path, "/mcp" | "/mcp/") {
        return Reply::empty("404 Not Found");
    }
    // As the official SDK's examples say it.
    if asked.verb == POST && asked.method() == "server/discover" {
        let text = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#;
        return Reply::json(text.to_owned()).status("400 Bad Request");
    }
    if let Some(session) = asked.session()
        && !sessions.borrow().iter().any(|known| known == session)
    {
        let text = r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}"#;
        return Reply::json(text.to_owned()).status("404 Not Found");
    }
    match asked.verb.as_str() {
        GET => Reply::standing(),
        DELETE => {
            sessions.send_modify(|known| known.retain(|it| Some(it.as_str()) != asked.session()));
            Reply::empty("200 OK")
        }
        POST if asked.method() == "initialize" => {
            let session = unique_id("session");
            sessions.send_modify(|known| known.push(session.clone()));
            answered(asked).header("Mcp-Session-Id", &session)
        }
        POST if asked.is_request() => answered(asked),
        POST => Reply::empty("202 Accepted"),
        _ => Reply::empty("405 Method Not Allowed"),
    }
}

/// Over Streamable HTTP of 2026-07-28.
pub(super) fn modern(asked: &Asked) -> Reply {
    let path = asked.path.split('?').next().unwrap_or_default();
    if !matches!(path, "/mcp" | "/mcp/") {
        return Reply::empty("404 Not Found");
    }
    match asked.method() {
        _ if asked.verb != POST => Reply::empty("405 Method Not Allowed"),
        "initialize" => Reply::json(asked.error(-32601, "Method not found")).status("404 Not Found"),
        "subscriptions/listen" => {
            let params = json!({
                "notifications": asked.message["params"]["notifications"],
                "_meta": { "io.modelcontextprotocol/subscriptionId": asked.message["id"] },
            });
            let message = json!({
                "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params,
            });
            let mut reply = Reply::standing();
            reply.messages.push(message.to_string());
            reply
        }
        "server/discover" => Reply::json(asked.result(&json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": { "listChanged": true }, "prompts": {}, "resources": {}, "completions": {} },
            "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "plain", "version": "1.0.0" } },
        })))
        .with_members(COMPLETE),
        _ if asked.is_request() => answered(asked).with_members(COMPLETE),
        _ => Reply::empty("202 Accepted"),
    }
}

/// What each result says of itself since 2026-07-28.
const COMPLETE: &str = r#""resultType":"complete","ttlMs":0,"cacheScope":"private""#;

/// Over the transport of 2024-11-05.
pub(super) fn http_sse(asked: &Asked) -> Reply {
    let path = asked.path.split('?').next().unwrap_or_default();
    match (asked.verb.as_str(), path) {
        (GET, "/sse") => {
            let session = unique_id("session");
            let mut reply = Reply::standing();
            let endpoint = format!("event: endpoint\ndata: /message?session={session}\n\n");
            reply = reply.body("text/event-stream", endpoint);
            reply.then = Then::Stand;
            reply.stands_for = Some(session);
            reply
        }
        (POST, "/message") => {
            let mut reply = Reply::empty("202 Accepted").body("text/plain", "Accepted");
            if asked.is_request() {
                let answered = answered(asked);
                if answered.then == Then::Keep {
                    reply.messages = answered.messages;
                    reply.put_off = true;
                }
            }
            reply
        }
        _ => Reply::empty("404 Not Found").body("text/html", "<pre>Cannot POST /sse</pre>"),
    }
}

/// The answer to a request.
fn answered(asked: &Asked) -> Reply {
    let params = &asked.message["params"];
    match result(asked.method(), params) {
        Some(Ok(result)) => {
            let mut reply = Reply::json(asked.result(&result));
            if params["name"] == "ask" {
                let question = r#"{"jsonrpc":"2.0","id":"question-1","method":"roots/list"}"#;
                reply.messages.insert(0, question.to_owned());
                reply = reply.events();
            }
            reply
        }
        Some(Err(text)) => Reply::json(asked.error(-32602, text)),
        None if params["name"] == "hang" => Reply {
            framing: Framing::Chunked(Chunks::default()),
            then: Then::Silence,
            ..Reply::empty("200 OK").body("text/event-stream", ": on it\n\n")
        },
        None => Reply::json(asked.error(-32601, "Method not found")),
    }
}

/// What a plain server has.
fn result(method: &str, params: &Value) -> Option<Result<Value, &'static str>> {
    let schema = json!({ "type": "object" });
    Some(Ok(match method {
        "initialize" => json!({
            "protocolVersion": REVISION,
            "capabilities": {
                "tools": { "listChanged": true }, "prompts": {}, "resources": { "subscribe": true },
                "logging": {}, "completions": {},
            },
            "serverInfo": { "name": "plain", "version": "1.0.0" },
        }),
        "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => json!({}),
        "tools/list" => json!({ "tools": [
            { "name": "echo", "description": "Says it again", "inputSchema": schema },
            { "name": "hang", "inputSchema": schema },
            { "name": "ask", "inputSchema": schema },
        ] }),
        "tools/call" => match params["name"].as_str() {
            Some("hang") => return None,
            Some("echo" | "ask") => {
                let text = params["arguments"]["text"].as_str().unwrap_or("nothing");
                json!({ "content": [{ "type": "text", "text": text }], "vendor": { "kept": 1.0 } })
            }
            _ => return Some(Err("unknown tool")),
        },
        "resources/list" => json!({ "resources": [{ "uri": "plain://one", "name": "one" }] }),
        "resources/templates/list" => {
            json!({ "resourceTemplates": [{ "uriTemplate": "plain://{id}", "name": "any" }] })
        }
        "resources/read" => {
            json!({ "contents": [{ "uri": params["uri"], "mimeType": "text/plain", "text": "one" }] })
        }
        "prompts/list" => json!({ "prompts": [{ "name": "greet", "arguments": [{ "name": "whom" }] }] }),
        "prompts/get" => {
            let message = json!({ "role": "user", "content": { "type": "text", "text": "hello" } });
            json!({ "description": "A greeting", "messages": [message] })
        }
        "completion/complete" => json!({ "completion": { "values": ["Ada", "Alan"], "total": 2 } }),
        _ => return None,
    }))
}
