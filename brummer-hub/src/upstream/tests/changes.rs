//! The stream of changes of an instance without a handshake.

use serde_json::{Value, json};

use super::{
    modern::{
        INTRODUCTION, LEGACY, MODERN, acknowledge, change, connected, discover, discovered, owner, watcher,
    },
    script::{ConnectionOwner, ReceivedRequest, Server},
};

const UPDATED: &str = "notifications/resources/updated";

/// The next request for a stream, and the resources in it.
async fn listen(server: &mut Server) -> (ReceivedRequest, Value) {
    let request = server.expect("POST", "subscriptions/listen").await;
    let uris = request.rpc["params"]["notifications"]["resourceSubscriptions"].clone();
    (request, uris)
}

/// An instance that is open, and whom it is open for.
async fn open() -> (Server, ConnectionOwner) {
    let mut server = Server::start().await;
    let mut owner = owner(server.port, LEGACY, "{}");
    discover(&mut server, LEGACY).await;
    owner.ready().await;
    (server, owner)
}

fn subscribe(owner: &ConnectionOwner, id: u64, uri: &str) {
    owner.call(id, "resources/subscribe", &json!({"uri": uri}));
}

fn unsubscribe(owner: &ConnectionOwner, id: u64, uri: &str) {
    owner.call(id, "resources/unsubscribe", &json!({"uri": uri}));
}

