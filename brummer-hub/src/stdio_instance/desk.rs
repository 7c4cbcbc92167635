//! The task that owns the sessions and processes of a stdio server. It takes in what clients ask and what processes say,
//! lets the [`Mux`] decide, and does what that says. It never waits for any of them.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Sharing,
    inventory::Inventory,
    launch::{self, Launch, ProcessNews, ProcessNewsKind},
    mux::{
        ClientKey, Effect, Ending, Event, Life, MAX_REQUESTS, Mux, MuxKey, MuxTicket, ProcessPhase, Rules,
    },
    report::{ProgramProcess, ProgramReport, ProgramState},
};
use crate::{
    frame::{Frame, Kind, Object, Parts},
    protocol::{code, method, program},
    session::message,
    terminal::clean_line,
};

/// Requests of the endpoint that wait for the desk, which never waits.
pub(super) const ASKS: usize = 256;

/// What processes have said and the desk has not read. Few, since a message may be large.
const NEWS: usize = 16;

/// Sessions at a time. A hub has two; each agent has a hub.
const MAX_SESSIONS: usize = 256;

/// Messages that wait in a client's stream. A client that lets more pile up loses the stream.
pub(super) const STREAM: usize = 1024;

/// Bytes that wait for one client, and for all, in messages that are worth being counted. A client that does not read is
/// told that it missed an answer; it costs the others nothing.
const MAX_WAITING: usize = 64 * 1024 * 1024;
const MAX_WAITING_FOR_ALL: usize = 256 * 1024 * 1024;
const COUNTED: usize = 16 * 1024;

/// What is kept of standard error.
const ERROR_LINES: usize = 200;
const ERROR_BYTES: usize = 32 * 1024;

/// Lines of it that an error tells.
const LAST_WORDS: usize = 10;

/// Between two reports to hubs, when lines keep coming.
const REPORT_PAUSE: Duration = Duration::from_millis(500);

/// Names a session, as the client does.
pub(super) type SessionId = Arc<str>;

/// What the endpoint wants.
#[derive(Debug)]
pub(super) enum DeskCommand {
    /// A request; without a session it is `initialize`.
    Request { session: Option<SessionId>, frame: Frame, stream: mpsc::Sender<ToClient> },
    /// A notification or an answer. `is_known`: whether there is such a session.
    Message { session: SessionId, frame: Frame, is_known: oneshot::Sender<bool> },
    /// The stream for what belongs to no request.
    Listen { session: SessionId, stream: mpsc::Sender<ToClient>, is_known: oneshot::Sender<bool> },
    /// The session ends.
    Close { session: SessionId, is_known: oneshot::Sender<bool> },
}

/// What goes to a client.
#[derive(Debug)]
pub(super) enum ToClient {
    /// There is no such session.
    Unknown,
    /// There are too many.
    TooMany,
    /// The session that `initialize` has opened; the answer follows.
    Opened(SessionId),
    /// Something that is not the last.
    Message(Parts),
    /// The answer, after which nothing comes.
    Answer(Parts),
}

/// What a desk is made of.
pub(super) struct DeskOptions {
    pub(super) rules: Rules,
    pub(super) launch: Arc<dyn Launch>,
    pub(super) file: Option<PathBuf>,
    pub(super) session_idle: Duration,
    pub(super) stop: CancellationToken,
}

struct StdioSession {
    id: SessionId,
    mux: MuxKey,
    listening: Option<(u64, mpsc::Sender<ToClient>)>,
    /// Requests that are not answered.
    open: usize,
    used: Instant,
    /// Bytes that wait for it.
    waiting: Arc<AtomicUsize>,
    /// Whether it wants to be told of the program.
    watches: bool,
}

struct OpenRequest {
    client: ClientKey,
    stream: mpsc::Sender<ToClient>,
    is_hello: bool,
}

struct SharedServer {
    mux: Mux,
    process: Option<ServerProcess>,
}

struct ServerProcess {
    life: Life,
    messages: mpsc::Sender<Parts>,
    stop: CancellationToken,
    pid: Option<u32>,
}

/// A stream that nobody reads any more.
enum Closed {
    Request(MuxTicket),
    Standing(ClientKey, u64),
}

