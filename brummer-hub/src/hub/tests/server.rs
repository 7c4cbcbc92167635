//! A real MCP server on a real port, and a real process that runs one.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    discovery::Directories,
    registration::{Registration, RegistrationOptions},
};

const SESSION: &str = "Mcp-Session-Id";

/// What a server does and has seen.
#[derive(Debug, Default)]
pub(super) struct Behaviour {
    /// Answers no ping, as a program that is stopped.
    pub(super) hangs: AtomicBool,
    /// Has no handshake.
    pub(super) modern: AtomicBool,
    /// The id that it states, if any.
    pub(super) states: Option<String>,
    pub(super) pings: AtomicUsize,
    pub(super) opened: AtomicUsize,
    pub(super) deleted: AtomicUsize,
}

/// A server on a runtime of its own, so that it can end as abruptly as a process does.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) behaviour: Arc<Behaviour>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    pub(super) fn start() -> Self {
        Self::with(0, Behaviour::default())
    }

    pub(super) fn with(port: u16, behaviour: Behaviour) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let behaviour = Arc::new(behaviour);
        // Bound before anyone can be told the port; other tests run at the same time.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("a bound socket").port();
        let app = Router::new()
            .route("/mcp", post(answer).get(listen).delete(end))
            .with_state(Arc::clone(&behaviour));
        runtime.spawn(async move { axum::serve(TcpListener::from_std(listener)?, app).await });
        Self { port, behaviour, runtime: Some(runtime) }
    }

    /// Announces it as served by this process.
    pub(super) fn announce(&self, data: &Path, id: &str, name: &str) -> Registration {
        let mut options = RegistrationOptions::new(self.port);
        options.id = Some(id.parse_id());
        options.name = Some(name.to_owned());
        options.path = Some(data.join("project"));
        options.directories = Directories::only(data);
        Registration::announce(options).expect("an announcement")
    }

    /// Ends it, with all its connections.
    pub(super) fn kill(mut self) -> u16 {
        self.end();
        self.port
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

trait ParseId {
    fn parse_id(&self) -> crate::doorbell::InstanceId;
}

impl ParseId for str {
    fn parse_id(&self) -> crate::doorbell::InstanceId {
        crate::doorbell::InstanceId::parse(self).expect("a valid id")
    }
}

async fn answer(State(behaviour): State<Arc<Behaviour>>, body: String) -> Response {
    let request: Value = serde_json::from_str(&body).expect("JSON");
    let Some(id) = request.get("id") else { return StatusCode::ACCEPTED.into_response() };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, "application/json".parse().expect("a header"));
    let is_modern = behaviour.modern.load(Ordering::SeqCst);
    if is_modern && !request["params"]["_meta"].is_object() {
        let error = json!({"code": -32022, "message": "which?", "data": {"supported": ["2026-07-28"]}});
        let body = json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string();
        return (StatusCode::BAD_REQUEST, headers, body).into_response();
    }
    let result = match request["method"].as_str() {
        Some("server/discover") if !is_modern && !behaviour.hangs.load(Ordering::SeqCst) => {
            return (StatusCode::NOT_FOUND, headers, "what?").into_response();
        }
        Some("server/discover") if is_modern => {
            behaviour.pings.fetch_add(1, Ordering::SeqCst);
            if behaviour.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            json!({"supportedVersions": ["2026-07-28"], "capabilities": {"extensions": {"a/b": {}}}})
        }
        Some("initialize") => {
            let number = behaviour.opened.fetch_add(1, Ordering::SeqCst);
            headers.insert(SESSION, number.to_string().parse().expect("a header"));
            if let Some(id) = &behaviour.states {
                headers.insert("Brummer-Instance-Id", id.parse().expect("a header"));
            }
            json!({
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "serverInfo": {"name": "test", "version": "0"},
            })
        }
        _ => {
            behaviour.pings.fetch_add(1, Ordering::SeqCst);
            if behaviour.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            // As the released Go program does: an error is an answer.
            let error = json!({"code": -32601, "message": "method not found"});
            return (headers, json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string())
                .into_response();
        }
    };
    (headers, json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string()).into_response()
}

async fn listen() -> Response {
    let silence = Body::from_stream(stream::pending::<Result<String, std::io::Error>>());
    ([(header::CONTENT_TYPE, "text/event-stream")], silence).into_response()
}

async fn end(State(behaviour): State<Arc<Behaviour>>) -> StatusCode {
    behaviour.deleted.fetch_add(1, Ordering::SeqCst);
    StatusCode::NO_CONTENT
}

const CHILD: &str = "BRUMMER_TEST_CHILD";

/// Starts a process that announces itself in `data` under `id` and serves until it is killed.
pub(super) fn child(data: &Path, id: &str) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "--ignored", "--nocapture", "hub::tests::server::runs_as_a_child"])
        .env(CHILD, data)
        .env("BRUMMER_TEST_ID", id)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child process")
}

#[test]
#[ignore = "the process that other tests start and kill"]
fn runs_as_a_child() {
    let data = std::env::var_os(CHILD).expect("started by another test");
    let id = std::env::var("BRUMMER_TEST_ID").expect("started by another test");
    let server = Server::start();
    let registration = server.announce(Path::new(&data), &id, "child");
    // Ends with the parent at the latest, however that ends.
    let _ = std::io::read_to_string(std::io::stdin());
    drop(registration);
}
