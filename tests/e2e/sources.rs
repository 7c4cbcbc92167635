//! What other tools record of their servers: found, spoken to as each wants it, and left alone.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, expect, is_wine, process_path, result};

/// Puts a record into the home directory, as the tools do.
fn record(home: &Home, file: &str, record: &Value) -> PathBuf {
    let file = home.path().join(file);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let prepared = file.with_file_name(".prepared.tmp");
    std::fs::write(&prepared, record.to_string()).unwrap();
    std::fs::rename(prepared, &file).unwrap();
    file
}

fn devframe(home: &Home, port: u16, project: &Path) -> PathBuf {
    let pid = std::process::id();
    let contents = json!({
        "pid": pid, "port": port, "origin": format!("http://localhost:{port}"), "basePath": "/__devtools/",
        "id": "vite-devtools", "name": "Vite DevTools", "rootDir": process_path(project),
        "mcp": { "path": "/__devtools/__mcp" }, "startedAt": 1_795_000_000_000_i64,
    });
    record(home, &format!(".devframe/instances/{pid}-{port}.json"), &contents)
}

fn storybook(home: &Home, port: u16, project: &Path) -> PathBuf {
    let contents = json!({
        "schemaVersion": 1, "instanceId": "5f0c", "pid": std::process::id(), "cwd": process_path(project),
        "url": format!("http://localhost:{port}"), "port": port, "storybookVersion": "10.4.0", "agent": "claude",
        "startedAt": "2026-11-28T10:00:00.000Z", "mcp": { "status": "ready", "endpoint": "/mcp" },
    });
    record(home, ".storybook/instances/5f0c.json", &contents)
}

fn greeting() -> Behaviour {
    Behaviour::default().tool("greet", |call| async move {
        let origin = call.seen.header("origin").unwrap_or("nowhere").to_owned();
        result(&call, json!({ "content": [{ "type": "text", "text": format!("hello {origin}") }] }))
    })
}

#[tokio::test]
async fn each_tool_is_spoken_to_as_it_wants_and_its_record_is_left_alone() {
    let home = Home::new();
    let vite = Fake::start(greeting().endpoint("/__devtools/__mcp")).await;
    let book = Fake::start(greeting()).await;
    let project = home.project("web");
    let hub = Hub::start(&home, HubOptions::args(&["--sources", "all", "--no-auto-connect"])).await;
    let files = [devframe(&home, vite.port, &project), storybook(&home, book.port, &project)];
    let pid = std::process::id();
    for (source, port, origin) in [
        ("devframe", vite.port, format!("hello http://localhost:{}", vite.port)),
        ("storybook", book.port, "hello nowhere".to_owned()),
    ] {
        let id = format!("{source}-{pid}-{port}");
        let instance = hub.active(&id).await;
        assert_json!(instance, "/source", source);
        assert_json!(instance, "/path", process_path(&project));
        let called = hub.call("instances_call", json!({ "instance_id": id, "tool": "greet" })).await.ok();
        assert_json!(called, "/content/0/text", origin);
    }
    // Not one request went without it, nor with one that is not wanted.
    assert!(vite.seen().iter().all(|seen| seen.header("origin").is_some()));
    assert!(book.seen().iter().all(|seen| seen.header("origin").is_none()));

    let listed = hub.call("instances_list", json!({})).await.ok();
    let text = listed["content"][0]["text"].as_str().unwrap();
    let servers = listed["structuredContent"]["dev_servers"].as_array().unwrap();
    let mut urls: Vec<_> = servers.iter().map(|server| server["url"].as_str().unwrap()).collect();
    urls.sort_unstable();
    let mut expected =
        [format!("http://localhost:{}/__devtools/", vite.port), format!("http://localhost:{}/", book.port)];
    expected.sort_unstable();
    assert_eq!(urls, expected);
    assert!(urls.iter().all(|url| text.contains(url)), "{text}");
    let by: Vec<_> = servers.iter().filter(|server| server["source"] == "storybook").collect();
    assert_json!(by[0], "/started_by", "claude");
    assert!(by[0]["instance"].is_string(), "{by:?}");

    // The record goes; its server is an instance for as long as it answers, as with a doorbell.
    std::fs::remove_file(&files[1]).unwrap();
    let is_listed = |listed: &Value| {
        let servers = listed["dev_servers"].as_array();
        servers.is_some_and(|servers| servers.iter().any(|server| server["source"] == "storybook"))
    };
    expect("the record is gone", async {
        while is_listed(&hub.hub_tool("instances_list", json!({})).await) {}
    })
    .await;
    hub.end_quietly().await;
    assert!(files[0].exists(), "a record is its tool's");
}

