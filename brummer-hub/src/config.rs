//! What a hub can be told, with a documented reason behind every default.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    declared::DeclaredServer,
    discovery::Directories,
    doorbell::InstanceId,
    labels::LabelSelector,
    policy::Policy,
    sources::{SourceChoice, SourceKind, SourceOptions},
};

/// Settings of a [`Hub`](crate::Hub). `HubConfig::default()` is what the command uses without options.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HubConfig {
    /// Where instances announce themselves.
    pub directories: Directories,
    /// Which other tools' records of what runs are read.
    pub sources: SourceOptions,
    /// Only instances with this label are listed; all unless given.
    pub only: Option<LabelSelector>,
    /// Names, labels and shown tools of instances, as a person wants them; nothing unless given.
    pub policy: Arc<Policy>,
    /// Servers on ports of this machine that are instances without announcing themselves; none unless given.
    pub declared: Vec<DeclaredServer>,
    /// Instances that are about to be announced: the start waits for them, too, for as long as it waits at all.
    pub expected: Vec<InstanceId>,
    /// What went wrong in setting this up, for `instances_health`.
    pub notices: Vec<String>,
    /// Files and directories of whose changes [`Hub::followed`](crate::Hub::followed) tells; none unless given.
    pub followed: Vec<PathBuf>,
    /// Limits and time-outs of the connections to instances.
    pub limits: Limits,
    /// How the health of instances is watched.
    pub health: HealthConfig,
    /// Instances beyond this number are refused with one warning.
    pub max_instances: usize,
}

/// Bounds of one connection to an instance.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Until the TCP connection stands. Loopback answers at once or not at all, but Windows says only after two seconds
    /// that nobody listens, and that answer tells more than silence.
    pub connect_timeout: Duration,
    /// Until a conversation is open: the question which era of MCP the instance speaks, and `initialize`, together. A dev
    /// server may still be compiling, or load a model first.
    pub initialize_timeout: Duration,
    /// Until a request that shows no progress is given up: the client's own time-out comes long before.
    pub call_timeout: Duration,
    /// The largest message taken from an instance or a client, in bytes.
    pub max_message_bytes: usize,
    /// How many bytes of messages over 16 KiB a session holds in either direction, beside the one message in transit.
    /// When they are used up, instances (or the client) wait, and memory does not grow.
    pub max_buffered: usize,
    /// How long a TCP connection rests between two requests before it is closed. Node closes it after 5 s.
    pub max_idle: Duration,
}

/// How an instance is found to be well, ill or gone.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HealthConfig {
    /// Time between two pings, and how long one may take before it counts as missed.
    pub ping_interval: Duration,
    /// Pings missed in a row that turn an active instance into a retrying one.
    pub max_missed_pings: u32,
    /// First pause between two attempts to reach an instance; each further one is twice as long.
    pub retry_first: Duration,
    /// Longest pause between two attempts.
    pub retry_max: Duration,
    /// How long an instance whose process lives is retried before it counts as dead.
    pub give_up_after: Duration,
    /// Between two quiet looks at an instance that was given up while its process lives: a developer who leaves the
    /// debugger waits no longer than this, and a hung process costs next to nothing.
    pub probe_interval: Duration,
}

impl HubConfig {
    /// The sources that are read by this choice.
    pub(crate) fn sources_of(&self, choice: &SourceChoice) -> Vec<SourceKind> {
        choice.enabled(self.directories.is_one())
    }
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            directories: Directories::from_env(),
            sources: SourceOptions::default(),
            only: None,
            policy: Arc::default(),
            declared: Vec::new(),
            expected: Vec::new(),
            notices: Vec::new(),
            followed: Vec::new(),
            limits: Limits::default(),
            health: HealthConfig::default(),
            max_instances: 1024,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            initialize_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(60 * 60),
            max_message_bytes: 64 * 1024 * 1024,
            max_buffered: 64 * 1024 * 1024,
            max_idle: Duration::from_secs(4),
        }
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(5),
            max_missed_pings: 3,
            retry_first: Duration::from_millis(100),
            retry_max: Duration::from_secs(5),
            give_up_after: Duration::from_secs(60),
            probe_interval: Duration::from_secs(30),
        }
    }
}
