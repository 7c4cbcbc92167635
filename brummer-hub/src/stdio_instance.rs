//! An MCP server that speaks only stdio, as an instance for all hubs and agents of this user.
//!
//! ```text
//!  hub, client ──HTTP──▶ endpoint ──DeskCommand──▶ desk ──▶ Mux ──▶ process ──▶ the server
//!                           ▲                       │ ▲    (pure)      │
//!                           └────────messages───────┘ └──ProcessNews───┘
//! ```
//!
//! - `endpoint` is Streamable HTTP: one message in, an answer or a stream out. It stands behind the door of an
//!   [`InstanceServer`], so that only this user's programs get in.
//! - `desk` is the task that owns the sessions, the processes and what is known of them.
//! - `mux` decides: whose message is whose, when the process starts, what becomes of requests when it ends. Pure.
//! - `launch` starts the server and moves lines; `inventory` is what the server offered last time, in a file.
//!
//! The process is started when somebody needs it, and ended when nobody has for a while. Until it runs, clients are
//! answered from the inventory. The server sees one client, the hub, for all who share it; with [`Sharing::PerSession`]
//! it has a process for each session, which sees that session's own client.
//!
//! Clients open with `initialize`; those from 2026-07-28 on, which do not, reach the server through a hub.

mod desk;
mod endpoint;
mod inventory;
mod launch;
mod mux;
mod report;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    desk::{Desk, DeskOptions},
    endpoint::Endpoint,
    mux::Rules,
};
pub use self::{
    launch::{Launch, Launched, Launching, NotLaunched, PlainCommand, RunningProgram},
    report::{ProgramProcess, ProgramReport, ProgramState},
};
use crate::{
    InstanceServer,
    serve::{InstanceServerBuilder, ServeError, ServerLimits},
};

/// How long a process is kept that nobody needs: longer than a pause for thought, shorter than a night.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// How long a server may take to answer the handshake. `npx` may have to download it first.
const START: Duration = Duration::from_secs(120);

/// How long processes may take to end: two seconds with their input closed, two after they were asked to.
const END: Duration = Duration::from_secs(6);

/// Whose the process of a stdio server is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Sharing {
    /// One process for all.
    #[default]
    Shared,
    /// One for each session: for servers that keep something of their client, or ask it.
    PerSession,
}

/// How a stdio server is run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StdioOptions {
    /// What errors call it.
    pub name: String,
    /// Whose the process is.
    pub sharing: Sharing,
    /// How long a process is kept that nobody needs; `None`: until the end.
    pub idle: Option<Duration>,
    /// How long the server may take to answer the handshake.
    pub start: Duration,
    /// Where it is kept what the server offers, for the time before it runs; `None`: nowhere.
    pub inventory: Option<PathBuf>,
}

impl StdioOptions {
    /// One process for all, ended after ten minutes in which nobody needs it.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), sharing: Sharing::Shared, idle: Some(IDLE), start: START, inventory: None }
    }
}

/// A stdio server that is an instance.
///
/// Dropping it ends the server at once; [`StdioInstance::shutdown`] lets it end in order.
///
/// # Examples
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use brummer_hub::{
///     InstanceServer,
///     stdio_instance::{PlainCommand, StdioInstance, StdioOptions},
/// };
///
/// let command = PlainCommand::new("npx").args(["-y", "@modelcontextprotocol/server-memory"]);
/// let announced = InstanceServer::builder().name("memory");
/// let instance = StdioInstance::start(command, StdioOptions::new("memory"), announced).await?;
/// println!("{} serves at {}", instance.server().id(), instance.server().url());
/// // … until the program ends:
/// instance.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StdioInstance {
    server: InstanceServer,
    desk: JoinHandle<()>,
    report: watch::Receiver<Arc<ProgramReport>>,
    attended: watch::Receiver<bool>,
    /// Ends the processes when it is dropped.
    stop: DropGuard,
}

impl StdioInstance {
    /// Serves a stdio server, and announces it as the builder says; what the builder offers and limits besides does not count. The
    /// server is not started before somebody needs it, unless nothing is known of it yet.
    ///
    /// # Errors
    /// As [`InstanceServerBuilder::start`].
    ///
    /// # Panics
    /// Outside a tokio runtime with time and I/O enabled.
    pub async fn start(
        launch: impl Launch,
        options: StdioOptions,
        announced: InstanceServerBuilder,
    ) -> Result<Self, ServeError> {
        let StdioOptions { name, sharing, idle, start, inventory } = options;
        // Of all hubs together; the mux has a bound of its own, and refuses in words.
        let limits = ServerLimits { max_requests: 2 * mux::MAX_REQUESTS, ..ServerLimits::default() };
        let stop = CancellationToken::new();
        let (asks, asked) = mpsc::channel(desk::ASKS);
        let rules = Rules { sharing, idle, start, name: name.into() };
        let options = DeskOptions {
            rules,
            launch: Arc::new(launch),
            file: inventory,
            session_idle: limits.session_idle,
            stop: stop.clone(),
        };
        let (desk, report, attended) = Desk::new(options, asked);
        let desk = tokio::spawn(desk.run());
        let router = Endpoint::new(asks, limits.max_body_bytes.max(endpoint::MAX_BODY)).router();
        let stop = stop.drop_guard();
        let server = announced.limits(limits).routes(router).start().await?;
        Ok(Self { server, desk, report, attended, stop })
    }

    /// The server that hubs connect to.
    #[must_use]
    pub fn server(&self) -> &InstanceServer {
        &self.server
    }

    /// What is known of the processes, now and whenever it changes.
    #[must_use]
    pub fn report(&self) -> watch::Receiver<Arc<ProgramReport>> {
        self.report.clone()
    }

    /// Whether somebody is there, now and whenever it changes: a hub or another client that listens, or waits for an answer.
    #[must_use]
    pub fn attended(&self) -> watch::Receiver<bool> {
        self.attended.clone()
    }

    /// Ends it: takes the announcement back, gives requests in flight the time that
    /// [`ServerLimits::grace`](crate::serve::ServerLimits) says, and ends the processes.
    pub async fn shutdown(self) {
        let Self { server, mut desk, stop, .. } = self;
        server.shutdown().await;
        drop(stop);
        if timeout(END, &mut desk).await.is_err() {
            tracing::warn!("a stdio server did not end in time");
        }
    }
}
