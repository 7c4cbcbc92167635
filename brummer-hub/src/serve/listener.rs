//! The listener and its connections.
//!
//! One task owns the listening socket and a task for each connection. It ends in two steps: when `stopping` is cancelled,
//! it accepts no more, connections at rest close, and requests in flight go on; when `ended` is cancelled, they get a
//! moment to write their last bytes and are cut.

use std::{pin::pin, time::Duration};

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use super::{StopTokens, door::Door};

/// Connections beyond the requests that are served at a time: clients keep some open between two requests.
const RESTING: usize = 128;

/// How long the head of a request may take. Local clients send it at once.
const HEAD: Duration = Duration::from_secs(30);

/// For the last bytes of responses that were ended.
pub(super) const LINGER: Duration = Duration::from_millis(500);

/// Pause after a failed accept. The usual reason is that no descriptor is free, which passes when connections close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct HttpListener {
    pub(super) socket: TcpListener,
    pub(super) door: Door,
    pub(super) max_requests: usize,
    pub(super) stop: StopTokens,
}

impl HttpListener {
    pub(super) async fn run(self) {
        let Self { socket, door, max_requests, stop } = self;
        let max_connections = max_requests.saturating_add(RESTING);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.stopping.cancelled() => break,
                Some(ended) = connections.join_next() => reap(ended),
                // The rest waits in the system's queue.
                accepted = socket.accept(), if connections.len() < max_connections => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(converse(stream, door.clone(), stop.clone()));
                    }
                    Err(error) => {
                        tracing::debug!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(socket);
        while let Some(ended) = connections.join_next().await {
            reap(ended);
        }
    }
}

fn reap(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "the task of a connection failed");
    }
}

async fn converse(stream: TcpStream, door: Door, stop: StopTokens) {
    // Small messages go out at once instead of waiting for more.
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), door).with_upgrades());
    let result = tokio::select! {
        biased;
        result = connection.as_mut() => result,
        () = stop.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                result = connection.as_mut() => result,
                () = stop.ended.cancelled() => timeout(LINGER, connection).await.unwrap_or(Ok(())),
            }
        }
    };
    if let Err(error) = result {
        // The client went away, or spoke something other than HTTP.
        tracing::debug!(%error, "a connection ended");
    }
}
