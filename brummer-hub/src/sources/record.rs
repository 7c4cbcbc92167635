//! What a trace says, checked as far as that goes without asking the system.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::IpAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::SourceKind;
use crate::{
    discovery::Found,
    doorbell::{Doorbell, InstanceId, MAX_ENDPOINT_BYTES, MAX_NAME_BYTES, MAX_PATH_BYTES, Secret, loopback},
    process,
    terminal::clean_line,
};

/// Why a trace is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Unfit {
    /// It may be in the middle of being written.
    #[error("it is not the JSON that this tool writes")]
    Unreadable,
    /// A server that does not listen yet, or something else than a dev server.
    #[error("it tells of no server that listens")]
    NoServer,
    #[error("`{0}` cannot be meant")]
    Invalid(&'static str),
}

/// What is known of a server by its trace.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) kind: SourceKind,
    pub(super) pid: u32,
    pub(super) port: u16,
    /// The loopback address that it names.
    pub(super) host: Option<IpAddr>,
    /// The socket that it listens on instead of a port.
    pub(super) socket: Option<PathBuf>,
    /// None: where its process works.
    pub(super) project: Option<PathBuf>,
    /// Which it is of those that one file tells of; empty for the only one.
    pub(super) key: String,
    pub(super) name: Option<String>,
    /// What serves: `vite`, `next`, `storybook`, … None for what is no dev server.
    pub(super) framework: Option<Cow<'static, str>>,
    /// The script of a `run` that serves.
    pub(super) script: Option<String>,
    pub(super) version: Option<String>,
    /// Where people open it.
    pub(super) url: String,
    /// Other URLs that lead to it.
    pub(super) also: Vec<String>,
    pub(super) started: Option<Timestamp>,
    /// Who started it, if the trace says.
    pub(super) started_by: Option<String>,
    /// Where it logs to.
    pub(super) log: Option<PathBuf>,
    /// Where MCP is spoken, if it is.
    pub(super) mcp: Option<McpEndpoint>,
}

/// The MCP endpoint of a server, and what it wants to be sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct McpEndpoint {
    pub(super) endpoint: String,
    pub(super) token: Option<Secret>,
    pub(super) headers: BTreeMap<String, Secret>,
}

/// A server that is known by its port and its program only: no trace says that it runs, but the system does.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Awaited {
    pub(super) kind: SourceKind,
    pub(super) name: Cow<'static, str>,
    /// It takes the first of these that is free.
    pub(super) ports: RangeInclusive<u16>,
    /// Programs that it may be.
    pub(super) programs: &'static [Program],
    pub(super) mcp: McpEndpoint,
}

/// A program, as it calls itself.
#[derive(Debug, PartialEq)]
pub(super) struct Program {
    /// In small letters. A `*` at the end means any rest.
    pub(super) name: &'static str,
    /// What one of its arguments contains; empty for a program that is nothing else.
    pub(super) argument: &'static str,
}

/// What a trace says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) records: Vec<Record>,
    pub(super) awaited: Vec<Awaited>,
}

impl From<Record> for Reading {
    fn from(record: Record) -> Self {
        Self { records: vec![record], awaited: Vec::new() }
    }
}

/// What the surveyor is told.
#[derive(Clone, Debug)]
pub(crate) enum Sighting {
    /// A record is there, for the first time or with new contents.
    Seen(Arc<Seen>),
    /// That of this place is gone.
    Gone(PathBuf),
    /// All directories that were known at the start have been looked at.
    Scanned,
    /// Whether Tidewave is looked for from now on.
    Asks(bool),
}

/// A record and where it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(super) record: Record,
    /// The file, with what tells the records of one file apart.
    pub(super) place: PathBuf,
    /// When the file was last written.
    pub(super) modified: SystemTime,
}

impl Seen {
    /// The record as a doorbell would say it, when it has an MCP server.
    pub(super) fn found(&self) -> Option<Arc<Found>> {
        let Record { kind, pid, port, host, project, name, version, started, mcp, .. } = &self.record;
        let mcp = mcp.as_ref()?;
        let id = match &self.record.socket {
            None => format!("{kind}-{pid}-{port}"),
            // An editor may have several, one a window: the file's name tells them apart.
            Some(_) => format!("{kind}-{pid}-{}", self.place.file_stem()?.to_str()?.get(..8)?),
        };
        let id = InstanceId::parse(&id).ok()?;
        let project = project.as_deref().unwrap_or(Path::new("/"));
        let mut doorbell = Doorbell::new(id, *pid, project, *port);
        if let Some(name) = name {
            doorbell.name.clone_from(name);
        }
        doorbell.host = *host;
        doorbell.socket.clone_from(&self.record.socket);
        // What tools write into the home directory is of the processes that are seen here.
        doorbell.pid_namespace = process::own_namespace();
        doorbell.endpoint.clone_from(&mcp.endpoint);
        doorbell.token.clone_from(&mcp.token);
        doorbell.headers.clone_from(&mcp.headers);
        doorbell.version.clone_from(version);
        doorbell.started = started.map(|at| at.to_string()).unwrap_or_default();
        doorbell.has_package_json = project.join("package.json").is_file();
        Some(Arc::new(Found::new(doorbell, self.place.clone(), self.modified, *kind)))
    }
}

