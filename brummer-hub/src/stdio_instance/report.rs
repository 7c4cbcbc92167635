//! What is told about the processes of a stdio server: to the program that serves it, and to hubs.

use serde::Serialize;

use super::Sharing;

/// What is known of a stdio server; also the parameters of [`program::NOTIFICATION`](crate::protocol::program::NOTIFICATION).
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProgramReport {
    /// `shared` or `per-session`.
    pub sharing: &'static str,
    /// Its processes; none while nobody needs it.
    pub processes: Vec<ProgramProcess>,
    /// Sessions that are open.
    pub sessions: usize,
    /// Tools that it offers.
    pub tools: usize,
    /// What it offers was said in an earlier run: no process has confirmed it yet.
    pub is_stale: bool,
    /// Processes that were started so far.
    pub starts: u64,
    /// How the last one ended, if one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_end: Option<String>,
    /// Lines on its standard output that were no messages.
    pub garbage: u64,
    /// The end of what it wrote to standard error, oldest line first; at most 32 KiB.
    pub stderr: Vec<String>,
}

/// One process of a stdio server.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProgramProcess {
    /// Its process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Where it stands.
    pub state: ProgramState,
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProgramState {
    /// It was started and has not answered the handshake.
    Starting,
    /// It serves.
    Running,
    /// It was told to end.
    Ending,
}

impl Sharing {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::PerSession => "per-session",
        }
    }
}
