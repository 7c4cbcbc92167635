//! Whose a port is, in words.

use std::time::Duration;

use brummer_hub::{
    Hub, HubConfig,
    client::{ClientConfig, Request},
    hub::Snapshot,
    instance::Instance,
    process::Listener,
    sources::SourceChoice,
};
use serde_json::Value;
use tokio::time::timeout;

use super::App;
use crate::ports::Ports;

/// How long other instances are asked. Those that live answer in some milliseconds.
const ASK: Duration = Duration::from_secs(2);

/// Who listens there: a script of this run or of another instance, or a process.
pub(super) async fn describe(app: &App, ports: &Ports, listener: &Listener) -> String {
    let process = format!("`{}` (process {})", listener.name, listener.pid);
    let processes = app.scripts.list();
    if let Some(own) = processes.iter().find(|own| ports.belongs(listener.pid, own)) {
        return format!("{process}, of the script {} of this run", own.id);
    }
    let line = ports.line(listener.pid);
    let mut config = HubConfig::default();
    config.directories = app.directories.clone();
    // What other tools record of their servers are no runs.
    config.sources.choice = SourceChoice::Only(Vec::new());
    let hub = Hub::start(config);
    let described = timeout(ASK, async {
        let settled = hub.settled().await;
        let instance = nearest(&settled, &line)?;
        let of = format!("the instance `{}` in {}", instance.alias, instance.found.doorbell.path.display());
        Some(match script(&hub, instance, listener.port).await {
            Some(script) => format!("{process}, of the script {script} of {of}"),
            None => format!("{process}, of {of}"),
        })
    });
    let described = described.await.ok().flatten();
    hub.shutdown().await;
    described.unwrap_or(process)
}

/// The instance whose process is the nearest one above a process.
fn nearest<'a>(snapshot: &'a Snapshot, line: &[u32]) -> Option<&'a Instance> {
    let own = std::process::id();
    let place = |it: &&Instance| line.iter().position(|pid| *pid == it.found.doorbell.pid && *pid != own);
    snapshot.instances.iter().filter(|it| place(it).is_some()).min_by_key(place)
}

/// The script of another run that has this port.
async fn script(hub: &Hub, instance: &Instance, port: u16) -> Option<String> {
    let mut config = ClientConfig::default();
    config.session.auto_connect = false;
    let (client, _incoming) = hub.client(config).ok()?;
    let request = Request::tool(Some(instance.id().as_str()), "scripts_status", None).ok()?;
    let answer = client.request(request.timeout(ASK)).await.ok()?;
    let answer: Value = answer.read().ok()?;
    client.close().await;
    let processes = answer.pointer("/structuredContent/processes")?.as_array()?;
    let has =
        |process: &&Value| process["ports"].as_array().is_some_and(|ports| ports.contains(&port.into()));
    Some(processes.iter().find(has)?["processId"].as_str()?.to_owned())
}
