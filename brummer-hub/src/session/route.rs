//! Where a request of the client goes.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{
    client::{self, ReplyTo, Running, progress_token},
    hub_tools::Tool,
    jobs::{Asking, Done, Then},
    links::{Asker, Shape, failure_data, failure_text},
    lists::{INSTANCES_URI, ListKind},
    names::Owner,
    notify::edited,
    task::SessionTask,
};
use crate::{
    frame::{Edit, Frame, Parts, splice},
    instance::Instance,
    protocol::{code, method},
    upstream::{ExchangeError, ExchangeReason, Sent},
};

/// The member of `params` by which a request is routed.
#[derive(Deserialize)]
struct Key<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    uri: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "ref")]
    reference: Option<Reference<'a>>,
    #[serde(borrow, default)]
    cursor: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    uri: Option<&'a RawValue>,
}

fn text_of(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(raw?.get()).ok().map(|text| text.0)
}

/// The tool that a `tools/call` names.
pub(super) fn tool_name(frame: &Frame) -> Option<Cow<'_, str>> {
    text_of(frame.peek::<Key<'_>>()?.name)
}

impl SessionTask {
    /// Sends a request where it belongs, or answers it.
    pub(super) fn route(&mut self, frame: &Frame, to: &ReplyTo) {
        let name = frame.method().unwrap_or_default();
        if let Some(kind) = ListKind::of_method(name) {
            return self.route_list(kind, frame, to);
        }
        match name {
            method::TOOLS_CALL => self.route_call(frame, to),
            method::LOGGING_SET_LEVEL => self.set_log_level(frame, to),
            method::PROMPTS_GET => self.route_prompt(frame, to),
            method::RESOURCES_READ | method::RESOURCES_SUBSCRIBE | method::RESOURCES_UNSUBSCRIBE => {
                self.route_resource(frame, to);
            }
            method::COMPLETION_COMPLETE => self.route_completion(frame, to),
            other => match self.target.instance().cloned() {
                Some(instance) => self.forward(&instance, frame, to, Shape::Raw, None),
                None => {
                    let text =
                        format!("method `{other}` is unknown to the hub, and no instance is connected");
                    self.answer_error(to, code::METHOD_NOT_FOUND, &text);
                }
            },
        }
    }

    fn route_list(&mut self, kind: ListKind, frame: &Frame, to: &ReplyTo) {
        let has_cursor = frame.peek::<Key<'_>>().is_some_and(|key| key.cursor.is_some());
        let target = self.target.instance().cloned().filter(|_| !self.shows_all());
        match target {
            Some(instance) if kind != ListKind::Tools || self.config.tools == super::ToolsMode::Connected => {
                let shape = Shape::List { kind, first_page: !has_cursor };
                self.forward(&instance, frame, to, shape, None);
            }
            // The hub itself lists everything on one page.
            _ if has_cursor => self.answer_error(to, code::INVALID_PARAMS, "this cursor is not of this list"),
            _ if self.shows_all() => self.merge_for(kind, Then::Show(to.clone())),
            _ => self.answer_result(to, &kind.result(kind.own_items())),
        }
    }

    /// Asks all active instances for a list.
    fn merge_for(&mut self, kind: ListKind, then: Then) {
        let (Then::Show(to) | Then::Resolve(_, to)) = &then;
        let to = to.clone();
        let instances: Vec<Instance> = self.snapshot.active().cloned().collect();
        let asking = Asking(self.asker.clone());
        self.start_job(&to, async move {
            let lists = asking.lists(instances, kind).await;
            Done::Lists { kind, lists, then }
        });
    }

    fn route_call(&mut self, frame: &Frame, to: &ReplyTo) {
        let Some(name) = tool_name(frame) else {
            return self.answer_error(to, code::INVALID_PARAMS, "`tools/call` needs the `name` of a tool");
        };
        if let Some(tool) = Tool::named(&name) {
            return self.call_own_tool(tool, frame, to);
        }
        if self.shows_all() {
            return self.route_named(ListKind::Tools, frame, to, &name);
        }
        let Some(instance) = self.target.instance().cloned() else {
            return self.answer_unknown_tool(&name, to);
        };
        // A tool that is listed under another name because the hub has one of that name.
        let original = name
            .strip_prefix(&*instance.alias)
            .and_then(|rest| rest.strip_prefix("__"))
            .and_then(|rest| Tool::ALL.iter().find(|tool| tool.name() == rest));
        let edit = original.and_then(|tool| name_edit(frame, tool.name()));
        self.forward(&instance, frame, to, Shape::Tool, edit);
    }

