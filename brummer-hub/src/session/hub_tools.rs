//! The hub's own tools: find instances, connect to one, see how it is, use one without connecting.

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    client::ReplyTo,
    jobs::{Done, request_frame},
    links::{Shape, failure_text},
    lists::{INSTANCES_URI, ListKind, key_of, page},
    quirks,
    task::SessionTask,
};
use crate::{
    frame::{Edit, Frame},
    hub::{Lookup, Snapshot},
    instance::{Instance, InstanceState},
    protocol::method,
};

mod entry;
#[cfg(test)]
mod tests;

pub use entry::InstanceEntry;
use entry::{health_of, listing_text};

/// One of the hub's tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tool {
    List,
    Connect,
    Disconnect,
    Health,
    Tools,
    Call,
}

impl Tool {
    pub(super) const ALL: [Self; 6] =
        [Self::List, Self::Connect, Self::Disconnect, Self::Health, Self::Tools, Self::Call];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::List => "instances_list",
            Self::Connect => "instances_connect",
            Self::Disconnect => "instances_disconnect",
            Self::Health => "instances_health",
            Self::Tools => "instances_tools",
            Self::Call => "instances_call",
        }
    }

    /// The tool of this name, also when it is spelt with a slash (`instances/list`).
    pub(crate) fn named(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("instances")?.strip_prefix(['_', '/'])?;
        Self::ALL.into_iter().find(|tool| &tool.name()["instances_".len()..] == rest)
    }
}

/// The definitions as `tools/list` shows them: JSON objects, separated by commas.
pub(super) fn definitions() -> &'static str {
    let array = include_str!("hub_tools/definitions.json").trim_end();
    &array[1..array.len() - 1]
}

/// Arguments of all six tools; each reads the ones that it has.
struct Arguments<'a> {
    instance_id: Option<String>,
    query: Option<String>,
    tool: Option<String>,
    arguments: Option<&'a RawValue>,
}

impl<'a> Arguments<'a> {
    /// # Errors
    ///
    /// A text that names what does not fit.
    fn read(text: &'a str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(default, borrow)]
            instance_id: Option<&'a RawValue>,
            #[serde(default, borrow)]
            query: Option<&'a RawValue>,
            #[serde(default, borrow)]
            tool: Option<&'a RawValue>,
            #[serde(default, borrow)]
            arguments: Option<&'a RawValue>,
        }
        let string = |name: &str, raw: Option<&RawValue>| match raw {
            None => Ok(None),
            Some(raw) => {
                serde_json::from_str(raw.get()).map(Some).map_err(|_| format!("`{name}` must be a string"))
            }
        };
        let raw: Raw<'a> = match text.starts_with('{').then(|| serde_json::from_str(text)) {
            Some(Ok(raw)) => raw,
            _ => return Err("`arguments` must be an object that has each member once".to_owned()),
        };
        Ok(Self {
            instance_id: string("instance_id", raw.instance_id)?,
            query: string("query", raw.query)?,
            tool: string("tool", raw.tool)?,
            arguments: raw.arguments,
        })
    }
}

#[derive(Deserialize)]
struct CallParams<'a> {
    #[serde(default, borrow)]
    arguments: Option<&'a RawValue>,
}

/// What of a call is passed on to the tool that it asks for: everything that is not about the tool itself.
#[derive(Deserialize)]
struct Carried<'a> {
    #[serde(rename = "_meta", default, borrow)]
    meta: Option<&'a RawValue>,
    #[serde(rename = "inputResponses", default, borrow)]
    responses: Option<&'a RawValue>,
    #[serde(rename = "requestState", default, borrow)]
    state: Option<&'a RawValue>,
}

impl Carried<'_> {
    /// The members with their names, each after a comma.
    fn text(&self) -> String {
        let Self { meta, responses, state } = self;
        [("_meta", meta), ("inputResponses", responses), ("requestState", state)]
            .into_iter()
            .filter_map(|(name, raw)| Some(format!(",\"{name}\":{}", raw.as_ref()?.get())))
            .collect()
    }
}

impl SessionTask {
    pub(super) fn call_own_tool(&mut self, tool: Tool, frame: &Frame, to: &ReplyTo) {
        let raw = frame.peek::<CallParams<'_>>().and_then(|params| params.arguments);
        let arguments = match Arguments::read(raw.map_or("{}", RawValue::get)) {
            Ok(arguments) => arguments,
            Err(error) => return self.answer_result(to, &tool_error(&format!("{}: {error}", tool.name()))),
        };
        let outcome = match tool {
            Tool::List => Ok(Some(self.list_instances())),
            Tool::Connect => self.connect_instance(&arguments, to).map(|()| None),
            Tool::Disconnect if to.is_modern() => {
                let text = "Nothing to disconnect: the tools of all instances are listed at all times.";
                Ok(Some(tool_result(text, &json!({"disconnected": null}))))
            }
            Tool::Disconnect => Ok(Some(self.disconnect_instance())),
            Tool::Health => self.instance_health(&arguments).map(Some),
            Tool::Tools => self.instance_tools(arguments, to).map(|()| None),
            Tool::Call => self.instance_call(&arguments, frame, to).map(|()| None),
        };
        match outcome {
            Ok(Some(result)) => self.answer_result(to, &result),
            // The answer comes later.
            Ok(None) => {}
            Err(text) => self.answer_result(to, &tool_error(&text)),
        }
    }

