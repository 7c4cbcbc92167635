//! Asks a port of an own script whether it speaks MCP, with one request and no more than it takes to tell.

use std::{net::IpAddr, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

use super::known::{KnownServer, McpProbe, authority};

/// How long one question may take. A dev server compiles the first thing that it is asked for.
const QUESTION: Duration = Duration::from_secs(10);

/// The most that is read of an answer.
const MAX_ANSWER: usize = 256 * 1024;

/// The header field by which a server names a session.
const SESSION: &str = "mcp-session-id";

/// Whether this server is there.
pub(super) async fn speaks_mcp(known: &KnownServer, address: IpAddr, port: u16) -> bool {
    let server = Server { known, address, port };
    timeout(QUESTION, server.answers()).await.is_ok_and(|answers| answers.unwrap_or(false))
}

struct Server<'a> {
    known: &'a KnownServer,
    address: IpAddr,
    port: u16,
}

/// Nothing more is made of a failure: the server is not there, or not yet.
type Failed = Box<dyn std::error::Error + Send + Sync>;

impl Server<'_> {
    async fn answers(&self) -> Result<bool, Failed> {
        match self.known.question {
            McpProbe::Initialize => self.initialize().await,
            McpProbe::Page(path) => {
                let response = self.ask(Method::GET, path, &[], Bytes::new()).await?;
                read(response, |text| serde_json::from_str::<Value>(text).is_ok_and(|it| it.is_object()))
                    .await
            }
        }
    }

    async fn initialize(&self) -> Result<bool, Failed> {
        let params = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "brummer-hub", "version": env!("CARGO_PKG_VERSION") },
        });
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let response = self.ask(Method::POST, self.known.endpoint, &[], request.to_string().into()).await?;
        let session = response.headers().get(SESSION).and_then(|it| it.to_str().ok()).map(str::to_owned);
        let speaks = read(response, is_initialized).await?;
        if let Some(session) = session {
            // It needs to keep it no longer; that it cannot be ended is nothing to us.
            let _ = self.ask(Method::DELETE, self.known.endpoint, &[(SESSION, &session)], Bytes::new()).await;
        }
        Ok(speaks)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response<Incoming>, Failed> {
        let stream = TcpStream::connect((self.address, self.port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the response, or when that is dropped.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, authority(self.address, self.port))
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        if let Some(origin) = self.known.origin(self.address, self.port) {
            request = request.header(header::ORIGIN, origin);
        }
        Ok(sender.send_request(request.body(Full::new(body))?).await?)
    }
}

/// Reads a response until it is as wanted, or over.
async fn read(mut response: Response<Incoming>, wanted: impl Fn(&str) -> bool) -> Result<bool, Failed> {
    if !response.status().is_success() {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = response.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        bytes.extend_from_slice(&data);
        if bytes.len() > MAX_ANSWER {
            return Ok(false);
        }
        // A stream may stay open after what matters.
        if wanted(&String::from_utf8_lossy(&bytes)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether this is the answer to `initialize`, as JSON or as an event.
fn is_initialized(text: &str) -> bool {
    let is_result = |text: &str| {
        let message: Option<Value> = serde_json::from_str(text).ok();
        message.is_some_and(|it| it["jsonrpc"] == "2.0" && it["result"]["protocolVersion"].is_string())
    };
    is_result(text) || text.lines().filter_map(|line| line.strip_prefix("data:")).any(is_result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_speaks_mcp_is_taken_for_it() {
        let result =
            r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-03-26","capabilities":{}}}"#;
        assert!(is_initialized(result));
        assert!(is_initialized(&format!("event: message\ndata: {result}\n\n")));
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#;
        for other in ["", "<!doctype html>", "{}", error, &result[..40], "data: <p>"] {
            assert!(!is_initialized(other), "{other}");
        }
    }
}
