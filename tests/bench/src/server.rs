//! The instance that is measured against: an MCP server with as little work of its own as possible, so that what is
//! seen is the way to it.
//!
//! One thread, one task per connection. It can listen on many ports at once, each standing for an instance of its
//! own. The ports are told on stdout in one line; the process ends when its stdin does.

use std::{io::Write, rc::Rc};

use anyhow::{Context, Result};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

/// The tools that answer with a text of many bytes, with the size of that text.
pub(crate) const BIG: [(&str, usize); 2] = [("big_1_mib", 1 << 20), ("big_10_mib", 10 << 20)];

/// Read at once from a connection: far more than any request of the benchmark.
const READ_BYTES: usize = 16 * 1024;

/// The result of `initialize`.
const INITIALIZE: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"1"}}"#;

/// The result of `tools/list`.
const TOOLS: &str = r#"{"tools":[{"name":"echo","description":"Answers with a few bytes.","inputSchema":{"type":"object"}},{"name":"echo_sse","description":"The same as an event stream.","inputSchema":{"type":"object"}},{"name":"never","description":"Never answers.","inputSchema":{"type":"object"}},{"name":"big_1_mib","inputSchema":{"type":"object"}},{"name":"big_10_mib","inputSchema":{"type":"object"}}]}"#;

/// The result of a small call.
const ECHO: &str = r#"{"content":[{"type":"text","text":"hello"}]}"#;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: &'a str,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<&'a str>,
}

/// The result of `server/discover`.
const DISCOVER: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"bench","version":"1"}}}"#;

/// The result of a small call without a handshake.
const ECHO_MODERN: &str = r#"{"resultType":"complete","content":[{"type":"text","text":"hello"}]}"#;

/// What the server is.
struct Manner {
    /// It speaks the revisions without a handshake.
    modern: bool,
    /// The prebuilt results of the tools in [`BIG`].
    big: Vec<(&'static str, String)>,
}

type Results = Rc<Manner>;

/// Runs the server with `ports` listeners.
pub(crate) fn run(ports: usize, modern: bool) -> Result<()> {
    allow_many_descriptors();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let local = LocalSet::new();
    let big = BIG.iter().map(|&(name, bytes)| (name, big_result(bytes))).collect();
    let results: Results = Rc::new(Manner { modern, big });
    local.block_on(&runtime, async move {
        let mut line = String::new();
        for _ in 0..ports {
            let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen")?;
            line.push_str(&format!("{} ", listener.local_addr()?.port()));
            tokio::task::spawn_local(accept(listener, Rc::clone(&results)));
        }
        line.push('\n');
        std::io::stdout().write_all(line.as_bytes())?;
        std::io::stdout().flush()?;
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        // The only other thread: it sleeps in `read` until the benchmark is over.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            drop(end);
        });
        let _ = ended.await;
        Ok(())
    })
}

/// A text of log lines, so that it has the escapes that real results have: one `\n` in a hundred bytes.
fn big_result(bytes: usize) -> String {
    let line = format!("{:0>97}.\\n", "GET /assets/index-4f2a.js 200 in 3 ms");
    let text = line.repeat(bytes / line.len() + 1);
    format!(
        r#"{{"content":[{{"type":"text","text":"{}"}}]}}"#,
        text.get(..bytes).unwrap_or(&text).trim_end_matches('\\')
    )
}

#[cfg(unix)]
fn allow_many_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is refused the many-instances rows fail with a clear message of their own.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(not(unix))]
fn allow_many_descriptors() {}

async fn accept(listener: TcpListener, results: Results) {
    while let Ok((stream, _)) = listener.accept().await {
        let results = Rc::clone(&results);
        tokio::task::spawn_local(async move {
            // A connection that breaks concerns its peer only.
            let _ = serve(stream, &results).await;
        });
    }
}

