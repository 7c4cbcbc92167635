//! The core of a session: what each event means, and what is to be done about it. No I/O, no clock, no task.
//!
//! ```text
//!  Event ──▶ on ──▶ ┌ routing      where a request goes                                pure
//!                   ├ operations   work that takes several requests
//!                   ├ catalog      what each instance listed
//!                   ├ feeds        what the client wants to hear of, and what instances are asked for it
//!                   ├ asking       what instances ask
//!                   ├ target       what the session is connected to
//!                   └ talk         the client's end, the links, the one table of requests ──▶ Effect
//! ```
//!
//! One method for each source of events; each part owns its state and says what follows. What it promises:
//!
//! - each request is answered once, or not at all after its cancellation; its progress comes before its answer;
//! - what comes on a link touches only what was sent on it, and what nobody wants is cancelled where it runs;
//! - what the client wants of an instance is asked for again in each of its lives;
//! - a list is asked for until it is there, and a change of what the client was shown is announced, once.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    ClientDefaults, DRAIN, Input, KnownClient, SessionConfig, ToolsMode,
    asking::{self, Answered, Asking, Resumed},
    catalog::{FetchStep, ListKey, ListStatus, Naming, views_in},
    feeds::{Feeds, MAX_LISTENS, MAX_URIS},
    links::{Link, Manners},
    list_kind::ListKind,
    lists::{self, Lists, speaks_modern, tool_lists},
    message::{self, Cancelled, Level, ProgressParams, progress_token, without},
    nulls,
    operations::{self, Leftover, LinkAnswer, OpeningListen, Operation, OperationOutcome, Operations, Then},
    own::{INSTANCES_URI, Tool},
    owners::{self, Owners},
    peer::{Accepted, Caller, Peer, ReplyTo},
    quirks,
    requests::{Forwarded, RequestWork, Shape, Ticket, Waiter},
    routing::{self, Departed, Destination, Situation},
    stage::Stage,
    talk::{Effect, Talk, gone},
    target::{Target, roots_in},
    tools::{self, Surroundings},
    watched::{Filter, Watched},
};
use crate::{
    frame::{Edit, Frame, FrameError, Kind, Parts, split_batch},
    hub::Snapshot,
    instance::{Generation, Instance, InstanceState},
    protocol::{code, method},
    upstream::{ExchangeError, ExchangeReason, LinkId, Sent, UpstreamEvent, UpstreamEventKind, Welcome},
};

/// Requests of one client that may be in flight at once; further ones are refused. Far above what any client does,
/// and low enough that a runaway client cannot exhaust memory.
const MAX_IN_FLIGHT: usize = 1024;

/// Messages in one batch.
const MAX_BATCH: usize = 1024;

/// What happens to a session.
#[derive(Debug)]
pub(super) enum Event {
    /// The client has sent something.
    Client(Input),
    /// The client will send nothing more.
    InputEnded,
    /// A link tells something.
    Link(UpstreamEvent),
    /// The hub's list is another.
    Snapshot(Arc<Snapshot>),
    /// The directories of the client, with links resolved.
    Roots(Vec<PathBuf>),
    /// A deadline has passed.
    Time,
    /// The session is to end.
    Stop,
}

#[derive(Debug)]
pub(super) struct Core {
    config: SessionConfig,
    /// What the client is shown, as it was said or as suits it.
    mode: ToolsMode,
    name_budget: usize,
    /// Tools that the client takes from one server, where that is few.
    max_tools: Option<usize>,
    /// How long the client takes, once it has listed its tools, until its model has them.
    takes_in: Option<Duration>,
    talk: Talk,
    lists: Lists,
    operations: Operations,
    feeds: Feeds,
    asking: Asking,
    target: Target,
    owners: Owners,
    departed: Departed,
    /// What the hub lists, as this session has taken note of it.
    snapshot: Arc<Snapshot>,
    /// Whether the hub has looked around: before that nothing is listed.
    settled: bool,
    /// Something has changed that links, lists or announcements may follow from.
    restless: bool,
    /// Set once the input has ended: when to give up on answers that are still due.
    ending: Option<Instant>,
    ended: bool,
}

/// Only the parts that it is made of are borrowed, so that the others can be changed with it in hand.
macro_rules! stage {
    ($core:expr) => {
        Stage {
            mode: $core.mode,
            name_budget: $core.name_budget,
            max_tools: $core.max_tools,
            target: &$core.target,
            snapshot: &$core.snapshot,
        }
    };
}

impl Core {
    pub(super) fn new(config: SessionConfig) -> Self {
        let mode = config.tools.unwrap_or_default();
        let name_budget = config.name_budget.unwrap_or(SessionConfig::DEFAULT_NAME_BUDGET);
        let name_budget = name_budget.max(SessionConfig::MIN_NAME_BUDGET);
        let auto = config.auto_connect && mode != ToolsMode::All;
        Self {
            target: Target::new(auto, config.working_directory.clone()),
            talk: Talk { tells_models: config.tells_models, ..Talk::default() },
            config,
            mode,
            name_budget,
            max_tools: None,
            takes_in: None,
            lists: Lists::with(name_budget),
            operations: Operations::default(),
            feeds: Feeds::default(),
            asking: Asking::default(),
            owners: Owners::default(),
            departed: Departed::default(),
            snapshot: Arc::default(),
            settled: false,
            restless: false,
            ending: None,
            ended: false,
        }
    }

