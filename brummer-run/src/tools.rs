//! The MCP tools of a run: what each is called, what it takes and what it answers.
//!
//! Their names, arguments and results are those of the Go program where they hold up. Each has an output schema and answers
//! with structured content and a text that says the same to a reader. What is wrong with a call is an answer, too (a result
//! with `isError`), and names what would be right.

mod arguments;
mod findings;
mod fit;
mod input;
mod logs;
mod neighbours;
mod probe;
mod results;
mod scripts;
mod stream;
mod urls;
mod wait;

use std::{path::Path, sync::Arc, time::Duration};

use brummer_hub::{
    discovery::Directories,
    serve::{CallError, Offer, ToolCall},
};
use rmcp::{
    handler::server::common::{schema_for_output, schema_for_type},
    model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations},
    schemars::JsonSchema,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    findings::{ErrorFilter, errors},
    logs::page,
    results::Errors,
    scripts::{active, command, list},
};
use crate::{
    log::Logs,
    project::{self, Declared, Project, ProjectError},
    script::{Permits, Scripts},
};

/// How often a client is told that a call still waits: more often than clients give up.
const PULSE: Duration = Duration::from_secs(5);

/// What the tools work with. A cheap clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) directory: Arc<Path>,
    /// A command from the command line, which can be started like a script.
    pub(crate) given: Option<Arc<Declared>>,
    pub(crate) logs: Logs,
    /// Where the log is written to, if anywhere.
    pub(crate) log_dir: Option<Arc<Path>>,
    pub(crate) scripts: Scripts,
    /// Where other instances are announced.
    pub(crate) directories: Directories,
    /// What clients may set in the environment of scripts.
    pub(crate) permits: Arc<Permits>,
    /// Whether keys mean to scripts what they mean at a terminal.
    pub(crate) has_keys: bool,
    /// Tells the cursors of this run from those of another.
    pub(crate) nonce: u32,
    /// Cancelled when the run ends: nothing waits any longer then.
    pub(crate) stopping: CancellationToken,
}

impl App {
    /// The project as it is now.
    pub(crate) async fn project(&self) -> Result<Project, ProjectError> {
        project::read_aside(&self.directory, self.given.as_ref()).await
    }
}

/// Whether a tool changes anything.
#[derive(Clone, Copy, Debug)]
enum Effect {
    Reads,
    Starts,
    Stops,
}

/// All tools.
pub(crate) fn add(offer: &mut Offer, app: &App) {
    scripts::add(offer, app);
    input::add(offer, app);
    logs::add(offer, app);
    stream::add(offer, app);
    wait::add(offer, app);
    findings::add(offer, app);
}

/// Adds a tool that takes `A` and answers `O`.
fn tool<A, O, F, R>(
    offer: &mut Offer,
    app: &App,
    name: &'static str,
    effect: Effect,
    about: &'static str,
    run: F,
) where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    O: Serialize + JsonSchema + 'static,
    F: Fn(App, A, ToolCall) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Answer<O>, CallError>> + Send,
{
    let mut definition = Tool::new(name, about, short(&schema_for_type::<A>()));
    definition.output_schema = Some(plain(&schema_for_output::<O>()));
    let annotations = ToolAnnotations::new().open_world(false);
    definition.annotations = Some(match effect {
        Effect::Reads => annotations.read_only(true),
        Effect::Starts => annotations.read_only(false).destructive(false),
        Effect::Stops => annotations.read_only(false).destructive(true).idempotent(true),
    });
    let app = app.clone();
    offer.add_tool(definition, move |call| {
        let (app, run) = (app.clone(), run.clone());
        async move {
            let arguments: A = given(&call)?;
            let answer = run(app, arguments, call).await?;
            answer.into_result()
        }
    });
}

/// The arguments of a call. `null` for one means that it is not given, as many models write it.
fn given<A: DeserializeOwned>(call: &ToolCall) -> Result<A, CallError> {
    let arguments = call.arguments().into_owned().into_iter().filter(|(_, value)| !value.is_null()).collect();
    let arguments = serde_json::from_value(Value::Object(arguments));
    arguments.map_err(|error| CallError::new(format!("wrong arguments: {error}")))
}

/// The schema of arguments, as short as it can be: what may be left out need not be `null`, too, and the descriptions name
/// the defaults that are not what one would expect.
fn short(schema: &JsonObject) -> Arc<JsonObject> {
    let mut schema = Arc::unwrap_or_clone(plain(schema));
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(|it| it.values_mut()).filter_map(Value::as_object_mut) {
        property.remove("default");
        property.retain(|keyword, value| keyword != "minimum" || *value != 0);
        for keyword in ["type", "enum"] {
            let Some(Value::Array(allowed)) = property.get_mut(keyword) else { continue };
            allowed.retain(|it| !it.is_null() && it != "null");
            if let ("type", [only]) = (keyword, allowed.as_slice()) {
                let only = only.clone();
                property.insert(keyword.to_owned(), only);
            }
        }
    }
    Arc::new(schema)
}

/// A schema without what costs a model's context and says nothing: titles, its dialect, and formats that validators do not
/// know (`uint64`), of which they complain.
fn plain(schema: &JsonObject) -> Arc<JsonObject> {
    fn bare(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let is_schema = members.contains_key("type") || members.contains_key("$schema");
                let says_nothing =
                    |name: &str| matches!(name, "$schema" | "format") || name == "title" && is_schema;
                let kept = members.iter().filter(|(name, value)| !(value.is_string() && says_nothing(name)));
                Value::Object(kept.map(|(name, value)| (name.clone(), bare(value))).collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(bare).collect()),
            other => other.clone(),
        }
    }
    match bare(&Value::Object(schema.clone())) {
        Value::Object(members) => Arc::new(members),
        _ => Arc::new(schema.clone()),
    }
}

/// What a tool answers: the same for a program and for a reader.
struct Answer<O> {
    structured: O,
    text: String,
}

impl<O: Serialize> Answer<O> {
    fn into_result(self) -> Result<CallToolResult, CallError> {
        let mut result = CallToolResult::structured(serde_json::to_value(self.structured)?);
        result.content = vec![ContentBlock::text(self.text)];
        Ok(result)
    }
}
