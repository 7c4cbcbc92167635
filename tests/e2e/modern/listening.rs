//! `subscriptions/listen`: of clients without a handshake to the hub, and of the hub to instances without one.

use serde_json::{Value, json};

use super::{connected, silent};
use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, SUBSCRIPTION_ID, Seen, with_meta};

const UPDATED: &str = "notifications/resources/updated";
const TOOLS: &str = "notifications/tools/list_changed";
const PROMPTS: &str = "notifications/prompts/list_changed";

fn notification(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
}

fn is_subscribe(uri: &str) -> impl Fn(&Seen) -> bool {
    move |seen| seen.method() == "resources/subscribe" && seen.message["params"]["uri"] == uri
}

/// Both URIs belong to the instance.
fn with_resources() -> Behaviour {
    Behaviour::default().always(
        "resources/list",
        json!({ "resources": [{ "uri": "x://a", "name": "a" }, { "uri": "x://b", "name": "b" }] }),
    )
}

/// And has one more tool each time it is asked for them.
fn with_growing_tools() -> Behaviour {
    let tool = json!({ "inputSchema": { "type": "object" } });
    with_resources().growing("tools/list", "tools", "name", &tool)
}

#[tokio::test]
async fn the_acknowledgement_comes_first_and_says_what_is_honoured() {
    let home = Home::new();
    let hub = Hub::spawn(&home, &HubOptions::default());
    let filter = json!({
        "toolsListChanged": true, "promptsListChanged": false, "resourcesListChanged": true,
        "resourceSubscriptions": ["brummer://instances"], "vendor": true,
    });
    let mark = hub.mark();
    let (id, honoured) = hub.modern_listen(filter).await;
    assert_eq!(
        honoured,
        json!({
            "toolsListChanged": true, "resourcesListChanged": true,
            "resourceSubscriptions": ["brummer://instances"],
        })
    );
    let first = hub.since(mark).into_iter().find(|line| line.method.is_some()).unwrap();
    assert!(first.listens(&id), "{}", first.raw);
    assert!(!hub.since(mark).iter().any(|line| line.answers(&id)), "it has no result while it is open");
}

#[tokio::test]
async fn ids_keep_their_json_type_and_several_listens_each_get_a_message_of_their_own() {
    let home = Home::new();
    let (hub, fake) = silent(&home, with_resources()).await;
    hub.modern("resources/list", Value::Null).await.ok();
    let filter = json!({ "notifications": { "resourceSubscriptions": ["x://a"] } });
    let ids = ["701", "\"701\"", "\"listen:0\""];
    let mark = hub.mark();
    for id in ids {
        let params = with_meta(filter.clone());
        let method = "subscriptions/listen";
        hub.write(format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n"
        ))
        .await;
        hub.heard(mark, id, "notifications/subscriptions/acknowledged").await;
    }
    let session = fake.saw("the subscription", is_subscribe("x://a")).await.session.unwrap();
    fake.listening(&session).await;
    let mark = hub.mark();
    fake.push(&session, notification(UPDATED, &json!({ "uri": "x://a", "vendor": 1 })));
    for id in ids {
        let line = hub.heard(mark, id, UPDATED).await;
        assert_json!(line.params(), "/uri", "x://a");
        assert_json!(line.params(), "/vendor", 1);
    }
    hub.modern("tools/list", Value::Null).await.ok();
    let updates = hub.since(mark).iter().filter(|line| line.notifies(UPDATED)).count();
    assert_eq!(updates, ids.len());
}

#[tokio::test]
async fn nothing_comes_that_was_not_asked_for() {
    let home = Home::new();
    let behaviour = with_resources().growing("prompts/list", "prompts", "name", &json!({}));
    let (hub, fake) = silent(&home, behaviour).await;
    let all = [UPDATED, TOOLS, PROMPTS, "notifications/resources/list_changed", "notifications/message"];
    hub.modern("resources/list", Value::Null).await.ok();
    let mark = hub.mark();
    let (prompts, _) = hub.modern_listen(json!({ "promptsListChanged": true })).await;
    fake.saw("the list that is listened for", |seen| seen.method() == "prompts/list").await;
    let (uri, honoured) = hub.modern_listen(json!({ "resourceSubscriptions": ["x://a"] })).await;
    assert_eq!(honoured, json!({ "resourceSubscriptions": ["x://a"] }));
    let session = fake.saw("the subscription", is_subscribe("x://a")).await.session.unwrap();
    fake.listening(&session).await;
    fake.push(
        &session,
        notification("notifications/message", &json!({ "level": "error", "data": "unasked" })),
    );
    fake.push(&session, notification("notifications/vendor", &json!({})));
    fake.push(
        &session,
        notification("notifications/progress", &json!({ "progressToken": 1, "progress": 1 })),
    );
    fake.push(&session, notification(TOOLS, &json!({})));
    fake.push(&session, notification(UPDATED, &json!({ "uri": "x://b" })));
    fake.push(&session, notification(PROMPTS, &json!({})));
    fake.push(&session, notification(UPDATED, &json!({ "uri": "x://a" })));
    hub.heard(mark, &uri, UPDATED).await;
    hub.heard(mark, &prompts, PROMPTS).await;
    let heard = hub.since(mark);
    let told = heard.iter().filter(|line| line.method.as_deref().is_some_and(|method| all.contains(&method)));
    let told: Vec<_> = told.map(|line| line.method.clone().unwrap()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        !heard
            .iter()
            .any(|line| line.notifies("notifications/vendor") || line.notifies("notifications/progress"))
    );
}

