//! The command that `register` has started. It shares standard streams, process group and terminal with this process,
//! so it behaves as if it had been started without `register`; but it and all that it starts end with this process.

use std::ffi::{OsStr, OsString};

use brummer_run::attached::{Attached, NotStarted};

use crate::{args, signals::Signal};

/// A running command. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Child(Attached);

impl Child {
    pub(super) async fn start(program: &OsStr, arguments: &[OsString]) -> Result<Self, NotStarted> {
        Attached::start(program, arguments, &[OsString::from(args::GUARD)]).await.map(Self)
    }

    /// Its process id; it stays reserved until [`Child::ended`] has answered.
    pub(super) fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Waits until nothing of it is left, and returns its exit code. Cancel-safe; answers the same again when asked again.
    pub(super) async fn ended(&mut self) -> Option<i32> {
        self.0.ended().await
    }

    /// Sends it, and all that it has started, a signal that this process was sent, unless the terminal has done so.
    #[cfg(unix)]
    pub(super) fn pass_on(&mut self, signal: Signal) {
        // A second interrupt makes many dev servers give up their orderly end.
        if signal != Signal::Interrupt || !in_foreground() {
            self.0.signal(signal.number());
        }
    }

    /// A console sends its events to every process in it; there is nothing to pass on but to wait.
    #[cfg(windows)]
    pub(super) fn pass_on(&mut self, _signal: Signal) {}
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
