//! What a program offers: tools, resources and prompts with the closures that answer for them.
//!
//! An [`Offer`] is a value. The running server has it in a `watch` channel: each request reads the one of its moment, and
//! [`ServerHandle::update`] replaces it.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use rmcp::model::{
    CallToolResponse, CompleteRequestParams, GetPromptResponse, Prompt, ReadResourceResponse, Resource,
    ResourceTemplate, Tool,
};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::{
    call::{
        CallError, IntoPromptResponse, IntoReadResponse, IntoToolResponse, PromptGet, ResourceRead, ToolCall,
    },
    changes::Changes,
    shapes::{CompletionRequest, PromptDefinition, ResourceDefinition, TemplateDefinition, ToolDefinition},
    template,
};

type Answering<T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send>>;
type HandlerFn<C, T> = Arc<dyn Fn(C) -> Answering<T> + Send + Sync>;

/// Tools, resources and prompts, in the order in which they were added. One that is added under a name or URI that is there
/// already takes its place.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    tools: Vec<Offered<Tool, ToolCall, CallToolResponse>>,
    resources: Vec<Offered<Resource, ResourceRead, ReadResourceResponse>>,
    templates: Vec<Offered<ResourceTemplate, ResourceRead, ReadResourceResponse>>,
    prompts: Vec<Offered<Prompt, PromptGet, GetPromptResponse>>,
    completion: Option<Offered<(), CompletionRequest, Vec<String>>>,
}

/// A definition with what answers for it.
pub(super) struct Offered<D, C, T> {
    pub(super) definition: Arc<D>,
    run: HandlerFn<C, T>,
}

impl<D, C, T> Offered<D, C, T> {
    /// Calls the program's closure within the future, so that its panic is one of the future.
    pub(super) fn answer(&self, call: C) -> impl Future<Output = Result<T, CallError>> + Send + 'static
    where
        C: Send + 'static,
        T: 'static,
    {
        let run = Arc::clone(&self.run);
        async move { run(call).await }
    }
}

impl<D, C, T> Clone for Offered<D, C, T> {
    fn clone(&self) -> Self {
        Self { definition: Arc::clone(&self.definition), run: Arc::clone(&self.run) }
    }
}

impl<D: std::fmt::Debug, C, T> std::fmt::Debug for Offered<D, C, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.definition.fmt(f)
    }
}

impl Offer {
    /// Adds a tool. `schema` is the JSON schema of its arguments; `null` or `{}` for none.
    pub fn tool<F, A, R>(
        &mut self,
        name: impl Into<String>,
        description: impl Into<String>,
        schema: Value,
        run: F,
    ) where
        F: Fn(ToolCall) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, CallError>> + Send + 'static,
        R: IntoToolResponse,
    {
        let schema = match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        };
        self.add_tool(ToolDefinition(Tool::new(name.into(), description.into(), schema)), run);
    }

    /// Adds a tool with all that a definition may have: title, output schema, annotations, icons.
    pub fn add_tool<F, A, R>(&mut self, tool: impl Into<ToolDefinition>, run: F)
    where
        F: Fn(ToolCall) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, CallError>> + Send + 'static,
        R: IntoToolResponse,
    {
        let ToolDefinition(mut tool) = tool.into();
        // Clients refuse the whole list for a schema without it (2025-11-25, schema § Tool).
        if !tool.input_schema.contains_key("type") {
            Arc::make_mut(&mut tool.input_schema).insert("type".to_owned(), "object".into());
        }
        let run: HandlerFn<_, _> = Arc::new(move |call| {
            let answer = run(call);
            Box::pin(async move { Ok(answer.await?.into_tool_response().0) })
        });
        place(&mut self.tools, Offered { definition: Arc::new(tool), run }, |tool| tool.name.as_ref());
    }

    /// Removes a tool; says whether it was there.
    pub fn remove_tool(&mut self, name: &str) -> bool {
        remove(&mut self.tools, |tool| tool.name == name)
    }

    /// Adds a resource.
    pub fn add_resource<F, A, R>(&mut self, resource: impl Into<ResourceDefinition>, run: F)
    where
        F: Fn(ResourceRead) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, CallError>> + Send + 'static,
        R: IntoReadResponse,
    {
        let ResourceDefinition(resource) = resource.into();
        let run = reading(run, resource.mime_type.clone());
        let offered = Offered { definition: Arc::new(resource), run };
        place(&mut self.resources, offered, |resource| resource.uri.as_str());
    }

    /// Removes a resource; says whether it was there.
    pub fn remove_resource(&mut self, uri: &str) -> bool {
        remove(&mut self.resources, |resource| resource.uri == uri)
    }

    /// Adds resources whose URIs fit a template. `{name}` in it stands for characters other than `/`, `{+name}` for any.
    pub fn add_resource_template<F, A, R>(&mut self, template: impl Into<TemplateDefinition>, run: F)
    where
        F: Fn(ResourceRead) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, CallError>> + Send + 'static,
        R: IntoReadResponse,
    {
        let TemplateDefinition(template) = template.into();
        let run = reading(run, template.mime_type.clone());
        let offered = Offered { definition: Arc::new(template), run };
        place(&mut self.templates, offered, |template| template.uri_template.as_str());
    }

    /// Removes a template; says whether it was there.
    pub fn remove_resource_template(&mut self, template: &str) -> bool {
        remove(&mut self.templates, |it| it.uri_template == template)
    }

    /// Adds a prompt.
    pub fn add_prompt<F, A, R>(&mut self, prompt: impl Into<PromptDefinition>, run: F)
    where
        F: Fn(PromptGet) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, CallError>> + Send + 'static,
        R: IntoPromptResponse,
    {
        let PromptDefinition(prompt) = prompt.into();
        let run: HandlerFn<_, _> = Arc::new(move |call| {
            let answer = run(call);
            Box::pin(async move { Ok(answer.await?.into_prompt_response().0) })
        });
        place(&mut self.prompts, Offered { definition: Arc::new(prompt), run }, |prompt| {
            prompt.name.as_str()
        });
    }

    /// Removes a prompt; says whether it was there.
    pub fn remove_prompt(&mut self, name: &str) -> bool {
        remove(&mut self.prompts, |prompt| prompt.name == name)
    }

    /// Completes arguments of prompts and variables of templates: `run` gives the values that fit what was typed, best first.
    /// The client gets the first hundred.
    pub fn complete_with<F, A>(&mut self, run: F)
    where
        F: Fn(CompletionRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Vec<String>, CallError>> + Send + 'static,
    {
        let run: HandlerFn<_, _> = Arc::new(move |request| Box::pin(run(request)));
        self.completion = Some(Offered { definition: Arc::new(()), run });
    }

    pub(super) fn tools(&self) -> Vec<Tool> {
        definitions(&self.tools)
    }

    pub(super) fn resources(&self) -> Vec<Resource> {
        definitions(&self.resources)
    }

    pub(super) fn templates(&self) -> Vec<ResourceTemplate> {
        definitions(&self.templates)
    }

    pub(super) fn prompts(&self) -> Vec<Prompt> {
        definitions(&self.prompts)
    }

    pub(super) fn find_tool(&self, name: &str) -> Option<&Offered<Tool, ToolCall, CallToolResponse>> {
        self.tools.iter().find(|tool| tool.definition.name == name)
    }

    pub(super) fn find_prompt(&self, name: &str) -> Option<&Offered<Prompt, PromptGet, GetPromptResponse>> {
        self.prompts.iter().find(|prompt| prompt.definition.name == name)
    }

    pub(super) fn complete(&self, request: CompleteRequestParams) -> Option<Answering<Vec<String>>> {
        Some(Box::pin(self.completion.as_ref()?.answer(CompletionRequest(request))))
    }

    /// Reads a resource: the one with this URI, or the first template that it fits.
    pub(super) fn read(
        &self,
        uri: &str,
        call: impl FnOnce(BTreeMap<String, String>) -> ResourceRead,
    ) -> Option<Answering<ReadResourceResponse>> {
        if let Some(resource) = self.resources.iter().find(|resource| resource.definition.uri == uri) {
            return Some(Box::pin(resource.answer(call(BTreeMap::new()))));
        }
        self.templates
            .iter()
            .find_map(|template| {
                let variables = template::fit(&template.definition.uri_template, uri)?;
                Some((template, variables))
            })
            .map(|(template, variables)| -> Answering<_> { Box::pin(template.answer(call(variables))) })
    }
}

