//! The project directory: its scripts, its package manager, its workspaces, and what other files declare.
//!
//! Nothing is kept: each question reads the files as they are now, so that an edit counts at once. Reading blocks; callers
//! in a runtime use [`read_aside`].

mod declared;
mod package;
mod package_manager;
mod workspaces;
mod worktree;

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use brummer_hub::discovery::open_regular;
use serde_json::{Map, Value};

pub(crate) use self::{declared::Declared, package_manager::PackageManager};
use crate::ports::expected;

/// A `package.json` larger than this is not one. The largest in use have some 100 KiB.
const MAX_PACKAGE_BYTES: u64 = 4 * 1024 * 1024;

/// What a project directory holds.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) directory: PathBuf,
    pub(crate) name: Option<String>,
    pub(crate) manager: PackageManager,
    /// What the choice of the package manager rests on.
    pub(crate) manager_reason: String,
    pub(crate) scripts: Vec<Script>,
    pub(crate) workspaces: Vec<Workspace>,
    /// Workspaces beyond the number that is read.
    pub(crate) more_workspaces: bool,
    /// Whether there is a `package.json`.
    pub(crate) is_package: bool,
    /// Commands of other files, and the one from the command line.
    pub(crate) declared: Vec<Declared>,
    /// Files that declare commands and cannot be read, with the reason.
    pub(crate) faults: Vec<String>,
    /// It is in a git worktree beside the main one.
    pub(crate) is_worktree: bool,
}

/// One entry of `scripts`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Script {
    pub(crate) name: String,
    /// What a shell runs for it.
    pub(crate) command: String,
}

/// A package within the project.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Workspace {
    pub(crate) name: String,
    /// Relative to the project, with slashes.
    pub(crate) path: String,
    pub(crate) scripts: Vec<Script>,
}

/// Why there is nothing to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    #[error("the directory {} does not exist; create it again, or end this run and start one elsewhere", .0.display())]
    Gone(PathBuf),
    #[error(
        "there is no package.json in {}, nor another file that declares commands, such as a Procfile or a Makefile",
        .0.display()
    )]
    NoPackage(PathBuf),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a valid package.json: {why}", path.display())]
    Invalid { path: PathBuf, why: String },
    #[error("there is no script `{name}`; {}", candidates(.known))]
    NoScript { name: String, known: Vec<String> },
}

/// How many names an error lists.
const MAX_CANDIDATES: usize = 20;

fn candidates(known: &[String]) -> String {
    if known.is_empty() {
        return "package.json has none, and no other file declares any".to_owned();
    }
    let more = known.len().saturating_sub(MAX_CANDIDATES);
    let listed =
        known.iter().take(MAX_CANDIDATES).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("there are {listed}{more}")
}

/// A script that was asked for, and where and how it runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Chosen {
    /// `dev`, or `web#dev` for one of a workspace: the same for every spelling.
    pub(crate) name: String,
    /// Another spelling of it, by the path of its workspace.
    pub(crate) also: Option<String>,
    /// The script's own name.
    pub(crate) script: String,
    pub(crate) command: String,
    pub(crate) directory: PathBuf,
    /// What another file than `package.json` declares.
    pub(crate) declared: Option<Declared>,
}

impl Project {
    /// Reads a project directory; `given` is a command from the command line. Blocking.
    pub(crate) fn read(directory: &Path, given: Option<&Declared>) -> Result<Self, ProjectError> {
        let (mut declared, faults) = declared::read(directory);
        declared.extend(given.cloned());
        let (package, is_package) = match package::read(directory) {
            Ok(package) => (package, true),
            Err(ProjectError::NoPackage(_)) if !declared.is_empty() => (Map::new(), false),
            Err(error) => return Err(error),
        };
        let (manager, manager_reason) = package_manager::detect(directory, &package);
        let (workspaces, more_workspaces) = workspaces::list(directory, &package);
        Ok(Self {
            directory: directory.to_owned(),
            name: package.get("name").and_then(Value::as_str).map(str::to_owned),
            manager,
            manager_reason,
            scripts: scripts(&package),
            workspaces,
            more_workspaces,
            is_package,
            declared,
            faults,
            is_worktree: worktree::is_linked(directory) && std::env::var_os("PORT").is_none(),
        })
    }

