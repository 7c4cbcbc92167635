//! The shell one-liners of the project's documents, as they stand there.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, Instance};

const ONE_LINE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"instances/list"}}"#;

/// `echo '…' | brummer-hub --mcp`
async fn pipe(home: &Home, line: &str) -> (Output, Vec<Value>) {
    let (data, line) = (home.data(), line.to_owned());
    let output = tokio::task::spawn_blocking(move || {
        let mut hub = Command::new(env!("CARGO_BIN_EXE_brummer-hub"))
            .args(["--mcp", "--data-dir"])
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        use std::io::Write as _;
        writeln!(hub.stdin.take().unwrap(), "{line}").unwrap();
        hub.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output, lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_piped_line_lists_a_running_instance_as_active() {
    let home = Home::new();
    let instance = Instance::rmcp(&home, "test-project").await;
    let (output, lines) = pipe(&home, ONE_LINE).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let listed = &lines[0]["result"]["structuredContent"]["instances"];
    assert_json!(listed, "/0/id", instance.id);
    assert_json!(listed, "/0/name", "test-project");
    assert_json!(listed, "/0/state", "active");
    // The documents grep in the text, too.
    let text = lines[0]["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("test-project") && text.contains("active"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_piped_line_with_nothing_running_lists_nothing() {
    let home = Home::new();
    let (output, lines) = pipe(&home, ONE_LINE).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_json!(lines[0], "/result/structuredContent/instances", []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_piped_line_calls_a_tool_of_an_instance() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    home.announce("piped", fake.port);
    let line = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"instances/call","arguments":{"instance_id":"piped","tool":"echo","arguments":{"message":"hello"}}}}"#;
    let (output, lines) = pipe(&home, line).await;
    assert!(output.status.success(), "{output:?}");
    assert_json!(lines[0], "/result/content/0/text", "hello");
}

/// "Kill instance … check state changed": a killed one must not be shown as active by any hub, old or new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_instance_is_not_listed_by_a_running_hub_nor_by_a_new_one() {
    let home = Home::new();
    let mut instance = Instance::rmcp(&home, "test-project").await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&instance.id).await;
    instance.kill().await;
    hub.gone(&instance.id).await;
    let (_, lines) = pipe(&home, ONE_LINE).await;
    assert_json!(lines[0], "/result/structuredContent/instances", []);
}
