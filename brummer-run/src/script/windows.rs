//! A script in a job object: the system ends all processes of the job when this process does, however it does.

use std::{io, process::Stdio};

use process_wrap::tokio::{ChildWrapper, CommandWrap, CreationFlags, JobObject, KillOnDrop};
use send_ctrlc::Interruptible;
use tokio::{
    io::AsyncWriteExt as _,
    process::{ChildStderr, ChildStdin, ChildStdout},
    time::{Instant, sleep_until},
};
use windows::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

use super::{Command, InputError, Launcher};
use crate::{
    guard::link::{Exit, Order, Report},
    program,
};

/// How long a script may take to read what was typed before.
const TYPING: std::time::Duration = std::time::Duration::from_secs(1);

/// A script that was started, with all processes below it.
#[derive(Debug)]
pub(super) struct Child {
    job: Box<dyn ChildWrapper>,
    /// Open and empty, as a terminal at which nobody types.
    stdin: Option<ChildStdin>,
    pid: u32,
    phase: Phase,
    /// When everything is ended firmly, once it was asked to end.
    ending: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Its start was not told yet.
    New,
    Running,
    /// Its own process has ended; others of the job may run.
    Exited,
}

/// Addresses the console group that the script leads.
struct Leader(u32);

impl Interruptible for Leader {
    fn pid(&mut self) -> io::Result<Option<u32>> {
        Ok(Some(self.0))
    }
}

impl Child {
    pub(super) fn start(command: &Command, launcher: &Launcher) -> io::Result<Self> {
        command.check_directory()?;
        // `npm` is a `npm.cmd`, which the system only starts by its whole name.
        let mut wrapped = CommandWrap::with_new(program::locate(&command.program), |process| {
            process
                .args(&command.arguments)
                .current_dir(&command.directory)
                .envs(launcher.environment.iter().copied())
                .envs(command.environment.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
        });
        // Its own group: Ctrl-C in the console reaches this process only, which ends the scripts in order.
        wrapped.wrap(CreationFlags(CREATE_NEW_PROCESS_GROUP)).wrap(KillOnDrop).wrap(JobObject);
        let mut job = wrapped.spawn()?;
        let pid = job.id().ok_or_else(|| io::Error::other("it ended at once"))?;
        let stdin = job.stdin().take();
        Ok(Self { job, stdin, pid, phase: Phase::New, ending: None })
    }

    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.job.stdout().take()
    }

    pub(super) fn stderr(&mut self) -> Option<ChildStderr> {
        self.job.stderr().take()
    }

    /// Types into it. Whoever does not read is not waited for.
    pub(super) async fn input(&mut self, bytes: &[u8]) -> Result<(), InputError> {
        let Some(stdin) = &mut self.stdin else { return Err(InputError::Closed) };
        match tokio::time::timeout(TYPING, stdin.write_all(bytes)).await {
            Ok(written) => written.map_err(InputError::from),
            Err(_) => Err(InputError::Full),
        }
    }

    /// What becomes of it next; [`Report::Gone`] comes last. Cancel-safe.
    pub(super) async fn next(&mut self) -> Report {
        loop {
            match self.phase {
                Phase::New => {
                    self.phase = Phase::Running;
                    return Report::Started(self.pid);
                }
                Phase::Running => {
                    let due = self.ending.unwrap_or_else(Instant::now);
                    tokio::select! {
                        biased;
                        // The script's own process; the job would wait for all others, too.
                        status = self.job.inner_mut().wait() => {
                            self.phase = Phase::Exited;
                            let code = status.ok().and_then(|status| status.code()).unwrap_or(-1);
                            return Report::Exited(Exit::Code(code));
                        }
                        () = sleep_until(due), if self.ending.is_some() => {
                            self.ending = None;
                            self.end_firmly();
                        }
                    }
                }
                Phase::Exited => {
                    // What is left has lost the one who would have waited for it.
                    self.end_firmly();
                    let _ = self.job.wait().await;
                    return Report::Gone;
                }
            }
        }
    }

    /// Asks it to end with Ctrl-Break, or ends it.
    pub(super) fn order(&mut self, order: Order) {
        match order {
            // Without a console there is no Ctrl-Break.
            Order::Stop(grace) if Leader(self.pid).terminate().is_ok() => {
                let until = Instant::now() + grace;
                self.ending = Some(self.ending.map_or(until, |earlier| earlier.min(until)));
            }
            Order::Stop(_) | Order::Kill | Order::Signal(_) => self.end_firmly(),
        }
    }

    /// Ends all processes of the job.
    pub(super) fn end_firmly(&mut self) {
        // It fails when there is none left.
        let _ = self.job.start_kill();
    }
}
