//! `register --port N`: announces a server that runs already, until it ends or a signal comes.

use std::time::Duration;

use brummer_hub::process::{owner_of_port, wait_for_exit};

use super::{answering::warn_of_silence, check, port, ring, withdraw};
use crate::{
    args::Announcement,
    exit::{ExitStatus, Failure},
    output,
    signals::Signals,
};

/// Announces the port and stays until the process that serves it ends.
pub(crate) async fn announce(
    announcement: Announcement,
    pid: Option<u32>,
    wait: Option<Duration>,
) -> Result<ExitStatus, Failure> {
    let secrets = check(&announcement)?;
    let mut signals = Signals::listen()?;
    let open = tokio::select! {
        biased;
        _ = signals.next() => return Ok(ExitStatus::Success),
        open = listens(&announcement, wait) => open,
    };
    if !open {
        return Err(nothing_listens(&announcement, wait));
    }
    // The system does not tell the owner of another user's port. Then this process stands for it: the announcement
    // lasts as long as this command.
    let owner = pid.or_else(|| owner_of_port(announcement.host, announcement.port));
    let registration = ring(&announcement, secrets, owner.unwrap_or_else(std::process::id))?;
    tokio::select! {
        biased;
        _ = signals.next() => {}
        process = ended(owner) => output::note(format_args!("process {process} has ended")),
        never = warn_of_silence(&announcement.directories, registration.doorbell()) => match never {},
    }
    withdraw(registration);
    Ok(ExitStatus::Success)
}

async fn listens(&Announcement { host, port, .. }: &Announcement, wait: Option<Duration>) -> bool {
    match wait {
        None => port::is_open(host, port).await,
        Some(wait) => tokio::time::timeout(wait, port::opened(host, port)).await.is_ok(),
    }
}

async fn ended(process: Option<u32>) -> u32 {
    match process {
        Some(pid) => {
            wait_for_exit(pid).await;
            pid
        }
        None => std::future::pending().await,
    }
}

fn nothing_listens(announcement: &Announcement, wait: Option<Duration>) -> Failure {
    let port = announcement.port;
    let place = port::named(announcement.host, port);
    match wait {
        None => Failure::new(format!("nothing listens on {place}")).hint(format!(
            "start the server first, wait for it with `--wait 30s`, or let brummer-hub start it: \
             `brummer-hub register --port {port} -- COMMAND`"
        )),
        Some(wait) => Failure::new(format!("nothing listens on {place} after {wait:?}"))
            .hint("check the port, or wait longer with `--wait`"),
    }
}
