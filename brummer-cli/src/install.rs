//! `install` and `uninstall`: the hub in the configurations of MCP clients, for all projects of the user.
//!
//! [`clients`] says what each client needs, [`plan`] decides, [`edit`] changes texts; this file and [`file`] touch the
//! disk.

mod clients;
mod edit;
mod entry;
mod file;
pub(crate) mod hub;
mod own;
mod plan;
mod report;
mod system;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use self::{
    clients::{CLIENTS, Client},
    edit::Spot,
    entry::{Entry, Launch},
    file::{ConfigFile, FileError},
    plan::{Plan, PlanError, State},
    report::Report,
    system::{Os, System},
};
use crate::{
    env,
    exit::{ExitStatus, Failure},
};

/// What is to be done with which clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Request {
    pub(crate) task: Task,
    /// Names as the user wrote them; none means all that are found.
    pub(crate) clients: Vec<String>,
    /// Shows what would be done instead.
    pub(crate) dry_run: bool,
    /// The directory of doorbell files that the clients' hubs are told.
    pub(crate) data_dir: Option<PathBuf>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Task {
    Install,
    Uninstall,
    List { json: bool },
}

/// Does it, and says of each client what became of it.
pub(crate) async fn run(request: Request) -> Result<ExitStatus, Failure> {
    let named = named(&request.clients)?;
    let machine = Machine::look()?;
    let variable = |name: &str| env::get(name).and_then(|value| value.into_string().ok());
    let system = System { os: Os::CURRENT, home: machine.home.clone(), variable: &variable };
    let mut report = Report::new(PathBuf::from(&machine.home));
    let targets: Vec<Target> = CLIENTS
        .iter()
        .filter(|client| named.is_empty() || named.iter().any(|named| named.id == client.id))
        .filter_map(|client| Target::find(client, &system, &machine.launch, request.data_dir.as_deref()))
        .collect();
    let wanted = |target: &Target| match request.task {
        // What was installed is taken back also where the client has gone.
        Task::Uninstall | Task::List { .. } => true,
        Task::Install => target.found || !named.is_empty(),
    };
    for target in targets.iter().filter(|target| wanted(target)) {
        match request.task {
            Task::List { .. } => report.list(target),
            Task::Install => target.install(request.dry_run, &mut report).await,
            Task::Uninstall => target.uninstall(request.dry_run, &mut report).await,
        }
    }
    report.print(&request, &named)
}

/// How a client stands to the hub.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Configured {
    Yes,
    No,
    /// With another program than `install` would write, or without an option that the client needs.
    Outdated,
    Off,
    /// The name is taken by another server.
    Foreign,
    Broken(String),
}

/// One client as it is found.
#[derive(Debug)]
pub(crate) struct ClientFound {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    /// Whether the client itself is there.
    pub(crate) found: bool,
    pub(crate) state: Configured,
    /// The entry of the hub.
    pub(crate) entry: Option<Value>,
}

/// All clients that are known, as they are on this machine.
pub(crate) fn survey(data_dir: Option<&Path>) -> Result<Vec<ClientFound>, Failure> {
    let machine = Machine::look()?;
    let variable = |name: &str| env::get(name).and_then(|value| value.into_string().ok());
    let system = System { os: Os::CURRENT, home: machine.home.clone(), variable: &variable };
    let targets =
        CLIENTS.iter().filter_map(|client| Target::find(client, &system, &machine.launch, data_dir));
    Ok(targets.map(Target::survey).collect())
}

/// The clients that are known: what each is called on the command line, and by people.
pub(crate) fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
    CLIENTS.iter().map(|client| (client.id, client.name))
}