#[tokio::test]
async fn a_listener_that_two_sources_name_is_one_instance() {
    let home = Home::new();
    let book = Fake::start(greeting()).await;
    let project = home.project("web");
    let hub = Hub::start(&home, HubOptions::args(&["--sources", "storybook"])).await;
    let id = format!("storybook-{}-{}", std::process::id(), book.port);
    storybook(&home, book.port, &project);
    hub.active(&id).await;
    let own = home.doorbell("web", book.port);
    // A wrapper names itself, which is another process than the tool's record names.
    #[cfg(unix)]
    let own = own.with("pid", std::os::unix::process::parent_id());
    own.write(&home.data());
    let own = own.id;
    hub.active(&own).await;
    let instances = hub.instances_until("one is left", |instances| instances.len() == 1).await;
    assert_json!(instances[0], "/id", own);
    hub.end_quietly().await;
}

#[tokio::test]
async fn without_the_switch_nothing_is_read_and_with_a_name_only_that() {
    let home = Home::new();
    let (vite, book) =
        (Fake::start(greeting().endpoint("/__devtools/__mcp")).await, Fake::start(greeting()).await);
    let project = home.project("web");
    devframe(&home, vite.port, &project);
    storybook(&home, book.port, &project);
    // A data directory of its own is for being apart.
    let apart = Hub::start(&home, HubOptions::default()).await;
    assert!(apart.instances().await.is_empty());
    apart.end_quietly().await;
    let some = Hub::start(&home, HubOptions::args(&["--sources", "storybook"])).await;
    some.active(&format!("storybook-{}-{}", std::process::id(), book.port)).await;
    assert_eq!(some.instances().await.len(), 1);
    some.end_quietly().await;
    assert!(vite.seen().is_empty(), "nothing was asked of it");
}

