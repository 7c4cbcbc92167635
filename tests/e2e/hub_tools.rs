//! The hub's own tools.

use serde_json::{Value, json};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, process_path};

/// The six tools: advertised name, the documents' spelling, whether arguments are needed.
const TOOLS: [(&str, &str); 6] = [
    ("instances_list", "instances/list"),
    ("instances_connect", "instances/connect"),
    ("instances_disconnect", "instances/disconnect"),
    ("instances_health", "instances/health"),
    ("instances_tools", "instances/tools"),
    ("instances_call", "instances/call"),
];

/// Two fakes, `shop` and `shop-admin`, announced and active.
async fn two(home: &Home) -> (Hub, [String; 2]) {
    let mut ids = Vec::new();
    for name in ["shop", "shop-admin"] {
        let fake = Fake::start(Behaviour::default()).await;
        ids.push(home.announce(name, fake.port));
    }
    let hub = Hub::start(home, HubOptions::default()).await;
    for id in &ids {
        hub.active(id).await;
    }
    (hub, ids.try_into().unwrap())
}

#[tokio::test]
async fn they_are_listed_first_with_schemas_and_names_that_every_client_accepts() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    let listed = hub.request("tools/list", Value::Null).await.ok();
    let tools = listed["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, TOOLS.map(|(name, _)| name));
    for tool in tools {
        assert_json!(tool, "/inputSchema/type", "object");
        // What `instances_call` answers is what the instance says.
        assert_eq!(tool.get("outputSchema").is_some(), tool["name"] != "instances_call", "{tool:#}");
        assert!(tool["description"].as_str().is_some_and(|text| text.len() > 20), "{tool:#}");
    }
}

#[tokio::test]
async fn the_list_says_what_the_documents_ask_for() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let doorbell = home.doorbell("api", fake.port).with("has_package_json", true);
    doorbell.write(&home.data());
    let hub = Hub::start(&home, HubOptions::default()).await;
    let entry = hub.active(&doorbell.id).await;
    for key in ["id", "name", "path", "port", "pid", "started", "has_package_json"] {
        assert_eq!(entry[key], doorbell.json[key], "{key} of {entry:#}");
    }
    assert_json!(entry, "/state", "active");
    assert_json!(entry, "/connected", false);
    assert_json!(entry, "/era", "legacy");
    assert_json!(entry, "/alias", "api");
    assert!(
        entry["connected_at"].as_str().is_some_and(|it| it.parse::<jiff::Timestamp>().is_ok()),
        "{entry:#}"
    );
    assert!(entry["latency_ms"].is_number(), "{entry:#}");
    hub.connect(&doorbell.id).await;
    assert_json!(hub.active(&doorbell.id).await, "/connected", true);
    hub.end_quietly().await;
}

#[tokio::test]
async fn they_do_what_they_say_under_both_spellings() {
    let home = Home::new();
    let (hub, [shop, _]) = two(&home).await;
    for column in [0, 1] {
        let name = |index: usize| if column == 0 { TOOLS[index].0 } else { TOOLS[index].1 };
        let listed = hub.hub_tool(name(0), json!({})).await;
        assert_eq!(listed["instances"].as_array().unwrap().len(), 2, "{listed:#}");

        let connected = hub.call(name(1), json!({ "instance_id": shop })).await;
        assert!(connected.text().contains("echo"), "the tools now available are named: {}", connected.raw);
        assert_eq!(hub.call("echo", json!({ "message": "hi" })).await.text(), "hi");

        let health = hub.hub_tool(name(3), json!({ "instance_id": shop })).await;
        assert!(health.to_string().contains("\"active\""), "{health:#}");
        let health = hub.hub_tool(name(3), json!({})).await;
        assert!(health.to_string().contains(&shop), "{health:#}");

        let tools = hub.hub_tool(name(4), json!({ "instance_id": "shop-admin", "query": "ech" })).await;
        let text = tools.to_string();
        assert!(text.contains("\"echo\"") && !text.contains("\"hang\""), "{tools:#}");

        let arguments =
            json!({ "instance_id": "shop-admin", "tool": "echo", "arguments": { "message": "there" } });
        assert_eq!(hub.call(name(5), arguments).await.text(), "there");

        hub.hub_tool(name(2), json!({})).await;
        assert!(!hub.tool_names().await.contains(&"echo".to_owned()));
        // Both have it, and each has a name by which it can be called.
        let error = hub.call("echo", json!({})).await.failure();
        assert!(error.message.contains("`shop__echo` or `shop-admin__echo`"), "{error:?}");
    }
}