/// Configures one client, and says nothing.
pub(crate) async fn configure(id: &str, data_dir: Option<&Path>) -> Result<(), Failure> {
    let machine = Machine::look()?;
    let variable = |name: &str| env::get(name).and_then(|value| value.into_string().ok());
    let system = System { os: Os::CURRENT, home: machine.home.clone(), variable: &variable };
    let client = clients::named(id).ok_or_else(|| Failure::new(format!("there is no client `{id}`")))?;
    let target = Target::find(client, &system, &machine.launch, data_dir)
        .ok_or_else(|| Failure::new(format!("there is no {} on this system", client.name)))?;
    let mut report = Report::new(PathBuf::from(&machine.home));
    target.install(false, &mut report).await;
    report.into_result()
}

/// The clients that the user has named.
fn named(names: &[String]) -> Result<Vec<&'static Client>, Failure> {
    names
        .iter()
        .map(|name| {
            clients::named(name).ok_or_else(|| {
                let known: Vec<&str> = CLIENTS.iter().map(|client| client.id).collect();
                Failure::new(format!("there is no client `{name}`"))
                    .hint(format!("the clients are {}", known.join(", ")))
                    .with_status(ExitStatus::Usage)
            })
        })
        .collect()
}

/// Whose machine it is, and which program the clients are to start.
#[derive(Debug)]
struct Machine {
    home: String,
    launch: Launch,
}

impl Machine {
    fn look() -> Result<Self, Failure> {
        let home = std::env::home_dir()
            .filter(|home| home.is_absolute())
            .and_then(|home| home.into_os_string().into_string().ok())
            .ok_or_else(|| Failure::new("the home directory is not known").hint("set HOME"))?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::new(format!("the path of this program is not known: {error}")))?;
        // A package manager's own path has a version in it; the one in PATH stays.
        let stable = which::which_all(entry::NAME)
            .into_iter()
            .flatten()
            .find(|found| found.is_absolute() && same_file(found, &program));
        Ok(Self { home, launch: Launch::of(&stable.unwrap_or(program), Os::CURRENT) })
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Whether it is there. An empty directory may be what `uninstall` has left.
fn is_used(sign: &Path) -> bool {
    sign.read_dir().map_or_else(|_| sign.exists(), |mut entries| entries.next().is_some())
}

/// One client on this machine.
#[derive(Debug)]
struct Target {
    client: &'static Client,
    found: bool,
    path: PathBuf,
    /// Its own command, where it has one that is used and found.
    own: Option<PathBuf>,
    entry: Entry,
    spot: Spot,
}

impl Target {
    /// Looks for it. `None` for a client that has no configuration on this system.
    fn find(
        client: &'static Client,
        system: &System<'_>,
        launch: &Launch,
        data_dir: Option<&Path>,
    ) -> Option<Self> {
        let files: Vec<PathBuf> = client.files.iter().filter_map(|place| system.resolve(*place)).collect();
        let asked_for = client.files.iter().find_map(|place| system.asked_for(*place));
        let there = || files.iter().find(|path| path.symlink_metadata().is_ok()).or(files.first()).cloned();
        let path = asked_for.or_else(there)?;
        let found = client.signs.iter().filter_map(|place| system.resolve(*place)).any(|sign| is_used(&sign))
            || client.programs.iter().any(|program| which::which(program).is_ok());
        let own = client.own.as_ref().and_then(|own| which::which(own.program).ok());
        let entry = Entry::new(client.shape, launch.for_client(client, data_dir));
        Some(Self { client, found, path, own, entry, spot: Spot::of(client) })
    }

    fn open(&self) -> Result<ConfigFile, FileError> {
        ConfigFile::open(&self.path)
    }

    /// What is there of the entry now.
    fn state(&self) -> State {
        match self.open() {
            Ok(file) => plan::state(self.spot, &self.entry, file.text().unwrap_or_default()),
            Err(error) => State::Unreadable(error.to_string()),
        }
    }

