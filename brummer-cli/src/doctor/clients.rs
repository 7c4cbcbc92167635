//! The clients' configurations, and the hubs that they start.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{ExitStatus, Stdio},
};

use brummer_hub::{hub::Snapshot, instance::InstanceState};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    task::JoinHandle,
    time::timeout,
};

use super::{MOMENT, PATIENCE, report::Report};
use crate::{
    deep,
    install::{
        self, ClientFound, Configured,
        hub::{Start, launching, words},
    },
};

const SECTION: &str = "Clients";

/// What clients leave of the environment, as the strictest of them do it.
const KEPT: [&str; 10] = [
    "HOME",
    "PATH",
    "LANG",
    "USER",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "SystemRoot",
    "TEMP",
    "TMPDIR",
];

pub(super) async fn look(snapshot: &Snapshot, data_dir: Option<&Path>, report: &mut Report) {
    let clients = match install::survey(data_dir) {
        Ok(clients) => clients,
        Err(error) => return report.problem(SECTION, error.to_string(), "set HOME"),
    };
    let active = snapshot.instances.iter().filter(|instance| instance.state == InstanceState::Active);
    let active: BTreeSet<String> = active.map(|instance| instance.id().to_string()).collect();
    let tried = try_all(&clients).await;
    let mut found = false;
    for client in clients.iter().filter(|client| client.found || client.entry.is_some()) {
        found = true;
        let install = format!("`brummer-hub install {}`", client.id);
        let at = format!("{} ({})", client.name, client.path.display());
        match &client.state {
            Configured::No => report.note(SECTION, format!("{at} is not configured"), Some(&install)),
            Configured::Off => report.note(SECTION, format!("{at} has the hub turned off"), None),
            Configured::Foreign => {
                report.note(SECTION, format!("{at} has another server of this name"), None);
            }
            Configured::Broken(why) => {
                report.problem(
                    SECTION,
                    format!("{at} cannot be read: {why}"),
                    "mend the file; the client cannot read it either",
                );
            }
            Configured::Outdated | Configured::Yes => {
                let judgement = judge(client, &active, &tried, data_dir.is_some());
                match judgement {
                    None => {}
                    Some(Judgement::Ok(text)) => report.ok(SECTION, format!("{at}: {text}")),
                    Some(Judgement::Note(text)) => report.note(SECTION, format!("{at}: {text}"), None),
                    Some(Judgement::Problem(text, Mending::Advice(advice))) => {
                        report.problem(SECTION, format!("{at}: {text}"), &advice);
                    }
                    Some(Judgement::Problem(text, Mending::Install)) if report.fix => {
                        match install::configure(client.id, data_dir).await {
                            Ok(()) => report.fixed(SECTION, format!("{at} is configured anew: {text}")),
                            Err(error) => report.problem(SECTION, format!("{at}: {text}: {error}"), &install),
                        }
                    }
                    Some(Judgement::Problem(text, Mending::Install)) => {
                        report.fixable(SECTION, format!("{at}: {text}"), &install);
                    }
                }
            }
        }
    }
    if !found {
        report.note(
            SECTION,
            "no MCP client was found",
            Some("`brummer-hub install --list` shows which are known"),
        );
    }
}

/// How a hub is started, and what came of it.
type Tried = (Value, Result<Hub, String>);

/// Starts the hubs as the clients do, once for all that do it alike, and all at the same time: each has its time to answer.
async fn try_all(clients: &[ClientFound]) -> Vec<Tried> {
    let is_tried = |client: &&ClientFound| matches!(client.state, Configured::Yes | Configured::Outdated);
    let mut trying: Vec<(Value, JoinHandle<Result<Hub, String>>)> = Vec::new();
    for line in clients.iter().filter(is_tried).filter_map(|client| command_line(client.entry.as_ref()?)) {
        if trying.iter().all(|(other, _)| *other != line) {
            let started = line.clone();
            trying.push((line, tokio::spawn(async move { start(&started).await })));
        }
    }
    let mut tried = Vec::new();
    for (line, hub) in trying {
        let hub = hub.await.unwrap_or_else(|error| Err(error.to_string()));
        tried.push((line, hub));
    }
    tried
}

/// What is to be said of the hub that a client starts: whether it works counts, not how its entry is written.
#[derive(Debug)]
enum Judgement {
    Ok(String),
    Note(String),
    Problem(String, Mending),
}

