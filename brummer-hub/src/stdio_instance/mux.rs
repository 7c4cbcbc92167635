//! What becomes of each message between the clients of a stdio server and its process. Pure: events and the time in,
//! effects out; the [`desk`](super::desk) drives it.
//!
//! One `Mux` stands for one process at a time. A process that ends is followed by another, its next *life*, when somebody
//! needs it. What clients share is kept apart here:
//!
//! | of a client | towards the process |
//! |---|---|
//! | id of a request, progress token | a number, unique in all lives |
//! | a cancellation | names the number |
//! | a subscription | asked for once for all clients, again in each life |
//! | a log level | the most talkative of all; each client hears from its own level on |
//! | an answer to a question | only from the client that was asked |
//!
//! A request is written to one life at most. What was written to a life that ended is answered with an error; what was not
//! waits for the next one.

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    Sharing,
    inventory::{Inventory, OfferedList},
};
use crate::{
    frame::{Frame, Kind, Parts, meant},
    protocol::{LegacyVersion, code, method},
    session::message::{self, Cancelled, Key, ProgressParams, Updated, canonical, quoted, text_of},
};

/// Requests that wait or run at a time. A hub has some dozens in flight.
pub(super) const MAX_REQUESTS: usize = 4096;

/// Bytes of requests that wait for the process, or to be written to it. One more may go beyond.
pub(super) const MAX_HELD: usize = 64 * 1024 * 1024;

/// Resources that a client may subscribe to.
const MAX_SUBSCRIPTIONS: usize = 1024;

/// Pages of a list that are kept for the time without a process.
const MAX_PAGES: u32 = 64;

/// Starts that fail one after the other before those who wait are told.
const MAX_FAILURES: u32 = 3;

/// Pause after the first failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a request that was cancelled may still be worked on: what the process asks or logs meanwhile may belong to it.
/// Servers need not answer such a request, so it is not known for sure.
const AFTERMATH: Duration = Duration::from_secs(10);

/// A life of this length was no failure of the start.
const STABLE: Duration = Duration::from_secs(10);

/// Levels of log messages, from the most talkative on.
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// What a client hears that has set no level, while another has.
const USUAL_LEVEL: usize = 1;

/// Names a client.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct ClientKey(pub(super) u64);

/// Names a process, or those that follow each other in its place.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct MuxKey(pub(super) u64);

/// Names a request of a client.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct MuxTicket(pub(super) u64);

/// Names a process among those that follow each other.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Life(pub(super) u64);

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A client asks. `initialize` makes it known.
    Request { client: ClientKey, ticket: MuxTicket, frame: Frame },
    /// A client tells.
    Notification { client: ClientKey, frame: Frame },
    /// A client answers a question.
    Response { client: ClientKey, frame: Frame },
    /// Nobody waits for the answer any more.
    Abandoned(MuxTicket),
    /// A client has gone.
    Closed(ClientKey),
    /// What the server offers is to be found out, if it is not known.
    Learn,
    /// The process said this.
    Line { life: Life, frame: Frame },
    /// This much was written to the process.
    Written { life: Life, bytes: usize },
    /// The process has ended, or could not be started.
    Ended { life: Life, ending: Ending },
    /// The [`deadline`](Mux::deadline) has come.
    Tick,
}

/// How a process has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending {
    /// In words.
    pub(super) why: String,
    /// It could not be started, and never will be.
    pub(super) is_hopeless: bool,
    /// The end of what it wrote to standard error.
    pub(super) last_words: String,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// Start a process.
    Start(Life),
    /// End it: close its input, and see to it that it goes.
    Stop(Life),
    /// Write a message to it.
    Write(Life, Parts),
    /// The answer to a request.
    Answer(MuxTicket, Parts),
    /// What belongs to a request and comes before its answer.
    Tell(MuxTicket, Parts),
    /// A request will not be answered.
    Forget(MuxTicket),
    /// What a client is told beside its requests.
    Notify(ClientKey, Parts),
    /// What the server offers has changed: keep it for the next time.
    Keep,
}

/// How a server is to be served.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) sharing: Sharing,
    /// How long the process is kept that nobody needs; `None`: for ever.
    pub(super) idle: Option<Duration>,
    /// How long it may take to start.
    pub(super) start: Duration,
    /// What people call it.
    pub(super) name: Arc<str>,
}

/// Where the process stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ProcessPhase {
    /// There is none, and before this time none is started.
    Asleep { not_before: Option<Instant> },
    /// It was started and has been sent the handshake.
    Opening { deadline: Instant },
    /// It serves.
    Running { since: Instant },
    /// It was told to end.
    Ending,
}

#[derive(Debug)]
struct MuxClient {
    abilities: Abilities,
    /// What it opened with.
    hello: Frame,
    subscribed: BTreeSet<String>,
    level: Option<usize>,
}

/// What questions a client can be asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Abilities {
    sampling: bool,
    elicitation: bool,
    roots: bool,
}

/// A request that was written to the process.
#[derive(Debug)]
enum PendingRequest {
    /// `subscription`: the resource that the client is subscribed to if it is granted.
    Client {
        from: RequestOrigin,
        subscription: Option<String>,
    },
    Hello,
    Learn(Learning),
    /// The answer is of no interest.
    Own,
}

