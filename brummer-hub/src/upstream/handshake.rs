//! The opening of a conversation: which era the instance is of, and then the handshake if it has one (2025-11-25,
//! lifecycle § Initialization).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode, Uri, header::HeaderValue};
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Agreed, ExchangeError, ExchangeReason, Hello, Purpose, Sent, Welcome,
    connection::Connection,
    headers::{INSTANCE_ID, Route, SESSION_ID},
    legacy_sse::{self, Missed},
    modern::meta::bridged_capabilities,
    modern::probe::{Discovered, LegacyReaction, ProbeVerdict, probe},
    reply::{HttpRefusal, Reply, ResponseKind, excerpt, open as open_reply},
    single,
    sse::Name,
    wire::{Wire, invalid, readable},
};
use crate::{
    frame::{Frame, Kind, means},
    protocol::{Era, LegacyVersion, method},
};

/// Messages that an instance may send before its answer to `initialize`; it should send none but log lines.
const MAX_EARLY: usize = 64;

/// How long to wait for the end of the response that held the answer, to use its connection again.
const LINGER: Duration = Duration::from_millis(5);

/// How long the end of a session may take that nobody will use.
const LEAVE_LIMIT: Duration = Duration::from_millis(500);

/// How long the question for the era is waited for before `initialize` is tried as well. Servers answer it from memory.
const PROBE_LIMIT: Duration = Duration::from_secs(3);

/// How long an instance may take to take a level of log messages before requests are sent all the same.
const LEVEL_LIMIT: Duration = Duration::from_secs(2);

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

/// What has been found out about an instance before.
#[derive(Clone, Debug, Default)]
pub(super) struct PriorKnowledge {
    /// What it speaks.
    pub(super) known: Option<Era>,
    /// A session that the hub itself has there.
    pub(super) lent: Option<Arc<str>>,
}

/// Why it has not.
enum OpenFailure {
    /// Streamable HTTP is refused in a way that the older transport would show.
    Refused(HttpRefusal),
    Error(ExchangeError),
}

impl From<ExchangeError> for OpenFailure {
    fn from(error: ExchangeError) -> Self {
        Self::Error(error)
    }
}

/// Opens a conversation. An instance that is `known` to have a handshake is not asked about it again.
pub(super) async fn open(
    wire: &Wire,
    base: &Route,
    hello: &Hello,
    found: PriorKnowledge,
) -> Result<Opened, ExchangeError> {
    let limit = wire.limits.initialize_timeout;
    let opening = Opener { wire, hello, found, until: Instant::now() + limit };
    timeout_at(opening.until, opening.open(base)).await.unwrap_or_else(|_| {
        Err(ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::timed_out(limit) })
    })
}

struct Opener<'a> {
    wire: &'a Wire,
    hello: &'a Hello,
    found: PriorKnowledge,
    until: Instant,
}

