//! `serveStdio`: a server that speaks only stdio, as an instance for all hubs and clients.

use std::{path::PathBuf, sync::Arc, time::Duration};

use brummer_hub::{
    InstanceServer, StdioInstance,
    doorbell::Secret,
    serve::{Announcement, ServeError},
    stdio_instance::{PlainCommand, ProgramReport, Sharing, StdioOptions},
};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    watch,
};

use crate::{
    emit::{Callback, Emitter, code, failure},
    hub::emitter,
    options::{self, Announced},
    runtime::runtime,
};

type Result<T> = std::result::Result<T, napi::Error<String>>;

/// What may be done with a running server. More than one at a time is never waited for.
const ORDERS: usize = 1;

/// How long a process that ends waits for the announcement and the program to be gone.
const END: Duration = Duration::from_secs(1);

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
    /// Without it the server ends at once.
    orders: Option<mpsc::Sender<Order>>,
    running: watch::Receiver<Option<Running>>,
    /// Closed when the server has ended.
    ended: std::sync::mpsc::Receiver<()>,
}

#[derive(Clone)]
struct Running {
    id: String,
    port: u16,
    url: String,
    token: Option<Secret>,
    announcement: watch::Receiver<Announcement>,
    report: watch::Receiver<Arc<ProgramReport>>,
}

enum Order {
    Close(Emitter),
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
        let emitter = emitter(&callback)?;
        let port = given.announced.port;
        let announced = given.announced.into_options()?;
        let mut command = PlainCommand::new(&given.command).args(&given.args);
        if let Some(path) = &announced.path {
            command = command.directory(path);
        }
        let name = announced.name.clone().unwrap_or_else(|| given.command.clone());
        let mut options = StdioOptions::new(&name);
        options.sharing = if given.per_session { Sharing::PerSession } else { Sharing::Shared };
        options.inventory = given.inventory;
        match given.idle {
            _ if given.forever => options.idle = None,
            Some(idle) => options.idle = Some(Duration::from_millis(idle)),
            None => {}
        }
        let mut builder = InstanceServer::builder()
            .port(port)
            .name(name)
            .labels(announced.labels)
            .directories(announced.directories);
        if let Some(id) = announced.id {
            builder = builder.id(id);
        }
        if let Some(path) = announced.path {
            builder = builder.path(path);
        }
        if let Some(version) = announced.version {
            builder = builder.version(version);
        }
        let (orders, mut inbox) = mpsc::channel(ORDERS);
        let (started, running) = watch::channel(None);
        let (ends, ended) = std::sync::mpsc::sync_channel(0);
        runtime().spawn(async move {
            // Dropped after the server.
            let _ends = ends;
            let instance = match StdioInstance::start(command, options, builder).await {
                Ok(instance) => instance,
                Err(error) => return emitter.call("error", told(&error)),
            };
            let server = instance.server();
            started.send_replace(Some(Running {
                id: server.id().to_string(),
                port: server.port(),
                url: server.url(),
                token: server.token().cloned(),
                announcement: server.announcement(),
                report: instance.report(),
            }));
            emitter.call("done", "");
            // Without an order it is dropped, which ends it at once.
            if let Some(Order::Close(emitter)) = inbox.recv().await {
                instance.shutdown().await;
                emitter.call("done", "");
            }
        });
        Ok(Self { orders: Some(orders), running, ended })
    }

    /// What is known of the running server, as JSON.
    #[napi(catch_unwind)]
    pub fn state(&self) -> String {
        let Some(running) = self.running.borrow().clone() else { return "null".to_owned() };
        let file = match &*running.announcement.borrow() {
            Announcement::Announced(file) => Some(file.display().to_string()),
            _ => None,
        };
        let token = running.token.as_ref().map(Secret::expose);
        json!({ "id": running.id, "port": running.port, "url": running.url, "token": token, "file": file })
            .to_string()
    }

    /// What is known of its processes, as JSON.
    #[napi(catch_unwind)]
    pub fn report(&self) -> String {
        let running = self.running.borrow();
        let report = running.as_ref().map(|running| Arc::clone(&running.report.borrow()));
        report.map_or_else(|| "null".to_owned(), |report| json!(*report).to_string())
    }

    /// Ends it: takes the announcement back, lets requests in flight finish, and ends the processes. Calls back when that is done.
    ///
    /// # Errors
    /// When the callback cannot be called.
    #[napi(catch_unwind)]
    pub fn close(&self, callback: Callback<'_>) -> Result<()> {
        let emitter = emitter(&callback)?;
        let sent = match &self.orders {
            Some(orders) => orders.try_send(Order::Close(emitter)).map_err(TrySendError::into_inner),
            None => Err(Order::Close(emitter)),
        };
        if let Err(Order::Close(emitter)) = sent {
            // It is closing, or has ended.
            emitter.call("done", "");
        }
        Ok(())
    }

    /// Ends it at once, and waits until its announcement is taken back: for a process that is about to end.
    #[napi(catch_unwind)]
    pub fn end(&mut self) {
        self.orders = None;
        // Nothing is ever sent: an error says that it has ended, or has not in time.
        let _ = self.ended.recv_timeout(END);
    }
}

fn told(error: &ServeError) -> String {
    match error {
        ServeError::Announce(_) => failure(code::INVALID_ARGUMENT, error),
        _ => failure(code::IO, error),
    }
}
