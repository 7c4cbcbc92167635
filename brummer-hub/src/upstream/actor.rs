//! The task that owns a connection: its phase, its calls, its TCP connections.
//!
//! ```text
//!  owner ──Command──▶ Actor ──polls──▶ exchanges (one per request)      ──▶ instance
//!    ▲                                 chores (handshake, notifications,
//!    └──────────UpstreamEvent───────── standing stream)
//! ```
//!
//! Exchanges and chores are futures in sets that the actor polls itself, so a call needs no task of its own. They tell
//! the owner what they hear and wait for room; the actor never does, so that its commands are always taken. It ends
//! when the last handle is gone or nobody listens, when it is stopped, or when the conversation cannot be opened.

mod ending;
mod modern;
mod opening;

use std::{
    collections::{HashMap, VecDeque},
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::{AbortHandle, BoxFuture},
    stream::FuturesUnordered,
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Command, ExchangeError, ExchangeReason, Hello, Purpose, Sent, UpstreamEvent, UpstreamEventKind,
    body::Text,
    connection::{Connection, Pool},
    exchange::{self, Fate, Finished, Posted},
    fault,
    headers::Route,
    listen::{Heard, Listener},
    modern::{
        Modern,
        listen::{News, Stream},
        meta::for_legacy,
    },
    reply::Reply,
    wire::{Call, Wire},
};
use crate::{
    frame::Frame,
    protocol::{Era, method},
};

/// Requests that are out at a time, each with a TCP connection of its own: macOS gives a process 256 descriptors.
const MAX_IN_FLIGHT: usize = 128;

/// Messages that wait for the handshake, a new session, or a place among those in flight.
const MAX_WAITING: usize = 1024;

/// Notifications on their way and the like, beyond which the actor takes no commands for a while.
const MAX_CHORES: usize = 256;

pub(super) struct Actor {
    wire: Arc<Wire>,
    base: Route,
    hello: Hello,
    commands: mpsc::Receiver<Command>,
    stop: CancellationToken,
    phase: Phase,
    /// Requests without an end, waiting ones too.
    calls: HashMap<u64, Arc<Call>>,
    waiting: VecDeque<Outgoing>,
    exchanges: FuturesUnordered<BoxFuture<'static, Finished>>,
    chores: FuturesUnordered<BoxFuture<'static, Chore>>,
    posts: usize,
    listener: Option<AbortHandle>,
    /// Requests wait until the standing stream stands.
    held: bool,
    pool: Pool,
    /// What the instance has been found to speak.
    known: Option<Era>,
    /// What there is to know of an instance without a handshake.
    modern: Option<Box<Modern>>,
    /// Lets a few handshakes at a time through.
    gate: Option<Arc<Semaphore>>,
    /// Ends when the pool is to be looked through; only armed while there is something in it.
    sweep: Pin<Box<Sleep>>,
}

enum Phase {
    /// The handshake runs.
    Opening,
    /// Messages can be sent.
    Open(Arc<Route>),
}

/// What waits to be sent. `again`: the instance refused it unread when it was sent first.
#[derive(Debug)]
pub(super) enum Outgoing {
    Request { call: Arc<Call>, body: Text, again: bool },
    Message { body: Text, again: bool },
}

/// What a chore has come to.
enum Chore {
    Opened(Result<Box<Conversation>, ExchangeError>),
    Posted(Posted),
    Heard(Box<Listener>, Heard),
    /// The standing stream stands, or has been waited for long enough.
    Settled,
    /// There is news of a stream of changes, which is to be read further if it is given back.
    Listening(u64, Option<Box<Stream>>, News),
    /// The list of tools has been read.
    Listed(Option<Connection>),
    Done,
    /// It panicked, which has been logged.
    Faulted,
}

struct Conversation {
    route: Route,
    era: Era,
    connection: Option<Connection>,
    stream: Option<Reply>,
}

enum End {
    /// Stopped, or of no use to anyone any more.
    Closed,
    Failed(ExchangeError),
}

impl Actor {
    pub(super) fn new(
        wire: Arc<Wire>,
        base: Route,
        (hello, known, gate): (Hello, Option<Era>, Option<Arc<Semaphore>>),
        commands: mpsc::Receiver<Command>,
        stop: CancellationToken,
    ) -> Self {
        let pool = Pool::new(wire.purpose, wire.limits.max_idle);
        Self {
            wire,
            base,
            hello,
            commands,
            stop,
            phase: Phase::Opening,
            calls: HashMap::new(),
            waiting: VecDeque::new(),
            exchanges: FuturesUnordered::new(),
            chores: FuturesUnordered::new(),
            posts: 0,
            listener: None,
            held: false,
            pool,
            known,
            modern: None,
            gate,
            sweep: Box::pin(sleep(Duration::ZERO)),
        }
    }

