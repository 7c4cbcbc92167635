//! One message to the instance and all that comes back for it.
//!
//! An exchange is a future in the actor's set. It owns its TCP connection, tells the owner what it hears, in order and
//! waiting for room, and hands the connection back when it is over.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::{Response, StatusCode, Uri, body::Incoming};
use tokio::time::{sleep, timeout};

use super::{
    ExchangeError, ExchangeReason, Sent, UpstreamEventKind,
    again::{Evidence, Meaning, is_repeatable, meaning},
    body::{Post, Text},
    connection::Connection,
    headers::{Route, Transport},
    modern::{exchange::Turn, probe::wants_no_handshake, response},
    reply::{HttpRefusal, Reply, ResponseKind, holds_messages, open},
    sse::Parser,
    wire::{Call, Impatience, Patience, Wire, invalid},
};
use crate::{frame::Frame, protocol::method};

/// How long the end of a stream is waited for once the answer has come; then its connection is not used again.
const LINGER: Duration = Duration::from_secs(1);

/// How long a notification or response may take to be accepted. Nobody waits for it.
const MESSAGE_LIMIT: Duration = Duration::from_secs(10);

/// How long an answer on the standing stream is waited for from an instance that has never given one there.
const ELSEWHERE_LIMIT: Duration = Duration::from_secs(3);

/// Pause before a broken stream is resumed when the server named none (2025-11-25, transports § Resumability leaves it
/// to the client; EventSource implementations take some seconds, the SDKs one).
pub(super) const DEFAULT_RETRY: Duration = Duration::from_secs(1);

/// Shortest pause, whatever the server says.
const MIN_RETRY: Duration = Duration::from_millis(50);

/// Longest pause that the hub chooses itself.
pub(super) const MAX_RETRY: Duration = Duration::from_secs(30);

/// Resumptions in a row that bring nothing before a request counts as lost: about two minutes.
const MAX_RESUMPTIONS: u32 = 8;

/// What is left when an exchange is over.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) call: Arc<Call>,
    pub(super) route: Arc<Route>,
    pub(super) connection: Option<Connection>,
    pub(super) fate: Fate,
}

#[derive(Debug)]
pub(super) enum Fate {
    /// All has been told.
    Over,
    /// The instance does not know the session. The request has not run or may run twice, and comes back.
    Forgotten(Text),
    /// All has been told, and the instance does not know the session.
    Renew,
    /// The time-out was told; the instance has to hear of it.
    TimedOut,
    /// An instance without a handshake has said something that is no answer yet.
    Turn(Turn),
}

/// Why an exchange does not go on.
pub(super) enum Stop {
    Failed(ExchangeError),
    Forgotten(Text),
    TimedOut,
    Turn(Turn),
    Renew,
    Over,
}

impl From<ExchangeError> for Stop {
    fn from(error: ExchangeError) -> Self {
        Self::Failed(error)
    }
}

impl From<Impatience> for Stop {
    fn from(impatience: Impatience) -> Self {
        match impatience {
            Impatience::TimedOut => Self::TimedOut,
            Impatience::Over => Self::Over,
            Impatience::Lost => Self::Failed(lost()),
        }
    }
}

/// Sends a request and tells its answer. `again`: it is sent for the second time, in a new session.
pub(super) async fn request(
    wire: Arc<Wire>,
    route: Arc<Route>,
    call: Arc<Call>,
    body: Text,
    connection: Option<Connection>,
    again: bool,
) -> Finished {
    let outcome = {
        let sleep = pin!(sleep(wire.limits.call_timeout));
        let shares_stream = route.transport == Transport::HttpSse;
        let patience = Patience::new(&wire, &call, sleep, shares_stream);
        let mut exchange = LegacyExchange { wire: &wire, route: &route, call: &call, patience, again };
        exchange.run(body, connection).await
    };
    let (connection, fate) = match outcome {
        Ok(connection) => (connection, Fate::Over),
        Err(stop) => (None, Finished::conclude(&wire, &call, stop).await),
    };
    Finished { call, route, connection, fate }
}

/// Looks whether the instance takes connections, for who has no conversation in which to ask. It tells what an answer
/// would: that somebody is there.
pub(super) async fn knock(wire: Arc<Wire>, route: Arc<Route>, call: Arc<Call>) -> Finished {
    let fate = match wire.dialer.dial().await {
        Ok(_) => {
            if let Some(answer) = response(call.id, "result", "{}") {
                wire.pass(answer, &call, true).await;
            }
            Fate::Over
        }
        Err(error) => Finished::conclude(&wire, &call, Stop::Failed(error)).await,
    };
    Finished { call, route, connection: None, fate }
}

