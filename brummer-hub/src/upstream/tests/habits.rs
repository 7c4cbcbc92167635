//! HTTP as frameworks speak it.

use std::time::Duration;

use serde_json::json;

use super::{
    modern::{MODERN, connected, discovered, owner},
    script::{ConnectionOwner, Server, hello, options},
};
use crate::{
    budget::Budget,
    protocol::{Era, LegacyVersion},
    upstream::{ExchangeReason, Sent, UpstreamOptions},
};

const JSON: &str = "Content-Type: application/json\r\n";

#[tokio::test]
async fn requests_say_who_sends_them_and_what_they_can_read() {
    let (mut server, owner) = Server::connected("").await;
    owner.request(1, "tools/list");
    let request = server.expect("POST", "tools/list").await;
    let ours = concat!("brummer-hub/", env!("CARGO_PKG_VERSION"));
    assert_eq!(request.header("user-agent"), Some(ours));
    assert_eq!(request.header("accept-encoding"), Some("identity"));
}

/// Servers without a handshake have the same habits as those with one.
#[tokio::test]
async fn an_answer_without_a_handshake_may_stand_among_others() {
    const EVENTS: &str = "Content-Type: text/event-stream\r\n";
    let (mut server, mut owner, _changes) = connected(MODERN, "{}").await;
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/odd"}"#;
    for (number, (headers, before, after)) in (1..).zip([
        (JSON, "[".to_owned(), "]"),
        (JSON, format!("[{notification},"), "]"),
        (EVENTS, "data: dirt\n\ndata: ".to_owned(), "\n\n"),
        (EVENTS, "data: [\n\ndata: [7, ".to_owned(), "]\n\n"),
    ]) {
        owner.request(number, "x/y");
        let request = server.expect("POST", "x/y").await;
        let answer = json!({"jsonrpc": "2.0", "id": request.rpc["id"], "result": {"resultType": "complete"}});
        request.answer("200 OK", headers, &format!("{before}{answer}{after}")).await;
        if number == 2 {
            assert_eq!(owner.frame().await.0["method"], "notifications/odd");
        }
        assert_eq!(owner.result(number).await, json!({"resultType": "complete"}));
    }
    // An error that no client understands says what is wrong with it.
    for (number, error) in
        (5..).zip([json!("failed"), json!({"code": -1.5, "message": "m"}), json!({"code": 1})])
    {
        owner.request(number, "x/y");
        let request = server.expect("POST", "x/y").await;
        let answer = json!({"jsonrpc": "2.0", "id": request.rpc["id"], "error": error});
        request.answer("200 OK", JSON, &answer.to_string()).await;
        assert!(owner.ended(number).await.to_string().contains("whole number as `code`"), "{error}");
    }
}

#[tokio::test]
async fn what_an_instance_is_may_be_told_among_other_things() {
    let told = |id: u64| json!({"jsonrpc": "2.0", "id": id, "result": discovered()}).to_string();
    for body in [
        format!("[{}]", told(0)),
        format!("data: dirt\n\ndata: {}\n\n", told(0)),
        format!("data: {{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{{}}}}\n\ndata: {}\n\n", told(0)),
        // The id of another request, and no answer with its own.
        told(9),
    ] {
        let mut server = Server::start().await;
        let mut owner = owner(server.port, MODERN, "{}");
        let headers = if body.starts_with("data") { "Content-Type: text/event-stream\r\n" } else { JSON };
        server.expect("POST", "server/discover").await.answer("200 OK", headers, &body).await;
        owner.ready().await;
    }
}

