//! What is known of the files: which doorbells have been told, and which files were refused and why.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Found, Ring,
    read::{self, DoorbellReading, DoorbellRefusal, Stamp},
};

/// Refused files that are remembered, so that each is reported once. Beyond it files are refused in silence.
const MAX_REFUSED: usize = 1024;

/// Entries of a directory that one scan looks at: far above the instances allowed, so that only a directory that is not
/// ours is cut short.
const MAX_ENTRIES: usize = 64 * 1024;

/// How long a file that is not yet JSON may stay so before it is refused. Writing a file takes microseconds.
const UNFINISHED: Duration = Duration::from_secs(1);

/// The files, and the way to the hub.
#[derive(Debug)]
pub(super) struct Files {
    max_files: usize,
    told: HashMap<PathBuf, KnownDoorbell>,
    refused: HashMap<PathBuf, Refused>,
    /// Whether a valid doorbell was turned away because there were too many.
    crowded: bool,
    /// Whether a place became free since then.
    room: bool,
    rings: Rings,
}

/// A doorbell that the hub knows.
#[derive(Debug)]
struct KnownDoorbell {
    found: Arc<Found>,
    /// Compared before the file is read again; none while it could change without showing it.
    stamp: Option<Stamp>,
}

/// A file that is not a doorbell, or not yet.
#[derive(Debug)]
struct Refused {
    stamp: Option<Stamp>,
    /// The reason that was last reported; none while the file may be in the middle of being written.
    reported: Option<String>,
    /// When it was first seen like this.
    since: Instant,
}

/// Sends to the hub, waiting while its queue is full, but not beyond the stop.
#[derive(Debug)]
pub(super) struct Rings {
    pub(super) sender: mpsc::Sender<Ring>,
    pub(super) stop: CancellationToken,
}

impl Rings {
    fn send(&self, ring: Ring) {
        match self.sender.try_send(ring) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(ring)) => {
                let sent = pollster::block_on(self.stop.run_until_cancelled(self.sender.send(ring)));
                if !matches!(sent, Some(Ok(()))) {
                    tracing::debug!("the hub no longer listens for doorbells");
                }
            }
        }
    }

    /// Whether nobody wants to hear more.
    pub(super) fn are_over(&self) -> bool {
        self.stop.is_cancelled() || self.sender.is_closed()
    }
}

/// Whether a name may be a doorbell's. Hidden files are temporary ones (the Go program prepares `.tmp-instance-*` in place).
pub(super) fn is_candidate(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().as_encoded_bytes();
    name.ends_with(b".json") && !name.starts_with(b".")
}

impl Files {
    pub(super) fn new(max_files: usize, rings: Rings) -> Self {
        Self { max_files, told: HashMap::new(), refused: HashMap::new(), crowded: false, room: false, rings }
    }

    pub(super) fn are_over(&self) -> bool {
        self.rings.are_over()
    }

    pub(super) fn tell_scanned(&self) {
        self.rings.send(Ring::Scanned);
    }

    /// Looks at every file of a directory. Files that have not changed are not read again.
    pub(super) fn scan(&mut self, directory: &Path) {
        match fs::read_dir(directory) {
            Ok(entries) => {
                for entry in entries.take(MAX_ENTRIES).flatten() {
                    let file = entry.path();
                    if is_candidate(&file) {
                        self.look(&file);
                    }
                    if self.are_over() {
                        return;
                    }
                }
            }
            Err(error) => tracing::debug!(directory = %directory.display(), %error, "cannot list"),
        }
        // What is known but was not listed is gone, or is found to be there still.
        let known = self.told.keys().chain(self.refused.keys());
        let known: Vec<PathBuf> = known.filter(|file| file.parent() == Some(directory)).cloned().collect();
        for file in known {
            if fs::symlink_metadata(&file).is_err_and(|error| is_absent(&error)) {
                self.forget(&file);
            }
        }
    }

