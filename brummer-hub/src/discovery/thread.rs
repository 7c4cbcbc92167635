//! The watching thread: turns what the system says of directories into looks at files.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    Directories, Followed, Ring,
    directories::create_private,
    directory::{self, Directory, DirectoryState},
    files::{Files, Rings, is_candidate},
    followed::{SharedWatching, concerns},
};

/// Between two rounds. A round costs one `stat` per directory that is watched or missing; it finds directories that came,
/// went or were replaced where no event says so, and lists those that cannot be watched.
const ROUND: Duration = Duration::from_secs(2);

/// Events that wait for the thread: as many as 1,024 instances starting at once. Beyond it everything is scanned instead.
const SIGNALS: usize = 1024;

/// What wakes the thread.
#[derive(Debug)]
pub(super) enum WatcherSignal {
    /// Something happened to this file or directory.
    Changed(PathBuf),
    /// Something happened, and the system lost what.
    Rescan,
    /// Look whether to stop.
    Stop,
}

/// Starts the thread. The receiver closes when it has ended.
pub(super) fn spawn(
    directories: &Directories,
    followed: Followed,
    max_files: usize,
    rings: mpsc::Sender<Ring>,
    stop: CancellationToken,
) -> (SyncSender<WatcherSignal>, oneshot::Receiver<()>) {
    let (signals, received) = sync_channel(SIGNALS);
    let (end, ended) = oneshot::channel();
    let state = |path: &PathBuf| Directory { path: path.clone(), state: DirectoryState::Missing };
    let directories: Vec<Directory> = directories.watched.iter().map(state).collect();
    let events = signals.clone();
    let body = move || {
        let overflow = Arc::new(AtomicBool::new(false));
        let paths: Vec<PathBuf> = directories.iter().map(|directory| directory.path.clone()).collect();
        let files = followed.paths();
        let native = native(events, Arc::clone(&overflow), move |changed| signal_of(&paths, &files, changed));
        let native = native
            .inspect_err(|error| {
                tracing::warn!(%error, "the system cannot watch directories; looking for instances every {ROUND:?}");
            })
            .ok();
        let files = Files::new(max_files, Rings { sender: rings, stop });
        let warned = native.is_none();
        let places = BTreeSet::new();
        Watching { directories, files, followed, native, places, signals: received, overflow, warned }.run();
        drop(end);
    };
    if let Err(error) = thread::Builder::new().name("brummer-doorbells".into()).spawn(body) {
        tracing::error!(%error, "cannot start the thread that looks for instances; none will be found");
    }
    (signals, ended)
}

/// The system's own way of watching. Its callback runs on notify's thread and never waits: when the queue is full,
/// `overflow` is set, and all is to be looked at. `signal_of` makes a signal of what has changed (`None`: the system lost
/// what), where that matters.
pub(crate) fn native<S: Send + 'static>(
    signals: SyncSender<S>,
    overflow: Arc<AtomicBool>,
    signal_of: impl Fn(Option<PathBuf>) -> Option<S> + Send + 'static,
) -> notify::Result<RecommendedWatcher> {
    let tell = move |changed: Option<PathBuf>| {
        if let Some(signal) = signal_of(changed)
            && signals.try_send(signal).is_err()
        {
            overflow.store(true, Ordering::Release);
            // The thread may have emptied the queue before it could see the flag: this wakes it then.
            if let Some(rescan) = signal_of(None) {
                let _ = signals.try_send(rescan);
            }
        }
    };
    notify::recommended_watcher(move |event: notify::Result<Event>| match event {
        Ok(event) if event.need_rescan() => tell(None),
        Ok(event) if is_change(event.kind) => event.paths.into_iter().for_each(|path| tell(Some(path))),
        Ok(_) => {}
        Err(_) => tell(None),
    })
}

/// What matters of what changes.
fn signal_of(
    directories: &[PathBuf],
    followed: &[PathBuf],
    changed: Option<PathBuf>,
) -> Option<WatcherSignal> {
    let Some(path) = changed else { return Some(WatcherSignal::Rescan) };
    let matters = is_candidate(&path)
        || directories.iter().any(|directory| directory.starts_with(&path))
        || concerns(followed.iter(), &path);
    matters.then_some(WatcherSignal::Changed(path))
}

/// Leaves out what reading a file causes, so that the thread does not wake itself, and a rename that was told in two parts.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => false,
        _ => true,
    }
}

/// Everything the thread owns.
struct Watching {
    directories: Vec<Directory>,
    files: Files,
    followed: Followed,
    native: Option<RecommendedWatcher>,
    /// Directories that are watched because one of ours may be created in them.
    places: BTreeSet<PathBuf>,
    signals: Receiver<WatcherSignal>,
    /// Set when a signal was lost because the queue was full.
    overflow: Arc<AtomicBool>,
    /// Whether the fall back to polling has been reported.
    warned: bool,
}

