//! The surveyor: owns the dev servers that other tools tell of, whether they speak MCP or not.
//!
//! Each record has a check of its own, a future: it asks the system whether the process that the record names listens on its
//! port, and says so until that process ends. Nothing is sent to the port, but where the project uses Tidewave.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    SourceKind, framework, places,
    record::{Seen, Sighting},
    tidewave,
};
use crate::{
    discovery::{Found, Ring},
    process::{self, Claim, Description, Identity, Inspector},
    terminal::clean_line,
};

/// Dev servers that are listed: as many as there may be instances.
const MAX_SERVERS: usize = 1024;

/// What the checks have found and is not yet taken in.
const FINDINGS: usize = 64;

/// Between two looks at a process that does not listen yet: it doubles from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// Tools write their records some moments before they listen: for so long it grows to this only. That nobody listens on a
/// port costs the system a fraction of a millisecond to say.
const SOON: Duration = Duration::from_secs(60);
const SOON_PAUSE: Duration = Duration::from_millis(80);

/// A server that runs, as another tool recorded it and the system confirmed it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DevServer {
    /// Where people open it.
    pub url: String,
    /// Other URLs that lead to it, as through the proxy of portless.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// What serves: `vite`, `next`, `storybook`, …
    pub framework: String,
    /// The script of a `run` that has started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Its project directory.
    pub path: String,
    /// The branch that is checked out there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The process that serves.
    pub pid: u32,
    /// Its port.
    pub port: u16,
    /// When it was started (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// Who started it: an agent, or the programs above its process, the nearest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    /// The file that it logs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Which source told of it.
    pub source: &'static str,
    /// The alias of its instance, when it has an MCP server that is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl DevServer {
    /// Whether only its port was seen, and it is nothing that is known.
    pub(crate) fn is_unknown(&self) -> bool {
        self.source == SourceKind::Ports.name() && !framework::is_known(&self.framework)
    }
}

/// What the hub reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Servers {
    pub(crate) list: Arc<[Arc<DevServer>]>,
    /// Whether everything that was known at the start has been looked at.
    pub(crate) tried: bool,
}

/// What a check has found.
#[derive(Debug)]
struct Finding {
    place: PathBuf,
    turn: u64,
    what: FindingKind,
}

#[derive(Debug)]
enum FindingKind {
    /// It is there, or not.
    Server(Option<Arc<DevServer>>),
    /// It has Tidewave within.
    Tidewave(Arc<Found>),
}

struct ServerEntry {
    turn: u64,
    server: Option<Arc<DevServer>>,
    tidewave: Option<Arc<Found>>,
    was_tried: bool,
    check: tokio::task::AbortHandle,
}

/// Owns the dev servers.
pub(crate) struct Surveyor {
    inspector: Inspector,
    sightings: mpsc::Receiver<Sighting>,
    /// Where the hub is told of Tidewave, and whether it is looked for.
    rings: mpsc::Sender<Ring>,
    asks: bool,
    finder: mpsc::Sender<Finding>,
    findings: mpsc::Receiver<Finding>,
    servers: watch::Sender<Servers>,
    checks: JoinSet<()>,
    entries: HashMap<PathBuf, ServerEntry>,
    turns: u64,
    scanned: bool,
    stop: CancellationToken,
}

impl Surveyor {
    pub(crate) fn new(
        inspector: Inspector,
        sightings: mpsc::Receiver<Sighting>,
        (rings, asks): (mpsc::Sender<Ring>, bool),
        stop: CancellationToken,
    ) -> (Self, watch::Receiver<Servers>) {
        let (finder, findings) = mpsc::channel(FINDINGS);
        let (servers, watched) = watch::channel(Servers::default());
        let surveyor = Self {
            inspector,
            sightings,
            rings,
            asks,
            finder,
            findings,
            servers,
            checks: JoinSet::new(),
            entries: HashMap::new(),
            turns: 0,
            scanned: false,
            stop,
        };
        (surveyor, watched)
    }

