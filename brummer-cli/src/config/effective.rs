//! What counts of all files together: the nearest wins, and what one file hides or switches off, no project's file undoes.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use brummer_hub::{
    policy::{Glob, InstanceRule},
    sources::SourceKind,
};

use super::{
    consent::Consent,
    files::{ConfigFile, FileState, written_path},
    parse::{Rule, Server},
};
use crate::clean;

/// Where something is said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    pub(crate) file: Arc<Path>,
    pub(crate) line: usize,
}

impl Origin {
    /// As compilers write it. The whole file has no line.
    pub(crate) fn text(&self) -> String {
        let file = clean::line(&self.file.to_string_lossy());
        if self.line == 0 { file } else { format!("{file}:{}", self.line) }
    }
}

/// What becomes of a server that a file declares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ServerState {
    Wanted,
    /// It is switched off where it is declared, or in a nearer file.
    Off(Origin),
    /// A nearer file declares another of the name.
    Replaced(Origin),
    /// Nobody has agreed to the file.
    NeedsConsent(Consent),
}

#[derive(Clone, Debug)]
pub(crate) struct DeclaredAt {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    pub(crate) server: Server,
    pub(crate) is_project: bool,
    pub(crate) state: ServerState,
}

/// A source that a file switches.
#[derive(Clone, Debug)]
pub(crate) struct SwitchedAt {
    pub(crate) kind: SourceKind,
    pub(crate) on: bool,
    pub(crate) origin: Origin,
}

/// What is said of instances, and where it counts.
#[derive(Clone, Debug)]
pub(crate) struct RuleAt {
    pub(crate) origin: Origin,
    pub(crate) rule: InstanceRule,
}

/// What counts.
#[derive(Debug, Default)]
pub(crate) struct Effective {
    pub(crate) servers: Vec<DeclaredAt>,
    pub(crate) rules: Vec<RuleAt>,
    pub(crate) sources: Vec<SwitchedAt>,
    pub(crate) problems: Vec<(Origin, String)>,
}

/// Puts files together, the outermost first.
pub(crate) fn effective(files: &[ConfigFile], consent: impl Fn(&ConfigFile) -> Consent) -> Effective {
    let mut all = Effective::default();
    let mut current: BTreeMap<&str, usize> = BTreeMap::new();
    let mut sources: BTreeMap<SourceKind, SwitchedAt> = BTreeMap::new();
    for file in files.iter().filter(|file| file.state != FileState::Absent) {
        let origin = |line| Origin { file: Arc::clone(&file.path), line };
        for (line, text) in &file.contents.problems {
            all.problems.push((origin(*line), text.clone()));
        }
        let consent = if file.needs_consent() { consent(file) } else { Consent::Given };
        for (name, server) in &file.contents.servers {
            let origin = origin(server.line);
            let state = if server.kind.is_some() && consent != Consent::Given {
                ServerState::NeedsConsent(consent)
            } else {
                let former = current.remove(name.as_str()).and_then(|at| all.servers.get_mut(at));
                if let Some(former) = former {
                    let by = origin.clone();
                    former.state =
                        if server.enabled { ServerState::Replaced(by) } else { ServerState::Off(by) };
                }
                if server.enabled {
                    current.insert(name, all.servers.len());
                    ServerState::Wanted
                } else {
                    ServerState::Off(origin.clone())
                }
            };
            let (name, server, is_project) = (name.clone(), server.clone(), file.is_project);
            all.servers.push(DeclaredAt { name, origin, server, is_project, state });
        }
        for rule in &file.contents.instances {
            match bound(file, rule) {
                Ok(bound) => all.rules.push(RuleAt { origin: origin(rule.line), rule: bound }),
                Err(text) => all.problems.push((origin(rule.line), text)),
            }
        }
        for (kind, (on, line)) in &file.contents.sources {
            let is_off = sources.get(kind).is_some_and(|former| !former.on);
            if !(file.is_project && *on && is_off) {
                sources.insert(*kind, SwitchedAt { kind: *kind, on: *on, origin: origin(*line) });
            }
        }
    }
    all.sources = sources.into_values().collect();
    all
}

