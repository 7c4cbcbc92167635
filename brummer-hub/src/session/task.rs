//! The task that owns a session: its inboxes, its state, and the loop.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::pin,
    sync::Arc,
};

use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    DRAIN, Input, SessionConfig, ToolsMode,
    client::{self, Owed, Phase, ReplyTo, Running},
    connect::Target,
    jobs::{Ask, Done},
    links::Links,
    merge::Merged,
    questions::Questions,
};
use crate::{
    Hub,
    frame::{Frame, FrameError, Kind, Parts, split_batch},
    hub::Snapshot,
    protocol::{LegacyVersion, code, method},
    upstream::{UpstreamEvent, UpstreamEventKind},
};

/// Requests of one client that may be in flight at once; further ones are refused. Far above what any client does,
/// and low enough that a runaway client cannot exhaust memory.
const MAX_IN_FLIGHT: usize = 1024;

/// Messages in one batch.
const MAX_BATCH: usize = 1024;

/// Messages from instances that wait for the session; the rest waits in the connections.
const EVENT_QUEUE: usize = 64;

/// Questions of jobs that wait for the session.
const ASK_QUEUE: usize = 64;

pub(super) struct SessionTask {
    // Inboxes.
    input: mpsc::Receiver<Input>,
    events: mpsc::Receiver<UpstreamEvent>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    asks: mpsc::Receiver<Ask>,
    /// Jobs and their numbers.
    jobs: JoinSet<(u64, Done)>,
    next_job: u64,
    stop: CancellationToken,
    // Outlet, and what did not fit into it.
    output: mpsc::Sender<Parts>,
    backlog: VecDeque<Parts>,
    // State.
    pub(super) config: SessionConfig,
    pub(super) asker: mpsc::Sender<Ask>,
    pub(super) phase: Phase,
    pub(super) owed: Owed,
    pub(super) links: Links,
    pub(super) target: Target,
    pub(super) questions: Questions,
    pub(super) merged: Merged,
    /// `params` of the client's last `logging/setLevel`.
    pub(super) log_level: Option<Box<str>>,
    /// Whether the client is subscribed to `brummer://instances`.
    pub(super) watches_instances: bool,
    /// URIs (JSON text) that the client is subscribed to, by the alias of the instance: they outlive its restarts.
    pub(super) subscriptions: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    /// What the hub lists, as this session has taken note of it.
    pub(super) snapshot: Arc<Snapshot>,
    /// Requests that came before the hub had looked around.
    deferred: Vec<(Frame, ReplyTo)>,
    pub(super) settled: bool,
    /// Set once the input has ended: when to give up on answers that are still due.
    draining: Option<Instant>,
}

