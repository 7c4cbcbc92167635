//! The world around a session: virtual time, the client, the lives of the instances, and what was promised to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Step, What,
    server::{Form, Heard, HeldRequest, listen},
};
use crate::{
    budget::Budget,
    config::Limits,
    hub::{Snapshot, tests::snapshot},
    instance::InstanceState,
    protocol::{ModernVersion, code, meta, method},
    session::{
        Input, QUEUE, SessionConfig, ToolsMode,
        core::simulation::{
            client::{LISTS, SimulatedClient, State, Taker, ensure},
            instances::{PLACES, Slot},
        },
        list_kind::ListKind,
        shell::{HubSide, Shell},
    },
    upstream::socket::memory::Network,
};

/// Longer than any pause of the session's, but for a client that does not come back.
const CALM: Duration = Duration::from_secs(31);

/// How long a call may take, and how long the session waits for an answer that may still come on another stream.
const PATIENCE: Duration = Duration::from_secs(600);

/// Longer than that, and than a client may take to come back.
const LONG: Duration = Duration::from_secs(601);

/// As long as the end of a session may take.
const END: Duration = Duration::from_secs(10);

/// What the session may hold of what instances say.
const ROOM: usize = 1024 * 1024;

/// What may be said while a step is taken; more than that is no conversation any more.
const MOST: usize = 5000;

type Checked = Result<(), String>;

/// What a life of an instance knows of a conversation.
#[derive(Debug, Default)]
struct Conversation {
    /// A client without a handshake is behind it.
    is_claimed: bool,
    is_ready: bool,
    subscribed: BTreeSet<String>,
}

/// One life of an instance.
#[derive(Debug)]
struct InstanceLife {
    slot: usize,
    is_modern: bool,
    /// How it does what servers do in several ways.
    habits: u32,
    /// It does nothing at the moment.
    is_frozen: bool,
    /// By the name of their session; a life without sessions has one, which has none.
    conversations: BTreeMap<String, Conversation>,
    end: CancellationToken,
}

impl InstanceLife {
    fn has_sessions(&self) -> bool {
        self.habits & 1 == 0
    }

    fn has_stream(&self) -> bool {
        self.habits & 6 != 0
    }

    /// Whether what comes can be taken without the step that it takes otherwise.
    fn is_prompt(&self) -> bool {
        self.habits & 24 != 0
    }
}

/// A request that has no whole answer.
#[derive(Debug)]
struct Exchange {
    request: HeldRequest,
    method: String,
    mark: Option<u64>,
    token: Option<Value>,
    /// What was in a list when it was asked for.
    items: Vec<Value>,
    /// The stream of its answer has begun.
    begun: bool,
    /// The instance was told that nobody wants it.
    cancelled: bool,
}

impl Exchange {
    fn session(&self) -> String {
        self.request.session.clone().unwrap_or_default()
    }
}

/// A stream that stands: a GET, or a listen of the era without.
#[derive(Debug)]
struct Standing {
    request: HeldRequest,
    /// Its id, if it is a listen.
    listen: Option<Value>,
    uris: Vec<String>,
}

#[derive(Debug)]
struct InstanceQuestion {
    generation: u64,
    answered: bool,
}

pub(super) struct World<'network> {
    network: &'network Network,
    setup: u32,
    mode: ToolsMode,
    // The session.
    snapshots: watch::Sender<Arc<Snapshot>>,
    settled: bool,
    input: Option<mpsc::Sender<Input>>,
    output: mpsc::Receiver<(Instant, Value)>,
    reads: watch::Sender<bool>,
    stop: CancellationToken,
    shell: JoinHandle<()>,
    budget: Budget,
    // The others.
    client: SimulatedClient,
    slots: Vec<Slot>,
    lives: BTreeMap<u64, InstanceLife>,
    heard: mpsc::Receiver<Heard>,
    inbox: mpsc::Sender<Heard>,
    exchanges: Vec<Exchange>,
    /// What the hub has gone away from without a word so far.
    left: Vec<Exchange>,
    standing: Vec<Standing>,
    questions: BTreeMap<u64, InstanceQuestion>,
    /// How often the call of each mark came to an instance.
    runs: BTreeMap<u64, usize>,
    generations: u64,
    sessions: u64,
    arrivals: u64,
    marks: u64,
    /// An instance had no way to tell a change.
    untold: bool,
    began: Instant,
    trace: Option<Vec<String>>,
}

fn pick<T: Clone>(all: &[T], at: u32) -> Option<T> {
    all.get(at as usize % all.len().max(1)).cloned()
}

fn error(code: i32) -> Value {
    json!({"code": code, "message": "no"})
}

fn answer(id: &Value, body: Result<Value, Value>) -> Value {
    match body {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
    }
}

/// Reads what the session says, while the client reads.
async fn read(
    mut from: mpsc::Receiver<crate::frame::Parts>,
    to: mpsc::Sender<(Instant, Value)>,
    mut reads: watch::Receiver<bool>,
) {
    loop {
        if reads.wait_for(|reads| *reads).await.is_err() {
            return;
        }
        let Some(parts) = from.recv().await else { return };
        let message = serde_json::from_slice(&parts.join()).expect("what the session says is JSON");
        if to.send((Instant::now(), message)).await.is_err() {
            return;
        }
    }
}

