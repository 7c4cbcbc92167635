//! `serveInstance`: an instance whose handlers are JavaScript functions.
//!
//! Which of them answers is decided in JavaScript: each request crosses as a [`NativeCall`](crate::instance_call) with
//! what it asks for.

use std::time::Duration;

use brummer_hub::{
    InstanceServer,
    doorbell::Secret,
    serve::{
        Announcement, Offer, ServeError, ServerHandle,
        sdk::rmcp::model::{
            CallToolResult, GetPromptResult, Prompt, ReadResourceResult, Resource, ResourceTemplate, Tool,
        },
    },
};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    watch,
};

use crate::{
    emit::{Callback, code, failure, thrown},
    hub::emitter,
    instance_call::{CallCallback, Calls, Request},
    options::{self, Announced, LimitOptions},
    runtime::runtime,
};

type Result<T> = std::result::Result<T, napi::Error<String>>;

/// What may be done with a running server. More than one at a time is never waited for.
const ORDERS: usize = 1;

/// How long a process that ends waits for its announcement to be taken back: a few file operations.
const END: Duration = Duration::from_secs(1);

/// What is offered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Offered {
    #[serde(default)]
    tools: Vec<Tool>,
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default)]
    resource_templates: Vec<ResourceTemplate>,
    #[serde(default)]
    prompts: Vec<Prompt>,
    #[serde(default)]
    completes: bool,
}

#[derive(Deserialize)]
struct InstanceOptions {
    announced: Announced,
    /// Whether clients must show a token.
    #[serde(default = "yes")]
    token: bool,
    instructions: Option<String>,
    limits: LimitOptions,
    offered: Offered,
}

const fn yes() -> bool {
    true
}

/// An instance server. It ends when it is collected.
#[napi]
pub struct NativeInstance {
    calls: Calls,
    /// Without it the server ends at once.
    orders: Option<mpsc::Sender<Order>>,
    running: watch::Receiver<Option<Running>>,
    /// Closed when the server has ended.
    ended: std::sync::mpsc::Receiver<()>,
}

#[derive(Clone)]
struct Running {
    id: String,
    port: u16,
    url: String,
    token: Option<Secret>,
    handle: ServerHandle,
    announcement: watch::Receiver<Announcement>,
}

enum Order {
    Close(crate::emit::Emitter),
}

#[napi]
impl NativeInstance {
    /// Listens, serves and announces; `callback` is told when that is done, `calls` of each request.
    ///
    /// # Errors
    /// When the options make no sense.
    #[napi(factory, catch_unwind)]
    pub fn start(options: String, calls: CallCallback<'_>, callback: Callback<'_>) -> Result<Self> {
        let options: InstanceOptions = options::read(&options)?;
        let calls = Calls::new(&calls).map_err(|error| thrown(code::INVALID_ARGUMENT, error))?;
        let emitter = emitter(&callback)?;
        let announced = options.announced;
        let mut builder = InstanceServer::builder().port(announced.port).limits(options.limits.into());
        if let Some(instructions) = options.instructions {
            builder = builder.instructions(instructions);
        }
        if !options.token {
            builder = builder.without_token();
        }
        let announced = announced.into_options()?;
        if let Some(id) = announced.id {
            builder = builder.id(id);
        }
        if let Some(path) = announced.path {
            builder = builder.path(path);
        }
        if let Some(name) = announced.name {
            builder = builder.name(name);
        }
        if let Some(version) = announced.version {
            builder = builder.version(version);
        }
        builder = builder
            .labels(announced.labels)
            .directories(announced.directories)
            .offer(offer(options.offered, &calls));
        let (orders, mut inbox) = mpsc::channel(ORDERS);
        let (started, running) = watch::channel(None);
        let (ends, ended) = std::sync::mpsc::sync_channel(0);
        runtime().spawn(async move {
            // Dropped after the server.
            let _ends = ends;
            let server = match builder.start().await {
                Ok(server) => server,
                Err(error) => return emitter.call("error", told(&error)),
            };
            started.send_replace(Some(Running {
                id: server.id().to_string(),
                port: server.port(),
                url: server.url(),
                token: server.token().cloned(),
                handle: server.handle(),
                announcement: server.announcement(),
            }));
            emitter.call("done", "");
            // Without an order the server is dropped, which ends it at once.
            if let Some(Order::Close(emitter)) = inbox.recv().await {
                server.shutdown().await;
                emitter.call("done", "");
            }
        });
        Ok(Self { calls, orders: Some(orders), running, ended })
    }

