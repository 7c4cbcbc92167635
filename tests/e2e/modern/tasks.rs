//! Tasks: those of 2025-11-25 between legacy sides, the extension's between modern ones, and none across.

use serde_json::{Value, json};

use super::{connected, connected_as, silent, text};
use crate::support::{
    Behaviour, CLIENT_CAPABILITIES, Call, Fake, Home, HubOptions, Seen, event, result, rpc_error,
};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// The instance's own name for its task; not an ASCII one.
const TASK: &str = "tâche 1";

fn listing(execution: bool) -> Value {
    let mut tool = json!({ "name": "work", "inputSchema": { "type": "object" } });
    if execution {
        tool["execution"] = json!({ "taskSupport": "optional", "vendor": 1 });
    }
    json!({ "tools": [tool] })
}

/// A task as 2025-11-25 has it.
fn status(status: &str) -> Value {
    let now = "2026-01-01T00:00:00Z";
    json!({
        "taskId": TASK, "status": status, "createdAt": now, "lastUpdatedAt": now, "ttl": 60_000, "pollInterval": 5,
    })
}

/// The tasks of 2025-11-25.
fn experimental() -> Behaviour {
    let of_task = move |call: &Call, answer: Value| {
        if call.params["taskId"] == TASK {
            result(call, answer)
        } else {
            rpc_error(call, -32602, "no such task")
        }
    };
    Behaviour::bare()
        .always("tools/list", listing(true))
        .tool("work", move |call: Call| {
            let augmented = call.params.get("task").is_some();
            let answer =
                if augmented { json!({ "task": status("working") }) } else { text("worked at once") };
            std::future::ready(result(&call, answer))
        })
        .on("tasks/get", move |call| std::future::ready(of_task(&call, status("completed"))))
        .on("tasks/cancel", move |call| std::future::ready(of_task(&call, status("cancelled"))))
        .on("tasks/result", move |call| std::future::ready(of_task(&call, text("worked"))))
        .always("tasks/list", json!({ "tasks": [status("working")] }))
}

/// The tasks of the extension.
fn extension() -> Behaviour {
    let of_task = move |call: &Call, answer: Value| {
        if call.params["taskId"] == TASK {
            result(call, answer)
        } else {
            rpc_error(call, -32602, "no such task")
        }
    };
    let capabilities =
        json!({ "tools": {}, "extensions": { EXTENSION: {}, "vendor.example/x": { "y": 1 } } });
    let found = json!({
        "supportedVersions": [crate::support::MODERN], "capabilities": capabilities,
        "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
    });
    let task = |status: &str| json!({ "taskId": TASK, "status": status, "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttlMs": 60_000 });
    Behaviour::bare()
        .always("server/discover", found)
        .always("tools/list", listing(false))
        .tool("work", move |call: Call| {
            let declared = call.params["_meta"][CLIENT_CAPABILITIES]["extensions"][EXTENSION].is_object();
            let mut answer = task("working");
            answer["resultType"] = "task".into();
            std::future::ready(result(&call, if declared { answer } else { text("worked at once") }))
        })
        .tool("always_task", move |call: Call| {
            let mut answer = task("working");
            answer["resultType"] = "task".into();
            std::future::ready(result(&call, answer))
        })
        .on("tasks/get", move |call| {
            let mut answer = task("completed");
            answer["result"] = text("worked");
            std::future::ready(of_task(&call, answer))
        })
        .on("tasks/update", move |call| std::future::ready(of_task(&call, json!({}))))
        .on("tasks/cancel", move |call| std::future::ready(of_task(&call, json!({}))))
        .modern()
}

fn with_tasks() -> Value {
    json!({
        "elicitation": {},
        "tasks": { "list": {}, "cancel": {}, "requests": { "elicitation": { "create": {} } } },
    })
}

fn declared(fake: &Fake) -> Value {
    let call = fake.seen().into_iter().rfind(|seen| seen.method() == "tools/call").expect("a call");
    call.message["params"]["_meta"][CLIENT_CAPABILITIES].clone()
}

