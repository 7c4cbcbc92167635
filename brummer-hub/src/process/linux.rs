//! Linux: everything is in `/proc`.
//!
//! The listening sockets are listed once, for the ports that are asked for, each with its user. Which process has a socket
//! shows in `/proc/PID/fd`, whose links name sockets by inode: the claimant's own are read first, its relatives' next, and
//! everybody's only when none of these has it.

mod diag;
mod table;

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::Read,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use rustix::time::{ClockId, clock_gettime};

use super::{Description, Entry, Holder, Listener, Listening, Process, User, View};

/// A line of `/proc/PID/stat` is a few hundred bytes; the process's name in it has at most 64.
const MAX_STAT_BYTES: u64 = 4096;

/// Ancestors that are followed. A shell, a package manager and a few wrappers are seldom ten.
const MAX_ANCESTORS: usize = 64;

/// Of the arguments of a process: what says which program it is stands at the front.
const MAX_ARGUMENT_BYTES: u64 = 16 * 1024;

/// One look at the system.
#[derive(Debug)]
pub(super) struct Look {
    /// The sockets that listen on the ports in question and that loopback reaches.
    listening: HashMap<u16, Vec<ListeningSocket>>,
    /// All of these inodes.
    wanted: HashSet<u64>,
    /// Which of the wanted sockets a process holds; none when its descriptors are not ours to see.
    held: HashMap<u32, Option<HashSet<u64>>>,
    /// Children of every process. Read when first needed.
    children: Option<HashMap<u32, Vec<u32>>>,
    /// A holder of each wanted socket. Read when first needed.
    owners: Option<HashMap<u64, u32>>,
    clock: Clock,
}

/// What turns the start of a process, counted in ticks since boot, into a time of day.
#[derive(Clone, Copy, Debug)]
struct Clock {
    now: SystemTime,
    since_boot: Duration,
    ticks_per_second: u64,
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stat {
    lives: bool,
    parent: u32,
    group: u32,
    start_ticks: u64,
}

impl Look {
    pub(super) fn new(ports: impl Iterator<Item = u16>) -> Self {
        let listening = listening(&ports.collect());
        let wanted = listening.values().flatten().map(|socket| socket.inode).collect();
        Self { listening, wanted, held: HashMap::new(), children: None, owners: None, clock: Clock::read() }
    }

    /// A process that holds the socket listening on a port, at this address or at any.
    pub(super) fn owner(&mut self, host: Option<IpAddr>, port: u16) -> Option<u32> {
        let sockets = self.listening.get(&port)?.clone();
        let owners = self.owners();
        if let Some(host) = host {
            return receivers(&sockets, host).find_map(|socket| owners.get(&socket.inode).copied());
        }
        // As a connection would find it.
        let first = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let first = first.into_iter().flat_map(|address| receivers(&sockets, address));
        first.chain(&sockets).find_map(|socket| owners.get(&socket.inode).copied())
    }

    fn held(&mut self, pid: u32) -> Option<&HashSet<u64>> {
        let wanted = &self.wanted;
        self.held.entry(pid).or_insert_with(|| sockets(pid, wanted)).as_ref()
    }

    fn owners(&mut self) -> &HashMap<u64, u32> {
        if self.owners.is_none() {
            let mut held = Vec::new();
            for pid in processes() {
                held.extend(self.held(pid).into_iter().flatten().map(|inode| (*inode, pid)));
            }
            self.owners = Some(eldest(held));
        }
        self.owners.get_or_insert_default()
    }

    /// A process and what descends from it.
    fn family(&mut self, pid: u32) -> Vec<u32> {
        let children = self.children.get_or_insert_with(|| {
            let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
            for (process, stat) in processes().filter_map(|pid| Some((pid, stat(pid)?))) {
                children.entry(stat.parent).or_default().push(process);
            }
            children
        });
        let mut family = vec![pid];
        let mut next = 0;
        while let Some(children) = family.get(next).and_then(|member| children.get(member)) {
            // What was read while processes came and went may go in circles.
            let new: Vec<u32> = children.iter().filter(|child| !family.contains(child)).copied().collect();
            family.extend(new);
            next += 1;
        }
        family
    }
}

impl View for Look {
    fn process(&mut self, pid: u32) -> Option<Process> {
        let stat = stat(pid).filter(|stat| stat.lives)?;
        Some(Process { started: self.clock.time_of(stat.start_ticks) })
    }

