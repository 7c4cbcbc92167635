//! Files that are no proper doorbells are refused, each with one warning, and harm nothing.

use serde_json::{Value, json};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, is_wine, unique_id, write_raw};

/// How many lines of the log name this file.
fn warnings(stderr: &str, file_name: &str) -> usize {
    stderr.lines().filter(|line| line.contains(file_name)).count()
}

fn proper(id: &str) -> Value {
    json!({
        "id": id, "pid": std::process::id(), "path": "/tmp", "port": 9, "started": "2026-01-01T00:00:00Z", "name": "bad",
    })
}

fn changed(id: &str, key: &str, value: Value) -> Vec<u8> {
    let mut json = proper(id);
    json[key] = value;
    json.to_string().into_bytes()
}

#[tokio::test]
async fn each_is_refused_with_one_warning_that_names_it() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("not-json.json", b"not json".to_vec()),
        ("empty.json", Vec::new()),
        ("cut-off.json", b"{\"id\":\"cut-off\",".to_vec()),
        ("an-array.json", b"[]".to_vec()),
        ("not-utf8.json", b"{\"id\":\"\xff\xfe\"}".to_vec()),
        ("too-large.json", {
            let mut json = proper("too-large");
            json["padding"] = "x".repeat(64 * 1024).into();
            json.to_string().into_bytes()
        }),
        ("other-name.json", proper("some-other-id").to_string().into_bytes()),
        ("-dash.json", proper("-dash").to_string().into_bytes()),
        ("spaced out.json", proper("spaced out").to_string().into_bytes()),
        ("climbing.json", changed("climbing", "id", json!("../climbing"))),
        ("no-id.json", changed("no-id", "id", Value::Null)),
        ("no-port.json", changed("no-port", "port", Value::Null)),
        ("port-zero.json", changed("port-zero", "port", json!(0))),
        ("port-large.json", changed("port-large", "port", json!(65536))),
        ("port-text.json", changed("port-text", "port", json!("eighty"))),
        ("pid-zero.json", changed("pid-zero", "pid", json!(0))),
        ("pid-negative.json", changed("pid-negative", "pid", json!(-1))),
        ("endpoint-host.json", changed("endpoint-host", "endpoint", json!("http://example.com/mcp"))),
    ];
    let home = Home::new();
    for (name, contents) in &cases {
        write_raw(&home.data(), name, contents);
    }
    let long = format!("{}.json", "i".repeat(129));
    write_raw(&home.data(), &long, proper(&"i".repeat(129)).to_string().as_bytes());
    let hub = Hub::start(&home, HubOptions::args(&["--log-level", "warn"])).await;
    // A good one that comes later shows that the bad ones were dealt with and harmed nothing.
    let fake = Fake::start(Behaviour::default()).await;
    let good = home.announce("good", fake.port);
    hub.active(&good).await;
    let listed = hub.instances().await;
    assert_eq!(listed.len(), 1, "{listed:#?}");
    let stderr = hub.stderr_until(|text| cases.iter().all(|(name, _)| warnings(text, name) > 0)).await;
    for name in cases.iter().map(|(name, _)| *name).chain([long.as_str()]) {
        assert_eq!(warnings(&stderr, name), 1, "{name} in\n{stderr}");
        assert!(home.data().join("instances").join(name).exists(), "{name} is not the hub's to delete");
    }
    assert_eq!(warnings(&stderr, &good), 0, "{stderr}");
    assert_eq!(stderr.lines().count(), cases.len() + 1, "nothing else is said:\n{stderr}");
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_regular_file_is_refused_and_never_waited_for() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let data = home.data();
    let target = home.doorbell("target", fake.port);
    let outside = home.path().join("outside.json");
    std::fs::write(&outside, target.json.to_string()).unwrap();
    write_raw(&data, "first.txt", b"");
    let instances = data.join("instances");
    std::os::unix::fs::symlink(&outside, instances.join(format!("{}.json", target.id))).unwrap();
    std::fs::create_dir(instances.join("directory.json")).unwrap();
    let pipe = instances.join("pipe.json");
    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(pipe).status().unwrap();
    assert!(made.success());
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&home.announce("good", fake.port)).await;
    assert_eq!(hub.instances().await.len(), 1);
    let refused = [format!("{}.json", target.id), "directory.json".to_owned(), "pipe.json".to_owned()];
    let stderr = hub.stderr_until(|text| refused.iter().all(|name| warnings(text, name) > 0)).await;
    for name in &refused {
        assert_eq!(warnings(&stderr, name), 1, "{name} in\n{stderr}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn another_users_file_is_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only root can make such a file; elsewhere the library's own tests stand for it.
        return;
    }
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let foreign = home.doorbell("foreign", fake.port);
    let file = foreign.write(&home.data());
    std::os::unix::fs::chown(&file, Some(65534), Some(65534)).unwrap();
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&home.announce("own", fake.port)).await;
    assert_eq!(hub.instances().await.len(), 1);
    let stderr = hub.stderr_until(|text| warnings(text, &foreign.id) > 0).await;
    assert_eq!(warnings(&stderr, &foreign.id), 1, "{stderr}");
}

#[tokio::test]
async fn what_is_not_a_doorbell_by_name_is_none_of_the_hubs_business() {
    let home = Home::new();
    for name in ["note.txt", "id.json.tmp", ".hidden", "README", "x.json~"] {
        write_raw(&home.data(), name, b"anything");
    }
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("only", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&id).await;
    hub.end_quietly().await;
}

#[tokio::test]
async fn a_file_that_is_made_proper_later_is_taken() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let doorbell = home.doorbell("mended", fake.port);
    write_raw(&home.data(), &format!("{}.json", doorbell.id), b"{");
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.stderr_until(|text| warnings(text, &doorbell.id) == 1).await;
    doorbell.write(&home.data());
    hub.active(&doorbell.id).await;
}

#[tokio::test]
async fn a_file_that_is_written_in_place_bit_by_bit_is_read_when_it_is_whole() {
    use std::io::Write as _;
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let doorbell = home.doorbell("slowly", fake.port);
    write_raw(&home.data(), "makes-the-directories.txt", b"");
    let hub = Hub::start(&home, HubOptions::default()).await;
    let text = doorbell.json.to_string();
    let mut file = std::fs::File::create(home.file(&doorbell.id)).unwrap();
    for piece in text.as_bytes().chunks(text.len() / 3) {
        file.write_all(piece).unwrap();
        file.flush().unwrap();
    }
    drop(file);
    hub.active(&doorbell.id).await;
}

#[tokio::test]
async fn no_more_than_1024_instances_are_taken() {
    if is_wine() {
        eprintln!("skipped: Wine takes minutes for the connections and threads of 1,024 instances");
        return;
    }
    let home = Home::new();
    // Nothing listens there: the files alone are what counts.
    for number in 0..1_100 {
        let id = unique_id("many");
        let mut json = proper(&id);
        json["path"] = format!("/tmp/many/{number}").into();
        write_raw(&home.data(), &format!("{id}.json"), json.to_string().as_bytes());
    }
    // None is given up before all are there, however slow the machine.
    let hub = Hub::start(&home, HubOptions::args(&["--give-up-after", "10m"])).await;
    let full = |list: &[Value]| list.len() >= 1024;
    let listed = hub.instances_until("1,024 are listed", full).await;
    assert_eq!(listed.len(), 1024);
    let stderr = hub.stderr_until(|text| text.contains("1024")).await;
    assert_eq!(
        stderr.lines().filter(|line| line.contains("1024")).count(),
        1,
        "one warning for all:\n{stderr}"
    );
}
