//! All that the session says: to its client, and on its links. It keeps the books of it, so that what is answered is
//! answered once, and what is dropped is cancelled where it runs.

use std::{borrow::Cow, path::PathBuf, sync::Arc};

use bytes::Bytes;
use serde_json::json;

use super::{
    links::{Link, Links},
    message,
    peer::{Caller, Peer, fit},
    requests::{Requests, SentRequest, Shape, Ticket, Waiter},
};
use crate::{
    frame::{Edit, Frame, Object, Parts},
    instance::Instance,
    protocol::{Era, code, meta},
    upstream::{ExchangeError, ExchangeReason, Hello, LinkId, Sent},
};

/// What the shell is to do.
#[derive(Debug)]
pub(super) enum Effect {
    /// A message for the client.
    Write(Parts),
    /// A new link. `known`: what the instance has been found to speak.
    Open { link: LinkId, instance: Box<Instance>, hello: Hello, known: Option<Era> },
    /// A request on a link. `awaited`: the client waits for what comes of it.
    Request { link: LinkId, number: u64, body: Parts, awaited: bool },
    /// A notification or an answer on a link.
    Send { link: LinkId, body: Bytes },
    /// A request on a link is no longer wanted; the message says it.
    Cancel { link: LinkId, number: u64, notification: Bytes },
    /// A link is of no use any more.
    Close(LinkId),
    /// Directories whose links are to be resolved.
    Resolve(Vec<PathBuf>),
    /// All is said: the session is over.
    End,
}

#[derive(Debug, Default)]
pub(super) struct Talk {
    /// Calls that fail are answered with results, for a model to read.
    pub(super) tells_models: bool,
    pub(super) peer: Peer,
    pub(super) links: Links,
    pub(super) requests: Requests,
    /// `params` of the last `logging/setLevel` of the client with a handshake.
    pub(super) level: Option<Arc<str>>,
    pub(super) effects: Vec<Effect>,
}

impl Talk {
    // To the client.

    pub(super) fn emit(&mut self, message: Parts) {
        self.effects.push(Effect::Write(message));
    }

    /// Answers a request of the client, unless it is answered or cancelled.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Parts) {
        if let Some(parts) = self.requests.answer(ticket, answer) {
            self.emit(parts);
        }
    }

    /// Answers with a result of the hub's own (JSON text).
    pub(super) fn answer_result(&mut self, ticket: Ticket, result: &str) {
        let Some(to) = self.requests.to(ticket) else { return };
        let answer = match &to.claim {
            None => message::result(&to.id, result),
            Some(claim) => message::result(&to.id, &fit::own_result(result, None, claim)),
        };
        self.answer(ticket, answer);
    }

    /// Answers with an error. `data` is JSON text.
    pub(super) fn answer_error(&mut self, ticket: Ticket, code: i32, text: &str, data: Option<&str>) {
        let Some(to) = self.requests.to(ticket) else { return };
        let answer = message::error(Some(&to.id), code, text, data);
        self.answer(ticket, answer);
    }

    /// Answers what nothing is wrong with, and what cannot be done all the same: a call of a tool with a result. `data` is JSON
    /// text of an object.
    pub(super) fn answer_unmet(
        &mut self,
        ticket: Ticket,
        shape: &Shape,
        code: i32,
        text: &str,
        data: Option<&str>,
    ) {
        if !self.tells_models || *shape != Shape::Tool {
            return self.answer_error(ticket, code, text, data);
        }
        let Some(to) = self.requests.to(ticket) else { return };
        let result = match to.claim.as_deref() {
            None => message::failed_call(text, data),
            Some(claim) => {
                let more = data.map(|data| format!("\"{}\":{data}", meta::FAILURE));
                fit::own_result(&message::failed_call(text, None), more.as_deref(), claim)
            }
        };
        let answer = message::result(&to.id, &result);
        self.answer(ticket, answer);
    }

    /// Answers that an instance has failed, why, and whether the request may have run.
    pub(super) fn answer_failure(
        &mut self,
        ticket: Ticket,
        shape: &Shape,
        instance: &Instance,
        error: &ExchangeError,
    ) {
        let mut text = failure_text(instance, error);
        if self.tells_models && *shape == Shape::Tool {
            text.push_str(advice(error));
        }
        self.answer_unmet(ticket, shape, code::INTERNAL_ERROR, &text, Some(&failure_data(instance, error)));
    }

    /// Answers with what an instance answered, edited.
    pub(super) fn answer_with(&mut self, ticket: Ticket, frame: &Frame, edits: Vec<Edit>) {
        let Some(to) = self.requests.to(ticket) else { return };
        let answer = frame.with_edits(edits, &to.id);
        self.answer(ticket, answer);
    }

    pub(super) fn caller(&self, ticket: Ticket) -> Caller {
        self.requests.to(ticket).map_or(Caller::Greeted, super::peer::ReplyTo::caller)
    }

    // To instances.

    /// The link of a caller to an instance, opened now if need be. Requests may be sent on it at once.
    pub(super) fn link_to(&mut self, instance: &Instance, caller: Caller) -> LinkId {
        if let Some(link) = self.links.id_of(instance.generation, caller) {
            return link;
        }
        let link = self.links.add(instance.clone(), caller);
        let (mut hello, known) = (self.peer.hello(caller), instance.status().era);
        if caller == Caller::Greeted {
            hello.level.clone_from(&self.level);
        }
        self.effects.push(Effect::Open { link, instance: instance.clone().into(), hello, known });
        link
    }

    /// Sends a request of the hub's own to an instance on behalf of a caller. `params` is JSON text. Its number.
    pub(super) fn ask(
        &mut self,
        instance: &Instance,
        caller: Caller,
        method: &str,
        params: String,
        waiter: Waiter,
    ) -> u64 {
        // What is sent on with the client's own parameters says already whose it is.
        let is_bare = Object::read(&params).is_some_and(|params| params.get("_meta").is_none());
        let params = if is_bare { self.peer.signed(caller, params) } else { params };
        let link = self.link_to(instance, caller);
        self.send_request(link, &message::request(method, &params), Vec::new(), waiter)
    }

    /// Sends a request on a link, edited. Its number.
    pub(super) fn send_request(
        &mut self,
        link: LinkId,
        frame: &Frame,
        edits: Vec<Edit>,
        waiter: Waiter,
    ) -> u64 {
        let awaited = !matches!(waiter, Waiter::List(_) | Waiter::Subscribed(_) | Waiter::Nobody);
        let number = self.requests.send(link, waiter);
        let body = frame.with_edits(edits, &number.to_string());
        self.effects.push(Effect::Request { link, number, body, awaited });
        number
    }

    /// Sends a notification or an answer on a link, if it is open.
    pub(super) fn send(&mut self, link: LinkId, message: Parts) {
        if self.links.get(link).is_some() {
            self.effects.push(Effect::Send { link, body: message.join() });
        }
    }

    /// Cancels what was sent under this number, in the client's words (the message, and the id in it) or in the hub's.
    pub(super) fn cancel(&mut self, number: u64, said: Option<(&Frame, &str)>) -> Option<SentRequest> {
        let sent = self.requests.take(number)?;
        if self.links.get(sent.link).is_some() {
            let id = number.to_string();
            let notification = match said {
                Some((frame, raw)) => frame.edited(vec![(frame.span_of(raw), id)]),
                None => message::cancelled(&id, "it is no longer wanted"),
            };
            let notification = notification.join();
            self.effects.push(Effect::Cancel { link: sent.link, number, notification });
        }
        Some(sent)
    }

    /// Closes a link. What was sent on it and is not over is given back, oldest first.
    pub(super) fn close(&mut self, link: LinkId) -> Option<(Link, Vec<(u64, Waiter)>)> {
        let closed = self.links.remove(link)?;
        self.requests.forget_link(link);
        self.effects.push(Effect::Close(link));
        let orphans = self.requests.sent_on(link).into_iter();
        let orphans =
            orphans.filter_map(|number| Some((number, self.requests.take(number)?.waiter))).collect();
        Some((closed, orphans))
    }

    /// What an answer of an instance needs to be fit for the client that gets it. `link`: where it came from; by now it
    /// may be closed.
    pub(super) fn fit(&self, ticket: Ticket, link: LinkId, frame: &Frame) -> Vec<Edit> {
        let Some(claim) = self.requests.to(ticket).and_then(|to| to.claim.as_ref()) else {
            return Vec::new();
        };
        let link = self.links.get(link);
        // A legacy instance does not say in its answers whose they are.
        let said_by: Option<Cow<'_, str>> = match link.and_then(|link| link.manners.as_ref()) {
            Some(manners) if manners.era.is_modern() => None,
            Some(manners) => Some(manners.server_info.as_deref().unwrap_or(super::peer::SERVER_INFO).into()),
            None if link.is_some_and(Link::is_modern) => None,
            None => Some(super::peer::SERVER_INFO.into()),
        };
        fit::edits(frame, claim, said_by.as_deref())
    }
}

