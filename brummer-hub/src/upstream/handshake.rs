//! The opening of a conversation (2025-11-25, lifecycle § Initialization).

use std::time::Duration;

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode, header::HeaderValue};
use serde::Deserialize;

use super::{
    ExchangeError, ExchangeReason, Hello, Sent, Welcome,
    connection::Connection,
    headers::{INSTANCE_ID, Route, SESSION_ID},
    legacy_sse,
    reply::{Opening, Refusal, Reply, excerpt, open},
    wire::{Wire, invalid},
};
use crate::{
    frame::{Frame, Kind, split_batch},
    protocol::LegacyVersion,
};

/// Messages that an instance may send before its answer to `initialize`; it should send none but log lines.
const MAX_EARLY: usize = 64;

/// How long to wait for the end of the response that held the answer, to use its connection again.
const LINGER: Duration = Duration::from_millis(5);

const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The id of `initialize`. Owners number their requests from 1.
const INITIALIZE_ID: u64 = 0;

/// A conversation that has begun.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) route: Route,
    pub(super) welcome: Welcome,
    /// What the instance said before its answer.
    pub(super) early: Vec<Frame>,
    pub(super) connection: Option<Connection>,
    /// The standing stream of the HTTP+SSE transport.
    pub(super) stream: Option<Reply>,
}

/// Why it has not.
enum Failure {
    /// Streamable HTTP is refused in a way that the older transport would show.
    Refused(Refusal),
    Error(ExchangeError),
}

impl From<ExchangeError> for Failure {
    fn from(error: ExchangeError) -> Self {
        Self::Error(error)
    }
}

/// Opens a conversation, by the older transport if need be.
pub(super) async fn shake_hands(wire: &Wire, base: &Route, hello: &Hello) -> Result<Opened, ExchangeError> {
    let opened = match streamable(wire, base, hello).await {
        Ok(opened) => opened,
        Err(Failure::Error(error)) => return Err(error),
        // 2025-11-25, transports § Backwards Compatibility.
        Err(Failure::Refused(refusal)) => match legacy_sse::open(wire, base, hello).await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(%error, "the instance does not speak the HTTP+SSE transport either");
                return Err(refusal.answer().map_or_else(|| refusal.error(), |answer| refused(&answer)));
            }
        },
    };
    initialized(wire, opened).await
}

async fn streamable(wire: &Wire, base: &Route, hello: &Hello) -> Result<Opened, Failure> {
    let (connection, response) = wire.send(None, base.post(initialize(hello))).await?;
    let headers = Headers::take(response.headers());
    match open(connection, response, wire.limits.max_message_bytes).await? {
        Opening::Messages(mut reply) => {
            let (answer, early) = read_answer(&mut reply).await?;
            let welcome = welcome(&answer, headers.instance)?;
            let route = base.agreed(welcome.version, headers.session);
            // The end mostly comes along with the answer. If not, a new connection costs less than waiting.
            let _ = tokio::time::timeout(LINGER, reply.next()).await;
            Ok(Opened { route, welcome, early, connection: reply.into_connection(), stream: None })
        }
        Opening::Empty(_) => Err(invalid("it accepted `initialize` without an answer".into()).into()),
        Opening::Refused(refusal) => match refusal.status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                Err(Failure::Refused(refusal))
            }
            _ => Err(refusal.answer().map_or_else(|| refusal.error(), |answer| refused(&answer)).into()),
        },
    }
}

/// Says that the handshake is done. A server that has no use for it is none the worse.
async fn initialized(wire: &Wire, mut opened: Opened) -> Result<Opened, ExchangeError> {
    let request = opened.route.post(Bytes::from_static(INITIALIZED));
    let (connection, response) = wire.send(opened.connection.take(), request).await?;
    opened.connection = match open(connection, response, wire.limits.max_message_bytes).await? {
        Opening::Empty(connection) => Some(connection),
        Opening::Refused(refusal) => {
            tracing::debug!(
                status = refusal.status.as_u16(),
                "the instance refused notifications/initialized"
            );
            refusal.into_connection()
        }
        Opening::Messages(mut reply) => {
            while !reply.is_stream() && reply.next().await?.is_some() {}
            reply.into_connection()
        }
    };
    Ok(opened)
}

struct Headers {
    session: Option<HeaderValue>,
    instance: Option<Box<str>>,
}

impl Headers {
    fn take(headers: &HeaderMap) -> Self {
        let instance = headers.get(INSTANCE_ID).and_then(|id| id.to_str().ok());
        // A copy: the value as it came is a slice of the connection's whole read buffer, which it would keep alive.
        let session =
            headers.get(SESSION_ID).and_then(|session| HeaderValue::from_bytes(session.as_bytes()).ok());
        Self { session, instance: instance.map(Into::into) }
    }
}

pub(super) fn initialize(hello: &Hello) -> Bytes {
    let Hello { version, capabilities, client_info } = hello;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{INITIALIZE_ID},"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{client_info}}}}}"#
    );
    body.into()
}

/// Reads up to the answer to `initialize`; the rest is what came before it.
pub(super) async fn read_answer(reply: &mut Reply) -> Result<(Frame, Vec<Frame>), ExchangeError> {
    let mut early = Vec::new();
    while let Some(text) = reply.next().await? {
        let parts = match text.trim_ascii_start().first() {
            Some(b'[') => split_batch(&text, MAX_EARLY).map_err(|error| invalid(error.to_string()))?,
            _ => vec![text],
        };
        let mut answer = None;
        for part in parts {
            let frame = Frame::parse(part).map_err(|error| invalid(error.to_string()))?;
            match frame.kind() {
                Kind::Response { .. } => answer = Some(frame),
                _ if early.len() < MAX_EARLY => early.push(frame),
                _ => {}
            }
        }
        if let Some(answer) = answer {
            return Ok((answer, early));
        }
    }
    Err(ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::Closed })
}

/// Reads the answer to `initialize`.
pub(super) fn welcome(answer: &Frame, stated_id: Option<Box<str>>) -> Result<Welcome, ExchangeError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Agreed {
        protocol_version: Option<String>,
    }
    let Some(result) = answer.result() else { return Err(refused(answer)) };
    let agreed: Agreed = serde_json::from_str(result)
        .map_err(|error| invalid(format!("it answered `initialize` with something else: {error}")))?;
    // The Go program says "1.0". What speaks no known revision speaks at most the oldest.
    let version = agreed.protocol_version.as_deref().and_then(LegacyVersion::parse);
    let version = version.unwrap_or(LegacyVersion::V2024_11_05);
    Ok(Welcome { version, result: result.into(), stated_id })
}

fn refused(answer: &Frame) -> ExchangeError {
    #[derive(Deserialize)]
    struct Answer {
        error: Cause,
    }
    #[derive(Deserialize)]
    struct Cause {
        message: String,
    }
    let message = serde_json::from_slice(answer.bytes()).map(|answer: Answer| answer.error.message);
    let message = message.ok().and_then(|message| excerpt(message.as_bytes()));
    let reason = ExchangeReason::Handshake { message: message.unwrap_or_else(|| "it gave no reason".into()) };
    ExchangeError { sent: Sent::Yes, reason }
}
