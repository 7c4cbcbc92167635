//! What the session is connected to: a project, one instance, or all with a label, by request or by itself, and over restarts.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{
    frame::Frame,
    hub::Snapshot,
    instance::{Instance, InstanceState},
    labels::LabelSelector,
};

use super::tools::Chosen;

/// Directories of a client that are looked at.
const MAX_ROOTS: usize = 64;

/// What the session is connected to.
#[derive(Debug)]
pub(super) struct Target {
    wanted: Wanted,
    /// The instances that are meant and there, in the order of the hub's list; then those that are of no project.
    connected: Vec<Instance>,
    /// How many of them are meant.
    meant: usize,
    /// Whether those of no project are connected, too.
    everywhere: bool,
    /// Whether the session may connect itself: not once the client has said what it wants.
    auto: bool,
    /// Where the client works: as it was started, and by its `roots/list`.
    directories: Vec<PathBuf>,
    roots: Vec<PathBuf>,
    /// Whether it was asked for its roots since they last changed.
    asked: bool,
}

#[derive(Clone, Debug)]
enum Wanted {
    Nothing,
    /// This one, or what takes its place.
    Instance(Instance),
    /// All of the project that this one is of.
    Project(Instance),
    /// All with this label; one that was there.
    Label(LabelSelector, Instance),
}

impl Target {
    pub(super) fn new(auto: bool, working_directory: Option<PathBuf>) -> Self {
        let directories = working_directory.into_iter().collect();
        Self {
            wanted: Wanted::Nothing,
            connected: Vec::new(),
            meant: 0,
            everywhere: auto,
            auto,
            directories,
            roots: Vec::new(),
            asked: false,
        }
    }

    /// The instances that the session is connected to and that are there.
    pub(super) fn connected(&self) -> &[Instance] {
        &self.connected
    }

    /// The instance that the session would be connected to, were it there.
    pub(super) fn missing(&self) -> Option<&Instance> {
        match &self.wanted {
            Wanted::Instance(former) | Wanted::Project(former) | Wanted::Label(_, former)
                if self.meant == 0 =>
            {
                Some(former)
            }
            _ => None,
        }
    }

    /// Keeps it true: what is meant, its successors, or what suits by itself. Whether other instances are connected now.
    pub(super) fn follow(&mut self, snapshot: &Snapshot) -> bool {
        let before: Vec<_> = self.connected.iter().map(|instance| instance.generation).collect();
        if let Wanted::Nothing = self.wanted
            && self.auto
            && let Some(instance) = self.suggested(snapshot).into_iter().find(|it| is_active(it))
        {
            tracing::debug!(alias = %instance.alias, "connected by directory");
            self.wanted = Wanted::Project(instance.clone());
        }
        let stays = |it: &&Instance| is_active(it) || before.contains(&it.generation);
        let successor = |former| snapshot.successor(former).filter(|it| is_active(it));
        self.connected = match &self.wanted {
            Wanted::Nothing => Vec::new(),
            Wanted::Instance(former) => {
                let same = snapshot.instances.iter().find(|it| it.generation == former.generation);
                same.or_else(|| successor(former)).into_iter().cloned().collect()
            }
            Wanted::Project(former) => {
                let there: Vec<_> = snapshot.project_of(former).into_iter().filter(stays).cloned().collect();
                if there.is_empty() { successor(former).into_iter().cloned().collect() } else { there }
            }
            Wanted::Label(label, _) => {
                let fits = |it: &&Instance| label.fits(&it.found.doorbell.labels);
                snapshot.instances.iter().filter(fits).filter(stays).cloned().collect()
            }
        };
        self.meant = self.connected.len();
        if let Some(first) = self.connected.first().cloned() {
            match &mut self.wanted {
                Wanted::Instance(former) | Wanted::Project(former) | Wanted::Label(_, former) => {
                    *former = first;
                }
                Wanted::Nothing => {}
            }
        }
        if self.everywhere {
            let meant: Vec<_> = self.connected.iter().map(|instance| instance.generation).collect();
            let others = snapshot.instances.iter().filter(|it| it.found.everywhere && stays(it));
            self.connected.extend(others.filter(|it| !meant.contains(&it.generation)).cloned());
        }
        !self.connected.iter().map(|instance| instance.generation).eq(before)
    }

