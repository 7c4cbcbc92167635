//! Astro from 7 on: `<project>/.astro/dev.json`.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Source, SourceKind, Trace,
    record::{self, Origin, Reading, Record, Unfit},
};

pub(super) struct Astro;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    pid: u32,
    port: u16,
    url: String,
    #[serde(default)]
    background: bool,
    #[serde(default)]
    started_at: Value,
}

impl Source for Astro {
    fn in_project(&self) -> &'static [&'static str] {
        &[".astro/dev.json"]
    }

    fn read(&self, trace: &Trace<'_>) -> Result<Reading, Unfit> {
        let file: File = record::json(trace.contents)?;
        let project = trace.project.ok_or(Unfit::Invalid("file"))?;
        let origin = Origin::read(&file.url)?;
        if origin.port != record::port(file.port)? {
            return Err(Unfit::Invalid("url"));
        }
        let rest = file.url.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
        let record = Record {
            host: origin.address,
            project: Some(project.to_owned()),
            name: Some("astro".to_owned()),
            framework: Some("astro".into()),
            url: origin.url(path),
            started: record::moment(&file.started_at),
            // What runs in the foreground prints to its terminal.
            log: file.background.then(|| project.join(".astro/dev.log")),
            ..Record::new(SourceKind::Astro, record::pid(file.pid)?, file.port)
        };
        Ok(record.into())
    }
}