    fn holder(&mut self, pid: Option<u32>, port: u16, host: Option<IpAddr>) -> Holder {
        let Some(sockets) = self.listening.get(&port).cloned() else { return Holder::Nobody };
        let addresses = addresses(&sockets, host);
        // The first of these addresses at which a connection ends up with one of these sockets.
        let reached = |is_meant: &dyn Fn(&ListeningSocket) -> bool| {
            let reach =
                |address: &IpAddr| Some((*address, receivers(&sockets, *address).find(|it| is_meant(it))?));
            addresses.iter().find_map(reach)
        };
        let anybody = reached(&|_| true);
        let judged = |(address, socket): (IpAddr, &ListeningSocket), found: fn(Option<IpAddr>) -> Holder| {
            if is_trusted(socket.user) {
                found(Some(address))
            } else {
                Holder::OtherUser(User::Number(socket.user))
            }
        };
        let Some(pid) = pid else {
            return anybody.map_or(Holder::Nobody, |it| judged(it, |address| Holder::Hidden { address }));
        };
        // The process itself, then those that it started, then those that started it: a cluster's parent listens for its
        // workers.
        let mut family = vec![pid];
        let mut is_hidden = false;
        for round in 0..3 {
            match round {
                0 => {}
                1 => family = self.family(pid).split_off(1),
                _ => family = ancestors(pid),
            }
            for member in &family {
                let held = self.held(*member);
                let found = held.and_then(|held| reached(&|socket| held.contains(&socket.inode)));
                // An ancestor that is not ours to see proves nothing: the first of them is root's.
                is_hidden |= held.is_none() && round < 2 && stat(*member).is_some();
                if let Some(found) = found {
                    return judged(found, |address| Holder::Claimant { address });
                }
            }
        }
        let Some(anybody) = anybody else { return Holder::Nobody };
        if is_hidden || !is_trusted(anybody.1.user) {
            return judged(anybody, |address| Holder::Hidden { address });
        }
        let inode = anybody.1.inode;
        match self.owners().get(&inode) {
            Some(&owner) => Holder::Other(owner),
            None => Holder::Hidden { address: Some(anybody.0) },
        }
    }
}

/// Whether a user may be spoken to: this one, or root, who may do everything anyway.
fn is_trusted(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

/// Where to try, in this order: the address that was named, or the two that servers choose and then what else there is.
fn addresses(sockets: &[ListeningSocket], host: Option<IpAddr>) -> Vec<IpAddr> {
    if let Some(host) = host {
        return vec![host];
    }
    let mut addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for address in sockets.iter().map(|socket| socket.address.to_canonical()) {
        if address.is_loopback() && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// The sockets that a connection to an address may end up with: those bound to it, else those bound to every address.
fn receivers(sockets: &[ListeningSocket], address: IpAddr) -> impl Iterator<Item = &ListeningSocket> {
    let rank = move |socket: &ListeningSocket| match socket.address.to_canonical() {
        bound if bound == address => Some(0),
        IpAddr::V4(bound) if bound.is_unspecified() && address.is_ipv4() => Some(1),
        // It takes IPv4 too, unless it says otherwise.
        IpAddr::V6(bound) if bound.is_unspecified() => Some(if address.is_ipv6() { 1 } else { 2 }),
        _ => None,
    };
    let best = sockets.iter().filter_map(rank).min();
    sockets.iter().filter(move |socket| best.is_some() && rank(socket) == best)
}

/// The processes that led to one, the nearest first, without the first process of the system.
fn ancestors(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut current = pid;
    while found.len() < MAX_ANCESTORS
        && let Some(parent) = stat(current).map(|stat| stat.parent).filter(|parent| *parent > 1)
    {
        found.push(parent);
        current = parent;
    }
    found
}

impl Clock {
    fn read() -> Self {
        let since_boot = Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default();
        Self { now: SystemTime::now(), since_boot, ticks_per_second: rustix::param::clock_ticks_per_second() }
    }

    /// None when it would lie in the future: then the two clocks cannot be compared.
    fn time_of(self, ticks: u64) -> Option<SystemTime> {
        let whole = Duration::from_secs(ticks.checked_div(self.ticks_per_second)?);
        let rest =
            Duration::from_secs(ticks % self.ticks_per_second) / u32::try_from(self.ticks_per_second).ok()?;
        self.now.checked_sub(self.since_boot.checked_sub(whole + rest)?)
    }
}

/// Whether a process lives. Without a descriptor to wait for, this is asked again and again.
pub(super) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.lives)
}

/// All processes, those included that have ended and only wait to be collected.
pub(super) fn table() -> Vec<Entry> {
    processes().filter_map(entry).collect()
}

/// All that listen, but for those whose sockets are not ours to see.
pub(super) fn listeners() -> Vec<Listener> {
    let sockets: Vec<ListeningSocket> = every_listening().collect();
    let holders = holders_of(&sockets.iter().map(|socket| socket.inode).collect());
    let listeners = sockets.iter().filter_map(|socket| {
        let pid = *holders.get(&socket.inode)?;
        let address = socket.address.to_canonical();
        Some(Listener { port: socket.port, address, pid, name: name(pid).unwrap_or_default() })
    });
    listeners.collect()
}

fn name(pid: u32) -> Option<String> {
    let mut name = Vec::new();
    File::open(format!("/proc/{pid}/comm")).ok()?.take(MAX_STAT_BYTES).read_to_end(&mut name).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}

/// The names of the processes that led to one.
pub(super) fn ancestry(pid: u32) -> Vec<String> {
    ancestors(pid).into_iter().filter_map(name).collect()
}

pub(super) fn entry(pid: u32) -> Option<Entry> {
    let stat = stat(pid)?;
    let group = Some(stat.group).filter(|group| *group > 0);
    Some(Entry { pid, parent: stat.parent, group, began: Some(stat.start_ticks) })
}

/// The sockets of this user that listen where loopback reaches them.
pub(super) fn own_listening() -> Vec<Listening> {
    let own = rustix::process::geteuid().as_raw();
    let sockets = all_listening().filter(|socket| socket.user == own);
    let sockets = sockets.map(|ListeningSocket { address, port, inode, .. }| Listening {
        port,
        address: address.to_canonical(),
        mark: inode,
    });
    sockets.collect()
}

/// Which processes hold them.
pub(super) fn holders(listening: &[Listening]) -> HashMap<u64, u32> {
    holders_of(&listening.iter().map(|it| it.mark).collect())
}

fn holders_of(wanted: &HashSet<u64>) -> HashMap<u64, u32> {
    let held = |pid| sockets(pid, wanted).into_iter().flatten().map(move |inode| (inode, pid));
    eldest(processes().flat_map(held))
}

/// The first of the processes that hold each socket: the others have inherited it, if only for the moment before they become another
/// program. Numbers of processes begin anew when they are used up.
fn eldest(held: impl IntoIterator<Item = (u64, u32)>) -> HashMap<u64, u32> {
    eldest_by(held, |pid| stat(pid).map_or(u64::MAX, |stat| stat.start_ticks))
}

fn eldest_by(held: impl IntoIterator<Item = (u64, u32)>, started: impl Fn(u32) -> u64) -> HashMap<u64, u32> {
    let mut holders: HashMap<u64, u32> = HashMap::new();
    for (inode, pid) in held {
        let holder = holders.entry(inode).or_insert(pid);
        if *holder != pid && (started(pid), pid) < (started(*holder), *holder) {
            *holder = pid;
        }
    }
    holders
}

/// What a process is. Its directory and its program are shown to its own user only.
pub(super) fn describe(pid: u32) -> Option<Description> {
    let stat = stat(pid).filter(|stat| stat.lives)?;
    let mut arguments = Vec::new();
    let file = File::open(format!("/proc/{pid}/cmdline")).ok()?;
    file.take(MAX_ARGUMENT_BYTES).read_to_end(&mut arguments).ok()?;
    let arguments = arguments.split(|byte| *byte == 0).map(|it| String::from_utf8_lossy(it).into_owned());
    let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok();
    Some(Description {
        arguments: arguments.collect(),
        executable: link("exe"),
        directory: link("cwd"),
        started: Clock::read().time_of(stat.start_ticks),
    })
}

/// The ids of all processes.
fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn stat(pid: u32) -> Option<Stat> {
    let mut line = Vec::new();
    File::open(format!("/proc/{pid}/stat")).ok()?.take(MAX_STAT_BYTES).read_to_end(&mut line).ok()?;
    parse_stat(&line)
}

/// See proc_pid_stat(5). The name, in parentheses, may hold anything, parentheses too.
fn parse_stat(line: &[u8]) -> Option<Stat> {
    let end_of_name = line.iter().rposition(|&byte| byte == b')')?;
    let rest = str::from_utf8(&line[end_of_name + 1..]).ok()?;
    // Counted from the state, which is the third field.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    // A zombie with several threads is one whose first thread has ended before the others.
    let is_dead = matches!(*fields.first()?, "X" | "x") || (fields[0] == "Z" && number(20)? <= 1);
    Some(Stat {
        lives: !is_dead,
        parent: u32::try_from(number(4)?).ok()?,
        // Zero for a process whose group is in another namespace.
        group: number(5).and_then(|group| u32::try_from(group).ok()).unwrap_or_default(),
        start_ticks: number(22)?,
    })
}

/// The wanted sockets among a process's descriptors.
fn sockets(pid: u32, wanted: &HashSet<u64>) -> Option<HashSet<u64>> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let inode = |link: std::path::PathBuf| -> Option<u64> {
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    let links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let mut held = HashSet::new();
    for inode in links.filter_map(inode).filter(|inode| wanted.contains(inode)) {
        held.insert(inode);
        // A server has thousands of descriptors, and the one that listens is among the first.
        if held.len() == wanted.len() {
            break;
        }
    }
    Some(held)
}

/// A listening socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct ListeningSocket {
    address: IpAddr,
    port: u16,
    user: u32,
    inode: u64,
}

/// The two tables of TCP sockets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    V4,
    V6,
}

