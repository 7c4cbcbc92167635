use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{task::PENDING, *};
use crate::{HubConfig, StatusCode, discovery::Directories, frame::Parts, session::Input};

/// A client whose session is played by the test.
struct PlayedSession {
    client: Client,
    incoming: Incoming,
    input: mpsc::Receiver<Input>,
    output: mpsc::Sender<Parts>,
    task: JoinHandle<()>,
}

impl PlayedSession {
    fn new() -> Self {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (outlet, messages) = mpsc::channel(INCOMING);
        let (to_session, input) = mpsc::channel(64);
        let (output, from_session) = mpsc::channel(64);
        let (abandoned, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let ends = Ends {
            commands: inbox,
            abandoned: Arc::clone(&abandoned),
            stop: stop.clone(),
            input: to_session,
            output: from_session,
            session: CancellationToken::new(),
            incoming: outlet,
        };
        let task = tokio::spawn(ClientTask::new(ends, Vec::new()).run());
        let client = Client { commands, abandoned, stop };
        Self { client, incoming: Incoming { messages }, input, output, task }
    }

    /// The next message to the session.
    async fn sent(&mut self) -> Value {
        match self.input.recv().await {
            Some(Input::Message(message)) => serde_json::from_slice(&message).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn say(&self, message: &Value) {
        self.output.send(Parts::whole(message.to_string())).await.unwrap();
    }

    /// Starts a request and gives its id as the session sees it.
    async fn ask(&mut self, request: Request) -> (Value, JoinHandle<Result<Answer, ClientError>>) {
        let client = self.client.clone();
        let asked = tokio::spawn(async move { client.request(request).await });
        (self.sent().await["id"].clone(), asked)
    }

    /// Waits until everything said before has been looked at.
    async fn sync(&mut self) {
        let (id, asked) = self.ask(Request::new("sync", None).unwrap()).await;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "result": {}})).await;
        asked.await.unwrap().unwrap();
    }
}

fn notification(number: usize) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/x", "params": {"n": number}})
}