    /// Runs until the token is cancelled or the scout is gone.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(finding) = self.findings.recv() => self.on_finding(finding).await,
                // Reaped, so that the set does not grow.
                Some(_) = self.checks.join_next() => continue,
                sighting = self.sightings.recv() => match sighting {
                    Some(sighting) => self.on_sighting(sighting).await,
                    None => return,
                },
            }
            self.publish();
        }
    }

    async fn on_sighting(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Scanned => self.scanned = true,
            // What was found is dropped by the hub; what runs is asked when it is seen again.
            Sighting::Asks(asks) => self.asks = asks,
            Sighting::Gone(place) => self.forget(&place).await,
            Sighting::Seen(seen) => {
                self.forget(&seen.place).await;
                if self.entries.len() >= MAX_SERVERS {
                    return;
                }
                self.turns += 1;
                let (place, turn) = (seen.place.clone(), self.turns);
                let check = Check {
                    seen,
                    turn,
                    asks: self.asks,
                    inspector: self.inspector.clone(),
                    finder: self.finder.clone(),
                };
                let check = self.checks.spawn(check.run(self.stop.clone()));
                let entry = ServerEntry { turn, server: None, tidewave: None, was_tried: false, check };
                self.entries.insert(place, entry);
            }
        }
    }

    async fn forget(&mut self, place: &Path) {
        if let Some(mut entry) = self.entries.remove(place) {
            entry.check.abort();
            let tidewave = entry.tidewave.take();
            self.withdraw(tidewave).await;
        }
    }

    async fn on_finding(&mut self, finding: Finding) {
        // The word of a former record is of no interest.
        let entry = self.entries.get_mut(&finding.place).filter(|entry| entry.turn == finding.turn);
        let Some(entry) = entry else { return };
        match finding.what {
            FindingKind::Server(server) => {
                let left = if server.is_none() { entry.tidewave.take() } else { None };
                entry.server = server;
                entry.was_tried = true;
                self.withdraw(left).await;
            }
            FindingKind::Tidewave(found) => {
                entry.tidewave = Some(Arc::clone(&found));
                self.ring(Ring::Appeared(found)).await;
            }
        }
    }

    async fn withdraw(&self, tidewave: Option<Arc<Found>>) {
        if let Some(found) = tidewave {
            self.ring(Ring::Removed { file: found.file.clone(), id: found.doorbell.id.clone() }).await;
        }
    }

    async fn ring(&self, ring: Ring) {
        // Whoever listens may be gone; the hub stops then, and this task with it.
        let _ = self.stop.run_until_cancelled(self.rings.send(ring)).await;
    }

    /// One server for each port of a process, and of a project, whatever many records name it; in an order that stays.
    fn publish(&self) {
        let list = once_each(self.entries.values().filter_map(|entry| entry.server.clone()).collect());
        let tried = self.scanned && self.entries.values().all(|entry| entry.was_tried);
        self.servers.send_if_modified(|servers| {
            let is_tried = servers.tried || tried;
            let is_news = servers.tried != is_tried || *servers.list != *list;
            if is_news {
                *servers = Servers { list: list.into(), tried: is_tried };
            }
            is_news
        });
    }
}

fn once_each(mut list: Vec<Arc<DevServer>>) -> Vec<Arc<DevServer>> {
    // DevTools run within another tool's server, which says more of itself. What is seen of a process and its port says what it
    // is; `run` knows its script, and portless by which name it leads there.
    let rank = |server: &DevServer| {
        let late = [SourceKind::Devframe, SourceKind::Ports, SourceKind::Run, SourceKind::Portless];
        late.iter().position(|kind| kind.name() == server.source).map_or(0, |rank| rank + 1)
    };
    list.sort_by_cached_key(|server| (rank(server), server.path.clone(), server.port, server.source));
    let mut kept: Vec<Arc<DevServer>> = Vec::new();
    for server in list {
        let is_seen = server.source == SourceKind::Ports.name();
        // Their records name a process above the one that listens.
        let is_vague = is_seen
            || [SourceKind::Portless, SourceKind::Run].iter().any(|kind| kind.name() == server.source);
        let is_same = |known: &&mut Arc<DevServer>| {
            // Further ports of a process that tells of one are its own affair.
            let is_inner = is_seen && known.source != server.source && known.pid == server.pid;
            let is_one = known.pid == server.pid || known.path == server.path || is_vague;
            is_inner || known.port == server.port && is_one
        };
        match kept.iter_mut().find(is_same) {
            None => kept.push(server),
            Some(known)
                if known.port == server.port && (!server.also.is_empty() || server.script.is_some()) =>
            {
                let known = Arc::make_mut(known);
                known.also.extend(server.also.iter().cloned());
                if server.script.is_some() {
                    known.script.clone_from(&server.script);
                    // What it has printed has its scheme and path.
                    known.url.clone_from(&server.url);
                }
            }
            Some(_) => {}
        }
    }
    kept.sort_by_cached_key(|server| (server.path.clone(), server.port));
    kept
}

