//! Everything that the hub writes to a client is held against the schema of the revision in use: the official ones, in
//! `tests/schema`.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{LATEST, MODERN, modern::PROTOCOL_VERSION};

/// A revision's schema, and where its definitions stand in it.
struct Schema {
    revision: &'static str,
    text: &'static str,
    definitions: &'static str,
}

macro_rules! schema {
    ($revision:literal, $definitions:literal) => {
        Schema {
            revision: $revision,
            text: include_str!(concat!("../../schema/", $revision, ".json")),
            definitions: $definitions,
        }
    };
}

const SCHEMAS: [Schema; 5] = [
    schema!("2024-11-05", "definitions"),
    schema!("2025-03-26", "definitions"),
    schema!("2025-06-18", "definitions"),
    schema!("2025-11-25", "$defs"),
    schema!("2026-07-28", "$defs"),
];

/// What the result of a method is. Where there are several, any of them will do.
const RESULTS: [(&str, &[&str]); 20] = [
    ("initialize", &["InitializeResult"]),
    ("server/discover", &["DiscoverResult"]),
    ("ping", &["EmptyResult"]),
    ("logging/setLevel", &["EmptyResult"]),
    ("resources/subscribe", &["EmptyResult"]),
    ("resources/unsubscribe", &["EmptyResult"]),
    ("tools/list", &["ListToolsResult"]),
    ("tools/call", &["CallToolResult", "InputRequiredResult", "CreateTaskResult"]),
    ("prompts/list", &["ListPromptsResult"]),
    ("prompts/get", &["GetPromptResult", "InputRequiredResult"]),
    ("resources/list", &["ListResourcesResult"]),
    ("resources/templates/list", &["ListResourceTemplatesResult"]),
    ("resources/read", &["ReadResourceResult", "InputRequiredResult"]),
    ("completion/complete", &["CompleteResult"]),
    ("subscriptions/listen", &["SubscriptionsListenResult"]),
    ("tasks/get", &["GetTaskResult"]),
    ("tasks/list", &["ListTasksResult"]),
    ("tasks/cancel", &["CancelTaskResult"]),
    ("tasks/result", &["GetTaskPayloadResult"]),
    ("tasks/update", &["EmptyResult"]),
];

/// The definition for what a server sends by itself.
const SENT: [(&str, &str); 17] = [
    ("notifications/cancelled", "CancelledNotification"),
    ("notifications/progress", "ProgressNotification"),
    ("notifications/message", "LoggingMessageNotification"),
    ("notifications/resources/updated", "ResourceUpdatedNotification"),
    ("notifications/resources/list_changed", "ResourceListChangedNotification"),
    ("notifications/tools/list_changed", "ToolListChangedNotification"),
    ("notifications/prompts/list_changed", "PromptListChangedNotification"),
    ("notifications/subscriptions/acknowledged", "SubscriptionsAcknowledgedNotification"),
    ("notifications/elicitation/complete", "ElicitationCompleteNotification"),
    ("notifications/tasks/status", "TaskStatusNotification"),
    ("ping", "PingRequest"),
    ("roots/list", "ListRootsRequest"),
    ("sampling/createMessage", "CreateMessageRequest"),
    ("elicitation/create", "ElicitRequest"),
    ("-32020", "HeaderMismatchError"),
    ("-32021", "MissingRequiredClientCapabilityError"),
    ("-32022", "UnsupportedProtocolVersionError"),
];

fn parsed(schema: usize) -> &'static Value {
    static PARSED: [OnceLock<Value>; SCHEMAS.len()] = [const { OnceLock::new() }; SCHEMAS.len()];
    PARSED[schema].get_or_init(|| serde_json::from_str(SCHEMAS[schema].text).expect("a schema is JSON"))
}

/// The validator of a definition; nothing where the revision has none of this name.
fn validator(revision: &str, name: &str) -> Option<&'static Validator> {
    type Compiled = HashMap<(usize, String), OnceLock<Validator>>;
    static ALL: OnceLock<Compiled> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let names = |schema: usize| {
            let definitions = parsed(schema)[SCHEMAS[schema].definitions].as_object().expect("definitions");
            definitions.keys().map(move |name| ((schema, name.clone()), OnceLock::new()))
        };
        (0..SCHEMAS.len()).flat_map(names).collect()
    });
    let at = SCHEMAS.iter().position(|schema| schema.revision == revision)?;
    let validator = all.get(&(at, name.to_owned()))?;
    Some(validator.get_or_init(|| {
        let mut schema = parsed(at).clone();
        schema["$ref"] = json!(format!("#/{}/{name}", SCHEMAS[at].definitions));
        jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{revision} {name}: {error}"))
    }))
}

/// A method and the revision that its request was of.
type Asked = (String, String);

/// What was asked on one connection, and what was wrong with the answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checked {
    /// By id, as JSON text.
    asked: Arc<watch::Sender<HashMap<String, Asked>>>,
    revision: Arc<watch::Sender<Option<String>>>,
    wrong: Arc<watch::Sender<Vec<String>>>,
    forgiven: Arc<watch::Sender<bool>>,
}

