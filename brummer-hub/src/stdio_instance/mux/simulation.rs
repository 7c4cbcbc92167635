//! Clients and a server that do whatever comes into their heads, in virtual time; after each step the promises of the mux are
//! checked from outside. All clients use the same ids and progress tokens.
//!
//! `BRUMMER_SCHEDULES` says how many schedules are tried, `BRUMMER_SEED` from which seed on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;

const SCHEDULES: u64 = 400;
const STEPS: usize = 150;
const CLIENTS: u64 = 4;

/// A request of a client, as the world knows it.
#[derive(Debug)]
struct Asked {
    client: ClientKey,
    id: String,
    token: Option<Value>,
    /// To which life it was written.
    written: Option<Life>,
    answered: bool,
    /// Cancelled, abandoned, or of a client that has gone.
    dropped: bool,
    is_call: bool,
}

/// What a life of the server got and has not answered.
#[derive(Debug)]
struct Owed {
    number: Value,
    method: String,
    ticket: Option<MuxTicket>,
    token: Option<Value>,
}

#[derive(Debug)]
struct World {
    rng: fastrand::Rng,
    mux: Mux,
    now: Instant,
    tickets: u64,
    open: BTreeSet<ClientKey>,
    opened: u64,
    asked: BTreeMap<MuxTicket, Asked>,
    alive: Option<Life>,
    stopping: bool,
    owed: Vec<Owed>,
    questions: u64,
    /// Questions that clients hold: the number they see, and the server's id.
    put: Vec<(ClientKey, Value, Value)>,
    /// Which client the answer to a question of the server must come from.
    expected: BTreeMap<String, ClientKey>,
    subscribed: BTreeSet<String>,
    lists: u64,
    trace: Vec<String>,
    /// It was told to learn what the server offers, and has not started it for that.
    learns: bool,
}

