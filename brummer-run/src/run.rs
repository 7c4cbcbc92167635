//! A run from its beginning to its end.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use brummer_hub::{
    Hub, HubConfig, InstanceServer,
    discovery::Directories,
    doorbell::Secret,
    serve::{Announcement, Changes, Offer, ServeError},
    sources::SourceChoice,
    terminal::clean_line,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    console::{Console, ConsoleOptions},
    joining,
    log::{DEFAULT_LINES, Files, LogDirError, Logs},
    outcome::Outcome,
    project::{self, Declared, Project, ProjectError},
    prompts, resources,
    script::{self, Command, Launch, Launcher, Permits, Scripts, Started},
    serving,
    tools::{self, App},
    typing,
};

/// The port that is tried first when none is asked for: that of the Go program, which clients may be configured with.
pub const DEFAULT_PORT: u16 = 7777;

/// How long an end at once waits for the orders to get through. Guards end their scripts by themselves when it is not enough.
const AT_ONCE: Duration = Duration::from_millis(500);

/// How long the tasks may take that have nothing left to do.
const LAST_TASKS: Duration = Duration::from_secs(2);

/// How many scripts the greeting lists.
const GREETED_SCRIPTS: usize = 20;

/// What to run.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunOptions {
    /// The project directory.
    pub directory: PathBuf,
    /// Scripts to start at once.
    pub scripts: Vec<String>,
    /// A command to start at once, with its arguments; it need not be a script.
    pub command: Option<(OsString, Vec<OsString>)>,
    /// The port to serve MCP on; 0 for any. Without one, [`DEFAULT_PORT`] if it is free, else any.
    pub port: Option<u16>,
    /// What people call this instance; `name` of `package.json`, or the directory's name, unless given.
    pub name: Option<String>,
    /// Whether clients must show the server's token. Without one, every user of the machine can run the scripts.
    pub token: bool,
    /// Where to announce it.
    pub directories: Directories,
    /// Environment variables that clients may set for scripts, besides those that do no harm; `*` at the end stands for
    /// any rest.
    pub allow_env: Vec<String>,
    /// What this program must be given, before a program and its arguments, to call [`guard::serve`](crate::guard) with
    /// these. Not used on Windows.
    pub guard: Vec<OsString>,
    /// Whether scripts have a pseudo terminal instead of pipes. There is none on Windows.
    pub pty: bool,
    /// Where to write the log of each script, besides; it is made if it is not there.
    pub log_dir: Option<PathBuf>,
    /// Whether MCP servers that dev servers have themselves are announced.
    pub dev_mcp: bool,
    /// Whether it ends when `scripts` and `command` have ended.
    pub exit: bool,
    /// Where to print.
    pub console: ConsoleOptions,
    /// Lines that a person types for the scripts.
    pub typed: Option<mpsc::Receiver<String>>,
}

