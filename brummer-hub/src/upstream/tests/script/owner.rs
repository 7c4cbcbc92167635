//! The side that a connection reports to.

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::soon;
use crate::{
    config::Limits,
    doorbell::InstanceId,
    protocol::{Era, LegacyVersion},
    upstream::{
        ExchangeError, Hello, LinkId, Purpose, Upstream, UpstreamEvent, UpstreamEventKind, UpstreamOptions,
        Welcome,
    },
};

pub(in crate::upstream::tests) fn request(id: u64, method: &str) -> Bytes {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}}).to_string().into()
}

pub(in crate::upstream::tests) fn notification(method: &str) -> Bytes {
    json!({"jsonrpc": "2.0", "method": method}).to_string().into()
}

pub(in crate::upstream::tests) fn hello(era: Era, capabilities: &str) -> Hello {
    let client_info = r#"{"name":"owner","version":"1"}"#.into();
    Hello { era, capabilities: capabilities.into(), client_info, level: None }
}

/// A client's connection to an instance of which nothing is known.
pub(in crate::upstream::tests) fn options(port: u16, hello: Hello) -> UpstreamOptions {
    UpstreamOptions {
        link: LinkId(7),
        instance: InstanceId::parse("script").unwrap(),
        port,
        endpoint: "/mcp".into(),
        reach: crate::upstream::Reach::default(),
        hello,
        known: None,
        lent: None,
        limits: Limits::default(),
        purpose: Purpose::Conversation,
        gate: None,
        budget: None,
    }
}

/// The side that a connection reports to.
pub(in crate::upstream::tests) struct ConnectionOwner {
    pub(in crate::upstream::tests) upstream: Option<Upstream>,
    events: mpsc::Receiver<UpstreamEvent>,
    pub(in crate::upstream::tests) stop: CancellationToken,
    tasks: TaskTracker,
}

impl ConnectionOwner {
    pub(in crate::upstream::tests) fn connect(port: u16) -> Self {
        Self::with_limits(port, Limits::default())
    }

    pub(in crate::upstream::tests) fn with_limits(port: u16, limits: Limits) -> Self {
        Self::with_queue(port, limits, 64)
    }

    pub(in crate::upstream::tests) fn with_queue(port: u16, limits: Limits, queue: usize) -> Self {
        Self::open(port, limits, queue, Purpose::Conversation)
    }

    /// One that only wants to know how the instance is.
    pub(in crate::upstream::tests) fn watch(port: u16) -> Self {
        Self::open(port, Limits::default(), 64, Purpose::Health)
    }

    fn open(port: u16, limits: Limits, queue: usize, purpose: Purpose) -> Self {
        let era = Era::Legacy(LegacyVersion::V2025_11_25);
        let options = options(port, hello(era, r#"{"roots":{}}"#));
        Self::with_options(UpstreamOptions { known: Some(era), limits, purpose, ..options }, queue)
    }

    pub(in crate::upstream::tests) fn with_options(options: UpstreamOptions, queue: usize) -> Self {
        let (sender, events) = mpsc::channel(queue);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let upstream = Some(Upstream::open(options, sender, &tasks, stop.clone()));
        tasks.close();
        Self { upstream, events, stop, tasks }
    }

    pub(in crate::upstream::tests) fn upstream(&self) -> &Upstream {
        self.upstream.as_ref().unwrap()
    }

    pub(in crate::upstream::tests) fn request(&self, id: u64, method: &str) {
        self.upstream().request(id, request(id, method)).unwrap();
    }

    /// Sends a request with these parameters.
    pub(in crate::upstream::tests) fn call(&self, id: u64, method: &str, params: &Value) {
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.upstream().request(id, body.to_string()).unwrap();
    }

    pub(in crate::upstream::tests) fn send(&self, method: &str) {
        self.upstream().send(notification(method)).unwrap();
    }

    pub(in crate::upstream::tests) fn cancel(&self, id: u64) {
        self.upstream().cancel(id, notification("notifications/cancelled"));
    }

    pub(in crate::upstream::tests) async fn next(&mut self) -> UpstreamEventKind {
        let event = soon("an event", self.events.recv()).await.expect("the connection has ended");
        assert_eq!(event.link, LinkId(7));
        event.kind
    }

    pub(in crate::upstream::tests) async fn ready(&mut self) -> Welcome {
        match self.next().await {
            UpstreamEventKind::Ready(welcome) => *welcome,
            other => panic!("{other:?}"),
        }
    }

    pub(in crate::upstream::tests) async fn renewed(&mut self) -> Welcome {
        match self.next().await {
            UpstreamEventKind::Renewed(welcome) => *welcome,
            other => panic!("{other:?}"),
        }
    }

    /// The next message as JSON, and on whose stream it came.
    pub(in crate::upstream::tests) async fn frame(&mut self) -> (Value, Option<u64>) {
        match self.next().await {
            UpstreamEventKind::Frame { frame, carrier } => {
                (serde_json::from_slice(frame.bytes()).unwrap(), carrier)
            }
            other => panic!("{other:?}"),
        }
    }

    /// The result of request `id`, which must be the next event.
    pub(in crate::upstream::tests) async fn result(&mut self, id: u64) -> Value {
        let (frame, carrier) = self.frame().await;
        assert_eq!((&frame["id"], carrier), (&json!(id), Some(id)), "{frame}");
        frame["result"].clone()
    }

    /// How request `id` ended, which must be the next event.
    pub(in crate::upstream::tests) async fn ended(&mut self, id: u64) -> ExchangeError {
        match self.next().await {
            UpstreamEventKind::Ended { id: ended, error } if ended == id => error,
            other => panic!("{other:?}"),
        }
    }

    pub(in crate::upstream::tests) async fn suspect(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, UpstreamEventKind::Suspect), "{event:?}");
    }

    pub(in crate::upstream::tests) async fn missed(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, UpstreamEventKind::Missed), "{event:?}");
    }

    pub(in crate::upstream::tests) async fn failed(&mut self) -> ExchangeError {
        match self.next().await {
            UpstreamEventKind::Failed(error) => error,
            other => panic!("{other:?}"),
        }
    }

    /// The connection ends of itself; the events that had not been looked at.
    pub(in crate::upstream::tests) async fn end(mut self) -> Vec<UpstreamEventKind> {
        soon("the task to end", self.tasks.wait()).await;
        drop(self.upstream.take());
        let mut left = Vec::new();
        while let Some(event) = soon("the last event", self.events.recv()).await {
            left.push(event.kind);
        }
        left
    }
}
