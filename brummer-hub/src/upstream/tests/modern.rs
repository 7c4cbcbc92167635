//! An instance without a handshake, for the tests of what it takes to talk to one.

use serde_json::{Value, json};

use super::script::{ConnectionOwner, ReceivedRequest, Server, Writer, hello, options};
use crate::{
    config::Limits,
    protocol::{Era, LegacyVersion, ModernVersion},
    upstream::{Purpose, UpstreamOptions},
};

pub(super) const LEGACY: Era = Era::Legacy(LegacyVersion::V2025_11_25);
pub(super) const MODERN: Era = Era::Modern(ModernVersion::V2026_07_28);

/// The members of `_meta` by which the owner of these tests is introduced, when it can do nothing.
pub(super) const INTRODUCTION: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"owner","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}"#;

/// What an instance says of itself.
pub(super) fn discovered() -> Value {
    json!({
        "resultType": "complete", "ttlMs": 0, "cacheScope": "public",
        "supportedVersions": ["2025-11-25", "2026-07-28"],
        "capabilities": {"extensions": {"x/y": {"z": 1.0}}},
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "script", "version": "0"}},
    })
}

/// An owner of this era, who does not know that of the instance.
pub(super) fn owner(port: u16, era: Era, capabilities: &str) -> ConnectionOwner {
    with_limits(port, era, capabilities, Limits::default())
}

pub(super) fn with_limits(port: u16, era: Era, capabilities: &str, limits: Limits) -> ConnectionOwner {
    ConnectionOwner::with_options(UpstreamOptions { limits, ..options(port, hello(era, capabilities)) }, 64)
}

/// One that only wants to know how the instance is.
pub(super) fn watcher(port: u16) -> ConnectionOwner {
    let options = options(port, hello(LEGACY, "{}"));
    ConnectionOwner::with_options(UpstreamOptions { purpose: Purpose::Health, ..options }, 64)
}

/// A conversation whose stream of changes stands.
pub(super) async fn connected(era: Era, capabilities: &str) -> (Server, ConnectionOwner, Writer) {
    let mut server = Server::start().await;
    let mut owner = owner(server.port, era, capabilities);
    let changes = shake_hands(&mut server, &mut owner, era).await;
    (server, owner, changes)
}

/// Says what the instance is, and that it has no session for an owner of this era, who would like one.
pub(super) async fn discover(server: &mut Server, era: Era) {
    server.expect("POST", "server/discover").await.result(discovered()).await;
    if era == LEGACY {
        refuse_session(server).await;
    }
}

pub(super) async fn refuse_session(server: &mut Server) {
    let error = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"no"}}"#;
    let initialize = server.expect("POST", "initialize").await;
    initialize.answer("404 Not Found", "Content-Type: application/json\r\n", error).await;
}

/// Plays the beginning of a conversation.
pub(super) async fn shake_hands(server: &mut Server, owner: &mut ConnectionOwner, era: Era) -> Writer {
    discover(server, era).await;
    assert_eq!(owner.ready().await.era, MODERN);
    acknowledge(server.expect("POST", "subscriptions/listen").await, &[]).await
}

/// Begins a stream of changes, with these resources in it.
pub(super) async fn acknowledge(listen: ReceivedRequest, uris: &[&str]) -> Writer {
    let id = listen.rpc["id"].clone();
    let mut stream = listen.stream().await;
    let filter = json!({"toolsListChanged": true, "resourceSubscriptions": uris});
    stream
        .event(change(&id, "notifications/subscriptions/acknowledged", json!({"notifications": filter})))
        .await;
    stream
}

/// A notification on the stream with this id.
pub(super) fn change(id: &Value, method: &str, mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/subscriptionId"] = id.clone();
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// Answers the question for the list of tools, which precedes the first call.
pub(super) async fn list(server: &mut Server, tools: Value) {
    server.expect("POST", "tools/list").await.result(json!({"tools": tools})).await;
}
