//! One watched directory: whether it is there, which directory it is, and how its changes are noticed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A directory in which doorbells are looked for.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) state: DirectoryState,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum DirectoryState {
    /// Not there, or not for us to see.
    Missing,
    /// There, and listed under another path already.
    Elsewhere,
    /// The system tells of changes.
    Watched { identity: DirectoryIdentity, listed: Option<SystemTime> },
    /// The system cannot tell of changes: it is listed in every round.
    Polled { identity: DirectoryIdentity },
}

/// Distinguishes a directory from another that takes its path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct DirectoryIdentity {
    /// Device and inode, or volume and file index.
    node: Option<(u64, u64)>,
    /// Because a freed inode is soon used again. Windows does not do that with its index.
    created: Option<SystemTime>,
}

impl DirectoryState {
    pub(super) fn identity(&self) -> Option<DirectoryIdentity> {
        match self {
            Self::Missing | Self::Elsewhere => None,
            Self::Watched { identity, .. } | Self::Polled { identity } => Some(*identity),
        }
    }
}

/// A directory as it is now, and when an entry of it last came or went. None when there is none.
pub(super) fn present(path: &Path) -> Option<(DirectoryIdentity, Option<SystemTime>)> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
    let created = if cfg!(unix) { metadata.created().ok() } else { None };
    Some((DirectoryIdentity { node: node(path, &metadata), created }, metadata.modified().ok()))
}

#[cfg(unix)]
fn node(_path: &Path, metadata: &fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(windows)]
fn node(path: &Path, _metadata: &fs::Metadata) -> Option<(u64, u64)> {
    let handle = winapi_util::Handle::from_path_any(path).ok()?;
    let information = winapi_util::file::information(handle).ok()?;
    Some((information.volume_serial_number(), information.file_index()))
}

#[cfg(not(any(unix, windows)))]
fn node(_path: &Path, _metadata: &fs::Metadata) -> Option<(u64, u64)> {
    None
}

impl DirectoryIdentity {
    /// Whether both paths lead to one directory, where the system tells.
    pub(super) fn is_same_node(&self, other: DirectoryIdentity) -> bool {
        self.node.is_some() && self.node == other.node
    }
}

/// The directory to watch for the creation of a missing one: the `brummer` directory, or the one it would be in. None when
/// that is not there either, or is a busy place (the temporary directory): then the rounds find it. Nor on macOS, where
/// notify opens everything that comes into a watched directory.
pub(super) fn place_of_creation(missing: &Path) -> Option<&Path> {
    if cfg!(target_os = "macos") {
        return None;
    }
    let place = missing.ancestors().skip(1).take(2).find(|ancestor| ancestor.is_dir())?;
    (!is_busy(place)).then_some(place)
}

/// Whether so much comes and goes in a directory that nobody wants to hear of it.
pub(super) fn is_busy(directory: &Path) -> bool {
    directory == Path::new("/tmp") || directory == env::temp_dir() || directory.parent().is_none()
}
