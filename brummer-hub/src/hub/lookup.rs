//! Finding instances in a [`Snapshot`].

use std::path::Path;

use super::{Lookup, Snapshot, paths};
use crate::instance::{Instance, InstanceState};

impl Snapshot {
    /// Finds an instance by what people and models call it.
    pub(crate) fn find(&self, wanted: &str) -> Lookup<'_> {
        if wanted.is_empty() {
            return Lookup::Unknown;
        }
        let starts = |text: &str| {
            text.get(..wanted.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(wanted))
        };
        let exact: [&dyn Fn(&Instance) -> bool; 4] = [
            &|instance| instance.id().as_str() == wanted,
            &|instance| *instance.alias == *wanted,
            &|instance| instance.found.doorbell.name == wanted,
            &|instance| {
                starts(instance.id().as_str())
                    || starts(&instance.alias)
                    || starts(&instance.found.doorbell.name)
            },
        ];
        for matches in exact {
            let mut found: Vec<_> = self.instances.iter().filter(|instance| matches(instance)).collect();
            match found.len() {
                0 => {}
                1 => return Lookup::Found(found.remove(0)),
                _ => return Lookup::Ambiguous(found),
            }
        }
        Lookup::Unknown
    }

    /// The instances of the project whose directory contains `directory` most closely.
    pub(crate) fn project_around(&self, directory: &Path) -> Vec<&Instance> {
        let depth = |instance: &&Instance| {
            paths_of(instance).filter_map(|path| paths::contains(path, directory)).max()
        };
        let of_projects = || self.instances.iter().filter(|instance| !instance.found.everywhere);
        let deepest = of_projects().filter_map(|instance| depth(&instance)).max();
        of_projects().filter(|instance| deepest.is_some() && depth(instance) == deepest).collect()
    }

    /// The instances of the project below `directory`, if it is the only one there.
    pub(crate) fn project_below(&self, directory: &Path) -> Vec<&Instance> {
        let is_below =
            |instance: &&Instance| paths_of(instance).any(|path| paths::contains(directory, path).is_some());
        let of_projects = self.instances.iter().filter(|instance| !instance.found.everywhere);
        let below: Vec<_> = of_projects.filter(is_below).collect();
        match below.split_first() {
            Some((first, others)) if others.iter().all(|other| is_same_path(first, other)) => below,
            _ => Vec::new(),
        }
    }

    /// All instances of the project that this one is, or was, of.
    pub(crate) fn project_of(&self, instance: &Instance) -> Vec<&Instance> {
        self.instances.iter().filter(|other| is_same_path(other, instance)).collect()
    }

    /// The instances of the project in exactly this directory.
    pub(crate) fn project_in(&self, directory: &Path) -> Vec<&Instance> {
        let is_here = |instance: &&Instance| paths_of(instance).any(|path| paths::same(path, directory));
        self.instances.iter().filter(is_here).collect()
    }

    /// The instance that took the place of a former one: same id, or same path and name (or only same path when no
    /// other instance has it), later generation, not dead.
    pub(crate) fn successor(&self, former: &Instance) -> Option<&Instance> {
        let later = || {
            self.instances.iter().filter(|instance| {
                instance.generation > former.generation && instance.state != InstanceState::Dead
            })
        };
        let same_path = |instance: &&Instance| is_same_path(instance, former);
        let name = &former.found.doorbell.name;
        later()
            .find(|instance| instance.id() == former.id())
            .or_else(|| {
                later()
                    .filter(same_path)
                    .filter(|instance| instance.found.doorbell.name == *name)
                    .max_by_key(|instance| instance.generation)
            })
            .or_else(|| {
                // What belongs to no project has nothing in common with others in its place.
                let same_project = |instance: &&Instance| same_path(instance) && !instance.found.everywhere;
                let mut there =
                    self.instances.iter().filter(same_project).filter(|_| !former.found.everywhere);
                let only = there.next().filter(|_| there.next().is_none())?;
                later().find(|instance| instance.generation == only.generation)
            })
    }
}

/// Its directory as it was announced, and with links resolved.
fn paths_of(instance: &Instance) -> impl Iterator<Item = &Path> {
    [Some(&*instance.found.doorbell.path), instance.real_path.as_deref().map(|path| &**path)]
        .into_iter()
        .flatten()
}

