//! `run`: the process manager of a project, from signals to exit codes. What it does is in `brummer_run`.

use std::{
    ffi::{OsStr, OsString},
    io::{self, IsTerminal as _},
};

#[cfg(unix)]
use brummer_run::guard::Attachment;
use brummer_run::{ConsoleOptions, RunError, RunOptions};
use tokio_util::sync::CancellationToken;

use crate::{
    args::{self, Project},
    colour,
    exit::{ExitStatus, Failure},
    output,
    signals::Signals,
    typed,
};

/// Runs until a signal comes, which ends everything in order. A second one ends everything at once.
pub(crate) async fn run(project: Project) -> Result<ExitStatus, Failure> {
    let mut signals = Signals::listen()?;
    let console = ConsoleOptions {
        output: Box::new(output::stdout()),
        notes: Box::new(output::stderr()),
        colour: colour::is_wanted(&io::stdout()),
        // What is run to its end for another program, or into a file, is wanted whole.
        whole: project.exit && !io::stdout().is_terminal(),
    };
    let guard = vec![OsString::from(args::GUARD)];
    let mut options = RunOptions::new(project.directory, guard, console);
    options.scripts = project.scripts;
    options.command = project.command;
    options.port = project.port;
    options.name = project.name;
    options.allow_env = project.allow_env;
    options.pty = project.pty;
    options.log_dir = project.log_dir;
    options.dev_mcp = project.dev_mcp;
    options.exit = project.exit;
    options.typed = typed::lines();
    options.token = project.token;
    options.directories = project.directories;

    let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
    let running = brummer_run::run(options, stop.clone(), kill.clone());
    tokio::pin!(running);
    let (mut first, mut second) = (None, None);
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut running => break ended,
            signal = signals.next(), if second.is_none() => {
                if stop.is_cancelled() {
                    second = Some(signal);
                    kill.cancel();
                }
                first.get_or_insert(signal);
                stop.cancel();
            }
        }
    };
    Ok(match ended.map_err(failure)? {
        Some(code) => ExitStatus::Command(code),
        // Whoever waits for the scripts must not take this for their success.
        None if project.exit => first.map_or(ExitStatus::Failure, ExitStatus::Signalled),
        None => second.map_or(ExitStatus::Success, ExitStatus::Signalled),
    })
}

fn failure(error: RunError) -> Failure {
    let status = match &error {
        RunError::NoDirectory(_) | RunError::NoTerminals => ExitStatus::Usage,
        _ => ExitStatus::Failure,
    };
    Failure::from(error).with_status(status)
}

/// Stands between `run` and a script, or `register` and its command.
#[cfg(unix)]
pub(crate) fn guard(
    terminal: args::GuardedTerminal,
    program: &OsStr,
    arguments: &[OsString],
) -> Result<ExitStatus, Failure> {
    let attachment = match terminal {
        args::GuardedTerminal::None => Attachment::None,
        args::GuardedTerminal::Own => Attachment::Own,
        args::GuardedTerminal::Callers => Attachment::Terminal,
    };
    brummer_run::guard::serve(attachment, program, arguments)?;
    Ok(ExitStatus::Success)
}

/// On Windows a job object does it.
#[cfg(windows)]
pub(crate) fn guard(
    _terminal: args::GuardedTerminal,
    _program: &OsStr,
    _arguments: &[OsString],
) -> Result<ExitStatus, Failure> {
    Err(Failure::new("there are no guards on Windows").with_status(ExitStatus::Usage))
}
