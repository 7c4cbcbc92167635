//! The command that `register` has started. It shares standard streams, process group and terminal with this process,
//! so it behaves as if it had been started without `register`.

use std::{
    ffi::{OsStr, OsString},
    io,
    process::{ExitStatus, Stdio},
};

use tokio::process::{self, Command};

use crate::signals::Signal;

/// A running command. Dropping it leaves it running.
#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    pid: u32,
}

impl Child {
    pub(super) fn start(program: &OsStr, arguments: &[OsString]) -> io::Result<Self> {
        let process = Command::new(located(program))
            .args(arguments)
            .stdin(Stdio::inherit())
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit())
            .spawn()?;
        let pid = process.id().ok_or_else(|| io::Error::other("it ended at once"))?;
        Ok(Self { process, pid })
    }

    /// Its process id; it stays reserved until [`Child::ended`] has answered.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for its end. Cancel-safe; answers the same again when asked again.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Sends it a signal that this process was sent, unless the terminal has sent it to both.
    #[cfg(unix)]
    pub(super) fn pass_on(&self, signal: Signal) {
        use rustix::process::Signal as Native;

        match signal {
            // A second interrupt makes many dev servers give up their orderly end.
            Signal::Interrupt if in_foreground() => {}
            Signal::Interrupt => self.send(Native::INT),
            Signal::Terminate => self.send(Native::TERM),
            Signal::HangUp => self.send(Native::HUP),
        }
    }

    /// A console sends its events to every process in it; there is nothing to pass on but to wait.
    #[cfg(windows)]
    pub(super) fn pass_on(&self, _signal: Signal) {}

    #[cfg(unix)]
    fn send(&self, signal: rustix::process::Signal) {
        // The id cannot have been reused: `tokio` gives it out only until the command has been waited for.
        let pid = self.process.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            // It can only fail because the command has ended, or has become another user's.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// Whether this process belongs to the foreground group of its terminal, to which Ctrl-C sends the interrupt: then the
/// command, of the same group, has got it as well. An interrupt that someone sends to this process alone at such a
/// time cannot be told from it, and is not passed on; SIGTERM always is.
#[cfg(unix)]
fn in_foreground() -> bool {
    std::fs::File::open("/dev/tty")
        .ok()
        .and_then(|terminal| rustix::termios::tcgetpgrp(terminal).ok())
        .is_some_and(|foreground| foreground == rustix::process::getpgrp())
}

#[cfg(unix)]
fn located(program: &OsStr) -> &OsStr {
    program
}

#[cfg(windows)]
fn located(program: &OsStr) -> OsString {
    brummer_run::program::locate(program)
}
