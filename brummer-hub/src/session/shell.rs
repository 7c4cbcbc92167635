//! The task around the [`Core`] of a session: its channels, its timers, its links. It decides nothing.
//!
//! ```text
//!  client ──Input──▶ ┌───────┐ ──Event──▶ core ──Effect──▶ ┌───────┐ ──UpstreamCommand──▶ upstream (one for each link)
//!  client ◀──Parts── │ shell │                             │ shell │ ◀──UpstreamEvent────────┘
//!     hub ─Snapshot▶ └───────┘                             └───────┘
//! ```
//!
//! It never waits for a link, and takes nothing in while the client does not read its output: the wait is passed on to
//! where messages come from; hence no cycle of full queues.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Input, SessionConfig,
    core::{Core, Event},
    talk::Effect,
    until,
};
use crate::{
    Hub,
    budget::Budget,
    config::Limits,
    frame::{Kind, Parts},
    hub::Snapshot,
    instance::{Instance, Running},
    protocol::Era,
    sources::Projects,
    upstream::{
        Agreed, ExchangeError, ExchangeReason, LinkId, Purpose, Sent, Upstream, UpstreamEvent,
        UpstreamEventKind, UpstreamOptions,
    },
};

/// Messages from instances that wait for the session; the rest waits in the connections.
const EVENT_QUEUE: usize = 64;

/// How long links may take to cancel what ran on them and to close their MCP sessions, once the session has ended.
const CLOSING: Duration = Duration::from_secs(1);

/// How long a client may take to read what was said last.
const GOODBYE: Duration = Duration::from_millis(500);

/// A link, as the shell has it.
#[derive(Debug)]
struct OpenLink {
    upstream: Upstream,
    instance: Instance,
    /// What the client waits for, so that the instance is not given up meanwhile.
    running: HashMap<u64, Running, foldhash::fast::RandomState>,
}

/// What a session has of its hub.
#[derive(Debug)]
pub(super) struct HubSide {
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Where the directories of the client are told, so that lock files in them are found.
    pub(super) projects: Option<Projects>,
    pub(super) limits: Limits,
    /// Room for what the instances say to the client.
    pub(super) budget: Budget,
}

impl HubSide {
    pub(super) fn of(hub: &Hub) -> Self {
        let limits = hub.config().limits;
        Self {
            snapshots: hub.instances(),
            projects: hub.projects().cloned(),
            limits,
            budget: Budget::new(limits.max_buffered),
        }
    }
}

pub(super) struct Shell {
    core: Core,
    // Inboxes.
    input: mpsc::Receiver<Input>,
    events: mpsc::Receiver<UpstreamEvent>,
    hub: HubSide,
    /// Directories whose links are being resolved.
    resolving: JoinSet<Vec<PathBuf>>,
    stop: CancellationToken,
    // Outlet, and what did not fit into it.
    output: mpsc::Sender<Parts>,
    backlog: VecDeque<Parts>,
    // Links.
    links: HashMap<LinkId, OpenLink, foldhash::fast::RandomState>,
    event_sender: mpsc::Sender<UpstreamEvent>,
    /// The tasks of the links: they end after the session, which waits for them.
    upstreams: TaskTracker,
    /// Ends links that do not end by themselves.
    cut: CancellationToken,
    /// What could not be done, and is told to the core next.
    failures: VecDeque<UpstreamEvent>,
    ended: bool,
}

/// What either side of the session said.
enum ShellInput {
    Link(UpstreamEvent),
    /// `None`: the client says no more.
    Client(Option<Input>),
}

/// Waits for either side, at random where both have spoken: neither keeps the other waiting, however much it says.
async fn said(
    links: &mut mpsc::Receiver<UpstreamEvent>,
    client: &mut mpsc::Receiver<Input>,
    listens: bool,
) -> ShellInput {
    tokio::select! {
        Some(event) = links.recv() => ShellInput::Link(event),
        input = client.recv(), if listens => ShellInput::Client(input),
    }
}

