//! What the user's own programs listen on: dev servers in known projects that leave no trace, and servers that are known by
//! their port and program only. Nothing is sent to any of them.
//!
//! No system tells when a port is opened, so it is asked again and again, for a list that costs a fraction of a millisecond; who holds
//! a socket is asked once, when it is new.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;

use super::{
    SourceKind, framework,
    record::{Awaited, Origin, Program, Record, Seen},
};
use crate::process::{self, Description, Listening};

/// Between two looks. The list comes from the kernel at once on Linux; elsewhere all processes are gone through for it.
pub(super) const PAUSE: Duration =
    if process::LISTENING_IS_CHEAP { Duration::from_millis(500) } else { Duration::from_secs(4) };

/// Sockets that are looked into. A developer's machine has a few dozen.
const MAX_SOCKETS: usize = 1024;

/// Where the debugger of Node listens, beside the server that it debugs.
const DEBUGGERS: std::ops::RangeInclusive<u16> = 9229..=9239;

/// A port of a process.
type Berth = (u32, u16);

/// What was known at the last look.
#[derive(Debug, Default)]
pub(super) struct Ports {
    sockets: HashSet<Listening>,
    /// None: nobody's, as far as can be seen.
    owners: HashMap<u64, Option<u32>>,
    processes: HashMap<u32, Description>,
    told: BTreeMap<Berth, Arc<Seen>>,
}

/// By what is judged.
pub(super) struct Knowledge<'a> {
    /// Whether dev servers are looked for, or awaited ones only.
    pub(super) servers: bool,
    /// Directories of projects.
    pub(super) places: &'a BTreeSet<PathBuf>,
    pub(super) home: Option<&'a Path>,
    pub(super) awaited: &'a [Awaited],
}

/// What has become of what was told.
#[derive(Debug, Default)]
pub(super) struct PortChanges {
    pub(super) gone: Vec<Arc<Seen>>,
    pub(super) new: Vec<Arc<Seen>>,
}

impl Ports {
    /// Looks at the system. `is_all`: what is known by other means has changed, so that all is judged again. Blocking.
    pub(super) fn look(&mut self, knowledge: &Knowledge<'_>, is_all: bool) -> PortChanges {
        let now: HashSet<Listening> = process::listening().into_iter().take(MAX_SOCKETS).collect();
        if now == self.sockets && !is_all {
            return PortChanges::default();
        }
        let new: Vec<_> = now.iter().filter(|it| !self.owners.contains_key(&it.mark)).copied().collect();
        if !new.is_empty() {
            let holders = process::holders(&new);
            self.owners.extend(new.iter().map(|it| (it.mark, holders.get(&it.mark).copied())));
        }
        let marks: HashSet<u64> = now.iter().map(|it| it.mark).collect();
        self.owners.retain(|mark, _| marks.contains(mark));
        self.sockets = now;
        let living: HashSet<u32> = self.owners.values().flatten().copied().collect();
        self.processes.retain(|pid, _| living.contains(pid));
        for pid in living {
            if let std::collections::hash_map::Entry::Vacant(vacant) = self.processes.entry(pid)
                && let Some(description) = Description::of(pid)
            {
                vacant.insert(description);
            }
        }
        self.judge(knowledge)
    }

    fn judge(&mut self, knowledge: &Knowledge<'_>) -> PortChanges {
        let mut berths: BTreeMap<Berth, IpAddr> = BTreeMap::new();
        for socket in &self.sockets {
            let Some(pid) = self.owners.get(&socket.mark).copied().flatten() else { continue };
            let address = berths.entry((pid, socket.port)).or_insert(socket.address);
            // What can be reached from everywhere is best known by its local name.
            if socket.address.is_unspecified() {
                *address = socket.address;
            }
        }
        let records = berths.iter().filter_map(|(berth, address)| {
            Some((*berth, knowledge.record(*berth, *address, self.processes.get(&berth.0)?)?))
        });
        let records: BTreeMap<Berth, Record> = records.collect();
        let mut news = PortChanges::default();
        self.told.retain(|berth, seen| {
            let stays = records.get(berth) == Some(&seen.record);
            if !stays {
                news.gone.push(Arc::clone(seen));
            }
            stays
        });
        for (berth, record) in records {
            let (pid, port) = berth;
            self.told.entry(berth).or_insert_with(|| {
                let place = PathBuf::from(format!("port/{port}/{pid}"));
                // The oldest time: where something else tells of it as well, what that says counts.
                let seen = Arc::new(Seen { record, place, modified: SystemTime::UNIX_EPOCH });
                news.new.push(Arc::clone(&seen));
                seen
            });
        }
        news
    }
}

