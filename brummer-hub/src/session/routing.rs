//! Where a request of the client goes: a function of the request and of what is known at that moment.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{
    catalog::{Catalog, ListKey, ListStatus, Naming, Owner, split, unprefixed},
    list_kind::ListKind,
    message::{Key, Level, quoted, text_of},
    own::{INSTANCES_URI, Tool},
    owners::Owners,
    peer::Caller,
    requests::Shape,
    talk::inactive_text,
};
use crate::{
    frame::{Edit, Frame},
    hub::Snapshot,
    instance::{Generation, Instance, InstanceState},
    protocol::{code, method},
};

/// Aliases of instances that are gone and are still known by name.
const MAX_DEPARTED: usize = 256;

/// Where a request goes.
#[derive(Debug)]
pub(super) enum Destination {
    /// A tool of the hub's own.
    OwnTool(Tool),
    /// The resource that shows the instances.
    OwnResource,
    /// A list, of all instances that the client is shown.
    List(ListKind),
    /// An instance.
    Instance { instance: Instance, edits: Vec<Edit>, shape: Shape },
    /// It can be told once these lists are there, or have been waited for.
    Lists(Vec<(ListKey, Instance)>),
    /// Whichever of these instances can read it: reading changes nothing, so all may be asked.
    Read { uri: String, instances: Vec<Instance> },
    /// Whichever of these instances knows the method, asked one after the other.
    Method(VecDeque<Instance>),
    /// Whichever of these instances knows the task.
    Task { task: String, instances: Vec<Instance> },
    /// The log level of all instances.
    Level,
    /// A listen; whether lists that are not there have been waited for.
    Listen { waited: bool },
    /// This instance does not answer yet, or no longer, and is waited for.
    Await(Generation),
    /// The request is wrong.
    Refused { code: i32, text: String, data: Option<String> },
    /// Nothing is wrong with the request, and it cannot be done all the same.
    Unmet { code: i32, text: String, data: Option<String> },
}

/// What is known of instances that are gone.
#[derive(Debug, Default)]
pub(super) struct Departed {
    /// Alias, and when it was last seen, in words; latest last.
    seen: VecDeque<(Box<str>, String)>,
}

impl Departed {
    /// An instance is gone.
    pub(super) fn note(&mut self, instance: &Instance) {
        let status = instance.status();
        let last = status.last_success.map_or_else(
            || "it never answered".to_owned(),
            |at| format!("it was last seen at {}", at.round(jiff::Unit::Second).unwrap_or(at)),
        );
        self.seen.retain(|(alias, _)| **alias != *instance.alias);
        if self.seen.len() >= MAX_DEPARTED {
            self.seen.pop_front();
        }
        self.seen.push_back(((*instance.alias).into(), last));
    }

    fn of(&self, alias: &str) -> Option<&str> {
        self.seen.iter().rev().find(|(known, _)| **known == *alias).map(|(_, seen)| &**seen)
    }
}

/// What routing looks at.
#[derive(Debug)]
pub(super) struct Situation<'a> {
    pub(super) caller: Caller,
    /// The instances that the client is shown, in order.
    pub(super) view: Vec<&'a Instance>,
    /// How their tools and prompts are listed.
    pub(super) naming: Naming,
    pub(super) snapshot: &'a Snapshot,
    pub(super) catalog: &'a mut Catalog,
    pub(super) owners: &'a Owners,
    pub(super) departed: &'a Departed,
    /// What the session would be connected to, were it there.
    pub(super) missing: Option<&'a Instance>,
    /// Lists that are not there have been waited for.
    pub(super) waited: bool,
    /// The request has not waited yet for an instance to come up.
    pub(super) patient: bool,
    pub(super) name_budget: usize,
}

/// What a name or URI leads to.
enum Located {
    Owner(Owner),
    Lists(Vec<(ListKey, Instance)>),
    /// To no instance, or to none yet.
    Nowhere(Destination),
}

