//! What is logged. Each test has a runtime with one thread, so that all its events are seen on it.

use std::{fmt::Write as _, sync::mpsc};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

use super::*;

/// Keeps what is logged at `warn` or above.
struct Log(mpsc::SyncSender<String>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = event.metadata().target().to_owned();
        event.record(&mut LogLine(&mut line));
        self.0.send(line).unwrap();
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct LogLine<'l>(&'l mut String);

impl Visit for LogLine<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

/// Hears what is logged on other threads. While nobody did, places in the code could be remembered as ones that nobody listens to.
struct Nobody;

impl Subscriber for Nobody {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn log() -> (DefaultGuard, mpsc::Receiver<String>) {
    // All but the first test find it there.
    let _ = tracing::subscriber::set_global_default(Nobody);
    tracing::callsite::rebuild_interest_cache();
    let (sender, lines) = mpsc::sync_channel(64);
    (tracing::subscriber::set_default(Log(sender)), lines)
}

#[tokio::test]
async fn a_healthy_server_logs_no_warnings() {
    let (_guard, lines) = log();
    let (builder, _data) = with_tools();
    let server = builder.start().await.unwrap();
    let (client, other) = (
        LegacyClient::open(server.port(), "2025-11-25").await,
        LegacyClient::open(server.port(), "2025-03-26").await,
    );
    let stream = client.listen().await;
    client.call("steps", json!({})).await;
    assert_eq!(other.delete().await, StatusCode::ACCEPTED);
    ask_modern(server.port(), "tools/list", json!({})).await;
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let mut listener =
        Messages::of(send(server.port(), modern(server.port(), "subscriptions/listen", listen)).await);
    listener.next().await.unwrap();
    drop(stream);
    server.shutdown().await;
    assert_eq!(lines.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
}

#[tokio::test]
async fn that_it_runs_alone_is_said_once() {
    let (_guard, lines) = log();
    let data = TempDir::new().unwrap();
    let blocked = data.path().join("blocked");
    std::fs::write(&blocked, "a file where a directory should be").unwrap();
    let (builder, _data) = builder();
    let server = builder.directories(Directories::only(&blocked)).start().await.unwrap();
    let mut announcement = server.announcement();
    within(announcement.wait_for(|it| matches!(it, Announcement::Alone(_)))).await.unwrap();
    server.shutdown().await;
    let lines: Vec<String> = lines.try_iter().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("no hub will find this instance; it runs all the same"), "{lines:?}");
}