impl Knowledge<'_> {
    /// What a port of a process is, if it is of interest.
    fn record(&self, (pid, port): Berth, address: IpAddr, process: &Description) -> Option<Record> {
        let host = Some(address).filter(|address| !address.is_unspecified());
        let base = Record {
            host,
            started: process.started.and_then(|at| Timestamp::try_from(at).ok()),
            ..Record::new(SourceKind::Ports, pid, port)
        };
        let is_meant =
            |it: &&Awaited| it.ports.contains(&port) && it.programs.iter().any(|program| program.is(process));
        if let Some(awaited) = self.awaited.iter().find(is_meant) {
            return Some(Record {
                kind: awaited.kind,
                // It belongs to no project.
                project: self.home.map(Path::to_owned),
                name: Some(awaited.name.clone().into_owned()),
                mcp: Some(awaited.mcp.clone()),
                ..base
            });
        }
        if !self.servers || DEBUGGERS.contains(&port) {
            return None;
        }
        let project = self.project_of(process.directory.as_deref()?)?;
        let is_own = process.executable.as_deref().is_some_and(|program| program.starts_with(project));
        let framework = framework::of(process, is_own)?;
        // What people type: a browser finds the address behind the name.
        let usual = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        let named = host.filter(|host| !usual.contains(host));
        Some(Record {
            project: Some(project.to_owned()),
            framework: Some(framework),
            url: Origin { is_secure: false, address: named, port }.url("/"),
            ..base
        })
    }

    /// The innermost known directory around one. Everything of a user is no project.
    fn project_of<'d>(&self, directory: &'d Path) -> Option<&'d Path> {
        let is_whole = |outer: &Path| self.home.is_some_and(|home| home.starts_with(outer));
        let mut around = directory.ancestors().filter(|outer| outer.parent().is_some() && !is_whole(outer));
        around.find(|outer| self.places.contains(*outer))
    }
}

impl Program {
    fn is(&self, process: &Description) -> bool {
        let name = process.program().to_lowercase();
        let fits = match self.name.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == self.name,
        };
        fits && (self.argument.is_empty() || process.arguments.iter().any(|it| it.contains(self.argument)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::apps;

    fn process(arguments: &[&str], directory: &str) -> Description {
        Description {
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            directory: Some(directory.into()),
            ..Description::default()
        }
    }

    fn judged(port: u16, process: &Description) -> Option<Record> {
        let places = BTreeSet::from(["/home/me/shop".into(), "/home/me/shop/apps/web".into()]);
        let awaited = apps::awaited();
        let home = Some(Path::new("/home/me"));
        let knowledge = Knowledge { servers: true, places: &places, home, awaited: &awaited };
        knowledge.record((4711, port), IpAddr::from([127, 0, 0, 1]), process)
    }

    #[test]
    fn a_server_in_a_known_project_is_one() {
        let vite = process(&["node", "/home/me/shop/node_modules/.bin/vite"], "/home/me/shop/apps/web/src");
        let record = judged(5173, &vite).unwrap();
        assert_eq!(record.framework.as_deref(), Some("vite"));
        assert_eq!(record.url, "http://localhost:5173/");
        assert_eq!(record.project.as_deref(), Some(Path::new("/home/me/shop/apps/web")));
        assert!(record.mcp.is_none());
        assert!(judged(9229, &vite).is_none(), "its debugger");
        for elsewhere in ["/home/me/other", "/home/me", "/", "/home/me/shopping"] {
            assert!(judged(5173, &process(&["node", "x.js"], elsewhere)).is_none(), "{elsewhere}");
        }
        assert!(judged(5432, &process(&["postgres"], "/home/me/shop")).is_none());
        let own = Description {
            executable: Some("/home/me/shop/target/debug/api".into()),
            ..process(&["api"], "/home/me/shop")
        };
        assert_eq!(judged(8080, &own).unwrap().framework.as_deref(), Some("api"));
    }

    #[test]
    fn a_port_is_an_app_only_if_that_program_has_it() {
        let app = |port: u16, arguments: &[&str]| judged(port, &process(arguments, "/")).map(|it| it.kind);
        assert_eq!(app(3845, &["/Applications/Figma.app/Contents/MacOS/Figma"]), Some(SourceKind::Apps));
        assert_eq!(app(8000, &["/opt/UE/UnrealEditor-Linux-DebugGame"]), Some(SourceKind::Apps));
        assert_eq!(
            app(8080, &["python3.12", "/x/bin/mcp-for-unity", "--transport", "http"]),
            Some(SourceKind::Apps)
        );
        for (port, arguments) in [
            (3845, &["node", "evil.js", "figma"][..]),
            (3846, &["Figma"]),
            (8000, &["python", "-m", "http.server"]),
            (8080, &["python3", "app.py"]),
        ] {
            assert_eq!(app(port, arguments), None, "{port} {arguments:?}");
        }
    }
}