/// Where a request goes.
pub(super) fn route(frame: &Frame, mut at: Situation<'_>) -> Destination {
    let name = frame.method().unwrap_or_default();
    if let Some(kind) = ListKind::of_method(name) {
        // The hub lists everything on one page.
        return match Key::of(frame).cursor.filter(|cursor| !matches!(cursor.get(), "null" | "\"\"")) {
            Some(_) => refused(code::INVALID_PARAMS, "this cursor is not of this list"),
            None => Destination::List(kind),
        };
    }
    match name {
        method::TOOLS_CALL => at.tool(frame),
        method::PROMPTS_GET => {
            let raw = Key::of(frame).name;
            match text_of(raw) {
                Some(name) => at.named(ListKind::Prompts, frame, raw, &name, Shape::Prompt),
                None => refused(code::INVALID_PARAMS, "`prompts/get` needs the `name` of a prompt"),
            }
        }
        method::SKILLS_GET | method::DIRECTORY_READ => {
            let raw = Key::of(frame).uri;
            match text_of(raw) {
                Some(uri) => at.resource(frame, raw, &uri),
                None => {
                    refused(code::INVALID_PARAMS, format!("`{name}` needs the `uri` of a skill or directory"))
                }
            }
        }
        method::RESOURCES_READ | method::RESOURCES_SUBSCRIBE | method::RESOURCES_UNSUBSCRIBE => {
            let raw = Key::of(frame).uri;
            match text_of(raw) {
                Some(uri) if uri == INSTANCES_URI => Destination::OwnResource,
                Some(uri) => at.resource(frame, raw, &uri),
                None => refused(code::INVALID_PARAMS, "the request needs the `uri` of a resource"),
            }
        }
        method::COMPLETION_COMPLETE => at.completion(frame),
        method::LOGGING_SET_LEVEL => level(frame),
        method::LISTEN if at.caller != Caller::Greeted => Destination::Listen { waited: at.waited },
        method::TASKS_GET | method::TASKS_RESULT | method::TASKS_CANCEL | method::TASKS_UPDATE => {
            at.task(frame)
        }
        other => match at.view.as_slice() {
            [] => {
                let text =
                    format!("method `{other}` is unknown to the hub, and no single instance is connected");
                refused(code::METHOD_NOT_FOUND, text)
            }
            [only] => to(only, Vec::new(), Shape::Raw),
            several => Destination::Method(several.iter().map(|instance| (*instance).clone()).collect()),
        },
    }
}

fn refused(code: i32, text: impl Into<String>) -> Destination {
    Destination::Refused { code, text: text.into(), data: None }
}

fn unmet(code: i32, text: impl Into<String>) -> Destination {
    Destination::Unmet { code, text: text.into(), data: None }
}

/// How the answer to a request is fitted that has come nowhere.
pub(super) fn shape_of(frame: &Frame) -> Shape {
    match frame.method() {
        Some(method::TOOLS_CALL) => call_shape(&Key::of(frame)),
        _ => Shape::Raw,
    }
}

const fn call_shape(key: &Key<'_>) -> Shape {
    if key.as_task.is_some() { Shape::Task } else { Shape::Tool }
}

fn to(instance: &Instance, edits: Vec<Edit>, shape: Shape) -> Destination {
    Destination::Instance { instance: instance.clone(), edits, shape }
}

/// The end of a subscription, for the instance that has it: `uri` as the client knows it, `original` as the instance does.
pub(super) fn unsubscription(frame: &Frame, holder: &Instance, uri: &str, original: &str) -> Destination {
    let shape = Shape::Subscription { listed: uri.into(), original: original.into(), on: false };
    to(holder, edits(frame, Key::of(frame).uri, uri, original), shape)
}

