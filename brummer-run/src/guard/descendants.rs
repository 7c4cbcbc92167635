//! Who descends from a process, told from the system's process table.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// One process of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Entry {
    pid: Pid,
    parent: Option<Pid>,
    group: Option<Pid>,
}

/// Sends a signal to everything below this process, and to the whole group of `leader` if any of it is left.
///
/// What is forked meanwhile may be missed; whoever wants all of them gone asks again until none is left.
pub(crate) fn signal_all(ancestor: Pid, leader: Pid, signal: Signal) {
    let table = table();
    let descendants = below(ancestor, &table);
    // The number of a group without members may be given to somebody else's.
    if descendants.iter().any(|entry| entry.group == Some(leader)) {
        // It fails only when the group has just ended.
        let _ = kill_process_group(leader, signal);
    }
    for entry in descendants.iter().filter(|entry| entry.group != Some(leader)) {
        let _ = kill_process(entry.pid, signal);
    }
}

/// The parent of each process.
pub(crate) fn parents() -> std::collections::HashMap<u32, u32> {
    let number = |pid: Pid| pid.as_raw_nonzero().get().cast_unsigned();
    table().iter().filter_map(|entry| Some((number(entry.pid), number(entry.parent?)))).collect()
}

/// All processes below one, in no order.
fn below(ancestor: Pid, table: &[Entry]) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        for entry in table.iter().filter(|entry| entry.parent == Some(parent)) {
            // A table that is read while it changes may show a circle.
            if entry.pid != ancestor && !found.iter().any(|known| known.pid == entry.pid) {
                found.push(*entry);
                parents.push(entry.pid);
            }
        }
    }
    found
}

#[cfg(target_os = "linux")]
fn table() -> Vec<Entry> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = processes.filter_map(|process| {
        let name = process.file_name();
        let pid = Pid::from_raw(name.to_str()?.parse().ok()?)?;
        read_stat(pid, &std::fs::read_to_string(process.path().join("stat")).ok()?)
    });
    stats.collect()
}

/// `PID (NAME) STATE PARENT GROUP …`; the name may hold anything.
#[cfg(any(target_os = "linux", test))]
fn read_stat(pid: Pid, stat: &str) -> Option<Entry> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(1).map(|field| field.parse().ok().and_then(Pid::from_raw));
    Some(Entry { pid, parent: fields.next()?, group: fields.next()? })
}

#[cfg(not(target_os = "linux"))]
fn table() -> Vec<Entry> {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
    let native = |pid: sysinfo::Pid| Pid::from_raw(i32::try_from(pid.as_u32()).ok()?);
    let entries = system.processes().iter().filter_map(|(pid, process)| {
        let pid = native(*pid)?;
        let group = rustix::process::getpgid(Some(pid)).ok();
        Some(Entry { pid, parent: process.parent().and_then(native), group })
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    fn entry(number: i32, parent: i32) -> Entry {
        Entry { pid: pid(number), parent: Some(pid(parent)), group: None }
    }

    #[test]
    fn children_of_children_count_and_others_do_not() {
        let table = [entry(2, 1), entry(3, 2), entry(4, 3), entry(5, 1), entry(6, 4)];
        let mut found: Vec<_> =
            below(pid(2), &table).iter().map(|it| it.pid.as_raw_nonzero().get()).collect();
        found.sort_unstable();
        assert_eq!(found, [3, 4, 6]);
        let circle = [entry(2, 3), entry(3, 2)];
        assert_eq!(below(pid(2), &circle).len(), 1);
    }

    #[test]
    fn names_do_not_confuse_the_reader() {
        let stat = "12 (a) S (b) R 7 9 9 34816 12 4194304";
        let read = read_stat(pid(12), stat).unwrap();
        assert_eq!(read, Entry { pid: pid(12), parent: Some(pid(7)), group: Some(pid(9)) });
    }

    #[test]
    fn the_table_has_this_process() {
        let own = rustix::process::getpid();
        let entry = *table().iter().find(|entry| entry.pid == own).unwrap();
        assert_eq!(entry.group, Some(rustix::process::getpgrp()));
        assert_eq!(entry.parent, rustix::process::getppid());
    }
}