fn reading<F, A, R>(run: F, mime_type: Option<String>) -> HandlerFn<ResourceRead, ReadResourceResponse>
where
    F: Fn(ResourceRead) -> A + Send + Sync + 'static,
    A: Future<Output = Result<R, CallError>> + Send + 'static,
    R: IntoReadResponse,
{
    Arc::new(move |call: ResourceRead| {
        let (uri, mime_type) = (call.uri.clone(), mime_type.clone());
        let answer = run(call);
        Box::pin(async move { Ok(answer.await?.into_read_response(&uri, mime_type.as_deref()).0) })
    })
}

fn place<D, C, T>(all: &mut Vec<Offered<D, C, T>>, new: Offered<D, C, T>, key: impl Fn(&D) -> &str) {
    match all.iter_mut().find(|it| key(&it.definition) == key(&new.definition)) {
        Some(there) => *there = new,
        None => all.push(new),
    }
}

fn remove<D, C, T>(all: &mut Vec<Offered<D, C, T>>, meant: impl Fn(&D) -> bool) -> bool {
    let before = all.len();
    all.retain(|it| !meant(&it.definition));
    all.len() < before
}

fn definitions<D: Clone, C, T>(all: &[Offered<D, C, T>]) -> Vec<D> {
    all.iter().map(|it| D::clone(&it.definition)).collect()
}

/// Whether two lists name the same definitions.
fn same<D, C, T>(one: &[Offered<D, C, T>], other: &[Offered<D, C, T>]) -> bool {
    let equal = |(one, other): (&Offered<D, C, T>, &Offered<D, C, T>)| {
        Arc::ptr_eq(&one.definition, &other.definition)
    };
    one.len() == other.len() && one.iter().zip(other).all(equal)
}

/// Changes what a running server offers, and tells its clients what has changed. A cheap clone.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    pub(super) offer: watch::Sender<Arc<Offer>>,
    pub(super) changes: Changes,
}

impl ServerHandle {
    /// Changes the offer, and tells the clients which lists are not what they were. It has no effect on a server with a
    /// handler or routes of its own.
    pub fn update(&self, change: impl FnOnce(&mut Offer)) {
        let mut before = Arc::default();
        self.offer.send_modify(|offer| {
            before = Arc::clone(offer);
            change(Arc::make_mut(offer));
        });
        let now = Arc::clone(&self.offer.borrow());
        if !same(&before.tools, &now.tools) {
            self.changes.tools();
        }
        if !same(&before.prompts, &now.prompts) {
            self.changes.prompts();
        }
        if !same(&before.resources, &now.resources) || !same(&before.templates, &now.templates) {
            self.changes.resources();
        }
    }

    /// Tells those who subscribed to it that a resource has changed.
    pub fn resource_updated(&self, uri: impl Into<String>) {
        self.changes.resource(uri);
    }

    /// Tells that lists or resources have changed, for what is not part of the offer.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }
}
