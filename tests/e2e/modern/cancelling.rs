//! A call to a modern instance is cancelled by closing its stream, whoever the client is.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{connected, silent};
use crate::support::{Answer, Behaviour, Call, Home, Seen, event};

#[tokio::test]
async fn a_cancelled_call_closes_its_stream_and_is_not_answered() {
    let home = Home::new();
    let (closed, mut noticed) = mpsc::channel(4);
    let behaviour = Behaviour::default()
        .tool("stream", move |call: Call| {
            let closed = closed.clone();
            async move {
                let (events, stream) = mpsc::channel(4);
                let token = &call.params["_meta"]["progressToken"];
                let params = json!({ "progressToken": token, "progress": 1 });
                let step = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
                events.send(Ok(event(&step.to_string()))).await.unwrap();
                tokio::spawn(async move {
                    events.closed().await;
                    closed.send(()).await.unwrap();
                });
                Answer::Stream(stream)
            }
        })
        .modern();
    // Of a client of either era.
    for modern in [true, false] {
        let (hub, fake, name) = if modern {
            let (hub, fake) = silent(&home, behaviour.clone()).await;
            hub.modern("tools/list", Value::Null).await.ok();
            (hub, fake, "it__stream")
        } else {
            let (hub, fake) = connected(&home, behaviour.clone()).await;
            (hub, fake, "stream")
        };
        let mark = hub.mark();
        let params = json!({ "name": name, "arguments": {}, "_meta": { "progressToken": 1 } });
        let call = if modern {
            hub.modern_ask("tools/call", params).await
        } else {
            hub.ask("tools/call", params).await
        };
        hub.notification(mark, "notifications/progress").await;
        hub.cancel(&call).await;
        crate::support::expect("the stream is closed", noticed.recv()).await.unwrap();
        if modern {
            hub.modern_call("it__echo", json!({})).await.text();
        } else {
            hub.call("echo", json!({})).await.text();
        }
        assert!(!hub.since(mark).iter().any(|line| line.answers(&call)));
        let cancelled = |seen: &Seen| seen.method() == "notifications/cancelled";
        assert!(!fake.seen().iter().any(cancelled), "closing is the cancellation");
        hub.end_quietly().await;
    }
}

#[tokio::test]
async fn a_call_that_has_no_answer_yet_is_cancelled_by_closing_its_connection() {
    struct Noted(mpsc::Sender<()>);
    impl Drop for Noted {
        fn drop(&mut self) {
            let _ = self.0.try_send(());
        }
    }
    let home = Home::new();
    let (closed, mut noticed) = mpsc::channel(1);
    let behaviour = Behaviour::default()
        .tool("mute", move |_| {
            let noted = Noted(closed.clone());
            async move {
                let _noted = noted;
                std::future::pending().await
            }
        })
        .modern();
    let (hub, fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let call = hub.modern_ask("tools/call", json!({ "name": "it__mute", "arguments": {} })).await;
    fake.saw("the call", |seen| seen.method() == "tools/call").await;
    hub.cancel(&call).await;
    crate::support::expect("the request is dropped", noticed.recv()).await.unwrap();
}
