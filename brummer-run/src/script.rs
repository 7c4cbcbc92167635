//! The scripts that run, and those that have run.
//!
//! ```text
//!  tools ──Request──▶ supervisor ──Order──▶ script task ──▶ guard (or job object) ──▶ script
//!                     │  owns the list ◀──Event──┘   └── intakes ──lines──▶ log
//!                     └──▶ watch: the list
//! ```
//!
//! The supervisor owns the list of processes. Each running script has a task that owns its child; the task tells the
//! supervisor what becomes of it, and is told when to end it. The supervisor ends when its token is cancelled: it stops all
//! scripts, waits for their end (with a bound), and is gone.

#[cfg(unix)]
#[path = "script/unix.rs"]
mod child;
#[cfg(windows)]
#[path = "script/windows.rs"]
mod child;
mod permits;
mod process;
mod supervisor;
mod task;

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[cfg(test)]
pub(crate) use self::process::Running;
pub(crate) use self::{
    permits::Permits,
    process::{Ending, Process, ProcessState, Why},
};
use crate::{console::Console, guard::link::Order, log::Logs};

/// Scripts that may run at the same time. A project has a dozen; a client in a loop must not take the machine down.
pub(crate) const MAX_RUNNING: usize = 64;

/// Processes that have ended and are still shown, with their output.
pub(crate) const MAX_ENDED: usize = 32;

/// How long a script may take to end when it is asked to, unless its file says otherwise.
pub(crate) const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// The most bytes that are typed at once: what every system writes into a pipe as a whole, or not at all.
pub(crate) const MAX_INPUT: usize = 512;

/// Requests that wait for the supervisor, which answers at once.
const REQUESTS: usize = 64;

/// What is to be started.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// `dev`, or `web#dev`: one for each script, however it was asked for.
    pub(crate) name: String,
    /// Another spelling of it, by the path of its workspace.
    pub(crate) also: Option<String>,
    /// What `package.json` says.
    pub(crate) script: String,
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) directory: PathBuf,
    /// What it gets besides the environment of all scripts.
    pub(crate) environment: Vec<(String, String)>,
    /// How long it may take to end when it is asked to.
    pub(crate) grace: Duration,
    /// How it was asked for.
    pub(crate) launch: Arc<Launch>,
}

/// What whoever starts a script wants besides its name. A restart wants the same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Launch {
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    /// It becomes the variable `PORT`.
    pub(crate) port: Option<u16>,
}

impl Command {
    /// The system itself would say that the program is missing.
    fn check_directory(&self) -> io::Result<()> {
        if self.directory.is_dir() {
            return Ok(());
        }
        let directory = self.directory.display();
        Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no directory {directory}")))
    }
}

/// How scripts are started.
#[derive(Clone, Debug)]
pub(crate) struct Launcher {
    /// What this program is given, before the script's own program, to become its guard.
    #[cfg_attr(windows, expect(dead_code, reason = "there are no guards on Windows"))]
    pub(crate) guard: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, &'static str)>,
    /// Whether they have a pseudo terminal instead of pipes.
    #[cfg_attr(windows, expect(dead_code, reason = "there are no pseudo terminals on Windows"))]
    pub(crate) terminal: bool,
}

/// What came of a wish to start a script.
#[derive(Clone, Debug)]
pub(crate) enum Started {
    New(Process),
    /// It runs already.
    Duplicate(Process),
}

/// Why no script was started.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{MAX_RUNNING} scripts are running, which is the most there can be; stop one first")]
    TooMany,
    #[error("this run is ending and starts nothing any more")]
    Ending,
}

/// Why nothing was typed into a script.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("it does not run")]
    NotRunning,
    #[error("it does not read what was typed before")]
    Full,
    #[error("it reads nothing any more: its standard input is closed")]
    Closed,
    #[error("cannot type into it: {0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for InputError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::Full,
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// What is typed into a script, and where to say what came of it.
#[derive(Debug)]
struct TypedInput {
    bytes: Bytes,
    answer: oneshot::Sender<Result<(), InputError>>,
}

/// What a script's task is told.
#[derive(Debug)]
enum ScriptMessage {
    Order(Order),
    Input(TypedInput),
}

/// What the supervisor is asked.
#[derive(Debug)]
enum Request {
    Start { command: Command, answer: oneshot::Sender<Result<Started, StartError>> },
    Stop { process: u32, grace: Duration },
    Input { process: u32, input: TypedInput },
}

/// The list of processes as it is now, in the order in which they were started.
pub(crate) type ProcessList = Arc<Vec<Process>>;

/// The scripts, for everybody else.
#[derive(Clone, Debug)]
pub(crate) struct Scripts {
    requests: mpsc::Sender<Request>,
    processes: watch::Receiver<ProcessList>,
}

