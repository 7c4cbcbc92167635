//! What `tools/list` shows in the three modes, and under which names.

use serde_json::{Value, json};

use crate::support::{Answer, Behaviour, Call, Fake, Home, Hub, HubOptions, result, rpc_error};

/// Answers with the name under which the instance was called.
async fn own_name(call: Call) -> Answer {
    let name = call.params["name"].clone();
    result(&call, json!({ "content": [{ "type": "text", "text": name }] }))
}

fn with_tools(names: &[&str]) -> Behaviour {
    names.iter().fold(Behaviour::bare(), |behaviour, name| behaviour.tool(name, own_name))
}

#[tokio::test]
async fn connected_mode_lists_the_instances_tools_under_their_own_names_however_odd() {
    let home = Home::new();
    let names = ["plain", "with.dot", "with/slash", "a__b", "UPPER", "ümlaut"];
    let fake = Fake::start(with_tools(&names)).await;
    let id = home.announce("odd", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    assert_eq!(hub.tool_names().await[6..], names);
    for name in names {
        assert_eq!(hub.call(name, json!({})).await.text(), name);
    }
}

#[tokio::test]
async fn a_name_that_a_hub_tool_has_is_prefixed_with_the_alias() {
    let home = Home::new();
    let fake = Fake::start(with_tools(&["instances_list", "other"])).await;
    let id = home.announce("clash", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    assert_eq!(hub.tool_names().await[6..], ["clash__instances_list", "other"]);
    assert_eq!(hub.call("clash__instances_list", json!({})).await.text(), "instances_list");
    assert_eq!(hub.instances().await.len(), 1, "the hub's own tool keeps its name");
}

#[tokio::test]
async fn connecting_to_another_instance_replaces_the_tools() {
    let home = Home::new();
    let (first, second) = (Fake::start(with_tools(&["one"])).await, Fake::start(with_tools(&["two"])).await);
    let ids = [home.announce("first", first.port), home.announce("second", second.port)];
    let hub = Hub::start(&home, HubOptions::default()).await;
    for (id, own, other) in [(&ids[0], "one", "two"), (&ids[1], "two", "one"), (&ids[0], "one", "two")] {
        hub.connect(id).await;
        assert_eq!(hub.tool_names().await[6..], [own]);
        assert_eq!(hub.call(own, json!({})).await.text(), own);
        // What only one instance has needs no connection.
        assert_eq!(hub.call(other, json!({})).await.text(), other);
        assert_eq!(hub.call("nobody_has_this", json!({})).await.err().code, -32602);
    }
}

#[tokio::test]
async fn hub_mode_lists_nothing_but_the_hubs_tools() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("hidden", fake.port);
    let hub = Hub::start(&home, HubOptions::args(&["--tools", "hub"])).await;
    hub.connect(&id).await;
    assert_eq!(hub.tool_names().await.len(), 6);
    let arguments = json!({ "instance_id": "hidden", "tool": "echo", "arguments": { "message": "hi" } });
    assert_eq!(hub.call("instances_call", arguments).await.text(), "hi");
}

#[tokio::test]
async fn all_mode_lists_every_active_instance_with_its_alias_in_a_stable_order() {
    let home = Home::new();
    let mut ids = Vec::new();
    for (name, tools) in [("zebra", &["b", "a"][..]), ("apple", &["x__y", "x.y"])] {
        let fake = Fake::start(with_tools(tools)).await;
        ids.push(home.announce(name, fake.port));
    }
    let hub = Hub::start(&home, HubOptions::args(&["--tools", "all"])).await;
    for id in &ids {
        hub.active(id).await;
    }
    let names = hub.tool_names().await;
    // A name that had to be changed says so by a hash, so that it stays the same whatever else is listed.
    let changed = names[7].clone();
    assert!(changed.starts_with("apple__x_y_"), "{changed}");
    assert_eq!(names[6..], ["apple__x__y", changed.as_str(), "zebra__b", "zebra__a"]);
    for (name, own) in
        [("apple__x__y", "x__y"), (changed.as_str(), "x.y"), ("zebra__b", "b"), ("zebra__a", "a")]
    {
        assert_eq!(hub.call(name, json!({})).await.text(), own, "{name}");
    }
    assert_eq!(hub.call("zebra__missing", json!({})).await.err().code, -32602);
    // Names are looked up, not taken apart.
    assert_eq!(hub.call("apple__b", json!({})).await.err().code, -32602);
    assert_eq!(hub.tool_names().await, names);
}

#[tokio::test]
async fn names_are_cut_to_the_budget_unique_and_still_callable() {
    let long = "a_tool_with_a_name_that_goes_on_and_on_until_nobody_reads_it";
    let tools = [&format!("{long}_1"), &format!("{long}_2"), "same.name", "same/name", "short", "ünï cödé"];
    let budgets: [(&[&str], usize); 3] =
        [(&[], 46), (&["--name-budget", "32"], 32), (&["--name-budget", "64"], 64)];
    for (arguments, budget) in budgets {
        let home = Home::new();
        let fake = Fake::start(with_tools(&tools)).await;
        let id = home.announce("shop", fake.port);
        let hub = Hub::start(&home, HubOptions::args(&[&["--tools", "all"], arguments].concat())).await;
        hub.active(&id).await;
        let names = hub.tool_names().await[6..].to_vec();
        assert_eq!(names.len(), tools.len(), "{names:?}");
        for (name, own) in names.iter().zip(tools) {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            assert!(name.len() <= budget && name.chars().all(allowed), "{name} with a budget of {budget}");
            assert_eq!(names.iter().filter(|it| *it == name).count(), 1, "{names:?}");
            assert_eq!(hub.call(name, json!({})).await.text(), own, "{name}");
        }
        assert!(names.contains(&"shop__short".to_owned()), "{names:?}");
    }
}

#[tokio::test]
async fn two_instances_with_one_name_get_two_aliases() {
    let home = Home::new();
    let mut ids = Vec::new();
    for project in ["one", "two"] {
        let fake = Fake::start(with_tools(&["t"])).await;
        let doorbell = home.doorbell(project, fake.port).with("name", "My Shop!");
        doorbell.write(&home.data());
        ids.push(doorbell.id);
    }
    let hub = Hub::start(&home, HubOptions::args(&["--tools", "all"])).await;
    let mut aliases = Vec::new();
    for id in &ids {
        aliases.push(hub.active(id).await["alias"].as_str().unwrap().to_owned());
    }
    assert_ne!(aliases[0], aliases[1]);
    let names = hub.tool_names().await;
    for alias in aliases {
        let proper = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(alias.len() <= 16 && alias.starts_with(|c: char| c.is_ascii_lowercase()), "{alias}");
        assert!(alias.chars().all(proper), "{alias}");
        assert!(names.contains(&format!("{alias}__t")), "{names:?}");
    }
}

#[tokio::test]
async fn all_mode_merges_prompts_and_resources_too() {
    let home = Home::new();
    let mut ids = Vec::new();
    for name in ["left", "right"] {
        let uri = format!("test://{name}/only");
        let contents = json!({ "contents": [{ "uri": uri, "text": name }] });
        let prompt = json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": name } }] });
        let behaviour = Behaviour::default()
            .always("prompts/list", json!({ "prompts": [{ "name": "ask" }] }))
            .always("prompts/get", prompt)
            .always("resources/list", json!({ "resources": [{ "uri": uri, "name": "only" }] }))
            .always("resources/read", contents);
        ids.push(home.announce(name, Fake::start(behaviour).await.port));
    }
    let hub = Hub::start(&home, HubOptions::args(&["--tools", "all"])).await;
    for id in &ids {
        hub.active(id).await;
    }
    let prompts = hub.request("prompts/list", Value::Null).await.ok();
    let names: Vec<_> = prompts["prompts"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["left__ask", "right__ask"]);
    let resources = hub.request("resources/list", Value::Null).await.ok().to_string();
    for name in ["left", "right"] {
        let got = hub.request("prompts/get", json!({ "name": format!("{name}__ask") })).await.ok();
        assert_json!(got, "/messages/0/content/text", name);
        let uri = format!("test://{name}/only");
        assert!(resources.contains(&uri), "{resources}");
        let read = hub.request("resources/read", json!({ "uri": uri })).await.ok();
        assert_json!(read, "/contents/0/text", name);
    }
}

/// Cursor takes some 40 tools of one server, and drops the others without a word.
#[tokio::test]
async fn a_client_that_takes_few_tools_gets_those_of_its_own_project_first_and_can_call_all() {
    let home = Home::new();
    for (name, tools) in [("aa-other", 30), ("zz-own", 20)] {
        let names: Vec<_> = (0..tools).map(|number| format!("{name}-{number}")).collect();
        let tools = with_tools(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let resources: Vec<_> =
            (0..60).map(|number| json!({ "uri": format!("x://{name}/{number}"), "name": "r" })).collect();
        let fake = Fake::start(tools.always("resources/list", json!({ "resources": resources }))).await;
        home.announce(name, fake.port);
    }
    let options = HubOptions::args(&["--client", "cursor", "--tools", "all", "--name-budget", "46"])
        .cwd(home.project("zz-own"));
    let hub = Hub::start(&home, options).await;
    hub.instances_until("both are there", |list| {
        list.len() == 2 && list.iter().all(|it| it["state"] == "active")
    })
    .await;
    let names = hub.tool_names().await;
    assert_eq!(names.len(), 40, "{names:?}");
    assert!(names[6..26].iter().all(|name| name.starts_with("zz-own__")), "{names:?}");
    assert!(names[26..].iter().all(|name| name.starts_with("aa-other__")), "{names:?}");
    assert_eq!(hub.call("aa-other__aa-other-29", json!({})).await.text(), "aa-other-29");
    let listed = hub.request("resources/list", json!({})).await.ok();
    // The hub has one of its own.
    assert_eq!(listed["resources"].as_array().unwrap().len(), 121, "only tools are too many");
}

#[tokio::test]
async fn a_client_that_takes_few_tools_gets_all_if_they_fit() {
    let home = Home::new();
    let names: Vec<_> = (0..34).map(|number| format!("tool-{number}")).collect();
    let fake = Fake::start(with_tools(&names.iter().map(String::as_str).collect::<Vec<_>>())).await;
    let id = home.announce("fits", fake.port);
    let hub = Hub::start(&home, HubOptions::args(&["--client", "cursor"])).await;
    hub.connect(&id).await;
    assert_eq!(hub.tool_names().await[6..], names);
}

/// What an instance says when its list fails is told to a client that sees this instance alone; its tools are never refused,
/// since the hub has some of its own.
#[tokio::test]
async fn a_list_that_fails_is_an_error_where_one_instance_is_shown_but_for_tools() {
    let home = Home::new();
    let refuse = async |call: Call| rpc_error(&call, -32050, "not today");
    let behaviour = with_tools(&["works"]).on("resources/list", refuse).on("prompts/list", refuse);
    let fake = Fake::start(behaviour).await;
    let id = home.announce("fails", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    let error = hub.request("prompts/list", json!({})).await.err();
    assert_eq!((error.code, error.message.as_str()), (-32050, "not today"));
    let without = Fake::start(Behaviour::bare().on("tools/list", refuse)).await;
    let id = home.announce("no-tools", without.port);
    hub.connect(&id).await;
    assert_eq!(hub.tool_names().await.len(), 6);
}
