//! Where a request about a resource goes, and one for completion, which may be about a resource or a prompt.

use serde_json::{json, value::RawValue};

use super::{
    client::{self, ReplyTo},
    jobs::{Done, Then},
    links::Shape,
    lists::{INSTANCES_URI, ListKind},
    modern::error_code,
    names::Owner,
    route::{Key, text_of},
    task::SessionTask,
};
use crate::{
    frame::Frame,
    instance::Instance,
    protocol::{code, method},
    upstream::{ExchangeError, ExchangeReason, Sent},
};

impl SessionTask {
    pub(super) fn route_resource(&mut self, frame: &Frame, to: &ReplyTo) {
        let key = frame.peek::<Key<'_>>();
        let Some(uri) = key.as_ref().and_then(|key| text_of(key.uri)) else {
            return self.answer_error(to, code::INVALID_PARAMS, "the request needs the `uri` of a resource");
        };
        if uri == INSTANCES_URI {
            return self.own_resource(frame, to);
        }
        if self.shows_all_to(to) {
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
    pub(super) fn route_known_resource(&mut self, frame: &Frame, to: &ReplyTo) {
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
        let (asking, to, uri) = (self.asking(to.caller()), to.clone(), uri.into_owned());
        let params = frame.params().unwrap_or("{}").to_owned();
        self.start_job(&to.clone(), async move {
            let mut last = None;
            for instance in instances {
                let answer = asking.request(&instance, method::RESOURCES_READ, params.clone()).await;
                let found = answer.as_ref().is_ok_and(|frame| frame.result().is_some());
                // One without resources at all says nothing about this one.
                let is_deaf = answer.as_ref().is_ok_and(|it| error_code(it) == Some(code::METHOD_NOT_FOUND));
                if !is_deaf {
                    last = Some(Done::Answer { to: to.clone(), from: Box::new(instance), answer });
                }
                if found {
                    break;
                }
            }
            last.unwrap_or(Done::Nobody { to, uri })
        });
    }

    pub(super) fn route_completion(&mut self, frame: &Frame, to: &ReplyTo) {
        if !self.shows_all_to(to) {
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

    pub(super) fn complete_with(&mut self, frame: &Frame, to: &ReplyTo, owner: &Owner) {
        let Some(instance) = self.by_alias(&owner.alias) else {
            return self.answer_not_running(&owner.alias, to);
        };
        let reference = frame.peek::<Key<'_>>().and_then(|key| key.reference);
        let raw = reference.and_then(|reference| reference.name);
        let original = serde_json::Value::from(&*owner.original).to_string();
        let edit = raw.map(|raw| (frame.span_of(raw.get()), original));
        self.forward(&instance, frame, to, Shape::Raw, edit);
    }

    pub(super) fn answer_no_resource(&mut self, to: &ReplyTo, uri: &str) {
        let data = json!({ "uri": uri }).to_string();
        let code = if to.is_modern() { code::INVALID_PARAMS } else { code::RESOURCE_NOT_FOUND };
        let answer = client::error(Some(&to.id), code, "Resource not found", Some(&data));
        self.answer(to, answer);
    }

    /// A resource that was read by a job.
    pub(super) fn answer_read(&mut self, from: &Instance, to: &ReplyTo, frame: &Frame) {
        let Some(link) = self.links.id_of(from.generation, to.caller()) else {
            let error = ExchangeError { sent: Sent::Yes, reason: ExchangeReason::Gone };
            return self.answer_failure(from, to, &error);
        };
        self.deliver(link, frame, to, Shape::Resource);
    }
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
