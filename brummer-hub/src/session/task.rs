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
    client::{self, Caller, Owed, Phase, ReplyTo, Running},
    connect::Target,
    jobs::{Ask, Done},
    links::Links,
    merge::Merged,
    modern::{self, Callers, Listens, Suspensions},
    questions::Questions,
    tasks::Tasks,
};
use crate::{
    Hub,
    frame::{Frame, Parts},
    hub::Snapshot,
    instance::Instance,
    stdio::until,
    upstream::{LinkId, UpstreamEvent, UpstreamEventKind},
};

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
    pub(super) tasks: Tasks,
    // The same for requests without a handshake.
    pub(super) callers: Callers,
    pub(super) listens: Listens,
    pub(super) suspensions: Suspensions,
    /// `params` of the client's last `logging/setLevel`.
    pub(super) log_level: Option<Box<str>>,
    /// Whether the client is subscribed to `brummer://instances`.
    pub(super) watches_instances: bool,
    /// URIs (JSON text) that the client is subscribed to, by the alias of the instance: they outlive its restarts.
    pub(super) subscriptions: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    /// What the hub lists, as this session has taken note of it.
    pub(super) snapshot: Arc<Snapshot>,
    /// Requests that came before the hub had looked around.
    pub(super) deferred: Vec<(Frame, ReplyTo)>,
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
            tasks: Tasks::default(),
            callers: Callers::default(),
            listens: Listens::default(),
            suspensions: Suspensions::default(),
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
            let due = self.suspensions.deadline();
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
                () = until(due), if free => self.on_suspensions_due(),
                () = until(deadline) => break,
                input = self.input.recv(), if open => match input {
                    Some(input) => self.on_input(input),
                    None => {
                        self.draining = Some(Instant::now() + DRAIN);
                        self.end_listens();
                    }
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
        self.end_listens();
        self.give_up_suspended();
        let running: Vec<_> = self.owed.drain().collect();
        for running in running {
            match running {
                Running::Upstream(request) => self.cancel_upstream(request, None),
                Running::Job { handle, .. } | Running::Subscribing { handle, .. } => handle.abort(),
                Running::Deferred | Running::Listening => {}
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
        let answer = match &to.claim {
            None => client::result(&to.id, result),
            Some(claim) => client::result(&to.id, &modern::own_result(result, claim)),
        };
        self.answer(to, answer);
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
            UpstreamEventKind::Frame { frame, carrier } => self.on_upstream_frame(link, carrier, &frame),
            UpstreamEventKind::Ended { id, error } => {
                self.suspensions.forget(id);
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

    /// Whether the client with a handshake is shown what all instances have.
    pub(super) fn shows_all(&self) -> bool {
        self.config.tools == ToolsMode::All
    }

    /// Whether this request is. What a client without a handshake is shown must not depend on what it has done before
    /// (2026-07-28, tools § Capabilities), so it is not connected to any one instance.
    pub(super) fn shows_all_to(&self, to: &ReplyTo) -> bool {
        self.shows_all() || (to.is_modern() && self.config.tools == ToolsMode::Connected)
    }

    /// The link of a caller to an instance, opened now if need be.
    pub(super) fn link_to(&mut self, instance: &Instance, caller: Caller) -> LinkId {
        let (phase, callers) = (&self.phase, &self.callers);
        self.links.to(instance, caller, || callers.hello(caller).cloned().unwrap_or_else(|| phase.hello()))
    }
}
