//! Next.js from 16.2 on: `<project>/.next/dev/lock`. Its dev server speaks MCP, without sessions.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Source, SourceKind, Trace,
    record::{self, Door, Origin, Record, Unfit},
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

    fn read(&self, trace: &Trace<'_>) -> Result<Record, Unfit> {
        let file: File = record::json(trace.contents)?;
        let project = trace.project.ok_or(Unfit::Invalid("file"))?;
        let origin = Origin::read(&file.app_url)?;
        if origin.port != record::port(file.port)? {
            return Err(Unfit::Invalid("appUrl"));
        }
        let door = || Door { endpoint: ENDPOINT.to_owned(), headers: BTreeMap::new() };
        Ok(Record {
            kind: SourceKind::Next,
            pid: record::pid(file.pid)?,
            port: file.port,
            // It names what people type, not what it listens on.
            host: None,
            project: project.to_owned(),
            name: Some("next".to_owned()),
            framework: "next",
            version: None,
            url: origin.url("/"),
            started: record::moment(&file.started_at),
            started_by: None,
            log: Some(project.join(".next/dev/logs/next-development.log")),
            mcp: (!origin.is_secure).then(door),
        })
    }
}
