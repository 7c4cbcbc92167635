//! The words of MCP that the hub itself speaks: revisions, method names and error codes.

use std::fmt;

/// A revision of MCP that opens with the `initialize` handshake, oldest first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LegacyVersion {
    /// 2024-11-05: the HTTP+SSE transport.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP; the only revision with batches.
    V2025_03_26,
    /// 2025-06-18: elicitation, structured content, the version header.
    V2025_06_18,
    /// 2025-11-25: icons, URL elicitation, experimental tasks.
    V2025_11_25,
}

impl LegacyVersion {
    /// The newest revision that has a handshake; what the hub answers to a version it does not know.
    pub const LATEST: Self = Self::V2025_11_25;

    /// Every revision with a handshake, oldest first.
    pub const ALL: [Self; 4] = [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25];

    /// The revision as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
        }
    }

    /// The revision with exactly this name, if there is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// Whether JSON-RPC batches are part of this revision (2025-03-26, basic § Batching).
    #[must_use]
    pub const fn has_batches(self) -> bool {
        matches!(self, Self::V2025_03_26)
    }
}

impl fmt::Display for LegacyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A revision of MCP without a handshake: every request says which revision it is of, and by whom.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ModernVersion {
    /// 2026-07-28: no sessions, no `initialize`, no requests by the server.
    V2026_07_28,
}

impl ModernVersion {
    /// The newest revision that the hub speaks.
    pub const LATEST: Self = Self::V2026_07_28;

    /// Every revision without a handshake, oldest first.
    pub const ALL: [Self; 1] = [Self::V2026_07_28];

    /// The revision as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision with exactly this name, if there is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }
}

impl fmt::Display for ModernVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of the two kinds of MCP a peer speaks, and the revision that was settled on.
///
/// Nothing that holds for a legacy peer (session, ping, standing GET stream, requests by the server) holds for a modern
/// one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Era {
    /// It opens with `initialize`.
    Legacy(LegacyVersion),
    /// It has no handshake.
    Modern(ModernVersion),
}

impl Era {
    /// `legacy` or `modern`, as users see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Legacy(_) => "legacy",
            Self::Modern(_) => "modern",
        }
    }

    /// The revision, as it is written on the wire.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::Legacy(version) => version.as_str(),
            Self::Modern(version) => version.as_str(),
        }
    }

    /// Whether it is of the kind without a handshake.
    #[must_use]
    pub const fn is_modern(self) -> bool {
        matches!(self, Self::Modern(_))
    }
}

/// JSON-RPC error codes (JSON-RPC 2.0 § 5.1), with those that MCP adds.
pub mod code {
    /// The message is not JSON.
    pub const PARSE_ERROR: i32 = -32700;
    /// The message is JSON, but not a request, notification or response.
    pub const INVALID_REQUEST: i32 = -32600;
    /// Nobody here knows the method.
    pub const METHOD_NOT_FOUND: i32 = -32601;
    /// The parameters are wrong; also an unknown tool, prompt or cursor.
    pub const INVALID_PARAMS: i32 = -32602;
    /// The hub or the instance failed; `data` says where and whether the request had been sent.
    pub const INTERNAL_ERROR: i32 = -32603;
    /// No such resource (legacy revisions; resources § Error Handling).
    pub const RESOURCE_NOT_FOUND: i32 = -32002;
    /// A URL has to be visited first (2025-11-25, elicitation § URL Mode).
    pub const URL_ELICITATION_REQUIRED: i32 = -32042;
    /// Header fields and body of a request disagree (2026-07-28, transports).
    pub const HEADER_MISMATCH: i32 = -32020;
    /// The client lacks a capability that the request needs (2026-07-28, basic § Error Codes).
    pub const MISSING_CAPABILITY: i32 = -32021;
    /// The revision of the request is not spoken here (2026-07-28, versioning).
    pub const UNSUPPORTED_VERSION: i32 = -32022;
}

/// Names of the methods that the hub treats specially; every other one passes through.
pub mod method {
    #![allow(missing_docs, reason = "each constant is the method name it holds")]
    pub const INITIALIZE: &str = "initialize";
    pub const DISCOVER: &str = "server/discover";
    pub const LISTEN: &str = "subscriptions/listen";
    pub const LISTEN_ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
    pub const INITIALIZED: &str = "notifications/initialized";
    pub const PING: &str = "ping";
    pub const CANCELLED: &str = "notifications/cancelled";
    pub const PROGRESS: &str = "notifications/progress";
    pub const MESSAGE: &str = "notifications/message";
    pub const TOOLS_LIST: &str = "tools/list";
    pub const TOOLS_CALL: &str = "tools/call";
    pub const TOOLS_LIST_CHANGED: &str = "notifications/tools/list_changed";
    pub const PROMPTS_LIST: &str = "prompts/list";
    pub const PROMPTS_GET: &str = "prompts/get";
    pub const PROMPTS_LIST_CHANGED: &str = "notifications/prompts/list_changed";
    pub const RESOURCES_LIST: &str = "resources/list";
    pub const RESOURCES_TEMPLATES_LIST: &str = "resources/templates/list";
    pub const RESOURCES_READ: &str = "resources/read";
    pub const RESOURCES_SUBSCRIBE: &str = "resources/subscribe";
    pub const RESOURCES_UNSUBSCRIBE: &str = "resources/unsubscribe";
    pub const RESOURCES_LIST_CHANGED: &str = "notifications/resources/list_changed";
    pub const RESOURCES_UPDATED: &str = "notifications/resources/updated";
    pub const DIRECTORY_READ: &str = "resources/directory/read";
    pub const SKILLS_LIST: &str = "skills/list";
    pub const SKILLS_GET: &str = "skills/get";
    pub const COMPLETION_COMPLETE: &str = "completion/complete";
    pub const LOGGING_SET_LEVEL: &str = "logging/setLevel";
    pub const SAMPLING: &str = "sampling/createMessage";
    pub const ELICITATION: &str = "elicitation/create";
    pub const ELICITATION_COMPLETE: &str = "notifications/elicitation/complete";
    pub const TASKS_GET: &str = "tasks/get";
    pub const TASKS_RESULT: &str = "tasks/result";
    pub const TASKS_LIST: &str = "tasks/list";
    pub const TASKS_CANCEL: &str = "tasks/cancel";
    pub const TASKS_UPDATE: &str = "tasks/update";
    pub const TASKS_STATUS: &str = "notifications/tasks/status";
    pub const ROOTS_LIST: &str = "roots/list";
    pub const ROOTS_LIST_CHANGED: &str = "notifications/roots/list_changed";
}

/// Extensions of MCP that the hub treats specially; every other one passes through.
pub mod extension {
    /// Skills as resources (SEP-2640): `skills/list`, `skills/get` and, where it is declared, `resources/directory/read`.
    pub const SKILLS: &str = "io.modelcontextprotocol/skills";
}

/// How an instance tells the hub of a program behind it. This is between instances of this library and hubs, and no part of
/// MCP.
pub mod program {
    /// The experimental capability of clients that want to be told: hubs declare it on the connection by which they watch
    /// over an instance.
    pub const CAPABILITY: &str = "brummer-hub/program";
    /// By which they are told, at the beginning and after each change.
    pub const NOTIFICATION: &str = "notifications/brummer-hub/program";
}

/// Keys of `_meta` that the hub reads or writes (2026-07-28, basic § `_meta`); every other one passes through.
pub mod meta {
    #![allow(missing_docs, reason = "each constant is the key it holds")]
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
    /// Of a result that says that a call has failed: what the hub knows of it.
    pub const FAILURE: &str = "brummer-hub/failure";
}