    fn entries(&self) -> Vec<InstanceEntry> {
        let connected = self.target.instance().map(|instance| instance.generation);
        let entry = |it: &Instance| InstanceEntry::of(it, Some(it.generation) == connected);
        self.snapshot.instances.iter().map(entry).collect()
    }

    fn list_instances(&self) -> String {
        let entries = self.entries();
        tool_result(&listing_text(&entries), &json!({ "instances": entries }))
    }

    fn connect_instance(&mut self, arguments: &Arguments<'_>, to: &ReplyTo) -> Result<(), String> {
        let wanted = arguments.instance_id.as_deref().filter(|wanted| !wanted.is_empty());
        let wanted = wanted.ok_or_else(|| {
            format!("instances_connect needs `instance_id`. {}", candidates(self.snapshot.instances.iter()))
        })?;
        let instance = active(find(&self.snapshot, wanted)?)?.clone();
        let asking = self.asking(to.caller());
        let reply = to.clone();
        // What such a client is listed must not depend on what it has called before.
        let stays = to.is_modern();
        self.start_job(to, async move {
            let (result, connect) = match asking.list(&instance, ListKind::Tools).await {
                Ok(pages) => {
                    let names = tool_names(&pages);
                    let (alias, path) = (&instance.alias, instance.found.doorbell.path.display());
                    let (many, listed) = (names.len(), names.join(", "));
                    let text = if stays {
                        format!(
                            "There is no need to connect: the tools of all instances are listed at all times, those of \
                             `{alias}` ({path}) with `{alias}__` in front. It has {many}: {listed}"
                        )
                    } else {
                        format!("Connected to `{alias}` ({path}). {many} tools are available now: {listed}")
                    };
                    let entry = InstanceEntry::of(&instance, !stays);
                    let connect = (!stays).then(|| Box::new(instance.clone()));
                    (tool_result(&text, &json!({"instance": entry, "tools": names})), connect)
                }
                Err(error) => {
                    (tool_error(&format!("could not connect to {}", failure_text(&instance, &error))), None)
                }
            };
            Done::Tool { to: reply, result, connect }
        });
        Ok(())
    }

    fn disconnect_instance(&mut self) -> String {
        match self.disconnect() {
            Some(former) => {
                let text = format!("Disconnected from `{}`.", former.alias);
                tool_result(&text, &json!({"disconnected": former.id().as_str()}))
            }
            None => tool_result("No instance was connected.", &json!({"disconnected": null})),
        }
    }

    fn instance_health(&self, arguments: &Arguments<'_>) -> Result<String, String> {
        let instances = match arguments.instance_id.as_deref() {
            Some(wanted) => vec![find(&self.snapshot, wanted)?],
            None => self.snapshot.instances.iter().collect(),
        };
        let (lines, health): (Vec<_>, Vec<_>) = instances.into_iter().map(health_of).unzip();
        let text = if lines.is_empty() { "No instance is running.".to_owned() } else { lines.join("\n") };
        Ok(tool_result(&text, &json!({ "instances": health })))
    }

    fn instance_tools(&mut self, arguments: Arguments<'_>, to: &ReplyTo) -> Result<(), String> {
        let instance = self.meant(arguments.instance_id.as_deref())?.clone();
        let query = arguments.query.unwrap_or_default().to_lowercase();
        let asking = self.asking(to.caller());
        let reply = to.clone();
        self.start_job(to, async move {
            let result = match asking.list(&instance, ListKind::Tools).await {
                Ok(pages) => matching_tools(&instance, &pages, &query),
                Err(error) => tool_error(&failure_text(&instance, &error)),
            };
            Done::Tool { to: reply, result, connect: None }
        });
        Ok(())
    }