#[tokio::test]
async fn legal_answers_are_read_however_they_are_written() {
    let (mut server, mut owner) = Server::connected("").await;
    let many: String = (0..200).map(|number| format!("X-Header-{number}: {number}\r\n")).collect();
    let body = r#"{"jsonrpc":"2.0","id":1,"result":1}"#;
    let length = body.len();
    let with_bom = format!("\u{feff}{body}");
    for answer in [
        format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: {}\r\n\r\n{with_bom}", with_bom.len()),
        format!("HTTP/1.1 200 OK\r\n{JSON}{many}Content-Length: {length}\r\n\r\n{body}"),
        format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n{JSON}Content-Length: {length}\r\n\r\n{body}"
        ),
        format!("HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: {length}\n\n{body}"),
        format!(
            "HTTP/1.1 200 OK\r\nX-Odd : a\r\nX-Fold: a\r\n b\r\nX Bad: c\r\n{JSON}Content-Length: {length}\r\n\r\n{body}"
        ),
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: APPLICATION/JSON;Charset=UTF-8\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n{length:x};ext=1\r\n{body}\r\n0\r\nX: 1\r\n\r\n"
        ),
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n{with_bom}",
            with_bom.len()
        ),
        format!(
            "HTTP/1.1 200 OK\r\n{JSON}Content-Encoding: Identity\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    ] {
        owner.request(1, "tools/call");
        server.expect("POST", "tools/call").await.raw(&answer).await.keep();
        assert_eq!(owner.result(1).await, json!(1), "{answer}");
    }
    // These end with their connection.
    for answer in [
        format!("HTTP/1.0 200 OK\r\n{JSON}\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\n{JSON}Connection: close\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"),
    ] {
        owner.request(1, "tools/call");
        drop(server.expect("POST", "tools/call").await.raw(&answer).await);
        assert_eq!(owner.result(1).await, json!(1), "{answer}");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_told_as_what_it_is() {
    let (mut server, mut owner) = Server::connected("").await;
    owner.request(1, "tools/call");
    server
        .expect("POST", "tools/call")
        .await
        .answer("200 OK", &format!("{JSON}Content-Encoding: gzip\r\n"), "zz")
        .await;
    let error = owner.ended(1).await;
    assert_eq!(error.sent, Sent::Yes);
    assert!(error.to_string().contains("`Content-Encoding: gzip`"), "{error}");
}

/// One name in another encoding spoils no list.
#[tokio::test]
async fn text_that_is_not_utf8_arrives_with_marks_in_its_place() {
    for as_event in [false, true] {
        let (mut server, mut owner) = Server::connected("").await;
        owner.request(1, "tools/list");
        let mut body = br#"{"jsonrpc":"2.0","id":1,"result":{"a":"caf"#.to_vec();
        body.push(0xe9);
        body.extend_from_slice(br#"","b":[1.0]}}"#);
        let (before, after, kind) =
            if as_event { ("data: ", "\n\n", "text/event-stream") } else { ("", "", "application/json") };
        let length = before.len() + body.len() + after.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{before}");
        let whole = [head.as_bytes(), &body, after.as_bytes()].concat();
        server.expect("POST", "tools/list").await.raw(whole).await.keep();
        assert_eq!(owner.result(1).await, json!({"a": "caf\u{fffd}", "b": [1.0]}));
    }
}

/// No connection is used again with a server that closes each after its answer, without a word of it.
#[tokio::test]
async fn a_server_that_closes_after_each_answer_is_learnt() {
    let mut server = Server::start().await;
    let mut owner = super::script::ConnectionOwner::connect(server.port);
    let initialize = server.expect("POST", "initialize").await;
    let result = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {}});
    let body = json!({"jsonrpc": "2.0", "id": initialize.rpc["id"], "result": result}).to_string();
    // Closed only when the next request has been written.
    let text = format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: {}\r\n\r\n{body}", body.len());
    initialize.raw(text).await.keep();
    server.expect("POST", "notifications/initialized").await.cut();
    server.expect("POST", "notifications/initialized").await.accept().await;
    owner.ready().await;
    server.expect("GET", "").await.answer("405 Method Not Allowed", "", "").await;
    let mut connections = Vec::new();
    for id in 1..6 {
        owner.request(id, "tools/call");
        let call = server.expect("POST", "tools/call").await;
        connections.push(call.connection());
        call.result(json!(id)).await;
        assert_eq!(owner.result(id).await, json!(id));
    }
    connections.dedup();
    assert_eq!(connections.len(), 5, "each on a connection of its own");
    server.assert_nothing_else();
}

