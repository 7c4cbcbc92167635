//! One MCP client's conversation with the hub.
//!
//! ```text
//!  client ──Input──▶ ┌───────┐ ──Event──▶ ┌──────┐
//!                    │ shell │            │ core │      Upstream (one for each link) ──HTTP──▶ instance
//!  client ◀──Parts── └───────┘ ◀──Effect─ └──────┘
//! ```
//!
//! The [`core`] owns all state of the session and takes every decision, without I/O: what the client said of itself, its
//! requests in flight, what it is connected to, what instances listed and asked. The [`shell`] is the task around it.
//! Requests run concurrently: the core only starts them and passes on what comes back, so a slow call holds up nothing.
//!
//! A session ends when its input ends (answers still due are awaited for at most a second), when nobody reads its
//! output, or when it is stopped. Calls still running are then cancelled and the MCP sessions with instances closed.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::shell::HubSide;
use crate::{Hub, frame::Parts};

mod asking;
mod catalog;
mod clients;
mod core;
mod feeds;
mod links;
mod list_kind;
mod lists;
pub(crate) mod message;
mod nulls;
mod operations;
mod own;
mod owners;
mod peer;
mod quirks;
mod requests;
mod restored;
mod routing;
mod shell;
mod shown;
#[cfg(test)]
mod simulation;
mod stage;
mod talk;
mod target;
#[cfg(test)]
mod tests;
pub(crate) mod tools;
mod watched;

pub use clients::{ClientDefaults, KNOWN_CLIENTS, KnownClient};
pub use tools::InstanceEntry;

/// Messages that wait between a session and its client, in each direction. Enough to keep both busy; the rest waits
/// where it came from.
const QUEUE: usize = 64;

/// Waits for the deadline, if there is one.
pub(crate) async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// How long a session whose input has ended waits for answers that are still due. MCP clients give a server about two
/// seconds before they kill it.
pub(crate) const DRAIN: Duration = Duration::from_secs(1);

/// What `tools/list` shows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ToolsMode {
    /// The hub's tools, then those of the connected instance under their own names.
    #[default]
    Connected,
    /// The hub's tools, then those of every active instance as `<alias>__<tool>`.
    All,
    /// The hub's tools only.
    Hub,
}

impl FromStr for ToolsMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "connected" => Ok(Self::Connected),
            "all" => Ok(Self::All),
            "hub" => Ok(Self::Hub),
            other => Err(format!("`{other}` is not a mode; use `connected`, `all` or `hub`")),
        }
    }
}

impl fmt::Display for ToolsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connected => "connected",
            Self::All => "all",
            Self::Hub => "hub",
        })
    }
}

/// Settings of one session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// What `tools/list` shows. `None`: what suits the client, [`ToolsMode::Connected`] if nothing is known of it.
    pub tools: Option<ToolsMode>,
    /// Longest tool name in [`ToolsMode::All`], in characters; at least [`SessionConfig::MIN_NAME_BUDGET`] is used. `None`: what
    /// suits the client, [`SessionConfig::DEFAULT_NAME_BUDGET`] if nothing is known of it.
    pub name_budget: Option<usize>,
    /// Whether the instance of the working directory, or of the client's roots, is connected by itself.
    pub auto_connect: bool,
    /// The directory that the client works in, if known.
    pub working_directory: Option<PathBuf>,
    /// Whose habits are taken into account: what it does with names and lists of tools, where nothing else is said above.
    pub client: ClientDefaults,
    /// Whether a call of a tool that the hub could not get done is answered with a result for a model to read (`isError`): many
    /// clients show a model nothing else. A program that makes the calls itself wants an error, and sets this to `false`; a
    /// [`Client`](crate::client::Client) always gets errors.
    pub tells_models: bool,
}

impl SessionConfig {
    /// The 64 characters that clients allow, less the `mcp__brummer-hub__` that Claude Code puts in front.
    pub const DEFAULT_NAME_BUDGET: usize = 46;
    /// Room for an alias, its separator, a hash and some of the tool's name.
    pub const MIN_NAME_BUDGET: usize = 32;
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            tools: None,
            name_budget: None,
            auto_connect: true,
            working_directory: None,
            client: ClientDefaults::Off,
            tells_models: true,
        }
    }
}

/// What a client sends.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// One message, still unread.
    Message(Bytes),
    /// A message that was thrown away because it was over the limit, and the id of the request that it was, as JSON text.
    TooLong { limit: usize, id: Option<Box<str>> },
}

/// A session that is used from within the process: JSON-RPC messages in, JSON-RPC messages out.
///
/// Dropping it ends the session.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use brummer_hub::{Hub, HubConfig, discovery::Directories, session::SessionConfig};
///
/// let home = tempfile::tempdir().unwrap();
/// let mut config = HubConfig::default();
/// config.directories = Directories::only(home.path());
/// let hub = Hub::start(config);
///
/// let mut session = hub.session(SessionConfig::default());
/// session.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.unwrap();
/// assert_eq!(session.recv().await.unwrap(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
/// session.close().await;
/// hub.shutdown().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Session {
    input: mpsc::Sender<Input>,
    output: mpsc::Receiver<Parts>,
    stop: CancellationToken,
}

