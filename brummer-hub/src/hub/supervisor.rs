//! The task that owns the instances.
//!
//! It takes doorbells from the watcher, changes of state from the instances' tasks and the ends of these tasks, and
//! publishes the list. Whatever is ready is taken in before the list is published once, so that a thousand doorbells
//! cost a few lists and not thousands.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    sync::{Semaphore, broadcast, mpsc, watch},
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    HubChange, Snapshot,
    event::HubEvent,
    roster::{Birth, DoorbellAction, Roster},
};
use crate::{
    config::HubConfig,
    declared::{DeclaredServer, attend},
    discovery::{self, Followed, Found, Ring, Watcher},
    doorbell::InstanceId,
    instance::{
        Generation,
        actor::{ActorOptions, Ended, InstanceActor, Report, hello},
        dormant::revisit,
    },
    process::Inspector,
    sources::{Orders, Projects, Scout, Servers, SourceKind, Surveyor},
    upstream::Hello,
};

/// Doorbells waiting to be taken in. The watcher's thread waits when it is full.
const RINGS: usize = 256;

/// Traces of other tools waiting to be looked into. The scout's thread waits when it is full.
const SIGHTINGS: usize = 256;

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

/// Files that are taken for each instance that may be listed: processes that were killed leave theirs behind, and only a look
/// at the process tells.
const FILES_PER_INSTANCE: usize = 16;

/// Leftovers that are looked at in one go.
const VISITS: usize = 256;

/// How long doorbells wait for room before that is worth a word.
const CROWDED: Duration = Duration::from_secs(2);

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
    /// Which sources are read, and how directories come to them; none without sources.
    pub(super) scouting: Option<(Vec<SourceKind>, Projects, Orders)>,
    pub(super) notices: watch::Receiver<Arc<[String]>>,
    pub(super) changes: watch::Receiver<Arc<HubChange>>,
    pub(super) followed: watch::Sender<u64>,
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
    ringer: mpsc::Sender<Ring>,
    /// What it is to do now.
    wishes: Arc<HubChange>,
    /// The sources that are read.
    kinds: Vec<SourceKind>,
    /// What was found, as it was found: the policy may change.
    found: HashMap<(PathBuf, InstanceId), Arc<Found>>,
    /// What ends the attendance of each declared server.
    attended: Vec<(DeclaredServer, DropGuard)>,
    /// Where the scout is told of directories, and what the surveyor has found; none without sources.
    projects: Option<Projects>,
    servers: Option<watch::Receiver<Servers>>,
    reporter: mpsc::Sender<Report>,
    reports: mpsc::Receiver<Report>,
    running: JoinSet<Ended>,
    /// Paths to be resolved, and the one task that resolves them off the runtime.
    unplaced: Places,
    placing: JoinSet<Places>,
    /// What was there at the start and has not been tried; `None` until everything is known.
    untried: Option<HashSet<Generation>>,
    /// Instances that the start waits for, beside what is there.
    expected: HashSet<InstanceId>,
    settle_by: Instant,
    settled: bool,
    next_list: Instant,
    /// Doorbells for which there is no room, and since when; as many as the watcher tells of.
    waiting: Vec<Arc<Found>>,
    crowded_since: Option<Instant>,
    warned: bool,
    /// Doorbells of instances that are gone, for as long as their files are there.
    leftovers: HashMap<PathBuf, Arc<Found>>,
    revisiting: JoinSet<Vec<(Arc<Found>, bool)>>,
    next_visit: Instant,
}