/// Serves one keep-alive connection until it closes.
async fn serve(mut stream: TcpStream, results: &Results) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(READ_BYTES);
    let mut answer = Vec::new();
    loop {
        let (head, body) = loop {
            if let Some((head, body)) = measure_request(&buffer)
                && buffer.len() >= head + body
            {
                break (head, body);
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        match buffer.first() {
            Some(b'G') => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await?;
                // Nothing is ever sent on it: it stays open until the peer closes it.
                let mut rest = [0; 64];
                while stream.read(&mut rest).await? != 0 {}
                return Ok(());
            }
            Some(b'P') => {
                let request = buffer.get(head..head + body).unwrap_or_default();
                if !post(&mut stream, request, results, &mut answer).await? {
                    // A call that never ends: only the peer's closing does.
                    let mut rest = [0; 64];
                    while stream.read(&mut rest).await? != 0 {}
                    return Ok(());
                }
            }
            _ => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?,
        }
        buffer.drain(..head + body);
    }
}

/// Lengths of the head and the body of the request at the start of `buffer`, once its head is complete.
fn measure_request(buffer: &[u8]) -> Option<(usize, usize)> {
    let head = memmem::find(buffer, b"\r\n\r\n")? + 4;
    let body = crate::http::content_length(buffer.get(..head)?).unwrap_or(0);
    Some((head, body))
}

/// Answers a POST; says whether the connection goes on.
async fn post(
    stream: &mut TcpStream,
    body: &[u8],
    results: &Results,
    answer: &mut Vec<u8>,
) -> std::io::Result<bool> {
    answer.clear();
    let Ok(request) = serde_json::from_slice::<Request<'_>>(body) else {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await?;
        return Ok(true);
    };
    let Some(id) = request.id else {
        stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await?;
        return Ok(true);
    };
    let tool = request.params.as_ref().and_then(|params| params.name).unwrap_or_default();
    let mut extra = "";
    let result = match (request.method, tool) {
        ("server/discover", _) if results.modern => DISCOVER,
        ("subscriptions/listen", _) if results.modern => {
            acknowledge(stream, id, answer).await?;
            return Ok(false);
        }
        ("initialize" | "server/discover", _) if results.modern == (request.method == "initialize") => {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await?;
            return Ok(true);
        }
        ("initialize", _) => {
            extra = "mcp-session-id: bench\r\n";
            INITIALIZE
        }
        ("tools/list", _) => TOOLS,
        ("tools/call", "never") => return Ok(false),
        ("tools/call", "echo_sse") => return event(stream, id, answer).await.map(|()| true),
        ("tools/call", name) => {
            let echo = if results.modern { ECHO_MODERN } else { ECHO };
            results.big.iter().find(|(known, _)| *known == name).map_or(echo, |(_, result)| result.as_str())
        }
        _ => "{}",
    };
    let id = id.get();
    let length = r#"{"jsonrpc":"2.0","id":,"result":}"#.len() + id.len() + result.len();
    write!(
        answer,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{extra}content-length: {length}\r\n\r\n"
    )?;
    write!(answer, r#"{{"jsonrpc":"2.0","id":{id},"result":"#)?;
    if result.len() < READ_BYTES {
        answer.extend_from_slice(result.as_bytes());
        answer.push(b'}');
        stream.write_all(answer).await?;
    } else {
        stream.write_all(answer).await?;
        stream.write_all(result.as_bytes()).await?;
        stream.write_all(b"}").await?;
    }
    Ok(true)
}

/// The beginning of a stream of notifications that never come.
async fn acknowledge(stream: &mut TcpStream, id: &RawValue, answer: &mut Vec<u8>) -> std::io::Result<()> {
    let event = format!(
        "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{{\"_meta\":{{\"io.modelcontextprotocol/subscriptionId\":{id}}},\"notifications\":{{}}}}}}\n\n"
    );
    write!(
        answer,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{event}\r\n",
        event.len()
    )?;
    stream.write_all(answer).await
}

/// The same answer as one event of a chunked stream, as most servers on the official SDKs send it.
async fn event(stream: &mut TcpStream, id: &RawValue, answer: &mut Vec<u8>) -> std::io::Result<()> {
    let event = format!("event: message\ndata: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{ECHO}}}\n\n");
    write!(
        answer,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{event}\r\n0\r\n\r\n",
        event.len()
    )?;
    stream.write_all(answer).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_results_are_json_of_their_size() {
        for (name, bytes) in BIG {
            let result = big_result(bytes);
            serde_json::from_str::<&RawValue>(&result).unwrap();
            assert!(result.len().abs_diff(bytes) < 200, "{name}");
        }
    }
}
