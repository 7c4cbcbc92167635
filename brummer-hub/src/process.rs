//! What the operating system knows of an instance: which process and which user listen on its port, and whether the process
//! that the file names lives and is old enough to have written it. Nothing is sent to a port before its user is known.
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
    collections::HashMap,
    net::IpAddr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use tokio::sync::{mpsc, oneshot};

pub(crate) use exit::exited;
#[cfg(target_os = "linux")]
use linux::Look;
#[cfg(not(target_os = "linux"))]
use other::Look;
#[cfg(all(test, windows))]
pub(crate) use other::is_wine;

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
    /// The address that the file names.
    pub(crate) host: Option<IpAddr>,
    /// When the file was written: a process younger than it did not write it.
    pub(crate) written: SystemTime,
    /// The process id counts in another PID namespace: nothing here can be compared with it.
    pub(crate) elsewhere: bool,
}

/// The system's answer to a [`Claim`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Identity {
    /// The process, or a relative of it, listens on the port, at this address.
    Confirmed { address: Option<IpAddr> },
    /// Nothing speaks against it, but the system does not tell which process holds the port.
    Plausible { address: Option<IpAddr> },
    /// No process has that id.
    Gone,
    /// The process with that id does not hold the port, and began after the file was written: the id was reused.
    Reused,
    /// Another process of this user, or of root, holds the port.
    PortTaken { owner: u32 },
    /// Somebody else listens on the port.
    OtherUser(User),
    /// The process lives, and nobody listens on the port.
    NotListening,
}

impl Identity {
    /// Where the instance listens, if the system tells.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Confirmed { address } | Self::Plausible { address } => address,
            _ => None,
        }
    }
}

/// Another user, as far as the system tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum User {
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "elsewhere the process tells the user"))]
    Number(u32),
    #[cfg_attr(target_os = "linux", allow(dead_code, reason = "Linux tells the user of every socket"))]
    OfProcess(u32),
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
    /// The process, or a descendant or an ancestor of it, at this address.
    Claimant {
        address: Option<IpAddr>,
    },
    /// None of them.
    Other(u32),
    /// Another user, who is not root either.
    OtherUser(User),
    Nobody,
    /// The user is right, but the process that listens, or the one that is said to, is not ours to inspect.
    Hidden {
        address: Option<IpAddr>,
    },
    /// The system tells nothing of ports.
    #[cfg_attr(target_os = "linux", allow(dead_code, reason = "Linux shows every listening socket"))]
    Unknown,
}

/// The system, looked at once. Everything that is asked twice is looked up once.
trait View {
    /// None when there is no such process, or it has ended and only waits to be collected.
    fn process(&mut self, pid: u32) -> Option<Process>;
    /// Who listens on a port, at an address if one is named. Without a process only users count.
    fn holder(&mut self, pid: Option<u32>, port: u16, host: Option<IpAddr>) -> Holder;
}

impl Claim {
    /// Who holds the port weighs more than how old the process looks: clocks jump, as when a virtual machine goes on.
    fn judge(self, view: &mut impl View) -> Identity {
        if self.elsewhere {
            return match view.holder(None, self.port, self.host) {
                Holder::OtherUser(user) => Identity::OtherUser(user),
                Holder::Claimant { address } | Holder::Hidden { address } => Identity::Plausible { address },
                // The connection decides, which may lead into another network.
                Holder::Other(_) | Holder::Nobody | Holder::Unknown => Identity::Plausible { address: None },
            };
        }
        let Some(process) = view.process(self.pid) else { return Identity::Gone };
        // A time beyond what the clock can say is never exceeded.
        let latest = self.written.checked_add(AGE_SLACK);
        let is_younger = latest.is_some_and(|latest| process.started.is_some_and(|started| started > latest));
        match view.holder(Some(self.pid), self.port, self.host) {
            Holder::Claimant { address } => Identity::Confirmed { address },
            Holder::OtherUser(user) => Identity::OtherUser(user),
            Holder::Hidden { address } => Identity::Plausible { address },
            Holder::Other(_) | Holder::Nobody | Holder::Unknown if is_younger => Identity::Reused,
            Holder::Other(owner) => Identity::PortTaken { owner },
            Holder::Nobody => Identity::NotListening,
            Holder::Unknown => Identity::Plausible { address: None },
        }
    }
}

/// What the system knows of a process that is said to listen on a socket that is a file, or a pipe: whether it lives, is old
/// enough, and whether the socket is of this user or of root. The port of the claim does not count.
pub(crate) async fn identify_local(claim: Claim, socket: PathBuf) -> Identity {
    let looked = tokio::task::spawn_blocking(move || {
        let Some(process) = Look::new(std::iter::empty()).process(claim.pid) else { return Identity::Gone };
        let latest = claim.written.checked_add(AGE_SLACK);
        if latest.is_some_and(|latest| process.started.is_some_and(|started| started > latest)) {
            return Identity::Reused;
        }
        owner_of(&socket)
    });
    // It fails only when the runtime shuts down.
    looked.await.unwrap_or(Identity::NotListening)
}

#[cfg(unix)]
fn owner_of(socket: &Path) -> Identity {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

    let own = rustix::process::geteuid().as_raw();
    match std::fs::symlink_metadata(socket) {
        Ok(it) if !it.file_type().is_socket() => Identity::NotListening,
        Ok(it) if it.uid() != own && it.uid() != 0 => Identity::OtherUser(User::Number(it.uid())),
        Ok(_) => Identity::Confirmed { address: None },
        Err(_) => Identity::NotListening,
    }
}

/// Whose a pipe is can be asked only by connecting to it.
#[cfg(not(unix))]
fn owner_of(_socket: &Path) -> Identity {
    Identity::Plausible { address: None }
}

