//! The task that owns a connection: its phase, and what runs for it.
//!
//! ```text
//!  owner ──UpstreamCommand──▶ UpstreamActor ──starts──▶ Work ──polls──▶ exchanges (one per request)      ──▶ instance
//!    ▲                              ▲                    │             chores (handshake, notifications,
//!    │                              └────────Done────────┘             standing stream)
//!    └────────────────────UpstreamEvent──────────────────┘
//! ```
//!
//! Exchanges and chores are futures in sets that the actor polls itself, so a call needs no task of its own. They tell
//! the owner what they hear and wait for room; the actor never does, so that its commands are always taken. It ends
//! when the last handle is gone or nobody listens, when it is stopped, or when the conversation cannot be opened.
//!
//! What the instance speaks is part of the phase: [`Legacy`] and [`Modern`] hold what their kind of conversation needs.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    ExchangeError, ExchangeReason, Hello, Purpose, Sent, UpstreamCommand, UpstreamEvent, UpstreamEventKind,
    Welcome,
    body::Text,
    exchange::{Fate, Finished, Posted},
    fault,
    handshake::{Opened, PriorKnowledge, open},
    headers::{Route, Transport},
    legacy::Legacy,
    modern::{
        conversation::Modern,
        exchange::Turn,
        subscriptions::{Stream, StreamNews},
    },
    standing_stream::ListenerEvent,
    wire::{Call, Wire},
    work::{Begun, Chore, Done, Outgoing, Work},
};
use crate::protocol::{Era, method};

/// How long a handshake waits for its turn. The turn is there to spare memory; healthy instances take milliseconds.
const AT_THE_GATE: Duration = Duration::from_millis(250);

/// How long the end may take: half of it for the last notifications, the other half for the DELETE of the session.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

pub(super) struct UpstreamActor {
    base: Route,
    hello: Hello,
    commands: mpsc::Receiver<UpstreamCommand>,
    stop: CancellationToken,
    phase: ConnectionPhase,
    work: Work,
    /// What has been found out about the instance.
    found: PriorKnowledge,
    /// Lets a few handshakes at a time through.
    gate: Option<Arc<Semaphore>>,
}

enum ConnectionPhase {
    /// The opening runs, for an instance that changes its revision with what is kept of the conversation.
    Opening(Option<Box<Modern>>),
    Legacy(Legacy),
    Modern(Box<Modern>),
}

enum End {
    /// Stopped, or of no use to anyone any more.
    Closed,
    Failed(ExchangeError),
}

impl ConnectionPhase {
    fn route(&self) -> Option<&Arc<Route>> {
        match self {
            Self::Opening(_) => None,
            Self::Legacy(legacy) => Some(&legacy.route),
            Self::Modern(modern) => Some(&modern.route),
        }
    }

    /// What there is without a handshake, also while it goes on in another revision.
    fn modern(&mut self) -> Option<&mut Modern> {
        match self {
            Self::Opening(kept) => kept.as_deref_mut(),
            Self::Legacy(_) => None,
            Self::Modern(modern) => Some(modern),
        }
    }

    fn start(&mut self, work: &mut Work, outgoing: Outgoing) {
        match self {
            Self::Opening(_) => work.wait(outgoing),
            Self::Legacy(legacy) => legacy.start(work, outgoing),
            Self::Modern(modern) => modern.start(work, outgoing),
        }
    }
}

impl UpstreamActor {
    pub(super) fn new(
        wire: Arc<Wire>,
        base: Route,
        (hello, found, gate): (Hello, PriorKnowledge, Option<Arc<Semaphore>>),
        commands: mpsc::Receiver<UpstreamCommand>,
        stop: CancellationToken,
    ) -> Self {
        let (phase, work) = (ConnectionPhase::Opening(None), Work::new(wire));
        Self { base, hello, commands, stop, phase, work, found, gate }
    }

    pub(super) async fn run(mut self) {
        self.shake_hands(UpstreamEventKind::Ready);
        match self.converse().await {
            End::Closed => self.close().await,
            End::Failed(error) => self.fail(error).await,
        }
    }

