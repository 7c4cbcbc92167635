//! What comes back: answers, notifications and questions of instances, and what the client says without asking.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    client::{self, ReplyTo, Running},
    jobs::request_frame,
    links::{Asker, Manners, Shape},
    lists::{INSTANCES_URI, LISTS_CHANGED, ListKind, clash_edits, first_page_edits, page},
    questions::Answered,
    quirks,
    task::SessionTask,
};
use crate::{
    frame::{Edit, Frame, Kind, Parts, splice},
    instance::Instance,
    protocol::{code, method},
    upstream::{ExchangeError, LinkId, Welcome},
};

#[derive(Deserialize)]
struct Cancelled<'a> {
    #[serde(rename = "requestId", borrow)]
    request: &'a RawValue,
}

#[derive(Deserialize)]
struct Progress<'a> {
    #[serde(rename = "progressToken", borrow)]
    token: &'a RawValue,
}

#[derive(Deserialize)]
struct Updated<'a> {
    #[serde(borrow)]
    uri: &'a RawValue,
}

impl SessionTask {
    // What instances say.

    pub(super) fn on_upstream_frame(&mut self, link: LinkId, frame: &Frame) {
        let Some(open) = self.links.get(link) else { return };
        open.instance.link.note_answer();
        match frame.kind() {
            Kind::Response { .. } => {
                let Some(pending) = frame.numeric_id().and_then(|id| self.links.finish(id)) else { return };
                match pending.asker {
                    Asker::Client { reply, shape, .. } => self.deliver(link, frame, &reply, shape),
                    Asker::Job { answer, .. } => {
                        let _ = answer.send(Ok(frame.clone()));
                    }
                    Asker::Nobody => {}
                }
            }
            Kind::Request { .. } => self.on_question(link, frame),
            Kind::Notification { method } => self.on_instance_notification(link, method, frame),
        }
    }