    fn answer_unknown_tool(&mut self, name: &str, to: &ReplyTo) {
        if let Some(missing) = self.target.missing().cloned() {
            let error = ExchangeError { sent: Sent::No, reason: ExchangeReason::Gone };
            return self.answer_failure(&missing, to, &error);
        }
        let text = format!(
            "Unknown tool: {name}. No instance is connected: `instances_list` shows what runs, `instances_connect` \
             makes its tools available, and `instances_call` calls one without connecting."
        );
        self.answer_error(to, code::INVALID_PARAMS, &text);
    }

    fn route_prompt(&mut self, frame: &Frame, to: &ReplyTo) {
        let key = frame.peek::<Key<'_>>();
        let Some(name) = key.as_ref().and_then(|key| text_of(key.name)) else {
            return self.answer_error(to, code::INVALID_PARAMS, "`prompts/get` needs the `name` of a prompt");
        };
        if self.shows_all() {
            return self.route_named(ListKind::Prompts, frame, to, &name);
        }
        match self.target.instance().cloned() {
            Some(instance) => self.forward(&instance, frame, to, Shape::Prompt, None),
            None => self.answer_error(to, code::INVALID_PARAMS, &format!("Unknown prompt: {name}")),
        }
    }

    /// A tool or prompt under its merged name. A name that is not known yet may be known once the lists were made:
    /// clients keep lists over a restart of the hub.
    fn route_named(&mut self, kind: ListKind, frame: &Frame, to: &ReplyTo, name: &str) {
        match self.merged.named(kind, name) {
            Some(owner) => self.forward_named(kind, frame, to, &owner),
            None => self.merge_for(kind, Then::Resolve(frame.clone(), to.clone())),
        }
    }

    fn forward_named(&mut self, kind: ListKind, frame: &Frame, to: &ReplyTo, owner: &Owner) {
        let shape = if kind == ListKind::Tools { Shape::Tool } else { Shape::Prompt };
        match self.by_alias(&owner.alias) {
            Some(instance) => {
                let edit = name_edit(frame, &owner.original);
                self.forward(&instance, frame, to, shape, edit);
            }
            None => self.answer_not_running(&owner.alias, to),
        }
    }

    fn by_alias(&self, alias: &str) -> Option<Instance> {
        self.snapshot.instances.iter().find(|instance| *instance.alias == *alias).cloned()
    }

    fn answer_not_running(&mut self, alias: &str, to: &ReplyTo) {
        let data = json!({"alias": alias, "reason": "not running", "sent": "no"}).to_string();
        let text = format!("instance `{alias}` is not running");
        self.answer(to, client::error(Some(&to.id), code::INTERNAL_ERROR, &text, Some(&data)));
    }

    /// The lists were made for this request: now it is known, or nobody knows it.
    pub(super) fn route_resolved(&mut self, frame: &Frame, to: &ReplyTo) {
        let Some(key) = frame.peek::<Key<'_>>() else { return self.route(frame, to) };
        let completes = frame.method() == Some(method::COMPLETION_COMPLETE);
        let kind =
            if frame.method() == Some(method::TOOLS_CALL) { ListKind::Tools } else { ListKind::Prompts };
        let name = if completes { key.reference.and_then(|it| it.name) } else { key.name };
        let Some(name) = text_of(name) else { return self.route_known_resource(frame, to) };
        match self.merged.named(kind, &name) {
            Some(owner) if completes => self.complete_with(frame, to, &owner),
            Some(owner) => self.forward_named(kind, frame, to, &owner),
            None if kind == ListKind::Tools => {
                self.answer_error(to, code::INVALID_PARAMS, &format!("Unknown tool: {name}"));
            }
            None => self.answer_error(to, code::INVALID_PARAMS, &format!("Unknown prompt: {name}")),
        }
    }

