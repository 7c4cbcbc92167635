//! The handshake with the client (lifecycle § Initialization).

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
        self.answer_result(to, &greeting(version));
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

fn greeting(version: LegacyVersion) -> String {
    serde_json::json!({
        "protocolVersion": version.as_str(),
        "capabilities": {
            "completions": {},
            "logging": {},
            "prompts": {"listChanged": true},
            "resources": {"listChanged": true, "subscribe": true},
            "tools": {"listChanged": true},
        },
        "serverInfo": {
            "name": "brummer-hub",
            "title": "Brummer Hub",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "instructions": INSTRUCTIONS,
    })
    .to_string()
}
