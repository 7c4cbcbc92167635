//! macOS, Windows and others: processes by `sysinfo`, listening ports by `listeners`.
//!
//! The user of a port is that of the process that listens. Windows tells that process for every port, but the user only of
//! processes that are ours to inspect: those of other users are told by that. macOS leaves out what another user listens on:
//! a port that nobody is found for is one of root's or of another user's, or nobody's.

use std::{
    collections::{HashMap, HashSet},
    env,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    time::{Duration, SystemTime},
};

use listeners::{Protocol, SocketState};
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, Uid, UpdateKind};

use super::{Description, Entry, Holder, Listener, Listening, Process, User, View};

/// Ancestors that are followed. A shell, a package manager and a few wrappers are seldom ten.
const MAX_ANCESTORS: usize = 64;

/// One look at the system.
#[derive(Debug)]
pub(super) struct Look {
    ports: HashSet<u16>,
    /// Processes that listen on the ports in question, and where. Read when first needed.
    owners: Option<HashMap<u16, Vec<Bound>>>,
    /// All processes. Read when first needed.
    system: Option<System>,
}

/// A process that listens on an address that loopback reaches.
#[derive(Clone, Copy, Debug)]
struct Bound {
    address: IpAddr,
    process: u32,
}

impl Look {
    pub(super) fn new(ports: impl Iterator<Item = u16>) -> Self {
        Self { ports: ports.collect(), owners: None, system: None }
    }

    /// A process that listens on a port, at this address or at any.
    pub(super) fn owner(&mut self, host: Option<IpAddr>, port: u16) -> Option<u32> {
        let listening = self.owners().get(&port)?;
        let at = |wanted: &dyn Fn(IpAddr) -> bool| {
            listening
                .iter()
                .filter(|listening| wanted(listening.address))
                .map(|listening| listening.process)
                .min()
        };
        match host {
            None => at(&|_| true),
            Some(host) => at(&|address| address == host).or_else(|| at(&|address| address.is_unspecified())),
        }
    }

    fn owners(&mut self) -> &HashMap<u16, Vec<Bound>> {
        let ports = &self.ports;
        self.owners.get_or_insert_with(|| {
            let mut owners: HashMap<u16, Vec<Bound>> = HashMap::new();
            for Listener { port, address, pid, .. } in listeners() {
                let is_local = address.is_unspecified() || address.is_loopback();
                if is_local && ports.contains(&port) {
                    owners.entry(port).or_default().push(Bound { address, process: pid });
                }
            }
            owners
        })
    }

    fn system(&mut self) -> &System {
        self.system.get_or_insert_with(|| {
            let mut system = System::new();
            let with_users = ProcessRefreshKind::nothing().with_user(UpdateKind::OnlyIfNotSet);
            system.refresh_processes_specifics(ProcessesToUpdate::All, true, with_users);
            system
        })
    }

    fn user(&mut self, pid: u32) -> Option<Uid> {
        self.system().process(Pid::from_u32(pid))?.user_id().cloned()
    }

    /// Whether the user of a process may be spoken to: this one, or root.
    fn is_trusted(&mut self, pid: u32) -> bool {
        let Some(user) = self.user(pid) else { return false };
        self.user(std::process::id()).is_some_and(|own| own == user) || is_root(&user)
    }

    fn descends(&mut self, process: u32, ancestor: u32) -> bool {
        let system = self.system();
        let mut current = Pid::from_u32(process);
        for _ in 0..MAX_ANCESTORS {
            if current.as_u32() == ancestor {
                return true;
            }
            let Some(child) = system.process(current) else { return false };
            let Some(parent) = child.parent() else { return false };
            // Windows keeps the number of a parent that has ended, and gives it to another process: one that is younger.
            let is_younger = |parent: &sysinfo::Process| parent.start_time() > child.start_time();
            if system.process(parent).is_some_and(is_younger) {
                return false;
            }
            current = parent;
        }
        false
    }
}

impl View for Look {
    fn process(&mut self, pid: u32) -> Option<Process> {
        let process = self.system().process(Pid::from_u32(pid)).filter(|process| lives(process))?;
        let seconds = process.start_time();
        // Zero for a process that is not ours to inspect.
        let started = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        Some(Process { started: started.filter(|_| seconds > 0) })
    }

    fn holder(&mut self, pid: Option<u32>, port: u16, host: Option<IpAddr>) -> Holder {
        if is_wine() {
            return Holder::Unknown;
        }
        let owners = self.owners().get(&port).cloned().unwrap_or_default();
        let addresses = addresses(&owners, host);
        let mut anybody = None;
        for address in addresses {
            for owner in receivers(&owners, address) {
                anybody = anybody.or(Some((address, owner)));
                let Some(pid) = pid else { continue };
                if self.descends(owner, pid) || self.descends(pid, owner) {
                    return if self.is_trusted(owner) {
                        Holder::Claimant { address: Some(address) }
                    } else {
                        Holder::OtherUser(User::OfProcess(owner))
                    };
                }
            }
        }
        match anybody {
            Some((_, owner)) if !self.is_trusted(owner) => Holder::OtherUser(User::OfProcess(owner)),
            Some((address, _)) if pid.is_none() => Holder::Hidden { address: Some(address) },
            Some((_, owner)) => Holder::Other(owner),
            // All that is listened on is told there; and what a process of ours listens on, everywhere.
            None if cfg!(windows) || pid.is_some_and(|pid| self.is_ours(pid)) => Holder::Nobody,
            None => Holder::Hidden { address: host },
        }
    }
}

impl Look {
    fn is_ours(&mut self, pid: u32) -> bool {
        let user = self.user(pid);
        user.is_some() && user == self.user(std::process::id())
    }
}