impl RunOptions {
    /// A run of this directory with nothing started.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, guard: Vec<OsString>, console: ConsoleOptions) -> Self {
        Self {
            directory: directory.into(),
            scripts: Vec::new(),
            command: None,
            port: None,
            name: None,
            token: true,
            directories: Directories::from_env(),
            allow_env: Vec::new(),
            guard,
            pty: false,
            log_dir: None,
            dev_mcp: true,
            exit: false,
            console,
            typed: None,
        }
    }
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such directory.
    #[error("there is no directory {}", .0.display())]
    NoDirectory(PathBuf),
    /// The scripts that were asked for cannot be had.
    #[error("{0}")]
    Project(String),
    /// This system has no pseudo terminals that are made use of.
    #[error("--pty is not available on Windows; without it, scripts have pipes")]
    NoTerminals,
    /// The log cannot be written where it was asked for.
    #[error(transparent)]
    LogDir(#[from] LogDirError),
    /// The server could not be started.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The system refuses a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// Runs until `stop` is cancelled, and ends everything in order then; `kill` ends everything at once.
///
/// Returns the exit code of its scripts if it has ended with them: that of the first that did not succeed, 128 + n for one that
/// signal n has ended, 127 for one that could not be started.
///
/// # Errors
/// When it cannot begin. Nothing was started then.
///
/// # Panics
/// Outside a tokio runtime with time and I/O enabled.
pub async fn run(
    options: RunOptions,
    stop: CancellationToken,
    kill: CancellationToken,
) -> Result<Option<i32>, RunError> {
    if cfg!(windows) && options.pty {
        return Err(RunError::NoTerminals);
    }
    let directory = directory(&options.directory)?;
    let given = options.command.map(|(program, arguments)| Arc::new(Declared::given(program, arguments)));
    let (project, commands, doubt) = plan(&directory, &options.scripts, given.as_ref()).await?;
    let console = Console::start(options.console).map_err(RunError::Thread)?;
    let log_dir = options.log_dir.map(|it| std::path::absolute(&it).unwrap_or(it));
    let files = log_dir.as_ref().map(|it| Files::start(it, console.clone())).transpose()?;

    let tasks = TaskTracker::new();
    // The log lasts until everything that is printed at the end is in it.
    let logs_end = CancellationToken::new();
    let scripts_end = CancellationToken::new();
    let logs = Logs::spawn(DEFAULT_LINES, console.clone(), files.clone(), &tasks, logs_end.clone());
    let launcher = Launcher {
        guard: options.guard,
        environment: script::environment(|name| std::env::var_os(name)),
        terminal: options.pty,
    };
    let script_tasks = TaskTracker::new();
    let scripts = Scripts::spawn(
        launcher,
        logs.clone(),
        console.clone(),
        &script_tasks,
        scripts_end.clone(),
        kill.clone(),
    );
    let log_of_scripts = logs.clone();
    let app = App {
        directory: directory.as_path().into(),
        given,
        logs,
        log_dir: log_dir.as_deref().map(Into::into),
        scripts: scripts.clone(),
        directories: options.directories.clone(),
        permits: Permits::new(options.allow_env).into(),
        has_keys: options.pty,
        nonce: fastrand::u32(..),
        stopping: scripts_end.clone(),
    };
    let name = options.name.or_else(|| project.as_ref()?.name.clone());
    let served = serve(&app, options.port, name, options.token, &options.directories).await;
    let (server, changes) = match served {
        Ok(served) => served,
        Err(error) => {
            logs_end.cancel();
            scripts_end.cancel();
            console.hurry();
            console.finish().await;
            return Err(error.into());
        }
    };
    if options.dev_mcp {
        tasks.spawn(joining::watch(app.clone(), console.clone(), scripts_end.clone()));
    }
    tasks.spawn(serving::watch(app.clone(), server.id().clone(), scripts_end.clone()));
    tasks.spawn(resources::watch(app, changes, logs_end.clone()));
    greet(&console, &directory, project.as_ref(), doubt.as_deref(), &server);
    if let Some(log_dir) = &log_dir {
        console.note(format_args!("the log is written into {}", clean_line(&log_dir.display().to_string())));
    }
    tasks.spawn(announce(console.clone(), server.announcement(), logs_end.clone()));
    tasks.spawn(look_around(
        console.clone(),
        options.directories,
        directory.clone(),
        server.id().as_str().to_owned(),
        logs_end.clone(),
    ));
    if let Some(typed) = options.typed {
        let (scripts, logs) = (scripts.clone(), log_of_scripts);
        tasks.spawn(typing::listen(typed, scripts, logs, console.clone(), scripts_end.clone()));
    }
    let mut outcome = Outcome::of(commands.iter().map(|command| command.name.clone()).collect());
    for command in commands {
        let name = command.name.clone();
        if !start(&scripts, &console, command).await {
            outcome.not_started(&name);
        }
    }

    // Whoever ends the run waits for nobody who reads what it prints.
    let _hurrying = AbortOnDropHandle::new({
        let (console, stop, kill) = (console.clone(), stop.clone(), kill.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = kill.cancelled() => {}
            }
            console.hurry();
        })
    });
    let code = tokio::select! {
        biased;
        () = kill.cancelled() => None,
        () = stop.cancelled() => None,
        code = outcome.wait(scripts.changes()), if options.exit => Some(code),
    };
    scripts_end.cancel();
    script_tasks.close();
    if !kill.is_cancelled() && scripts.list().iter().any(|process| process.state.is_alive()) {
        console.note("stopping all scripts; a second Ctrl-C ends them at once");
    }
    let orderly = async {
        tokio::join!(script_tasks.wait(), server.shutdown());
    };
    tokio::select! {
        biased;
        () = orderly => {}
        () = async { kill.cancelled().await; tokio::time::sleep(AT_ONCE).await; } => return Ok(code),
    }
    logs_end.cancel();
    tasks.close();
    if timeout(LAST_TASKS, tasks.wait()).await.is_err() {
        tracing::debug!("a task did not end in time");
    }
    if let Some(files) = files {
        files.finish().await;
    }
    console.finish().await;
    Ok(code)
}