impl<'network> World<'network> {
    pub(super) fn new(network: &'network Network, setup: u32, traced: bool) -> Self {
        let tools = [ToolsMode::Connected, ToolsMode::Connected, ToolsMode::All, ToolsMode::Hub];
        let mode = tools[(setup >> 5) as usize % 4];
        let config = SessionConfig {
            tools: Some(mode),
            auto_connect: setup & 0x80 != 0,
            working_directory: (setup & 0x100 != 0).then(|| "/p".into()),
            ..SessionConfig::default()
        };
        let snapshots = watch::Sender::new(Arc::new(Snapshot::default()));
        let budget = Budget::new(ROOM);
        let hub = HubSide {
            snapshots: snapshots.subscribe(),
            projects: None,
            limits: Limits { max_buffered: ROOM, call_timeout: PATIENCE, ..Limits::default() },
            budget: budget.clone(),
        };
        let (input, inbox) = mpsc::channel(QUEUE);
        let (outlet, parts) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let shell = tokio::spawn(Shell::new(hub, config, inbox, outlet, stop.clone()).run());
        let (said, output) = mpsc::channel(MOST);
        let reads = watch::Sender::new(true);
        tokio::spawn(read(parts, said, reads.subscribe()));
        let (inbox, heard) = mpsc::channel(MOST);
        let slots = (0..PLACES.len()).map(|place| Slot::new(place, setup >> (9 + place) & 1 == 1));
        Self {
            network,
            setup,
            mode,
            snapshots,
            settled: false,
            input: Some(input),
            output,
            reads,
            stop,
            shell,
            budget,
            client: SimulatedClient::new(setup),
            slots: slots.collect(),
            lives: BTreeMap::new(),
            heard,
            inbox,
            exchanges: Vec::new(),
            left: Vec::new(),
            standing: Vec::new(),
            questions: BTreeMap::new(),
            runs: BTreeMap::new(),
            generations: 0,
            sessions: 0,
            arrivals: 0,
            marks: 0,
            untold: false,
            began: Instant::now(),
            trace: traced.then(Vec::new),
        }
    }

    /// What was said, line by line.
    pub(super) fn told(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    fn say(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let at = self.began.elapsed().as_millis();
            trace.push(format!("{at:>8} {}", text()));
        }
    }

    pub(super) async fn run(&mut self, steps: &[Step]) -> Checked {
        self.begin().await?;
        for step in steps {
            self.step(*step).await?;
            self.settle().await?;
        }
        self.end().await
    }

    // The session.

    async fn client_says(&mut self, message: Option<Value>) -> Checked {
        let Some(message) = message else { return Ok(()) };
        self.say(|| format!("client ─▶ {message}"));
        self.send(Input::Message(message.to_string().into())).await;
        Ok(())
    }

    /// A client that is not read from does not wait for it.
    async fn send(&mut self, input: Input) {
        if let Some(sender) = &self.input {
            let _ = timeout(Duration::from_millis(1), sender.send(input)).await;
        }
    }

    fn instances_changed(&mut self) {
        self.client.all_changed();
        let mut all = snapshot(self.slots.iter().filter_map(|slot| slot.running.clone()));
        all.settled = self.settled;
        self.say(|| {
            let all = all.instances.iter().map(|it| format!("{}:{} {}", it.alias, it.generation.0, it.state));
            format!("instances {:?}", all.collect::<Vec<_>>())
        });
        self.snapshots.send_replace(Arc::new(all));
    }

    /// Waits until everybody waits, and takes in what was said.
    async fn settle(&mut self) -> Checked {
        self.pass(Duration::from_millis(1)).await
    }

    /// Time passes, and what is said meanwhile is taken in. It stands still while anybody has something to do.
    async fn pass(&mut self, time: Duration) -> Checked {
        let mut until = Instant::now() + time;
        for _ in 0..MOST {
            tokio::select! {
                biased;
                Some(heard) = self.heard.recv() => match heard {
                    Heard::Request(request) => self.arrive(request)?,
                    Heard::Gone(connection) => self.gone(connection),
                },
                Some((at, message)) = self.output.recv() => {
                    self.say(|| format!("client ◀─ {message}"));
                    // What is news is proved where the core is simulated alone.
                    self.client.all_changed();
                    self.client.hear(&message, at.into_std())?;
                }
                () = sleep_until(until) => return self.check_left(),
            }
            // What was just said may be answered at once.
            until = until.max(Instant::now() + Duration::from_millis(1));
        }
        Err("it does not come to rest".to_owned())
    }

    // The instances.

    fn start(&mut self, place: usize, habits: u32) {
        self.generations += 1;
        let generation = self.generations;
        let slot = &mut self.slots[place];
        slot.start(generation);
        let port = 5000 + u16::try_from(generation).expect("there are not so many lives");
        slot.set_port(port);
        let life = InstanceLife {
            slot: place,
            is_modern: slot.is_modern(),
            habits,
            is_frozen: false,
            conversations: BTreeMap::new(),
            end: CancellationToken::new(),
        };
        tokio::spawn(listen(generation, self.network.listen(port), self.inbox.clone(), life.end.clone()));
        self.lives.insert(generation, life);
    }

    fn kill(&mut self, place: usize) {
        if let Some(running) = self.slots[place].running.take() {
            let generation = running.generation.0;
            if let Some(life) = self.lives.remove(&generation) {
                life.end.cancel();
            }
            self.exchanges.retain(|it| it.request.generation != generation);
            self.standing.retain(|it| it.request.generation != generation);
            self.questions.retain(|_, it| it.generation != generation);
        }
    }

