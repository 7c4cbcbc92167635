//! The clients that can be configured, as data: where each keeps its user-wide configuration, in which format, and what
//! an entry looks like there.

use super::system::{Os, Place};

/// One MCP client.
#[derive(Debug)]
pub(super) struct Client {
    /// What it is called on the command line.
    pub(super) id: &'static str,
    /// What people call it.
    pub(super) name: &'static str,
    /// Its configuration: the first that a variable asks for, else the first that exists, else the first.
    pub(super) files: &'static [Place],
    /// If one of these exists, the client is there.
    pub(super) signs: &'static [Place],
    /// If one of these programs is in `PATH`, the client is there.
    pub(super) programs: &'static [&'static str],
    pub(super) format: Format,
    /// Where in the file the servers are: keys, from the outside.
    pub(super) keys: &'static [&'static str],
    pub(super) shape: Shape,
    /// What the hub is told besides `--mcp`.
    pub(super) arguments: &'static [&'static str],
    /// The client's own command, where it keeps the rest of its file as it is.
    pub(super) own: Option<Own>,
    /// What the user has to know or do.
    pub(super) note: Option<&'static str>,
}

/// How a configuration is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// JSON, with what this client takes beyond the standard.
    Json {
        comments: bool,
        trailing_commas: bool,
    },
    Toml,
    Yaml,
}

/// What the entry of a server looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// `command`, `args`.
    Plain,
    /// The same with `type` before it.
    Typed(&'static str),
    /// The same with `transport` before it.
    Transport(&'static str),
    /// The same within an object `transport`.
    WithinTransport,
    /// Plain, with the tools that may be used: all.
    Copilot,
    /// Program and arguments in one list, `command`.
    OneList,
    /// With `source: custom`.
    Zed,
    /// An extension, whose program is `cmd`.
    Goose,
    /// An item of a list, with its name inside.
    Item,
}

/// The client's own command for adding a server.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) program: &'static str,
    /// What comes before the name, and between the name and the command of the server.
    pub(super) add: (&'static [&'static str], &'static [&'static str]),
}

const STRICT: Format = Format::Json { comments: false, trailing_commas: false };
const COMMENTS: Format = Format::Json { comments: true, trailing_commas: false };
/// Also for clients of which it is not known what they take: the file is kept as it is, and nothing of the kind added.
const JSONC: Format = Format::Json { comments: true, trailing_commas: true };

/// For clients that read the list of tools once: they never see what connecting would add.
const ALL_TOOLS: &[&str] = &["--tools", "all"];

/// What most clients share.
const BASE: Client = Client {
    id: "",
    name: "",
    files: &[],
    signs: &[],
    programs: &[],
    format: JSONC,
    keys: &["mcpServers"],
    shape: Shape::Plain,
    arguments: &[],
    own: None,
    note: None,
};