    /// Looks at one file that may be new, changed or gone.
    pub(super) fn look(&mut self, file: &Path) {
        match fs::symlink_metadata(file) {
            Ok(metadata) => {
                let stamp = Some(Stamp::of(&metadata));
                let known = self.told.get(file).and_then(|told| told.stamp);
                let known = known.or_else(|| self.refused.get(file).and_then(|refused| refused.stamp));
                if known.is_none() || known != stamp {
                    self.examine(file);
                }
            }
            Err(error) if is_absent(&error) => self.forget(file),
            Err(error) => self.refuse(file, &error.into(), None),
        }
    }

    fn examine(&mut self, file: &Path) {
        let now = SystemTime::now();
        match read::read(file) {
            Ok(DoorbellReading { found, stamp, remarks }) => {
                if self.accept(file, found, Some(stamp).filter(|stamp| stamp.is_settled(now))) {
                    for remark in remarks {
                        tracing::warn!(file = %file.display(), "{remark}");
                    }
                }
            }
            Err((refusal, _)) if refusal.is_gone() => self.forget(file),
            Err((refusal, stamp)) => self.refuse(file, &refusal, stamp.filter(|stamp| stamp.is_settled(now))),
        }
    }

    /// Takes a doorbell. Says whether it is news.
    fn accept(&mut self, file: &Path, found: Arc<Found>, stamp: Option<Stamp>) -> bool {
        self.refused.remove(file);
        let is_full = self.told.len() >= self.max_files;
        match self.told.get_mut(file) {
            // A heartbeat, or the same thing written again: nothing that the hub would want to know.
            Some(told) if told.found.doorbell == found.doorbell => {
                told.stamp = stamp;
                return false;
            }
            Some(told) => *told = KnownDoorbell { found: Arc::clone(&found), stamp },
            None if is_full => {
                if !self.crowded {
                    self.crowded = true;
                    tracing::warn!(
                        file = %file.display(),
                        "refused a doorbell: there are {} such files already; further ones wait until one is gone",
                        self.max_files
                    );
                }
                return false;
            }
            None => {
                self.told.insert(file.to_owned(), KnownDoorbell { found: Arc::clone(&found), stamp });
            }
        }
        self.rings.send(Ring::Appeared(found));
        true
    }

    fn refuse(&mut self, file: &Path, refusal: &DoorbellRefusal, stamp: Option<Stamp>) {
        if !self.refused.contains_key(file) && self.refused.len() >= MAX_REFUSED {
            self.withdraw(file);
            return;
        }
        let refused = self.refused.entry(file.to_owned()).or_insert_with(|| Refused {
            stamp,
            reported: None,
            since: Instant::now(),
        });
        refused.stamp = stamp;
        if refused.reported.is_none() && refusal.may_be_unfinished() && refused.since.elapsed() < UNFINISHED {
            // Looked at again when it changes, and by `finish` when it does not.
            refused.stamp = None;
            return;
        }
        let reason = refusal.to_string();
        if refused.reported.as_ref() != Some(&reason) {
            tracing::warn!(file = %file.display(), "refused a doorbell: {reason}");
            refused.reported = Some(reason);
        }
        self.withdraw(file);
    }

    /// Judges the files that were not yet JSON when last seen and have not changed since. Says whether some are left.
    pub(super) fn finish(&mut self) -> bool {
        let unfinished = self.refused.iter().filter(|(_, refused)| refused.reported.is_none());
        let unfinished: Vec<PathBuf> = unfinished.map(|(file, _)| file.clone()).collect();
        for file in &unfinished {
            self.look(file);
        }
        !unfinished.is_empty()
    }

    fn forget(&mut self, file: &Path) {
        self.refused.remove(file);
        self.withdraw(file);
    }

    /// Takes back what was told of a file.
    fn withdraw(&mut self, file: &Path) {
        if let Some(told) = self.told.remove(file) {
            self.room |= self.crowded;
            self.rings.send(Ring::Removed { file: file.to_owned(), id: told.found.doorbell.id.clone() });
        }
    }

    /// Whether doorbells that were turned away may come in now. Says so once.
    pub(super) fn take_room(&mut self) -> bool {
        let room = std::mem::take(&mut self.room);
        self.crowded &= !room;
        room
    }
}

/// Whether an error says that there is no such file, not that it cannot be seen.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