    /// An answer goes to the client as it is, but for what its shape asks for.
    fn deliver(&mut self, link: LinkId, frame: &Frame, to: &ReplyTo, shape: Shape) {
        if matches!(shape, Shape::Raw) {
            return self.answer(to, frame.with_id(&to.id));
        }
        let Some(open) = self.links.get(link) else { return };
        let (alias, manners) = (open.instance.alias.clone(), open.manners);
        let ok = matches!(frame.kind(), Kind::Response { ok: true, .. });
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
            Shape::Tool if manners.sloppy => quirks::mended_tool_result(frame).into_iter().collect(),
            Shape::Prompt if manners.sloppy => quirks::mended_prompt(frame).into_iter().collect(),
            Shape::Called => super::hub_tools::called_edits(frame, &alias, manners.sloppy),
            Shape::Subscription { uri, on } => {
                self.note_subscription(&alias, uri, on && ok);
                Vec::new()
            }
            Shape::Tool | Shape::Prompt | Shape::Resource if self.shows_all() => {
                self.merged.uri_edits(frame, &alias)
            }
            Shape::Tool | Shape::Prompt | Shape::Resource | Shape::Raw => Vec::new(),
        };
        let parts = edited(frame, &to.id, edits);
        self.answer(to, parts);
    }

    /// An instance without this kind of thing has an empty list; the hub's own tools are there in any case.
    fn deliver_failed_list(&mut self, kind: ListKind, frame: &Frame, to: &ReplyTo) {
        #[derive(Deserialize)]
        struct Failed {
            error: Code,
        }
        #[derive(Deserialize)]
        struct Code {
            code: i64,
        }
        let code = serde_json::from_slice::<Failed>(frame.bytes()).map_or(0, |failed| failed.error.code);
        if code == i64::from(code::METHOD_NOT_FOUND) || kind == ListKind::Tools {
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
                let text = "the client takes no more questions now";
                let answer = client::error(frame.id(), code::INTERNAL_ERROR, text, None);
                self.send_to(link, answer);
            }
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
            method::PROGRESS => {
                let Some(Progress { token }) = frame.peek() else { return };
                // Under the token as the client wrote it: some servers give `1` back for `1.0`.
                match self.links.expected_token(link, token.get()) {
                    Some(original) if original != token.get() => {
                        let text = splice(frame.bytes(), [(frame.span_of(token.get()), original.into())]);
                        self.emit(Parts::whole(text));
                    }
                    Some(_) => self.emit(Parts::whole(frame.bytes().clone())),
                    None => {}
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
        open.instance.link.note_answer();
        let (logs, alias) = (open.manners.logs, open.instance.alias.clone());
        if logs {
            self.send_log_level(link);
        }
        let uris: Vec<_> = self.subscriptions.get(&*alias).into_iter().flatten().cloned().collect();
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
        if self.links.of(instance.generation).is_none() {
            return;
        }
        let link = self.links.to(instance, || self.phase.hello());
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

    // What the client says.

    pub(super) fn on_client_notification(&mut self, frame: &Frame) {
        match frame.method().unwrap_or_default() {
            method::INITIALIZED => self.initialized(),
            method::CANCELLED => self.on_client_cancelled(frame),
            method::PROGRESS => self.on_client_progress(frame),
            method::ROOTS_LIST_CHANGED => {
                let links: Vec<_> = self.links.iter().map(|(id, _)| id).collect();
                for link in links {
                    self.send_to(link, Parts::whole(frame.bytes().clone()));
                }
                self.roots_changed();
            }
            _ => {
                let link = self
                    .target
                    .instance()
                    .cloned()
                    .map(|target| self.links.to(&target, || self.phase.hello()));
                if let Some(link) = link {
                    self.send_to(link, Parts::whole(frame.bytes().clone()));
                }
            }
        }
    }

    /// Requests that are unknown or answered already are ignored (cancellation § Behavior Requirements).
    fn on_client_cancelled(&mut self, frame: &Frame) {
        let Some(Cancelled { request }) = frame.peek() else { return };
        let Some((running, batch)) = self.owed.take(request.get()) else { return };
        match running {
            Running::Upstream(id) => self.cancel_upstream(id, Some((frame, request.get()))),
            Running::Job { handle, .. } => handle.abort(),
            Running::Deferred => {}
        }
        if let Some(parts) = batch.and_then(|batch| self.owed.skip_in_batch(batch)) {
            self.emit(parts);
        }
    }

    /// Tells the instance in the client's words, or in the hub's when the client is gone.
    pub(super) fn cancel_upstream(&mut self, request: u64, said: Option<(&Frame, &str)>) {
        let Some(pending) = self.links.finish(request) else { return };
        let Some(open) = self.links.get(pending.link) else { return };
        let id = request.to_string();
        let text = match said {
            Some((frame, raw)) => splice(frame.bytes(), [(frame.span_of(raw), id.into())]),
            None => {
                let params = format!(r#"{{"requestId":{id},"reason":"the client is gone"}}"#);
                client::notification(method::CANCELLED, Some(&params)).join()
            }
        };
        open.upstream.cancel(request, text);
    }

    fn on_client_progress(&mut self, frame: &Frame) {
        let Some(Progress { token }) = frame.peek() else { return };
        let Some((link, original)) = self.questions.progress(token.get()) else { return };
        let text = splice(frame.bytes(), [(frame.span_of(token.get()), original.into())]);
        self.send_to(link, Parts::whole(text));
    }

    pub(super) fn on_client_response(&mut self, frame: &Frame) {
        match self.questions.answered(frame) {
            Answered::Instance(link, parts) => self.send_to(link, parts),
            Answered::Roots => self.on_roots(frame),
            Answered::Nobody => {}
        }
    }

    fn send_to(&mut self, link: LinkId, message: Parts) {
        if let Some(open) = self.links.get(link)
            && open.upstream.send(message.join()).is_err()
        {
            tracing::warn!(alias = %open.instance.alias, "a message could not be sent: the instance takes none");
        }
    }

    // What the hub says of its own accord.

    pub(super) fn lists_changed(&mut self) {
        // Before the hub has looked around nothing has been listed that could change.
        if self.phase.is_ready() && self.settled {
            for method in LISTS_CHANGED {
                self.emit(client::notification(method, None));
            }
        }
    }

    pub(super) fn instances_changed(&mut self) {
        if self.watches_instances && self.phase.is_ready() {
            let params = format!(r#"{{"uri":"{INSTANCES_URI}"}}"#);
            self.emit(client::notification(method::RESOURCES_UPDATED, Some(&params)));
        }
    }
}

/// A response under another id and with some spans replaced.
pub(super) fn edited(frame: &Frame, id: &str, edits: Vec<Edit>) -> Parts {
    if edits.is_empty() {
        return frame.with_id(id);
    }
    let text = splice(frame.bytes(), edits.into_iter().map(|(span, with)| (span, Cow::Owned(with))));
    match Frame::parse(text) {
        Ok(edited) => edited.with_id(id),
        Err(_) => frame.with_id(id),
    }
}