#[tokio::test]
async fn an_instance_is_named_by_id_alias_name_or_unique_beginning() {
    let home = Home::new();
    let (hub, [shop, admin]) = two(&home).await;
    let longest_common = shop.bytes().zip(admin.bytes()).take_while(|(a, b)| a == b).count();
    let beginning = &admin[..=longest_common];
    for (reference, wanted) in
        [(shop.as_str(), &shop), ("shop", &shop), ("shop-admin", &admin), (beginning, &admin)]
    {
        hub.hub_tool("instances_connect", json!({ "instance_id": reference })).await;
        let connected: Vec<_> =
            hub.instances().await.into_iter().filter(|it| it["connected"] == true).collect();
        assert_eq!(connected.len(), 1, "{reference}");
        assert_eq!(connected[0]["id"], **wanted, "{reference}");
    }
}

#[tokio::test]
async fn bad_arguments_are_tool_errors_that_name_the_candidates() {
    let home = Home::new();
    let (hub, [shop, admin]) = two(&home).await;
    let both: &[&str] = &[&shop, &admin];
    let cases: [(&str, Value, &[&str]); 9] = [
        ("instances_connect", json!({}), &["instance_id"]),
        ("instances_connect", json!({ "instance_id": 7 }), &["instance_id"]),
        (
            "instances_connect",
            json!({ "instance_id": "nothing-like-it" }),
            &["nothing-like-it", "shop", "shop-admin"],
        ),
        ("instances_connect", json!({ "instance_id": "sho" }), &["sho", "shop", "shop-admin"]),
        ("instances_health", json!({ "instance_id": "nothing-like-it" }), &["nothing-like-it", "shop"]),
        ("instances_tools", json!({ "instance_id": "" }), &["shop"]),
        ("instances_call", json!({ "instance_id": "shop" }), &["tool"]),
        ("instances_call", json!({ "instance_id": "shop", "tool": "no-such-tool" }), &["no-such-tool"]),
        ("instances_call", json!({ "tool": "echo", "arguments": {} }), &["instance_id"]),
    ];
    assert!(both.iter().all(|id| id.starts_with("shop")));
    for (tool, arguments, named) in cases {
        let answer = hub.call(tool, arguments.clone()).await;
        // An unknown tool of the instance may also be the instance's own error.
        let text = match &answer.result {
            Some(_) => {
                let result = answer.ok();
                assert_eq!(result["isError"], true, "{tool} {arguments}: {result:#}");
                result["content"][0]["text"].as_str().unwrap().to_owned()
            }
            None => {
                assert_eq!(arguments["tool"], "no-such-tool", "{tool} {arguments}: {}", answer.raw);
                continue;
            }
        };
        for name in named {
            assert!(text.contains(name), "{tool} {arguments} must name {name}: {text}");
        }
    }
}

#[tokio::test]
async fn calling_through_the_hub_needs_no_connection_and_changes_none() {
    let home = Home::new();
    let (hub, [shop, _]) = two(&home).await;
    hub.connect(&shop).await;
    let arguments =
        json!({ "instance_id": "shop-admin", "tool": "echo", "arguments": { "message": "aside" } });
    assert_eq!(hub.call("instances_call", arguments).await.text(), "aside");
    let connected: Vec<_> = hub.instances().await.into_iter().filter(|it| it["connected"] == true).collect();
    assert_eq!(connected[0]["id"], shop);
    // Without an id the connected one is meant.
    assert_eq!(
        hub.call("instances_call", json!({ "tool": "echo", "arguments": { "message": "own" } })).await.text(),
        "own"
    );
}

