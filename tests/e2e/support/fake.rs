//! An instance in the test's own process that answers exactly as the test says, and remembers all it was sent.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::{broadcast, mpsc, watch};

use super::{Answer, Behaviour, Call, Seen, expect, modern_fake::Listens, result, rpc_error};

/// A running fake instance. It ends with the runtime of its test.
#[derive(Clone, Debug)]
pub(crate) struct Fake {
    pub(crate) port: u16,
    pub(super) behaviour: Arc<Behaviour>,
    seen: Arc<watch::Sender<Vec<Seen>>>,
    /// Sessions that were opened and not forgotten.
    sessions: Arc<watch::Sender<Vec<String>>>,
    /// What GET streams carry: the session and the text of an event.
    pushes: broadcast::Sender<(String, String)>,
    /// Who listens to it, in the era without sessions.
    pub(super) listens: Listens,
}

impl Fake {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self::serve(listener, behaviour)
    }

    pub(crate) fn serve(listener: tokio::net::TcpListener, behaviour: Behaviour) -> Self {
        let fake = Self {
            port: listener.local_addr().unwrap().port(),
            behaviour: Arc::new(behaviour),
            seen: Arc::default(),
            sessions: Arc::default(),
            pushes: broadcast::channel(1024).0,
            listens: Listens::default(),
        };
        let router = Router::new().fallback(serve_request).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    /// Everything received so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// The first request that is as wanted, waited for.
    pub(crate) async fn saw(&self, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.subscribe();
        expect(what, async {
            let seen =
                seen.wait_for(|seen| seen.iter().any(&wanted)).await.expect("the fake holds the sender");
            seen.iter().find(|seen| wanted(seen)).expect("it was just there").clone()
        })
        .await
    }

    /// Waits until what was received so far is as wanted.
    pub(crate) async fn saw_more(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let mut seen = self.seen.subscribe();
        expect(what, async {
            while !wanted(self) {
                seen.changed().await.expect("the fake holds the sender");
            }
        })
        .await;
    }

    /// The session that was opened in the client's name, not in the hub's for health.
    pub(crate) async fn client_session(&self) -> String {
        let opened = |seen: &Seen| {
            seen.method() == "initialize" && seen.message["params"]["clientInfo"]["name"] != "brummer-hub"
        };
        let session = self.saw("the client's session", opened).await.session;
        session.expect("this fake gives out session ids")
    }

    /// Waits until the GET stream of a session is open.
    pub(crate) async fn listening(&self, session: &str) {
        self.saw("a GET stream", |seen| seen.verb == "GET" && seen.session.as_deref() == Some(session)).await;
    }

    /// Sends a message on the GET stream of a session.
    pub(crate) fn push(&self, session: &str, message: impl Into<String>) {
        self.pushes.send((session.to_owned(), message.into())).expect("a GET stream is open");
    }

    /// The same, but lost when nobody listens.
    pub(crate) fn push_if_heard(&self, session: &str, message: impl Into<String>) {
        let _ = self.pushes.send((session.to_owned(), message.into()));
    }

    /// Forgets all sessions, as a restarted server does: from now on they answer 404.
    pub(crate) fn forget_sessions(&self) {
        self.sessions.send_replace(Vec::new());
    }

    async fn answer(&self, seen: Seen) -> Response {
        if let Some(raw) = &self.behaviour.raw
            && let Some(answer) = raw(seen.clone()).await
        {
            return respond(answer, None).await;
        }
        if seen.path != self.behaviour.endpoint {
            return status(StatusCode::NOT_FOUND);
        }
        if self.behaviour.modern {
            return self.answer_modern(seen).await;
        }
        let known = |session: &String| self.sessions.borrow().contains(session);
        if self.behaviour.sessions
            && seen.method() != "initialize"
            && !seen.session.as_ref().is_some_and(known)
        {
            return status(StatusCode::NOT_FOUND);
        }
        match seen.verb.as_str() {
            "GET" if self.behaviour.listening => self.open_get(seen.session.unwrap_or_default()),
            "DELETE" if self.behaviour.sessions => {
                self.sessions.send_modify(|sessions| sessions.retain(|it| Some(it) != seen.session.as_ref()));
                status(StatusCode::OK)
            }
            "POST" if seen.message.get("id").is_none() || seen.message.get("method").is_none() => {
                status(StatusCode::ACCEPTED)
            }
            "POST" => {
                let session = (seen.method() == "initialize").then(|| seen.session.clone()).flatten();
                respond(self.dispatch(seen).await, session).await
            }
            _ => status(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    async fn dispatch(&self, seen: Seen) -> Answer {
        self.perform(call(seen)).await
    }

    /// Answers a request of either era; of the modern one, only what is not different there.
    pub(super) async fn perform(&self, call: Call) -> Answer {
        let tools = &self.behaviour.tools;
        if let Some(handler) = self.behaviour.methods.get(call.seen.method()) {
            return handler(call).await;
        }
        match call.seen.method() {
            "initialize" => {
                let welcome = json!({
                    "protocolVersion": call.params["protocolVersion"],
                    "capabilities": {
                        "tools": { "listChanged": true }, "prompts": { "listChanged": true },
                        "resources": { "subscribe": true, "listChanged": true }, "logging": {}, "completions": {},
                    },
                    "serverInfo": { "name": "fake", "version": "1.0.0" },
                });
                result(&call, welcome)
            }
            "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
                result(&call, "{}")
            }
            "tools/list" => {
                let tools = tools
                    .iter()
                    .map(|(name, _)| json!({ "name": name, "inputSchema": { "type": "object" } }));
                result(&call, json!({ "tools": tools.collect::<Vec<_>>() }))
            }
            "prompts/list" => result(&call, r#"{"prompts":[]}"#),
            "resources/list" => result(&call, r#"{"resources":[]}"#),
            "resources/templates/list" => result(&call, r#"{"resourceTemplates":[]}"#),
            "tools/call" => match tools.iter().find(|(name, _)| call.params["name"] == **name) {
                Some((_, handler)) => handler(call).await,
                None => rpc_error(&call, -32602, "unknown tool"),
            },
            _ => rpc_error(&call, -32601, "unknown method"),
        }
    }

    fn open_get(&self, session: String) -> Response {
        let mut pushes = self.pushes.subscribe();
        let (events, stream) = mpsc::channel(64);
        tokio::spawn(async move {
            let _ = events.send(Ok(Bytes::from_static(b": listening\n\n"))).await;
            while let Ok((to, message)) = pushes.recv().await {
                if to == session && events.send(Ok(event(&message))).await.is_err() {
                    return;
                }
            }
        });
        event_stream(stream)
    }
}

/// One event with a message.
pub(crate) fn event(message: &str) -> Bytes {
    let data: String = message.lines().map(|line| format!("data: {line}\n")).collect();
    format!("event: message\n{data}\n").into()
}

pub(super) fn call(seen: Seen) -> Call {
    #[derive(serde::Deserialize)]
    struct Id<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    let id =
        serde_json::from_str::<Id<'_>>(&seen.body).map_or("null".to_owned(), |it| it.id.get().to_owned());
    Call { params: seen.message["params"].clone(), id, seen }
}

/// What can be told of a message with numbers and texts that a [`Value`] cannot hold: all but its `params`.
fn envelope(body: &str) -> Value {
    #[derive(serde::Deserialize)]
    struct Envelope {
        id: Option<Value>,
        method: Option<String>,
    }
    let Ok(Envelope { id, method }) = serde_json::from_str(body) else { return Value::Null };
    let mut message = json!({ "jsonrpc": "2.0" });
    if let Some(id) = id {
        message["id"] = id;
    }
    if let Some(method) = method {
        message["method"] = method.into();
    }
    message
}

async fn serve_request(State(fake): State<Fake>, request: Request) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let message = serde_json::from_str::<Value>(&body).unwrap_or_else(|_| envelope(&body));
    let header = parts.headers.get("mcp-session-id").and_then(|value| value.to_str().ok());
    let mut session = header.map(str::to_owned);
    if fake.behaviour.sessions && message["method"] == "initialize" {
        let opened = super::unique_id("session");
        fake.sessions.send_modify(|sessions| sessions.push(opened.clone()));
        session = Some(opened);
    }
    let (verb, path) = (parts.method.to_string(), parts.uri.path().to_owned());
    let seen = Seen { verb, path, headers: parts.headers, body, message, session };
    fake.seen.send_modify(|all| all.push(seen.clone()));
    Ok(fake.answer(seen).await)
}

pub(super) async fn respond(answer: Answer, session: Option<String>) -> Response {
    let mut response = match answer {
        Answer::Json(body) => {
            Response::builder().header("content-type", "application/json").body(body.into()).unwrap()
        }
        Answer::Events(messages) => {
            let body: Vec<u8> = messages.iter().flat_map(|message| event(message)).collect();
            Response::builder().header("content-type", "text/event-stream").body(body.into()).unwrap()
        }
        Answer::Stream(stream) => event_stream(stream),
        Answer::Http(response) => *response,
        Answer::Never => std::future::pending().await,
    };
    if let Some(session) = session {
        response.headers_mut().insert("mcp-session-id", session.parse().unwrap());
    }
    response
}

pub(super) fn event_stream(stream: mpsc::Receiver<Result<Bytes, std::io::Error>>) -> Response {
    let chunks =
        futures_util::stream::unfold(stream, async |mut stream| Some((stream.recv().await?, stream)));
    Response::builder().header("content-type", "text/event-stream").body(Body::from_stream(chunks)).unwrap()
}

pub(super) fn status(status: StatusCode) -> Response {
    Response::builder().status(status).body(Body::empty()).unwrap()
}
