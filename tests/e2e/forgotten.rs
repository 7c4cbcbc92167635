//! Servers that forget the session, as a dev server does that restarts itself behind the same port.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;

use crate::support::{Answer, Behaviour, Fake, Home, Hub, HubOptions, Seen, result, rpc_error};

async fn connected(home: &Home, behaviour: Behaviour) -> (Hub, Fake) {
    let fake = Fake::start(behaviour).await;
    let id = home.announce("forgetful", fake.port);
    let hub = Hub::start(home, HubOptions::default()).await;
    hub.connect(&id).await;
    (hub, fake)
}

fn own(seen: &Seen) -> bool {
    seen.method() == "initialize" && seen.message["params"]["clientInfo"]["name"] != "brummer-hub"
}

#[tokio::test]
async fn a_forgotten_session_is_opened_anew_and_the_request_is_sent_again_once() {
    let home = Home::new();
    let (hub, fake) = connected(&home, Behaviour::default()).await;
    hub.request("logging/setLevel", json!({ "level": "error" })).await.ok();
    hub.request("resources/subscribe", json!({ "uri": "x://kept" })).await.ok();
    let mark = fake.seen().len();
    fake.forget_sessions();
    assert_eq!(hub.call("echo", json!({ "message": "again" })).await.text(), "again");
    let seen = fake.seen();
    let after = &seen[mark..];
    assert!(after.iter().any(own), "a new session is opened");
    let opened = after.iter().find(|seen| own(seen)).unwrap();
    assert_eq!(opened.header("mcp-session-id"), None, "without the old session's id");
    let calls: Vec<_> = after.iter().filter(|seen| seen.method() == "tools/call").collect();
    assert_eq!(calls.len(), 2, "once into the void, once again");
    assert_eq!(calls[1].session, opened.session);
    // What the client had set up is set up again.
    for (method, key, value) in
        [("logging/setLevel", "level", "error"), ("resources/subscribe", "uri", "x://kept")]
    {
        let again = |seen: &Seen| {
            seen.method() == method && seen.session == opened.session && seen.message["params"][key] == value
        };
        fake.saw(&format!("{method} in the new session"), again).await;
    }
    hub.end_quietly().await;
}

#[tokio::test]
async fn a_server_that_forgets_every_time_gets_an_error_not_a_loop() {
    let home = Home::new();
    let behaviour =
        Behaviour::default().on("tools/call", async |_| Answer::http(404, "text/plain", "no such session"));
    let (hub, fake) = connected(&home, behaviour).await;
    let error = hub.call("echo", json!({})).await.failure();
    assert!(error.message.contains("forgetful"), "{error:?}");
    let calls = fake.seen().iter().filter(|seen| seen.method() == "tools/call").count();
    assert_eq!(calls, 2, "sent again once, not more");
}

#[tokio::test]
async fn the_hubs_own_health_session_heals_as_well() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("healing", fake.port);
    let hub = Hub::start(&home, HubOptions::args(&["--ping-interval", "200ms"])).await;
    hub.active(&id).await;
    let pinged = fake.saw("a ping", |seen| seen.method() == "ping").await;
    fake.forget_sessions();
    fake.saw("a ping in a new session", |seen| seen.method() == "ping" && seen.session != pinged.session)
        .await;
    hub.active(&id).await;
    hub.end_quietly().await;
}

/// A dev server that still compiles has its resources only later.
#[tokio::test]
async fn a_subscription_that_cannot_be_restored_at_once_is_asked_for_again() {
    let home = Home::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let behaviour = Behaviour::default().on("resources/subscribe", move |call| {
        let times = count.fetch_add(1, Ordering::SeqCst) + 1;
        std::future::ready(match times {
            2 => rpc_error(&call, -32002, "no such resource yet"),
            _ => result(&call, "{}"),
        })
    });
    let (hub, fake) = connected(&home, behaviour).await;
    hub.request("resources/subscribe", json!({ "uri": "x://kept" })).await.ok();
    fake.forget_sessions();
    assert_eq!(hub.call("echo", json!({ "message": "again" })).await.text(), "again");
    fake.saw_more("the subscription once more", |_| asked.load(Ordering::SeqCst) == 3).await;
    let session = fake.seen().iter().rev().find(|seen| own(seen)).unwrap().session.clone().unwrap();
    fake.listening(&session).await;
    let mark = hub.mark();
    fake.push(
        &session,
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x://kept"}}"#,
    );
    hub.line(mark, "the update", |line| line.notifies("notifications/resources/updated")).await;
    hub.end_quietly().await;
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}
