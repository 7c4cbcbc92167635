//! The companion of Copilot CLI in an editor: `~/.copilot/ide/<uuid>.lock`, with the socket or the pipe on which it speaks MCP, and
//! the header fields that each request needs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    Source, SourceKind, Trace, UserDirectories,
    record::{self, McpEndpoint, Reading, Record, Unfit},
};
use crate::doorbell::{MAX_PATH_BYTES, Secret, fits_headers};

/// Which client asks. Its own command makes one up, too.
const SESSION: &str = "x-copilot-session-id";

/// Where pipes are on Windows: a path elsewhere may be one of another machine.
const PIPES: &str = r"\\.\pipe\";

pub(super) struct Copilot;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    socket_path: String,
    headers: BTreeMap<String, String>,
    pid: u32,
    ide_name: Option<String>,
    #[serde(default)]
    workspace_folders: Vec<String>,
}

impl Source for Copilot {
    fn registries(&self, user: &UserDirectories<'_>) -> Vec<PathBuf> {
        let named = user.named_by("COPILOT_HOME").map(|home| home.join("ide"));
        named.into_iter().chain(user.below_home(".copilot/ide")).collect()
    }

    fn is_trace(&self, name: &str) -> bool {
        name.ends_with(".lock")
    }

    fn read(&self, trace: &Trace<'_>) -> Result<Reading, Unfit> {
        let file: File = record::json(trace.contents)?;
        let (pid, name) = (record::pid(file.pid)?, file.ide_name.as_deref().and_then(record::name));
        let session = trace.name.strip_suffix(".lock").unwrap_or(trace.name);
        let secret = |value: &str| Secret::new(value).map_err(|_| Unfit::Invalid("headers"));
        let headers =
            file.headers.iter().map(|(name, value)| Ok((name.to_ascii_lowercase(), secret(value)?)));
        let mut headers = headers.collect::<Result<BTreeMap<_, _>, Unfit>>()?;
        headers.insert(SESSION.to_owned(), secret(session)?);
        if !fits_headers(None, &headers) {
            return Err(Unfit::Invalid("headers"));
        }
        let workspace = file.workspace_folders.first().map(|it| record::directory(it, "workspaceFolders"));
        let record = Record {
            socket: Some(socket(&file.socket_path)?),
            project: workspace.transpose()?,
            name: Some(name.unwrap_or_else(|| "editor".to_owned())),
            mcp: Some(McpEndpoint { endpoint: "/mcp".to_owned(), headers, ..McpEndpoint::default() }),
            ..Record::new(SourceKind::Copilot, pid, 0)
        };
        Ok(record.into())
    }
}

fn socket(path: &str) -> Result<PathBuf, Unfit> {
    let is_here = if cfg!(windows) { is_pipe(path) } else { Path::new(path).is_absolute() };
    let fits = is_here && path.len() <= MAX_PATH_BYTES && !path.contains(char::is_control);
    if fits { Ok(PathBuf::from(path)) } else { Err(Unfit::Invalid("socketPath")) }
}

/// A name that leads out of where pipes are may be that of a file or a device.
fn is_pipe(path: &str) -> bool {
    let name = path.strip_prefix(PIPES);
    name.is_some_and(|name| !name.is_empty() && name.split(['\\', '/']).all(|part| part != ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_one_of_this_machine_and_nothing_else() {
        for pipe in [r"\\.\pipe\mcp-5f0c", r"\\.\pipe\editor\mcp..5f0c"] {
            assert!(is_pipe(pipe), "{pipe}");
            assert_eq!(socket(pipe).is_ok(), cfg!(windows), "{pipe}");
        }
        for other in [
            "",
            r"\\.\pipe\",
            r"\\host\pipe\mcp",
            r"\\.\C:\file",
            r"\\.\pipe\..\C:\file",
            r"\\.\pipe\x/../../C:/file",
            r"C:\file",
        ] {
            assert!(!is_pipe(other), "{other}");
        }
    }
}
