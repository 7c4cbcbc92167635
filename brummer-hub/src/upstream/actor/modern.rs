//! What the actor does for an instance without a handshake.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::future::abortable;
use tokio::sync::mpsc;

use super::{Actor, Chore, End, MAX_WAITING, Outgoing, Phase, opening::LISTEN_FIRST};
use crate::{
    frame::{Frame, Kind, Object},
    protocol::{ModernVersion, code, method},
    upstream::{
        ExchangeError, ExchangeReason, Purpose, Sent,
        body::Text,
        headers::Route,
        modern::{
            Modern, error,
            listen::{self, News, Outcome, Stream},
            mirror,
            request::{self, Turn},
            response,
            rounds::{self, Answer, Asked, Retry},
        },
        wire::Call,
    },
};

impl Actor {
    /// The instance has no handshake. Calls that wait for input, and what the owner subscribed to, outlive a change of
    /// revision.
    pub(super) fn on_opened_modern(&mut self, version: ModernVersion) {
        let fresh = Box::new(Modern::new(&self.hello, version));
        match &mut self.modern {
            // The stream of changes stands until the next one does.
            Some(modern) => modern.manner = fresh.manner,
            None => self.modern = Some(fresh),
        }
        self.send_messages_first();
        match self.wire.purpose {
            Purpose::Conversation => self.begin_to_listen(),
            Purpose::Health => self.start_waiting(),
        }
    }