#[tokio::test]
async fn their_answers_are_as_their_output_schemas_say() {
    let home = Home::new();
    let (hub, [shop, _]) = two(&home).await;
    let listed = hub.request("tools/list", Value::Null).await.ok();
    let schema = |name: &str| {
        let tool = listed["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap();
        tool["outputSchema"].clone()
    };
    for (tool, arguments) in [
        ("instances_list", json!({})),
        ("instances_connect", json!({ "instance_id": shop })),
        ("instances_health", json!({})),
        ("instances_health", json!({ "instance_id": shop })),
        ("instances_tools", json!({})),
        ("instances_tools", json!({ "instance_id": shop })),
        ("instances_disconnect", json!({})),
        ("instances_disconnect", json!({})),
    ] {
        let answer = hub.hub_tool(tool, arguments).await;
        if let Err(problem) = conforms(&schema(tool), &answer, tool) {
            panic!("{problem}\n{answer:#}");
        }
    }
}

#[tokio::test]
async fn the_path_of_an_instance_is_the_one_it_gave() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let path = home.project("with space and ünïcode");
    let doorbell = home.doorbell("spaced", fake.port).with("path", process_path(&path));
    doorbell.write(&home.data());
    let hub = Hub::start(&home, HubOptions::default()).await;
    assert_eq!(hub.active(&doorbell.id).await["path"], process_path(&path));
}

/// The keywords of JSON Schema that the hub's schemas use; an unknown keyword is a failure, not a pass.
fn conforms(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(schema) = schema.as_object() else { return Err(format!("{at}: the schema is {schema}")) };
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => false,
    };
    for (keyword, wanted) in schema {
        match keyword.as_str() {
            "description" | "title" | "$schema" | "format" | "default" => {}
            "additionalProperties" if wanted != &json!(false) => {}
            "type" => {
                let kinds: Vec<_> = match wanted {
                    Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
                    kind => kind.as_str().into_iter().collect(),
                };
                if !kinds.iter().any(|kind| is(kind)) {
                    return Err(format!("{at}: {value} is not {wanted}"));
                }
            }
            "enum" => {
                if !wanted.as_array().unwrap().contains(value) {
                    return Err(format!("{at}: {value} is not one of {wanted}"));
                }
            }
            "required" => {
                for key in wanted.as_array().unwrap() {
                    if value.get(key.as_str().unwrap()).is_none() {
                        return Err(format!("{at}: {key} is missing"));
                    }
                }
            }
            "properties" => {
                for (key, schema) in wanted.as_object().unwrap() {
                    if let Some(member) = value.get(key) {
                        conforms(schema, member, &format!("{at}.{key}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = &schema["properties"];
                for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                    if known.get(key).is_none() {
                        return Err(format!("{at}: {key} is not in the schema"));
                    }
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    conforms(wanted, item, &format!("{at}[{index}]"))?;
                }
            }
            "minimum" => {
                if value.as_f64().is_some_and(|number| number < wanted.as_f64().unwrap()) {
                    return Err(format!("{at}: {value} is below {wanted}"));
                }
            }
            "anyOf" | "oneOf" => {
                if !wanted.as_array().unwrap().iter().any(|schema| conforms(schema, value, at).is_ok()) {
                    return Err(format!("{at}: {value} fits none of {wanted}"));
                }
            }
            other => return Err(format!("{at}: this test does not know the keyword {other}")),
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_an_instance_tells_models_of_itself_comes_with_the_connection() {
    let home = Home::new();
    let welcome = |call: crate::support::Call| {
        let result = json!({
            "protocolVersion": call.params["protocolVersion"], "capabilities": { "tools": {} },
            "serverInfo": { "name": "guide", "version": "1" }, "instructions": "Read the logs first.\nThen ask. ",
        });
        std::future::ready(crate::support::result(&call, result))
    };
    let fake = Fake::start(Behaviour::default().on("initialize", welcome)).await;
    let id = home.announce("guide", fake.port);
    let quiet = Fake::start(Behaviour::default()).await;
    let quiet = home.announce("quiet", quiet.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&id).await;
    hub.active(&quiet).await;
    let told = hub.call("instances_connect", json!({ "instance_id": id })).await;
    let told = told.ok();
    assert_json!(told, "/structuredContent/instructions/guide", "Read the logs first.\nThen ask.");
    assert!(
        told["content"][0]["text"].as_str().unwrap().contains("Read the logs first.\nThen ask."),
        "{told}"
    );
    let told = hub.call("instances_connect", json!({ "instance_id": quiet })).await.ok();
    assert_eq!(told["structuredContent"].get("instructions"), None, "{told}");
}
