//! The scripted client, of either era or of both at once: what it has asked, and whether what it is told is right.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use serde_json::{Value, json};

use super::instances::PLACES;
use crate::{
    protocol::{meta, method},
    session::{list_kind::ListKind, operations::REFRESH_LIMIT},
};

/// What clients without a handshake say that they can do. More than can be known at a time.
pub(in crate::session) const CLAIMS: [&str; 10] = [
    r#"{"elicitation":{"form":{},"url":{}},"roots":{}}"#,
    "{}",
    r#"{"sampling":{}}"#,
    r#"{"experimental":{"3":{}}}"#,
    r#"{"experimental":{"4":{}}}"#,
    r#"{"experimental":{"5":{}}}"#,
    r#"{"experimental":{"6":{}}}"#,
    r#"{"experimental":{"7":{}}}"#,
    r#"{"experimental":{"8":{}}}"#,
    r#"{"experimental":{"9":{}}}"#,
];

pub(in crate::session) const LISTS: [ListKind; 5] =
    [ListKind::Tools, ListKind::Prompts, ListKind::Resources, ListKind::Templates, ListKind::Tasks];

const LEVELS: [&str; 3] = ["debug", "warning", "error"];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::session) enum State {
    Open,
    /// It is a listen that was acknowledged.
    Listening,
    Answered,
    Cancelled,
}

/// A request of the client.
#[derive(Clone, Debug)]
pub(in crate::session) struct Asked {
    pub(in crate::session) state: State,
    pub(in crate::session) method: String,
    pub(in crate::session) message: Value,
    /// What the answer must be about.
    pub(in crate::session) mark: u64,
    /// Which claim it makes, if it is of the era without a handshake.
    pub(in crate::session) claim: Option<usize>,
    pub(in crate::session) batch: Option<u64>,
    /// The progress token, as it is written.
    token: Option<String>,
    /// Its progress lives on with a task.
    has_task: bool,
    /// Requests of the same id that came later and have no answer yet.
    repeated: usize,
}

impl Asked {
    pub(in crate::session) fn is_due(&self) -> bool {
        self.state == State::Open
    }
}

/// What the client was shown of a list.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct ListAsShown {
    /// The items, once it has asked.
    pub(in crate::session) items: Option<Vec<String>>,
    /// It was told since that they have changed.
    pub(in crate::session) told: bool,
    /// How much had changed when it was shown or told.
    pub(in crate::session) changes: u64,
}

