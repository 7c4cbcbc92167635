//! Announcing an instance: one file, written once and removed once.
//!
//! The file is prepared in `temp/`, made durable, and renamed into `instances/`, so that nobody ever sees half of it. It is
//! removed when the [`Registration`] is, unless somebody else has written a file of that name since. No thread and no task
//! stays behind: a hub that finds the file connects, and the connection says the rest.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Read, Write},
    net::IpAddr,
    path::{self, Path, PathBuf},
    process,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    discovery::{Directories, create_private, create_private_file, open_regular, remove_if},
    doorbell::{DEFAULT_ENDPOINT, Doorbell, DoorbellError, InstanceId, MAX_NAME_BYTES, Secret},
    process::own_namespace,
};

/// Attempts of [`Registration::announce_persistently`]. With the pauses between them they take about three seconds:
/// longer than a virus scanner holds a file, shorter than somebody waits for a dev server.
const ATTEMPTS: u32 = 6;

/// Pause after the first failed attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A `package.json` larger than this is not read for its name. The largest in use have some 100 KiB.
const MAX_PACKAGE_BYTES: u64 = 1024 * 1024;

/// What to announce. Only the port is needed; the rest has sensible defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegistrationOptions {
    /// The port, read from the bound listener.
    pub port: u16,
    /// Id; a random UUID unless given.
    pub id: Option<InstanceId>,
    /// Process that serves; this one unless given.
    pub pid: Option<u32>,
    /// Project directory; the working directory unless given.
    pub path: Option<PathBuf>,
    /// Name; `name` of `package.json`, else the directory's name.
    pub name: Option<String>,
    /// Path of the endpoint; `/mcp` unless given.
    pub endpoint: Option<String>,
    /// The loopback address that it listens on; the one that its process is found to listen on unless given.
    pub host: Option<IpAddr>,
    /// What hubs are to send as `Authorization: Bearer`; nothing unless given.
    pub token: Option<Secret>,
    /// Other header fields that hubs are to send, by name.
    pub headers: BTreeMap<String, Secret>,
    /// Version of the program that serves; not told unless given.
    pub version: Option<String>,
    /// Labels, for people.
    pub labels: BTreeMap<String, String>,
    /// Where to announce.
    pub directories: Directories,
}

impl RegistrationOptions {
    /// An instance of the current process and directory that serves on this port, announced where this user's hubs look.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self {
            port,
            id: None,
            pid: None,
            path: None,
            name: None,
            endpoint: None,
            host: None,
            token: None,
            headers: BTreeMap::new(),
            version: None,
            labels: BTreeMap::new(),
            directories: Directories::from_env(),
        }
    }
}

/// An announcement that stands. It is removed by [`Registration::remove`] or on drop, once.
///
/// # Examples
/// ```
/// use brummer_hub::{
///     discovery::Directories,
///     registration::{Registration, RegistrationOptions},
/// };
///
/// // First listen, then announce: a hub connects within milliseconds.
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let mut options = RegistrationOptions::new(listener.local_addr()?.port());
/// options.name = Some("web".to_owned());
/// # let data = tempfile::tempdir()?;
/// # options.directories = Directories::only(data.path());
/// let registration = Registration::announce(options)?;
/// assert!(registration.file().exists());
///
/// let file = registration.file().to_owned();
/// registration.remove()?;
/// assert!(!file.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "the announcement is removed when this is dropped"]
pub struct Registration {
    doorbell: Doorbell,
    file: PathBuf,
    /// The process that announced. A fork of it has a copy of this value, but must not end the announcement.
    announced_by: u32,
    removed: bool,
}

