//! What comes back: answers, notifications and questions of instances; and what the hub says of its own accord.

use std::{borrow::Cow, sync::Arc};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    client::{self, Caller, ReplyTo},
    handshake::SERVER_INFO,
    jobs::request_frame,
    links::{Asker, Link, Manners, Shape},
    lists::{INSTANCES_URI, LISTS_CHANGED, ListKind, clash_edits, first_page_edits, page},
    modern::{Outcome, error_code, fitted},
    questions::NO_MORE_QUESTIONS,
    quirks,
    task::SessionTask,
    tasks,
};
use crate::{
    frame::{Edit, Frame, Kind, Parts, splice},
    instance::Instance,
    protocol::{Era, code, method},
    upstream::{ExchangeError, LinkId, Welcome},
};

#[derive(Deserialize)]
pub(super) struct Cancelled<'a> {
    #[serde(rename = "requestId", borrow)]
    pub(super) request: &'a RawValue,
}

#[derive(Deserialize)]
pub(super) struct Progress<'a> {
    #[serde(rename = "progressToken", borrow)]
    pub(super) token: &'a RawValue,
}

#[derive(Deserialize)]
pub(super) struct Updated<'a> {
    #[serde(borrow)]
    pub(super) uri: &'a RawValue,
}

impl SessionTask {
    /// `carrier`: the request on whose stream it came.
    pub(super) fn on_upstream_frame(&mut self, link: LinkId, carrier: Option<u64>, frame: &Frame) {
        let Some(open) = self.links.get(link) else { return };
        open.instance.link.note_answer();
        let is_greeted = open.caller == Caller::Greeted;
        match frame.kind() {
            Kind::Response { .. } => {
                let Some(pending) = frame.numeric_id().and_then(|id| self.links.finish(id)) else { return };
                self.suspensions.forget(pending.request);
                match pending.asker {
                    Asker::Client { reply, shape, said, token } => {
                        if let Some(token) = token
                            && is_greeted
                            && tasks::created(frame).is_some()
                        {
                            self.links.keep_token(link, token);
                        }
                        if !self.on_url_required(frame, &reply, &shape, said.as_deref()) {
                            self.deliver(link, frame, &reply, shape);
                        }
                    }
                    Asker::Suspended { state } => {
                        self.suspensions.end(&state, Outcome::Answered(frame.clone()));
                    }
                    Asker::Job { answer, .. } => {
                        let _ = answer.send(Ok(frame.clone()));
                    }
                    Asker::Nobody => {}
                }
            }
            Kind::Request { .. } if is_greeted => self.on_question(link, frame),
            Kind::Request { .. } => self.on_question_of_call(link, carrier, frame),
            Kind::Notification { method } if **method == *method::PROGRESS => self.on_progress(link, frame),
            Kind::Notification { method } if is_greeted => self.on_instance_notification(link, method, frame),
            Kind::Notification { method } => self.on_notification_for_claims(link, carrier, method, frame),
        }
    }

    /// An answer goes to the client as it is, but for what its shape asks for.
    pub(super) fn deliver(&mut self, link: LinkId, frame: &Frame, to: &ReplyTo, shape: Shape) {
        if matches!(shape, Shape::Raw) && !to.is_modern() {
            return self.answer(to, frame.with_id(&to.id));
        }
        // A call that was suspended may have been answered on a link that is closed by now.
        let open = self.links.get(link);
        let alias = open.map(|open| open.instance.alias.clone()).unwrap_or_default();
        let sloppy = open.is_some_and(|open| open.manners.sloppy);
        let said_by = to.claim.as_ref().and_then(|_| said_by(open));
        let ok = matches!(frame.kind(), Kind::Response { ok: true, .. });
        let creates = ok && matches!(shape, Shape::Tool | Shape::Called);
        let edits = match shape {
            Shape::List { kind, first_page: true } if !ok => {
                return self.deliver_failed_list(kind, frame, to);
            }
            Shape::List { kind, first_page: true } => {
                first_page_edits(frame, kind, &alias).unwrap_or_default()
            }
            Shape::List { kind, .. } => {
                page(frame, kind).map(|page| clash_edits(frame, &page, kind, &alias)).unwrap_or_default()
            }
            Shape::Tool if sloppy => quirks::mended_tool_result(frame).into_iter().collect(),
            Shape::Prompt if sloppy => quirks::mended_prompt(frame).into_iter().collect(),
            Shape::Called => super::hub_tools::called_edits(frame, &alias, sloppy),
            Shape::Subscription { uri, on } => {
                self.note_subscription(&alias, uri, on && ok);
                Vec::new()
            }
            Shape::Tool | Shape::Prompt | Shape::Resource if self.shows_all_to(to) => {
                self.merged.uri_edits(frame, &alias)
            }
            Shape::Tool | Shape::Prompt | Shape::Resource | Shape::Raw => Vec::new(),
        };
        if creates && let Some(task) = tasks::created(frame) {
            self.tasks.learn(&task, &alias);
        }
        let parts = match &to.claim {
            None => edited(frame, edits).with_id(&to.id),
            Some(claim) => fitted(&edited(frame, edits), claim, said_by.as_deref()).with_id(&to.id),
        };
        self.answer(to, parts);
    }

