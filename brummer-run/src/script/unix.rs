//! A script behind its guard.

use std::{
    io::{self, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    process::Stdio,
};

use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::UnixStream,
    process::{self, ChildStderr, ChildStdout},
};

use super::{Command, Launcher};
use crate::guard::link::{Order, Report};

/// How much a pipe of the script may hold before it has to wait for us. The usual 64 KiB cost a change of process for
/// every thousand lines.
#[cfg(target_os = "linux")]
const PIPE: usize = 256 * 1024;

/// A script that was started, and its guard.
#[derive(Debug)]
pub(super) struct Child {
    guard: process::Child,
    reports: Lines<BufReader<UnixStream>>,
    orders: StdUnixStream,
    leader: Option<Pid>,
    gone: bool,
}

impl Child {
    pub(super) fn start(command: &Command, launcher: &Launcher) -> io::Result<Self> {
        command.check_directory()?;
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let guard = process::Command::new(own_program()?)
            .arg0("brummer-guard")
            .args(&launcher.guard)
            .arg(&command.program)
            .args(&command.arguments)
            .current_dir(&command.directory)
            .envs(launcher.environment.iter().copied())
            // What a shell would set on its way into the directory; npm and others read it.
            .env("PWD", &command.directory)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        #[cfg(target_os = "linux")]
        widen(&guard);
        let orders = ours.try_clone()?;
        let reports = BufReader::new(UnixStream::from_std(ours)?).lines();
        Ok(Self { guard, reports, orders, leader: None, gone: false })
    }

    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.guard.stdout.take()
    }

    pub(super) fn stderr(&mut self) -> Option<ChildStderr> {
        self.guard.stderr.take()
    }

    /// What becomes of it next; [`Report::Gone`] comes last. Cancel-safe.
    pub(super) async fn next(&mut self) -> Report {
        while let Ok(Some(line)) = self.reports.next_line().await {
            match Report::read(&line) {
                Some(Report::Gone) => self.gone = true,
                Some(Report::Started(pid)) => {
                    self.leader = i32::try_from(pid).ok().and_then(Pid::from_raw);
                    return Report::Started(pid);
                }
                Some(report @ Report::NotStarted(_)) => {
                    self.gone = true;
                    return report;
                }
                Some(report) => return report,
                None => tracing::debug!(line, "a guard said something that is not understood"),
            }
        }
        // It cannot fail while this process has not waited for it.
        let _ = self.guard.wait().await;
        if !self.gone {
            // Somebody has killed the guard; what it watched over must not stay behind.
            self.kill_group();
        }
        Report::Gone
    }

    /// Tells the guard. It fails only if that has ended, which [`Child::next`] finds out; there is always room for these
    /// few bytes.
    pub(super) fn order(&mut self, order: Order) {
        let _ = self.orders.write_all(order.line().as_bytes());
    }

    /// Ends it without the guard, which does not do its work.
    pub(super) fn end_firmly(&mut self) {
        self.kill_group();
        let _ = self.guard.start_kill();
    }

    fn kill_group(&self) {
        if let Some(leader) = self.leader {
            let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        }
    }
}

/// This program, also when its file has been replaced since it was started.
fn own_program() -> io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// Gives the pipes more room, as far as the system lets us.
#[cfg(target_os = "linux")]
fn widen(guard: &process::Child) {
    if let Some(stdout) = &guard.stdout {
        let _ = rustix::pipe::fcntl_setpipe_size(stdout, PIPE);
    }
    if let Some(stderr) = &guard.stderr {
        let _ = rustix::pipe::fcntl_setpipe_size(stderr, PIPE);
    }
}