impl Checked {
    /// Notes what the client writes.
    pub(crate) fn wrote(&self, text: &str) {
        for message in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let (Some(method), false) = (message["method"].as_str(), message["id"].is_null()) else {
                continue;
            };
            let claimed = message["params"]["_meta"][PROTOCOL_VERSION].as_str();
            let modern = claimed.is_some() || ["server/discover", "subscriptions/listen"].contains(&method);
            let revision = if modern { MODERN.to_owned() } else { String::new() };
            let asked = (method.to_owned(), revision);
            self.asked.send_modify(|all| {
                all.insert(message["id"].to_string(), asked);
            });
        }
    }

    /// From now on only the envelopes are checked.
    pub(crate) fn forgive(&self) {
        self.forgiven.send_replace(true);
    }

    /// Checks a line of the hub's.
    pub(crate) fn read(&self, line: &str) {
        // What no JSON value can hold, and batches, are looked at by the tests that are about them.
        let Ok(message @ Value::Object(_)) = serde_json::from_str::<Value>(line) else { return };
        if let Some(why) = strange(&message) {
            self.wrong.send_modify(|all| all.push(why));
        }
        if *self.forgiven.borrow() {
            return;
        }
        let legacy = || self.revision.borrow().clone().unwrap_or_else(|| LATEST.to_owned());
        let mut wrong = Vec::new();
        if let Some(method) = message["method"].as_str() {
            let modern = message["params"]["_meta"]
                .as_object()
                .is_some_and(|meta| meta.contains_key(super::SUBSCRIPTION_ID));
            // A session that never shook hands is the other era's alone.
            let modern = modern || self.revision.borrow().is_none();
            let revision = if modern { MODERN.to_owned() } else { legacy() };
            if let Some((_, name)) = SENT.iter().find(|(it, _)| *it == method) {
                check(&revision, &[name], &message, &mut wrong);
            }
        } else {
            let asked = self.asked.borrow().get(&message["id"].to_string()).cloned();
            let (method, claimed) = asked.unwrap_or_default();
            let revision = if claimed.is_empty() { legacy() } else { claimed };
            if message.get("error").is_some() {
                // Where the id could not be read it is null (JSON-RPC 2.0 § 5), which no schema of MCP knows.
                if !message["id"].is_null() {
                    check(&revision, &["JSONRPCErrorResponse", "JSONRPCError"], &message, &mut wrong);
                }
                let code = message["error"]["code"].to_string();
                if let Some((_, name)) = SENT.iter().find(|(it, _)| *it == code) {
                    check(&revision, &[name], &message, &mut wrong);
                }
            } else {
                check(&revision, &["JSONRPCResultResponse", "JSONRPCResponse"], &message, &mut wrong);
                if let Some((_, names)) = RESULTS.iter().find(|(it, _)| *it == method) {
                    check(&revision, names, &message["result"], &mut wrong);
                }
                if method == "initialize" {
                    let settled = message["result"]["protocolVersion"].as_str().map(str::to_owned);
                    self.revision.send_replace(settled);
                }
            }
        }
        if !wrong.is_empty() {
            let line: String = line.chars().take(1000).collect();
            self.wrong.send_modify(|all| all.push(format!("{}\n  {line}", wrong.join("\n"))));
        }
    }

    /// Fails if anything was wrong.
    pub(crate) fn assert(&self) {
        let wrong = self.wrong.borrow();
        assert!(wrong.is_empty(), "not as the schema of the revision has it:\n{}", wrong.join("\n"));
    }
}

/// What the official TypeScript SDK throws a message away for, which the schemas allow: members that do not belong to it.
fn strange(message: &Value) -> Option<String> {
    let known: &[&str] = match message {
        _ if message.get("method").is_some() => &["jsonrpc", "id", "method", "params"],
        _ if message.get("error").is_some() => &["jsonrpc", "id", "error"],
        _ => &["jsonrpc", "id", "result"],
    };
    let others: Vec<_> = message.as_object()?.keys().filter(|name| !known.contains(&name.as_str())).collect();
    (!others.is_empty()).then(|| format!("members that do not belong to the message: {others:?}"))
}

/// Adds why the value is none of these definitions.
fn check(revision: &str, names: &[&str], value: &Value, wrong: &mut Vec<String>) {
    let validators: Vec<_> =
        names.iter().filter_map(|name| Some((name, validator(revision, name)?))).collect();
    if validators.is_empty() || validators.iter().any(|(_, validator)| validator.is_valid(value)) {
        return;
    }
    for (name, validator) in validators {
        for error in validator.iter_errors(value).take(3) {
            let why: String = error.to_string().chars().take(300).collect();
            wrong.push(format!("{revision} {name} at {}: {why}", error.instance_path()));
        }
    }
}
