//! The map of instances and the rules of restarts, without tasks or files.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use tokio::{sync::watch, task};
use tokio_util::sync::DropGuard;

use super::{
    Snapshot,
    alias::{Aliases, Project},
    event::HubEvent,
};
use crate::{
    discovery::Found,
    doorbell::{Doorbell, InstanceId},
    instance::{
        DoorbellStanding, Generation, Instance, InstanceState,
        actor::{Reins, Report},
    },
    sources::{DevServer, SourceKind},
};

/// One instance and the task that watches it.
#[derive(Debug)]
struct RosterEntry {
    instance: Instance,
    standing: watch::Sender<DoorbellStanding>,
    task: task::Id,
    /// Stops the task when the entry is dropped.
    _stop: DropGuard,
}

impl RosterEntry {
    /// Dead ones are kept while their task lives, which may find them well again.
    fn is_listed(&self) -> bool {
        self.instance.state != InstanceState::Dead
    }
}

/// A life that begins.
#[derive(Debug)]
pub(super) struct Birth {
    pub(super) generation: Generation,
    pub(super) found: Arc<Found>,
    pub(super) reins: Reins,
    pub(super) task: task::Id,
    pub(super) stop: DropGuard,
}

/// What is to be done about a doorbell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DoorbellAction {
    /// Nothing: it is known.
    Known,
    /// A new life begins, in place of what has the same id.
    Begin,
}

/// Owns all instances, and collects what is to be told of them.
#[derive(Debug, Default)]
pub(super) struct Roster {
    entries: HashMap<InstanceId, RosterEntry>,
    aliases: Aliases,
    generations: u64,
    /// Doorbells of listeners that another doorbell names as well, with the id of that one.
    shadows: HashMap<PathBuf, (Arc<Found>, InstanceId)>,
    /// Doorbells whose listener has no other any more: their instances begin.
    pub(super) heirs: Vec<Arc<Found>>,
    /// Doorbells that their own process has replaced by another: their files say nothing new.
    pub(super) outdated: Vec<Arc<Found>>,
    /// Dev servers are listed only where an instance is.
    own_servers_only: bool,
    /// Dev servers as they were last found.
    pub(super) dev_servers: Arc<[Arc<DevServer>]>,
    /// What went wrong around the hub, in words.
    pub(super) notices: Arc<[String]>,
    pub(super) news: Vec<HubEvent>,
    /// The list has changed since the last snapshot.
    pub(super) changed: bool,
}

impl Roster {
    pub(super) fn new(own_servers_only: bool) -> Self {
        Self { own_servers_only, ..Self::default() }
    }

    /// Those that are listed. The dead that are kept in mind take no place from the living.
    pub(super) fn listed(&self) -> usize {
        self.entries.values().filter(|entry| entry.is_listed()).count()
    }

    pub(super) fn has(&self, id: &InstanceId) -> bool {
        self.entries.contains_key(id)
    }

    /// Whether an instance was tried: it answers and its project is known, or it lives and does not answer yet.
    pub(super) fn is_tried(&self, id: &InstanceId) -> bool {
        self.entries.get(id).is_some_and(|entry| match entry.instance.state {
            InstanceState::Active => entry.instance.real_path.is_some(),
            InstanceState::Retrying => true,
            InstanceState::Discovered | InstanceState::Connecting | InstanceState::Dead => false,
        })
    }

    pub(super) fn next_generation(&mut self) -> Generation {
        self.generations += 1;
        Generation(self.generations)
    }

    /// A doorbell is there.
    pub(super) fn consider(&mut self, found: &Arc<Found>) -> DoorbellAction {
        if let Some((known, _)) = self.shadows.get(&found.file) {
            if is_same_life(&known.doorbell, &found.doorbell) {
                return DoorbellAction::Known;
            }
            self.shadows.remove(&found.file);
        }
        let Some(entry) = self.entries.get_mut(&found.doorbell.id) else { return DoorbellAction::Begin };
        if !entry.is_listed() {
            return DoorbellAction::Begin;
        }
        let former = &entry.instance.found;
        let is_same_life = is_same_life(&former.doorbell, &found.doorbell);
        if former.file != found.file && (is_same_life || former.modified > found.modified) {
            // The same instance announced in a second directory, or what is left of a former life there.
            return DoorbellAction::Known;
        }
        // What clients see of it is decided when they first look.
        let is_seen_so = former.filters == found.filters && former.everywhere == found.everywhere;
        if !is_same_life || !is_seen_so {
            return DoorbellAction::Begin;
        }
        if former.doorbell != found.doorbell {
            entry.instance.found = Arc::clone(found);
            self.changed = true;
        }
        entry.standing.send_if_modified(|standing| std::mem::take(&mut standing.withdrawn));
        DoorbellAction::Known
    }

