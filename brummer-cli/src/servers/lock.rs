//! One supervisor for each server: whoever holds the lock of its file. The system lets go of it when the process ends, however
//! that is, so nothing has to be cleaned up.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// Held for as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes it; `None`: another process has it.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let mut options = File::options();
            options.write(true).create(true).truncate(false);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // The one who had it before may have removed the file after it was opened here.
            if is_still_there(&file, path) {
                return Ok(Some(Self { _file: file, path: path.to_owned() }));
            }
        }
    }
}

/// Whether another process has it.
pub(super) fn is_held(path: &Path) -> bool {
    let file = File::options().write(true).open(path);
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is held. On Windows an open file stays, which does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
fn is_still_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same =
        |one: &fs::Metadata, other: &fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    matches!((&file.metadata(), &fs::symlink_metadata(path)), (Ok(one), Ok(other)) if same(one, other))
}

#[cfg(not(unix))]
fn is_still_there(_file: &File, _path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_and_the_next_gets_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.lock");
        let first = Lock::take(&path).unwrap().unwrap();
        assert!(Lock::take(&path).unwrap().is_none());
        assert!(is_held(&path) && !is_held(&home.path().join("b.lock")));
        drop(first);
        let second = Lock::take(&path).unwrap().unwrap();
        // Somebody tidies up: the lock is another file's then, and the next one notices nothing of the old.
        fs::remove_file(&path).unwrap();
        let third = Lock::take(&path).unwrap().unwrap();
        drop(second);
        drop(third);
        assert!(Lock::take(&home.path().join("none/a.lock")).is_err());
    }
}
