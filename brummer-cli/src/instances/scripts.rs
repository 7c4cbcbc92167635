//! `stop` and `restart`: the scripts of `run`, and whole instances.

use std::time::Duration;

use brummer_hub::{instance::InstanceState, process};
use serde_json::json;
use tokio::time::timeout;

use super::{Remote, Setting, logs::of_run};
use crate::{
    clean,
    exit::{ExitStatus, Failure},
    output, servers,
};

/// A process that was told to end has closed its server by then.
const GOODBYE: Duration = Duration::from_secs(10);

/// What is done with the scripts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    Stop,
    Restart,
}

impl Action {
    /// What somebody may mean who has typed this word for an instance.
    fn meant(self, word: &str) -> String {
        let name = match self {
            Self::Stop => "stop",
            Self::Restart => "restart",
        };
        format!("`{name}` takes an INSTANCE, then its scripts: `brummer-hub {name} . {word}`")
    }
}

/// What is stopped or started anew.
#[derive(Clone, Debug)]
pub(crate) struct ScriptsRequest {
    pub(crate) action: Action,
    pub(crate) instance: String,
    /// Ids or names; none means the instance itself, or all scripts that run.
    pub(crate) scripts: Vec<String>,
}

/// Does it, and says what became of each script.
pub(crate) async fn scripts(
    (mut config, mut servers): Setting,
    request: ScriptsRequest,
) -> Result<ExitStatus, Failure> {
    if (request.action, request.scripts.is_empty()) == (Action::Stop, true) {
        // What is to end is not to be started anew by this command.
        servers.clear();
        config.expected.clear();
    }
    let setting = (config, servers);
    Remote::with(setting, &json!({}), |remote, _| async move {
        match (request.action, request.scripts.is_empty()) {
            (Action::Stop, true) => end(&remote, &request.instance).await,
            _ => each(&remote, &request).await,
        }
    })
    .await
}

async fn each(remote: &Remote, request: &ScriptsRequest) -> Result<ExitStatus, Failure> {
    let id = of_run(remote, Some(&request.instance), &request.action.meant(&request.instance)).await?;
    let tool = match request.action {
        Action::Stop => "scripts_stop",
        Action::Restart => "scripts_restart",
    };
    let scripts =
        if request.scripts.is_empty() { running(remote, &id).await? } else { request.scripts.clone() };
    if scripts.is_empty() {
        output::note("no script is running");
    }
    for script in &scripts {
        let done = remote.call(&id, tool, json!({ "processId": script })).await?;
        let message = done["message"].as_str().map_or_else(|| script.clone(), str::to_owned);
        output::data(&format!("{}\n", clean::line(&message)))?;
    }
    Ok(ExitStatus::Success)
}

async fn running(remote: &Remote, id: &str) -> Result<Vec<String>, Failure> {
    let status = remote.call(id, "scripts_status", json!({})).await?;
    let processes = status["processes"].as_array().into_iter().flatten();
    let running =
        processes.filter(|process| process["status"] == "running" || process["status"] == "pending");
    Ok(running.filter_map(|process| process["processId"].as_str()).map(str::to_owned).collect())
}

/// Tells the process of an instance to end, and waits until it is gone.
async fn end(remote: &Remote, wanted: &str) -> Result<ExitStatus, Failure> {
    let id = remote.find_or(wanted, &Action::Stop.meant(wanted)).await?;
    let snapshot = remote.settled().await;
    let instance = snapshot.instances.iter().find(|instance| instance.id().as_str() == id);
    let Some(instance) = instance else { return Err(Failure::new(format!("{wanted} has ended"))) };
    let doorbell = &instance.found.doorbell;
    let (data, announced) = (remote.hub().config().directories.data.clone(), doorbell.clone());
    let looked = tokio::task::spawn_blocking(move || servers::is_supervisor(&data, &announced));
    // It fails only when the runtime shuts down. What is dead was found to be no process, or another one.
    let is_ours = instance.state != InstanceState::Dead && looked.await.unwrap_or(false);
    // Only while it answers is it sure that the process is the one that was announced. A supervisor is known by other things:
    // it answers only as its server does.
    if instance.state != InstanceState::Active && !is_ours {
        return Err(Failure::new(format!("{} does not answer", clean::line(&instance.alias)))
            .hint(format!("end its process {} yourself, if it is the right one", doorbell.pid)));
    }
    tell_to_end(doorbell.pid)?;
    let mut snapshots = remote.hub().instances();
    let gone =
        snapshots.wait_for(|snapshot| snapshot.instances.iter().all(|instance| instance.id().as_str() != id));
    let gone = async {
        // It fails when the hub has ended, and with it all that is known.
        let _ = gone.await;
        if is_ours {
            // Its server ends after it has taken back its doorbell, and before itself.
            process::wait_for_exit(doorbell.pid).await;
        }
    };
    match timeout(GOODBYE, gone).await {
        Ok(()) => {
            output::data(&format!("{} has ended\n", clean::line(&instance.alias)))?;
            Ok(ExitStatus::Success)
        }
        Err(_) => Err(Failure::new(format!("{} is still there", clean::line(&instance.alias)))
            .hint(format!("its process is {}", doorbell.pid))
            .with_status(ExitStatus::TimedOut)),
    }
}

#[cfg(unix)]
fn tell_to_end(pid: u32) -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, kill_process};

    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| Failure::new(format!("{pid} is not a process")))?;
    kill_process(process, Signal::TERM)
        .map_err(|error| Failure::new(format!("process {pid} cannot be told to end: {error}")))
}

#[cfg(not(unix))]
fn tell_to_end(pid: u32) -> Result<(), Failure> {
    Err(Failure::new("Windows has no way to ask another program to end")
        .hint(format!("name its scripts to stop those, or end process {pid} yourself")))
}
