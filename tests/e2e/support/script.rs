//! A language for scripted servers: a plain MCP server, of which a test says what it does otherwise, down to the bytes.
//!
//! ```text
//! Script::plain()
//!     .expect(POST, "tools/call").answer(|reply, _| reply.status("404 Not Found").body("text/html", "<p>gone"))
//!     .expect(GET, "").answer(|reply, _| reply.raw("HTTP/1.1 200 OK\r\n\r\nno stream"))
//!     .start()
//!     .await
//! ```
//!
//! What is expected and how often it comes is up to the client; every rule gets the answer that a plain server gives, or
//! that the rules before have made of it, and changes it.

mod plain;
mod reply;

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{broadcast, watch},
    task::JoinSet,
};

pub(crate) use self::reply::{Chunks, Cut, Events, Form, Framing, Pace, Reply, Then};
use super::expect;

pub(crate) const POST: &str = "POST";
pub(crate) const GET: &str = "GET";
pub(crate) const DELETE: &str = "DELETE";

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) verb: String,
    /// With the query.
    pub(crate) path: String,
    /// By names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// The body as JSON, null if it is none.
    pub(crate) message: Value,
}

impl Asked {
    /// The method of the message; empty for a response, and where there is no message.
    pub(crate) fn method(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }

    /// Whether an answer is waited for.
    pub(crate) fn is_request(&self) -> bool {
        !self.method().is_empty() && self.message.get("id").is_some()
    }

    /// The session that it names, by header or, in the older transport, by its address.
    pub(crate) fn session(&self) -> Option<&str> {
        let query = || {
            self.path.split_once("session=").map(|(_, session)| session.split('&').next().unwrap_or_default())
        };
        self.headers.get("mcp-session-id").map(String::as_str).or_else(query)
    }

    /// A response with this result to it.
    pub(crate) fn result(&self, result: &Value) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, self.message["id"])
    }

    /// A response with this error to it.
    pub(crate) fn error(&self, code: i64, message: &str) -> String {
        let error = serde_json::json!({ "code": code, "message": message });
        format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, self.message["id"])
    }
}

/// Which of the transports a script speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    /// At `/mcp`.
    Streamable,
    /// At `/mcp`, without handshake and sessions (2026-07-28).
    Modern,
    /// A stream at `/sse`, and messages to `/message`.
    HttpSse,
}

type Change = Box<dyn Fn(Reply, &Asked) -> Reply + Send + Sync>;

struct Rule {
    fits: Box<dyn Fn(&Asked) -> bool + Send + Sync>,
    change: Change,
}

/// What a server does, before it is started.
pub(crate) struct Script {
    transport: Transport,
    rules: Vec<Rule>,
}

/// What is expected, of which it is not said yet what becomes of it.
pub(crate) struct Expecting {
    script: Script,
    fits: Box<dyn Fn(&Asked) -> bool + Send + Sync>,
}

impl Script {
    /// A server without quirks: Streamable HTTP, sessions, a standing stream, and answers as JSON.
    pub(crate) fn plain() -> Self {
        Self { transport: Transport::Streamable, rules: Vec::new() }
    }

    /// The same without handshake, sessions and standing stream: 2026-07-28, and nothing else.
    pub(crate) fn modern() -> Self {
        Self { transport: Transport::Modern, rules: Vec::new() }
    }

    /// The same on the transport of 2024-11-05.
    pub(crate) fn http_sse() -> Self {
        Self { transport: Transport::HttpSse, rules: Vec::new() }
    }

    /// A request with this HTTP method and this method of JSON-RPC; with `""`, one without.
    pub(crate) fn expect(self, verb: &'static str, method: &str) -> Expecting {
        let method = method.to_owned();
        self.expect_any(move |asked| asked.verb == verb && asked.method() == method)
    }

    /// Any request that fits.
    pub(crate) fn expect_any(self, fits: impl Fn(&Asked) -> bool + Send + Sync + 'static) -> Expecting {
        Expecting { script: self, fits: Box::new(fits) }
    }

    /// Begins to listen.
    pub(crate) async fn start(self) -> Scripted {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::new(Server {
            script: self,
            seen: watch::Sender::default(),
            sessions: watch::Sender::default(),
            pushes: broadcast::channel(256).0,
        });
        let mut tasks = JoinSet::new();
        let accepting = Arc::clone(&server);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(connection(Arc::clone(&accepting), socket));
                while connections.try_join_next().is_some() {}
            }
        });
        Scripted { port, server, _tasks: tasks }
    }
}

