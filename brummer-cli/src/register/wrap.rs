//! `register --port N -- COMMAND`: starts a server, announces it once it listens, and ends as it ends.

use std::{ffi::OsString, future::pending, path::Path, time::Duration};

use brummer_run::attached::NotStarted;

use super::{answering::warn_of_silence, check, child::Child, port, ring, withdraw};
use crate::{
    args::Announcement,
    exit::{ExitStatus, Failure},
    output,
    signals::Signals,
};

/// What a shell answers for a command that does not exist, and for one that cannot be run.
const NOT_FOUND: i32 = 127;
const NOT_RUNNABLE: i32 = 126;

/// Runs the command, and announces it for as long as it runs.
pub(crate) async fn wrap(
    announcement: Announcement,
    program: &OsString,
    arguments: &[OsString],
    wait: Duration,
) -> Result<ExitStatus, Failure> {
    let secrets = check(&announcement)?;
    // Before the command: a signal that comes as it starts must reach it.
    let mut signals = Signals::listen()?;
    if port::is_open(announcement.host, announcement.port).await {
        return Err(Failure::new(format!(
            "something listens on {} already",
            port::named(announcement.host, announcement.port)
        ))
        .hint(format!(
            "stop it, choose another port, or announce what is there: `brummer-hub register --port {}`",
            announcement.port
        )));
    }
    let mut child = Child::start(program, arguments).await.map_err(cannot_start)?;
    match until_listening(&announcement, &mut child, &mut signals, wait).await {
        Start::Ended(code) => Ok(status(code)),
        Start::Late => {
            output::note(format_args!(
                "warning: nothing listens on {place} after {wait:?}; `{name}` goes on without being announced\n\
                 hint: check the port, or wait longer with `--wait`; once it listens, \
                 `brummer-hub register --port {port}` announces it",
                place = port::named(announcement.host, announcement.port),
                port = announcement.port,
                name = Path::new(program).display(),
            ));
            Ok(until_ended(&mut child, &mut signals).await)
        }
        Start::Listening => {
            // The server matters more to its user than the announcement: it is not ended for want of one.
            let registration = ring(&announcement, secrets, child.pid())
                .inspect_err(|failure| {
                    output::note(format_args!(
                        "{failure}\nhint: the command goes on without being announced"
                    ));
                })
                .ok();
            let warning = async {
                match &registration {
                    Some(it) => warn_of_silence(&announcement.directories, it.doorbell()).await,
                    None => pending().await,
                }
            };
            let ended = tokio::select! {
                biased;
                ended = until_ended(&mut child, &mut signals) => ended,
                never = warning => match never {},
            };
            if let Some(registration) = registration {
                withdraw(registration);
            }
            Ok(ended)
        }
    }
}

/// How the command's start went.
enum Start {
    Listening,
    Late,
    /// With this exit code, if it has one.
    Ended(Option<i32>),
}

async fn until_listening(
    announcement: &Announcement,
    child: &mut Child,
    signals: &mut Signals,
    wait: Duration,
) -> Start {
    let opened = tokio::time::timeout(wait, port::opened(announcement.host, announcement.port));
    tokio::pin!(opened);
    loop {
        tokio::select! {
            biased;
            code = child.ended() => return Start::Ended(code),
            signal = signals.next() => child.pass_on(signal),
            opened = &mut opened => return if opened.is_ok() { Start::Listening } else { Start::Late },
        }
    }
}

async fn until_ended(child: &mut Child, signals: &mut Signals) -> ExitStatus {
    loop {
        tokio::select! {
            biased;
            code = child.ended() => return status(code),
            signal = signals.next() => child.pass_on(signal),
        }
    }
}

/// How this process ends for the command's exit code.
fn status(code: Option<i32>) -> ExitStatus {
    code.map_or(ExitStatus::Failure, ExitStatus::Command)
}

fn cannot_start(error: NotStarted) -> Failure {
    let code = if error.is_missing { NOT_FOUND } else { NOT_RUNNABLE };
    Failure::from(error).with_status(ExitStatus::Command(code))
}