/// The session has ended.
#[derive(Debug, thiserror::Error)]
#[error("the session has ended")]
pub struct SessionClosed;

impl Session {
    /// Sends one JSON-RPC message of the client. Waits while the session is busy; cancel-safe (not sent if cancelled).
    ///
    /// # Errors
    ///
    /// [`SessionClosed`] when the session or its hub has been stopped.
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<(), SessionClosed> {
        self.input.send(Input::Message(message.into())).await.map_err(|_| SessionClosed)
    }

    /// The next JSON-RPC message for the client, on one line; `None` once the session has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.output.recv().await.map(Parts::join)
    }

    /// Ends the session and waits until it has closed its connections.
    pub async fn close(mut self) {
        self.stop.cancel();
        while self.output.recv().await.is_some() {}
    }

    /// Splits it into its two directions, for a program that sends while it waits for messages. The session ends when
    /// either half is dropped: without the sender like one whose input has ended, without the receiver at once.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # use brummer_hub::{Hub, HubConfig, discovery::Directories, session::SessionConfig};
    /// # let home = tempfile::tempdir().unwrap();
    /// # let mut config = HubConfig::default();
    /// # config.directories = Directories::only(home.path());
    /// # let hub = Hub::start(config);
    /// let (sender, mut receiver) = hub.session(SessionConfig::default()).split();
    /// assert!(sender.try_send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).unwrap());
    /// assert_eq!(receiver.recv().await.unwrap(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    /// drop(sender);
    /// assert_eq!(receiver.recv().await, None);
    /// # hub.shutdown().await;
    /// # }
    /// ```
    #[must_use]
    pub fn split(self) -> (SessionSender, SessionReceiver) {
        let (input, output, stop) = self.into_parts();
        (SessionSender { input }, SessionReceiver { output, stop })
    }

    pub(crate) fn into_parts(mut self) -> (mpsc::Sender<Input>, mpsc::Receiver<Parts>, CancellationToken) {
        let (_, ended) = mpsc::channel(1);
        let output = std::mem::replace(&mut self.output, ended);
        // The stop token is handed on, so the drop of what is left here must not fire it.
        let stop = std::mem::replace(&mut self.stop, CancellationToken::new());
        (self.input.clone(), output, stop)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The client's messages into a session: see [`Session::split`]. A cheap clone.
#[derive(Clone, Debug)]
pub struct SessionSender {
    input: mpsc::Sender<Input>,
}

impl SessionSender {
    /// Sends one JSON-RPC message of the client. Waits while the session is busy; cancel-safe (not sent if cancelled).
    ///
    /// # Errors
    ///
    /// [`SessionClosed`] when the session or its hub has been stopped.
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<(), SessionClosed> {
        self.input.send(Input::Message(message.into())).await.map_err(|_| SessionClosed)
    }

    /// Sends one if the session can take it now; says whether it could.
    ///
    /// # Errors
    ///
    /// [`SessionClosed`] when the session or its hub has been stopped.
    pub fn try_send(&self, message: impl Into<Bytes>) -> Result<bool, SessionClosed> {
        match self.input.try_send(Input::Message(message.into())) {
            Ok(()) => Ok(true),
            Err(mpsc::error::TrySendError::Full(_)) => Ok(false),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(SessionClosed),
        }
    }
}

/// The messages of a session for its client: see [`Session::split`].
#[derive(Debug)]
pub struct SessionReceiver {
    output: mpsc::Receiver<Parts>,
    stop: CancellationToken,
}

impl SessionReceiver {
    /// The next JSON-RPC message for the client, on one line; `None` once the session has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.output.recv().await.map(Parts::join)
    }

    /// Ends the session and waits until it has closed its connections.
    pub async fn close(mut self) {
        self.stop.cancel();
        while self.output.recv().await.is_some() {}
    }
}

impl Drop for SessionReceiver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Hub {
    /// Opens a session for one more client.
    ///
    /// # Panics
    ///
    /// Outside the tokio runtime that the hub runs on.
    #[must_use]
    pub fn session(&self, config: SessionConfig) -> Session {
        let (input, inbox) = mpsc::channel(QUEUE);
        let (outlet, output) = mpsc::channel(QUEUE);
        let (tasks, stop) = self.tasks();
        let stop = stop.child_token();
        if let (Some(projects), Some(directory)) = (self.projects(), &config.working_directory) {
            projects.tell(directory);
        }
        let shell = shell::Shell::new(HubSide::of(self), config, inbox, outlet, stop.clone());
        tasks.spawn(shell.run());
        Session { input, output, stop }
    }
}