/// What can be done about a problem.
#[derive(Debug)]
enum Mending {
    /// `install` does it.
    Install,
    Advice(String),
}

/// Options that make a hub see less, on purpose.
const NARROWING: [&str; 2] = ["--only", "--sources"];

/// What came of the hub that a client starts.
fn judge(
    client: &ClientFound,
    active: &BTreeSet<String>,
    tried: &[Tried],
    is_told_directory: bool,
) -> Option<Judgement> {
    let entry = client.entry.as_ref()?;
    let command = command_line(entry)?;
    let (_, hub) = tried.iter().find(|(line, _)| *line == command)?;
    let Start { arguments, is_pinned } = Start::of(entry)?;
    let has = |option: &str| {
        let value =
            |word: &String| word.strip_prefix(option).map(|rest| rest.is_empty() || rest.starts_with('='));
        arguments.iter().any(|word| value(word) == Some(true))
    };
    // Written anew, it would be another.
    let is_mended = client.state == Configured::Outdated;
    Some(match hub {
        Err(why) => {
            let text = format!("its hub does not start: {why}");
            let advice = "`\"--log-level\", \"debug\", \"--log-file\", FILE` in its args tells more";
            Judgement::Problem(
                text,
                match super::waited_for() {
                    Some(advice) => Mending::Advice(advice),
                    None if is_mended => Mending::Install,
                    None => Mending::Advice(advice.to_owned()),
                },
            )
        }
        Ok(hub) if hub.version != env!("CARGO_PKG_VERSION") && is_pinned => {
            Judgement::Note(format!("its hub starts, with the version that its entry names: {}", hub.version))
        }
        Ok(hub) if hub.version != env!("CARGO_PKG_VERSION") => Judgement::Problem(
            format!("its hub has version {}", hub.version),
            Mending::Advice("update it, or run `brummer-hub install` with the newer one".to_owned()),
        ),
        Ok(hub) => match active.difference(&hub.instances).count() {
            0 => Judgement::Ok("its hub starts and sees what this one sees".to_owned()),
            missing if NARROWING.into_iter().any(has) => {
                let seen = active.len() - missing;
                Judgement::Note(format!("its hub starts, and sees {seen} of {} instances by its own options", active.len()))
            }
            missing => Judgement::Problem(
                format!("its hub does not see {missing} of {} instances", active.len()),
                match (is_told_directory, has("--data-dir")) {
                    (true, _) if is_mended => Mending::Install,
                    (false, true) => Mending::Advice(
                        "its args have a `--data-dir` of their own: take it out, or set BRUMMER_DATA_DIR here to the same".to_owned(),
                    ),
                    _ => Mending::Advice("it has another environment, such as another home directory".to_owned()),
                },
            ),
        },
    })
}

/// What a client's hub says of itself.
#[derive(Debug)]
struct Hub {
    version: String,
    instances: BTreeSet<String>,
}

/// Program, arguments and variables of an entry, whatever its shape.
fn command_line(entry: &Value) -> Option<Value> {
    let words = words(entry)?;
    let part = launching(entry);
    let variables = ["env", "environment", "envs"].iter().find_map(|key| part[*key].as_object());
    Some(json!({ "words": words, "env": variables }))
}

