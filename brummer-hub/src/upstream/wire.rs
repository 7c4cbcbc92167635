//! What all exchanges of one connection share: the way to the instance, the way to the owner, and the limits.

use std::{
    borrow::Cow,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hyper::{Response, StatusCode, Uri, body::Incoming, header::LOCATION};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Sleep},
};

use super::{
    ExchangeError, ExchangeReason, LinkId, Purpose, Sent, UpstreamCommand, UpstreamEvent, UpstreamEventKind,
    body::Post,
    connection::{Connection, Dialer, HABIT, SendError, broken},
    headers::Route,
    legacy_sse::resolve,
    reply::excerpt,
};
use crate::{
    budget::Budget,
    config::Limits,
    frame::{self, Document, Frame, Kind, means},
    protocol::method,
};

/// Messages in one batch (2025-03-26, basic § Batching); a longer one is a mistake or an attack.
pub(super) const MAX_BATCH: usize = 1024;

/// Redirects in a row that are followed.
const MAX_REDIRECTS: usize = 3;

/// How long a cancelled request is still listened to: the instance need not end its stream, and mostly does not.
const AFTER_CANCEL: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Wire {
    pub(super) link: LinkId,
    pub(super) events: mpsc::Sender<UpstreamEvent>,
    /// The actor's own queue, for what exchanges want sent.
    pub(super) commands: mpsc::WeakSender<UpstreamCommand>,
    pub(super) dialer: Dialer,
    pub(super) limits: Limits,
    pub(super) budget: Option<Budget>,
    pub(super) purpose: Purpose,
    pub(super) since: Instant,
    /// The instance closes connections soon after an answer: none is used again.
    pub(super) closes: AtomicBool,
    /// The instance refuses `ping` in a session that it knows.
    pub(super) refuses_pings: AtomicBool,
    /// The instance has answered a request on its standing stream.
    pub(super) answers_elsewhere: AtomicBool,
    /// Whether a standing stream stands, on which an answer could come.
    pub(super) standing: watch::Sender<bool>,
    /// When the one stream of the HTTP+SSE transport last brought something, in milliseconds after `since`.
    pub(super) last_heard: AtomicU64,
}

impl Wire {
    /// Sends a request on `connection`, or on a new one if there is none or it was found closed before a byte was
    /// written.
    pub(super) fn send(
        &self,
        connection: Option<Connection>,
        request: Post,
    ) -> impl Future<Output = Result<(Connection, Response<Incoming>), ExchangeError>> {
        self.send_on(connection, request, self.purpose == Purpose::Health)
    }

    /// Sends a request that may run twice, so that a connection which the instance closes just now does not matter.
    pub(super) fn send_repeatable(
        &self,
        connection: Option<Connection>,
        request: Post,
    ) -> impl Future<Output = Result<(Connection, Response<Incoming>), ExchangeError>> {
        self.send_on(connection, request, true)
    }

    /// Sends a request of the opening, which may run twice, and follows where the instance says that it has moved to:
    /// `route` leads there then.
    pub(super) async fn send_on_the_way(
        &self,
        mut connection: Option<Connection>,
        route: &mut Route,
        request: impl Fn(&Route) -> Result<Post, ExchangeError>,
    ) -> Result<(Connection, Response<Incoming>), ExchangeError> {
        for _ in 0..MAX_REDIRECTS {
            let (answering, response) = self.send_repeatable(connection.take(), request(route)?).await?;
            let location =
                response.status().is_redirection().then(|| response.headers().get(LOCATION)).flatten();
            // One that leads elsewhere is told as what it is.
            match location.map(|location| resolve(route.target(), location.as_bytes(), self.dialer.port())) {
                Some(Ok(target)) if target != *route.target() => *route = route.at(target),
                _ => return Ok((answering, response)),
            }
        }
        self.send_repeatable(None, request(route)?).await
    }

