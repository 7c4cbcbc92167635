//! The task that owns the instances.
//!
//! It takes doorbells from the watcher, changes of state from the instances' tasks and the ends of these tasks, and
//! publishes the list. Whatever is ready is taken in before the list is published once, so that a thousand doorbells
//! cost a few lists and not thousands.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, broadcast, mpsc, watch},
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Snapshot,
    event::HubEvent,
    roster::{Answer, Birth, Roster},
};
use crate::{
    config::HubConfig,
    discovery::{Found, Ring, Watcher},
    doorbell::InstanceId,
    instance::{
        Generation,
        actor::{Actor, ActorOptions, Ended, Report, hello},
    },
    process::Inspector,
    upstream::Hello,
};

/// Doorbells waiting to be taken in. The watcher's thread waits when it is full.
const RINGS: usize = 256;

/// Changes of state waiting to be taken in. An instance's task waits when it is full.
const REPORTS: usize = 256;

/// Handshakes by which instances are first looked at, at a time. A thousand at once need memory for a thousand, which
/// the allocator keeps; more than this are no faster, because the hub's one thread is busy.
const HANDSHAKES: usize = 32;

/// Inputs taken in before the list is published in any case.
const BATCH: usize = 1024;

/// Pause between two lists per instance in them: making one costs in proportion to its length, so a long list is made
/// less often. A hundred instances and fewer are told at once, a thousand at most every 10 ms.
const PAUSE_PER_INSTANCE: Duration = Duration::from_micros(10);

/// A timer of tokio cannot wait for less, so that a shorter pause is none.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// How long the start may be waited for: an instance that has not answered by then is slow, and the list is of use
/// without it.
const SETTLE: Duration = Duration::from_secs(1);

/// How long the ends of all instances' tasks are waited for; they only let go of things.
const STOP: Duration = Duration::from_secs(1);

type Places = Vec<(InstanceId, Generation, PathBuf)>;

/// What the supervisor is made of.
#[derive(Debug)]
pub(super) struct SupervisorOptions {
    pub(super) config: Arc<HubConfig>,
    pub(super) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(super) events: broadcast::Sender<HubEvent>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// Owns the instances and the watcher.
pub(super) struct Supervisor {
    options: SupervisorOptions,
    roster: Roster,
    inspector: Inspector,
    hello: Hello,
    gate: Arc<Semaphore>,
    rings: mpsc::Receiver<Ring>,
    reporter: mpsc::Sender<Report>,
    reports: mpsc::Receiver<Report>,
    running: JoinSet<Ended>,
    /// Paths to be resolved, and the one task that resolves them off the runtime.
    unplaced: Places,
    placing: JoinSet<Places>,
    /// What was there at the start and has not been tried; `None` until everything is known.
    untried: Option<HashSet<Generation>>,
    settle_by: Instant,
    settled: bool,
    next_list: Instant,
}

impl Supervisor {
    /// Runs until the token is cancelled.
    pub(super) async fn run(options: SupervisorOptions) {
        let (ringer, rings) = mpsc::channel(RINGS);
        let watcher = Watcher::start(&options.config.directories, options.config.max_instances, ringer);
        let (reporter, reports) = mpsc::channel(REPORTS);
        let now = Instant::now();
        let mut supervisor = Self {
            options,
            roster: Roster::default(),
            inspector: Inspector::start(),
            hello: hello(),
            gate: Arc::new(Semaphore::new(HANDSHAKES)),
            rings,
            reporter,
            reports,
            running: JoinSet::new(),
            unplaced: Places::new(),
            placing: JoinSet::new(),
            untried: None,
            settle_by: now + SETTLE,
            settled: false,
            next_list: now,
        };
        supervisor.supervise().await;
        supervisor.stop(watcher).await;
    }

    async fn supervise(&mut self) {
        let stop = self.options.stop.clone();
        loop {
            let must_tell = self.roster.changed;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(report) = self.reports.recv() => self.roster.report(&report),
                Some(ended) = self.running.join_next_with_id() => self.on_ended(ended),
                Some(placed) = self.placing.join_next() => self.on_placed(placed),
                // Closed when the watcher's thread is gone; the instances that are known stay.
                Some(ring) = self.rings.recv() => self.on_ring(ring),
                () = sleep_until(self.next_list), if must_tell => {}
                () = sleep_until(self.settle_by), if !self.settled => self.settle(),
            }
            self.drain();
            self.start_placing();
            self.publish();
        }
    }

