//! The scripted instances: what each has, and what came on each link to one of their lives.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use crate::{
    hub::tests::instance,
    instance::{Instance, InstanceState},
    protocol::{Era, LegacyVersion, ModernVersion, method},
    session::list_kind::ListKind,
    upstream::{Agreed, Hello, Welcome},
};

/// Every instance, by alias and directory. Two are of one project.
pub(in crate::session) const PLACES: [(&str, &str); 3] = [("web", "/p"), ("api", "/p"), ("db", "/q")];

/// A place where an instance runs, or does not.
#[derive(Debug)]
pub(in crate::session) struct Slot {
    pub(in crate::session) alias: &'static str,
    path: &'static str,
    is_modern: bool,
    /// What runs there.
    pub(in crate::session) running: Option<Instance>,
    /// How often each of its lists has changed.
    versions: [u32; 5],
    pub(in crate::session) tasks: Vec<String>,
}

const fn index(kind: ListKind) -> usize {
    match kind {
        ListKind::Tools => 0,
        ListKind::Prompts => 1,
        ListKind::Resources => 2,
        ListKind::Templates => 3,
        // No instance has skills here.
        ListKind::Tasks | ListKind::Skills => 4,
    }
}

impl Slot {
    pub(in crate::session) fn new(place: usize, is_modern: bool) -> Self {
        let (alias, path) = PLACES[place];
        Self { alias, path, is_modern, running: None, versions: [0; 5], tasks: Vec::new() }
    }

    /// A new life begins.
    pub(in crate::session) fn start(&mut self, generation: u64) {
        let id = format!("{}-{generation}", self.alias);
        self.running = Some(instance(generation, &id, self.alias, self.path, self.alias));
        self.tasks.clear();
    }

    pub(in crate::session) fn set_state(&mut self, state: InstanceState) {
        if let Some(running) = &mut self.running {
            running.state = state;
        }
    }

    /// Where the present life listens.
    pub(in crate::session) fn set_port(&mut self, port: u16) {
        let running = self.running.as_mut().map(|it| Arc::make_mut(&mut it.found));
        running.expect("something runs").doorbell.port = port;
    }

    pub(in crate::session) fn is_modern(&self) -> bool {
        self.is_modern
    }

    pub(in crate::session) fn is_active(&self) -> bool {
        self.running.as_ref().is_some_and(|it| it.state == InstanceState::Active)
    }

    /// A list becomes another; after some changes it is again what it was.
    pub(in crate::session) fn change(&mut self, kind: ListKind) {
        self.versions[index(kind)] = (self.versions[index(kind)] + 1) % 3;
    }

    /// The items of a list, as JSON texts.
    pub(in crate::session) fn items(&self, kind: ListKind) -> Vec<Value> {
        let (alias, version) = (self.alias, self.versions[index(kind)]);
        let mut names = match kind {
            ListKind::Tools => vec!["build".to_owned(), format!("{alias}_run"), "deploy/now".to_owned()],
            ListKind::Prompts => vec!["ask".to_owned(), format!("{alias}_prompt")],
            ListKind::Resources => vec!["file:///shared".to_owned(), format!("x://{alias}")],
            ListKind::Templates => vec![format!("t://{alias}/{{id}}")],
            ListKind::Tasks => self.tasks.clone(),
            ListKind::Skills => Vec::new(),
        };
        if version == 1 && kind != ListKind::Tasks {
            names.push(format!("more_{alias}"));
        }
        let about = format!("{alias} {}", version % 2);
        let item = |name: String| match kind {
            ListKind::Tools => json!({"name": name, "description": about, "inputSchema": {"type": "object"}}),
            ListKind::Prompts => json!({"name": name, "description": about}),
            ListKind::Resources => json!({"uri": name, "name": about}),
            ListKind::Templates => json!({"uriTemplate": name, "name": about}),
            ListKind::Tasks => json!({"taskId": name, "status": "working"}),
            ListKind::Skills => json!({"uri": name}),
        };
        // The second of three versions has nothing at all.
        if version == 2 { Vec::new() } else { names.into_iter().map(item).collect() }
    }