pub(super) struct Desk {
    options: DeskOptions,
    asks: mpsc::Receiver<DeskCommand>,
    news: (mpsc::Sender<ProcessNews>, mpsc::Receiver<ProcessNews>),
    sessions: HashMap<SessionId, ClientKey>,
    clients: BTreeMap<ClientKey, StdioSession>,
    tickets: HashMap<MuxTicket, OpenRequest>,
    servers: BTreeMap<MuxKey, SharedServer>,
    inventory: Option<Inventory>,
    /// The same for the task that writes the file.
    kept: watch::Sender<Option<Inventory>>,
    closed: FuturesUnordered<Pin<Box<dyn Future<Output = Closed> + Send>>>,
    processes: JoinSet<()>,
    keys: u64,
    waiting: Arc<AtomicUsize>,
    report: watch::Sender<Arc<ProgramReport>>,
    /// Whether somebody listens, or waits for an answer.
    attended: watch::Sender<bool>,
    /// What standard error has said, and its length.
    errors: (VecDeque<String>, usize),
    starts: u64,
    last_end: Option<String>,
    garbage: u64,
    is_confirmed: bool,
    /// When the report may be told again, if there is something new in it.
    report_due: Option<Instant>,
    reported: Instant,
}

impl Desk {
    pub(super) fn new(
        options: DeskOptions,
        asks: mpsc::Receiver<DeskCommand>,
    ) -> (Self, watch::Receiver<Arc<ProgramReport>>, watch::Receiver<bool>) {
        let (report, reports) = watch::channel(Arc::default());
        let (attended, attendance) = watch::channel(false);
        let desk = Self {
            options,
            asks,
            news: mpsc::channel(NEWS),
            sessions: HashMap::new(),
            clients: BTreeMap::new(),
            tickets: HashMap::new(),
            servers: BTreeMap::new(),
            inventory: None,
            kept: watch::Sender::new(None),
            closed: FuturesUnordered::new(),
            processes: JoinSet::new(),
            keys: 0,
            waiting: Arc::default(),
            report,
            attended,
            errors: (VecDeque::new(), 0),
            starts: 0,
            last_end: None,
            garbage: 0,
            is_confirmed: false,
            report_due: None,
            reported: Instant::now(),
        };
        (desk, reports, attendance)
    }