impl Shell {
    pub(super) fn new(
        mut hub: HubSide,
        config: SessionConfig,
        input: mpsc::Receiver<Input>,
        output: mpsc::Sender<Parts>,
        stop: CancellationToken,
    ) -> Self {
        let (event_sender, events) = mpsc::channel(EVENT_QUEUE);
        // The first look is as much news as any later one.
        hub.snapshots.mark_changed();
        Self {
            core: Core::new(config),
            input,
            events,
            hub,
            resolving: JoinSet::new(),
            stop,
            output,
            backlog: VecDeque::new(),
            links: HashMap::default(),
            event_sender,
            upstreams: TaskTracker::new(),
            cut: CancellationToken::new(),
            failures: VecDeque::new(),
            ended: false,
        }
    }

    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        let output = self.output.clone();
        let mut stopped = pin!(stop.cancelled());
        let mut closed = pin!(output.closed());
        let mut listens = true;
        while !self.ended {
            // While the client does not read, nothing is taken in.
            let free = self.backlog.is_empty();
            let deadline = self.core.deadline().map(Instant::from_std);
            tokio::select! {
                biased;
                () = &mut stopped => self.take(Event::Stop),
                () = &mut closed => self.take(Event::Stop),
                permit = output.reserve(), if !free => match permit {
                    Ok(permit) => if let Some(parts) = self.backlog.pop_front() { permit.send(parts) },
                    Err(_) => self.take(Event::Stop),
                },
                changed = self.hub.snapshots.changed(), if free => match changed {
                    Ok(()) => {
                        let snapshot = Arc::clone(&self.hub.snapshots.borrow_and_update());
                        self.take(Event::Snapshot(snapshot));
                    }
                    Err(_) => self.take(Event::Stop),
                },
                Some(resolved) = self.resolving.join_next(), if free => match resolved {
                    Ok(roots) => {
                        if let Some(projects) = &self.hub.projects {
                            roots.iter().for_each(|root| projects.tell(root));
                        }
                        self.take(Event::Roots(roots));
                    }
                    Err(error) => tracing::error!("directories could not be resolved: {error}"),
                },
                () = until(deadline), if free => self.take(Event::Time),
                said = said(&mut self.events, &mut self.input, listens), if free => match said {
                    ShellInput::Link(event) => self.on_link(event),
                    ShellInput::Client(Some(input)) => self.take(Event::Client(input)),
                    ShellInput::Client(None) => {
                        listens = false;
                        self.take(Event::InputEnded);
                    }
                },
            }
        }
        self.close().await;
    }

    /// What was said last is still written if the client reads it; then links end in their own time, which is bounded.
    async fn close(mut self) {
        let goodbye = async {
            while let Some(parts) = self.backlog.pop_front() {
                if self.output.send(parts).await.is_err() {
                    break;
                }
            }
        };
        let _ = timeout(GOODBYE, goodbye).await;
        // What is not read holds room that instances may wait for.
        self.backlog.clear();
        drop(self.output);
        // A link whose last handle is gone does what it was told, closes its MCP session, and ends.
        drop(self.links);
        drop(self.events);
        self.upstreams.close();
        if timeout(CLOSING, self.upstreams.wait()).await.is_err() {
            self.cut.cancel();
            self.upstreams.wait().await;
        }
    }

    fn on_link(&mut self, event: UpstreamEvent) {
        if let Some(link) = self.links.get_mut(&event.link) {
            match &event.kind {
                UpstreamEventKind::Frame { frame, .. } if matches!(frame.kind(), Kind::Response { .. }) => {
                    frame.numeric_id().and_then(|number| link.running.remove(&number));
                }
                UpstreamEventKind::Ended { id, .. } => drop(link.running.remove(id)),
                _ => {}
            }
            // Health is nobody's business here: whatever the instance says proves life, and what looks like its death is
            // to be looked into.
            if let UpstreamEventKind::Ready(welcome) | UpstreamEventKind::Renewed(welcome) = &event.kind
                && let (Era::Legacy(version), Agreed::Revision) = (welcome.era, welcome.agreed)
            {
                link.instance.link.note_agreed(version);
            }
            match event.kind {
                UpstreamEventKind::Frame { .. }
                | UpstreamEventKind::Ready(_)
                | UpstreamEventKind::Missed
                | UpstreamEventKind::Renewed(_) => link.instance.link.note_answer(),
                UpstreamEventKind::Ended { .. }
                | UpstreamEventKind::Suspect
                | UpstreamEventKind::Failed(_) => {
                    link.instance.link.suspect();
                }
            }
        }
        self.take(Event::Link(event));
    }

    /// Tells the core, and does what it says.
    fn take(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let now = Instant::now().into_std();
            let effects: Vec<Effect> = self.core.on(event, now).collect();
            for effect in effects {
                self.perform(effect);
            }
            next = self.failures.pop_front().map(Event::Link);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Write(parts) => self.write(parts),
            Effect::Request { link, number, body, awaited } => {
                let it = self.links.get_mut(&link);
                if let Some(it) = it.filter(|it| it.upstream.request(number, body).is_ok()) {
                    if awaited {
                        it.running.insert(number, it.instance.link.note_request());
                    }
                } else {
                    let error = ExchangeError { sent: Sent::No, reason: ExchangeReason::Busy };
                    let kind = UpstreamEventKind::Ended { id: number, error };
                    self.failures.push_back(UpstreamEvent { link, kind });
                }
            }
            Effect::Send { link, body } => {
                if let Some(it) = self.links.get(&link)
                    && it.upstream.send(body).is_err()
                {
                    tracing::warn!(alias = %it.instance.alias, "a message could not be sent: the instance takes none");
                }
            }
            Effect::Cancel { link, number, notification } => {
                if let Some(it) = self.links.get_mut(&link) {
                    it.running.remove(&number);
                    it.upstream.cancel(number, notification);
                }
            }
            Effect::Open { link, instance, hello, known } => {
                let doorbell = &instance.found.doorbell;
                let options = UpstreamOptions {
                    link,
                    instance: doorbell.id.clone(),
                    port: doorbell.port,
                    endpoint: doorbell.endpoint.clone(),
                    reach: instance.reach(),
                    hello,
                    known,
                    lent: instance.status().session.clone(),
                    limits: self.hub.limits,
                    purpose: Purpose::Conversation,
                    gate: None,
                    budget: Some(self.hub.budget.clone()),
                };
                let (events, stop) = (self.event_sender.clone(), self.cut.child_token());
                let upstream = Upstream::open(options, events, &self.upstreams, stop);
                let running = HashMap::default();
                self.links.insert(link, OpenLink { upstream, instance: *instance, running });
            }
            Effect::Close(link) => drop(self.links.remove(&link)),
            Effect::Resolve(roots) => {
                // A task of its own, since a directory may lie on a file system that does not answer.
                self.resolving.spawn_blocking(move || {
                    roots.into_iter().map(|root| root.canonicalize().unwrap_or(root)).collect()
                });
            }
            Effect::End => self.ended = true,
        }
    }

    /// Writes to the client, in order. Never waits: what does not fit now goes first as soon as it does.
    fn write(&mut self, parts: Parts) {
        if self.backlog.is_empty() {
            // That the client is gone is noticed by the loop.
            if let Err(mpsc::error::TrySendError::Full(parts)) = self.output.try_send(parts) {
                self.backlog.push_back(parts);
            }
        } else {
            self.backlog.push_back(parts);
        }
    }
}
