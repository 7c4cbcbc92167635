//! How instances are shown to clients and people.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    hub::Snapshot,
    instance::{Instance, InstanceState, InstanceStatus, Transition},
    protocol::Era,
    sources::{DevServer, SourceKind},
    terminal::clean_line,
};

/// An instance as `instances_list`, `brummer://instances` and `brummer-hub list --json` show it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InstanceEntry {
    /// Id, unique on the machine.
    pub id: String,
    /// Short name, stable over restarts.
    pub alias: String,
    /// Name that it announced.
    pub name: String,
    /// Project directory.
    pub path: String,
    /// Loopback port of its MCP server; 0 for one that listens on a socket that is a file, or on a pipe.
    pub port: u16,
    /// Process that announced it.
    pub pid: u32,
    /// When it began to listen, as it said (RFC 3339).
    pub started: String,
    /// Where it stands.
    pub state: InstanceState,
    /// Whether the session that asks is connected to it.
    pub connected: bool,
    /// When the hub last connected to it (RFC 3339).
    pub connected_at: Option<String>,
    /// Whether the project has a `package.json`.
    pub has_package_json: bool,
    /// Which kind of MCP it speaks, once known: `legacy` has the `initialize` handshake.
    pub era: Option<&'static str>,
    /// Revision of MCP that was settled on with it.
    pub protocol_version: Option<&'static str>,
    /// Round trip of the last check, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Version of the program, if it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The other tool whose record tells of it; none for an instance that announced itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// Labels that its owner gave it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What else its file says.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl InstanceEntry {
    /// What is known of an instance now.
    #[must_use]
    pub fn of(instance: &Instance, connected: bool) -> Self {
        let doorbell = &instance.found.doorbell;
        let status = instance.status();
        Self {
            id: doorbell.id.to_string(),
            alias: instance.alias.to_string(),
            name: doorbell.name.clone(),
            path: doorbell.path.display().to_string(),
            port: doorbell.port,
            pid: doorbell.pid,
            started: doorbell.started.clone(),
            state: instance.state,
            connected,
            connected_at: status.connected_at.map(|at| at.to_string()),
            has_package_json: doorbell.has_package_json,
            era: status.era.map(Era::name),
            protocol_version: revision(&status),
            latency_ms: status.latency_ms,
            version: doorbell.version.clone(),
            source: Some(instance.found.source)
                .filter(|source| *source != SourceKind::Doorbell)
                .map(SourceKind::name),
            labels: doorbell.labels.clone(),
            extra: doorbell.extra.clone(),
        }
    }
}

/// What is said of a server with one session to give.
const ONE_SESSION: &str = "its server has one session to give, which is left to clients: the hub watches it without one, and a \
                           second client is refused by it until it makes a server and a transport for each session";

/// The revision that was agreed upon with it, where one was.
fn revision(status: &InstanceStatus) -> Option<&'static str> {
    status.era.filter(|_| status.has_agreed).map(Era::version)
}

/// How a server that runs is announced, for a model that finds nothing.
pub(super) const HOW_TO_ANNOUNCE: &str = "No instance is running. One appears here as soon as it starts: `brummer-hub run SCRIPT` in a \
                               project starts a script of its package.json, and `brummer-hub register --port PORT` announces \
                               an MCP server that runs already.";

/// The list for a model to read: one line each, with all that the structured part says.
pub(super) fn listing_text(entries: &[InstanceEntry], is_modern: bool) -> String {
    if entries.is_empty() {
        return HOW_TO_ANNOUNCE.to_owned();
    }
    let line = |entry: &InstanceEntry| {
        let connected = if entry.connected { ", connected" } else { "" };
        let details = details(&json!(entry), &["alias", "state", "connected", "path", "port"]);
        let (alias, path, port) = (&entry.alias, &entry.path, entry.port);
        format!("- {alias} ({}{connected}) {path}, port {port}; {details}", entry.state)
    };
    let lines: Vec<String> = entries.iter().map(line).collect();
    let noun = if entries.len() == 1 { "instance" } else { "instances" };
    let next = if is_modern {
        "\nTheir tools are called `<alias>__<tool>`."
    } else if entries.iter().any(|entry| entry.connected) {
        ""
    } else {
        "\nNone is connected: `instances_connect` lists the tools of one, `instances_call` uses one without connecting."
    };
    format!("{} {noun}:\n{}{next}", entries.len(), lines.join("\n"))
}

