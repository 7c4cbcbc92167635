//! The hub's own connection to an instance, by which it sees whether the instance answers.

use std::sync::Arc;

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Limits,
    discovery::Found,
    frame::{Frame, Kind},
    protocol::{Era, LegacyVersion, code, program},
    upstream::{Hello, LinkId, Purpose, Reach, Upstream, UpstreamEvent, UpstreamEventKind, UpstreamOptions},
};

/// Events waiting for the instance's task. The hub's own connection carries pings and little else; a chattering
/// instance is slowed down, not buffered.
const EVENTS: usize = 8;

/// As whom the hub introduces itself when it only wants to know whether an instance is well.
pub(crate) fn hello() -> Hello {
    Hello {
        era: Era::Legacy(LegacyVersion::LATEST),
        capabilities: Arc::from(format!(r#"{{"experimental":{{"{}":{{}}}}}}"#, program::CAPABILITY)),
        client_info: Arc::from(concat!(
            r#"{"name":"brummer-hub","version":""#,
            env!("CARGO_PKG_VERSION"),
            r#""}"#
        )),
        level: None,
    }
}

/// Where the numbers of pings begin: a client may go along in the hub's session, and its numbers begin at 1. JavaScript knows
/// numbers of this size.
const APART: u64 = 1 << 40;

/// One open connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct HealthLink {
    pub(super) id: LinkId,
    upstream: Upstream,
    events: mpsc::Receiver<UpstreamEvent>,
    /// When the handshake or the latest ping was sent.
    pub(super) asked: Instant,
    /// The handshake was answered once.
    pub(super) welcomed: bool,
    /// The instance was found to be of the era that has one.
    pub(super) has_handshake: bool,
}

impl HealthLink {
    #[expect(clippy::too_many_arguments, reason = "each is a fact of its own, and there is one caller")]
    pub(super) fn open(
        id: LinkId,
        found: &Found,
        reach: Reach,
        hello: Hello,
        limits: Limits,
        gate: Option<Arc<Semaphore>>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let options = UpstreamOptions {
            link: id,
            instance: found.doorbell.id.clone(),
            port: found.doorbell.port,
            endpoint: found.doorbell.endpoint.clone(),
            reach,
            hello,
            known: None,
            lent: None,
            limits,
            purpose: Purpose::Health,
            gate,
            budget: None,
        };
        let (sender, events) = mpsc::channel(EVENTS);
        let upstream = Upstream::open(options, sender, tasks, stop);
        Self { id, upstream, events, asked: Instant::now(), welcomed: false, has_handshake: false }
    }

    /// The ping that has this number on the connection.
    pub(super) const fn ping_of(number: u64) -> Option<u64> {
        number.checked_sub(APART)
    }

    /// What the connection tells next; `None` when its task is gone, which it never is without a last word unless it
    /// was stopped or panicked.
    pub(super) async fn recv(&mut self) -> Option<UpstreamEventKind> {
        self.events.recv().await.map(|event| event.kind)
    }

    /// Sends a ping; `false` when the connection takes none.
    pub(super) fn ping(&mut self, id: u64) -> bool {
        self.asked = Instant::now();
        let id = APART + id;
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        self.upstream.request(id, Bytes::from(body)).is_ok()
    }

    /// Gives a ping up (2025-11-25, cancellation § Cancellation Flow).
    pub(super) fn forget(&self, id: u64) {
        let id = APART + id;
        let body = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"no answer in time"}}}}"#
        );
        self.upstream.cancel(id, Bytes::from(body));
    }

    /// Answers a request of the instance: the hub offers no capability on this connection.
    pub(super) fn decline(&self, request: &Frame) {
        let (Kind::Request { .. }, Some(id)) = (request.kind(), request.id()) else { return };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{},"message":"this connection only watches the health of the instance"}}}}"#,
            code::METHOD_NOT_FOUND
        );
        // An instance that asks more than is taken goes without an answer; it was told that nothing is offered.
        let _ = self.upstream.send(Bytes::from(body));
    }
}