    /// What is known of the running server, as JSON.
    #[napi(catch_unwind)]
    pub fn state(&self) -> String {
        let Some(running) = self.running.borrow().clone() else { return "null".to_owned() };
        let file = match &*running.announcement.borrow() {
            Announcement::Announced(file) => Some(file.display().to_string()),
            _ => None,
        };
        let token = running.token.as_ref().map(Secret::expose);
        json!({ "id": running.id, "port": running.port, "url": running.url, "token": token, "file": file })
            .to_string()
    }

    /// Replaces what is offered, and tells the clients which lists have changed.
    ///
    /// # Errors
    /// When a definition is not one.
    #[napi(catch_unwind)]
    pub fn update(&self, offered: String) -> Result<()> {
        let new = offer(options::read(&offered)?, &self.calls);
        if let Some(running) = self.running.borrow().as_ref() {
            running.handle.update(|offer| *offer = new);
        }
        Ok(())
    }

    /// Tells those who subscribed to a resource that it has changed.
    #[napi(catch_unwind)]
    pub fn resource_updated(&self, uri: String) {
        if let Some(running) = self.running.borrow().as_ref() {
            running.handle.resource_updated(uri);
        }
    }

    /// Ends it: takes the announcement back, and lets requests in flight finish. Calls back when that is done.
    ///
    /// # Errors
    /// When the callback cannot be called.
    #[napi(catch_unwind)]
    pub fn close(&self, callback: Callback<'_>) -> Result<()> {
        let emitter = emitter(&callback)?;
        let sent = match &self.orders {
            Some(orders) => orders.try_send(Order::Close(emitter)).map_err(TrySendError::into_inner),
            None => Err(Order::Close(emitter)),
        };
        if let Err(Order::Close(emitter)) = sent {
            // It is closing, or has ended.
            emitter.call("done", "");
        }
        Ok(())
    }

    /// Ends it at once, and waits until its announcement is taken back: for a process that is about to end.
    #[napi(catch_unwind)]
    pub fn end(&mut self) {
        self.orders = None;
        // Nothing is ever sent: an error says that it has ended, or has not in time.
        let _ = self.ended.recv_timeout(END);
    }
}

fn told(error: &ServeError) -> String {
    match error {
        ServeError::Announce(_) => failure(code::INVALID_ARGUMENT, error),
        _ => failure(code::IO, error),
    }
}

/// The definitions, each with JavaScript behind it.
fn offer(offered: Offered, calls: &Calls) -> Offer {
    let mut offer = Offer::default();
    for tool in offered.tools {
        let calls = calls.clone();
        offer.add_tool(tool, move |call| calls.clone().answer::<CallToolResult>(Request::Tool(call)));
    }
    for resource in offered.resources {
        let (calls, uri) = (calls.clone(), resource.uri.clone());
        offer.add_resource(resource, move |read| {
            calls.clone().answer::<ReadResourceResult>(Request::Resource(read, uri.clone()))
        });
    }
    for template in offered.resource_templates {
        let (calls, uri) = (calls.clone(), template.uri_template.clone());
        offer.add_resource_template(template, move |read| {
            calls.clone().answer::<ReadResourceResult>(Request::Template(read, uri.clone()))
        });
    }
    for prompt in offered.prompts {
        let calls = calls.clone();
        offer.add_prompt(prompt, move |get| calls.clone().answer::<GetPromptResult>(Request::Prompt(get)));
    }
    if offered.completes {
        let calls = calls.clone();
        offer.complete_with(move |request| {
            calls.clone().answer::<Vec<String>>(Request::Completion(Box::new(request)))
        });
    }
    offer
}
