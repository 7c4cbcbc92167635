//! `register`: keeps a doorbell file for as long as a server runs, one that runs already or one that it starts.

mod announce;
mod child;
mod port;
mod wrap;

use std::path::{Path, PathBuf};

use brummer_hub::{
    doorbell::InstanceId,
    registration::{Registration, RegistrationOptions},
};

pub(crate) use self::{announce::announce, wrap::wrap};
use crate::{
    args::Announcement,
    exit::{ExitStatus, Failure},
    output,
};

/// Turns away what could never be announced, before anything is started or waited for.
fn check(announcement: &Announcement) -> Result<(), Failure> {
    if let Some(id) = &announcement.id {
        InstanceId::parse(id)
            .map_err(|why| Failure::new(format!("`{id}` is no id: {why}")).with_status(ExitStatus::Usage))?;
    }
    match &announcement.path {
        Some(path) if !path.is_dir() => {
            Err(Failure::new(format!("there is no directory {}", path.display()))
                .with_status(ExitStatus::Usage))
        }
        _ => Ok(()),
    }
}

/// Writes the doorbell file and says so.
fn ring(announcement: &Announcement, pid: u32) -> Result<Registration, Failure> {
    let mut options = RegistrationOptions::new(announcement.port);
    options.pid = Some(pid);
    options.id = announcement.id.as_deref().map(InstanceId::parse).transpose()?;
    options.path = announcement.path.as_deref().map(absolute);
    options.name.clone_from(&announcement.name);
    options.endpoint.clone_from(&announcement.endpoint);
    options.directories = announcement.directories.clone();
    let registration = Registration::announce(options)?;
    let doorbell = registration.doorbell();
    output::note(format_args!(
        "announced port {} of process {pid} as `{}` (id {})",
        doorbell.port, doorbell.name, doorbell.id
    ));
    Ok(registration)
}

/// The project's directory as every other process names it.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Takes the announcement back. Failing to is worth a word, but changes nothing about how the server ended: hubs see
/// that for themselves.
fn withdraw(registration: Registration) {
    if let Err(error) = registration.remove() {
        output::note(format_args!("warning: {error}"));
    }
}
