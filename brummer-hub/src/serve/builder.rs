//! What a program says of its instance before it starts.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService},
};
use serde_json::Value;

use super::{
    InstanceServer, ServeError, StopTokens,
    call::{
        CallError, IntoPromptResponse, IntoReadResponse, IntoToolResponse, PromptGet, ResourceRead, ToolCall,
    },
    changes::Changes,
    offer::Offer,
    sessions::{SessionLimits, Sessions},
    shapes::{CompletionRequest, PromptDefinition, ResourceDefinition, TemplateDefinition, ToolDefinition},
};
use crate::{
    discovery::Directories,
    doorbell::{DEFAULT_ENDPOINT, InstanceId, Secret},
    registration::RegistrationOptions,
};

/// Bounds of an [`InstanceServer`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerLimits {
    /// The largest message that is taken from a client, in bytes. Arguments of tools are small; a file in one may not be.
    pub max_body_bytes: usize,
    /// Requests that are served at a time, open streams included; more are answered with HTTP status 503. Also calls of an
    /// offer that run at a time, those included whose client has gone away. A hub has two streams open and some calls in
    /// flight.
    pub max_requests: usize,
    /// Sessions of legacy clients. For one more, that which rests longest is ended. A hub has two.
    pub max_sessions: usize,
    /// How long a session without an open stream and without requests is kept.
    pub session_idle: Duration,
    /// How long requests in flight may go on when the server is shut down. Whoever ends a process seldom waits longer.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: 16 * 1024 * 1024,
            max_requests: 256,
            max_sessions: 256,
            session_idle: Duration::from_secs(10 * 60),
            grace: Duration::from_secs(2),
        }
    }
}

impl ServerLimits {
    pub(super) fn sessions(&self) -> SessionLimits {
        SessionLimits { sessions: self.max_sessions.max(1), idle: self.session_idle }
    }
}

/// What answers at the endpoint.
pub(super) enum Content {
    /// The offer.
    Offer,
    /// A handler of the program's own. Made into routes once the server's sessions and tokens are there.
    #[cfg(feature = "sdk")]
    Handler(Mount),
    /// The program's own routes.
    Routes,
}

#[cfg(feature = "sdk")]
type Mount = Box<dyn FnOnce(Sessions, &ServerLimits, &StopTokens) -> Router + Send>;

/// Makes an [`InstanceServer`]; [`InstanceServer::builder`] begins.
#[must_use = "nothing is served before `start`"]
pub struct InstanceServerBuilder {
    pub(super) port: u16,
    pub(super) limits: ServerLimits,
    pub(super) announcing: RegistrationOptions,
    pub(super) instructions: Option<String>,
    pub(super) offer: Offer,
    pub(super) changes: Changes,
    pub(super) content: Content,
    pub(super) router: Option<Router>,
}

impl Default for InstanceServerBuilder {
    fn default() -> Self {
        let mut announcing = RegistrationOptions::new(0);
        announcing.token = Some(Secret::random());
        Self {
            port: 0,
            limits: ServerLimits::default(),
            announcing,
            instructions: None,
            offer: Offer::default(),
            changes: Changes::default(),
            content: Content::Offer,
            router: None,
        }
    }
}

impl std::fmt::Debug for InstanceServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { port, limits, announcing, offer, .. } = self;
        f.debug_struct("InstanceServerBuilder")
            .field("port", port)
            .field("limits", limits)
            .field("announcing", announcing)
            .field("offer", offer)
            .finish_non_exhaustive()
    }
}

