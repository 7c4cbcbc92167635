//! Which files there are, and how they are read.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use brummer_hub::discovery::{Directories, read_trusted};
use sha2::{Digest as _, Sha256};

use super::parse::{self, Contents};

/// What a project's file is called.
pub(crate) const PROJECT_FILE: &str = ".brummer.toml";

/// Directories above the working directory that are looked into.
const MAX_LEVELS: usize = 64;

/// A file that says, or would say, something.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    pub(crate) path: Arc<Path>,
    /// It lies in a project, and is not the user's own.
    pub(crate) is_project: bool,
    pub(crate) state: FileState,
    /// Of its bytes.
    pub(crate) hash: String,
    pub(crate) contents: Contents,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FileState {
    /// It is not there.
    Absent,
    /// It is there, and may not be used.
    Refused,
    Read,
}

/// The user's own file.
pub(crate) fn user_file(directories: &Directories) -> Option<PathBuf> {
    // A data directory of one's own is for being apart from everything else.
    if directories.watched.len() == 1 {
        return Some(directories.data.join("config.toml"));
    }
    dirs::config_dir().map(|directory| directory.join("brummer").join("config.toml"))
}

/// The directories whose files count in one, the nearest first.
pub(crate) fn project_directories(here: Option<&Path>) -> impl Iterator<Item = &Path> {
    let home = std::env::home_dir();
    let above = here.into_iter().flat_map(Path::ancestors).take(MAX_LEVELS);
    // The home directory is no project, and what lies above it is nobody's.
    above.take_while(move |directory| Some(*directory) != home.as_deref())
}

/// All files that count in a directory: the user's own first, then those of projects, the nearest last.
pub(crate) fn all(directories: &Directories, here: Option<&Path>) -> Vec<ConfigFile> {
    let mut files: Vec<ConfigFile> =
        user_file(directories).map(|path| ConfigFile::read(path, false)).into_iter().collect();
    let mut projects: Vec<ConfigFile> = project_directories(here)
        .map(|directory| ConfigFile::read(directory.join(PROJECT_FILE), true))
        .filter(|file| file.state != FileState::Absent)
        .collect();
    projects.reverse();
    files.extend(projects);
    files
}

impl ConfigFile {
    pub(crate) fn read(path: PathBuf, is_project: bool) -> Self {
        // People keep the file elsewhere, and link to it. A project's link could lead anywhere.
        let real = if is_project { None } else { path.canonicalize().ok() };
        let mut file = Self {
            path: path.into(),
            is_project,
            state: FileState::Read,
            hash: String::new(),
            contents: Contents::default(),
        };
        match read_trusted(real.as_deref().unwrap_or(&file.path)) {
            Ok(bytes) => {
                file.hash = hash(&bytes);
                file.contents = parse::parse(&bytes);
            }
            Err(error) if error.is_absent() => file.state = FileState::Absent,
            Err(error) => {
                file.state = FileState::Refused;
                let text = format!("the file is refused: {error}; nothing of it counts");
                file.contents.problems.push((0, text));
            }
        }
        file
    }

    /// The directory that it is about.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Whether somebody has to agree before what it says is done.
    pub(crate) fn needs_consent(&self) -> bool {
        self.is_project && self.contents.servers.values().any(|server| server.kind.is_some())
    }
}

/// The hash of bytes, as text.
pub(crate) fn hash(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path as a person writes it in a file: `~` is the home directory, a relative one begins where the file is.
pub(crate) fn written_path(text: &str, base: &Path) -> PathBuf {
    let rest =
        text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with(std::path::is_separator));
    match (rest, std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest.trim_start_matches(std::path::is_separator)),
        _ => base.join(text),
    }
}

/// Creates a directory, and what is missing above it, for this user alone.
pub(crate) fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}