#[tokio::test]
async fn between_legacy_sides_tasks_pass_whole() {
    let home = Home::new();
    let options = HubOptions::default().capabilities(with_tasks());
    let (hub, fake) = connected_as(&home, experimental(), options).await;
    let opened = fake.saw("the session", |seen| {
        seen.method() == "initialize" && seen.message["params"]["capabilities"] == with_tasks()
    });
    let session = opened.await.session.unwrap();
    let listed = hub.request("tools/list", Value::Null).await.ok();
    let tool = listed["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "work").unwrap();
    assert_json!(tool, "/execution", { "taskSupport": "optional", "vendor": 1 });
    let made = hub.request("tools/call", json!({ "name": "work", "task": { "ttl": 60_000 } })).await.ok();
    let id = made["task"]["taskId"].clone();
    assert_json!(made, "/task/status", "working");
    let params = json!({ "taskId": id });
    assert_json!(hub.request("tasks/get", params.clone()).await.ok(), "/taskId", id);
    assert_eq!(hub.request("tasks/result", params.clone()).await.text(), "worked");
    assert_json!(hub.request("tasks/cancel", params.clone()).await.ok(), "/status", "cancelled");
    assert_json!(hub.request("tasks/list", json!({})).await.ok(), "/tasks/0/taskId", id);

    fake.listening(&session).await;
    let mark = hub.mark();
    let mut status = status("completed");
    status["vendor"] = json!(1.0);
    let message = json!({ "jsonrpc": "2.0", "method": "notifications/tasks/status", "params": status });
    fake.push(&session, message.to_string());
    let told = hub.notification(mark, "notifications/tasks/status").await.params();
    assert_eq!((&told["taskId"], &told["vendor"]), (&id, &json!(1.0)));
}

/// What its client waits for is no result of a tool.
#[tokio::test]
async fn a_call_that_wants_a_task_fails_with_an_error() {
    let home = Home::new();
    let behaviour = experimental()
        .tool("broken", |_| std::future::ready(crate::support::Answer::http(500, "text/plain", "no")));
    let (hub, _fake) = connected_as(&home, behaviour, HubOptions::default().capabilities(with_tasks())).await;
    let params = json!({ "name": "broken" });
    assert!(hub.request("tools/call", params.clone()).await.failure().message.contains("HTTP status 500"));
    let mut params = params;
    params["task"] = json!({ "ttl": 60_000 });
    let error = hub.request("tools/call", params).await.err();
    assert_eq!((error.code, &error.data["sent"]), (-32603, &json!("yes")), "{error:?}");
    let params = json!({ "name": "nobody__has_it", "task": {} });
    assert_eq!(hub.request("tools/call", params).await.err().code, -32602);
}

#[tokio::test]
async fn with_several_instances_each_task_finds_its_own() {
    let home = Home::new();
    let (first, second) = (Fake::start(experimental()).await, Fake::start(experimental()).await);
    let ids = [home.announce("first", first.port), home.announce("second", second.port)];
    let hub = crate::support::Hub::start(&home, HubOptions::args(&["--tools", "all"])).await;
    for id in &ids {
        hub.active(id).await;
    }
    hub.request("tools/list", Value::Null).await.ok();
    for (name, own, other) in [("first__work", &first, &second), ("second__work", &second, &first)] {
        let gets = |fake: &Fake| fake.seen().iter().filter(|seen| seen.method() == "tasks/get").count();
        let (before, others) = (gets(own), gets(other));
        let made = hub.request("tools/call", json!({ "name": name, "task": {} })).await.ok();
        let got = hub.request("tasks/get", json!({ "taskId": made["task"]["taskId"] })).await.ok();
        assert_eq!(got["taskId"], made["task"]["taskId"]);
        assert_eq!((gets(own), gets(other)), (before + 1, others), "{name}");
    }
}

#[tokio::test]
async fn between_modern_sides_the_extension_passes_and_the_header_has_the_instances_id() {
    let home = Home::new();
    let (hub, fake) = silent(&home, extension()).await;
    let found = hub.modern("server/discover", Value::Null).await.ok();
    let own = json!({ "directoryRead": true });
    assert_json!(
        found,
        "/capabilities/extensions",
        { EXTENSION: {}, "vendor.example/x": { "y": 1 }, "io.modelcontextprotocol/skills": own }
    );
    hub.modern("tools/list", Value::Null).await.ok();
    let capabilities = json!({ "extensions": { EXTENSION: {} } });
    let with = |mut params: Value| {
        params["_meta"] = json!({ CLIENT_CAPABILITIES: capabilities });
        params
    };
    let made = hub.modern("tools/call", with(json!({ "name": "it__work", "arguments": {} }))).await.ok();
    assert_json!(made, "/resultType", "task");
    assert_eq!(declared(&fake), capabilities);
    let id = made["taskId"].clone();
    // The fake checks that `Mcp-Name` is the task of its own that the body names.
    let got = hub.modern("tasks/get", with(json!({ "taskId": id }))).await.ok();
    assert_eq!((&got["taskId"], &got["status"]), (&id, &json!("completed")));
    for method in ["tasks/update", "tasks/cancel"] {
        hub.modern(method, with(json!({ "taskId": id, "inputResponses": {} }))).await.ok();
    }
    for method in ["tasks/result", "tasks/list"] {
        let code = hub.modern(method, with(json!({ "taskId": id }))).await.err().code;
        assert_eq!(code, -32601, "{method} is the other era's");
    }
}

#[tokio::test]
async fn a_task_that_the_request_did_not_allow_is_an_error() {
    let home = Home::new();
    let (hub, _fake) = connected(&home, extension()).await;
    hub.request("tools/list", Value::Null).await.ok();
    let error = hub.call("always_task", json!({})).await.failure();
    assert!(error.message.contains("task"), "{error:?}");
}

#[tokio::test]
async fn a_legacy_client_of_a_modern_instance_has_no_tasks() {
    let home = Home::new();
    let options = HubOptions::default().capabilities(with_tasks());
    let behaviour = extension().always("tools/list", listing(true));
    let (hub, fake) = connected_as(&home, behaviour, options).await;
    let listed = hub.request("tools/list", Value::Null).await.ok();
    let tool = listed["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "work").unwrap();
    assert!(tool.get("execution").is_none(), "{tool:#}");
    // A receiver without the capability ignores the wish (2025-11-25, tasks § Task Support and Handling).
    let line =
        hub.request("tools/call", json!({ "name": "work", "arguments": {}, "task": { "ttl": 1 } })).await;
    assert_eq!(line.text(), "worked at once");
    assert_eq!(declared(&fake), json!({ "elicitation": {} }));
}

#[tokio::test]
async fn a_modern_client_of_a_legacy_instance_has_no_tasks() {
    let home = Home::new();
    let (hub, fake) = silent(&home, experimental()).await;
    let listed = hub.modern("tools/list", Value::Null).await.ok();
    let tool = listed["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "it__work").unwrap();
    assert!(tool.get("execution").is_none(), "{tool:#}");
    let capabilities = json!({ "extensions": { EXTENSION: {} }, "elicitation": {} });
    let params =
        json!({ "name": "it__work", "arguments": {}, "_meta": { CLIENT_CAPABILITIES: capabilities } });
    assert_eq!(hub.modern("tools/call", params).await.text(), "worked at once");
    let opened = |seen: &Seen| {
        seen.method() == "initialize"
            && seen.message["params"]["capabilities"] == json!({ "elicitation": {} })
    };
    fake.saw("a session without the extension", opened).await;
}

#[tokio::test]
async fn a_question_that_wants_to_be_a_task_is_asked_plainly() {
    let home = Home::new();
    let behaviour = Behaviour::default().tool("ask", |call: Call| async move {
        let (events, stream) = tokio::sync::mpsc::channel(4);
        let params = json!({ "message": "?", "requestedSchema": { "type": "object", "properties": {} }, "task": { "ttl": 1 } });
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": params });
        events.send(Ok(event(&question.to_string()))).await.unwrap();
        // Held until the test ends.
        tokio::spawn(async move {
            let _call = call;
            events.closed().await;
        });
        crate::support::Answer::Stream(stream)
    });
    let (hub, _fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let (_, question) = hub.modern_call("it__ask", json!({})).await.question();
    assert!(question["params"].get("task").is_none(), "{question:#}");
    assert_json!(question, "/params/message", "?");
}
