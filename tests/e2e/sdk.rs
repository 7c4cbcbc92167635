//! The official TypeScript client: what it gets through the hub is what it gets directly.

use serde_json::Value;

use crate::support::{Home, Instance, Node};

async fn compare(home: &Home, node: Node, suite: &str, instance: &Instance, calls: usize) {
    let mut command = node.script("compare.mjs");
    command
        .arg(suite)
        .arg(format!("http://127.0.0.1:{}/mcp", instance.port))
        .arg(&instance.id)
        .arg(env!("CARGO_BIN_EXE_brummer-hub"))
        .args(["--mcp", "--no-auto-connect", "--data-dir"])
        .arg(home.data());
    let report: Value = serde_json::from_str(&node.run(command).await).unwrap();
    assert_eq!(report["differences"], serde_json::json!([]), "{:#}", report["differences"]);
    let made = report["calls"].as_array().unwrap();
    assert_eq!(made.len(), calls, "{made:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_to_the_official_server_gives_the_same_through_the_hub() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let instance = node.everything(&home, "everything").await;
    compare(&home, node, "everything", &instance, 38).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_to_the_rmcp_server_gives_the_same_through_the_hub() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let instance = Instance::rmcp(&home, "rmcp").await;
    compare(&home, node, "rmcp", &instance, 24).await;
}