    async fn converse(&mut self) -> End {
        let (stop, owner) = (self.stop.clone(), self.work.wire.events.clone());
        let mut stopped = pin!(stop.cancelled());
        let mut deserted = pin!(owner.closed());
        loop {
            // In no order: neither an instance that never stops talking nor a client that sends without waiting may keep
            // the rest from its turn.
            tokio::select! {
                () = &mut stopped => return End::Closed,
                // Without an owner nothing holds up what the instance says.
                () = &mut deserted => return End::Closed,
                done = self.work.next() => {
                    if let Some(end) = self.on_done(done) {
                        return end;
                    }
                }
                command = self.commands.recv(), if self.work.has_room() => match command {
                    Some(command) => self.on_command(command),
                    None => return End::Closed,
                },
            }
        }
    }

    fn on_command(&mut self, command: UpstreamCommand) {
        match command {
            UpstreamCommand::Request { id, body } => {
                let request = self.work.take(id, body);
                self.dispatch(request);
            }
            UpstreamCommand::Send(body) => self.dispatch(Outgoing::Message { body, again: false }),
            UpstreamCommand::Cancel { id, notification } => self.cancel(id, notification),
        }
    }

    fn cancel(&mut self, id: u64, notification: Bytes) {
        // One that waits has never been heard of at the instance, or has been forgotten there.
        if self.work.calls.get(&id).is_some_and(|call| call.cancel()) && !self.work.take_waiting(id) {
            self.dispatch(Outgoing::Message { body: notification.into(), again: false });
        }
    }

    /// Sends now or, when that cannot be, later.
    fn dispatch(&mut self, outgoing: Outgoing) {
        if matches!(outgoing, Outgoing::Message { .. }) || self.work.has_place() {
            self.phase.start(&mut self.work, outgoing);
        } else {
            self.work.wait(outgoing);
        }
    }

    /// Sends what has waited and can be sent now.
    fn start_waiting(&mut self) {
        while self.phase.route().is_some()
            && let Some(outgoing) = self.work.next_waiting()
        {
            self.phase.start(&mut self.work, outgoing);
        }
    }

    fn on_done(&mut self, done: Done) -> Option<End> {
        match done {
            Done::Exchange(finished) => self.on_finished(finished),
            Done::Chore(chore) => self.on_chore(chore),
            Done::Closed => {
                // A full queue holds news enough.
                let (wire, kind) = (&self.work.wire, UpstreamEventKind::Suspect);
                let _ = wire.events.try_send(UpstreamEvent { link: wire.link, kind });
                None
            }
        }
    }

    fn on_finished(&mut self, finished: Finished) -> Option<End> {
        let Finished { call, route, connection, fate } = finished;
        self.work.rest(connection);
        match fate {
            Fate::Forgotten(body) if call.is_open() => {
                self.on_forgotten(&route);
                self.dispatch(Outgoing::Request { call, body, again: true });
            }
            Fate::TimedOut => {
                self.work.forget(&call);
                self.dispatch(Outgoing::Message { body: cancelled(call.id, "timed out"), again: false });
            }
            Fate::Turn(Turn::Replaced) => return Some(replaced(Sent::Yes)),
            Fate::Turn(turn) if call.is_open() => self.on_turn(call, &route, turn),
            Fate::Renew => {
                self.work.forget(&call);
                self.on_forgotten(&route);
            }
            Fate::Over | Fate::Forgotten(_) | Fate::Turn(_) => self.work.forget(&call),
        }
        self.start_waiting();
        None
    }

    /// Something has to be seen to before a request is over.
    fn on_turn(&mut self, call: Arc<Call>, route: &Arc<Route>, turn: Turn) {
        let (Some(modern), work) = (self.phase.modern(), &mut self.work) else { return };
        let body = match turn {
            Turn::Asked(asked) => return modern.ask(work, route, call, *asked),
            Turn::Answered(retry) => return modern.retry(work, route, call, &retry),
            Turn::OtherVersion(body) => {
                self.found.known = None;
                self.on_forgotten(route);
                body
            }
            Turn::Mismatch(body) => {
                modern.doubt_tools();
                body
            }
            Turn::Replaced => return,
        };
        self.dispatch(Outgoing::Request { call, body: body.into(), again: true });
    }