impl Finished {
    /// Tells why an exchange did not go on, if that has not been told.
    pub(super) async fn conclude(wire: &Wire, call: &Call, stop: Stop) -> Fate {
        match stop {
            Stop::Over => Fate::Over,
            Stop::Renew => Fate::Renew,
            Stop::Turn(turn) => Fate::Turn(turn),
            Stop::Forgotten(body) => Fate::Forgotten(body),
            Stop::TimedOut => {
                let reason = ExchangeReason::timed_out(wire.limits.call_timeout);
                wire.end(call, ExchangeError { sent: Sent::Unknown, reason }).await;
                Fate::TimedOut
            }
            Stop::Failed(error) => {
                let suspect = error.is_suspect();
                wire.end(call, error).await;
                if suspect {
                    wire.tell(UpstreamEventKind::Suspect).await;
                }
                Fate::Over
            }
        }
    }
}

struct LegacyExchange<'a> {
    wire: &'a Wire,
    route: &'a Route,
    call: &'a Call,
    patience: Patience<'a>,
    again: bool,
}

impl LegacyExchange<'_> {
    async fn run(&mut self, body: Text, connection: Option<Connection>) -> Result<Option<Connection>, Stop> {
        let (connection, response) = self.send(&body, connection).await?;
        let is_put_off =
            response.status() == StatusCode::ACCEPTED || self.route.transport == Transport::HttpSse;
        if self.route.transport == Transport::HttpSse
            && response.status().is_success()
            && !holds_messages(response.headers())
        {
            // Held, because some servers stop what they do for a connection that is closed.
            let _held = (connection, response);
            return Err(self.patience.wait_elsewhere().await.into());
        }
        let opening = open(self.wire, connection, response);
        match self.patience.wait(opening).await?? {
            ResponseKind::Messages(reply) => {
                // Nothing sends it again from here on.
                drop(body);
                self.read(reply).await
            }
            // The connection is of no use until the answer has come elsewhere; it would be idle for too long.
            ResponseKind::Empty(_) => {
                let unanswered = invalid("it accepted the request without an answer".into());
                Err(if is_put_off { self.wait_elsewhere(unanswered).await } else { unanswered.into() })
            }
            ResponseKind::Refused(refusal) => self.judge(body, refusal).await,
        }
    }

    async fn send(
        &mut self,
        body: &Text,
        connection: Option<Connection>,
    ) -> Result<(Connection, Response<Incoming>), Stop> {
        let is_used = connection.is_some();
        let sent = self.wire.send(connection, self.route.post(body.clone()));
        let first = match self.patience.wait(sent).await? {
            // Closed at the moment in which it was to be used again, perhaps.
            Err(ExchangeError { reason: ExchangeReason::Closed, .. })
                if is_used && self.call.is_open() && may_repeat(body) =>
            {
                let sent = self.wire.send(None, self.route.post(body.clone()));
                self.patience.wait(sent).await??
            }
            sent => sent?,
        };
        if !first.1.status().is_redirection() {
            return Ok(first);
        }
        // Boxed: it is seldom, and every exchange would hold the room for it.
        let again = |target| self.route.at(target).post(body.clone());
        let followed = Box::pin(self.wire.follow(first, self.route.target(), false, again));
        Ok(self.patience.wait(followed).await??)
    }

    /// Tells what a refusal says, unless it is about the session.
    async fn judge(&mut self, body: Text, refusal: HttpRefusal) -> Result<Option<Connection>, Stop> {
        let answer = refusal.answer();
        // Another server has taken the place of this one.
        if answer.as_ref().is_some_and(wants_no_handshake) {
            return Err(Stop::Turn(Turn::Replaced));
        }
        let meaning = self.meaning(&body, &refusal, answer.as_ref());
        if meaning == Meaning::Forgotten {
            return Err(Stop::Forgotten(body));
        }
        let Some(answer) = answer else { return Err(refusal.error().into()) };
        self.wire.deliver_frame(answer, self.call, true).await;
        if meaning == Meaning::AnsweredAndForgotten {
            Err(Stop::Renew)
        } else {
            Ok(refusal.into_connection())
        }
    }

    fn meaning(&self, body: &Text, refusal: &HttpRefusal, answer: Option<&Frame>) -> Meaning {
        let (status, has_session) = (refusal.status.as_u16(), self.route.has_session());
        if !has_session || !matches!(status, 400 | 404) {
            return Meaning::Answered;
        }
        let request = Frame::parse(body.clone().into_bytes()).ok();
        let method = request.as_ref().and_then(Frame::method);
        let evidence = |in_session| Evidence { status, body: refusal.body(), answer, in_session, method };
        if method == Some(method::PING) {
            // Where it is refused in a new session too, it is `ping` that is not known.
            if self.again {
                self.wire.refuses_pings.store(true, Ordering::Relaxed);
            }
            return meaning(evidence(!self.wire.refuses_pings.load(Ordering::Relaxed)));
        }
        meaning(evidence(!self.again))
    }

    /// Waits for an answer on the standing stream: long where the instance is known to answer there. `unanswered`: what it
    /// is if there is none.
    async fn wait_elsewhere(&mut self, unanswered: ExchangeError) -> Stop {
        if self.route.transport == Transport::HttpSse {
            return self.patience.wait_elsewhere().await.into();
        }
        if !*self.wire.standing.borrow() {
            return unanswered.into();
        }
        if self.wire.answers_elsewhere.load(Ordering::Relaxed) {
            return self.patience.wait_on_standing().await.into();
        }
        let first = timeout(ELSEWHERE_LIMIT, self.patience.wait_on_standing()).await;
        first.map_or_else(|_| unanswered.into(), Into::into)
    }

    /// Tells the messages of a reply, and of the streams that resume it, up to the answer.
    async fn read(&mut self, mut reply: Reply) -> Result<Option<Connection>, Stop> {
        let mut unusable = None;
        let mut attempts = 0;
        let mut resumed_after: Option<Box<[u8]>> = None;
        loop {
            let broken = match self.patience.wait(reply.next()).await? {
                Ok(Some(text)) => {
                    self.patience.renew();
                    attempts = 0;
                    match self.wire.deliver(&text, self.call).await {
                        Ok(true) => break,
                        Ok(false) => {}
                        // Perhaps it was the answer, perhaps not: the end of the stream tells.
                        Err(error) => unusable = Some(error),
                    }
                    continue;
                }
                Ok(None) => None,
                Err(error) if matches!(error.reason, ExchangeReason::Closed) => Some(error),
                Err(error) => return Err(error.into()),
            };
            if self.route.transport == Transport::HttpSse && broken.is_none() {
                return Err(self.patience.wait_elsewhere().await.into());
            }
            if let Some(error) = unusable {
                return Err(Stop::Failed(error));
            }
            if !reply.is_stream() {
                return Err(broken.unwrap_or_else(|| invalid("it is for another request".into())).into());
            }
            if self.call.is_cancelled() {
                return Err(Stop::Over);
            }
            let Some(id) = reply.parser().and_then(Parser::last_id) else {
                // Some servers end the stream properly, and answer on the standing one.
                return Err(if broken.is_none() { self.wait_elsewhere(lost()).await } else { lost().into() });
            };
            // Events without data are a sign of life as well: a server may make its clients poll.
            if resumed_after.as_deref() != Some(id) {
                resumed_after = Some(Box::from(id));
                attempts = 0;
            }
            reply = self.resume(reply.into_parser(), &mut attempts).await?;
        }
        Ok(self.linger(reply).await)
    }

    /// Goes on with a stream that ended before the answer (2025-11-25, transports § Resumability and Redelivery).
    async fn resume(&mut self, parser: Parser, attempts: &mut u32) -> Result<Reply, Stop> {
        while *attempts < MAX_RESUMPTIONS {
            self.patience.wait(sleep(retry_after(&parser, *attempts))).await?;
            *attempts += 1;
            let request = self.route.get(parser.last_id()).ok_or_else(lost)?;
            let again = at_another(&request);
            let opened = async {
                let first = self.wire.send(None, request).await?;
                let (connection, response) =
                    self.wire.follow(first, self.route.target(), true, again).await?;
                open(self.wire, connection, response).await
            };
            match self.patience.wait(opened).await? {
                Ok(ResponseKind::Messages(mut reply)) => {
                    reply.resume(parser);
                    return Ok(reply);
                }
                // Its answer is that there is nothing to resume.
                Ok(ResponseKind::Empty(_) | ResponseKind::Refused(_)) => return Err(lost().into()),
                Err(error) if matches!(error.reason, ExchangeReason::Refused { .. }) => {
                    self.wire.tell(UpstreamEventKind::Suspect).await;
                }
                Err(_) => {}
            }
        }
        Err(lost().into())
    }

    /// Reads what comes after the answer, so that the connection can be used again.
    async fn linger(&mut self, mut reply: Reply) -> Option<Connection> {
        if reply.is_over() {
            return reply.into_connection();
        }
        let rest = async {
            while let Ok(Some(text)) = reply.next().await {
                let _ = self.wire.deliver(&text, self.call).await;
            }
        };
        let _ = timeout(LINGER, rest).await;
        reply.into_connection()
    }
}

