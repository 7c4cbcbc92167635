//! The guard's own work, in the process that is one.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write as _},
    os::{
        fd::AsFd as _,
        unix::{net::UnixStream as StdUnixStream, process::CommandExt as _},
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags},
    process::{Pid, Signal, WaitOptions},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::UnixStream,
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep, sleep_until},
};

use super::{
    ORPHAN_GRACE, descendants,
    link::{Exit, Order, Report},
};

/// How long children may take to end when the script itself has ended: they had no part in that decision.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);

/// Between two looks for orphans in the group, on systems that do not tell of their end.
const LOOK: Duration = Duration::from_millis(50);

/// Between two attempts to kill what has just been forked: at first, and at most. What cannot be killed, such as a process that
/// waits for a disk, is not worth a processor.
const AGAIN: Duration = Duration::from_millis(20);
const AGAIN_AT_MOST: Duration = Duration::from_secs(1);

/// What a guarded process has to do with the terminal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attachment {
    /// Nothing: it has a session of its own.
    None,
    /// Its standard streams are a terminal of its own.
    Own,
    /// It stays in the group of whoever started this process.
    Terminal,
}

/// Where a script is started.
struct SpawnContext {
    stdin: Stdio,
    /// The group that it joins; one of its own without.
    group: Option<Pid>,
    /// Standard output is the terminal of this session.
    has_terminal: bool,
}

/// Runs a script as its guard: the whole life of the process that was started for this. Standard input is the socket to
/// whoever started it; standard output and standard error are the script's.
///
/// # Errors
/// When this process was not started by `run`.
pub fn serve(attachment: Attachment, program: &OsStr, arguments: &[OsString]) -> io::Result<()> {
    let channel = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let group = (attachment == Attachment::Terminal).then(rustix::process::getpgrp);
    let has_terminal = attachment == Attachment::Own;
    let place = SpawnContext { stdin: receive_stdin(&channel)?, group, has_terminal };
    channel.set_nonblocking(true)?;
    let reports = channel.try_clone()?;
    name_this_process();
    // Both fail when this process leads a group already, which a child just started does not.
    match attachment {
        Attachment::None => drop(rustix::process::setsid()),
        Attachment::Own => {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(io::stdout())?;
        }
        Attachment::Terminal => drop(rustix::process::setpgid(None, None)),
    }
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(guard(channel, reports, place, program, arguments));
    runtime.shutdown_background();
    result
}

/// Gives this process a name of its own: whoever ends all processes called `brummer-hub` must not end its guards with
/// it, or nobody is left to end the scripts.
fn name_this_process() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"brummer-guard");
}

async fn guard(
    channel: StdUnixStream,
    reports: StdUnixStream,
    place: SpawnContext,
    program: &OsStr,
    arguments: &[OsString],
) -> io::Result<()> {
    let mut orders = BufReader::new(UnixStream::from_std(channel)?).lines();
    // Before the script starts, so that no end of a child is missed.
    let mut ended = signal(SignalKind::child())?;
    let mut asked =
        [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?];
    let [terminate, interrupt, hangup] = &mut asked;

    let script = match start(place, program, arguments) {
        Ok(script) => script,
        Err(error) => {
            let why = format!("cannot start `{}`: {error}", Path::new(program).display());
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            report(&reports, &Report::NotStarted { is_missing, why });
            return Ok(());
        }
    };
    // From here on nothing may end the guard before the script.
    let leader = Pid::from_child(&script);
    report(&reports, &Report::Started(script.id()));
    // The end of the script's output must be seen at the other end of its pipes.
    if let Ok(nowhere) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&nowhere).and_then(|()| rustix::stdio::dup2_stderr(&nowhere));
    }

    let mut watch = Watch { leader, reports, ending: None, pause: AGAIN };
    let mut listening = true;
    while !watch.reap() {
        let due = watch.ending.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            _ = ended.recv() => {}
            order = orders.next_line(), if listening => match order.map(|line| line.and_then(|line| Order::read(&line))) {
                Ok(Some(Order::Stop(grace))) => watch.stop(grace),
                Ok(Some(Order::Kill)) => watch.kill(),
                Ok(Some(Order::Signal(number))) => watch.pass_on(number),
                // `run` has ended, or speaks another language than this guard.
                Ok(None) | Err(_) => {
                    listening = false;
                    watch.stop(ORPHAN_GRACE);
                }
            },
            _ = terminate.recv() => watch.stop(ORPHAN_GRACE),
            _ = interrupt.recv() => watch.stop(ORPHAN_GRACE),
            _ = hangup.recv() => watch.stop(ORPHAN_GRACE),
            () = sleep_until(due), if watch.ending.is_some() => watch.kill(),
            // The end of an orphan is only heard of where orphans are given to this process.
            () = sleep(LOOK), if cfg!(not(target_os = "linux")) && watch.ending.is_some() => {}
        }
    }
    report(&watch.reports, &Report::Gone);
    Ok(())
}