impl SessionTask {
    pub(super) fn new(
        hub: &Hub,
        config: SessionConfig,
        input: mpsc::Receiver<Input>,
        output: mpsc::Sender<Parts>,
        stop: CancellationToken,
    ) -> Self {
        let (event_sender, events) = mpsc::channel(EVENT_QUEUE);
        let (asker, asks) = mpsc::channel(ASK_QUEUE);
        let mut snapshots = hub.instances();
        // The first look is as much news as any later one.
        snapshots.mark_changed();
        let (tasks, _) = hub.tasks();
        let links = Links::new(event_sender, tasks.clone(), stop.clone(), hub.config().limits);
        Self {
            input,
            events,
            snapshots,
            asks,
            jobs: JoinSet::new(),
            next_job: 0,
            stop,
            output,
            backlog: VecDeque::new(),
            asker,
            phase: Phase::New,
            owed: Owed::default(),
            links,
            target: Target::new(config.auto_connect),
            questions: Questions::default(),
            merged: Merged::default(),
            log_level: None,
            watches_instances: false,
            subscriptions: BTreeMap::new(),
            snapshot: Arc::default(),
            deferred: Vec::new(),
            settled: false,
            draining: None,
            config,
        }
    }

    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        let output = self.output.clone();
        let mut stopped = pin!(stop.cancelled());
        let mut closed = pin!(output.closed());
        loop {
            // While the client does not read, nothing is taken in: the wait is passed on to where messages come from.
            let free = self.backlog.is_empty();
            let open = free && self.draining.is_none();
            let deadline = self.draining;
            tokio::select! {
                biased;
                () = &mut stopped => break,
                () = &mut closed => break,
                permit = output.reserve(), if !free => match permit {
                    Ok(permit) => if let Some(parts) = self.backlog.pop_front() { permit.send(parts) },
                    Err(_) => break,
                },
                changed = self.snapshots.changed(), if free => match changed {
                    Ok(()) => self.on_snapshot(),
                    Err(_) => break,
                },
                Some(event) = self.events.recv(), if free => self.on_event(event),
                Some(ask) = self.asks.recv(), if free => self.on_ask(ask),
                Some(done) = self.jobs.join_next(), if free => self.on_job(done),
                () = crate::stdio::until(deadline) => break,
                input = self.input.recv(), if open => match input {
                    Some(input) => self.on_input(input),
                    None => self.draining = Some(Instant::now() + DRAIN),
                },
            }
            if self.draining.is_some() && self.owed.is_empty() && self.backlog.is_empty() {
                break;
            }
        }
        self.close();
    }

    /// Tells the instances that nobody waits any longer. Dropping the links then closes their MCP sessions.
    fn close(mut self) {
        let running: Vec<_> = self.owed.drain().collect();
        for running in running {
            match running {
                Running::Upstream(request) => self.cancel_upstream(request, None),
                Running::Job { handle, .. } => handle.abort(),
                Running::Deferred => {}
            }
        }
    }

    /// Writes to the client, in order. Never waits: what does not fit now goes first as soon as it does.
    pub(super) fn emit(&mut self, parts: Parts) {
        if self.backlog.is_empty() {
            // That the client is gone is noticed by the loop.
            if let Err(mpsc::error::TrySendError::Full(parts)) = self.output.try_send(parts) {
                self.backlog.push_back(parts);
            }
        } else {
            self.backlog.push_back(parts);
        }
    }

    /// Answers a request of the client, once.
    pub(super) fn answer(&mut self, to: &ReplyTo, answer: Parts) {
        self.owed.take(&to.id);
        if let Some(parts) = self.owed.answer(to.batch, answer) {
            self.emit(parts);
        }
    }

    pub(super) fn answer_result(&mut self, to: &ReplyTo, result: &str) {
        self.answer(to, client::result(&to.id, result));
    }

    pub(super) fn answer_error(&mut self, to: &ReplyTo, code: i32, message: &str) {
        self.answer(to, client::error(Some(&to.id), code, message, None));
    }

    /// Starts something that takes time, on behalf of a request of the client.
    pub(super) fn start_job(&mut self, to: &ReplyTo, job: impl Future<Output = Done> + Send + 'static) {
        let (number, handle) = self.start_task(job);
        self.owed.set(to, Running::Job { number, handle });
    }

    /// Starts something that takes time of the session's own accord.
    pub(super) fn start_task(
        &mut self,
        job: impl Future<Output = Done> + Send + 'static,
    ) -> (u64, AbortHandle) {
        self.next_job += 1;
        let number = self.next_job;
        (number, self.jobs.spawn(async move { (number, job.await) }))
    }

    fn on_input(&mut self, input: Input) {
        match input {
            Input::Message(bytes) => match Frame::parse(bytes.clone()) {
                Ok(frame) => self.on_frame(frame, None),
                Err(FrameError::Batch) => self.on_batch(&bytes),
                Err(error) => {
                    let answer = unreadable(&error);
                    self.emit(answer);
                }
            },
            Input::TooLong { limit } => {
                let message = format!("the message is over the limit of {limit} bytes and was not read");
                self.emit(client::error(None, code::INVALID_REQUEST, &message, None));
            }
        }
    }

    /// Takes a batch apart (2025-03-26 only: basic § Batching; a client that has not said its revision may be of it).
    fn on_batch(&mut self, bytes: &bytes::Bytes) {
        let version = self.phase.identity().map_or(LegacyVersion::V2025_03_26, |identity| identity.version);
        if !version.has_batches() {
            let message = format!("batches are not part of MCP {version}; send each message by itself");
            return self.emit(client::error(None, code::INVALID_REQUEST, &message, None));
        }
        let messages = match split_batch(bytes, MAX_BATCH) {
            Ok(messages) => messages,
            Err(error) => return self.emit(unreadable(&error)),
        };
        let frames: Vec<_> = messages.into_iter().map(Frame::parse).collect();
        let due = frames
            .iter()
            .filter(|frame| frame.as_ref().map_or(true, |frame| matches!(frame.kind(), Kind::Request { .. })))
            .count();
        let batch = (due > 0).then(|| self.owed.open_batch(due));
        for frame in frames {
            match frame {
                Ok(frame) => self.on_frame(frame, batch),
                Err(error) => {
                    if let Some(parts) = self.owed.answer(batch, unreadable(&error)) {
                        self.emit(parts);
                    }
                }
            }
        }
    }

    fn on_frame(&mut self, frame: Frame, batch: Option<u64>) {
        match frame.kind() {
            Kind::Request { .. } => {
                let to = ReplyTo { id: frame.id().unwrap_or_default().into(), batch };
                self.on_request(frame, to);
            }
            Kind::Notification { .. } => self.on_client_notification(&frame),
            Kind::Response { .. } => self.on_client_response(&frame),
        }
    }

    fn on_request(&mut self, frame: Frame, to: ReplyTo) {
        if self.owed.contains(&to.id) {
            // The first one keeps its claim to the id, so this one is answered past the books.
            let text = "a request with this id is still in flight";
            let answer = client::error(Some(&to.id), code::INVALID_REQUEST, text, None);
            if let Some(parts) = self.owed.answer(to.batch, answer) {
                self.emit(parts);
            }
            return;
        }
        if self.owed.len() >= MAX_IN_FLIGHT {
            let text = format!("{MAX_IN_FLIGHT} requests are in flight; wait until one of them is answered");
            return self.answer_error(&to, code::INTERNAL_ERROR, &text);
        }
        match frame.method() {
            Some(method::PING) => return self.answer_result(&to, "{}"),
            Some(method::INITIALIZE) => return self.initialize(&frame, &to),
            _ => {}
        }
        if self.phase.identity().is_none() && !self.is_own_tool_call(&frame) {
            let text = "this connection has not been opened: send `initialize` first (MCP up to 2025-11-25)";
            return self.answer_error(&to, code::INVALID_PARAMS, text);
        }
        if self.settled {
            return self.route(&frame, &to);
        }
        // What the hub lists must be true from the first answer on, so it has to look around first.
        self.owed.set(&to, Running::Deferred);
        self.deferred.push((frame, to));
    }

    /// The hub has looked around: what waited for that goes on.
    pub(super) fn settle(&mut self) {
        if !self.settled {
            self.settled = true;
            for (frame, to) in std::mem::take(&mut self.deferred) {
                // One that was cancelled in the meantime is no longer owed.
                if self.owed.contains(&to.id) {
                    self.route(&frame, &to);
                }
            }
        }
    }

    fn on_event(&mut self, event: UpstreamEvent) {
        let UpstreamEvent { link, kind } = event;
        // The last words of a link that was closed already are of no interest.
        if self.links.get(link).is_none() {
            return;
        }
        match kind {
            UpstreamEventKind::Ready(welcome) | UpstreamEventKind::Renewed(welcome) => {
                self.on_welcome(link, &welcome);
            }
            UpstreamEventKind::Frame { frame, .. } => self.on_upstream_frame(link, &frame),
            UpstreamEventKind::Ended { id, error } => {
                if let Some(pending) = self.links.finish(id) {
                    let Some(instance) = self.links.get(link).map(|open| open.instance.clone()) else {
                        return;
                    };
                    instance.link.suspect();
                    self.fail(&instance, pending.asker, &error);
                }
            }
            UpstreamEventKind::Suspect => {
                if let Some(open) = self.links.get(link) {
                    open.instance.link.suspect();
                }
            }
            UpstreamEventKind::Failed(error) => {
                if let Some(open) = self.links.get(link) {
                    open.instance.link.suspect();
                }
                self.close_link(link, &error);
            }
        }
    }

    pub(super) fn latest_snapshot(&mut self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow_and_update())
    }

    pub(super) fn shows_all(&self) -> bool {
        self.config.tools == ToolsMode::All
    }

    /// Whether the request is a call of one of the hub's own tools: these need no handshake, so that a single line
    /// piped into the program gets its answer.
    fn is_own_tool_call(&self, frame: &Frame) -> bool {
        frame.method() == Some(method::TOOLS_CALL)
            && super::route::tool_name(frame)
                .is_some_and(|name| super::hub_tools::Tool::named(&name).is_some())
    }
}

/// The answer to what is no message.
fn unreadable(error: &FrameError) -> Parts {
    match error {
        FrameError::NotJson(_) => client::error(None, code::PARSE_ERROR, &error.to_string(), None),
        FrameError::NotJsonRpc { id, .. } => {
            client::error(id.as_deref(), code::INVALID_REQUEST, &error.to_string(), None)
        }
        FrameError::Batch => client::error(None, code::INVALID_REQUEST, "a batch inside a batch", None),
    }
}
