//! What the tools answer.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jiff::Timestamp;
use rmcp::schemars::{self, JsonSchema};
use serde::Serialize;
use serde_json::{Map, Value};

use super::App;
use crate::{
    detect::urls::FoundUrl,
    guard::link::Exit,
    log::{
        Asked, Entry, file_of, level,
        mask::{mask_arguments, mask_setting},
    },
    ports::Ports,
    script::Process,
};

/// One entry of the log: a line, or the lines of a stack trace.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogEntry {
    /// Grows from one entry to the next
    id: u64,
    process_id: String,
    process_name: String,
    pub(super) content: String,
    timestamp: String,
    /// It came on standard error
    is_error: bool,
    /// The higher, the sooner it should be read
    priority: u32,
    /// 0 debug, 1 info, 2 warning, 3 error, 4 critical
    level: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// How often it was said in a row
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<u32>,
    /// When it was said for the last time
    #[serde(skip_serializing_if = "Option::is_none")]
    last_timestamp: Option<String>,
}

/// A part of the log, the oldest entry first.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogPage {
    pub(crate) entries: Vec<LogEntry>,
    /// For the next call: only what came after this answer
    pub(super) cursor: String,
    /// For the next call: what came before this answer
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) older_cursor: Option<String>,
    /// Something that was asked for is not in this answer; `note` says what
    pub(super) truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