#[tokio::test]
async fn labels_select_what_is_listed() {
    let home = Home::new();
    let (web, api) = (Fake::start(Behaviour::default()).await, Fake::start(Behaviour::default()).await);
    let web_id = home.doorbell("web", web.port).with("labels", json!({ "tier": "frontend" }));
    let api_id = home.doorbell("api", api.port).with("labels", json!({ "tier": "backend" }));
    web_id.write(&home.data());
    api_id.write(&home.data());
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&web_id.id).await;
    hub.active(&api_id.id).await;
    for (label, expected) in [("tier=frontend", &web_id), ("frontend", &web_id), ("tier=backend", &api_id)] {
        let listed = hub.hub_tool("instances_list", json!({ "label": label })).await;
        let ids: Vec<_> = listed["instances"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
        assert_eq!(ids, [&json!(expected.id)], "{label}");
    }
    // All with a label are connected together, also one that comes later.
    let connected = hub.call("instances_connect", json!({ "label": "tier" })).await.ok();
    assert_eq!(connected["structuredContent"]["instances"].as_array().unwrap().len(), 2, "{connected:#}");
    let connected = hub.call("instances_connect", json!({ "label": "tier=frontend" })).await.ok();
    assert_json!(connected, "/structuredContent/instance/id", web_id.id);
    let docs = Fake::start(greeting()).await;
    home.doorbell("docs", docs.port).with("labels", json!({ "tier": "frontend" })).write(&home.data());
    hub.tools_until("greet").await;
    for arguments in [json!({ "label": "staging" }), json!({ "label": "tier", "instance_id": web_id.id })] {
        let refused = hub.call("instances_connect", arguments).await.ok();
        assert_json!(refused, "/isError", true);
    }
    let none = hub.call("instances_list", json!({ "label": "staging" })).await.ok();
    assert_json!(none, "/isError", true);
    let text = none["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("tier=frontend") && text.contains("tier=backend"), "{text}");
    hub.end_quietly().await;

    // One dev server is that of an instance, the other nobody's.
    let other = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (own, foreign) = (web.port, other.local_addr().unwrap().port());
    devframe(&home, own, &home.project("web"));
    devframe(&home, foreign, &home.project("other"));
    let servers = |listed: &Value| -> Vec<u64> {
        let servers = listed["dev_servers"].as_array().into_iter().flatten();
        let mut ports: Vec<_> = servers.map(|server| server["port"].as_u64().unwrap()).collect();
        ports.sort_unstable();
        ports
    };
    for (label, expected) in [
        (None, vec![own, foreign]),
        (Some("label=tier=frontend"), vec![own]),
        (Some("label=tier=backend"), vec![]),
    ] {
        let mut arguments = vec!["--sources", "all"];
        arguments.extend(label.iter().flat_map(|label| ["--only", *label]));
        let only = Hub::start(&home, HubOptions::args(&arguments)).await;
        let mut expected: Vec<_> = expected.into_iter().map(u64::from).collect();
        expected.sort_unstable();
        let meant = if label == Some("label=tier=backend") { &api_id } else { &web_id };
        only.active(&meant.id).await;
        if label.is_some() {
            let meant = usize::from(label == Some("label=tier=frontend")) + 1;
            only.instances_until("those with the label", |all| all.len() == meant).await;
        }
        assert_eq!(servers(&only.hub_tool("instances_list", json!({})).await), expected, "{label:?}");
        only.end_quietly().await;
    }
}

/// A server that tells nobody of itself, and prints its port.
const SILENT: &str = "const server = require('http').createServer((_, it) => it.end('hi')); \
                      server.listen(0, '127.0.0.1', () => console.log(server.address().port));";

/// A server with Tidewave within, of the kind that refuses whatever has an `Origin`; its tool says what it was asked.
const TIDEWAVE: &str = r"
const seen = [];
const answer = ({ id, method, params }) => ({ jsonrpc: '2.0', id, result: {
    initialize: { protocolVersion: '2025-03-26', capabilities: { tools: {} }, serverInfo: { name: 'tidewave', version: '1' } },
    'tools/list': { tools: [{ name: 'seen', inputSchema: { type: 'object' } }] },
    'tools/call': { content: [{ type: 'text', text: seen.join(' ') }] },
    ping: {},
}[method] });
const server = require('http').createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part)).on('end', () => {
        seen.push(request.method + request.url);
        const is = (method, url) => request.method === method && request.url === url;
        if (request.headers.origin) return response.writeHead(403).end();
        if (is('GET', '/tidewave/config')) return response.end(JSON.stringify({ project_name: 'shop' }));
        if (!is('POST', '/tidewave/mcp')) return response.writeHead(request.url === '/tidewave/mcp' ? 405 : 404).end();
        const message = JSON.parse(body);
        if (message.id === undefined) return response.writeHead(202).end();
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer(message)));
    });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));";

/// Starts a server in a project and returns its port.
async fn serve(project: &Path, server: &str) -> (tokio::process::Child, u16) {
    std::fs::write(project.join("server.js"), server).unwrap();
    let mut node = tokio::process::Command::new("node");
    node.arg("server.js").current_dir(project).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = node.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = expect("its port", lines.next_line()).await.unwrap().unwrap();
    (child, port.parse().unwrap())
}

