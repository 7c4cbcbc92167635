//! The hub's own tools: find instances, connect to one, see how it is, use one without connecting.
//!
//! What they say is made here; what they do is said to the core as a [`ToolOutcome`].

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    catalog::{Described, Item, split},
    message::{self, text_of},
    own::{INSTANCES_URI, Tool},
    talk::inactive_text,
};
use crate::{
    frame::Frame,
    hub::{Lookup, Snapshot},
    instance::{Generation, Instance, InstanceState},
    labels::{LabelSelector, labels_of},
    protocol::method,
};

mod entry;

pub use entry::InstanceEntry;
use entry::{HOW_TO_ANNOUNCE, health_of, listing_text, servers_text};

/// What is known to a tool when it is called.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) connected: &'a [Instance],
    /// The instances that the client's directories point to.
    pub(super) suggested: Vec<&'a Instance>,
    pub(super) is_modern: bool,
    /// The call has not waited yet for an instance to come up.
    pub(super) patient: bool,
}

/// Why a call cannot be done.
#[derive(Debug)]
enum Unmet {
    /// What the model is told.
    Because(String),
    /// This instance does not answer yet, or no longer, and is waited for.
    Coming(Generation),
}

impl From<String> for Unmet {
    fn from(text: String) -> Self {
        Self::Because(text)
    }
}

impl From<&str> for Unmet {
    fn from(text: &str) -> Self {
        Self::Because(text.to_owned())
    }
}

/// What a client connects to, now and over restarts.
#[derive(Clone, Debug)]
pub(super) enum Chosen {
    /// One instance.
    Instance,
    /// All of its project.
    Project,
    /// All that have a label.
    Label(LabelSelector),
}

/// What a call of one of the tools comes to.
#[derive(Debug)]
pub(super) enum ToolOutcome {
    /// This result (JSON text).
    Result(String),
    /// The client connects to these instances, which are what was chosen.
    Connect { instances: Vec<Instance>, chosen: Chosen },
    /// The client disconnects.
    Disconnect,
    /// The tools of these instances are told that fit the query.
    Tools { instances: Vec<Instance>, query: String },
    /// This request is sent to an instance, and its answer is the answer.
    Forward { instance: Instance, call: Frame },
    /// It is tried again when this instance is there, or has been waited for.
    Await(Generation),
}

/// Arguments of all tools; each reads the ones that it has.
#[derive(Debug)]
struct Arguments<'a> {
    instance: Option<Cow<'a, str>>,
    query: Option<Cow<'a, str>>,
    label: Option<Cow<'a, str>>,
    tool: Option<Cow<'a, str>>,
    arguments: Option<Cow<'a, str>>,
}

/// An object that a model wrote: as it is, as a text that holds it, or as nothing at all.
fn object(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let text = raw.map_or("null", RawValue::get);
    match text.as_bytes().first()? {
        b'{' => Some(text.into()),
        b'n' => Some("{}".into()),
        b'"' => {
            let inner = crate::frame::string(text)?;
            let inner = inner.trim();
            if inner.is_empty() || inner == "null" {
                return Some("{}".into());
            }
            let is_object = inner.starts_with('{') && serde_json::from_str::<&RawValue>(inner).is_ok();
            is_object.then(|| inner.to_owned().into())
        }
        _ => None,
    }
}