fn level(frame: &Frame) -> Destination {
    #[derive(Deserialize)]
    struct Params {
        #[serde(rename = "level")]
        _level: Level,
    }
    match frame.peek::<Params>() {
        Some(_) => Destination::Level,
        None => refused(code::INVALID_PARAMS, format!("`level` {}", Level::CHOICES)),
    }
}

/// The edit that puts another name or URI in the place of what the client wrote.
fn edits(frame: &Frame, raw: Option<&RawValue>, written: &str, original: &str) -> Vec<Edit> {
    let edit = raw.filter(|_| written != original).map(|raw| (frame.span_of(raw.get()), quoted(original)));
    edit.into_iter().collect()
}

fn is_active(instance: &Instance) -> bool {
    instance.state == InstanceState::Active
}

impl<'a> Situation<'a> {
    fn tool(&mut self, frame: &Frame) -> Destination {
        let key = Key::of(frame);
        let Some(name) = text_of(key.name) else {
            return refused(code::INVALID_PARAMS, "`tools/call` needs the `name` of a tool");
        };
        match Tool::named(&name) {
            Some(tool) => Destination::OwnTool(tool),
            None => self.named(ListKind::Tools, frame, key.name, &name, call_shape(&key)),
        }
    }

    fn key(&self, instance: &Instance, kind: ListKind) -> ListKey {
        ListKey { generation: instance.generation, caller: self.caller, kind }
    }

    /// Whether nothing of a list is known yet, and it may still come.
    fn is_unknown(&self, key: ListKey) -> bool {
        match self.catalog.standing(key) {
            ListStatus::Missing => true,
            ListStatus::Partial => self.catalog.is_asking(key),
            ListStatus::Complete | ListStatus::Stale | ListStatus::Failed => false,
        }
    }

    /// A tool or prompt, by any of its names.
    fn named(
        &mut self,
        kind: ListKind,
        frame: &Frame,
        raw: Option<&RawValue>,
        name: &str,
        shape: Shape,
    ) -> Destination {
        match self.find(kind, name) {
            Located::Owner(owner) if kind == ListKind::Tools && self.is_hidden(&owner) => {
                refused(code::INVALID_PARAMS, format!("Unknown tool: {name}"))
            }
            Located::Owner(owner) => self.to_owner(&owner, edits(frame, raw, name, &owner.original), shape),
            Located::Lists(lists) => Destination::Lists(lists),
            Located::Nowhere(destination) => destination,
        }
    }

    /// Whether clients are neither shown the tool nor may call it.
    fn is_hidden(&self, owner: &Owner) -> bool {
        let instance = self.snapshot.instances.iter().find(|it| it.generation == owner.generation);
        instance.is_some_and(|it| !it.found.shows(&owner.original))
    }

    fn to_owner(&self, owner: &Owner, edits: Vec<Edit>, shape: Shape) -> Destination {
        match self.snapshot.instances.iter().find(|it| it.generation == owner.generation) {
            Some(instance) => to(instance, edits, shape),
            // The lists of what is gone are forgotten with it.
            None => unmet(code::INTERNAL_ERROR, "the instance is gone; `instances_list` shows what runs"),
        }
    }

