//! Next.js from 16.2 on: `<project>/.next/dev/lock`. Its dev server speaks MCP, without sessions.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Source, SourceKind, Trace,
    record::{self, McpEndpoint, Origin, Reading, Record, Unfit},
};

/// Where every dev server of Next.js speaks MCP.
const ENDPOINT: &str = "/_next/mcp";

pub(super) struct Next;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    pid: u32,
    port: u16,
    app_url: String,
    #[serde(default)]
    started_at: Value,
}

impl Source for Next {
    fn in_project(&self) -> &'static [&'static str] {
        &[".next/dev/lock"]
    }

    fn read(&self, trace: &Trace<'_>) -> Result<Reading, Unfit> {
        let file: File = record::json(trace.contents)?;
        let project = trace.project.ok_or(Unfit::Invalid("file"))?;
        let origin = Origin::read(&file.app_url)?;
        if origin.port != record::port(file.port)? {
            return Err(Unfit::Invalid("appUrl"));
        }
        let mcp = || McpEndpoint { endpoint: ENDPOINT.to_owned(), ..McpEndpoint::default() };
        // What it names is what people type, and not what it listens on.
        let record = Record {
            project: Some(project.to_owned()),
            name: Some("next".to_owned()),
            framework: Some("next".into()),
            url: origin.url("/"),
            started: record::moment(&file.started_at),
            log: Some(project.join(".next/dev/logs/next-development.log")),
            mcp: (!origin.is_secure).then(mcp),
            ..Record::new(SourceKind::Next, record::pid(file.pid)?, file.port)
        };
        Ok(record.into())
    }
}
