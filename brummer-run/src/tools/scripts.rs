//! `scripts_list`, `scripts_run`, `scripts_stop`, `scripts_restart` and `scripts_status`.

use std::{ffi::OsString, sync::Arc, time::Duration};

use brummer_hub::serve::{CallError, Offer};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{
    Answer, App, Effect,
    arguments::{self, List, Run, Status, Stop},
    fit, neighbours, probe,
    results::{DeclaredCommand, Known, ProcessInfo, Processes, Ran, ScriptList, Stopped, WorkspaceScripts},
    tool,
};
use crate::{
    log::mask::mask_setting,
    ports::{Ports, expected},
    project::{self, Declared, Project, Script, Workspace},
    script::{self, Command, DEFAULT_GRACE, Ending, Launch, Process, ProcessState, Started, Why},
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
        "Lists scripts of package.json and its workspaces, and what other files declare (Procfile, Makefile).",
        |app, List { cursor }: List, _| async move {
            let from = fit::PagedList::Scripts.place(cursor.as_deref())?;
            let project = app.project().await?;
            Ok(listed(&project, from))
        },
    );
    tool(
        offer,
        app,
        "scripts_run",
        Effect::Starts,
        "Starts a script; nothing if it runs already. Warns of a taken port and says who holds it. Does not wait until the \
         script is ready: wait_until does.",
        |app, run: Run, _| async move {
            let launch = Launch { args: run.args, env: run.env, port: run.port.map(Into::into) };
            app.permits.check(&launch.env).map_err(CallError::new)?;
            start(&app, &run.name, launch).await
        },
    );
    tool(
        offer,
        app,
        "scripts_stop",
        Effect::Stops,
        "Stops a script with all its processes.",
        |app, wanted: Stop, _| async move { stop(&app, &wanted).await },
    );
    tool(
        offer,
        app,
        "scripts_restart",
        Effect::Stops,
        "Stops a script if it runs, and starts it as its file says now, with the args, env and port that it had.",
        |app, wanted: Stop, _| async move {
            let processes = app.scripts.list();
            let known = script::named(&processes, &wanted.process_id).first().copied();
            let known = processes.iter().find(|process| Some(process.number) == known);
            // One that never ran is started all the same, if there is such a script.
            let name = known.map_or(wanted.process_id.clone(), |process| process.name.as_ref().to_owned());
            let launch = known.map(|process| Launch::clone(&process.launch)).unwrap_or_default();
            if known.is_some_and(|process| process.state.is_alive()) {
                let stopped = stop(&app, &wanted).await?;
                if !stopped.structured.success {
                    return Err(CallError::new(stopped.text));
                }
            }
            start(&app, &name, launch).await
        },
    );
    tool(
        offer,
        app,
        "scripts_status",
        Effect::Reads,
        "What runs and has run: state, how it ended, URLs, ports, questions that wait for an answer.",
        |app, Status { name, cursor }: Status, _| async move {
            let from = fit::PagedList::Processes.place(cursor.as_deref())?;
            let structured = processes(&app, name.as_deref(), from).await?;
            let lines: Vec<String> = structured.processes.iter().map(ProcessInfo::line).collect();
            let note = structured.note.iter().map(|note| format!("({note})"));
            let text = lines.into_iter().chain(note).collect::<Vec<_>>().join("\n");
            Ok(Answer { structured, text })
        },
    );
}

