//! MCP servers that dev servers have themselves: those of own scripts are found and announced as instances of the project.
//!
//! ```text
//!  log (URLs) ──▶ joiner ──attempt──▶ handshake with the script's own port ──▶ Registration
//!                   ▲  owns what is tried and what has joined      │
//!                   └──────────── the server's process ends ◀──────┘
//! ```
//!
//! Something is sent only where three things are so: the script has printed an `http` URL of this machine, the system says that
//! the script itself listens on its port, and the project depends on a tool that is known to have an MCP server.

mod handshake;
mod known;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use brummer_hub::{
    Hub, HubConfig,
    process::wait_for_exit,
    registration::{Registration, RegistrationOptions},
    terminal::clean_line,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use self::known::KnownServer;
use crate::{console::Console, detect::urls, ports::Ports, script::Process, tools::App};

/// Between two looks at the URLs, however much is printed.
const PACE: Duration = Duration::from_secs(1);

/// Pauses before the attempts at one port: some servers load their MCP server after they have said that they are ready.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(30)];

/// How long other instances are asked for the same server.
const ASK: Duration = Duration::from_secs(2);

/// A port of a script.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct ScriptPort {
    process: u32,
    port: u16,
}

/// How far it is with one port.
#[derive(Debug)]
enum JoiningState {
    /// The attempt of this index is due at this time.
    Due {
        attempt: usize,
        at: Instant,
    },
    Trying {
        attempt: usize,
    },
    /// It has an MCP server, or more than one.
    Joined,
    /// It has none; tried again when its URL is printed anew.
    Without,
}

#[derive(Debug)]
struct Tried {
    state: JoiningState,
    /// When the URL was printed last.
    printed: i64,
}

/// What happened in a task of the joiner.
enum Happened {
    /// What an attempt has found; `None` if it is too early to tell.
    Attempt(ScriptPort, Option<Vec<Joined>>),
    /// The process of a server that has joined has ended, and its announcements are gone.
    Left(ScriptPort),
}

/// An announced server.
struct Joined {
    pid: u32,
    registration: Registration,
}

/// Finds and announces them until it is told to stop.
pub(crate) async fn watch(app: App, console: Console, stop: CancellationToken) {
    let mut progress = app.logs.progress();
    let mut processes = app.scripts.changes();
    let mut tried: HashMap<ScriptPort, Tried> = HashMap::new();
    let mut tasks: JoinSet<Happened> = JoinSet::new();
    let mut next = Instant::now();
    loop {
        let due = tried.values().filter_map(|it| match it.state {
            JoiningState::Due { at, .. } => Some(at),
            _ => None,
        });
        let due = due.min();
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(Ok(happened)) = tasks.join_next() => match happened {
                Happened::Attempt(place, found) => {
                    let joined = settle(&mut tried, place, found);
                    if !joined.is_empty() {
                        tell(&app, &console, place, &joined);
                        tasks.spawn(stay(place, joined, stop.clone()));
                    }
                }
                Happened::Left(place) => {
                    // A dev server that starts itself anew has another process.
                    if let Some(it) = tried.get_mut(&place) {
                        it.state = JoiningState::Due { attempt: 1, at: Instant::now() + PAUSES[1] };
                    }
                }
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let now = Instant::now();
                for (place, it) in &mut tried {
                    let JoiningState::Due { attempt, at } = it.state else { continue };
                    if at <= now {
                        it.state = JoiningState::Trying { attempt };
                        tasks.spawn(attempt_at(app.clone(), *place, stop.clone()));
                    }
                }
            }
            changed = async { sleep_until(next).await; progress.changed().await } => {
                if changed.is_err() {
                    break;
                }
                next = Instant::now() + PACE;
                look(&app, &mut tried).await;
            }
            changed = processes.changed() => {
                if changed.is_err() {
                    break;
                }
                let list = processes.borrow_and_update().clone();
                tried.retain(|place, _| list.iter().any(|it| it.number == place.process && it.state.is_alive()));
            }
        }
    }
    // The announcements of those that stay are taken back by their own tasks, which have heard of the end, too.
    while tasks.join_next().await.is_some() {}
}

/// Takes in the URLs that scripts have printed.
async fn look(app: &App, tried: &mut HashMap<ScriptPort, Tried>) {
    let processes = app.scripts.list();
    for url in app.logs.urls().await {
        let alive = processes.iter().any(|it| it.number == url.process && it.state.is_alive());
        // The hub speaks no TLS to instances.
        let Some(port) =
            urls::port(&url.url).filter(|_| alive && url.is_local && url.url.starts_with("http://"))
        else {
            continue;
        };
        let fresh = || Tried { state: due(0), printed: url.last };
        let it = tried.entry(ScriptPort { process: url.process, port }).or_insert_with(fresh);
        if url.last > it.printed {
            it.printed = url.last;
            if matches!(it.state, JoiningState::Without) {
                it.state = due(0);
            }
        }
    }
}

fn due(attempt: usize) -> JoiningState {
    JoiningState::Due { attempt, at: Instant::now() + PAUSES[attempt] }
}

