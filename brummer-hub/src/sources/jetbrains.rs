//! The IDEs of JetBrains, and Android Studio: `options/mcpServer.xml` among the settings of each says whether its MCP server is
//! on, and on which port. Nothing says that it runs, so the system is asked who listens there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Source, SourceKind, Trace, UserDirectories,
    record::{Awaited, McpEndpoint, Program, Reading, Unfit},
};
use crate::doorbell::Secret;

/// Where its server listens unless its settings say otherwise, and how many ports it tries from there on.
const DEFAULT_PORT: u16 = 64_342;
const TRIED: u16 = 10;

/// Who sends this header field means that project.
const PROJECT: &str = "IJ_MCP_SERVER_PROJECT_PATH";

/// Versions of IDEs whose settings are looked at: they stay when a version goes.
const MAX_IDES: usize = 64;

static IDES: [Program; 15] = [
    Program { name: "idea*", argument: "" },
    Program { name: "pycharm*", argument: "" },
    Program { name: "webstorm*", argument: "" },
    Program { name: "phpstorm*", argument: "" },
    Program { name: "goland*", argument: "" },
    Program { name: "clion*", argument: "" },
    Program { name: "rider*", argument: "" },
    Program { name: "rubymine*", argument: "" },
    Program { name: "rustrover*", argument: "" },
    Program { name: "datagrip*", argument: "" },
    Program { name: "dataspell*", argument: "" },
    Program { name: "aqua*", argument: "" },
    Program { name: "mps*", argument: "" },
    Program { name: "studio*", argument: "" },
    // Started by its script.
    Program { name: "java", argument: "idea.paths.selector" },
];

pub(super) struct JetBrains;

impl Source for JetBrains {
    fn registries(&self, user: &UserDirectories<'_>) -> Vec<PathBuf> {
        let makers = user.settings().into_iter().flat_map(|it| [it.join("JetBrains"), it.join("Google")]);
        let ides = makers.flat_map(|maker| fs::read_dir(maker).into_iter().flatten().flatten());
        ides.take(MAX_IDES).map(|ide| ide.path().join("options")).collect()
    }

    fn is_trace(&self, name: &str) -> bool {
        name == "mcpServer.xml"
    }

    fn read(&self, trace: &Trace<'_>) -> Result<Reading, Unfit> {
        let text = str::from_utf8(trace.contents).map_err(|_| Unfit::Unreadable)?;
        if !text.contains("</application>") {
            return Err(Unfit::Unreadable);
        }
        // What is as it is by default is not written.
        if option(text, "enableMcpServer") != Some("true") {
            return Err(Unfit::NoServer);
        }
        let port = option(text, "mcpServerPort").map_or(Ok(DEFAULT_PORT), str::parse);
        let port = port.ok().filter(|port| *port > 0).ok_or(Unfit::Invalid("mcpServerPort"))?;
        let awaited = Awaited {
            kind: SourceKind::JetBrains,
            name: "jetbrains".into(),
            ports: port..=port.saturating_add(TRIED),
            programs: &IDES,
            mcp: McpEndpoint {
                endpoint: "/stream".to_owned(),
                headers: trace.working.and_then(project).into_iter().collect(),
                ..McpEndpoint::default()
            },
        };
        Ok(Reading { awaited: vec![awaited], ..Reading::default() })
    }
}

/// The value of an option of a component.
fn option<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<option name=\"{name}\""))?;
    let (element, _) = rest.split_once('>')?;
    let (_, value) = element.split_once("value=\"")?;
    Some(value.split_once('"')?.0)
}

/// The header field for a project; none for one that no header field can carry.
fn project(directory: &Path) -> Option<(String, Secret)> {
    Some((PROJECT.to_owned(), Secret::new(directory.to_str()?).ok()?))
}
