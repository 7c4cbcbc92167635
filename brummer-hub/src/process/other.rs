//! macOS, Windows and others: processes by `sysinfo`, listening ports by `listeners`.
//!
//! What another user owns is left out there, so that "nobody found" is never taken for "nobody": the answer is that the
//! system does not tell.

use std::{
    collections::{HashMap, HashSet},
    env,
    path::Path,
    time::{Duration, SystemTime},
};

use listeners::{Protocol, SocketState};
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use super::{Holder, Process, View};

/// Ancestors that are followed. A shell, a package manager and a few wrappers are seldom ten.
const MAX_ANCESTORS: usize = 64;

/// One look at the system.
#[derive(Debug)]
pub(super) struct Look {
    ports: HashSet<u16>,
    /// Processes that listen on the ports in question. Read when first needed.
    owners: Option<HashMap<u16, Vec<u32>>>,
    /// All processes. Read when first needed.
    system: Option<System>,
}

impl Look {
    pub(super) fn new(ports: impl Iterator<Item = u16>) -> Self {
        Self { ports: ports.collect(), owners: None, system: None }
    }

    /// A process that listens on a port.
    pub(super) fn owner(&mut self, port: u16) -> Option<u32> {
        self.owners().get(&port)?.iter().min().copied()
    }

    fn owners(&mut self) -> &HashMap<u16, Vec<u32>> {
        let ports = &self.ports;
        self.owners.get_or_insert_with(|| {
            let mut owners: HashMap<u16, Vec<u32>> = HashMap::new();
            if is_wine() {
                return owners;
            }
            // An error only says that nothing is known.
            for listener in listeners::get_all().unwrap_or_default() {
                let (address, port) = (listener.socket.ip().to_canonical(), listener.socket.port());
                let is_local = address.is_unspecified() || address.is_loopback();
                let listens = listener.protocol == Protocol::TCP && listener.state == SocketState::Listen;
                if listens && is_local && ports.contains(&port) {
                    owners.entry(port).or_default().push(listener.process.pid);
                }
            }
            owners
        })
    }

    fn system(&mut self) -> &System {
        self.system.get_or_insert_with(|| {
            let mut system = System::new();
            system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
            system
        })
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

    fn holder(&mut self, pid: u32, port: u16) -> Holder {
        let owners = self.owners().get(&port).cloned().unwrap_or_default();
        if owners.iter().any(|&owner| self.descends(owner, pid)) {
            return Holder::Claimant;
        }
        owners.iter().min().map_or(Holder::Hidden, |&owner| Holder::Other(owner))
    }
}

/// Whether this is Wine and not Windows. Its table of sockets names no listener, and takes milliseconds for each connection
/// of the machine, also for those that were closed in the last minute: after a busy minute a look takes many seconds.
pub(super) fn is_wine() -> bool {
    // Only Wine has this program there.
    cfg!(windows)
        && env::var_os("SystemRoot")
            .is_some_and(|root| Path::new(&root).join("System32").join("wineboot.exe").exists())
}

fn lives(process: &sysinfo::Process) -> bool {
    !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
}

/// Whether a process lives. Where nothing can be waited for, this is asked again and again.
pub(super) fn is_alive(pid: u32) -> bool {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, ProcessRefreshKind::nothing());
    system.process(pid).is_some_and(lives)
}
