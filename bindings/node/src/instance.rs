//! `serveInstance`: an instance whose handlers are JavaScript functions.
//!
//! Which of them answers is decided in JavaScript: each request crosses as a [`NativeCall`](crate::instance_call) with
//! what it asks for.

use brummer_hub::{
    InstanceServer,
    serve::{
        Offer, ServerHandle,
        sdk::rmcp::model::{
            CallToolResult, GetPromptResult, Prompt, ReadResourceResult, Resource, ResourceTemplate, Tool,
        },
    },
};
use napi_derive::napi;
use serde::Deserialize;

use crate::{
    emit::{Callback, code, thrown},
    instance_call::{CallCallback, Calls, Request},
    options::{self, Announced, LimitOptions},
    serving::Serving,
};

type Result<T> = std::result::Result<T, napi::Error<String>>;

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
    serving: Serving<ServerHandle>,
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
        let mut builder = options::announcing(options.announced.into_options()?)
            .limits(options.limits.into())
            .offer(offer(options.offered, &calls));
        if let Some(instructions) = options.instructions {
            builder = builder.instructions(instructions);
        }
        if !options.token {
            builder = builder.without_token();
        }
        let serving = Serving::start(builder.start(), InstanceServer::handle, &callback)?;
        Ok(Self { calls, serving })
    }

    /// What is known of the running server, as JSON.
    #[napi(catch_unwind)]
    pub fn state(&self) -> String {
        self.serving.state()
    }

    /// Replaces what is offered, and tells the clients which lists have changed.
    ///
    /// # Errors
    /// When a definition is not one.
    #[napi(catch_unwind)]
    pub fn update(&self, offered: String) -> Result<()> {
        let new = offer(options::read(&offered)?, &self.calls);
        if let Some(handle) = self.serving.own() {
            handle.update(|offer| *offer = new);
        }
        Ok(())
    }

    /// Tells those who subscribed to a resource that it has changed.
    #[napi(catch_unwind)]
    pub fn resource_updated(&self, uri: String) {
        if let Some(handle) = self.serving.own() {
            handle.resource_updated(uri);
        }
    }

    /// Ends it: takes the announcement back, and lets requests in flight finish. Calls back when that is done.
    ///
    /// # Errors
    /// When the callback cannot be called.
    #[napi(catch_unwind)]
    pub fn close(&mut self, callback: Callback<'_>) -> Result<()> {
        self.serving.close(&callback)
    }

    /// Ends it at once, and waits until its announcement is taken back: for a process that is about to end.
    #[napi(catch_unwind)]
    pub fn end(&mut self) {
        self.serving.end();
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