    /// The instances that the client's directories point to: those of the project that is closest around one of them,
    /// else of the only project below it.
    pub(super) fn suggested<'a>(&self, snapshot: &'a Snapshot) -> Vec<&'a Instance> {
        let directories = || self.directories.iter().chain(&self.roots);
        let around = directories().map(|directory| snapshot.project_around(directory));
        let below = directories().map(|directory| snapshot.project_below(directory));
        around.chain(below).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The client chose: this one, or what it is one of.
    pub(super) fn choose(&mut self, instance: &Instance, chosen: Chosen) {
        self.auto = false;
        let instance = instance.clone();
        self.wanted = match chosen {
            Chosen::Instance => Wanted::Instance(instance),
            Chosen::Project => Wanted::Project(instance),
            Chosen::Label(label) => Wanted::Label(label, instance),
        };
    }

    /// The client wants none. Those that it was connected to, or waited for.
    pub(super) fn leave(&mut self) -> Vec<Instance> {
        self.auto = false;
        let missing = self.missing().cloned();
        self.wanted = Wanted::Nothing;
        let mut connected = std::mem::take(&mut self.connected);
        self.connected = connected.split_off(std::mem::take(&mut self.meant));
        if connected.is_empty() { missing.into_iter().collect() } else { connected }
    }

    /// Whether the client is to be asked for its roots now, because they can decide what to connect to.
    pub(super) fn wants_roots(&mut self, snapshot: &Snapshot) -> bool {
        let undecided = matches!(self.wanted, Wanted::Nothing) && self.auto && !self.asked;
        let asks = undecided && snapshot.active().next().is_some();
        self.asked |= asks;
        asks
    }

    /// The client works elsewhere than it said.
    pub(super) fn roots_changed(&mut self) {
        self.asked = false;
    }

    pub(super) fn set_roots(&mut self, roots: Vec<PathBuf>) {
        self.roots = roots;
    }
}

fn is_active(instance: &Instance) -> bool {
    instance.state == InstanceState::Active
}

/// The directories in the answer to `roots/list`. One that is none voids no other.
pub(super) fn roots_in(answer: &Frame) -> Vec<PathBuf> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        roots: Vec<serde_json::Value>,
    }
    let roots = answer.peek_result::<Answer>().map(|answer| answer.roots).unwrap_or_default();
    let uris = roots.iter().take(MAX_ROOTS).filter_map(|root| root.get("uri").unwrap_or(root).as_str());
    uris.filter_map(file_path).collect()
}

