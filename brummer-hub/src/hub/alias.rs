//! Short names: derived from the project, unique among the living, the same after a restart.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{doorbell::Doorbell, instance::Generation};

/// `[a-z][a-z0-9-]{0,15}`: room for `<alias>__<tool>` in the 64 characters that clients allow.
const LONGEST: usize = 16;

/// Projects whose aliases are remembered after they have ended: twice what can live at once.
const REMEMBERED: usize = 2048;

/// What stays the same when an instance restarts.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Project {
    path: PathBuf,
    name: String,
}

impl Project {
    pub(super) fn of(doorbell: &Doorbell) -> Self {
        Self { path: doorbell.path.clone(), name: doorbell.name.clone() }
    }
}

#[derive(Debug)]
struct Memory {
    alias: Arc<str>,
    /// Lives of it that last. Only what has none may be forgotten.
    living: usize,
    /// The last life that began: the project with the lowest one is forgotten first.
    last: Generation,
}

/// Gives aliases and takes them back.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    living: BTreeMap<Generation, (Project, Arc<str>)>,
    memory: HashMap<Project, Memory>,
    /// Every alias that somebody has.
    held: HashSet<Arc<str>>,
    /// Every alias that a project gets again when it restarts.
    reserved: HashSet<Arc<str>>,
    /// Where the search for a free number begins. All below are taken; cleared when one becomes free.
    hints: HashMap<String, u64>,
}

impl Aliases {
    /// Whether a life of the project lasts.
    pub(super) fn is_living(&self, project: &Project) -> bool {
        self.memory.get(project).is_some_and(|memory| memory.living > 0)
    }

    /// The alias of a new life of a project.
    pub(super) fn give(&mut self, project: Project, generation: Generation) -> Arc<str> {
        let remembered = self.memory.get(&project).map(|memory| Arc::clone(&memory.alias));
        let alias = match remembered {
            Some(alias) if !self.held.contains(&alias) => alias,
            _ => self.fresh(slug(&project)),
        };
        if let Some(memory) = self.memory.get_mut(&project) {
            memory.last = generation;
            memory.living += 1;
        } else {
            self.make_room();
            self.reserved.insert(Arc::clone(&alias));
            let memory = Memory { alias: Arc::clone(&alias), living: 1, last: generation };
            self.memory.insert(project.clone(), memory);
        }
        self.held.insert(Arc::clone(&alias));
        self.living.insert(generation, (project, Arc::clone(&alias)));
        alias
    }

    /// Takes the alias of a life that has ended. When another life of the same project had to take a second choice
    /// because of it, that one gets the alias: both are returned.
    pub(super) fn take(&mut self, generation: Generation) -> Option<(Generation, Arc<str>)> {
        let (project, alias) = self.living.remove(&generation)?;
        self.held.remove(&alias);
        let memory = self.memory.get_mut(&project)?;
        memory.living -= 1;
        if memory.alias != alias {
            self.hints.clear();
            return None;
        }
        if memory.living == 0 {
            return None;
        }
        let (heir, (_, second)) = self.living.iter_mut().find(|(_, (other, _))| *other == project)?;
        self.held.remove(second);
        self.held.insert(Arc::clone(&alias));
        self.hints.clear();
        second.clone_from(&alias);
        Some((*heir, alias))
    }

    /// The first of `web`, `web-2`, `web-3`… that nobody has or had.
    fn fresh(&mut self, base: String) -> Arc<str> {
        let mut number = self.hints.get(&base).copied().unwrap_or(1);
        // Ends, because there are more numbers than aliases that can be held or reserved.
        let alias = loop {
            let alias = numbered(&base, number);
            if !self.held.contains(&*alias) && !self.reserved.contains(&*alias) {
                break Arc::from(alias);
            }
            number += 1;
        };
        if self.hints.len() >= REMEMBERED {
            self.hints.clear();
        }
        self.hints.insert(base, number);
        alias
    }

    fn make_room(&mut self) {
        if self.memory.len() < REMEMBERED {
            return;
        }
        let idle = self.memory.iter().filter(|(_, memory)| memory.living == 0);
        if let Some(oldest) = idle.min_by_key(|(_, memory)| memory.last).map(|(project, _)| project.clone())
            && let Some(memory) = self.memory.remove(&oldest)
        {
            self.reserved.remove(&memory.alias);
            self.hints.clear();
        }
    }
}

fn numbered(base: &str, number: u64) -> String {
    if number == 1 {
        return base.to_owned();
    }
    let suffix = format!("-{number}");
    let kept = base[..base.len().min(LONGEST.saturating_sub(suffix.len()))].trim_end_matches('-');
    format!("{kept}{suffix}")
}

/// The plain alias: the name in lower case with everything else than letters and digits as hyphens; failing that the
/// directory; failing that `instance`.
fn slug(project: &Project) -> String {
    slug_of(&project.name)
        .or_else(|| slug_of(&directory(&project.path)))
        .unwrap_or_else(|| "instance".to_owned())
}

