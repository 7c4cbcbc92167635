//! The task of an instance: waits for whatever comes first and does what the [`Machine`] says.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc};

use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use super::health_link::hello;
use super::{
    DoorbellStanding, Generation, InstanceHandle, InstanceState, InstanceStatus,
    dormant::bury,
    health_link::HealthLink,
    machine::{Death, Effect, Event, Machine, MachineState, Now, RetryStep},
    publisher::StatusPublisher,
    pulse::Pulse,
};
use crate::{
    config::{HubConfig, Limits},
    discovery::Found,
    doorbell::InstanceId,
    frame::{Frame, Kind},
    process::{self, Claim, Identity, Inspector},
    protocol::program,
    upstream::{
        ExchangeError, ExchangeReason, Hello, LinkId, Reach, Sent, UpstreamEventKind, Welcome,
        wants_no_handshake,
    },
};

/// What the task of an instance is made of.
#[derive(Debug)]
pub(crate) struct ActorOptions {
    pub(crate) generation: Generation,
    pub(crate) found: Arc<Found>,
    pub(crate) hello: Hello,
    pub(crate) config: Arc<HubConfig>,
    /// Lets a few handshakes of all instances through at a time.
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) inspector: Inspector,
    /// Where the tasks of its connections are counted.
    pub(crate) tasks: TaskTracker,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) stop: CancellationToken,
}

impl ActorOptions {
    pub(super) fn open(
        &self,
        id: LinkId,
        address: Option<IpAddr>,
        limits: Limits,
        gate: Option<Arc<Semaphore>>,
    ) -> HealthLink {
        let Self { found, hello, tasks, stop, .. } = self;
        let doorbell = &found.doorbell;
        let reach = Reach {
            address: address.or(doorbell.host),
            socket: doorbell.socket.clone(),
            credentials: doorbell.credentials(),
        };
        HealthLink::open(id, found, reach, hello.clone(), limits, gate, tasks, stop.child_token())
    }

    pub(super) fn identify(&self) -> Pin<Box<dyn Future<Output = Identity> + Send>> {
        Box::pin(identify(Arc::clone(&self.found), self.inspector.clone()))
    }
}

/// What the system knows of who is said to listen.
pub(super) async fn identify(found: Arc<Found>, inspector: Inspector) -> Identity {
    match &found.doorbell.socket {
        Some(socket) => process::identify_local(claim(&found), socket.clone()).await,
        None => inspector.identify(claim(&found)).await,
    }
}

/// What a doorbell says of its process and port.
pub(super) fn claim(found: &Found) -> Claim {
    let doorbell = &found.doorbell;
    Claim {
        pid: doorbell.pid,
        port: doorbell.port,
        host: doorbell.host,
        written: found.modified,
        elsewhere: process::is_elsewhere(doorbell.pid_namespace, process::own_namespace()),
    }
}

/// What the supervisor keeps of an instance's task.
#[derive(Debug)]
pub(crate) struct Reins {
    pub(crate) status: watch::Receiver<Arc<InstanceStatus>>,
    pub(crate) handle: InstanceHandle,
    pub(crate) standing: watch::Sender<DoorbellStanding>,
}

/// An instance changed its state.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) id: InstanceId,
    pub(crate) generation: Generation,
    pub(crate) state: InstanceState,
}

/// How the task of an instance ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// It was stopped, or the instance is gone for good.
    Over,
    /// The instance was dead and answers again: it begins a new life.
    Woke,
}

type Later<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// Owns everything about one life of one instance.
pub(crate) struct InstanceActor {
    pub(super) options: ActorOptions,
    machine: Machine,
    publisher: StatusPublisher,
    pulse: Arc<Pulse>,
    suspects: mpsc::Receiver<()>,
    pub(super) standing: watch::Receiver<DoorbellStanding>,
    /// What was last heard of it.
    stood: DoorbellStanding,
    link: Option<HealthLink>,
    check: Later<Identity>,
    pub(super) exited: Later<()>,
}

