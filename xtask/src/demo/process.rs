//! Programs that the demo has started. None outlives it.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// How long a program may take to end after it was asked to.
const END: Duration = Duration::from_secs(10);

/// The system has no bounded wait for the end of a child in the standard library: it is asked this often.
const PAUSE: Duration = Duration::from_millis(2);

/// A running program. It is ended on drop: asked first, so that it ends what it has started itself.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts it. What it says goes to a log in `directory`, as far as `command` has not set it otherwise.
    pub(super) fn start(name: &'static str, command: &mut Command, directory: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(directory.join(format!("{name}.log")))?;
        let child = command.stderr(Stdio::from(log)).spawn();
        let child =
            child.with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        Ok(Self { name, child })
    }

    /// Its pipes.
    pub(super) fn pipes(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Ends it as a crash would, without a chance to clean up.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("cannot kill {}", self.name))?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn end(&mut self) -> Result<ExitStatus> {
        ask_to_end(self.child.id())?;
        self.ended()
    }

    /// Waits until it has ended.
    pub(super) fn ended(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + END;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("{} has not ended within {END:?}", self.name);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let running = matches!(self.child.try_wait(), Ok(None));
        if running && self.end().is_err() {
            // It has ended in between, or nothing helps.
            let _ = self.kill();
        }
    }
}

/// SIGTERM, or its nearest relative on Windows, which also ends what the program has started.
fn ask_to_end(pid: u32) -> Result<()> {
    let pid = pid.to_string();
    let mut command = if cfg!(windows) { Command::new("taskkill") } else { Command::new("kill") };
    if cfg!(windows) {
        command.args(["/F", "/T", "/PID", &pid]);
    } else {
        command.args(["-TERM", &pid]);
    }
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    anyhow::ensure!(status.context("cannot end a process")?.success(), "cannot end process {pid}");
    Ok(())
}