impl Snapshot {
    /// The dev servers that other tools tell of, each with the alias of its instance, if it has one.
    #[must_use]
    pub fn dev_server_entries(&self) -> Vec<DevServer> {
        let instance_of = |server: &DevServer| {
            let own = |it: &&Instance| it.found.doorbell.port == server.port;
            self.instances.iter().find(own).map(|it| it.alias.to_string())
        };
        let entry = |server: &DevServer| DevServer { instance: instance_of(server), ..server.clone() };
        self.dev_servers.iter().map(|server| entry(server)).collect()
    }
}

/// The dev servers for a model to read: one line each, with all that the structured part says.
pub(super) fn servers_text(servers: &[DevServer]) -> String {
    let line = |server: &DevServer| {
        let details = details(&json!(server), &["url", "framework", "path"]);
        format!("- {} ({}) {}; {details}", server.url, server.framework, server.path)
    };
    let lines: Vec<String> = servers.iter().map(line).collect();
    let noun = if servers.len() == 1 { "dev server runs" } else { "dev servers run" };
    format!("{} {noun}; use it instead of starting another:\n{}", servers.len(), lines.join("\n"))
}

/// The members of an object that are not shown already, by name; what is unknown is left out.
fn details(object: &Value, shown: &[&str]) -> String {
    let members = object.as_object().into_iter().flatten();
    let is_empty = |value: &Value| value.is_null() || value == "";
    let told = members.filter(|(name, value)| !shown.contains(&name.as_str()) && !is_empty(value));
    let told = told.map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// What a stdio server's instance told of its processes, as lines. It is the instance's own word: whatever it is, it is shown
/// as text.
fn program_text(program: &Value) -> String {
    let mut text = format!("\n  its stdio server: {}", details(program, &["stderr"]));
    let lines = program["stderr"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let lines: Vec<&str> = lines.collect();
    if !lines.is_empty() {
        text.push_str("\n  the end of its standard error:");
    }
    for line in lines {
        text.push_str(&format!("\n    {}", clean_line(line)));
    }
    text
}

/// All details of an instance's health, as lines for a model to read and as an object.
pub(super) fn health_of(instance: &Instance) -> (String, Value) {
    let status = instance.status();
    let history: Vec<_> = status
        .history
        .iter()
        .map(|it| json!({"state": it.state, "at": it.at.to_string(), "reason": it.reason}))
        .collect();
    let mut details = json!({
        "id": instance.id().as_str(),
        "alias": &*instance.alias,
        "state": instance.state,
        "since": status.since.to_string(),
        "last_success": status.last_success.map(|at| at.to_string()),
        "missed_pings": status.missed_pings,
        "latency_ms": status.latency_ms,
        "retries": status.retries,
        "era": status.era.map(Era::name),
        "protocol_version": revision(&status),
        "last_error": status.last_error,
        "note": status.has_one_session.then_some(ONE_SESSION),
        "history": history,
    });
    if let Some(program) = &status.program {
        details["program"] = Value::clone(program);
    }
    let mut text = format!(
        "- {} is {}; {}",
        instance.alias,
        instance.state,
        self::details(&details, &["alias", "state", "history", "program"])
    );
    if let Some(program) = &status.program {
        text.push_str(&program_text(program));
    }
    for Transition { state, at, reason } in &status.history {
        text.push_str(&format!("\n  {at} {state}: {reason}"));
    }
    (text, details)
}
