//! The handshake with the client (lifecycle § Initialization).

use serde_json::{Value, json};

use super::{
    client::{Identity, InitializeParams, Phase, ReplyTo},
    task::SessionTask,
};
use crate::{
    frame::Frame,
    protocol::{LegacyVersion, code},
};

/// What a model is told about the hub.
const INSTRUCTIONS: &str = include_str!("instructions.md");

/// The same for a model that is shown what all instances have.
pub(super) const INSTRUCTIONS_ALL: &str = include_str!("instructions-all.md");

/// The hub's name and version, as JSON text.
pub(super) const SERVER_INFO: &str =
    concat!(r#"{"name":"brummer-hub","title":"Brummer Hub","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);

impl SessionTask {
    /// Answers `initialize` at once, whatever runs or does not: so the capabilities are a constant superset, and what
    /// no instance offers is an empty list.
    pub(super) fn initialize(&mut self, frame: &Frame, to: &ReplyTo) {
        if self.phase.identity().is_some() {
            return self.answer_error(to, code::INVALID_REQUEST, "this connection is initialized already");
        }
        if to.batch.is_some() {
            return self.answer_error(to, code::INVALID_REQUEST, "`initialize` must not be part of a batch");
        }
        let Some(params) = frame.peek::<InitializeParams<'_>>() else {
            let text = "`initialize` needs `protocolVersion`, `capabilities` and `clientInfo`";
            return self.answer_error(to, code::INVALID_PARAMS, text);
        };
        let version = LegacyVersion::parse(&params.version).unwrap_or(LegacyVersion::LATEST);
        let capabilities = params.capabilities.map_or("{}", |raw| raw.get());
        let has_roots =
            serde_json::from_str::<Declared>(capabilities).is_ok_and(|declared| declared.roots.is_some());
        tracing::debug!(%version, client = params.client_info.map_or("", |raw| raw.get()), "a client connected");
        self.phase = Phase::Greeted(Identity {
            version,
            capabilities: capabilities.into(),
            client_info: params
                .client_info
                .map_or(r#"{"name":"unknown","version":""}"#, |raw| raw.get())
                .into(),
            has_roots,
        });
        let greeting = greeting(version, self.shows_all());
        self.answer_result(to, &greeting);
        self.reopen_links();
    }

    /// `notifications/initialized`: from here on the hub may speak of its own accord.
    pub(super) fn initialized(&mut self) {
        if let Phase::Greeted(identity) = &self.phase {
            self.phase = Phase::Ready(identity.clone());
            self.ask_for_roots();
        }
    }
}

#[derive(serde::Deserialize)]
struct Declared {
    roots: Option<serde::de::IgnoredAny>,
}

fn greeting(version: LegacyVersion, shows_all: bool) -> String {
    let mut capabilities = capabilities();
    if version >= LegacyVersion::V2025_11_25 {
        // Which tools can be run as tasks is said by each of them (2025-11-25, tasks § Tool-Level Negotiation).
        capabilities["tasks"] = json!({"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}});
    }
    let instructions = Value::from(if shows_all { INSTRUCTIONS_ALL } else { INSTRUCTIONS });
    format!(
        r#"{{"protocolVersion":"{version}","capabilities":{capabilities},"serverInfo":{SERVER_INFO},"instructions":{instructions}}}"#
    )
}

/// What the hub can do, whatever runs.
pub(super) fn capabilities() -> Value {
    json!({
        "completions": {},
        "logging": {},
        "prompts": {"listChanged": true},
        "resources": {"listChanged": true, "subscribe": true},
        "tools": {"listChanged": true},
    })
}
