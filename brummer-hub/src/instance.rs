//! One task per instance: connection for health, state, backoff.
//!
//! ```text
//!  supervisor ── Standing (watch) ──▶ ┌───────┐ ◀── suspect (bounded), Pulse (atomic) ── sessions
//!             ◀── Report (bounded) ── │ actor │ ── Identify ──▶ Inspector
//!  readers    ◀── Status (watch) ──── └───────┘ ◀── events ─── Upstream (ping)
//! ```
//!
//! The task owns the hub's own connection to the instance; sessions have theirs. [`machine`] holds every decision,
//! [`actor`] does what it decides, [`dormant`] keeps silent ones in mind. A task ends when its instance is gone or its
//! token is cancelled; it never waits for the supervisor without watching the token.

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use self::pulse::Pulse;
pub(crate) use self::pulse::Running;
use crate::{
    discovery::Found,
    doorbell::InstanceId,
    frame::Object,
    protocol::{Era, LegacyVersion},
    upstream::Reach,
};

pub(crate) mod actor;
mod backoff;
pub(crate) mod dormant;
mod health_link;
mod machine;
mod publisher;
mod pulse;

/// Where an instance stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// Its file was found.
    Discovered,
    /// The hub is connecting to it.
    Connecting,
    /// The last exchange succeeded.
    Active,
    /// It does not answer; the hub tries again, with growing pauses.
    Retrying,
    /// It is gone, and is dropped from the list.
    Dead,
}

impl InstanceState {
    /// It does not answer yet, or no longer, and may at any moment.
    pub(crate) const fn is_coming(self) -> bool {
        matches!(self, Self::Discovered | Self::Connecting | Self::Retrying)
    }

    /// The state as it is shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discovered => "discovered",
            Self::Connecting => "connecting",
            Self::Active => "active",
            Self::Retrying => "retrying",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names one life of an instance: a restart gets a new one even under the same id.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Generation(pub(crate) u64);

/// An instance as the hub knows it at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Instance {
    /// Which life of the instance this is.
    pub generation: Generation,
    /// Short, stable, unique name derived from the project: `[a-z][a-z0-9-]{0,15}`.
    pub alias: Arc<str>,
    /// The doorbell and where it was found.
    pub found: Arc<Found>,
    /// Where it stands.
    pub state: InstanceState,
    /// The project directory with links resolved, once that was asked of the file system.
    pub(crate) real_path: Option<Arc<PathBuf>>,
    /// Details that change often, always current.
    pub(crate) status: watch::Receiver<Arc<InstanceStatus>>,
    pub(crate) link: InstanceHandle,
}

impl Instance {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.found.doorbell.id
    }
    /// Where connections to it go, and what opens its door.
    pub(crate) fn reach(&self) -> Reach {
        let doorbell = &self.found.doorbell;
        let address = self.status.borrow().address.or(doorbell.host);
        Reach { address, socket: doorbell.socket.clone(), credentials: doorbell.credentials() }
    }

    /// Whether it was asked for its extensions of MCP, and did not name this one.
    pub(crate) fn lacks_extension(&self, name: &str) -> bool {
        let status = self.status.borrow();
        let names_it = |all: &Arc<str>| Object::read(all).is_some_and(|all| all.get(name).is_some());
        status.has_agreed && !status.extensions.as_ref().is_some_and(names_it)
    }

    /// The current details.
    #[must_use]
    pub fn status(&self) -> Arc<InstanceStatus> {
        let mut status = Arc::clone(&self.status.borrow());
        // Sessions note their answers in the pulse, which the instance's task reads only now and then.
        let heard = self.link.pulse.last_at();
        if heard > status.last_success {
            Arc::make_mut(&mut status).last_success = heard;
        }
        if let (Some(Era::Legacy(_)), false, Some(agreed)) =
            (status.era, status.has_agreed, self.link.pulse.agreed())
        {
            let status = Arc::make_mut(&mut status);
            (status.era, status.has_agreed) = (Some(Era::Legacy(agreed)), true);
        }
        status
    }
}

#[cfg(test)]
impl Instance {
    /// An instance that nobody watches, for the tests of what handles instances.
    pub(crate) fn detached(generation: Generation, found: Arc<Found>) -> Self {
        let alias = Arc::from(found.doorbell.name.as_str());
        let link = InstanceHandle { suspects: mpsc::channel(1).0, pulse: Arc::new(Pulse::new()) };
        let status = publisher::StatusPublisher::new().subscribe();
        Self { generation, alias, found, state: InstanceState::Discovered, real_path: None, status, link }
    }
}

/// Health of an instance.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// Where it stands.
    pub state: InstanceState,
    /// Since when.
    pub since: Timestamp,
    /// When it last became active.
    pub connected_at: Option<Timestamp>,
    /// Last time that it answered anything.
    pub last_success: Option<Timestamp>,
    /// Round trip of the last ping or handshake, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Pings missed in a row.
    pub missed_pings: u32,
    /// Attempts to reach it since it was last active.
    pub retries: u32,
    /// The loopback address that its process was found to listen on.
    pub address: Option<IpAddr>,
    /// What it speaks, once known. Only the kind of it counts while nothing has been agreed upon.
    pub era: Option<Era>,
    /// A revision was agreed upon with it. `false`: it is watched without a handshake, since it answers without one or has one
    /// session to give, and no client has used it yet.
    pub has_agreed: bool,
    /// It has one session to give, which the hub leaves to clients: it is watched without one.
    pub has_one_session: bool,
    /// The id of the session that the hub itself has there.
    pub(crate) session: Option<Arc<str>>,
    /// The extensions of MCP that it declares, as a JSON object; `None`: it names none.
    pub extensions: Option<Arc<str>>,
    /// Why it is not active, in words.
    pub last_error: Option<String>,
    /// What a stdio server's instance told of its processes last (a `ProgramReport` of this or another version), as an object.
    pub program: Option<Arc<serde_json::Value>>,
    /// The latest changes of state, oldest first; at most 100.
    pub history: Vec<Transition>,
}

/// One change of state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Transition {
    /// The new state.
    pub state: InstanceState,
    /// When it was entered.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// Talks to the task of an instance. Neither call waits, and both are cheap enough for every answer.
#[derive(Clone, Debug)]
pub(crate) struct InstanceHandle {
    suspects: mpsc::Sender<()>,
    pulse: Arc<Pulse>,
}

impl InstanceHandle {
    /// A session saw signs of death (a refused connection, a lost stream): check at once.
    pub(crate) fn suspect(&self) {
        // Full means that a check is pending already; closed, that the instance is dead already.
        let _ = self.suspects.try_send(());
    }
    /// A client asked something of it, and waits while this is held.
    pub(crate) fn note_request(&self) -> Running {
        self.pulse.run()
    }
    /// A session has agreed with it upon this revision.
    pub(crate) fn note_agreed(&self, version: LegacyVersion) {
        self.pulse.agree(version);
    }
    /// A session got an answer: the next ping may be skipped.
    pub(crate) fn note_answer(&self) {
        self.pulse.beat();
    }
}

/// What the supervisor knows of an instance's doorbell. Always the latest, so that nothing is lost in a full queue.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct DoorbellStanding {
    /// The file was removed.
    pub(crate) withdrawn: bool,
    /// A later instance with the same path and name answers.
    pub(crate) superseded: bool,
    /// Somebody was seen to listen on its port.
    pub(crate) listening: bool,
}