#[tokio::test]
async fn only_what_may_run_twice_is_sent_again_when_a_used_connection_breaks() {
    let (mut server, mut owner) = Server::connected("").await;
    for method in ["tools/list", "resources/read", "prompts/get", "ping", "completion/complete"] {
        owner.request(1, "prompts/list");
        server.expect("POST", "prompts/list").await.result(json!(1)).await;
        owner.result(1).await;
        owner.request(2, method);
        server.expect("POST", method).await.cut();
        server.expect("POST", method).await.result(json!(2)).await;
        assert_eq!(owner.result(2).await, json!(2));
        // That was taken for the server's habit; a new session begins without it.
        let (other_server, other_owner) = Server::connected("").await;
        (server, owner) = (other_server, other_owner);
    }
    for method in ["tools/call", "x/unknown"] {
        owner.request(1, "prompts/list");
        server.expect("POST", "prompts/list").await.result(json!(1)).await;
        owner.result(1).await;
        owner.request(2, method);
        server.expect("POST", method).await.cut();
        assert_eq!(owner.ended(2).await.sent, Sent::Unknown);
        server.assert_nothing_else();
        let (other_server, other_owner) = Server::connected("").await;
        (server, owner) = (other_server, other_owner);
    }
}

/// Some servers accept a request, or end its stream, and answer on the standing stream.
#[tokio::test]
async fn an_answer_may_come_on_the_standing_stream() {
    let mut server = Server::start().await;
    let mut owner = super::script::ConnectionOwner::connect(server.port);
    server.shake_hands("s").await;
    owner.ready().await;
    let mut standing = server.expect("GET", "").await.stream().await;
    standing.chunk(": here\n\n").await;
    for (id, is_stream) in [(1, false), (2, true)] {
        owner.request(id, "tools/call");
        let call = server.expect("POST", "tools/call").await;
        if is_stream {
            let mut stream = call.stream().await;
            stream.chunk(": nothing\n\n").await;
            stream.end().await;
        } else {
            call.accept().await;
        }
        // It is waited for: other calls go on meanwhile.
        owner.request(9, "tools/list");
        server.expect("POST", "tools/list").await.result(json!(9)).await;
        owner.result(9).await;
        // What is no message beside it does not matter.
        standing.event(json!([{"jsonrpc": "2.0", "id": id, "result": id}, "dirt"])).await;
        assert_eq!(owner.result(id).await, json!(id));
    }
    // One that answers there may take its time, and an answer that could only have come there is lost with the stream.
    owner.request(3, "tools/call");
    server.expect("POST", "tools/call").await.accept().await;
    owner.request(9, "tools/list");
    server.expect("POST", "tools/list").await.result(json!(9)).await;
    owner.result(9).await;
    drop(standing);
    owner.suspect().await;
    let error = owner.ended(3).await;
    assert!(error.sent == Sent::Unknown && matches!(error.reason, ExchangeReason::Closed), "{error}");
}

