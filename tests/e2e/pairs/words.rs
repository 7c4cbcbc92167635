//! What a step's outcome says, apart from the words that an era or a client puts around it.

use serde_json::{Map, Value, json};

/// An outcome that can be compared.
#[derive(Debug, PartialEq)]
pub(super) struct Words(Value);

impl Words {
    /// For a client and a server of the same era. Only what belongs to the one connection is taken out: subscription
    /// ids, which are the client's own counters.
    pub(super) fn own(outcome: &Value) -> Self {
        let mut outcome = outcome.clone();
        each_object(&mut outcome, &|object| {
            remove_meta(object, &["io.modelcontextprotocol/subscriptionId"]);
        });
        Self(outcome)
    }

    /// For a client and a server of different eras. Taken out is all that one of the eras does not have:
    ///
    /// - `resultType`, `ttlMs` and `cacheScope` of results, which the hub adds for modern clients;
    /// - `_meta` with the server's identity or a subscription id, which only modern messages have;
    /// - `mode: "form"` of a question, which older revisions do not know and both take for granted;
    /// - `$schema`, `title` and `description` of the schema of a question, which one of the clients does not hand on;
    /// - the code of an unknown resource: -32002 in legacy, -32602 in modern revisions;
    /// - `MCP error CODE: `, which one of the SDKs puts before each message, once for each program that passes it on.
    pub(super) fn neutral(outcome: &Value) -> Self {
        let mut outcome = Self::own(outcome).0;
        each_object(&mut outcome, &|object| {
            remove_meta(object, &["io.modelcontextprotocol/serverInfo"]);
            for key in ["resultType", "ttlMs", "cacheScope"] {
                object.shift_remove(key);
            }
            if let Some(Value::Object(schema)) = object.get_mut("requestedSchema") {
                for key in ["$schema", "title", "description"] {
                    schema.shift_remove(key);
                }
            }
            if object.get("mode") == Some(&json!("form")) {
                object.shift_remove("mode");
            }
        });
        if let Some(error) = outcome.get_mut("error") {
            if error["code"] == -32002 {
                error["code"] = json!(-32602);
            }
            if let Some(message) = error["message"].as_str() {
                error["message"] = json!(without_prefixes(message));
            }
        }
        if let Some(message) = outcome.pointer("/result/error").and_then(Value::as_str) {
            outcome["result"]["error"] = json!(without_prefixes(message));
        }
        Self(outcome)
    }
}

impl Words {
    /// Where two outcomes differ: the place, and what stands there in each.
    pub(super) fn differences(&self, other: &Self, found: &mut Vec<String>) {
        differences("", &self.0, &other.0, found);
    }
}

fn differences(at: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            for key in keys {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                differences(&format!("{at}/{key}"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{at}/{index}"), a, b, found);
            }
        }
        _ if one == other => {}
        _ => {
            let short = |value: &Value| value.to_string().chars().take(500).collect::<String>();
            found.push(format!("{at}: directly {}, through the hub {}", short(one), short(other)));
        }
    }
}

fn without_prefixes(mut message: &str) -> &str {
    while let Some((_, rest)) = message.strip_prefix("MCP error ").and_then(|rest| rest.split_once(": ")) {
        message = rest;
    }
    message
}

fn remove_meta(object: &mut Map<String, Value>, keys: &[&str]) {
    let Some(Value::Object(meta)) = object.get_mut("_meta") else { return };
    for key in keys {
        meta.shift_remove(*key);
    }
    if meta.is_empty() {
        object.shift_remove("_meta");
    }
}

fn each_object(value: &mut Value, change: &impl Fn(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            change(object);
            object.values_mut().for_each(|value| each_object(value, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| each_object(value, change)),
        _ => {}
    }
}
