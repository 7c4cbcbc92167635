//! Reads doorbell files without trusting what lies there: no links, no pipes, no other user's files, nothing large.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::Found;
use crate::{
    doorbell::{Doorbell, DoorbellError, MAX_FILE_BYTES, Remark},
    sources::kind::SourceKind,
};

/// A file that was written this shortly before it was read may be written again without getting another time: kernels
/// stamp files with a clock that ticks every 1 to 16 ms, some file systems more coarsely.
const CLOCK_TICK: Duration = Duration::from_millis(100);

/// Tells whether a file has changed since it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorbellRefusal {
    #[error("it is not a regular file")]
    NotRegular,
    #[cfg(unix)]
    #[error("it belongs to another user (uid {owner})")]
    OtherOwner { owner: u32 },
    #[cfg(unix)]
    #[error("every user may write it (mode {mode:o}); make it private: chmod 600")]
    Open { mode: u32 },
    #[cfg(windows)]
    #[error("{0}")]
    Foreign(#[from] super::access::Foreign),
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("{0}")]
    Invalid(#[from] DoorbellError),
}

impl DoorbellRefusal {
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Unreadable(error) if error.kind() == io::ErrorKind::NotFound)
    }

    pub(super) fn may_be_unfinished(&self) -> bool {
        matches!(self, Self::Invalid(error) if error.may_be_unfinished())
    }
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { modified: metadata.modified().ok(), bytes: metadata.len(), inode }
    }

    /// Whether a file with this stamp, read just now, will get another stamp when it is written again.
    pub(crate) fn is_settled(&self, read_at: SystemTime) -> bool {
        let age = self.modified.and_then(|modified| read_at.duration_since(modified).ok());
        age.is_some_and(|age| age > CLOCK_TICK)
    }
}

/// A file that is a doorbell.
#[derive(Debug)]
pub(super) struct DoorbellReading {
    pub(super) found: Arc<Found>,
    pub(super) stamp: Stamp,
    /// What in it was not as it should be, and does no harm.
    pub(super) remarks: Vec<Remark>,
}

/// Reads and checks one file.
pub(super) fn read(file: &Path) -> Result<DoorbellReading, (DoorbellRefusal, Option<Stamp>)> {
    let (contents, metadata) = private_contents(file).map_err(|refusal| (refusal, None))?;
    let stamp = Stamp::of(&metadata);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut remarks = Vec::new();
    match Doorbell::parse_remarking(&name, &contents, &mut remarks) {
        Ok(doorbell) => {
            // Without a time nothing can be said of the process's age: the oldest time makes no claim.
            let modified = stamp.modified.unwrap_or(SystemTime::UNIX_EPOCH);
            let found = Arc::new(Found::new(doorbell, file.to_owned(), modified, SourceKind::Doorbell));
            Ok(DoorbellReading { found, stamp, remarks })
        }
        Err(error) => Err((error.into(), Some(stamp))),
    }
}

/// The bytes of a doorbell.
fn private_contents(file: &Path) -> Result<(Vec<u8>, Metadata), DoorbellRefusal> {
    #[cfg(windows)]
    return contents_of(file, |opened| Ok(super::access::check(opened)?));
    // The mode has said it.
    #[cfg(not(windows))]
    contents(file)
}

/// The bytes of a file that only this user, or root, can have written. On Windows whoever can: it lets every user write in
/// directories that are made outside of profiles, and projects lie there.
pub(crate) fn contents(file: &Path) -> Result<(Vec<u8>, Metadata), DoorbellRefusal> {
    contents_of(file, |_opened| Ok(()))
}

fn contents_of(
    file: &Path,
    check_opened: impl FnOnce(&File) -> Result<(), DoorbellRefusal>,
) -> Result<(Vec<u8>, Metadata), DoorbellRefusal> {
    check(&fs::symlink_metadata(file)?)?;
    let opened = open(file)?;
    // Again, because another file may have taken the name in between.
    let metadata = opened.metadata()?;
    check(&metadata)?;
    check_opened(&opened)?;
    let mut contents = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1);
    // One byte more than allowed, to see a file that grows while it is read.
    opened.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut contents)?;
    Ok((contents, metadata))
}

fn check(metadata: &Metadata) -> Result<(), DoorbellRefusal> {
    if !metadata.is_file() {
        return Err(DoorbellRefusal::NotRegular);
    }
    #[cfg(unix)]
    {
        let owner = std::os::unix::fs::MetadataExt::uid(metadata);
        if owner != rustix::process::geteuid().as_raw() {
            return Err(DoorbellRefusal::OtherOwner { owner });
        }
        let mode = std::os::unix::fs::MetadataExt::mode(metadata) & 0o777;
        if mode & 0o002 != 0 {
            return Err(DoorbellRefusal::Open { mode });
        }
    }
    if metadata.len() > MAX_FILE_BYTES as u64 {
        return Err(DoorbellError::TooLarge { bytes: metadata.len() }.into());
    }
    Ok(())
}

/// Neither follows a link nor waits for the writer of a pipe.
#[cfg(unix)]
fn open(file: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(file, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open(file: &Path) -> io::Result<File> {
    File::open(file)
}

/// Opens a file of a project, which may be a link, but is neither a pipe, whose writer would be waited for, nor a device. What is
/// read of it is for the caller to bound. Blocking.
///
/// # Errors
/// When it cannot be opened, or is no file.
pub fn open_regular(file: &Path) -> io::Result<File> {
    let check = |metadata: &Metadata| {
        let refused = || io::Error::new(io::ErrorKind::InvalidInput, DoorbellRefusal::NotRegular);
        metadata.is_file().then_some(()).ok_or_else(refused)
    };
    check(&fs::metadata(file)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits().cast_signed());
    }
    let opened = options.open(file)?;
    // Again, because another file may have taken the name in between.
    check(&opened.metadata()?)?;
    Ok(opened)
}

/// Deletes a doorbell file if it still is the one that is meant, and says whether it did. A file that is gone, is no
/// doorbell or says something else is left alone.
pub(crate) fn remove_if(file: &PathBuf, is_meant: impl FnOnce(&Doorbell) -> bool) -> io::Result<bool> {
    match read(file) {
        Ok(DoorbellReading { found, .. }) if is_meant(&found.doorbell) => match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            removed => Ok(removed.is_ok()),
        },
        Err((DoorbellRefusal::Unreadable(error), _)) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(false),
    }
}