fn frame(value: &Value) -> Frame {
    Frame::parse(value.to_string()).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let sharing = if rng.u8(..5) == 0 { Sharing::PerSession } else { Sharing::Shared };
        let rules = Rules {
            sharing,
            idle: Some(Duration::from_secs(60)),
            start: Duration::from_secs(30),
            name: "scripted".into(),
        };
        let known = Inventory::new(r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}"#);
        let inventory = known.filter(|_| rng.bool());
        Self {
            mux: Mux::new(rules, inventory),
            rng,
            now: Instant::now(),
            tickets: 0,
            open: BTreeSet::new(),
            opened: 0,
            asked: BTreeMap::new(),
            alive: None,
            stopping: false,
            owed: Vec::new(),
            questions: 0,
            put: Vec::new(),
            expected: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            lists: 0,
            trace: Vec::new(),
            learns: false,
        }
    }

    fn on(&mut self, event: Event) {
        self.trace.push(format!("{event:?}"));
        let effects = self.mux.on(event, self.now);
        for effect in effects {
            self.trace.push(format!("  {effect:?}"));
            self.check(effect);
        }
        if let (Some(deadline), true) = (self.mux.deadline(), self.alive.is_none()) {
            assert!(deadline + Duration::from_secs(1) > self.now, "a deadline in the past is no deadline");
        }
    }

    fn check(&mut self, effect: Effect) {
        match effect {
            Effect::Start(life) => {
                assert_eq!(self.alive, None, "one process at a time");
                let waits = self.asked.values().any(|it| !it.answered && !it.dropped);
                let subscribes = self.mux.clients.values().any(|client| !client.subscribed.is_empty());
                let learns = std::mem::take(&mut self.learns);
                assert!(waits || subscribes || learns, "it is started for somebody, or once to learn");
                self.alive = Some(life);
                self.stopping = false;
                self.subscribed.clear();
            }
            Effect::Stop(life) => {
                assert_eq!(self.alive, Some(life));
                self.stopping = true;
            }
            Effect::Write(life, parts) => {
                assert_eq!(self.alive, Some(life), "nothing is written to a life that is over");
                let value: Value = serde_json::from_slice(&parts.join()).unwrap();
                self.written(life, &value);
            }
            Effect::Answer(ticket, parts) => {
                let value: Value = serde_json::from_slice(&parts.join()).unwrap();
                let asked = self.asked.get_mut(&ticket).expect("it was asked");
                assert!(!asked.answered && !asked.dropped, "one answer, and none after the cancellation");
                asked.answered = true;
                assert_eq!(value["id"].to_string(), asked.id, "under the client's own id");
                let failure = &value["result"]["_meta"]["brummer-hub/failure"];
                let sent = value["error"]["data"]["sent"].as_str().or(failure["sent"].as_str());
                if let Some(sent) = sent {
                    assert_eq!(sent == "yes", asked.written.is_some(), "{value}");
                    assert_eq!(failure.is_object(), asked.is_call, "{value}");
                } else if asked.is_call && value.get("error").is_none() {
                    assert_eq!(value["result"]["of"], ticket.0, "the answer to this request");
                }
            }
            Effect::Tell(ticket, parts) => {
                let value: Value = serde_json::from_slice(&parts.join()).unwrap();
                let asked = &self.asked[&ticket];
                assert!(!asked.answered && !asked.dropped, "before the answer");
                let client = asked.client;
                if value["method"] == "notifications/progress" {
                    assert_eq!(Some(&value["params"]["progressToken"]), asked.token.as_ref());
                    assert_eq!(value["params"]["message"], ticket.0);
                } else {
                    self.told(client, &value);
                }
            }
            Effect::Notify(client, parts) => {
                assert!(self.open.contains(&client), "nobody who has gone is told");
                let value: Value = serde_json::from_slice(&parts.join()).unwrap();
                self.told(client, &value);
            }
            Effect::Forget(ticket) => {
                assert!(self.asked[&ticket].dropped, "only what nobody waits for is forgotten");
            }
            Effect::Keep => assert!(self.mux.inventory().is_some()),
        }
    }

    /// What a client is told beside progress.
    fn told(&mut self, client: ClientKey, value: &Value) {
        if value["method"] == "elicitation/create" {
            let busy: BTreeSet<ClientKey> = self
                .asked
                .values()
                .filter(|it| !it.answered && !it.dropped && it.written.is_some() && it.written == self.alive)
                .map(|it| it.client)
                .collect();
            if self.mux.rules.sharing == Sharing::Shared {
                assert_eq!(busy, BTreeSet::from([client]), "only who can be meant is asked");
            }
            let id = value["params"]["q"].clone();
            self.expected.insert(id.to_string(), client);
            self.put.push((client, value["id"].clone(), id));
        } else if value["method"] == "notifications/cancelled" {
            let held = self
                .put
                .iter()
                .position(|(of, number, _)| *of == client && *number == value["params"]["requestId"]);
            self.put.remove(held.expect("only a question that was put is taken back"));
        }
    }

    /// What the server gets.
    fn written(&mut self, life: Life, value: &Value) {
        let Some(method) = value["method"].as_str() else {
            if value.get("result").is_some_and(|result| result.get("by").is_some()) {
                let from = self.expected.remove(&value["id"].to_string()).expect("it asked that");
                assert_eq!(value["result"]["by"], from.0, "the answer of the client that was asked");
            }
            return;
        };
        let ticket = value["params"]["arguments"]["ticket"].as_u64().map(MuxTicket);
        let ticket = ticket.or_else(|| value["params"]["ticket"].as_u64().map(MuxTicket));
        if let Some(asked) = ticket.and_then(|ticket| self.asked.get_mut(&ticket)) {
            assert_eq!(asked.written, None, "nothing is written twice");
            assert!(!asked.dropped, "nothing is written that was cancelled");
            asked.written = Some(life);
        }
        let uri = value["params"]["uri"].as_str().unwrap_or_default().to_owned();
        match method {
            "resources/subscribe" => drop(self.subscribed.insert(uri)),
            "resources/unsubscribe" => drop(self.subscribed.remove(&uri)),
            _ => {}
        }
        if method == "notifications/cancelled" {
            let number = &value["params"]["requestId"];
            let index = self.owed.iter().position(|owed| owed.number == *number);
            let owed = index.map(|index| self.owed.remove(index)).expect("what is cancelled is asked for");
            let ticket = owed.ticket.expect("only requests of clients are cancelled");
            assert!(self.asked[&ticket].dropped, "nobody else's request is cancelled");
        } else if !value["id"].is_null() {
            assert!(self.owed.iter().all(|owed| owed.number != value["id"]), "each has its own number");
            self.owed.push(Owed {
                number: value["id"].clone(),
                method: method.to_owned(),
                ticket,
                token: value["params"]["_meta"].get("progressToken").cloned(),
            });
        }
    }

    fn some_client(&mut self) -> Option<ClientKey> {
        let open: Vec<ClientKey> = self.open.iter().copied().collect();
        self.rng.choice(open)
    }

    fn ask(&mut self, client: ClientKey, method: &str, mut params: Value) -> MuxTicket {
        self.tickets += 1;
        let ticket = MuxTicket(self.tickets);
        // The same few ids for all clients.
        let taken: BTreeSet<String> = self
            .asked
            .values()
            .filter(|it| it.client == client && !it.answered && !it.dropped)
            .map(|it| it.id.clone())
            .collect();
        let id = (0..).map(|n| if n % 2 == 0 { json!(n) } else { json!(n.to_string()) });
        let id = id.map(|id| id.to_string()).find(|id| !taken.contains(id)).unwrap();
        let is_call = method == "tools/call";
        if method != "initialize" {
            params[if is_call { "arguments" } else { "ticket" }] =
                if is_call { json!({ "ticket": ticket.0 }) } else { json!(ticket.0) };
        }
        let token = (is_call && self.rng.bool()).then(|| json!("same"));
        if let Some(token) = &token {
            params["_meta"] = json!({ "progressToken": token, "kept": 1.0 });
        }
        let asked =
            Asked { client, id: id.clone(), token, written: None, answered: false, dropped: false, is_call };
        self.asked.insert(ticket, asked);
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        self.on(Event::Request { client, ticket, frame: Frame::parse(text).unwrap() });
        ticket
    }

    fn open_client(&mut self) {
        let most = if self.mux.rules.sharing == Sharing::PerSession { 1 } else { CLIENTS };
        if self.open.len() as u64 >= most {
            return;
        }
        self.opened += 1;
        let client = ClientKey(self.opened);
        self.open.insert(client);
        let capabilities = if self.rng.bool() { json!({ "elicitation": {} }) } else { json!({}) };
        self.ask(
            client,
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": capabilities}),
        );
    }

    fn drop_request(&mut self) {
        let open: Vec<MuxTicket> = self
            .asked
            .iter()
            .filter(|(_, it)| !it.answered && !it.dropped && it.is_call)
            .map(|(ticket, _)| *ticket)
            .collect();
        let Some(ticket) = self.rng.choice(open) else { return };
        let asked = self.asked.get_mut(&ticket).unwrap();
        asked.dropped = true;
        let (client, id) = (asked.client, asked.id.clone());
        if self.rng.bool() {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
            );
            self.on(Event::Notification { client, frame: Frame::parse(text).unwrap() });
        } else {
            self.on(Event::Abandoned(ticket));
        }
    }

    fn close_client(&mut self) {
        let Some(client) = self.some_client() else { return };
        self.open.remove(&client);
        for asked in self.asked.values_mut().filter(|it| it.client == client && !it.answered) {
            asked.dropped = true;
        }
        self.put.retain(|(of, ..)| *of != client);
        self.expected.retain(|_, of| *of != client);
        self.on(Event::Closed(client));
    }

    fn say(&mut self, value: &Value) {
        if let Some(life) = self.alive {
            self.on(Event::Line { life, frame: frame(value) });
        }
    }

    /// The server answers something that it owes.
    fn answer(&mut self) {
        if self.owed.is_empty() || self.alive.is_none() {
            return;
        }
        let owed = self.owed.swap_remove(self.rng.usize(..self.owed.len()));
        if owed.method == "tools/call" && self.rng.u8(..10) == 0 {
            return self
                .say(&json!({"jsonrpc": "2.0", "id": owed.number, "error": {"code": 1, "message": "no"}}));
        }
        let capabilities = json!({"tools": {}, "resources": {"subscribe": true}, "logging": {}});
        let result = match owed.method.as_str() {
            "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": capabilities}),
            "tools/list" => {
                self.lists += u64::from(self.rng.u8(..4) == 0);
                json!({"tools": [{"name": format!("t{}", self.lists)}], "of": owed.ticket.map(|it| it.0)})
            }
            "resources/list" => json!({"resources": []}),
            "resources/templates/list" => json!({"resourceTemplates": []}),
            _ => json!({"of": owed.ticket.map(|it| it.0)}),
        };
        self.say(&json!({"jsonrpc": "2.0", "id": owed.number, "result": result}));
    }

    fn progress(&mut self) {
        let told: Vec<(Value, MuxTicket)> =
            self.owed.iter().filter_map(|owed| Some((owed.token.clone()?, owed.ticket?))).collect();
        if let Some((token, ticket)) = self.rng.choice(told) {
            let params = json!({"progressToken": token, "progress": 1, "message": ticket.0});
            self.say(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}));
        }
    }

    fn question(&mut self) {
        self.questions += 1;
        let id = json!(format!("q{}", self.questions));
        let params = json!({"q": id});
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params}));
    }

    /// A client answers a question: mostly the one that was asked.
    fn reply(&mut self) {
        let Some(index) = (!self.put.is_empty()).then(|| self.rng.usize(..self.put.len())) else { return };
        let (client, number, _) = self.put[index].clone();
        let by = if self.rng.u8(..4) == 0 { self.some_client().unwrap_or(client) } else { client };
        if by == client {
            self.put.remove(index);
        }
        let value = json!({"jsonrpc": "2.0", "id": number, "result": {"by": by.0}});
        self.on(Event::Response { client: by, frame: frame(&value) });
    }

    fn take_back(&mut self) {
        let Some(index) = (!self.put.is_empty()).then(|| self.rng.usize(..self.put.len())) else { return };
        let id = self.put[index].2.clone();
        self.expected.remove(&id.to_string());
        let params = json!({"requestId": id});
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    }

    fn die(&mut self) {
        let Some(life) = self.alive.take() else { return };
        self.owed.clear();
        self.expected.clear();
        let ending = Ending { why: "exit code 1".to_owned(), ..Ending::default() };
        self.on(Event::Ended { life, ending });
        // A word from the grave.
        let late = json!({"jsonrpc": "2.0", "id": 1, "result": {"of": 1}});
        self.on(Event::Line { life, frame: frame(&late) });
    }

    fn pass(&mut self) {
        self.now = match self.mux.deadline().filter(|_| self.rng.bool()) {
            Some(deadline) => deadline.max(self.now),
            None => self.now + Duration::from_millis(self.rng.u64(..20_000)),
        };
        self.on(Event::Tick);
    }

    /// Nothing is known of the server, so it is started before anybody asks; or somebody asks first.
    fn learn(&mut self) {
        if self.rng.bool() {
            self.learns = self.mux.inventory().is_none();
            self.on(Event::Learn);
        }
    }

    fn step(&mut self) {
        if self.stopping && self.rng.bool() {
            return self.die();
        }
        match self.rng.u8(..100) {
            0..8 => self.open_client(),
            8..11 => self.close_client(),
            11..36 => {
                if let Some(client) = self.some_client() {
                    self.ask(client, "tools/call", json!({"name": "x"}));
                }
            }
            36..40 => {
                if let Some(client) = self.some_client() {
                    let uri = format!("test://{}", self.rng.u8(..3));
                    let method = ["resources/subscribe", "resources/unsubscribe"][self.rng.usize(..2)];
                    self.ask(client, method, json!({ "uri": uri }));
                }
            }
            40..43 => {
                if let Some(client) = self.some_client() {
                    let level = LEVELS[self.rng.usize(..8)];
                    self.ask(client, "logging/setLevel", json!({ "level": level }));
                }
            }
            43..46 => {
                if let Some(client) = self.some_client() {
                    self.ask(client, "tools/list", json!({}));
                }
            }
            46..52 => self.drop_request(),
            52..76 => self.answer(),
            76..80 => self.progress(),
            80..85 => self.question(),
            85..89 => self.reply(),
            89..90 => self.take_back(),
            90..92 => self.die(),
            92..93 => self.say(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})),
            93..94 => {
                let unknown = self.rng.u32(1_000_000..);
                self.say(&json!({"jsonrpc": "2.0", "id": unknown, "result": {}}));
            }
            _ => self.pass(),
        }
    }

    /// All settle down: nobody is left without an answer, and the process is not kept.
    fn end(&mut self) {
        for _ in 0..10_000 {
            let has_open = self.asked.values().any(|it| !it.answered && !it.dropped);
            if !has_open && self.owed.is_empty() {
                break;
            }
            if self.stopping && self.alive.is_some() {
                self.die();
            } else if self.owed.is_empty() {
                self.pass();
            } else {
                self.answer();
            }
        }
        let left: Vec<_> = self.asked.values().filter(|it| !it.answered && !it.dropped).collect();
        assert!(left.is_empty(), "without an answer: {left:?}");
        let wanted: BTreeSet<String> =
            self.mux.clients.values().flat_map(|client| client.subscribed.iter().cloned()).collect();
        if matches!(self.mux.phase(), ProcessPhase::Running { .. }) {
            assert_eq!(wanted, self.subscribed, "what clients want is what the server was asked for");
        }
        while let Some(client) = self.open.first().copied() {
            self.open.remove(&client);
            self.put.clear();
            self.on(Event::Closed(client));
        }
        while !self.owed.is_empty() && self.alive.is_some() && !self.stopping {
            self.answer();
        }
        self.now += Duration::from_secs(120);
        self.on(Event::Tick);
        assert!(self.alive.is_none() || self.stopping, "nobody needs the process");
        self.die();
        assert_eq!(self.mux.deadline(), None);
        assert_eq!((self.mux.load(), self.mux.waiting_bytes), (0, 0));
    }
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn nothing_is_mixed_up_whatever_happens() {
    let first = number("BRUMMER_SEED", 1);
    for seed in first..first + number("BRUMMER_SCHEDULES", SCHEDULES) {
        let mut world = World::new(seed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            world.learn();
            for _ in 0..STEPS {
                world.step();
            }
            world.end();
        }));
        if let Err(panic) = outcome {
            let tail = world.trace.len().saturating_sub(60);
            eprintln!("BRUMMER_SEED={seed}\n{}", world.trace[tail..].join("\n"));
            std::panic::resume_unwind(panic);
        }
    }
}