/// All of them, by name.
///
/// Own commands are used where they were seen to leave the rest of the file alone. Those of Copilot CLI and Factory
/// droid drop comments (droid: everything else), those of Gemini CLI and Qwen Code change the indentation, that of Amp
/// looks at the project first, and opencode has none for removing. An entry that is there is changed and removed in the file: no
/// command leaves comments around it, or what the user has set in it.
pub(super) const CLIENTS: &[Client] = &[
    Client {
        id: "amp",
        name: "Amp",
        files: &[Place::config("amp/settings.json"), Place::config("amp/settings.jsonc")],
        signs: &[Place::config("amp")],
        programs: &["amp"],
        keys: &["amp.mcpServers"],
        ..BASE
    },
    Client {
        id: "antigravity",
        name: "Antigravity",
        files: &[Place::home(".gemini/config/mcp_config.json")],
        signs: &[Place::home(".gemini/config")],
        programs: &["agy"],
        ..BASE
    },
    Client {
        id: "auggie",
        name: "Auggie",
        files: &[Place::home(".augment/settings.json")],
        signs: &[Place::home(".augment")],
        programs: &["auggie"],
        shape: Shape::Typed("stdio"),
        ..BASE
    },
    Client {
        id: "claude-code",
        name: "Claude Code",
        files: &[Place::variable("CLAUDE_CONFIG_DIR", "", ".claude.json")],
        signs: &[
            Place::variable("CLAUDE_CONFIG_DIR", "", ".claude.json"),
            Place::variable("CLAUDE_CONFIG_DIR", ".claude", ""),
        ],
        programs: &["claude"],
        format: STRICT,
        shape: Shape::Typed("stdio"),
        own: Some(Own { program: "claude", add: (&["mcp", "add", "--scope", "user"], &["--"]) }),
        ..BASE
    },
    Client {
        id: "claude-desktop",
        name: "Claude Desktop",
        files: &[Place::app_data("Claude/claude_desktop_config.json")],
        signs: &[Place::app_data("Claude")],
        format: STRICT,
        note: Some("quit Claude Desktop and start it again"),
        ..BASE
    },
    Client {
        id: "cline",
        name: "Cline CLI",
        files: &[
            Place::variable("CLINE_DATA_DIR", ".cline/data", "settings/cline_mcp_settings.json"),
            Place::variable("CLINE_DIR", ".cline", "data/settings/cline_mcp_settings.json"),
        ],
        signs: &[
            Place::variable("CLINE_DIR", ".cline", ""),
            Place::variable("CLINE_DATA_DIR", ".cline/data", ""),
        ],
        programs: &["cline"],
        format: STRICT,
        shape: Shape::WithinTransport,
        arguments: ALL_TOOLS,
        ..BASE
    },
    Client {
        id: "cline-vscode",
        name: "Cline in VS Code",
        files: &[Place::app_data(
            "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        )],
        signs: &[Place::app_data("Code/User/globalStorage/saoudrizwan.claude-dev")],
        format: STRICT,
        arguments: ALL_TOOLS,
        ..BASE
    },
    Client {
        id: "codex",
        name: "Codex",
        files: &[Place::variable("CODEX_HOME", ".codex", "config.toml")],
        signs: &[Place::variable("CODEX_HOME", ".codex", "")],
        programs: &["codex"],
        format: Format::Toml,
        keys: &["mcp_servers"],
        arguments: ALL_TOOLS,
        own: Some(Own { program: "codex", add: (&["mcp", "add"], &["--"]) }),
        ..BASE
    },
    Client {
        id: "continue",
        name: "Continue",
        files: &[Place::home(".continue/config.yaml")],
        signs: &[Place::home(".continue")],
        programs: &["cn"],
        format: Format::Yaml,
        shape: Shape::Item,
        arguments: ALL_TOOLS,
        ..BASE
    },
    Client {
        id: "copilot",
        name: "Copilot CLI",
        files: &[Place::variable("COPILOT_HOME", ".copilot", "mcp-config.json")],
        signs: &[Place::variable("COPILOT_HOME", ".copilot", "")],
        programs: &["copilot"],
        shape: Shape::Copilot,
        ..BASE
    },
    Client {
        id: "crush",
        name: "Crush",
        files: &[
            Place::config("crush/crush.json"),
            Place::variable("CRUSH_GLOBAL_CONFIG", ".config/crush", "crush.json"),
            Place::app_data("crush/crush.json").on(&[Os::Windows]),
        ],
        signs: &[Place::config("crush"), Place::app_data("crush").on(&[Os::Windows])],
        programs: &["crush"],
        keys: &["mcp"],
        shape: Shape::Typed("stdio"),
        ..BASE
    },
    Client {
        id: "cursor",
        name: "Cursor",
        files: &[Place::home(".cursor/mcp.json")],
        signs: &[Place::home(".cursor")],
        programs: &["cursor", "cursor-agent"],
        ..BASE
    },
    Client {
        id: "droid",
        name: "Factory droid",
        files: &[Place::home(".factory/mcp.json")],
        signs: &[Place::home(".factory")],
        programs: &["droid"],
        format: COMMENTS,
        shape: Shape::Typed("stdio"),
        ..BASE
    },
    Client {
        id: "fx",
        name: "fx",
        files: &[Place::home(".fx/mcp.json")],
        signs: &[Place::home(".fx")],
        keys: &["mcp"],
        shape: Shape::OneList,
        ..BASE
    },
    Client {
        id: "gemini",
        name: "Gemini CLI",
        files: &[Place::home(".gemini/settings.json")],
        signs: &[Place::home(".gemini/settings.json")],
        programs: &["gemini"],
        format: COMMENTS,
        note: Some("Gemini CLI starts MCP servers in trusted folders only: `/permissions trust` there"),
        ..BASE
    },
    Client {
        id: "goose",
        name: "Goose",
        files: &[
            Place::config("goose/config.yaml").on(&[Os::Linux, Os::Mac]),
            Place::app_data("Block/goose/config/config.yaml").on(&[Os::Windows]),
        ],
        signs: &[
            Place::config("goose").on(&[Os::Linux, Os::Mac]),
            Place::app_data("Block/goose").on(&[Os::Windows]),
        ],
        programs: &["goose"],
        format: Format::Yaml,
        keys: &["extensions"],
        shape: Shape::Goose,
        ..BASE
    },
    Client {
        id: "grok",
        name: "Grok Build",
        files: &[Place::variable("GROK_HOME", ".grok", "config.toml")],
        signs: &[Place::variable("GROK_HOME", ".grok", "")],
        format: Format::Toml,
        keys: &["mcp_servers"],
        ..BASE
    },
    Client {
        id: "junie",
        name: "JetBrains Junie",
        files: &[Place::home(".junie/mcp/mcp.json")],
        signs: &[Place::home(".junie")],
        programs: &["junie"],
        ..BASE
    },
    Client {
        id: "kilo",
        name: "Kilo Code",
        files: &[Place::config("kilo/kilo.json"), Place::config("kilo/kilo.jsonc")],
        signs: &[Place::config("kilo"), Place::app_data("Code/User/globalStorage/kilocode.kilo-code")],
        programs: &["kilo"],
        keys: &["mcp"],
        shape: Shape::OneList,
        ..BASE
    },
    Client {
        id: "kimi",
        name: "Kimi Code",
        files: &[Place::variable("KIMI_CODE_HOME", ".kimi-code", "mcp.json")],
        signs: &[Place::variable("KIMI_CODE_HOME", ".kimi-code", "")],
        shape: Shape::Transport("stdio"),
        ..BASE
    },
    Client {
        id: "kiro",
        name: "Kiro",
        files: &[Place::home(".kiro/settings/mcp.json")],
        signs: &[Place::home(".kiro")],
        programs: &["kiro", "kiro-cli"],
        ..BASE
    },
    Client {
        id: "lm-studio",
        name: "LM Studio",
        files: &[Place::home(".lmstudio/mcp.json")],
        signs: &[Place::home(".lmstudio")],
        ..BASE
    },
    Client {
        id: "mastra",
        name: "Mastra Code",
        files: &[Place::home(".mastracode/mcp.json")],
        signs: &[Place::home(".mastracode")],
        ..BASE
    },
    Client {
        id: "mcporter",
        name: "MCPorter",
        files: &[Place::home(".mcporter/mcporter.json"), Place::home(".mcporter/mcporter.jsonc")],
        signs: &[Place::home(".mcporter")],
        arguments: ALL_TOOLS,
        ..BASE
    },
    Client {
        id: "opencode",
        name: "opencode",
        files: &[
            Place::config("opencode/opencode.jsonc"),
            Place::config("opencode/opencode.json"),
            Place::config("opencode/config.json"),
        ],
        signs: &[Place::config("opencode")],
        programs: &["opencode"],
        keys: &["mcp"],
        shape: Shape::OneList,
        ..BASE
    },
    Client {
        id: "pi",
        name: "Pi",
        files: &[Place::variable("PI_CODING_AGENT_DIR", ".pi/agent", "mcp.json")],
        signs: &[Place::variable("PI_CODING_AGENT_DIR", ".pi/agent", "")],
        ..BASE
    },
    Client {
        id: "qwen",
        name: "Qwen Code",
        files: &[Place::home(".qwen/settings.json")],
        signs: &[Place::home(".qwen")],
        programs: &["qwen"],
        format: COMMENTS,
        arguments: ALL_TOOLS,
        ..BASE
    },
    Client {
        id: "vscode",
        name: "VS Code",
        files: &[Place::app_data("Code/User/mcp.json")],
        signs: &[Place::app_data("Code/User")],
        programs: &["code"],
        keys: &["servers"],
        shape: Shape::Typed("stdio"),
        ..BASE
    },
    Client {
        id: "warp",
        name: "Warp",
        files: &[Place::home(".warp/.mcp.json")],
        signs: &[Place::home(".warp")],
        ..BASE
    },
    Client {
        id: "windsurf",
        name: "Windsurf",
        files: &[Place::home(".codeium/windsurf/mcp_config.json")],
        signs: &[Place::home(".codeium/windsurf")],
        programs: &["windsurf"],
        ..BASE
    },
    Client {
        id: "zed",
        name: "Zed",
        files: &[
            Place::config("zed/settings.json").on(&[Os::Linux, Os::Mac]),
            Place::app_data("Zed/settings.json").on(&[Os::Mac, Os::Windows]),
        ],
        signs: &[
            Place::config("zed").on(&[Os::Linux, Os::Mac]),
            Place::app_data("Zed").on(&[Os::Mac, Os::Windows]),
        ],
        programs: &["zed", "zeditor"],
        keys: &["context_servers"],
        shape: Shape::Zed,
        ..BASE
    },
];

/// The client of this name, however it is written: `Claude Code` and `claude-code` are the same.
pub(super) fn named(name: &str) -> Option<&'static Client> {
    let plain = |text: &str| text.to_lowercase().replace([' ', '_', '.'], "-");
    let wanted = plain(name);
    CLIENTS.iter().find(|client| client.id == wanted || plain(client.name) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_whole() {
        for pair in CLIENTS.windows(2) {
            assert!(pair[0].id < pair[1].id, "{} before {}", pair[0].id, pair[1].id);
        }
        for client in CLIENTS {
            assert!(!client.files.is_empty() && !client.signs.is_empty() && !client.keys.is_empty());
            assert_eq!(client.format == Format::Yaml, matches!(client.shape, Shape::Goose | Shape::Item));
        }
    }

    #[test]
    fn a_client_is_found_by_either_name() {
        for name in ["claude-code", "Claude Code", "CLAUDE_CODE"] {
            assert_eq!(named(name).map(|client| client.id), Some("claude-code"), "{name}");
        }
        assert!(named("emacs").is_none());
    }
}
