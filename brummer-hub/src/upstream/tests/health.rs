//! The connection by which the health of an instance is seen.

use std::time::Duration;

use serde_json::json;

use super::script::{ConnectionOwner, ReceivedRequest, Server, Writer};

/// Answers, and keeps the connection in hand.
async fn answer(request: ReceivedRequest) -> Writer {
    let body = json!({"jsonrpc": "2.0", "id": request.rpc["id"], "result": {}}).to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
    request.raw(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await
}

async fn watched() -> (Server, ConnectionOwner) {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::watch(server.port);
    server.shake_hands("s").await;
    owner.ready().await;
    (server, owner)
}

#[tokio::test]
async fn pings_share_one_connection_and_no_stream_is_opened() {
    let (mut server, mut owner) = watched().await;
    for id in 1..5 {
        owner.request(id, "ping");
        let ping = server.expect("POST", "ping").await;
        assert_eq!(ping.connection(), 0);
        ping.result(json!({})).await;
        owner.result(id).await;
    }
    server.assert_nothing_else();
}

#[tokio::test]
async fn the_end_of_a_connection_that_rested_is_told() {
    let (mut server, mut owner) = watched().await;
    owner.request(1, "ping");
    let connection = answer(server.expect("POST", "ping").await).await;
    owner.result(1).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    drop(connection);
    owner.suspect().await;
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_is_not_suspect_for_that() {
    let (mut server, mut owner) = watched().await;
    for id in 1..5 {
        owner.request(id, "ping");
        drop(answer(server.expect("POST", "ping").await).await);
        owner.result(id).await;
    }
}

#[tokio::test]
async fn a_ping_is_sent_again_when_its_connection_is_closed_just_then() {
    let (mut server, mut owner) = watched().await;
    owner.request(1, "ping");
    server.expect("POST", "ping").await.cut();
    let again = server.expect("POST", "ping").await;
    assert_eq!(again.connection(), 1);
    again.result(json!({})).await;
    owner.result(1).await;
}
