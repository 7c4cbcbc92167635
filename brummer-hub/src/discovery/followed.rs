//! Files of whose changes a program is told, as of its configuration. Of each the deepest directory that is there is watched, and
//! another when it comes.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::watch;

use super::directory::{self, Directory};

/// Between two looks at files of which events tell, because events get lost. Others are looked at in every round.
const MEND: Duration = Duration::from_secs(30);

/// How often the places are looked for again when one is new: what comes meanwhile is found in the next round.
const ATTEMPTS: usize = 4;

/// The files, and whom to tell.
#[derive(Debug)]
pub(crate) struct Followed {
    files: Vec<FollowedFile>,
    /// Directories that are watched on behalf of the files.
    watched: HashSet<PathBuf>,
    next_mend: Instant,
    /// Counts the changes.
    told: watch::Sender<u64>,
}

#[derive(Debug)]
struct FollowedFile {
    path: PathBuf,
    state: Option<FileState>,
    /// Events tell of it.
    is_heard: bool,
}

/// What tells one state of a file, or directory, from another.
#[derive(Debug, Eq, PartialEq)]
struct FileState {
    modified: Option<SystemTime>,
    bytes: u64,
    /// Which file it is, and when it was last renamed, written or given another mode, which may have it refused.
    #[cfg(unix)]
    change: (u64, i64, i64, u32),
}

/// The system's watching, of which the thread makes use for doorbells as well.
pub(super) struct SharedWatching<'a> {
    pub(super) native: Option<&'a mut RecommendedWatcher>,
    pub(super) directories: &'a [Directory],
    pub(super) places: &'a BTreeSet<PathBuf>,
}

impl SharedWatching<'_> {
    fn watch(&mut self, directory: &Path) -> bool {
        let native = self.native.as_deref_mut();
        native.is_some_and(|native| native.watch(directory, RecursiveMode::NonRecursive).is_ok())
    }

    fn unwatch(&mut self, directory: &Path) {
        let is_ours = self.directories.iter().any(|ours| ours.path == directory);
        if let Some(native) = self.native.as_deref_mut()
            && !is_ours
            && !self.places.contains(directory)
        {
            // An error says that it was not watched any more, as when the directory is gone.
            let _ = native.unwatch(directory);
        }
    }
}

impl FileState {
    /// Of what a link leads to; none when it is not there.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Some(Self {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            #[cfg(unix)]
            change: (metadata.ino(), metadata.ctime(), metadata.ctime_nsec(), metadata.mode()),
        })
    }
}

impl Followed {
    /// Nothing is looked at before [`Followed::begin`].
    pub(crate) fn new(paths: &[PathBuf], told: watch::Sender<u64>) -> Self {
        let file = |path: &PathBuf| FollowedFile { path: path.clone(), state: None, is_heard: false };
        let files = paths.iter().map(file).collect();
        Self { files, watched: HashSet::new(), next_mend: Instant::now() + MEND, told }
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }

    pub(super) fn concerns(&self, changed: &Path) -> bool {
        concerns(self.files.iter().map(|file| &file.path), changed)
    }

    pub(super) fn is_watched(&self, directory: &Path) -> bool {
        self.watched.contains(directory)
    }

    /// Told once, for they may have changed since they were read first.
    pub(super) fn begin(&mut self, mut shared: SharedWatching<'_>) {
        self.watch(&mut shared);
        for file in &mut self.files {
            file.state = FileState::of(&file.path);
        }
        if !self.files.is_empty() {
            self.told.send_modify(|count| *count += 1);
        }
    }

    /// A file has changed, or a directory on the way to some; `None`: whatever it was.
    pub(super) fn changed(&mut self, changed: Option<&Path>, mut shared: SharedWatching<'_>) {
        // The directory may be another now, which the system does not watch yet.
        let replaced = |watched: &PathBuf| changed.is_none_or(|changed| watched.starts_with(changed));
        for directory in self.watched.extract_if(replaced) {
            shared.unwatch(&directory);
        }
        self.watch(&mut shared);
        self.look(|_| true);
    }

    /// Looks at files of which no event tells, and now and then at all.
    pub(super) fn round(&mut self, shared: SharedWatching<'_>) {
        if Instant::now() >= self.next_mend {
            self.next_mend = Instant::now() + MEND;
            self.changed(None, shared);
        } else {
            self.look(|file| !file.is_heard);
        }
    }

    /// Watches where each file is or would come to be, and no longer where it was.
    fn watch(&mut self, shared: &mut SharedWatching<'_>) {
        for _ in 0..ATTEMPTS {
            let places: Vec<Option<PathBuf>> = self.files.iter().map(|file| place(&file.path)).collect();
            let wanted: HashSet<&PathBuf> = places.iter().flatten().collect();
            for former in self.watched.extract_if(|directory| !wanted.contains(directory)) {
                shared.unwatch(&former);
            }
            let before = self.watched.len();
            for directory in wanted {
                if !self.watched.contains(directory) && shared.watch(directory) {
                    self.watched.insert(directory.clone());
                }
            }
            let is_new = self.watched.len() > before;
            for (file, place) in self.files.iter_mut().zip(places) {
                // Of what a link leads to, or that it leads elsewhere, no event tells.
                let is_plain = || !file.path.ancestors().any(Path::is_symlink);
                file.is_heard = place.is_some_and(|place| self.watched.contains(&place)) && is_plain();
            }
            // Looked for again, because more may have come before it was watched for.
            if !is_new {
                break;
            }
        }
    }

    fn look(&mut self, which: impl Fn(&FollowedFile) -> bool) {
        let mut is_news = false;
        for file in self.files.iter_mut().filter(|file| which(file)) {
            let now = FileState::of(&file.path);
            is_news |= file.state != now;
            file.state = now;
        }
        if is_news {
            self.told.send_modify(|count| *count += 1);
        }
    }
}

/// Whether what has changed is one of these files, lies in one that is a directory, or is on the way to one.
pub(super) fn concerns<'a>(mut files: impl Iterator<Item = &'a PathBuf>, changed: &Path) -> bool {
    files.any(|file| file.starts_with(changed) || changed.parent() == Some(file))
}

/// The deepest directory on the way to a file, the file itself included, which may be one. None when events are not to be had
/// there: in a busy place, and on macOS, where notify opens everything in a directory that it watches.
fn place(file: &Path) -> Option<PathBuf> {
    if cfg!(target_os = "macos") {
        return None;
    }
    let place = file.ancestors().find(|directory| directory.is_dir())?;
    (!directory::is_busy(place)).then(|| place.to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn another_file_of_the_same_size_and_time_is_noticed_and_so_is_its_mode() {
        let home = tempfile::tempdir().unwrap();
        let (path, other) = (home.path().join("config.toml"), home.path().join("other"));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for (file, text) in [(&path, "a"), (&other, "b")] {
            fs::write(file, text).unwrap();
            fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
        }
        let first = FileState::of(&path);
        assert_eq!(first, FileState::of(&path));
        fs::rename(&other, &path).unwrap();
        let second = FileState::of(&path);
        assert_ne!(first, second);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_ne!(second, FileState::of(&path));
        fs::remove_file(&path).unwrap();
        assert_eq!(FileState::of(&path), None);
    }
}
