//! Which files of projects this user has agreed to. One small file for each, named for the path, with the hash of what was
//! agreed to: another content, also of one byte, is another question.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use brummer_hub::discovery::{Directories, read_trusted};
use serde_json::{Value, json};

use super::files::{ConfigFile, create_private, hash};

/// What this user thinks of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Consent {
    Given,
    /// It was given to other contents.
    Outdated,
    None,
}

/// Where consents are kept.
#[derive(Clone, Debug)]
pub(crate) struct Consents(PathBuf);

impl Consents {
    pub(crate) fn of(directories: &Directories) -> Self {
        Self(directories.data.join("trusted"))
    }

    /// The directory that changes with each of them.
    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    /// The file that holds it. Links above the file make no other file of it.
    fn place(&self, file: &Path) -> PathBuf {
        let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let name = hash(real.as_os_str().as_encoded_bytes());
        self.0.join(format!("{}.json", &name[..32]))
    }

    pub(crate) fn given_to(&self, file: &ConfigFile) -> Consent {
        let Ok(bytes) = read_trusted(&self.place(&file.path)) else { return Consent::None };
        let kept = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
        match kept["sha256"].as_str() {
            Some(kept) if kept == file.hash && !kept.is_empty() => Consent::Given,
            Some(_) => Consent::Outdated,
            None => Consent::None,
        }
    }

    pub(crate) fn give(&self, file: &ConfigFile) -> io::Result<()> {
        create_private(&self.0)?;
        let kept = json!({ "file": file.path.to_string_lossy(), "sha256": file.hash });
        let mut draft = tempfile::Builder::new().prefix(".").suffix(".tmp").tempfile_in(&self.0)?;
        draft.write_all(format!("{kept:#}\n").as_bytes())?;
        draft.persist(self.place(&file.path))?;
        Ok(())
    }

    /// Takes it back. Whether there was any.
    pub(crate) fn take_back(&self, file: &Path) -> io::Result<bool> {
        match fs::remove_file(self.place(file)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_given_to_contents_and_taken_back() {
        let home = tempfile::tempdir().unwrap();
        let consents = Consents::of(&Directories::only(home.path().join("data")));
        let path = home.path().join(".brummer.toml");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            ConfigFile::read(path.clone(), true)
        };
        let file = read("[servers.a]\ncommand = \"a\"\n");
        assert_eq!((consents.given_to(&file), file.needs_consent()), (Consent::None, true));
        consents.give(&file).unwrap();
        assert_eq!(consents.given_to(&file), Consent::Given);
        assert_eq!(consents.given_to(&read("[servers.a]\ncommand = \"b\"\n")), Consent::Outdated);
        assert_eq!(consents.given_to(&read("[servers.a]\ncommand = \"a\"\n")), Consent::Given);
        assert!(consents.take_back(&path).unwrap() && !consents.take_back(&path).unwrap());
        assert_eq!(consents.given_to(&file), Consent::None);
        assert!(!read("[servers.a]\nenabled = false\n").needs_consent());
        // What is damaged agrees to nothing.
        consents.give(&file).unwrap();
        fs::write(consents.place(&path), "{\"sha256\":\"\"}").unwrap();
        assert_ne!(consents.given_to(&file), Consent::Given);
    }
}