/// Whose request it is.
#[derive(Clone, Debug)]
struct RequestOrigin {
    client: ClientKey,
    ticket: MuxTicket,
    /// As the client wrote them.
    id: Box<str>,
    token: Option<Box<str>>,
    /// It is a call of a tool, whose answer a model reads.
    is_call: bool,
}

#[derive(Debug)]
struct Learning {
    list: OfferedList,
    /// The pages so far, each the items without brackets.
    items: Vec<String>,
    pages: u32,
}

/// A request that waits for the process.
#[derive(Debug)]
struct WaitingRequest {
    from: RequestOrigin,
    frame: Frame,
}

/// A question of the process.
#[derive(Debug)]
struct ProcessQuestion {
    client: ClientKey,
    /// The request that it must belong to, if only one can be meant.
    ticket: Option<MuxTicket>,
    /// As the process wrote it.
    id: Box<str>,
}

#[derive(Debug)]
pub(super) struct Mux {
    rules: Rules,
    phase: ProcessPhase,
    life: Life,
    inventory: Option<Inventory>,
    clients: BTreeMap<ClientKey, MuxClient>,
    /// By number.
    pending: BTreeMap<u64, PendingRequest>,
    waiting: VecDeque<WaitingRequest>,
    /// Requests that were cancelled and may still be worked on: number, whose, until when.
    cancelled: VecDeque<(u64, ClientKey, Instant)>,
    /// Clients that wait for the first handshake to be answered themselves.
    greeting: Vec<RequestOrigin>,
    /// By number.
    questions: BTreeMap<u64, ProcessQuestion>,
    numbers: u64,
    /// Lists that are being asked for, and whether they changed again meanwhile.
    learning: BTreeMap<OfferedList, bool>,
    /// What it offers is to be found out although nobody asks, by one start.
    is_curious: bool,
    unwritten: usize,
    waiting_bytes: usize,
    told_level: Option<usize>,
    /// Why the process is being ended, if it is its fault.
    fault: Option<String>,
    failures: u32,
    quiet_since: Option<Instant>,
}

#[derive(Default, Deserialize)]
struct HelloParams<'a> {
    #[serde(borrow, default)]
    capabilities: Option<HelloCapabilities<'a>>,
}

#[derive(Default, Deserialize)]
struct HelloCapabilities<'a> {
    #[serde(borrow, default)]
    sampling: Option<&'a RawValue>,
    #[serde(borrow, default)]
    elicitation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    roots: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Levelled<'a> {
    #[serde(borrow, default)]
    level: Option<&'a RawValue>,
}

/// Whether a resource is this one, or one below it.
fn is_below(uri: &str, above: &str) -> bool {
    uri.strip_prefix(above).is_some_and(|rest| {
        rest.is_empty() || above.ends_with(['/', ':']) || rest.starts_with(['/', '?', '#'])
    })
}