/// A rule with the directories in which it counts. That of a project is about its own instances only.
fn bound(file: &ConfigFile, said: &Rule) -> Result<InstanceRule, String> {
    let mut rule = InstanceRule::new(said.called.clone());
    rule.name = said.name.as_deref().map(clean::line);
    rule.labels.clone_from(&said.labels);
    rule.tools = said.tools.clone();
    let directory = file.directory();
    let place = said.path.as_deref().map(|path| written_path(path, directory));
    let place = match place {
        Some(place) if file.is_project && !is_below(&place, directory) => {
            let why = "`path` leads out of the project; the file counts for its own directory only";
            return Err(why.to_owned());
        }
        Some(place) => Some(place),
        None => file.is_project.then(|| directory.to_owned()),
    };
    if let Some(place) = place {
        // Instances name their directory with or without links.
        rule.within.extend(place.canonicalize().ok().filter(|real| *real != place));
        rule.within.push(place);
    }
    Ok(rule)
}

fn is_below(place: &Path, directory: &Path) -> bool {
    let climbs = place.components().any(|part| part == std::path::Component::ParentDir);
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    !climbs && place.starts_with(directory) && real(place).starts_with(real(directory))
}

/// A pattern that fits one id only: ids have no characters that stand for others.
pub(crate) fn exactly(id: &str) -> Option<Glob> {
    Glob::new(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::parse;

    fn file(path: &str, is_project: bool, text: &str) -> ConfigFile {
        let contents = parse(text.as_bytes());
        assert_eq!(contents.problems, [], "{text}");
        ConfigFile {
            path: Path::new(path).into(),
            is_project,
            state: FileState::Read,
            hash: String::new(),
            contents,
        }
    }

    fn states(all: &Effective) -> Vec<(String, &'static str)> {
        let state = |server: &DeclaredAt| match server.state {
            ServerState::Wanted => "wanted",
            ServerState::Off(_) => "off",
            ServerState::Replaced(_) => "replaced",
            ServerState::NeedsConsent(_) => "needs consent",
        };
        all.servers.iter().map(|server| (server.origin.text(), state(server))).collect()
    }

    #[test]
    fn the_nearest_wins_once_it_is_agreed_to() {
        let user = "[servers.memory]\ncommand = \"m\"\n[servers.docs]\ncommand = \"d\"\n";
        let near = "[servers.memory]\ncommand = \"evil\"\n[servers.docs]\nenabled = false\n";
        let files = [file("/u.toml", false, user), file("/p/.brummer.toml", true, near)];
        let pairs = |pairs: [(&str, &'static str); 4]| pairs.map(|(at, state)| (at.to_owned(), state));
        assert_eq!(
            states(&effective(&files, |_| Consent::None)),
            // What starts nothing needs no consent.
            pairs([
                ("/u.toml:3", "off"),
                ("/u.toml:1", "wanted"),
                ("/p/.brummer.toml:3", "off"),
                ("/p/.brummer.toml:1", "needs consent"),
            ])
        );
        assert_eq!(states(&effective(&files, |_| Consent::Given))[1], ("/u.toml:1".to_owned(), "replaced"));
    }

    #[test]
    fn a_project_switches_sources_off_but_not_on() {
        let files = [
            file("/u.toml", false, "[sources]\nnext = false\nastro = true\n"),
            file("/p/.brummer.toml", true, "[sources]\nnext = true\nastro = false\nnuxt = true\n"),
        ];
        let all = effective(&files, |_| Consent::None);
        let on: Vec<_> = all.sources.iter().map(|it| (it.kind, it.on, it.origin.line)).collect();
        assert_eq!(
            on,
            [(SourceKind::Next, false, 2), (SourceKind::Nuxt, true, 4), (SourceKind::Astro, false, 3)]
        );
    }

    #[test]
    fn a_projects_rules_are_about_its_own_instances() {
        let said = "[instances.\"*\"]\nname = \"x\"\n[instances.a]\npath = \"web\"\n[instances.b]\npath = \"../other\"\n\
                    [instances.c]\npath = \"/\"\n";
        let project = tempfile::tempdir().unwrap();
        let path = project.path().join(".brummer.toml");
        let files = [file("/u.toml", false, said), file(path.to_str().unwrap(), true, said)];
        let all = effective(&files, |_| Consent::None);
        assert!(all.rules[0].rule.within.is_empty(), "the user's own is about all");
        let own: Vec<_> = all.rules.iter().filter(|rule| *rule.origin.file == *path).collect();
        assert_eq!(own.len(), 2, "{all:?}");
        assert!(own.iter().all(|rule| {
            rule.rule.within.iter().all(|place| {
                place.starts_with(project.path()) || place.starts_with(project.path().canonicalize().unwrap())
            })
        }));
        assert_eq!(all.problems.iter().map(|(at, _)| at.line).collect::<Vec<_>>(), [5, 7]);
    }
}