impl Scripts {
    /// Starts the supervisor. `stop` ends all scripts gracefully, `kill` at once.
    pub(crate) fn spawn(
        launcher: Launcher,
        logs: Logs,
        console: Console,
        tasks: &TaskTracker,
        stop: CancellationToken,
        kill: CancellationToken,
    ) -> Self {
        let (requests, incoming) = mpsc::channel(REQUESTS);
        let (list, processes) = watch::channel(ProcessList::default());
        let supervisor = supervisor::Supervisor::new(launcher, logs, console, tasks.clone(), list);
        tasks.spawn(supervisor.run(incoming, stop, kill));
        Self { requests, processes }
    }

    /// Starts a script, unless one of this name runs.
    pub(crate) async fn start(&self, command: Command) -> Result<Started, StartError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Request::Start { command, answer }).await;
        sent.map_err(|_| StartError::Ending)?;
        answered.await.unwrap_or(Err(StartError::Ending))
    }

    /// Asks a process to end. Use [`Scripts::ended`] to wait for it.
    pub(crate) async fn stop(&self, process: u32, grace: Duration) {
        // Without a supervisor nothing runs any more.
        let _ = self.requests.send(Request::Stop { process, grace }).await;
    }

    /// Types into a process.
    pub(crate) async fn input(&self, process: u32, bytes: Bytes) -> Result<(), InputError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Input { process, input: TypedInput { bytes, answer } };
        self.requests.send(request).await.map_err(|_| InputError::NotRunning)?;
        answered.await.unwrap_or(Err(InputError::NotRunning))
    }

    /// The list as it is now.
    pub(crate) fn list(&self) -> ProcessList {
        self.processes.borrow().clone()
    }

    /// The list, whenever it changes.
    pub(crate) fn changes(&self) -> watch::Receiver<ProcessList> {
        self.processes.clone()
    }

    /// Waits until a process is as wanted, and returns it; `None` when it is not known any more. Cancel-safe.
    pub(crate) async fn until(&self, process: u32, wanted: impl Fn(&Process) -> bool) -> Option<Process> {
        let mut processes = self.processes.clone();
        let find = |list: &ProcessList| list.iter().find(|known| known.number == process).cloned();
        let fits = |list: &ProcessList| find(list).is_none_or(|known| wanted(&known));
        // The channel closes when the supervisor is gone; what it said last stands.
        let found = processes.wait_for(fits).await.map(|list| find(&list));
        found.unwrap_or_else(|_| find(&self.processes.borrow()))
    }

    /// Waits until a process has ended.
    pub(crate) async fn ended(&self, process: u32) -> Option<Process> {
        self.until(process, |known| matches!(known.state, ProcessState::Ended { .. })).await
    }
}

/// What scripts get besides the environment of `run`, where the user has not decided otherwise. Nothing that forces colours
/// is among it: a script uses the output of other programs, too, as in `PORT=$(node -p …)`.
pub(crate) fn environment(get: impl Fn(&str) -> Option<OsString>) -> Vec<(&'static str, &'static str)> {
    let defaults = [
        // Vite, Next and others forward the console of the browser when an agent reads what they print.
        ("AI_AGENT", "brummer"),
        // Python keeps back what it prints to a pipe until it has some KiB.
        ("PYTHONUNBUFFERED", "1"),
    ];
    let mut environment: Vec<_> = defaults.into_iter().filter(|(name, _)| get(name).is_none()).collect();
    // `clear && vite` fails without one.
    if get("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
        environment.push(("TERM", "xterm-256color"));
    }
    environment
}

/// The numbers of processes that a name means: an id, or the name of a script; newest first.
pub(crate) fn named(processes: &[Process], name: &str) -> Vec<u32> {
    // `./packages/web/#dev` is `packages/web#dev`.
    let spelling = name
        .rsplit_once('#')
        .map(|(place, script)| format!("{}#{script}", place.trim_start_matches("./").trim_end_matches('/')));
    let name = spelling.as_deref().unwrap_or(name);
    let fits = |process: &&Process| {
        *process.id == *name || *process.name == *name || process.also.as_deref() == Some(name)
    };
    processes.iter().rev().filter(fits).map(|process| process.number).collect()
}

/// Names by number, for what is only known by its number.
pub(crate) fn names(processes: &[Process]) -> HashMap<u32, (Arc<str>, Arc<str>)> {
    processes.iter().map(|process| (process.number, (process.id.clone(), process.name.clone()))).collect()
}

/// The time, as it is shown.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &[(&str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        environment(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(*value)))
    }

    #[test]
    fn nothing_forces_colours() {
        let names: Vec<_> = with(&[]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["AI_AGENT", "PYTHONUNBUFFERED", "TERM"]);
    }

    #[test]
    fn what_the_user_has_decided_stays() {
        assert_eq!(with(&[("AI_AGENT", ""), ("PYTHONUNBUFFERED", "0"), ("TERM", "screen")]), []);
        let kept = with(&[("AI_AGENT", "other"), ("PYTHONUNBUFFERED", ""), ("TERM", "dumb")]);
        assert_eq!(kept, [("TERM", "xterm-256color")]);
    }
}