impl Expecting {
    /// What becomes of the answer.
    pub(crate) fn answer(self, change: impl Fn(Reply, &Asked) -> Reply + Send + Sync + 'static) -> Script {
        let Self { mut script, fits } = self;
        script.rules.push(Rule { fits, change: Box::new(change) });
        script
    }
}

/// A server that runs as long as this is held.
pub(crate) struct Scripted {
    pub(crate) port: u16,
    server: Arc<Server>,
    _tasks: JoinSet<()>,
}

impl Scripted {
    /// Everything that came so far, each with the first line of what was answered; empty where nothing was.
    pub(crate) fn seen(&self) -> Vec<(Asked, String)> {
        self.server.seen.borrow().clone()
    }

    /// Waits until something came.
    pub(crate) async fn saw(&self, what: &str, wanted: impl Fn(&Asked) -> bool) {
        let mut seen = self.server.seen.subscribe();
        expect(what, seen.wait_for(|seen| seen.iter().any(|(asked, _)| wanted(asked)))).await.unwrap();
    }
}

struct Server {
    script: Script,
    seen: watch::Sender<Vec<(Asked, String)>>,
    /// Sessions that were opened and not ended.
    sessions: watch::Sender<Vec<String>>,
    /// What goes onto the standing stream of a session.
    pushes: broadcast::Sender<(String, String)>,
}

impl Server {
    fn reply(&self, asked: &Asked) -> Reply {
        let mut reply = match self.script.transport {
            Transport::Streamable => plain::streamable(asked, &self.sessions),
            Transport::Modern => plain::modern(asked),
            Transport::HttpSse => plain::http_sse(asked),
        };
        for rule in &self.script.rules {
            if (rule.fits)(asked) {
                reply = (rule.change)(reply, asked);
            }
        }
        reply
    }
}

/// How much later a message is said that is put off.
const PUT_OFF: Duration = Duration::from_millis(50);

/// How long a client may take to ask for its standing stream.
const STREAM_LIMIT: Duration = Duration::from_secs(3);

/// One TCP connection, to its end.
async fn connection(server: Arc<Server>, mut socket: TcpStream) {
    let _ = socket.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(asked) = read(&mut socket, &mut buffer).await {
        let reply = server.reply(&asked);
        let status = if reply.cut == Some(Cut::Before) { String::new() } else { reply.status.clone() };
        let session = asked.session().or(reply.stands_for.as_deref()).unwrap_or_default().to_owned();
        let mut pushes = server.pushes.subscribe();
        server.seen.send_modify(|seen| seen.push((asked.clone(), status)));
        if reply.after_stream {
            let mut seen = server.seen.subscribe();
            // A redirect is no stream yet.
            let asked_for = |(it, status): &(Asked, String)| {
                it.verb == GET && it.session() == Some(&*session) && !status.starts_with('3')
            };
            let stream = seen.wait_for(|seen| seen.iter().any(asked_for));
            // A client that wants none is answered all the same.
            let _ = tokio::time::timeout(STREAM_LIMIT, stream).await;
        }
        let Some(then) = reply.write(&mut socket).await else { return };
        if reply.put_off {
            // So that the client reads this response first, whatever is wrong with it.
            tokio::time::sleep(PUT_OFF).await;
        }
        // What is refused has no answer elsewhere.
        if reply.status.starts_with('2') {
            let put_off = if reply.put_off { &reply.messages[..] } else { &[] };
            for message in put_off.iter().chain(&reply.elsewhere) {
                let _ = server.pushes.send((session.clone(), message.clone()));
            }
        }
        match then {
            Then::Keep => {}
            Then::Close => return,
            Then::Silence => return closed(&mut socket).await,
            Then::Stand => loop {
                tokio::select! {
                    biased;
                    () = closed(&mut socket) => return,
                    pushed = pushes.recv() => match pushed {
                        Ok((to, message)) if to == session => {
                            if socket.write_all(&reply.pushed(&message)).await.is_err() {
                                return;
                            }
                        }
                        Ok(_) => {}
                        Err(_) => return,
                    },
                }
            },
        }
    }
}

/// Waits until the other side has closed.
async fn closed(socket: &mut TcpStream) {
    let mut rest = [0; 256];
    while let Ok(1..) = socket.read(&mut rest).await {}
}

/// The next request on a connection.
async fn read(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|it| it == b"\r\n\r\n") {
            break end + 4;
        }
        if !matches!(socket.read_buf(buffer).await, Ok(1..)) {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (verb, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
    while buffer.len() < end + length {
        if !matches!(socket.read_buf(buffer).await, Ok(1..)) {
            return None;
        }
    }
    let message = serde_json::from_slice(&buffer[end..end + length]).unwrap_or_default();
    buffer.drain(..end + length);
    Some(Asked { verb, path, headers, message })
}