/// Large answers are read while they come in, wherever they are cut.
#[tokio::test]
async fn large_answers_arrive_whole_in_whatever_pieces() {
    let (mut server, mut owner) = Server::connected("").await;
    let lines = "line \\\\ \\\"x\\\" \\u00e9 é\\n".repeat(4000);
    let items = r#"{"id":12,"name":"web","ok":true,"tags":["a",1.0e3]} ,"#.repeat(2000);
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let mut not_utf8 = format!(r#"{{"a":"{lines}"#).into_bytes();
    not_utf8.extend_from_slice(b"\xff\"}");
    let mended = String::from_utf8_lossy(&not_utf8).into_owned();
    for (result, expected) in [
        (format!(r#"{{"a":"{lines}"}}"#).into_bytes(), None),
        (format!("{{\n \"a\": [\r\n{items} {{}}\n ]\n}}").into_bytes(), None),
        (format!(r#"{{"a":"{lines}","b":{deep}}}"#).into_bytes(), None),
        (format!(r#"{{"a":"{lines}","a":1}}"#).into_bytes(), None),
        (not_utf8, Some(mended)),
    ] {
        let expected = expected.unwrap_or_else(|| String::from_utf8(result.clone()).unwrap());
        let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
        let body = [&br#"{"jsonrpc":"2.0","id":1,"result":"#[..], &result, b"}"].concat();
        for (as_event, piece) in [(false, 997), (false, 40_000), (true, 1013), (true, 60_000)] {
            owner.request(1, "tools/call");
            let call = server.expect("POST", "tools/call").await;
            let kind = if as_event { "text/event-stream" } else { "application/json" };
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
            let mut answer = call.raw(head).await;
            // An event cannot hold a line break; each makes another line of data.
            let text = if as_event {
                let text: Vec<_> = body.split(|byte| matches!(byte, b'\n' | b'\r')).collect();
                [b"data: ", &text.join(&b"\ndata: "[..])[..], b"\n\n"].concat()
            } else {
                body.clone()
            };
            for piece in text.chunks(piece) {
                answer.chunk(piece).await;
            }
            answer.end().await;
            assert_eq!(owner.result(1).await, expected, "{as_event} {piece}");
        }
    }
}

#[tokio::test]
async fn what_is_sent_goes_where_the_instance_wants_it() {
    let (mut server, mut owner) = Server::connected("s").await;
    let port = server.port;
    for (status, to, path) in [
        ("307 Temporary Redirect", "/mcp/".to_owned(), "/mcp/"),
        ("308 Permanent Redirect", format!("http://127.0.0.1:{port}/v2?x=1"), "/v2?x=1"),
    ] {
        let location = format!("Location: {to}\r\n");
        owner.request(1, "tools/call");
        server.expect("POST", "tools/call").await.answer(status, &location, "").await;
        let again = server.expect("POST", "tools/call").await;
        assert_eq!((again.path.as_str(), again.header("mcp-session-id")), (path, Some("s")));
        again.result(json!(1)).await;
        assert_eq!(owner.result(1).await, json!(1));
        owner.send("notifications/x");
        server.expect("POST", "notifications/x").await.answer(status, &location, "").await;
        let again = server.expect("POST", "notifications/x").await;
        assert_eq!(again.path, path);
        again.accept().await;
    }
    server.assert_nothing_else();
}

/// Other redirects make another request of it, or lead to somebody else.
#[tokio::test]
async fn a_call_is_not_sent_again_for_any_other_redirect() {
    let (mut server, mut owner) = Server::connected("").await;
    for (status, to) in [
        ("301 Moved Permanently", "/mcp/"),
        ("302 Found", "/mcp/"),
        ("303 See Other", "/mcp/"),
        ("307 Temporary Redirect", "http://example.com/mcp"),
        ("307 Temporary Redirect", "https://localhost/mcp"),
        ("307 Temporary Redirect", "//example.com/mcp"),
        ("307 Temporary Redirect", "/mcp"),
    ] {
        owner.request(1, "tools/call");
        server.expect("POST", "tools/call").await.answer(status, &format!("Location: {to}\r\n"), "").await;
        let error = owner.ended(1).await;
        assert!(matches!(error.reason, ExchangeReason::Status { .. }), "{status} {to}: {error}");
        assert!(error.to_string().contains("not followed"), "{error}");
        server.assert_nothing_else();
    }
    owner.request(2, "tools/call");
    for to in ["/a", "/b", "/a", "/b"] {
        let location = format!("Location: {to}\r\n");
        server.expect("POST", "tools/call").await.answer("307 Temporary Redirect", &location, "").await;
    }
    assert!(matches!(owner.ended(2).await.reason, ExchangeReason::Status { status: 307, .. }));
    server.assert_nothing_else();
}

/// What comes before the answer to `initialize` and is no part of it does not end the attempt, nor does a word of thanks for
/// `notifications/initialized`; and a session without a name is none.
#[tokio::test]
async fn a_handshake_puts_up_with_what_official_clients_put_up_with() {
    let mut server = Server::start().await;
    let mut owner = super::script::ConnectionOwner::connect(server.port);
    let initialize = server.expect("POST", "initialize").await;
    let id = initialize.rpc["id"].clone();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: \r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut stream = initialize.raw(head).await;
    stream.chunk("data: hello\n\n").await;
    stream.event(json!({"jsonrpc": "2.0", "id": 98765, "result": {}})).await;
    let result = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {}});
    stream.event(json!({"jsonrpc": "2.0", "id": id, "result": result})).await;
    stream.end().await;
    let initialized = server.expect("POST", "notifications/initialized").await;
    assert_eq!(initialized.header("mcp-session-id"), None);
    initialized.answer("200 OK", "Content-Type: text/html\r\n", "<p>OK</p>").await;
    owner.ready().await;
    let many: String = (0..200).map(|number| format!("X-Header-{number}: {number}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 200 OK\r\n{many}Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    // Its head is larger than what a standing stream reads at a time, so it is asked for once more.
    server.expect("GET", "").await.raw(&head).await;
    let mut standing = server.expect("GET", "").await.raw(&head).await;
    standing.event(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    assert_eq!(owner.frame().await.0["method"], "notifications/x");
}

#[tokio::test]
async fn an_id_in_another_notation_is_the_same_id() {
    let (mut server, mut owner) = Server::connected("").await;
    for id in ["70", "70.0", "7e1", "\"70\""] {
        owner.request(70, "tools/call");
        server
            .expect("POST", "tools/call")
            .await
            .json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":1}}"#))
            .await;
        assert_eq!(owner.result(70).await, json!(1), "{id}");
    }
}

/// Official clients throw away a response whose error has another form, and wait for ever.
#[tokio::test]
async fn an_error_that_no_client_understands_is_told_as_one() {
    let (mut server, mut owner) = Server::connected("").await;
    for error in [
        r#""failed""#,
        "null",
        "[]",
        r#"{"code":-32000}"#,
        r#"{"message":"x"}"#,
        r#"{"code":"E_FAIL","message":"x"}"#,
        r#"{"code":-1.5,"message":"x"}"#,
        r#"{"code":-32000,"message":null}"#,
    ] {
        owner.request(1, "tools/call");
        let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#);
        server.expect("POST", "tools/call").await.json(answer).await;
        let told = owner.ended(1).await;
        assert!(
            told.sent == Sent::Yes && told.to_string().contains("its error must have"),
            "{error}: {told}"
        );
    }
    owner.request(1, "tools/call");
    let whole = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000.0, "message": "", "extra": 1}});
    server.expect("POST", "tools/call").await.json(&whole).await;
    assert_eq!(owner.frame().await.0, whole);
}

/// Room that a stuck answer holds is given back when others need it.
#[tokio::test]
async fn an_answer_that_stops_in_the_middle_does_not_keep_the_room_of_others() {
    const LARGE: usize = 1024 * 1024;
    let mut server = Server::start().await;
    let budget = Budget::new(LARGE);
    let era = Era::Legacy(LegacyVersion::V2025_11_25);
    let options = options(server.port, hello(era, "{}"));
    let options = UpstreamOptions { known: Some(era), budget: Some(budget.clone()), ..options };
    let mut owner = ConnectionOwner::with_options(options, 64);
    server.shake_hands("").await;
    owner.ready().await;
    server.expect("GET", "").await.answer("405 Method Not Allowed", "", "").await;
    let answer = |id: u64| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"{}"}}"#, "x".repeat(2 * LARGE));
    let head = format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: {}\r\n\r\n", answer(1).len());
    let mut stuck = Vec::new();
    // The first goes beyond the budget, and the second waits for it.
    for id in 1..3 {
        owner.request(id, "tools/call");
        let text = answer(id);
        let begun = format!("{head}{}", &text[..text.len() / 2]);
        stuck.push(server.expect("POST", "tools/call").await.raw(begun).await);
    }
    super::script::soon("the second waits", async {
        while budget.waiting() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    let error = owner.ended(1).await;
    assert!(matches!(error.reason, ExchangeReason::Stalled { .. }) && error.sent == Sent::Yes, "{error}");
    drop(stuck);
    assert!(matches!(owner.ended(2).await.reason, ExchangeReason::Closed));
    owner.suspect().await;
    assert_eq!(budget.left(), LARGE);
    owner.request(3, "tools/call");
    server.expect("POST", "tools/call").await.raw(format!("{head}{}", answer(3))).await.keep();
    assert_eq!(owner.result(3).await.as_str().map(str::len), Some(2 * LARGE));
}
