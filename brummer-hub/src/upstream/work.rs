//! What runs for a connection: its calls, the futures that carry them, and its TCP connections. It knows nothing of
//! eras and decides nothing; the actor polls it.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::{AbortHandle, BoxFuture, abortable},
    stream::FuturesUnordered,
};
use tokio::time::{Sleep, sleep, timeout};

use super::{
    ExchangeError, ExchangeReason, Purpose, Sent,
    body::Text,
    connection::{Connection, Pool},
    exchange::{self, Finished, Posted},
    fault,
    headers::Route,
    modern::{
        response,
        subscriptions::{Stream, StreamNews},
    },
    reply::Reply,
    standing_stream::{LISTEN_FIRST, ListenerEvent, StreamListener},
    wire::{Call, Wire},
};
use crate::protocol::Era;

/// Requests that are out at a time, each with a TCP connection of its own: macOS gives a process 256 descriptors.
const MAX_IN_FLIGHT: usize = 128;

/// Messages that wait for the handshake, a new session, or a place among those in flight.
pub(super) const MAX_WAITING: usize = 1024;

/// Notifications on their way and the like, beyond which the actor takes no commands for a while.
const MAX_CHORES: usize = 256;

pub(super) struct Work {
    pub(super) wire: Arc<Wire>,
    /// Requests without an end, waiting ones too.
    pub(super) calls: HashMap<u64, Arc<Call>>,
    waiting: VecDeque<Outgoing>,
    /// Requests wait until the standing stream stands.
    held: bool,
    exchanges: FuturesUnordered<BoxFuture<'static, Finished>>,
    chores: FuturesUnordered<BoxFuture<'static, Chore>>,
    posts: usize,
    pool: Pool,
    /// Ends when the pool is to be looked through; only armed while there is something in it.
    sweep: Pin<Box<Sleep>>,
}

/// What is to be sent. `again`: the instance refused it unread when it was sent first.
#[derive(Debug)]
pub(super) enum Outgoing {
    Request { call: Arc<Call>, body: Text, again: bool },
    Message { body: Text, again: bool },
}

/// What a chore has come to.
pub(super) enum Chore {
    Opened(Result<Box<Begun>, ExchangeError>),
    Posted(Posted),
    Heard(Box<StreamListener>, ListenerEvent),
    /// The standing stream stands, or has been waited for long enough.
    Settled,
    /// There is news of a stream of changes, which is to be read further if it is given back.
    Listening(u64, Option<Box<Stream>>, StreamNews),
    /// The list of tools has been read.
    Listed(Option<Connection>),
    Done,
    /// It panicked, which has been logged.
    Faulted,
}

/// A conversation that the instance has agreed to.
pub(super) struct Begun {
    pub(super) route: Route,
    pub(super) era: Era,
    pub(super) connection: Option<Connection>,
    /// The standing stream of the HTTP+SSE transport.
    pub(super) stream: Option<Reply>,
    /// The instance tells of the program behind it on its standing stream.
    pub(super) tells_program: bool,
}

/// Something that the actor has to see to.
pub(super) enum Done {
    Exchange(Finished),
    Chore(Chore),
    /// The instance has closed a connection at rest.
    Closed,
}

impl Work {
    pub(super) fn new(wire: Arc<Wire>) -> Self {
        let pool = Pool::new(wire.purpose, wire.limits.max_idle);
        Self {
            wire,
            calls: HashMap::new(),
            waiting: VecDeque::new(),
            held: false,
            exchanges: FuturesUnordered::new(),
            chores: FuturesUnordered::new(),
            posts: 0,
            pool,
            sweep: Box::pin(sleep(Duration::ZERO)),
        }
    }

    /// Waits for what the actor has to see to. Cancel safe.
    pub(super) async fn next(&mut self) -> Done {
        loop {
            tokio::select! {
                Some(finished) = self.exchanges.next() => return Done::Exchange(finished),
                Some(chore) = self.chores.next() => return Done::Chore(chore),
                () = self.pool.ended() => return Done::Closed,
                () = self.sweep.as_mut(), if !self.pool.is_empty() => self.sweep(),
            }
        }
    }

    fn sweep(&mut self) {
        if let Some(next) = self.pool.sweep() {
            self.sweep.as_mut().reset(next);
        }
    }

    /// Whether there is room for what another command may start.
    pub(super) fn has_room(&self) -> bool {
        self.chores.len() < MAX_CHORES
    }

    /// Begins a request that the owner sent.
    pub(super) fn take(&mut self, id: u64, body: Text) -> Outgoing {
        let call = Call::new(id);
        self.calls.insert(id, Arc::clone(&call));
        Outgoing::Request { call, body, again: false }
    }

    /// Strikes a call off. The owner may have given its number to another one since.
    pub(super) fn forget(&mut self, call: &Arc<Call>) {
        if self.calls.get(&call.id).is_some_and(|current| Arc::ptr_eq(current, call)) {
            self.calls.remove(&call.id);
        }
    }

    // What waits.

    /// Whether a request can go out now, without passing one that waits.
    pub(super) fn has_place(&self) -> bool {
        self.waiting.is_empty() && self.may_start()
    }

    fn may_start(&self) -> bool {
        !self.held && self.exchanges.len() < MAX_IN_FLIGHT
    }

    /// The next that has waited, if there is a place for it.
    pub(super) fn next_waiting(&mut self) -> Option<Outgoing> {
        self.may_start().then(|| self.waiting.pop_front()).flatten()
    }