impl Watching {
    fn run(mut self) {
        self.create_first();
        self.settle_all();
        self.follow(Followed::begin);
        self.files.tell_scanned();
        let mut next_round = Instant::now() + ROUND;
        while !self.files.are_over() {
            match self.signals.recv_timeout(next_round.saturating_duration_since(Instant::now())) {
                Ok(WatcherSignal::Changed(path)) => self.changed(&path),
                Ok(WatcherSignal::Rescan) => self.overflow.store(true, Ordering::Release),
                Ok(WatcherSignal::Stop) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // Both before acting: a scan that is due for two reasons is done once.
            let room = self.files.take_room();
            if self.overflow.swap(false, Ordering::AcqRel) || room {
                self.rescan();
            }
            if Instant::now() >= next_round {
                self.create_first();
                self.settle_all();
                self.files.finish();
                self.follow(Followed::round);
                next_round = Instant::now() + ROUND;
            }
        }
    }

    fn changed(&mut self, path: &Path) {
        if self.followed.concerns(path) {
            self.follow(|followed, shared| followed.changed(Some(path), shared));
        }
        let parent = path.parent().unwrap_or(path);
        if is_candidate(path) && self.directories.iter().any(|directory| directory.path == parent) {
            // kqueue tells of one new file when there are several: there the event only says where to look.
            if cfg!(target_os = "macos") {
                self.files.scan(parent);
            } else {
                self.files.look(path);
            }
            return;
        }
        if let Some(directory) = self.directories.iter_mut().find(|directory| directory.path == path) {
            if !cfg!(target_os = "linux") {
                // kqueue tells of every change like this, Windows when it lost what changed.
                self.files.scan(path);
            } else if let Some(identity) = directory.state.identity() {
                // It was moved or deleted, and its watch with it: begin anew, even when it is there again.
                directory.state = DirectoryState::Polled { identity };
            }
        }
        self.settle_all();
    }

    fn rescan(&mut self) {
        self.settle_all();
        self.follow(|followed, shared| followed.changed(None, shared));
        for directory in &self.directories {
            if directory.state.identity().is_some() {
                self.files.scan(&directory.path);
            }
        }
    }

    fn follow(&mut self, look: impl FnOnce(&mut Followed, SharedWatching<'_>)) {
        let Self { followed, native, directories, places, .. } = self;
        look(followed, SharedWatching { native: native.as_mut(), directories, places });
    }

    /// The directory in which registrations are written: being there, it is watched before the first of them. Not created
    /// the moment it is removed: whoever removes the whole tree would meet it again.
    fn create_first(&self) {
        if let Some(Directory { path, state: DirectoryState::Missing }) = self.directories.first()
            && let Err(error) = create_private(path)
        {
            tracing::debug!(directory = %path.display(), %error, "cannot create");
        }
    }

    /// Brings what is known of every directory up to date: comes upon new ones, drops those that are gone, scans those that
    /// changed.
    fn settle_all(&mut self) {
        for index in 0..self.directories.len() {
            self.settle(index);
            if self.files.are_over() {
                return;
            }
        }
        self.watch_places();
    }

    fn settle(&mut self, index: usize) {
        let path = self.directories[index].path.clone();
        let before = self.directories[index].state;
        let Some((identity, modified)) = directory::present(&path) else {
            if before.identity().is_some() {
                self.unwatch(&path);
                self.files.scan(&path);
            }
            self.directories[index].state = DirectoryState::Missing;
            return;
        };
        let earlier = self.directories[..index].iter().filter_map(|earlier| earlier.state.identity());
        if earlier.into_iter().any(|earlier| earlier.is_same_node(identity)) {
            self.directories[index].state = DirectoryState::Elsewhere;
            return;
        }
        match before {
            DirectoryState::Watched { identity: former, listed } if former == identity => {
                // The events have told of every change; a second look at what changed costs little and mends what they lost.
                if listed == modified {
                    return;
                }
            }
            _ => {
                if before.identity().is_some() {
                    self.unwatch(&path);
                }
                self.directories[index].state = DirectoryState::Polled { identity };
                if !self.watch(&path) {
                    self.files.scan(&path);
                    return;
                }
            }
        }
        // Watched before it is listed, so that nothing falls in between.
        self.directories[index].state = DirectoryState::Watched { identity, listed: modified };
        self.files.scan(&path);
    }

    /// Watches where missing directories would be created, and no longer where they have been.
    fn watch_places(&mut self) {
        let missing = |directory: &&Directory| directory.state == DirectoryState::Missing;
        let wanted: BTreeSet<PathBuf> = self
            .directories
            .iter()
            .filter(missing)
            .filter_map(|directory| directory::place_of_creation(&directory.path))
            .map(Path::to_owned)
            .collect();
        let is_ours = |path: &Path| {
            self.directories.iter().any(|directory| directory.path == path) || self.followed.is_watched(path)
        };
        let former: Vec<PathBuf> =
            self.places.difference(&wanted).filter(|path| !is_ours(path)).cloned().collect();
        let new: Vec<PathBuf> = wanted.difference(&self.places).cloned().collect();
        self.places = wanted;
        for place in &former {
            self.unwatch(place);
        }
        let mut watched = false;
        for place in &new {
            let result = self.native.as_mut().map(|native| native.watch(place, RecursiveMode::NonRecursive));
            // Without it the rounds find the directory.
            watched |= matches!(result, Some(Ok(())));
        }
        if watched {
            // It may have been created just before it was watched for. Ends, because a place is new only once.
            self.settle_all();
        }
    }

    fn watch(&mut self, path: &Path) -> bool {
        let Some(native) = &mut self.native else { return false };
        let Err(error) = native.watch(path, RecursiveMode::NonRecursive) else { return true };
        // Gone again: an event or the next round says so.
        if !self.warned && path.is_dir() {
            self.warned = true;
            tracing::warn!(
                directory = %path.display(),
                %error,
                "the system cannot watch a directory (on Linux see fs.inotify.max_user_watches); \
                 looking into it every {ROUND:?}"
            );
        }
        false
    }

    fn unwatch(&mut self, path: &Path) {
        if let Some(native) = &mut self.native {
            // An error says that it was not watched any more, as when the directory is gone.
            let _ = native.unwatch(path);
        }
    }
}
