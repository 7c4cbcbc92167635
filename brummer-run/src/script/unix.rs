//! A script behind its guard.

use std::{
    io::{self, PipeWriter, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    process::Stdio,
};

use tokio::process::{ChildStderr, ChildStdout};

use super::{Command, InputError, Launcher};
use crate::{
    guard::{
        TERMINAL,
        guarded::{self, Guarded},
        link::{Order, Report},
    },
    terminal::{Display, Keyboard, Terminal},
};

/// How much a pipe of the script may hold before it has to wait for us. The usual 64 KiB cost a change of process for
/// every thousand lines.
#[cfg(target_os = "linux")]
const PIPE: usize = 256 * 1024;

/// A script that was started, and its output until somebody takes it.
#[derive(Debug)]
pub(super) struct Child {
    guarded: Guarded,
    streams: Streams,
}

/// What it reads and writes.
#[derive(Debug)]
enum Streams {
    Pipes {
        stdout: Option<ChildStdout>,
        stderr: Option<ChildStderr>,
        /// It stays open, as that of a terminal at which nobody types: tools that watch files end when it closes.
        stdin: PipeWriter,
    },
    Terminal {
        display: Option<(Display, Keyboard)>,
        keyboard: Keyboard,
        /// Its own end of the terminal, which lasts as long as this: some programs close theirs for a moment.
        _line: OwnedFd,
    },
}

impl Child {
    pub(super) fn start(command: &Command, launcher: &Launcher) -> io::Result<Self> {
        command.check_directory()?;
        let mut guard = guarded::own_program()?;
        guard.args(&launcher.guard);
        if launcher.terminal {
            guard.arg(TERMINAL);
        }
        guard
            .arg("--")
            .arg(&command.program)
            .args(&command.arguments)
            .current_dir(&command.directory)
            .envs(launcher.environment.iter().copied())
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            // What a shell would set on its way into the directory; npm and others read it.
            .env("PWD", &command.directory);
        if launcher.terminal { Self::with_terminal(guard) } else { Self::with_pipes(guard) }
    }

    fn with_pipes(mut guard: tokio::process::Command) -> io::Result<Self> {
        guard.stdout(Stdio::piped()).stderr(Stdio::piped());
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
        Ok(Self { guarded, streams: Streams::Pipes { stdout, stderr, stdin } })
    }

    fn with_terminal(mut guard: tokio::process::Command) -> io::Result<Self> {
        let Terminal { display, keyboard, line } = Terminal::open()?;
        guard.stdout(Stdio::from(line.try_clone()?)).stderr(Stdio::from(line.try_clone()?));
        let guarded = Guarded::start(&mut guard, line.as_fd())?;
        let display = Some((display, keyboard.try_clone()?));
        Ok(Self { guarded, streams: Streams::Terminal { display, keyboard, _line: line } })
    }

    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        match &mut self.streams {
            Streams::Pipes { stdout, .. } => stdout.take(),
            Streams::Terminal { .. } => None,
        }
    }

    pub(super) fn stderr(&mut self) -> Option<ChildStderr> {
        match &mut self.streams {
            Streams::Pipes { stderr, .. } => stderr.take(),
            Streams::Terminal { .. } => None,
        }
    }

    /// What it shows, if it has a terminal, and where the terminal answers.
    pub(super) fn terminal(&mut self) -> Option<(Display, Keyboard)> {
        match &mut self.streams {
            Streams::Pipes { .. } => None,
            Streams::Terminal { display, .. } => display.take(),
        }
    }

    /// Types into it, all or nothing: so few bytes are written at once, or not at all. A terminal may take a part of them.
    pub(super) async fn input(&mut self, bytes: &[u8]) -> Result<(), InputError> {
        match &mut self.streams {
            Streams::Pipes { stdin, .. } => stdin.write_all(bytes),
            Streams::Terminal { keyboard, .. } => keyboard.enter(bytes),
        }
        .map_err(InputError::from)
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
