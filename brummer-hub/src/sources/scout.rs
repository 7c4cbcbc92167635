//! The scouting thread: owns what is known of the files that other tools write, and of the ports that are open.
//!
//! A file of a project may lie in directories that come and go (`.next/dev`), so of each the deepest directory that is there
//! is watched, and another when it comes. Nothing is read but these files.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    Sighting, Source, SourceKind, SourceOptions, Trace, UserDirectories, apps, places,
    ports::{self, Knowledge, PortChanges, Ports},
    record::{Awaited, Record, Seen, Unfit},
};
use crate::discovery::{Ring, Stamp, contents, native};

/// Between two rounds. A round looks again at some files, because events get lost and some file systems have none.
const ROUND: Duration = Duration::from_secs(2);

/// Files that are looked at again in a round: what is known of a thousand projects takes a while, and costs nothing.
const PER_ROUND: usize = 256;

/// Between two looks around a project that is known, for packages and worktrees that are new.
const LOOK_AROUND: Duration = Duration::from_secs(15);

/// Signals that wait for the thread. Beyond it everything is looked at instead.
const SIGNALS: usize = 1024;

/// Projects that are known: as many as there may be instances.
const MAX_PROJECTS: usize = 1024;

/// Directories of projects in which files are looked for.
const MAX_PLACES: usize = 4096;

/// Directories that are watched. The system has a limit for all programs of a user together, and there is a hub for each client;
/// beyond it the rounds find what comes.
const MAX_WATCHES: usize = 512;

/// Files of a registry that are taken.
const MAX_FILES: usize = 256;

/// Entries of a registry that are looked at: tools leave the files of what was killed there.
const MAX_ENTRIES: usize = 4096;

/// What wakes the thread.
#[derive(Debug)]
enum ScoutSignal {
    Changed(PathBuf),
    /// A project is known.
    Project(PathBuf),
    /// All projects that were known at the start have been told.
    AllTold,
    /// These sources are read from now on.
    Switch(Vec<SourceKind>),
    Rescan,
    Stop,
}

/// Tells the scout of directories. Never waits.
#[derive(Clone, Debug)]
pub(crate) struct Projects {
    signals: SyncSender<ScoutSignal>,
}

impl Projects {
    /// A directory in which somebody works. What does not fit into the queue is told again when it is known again.
    pub(crate) fn tell(&self, directory: &Path) {
        // Full: a thousand directories at once. Closed: the hub stops.
        let _ = self.signals.try_send(ScoutSignal::Project(directory.to_owned()));
    }

    /// Other sources are read from now on. What does not fit into the queue is lost: a thousand directories are told at once.
    pub(crate) fn switch(&self, kinds: Vec<SourceKind>) {
        let _ = self.signals.try_send(ScoutSignal::Switch(kinds));
    }

    /// All directories of the start have been told: answered by [`Ring::Scouted`].
    pub(crate) fn all_told(&self) {
        let _ = self.signals.try_send(ScoutSignal::AllTold);
    }
}

/// The running scout. Dropping it stops it; [`Scout::stop`] also waits for its thread.
#[derive(Debug)]
pub(crate) struct Scout {
    projects: Projects,
    stop: CancellationToken,
    ended: oneshot::Receiver<()>,
}

/// Where the scout's thread begins: made before it is started, so that sessions can tell of directories already.
#[derive(Debug)]
pub(crate) struct Orders(Receiver<ScoutSignal>);

impl Projects {
    pub(crate) fn channel() -> (Self, Orders) {
        let (signals, received) = sync_channel(SIGNALS);
        (Self { signals }, Orders(received))
    }
}

