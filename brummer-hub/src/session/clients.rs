//! What is known of MCP clients that cannot do what the protocol allows, by the name that they give in `initialize`.
//!
//! A client without a handshake is not looked up: what it is shown depends on the configuration alone.

use std::{fmt, str::FromStr, time::Duration};

use super::ToolsMode;

/// Whether a session looks at what is known of its client.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClientDefaults {
    /// It does not: the configuration counts.
    #[default]
    Off,
    /// By the name that the client gives.
    ByName,
    /// As if the client were this one.
    As(&'static KnownClient),
}

/// A client that is known.
#[derive(Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KnownClient {
    /// What users call it on the command line.
    pub name: &'static str,
    /// How the names begin that it gives, in lower case.
    client_info: &'static [&'static str],
    /// What was seen, and with which version.
    pub seen: &'static str,
    pub(super) tools: ToolsMode,
    /// Characters of a tool's name that it leaves to the hub.
    pub(super) name_budget: Option<usize>,
    /// Tools of one server that it takes.
    pub(super) max_tools: Option<usize>,
    /// How long it takes, once it has listed its new tools, until its model has them.
    pub(super) takes_in: Option<Duration>,
}

/// Clients that would be worse off with the defaults. docs/AGENTS.md shows the same table.
pub const KNOWN_CLIENTS: &[KnownClient] = &[
    KnownClient {
        name: "codex",
        client_info: &["codex-mcp-client"],
        seen: "0.171, 2026-11: reads the list of tools once",
        tools: ToolsMode::All,
        name_budget: None,
        max_tools: None,
        takes_in: None,
    },
    KnownClient {
        name: "qwen",
        client_info: &["qwen-cli-mcp-client"],
        seen: "0.24.4, 2026-11: does not refresh the list of tools",
        tools: ToolsMode::All,
        name_budget: None,
        max_tools: None,
        takes_in: None,
    },
    KnownClient {
        name: "continue",
        client_info: &["continue-client", "continue-cli-client"],
        seen: "cn 1.5.47, 2026-11: does not refresh the list of tools",
        tools: ToolsMode::All,
        name_budget: None,
        max_tools: None,
        takes_in: None,
    },
    KnownClient {
        name: "cline",
        client_info: &["cline", "@cline/"],
        seen: "CLI 3.0.65, 2026-11: does not refresh the list of tools",
        tools: ToolsMode::All,
        name_budget: None,
        max_tools: None,
        takes_in: None,
    },
    KnownClient {
        name: "ai-sdk",
        client_info: &["ai-sdk-mcp-client"],
        seen: "6.0.326, 2026-11: programs read the list of tools once",
        tools: ToolsMode::All,
        name_budget: None,
        max_tools: None,
        takes_in: None,
    },
    KnownClient {
        name: "mcp-use",
        client_info: &["mcp-use"],
        seen: "1.7.1, 2026-11: agents read the list of tools once",
        tools: ToolsMode::All,
        name_budget: None,
        max_tools: None,
        takes_in: None,
    },
    KnownClient {
        name: "gemini",
        client_info: &["gemini-cli-mcp-client"],
        seen: "0.61, 2026-11: gives its model new tools a moment after it has listed them",
        tools: ToolsMode::Connected,
        name_budget: None,
        max_tools: None,
        takes_in: Some(Duration::from_millis(250)),
    },
    KnownClient {
        name: "mcporter",
        client_info: &["mcporter"],
        seen: "2026-11: starts a server for each call, so that a connection is gone before it is used",
        tools: ToolsMode::All,
        name_budget: None,
        max_tools: None,
        takes_in: None,
    },
    KnownClient {
        name: "cursor",
        client_info: &["cursor-vscode"],
        seen: "2026-11: takes about 40 tools, and drops those whose name with the server's is over 60 characters",
        tools: ToolsMode::Connected,
        name_budget: Some(40),
        max_tools: Some(40),
        takes_in: None,
    },
];

impl KnownClient {
    /// The client that gives this name in `initialize`.
    pub(super) fn called(client_info: &str) -> Option<&'static Self> {
        let given = client_info.to_lowercase();
        KNOWN_CLIENTS.iter().find(|known| known.client_info.iter().any(|name| given.starts_with(name)))
    }
}

impl FromStr for ClientDefaults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::ByName),
            "none" => Ok(Self::Off),
            name => match KNOWN_CLIENTS.iter().find(|known| known.name == name) {
                Some(known) => Ok(Self::As(known)),
                None => {
                    let names: Vec<_> = KNOWN_CLIENTS.iter().map(|known| known.name).collect();
                    Err(format!("`{text}` is not a known client; use auto, none, {}", names.join(", ")))
                }
            },
        }
    }
}

impl fmt::Display for ClientDefaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "none",
            Self::ByName => "auto",
            Self::As(known) => known.name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_by_their_beginning_in_any_case() {
        let called = |name: &str| KnownClient::called(name).map(|known| known.name);
        assert_eq!(called("qwen-cli-mcp-client-brummer-hub"), Some("qwen"));
        assert_eq!(called("Cline"), Some("cline"));
        // What `cn` and the Cline CLI gave when they were tried; see tests/recorded.
        assert_eq!(called("continue-cli-client"), Some("continue"));
        assert_eq!(called("@cline/core"), Some("cline"));
        assert_eq!(called("ai-sdk-mcp-client"), Some("ai-sdk"));
        assert_eq!(called("mcp-use"), Some("mcp-use"));
        assert_eq!(called("gemini-cli-mcp-client"), Some("gemini"));
        assert_eq!(called("claude-code"), None);
        for text in ["auto", "none", "codex"] {
            assert_eq!(text.parse::<ClientDefaults>().unwrap().to_string(), text);
        }
        assert!("zed".parse::<ClientDefaults>().unwrap_err().contains("codex"));
    }
}