    /// Calls a tool of an instance; its answer is the answer.
    fn instance_call(
        &mut self,
        arguments: &Arguments<'_>,
        frame: &Frame,
        to: &ReplyTo,
    ) -> Result<(), String> {
        let tool = arguments
            .tool
            .as_deref()
            .ok_or("instances_call needs `tool`, the name of a tool of the instance")?;
        let instance = self.meant(arguments.instance_id.as_deref())?.clone();
        let given = match arguments.arguments.map(RawValue::get) {
            None | Some("null") => "{}",
            Some(object) if object.starts_with('{') => object,
            Some(_) => return Err("`arguments` must be an object".to_owned()),
        };
        let carried = frame.peek::<Carried<'_>>().map(|carried| carried.text()).unwrap_or_default();
        let params = format!(r#"{{"name":{},"arguments":{given}{carried}}}"#, Value::from(tool));
        let call = request_frame(method::TOOLS_CALL, &params);
        self.forward_as(&instance, &call, frame, to, Shape::Called);
        Ok(())
    }

    /// The active instance that is meant: the one named, else the default. Never a guess.
    fn meant(&self, wanted: Option<&str>) -> Result<&Instance, String> {
        let instance = match wanted.filter(|wanted| !wanted.is_empty()) {
            Some(wanted) => find(&self.snapshot, wanted)?,
            None => self.default_instance().ok_or_else(|| {
                format!("which instance? Give `instance_id`. {}", candidates(self.snapshot.instances.iter()))
            })?,
        };
        active(instance)
    }

    /// The resource `brummer://instances`.
    pub(super) fn own_resource(&mut self, frame: &Frame, to: &ReplyTo) {
        match frame.method() {
            Some(method::RESOURCES_SUBSCRIBE) => self.watches_instances = true,
            Some(method::RESOURCES_UNSUBSCRIBE) => self.watches_instances = false,
            _ => {
                let text = json!({ "instances": self.entries() }).to_string();
                let contents = json!([{"uri": INSTANCES_URI, "mimeType": "application/json", "text": text}]);
                return self.answer_result(to, &json!({ "contents": contents }).to_string());
            }
        }
        self.answer_result(to, "{}");
    }
}

fn find<'a>(snapshot: &'a Snapshot, wanted: &str) -> Result<&'a Instance, String> {
    match snapshot.find(wanted) {
        Lookup::Found(instance) => Ok(instance),
        Lookup::Ambiguous(several) => {
            Err(format!("`{wanted}` could be several instances. {}", candidates(several.into_iter())))
        }
        Lookup::Unknown => {
            Err(format!("no instance is called `{wanted}`. {}", candidates(snapshot.instances.iter())))
        }
    }
}

fn active(instance: &Instance) -> Result<&Instance, String> {
    if instance.state == InstanceState::Active {
        return Ok(instance);
    }
    let status = instance.status();
    let why = status.last_error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    Err(format!("instance `{}` is not active but {}{why}", instance.alias, instance.state))
}

/// What could have been meant.
fn candidates<'a>(instances: impl Iterator<Item = &'a Instance>) -> String {
    let names: Vec<_> = instances
        .map(|it| format!("{} (id {}, {})", it.alias, it.id(), it.found.doorbell.path.display()))
        .collect();
    if names.is_empty() {
        "No instance is running.".to_owned()
    } else {
        format!("Candidates: {}", names.join("; "))
    }
}

fn tool_names(pages: &[Frame]) -> Vec<String> {
    let pages = pages.iter().filter_map(|frame| page(frame, ListKind::Tools));
    pages.flat_map(|page| page.items).filter_map(|item| key_of(item, "name")).map(|(_, name)| name).collect()
}

/// The definitions that contain the query, as the instance wrote them.
fn matching_tools(instance: &Instance, pages: &[Frame], query: &str) -> String {
    let pages = pages.iter().filter_map(|frame| page(frame, ListKind::Tools));
    let items = pages.flat_map(|page| page.items).filter(|item| item.get().to_lowercase().contains(query));
    let items: Vec<&str> = items.map(RawValue::get).collect();
    let lines: Vec<String> = items.iter().filter_map(|item| tool_line(item)).collect();
    let about = if query.is_empty() { String::new() } else { format!(" that mention `{query}`") };
    let text = format!("{} tools of `{}`{about}\n{}", items.len(), instance.alias, lines.join("\n"));
    format!(
        r#"{{"content":[{{"type":"text","text":{}}}],"structuredContent":{{"instance_id":{},"tools":[{}]}}}}"#,
        Value::from(text.trim_end()),
        Value::from(instance.id().as_str()),
        items.join(",")
    )
}

/// Name and first line of the description.
fn tool_line(item: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
        #[serde(default)]
        description: String,
    }
    let Named { name, description } = serde_json::from_str(item).ok()?;
    let first = description.lines().next().unwrap_or_default();
    Some(if first.is_empty() { format!("- {name}") } else { format!("- {name}: {first}") })
}

/// `instances_call` promises structured content, as its schema says; a result without gets one that says who answered.
pub(super) fn called_edits(frame: &Frame, alias: &str, sloppy: bool) -> Vec<Edit> {
    #[derive(Deserialize)]
    struct Result<'a> {
        #[serde(rename = "structuredContent", borrow, default)]
        structured: Option<&'a RawValue>,
    }
    if sloppy && let Some(edit) = quirks::mended_tool_result(frame) {
        return vec![edit];
    }
    let Some(text) = frame.result() else { return Vec::new() };
    match frame.peek_result::<Result<'_>>() {
        Some(Result { structured: None }) => {
            let at = frame.span_of(text).start + 1;
            let separator = if text[1..].trim_start().starts_with('}') { "" } else { "," };
            let added = format!(r#""structuredContent":{{"answered_by":{}}}{separator}"#, Value::from(alias));
            vec![(at..at, added)]
        }
        _ => Vec::new(),
    }
}

fn tool_result(text: &str, structured: &Value) -> String {
    json!({"content": [{"type": "text", "text": text}], "structuredContent": structured}).to_string()
}

fn tool_error(text: &str) -> String {
    json!({"content": [{"type": "text", "text": text}], "isError": true}).to_string()
}
