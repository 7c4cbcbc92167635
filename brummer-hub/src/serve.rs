//! An instance for any program: an MCP server on loopback that announces itself.
//!
//! ```text
//!  hub, client ──HTTP──▶ HttpListener ──▶ Door ──▶ /mcp ──▶ the SDK ──▶ Offer, or the program's handler
//!                                           │                  └─ Sessions (legacy clients)
//!                                           └─▶ the program's own routes
//! ```
//!
//! [`InstanceServer`] owns the listener's task, the keeper of the sessions, and the announcement. It serves Streamable HTTP
//! to clients of both eras: those that open with `initialize`, and those from 2026-07-28 on that do not. It listens first
//! and announces itself then, so that whoever reads the announcement finds an open door; it takes the announcement back
//! first and stops then. Who wants to come in must carry the token that stands in the announcement, which only this user can
//! read. Everything it starts stops on two tokens, [`StopTokens`], and is waited for.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use brummer_hub::{InstanceServer, serve::ToolCall};
//! use serde_json::json;
//! # let home = tempfile::tempdir()?;
//! # let directories = brummer_hub::discovery::Directories::only(home.path());
//!
//! let server = InstanceServer::builder()
//!     .name("shop")
//!     .tool(
//!         "greet",
//!         "Greets someone",
//!         json!({ "properties": { "name": { "type": "string" } }, "required": ["name"] }),
//!         |call: ToolCall| async move {
//!             #[derive(serde::Deserialize)]
//!             struct Greet {
//!                 name: String,
//!             }
//!             let Greet { name } = call.parse()?;
//!             Ok(format!("Hello, {name}!"))
//!         },
//!     )
//! #   .directories(directories)
//!     .start()
//!     .await?;
//! println!("{} serves at {}", server.id(), server.url());
//! // A client without a hub sends this: `Authorization: Bearer …`
//! let token = server.token().map(|token| token.expose());
//! # assert!(token.is_some());
//! // … until the program ends:
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    builder::{Content, mount},
    door::Door,
    handler::{HandlerContext, OfferHandler},
    listener::{HttpListener, LINGER},
    sessions::Sessions,
};
pub use self::{
    builder::{InstanceServerBuilder, ServerLimits},
    call::{
        CallError, IntoPromptResponse, IntoReadResponse, IntoToolResponse, PromptGet, ResourceRead, ToolCall,
    },
    changes::{Changes, Follower, Subscribed},
    logging::LogLevel,
    offer::{Offer, ServerHandle},
    shapes::{
        CompletionRequest, PromptDefinition, PromptResponse, ReadResponse, ResourceDefinition,
        TemplateDefinition, ToolDefinition, ToolResponse,
    },
};
use crate::{
    doorbell::{DEFAULT_ENDPOINT, InstanceId, Secret},
    registration::{Registration, RegistrationError, RegistrationOptions, announce_aside},
};

mod builder;
mod call;
mod changes;
mod door;
mod handler;
mod listener;
mod logging;
mod offer;
#[cfg(feature = "sdk")]
pub mod sdk;
mod sessions;
mod shapes;
mod template;
#[cfg(test)]
#[cfg(feature = "sdk")]
mod tests;

/// How long removing the announcement may take: a few file operations.
const REMOVE: Duration = Duration::from_secs(1);

/// How long ended sessions may take. The SDK gives the calls of each two seconds.
const SESSIONS: Duration = Duration::from_millis(2500);

/// How long the calls of an ended server may take: they are dropped a second after they were cancelled.
const CALLS: Duration = Duration::from_millis(1500);

/// A running instance.
///
/// Dropping it ends it at once: it is announced no more, and requests in flight are cut off.
/// [`InstanceServer::shutdown`] lets them finish and waits for it.
#[derive(Debug)]
pub struct InstanceServer {
    id: InstanceId,
    address: SocketAddr,
    token: Option<Secret>,
    announcement: watch::Receiver<Announcement>,
    /// The announcement, if it was possible at once; else the herald's task has it.
    registration: Option<Registration>,
    listener: JoinHandle<()>,
    /// The keeper of the sessions, and the herald if there is one.
    tasks: JoinSet<()>,
    sessions: Sessions,
    /// What the handlers of an offer run.
    calls: TaskTracker,
    handle: ServerHandle,
    grace: Duration,
    stop: StopTokens,
}

/// Whether hubs can find an instance.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Announcement {
    /// This file tells them.
    Announced(PathBuf),
    /// The file could not be written; it is tried again for some seconds.
    Retrying,
    /// The file could not be written, for this reason. The server runs alone: clients reach it by its URL.
    Alone(Arc<str>),
}

/// Why an instance could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The port cannot be listened on.
    #[error("cannot listen on 127.0.0.1:{port}: {source}; give another port, or 0 for any free one")]
    Listen {
        /// The port asked for.
        port: u16,
        /// The system's reason.
        source: io::Error,
    },
    /// No hub would accept such an announcement.
    #[error(transparent)]
    Announce(RegistrationError),
}

/// The two steps of an end.
#[derive(Clone, Debug)]
struct StopTokens {
    /// Nothing new is accepted; what would never end by itself ends.
    stopping: CancellationToken,
    /// What still runs is cancelled.
    ended: CancellationToken,
}

impl InstanceServer {
    /// What the server is to offer and how it is to be announced. Everything has a default.
    pub fn builder() -> InstanceServerBuilder {
        InstanceServerBuilder::default()
    }

