use super::*;

async fn is_closed(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).await.is_err()
}

#[tokio::test]
async fn open_streams_end_and_calls_in_flight_finish() {
    let (started, mut starts) = tokio::sync::mpsc::channel(1);
    let (release, released) = watch::channel(false);
    let (builder, _data) = builder();
    let builder = builder.tool("wait", "Waits", json!({}), move |_call| {
        let (started, mut released) = (started.clone(), released.clone());
        async move {
            started.send(()).await?;
            released.wait_for(|released| *released).await?;
            Ok("done")
        }
    });
    let server = builder.start().await.unwrap();
    let port = server.port();
    let file = server.registration.as_ref().unwrap().file().to_owned();
    let client = LegacyClient::open(port, "2025-11-25").await;
    let mut stream = client.listen().await;
    let in_session = client.request(7, "tools/call", json!({ "name": "wait" })).await;
    within(starts.recv()).await.unwrap();
    let alone = tokio::spawn(ask_modern(port, "tools/call", json!({ "name": "wait" })));
    within(starts.recv()).await.unwrap();

    let stop = server.stop.clone();
    let shutdown = tokio::spawn(server.shutdown());
    assert_eq!(stream.next().await, None, "the standing stream ends");
    within(stop.stopping.cancelled()).await;
    assert!(!file.exists());
    release.send_replace(true);
    assert_eq!(alone.await.unwrap()["content"][0]["text"], "done");
    let answer = answer(messages(in_session).await.pop().unwrap());
    assert_eq!(answer["content"][0]["text"], "done");
    within(shutdown).await.unwrap();
    assert!(is_closed(port).await);
}

#[tokio::test]
async fn a_call_that_hangs_is_cancelled_and_then_dropped() {
    struct Dropped(tokio::sync::mpsc::Sender<&'static str>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.try_send("dropped").unwrap();
        }
    }
    let (said, mut hears) = tokio::sync::mpsc::channel(4);
    let (builder, _data) = builder();
    let builder = builder.tool("hang", "Hangs", json!({}), move |call: ToolCall| {
        let said = said.clone();
        async move {
            let _dropped = Dropped(said.clone());
            said.send("started").await?;
            call.cancelled().cancelled().await;
            said.send("cancelled").await?;
            std::future::pending::<()>().await;
            Ok(())
        }
    });
    let limits = ServerLimits { grace: Duration::from_millis(10), ..ServerLimits::default() };
    let server = builder.limits(limits).start().await.unwrap();
    let client = LegacyClient::open(server.port(), "2025-11-25").await;
    let response = client.request(7, "tools/call", json!({ "name": "hang" })).await;
    assert_eq!(within(hears.recv()).await, Some("started"));
    let calls = server.calls.clone();
    within(server.shutdown()).await;
    assert_eq!(hears.recv().await, Some("cancelled"));
    assert_eq!(hears.recv().await, Some("dropped"));
    assert!(calls.is_empty());
    assert_eq!(Messages::of(response).all().await, Vec::<Value>::new());
}

#[tokio::test]
async fn dropping_it_ends_it_at_once() {
    let (builder, _data) = with_tools();
    let mut server = builder.start().await.unwrap();
    let port = server.port();
    let listener = std::mem::replace(&mut server.listener, tokio::spawn(async {}));
    let file = server.registration.as_ref().unwrap().file().to_owned();
    let client = LegacyClient::open(port, "2025-11-25").await;
    let mut stream = client.listen().await;
    let calls = server.calls.clone();
    drop(server);
    assert!(!file.exists());
    assert_eq!(stream.next().await, None);
    within(listener).await.unwrap();
    assert!(is_closed(port).await);
    calls.close();
    within(calls.wait()).await;
}

#[tokio::test]
async fn connections_at_rest_do_not_hold_up_the_end() {
    let (builder, _data) = with_tools();
    let server = builder.start().await.unwrap();
    let silent = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    // The server has accepted it once it answers another.
    LegacyClient::open(server.port(), "2025-11-25").await;
    within(server.shutdown()).await;
    drop(silent);
}