/// Why an instance could not be announced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The file could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file could not be removed.
    #[error("cannot remove {path}: {source}")]
    Remove {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The working directory is needed and cannot be told.
    #[error("cannot tell the working directory; give `path`: {0}")]
    WorkingDirectory(#[source] io::Error),
    /// No hub would accept it.
    #[error("cannot announce this: {0}")]
    Invalid(#[from] DoorbellError),
}

impl RegistrationError {
    /// Whether the same may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Write { .. })
    }
}

impl Registration {
    /// Writes the file. Call it only after the listener is bound. Blocking: a few file operations.
    ///
    /// # Errors
    /// When what is to be announced is not valid, or the file cannot be written. An instance works without being announced:
    /// report the error and go on.
    pub fn announce(options: RegistrationOptions) -> Result<Self, RegistrationError> {
        let directories = options.directories.clone();
        let written = doorbell(options)?;
        let contents = written.to_json();
        let name = format!("{}.json", written.id);
        // Read back as a hub will: what it would refuse is refused here, and later reads compare with this.
        let mut remarks = Vec::new();
        let doorbell = Doorbell::parse_remarking(&name, contents.as_bytes(), &mut remarks)?;
        if let Some(remark) = remarks.pop() {
            return Err(DoorbellError::Odd(remark).into());
        }
        let file = write(&directories, &name, contents.as_bytes())?;
        Ok(Self { doorbell, file, announced_by: process::id(), removed: false })
    }

    /// Like [`announce`](Self::announce), off the runtime's threads, and tries again for about three seconds when the file
    /// cannot be written. Cancel-safe: when the future is dropped, so is the announcement.
    ///
    /// # Errors
    /// Those of the last attempt.
    ///
    /// # Panics
    /// Outside a tokio runtime with time enabled.
    pub async fn announce_persistently(mut options: RegistrationOptions) -> Result<Self, RegistrationError> {
        // The same in each attempt.
        options.id.get_or_insert_with(InstanceId::random);
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match announce_aside(options.clone()).await {
                Err(error) if error.may_pass() => tracing::debug!(%error, ?pause, "will announce again"),
                decided => return decided,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        announce_aside(options).await
    }

    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.doorbell.id
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What the file says.
    #[must_use]
    pub fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    /// Removes the file.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(mut self) -> Result<(), RegistrationError> {
        self.take_back()
    }

    fn take_back(&mut self) -> Result<(), RegistrationError> {
        if std::mem::replace(&mut self.removed, true) || self.announced_by != process::id() {
            return Ok(());
        }
        match remove_if(&self.file, |now| *now == self.doorbell) {
            Ok(_) => Ok(()),
            Err(source) => Err(RegistrationError::Remove { path: self.file.clone(), source }),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Err(error) = self.take_back() {
            // Harmless: the hubs see that the process is gone.
            tracing::debug!(%error, "an announcement stays behind");
        }
    }
}

pub(crate) async fn announce_aside(options: RegistrationOptions) -> Result<Registration, RegistrationError> {
    let path = options.directories.instances();
    match tokio::task::spawn_blocking(move || Registration::announce(options)).await {
        Ok(result) => result,
        // The runtime is shutting down.
        Err(error) => Err(RegistrationError::Write { path, source: io::Error::other(error) }),
    }
}

/// What the options and the surroundings say.
fn doorbell(options: RegistrationOptions) -> Result<Doorbell, RegistrationError> {
    let path = match options.path {
        Some(path) => path::absolute(path),
        None => env::current_dir(),
    };
    let path = path.map_err(RegistrationError::WorkingDirectory)?;
    let package = path.join("package.json");
    let id = options.id.unwrap_or_else(InstanceId::random);
    let mut doorbell = Doorbell::new(id, options.pid.unwrap_or_else(process::id), path, options.port);
    if let Some(name) = options.name.or_else(|| package_name(&package)) {
        doorbell.name = name;
    }
    doorbell.has_package_json = package.is_file();
    doorbell.started = Timestamp::now().to_string();
    doorbell.endpoint = options.endpoint.unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
    doorbell.host = options.host;
    doorbell.token = options.token;
    doorbell.headers = options.headers;
    doorbell.version = options.version;
    doorbell.labels = options.labels;
    doorbell.pid_namespace = own_namespace();
    Ok(doorbell)
}

/// `name` of a `package.json`, if it can be had.
fn package_name(package: &Path) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Package {
        name: String,
    }
    let mut contents = Vec::new();
    open_regular(package).ok()?.take(MAX_PACKAGE_BYTES).read_to_end(&mut contents).ok()?;
    let package: Package = serde_json::from_slice(&contents).ok()?;
    Some(package.name).filter(|name| !name.trim().is_empty() && name.len() <= MAX_NAME_BYTES)
}

/// Writes the doorbell so that it appears whole or not at all.
fn write(directories: &Directories, name: &str, contents: &[u8]) -> Result<PathBuf, RegistrationError> {
    let file = directories.instances().join(name);
    write_whole(directories, &file, contents)
        .map_err(|(path, source)| RegistrationError::Write { path, source })?;
    Ok(file)
}

/// Writes a file of a directory beside that for temporary files so that it appears whole or not at all.
///
/// # Errors
/// What failed, and at which path.
pub(crate) fn write_whole(
    directories: &Directories,
    file: &Path,
    contents: &[u8],
) -> Result<(), (PathBuf, io::Error)> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| (path, source)
    };
    let temporary = directories.temporary();
    let directory = file.parent().unwrap_or(&directories.data);
    for directory in [&*temporary, directory] {
        create_private(directory).map_err(failed(directory))?;
    }
    // A number of its own, so that two that announce the same id do not write into each other's file.
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let draft = temporary.join(format!("{name}.{:016x}.tmp", fastrand::u64(..)));
    let written = write_new(&draft, contents).map_err(failed(&draft));
    let placed = written.and_then(|()| fs::rename(&draft, file).map_err(failed(file)));
    if placed.is_err() {
        // Nothing more can be done about a draft that cannot be removed.
        let _ = fs::remove_file(&draft);
    }
    placed?;
    if let Err(error) = sync_directory(directory) {
        tracing::debug!(directory = %directory.display(), %error, "cannot make a rename durable");
    }
    Ok(())
}

fn write_new(draft: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = create_private_file(draft)?;
    file.write_all(contents)?;
    file.sync_all()
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// Windows has no way to do this, and writes its directories in order.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}
