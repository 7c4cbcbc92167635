//! Calls that end before their answer, and the end of the connection.

use std::time::Duration;

use serde_json::{Value, json};

use super::script::{ConnectionOwner, Server, request};
use crate::{
    config::Limits,
    upstream::{ExchangeError, ExchangeReason, Sent, UpstreamEventKind},
};

#[tokio::test]
async fn nobody_listens() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut owner = ConnectionOwner::connect(port);
    owner.request(1, "tools/list");
    let error = owner.ended(1).await;
    assert_eq!((error.sent, error.to_string()), (Sent::No, format!("nothing listens on port {port}")));
    let error = owner.failed().await;
    assert!(matches!(error.reason, ExchangeReason::Refused { .. }));
    let upstream = owner.upstream.clone().unwrap();
    assert!(owner.end().await.is_empty());
    assert!(upstream.request(2, "x").is_err() && upstream.send("x").is_err());
}

#[tokio::test]
async fn an_instance_that_went_away_is_noticed_by_the_next_request() {
    let (mut server, mut owner) = Server::connected("").await;
    server.refuse_connections().await;
    // The one connection at rest still stands.
    owner.request(1, "tools/call");
    server.expect("POST", "tools/call").await.cut();
    assert_eq!(owner.ended(1).await.sent, Sent::Unknown);
    owner.suspect().await;
    owner.request(2, "tools/call");
    let error = owner.ended(2).await;
    assert!(error.sent == Sent::No && matches!(error.reason, ExchangeReason::Refused { .. }), "{error}");
    owner.suspect().await;
}

#[tokio::test]
async fn a_server_on_the_other_loopback_address_is_found() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else { return };
    let mut server = Server::on(listener);
    let mut owner = ConnectionOwner::connect(server.port);
    server.shake_hands("").await;
    owner.ready().await;
}

#[tokio::test]
async fn a_silent_instance_is_given_up_and_told_so() {
    let limits = Limits { call_timeout: Duration::from_millis(30), ..Limits::default() };
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::with_limits(server.port, limits);
    server.shake_hands("").await;
    owner.ready().await;
    owner.request(9, "tools/call");
    let request = server.expect("POST", "tools/call").await;
    let error = owner.ended(9).await;
    assert!(
        error.sent == Sent::Unknown && matches!(error.reason, ExchangeReason::TimedOut { seconds: 1 }),
        "{error}"
    );
    let cancelled = server.expect("POST", "notifications/cancelled").await;
    assert_eq!(cancelled.rpc["params"]["requestId"], json!(9));
    request.raw("").await.closed().await;
}

#[tokio::test]
async fn a_silent_handshake_fails() {
    let limits = Limits { initialize_timeout: Duration::from_millis(30), ..Limits::default() };
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::with_limits(server.port, limits);
    let _request = server.expect("POST", "initialize").await;
    assert!(matches!(owner.failed().await.reason, ExchangeReason::TimedOut { .. }));
    assert!(owner.end().await.is_empty());
}

#[tokio::test]
async fn a_refused_handshake_says_why() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    let body = json!({"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": "not\ntoday"}});
    server.expect("POST", "initialize").await.json(body).await;
    let error = owner.failed().await;
    assert_eq!(
        (error.sent, error.to_string().as_str()),
        (Sent::Yes, "the instance refused the handshake: not today")
    );
}

#[tokio::test]
async fn a_cancelled_request_is_told_to_the_instance_and_no_more_to_the_owner() {
    let (mut server, mut owner) = Server::connected("").await;
    owner.request(1, "tools/call");
    let mut stream = server.expect("POST", "tools/call").await.stream().await;
    stream.event(json!({"jsonrpc": "2.0", "method": "notifications/a"})).await;
    owner.frame().await;
    owner.cancel(1);
    server.expect("POST", "notifications/cancelled").await.accept().await;
    stream.event(json!({"jsonrpc": "2.0", "method": "notifications/b"})).await;
    stream.event(json!({"jsonrpc": "2.0", "id": 1, "result": {}})).await;
    stream.end().await;

    // Another one ends by a closed connection.
    owner.request(2, "tools/call");
    let request = server.expect("POST", "tools/call").await;
    owner.cancel(2);
    server.expect("POST", "notifications/cancelled").await.accept().await;
    request.cut();
    owner.suspect().await;

    // What is over, or has never been, is not cancelled.
    owner.request(3, "tools/call");
    server.expect("POST", "tools/call").await.result(json!(3)).await;
    assert_eq!(owner.result(3).await, json!(3));
    owner.cancel(3);
    owner.cancel(4);
    owner.request(5, "tools/call");
    server.expect("POST", "tools/call").await.result(json!(5)).await;
    assert_eq!(owner.result(5).await, json!(5));
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_request_cancelled_before_the_handshake_is_never_sent() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    owner.request(1, "tools/call");
    owner.request(2, "tools/list");
    owner.cancel(1);
    server.shake_hands("").await;
    owner.ready().await;
    server.expect("POST", "tools/list").await.result(json!(2)).await;
    assert_eq!(owner.result(2).await, json!(2));
    server.expect("GET", "").await;
    server.assert_nothing_else();
}