/// One record, looked into.
struct Check {
    seen: Arc<Seen>,
    turn: u64,
    /// Whether Tidewave is looked for within.
    asks: bool,
    inspector: Inspector,
    finder: mpsc::Sender<Finding>,
}

/// An answer that takes its time.
type TidewaveLookup = Pin<Box<dyn Future<Output = Option<Arc<Found>>> + Send>>;

impl Check {
    /// Says whether a record is true, now and whenever that changes, until its process is gone.
    async fn run(self, stop: CancellationToken) {
        let record = &self.seen.record;
        let claim = Claim {
            pid: record.pid,
            port: record.port,
            host: record.host,
            written: self.seen.modified,
            elsewhere: false,
        };
        let mut server = None;
        let mut asking: Option<TidewaveLookup> = None;
        let (mut pause, began) = (FIRST_PAUSE, Instant::now());
        let mut exited = std::pin::pin!(process::exited(record.pid, stop));
        loop {
            match self.inspector.identify(claim).await {
                identity @ (Identity::Confirmed { .. } | Identity::Plausible { .. }) => {
                    if server.is_none() {
                        server = described(Arc::clone(&self.seen)).await;
                        if self.tell(FindingKind::Server(server.clone())).await.is_err() {
                            return;
                        }
                        asking =
                            server.as_deref().filter(|_| self.asks).map(|server| self.ask(server, identity));
                    }
                    // That it stops to listen while its process lives is told by no event.
                    pause = LAST_PAUSE;
                }
                Identity::Gone | Identity::Reused => {
                    let _ = self.tell(FindingKind::Server(None)).await;
                    return;
                }
                identity @ (Identity::PortTaken { .. } | Identity::OtherUser(_) | Identity::NotListening) => {
                    let is_soon = identity == Identity::NotListening && began.elapsed() < SOON;
                    let most = if is_soon { SOON_PAUSE } else { LAST_PAUSE };
                    pause = if server.is_some() { FIRST_PAUSE } else { (pause * 2).min(most) };
                    (server, asking) = (None, None);
                    if self.tell(FindingKind::Server(None)).await.is_err() {
                        return;
                    }
                }
            }
            let until = Instant::now() + pause;
            loop {
                tokio::select! {
                    biased;
                    () = &mut exited => {
                        let _ = self.tell(FindingKind::Server(None)).await;
                        return;
                    }
                    found = answered(&mut asking) => {
                        asking = None;
                        if let Some(found) = found
                            && self.tell(FindingKind::Tidewave(found)).await.is_err()
                        {
                            return;
                        }
                    }
                    () = sleep_until(until) => break,
                }
            }
        }
    }

    async fn tell(&self, what: FindingKind) -> Result<(), mpsc::error::SendError<Finding>> {
        let (place, turn) = (self.seen.place.clone(), self.turn);
        self.finder.send(Finding { place, turn, what }).await
    }

    /// Looks for Tidewave, where an `http` URL leads to a project that is known.
    fn ask(&self, server: &DevServer, identity: Identity) -> TidewaveLookup {
        let seen = Arc::clone(&self.seen);
        let project = seen.record.project.clone().unwrap_or_else(|| PathBuf::from(&server.path));
        let is_plain = server.url.starts_with("http://");
        Box::pin(async move {
            let place = seen.place.clone();
            if !is_plain {
                return None;
            }
            tidewave::find(&seen.record, project, place, identity.address()).await
        })
    }
}

