//! Links of a session: its own connections to the instances that it uses, each to one life of an instance and on behalf of
//! one caller.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    list_kind::ListKind,
    message::{Level, text_of},
    nulls::left_out_of_item,
    peer::Caller,
};
use crate::{
    frame::Object,
    instance::{Generation, Instance},
    protocol::{Era, extension},
    upstream::{LinkId, Welcome},
};

/// One connection of this session to one life of an instance.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) instance: Instance,
    /// On whose behalf it was opened.
    pub(super) caller: Caller,
    /// What the instance said of itself, once it has answered.
    pub(super) manners: Option<Manners>,
    /// The level of log messages that was set for a caller without a handshake.
    pub(super) level: Option<Level>,
}

impl Link {
    /// Whether the instance is known to speak a revision without a handshake here.
    pub(super) fn is_modern(&self) -> bool {
        self.manners
            .as_ref()
            .map(|manners| manners.era)
            .or_else(|| self.instance.status().era)
            .is_some_and(Era::is_modern)
    }

    /// Whether it is the released Go program, whose results need mending.
    pub(super) fn is_sloppy(&self) -> bool {
        self.manners.as_ref().is_some_and(|manners| manners.sloppy)
    }
}

/// What the instance's answer to the handshake says about how to treat it.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    pub(super) era: Era,
    /// It takes `logging/setLevel`.
    pub(super) logs: bool,
    /// It has tools, prompts, resources.
    pub(super) tools: bool,
    pub(super) prompts: bool,
    pub(super) resources: bool,
    /// It has skills.
    pub(super) skills: bool,
    /// It is the released Go program.
    pub(super) sloppy: bool,
    /// Its `serverInfo`, as JSON text.
    pub(super) server_info: Option<Arc<str>>,
    /// What it tells models of itself, cut to what a model reads.
    pub(super) instructions: Option<Arc<str>>,
}

impl Manners {
    /// Whether it says that it has lists of this kind.
    pub(super) const fn has(&self, kind: ListKind) -> bool {
        match kind {
            ListKind::Tools => self.tools,
            ListKind::Prompts => self.prompts,
            ListKind::Resources | ListKind::Templates => self.resources,
            ListKind::Skills => self.skills,
            ListKind::Tasks => false,
        }
    }

    pub(super) fn of(welcome: &Welcome) -> Self {
        #[derive(Deserialize, Default)]
        struct Said<'a> {
            #[serde(default)]
            capabilities: Capabilities,
            #[serde(borrow, default, rename = "serverInfo")]
            server: Option<&'a RawValue>,
            #[serde(borrow, default)]
            instructions: Option<&'a RawValue>,
        }
        #[derive(Deserialize, Default)]
        struct Capabilities {
            logging: Option<serde::de::IgnoredAny>,
            tools: Option<serde::de::IgnoredAny>,
            prompts: Option<serde::de::IgnoredAny>,
            resources: Option<serde::de::IgnoredAny>,
        }
        #[derive(Deserialize, Default)]
        struct Server {
            #[serde(default)]
            name: String,
        }
        let said = serde_json::from_str::<Said<'_>>(&welcome.result).unwrap_or_default();
        let server = said.server.map(RawValue::get).filter(|text| text.starts_with('{'));
        let named: Server = server.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let Capabilities { logging, tools, prompts, resources } = said.capabilities;
        Self {
            era: welcome.era,
            logs: logging.is_some(),
            tools: tools.is_some(),
            prompts: prompts.is_some(),
            resources: resources.is_some(),
            skills: welcome.extensions().is_some_and(|all| {
                Object::read(&all).is_some_and(|all| all.get(extension::SKILLS).is_some())
            }),
            sloppy: named.name == "brummer-mcp",
            server_info: server.map(|text| match left_out_of_item(text) {
                Some((text, _)) => text.into(),
                None => text.into(),
            }),
            instructions: text_of(said.instructions).and_then(|text| instructions(&text)),
        }
    }
}

/// Longest instructions of an instance that are passed on, in bytes. The longest that are known take some 10 KiB.
const MAX_INSTRUCTIONS: usize = 16 * 1024;

