//! The files of what should be there: the user's own and those of projects.
//!
//! ```text
//!  files ──parse──▶ contents ──effective──▶ what counts ──settings──▶ HubConfig, servers to be started
//!                             consents ─────▲
//! ```
//!
//! They are read when a command starts, and by a hub that runs when they change. Nothing in them can stop it: what is wrong is told, and costs the entry that it
//! stands in.

mod consent;
mod effective;
mod files;
mod follow;
mod parse;
mod settings;
mod show;

use std::{ffi::OsStr, path::Path};

use brummer_hub::discovery::Directories;

pub(crate) use self::{
    consent::Consent,
    effective::{Effective, Origin, ServerState},
    files::{ConfigFile, FileState, create_private},
    follow::{Followed, follow},
    settings::Wanted,
    show::{ConfigRequest, config},
};
use self::{consent::Consents, parse::ServerKind, settings::program_of};

/// Whether a project's file declares this command, and somebody has agreed to it as it is now. Blocking.
pub(crate) fn is_agreed(
    directories: &Directories,
    file: &Path,
    (name, program, arguments): (&str, &OsStr, &[String]),
) -> bool {
    let file = ConfigFile::read(file.to_owned(), true);
    let declared = file.contents.servers.get(name).and_then(|server| server.kind.as_ref());
    let is_this = matches!(declared, Some(ServerKind::Stdio(stdio))
        if stdio.args == arguments && program_of(&stdio.command, file.directory()) == program);
    is_this && Consents::of(directories).given_to(&file) == Consent::Given
}

/// Everything that the files say.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) files: Vec<ConfigFile>,
    pub(crate) effective: Effective,
    consents: Consents,
}

impl Loaded {
    /// Reads the files that count in this directory. Blocking: a few small files.
    pub(crate) fn read(directories: &Directories, here: Option<&Path>) -> Self {
        let files = files::all(directories, here);
        let consents = Consents::of(directories);
        let effective = effective::effective(&files, |file| consents.given_to(file));
        Self { files, effective, consents }
    }

    /// What is wrong, as one line for each.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        self.effective.problems.iter().map(|(origin, text)| format!("{}: {text}", origin.text()))
    }

    /// Files of projects that declare servers to which nobody has agreed.
    pub(crate) fn undecided(&self) -> impl Iterator<Item = (&ConfigFile, Consent)> {
        let needing = self.files.iter().filter(|file| file.needs_consent());
        needing
            .map(|file| (file, self.consents.given_to(file)))
            .filter(|(_, consent)| *consent != Consent::Given)
    }
}