    pub(in crate::session) fn welcome(&self) -> Box<Welcome> {
        let era = if self.is_modern {
            Era::Modern(ModernVersion::LATEST)
        } else {
            Era::Legacy(LegacyVersion::LATEST)
        };
        let result = json!({
            "capabilities": {"tools": {}, "prompts": {}, "resources": {"subscribe": true}, "logging": {}},
            "serverInfo": {"name": self.alias, "version": "1"},
        });
        Welcome {
            era,
            result: result.to_string().into(),
            stated_id: None,
            agreed: Agreed::Revision,
            session: None,
            level: None,
        }
        .into()
    }
}

/// A request that came on a link and has no answer yet.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) method: String,
    pub(super) params: Value,
    /// The request of the client that it is for, where it says so.
    pub(super) mark: Option<u64>,
    /// The progress token.
    pub(super) token: Option<Value>,
    /// What was in a list when it was asked for.
    pub(super) items: Vec<Value>,
}

/// A question of an instance.
#[derive(Clone, Debug)]
pub(super) struct AskedQuestion {
    /// What it asks for, so that it is known again.
    pub(super) mark: u64,
    pub(super) answered: bool,
    pub(super) withdrawn: bool,
}

/// What one instance got on one link.
#[derive(Debug)]
pub(super) struct LinkLog {
    pub(super) slot: usize,
    pub(super) generation: u64,
    hello: Hello,
    pub(super) welcomed: bool,
    pub(super) pending: BTreeMap<u64, Pending>,
    /// Numbers of what was answered.
    pub(super) answered: Vec<u64>,
    /// How many subscriptions there are to a resource.
    pub(super) subscribed: BTreeMap<String, usize>,
    pub(super) level: Option<String>,
    pub(super) questions: BTreeMap<u64, AskedQuestion>,
    /// Progress tokens of calls that were answered with a task.
    pub(super) task_tokens: Vec<(Value, u64)>,
}

impl LinkLog {
    pub(super) fn new(slot: usize, generation: u64, hello: Hello) -> Self {
        Self {
            slot,
            generation,
            hello,
            welcomed: false,
            pending: BTreeMap::new(),
            answered: Vec::new(),
            subscribed: BTreeMap::new(),
            level: None,
            questions: BTreeMap::new(),
            task_tokens: Vec::new(),
        }
    }

    /// Whether it is of a client without a handshake, and of which: by its capabilities.
    pub(super) fn claims(&self) -> Option<&str> {
        self.hello.era.is_modern().then_some(&*self.hello.capabilities)
    }

    /// The instance forgets what it knew.
    pub(super) fn forget(&mut self) {
        self.subscribed.clear();
        self.level = None;
    }

    /// A request comes.
    pub(super) fn take(&mut self, number: u64, message: &Value, items: Vec<Value>) {
        let params = message["params"].clone();
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        let uri = params["uri"].as_str().unwrap_or_default().to_owned();
        match method.as_str() {
            method::RESOURCES_SUBSCRIBE => *self.subscribed.entry(uri).or_default() += 1,
            method::RESOURCES_UNSUBSCRIBE => {
                self.subscribed.remove(&uri);
                // To give up what came before changes nothing any more.
                for earlier in self.pending.values_mut().filter(|it| it.params["uri"] == *uri) {
                    earlier.params["uri"] = Value::Null;
                }
            }
            method::LOGGING_SET_LEVEL => self.level = params["level"].as_str().map(str::to_owned),
            _ => {}
        }
        let mark = [&params["m"], &params["arguments"]["m"]].into_iter().find_map(Value::as_u64);
        let token = params["_meta"].get("progressToken").cloned();
        self.pending.insert(number, Pending { method, params, mark, token, items });
    }

    /// A request is cancelled, or has failed. Whether there is such a one.
    pub(super) fn drop_request(&mut self, number: u64) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        if pending.method == method::RESOURCES_SUBSCRIBE
            && let Some(uri) = pending.params["uri"].as_str()
            && let Some(count) = self.subscribed.get_mut(uri)
        {
            *count -= 1;
            if *count == 0 {
                self.subscribed.remove(uri);
            }
        }
        Some(pending)
    }
}