    fn survey(self) -> ClientFound {
        let state = match self.state() {
            State::Current => Configured::Yes,
            State::Missing => Configured::No,
            State::Outdated => Configured::Outdated,
            State::Off => Configured::Off,
            State::Foreign => Configured::Foreign,
            State::Unreadable(why) => Configured::Broken(why),
        };
        let entry = self.open().ok().and_then(|file| self.spot.read(file.text()?).ok().flatten());
        let Client { id, name, .. } = self.client;
        ClientFound { id, name, path: self.path, found: self.found, state, entry }
    }

    async fn install(&self, dry_run: bool, report: &mut Report) {
        let file = match self.open() {
            Ok(file) => file,
            Err(error) => return report.refused(self, &error, Some(&self.snippet())),
        };
        let present = file.text().and_then(|text| self.spot.read(text).ok().flatten());
        let options = present.as_ref().map_or_else(Vec::new, |present| self.entry.own_options(present));
        let (text, backup) = match plan::install(self.spot, &self.entry, file.text(), file.backup()) {
            Ok(Plan::Write { text, backup }) => (text, backup),
            Ok(_) => return report.kept(self, &self.state(), &options),
            Err(error @ PlanError::Foreign) => return report.refused(self, &error, None),
            Err(error) => return report.refused(self, &error, Some(&self.snippet())),
        };
        // These commands write an entry anew, without what the user has set in it.
        let own = self.own.as_deref().zip(self.client.own.as_ref()).filter(|_| present.is_none());
        let words = own.map(|(_, own)| own::add(own, self.entry.launch()));
        if dry_run {
            let old = file.text().unwrap_or_default();
            return report.would(self, words.as_deref(), &options, old, &text);
        }
        if backup && let Err(error) = file.back_up() {
            return report.refused(self, &error, Some(&self.snippet()));
        }
        let backup = backup.then(|| file.backup_path());
        if let (Some((program, _)), Some(words)) = (own, &words) {
            if own::run(program, words).await && self.state() == State::Current {
                return report.done(self, Some(words), &options, backup);
            }
            tracing::debug!("{} has not done it; its file is written instead", program.display());
        }
        // Its own command may have written into the file before it failed.
        match self.write_anew() {
            Ok(()) => report.done(self, None, &options, backup),
            Err(error) => report.refused(self, &error, Some(&self.snippet())),
        }
    }

    fn write_anew(&self) -> Result<(), Failure> {
        let file = self.open()?;
        match plan::install(self.spot, &self.entry, file.text(), file.backup())? {
            Plan::Write { text, .. } => Ok(file.write(&text)?),
            _ => Ok(()),
        }
    }

    async fn uninstall(&self, dry_run: bool, report: &mut Report) {
        let file = match self.open() {
            Ok(file) => file,
            Err(error) => return report.refused(self, &error, None),
        };
        let plan = match plan::uninstall(self.spot, file.text(), file.backup()) {
            Ok(Plan::Keep(state)) => return report.kept(self, &state, &[]),
            Ok(plan) => plan,
            Err(error) => return report.refused(self, &error, None),
        };
        let new = match &plan {
            Plan::Write { text, .. } | Plan::Restore { text } => text.as_str(),
            Plan::Remove | Plan::Keep(_) => "",
        };
        if dry_run {
            return report.would(self, None, &[], file.text().unwrap_or_default(), new);
        }
        let done = match plan {
            Plan::Remove => file.remove().and_then(|()| file.drop_backup()),
            Plan::Write { backup: true, .. } => file.back_up().and_then(|()| file.write(new)),
            _ => file.write(new).and_then(|()| file.drop_backup()),
        };
        let backup = matches!(plan, Plan::Write { backup: true, .. }).then(|| file.backup_path());
        match done {
            Ok(()) => report.undone(self, backup),
            Err(error) => report.refused(self, &error, None),
        }
    }

    /// What to add by hand.
    fn snippet(&self) -> String {
        let entry = match self.entry.over(None) {
            Value::Object(entry) => entry,
            _ => Map::new(),
        };
        self.spot.snippet(&entry)
    }
}