impl Opener<'_> {
    /// Tries the endpoint; the same with a slash at its end where there is nothing at the first; and the older transport
    /// (2025-11-25, transports § Backwards Compatibility).
    async fn open(&self, base: &Route) -> Result<Opened, ExchangeError> {
        let refusal = match self.open_at(base).await {
            Ok(opened) => return Ok(opened),
            Err(OpenFailure::Error(error)) => return Err(error),
            Err(OpenFailure::Refused(refusal)) => refusal,
        };
        let path = base.target().path();
        if refusal.status == StatusCode::NOT_FOUND
            && refusal.answer().is_none()
            && !path.ends_with('/')
            && let Ok(slashed) = Uri::try_from(format!("{path}/"))
            && let Ok(opened) = self.open_at(&base.at(slashed)).await
        {
            return Ok(opened);
        }
        let opened = match legacy_sse::open(self.wire, base, &self.introduction(None)).await {
            Ok(opened) => opened,
            // Its stream is there, so what it says of `initialize` elsewhere is not to the point.
            Err(Missed::Refused(error)) if refusal.answer().is_none() => return Err(error),
            Err(Missed::Refused(error) | Missed::NoStream(error)) => {
                tracing::debug!(%error, "the instance does not speak the HTTP+SSE transport either");
                return Err(refused_with(&refusal));
            }
        };
        initialized(self.wire, self.hello, opened).await
    }

    /// Finds out the era and opens the conversation. Whatever becomes of the question, `initialize` is tried too: servers
    /// with a handshake do all kinds of things with a method that they do not know.
    async fn open_at(&self, base: &Route) -> Result<Opened, OpenFailure> {
        let failure = match self.introduce(base).await {
            Ok(opened) => return Ok(opened),
            Err(failure) => failure,
        };
        // It has one session to give, and that is taken.
        let said = match &failure {
            OpenFailure::Refused(refusal) => refusal.body(),
            OpenFailure::Error(ExchangeError { reason: ExchangeReason::Handshake { message }, .. }) => {
                message.as_bytes()
            }
            OpenFailure::Error(ExchangeError {
                reason: ExchangeReason::Status { excerpt: Some(text), .. },
                ..
            }) => text.as_bytes(),
            OpenFailure::Error(_) => return Err(failure),
        };
        if !single::is_taken(said) {
            return Err(failure);
        }
        let version = match self.introduction(None).era {
            Era::Legacy(version) => version,
            Era::Modern(_) => LegacyVersion::LATEST,
        };
        if let Some(opened) = single::join(self.wire, base, version, None).await {
            return Ok(opened);
        }
        // Perhaps it was the hub itself, which did not know that there is only one.
        let lent = self.found.lent.as_deref().and_then(|session| HeaderValue::from_str(session).ok());
        if let (Some(lent), Some(Era::Legacy(version))) = (lent, self.found.known)
            && let Some(opened) = single::join(self.wire, base, version, Some(lent)).await
        {
            return Ok(opened);
        }
        Err(single::taken(said).into())
    }

    async fn introduce(&self, base: &Route) -> Result<Opened, OpenFailure> {
        if let Some(Era::Legacy(_)) = self.found.known {
            return self.shake_hands(base, &self.introduction(None), None).await;
        }
        let mut route = base.clone();
        let first = PROBE_LIMIT.min(self.wire.limits.initialize_timeout / 2);
        let (doubt, connection) = match self.probe(&mut route, Instant::now() + first).await? {
            EraStep::Opened(opened) => return Ok(*opened),
            EraStep::Legacy(propose, connection) => {
                return self.shake_hands(&route, &self.introduction(propose), connection).await;
            }
            EraStep::Undecided(doubt, connection) => (doubt, connection),
        };
        tracing::debug!(error = %doubt, "what the instance said to server/discover decides nothing");
        let tried = self.shake_hands(&route, &self.introduction(None), connection).await;
        match (tried, &doubt.reason) {
            // It answers one question and was too slow for the other, which was perhaps its own.
            (Err(OpenFailure::Refused(_)), ExchangeReason::TimedOut { .. } | ExchangeReason::Closed) => {
                match self.probe(&mut route, self.until).await? {
                    EraStep::Opened(opened) => Ok(*opened),
                    EraStep::Legacy(propose, connection) => {
                        self.shake_hands(&route, &self.introduction(propose), connection).await
                    }
                    EraStep::Undecided(doubt, _) => Err(doubt.into()),
                }
            }
            // That it is of a revision which is not known here says more than that it has no handshake.
            (Err(_), ExchangeReason::Handshake { .. }) => Err(doubt.into()),
            (tried, _) => tried,
        }
    }

    async fn probe(&self, route: &mut Route, until: Instant) -> Result<EraStep, ExchangeError> {
        let Self { wire, hello, .. } = self;
        match probe(wire, route, hello, until).await? {
            // What only looks whether it is well must not take the session that a client needs.
            ProbeVerdict::Legacy { manner: LegacyReaction::OneSession { stated_id }, .. }
                if wire.purpose == Purpose::Health =>
            {
                let opened = single::outside(route, stated_id, Agreed::OneSession, None);
                Ok(EraStep::Opened(Box::new(opened)))
            }
            ProbeVerdict::Legacy { manner: LegacyReaction::Answers, propose, connection }
                if wire.purpose == Purpose::Health =>
            {
                Ok(match single::watch(wire, route, connection).await {
                    Ok(opened) => EraStep::Opened(Box::new(opened)),
                    Err(connection) => EraStep::Legacy(propose, connection),
                })
            }
            ProbeVerdict::Legacy { propose, connection, .. } => Ok(EraStep::Legacy(propose, connection)),
            ProbeVerdict::Undecided { error, connection } => Ok(EraStep::Undecided(error, connection)),
            ProbeVerdict::HttpSse { stream, address } => {
                let opened =
                    legacy_sse::open_on(wire, route, &self.introduction(None), *stream, &address).await?;
                Ok(EraStep::Opened(Box::new(initialized(wire, hello, opened).await?)))
            }
            ProbeVerdict::Modern(mut discovered) => {
                if !hello.era.is_modern()
                    && wire.purpose == Purpose::Conversation
                    && discovered.has_handshake()
                    && let Some(opened) = session(wire, route, hello, discovered.connection.take()).await
                {
                    return Ok(EraStep::Opened(Box::new(opened)));
                }
                let Discovered { version, result, stated_id, connection } = discovered;
                let welcome = Welcome {
                    era: Era::Modern(version),
                    result,
                    stated_id,
                    agreed: Agreed::Revision,
                    session: None,
                    level: hello.level.clone(),
                };
                let route = route.modern(version);
                Ok(EraStep::Opened(Box::new(Opened {
                    route,
                    welcome,
                    early: Vec::new(),
                    connection,
                    stream: None,
                })))
            }
        }
    }

    /// As whom `initialize` introduces the owner.
    fn introduction(&self, propose: Option<LegacyVersion>) -> Hello {
        let hello = self.hello;
        let capabilities = match hello.era {
            Era::Legacy(_) => Arc::clone(&hello.capabilities),
            Era::Modern(_) => bridged_capabilities(&hello.capabilities).into(),
        };
        Hello { era: proposed(hello.era, propose), capabilities, ..hello.clone() }
    }

    async fn shake_hands(
        &self,
        base: &Route,
        hello: &Hello,
        connection: Option<Connection>,
    ) -> Result<Opened, OpenFailure> {
        let opened = streamable(self.wire, base, hello, connection).await?;
        Ok(initialized(self.wire, self.hello, opened).await?)
    }
}

