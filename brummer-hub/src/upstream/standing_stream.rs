//! The standing stream, on which an instance says what belongs to no request of the client (2025-11-25, transports §
//! Listening for Messages from the Server). In the HTTP+SSE transport it carries everything.
//!
//! The [`StreamListener`] passes on requests and notifications itself. Responses it gives to the actor, which alone knows
//! the calls that are open.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use hyper::StatusCode;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    ExchangeError, ExchangeReason, UpstreamEventKind,
    exchange::{MAX_RETRY, at_another, retry_after},
    headers::{Route, Transport},
    reply::{Reply, ResponseKind, open},
    sse::Parser,
    wire::Wire,
};
use crate::frame::Frame;

/// How long requests wait for the standing stream: servers on the official SDK lose what they ask there while nobody
/// listens. They open it within milliseconds; one that leaves a GET unanswered is not waited for longer.
pub(super) const LISTEN_FIRST: Duration = Duration::from_millis(250);

/// Reads one standing stream after the other.
#[derive(Debug)]
pub(super) struct StreamListener {
    pub(super) route: Arc<Route>,
    state: StreamState,
    /// Responses of a batch that the actor has not been given yet.
    responses: VecDeque<Frame>,
    /// Streams in a row that could not be opened or brought nothing.
    failures: u32,
    /// When the latest stream was opened; `None`: the instance has not offered one in this session.
    opened: Option<Instant>,
    /// Since when nobody has heard what the instance says of changes.
    deaf: Instant,
    /// Cancelled when the instance has said whether it offers a stream, or could not be asked.
    settled: CancellationToken,
}

#[derive(Debug)]
enum StreamState {
    Closed(Parser),
    Open(Box<Reply>),
}

/// What the actor has to see to.
#[derive(Debug)]
pub(super) enum ListenerEvent {
    /// A response; the listener is to be run again.
    Response(Frame),
    /// The instance offers no stream.
    NotOffered,
    /// The instance does not know the session.
    Forgotten,
    /// The stream without which the conversation cannot go on has ended.
    Ended,
}

impl StreamListener {
    /// Opens a stream of its own.
    pub(super) fn new(route: Arc<Route>, limit: usize) -> Self {
        let state = StreamState::Closed(Parser::new(limit));
        let settled = CancellationToken::new();
        let deaf = Instant::now();
        Self { route, state, responses: VecDeque::new(), failures: 0, opened: None, deaf, settled }
    }

    /// Goes on with a stream that is open.
    pub(super) fn with(route: Arc<Route>, stream: Reply) -> Self {
        let (now, settled) = (Instant::now(), CancellationToken::new());
        settled.cancel();
        Self {
            route,
            state: StreamState::Open(Box::new(stream)),
            responses: VecDeque::new(),
            failures: 0,
            opened: Some(now),
            deaf: now,
            settled,
        }
    }

    /// Tells when the stream stands, or it is clear that there is none for now.
    pub(super) fn settled(&self) -> CancellationToken {
        self.settled.clone()
    }

    /// Listens until there is something for the actor; tells `event` before.
    pub(super) async fn hear(&mut self, wire: &Wire, event: Option<UpstreamEventKind>) -> ListenerEvent {
        if let Some(event) = event {
            wire.tell(event).await;
        }
        loop {
            if let Some(response) = self.responses.pop_front() {
                return ListenerEvent::Response(response);
            }
            match &mut self.state {
                StreamState::Open(reply) => match reply.next().await {
                    Ok(Some(text)) => {
                        self.failures = 0;
                        self.responses.extend(wire.deliver_standing(&text).await);
                    }
                    Err(ExchangeError { reason: error @ ExchangeReason::TooLarge { .. }, .. }) => {
                        tracing::warn!(%error, "passed over a message on the standing stream");
                    }
                    Ok(None) | Err(_) => {
                        if let Some(end) = self.on_end(wire).await {
                            return end;
                        }
                    }
                },
                StreamState::Closed(_) => {
                    let end = self.open(wire).await;
                    self.settled.cancel();
                    if let Some(end) = end {
                        return end;
                    }
                }
            }
        }
    }

    /// The stream has ended: a server may do that at any time, and a dead one does it too.
    async fn on_end(&mut self, wire: &Wire) -> Option<ListenerEvent> {
        self.deaf = Instant::now();
        wire.standing.send_replace(false);
        wire.tell(UpstreamEventKind::Suspect).await;
        if self.route.transport == Transport::HttpSse {
            return Some(ListenerEvent::Ended);
        }
        let fresh = StreamState::Closed(Parser::new(wire.limits.max_message_bytes));
        let StreamState::Open(reply) = std::mem::replace(&mut self.state, fresh) else { return None };
        if self.opened.is_some_and(|since| since.elapsed() > MAX_RETRY) {
            self.failures = 0;
        }
        self.pause(reply.into_parser()).await;
        None
    }

    async fn pause(&mut self, parser: Parser) {
        sleep(retry_after(&parser, self.failures)).await;
        self.failures = self.failures.saturating_add(1);
        self.state = StreamState::Closed(parser);
    }

    async fn open(&mut self, wire: &Wire) -> Option<ListenerEvent> {
        let fresh = StreamState::Closed(Parser::new(wire.limits.max_message_bytes));
        let StreamState::Closed(parser) = std::mem::replace(&mut self.state, fresh) else { return None };
        let Some(request) = self.route.get(parser.last_id()).or_else(|| self.route.get(None)) else {
            return Some(ListenerEvent::NotOffered);
        };
        let again = at_another(&request);
        let opened = async {
            let connection = wire.dialer.dial_to_listen().await?;
            let first = match wire.send(Some(connection), request.clone()).await {
                // The head of its answer is perhaps larger than what a stream needs at a time.
                Err(ExchangeError { reason: ExchangeReason::Invalid { .. }, .. }) => {
                    wire.send_repeatable(None, request).await?
                }
                sent => sent?,
            };
            let (connection, response) = wire.follow(first, self.route.target(), true, again).await?;
            open(wire, connection, response).await
        };
        match opened.await {
            Ok(ResponseKind::Messages(mut reply)) if reply.is_stream() => {
                // What was said meanwhile comes now, if the stream is one that can be resumed.
                let is_late = self.deaf.elapsed() >= LISTEN_FIRST;
                if self.opened.is_some() && parser.last_id().is_none() || self.opened.is_none() && is_late {
                    wire.tell(UpstreamEventKind::Missed).await;
                }
                self.opened = Some(Instant::now());
                wire.standing.send_replace(true);
                reply.resume(parser);
                self.state = StreamState::Open(Box::new(reply));
            }
            // A path without GET answers 404 too; only where there was a stream does it mean the session.
            Ok(ResponseKind::Refused(refusal))
                if self.opened.is_some()
                    && matches!(refusal.status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST)
                    && self.route.has_session() =>
            {
                return Some(ListenerEvent::Forgotten);
            }
            Ok(ResponseKind::Refused(refusal))
                if refusal.status.is_server_error() && self.opened.is_some() =>
            {
                self.pause(parser).await;
            }
            // 405 is the usual way of saying so; others are as good.
            Ok(_) => return Some(ListenerEvent::NotOffered),
            Err(error) => {
                if matches!(error.reason, ExchangeReason::ContentType { .. }) {
                    return Some(ListenerEvent::NotOffered);
                }
                wire.tell(UpstreamEventKind::Suspect).await;
                self.pause(parser).await;
            }
        }
        None
    }
}