/// The path that a `file:` URI names on this machine (RFC 8089), in each spelling that clients use: `file:///a`,
/// `FILE://localhost/a`, `file:/a`, and the bare path.
fn file_path(uri: &str) -> Option<PathBuf> {
    let is_drive = |path: &str| matches!(path.as_bytes(), [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic());
    if uri.starts_with('/') || is_drive(uri) {
        return Some(PathBuf::from(uri));
    }
    let rest = uri.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("file:")).map(|_| &uri[5..])?;
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let local = rest.get(..9).filter(|host| host.eq_ignore_ascii_case("localhost"));
            local.map_or(rest, |_| &rest[9..])
        }
        None => rest,
    };
    let path = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
    // `/C:/dir` is how a drive is written in a URI.
    match path.strip_prefix('/') {
        Some(drive) if is_drive(drive) => Some(PathBuf::from(drive)),
        Some(_) if Path::new(&*path).has_root() => Some(PathBuf::from(&*path)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::tests::{instance, snapshot};

    #[test]
    fn file_uris_become_paths() {
        for (uri, path) in [
            ("file:///home/a%20b", Some("/home/a b")),
            ("file://localhost/x", Some("/x")),
            ("FILE:///x", Some("/x")),
            ("file:/x", Some("/x")),
            ("/bare/path", Some("/bare/path")),
            ("file:///C:/x", Some("C:/x")),
            ("C:\\x", Some("C:\\x")),
            ("file://server/x", None),
            ("https://example.org/", None),
            ("file:///%ff", None),
            ("", None),
        ] {
            assert_eq!(file_path(uri), path.map(PathBuf::from), "{uri}");
        }
    }

    #[test]
    fn one_bad_root_voids_none() {
        let answer =
            r#"{"jsonrpc":"2.0","id":1,"result":{"roots":[{"uri":7},null,{"uri":"file:///a"},"/b"]}}"#;
        let roots = roots_in(&Frame::parse(answer).unwrap());
        assert_eq!(roots, [PathBuf::from("/a"), PathBuf::from("/b")]);
    }

    fn active(generation: u64, id: &str, path: &str) -> Instance {
        let mut instance = instance(generation, id, id, path, id);
        instance.state = InstanceState::Active;
        instance
    }

    fn aliases(target: &Target) -> Vec<&str> {
        target.connected().iter().map(|instance| &*instance.alias).collect()
    }

    #[test]
    fn all_instances_of_the_project_are_connected_and_followed() {
        let mut target = Target::new(true, Some("/p/src".into()));
        assert!(target.follow(&snapshot([
            active(1, "run", "/p"),
            active(2, "next", "/p"),
            active(3, "x", "/q")
        ])));
        assert_eq!(aliases(&target), ["run", "next"]);
        assert!(target.follow(&snapshot([active(2, "next", "/p")])));
        assert_eq!(aliases(&target), ["next"]);
        assert!(target.follow(&snapshot([])));
        assert_eq!(target.missing().map(|it| &*it.alias), Some("next"));
        assert!(target.follow(&snapshot([active(4, "run", "/p"), active(5, "x", "/q")])));
        assert_eq!(aliases(&target), ["run"]);
    }

    #[test]
    fn the_only_project_below_is_connected_unless_one_is_around() {
        let below = || [active(1, "web", "/repo/web")];
        let mut target = Target::new(true, Some("/repo".into()));
        assert!(target.follow(&snapshot(below())));
        assert_eq!(aliases(&target), ["web"]);
        let mut target = Target::new(true, Some("/repo".into()));
        let several = [active(1, "web", "/repo/web"), active(2, "api", "/repo/api")];
        assert!(!target.follow(&snapshot(several)), "nobody knows which");
        let mut target = Target::new(true, Some("/repo".into()));
        assert!(target.follow(&snapshot(below().into_iter().chain([active(2, "root", "/repo")]))));
        assert_eq!(aliases(&target), ["root"]);
    }

    fn everywhere(generation: u64, id: &str) -> Instance {
        let mut instance = active(generation, id, "/data/servers");
        std::sync::Arc::make_mut(&mut instance.found).everywhere = true;
        instance
    }

    #[test]
    fn what_is_of_no_project_is_connected_beside_that_of_the_project() {
        // Its directory is no project, whoever works there.
        let mut target = Target::new(true, Some("/data/servers".into()));
        assert!(target.follow(&snapshot([everywhere(1, "memory")])));
        assert_eq!((aliases(&target), target.missing().is_none()), (vec!["memory"], true));
        let mut target = Target::new(true, Some("/p".into()));
        target.follow(&snapshot([everywhere(1, "memory")]));
        let all = snapshot([everywhere(1, "memory"), active(2, "web", "/p"), active(3, "api", "/q")]);
        assert!(target.follow(&all));
        assert_eq!(aliases(&target), ["web", "memory"]);
        target.choose(&all.instances[2], Chosen::Instance);
        target.follow(&all);
        assert_eq!(aliases(&target), ["api", "memory"]);
        assert!(target.follow(&snapshot([everywhere(1, "memory")])));
        assert_eq!(target.missing().map(|it| &*it.alias), Some("api"));
        target.follow(&all);
        let left: Vec<_> = target.leave().iter().map(|it| it.alias.to_string()).collect();
        assert_eq!((left, aliases(&target)), (vec!["api".to_owned()], vec!["memory"]));
        assert!(!target.follow(&all));
        // Once it is chosen itself, another of no project does not take its place.
        target.choose(&all.instances[0], Chosen::Instance);
        target.follow(&snapshot([everywhere(4, "docs")]));
        assert_eq!((aliases(&target), target.missing().is_some()), (vec!["docs"], true));
        let mut target = Target::new(false, None);
        assert!(!target.follow(&all), "nothing connects by itself");
    }

    #[test]
    fn all_with_a_label_are_connected_and_followed() {
        let labelled = |generation, id, path, tier: &str| {
            let mut instance = active(generation, id, path);
            let labels = &mut std::sync::Arc::make_mut(&mut instance.found).doorbell.labels;
            labels.insert("tier".to_owned(), tier.to_owned());
            instance
        };
        let mut target = Target::new(true, Some("/p".into()));
        let all = snapshot([
            labelled(1, "web", "/p", "front"),
            labelled(2, "docs", "/q", "front"),
            labelled(3, "api", "/p", "back"),
        ]);
        target.choose(&all.instances[0], Chosen::Label("tier=front".parse().unwrap()));
        target.follow(&all);
        assert_eq!(aliases(&target), ["web", "docs"]);
        assert!(target.follow(&snapshot([labelled(3, "api", "/p", "back")])));
        assert_eq!(target.missing().map(|it| &*it.alias), Some("web"));
        assert!(target.follow(&snapshot([labelled(4, "new", "/r", "front")])));
        assert_eq!(aliases(&target), ["new"]);
    }

    #[test]
    fn a_choice_is_kept() {
        let mut target = Target::new(true, Some("/p".into()));
        let all = snapshot([active(1, "run", "/p"), active(2, "x", "/q")]);
        target.choose(&all.instances[1], Chosen::Instance);
        target.follow(&all);
        assert_eq!(aliases(&target), ["x"]);
        assert_eq!(target.leave().len(), 1);
        assert!(!target.follow(&all) && target.connected().is_empty());
    }
}
