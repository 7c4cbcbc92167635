//! Ports belong to the scripts whose processes listen on them.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{Client, Run, SERVER, command, project};
use crate::support::Home;

/// Listens on the port that it is given, or on any, and says nothing; on a taken one it says so and goes on.
const QUIET: &str = "const server = require('http').createServer((request, response) => response.end('hello'));
    server.on('error', error => { console.log('no: ' + error.code); server.listen(0, '127.0.0.1'); });
    server.listen(Number(process.env.PORT ?? process.argv[2] ?? 0), '127.0.0.1', () => console.log('bound'));";

/// A server that is no script's.
async fn stranger() -> (tokio::task::JoinHandle<()>, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 1024];
            let _ = stream.read(&mut bytes).await;
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        }
    });
    (serving, port)
}

/// The ports of the only process that runs.
async fn ports(client: &Client) -> Vec<u16> {
    let status = client.tool("scripts_status", json!({})).await;
    let processes = status["processes"].as_array().unwrap();
    let running = processes.iter().find(|it| it["status"] == "running").expect("one runs");
    serde_json::from_value(running["ports"].clone()).unwrap()
}

fn message(value: &Value) -> &str {
    value["message"].as_str().unwrap()
}

#[tokio::test]
async fn a_server_that_says_nothing_is_known_by_its_port() {
    let home = Home::new();
    let directory = project(&home, &[("dev", "node quiet.js")], &[("quiet.js", QUIET)]);
    let _run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "bound" })).await;
    let [port] = ports(&client).await[..] else { panic!("one port") };
    let urls = client.tool("urls_list", json!({})).await;
    assert_json!(urls, "/urls/0/url", format!("http://127.0.0.1:{port}"));
    assert_json!(urls, "/urls/0/port", port);
    assert_json!(urls, "/urls/0/printed", false);
    assert_json!(urls, "/urls/0/listening", true);
    client.wait(json!({ "port": port, "processId": "dev" })).await;
    let url = format!("http://localhost:{port}/");
    let waited = client.wait(json!({ "url": url, "port": port, "log": "bound", "processId": "dev" })).await;
    assert_json!(waited, "/status", 200);
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn the_server_of_another_does_not_meet_a_wait_for_a_script() {
    let home = Home::new();
    let (_stranger, taken) = stranger().await;
    let scripts = [("dev", &*format!("node quiet.js {taken}"))];
    let directory = project(&home, &scripts, &[("quiet.js", QUIET)]);
    let _run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "bound", "processId": "dev" })).await;
    let [own] = ports(&client).await[..] else { panic!("one port") };
    for condition in [json!({ "port": taken }), json!({ "url": format!("http://127.0.0.1:{taken}/") })] {
        // Without a script, anybody's counts.
        client.wait(condition.clone()).await;
        let mut of_script = condition;
        of_script["processId"] = json!("dev");
        of_script["timeoutSeconds"] = json!(0.5);
        let waited = client.tool("wait_until", of_script).await;
        assert_json!(waited, "/met", false);
        let said = message(&waited);
        assert!(said.contains(&format!("port {taken} is held by another process")), "{said}");
        assert!(said.contains(&format!("(process {})", std::process::id())), "{said}");
        assert!(said.contains(&format!("not by dev-1, which listens on {own}")), "{said}");
    }
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_taken_port_is_told_before_a_script_wants_it() {
    let home = Home::new();
    let scripts =
        [("first", "node quiet.js"), ("second", "node quiet.js"), ("free", "node quiet.js --port 9")];
    let directory = project(&home, &scripts, &[("quiet.js", QUIET)]);
    let _run = Run::start(command(&home, &directory, &["first"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "bound" })).await;
    let [port] = ports(&client).await[..] else { panic!("one port") };
    let started = client.tool("scripts_run", json!({ "name": "second", "port": port })).await;
    let warning = started["warnings"][0].as_str().unwrap();
    assert!(
        warning.starts_with(&format!("port {port}, which `second` is likely to want, is held by ")),
        "{warning}"
    );
    assert!(warning.contains("of the script first-1 of this run"), "{warning}");
    client.wait(json!({ "log": "no: EADDRINUSE", "processId": "second" })).await;
    let started = client.tool("scripts_run", json!({ "name": "free" })).await;
    assert_eq!(started["warnings"], Value::Null);

    // The same, seen from another run.
    let other = home.project("other");
    super::package(&other, &[("dev", &format!("node -e 0 -- --port {port}"))]);
    let _other = Run::start(command(&home, &other, &["--name", "other"]));
    let there = Client::of(&home, &other).await;
    let started = there.tool("scripts_run", json!({ "name": "dev" })).await;
    let warning = started["warnings"][0].as_str().unwrap();
    assert!(warning.contains("of the script first-1 of the instance `shop` in "), "{warning}");
    there.hub.end_quietly().await;
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn several_conditions_are_all_met_or_any_of_them() {
    let home = Home::new();
    let scripts = [("dev", "node server.js"), ("build", "node -p 6*7")];
    let directory = project(&home, &scripts, &[("server.js", SERVER)]);
    let _run = Run::start(command(&home, &directory, &["dev", "build"]));
    let client = Client::of(&home, &directory).await;
    let waited = client.wait(json!({ "log": "Local:", "exit": "build" })).await;
    assert_json!(waited, "/process/exitCode", 0);
    assert!(waited["entry"]["content"].as_str().unwrap().contains("Local:"), "{waited:#}");
    let both = json!({ "log": "never said", "exit": "build", "timeoutSeconds": 0.2 });
    let waited = client.tool("wait_until", both.clone()).await;
    assert_json!(waited, "/met", false);
    assert!(message(&waited).contains("until a line has `never said`: not within"), "{waited:#}");
    let mut either = both;
    either["any"] = json!(true);
    client.wait(either).await;
    client.hub.end_quietly().await;
}