/// Starts the script.
fn start(place: SpawnContext, program: &OsStr, arguments: &[OsString]) -> io::Result<Child> {
    let group = place.group.map_or(0, Pid::as_raw_pid);
    let script = Command::new(program).args(arguments).stdin(place.stdin).process_group(group).spawn()?;
    if place.has_terminal {
        let group = Pid::from_child(&script);
        // It fails only when the script has ended already. Whoever has read before it was in front was stopped for it.
        let _ = rustix::termios::tcsetpgrp(io::stdout(), group)
            .and_then(|()| rustix::process::kill_process_group(group, Signal::CONT));
    }
    Ok(script)
}

/// Takes the standard input that is handed over with the first byte on the socket.
fn receive_stdin(channel: &StdUnixStream) -> io::Result<Stdio> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut bytes = [io::IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(channel, &mut bytes, &mut ancillary, RecvFlags::empty())?;
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let stdin = descriptors.flatten().next();
    let stdin = stdin.ok_or_else(|| io::Error::other("this guard was not given a standard input"))?;
    rustix::io::fcntl_setfd(&stdin, rustix::io::FdFlags::CLOEXEC)?;
    Ok(Stdio::from(stdin))
}

/// Tells `run`. It fails when that has ended, which the guard hears of anyway; there is always room for these few bytes.
fn report(mut reports: &StdUnixStream, report: &Report) {
    let _ = reports.write_all(report.line().as_bytes());
}

/// What the guard knows of its script.
struct Watch {
    leader: Pid,
    reports: StdUnixStream,
    /// When everything is killed, once it was asked to end.
    ending: Option<Instant>,
    /// How long after the next attempt to kill comes another.
    pause: Duration,
}

impl Watch {
    /// Takes note of every process that has ended, and returns whether none is left.
    fn reap(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.leader => {
                    let exit = match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => Exit::Code(code),
                        (None, Some(signal)) => Exit::Signal(signal),
                        // Stopped or continued, which is not asked for.
                        (None, None) => continue,
                    };
                    report(&self.reports, &Report::Exited(exit));
                    // Whoever was asked to end already is not asked again: many take that as a wish to end at once.
                    if self.ending.is_none() {
                        self.stop(LEFTOVER_GRACE);
                    }
                }
                // An orphan below this process that was given to it.
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return false,
                // No child is left. Elsewhere than on Linux, orphans are given to the first process of the system, but
                // stay in their group.
                Err(_) if cfg!(target_os = "linux") => return true,
                Err(_) => return rustix::process::test_kill_process_group(self.leader).is_err(),
            }
        }
    }

    /// Asks everything to end, and sees to it when the time is over.
    fn stop(&mut self, grace: Duration) {
        let until = Instant::now() + grace;
        self.ending = Some(self.ending.map_or(until, |earlier| earlier.min(until)));
        self.signal(Signal::TERM);
        // What stands still cannot hear.
        self.signal(Signal::CONT);
    }

    /// Ends everything, and again what was forked meanwhile.
    fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ending = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(AGAIN_AT_MOST);
    }

    /// Hands a signal on, which does not end it by itself.
    fn pass_on(&self, number: i32) {
        if let Some(signal) = Signal::from_named_raw(number) {
            self.signal(signal);
        }
    }

    fn signal(&self, signal: Signal) {
        descendants::signal_all(rustix::process::getpid(), self.leader, signal);
    }
}
