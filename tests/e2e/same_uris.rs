//! Instances of one program, whose resources, templates, prompts and views are called alike: each place that names one leads
//! back to the instance that said it, in both directions, and all places agree in one spelling.

use serde_json::{Value, json};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, result};

const VIEW: &str = "ui://widget";
const TEMPLATE: &str = "log://item/{id}";
const ITEM: &str = "log://item/7";
const UNLISTED: &str = "file:///report.html";
const PROMPT: &str = "explain";

/// One that names the same as any other one of its kind, and says in each text who it is.
fn program(tag: &'static str, listed: &Value) -> Behaviour {
    let links = json!([
        { "type": "text", "text": tag },
        { "type": "resource_link", "uri": ITEM, "name": "item" },
        { "type": "resource_link", "uri": UNLISTED, "name": "report" },
        { "type": "resource", "resource": { "uri": VIEW, "text": "" } },
    ]);
    let meta = json!({
        "ui": { "resourceUri": VIEW }, "ui/resourceUri": VIEW, "openai/outputTemplate": VIEW, "other": { "uri": VIEW },
    });
    let tool = json!({ "name": "show", "inputSchema": { "type": "object" }, "_meta": meta });
    let message =
        json!({ "role": "user", "content": { "type": "resource", "resource": { "uri": ITEM, "text": "" } } });
    let template = json!({ "uriTemplate": TEMPLATE, "name": "items" });
    Behaviour::bare()
        .always("tools/list", json!({ "tools": [tool] }))
        .always("tools/call", json!({ "content": links }))
        .always("resources/list", json!({ "resources": listed }))
        .always("resources/templates/list", json!({ "resourceTemplates": [template] }))
        .always("prompts/list", json!({ "prompts": [{ "name": PROMPT }] }))
        .always("prompts/get", json!({ "description": tag, "messages": [message] }))
        .on("resources/read", move |call| {
            let contents = json!({ "contents": [{ "uri": call.params["uri"], "text": tag }] });
            std::future::ready(result(&call, contents))
        })
        .on("completion/complete", move |call| {
            let reference = &call.params["ref"];
            let name = reference.get("uri").or(reference.get("name")).unwrap().clone();
            std::future::ready(result(&call, json!({ "completion": { "values": [tag, name] } })))
        })
}

fn view() -> Value {
    json!([{ "uri": VIEW, "name": "widget" }])
}

async fn two(home: &Home, options: &[&str], listed: &Value) -> (Hub, [Fake; 2]) {
    let fakes = [Fake::start(program("aa", listed)).await, Fake::start(program("bb", listed)).await];
    for (fake, name) in fakes.iter().zip(["aa", "bb"]) {
        home.announce(name, fake.port);
    }
    let hub = Hub::start(home, HubOptions::args(options)).await;
    hub.instances_until("both are there", |list| {
        list.len() == 2 && list.iter().all(|it| it["state"] == "active")
    })
    .await;
    (hub, fakes)
}

/// Reads a resource: who has it. It is told under the URI that was asked for.
async fn owner(hub: &Hub, uri: &Value) -> String {
    let read = hub.request("resources/read", json!({ "uri": uri })).await.ok();
    assert_eq!(read["contents"][0]["uri"], *uri, "one spelling: {read}");
    read["contents"][0]["text"].as_str().unwrap().to_owned()
}

async fn list(hub: &Hub, method: &str, member: &str) -> Vec<Value> {
    hub.request(method, json!({})).await.ok()[member].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_an_instance_names_leads_back_to_it_and_to_no_other() {
    let home = Home::new();
    let (hub, fakes) = two(&home, &["--tools", "all"], &view()).await;
    let tools = list(&hub, "tools/list", "tools").await;
    let mut views = Vec::new();
    for tag in ["aa", "bb", "aa"] {
        let name = format!("{tag}__show");
        let tool = tools.iter().find(|tool| tool["name"] == *name).unwrap();
        let meta = &tool["_meta"];
        assert_eq!(owner(&hub, &meta["ui"]["resourceUri"]).await, tag);
        assert_eq!(meta["ui/resourceUri"], meta["ui"]["resourceUri"]);
        assert_eq!(meta["openai/outputTemplate"], meta["ui"]["resourceUri"]);
        assert_eq!(meta["other"]["uri"], VIEW, "what the hub does not know stays");
        views.push(meta["ui"]["resourceUri"].clone());
        let said = hub.call(&name, json!({})).await.ok();
        let content = said["content"].as_array().unwrap();
        for uri in [&content[1]["uri"], &content[2]["uri"], &content[3]["resource"]["uri"]] {
            assert_eq!(owner(&hub, uri).await, tag, "{uri}");
        }
        assert_eq!(content[3]["resource"]["uri"], meta["ui"]["resourceUri"]);
        let prompt = hub.request("prompts/get", json!({ "name": format!("{tag}__{PROMPT}") })).await.ok();
        assert_eq!(prompt["description"], tag);
        let uri = &prompt["messages"][0]["content"]["resource"]["uri"];
        assert_eq!(*uri, content[1]["uri"]);
        let completed = async |reference: Value| {
            let params = json!({ "ref": reference, "argument": { "name": "id", "value": "" } });
            hub.request("completion/complete", params).await.ok()["completion"]["values"].clone()
        };
        let reference = json!({ "type": "ref/prompt", "name": format!("{tag}__{PROMPT}") });
        assert_eq!(completed(reference).await, json!([tag, PROMPT]));
        let template = uri.as_str().unwrap().replace("item/7", "item/{id}");
        assert_eq!(
            completed(json!({ "type": "ref/resource", "uri": template })).await,
            json!([tag, TEMPLATE])
        );
    }
    // The lists say the same.
    let listed: Vec<_> = list(&hub, "resources/list", "resources").await;
    let listed: Vec<_> =
        listed.iter().map(|it| &it["uri"]).filter(|uri| **uri != "brummer://instances").collect();
    assert_eq!(listed, views[..2].iter().collect::<Vec<_>>());
    // And so does what comes unasked.
    for (tag, fake) in ["aa", "bb"].iter().zip(&fakes) {
        let said = hub.call(&format!("{tag}__show"), json!({})).await.ok();
        let uri = &said["content"][1]["uri"];
        hub.request("resources/subscribe", json!({ "uri": uri })).await.ok();
        let session = fake.client_session().await;
        fake.listening(&session).await;
        let mark = hub.mark();
        fake.push(
            &session,
            json!({
                "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": ITEM },
            })
            .to_string(),
        );
        let told = hub.notification(mark, "notifications/resources/updated").await;
        assert_eq!(told.params()["uri"], *uri);
    }
    hub.end_quietly().await;
}