fn level_of(frame: &Frame) -> Option<usize> {
    let level = text_of(frame.peek::<Levelled<'_>>()?.level)?;
    LEVELS.iter().position(|name| *name == level)
}

fn uri_of(frame: &Frame) -> Option<String> {
    Some(text_of(Key::of(frame).uri)?.into_owned())
}

impl Mux {
    pub(super) fn new(rules: Rules, inventory: Option<Inventory>) -> Self {
        Self {
            rules,
            phase: ProcessPhase::Asleep { not_before: None },
            life: Life(0),
            inventory,
            clients: BTreeMap::new(),
            pending: BTreeMap::new(),
            waiting: VecDeque::new(),
            cancelled: VecDeque::new(),
            greeting: Vec::new(),
            questions: BTreeMap::new(),
            numbers: 0,
            learning: BTreeMap::new(),
            is_curious: false,
            unwritten: 0,
            waiting_bytes: 0,
            told_level: None,
            fault: None,
            failures: 0,
            quiet_since: None,
        }
    }

    pub(super) fn phase(&self) -> ProcessPhase {
        self.phase
    }

    pub(super) fn inventory(&self) -> Option<&Inventory> {
        self.inventory.as_ref()
    }

    /// Requests of clients that wait or run.
    fn load(&self) -> usize {
        let running = self.pending.values().filter(|it| matches!(it, PendingRequest::Client { .. })).count();
        running + self.waiting.len() + self.greeting.len()
    }

    /// When it must be told of the time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            ProcessPhase::Asleep { not_before } => not_before.filter(|_| self.is_wanted()),
            ProcessPhase::Opening { deadline } => Some(deadline),
            ProcessPhase::Running { .. } => Some(self.quiet_since? + self.patience()?),
            ProcessPhase::Ending => None,
        }
    }

    /// Takes in what happened, and says what is to be done.
    pub(super) fn on(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let mut out = Vec::new();
        while self.cancelled.front().is_some_and(|(_, _, until)| *until <= now) {
            self.cancelled.pop_front();
        }
        match event {
            Event::Request { client, ticket, frame } => self.on_request(client, ticket, frame, &mut out),
            Event::Notification { client, frame } => self.on_notification(client, &frame, now, &mut out),
            Event::Response { client, frame } => self.on_response(client, &frame, &mut out),
            Event::Abandoned(ticket) => self.cancel(|from| from.ticket == ticket, now, &mut out),
            Event::Closed(client) => self.on_closed(client, now, &mut out),
            Event::Learn => self.is_curious = self.inventory.is_none(),
            Event::Line { life, frame } if life == self.life => self.on_line(&frame, now, &mut out),
            Event::Written { life, bytes } if life == self.life => {
                self.unwritten = self.unwritten.saturating_sub(bytes);
            }
            Event::Ended { life, ending } if life == self.life => self.on_ended(&ending, now, &mut out),
            Event::Line { .. } | Event::Written { .. } | Event::Ended { .. } => {}
            Event::Tick => self.on_tick(now, &mut out),
        }
        self.wake(now, &mut out);
        let is_quiet = self.is_quiet();
        self.quiet_since = if is_quiet { self.quiet_since.or(Some(now)) } else { None };
        out
    }

    // What clients say.

    fn on_request(&mut self, client: ClientKey, ticket: MuxTicket, frame: Frame, out: &mut Vec<Effect>) {
        let Some(id) = frame.id().map(Box::from) else { return };
        let token = message::progress_token(&frame).map(Box::from);
        let method = frame.method().unwrap_or_default();
        let is_call = method == method::TOOLS_CALL && Key::of(&frame).as_task.is_none();
        let from = RequestOrigin { client, ticket, id, token, is_call };
        if method == method::INITIALIZE {
            return self.on_hello(from, frame, out);
        }
        if !self.clients.contains_key(&client) {
            let text = "send `initialize` first";
            return refuse(&from, code::INVALID_REQUEST, text, out);
        }
        match method {
            method::PING => answer(&from, "{}", out),
            method::DISCOVER => refuse(&from, code::METHOD_NOT_FOUND, "Method not found", out),
            method::LOGGING_SET_LEVEL => self.on_level(&from, &frame, out),
            method::RESOURCES_SUBSCRIBE => self.on_subscribe(from, frame, out),
            method::RESOURCES_UNSUBSCRIBE => self.on_unsubscribe(from, frame, out),
            _ => match self.kept_answer(&frame) {
                Some(Ok(result)) => answer(&from, &result, out),
                Some(Err(text)) => refuse(&from, code::METHOD_NOT_FOUND, text, out),
                None => self.forward(from, frame, out),
            },
        }
    }

    fn on_hello(&mut self, from: RequestOrigin, frame: Frame, out: &mut Vec<Effect>) {
        let given = frame.peek::<HelloParams<'_>>().and_then(|hello| hello.capabilities).unwrap_or_default();
        let can = |value: Option<&RawValue>| value.is_some_and(|value| value.get() != "null");
        let abilities = Abilities {
            sampling: can(given.sampling),
            elicitation: can(given.elicitation),
            roots: can(given.roots),
        };
        let client = MuxClient { abilities, hello: frame.kept(), subscribed: BTreeSet::new(), level: None };
        if self.clients.contains_key(&from.client) {
            return refuse(&from, code::INVALID_REQUEST, "this session was opened already", out);
        }
        self.clients.insert(from.client, client);
        match &self.inventory {
            Some(inventory) => answer(&from, &inventory.welcome(self.rules.sharing), out),
            None => self.greeting.push(from),
        }
    }

    /// What can be said without a process: what a list had in it last time.
    fn kept_answer(&self, frame: &Frame) -> Option<Result<String, &'static str>> {
        let list = OfferedList::of_method(frame.method()?)?;
        let inventory = self.inventory.as_ref()?;
        if matches!(self.phase, ProcessPhase::Running { .. }) || Key::of(frame).cursor.is_some() {
            return None;
        }
        if !inventory.declares(list) {
            return Some(Err("Method not found"));
        }
        Some(Ok(inventory.stale(list)?))
    }

    fn on_level(&mut self, from: &RequestOrigin, frame: &Frame, out: &mut Vec<Effect>) {
        if self.inventory.as_ref().is_some_and(|inventory| !inventory.has("logging")) {
            return refuse(from, code::METHOD_NOT_FOUND, "Method not found", out);
        }
        let Some(level) = level_of(frame) else {
            return refuse(from, code::INVALID_PARAMS, "`level` must be one of the levels of RFC 5424", out);
        };
        if let Some(client) = self.clients.get_mut(&from.client) {
            client.level = Some(level);
        }
        self.tell_level(out);
        answer(from, "{}", out);
    }

    /// Sets the level in the process that the most talkative client wants.
    fn tell_level(&mut self, out: &mut Vec<Effect>) {
        let level = self.clients.values().filter_map(|client| client.level).min();
        if !matches!(self.phase, ProcessPhase::Running { .. }) || level == self.told_level {
            return;
        }
        self.told_level = level;
        if let Some(level) = level {
            let params = format!(r#"{{"level":"{}"}}"#, LEVELS[level]);
            self.ask(method::LOGGING_SET_LEVEL, &params, PendingRequest::Own, out);
        }
    }

    fn on_subscribe(&mut self, from: RequestOrigin, frame: Frame, out: &mut Vec<Effect>) {
        let Some(uri) = uri_of(&frame) else { return self.forward(from, frame, out) };
        let is_known = self.clients.values().any(|client| client.subscribed.contains(&uri));
        let Some(client) = self.clients.get_mut(&from.client) else { return };
        if !client.subscribed.contains(&uri) && client.subscribed.len() >= MAX_SUBSCRIPTIONS {
            return refuse(&from, code::INVALID_REQUEST, "too many subscriptions; end some first", out);
        }
        if is_known {
            client.subscribed.insert(uri);
            return answer(&from, "{}", out);
        }
        self.forward(from, frame, out);
    }

    fn on_unsubscribe(&mut self, from: RequestOrigin, frame: Frame, out: &mut Vec<Effect>) {
        let Some(uri) = uri_of(&frame) else { return self.forward(from, frame, out) };
        // At once: who subscribes from here on must be asked for after this.
        if let Some(client) = self.clients.get_mut(&from.client) {
            client.subscribed.remove(&uri);
        }
        if self.wants(&uri) || !matches!(self.phase, ProcessPhase::Running { .. }) {
            return answer(&from, "{}", out);
        }
        self.forward(from, frame, out);
    }

    /// Whether any client is subscribed to a resource, or is about to be.
    fn wants(&self, uri: &str) -> bool {
        let begins = |pending: &PendingRequest| matches!(pending, PendingRequest::Client { subscription: Some(begun), .. } if begun == uri);
        self.clients.values().any(|client| client.subscribed.contains(uri))
            || self.pending.values().any(begins)
    }

    /// Ends a subscription that nobody has any more.
    fn unsubscribe(&mut self, uri: &str, out: &mut Vec<Effect>) {
        if matches!(self.phase, ProcessPhase::Running { .. }) && !self.wants(uri) {
            let params = format!(r#"{{"uri":{}}}"#, quoted(uri));
            self.ask(method::RESOURCES_UNSUBSCRIBE, &params, PendingRequest::Own, out);
        }
    }

    /// Sends a request to the process, now or as soon as there is one.
    fn forward(&mut self, from: RequestOrigin, frame: Frame, out: &mut Vec<Effect>) {
        let bytes = frame.bytes().len();
        let held = self.unwritten + self.waiting_bytes;
        if self.load() >= MAX_REQUESTS || held > 0 && held.saturating_add(bytes) > MAX_HELD {
            let text = format!("`{}` has too much to do; try again later", self.rules.name);
            return self.fail(&from, &text, "busy", false, out);
        }
        if matches!(self.phase, ProcessPhase::Running { .. }) {
            return self.send(WaitingRequest { from, frame }, out);
        }
        self.waiting_bytes += bytes;
        self.waiting.push_back(WaitingRequest { from, frame });
    }

    fn send(&mut self, WaitingRequest { from, frame }: WaitingRequest, out: &mut Vec<Effect>) {
        let number = self.number();
        let token = message::progress_token(&frame);
        let edits = token.map(|token| (frame.span_of(token), number.to_string())).into_iter().collect();
        let subscribes = frame.method() == Some(method::RESOURCES_SUBSCRIBE);
        let subscription = subscribes.then(|| uri_of(&frame)).flatten();
        self.write(frame.with_edits(edits, &number.to_string()), out);
        self.pending.insert(number, PendingRequest::Client { from, subscription });
    }

    fn on_notification(&mut self, client: ClientKey, frame: &Frame, now: Instant, out: &mut Vec<Effect>) {
        if !self.clients.contains_key(&client) {
            return;
        }
        match frame.method().unwrap_or_default() {
            method::INITIALIZED => {}
            method::CANCELLED => {
                let Some(cancelled) = frame.peek::<Cancelled<'_>>() else { return };
                let id = canonical(cancelled.request.get()).into_owned();
                self.cancel(|from| from.client == client && canonical(&from.id) == id, now, out);
            }
            // The process sees one client for all, which has none.
            method::ROOTS_LIST_CHANGED if self.rules.sharing == Sharing::Shared => {}
            _ if self.unwritten > MAX_HELD => {}
            _ => self.write_if_running(frame.whole(), out),
        }
    }

    fn on_response(&mut self, client: ClientKey, frame: &Frame, out: &mut Vec<Effect>) {
        let Some(number) = frame.numeric_id() else { return };
        if self.questions.get(&number).is_none_or(|question| question.client != client) {
            return;
        }
        if let Some(question) = self.questions.remove(&number) {
            self.write_if_running(frame.with_id(&question.id), out);
        }
    }

    /// Ends requests whose answer nobody waits for.
    fn cancel(&mut self, is_meant: impl Fn(&RequestOrigin) -> bool, now: Instant, out: &mut Vec<Effect>) {
        self.greeting.retain(|from| {
            let goes = is_meant(from);
            if goes {
                out.push(Effect::Forget(from.ticket));
            }
            !goes
        });
        let mut freed = 0;
        self.waiting.retain(|waiting| {
            let goes = is_meant(&waiting.from);
            if goes {
                freed += waiting.frame.bytes().len();
                out.push(Effect::Forget(waiting.from.ticket));
            }
            !goes
        });
        self.waiting_bytes -= freed;
        let numbers: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| matches!(pending, PendingRequest::Client { from, .. } if is_meant(from)))
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            let dropped = self.pending.remove(&number);
            self.write_if_running(message::cancelled(&number.to_string(), "the client cancelled it"), out);
            if let Some(PendingRequest::Client { from, subscription }) = dropped {
                out.push(Effect::Forget(from.ticket));
                if self.cancelled.len() >= MAX_REQUESTS {
                    self.cancelled.pop_front();
                }
                self.cancelled.push_back((number, from.client, now + AFTERMATH));
                self.end_questions(from.client, from.ticket, out);
                if let Some(uri) = subscription {
                    self.unsubscribe(&uri, out);
                }
            }
        }
    }

    /// A request was cancelled: what the process asked for it is answered to nobody.
    fn end_questions(&mut self, client: ClientKey, ticket: MuxTicket, out: &mut Vec<Effect>) {
        let is_busy = self
            .pending
            .values()
            .any(|it| matches!(it, PendingRequest::Client { from, .. } if from.client == client));
        let is_idle = self.rules.sharing == Sharing::Shared && !is_busy;
        let ends = |question: &ProcessQuestion| {
            question.client == client && (question.ticket == Some(ticket) || is_idle)
        };
        let over: Vec<u64> =
            self.questions.iter().filter(|(_, question)| ends(question)).map(|(number, _)| *number).collect();
        for number in over {
            if self.clients.contains_key(&client) {
                let why = "the request that it belongs to was cancelled";
                out.push(Effect::Notify(client, message::cancelled(&number.to_string(), why)));
            }
            self.refuse_question(number, "the request that this belongs to was cancelled", out);
        }
    }

    /// The process gets no answer to its question.
    fn refuse_question(&mut self, number: u64, why: &str, out: &mut Vec<Effect>) {
        if let Some(question) = self.questions.remove(&number) {
            self.write_if_running(message::error(Some(&question.id), code::INTERNAL_ERROR, why, None), out);
        }
    }

    fn on_closed(&mut self, client: ClientKey, now: Instant, out: &mut Vec<Effect>) {
        let Some(gone) = self.clients.remove(&client) else { return };
        self.cancel(|from| from.client == client, now, out);
        for uri in gone.subscribed {
            self.unsubscribe(&uri, out);
        }
        let asked: Vec<u64> = self
            .questions
            .iter()
            .filter(|(_, question)| question.client == client)
            .map(|(number, _)| *number)
            .collect();
        for number in asked {
            self.refuse_question(number, "the client that was asked has gone", out);
        }
        self.tell_level(out);
    }

    // What the process says.

    fn on_line(&mut self, frame: &Frame, now: Instant, out: &mut Vec<Effect>) {
        match frame.kind() {
            Kind::Response { .. } => self.on_answer(frame, now, out),
            Kind::Notification { .. } => self.on_told(frame, out),
            Kind::Request { .. } => self.on_question(frame, out),
        }
    }

    fn on_answer(&mut self, frame: &Frame, now: Instant, out: &mut Vec<Effect>) {
        let Some(number) = meant(frame.id()) else { return };
        let Some(pending) = self.pending.remove(&number) else {
            // To a request that was cancelled, or to none.
            self.cancelled.retain(|(cancelled, ..)| *cancelled != number);
            return;
        };
        match pending {
            PendingRequest::Client { from, subscription } => {
                let is_granted = matches!(frame.kind(), Kind::Response { ok: true, .. });
                if let (true, Some(uri)) = (is_granted, subscription)
                    && let Some(client) = self.clients.get_mut(&from.client)
                {
                    client.subscribed.insert(uri);
                }
                out.push(Effect::Answer(from.ticket, frame.with_id(&from.id)));
            }
            PendingRequest::Hello => self.on_welcome(frame, now, out),
            PendingRequest::Learn(learning) => self.on_list(learning, frame, out),
            PendingRequest::Own => {}
        }
    }

    /// The handshake was answered.
    fn on_welcome(&mut self, frame: &Frame, now: Instant, out: &mut Vec<Effect>) {
        let inventory = frame.result().and_then(|result| match &self.inventory {
            Some(known) => known.renewed(result),
            None => Inventory::new(result),
        });
        let Some(inventory) = inventory else {
            let why = message::error_of(frame).and_then(|error| error.message);
            let why = why.as_deref().unwrap_or("it sent no result");
            self.fault = Some(format!(
                "it refused `initialize` ({why}); only servers that know a revision of MCP up to {} can be shared",
                LegacyVersion::LATEST
            ));
            return self.stop(out);
        };
        self.phase = ProcessPhase::Running { since: now };
        let is_news = self.inventory.as_ref() != Some(&inventory);
        self.inventory = Some(inventory.clone());
        if is_news {
            out.push(Effect::Keep);
        }
        self.write(message::notification(method::INITIALIZED, None), out);
        for from in std::mem::take(&mut self.greeting) {
            answer(&from, &inventory.welcome(self.rules.sharing), out);
        }
        self.told_level = None;
        if inventory.has("logging") {
            self.tell_level(out);
        }
        let uris: BTreeSet<String> =
            self.clients.values().flat_map(|client| client.subscribed.iter().cloned()).collect();
        for uri in uris {
            let params = format!(r#"{{"uri":{}}}"#, quoted(&uri));
            self.ask(method::RESOURCES_SUBSCRIBE, &params, PendingRequest::Own, out);
        }
        self.waiting_bytes = 0;
        for waiting in std::mem::take(&mut self.waiting) {
            self.send(waiting, out);
        }
        self.is_curious = false;
        for list in OfferedList::ALL {
            if inventory.declares(list) {
                self.learn(list, out);
            }
        }
    }

    fn learn(&mut self, list: OfferedList, out: &mut Vec<Effect>) {
        match self.learning.get_mut(&list) {
            Some(again) => *again = true,
            None => {
                self.learning.insert(list, false);
                let learning = Learning { list, items: Vec::new(), pages: 1 };
                self.ask(list.method(), "{}", PendingRequest::Learn(learning), out);
            }
        }
    }

    fn on_list(&mut self, mut learning: Learning, frame: &Frame, out: &mut Vec<Effect>) {
        let list = learning.list;
        let page = frame.result().and_then(|result| list.page(result));
        if let Some((items, next)) = page {
            learning.items.extend(items);
            match next {
                Some(cursor) if learning.pages < MAX_PAGES => {
                    learning.pages += 1;
                    return self.ask(
                        list.method(),
                        &format!(r#"{{"cursor":{cursor}}}"#),
                        PendingRequest::Learn(learning),
                        out,
                    );
                }
                // Longer than anything that is worth to be kept.
                Some(_) => {}
                None => self.take_in(list, &learning.items.join(","), out),
            }
        }
        if self.learning.remove(&list) == Some(true) {
            self.learn(list, out);
        }
    }

    /// A list is known as a whole.
    fn take_in(&mut self, list: OfferedList, items: &str, out: &mut Vec<Effect>) {
        let Some(inventory) = &mut self.inventory else { return };
        let Some(former) = inventory.replace(list, items) else { return };
        out.push(Effect::Keep);
        if former.is_some() {
            // What clients were shown before the process ran was of an earlier one.
            let news = message::notification(list.changed(), None);
            self.tell_all(&news, out);
        }
    }

    fn on_told(&mut self, frame: &Frame, out: &mut Vec<Effect>) {
        match frame.method().unwrap_or_default() {
            method::PROGRESS => self.on_progress(frame, out),
            method::CANCELLED => self.on_taken_back(frame, out),
            method::MESSAGE => self.on_log(frame, out),
            method::RESOURCES_UPDATED => self.on_updated(frame, out),
            other => {
                for list in OfferedList::ALL.into_iter().filter(|list| list.changed() == other) {
                    if self.inventory.as_ref().is_some_and(|inventory| inventory.declares(list)) {
                        self.learn(list, out);
                    }
                }
                let parts = frame.whole();
                let is_general = OfferedList::ALL.iter().any(|list| list.changed() == other);
                match self.only_busy().filter(|_| !is_general) {
                    Some((client, _)) => out.push(Effect::Notify(client, parts)),
                    None => self.tell_all(&parts, out),
                }
            }
        }
    }

    fn on_progress(&mut self, frame: &Frame, out: &mut Vec<Effect>) {
        let Some(progress) = frame.peek::<ProgressParams<'_>>() else { return };
        let number: Option<u64> = progress.token.get().parse().ok();
        let Some(PendingRequest::Client { from, .. }) = number.and_then(|number| self.pending.get(&number))
        else {
            return;
        };
        let Some(token) = &from.token else { return };
        let edit = (frame.span_of(progress.token.get()), token.to_string());
        out.push(Effect::Tell(from.ticket, frame.edited(vec![edit])));
    }

    /// The process takes a question back.
    fn on_taken_back(&mut self, frame: &Frame, out: &mut Vec<Effect>) {
        let Some(cancelled) = frame.peek::<Cancelled<'_>>() else { return };
        let id = canonical(cancelled.request.get());
        let Some(number) =
            self.questions.iter().find(|(_, it)| canonical(&it.id) == id).map(|(number, _)| *number)
        else {
            return;
        };
        if let Some(question) = self.questions.remove(&number) {
            let edit = (frame.span_of(cancelled.request.get()), number.to_string());
            out.push(Effect::Notify(question.client, frame.edited(vec![edit])));
        }
    }

    /// A log message belongs to the client whose request runs; if several run, it is for all.
    fn on_log(&mut self, frame: &Frame, out: &mut Vec<Effect>) {
        let level = level_of(frame).unwrap_or(USUAL_LEVEL);
        let usual = if self.clients.values().any(|client| client.level.is_some()) { USUAL_LEVEL } else { 0 };
        let only = self.only_busy();
        for (key, client) in &self.clients {
            if level < client.level.unwrap_or(usual) || only.is_some_and(|(busy, _)| busy != *key) {
                continue;
            }
            let parts = frame.whole();
            out.push(match only {
                Some((_, Some(ticket))) => Effect::Tell(ticket, parts),
                _ => Effect::Notify(*key, parts),
            });
        }
    }

    /// To those who subscribed to the resource, or to one above it.
    fn on_updated(&mut self, frame: &Frame, out: &mut Vec<Effect>) {
        let Some(updated) = frame.peek::<Updated<'_>>() else { return };
        let Some(uri) = text_of(Some(updated.uri)) else { return };
        for (key, client) in &self.clients {
            if client.subscribed.iter().any(|subscribed| is_below(&uri, subscribed)) {
                out.push(Effect::Notify(*key, frame.whole()));
            }
        }
    }

    /// The process asks. A question is put only to the client that it must be meant for.
    fn on_question(&mut self, frame: &Frame, out: &mut Vec<Effect>) {
        let Some(id) = frame.id() else { return };
        let method = frame.method().unwrap_or_default();
        if method == method::PING {
            return self.write(message::result(id, "{}"), out);
        }
        let (client, ticket, abilities) = match self.whom(method) {
            Ok(found) => found,
            Err((code, text)) => return self.write(message::error(Some(id), code, text, None), out),
        };
        let is_able = match method {
            method::SAMPLING => abilities.sampling,
            method::ELICITATION => abilities.elicitation,
            method::ROOTS_LIST => abilities.roots,
            _ => true,
        };
        if !is_able {
            let text = "the client that this is for cannot be asked that";
            return self.write(message::error(Some(id), code::METHOD_NOT_FOUND, text, None), out);
        }
        let number = self.number();
        let parts = frame.with_id(&number.to_string());
        out.push(match ticket {
            Some(ticket) => Effect::Tell(ticket, parts),
            None => Effect::Notify(client, parts),
        });
        self.questions.insert(number, ProcessQuestion { client, ticket, id: id.into() });
    }

    fn whom(&self, method: &str) -> Result<(ClientKey, Option<MuxTicket>, Abilities), (i32, &'static str)> {
        if self.questions.len() >= MAX_REQUESTS {
            return Err((code::INTERNAL_ERROR, "too many questions at a time"));
        }
        let abilities =
            |key: &ClientKey| self.clients.get(key).map(|client| client.abilities).unwrap_or_default();
        if self.rules.sharing == Sharing::PerSession {
            let (key, _) = self.clients.iter().next().ok_or((code::INTERNAL_ERROR, "the client has gone"))?;
            let ticket = self.only_busy().and_then(|(_, ticket)| ticket);
            return Ok((*key, ticket, abilities(key)));
        }
        if method == method::ROOTS_LIST {
            return Err((code::METHOD_NOT_FOUND, "a server that several clients share has no roots"));
        }
        match self.only_busy() {
            Some((key, ticket)) => Ok((key, ticket, abilities(&key))),
            None if self.load() == 0 => Err((code::INVALID_REQUEST, "no request of a client is in progress")),
            None => Err((
                code::INVALID_REQUEST,
                "requests of several clients are in progress, so it cannot be told whom this is for; \
                 share the server with --per-session",
            )),
        }
    }

    /// The client whose requests are the only ones that run, and the request if it is one. One that was cancelled lately may
    /// still run.
    fn only_busy(&self) -> Option<(ClientKey, Option<MuxTicket>)> {
        let mut only = None;
        for pending in self.pending.values() {
            let PendingRequest::Client { from, .. } = pending else { continue };
            only = match only {
                None => Some((from.client, Some(from.ticket))),
                Some((client, _)) if client == from.client => Some((client, None)),
                Some(_) => return None,
            };
        }
        let (client, _) = only?;
        match self.cancelled.iter().find(|(_, whose, _)| *whose != client) {
            Some(_) => None,
            None if self.cancelled.is_empty() => only,
            None => Some((client, None)),
        }
    }

    // Its lives.

    fn is_wanted(&self) -> bool {
        self.is_curious
            || !self.waiting.is_empty()
            || !self.greeting.is_empty()
            || self.clients.values().any(|client| !client.subscribed.is_empty())
    }

    fn is_quiet(&self) -> bool {
        !self.is_wanted() && self.pending.is_empty() && self.questions.is_empty()
    }

    /// How long the process is kept that nobody needs.
    fn patience(&self) -> Option<Duration> {
        // A process of its own without a client was only to say what the server offers.
        if self.rules.sharing == Sharing::PerSession && self.clients.is_empty() {
            return Some(Duration::ZERO);
        }
        self.rules.idle
    }

    /// Starts the process if it is wanted.
    fn wake(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let ProcessPhase::Asleep { not_before } = self.phase else { return };
        if !self.is_wanted() || not_before.is_some_and(|until| now < until) {
            return;
        }
        self.life.0 += 1;
        self.unwritten = 0;
        self.phase = ProcessPhase::Opening { deadline: now + self.rules.start };
        out.push(Effect::Start(self.life));
        let params = match (self.rules.sharing, self.clients.values().next()) {
            (Sharing::PerSession, Some(client)) => client.hello.params().unwrap_or("{}").to_owned(),
            _ => own_hello(),
        };
        self.ask(method::INITIALIZE, &params, PendingRequest::Hello, out);
    }

    fn stop(&mut self, out: &mut Vec<Effect>) {
        self.phase = ProcessPhase::Ending;
        out.push(Effect::Stop(self.life));
    }

    fn on_tick(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match self.phase {
            ProcessPhase::Opening { deadline } if now >= deadline => {
                self.fault = Some(format!("it did not answer `initialize` within {:?}", self.rules.start));
                self.stop(out);
            }
            ProcessPhase::Running { .. } if self.deadline().is_some_and(|deadline| now >= deadline) => {
                self.stop(out);
            }
            _ => {}
        }
    }

    fn on_ended(&mut self, ending: &Ending, now: Instant, out: &mut Vec<Effect>) {
        let former = std::mem::replace(&mut self.phase, ProcessPhase::Asleep { not_before: None });
        let fault = self.fault.take();
        self.unwritten = 0;
        self.told_level = None;
        self.learning.clear();
        self.cancelled.clear();
        let why = fault.as_deref().unwrap_or(&ending.why);
        let last_words = if ending.last_words.is_empty() {
            String::new()
        } else {
            format!("\nThe end of its standard error:\n{}", ending.last_words)
        };
        let name = Arc::clone(&self.rules.name);
        for pending in std::mem::take(&mut self.pending).into_values() {
            if let PendingRequest::Client { from, .. } = pending {
                let text = format!(
                    "`{name}` ended before it answered ({why}); what was asked may have been done, and is not asked \
                     again{last_words}"
                );
                self.fail(&from, &text, "ended", true, out);
            }
        }
        for (number, question) in std::mem::take(&mut self.questions) {
            let parts = message::cancelled(&number.to_string(), "the server has ended");
            out.push(Effect::Notify(question.client, parts));
        }
        let is_asked_for = former == ProcessPhase::Ending && fault.is_none();
        let was_stable = match former {
            ProcessPhase::Running { since } => now.saturating_duration_since(since) >= STABLE,
            _ => is_asked_for,
        };
        self.failures = if was_stable { 0 } else { self.failures + 1 };
        // Curiosity is worth one start: the next is for somebody who waits.
        self.is_curious = false;
        if is_asked_for {
            return;
        }
        let has_served = matches!(former, ProcessPhase::Running { .. });
        let pause = FIRST_PAUSE * 2_u32.pow(self.failures.saturating_sub(1).min(6));
        self.phase = ProcessPhase::Asleep { not_before: Some(now + pause.min(LONGEST_PAUSE)) };
        if has_served || self.failures < MAX_FAILURES && !ending.is_hopeless {
            return;
        }
        let text = format!("`{name}` cannot be started: {why}{last_words}");
        self.waiting_bytes = 0;
        let greeting = std::mem::take(&mut self.greeting);
        let waiting = std::mem::take(&mut self.waiting);
        for from in greeting.into_iter().chain(waiting.into_iter().map(|waiting| waiting.from)) {
            self.fail(&from, &text, "not_started", false, out);
        }
    }

    // Words.

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Asks the process for something of our own.
    fn ask(&mut self, method: &str, params: &str, pending: PendingRequest, out: &mut Vec<Effect>) {
        let number = self.number();
        let text = format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"{method}","params":{params}}}"#);
        self.write(Parts::whole(text), out);
        self.pending.insert(number, pending);
    }

    fn write(&mut self, parts: Parts, out: &mut Vec<Effect>) {
        self.unwritten += parts.len();
        out.push(Effect::Write(self.life, parts));
    }

    fn write_if_running(&mut self, parts: Parts, out: &mut Vec<Effect>) {
        if matches!(self.phase, ProcessPhase::Running { .. }) {
            self.write(parts, out);
        }
    }

    fn tell_all(&self, parts: &Parts, out: &mut Vec<Effect>) {
        out.extend(self.clients.keys().map(|client| Effect::Notify(*client, parts.clone())));
    }

    #[expect(clippy::unused_self, reason = "it reads as what it does beside its neighbours")]
    fn fail(&self, from: &RequestOrigin, text: &str, reason: &str, sent: bool, out: &mut Vec<Effect>) {
        let data = format!(r#"{{"reason":"{reason}","sent":"{}"}}"#, if sent { "yes" } else { "no" });
        let parts = if from.is_call {
            message::result(&from.id, &message::failed_call(text, Some(&data)))
        } else {
            message::error(Some(&from.id), code::INTERNAL_ERROR, text, Some(&data))
        };
        out.push(Effect::Answer(from.ticket, parts));
    }
}

/// As whom the process sees all that share it.
fn own_hello() -> String {
    format!(
        r#"{{"protocolVersion":"{}","capabilities":{{"elicitation":{{}},"sampling":{{}}}},"clientInfo":{{"name":"brummer-hub","version":"{}"}}}}"#,
        LegacyVersion::LATEST,
        env!("CARGO_PKG_VERSION")
    )
}

fn answer(from: &RequestOrigin, result: &str, out: &mut Vec<Effect>) {
    out.push(Effect::Answer(from.ticket, message::result(&from.id, result)));
}

fn refuse(from: &RequestOrigin, code: i32, text: &str, out: &mut Vec<Effect>) {
    out.push(Effect::Answer(from.ticket, message::error(Some(&from.id), code, text, None)));
}