/// A part of the log that was followed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Streamed {
    #[serde(flatten)]
    pub(super) page: LogPage,
    /// Why the stream ended: `lines`, `time`, `process`, `cancelled`, or `all` if it was not followed
    pub(super) ended: String,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScriptList {
    /// Name and command of each script
    #[schemars(with = "BTreeMap<String, String>")]
    pub(super) scripts: Map<String, Value>,
    pub(super) directory: String,
    /// npm, pnpm, yarn or bun; missing without a package.json
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) package_manager: Option<String>,
    /// What says that it is this one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) package_manager_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) workspaces: Vec<WorkspaceScripts>,
    /// Commands of other files; they are run by their whole names
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) declared: Vec<DeclaredCommand>,
    /// For the next call: what did not fit into this answer
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DeclaredCommand {
    /// Such as `make:build`
    pub(super) name: String,
    /// The file that declares it
    pub(super) file: String,
    pub(super) command: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkspaceScripts {
    /// Its scripts are run as NAME#SCRIPT
    pub(super) name: String,
    pub(super) path: String,
    #[schemars(with = "BTreeMap<String, String>")]
    pub(super) scripts: Map<String, Value>,
}

/// What is found out about processes, each time that they are shown.
#[derive(Debug)]
pub(crate) struct Known {
    pub(super) urls: Vec<FoundUrl>,
    pub(super) ports: Ports,
    pub(super) asking: Vec<Asked>,
    log_dir: Option<Arc<Path>>,
}

impl Known {
    pub(super) async fn of(app: &App) -> Self {
        let (ports, urls, asking) = tokio::join!(Ports::look(), app.logs.urls(), app.logs.asking());
        Self { urls, ports, asking, log_dir: app.log_dir.clone() }
    }
}

/// A process, as all tools show it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessInfo {
    /// Missing for a script that does not run
    #[serde(skip_serializing_if = "Option::is_none")]
    process_id: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    /// pending, running, stopping, stopped, success, failed, or `not running`
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    /// How long it runs or ran
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    /// The signal that ended it
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    /// How it ended, in words
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<String>,
    /// URLs of this machine that it has printed
    #[serde(skip_serializing_if = "Vec::is_empty")]
    urls: Vec<Link>,
    /// Ports on which it listens, as the system says
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<u16>,
    /// What it seems to wait for; scripts_input answers
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<String>,
    /// Arguments that it was started with
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    /// Names of the environment variables that a client has set for it
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    /// The PORT that it was given
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// The file that its lines are written to
    #[serde(skip_serializing_if = "Option::is_none")]
    log_file: Option<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Link {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Processes {
    pub(crate) processes: Vec<ProcessInfo>,
    /// For the next call: older ones, which did not fit into this answer
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ran {
    #[serde(flatten)]
    pub(super) process: ProcessInfo,
    /// It was running already, and nothing was started
    pub(super) duplicate: bool,
    pub(super) message: String,
    /// What may go wrong, such as a port that is taken
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entered {
    pub(super) process_id: String,
    /// What it seemed to wait for
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) question: Option<String>,
    pub(super) message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stopped {
    /// Nothing of it runs any more
    pub(super) success: bool,
    pub(super) process_id: String,
    pub(super) status: String,
    pub(super) message: String,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waited {
    /// It has come about; with several conditions, all of them or, with `any`, one
    pub(super) met: bool,
    /// How long it took, in milliseconds
    pub(super) waited_ms: u64,
    pub(super) message: String,
    /// For `log`: the line
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entry: Option<LogEntry>,
    /// For `url`: the HTTP status
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// For `exit`, or if the process ended first: how it ended
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<ProcessInfo>,
    /// For `clean`: how the last build stands
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) build: Option<ScriptBuild>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorGroup {
    /// What went wrong
    pub(super) message: String,
    /// Such as TypeError or TS2322
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    /// File and line, in the project's own sources if possible
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<String>,
    pub(super) process_id: String,
    pub(super) process_name: String,
    /// How often it came
    pub(super) count: u64,
    pub(super) first_seen: String,
    pub(super) last_seen: String,
    /// All of it, as it came the last time, if it has more than one line
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// The entry of the log in which it came the last time
    pub(super) log_id: u64,
    /// It happened in a page, not in the script itself
    pub(super) browser: bool,
    /// A later build or run did without it
    pub(super) resolved: bool,
    /// When that was
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolved_at: Option<String>,
}

/// How the last build of a script stands.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScriptBuild {
    pub(super) process_id: String,
    pub(super) process_name: String,
    /// pending, running, stopping, stopped, success or failed
    pub(super) status: String,
    /// clean, failing, building, or unknown if it never said
    pub(super) build: String,
    /// How many errors it has that are not resolved
    pub(super) errors: usize,
}

/// Errors, the one that came last first.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Errors {
    pub(crate) errors: Vec<ErrorGroup>,
    /// The last run of each script; not in an answer to a cursor
    pub(super) scripts: Vec<ScriptBuild>,
    /// How many there are in all
    pub(super) total: usize,
    /// There are older ones than in this answer
    pub(super) truncated: bool,
    /// For the next call: the older ones
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UrlInfo {
    pub(super) url: String,
    /// For URLs of this machine
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<u16>,
    /// What the line or the script calls it
    pub(super) label: String,
    pub(super) process_id: String,
    pub(super) process_name: String,
    /// The process that printed it runs
    pub(super) running: bool,
    /// For URLs of this machine: that process listens on the port
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) listening: Option<bool>,
    /// It was printed; if not, only the system says that the process listens, and it may speak something else than HTTP
    pub(super) printed: bool,
    /// It is a URL of this machine
    pub(super) local: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_seen: Option<String>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Urls {
    pub(super) urls: Vec<UrlInfo>,
    /// For the next call: what did not fit into this answer
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

/// A time of the log, to the millisecond.
pub(super) fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

impl From<Entry> for LogEntry {
    fn from(entry: Entry) -> Self {
        let tags = level::tags(&entry.content, entry.level);
        let repeated = entry.repeats > 1;
        Self {
            id: entry.number,
            process_id: entry.id.as_ref().to_owned(),
            process_name: entry.name.as_ref().to_owned(),
            timestamp: time(entry.at),
            is_error: entry.is_error,
            priority: level::priority(&entry.content, entry.level, entry.is_error, &tags),
            level: entry.level as u8,
            tags: tags.into_iter().map(str::to_owned).collect(),
            repeats: repeated.then_some(entry.repeats),
            last_timestamp: repeated.then(|| time(entry.last)),
            content: entry.content,
        }
    }
}

impl ProcessInfo {
    pub(super) fn new(process: &Process, known: &Known, now: Timestamp) -> Self {
        let Known { urls, ports, asking, log_dir } = known;
        let urls = urls.iter().filter(|url| url.process == process.number && url.is_local);
        let lasted = process.ended().unwrap_or(now).duration_since(process.started);
        let (exit_code, signal) = match process.state.exit() {
            Some(Exit::Code(code)) => (Some(code), None),
            Some(Exit::Signal(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        Self {
            process_id: Some(process.id.as_ref().to_owned()),
            name: process.name.as_ref().to_owned(),
            script: Some(mask_setting(&process.script)),
            status: process.state.name().to_owned(),
            pid: process.state.pid(),
            start_time: Some(time(process.started.as_millisecond())),
            end_time: process.ended().map(|at| time(at.as_millisecond())),
            uptime: Some(span(lasted.as_secs().max(0).unsigned_abs())),
            exit_code,
            signal,
            ending: process.ending(),
            urls: urls.map(|url| Link { url: url.url.clone(), label: url.label.clone() }).collect(),
            ports: ports.of(process).into_keys().collect(),
            question: asking
                .iter()
                .find(|asked| asked.process == process.number && process.state.is_alive())
                .map(|asked| asked.question.clone()),
            args: mask_arguments(&process.script, &process.launch.args),
            env: process.launch.env.keys().cloned().collect(),
            port: process.launch.port,
            log_file: log_dir.as_ref().map(|it| file_of(it, &process.name).display().to_string()),
        }
    }

    /// A script that does not run.
    pub(super) fn not_running(name: &str) -> Self {
        Self {
            process_id: None,
            name: name.to_owned(),
            script: None,
            status: "not running".to_owned(),
            pid: None,
            start_time: None,
            end_time: None,
            uptime: None,
            exit_code: None,
            signal: None,
            ending: None,
            urls: Vec::new(),
            ports: Vec::new(),
            question: None,
            args: Vec::new(),
            env: Vec::new(),
            port: None,
            log_file: None,
        }
    }

    /// One line for a reader, with all that a program is told.
    pub(super) fn line(&self) -> String {
        let mut line = self.process_id.as_ref().unwrap_or(&self.name).clone();
        if let Some(script) = &self.script {
            line.push_str(&format!(" (`{script}`)"));
        }
        line.push_str(&format!(": {}", self.status));
        // Most endings begin with the status.
        match self.ending.as_ref().map(|ending| ending.strip_prefix(&self.status).unwrap_or(ending)) {
            Some("") | None => {}
            Some(rest) if rest.starts_with([':', ' ']) => line.push_str(rest),
            Some(ending) => line.push_str(&format!(", {ending}")),
        }
        if let Some(pid) = self.pid {
            line.push_str(&format!(", process {pid}"));
        }
        if let (Some(uptime), Some(start)) = (&self.uptime, &self.start_time) {
            line.push_str(&format!(", {uptime} from {start}"));
        }
        if let Some(end) = &self.end_time {
            line.push_str(&format!(" to {end}"));
        }
        for link in &self.urls {
            line.push_str(&format!(", {}", link.url));
            if let Some(label) = &link.label {
                line.push_str(&format!(" ({label})"));
            }
        }
        if !self.ports.is_empty() {
            let ports: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
            line.push_str(&format!(", listens on {}", ports.join(", ")));
        }
        if !self.args.is_empty() {
            line.push_str(&format!(", args {}", Value::from(self.args.as_slice())));
        }
        if !self.env.is_empty() {
            line.push_str(&format!(", env {}", self.env.join(", ")));
        }
        if let Some(port) = self.port {
            line.push_str(&format!(", PORT {port}"));
        }
        if let Some(file) = &self.log_file {
            line.push_str(&format!(", log file {file}"));
        }
        if let Some(question) = &self.question {
            line.push_str(&format!(", seems to wait for an answer to `{question}` (scripts_input)"));
        }
        line
    }
}

/// `1h2m3s`.
fn span(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}