/// Waits for the answer, as long as there is a question.
async fn answered(asking: &mut Option<TidewaveLookup>) -> Option<Arc<Found>> {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}

/// What is shown of a record. Reads files, on the blocking pool.
async fn described(seen: Arc<Seen>) -> Option<Arc<DevServer>> {
    let described = tokio::task::spawn_blocking(move || {
        let record = &seen.record;
        let is_vague = record.project.is_none() || record.started.is_none();
        let process = is_vague.then(|| Description::of(record.pid)).flatten().unwrap_or_default();
        let project = record.project.clone().or(process.directory).unwrap_or_default();
        let started = record.started.or_else(|| process.started.and_then(|at| Timestamp::try_from(at).ok()));
        Arc::new(DevServer {
            url: record.url.clone(),
            also: record.also.clone(),
            framework: record.framework.clone().unwrap_or_default().into_owned(),
            script: record.script.clone(),
            path: shown(&project),
            branch: places::branch(&project).as_deref().and_then(super::record::name),
            pid: record.pid,
            port: record.port,
            started: started.map(|at| at.to_string()),
            started_by: record.started_by.clone().or_else(|| ancestry(record.pid)),
            log: record.log.as_ref().filter(|log| log.is_file()).map(|log| shown(log)),
            source: record.kind.name(),
            instance: None,
        })
    });
    // It fails only when the runtime shuts down.
    described.await.ok()
}

/// A path for people and models: a directory may be called anything.
fn shown(path: &Path) -> String {
    clean_line(&path.display().to_string()).into_owned()
}

/// Programs above a process, the nearest first.
fn ancestry(pid: u32) -> Option<String> {
    let names = process::ancestry(pid);
    let names: Vec<_> = names.iter().filter_map(|name| super::record::name(name)).collect();
    Some(names.join(" < ")).filter(|names| !names.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(path: &str, pid: u32, port: u16, kind: SourceKind) -> Arc<DevServer> {
        Arc::new(DevServer {
            url: format!("http://localhost:{port}/"),
            also: Vec::new(),
            framework: "it".to_owned(),
            script: None,
            path: path.to_owned(),
            branch: None,
            pid,
            port,
            started: None,
            started_by: None,
            log: None,
            source: kind.name(),
            instance: None,
        })
    }

    #[test]
    fn what_many_records_name_is_listed_once() {
        let listed = once_each(vec![
            server("/b", 7, 3000, SourceKind::Devframe),
            server("/a", 7, 3000, SourceKind::Devframe),
            server("/c", 7, 3000, SourceKind::Next),
            server("/c", 8, 3000, SourceKind::Storybook),
            server("/a", 7, 4000, SourceKind::Devframe),
        ]);
        let listed: Vec<_> = listed.iter().map(|it| (&*it.path, it.port, it.source)).collect();
        assert_eq!(listed, [("/a", 4000, "devframe"), ("/c", 3000, "next")]);
    }

    #[test]
    fn what_is_only_seen_gives_way_to_what_is_told_and_names_are_kept() {
        let routed = |path: &str, pid, port| {
            let also = vec![format!("http://it.localhost:{port}/")];
            Arc::new(DevServer { also, ..DevServer::clone(&server(path, pid, port, SourceKind::Portless)) })
        };
        let listed = once_each(vec![
            routed("/a", 1, 3000),
            server("/a", 2, 3000, SourceKind::Ports),
            server("/a", 2, 24_678, SourceKind::Ports),
            server("/b", 3, 4000, SourceKind::Ports),
            server("/b", 3, 4001, SourceKind::Ports),
            routed("/b", 4, 4000),
            server("/a", 2, 3000, SourceKind::Next),
            routed("/c", 5, 5000),
        ]);
        let listed: Vec<_> = listed.iter().map(|it| (it.pid, it.port, it.source, it.also.len())).collect();
        assert_eq!(
            listed,
            [(2, 3000, "next", 1), (3, 4000, "ports", 1), (3, 4001, "ports", 0), (5, 5000, "portless", 1)]
        );
    }
}
