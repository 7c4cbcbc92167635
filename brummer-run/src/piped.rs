//! A command with three pipes to this program: a server that speaks over stdio. It is guarded as a script is, so that nothing
//! of it outlives this process. What it says on standard error, and on standard output beside messages, gets into answers and
//! logs, and so is masked as the log of a script is.

use std::{ffi::OsString, path::PathBuf, pin::Pin, time::Duration};

use brummer_hub::stdio_instance::{Launch, Launched, Launching, NotLaunched, RunningProgram};

use crate::{
    guard::link::Exit,
    log::{Masked, masked_line},
};

/// A command that is started again and again, each time behind a guard of its own.
#[derive(Clone, Debug)]
pub struct PipedCommand {
    /// The program.
    pub program: OsString,
    /// What it is given.
    pub arguments: Vec<OsString>,
    /// Where it is started; the working directory unless given.
    pub directory: Option<PathBuf>,
    /// Variables in its environment, beside those of this process.
    pub environment: Vec<(OsString, OsString)>,
    /// What this program must be given to become a guard; not used on Windows.
    pub guard: Vec<OsString>,
}

impl Launch for PipedCommand {
    fn launch(&self) -> Launching {
        let command = self.clone();
        Box::pin(async move { system::start(&command).await })
    }

    fn told(&self, line: String) -> String {
        masked_line(&line)
    }
}

impl PipedCommand {
    fn refused(&self, error: &std::io::Error) -> NotLaunched {
        let is_missing = error.kind() == std::io::ErrorKind::NotFound;
        NotLaunched::new(is_missing, format!("cannot start `{}`: {error}", self.program.display()))
    }
}

fn words(exit: Option<Exit>) -> String {
    match exit {
        Some(Exit::Code(code)) => format!("exit code {code}"),
        Some(Exit::Signal(signal)) => format!("ended by signal {signal}"),
        None => "its guard was killed, and it with it".to_owned(),
    }
}

#[cfg(unix)]
mod system {
    use std::{
        os::fd::{AsFd as _, OwnedFd},
        process::Stdio,
    };

    use tokio::net::unix::pipe;

    use super::*;
    use crate::guard::{
        guarded::{self, Guarded},
        link::{Order, Report},
    };

    struct Running {
        guarded: Guarded,
        exit: Option<Exit>,
        is_gone: bool,
    }

    pub(super) async fn start(command: &PipedCommand) -> Result<Launched, NotLaunched> {
        let (mut guarded, stdin) = spawn(command).map_err(|error| command.refused(&error))?;
        let (Some(stdout), Some(stderr)) = (guarded.stdout(), guarded.stderr()) else {
            return Err(NotLaunched::new(false, "its guard has no pipes"));
        };
        match guarded.next().await {
            Report::Started(pid) => Ok(Launched {
                pid,
                stdin: Box::new(stdin),
                stdout: Box::new(stdout),
                stderr: Box::new(Masked::new(stderr)),
                program: Box::new(Running { guarded, exit: None, is_gone: false }),
            }),
            Report::NotStarted { is_missing, why } => Err(NotLaunched::new(is_missing, why)),
            Report::Exited(_) | Report::Gone => {
                Err(NotLaunched::new(false, "its guard has ended before it could start"))
            }
        }
    }

    fn spawn(command: &PipedCommand) -> std::io::Result<(Guarded, pipe::Sender)> {
        let mut guard = guarded::own_program()?;
        guard.args(&command.guard).arg("--").arg(&command.program).args(&command.arguments);
        guard.envs(command.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &command.directory {
            guard.current_dir(directory).env("PWD", directory);
        }
        guard.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (reader, writer) = std::io::pipe()?;
        let guarded = Guarded::start(&mut guard, reader.as_fd())?;
        Ok((guarded, pipe::Sender::from_owned_fd(OwnedFd::from(writer))?))
    }

    impl RunningProgram for Running {
        fn ended(&mut self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
            Box::pin(async {
                while !self.is_gone {
                    match self.guarded.next().await {
                        Report::Exited(exit) => self.exit = Some(exit),
                        Report::Gone => self.is_gone = true,
                        Report::Started(_) | Report::NotStarted { .. } => {}
                    }
                }
                words(self.exit)
            })
        }

        fn end(&mut self, grace: Duration) {
            self.guarded.order(Order::Stop(grace));
        }
    }
}

#[cfg(windows)]
mod system {
    use std::{io, process::Stdio};

    use process_wrap::tokio::{ChildWrapper, CommandWrap, JobObject, KillOnDrop};

    use super::*;
    use crate::program;

    struct Running {
        job: Box<dyn ChildWrapper>,
        exit: Option<Exit>,
        is_gone: bool,
    }

    pub(super) async fn start(command: &PipedCommand) -> Result<Launched, NotLaunched> {
        spawn(command).map_err(|error| command.refused(&error))
    }

    fn spawn(command: &PipedCommand) -> io::Result<Launched> {
        let mut wrapped = CommandWrap::with_new(program::locate(&command.program), |process| {
            process
                .args(&command.arguments)
                .envs(command.environment.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            if let Some(directory) = &command.directory {
                process.current_dir(directory);
            }
        });
        wrapped.wrap(KillOnDrop).wrap(JobObject);
        let mut job = wrapped.spawn()?;
        let lost = || io::Error::other("it ended at once");
        Ok(Launched {
            pid: job.id().ok_or_else(lost)?,
            stdin: Box::new(job.stdin().take().ok_or_else(lost)?),
            stdout: Box::new(job.stdout().take().ok_or_else(lost)?),
            stderr: Box::new(Masked::new(job.stderr().take().ok_or_else(lost)?)),
            program: Box::new(Running { job, exit: None, is_gone: false }),
        })
    }

    impl RunningProgram for Running {
        fn ended(&mut self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
            Box::pin(async {
                if self.exit.is_none() {
                    let status = self.job.inner_mut().wait().await.ok();
                    self.exit = status.and_then(|status| status.code()).map(Exit::Code);
                }
                if !self.is_gone {
                    // What is left has lost the one who would have waited for it. It fails when nothing is left.
                    let _ = self.job.start_kill();
                    let _ = self.job.wait().await;
                    self.is_gone = true;
                }
                words(self.exit)
            })
        }

        fn end(&mut self, _grace: Duration) {
            // Its input is closed, which is how a server is asked to end; there is no other way.
            let _ = self.job.start_kill();
        }
    }
}