/// Says what went wrong with an instance, in the `data` of an error (`sent`: whether the request may have run).
fn failure_data(instance: &Instance, error: &ExchangeError) -> String {
    json!({
        "instance": instance.id().as_str(),
        "alias": &*instance.alias,
        "reason": error.to_string(),
        "sent": match error.sent { Sent::No => "no", Sent::Yes => "yes", Sent::Unknown => "unknown" },
    })
    .to_string()
}

/// The same for people.
pub(super) fn failure_text(instance: &Instance, error: &ExchangeError) -> String {
    let sent = match error.sent {
        Sent::No => "; the request was not sent",
        Sent::Unknown => "; the request may have run",
        Sent::Yes => "",
    };
    format!("instance `{}` ({}): {error}{sent}", instance.alias, instance.found.doorbell.name)
}

/// What a model can do about it.
const fn advice(error: &ExchangeError) -> &'static str {
    match (&error.reason, error.sent) {
        // It says so itself.
        (ExchangeReason::Taken { .. }, _) => "",
        (ExchangeReason::Busy, _) => ". Call it again when some of its calls are done.",
        (ExchangeReason::TooLarge { .. }, _) => ". Ask for less at a time, if the tool lets you.",
        (ExchangeReason::TimedOut { .. }, Sent::Unknown) => {
            ". It may still be at work: `instances_health` shows whether it answers. Look at what the call has done before you \
             repeat it."
        }
        (_, Sent::Unknown) => {
            ". `instances_list` shows whether the instance still runs. Look at what the call has done before you repeat it."
        }
        (_, Sent::No) => ". Call it again when `instances_list` shows it as active.",
        (_, Sent::Yes) => ". The server of this instance is at fault; its own output may say more.",
    }
}

/// Says how it is with an instance that is not active.
pub(super) fn inactive_text(instance: &Instance) -> String {
    let why = instance.status().last_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    let next = if instance.state.is_coming() {
        "Call again in a moment; `instances_health` shows how it is."
    } else {
        "`instances_list` shows what runs."
    };
    format!("instance `{}` is not active: it is {}{why}. {next}", instance.alias, instance.state)
}

/// An instance is gone, and nothing was sent to it.
pub(super) const fn gone(sent: Sent) -> ExchangeError {
    ExchangeError { sent, reason: ExchangeReason::Gone }
}