impl InstanceActor {
    pub(crate) fn new(options: ActorOptions) -> (Self, Reins) {
        // One pending suspicion says as much as many.
        let (suspect, suspects) = mpsc::channel(1);
        let pulse = Arc::new(Pulse::new());
        let publisher = StatusPublisher::new();
        let (standing, watched) = watch::channel(DoorbellStanding::default());
        let reins = Reins {
            status: publisher.subscribe(),
            handle: InstanceHandle { suspects: suspect, pulse: Arc::clone(&pulse) },
            standing,
        };
        let doorbell = &options.found.doorbell;
        // A number of another namespace is that of some other process here, or of none.
        let is_elsewhere = process::is_elsewhere(doorbell.pid_namespace, process::own_namespace());
        let exited: Later<()> = (!is_elsewhere)
            .then(|| Box::pin(process::exited(doorbell.pid, options.stop.clone())) as Pin<Box<_>>);
        let actor = Self {
            options,
            machine: Machine::new(),
            publisher,
            pulse,
            suspects,
            standing: watched,
            stood: DoorbellStanding::default(),
            link: None,
            check: None,
            exited,
        };
        (actor, reins)
    }

    /// Runs until the instance is gone or the token is cancelled; the connection is closed either way.
    pub(crate) async fn run(mut self) -> Ended {
        let stop = self.options.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                // Handles of it may live on in sessions; they must not read that it is well.
                self.publisher.enter(InstanceState::Dead, "the hub let go of it".to_owned());
                Ended::Over
            }
            ended = self.live() => ended,
        }
    }

    async fn live(&mut self) -> Ended {
        self.step(Event::Start).await;
        loop {
            match self.machine.state {
                MachineState::Dead(Death::Gone) => {
                    bury(&self.options.found).await;
                    return Ended::Over;
                }
                MachineState::Dead(Death::Withdrawn) => return Ended::Over,
                MachineState::Dead(Death::Silent) => return self.dormant().await,
                MachineState::Discovered
                | MachineState::Connecting(_)
                | MachineState::Active(_)
                | MachineState::Retrying { .. } => {}
            }
            if let Some(event) = self.next().await {
                self.step(event).await;
            }
        }
    }

    /// Waits for what happens next. `None` when it does not concern the state.
    async fn next(&mut self) -> Option<Event> {
        let deadline = self.machine.deadline(&self.options.config.health);
        tokio::select! {
            biased;
            Ok(()) = self.standing.changed() => {
                let standing = *self.standing.borrow_and_update();
                let former = std::mem::replace(&mut self.stood, standing);
                // Withdrawing is the stronger word; a later one of the same project matters only while the file is there.
                if former == (DoorbellStanding { listening: former.listening, ..standing }) {
                    standing.listening.then_some(Event::Listening)
                } else if standing.superseded && !standing.withdrawn {
                    Some(Event::Superseded)
                } else {
                    Some(Event::Withdrawn(standing.withdrawn))
                }
            }
            () = later(&mut self.exited) => {
                self.exited = None;
                Some(Event::Exited)
            }
            identity = later(&mut self.check) => {
                self.check = None;
                self.publisher.locate(identity.address());
                Some(Event::Identified(identity))
            }
            news = next_news(&mut self.link) => self.translate(news),
            // Closed when no session and no list holds the instance any more; then nobody is left to suspect it.
            Some(()) = self.suspects.recv() => Some(Event::Suspect),
            () = wait_until(deadline) => Some(Event::Tick),
        }
    }

    /// What the news of the connection means.
    fn translate(&mut self, news: Option<UpstreamEventKind>) -> Option<Event> {
        let link = self.link.as_mut()?;
        let id = link.id;
        match news {
            Some(UpstreamEventKind::Ready(welcome) | UpstreamEventKind::Renewed(welcome)) => {
                self.pulse.beat();
                // A renewed session comes of its own accord: there is no question that it could be the answer to.
                let latency = (!link.welcomed).then(|| link.asked.elapsed());
                link.welcomed = true;
                link.has_handshake = !welcome.era.is_modern();
                self.publisher.welcome(&welcome, latency);
                Some(Event::Ready { link: id, foreign: foreign(&welcome, &self.options.found) })
            }
            Some(UpstreamEventKind::Frame { frame, .. }) => {
                self.pulse.beat();
                link.decline(&frame);
                if frame.method() == Some(program::NOTIFICATION) {
                    if let Some(report) = report_of(&frame) {
                        self.publisher.tell_program(report);
                    }
                    return None;
                }
                if link.has_handshake && wants_no_handshake(&frame) {
                    let why = "another server answers there now, without a handshake".to_owned();
                    return Some(Event::Failed { link: id, why });
                }
                let (Kind::Response { .. }, Some(ping)) =
                    (frame.kind(), frame.numeric_id().and_then(HealthLink::ping_of))
                else {
                    return None;
                };
                self.publisher.pong(link.asked.elapsed());
                Some(Event::Pong { link: id, id: ping })
            }
            Some(UpstreamEventKind::Ended { id: number, error }) => {
                let ping = HealthLink::ping_of(number)?;
                if answered(&error) {
                    self.pulse.beat();
                    return Some(Event::Pong { link: id, id: ping });
                }
                let refused = matches!(error.reason, ExchangeReason::Refused { .. });
                Some(Event::PingFailed { link: id, id: ping, why: error.to_string(), refused })
            }
            Some(UpstreamEventKind::Suspect) => Some(Event::Suspect),
            Some(UpstreamEventKind::Missed) => None,
            Some(UpstreamEventKind::Failed(error)) => {
                Some(Event::Failed { link: id, why: error.to_string() })
            }
            None => Some(Event::Failed { link: id, why: "the connection ended".to_owned() }),
        }
    }

    async fn step(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let before = self.machine.told();
            let health = &self.options.config.health;
            let limits = &self.options.config.limits;
            let now = Now {
                at: Instant::now(),
                heard: self.pulse.last(),
                calls: self.pulse.calls(),
                jitter: fastrand::f64(),
                health,
                patience: limits.connect_timeout + limits.initialize_timeout,
            };
            let (machine, effects) = std::mem::replace(&mut self.machine, Machine::new()).on(event, now);
            self.machine = machine;
            for effect in effects {
                next = self.perform(effect).or(next);
            }
            self.count();
            let state = self.machine.told();
            if state != before {
                let id = self.options.found.doorbell.id.clone();
                let report = Report { id, generation: self.options.generation, state };
                // Fails when the supervisor is gone, which stops this task as well.
                let _ = self.options.reports.send(report).await;
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Open(id) => {
                let (limits, gate) = (self.options.config.limits, Arc::clone(&self.options.gate));
                self.link = Some(self.options.open(id, self.publisher.address(), limits, Some(gate)));
            }
            Effect::Close => self.link = None,
            Effect::Identify => self.check = Some(self.options.identify()),
            Effect::Ping(id) => {
                let link = self.link.as_mut()?;
                if !link.ping(id) {
                    let why = "the connection takes no more requests".to_owned();
                    return Some(Event::PingFailed { link: link.id, id, why, refused: false });
                }
            }
            Effect::Forget(id) => self.link.as_ref()?.forget(id),
            Effect::Enter(state, why) => {
                tracing::debug!(instance = %self.options.found.doorbell.id, ?state, why, "changed");
                self.publisher.enter(state, why);
            }
        }
        None
    }

    fn count(&self) {
        let (missed, retries) = match &self.machine.state {
            MachineState::Active(active) => (active.missed, 0),
            MachineState::Retrying {
                tries,
                step: RetryStep::Waiting { .. } | RetryStep::Trying(_) | RetryStep::Silent { .. },
                ..
            } => (0, *tries),
            MachineState::Discovered | MachineState::Connecting(_) | MachineState::Dead(_) => (0, 0),
        };
        self.publisher.count(missed, retries, self.pulse.last_at());
    }
}

