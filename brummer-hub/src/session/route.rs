//! Where a request of the client goes.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{
    client::{self, Caller, ReplyTo, Running, progress_token},
    hub_tools::Tool,
    jobs::{Done, Then},
    level::Level,
    links::{Asker, Link, Shape, failure_data, failure_text},
    lists::ListKind,
    modern::{Resumed, without},
    names::Owner,
    notify::edited,
    task::SessionTask,
};
use crate::{
    frame::{Edit, Frame},
    instance::Instance,
    protocol::{Era, code, method},
    upstream::{ExchangeError, ExchangeReason, Sent},
};

/// The member of `params` by which a request is routed.
#[derive(Deserialize)]
pub(super) struct Key<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) uri: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "ref")]
    pub(super) reference: Option<Reference<'a>>,
    #[serde(borrow, default)]
    cursor: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Reference<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) uri: Option<&'a RawValue>,
}

pub(super) fn text_of(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
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
            method::LISTEN if to.is_modern() => self.listen(frame, to),
            method::TASKS_GET | method::TASKS_RESULT | method::TASKS_CANCEL | method::TASKS_UPDATE => {
                self.route_task(frame, to);
            }
            other => match self.target.instance().filter(|_| !self.shows_all_to(to)).cloned() {
                Some(instance) => self.forward(&instance, frame, to, Shape::Raw, None),
                None => {
                    let text = format!(
                        "method `{other}` is unknown to the hub, and no single instance is connected"
                    );
                    self.answer_error(to, code::METHOD_NOT_FOUND, &text);
                }
            },
        }
    }

    fn route_list(&mut self, kind: ListKind, frame: &Frame, to: &ReplyTo) {
        let has_cursor = frame.peek::<Key<'_>>().is_some_and(|key| key.cursor.is_some());
        let target = self.target.instance().cloned().filter(|_| !self.shows_all_to(to));
        match target {
            Some(instance) if kind != ListKind::Tools || self.config.tools == super::ToolsMode::Connected => {
                let shape = Shape::List { kind, first_page: !has_cursor };
                self.forward(&instance, frame, to, shape, None);
            }
            // The hub itself lists everything on one page.
            _ if has_cursor => self.answer_error(to, code::INVALID_PARAMS, "this cursor is not of this list"),
            _ if self.shows_all_to(to) => self.merge_for(kind, Then::Show(to.clone())),
            _ => self.answer_result(to, &kind.result(kind.own_items())),
        }
    }

    /// Asks all active instances for a list.
    pub(super) fn merge_for(&mut self, kind: ListKind, then: Then) {
        let (Then::Show(to) | Then::Resolve(_, to)) = &then;
        let to = to.clone();
        let instances: Vec<Instance> = self.snapshot.active().cloned().collect();
        let asking = self.asking(to.caller());
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
        if self.shows_all_to(to) {
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
        if self.shows_all_to(to) {
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

    /// Makes a list for what it says of a name or URI in this request.
    pub(super) fn resolve(&mut self, kind: ListKind, frame: &Frame, to: &ReplyTo) {
        self.merge_for(kind, Then::Resolve(frame.clone(), to.clone()));
    }

    pub(super) fn by_alias(&self, alias: &str) -> Option<Instance> {
        self.snapshot.instances.iter().find(|instance| *instance.alias == *alias).cloned()
    }

    pub(super) fn answer_not_running(&mut self, alias: &str, to: &ReplyTo) {
        let data = json!({"alias": alias, "reason": "not running", "sent": "no"}).to_string();
        let text = format!("instance `{alias}` is not running");
        self.answer(to, client::error(Some(&to.id), code::INTERNAL_ERROR, &text, Some(&data)));
    }

    /// The lists were made for this request: now it is known, or nobody knows it.
    pub(super) fn route_resolved(&mut self, frame: &Frame, to: &ReplyTo) {
        if frame.method() == Some(method::LISTEN) {
            return self.listen(frame, to);
        }
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

    /// Sends a request of the client to an instance, with at most one span of it replaced.
    pub(super) fn forward(
        &mut self,
        instance: &Instance,
        frame: &Frame,
        to: &ReplyTo,
        shape: Shape,
        edit: Option<Edit>,
    ) {
        let edited = edited(frame, edit.into_iter().collect());
        self.forward_as(instance, &edited, frame, to, shape);
    }

    /// Sends `call` to an instance because the client said `said`.
    pub(super) fn forward_as(
        &mut self,
        instance: &Instance,
        call: &Frame,
        said: &Frame,
        to: &ReplyTo,
        shape: Shape,
    ) {
        if self.raise_level(instance, said, to) {
            return;
        }
        let call = match self.resume(instance, said, to, &shape) {
            Resumed::Answered => return,
            Resumed::No => Cow::Borrowed(call),
            Resumed::Anew => {
                let params = call.params().unwrap_or("{}");
                let bare = without(params, &["requestState", "inputResponses"]);
                edited(call, vec![(call.span_of(params), bare)])
            }
        };
        let link = self.link_to(instance, to.caller());
        let token = progress_token(&call).map(Into::into);
        let said = to.is_modern().then(|| said.clone().into());
        let asker = Asker::Client { reply: to.clone(), token, shape, said };
        match self.links.request(link, &call, asker) {
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

    fn set_log_level(&mut self, frame: &Frame, to: &ReplyTo) {
        #[derive(Deserialize)]
        struct Params {
            #[serde(rename = "level")]
            _level: Level,
        }
        if frame.peek::<Params>().is_none() {
            let text = format!("`level` {}", Level::CHOICES);
            return self.answer_error(to, code::INVALID_PARAMS, &text);
        }
        self.log_level = frame.params().map(Into::into);
        let listens = |link: &Link| {
            link.caller == Caller::Greeted && (link.manners.logs || link.era.is_some_and(Era::is_modern))
        };
        let listening = self.links.iter().filter(|(_, link)| listens(link));
        let instances: Vec<_> = listening.map(|(_, link)| link.instance.clone()).collect();
        let (Some(params), false) = (self.log_level.clone(), instances.is_empty()) else {
            return self.answer_result(to, "{}");
        };
        let (asking, reply) = (self.asking(Caller::Greeted), to.clone());
        self.start_job(to, async move {
            asking.log_level(&instances, &params).await;
            Done::LevelTaken { to: reply }
        });
    }
}

fn name_edit(frame: &Frame, original: &str) -> Option<Edit> {
    let raw = frame.peek::<Key<'_>>()?.name?;
    Some((frame.span_of(raw.get()), serde_json::Value::from(original).to_string()))
}