impl Supervisor {
    /// Runs until the token is cancelled.
    pub(super) async fn run(mut options: SupervisorOptions) {
        let (ringer, rings) = mpsc::channel(RINGS);
        let files = options.config.max_instances.saturating_mul(FILES_PER_INSTANCE);
        let inspector = Inspector::start();
        let scout = options.scouting.take().map(|(kinds, projects, orders)| {
            let (teller, sightings) = mpsc::channel(SIGHTINGS);
            let asks = (ringer.clone(), kinds.contains(&SourceKind::Tidewave));
            let (surveyor, servers) =
                Surveyor::new(inspector.clone(), sightings, asks, options.stop.child_token());
            options.tasks.spawn(surveyor.run());
            let sources = options.config.sources.clone();
            let data = options.config.directories.data.clone();
            let scout =
                Scout::start(&kinds, data, sources, (projects.clone(), orders), ringer.clone(), teller);
            for directory in &options.config.sources.projects {
                projects.tell(directory);
            }
            (scout, projects, servers)
        });
        let (scout, projects, servers) = match scout {
            Some((scout, projects, servers)) => (Some(scout), Some(projects), Some(servers)),
            None => (None, None, None),
        };
        let wishes = Arc::clone(&options.changes.borrow_and_update());
        let kinds = options.config.sources_of(&wishes.sources);
        let declared = wishes.declared.iter().map(|server| &server.id);
        let expected = options.config.expected.iter().chain(declared).cloned().collect();
        let followed = Followed::new(&options.config.followed, options.followed.clone());
        let watcher = Watcher::start(&options.config.directories, followed, files, ringer.clone());
        let (reporter, reports) = mpsc::channel(REPORTS);
        let now = Instant::now();
        let own_servers_only = options.config.only.is_some();
        let mut supervisor = Self {
            options,
            roster: Roster::new(own_servers_only),
            inspector,
            hello: hello(),
            gate: Arc::new(Semaphore::new(HANDSHAKES)),
            rings,
            ringer,
            kinds,
            wishes,
            found: HashMap::new(),
            attended: Vec::new(),
            projects,
            servers,
            reporter,
            reports,
            running: JoinSet::new(),
            unplaced: Places::new(),
            placing: JoinSet::new(),
            untried: None,
            expected,
            settle_by: now + SETTLE,
            settled: false,
            next_list: now,
            waiting: Vec::new(),
            crowded_since: None,
            warned: false,
            leftovers: HashMap::new(),
            revisiting: JoinSet::new(),
            next_visit: now,
        };
        supervisor.attend_declared();
        supervisor.roster.notices = Arc::clone(&supervisor.options.notices.borrow_and_update());
        supervisor.supervise().await;
        supervisor.stop(watcher, scout).await;
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
                Some(()) = next_servers(&mut self.servers) => self.on_servers(),
                Ok(()) = self.options.notices.changed() => self.on_notices(),
                Ok(()) = self.options.changes.changed() => self.on_change(),
                Some(visited) = self.revisiting.join_next() => self.on_revisited(visited),
                () = sleep_until(self.next_list), if must_tell => {}
                () = sleep_until(self.crowded_since.unwrap_or(self.next_list) + CROWDED), if self.must_warn() => {}
                () = sleep_until(self.next_visit), if self.wants_visit() => self.revisit(),
                () = sleep_until(self.settle_by), if !self.settled => self.settle(),
            }
            self.drain();
            self.make_room();
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
        let ring = match ring {
            // Said before its source was switched off, or its declaration went.
            Ring::Appeared(found) if !self.is_read(&found) => return,
            Ring::Appeared(found) => {
                let key = (found.file.clone(), found.doorbell.id.clone());
                let seen = self.wishes.policy.applied(Arc::clone(&found));
                self.found.insert(key, found);
                Ring::Appeared(seen)
            }
            Ring::Removed { file, id } => {
                self.found.remove(&(file.clone(), id.clone()));
                Ring::Removed { file, id }
            }
            other => other,
        };
        self.take_in(ring);
    }

    /// Takes in what was found, as it is to be seen.
    fn take_in(&mut self, ring: Ring) {
        match ring {
            // It may have had the label before.
            Ring::Appeared(found) if !self.is_meant(&found) => {
                self.take_in(Ring::Removed { file: found.file.clone(), id: found.doorbell.id.clone() });
                self.roster.drop_unmeant(&found);
                self.expected.remove(&found.doorbell.id);
            }
            Ring::Appeared(found) => {
                self.leftovers.remove(&found.file);
                match self.roster.consider(&found) {
                    DoorbellAction::Begin => self.begin(found),
                    DoorbellAction::Known => {}
                }
            }
            Ring::Removed { file, id } => {
                self.leftovers.remove(&file);
                self.waiting.retain(|waiting| waiting.file != file);
                self.roster.withdraw(&id, &file);
            }
            // The directories of all that was announced are known to the scout now, which has not looked at all of them.
            Ring::Scanned => match &self.projects {
                Some(projects) => projects.all_told(),
                None => self.untried = Some(self.roster.untried().collect()),
            },
            Ring::Missed(id) => {
                self.expected.remove(&id);
            }
            Ring::Scouted => self.untried = Some(self.roster.untried().collect()),
        }
    }

    /// Whether an instance is one of those that this hub lists.
    fn is_meant(&self, found: &Found) -> bool {
        let only = self.options.config.only.as_ref();
        only.is_none_or(|only| only.fits(&found.doorbell.labels))
            && !self.wishes.unwanted.contains(&found.doorbell.id)
    }

    /// Whether that which says this counts now.
    fn is_read(&self, found: &Found) -> bool {
        match found.source {
            SourceKind::Doorbell => true,
            SourceKind::Config => self.wishes.declared.iter().any(|server| server.id == found.doorbell.id),
            kind => self.kinds.contains(&kind),
        }
    }

    /// Looks after the servers that are declared now, and after no others.
    fn attend_declared(&mut self) {
        let wanted = &self.wishes.declared;
        self.attended.retain(|(server, _)| wanted.contains(server));
        for server in wanted {
            if self.attended.iter().any(|(known, _)| known == server) {
                continue;
            }
            let stop = self.options.stop.child_token();
            self.options.tasks.spawn(attend(server.clone(), self.ringer.clone(), stop.clone()));
            self.attended.push((server.clone(), stop.drop_guard()));
        }
    }

    /// It is told anew what it was told at its start.
    fn on_change(&mut self) {
        let former =
            std::mem::replace(&mut self.wishes, Arc::clone(&self.options.changes.borrow_and_update()));
        if former.sources != self.wishes.sources
            && let Some(projects) = &self.projects
        {
            self.kinds = self.options.config.sources_of(&self.wishes.sources);
            projects.switch(self.kinds.clone());
        }
        // A server that is declared otherwise is another.
        let is_declared = |id: &InstanceId| {
            let of = |change: &HubChange| change.declared.iter().find(|server| server.id == *id).cloned();
            of(&self.wishes).is_some() && of(&self.wishes) == of(&former)
        };
        let kinds = self.kinds.clone();
        let is_read = |found: &Found| match found.source {
            SourceKind::Doorbell => true,
            SourceKind::Config => is_declared(&found.doorbell.id),
            kind => kinds.contains(&kind),
        };
        self.found.retain(|_, found| is_read(found));
        self.waiting.retain(|found| is_read(found));
        self.leftovers.retain(|_, found| is_read(found));
        self.roster.drop_all(|found| !is_read(found));
        self.attend_declared();
        for found in self.found.values().cloned().collect::<Vec<_>>() {
            self.take_in(Ring::Appeared(self.wishes.policy.applied(found)));
        }
        self.roster.changed = true;
    }

    /// The surveyor has found something.
    fn on_servers(&mut self) {
        if let Some(servers) = &mut self.servers {
            let list = Arc::clone(&servers.borrow_and_update().list);
            self.roster.take_servers(list);
        }
    }

    fn on_notices(&mut self) {
        self.roster.notices = Arc::clone(&self.options.notices.borrow_and_update());
        self.roster.changed = true;
    }

    /// Whether the dev servers of the start have been looked at.
    fn are_servers_tried(&self) -> bool {
        self.servers.as_ref().is_none_or(|servers| servers.borrow().tried)
    }

    fn begin(&mut self, found: Arc<Found>) {
        let most = self.options.config.max_instances;
        if !self.roster.has(&found.doorbell.id) && self.roster.listed() >= most {
            // Most of these are what processes have left behind, and go at once.
            self.waiting.retain(|waiting| waiting.file != found.file);
            self.waiting.push(found);
            return;
        }
        if let Some(projects) = &self.projects {
            projects.tell(&found.doorbell.path);
        }
        let generation = self.roster.next_generation();
        let stop = self.options.stop.child_token();
        let (actor, reins) = InstanceActor::new(ActorOptions {
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
                if let Some(found) = self.roster.ended(task) {
                    self.next_visit = Instant::now() + self.options.config.health.probe_interval;
                    self.leftovers.insert(found.file.clone(), found);
                }
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

    /// Begins what waited, as far as there is room: the newest first, which most likely lives.
    fn make_room(&mut self) {
        for found in std::mem::take(&mut self.roster.heirs) {
            if let DoorbellAction::Begin = self.roster.consider(&found) {
                self.begin(found);
            }
        }
        self.put_away();
        let most = self.options.config.max_instances;
        let room = most.saturating_sub(self.roster.listed()).min(self.waiting.len());
        if room > 0 {
            self.waiting.sort_unstable_by_key(|found| found.modified);
            for found in self.waiting.split_off(self.waiting.len() - room) {
                self.begin(found);
            }
        }
        if self.waiting.is_empty() {
            self.crowded_since = None;
        } else if !self.warned {
            let since = *self.crowded_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= CROWDED {
                self.warned = true;
                tracing::warn!(
                    "there are {most} instances already; {} further ones wait until one is gone",
                    self.waiting.len()
                );
            }
        }
    }

    /// Removes the files that their own process has replaced, where registrations are written. Elsewhere they are left.
    fn put_away(&mut self) {
        let ours = self.options.config.directories.instances();
        for found in std::mem::take(&mut self.roster.outdated) {
            if found.file.parent() == Some(&ours) {
                self.options.tasks.spawn(discovery::remove_stale(found));
            }
        }
    }

    fn must_warn(&self) -> bool {
        self.crowded_since.is_some() && !self.warned
    }

    fn wants_visit(&self) -> bool {
        self.revisiting.is_empty() && !self.leftovers.is_empty()
    }

    /// Looks again at some of the doorbells that were left behind. A number that belongs to nobody now may be somebody's later,
    /// and a port that answers now may be free.
    fn revisit(&mut self) {
        self.next_visit = Instant::now() + self.options.config.health.probe_interval;
        let inspector = self.inspector.clone();
        let mut some: Vec<_> = self.leftovers.values().cloned().collect();
        fastrand::shuffle(&mut some);
        some.truncate(VISITS);
        self.revisiting.spawn(async move {
            let visits = some.into_iter().map(|found| revisit(found, inspector.clone()));
            join_all(visits).await
        });
    }

    fn on_revisited(&mut self, visited: Result<Vec<(Arc<Found>, bool)>, JoinError>) {
        // It fails only when the runtime shuts down.
        for (found, lives) in visited.unwrap_or_default() {
            // Removed in the meantime, or written anew.
            let is_known = self.leftovers.get(&found.file).is_some_and(|known| Arc::ptr_eq(known, &found));
            if is_known && lives {
                self.leftovers.remove(&found.file);
                self.begin(found);
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
            self.expected.retain(|id| !self.roster.is_tried(id));
            let is_complete = self.expected.is_empty() && self.are_servers_tried();
            if self.untried.as_ref().is_some_and(HashSet::is_empty) && is_complete {
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
    async fn stop(mut self, watcher: Watcher, scout: Option<Scout>) {
        // The watcher's thread may be waiting for room in this queue.
        self.rings.close();
        self.roster.clear();
        let all = async {
            while self.running.join_next().await.is_some() {}
            watcher.stop().await;
            if let Some(scout) = scout {
                scout.stop().await;
            }
        };
        if timeout(STOP, all).await.is_err() {
            tracing::warn!("instances' tasks did not end in time");
        }
    }
}

/// Waits for news of the surveyor, as long as there is one.
async fn next_servers(servers: &mut Option<watch::Receiver<Servers>>) -> Option<()> {
    match servers {
        // An error says that it has ended, which disables this arm for one turn only: the hub stops then.
        Some(servers) => servers.changed().await.ok(),
        None => None,
    }
}