/// What the question for the era has come to.
enum EraStep {
    Opened(Box<Opened>),
    Legacy(Option<LegacyVersion>, Option<Connection>),
    Undecided(ExchangeError, Option<Connection>),
}

/// A session for an owner with a handshake at an instance that speaks both kinds of MCP: there everything is as the
/// instance says it, and nothing needs to be translated. Without a session the instance could not ask the client
/// anything, so the kind without a handshake is better then.
async fn session(wire: &Wire, base: &Route, hello: &Hello, connection: Option<Connection>) -> Option<Opened> {
    let opened = streamable(wire, base, hello, connection).await.ok()?;
    if opened.route.has_session() { initialized(wire, hello, opened).await.ok() } else { None }
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

async fn streamable(
    wire: &Wire,
    base: &Route,
    hello: &Hello,
    connection: Option<Connection>,
) -> Result<Opened, OpenFailure> {
    let mut base = base.clone();
    let post = |route: &Route| Ok(route.post(initialize(hello)));
    let (connection, response) = wire.send_on_the_way(connection, &mut base, post).await?;
    let headers = Headers::take(response.headers());
    match open_reply(wire, connection, response).await? {
        ResponseKind::Messages(mut reply) => {
            let (answer, early) = match read_answer(&mut reply).await? {
                InitializeReply::Answer(answer, early) => (answer, early),
                // Its route does not look at the method, and this is its stream.
                InitializeReply::Endpoint(address) => {
                    return Ok(legacy_sse::open_on(wire, &base, hello, reply, &address).await?);
                }
            };
            let mut welcome = match welcome(&answer, headers.instance) {
                Ok(welcome) => welcome,
                Err(error) => {
                    leave(wire, &base, headers.session, None).await;
                    return Err(error.into());
                }
            };
            welcome.session = headers.session.as_ref().and_then(|id| id.to_str().ok()).map(Into::into);
            let route = base.agreed(welcome.era, headers.session);
            // The end mostly comes along with the answer. If not, a new connection costs less than waiting.
            let _ = timeout(LINGER, reply.next()).await;
            Ok(Opened { route, welcome, early, connection: reply.into_connection(), stream: None })
        }
        ResponseKind::Empty(_) => Err(invalid("it accepted `initialize` without an answer".into()).into()),
        ResponseKind::Refused(refusal) => match refusal.status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                Err(OpenFailure::Refused(refusal))
            }
            _ => Err(refused_with(&refusal).into()),
        },
    }
}