async fn start(line: &Value) -> Result<Hub, String> {
    let words: Vec<&str> = line["words"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (program, arguments) = words.split_first().ok_or("its entry names no program")?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(KEPT.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value))));
    let own = line["env"].as_object().into_iter().flatten();
    command.envs(own.filter_map(|(name, value)| value.as_str().map(|value| (name, value))));
    let spawned = command.kill_on_drop(true).spawn();
    let mut child = spawned.map_err(|error| format!("{program}: {error}"))?;
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err("it has no standard streams".to_owned());
    };
    // Read while it runs: a hub that says much does not stand still.
    let said = tokio::spawn(telling_line(errors));
    let talk = async {
        let info = json!({ "name": "brummer-hub doctor", "version": env!("CARGO_PKG_VERSION") });
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
        let messages = [
            json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }),
            json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
            json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "instances_list" } }),
        ];
        for message in messages {
            // What reads no more has ended, or says why.
            if input.write_all(format!("{message}\n").as_bytes()).await.is_err() {
                break;
            }
        }
        let mut hub = Hub { version: String::new(), instances: BTreeSet::new() };
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await.map_err(|error| error.to_string())? {
            let message = deep::read(&line).map_err(|_| "it writes what is not MCP".to_owned())?;
            if message["id"] == 1 {
                message["result"]["serverInfo"]["version"]
                    .as_str()
                    .unwrap_or("unknown")
                    .clone_into(&mut hub.version);
            } else if message["id"] == 2 {
                let listed =
                    message["result"]["structuredContent"]["instances"].as_array().into_iter().flatten();
                hub.instances = listed.filter_map(|it| it["id"].as_str()).map(str::to_owned).collect();
                return Ok(hub);
            }
        }
        Err(ENDED.to_owned())
    };
    let talked = timeout(PATIENCE, talk).await;
    match talked {
        Ok(Ok(hub)) => {
            drop(input);
            // The end of its input ends it; the rest is for `kill_on_drop`.
            let _ = timeout(MOMENT, child.wait()).await;
            Ok(hub)
        }
        Ok(Err(why)) if why == ENDED => {
            drop(input);
            let code = timeout(MOMENT, child.wait()).await.ok().and_then(Result::ok);
            // Something that it has started may hold its standard error.
            let said = timeout(MOMENT, said).await.ok().and_then(Result::ok).flatten();
            Err(ended(code, said.as_deref()))
        }
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!("it did not answer within {PATIENCE:?}")),
    }
}

/// What a hub did that closes its output before it answers.
const ENDED: &str = "it ended at once";

/// The longest line that is shown of what a hub says.
const LINE: u64 = 16 * 1024;

/// How it ended, and what it said about it.
fn ended(status: Option<ExitStatus>, said: Option<&str>) -> String {
    let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    format!("{ENDED}{status}{said}")
}

/// The first line that names an error, or the last that is not empty, once there are no more: what follows an error is advice, or
/// where it happened.
async fn telling_line(stream: impl AsyncRead + Unpin) -> Option<String> {
    let (mut stream, mut error, mut last) = (BufReader::new(stream), None, None);
    loop {
        let mut line = Vec::new();
        match (&mut stream).take(LINE).read_until(b'\n', &mut line).await {
            Ok(read) if read > 0 => {}
            _ => return error.or(last),
        }
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        if error.is_none() && names_error(&line) {
            error = Some(line.clone());
        }
        if !line.is_empty() {
            last = Some(line);
        }
    }
}

/// Whether a line has the word: `error: …`, `TypeError: …`, `npm error code E404`, `ERROR brummer_hub: …`.
fn names_error(line: &str) -> bool {
    let mut words = line.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| word.eq_ignore_ascii_case("error") || word.ends_with("Error"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_an_entry_is_found_in_every_shape() {
        for entry in [
            json!({ "command": "a", "args": ["b"], "env": { "X": "y" } }),
            json!({ "command": ["a", "b"], "environment": { "X": "y" } }),
            json!({ "cmd": "a", "args": ["b"], "envs": { "X": "y" } }),
            json!({ "transport": { "command": "a", "args": ["b"], "env": { "X": "y" } } }),
            json!({ "command": { "path": "a", "args": ["b"], "env": { "X": "y" } } }),
        ] {
            assert_eq!(
                command_line(&entry),
                Some(json!({ "words": ["a", "b"], "env": { "X": "y" } })),
                "{entry}"
            );
        }
        assert_eq!(command_line(&json!({ "url": "http://x" })), None);
    }

    #[tokio::test]
    async fn the_line_that_names_the_error_is_told() {
        for (said, expected) in [
            (
                "error: unexpected argument '--bogus' found\n\nUsage: x\n\nFor more information, try '--help'.\n",
                "error: unexpected argument '--bogus' found",
            ),
            ("starting\nerror: no port\nhint: choose one\n", "error: no port"),
            (
                "at errors.js:1\nTypeError: x is not a function\n    at y\nNode.js v24\n",
                "TypeError: x is not a function",
            ),
            ("npm error code E404\nnpm error 404 Not Found\n", "npm error code E404"),
            ("one\n\ntwo\n \n", "two"),
        ] {
            assert_eq!(telling_line(said.as_bytes()).await.as_deref(), Some(expected));
        }
        assert_eq!(telling_line(&b"\n"[..]).await, None);
    }
}
