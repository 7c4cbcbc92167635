//! `wait`: until an instance is there, is ready, or is gone.

use std::time::Duration;

use brummer_hub::{
    hub::Snapshot,
    instance::{Instance, InstanceState},
};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{HERE, Remote, Setting, nearest};
use crate::{
    clean,
    exit::{ExitStatus, Failure},
    output,
};

/// What is waited for.
#[derive(Clone, Debug)]
pub(crate) struct WaitRequest {
    pub(crate) instance: String,
    pub(crate) until: Until,
    pub(crate) limit: Duration,
}

/// When it is enough.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Until {
    /// It answers.
    Active,
    /// It is not listed any more.
    Gone,
    /// A condition of the tool `wait_until`: its key and value.
    Condition(&'static str, Value),
}

/// Waits for it. The exit code says whether it came.
pub(crate) async fn wait(setting: Setting, request: WaitRequest) -> Result<ExitStatus, Failure> {
    Remote::with(setting, &json!({}), |remote, _| async move { run(&remote, &request).await }).await
}

async fn run(remote: &Remote, request: &WaitRequest) -> Result<ExitStatus, Failure> {
    let deadline = Instant::now() + request.limit;
    let late = |what: &str| {
        Failure::new(format!("{} {what} after {:?}", request.instance, request.limit))
            .with_status(ExitStatus::TimedOut)
    };
    let mut snapshots = remote.hub().instances();
    if request.until == Until::Gone {
        let gone =
            snapshots.wait_for(|snapshot| snapshot.settled && find(snapshot, &request.instance).is_none());
        return match timeout_at(deadline, gone).await {
            Ok(_) => Ok(ExitStatus::Success),
            Err(_) => Err(late("is still there")),
        };
    }
    let is_active = |instance: &Instance| instance.state == InstanceState::Active;
    let active = snapshots.wait_for(|snapshot| find(snapshot, &request.instance).is_some_and(is_active));
    let id = match timeout_at(deadline, active).await {
        Ok(Ok(snapshot)) => find(&snapshot, &request.instance).map(|instance| instance.id().to_string()),
        Ok(Err(_)) => None,
        Err(_) => return Err(late("is not ready")),
    };
    let (Until::Condition(key, value), Some(id)) = (&request.until, id) else {
        return Ok(ExitStatus::Success);
    };
    let left = deadline.saturating_duration_since(Instant::now());
    let arguments = json!({ (*key): value, "timeoutSeconds": left.as_secs().clamp(1, 600) });
    let met = remote.call(&id, "wait_until", arguments).await?;
    let Some(is_met) = met["met"].as_bool() else {
        return Err(Failure::new(format!(
            "`wait_until` of {} does not say whether it is met: it is not the tool of `brummer-hub run`",
            request.instance
        )));
    };
    let message = clean::line(met["message"].as_str().unwrap_or_default());
    if is_met {
        output::note(message);
        Ok(ExitStatus::Success)
    } else {
        Err(Failure::new(message).with_status(ExitStatus::TimedOut))
    }
}

/// The instance of this id, alias or name, or that of the working directory.
fn find<'a>(snapshot: &'a Snapshot, wanted: &str) -> Option<&'a Instance> {
    if wanted == HERE {
        let here = std::env::current_dir().ok()?;
        return nearest(snapshot, &here)
            .into_iter()
            .max_by_key(|instance| instance.state == InstanceState::Active);
    }
    let by =
        |matches: &dyn Fn(&Instance) -> bool| snapshot.instances.iter().find(|instance| matches(instance));
    by(&|instance| instance.id().as_str() == wanted)
        .or_else(|| by(&|instance| *instance.alias == *wanted))
        .or_else(|| by(&|instance| instance.found.doorbell.name == wanted))
}
