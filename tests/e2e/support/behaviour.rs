//! What a fake instance is asked and how it answers.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    body::{Body, Bytes},
    http::HeaderMap,
    response::Response,
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// One request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `GET`, `POST` or `DELETE`.
    pub(crate) verb: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// The body as JSON, null if it is none.
    pub(crate) message: Value,
    /// The session it belongs to, or the one that this `initialize` opened.
    pub(crate) session: Option<String>,
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A JSON-RPC request or notification, for whoever answers it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) seen: Seen,
    /// The id as it was written; `null` in a notification.
    pub(crate) id: String,
    pub(crate) params: Value,
}

/// What to send back.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A message as `application/json`.
    Json(String),
    /// Messages as `text/event-stream`, which then ends.
    Events(Vec<String>),
    /// Bytes of an event stream as they come through the channel; the end of the channel ends it, an error breaks it.
    Stream(mpsc::Receiver<Result<Bytes, std::io::Error>>),
    /// Anything that HTTP allows.
    Http(Box<Response>),
    /// Nothing, ever.
    Never,
}

impl Answer {
    /// A status with a body of some type.
    pub(crate) fn http(status: u16, content_type: &str, body: impl Into<Body>) -> Self {
        let response = Response::builder().status(status).header("content-type", content_type);
        Self::Http(Box::new(response.body(body.into()).unwrap()))
    }
}

/// A successful answer, the result as raw text.
pub(crate) fn result(call: &Call, result: impl std::fmt::Display) -> Answer {
    Answer::Json(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, call.id))
}

/// A JSON-RPC error.
pub(crate) fn rpc_error(call: &Call, code: i64, message: &str) -> Answer {
    let error = json!({ "code": code, "message": message });
    Answer::Json(format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, call.id))
}

type Handler = Arc<dyn Fn(Call) -> BoxFuture<'static, Answer> + Send + Sync>;
type Raw = Arc<dyn Fn(Seen) -> BoxFuture<'static, Option<Answer>> + Send + Sync>;

/// How an instance behaves. The default is a well-behaved one with the tools `echo` and `hang`.
#[derive(Clone)]
pub(crate) struct Behaviour {
    pub(super) methods: HashMap<String, Handler>,
    pub(super) tools: Vec<(String, Handler)>,
    /// Sees each HTTP request first and may answer it.
    pub(super) raw: Option<Raw>,
    pub(super) sessions: bool,
    pub(super) listening: bool,
    pub(super) endpoint: &'static str,
    /// Whether it is of the era without a handshake.
    pub(super) modern: bool,
}

impl std::fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Behaviour").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::bare()
            .tool("echo", async |call| {
                let text = call.params["arguments"]["message"].as_str().unwrap_or("nothing").to_owned();
                result(&call, json!({ "content": [{ "type": "text", "text": text }] }))
            })
            .tool("hang", async |_| Answer::Never)
    }
}

impl Behaviour {
    /// One without tools.
    pub(crate) fn bare() -> Self {
        Self {
            methods: HashMap::new(),
            tools: Vec::new(),
            raw: None,
            sessions: true,
            listening: true,
            endpoint: "/mcp",
            modern: false,
        }
    }

    /// Speaks 2026-07-28 and nothing else, and checks what it is sent as strictly as that revision asks for.
    pub(crate) fn modern(self) -> Self {
        Self { modern: true, sessions: false, ..self }
    }

    /// Answers a method.
    pub(crate) fn on<F, A>(mut self, method: &str, answer: F) -> Self
    where
        F: Fn(Call) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        self.methods.insert(method.to_owned(), Arc::new(move |call| Box::pin(answer(call))));
        self
    }

    /// Answers a method with the same result each time.
    pub(crate) fn always(self, method: &str, value: impl std::fmt::Display) -> Self {
        let value = value.to_string();
        self.on(method, move |call| std::future::ready(result(&call, &value)))
    }

    /// Answers a list with one item more each time it is asked for. `item` is one with its key left out.
    pub(crate) fn growing(self, method: &str, member: &'static str, key: &'static str, item: &Value) -> Self {
        let (asked, item) = (Arc::new(AtomicUsize::new(0)), item.clone());
        self.on(method, move |call| {
            let many = asked.fetch_add(1, Ordering::Relaxed) + 1;
            let items = (0..many).map(|number| {
                let mut item = item.clone();
                item[key] = format!("x://{number}").into();
                item
            });
            let items: Vec<_> = items.collect();
            std::future::ready(result(&call, json!({ member: items })))
        })
    }

    /// Has one more tool, prompt and resource each time it is asked for them.
    pub(crate) fn all_growing(self) -> Self {
        self.growing("tools/list", "tools", "name", &json!({ "inputSchema": { "type": "object" } }))
            .growing("prompts/list", "prompts", "name", &json!({}))
            .growing("resources/list", "resources", "uri", &json!({ "name": "it" }))
    }

    /// Adds a tool, listed with a schema that allows anything.
    pub(crate) fn tool<F, A>(mut self, name: &str, answer: F) -> Self
    where
        F: Fn(Call) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        self.tools.push((name.to_owned(), Arc::new(move |call| Box::pin(answer(call)))));
        self
    }

    /// Sees each HTTP request first; `None` leaves it to the rest.
    pub(crate) fn raw<F, A>(mut self, answer: F) -> Self
    where
        F: Fn(Seen) -> A + Send + Sync + 'static,
        A: Future<Output = Option<Answer>> + Send + 'static,
    {
        self.raw = Some(Arc::new(move |seen| Box::pin(answer(seen))));
        self
    }

    /// Gives out no session ids.
    pub(crate) fn without_sessions(mut self) -> Self {
        self.sessions = false;
        self
    }

    /// Refuses GET with 405.
    pub(crate) fn without_listening(mut self) -> Self {
        self.listening = false;
        self
    }

    /// Serves somewhere else than `/mcp`.
    pub(crate) fn endpoint(mut self, endpoint: &'static str) -> Self {
        self.endpoint = endpoint;
        self
    }
}