impl<'a> Arguments<'a> {
    /// # Errors
    ///
    /// A text that names what does not fit.
    fn read(text: &'a str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(default, borrow)]
            instance: Option<&'a RawValue>,
            #[serde(default, borrow)]
            instance_id: Option<&'a RawValue>,
            #[serde(default, borrow)]
            query: Option<&'a RawValue>,
            #[serde(default, borrow)]
            label: Option<&'a RawValue>,
            #[serde(default, borrow)]
            tool: Option<&'a RawValue>,
            #[serde(default, borrow)]
            arguments: Option<&'a RawValue>,
        }
        let string = |name: &str, raw: Option<&'a RawValue>| match raw.filter(|raw| raw.get() != "null") {
            None => Ok(None),
            Some(raw) => match text_of(Some(raw)) {
                Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
                None => Err(format!("`{name}` must be a string")),
            },
        };
        let raw: Raw<'a> = serde_json::from_str(text)
            .map_err(|_| "`arguments` must be an object that has each member once".to_owned())?;
        let arguments = match raw.arguments {
            // Some models put the arguments of the tool beside its name.
            None => message::without(text, &["instance", "instance_id", "query", "tool"]).into(),
            given => object(given).ok_or("`arguments` must be an object, the arguments of the tool")?,
        };
        Ok(Self {
            instance: string("instance_id", raw.instance_id)?.or(string("instance", raw.instance)?),
            query: string("query", raw.query)?,
            label: string("label", raw.label)?,
            tool: string("tool", raw.tool)?,
            arguments: Some(arguments),
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

/// Calls a tool of the hub. What it comes to; a call that does not fit is answered with an error for the model.
pub(super) fn call(tool: Tool, frame: &Frame, at: &Surroundings<'_>) -> ToolOutcome {
    let raw = frame.peek::<CallParams<'_>>().and_then(|params| params.arguments);
    let outcome = match object(raw) {
        None => Err("`arguments` must be an object that has each member once".into()),
        Some(text) => Arguments::read(&text)
            .map_err(|error| format!("{}: {error}", tool.name()).into())
            .and_then(|arguments| at.call(tool, &arguments, frame)),
    };
    match outcome {
        Ok(call) => call,
        Err(Unmet::Because(text)) => ToolOutcome::Result(tool_error(&text)),
        Err(Unmet::Coming(generation)) => ToolOutcome::Await(generation),
    }
}

impl Surroundings<'_> {
    fn call(&self, tool: Tool, arguments: &Arguments<'_>, frame: &Frame) -> Result<ToolOutcome, Unmet> {
        match tool {
            Tool::List => Ok(ToolOutcome::Result(self.list(arguments)?)),
            Tool::Connect => self.connect(arguments),
            Tool::Disconnect if self.is_modern => {
                let text = "Nothing to disconnect: the tools of all instances are listed at all times.";
                Ok(ToolOutcome::Result(tool_result(text, &json!({"disconnected": null}))))
            }
            Tool::Disconnect => Ok(ToolOutcome::Disconnect),
            Tool::Health => Ok(ToolOutcome::Result(self.health(arguments)?)),
            Tool::Tools => self.tools(arguments),
            Tool::Call => self.forward(arguments, frame),
        }
    }

    fn list(&self, arguments: &Arguments<'_>) -> Result<String, String> {
        let mut entries = self.entries();
        if let Some(label) = arguments.label.as_deref() {
            let label = self.label(label)?;
            entries.retain(|entry| label.fits(&entry.labels));
        }
        let servers = self.snapshot.dev_server_entries();
        let mut text = listing_text(&entries, self.is_modern);
        let mut structured = json!({ "instances": entries });
        if entries.is_empty() {
            structured["next"] = HOW_TO_ANNOUNCE.into();
        }
        if !servers.is_empty() {
            text = format!("{text}\n{}", servers_text(&servers));
            structured["dev_servers"] = json!(servers);
        }
        Ok(tool_result(&text, &structured))
    }

    /// A label that at least one instance has.
    fn label(&self, text: &str) -> Result<LabelSelector, String> {
        let label: LabelSelector = text.parse()?;
        let all = || self.snapshot.instances.iter().map(|it| &it.found.doorbell.labels);
        if all().any(|labels| label.fits(labels)) {
            return Ok(label);
        }
        let others: BTreeSet<_> = all().flat_map(labels_of).collect();
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        let known =
            if others.is_empty() { "No instance has labels.".into() } else { format!("Labels: {others}") };
        Err(format!("no instance has the label `{label}`. {known}"))
    }

    fn entries(&self) -> Vec<InstanceEntry> {
        let entry = |it: &Instance| InstanceEntry::of(it, self.is_connected(it.generation));
        self.snapshot.instances.iter().map(entry).collect()
    }

    fn is_connected(&self, generation: Generation) -> bool {
        !self.is_modern && self.connected.iter().any(|it| it.generation == generation)
    }

    fn connect(&self, arguments: &Arguments<'_>) -> Result<ToolOutcome, Unmet> {
        if let Some(label) = arguments.label.as_deref() {
            if arguments.instance.is_some() {
                return Err("give either `instance_id` or `label`".to_owned().into());
            }
            let label = self.label(label)?;
            let fits = |it: &&Instance| label.fits(&it.found.doorbell.labels);
            let instances: Vec<_> = self.snapshot.active().filter(fits).cloned().collect();
            if instances.is_empty() {
                self.snapshot
                    .instances
                    .iter()
                    .find(fits)
                    .map_or(Ok(()), |it| self.active_one(it).map(|_| ()))?;
            }
            return Ok(ToolOutcome::Connect { instances, chosen: Chosen::Label(label) });
        }
        let wanted = arguments.instance.as_deref().ok_or_else(|| {
            format!(
                "instances_connect needs `instance_id`, or a `label`. {}",
                candidates(self.snapshot.instances.iter())
            )
        })?;
        let here = self.snapshot.project_in(std::path::Path::new(wanted));
        if !here.is_empty() {
            let active: Vec<_> = here.iter().filter(|it| it.state == InstanceState::Active).collect();
            if active.is_empty() {
                here.first().map_or(Ok(()), |first| self.active_one(first).map(|_| ()))?;
            }
            let instances = active.into_iter().map(|it| (*it).clone()).collect();
            return Ok(ToolOutcome::Connect { instances, chosen: Chosen::Project });
        }
        let instance = self.active_one(find(self.snapshot, wanted)?)?.clone();
        Ok(ToolOutcome::Connect { instances: vec![instance], chosen: Chosen::Instance })
    }

    fn health(&self, arguments: &Arguments<'_>) -> Result<String, String> {
        let instances = match arguments.instance.as_deref() {
            Some(wanted) => vec![find(self.snapshot, wanted)?],
            None => self.snapshot.instances.iter().collect(),
        };
        let (lines, health): (Vec<_>, Vec<_>) = instances.into_iter().map(health_of).unzip();
        let mut text = if lines.is_empty() { "No instance is running.".to_owned() } else { lines.join("\n") };
        let mut structured = json!({ "instances": health });
        if !self.snapshot.notices.is_empty() {
            for notice in &*self.snapshot.notices {
                text.push_str(&format!("\n- the hub itself: {notice}"));
            }
            structured["notices"] = json!(&*self.snapshot.notices);
        }
        Ok(tool_result(&text, &structured))
    }

    fn tools(&self, arguments: &Arguments<'_>) -> Result<ToolOutcome, Unmet> {
        let query = arguments.query.as_deref().unwrap_or_default().to_owned();
        let instances = match arguments.instance.as_deref() {
            // A search without an instance is one over all.
            None if !query.is_empty() => self.snapshot.active().cloned().collect(),
            wanted => self.meant(wanted)?.into_iter().cloned().collect(),
        };
        Ok(ToolOutcome::Tools { instances, query })
    }

    fn forward(&self, arguments: &Arguments<'_>, frame: &Frame) -> Result<ToolOutcome, Unmet> {
        let tool = arguments.tool.as_deref();
        let tool = tool.ok_or("instances_call needs `tool`, the name of a tool of the instance")?;
        // The alias may stand in front of the tool's name, as a search over all instances shows it.
        let named = split(tool).map(|(alias, _)| alias).filter(|alias| {
            arguments.instance.is_none() && self.snapshot.instances.iter().any(|it| *it.alias == **alias)
        });
        let instance = match self.meant(arguments.instance.as_deref().or(named))?.as_slice() {
            [only] => (*only).clone(),
            several => {
                let candidates = candidates(several.iter().copied());
                return Err(format!("which instance? Give `instance_id`. {candidates}").into());
            }
        };
        let given = arguments.arguments.as_deref().unwrap_or("{}");
        let carried = frame.peek::<Carried<'_>>().map(|carried| carried.text()).unwrap_or_default();
        let params = format!(r#"{{"name":{},"arguments":{given}{carried}}}"#, message::quoted(tool));
        Ok(ToolOutcome::Forward { instance, call: message::request(method::TOOLS_CALL, &params) })
    }

    /// The active instances that are meant: the one named, else those that are connected, else the only one, else those
    /// of the working directory. Never a guess.
    fn meant(&self, wanted: Option<&str>) -> Result<Vec<&Instance>, Unmet> {
        if let Some(wanted) = wanted {
            return Ok(vec![self.active_one(find(self.snapshot, wanted)?)?]);
        }
        let connected = self.snapshot.instances.iter().filter(|it| self.is_connected(it.generation));
        let connected: Vec<_> = connected.collect();
        let default = match self.snapshot.instances.as_slice() {
            _ if !connected.is_empty() => connected,
            [only] => vec![only],
            _ => self.suggested.clone(),
        };
        if default.is_empty() {
            let candidates = candidates(self.snapshot.instances.iter());
            return Err(format!("which instance? Give `instance_id`. {candidates}").into());
        }
        default.into_iter().map(|it| self.active_one(it)).collect()
    }

    fn active_one<'s>(&self, instance: &'s Instance) -> Result<&'s Instance, Unmet> {
        match instance.state {
            InstanceState::Active => Ok(instance),
            state if self.patient && state.is_coming() => Err(Unmet::Coming(instance.generation)),
            _ => Err(inactive_text(instance).into()),
        }
    }

    /// The resource `brummer://instances`.
    pub(super) fn resource(&self) -> String {
        let mut all = json!({ "instances": self.entries() });
        let servers = self.snapshot.dev_server_entries();
        if !servers.is_empty() {
            all["dev_servers"] = json!(servers);
        }
        let text = all.to_string();
        let contents = json!([{"uri": INSTANCES_URI, "mimeType": "application/json", "text": text}]);
        json!({ "contents": contents }).to_string()
    }
}