    fn arrive(&mut self, request: HeldRequest) -> Checked {
        let Some(life) = self.lives.get(&request.generation) else { return Ok(()) };
        let alias = self.slots[life.slot].alias;
        self.say(|| {
            let session = request.session.as_deref().unwrap_or("-");
            format!("         {alias} ◀─ {} {session} {}", request.verb, request.rpc)
        });
        let method = request.rpc["method"].as_str().unwrap_or_default().to_owned();
        match request.verb.as_str() {
            "POST" if !method.is_empty() && request.rpc.get("id").is_some() => self.asked(request, method),
            "POST" => {
                self.noted(&request, &method);
                Ok(())
            }
            "GET" => {
                self.stand(request);
                Ok(())
            }
            _ => {
                let name = request.session.clone().unwrap_or_default();
                if let Some(life) = self.lives.get_mut(&request.generation) {
                    life.conversations.remove(&name);
                }
                request.answer("200 OK", "", "");
                Ok(())
            }
        }
    }

    /// A notification, or the answer to a question.
    fn noted(&mut self, request: &HeldRequest, method: &str) {
        let (generation, rpc) = (request.generation, &request.rpc);
        match method {
            method::CANCELLED => {
                let id = &rpc["params"]["requestId"];
                let is_it = |it: &&mut Exchange| {
                    it.request.generation == generation
                        && it.request.session == request.session
                        && it.request.rpc["id"] == *id
                };
                if let Some(exchange) = self.exchanges.iter_mut().find(is_it) {
                    exchange.cancelled = true;
                }
                self.left.retain_mut(|it| !is_it(&it));
            }
            method::INITIALIZED => {
                let name = request.session.clone().unwrap_or_default();
                let life = self.lives.get_mut(&generation);
                if let Some(conversation) = life.and_then(|life| life.conversations.get_mut(&name)) {
                    conversation.is_ready = true;
                }
            }
            "" => {
                if let Some(question) = rpc["id"].as_u64().and_then(|id| self.questions.get_mut(&id)) {
                    question.answered = true;
                }
            }
            _ => {}
        }
        request.accept();
    }

    fn stand(&mut self, request: HeldRequest) {
        let Some(life) = self.lives.get_mut(&request.generation) else { return };
        if life.is_modern || !life.has_stream() {
            request.answer("405 Method Not Allowed", "", "");
            return;
        }
        let name = request.session.clone().unwrap_or_default();
        if !life.conversations.contains_key(&name) {
            request.answer("404 Not Found", "", "");
            return;
        }
        request.begin("");
        self.standing.push(Standing { request, listen: None, uris: Vec::new() });
    }

    fn asked(&mut self, request: HeldRequest, method: String) -> Checked {
        let Some(life) = self.lives.get_mut(&request.generation) else { return Ok(()) };
        let name = request.session.clone().unwrap_or_default();
        let is_first = [method::INITIALIZE, method::DISCOVER].contains(&&*method);
        if !life.is_modern && !is_first {
            if life.has_sessions() && !life.conversations.contains_key(&name) {
                let id = if life.habits & 0x80 == 0 { &Value::Null } else { &request.rpc["id"] };
                let unknown = json!({"code": -32001, "message": "Session not found"});
                let body = answer(id, Err(unknown)).to_string();
                request.answer("404 Not Found", "Content-Type: application/json\r\n", &body);
                return Ok(());
            }
            ensure!(
                life.conversations.contains_key(&name),
                "{method} comes before the handshake: {}",
                request.rpc
            );
        }
        self.arrivals += 1;
        let params = &request.rpc["params"];
        let mark = [&params["m"], &params["arguments"]["m"]].into_iter().find_map(Value::as_u64);
        let slot = &self.slots[life.slot];
        let uri = params["uri"].as_str().unwrap_or_default();
        if let Some(conversation) = life.conversations.get_mut(&name).filter(|_| !life.is_modern) {
            match method.as_str() {
                method::RESOURCES_SUBSCRIBE => drop(conversation.subscribed.insert(uri.to_owned())),
                method::RESOURCES_UNSUBSCRIBE => drop(conversation.subscribed.remove(uri)),
                _ => {}
            }
            if let Some(mark) = mark.filter(|_| !uri.is_empty()) {
                let taker = Taker { resource: (slot.alias, uri.to_owned()), number: self.arrivals };
                self.client.takers.insert(mark, taker);
            }
        }
        if let Some(mark) = mark.filter(|_| method == method::TOOLS_CALL) {
            let runs = self.runs.entry(mark).or_default();
            *runs += 1;
            ensure!(*runs == 1, "a call comes to an instance for the second time: {}", request.rpc);
        }
        let kind = ListKind::of_method(&method);
        let exchange = Exchange {
            token: params["_meta"].get("progressToken").cloned(),
            items: kind.map(|kind| slot.items(kind)).unwrap_or_default(),
            begun: false,
            cancelled: false,
            mark,
            method,
            request,
        };
        let is_prompt = (is_first || exchange.method == method::LISTEN || exchange.method == method::PING)
            && life.is_prompt()
            && !life.is_frozen;
        self.exchanges.push(exchange);
        if is_prompt { self.answer(self.exchanges.len() - 1, 0) } else { Ok(()) }
    }

