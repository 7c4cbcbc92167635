//! Finds doorbell files and says when they come, change and go.
//!
//! ```text
//!  notify's thread ──try_send──▶ signals (bounded) ─▶ watching thread ──Ring──▶ the hub (bounded)
//! ```
//!
//! The watching thread owns everything that is known of files and directories, and is the only one that reads them: no file
//! is touched on a runtime thread. The hub hears of a doorbell by a [`Ring`] over a bounded channel; when that channel is
//! full the thread waits, and what happens meanwhile is found by a scan. [`Watcher::stop`] ends the thread and waits for it,
//! dropping the [`Watcher`] only ends it. What else a program wants to hear of, as its configuration, the same thread watches.

#[cfg(any(windows, test))]
mod access;
mod directories;
mod directory;
mod files;
mod followed;
mod read;
mod thread;

#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{Arc, mpsc::SyncSender},
    time::SystemTime,
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    doorbell::{Doorbell, InstanceId},
    policy::tools::ToolFilter,
    sources::kind::SourceKind,
};

pub use directories::{DATA_DIRECTORY_VARIABLE, DataDirectoryError, Directories};
pub(crate) use directories::{create_private, create_private_file};
pub(crate) use followed::Followed;
pub use read::open_regular;
pub(crate) use read::{Stamp, contents, remove_if};
pub(crate) use thread::native;

/// A valid doorbell, or what another tool says of an instance, and where it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What the file says.
    pub doorbell: Doorbell,
    /// The file itself.
    pub file: PathBuf,
    /// When it was last written, to be compared with the start of the process it names. A later heartbeat does not move it.
    pub modified: SystemTime,
    /// Who wrote it. A file that is not a doorbell is another tool's, and is never deleted.
    pub source: SourceKind,
    /// Which tools are shown, by what the hub was told; all of these must let one through.
    pub filters: Vec<ToolFilter>,
    /// It belongs to no project, by what the hub was told, and is connected wherever sessions connect by themselves.
    pub everywhere: bool,
}

impl Found {
    /// Whether clients see a tool of the instance, and may call it.
    #[must_use]
    pub fn shows(&self, tool: &str) -> bool {
        self.filters.iter().all(|filter| filter.shows(tool))
    }

    /// Of nothing but the file.
    pub(crate) fn new(doorbell: Doorbell, file: PathBuf, modified: SystemTime, source: SourceKind) -> Self {
        Self { doorbell, file, modified, source, filters: Vec::new(), everywhere: false }
    }
}

/// Why a file is not read: it is not this user's, or others may write it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Untrusted(read::DoorbellRefusal);

impl Untrusted {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(&self.0, read::DoorbellRefusal::Unreadable(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory))
    }
}

/// The bytes of a file as they are taken from doorbells: of a regular file of this user that not every user may write, of at
/// most 64 KiB. Links are not followed. Blocking.
///
/// # Errors
/// When it is none.
pub fn read_trusted(file: &std::path::Path) -> Result<Vec<u8>, Untrusted> {
    read::contents(file).map(|(contents, _)| contents).map_err(Untrusted)
}

/// What the watcher tells.
#[derive(Clone, Debug)]
pub(crate) enum Ring {
    /// A doorbell is there, for the first time or with new contents.
    Appeared(Arc<Found>),
    /// A doorbell that had appeared is gone.
    Removed { file: PathBuf, id: InstanceId },
    /// All doorbells that were there at the start have been told.
    Scanned,
    /// All that other tools had left of what runs, too.
    Scouted,
    /// What a person has declared is not there, at the first look.
    Missed(InstanceId),
}

/// The running watcher. Dropping it stops it; [`Watcher::stop`] also waits for its thread.
#[derive(Debug)]
pub(crate) struct Watcher {
    stop: CancellationToken,
    signals: SyncSender<thread::WatcherSignal>,
    /// Closed when the thread has let go of everything.
    ended: oneshot::Receiver<()>,
}

impl Watcher {
    /// Starts watching on a thread of its own: no file is ever touched on a runtime thread. Never fails: what cannot be
    /// watched is polled, what cannot be read is reported once.
    pub(crate) fn start(
        directories: &Directories,
        followed: Followed,
        max_files: usize,
        rings: mpsc::Sender<Ring>,
    ) -> Self {
        let stop = CancellationToken::new();
        let (signals, ended) = thread::spawn(directories, followed, max_files, rings, stop.clone());
        Self { stop, signals, ended }
    }

    /// Stops the thread and waits until it has ended. Bounded: the thread waits for nothing but this and the system's
    /// answers to a few file operations.
    pub(crate) async fn stop(mut self) {
        self.end();
        // An error only says that the thread has dropped its end, which is what is awaited.
        let _ = (&mut self.ended).await;
    }

    fn end(&self) {
        self.stop.cancel();
        // Wakes a thread that waits for signals. When the queue is full the thread is awake, and sees the token next.
        let _ = self.signals.try_send(thread::WatcherSignal::Stop);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end();
    }
}

/// Deletes the file of an instance that is known to be gone, unless it has been written anew since: it is read again, and
/// must still name the same id and process. Runs on the blocking pool; a failure leaves the file, which the next hub sees.
pub(crate) async fn remove_stale(found: Arc<Found>) {
    if found.source != SourceKind::Doorbell {
        return;
    }
    let removed = tokio::task::spawn_blocking(move || {
        let former = &found.doorbell;
        let removed = remove_if(&found.file, |now| now.id == former.id && now.pid == former.pid);
        (found, removed)
    });
    match removed.await {
        Ok((found, Ok(removed))) => {
            tracing::debug!(file = %found.file.display(), removed, "stale doorbell");
        }
        Ok((found, Err(error))) => {
            tracing::debug!(file = %found.file.display(), %error, "cannot remove a stale doorbell");
        }
        // The runtime is shutting down.
        Err(_) => {}
    }
}