    async fn start(builder: InstanceServerBuilder) -> Result<Self, ServeError> {
        let InstanceServerBuilder {
            port,
            limits,
            mut announcing,
            instructions,
            offer,
            changes,
            content,
            router,
        } = builder;
        let failed = |source| ServeError::Listen { port, source };
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;

        let stop = StopTokens { stopping: CancellationToken::new(), ended: CancellationToken::new() };
        let (sessions, keeping) = Sessions::new(limits.sessions(), &stop);
        let mut tasks = JoinSet::new();
        tasks.spawn(keeping);
        let handle = ServerHandle { offer: watch::Sender::new(Arc::new(offer)), changes };
        let calls = TaskTracker::new();
        let mcp = match content {
            Content::Offer => {
                let shared = Arc::new(HandlerContext {
                    offer: handle.offer.subscribe(),
                    changes: handle.changes.clone(),
                    info: handler::info(&announcing, instructions),
                    tasks: calls.clone(),
                    room: Semaphore::new(limits.max_requests.min(Semaphore::MAX_PERMITS)),
                    stopping: stop.stopping.clone(),
                });
                let factory = move || OfferHandler::new(Arc::clone(&shared));
                Some(mount(factory, sessions.clone(), &limits, &stop))
            }
            #[cfg(feature = "sdk")]
            Content::Handler(mount) => Some(mount(sessions.clone(), &limits, &stop)),
            Content::Routes => None,
        };
        let routes = match (mcp, router) {
            // As a fallback, so that a route of both is no clash: `/mcp` is the server's.
            (Some(mcp), Some(router)) => mcp.fallback_service(router),
            (mcp, router) => mcp.or(router).unwrap_or_default(),
        };
        let id = announcing.id.get_or_insert_with(InstanceId::random).clone();
        let door = Door::new(routes, &id, announcing.token.clone(), limits.max_requests);
        let token = announcing.token.clone();
        let listener = HttpListener { socket, door, max_requests: limits.max_requests, stop: stop.clone() };

        let (published, announcement) = watch::channel(Announcement::Retrying);
        let mut server = Self {
            id,
            address,
            token,
            announcement,
            registration: None,
            listener: tokio::spawn(listener.run()),
            tasks,
            sessions,
            calls,
            handle,
            grace: limits.grace,
            stop,
        };
        announcing.port = address.port();
        server.announce(announcing, published).await?;
        Ok(server)
    }

    /// Announces the server. That it cannot be is no reason not to run, unless it never could be.
    async fn announce(
        &mut self,
        options: RegistrationOptions,
        published: watch::Sender<Announcement>,
    ) -> Result<(), ServeError> {
        match announce_aside(options.clone()).await {
            Ok(registration) => {
                published.send_replace(Announcement::Announced(registration.file().to_owned()));
                self.registration = Some(registration);
            }
            Err(error @ RegistrationError::Invalid(_)) => return Err(ServeError::Announce(error)),
            Err(error) if error.may_pass() => {
                tracing::debug!(%error, "will announce again");
                self.tasks.spawn(herald(options, published, self.stop.stopping.clone()));
            }
            Err(error) => alone(&published, &error),
        }
        Ok(())
    }

    /// Its id, which it states in each response.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of its MCP endpoint, for clients that are configured with one.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{DEFAULT_ENDPOINT}", self.address)
    }

    /// What every request must carry as `Authorization: Bearer`; none after
    /// [`without_token`](InstanceServerBuilder::without_token).
    #[must_use]
    pub fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    /// Changes what it offers, and tells its clients of changes.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Whether hubs can find it, now and whenever that changes.
    #[must_use]
    pub fn announcement(&self) -> watch::Receiver<Announcement> {
        self.announcement.clone()
    }

    /// Ends it: takes the announcement back, accepts nothing more, gives the requests in flight the time that
    /// [`ServerLimits::grace`] says, cancels the rest, and waits for all of it. Takes at most about four seconds more.
    pub async fn shutdown(mut self) {
        if let Some(registration) = self.registration.take() {
            let removed = tokio::task::spawn_blocking(move || registration.remove());
            if let Ok(Ok(Err(error))) = timeout(REMOVE, removed).await {
                tracing::debug!(%error, "an announcement stays behind");
            }
        }
        self.stop.stopping.cancel();
        let closed = timeout(self.grace, &mut self.listener).await.is_ok();
        self.stop.ended.cancel();
        if !closed && timeout(LINGER * 2, &mut self.listener).await.is_err() {
            tracing::warn!("a connection could not be closed in time");
        }
        if timeout(SESSIONS, self.sessions.until_there_are(0)).await.is_err() {
            tracing::warn!("a session did not end in time");
        }
        self.calls.close();
        if timeout(CALLS, self.calls.wait()).await.is_err() {
            tracing::warn!(calls = self.calls.len(), "a call did not end in time");
        }
        let _ = timeout(REMOVE, async { while self.tasks.join_next().await.is_some() {} }).await;
    }
}

impl Drop for InstanceServer {
    fn drop(&mut self) {
        // The listener's task sees it and cuts its connections; without a runtime it is gone already.
        self.stop.stopping.cancel();
        self.stop.ended.cancel();
    }
}

/// Announces the server as soon as it is possible, and takes it back at the end.
async fn herald(
    options: RegistrationOptions,
    published: watch::Sender<Announcement>,
    stopping: CancellationToken,
) {
    let announced = tokio::select! {
        biased;
        () = stopping.cancelled() => return,
        announced = Registration::announce_persistently(options) => announced,
    };
    match announced {
        Ok(registration) => {
            published.send_replace(Announcement::Announced(registration.file().to_owned()));
            stopping.cancelled().await;
            let _ = tokio::task::spawn_blocking(move || drop(registration)).await;
        }
        Err(error) => alone(&published, &error),
    }
}

fn alone(published: &watch::Sender<Announcement>, error: &RegistrationError) {
    tracing::warn!(%error, "no hub will find this instance; it runs all the same");
    published.send_replace(Announcement::Alone(error.to_string().into()));
}