    /// An instance without this kind of thing has an empty list; the hub's own tools are there in any case.
    fn deliver_failed_list(&mut self, kind: ListKind, frame: &Frame, to: &ReplyTo) {
        if error_code(frame) == Some(code::METHOD_NOT_FOUND) || kind == ListKind::Tools {
            self.answer_result(to, &kind.result(kind.own_items()));
        } else {
            self.answer(to, frame.with_id(&to.id));
        }
    }

    fn on_question(&mut self, link: LinkId, frame: &Frame) {
        let asked = if self.phase.is_ready() { self.questions.ask(link, frame) } else { None };
        match asked {
            Some(parts) => self.emit(parts),
            None => {
                let answer = client::error(frame.id(), code::INTERNAL_ERROR, NO_MORE_QUESTIONS, None);
                self.send_to(link, answer);
            }
        }
    }

    /// Progress goes to the client under the token as it wrote it: some servers give `1` back for `1.0`.
    fn on_progress(&mut self, link: LinkId, frame: &Frame) {
        let Some(Progress { token }) = frame.peek() else { return };
        match self.links.expected_token(link, token.get()) {
            Some(original) if original != token.get() => {
                let text = splice(frame.bytes(), [(frame.span_of(token.get()), original.into())]);
                self.emit(Parts::whole(text));
            }
            Some(_) => self.emit(Parts::whole(frame.bytes().clone())),
            None => {}
        }
    }

    fn on_instance_notification(&mut self, link: LinkId, name: &str, frame: &Frame) {
        let Some(open) = self.links.get(link) else { return };
        let is_target =
            self.target.instance().is_some_and(|target| target.generation == open.instance.generation);
        let shown = self.shows_all() || is_target;
        match name {
            method::CANCELLED => {
                let Some(Cancelled { request }) = frame.peek() else { return };
                if let Some(id) = self.questions.withdraw(link, request.get()) {
                    let text = splice(frame.bytes(), [(frame.span_of(request.get()), id.into())]);
                    self.emit(Parts::whole(text));
                }
            }
            method::RESOURCES_UPDATED => self.on_resource_updated(link, frame),
            name if !shown && LISTS_CHANGED.contains(&name) => {}
            _ => self.emit(Parts::whole(frame.bytes().clone())),
        }
    }