/// The id that the server states, when it is another instance's.
pub(super) fn foreign(welcome: &Welcome, found: &Found) -> Option<String> {
    welcome.stated_id.as_deref().filter(|stated| *stated != found.doorbell.id.as_str()).map(str::to_owned)
}

/// What an instance told of its program. More than this is no report.
fn report_of(frame: &Frame) -> Option<serde_json::Value> {
    const MAX_BYTES: usize = 128 * 1024;
    let params = frame.params().filter(|params| params.len() <= MAX_BYTES)?;
    serde_json::from_str(params).ok().filter(serde_json::Value::is_object)
}

/// Whether an instance that gave no proper answer to a ping proved by that that it lives: an answer of any kind is life.
const fn answered(error: &ExchangeError) -> bool {
    matches!(error.sent, Sent::Yes)
        && matches!(
            error.reason,
            ExchangeReason::Status { .. }
                | ExchangeReason::ContentType { .. }
                | ExchangeReason::Coding { .. }
                | ExchangeReason::TooLarge { .. }
                | ExchangeReason::Invalid { .. }
        )
}

pub(super) async fn later<T>(future: &mut Later<T>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn next_news(link: &mut Option<HealthLink>) -> Option<UpstreamEventKind> {
    match link {
        Some(link) => link.recv().await,
        None => std::future::pending().await,
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
