//! A conversation with an instance without a handshake, as the actor has it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    super::{
        ExchangeReason, Hello, UpstreamEventKind,
        body::Text,
        headers::Route,
        wire::Call,
        work::{Chore, MAX_WAITING, Outgoing, Work},
    },
    Manner, error,
    exchange::request,
    mirror,
    rounds::{self, InputWanted, OwnerAnswer, Retry},
    subscriptions::{self, Stream, StreamNews, SubscriptionOutcome, Subscriptions},
};
use crate::{
    frame::{Frame, Kind, Object},
    protocol::{ModernVersion, code, method},
};

pub(in crate::upstream) struct Modern {
    pub(in crate::upstream) route: Arc<Route>,
    manner: Arc<Manner>,
    /// The level of log messages that the owner set last, as JSON text.
    log_level: Option<Box<str>>,
    /// Where the owner's answers to the instance's questions go, by the call that they belong to.
    asked: HashMap<u64, mpsc::Sender<OwnerAnswer>>,
    /// Calls of tools that wait for the list of tools; `None`: the list is not being read.
    unlisted: Option<VecDeque<Outgoing>>,
    subscriptions: Subscriptions,
}

impl Modern {
    pub(in crate::upstream) fn new(route: Route, hello: &Hello, version: ModernVersion) -> Self {
        Self {
            route: Arc::new(route),
            manner: Arc::new(Manner::new(hello, version)),
            log_level: hello.level.as_deref().and_then(level_in),
            asked: HashMap::new(),
            unlisted: None,
            subscriptions: Subscriptions::default(),
        }
    }

    /// Goes on in another revision. Calls that wait for input, and what the owner subscribed to, outlive the change; the
    /// stream of changes stands until the next one does.
    pub(in crate::upstream) fn go_on(&mut self, route: Route, hello: &Hello, version: ModernVersion) {
        self.route = Arc::new(route);
        self.manner = Arc::new(Manner::new(hello, version));
    }

