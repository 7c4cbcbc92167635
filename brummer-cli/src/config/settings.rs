//! From what counts to what a hub is told, and which servers are to be started for it.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use brummer_hub::{
    HubConfig,
    declared::DeclaredServer,
    discovery::Directories,
    doorbell::{Doorbell, InstanceId, Secret},
    policy::{InstanceRule, Policy},
    sources::{SourceChoice, SourceKind},
    stdio_instance::Sharing,
};
use sha2::{Digest as _, Sha256};

use super::{
    Loaded, Origin, ServerState,
    effective::{DeclaredAt, exactly},
    files::{hex, written_path},
    parse::{Http, ServerKind, Stdio},
};
use crate::{args::Idle, clean};

/// How long a server that is started for hubs stays when none needs it, unless the file says.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// A server that speaks over stdio and is to be there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    /// The same for all hubs that want the same.
    pub(crate) id: InstanceId,
    pub(crate) name: String,
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<String>,
    /// What it gets of this process's environment, beside what every program needs.
    pub(crate) environment: BTreeMap<String, OsString>,
    /// The project's file that declares it, whose consent it needs.
    pub(crate) project_file: Option<PathBuf>,
    /// Where it is started.
    pub(crate) directory: PathBuf,
    /// The project that it belongs to.
    pub(crate) path: PathBuf,
    pub(crate) sharing: Sharing,
    /// `None`: for ever.
    pub(crate) idle: Option<Duration>,
}

/// Servers and rules as a hub takes them.
#[derive(Debug, Default)]
struct Settings {
    policy: Policy,
    wanted: Vec<Wanted>,
    declared: Vec<DeclaredServer>,
    /// Why servers cannot be there.
    troubles: Vec<(Origin, String)>,
}

impl Loaded {
    /// What keeps servers from being there that are wanted, as one line for each: it depends on where this runs.
    pub(crate) fn troubles(&self, directories: &Directories) -> Vec<(Origin, String)> {
        self.settings(directories).troubles
    }

    /// Tells a hub what the files say. `starts`: servers that speak over stdio are going to be started for it; these.
    pub(crate) fn apply(&self, hub: &mut HubConfig, starts: bool) -> Vec<Wanted> {
        let Settings { policy, mut wanted, declared, troubles } = self.settings(&hub.directories);
        self.switch(hub);
        let mut notices: Vec<String> = self.problems().collect();
        for (file, _) in self.undecided() {
            notices.push(format!(
                "{} declares servers that are not started before you agree: `brummer-hub config trust`",
                clean::line(&file.path.to_string_lossy())
            ));
        }
        notices.extend(troubles.iter().map(|(origin, text)| format!("{}: {text}", origin.text())));
        // What the hub does not list is not to be started for it.
        if let Some(only) = &hub.only {
            let labels = |server: &Wanted| {
                let mut doorbell = Doorbell::new(server.id.clone(), 1, &server.path, 1);
                doorbell.name.clone_from(&server.name);
                doorbell.labels.insert("transport".to_owned(), "stdio".to_owned());
                policy.labels(&doorbell)
            };
            wanted.retain(|server| only.fits(&labels(server)));
        }
        hub.policy = policy.into();
        hub.declared = declared;
        if starts {
            hub.expected = wanted.iter().map(|server| server.id.clone()).collect();
        }
        hub.notices = notices;
        wanted
    }

    fn settings(&self, directories: &Directories) -> Settings {
        let mut all = Settings::default();
        all.policy.rules = self.effective.rules.iter().map(|rule| rule.rule.clone()).collect();
        for at in self.effective.servers.iter().filter(|it| it.state == ServerState::Wanted) {
            let told = match &at.server.kind {
                Some(ServerKind::Stdio(stdio)) => stdio_server(at, stdio, directories).map(|server| {
                    let id = server.id.clone();
                    all.wanted.push(server);
                    id
                }),
                Some(ServerKind::Http(http)) => http_server(at, http).map(|server| {
                    let id = server.id.clone();
                    all.declared.push(server);
                    id
                }),
                None => continue,
            };
            match told {
                Ok(id) => say(&mut all.policy, at, id),
                Err(why) => all.troubles.push((at.origin.clone(), format!("server `{}`: {why}", at.name))),
            }
        }
        all
    }

    /// Sources are those of the command line, if it names any.
    fn switch(&self, hub: &mut HubConfig) {
        let switched = &self.effective.sources;
        if hub.sources.choice != SourceChoice::Auto || switched.is_empty() {
            return;
        }
        let is_apart = hub.directories.watched.len() == 1;
        let is_on = |kind: &SourceKind| {
            let is_read = !is_apart || *kind == SourceKind::Run;
            switched.iter().find(|it| it.kind == *kind).map_or(is_read, |switched| switched.on)
        };
        hub.sources.choice = SourceChoice::Only(SourceKind::SWITCHABLE.into_iter().filter(is_on).collect());
    }
}

