//! The opening of a conversation: which era the instance is of, and then the handshake if it has one (2025-11-25,
//! lifecycle § Initialization).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode, header::HeaderValue};
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    ExchangeError, ExchangeReason, Hello, Purpose, Sent, Welcome,
    connection::Connection,
    headers::{INSTANCE_ID, Route, SESSION_ID},
    legacy_sse,
    modern::meta::bridged_capabilities,
    modern::probe::{Discovered, Verdict, probe},
    reply::{Opening, Refusal, Reply, excerpt, open as open_reply},
    wire::{Wire, invalid},
};
use crate::{
    frame::{Frame, Kind, split_batch},
    protocol::{Era, LegacyVersion},
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

/// Opens a conversation. An instance that is `known` to have a handshake is not asked about it again.
pub(super) async fn open(
    wire: &Wire,
    base: &Route,
    hello: &Hello,
    known: Option<Era>,
) -> Result<Opened, ExchangeError> {
    let (propose, connection) = match known {
        Some(Era::Legacy(_)) => (None, None),
        _ => match probe(wire, base, hello).await? {
            Verdict::Legacy { propose, connection } => (propose, connection),
            Verdict::Modern(mut discovered) => {
                if !hello.era.is_modern()
                    && wire.purpose == Purpose::Conversation
                    && discovered.has_handshake()
                    && let Some(opened) = session(wire, base, hello, discovered.connection.take()).await
                {
                    return Ok(opened);
                }
                let Discovered { version, result, stated_id, connection } = discovered;
                let welcome = Welcome { era: Era::Modern(version), result, stated_id };
                let route = base.modern(version);
                return Ok(Opened { route, welcome, early: Vec::new(), connection, stream: None });
            }
        },
    };
    let limit = wire.limits.initialize_timeout;
    let capabilities = match hello.era {
        Era::Legacy(_) => Arc::clone(&hello.capabilities),
        Era::Modern(_) => bridged_capabilities(&hello.capabilities).into(),
    };
    let hello = Hello { era: proposed(hello.era, propose), capabilities, ..hello.clone() };
    timeout(limit, shake_hands(wire, base, &hello, connection)).await.unwrap_or_else(|_| {
        Err(ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::timed_out(limit) })
    })
}

/// A session for an owner with a handshake at an instance that speaks both kinds of MCP: there everything is as the
/// instance says it, and nothing needs to be translated. Without a session the instance could not ask the client
/// anything, so the kind without a handshake is better then.
async fn session(wire: &Wire, base: &Route, hello: &Hello, connection: Option<Connection>) -> Option<Opened> {
    let opening = async {
        let opened = streamable(wire, base, hello, connection).await.ok()?;
        if opened.route.has_session() { initialized(wire, opened).await.ok() } else { None }
    };
    timeout(wire.limits.initialize_timeout, opening).await.ok().flatten()
}

/// The revision to propose: the client's own, so that the instance adapts to it, or the newest common one where the
/// instance has named those that it knows.
fn proposed(owner: Era, common: Option<LegacyVersion>) -> Era {
    match (owner, common) {
        (Era::Legacy(version), Some(common)) => Era::Legacy(version.min(common)),
        (Era::Legacy(version), None) => Era::Legacy(version),
        (Era::Modern(_), common) => Era::Legacy(common.unwrap_or(LegacyVersion::LATEST)),
    }
}

/// Shakes hands, by the older transport if need be.
async fn shake_hands(
    wire: &Wire,
    base: &Route,
    hello: &Hello,
    connection: Option<Connection>,
) -> Result<Opened, ExchangeError> {
    let opened = match streamable(wire, base, hello, connection).await {
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

async fn streamable(
    wire: &Wire,
    base: &Route,
    hello: &Hello,
    connection: Option<Connection>,
) -> Result<Opened, Failure> {
    let (connection, response) = wire.send_repeatable(connection, base.post(initialize(hello))).await?;
    let headers = Headers::take(response.headers());
    match open_reply(wire, connection, response).await? {
        Opening::Messages(mut reply) => {
            let (answer, early) = read_answer(&mut reply).await?;
            let welcome = welcome(&answer, headers.instance)?;
            let route = base.agreed(welcome.era, headers.session);
            // The end mostly comes along with the answer. If not, a new connection costs less than waiting.
            let _ = timeout(LINGER, reply.next()).await;
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
    opened.connection = match open_reply(wire, connection, response).await? {
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

/// What the head of the answer says.
pub(super) struct Headers {
    session: Option<HeaderValue>,
    pub(super) instance: Option<Box<str>>,
}

impl Headers {
    pub(super) fn take(headers: &HeaderMap) -> Self {
        let instance = headers.get(INSTANCE_ID).and_then(|id| id.to_str().ok());
        // A copy: the value as it came is a slice of the connection's whole read buffer, which it would keep alive.
        let session =
            headers.get(SESSION_ID).and_then(|session| HeaderValue::from_bytes(session.as_bytes()).ok());
        Self { session, instance: instance.map(Into::into) }
    }
}

pub(super) fn initialize(hello: &Hello) -> Bytes {
    let Hello { era, capabilities, client_info } = hello;
    let version = match era {
        Era::Legacy(version) => *version,
        Era::Modern(_) => LegacyVersion::LATEST,
    };
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
    Ok(Welcome { era: Era::Legacy(version), result: result.into(), stated_id })
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