/// Something that is listed: what cannot be cut in two.
enum Item<'a> {
    Script(&'a Script),
    Declared(&'a Declared),
    Workspace(&'a Workspace),
}

impl Item<'_> {
    /// How long it is as JSON.
    fn size(&self) -> usize {
        let script =
            |script: &Script| fit::json(&script.name) + fit::json(&mask_setting(&script.command)) + 10;
        match self {
            Self::Script(it) => script(it),
            Self::Declared(it) => {
                fit::json(&it.name) + fit::json(&it.file) + fit::json(&mask_setting(&it.command)) + 40
            }
            Self::Workspace(it) => {
                it.name.len() + it.path.len() + 50 + it.scripts.iter().map(script).sum::<usize>()
            }
        }
    }
}

/// What a project has, from a place in it on, as far as it fits into an answer.
fn items(project: &Project, from: usize) -> (Vec<Item<'_>>, Option<usize>) {
    let scripts = project.scripts.iter().map(Item::Script);
    let declared = project.declared.iter().map(Item::Declared);
    let workspaces = project.workspaces.iter().map(Item::Workspace);
    let mut items: Vec<Item<'_>> = scripts.chain(declared).chain(workspaces).skip(from).collect();
    let count = fit::count(items.iter().map(Item::size));
    let next = (count < items.len()).then_some(from + count);
    items.truncate(count);
    (items, next)
}

fn listed(project: &Project, from: usize) -> Answer<ScriptList> {
    let structured = list(project, from);
    let mut text = format!("{}\n", structured.directory);
    for item in items(project, from).0 {
        match item {
            Item::Script(script) => {
                text.push_str(&format!("{}: {}\n", script.name, mask_setting(&script.command)));
            }
            Item::Declared(it) => {
                text.push_str(&format!("{}: {} ({})\n", it.name, mask_setting(&it.command), it.file));
            }
            Item::Workspace(workspace) => {
                text.push_str(&format!("({} is in {})\n", workspace.name, workspace.path));
                for script in &workspace.scripts {
                    text.push_str(&format!(
                        "{}#{}: {}\n",
                        workspace.name,
                        script.name,
                        mask_setting(&script.command)
                    ));
                }
            }
        }
    }
    if let Some(note) = &structured.note {
        text.push_str(&format!("({note})\n"));
    }
    if project.is_package {
        text.push_str(&format!("(packageManager {}: {})", project.manager, project.manager_reason));
    }
    Answer { structured, text }
}

/// The scripts of a project, as they are answered, from a place on. Secrets in their commands are for those who run them.
pub(crate) fn list(project: &Project, from: usize) -> ScriptList {
    let map = |scripts: &[Script]| -> Map<String, Value> {
        scripts.iter().map(|script| (script.name.clone(), mask_setting(&script.command).into())).collect()
    };
    let (items, next) = items(project, from);
    let mut list = ScriptList {
        directory: project.directory.display().to_string(),
        package_manager: project.is_package.then(|| project.manager.name().to_owned()),
        package_manager_reason: project.is_package.then(|| project.manager_reason.clone()),
        cursor: next.map(|next| fit::PagedList::Scripts.cursor(next)),
        ..ScriptList::default()
    };
    for item in items {
        match item {
            Item::Script(script) => list.scripts.extend(map(std::slice::from_ref(script))),
            Item::Declared(declared) => list.declared.push(DeclaredCommand {
                name: declared.name.clone(),
                file: declared.file.clone(),
                command: mask_setting(&declared.command),
            }),
            Item::Workspace(workspace) => list.workspaces.push(WorkspaceScripts {
                name: workspace.name.clone(),
                path: workspace.path.clone(),
                scripts: map(&workspace.scripts),
            }),
        }
    }
    let mut notes = project.faults.clone();
    if project.script_names().is_empty() {
        notes.push("package.json has no scripts".to_owned());
    }
    if project.more_workspaces {
        notes.push("there are more workspaces than are listed".to_owned());
    }
    if let Some(cursor) = &list.cursor {
        notes.push(format!("there are more: pass `cursor` {cursor}"));
    }
    list.note = (!notes.is_empty()).then(|| notes.join("; "));
    list
}

/// What is to be started for a script of the project.
pub(crate) fn command(
    project: &Project,
    name: &str,
    launch: Launch,
) -> Result<Command, project::ProjectError> {
    let chosen = project.script(name)?;
    let mut environment: Vec<(String, String)> = launch.env.clone().into_iter().collect();
    let declared = chosen.declared.as_ref().and_then(|declared| declared.port);
    let port = launch.port.or(declared).or_else(|| project.own_port(&chosen));
    environment.extend(port.map(|port| ("PORT".to_owned(), port.to_string())));
    let grace = chosen.declared.as_ref().and_then(|declared| declared.grace);
    let (program, arguments) = match chosen.declared {
        None => (project.manager.name().into(), project.manager.arguments(&chosen.script, &launch.args)),
        Some(declared) => {
            // What the file says goes before what a client says.
            environment.splice(0..0, declared.environment);
            let more = launch.args.iter().map(OsString::from);
            (declared.program, declared.arguments.into_iter().chain(more).collect())
        }
    };
    Ok(Command {
        name: chosen.name,
        also: chosen.also,
        script: chosen.command,
        program,
        arguments,
        directory: chosen.directory,
        environment,
        grace: grace.unwrap_or(DEFAULT_GRACE),
        launch: Arc::new(Launch { port, ..launch }),
    })
}

/// The ports that a script is likely to want and that somebody has, in words.
async fn taken_ports(app: &App, command: &Command) -> Vec<String> {
    let expected = match command.launch.port {
        Some(port) => vec![port],
        None => expected::ports(&format!("{} {}", command.script, command.launch.args.join(" "))),
    };
    if expected.is_empty() {
        return Vec::new();
    }
    let ports = Ports::look().await;
    let mut warnings = Vec::new();
    for port in expected {
        let holder = match ports.listeners(port).next() {
            Some(listener) => neighbours::describe(app, &ports, listener).await,
            None if probe::listens(port).await => "a process that the system does not name".to_owned(),
            None => continue,
        };
        warnings.push(format!(
            "port {port}, which `{}` is likely to want, is held by {holder}; give another `port`, or stop that",
            command.name
        ));
    }
    warnings
}

async fn start(app: &App, name: &str, launch: Launch) -> Result<Answer<Ran>, CallError> {
    let project = app.project().await?;
    let command = command(&project, name, launch)?;
    let by = command.program.display().to_string();
    let reason = match project.is_package && by == project.manager.name() {
        true => format!(": {}", project.manager_reason),
        false => String::new(),
    };
    let runs = app.scripts.list().iter().any(|it| *it.name == command.name && it.state.is_alive());
    let warnings = if runs { Vec::new() } else { taken_ports(app, &command).await };
    match app.scripts.start(command).await? {
        Started::Duplicate(process) => {
            let info = info(app, &process).await;
            let message = format!(
                "`{name}` runs already as {}; nothing was started. scripts_restart starts it anew, scripts_stop ends it",
                process.id
            );
            Ok(ran(info, true, message, warnings))
        }
        Started::New(process) => {
            let known = app.scripts.until(process.number, |it| !matches!(it.state, ProcessState::Pending));
            let process = timeout(FIRST_WORD, known).await.ok().flatten().unwrap_or(process);
            if let ProcessState::Ended { how: Ending::Failed(Why::NotStarted(why)), .. } = &process.state {
                return Err(CallError::new(format!(
                    "`{name}` could not be started: {why} (it is run by {by}{reason})"
                )));
            }
            let message = format!("started `{name}` as {}", process.id);
            Ok(ran(info(app, &process).await, false, message, warnings))
        }
    }
}

fn ran(process: ProcessInfo, duplicate: bool, message: String, warnings: Vec<String>) -> Answer<Ran> {
    let mut text = format!("{message}\n{}", process.line());
    for warning in &warnings {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    Answer { structured: Ran { process, duplicate, message, warnings }, text }
}

async fn stop(app: &App, wanted: &Stop) -> Result<Answer<Stopped>, CallError> {
    let processes = app.scripts.list();
    let named = script::named(&processes, &wanted.process_id);
    let alive = |number: &&u32| processes.iter().any(|it| it.number == **number && it.state.is_alive());
    // A name means the one that runs.
    let Some(number) = named.iter().find(alive).or(named.first()).copied() else {
        return Err(unknown(&processes, &wanted.process_id));
    };
    let own = processes.iter().find(|process| process.number == number).map(|process| process.grace);
    let own = own.unwrap_or(DEFAULT_GRACE);
    let grace = arguments::seconds("graceSeconds", wanted.grace_seconds, own, 0.0..=MAX_GRACE_SECONDS)?;
    app.scripts.stop(number, grace).await;
    let ended = timeout(grace + STOP_MARGIN, app.scripts.ended(number)).await;
    let process = match ended {
        Ok(process) => process,
        Err(_) => app.scripts.list().iter().find(|process| process.number == number).cloned(),
    };
    let Some(process) = process else { return Err(unknown(&processes, &wanted.process_id)) };
    let success = !process.state.is_alive();
    let message = match process.ending() {
        Some(how) => format!("{}: {how}; it does not run any more", process.id),
        None => format!("{} could not be ended in time; it may hang in the system", process.id),
    };
    let stopped = Stopped {
        success,
        process_id: process.id.as_ref().to_owned(),
        status: process.state.name().to_owned(),
        message: message.clone(),
    };
    let text = format!("{message} (status {})", stopped.status);
    Ok(Answer { structured: stopped, text })
}

/// What runs.
pub(crate) async fn active(app: &App) -> Processes {
    let processes = app.scripts.list();
    let known = Known::of(app).await;
    let alive = processes.iter().filter(|process| process.state.is_alive());
    let infos = alive.map(|process| ProcessInfo::new(process, &known, script::now()));
    fitting(infos.collect(), 0)
}

/// What runs and what has run; with a name, only that.
async fn processes(app: &App, name: Option<&str>, from: usize) -> Result<Processes, CallError> {
    let processes = app.scripts.list();
    let known = Known::of(app).await;
    let info = |process: &Process| ProcessInfo::new(process, &known, script::now());
    let Some(name) = name else {
        return Ok(fitting(processes.iter().map(info).collect(), from));
    };
    let named = script::named(&processes, name);
    let found = named.iter().filter_map(|number| processes.iter().find(|process| process.number == *number));
    let found: Vec<ProcessInfo> = found.map(info).collect();
    if !found.is_empty() {
        return Ok(fitting(found, from));
    }
    // It is no mistake to ask for a script that never ran, but one to ask for a script that does not exist.
    app.project().await?.script(name)?;
    Ok(fitting(vec![ProcessInfo::not_running(name)], 0))
}

/// The newest processes but for so many, as far as they fit into an answer.
fn fitting(processes: Vec<ProcessInfo>, from: usize) -> Processes {
    let nothing = "nothing runs; scripts_list has the scripts, scripts_run starts one";
    let nothing = processes.is_empty().then(|| nothing.to_owned());
    let part = fit::Part::of(processes.into_iter().rev(), from);
    let (cursor, _) = part.cursor(fit::PagedList::Processes);
    let more = cursor.as_ref().map(|cursor| format!("there are older ones: pass `cursor` {cursor}"));
    let mut processes = part.items;
    processes.reverse();
    Processes { processes, cursor, note: more.or(nothing) }
}

/// One process, as it is answered.
pub(super) async fn info(app: &App, process: &Process) -> ProcessInfo {
    let known = Known::of(app).await;
    ProcessInfo::new(process, &known, script::now())
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