/// A program that is written as a path begins where the file is; others are looked for in `PATH`.
pub(super) fn program_of(command: &str, base: &Path) -> OsString {
    let is_path = command.contains(std::path::is_separator) || command.starts_with('~');
    if is_path { written_path(command, base).into() } else { OsString::from(command) }
}

fn stdio_server(declared: &DeclaredAt, stdio: &Stdio, directories: &Directories) -> Result<Wanted, String> {
    let base = declared.origin.file.parent().unwrap_or(Path::new("/"));
    let mut environment = BTreeMap::new();
    for name in &stdio.env {
        let value =
            std::env::var_os(name).ok_or_else(|| format!("the environment variable `{name}` is not set"))?;
        environment.insert(name.clone(), value);
    }
    let home = std::env::home_dir();
    let directory = match (&stdio.cwd, home) {
        (Some(cwd), _) => written_path(cwd, base),
        (None, Some(home)) if !declared.is_project => home,
        (None, _) => base.to_owned(),
    };
    if !directory.is_dir() {
        return Err(format!("there is no directory {}", clean::line(&directory.to_string_lossy())));
    }
    let program = program_of(&stdio.command, base);
    // What belongs to no project lies in no directory in which somebody works.
    let path = match (&stdio.cwd, declared.is_project) {
        (_, true) => base.to_owned(),
        (Some(_), false) => directory.clone(),
        (None, false) => directories.data.join("servers"),
    };
    let arguments = stdio.args.clone();
    let mut identity = Sha256::new();
    let mut add = |word: &[u8]| {
        identity.update((word.len() as u64).to_le_bytes());
        identity.update(word);
    };
    for word in
        [declared.name.as_bytes(), program.as_encoded_bytes(), directory.as_os_str().as_encoded_bytes()]
    {
        add(word);
    }
    add(path.as_os_str().as_encoded_bytes());
    add(stdio.sharing.name().as_bytes());
    add(&(arguments.len() as u64).to_le_bytes());
    arguments.iter().for_each(|argument| add(argument.as_bytes()));
    for (name, value) in &environment {
        add(name.as_bytes());
        add(value.as_encoded_bytes());
    }
    Ok(Wanted {
        id: id_of(&declared.name, identity)?,
        name: declared.name.clone(),
        program,
        arguments,
        environment,
        project_file: declared.is_project.then(|| declared.origin.file.to_path_buf()),
        directory,
        path,
        sharing: stdio.sharing,
        idle: match stdio.idle {
            None => Some(IDLE),
            Some(Idle::After(idle)) => Some(idle),
            Some(Idle::Never) => None,
        },
    })
}

/// Says of a server what its entry says.
fn say(policy: &mut Policy, declared: &DeclaredAt, id: InstanceId) {
    if let Some(called) = exactly(id.as_str()) {
        let mut rule = InstanceRule::new(called);
        rule.labels.clone_from(&declared.server.labels);
        rule.tools = declared.server.tools.clone();
        policy.rules.push(rule);
    }
    if !declared.is_project {
        policy.everywhere.insert(id);
    }
}

fn http_server(declared: &DeclaredAt, http: &Http) -> Result<DeclaredServer, String> {
    let mut identity = Sha256::new();
    identity.update(declared.origin.file.as_os_str().as_encoded_bytes());
    identity.update([0]);
    identity.update(&declared.name);
    let id = id_of(&declared.name, identity)?;
    let file = declared.origin.file.to_path_buf();
    let mut server =
        DeclaredServer::new(id, &declared.name, &http.url, file).map_err(|error| error.to_string())?;
    let value = |name: &str| {
        let value =
            std::env::var(name).map_err(|_| format!("the environment variable `{name}` is not set"))?;
        Secret::new(&value).map_err(|why| format!("the value of `{name}` cannot be sent: {why}"))
    };
    server.token = http.token.as_deref().map(value).transpose()?;
    for (header, name) in &http.headers {
        server.headers.insert(header.to_ascii_lowercase(), value(name)?);
    }
    server.check().map_err(|error| error.to_string())?;
    Ok(server)
}

/// The name, and a few letters of what makes it another server than others of the name.
fn id_of(name: &str, identity: Sha256) -> Result<InstanceId, String> {
    let hash = hex(&identity.finalize()[..6]);
    InstanceId::parse(&format!("{name}-{hash}")).map_err(|error| error.to_string())
}