    /// The hub has closed a connection on which something was not answered.
    fn gone(&mut self, connection: u64) {
        self.say(|| format!("         connection {connection:x} is closed by the hub"));
        self.standing.retain(|it| it.request.connection != connection);
        let Some(at) = self.exchanges.iter().position(|it| it.request.connection == connection) else {
            return;
        };
        let exchange = self.exchanges.remove(at);
        let Some(life) = self.lives.get(&exchange.request.generation) else { return };
        let is_known = life.conversations.contains_key(&exchange.session());
        // What belongs to the handshake ends with it.
        let is_first =
            [method::INITIALIZE, method::DISCOVER, method::LOGGING_SET_LEVEL].contains(&&*exchange.method);
        if !life.is_modern && is_known && !exchange.cancelled && !is_first {
            self.left.push(exchange);
        }
    }

    /// The hub does not go away from a request without a word, before or after.
    fn check_left(&mut self) -> Checked {
        let lives = &self.lives;
        let is_known = |it: &Exchange| {
            let life = lives.get(&it.request.generation);
            life.is_some_and(|life| life.conversations.contains_key(&it.session()))
        };
        let left = self.left.drain(..).find(is_known);
        ensure!(left.is_none(), "the hub goes away without a word from {:?}", left.map(|it| it.request.rpc));
        Ok(())
    }

    /// An instance answers: as it should, if `how` is 0.
    fn answer(&mut self, at: usize, how: u32) -> Checked {
        let exchange = self.exchanges.remove(at);
        let generation = exchange.request.generation;
        let Some(life) = self.lives.get_mut(&generation) else { return Ok(()) };
        let (is_modern, slot) = (life.is_modern, life.slot);
        let id = &exchange.request.rpc["id"];
        let params = &exchange.request.rpc["params"];
        let mut headers = String::new();
        let body = match exchange.method.as_str() {
            method::DISCOVER if is_modern => Ok(json!({
                "resultType": "complete", "ttlMs": 0, "cacheScope": "public",
                "supportedVersions": [ModernVersion::LATEST.as_str()],
                "capabilities": {"tools": {}, "prompts": {}, "resources": {"subscribe": true}, "logging": {}},
                "_meta": {meta::SERVER_INFO: {"name": "it", "version": "1"}},
            })),
            method::DISCOVER => match life.habits >> 5 & 3 {
                0 => {
                    exchange.request.answer("404 Not Found", "", "");
                    return Ok(());
                }
                1 => {
                    exchange.request.answer("400 Bad Request", "Content-Type: text/html\r\n", "<p>?");
                    return Ok(());
                }
                _ => Err(error(code::METHOD_NOT_FOUND)),
            },
            method::INITIALIZE if is_modern => Err(error(code::METHOD_NOT_FOUND)),
            method::INITIALIZE => {
                self.sessions += 1;
                let name = if life.has_sessions() { format!("s{}", self.sessions) } else { String::new() };
                if life.has_sessions() {
                    headers = format!("Mcp-Session-Id: {name}\r\n");
                }
                // Without sessions all are one conversation.
                let is_claimed = life.has_sessions()
                    && (params["capabilities"].get("sampling").is_none()
                        || params["capabilities"].get("experimental").is_some());
                life.conversations.entry(name).or_default().is_claimed = is_claimed;
                Ok(json!({
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {"tools": {"listChanged": true}, "prompts": {}, "resources": {"subscribe": true}, "logging": {}},
                    "serverInfo": {"name": "it", "version": "1"},
                }))
            }
            method::LISTEN if is_modern => {
                self.listen(exchange);
                return Ok(());
            }
            _ => self.result(slot, is_modern, &exchange, how),
        };
        let message = answer(id, body);
        self.say(|| format!("         {} ─▶ {message}", PLACES[slot].0));
        if exchange.begun {
            exchange.request.event(&message);
            exchange.request.end();
            return Ok(());
        }
        // Some say it on the stream that stands.
        let standing = self.standing.iter().find(|it| {
            it.listen.is_none()
                && it.request.generation == generation
                && it.request.session == exchange.request.session
        });
        match how >> 8 & 7 {
            1 => exchange.request.message(Form::Chunked, &headers, &message),
            2 | 3 => exchange.request.message(Form::Stream, &headers, &message),
            4 if standing.is_some() && headers.is_empty() => {
                exchange.request.accept();
                if let Some(standing) = standing {
                    standing.request.event(&message);
                }
            }
            _ => exchange.request.message(Form::Json, &headers, &message),
        }
        Ok(())
    }

    fn listen(&mut self, exchange: Exchange) {
        let id = exchange.request.rpc["id"].clone();
        let wanted = exchange.request.rpc["params"]["notifications"].clone();
        let uris = wanted["resourceSubscriptions"].as_array().cloned().unwrap_or_default();
        let uris = uris.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        exchange.request.begin("");
        let params = json!({"notifications": wanted, "_meta": {meta::SUBSCRIPTION_ID: id}});
        exchange
            .request
            .event(&json!({"jsonrpc": "2.0", "method": method::LISTEN_ACKNOWLEDGED, "params": params}));
        self.standing.push(Standing { request: exchange.request, listen: Some(id), uris });
    }