    fn find(&mut self, kind: ListKind, name: &str) -> Located {
        let only = match (self.naming, self.view.as_slice()) {
            (Naming::Own, [only]) => Some(*only),
            _ => None,
        };
        if let Some(entry) = self.catalog.listing(&self.view, self.naming, self.caller, kind).get(name) {
            return Located::Owner(entry.owner());
        }
        // What is connected alone may have a tool that is called like that itself.
        if let Some(only) = only
            && split(name).is_some_and(|(alias, _)| *alias != *only.alias)
            && self.is_unknown(self.key(only, kind))
            && !self.waited
            && self.find_by_alias(kind, name).is_some()
        {
            return Located::Lists(vec![(self.key(only, kind), only.clone())]);
        }
        if let Some(found) = self.find_by_alias(kind, name) {
            return found;
        }
        // What is connected alone is asked at once while its list is not known.
        let as_it_is = |instance: &Instance| {
            Located::Owner(Owner { generation: instance.generation, original: name.into() })
        };
        if let Some(only) = only
            && self.catalog.standing(self.key(only, kind)) != ListStatus::Complete
        {
            return as_it_is(only);
        }
        let active = || self.snapshot.instances.iter().filter(|it| is_active(it));
        let owners: Vec<_> = active().filter(|it| self.catalog.has(self.key(it, kind), name)).collect();
        match (owners.as_slice(), only) {
            ([owner], _) => as_it_is(owner),
            ([], only) => {
                // One that failed may be there by now, and nobody else may want it.
                let may_tell = |(key, _): &(ListKey, &Instance)| {
                    self.is_unknown(*key) || self.catalog.standing(*key) == ListStatus::Failed
                };
                let unknown = active().map(|it| (self.key(it, kind), it)).filter(may_tell);
                let unknown: Vec<_> = unknown.map(|(key, it)| (key, it.clone())).collect();
                match only {
                    _ if !unknown.is_empty() && !self.waited => Located::Lists(unknown),
                    // It says better than the hub what it does not know.
                    Some(only) => as_it_is(only),
                    None => Located::Nowhere(self.unknown(kind, name)),
                }
            }
            (several, _) => {
                let names: Vec<_> = several.iter().map(|it| format!("`{}__{name}`", it.alias)).collect();
                let text = format!("several instances have `{name}`: call {}", names.join(" or "));
                Located::Nowhere(unmet(code::INVALID_PARAMS, text))
            }
        }
    }

    /// The instance is not active.
    fn inactive(&self, instance: &Instance) -> Destination {
        if self.patient && instance.state.is_coming() {
            return Destination::Await(instance.generation);
        }
        let state = instance.state.name();
        away(&instance.alias, state, inactive_text(instance))
    }

    /// The instance that the session would be connected to is not there, unless another one is about to take its place.
    fn missing(&self, former: &Instance) -> Destination {
        match self.snapshot.successor(former).filter(|it| it.state.is_coming()) {
            Some(coming) => self.inactive(coming),
            None => not_running(&former.alias, self.departed.of(&former.alias).unwrap_or("it is gone")),
        }
    }

    /// A name with an alias in front, which is good in every mode, whole or cut.
    fn find_by_alias(&self, kind: ListKind, name: &str) -> Option<Located> {
        let (alias, rest) = split(name)?;
        let Some(instance) = self.snapshot.instances.iter().find(|it| *it.alias == *alias) else {
            let seen = self.departed.of(alias)?;
            return Some(Located::Nowhere(not_running(alias, seen)));
        };
        if !is_active(instance) {
            return Some(Located::Nowhere(self.inactive(instance)));
        }
        let key = self.key(instance, kind);
        let owner = |original| Located::Owner(Owner { generation: instance.generation, original });
        if let Some(original) = self.catalog.original(key, alias, rest, self.name_budget) {
            return Some(owner(original));
        }
        if self.is_unknown(key) && !self.waited {
            return Some(Located::Lists(vec![(key, instance.clone())]));
        }
        // It says better than the hub what it does not know.
        Some(owner(rest.into()))
    }

    fn unknown(&self, kind: ListKind, name: &str) -> Destination {
        if let Some(missing) = self.missing {
            return self.missing(missing);
        }
        match kind {
            ListKind::Tools if self.view.is_empty() && self.naming == Naming::Own => {
                let text = format!(
                    "Unknown tool: {name}. No instance is connected: `instances_list` shows what runs, \
                     `instances_connect` makes its tools available, and `instances_call` calls one without connecting."
                );
                refused(code::INVALID_PARAMS, text)
            }
            ListKind::Tools => refused(code::INVALID_PARAMS, format!("Unknown tool: {name}")),
            _ => refused(code::INVALID_PARAMS, format!("Unknown prompt: {name}")),
        }
    }