    /// Runs until it is told to stop, and the processes have ended.
    pub(super) async fn run(mut self) {
        if let Some(file) = self.options.file.clone() {
            let loaded = tokio::task::spawn_blocking(move || Inventory::load(&file));
            self.inventory = loaded.await.ok().flatten();
        }
        if let Some(file) = self.options.file.clone() {
            self.processes.spawn(keep(file, self.kept.subscribe()));
        }
        if self.inventory.is_none() {
            let mux = self.open_mux();
            self.step(mux, Event::Learn);
        }
        self.publish();
        let stop = self.options.stop.clone();
        loop {
            let is_attended = self.clients.values().any(|session| !session.rests());
            self.attended.send_if_modified(|was| std::mem::replace(was, is_attended) != is_attended);
            let deadline = self.deadline();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(news) = self.news.1.recv() => self.on_news(news),
                Some(closed) = self.closed.next() => self.on_stream_closed(&closed),
                asked = self.asks.recv() => match asked {
                    Some(ask) => self.on_ask(ask),
                    // The server has gone with its router.
                    None => break,
                },
                Some(_) = self.processes.join_next() => {}
                () = until(deadline) => self.on_time(),
            }
        }
        self.end().await;
    }

    /// Ends all processes in order. What clients wait for is not answered: their streams close.
    async fn end(mut self) {
        // What is not written yet is, and then no more.
        drop(std::mem::replace(&mut self.kept, watch::Sender::new(None)));
        self.tickets.clear();
        self.clients.clear();
        for server in self.servers.values() {
            if let Some(process) = &server.process {
                process.stop.cancel();
            }
        }
        loop {
            tokio::select! {
                ended = self.processes.join_next() => if ended.is_none() { return },
                // A process that still speaks must not wait for room.
                _ = self.news.1.recv() => {}
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let servers = self.servers.values().filter_map(|server| server.mux.deadline());
        let resting = self.clients.values().filter(|session| session.rests());
        let expiries = resting.map(|session| session.used + self.options.session_idle);
        servers.chain(expiries).chain(self.report_due).min()
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        let due: Vec<MuxKey> = self
            .servers
            .iter()
            .filter(|(_, server)| server.mux.deadline().is_some_and(|deadline| deadline <= now))
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            self.step(key, Event::Tick);
        }
        let expired: Vec<ClientKey> = self
            .clients
            .iter()
            .filter(|(_, session)| session.rests() && session.used + self.options.session_idle <= now)
            .map(|(key, _)| *key)
            .collect();
        for client in expired {
            self.close(client);
        }
        if self.report_due.is_some_and(|due| due <= now) {
            self.publish();
        }
    }

    // Clients.

    fn on_ask(&mut self, ask: DeskCommand) {
        match ask {
            DeskCommand::Request { session: None, frame, stream } => self.on_hello(frame, stream),
            DeskCommand::Request { session: Some(session), frame, stream } => match self.known(&session) {
                Some(client) => self.on_request(client, frame, stream, false),
                None => drop(stream.try_send(ToClient::Unknown)),
            },
            DeskCommand::Message { session, frame, is_known } => {
                let client = self.known(&session);
                // It fails when the client has gone meanwhile.
                let _ = is_known.send(client.is_some());
                let Some((client, mux)) = client.and_then(|key| Some((key, self.clients.get(&key)?.mux)))
                else {
                    return;
                };
                self.step(
                    mux,
                    match frame.kind() {
                        Kind::Response { .. } => Event::Response { client, frame },
                        _ => Event::Notification { client, frame },
                    },
                );
            }
            DeskCommand::Listen { session, stream, is_known } => {
                let client = self.known(&session);
                let _ = is_known.send(client.is_some());
                if let Some(client) = client {
                    self.listen(client, stream);
                }
            }
            DeskCommand::Close { session, is_known } => {
                let client = self.known(&session);
                let _ = is_known.send(client.is_some());
                if let Some(client) = client {
                    self.close(client);
                }
            }
        }
    }

    fn known(&mut self, session: &SessionId) -> Option<ClientKey> {
        let client = *self.sessions.get(session)?;
        self.clients.get_mut(&client)?.used = Instant::now();
        Some(client)
    }

    fn on_hello(&mut self, frame: Frame, stream: mpsc::Sender<ToClient>) {
        if self.clients.len() >= MAX_SESSIONS {
            let resting = self.clients.iter().filter(|(_, session)| session.rests());
            match resting.min_by_key(|(_, session)| session.used).map(|(key, _)| *key) {
                Some(oldest) => self.close(oldest),
                None => return drop(stream.try_send(ToClient::TooMany)),
            }
        }
        let mux = match (self.options.rules.sharing, self.servers.keys().next()) {
            (Sharing::Shared, Some(mux)) => *mux,
            _ => self.open_mux(),
        };
        let client = ClientKey(self.key());
        let id: SessionId = format!("{:032x}", random()).into();
        let session = StdioSession {
            id: Arc::clone(&id),
            mux,
            listening: None,
            open: 0,
            used: Instant::now(),
            waiting: Arc::default(),
            watches: watches(&frame),
        };
        self.sessions.insert(Arc::clone(&id), client);
        self.clients.insert(client, session);
        let _ = stream.try_send(ToClient::Opened(id));
        self.on_request(client, frame, stream, true);
        self.change();
    }

    fn on_request(
        &mut self,
        client: ClientKey,
        frame: Frame,
        stream: mpsc::Sender<ToClient>,
        is_hello: bool,
    ) {
        let Some(session) = self.clients.get_mut(&client) else { return };
        session.open += 1;
        let mux = session.mux;
        let ticket = MuxTicket(self.key());
        let watched = stream.clone();
        self.closed.push(Box::pin(async move {
            watched.closed().await;
            Closed::Request(ticket)
        }));
        self.tickets.insert(ticket, OpenRequest { client, stream, is_hello });
        self.step(mux, Event::Request { client, ticket, frame });
    }

    fn listen(&mut self, client: ClientKey, stream: mpsc::Sender<ToClient>) {
        let number = self.key();
        let watched = stream.clone();
        self.closed.push(Box::pin(async move {
            watched.closed().await;
            Closed::Standing(client, number)
        }));
        let Some(session) = self.clients.get_mut(&client) else { return };
        // One at a time: the newer one counts, the older one ends.
        session.listening = Some((number, stream));
        if session.watches {
            let report = Arc::clone(&self.report.borrow());
            self.notify(client, told(&report));
        }
    }

    fn on_stream_closed(&mut self, closed: &Closed) {
        match *closed {
            Closed::Request(ticket) => {
                let Some(asked) = self.tickets.get(&ticket) else { return };
                let (client, is_hello) = (asked.client, asked.is_hello);
                let Some(mux) = self.clients.get(&client).map(|session| session.mux) else { return };
                self.step(mux, Event::Abandoned(ticket));
                if is_hello {
                    // Nobody knows of the session.
                    self.close(client);
                }
            }
            Closed::Standing(client, number) => {
                let Some(session) = self.clients.get_mut(&client) else { return };
                if session.listening.as_ref().is_some_and(|(current, _)| *current == number) {
                    session.listening = None;
                    session.used = Instant::now();
                }
            }
        }
    }

    fn close(&mut self, client: ClientKey) {
        let Some(mux) = self.clients.get(&client).map(|session| session.mux) else { return };
        self.step(mux, Event::Closed(client));
        if let Some(session) = self.clients.remove(&client) {
            self.sessions.remove(&session.id);
        }
        self.change();
    }

    // Processes.

    fn open_mux(&mut self) -> MuxKey {
        let key = MuxKey(self.key());
        let mux = Mux::new(self.options.rules.clone(), self.inventory.clone());
        self.servers.insert(key, SharedServer { mux, process: None });
        key
    }

    fn on_news(&mut self, ProcessNews { mux, life, what }: ProcessNews) {
        match what {
            ProcessNewsKind::Started(pid) => {
                self.starts += 1;
                if let Some(process) = self.process(mux, life) {
                    process.pid = Some(pid);
                }
                self.change();
            }
            ProcessNewsKind::Line(frame) => self.step(mux, Event::Line { life, frame }),
            ProcessNewsKind::Written(bytes) => self.step(mux, Event::Written { life, bytes }),
            ProcessNewsKind::Garbage(line) => {
                self.garbage += 1;
                tracing::debug!("a stdio server wrote something to standard output that is no message");
                self.keep_error(&format!("(standard output) {line}"));
            }
            ProcessNewsKind::Error(line) => self.keep_error(&line),
            ProcessNewsKind::NotStarted(error) => {
                self.last_end = Some(clean_line(&error.why).into_owned());
                self.on_end(mux, life, error.into());
            }
            ProcessNewsKind::Ended(how) => {
                self.last_end = Some(clean_line(&how).into_owned());
                let lines = &self.errors.0;
                let last: Vec<&str> =
                    lines.iter().skip(lines.len().saturating_sub(LAST_WORDS)).map(String::as_str).collect();
                let ending = Ending { why: how, is_hopeless: false, last_words: last.join("\n") };
                self.on_end(mux, life, ending);
            }
        }
    }

    fn process(&mut self, mux: MuxKey, life: Life) -> Option<&mut ServerProcess> {
        self.servers.get_mut(&mux)?.process.as_mut().filter(|process| process.life == life)
    }

    fn on_end(&mut self, mux: MuxKey, life: Life, ending: Ending) {
        if self.process(mux, life).is_some()
            && let Some(server) = self.servers.get_mut(&mux)
        {
            server.process = None;
        }
        self.step(mux, Event::Ended { life, ending });
        self.change();
    }

    fn keep_error(&mut self, line: &str) {
        let line = clean_line(line).into_owned();
        let (lines, bytes) = &mut self.errors;
        *bytes += line.len();
        lines.push_back(line);
        while lines.len() > ERROR_LINES || *bytes > ERROR_BYTES {
            let Some(first) = lines.pop_front() else { break };
            *bytes -= first.len();
        }
        self.change();
    }

    /// Lets a mux decide, and does what it says.
    fn step(&mut self, key: MuxKey, event: Event) {
        let now = Instant::now();
        let Some(server) = self.servers.get_mut(&key) else { return };
        let before = server.mux.phase();
        let effects = server.mux.on(event, now);
        let after = server.mux.phase();
        for effect in effects {
            self.perform(key, effect);
        }
        if before != after {
            if matches!(after, ProcessPhase::Running { .. }) {
                self.is_confirmed = true;
            }
            self.change();
        }
        self.dispose(key);
    }

    /// A process of its own goes with its session.
    fn dispose(&mut self, key: MuxKey) {
        if self.options.rules.sharing == Sharing::Shared
            || self.clients.values().any(|session| session.mux == key)
        {
            return;
        }
        let Some(server) = self.servers.get(&key) else { return };
        let is_learning = self.inventory.is_none() && server.mux.deadline().is_some();
        if server.process.is_none() && !is_learning {
            self.servers.remove(&key);
        }
    }

    fn perform(&mut self, key: MuxKey, effect: Effect) {
        match effect {
            Effect::Start(life) => self.start(key, life),
            Effect::Stop(life) => {
                if let Some(process) = self.process(key, life) {
                    process.stop.cancel();
                }
            }
            Effect::Write(life, parts) => {
                if let Some(process) = self.process(key, life)
                    && process.messages.try_send(parts).is_err()
                {
                    // It takes nothing, or has ended, which is told soon.
                    process.stop.cancel();
                }
            }
            Effect::Answer(ticket, parts) => self.answer(ticket, parts),
            Effect::Tell(ticket, parts) => {
                let Some(asked) = self.tickets.get(&ticket) else { return };
                let Some(session) = self.clients.get(&asked.client) else { return };
                // The last place is the answer's: what is more than a client reads is not worth more.
                if asked.stream.capacity() > 1
                    && let Some(parts) = counted(parts, &session.waiting, &self.waiting)
                {
                    let _ = asked.stream.try_send(ToClient::Message(parts));
                }
            }
            Effect::Forget(ticket) => {
                if let Some(asked) = self.tickets.remove(&ticket) {
                    self.answered(asked.client);
                }
            }
            Effect::Notify(client, parts) => self.notify(client, parts),
            Effect::Keep => self.keep(key),
        }
    }

    fn answered(&mut self, client: ClientKey) {
        if let Some(session) = self.clients.get_mut(&client) {
            session.open = session.open.saturating_sub(1);
            session.used = Instant::now();
        }
    }

    fn answer(&mut self, ticket: MuxTicket, parts: Parts) {
        let Some(asked) = self.tickets.remove(&ticket) else { return };
        self.answered(asked.client);
        let has_failed = asked.is_hello
            && Frame::parse(parts.clone().join())
                .is_ok_and(|frame| matches!(frame.kind(), Kind::Response { ok: false, .. }));
        let Some(session) = self.clients.get(&asked.client) else { return };
        let parts = counted(parts.clone(), &session.waiting, &self.waiting).unwrap_or_else(|| {
            let answer = Frame::parse(parts.join()).ok();
            let id = answer.as_ref().and_then(Frame::id);
            let text = "the answer was thrown away: too much waits to be read (at most 64 MiB for a client, 256 MiB for all)";
            message::error(id, code::INTERNAL_ERROR, text, None)
        });
        let _ = asked.stream.try_send(ToClient::Answer(parts));
        if has_failed {
            self.close(asked.client);
        }
    }

    fn notify(&mut self, client: ClientKey, parts: Parts) {
        let Some(session) = self.clients.get_mut(&client) else { return };
        let Some((_, stream)) = &session.listening else { return };
        let counted = counted(parts, &session.waiting, &self.waiting);
        if counted.is_none_or(|parts| stream.try_send(ToClient::Message(parts)).is_err()) {
            // It has missed something: it finds out by the end of its stream.
            session.listening = None;
        }
    }

    fn start(&mut self, key: MuxKey, life: Life) {
        // Whatever the mux lets through has room.
        let (messages, received) = mpsc::channel(2 * MAX_REQUESTS);
        let stop = CancellationToken::new();
        let process = ServerProcess { life, messages, stop: stop.clone(), pid: None };
        if let Some(server) = self.servers.get_mut(&key) {
            server.process = Some(process);
        }
        let launch = Arc::clone(&self.options.launch);
        self.processes.spawn(launch::live(launch, (key, life), received, self.news.0.clone(), stop));
    }

    fn keep(&mut self, key: MuxKey) {
        let Some(inventory) = self.servers.get(&key).and_then(|server| server.mux.inventory()).cloned()
        else {
            return;
        };
        self.inventory = Some(inventory.clone());
        self.change();
        self.kept.send_replace(Some(inventory));
    }

    // Reports.

    /// There is something to be told, now or soon.
    fn change(&mut self) {
        let due = self.reported + REPORT_PAUSE;
        self.report_due.get_or_insert(due);
    }

    fn publish(&mut self) {
        self.report_due = None;
        self.reported = Instant::now();
        let processes = self.servers.values().filter_map(|server| {
            let process = server.process.as_ref()?;
            let state = match server.mux.phase() {
                ProcessPhase::Opening { .. } => ProgramState::Starting,
                ProcessPhase::Running { .. } => ProgramState::Running,
                ProcessPhase::Ending | ProcessPhase::Asleep { .. } => ProgramState::Ending,
            };
            Some(ProgramProcess { pid: process.pid, state })
        });
        let report = ProgramReport {
            sharing: self.options.rules.sharing.name(),
            processes: processes.collect(),
            sessions: self.clients.len(),
            tools: self.inventory.as_ref().map_or(0, Inventory::tools),
            is_stale: self.inventory.is_some() && !self.is_confirmed,
            starts: self.starts,
            last_end: self.last_end.clone(),
            garbage: self.garbage,
            stderr: self.errors.0.iter().cloned().collect(),
        };
        let parts = told(&report);
        self.report.send_replace(Arc::new(report));
        let watching: Vec<ClientKey> =
            self.clients.iter().filter(|(_, session)| session.watches).map(|(key, _)| *key).collect();
        for client in watching {
            self.notify(client, parts.clone());
        }
    }

    fn key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }
}