    /// What a request comes to.
    fn result(
        &mut self,
        slot: usize,
        is_modern: bool,
        exchange: &Exchange,
        how: u32,
    ) -> Result<Value, Value> {
        let place = &self.slots[slot];
        let params = &exchange.request.rpc["params"];
        let (uri, name) =
            (params["uri"].as_str().unwrap_or_default(), params["name"].as_str().unwrap_or_default());
        let about = exchange.mark.map(|mark| format!("m={mark}")).unwrap_or_default();
        let odd = how % 16;
        let mut result = if let Some(kind) = ListKind::of_method(&exchange.method) {
            let items = &exchange.items;
            match odd {
                1 => return Err(error(-32000)),
                2 => json!({"odd": true}),
                3 if params.get("cursor").is_none() && items.len() > 1 => {
                    json!({kind.member(): items[..1], "nextCursor": "1"})
                }
                _ => {
                    let at = params["cursor"].as_str().and_then(|at| at.parse().ok()).unwrap_or(0_usize);
                    json!({kind.member(): items.get(at..).unwrap_or_default()})
                }
            }
        } else {
            match exchange.method.as_str() {
                method::TOOLS_CALL if name == "nothing" => return Err(error(code::INVALID_PARAMS)),
                method::TOOLS_CALL => match odd {
                    1 => return Err(error(-32000)),
                    2 => json!({"content": [{"type": "text", "text": about}], "isError": true}),
                    // Half of what may be held.
                    3 => json!({"content": [{"type": "text", "text": about + &" ".repeat(ROOM / 2)}]}),
                    _ => json!({"content": [{"type": "text", "text": about}]}),
                },
                method::PROMPTS_GET => {
                    json!({"messages": [{"role": "user", "content": {"type": "text", "text": about}}]})
                }
                method::RESOURCES_READ => {
                    let has = place.items(ListKind::Resources).iter().any(|it| it["uri"] == *uri)
                        || uri.starts_with(&format!("t://{}/", place.alias));
                    if !has {
                        let code = if is_modern { code::INVALID_PARAMS } else { code::RESOURCE_NOT_FOUND };
                        return Err(error(code));
                    }
                    json!({"contents": [{"uri": uri, "text": about}]})
                }
                method::RESOURCES_SUBSCRIBE
                | method::RESOURCES_UNSUBSCRIBE
                | method::LOGGING_SET_LEVEL
                | method::PING => json!({}),
                method::COMPLETION_COMPLETE => json!({"completion": {"values": [about]}}),
                method::TASKS_GET | method::TASKS_CANCEL | method::TASKS_RESULT => {
                    return Err(error(code::INVALID_PARAMS));
                }
                "odd/method" if slot != 0 => json!({"text": about}),
                _ => return Err(error(code::METHOD_NOT_FOUND)),
            }
        };
        if is_modern {
            result["resultType"] = "complete".into();
        }
        Ok(result)
    }

