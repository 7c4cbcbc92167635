//! The project directory: its scripts, its package manager and its workspaces.
//!
//! Nothing is kept: each question reads the files as they are now, so that an edit counts at once. Reading blocks; callers
//! in a runtime use [`read_aside`].

mod package;
mod package_manager;
mod workspaces;
mod worktree;

use std::{
    io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

pub(crate) use self::package_manager::PackageManager;
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
    #[error("there is no package.json in {}", .0.display())]
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
        return "package.json has none".to_owned();
    }
    let more = known.len().saturating_sub(MAX_CANDIDATES);
    let listed =
        known.iter().take(MAX_CANDIDATES).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("there are {listed}{more}")
}

/// A script that was asked for, and where it runs.
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
}

impl Project {
    /// Reads a project directory. Blocking.
    pub(crate) fn read(directory: &Path) -> Result<Self, ProjectError> {
        let package = package::read(directory)?;
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
                    });
                }
            }
            if let Some(chosen) = own(wanted).filter(|_| place == "." || self.name.as_deref() == Some(place))
            {
                return Ok(chosen);
            }
        }
        Err(ProjectError::NoScript { name: name.to_owned(), known: self.script_names() })
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
        own.chain(others).collect()
    }
}

/// [`Project::read`] off the runtime's threads.
pub(crate) async fn read_aside(directory: &Path) -> Result<Project, ProjectError> {
    let wanted = directory.to_owned();
    match tokio::task::spawn_blocking(move || Project::read(&wanted)).await {
        Ok(project) => project,
        // The runtime is ending.
        Err(error) => Err(ProjectError::Read { path: directory.to_owned(), source: io::Error::other(error) }),
    }
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