/// The sockets that listen on these ports and can be reached by loopback.
fn listening(ports: &HashSet<u16>) -> HashMap<u16, Vec<ListeningSocket>> {
    let mut found: HashMap<u16, Vec<ListeningSocket>> = HashMap::new();
    for socket in all_listening().filter(|socket| ports.contains(&socket.port)) {
        found.entry(socket.port).or_default().push(socket);
    }
    found
}

/// The sockets that listen and can be reached by loopback.
fn all_listening() -> impl Iterator<Item = ListeningSocket> {
    every_listening().filter(|socket| {
        let address = socket.address.to_canonical();
        address.is_unspecified() || address.is_loopback()
    })
}

/// The sockets that listen.
fn every_listening() -> impl Iterator<Item = ListeningSocket> {
    [Family::V4, Family::V6].into_iter().flat_map(|family| {
        // The table costs milliseconds, because the kernel goes through all connections for it; but it is always there.
        diag::listening(family).unwrap_or_else(|error| {
            tracing::debug!(%error, "the kernel does not list listening sockets; reading its table");
            table::listening(family)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name() {
        let line = |name: &str, state: &str, threads: u32| {
            format!(
                "42 ({name}) {state} 7 41 42 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 {threads} 0 123456 1 2 3\n"
            )
        };
        let expected = Stat { lives: true, parent: 7, group: 41, start_ticks: 123_456 };
        for name in ["node", "a b", "x) R 1 (y", ")", ""] {
            assert_eq!(parse_stat(line(name, "S", 1).as_bytes()), Some(expected), "{name:?}");
        }
        // A name is bytes.
        let mut bytes = line("x", "S", 1).into_bytes();
        bytes[4] = 0xff;
        assert_eq!(parse_stat(&bytes), Some(expected));
        assert_eq!(parse_stat(line("z", "Z", 1).as_bytes()), Some(Stat { lives: false, ..expected }));
        assert_eq!(parse_stat(line("z", "Z", 3).as_bytes()), Some(expected));
        for broken in ["", "42 (x", "42 (x) S", "42 (x) S 1 2"] {
            assert_eq!(parse_stat(broken.as_bytes()), None);
        }
    }

    #[test]
    fn a_socket_is_that_of_the_process_that_was_first() {
        let started = |pid| if pid == 30_000 { 5 } else { 7 };
        for held in [[(1, 30_000), (1, 40), (2, 41), (2, 40)], [(2, 40), (1, 40), (2, 41), (1, 30_000)]] {
            assert_eq!(eldest_by(held, started), HashMap::from([(1, 30_000), (2, 40)]));
        }
    }

    #[test]
    fn a_connection_goes_to_the_socket_that_is_bound_closest() {
        let socket = |address: &str, inode| ListeningSocket {
            address: address.parse().unwrap(),
            port: 1,
            user: 0,
            inode,
        };
        let reached = |sockets: &[ListeningSocket], address: &str| -> Vec<u64> {
            receivers(sockets, address.parse().unwrap()).map(|socket| socket.inode).collect()
        };
        let all =
            [socket("127.0.0.1", 1), socket("0.0.0.0", 2), socket("::", 3), socket("::ffff:127.0.0.5", 4)];
        assert_eq!(reached(&all, "127.0.0.1"), [1]);
        assert_eq!(reached(&all, "127.0.0.2"), [2]);
        assert_eq!(reached(&all, "127.0.0.5"), [4]);
        assert_eq!(reached(&all, "::1"), [3]);
        assert_eq!(reached(&all[2..3], "127.0.0.1"), [3], "of both families");
        assert!(reached(&all[..2], "::1").is_empty());
        assert_eq!(addresses(&all, None).len(), 3);
        assert_eq!(addresses(&all, Some("127.0.0.9".parse().unwrap())).len(), 1);
    }

    #[test]
    fn a_start_is_a_time_of_day_unless_the_clocks_disagree() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let clock = Clock { now, since_boot: Duration::from_secs(100), ticks_per_second: 100 };
        assert_eq!(clock.time_of(9_950), Some(now - Duration::from_millis(500)));
        assert_eq!(clock.time_of(10_001), None);
    }
}