/// Writes down what an attempt has found.
fn settle(
    tried: &mut HashMap<ScriptPort, Tried>,
    place: ScriptPort,
    found: Option<Vec<Joined>>,
) -> Vec<Joined> {
    // The process of a script that has ended meanwhile is gone, and so are what was found and its announcements in a moment.
    let Some(it) = tried.get_mut(&place) else { return found.unwrap_or_default() };
    let JoiningState::Trying { attempt } = it.state else { return found.unwrap_or_default() };
    match found {
        Some(joined) if !joined.is_empty() => {
            it.state = JoiningState::Joined;
            return joined;
        }
        None if attempt + 1 < PAUSES.len() => it.state = due(attempt + 1),
        Some(_) | None => it.state = JoiningState::Without,
    }
    Vec::new()
}

fn tell(app: &App, console: &Console, place: ScriptPort, joined: &[Joined]) {
    let processes = app.scripts.list();
    let name = processes.iter().find(|it| it.number == place.process).map(|it| it.name.clone());
    for it in joined {
        let doorbell = it.registration.doorbell();
        console.note(format_args!(
            "{} has an MCP server at http://localhost:{}{}, which is announced as `{}` (--no-dev-mcp turns this off)",
            clean_line(name.as_deref().unwrap_or_default()),
            place.port,
            doorbell.endpoint,
            doorbell.name,
        ));
    }
}

/// Keeps announcements for as long as the process of the server lives.
async fn stay(place: ScriptPort, joined: Vec<Joined>, stop: CancellationToken) -> Happened {
    if let Some(pid) = joined.first().map(|it| it.pid) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = wait_for_exit(pid) => {}
        }
    }
    // Files are not touched on a thread of the runtime. It matters to nobody when this fails: hubs see the end themselves.
    let _ = tokio::task::spawn_blocking(move || drop(joined)).await;
    Happened::Left(place)
}

async fn attempt_at(app: App, place: ScriptPort, stop: CancellationToken) -> Happened {
    let found = tokio::select! {
        biased;
        () = stop.cancelled() => None,
        found = find(&app, place) => found,
    };
    Happened::Attempt(place, found)
}

/// What this port has; `None` if it is too early to tell.
async fn find(app: &App, place: ScriptPort) -> Option<Vec<Joined>> {
    let processes = app.scripts.list();
    let process = processes.iter().find(|it| it.number == place.process)?;
    let directory = directory(app, process).await;
    let root = app.directory.clone();
    let wanted = tokio::task::spawn_blocking({
        let directory = directory.clone();
        move || known::wanted(&directory, &root)
    });
    let wanted = wanted.await.unwrap_or_default();
    if wanted.is_empty() {
        return Some(Vec::new());
    }
    let ports = Ports::look().await;
    let listener = ports.listeners(place.port).find(|it| ports.belongs(it.pid, process))?;
    let address = match listener.address {
        IpAddr::V4(it) if it.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(it) if it.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        it => it,
    };
    let mut joined = Vec::new();
    for known in wanted {
        if !handshake::speaks_mcp(known, address, place.port).await || is_listed(app, known, place.port).await
        {
            continue;
        }
        let options = options(app, known, (listener.pid, address, place.port), &directory, &process.name);
        match Registration::announce_persistently(options).await {
            Ok(registration) => joined.push(Joined { pid: listener.pid, registration }),
            Err(error) => tracing::debug!(%error, "a dev server cannot be announced"),
        }
    }
    (!joined.is_empty()).then_some(joined)
}

/// Where the script runs.
async fn directory(app: &App, process: &Process) -> PathBuf {
    let project = app.project().await;
    let chosen = project.as_ref().ok().and_then(|project| project.script(&process.name).ok());
    chosen.map_or_else(|| app.directory.to_path_buf(), |chosen| chosen.directory)
}

fn options(
    app: &App,
    known: &KnownServer,
    (pid, address, port): (u32, IpAddr, u16),
    directory: &std::path::Path,
    script: &Arc<str>,
) -> RegistrationOptions {
    let mut options = RegistrationOptions::new(port);
    options.pid = Some(pid);
    options.path = Some(directory.to_owned());
    options.name = Some(known.name.to_owned());
    options.endpoint = Some(known.endpoint.to_owned());
    options.host = Some(address);
    options.headers = known.headers(address, port);
    options.labels.insert("script".to_owned(), script.as_ref().to_owned());
    options.directories = app.directories.clone();
    options
}

/// Whether the server is an instance already, as one that announces itself.
async fn is_listed(app: &App, known: &KnownServer, port: u16) -> bool {
    let mut config = HubConfig::default();
    config.directories = app.directories.clone();
    let hub = Hub::start(config);
    let settled = timeout(ASK, hub.settled()).await;
    let is_listed = settled.is_ok_and(|settled| {
        let mut doorbells = settled.instances.iter().map(|it| &it.found.doorbell);
        doorbells.any(|it| it.port == port && it.endpoint == known.endpoint)
    });
    hub.shutdown().await;
    is_listed
}