    /// An instance fails in one of the ways in which servers do.
    fn fail(&mut self, at: usize, how: u32) -> Checked {
        let exchange = self.exchanges.remove(at);
        self.say(|| format!("         {} is broken in way {}", exchange.request.rpc, how % 7));
        if exchange.begun || [method::LISTEN, method::INITIALIZE].contains(&&*exchange.method) {
            // The connection ends with it.
            return Ok(());
        }
        let request = &exchange.request;
        match how % 7 {
            0 => {}
            1 => request.answer("500 Internal Server Error", "Content-Type: text/plain\r\n", "oh"),
            2 => request.answer("200 OK", "Content-Type: text/html\r\n", "<html>"),
            3 => request.write(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 70\r\n\r\n{\"jsonrpc\":",
            ),
            4 => request.answer("200 OK", "Content-Type: application/json\r\n", "{\"jsonrpc\":\"2.0\",\"id\":"),
            5 => request.message(Form::Json, "", &answer(&json!("another"), Ok(json!({"text": "spoof"})))),
            _ => {
                request.begin("");
                request.end();
            }
        }
        Ok(())
    }

    // Steps.

    async fn begin(&mut self) -> Checked {
        self.settled = self.setup >> 12 & 7 != 0;
        for place in 0..self.slots.len() {
            if self.setup >> (15 + place) & 1 == 0 {
                self.start(place, self.setup.rotate_left(7) >> place);
            }
        }
        self.instances_changed();
        if self.client.has_handshake() && self.setup >> 18 & 7 != 0 {
            let greeting = self.client.greeting();
            self.client_says(greeting).await?;
            if self.setup >> 21 & 3 != 0 {
                self.initialized().await?;
            }
        }
        self.settle().await
    }

    async fn initialized(&mut self) -> Checked {
        self.client.ready = true;
        self.client_says(Some(json!({"jsonrpc": "2.0", "method": method::INITIALIZED}))).await
    }

    async fn step(&mut self, Step { what, pick: at, how }: Step) -> Checked {
        match what {
            What::Ask => {
                let message = self.client.request(at, how, &[], false);
                self.client_says(Some(message)).await
            }
            // What was answered and not read yet is not asked again.
            What::AskAgain if !*self.reads.borrow() => Ok(()),
            What::AskAgain => {
                let again = self.client.repeat(at);
                self.client_says(again).await
            }
            What::Cancel => {
                let cancelled = self.client.cancel(at);
                self.client.cancelled_at = Some(Instant::now().into_std());
                self.client_says(cancelled).await?;
                self.settle().await?;
                self.check_cancelled()
            }
            What::Note => self.note(at, how).await,
            What::Reply => {
                let reply = self.client.reply(at, how);
                self.client_says(reply).await
            }
            What::Resume => {
                let resumed = self.client.resume(at, how);
                // With a state that is nobody's the client itself calls for the second time.
                if let Some(params) = resumed.as_ref().map(|it| &it["params"])
                    && params["requestState"] == "brummer-0"
                    && let Some(mark) = params["arguments"]["m"].as_u64()
                {
                    self.runs.remove(&mark);
                }
                self.client_says(resumed).await
            }
            What::Garbage => {
                let garbage = ["", "{", "[]", "7", r#"{"id":{}}"#, "\u{0}"];
                let text = garbage[at as usize % garbage.len()];
                self.send(Input::Message(text.into())).await;
                Ok(())
            }
            What::Pause => {
                self.client.is_slow = true;
                self.reads.send_replace(false);
                Ok(())
            }
            What::Read => {
                self.reads.send_replace(true);
                Ok(())
            }
            What::Answer => match self.any_exchange(at) {
                Some(exchange) => self.answer(exchange, how),
                None => Ok(()),
            },
            What::Break => match self.any_exchange(at) {
                Some(exchange) => self.fail(exchange, how),
                None => Ok(()),
            },
            What::Progress => {
                self.progress(at);
                Ok(())
            }
            What::Question => {
                self.question(at, how);
                Ok(())
            }
            What::Spoof => {
                self.spoof(at, how);
                Ok(())
            }
            What::Cut => {
                if !self.standing.is_empty() {
                    let at = at as usize % self.standing.len();
                    self.say(|| "         a stream is cut".to_owned());
                    drop(self.standing.remove(at));
                }
                Ok(())
            }
            What::Forget => {
                self.forget(at, how);
                Ok(())
            }
            What::Freeze => {
                let all: Vec<_> = self.lives.keys().copied().collect();
                if let Some(life) = pick(&all, at).and_then(|life| self.lives.get_mut(&life)) {
                    life.is_frozen = !life.is_frozen;
                }
                Ok(())
            }
            What::Change => {
                self.change(at, how);
                Ok(())
            }
            What::Start | What::Kill | What::Restart | What::Stall => {
                let place = at as usize % self.slots.len();
                self.settled |= how & 1 == 0;
                match what {
                    What::Kill => self.kill(place),
                    What::Stall => {
                        let slot = &mut self.slots[place];
                        let state =
                            if slot.is_active() { InstanceState::Retrying } else { InstanceState::Active };
                        slot.set_state(state);
                    }
                    What::Start if self.slots[place].running.is_some() => {}
                    _ => {
                        self.kill(place);
                        self.start(place, how >> 1);
                    }
                }
                self.instances_changed();
                Ok(())
            }
            What::Pass => {
                let times = [1, 20, 20, 300, 300, 1000, 3000, 6000, 6000, 40_000, 601_000];
                self.pass(Duration::from_millis(times[how as usize % times.len()])).await
            }
        }
    }

    fn is_awake(&self, generation: u64) -> bool {
        self.lives.get(&generation).is_some_and(|life| !life.is_frozen)
    }

    fn any_exchange(&self, at: u32) -> Option<usize> {
        let awake = |(_, it): &(usize, &Exchange)| self.is_awake(it.request.generation);
        let all: Vec<_> = self.exchanges.iter().enumerate().filter(awake).map(|(at, _)| at).collect();
        pick(&all, at)
    }

    async fn note(&mut self, at: u32, how: u32) -> Checked {
        if self.client.has_handshake() && !self.client.greeted {
            let greeting = self.client.greeting();
            return self.client_says(greeting).await;
        }
        if self.client.greeted && !self.client.ready {
            return self.initialized().await;
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
        self.client_says(Some(message)).await
    }

    /// An exchange of a call whose stream has begun, and which.
    fn streaming(&mut self, at: u32) -> Option<&Exchange> {
        let wanted = |it: &Exchange| it.mark.is_some() && self.is_awake(it.request.generation);
        let all: Vec<_> =
            self.exchanges.iter().enumerate().filter(|(_, it)| wanted(it)).map(|(at, _)| at).collect();
        let exchange = &mut self.exchanges[pick(&all, at)?];
        if !exchange.begun {
            exchange.begun = true;
            exchange.request.begin("");
        }
        Some(exchange)
    }

    fn progress(&mut self, at: u32) {
        if let Some(exchange) = self.streaming(at)
            && let (Some(token), Some(mark)) = (&exchange.token, exchange.mark)
        {
            let params = json!({"progressToken": token, "progress": 1, "message": format!("m={mark}")});
            let message = json!({"jsonrpc": "2.0", "method": method::PROGRESS, "params": params});
            exchange.request.event(&message);
        }
    }

    fn question(&mut self, at: u32, how: u32) {
        self.marks += 1;
        let mark = self.marks;
        let name = [method::ELICITATION, method::SAMPLING, method::ROOTS_LIST][(how >> 1) as usize % 3];
        let message = json!({"jsonrpc": "2.0", "id": mark, "method": name, "params": {"q": mark}});
        let is_legacy = |lives: &BTreeMap<u64, InstanceLife>, generation| {
            lives.get(&generation).is_some_and(|it| !it.is_modern)
        };
        let generation = if how & 1 == 0 {
            let of_legacy =
                |(_, it): &(usize, &Standing)| it.listen.is_none() && self.is_awake(it.request.generation);
            let all: Vec<_> = self.standing.iter().enumerate().filter(of_legacy).map(|(at, _)| at).collect();
            let Some(at) = pick(&all, at) else { return };
            let request = &self.standing[at].request;
            request.event(&message);
            request.generation
        } else {
            // Only the older era may.
            let legacy: BTreeSet<_> =
                self.lives.keys().copied().filter(|it| is_legacy(&self.lives, *it)).collect();
            let Some(exchange) = self.streaming(at).filter(|it| legacy.contains(&it.request.generation))
            else {
                return;
            };
            exchange.request.event(&message);
            exchange.request.generation
        };
        self.say(|| format!("         asks {message}"));
        self.questions.insert(mark, InstanceQuestion { generation, answered: false });
    }

    /// An instance says what only another one may say.
    fn spoof(&mut self, at: u32, how: u32) {
        let Some(victim) = self.any_exchange(at) else { return };
        let (generation, id) =
            (self.exchanges[victim].request.generation, self.exchanges[victim].request.rpc["id"].clone());
        let lie = json!({"content": [{"type": "text", "text": "spoof"}], "tools": [{"name": "spoof", "inputSchema": {}}]});
        let others = |it: &&Standing| it.request.generation != generation;
        let all: Vec<_> = self.standing.iter().filter(others).map(|it| &it.request).collect();
        if let Some(request) = pick(&all, how) {
            request.event(&answer(&id, Ok(lie)));
        }
    }

    fn forget(&mut self, at: u32, how: u32) {
        let all: Vec<_> = self.lives.iter().filter(|(_, it)| it.has_sessions() && !it.is_modern).collect();
        let Some((generation, life)) = pick(&all, at) else { return };
        let names: Vec<_> = life.conversations.keys().cloned().collect();
        let (generation, Some(name)) = (*generation, pick(&names, how)) else { return };
        self.say(|| format!("         session {name} is forgotten"));
        if let Some(life) = self.lives.get_mut(&generation) {
            life.conversations.remove(&name);
        }
        let is_its = |it: &HeldRequest| it.generation == generation && it.session.as_deref() == Some(&name);
        self.standing.retain(|it| !is_its(&it.request));
        // What ran in it is not answered any more.
        self.exchanges.retain(|it| !is_its(&it.request));
    }

    fn change(&mut self, at: u32, how: u32) {
        let place = at as usize % self.slots.len();
        let kind = LISTS[how as usize % 4];
        let Some(generation) = self.slots[place].running.as_ref().map(|it| it.generation.0) else { return };
        self.slots[place].change(kind);
        self.say(|| format!("         {} has other {}", PLACES[place].0, kind.method()));
        let Some(life) = self.lives.get(&generation) else { return };
        self.untold |= !life.is_modern && !life.has_stream();
        // While nobody listens it is said to nobody.
        for standing in self.standing.iter().filter(|it| it.request.generation == generation) {
            let mut params = json!({});
            if let Some(id) = &standing.listen {
                params["_meta"] = json!({meta::SUBSCRIPTION_ID: id});
            }
            standing.request.event(&json!({"jsonrpc": "2.0", "method": kind.changed(), "params": params}));
        }
    }

    // Promises.

    /// What the client has cancelled is cancelled where it runs.
    fn check_cancelled(&self) -> Checked {
        for exchange in self.exchanges.iter().filter(|it| self.is_awake(it.request.generation)) {
            let life = &self.lives[&exchange.request.generation];
            let asked = self.client.asked.values().find(|it| Some(it.mark) == exchange.mark);
            let is_cancelled = asked.is_some_and(|it| it.state == State::Cancelled);
            let is_told = exchange.cancelled && !life.is_modern;
            // A level is a state, which was changed when it was asked for.
            let is_state = exchange.method == method::LOGGING_SET_LEVEL;
            // A client without a handshake may have been answered with the question, which it has not read.
            let is_suspended = self.client.is_slow
                && asked.is_some_and(|it| it.claim.is_some())
                && self.questions.values().any(|it| it.generation == exchange.request.generation);
            ensure!(
                !is_cancelled || is_told || is_state || is_suspended,
                "the instance was not told that nobody wants {}",
                exchange.request.rpc
            );
        }
        Ok(())
    }

    // The end.

    async fn end(&mut self) -> Checked {
        let how = self.setup >> 24;
        let is_calm = how & 3 != 0;
        if is_calm {
            self.calm().await?;
            self.check_calm().await?;
        }
        match how >> 2 & 3 {
            0 | 1 => self.stop.cancel(),
            2 => self.input = None,
            _ => {
                (0..self.slots.len()).for_each(|place| self.kill(place));
                self.settled = true;
                self.instances_changed();
                self.settle().await?;
                self.input = None;
            }
        }
        let began = Instant::now();
        while !self.shell.is_finished() {
            self.settle().await?;
            ensure!(began.elapsed() < END, "the session does not end");
        }
        // What was said last may lie unread.
        self.reads.send_replace(true);
        self.settle().await?;
        ensure!(self.budget.left() == ROOM, "after the end {} bytes are held", ROOM - self.budget.left());
        let left: Vec<_> = self.exchanges.iter().map(|it| it.request.rpc.to_string()).collect();
        ensure!(left.is_empty(), "after the end there still run {left:?}");
        ensure!(self.standing.is_empty(), "after the end a stream stands");
        for life in self.lives.values().filter(|it| it.has_sessions() && !it.is_modern && is_calm) {
            let left: Vec<_> = life.conversations.keys().collect();
            ensure!(left.is_empty(), "after the end there are the sessions {left:?}");
        }
        let due = self.client.due().into_iter().map(|it| it.message.to_string()).collect::<Vec<_>>();
        ensure!(!is_calm || due.is_empty(), "at the end there is no answer to {due:?}");
        Ok(())
    }

    /// Instances answer everything, the client too, until nobody waits for anything.
    async fn calm(&mut self) -> Checked {
        self.say(|| "calm".to_owned());
        self.settled = true;
        self.reads.send_replace(true);
        self.lives.values_mut().for_each(|life| life.is_frozen = false);
        self.slots.iter_mut().for_each(|slot| slot.set_state(InstanceState::Active));
        self.instances_changed();
        self.settle().await?;
        if self.client.has_handshake() && !self.client.greeted {
            let greeting = self.client.greeting();
            self.client_says(greeting).await?;
        }
        if self.client.greeted && !self.client.ready {
            self.initialized().await?;
        }
        for round in 0..6 {
            self.rest().await?;
            self.pass(if round == 2 { LONG } else { CALM }).await?;
        }
        self.rest().await
    }

    /// What can be said is said.
    async fn rest(&mut self) -> Checked {
        for _ in 0..500 {
            self.settle().await?;
            if let Some(exchange) = self.any_exchange(0) {
                self.answer(exchange, 0)?;
            } else if let Some(reply) = self.client.reply(0, 1) {
                self.client_says(Some(reply)).await?;
            } else {
                return Ok(());
            }
        }
        Err("it does not come to an end".to_owned())
    }

    /// What must hold when nobody waits for anything.
    async fn check_calm(&mut self) -> Checked {
        let due = self.client.due().into_iter().map(|it| it.message.to_string()).collect::<Vec<_>>();
        ensure!(due.is_empty(), "there is no answer to {due:?}");
        ensure!(self.budget.left() == ROOM, "{} bytes are held for nobody", ROOM - self.budget.left());
        self.check_wants()?;
        self.check_lists().await
    }

    /// What the client wants of an instance, its present life knows.
    fn check_wants(&self) -> Checked {
        for (alias, uri) in &self.client.subscribed {
            let slot = self.slots.iter().find(|slot| slot.alias == *alias);
            let running = slot.and_then(|slot| slot.running.as_ref());
            let Some((generation, life)) =
                running.and_then(|it| self.lives.get(&it.generation.0).map(|life| (it.generation.0, life)))
            else {
                continue;
            };
            // Without a stream nobody hears that a session was forgotten; without sessions all clients share what is wanted.
            if !(life.is_modern || life.has_stream() && life.has_sessions()) {
                continue;
            }
            let of_session =
                life.conversations.values().any(|it| !it.is_claimed && it.subscribed.contains(uri));
            let of_listen =
                self.standing.iter().any(|it| it.request.generation == generation && it.uris.contains(uri));
            ensure!(
                if life.is_modern { of_listen } else { of_session },
                "`{alias}` does not know that the client wants to hear of {uri}"
            );
        }
        Ok(())
    }

    /// What a client was shown is still so, or it was told; and what is shown is there.
    async fn check_lists(&mut self) -> Checked {
        let shown: Vec<_> = self.client.shown.iter().map(|(key, shown)| (*key, shown.clone())).collect();
        for ((who, name), before) in shown {
            let kind = ListKind::of_method(name).unwrap();
            let Some(items) = before.items.filter(|_| kind != ListKind::Tasks) else { continue };
            let flag = match kind {
                ListKind::Tools => "toolsListChanged",
                ListKind::Prompts => "promptsListChanged",
                _ => "resourcesListChanged",
            };
            let listens =
                self.client.listened().any(|(it, _)| it.claim == who && it.message["honoured"][flag] == true);
            let hears = if who.is_none() { self.client.ready } else { listens };
            let again = self.client.again(name, who);
            self.client_says(Some(again)).await?;
            self.rest().await?;
            let after = self.client.shown.get(&(who, name)).and_then(|shown| shown.items.clone());
            let after = after.ok_or_else(|| format!("{name} is not answered"))?;
            ensure!(
                before.told || !hears || self.untold || after == items,
                "{name} of {who:?} has changed and was not announced: {items:?} -> {after:?}"
            );
            let shows_all = match self.mode {
                ToolsMode::All => true,
                ToolsMode::Connected => who.is_some(),
                ToolsMode::Hub => false,
            };
            if kind == ListKind::Tools && !self.untold && shows_all {
                self.check_tools(&after)?;
            }
        }
        Ok(())
    }

    /// All that runs is shown, and nothing else.
    fn check_tools(&self, shown: &[String]) -> Checked {
        for slot in &self.slots {
            let prefix = format!("\"{}__build\"", slot.alias);
            let is_shown = shown.iter().any(|tool| tool.contains(&prefix));
            let is_there = slot.running.is_some() && !slot.items(ListKind::Tools).is_empty();
            ensure!(is_shown == is_there, "{prefix} is shown: {is_shown}, is there: {is_there}");
        }
        Ok(())
    }
}
