//! A server that runs, whichever it is: how it is started, asked and ended. JavaScript holds the object, a task the server.

use std::time::Duration;

use brummer_hub::{
    InstanceServer, StdioInstance,
    doorbell::Secret,
    serve::{Announcement, ServeError},
};
use serde_json::json;
use tokio::sync::{oneshot, watch};

use crate::{
    emit::{Callback, Emitter, code, failure},
    hub::emitter,
    runtime::runtime,
};

type Result<T> = std::result::Result<T, napi::Error<String>>;

/// How long a process that ends waits for the announcement, and a program, to be gone.
const END: Duration = Duration::from_secs(1);

/// What is served.
pub(crate) trait Served: Send + 'static {
    fn server(&self) -> &InstanceServer;

    /// Ends it in good order.
    fn shutdown(self) -> impl Future<Output = ()> + Send;
}

impl Served for InstanceServer {
    fn server(&self) -> &InstanceServer {
        self
    }

    fn shutdown(self) -> impl Future<Output = ()> + Send {
        self.shutdown()
    }
}

impl Served for StdioInstance {
    fn server(&self) -> &InstanceServer {
        self.server()
    }

    fn shutdown(self) -> impl Future<Output = ()> + Send {
        self.shutdown()
    }
}

/// A server, for JavaScript. It ends when this is dropped. `T` is what one kind of server has to be asked by.
pub(crate) struct Serving<T> {
    /// Takes whom to tell of the end, once. When it is dropped instead, the server ends at once.
    close: Option<oneshot::Sender<Emitter>>,
    running: watch::Receiver<Option<Running<T>>>,
    /// Closed when the server has ended.
    ended: std::sync::mpsc::Receiver<()>,
}

struct Running<T> {
    id: String,
    port: u16,
    url: String,
    token: Option<Secret>,
    announcement: watch::Receiver<Announcement>,
    own: T,
}

impl<T: Clone + Send + Sync + 'static> Serving<T> {
    /// Starts a server; the callback is told when it listens and is announced, or that this failed.
    pub(crate) fn start<S: Served>(
        starting: impl Future<Output = std::result::Result<S, ServeError>> + Send + 'static,
        own: fn(&S) -> T,
        callback: &Callback<'_>,
    ) -> Result<Self> {
        let emitter = emitter(callback)?;
        let (close, closed) = oneshot::channel::<Emitter>();
        let (started, running) = watch::channel(None);
        let (ends, ended) = std::sync::mpsc::sync_channel(0);
        runtime().spawn(async move {
            // Dropped after the server.
            let _ends = ends;
            let served = match starting.await {
                Ok(served) => served,
                Err(error) => return emitter.call("error", told(&error)),
            };
            let server = served.server();
            started.send_replace(Some(Running {
                id: server.id().to_string(),
                port: server.port(),
                url: server.url(),
                token: server.token().cloned(),
                announcement: server.announcement(),
                own: own(&served),
            }));
            emitter.call("done", "");
            if let Ok(emitter) = closed.await {
                served.shutdown().await;
                emitter.call("done", "");
            }
        });
        Ok(Self { close: Some(close), running, ended })
    }

    /// What this kind of server is asked by, once it runs.
    pub(crate) fn own(&self) -> Option<T> {
        self.running.borrow().as_ref().map(|running| running.own.clone())
    }

    /// What is known of the running server, as JSON.
    pub(crate) fn state(&self) -> String {
        let running = self.running.borrow();
        let Some(running) = running.as_ref() else { return "null".to_owned() };
        let file = match &*running.announcement.borrow() {
            Announcement::Announced(file) => Some(file.display().to_string()),
            _ => None,
        };
        let token = running.token.as_ref().map(Secret::expose);
        json!({ "id": running.id, "port": running.port, "url": running.url, "token": token, "file": file })
            .to_string()
    }

    /// Ends it in good order, and calls back when that is done.
    pub(crate) fn close(&mut self, callback: &Callback<'_>) -> Result<()> {
        let emitter = emitter(callback)?;
        let unsent = match self.close.take() {
            Some(close) => close.send(emitter).err(),
            None => Some(emitter),
        };
        if let Some(emitter) = unsent {
            // It is closing, or has ended.
            emitter.call("done", "");
        }
        Ok(())
    }

    /// Ends it at once, and waits until its announcement is taken back: for a process that is about to end.
    pub(crate) fn end(&mut self) {
        self.close = None;
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
