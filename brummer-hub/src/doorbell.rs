//! The file by which an instance announces itself: format, limits and validation, without touching the disk.
//!
//! Two formats are read. Ours has `id`, `pid`, `path`, `port`, `started`, `name`, `has_package_json` and `last_seen`, and
//! optionally `endpoint`, `version` and `labels`. The released Go program writes `id`, `name`, `directory`, `port`,
//! `started_at`, `last_ping` and `process_info` with `pid` and `executable`. [`Doorbell::parse`] is a pure function of the
//! file's name and bytes: whatever it is given, it answers with a valid doorbell or with an error that says what is wrong.

mod id;
mod validate;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Map, Value};

pub use id::{InstanceId, InvalidId};

/// A doorbell says a dozen short things: what is larger was not written by an instance. Bounds the memory that a stray
/// file can cost.
pub const MAX_FILE_BYTES: usize = 64 * 1024;

/// Longest name in bytes. Names are shown in lists; the longest allowed by npm has 214.
pub const MAX_NAME_BYTES: usize = 256;

/// Longest project path in bytes: `PATH_MAX` of Linux, and more than any path that the other systems open.
pub const MAX_PATH_BYTES: usize = 4096;

/// Longest endpoint in bytes: room for a path with a token in it, far below what servers accept as a request line.
pub const MAX_ENDPOINT_BYTES: usize = 1024;

/// Where an instance serves MCP unless its file says otherwise.
pub const DEFAULT_ENDPOINT: &str = "/mcp";

/// What an instance says of itself in its file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Doorbell {
    /// Names the instance and its file.
    pub id: InstanceId,
    /// The process that serves, or an ancestor of it.
    pub pid: u32,
    /// The project directory.
    pub path: PathBuf,
    /// The loopback port of its MCP server.
    pub port: u16,
    /// When it began to listen (RFC 3339, as written); empty when the file does not say.
    pub started: String,
    /// What people call it.
    pub name: String,
    /// Whether the project has a `package.json`.
    pub has_package_json: bool,
    /// Path of the MCP endpoint, beginning with a slash; `/mcp` unless the file says otherwise.
    pub endpoint: String,
    /// Version of the program that wrote the file.
    pub version: Option<String>,
    /// Labels that its owner gave it.
    pub labels: BTreeMap<String, String>,
    /// The PID namespace that `pid` counts in (Linux, inode of `/proc/self/ns/pid`), if the file says. Only a hub in the
    /// same one can tell that the process is gone.
    pub pid_namespace: Option<u64>,
    /// Members that this version does not know, as they were; shown, never interpreted.
    pub extra: Map<String, Value>,
}

