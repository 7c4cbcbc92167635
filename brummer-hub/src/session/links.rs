//! Links of a session: its own connections to the instances it uses, and the requests in flight on them.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::client::{Caller, ReplyTo, canonical};
use super::level::Level;
use crate::{
    budget::Budget,
    config::Limits,
    frame::Frame,
    instance::{Generation, Instance},
    protocol::Era,
    upstream::{
        ExchangeError, Hello, LinkId, Purpose, Sent, Upstream, UpstreamEvent, UpstreamOptions, Welcome,
    },
};

/// Tasks whose progress is passed on at a time; the older ones go without.
const MAX_TASK_TOKENS: usize = 64;

/// One connection of this session to one life of an instance.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) instance: Instance,
    pub(super) upstream: Upstream,
    /// On whose behalf it was opened.
    pub(super) caller: Caller,
    /// What the instance speaks, once it has answered.
    pub(super) era: Option<Era>,
    pub(super) manners: Manners,
    /// The level that was set for a caller without a handshake.
    pub(super) level: Option<Level>,
    stop: CancellationToken,
}

/// What the instance's `initialize` result says about how to treat it.
#[derive(Clone, Debug, Default)]
pub(super) struct Manners {
    /// It takes `logging/setLevel`.
    pub(super) logs: bool,
    /// It is the released Go program, whose results need mending.
    pub(super) sloppy: bool,
    /// Its `serverInfo`, as JSON text.
    pub(super) server_info: Option<Arc<str>>,
}

impl Manners {
    pub(super) fn of(welcome: &Welcome) -> Self {
        #[derive(Deserialize)]
        struct Said<'a> {
            #[serde(default)]
            capabilities: Capabilities,
            #[serde(borrow, default, rename = "serverInfo")]
            server: Option<&'a RawValue>,
        }
        #[derive(Deserialize, Default)]
        struct Capabilities {
            logging: Option<serde::de::IgnoredAny>,
        }
        #[derive(Deserialize, Default)]
        struct Server {
            #[serde(default)]
            name: String,
        }
        let Ok(said) = serde_json::from_str::<Said<'_>>(&welcome.result) else { return Self::default() };
        let server = said.server.map(RawValue::get).filter(|text| text.starts_with('{'));
        let named: Server = server.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Self {
            logs: said.capabilities.logging.is_some(),
            sloppy: named.name == "brummer-mcp",
            server_info: server.map(Into::into),
        }
    }
}

/// A request that an instance has still to answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request: u64,
    pub(super) link: LinkId,
    pub(super) asker: Asker,
    /// The progress token that the request was sent with, in canonical form.
    token: Option<Box<str>>,
}

/// Who gets the answer.
#[derive(Debug)]
pub(super) enum Asker {
    /// The client; `shape` says how its result must be edited on the way.
    ///
    /// `token` is the client's own text for the progress token. `said` is its request, kept when the instance may ask
    /// something that the client can only be asked in an answer.
    Client { reply: ReplyTo, token: Option<Box<str>>, shape: Shape, said: Option<Box<Frame>> },
    /// A client that was asked something in an answer, and will come back with this state.
    Suspended { state: Box<str> },
    /// A job of this session. `client` is the request that the job works on, for progress.
    Job { answer: oneshot::Sender<Result<Frame, ExchangeError>>, token: Option<Box<str>> },
    /// Nobody.
    Nobody,
}

impl Asker {
    /// The progress token as the one who waits knows it.
    fn token(&self) -> Option<&str> {
        match self {
            Self::Client { token, .. } | Self::Job { token, .. } => token.as_deref(),
            Self::Suspended { .. } | Self::Nobody => None,
        }
    }
}

/// How a result is edited before the client gets it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// Not at all.
    Raw,
    /// A list of this kind; on its first page the hub's own items come first.
    List { kind: super::lists::ListKind, first_page: bool },
    /// The answer to `tools/call`.
    Tool,
    /// The answer to a call that went through the hub's `instances_call`.
    Called,
    /// The answer to `prompts/get`.
    Prompt,
    /// The answer to `resources/subscribe` or `unsubscribe` for this URI (JSON text).
    Subscription { uri: Box<str>, on: bool },
    /// The answer to `resources/read`.
    Resource,
}

/// Opens links, and knows every one that is open.
#[derive(Debug)]
pub(super) struct Links {
    open: BTreeMap<LinkId, Link>,
    by_instance: HashMap<(Generation, Caller), LinkId>,
    next_link: u64,
    next_request: u64,
    pending: HashMap<u64, Pending>,
    /// Progress tokens of requests in flight, by what they mean, and whose they are.
    tokens: HashMap<Box<str>, u64>,
    /// Progress tokens that live on with the task that their request has created, oldest first.
    task_tokens: VecDeque<(LinkId, Box<str>)>,
    events: mpsc::Sender<UpstreamEvent>,
    tasks: TaskTracker,
    stop: CancellationToken,
    limits: Limits,
    /// Room for what the instances say to the client.
    budget: Budget,
}

impl Links {
    pub(super) fn new(
        events: mpsc::Sender<UpstreamEvent>,
        tasks: TaskTracker,
        stop: CancellationToken,
        limits: Limits,
    ) -> Self {
        Self {
            open: BTreeMap::new(),
            by_instance: HashMap::new(),
            next_link: 0,
            next_request: 0,
            pending: HashMap::new(),
            tokens: HashMap::new(),
            task_tokens: VecDeque::new(),
            events,
            tasks,
            stop,
            limits,
            budget: Budget::new(limits.max_buffered),
        }
    }

