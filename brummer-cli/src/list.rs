//! `list`: starts a hub, waits until it has tried every instance, and shows what it found.

pub(crate) mod table;

use std::io;

use brummer_hub::{Hub, HubConfig, session::InstanceEntry, sources::DevServer, terminal};
use jiff::Timestamp;
use serde_json::json;

pub(crate) use self::table::{Row, Style};
use crate::{
    colour,
    exit::{ExitStatus, Failure},
    output,
    signals::Signals,
};

/// What to do where nothing runs.
pub(crate) const HOW_TO_ANNOUNCE: &str = "`brummer-hub run SCRIPT` runs a script of a project, and `brummer-hub register --port PORT` announces an MCP server; `brummer-hub doctor` says why one is missing";

/// What stands in a URL for a secret.
const MASKED: &str = "***";

/// How a URL is had that can be opened.
const MASK_MEANS: &str = "`***` in a URL stands for a secret; the terminal of `brummer-hub run` shows the URL whole, as the script has printed it";

/// Shows the instances, as a table or as JSON.
pub(crate) async fn list(config: HubConfig, json: bool) -> Result<ExitStatus, Failure> {
    let mut signals = Signals::listen()?;
    let hub = Hub::start(config);
    let snapshot = tokio::select! {
        biased;
        signal = signals.next() => {
            hub.shutdown().await;
            return Ok(ExitStatus::Signalled(signal));
        }
        snapshot = hub.settled() => snapshot,
    };
    let entries: Vec<InstanceEntry> =
        snapshot.instances.iter().map(|instance| InstanceEntry::of(instance, false)).collect();
    print(&entries, &snapshot.dev_server_entries(), json)?;
    hub.shutdown().await;
    Ok(ExitStatus::Success)
}

fn print(entries: &[InstanceEntry], servers: &[DevServer], json: bool) -> Result<(), Failure> {
    if json {
        let mut all = json!({ "instances": entries });
        if !servers.is_empty() {
            all["dev_servers"] = json!(servers);
        }
        output::data(&terminal::clean_json(&format!("{all:#}\n")))?;
        return Ok(());
    }
    if entries.is_empty() {
        output::note(format_args!("no instance is running\nhint: {HOW_TO_ANNOUNCE}"));
    } else {
        let now = Timestamp::now();
        let home = std::env::home_dir();
        let rows: Vec<Row> = entries.iter().map(|entry| row(entry, now, home.as_deref())).collect();
        let style = if colour::is_wanted(&io::stdout()) { Style::Colour } else { Style::Plain };
        output::data(&table::render(&rows, style))?;
    }
    if !servers.is_empty() {
        let now = Timestamp::now();
        let home = std::env::home_dir();
        let gap = if entries.is_empty() { "" } else { "\n" };
        let lines: Vec<_> = servers.iter().map(|server| server_line(server, now, home.as_deref())).collect();
        output::data(&format!("{gap}Dev servers:\n{}", table::servers(&lines)))?;
        if servers.iter().any(|server| server.url.contains(MASKED)) {
            output::note(MASK_MEANS);
        }
    }
    Ok(())
}

/// A dev server as it is shown to people.
fn server_line(server: &DevServer, now: Timestamp, home: Option<&std::path::Path>) -> [String; 6] {
    let clean = |text: &str| terminal::clean_line(text).into_owned();
    let by = server.started_by.as_deref().unwrap_or("-");
    [
        clean(&server.url),
        clean(&server.framework),
        server.pid.to_string(),
        table::uptime(server.started.as_deref().unwrap_or_default(), now),
        clean(&table::shortened(&server.path, home)),
        clean(by),
    ]
}

/// An instance as it is shown to people.
pub(crate) fn row(entry: &InstanceEntry, now: Timestamp, home: Option<&std::path::Path>) -> Row {
    Row {
        alias: entry.alias.clone(),
        name: terminal::clean_line(&entry.name).into_owned(),
        state: entry.state,
        port: entry.port,
        pid: entry.pid,
        uptime: table::uptime(&entry.started, now),
        path: match entry.source {
            Some(source) => {
                let path = table::shortened(&entry.path, home);
                terminal::clean_line(&format!("{path} (by {source})")).into_owned()
            }
            None => terminal::clean_line(&table::shortened(&entry.path, home)).into_owned(),
        },
    }
}