    /// Runs a request's exchange.
    fn exchange(
        &mut self,
        route: Arc<Route>,
        call: Arc<Call>,
        exchange: impl Future<Output = Finished> + Send + 'static,
    ) {
        let wire = Arc::clone(&self.wire);
        self.exchanges.push(Box::pin(fault::exchange(wire, route, call, exchange)));
    }

    /// Runs what else is to be done.
    fn chore(&mut self, chore: impl Future<Output = Chore> + Send + 'static) {
        let wire = Arc::clone(&self.wire);
        self.chores.push(Box::pin(async move { fault::chore(&wire, chore).await.unwrap_or(Chore::Faulted) }));
    }

    pub(super) async fn run(mut self) {
        self.shake_hands(UpstreamEventKind::Ready);
        match self.converse().await {
            End::Closed => self.close().await,
            End::Failed(error) => self.fail(error).await,
        }
    }

    async fn converse(&mut self) -> End {
        let (stop, owner) = (self.stop.clone(), self.wire.events.clone());
        let mut stopped = pin!(stop.cancelled());
        let mut deserted = pin!(owner.closed());
        loop {
            // In no order: neither an instance that never stops talking nor a client that sends without waiting may keep
            // the rest from its turn.
            tokio::select! {
                () = &mut stopped => return End::Closed,
                // Without an owner nothing holds up what the instance says.
                () = &mut deserted => return End::Closed,
                Some(finished) = self.exchanges.next(), if !self.exchanges.is_empty() => {
                    if let Some(end) = self.on_finished(finished) {
                        return end;
                    }
                }
                Some(chore) = self.chores.next(), if !self.chores.is_empty() => {
                    if let Some(end) = self.on_chore(chore) {
                        return end;
                    }
                }
                () = self.sweep.as_mut(), if !self.pool.is_empty() => {
                    if let Some(next) = self.pool.sweep() {
                        self.sweep.as_mut().reset(next);
                    }
                }
                () = self.pool.ended() => {
                    // A full queue holds news enough.
                    let kind = UpstreamEventKind::Suspect;
                    let _ = self.wire.events.try_send(UpstreamEvent { link: self.wire.link, kind });
                }
                command = self.commands.recv(), if self.chores.len() < MAX_CHORES => match command {
                    Some(command) => self.on_command(command),
                    None => return End::Closed,
                },
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Request { id, body } => {
                let call = Call::new(id);
                self.calls.insert(id, Arc::clone(&call));
                self.dispatch(Outgoing::Request { call, body, again: false });
            }
            Command::Send(body) => self.dispatch(Outgoing::Message { body, again: false }),
            Command::Cancel { id, notification } => self.cancel(id, notification),
        }
    }

    fn cancel(&mut self, id: u64, notification: Bytes) {
        if !self.calls.get(&id).is_some_and(|call| call.cancel()) {
            return;
        }
        let is_it = |outgoing: &Outgoing| matches!(outgoing, Outgoing::Request { call, .. } if call.id == id);
        match self.waiting.iter().position(is_it) {
            // The instance has never heard of it, or has forgotten it.
            Some(at) => {
                self.waiting.remove(at);
                self.calls.remove(&id);
            }
            None => self.dispatch(Outgoing::Message { body: notification.into(), again: false }),
        }
    }

    /// Sends now or, when that cannot be, later.
    fn dispatch(&mut self, outgoing: Outgoing) {
        match (&self.phase, &outgoing) {
            (Phase::Open(route), Outgoing::Message { .. }) => self.start(Arc::clone(route), outgoing),
            (Phase::Open(route), Outgoing::Request { .. })
                if !self.held && self.waiting.is_empty() && self.exchanges.len() < MAX_IN_FLIGHT =>
            {
                self.start(Arc::clone(route), outgoing);
            }
            _ if self.waiting.len() < MAX_WAITING => self.waiting.push_back(outgoing),
            (_, Outgoing::Message { .. }) => tracing::debug!("dropped a notification: too many wait already"),
            (_, Outgoing::Request { call, .. }) => {
                let call = Arc::clone(call);
                self.calls.remove(&call.id);
                let wire = Arc::clone(&self.wire);
                self.chore(async move {
                    wire.end(&call, ExchangeError { sent: Sent::No, reason: ExchangeReason::Busy }).await;
                    Chore::Done
                });
            }
        }
    }

    fn start(&mut self, route: Arc<Route>, outgoing: Outgoing) {
        if self.modern.is_some() {
            return self.start_modern(&route, outgoing);
        }
        let wire = Arc::clone(&self.wire);
        let connection = self.pool.take(&self.wire.closes);
        match outgoing {
            Outgoing::Request { call, mut body, again } => {
                if self.hello.era.is_modern() {
                    let text = body.into_bytes();
                    let frame = Frame::parse(text.clone()).ok();
                    body = frame.and_then(|frame| for_legacy(&frame)).unwrap_or(text).into();
                }
                let (at, of) = (Arc::clone(&route), Arc::clone(&call));
                self.exchange(at, of, exchange::request(wire, route, call, body, connection, again));
            }
            Outgoing::Message { body, again } => {
                self.posts += 1;
                self.chore(async move {
                    Chore::Posted(exchange::message(wire, route, body, connection, again).await)
                });
            }
        }
    }

    /// Sends what has waited and can be sent now.
    fn start_waiting(&mut self) {
        while !self.held
            && let Phase::Open(route) = &self.phase
            && self.exchanges.len() < MAX_IN_FLIGHT
            && let Some(outgoing) = self.waiting.pop_front()
        {
            self.start(Arc::clone(route), outgoing);
        }
    }

    fn on_finished(&mut self, finished: Finished) -> Option<End> {
        let Finished { call, route, connection, fate } = finished;
        self.rest(connection);
        match fate {
            Fate::Forgotten(body) if call.is_open() => {
                self.on_forgotten(&route);
                self.dispatch(Outgoing::Request { call, body, again: true });
            }
            Fate::TimedOut => {
                self.forget(&call);
                self.dispatch(Outgoing::Message { body: cancelled(call.id, "timed out"), again: false });
            }
            Fate::Turn(turn) => {
                if let Some(end) = self.on_turn(&call, &route, turn) {
                    return Some(end);
                }
            }
            Fate::Renew => {
                self.forget(&call);
                self.on_forgotten(&route);
            }
            Fate::Over | Fate::Forgotten(_) => self.forget(&call),
        }
        if !self.waiting.is_empty() {
            self.start_waiting();
        }
        None
    }

    /// Strikes a call off. The owner may have given its number to another one since.
    fn forget(&mut self, call: &Arc<Call>) {
        if self.calls.get(&call.id).is_some_and(|current| Arc::ptr_eq(current, call)) {
            self.calls.remove(&call.id);
            if let Some(modern) = &mut self.modern {
                modern.asked.remove(&call.id);
            }
        }
    }

    fn on_chore(&mut self, chore: Chore) -> Option<End> {
        match chore {
            Chore::Opened(Ok(conversation)) => return self.on_opened(*conversation),
            Chore::Opened(Err(error)) => return Some(End::Failed(error)),
            Chore::Posted(Posted { route, connection, forgotten }) => {
                self.posts -= 1;
                self.rest(connection);
                if let Some(body) = forgotten {
                    self.on_forgotten(&route);
                    self.dispatch(Outgoing::Message { body, again: true });
                }
            }
            Chore::Heard(listener, Heard::Response(frame)) => {
                let event = frame.numeric_id().and_then(|id| self.calls.get(&id)).and_then(|call| {
                    let carrier = Some(call.id);
                    call.settle().then(|| {
                        call.wake();
                        self.wire.answers_elsewhere.store(true, Ordering::Relaxed);
                        UpstreamEventKind::Frame { frame, carrier }
                    })
                });
                self.listen(listener, event);
            }
            Chore::Heard(listener, Heard::Forgotten) => {
                if matches!(&self.phase, Phase::Open(current) if Arc::ptr_eq(current, &listener.route)) {
                    self.renew();
                }
            }
            Chore::Heard(_, Heard::Ended) => {
                return Some(End::Failed(ExchangeError {
                    sent: Sent::Unknown,
                    reason: ExchangeReason::Closed,
                }));
            }
            Chore::Settled => {
                self.held = false;
                self.start_waiting();
            }
            Chore::Listening(id, stream, news) => self.on_listening(id, stream, news),
            Chore::Listed(connection) => {
                self.rest(connection);
                self.on_listed();
            }
            Chore::Heard(_, Heard::NotOffered) | Chore::Done => {}
            Chore::Faulted => return Some(End::Failed(fault::fault())),
        }
        None
    }

    fn rest(&mut self, connection: Option<Connection>) {
        let keeps = self.wire.purpose == Purpose::Health || !self.wire.closes.load(Ordering::Relaxed);
        if let Some(connection) = connection.filter(|_| keeps) {
            let was_empty = self.pool.is_empty();
            self.pool.put(connection);
            if was_empty && let Some(next) = self.pool.sweep() {
                self.sweep.as_mut().reset(next);
            }
        }
    }
}

/// Tells an instance with a handshake that a request is no longer wanted.
fn cancelled(id: u64, reason: &str) -> Text {
    let method = method::CANCELLED;
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"requestId":{id},"reason":"{reason}"}}}}"#)
        .into()
}