impl Record {
    /// A record that says no more than where it is.
    pub(super) fn new(kind: SourceKind, pid: u32, port: u16) -> Self {
        Self {
            kind,
            pid,
            port,
            host: None,
            socket: None,
            project: None,
            key: String::new(),
            name: None,
            framework: None,
            script: None,
            version: None,
            url: Origin { is_secure: false, address: None, port }.url("/"),
            also: Vec::new(),
            started: None,
            started_by: None,
            log: None,
            mcp: None,
        }
    }
}

/// The JSON of a trace.
pub(super) fn json<T: DeserializeOwned>(contents: &[u8]) -> Result<T, Unfit> {
    serde_json::from_slice(contents).map_err(|error| {
        if error.classify() == serde_json::error::Category::Data {
            Unfit::NoServer
        } else {
            Unfit::Unreadable
        }
    })
}

/// A process that can be asked for: 0 and 1 are never a dev server.
pub(super) fn pid(number: u32) -> Result<u32, Unfit> {
    if number > 1 && i32::try_from(number).is_ok() { Ok(number) } else { Err(Unfit::Invalid("pid")) }
}

/// A port that is open.
pub(super) fn port(number: u16) -> Result<u16, Unfit> {
    if number > 0 { Ok(number) } else { Err(Unfit::NoServer) }
}

/// A directory, as an absolute path.
pub(super) fn directory(text: &str, member: &'static str) -> Result<PathBuf, Unfit> {
    let path = Path::new(text);
    let fits = path.is_absolute() && text.len() <= MAX_PATH_BYTES && !text.contains(char::is_control);
    if fits { Ok(path.to_owned()) } else { Err(Unfit::Invalid(member)) }
}

/// A name as it may be shown; none when nothing is left of it.
pub(super) fn name(text: &str) -> Option<String> {
    let mut name = clean_line(text.trim()).into_owned();
    if name.len() > MAX_NAME_BYTES {
        let end = (0..=MAX_NAME_BYTES).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
        name.truncate(end);
    }
    Some(name).filter(|name| !name.is_empty())
}

/// A path on the server, as it may stand in a request.
pub(super) fn endpoint(text: &str) -> Result<String, Unfit> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\');
    let fits = text.starts_with('/')
        && !text.starts_with("//")
        && text.len() <= MAX_ENDPOINT_BYTES
        && text.bytes().all(is_plain);
    if fits { Ok(text.to_owned()) } else { Err(Unfit::Invalid("mcp")) }
}

/// A moment, in milliseconds since 1970 or as RFC 3339. What cannot be understood is left out.
pub(super) fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => Timestamp::from_millisecond(number.as_i64()?).ok(),
        _ => None,
    }
}

/// Where a server of this machine is, as its trace says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    pub(super) is_secure: bool,
    /// None: any loopback address.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
}

impl Origin {
    /// Reads `http://HOST:PORT`; what comes after it is not looked at.
    pub(super) fn read(url: &str) -> Result<Self, Unfit> {
        let wrong = Unfit::Invalid("url");
        let (is_secure, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(wrong),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon within brackets is one of the address.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong)?),
            _ => (authority, if is_secure { 443 } else { 80 }),
        };
        Ok(Self { is_secure, address: address(host)?, port: self::port(port)? })
    }

    /// As a header field or a link says it: never a host that a trace could have made up.
    pub(super) fn text(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        let host = match self.address {
            None => "localhost".to_owned(),
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            Some(address) => address.to_string(),
        };
        format!("{scheme}://{host}:{}", self.port)
    }

    /// Where people open it.
    pub(super) fn url(&self, path: &str) -> String {
        let path = if endpoint(path).is_ok() { path } else { "/" };
        self.text() + path
    }
}

/// The loopback address that a host means; none for one that means any of them.
///
/// # Errors
/// When it is of another machine, or of the network: the hub reaches loopback only.
pub(super) fn address(host: &str) -> Result<Option<IpAddr>, Unfit> {
    loopback(host).map_err(|()| Unfit::Invalid("host"))
}