fn directory(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn slug_of(text: &str) -> Option<String> {
    let mut slug = String::with_capacity(LONGEST);
    for character in text.chars() {
        if slug.len() == LONGEST {
            break;
        }
        if character.is_ascii_alphanumeric() {
            if slug.is_empty() && character.is_ascii_digit() {
                slug.push_str("i-");
            }
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    (!slug.is_empty()).then_some(slug)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn project(path: &str, name: &str) -> Project {
        Project { path: PathBuf::from(path), name: name.to_owned() }
    }

    fn is_valid(alias: &str) -> bool {
        (1..=LONGEST).contains(&alias.len())
            && alias.starts_with(|first: char| first.is_ascii_lowercase())
            && alias.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '-')
    }

    #[test]
    fn is_derived_from_the_name_or_the_directory() {
        for (path, name, alias) in [
            ("/p/shop", "Web Shop", "web-shop"),
            ("/p/shop", "@acme/web", "acme-web"),
            ("/p/shop", "3d", "i-3d"),
            ("/p/shop", "проект", "shop"),
            ("/p/shop", "", "shop"),
            ("/", "", "instance"),
            ("/p", "a-very-long-name-indeed", "a-very-long-name"),
            ("/p", "a-very-long-nam-indeed", "a-very-long-nam"),
        ] {
            assert_eq!(slug(&project(path, name)), alias);
        }
    }

    #[test]
    fn is_numbered_when_taken() {
        let mut aliases = Aliases::default();
        assert_eq!(&*aliases.give(project("/a", "web"), Generation(1)), "web");
        assert_eq!(&*aliases.give(project("/b", "web"), Generation(2)), "web-2");
        assert_eq!(numbered("a-very-long-name", 2), "a-very-long-na-2");
        assert_eq!(numbered("a-very-long-name", 123), "a-very-long-123");
    }

    #[test]
    fn survives_a_restart() {
        let mut aliases = Aliases::default();
        aliases.give(project("/a", "web"), Generation(1));
        aliases.give(project("/b", "web"), Generation(2));
        aliases.take(Generation(1));
        aliases.take(Generation(2));
        assert_eq!(&*aliases.give(project("/b", "web"), Generation(3)), "web-2");
        assert_eq!(&*aliases.give(project("/a", "web"), Generation(4)), "web");
        assert_eq!(&*aliases.give(project("/c", "web"), Generation(5)), "web-3");
    }

    #[test]
    fn passes_to_the_successor_that_overlapped() {
        let mut aliases = Aliases::default();
        aliases.give(project("/a", "web"), Generation(1));
        assert_eq!(&*aliases.give(project("/a", "web"), Generation(2)), "web-2");
        assert_eq!(aliases.take(Generation(1)), Some((Generation(2), Arc::from("web"))));
        assert_eq!(aliases.take(Generation(2)), None);
        assert_eq!(&*aliases.give(project("/a", "web"), Generation(3)), "web");
    }

    #[test]
    fn a_number_that_is_free_again_is_used_again() {
        let mut aliases = Aliases::default();
        for life in 1..100 {
            aliases.give(project("/a", "web"), Generation(life));
            let second = aliases.give(project("/a", "web"), Generation(life + 1_000));
            assert_eq!(&*second, "web-2");
            aliases.take(Generation(life));
            aliases.take(Generation(life + 1_000));
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut aliases = Aliases::default();
        for number in 0..3_000_u64 {
            aliases.give(project(&format!("/{number}"), &format!("n{number}")), Generation(number));
            aliases.take(Generation(number));
        }
        assert_eq!(aliases.memory.len(), REMEMBERED);
        assert_eq!(aliases.reserved.len(), REMEMBERED);
        assert!(aliases.held.is_empty() && aliases.hints.len() <= REMEMBERED);
    }

    proptest! {
        #[test]
        fn is_always_valid_and_unique(
            lives in proptest::collection::vec((".{0,20}", 0_u8..3, any::<prop::sample::Index>(), any::<bool>()), 1..60)
        ) {
            let mut aliases = Aliases::default();
            let mut generations = Vec::new();
            for (number, (name, path, victim, ends)) in lives.into_iter().enumerate() {
                let generation = Generation(u64::try_from(number).unwrap());
                let alias = aliases.give(project(&format!("/{path}"), &name), generation);
                prop_assert!(is_valid(&alias), "{}", alias);
                generations.push(generation);
                if ends {
                    aliases.take(generations.swap_remove(victim.index(generations.len())));
                }
                let held: HashSet<_> = aliases.living.values().map(|(_, alias)| alias).collect();
                prop_assert_eq!(held.len(), generations.len());
                prop_assert_eq!(held, aliases.held.iter().collect());
            }
        }
    }
}