    /// Goes where a response says that its request belongs, within the instance: whoever answers so has not run it, and wants
    /// it sent there as it is (RFC 9110 § 15.4.8 and 15.4.9). A request that only reads may follow any redirect. `again` makes
    /// the request for another place; `target` is where it was sent first.
    pub(super) async fn follow(
        &self,
        (mut connection, mut response): (Connection, Response<Incoming>),
        target: &Uri,
        reads: bool,
        again: impl Fn(Uri) -> Post,
    ) -> Result<(Connection, Response<Incoming>), ExchangeError> {
        let mut here = target.clone();
        for _ in 0..MAX_REDIRECTS {
            let is_meant = match response.status() {
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
                other => reads && other.is_redirection(),
            };
            if !is_meant {
                break;
            }
            let location = response.headers().get(LOCATION);
            match location.map(|location| resolve(&here, location.as_bytes(), self.dialer.port())) {
                Some(Ok(there)) if there != here => {
                    here = there;
                    (connection, response) = self.send(None, again(here.clone())).await?;
                }
                _ => break,
            }
        }
        Ok((connection, response))
    }

    async fn send_on(
        &self,
        connection: Option<Connection>,
        mut request: Post,
        repeatable: bool,
    ) -> Result<(Connection, Response<Incoming>), ExchangeError> {
        if let Some(mut connection) = connection {
            let rested = connection.rested();
            let note_habit = || {
                if rested < HABIT {
                    self.closes.store(true, Ordering::Relaxed);
                }
            };
            let spare = repeatable.then(|| request.clone());
            match (connection.send(request).await, spare) {
                (Ok(response), _) => return Ok((connection, response)),
                (Err(SendError::Unsent(unsent)), _) => {
                    note_habit();
                    request = *unsent;
                }
                (Err(SendError::Broken(_)), Some(spare)) => {
                    note_habit();
                    request = spare;
                }
                (Err(SendError::Broken(error)), None) => {
                    note_habit();
                    return Err(broken(&error));
                }
            }
        }
        let mut connection = self.dialer.dial().await?;
        match connection.send(request).await {
            Ok(response) => Ok((connection, response)),
            Err(SendError::Unsent(_)) => {
                Err(ExchangeError { sent: Sent::No, reason: ExchangeReason::Closed })
            }
            Err(SendError::Broken(error)) => Err(broken(&error)),
        }
    }

    /// Tells the owner, waiting for room. An owner that is gone is told nothing.
    pub(super) async fn tell(&self, kind: UpstreamEventKind) {
        let _ = self.events.send(UpstreamEvent { link: self.link, kind }).await;
    }

    /// Tells that a request is over, unless it has been answered or cancelled.
    pub(super) async fn end(&self, call: &Call, error: ExchangeError) {
        if let Ok(permit) = self.events.reserve().await
            && call.settle()
        {
            permit.send(UpstreamEvent {
                link: self.link,
                kind: UpstreamEventKind::Ended { id: call.id, error },
            });
        }
    }

    /// Passes on what came for `call`. Whether the answer to the call was in it.
    pub(super) async fn deliver(&self, document: &Document, call: &Call) -> Result<bool, ExchangeError> {
        let (mut answered, mut unusable) = (false, None);
        for frame in readable(document, MAX_BATCH, &mut unusable) {
            answered |= self.deliver_frame(frame, call, false).await;
        }
        match unusable {
            Some(error) if !answered => Err(error),
            _ => Ok(answered),
        }
    }

    /// Passes on one message. `any_id`: a response is the answer whatever id it carries.
    pub(super) async fn deliver_frame(&self, frame: Frame, call: &Call, any_id: bool) -> bool {
        let (frame, answers) = match frame.kind() {
            Kind::Request { method, .. } if **method == *method::PING => {
                self.answer_ping(&frame);
                return false;
            }
            Kind::Response { .. } if frame.numeric_id() == Some(call.id) => (frame, true),
            Kind::Response { id, ok } => {
                let stray = id.is_none() && !ok;
                if any_id || stray || means(frame.id(), call.id) {
                    (renumbered(&frame, call.id), true)
                } else {
                    (frame, false)
                }
            }
            Kind::Request { .. } | Kind::Notification { .. } => (frame, false),
        };
        match frame.kind() {
            Kind::Response { ok: false, .. } if answers && let Some(why) = flaw(&frame) => {
                self.end(call, invalid(why)).await;
            }
            _ => self.pass(frame, call, answers).await,
        }
        answers
    }