/// How long to wait before a stream is resumed: never less than the server asked for, nor so little that the two do
/// nothing else.
pub(super) fn retry_after(parser: &Parser, failures: u32) -> Duration {
    let asked = parser.retry().map_or(DEFAULT_RETRY, Duration::from_millis).max(MIN_RETRY);
    let grown = asked.saturating_mul(1 << failures.min(10));
    if failures == 0 { asked } else { grown.min(MAX_RETRY).max(asked) }
}

/// The same request for another place.
pub(super) fn at_another(request: &Post) -> impl Fn(Uri) -> Post + use<> {
    let request = request.clone();
    move |target| {
        let mut again = request.clone();
        *again.uri_mut() = target;
        again
    }
}

/// Whether a request may run twice.
fn may_repeat(body: &Text) -> bool {
    let frame = Frame::parse(body.clone().into_bytes()).ok();
    frame.as_ref().and_then(Frame::method).is_some_and(is_repeatable)
}

fn lost() -> ExchangeError {
    ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::Closed }
}

/// What is left of a notification or response that was sent.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) route: Arc<Route>,
    pub(super) connection: Option<Connection>,
    /// The message, when the instance does not know the session.
    pub(super) forgotten: Option<Text>,
}

/// Sends a notification or response. Whatever the instance answers to it is of no interest: the Go program answers
/// notifications with an error.
pub(super) async fn message(
    wire: Arc<Wire>,
    route: Arc<Route>,
    body: Text,
    connection: Option<Connection>,
    again: bool,
) -> Posted {
    let exchange = async {
        // What nobody answers may come twice.
        let first = wire.send_repeatable(connection, route.post(body.clone())).await?;
        let elsewhere = |target| route.at(target).post(body.clone());
        let (connection, response) = wire.follow(first, route.target(), false, elsewhere).await?;
        if response.status() == StatusCode::NOT_FOUND && route.has_session() && !again {
            return Ok(Err(body));
        }
        match open(&wire, connection, response).await? {
            ResponseKind::Empty(connection) => Ok(Ok(Some(connection))),
            ResponseKind::Refused(refusal) => {
                tracing::debug!(status = refusal.status.as_u16(), "the instance refused a notification");
                Ok(Ok(refusal.into_connection()))
            }
            ResponseKind::Messages(mut reply) => {
                while let Some(text) = reply.next().await? {
                    wire.deliver_standing(&text).await;
                }
                Ok(Ok(reply.into_connection()))
            }
        }
    };
    let (connection, forgotten) = match timeout(MESSAGE_LIMIT, exchange).await {
        Ok(Ok(Ok(connection))) => (connection, None),
        Ok(Ok(Err(body))) => (None, Some(body)),
        Ok(Err(error)) => {
            let error: ExchangeError = error;
            tracing::debug!(%error, "a notification did not get through");
            if error.is_suspect() {
                wire.tell(UpstreamEventKind::Suspect).await;
            }
            (None, None)
        }
        Err(_) => (None, None),
    };
    Posted { route, connection, forgotten }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn pauses_are_never_shorter_than_the_server_asked() {
        let mut parser = Parser::new(10);
        assert_eq!(retry_after(&parser, 0), DEFAULT_RETRY);
        assert_eq!(retry_after(&parser, 3), DEFAULT_RETRY * 8);
        assert_eq!(retry_after(&parser, 40), MAX_RETRY);
        parser.next(&mut Bytes::from_static(b"retry: 250\n"));
        assert_eq!(retry_after(&parser, 0), Duration::from_millis(250));
        parser.next(&mut Bytes::from_static(b"retry: 90000\n"));
        assert_eq!(retry_after(&parser, 5), Duration::from_secs(90));
        parser.next(&mut Bytes::from_static(b"retry: 0\n"));
        assert_eq!(retry_after(&parser, 0), MIN_RETRY);
        assert!(retry_after(&parser, 1) > MIN_RETRY);
    }
}
