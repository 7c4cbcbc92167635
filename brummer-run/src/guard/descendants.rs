//! Who descends from a process, told from the system's process table, which the hub reads as well.

use std::collections::{HashMap, HashSet};

use brummer_hub::process::{self, Entry};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Sends a signal to everything below this process, and to the whole group of `leader` if any of it is left.
///
/// What is forked meanwhile may be missed; whoever wants all of them gone asks again until none is left.
pub(crate) fn signal_all(ancestor: Pid, leader: Pid, signal: Signal) {
    let descendants = below(number(ancestor), &process::table());
    let group = Some(number(leader));
    // The number of a group without members may be given to somebody else's.
    if descendants.iter().any(|entry| entry.group == group) {
        // It fails only when the group has just ended.
        let _ = kill_process_group(leader, signal);
    }
    for entry in descendants.iter().filter(|entry| entry.group != group) {
        send(*entry, signal);
    }
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().cast_unsigned()
}

/// Sends a signal to this process, and to none that has got its number since the table was read.
fn send(entry: Entry, signal: Signal) {
    let Some(pid) = Pid::from_raw(entry.pid.cast_signed()) else { return };
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

        if let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) {
            // The handle keeps naming the process that it was opened for: if that began when the one of the table did, it is it.
            if process::entry(entry.pid).is_some_and(|now| now.began == entry.began) {
                let _ = pidfd_send_signal(handle, signal);
            }
            return;
        }
    }
    // It fails only when the process has just ended, or is another user's by now.
    let _ = kill_process(pid, signal);
}

/// All processes below one, in no order.
fn below(ancestor: u32, table: &[Entry]) -> Vec<Entry> {
    let mut children: HashMap<u32, Vec<Entry>> = HashMap::new();
    for entry in table {
        children.entry(entry.parent).or_default().push(*entry);
    }
    let mut found = Vec::new();
    // A table that is read while it changes may show a circle.
    let mut known = HashSet::from([ancestor]);
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        for entry in children.remove(&parent).into_iter().flatten().filter(|entry| known.insert(entry.pid)) {
            found.push(entry);
            parents.push(entry.pid);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_children_count_and_others_do_not() {
        let own = process::entry(std::process::id()).unwrap();
        let entry = |pid, parent| {
            let mut entry = own;
            (entry.pid, entry.parent) = (pid, parent);
            entry
        };
        let table = [entry(2, 1), entry(3, 2), entry(4, 3), entry(5, 1), entry(6, 4)];
        let mut found: Vec<_> = below(2, &table).iter().map(|entry| entry.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [3, 4, 6]);
        let circle = [entry(2, 3), entry(3, 2)];
        assert_eq!(below(2, &circle).len(), 1);
    }

    #[test]
    fn the_table_has_this_process() {
        let own = std::process::id();
        let table = process::table();
        let entry = table.iter().find(|entry| entry.pid == own).unwrap();
        assert_eq!(entry.group, Some(number(rustix::process::getpgrp())));
        assert_eq!(Some(entry.parent), rustix::process::getppid().map(number));
        assert!(entry.began.is_some());
    }
}