/// What the client is told that has connected to instances. `tools`: the names of theirs, under which they are listed;
/// `failures`: why those of some could not be had; `instructions`: what instances tell models of themselves, by alias.
pub(super) fn connected(
    instances: &[Instance],
    tools: &[String],
    failures: &[String],
    instructions: &[(Arc<str>, Arc<str>)],
    is_modern: bool,
) -> String {
    let named = |it: &Instance| format!("`{}` ({})", it.alias, it.found.doorbell.path.display());
    let names: Vec<_> = instances.iter().map(named).collect();
    let (names, many, listed) = (names.join(" and "), tools.len(), tools.join(", "));
    let mut text = if is_modern {
        format!(
            "There is no need to connect: the tools of all instances are listed at all times, with the alias of their \
             instance and `__` in front. {names} has {many}: {listed}"
        )
    } else {
        format!("Connected to {names}. {many} tools are available now: {listed}")
    };
    for failure in failures {
        text.push_str(&format!("\nIts tools could not be listed yet, and are asked for again: {failure}"));
    }
    if !is_modern {
        text.push_str("\nIf your tool list does not show them, call them as they are named here, or by `instances_call`");
        if let [only] = instances {
            text.push_str(&format!(" with `instance_id` \"{}\" and `tool`", only.alias));
        }
        text.push('.');
    }
    let entries: Vec<_> = instances.iter().map(|it| InstanceEntry::of(it, !is_modern)).collect();
    text.push('\n');
    text.push_str(&listing_text(&entries, is_modern));
    for (alias, said) in instructions {
        text.push_str(&format!("\n\nInstructions of `{alias}`, in its own words:\n{said}"));
    }
    let mut details = json!({"instance": entries.first(), "instances": entries, "tools": tools});
    if !instructions.is_empty() {
        let said = instructions.iter().map(|(alias, said)| (alias.to_string(), json!(&**said)));
        details["instructions"] = said.collect::<serde_json::Map<_, _>>().into();
    }
    tool_result(&text, &details)
}