impl Scout {
    /// Starts the thread. Never fails: what cannot be watched is found by the rounds, what cannot be read is left out.
    pub(crate) fn start(
        kinds: &[SourceKind],
        data: PathBuf,
        options: SourceOptions,
        (projects, Orders(received)): (Projects, Orders),
        rings: mpsc::Sender<Ring>,
        sightings: mpsc::Sender<Sighting>,
    ) -> Self {
        let stop = CancellationToken::new();
        let (end, ended) = oneshot::channel();
        let sources = sources_of(kinds);
        let (events, stopped) = (projects.signals.clone(), stop.clone());
        let (servers, apps) = (kinds.contains(&SourceKind::Ports), kinds.contains(&SourceKind::Apps));
        let body = move || {
            let SourceOptions { home, temporary, projects, .. } = options;
            let home = home.or_else(dirs::home_dir);
            let overflow = Arc::new(AtomicBool::new(false));
            let registries = registries(&sources, &data, home.as_deref(), temporary.as_deref());
            // Of all sources: others may be read later.
            let all = sources_of(&SourceKind::SWITCHABLE);
            let everywhere = self::registries(&all, &data, home.as_deref(), temporary.as_deref());
            let names = interesting(&all, everywhere.keys());
            let scouting = Scouting {
                native: native(events, Arc::clone(&overflow), move |changed| signal_of(&names, changed))
                    .inspect_err(|error| {
                        tracing::debug!(%error, "the system cannot watch directories; looking for dev servers every {ROUND:?}");
                    })
                    .ok(),
                out: Out { rings, sightings, stop: stopped },
                sources,
                data,
                home,
                temporary,
                working: projects.into_iter().next(),
                registries,
                projects: BTreeSet::new(),
                places: BTreeSet::new(),
                targets: BTreeMap::new(),
                watched: HashSet::new(),
                files: HashMap::new(),
                signals: received,
                overflow,
                next_file: PathBuf::new(),
                next_project: PathBuf::new(),
                next_look: Instant::now() + LOOK_AROUND,
                servers,
                apps: if apps { apps::awaited() } else { Vec::new() },
                ports: Ports::default(),
                must_judge: true,
                next_ports: Instant::now(),
            };
            scouting.run();
            drop(end);
        };
        if let Err(error) = thread::Builder::new().name("brummer-sources".into()).spawn(body) {
            tracing::error!(%error, "cannot start the thread that looks for dev servers of other tools");
        }
        Self { projects, stop, ended }
    }

    /// Stops the thread and waits until it has ended. Bounded by the system's answers to a few file operations.
    pub(crate) async fn stop(mut self) {
        self.end();
        let _ = (&mut self.ended).await;
    }

    fn end(&self) {
        self.stop.cancel();
        let _ = self.projects.signals.try_send(ScoutSignal::Stop);
    }
}

impl Drop for Scout {
    fn drop(&mut self) {
        self.end();
    }
}

/// Those of these sources that leave files.
fn sources_of(kinds: &[SourceKind]) -> Vec<(SourceKind, &'static dyn Source)> {
    kinds.iter().filter_map(|kind| Some((*kind, kind.source()?))).collect()
}