/// Ends a session that nobody will use, so that it takes nobody's place.
pub(super) async fn leave(
    wire: &Wire,
    route: &Route,
    session: Option<HeaderValue>,
    connection: Option<Connection>,
) -> Option<Connection> {
    let Some(session) = session else { return connection };
    let leaving = async {
        let route = route.in_session(session);
        let first = wire.send_repeatable(connection, route.delete()).await.ok()?;
        let again = |target| route.at(target).delete();
        let (connection, response) = wire.follow(first, route.target(), false, again).await.ok()?;
        match open_reply(wire, connection, response).await.ok()? {
            ResponseKind::Empty(connection) => Some(connection),
            ResponseKind::Refused(refusal) => refusal.into_connection(),
            ResponseKind::Messages(_) => None,
        }
    };
    timeout(LEAVE_LIMIT, leaving).await.ok().flatten()
}

/// Says that the handshake is done, and which log messages are wanted. A server that has no use for it is none the worse.
async fn initialized(wire: &Wire, hello: &Hello, mut opened: Opened) -> Result<Opened, ExchangeError> {
    let route = &opened.route;
    let post = |route: &Route| route.post(Bytes::from_static(INITIALIZED));
    let first = wire.send_repeatable(opened.connection.take(), post(route)).await?;
    let again = |target| post(&route.at(target));
    let (connection, response) = wire.follow(first, route.target(), false, again).await?;
    opened.connection = match open_reply(wire, connection, response).await {
        Ok(ResponseKind::Empty(connection)) => Some(connection),
        // Some say "OK" in words of their own.
        Err(ExchangeError {
            reason: ExchangeReason::ContentType { .. } | ExchangeReason::Coding { .. },
            ..
        }) => None,
        Err(error) => return Err(error),
        Ok(ResponseKind::Refused(refusal)) => {
            tracing::debug!(
                status = refusal.status.as_u16(),
                "the instance refused notifications/initialized"
            );
            refusal.into_connection()
        }
        Ok(ResponseKind::Messages(mut reply)) => {
            while !reply.is_stream() && reply.next().await?.is_some() {}
            reply.into_connection()
        }
    };
    if let Some(level) = hello.level.as_ref().filter(|_| opened.welcome.takes_level())
        && timeout(LEVEL_LIMIT, set_level(wire, level, &mut opened)).await.is_ok_and(|set| set.is_ok())
    {
        opened.welcome.level = Some(Arc::clone(level));
    }
    if wire.purpose == Purpose::Health
        && let Some(stream) = opened.stream.take()
    {
        // Some servers have one of these for all, and end when a client opens another.
        stream.hang_up().await;
        opened.connection = None;
    }
    Ok(opened)
}