    /// The link to an instance, opened now if need be. Requests may be sent on it at once.
    pub(super) fn to(
        &mut self,
        instance: &Instance,
        caller: Caller,
        hello: impl FnOnce() -> Hello,
    ) -> LinkId {
        if let Some(id) = self.id_of(instance.generation, caller) {
            return id;
        }
        self.next_link += 1;
        let id = LinkId(self.next_link);
        let stop = self.stop.child_token();
        let options = UpstreamOptions {
            link: id,
            instance: instance.id().clone(),
            port: instance.found.doorbell.port,
            endpoint: instance.found.doorbell.endpoint.clone(),
            hello: hello(),
            known: instance.status().era,
            limits: self.limits,
            purpose: Purpose::Conversation,
            gate: None,
            budget: Some(self.budget.clone()),
        };
        let upstream = Upstream::open(options, self.events.clone(), &self.tasks, stop.clone());
        let (instance, manners) = (instance.clone(), Manners::default());
        let generation = instance.generation;
        let link = Link { instance, upstream, caller, era: None, manners, level: None, stop };
        self.open.insert(id, link);
        self.by_instance.insert((generation, caller), id);
        id
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.open.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.open.get_mut(&id)
    }

    /// The link of a caller to an instance, if it is open.
    pub(super) fn of(&self, generation: Generation, caller: Caller) -> Option<&Link> {
        self.open.get(&self.id_of(generation, caller)?)
    }

    pub(super) fn id_of(&self, generation: Generation, caller: Caller) -> Option<LinkId> {
        self.by_instance.get(&(generation, caller)).copied()
    }

    /// Requests in flight, in no order, and the links that they are on.
    pub(super) fn pending(&self) -> impl Iterator<Item = (LinkId, &Pending)> {
        self.pending.values().map(|pending| (pending.link, pending))
    }

    /// Who waits for a request in flight.
    pub(super) fn asker(&self, request: u64) -> Option<&Asker> {
        self.pending.get(&request).map(|pending| &pending.asker)
    }

    /// Takes out who waits for a request, which stays in flight; somebody else is to be [set](Self::set_asker).
    pub(super) fn take_asker(&mut self, request: u64) -> Option<(LinkId, Asker)> {
        let pending = self.pending.get_mut(&request)?;
        Some((pending.link, std::mem::replace(&mut pending.asker, Asker::Nobody)))
    }

    /// Notes who waits for a request in flight from now on.
    pub(super) fn set_asker(&mut self, request: u64, asker: Asker) {
        if let Some(pending) = self.pending.get_mut(&request) {
            pending.asker = asker;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.open.iter().map(|(id, link)| (*id, link))
    }

    /// Forgets a link. Its connection is closed, and what was in flight on it is given back to be answered.
    pub(super) fn close(&mut self, id: LinkId) -> Option<(Link, Vec<Asker>)> {
        let link = self.open.remove(&id)?;
        self.by_instance.remove(&(link.instance.generation, link.caller));
        self.task_tokens.retain(|(at, _)| *at != id);
        link.stop.cancel();
        let mut orphans: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.link == id)
            .map(|(request, _)| *request)
            .collect();
        orphans.sort_unstable();
        let askers =
            orphans.into_iter().filter_map(|request| self.finish(request)).map(|pending| pending.asker);
        let askers = askers.collect();
        Some((link, askers))
    }

    /// Sends a request under a number of the hub's own. `Err` gives the asker back: the link is gone or overloaded.
    pub(super) fn request(&mut self, link: LinkId, frame: &Frame, asker: Asker) -> Result<u64, Asker> {
        self.next_request += 1;
        let id = self.next_request;
        let Some(open) = self.open.get(&link) else { return Err(asker) };
        let body = frame.with_id(&id.to_string());
        if open.upstream.request(id, body).is_err() {
            return Err(asker);
        }
        let token: Option<Box<str>> = asker.token().map(|token| canonical(token).into());
        if let Some(token) = &token {
            self.tokens.insert(token.clone(), id);
        }
        self.pending.insert(id, Pending { request: id, link, asker, token });
        Ok(id)
    }

    /// Takes a request out of flight: it was answered, has failed or is no longer wanted.
    pub(super) fn finish(&mut self, request: u64) -> Option<Pending> {
        let pending = self.pending.remove(&request)?;
        if let Some(token) = &pending.token
            && self.tokens.get(token) == Some(&request)
        {
            self.tokens.remove(token);
        }
        Some(pending)
    }

    /// A request has created a task, and its progress token (as the client wrote it) lives as long (2025-11-25, tasks §
    /// Task Progress Notifications).
    pub(super) fn keep_token(&mut self, link: LinkId, token: Box<str>) {
        if self.task_tokens.len() >= MAX_TASK_TOKENS {
            self.task_tokens.pop_front();
        }
        self.task_tokens.push_back((link, token));
    }

    /// The client's own text for a progress token, if progress under it is still wanted and comes from where it should.
    pub(super) fn expected_token(&self, link: LinkId, token: &str) -> Option<&str> {
        let canonical_token = canonical(token);
        let Some(request) = self.tokens.get(&*canonical_token) else {
            let of_task =
                |(at, known): &&(LinkId, Box<str>)| *at == link && canonical(known) == canonical_token;
            return self.task_tokens.iter().rev().find(of_task).map(|(_, known)| &**known);
        };
        let pending = self.pending.get(request)?;
        pending.asker.token().filter(|_| pending.link == link)
    }
}

/// Says what went wrong with an instance, in the `data` of an error (`sent`: whether the request may have run).
pub(super) fn failure_data(instance: &Instance, error: &ExchangeError) -> String {
    serde_json::json!({
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
