//! Who listens on which port of this machine, asked of the system.
//!
//! A script owns the ports of its processes: of its own, of its descendants, and of those that were given to its guard when
//! their parents ended.

pub(crate) mod expected;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};

use brummer_hub::process::{self, Listener};

use crate::script::Process;

/// Ancestors that are followed. A shell, a package manager and a few wrappers are seldom ten.
const MAX_ANCESTORS: usize = 64;

/// The system, looked at once.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    listeners: Vec<Listener>,
    /// The parent of each process.
    parents: HashMap<u32, u32>,
    /// This process, whose children are guards.
    own: u32,
}

/// Whose a port is, seen from a script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Holder {
    /// The script's own.
    Own,
    /// Of a process that does not belong to it.
    Other(Listener),
    /// Nobody's, as far as the system tells: it names no processes of other users.
    Hidden,
}

impl Ports {
    /// Looks at the system, off the runtime's threads. What cannot be found out is missing.
    pub(crate) async fn look() -> Self {
        tokio::task::spawn_blocking(Self::read).await.unwrap_or_default()
    }

    fn read() -> Self {
        let parents = process::table().iter().map(|entry| (entry.pid, entry.parent)).collect();
        Self { listeners: process::listeners(), parents, own: std::process::id() }
    }

    /// The ports of a script with an address of each, in their order.
    pub(crate) fn of(&self, process: &Process) -> BTreeMap<u16, IpAddr> {
        let mut ports = BTreeMap::new();
        let roots = self.roots(process);
        for listener in self.listeners.iter().filter(|it| self.is_below(it.pid, &roots)) {
            // What can be reached from everywhere is best known by its local name.
            let address = ports.entry(listener.port).or_insert(listener.address);
            if listener.address.is_unspecified() {
                *address = listener.address;
            }
        }
        ports
    }

    /// Who listens on a port, on an address that this machine reaches itself by.
    pub(crate) fn listeners(&self, port: u16) -> impl Iterator<Item = &Listener> {
        let is_local = |address: IpAddr| address.is_unspecified() || address.is_loopback();
        self.listeners.iter().filter(move |it| it.port == port && is_local(it.address))
    }

    /// Whose a port is.
    pub(crate) fn holder(&self, process: &Process, port: u16) -> Holder {
        let roots = self.roots(process);
        let mut others = None;
        for listener in self.listeners(port) {
            if self.is_below(listener.pid, &roots) {
                return Holder::Own;
            }
            others.get_or_insert(listener);
        }
        others.map_or(Holder::Hidden, |other| Holder::Other(other.clone()))
    }

    /// A process and those above it, the nearest first.
    pub(crate) fn line(&self, pid: u32) -> Vec<u32> {
        let mut line = vec![pid];
        while let Some(parent) = line.last().and_then(|pid| self.parents.get(pid)).copied()
            && line.len() < MAX_ANCESTORS
            && !line.contains(&parent)
        {
            line.push(parent);
        }
        line
    }

    /// Whether a process belongs to a script.
    pub(crate) fn belongs(&self, pid: u32, process: &Process) -> bool {
        self.is_below(pid, &self.roots(process))
    }

    /// The processes whose descendants are a script's: its own and its guard.
    fn roots(&self, process: &Process) -> HashSet<u32> {
        let Some(leader) = process.state.pid() else { return HashSet::new() };
        let guard = self.parents.get(&leader).copied();
        // Where there are no guards, the parent is this process.
        let guard = guard.filter(|guard| *guard != self.own && self.parents.get(guard) == Some(&self.own));
        [leader].into_iter().chain(guard).collect()
    }

    fn is_below(&self, pid: u32, roots: &HashSet<u32>) -> bool {
        !roots.is_empty() && self.line(pid).iter().any(|ancestor| roots.contains(ancestor))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use jiff::Timestamp;

    use super::*;
    use crate::script::{Launch, ProcessState, Running};

    fn process(pid: u32) -> Process {
        Process {
            number: 1,
            id: "dev-1".into(),
            name: "dev".into(),
            also: None,
            script: "vite".into(),
            launch: Launch::default().into(),
            grace: crate::script::DEFAULT_GRACE,
            started: Timestamp::UNIX_EPOCH,
            state: ProcessState::Running(Running { pid }),
        }
    }

    fn listener(port: u16, pid: u32, address: IpAddr) -> Listener {
        Listener::new(port, address, pid, "node")
    }

    #[test]
    fn ports_belong_to_descendants_and_to_those_that_the_guard_has_taken_over() {
        let (local, any) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let ports = Ports {
            // 10 is `run`, 11 the guard, 12 the script, 13 its child, 14 an orphan; 21 and 22 are another script's.
            parents: HashMap::from([(11, 10), (12, 11), (13, 12), (14, 11), (21, 10), (22, 21), (10, 1)]),
            listeners: vec![
                listener(3000, 13, local),
                listener(3000, 13, any),
                listener(4000, 14, local),
                listener(5000, 22, local),
                listener(6000, 99, local),
                listener(7000, 99, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))),
            ],
            own: 10,
        };
        let dev = process(12);
        assert_eq!(ports.of(&dev), BTreeMap::from([(3000, any), (4000, local)]));
        assert_eq!(ports.holder(&dev, 3000), Holder::Own);
        assert!(matches!(ports.holder(&dev, 5000), Holder::Other(it) if it.pid == 22));
        assert!(matches!(ports.holder(&dev, 6000), Holder::Other(it) if it.pid == 99));
        assert_eq!(ports.holder(&dev, 7000), Holder::Hidden, "it cannot be reached at loopback");
        assert_eq!(ports.line(13), [13, 12, 11, 10, 1]);
        let mut ended = process(12);
        ended.state = ProcessState::Pending;
        assert!(ports.of(&ended).is_empty());
    }

    #[tokio::test]
    async fn the_system_knows_this_process() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ports = Ports::look().await;
        assert_eq!(ports.listeners(port).map(|it| it.pid).collect::<Vec<_>>(), [std::process::id()]);
        assert!(ports.line(std::process::id()).len() > 1);
    }
}
