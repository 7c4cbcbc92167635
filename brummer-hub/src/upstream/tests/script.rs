//! A server whose every answer a test writes itself, and an owner that waits for events.

mod owner;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(super) use self::owner::{ConnectionOwner, hello, options, request};

/// Nothing in these tests takes long; what has not come by then never will.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// A server without a will of its own.
pub(super) struct Server {
    pub(super) port: u16,
    requests: mpsc::Receiver<ReceivedRequest>,
    passed_over: VecDeque<ReceivedRequest>,
    tasks: TaskTracker,
    accepting: JoinHandle<()>,
    stop: CancellationToken,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn on(listener: TcpListener) -> Self {
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = mpsc::channel(64);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (peers, token) = (tasks.clone(), stop.clone());
        let accepting = tasks.spawn(async move {
            for number in 0.. {
                let accepted = token.run_until_cancelled(listener.accept()).await;
                let Some(Ok((socket, _))) = accepted else { return };
                peers.spawn(serve(ServerConnection {
                    number,
                    socket,
                    requests: sender.clone(),
                    tasks: peers.clone(),
                }));
            }
        });
        Self { port, requests, passed_over: VecDeque::new(), tasks, accepting, stop }
    }

    /// No connection is taken any more; those that stand go on.
    pub(super) async fn refuse_connections(&mut self) {
        self.stop.cancel();
        // The listener is dropped with its task.
        (&mut self.accepting).await.unwrap();
    }

    /// The next request with this HTTP and JSON-RPC method (empty for none), whatever else comes before.
    pub(super) async fn expect(&mut self, verb: &str, method: &str) -> ReceivedRequest {
        let fits = |request: &ReceivedRequest| {
            request.verb == verb && request.rpc["method"].as_str().unwrap_or("") == method
        };
        if let Some(at) = self.passed_over.iter().position(fits) {
            return self.passed_over.remove(at).unwrap();
        }
        soon(&format!("{verb} {method}; got {:?}", self.passed_over), async {
            loop {
                let request = self.requests.recv().await.unwrap();
                if fits(&request) {
                    return request;
                }
                self.passed_over.push_back(request);
            }
        })
        .await
    }

    /// Plays the handshake, with a session if it has a name. The standing stream is left for the test.
    pub(super) async fn shake_hands(&mut self, session: &str) {
        let request = self.expect("POST", "initialize").await;
        let session =
            if session.is_empty() { String::new() } else { format!("Mcp-Session-Id: {session}\r\n") };
        let result =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "script"}});
        let answer = json!({"jsonrpc": "2.0", "id": request.rpc["id"], "result": result});
        request
            .answer("200 OK", &format!("{session}Content-Type: application/json\r\n"), &answer.to_string())
            .await;
        self.expect("POST", "notifications/initialized").await.accept().await;
    }

    /// A conversation without a standing stream.
    pub(super) async fn connected(session: &str) -> (Self, ConnectionOwner) {
        let mut server = Self::start().await;
        let mut owner = ConnectionOwner::connect(server.port);
        server.shake_hands(session).await;
        owner.ready().await;
        server.expect("GET", "").await.answer("405 Method Not Allowed", "", "").await;
        (server, owner)
    }

    /// Nothing has come that the test did not ask for.
    pub(super) fn assert_nothing_else(&mut self) {
        self.passed_over.extend(std::iter::from_fn(|| self.requests.try_recv().ok()));
        assert!(self.passed_over.is_empty(), "unexpected: {:?}", self.passed_over);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.close();
    }
}

/// One TCP connection, seen from the server.
#[derive(Debug)]
struct ServerConnection {
    number: usize,
    socket: TcpStream,
    requests: mpsc::Sender<ReceivedRequest>,
    tasks: TaskTracker,
}

async fn serve(mut peer: ServerConnection) {
    let mut buffer = Vec::new();
    let end = loop {
        if let Some(end) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
            break end + 4;
        }
        match peer.socket.read_buf(&mut buffer).await {
            Ok(1..) => {}
            _ => return,
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut line = lines.next().unwrap().split(' ');
    let (verb, path) = (line.next().unwrap().to_owned(), line.next().unwrap().to_owned());
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = buffer.split_off(end);
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        match peer.socket.read_buf(&mut body).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    let rpc = serde_json::from_slice(&body).unwrap_or_default();
    let text = String::from_utf8(body).unwrap();
    let requests = peer.requests.clone();
    let _ = requests.send(ReceivedRequest { verb, path, headers, rpc, text, peer }).await;
}

/// A request that waits for what the test answers.
#[derive(Debug)]
pub(super) struct ReceivedRequest {
    pub(super) verb: String,
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) rpc: Value,
    /// The body as it came.
    pub(super) text: String,
    peer: ServerConnection,
}

impl ReceivedRequest {
    /// Which TCP connection it came on, counted from 0.
    pub(super) fn connection(&self) -> usize {
        self.peer.number
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(super) async fn answer(self, status: &str, headers: &str, body: &str) {
        let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        self.raw(text).await.keep();
    }

    pub(super) async fn json(self, body: impl ToString) {
        self.answer("200 OK", "Content-Type: application/json\r\n", &body.to_string()).await;
    }

    /// Answers a request with this result.
    pub(super) async fn result(self, result: Value) {
        let answer = json!({"jsonrpc": "2.0", "id": self.rpc["id"], "result": result});
        self.json(answer).await;
    }

    pub(super) async fn accept(self) {
        self.answer("202 Accepted", "", "").await;
    }

    /// Begins a stream of events.
    pub(super) async fn stream(self) -> Writer {
        self.raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await
    }

    /// Writes anything at all.
    pub(super) async fn raw(mut self, bytes: impl AsRef<[u8]>) -> Writer {
        self.peer.socket.write_all(bytes.as_ref()).await.unwrap();
        Writer { peer: self.peer }
    }

    /// Closes the connection without an answer.
    pub(super) fn cut(self) {
        drop(self.peer);
    }
}

/// An answer that is not finished.
pub(super) struct Writer {
    peer: ServerConnection,
}

impl Writer {
    pub(super) async fn chunk(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let mut chunk = format!("{:x}\r\n", text.len()).into_bytes();
        chunk.extend_from_slice(text);
        chunk.extend_from_slice(b"\r\n");
        self.peer.socket.write_all(&chunk).await.unwrap();
    }

    pub(super) async fn event(&mut self, message: Value) {
        self.chunk(format!("event: message\ndata: {message}\n\n")).await;
    }

    pub(super) async fn end(mut self) {
        self.peer.socket.write_all(b"0\r\n\r\n").await.unwrap();
        self.keep();
    }

    /// Waits until the other side has closed the connection.
    pub(super) async fn closed(mut self) {
        let mut rest = [0; 64];
        soon("the connection to be closed", async {
            while let Ok(1..) = self.peer.socket.read(&mut rest).await {}
        })
        .await;
    }

    /// Waits for the next request on the same connection.
    pub(super) fn keep(self) {
        let tasks = self.peer.tasks.clone();
        tasks.spawn(serve(self.peer));
    }
}