#[tokio::test]
async fn a_cancelled_listen_is_silent_and_ends_the_subscription_upstream() {
    let home = Home::new();
    let (hub, fake) = silent(&home, with_resources()).await;
    hub.modern("resources/list", Value::Null).await.ok();
    let (first, _) = hub.modern_listen(json!({ "resourceSubscriptions": ["x://a"] })).await;
    let (second, _) = hub.modern_listen(json!({ "resourceSubscriptions": ["x://a", "x://b"] })).await;
    let session = fake.saw("the subscription", is_subscribe("x://b")).await.session.unwrap();
    fake.listening(&session).await;
    hub.cancel(&second).await;
    fake.saw("the end of b", |seen| {
        seen.method() == "resources/unsubscribe" && seen.message["params"]["uri"] == "x://b"
    })
    .await;
    let mark = hub.mark();
    fake.push(&session, notification(UPDATED, &json!({ "uri": "x://b" })));
    fake.push(&session, notification(UPDATED, &json!({ "uri": "x://a" })));
    hub.heard(mark, &first, UPDATED).await;
    hub.modern("tools/list", Value::Null).await.ok();
    assert!(!hub.since(mark).iter().any(|line| line.listens(&second)));
    assert!(!hub.since(0).iter().any(|line| line.answers(&second)), "a cancelled request has no answer");
    let a_ended =
        |seen: &Seen| seen.method() == "resources/unsubscribe" && seen.message["params"]["uri"] == "x://a";
    assert!(!fake.seen().iter().any(a_ended), "another listen still wants it");
}

#[tokio::test]
async fn at_the_end_each_listen_gets_its_result_and_its_cancellation() {
    let home = Home::new();
    let hub = Hub::spawn(&home, &HubOptions::default());
    let (first, _) = hub.modern_listen(json!({ "toolsListChanged": true })).await;
    let (second, _) = hub.modern_listen(json!({ "promptsListChanged": true })).await;
    let exit = hub.end().await;
    for id in [first, second] {
        let id_json: Value = serde_json::from_str(&id).unwrap();
        let at = |wanted: &dyn Fn(&crate::support::Line) -> bool| exit.lines.iter().position(wanted);
        let result = at(&|line| line.answers(&id)).expect("the result of the listen");
        let answer = exit.lines[result].ok();
        assert_eq!(answer["resultType"], "complete", "{answer:#}");
        assert_eq!(answer["_meta"][SUBSCRIPTION_ID], id_json, "{answer:#}");
        let cancelled =
            at(&|line| line.notifies("notifications/cancelled") && line.params()["requestId"] == id_json);
        assert!(cancelled.expect("the cancellation of the listen") > result);
    }
    assert!(exit.status.success());
}

#[tokio::test]
async fn a_resource_nobody_has_is_not_honoured() {
    let home = Home::new();
    let hub = Hub::spawn(&home, &HubOptions::default());
    let uris = json!(["brummer://instances", "nobody://has"]);
    let (_, honoured) = hub.modern_listen(json!({ "resourceSubscriptions": uris })).await;
    assert_eq!(honoured["resourceSubscriptions"], json!(["brummer://instances"]));
}

#[tokio::test]
async fn a_subscription_that_a_legacy_instance_refuses_is_not_honoured() {
    let home = Home::new();
    let behaviour = with_resources().on("resources/subscribe", |call| async move {
        match call.params["uri"].as_str() {
            Some("x://a") => crate::support::result(&call, "{}"),
            _ => crate::support::rpc_error(&call, -32602, "not that one"),
        }
    });
    let (hub, _fake) = silent(&home, behaviour).await;
    hub.modern("resources/list", Value::Null).await.ok();
    let (_, honoured) = hub.modern_listen(json!({ "resourceSubscriptions": ["x://a", "x://b"] })).await;
    assert_eq!(honoured["resourceSubscriptions"], json!(["x://a"]));
}

