//! A client's own command for its configuration.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::{
    clients::Own,
    entry::{Launch, NAME},
};

/// A client that is written in JavaScript takes a second or two; one that asks something waits forever.
const LIMIT: Duration = Duration::from_secs(60);

/// The arguments that add the hub.
pub(super) fn add(own: &Own, launch: &Launch) -> Vec<String> {
    let (before, between) = own.add;
    let mut words: Vec<String> = before.iter().map(|&word| word.to_owned()).collect();
    words.push(NAME.to_owned());
    words.extend(between.iter().map(|&word| word.to_owned()));
    words.push(launch.command.clone());
    words.extend(launch.arguments().into_iter().cloned());
    words
}

/// Runs it to its end. What it prints is dropped: the file says whether it has done it.
pub(super) async fn run(program: &Path, arguments: &[String]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match timeout(LIMIT, command.kill_on_drop(true).status()).await {
        Ok(Ok(status)) => status.success(),
        Ok(Err(error)) => {
            tracing::debug!("{} cannot be started: {error}", program.display());
            false
        }
        Err(_) => {
            tracing::debug!("{} took longer than {LIMIT:?}", program.display());
            false
        }
    }
}