/// Where the traces lie that are of no project.
fn registries(
    sources: &[(SourceKind, &'static dyn Source)],
    data: &Path,
    home: Option<&Path>,
    temporary: Option<&Path>,
) -> BTreeMap<PathBuf, SourceKind> {
    let user = UserDirectories { data, home, temporary, variable: &|name| env::var_os(name) };
    let of = |(kind, source): &(SourceKind, &'static dyn Source)| {
        let kind = *kind;
        source.registries(&user).into_iter().map(move |directory| (directory, kind)).collect::<Vec<_>>()
    };
    sources.iter().flat_map(of).collect()
}

/// Of which files and directories an event can matter: a project's directory is a busy place, as is that of temporary files.
struct Interesting {
    names: HashSet<std::ffi::OsString>,
    sources: Vec<&'static dyn Source>,
}

fn interesting<'a>(
    sources: &[(SourceKind, &'static dyn Source)],
    registries: impl Iterator<Item = &'a PathBuf>,
) -> Interesting {
    let in_projects = sources.iter().flat_map(|(_, source)| source.in_project()).map(Path::new);
    let parts = in_projects.flat_map(Path::iter).map(OsStr::to_owned);
    let names = parts.chain(registries.flat_map(|path| path.iter()).map(OsStr::to_owned)).collect();
    Interesting { names, sources: sources.iter().map(|(_, source)| *source).collect() }
}

/// What matters of what changes.
fn signal_of(interesting: &Interesting, changed: Option<PathBuf>) -> Option<ScoutSignal> {
    let Some(path) = changed else { return Some(ScoutSignal::Rescan) };
    let name = path.file_name()?;
    let matters = interesting.names.contains(name)
        || interesting.sources.iter().any(|source| name.to_str().is_some_and(|name| source.is_trace(name)));
    matters.then_some(ScoutSignal::Changed(path))
}

/// A file or a registry that is looked for, and the deepest directory above it that is there.
#[derive(Clone, Debug)]
struct WatchTarget {
    kind: SourceKind,
    /// The directory of the project, which the file lies below; none for a registry.
    project: Option<PathBuf>,
    watched: Option<PathBuf>,
}

/// A file that was read.
#[derive(Debug)]
struct KnownFile {
    stamp: Option<Stamp>,
    /// What was told of it.
    told: Vec<Arc<Seen>>,
    /// Servers that it speaks of without saying that they run.
    awaited: Vec<Awaited>,
    /// It could not be understood any more when it was last read: it may be in the middle of being written.
    is_doubtful: bool,
}

/// The ways to the hub. They wait while a queue is full, but not beyond the stop.
struct Out {
    rings: mpsc::Sender<Ring>,
    sightings: mpsc::Sender<Sighting>,
    stop: CancellationToken,
}

impl Out {
    fn ring(&self, ring: Ring) {
        // Whoever listens may be gone.
        let _ = pollster::block_on(self.stop.run_until_cancelled(self.rings.send(ring)));
    }

    fn tell(&self, sighting: Sighting) {
        let _ = pollster::block_on(self.stop.run_until_cancelled(self.sightings.send(sighting)));
    }

    fn is_over(&self) -> bool {
        self.stop.is_cancelled() || self.rings.is_closed()
    }
}

/// Everything the thread owns.
struct Scouting {
    native: Option<RecommendedWatcher>,
    out: Out,
    sources: Vec<(SourceKind, &'static dyn Source)>,
    data: PathBuf,
    home: Option<PathBuf>,
    temporary: Option<PathBuf>,
    /// Where the hub's client works.
    working: Option<PathBuf>,
    registries: BTreeMap<PathBuf, SourceKind>,
    projects: BTreeSet<PathBuf>,
    places: BTreeSet<PathBuf>,
    targets: BTreeMap<PathBuf, WatchTarget>,
    watched: HashSet<PathBuf>,
    files: HashMap<PathBuf, KnownFile>,
    signals: Receiver<ScoutSignal>,
    overflow: Arc<AtomicBool>,
    /// Where the next round goes on.
    next_file: PathBuf,
    next_project: PathBuf,
    next_look: Instant,
    /// Whether dev servers are looked for by their ports.
    servers: bool,
    /// Programs that are known by their ports.
    apps: Vec<Awaited>,
    ports: Ports,
    /// What ports are judged by has changed.
    must_judge: bool,
    next_ports: Instant,
}

impl Scouting {
    fn run(mut self) {
        for (directory, kind) in self.registries.clone() {
            self.register(&directory, kind);
        }
        let mut next_round = Instant::now() + ROUND;
        while !self.out.is_over() {
            let next = next_round.min(self.next_ports);
            match self.signals.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(ScoutSignal::Changed(path)) => self.changed(&path),
                Ok(ScoutSignal::Project(directory)) => self.project(directory),
                Ok(ScoutSignal::AllTold) => {
                    self.look_at_ports();
                    self.out.tell(Sighting::Scanned);
                    self.out.ring(Ring::Scouted);
                }
                Ok(ScoutSignal::Switch(kinds)) => self.switch(&kinds),
                Ok(ScoutSignal::Rescan) => self.overflow.store(true, Ordering::Release),
                Ok(ScoutSignal::Stop) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.overflow.swap(false, Ordering::AcqRel) {
                for target in self.targets.keys().cloned().collect::<Vec<_>>() {
                    self.rewatch(&target, None);
                    self.refresh(&target);
                }
            }
            if Instant::now() >= next_round {
                self.round();
                next_round = Instant::now() + ROUND;
            }
            if Instant::now() >= self.next_ports {
                self.look_at_ports();
            }
        }
    }

    /// Forgets what the sources told that are not read any more, and looks at those of the others.
    fn switch(&mut self, kinds: &[SourceKind]) {
        self.sources = sources_of(kinds);
        self.servers = kinds.contains(&SourceKind::Ports);
        self.apps = if kinds.contains(&SourceKind::Apps) { apps::awaited() } else { Vec::new() };
        self.must_judge = true;
        self.out.tell(Sighting::Asks(kinds.contains(&SourceKind::Tidewave)));
        let off = self.targets.iter().filter(|(_, target)| !kinds.contains(&target.kind));
        for (path, is_registry) in
            off.map(|(path, target)| (path.clone(), target.project.is_none())).collect::<Vec<_>>()
        {
            self.targets.remove(&path);
            let files = self
                .files
                .keys()
                .filter(|file| if is_registry { file.parent() == Some(&path) } else { **file == path });
            for file in files.cloned().collect::<Vec<_>>() {
                self.forget(&file);
            }
        }
        self.registries.retain(|_, kind| kinds.contains(kind));
        self.find_registries();
        let places = std::mem::take(&mut self.places);
        for place in places {
            self.add_place(place);
        }
        for project in self.projects.clone() {
            self.look_around(&project);
        }
        self.look_at_ports();
    }

    /// Watches the registries that are new.
    fn find_registries(&mut self) {
        let (home, temporary) = (self.home.as_deref(), self.temporary.as_deref());
        for (directory, kind) in registries(&self.sources, &self.data, home, temporary) {
            if self.registries.insert(directory.clone(), kind).is_none() {
                self.register(&directory, kind);
            }
        }
    }

    /// Watches a registry, and looks at it.
    fn register(&mut self, directory: &Path, kind: SourceKind) {
        self.targets.insert(directory.to_owned(), WatchTarget { kind, project: None, watched: None });
        self.refresh(directory);
    }

    fn look_at_ports(&mut self) {
        self.next_ports = Instant::now() + ports::PAUSE;
        let awaited = self.files.values().flat_map(|known| &known.awaited).chain(&self.apps);
        let awaited: Vec<Awaited> = awaited.cloned().collect();
        // What was told before is taken back by a look that finds nothing.
        if awaited.is_empty() && !self.servers && !self.must_judge {
            return;
        }
        let knowledge = Knowledge {
            servers: self.servers,
            places: &self.places,
            home: self.home.as_deref(),
            awaited: &awaited,
        };
        let PortChanges { gone, new } = self.ports.look(&knowledge, std::mem::take(&mut self.must_judge));
        for seen in &gone {
            self.withdraw(seen);
        }
        for seen in &new {
            self.announce(seen);
        }
    }

    /// A project is known: its packages and worktrees are too.
    fn project(&mut self, directory: PathBuf) {
        if self.projects.contains(&directory) || self.projects.len() >= MAX_PROJECTS {
            return;
        }
        self.look_around(&directory);
        self.projects.insert(directory);
    }

    fn look_around(&mut self, directory: &Path) {
        // Without a source that looks into projects there is nothing to find.
        if !self.servers && self.sources.iter().all(|(_, source)| source.in_project().is_empty()) {
            return;
        }
        for place in places::of_project(directory, self.home.as_deref()) {
            if self.places.len() < MAX_PLACES && !self.places.contains(&place) {
                self.add_place(place);
            }
        }
    }

    /// A directory in which files are looked for.
    fn add_place(&mut self, place: PathBuf) {
        self.must_judge = true;
        for (kind, source) in self.sources.clone() {
            for path in source.in_project() {
                let file = place.join(path);
                if !self.targets.contains_key(&file) {
                    let target = WatchTarget { kind, project: Some(place.clone()), watched: None };
                    self.targets.insert(file.clone(), target);
                    self.refresh(&file);
                }
            }
        }
        self.places.insert(place);
    }

    fn changed(&mut self, path: &Path) {
        if let Some(registry) = path.parent().and_then(|parent| self.registries.get_key_value(parent)) {
            let (directory, kind) = (registry.0.clone(), *registry.1);
            if is_trace(path, kind) {
                self.look(path, kind, None);
            } else {
                self.refresh(&directory);
            }
            return;
        }
        // A file itself, or a directory on the way to some: those stand together in the order of paths.
        let after = self.targets.range(path.to_owned()..);
        let concerned = after.take_while(|(file, _)| file.starts_with(path)).map(|(file, _)| file.clone());
        for target in concerned.collect::<Vec<_>>() {
            if target != path || self.registries.contains_key(path) {
                // The directory may be another now, which the system does not watch yet.
                self.rewatch(&target, Some(path));
            }
            self.refresh(&target);
        }
    }

    /// Watches where a target is or would come to be, and looks at it.
    fn refresh(&mut self, path: &Path) {
        let Some(target) = self.targets.get(path).cloned() else { return };
        let is_registry = target.project.is_none();
        let mut former = target.watched.clone();
        loop {
            let way = path.ancestors().skip(usize::from(!is_registry));
            let home = self.home.as_deref().filter(|home| path.starts_with(home));
            let limit = target.project.as_deref().or(home).or(path.parent());
            let mut way = way.take_while(|outer| limit.is_some_and(|limit| outer.starts_with(limit)));
            let deepest = way.find(|directory| directory.is_dir()).map(Path::to_owned);
            // kqueue opens everything in a directory that it watches: there the rounds find what comes.
            let deepest = deepest.filter(|found| {
                !cfg!(target_os = "macos") || Some(&**found) == path.parent() || *found == path
            });
            if deepest == former && deepest.as_ref().is_none_or(|it| self.watched.contains(it)) {
                break;
            }
            if let Some(directory) = &deepest {
                self.watch(directory);
            }
            let is_stuck = deepest == former;
            former = deepest;
            // Looked again, because it may have come before it was watched for.
            if is_stuck {
                break;
            }
        }
        if let Some(target) = self.targets.get_mut(path) {
            target.watched = former;
        }
        if is_registry {
            self.scan(path, target.kind);
        } else {
            self.look(path, target.kind, target.project.as_deref());
        }
    }

    fn watch(&mut self, directory: &Path) {
        if self.watched.contains(directory) || self.watched.len() >= MAX_WATCHES {
            return;
        }
        let Some(native) = &mut self.native else { return };
        match native.watch(directory, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(directory.to_owned());
            }
            Err(error) => tracing::debug!(directory = %directory.display(), %error, "cannot be watched"),
        }
    }

    /// Forgets that the directory of a target is watched, if it is `changed` or lies below it.
    fn rewatch(&mut self, path: &Path, changed: Option<&Path>) {
        let Some(target) = self.targets.get_mut(path) else { return };
        let concerns = |watched: &mut PathBuf| changed.is_none_or(|changed| watched.starts_with(changed));
        let Some(watched) = target.watched.take_if(concerns) else { return };
        if self.watched.remove(&watched)
            && let Some(native) = &mut self.native
        {
            // An error says that it was not watched any more, as when the directory is gone.
            let _ = native.unwatch(&watched);
        }
    }

    /// Looks at every file of a registry.
    fn scan(&mut self, directory: &Path, kind: SourceKind) {
        let mut there = HashSet::new();
        for entry in fs::read_dir(directory).into_iter().flatten().take(MAX_ENTRIES).flatten() {
            let file = entry.path();
            if is_trace(&file, kind) {
                self.look(&file, kind, None);
                there.insert(file);
            }
            if self.out.is_over() {
                return;
            }
        }
        let known =
            self.files.keys().filter(|file| file.parent() == Some(directory) && !there.contains(*file));
        for file in known.cloned().collect::<Vec<_>>() {
            self.look(&file, kind, None);
        }
    }

    /// Looks at one file that may be new, changed or gone.
    fn look(&mut self, file: &Path, kind: SourceKind, project: Option<&Path>) {
        let Ok(metadata) = fs::symlink_metadata(file) else {
            self.forget(file);
            return;
        };
        let stamp = Stamp::of(&metadata);
        if self.files.get(file).is_some_and(|known| known.stamp == Some(stamp)) {
            return;
        }
        let Some(source) = kind.source() else { return };
        let (contents, metadata) = match contents(file) {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(file = %file.display(), %error, "a trace was not taken");
                self.forget(file);
                return;
            }
        };
        let (stamp, now) = (Stamp::of(&metadata), std::time::SystemTime::now());
        let stamp = Some(stamp).filter(|stamp| stamp.is_settled(now));
        let is_crowded =
            project.is_none() && self.files.len() >= MAX_FILES.saturating_mul(self.sources.len());
        let modified = metadata.modified().unwrap_or(std::time::SystemTime::UNIX_EPOCH);
        let beside = |name: &str| crate::discovery::contents(&file.with_file_name(name)).ok().map(|it| it.0);
        let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let working = self.working.as_deref();
        match source.read(&Trace { project, name, contents: &contents, beside: &beside, working }) {
            Ok(reading) => {
                if is_crowded && !self.files.contains_key(file) {
                    return;
                }
                let seen = |record: Record| {
                    let place = if record.key.is_empty() { file.to_owned() } else { file.join(&record.key) };
                    Arc::new(Seen { record, place, modified })
                };
                let former = self.files.remove(file);
                let (former, awaited) = former.map(|known| (known.told, known.awaited)).unwrap_or_default();
                self.must_judge |= awaited != reading.awaited;
                let told = self.replace(former, reading.records.into_iter().map(seen).collect());
                let known = KnownFile { stamp, told, awaited: reading.awaited, is_doubtful: false };
                self.files.insert(file.to_owned(), known);
            }
            Err(unfit) => self.refuse(file, unfit, stamp),
        }
    }

    fn refuse(&mut self, file: &Path, unfit: Unfit, stamp: Option<Stamp>) {
        tracing::debug!(file = %file.display(), error = %unfit, "a trace was not taken");
        if let Some(known) = self.files.get_mut(file)
            && !(known.told.is_empty() && known.awaited.is_empty())
            && unfit == Unfit::Unreadable
            && !std::mem::replace(&mut known.is_doubtful, true)
        {
            // Looked at again in the next round.
            known.stamp = None;
            return;
        }
        self.forget(file);
        if self.files.len() < MAX_PLACES {
            let known = KnownFile { stamp, told: Vec::new(), awaited: Vec::new(), is_doubtful: false };
            self.files.insert(file.to_owned(), known);
        }
    }

    /// Tells what has changed in a file, and returns what was told of it now. What is as it was stays as it was told: it was
    /// true at the time.
    fn replace(&self, former: Vec<Arc<Seen>>, now: Vec<Arc<Seen>>) -> Vec<Arc<Seen>> {
        let (mut told, mut new) = (Vec::new(), Vec::new());
        let mut former: BTreeMap<PathBuf, Arc<Seen>> =
            former.into_iter().map(|seen| (seen.place.clone(), seen)).collect();
        for seen in now {
            match former.remove(&seen.place) {
                Some(known) if known.record == seen.record => {
                    told.push(Arc::new(Seen { modified: seen.modified, ..Seen::clone(&known) }));
                }
                known => new.push((known, seen)),
            }
        }
        for gone in former.values() {
            self.withdraw(gone);
        }
        for (known, seen) in new {
            let (old, found) = (known.and_then(|known| known.found()), seen.found());
            if let Some(old) = old
                && found.is_none_or(|found| found.doorbell.id != old.doorbell.id)
            {
                self.out.ring(Ring::Removed { file: old.file.clone(), id: old.doorbell.id.clone() });
            }
            self.announce(&seen);
            told.push(seen);
        }
        told
    }

    fn announce(&self, seen: &Arc<Seen>) {
        if let Some(found) = seen.found() {
            self.out.ring(Ring::Appeared(found));
        }
        if seen.record.framework.is_some() {
            self.out.tell(Sighting::Seen(Arc::clone(seen)));
        }
    }

    fn withdraw(&self, seen: &Seen) {
        if let Some(found) = seen.found() {
            self.out.ring(Ring::Removed { file: found.file.clone(), id: found.doorbell.id.clone() });
        }
        self.out.tell(Sighting::Gone(seen.place.clone()));
    }

    fn forget(&mut self, file: &Path) {
        let Some(known) = self.files.remove(file) else { return };
        self.must_judge |= !known.awaited.is_empty();
        for seen in &known.told {
            self.withdraw(seen);
        }
    }

    /// Looks again at some targets, at files that were not finished, and around one project.
    fn round(&mut self) {
        let from = std::mem::take(&mut self.next_file);
        let after = self.targets.range(from..).map(|(file, _)| file.clone());
        let mut some: Vec<PathBuf> = after.take(PER_ROUND + 1).collect();
        if some.len() > PER_ROUND {
            self.next_file = some.pop().unwrap_or_default();
        }
        for target in some {
            self.refresh(&target);
        }
        if Instant::now() < self.next_look {
            return;
        }
        self.next_look = Instant::now() + LOOK_AROUND;
        self.find_registries();
        let next = self.projects.range(self.next_project.clone()..).next().cloned();
        if let Some(project) = next {
            self.look_around(&project);
            // The next in the order of paths.
            self.next_project = project;
            self.next_project.push("\u{0}");
        } else {
            self.next_project = PathBuf::new();
        }
    }
}

fn is_trace(file: &Path, kind: SourceKind) -> bool {
    let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    !name.starts_with('.') && kind.source().is_some_and(|source| source.is_trace(name))
}
