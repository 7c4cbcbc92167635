//! The HTTP of the scripted instances: every connection is a task that tells what came on it and writes what it is told to.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

/// What a connection has to write at a time, at most.
const ORDERS: usize = 4096;

/// What came on a connection.
#[derive(Debug)]
pub(super) enum Heard {
    Request(HeldRequest),
    /// The hub has closed it while a request had no whole answer. Its number.
    Gone(u64),
}

/// A request, which waits for its answer.
#[derive(Debug)]
pub(super) struct HeldRequest {
    /// The life of the instance that got it.
    pub(super) generation: u64,
    /// The connection that it came on, which is told what to write.
    pub(super) connection: u64,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) verb: String,
    pub(super) session: Option<String>,
    pub(super) rpc: Value,
}

/// What a connection is to do.
#[derive(Debug)]
pub(super) enum Order {
    Write(Vec<u8>),
    /// The answer is whole: the next request may come.
    Done,
}

/// One life of an instance: its connections end with `life`.
pub(super) async fn listen(
    generation: u64,
    mut accepted: mpsc::Receiver<DuplexStream>,
    inbox: mpsc::Sender<Heard>,
    life: CancellationToken,
) {
    // Numbers of connections are never used twice.
    for number in generation << 32.. {
        let Some(Some(socket)) = life.run_until_cancelled(accepted.recv()).await else { return };
        let serving = serve(generation, number, socket, inbox.clone());
        let life = life.clone();
        tokio::spawn(async move { life.run_until_cancelled(serving).await });
    }
}

async fn serve(generation: u64, connection: u64, mut socket: DuplexStream, inbox: mpsc::Sender<Heard>) {
    while let Some((verb, session, rpc)) = read(&mut socket).await {
        let (orders, mut queue) = mpsc::channel(ORDERS);
        let request = HeldRequest { generation, connection, orders, verb, session, rpc };
        if inbox.send(Heard::Request(request)).await.is_err() {
            return;
        }
        loop {
            let mut unasked = [0];
            tokio::select! {
                biased;
                order = queue.recv() => match order {
                    Some(Order::Write(bytes)) if socket.write_all(&bytes).await.is_ok() => {}
                    Some(Order::Write(_)) => {
                        let _ = inbox.send(Heard::Gone(connection)).await;
                        return;
                    }
                    Some(Order::Done) => break,
                    // Whoever had to answer has given it up.
                    None => return,
                },
                read = socket.read(&mut unasked) => {
                    assert!(matches!(read, Ok(0) | Err(_)), "a request came before the last one was answered");
                    let _ = inbox.send(Heard::Gone(connection)).await;
                    return;
                }
            }
        }
    }
}

/// The next request: its verb, its session, its message.
async fn read(socket: &mut DuplexStream) -> Option<(String, Option<String>, Value)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).expect("heads are text");
    let header = |wanted: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.clone().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().expect("a length is a number"));
    while body.len() < length {
        if socket.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let verb = head.split(' ').next().unwrap_or_default().to_owned();
    let rpc = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).expect("what is posted is JSON")
    };
    Some((verb, header("mcp-session-id"), rpc))
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Json,
    Chunked,
    Stream,
}

fn head(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}")
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

impl HeldRequest {
    /// A connection that is gone takes no orders, which is no matter; one that takes too few is a fault of the simulator.
    fn order(&self, order: Order) {
        let taken = self.orders.try_send(order);
        assert!(!matches!(taken, Err(mpsc::error::TrySendError::Full(_))), "nobody reads so much");
    }

    /// Writes something; whether anybody is there is seen by what comes back.
    pub(super) fn write(&self, bytes: impl Into<Vec<u8>>) {
        self.order(Order::Write(bytes.into()));
    }

    /// Answers as a whole.
    pub(super) fn answer(&self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        self.write(format!("{}Content-Length: {length}\r\n\r\n{body}", head(status, headers)));
        self.order(Order::Done);
    }

    pub(super) fn accept(&self) {
        self.answer("202 Accepted", "", "");
    }

    pub(super) fn message(&self, form: Form, headers: &str, message: &Value) {
        let text = message.to_string();
        match form {
            Form::Json => {
                self.answer("200 OK", &format!("Content-Type: application/json\r\n{headers}"), &text);
            }
            Form::Chunked => {
                let headers =
                    format!("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n{headers}\r\n");
                // It is cut between characters, not in them: the texts here have none that are longer than a byte.
                let (first, second) = text.split_at(text.len() / 2);
                self.write(head("200 OK", &headers) + &chunk(first));
                self.write(chunk(second) + "0\r\n\r\n");
                self.order(Order::Done);
            }
            Form::Stream => {
                self.begin(headers);
                self.event(message);
                self.end();
            }
        }
    }

    /// Begins a stream of events.
    pub(super) fn begin(&self, headers: &str) {
        let headers =
            format!("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n{headers}\r\n");
        self.write(head("200 OK", &headers));
    }

    pub(super) fn event(&self, message: &Value) {
        self.write(chunk(&format!("data: {message}\n\n")));
    }

    /// Ends it.
    pub(super) fn end(&self) {
        self.write("0\r\n\r\n");
        self.order(Order::Done);
    }
}
