//! A command that runs as if it had been started without this program: with its standard streams, and on its terminal. It
//! is guarded as a script is, so that nothing of it outlives this process.

use std::{
    ffi::{OsStr, OsString},
    io,
};

use crate::guard::link::Exit;

/// What this program must be given, besides what makes it a guard, to guard an attached command.
pub const ATTACHED: &str = "--attached";

/// A running command. All of it ends when this is dropped.
#[derive(Debug)]
pub struct Attached {
    system: system::Attached,
    pid: u32,
}

/// Why a command could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct NotStarted {
    /// There is no such program.
    pub is_missing: bool,
    /// In words.
    pub why: String,
}

impl Attached {
    /// Starts a command. `guard` is what this program must be given to become a guard; not used on Windows.
    ///
    /// # Errors
    /// When it cannot be started.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub async fn start(
        program: &OsStr,
        arguments: &[OsString],
        guard: &[OsString],
    ) -> Result<Self, NotStarted> {
        let (system, pid) = system::Attached::start(program, arguments, guard).await?;
        Ok(Self { system, pid })
    }

    /// The process id of the command itself; it stays reserved until [`Attached::ended`] has answered.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until nothing of it is left. Returns the code that a shell would show for it; none if it was lost, because
    /// somebody has killed its guard. Cancel-safe; answers the same again when asked again.
    pub async fn ended(&mut self) -> Option<i32> {
        self.system.ended().await.map(|exit| match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        })
    }

    /// Sends this signal to the command and all its descendants, as a terminal does.
    #[cfg(unix)]
    pub fn signal(&mut self, number: i32) {
        self.system.signal(number);
    }
}

fn cannot_start(program: &OsStr, error: &io::Error) -> NotStarted {
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    NotStarted {
        is_missing,
        why: format!("cannot start `{}`: {error}", std::path::Path::new(program).display()),
    }
}

#[cfg(unix)]
mod system {
    use std::{
        ffi::{OsStr, OsString},
        os::fd::AsFd as _,
    };

    use super::{ATTACHED, NotStarted, cannot_start};
    use crate::guard::{
        guarded::{self, Guarded},
        link::{Exit, Order, Report},
    };

    #[derive(Debug)]
    pub(super) struct Attached {
        guarded: Guarded,
        exit: Option<Exit>,
        is_gone: bool,
    }

    impl Attached {
        pub(super) async fn start(
            program: &OsStr,
            arguments: &[OsString],
            guard: &[OsString],
        ) -> Result<(Self, u32), NotStarted> {
            let start = || {
                let mut command = guarded::own_program()?;
                command.args(guard).arg(ATTACHED).arg("--").arg(program).args(arguments);
                Guarded::start(&mut command, std::io::stdin().as_fd())
            };
            let mut guarded = start().map_err(|error| cannot_start(program, &error))?;
            match guarded.next().await {
                Report::Started(pid) => Ok((Self { guarded, exit: None, is_gone: false }, pid)),
                Report::NotStarted { is_missing, why } => Err(NotStarted { is_missing, why }),
                Report::Exited(_) | Report::Gone => {
                    let why = "its guard has ended before it could start".to_owned();
                    Err(NotStarted { is_missing: false, why })
                }
            }
        }

        pub(super) async fn ended(&mut self) -> Option<Exit> {
            while !self.is_gone {
                match self.guarded.next().await {
                    Report::Exited(exit) => self.exit = Some(exit),
                    Report::Gone => self.is_gone = true,
                    Report::Started(_) | Report::NotStarted { .. } => {}
                }
            }
            self.exit
        }

        pub(super) fn signal(&mut self, number: i32) {
            self.guarded.order(Order::Signal(number));
        }
    }
}

#[cfg(windows)]
mod system {
    use std::ffi::{OsStr, OsString};

    use process_wrap::tokio::{ChildWrapper, CommandWrap, JobObject, KillOnDrop};

    use super::{NotStarted, cannot_start};
    use crate::{guard::link::Exit, program};

    /// A command in a job object, which ends with this process.
    #[derive(Debug)]
    pub(super) struct Attached {
        job: Box<dyn ChildWrapper>,
        exit: Option<Exit>,
        is_gone: bool,
    }

    impl Attached {
        pub(super) async fn start(
            program: &OsStr,
            arguments: &[OsString],
            _guard: &[OsString],
        ) -> Result<(Self, u32), NotStarted> {
            let refused = |error: std::io::Error| cannot_start(program, &error);
            let mut wrapped = CommandWrap::with_new(program::locate(program), |process| {
                process.args(arguments);
            });
            wrapped.wrap(KillOnDrop).wrap(JobObject);
            let job = wrapped.spawn().map_err(refused)?;
            let pid = job.id().ok_or_else(|| refused(std::io::Error::other("it ended at once")))?;
            Ok((Self { job, exit: None, is_gone: false }, pid))
        }

        pub(super) async fn ended(&mut self) -> Option<Exit> {
            if self.exit.is_none() {
                // The command's own process; the job would wait for all others, too.
                let status = self.job.inner_mut().wait().await.ok();
                self.exit = status.and_then(|status| status.code()).map(Exit::Code);
            }
            if !self.is_gone {
                // What is left has lost the one who would have waited for it. It fails when nothing is left.
                let _ = self.job.start_kill();
                let _ = self.job.wait().await;
                self.is_gone = true;
            }
            self.exit
        }
    }
}
