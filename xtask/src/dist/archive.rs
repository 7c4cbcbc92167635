//! Archives that are the same bytes for the same files: sorted, without times, owners, and modes but "may be run".

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

/// The two forms: each system opens one of them by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    TarGz,
    Zip,
}

impl Form {
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::TarGz => ".tar.gz",
            Self::Zip => ".zip",
        }
    }
}

#[derive(Debug)]
enum Entry {
    File {
        bytes: Vec<u8>,
        is_executable: bool,
    },
    /// To a file in the same directory.
    Link(String),
}

/// What goes into an archive, by path.
#[derive(Debug)]
pub(super) struct Contents {
    /// With its slash.
    folder: String,
    entries: BTreeMap<String, Entry>,
}

impl Contents {
    /// All of it in one folder, so that it can be unpacked anywhere.
    pub(super) fn new(folder: &str) -> Self {
        Self { folder: format!("{folder}/"), entries: BTreeMap::new() }
    }

    pub(super) fn flat() -> Self {
        Self { folder: String::new(), entries: BTreeMap::new() }
    }

    pub(super) fn bytes(&mut self, path: &str, bytes: Vec<u8>) {
        self.entries.insert(path.to_owned(), Entry::File { bytes, is_executable: false });
    }

    /// Adds a file; the one that is called like the command may be run, whatever a build server has forgotten of its mode.
    pub(super) fn file(&mut self, path: &str, from: &Path) -> Result<()> {
        let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_executable = matches!(name, "brummer-hub" | "brummer-hub.exe");
        self.entries.insert(path.to_owned(), Entry::File { bytes, is_executable });
        Ok(())
    }

    /// Adds all that is below a directory.
    pub(super) fn directory(&mut self, from: &Path) -> Result<()> {
        self.below(from, "")
    }

    fn below(&mut self, from: &Path, within: &str) -> Result<()> {
        for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
            let entry = entry?;
            let path = format!("{within}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                let to = fs::read_link(entry.path())?;
                self.entries.insert(path, Entry::Link(to.to_string_lossy().into_owned()));
            } else if kind.is_dir() {
                self.below(&entry.path(), &format!("{path}/"))?;
            } else {
                self.file(&path, &entry.path())?;
            }
        }
        Ok(())
    }

    pub(super) fn write(&self, to: &Path, form: Form) -> Result<()> {
        let file = File::create(to).with_context(|| format!("cannot make {}", to.display()))?;
        let written = match form {
            Form::TarGz => self.tar(BufWriter::new(file)),
            Form::Zip => self.zip(BufWriter::new(file)),
        };
        written.with_context(|| format!("cannot write {}", to.display()))
    }

    fn tar(&self, file: impl Write) -> Result<()> {
        let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::best()));
        for (path, entry) in &self.entries {
            let path = format!("{}{path}", self.folder);
            let mut header = tar::Header::new_gnu();
            header.set_mtime(0);
            match entry {
                Entry::File { bytes, is_executable } => {
                    header.set_mode(mode(*is_executable));
                    header.set_size(bytes.len() as u64);
                    archive.append_data(&mut header, path, bytes.as_slice())?;
                }
                Entry::Link(to) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    archive.append_link(&mut header, path, to)?;
                }
            }
        }
        archive.into_inner()?.finish()?.flush()?;
        Ok(())
    }

    fn zip(&self, file: impl Write + io::Seek) -> Result<()> {
        let mut archive = ZipWriter::new(file);
        for (path, entry) in &self.entries {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .last_modified_time(DateTime::default());
            let path = format!("{}{path}", self.folder);
            match entry {
                Entry::File { bytes, is_executable } => {
                    archive.start_file(path, options.unix_permissions(mode(*is_executable)))?;
                    archive.write_all(bytes)?;
                }
                Entry::Link(to) => archive.add_symlink(path, to, options)?,
            }
        }
        archive.finish()?.flush()?;
        Ok(())
    }
}

fn mode(is_executable: bool) -> u32 {
    if is_executable { 0o755 } else { 0o644 }
}

/// SHA-256 of a file, in hexadecimal.
pub(super) fn digest(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