    fn on_resource_updated(&mut self, link: LinkId, frame: &Frame) {
        let Some(open) = self.links.get(link) else { return };
        if !self.subscriptions.contains_key(&*open.instance.alias) {
            return;
        }
        let renamed = frame.peek::<Updated<'_>>().and_then(|updated| {
            let uri: String = serde_json::from_str(updated.uri.get()).ok()?;
            let listed = self.merged.renamed(&open.instance.alias, &uri)?;
            Some((frame.span_of(updated.uri.get()), serde_json::Value::from(listed).to_string()))
        });
        let text = match renamed {
            Some((span, with)) => splice(frame.bytes(), [(span, with.into())]),
            None => frame.bytes().clone(),
        };
        self.emit(Parts::whole(text));
    }

    /// The instance is there, or there again: it must know what the client wants of it.
    pub(super) fn on_welcome(&mut self, link: LinkId, welcome: &Welcome) {
        let Some(open) = self.links.get_mut(link) else { return };
        open.manners = Manners::of(welcome);
        open.era = Some(welcome.era);
        open.level = None;
        open.instance.link.note_answer();
        let (logs, alias, caller) = (open.manners.logs, open.instance.alias.clone(), open.caller);
        let uris: Vec<Box<str>> = if caller == Caller::Greeted {
            if logs || welcome.era.is_modern() {
                self.send_log_level(link);
            }
            self.subscriptions.get(&*alias).into_iter().flatten().cloned().collect()
        } else {
            let uris = self.listens.uris(caller, &alias);
            uris.map(|uri| serde_json::Value::from(uri).to_string().into()).collect()
        };
        for uri in uris {
            let frame = request_frame(method::RESOURCES_SUBSCRIBE, &format!(r#"{{"uri":{uri}}}"#));
            // An instance that has forgotten the resource answers with an error, which concerns nobody.
            let _ = self.links.request(link, &frame, Asker::Nobody);
        }
    }

    pub(super) fn send_log_level(&mut self, link: LinkId) {
        if let Some(params) = &self.log_level {
            let frame = request_frame(method::LOGGING_SET_LEVEL, params);
            let _ = self.links.request(link, &frame, Asker::Nobody);
        }
    }

    fn note_subscription(&mut self, alias: &str, uri: Box<str>, on: bool) {
        if on {
            self.subscriptions.entry(alias.into()).or_default().insert(uri);
        } else if let Some(uris) = self.subscriptions.get_mut(alias) {
            uris.remove(&uri);
            if uris.is_empty() {
                self.subscriptions.remove(alias);
            }
        }
    }

    /// Ends the client's subscriptions at an instance that it has left.
    pub(super) fn unsubscribe_all(&mut self, instance: &Instance) {
        let Some(uris) = self.subscriptions.remove(&*instance.alias) else { return };
        let Some(link) = self.links.id_of(instance.generation, Caller::Greeted) else { return };
        for uri in uris {
            let frame = request_frame(method::RESOURCES_UNSUBSCRIBE, &format!(r#"{{"uri":{uri}}}"#));
            let _ = self.links.request(link, &frame, Asker::Nobody);
        }
    }

    /// A link is of no use any more: everything that waits on it is told so, at once.
    pub(super) fn close_link(&mut self, link: LinkId, error: &ExchangeError) {
        for id in self.questions.withdraw_all(link) {
            let params = format!(r#"{{"requestId":{id},"reason":"the instance that asked is gone"}}"#);
            self.emit(client::notification(method::CANCELLED, Some(&params)));
        }
        if let Some((closed, askers)) = self.links.close(link) {
            for asker in askers {
                self.fail(&closed.instance, asker, error);
            }
        }
    }

    /// A request got no answer from its instance.
    pub(super) fn fail(&mut self, instance: &Instance, asker: Asker, error: &ExchangeError) {
        match asker {
            Asker::Suspended { state } => {
                let outcome = Outcome::Failed(Box::new(instance.clone()), error.clone());
                self.suspensions.end(&state, outcome);
            }
            // The hub's own tools are there whatever happens to an instance.
            Asker::Client {
                reply, shape: Shape::List { kind: ListKind::Tools, first_page: true }, ..
            } => {
                self.answer_result(&reply, &ListKind::Tools.result(ListKind::Tools.own_items()));
            }
            Asker::Client { reply, .. } => self.answer_failure(instance, &reply, error),
            Asker::Job { answer, .. } => {
                let _ = answer.send(Err(error.clone()));
            }
            Asker::Nobody => {}
        }
    }

    pub(super) fn send_to(&mut self, link: LinkId, message: Parts) {
        if let Some(open) = self.links.get(link)
            && open.upstream.send(message.join()).is_err()
        {
            tracing::warn!(alias = %open.instance.alias, "a message could not be sent: the instance takes none");
        }
    }

    pub(super) fn lists_changed(&mut self) {
        // Before the hub has looked around nothing has been listed that could change.
        if self.phase.is_ready() && self.settled {
            for method in LISTS_CHANGED {
                self.emit(client::notification(method, None));
            }
        }
    }

    /// Another instance is connected, or none. Only a client with a handshake has such a thing.
    pub(super) fn connection_changed(&mut self) {
        if self.watches_instances && self.phase.is_ready() {
            self.emit(instances_updated());
        }
    }

    /// The list of instances is another.
    pub(super) fn instances_changed(&mut self) {
        self.connection_changed();
        let told = Frame::parse(instances_updated().join()).expect("the method and the URI are constants");
        self.emit_all(self.listens.updated(None, INSTANCES_URI, &told));
    }
}

fn instances_updated() -> Parts {
    let params = format!(r#"{{"uri":"{INSTANCES_URI}"}}"#);
    client::notification(method::RESOURCES_UPDATED, Some(&params))
}

/// Whose answer it is, when the instance is of an era in which answers do not say it themselves.
fn said_by(link: Option<&Link>) -> Option<Arc<str>> {
    if link.and_then(|link| link.era).is_some_and(Era::is_modern) {
        return None;
    }
    Some(link.and_then(|link| link.manners.server_info.clone()).unwrap_or_else(|| SERVER_INFO.into()))
}

/// A message with some spans replaced.
pub(super) fn edited(frame: &Frame, edits: Vec<Edit>) -> Cow<'_, Frame> {
    if edits.is_empty() {
        return Cow::Borrowed(frame);
    }
    let text = splice(frame.bytes(), edits.into_iter().map(|(span, with)| (span, Cow::Owned(with))));
    Frame::parse(text).map_or(Cow::Borrowed(frame), Cow::Owned)
}