    fn route_resource(&mut self, frame: &Frame, to: &ReplyTo) {
        let key = frame.peek::<Key<'_>>();
        let Some(uri) = key.as_ref().and_then(|key| text_of(key.uri)) else {
            return self.answer_error(to, code::INVALID_PARAMS, "the request needs the `uri` of a resource");
        };
        if uri == INSTANCES_URI {
            return self.own_resource(frame, to);
        }
        if self.shows_all() {
            return match [ListKind::Resources, ListKind::Templates]
                .into_iter()
                .find(|kind| !self.merged.knows(*kind))
            {
                Some(kind) => self.merge_for(kind, Then::Resolve(frame.clone(), to.clone())),
                None => self.route_known_resource(frame, to),
            };
        }
        match self.target.instance().cloned() {
            Some(instance) => {
                let shape = resource_shape(frame, key.as_ref().and_then(|key| key.uri));
                self.forward(&instance, frame, to, shape, None);
            }
            None => self.answer_no_resource(to, &uri),
        }
    }

    /// A URI in merged mode: to its owner, else to whoever can read it. Reading changes nothing, so all may be asked.
    fn route_known_resource(&mut self, frame: &Frame, to: &ReplyTo) {
        let completes = frame.method() == Some(method::COMPLETION_COMPLETE);
        let Some(key) = frame.peek::<Key<'_>>() else { return self.answer_no_resource(to, "") };
        let raw = if completes { key.reference.and_then(|it| it.uri) } else { key.uri };
        let uri = text_of(raw).unwrap_or_default();
        if let Some(missing) =
            [ListKind::Resources, ListKind::Templates].into_iter().find(|kind| !self.merged.knows(*kind))
        {
            return self.merge_for(missing, Then::Resolve(frame.clone(), to.clone()));
        }
        if let Some(owner) = self.merged.located(&uri) {
            let Some(instance) = self.by_alias(&owner.alias) else {
                return self.answer_not_running(&owner.alias, to);
            };
            let original = serde_json::Value::from(&*owner.original).to_string();
            let edit = raw.map(|raw| (frame.span_of(raw.get()), original.clone()));
            let shape = if completes { Shape::Raw } else { resource_shape_of(frame, &original) };
            return self.forward(&instance, frame, to, shape, edit);
        }
        if frame.method() != Some(method::RESOURCES_READ) {
            return self.answer_no_resource(to, &uri);
        }
        let instances: Vec<Instance> = self.snapshot.active().cloned().collect();
        let (asking, to, uri) = (Asking(self.asker.clone()), to.clone(), uri.into_owned());
        let params = frame.params().unwrap_or("{}").to_owned();
        self.start_job(&to.clone(), async move {
            let mut last = Done::Nobody { to: to.clone(), uri };
            for instance in instances {
                let answer = asking.request(&instance, method::RESOURCES_READ, params.clone()).await;
                let found = answer.as_ref().is_ok_and(|frame| frame.result().is_some());
                last = Done::Answer { to: to.clone(), from: Box::new(instance), answer };
                if found {
                    break;
                }
            }
            last
        });
    }

    fn route_completion(&mut self, frame: &Frame, to: &ReplyTo) {
        if !self.shows_all() {
            return match self.target.instance().cloned() {
                Some(instance) => self.forward(&instance, frame, to, Shape::Raw, None),
                None => self.answer_error(
                    to,
                    code::INVALID_PARAMS,
                    "no instance is connected that could complete this",
                ),
            };
        }
        let reference = frame.peek::<Key<'_>>().and_then(|key| key.reference);
        let Some(reference) = reference else {
            return self.answer_error(to, code::INVALID_PARAMS, "`completion/complete` needs a `ref`");
        };
        match text_of(reference.name) {
            Some(name) => match self.merged.named(ListKind::Prompts, &name) {
                Some(owner) => self.complete_with(frame, to, &owner),
                None => self.merge_for(ListKind::Prompts, Then::Resolve(frame.clone(), to.clone())),
            },
            None => self.route_known_resource(frame, to),
        }
    }

