//! The other end of a guard's socket: what started it.

use std::{
    io::{self, Write as _},
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    process::Stdio,
};

use rustix::{
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
    process::{Pid, Signal},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::UnixStream,
    process::{self, ChildStderr, ChildStdout, Command},
};

use super::link::{Order, Report};

/// A guard, and what it guards.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: process::Child,
    reports: Lines<BufReader<UnixStream>>,
    orders: StdUnixStream,
    leader: Option<Pid>,
    gone: bool,
}

/// This program, to be started as a guard; also when its file has been replaced since it was started.
pub(crate) fn own_program() -> io::Result<Command> {
    let path = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
    let mut command = Command::new(path);
    command.arg0("brummer-guard");
    Ok(command)
}

impl Guarded {
    /// Starts the guard with this command, which says what it is to start. Its own standard input is the socket, on which
    /// that of what it starts is handed over.
    pub(crate) fn start(command: &mut Command, stdin: BorrowedFd<'_>) -> io::Result<Self> {
        let (ours, theirs) = StdUnixStream::pair()?;
        let guard = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        send(&ours, stdin)?;
        ours.set_nonblocking(true)?;
        let orders = ours.try_clone()?;
        let reports = BufReader::new(UnixStream::from_std(ours)?).lines();
        Ok(Self { guard, reports, orders, leader: None, gone: false })
    }

    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.guard.stdout.take()
    }

    pub(crate) fn stderr(&mut self) -> Option<ChildStderr> {
        self.guard.stderr.take()
    }

    /// What becomes of it next; [`Report::Gone`] comes last. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Report {
        while let Ok(Some(line)) = self.reports.next_line().await {
            match Report::read(&line) {
                Some(Report::Gone) => self.gone = true,
                Some(Report::Started(pid)) => {
                    self.leader = i32::try_from(pid).ok().and_then(Pid::from_raw);
                    return Report::Started(pid);
                }
                Some(report @ Report::NotStarted { .. }) => {
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

    /// Tells the guard. It fails only if that has ended, which [`Guarded::next`] finds out; there is always room for these
    /// few bytes.
    pub(crate) fn order(&mut self, order: Order) {
        let _ = self.orders.write_all(order.line().as_bytes());
    }

    /// Ends it without the guard, which does not do its work.
    pub(crate) fn end_firmly(&mut self) {
        self.kill_group();
        let _ = self.guard.start_kill();
    }

    fn kill_group(&self) {
        if let Some(leader) = self.leader {
            // What does not lead a group of its own is ended alone.
            let _ = rustix::process::kill_process_group(leader, Signal::KILL)
                .or_else(|_| rustix::process::kill_process(leader, Signal::KILL));
        }
    }
}

/// Hands a descriptor over.
fn send(socket: &StdUnixStream, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let descriptors = [descriptor];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(socket, &[io::IoSlice::new(b"\n")], &mut ancillary, SendFlags::empty())?;
    Ok(())
}
