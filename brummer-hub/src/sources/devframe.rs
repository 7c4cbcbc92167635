//! Vite DevTools, and whatever else is built with devframe: `~/.devframe/instances/<pid>-<port>.json`.
//!
//! Its MCP server refuses requests without an `Origin`, and those of another origin than a loopback one: it is sent its own.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{
    Source, SourceKind, Trace, UserDirectories,
    record::{self, McpEndpoint, Origin, Reading, Record, Unfit},
};
use crate::doorbell::Secret;

pub(super) struct Devframe;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    pid: u32,
    port: u16,
    origin: String,
    #[serde(default)]
    base_path: String,
    id: String,
    name: Option<String>,
    root_dir: String,
    mcp: Option<Mcp>,
    #[serde(default)]
    started_at: Value,
}

#[derive(Deserialize)]
struct Mcp {
    path: String,
}

impl Source for Devframe {
    fn registries(&self, user: &UserDirectories<'_>) -> Vec<PathBuf> {
        let named = user.named_by("DEVFRAME_INSTANCES_DIR");
        named.into_iter().chain(user.below_home(".devframe/instances")).collect()
    }

    fn read(&self, trace: &Trace<'_>) -> Result<Reading, Unfit> {
        let file: File = record::json(trace.contents)?;
        let origin = Origin::read(&file.origin)?;
        if origin.port != record::port(file.port)? {
            return Err(Unfit::Invalid("origin"));
        }
        // TLS is not spoken to instances; the server is listed as one without MCP.
        let mcp = file.mcp.filter(|_| !origin.is_secure);
        let mcp = mcp.map(|mcp| {
            let own = Secret::new(&origin.text()).map_err(|_| Unfit::Invalid("origin"))?;
            let headers = BTreeMap::from([("Origin".to_owned(), own)]);
            Ok(McpEndpoint { endpoint: record::endpoint(&mcp.path)?, headers, ..McpEndpoint::default() })
        });
        let record = Record {
            host: origin.address,
            project: Some(record::directory(&file.root_dir, "rootDir")?),
            name: file.name.as_deref().and_then(record::name).or_else(|| record::name(&file.id)),
            framework: Some(if file.id.contains("vite") { "vite" } else { "devframe" }.into()),
            url: origin.url(&file.base_path),
            started: record::moment(&file.started_at),
            mcp: mcp.transpose()?,
            ..Record::new(SourceKind::Devframe, record::pid(file.pid)?, file.port)
        };
        Ok(record.into())
    }
}
