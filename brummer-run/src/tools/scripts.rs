//! `scripts_list`, `scripts_run`, `scripts_stop`, `scripts_restart` and `scripts_status`.

use std::time::Duration;

use brummer_hub::serve::{CallError, Offer};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{
    Answer, App, Effect,
    arguments::{self, Nothing, Run, Status, Stop},
    results::{ProcessInfo, Processes, Ran, ScriptList, Stopped, WorkspaceScripts},
    tool,
};
use crate::{
    project::{self, Project, Script},
    script::{self, Command, DEFAULT_GRACE, Ending, Process, Started, State, Why},
};

/// How long a start waits for word that the script runs, or could not be started.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// How much longer than its grace a stop is waited for. Killing takes no time but on a machine that has none.
const STOP_MARGIN: Duration = Duration::from_secs(10);

/// The longest grace that can be asked for.
const MAX_GRACE_SECONDS: f64 = 60.0;

pub(super) fn add(offer: &mut Offer, app: &App) {
    tool(
        offer,
        app,
        "scripts_list",
        Effect::Reads,
        "The scripts of the project's package.json, its package manager and its workspaces.",
        |app, Nothing {}, _| async move {
            let project = project::read_aside(&app.directory).await?;
            Ok(listed(&project))
        },
    );
    tool(
        offer,
        app,
        "scripts_run",
        Effect::Starts,
        "Starts a script of package.json. If it runs already, it says so and starts nothing. It does not wait for the script \
         to be ready: wait_until does.",
        |app, run: Run, _| async move { start(&app, &run.name, &run.args).await },
    );
    tool(
        offer,
        app,
        "scripts_stop",
        Effect::Stops,
        "Stops a script with all processes it has started: asks them to end, and kills what is left after a while.",
        |app, wanted: Stop, _| async move { stop(&app, &wanted).await },
    );
    tool(
        offer,
        app,
        "scripts_restart",
        Effect::Stops,
        "Stops a script if it runs, and starts it again as package.json says now.",
        |app, wanted: Stop, _| async move {
            let processes = app.scripts.list();
            let known = script::named(&processes, &wanted.process_id).first().copied();
            let known = processes.iter().find(|process| Some(process.number) == known);
            // One that never ran is started all the same, if there is such a script.
            let name = known.map_or(wanted.process_id.clone(), |process| process.name.as_ref().to_owned());
            if known.is_some_and(|process| process.state.is_alive()) {
                let stopped = stop(&app, &wanted).await?;
                if !stopped.structured.success {
                    return Err(CallError::new(stopped.text));
                }
            }
            start(&app, &name, &[]).await
        },
    );
    tool(
        offer,
        app,
        "scripts_status",
        Effect::Reads,
        "What runs and what has run: state, process, uptime, how it ended, URLs.",
        |app, Status { name }: Status, _| async move {
            let structured = processes(&app, name.as_deref()).await?;
            let lines: Vec<String> = structured.processes.iter().map(ProcessInfo::line).collect();
            let text =
                if lines.is_empty() { "no script was started yet".to_owned() } else { lines.join("\n") };
            Ok(Answer { structured, text })
        },
    );
}

fn listed(project: &Project) -> Answer<ScriptList> {
    let structured = list(project);
    let mut text = String::new();
    let mut lines = |prefix: &str, scripts: &[Script]| {
        for script in scripts {
            text.push_str(&format!("{prefix}{}: {}\n", script.name, script.command));
        }
    };
    lines("", &project.scripts);
    for workspace in &project.workspaces {
        lines(&format!("{}#", workspace.name), &workspace.scripts);
    }
    if let Some(note) = &structured.note {
        text.push_str(&format!("({note})\n"));
    }
    text.push_str(&format!("(run by {}: {})", project.manager, project.manager_reason));
    Answer { structured, text }
}

/// The scripts of a project, as they are answered.
pub(crate) fn list(project: &Project) -> ScriptList {
    let map = |scripts: &[Script]| -> Map<String, Value> {
        scripts.iter().map(|script| (script.name.clone(), script.command.as_str().into())).collect()
    };
    let workspaces = project.workspaces.iter().map(|workspace| WorkspaceScripts {
        name: workspace.name.clone(),
        path: workspace.path.clone(),
        scripts: map(&workspace.scripts),
    });
    let note = match (project.script_names().is_empty(), project.more_workspaces) {
        (true, _) => Some("package.json has no scripts".to_owned()),
        (false, true) => Some("there are more workspaces than are listed".to_owned()),
        (false, false) => None,
    };
    ScriptList {
        scripts: map(&project.scripts),
        directory: project.directory.display().to_string(),
        package_manager: project.manager.name().to_owned(),
        package_manager_reason: project.manager_reason.clone(),
        workspaces: workspaces.collect(),
        note,
    }
}

