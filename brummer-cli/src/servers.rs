//! Servers that configuration files declare and that speak over stdio: each is served by a process of its own, the supervisor,
//! which is this program again, detached. The first hub that wants a server starts its supervisor; the others find it as any
//! other instance. It outlives the hubs by the server's idle time.
//!
//! ```text
//!  hub ──start──▶ supervisor ──guard──▶ server
//!   │                 ▲  └─ holds the lock, rings the doorbell
//!   └──HTTP───────────┘     (a second one finds the lock held, and ends)
//! ```
//!
//! Whatever is killed: without its supervisor the guard ends the server, and the hub starts another; without hubs the
//! supervisor waits for its idle time and ends.

mod environment;
mod lock;
mod spec;
mod supervisor;

use std::{collections::BTreeMap, io, process::Stdio, sync::Arc, time::Duration};

use brummer_hub::{
    Hub,
    discovery::read_trusted,
    doorbell::{Doorbell, InstanceId},
    hub::Snapshot,
    instance::InstanceState,
    process,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};

use self::spec::Spec;
pub(crate) use self::supervisor::supervise;
use crate::{args, clean, config::Wanted};

/// Pause before a supervisor is started again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long one that is said to run may take to be found: longer than any hub needs for a doorbell.
const FOUND: Duration = Duration::from_secs(2);

/// How long a server must have been there for its next end not to be one of a row.
const SETTLED: Duration = Duration::from_secs(10);

/// How long a supervisor may take to say that it serves.
const READY: Duration = Duration::from_secs(20);

/// The longest answer of a supervisor.
const MAX_ANSWER: u64 = 4096;

/// Keeps servers there for as long as it is held.
#[derive(Debug)]
pub(crate) struct Keeping(Option<AbortHandle>);

impl Drop for Keeping {
    fn drop(&mut self) {
        if let Some(keeping) = &self.0 {
            keeping.abort();
        }
    }
}

/// The hub for which servers are kept, as far as that takes it.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    directories: std::path::PathBuf,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) notices: watch::Sender<Arc<[String]>>,
}

impl Surroundings {
    pub(crate) fn of(hub: &Hub) -> Self {
        Self {
            directories: hub.config().directories.data.clone(),
            snapshots: hub.instances(),
            notices: hub.notices(),
        }
    }
}

/// Sees to it that the servers are there.
pub(crate) fn keep(hub: &Surroundings, servers: Vec<Wanted>) -> Keeping {
    if servers.is_empty() {
        return Keeping(None);
    }
    let Surroundings { directories, snapshots, notices } = hub.clone();
    let said = notices.borrow().to_vec();
    let keeper = Keeper {
        directories,
        said,
        troubles: BTreeMap::new(),
        notices,
        servers: servers.into_iter().map(Server::new).collect(),
        starting: JoinSet::new(),
    };
    Keeping(Some(tokio::spawn(keeper.run(snapshots)).abort_handle()))
}

/// One server that is to be there.
#[derive(Debug)]
struct Server {
    wanted: Arc<Wanted>,
    /// Since when it is there.
    since: Option<Instant>,
    /// When it is to be started, unless it is there by then.
    due: Option<Instant>,
    is_starting: bool,
    attempts: u32,
}

impl Server {
    fn new(wanted: Wanted) -> Self {
        Self { wanted: Arc::new(wanted), since: None, due: None, is_starting: false, attempts: 0 }
    }

    /// Takes note of what the hub lists.
    fn see(&mut self, snapshot: &Snapshot, now: Instant) {
        let listed = snapshot.instances.iter().find(|it| *it.id() == self.wanted.id);
        if listed.is_some_and(|it| it.state != InstanceState::Dead) {
            self.since.get_or_insert(now);
            self.due = None;
            return;
        }
        if self.since.take().is_some_and(|since| now.duration_since(since) >= SETTLED) {
            self.attempts = 0;
        }
        if !self.is_starting && self.due.is_none() {
            self.due = Some(now + self.pause());
        }
    }

    fn pause(&self) -> Duration {
        match self.attempts {
            0 => Duration::ZERO,
            more => FIRST_PAUSE.saturating_mul(1 << (more - 1).min(10)).min(LONGEST_PAUSE),
        }
    }
}

struct Keeper {
    directories: std::path::PathBuf,
    /// What the hub was told at its start, and of which servers something is to be told beside.
    said: Vec<String>,
    troubles: BTreeMap<String, String>,
    notices: watch::Sender<Arc<[String]>>,
    servers: Vec<Server>,
    starting: JoinSet<(usize, Result<(), String>)>,
}

impl Keeper {
    async fn run(mut self, mut snapshots: watch::Receiver<Arc<Snapshot>>) {
        let now = Instant::now();
        for server in &mut self.servers {
            // One that seems to run is given the time to be found.
            let pause = if seems_to_run(&self.directories, &server.wanted) { FOUND } else { Duration::ZERO };
            server.due = Some(now + pause);
        }
        loop {
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            let now = Instant::now();
            for at in 0..self.servers.len() {
                self.servers[at].see(&snapshot, now);
                if self.servers[at].due.is_some_and(|due| due <= now) {
                    self.start(at);
                }
            }
            let due = self.servers.iter().filter_map(|server| server.due).min();
            tokio::select! {
                biased;
                Some(started) = self.starting.join_next() => if let Ok((at, started)) = started {
                    self.on_started(at, started);
                },
                changed = snapshots.changed() => if changed.is_err() {
                    return;
                },
                () = async { sleep_until(due.unwrap_or(now)).await }, if due.is_some() => {}
            }
        }
    }

