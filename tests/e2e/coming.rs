//! Instances that have not answered yet: what is asked of them waits for a moment.

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{Behaviour, Call, Fake, Home, Hub, HubOptions, result};

/// An instance that answers `initialize` once the gate is open.
fn gated(gate: watch::Receiver<bool>) -> Behaviour {
    Behaviour::default().on("initialize", move |call: Call| {
        let mut gate = gate.clone();
        async move {
            gate.wait_for(|open| *open).await.expect("the test holds the gate");
            let welcome = json!({
                "protocolVersion": call.params["protocolVersion"],
                "capabilities": { "tools": { "listChanged": true } },
                "serverInfo": { "name": "late", "version": "1.0.0" },
            });
            result(&call, welcome)
        }
    })
}

/// What can be asked of it, each in another way to name it.
fn requests(id: &str) -> [(&'static str, Value); 5] {
    let call = |name: &str, arguments: Value| json!({ "name": name, "arguments": arguments });
    let echo = json!({ "message": "there" });
    [
        ("tools/call", call("late__echo", echo.clone())),
        (
            "tools/call",
            call("instances_call", json!({ "instance_id": id, "tool": "echo", "arguments": echo })),
        ),
        ("tools/call", call("instances_call", json!({ "tool": "late__echo", "arguments": echo }))),
        ("tools/call", call("instances_tools", json!({ "instance_id": "late" }))),
        ("tools/call", call("instances_connect", json!({ "instance_id": "late" }))),
    ]
}

#[tokio::test]
async fn what_is_asked_of_an_instance_that_is_coming_waits_for_it() {
    let home = Home::new();
    let (gate, opened) = watch::channel(false);
    let fake = Fake::start(gated(opened)).await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    let id = home.announce("late", fake.port);
    hub.instances_until("it is connecting", |list| list.iter().any(|it| it["state"] == "connecting")).await;
    let mark = hub.mark();
    let mut asked = Vec::new();
    for (method, params) in requests(&id) {
        asked.push(hub.ask(method, params).await);
    }
    let (method, params) = requests(&id)[0].clone();
    let given_up = hub.ask(method, params).await;
    hub.cancel(&given_up).await;
    // What was asked after them is answered, and they are not.
    hub.instances().await;
    assert!(!hub.since(mark).iter().any(|line| asked.iter().any(|id| line.answers(id))));
    gate.send_replace(true);
    for (id, (_, params)) in asked.iter().zip(requests(&id)) {
        let text = hub.answer(id).await.text();
        assert!(text == "there" || text.contains("echo"), "{params}: {text}");
    }
    assert!(!hub.since(mark).iter().any(|line| line.answers(&given_up)), "a cancelled request has no answer");
    let calls = fake.seen().iter().filter(|seen| seen.method() == "tools/call").count();
    assert_eq!(calls, 3, "what was cancelled was not sent");
}

#[tokio::test]
async fn one_that_turns_out_to_be_gone_is_said_to_be() {
    let home = Home::new();
    let (_gate, opened) = watch::channel(false);
    let fake = Fake::start(gated(opened)).await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    let id = home.announce("late", fake.port);
    hub.instances_until("it is connecting", |list| list.iter().any(|it| it["state"] == "connecting")).await;
    let (method, params) = requests(&id)[0].clone();
    let call = hub.ask(method, params).await;
    hub.instances().await;
    std::fs::remove_file(home.file(&id)).unwrap();
    let error = hub.answer(&call).await.failure();
    assert!(error.message.contains("`late` is not"), "{error:?}");
    assert_eq!((&error.data["alias"], &error.data["sent"]), (&json!("late"), &json!("no")));
}