/// The instructions of an instance, if it gives any.
fn instructions(text: &str) -> Option<Arc<str>> {
    let text = text.trim();
    let end = (0..=text.len().min(MAX_INSTRUCTIONS)).rev().find(|at| text.is_char_boundary(*at));
    (!text.is_empty()).then(|| text[..end.unwrap_or_default()].into())
}

/// Pause before a link that failed is opened again for what is wanted there; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A link that failed and has not been well since.
#[derive(Debug)]
struct Rest {
    attempts: u32,
    /// Until when it is not opened again of the session's own accord.
    until: Option<Instant>,
}

/// Every link that is open, and those that failed.
#[derive(Debug, Default)]
pub(super) struct Links {
    open: BTreeMap<LinkId, Link>,
    by_instance: BTreeMap<(Generation, Caller), LinkId>,
    resting: BTreeMap<(Generation, Caller), Rest>,
    last: u64,
}

impl Links {
    /// Notes a new link.
    pub(super) fn add(&mut self, instance: Instance, caller: Caller) -> LinkId {
        self.last += 1;
        let id = LinkId(self.last);
        self.by_instance.insert((instance.generation, caller), id);
        self.open.insert(id, Link { instance, caller, manners: None, level: None });
        id
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let link = self.open.remove(&id)?;
        self.by_instance.remove(&(link.instance.generation, link.caller));
        Some(link)
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.open.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.open.get_mut(&id)
    }

    /// The link of a caller to an instance, if it is open.
    pub(super) fn id_of(&self, generation: Generation, caller: Caller) -> Option<LinkId> {
        self.by_instance.get(&(generation, caller)).copied()
    }

    pub(super) fn of(&self, generation: Generation, caller: Caller) -> Option<&Link> {
        self.get(self.id_of(generation, caller)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.open.iter().map(|(id, link)| (*id, link))
    }

    /// The links that were opened on behalf of a caller.
    pub(super) fn of_caller(&self, caller: Caller) -> Vec<LinkId> {
        self.iter().filter(|(_, link)| link.caller == caller).map(|(id, _)| id).collect()
    }

    /// The links that were opened without a handshake to instances that have been found to have one since. (An instance may
    /// well speak both kinds; then it is listed as one without.)
    pub(super) fn outdated(&self) -> Vec<LinkId> {
        let is_modern = |link: &Link| link.manners.as_ref().is_some_and(|manners| manners.era.is_modern());
        let has_handshake = |link: &Link| link.instance.status().era.is_some_and(|era| !era.is_modern());
        self.iter().filter(|(_, link)| is_modern(link) && has_handshake(link)).map(|(id, _)| id).collect()
    }

    /// A link could not be opened, or not opened again: it rests for a while.
    pub(super) fn failed(&mut self, id: LinkId, now: Instant) {
        let Some(link) = self.open.get(&id) else { return };
        let key = (link.instance.generation, link.caller);
        let rest = self.resting.entry(key).or_insert(Rest { attempts: 0, until: None });
        let pause = FIRST_PAUSE.saturating_mul(1 << rest.attempts.min(10)).min(LONGEST_PAUSE);
        rest.attempts += 1;
        rest.until = Some(now + pause);
    }

    /// The instance has answered the handshake.
    pub(super) fn welcomed(&mut self, generation: Generation, caller: Caller) {
        self.resting.remove(&(generation, caller));
    }

    /// Whether it is to be left alone for now, unless the client wants something there.
    pub(super) fn rests(&self, generation: Generation, caller: Caller) -> bool {
        self.resting.get(&(generation, caller)).is_some_and(|rest| rest.until.is_some())
    }

    /// When the next rest is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.resting.values().filter_map(|rest| rest.until).min()
    }

    /// Whether a rest is over by now.
    pub(super) fn wake(&mut self, now: Instant) -> bool {
        let mut woken = false;
        for rest in self.resting.values_mut() {
            if rest.until.is_some_and(|until| until <= now) {
                rest.until = None;
                woken = true;
            }
        }
        woken
    }

    /// Forgets the rests of instances and callers for which `keep` does not hold.
    pub(super) fn retain(&mut self, keep: impl Fn(Generation, Caller) -> bool) {
        self.resting.retain(|(generation, caller), _| keep(*generation, *caller));
    }
}