    /// Sends a message to an instance without a handshake, or does here what takes its place there.
    pub(super) fn start_modern(&mut self, route: &Arc<Route>, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Message { body, .. } => self.take_message(body),
            Outgoing::Request { call, body, again } => match Frame::parse(body.into_bytes()) {
                Ok(frame) => self.start_request(route, call, &frame, again),
                Err(_) => self.refuse(call, code::INVALID_REQUEST, "the request is no message"),
            },
        }
    }

    /// Nothing is sent but requests. An answer goes to the call whose question it answers; of notifications, none
    /// that a client may send means anything there (2026-07-28, changelog).
    fn take_message(&mut self, body: Text) {
        let (Some(modern), Ok(frame)) = (&self.modern, Frame::parse(body.into_bytes())) else { return };
        if let Kind::Response { .. } = frame.kind()
            && let Some((call, question)) = frame.id().and_then(rounds::read_id)
            && let Some(answers) = modern.asked.get(&call)
        {
            // Only one who answers the same question again and again fills it.
            let _ = answers.try_send(Answer { question, frame });
        } else {
            tracing::debug!(method = frame.method(), "the instance has no use for the message");
        }
    }

    fn start_request(&mut self, route: &Arc<Route>, call: Arc<Call>, frame: &Frame, again: bool) {
        let Some(modern) = &mut self.modern else { return };
        match frame.method().unwrap_or_default() {
            method::LOGGING_SET_LEVEL => {
                let params = frame.params().and_then(Object::read);
                modern.log_level = params.and_then(|params| params.get("level")).map(Into::into);
                return self.answer(call, Ok(()));
            }
            name @ (method::RESOURCES_SUBSCRIBE | method::RESOURCES_UNSUBSCRIBE) => {
                let params = frame.params().and_then(Object::read);
                let Some(uri) = params.and_then(|params| params.get_str("uri")) else {
                    return self.refuse(
                        call,
                        code::INVALID_PARAMS,
                        "the request needs the `uri` of a resource",
                    );
                };
                let on = name == method::RESOURCES_SUBSCRIBE;
                let outcome = modern.subscriptions.want(call, uri.into_owned(), on);
                return self.after_listening(outcome);
            }
            method::TOOLS_CALL if !modern.manner.tools.borrow().is_known() => {
                let outgoing = Outgoing::Request { call, body: frame.bytes().clone().into(), again };
                return self.list_first(route, outgoing);
            }
            _ => {}
        }
        let errand = modern.manner.errand(route, call.id, frame, modern.log_level.as_deref(), again);
        match errand {
            Some(errand) => {
                let (wire, route, manner) =
                    (Arc::clone(&self.wire), Arc::clone(route), Arc::clone(&modern.manner));
                let connection = self.pool.take(&self.wire.closes);
                let (at, of) = (Arc::clone(&route), Arc::clone(&call));
                self.exchange(at, of, request::request(wire, route, manner, call, errand, connection));
            }
            None => self.refuse(call, code::INVALID_PARAMS, "`params` must be an object"),
        }
    }

    /// The tool's arguments may have to be repeated in header fields, which its definition tells.
    fn list_first(&mut self, route: &Arc<Route>, outgoing: Outgoing) {
        let Some(modern) = &mut self.modern else { return };
        match &mut modern.unlisted {
            Some(unlisted) if unlisted.len() < MAX_WAITING => unlisted.push_back(outgoing),
            Some(_) => {
                if let Outgoing::Request { call, .. } = outgoing {
                    self.refuse(call, code::INTERNAL_ERROR, &ExchangeReason::Busy.to_string());
                }
            }
            None => {
                modern.unlisted = Some(VecDeque::from([outgoing]));
                let (wire, route, manner) =
                    (Arc::clone(&self.wire), Arc::clone(route), Arc::clone(&modern.manner));
                let connection = self.pool.take(&self.wire.closes);
                self.chore(
                    async move { Chore::Listed(mirror::list(&wire, &route, &manner, connection).await) },
                );
            }
        }
    }

    /// The list of tools has been read as far as it can be.
    pub(super) fn on_listed(&mut self) {
        let unlisted = self.modern.as_mut().and_then(|modern| modern.unlisted.take());
        for outgoing in unlisted.into_iter().flatten() {
            // One that was cancelled meanwhile has never been sent.
            match &outgoing {
                Outgoing::Request { call, .. } if !call.is_open() => {
                    let call = Arc::clone(call);
                    self.forget(&call);
                }
                _ => self.dispatch(outgoing),
            }
        }
    }

    /// Something has to be seen to before a request is over.
    pub(super) fn on_turn(&mut self, call: &Arc<Call>, route: &Arc<Route>, turn: Turn) -> Option<End> {
        if let Turn::Replaced = turn {
            return Some(End::Failed(ExchangeError { sent: Sent::Yes, reason: ExchangeReason::Replaced }));
        }
        if !call.is_open() {
            self.forget(call);
            return None;
        }
        let call = Arc::clone(call);
        match turn {
            Turn::Asked(asked) => self.ask(route, call, *asked),
            Turn::Answered(retry) => self.retry(route, call, &retry),
            Turn::OtherVersion(body) => {
                self.known = None;
                self.on_forgotten(route);
                self.dispatch(Outgoing::Request { call, body: body.into(), again: true });
            }
            Turn::Mismatch(body) => {
                if let Some(modern) = &self.modern {
                    modern.manner.tools.send_modify(mirror::Tools::doubt);
                }
                self.dispatch(Outgoing::Request { call, body: body.into(), again: true });
            }
            Turn::Replaced => {}
        }
        None
    }

    fn ask(&mut self, route: &Arc<Route>, call: Arc<Call>, asked: Asked) {
        let Some(modern) = &mut self.modern else { return };
        let (sender, answers) = mpsc::channel(rounds::MAX_QUESTIONS);
        modern.asked.insert(call.id, sender);
        let (wire, route, manner) = (Arc::clone(&self.wire), Arc::clone(route), Arc::clone(&modern.manner));
        let (at, of) = (Arc::clone(&route), Arc::clone(&call));
        self.exchange(at, of, rounds::ask(wire, route, manner, call, asked, answers));
    }

    fn retry(&mut self, route: &Arc<Route>, call: Arc<Call>, retry: &Retry) {
        let Some(modern) = &mut self.modern else { return };
        modern.asked.remove(&call.id);
        let errand = Frame::parse(retry.body.clone())
            .ok()
            .and_then(|frame| modern.manner.next_errand(route, &frame, modern.log_level.as_deref(), retry));
        let Some(errand) = errand else {
            return self.refuse(call, code::INVALID_PARAMS, "`params` must be an object");
        };
        let (wire, route, manner) = (Arc::clone(&self.wire), Arc::clone(route), Arc::clone(&modern.manner));
        let connection = self.pool.take(&self.wire.closes);
        let (at, of) = (Arc::clone(&route), Arc::clone(&call));
        self.exchange(at, of, request::request(wire, route, manner, call, errand, connection));
    }

    fn refuse(&mut self, call: Arc<Call>, code: i32, message: &str) {
        self.answer(call, Err(error(code, message)));
    }

    /// Answers a request of the owner here: with nothing, or with an error (JSON text).
    fn answer(&mut self, call: Arc<Call>, answer: Result<(), String>) {
        self.forget(&call);
        let frame = match answer {
            Ok(()) => response(call.id, "result", "{}"),
            Err(error) => response(call.id, "error", &error),
        };
        let wire = Arc::clone(&self.wire);
        self.chore(async move {
            match frame {
                Some(frame) => wire.pass(frame, &call, true).await,
                None => {
                    let reason = ExchangeReason::Invalid { why: "its error is none".into() };
                    wire.end(&call, ExchangeError { sent: Sent::Yes, reason }).await;
                }
            }
            Chore::Done
        });
    }

    /// Opens the stream of changes; requests wait for a moment until it stands.
    pub(super) fn begin_to_listen(&mut self) {
        self.held = true;
        self.listen_anew(Duration::ZERO);
        self.chore(async move {
            tokio::time::sleep(LISTEN_FIRST).await;
            Chore::Settled
        });
    }

    fn listen_anew(&mut self, pause: Duration) {
        let (Some(modern), Phase::Open(route)) = (&mut self.modern, &self.phase) else { return };
        let (wire, manner) = (Arc::clone(&self.wire), Arc::clone(&modern.manner));
        let (id, request) = manner.listen(route, &modern.subscriptions.filter());
        let (chore, handle) = abortable(async move {
            let (stream, news) = listen::open(&wire, &manner, id, request, pause).await;
            Chore::Listening(id, stream, news)
        });
        modern.subscriptions.begin(id, handle, pause);
        self.chore(async move { chore.await.unwrap_or(Chore::Done) });
    }

    pub(super) fn on_listening(&mut self, id: u64, stream: Option<Box<Stream>>, news: News) {
        let Some(modern) = &mut self.modern else { return };
        let outcome = modern.subscriptions.heard(id, news);
        if let Some(stream) = stream {
            let (wire, manner) = (Arc::clone(&self.wire), Arc::clone(&modern.manner));
            let (chore, handle) = abortable(async move {
                let (stream, news) = listen::hear(stream, &wire, &manner).await;
                Chore::Listening(id, stream, news)
            });
            modern.subscriptions.go_on(id, handle);
            self.chore(async move { chore.await.unwrap_or(Chore::Done) });
        }
        self.after_listening(outcome);
        if self.held {
            self.held = false;
            self.start_waiting();
        }
    }

    fn after_listening(&mut self, outcome: Outcome) {
        for (call, answer) in outcome.over {
            self.answer(call, answer);
        }
        if let Some(pause) = outcome.open {
            self.listen_anew(pause);
        }
    }
}
