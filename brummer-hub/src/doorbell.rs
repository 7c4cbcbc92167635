//! The file by which an instance announces itself: format, limits and validation, without touching the disk.
//!
//! Two formats are read. Ours has `id`, `pid`, `path`, `port`, `started`, `name`, `has_package_json` and `last_seen`, and
//! optionally `endpoint`, `host`, `version`, `labels`, `token` and `headers`. The released Go program writes `id`, `name`,
//! `directory`, `port`, `started_at`, `last_ping` and `process_info` with `pid` and `executable`. [`Doorbell::parse`] answers
//! with a valid doorbell or with an error that says what is wrong, whatever it is given. Members that only inform are taken
//! as they can be: what cannot be understood there is told as a [`Remark`].

mod id;
mod secret;
mod validate;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use serde_json::{Map, Value};

pub use id::{InstanceId, InvalidId};
pub(crate) use secret::{Credentials, fits_headers};
pub use secret::{InvalidSecret, Secret};
pub(crate) use validate::{endpoint_of_url, loopback};

use validate::DoorbellMembers;

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
    /// The loopback address that it listens on, if the file says; else the one that its process is found to listen on.
    pub host: Option<IpAddr>,
    /// The socket that it listens on instead of a port, which is 0 then: a file, or a pipe on Windows. No doorbell file has it,
    /// only records of other tools.
    pub socket: Option<PathBuf>,
    /// Sent to the instance, and nowhere else, as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// Other header fields that the instance wants to be sent, by name.
    pub headers: BTreeMap<String, Secret>,
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
    /// A hub would make do with it; whoever announces should say what is meant.
    #[error("{0}")]
    Odd(Remark),
}

/// Something in a doorbell that was not as it should be and does no harm.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{member}` {what}")]
pub struct Remark {
    /// Which member.
    pub member: &'static str,
    /// What is wrong with it, and what was made of it.
    pub what: &'static str,
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
            host: None,
            socket: None,
            token: None,
            headers: BTreeMap::new(),
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
        Self::parse_remarking(file_name, bytes, &mut Vec::new())
    }

    /// The same, and tells what was not as it should be.
    pub(crate) fn parse_remarking(
        file_name: &str,
        bytes: &[u8],
        remarks: &mut Vec<Remark>,
    ) -> Result<Self, DoorbellError> {
        let named = id_of_file(file_name)?;
        if bytes.len() > MAX_FILE_BYTES {
            return Err(DoorbellError::TooLarge { bytes: bytes.len() as u64 });
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let members: Map<String, Value> = serde_json::from_slice(bytes).map_err(DoorbellError::Json)?;
        let mut members = DoorbellMembers { members, remarks };

        let id = members.text("id")?.ok_or(DoorbellError::Missing { member: "id" })?;
        if id != named.as_str() {
            return Err(DoorbellError::OtherId { id: validate::shown(&id), name: named });
        }
        let port = members.port()?;
        let pid = members.pid()?;
        let path = members.path()?;
        let name = members.name(&path, &named);
        let started = members.started();
        let (endpoint, named_host) = members.endpoint(port)?;
        let host = members.host().or(named_host);
        let (token, headers) = members.secrets()?;
        let has_package_json = members.flag("has_package_json");
        let version = members.version();
        let labels = members.labels();
        let pid_namespace = members.pid_namespace();
        let mut members = members.members;
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
            host,
            socket: None,
            token,
            headers,
            version,
            labels,
            pid_namespace,
            // A copy has room for what is left and no more: mostly nothing is.
            extra: members.into_iter().collect(),
        })
    }

    /// What requests to the instance must carry to be let in.
    pub(crate) fn credentials(&self) -> Credentials {
        // A doorbell that was read has been checked; one that was made by hand is checked when it is announced.
        Credentials::of(self.token.as_ref(), &self.headers).unwrap_or_default()
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
        if let Some(host) = self.host {
            put("host", host.to_string().into());
        }
        if let Some(token) = &self.token {
            put("token", token.expose().into());
        }
        if !self.headers.is_empty() {
            let headers =
                self.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.expose())));
            put("headers", Value::Object(headers.collect()));
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