#[tokio::test]
async fn instances_that_come_and_go_are_a_change_of_the_list_and_end_no_listen() {
    let home = Home::new();
    let first = Fake::start(Behaviour::default()).await;
    let id = home.announce("first", first.port);
    let hub = Hub::spawn(&home, &HubOptions::default());
    hub.modern_active(&id).await;
    let (listen, _) = hub.modern_listen(json!({ "toolsListChanged": true })).await;
    let mark = hub.mark();
    let mut second = crate::support::Instance::fake(&home, "second").await;
    hub.heard(mark, &listen, TOOLS).await;
    hub.modern_active(&second.id).await;
    let mark = hub.mark();
    second.kill().await;
    hub.heard(mark, &listen, TOOLS).await;
    assert!(!hub.since(0).iter().any(|line| line.answers(&listen)));
}

#[tokio::test]
async fn changes_of_a_modern_instance_reach_those_who_asked_under_their_own_id() {
    let home = Home::new();
    let (hub, fake) = silent(&home, with_growing_tools().modern()).await;
    hub.modern("resources/list", Value::Null).await.ok();
    let (listen, honoured) =
        hub.modern_listen(json!({ "resourceSubscriptions": ["x://a"], "toolsListChanged": true })).await;
    assert_eq!(honoured, json!({ "resourceSubscriptions": ["x://a"], "toolsListChanged": true }));
    let upstream = fake.listen_to("x://a").await;
    hub.modern("tools/list", Value::Null).await.ok();
    let mark = hub.mark();
    upstream.tell(UPDATED, json!({ "uri": "x://a", "more": { "1.0": 1.0 } })).await;
    let line = hub.heard(mark, &listen, UPDATED).await;
    assert_json!(line.params(), "/more", { "1.0": 1.0 });
    upstream.tell(TOOLS, json!({})).await;
    hub.heard(mark, &listen, TOOLS).await;
}

#[tokio::test]
async fn when_the_set_of_resources_changes_the_new_listen_is_open_before_the_old_one_is_closed() {
    let home = Home::new();
    let (hub, fake) = silent(&home, with_resources().modern()).await;
    hub.modern("resources/list", Value::Null).await.ok();
    hub.modern_listen(json!({ "resourceSubscriptions": ["x://a"] })).await;
    let old = fake.listen_to("x://a").await;
    let (second, _) = hub.modern_listen(json!({ "resourceSubscriptions": ["x://b"] })).await;
    let new = fake.listen_to("x://b").await;
    old.closed().await;
    assert_eq!(new.filter["resourceSubscriptions"].as_array().unwrap().len(), 2, "{}", new.filter);
    let mark = hub.mark();
    new.tell(UPDATED, json!({ "uri": "x://b" })).await;
    hub.heard(mark, &second, UPDATED).await;
}

#[tokio::test]
async fn a_listen_stream_that_ends_or_breaks_is_opened_again() {
    let home = Home::new();
    let (hub, fake) = silent(&home, with_resources().modern()).await;
    hub.modern("resources/list", Value::Null).await.ok();
    let (listen, _) = hub.modern_listen(json!({ "resourceSubscriptions": ["x://a"] })).await;
    for graceful in [true, false] {
        let stream = fake.listen_to("x://a").await;
        if graceful {
            stream.end().await;
        } else {
            stream.cut().await;
        }
        stream.closed().await;
        let again = fake.listen_to("x://a").await;
        let mark = hub.mark();
        again.tell(UPDATED, json!({ "uri": "x://a" })).await;
        hub.heard(mark, &listen, UPDATED).await;
    }
    assert!(!hub.since(0).iter().any(|line| line.answers(&listen)), "the client's listen goes on");
}

#[tokio::test]
async fn a_legacy_client_subscribes_through_the_listen_of_a_modern_instance() {
    let home = Home::new();
    let (hub, fake) = connected(&home, with_growing_tools().modern()).await;
    assert_eq!(hub.request("resources/subscribe", json!({ "uri": "x://a" })).await.ok(), json!({}));
    let stream = fake.listen_to("x://a").await;
    let mark = hub.mark();
    stream.tell(UPDATED, json!({ "uri": "x://a", "more": 1 })).await;
    let line = hub.notification(mark, UPDATED).await;
    assert_json!(line.params(), "/more", 1);
    assert!(line.params()["_meta"].get(SUBSCRIPTION_ID).is_none(), "{}", line.raw);
    stream.tell(TOOLS, json!({})).await;
    hub.notification(mark, TOOLS).await;
    assert_eq!(hub.request("resources/unsubscribe", json!({ "uri": "x://a" })).await.ok(), json!({}));
    stream.closed().await;
    let gone = ["resources/subscribe", "resources/unsubscribe"];
    assert!(!fake.seen().iter().any(|seen| gone.contains(&seen.method())));
}

#[tokio::test]
async fn a_legacy_client_cannot_listen() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let code = hub.request("subscriptions/listen", params).await.err().code;
    // Without the claim of a revision it is not one's request, and with a handshake there is no such method.
    assert!([-32601, -32602].contains(&code), "{code}");
}