    /// Takes an event. What is to be done, in order.
    pub(super) fn on(&mut self, event: Event, now: Instant) -> std::vec::Drain<'_, Effect> {
        match event {
            _ if self.ended => {}
            Event::Client(input) => self.on_client(input, now),
            Event::InputEnded => {
                self.ending = Some(now + DRAIN);
                self.feeds.end_listens(&mut self.talk);
            }
            Event::Link(event) => self.on_link(event, now),
            Event::Snapshot(snapshot) => self.on_snapshot(snapshot, now),
            Event::Roots(roots) => {
                self.target.set_roots(roots);
                self.retarget();
            }
            Event::Time => self.on_time(now),
            Event::Stop => self.stop(),
        }
        if self.restless && !self.ended {
            self.restless = false;
            self.tend(now);
        }
        if self.ending.is_some() && self.talk.requests.is_empty() {
            self.stop();
        }
        self.talk.effects.drain(..)
    }

    /// When [`Event::Time`] is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let parts = [
            self.ending,
            self.operations.deadline(),
            self.asking.suspended.deadline(),
            self.lists.catalog.deadline(|key| self.wants(key)),
            self.talk.links.deadline(),
            self.feeds.deadline(),
        ];
        parts.into_iter().flatten().min()
    }

    fn on_time(&mut self, now: Instant) {
        if self.ending.is_some_and(|at| at <= now) {
            return self.stop();
        }
        for ticket in self.operations.due(now) {
            match self.operations.ask_next(ticket, now) {
                Some((instance, frame)) => self.ask_method(ticket, &instance, &frame),
                None => self.finish(ticket, now),
            }
        }
        self.asking.on_time(&mut self.talk, now);
        for (key, instance) in self.lists.catalog.due(now, |key| self.wants(key)) {
            self.lists.want(&mut self.talk, key, &instance, now);
        }
        self.feeds.on_time(&mut self.talk, &self.operations, now);
        self.restless |= self.talk.links.wake(now);
    }

    /// Everything ends: what was sent is cancelled where it runs, and listens are closed.
    fn stop(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.feeds.end_listens(&mut self.talk);
        self.asking.stop(&mut self.talk);
        let mut numbers: Vec<u64> = self.talk.requests.all_sent().map(|(number, _)| number).collect();
        numbers.sort_unstable();
        for number in numbers {
            self.talk.cancel(number, None);
        }
        self.talk.effects.push(Effect::End);
    }

    // What the client says.

    fn on_client(&mut self, input: Input, now: Instant) {
        match input {
            Input::Message(bytes) => match Frame::parse(bytes.clone()) {
                Ok(frame) => self.on_message(frame, None, now),
                Err(FrameError::Batch) => self.on_batch(&bytes, now),
                Err(error) => self.talk.emit(unreadable(&error)),
            },
            Input::TooLong { limit, id } => {
                let text = format!("the message is over the limit of {limit} bytes and was not read");
                self.talk.emit(message::error(id.as_deref(), code::INVALID_REQUEST, &text, None));
            }
        }
    }

    fn on_batch(&mut self, bytes: &Bytes, now: Instant) {
        if let Err(refusal) = self.talk.peer.batches() {
            return self.talk.emit(message::error(None, refusal.code, &refusal.text, None));
        }
        let messages = match split_batch(bytes, MAX_BATCH) {
            Ok(messages) => messages,
            Err(error) => return self.talk.emit(unreadable(&error)),
        };
        let frames: Vec<_> = messages.into_iter().map(Frame::parse).collect();
        let is_due = |frame: &&Result<Frame, FrameError>| {
            frame.as_ref().map_or(true, |frame| matches!(frame.kind(), Kind::Request { .. }))
        };
        let due = frames.iter().filter(is_due).count();
        let batch = (due > 0).then(|| self.talk.requests.open_batch(due));
        for frame in frames {
            match frame {
                Ok(frame) => self.on_message(frame, batch, now),
                Err(error) => self.answer_past_the_books(batch, unreadable(&error)),
            }
        }
    }

    fn answer_past_the_books(&mut self, batch: Option<u64>, answer: Parts) {
        if let Some(parts) = self.talk.requests.answer_in_batch(batch, answer) {
            self.talk.emit(parts);
        }
    }

    fn on_message(&mut self, frame: Frame, batch: Option<u64>, now: Instant) {
        match frame.kind() {
            Kind::Request { .. } => self.on_request(frame, batch, now),
            Kind::Notification { .. } => self.on_client_notification(&frame),
            Kind::Response { .. } => self.on_client_response(&frame),
        }
    }

    fn on_request(&mut self, frame: Frame, batch: Option<u64>, now: Instant) {
        let to = ReplyTo { id: frame.id().unwrap_or_default().into(), batch, claim: None };
        let ticket = match self.talk.requests.ask(to) {
            Ok(ticket) => ticket,
            // The first one keeps its claim to the id.
            Err(to) => {
                let text = "a request with this id is still in flight";
                let answer = message::error(Some(&to.id), code::INVALID_REQUEST, text, None);
                return self.answer_past_the_books(to.batch, answer);
            }
        };
        if self.talk.requests.len() > MAX_IN_FLIGHT {
            let text = format!("{MAX_IN_FLIGHT} requests are in flight; wait until one of them is answered");
            return self.talk.answer_error(ticket, code::INTERNAL_ERROR, &text, None);
        }
        if frame.method() == Some(method::INITIALIZE) && self.talk.peer.identity().is_none() {
            self.fit_to_client(&frame);
        }
        let shows_all = self.mode == ToolsMode::All;
        let mut forgotten = None;
        let Talk { peer, requests, .. } = &mut self.talk;
        let (feeds, suspended) = (&self.feeds, &self.asking.suspended);
        let in_use = |caller| requests.has(caller) || feeds.has_listen(caller) || suspended.has(caller);
        let accepted = peer.accept(&frame, batch.is_some(), shows_all, in_use, &mut forgotten);
        if let Some(caller) = forgotten {
            self.forget(caller, now);
        }
        match accepted {
            Accepted::Request(claim) => {
                if let Some(claim) = claim {
                    self.talk.requests.claim(ticket, claim);
                }
                if self.settled {
                    self.route(ticket, frame, false, now);
                } else {
                    // What the hub lists must be true from the first answer on, so it has to look around first.
                    self.talk.requests.set_work(ticket, RequestWork::Deferred(frame));
                }
            }
            Accepted::Greeting(result) => {
                self.talk.answer_result(ticket, &result);
                // Links that were opened before the client said who it is do not count any more.
                self.close_links_of(Caller::Greeted, now);
                self.restless = true;
            }
            Accepted::Discover(claim) => {
                self.talk.requests.claim(ticket, claim);
                let result = Peer::discovered(self.extensions());
                self.talk.answer_result(ticket, &result);
            }
            Accepted::Ping => self.talk.answer_result(ticket, "{}"),
            Accepted::Refused(refusal) => {
                self.talk.answer_error(ticket, refusal.code, &refusal.text, refusal.data.as_deref());
            }
        }
    }

    /// A client that cannot do what the protocol allows is shown what suits it.
    fn fit_to_client(&mut self, initialize: &Frame) {
        #[derive(Deserialize)]
        struct Params {
            #[serde(rename = "clientInfo")]
            client: Named,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let known = match self.config.client {
            ClientDefaults::Off => None,
            ClientDefaults::As(known) => Some(known),
            ClientDefaults::ByName => {
                initialize.peek::<Params>().and_then(|params| KnownClient::called(&params.client.name))
            }
        };
        if let Some(known) = known {
            tracing::debug!(client = known.name, seen = known.seen, "a client with defaults of its own");
            self.mode = self.config.tools.unwrap_or(known.tools);
            if let (None, Some(budget)) = (self.config.name_budget, known.name_budget) {
                self.name_budget = budget;
                self.lists.catalog.name_budget = budget;
            }
            self.max_tools = known.max_tools;
            self.takes_in = known.takes_in;
            self.lists.catalog.view_changed();
        }
    }

    /// The extensions of all instances. The first one of the list decides on the settings of one that several have.
    fn extensions(&self) -> Map<String, Value> {
        let mut all = BTreeMap::new();
        for instance in self.snapshot.active() {
            let said = instance.status().extensions.clone();
            let said = said.and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).ok());
            for (name, settings) in said.into_iter().flatten() {
                all.entry(name).or_insert(settings);
            }
        }
        all.into_iter().collect()
    }

    /// A caller has not been heard of for the longest time, and others need its place.
    fn forget(&mut self, caller: Caller, now: Instant) {
        self.close_links_of(caller, now);
        self.lists.forget(caller);
        self.talk.links.retain(|_, at| at != caller);
    }

    fn close_links_of(&mut self, caller: Caller, now: Instant) {
        for link in self.talk.links.of_caller(caller) {
            let error = ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::Closed };
            self.close_link(link, &error, now);
        }
    }

    fn on_client_notification(&mut self, frame: &Frame) {
        match frame.method().unwrap_or_default() {
            method::INITIALIZED => {
                if self.talk.peer.initialized() {
                    for question in self.asking.questions.release() {
                        self.talk.effects.push(Effect::Write(question));
                    }
                    self.ask_for_roots();
                    self.lists.begin_to_tell(stage!(self), Caller::Greeted);
                    self.restless = true;
                }
            }
            method::CANCELLED => self.on_cancelled(frame),
            method::PROGRESS => {
                let Some(ProgressParams { token }) = frame.peek() else { return };
                let Some((link, original)) = self.asking.questions.progress(token.get()) else { return };
                let told = frame.edited(vec![(frame.span_of(token.get()), original.to_owned())]);
                self.talk.send(link, told);
            }
            method::ROOTS_LIST_CHANGED => {
                for link in self.talk.links.of_caller(Caller::Greeted) {
                    self.talk.send(link, frame.whole());
                }
                self.target.roots_changed();
                self.ask_for_roots();
            }
            // Without a handshake there is nothing that a client could say to the hub unasked and that means an instance.
            _ if self.talk.peer.identity().is_none() => {}
            _ => {
                for instance in self.target.connected() {
                    let link = self.talk.link_to(instance, Caller::Greeted);
                    self.talk.send(link, frame.whole());
                }
            }
        }
    }

    /// Requests that are unknown or answered already are ignored (cancellation § Behavior Requirements).
    fn on_cancelled(&mut self, frame: &Frame) {
        let Some(Cancelled { request }) = frame.peek() else { return };
        let Some((ticket, dropped)) = self.talk.requests.cancel(request.get()) else { return };
        match dropped.work {
            RequestWork::Sent(number) => {
                self.asking.suspended.forget(number);
                self.talk.cancel(number, Some((frame, request.get())));
            }
            RequestWork::Operation => {
                if self.operations.waits_for_client(ticket) {
                    self.lists.tools_are_still_due();
                }
                let leftover = self.operations.drop(ticket);
                self.clear(leftover);
            }
            RequestWork::Listening => {
                let around = (&*self.snapshot, &self.operations);
                self.feeds.stop_listening(&mut self.talk, around, request.get());
            }
            RequestWork::Deferred(_) | RequestWork::Routing => {}
        }
        if let Some(parts) = dropped.batch {
            self.talk.emit(parts);
        }
    }

    /// Nobody waits any longer for what an operation has asked.
    fn clear(&mut self, leftover: Leftover) {
        for number in leftover.numbers {
            self.talk.cancel(number, None);
        }
        for key in leftover.lists {
            if !self.wants(key)
                && let Some(number) = self.lists.catalog.give_up(key)
            {
                self.talk.cancel(number, None);
            }
        }
        if let Some((caller, watched)) = leftover.accepted {
            for it in &watched {
                self.feeds.give_up(&mut self.talk, (&self.snapshot, &self.operations), it, caller);
            }
        }
    }

    fn on_client_response(&mut self, frame: &Frame) {
        match self.asking.questions.answered(frame) {
            Answered::Instance(link, answer) => self.talk.send(link, answer),
            // Links are resolved as they are for instances. A directory that is not there stays as it is.
            Answered::Roots => self.talk.effects.push(Effect::Resolve(roots_in(frame))),
            Answered::Nobody => {}
        }
    }

    /// Asks the client for its directories, once they can decide what to connect to.
    fn ask_for_roots(&mut self) {
        let has_roots = self.talk.peer.identity().is_some_and(|identity| identity.has_roots);
        if self.talk.peer.is_ready() && has_roots && self.target.wants_roots(&self.snapshot) {
            let id = self.asking.questions.ask_for_roots();
            let method = method::ROOTS_LIST;
            self.talk.emit(Parts::whole(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#)));
        }
    }

    // Where requests go.

    /// `waited`: lists that are not there have been waited for.
    fn route(&mut self, ticket: Ticket, mut frame: Frame, waited: bool, now: Instant) {
        if self.talk.caller(ticket) != Caller::Greeted {
            match self.asking.resume(&mut self.talk, ticket, &frame, now) {
                Resumed::No => {}
                Resumed::Answered => return,
                Resumed::Over { link, answer, shape } => return self.deliver(ticket, link, &answer, shape),
                Resumed::Anew => {
                    // The answers are for the hub only.
                    let params = frame.params().unwrap_or("{}");
                    let kept = without(params, &["requestState", "inputResponses"]);
                    frame = edited(&frame, vec![(frame.span_of(params), kept)]);
                }
            }
        }
        if frame.method() == Some(method::RESOURCES_UNSUBSCRIBE)
            && let Some(uri) = message::text_of(message::Key::of(&frame).uri)
            && let Some((alias, original)) = self.feeds.holder(&uri)
        {
            // It ends where it began, whoever lists the resource now.
            let holder = self.snapshot.active().find(|it| *it.alias == *alias);
            if let Some(holder) = holder {
                let destination = routing::unsubscription(&frame, holder, &uri, &original);
                return self.go(ticket, frame, destination, now);
            }
            // What an instance that is away was subscribed to is only remembered here.
            self.feeds.forget(&uri);
            return self.talk.answer_result(ticket, "{}");
        }
        let destination = self.destination(ticket, &frame, waited);
        self.go(ticket, frame, destination, now);
    }

    fn destination(&mut self, ticket: Ticket, frame: &Frame, waited: bool) -> Destination {
        let caller = self.talk.caller(ticket);
        let patient = !self.talk.requests.has_waited(ticket);
        routing::route(frame, Situation { patient, ..self.situation(caller, waited) })
    }

    fn situation(&mut self, caller: Caller, waited: bool) -> Situation<'_> {
        let stage = stage!(self);
        Situation {
            caller,
            view: stage.instances(caller),
            naming: stage.naming(caller),
            snapshot: &self.snapshot,
            catalog: &mut self.lists.catalog,
            owners: &self.owners,
            departed: &self.departed,
            missing: self.target.missing().filter(|_| caller == Caller::Greeted),
            waited,
            patient: false,
            name_budget: self.name_budget,
        }
    }

    fn go(&mut self, ticket: Ticket, frame: Frame, destination: Destination, now: Instant) {
        let caller = self.talk.caller(ticket);
        match destination {
            Destination::OwnTool(tool) => self.own_tool(ticket, tool, &frame, now),
            Destination::OwnResource => self.own_resource(ticket, &frame),
            Destination::List(kind) => {
                let lists = self.shown_lists(caller, kind);
                self.wait_for_lists(ticket, lists, true, Then::Show(kind), now);
            }
            Destination::Instance { instance, edits, shape } => {
                self.forward(ticket, &instance, (&frame, edits), &frame, shape, now);
            }
            Destination::Lists(lists) => {
                let then = Then::Route(frame);
                self.wait_for_lists(ticket, lists, false, then, now);
            }
            Destination::Read { uri, mut instances } => {
                if frame.method() != Some(method::RESOURCES_READ) {
                    instances.retain(|it| !lists::lacks_skills(&self.talk, it, caller));
                }
                let params = frame.params().unwrap_or("{}");
                let method = frame.method().unwrap_or(method::RESOURCES_READ);
                let operation = Operation::read(uri, method == method::RESOURCES_READ, now);
                self.ask_all(ticket, operation, &instances, method, params, now);
            }
            Destination::Method(mut rest) => {
                let Some(first) = rest.pop_front() else { return };
                self.begin(ticket, Operation::method(frame.clone(), rest, now));
                self.ask_method(ticket, &first, &frame);
            }
            Destination::Task { task, instances } => {
                let params = json!({ "taskId": task }).to_string();
                let operation = Operation::task(frame, task, now);
                self.ask_all(ticket, operation, &instances, method::TASKS_GET, &params, now);
            }
            Destination::Await(generation) => self.wait_for_instance(ticket, frame, generation, now),
            Destination::Level => self.set_level(ticket, &frame, now),
            Destination::Listen { waited } => self.listen(ticket, frame, waited, now),
            Destination::Refused { code, text, data } => {
                self.talk.answer_error(ticket, code, &text, data.as_deref());
            }
            Destination::Unmet { code, text, data } => {
                self.talk.answer_unmet(ticket, &routing::shape_of(&frame), code, &text, data.as_deref());
            }
        }
    }

    /// Goes on once the instance is there, or has been waited for. A request waits so once.
    fn wait_for_instance(&mut self, ticket: Ticket, frame: Frame, generation: Generation, now: Instant) {
        self.talk.requests.waits(ticket);
        self.begin(ticket, Operation::coming(frame, generation, now));
    }

    fn begin(&mut self, ticket: Ticket, operation: Operation) {
        self.talk.requests.set_work(ticket, RequestWork::Operation);
        self.operations.begin(ticket, operation);
    }

    /// Asks several instances the same on behalf of an operation.
    fn ask_all(
        &mut self,
        ticket: Ticket,
        mut operation: Operation,
        instances: &[Instance],
        method: &str,
        params: &str,
        now: Instant,
    ) {
        let caller = self.talk.caller(ticket);
        for instance in instances {
            let number =
                self.talk.ask(instance, caller, method, params.to_owned(), Waiter::Operation(ticket));
            operation.asked(number, instance.clone());
        }
        let is_idle = operation.is_idle();
        self.begin(ticket, operation);
        if is_idle {
            self.finish(ticket, now);
        }
    }

    fn ask_method(&mut self, ticket: Ticket, instance: &Instance, frame: &Frame) {
        let caller = self.talk.caller(ticket);
        let link = self.talk.link_to(instance, caller);
        let number = self.talk.send_request(link, frame, Vec::new(), Waiter::Operation(ticket));
        self.operations.asked(ticket, number, instance.clone());
    }

    /// Sends a request of the client to an instance: `call`, edited, because the client said `said`.
    fn forward(
        &mut self,
        ticket: Ticket,
        instance: &Instance,
        (call, edits): (&Frame, Vec<Edit>),
        said: &Frame,
        shape: Shape,
        now: Instant,
    ) {
        let caller = self.talk.caller(ticket);
        if caller != Caller::Greeted && !speaks_modern(&self.talk, instance, caller) {
            if let Some(level) = self.level_to_raise(ticket, instance) {
                let link = self.talk.link_to(instance, caller);
                let messages = (edited(call, edits), said.clone());
                let operation = Operation::raise(link, messages, instance.clone(), shape, level, now);
                let params = format!(r#"{{"level":"{}"}}"#, level.as_str());
                let only = std::slice::from_ref(instance);
                return self.ask_all(ticket, operation, only, method::LOGGING_SET_LEVEL, &params, now);
            }
            if Asking::refuses(&mut self.talk, ticket, said) {
                return;
            }
        }
        let link = self.talk.link_to(instance, caller);
        let token = progress_token(call).map(Into::into);
        let said = (caller != Caller::Greeted).then(|| said.clone());
        let waiter = Waiter::Client(Forwarded { ticket, shape, token, said, missing: None }.into());
        self.talk.send_request(link, call, edits, waiter);
    }

    /// The level from which on an instance with a handshake is to send log messages for this request, if it has not been
    /// asked for them yet.
    fn level_to_raise(&mut self, ticket: Ticket, instance: &Instance) -> Option<Level> {
        let claim = self.talk.requests.to(ticket)?.claim.clone()?;
        let level = claim.log_level?;
        let link = self.talk.link_to(instance, claim.caller);
        let open = self.talk.links.get(link)?;
        let is_silent = open.manners.as_ref().is_some_and(|manners| !manners.logs);
        (!is_silent && open.level.is_none_or(|set| set > level)).then_some(level)
    }

    fn set_level(&mut self, ticket: Ticket, frame: &Frame, now: Instant) {
        self.talk.level = frame.params().map(Into::into);
        let takes = |link: &Link| {
            link.manners.as_ref().is_some_and(|manners| manners.logs || manners.era.is_modern())
        };
        let links = self.talk.links.iter().filter(|(_, link)| link.caller == Caller::Greeted && takes(link));
        let instances: Vec<_> = links.map(|(_, link)| link.instance.clone()).collect();
        let params = frame.params().unwrap_or("{}");
        let operation = Operation::level(now);
        self.ask_all(ticket, operation, &instances, method::LOGGING_SET_LEVEL, params, now);
    }

    // Lists.

    /// The lists that a list of this kind is made of, for this caller.
    fn shown_lists(&self, caller: Caller, kind: ListKind) -> Vec<(ListKey, Instance)> {
        let view = stage!(self).listed(caller, kind);
        let key = |it: &Instance| ListKey { generation: it.generation, caller, kind };
        view.into_iter().map(|it| (key(it), it.clone())).collect()
    }

    /// Whether somebody wants a list to be there and true, so that it is asked for again when it fails.
    fn wants(&self, key: ListKey) -> bool {
        lists::watches(&self.talk, &self.feeds, key.caller, key.kind) || self.operations.waits_for(key)
    }

    /// Goes on once these lists are there, or have been waited for. `anew`: what is known of them does not count.
    fn wait_for_lists(
        &mut self,
        ticket: Ticket,
        lists: Vec<(ListKey, Instance)>,
        anew: bool,
        then: Then,
        now: Instant,
    ) {
        let mut missing = BTreeMap::new();
        for (key, instance) in lists {
            if key.kind == ListKind::Skills && lists::lacks_skills(&self.talk, &instance, key.caller) {
                continue;
            }
            if anew {
                // What is on its way may be older than what the client has done since.
                self.lists.catalog.outdate(key);
            }
            let is_wanted = match self.lists.catalog.standing(key) {
                ListStatus::Missing | ListStatus::Partial => true,
                ListStatus::Failed => matches!(then, Then::Route(_)),
                ListStatus::Complete | ListStatus::Stale => false,
            };
            if anew || is_wanted {
                self.lists.want(&mut self.talk, key, &instance, now);
            }
            if let Some(until) = self.lists.catalog.patience(key).filter(|until| *until > now) {
                missing.insert(key, until);
            }
        }
        let operation = Operation::lists(missing, then);
        let is_idle = operation.is_idle();
        self.begin(ticket, operation);
        if is_idle {
            self.finish(ticket, now);
        }
    }

    /// A request of the catalog is over.
    fn on_list(&mut self, key: ListKey, number: u64, answer: Result<Frame, ExchangeError>, now: Instant) {
        let answer = answer.map(|frame| nulls::left_out_of_list(&frame, key.kind.member()).unwrap_or(frame));
        match self.lists.catalog.on_answer(key, number, answer, now) {
            None => {}
            Some(FetchStep::Ask(params)) => {
                let instance = stage!(self).instance(key.generation);
                let Some(instance) = instance.cloned() else { return };
                let method = key.kind.method();
                let number = self.talk.ask(&instance, key.caller, method, params, Waiter::List(key));
                self.lists.catalog.asked(key, number, now);
            }
            Some(FetchStep::Over) => {
                self.lists.on_asked(key);
                if key.kind == ListKind::Tasks {
                    self.learn_tasks(key);
                }
                let (over, hopeful) = self.operations.on_list(key);
                for (ticket, frame) in hopeful {
                    // Perhaps the others need not be waited for.
                    let destination = self.destination(ticket, &frame, false);
                    if !matches!(destination, Destination::Lists(_) | Destination::Listen { .. }) {
                        let leftover = self.operations.drop(ticket);
                        self.clear(leftover);
                        self.go(ticket, frame, destination, now);
                    }
                }
                for ticket in over {
                    self.finish(ticket, now);
                }
                self.restless = true;
            }
        }
    }

    fn learn_tasks(&mut self, key: ListKey) {
        let instance = stage!(self).instance(key.generation);
        let Some(alias) = instance.map(|it| Arc::clone(&it.alias)) else { return };
        for (_, item) in self.lists.catalog.items(key) {
            self.owners.learn(&item.key, &alias);
        }
    }

    /// Lists were waited for.
    fn on_lists(&mut self, ticket: Ticket, then: Then, now: Instant) {
        match then {
            // Tools may name views that others have as well; how those are called, the lists of resources tell.
            Then::Show(ListKind::Tools) if self.has_views_to_tell_apart(ticket) => {
                let caller = self.talk.caller(ticket);
                let kinds = [ListKind::Resources, ListKind::Templates];
                let lists = kinds.into_iter().flat_map(|kind| self.shown_lists(caller, kind)).collect();
                self.wait_for_lists(ticket, lists, false, Then::ShowTools, now);
            }
            Then::Show(_) | Then::ShowTools => {
                let kind = if let Then::Show(kind) = then { kind } else { ListKind::Tools };
                let caller = self.talk.caller(ticket);
                self.lists.show(&mut self.talk, stage!(self), ticket, kind);
                if kind == ListKind::Tools && caller == Caller::Greeted {
                    for ticket in self.operations.on_refreshed(self.takes_in, now) {
                        self.finish(ticket, now);
                    }
                }
                // New instances are asked for it from now on.
                self.restless = true;
            }
            Then::Route(frame) => self.route(ticket, frame, true, now),
            Then::Connect(instances) => self.tell_connected(ticket, instances, now),
            Then::Tools { instances, query } => self.tell_tools(ticket, &instances, &query),
        }
    }

    /// Whether tools of several instances are shown, and one of them names a view.
    fn has_views_to_tell_apart(&self, ticket: Ticket) -> bool {
        let lists = self.shown_lists(self.talk.caller(ticket), ListKind::Tools);
        let catalog = &self.lists.catalog;
        lists.len() > 1
            && lists.iter().any(|(key, _)| {
                catalog.items(*key).any(|(frame, item)| !views_in(item.text(frame)).is_empty())
            })
    }

    /// Links, lists and announcements follow what is wanted and what is there.
    fn tend(&mut self, now: Instant) {
        if !self.settled {
            return;
        }
        self.tend_links();
        self.lists.tend(&mut self.talk, stage!(self), &self.feeds, now);
        self.announce();
    }

    /// Opens the links on which something is wanted that must be heard: of what is connected, subscribed to, listened for.
    fn tend_links(&mut self) {
        let mut wanted: Vec<(Instance, Caller)> = Vec::new();
        if self.talk.peer.identity().is_some() {
            wanted.extend(self.target.connected().iter().map(|it| (it.clone(), Caller::Greeted)));
        }
        let watchers: BTreeSet<Caller> =
            ListKind::WATCHED.into_iter().flat_map(|kind| self.feeds.list_watchers(kind)).collect();
        for instance in self.snapshot.active() {
            let callers = self.feeds.callers_at(&instance.alias);
            wanted.extend(callers.iter().chain(&watchers).map(|caller| (instance.clone(), *caller)));
        }
        for (instance, caller) in wanted {
            if !self.talk.links.rests(instance.generation, caller) {
                self.talk.link_to(&instance, caller);
            }
        }
    }

    /// Tells each caller which lists have changed.
    fn announce(&mut self) {
        self.lists.announce(&mut self.talk, stage!(self), &self.feeds);
    }

    // Operations.

    /// An answer to a request of an operation.
    fn on_operation(&mut self, ticket: Ticket, number: u64, answer: LinkAnswer, now: Instant) {
        match self.operations.on_answer(ticket, number, answer, now) {
            operations::OperationProgress::Waits => {}
            operations::OperationProgress::Ask(next) => {
                let (instance, frame) = *next;
                self.ask_method(ticket, &instance, &frame);
            }
            operations::OperationProgress::Over(over) => self.end(ticket, *over, now),
        }
    }

    /// An operation has waited long enough, or need not wait.
    fn finish(&mut self, ticket: Ticket, now: Instant) {
        if let Some(over) = self.operations.finish(ticket) {
            self.end(ticket, over, now);
        }
    }

    fn end(&mut self, ticket: Ticket, (outcome, mut leftover): (OperationOutcome, Leftover), now: Instant) {
        let accepted = leftover.accepted.take();
        self.clear(leftover);
        self.conclude(ticket, outcome, now);
        // Of this only that is given up which the listen does not watch now.
        self.clear(Leftover { accepted, ..Leftover::default() });
    }

    fn conclude(&mut self, ticket: Ticket, outcome: OperationOutcome, now: Instant) {
        match outcome {
            OperationOutcome::Lists(then) => self.on_lists(ticket, then, now),
            OperationOutcome::Answered { answer: (link, Ok(frame)), shape, .. } => {
                self.deliver(ticket, link, &frame, shape);
            }
            OperationOutcome::Answered { from, answer: (_, Err(error)), shape } => {
                self.talk.answer_failure(ticket, &shape, &from, &error);
            }
            OperationOutcome::NoResource { uri, is_read } => {
                let destination = routing::absent(self.talk.caller(ticket), &uri, is_read);
                if let Destination::Refused { code, text, data } = destination {
                    self.talk.answer_error(ticket, code, &text, data.as_deref());
                }
            }
            OperationOutcome::Task { frame, task, owner: Some(owner) } => {
                self.owners.learn(&task, &owner.alias);
                self.forward(ticket, &owner, (&frame, Vec::new()), &frame, routing::task_shape(&frame), now);
            }
            OperationOutcome::Task { owner: None, .. } => {
                let text = "no running instance knows this task";
                self.talk.answer_error(ticket, code::INVALID_PARAMS, text, None);
            }
            OperationOutcome::Result(result) => self.talk.answer_result(ticket, &result),
            OperationOutcome::Route(frame) => self.route(ticket, frame, false, now),
            OperationOutcome::Raised { link, frame, said, instance, shape, level } => {
                // The request itself was not sent, and on another link all would begin again, as often as links fail.
                let Some(open) = self.talk.links.get_mut(link) else {
                    let error = ExchangeError { sent: Sent::No, reason: ExchangeReason::Closed };
                    return self.talk.answer_failure(ticket, &shape, &instance, &error);
                };
                open.level = Some(open.level.map_or(level, |set| set.min(level)));
                self.forward(ticket, &instance, (&frame, Vec::new()), &said, shape, now);
            }
            OperationOutcome::Listening(opening) => {
                let caller = self.feeds.acknowledge(&mut self.talk, &self.snapshot, ticket, *opening);
                if let Some(caller) = caller {
                    self.lists.begin_to_tell(stage!(self), caller);
                    self.restless = true;
                }
            }
        }
    }

    // The hub's own tools.

    fn own_tool(&mut self, ticket: Ticket, tool: Tool, frame: &Frame, now: Instant) {
        let caller = self.talk.caller(ticket);
        let patient = !self.talk.requests.has_waited(ticket);
        let call = tools::call(tool, frame, &Surroundings { patient, ..self.surroundings(caller) });
        match call {
            tools::ToolOutcome::Await(generation) => {
                self.wait_for_instance(ticket, frame.clone(), generation, now);
            }
            tools::ToolOutcome::Result(result) => self.talk.answer_result(ticket, &result),
            tools::ToolOutcome::Disconnect => self.disconnect(ticket),
            tools::ToolOutcome::Connect { instances, chosen } => {
                // At once, so that what the client says next finds what it has said before.
                if caller == Caller::Greeted
                    && let Some(first) = instances.first()
                {
                    self.choose(|target| target.choose(first, chosen));
                }
                let lists = tool_lists(caller, &instances);
                self.wait_for_lists(ticket, lists, true, Then::Connect(instances), now);
            }
            tools::ToolOutcome::Tools { instances, query } => {
                let lists = tool_lists(caller, &instances);
                self.wait_for_lists(ticket, lists, true, Then::Tools { instances, query }, now);
            }
            tools::ToolOutcome::Forward { instance, call } => {
                let edits = self.lists.own_name(caller, &instance, &call);
                let named = edits.first().map(|(_, name)| Cow::Borrowed(&**name));
                let name = named
                    .and_then(|name| crate::frame::string(&name).map(Cow::into_owned))
                    .or_else(|| message::text_of(message::Key::of(&call).name).map(Cow::into_owned));
                if name.is_some_and(|name| !instance.found.shows(&name)) {
                    let text = format!("instance `{}` has no such tool", instance.alias);
                    return self.talk.answer_result(ticket, &tools::tool_error(&text));
                }
                self.forward(ticket, &instance, (&call, edits), frame, Shape::Tool, now);
            }
        }
    }

    fn surroundings(&self, caller: Caller) -> Surroundings<'_> {
        Surroundings {
            snapshot: &self.snapshot,
            connected: self.target.connected(),
            suggested: self.target.suggested(&self.snapshot),
            is_modern: caller != Caller::Greeted,
            patient: false,
        }
    }

    /// The client has connected, and the lists of tools are there or have been waited for.
    fn tell_connected(&mut self, ticket: Ticket, mut instances: Vec<Instance>, now: Instant) {
        let caller = self.talk.caller(ticket);
        let is_modern = caller != Caller::Greeted;
        let failures = self.lists.tool_failures(caller, &instances);
        let asked_for = instances.clone();
        instances.retain(|it| stage!(self).instance(it.generation).is_some());
        if instances.is_empty() {
            let names: Vec<_> = asked_for.iter().map(|it| format!("`{}`", it.alias)).collect();
            let text = format!("{} ended while you were being connected to it", names.join(" and "));
            return self.talk.answer_result(ticket, &tools::tool_error(&text));
        }
        self.announce();
        let (view, naming) = (stage!(self).instances(caller), stage!(self).naming(caller));
        let listing = self.lists.catalog.listing(&view, naming, caller, ListKind::Tools);
        let theirs = listing
            .entries
            .iter()
            .filter(|entry| instances.iter().any(|it| it.generation == entry.generation));
        let names: Vec<String> = theirs.map(|entry| entry.listed.to_string()).collect();
        let manners =
            |it: &Instance| self.talk.links.of(it.generation, caller)?.manners.as_ref()?.instructions.clone();
        let instructions: Vec<_> =
            instances.iter().filter_map(|it| Some((Arc::clone(&it.alias), manners(it)?))).collect();
        let result = tools::connected(&instances, &names, &failures, &instructions, is_modern);
        if !is_modern && self.lists.take_due_tools() {
            self.begin(ticket, Operation::refresh(result, now));
        } else {
            self.talk.answer_result(ticket, &result);
        }
    }

    fn disconnect(&mut self, ticket: Ticket) {
        let mut former = Vec::new();
        self.choose(|target| former = target.leave());
        self.announce();
        self.talk.answer_result(ticket, &tools::disconnected(&former));
    }

    fn tell_tools(&mut self, ticket: Ticket, instances: &[Instance], query: &str) {
        let caller = self.talk.caller(ticket);
        let failures = self.lists.tool_failures(caller, instances);
        let lists = tool_lists(caller, instances);
        let found: Vec<_> = lists
            .into_iter()
            .map(|(key, instance)| (instance, self.lists.catalog.items(key).collect()))
            .collect();
        let result = tools::matching(&found, query, &failures);
        self.talk.answer_result(ticket, &result);
    }

    /// The resource `brummer://instances`.
    fn own_resource(&mut self, ticket: Ticket, frame: &Frame) {
        let result = match frame.method() {
            Some(method::RESOURCES_SUBSCRIBE) => {
                self.feeds.instances = true;
                "{}".to_owned()
            }
            Some(method::RESOURCES_UNSUBSCRIBE) => {
                self.feeds.instances = false;
                "{}".to_owned()
            }
            _ => self.surroundings(self.talk.caller(ticket)).resource(),
        };
        self.talk.answer_result(ticket, &result);
    }

    // What is connected, and what runs.

    /// The client chooses. What it was subscribed to at an instance that it leaves ends with it, unless the next one is the
    /// same project, which keeps its alias.
    fn choose(&mut self, choice: impl FnOnce(&mut Target)) {
        let before: Vec<Instance> = self.target.connected().to_vec();
        choice(&mut self.target);
        self.target.follow(&self.snapshot);
        self.after_move(&before);
        if self.mode == ToolsMode::All {
            return;
        }
        for former in before {
            if self.target.connected().iter().any(|it| it.alias == former.alias) {
                continue;
            }
            self.feeds.leave(&mut self.talk, (&self.snapshot, &self.operations), &former.alias);
        }
    }

    /// Keeps the target true.
    fn retarget(&mut self) {
        let before: Vec<Instance> = self.target.connected().to_vec();
        self.target.follow(&self.snapshot);
        self.after_move(&before);
        self.ask_for_roots();
    }

    fn after_move(&mut self, before: &[Instance]) {
        let generations =
            |instances: &[Instance]| instances.iter().map(|it| it.generation).collect::<Vec<_>>();
        self.lists.catalog.view_changed();
        self.restless = true;
        if generations(before) != generations(self.target.connected()) {
            self.feeds.on_connection(&mut self.talk);
        }
    }

    fn on_snapshot(&mut self, new: Arc<Snapshot>, now: Instant) {
        let old = std::mem::replace(&mut self.snapshot, new);
        let snapshot = Arc::clone(&self.snapshot);
        let is_there = |generation| snapshot.instances.iter().any(|it| it.generation == generation);
        // What fails with an instance that is gone must find its way without it, not to it again.
        let before: Vec<Instance> = self.target.connected().to_vec();
        let moved = self.target.follow(&snapshot);
        self.lists.catalog.view_changed();
        for gone in old.instances.iter().filter(|it| !is_there(it.generation)) {
            self.departed.note(gone);
            self.operations.forget(gone.generation);
        }
        let links = self.talk.links.iter();
        let dead: Vec<LinkId> =
            links.filter(|(_, link)| !is_there(link.instance.generation)).map(|(id, _)| id).collect();
        for link in dead {
            self.close_link(link, &gone(Sent::Unknown), now);
        }
        // What it was talked to as, it does not understand any more.
        for link in self.talk.links.outdated() {
            let error = ExchangeError { sent: Sent::Unknown, reason: ExchangeReason::Replaced };
            self.close_link(link, &error, now);
        }
        self.lists.retain(|key| is_there(key.generation));
        self.talk.links.retain(|generation, _| is_there(generation));
        let listing = |snapshot: &Snapshot| -> Vec<(Generation, InstanceState, Arc<str>)> {
            snapshot.instances.iter().map(|it| (it.generation, it.state, Arc::clone(&it.alias))).collect()
        };
        let is_other =
            listing(&old) != listing(&self.snapshot) || old.dev_servers != self.snapshot.dev_servers;
        self.restless = true;
        if is_other {
            self.feeds.on_instances(&mut self.talk);
        } else if moved {
            self.after_move(&before);
        }
        let is_coming = |generation| {
            snapshot.instances.iter().any(|it| it.generation == generation && it.state.is_coming())
        };
        for ticket in self.operations.on_snapshot(is_coming) {
            self.finish(ticket, now);
        }
        self.ask_for_roots();
        if self.snapshot.settled && !self.settled {
            self.settled = true;
            for (ticket, frame) in self.talk.requests.take_deferred() {
                self.route(ticket, frame, false, now);
            }
        }
    }

    // What instances say.

    fn on_link(&mut self, event: UpstreamEvent, now: Instant) {
        let UpstreamEvent { link, kind } = event;
        // The last words of a link that was closed already are of no interest.
        if self.talk.links.get(link).is_none() {
            return;
        }
        match kind {
            UpstreamEventKind::Ready(welcome) => self.on_welcome(link, &welcome, false, now),
            UpstreamEventKind::Renewed(welcome) => self.on_welcome(link, &welcome, true, now),
            UpstreamEventKind::Frame { frame, carrier } => self.on_frame(link, carrier, &frame, now),
            UpstreamEventKind::Ended { id, error } => {
                if let Some(sent) = self.talk.requests.over(link, id) {
                    let instance = self.talk.links.get(link).map(|open| open.instance.clone());
                    let Some(instance) = instance else { return };
                    self.fail(link, &instance, id, sent.waiter, &error, now);
                }
            }
            UpstreamEventKind::Missed => {
                let doubted = self.talk.links.get(link).map(|open| (open.instance.generation, open.caller));
                if let Some((generation, caller)) = doubted {
                    self.doubt_lists(generation, caller, now);
                    self.restless = true;
                }
            }
            UpstreamEventKind::Suspect => {}
            UpstreamEventKind::Failed(error) => {
                self.talk.links.failed(link, now);
                self.close_link(link, &error, now);
            }
        }
    }

    /// The instance is there, or there again: it must know what the client wants of it.
    fn on_welcome(&mut self, link: LinkId, welcome: &Welcome, again: bool, now: Instant) {
        let Some(open) = self.talk.links.get_mut(link) else { return };
        let manners = Manners::of(welcome);
        let takes_level = manners.logs || manners.era.is_modern();
        open.manners = Some(manners);
        open.level = None;
        let (instance, caller) = (open.instance.clone(), open.caller);
        self.talk.links.welcomed(instance.generation, caller);
        if caller == Caller::Greeted
            && takes_level
            && let Some(params) =
                self.talk.level.clone().filter(|level| welcome.level.as_ref() != Some(level))
        {
            self.talk.ask(&instance, caller, method::LOGGING_SET_LEVEL, params.to_string(), Waiter::Nobody);
        }
        self.feeds.on_welcome(&mut self.talk, &self.operations, link, (&instance, caller));
        if again {
            self.doubt_lists(instance.generation, caller, now);
        }
        self.restless = true;
    }

    /// The lists of an instance may have changed unnoticed.
    fn doubt_lists(&mut self, generation: Generation, caller: Caller, now: Instant) {
        for kind in ListKind::WATCHED {
            self.lists.catalog.doubt(ListKey { generation, caller, kind }, now);
        }
    }

    /// A link is of no use any more: everything that waits on it is told so, at once.
    fn close_link(&mut self, link: LinkId, error: &ExchangeError, now: Instant) {
        for id in self.asking.questions.withdraw_all(link) {
            self.talk.emit(message::cancelled(&id, "the instance that asked is gone"));
        }
        let Some((closed, orphans)) = self.talk.close(link) else { return };
        self.feeds.on_closed(link);
        // What changes while there is no link is not heard of.
        self.doubt_lists(closed.instance.generation, closed.caller, now);
        for (number, waiter) in orphans {
            self.fail(link, &closed.instance, number, waiter, error, now);
        }
    }

    /// A request got no answer from its instance.
    fn fail(
        &mut self,
        link: LinkId,
        instance: &Instance,
        number: u64,
        waiter: Waiter,
        error: &ExchangeError,
        now: Instant,
    ) {
        self.asking.suspended.forget(number);
        match waiter {
            Waiter::Client(forwarded) => {
                self.talk.answer_failure(forwarded.ticket, &forwarded.shape, instance, error);
            }
            Waiter::Suspended(state) => {
                let outcome = asking::CallEnd::Failed(Box::new(instance.clone()), error.clone());
                self.asking.suspended.end(&state, outcome);
            }
            Waiter::Operation(ticket) => self.on_operation(ticket, number, (link, Err(error.clone())), now),
            Waiter::List(key) => self.on_list(key, number, Err(error.clone()), now),
            Waiter::Subscribed(uri) => self.feeds.on_restored(&self.talk, link, uri, Err(error), now),
            Waiter::Nobody => {}
        }
    }

    /// `carrier`: the request on whose stream it came.
    fn on_frame(&mut self, link: LinkId, carrier: Option<u64>, frame: &Frame, now: Instant) {
        // What a stream carries belongs to the link that it was opened on.
        let carrier =
            carrier.filter(|number| self.talk.requests.sent(*number).is_some_and(|sent| sent.link == link));
        let Some(caller) = self.talk.links.get(link).map(|open| open.caller) else { return };
        if let Some(Waiter::Operation(ticket)) =
            carrier.and_then(|number| self.talk.requests.sent(number)).map(|sent| &sent.waiter)
            && !matches!(frame.kind(), Kind::Response { .. })
        {
            self.operations.on_sign_of_work(*ticket);
        }
        let nulls = match frame.kind() {
            // What was asked says what may be null in it.
            Kind::Response { .. } => None,
            Kind::Request { .. } | Kind::Notification { .. } => nulls::left_out(frame, caller),
        };
        let frame = nulls.as_ref().unwrap_or(frame);
        match frame.kind() {
            Kind::Response { .. } => {
                let Some(number) = frame.numeric_id() else { return };
                let Some(sent) = self.talk.requests.over(link, number) else { return };
                self.asking.suspended.forget(number);
                match sent.waiter {
                    Waiter::Client(forwarded) => self.on_answer(link, *forwarded, frame, now),
                    Waiter::Suspended(state) => {
                        self.asking.suspended.end(&state, asking::CallEnd::Answered(frame.clone()));
                    }
                    Waiter::Operation(ticket) => {
                        self.on_operation(ticket, number, (link, Ok(frame.clone())), now);
                    }
                    Waiter::List(key) => self.on_list(key, number, Ok(frame.clone()), now),
                    Waiter::Subscribed(uri) => self.feeds.on_restored(&self.talk, link, uri, Ok(frame), now),
                    Waiter::Nobody => {}
                }
            }
            Kind::Request { .. } if caller == Caller::Greeted => {
                self.asking.on_question(&mut self.talk, link, frame);
            }
            Kind::Request { .. } => {
                self.asking.on_question_of_call(&mut self.talk, link, carrier, frame, now);
            }
            Kind::Notification { method } if **method == *method::PROGRESS => self.on_progress(link, frame),
            Kind::Notification { method } => {
                self.on_notification(link, caller, (carrier, method), frame, now);
            }
        }
    }

    /// An instance has answered a request of the client.
    fn on_answer(&mut self, link: LinkId, forwarded: Forwarded, frame: &Frame, now: Instant) {
        let Forwarded { ticket, shape, token, said, missing } = forwarded;
        if let Some(token) = token
            && shape.is_call()
            && self.talk.caller(ticket) == Caller::Greeted
            && owners::created(frame).is_some()
        {
            self.talk.requests.keep_token(link, token);
        }
        if self.asking.on_url_required(&mut self.talk, ticket, frame, &shape, said.as_ref(), now) {
            return;
        }
        if let Some(missing) = missing
            && has_failed(frame)
        {
            let data = format!(r#"{{"requiredCapabilities":{missing}}}"#);
            let text =
                format!("the request needs a capability of the client that it did not declare: {missing}");
            return self.talk.answer_error(ticket, code::MISSING_CAPABILITY, &text, Some(&data));
        }
        self.deliver(ticket, link, frame, shape);
    }

    /// An answer goes to the client as it is, but for what its shape and its client's era ask for.
    fn deliver(&mut self, ticket: Ticket, link: LinkId, frame: &Frame, shape: Shape) {
        let caller = self.talk.caller(ticket);
        // A call that was suspended may have been answered on a link that is closed by now.
        let open = self.talk.links.get(link);
        let known = open.map(|open| (open.instance.clone(), open.is_sloppy()));
        let Some((instance, is_sloppy)) = known else {
            let edits = self.talk.fit(ticket, link, frame);
            return self.talk.answer_with(ticket, frame, edits);
        };
        let nulls = if shape == Shape::Raw { None } else { nulls::left_out(frame, caller) };
        let frame = nulls.as_ref().unwrap_or(frame);
        let mend = match shape {
            Shape::Tool | Shape::Task if is_sloppy => quirks::mended_tool_result(frame),
            Shape::Prompt if is_sloppy => quirks::mended_prompt(frame),
            _ => None,
        };
        let frame = &edited(frame, mend.into_iter().collect());
        let ok = matches!(frame.kind(), Kind::Response { ok: true, .. });
        // Clients on the official SDKs throw such an answer away, and wait for ever.
        if let Some(result) = frame.result().filter(|result| !result.starts_with('{')) {
            let found = match result.as_bytes().first() {
                Some(b'n') => "null",
                Some(b'[') => "an array",
                Some(b'"') => "a text",
                Some(b't' | b'f') => "a boolean",
                _ => "a number",
            };
            let why = format!("its result must be an object, and is {found}");
            let error = ExchangeError { sent: Sent::Yes, reason: ExchangeReason::Invalid { why } };
            return self.talk.answer_failure(ticket, &shape, &instance, &error);
        }
        if ok
            && shape.is_call()
            && let Some(task) = owners::created(frame)
        {
            self.owners.learn(&task, &instance.alias);
        }
        let mut edits = Vec::new();
        match shape {
            Shape::Subscription { listed, original, on } => {
                if ok {
                    self.feeds.subscribe(&instance.alias, &original, &listed, on);
                }
            }
            Shape::Tool | Shape::Task | Shape::Prompt | Shape::Resource if ok => {
                let (view, naming) = (stage!(self).instances(caller), stage!(self).naming(caller));
                // What is connected alone needs no way back.
                let is_alone = matches!(view.as_slice(), [only] if only.generation == instance.generation);
                if naming != Naming::Own || !is_alone {
                    edits = self.lists.catalog.uri_edits(&view, caller, &instance, frame);
                }
                if !is_alone || self.lists.catalog.has_mentions() {
                    self.lists.catalog.note_mentions(frame, instance.generation);
                }
            }
            Shape::Tool | Shape::Task | Shape::Prompt | Shape::Resource | Shape::Plain | Shape::Raw => {}
        }
        edits.extend(self.talk.fit(ticket, link, frame));
        self.talk.answer_with(ticket, frame, edits);
    }

    /// Progress goes to the client under the token as it wrote it: some servers give `1` back for `1.0`.
    fn on_progress(&mut self, link: LinkId, frame: &Frame) {
        let Some(ProgressParams { token }) = frame.peek() else { return };
        let Some(original) = self.talk.requests.token(link, token.get()) else { return };
        let told = if original == token.get() {
            frame.whole()
        } else {
            frame.edited(vec![(frame.span_of(token.get()), original.to_owned())])
        };
        self.talk.emit(told);
    }

    fn on_notification(
        &mut self,
        link: LinkId,
        caller: Caller,
        (carrier, name): (Option<u64>, &str),
        frame: &Frame,
        now: Instant,
    ) {
        let Some(open) = self.talk.links.get(link) else { return };
        let instance = open.instance.clone();
        let (generation, alias) = (instance.generation, &instance.alias);
        match name {
            method::CANCELLED => self.asking.on_withdrawn(&mut self.talk, link, caller, frame),
            method::TOOLS_LIST_CHANGED | method::PROMPTS_LIST_CHANGED | method::RESOURCES_LIST_CHANGED => {
                for kind in ListKind::of_change(name) {
                    self.lists.on_said_changed(ListKey { generation, caller, kind: *kind }, now);
                }
                if name == method::RESOURCES_LIST_CHANGED {
                    self.feeds.on_resources_changed(link, now);
                }
                self.restless = true;
            }
            method::RESOURCES_UPDATED => {
                let view = stage!(self).instances(caller);
                let catalog = &mut self.lists.catalog;
                self.feeds.on_updated(&mut self.talk, (catalog, &view), (&instance, caller), frame);
            }
            _ if caller == Caller::Greeted => self.talk.emit(frame.whole()),
            // A client without a handshake may only be told what belongs to a request in flight (2026-07-28, transports,
            // stdio § Receiving Messages).
            method::MESSAGE => {
                if self.talk.requests.want_log(link, carrier, frame) {
                    self.talk.emit(frame.whole());
                }
            }
            // It belongs to a revision that the client does not speak.
            method::ELICITATION_COMPLETE => {}
            _ if carrier.is_some_and(|number| self.talk.requests.forwarded(number).is_some()) => {
                self.talk.emit(frame.whole());
            }
            _ => tracing::debug!(%alias, "a notification is dropped that belongs to no request: {name}"),
        }
    }

    // Listens.

    /// Opens a listen: the instances are subscribed to first, because only what they accept is acknowledged.
    fn listen(&mut self, ticket: Ticket, frame: Frame, waited: bool, now: Instant) {
        #[derive(Deserialize)]
        struct Params {
            notifications: Filter,
        }
        let Some(Params { notifications: filter }) = frame.peek() else {
            let text =
                "`subscriptions/listen` needs `notifications`, an object that says which ones are wanted";
            return self.talk.answer_error(ticket, code::INVALID_PARAMS, text, None);
        };
        if self.talk.requests.listens() + self.operations.opening_listens() >= MAX_LISTENS {
            let text = format!("{MAX_LISTENS} listens are open; cancel one of them first");
            return self.talk.answer_error(ticket, code::INTERNAL_ERROR, &text, None);
        }
        let uris = filter.resource_subscriptions.clone().unwrap_or_default();
        if uris.len() > MAX_URIS {
            let text = format!("a listen takes {MAX_URIS} resources at most");
            return self.talk.answer_error(ticket, code::INVALID_PARAMS, &text, None);
        }
        let theirs: BTreeSet<_> = uris.into_iter().filter(|uri| uri != INSTANCES_URI).collect();
        let caller = self.talk.caller(ticket);
        let mut wanted = Vec::new();
        for listed in theirs {
            match self.situation(caller, waited).locate(&listed) {
                Ok(owner) => {
                    let owned = stage!(self).instance(owner.generation);
                    wanted.extend(owned.map(|it| (it.clone(), listed, owner.original)));
                }
                Err(lists) if !lists.is_empty() => {
                    return self.wait_for_lists(ticket, lists, false, Then::Route(frame), now);
                }
                Err(_) => {
                    // What nobody lists can only be meant when there is no choice.
                    let mut active = self.snapshot.active();
                    let only = active.next().filter(|_| active.next().is_none());
                    wanted.extend(only.map(|it| (it.clone(), listed.clone(), listed.into_boxed_str())));
                }
            }
        }
        let mut opening = OpeningListen { filter, watched: Vec::new(), shared: Vec::new() };
        let mut asked = Vec::new();
        for (instance, listed, original) in wanted {
            // One subscription is enough for all listens of a caller.
            let is_shared = self.feeds.wanted(caller, &instance.alias).contains(&*original);
            let watched = Watched { listed, alias: (*instance.alias).into(), original };
            if is_shared {
                opening.shared.push(watched);
            } else {
                asked.push((instance, watched));
            }
        }
        let mut operation = Operation::listen(caller, opening, now);
        for (instance, watched) in asked {
            let params = json!({ "uri": &*watched.original }).to_string();
            let waiter = Waiter::Operation(ticket);
            let number = self.talk.ask(&instance, caller, method::RESOURCES_SUBSCRIBE, params, waiter);
            operation.subscribing(number, instance, watched);
        }
        let is_idle = operation.is_idle();
        self.begin(ticket, operation);
        if is_idle {
            self.finish(ticket, now);
        }
    }
}

/// A message with some spans replaced.
fn edited(frame: &Frame, edits: Vec<Edit>) -> Frame {
    if edits.is_empty() {
        return frame.clone();
    }
    Frame::parse(frame.edited(edits).join()).unwrap_or_else(|_| frame.clone())
}

/// Whether an answer says that what was asked could not be done.
fn has_failed(frame: &Frame) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Failed {
        #[serde(default)]
        is_error: bool,
    }
    match frame.kind() {
        Kind::Response { ok, .. } => {
            !ok || frame.peek_result::<Failed>().is_some_and(|failed| failed.is_error)
        }
        _ => false,
    }
}

/// The answer to what is no message.
fn unreadable(error: &FrameError) -> Parts {
    match error {
        FrameError::NotJson(_) => message::error(None, code::PARSE_ERROR, &error.to_string(), None),
        FrameError::NotJsonRpc { id, .. } => {
            message::error(id.as_deref(), code::INVALID_REQUEST, &error.to_string(), None)
        }
        FrameError::Batch => message::error(None, code::INVALID_REQUEST, "a batch inside a batch", None),
    }
}

#[cfg(test)]
pub(super) mod simulation;