#[cfg(unix)]
fn is_root(user: &Uid) -> bool {
    **user == 0
}

/// The system's own account (`LocalSystem`).
#[cfg(not(unix))]
fn is_root(user: &Uid) -> bool {
    user.to_string() == "S-1-5-18"
}

/// Where to try, in this order: the address that was named, or the two that servers choose and then what else there is.
fn addresses(owners: &[Bound], host: Option<IpAddr>) -> Vec<IpAddr> {
    if let Some(host) = host {
        return vec![host];
    }
    let mut addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for address in owners.iter().map(|listening| listening.address) {
        if address.is_loopback() && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// The processes that a connection to an address may end up with: those bound to it, else those bound to every address.
fn receivers(owners: &[Bound], address: IpAddr) -> Vec<u32> {
    let rank = |listening: &Bound| match listening.address {
        bound if bound == address => Some(0),
        IpAddr::V4(bound) if bound.is_unspecified() && address.is_ipv4() => Some(1),
        // It may take IPv4 too.
        IpAddr::V6(bound) if bound.is_unspecified() => Some(if address.is_ipv6() { 1 } else { 2 }),
        _ => None,
    };
    let best = owners.iter().filter_map(rank).min();
    owners.iter().filter(|it| best.is_some() && rank(it) == best).map(|it| it.process).collect()
}

/// Whether this is Wine and not Windows. Its table of sockets names no listener, and takes milliseconds for each connection
/// of the machine, also for those that were closed in the last minute: after a busy minute a look takes many seconds.
pub(crate) fn is_wine() -> bool {
    // Only Wine has this program there.
    cfg!(windows)
        && env::var_os("SystemRoot")
            .is_some_and(|root| Path::new(&root).join("System32").join("wineboot.exe").exists())
}

fn lives(process: &sysinfo::Process) -> bool {
    !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
}

/// All that listen, as far as the system tells.
pub(super) fn listeners() -> Vec<Listener> {
    if is_wine() {
        return Vec::new();
    }
    // An error only says that nothing is known.
    let all = listeners::get_all().unwrap_or_default().into_iter();
    let listening = all.filter(|it| it.protocol == Protocol::TCP && it.state == SocketState::Listen);
    let listening = listening.map(|it| Listener {
        port: it.socket.port(),
        address: it.socket.ip().to_canonical(),
        pid: it.process.pid,
        name: it.process.name,
    });
    listening.collect()
}

/// All processes.
pub(super) fn table() -> Vec<Entry> {
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
    // Windows keeps the number of a parent that has ended, and gives it to another process: one that is younger.
    let is_older = |parent: &Pid, child: &sysinfo::Process| {
        system.process(*parent).is_none_or(|parent| parent.start_time() <= child.start_time())
    };
    let entries = system.processes().iter().map(|(pid, process)| Entry {
        pid: pid.as_u32(),
        parent: process
            .parent()
            .filter(|parent| is_older(parent, process))
            .map(Pid::as_u32)
            .unwrap_or_default(),
        group: group(pid.as_u32()),
        began: Some(process.start_time()).filter(|seconds| *seconds > 0),
    });
    entries.collect()
}

/// The names of the processes that led to one.
pub(super) fn ancestry(pid: u32) -> Vec<String> {
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
    let mut names = Vec::new();
    let mut current = system.process(Pid::from_u32(pid));
    while let Some(child) = current
        && names.len() < MAX_ANCESTORS
        && let Some(parent) = child.parent().and_then(|parent| system.process(parent))
        // Windows gives the number of a parent that has ended to another process: one that is younger.
        && parent.start_time() <= child.start_time()
        && parent.pid().as_u32() > 1
    {
        names.push(parent.name().to_string_lossy().into_owned());
        current = Some(parent);
    }
    names
}

/// The sockets that listen where loopback reaches them. A process is the mark of what it listens on. Windows tells of those of
/// other users, too, whose programs and directories it keeps to itself.
pub(super) fn own_listening() -> Vec<Listening> {
    let listening = listeners().into_iter().map(|it| Listening {
        port: it.port,
        address: it.address,
        mark: it.pid.into(),
    });
    listening.filter(|it| it.address.is_unspecified() || it.address.is_loopback()).collect()
}

/// Which processes hold them.
pub(super) fn holders(listening: &[Listening]) -> HashMap<u64, u32> {
    listening.iter().filter_map(|it| Some((it.mark, u32::try_from(it.mark).ok()?))).collect()
}

/// What a process is.
pub(super) fn describe(pid: u32) -> Option<Description> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    let all = ProcessRefreshKind::nothing()
        .with_cmd(UpdateKind::Always)
        .with_exe(UpdateKind::Always)
        .with_cwd(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, all);
    let process = system.process(pid).filter(|process| lives(process))?;
    let seconds = process.start_time();
    Some(Description {
        arguments: process.cmd().iter().map(|it| it.to_string_lossy().into_owned()).collect(),
        executable: process.exe().map(Path::to_owned),
        directory: process.cwd().map(Path::to_owned),
        started: SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).filter(|_| seconds > 0),
    })
}

#[cfg(unix)]
fn group(pid: u32) -> Option<u32> {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed())?;
    let group = rustix::process::getpgid(Some(pid)).ok()?;
    Some(group.as_raw_nonzero().get().cast_unsigned())
}

#[cfg(not(unix))]
fn group(_pid: u32) -> Option<u32> {
    None
}

/// Whether a process lives. Where nothing can be waited for, this is asked again and again.
pub(super) fn is_alive(pid: u32) -> bool {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, ProcessRefreshKind::nothing());
    system.process(pid).is_some_and(lives)
}