    /// Takes in whatever else is ready.
    fn drain(&mut self) {
        for _ in 0..BATCH {
            if let Ok(report) = self.reports.try_recv() {
                self.roster.report(&report);
            } else if let Some(ended) = self.running.try_join_next_with_id() {
                self.on_ended(ended);
            } else if let Ok(ring) = self.rings.try_recv() {
                self.on_ring(ring);
            } else {
                break;
            }
        }
    }

    fn on_ring(&mut self, ring: Ring) {
        match ring {
            Ring::Appeared(found) => match self.roster.consider(&found) {
                Answer::Begin => self.begin(found),
                Answer::Known => {}
            },
            Ring::Removed { file, id } => self.roster.withdraw(&id, &file),
            Ring::Scanned => self.untried = Some(self.roster.untried().collect()),
        }
    }

    fn begin(&mut self, found: Arc<Found>) {
        // The watcher has said so already; this holds when ids move between files.
        if !self.roster.has(&found.doorbell.id) && self.roster.len() >= self.options.config.max_instances {
            tracing::debug!(instance = %found.doorbell.id, "too many instances");
            return;
        }
        let generation = self.roster.next_generation();
        let stop = self.options.stop.child_token();
        let (actor, reins) = Actor::new(ActorOptions {
            generation,
            found: Arc::clone(&found),
            hello: self.hello.clone(),
            config: Arc::clone(&self.options.config),
            gate: Arc::clone(&self.gate),
            inspector: self.inspector.clone(),
            tasks: self.options.tasks.clone(),
            reports: self.reporter.clone(),
            stop: stop.clone(),
        });
        let task = self.running.spawn(self.options.tasks.track_future(actor.run())).id();
        self.unplaced.push((found.doorbell.id.clone(), generation, found.doorbell.path.clone()));
        self.roster.begin(Birth { generation, found, reins, task, stop: stop.drop_guard() });
    }

    fn on_ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        match ended {
            Ok((task, Ended::Over)) => {
                self.roster.ended(task);
            }
            Ok((task, Ended::Woke)) => {
                if let Some(found) = self.roster.ended(task) {
                    self.begin(found);
                }
            }
            Err(error) => {
                if let Some(found) = self.roster.ended(error.id()) {
                    tracing::error!(instance = %found.doorbell.id, %error, "the task of an instance broke");
                }
            }
        }
    }

    fn start_placing(&mut self) {
        // One at a time: a file system that hangs holds up one thread, not all.
        if self.unplaced.is_empty() || !self.placing.is_empty() {
            return;
        }
        let mut places = std::mem::take(&mut self.unplaced);
        self.placing.spawn_blocking(move || {
            for (_, _, path) in &mut places {
                // A directory that is gone is compared as it is written.
                if let Ok(real) = path.canonicalize() {
                    *path = real;
                }
            }
            places
        });
    }

    fn on_placed(&mut self, placed: Result<Places, JoinError>) {
        // It fails only when the runtime shuts down.
        for (id, generation, path) in placed.unwrap_or_default() {
            self.roster.place(&id, generation, path);
        }
    }

    fn settle(&mut self) {
        self.settled = true;
        self.roster.changed = true;
    }

    fn publish(&mut self) {
        if let Some(untried) = &mut self.untried {
            let still: HashSet<_> = self.roster.untried().collect();
            untried.retain(|generation| still.contains(generation));
            if untried.is_empty() {
                self.untried = None;
                if !self.settled {
                    self.settle();
                    self.next_list = Instant::now();
                }
            }
        }
        let now = Instant::now();
        if !self.roster.changed || now < self.next_list {
            return;
        }
        let snapshot = self.roster.snapshot(self.settled);
        let pause = PAUSE_PER_INSTANCE * u32::try_from(snapshot.instances.len()).unwrap_or(u32::MAX);
        self.next_list = if pause < SHORTEST_PAUSE { now } else { now + pause };
        self.roster.changed = false;
        self.options.snapshots.send_replace(Arc::new(snapshot));
        for event in self.roster.news.drain(..) {
            // Fails when nobody listens.
            let _ = self.options.events.send(event);
        }
    }

    /// Lets go of everything and waits for it.
    async fn stop(mut self, watcher: Watcher) {
        // The watcher's thread may be waiting for room in this queue.
        self.rings.close();
        self.roster.clear();
        let all = async {
            while self.running.join_next().await.is_some() {}
            watcher.stop().await;
        };
        if timeout(STOP, all).await.is_err() {
            tracing::warn!("instances' tasks did not end in time");
        }
    }
}
