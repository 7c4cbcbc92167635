//! Nuxt: `<project>/.nuxt/nuxt.lock`, which its command writes when an agent starts it, or with `NUXT_LOCK=1`.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Source, SourceKind, Trace,
    record::{self, Origin, Reading, Record, Unfit},
};

pub(super) struct Nuxt;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    pid: u32,
    #[serde(default)]
    started_at: Value,
    command: String,
    cwd: String,
    /// Written when it listens.
    port: Option<u16>,
    url: Option<String>,
}

impl Source for Nuxt {
    fn in_project(&self) -> &'static [&'static str] {
        &[".nuxt/nuxt.lock", "node_modules/.cache/nuxt/.nuxt/nuxt.lock"]
    }

    fn read(&self, trace: &Trace<'_>) -> Result<Reading, Unfit> {
        let file: File = record::json(trace.contents)?;
        let (Some(port), Some(url), "dev") = (file.port, file.url, &*file.command) else {
            return Err(Unfit::NoServer);
        };
        let origin = Origin::read(&url)?;
        if origin.port != record::port(port)? {
            return Err(Unfit::Invalid("url"));
        }
        let record = Record {
            host: origin.address,
            project: Some(record::directory(&file.cwd, "cwd")?),
            name: Some("nuxt".to_owned()),
            framework: Some("nuxt".into()),
            url: origin.url("/"),
            started: record::moment(&file.started_at),
            ..Record::new(SourceKind::Nuxt, record::pid(file.pid)?, port)
        };
        Ok(record.into())
    }
}
