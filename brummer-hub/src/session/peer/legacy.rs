//! A client that opens with a handshake (up to 2025-11-25, lifecycle § Initialization).

use std::{borrow::Cow, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::RequestRefusal;
use crate::{
    frame::Frame,
    protocol::{Era, LegacyVersion, code, extension},
    upstream::Hello,
};

/// What a model is told about the hub.
const INSTRUCTIONS: &str = include_str!("../instructions.md");

/// The same for a model that is shown what all instances have.
pub(super) const INSTRUCTIONS_ALL: &str = include_str!("../instructions-all.md");

/// The hub's name and version, as JSON text.
pub(in crate::session) const SERVER_INFO: &str =
    concat!(r#"{"name":"brummer-hub","title":"Brummer Hub","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);

/// How far the handshake has come.
#[derive(Debug, Default)]
pub(super) enum HandshakePhase {
    /// Nothing that settles a revision has been said.
    #[default]
    New,
    /// `initialize` was answered; only pings and log messages may be sent until `initialized` comes.
    Greeted(ClientIdentity),
    /// Both sides may say anything.
    Ready(ClientIdentity),
}

/// What the client said of itself in `initialize`.
#[derive(Clone, Debug)]
pub(in crate::session) struct ClientIdentity {
    pub(in crate::session) version: LegacyVersion,
    pub(in crate::session) has_roots: bool,
    capabilities: Arc<str>,
    client_info: Arc<str>,
}

#[derive(Deserialize)]
struct InitializeParams<'a> {
    #[serde(rename = "protocolVersion", borrow)]
    version: Cow<'a, str>,
    #[serde(borrow, default)]
    capabilities: Option<&'a RawValue>,
    #[serde(rename = "clientInfo", borrow, default)]
    client_info: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ClientCapabilities {
    roots: Option<serde::de::IgnoredAny>,
}

impl HandshakePhase {
    /// The answer to `initialize`, whatever runs or does not: so the capabilities are a constant superset, and what no
    /// instance offers is an empty list.
    pub(super) fn initialize(
        &mut self,
        frame: &Frame,
        in_batch: bool,
        shows_all: bool,
    ) -> Result<String, RequestRefusal> {
        let refuse = |text: &str| Err(RequestRefusal::new(code::INVALID_REQUEST, text));
        if self.identity().is_some() {
            return refuse("this connection is initialized already");
        }
        if in_batch {
            return refuse("`initialize` must not be part of a batch");
        }
        let Some(params) = frame.peek::<InitializeParams<'_>>() else {
            let text = "`initialize` needs `protocolVersion`, `capabilities` and `clientInfo`";
            return Err(RequestRefusal::new(code::INVALID_PARAMS, text));
        };
        let version = LegacyVersion::parse(&params.version).unwrap_or(LegacyVersion::LATEST);
        let capabilities = params.capabilities.map_or("{}", RawValue::get);
        let client_info = params.client_info.map_or(r#"{"name":"unknown","version":""}"#, RawValue::get);
        let has_roots = serde_json::from_str::<ClientCapabilities>(capabilities)
            .is_ok_and(|declared| declared.roots.is_some());
        tracing::debug!(%version, client = client_info, "a client connected");
        *self = Self::Greeted(ClientIdentity {
            version,
            has_roots,
            capabilities: capabilities.into(),
            client_info: client_info.into(),
        });
        Ok(greeting(version, shows_all))
    }

    pub(super) fn initialized(&mut self) -> bool {
        match std::mem::take(self) {
            Self::Greeted(identity) => {
                *self = Self::Ready(identity);
                true
            }
            other => {
                *self = other;
                false
            }
        }
    }

    pub(super) fn identity(&self) -> Option<&ClientIdentity> {
        match self {
            Self::New => None,
            Self::Greeted(identity) | Self::Ready(identity) => Some(identity),
        }
    }

    pub(super) const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    pub(super) fn hello(&self) -> Hello {
        match self.identity() {
            Some(identity) => Hello {
                era: Era::Legacy(identity.version),
                capabilities: Arc::clone(&identity.capabilities),
                client_info: Arc::clone(&identity.client_info),
                level: None,
            },
            None => Hello {
                era: Era::Legacy(LegacyVersion::LATEST),
                capabilities: "{}".into(),
                client_info: concat!(
                    r#"{"name":"brummer-hub","version":""#,
                    env!("CARGO_PKG_VERSION"),
                    r#""}"#
                )
                .into(),
                level: None,
            },
        }
    }
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
        "extensions": { extension::SKILLS: {"directoryRead": true} },
        "logging": {},
        "prompts": {"listChanged": true},
        "resources": {"listChanged": true, "subscribe": true},
        "tools": {"listChanged": true},
    })
}
