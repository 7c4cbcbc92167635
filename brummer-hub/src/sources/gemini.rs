//! The companion of Gemini CLI in an editor: `<temporary>/gemini/ide/gemini-ide-server-<pid>-<port>.json`, with the token that each
//! request needs.

use std::{env, path::PathBuf};

use serde::Deserialize;

use super::{
    Source, SourceKind, Trace, UserDirectories,
    record::{self, McpEndpoint, Reading, Record, Unfit},
};
use crate::doorbell::Secret;

/// The file's name names the process and the port.
const PREFIX: &str = "gemini-ide-server-";

pub(super) struct Gemini;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    port: u16,
    /// Directories, separated as in `PATH`.
    #[serde(default)]
    workspace_path: String,
    auth_token: String,
    #[serde(default)]
    ide_info: Ide,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ide {
    display_name: Option<String>,
}

impl Source for Gemini {
    fn registries(&self, user: &UserDirectories<'_>) -> Vec<PathBuf> {
        user.temporaries().iter().map(|temporary| temporary.join("gemini/ide")).collect()
    }

    fn is_trace(&self, name: &str) -> bool {
        name.starts_with(PREFIX) && name.ends_with(".json")
    }

    fn read(&self, trace: &Trace<'_>) -> Result<Reading, Unfit> {
        let file: File = record::json(trace.contents)?;
        let named = trace.name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(".json"));
        let (pid, port) = named.and_then(|name| name.split_once('-')).ok_or(Unfit::Invalid("file"))?;
        let pid = pid.parse().map_err(|_| Unfit::Invalid("pid"))?;
        if port.parse() != Ok(record::port(file.port)?) {
            return Err(Unfit::Invalid("port"));
        }
        let token = Secret::new(&file.auth_token).map_err(|_| Unfit::Invalid("authToken"))?;
        let first = env::split_paths(&file.workspace_path).next().unwrap_or_default();
        let workspace = first.to_str().map(|path| record::directory(path, "workspacePath"));
        let name = file.ide_info.display_name.as_deref().and_then(record::name);
        let record = Record {
            project: workspace.transpose()?,
            name: Some(name.unwrap_or_else(|| "editor".to_owned())),
            mcp: Some(McpEndpoint {
                endpoint: "/mcp".to_owned(),
                token: Some(token),
                ..McpEndpoint::default()
            }),
            ..Record::new(SourceKind::Gemini, record::pid(pid)?, file.port)
        };
        Ok(record.into())
    }
}
