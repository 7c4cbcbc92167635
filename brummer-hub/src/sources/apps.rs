//! Programs that serve MCP on a port of their own and say so nowhere: Figma, Unreal and others. The system is asked whether
//! the port is that program's; to any other nothing is sent.

use super::{
    SourceKind,
    record::{Awaited, McpEndpoint, Program},
};

/// A port, who has to listen on it, and where MCP is spoken there.
struct App {
    name: &'static str,
    port: u16,
    programs: &'static [Program],
    endpoint: &'static str,
}

static APPS: [App; 3] = [
    // Its desktop app, with the server switched on in Dev Mode.
    App {
        name: "figma",
        port: 3845,
        programs: &[
            Program { name: "figma", argument: "" },
            Program { name: "figma_agent", argument: "" },
            Program { name: "figma-linux", argument: "" },
        ],
        endpoint: "/mcp",
    },
    // Its editor, with the plugin for MCP; `UnrealEditor-Cmd`, `UnrealEditor-Mac-DebugGame` and others are the same.
    App {
        name: "unreal",
        port: 8000,
        programs: &[Program { name: "unrealeditor*", argument: "" }],
        endpoint: "/mcp",
    },
    // The bridge to the editor of Unity, a Python program.
    App {
        name: "unity",
        port: 8080,
        programs: &[
            Program { name: "mcp-for-unity*", argument: "" },
            Program { name: "python*", argument: "mcp-for-unity" },
            Program { name: "python*", argument: "mcp_for_unity" },
        ],
        endpoint: "/mcp",
    },
];

/// All of them.
pub(super) fn awaited() -> Vec<Awaited> {
    let awaited = |app: &App| Awaited {
        kind: SourceKind::Apps,
        name: app.name.into(),
        ports: app.port..=app.port,
        programs: app.programs,
        mcp: McpEndpoint { endpoint: app.endpoint.to_owned(), ..McpEndpoint::default() },
    };
    APPS.iter().map(awaited).collect()
}
