//! Storybook: `~/.storybook/instances/<uuid>.json`, with an MCP server when `@storybook/addon-mcp` is configured.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Source, SourceKind, Trace, UserDirectories,
    record::{self, McpEndpoint, Origin, Reading, Record, Unfit},
};

pub(super) struct Storybook;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    pid: u32,
    cwd: String,
    url: String,
    port: u16,
    agent: Option<String>,
    storybook_version: Option<String>,
    #[serde(default)]
    started_at: Value,
    #[serde(default)]
    mcp: Mcp,
}

#[derive(Default, Deserialize)]
struct Mcp {
    #[serde(default)]
    status: String,
    endpoint: Option<String>,
}

impl Source for Storybook {
    fn registries(&self, user: &UserDirectories<'_>) -> Vec<PathBuf> {
        user.below_home(".storybook/instances").into_iter().collect()
    }

    fn read(&self, trace: &Trace<'_>) -> Result<Reading, Unfit> {
        let file: File = record::json(trace.contents)?;
        let origin = Origin::read(&file.url)?;
        if origin.port != record::port(file.port)? {
            return Err(Unfit::Invalid("url"));
        }
        let endpoint = file.mcp.endpoint.filter(|_| file.mcp.status == "ready" && !origin.is_secure);
        let mcp = |endpoint: String| {
            record::endpoint(&endpoint).map(|endpoint| McpEndpoint { endpoint, ..McpEndpoint::default() })
        };
        let record = Record {
            host: origin.address,
            project: Some(record::directory(&file.cwd, "cwd")?),
            name: Some("storybook".to_owned()),
            framework: Some("storybook".into()),
            version: file.storybook_version.as_deref().and_then(record::name),
            url: origin.url("/"),
            started: record::moment(&file.started_at),
            started_by: file.agent.as_deref().and_then(record::name),
            mcp: endpoint.map(mcp).transpose()?,
            ..Record::new(SourceKind::Storybook, record::pid(file.pid)?, file.port)
        };
        Ok(record.into())
    }
}