impl InstanceServerBuilder {
    /// The port on 127.0.0.1; 0, the default, lets the system choose a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// What people call this instance; `name` of `package.json`, or the directory's name, unless given.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.announcing.name = Some(name.into());
        self
    }

    /// Version of the program that serves.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.announcing.version = Some(version.into());
        self
    }

    /// The project directory it belongs to; the working directory unless given.
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.announcing.path = Some(path.into());
        self
    }

    /// Its id; a random one unless given.
    pub fn id(mut self, id: InstanceId) -> Self {
        self.announcing.id = Some(id);
        self
    }

    /// Labels, for people.
    pub fn labels(mut self, labels: BTreeMap<String, String>) -> Self {
        self.announcing.labels = labels;
        self
    }

    /// What requests must carry as `Authorization: Bearer`, in place of a random token that is made for each server.
    pub fn token(mut self, token: Secret) -> Self {
        self.announcing.token = Some(token);
        self
    }

    /// Lets in every request from this machine. Every program of every user of the machine, and a web page that gets round
    /// the browser's rules, can then call its tools.
    pub fn without_token(mut self) -> Self {
        self.announcing.token = None;
        self
    }

    /// Where to announce it; where this user's hubs look unless given.
    pub fn directories(mut self, directories: Directories) -> Self {
        self.announcing.directories = directories;
        self
    }

    /// Bounds.
    pub fn limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What a model should know of the tools as a whole.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Offers a tool. `schema` is the JSON schema of its arguments; `null` or `{}` for none.
    pub fn tool<F, A, R>(
        mut self,
        name: impl Into<String>,
        description: impl Into<String>,
        schema: Value,
        run: F,
    ) -> Self
    where
        F: Fn(ToolCall) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, CallError>> + Send + 'static,
        R: IntoToolResponse,
    {
        self.offer.tool(name, description, schema, run);
        self
    }

    /// Offers a tool with all that a definition may have: title, output schema, annotations, icons.
    pub fn add_tool<F, A, R>(mut self, tool: impl Into<ToolDefinition>, run: F) -> Self
    where
        F: Fn(ToolCall) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, CallError>> + Send + 'static,
        R: IntoToolResponse,
    {
        self.offer.add_tool(tool, run);
        self
    }

    /// Offers a resource.
    pub fn add_resource<F, A, R>(mut self, resource: impl Into<ResourceDefinition>, run: F) -> Self
    where
        F: Fn(ResourceRead) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, CallError>> + Send + 'static,
        R: IntoReadResponse,
    {
        self.offer.add_resource(resource, run);
        self
    }

    /// Offers the resources whose URIs fit a template.
    pub fn add_resource_template<F, A, R>(mut self, template: impl Into<TemplateDefinition>, run: F) -> Self
    where
        F: Fn(ResourceRead) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, CallError>> + Send + 'static,
        R: IntoReadResponse,
    {
        self.offer.add_resource_template(template, run);
        self
    }

    /// Offers a prompt.
    pub fn add_prompt<F, A, R>(mut self, prompt: impl Into<PromptDefinition>, run: F) -> Self
    where
        F: Fn(PromptGet) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, CallError>> + Send + 'static,
        R: IntoPromptResponse,
    {
        self.offer.add_prompt(prompt, run);
        self
    }

    /// Completes arguments of prompts and variables of templates: see [`Offer::complete_with`].
    pub fn complete_with<F, A>(mut self, run: F) -> Self
    where
        F: Fn(CompletionRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Vec<String>, CallError>> + Send + 'static,
    {
        self.offer.complete_with(run);
        self
    }

    /// All that is offered, for a program that gathers it elsewhere.
    pub fn offer(mut self, offer: Offer) -> Self {
        self.offer = offer;
        self
    }

    /// What the server's handle notes as changed, for a handler of the SDK to follow.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// Serves a handler of the official SDK at `/mcp`, in place of an offer. `factory` makes one for each session of a
    /// legacy client, and one or two for each request of another; so it should be cheap, and what is to last longer is
    /// shared by what it captures.
    #[cfg(feature = "sdk")]
    pub fn handler<H: ServerHandler>(mut self, factory: impl Fn() -> H + Send + Sync + 'static) -> Self {
        self.content =
            Content::Handler(Box::new(move |sessions, limits, stop| mount(factory, sessions, limits, stop)));
        self
    }

    /// Serves the program's own routes beside `/mcp`. They want the token, too.
    #[cfg(feature = "sdk")]
    pub fn router(mut self, router: Router) -> Self {
        self.router = Some(router);
        self
    }

    /// Serves the program's own routes, and nothing else: it answers at `/mcp` itself.
    #[cfg(feature = "sdk")]
    pub fn only_router(self, router: Router) -> Self {
        self.routes(router)
    }

    /// Serves these routes, and nothing else.
    pub(crate) fn routes(mut self, router: Router) -> Self {
        self.content = Content::Routes;
        self.router = Some(router);
        self
    }

    /// Listens, serves, and announces the instance.
    ///
    /// # Errors
    /// When the port cannot be listened on, or no hub would accept what is to be announced. An announcement that cannot be
    /// written is no error: see [`InstanceServer::announcement`].
    ///
    /// # Panics
    /// Outside a tokio runtime with time and I/O enabled.
    pub async fn start(self) -> Result<InstanceServer, ServeError> {
        InstanceServer::start(self).await
    }
}

/// The routes of a handler.
pub(super) fn mount<H: ServerHandler>(
    factory: impl Fn() -> H + Send + Sync + 'static,
    sessions: Sessions,
    limits: &ServerLimits,
    stop: &StopTokens,
) -> Router {
    let mut config = StreamableHttpServerConfig::default()
        .with_cancellation_token(stop.ended.clone())
        .with_max_request_body_bytes(limits.max_body_bytes)
        // For requests without a session: plain JSON when the answer is all there is.
        .with_json_response(true);
    // The door has checked it, for all routes.
    config.allowed_hosts.clear();
    let service =
        StreamableHttpService::new(move || Ok::<_, io::Error>(factory()), Arc::new(sessions), config);
    Router::new().route_service(DEFAULT_ENDPOINT, service)
}
