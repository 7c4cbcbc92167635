//! What the system tells the command from outside: the same three words on every platform.

use std::io;

/// A wish that the command ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    /// SIGINT, or Ctrl-C in a Windows console.
    Interrupt,
    /// SIGTERM; Ctrl-Break, log-off and shutdown on Windows.
    Terminate,
    /// SIGHUP; the console window was closed on Windows.
    HangUp,
}

impl Signal {
    /// Its POSIX number.
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::HangUp => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}

/// Receives signals from its creation on: until then the system's default, which ends the process, holds.
#[derive(Debug)]
pub(crate) struct Signals(system::Signals);

impl Signals {
    /// Starts to receive. SIGHUP stays off when the parent has turned it off, as `nohup` does.
    pub(crate) fn listen() -> io::Result<Self> {
        system::Signals::listen().map(Self)
    }

    /// The next signal. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Signal {
        self.0.next().await
    }
}

#[cfg(unix)]
mod system {
    use std::{future::pending, io};

    use tokio::signal::unix::{self, SignalKind};

    use super::Signal;

    #[derive(Debug)]
    pub(super) struct Signals {
        interrupt: unix::Signal,
        terminate: unix::Signal,
        /// `None` under `nohup`.
        hang_up: Option<unix::Signal>,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self {
                interrupt: unix::signal(SignalKind::interrupt())?,
                terminate: unix::signal(SignalKind::terminate())?,
                hang_up: (!ignores_hang_up()).then(|| unix::signal(SignalKind::hangup())).transpose()?,
            })
        }

        pub(super) async fn next(&mut self) -> Signal {
            let hang_up = async {
                match &mut self.hang_up {
                    Some(signal) => signal.recv().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                Some(()) = self.terminate.recv() => Signal::Terminate,
                Some(()) = self.interrupt.recv() => Signal::Interrupt,
                Some(()) = hang_up => Signal::HangUp,
                else => pending().await,
            }
        }
    }

    /// Whether this process was started with SIGHUP turned off, where the system tells without `unsafe`.
    fn ignores_hang_up() -> bool {
        std::fs::read_to_string("/proc/self/status").is_ok_and(|status| mask_has_hang_up(&status))
    }

    /// Whether the set of ignored signals in `/proc/self/status` has SIGHUP, which is its lowest bit.
    fn mask_has_hang_up(status: &str) -> bool {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 1))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_mask_of_a_nohup_process_names_sighup() {
            assert!(mask_has_hang_up("Name:\tx\nSigBlk:\t0\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
            assert!(!mask_has_hang_up("SigIgn:\t0000000000001000\n"));
            assert!(!mask_has_hang_up("Name:\tx\n"));
        }

        #[tokio::test]
        async fn a_signal_to_this_process_is_received() {
            let mut signals = Signals::listen().unwrap();
            // Caught from here on. SIGHUP would be left out where the tests run under `nohup`.
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
            assert_eq!(signals.next().await, Signal::Terminate);
        }
    }
}

#[cfg(windows)]
mod system {
    use std::{future::pending, io};

    use tokio::signal::windows::{self, CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown};

    use super::Signal;

    /// After a close event the system ends the process within about five seconds, whatever it does.
    #[derive(Debug)]
    pub(super) struct Signals {
        interrupt: CtrlC,
        stop: CtrlBreak,
        close: CtrlClose,
        log_off: CtrlLogoff,
        shutdown: CtrlShutdown,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self {
                interrupt: windows::ctrl_c()?,
                stop: windows::ctrl_break()?,
                close: windows::ctrl_close()?,
                log_off: windows::ctrl_logoff()?,
                shutdown: windows::ctrl_shutdown()?,
            })
        }

        pub(super) async fn next(&mut self) -> Signal {
            tokio::select! {
                Some(()) = self.interrupt.recv() => Signal::Interrupt,
                Some(()) = self.stop.recv() => Signal::Terminate,
                Some(()) = self.log_off.recv() => Signal::Terminate,
                Some(()) = self.shutdown.recv() => Signal::Terminate,
                Some(()) = self.close.recv() => Signal::HangUp,
                else => pending().await,
            }
        }
    }
}