impl StdioSession {
    fn rests(&self) -> bool {
        self.open == 0 && self.listening.is_none()
    }
}

/// Writes what the server offers whenever it has changed: one after the other, so that the last is what stays.
async fn keep(file: PathBuf, mut kept: watch::Receiver<Option<Inventory>>) {
    while kept.changed().await.is_ok() {
        let Some(inventory) = kept.borrow_and_update().clone() else { continue };
        let to = file.clone();
        let saved = tokio::task::spawn_blocking(move || inventory.save(&to)).await;
        if let Ok(Err(error)) = saved {
            tracing::debug!(%error, file = %file.display(), "cannot keep what a stdio server offers");
        }
    }
}

fn told(report: &ProgramReport) -> Parts {
    let params = serde_json::to_string(report).unwrap_or_else(|_| "{}".to_owned());
    message::notification(program::NOTIFICATION, Some(&params))
}

/// Whether a client that opens with this wants to be told of the program.
fn watches(hello: &Frame) -> bool {
    let experimental = || {
        let params = Object::read(hello.params().filter(|_| hello.method() == Some(method::INITIALIZE))?)?;
        let capabilities = Object::read(params.get("capabilities")?)?;
        Object::read(capabilities.get("experimental")?)?.get(program::CAPABILITY).map(|_| ())
    };
    experimental().is_some()
}