#[tokio::test]
async fn an_owner_that_does_not_listen_holds_up_its_own_stream_only() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::with_queue(server.port, Limits::default(), 1);
    server.shake_hands("").await;
    owner.ready().await;
    owner.request(1, "tools/call");
    let mut stream = server.expect("POST", "tools/call").await.stream().await;
    for number in 0..10 {
        stream
            .event(json!({"jsonrpc": "2.0", "method": "notifications/x", "params": {"number": number}}))
            .await;
    }
    stream.event(json!({"jsonrpc": "2.0", "id": 1, "result": {}})).await;
    stream.end().await;
    for _ in 0..10 {
        owner.send("notifications/y");
        server.expect("POST", "notifications/y").await.accept().await;
    }
    for number in 0..10 {
        assert_eq!(owner.frame().await.0["params"]["number"], json!(number));
    }
    owner.result(1).await;
}

#[tokio::test]
async fn too_many_waiting_requests_are_refused() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    let upstream = owner.upstream.clone().unwrap();
    let mut refused = 0;
    for id in 1..=1100 {
        let mut body = crate::upstream::body::Text::from(request(id, "tools/call"));
        while let Err(back) = upstream.request(id, body) {
            (body, refused) = (back, refused + 1);
            tokio::task::yield_now().await;
        }
    }
    assert!(refused > 0, "the queue of commands has a bound too");
    for id in 1025..=1100 {
        let error = owner.ended(id).await;
        assert!(error.sent == Sent::No && matches!(error.reason, ExchangeReason::Busy), "{error}");
    }
    server.shake_hands("").await;
    owner.ready().await;
    for _ in 1..=1024 {
        server.expect("POST", "tools/call").await.result(json!({})).await;
        owner.frame().await;
    }
}

#[tokio::test]
async fn the_end_delivers_the_last_words_and_closes_the_session() {
    let (mut server, mut owner) = Server::connected("s").await;
    owner.request(1, "tools/call");
    let _open = server.expect("POST", "tools/call").await;
    owner.send("notifications/last");
    drop(owner.upstream.take());
    server.expect("POST", "notifications/last").await.accept().await;
    server.expect("DELETE", "").await.answer("405 Method Not Allowed", "", "").await;
    let left = owner.end().await;
    assert!(
        matches!(
            &left[..],
            [UpstreamEventKind::Ended { id: 1, error: ExchangeError { sent: Sent::Unknown, .. } }]
        ),
        "{left:?}"
    );
}

/// However a conversation ends, the instance hears that its calls are not wanted any more, before connections close.
#[tokio::test]
async fn the_end_cancels_what_is_in_flight() {
    for (session, by_stop) in [("", true), ("", false), ("s", true), ("s", false)] {
        let (mut server, mut owner) = Server::connected(session).await;
        owner.request(1, "tools/call");
        let _first = server.expect("POST", "tools/call").await;
        owner.request(2, "tools/call");
        let second = server.expect("POST", "tools/call").await;
        owner.request(3, "tools/call");
        server.expect("POST", "tools/call").await.result(json!(3)).await;
        assert_eq!(owner.result(3).await, json!(3));
        // The owner's own word for it counts, also when it is the last.
        let body = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "reason": "r"}});
        owner.upstream().cancel(1, body.to_string().into());
        if by_stop {
            owner.stop.cancel();
        } else {
            drop(owner.upstream.take());
        }
        let mut told = Vec::new();
        for _ in 0..2 {
            let cancelled = server.expect("POST", "notifications/cancelled").await;
            told.push(cancelled.rpc["params"]["requestId"].clone());
            cancelled.accept().await;
        }
        told.sort_by_key(Value::as_u64);
        assert_eq!(told, [json!(1), json!(2)]);
        if !session.is_empty() {
            server.expect("DELETE", "").await.accept().await;
        }
        second.raw("").await.closed().await;
        let left = owner.end().await;
        assert!(matches!(&left[..], [UpstreamEventKind::Ended { id: 2, .. }]), "{left:?}");
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn the_end_does_not_wait_for_an_instance_that_does_not_answer() {
    let (mut server, owner) = Server::connected("s").await;
    owner.stop.cancel();
    let _delete = server.expect("DELETE", "").await;
    owner.end().await;

    let mut server = Server::start().await;
    let owner = ConnectionOwner::connect(server.port);
    let _initialize = server.expect("POST", "initialize").await;
    owner.stop.cancel();
    owner.end().await;
    server.assert_nothing_else();
}