type IdentifyRequest = (Claim, oneshot::Sender<Identity>);

/// Handle of the thread that asks the system. Clones ask the same thread; it ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Inspector {
    claims: mpsc::Sender<IdentifyRequest>,
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
        // Without a thread nobody knows, and the connection decides.
        let unknown = Identity::Plausible { address: claim.host };
        if self.claims.send((claim, answer)).await.is_err() {
            return unknown;
        }
        answered.await.unwrap_or(unknown)
    }
}

fn inspect(mut requests: mpsc::Receiver<IdentifyRequest>) {
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

/// The process that listens on a port, where the system tells: at this loopback address, or at any that loopback reaches.
#[must_use]
pub fn owner_of_port(host: Option<IpAddr>, port: u16) -> Option<u32> {
    Look::new([port].into_iter()).owner(host, port)
}

/// One process of the system's table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Its number.
    pub pid: u32,
    /// The process that started it, or that it was given to.
    pub parent: u32,
    /// Its process group, where there are such.
    pub group: Option<u32>,
    /// When it began, in a unit of the system's own. With the number it names one process; none where the system does not tell.
    pub began: Option<u64>,
}

/// All processes, whatever their names: those are bytes, and no process gets out of sight by one that is no text. Blocking.
#[must_use]
pub fn table() -> Vec<Entry> {
    #[cfg(target_os = "linux")]
    return linux::table();
    #[cfg(not(target_os = "linux"))]
    other::table()
}

/// A process that listens on a port.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Listener {
    /// The port.
    pub port: u16,
    /// The address, which may be any of this machine, or unspecified.
    pub address: IpAddr,
    /// The process; of several that share the socket, the oldest.
    pub pid: u32,
    /// What the system calls the process.
    pub name: String,
}

impl Listener {
    /// One that the caller knows of.
    #[must_use]
    pub fn new(port: u16, address: IpAddr, pid: u32, name: impl Into<String>) -> Self {
        Self { port, address, pid, name: name.into() }
    }
}

/// All that listen on TCP ports, as far as the system tells: it may name none of other users. Blocking.
#[must_use]
pub fn listeners() -> Vec<Listener> {
    #[cfg(target_os = "linux")]
    return linux::listeners();
    #[cfg(not(target_os = "linux"))]
    other::listeners()
}

/// The names of the programs above a process, the nearest first, each once in a row. Blocking.
pub(crate) fn ancestry(pid: u32) -> Vec<String> {
    /// A shell, a package manager and whoever started them.
    const MOST: usize = 6;
    #[cfg(target_os = "linux")]
    let mut names = linux::ancestry(pid);
    #[cfg(not(target_os = "linux"))]
    let mut names = other::ancestry(pid);
    names.dedup();
    names.truncate(MOST);
    names
}

/// A socket on which a process of this user listens, at an address that loopback reaches.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Listening {
    pub(crate) port: u16,
    pub(crate) address: IpAddr,
    /// Which socket it is, in a number of the system's own.
    pub(crate) mark: u64,
}

/// Whether [`listening`] costs microseconds, and not milliseconds.
pub(crate) const LISTENING_IS_CHEAP: bool = cfg!(target_os = "linux");

/// All sockets on which processes of this user listen. Blocking.
pub(crate) fn listening() -> Vec<Listening> {
    #[cfg(target_os = "linux")]
    return linux::own_listening();
    #[cfg(not(target_os = "linux"))]
    other::own_listening()
}

/// The processes that hold these sockets, by their marks; of several that share one, the oldest. Blocking.
pub(crate) fn holders(sockets: &[Listening]) -> HashMap<u64, u32> {
    #[cfg(target_os = "linux")]
    return linux::holders(sockets);
    #[cfg(not(target_os = "linux"))]
    other::holders(sockets)
}

/// What a process of this user is, as far as the system tells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Description {
    /// How it was started, or what it calls itself since.
    pub(crate) arguments: Vec<String>,
    pub(crate) executable: Option<PathBuf>,
    /// Where it works.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) started: Option<SystemTime>,
}

impl Description {
    /// Of a process that is there. Blocking.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        #[cfg(target_os = "linux")]
        return linux::describe(pid);
        #[cfg(not(target_os = "linux"))]
        other::describe(pid)
    }

    /// The name of its program, as it calls itself, without a path and `.exe`.
    pub(crate) fn program(&self) -> &str {
        let of_file = || self.executable.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        let called = self.arguments.first().map(String::as_str).filter(|name| !name.is_empty());
        let name = called.or_else(of_file).unwrap_or_default();
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        name.strip_suffix(".exe").unwrap_or(name)
    }
}

/// One process as the table would have it now. Blocking.
#[must_use]
pub fn entry(pid: u32) -> Option<Entry> {
    #[cfg(target_os = "linux")]
    return linux::entry(pid);
    #[cfg(not(target_os = "linux"))]
    table().into_iter().find(|entry| entry.pid == pid)
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

/// Whether a file says that its process id counts in another namespace than ours.
pub(crate) fn is_elsewhere(theirs: Option<u64>, ours: Option<u64>) -> bool {
    matches!((theirs, ours), (Some(theirs), Some(ours)) if theirs != ours)
}

/// Whether a process id of `theirs` means the same process here. A file that does not name its namespace is taken to be
/// of the one that the system booted with: a hub in a container may share the files, but not the processes, of its host.
pub(crate) fn same_namespace(theirs: Option<u64>, ours: Option<u64>) -> bool {
    ours.is_none_or(|ours| theirs.unwrap_or(INITIAL_NAMESPACE) == ours)
}