    fn resource(&mut self, frame: &Frame, raw: Option<&RawValue>, uri: &str) -> Destination {
        let shape = |original: &str| match frame.method() {
            Some(method::RESOURCES_SUBSCRIBE) => {
                Shape::Subscription { listed: uri.into(), original: original.into(), on: true }
            }
            Some(method::RESOURCES_UNSUBSCRIBE) => {
                Shape::Subscription { listed: uri.into(), original: original.into(), on: false }
            }
            Some(method::COMPLETION_COMPLETE) => Shape::Plain,
            _ => Shape::Resource,
        };
        // With an alias in front it is good in every mode, as the names of tools are.
        if let Some((alias, original)) = unprefixed(uri) {
            let owner = self.snapshot.instances.iter().find(|it| *it.alias == *alias);
            let is_shown =
                |instance: &Instance| self.view.iter().any(|it| it.generation == instance.generation);
            match (owner, self.departed.of(alias)) {
                (Some(owner), _) if !is_active(owner) => return self.inactive(owner),
                (Some(owner), _) if self.view.len() == 1 || !is_shown(owner) => {
                    return to(owner, edits(frame, raw, uri, original), shape(original));
                }
                (None, Some(seen)) => return not_running(alias, seen),
                _ => {}
            }
        }
        // What nobody lists is asked of whoever mentioned it last, connected or not.
        if self.naming == Naming::Own
            && let Some(generation) = self.catalog.mentioned(&self.view, self.caller, uri)
            && let Some(owner) =
                self.snapshot.instances.iter().find(|it| it.generation == generation && is_active(it))
        {
            return to(owner, Vec::new(), shape(uri));
        }
        if let (Naming::Own, [only]) = (self.naming, self.view.as_slice()) {
            return to(only, Vec::new(), shape(uri));
        }
        let is_skill = matches!(frame.method(), Some(method::SKILLS_GET | method::DIRECTORY_READ));
        let kinds: &[ListKind] =
            if is_skill { &[ListKind::Skills] } else { &[ListKind::Resources, ListKind::Templates] };
        match self.locate_by(uri, kinds) {
            Ok(owner) => {
                let edits = edits(frame, raw, uri, &owner.original);
                self.to_owner(&owner, edits, shape(&owner.original))
            }
            Err(lists) if !lists.is_empty() => Destination::Lists(lists),
            Err(_) => match (frame.method(), self.view.as_slice()) {
                (_, []) => match self.missing {
                    Some(missing) => self.missing(missing),
                    None => absent(self.caller, uri, !is_skill),
                },
                // What nobody lists can only be meant when there is no choice.
                (_, [only]) => to(only, Vec::new(), shape(uri)),
                (Some(method::RESOURCES_READ | method::SKILLS_GET | method::DIRECTORY_READ), several) => {
                    Destination::Read {
                        uri: uri.to_owned(),
                        instances: several.iter().map(|it| (*it).clone()).collect(),
                    }
                }
                _ => no_resource(self.caller, uri),
            },
        }
    }

    /// Whose resource a URI is; `Err` has the lists that may tell and are not there.
    pub(super) fn locate(&mut self, uri: &str) -> Result<Owner, Vec<(ListKey, Instance)>> {
        self.locate_by(uri, &[ListKind::Resources, ListKind::Templates])
    }

    /// The same by lists of these kinds, where they are not there.
    fn locate_by(&mut self, uri: &str, kinds: &[ListKind]) -> Result<Owner, Vec<(ListKey, Instance)>> {
        if let Some(owner) = self.catalog.locate(&self.view, self.caller, uri) {
            return Ok(owner);
        }
        let mut unknown = Vec::new();
        if !self.waited {
            for kind in kinds {
                let keys = self.view.iter().map(|it| (self.key(it, *kind), *it));
                unknown
                    .extend(keys.filter(|(key, _)| self.is_unknown(*key)).map(|(key, it)| (key, it.clone())));
            }
        }
        Err(unknown)
    }

