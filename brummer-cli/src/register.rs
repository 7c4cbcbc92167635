//! `register`: keeps a doorbell file for as long as a server runs: one that runs already, one that it starts, or one that it
//! starts at need and serves itself (`--stdio`).

mod announce;
mod answering;
mod child;
mod port;
mod share;
mod wrap;

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
};

use brummer_hub::{
    doorbell::{InstanceId, Secret},
    registration::{Registration, RegistrationOptions},
};

pub(crate) use self::{
    announce::announce,
    share::{inventory_file, share},
    wrap::wrap,
};
use crate::{
    args::{Announcement, TokenSource},
    exit::{ExitStatus, Failure},
    output,
};

/// A file that is larger holds no token.
const MAX_TOKEN_FILE_BYTES: u64 = 64 * 1024;

/// What hubs are to send to the server.
#[derive(Debug, Default)]
struct Secrets {
    token: Option<Secret>,
    headers: BTreeMap<String, Secret>,
}

/// Turns away what could never be announced, before anything is started or waited for, and reads what is secret.
fn check(announcement: &Announcement) -> Result<Secrets, Failure> {
    if let Some(id) = &announcement.id {
        InstanceId::parse(id).map_err(|why| {
            Failure::new(format!("`{id}` is not a valid id: {why}")).with_status(ExitStatus::Usage)
        })?;
    }
    match &announcement.path {
        Some(path) if !path.is_dir() => {
            Err(Failure::new(format!("there is no directory {}", path.display()))
                .with_status(ExitStatus::Usage))
        }
        _ => secrets(announcement),
    }
}

/// Reads the token and the header fields from where they are.
fn secrets(announcement: &Announcement) -> Result<Secrets, Failure> {
    let usage = |message: String| Failure::new(message).with_status(ExitStatus::Usage);
    let of_variable = |option: &str, name: &str| {
        let value = std::env::var(name)
            .map_err(|_| usage(format!("{option}: the environment variable `{name}` is not set")))?;
        Secret::new(&value)
            .map_err(|why| usage(format!("{option}: the value of `{name}` cannot be sent: {why}")))
    };
    let token = match &announcement.token {
        None => None,
        Some(TokenSource::Variable(name)) => Some(of_variable("--token-env", name)?),
        Some(TokenSource::File(file)) => {
            let mut text = String::new();
            std::fs::File::open(file)
                .and_then(|opened| opened.take(MAX_TOKEN_FILE_BYTES).read_to_string(&mut text))
                .map_err(|why| usage(format!("--token-file: cannot read {}: {why}", file.display())))?;
            let token = Secret::new(text.trim_start_matches('\u{feff}').trim()).map_err(|why| {
                usage(format!("--token-file: what {} holds cannot be sent: {why}", file.display()))
            })?;
            Some(token)
        }
    };
    let mut headers = BTreeMap::new();
    for (header, variable) in &announcement.headers {
        headers.insert(header.to_ascii_lowercase(), of_variable("--header-env", variable)?);
    }
    Ok(Secrets { token, headers })
}

/// Writes the doorbell file and says so.
fn ring(announcement: &Announcement, secrets: Secrets, pid: u32) -> Result<Registration, Failure> {
    let mut options = RegistrationOptions::new(announcement.port);
    options.pid = Some(pid);
    options.host = announcement.host;
    options.id = announcement.id.as_deref().map(InstanceId::parse).transpose()?;
    options.path = announcement.path.as_deref().map(absolute);
    options.name.clone_from(&announcement.name);
    options.endpoint.clone_from(&announcement.endpoint);
    options.token = secrets.token;
    options.headers = secrets.headers;
    options.labels.clone_from(&announcement.labels);
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