/// Sets the level of log messages before the first request, which would be answered without them otherwise.
async fn set_level(wire: &Wire, level: &str, opened: &mut Opened) -> Result<(), ExchangeError> {
    let method = method::LOGGING_SET_LEVEL;
    let body = format!(r#"{{"jsonrpc":"2.0","id":{INITIALIZE_ID},"method":"{method}","params":{level}}}"#);
    let (connection, response) =
        wire.send_repeatable(opened.connection.take(), opened.route.post(body)).await?;
    match open_reply(wire, connection, response).await? {
        ResponseKind::Messages(mut reply) => {
            if let InitializeReply::Answer(_, early) = read_answer(&mut reply).await? {
                opened.early.extend(early);
            }
            let _ = timeout(LINGER, reply.next()).await;
            opened.connection = reply.into_connection();
        }
        ResponseKind::Refused(refusal) => opened.connection = refusal.into_connection(),
        ResponseKind::Empty(connection) => {
            opened.connection = Some(connection);
            if let Some(stream) = &mut opened.stream
                && let InitializeReply::Answer(_, early) = read_answer(stream).await?
            {
                opened.early.extend(early);
            }
        }
    }
    Ok(())
}

/// What the head of the answer says.
pub(super) struct Headers {
    pub(super) session: Option<HeaderValue>,
    pub(super) instance: Option<Box<str>>,
}

impl Headers {
    pub(super) fn take(headers: &HeaderMap) -> Self {
        let instance = headers.get(INSTANCE_ID).and_then(|id| id.to_str().ok());
        // A copy: the value as it came is a slice of the connection's whole read buffer, which it would keep alive.
        let session = headers.get(SESSION_ID).filter(|session| !session.is_empty());
        let session = session.and_then(|session| HeaderValue::from_bytes(session.as_bytes()).ok());
        Self { session, instance: instance.map(Into::into) }
    }
}

pub(super) fn initialize(hello: &Hello) -> Bytes {
    let Hello { era, capabilities, client_info, .. } = hello;
    let version = match era {
        Era::Legacy(version) => *version,
        Era::Modern(_) => LegacyVersion::LATEST,
    };
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{INITIALIZE_ID},"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{client_info}}}}}"#
    );
    body.into()
}

/// What comes first in a reply to `initialize`.
pub(super) enum InitializeReply {
    /// The answer, and what came before it.
    Answer(Frame, Vec<Frame>),
    /// The address that a stream of the HTTP+SSE transport begins with.
    Endpoint(Bytes),
}

/// Reads up to the answer to `initialize`.
pub(super) async fn read_answer(reply: &mut Reply) -> Result<InitializeReply, ExchangeError> {
    let mut early = Vec::new();
    // What is for another request, or no message, is waited past: a stream may bring the answer yet.
    let (mut stray, mut unusable) = (None, None);
    while let Some((name, document)) = reply.next_event().await? {
        match name {
            Name::Endpoint if early.is_empty() => return Ok(InitializeReply::Endpoint(document.text)),
            Name::Message if !document.text.trim_ascii_start().is_empty() => {}
            _ => continue,
        }
        let mut answer = None;
        for frame in readable(&document, MAX_EARLY, &mut unusable) {
            match frame.kind() {
                Kind::Response { .. } if frame.id().is_none() || means(frame.id(), INITIALIZE_ID) => {
                    answer = Some(frame);
                }
                Kind::Response { .. } => stray = Some(frame),
                _ if early.len() < MAX_EARLY => early.push(frame),
                _ => {}
            }
        }
        if let Some(answer) = answer {
            return Ok(InitializeReply::Answer(answer, early));
        }
    }
    match (stray, unusable) {
        (Some(stray), _) => Ok(InitializeReply::Answer(stray, early)),
        (None, Some(error)) => Err(error),
        (None, None) => Err(ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::Closed }),
    }
}

/// Reads the answer to `initialize`.
pub(super) fn welcome(answer: &Frame, stated_id: Option<Box<str>>) -> Result<Welcome, ExchangeError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answered {
        protocol_version: String,
    }
    let Some(result) = answer.result() else { return Err(refused(answer)) };
    // What says nothing of the kind is no MCP server, whatever else it answers.
    let answered: Answered = answer.peek_result().ok_or_else(|| {
        invalid(
            "it answered `initialize` with a result that names no `protocolVersion`; is it an MCP server?"
                .into(),
        )
    })?;
    // The Go program says "1.0". What speaks no known revision speaks at most the oldest.
    let version = LegacyVersion::parse(&answered.protocol_version).unwrap_or(LegacyVersion::V2024_11_05);
    let agreed = Agreed::Revision;
    Ok(Welcome {
        era: Era::Legacy(version),
        result: result.into(),
        stated_id,
        agreed,
        session: None,
        level: None,
    })
}

/// What a refusal says: the error in it, or else its status.
fn refused_with(refusal: &HttpRefusal) -> ExchangeError {
    let answer = refusal.answer().filter(|answer| answer.result().is_none());
    answer.map_or_else(|| refusal.error(), |answer| refused(&answer))
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
