//! A client within the process, for programs that embed the hub: ask and await the answer, instead of messages in and
//! messages out.
//!
//! ```text
//!  callers ──ClientCommand──▶ ┌────────────┐ ──messages──▶ Session
//!          ◀─────oneshot───── │ ClientTask │ ◀──messages──
//!  embedder ◀────Received─────└────────────┘
//! ```
//!
//! One task owns the ids and the requests that are unanswered. What the hub says unasked (notifications, questions of
//! instances, answers to messages that the embedder wrote itself) is handed out by [`Incoming`], a bounded queue. An
//! embedder that does not read it loses notifications, which are counted, and refuses questions; its own requests are
//! answered all the same.
//!
//! The client ends with its session, when it is closed, or when its last handle is dropped. Requests that are
//! unanswered then fail with [`ClientError::Ended`].

mod error;
mod request;
mod task;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::task::{ClientCommand, ClientTask, Ends, OWN_ID};
pub use self::{
    error::{ClientError, RpcError},
    request::{Answer, Request},
};
use crate::{
    Hub,
    frame::{Frame, FrameError},
    protocol::LegacyVersion,
    session::SessionConfig,
};

/// Requests and messages that wait for the client's task.
const COMMANDS: usize = 64;

/// Messages that wait for the embedder: some seconds of what a talkative instance says.
const INCOMING: usize = 256;

/// Settings of one client.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Settings of its session.
    pub session: SessionConfig,
    /// How the conversation begins.
    pub opening: Opening,
}

/// How the conversation with the hub begins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Opening {
    /// The client makes the handshake itself.
    Initialize {
        /// The embedding program's name.
        name: String,
        /// Its version.
        version: String,
        /// What it can do for instances (JSON text of an object), such as `{"sampling":{}}`. It must then answer the
        /// questions that [`Incoming`] hands out.
        capabilities: String,
    },
    /// The embedder does: with a handshake, or with requests that need none (2026-07-28).
    Manual,
}

impl Default for Opening {
    fn default() -> Self {
        Self::Initialize {
            name: "brummer-hub-client".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: "{}".to_owned(),
        }
    }
}

/// Asks the hub, and through it the instances. A cheap clone; the client ends with the last one.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use brummer_hub::{Hub, HubConfig, client::{ClientConfig, Request}, discovery::Directories};
///
/// # let home = tempfile::tempdir()?;
/// let mut config = HubConfig::default();
/// # config.directories = Directories::only(home.path());
/// let hub = Hub::start(config);
/// let (client, _incoming) = hub.client(ClientConfig::default())?;
///
/// let request = Request::tool(None, "instances_list", None)?.timeout(Duration::from_secs(5));
/// let answer = client.request(request).await?;
/// assert!(answer.text().contains(r#""instances":[]"#));
///
/// client.close().await;
/// hub.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<ClientCommand>,
    /// Rung when a caller gave up on its request.
    abandoned: Arc<Notify>,
    stop: CancellationToken,
}

/// What the hub says without being asked by [`Client::request`].
#[derive(Debug)]
pub struct Incoming {
    messages: mpsc::Receiver<Received>,
}

/// One thing that [`Incoming`] hands out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Received {
    /// A notification, a question of an instance (to be answered with [`Client::send`]), or the answer to a request
    /// that was sent with [`Client::send`].
    Message(Frame),
    /// So many notifications were dropped, and questions refused, because the queue was full.
    Missed(u64),
}

impl Incoming {
    /// The next message; `None` once the client has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Received> {
        self.messages.recv().await
    }
}