    /// Passes on a message that came for `call`, unless that is over. `answers`: it is what the call waits for.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn keeps room for the frame twice, in every exchange"
    )]
    pub(super) fn pass(&self, frame: Frame, call: &Call, answers: bool) -> impl Future<Output = ()> {
        async move {
            if let Ok(permit) = self.events.reserve().await
                && (if answers { call.settle() } else { !call.is_cancelled() })
            {
                let kind = UpstreamEventKind::Frame { frame, carrier: Some(call.id) };
                permit.send(UpstreamEvent { link: self.link, kind });
            }
        }
    }

    /// Passes on what came before the handshake was done.
    pub(super) async fn deliver_early(&self, frame: Frame) {
        match frame.kind() {
            Kind::Request { method, .. } if **method == *method::PING => self.answer_ping(&frame),
            _ => self.tell(UpstreamEventKind::Frame { frame, carrier: None }).await,
        }
    }

    /// Passes on what came on a standing stream, but for the responses, and gives those back.
    pub(super) async fn deliver_standing(&self, document: &Document) -> Vec<Frame> {
        self.note_heard();
        let mut responses = Vec::new();
        for message in messages(document, MAX_BATCH) {
            let frame = match message {
                Ok(frame) => frame,
                Err(error) => {
                    tracing::debug!(%error, "passed over a message that no call waits for");
                    continue;
                }
            };
            match frame.kind() {
                Kind::Request { method, .. } if **method == *method::PING => self.answer_ping(&frame),
                Kind::Response { .. } => responses.push(frame),
                _ => self.tell(UpstreamEventKind::Frame { frame, carrier: None }).await,
            }
        }
        responses
    }

    /// Answers a `ping` of the instance (2025-11-25, ping: the receiver must respond promptly).
    pub(super) fn answer_ping(&self, ping: &Frame) {
        let Some(id) = ping.id() else { return };
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        // A full queue means that the instance takes nothing in; one answer less does not matter then.
        if let Some(commands) = self.commands.upgrade() {
            let _ = commands.try_send(UpstreamCommand::Send(Bytes::from(answer).into()));
        }
    }

    fn note_heard(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_heard.store(now, Ordering::Relaxed);
    }
}

/// What came: one message, or those of a batch. What cannot be read spoils nothing beside it.
pub(super) fn messages(
    document: &Document,
    limit: usize,
) -> impl Iterator<Item = Result<Frame, ExchangeError>> + use<> {
    frame::messages(document, limit).map(|message| message.map_err(|error| invalid(error.to_string())))
}

/// Of what came the messages that can be read; why another cannot is kept for the end.
pub(super) fn readable(
    document: &Document,
    limit: usize,
    unusable: &mut Option<ExchangeError>,
) -> impl Iterator<Item = Frame> {
    messages(document, limit).filter_map(|message| message.map_err(|error| *unusable = Some(error)).ok())
}

/// Reads a message of an instance.
pub(super) fn parse(document: &Document) -> Result<Frame, ExchangeError> {
    frame::mended(document).map_err(|error| invalid(error.to_string()))
}

pub(super) fn invalid(why: String) -> ExchangeError {
    ExchangeError { sent: Sent::Yes, reason: ExchangeReason::Invalid { why } }
}

/// Beyond it, numbers in JavaScript are not exact, and the official TypeScript SDK takes none as a code.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Why an error is none that clients understand: those of the official SDKs throw such a response away, and wait for ever.
pub(super) fn flaw(response: &Frame) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Failed<'a> {
        #[serde(borrow)]
        error: &'a serde_json::value::RawValue,
    }
    #[derive(serde::Deserialize)]
    struct Members<'a> {
        code: f64,
        #[serde(borrow, rename = "message")]
        _message: Cow<'a, str>,
    }
    let Ok(Failed { error }) = serde_json::from_slice(response.bytes()) else { return None };
    let is_whole =
        |members: Members<'_>| members.code.fract() == 0.0 && members.code.abs() <= MAX_SAFE_INTEGER;
    if serde_json::from_str(error.get()).is_ok_and(is_whole) {
        return None;
    }
    let said = excerpt(error.get().as_bytes()).unwrap_or_default();
    Some(format!("its error must have a whole number as `code` and a text as `message`: {said}"))
}

pub(super) fn renumbered(frame: &Frame, id: u64) -> Frame {
    let text = frame.with_id(&id.to_string()).join();
    Frame::parse(text).unwrap_or_else(|_| frame.clone())
}

/// One request, as the actor and its exchange see it. Both run in the same task; the atomics never contend.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: u64,
    state: AtomicU8,
    waker: AtomicWaker,
}

const OPEN: u8 = 0;
const SETTLED: u8 = 1;
const CANCELLED: u8 = 2;