    fn on_chore(&mut self, chore: Chore) -> Option<End> {
        match chore {
            Chore::Opened(Ok(begun)) => return self.on_opened(*begun),
            Chore::Opened(Err(error)) => return Some(End::Failed(error)),
            Chore::Posted(Posted { route, connection, forgotten }) => {
                self.work.posted(connection);
                if let Some(body) = forgotten {
                    self.on_forgotten(&route);
                    self.dispatch(Outgoing::Message { body, again: true });
                }
            }
            Chore::Heard(listener, ListenerEvent::Response(frame)) => {
                if let ConnectionPhase::Legacy(legacy) = &mut self.phase {
                    legacy.on_response(&mut self.work, listener, frame);
                }
            }
            Chore::Heard(listener, ListenerEvent::Forgotten) => self.on_forgotten(&listener.route),
            Chore::Heard(_, ListenerEvent::Ended) => {
                let reason = ExchangeReason::Closed;
                return Some(End::Failed(ExchangeError { sent: Sent::Unknown, reason }));
            }
            Chore::Settled => self.go(),
            Chore::Listening(id, stream, news) => self.on_listening(id, stream, news),
            Chore::Listed(connection) => {
                self.work.rest(connection);
                self.on_listed();
            }
            Chore::Heard(_, ListenerEvent::NotOffered) | Chore::Done => {}
            Chore::Faulted => return Some(End::Failed(fault::fault())),
        }
        None
    }

    fn on_listening(&mut self, id: u64, stream: Option<Box<Stream>>, news: StreamNews) {
        let Some(modern) = self.phase.modern() else { return };
        let again = modern.on_listening(&mut self.work, id, stream, news);
        // While another revision is agreed upon there is nowhere to open it; it is opened after that.
        if let (Some(pause), ConnectionPhase::Modern(modern)) = (again, &mut self.phase) {
            modern.listen(&mut self.work, pause);
        }
        self.go();
    }

    /// The standing stream is no longer waited for.
    fn go(&mut self) {
        if self.work.release() {
            self.start_waiting();
        }
    }

    fn on_listed(&mut self) {
        let Some(modern) = self.phase.modern() else { return };
        for outgoing in modern.take_unlisted() {
            match &outgoing {
                // One that was cancelled meanwhile has never been sent.
                Outgoing::Request { call, .. } if !call.is_open() => self.work.forget(call),
                _ => self.dispatch(outgoing),
            }
        }
    }

    // How a conversation begins, and begins anew.

    fn shake_hands(&mut self, told: fn(Box<Welcome>) -> UpstreamEventKind) {
        let (wire, base, hello) = (Arc::clone(&self.work.wire), self.base.clone(), self.hello.clone());
        let (found, gate) = (self.found.clone(), self.gate.clone());
        self.work.chore(async move {
            // Held over the handshake. What holds it up must not hold up the others for long.
            let _permit = match gate {
                Some(gate) => timeout(AT_THE_GATE, gate.acquire_owned()).await.ok(),
                None => None,
            };
            let Opened { route, welcome, early, connection, stream } =
                match open(&wire, &base, &hello, found).await {
                    Ok(opened) => opened,
                    Err(error) => return Chore::Opened(Err(error)),
                };
            let (era, tells_program) = (welcome.era, welcome.tells_program());
            wire.tell(told(Box::new(welcome))).await;
            for frame in early {
                wire.deliver_early(frame).await;
            }
            Chore::Opened(Ok(Box::new(Begun { route, era, connection, stream, tells_program })))
        });
    }

    fn on_opened(&mut self, begun: Begun) -> Option<End> {
        let Begun { route, era, connection, stream, tells_program } = begun;
        let kept = match std::mem::replace(&mut self.phase, ConnectionPhase::Opening(None)) {
            ConnectionPhase::Opening(kept) => kept,
            ConnectionPhase::Legacy(_) | ConnectionPhase::Modern(_) => None,
        };
        self.found.known = Some(era);
        self.work.rest(connection);
        self.phase = match (era, kept) {
            (Era::Modern(version), Some(mut modern)) => {
                modern.go_on(route, &self.hello, version);
                ConnectionPhase::Modern(modern)
            }
            (Era::Modern(version), None) => {
                ConnectionPhase::Modern(Box::new(Modern::new(route, &self.hello, version)))
            }
            (Era::Legacy(_), None) => ConnectionPhase::Legacy(Legacy::new(route, self.hello.era)),
            // What is in flight and subscribed to means something else there; the owner begins anew.
            (Era::Legacy(_), Some(_)) => return Some(replaced(Sent::No)),
        };
        // Messages never wait for a place, and what they answer may be what holds the places.
        for message in self.work.take_messages() {
            self.dispatch(message);
        }
        let work = &mut self.work;
        match &mut self.phase {
            ConnectionPhase::Legacy(legacy) => legacy.begin_to_listen(work, stream, tells_program),
            ConnectionPhase::Modern(modern) if work.wire.purpose == Purpose::Conversation => {
                modern.begin_to_listen(work);
            }
            ConnectionPhase::Modern(_) | ConnectionPhase::Opening(_) => {}
        }
        self.start_waiting();
        None
    }

