//! Child processes that cannot outlive the benchmark or hold it up.
//!
//! A guard thread owns each child: it kills the child when the guard is dropped, and when a deadline that the
//! benchmark has set passes, so that a read from its stdout ends instead of blocking for ever.

use std::{
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result};

enum Order {
    Deadline(Option<Duration>),
    Kill,
}

/// A running child, killed on drop.
pub(crate) struct Guard {
    pid: u32,
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
}

/// A child with its ends of the pipes.
pub(crate) struct Started {
    pub(crate) guard: Guard,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
}

/// A command of this benchmark itself, such as `server`.
pub(crate) fn own(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.args(arguments);
    Ok(command)
}

/// The hub, told to look only into `data`.
pub(crate) fn hub(binary: &Path, data: &Path, arguments: &[&str]) -> Command {
    let mut command = isolated(binary, data);
    command.arg("--mcp").arg("--no-auto-connect").arg("--data-dir").arg(data).args(arguments);
    command
}

/// The hub's program, which finds nothing of the machine but `data`.
pub(crate) fn isolated(binary: &Path, data: &Path) -> Command {
    let mut command = Command::new(binary);
    // Nothing else of the machine may be found: the hub also looks at these places.
    for variable in ["HOME", "USERPROFILE", "APPDATA", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "TMPDIR"] {
        command.env(variable, data);
    }
    command
}

/// Starts a command with pipes. The guard's thread is started after it, so that a start can be timed.
pub(crate) fn start(mut command: Command) -> Result<Started> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let stdin = child.stdin.take().context("stdin is piped")?;
    let stdout = child.stdout.take().context("stdout is piped")?;
    let pid = child.id();
    let (orders, received) = sync_channel(8);
    let thread = std::thread::spawn(move || guard(child, &received));
    Ok(Started { guard: Guard { pid, orders, thread: Some(thread) }, stdin, stdout })
}

/// Starts a command that is only watched.
pub(crate) fn watch(mut command: Command) -> Result<Guard> {
    let child = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let pid = child.id();
    let (orders, received) = sync_channel(8);
    let thread = std::thread::spawn(move || guard(child, &received));
    Ok(Guard { pid, orders, thread: Some(thread) })
}

fn guard(mut child: Child, orders: &Receiver<Order>) {
    let mut deadline = None;
    loop {
        let order = match deadline {
            Some(duration) => orders.recv_timeout(duration),
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match order {
            Ok(Order::Deadline(new)) => deadline = new,
            Ok(Order::Kill) | Err(_) => break,
        }
    }
    // Both fail only when it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

impl Guard {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// From now on the child is killed after this time, unless another deadline is set before.
    pub(crate) fn deadline(&self, after: Option<Duration>) {
        // The thread is gone when the child was killed already; reading then says so.
        let _ = self.orders.send(Order::Deadline(after));
    }

    /// Kills the child and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.orders.send(Order::Kill);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.kill();
    }
}
