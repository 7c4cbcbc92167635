//! `server/discover` (2026-07-28, discover): what the hub is and can do.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    protocol::ModernVersion,
    session::{client::ReplyTo, handshake, task::SessionTask},
};

/// How long the answer may be kept, in milliseconds. All that can change in it are the extensions of instances.
const TTL: u64 = 60_000;

impl SessionTask {
    /// Answered at once, whatever runs: the capabilities are a constant superset, as for `initialize`. Extensions are
    /// those that some instance has.
    pub(super) fn answer_discover(&mut self, to: &ReplyTo) {
        let mut capabilities = handshake::capabilities();
        let extensions = self.extensions();
        if !extensions.is_empty() {
            capabilities["extensions"] = Value::Object(extensions);
        }
        let result = json!({
            "supportedVersions": ModernVersion::ALL.map(ModernVersion::as_str),
            "capabilities": capabilities,
            "instructions": handshake::INSTRUCTIONS_ALL,
            "ttlMs": TTL,
            "cacheScope": "private",
        });
        self.answer_result(to, &result.to_string());
    }

    /// The first instance of the list decides on the settings of an extension that several have.
    fn extensions(&self) -> Map<String, Value> {
        let mut all = BTreeMap::new();
        for instance in self.snapshot.active() {
            let said = instance.status().extensions.clone();
            let said = said.and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).ok());
            for (name, settings) in said.into_iter().flatten() {
                all.entry(name).or_insert(settings);
            }
        }
        all.into_iter().collect()
    }
}