/// The directory as every other process names it.
fn directory(given: &Path) -> Result<PathBuf, RunError> {
    let directory = std::path::absolute(given).unwrap_or_else(|_| given.to_owned());
    if directory.is_dir() { Ok(directory) } else { Err(RunError::NoDirectory(directory)) }
}

/// What the project has, what of it is to be started, and what there is to say about that.
async fn plan(
    directory: &Path,
    scripts: &[String],
    given: Option<&Arc<Declared>>,
) -> Result<(Option<Project>, Vec<Command>, Option<String>), RunError> {
    let refused = |error: ProjectError| RunError::Project(error.to_string());
    match project::read_aside(directory, given).await {
        Ok(project) => {
            let names = scripts.iter().chain(given.map(|given| &given.name));
            let commands = names.map(|name| tools::command(&project, name, Launch::default()));
            let commands = commands.collect::<Result<_, _>>().map_err(refused)?;
            Ok((Some(project), commands, None))
        }
        // It may come later, and the tools say what is missing until then.
        Err(error) if scripts.is_empty() => Ok((None, Vec::new(), Some(error.to_string()))),
        Err(error) => Err(refused(error)),
    }
}

/// Serves the tools.
async fn serve(
    app: &App,
    port: Option<u16>,
    name: Option<String>,
    token: bool,
    directories: &Directories,
) -> Result<(InstanceServer, Changes), ServeError> {
    // The same on whichever port it ends up.
    let token = token.then(Secret::random);
    let start = async |port: u16| {
        let mut offer = Offer::default();
        tools::add(&mut offer, app);
        resources::add(&mut offer, app);
        prompts::add(&mut offer, app);
        let mut builder = InstanceServer::builder()
            .port(port)
            .path(app.directory.as_ref())
            .version(env!("CARGO_PKG_VERSION"))
            .directories(directories.clone())
            .instructions(INSTRUCTIONS)
            .offer(offer);
        if let Some(name) = &name {
            builder = builder.name(name);
        }
        builder = match &token {
            Some(token) => builder.token(token.clone()),
            None => builder.without_token(),
        };
        let changes = builder.changes();
        Ok::<_, ServeError>((builder.start().await?, changes))
    };
    match port {
        Some(port) => start(port).await,
        None => match start(DEFAULT_PORT).await {
            Err(ServeError::Listen { .. }) => start(0).await,
            started => started,
        },
    }
}

/// What a model should know of the tools as a whole.
const INSTRUCTIONS: &str = "Runs the scripts of one project. scripts_list says what there is, scripts_run starts, wait_until \
    waits until it is ready, logs_search and errors_list find out what went wrong. Answers about the log have a cursor: pass \
    it on to get only what is new.";

