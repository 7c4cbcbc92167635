//! A script behind its guard.

use std::{
    io::{self, PipeWriter, Write as _},
    os::fd::AsFd as _,
    process::Stdio,
};

use tokio::process::{ChildStderr, ChildStdout};

use super::{Command, InputError, Launcher};
use crate::guard::{
    guarded::{self, Guarded},
    link::{Order, Report},
};

/// How much a pipe of the script may hold before it has to wait for us. The usual 64 KiB cost a change of process for
/// every thousand lines.
#[cfg(target_os = "linux")]
const PIPE: usize = 256 * 1024;

/// A script that was started, and its output until somebody takes it.
#[derive(Debug)]
pub(super) struct Child {
    guarded: Guarded,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// It stays open, as that of a terminal at which nobody types: tools that watch files end when it closes.
    stdin: PipeWriter,
}

impl Child {
    pub(super) fn start(command: &Command, launcher: &Launcher) -> io::Result<Self> {
        command.check_directory()?;
        let mut guard = guarded::own_program()?;
        guard
            .args(&launcher.guard)
            .arg("--")
            .arg(&command.program)
            .args(&command.arguments)
            .current_dir(&command.directory)
            .envs(launcher.environment.iter().copied())
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            // What a shell would set on its way into the directory; npm and others read it.
            .env("PWD", &command.directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (reader, stdin) = io::pipe()?;
        rustix::fs::fcntl_setfl(&stdin, rustix::fs::OFlags::NONBLOCK)?;
        let mut guarded = Guarded::start(&mut guard, reader.as_fd())?;
        let (stdout, stderr) = (guarded.stdout(), guarded.stderr());
        #[cfg(target_os = "linux")]
        {
            // As far as the system lets us.
            let _ = stdout.as_ref().map(|pipe| rustix::pipe::fcntl_setpipe_size(pipe, PIPE));
            let _ = stderr.as_ref().map(|pipe| rustix::pipe::fcntl_setpipe_size(pipe, PIPE));
        }
        Ok(Self { guarded, stdout, stderr, stdin })
    }

    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    pub(super) fn stderr(&mut self) -> Option<ChildStderr> {
        self.stderr.take()
    }

    /// Types into it, all or nothing: so few bytes are written at once, or not at all.
    pub(super) async fn input(&mut self, bytes: &[u8]) -> Result<(), InputError> {
        self.stdin.write_all(bytes).map_err(InputError::from)
    }

    /// What becomes of it next; [`Report::Gone`] comes last. Cancel-safe.
    pub(super) async fn next(&mut self) -> Report {
        self.guarded.next().await
    }

    pub(super) fn order(&mut self, order: Order) {
        self.guarded.order(order);
    }

    /// Ends it without the guard, which does not do its work.
    pub(super) fn end_firmly(&mut self) {
        self.guarded.end_firmly();
    }
}