    /// Sends a message, or does here what takes its place there.
    pub(in crate::upstream) fn start(&mut self, work: &mut Work, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Message { body, .. } => self.take_message(body),
            Outgoing::Request { call, body, again } => match Frame::parse(body.into_bytes()) {
                Ok(frame) => self.start_request(work, call, &frame, again),
                Err(_) => refuse(work, call, code::INVALID_REQUEST, "the request is no message"),
            },
        }
    }

    /// Nothing is sent but requests. An answer goes to the call whose question it answers; of notifications, none
    /// that a client may send means anything there (2026-07-28, changelog).
    fn take_message(&mut self, body: Text) {
        let Ok(frame) = Frame::parse(body.into_bytes()) else { return };
        if let Kind::Response { .. } = frame.kind()
            && let Some((call, question)) = frame.id().and_then(rounds::read_id)
            && let Some(answers) = self.asked.get(&call)
        {
            // Only one who answers the same question again and again fills it.
            let _ = answers.try_send(OwnerAnswer { question, frame });
        } else {
            tracing::debug!(method = frame.method(), "the instance has no use for the message");
        }
    }

    fn start_request(&mut self, work: &mut Work, call: Arc<Call>, frame: &Frame, again: bool) {
        match frame.method().unwrap_or_default() {
            method::LOGGING_SET_LEVEL => {
                self.log_level = frame.params().and_then(level_in);
                return work.answer(call, Ok(()));
            }
            name @ (method::RESOURCES_SUBSCRIBE | method::RESOURCES_UNSUBSCRIBE) => {
                let params = frame.params().and_then(Object::read);
                let Some(uri) = params.and_then(|params| params.get_str("uri")) else {
                    let text = "the request needs the `uri` of a resource";
                    return refuse(work, call, code::INVALID_PARAMS, text);
                };
                let on = name == method::RESOURCES_SUBSCRIBE;
                let outcome = self.subscriptions.want(call, uri.into_owned(), on);
                if let Some(pause) = answer_all(work, outcome) {
                    self.listen(work, pause);
                }
                return;
            }
            method::TOOLS_CALL if !self.manner.tools.borrow().is_known() => {
                let outgoing = Outgoing::Request { call, body: frame.bytes().clone().into(), again };
                return self.list_first(work, outgoing);
            }
            _ => {}
        }
        let errand = self.manner.errand(&self.route, call.id, frame, self.log_level.as_deref(), again);
        self.send(work, &Arc::clone(&self.route), call, errand);
    }

    /// Sends a request, if its `params` could be fitted.
    fn send(&self, work: &mut Work, route: &Arc<Route>, call: Arc<Call>, errand: Option<super::Errand>) {
        let Some(errand) = errand else {
            return refuse(work, call, code::INVALID_PARAMS, "`params` must be an object");
        };
        let (wire, manner, connection) =
            (Arc::clone(&work.wire), Arc::clone(&self.manner), work.connection());
        let (at, of) = (Arc::clone(route), Arc::clone(&call));
        work.exchange(at, of, request(wire, Arc::clone(route), manner, call, errand, connection));
    }

    // The list of tools.

    /// The tool's arguments may have to be repeated in header fields, which its definition tells.
    fn list_first(&mut self, work: &mut Work, outgoing: Outgoing) {
        match &mut self.unlisted {
            Some(unlisted) if unlisted.len() < MAX_WAITING => unlisted.push_back(outgoing),
            Some(_) => {
                if let Outgoing::Request { call, .. } = outgoing {
                    refuse(work, call, code::INTERNAL_ERROR, &ExchangeReason::Busy.to_string());
                }
            }
            None => {
                self.unlisted = Some(VecDeque::from([outgoing]));
                let (wire, route, manner) =
                    (Arc::clone(&work.wire), Arc::clone(&self.route), Arc::clone(&self.manner));
                let connection = work.connection();
                work.chore(
                    async move { Chore::Listed(mirror::list(&wire, &route, &manner, connection).await) },
                );
            }
        }
    }

    /// The list of tools has been read as far as it can be: these have waited for it.
    pub(in crate::upstream) fn take_unlisted(&mut self) -> VecDeque<Outgoing> {
        self.unlisted.take().unwrap_or_default()
    }

    /// Whether this call waits for the list of tools.
    pub(in crate::upstream) fn is_unlisted(&self, id: u64) -> bool {
        self.unlisted.iter().flatten().any(|outgoing| outgoing.is_request(id))
    }

    /// The instance refused the header fields of a call.
    pub(in crate::upstream) fn doubt_tools(&self) {
        self.manner.tools.send_modify(mirror::Tools::doubt);
    }

    // Input that the instance wants.

    pub(in crate::upstream) fn ask(
        &mut self,
        work: &mut Work,
        route: &Arc<Route>,
        call: Arc<Call>,
        asked: InputWanted,
    ) {
        self.asked.retain(|_, answers| !answers.is_closed());
        let (sender, answers) = mpsc::channel(rounds::MAX_QUESTIONS);
        self.asked.insert(call.id, sender);
        let (wire, manner) = (Arc::clone(&work.wire), Arc::clone(&self.manner));
        let (at, of) = (Arc::clone(route), Arc::clone(&call));
        work.exchange(at, of, rounds::ask(wire, Arc::clone(route), manner, call, asked, answers));
    }

    pub(in crate::upstream) fn retry(
        &mut self,
        work: &mut Work,
        route: &Arc<Route>,
        call: Arc<Call>,
        retry: &Retry,
    ) {
        self.asked.remove(&call.id);
        let errand = Frame::parse(retry.body.clone())
            .ok()
            .and_then(|frame| self.manner.next_errand(route, &frame, self.log_level.as_deref(), retry));
        self.send(work, route, call, errand);
    }

    // The stream of changes.

    /// Opens the stream of changes; requests wait for a moment until it stands.
    pub(in crate::upstream) fn begin_to_listen(&mut self, work: &mut Work) {
        self.listen(work, Duration::ZERO);
        work.hold(std::future::pending());
    }

    pub(in crate::upstream) fn listen(&mut self, work: &mut Work, pause: Duration) {
        let (wire, manner) = (Arc::clone(&work.wire), Arc::clone(&self.manner));
        let (id, request) = manner.listen(&self.route, &self.subscriptions.filter());
        let handle = work.abortable(async move {
            let (stream, news) = subscriptions::open(&wire, &manner, id, request, pause).await;
            Chore::Listening(id, stream, news)
        });
        self.subscriptions.begin(id, handle, pause);
    }

    /// There is news of a stream. `Some`: another one is to be opened after this pause.
    pub(in crate::upstream) fn on_listening(
        &mut self,
        work: &mut Work,
        id: u64,
        stream: Option<Box<Stream>>,
        news: StreamNews,
    ) -> Option<Duration> {
        let outcome = self.subscriptions.heard(id, news);
        if let Some(stream) = stream {
            let (wire, manner) = (Arc::clone(&work.wire), Arc::clone(&self.manner));
            let handle = work.abortable(async move {
                let (stream, news) = subscriptions::hear(stream, &wire, &manner).await;
                Chore::Listening(id, stream, news)
            });
            self.subscriptions.go_on(id, handle);
        }
        answer_all(work, outcome)
    }
}

/// The level that the `params` of a `logging/setLevel` name, as JSON text.
fn level_in(params: &str) -> Option<Box<str>> {
    Object::read(params)?.get("level").map(Into::into)
}

fn answer_all(work: &mut Work, outcome: SubscriptionOutcome) -> Option<Duration> {
    for (call, answer) in outcome.over {
        work.answer(call, answer);
    }
    if outcome.missed {
        let wire = Arc::clone(&work.wire);
        work.chore(async move {
            wire.tell(UpstreamEventKind::Missed).await;
            Chore::Done
        });
    }
    outcome.open
}

fn refuse(work: &mut Work, call: Arc<Call>, code: i32, message: &str) {
    work.answer(call, Err(error(code, message)));
}
