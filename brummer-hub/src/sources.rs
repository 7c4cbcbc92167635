//! What other tools leave behind of what they run: registries in the home directory, lock files in projects, open ports.
//!
//! ```text
//!  notify's thread ──try_send──▶ signals (bounded) ─▶ scouting thread ──Ring──────▶ the hub: records with an MCP server
//!  hub, sessions ──directories──▶        ▲                  └──────────Sighting──▶ surveyor: dev servers ──watch──▶ the hub
//! ```
//!
//! A [`Source`] is one tool: it says where its traces lie, and reads one of them (a pure function). The scouting thread owns
//! what is known of these files, and is the only one that reads them; nothing is ever written or deleted. Where a tool leaves
//! no trace but an open port, the system is asked who listens on which ([`ports`]); nothing is sent to any. The surveyor's
//! task owns the dev servers: one is listed when the system says that the process which the record names listens on its
//! port, and until that process ends. Records with an MCP server go the way of doorbells, with the same evidence.

mod apps;
mod astro;
mod copilot;
mod devframe;
mod framework;
mod gemini;
mod jetbrains;
pub(crate) mod kind;
mod next;
mod nuxt;
mod places;
mod portless;
mod ports;
mod record;
mod run;
mod scout;
mod servers;
mod storybook;
mod tidewave;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

pub use kind::SourceKind;
pub(crate) use record::Sighting;
pub use run::{ScriptServer, ScriptServers};
pub(crate) use scout::{Orders, Projects, Scout};
pub use servers::DevServer;
pub(crate) use servers::{Servers, Surveyor};

use self::record::{Reading, Unfit};

impl SourceKind {
    fn source(self) -> Option<&'static dyn Source> {
        match self {
            Self::Doorbell | Self::Config | Self::Apps | Self::Ports | Self::Tidewave => None,
            Self::Devframe => Some(&devframe::Devframe),
            Self::Storybook => Some(&storybook::Storybook),
            Self::Next => Some(&next::Next),
            Self::Nuxt => Some(&nuxt::Nuxt),
            Self::Astro => Some(&astro::Astro),
            Self::Portless => Some(&portless::Portless),
            Self::JetBrains => Some(&jetbrains::JetBrains),
            Self::Gemini => Some(&gemini::Gemini),
            Self::Copilot => Some(&copilot::Copilot),
            Self::Run => Some(&run::Run),
        }
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SourceKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::SWITCHABLE.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Self::SWITCHABLE.map(Self::name).join(", ");
            format!("`{}` is not a source; the sources are {names}", crate::terminal::clean_line(text))
        })
    }
}

/// Which sources are read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum SourceChoice {
    /// All; but only [`SourceKind::Run`] when doorbells are looked for in one directory only (`BRUMMER_DATA_DIR`,
    /// [`Directories::only`](crate::discovery::Directories::only)), which is done to be apart from everything else.
    #[default]
    Auto,
    /// These.
    Only(Vec<SourceKind>),
}

impl FromStr for SourceChoice {
    type Err = String;

    /// `all`, `none`, or names separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::Only(SourceKind::SWITCHABLE.to_vec())),
            "none" => Ok(Self::Only(Vec::new())),
            names => {
                names.split(',').map(|name| name.trim().parse()).collect::<Result<_, _>>().map(Self::Only)
            }
        }
    }
}

/// What a hub is told of sources.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SourceOptions {
    /// Which are read.
    pub choice: SourceChoice,
    /// Directories in which lock files are looked for from the start, beside those of instances and of clients.
    pub projects: Vec<PathBuf>,
    /// The home directory below which registries lie; none for that of the user.
    pub home: Option<PathBuf>,
    /// The directory for temporary files, in which some registries lie; none for that of the system.
    pub temporary: Option<PathBuf>,
}

impl SourceChoice {
    /// The sources that are read, when doorbells are looked for in one directory only or not.
    pub(crate) fn enabled(&self, is_apart: bool) -> Vec<SourceKind> {
        match self {
            Self::Auto if is_apart => vec![SourceKind::Run],
            Self::Auto => SourceKind::SWITCHABLE.to_vec(),
            Self::Only(kinds) => kinds.clone(),
        }
    }
}

/// One tool that leaves traces.
trait Source: Sync {
    /// Directories whose files are its traces, whatever project they are of.
    fn registries(&self, _user: &UserDirectories<'_>) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Whether a file of a registry is a trace, by its name. Hidden ones never are: they are temporary.
    fn is_trace(&self, name: &str) -> bool {
        name.ends_with(".json")
    }

    /// Where below a project its trace lies.
    fn in_project(&self) -> &'static [&'static str] {
        &[]
    }

    /// What a trace says. Pure: the system is asked later whether it is true.
    fn read(&self, trace: &Trace<'_>) -> Result<Reading, Unfit>;
}

/// What the places of registries depend on.
struct UserDirectories<'a> {
    /// The `brummer` directory.
    data: &'a Path,
    home: Option<&'a Path>,
    temporary: Option<&'a Path>,
    variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl UserDirectories<'_> {
    fn below_home(&self, path: &str) -> Option<PathBuf> {
        self.home.map(|home| home.join(path))
    }

    /// A directory that a variable names; a relative one would be another for each process.
    fn named_by(&self, variable: &str) -> Option<PathBuf> {
        (self.variable)(variable).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Where programs keep their settings. The variable may be missing where a client has started the hub.
    fn settings(&self) -> Vec<PathBuf> {
        if cfg!(target_os = "macos") {
            return self.below_home("Library/Application Support").into_iter().collect();
        }
        let (variable, usual) =
            if cfg!(windows) { ("APPDATA", "AppData/Roaming") } else { ("XDG_CONFIG_HOME", ".config") };
        let mut all: Vec<_> = self.below_home(usual).into_iter().chain(self.named_by(variable)).collect();
        all.dedup();
        all
    }

    /// Where programs keep what they need for a while only.
    fn temporaries(&self) -> Vec<PathBuf> {
        if let Some(given) = self.temporary {
            return vec![given.to_owned()];
        }
        let mut all = vec![std::env::temp_dir()];
        // Where a program without `TMPDIR` writes, when the hub has one.
        if cfg!(unix) {
            all.push(PathBuf::from("/tmp"));
        }
        all.dedup();
        all
    }
}

/// One file of a source.
struct Trace<'a> {
    /// The project directory, for a file that lies in one.
    project: Option<&'a Path>,
    /// The file's name.
    name: &'a str,
    contents: &'a [u8],
    /// The contents of another file in the same directory, which belongs to it.
    beside: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    /// The project in which the hub's client works, for servers of several projects that want to be told.
    working: Option<&'a Path>,
}