impl Call {
    pub(super) fn new(id: u64) -> Arc<Self> {
        Arc::new(Self { id, state: AtomicU8::new(OPEN), waker: AtomicWaker::new() })
    }

    fn leave_open(&self, state: u8) -> bool {
        self.state.compare_exchange(OPEN, state, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Claims the right to tell how the call ended. Only one gets it, and none after a cancellation.
    pub(super) fn settle(&self) -> bool {
        self.leave_open(SETTLED)
    }

    /// Nothing more is told. `false`: the call was over already.
    pub(super) fn cancel(&self) -> bool {
        self.leave_open(CANCELLED) && {
            self.waker.wake();
            true
        }
    }

    /// Has the exchange look at the state again.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    pub(super) fn is_open(&self) -> bool {
        self.state.load(Ordering::Relaxed) == OPEN
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.state.load(Ordering::Relaxed) == CANCELLED
    }
}

/// Why an exchange no longer waits.
#[derive(Debug)]
pub(super) enum Impatience {
    /// Nothing came for too long.
    TimedOut,
    /// The call was cancelled and its stream did not end, or it was answered on another stream.
    Over,
    /// The stream that could have brought the answer has ended.
    Lost,
}

/// How long one call is waited for.
pub(super) struct Patience<'a> {
    wire: &'a Wire,
    call: &'a Call,
    sleep: Pin<&'a mut Sleep>,
    draining: bool,
    /// Whether a cancelled call is still listened to. Without a handshake, to stop listening is to cancel (2026-07-28,
    /// transports § Cancellation).
    drains: bool,
    /// Whether what comes on the standing stream counts as a sign of life.
    shares_stream: bool,
}

impl<'a> Patience<'a> {
    /// `sleep` must end after the call time-out.
    pub(super) fn new(
        wire: &'a Wire,
        call: &'a Call,
        sleep: Pin<&'a mut Sleep>,
        shares_stream: bool,
    ) -> Self {
        Self { wire, call, sleep, draining: false, drains: true, shares_stream }
    }

    /// For an instance without a handshake.
    pub(super) fn modern(wire: &'a Wire, call: &'a Call, sleep: Pin<&'a mut Sleep>) -> Self {
        Self { wire, call, sleep, draining: false, drains: false, shares_stream: false }
    }

    /// The instance is at work: the time-out begins anew.
    pub(super) fn renew(&mut self) {
        if !self.draining {
            self.sleep.as_mut().reset(Instant::now() + self.wire.limits.call_timeout);
        }
    }

    /// Waits for `future` as long as the call is worth it.
    pub(super) async fn wait<F: Future>(&mut self, future: F) -> Result<F::Output, Impatience> {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_impatience(cx).map(Err),
        })
        .await
    }

    /// Waits until the answer has come on another stream.
    pub(super) async fn wait_elsewhere(&mut self) -> Impatience {
        poll_fn(|cx| self.poll_impatience(cx)).await
    }

    /// The same where the other stream may end without the conversation.
    pub(super) async fn wait_on_standing(&mut self) -> Impatience {
        let mut standing = self.wire.standing.subscribe();
        let ended = standing.wait_for(|stands| !stands);
        match self.wait(ended).await {
            Ok(_) => Impatience::Lost,
            Err(impatience) => impatience,
        }
    }

    fn poll_impatience(&mut self, cx: &mut Context<'_>) -> Poll<Impatience> {
        self.call.waker.register(cx.waker());
        match self.call.state.load(Ordering::Relaxed) {
            SETTLED => return Poll::Ready(Impatience::Over),
            CANCELLED if !self.drains => return Poll::Ready(Impatience::Over),
            CANCELLED if !self.draining => {
                self.draining = true;
                self.sleep.as_mut().reset(Instant::now() + AFTER_CANCEL);
            }
            _ => {}
        }
        loop {
            std::task::ready!(self.sleep.as_mut().poll(cx));
            if self.draining {
                return Poll::Ready(Impatience::Over);
            }
            let heard = Duration::from_millis(self.wire.last_heard.load(Ordering::Relaxed));
            let until = self.wire.since + heard + self.wire.limits.call_timeout;
            if !self.shares_stream || until <= Instant::now() {
                return Poll::Ready(Impatience::TimedOut);
            }
            self.sleep.as_mut().reset(until);
        }
    }
}