    /// Keeps what cannot be sent now.
    pub(super) fn wait(&mut self, outgoing: Outgoing) {
        match outgoing {
            outgoing if self.waiting.len() < MAX_WAITING => self.waiting.push_back(outgoing),
            Outgoing::Message { .. } => tracing::debug!("dropped a notification: too many wait already"),
            Outgoing::Request { call, .. } => {
                self.calls.remove(&call.id);
                let wire = Arc::clone(&self.wire);
                self.chore(async move {
                    wire.end(&call, ExchangeError { sent: Sent::No, reason: ExchangeReason::Busy }).await;
                    Chore::Done
                });
            }
        }
    }

    /// Takes a call from those that wait, if it is there.
    pub(super) fn take_waiting(&mut self, id: u64) -> bool {
        match self.waiting.iter().position(|outgoing| outgoing.is_request(id)) {
            Some(at) => {
                self.waiting.remove(at);
                self.calls.remove(&id);
                true
            }
            None => false,
        }
    }

    pub(super) fn is_waiting(&self, id: u64) -> bool {
        self.waiting.iter().any(|outgoing| outgoing.is_request(id))
    }

    /// Takes the messages from among the requests that wait.
    pub(super) fn take_messages(&mut self) -> VecDeque<Outgoing> {
        let (messages, requests) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|outgoing| matches!(outgoing, Outgoing::Message { .. }));
        self.waiting = requests;
        messages
    }

    /// Requests wait until `settled` has happened, for a moment only.
    pub(super) fn hold(&mut self, settled: impl Future<Output = ()> + Send + 'static) {
        self.held = true;
        self.chore(async move {
            let _ = timeout(LISTEN_FIRST, settled).await;
            Chore::Settled
        });
    }

    /// They wait no longer. Whether they did.
    pub(super) fn release(&mut self) -> bool {
        std::mem::take(&mut self.held)
    }

    // What runs.

    /// Runs a request's exchange.
    pub(super) fn exchange(
        &mut self,
        route: Arc<Route>,
        call: Arc<Call>,
        exchange: impl Future<Output = Finished> + Send + 'static,
    ) {
        let wire = Arc::clone(&self.wire);
        self.exchanges.push(Box::pin(fault::exchange(wire, route, call, Box::pin(exchange))));
    }

    /// Runs what else is to be done.
    pub(super) fn chore(&mut self, chore: impl Future<Output = Chore> + Send + 'static) {
        let wire = Arc::clone(&self.wire);
        self.chores.push(Box::pin(async move { fault::chore(&wire, chore).await.unwrap_or(Chore::Faulted) }));
    }

    /// The same for what can be given up.
    pub(super) fn abortable(&mut self, chore: impl Future<Output = Chore> + Send + 'static) -> AbortHandle {
        let (chore, handle) = abortable(chore);
        self.chore(async move { chore.await.unwrap_or(Chore::Done) });
        handle
    }

    /// Sends a notification or a response.
    pub(super) fn post(&mut self, route: Arc<Route>, body: Text, again: bool) {
        let (wire, connection) = (Arc::clone(&self.wire), self.connection());
        self.posts += 1;
        self.chore(
            async move { Chore::Posted(exchange::message(wire, route, body, connection, again).await) },
        );
    }

    /// A notification or a response has been sent, or could not be.
    pub(super) fn posted(&mut self, connection: Option<Connection>) {
        self.posts -= 1;
        self.rest(connection);
    }

    /// Answers a request of the owner here: with nothing, or with an error (JSON text).
    pub(super) fn answer(&mut self, call: Arc<Call>, answer: Result<(), String>) {
        self.forget(&call);
        let frame = match answer {
            Ok(()) => response(call.id, "result", "{}"),
            Err(error) => response(call.id, "error", &error),
        };
        let wire = Arc::clone(&self.wire);
        self.chore(async move {
            match frame {
                Some(frame) => wire.pass(frame, &call, true).await,
                None => {
                    let reason = ExchangeReason::Invalid { why: "its error is none".into() };
                    wire.end(&call, ExchangeError { sent: Sent::Yes, reason }).await;
                }
            }
            Chore::Done
        });
    }

    /// A connection at rest, if there is one.
    pub(super) fn connection(&mut self) -> Option<Connection> {
        self.pool.take(&self.wire.closes)
    }

    /// Keeps a connection for the next request.
    pub(super) fn rest(&mut self, connection: Option<Connection>) {
        let keeps = self.wire.purpose == Purpose::Health || !self.wire.closes.load(Ordering::Relaxed);
        if let Some(connection) = connection.filter(|_| keeps) {
            let was_empty = self.pool.is_empty();
            self.pool.put(connection);
            if was_empty {
                self.sweep();
            }
        }
    }

    // The end.

    /// Stops to listen to what is in flight.
    pub(super) fn drop_exchanges(&mut self) {
        self.exchanges.clear();
    }

    pub(super) fn drop_all(&mut self) {
        self.exchanges.clear();
        self.chores.clear();
    }

    /// Waits until the last notifications are out.
    pub(super) async fn post_all(&mut self) {
        while self.posts > 0 {
            match self.chores.next().await {
                Some(Chore::Posted(posted)) => self.posted(posted.connection),
                Some(_) => {}
                None => break,
            }
        }
    }
}

impl Outgoing {
    pub(super) fn is_request(&self, id: u64) -> bool {
        matches!(self, Self::Request { call, .. } if call.id == id)
    }
}