#[tokio::test]
async fn answers_find_their_requests_in_any_order() {
    let mut stage = PlayedSession::new();
    let (first, one) = stage.ask(Request::new("a", Some(r#"{"n":1.0}"#)).unwrap()).await;
    let (second, two) = stage.ask(Request::new("b", None).unwrap()).await;
    assert_ne!(first, second);
    stage.say(&json!({"jsonrpc": "2.0", "id": second, "result": {"of": "b"}})).await;
    let error = json!({"code": -32000, "message": "no", "data": {"x": 1}});
    stage.say(&json!({"jsonrpc": "2.0", "id": first, "error": error})).await;
    assert_eq!(two.await.unwrap().unwrap().text(), r#"{"of":"b"}"#);
    match one.await.unwrap().unwrap_err() {
        ClientError::Rpc(error) => {
            assert_eq!((error.code, &*error.message), (-32000, "no"));
            assert_eq!(error.data.as_deref(), Some(r#"{"x":1}"#));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_cancelled() {
    let mut stage = PlayedSession::new();
    let (id, asked) = stage.ask(Request::new("a", None).unwrap().timeout(Duration::from_secs(3))).await;
    assert_eq!(asked.await.unwrap().unwrap_err().status(), StatusCode::Timeout);
    let cancelled = stage.sent().await;
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], id);

    let (id, asked) = stage.ask(Request::new("b", None).unwrap()).await;
    asked.abort();
    assert_eq!(stage.sent().await["params"]["requestId"], id);
    // An answer that comes all the same harms nobody, and is not shown.
    stage.say(&json!({"jsonrpc": "2.0", "id": id, "result": {}})).await;
    stage.say(&notification(1)).await;
    assert!(matches!(stage.incoming.recv().await, Some(Received::Message(frame)) if frame.id().is_none()));
}

#[tokio::test]
async fn progress_goes_to_the_request_that_asked() {
    let mut stage = PlayedSession::new();
    let (queue, mut progress) = mpsc::channel(4);
    let client = stage.client.clone();
    let request = Request::new("a", None).unwrap().progress(queue);
    let asked = tokio::spawn(async move { client.request(request).await });
    let sent = stage.sent().await;
    let token = &sent["params"]["_meta"]["progressToken"];
    assert_eq!(*token, sent["id"]);
    let told = |token: &Value| json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}});
    stage.say(&told(token)).await;
    stage.say(&told(&json!(5))).await;
    stage.say(&json!({"jsonrpc": "2.0", "id": sent["id"], "result": {}})).await;
    asked.await.unwrap().unwrap();
    assert_eq!(progress.recv().await.unwrap().method(), Some("notifications/progress"));
    // Somebody else's token: for the embedder.
    assert!(matches!(stage.incoming.recv().await, Some(Received::Message(_))));
}

#[tokio::test]
async fn an_embedder_that_does_not_read_loses_notifications_and_nothing_else() {
    let mut stage = PlayedSession::new();
    for number in 0..INCOMING + 7 {
        stage.say(&notification(number)).await;
    }
    // Its own requests are answered, a question is refused for it, an answer to its own message is kept.
    stage.sync().await;
    stage.say(&json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"})).await;
    assert_eq!(stage.sent().await["id"], "q");
    stage.say(&json!({"jsonrpc": "2.0", "id": 9, "result": {"kept": true}})).await;
    stage.sync().await;
    for number in 0..INCOMING {
        match stage.incoming.recv().await {
            Some(Received::Message(frame)) => {
                assert_eq!(frame.params().unwrap(), json!({ "n": number }).to_string());
            }
            other => panic!("{number}: {other:?}"),
        }
    }
    assert!(matches!(stage.incoming.recv().await, Some(Received::Missed(8))));
    match stage.incoming.recv().await {
        Some(Received::Message(frame)) => assert_eq!(frame.id(), Some("9")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn messages_are_checked_before_they_are_sent() {
    let stage = PlayedSession::new();
    for (message, status) in [
        ("nonsense", StatusCode::InvalidJson),
        ("", StatusCode::InvalidJson),
        (r#"{"id":1}"#, StatusCode::InvalidArgument),
        ("[]", StatusCode::InvalidArgument),
        (r#"{"jsonrpc":"2.0","id":"bh-1","method":"ping"}"#, StatusCode::InvalidArgument),
        (r#"{"jsonrpc":"2.0","id":"\u0062h-1","method":"ping"}"#, StatusCode::InvalidArgument),
    ] {
        assert_eq!(stage.client.send(message).await.unwrap_err().status(), status, "{message}");
    }
}

#[tokio::test]
async fn the_end_reaches_everyone_who_waits() {
    let mut stage = PlayedSession::new();
    let (_, asked) = stage.ask(Request::new("a", None).unwrap()).await;
    let closing = stage.client.clone();
    let closed = tokio::spawn(async move { closing.close().await });
    assert_eq!(asked.await.unwrap().unwrap_err().status(), StatusCode::Closed);
    // It waits for its session to be done.
    drop(stage.output);
    closed.await.unwrap();
    assert_eq!(
        stage.client.send(r#"{"jsonrpc":"2.0","method":"x"}"#).await.unwrap_err().status(),
        StatusCode::Closed
    );
    assert!(stage.incoming.recv().await.is_none());
    stage.task.await.unwrap();
}

#[tokio::test]
async fn requests_beyond_the_bound_are_refused() {
    let mut stage = PlayedSession::new();
    let mut asked = Vec::new();
    for _ in 0..PENDING {
        asked.push(stage.ask(Request::new("a", None).unwrap()).await);
    }
    let refused = stage.client.request(Request::new("b", None).unwrap()).await;
    assert_eq!(refused.unwrap_err().status(), StatusCode::TooMany);
}

#[tokio::test]
async fn it_speaks_to_a_real_hub() {
    let home = tempfile::tempdir().unwrap();
    let hub = Hub::start(HubConfig { directories: Directories::only(home.path()), ..HubConfig::default() });
    let (client, mut incoming) = hub.client(ClientConfig::default()).unwrap();
    let error = client.connect("nobody", None).await.unwrap_err();
    assert_eq!(error.status(), StatusCode::Tool);
    assert!(error.to_string().contains("no instance is called `nobody`"), "{error}");
    assert!(client.disconnect(None).await.unwrap().text().contains(r#""disconnected":null"#));
    client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.unwrap();
    assert!(matches!(incoming.recv().await, Some(Received::Message(frame)) if frame.id() == Some("1")));

    let opening = Opening::Initialize { name: "x".into(), version: "1".into(), capabilities: "[]".into() };
    let bad = ClientConfig { opening, ..ClientConfig::default() };
    assert_eq!(hub.client(bad).unwrap_err().status(), StatusCode::InvalidJson);

    hub.stop().await;
    assert_eq!(client.disconnect(None).await.unwrap_err().status(), StatusCode::Closed);
    assert!(client.is_closed());
    // A session that is opened after the end has ended.
    let (late, _incoming) = hub.client(ClientConfig::default()).unwrap();
    assert_eq!(late.disconnect(None).await.unwrap_err().status(), StatusCode::Closed);
}
