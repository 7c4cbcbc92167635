//! Links of a session: its own connections to the instances it uses, and the requests in flight on them.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::client::{ReplyTo, canonical};
use crate::{
    config::Limits,
    frame::Frame,
    instance::{Generation, Instance},
    upstream::{
        ExchangeError, Hello, LinkId, Purpose, Sent, Upstream, UpstreamEvent, UpstreamOptions, Welcome,
    },
};

/// One connection of this session to one life of an instance.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) instance: Instance,
    pub(super) upstream: Upstream,
    pub(super) manners: Manners,
    stop: CancellationToken,
}

/// What the instance's `initialize` result says about how to treat it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manners {
    /// It takes `logging/setLevel`.
    pub(super) logs: bool,
    /// It is the released Go program, whose results need mending.
    pub(super) sloppy: bool,
}

impl Manners {
    pub(super) fn of(welcome: &Welcome) -> Self {
        #[derive(Deserialize)]
        struct Said {
            #[serde(default)]
            capabilities: Capabilities,
            #[serde(default, rename = "serverInfo")]
            server: Server,
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
        match serde_json::from_str::<Said>(&welcome.result) {
            Ok(said) => {
                Self { logs: said.capabilities.logging.is_some(), sloppy: said.server.name == "brummer-mcp" }
            }
            Err(_) => Self::default(),
        }
    }
}

/// A request that an instance has still to answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) link: LinkId,
    pub(super) asker: Asker,
}

/// Who gets the answer.
#[derive(Debug)]
pub(super) enum Asker {
    /// The client; `shape` says how its result must be edited on the way.
    Client { reply: ReplyTo, token: Option<Box<str>>, shape: Shape },
    /// A job of this session. `client` is the request that the job works on, for progress.
    Job { answer: oneshot::Sender<Result<Frame, ExchangeError>>, token: Option<Box<str>> },
    /// Nobody.
    Nobody,
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
    by_generation: HashMap<Generation, LinkId>,
    next_link: u64,
    next_request: u64,
    pending: HashMap<u64, Pending>,
    /// Progress tokens of requests in flight, by what they mean, and whose they are.
    tokens: HashMap<Box<str>, u64>,
    events: mpsc::Sender<UpstreamEvent>,
    tasks: TaskTracker,
    stop: CancellationToken,
    limits: Limits,
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
            by_generation: HashMap::new(),
            next_link: 0,
            next_request: 0,
            pending: HashMap::new(),
            tokens: HashMap::new(),
            events,
            tasks,
            stop,
            limits,
        }
    }

    /// The link to an instance, opened now if need be. Requests may be sent on it at once.
    pub(super) fn to(&mut self, instance: &Instance, hello: impl FnOnce() -> Hello) -> LinkId {
        if let Some(id) = self.by_generation.get(&instance.generation) {
            return *id;
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
        };
        let upstream = Upstream::open(options, self.events.clone(), &self.tasks, stop.clone());
        let link = Link { instance: instance.clone(), upstream, manners: Manners::default(), stop };
        self.open.insert(id, link);
        self.by_generation.insert(instance.generation, id);
        id
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.open.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.open.get_mut(&id)
    }

    pub(super) fn of(&self, generation: Generation) -> Option<&Link> {
        self.by_generation.get(&generation).and_then(|id| self.open.get(id))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.open.iter().map(|(id, link)| (*id, link))
    }

    /// Forgets a link. Its connection is closed, and what was in flight on it is given back to be answered.
    pub(super) fn close(&mut self, id: LinkId) -> Option<(Link, Vec<Asker>)> {
        let link = self.open.remove(&id)?;
        self.by_generation.remove(&link.instance.generation);
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
        let body = frame.with_id(&id.to_string()).join();
        if open.upstream.request(id, body).is_err() {
            return Err(asker);
        }
        if let Asker::Client { token: Some(token), .. } | Asker::Job { token: Some(token), .. } = &asker {
            self.tokens.insert(canonical(token).into(), id);
        }
        self.pending.insert(id, Pending { link, asker });
        Ok(id)
    }

    /// Takes a request out of flight: it was answered, has failed or is no longer wanted.
    pub(super) fn finish(&mut self, request: u64) -> Option<Pending> {
        let pending = self.pending.remove(&request)?;
        if let Asker::Client { token: Some(token), .. } | Asker::Job { token: Some(token), .. } =
            &pending.asker
            && self.tokens.get(&*canonical(token)) == Some(&request)
        {
            self.tokens.remove(&*canonical(token));
        }
        Some(pending)
    }

    /// The client's own text for a progress token, if progress under it is still wanted and comes from where it should.
    pub(super) fn expected_token(&self, link: LinkId, token: &str) -> Option<&str> {
        let pending = self.pending.get(self.tokens.get(&*canonical(token))?)?;
        match &pending.asker {
            Asker::Client { token: Some(token), .. } | Asker::Job { token: Some(token), .. }
                if pending.link == link =>
            {
                Some(token)
            }
            _ => None,
        }
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
