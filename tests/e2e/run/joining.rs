//! MCP servers that dev servers have themselves join as instances of the project.

use std::path::Path;

use serde_json::{Value, json};

use super::{Client, Run, command, project};
#[cfg(unix)]
use crate::support::signal;
use crate::support::{Home, process_path};

/// A dev server with an MCP server of the kind of Next.js, without sessions; it tells what it is asked.
const DEV: &str = r#"
const http = require('http');
const answer = ({ id, method, params }) => ({ jsonrpc: '2.0', id, result: {
    initialize: { protocolVersion: params?.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'own', version: '1' } },
    'tools/list': { tools: [{ name: 'get_errors', description: 'The errors of the page', inputSchema: { type: 'object' } }] },
    'tools/call': { content: [{ type: 'text', text: 'pid ' + process.pid }] },
    ping: {},
}[method] });
const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => {
        console.log('asked', request.method, request.url);
        if (request.url !== (process.env.ENDPOINT || '/_next/mcp')) return response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>');
        if (process.env.ENDPOINT && !/^http:\/\/(127\.0\.0\.1|localhost):\d+$/.test(request.headers.origin)) return response.writeHead(403).end();
        if (request.method !== 'POST') return response.writeHead(405).end();
        const message = JSON.parse(body);
        if (message.id === undefined) return response.writeHead(202).end();
        const known = answer(message);
        if (!known.result) return response.writeHead(200, { 'content-type': 'application/json' }).end(
            JSON.stringify({ jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'no such method' } }));
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(known));
    });
});
server.listen(Number(process.argv[2] || 0), '127.0.0.1', () => console.log('  Local:   http://127.0.0.1:' + server.address().port + '/'));
"#;

/// Starts it again when it ends, on the same port, as dev servers do when their configuration has changed.
#[cfg(unix)]
const KEEPER: &str = r"
const { spawn } = require('child_process');
const start = (port) => spawn(process.execPath, ['dev.js', port], { stdio: 'inherit' }).on('exit', () => start(port));
const probe = require('net').createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => start(port));
});
";

/// Adds what the project depends on.
fn depends(directory: &Path, on: &str) {
    let file = directory.join("package.json");
    let mut package: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    package["devDependencies"] = json!({ on: "*" });
    std::fs::write(file, package.to_string()).unwrap();
}

fn is_own(entry: &Value) -> bool {
    entry["name"] == "next" && entry["state"] == "active"
}

#[tokio::test]
async fn the_mcp_server_of_a_dev_server_is_an_instance_until_the_script_ends() {
    let home = Home::new();
    let directory = project(&home, &[("dev", "node dev.js")], &[("dev.js", DEV)]);
    depends(&directory, "next");
    let run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    let list = client.hub.instances_until("the server has joined", |list| list.iter().any(is_own)).await;
    let own = list.into_iter().find(is_own).unwrap();
    assert_eq!(own["path"], process_path(&directory));
    let called =
        client.hub.call("instances_call", json!({ "instance_id": own["id"], "tool": "get_errors" })).await;
    assert!(called.text().starts_with("pid "), "{}", called.raw);
    run.says("has an MCP server at http://localhost:").await;
    let asked = client.lines(json!({ "processId": "dev" })).await;
    let elsewhere = asked.iter().filter(|line| line.starts_with("asked") && !line.ends_with(" /_next/mcp"));
    assert_eq!(elsewhere.count(), 0, "{asked:#?}");

    client.tool("scripts_stop", json!({ "processId": "dev" })).await;
    client.hub.gone(own["id"].as_str().unwrap()).await;
    let left = std::fs::read_dir(home.data().join("instances")).unwrap().count();
    assert_eq!(left, 1, "its announcement is taken back");
    client.hub.end_quietly().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_dev_server_that_starts_itself_anew_joins_again() {
    let home = Home::new();
    let files = [("dev.js", DEV), ("keeper.js", KEEPER)];
    let directory = project(&home, &[("dev", "node keeper.js")], &files);
    depends(&directory, "next");
    let _run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    let list = client.hub.instances_until("the server has joined", |list| list.iter().any(is_own)).await;
    let first = list.into_iter().find(is_own).unwrap();
    signal(u32::try_from(first["pid"].as_u64().unwrap()).unwrap(), rustix::process::Signal::KILL);
    let again = |list: &[Value]| list.iter().any(|it| is_own(it) && it["pid"] != first["pid"]);
    client.hub.instances_until("it has joined again", again).await;
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn nothing_is_sent_where_no_such_server_is_to_be_expected() {
    let home = Home::new();
    // The switch is off here …
    let off_directory = home.project("off");
    super::package(&off_directory, &[("dev", "node dev.js")]);
    std::fs::write(off_directory.join("dev.js"), DEV).unwrap();
    depends(&off_directory, "next");
    let off = Run::start(command(&home, &off_directory, &["--no-dev-mcp", "dev"]));
    off.prints("Local:").await;
    // … and here only a workspace uses Next.js.
    let web = r#"{ "name": "web", "scripts": { "dev": "node ../dev.js" }, "dependencies": { "next": "*" } }"#;
    let directory = project(&home, &[("dev", "node dev.js")], &[("dev.js", DEV), ("web/package.json", web)]);
    let mut package: Value =
        serde_json::from_str(&std::fs::read_to_string(directory.join("package.json")).unwrap()).unwrap();
    package["workspaces"] = json!(["web"]);
    std::fs::write(directory.join("package.json"), package.to_string()).unwrap();
    let run = Run::start(command(&home, &directory, &["dev"]));
    run.prints("Local:").await;
    let client = Client::of(&home, &directory).await;
    client.run("web#dev").await;
    let list =
        client.hub.instances_until("the workspace's server has joined", |list| list.iter().any(is_own)).await;
    assert_eq!(list.iter().filter(|it| is_own(it)).count(), 1, "{list:#?}");
    // Those that were there before it have been looked at by now.
    let others = client.lines(json!({ "processId": "dev" })).await.join("\n") + &*off.stdout.borrow();
    assert!(others.contains("Local:") && !others.contains("asked"), "{others}");
    client.hub.end_quietly().await;
}

/// Vite DevTools has its endpoint below a path of its own, and answers only origins of this machine.
#[tokio::test]
async fn the_mcp_server_of_vite_devtools_joins_with_its_origin() {
    let home = Home::new();
    let directory = project(&home, &[("dev", "node dev.js")], &[("dev.js", DEV)]);
    depends(&directory, "@vitejs/devtools");
    let mut command = command(&home, &directory, &["dev"]);
    command.env("ENDPOINT", "/__devtools/__mcp");
    let run = Run::start(command);
    let client = Client::of(&home, &directory).await;
    let is_own = |entry: &Value| entry["name"] == "devtools" && entry["state"] == "active";
    let list = client.hub.instances_until("the server has joined", |list| list.iter().any(is_own)).await;
    let own = list.into_iter().find(is_own).unwrap();
    let called =
        client.hub.call("instances_call", json!({ "instance_id": own["id"], "tool": "get_errors" })).await;
    assert!(called.text().starts_with("pid "), "{}", called.raw);
    run.says("/__devtools/__mcp, which is announced as `devtools`").await;
    client.hub.end_quietly().await;
}