    fn start(&mut self, at: usize) {
        let server = &mut self.servers[at];
        server.due = None;
        server.is_starting = true;
        server.attempts += 1;
        let (wanted, data) = (Arc::clone(&server.wanted), self.directories.clone());
        self.starting.spawn(async move {
            let started = start(&wanted, &data).await;
            (at, started)
        });
    }

    fn on_started(&mut self, at: usize, started: Result<(), String>) {
        let server = &mut self.servers[at];
        server.is_starting = false;
        let name = server.wanted.name.clone();
        let is_news = match started {
            Ok(()) => {
                server.due = Some(Instant::now() + FOUND);
                self.troubles.remove(&name).is_some()
            }
            Err(why) => {
                tracing::warn!("server `{name}` cannot be started: {why}");
                let why = format!("server `{name}` cannot be started: {why}; it is tried again");
                self.troubles.insert(name, why).is_none()
            }
        };
        if is_news {
            let all: Vec<String> = self.said.iter().chain(self.troubles.values()).cloned().collect();
            self.notices.send_replace(all.into());
        }
    }
}

/// Where the lock of a server's supervisor is.
fn lock_of(data: &std::path::Path, id: &InstanceId) -> std::path::PathBuf {
    data.join("servers").join(format!("{id}.lock"))
}

/// Whether an instance is a supervisor of this program, and the process that its doorbell names is that one: it has the lock of
/// its server, and listens on the port of the doorbell. Blocking.
pub(crate) fn is_supervisor(data: &std::path::Path, doorbell: &Doorbell) -> bool {
    lock::is_held(&lock_of(data, &doorbell.id))
        && process::owner_of_port(doorbell.host, doorbell.port) == Some(doorbell.pid)
}

/// Whether the doorbell of a server names a process that lives. A wrong yes costs a moment only.
fn seems_to_run(data: &std::path::Path, wanted: &Wanted) -> bool {
    let name = format!("{}.json", wanted.id);
    let bytes = read_trusted(&data.join("instances").join(&name));
    let doorbell = bytes.ok().and_then(|bytes| Doorbell::parse(&name, &bytes).ok());
    doorbell.is_some_and(|doorbell| process::entry(doorbell.pid).is_some())
}

/// Starts a supervisor, and waits until it serves or says why not. One that finds another at work ends at once.
async fn start(wanted: &Wanted, data: &std::path::Path) -> Result<(), String> {
    let spec = Spec::of(wanted, data);
    let order = serde_json::to_vec(&spec).map_err(|error| format!("a path in it is not UTF-8: {error}"))?;
    let place = data.join("servers");
    crate::config::create_private(&place)
        .map_err(|error| format!("cannot make {}: {error}", place.display()))?;
    let mut child = spawn(wanted, &place).map_err(|error| format!("cannot start its supervisor: {error}"))?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("its supervisor has no pipes".to_owned());
    };
    let said = timeout(READY, async {
        // What fails here has ended, which its answer tells.
        let _ = stdin.write_all(&order).await;
        drop(stdin);
        let mut line = String::new();
        BufReader::new(stdout.take(MAX_ANSWER)).read_line(&mut line).await.map(|_| line)
    });
    match said.await {
        Ok(Ok(line)) => match line.trim_end() {
            "ready" | "running" => Ok(()),
            "" => Err("its supervisor has ended at once".to_owned()),
            why => Err(clean::line(why.strip_prefix("error: ").unwrap_or(why))),
        },
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("its supervisor has not been ready within {READY:?}")),
    }
}

fn spawn(wanted: &Wanted, place: &std::path::Path) -> io::Result<tokio::process::Child> {
    let program = if cfg!(target_os = "linux") {
        // Also when its file has been replaced since it was started.
        "/proc/self/exe".into()
    } else {
        std::env::current_exe()?
    };
    let mut command = Command::new(program);
    command
        .arg(args::SUPERVISE)
        .arg(&wanted.name)
        .env_clear()
        .envs(environment::common())
        .envs(&wanted.environment)
        .current_dir(place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    #[cfg(unix)]
    command.arg0("brummer-hub");
    detached(&mut command)
}

/// It leaves the session of its own accord.
#[cfg(unix)]
fn detached(command: &mut Command) -> io::Result<tokio::process::Child> {
    command.spawn()
}

/// Out of the job that a client may end with all that is in it, where that is allowed; with a console that nobody sees.
#[cfg(windows)]
fn detached(command: &mut Command) -> io::Result<tokio::process::Child> {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    const CREATE_BREAKAWAY_FROM_JOB: u32 = 0x0100_0000;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    let flags = CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW;
    command.creation_flags(flags | CREATE_BREAKAWAY_FROM_JOB);
    command.spawn().or_else(|_| {
        command.creation_flags(flags);
        command.spawn()
    })
}
