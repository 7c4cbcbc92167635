//! What the operating system knows of an instance's process: whether it lives, whether it is old enough to have written the
//! file, and whether it holds the port that the file names.
//!
//! ```text
//!  instance tasks ──claims (bounded)──▶ inspecting thread ──answer (oneshot)──▶ each task
//! ```
//!
//! The thread takes all claims that wait, looks at the system once, and answers them from what it saw: a thousand claims cost
//! little more than one. It ends when the last [`Inspector`] is dropped. [`exited`] needs no thread where the system has a
//! descriptor that becomes readable when a process ends.

mod exit;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(test)]
mod tests;

use std::{
    thread,
    time::{Duration, SystemTime},
};

use tokio::sync::{mpsc, oneshot};

pub(crate) use exit::exited;
#[cfg(target_os = "linux")]
use linux::Look;
#[cfg(not(target_os = "linux"))]
use other::Look;

/// How much younger than its file a process may seem and still have written it. Some file systems keep times to 2 s (FAT),
/// systems tell the start of a process to 1 s, and the clock may have been set a little in between.
const AGE_SLACK: Duration = Duration::from_secs(2);

/// Claims that wait for the thread, and that it answers from one look: as many as there may be instances.
const CLAIMS: usize = 1024;

/// What a doorbell claims, to be checked against the system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    /// When the file was written: a process younger than it did not write it.
    pub(crate) written: SystemTime,
}

/// The system's answer to a [`Claim`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Identity {
    /// The process lives, is older than the file, and it or a descendant of it holds the listening port.
    Confirmed,
    /// The process lives and nothing speaks against it, but the system does not tell who holds the port.
    Plausible,
    /// No process has that id.
    Gone,
    /// The process with that id began after the file was written: the id was reused.
    Reused,
    /// Another process holds the port.
    PortTaken { owner: u32 },
    /// The process lives, and nobody listens on the port.
    NotListening,
}

/// A process that lives.
#[derive(Clone, Copy, Debug)]
struct Process {
    /// None where the system does not tell.
    started: Option<SystemTime>,
}

/// Who listens on a port, seen from a process that is said to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Holder {
    /// The process or a descendant of it.
    Claimant,
    /// Neither of them.
    Other(u32),
    #[cfg_attr(
        not(target_os = "linux"),
        allow(dead_code, reason = "only Linux shows every listening socket")
    )]
    Nobody,
    /// The system does not tell: the holder, or the process itself, is not ours to inspect.
    Hidden,
}

/// The system, looked at once. Everything that is asked twice is looked up once.
trait View {
    /// None when there is no such process, or it has ended and only waits to be collected.
    fn process(&mut self, pid: u32) -> Option<Process>;
    fn holder(&mut self, pid: u32, port: u16) -> Holder;
}

impl Claim {
    fn judge(self, view: &mut impl View) -> Identity {
        let Some(process) = view.process(self.pid) else { return Identity::Gone };
        // A time beyond what the clock can say is never exceeded.
        let latest = self.written.checked_add(AGE_SLACK);
        if latest.is_some_and(|latest| process.started.is_some_and(|started| started > latest)) {
            return Identity::Reused;
        }
        match view.holder(self.pid, self.port) {
            Holder::Claimant => Identity::Confirmed,
            Holder::Other(owner) => Identity::PortTaken { owner },
            Holder::Nobody => Identity::NotListening,
            Holder::Hidden => Identity::Plausible,
        }
    }
}

type Request = (Claim, oneshot::Sender<Identity>);

/// Handle of the thread that asks the system. Clones ask the same thread; it ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Inspector {
    claims: mpsc::Sender<Request>,
}

impl Inspector {
    pub(crate) fn start() -> Self {
        let (claims, requests) = mpsc::channel(CLAIMS);
        let spawned = thread::Builder::new().name("brummer-processes".into()).spawn(|| inspect(requests));
        if let Err(error) = spawned {
            tracing::error!(%error, "cannot start the thread that inspects processes; instances go unchecked");
        }
        Self { claims }
    }

    /// Checks a claim. Many claims at once cost little more than one: they are answered in batches.
    pub(crate) async fn identify(&self, claim: Claim) -> Identity {
        let (answer, answered) = oneshot::channel();
        if self.claims.send((claim, answer)).await.is_err() {
            return Identity::Plausible;
        }
        // Without a thread nobody knows, and the connection decides.
        answered.await.unwrap_or(Identity::Plausible)
    }
}

fn inspect(mut requests: mpsc::Receiver<Request>) {
    let mut batch = Vec::new();
    while let Some(first) = requests.blocking_recv() {
        batch.push(first);
        while batch.len() < CLAIMS
            && let Ok(next) = requests.try_recv()
        {
            batch.push(next);
        }
        batch.retain(|(_, answer)| !answer.is_closed());
        let mut look = Look::new(batch.iter().map(|(claim, _)| claim.port));
        for (claim, answer) in batch.drain(..) {
            let identity = claim.judge(&mut look);
            tracing::debug!(?claim, ?identity, "inspected");
            // Whoever asked may have stopped waiting.
            let _ = answer.send(identity);
        }
    }
}

/// The process that listens on a loopback port, where the system tells.
#[must_use]
pub fn owner_of_port(port: u16) -> Option<u32> {
    Look::new([port].into_iter()).owner(port)
}

/// Waits until a process is gone, without polling where the system has an event for it. Returns at once when there is no
/// such process. Cancel-safe; the caller sets the bound.
pub async fn wait_for_exit(pid: u32) {
    exited(pid, tokio_util::sync::CancellationToken::new()).await;
}

/// The PID namespace of this process, where the system has them.
pub(crate) fn own_namespace() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return std::fs::metadata("/proc/self/ns/pid").ok().map(|it| std::os::unix::fs::MetadataExt::ino(&it));
    #[cfg(not(target_os = "linux"))]
    None
}

/// The namespace that Linux boots with (`PROC_PID_INIT_INO` in its sources).
const INITIAL_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Whether a process id of `theirs` means the same process here. A file that does not name its namespace is taken to be
/// of the one that the system booted with: a hub in a container may share the files, but not the processes, of its host.
pub(crate) fn same_namespace(theirs: Option<u64>, ours: Option<u64>) -> bool {
    ours.is_none_or(|ours| theirs.unwrap_or(INITIAL_NAMESPACE) == ours)
}
