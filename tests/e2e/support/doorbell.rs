//! Doorbell files as an instance would write them: into `temp/`, then renamed.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// An id no other test of this run uses.
pub(crate) fn unique_id(prefix: &str) -> String {
    let prefix: String = prefix.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{prefix}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A path as it is written into JSON and compared again.
pub(crate) fn process_path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// What a doorbell says. [`Doorbell::write`] puts it where the hub looks.
#[derive(Clone, Debug)]
pub(crate) struct Doorbell {
    pub(crate) id: String,
    pub(crate) json: Value,
}

impl Doorbell {
    /// A doorbell in the documents' format.
    pub(crate) fn new(id: &str, name: &str, path: &Path, port: u16, pid: u32) -> Self {
        let now = jiff::Timestamp::now().to_string();
        let json = json!({
            "id": id, "pid": pid, "path": process_path(path), "port": port, "started": now, "name": name,
            "has_package_json": false, "last_seen": now,
        });
        let doorbell = Self { id: id.to_owned(), json };
        // As the library writes it, so that the tests hold in a container too.
        #[cfg(target_os = "linux")]
        if let Ok(namespace) = std::fs::metadata("/proc/self/ns/pid") {
            return doorbell.with("pid_namespace", std::os::unix::fs::MetadataExt::ino(&namespace));
        }
        doorbell
    }

    /// A doorbell in the format of the released Go program.
    pub(crate) fn go(id: &str, name: &str, path: &Path, port: u16, pid: u32) -> Self {
        let now = jiff::Timestamp::now().to_string();
        let json = json!({
            "id": id, "name": name, "directory": process_path(path), "port": port, "started_at": now, "last_ping": now,
            "process_info": { "pid": pid, "executable": "/usr/local/bin/brum" },
        });
        Self { id: id.to_owned(), json }
    }

    /// Adds or replaces a member.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.json[key] = value.into();
        self
    }

    /// Writes it below the `brummer` directory and returns the file.
    pub(crate) fn write(&self, data: &Path) -> PathBuf {
        write_raw(data, &format!("{}.json", self.id), self.json.to_string().as_bytes())
    }
}

/// Puts any bytes into `instances/` under any name, at once.
pub(crate) fn write_raw(data: &Path, file_name: &str, contents: &[u8]) -> PathBuf {
    let (instances, temporary) = (data.join("instances"), data.join("temp"));
    for directory in [&instances, &temporary] {
        std::fs::create_dir_all(directory).unwrap();
        private(directory, 0o700);
    }
    let (from, to) = (temporary.join(format!("{file_name}.tmp")), instances.join(file_name));
    std::fs::write(&from, contents).unwrap();
    private(&from, 0o600);
    std::fs::rename(&from, &to).unwrap();
    to
}

#[cfg(unix)]
fn private(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn private(_path: &Path, _mode: u32) {}

/// A home directory of one test's own, with the `brummer` directory and projects in it.
#[derive(Debug)]
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::Builder::new().prefix("brummer-e2e-").tempdir().unwrap());
        for directory in ["cwd", "tmp"] {
            std::fs::create_dir(home.path().join(directory)).unwrap();
        }
        home
    }

    /// The directory itself, with symbolic links resolved: macOS keeps its temporary files behind one.
    pub(crate) fn path(&self) -> PathBuf {
        let path = self.0.path();
        if cfg!(windows) { path.to_owned() } else { path.canonicalize().unwrap() }
    }

    /// The `brummer` directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("brummer")
    }

    /// The doorbell file of an instance.
    pub(crate) fn file(&self, id: &str) -> PathBuf {
        self.data().join("instances").join(format!("{id}.json"))
    }

    /// A project directory, made if need be.
    pub(crate) fn project(&self, name: &str) -> PathBuf {
        let path = self.path().join("projects").join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Announces a listener of this very process as an instance and returns its id.
    pub(crate) fn announce(&self, name: &str, port: u16) -> String {
        let doorbell = self.doorbell(name, port);
        doorbell.write(&self.data());
        doorbell.id
    }

    /// The doorbell of a listener of this very process, not written yet.
    pub(crate) fn doorbell(&self, name: &str, port: u16) -> Doorbell {
        Doorbell::new(&unique_id(name), name, &self.project(name), port, std::process::id())
    }
}
