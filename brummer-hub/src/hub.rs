//! The hub: owns the instances.
//!
//! ```text
//!  watcher ──Ring──▶ ┌────────────┐ ──spawns──▶ instance tasks (one each)
//!                    │ supervisor │ ◀──Report──
//!  sessions ◀─watch──└────────────┘ ──HubEvent──▶ embedders
//! ```
//!
//! The supervisor's task owns the map of instances, their aliases and the watcher. It never waits for an instance's
//! task. Readers get the list as a snapshot and talk to instances directly. Everything stops on one token; every task
//! is counted by one tracker, and [`Hub::shutdown`] waits for it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{broadcast, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::event::{HubEvent, HubEvents};
use self::supervisor::{Supervisor, SupervisorOptions};
use crate::{
    config::HubConfig,
    declared::DeclaredServer,
    doorbell::InstanceId,
    instance::{Instance, InstanceState},
    policy::Policy,
    sources::{DevServer, Projects, SourceChoice},
};

mod alias;
mod event;
mod lookup;
mod paths;
mod roster;
mod supervisor;
#[cfg(test)]
pub(crate) mod tests;

/// How long [`Hub::shutdown`] waits: a client that ends the hub kills it after some seconds at the latest.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// All instances that are not dead, in the order of their aliases.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// The instances.
    pub instances: Vec<Instance>,
    /// Dev servers that other tools tell of, whether they are instances or not.
    pub dev_servers: Arc<[Arc<DevServer>]>,
    /// What went wrong around the hub, as it was told ([`Hub::notices`]), for `instances_health`.
    pub notices: Arc<[String]>,
    /// Whether everything that was announced when the hub started has been tried: before that the list may grow.
    pub settled: bool,
}

/// What a running hub can be told anew: [`Hub::changes`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HubChange {
    /// Names, labels and shown tools of instances.
    pub policy: Arc<Policy>,
    /// Servers on ports of this machine.
    pub declared: Vec<DeclaredServer>,
    /// Which other tools' records are read. A hub that was started without any reads none.
    pub sources: SourceChoice,
    /// Instances that are not listed any more, whatever announces them.
    pub unwanted: Vec<InstanceId>,
}

/// A running hub. Dropping it stops it; [`Hub::shutdown`] also waits until everything is closed.
#[derive(Debug)]
pub struct Hub {
    config: Arc<HubConfig>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Kept to subscribe to, held weakly so that receivers see the end of the supervisor.
    events: broadcast::WeakSender<HubEvent>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Where sessions tell in which directories their clients work; none without sources.
    projects: Option<Projects>,
    notices: watch::Sender<Arc<[String]>>,
    changes: watch::Sender<Arc<HubChange>>,
    followed: watch::Receiver<u64>,
}

impl Hub {
    /// Starts a hub on the current tokio runtime. It needs no instance and no directory to exist.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and I/O enabled.
    #[must_use]
    pub fn start(config: HubConfig) -> Self {
        let config = Arc::new(config);
        let (snapshots, watched) = watch::channel(Arc::default());
        let events = broadcast::Sender::new(event::EVENTS);
        let weak = events.downgrade();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let kinds = config.sources_of(&config.sources.choice);
        let (projects, orders) = Projects::channel();
        let projects = (!kinds.is_empty()).then_some(projects);
        let (notices, told) = watch::channel(config.notices.clone().into());
        let begun = HubChange {
            policy: Arc::clone(&config.policy),
            declared: config.declared.clone(),
            sources: config.sources.choice.clone(),
            unwanted: Vec::new(),
        };
        let (changes, changed) = watch::channel(Arc::new(begun));
        let (teller, followed) = watch::channel(0);
        let options = SupervisorOptions {
            followed: teller,
            notices: told,
            changes: changed,
            scouting: projects.clone().map(|projects| (kinds, projects, orders)),
            config: Arc::clone(&config),
            snapshots,
            events,
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(Supervisor::run(options));
        Self { config, snapshots: watched, events: weak, tasks, stop, projects, notices, changes, followed }
    }

    /// The instances, now and whenever they change.
    #[must_use]
    pub fn instances(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// The instances once those announced at the start have been tried; after at most one second in any case.
    pub async fn settled(&self) -> Arc<Snapshot> {
        let mut snapshots = self.instances();
        // An error says that the hub was stopped meanwhile; then the last list is all there is.
        let _ = snapshots.wait_for(|snapshot| snapshot.settled).await;
        Arc::clone(&snapshots.borrow_and_update())
    }

    /// What happens to instances from now on.
    #[must_use]
    pub fn events(&self) -> HubEvents {
        let events = match self.events.upgrade() {
            Some(events) => events.subscribe(),
            // Stopped: a channel that has ended.
            None => broadcast::channel(1).1,
        };
        HubEvents { events }
    }

    /// The settings it was started with.
    #[must_use]
    pub fn config(&self) -> &HubConfig {
        &self.config
    }

    /// Where what `instances_health` tells of the hub's surroundings is replaced: files that are refused, servers that cannot
    /// be started. Clients are shown the texts as they are.
    #[must_use]
    pub fn notices(&self) -> watch::Sender<Arc<[String]>> {
        self.notices.clone()
    }

    /// Where it is told anew what it was told at its start. What is as it was goes on undisturbed; an instance whose name or shown
    /// tools are others begins a new life, and is connected anew.
    #[must_use]
    pub fn changes(&self) -> watch::Sender<Arc<HubChange>> {
        self.changes.clone()
    }

    /// Counts the changes of [`HubConfig::followed`]: who has read settings from these files can tell the hub anew
    /// ([`Hub::changes`]). A file that is written in several steps may be told of several times.
    #[must_use]
    pub fn followed(&self) -> watch::Receiver<u64> {
        self.followed.clone()
    }

    /// Whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// For sessions: where their tasks are counted, and what stops them.
    pub(crate) fn tasks(&self) -> (&TaskTracker, &CancellationToken) {
        (&self.tasks, &self.stop)
    }

    /// For sessions: where they tell in which directories their clients work.
    pub(crate) fn projects(&self) -> Option<&Projects> {
        self.projects.as_ref()
    }

    /// Stops everything and waits for it: sessions, connections (closing MCP sessions upstream), watcher. Bounded.
    pub async fn shutdown(self) {
        self.stop().await;
    }

    /// The same for a hub that others still hold: its list stays as it was, and a session of it has ended.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(SHUTDOWN, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "not everything was closed in time");
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// How a name given by a person or a model is matched: exact id, then alias, then name, then unique prefix of these.
pub(crate) enum Lookup<'a> {
    Found(&'a Instance),
    /// Several match; none is guessed.
    Ambiguous(Vec<&'a Instance>),
    Unknown,
}

impl Snapshot {
    /// Active ones.
    pub(crate) fn active(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|instance| instance.state == InstanceState::Active)
    }
}
