//! Tells hubs what the scripts serve: each URL of this machine that a script prints while it runs. Hubs ask the system
//! whether the script listens there.

use std::{collections::HashSet, path::PathBuf};

use brummer_hub::{
    doorbell::InstanceId,
    sources::{ScriptServer, ScriptServers},
};
use tokio_util::sync::CancellationToken;

use crate::{detect::urls, tools::App};

/// Keeps the file up to date until it is told to stop.
pub(crate) async fn watch(app: App, id: InstanceId, stop: CancellationToken) {
    let (mut urls, mut processes) = (app.logs.url_count(), app.scripts.changes());
    let directories = app.directories.clone();
    // Files are not touched on a thread of the runtime.
    let Ok(mut file) = tokio::task::spawn_blocking(move || ScriptServers::new(directories, &id)).await else {
        return;
    };
    loop {
        // What is new from here on is looked at in the next turn.
        urls.borrow_and_update();
        processes.borrow_and_update();
        let now = servers(&app).await;
        let written = tokio::task::spawn_blocking(move || {
            if let Err(error) = file.set(now) {
                tracing::debug!(%error, "hubs cannot be told what scripts serve");
            }
            file
        });
        let Ok(back) = written.await else { return };
        file = back;
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Ok(()) = urls.changed() => {}
            Ok(()) = processes.changed() => {}
            else => break,
        }
    }
    // It fails only when the runtime shuts down, which drops it as well.
    let _ = tokio::task::spawn_blocking(move || drop(file)).await;
}

/// What is served now: one URL for each port of a script, the first that it has printed.
async fn servers(app: &App) -> Vec<ScriptServer> {
    let found = app.logs.urls().await;
    let processes = app.scripts.list();
    let project = app.project().await;
    let (mut listed, mut servers) = (HashSet::new(), Vec::new());
    for url in found.into_iter().filter(|url| url.is_local) {
        let Some(process) = processes.iter().find(|it| it.number == url.process && it.state.is_alive())
        else {
            continue;
        };
        let (Some(pid), Some(port)) = (process.state.pid(), urls::port(&url.url)) else { continue };
        if !listed.insert((pid, port)) {
            continue;
        }
        let chosen = project.as_ref().ok().and_then(|project| project.script(&process.name).ok());
        let path: PathBuf = chosen.map_or_else(|| app.directory.to_path_buf(), |chosen| chosen.directory);
        servers.push(ScriptServer::new(
            url.url,
            pid,
            process.name.as_ref(),
            path,
            process.started.to_string(),
        ));
    }
    servers
}