fn is_same_path(one: &Instance, other: &Instance) -> bool {
    if paths::same(&one.found.doorbell.path, &other.found.doorbell.path) {
        return true;
    }
    matches!((&one.real_path, &other.real_path), (Some(one), Some(other)) if paths::same(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::tests::{instance, snapshot};

    fn id(found: Option<&Instance>) -> Option<&str> {
        found.map(|instance| instance.id().as_str())
    }

    fn found<'a>(snapshot: &'a Snapshot, wanted: &str) -> Vec<&'a str> {
        match snapshot.find(wanted) {
            Lookup::Found(instance) => vec![instance.id().as_str()],
            Lookup::Ambiguous(instances) => instances.iter().map(|instance| instance.id().as_str()).collect(),
            Lookup::Unknown => vec![],
        }
    }

    #[test]
    fn finds_by_id_alias_name_and_unique_prefix() {
        let snapshot = snapshot([
            instance(1, "abc-1", "web", "/p/web", "Web"),
            instance(2, "abc-2", "web-2", "/q/web", "Web"),
            instance(3, "xyz", "api", "/p/api", "web"),
        ]);
        assert_eq!(found(&snapshot, "abc-1"), ["abc-1"]);
        assert_eq!(found(&snapshot, "web"), ["abc-1"], "an alias is stronger than a name");
        assert_eq!(found(&snapshot, "Web"), ["abc-1", "abc-2"], "two have that name");
        assert_eq!(found(&snapshot, "XY"), ["xyz"]);
        assert_eq!(found(&snapshot, "abc"), ["abc-1", "abc-2"]);
        assert_eq!(found(&snapshot, "web-"), ["abc-2"]);
        for wanted in ["", "nothing", "ü", "xyzz"] {
            assert!(found(&snapshot, wanted).is_empty(), "{wanted}");
        }
    }

    fn ids(found: &[&Instance]) -> Vec<String> {
        found.iter().map(|instance| instance.id().to_string()).collect()
    }

    #[test]
    fn the_project_around_is_the_deepest() {
        let mut linked = instance(4, "linked", "linked", "/link", "linked");
        linked.real_path = Some(std::sync::Arc::new("/real/place".into()));
        let snapshot = snapshot([
            instance(1, "root", "root", "/w", "root"),
            instance(2, "app", "app", "/w/app", "app"),
            instance(3, "app-dev", "app-dev", "/w/app-dev", "app-dev"),
            instance(5, "twin-1", "twin", "/t", "one"),
            instance(6, "twin-2", "twin-2", "/t", "two"),
            linked,
        ]);
        let around = |directory: &str| ids(&snapshot.project_around(Path::new(directory)));
        assert_eq!(around("/w/app/src"), ["app"]);
        assert_eq!(around("/w/app-dev"), ["app-dev"]);
        assert_eq!(around("/w/other"), ["root"]);
        assert_eq!(around("/t/src"), ["twin-1", "twin-2"], "two of one project");
        assert_eq!(around("/real/place/src"), ["linked"]);
        assert!(around("/elsewhere").is_empty());
        let below = |directory: &str| ids(&snapshot.project_below(Path::new(directory)));
        assert!(below("/w").is_empty() && below("/").is_empty(), "several projects");
        assert_eq!(below("/real"), ["linked"]);
        assert_eq!(below("/t"), ["twin-1", "twin-2"]);
        assert_eq!(ids(&snapshot.project_in(Path::new("/real/place"))), ["linked"]);
        assert!(snapshot.project_in(Path::new("/real")).is_empty());
    }

    #[test]
    fn a_successor_has_the_same_id_or_project() {
        let former = instance(1, "old", "web", "/p", "web");
        let by = |instances: &[Instance]| {
            let snapshot = snapshot(instances.iter().cloned());
            id(snapshot.successor(&former)).map(str::to_owned)
        };
        let same_id = instance(2, "old", "x", "/elsewhere", "other");
        let same_project = instance(3, "new", "web", "/p", "web");
        let newest = instance(4, "newest", "web", "/p", "web");
        let same_path = instance(5, "path", "y", "/p", "renamed");
        let mut dead = instance(6, "dead", "z", "/p", "web");
        dead.state = InstanceState::Dead;
        assert_eq!(by(&[same_project.clone(), same_id, newest.clone()]).as_deref(), Some("old"));
        assert_eq!(by(&[same_project, newest.clone(), dead]).as_deref(), Some("newest"));
        assert_eq!(by(std::slice::from_ref(&same_path)).as_deref(), Some("path"));
        let twin = instance(7, "twin", "w", "/p", "another");
        assert_eq!(by(&[same_path, twin]), None, "nobody knows which");
        assert_eq!(by(std::slice::from_ref(&former)), None);
    }
}