    /// A life begins. What had the same id ends.
    pub(super) fn begin(&mut self, birth: Birth) {
        let Birth { generation, found, reins, task, stop } = birth;
        self.remove(&found.doorbell.id.clone());
        let project = Project::of(&found.doorbell);
        let has_others = self.aliases.is_living(&project);
        let instance = Instance {
            generation,
            alias: self.aliases.give(project, generation),
            found,
            state: InstanceState::Discovered,
            real_path: None,
            status: reins.status,
            link: reins.handle,
        };
        self.tell(HubEvent::InstanceAppeared(instance.clone()));
        let entry = RosterEntry { standing: reins.standing, task, _stop: stop, instance };
        let id = entry.instance.id().clone();
        self.entries.insert(id.clone(), entry);
        if has_others {
            self.supersede(&id);
        }
    }

    /// Of one path and name, those that were announced before one that answers have to prove that they live. A later one that
    /// does not answer takes nobody's place.
    fn supersede(&self, id: &InstanceId) {
        let Some(project) = self.entries.get(id).map(|entry| &entry.instance.found.doorbell) else { return };
        let is_same = |other: &Doorbell| (&other.path, &other.name) == (&project.path, &project.name);
        let listed = self.entries.values().filter(|entry| entry.is_listed());
        let all = listed.filter(|entry| is_same(&entry.instance.found.doorbell));
        let age = |entry: &&RosterEntry| (entry.instance.found.modified, entry.instance.generation);
        let answers = |entry: &&RosterEntry| entry.instance.state == InstanceState::Active;
        let Some(newest) = all.clone().filter(answers).map(|entry| age(&entry)).max() else { return };
        // Files are found in any order at the start.
        for former in all.filter(|entry| age(entry) < newest) {
            former.standing.send_if_modified(|standing| !std::mem::replace(&mut standing.superseded, true));
        }
    }

    /// Dev servers were looked at: whose port is listened on now need not wait for its next attempt.
    pub(super) fn take_servers(&mut self, servers: Arc<[Arc<DevServer>]>) {
        self.dev_servers = servers;
        self.changed = true;
        for entry in self.entries.values() {
            let port = entry.instance.found.doorbell.port;
            let listens = self.dev_servers.iter().any(|server| server.port == port);
            entry
                .standing
                .send_if_modified(|standing| std::mem::replace(&mut standing.listening, listens) != listens);
        }
    }

    /// A doorbell is gone.
    pub(super) fn withdraw(&mut self, id: &InstanceId, file: &PathBuf) {
        self.shadows.remove(file);
        if let Some(entry) = self.entries.get(id).filter(|entry| entry.instance.found.file == *file) {
            entry.standing.send_if_modified(|standing| !std::mem::replace(&mut standing.withdrawn, true));
        }
    }

    /// A doorbell says that its instance is not one of those that are listed.
    pub(super) fn drop_unmeant(&mut self, found: &Found) {
        let id = &found.doorbell.id;
        if self.entries.get(id).is_some_and(|entry| entry.instance.found.file == found.file) {
            self.remove(id);
        }
    }

    /// Those that are not to be listed any more.
    pub(super) fn drop_all(&mut self, mut is_unwanted: impl FnMut(&Found) -> bool) {
        let unwanted = self.entries.values().map(|entry| &entry.instance.found);
        let unwanted: Vec<_> =
            unwanted.filter(|found| is_unwanted(found)).map(|found| found.doorbell.id.clone()).collect();
        for id in unwanted {
            self.remove(&id);
        }
    }

    /// An instance changed its state.
    pub(super) fn report(&mut self, report: &Report) {
        let Some(entry) = self.entries.get_mut(&report.id) else { return };
        let instance = &mut entry.instance;
        // The word of a former life is of no interest, and the dead stay dead.
        if instance.generation != report.generation
            || matches!(instance.state, InstanceState::Dead)
            || instance.state == report.state
        {
            return;
        }
        let from = std::mem::replace(&mut instance.state, report.state);
        let instance = instance.clone();
        if report.state == InstanceState::Dead {
            self.bereave(instance);
        } else {
            self.tell(HubEvent::StateChanged { instance, from });
        }
        if report.state == InstanceState::Active {
            self.unite(&report.id);
            self.supersede(&report.id);
        }
    }

    /// One listener is one instance, whatever many doorbells name it: the newest counts.
    fn unite(&mut self, id: &InstanceId) {
        let Some(mine) = self.entries.get(id).map(|entry| entry.instance.clone()) else { return };
        let same = self.entries.values().map(|entry| &entry.instance).filter(|other| {
            other.id() != id && other.state == InstanceState::Active && is_same_listener(&mine, other)
        });
        let age = |instance: &Instance| (instance.found.modified, instance.id().clone());
        let all: Vec<Instance> = same.cloned().chain([mine.clone()]).collect();
        let Some(newest) = all.iter().max_by_key(|instance| age(instance)) else { return };
        for older in all.iter().filter(|instance| instance.id() != newest.id()) {
            tracing::info!(instance = %older.id(), by = %newest.id(), "another doorbell names the same listener");
            if older.found.doorbell.pid == newest.found.doorbell.pid {
                self.outdated.push(Arc::clone(&older.found));
            }
            let shadow = (Arc::clone(&older.found), newest.id().clone());
            self.shadows.insert(older.found.file.clone(), shadow);
            self.remove(older.id());
        }
    }