    fn complete_with(&mut self, frame: &Frame, to: &ReplyTo, owner: &Owner) {
        let Some(instance) = self.by_alias(&owner.alias) else {
            return self.answer_not_running(&owner.alias, to);
        };
        let reference = frame.peek::<Key<'_>>().and_then(|key| key.reference);
        let raw = reference.and_then(|reference| reference.name);
        let original = serde_json::Value::from(&*owner.original).to_string();
        let edit = raw.map(|raw| (frame.span_of(raw.get()), original));
        self.forward(&instance, frame, to, Shape::Raw, edit);
    }

    /// Sends a request of the client to an instance, with at most one span of it replaced.
    pub(super) fn forward(
        &mut self,
        instance: &Instance,
        frame: &Frame,
        to: &ReplyTo,
        shape: Shape,
        edit: Option<Edit>,
    ) {
        let link = self.links.to(instance, || self.phase.hello());
        let token = progress_token(frame).map(Into::into);
        let asker = Asker::Client { reply: to.clone(), token, shape };
        let sent = match edit {
            None => self.links.request(link, frame, asker),
            Some((span, with)) => match Frame::parse(splice(frame.bytes(), [(span, with.into())])) {
                Ok(edited) => self.links.request(link, &edited, asker),
                Err(_) => Err(asker),
            },
        };
        match sent {
            Ok(request) => self.owed.set(to, Running::Upstream(request)),
            Err(_) => {
                let error = ExchangeError { sent: Sent::No, reason: ExchangeReason::Busy };
                self.answer_failure(instance, to, &error);
            }
        }
    }

    /// An error that says which instance failed, why, and whether the request may have run.
    pub(super) fn answer_failure(&mut self, instance: &Instance, to: &ReplyTo, error: &ExchangeError) {
        let data = failure_data(instance, error);
        let text = failure_text(instance, error);
        self.answer(to, client::error(Some(&to.id), code::INTERNAL_ERROR, &text, Some(&data)));
    }

    pub(super) fn answer_no_resource(&mut self, to: &ReplyTo, uri: &str) {
        let data = json!({ "uri": uri }).to_string();
        let answer = client::error(Some(&to.id), code::RESOURCE_NOT_FOUND, "Resource not found", Some(&data));
        self.answer(to, answer);
    }

    /// A resource that was read by a job.
    pub(super) fn answer_read(&mut self, from: &Instance, to: &ReplyTo, frame: &Frame) {
        let parts: Parts = edited(frame, &to.id, self.merged.uri_edits(frame, &from.alias));
        self.answer(to, parts);
    }

    fn set_log_level(&mut self, frame: &Frame, to: &ReplyTo) {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Level {
            Debug,
            Info,
            Notice,
            Warning,
            Error,
            Critical,
            Alert,
            Emergency,
        }
        #[derive(Deserialize)]
        struct Params {
            #[serde(rename = "level")]
            _level: Level,
        }
        if frame.peek::<Params>().is_none() {
            let text =
                "`level` must be one of debug, info, notice, warning, error, critical, alert, emergency";
            return self.answer_error(to, code::INVALID_PARAMS, text);
        }
        self.log_level = frame.params().map(Into::into);
        let links: Vec<_> =
            self.links.iter().filter(|(_, link)| link.manners.logs).map(|(id, _)| id).collect();
        for link in links {
            self.send_log_level(link);
        }
        self.answer_result(to, "{}");
    }
}

fn name_edit(frame: &Frame, original: &str) -> Option<Edit> {
    let raw = frame.peek::<Key<'_>>()?.name?;
    Some((frame.span_of(raw.get()), serde_json::Value::from(original).to_string()))
}

fn resource_shape(frame: &Frame, uri: Option<&RawValue>) -> Shape {
    resource_shape_of(frame, uri.map_or("\"\"", RawValue::get))
}

fn resource_shape_of(frame: &Frame, uri: &str) -> Shape {
    match frame.method() {
        Some(method::RESOURCES_SUBSCRIBE) => Shape::Subscription { uri: uri.into(), on: true },
        Some(method::RESOURCES_UNSUBSCRIBE) => Shape::Subscription { uri: uri.into(), on: false },
        _ => Shape::Resource,
    }
}