/// Where a subscription, or the end of one, went.
#[derive(Clone, Debug)]
pub(in crate::session) struct Taker {
    /// The alias of the instance, and what it calls the resource.
    pub(in crate::session) resource: (&'static str, String),
    /// The number of the request.
    pub(in crate::session) number: u64,
}

/// Which client: the one with a handshake, or one of those without.
pub(in crate::session) type Who = Option<usize>;

#[derive(Debug)]
pub(in crate::session) struct SimulatedClient {
    /// Whether it is of the era with a handshake, without, or of both.
    eras: u32,
    pub(in crate::session) version: &'static str,
    pub(in crate::session) greeted: bool,
    pub(in crate::session) ready: bool,
    next: u64,
    pub(in crate::session) asked: BTreeMap<String, Asked>,
    /// Questions that it was asked, by their id, with what they ask for.
    pub(in crate::session) questions: BTreeMap<String, Value>,
    /// Marks of all questions that it was ever asked.
    pub(in crate::session) heard: BTreeSet<u64>,
    /// What it can come back with: the state, its request, the keys of the questions.
    pub(in crate::session) states: Vec<(String, Value, Vec<String>)>,
    pub(in crate::session) shown: BTreeMap<(Who, &'static str), ListAsShown>,
    /// What has changed so far that a list of this kind is made of, by the notification that tells it.
    pub(in crate::session) changes: BTreeMap<&'static str, u64>,
    /// Resources that it is subscribed to, by alias and as the instance knows them.
    pub(in crate::session) subscribed: BTreeSet<(&'static str, String)>,
    /// Which instance took a subscription, by the mark of the request, and as what.
    pub(in crate::session) takers: BTreeMap<u64, Taker>,
    /// When it last cancelled something: what is said in that moment may cross it.
    pub(in crate::session) cancelled_at: Option<Instant>,
    /// It has left things unread, so that it does not know when they were said.
    pub(in crate::session) is_slow: bool,
    /// When it was first told that its tools have changed, since it came for them or was connected.
    told_of_tools: Option<Instant>,
}

macro_rules! ensure {
    ($holds:expr, $($words:tt)*) => {
        if !$holds {
            return Err(format!($($words)*));
        }
    };
}
pub(in crate::session) use ensure;

impl SimulatedClient {
    pub(in crate::session) fn new(setup: u32) -> Self {
        let versions = ["2025-11-25", "2025-03-26", "2025-06-18", "2024-11-05"];
        Self {
            eras: setup % 3,
            version: versions[(setup >> 3) as usize % 4],
            greeted: false,
            ready: false,
            next: 0,
            asked: BTreeMap::new(),
            questions: BTreeMap::new(),
            heard: BTreeSet::new(),
            states: Vec::new(),
            shown: BTreeMap::new(),
            changes: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            takers: BTreeMap::new(),
            cancelled_at: None,
            is_slow: false,
            told_of_tools: None,
        }
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A client with a handshake begins with it, nearly always.
    pub(in crate::session) fn greeting(&mut self) -> Option<Value> {
        if self.eras == 1 {
            return None;
        }
        self.greeted = true;
        let id = self.next();
        let params = json!({
            "protocolVersion": self.version,
            "capabilities": {"roots": {"listChanged": true}, "sampling": {}, "elicitation": {}},
            "clientInfo": {"name": "it", "version": "1"},
        });
        Some(self.note(id, method::INITIALIZE, params, None, None))
    }

    pub(in crate::session) fn has_handshake(&self) -> bool {
        self.eras != 1
    }

    /// Notes a request; the message.
    fn note(
        &mut self,
        mark: u64,
        method: &str,
        mut params: Value,
        claim: Option<usize>,
        token: Option<Value>,
    ) -> Value {
        let mut said = serde_json::Map::new();
        if let Some(token) = &token {
            said.insert("progressToken".into(), token.clone());
        }
        if let Some(claim) = claim {
            said.insert(meta::PROTOCOL_VERSION.into(), "2026-07-28".into());
            let capabilities = serde_json::from_str(CLAIMS[claim]).unwrap();
            said.insert(meta::CLIENT_CAPABILITIES.into(), capabilities);
            if mark.is_multiple_of(5) {
                said.insert(
                    meta::LOG_LEVEL.into(),
                    if mark.is_multiple_of(2) { "debug" } else { "error" }.into(),
                );
            }
        }
        if !said.is_empty() {
            params["_meta"] = said.into();
        }
        // Some clients number, some name their requests.
        let id: Value = if mark.is_multiple_of(4) { format!("r{mark}").into() } else { mark.into() };
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let asked = Asked {
            state: State::Open,
            method: method.to_owned(),
            message: message.clone(),
            mark,
            claim,
            batch: None,
            token: token.map(|token| token.to_string()),
            has_task: false,
            repeated: 0,
        };
        self.asked.insert(id.to_string(), asked);
        message
    }

    /// A request of some kind.
    pub(in crate::session) fn request(
        &mut self,
        pick: u32,
        how: u32,
        tasks: &[String],
        in_batch: bool,
    ) -> Value {
        let claim = match self.eras {
            0 => None,
            1 => Some(()),
            _ => (how & 1 == 0).then_some(()),
        };
        // The first of the claims is the usual one.
        let claim =
            claim.filter(|()| !in_batch).map(|()| if how & 14 == 0 { (how >> 4) as usize % 10 } else { 0 });
        let mark = self.next();
        let token = (how & 32 == 0).then(|| match mark % 3 {
            0 => json!(mark),
            1 => json!(mark as f64),
            _ => json!(format!("p{mark}")),
        });
        let (alias, _) = PLACES[(how >> 8) as usize % 3];
        let (method, params) = Self::params(pick, how >> 12, alias, mark, claim.is_some(), tasks);
        self.note(mark, method, params, claim, token)
    }

    fn params(
        pick: u32,
        how: u32,
        alias: &str,
        mark: u64,
        is_modern: bool,
        tasks: &[String],
    ) -> (&'static str, Value) {
        let call = |name: String| (method::TOOLS_CALL, json!({"name": name, "arguments": {"m": mark}}));
        let uri = || match how % 5 {
            0 => "file:///shared".to_owned(),
            1 => format!("x://{alias}"),
            2 => format!("t://{alias}/7"),
            3 => format!("brummer+{alias}:file:///shared"),
            _ => "unknown://7".to_owned(),
        };
        let task =
            || tasks.get(how as usize % (tasks.len() + 1)).cloned().unwrap_or_else(|| "no-task".to_owned());
        match pick % 32 {
            0 | 1 => (method::TOOLS_LIST, json!({"m": mark})),
            2 => (method::PROMPTS_LIST, json!({})),
            3 | 4 => (method::RESOURCES_LIST, json!({})),
            5 => (method::RESOURCES_TEMPLATES_LIST, json!({})),
            6 => (method::TASKS_LIST, json!({})),
            7 => (method::TOOLS_LIST, json!({"cursor": "foreign"})),
            8 | 9 => call(format!("{alias}_run")),
            10 => call("build".to_owned()),
            11 | 12 => call(format!(
                "{alias}__{}",
                ["build", "deploy_now", "deploy/now", "nothing"][how as usize % 4]
            )),
            13 => call("nothing".to_owned()),
            14 => {
                let name = ["instances_list", "instances_health", "instances_tools", "instances/list"];
                let arguments =
                    if how & 8 == 0 { json!({"instance": alias, "query": "build"}) } else { json!({}) };
                (method::TOOLS_CALL, json!({"name": name[how as usize % 4], "arguments": arguments}))
            }
            15 => {
                let to = if how & 1 == 0 { alias } else { "/p" };
                (method::TOOLS_CALL, json!({"name": "instances_connect", "arguments": {"instance_id": to}}))
            }
            16 if how.is_multiple_of(4) => {
                (method::TOOLS_CALL, json!({"name": "instances_disconnect", "arguments": {}}))
            }
            16 | 17 => {
                let arguments = json!({"instance_id": alias, "tool": "build", "arguments": {"m": mark}});
                (method::TOOLS_CALL, json!({"name": "instances_call", "arguments": arguments}))
            }
            18 => {
                let name = ["ask", "web_prompt", "nothing"][how as usize % 3];
                (method::PROMPTS_GET, json!({"name": name, "m": mark}))
            }
            19 | 20 => (method::RESOURCES_READ, json!({"uri": uri(), "m": mark})),
            21 => (method::RESOURCES_READ, json!({"uri": "brummer://instances", "m": mark})),
            22 | 23 if !is_modern => (method::RESOURCES_SUBSCRIBE, json!({"uri": uri(), "m": mark})),
            24 if !is_modern => (method::RESOURCES_UNSUBSCRIBE, json!({"uri": uri(), "m": mark})),
            25 if !is_modern => {
                let level = if how.is_multiple_of(8) { "loud" } else { LEVELS[how as usize % 3] };
                (method::LOGGING_SET_LEVEL, json!({"level": level, "m": mark}))
            }
            22..=25 => {
                let mut wanted = json!({});
                for (bit, name) in
                    ["toolsListChanged", "promptsListChanged", "resourcesListChanged"].iter().enumerate()
                {
                    if how >> bit & 1 == 1 {
                        wanted[*name] = true.into();
                    }
                }
                if how & 24 != 0 {
                    wanted["resourceSubscriptions"] = json!([uri(), "brummer://instances", "x://db"]);
                }
                (method::LISTEN, json!({"notifications": wanted}))
            }
            26 => {
                let reference = if how & 1 == 0 { json!({"name": "ask"}) } else { json!({"uri": uri()}) };
                (method::COMPLETION_COMPLETE, json!({"ref": reference, "m": mark}))
            }
            27 | 28 => {
                let name = [method::TASKS_GET, method::TASKS_CANCEL, method::TASKS_RESULT][how as usize % 3];
                (name, json!({"taskId": task()}))
            }
            29 => ("odd/method", json!({"m": mark})),
            30 => (method::PING, json!({})),
            _ => (if how & 1 == 0 { method::DISCOVER } else { method::TOOLS_CALL }, json!({"m": mark})),
        }
    }

    /// It asks for a list.
    pub(in crate::session) fn again(&mut self, method: &str, claim: Who) -> Value {
        let mark = self.next();
        self.note(mark, method, json!({}), claim, None)
    }

    /// A request that is in flight comes a second time, which is an error of the client's.
    pub(in crate::session) fn repeat(&mut self, pick: u32) -> Option<Value> {
        // One of a batch may be answered, and the answer held back.
        let is_open =
            |it: &&mut Asked| matches!(it.state, State::Open | State::Listening) && it.batch.is_none();
        let mut open: Vec<_> = self.asked.values_mut().filter(is_open).collect();
        let at = pick as usize % open.len().max(1);
        let asked = open.get_mut(at)?;
        asked.repeated += 1;
        Some(asked.message.clone())
    }

    /// It cancels one of its requests, whatever has become of it.
    pub(in crate::session) fn cancel(&mut self, pick: u32) -> Option<Value> {
        let due: Vec<_> = self
            .asked
            .iter()
            .filter(|(_, it)| it.state != State::Answered)
            .map(|(id, _)| id.clone())
            .collect();
        let all: Vec<_> = self.asked.keys().cloned().collect();
        // Mostly one that is still due.
        let among = if pick.is_multiple_of(8) || due.is_empty() { all } else { due };
        let id = among.get((pick >> 3) as usize % among.len().max(1))?.clone();
        let asked = self.asked.get_mut(&id)?;
        if matches!(asked.state, State::Open | State::Listening) {
            asked.state = State::Cancelled;
        }
        // Whether what it cancels has taken place is known to nobody.
        if asked.method == method::RESOURCES_UNSUBSCRIBE
            && let Some(taken) = self.takers.get(&asked.mark)
        {
            self.subscribed.remove(&taken.resource);
        }
        let id = asked.message["id"].clone();
        if moves(asked) {
            self.subscribed.clear();
            self.takers.clear();
            self.all_changed();
        }
        Some(
            json!({"jsonrpc": "2.0", "method": method::CANCELLED, "params": {"requestId": id, "reason": "changed my mind"}}),
        )
    }

    /// It comes back with answers to what it was asked in an answer.
    pub(in crate::session) fn resume(&mut self, pick: u32, how: u32) -> Option<Value> {
        let at = pick as usize % self.states.len().max(1);
        let (state, message, keys) = self.states.get(at)?.clone();
        if how & 3 != 0 {
            self.states.remove(at);
        }
        let id = message["id"].to_string();
        let old = self.asked.get(&id)?.clone();
        let mark = self.next();
        let mut params = message["params"].clone();
        params["requestState"] = if how & 0xf0 == 0 { "brummer-0".into() } else { state.into() };
        let mut responses = serde_json::Map::new();
        for key in keys.iter().filter(|_| how & 4 == 0) {
            responses.insert(key.clone(), json!({"action": "accept", "key": key}));
        }
        params["inputResponses"] = responses.into();
        params["_meta"]["progressToken"] = format!("p{mark}").into();
        let new = json!({"jsonrpc": "2.0", "id": mark, "method": old.method, "params": params});
        let asked = Asked {
            state: State::Open,
            message: new.clone(),
            token: Some(format!("\"p{mark}\"")),
            has_task: false,
            repeated: 0,
            ..old
        };
        self.asked.insert(mark.to_string(), asked);
        Some(new)
    }

    /// It answers a question.
    pub(in crate::session) fn reply(&mut self, pick: u32, how: u32) -> Option<Value> {
        let ids: Vec<_> = self.questions.keys().cloned().collect();
        let id = ids.get(pick as usize % ids.len().max(1))?;
        let asked = self.questions.remove(id)?;
        let id: Value = serde_json::from_str(id).unwrap();
        Some(match &asked {
            Value::Null => json!({"jsonrpc": "2.0", "id": id, "result": {"roots": [{"uri": "file:///p"}]}}),
            mark if how & 3 == 0 => {
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": -1, "message": "no", "data": {"q": mark}}})
            }
            mark => json!({"jsonrpc": "2.0", "id": id, "result": {"q": mark}}),
        })
    }

    /// Something has changed that lists of this kind are made of.
    pub(in crate::session) fn changed(&mut self, kind: ListKind) {
        *self.changes.entry(kind.changed()).or_default() += 1;
    }

    pub(in crate::session) fn all_changed(&mut self) {
        LISTS.into_iter().for_each(|kind| self.changed(kind));
    }

    // What it is told.

    pub(in crate::session) fn hear(&mut self, message: &Value, now: Instant) -> Result<(), String> {
        if let Some(all) = message.as_array() {
            return self.hear_batch(all, now);
        }
        ensure!(
            !message.to_string().contains("spoof"),
            "what one link said has reached what is another's: {message}"
        );
        match (message.get("id"), message["method"].as_str()) {
            (Some(id), None) => self.hear_answer(id, message, None, now),
            (Some(id), Some(_)) => self.hear_question(id, message),
            (None, Some(name)) => self.hear_notification(name, message, now),
            (None, None) => Err(format!("this is no message: {message}")),
        }
    }

    fn hear_batch(&mut self, all: &[Value], now: Instant) -> Result<(), String> {
        let own = |it: &Value| self.asked.get(&it["id"].to_string()).and_then(|asked| asked.batch);
        let batch = all.iter().find_map(own);
        ensure!(!all.is_empty(), "an empty batch was answered");
        for answer in all {
            self.hear_answer(&answer["id"], answer, batch, now)?;
        }
        let left =
            self.asked.values().filter(|it| it.batch == batch && batch.is_some() && it.is_due()).count();
        ensure!(left == 0, "a batch was answered with {left} answers missing");
        Ok(())
    }

    fn hear_answer(
        &mut self,
        id: &Value,
        message: &Value,
        batch: Option<u64>,
        now: Instant,
    ) -> Result<(), String> {
        // What could not be read has no id.
        if id.is_null() {
            ensure!(message["error"]["code"].is_i64(), "a result without an id: {message}");
            return Ok(());
        }
        let Some(asked) = self.asked.get_mut(&id.to_string()) else {
            return Err(format!("an answer to what was never asked: {message}"));
        };
        let said = message["error"]["message"].as_str().unwrap_or_default();
        if said.contains("still in flight") && asked.repeated > 0 {
            asked.repeated -= 1;
            return Ok(());
        }
        // One of a batch, or one that was not read, may have been answered before it was cancelled.
        ensure!(
            matches!(asked.state, State::Open | State::Listening)
                || asked.state == State::Cancelled
                    && (asked.batch.is_some() || self.is_slow || self.cancelled_at == Some(now)),
            "an answer to a request that is {:?}: {message}",
            asked.state
        );
        ensure!(asked.batch == batch, "an answer comes in another batch than its request: {message}");
        asked.state = State::Answered;
        let text = message["result"].to_string();
        if let Some(at) = text.find("m=") {
            let about = text[at + 2..].chars().take_while(char::is_ascii_digit).collect::<String>();
            ensure!(
                about == asked.mark.to_string(),
                "the answer to {} is about {about}: {message}",
                asked.mark
            );
        }
        let asked = asked.clone();
        if let Some(state) = message["result"]["requestState"].as_str() {
            ensure!(asked.claim.is_some(), "a client with a handshake is asked in an answer: {message}");
            let keys = message["result"]["inputRequests"].as_object();
            let keys = keys.map(|keys| keys.keys().cloned().collect()).unwrap_or_default();
            self.states.push((state.to_owned(), asked.message.clone(), keys));
        }
        if message["result"]["task"].is_object()
            && let Some(it) = self.asked.get_mut(&id.to_string())
        {
            it.has_task = true;
        }
        let ok = message.get("result").is_some();
        // Of what is asked at the same time that counts which the instance got last, whatever is answered first.
        let is_latest = |taken: &&Taker| {
            !self.takers.values().any(|it| it.resource == taken.resource && it.number > taken.number)
        };
        if let Some(taken) = self.takers.get(&asked.mark).filter(is_latest) {
            let is_subscription = asked.method == method::RESOURCES_SUBSCRIBE;
            // In a batch it may be held back until it is over.
            if is_subscription && batch.is_none() && ok {
                self.subscribed.insert(taken.resource.clone());
            } else if ok || !is_subscription {
                // Of one whose end has failed nobody knows whether it has ended.
                self.subscribed.remove(&taken.resource);
            }
        }
        // While its instance is away a subscription ends in the hub alone.
        if ok && asked.method == method::RESOURCES_UNSUBSCRIBE && !self.takers.contains_key(&asked.mark) {
            let said = asked.message["params"]["uri"].as_str().unwrap_or_default();
            self.subscribed.retain(|(alias, uri)| uri != said && format!("brummer+{alias}:{uri}") != said);
        }
        if let Some(kind) = ListKind::of_method(&asked.method).filter(|_| ok) {
            let items = message["result"][kind.member()].as_array();
            let Some(items) = items else { return Err(format!("a list without items: {message}")) };
            let shown = ListAsShown {
                items: Some(items.iter().map(Value::to_string).collect()),
                told: false,
                changes: self.changes.get(kind.changed()).copied().unwrap_or_default(),
            };
            // In a batch it may be held back, and a change of it be told before it.
            if asked.batch.is_none() {
                self.shown.insert((asked.claim, kind.method()), shown);
            } else {
                self.shown.remove(&(asked.claim, kind.method()));
            }
        }
        if asked.claim.is_none() && asked.method == method::TOOLS_LIST && ok {
            self.told_of_tools = None;
        }
        if moves(&asked) {
            let is_connected = message["result"]["structuredContent"]["tools"].is_array();
            // Of two at a time one waits; in a batch each may be answered before it is seen here.
            if is_connected && asked.batch.is_none() && !self.is_moving() {
                // In a batch it may have come for them and wait for the rest.
                let has_come =
                    self.due().iter().any(|it| it.batch.is_some() && it.method == method::TOOLS_LIST);
                let waited = self.is_slow
                    || has_come
                    || self.told_of_tools.is_none_or(|told| now - told >= REFRESH_LIMIT);
                ensure!(waited, "it is connected before it could come for its tools: {message}");
            }
            // Another that waits has waited since then; what has failed has moved nothing.
            if !self.is_moving() && ok && message["result"]["isError"] != true {
                self.told_of_tools = None;
            }
            // What was asked for before it is gone with the connection, whenever it is answered.
            self.subscribed.clear();
            self.takers.clear();
            self.all_changed();
        }
        Ok(())
    }

    fn hear_question(&mut self, id: &Value, message: &Value) -> Result<(), String> {
        ensure!(self.ready, "the client is asked before it is ready: {message}");
        let mark = message["params"]["q"].clone();
        if let Some(mark) = mark.as_u64() {
            ensure!(self.heard.insert(mark), "the client is asked twice: {message}");
        } else {
            ensure!(message["method"] == method::ROOTS_LIST, "a question of nobody: {message}");
        }
        let before = self.questions.insert(id.to_string(), mark);
        ensure!(before.is_none(), "two questions of one id: {message}");
        Ok(())
    }

    fn hear_notification(&mut self, name: &str, message: &Value, now: Instant) -> Result<(), String> {
        match name {
            method::PROGRESS => {
                let token = message["params"]["progressToken"].to_string();
                let asked = self.asked.values().find(|it| it.token.as_deref() == Some(&token));
                let Some(asked) = asked else {
                    return Err(format!("progress under an unknown token: {message}"));
                };
                ensure!(
                    asked.state == State::Open
                        || asked.has_task && asked.state == State::Answered
                        || self.is_slow && asked.state == State::Cancelled,
                    "progress of a request that is {:?}: {message}",
                    asked.state
                );
                let about = message["params"]["message"].as_str().unwrap_or_default();
                ensure!(about == format!("m={}", asked.mark), "progress of {} says {about}", asked.mark);
            }
            method::CANCELLED => {
                let id = message["params"]["requestId"].to_string();
                let is_listen = self.asked.get(&id).is_some_and(|it| it.method == method::LISTEN);
                ensure!(
                    is_listen || self.questions.remove(&id).is_some() || self.is_slow,
                    "a question is withdrawn that the client does not have: {message}"
                );
            }
            method::LISTEN_ACKNOWLEDGED => {
                let id = message["params"]["_meta"][meta::SUBSCRIPTION_ID].to_string();
                let Some(asked) = self.asked.get_mut(&id) else {
                    return Err(format!("an unknown listen is acknowledged: {message}"));
                };
                if self.is_slow && asked.state == State::Cancelled {
                    return Ok(());
                }
                ensure!(asked.state == State::Open, "a listen is acknowledged that is {:?}", asked.state);
                asked.state = State::Listening;
                asked.message["honoured"] = message["params"]["notifications"].clone();
            }
            method::TOOLS_LIST_CHANGED | method::PROMPTS_LIST_CHANGED | method::RESOURCES_LIST_CHANGED => {
                self.hear_change(name, message, now)?;
            }
            method::RESOURCES_UPDATED => {
                if let Some(id) = message["params"]["_meta"].get(meta::SUBSCRIPTION_ID) {
                    let listen = self.asked.get(&id.to_string()).map(|it| it.state);
                    let listens =
                        listen == Some(State::Listening) || self.is_slow && listen == Some(State::Cancelled);
                    ensure!(listens, "an update for a listen that is not open: {message}");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn hear_change(&mut self, name: &str, message: &Value, now: Instant) -> Result<(), String> {
        // Whether the word reaches a client that has meanwhile lost interest in it.
        let mut is_late = false;
        let who = match message["params"]["_meta"].get(meta::SUBSCRIPTION_ID) {
            None => {
                ensure!(self.ready, "the client is told before it is ready: {message}");
                None
            }
            Some(id) => {
                let listen = self.asked.get(&id.to_string());
                is_late = self.is_slow && listen.is_some_and(|it| it.state == State::Cancelled);
                let Some(listen) = listen.filter(|it| is_late || it.state == State::Listening) else {
                    return Err(format!("a change is told to a listen that is not open: {message}"));
                };
                listen.claim
            }
        };
        let changes = self.changes.get(name).copied().unwrap_or_default();
        let kinds = LISTS.into_iter().filter(|kind| kind.changed() == name && *kind != ListKind::Tasks);
        // Each listen of a client is told the same.
        let listens =
            self.asked.values().filter(|it| it.state == State::Listening && it.claim == who).count();
        // A connection that is being moved changes everything.
        let mut is_news = is_late || listens > 1 || self.is_moving();
        for kind in kinds {
            let shown = self.shown.entry((who, kind.method())).or_default();
            // Who listens, or was never shown a list, is told on the word of an instance.
            is_news |= shown.changes < changes || shown.items.is_none() || who.is_some();
            (shown.told, shown.changes) = (true, changes);
        }
        if who.is_none() && name == method::TOOLS_LIST_CHANGED {
            self.told_of_tools.get_or_insert(now);
        }
        ensure!(is_news, "a change is told and nothing has changed since the last one: {message}");
        Ok(())
    }

    fn is_moving(&self) -> bool {
        self.due().iter().any(|it| moves(it))
    }

    /// The requests that have no answer and should have.
    pub(in crate::session) fn due(&self) -> Vec<&Asked> {
        self.asked.values().filter(|it| it.is_due()).collect()
    }

    /// The resources that open listens of each claim want and were promised.
    pub(in crate::session) fn listened(&self) -> impl Iterator<Item = (&Asked, Vec<&str>)> {
        let open = self.asked.values().filter(|it| it.state == State::Listening);
        open.map(|it| {
            let uris = it.message["honoured"]["resourceSubscriptions"].as_array();
            (it, uris.into_iter().flatten().filter_map(Value::as_str).collect())
        })
    }
}

/// Whether it is a call of a tool that moves the connection.
fn moves(asked: &Asked) -> bool {
    let name = asked.message["params"]["name"].as_str().unwrap_or_default();
    asked.claim.is_none() && ["instances_connect", "instances_disconnect"].contains(&name)
}