/// What is to be started for a script of the project.
pub(crate) fn command(
    project: &Project,
    name: &str,
    arguments: &[String],
) -> Result<Command, project::ProjectError> {
    let chosen = project.script(name)?;
    Ok(Command {
        name: chosen.name,
        script: chosen.command,
        program: project.manager.name().into(),
        arguments: project.manager.arguments(&chosen.script, arguments),
        directory: chosen.directory,
    })
}

async fn start(app: &App, name: &str, arguments: &[String]) -> Result<Answer<Ran>, CallError> {
    let project = project::read_aside(&app.directory).await?;
    let command = command(&project, name, arguments)?;
    let manager = project.manager;
    match app.scripts.start(command).await? {
        Started::Duplicate(process) => {
            let info = info(app, &process).await;
            let message = format!(
                "`{name}` runs already as {}; nothing was started. scripts_restart starts it anew, scripts_stop ends it",
                process.id
            );
            Ok(ran(info, true, message))
        }
        Started::New(process) => {
            let known = app.scripts.until(process.number, |it| !matches!(it.state, State::Pending));
            let process = timeout(FIRST_WORD, known).await.ok().flatten().unwrap_or(process);
            if let State::Ended { how: Ending::Failed(Why::NotStarted(why)), .. } = &process.state {
                return Err(CallError::new(format!(
                    "`{name}` could not be started: {why} (it is run by {manager}: {})",
                    project.manager_reason
                )));
            }
            let message = format!("started `{name}` as {}", process.id);
            Ok(ran(info(app, &process).await, false, message))
        }
    }
}

fn ran(process: ProcessInfo, duplicate: bool, message: String) -> Answer<Ran> {
    let text = format!("{message}\n{}", process.line());
    Answer { structured: Ran { process, duplicate, message }, text }
}

async fn stop(app: &App, wanted: &Stop) -> Result<Answer<Stopped>, CallError> {
    let grace =
        arguments::seconds("graceSeconds", wanted.grace_seconds, DEFAULT_GRACE, 0.0..=MAX_GRACE_SECONDS)?;
    let processes = app.scripts.list();
    let named = script::named(&processes, &wanted.process_id);
    let alive = |number: &&u32| processes.iter().any(|it| it.number == **number && it.state.is_alive());
    // A name means the one that runs.
    let Some(number) = named.iter().find(alive).or(named.first()).copied() else {
        return Err(unknown(&processes, &wanted.process_id));
    };
    app.scripts.stop(number, grace).await;
    let ended = timeout(grace + STOP_MARGIN, app.scripts.ended(number)).await;
    let process = match ended {
        Ok(process) => process,
        Err(_) => app.scripts.list().iter().find(|process| process.number == number).cloned(),
    };
    let Some(process) = process else { return Err(unknown(&processes, &wanted.process_id)) };
    let success = !process.state.is_alive();
    let message = match process.ending() {
        Some(how) => format!("{}: {how}", process.id),
        None => format!("{} could not be ended in time; it may hang in the system", process.id),
    };
    let stopped = Stopped {
        success,
        process_id: process.id.as_ref().to_owned(),
        status: process.state.name().to_owned(),
        message: message.clone(),
    };
    Ok(Answer { structured: stopped, text: message })
}

/// What runs.
pub(crate) async fn active(app: &App) -> Processes {
    let processes = app.scripts.list();
    let urls = app.logs.urls().await;
    let alive = processes.iter().filter(|process| process.state.is_alive());
    Processes { processes: alive.map(|process| ProcessInfo::new(process, &urls, script::now())).collect() }
}

/// What runs and what has run; with a name, only that.
async fn processes(app: &App, name: Option<&str>) -> Result<Processes, CallError> {
    let processes = app.scripts.list();
    let urls = app.logs.urls().await;
    let info = |process: &Process| ProcessInfo::new(process, &urls, script::now());
    let Some(name) = name else {
        return Ok(Processes { processes: processes.iter().map(info).collect() });
    };
    let named = script::named(&processes, name);
    let found = named.iter().filter_map(|number| processes.iter().find(|process| process.number == *number));
    let found: Vec<ProcessInfo> = found.map(info).collect();
    if !found.is_empty() {
        return Ok(Processes { processes: found });
    }
    // It is no mistake to ask for a script that never ran, but one to ask for a script that does not exist.
    project::read_aside(&app.directory).await?.script(name)?;
    Ok(Processes { processes: vec![ProcessInfo::not_running(name)] })
}

/// One process, as it is answered.
pub(super) async fn info(app: &App, process: &Process) -> ProcessInfo {
    ProcessInfo::new(process, &app.logs.urls().await, script::now())
}

/// A name that means no process.
pub(super) fn unknown(processes: &[Process], name: &str) -> CallError {
    let mut known: Vec<String> = processes.iter().rev().map(|process| format!("`{}`", process.id)).collect();
    known.truncate(20);
    let known = if known.is_empty() {
        "no script was started yet".to_owned()
    } else {
        format!("there are {}", known.join(", "))
    };
    CallError::new(format!("there is no process `{name}`; {known}"))
}