    /// The task of an instance has ended; returns its doorbell.
    pub(super) fn ended(&mut self, task: task::Id) -> Option<Arc<Found>> {
        let entry = self.entries.values().find(|entry| entry.task == task)?;
        let found = Arc::clone(&entry.instance.found);
        self.remove(&found.doorbell.id);
        Some(found)
    }

    /// The project directory of an instance, with links resolved.
    pub(super) fn place(&mut self, id: &InstanceId, generation: Generation, path: PathBuf) {
        if let Some(entry) = self.entries.get_mut(id)
            && entry.instance.generation == generation
        {
            entry.instance.real_path = Some(Arc::new(path));
            self.changed |= entry.is_listed();
        }
    }

    /// Those that have not been tried to the end.
    pub(super) fn untried(&self) -> impl Iterator<Item = Generation> {
        self.entries
            .values()
            .map(|entry| &entry.instance)
            .filter(|instance| {
                matches!(instance.state, InstanceState::Discovered | InstanceState::Connecting)
                    || (instance.real_path.is_none() && instance.state != InstanceState::Dead)
            })
            .map(|instance| instance.generation)
    }

    pub(super) fn snapshot(&self, settled: bool) -> Snapshot {
        let mut instances: Vec<_> = self
            .entries
            .values()
            .filter(|entry| entry.is_listed())
            .map(|entry| entry.instance.clone())
            .collect();
        instances.sort_unstable_by(|one, other| one.alias.cmp(&other.alias));
        let mut dev_servers = Arc::clone(&self.dev_servers);
        if self.own_servers_only {
            let ports: HashSet<u16> = instances.iter().map(|it| it.found.doorbell.port).collect();
            dev_servers = dev_servers.iter().filter(|server| ports.contains(&server.port)).cloned().collect();
        }
        // A program that announces itself is no dev server besides, unless it is known to be one.
        let announced = instances.iter().filter(|it| it.found.source == SourceKind::Doorbell);
        let announced: HashSet<u16> = announced.map(|it| it.found.doorbell.port).collect();
        let is_instance = |server: &DevServer| announced.contains(&server.port) && server.is_unknown();
        if dev_servers.iter().any(|server| is_instance(server)) {
            dev_servers = dev_servers.iter().filter(|server| !is_instance(server)).cloned().collect();
        }
        let notices = Arc::clone(&self.notices);
        Snapshot { instances, dev_servers, notices, settled }
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    fn remove(&mut self, id: &InstanceId) {
        if let Some(entry) = self.entries.remove(id)
            && entry.is_listed()
        {
            self.bereave(Instance { state: InstanceState::Dead, ..entry.instance });
        }
    }

    fn bereave(&mut self, gone: Instance) {
        let id = gone.id().clone();
        let heirs = self.shadows.extract_if(|_, (_, by)| *by == id).map(|(_, (found, _))| found);
        self.heirs.extend(heirs);
        let heir = self.aliases.take(gone.generation);
        self.tell(HubEvent::InstanceGone(gone));
        let Some((generation, alias)) = heir else { return };
        let renamed =
            self.entries.values_mut().find(|entry| entry.instance.generation == generation).map(|entry| {
                entry.instance.alias = alias;
                entry.instance.clone()
            });
        if let Some(instance) = renamed {
            self.tell(HubEvent::AliasChanged(instance));
        }
    }

    fn tell(&mut self, event: HubEvent) {
        event.log();
        self.changed = true;
        self.news.push(event);
    }
}

/// Whether two instances that answer are one listener: one port has one server at an address.
fn is_same_listener(one: &Instance, other: &Instance) -> bool {
    let (mine, theirs) = (&one.found.doorbell, &other.found.doorbell);
    (mine.port, &mine.socket, &mine.endpoint) == (theirs.port, &theirs.socket, &theirs.endpoint)
        && (mine.pid == theirs.pid || mine.pid_namespace == theirs.pid_namespace)
        && one.reach().address == other.reach().address
}

/// Whether two doorbells of one id announce the same server. The Go program rewrites its file as a heartbeat, so
/// members that only describe do not count.
fn is_same_life(one: &Doorbell, other: &Doorbell) -> bool {
    (one.pid, one.port, one.host, &one.socket, &one.endpoint, &one.path, &one.name, &one.token, &one.headers)
        == (
            other.pid,
            other.port,
            other.host,
            &other.socket,
            &other.endpoint,
            &other.path,
            &other.name,
            &other.token,
            &other.headers,
        )
}