/// Waits until the dev servers are as wanted.
async fn servers_until(hub: &Hub, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    expect(what, async {
        loop {
            let listed = hub.hub_tool("instances_list", json!({})).await;
            let servers = listed["dev_servers"].as_array().cloned().unwrap_or_default();
            if wanted(&servers) {
                return servers;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_server_that_tells_nobody_is_seen_by_its_port_until_it_is_killed() {
    if is_wine() {
        return;
    }
    let home = Home::new();
    let (project, elsewhere) = (home.project("web"), home.project("other"));
    let (mut other, _) = serve(&elsewhere, SILENT).await;
    let options = HubOptions::args(&["--sources", "ports,portless"]).cwd(project.clone());
    let hub = Hub::start(&home, options).await;
    let (mut server, port) = serve(&project, SILENT).await;
    let found = servers_until(&hub, "it is seen", |servers| !servers.is_empty()).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_json!(found[0], "/url", format!("http://localhost:{port}/"));
    assert_json!(found[0], "/framework", "node");
    assert_json!(found[0], "/source", "ports");
    assert_json!(found[0], "/pid", server.id());
    assert_json!(found[0], "/path", process_path(&project));
    assert!(found[0]["started"].is_string() && found[0]["started_by"].is_string(), "{found:?}");

    // portless knows by which name its proxy leads there.
    let routes = json!([{ "hostname": "web.localhost", "port": port, "pid": server.id() }]);
    std::fs::create_dir(home.path().join(".portless")).unwrap();
    std::fs::write(home.path().join(".portless/proxy.port"), "1355").unwrap();
    record(&home, ".portless/routes.json", &routes);
    let named = |servers: &[Value]| servers[0]["also"] == json!(["http://web.localhost:1355/"]);
    let found = servers_until(&hub, "it has a name", named).await;
    assert_eq!(found.len(), 1, "one server, whoever tells of it: {found:?}");

    server.kill().await.unwrap();
    servers_until(&hub, "it is gone", <[Value]>::is_empty).await;
    hub.end_quietly().await;
    other.kill().await.unwrap();
}

#[tokio::test]
async fn the_companion_of_an_editor_is_sent_its_token() {
    let home = Home::new();
    let editor = Fake::start(greeting()).await;
    let project = home.project("web");
    let hub = Hub::start(&home, HubOptions::args(&["--sources", "gemini"])).await;
    let pid = std::process::id();
    let contents = json!({
        "port": editor.port, "workspacePath": process_path(&project), "authToken": "0f0f-token",
        "ideInfo": { "name": "vscode", "displayName": "VS Code" },
    });
    record(&home, &format!("tmp/gemini/ide/gemini-ide-server-{pid}-{}.json", editor.port), &contents);
    let id = format!("gemini-{pid}-{}", editor.port);
    let instance = hub.active(&id).await;
    assert_json!(instance, "/name", "VS Code");
    assert_json!(instance, "/path", process_path(&project));
    assert!(!instance.to_string().contains("0f0f"), "{instance}");
    hub.call("instances_call", json!({ "instance_id": id, "tool": "greet" })).await.ok();
    assert!(editor.seen().iter().all(|seen| seen.header("authorization") == Some("Bearer 0f0f-token")));
    let listed = hub.hub_tool("instances_list", json!({})).await;
    assert!(listed.get("dev_servers").is_none(), "an editor is no dev server: {listed}");
    hub.end_quietly().await;
}

#[tokio::test]
async fn tidewave_is_asked_for_only_where_a_project_uses_it() {
    if is_wine() {
        return;
    }
    let home = Home::new();
    let project = home.project("shop");
    std::fs::write(project.join("Gemfile"), "gem \"tidewave\"").unwrap();
    let plain = home.project("plain");
    let (mut with, port) = serve(&project, TIDEWAVE).await;
    let (mut without, other) = serve(&plain, TIDEWAVE).await;
    let options = |directory: &Path| HubOptions::args(&["--sources", "ports,tidewave"]).cwd(directory.into());
    let hub = Hub::start(&home, options(&project)).await;
    let found = |list: &[Value]| list.iter().any(|it| it["source"] == "tidewave" && it["state"] == "active");
    let list = hub.instances_until("it is found", found).await;
    assert_json!(list[0], "/port", port);
    assert_json!(list[0], "/path", process_path(&project));
    let called = hub.call("instances_call", json!({ "instance_id": list[0]["id"], "tool": "seen" })).await;
    assert!(called.text().starts_with("GET/tidewave/config POST/tidewave/mcp"), "{}", called.raw);
    let servers = servers_until(&hub, "it is a dev server too", |servers| !servers.is_empty()).await;
    assert_eq!(servers[0]["instance"], list[0]["alias"], "{servers:?}");
    with.kill().await.unwrap();
    hub.instances_until("it is gone", <[Value]>::is_empty).await;
    hub.end_quietly().await;

    let hub = Hub::start(&home, options(&plain)).await;
    servers_until(&hub, "it is seen", |servers| servers.iter().any(|it| it["port"] == other)).await;
    hub.end_quietly().await;
    let asked = asked_of(other).await;
    assert!(asked.ends_with("POST/tidewave/mcp") && !asked.contains("config"), "{asked}");
    without.kill().await.unwrap();
}

/// What a server with Tidewave says that it was asked, this question included.
async fn asked_of(port: u16) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "seen" } })
        .to_string();
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "POST /tidewave/mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{call}",
        call.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body = body.find('{').map(|start| &body[start..=body.rfind('}').unwrap()]).unwrap();
    let answer: Value = serde_json::from_str(body).unwrap();
    answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
}

/// The companion of Copilot CLI: MCP over a socket that is a file, for who has the nonce.
#[cfg(unix)]
const COMPANION: &str = r"
const answer = ({ id, method }) => ({ jsonrpc: '2.0', id, result: {
    initialize: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'editor', version: '1' } },
    'tools/list': { tools: [{ name: 'get_selection', inputSchema: { type: 'object' } }] },
    'tools/call': { content: [{ type: 'text', text: 'selected' }] },
    ping: {},
}[method] });
require('http').createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part)).on('end', () => {
        if (request.headers.authorization !== 'Nonce 0f0f') return response.writeHead(401).end();
        if (request.method !== 'POST') return response.writeHead(405).end();
        const message = JSON.parse(body);
        if (message.id === undefined) return response.writeHead(202).end();
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer(message)));
    });
}).listen('editor.sock', () => console.log(process.pid));";