/// Says what there is and how to reach it.
fn greet(
    console: &Console,
    directory: &Path,
    project: Option<&Project>,
    doubt: Option<&str>,
    server: &InstanceServer,
) {
    let shown = directory.display().to_string();
    let mut text = format!("brummer-hub {} runs {}", env!("CARGO_PKG_VERSION"), clean_line(&shown));
    if let Some(doubt) = doubt {
        text.push_str(&format!("\nwarning: {doubt}; no script can be run yet"));
    }
    if let Some(project) = project {
        let names = project.script_names();
        if project.is_package {
            text.push_str(&format!(" with {} ({})", project.manager, project.manager_reason));
        }
        let scripts = project.scripts.iter().map(|script| (&script.name, &script.command));
        let declared = project.declared.iter().map(|declared| (&declared.name, &declared.command));
        let listed: Vec<_> = scripts.chain(declared).take(GREETED_SCRIPTS).collect();
        let listed: Vec<_> =
            listed.into_iter().map(|(name, command)| (clean_line(name), clean_line(command))).collect();
        let width = listed.iter().map(|(name, _)| name.width()).max().unwrap_or_default().min(20);
        for (name, command) in &listed {
            let padding = " ".repeat(width.saturating_sub(name.width()));
            text.push_str(&format!("\n  {name}{padding}  {command}"));
        }
        for fault in &project.faults {
            text.push_str(&format!("\nwarning: {}", clean_line(fault)));
        }
        let more = names.len() - listed.len();
        if more > 0 {
            text.push_str(&format!("\n  … and {more} more, in scripts_list"));
        }
        if names.is_empty() {
            text.push_str("\npackage.json has no scripts");
        }
    }
    let url = server.url();
    text.push_str(&format!(
        "\nMCP at {url}\n\
         clients reach it through a hub (`brummer-hub --mcp`), or directly: claude mcp add --transport http brummer {url}"
    ));
    match server.token() {
        Some(token) => text.push_str(&format!(" --header \"Authorization: Bearer {}\"", token.expose())),
        None => text.push_str(
            "\nwarning: it takes no token (--no-token): every program of every user of this machine can run the scripts",
        ),
    }
    console.note(text);
}

/// Says when no hub can find this run.
async fn announce(
    console: Console,
    mut announcement: tokio::sync::watch::Receiver<Announcement>,
    stop: CancellationToken,
) {
    let decided = announcement.wait_for(|now| *now != Announcement::Retrying);
    let decided = tokio::select! {
        biased;
        () = stop.cancelled() => return,
        decided = decided => decided,
    };
    if let Ok(now) = decided
        && let Announcement::Alone(why) = &*now
    {
        console.note(format_args!("warning: {why}; no hub will find this run, it goes on alone"));
    }
}

/// Says when another run has the same directory: both work, but two dev servers seldom do.
async fn look_around(
    console: Console,
    directories: Directories,
    directory: PathBuf,
    own_id: String,
    stop: CancellationToken,
) {
    let mut config = HubConfig::default();
    config.directories = directories;
    // Other runs only.
    config.sources.choice = SourceChoice::Only(Vec::new());
    let hub = Hub::start(config);
    let settled = tokio::select! {
        biased;
        () = stop.cancelled() => None,
        settled = hub.settled() => Some(settled),
    };
    for instance in settled.iter().flat_map(|settled| &settled.instances) {
        let doorbell = &instance.found.doorbell;
        if doorbell.path == directory && doorbell.id.as_str() != own_id {
            console.note(format_args!(
                "note: process {} serves this directory too, on port {}; both go on, but scripts that use the same port clash",
                doorbell.pid, doorbell.port
            ));
        }
    }
    hub.shutdown().await;
}

/// Starts a script that was asked for on the command line; says whether it is there.
async fn start(scripts: &Scripts, console: &Console, command: Command) -> bool {
    // On its own line, whatever the project calls it.
    let name = clean_line(&command.name).into_owned();
    let started = scripts.start(command).await;
    match &started {
        Ok(Started::New(process)) => {
            let script = clean_line(&process.script);
            console.note(format_args!("{name} is started as {}: {script}", process.id));
        }
        Ok(Started::Duplicate(process)) => {
            console.note(format_args!("{name} runs already as {}", process.id));
        }
        Err(error) => console.note(format_args!("warning: {name}: {error}")),
    }
    started.is_ok()
}