/// What the client is told that has disconnected.
pub(super) fn disconnected(former: &[Instance]) -> String {
    let names: Vec<_> = former.iter().map(|it| format!("`{}`", it.alias)).collect();
    match former.first() {
        Some(first) => {
            let text = format!("Disconnected from {} (id {}).", names.join(" and "), first.id());
            tool_result(&text, &json!({"disconnected": first.id().as_str()}))
        }
        None => tool_result("No instance was connected.", &json!({"disconnected": null})),
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

/// The tools of instances that fit a query, best first, and why those of some could not be had.
pub(super) fn matching<'a>(
    found: &[(Instance, Vec<(&'a Frame, &'a Item)>)],
    query: &str,
    failures: &[String],
) -> String {
    if found.is_empty() || found.iter().all(|(_, items)| items.is_empty()) && !failures.is_empty() {
        return tool_error(&failures.join("\n"));
    }
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let mut ranked = Vec::new();
    for (instance, items) in found {
        for (frame, item) in items {
            let text = item.text(frame);
            if let Some(score) = score(text, &item.key, &words) {
                ranked.push((score, instance, text, &*item.key));
            }
        }
    }
    // The order of the instance among those that fit alike.
    ranked.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
    let about = if query.is_empty() { String::new() } else { format!(" that mention `{query}`") };
    let several = found.len() > 1;
    let names: Vec<_> = found.iter().map(|(instance, _)| format!("`{}`", instance.alias)).collect();
    let mut text = format!("{} tools of {}{about}", ranked.len(), names.join(", "));
    if let [(instance, _)] = found {
        let (alias, id) = (&instance.alias, instance.id());
        text.push_str(&format!(" (id {id}). Call one by `instances_call` with `instance_id` \"{alias}\""));
    }
    let mut tools = Vec::new();
    for (_, instance, tool, key) in &ranked {
        let called = if several { format!("{}__{key}", instance.alias) } else { (*key).to_owned() };
        text.push_str(&format!("\n- {called}{}", described(tool)));
        tools.push(*tool);
    }
    for failure in failures {
        text.push_str(&format!("\n{failure}"));
    }
    let owners: Vec<_> = ranked.iter().map(|(_, instance, ..)| &*instance.alias).collect();
    let id = found.first().map(|(instance, _)| instance.id().as_str());
    format!(
        r#"{{"content":[{{"type":"text","text":{}}}],"structuredContent":{{"instance_id":{},"tools":[{}],"instances":{}}}}}"#,
        message::quoted(&text),
        json!(id),
        tools.join(","),
        json!(owners),
    )
}

/// How well a tool fits the words of a query; `None`: it lacks one of them.
fn score(text: &str, name: &str, words: &[String]) -> Option<usize> {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let mut score = 0;
    for word in words {
        if name == *word {
            score += 8;
        } else if name.contains(word.as_str()) {
            score += 4;
        } else if text.contains(word.as_str()) {
            score += 1;
        } else {
            return None;
        }
    }
    Some(score)
}

/// What a tool does and which arguments it takes, for a model that sees text only.
fn described(tool: &str) -> String {
    let Ok(Described { description, title, schema }) = serde_json::from_str(tool) else {
        return String::new();
    };
    let about = description.or(title).map(|about| format!(": {}", about.trim())).unwrap_or_default();
    let schema = schema.map(|schema| format!("\n  input schema: {}", schema.get())).unwrap_or_default();
    format!("{about}{schema}")
}

pub(super) fn tool_result(text: &str, structured: &Value) -> String {
    json!({"content": [{"type": "text", "text": text}], "structuredContent": structured}).to_string()
}

pub(super) fn tool_error(text: &str) -> String {
    json!({"content": [{"type": "text", "text": text}], "isError": true}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{catalog::Page, list_kind::ListKind};

    #[test]
    fn arguments_are_taken_for_what_they_mean() {
        let read = |text| {
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            object(Some(raw)).map(Cow::into_owned)
        };
        for (text, means) in [
            (r#"{"a":1.0}"#, Some(r#"{"a":1.0}"#)),
            (r#""{\"a\":1.0}""#, Some(r#"{"a":1.0}"#)),
            ("\"\"", Some("{}")),
            ("null", Some("{}")),
            ("[1]", None),
            ("7", None),
            ("\"text\"", None),
            (r#""{\"a\":""#, None),
        ] {
            assert_eq!(read(text).as_deref(), means, "{text}");
        }
        assert_eq!(object(None).as_deref(), Some("{}"));
    }

    /// Every value of the structured part that the text lacks.
    fn untold(result: &str) -> Vec<String> {
        fn leaves(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Null => {}
                Value::Object(members) => members.values().for_each(|value| leaves(value, found)),
                Value::Array(items) => items.iter().for_each(|value| leaves(value, found)),
                Value::String(text) => found.push(text.clone()),
                // That something is not so is told by leaving it out.
                Value::Bool(flag) => found.extend(flag.then(String::new)),
                Value::Number(number) => found.push(number.to_string()),
            }
        }
        let result: Value = serde_json::from_str(result).unwrap();
        let text = result["content"][0]["text"].as_str().unwrap();
        let mut found = Vec::new();
        leaves(&result["structuredContent"], &mut found);
        assert!(!found.is_empty());
        found.retain(|told| !text.contains(told.as_str()));
        found
    }

    #[test]
    fn the_text_says_all_that_the_structured_part_says() {
        let mut snapshot = crate::hub::tests::snapshot([
            crate::hub::tests::instance(1, "id-of-one", "one", "/p/one", "The One"),
            crate::hub::tests::instance(2, "id-of-two", "two", "/p/two", "two"),
        ]);
        snapshot.dev_servers = [std::sync::Arc::new(crate::sources::tests::dev_server())].into();
        snapshot.notices = ["a file is refused".to_owned()].into();
        let at = |is_modern| Surroundings {
            snapshot: &snapshot,
            connected: &snapshot.instances[..1],
            suggested: Vec::new(),
            is_modern,
            patient: true,
        };
        let called = |tool, is_modern| {
            let frame = message::request(method::TOOLS_CALL, "{}");
            match call(tool, &frame, &at(is_modern)) {
                ToolOutcome::Result(result) => result,
                other => panic!("{other:?}"),
            }
        };
        for is_modern in [false, true] {
            for tool in [Tool::List, Tool::Health] {
                assert_eq!(untold(&called(tool, is_modern)), [""; 0], "{tool:?}");
            }
            let said = [("a".into(), "Read the docs first.".into())];
            let told = connected(&snapshot.instances, &["a".into()], &["why not".into()], &said, is_modern);
            assert_eq!(untold(&told), [""; 0]);
        }
        assert_eq!(untold(&disconnected(&snapshot.instances)), [""; 0]);
        let tools = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search_logs","description":"Finds lines","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}}]}}"#;
        let page = Page::read(Frame::parse(tools).unwrap(), ListKind::Tools).unwrap();
        let items: Vec<_> = page.items.iter().map(|item| (&page.frame, item)).collect();
        let found = [(snapshot.instances[0].clone(), items)];
        assert_eq!(untold(&matching(&found, "logs", &[])), [""; 0]);
    }

    #[test]
    fn nothing_runs_and_the_model_is_told_what_to_do() {
        let text = entry::listing_text(&[], false);
        assert!(text.contains("brummer-hub run") && text.contains("brummer-hub register"), "{text}");
    }

    #[test]
    fn the_better_fit_comes_first() {
        let words = |query: &str| query.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let text = r#"{"name":"logs_search","description":"Searches the log"}"#;
        let score = |query| score(text, "logs_search", &words(query));
        assert!(score("logs_search") > score("search") && score("search") > score("the"));
        assert_eq!((score("search nothing"), score("")), (None, Some(0)));
    }
}