#[tokio::test]
async fn a_view_that_nobody_lists_is_read_from_the_instance_whose_tool_names_it() {
    let home = Home::new();
    let (hub, _fakes) = two(&home, &["--tools", "all"], &json!([])).await;
    let tools = list(&hub, "tools/list", "tools").await;
    for tag in ["aa", "bb"] {
        let tool = tools.iter().find(|tool| tool["name"] == *format!("{tag}__show")).unwrap();
        let view = &tool["_meta"]["ui"]["resourceUri"];
        assert_eq!(owner(&hub, view).await, tag);
        let said = hub.call(&format!("{tag}__show"), json!({})).await.ok();
        assert_eq!(said["content"][3]["resource"]["uri"], *view, "one spelling");
        // What nobody lists is read from whoever mentioned it last.
        assert_eq!(owner(&hub, &json!(UNLISTED)).await, tag);
    }
}

#[tokio::test]
async fn what_one_names_that_is_not_connected_leads_back_to_it() {
    let home = Home::new();
    let (hub, _fakes) = two(&home, &[], &view()).await;
    let aa = hub.instances().await.iter().find(|it| it["alias"] == "aa").unwrap()["id"].clone();
    hub.connect(aa.as_str().unwrap()).await;
    let tool =
        list(&hub, "tools/list", "tools").await.into_iter().find(|tool| tool["name"] == "show").unwrap();
    assert_eq!(tool["_meta"]["ui"]["resourceUri"], VIEW, "what is connected alone is left alone");
    for (method, member) in
        [("resources/list", "resources"), ("resources/templates/list", "resourceTemplates")]
    {
        assert!(!list(&hub, method, member).await.is_empty());
    }
    let links = [ITEM, UNLISTED, VIEW];
    let said = hub.call("show", json!({})).await.ok();
    assert_eq!((&said["content"][1]["uri"], &said["content"][2]["uri"]), (&json!(ITEM), &json!(UNLISTED)));
    for uri in links {
        assert_eq!(owner(&hub, &json!(uri)).await, "aa", "{uri}");
    }
    let said = hub.call("instances_call", json!({ "instance_id": "bb", "tool": "show" })).await.ok();
    for uri in
        [&said["content"][1]["uri"], &said["content"][2]["uri"], &said["content"][3]["resource"]["uri"]]
    {
        assert_eq!(owner(&hub, uri).await, "bb", "{uri}");
    }
    // What the connected one lists is asked of it under its own name, and the rest of who mentioned it last.
    for (uri, tag) in links.iter().zip(["aa", "bb", "aa"]) {
        assert_eq!(owner(&hub, &json!(uri)).await, tag, "{uri}");
    }
    hub.call("show", json!({})).await.ok();
    assert_eq!(owner(&hub, &json!(UNLISTED)).await, "aa");
    let params = json!({
        "ref": { "type": "ref/prompt", "name": format!("bb__{PROMPT}") }, "argument": { "name": "id", "value": "" },
    });
    let completed = hub.request("completion/complete", params).await.ok();
    assert_eq!(completed["completion"]["values"], json!(["bb", PROMPT]));
}

#[tokio::test]
async fn a_subscription_ends_where_it_began() {
    const NOBODYS: &str = "file:///listed/by/nobody";
    let home = Home::new();
    let first = Fake::start(program("aa", &view())).await;
    home.announce("aa", first.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    let project = home.project("aa");
    hub.instances_until("the first is there", |list| list.iter().any(|it| it["state"] == "active")).await;
    hub.hub_tool("instances_connect", json!({ "instance": project })).await;
    hub.request("resources/subscribe", json!({ "uri": NOBODYS })).await.ok();
    first.saw("the subscription", |it| it.method() == "resources/subscribe").await;
    // Another one of the same project could have it as well now.
    let second = Fake::start(program("bb", &view())).await;
    let doorbell = home.doorbell("bb", second.port).with("path", project.to_str().unwrap());
    doorbell.write(&home.data());
    hub.instances_until("both are connected", |list| {
        list.len() == 2 && list.iter().all(|it| it["connected"] == true)
    })
    .await;
    assert_eq!(hub.request("resources/unsubscribe", json!({ "uri": NOBODYS })).await.ok(), json!({}));
    let ended = first.saw("its end", |it| it.method() == "resources/unsubscribe").await;
    assert_eq!(ended.message["params"]["uri"], NOBODYS);
}
