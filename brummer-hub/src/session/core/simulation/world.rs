//! The world around the core: virtual time, the client, the instances, and what was promised to them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Step, What,
    client::{Asked, LISTS, SimulatedClient, State, Taker, ensure},
    instances::{AskedQuestion, LinkLog, PLACES, Pending, Slot},
};
use crate::{
    frame::Frame,
    hub::tests::snapshot,
    instance::InstanceState,
    protocol::{code, method},
    session::{
        DRAIN, Input, SessionConfig, ToolsMode,
        core::{Core, Event},
        list_kind::ListKind,
        requests::Waiter,
        talk::Effect,
    },
    upstream::{ExchangeError, ExchangeReason, LinkId, Sent, UpstreamEvent, UpstreamEventKind},
};

/// One beginning for all worlds.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Longer than any pause of the core's, but for a client that does not come back.
const CALM: Duration = Duration::from_secs(31);

/// Longer than a client may take to come back.
const LONG: Duration = Duration::from_secs(601);

#[derive(Debug)]
pub(super) struct World {
    core: Core,
    now: Instant,
    setup: u32,
    client: SimulatedClient,
    slots: Vec<Slot>,
    lines: BTreeMap<LinkId, LinkLog>,
    generations: u64,
    marks: u64,
    batches: u64,
    settled: bool,
    ended: bool,
    /// Whether the next request finds a link that takes none.
    busy: bool,
    refusals: VecDeque<UpstreamEvent>,
    resolving: VecDeque<Vec<PathBuf>>,
    last_number: u64,
    last_link: u64,
    /// The items of each list as they came last on a link, and those of the first page while there are more.
    delivered: BTreeMap<(LinkId, &'static str), Vec<String>>,
    first_pages: BTreeMap<(LinkId, &'static str), Vec<String>>,
    trace: Option<Vec<String>>,
}

type Checked = Result<(), String>;

fn failed(sent: Sent) -> ExchangeError {
    ExchangeError { sent, reason: ExchangeReason::Closed }
}

fn answer(number: u64, body: Result<Value, Value>) -> Value {
    match body {
        Ok(result) => json!({"jsonrpc": "2.0", "id": number, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": number, "error": error}),
    }
}

fn error(code: i32) -> Value {
    json!({"code": code, "message": "no"})
}

fn pick<T: Clone>(all: &[T], at: u32) -> Option<T> {
    all.get(at as usize % all.len().max(1)).cloned()
}

impl World {
    pub(super) fn new(setup: u32, traced: bool) -> Self {
        let tools = [ToolsMode::Connected, ToolsMode::Connected, ToolsMode::All, ToolsMode::Hub];
        let config = SessionConfig {
            tools: Some(tools[(setup >> 5) as usize % 4]),
            auto_connect: setup & 0x80 != 0,
            working_directory: (setup & 0x100 != 0).then(|| "/p".into()),
            ..SessionConfig::default()
        };
        let slots = (0..PLACES.len()).map(|place| Slot::new(place, setup >> (9 + place) & 1 == 1));
        Self {
            core: Core::new(config),
            now: *BEGINNING,
            setup,
            client: SimulatedClient::new(setup),
            slots: slots.collect(),
            lines: BTreeMap::new(),
            generations: 0,
            marks: 0,
            batches: 0,
            settled: false,
            ended: false,
            busy: false,
            refusals: VecDeque::new(),
            resolving: VecDeque::new(),
            last_number: 0,
            last_link: 0,
            delivered: BTreeMap::new(),
            first_pages: BTreeMap::new(),
            trace: traced.then(Vec::new),
        }
    }

    /// What was said, line by line.
    pub(super) fn told(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    fn say(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let at = self.now.duration_since(*BEGINNING).as_millis();
            let line = format!("{at:>8} {}", text(self));
            self.trace.iter_mut().for_each(|trace| trace.push(line.clone()));
        }
    }

    // Events.

    fn feed(&mut self, event: Event) -> Checked {
        if self.ended {
            return Ok(());
        }
        self.say(|_| match &event {
            Event::Client(Input::Message(bytes)) => format!("client ─▶ {}", String::from_utf8_lossy(bytes)),
            Event::Link(UpstreamEvent { link, kind: UpstreamEventKind::Frame { frame, carrier } }) => {
                let text = String::from_utf8_lossy(frame.bytes());
                format!("         link {} ─▶ (on {carrier:?}) {text}", link.0)
            }
            Event::Link(UpstreamEvent { link, kind }) => format!("         link {} ─▶ {kind:?}", link.0),
            Event::Snapshot(snapshot) => {
                let all = snapshot
                    .instances
                    .iter()
                    .map(|it| format!("{}:{} {}", it.alias, it.generation.0, it.state));
                format!("instances {:?} settled {}", all.collect::<Vec<_>>(), snapshot.settled)
            }
            other => format!("{other:?}"),
        });
        let is_time = matches!(event, Event::Time);
        let effects: Vec<Effect> = self.core.on(event, self.now).collect();
        for effect in effects {
            self.perform(effect)?;
        }
        if is_time && !self.ended {
            let next = self.core.deadline();
            ensure!(next.is_none_or(|at| at > self.now), "after its time a deadline still lies in the past");
        }
        self.check()?;
        while let Some(refusal) = self.refusals.pop_front() {
            if let UpstreamEventKind::Ended { id, .. } = &refusal.kind
                && let Some(line) = self.lines.get_mut(&refusal.link)
                && let Some(gone) = line.drop_request(*id)
            {
                self.list_failed(refusal.link, &gone);
                self.feed(Event::Link(refusal))?;
            }
        }
        Ok(())
    }

    fn client_says(&mut self, message: Option<Value>) -> Checked {
        match message {
            Some(message) => self.feed(Event::Client(Input::Message(message.to_string().into()))),
            None => Ok(()),
        }
    }

    fn link_says(&mut self, link: LinkId, kind: UpstreamEventKind) -> Checked {
        self.feed(Event::Link(UpstreamEvent { link, kind }))
    }

    fn link_sends(&mut self, link: LinkId, carrier: Option<u64>, message: &Value) -> Checked {
        let frame = Frame::parse(message.to_string()).unwrap();
        self.link_says(link, UpstreamEventKind::Frame { frame, carrier })
    }

    fn instances_changed(&mut self) -> Checked {
        self.client.all_changed();
        let mut all = snapshot(self.slots.iter().filter_map(|slot| slot.running.clone()));
        all.settled = self.settled;
        self.feed(Event::Snapshot(Arc::new(all)))
    }

    /// Time passes, and what is due meanwhile is done.
    fn pass(&mut self, time: Duration) -> Checked {
        let until = self.now + time;
        while let Some(at) = self.core.deadline().filter(|at| *at <= until && !self.ended) {
            self.now = self.now.max(at);
            self.feed(Event::Time)?;
        }
        self.now = until;
        Ok(())
    }

    // Effects.

    fn perform(&mut self, effect: Effect) -> Checked {
        ensure!(!self.ended, "something follows the end: {effect:?}");
        match effect {
            Effect::Write(parts) => {
                let text = parts.join();
                self.say(|_| format!("client ◀─ {}", String::from_utf8_lossy(&text)));
                let message = serde_json::from_slice(&text).map_err(|error| format!("{error}: {text:?}"))?;
                self.client.hear(&message, self.now)
            }
            Effect::Open { link, instance, hello, .. } => {
                self.say(|_| {
                    format!(
                        "         link {} opens to {}:{} for {}",
                        link.0, instance.alias, instance.generation.0, hello.capabilities
                    )
                });
                ensure!(link.0 > self.last_link, "the number of a link is used twice");
                self.last_link = link.0;
                let slot = self.slots.iter().position(|slot| *slot.alias == *instance.alias);
                let slot = slot.ok_or("a link to an unknown instance")?;
                ensure!(
                    self.slots[slot].running.as_ref().is_some_and(|it| it.generation == instance.generation),
                    "a link to a life that is over"
                );
                let line = LinkLog::new(slot, instance.generation.0, hello);
                let twin = self
                    .lines
                    .values()
                    .any(|it| it.generation == line.generation && it.claims() == line.claims());
                ensure!(!twin, "two links of one caller to one life");
                self.lines.insert(link, line);
                Ok(())
            }
            Effect::Request { link, number, body, .. } => self.on_request(link, number, &body.join()),
            Effect::Send { link, body } => self.on_send(link, &body),
            Effect::Cancel { link, number, notification } => {
                self.say(|_| format!("         link {} ◀─ cancel {number}", link.0));
                let told: Value = serde_json::from_slice(&notification).map_err(|error| error.to_string())?;
                ensure!(
                    told["params"]["requestId"] == number,
                    "a cancellation names another request: {told}"
                );
                let line = self.lines.get_mut(&link).ok_or("a cancellation on a link that is not open")?;
                let gone = line.drop_request(number).ok_or("a cancellation of what is not under way")?;
                self.list_failed(link, &gone);
                Ok(())
            }
            Effect::Close(link) => {
                self.say(|_| format!("         link {} closes", link.0));
                ensure!(self.lines.remove(&link).is_some(), "a link is closed that is not open");
                self.delivered.retain(|(at, _), _| *at != link);
                Ok(())
            }
            Effect::Resolve(roots) => {
                self.resolving.push_back(roots);
                Ok(())
            }
            Effect::End => {
                self.say(|_| "the end".to_owned());
                self.ended = true;
                for (link, line) in &self.lines {
                    let left = line.pending.keys().collect::<Vec<_>>();
                    ensure!(left.is_empty(), "at the end {left:?} still run on link {}", link.0);
                }
                Ok(())
            }
        }
    }

    fn on_request(&mut self, link: LinkId, number: u64, body: &[u8]) -> Checked {
        self.say(|_| format!("         link {} ◀─ {}", link.0, String::from_utf8_lossy(body)));
        let message: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        ensure!(message["id"] == number, "a request with another id than its number: {message}");
        ensure!(number > self.last_number, "a number is used twice");
        self.last_number = number;
        let line = self.lines.get_mut(&link).ok_or("a request on a link that is not open")?;
        let kind = ListKind::of_method(message["method"].as_str().unwrap_or_default());
        let items = kind.map(|kind| self.slots[line.slot].items(kind)).unwrap_or_default();
        line.take(number, &message, items);
        let pending = &line.pending[&number];
        let (alias, mark) = (self.slots[line.slot].alias, pending.mark);
        if let (Some(mark), Some(uri)) = (mark, pending.params["uri"].as_str()) {
            self.client.takers.insert(mark, Taker { resource: (alias, uri.to_owned()), number });
        }
        // What is asked again in a new life has no mark, and is always taken.
        if self.busy && (mark.is_some() || ListKind::of_method(&pending.method).is_some()) {
            self.busy = false;
            let kind = UpstreamEventKind::Ended { id: number, error: failed(Sent::No) };
            self.refusals.push_back(UpstreamEvent { link, kind });
        }
        Ok(())
    }

    fn on_send(&mut self, link: LinkId, body: &[u8]) -> Checked {
        self.say(|_| format!("         link {} ◀─ {}", link.0, String::from_utf8_lossy(body)));
        let message: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let line = self.lines.get_mut(&link).ok_or("a message on a link that is not open")?;
        if message.get("method").is_some() {
            return Ok(());
        }
        let question = message["id"].as_u64().and_then(|id| line.questions.get_mut(&id));
        let question = question.ok_or_else(|| format!("an answer to a question of nobody: {message}"))?;
        ensure!(!question.answered, "a question is answered twice: {message}");
        question.answered = true;
        let about =
            [&message["result"]["q"], &message["error"]["data"]["q"]].into_iter().find_map(Value::as_u64);
        ensure!(about.is_none_or(|about| about == question.mark), "another question is answered: {message}");
        Ok(())
    }

    /// A request for a list comes to nothing: what it brings next is news.
    fn list_failed(&mut self, link: LinkId, gone: &Pending) {
        if let Some(kind) = ListKind::of_method(&gone.method) {
            self.delivered.remove(&(link, kind.method()));
        }
    }

    // Promises.

    /// What must hold at every moment.
    fn check(&self) -> Checked {
        if self.ended {
            return Ok(());
        }
        let talk = &self.core.talk;
        let links: Vec<_> = talk.links.iter().map(|(link, _)| link).collect();
        ensure!(links.iter().eq(self.lines.keys()), "the core has the links {links:?}");
        let mut sent: BTreeSet<(LinkId, u64)> =
            talk.requests.all_sent().map(|(number, sent)| (sent.link, number)).collect();
        for (link, line) in &self.lines {
            for number in line.pending.keys() {
                ensure!(
                    sent.remove(&(*link, *number)),
                    "nobody waits for {number} on link {}, and it still runs",
                    link.0
                );
            }
        }
        ensure!(sent.is_empty(), "the core waits for what is over: {sent:?}");
        for (number, sent) in talk.requests.all_sent() {
            let is_wanted = match &sent.waiter {
                Waiter::Client(forwarded) => talk.requests.to(forwarded.ticket).is_some(),
                Waiter::Operation(ticket) => self.core.operations.waits(*ticket, number),
                Waiter::List(key) => self.core.lists.catalog.is_asking(*key),
                Waiter::Suspended(_) | Waiter::Subscribed(_) | Waiter::Nobody => true,
            };
            ensure!(is_wanted, "nobody wants {number} any more, and it still runs");
        }
        // What is answered in a batch is held back until all of it is.
        let is_open = |it: &&Asked| matches!(it.state, State::Open | State::Listening);
        let (in_batches, others): (Vec<_>, Vec<_>) =
            self.client.asked.values().filter(is_open).partition(|it| it.batch.is_some());
        let known = talk.requests.len();
        ensure!(
            (others.len()..=others.len() + in_batches.len()).contains(&known),
            "the client waits for {} answers, and the core knows of {known}",
            others.len()
        );
        Ok(())
    }

    // Steps.

    pub(super) fn step(&mut self, Step { what, pick: at, how }: Step) -> Checked {
        if self.last_link == 0 && self.generations == 0 {
            self.begin()?;
        }
        match what {
            What::Ask => {
                let message = self.client.request(at, how, &self.tasks(), false);
                self.client_says(Some(message))
            }
            What::AskAgain => {
                let again = self.client.repeat(at);
                self.client_says(again)
            }
            What::Batch => self.batch(at, how),
            What::Cancel => {
                let cancelled = self.client.cancel(at);
                self.client_says(cancelled)
            }
            What::Note => self.note(at, how),
            What::Reply => {
                let reply = self.client.reply(at, how);
                self.client_says(reply)
            }
            What::Resume => {
                let resumed = self.client.resume(at, how);
                self.client_says(resumed)
            }
            What::Garbage => {
                let garbage = [
                    "",
                    "{",
                    "[]",
                    "[1]",
                    "[[]]",
                    "7",
                    r#"{"jsonrpc":"1.0","id":null}"#,
                    r#"{"id":{}}"#,
                    "\u{0}",
                ];
                let text = garbage[at as usize % garbage.len()];
                let input = if how & 7 == 0 {
                    Input::TooLong { limit: 7, id: None }
                } else {
                    Input::Message(text.into())
                };
                self.feed(Event::Client(input))
            }
            What::Welcome => match self.any_link(at) {
                Some(link) => self.welcome(link),
                None => Ok(()),
            },
            What::Renew => self.renew(at),
            What::Answer => match self.any_pending(at) {
                Some((link, number, _)) => self.answer(link, number, how),
                None => Ok(()),
            },
            What::AnswerTwice => {
                let Some(link) = self.any_link(at) else { return Ok(()) };
                let Some(number) = pick(&self.lines[&link].answered, how) else { return Ok(()) };
                self.link_sends(link, None, &answer(number, Ok(json!({"text": "spoof"}))))
            }
            What::End => self.end_one(at, how),
            What::Progress => self.progress(at, how),
            What::Question => self.question(at, how),
            What::Withdraw => self.withdraw(at, how),
            What::Tell => self.tell(at, how),
            What::Spoof => self.spoof(at, how),
            What::FailLink => {
                let Some(link) = self.any_link(at) else { return Ok(()) };
                let slot = self.lines[&link].slot;
                self.link_says(link, UpstreamEventKind::Failed(failed(Sent::Unknown)))?;
                // What changes now is not heard of on that link.
                let slot = u32::try_from(slot).unwrap_or_default();
                if how & 1 == 0 { self.change(slot, how >> 1, true) } else { Ok(()) }
            }
            What::Miss => self.miss(at, how),
            What::Change => self.change(at, how, true),
            What::Start | What::Kill | What::Restart | What::Stall => self.life(what, at, how),
            What::Roots => match self.resolving.pop_front() {
                Some(roots) => {
                    self.client.all_changed();
                    self.feed(Event::Roots(roots))
                }
                None => Ok(()),
            },
            What::Pass => {
                let times = [1, 20, 20, 300, 300, 1000, 3000, 6000, 6000, 40_000, 601_000];
                self.pass(Duration::from_millis(times[how as usize % times.len()]))
            }
        }
    }

    /// Mostly something runs already when a client comes, and it greets at once.
    fn begin(&mut self) -> Checked {
        self.settled = self.setup >> 12 & 7 != 0;
        for place in 0..self.slots.len() {
            if self.setup >> (15 + place) & 1 == 0 {
                self.generations += 1;
                self.slots[place].start(self.generations);
            }
        }
        self.generations += 1;
        self.instances_changed()?;
        if self.client.has_handshake() && self.setup >> 18 & 7 != 0 {
            let greeting = self.client.greeting();
            self.client_says(greeting)?;
            if self.setup >> 21 & 3 != 0 {
                self.initialized()?;
            }
        }
        Ok(())
    }

    fn initialized(&mut self) -> Checked {
        self.client.ready = true;
        self.client_says(Some(json!({"jsonrpc": "2.0", "method": method::INITIALIZED})))
    }

    fn tasks(&self) -> Vec<String> {
        self.slots.iter().flat_map(|slot| slot.tasks.clone()).collect()
    }

    fn any_link(&self, at: u32) -> Option<LinkId> {
        pick(&self.lines.keys().copied().collect::<Vec<_>>(), at)
    }

    fn any_pending(&self, at: u32) -> Option<(LinkId, u64, Pending)> {
        let all = self
            .lines
            .iter()
            .flat_map(|(link, line)| line.pending.iter().map(move |(number, it)| (*link, *number, it)));
        let all: Vec<_> = all.collect();
        pick(&all, at).map(|(link, number, it)| (link, number, it.clone()))
    }

    fn batch(&mut self, at: u32, how: u32) -> Checked {
        if !self.client.greeted || self.client.version != "2025-03-26" {
            return Ok(());
        }
        self.batches += 1;
        let tasks = self.tasks();
        let mut messages = Vec::new();
        for part in 0..1 + how % 4 {
            let message =
                self.client.request(at.rotate_left(part * 5), how.rotate_left(part * 7), &tasks, true);
            let id = message["id"].to_string();
            self.client.asked.get_mut(&id).unwrap().batch = Some(self.batches);
            messages.push(message);
        }
        if how & 64 == 0 {
            messages.push(json!({"jsonrpc": "2.0", "method": "notifications/odd"}));
        }
        self.client_says(Some(messages.into()))
    }

    fn note(&mut self, at: u32, how: u32) -> Checked {
        if self.client.has_handshake() && !self.client.greeted {
            let greeting = self.client.greeting();
            return self.client_says(greeting);
        }
        if self.client.greeted && !self.client.ready {
            return self.initialized();
        }
        let message = match how % 4 {
            0 if self.client.ready => json!({"jsonrpc": "2.0", "method": method::ROOTS_LIST_CHANGED}),
            1 => {
                let ids: Vec<_> = self.client.questions.keys().cloned().collect();
                let Some(id) = pick(&ids, at) else { return Ok(()) };
                let id: Value = serde_json::from_str(&id).unwrap();
                json!({"jsonrpc": "2.0", "method": method::PROGRESS, "params": {"progressToken": id, "progress": 1}})
            }
            2 => json!({"jsonrpc": "2.0", "method": "notifications/odd", "params": {}}),
            _ => json!({"jsonrpc": "2.0", "method": method::CANCELLED, "params": {"requestId": "nothing"}}),
        };
        self.client_says(Some(message))
    }

    fn welcome(&mut self, link: LinkId) -> Checked {
        let Some(line) = self.lines.get_mut(&link).filter(|line| !line.welcomed) else { return Ok(()) };
        line.welcomed = true;
        // Only now it gets what was waiting for it.
        for pending in line.pending.values_mut() {
            let kind = ListKind::of_method(&pending.method);
            pending.items = kind.map(|kind| self.slots[line.slot].items(kind)).unwrap_or_default();
        }
        let welcome = self.slots[line.slot].welcome();
        self.link_says(link, UpstreamEventKind::Ready(welcome))
    }

    /// The instance forgets a session, and whatever was under way that it would have kept.
    fn renew(&mut self, at: u32) -> Checked {
        let Some(link) = self.any_link(at).filter(|link| self.lines[link].welcomed) else { return Ok(()) };
        let is_kept = |name: &str| {
            [method::RESOURCES_SUBSCRIBE, method::RESOURCES_UNSUBSCRIBE, method::LOGGING_SET_LEVEL]
                .contains(&name)
        };
        let kept = self.lines[&link].pending.iter().filter(|(_, it)| is_kept(&it.method));
        for number in kept.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.fail_request(link, number, Sent::Unknown)?;
        }
        let Some(line) = self.lines.get_mut(&link) else { return Ok(()) };
        line.forget();
        let welcome = self.slots[line.slot].welcome();
        self.link_says(link, UpstreamEventKind::Renewed(welcome))
    }

    fn fail_request(&mut self, link: LinkId, number: u64, sent: Sent) -> Checked {
        let Some(line) = self.lines.get_mut(&link) else { return Ok(()) };
        let Some(gone) = line.drop_request(number) else { return Ok(()) };
        self.list_failed(link, &gone);
        self.link_says(link, UpstreamEventKind::Ended { id: number, error: failed(sent) })
    }

    fn end_one(&mut self, at: u32, how: u32) -> Checked {
        if how & 7 == 0 {
            self.busy = true;
            return Ok(());
        }
        let Some((link, number, pending)) = self.any_pending(at) else { return Ok(()) };
        if pending.method == method::RESOURCES_SUBSCRIBE && pending.mark.is_none() {
            return Ok(());
        }
        self.fail_request(link, number, if how & 8 == 0 { Sent::No } else { Sent::Unknown })
    }

    /// An instance answers: as it should, if `how` is 0.
    fn answer(&mut self, link: LinkId, number: u64, how: u32) -> Checked {
        self.welcome(link)?;
        let Some(line) = self.lines.get_mut(&link) else { return Ok(()) };
        let Some(pending) = line.pending.get(&number).cloned() else { return Ok(()) };
        let (slot, is_modern) = (line.slot, line.claims().is_some());
        let Pending { method, params, mark, token, items } = pending;
        let about = mark.map(|mark| format!("m={mark}")).unwrap_or_default();
        let text = json!([{"type": "text", "text": about}]);
        let uri = params["uri"].as_str().unwrap_or_default();
        let name = params["name"].as_str().unwrap_or_default();
        let odd = if how == 0 { 0 } else { how % 16 };
        let place = &self.slots[slot];
        let mut task = None;
        let body = if let Some(kind) = ListKind::of_method(&method) {
            match odd {
                1 | 2 => Err(error(-32000)),
                3 => Ok(json!({"odd": true})),
                _ => Ok(self.list(link, &items, kind, &params, how)),
            }
        } else {
            match method.as_str() {
                method::TOOLS_CALL if name == "nothing" => Err(error(code::INVALID_PARAMS)),
                method::TOOLS_CALL => match odd {
                    1 => Err(error(-32000)),
                    2 => Ok(json!({"content": text, "isError": true})),
                    3 if !is_modern => {
                        let id = format!("task-{number}");
                        task = Some(id.clone());
                        Ok(json!({"task": {"taskId": id, "status": "working"}}))
                    }
                    4 | 5 if is_modern => {
                        let urls = json!([{"mode": "url", "url": "https://x/", "message": "?", "elicitationId": "7"}]);
                        Err(
                            json!({"code": code::URL_ELICITATION_REQUIRED, "message": "visit", "data": {"elicitations": urls}}),
                        )
                    }
                    6 => Err(error(code::URL_ELICITATION_REQUIRED)),
                    7 => Ok(
                        json!({"content": [{"type": "resource_link", "uri": "file:///shared", "name": about}]}),
                    ),
                    _ => Ok(json!({"content": text})),
                },
                method::PROMPTS_GET => Ok(json!({"messages": [{"role": "user", "content": text[0]}]})),
                method::RESOURCES_READ => {
                    let has = place.items(ListKind::Resources).iter().any(|it| it["uri"] == *uri)
                        || uri.starts_with(&format!("t://{}/", place.alias));
                    match odd {
                        _ if !has => Err(error(code::RESOURCE_NOT_FOUND)),
                        1 => Err(error(code::METHOD_NOT_FOUND)),
                        _ => Ok(json!({"contents": [{"uri": uri, "text": about}]})),
                    }
                }
                method::TASKS_GET | method::TASKS_CANCEL | method::TASKS_RESULT => {
                    let id = params["taskId"].as_str().unwrap_or_default();
                    if place.tasks.iter().any(|task| task == id) {
                        Ok(json!({"taskId": id, "status": "working"}))
                    } else {
                        Err(error(code::INVALID_PARAMS))
                    }
                }
                method::RESOURCES_SUBSCRIBE
                    if uri.starts_with("x://") && uri != format!("x://{}", place.alias)
                        || odd == 1 && mark.is_some() =>
                {
                    Err(error(code::RESOURCE_NOT_FOUND))
                }
                "odd/method" if slot == 0 => Err(error(code::METHOD_NOT_FOUND)),
                _ => Ok(json!({"text": about})),
            }
        };
        let is_list = ListKind::of_method(&method).is_some();
        let Some(line) = self.lines.get_mut(&link) else { return Ok(()) };
        let gone = if body.is_err() { line.drop_request(number) } else { line.pending.remove(&number) };
        line.answered.push(number);
        if let (Some(id), Some(line)) = (task, self.lines.get_mut(&link)) {
            line.task_tokens.extend(token.zip(mark));
            self.slots[slot].tasks.push(id);
        }
        if is_list
            && (body.is_err() || odd == 3)
            && let Some(gone) = &gone
        {
            self.list_failed(link, gone);
        }
        self.link_sends(link, Some(number), &answer(number, body))
    }

    /// A page of a list; it notes what is news in it.
    fn list(&mut self, link: LinkId, items: &[Value], kind: ListKind, params: &Value, how: u32) -> Value {
        let key = (link, kind.method());
        let is_news = if params.get("cursor").is_none() && how & 16 != 0 && items.len() > 1 {
            let (first, _) = items.split_at(1 + how as usize % (items.len() - 1));
            self.first_pages.insert(key, first.iter().map(Value::to_string).collect());
            return json!({kind.member(): first, "nextCursor": first.len().to_string()});
        } else {
            let at = params["cursor"].as_str().and_then(|at| at.parse().ok()).unwrap_or(0_usize);
            let rest = items.get(at..).unwrap_or_default();
            let first = if at == 0 { Vec::new() } else { self.first_pages.remove(&key).unwrap_or_default() };
            let all: Vec<_> = first.into_iter().chain(rest.iter().map(Value::to_string)).collect();
            let is_news = self.delivered.get(&key) != Some(&all);
            self.delivered.insert(key, all);
            (is_news, json!({kind.member(): rest}))
        };
        if is_news.0 {
            self.client.changed(kind);
        }
        is_news.1
    }

    fn progress(&mut self, at: u32, how: u32) -> Checked {
        let Some(link) = self.any_link(at) else { return Ok(()) };
        let line = &self.lines[&link];
        let of_calls =
            line.pending.iter().filter_map(|(number, it)| Some((Some(*number), it.token.clone()?, it.mark?)));
        let of_tasks = line.task_tokens.iter().map(|(token, mark)| (None, token.clone(), *mark));
        let all: Vec<_> = of_calls.chain(of_tasks).collect();
        let Some((carrier, token, mark)) = pick(&all, how >> 1) else { return Ok(()) };
        // Some write `7` for `7.0`.
        let token = match token.as_f64().filter(|_| how & 1 == 0) {
            Some(number) => serde_json::from_str(&format!("{number:.0}")).unwrap(),
            None => token,
        };
        let params = json!({"progressToken": token, "progress": 1, "message": format!("m={mark}")});
        self.link_sends(
            link,
            carrier,
            &json!({"jsonrpc": "2.0", "method": method::PROGRESS, "params": params}),
        )
    }

    fn question(&mut self, at: u32, how: u32) -> Checked {
        let Some(link) = self.any_link(at) else { return Ok(()) };
        self.welcome(link)?;
        let foreign = self.any_pending(how).map(|(_, number, _)| number);
        let Some(line) = self.lines.get_mut(&link) else { return Ok(()) };
        self.marks += 1;
        let mark = self.marks;
        let id = line.questions.len() as u64;
        line.questions.insert(id, AskedQuestion { mark, answered: false, withdrawn: false });
        let own = pick(&line.pending.keys().copied().collect::<Vec<_>>(), how >> 4);
        let carrier = match how & 7 {
            0 => foreign,
            1 => None,
            _ => own,
        };
        let name = [method::ELICITATION, method::ELICITATION, method::SAMPLING, method::ROOTS_LIST]
            [(how >> 8) as usize % 4];
        let mut params = json!({"q": mark});
        if how >> 10 & 1 == 0 {
            params["_meta"] = json!({"progressToken": id});
        }
        self.link_sends(link, carrier, &json!({"jsonrpc": "2.0", "id": id, "method": name, "params": params}))
    }

    fn withdraw(&mut self, at: u32, how: u32) -> Checked {
        let Some(link) = self.any_link(at) else { return Ok(()) };
        let Some(line) = self.lines.get_mut(&link) else { return Ok(()) };
        let ids: Vec<_> = line.questions.keys().copied().collect();
        let Some(id) = pick(&ids, how) else { return Ok(()) };
        line.questions.entry(id).and_modify(|question| question.withdrawn = true);
        self.link_sends(
            link,
            None,
            &json!({"jsonrpc": "2.0", "method": method::CANCELLED, "params": {"requestId": id}}),
        )
    }

    fn tell(&mut self, at: u32, how: u32) -> Checked {
        let Some(link) = self.any_link(at).filter(|link| self.lines[link].welcomed) else { return Ok(()) };
        let line = &self.lines[&link];
        let own = pick(&line.pending.keys().copied().collect::<Vec<_>>(), how >> 8);
        let subscribed: Vec<_> = line.subscribed.keys().cloned().collect();
        let uri = pick(&subscribed, how >> 4)
            .filter(|_| how & 8 == 0)
            .unwrap_or_else(|| "file:///shared".to_owned());
        let (name, params) = match how % 8 {
            0 => (method::TOOLS_LIST_CHANGED, json!({})),
            1 => (method::RESOURCES_LIST_CHANGED, json!({})),
            2 => (method::PROMPTS_LIST_CHANGED, json!({})),
            3 | 4 => (method::RESOURCES_UPDATED, json!({"uri": uri})),
            5 => (method::MESSAGE, json!({"level": "error", "data": "x"})),
            6 => (method::TASKS_STATUS, json!({"taskId": "t"})),
            _ => ("notifications/odd", json!({})),
        };
        let carrier = own.filter(|_| how & 0x100 == 0);
        self.link_sends(link, carrier, &json!({"jsonrpc": "2.0", "method": name, "params": params}))
    }

    /// An instance says what only another one may say.
    fn spoof(&mut self, at: u32, how: u32) -> Checked {
        let Some((victim, number, pending)) = self.any_pending(at) else { return Ok(()) };
        let others: Vec<_> = self.lines.keys().copied().filter(|link| *link != victim).collect();
        let Some(link) = pick(&others, how >> 4) else { return Ok(()) };
        let lie = json!({"content": [{"type": "text", "text": "spoof"}], "tools": [{"name": "spoof", "inputSchema": {}}]});
        match how % 5 {
            0 | 1 => self.link_sends(link, Some(number), &answer(number, Ok(lie))),
            2 => self.link_says(link, UpstreamEventKind::Ended { id: number, error: failed(Sent::Yes) }),
            3 => {
                let Some(token) = pending.token else { return Ok(()) };
                let params = json!({"progressToken": token, "progress": 1, "message": "spoof"});
                self.link_sends(
                    link,
                    Some(number),
                    &json!({"jsonrpc": "2.0", "method": method::PROGRESS, "params": params}),
                )
            }
            _ => {
                // It withdraws what it has not asked.
                let id = self.lines[&link].questions.len();
                self.link_sends(
                    link,
                    None,
                    &json!({"jsonrpc": "2.0", "method": method::CANCELLED, "params": {"requestId": id}}),
                )
            }
        }
    }

    /// The stream of a link was gone for a while, in which a list may have changed.
    fn miss(&mut self, at: u32, how: u32) -> Checked {
        let Some(link) = self.any_link(at).filter(|link| self.lines[link].welcomed) else { return Ok(()) };
        let slot = self.lines[&link].slot;
        if how & 1 == 0 {
            self.change(u32::try_from(slot).unwrap_or_default(), how >> 1, false)?;
        }
        let generation = self.lines[&link].generation;
        let of_life = |(_, line): &(&LinkId, &LinkLog)| line.generation == generation && line.welcomed;
        let links: Vec<_> = self.lines.iter().filter(of_life).map(|(link, _)| *link).collect();
        // All streams to it were, or one link would hear what the others miss.
        for link in links {
            if self.lines.contains_key(&link) {
                self.link_says(link, UpstreamEventKind::Missed)?;
            }
        }
        Ok(())
    }

    fn change(&mut self, at: u32, how: u32, is_told: bool) -> Checked {
        let slot = at as usize % self.slots.len();
        let kind = LISTS[how as usize % 4];
        let Some(generation) = self.slots[slot].running.as_ref().map(|it| it.generation.0) else {
            return Ok(());
        };
        self.slots[slot].change(kind);
        if !is_told {
            return Ok(());
        }
        let told = json!({"jsonrpc": "2.0", "method": kind.changed()});
        let links: Vec<_> = self
            .lines
            .iter()
            .filter(|(_, line)| line.generation == generation && line.welcomed)
            .map(|(link, _)| *link)
            .collect();
        for link in links {
            // Some say it more than once.
            for _ in 0..1 + (how >> 4) % 3 {
                if self.lines.contains_key(&link) {
                    self.link_sends(link, None, &told)?;
                }
            }
        }
        Ok(())
    }

    fn life(&mut self, what: What, at: u32, how: u32) -> Checked {
        let at = at as usize % self.slots.len();
        let slot = &mut self.slots[at];
        self.settled |= how & 1 == 0;
        match what {
            What::Kill => slot.running = None,
            What::Stall => {
                let state = if slot.is_active() { InstanceState::Retrying } else { InstanceState::Active };
                slot.set_state(state);
            }
            What::Start if slot.running.is_some() => {}
            _ => {
                self.generations += 1;
                slot.start(self.generations);
                // Some take their time to come up.
                if how & 6 == 6 {
                    slot.set_state(InstanceState::Connecting);
                }
            }
        }
        self.instances_changed()
    }

    // The end.

    /// All calms down, and what was promised must have come true; then the session ends in one of its ways.
    pub(super) fn end(&mut self) -> Checked {
        let how = self.setup >> 24;
        if how & 3 != 0 {
            self.calm()?;
            self.check_calm()?;
        }
        match how >> 2 & 3 {
            0 | 1 => self.feed(Event::Stop)?,
            2 => {
                self.feed(Event::InputEnded)?;
                self.pass(DRAIN)?;
            }
            _ => {
                self.slots.iter_mut().for_each(|slot| slot.running = None);
                self.settled = true;
                self.instances_changed()?;
                ensure!(self.lines.is_empty(), "links to what is gone");
                ensure!(self.core.lists.catalog.len() == 0, "lists of what is gone");
                self.feed(Event::InputEnded)?;
                self.pass(DRAIN)?;
            }
        }
        ensure!(self.ended, "the session does not end");
        let due = self.client.due().into_iter().map(|it| it.message.to_string()).collect::<Vec<_>>();
        ensure!(how & 3 == 0 || due.is_empty(), "at the end there is no answer to {due:?}");
        Ok(())
    }

    /// Instances answer everything, the client too, until nobody waits for anything.
    fn calm(&mut self) -> Checked {
        self.busy = false;
        self.settled = true;
        for slot in &mut self.slots {
            slot.set_state(InstanceState::Active);
        }
        self.instances_changed()?;
        if self.client.has_handshake() && !self.client.greeted {
            let greeting = self.client.greeting();
            self.client_says(greeting)?;
        }
        if self.client.greeted && !self.client.ready {
            self.initialized()?;
        }
        for round in 0..6 {
            self.settle()?;
            self.pass(if round == 2 { LONG } else { CALM })?;
        }
        self.settle()
    }

    /// What can be said without time passing is said.
    fn settle(&mut self) -> Checked {
        for _ in 0..500 {
            if let Some(link) = self.lines.iter().find(|(_, line)| !line.welcomed).map(|(link, _)| *link) {
                self.welcome(link)?;
            } else if let Some((link, number, _)) = self.any_pending(0) {
                self.answer(link, number, 0)?;
            } else if let Some(reply) = self.client.reply(0, 1) {
                self.client_says(Some(reply))?;
            } else if let Some(roots) = self.resolving.pop_front() {
                self.client.all_changed();
                self.feed(Event::Roots(roots))?;
            } else {
                return Ok(());
            }
        }
        Err("it does not come to rest".to_owned())
    }

    /// What must hold when nobody waits for anything.
    fn check_calm(&mut self) -> Checked {
        let due = self.client.due().into_iter().map(|it| it.message.to_string()).collect::<Vec<_>>();
        ensure!(due.is_empty(), "there is no answer to {due:?}");
        ensure!(self.core.deadline().is_none(), "something is due, and nobody waits for anything");
        for (link, line) in &self.lines {
            for question in line.questions.values() {
                let is_told = self.client.heard.contains(&question.mark) || question.withdrawn;
                ensure!(
                    line.claims().is_some() || is_told,
                    "the client was never asked what link {} asks",
                    link.0
                );
                ensure!(
                    line.claims().is_some() || question.answered || question.withdrawn,
                    "a question of link {} has no answer",
                    link.0
                );
            }
        }
        self.check_wants()?;
        self.check_lists()?;
        let left = [
            self.core.talk.requests.left(),
            self.core.operations.len(),
            self.core.asking.suspended.len(),
            self.core.asking.questions.len(),
        ];
        ensure!(left == [0; 4], "something is left of what is over: {left:?}");
        Ok(())
    }

    /// What the client wants of an instance, its present life knows.
    fn check_wants(&self) -> Checked {
        let line = |alias: &str, claim: Option<&str>| {
            let slot = self.slots.iter().find(|slot| slot.alias == alias)?;
            let generation = slot.running.as_ref()?.generation.0;
            let found = self.lines.values().find(|line| {
                line.generation == generation && line.claims().map(canonical) == claim.map(canonical)
            });
            Some(found.map(|line| (&line.subscribed, &line.level)))
        };
        for (alias, uri) in &self.client.subscribed {
            if let Some(line) = line(alias, None) {
                let knows = line.is_some_and(|(subscribed, _)| subscribed.contains_key(uri));
                ensure!(knows, "`{alias}` does not know that the client wants to hear of {uri}");
            }
        }
        for (listen, uris) in self.client.listened() {
            for (alias, _) in PLACES {
                let claim = super::client::CLAIMS[listen.claim.unwrap_or_default()];
                let uri = format!("x://{alias}");
                if let Some(line) = line(alias, Some(claim)).filter(|_| uris.contains(&&*uri)) {
                    let knows = line.is_some_and(|(subscribed, _)| subscribed.contains_key(&uri));
                    ensure!(knows, "`{alias}` does not know that a listen wants to hear of {uri}");
                }
            }
        }
        let level =
            self.core.talk.level.as_deref().map(|params| serde_json::from_str::<Value>(params).unwrap());
        if let Some(level) = level {
            for line in self.lines.values().filter(|line| line.claims().is_none()) {
                ensure!(
                    line.level.as_deref() == level["level"].as_str(),
                    "a link has the level {:?}",
                    line.level
                );
            }
        }
        Ok(())
    }

    /// What a client was shown is still so, or it was told.
    fn check_lists(&mut self) -> Checked {
        let shown: Vec<_> = self.client.shown.iter().map(|(key, shown)| (*key, shown.clone())).collect();
        for ((who, name), before) in shown {
            let kind = ListKind::of_method(name).unwrap();
            let Some(items) = before.items.filter(|_| !before.told && kind != ListKind::Tasks) else {
                continue;
            };
            let flag = match kind {
                ListKind::Tools => "toolsListChanged",
                ListKind::Prompts => "promptsListChanged",
                _ => "resourcesListChanged",
            };
            let listens = || {
                self.client.listened().any(|(it, _)| it.claim == who && it.message["honoured"][flag] == true)
            };
            if who.is_none() && !self.client.ready || who.is_some() && !listens() {
                continue;
            }
            let again = self.client.again(name, who);
            self.client_says(Some(again))?;
            self.settle()?;
            let after = self.client.shown.get(&(who, name)).and_then(|shown| shown.items.clone());
            ensure!(
                after.as_ref() == Some(&items),
                "{name} of {who:?} has changed and was not announced: {items:?} -> {after:?}"
            );
        }
        Ok(())
    }
}

/// Capabilities with their members in order.
fn canonical(text: &str) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap();
    value.sort_all_objects();
    value.to_string()
}
