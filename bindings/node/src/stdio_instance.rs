//! `serveStdio`: a server that speaks only stdio, as an instance for all hubs and clients.

use std::{path::PathBuf, sync::Arc, time::Duration};

use brummer_hub::{
    StdioInstance,
    stdio_instance::{PlainCommand, ProgramReport, Sharing, StdioOptions},
};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use crate::{
    emit::Callback,
    options::{self, Announced},
    serving::Serving,
};

type Result<T> = std::result::Result<T, napi::Error<String>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServedOptions {
    announced: Announced,
    command: String,
    #[serde(default)]
    args: Vec<String>,
    /// Whether each session has a process of its own.
    #[serde(default)]
    per_session: bool,
    /// Milliseconds; none for ever.
    idle: Option<u64>,
    #[serde(default)]
    forever: bool,
    inventory: Option<PathBuf>,
}

/// A shared stdio server. It ends when it is collected.
#[napi]
pub struct NativeStdioInstance {
    serving: Serving<watch::Receiver<Arc<ProgramReport>>>,
}

#[napi]
impl NativeStdioInstance {
    /// Listens, serves and announces; `callback` is told when that is done.
    ///
    /// # Errors
    /// When the options make no sense.
    #[napi(factory, catch_unwind)]
    pub fn start(options: String, callback: Callback<'_>) -> Result<Self> {
        let given: ServedOptions = options::read(&options)?;
        let mut announced = given.announced.into_options()?;
        let mut command = PlainCommand::new(&given.command).args(&given.args);
        if let Some(path) = &announced.path {
            command = command.directory(path);
        }
        let name = announced.name.get_or_insert(given.command);
        let mut options = StdioOptions::new(name.as_str());
        options.sharing = if given.per_session { Sharing::PerSession } else { Sharing::Shared };
        options.inventory = given.inventory;
        match given.idle {
            _ if given.forever => options.idle = None,
            Some(idle) => options.idle = Some(Duration::from_millis(idle)),
            None => {}
        }
        let starting = StdioInstance::start(command, options, options::announcing(announced));
        Ok(Self { serving: Serving::start(starting, StdioInstance::report, &callback)? })
    }

    /// What is known of the running server, as JSON.
    #[napi(catch_unwind)]
    pub fn state(&self) -> String {
        self.serving.state()
    }

    /// What is known of its processes, as JSON.
    #[napi(catch_unwind)]
    pub fn report(&self) -> String {
        self.serving.own().map_or_else(|| "null".to_owned(), |report| json!(**report.borrow()).to_string())
    }

    /// Ends it: takes the announcement back, lets requests in flight finish, and ends the processes. Calls back when that is done.
    ///
    /// # Errors
    /// When the callback cannot be called.
    #[napi(catch_unwind)]
    pub fn close(&mut self, callback: Callback<'_>) -> Result<()> {
        self.serving.close(&callback)
    }

    /// Ends it at once, and waits until its announcement is taken back: for a process that is about to end.
    #[napi(catch_unwind)]
    pub fn end(&mut self) {
        self.serving.end();
    }
}
