//! What the scripts of a `run` serve: `served/<instance>.json` in the data directory, written by `run` itself when a script prints
//! the URL of a server, and taken back when the script ends.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Source, SourceKind, Trace, UserDirectories,
    record::{self, Origin, Reading, Record, Unfit},
};
use crate::{discovery::Directories, doorbell::InstanceId, process, registration::write_whole};

/// The directory within the data directory.
const DIRECTORY: &str = "served";

/// Servers that are taken of a file: as many as scripts may run.
const MAX_SERVERS: usize = 64;

/// Files of runs that are looked at to be cleared away.
const MAX_LEFT: usize = 1024;

pub(super) struct Run;

#[derive(Deserialize, Serialize)]
struct File {
    /// The process that has written it.
    pid: u32,
    servers: Vec<Value>,
}

/// A server that a script of a `run` has started.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScriptServer {
    /// The URL that it has printed.
    pub url: String,
    /// The process of the script, or the one that listens.
    pub pid: u32,
    /// The script's name.
    pub script: String,
    /// Where it runs.
    pub path: PathBuf,
    /// When it was started (RFC 3339).
    pub started: String,
}

impl ScriptServer {
    /// A server with all that is said of it.
    #[must_use]
    pub fn new(
        url: impl Into<String>,
        pid: u32,
        script: impl Into<String>,
        path: impl Into<PathBuf>,
        started: impl Into<String>,
    ) -> Self {
        Self { url: url.into(), pid, script: script.into(), path: path.into(), started: started.into() }
    }
}

impl Source for Run {
    fn registries(&self, user: &UserDirectories<'_>) -> Vec<PathBuf> {
        vec![user.data.join(DIRECTORY)]
    }

    fn read(&self, trace: &Trace<'_>) -> Result<Reading, Unfit> {
        let file: File = record::json(trace.contents)?;
        let record = |server: &Value| {
            let server = ScriptServer::deserialize(server).ok()?;
            let origin = Origin::read(&server.url).ok()?;
            let rest = server.url.split_once("://").map_or("", |(_, rest)| rest);
            let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
            Some(Record {
                key: format!("{}-{}", server.pid, origin.port),
                host: origin.address,
                project: Some(record::directory(server.path.to_str()?, "path").ok()?),
                framework: Some("script".into()),
                script: record::name(&server.script),
                url: origin.url(path),
                started: server.started.parse().ok(),
                ..Record::new(SourceKind::Run, record::pid(server.pid).ok()?, origin.port)
            })
        };
        let records = file.servers.iter().take(MAX_SERVERS).filter_map(record).collect();
        Ok(Reading { records, ..Reading::default() })
    }
}

/// The file by which a `run` tells hubs what its scripts serve. Dropping it takes it back. Blocking, all of it.
#[derive(Debug)]
pub struct ScriptServers {
    directories: Directories,
    file: PathBuf,
    told: Vec<ScriptServer>,
}

impl ScriptServers {
    /// Nothing is served yet. What runs that are gone have left is cleared away.
    #[must_use]
    pub fn new(directories: Directories, run: &InstanceId) -> Self {
        let directory = directories.data.join(DIRECTORY);
        clear(&directory);
        Self { file: directory.join(format!("{run}.json")), directories, told: Vec::new() }
    }

    /// These, and no others.
    ///
    /// # Errors
    /// When the file cannot be written or removed.
    pub fn set(&mut self, servers: Vec<ScriptServer>) -> io::Result<()> {
        if servers == self.told {
            return Ok(());
        }
        if servers.is_empty() {
            fs::remove_file(&self.file)?;
        } else {
            let servers = servers.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
            let contents = serde_json::to_vec(&File { pid: std::process::id(), servers })?;
            write_whole(&self.directories, &self.file, &contents).map_err(|(_, error)| error)?;
        }
        self.told = servers;
        Ok(())
    }
}

impl Drop for ScriptServers {
    fn drop(&mut self) {
        if !self.told.is_empty()
            && let Err(error) = fs::remove_file(&self.file)
        {
            // Harmless: hubs see that its processes are gone.
            tracing::debug!(%error, "what scripts served stays behind");
        }
    }
}

/// Removes the files of runs that were killed.
fn clear(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten().take(MAX_LEFT) {
        let file = entry.path();
        let Ok(contents) = crate::discovery::read_trusted(&file) else { continue };
        let is_left =
            serde_json::from_slice::<File>(&contents).is_ok_and(|it| process::entry(it.pid).is_none());
        if is_left {
            // It stays if it cannot be removed, and harms nobody.
            let _ = fs::remove_file(&file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(pid: u32) -> ScriptServer {
        ScriptServer {
            url: "http://localhost:3000/app".to_owned(),
            pid,
            script: "dev".to_owned(),
            path: std::env::current_dir().unwrap(),
            started: "2026-11-28T10:00:00Z".to_owned(),
        }
    }

    fn read(contents: &[u8]) -> Result<Reading, Unfit> {
        let beside = |_: &str| None;
        Run.read(&Trace { project: None, name: "x.json", contents, beside: &beside, working: None })
    }

    #[test]
    fn what_is_written_is_read_and_taken_back() {
        let home = tempfile::tempdir().unwrap();
        let directories = Directories::only(home.path());
        let left = home.path().join("served/killed.json");
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(&left, r#"{"pid":4000000,"servers":[]}"#).unwrap();
        let mut servers = ScriptServers::new(directories, &InstanceId::parse("run-1").unwrap());
        assert!(!left.exists(), "its run is gone");
        let file = home.path().join("served/run-1.json");
        servers.set(Vec::new()).unwrap();
        assert!(!file.exists());
        servers.set(vec![server(4711)]).unwrap();
        let records = read(&fs::read(&file).unwrap()).unwrap().records;
        assert_eq!((&*records[0].url, records[0].pid), ("http://localhost:3000/app", 4711));
        assert_eq!(records[0].script.as_deref(), Some("dev"));
        servers.set(Vec::new()).unwrap();
        assert!(!file.exists());
        servers.set(vec![server(4711)]).unwrap();
        drop(servers);
        assert!(!file.exists());
    }

    #[test]
    fn hostile_contents_name_no_other_place() {
        for url in
            ["http://evil.example:80/", "ftp://localhost:1", "http://localhost:0", "", "localhost:3000"]
        {
            let hostile = ScriptServer { url: url.to_owned(), ..server(4711) };
            let contents = serde_json::json!({ "pid": 4711, "servers": [hostile, 7, null] }).to_string();
            assert_eq!(read(contents.as_bytes()), Ok(Reading::default()), "{url}");
        }
        let first = serde_json::json!({ "pid": 4711, "servers": [server(1)] }).to_string();
        assert_eq!(read(first.as_bytes()), Ok(Reading::default()));
        for broken in [&b""[..], b"{", b"[]", b"null"] {
            assert!(read(broken).is_err());
        }
    }
}