impl Hub {
    /// Opens a session for the program itself.
    ///
    /// # Errors
    ///
    /// [`ClientError::InvalidJson`] when the capabilities are no JSON object.
    ///
    /// # Panics
    ///
    /// Outside the tokio runtime that the hub runs on.
    pub fn client(&self, config: ClientConfig) -> Result<(Client, Incoming), ClientError> {
        let opening = config.opening.messages()?;
        let settings = SessionConfig { tells_models: false, ..config.session };
        let (input, output, session) = self.session(settings).into_parts();
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (outlet, messages) = mpsc::channel(INCOMING);
        let (abandoned, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let ends = Ends {
            commands: inbox,
            abandoned: Arc::clone(&abandoned),
            stop: stop.clone(),
            input,
            output,
            session,
            incoming: outlet,
        };
        self.tasks().0.spawn(ClientTask::new(ends, opening).run());
        Ok((Client { commands, abandoned, stop }, Incoming { messages }))
    }
}

impl Opening {
    fn messages(&self) -> Result<Vec<Bytes>, ClientError> {
        let Self::Initialize { name, version, capabilities } = self else { return Ok(Vec::new()) };
        request::check_object("capabilities", capabilities)?;
        let info = serde_json::json!({"name": name, "version": version});
        let revision = LegacyVersion::LATEST;
        // The hub answers at once, whatever runs; what follows may be sent without waiting for it.
        let initialize = format!(
            r#"{{"jsonrpc":"2.0","id":"{OWN_ID}0","method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{capabilities},"clientInfo":{info}}}}}"#
        );
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        Ok(vec![initialize.into(), Bytes::from_static(initialized.as_bytes())])
    }
}

impl Client {
    /// Asks and waits for the answer. When the time is up, or the future is dropped, the request is cancelled towards
    /// the instance (`notifications/cancelled`).
    ///
    /// # Errors
    ///
    /// A JSON-RPC error as it was answered, or why there is no answer.
    pub async fn request(&self, request: Request) -> Result<Answer, ClientError> {
        let limit = request.timeout;
        let asked = self.ask(request);
        match limit {
            None => asked.await,
            Some(limit) => timeout(limit, asked).await.unwrap_or(Err(ClientError::TimedOut)),
        }
    }

    async fn ask(&self, request: Request) -> Result<Answer, ClientError> {
        let (reply, mut answer) = oneshot::channel();
        self.commands.send(ClientCommand::Ask { request, reply }).await.map_err(|_| ClientError::Ended)?;
        let mut abandon = Abandon(Some(&self.abandoned));
        let answered = (&mut answer).await;
        abandon.0 = None;
        answered.unwrap_or(Err(ClientError::Ended))
    }

    /// Connects the session to an instance, named by id, alias, name or a unique beginning of one. Answers with the
    /// result of `instances_connect`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Tool`] when there is no such instance, several could be meant, or it does not answer.
    pub async fn connect(&self, instance: &str, limit: Option<Duration>) -> Result<Answer, ClientError> {
        let arguments = serde_json::json!({ "instance_id": instance }).to_string();
        self.own_tool("instances_connect", Some(&arguments), limit).await
    }

    /// Disconnects the session from its instance, if it has one.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn disconnect(&self, limit: Option<Duration>) -> Result<Answer, ClientError> {
        self.own_tool("instances_disconnect", None, limit).await
    }

    async fn own_tool(
        &self,
        tool: &str,
        arguments: Option<&str>,
        limit: Option<Duration>,
    ) -> Result<Answer, ClientError> {
        let mut request = Request::tool(None, tool, arguments)?;
        request.timeout = limit;
        self.request(request).await?.without_tool_error()
    }

    /// Sends one message as it is: a notification, the answer to a question, or a request with an id of the embedder's
    /// own, whose answer comes by [`Incoming`].
    ///
    /// # Errors
    ///
    /// When it is not one JSON-RPC message, has an id that the client keeps for itself, or the client has ended.
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<(), ClientError> {
        let frame = match Frame::parse(message) {
            Ok(frame) => frame,
            Err(FrameError::Batch) => {
                return Err(ClientError::invalid("a batch of messages; send them one by one"));
            }
            Err(FrameError::NotJson(error)) => {
                return Err(ClientError::InvalidJson { what: "message", reason: error.to_string() });
            }
            Err(error) => return Err(ClientError::invalid(error)),
        };
        if frame.method().is_some() && frame.id().is_some_and(task::is_own) {
            return Err(ClientError::invalid(format_args!("ids that begin with `{OWN_ID}` are taken")));
        }
        self.commands.send(ClientCommand::Send(frame.bytes().clone())).await.map_err(|_| ClientError::Ended)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// Ends the client and waits until its session has closed its connections. Everyone who waits for an answer gets
    /// [`ClientError::Ended`].
    pub async fn close(&self) {
        self.stop.cancel();
        self.commands.closed().await;
    }
}

/// Tells the task when a caller goes away before its answer has come.
struct Abandon<'a>(Option<&'a Notify>);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if let Some(task) = self.0 {
            task.notify_one();
        }
    }
}