/// Why a file is not a doorbell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DoorbellError {
    /// Larger than [`MAX_FILE_BYTES`].
    #[error("the file has {bytes} bytes, more than the {MAX_FILE_BYTES} allowed")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// The file name is not `<id>.json`.
    #[error("the file name {name:?} is not <id>.json: {reason}")]
    FileName {
        /// The name as it is.
        name: String,
        /// What is wrong with the part before `.json`.
        reason: InvalidId,
    },
    /// Not a JSON object. The file may still be being written.
    #[error("the file is not a JSON object: {0}")]
    Json(#[source] serde_json::Error),
    /// The id inside differs from the file's name.
    #[error("`id` is {id:?}, but the file is named for \"{name}\"")]
    OtherId {
        /// The id inside.
        id: String,
        /// The id that the name tells.
        name: InstanceId,
    },
    /// A member that every doorbell needs is absent.
    #[error("`{member}` is missing")]
    Missing {
        /// Which one.
        member: &'static str,
    },
    /// A member has a value that cannot be meant.
    #[error("`{member}` must be {expected}")]
    Invalid {
        /// Which one.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl DoorbellError {
    /// Whether the file may be in the middle of being written, so that it should be read again before it is judged.
    #[must_use]
    pub fn may_be_unfinished(&self) -> bool {
        matches!(self, Self::Json(_))
    }
}

impl Doorbell {
    /// A doorbell with what every instance must say; the rest is as if the file did not mention it.
    #[must_use]
    pub fn new(id: InstanceId, pid: u32, path: impl Into<PathBuf>, port: u16) -> Self {
        let path = path.into();
        let name = validate::base_name(&path.to_string_lossy()).unwrap_or(id.as_str()).to_owned();
        Self {
            id,
            pid,
            path,
            port,
            started: String::new(),
            name,
            has_package_json: false,
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            version: None,
            labels: BTreeMap::new(),
            pid_namespace: None,
            extra: Map::new(),
        }
    }

    /// Reads a doorbell from the name of its file and its contents, in either format.
    ///
    /// What is not understood is kept in [`extra`](Self::extra). Heartbeats (`last_seen`, `last_ping`) are left out: two
    /// doorbells that differ in nothing else are equal.
    ///
    /// # Errors
    /// When the file is not a doorbell, or says something that cannot be true or is not safe to use.
    ///
    /// # Examples
    /// ```
    /// use brummer_hub::doorbell::Doorbell;
    ///
    /// let file = br#"{"id":"web-1","pid":4711,"path":"/home/me/web","port":7778}"#;
    /// let doorbell = Doorbell::parse("web-1.json", file)?;
    /// assert_eq!(doorbell.name, "web");
    /// assert_eq!(doorbell.endpoint, "/mcp");
    ///
    /// let error = Doorbell::parse("web-2.json", file).unwrap_err();
    /// assert_eq!(error.to_string(), r#"`id` is "web-1", but the file is named for "web-2""#);
    /// # Ok::<(), brummer_hub::doorbell::DoorbellError>(())
    /// ```
    pub fn parse(file_name: &str, bytes: &[u8]) -> Result<Self, DoorbellError> {
        let named = id_of_file(file_name)?;
        if bytes.len() > MAX_FILE_BYTES {
            return Err(DoorbellError::TooLarge { bytes: bytes.len() as u64 });
        }
        let mut members: Map<String, Value> =
            serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
                .map_err(DoorbellError::Json)?;

        let id = validate::text(&mut members, "id")?.ok_or(DoorbellError::Missing { member: "id" })?;
        if id != named.as_str() {
            return Err(DoorbellError::OtherId { id: validate::shown(&id), name: named });
        }
        let port = validate::port(&mut members)?;
        let pid = validate::pid(&mut members)?;
        let path = validate::path(&mut members)?;
        let name = validate::name(&mut members, &path, &named)?;
        let started = validate::started(&mut members)?;
        let endpoint = validate::endpoint(&mut members)?;
        let has_package_json = validate::flag(&mut members, "has_package_json")?;
        let version = validate::version(&mut members);
        let labels = validate::labels(&mut members);
        let pid_namespace = members.shift_remove("pid_namespace").as_ref().and_then(Value::as_u64);
        for heartbeat in ["last_seen", "last_ping"] {
            members.shift_remove(heartbeat);
        }
        Ok(Self {
            id: named,
            pid,
            path: PathBuf::from(path),
            port,
            started,
            name,
            has_package_json,
            endpoint,
            version,
            labels,
            pid_namespace,
            // A copy has room for what is left and no more: mostly nothing is.
            extra: members.into_iter().collect(),
        })
    }

    /// The contents of the file that says this. A path that is not UTF-8 is written with replacement characters.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut members = Map::new();
        let mut put = |key: &str, value: Value| members.insert(key.to_owned(), value);
        put("id", self.id.as_str().into());
        put("pid", self.pid.into());
        put("path", self.path.to_string_lossy().into());
        put("port", self.port.into());
        if !self.started.is_empty() {
            put("started", self.started.as_str().into());
        }
        put("name", self.name.as_str().into());
        put("has_package_json", self.has_package_json.into());
        if !self.started.is_empty() {
            put("last_seen", self.started.as_str().into());
        }
        if self.endpoint != DEFAULT_ENDPOINT {
            put("endpoint", self.endpoint.as_str().into());
        }
        if let Some(version) = &self.version {
            put("version", version.as_str().into());
        }
        if !self.labels.is_empty() {
            let labels = self.labels.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
            put("labels", Value::Object(labels.collect()));
        }
        if let Some(namespace) = self.pid_namespace {
            put("pid_namespace", namespace.into());
        }
        for (key, value) in &self.extra {
            members.entry(key.as_str()).or_insert_with(|| value.clone());
        }
        // The alternate form of a value is its JSON, indented by two spaces.
        format!("{:#}\n", Value::Object(members))
    }
}

/// The id that a file's name tells.
///
/// # Errors
/// When the name is not `<id>.json`.
pub fn id_of_file(file_name: &str) -> Result<InstanceId, DoorbellError> {
    file_name
        .strip_suffix(".json")
        .ok_or(InvalidId::Extension)
        .and_then(InstanceId::parse)
        .map_err(|reason| DoorbellError::FileName { name: validate::shown(file_name), reason })
}