    fn completion(&mut self, frame: &Frame) -> Destination {
        match (self.naming, self.view.as_slice()) {
            (Naming::Own, []) => {
                return refused(code::INVALID_PARAMS, "no instance is connected that could complete this");
            }
            (Naming::Own, [only]) => {
                let reference = Key::of(frame).reference.unwrap_or_default();
                let (name, uri) = (text_of(reference.name), text_of(reference.uri));
                let is_anothers = name.is_some_and(|name| self.has_alias(&name))
                    || uri.is_some_and(|uri| unprefixed(&uri).is_some());
                if !is_anothers {
                    return to(only, Vec::new(), Shape::Plain);
                }
            }
            _ => {}
        }
        let Some(reference) = Key::of(frame).reference else {
            return refused(code::INVALID_PARAMS, "`completion/complete` needs a `ref`");
        };
        match (text_of(reference.name), text_of(reference.uri)) {
            (Some(name), _) => self.named(ListKind::Prompts, frame, reference.name, &name, Shape::Plain),
            (None, Some(uri)) => self.resource(frame, reference.uri, &uri),
            (None, None) => refused(code::INVALID_PARAMS, "the `ref` needs a `name` or a `uri`"),
        }
    }

    /// Whether a name begins with the alias of an instance that is there.
    fn has_alias(&self, name: &str) -> bool {
        split(name).is_some_and(|(alias, _)| {
            self.snapshot.instances.iter().any(|it| is_active(it) && *it.alias == *alias)
        })
    }

    fn task(&self, frame: &Frame) -> Destination {
        let Some(task) = text_of(Key::of(frame).task) else {
            return refused(code::INVALID_PARAMS, "the request needs the `taskId` of a task");
        };
        let owner = self.owners.of(&task);
        let owner = owner.and_then(|alias| self.snapshot.instances.iter().find(|it| *it.alias == *alias));
        match (owner, self.naming, self.view.as_slice()) {
            (Some(owner), ..) => to(owner, Vec::new(), task_shape(frame)),
            (None, Naming::Own, [only]) => to(only, Vec::new(), task_shape(frame)),
            _ => Destination::Task {
                task: task.into_owned(),
                instances: self.snapshot.active().cloned().collect(),
            },
        }
    }
}

/// How the answer to a request about a task is fitted: its result may name resources.
pub(super) fn task_shape(frame: &Frame) -> Shape {
    if frame.method() == Some(method::TASKS_RESULT) { Shape::Resource } else { Shape::Plain }
}

/// Nobody has the resource, or (not `is_read`) the skill or directory.
pub(super) fn absent(caller: Caller, uri: &str, is_read: bool) -> Destination {
    if is_read {
        no_resource(caller, uri)
    } else {
        refused(code::INVALID_PARAMS, format!("no instance has {uri}"))
    }
}

fn no_resource(caller: Caller, uri: &str) -> Destination {
    let code = match caller {
        Caller::Greeted => code::RESOURCE_NOT_FOUND,
        Caller::Claimed(_) => code::INVALID_PARAMS,
    };
    let data = Some(json!({ "uri": uri }).to_string());
    Destination::Refused { code, text: "Resource not found".to_owned(), data }
}

/// The instance that is meant is known, and not there.
pub(super) fn not_running(alias: &str, seen: &str) -> Destination {
    let text = format!("instance `{alias}` is not running: {seen}. `instances_list` shows what runs.");
    away(alias, "not running", text)
}

fn away(alias: &str, reason: &str, text: String) -> Destination {
    let data = json!({"alias": alias, "reason": reason, "sent": "no"}).to_string();
    Destination::Unmet { code: code::INTERNAL_ERROR, text, data: Some(data) }
}

#[cfg(test)]
mod tests;
