//! A client's configuration file on disk: read whole, written beside and renamed, with what was there before kept.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Larger than any configuration: some clients keep years of history in theirs.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    #[error("it is not a file")]
    NotAFile,
    #[error("it is larger than 64 MiB")]
    TooLarge,
    #[error("it is not UTF-8 text")]
    NotUtf8,
    #[error("it is a symbolic link to a file that does not exist")]
    Dangling,
    #[error("it is read-only")]
    ReadOnly,
    #[error("another program has changed it just now; run the command again")]
    Changed,
    #[error("{} cannot be written: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
}

/// A configuration file, which may not exist.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// As the client knows it.
    path: PathBuf,
    /// Where it is after symbolic links, such as those of a dotfile manager.
    target: PathBuf,
    text: Option<String>,
    backup: Option<String>,
}

impl ConfigFile {
    /// Reads it, if it is there.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let target = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.symlink_metadata().is_ok() {
                    return Err(FileError::Dangling);
                }
                path.to_owned()
            }
            Err(error) => return Err(FileError::Read(error)),
        };
        let text = read(&target)?;
        let backup = read(&beside(path)).ok().flatten();
        Ok(Self { path: path.to_owned(), target, text, backup })
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// What was there before this program wrote it.
    pub(super) fn backup(&self) -> Option<&str> {
        self.backup.as_deref()
    }

    /// Where the backup is.
    pub(super) fn backup_path(&self) -> PathBuf {
        beside(&self.path)
    }

    /// Writes it whole or not at all; a new file is its owner's only.
    pub(super) fn write(&self, text: &str) -> Result<(), FileError> {
        let at = |error| FileError::Write { path: self.target.clone(), error };
        let directory = self.target.parent().ok_or(FileError::NotAFile)?;
        let metadata = self.metadata()?;
        if metadata.as_ref().is_some_and(|metadata| metadata.permissions().readonly()) {
            return Err(FileError::ReadOnly);
        }
        fs::create_dir_all(directory).map_err(at)?;
        let mut file = tempfile::Builder::new().prefix(".brummer-hub-").tempfile_in(directory).map_err(at)?;
        file.write_all(text.as_bytes()).map_err(at)?;
        if let Some(metadata) = &metadata {
            keep_owner_and_mode(file.path(), metadata).map_err(at)?;
        }
        file.as_file().sync_all().map_err(at)?;
        if read(&self.target)? != self.text {
            return Err(FileError::Changed);
        }
        file.persist(&self.target).map_err(|error| at(error.error))?;
        Ok(())
    }

    /// Keeps what is there beside it.
    pub(super) fn back_up(&self) -> Result<(), FileError> {
        if self.text.is_some() {
            let path = self.backup_path();
            fs::copy(&self.target, &path).map_err(|error| FileError::Write { path, error })?;
        }
        Ok(())
    }

    /// Removes the backup, if there is one.
    pub(super) fn drop_backup(&self) -> Result<(), FileError> {
        remove(&self.backup_path())
    }

    /// Removes the file.
    pub(super) fn remove(&self) -> Result<(), FileError> {
        remove(&self.path)
    }

    fn metadata(&self) -> Result<Option<Metadata>, FileError> {
        match fs::metadata(&self.target) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::Read(error)),
        }
    }
}

/// The name of the backup of this file.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, ToOwned::to_owned);
    name.push(".brummer-hub.bak");
    path.with_file_name(name)
}

fn read(path: &Path) -> Result<Option<String>, FileError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::Read(error)),
    };
    if !metadata.is_file() {
        return Err(FileError::NotAFile);
    }
    if metadata.len() > LARGEST {
        return Err(FileError::TooLarge);
    }
    let bytes = fs::read(path).map_err(FileError::Read)?;
    String::from_utf8(bytes).map(Some).map_err(|_| FileError::NotUtf8)
}

fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::Write { path: path.to_owned(), error })
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn keep_owner_and_mode(path: &Path, metadata: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};

    let new = fs::metadata(path)?;
    if (new.uid(), new.gid()) != (metadata.uid(), metadata.gid()) {
        // Only root can give a file away, and a group that is not ours stays behind: no reason to fail.
        let _ = chown(path, Some(metadata.uid()), Some(metadata.gid()));
    }
    fs::set_permissions(path, metadata.permissions())
}

#[cfg(not(unix))]
fn keep_owner_and_mode(path: &Path, metadata: &Metadata) -> io::Result<()> {
    fs::set_permissions(path, metadata.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_and_its_backup_is_what_it_was() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/er/mcp.json");
        ConfigFile::open(&path).unwrap().write("{}").unwrap();
        let file = ConfigFile::open(&path).unwrap();
        assert_eq!((file.text(), file.backup()), (Some("{}"), None));
        file.back_up().unwrap();
        file.write("{\"a\":1}").unwrap();
        let file = ConfigFile::open(&path).unwrap();
        assert_eq!((file.text(), file.backup()), (Some("{\"a\":1}"), Some("{}")));
        file.drop_backup().unwrap();
        file.drop_backup().unwrap();
        file.remove().unwrap();
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn what_another_program_has_just_written_is_not_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("mcp.json");
        fs::write(&path, "{}").unwrap();
        let file = ConfigFile::open(&path).unwrap();
        fs::write(&path, "{\"theirs\":1}").unwrap();
        assert!(matches!(file.write("{\"ours\":1}"), Err(FileError::Changed)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"theirs\":1}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn odd_files_are_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("mcp.json");
        fs::write(&path, b"\xff\xfe{\0}\0").unwrap();
        assert!(matches!(ConfigFile::open(&path), Err(FileError::NotUtf8)));
        assert!(matches!(ConfigFile::open(home.path()), Err(FileError::NotAFile)));
    }

    #[cfg(unix)]
    #[test]
    fn links_and_modes_stay() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let home = tempfile::tempdir().unwrap();
        let (real, link) = (home.path().join("dotfiles.json"), home.path().join("mcp.json"));
        fs::write(&real, "{}").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("dotfiles.json", &link).unwrap();
        let file = ConfigFile::open(&link).unwrap();
        file.back_up().unwrap();
        file.write("{\"a\":1}").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "{\"a\":1}");
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert!(home.path().join("mcp.json.brummer-hub.bak").is_file(), "beside the link");

        fs::set_permissions(&real, fs::Permissions::from_mode(0o440)).unwrap();
        assert!(matches!(ConfigFile::open(&link).unwrap().write("{}"), Err(FileError::ReadOnly)));
        symlink("nowhere", home.path().join("dangling")).unwrap();
        assert!(matches!(ConfigFile::open(&home.path().join("dangling")), Err(FileError::Dangling)));
    }
}