#[tokio::test]
async fn requests_wait_until_changes_are_heard() {
    for era in [LEGACY, MODERN] {
        let mut server = Server::start().await;
        let mut owner = owner(server.port, era, "{}");
        discover(&mut server, era).await;
        owner.ready().await;
        owner.request(1, "x/y");
        let (request, _) = listen(&mut server).await;
        let meta: Value = serde_json::from_str(&format!("{{{INTRODUCTION}}}")).unwrap();
        let filter =
            json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true});
        assert_eq!(request.rpc["params"], json!({"_meta": meta, "notifications": filter}));
        assert_eq!(request.header("mcp-method"), Some("subscriptions/listen"));
        let id = request.rpc["id"].clone();
        let mut changes = acknowledge(request, &[]).await;
        server.expect("POST", "x/y").await.result(json!({})).await;
        owner.result(1).await;
        // As it would have come without a subscription; the acknowledgement concerns nobody.
        changes.event(change(&id, "notifications/prompts/list_changed", json!({}))).await;
        let expected =
            json!({"jsonrpc": "2.0", "method": "notifications/prompts/list_changed", "params": {}});
        assert_eq!(owner.frame().await, (expected, None));
        changes.chunk(": still here\n\ndata: nonsense\n\n").await;
        changes.event(json!({"jsonrpc": "2.0", "id": 1, "method": "roots/list"})).await;
        changes.event(change(&id, UPDATED, json!({"uri": "a", "_meta": {"k": 1}}))).await;
        let expected =
            json!({"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": "a", "_meta": {"k": 1}}});
        assert_eq!(owner.frame().await, (expected, None));
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn an_instance_need_not_offer_changes() {
    let json = "Content-Type: application/json\r\n";
    let error = json!({"code": -32601, "message": "no"});
    for (status, headers) in [("404 Not Found", json), ("200 OK", json), ("405 Method Not Allowed", "")] {
        let (mut server, mut owner) = open().await;
        owner.request(1, "x/y");
        let refuse = async |request: ReceivedRequest| {
            let body = json!({"jsonrpc": "2.0", "id": request.rpc["id"], "error": error}).to_string();
            request.answer(status, headers, if headers.is_empty() { "" } else { &body }).await;
        };
        refuse(listen(&mut server).await.0).await;
        server.expect("POST", "x/y").await.result(json!({})).await;
        owner.result(1).await;
        subscribe(&owner, 2, "a");
        refuse(listen(&mut server).await.0).await;
        let code = if headers.is_empty() { -32603 } else { -32601 };
        assert_eq!(owner.frame().await.0["error"]["code"], code);
        unsubscribe(&owner, 3, "a");
        assert_eq!(owner.result(3).await, json!({}));
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn the_resources_change_without_a_gap() {
    for era in [LEGACY, MODERN] {
        let (mut server, mut owner, mut first) = connected(era, "{}").await;
        subscribe(&owner, 1, "a");
        let (request, uris) = listen(&mut server).await;
        assert_eq!(uris, json!(["a"]));
        // Until the second one stands the first is heard.
        first.event(json!({"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": "x"}})).await;
        assert_eq!(owner.frame().await.0["params"]["uri"], "x");
        // What comes meanwhile waits for a third one.
        subscribe(&owner, 2, "b\u{e9}");
        subscribe(&owner, 3, "a");
        owner.request(4, "x/y");
        server.expect("POST", "x/y").await.result(json!({})).await;
        owner.result(4).await;
        let second = acknowledge(request, &["a"]).await;
        first.closed().await;
        owner.result(1).await;
        owner.result(3).await;
        let (request, uris) = listen(&mut server).await;
        assert_eq!(uris, json!(["a", "b\u{e9}"]));
        let third = acknowledge(request, &["a", "b\u{e9}"]).await;
        second.closed().await;
        assert_eq!(owner.result(2).await, json!({}));
        // What is subscribed to already is heard already.
        subscribe(&owner, 5, "b\u{e9}");
        assert_eq!(owner.result(5).await, json!({}));
        unsubscribe(&owner, 6, "a");
        let (request, uris) = listen(&mut server).await;
        assert_eq!(uris, json!(["b\u{e9}"]));
        let _fourth = acknowledge(request, &["b\u{e9}"]).await;
        third.closed().await;
        assert_eq!(owner.result(6).await, json!({}));
        unsubscribe(&owner, 7, "never");
        assert_eq!(owner.result(7).await, json!({}));
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn what_the_acknowledgement_leaves_out_is_refused() {
    let (mut server, mut owner, _first) = connected(LEGACY, "{}").await;
    subscribe(&owner, 1, "a");
    let _second = acknowledge(listen(&mut server).await.0, &[]).await;
    let error = owner.frame().await.0["error"].clone();
    assert_eq!(error["code"], -32602, "{error}");
    subscribe(&owner, 2, "b");
    let (request, uris) = listen(&mut server).await;
    assert_eq!(uris, json!(["b"]), "it is not asked for again");
    let _third = acknowledge(request, &["b"]).await;
    owner.result(2).await;
    owner.call(3, "resources/subscribe", &json!({"uri": 7}));
    assert_eq!(owner.frame().await.0["error"]["code"], -32602);
}

#[tokio::test]
async fn a_stream_that_breaks_is_suspect_and_opened_again() {
    let (mut server, mut owner, first) = connected(LEGACY, "{}").await;
    subscribe(&owner, 1, "a");
    let second = acknowledge(listen(&mut server).await.0, &["a"]).await;
    owner.result(1).await;
    first.closed().await;
    drop(second);
    owner.suspect().await;
    let (request, uris) = listen(&mut server).await;
    assert_eq!(uris, json!(["a"]));
    // A gate before the instance may refuse for a moment what was offered before.
    request.answer("503 Service Unavailable", "", "").await;
    let (request, _) = listen(&mut server).await;
    request.cut();
    owner.suspect().await;
    let mut third = acknowledge(listen(&mut server).await.0, &["a"]).await;
    owner.missed().await;
    third.event(json!({"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": "a"}})).await;
    assert_eq!(owner.frame().await.0["params"]["uri"], "a");
}

#[tokio::test]
async fn the_first_stream_may_fail_for_a_moment() {
    let (mut server, mut owner) = open().await;
    owner.request(1, "x/y");
    listen(&mut server).await.0.answer("503 Service Unavailable", "", "").await;
    server.expect("POST", "x/y").await.result(json!({})).await;
    owner.result(1).await;
    listen(&mut server).await.0.cut();
    owner.suspect().await;
    let _stream = acknowledge(listen(&mut server).await.0, &[]).await;
    owner.missed().await;
    server.assert_nothing_else();
}

/// Batches belong to another revision, and servers write them all the same.
#[tokio::test]
async fn changes_may_be_told_together_and_beside_what_is_no_message() {
    let (mut server, mut owner) = open().await;
    let (request, _) = listen(&mut server).await;
    let id = request.rpc["id"].clone();
    let acknowledged = json!({
        "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
        "params": {"notifications": {}, "_meta": {"io.modelcontextprotocol/subscriptionId": id}},
    });
    let changed = |list: &str| change(&id, &format!("notifications/{list}/list_changed"), json!({}));
    let mut stream = request.stream().await;
    stream.event(json!([7, acknowledged, changed("prompts")])).await;
    assert_eq!(owner.frame().await.0["method"], "notifications/prompts/list_changed");
    stream.event(json!([changed("tools"), {"no": "message"}, changed("resources")])).await;
    for list in ["tools", "resources"] {
        assert_eq!(owner.frame().await.0["method"], format!("notifications/{list}/list_changed"));
    }
    owner.request(1, "x/y");
    server.expect("POST", "x/y").await.result(json!({})).await;
    owner.result(1).await;
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_graceful_end_is_no_sign_of_death() {
    for by_result in [true, false] {
        let (mut server, mut owner) = open().await;
        let (request, _) = listen(&mut server).await;
        let id = request.rpc["id"].clone();
        let mut stream = acknowledge(request, &[]).await;
        if by_result {
            stream.event(json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete"}})).await;
        } else {
            let params = json!({"requestId": id});
            stream
                .event(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}))
                .await;
        }
        stream.closed().await;
        let _again = acknowledge(listen(&mut server).await.0, &[]).await;
        owner.missed().await;
        owner.request(1, "x/y");
        server.expect("POST", "x/y").await.result(json!({})).await;
        owner.result(1).await;
    }
}

#[tokio::test]
async fn health_is_watched_without_a_stream() {
    let mut server = Server::start().await;
    let mut owner = watcher(server.port);
    server.expect("POST", "server/discover").await.result(discovered()).await;
    owner.ready().await;
    owner.request(1, "ping");
    let check = server.expect("POST", "server/discover").await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "result": discovered()}).to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
    let connection = check.raw(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    owner.result(1).await;
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(3)).await;
    tokio::time::resume();
    drop(connection);
    owner.suspect().await;
    server.assert_nothing_else();
}
