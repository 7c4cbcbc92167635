//! The surveyor: owns the dev servers that other tools tell of, whether they speak MCP or not.
//!
//! Each record has a check of its own, a future: it asks the system whether the process that the record names listens on its
//! port, and says so until that process ends. Nothing is sent to the port.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    SourceKind, places,
    record::{Seen, Sighting},
};
use crate::{
    process::{self, Claim, Identity, Inspector},
    terminal::clean_line,
};

/// Dev servers that are listed: as many as there may be instances.
const MAX_SERVERS: usize = 1024;

/// What the checks have found and is not yet taken in.
const FINDINGS: usize = 64;

/// Between two looks at a process that does not listen yet: it doubles from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// A server that runs, as another tool recorded it and the system confirmed it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DevServer {
    /// Where people open it.
    pub url: String,
    /// What serves: `vite`, `next`, `storybook`, …
    pub framework: &'static str,
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
    file: PathBuf,
    turn: u64,
    server: Option<Arc<DevServer>>,
}

struct Entry {
    turn: u64,
    server: Option<Arc<DevServer>>,
    was_tried: bool,
    check: tokio::task::AbortHandle,
}

/// Owns the dev servers.
pub(crate) struct Surveyor {
    inspector: Inspector,
    sightings: mpsc::Receiver<Sighting>,
    finder: mpsc::Sender<Finding>,
    findings: mpsc::Receiver<Finding>,
    servers: watch::Sender<Servers>,
    checks: JoinSet<()>,
    entries: HashMap<PathBuf, Entry>,
    turns: u64,
    scanned: bool,
    stop: CancellationToken,
}

impl Surveyor {
    pub(crate) fn new(
        inspector: Inspector,
        sightings: mpsc::Receiver<Sighting>,
        stop: CancellationToken,
    ) -> (Self, watch::Receiver<Servers>) {
        let (finder, findings) = mpsc::channel(FINDINGS);
        let (servers, watched) = watch::channel(Servers::default());
        let surveyor = Self {
            inspector,
            sightings,
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
                Some(finding) = self.findings.recv() => self.on_finding(finding),
                // Reaped, so that the set does not grow.
                Some(_) = self.checks.join_next() => continue,
                sighting = self.sightings.recv() => match sighting {
                    Some(sighting) => self.on_sighting(sighting),
                    None => return,
                },
            }
            self.publish();
        }
    }

    fn on_sighting(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Scanned => self.scanned = true,
            Sighting::Gone(file) => self.forget(&file),
            Sighting::Seen(seen) => {
                self.forget(&seen.file);
                if self.entries.len() >= MAX_SERVERS {
                    return;
                }
                self.turns += 1;
                let (file, turn) = (seen.file.clone(), self.turns);
                let (inspector, finder) = (self.inspector.clone(), self.finder.clone());
                let check = self.checks.spawn(check(seen, turn, inspector, finder, self.stop.clone()));
                self.entries.insert(file, Entry { turn, server: None, was_tried: false, check });
            }
        }
    }

    fn forget(&mut self, file: &Path) {
        if let Some(entry) = self.entries.remove(file) {
            entry.check.abort();
        }
    }

    fn on_finding(&mut self, finding: Finding) {
        // The word of a former record is of no interest.
        if let Some(entry) = self.entries.get_mut(&finding.file).filter(|entry| entry.turn == finding.turn) {
            entry.server = finding.server;
            entry.was_tried = true;
        }
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
    // DevTools run within another tool's server, which says more of itself.
    let is_within = |server: &DevServer| server.source == SourceKind::Devframe.name();
    list.sort_unstable_by_key(|server| (is_within(server), server.path.clone(), server.port, server.source));
    let (mut of_processes, mut of_projects) = (BTreeSet::new(), BTreeSet::new());
    list.retain(|server| {
        let is_new = of_processes.insert((server.port, server.pid));
        of_projects.insert((server.port, server.path.clone())) && is_new
    });
    list.sort_unstable_by_key(|server| (server.path.clone(), server.port));
    list
}

/// Says whether a record is true, now and whenever that changes, until its process is gone.
async fn check(
    seen: Arc<Seen>,
    turn: u64,
    inspector: Inspector,
    finder: mpsc::Sender<Finding>,
    stop: CancellationToken,
) {
    let record = &seen.record;
    let claim = Claim {
        pid: record.pid,
        port: record.port,
        host: record.host,
        written: seen.modified,
        elsewhere: false,
    };
    let told = |server| finder.send(Finding { file: seen.file.clone(), turn, server });
    let mut server = None;
    let mut pause = FIRST_PAUSE;
    let mut exited = std::pin::pin!(process::exited(record.pid, stop));
    loop {
        match inspector.identify(claim).await {
            Identity::Confirmed { .. } | Identity::Plausible { .. } => {
                if server.is_none() {
                    server = described(Arc::clone(&seen)).await;
                    if told(server.clone()).await.is_err() {
                        return;
                    }
                }
                // That it stops to listen while its process lives is told by no event.
                pause = LAST_PAUSE;
            }
            Identity::Gone | Identity::Reused => {
                let _ = told(None).await;
                return;
            }
            Identity::PortTaken { .. } | Identity::OtherUser(_) | Identity::NotListening => {
                pause = if server.is_some() { FIRST_PAUSE } else { (pause * 2).min(LAST_PAUSE) };
                server = None;
                if told(None).await.is_err() {
                    return;
                }
            }
        }
        let until = Instant::now() + pause;
        tokio::select! {
            biased;
            () = &mut exited => {
                let _ = told(None).await;
                return;
            }
            () = sleep(until.saturating_duration_since(Instant::now())) => {}
        }
    }
}

/// What is shown of a record. Reads files, on the blocking pool.
async fn described(seen: Arc<Seen>) -> Option<Arc<DevServer>> {
    let described = tokio::task::spawn_blocking(move || {
        let record = &seen.record;
        Arc::new(DevServer {
            url: record.url.clone(),
            framework: record.framework,
            path: shown(&record.project),
            branch: places::branch(&record.project).as_deref().and_then(super::record::name),
            pid: record.pid,
            port: record.port,
            started: record.started.map(|at| at.to_string()),
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
            framework: "it",
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
}
