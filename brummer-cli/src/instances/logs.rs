//! `logs`: what the scripts of `run` have printed.

use serde_json::{Value, json};

use super::{HERE, Remote, Setting, nearest};
use crate::{
    clean,
    exit::{ExitStatus, Failure},
    output,
};

/// The longest that one request follows the log: as long as the instance allows.
const FOLLOW_SECONDS: u32 = 600;

/// Entries of one request that catches up.
const CATCH_UP: u32 = 1000;

/// Whose log, and how much of it.
#[derive(Clone, Debug)]
pub(crate) struct LogsRequest {
    pub(crate) instance: Option<String>,
    pub(crate) follow: bool,
    pub(crate) lines: u32,
    /// Id or name of a script.
    pub(crate) script: Option<String>,
    pub(crate) level: Option<String>,
    pub(crate) json: bool,
}

/// Prints the last entries, and with `follow` those that come.
pub(crate) async fn logs(setting: Setting, request: LogsRequest) -> Result<ExitStatus, Failure> {
    Remote::with(setting, &json!({}), |remote, _| async move { show(&remote, &request).await }).await
}

async fn show(remote: &Remote, request: &LogsRequest) -> Result<ExitStatus, Failure> {
    let wanted = request.instance.as_deref();
    let script = wanted.unwrap_or_default();
    let meant = format!("`logs` takes an INSTANCE; one script's log is `brummer-hub logs --script {script}`");
    let id = of_run(remote, wanted, &meant).await?;
    let arguments = |more: Value| {
        let mut arguments = more;
        if let Some(script) = &request.script {
            arguments["processId"] = script.as_str().into();
        }
        if let Some(level) = &request.level {
            arguments["level"] = level.as_str().into();
        }
        arguments
    };
    let page = remote.call(&id, "logs_tail", arguments(json!({ "limit": request.lines.max(1) }))).await?;
    if request.lines > 0 && !print(&page, request.json)? {
        return Ok(ExitStatus::Success);
    }
    let mut cursor = page["cursor"].clone();
    if !request.follow {
        return Ok(ExitStatus::Success);
    }
    loop {
        // The first waits for one entry, the second takes all that came with it.
        for (limit, follow) in [(1, true), (CATCH_UP, false)] {
            let wanted =
                json!({ "cursor": cursor, "follow": follow, "limit": limit, "seconds": FOLLOW_SECONDS });
            let page = remote.call(&id, "logs_stream", arguments(wanted)).await?;
            let read = print(&page, request.json)?;
            cursor = page["cursor"].clone();
            if !read || page["ended"] == "process" {
                return Ok(ExitStatus::Success);
            }
        }
    }
}

/// The instance of `run` that is meant: named, or the only one around the working directory, or the only one.
/// If there is none of this name, `meant` says what may be meant.
pub(super) async fn of_run(remote: &Remote, wanted: Option<&str>, meant: &str) -> Result<String, Failure> {
    if let Some(wanted) = wanted.filter(|wanted| *wanted != HERE) {
        let id = remote.find_or(wanted, meant).await?;
        return if has_log(remote, &id).await {
            Ok(id)
        } else {
            Err(Failure::new(format!("{wanted} is not an instance of `brummer-hub run`"))
                .hint("only those have scripts and logs; start yours with `brummer-hub run SCRIPT`"))
        };
    }
    let snapshot = remote.settled().await;
    let here = std::env::current_dir()?;
    let close = nearest(&snapshot, &here);
    let all = if close.is_empty() && wanted.is_none() { snapshot.instances.iter().collect() } else { close };
    let mut found = Vec::new();
    for instance in all {
        if has_log(remote, instance.id().as_str()).await {
            found.push(instance);
        }
    }
    match &found[..] {
        [only] => Ok(only.id().to_string()),
        [] => Err(Failure::new("`brummer-hub run` is not running here")
            .hint("start it with `brummer-hub run SCRIPT`, or name an instance")),
        several => {
            let names: Vec<&str> = several.iter().map(|instance| &*instance.alias).collect();
            Err(Failure::new(format!("several could be meant: {}", names.join(", ")))
                .hint("name one of them"))
        }
    }
}

async fn has_log(remote: &Remote, id: &str) -> bool {
    let tools = remote.tools(id).await.unwrap_or_default();
    tools.iter().any(|tool| tool.read.get("name").is_some_and(|name| name == "logs_tail"))
}

/// Prints the entries of a page. Whether somebody still reads.
fn print(page: &Value, json: bool) -> Result<bool, Failure> {
    let mut text = String::new();
    for entry in page["entries"].as_array().into_iter().flatten() {
        if json {
            text += &clean::json(&entry.to_string());
            text.push('\n');
            continue;
        }
        let name = clean::line(entry["processName"].as_str().unwrap_or_default());
        let mark = if entry["isError"] == true { '!' } else { '|' };
        for line in clean::block(entry["content"].as_str().unwrap_or_default()).lines() {
            text += &format!("{name} {mark} {line}\n");
        }
        if let Some(more) = entry["repeats"].as_u64().filter(|more| *more > 1) {
            text += &format!("{name} {mark} (printed {more} times)\n");
        }
    }
    Ok(output::stream(&text)?)
}