#[cfg(unix)]
#[tokio::test]
async fn the_companion_on_a_socket_is_an_instance_until_it_is_killed() {
    let home = Home::new();
    let project = home.project("web");
    std::fs::write(project.join("server.js"), COMPANION).unwrap();
    let mut node = tokio::process::Command::new("node");
    node.arg("server.js").current_dir(&project).stdout(Stdio::piped()).kill_on_drop(true);
    let mut editor = node.spawn().unwrap();
    let mut lines = BufReader::new(editor.stdout.take().unwrap()).lines();
    expect("it listens", lines.next_line()).await.unwrap();
    let pid = editor.id().unwrap();
    let hub = Hub::start(&home, HubOptions::args(&["--sources", "copilot"])).await;
    let contents = |socket: &Path| {
        json!({
            "socketPath": socket, "scheme": "unix", "headers": { "Authorization": "Nonce 0f0f" }, "pid": pid,
            "ideName": "VS Code", "timestamp": 1, "workspaceFolders": [project],
        })
    };
    let lock = |name: &str| format!(".copilot/ide/{name}.lock");
    // What lies there is no socket; nothing is sent to it.
    record(&home, &lock("0f0f0f0f-0001"), &contents(&project.join("server.js")));
    let file = record(&home, &lock("5f0c5f0c-0002"), &contents(&project.join("editor.sock")));
    let id = format!("copilot-{pid}-5f0c5f0c");
    let instance = hub.active(&id).await;
    assert_json!(instance, "/port", 0);
    assert_json!(instance, "/path", process_path(&project));
    let called = hub.call("instances_call", json!({ "instance_id": id, "tool": "get_selection" })).await;
    assert_eq!(called.text(), "selected", "{}", called.raw);
    assert!(!hub.hub_tool("instances_list", json!({})).await.to_string().contains("0f0f\""));
    editor.kill().await.unwrap();
    hub.instances_until("both are gone", <[Value]>::is_empty).await;
    hub.end_quietly().await;
    assert!(file.exists(), "a record is its tool's");
}