fn random() -> u128 {
    uuid::Uuid::new_v4().as_u128()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A message that counts as waiting until the last slice of it is written; `None`: too much waits already.
fn counted(parts: Parts, own: &Arc<AtomicUsize>, all: &Arc<AtomicUsize>) -> Option<Parts> {
    struct Counted {
        text: Bytes,
        counters: [Arc<AtomicUsize>; 2],
    }
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.text
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            for counter in &self.counters {
                counter.fetch_sub(self.text.len(), Ordering::Relaxed);
            }
        }
    }
    let bytes = parts.len();
    if bytes <= COUNTED {
        return Some(parts);
    }
    // The desk alone adds, so nothing is added between the look and the addition.
    let (mine, everyones) = (own.load(Ordering::Relaxed), all.load(Ordering::Relaxed));
    if mine > 0 && (mine + bytes > MAX_WAITING || everyones + bytes > MAX_WAITING_FOR_ALL) {
        return None;
    }
    let mut sealed = Parts::default();
    for piece in parts.pieces().filter(|piece| !piece.is_empty()) {
        let counters = [Arc::clone(own), Arc::clone(all)];
        for counter in &counters {
            counter.fetch_add(piece.len(), Ordering::Relaxed);
        }
        sealed.push(Bytes::from_owner(Counted { text: piece.clone(), counters }));
    }
    Some(sealed)
}