    /// The script of this name; `WORKSPACE#SCRIPT` for that of a workspace, by its name or path. The project itself is a
    /// workspace, too, by its name or as `.`.
    pub(crate) fn script(&self, name: &str) -> Result<Chosen, ProjectError> {
        let own = |wanted: &str| {
            let script = self.scripts.iter().find(|script| script.name == wanted)?;
            Some(Chosen {
                name: script.name.clone(),
                also: None,
                script: script.name.clone(),
                command: script.command.clone(),
                directory: self.directory.clone(),
                declared: None,
            })
        };
        if let Some(chosen) = own(name) {
            return Ok(chosen);
        }
        if let Some((place, wanted)) = name.rsplit_once('#') {
            let place = place.trim_start_matches("./").trim_end_matches('/');
            for workspace in self.workspaces.iter().filter(|it| it.name == place || it.path == place) {
                if let Some(script) = workspace.scripts.iter().find(|script| script.name == wanted) {
                    return Ok(Chosen {
                        name: format!("{}#{wanted}", self.name_of(workspace)),
                        also: Some(format!("{}#{wanted}", workspace.path)),
                        script: script.name.clone(),
                        command: script.command.clone(),
                        directory: self.directory.join(&workspace.path),
                        declared: None,
                    });
                }
            }
            if let Some(chosen) = own(wanted).filter(|_| place == "." || self.name.as_deref() == Some(place))
            {
                return Ok(chosen);
            }
        }
        if let Some(declared) = self.declared(name) {
            // Without the kind of its file, as long as nothing else has that name.
            let short = declared.name.split_once(':').map(|(_, short)| short.to_owned());
            let is_free = |short: &String| own(short).is_none() && self.declared(short) == Some(declared);
            return Ok(Chosen {
                name: declared.name.clone(),
                also: short.filter(is_free),
                script: declared.name.clone(),
                command: declared.command.clone(),
                directory: self.directory.join(&declared.directory),
                declared: Some(declared.clone()),
            });
        }
        Err(ProjectError::NoScript { name: name.to_owned(), known: self.script_names() })
    }

    /// A command of another file: by its whole name, or by what stands behind the kind of the file if no other has that.
    fn declared(&self, name: &str) -> Option<&Declared> {
        let short =
            |declared: &&Declared| declared.name.split_once(':').is_some_and(|(_, short)| short == name);
        let mut fitting = self.declared.iter().filter(short);
        let whole = self.declared.iter().find(|declared| declared.name == name);
        whole.or_else(|| fitting.next().filter(|_| fitting.next().is_none()))
    }

    /// What a workspace is called: its name, or its path if another one has that name.
    fn name_of<'a>(&self, workspace: &'a Workspace) -> &'a str {
        let is_unique = self.workspaces.iter().filter(|other| other.name == workspace.name).count() == 1;
        if is_unique { &workspace.name } else { &workspace.path }
    }

    /// The port that a script of a git worktree gets where none is asked for, so that it and those of the other worktrees
    /// can run at the same time. None for what starts several servers, which would all get the same, and for what has a
    /// port already.
    pub(crate) fn own_port(&self, chosen: &Chosen) -> Option<u16> {
        if !self.is_worktree || expected::is_runner(&chosen.command) || expected::is_given(&chosen.command) {
            return None;
        }
        Some(worktree::port(&chosen.directory, &chosen.script))
    }

    /// Every name that [`Project::script`] takes.
    pub(crate) fn script_names(&self) -> Vec<String> {
        let own = self.scripts.iter().map(|script| script.name.clone());
        let others = self.workspaces.iter().flat_map(|workspace| {
            workspace.scripts.iter().map(|script| format!("{}#{}", self.name_of(workspace), script.name))
        });
        let declared = self.declared.iter().map(|declared| declared.name.clone());
        own.chain(others).chain(declared).collect()
    }
}

/// [`Project::read`] off the runtime's threads.
pub(crate) async fn read_aside(
    directory: &Path,
    given: Option<&Arc<Declared>>,
) -> Result<Project, ProjectError> {
    let (wanted, given) = (directory.to_owned(), given.cloned());
    match tokio::task::spawn_blocking(move || Project::read(&wanted, given.as_deref())).await {
        Ok(project) => project,
        // The runtime is ending.
        Err(error) => Err(ProjectError::Read { path: directory.to_owned(), source: io::Error::other(error) }),
    }
}

/// What a file of a project says, up to so many bytes. Blocking.
pub(crate) fn text(file: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    open_regular(file)?.take(most).read_to_string(&mut text)?;
    Ok(text)
}

/// `scripts` of a `package.json`, in their order.
fn scripts(package: &Map<String, Value>) -> Vec<Script> {
    let scripts = package.get("scripts").and_then(Value::as_object);
    let entries = scripts.into_iter().flatten().filter_map(|(name, command)| {
        Some(Script { name: name.clone(), command: command.as_str()?.to_owned() })
    });
    entries.collect()
}

#[cfg(test)]
mod tests;