    /// The instance answered 404 (2025-11-25, transports § Session Management): it has not run what was sent. A new
    /// session is opened, and all that is to be sent waits for it, also what was refused for want of it.
    fn on_forgotten(&mut self, route: &Arc<Route>) {
        if !self.phase.route().is_some_and(|current| Arc::ptr_eq(current, route)) {
            return;
        }
        let wire = &self.work.wire;
        tracing::debug!(link = wire.link.0, "the conversation is opened anew");
        wire.closes.store(false, Ordering::Relaxed);
        wire.standing.send_replace(false);
        self.phase = match std::mem::replace(&mut self.phase, ConnectionPhase::Opening(None)) {
            ConnectionPhase::Modern(modern) => ConnectionPhase::Opening(Some(modern)),
            ConnectionPhase::Legacy(_) | ConnectionPhase::Opening(_) => ConnectionPhase::Opening(None),
        };
        self.shake_hands(UpstreamEventKind::Renewed);
    }

    // How it ends.

    /// How far a call has come that ends with the connection.
    fn sent(&mut self, call: &Call) -> Sent {
        let is_unsent = self.work.is_waiting(call.id)
            || self.phase.modern().is_some_and(|modern| modern.is_unlisted(call.id));
        if is_unsent { Sent::No } else { Sent::Unknown }
    }

    /// Ends the calls for an owner who may have stopped listening, tells the instance that they are cancelled, delivers
    /// what is on its way, ends the session. Connections are closed after that.
    async fn close(mut self) {
        self.take_last_commands().await;
        let wire = Arc::clone(&self.work.wire);
        let calls: Vec<_> = self.work.calls.values().cloned().collect();
        for call in calls {
            let sent = self.sent(&call);
            if !call.settle() {
                continue;
            }
            let error = ExchangeError { sent, reason: ExchangeReason::Closed };
            let kind = UpstreamEventKind::Ended { id: call.id, error };
            let _ = wire.events.try_send(UpstreamEvent { link: wire.link, kind });
            if sent != Sent::No && wire.purpose == Purpose::Conversation {
                let body = cancelled(call.id, "its client is gone");
                self.dispatch(Outgoing::Message { body, again: false });
            }
        }
        let Some(route) = self.phase.route().cloned() else { return };
        if route.transport == Transport::Modern {
            // To stop listening is to cancel.
            self.work.drop_exchanges();
        }
        let mut in_time = timeout(CLOSE_LIMIT / 2, self.work.post_all()).await.is_ok();
        if route.owns_session() && route.transport == Transport::Streamable {
            let ended = async {
                let first = wire.send(self.work.connection(), route.delete()).await?;
                wire.follow(first, route.target(), false, |target| route.at(target).delete()).await
            };
            in_time &= timeout(CLOSE_LIMIT / 2, ended).await.is_ok();
        }
        if !in_time {
            tracing::debug!(link = wire.link.0, "the instance did not let the session be ended in time");
        }
    }

    /// What the owner said before the connection ended: messages are still sent, and requests are not.
    async fn take_last_commands(&mut self) {
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            match command {
                UpstreamCommand::Request { id, body } => {
                    let request = self.work.take(id, body);
                    self.work.wait(request);
                }
                command => self.on_command(command),
            }
        }
    }

    /// Tells the end of every call, and then that of the connection.
    async fn fail(mut self, error: ExchangeError) {
        self.take_last_commands().await;
        self.work.drop_all();
        let calls: Vec<_> = self.work.calls.values().cloned().collect();
        let ends: Vec<_> = calls.into_iter().map(|call| (self.sent(&call), call)).collect();
        let wire = &self.work.wire;
        let last_words = async {
            for (sent, call) in ends {
                wire.end(&call, ExchangeError { sent, reason: error.reason.clone() }).await;
            }
            wire.tell(UpstreamEventKind::Failed(error)).await;
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = last_words => {}
        }
    }
}

/// The instance speaks another era than before.
fn replaced(sent: Sent) -> End {
    End::Failed(ExchangeError { sent, reason: ExchangeReason::Replaced })
}

/// Tells an instance with a handshake that a request is no longer wanted.
fn cancelled(id: u64, reason: &str) -> Text {
    let method = method::CANCELLED;
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"requestId":{id},"reason":"{reason}"}}}}"#)
        .into()
}
