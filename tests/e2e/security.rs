//! What others on the machine can see and do.

#[cfg(unix)]
use std::os::unix::fs::PermissionsExt as _;
#[cfg(unix)]
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, Instance};

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[cfg(unix)]
#[tokio::test]
async fn files_and_directories_are_the_users_alone() {
    let home = Home::new();
    // With a permissive umask, so that it is the program that takes care.
    let mut shell = tokio::process::Command::new("sh");
    shell
        .args(["-c", "umask 000; exec \"$0\" \"$@\""])
        .arg(crate::support::rmcp_server_binary())
        .arg("--data-dir")
        .arg(home.data())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true);
    let mut child = shell.spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut line).await.unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(mode(&home.file(ready["id"].as_str().unwrap())), 0o600);
    for directory in ["", "instances", "temp"] {
        assert_eq!(mode(&home.data().join(directory)), 0o700, "{directory}");
    }
    let left: Vec<_> = std::fs::read_dir(home.data().join("temp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_registration_has_what_the_documents_list_and_nothing_secret() {
    let home = Home::new();
    let instance = Instance::rmcp(&home, "documented").await;
    let text = std::fs::read_to_string(home.file(&instance.id)).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let wanted = ["id", "pid", "path", "port", "started", "name", "has_package_json", "last_seen"];
    for key in wanted {
        assert!(json.get(key).is_some(), "{key} in {json:#}");
    }
    assert_json!(json, "/pid", instance.pid);
    assert_json!(json, "/port", instance.port);
    assert_json!(json, "/path", home.project("documented"));
    assert_json!(json, "/has_package_json", false);
    assert_eq!(json["started"], json["last_seen"]);
    json["started"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(instance.id.len(), 36, "a UUID: {}", instance.id);
}

#[tokio::test]
async fn what_calls_carry_is_not_logged() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("discreet", fake.port);
    let log = home.path().join("hub.log");
    let options = HubOptions::args(&["--log-level", "trace", "--log-file", log.to_str().unwrap()]);
    let hub = Hub::start(&home, options).await;
    hub.connect(&id).await;
    hub.call("echo", json!({ "message": "hunter2-argument" })).await.text();
    hub.call("instances_call", json!({ "tool": "echo", "arguments": { "message": "hunter2-argument" } }))
        .await
        .text();
    hub.write("hunter2-dirt\n").await;
    hub.end().await;
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(
        logged.contains("discreet") || logged.contains(&id),
        "something is logged at this level:\n{logged}"
    );
    assert!(!logged.contains("hunter2"), "{logged}");
}

#[tokio::test]
async fn only_loopback_is_spoken_to_whatever_the_environment_says() {
    let home = Home::new();
    let (proxy, fake) = (Fake::start(Behaviour::default()).await, Fake::start(Behaviour::default()).await);
    let id = home.announce("local", fake.port);
    let mut options = HubOptions::default();
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        options = options.env(variable, format!("http://127.0.0.1:{}", proxy.port));
    }
    let hub = Hub::start(&home, options).await;
    hub.connect(&id).await;
    hub.call("echo", json!({})).await.text();
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    let host = fake.seen()[0].header("host").unwrap().to_owned();
    assert!(
        [format!("127.0.0.1:{}", fake.port), format!("localhost:{}", fake.port)].contains(&host),
        "{host}"
    );
}

/// "Hub only accepts stdio connections … no remote access": it has sockets to its instances and none that anyone could
/// reach.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_hub_listens_on_nothing() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("reached", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    hub.call("echo", json!({})).await.text();
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", hub.pid())).unwrap();
    // A descriptor may be closed while they are listed.
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let own: Vec<String> = links
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut connections = 0;
    for protocol in ["tcp", "tcp6", "udp", "udp6"] {
        let table = std::fs::read_to_string(format!("/proc/{}/net/{protocol}", hub.pid())).unwrap();
        for line in table.lines().skip(1) {
            // Columns of proc(5): the fourth is the state, the tenth the inode.
            let columns: Vec<_> = line.split_whitespace().collect();
            if own.iter().any(|inode| inode == columns[9]) {
                assert!(protocol.starts_with("tcp") && columns[3] != "0A", "{protocol}: {line}");
                connections += 1;
            }
        }
    }
    assert!(connections > 0, "its connections to the instance are seen: {own:?}");
    hub.end_quietly().await;
}
