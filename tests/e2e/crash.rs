//! Instances that die, hang, come back, or were never there.

use std::process::Stdio;

use serde_json::json;

use crate::support::{
    Behaviour, Doorbell, Fake, Home, Hub, HubOptions, Instance, is_wine, removed, unique_id,
};

#[tokio::test]
async fn a_killed_instance_fails_its_calls_at_once_and_leaves_the_list_and_no_file() {
    let home = Home::new();
    let mut instance = Instance::fake(&home, "doomed").await;
    let file = home.file(&instance.id);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&instance.id).await;
    assert!(hub.tool_names().await.contains(&"echo".to_owned()));
    let mark = hub.mark();
    let calls = [
        hub.ask("tools/call", json!({ "name": "hang" })).await,
        hub.ask("tools/call", json!({ "name": "hang" })).await,
    ];
    // Something answered after them, so they were sent.
    hub.call("echo", json!({})).await.text();
    instance.kill().await;
    for call in &calls {
        let error = hub.answer(call).await.failure();
        for words in ["doomed", "may have run", "`instances_list`"] {
            assert!(error.message.contains(words), "{error:?}");
        }
        assert!(error.data["instance"].to_string().contains("doomed"), "{error:?}");
        assert!(error.data["reason"].is_string(), "{error:?}");
        assert!(["yes", "unknown"].contains(&error.data["sent"].as_str().unwrap_or_default()), "{error:?}");
    }
    hub.gone(&instance.id).await;
    hub.notification(mark, "notifications/tools/list_changed").await;
    assert_eq!(hub.tool_names().await.len(), 6);
    // The list says so first; the file goes when nobody can doubt it any more.
    removed(&file).await;
    let error = hub.call("echo", json!({})).await.failure();
    assert!(error.message.contains("is not running"), "{error:?}");
    hub.end_quietly().await;
}

#[tokio::test]
async fn an_instance_that_ends_properly_leaves_the_list() {
    let home = Home::new();
    let mut instance = Instance::rmcp(&home, "proper").await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&instance.id).await;
    #[cfg(unix)]
    instance.terminate().await;
    #[cfg(not(unix))]
    instance.kill().await;
    hub.gone(&instance.id).await;
    hub.end_quietly().await;
}

#[tokio::test]
async fn at_info_the_log_tells_which_instances_come_and_go() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::args(&["--log-level", "info"])).await;
    let mut instance = Instance::rmcp(&home, "visitor").await;
    hub.active(&instance.id).await;
    instance.kill().await;
    let told = |text: &str, words: &str| {
        text.lines().any(|line| ["INFO", "visitor", words].iter().all(|part| line.contains(part)))
    };
    let all = ["was announced", "state=\"active\"", "is gone"];
    hub.stderr_until(|text| all.iter().all(|words| told(text, words))).await;
}

#[tokio::test]
async fn a_restarted_instance_keeps_its_alias_and_the_session_follows() {
    let home = Home::new();
    let mut old = Instance::rmcp(&home, "phoenix").await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&old.id).await;
    assert_eq!(hub.call("echo", json!({ "message": "before" })).await.text(), "before");
    hub.request("resources/subscribe", json!({ "uri": "note://kept" })).await.ok();
    for round in ["first", "second"] {
        old.kill().await;
        let new = Instance::rmcp(&home, "phoenix").await;
        assert_ne!((&new.id, new.port), (&old.id, old.port));
        let entry = hub.active(&new.id).await;
        assert_json!(entry, "/alias", "phoenix");
        let list = hub
            .instances_until("the session follows", |list| list.iter().any(|it| it["connected"] == true))
            .await;
        assert_eq!(list.len(), 1, "{list:#?}");
        assert_json!(list[0], "/id", new.id);
        assert_eq!(hub.call("echo", json!({ "message": round })).await.text(), round);
        old = new;
    }
    // What the session had set up in the old one is set up in the new one.
    let mark = hub.mark();
    hub.call("touch", json!({ "name": "kept" })).await.text();
    let updated = hub.line(mark, "the subscription follows, too", |line| {
        line.notifies("notifications/resources/updated") && line.params()["uri"] == "note://kept"
    });
    updated.await;
}

#[tokio::test]
async fn a_new_instance_of_a_running_one_replaces_it_when_the_old_one_ends() {
    let home = Home::new();
    let mut old = Instance::fake(&home, "rolling").await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&old.id).await;
    let new = Instance::fake(&home, "rolling").await;
    hub.active(&new.id).await;
    old.kill().await;
    hub.gone(&old.id).await;
    hub.instances_until("the session follows", |list| {
        list.iter().any(|it| it["id"] == *new.id && it["connected"] == true)
    })
    .await;
    assert_eq!(hub.call("echo", json!({ "message": "new" })).await.text(), "new");
}

#[tokio::test]
async fn what_another_one_runs_is_not_touched_by_a_death() {
    let home = Home::new();
    let (mut dying, living) = (Instance::fake(&home, "dying").await, Instance::fake(&home, "living").await);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&dying.id).await;
    hub.connect(&living.id).await;
    let hanging = hub.ask("tools/call", json!({ "name": "hang" })).await;
    dying.kill().await;
    hub.gone(&dying.id).await;
    assert_eq!(hub.call("echo", json!({ "message": "alive" })).await.text(), "alive");
    assert!(!hub.since(0).iter().any(|line| line.answers(&hanging)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_stopped_instance_is_retried_and_comes_back() {
    use rustix::process::Signal;
    let home = Home::new();
    let instance = Instance::fake(&home, "frozen").await;
    let hub = Hub::start(&home, HubOptions::args(&["--ping-interval", "50ms"])).await;
    hub.connect(&instance.id).await;
    instance.signal(Signal::STOP);
    let retrying = |list: &[serde_json::Value]| list.iter().any(|it| it["state"] == "retrying");
    hub.instances_until("a stopped one is retried", retrying).await;
    assert!(home.file(&instance.id).exists(), "a process that lives keeps its file");
    // What is asked of it meanwhile waits for a moment.
    let asked =
        hub.ask("tools/call", json!({ "name": "frozen__echo", "arguments": { "message": "late" } })).await;
    hub.instances().await;
    instance.signal(Signal::CONT);
    assert_eq!(hub.answer(&asked).await.text(), "late");
    hub.active(&instance.id).await;
    assert_eq!(hub.call("echo", json!({ "message": "thawed" })).await.text(), "thawed");
}

#[cfg(unix)]
#[tokio::test]
async fn one_that_stays_silent_is_given_up_but_its_file_stays() {
    use rustix::process::Signal;
    let home = Home::new();
    let instance = Instance::fake(&home, "silent").await;
    let hub =
        Hub::start(&home, HubOptions::args(&["--ping-interval", "50ms", "--give-up-after", "500ms"])).await;
    hub.active(&instance.id).await;
    instance.signal(Signal::STOP);
    hub.gone(&instance.id).await;
    assert!(home.file(&instance.id).exists(), "on doubt nothing is deleted");
    instance.signal(Signal::CONT);
}

/// Settings under which an instance that does not answer is soon given up, and is looked at again only in an hour if that
/// were all that brought it back.
#[cfg(unix)]
const IMPATIENT: [&str; 4] = ["--ping-interval", "50ms", "--give-up-after", "300ms"];

#[cfg(unix)]
#[tokio::test]
async fn one_that_blocks_while_it_works_for_a_client_is_not_given_up() {
    use rustix::process::Signal;
    let home = Home::new();
    let (busy, idle) = (Instance::fake(&home, "busy").await, Instance::fake(&home, "idle").await);
    let hub = Hub::start(&home, HubOptions::args(&IMPATIENT)).await;
    hub.active(&idle.id).await;
    hub.connect(&busy.id).await;
    let slow = hub.ask("tools/call", json!({ "name": "wait" })).await;
    // Something answered after it, so it was sent.
    hub.call("echo", json!({})).await.text();
    busy.signal(Signal::STOP);
    idle.signal(Signal::STOP);
    // Whatever time the other one is given, this one has had it, too.
    hub.gone(&idle.id).await;
    for instance in [&busy, &idle] {
        hub.active(&busy.id).await;
        instance.signal(Signal::CONT);
    }
    hub.call("release", json!({})).await.text();
    assert_eq!(hub.answer(&slow).await.text(), "done at last");
    hub.active(&idle.id).await;
    let health = hub.call("instances_health", json!({ "instance_id": busy.id })).await.text();
    assert!(!health.contains("retrying") && health.contains("active"), "nothing flaps: {health}");
}

#[cfg(unix)]
#[tokio::test]
async fn one_whose_call_was_cancelled_is_given_up_like_any_other() {
    use rustix::process::Signal;
    let home = Home::new();
    let instance = Instance::fake(&home, "abandoned").await;
    let hub = Hub::start(&home, HubOptions::args(&IMPATIENT)).await;
    hub.connect(&instance.id).await;
    let call = hub.ask("tools/call", json!({ "name": "hang" })).await;
    hub.call("echo", json!({})).await.text();
    instance.signal(Signal::STOP);
    let id: serde_json::Value = serde_json::from_str(&call).unwrap();
    hub.notify("notifications/cancelled", json!({ "requestId": id })).await;
    hub.gone(&instance.id).await;
    instance.signal(Signal::CONT);
    hub.active(&instance.id).await;
    assert_eq!(hub.call("echo", json!({ "message": "again" })).await.text(), "again");
}

#[tokio::test]
async fn an_instance_without_its_file_stays_as_long_as_it_answers() {
    let home = Home::new();
    let instance = Instance::fake(&home, "unlisted").await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&instance.id).await;
    std::fs::remove_file(home.file(&instance.id)).unwrap();
    // Another one's appearance comes after the removal on the same way.
    let other = Instance::fake(&home, "later").await;
    hub.active(&other.id).await;
    hub.active(&instance.id).await;
    assert_eq!(hub.call("echo", json!({ "message": "here" })).await.text(), "here");
}

/// A process that lives and serves nothing.
async fn bystander() -> tokio::process::Child {
    let mut command = if cfg!(windows) {
        let mut command = tokio::process::Command::new("ping");
        command.args(["-n", "600", "127.0.0.1"]);
        command
    } else {
        let mut command = tokio::process::Command::new("sleep");
        command.arg("600");
        command
    };
    command.stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

/// A port on which nobody listens.
async fn closed_port() -> u16 {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_file_left_behind_is_removed_and_never_listed() {
    let home = Home::new();
    let mut dead = bystander().await;
    let pid = dead.id().unwrap();
    dead.kill().await.unwrap();
    let stale = Doorbell::new(&unique_id("stale"), "stale", &home.project("stale"), closed_port().await, pid);
    let file = stale.write(&home.data());
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.gone(&stale.id).await;
    removed(&file).await;
    assert!(hub.instances().await.is_empty());
    hub.end_quietly().await;
}

#[tokio::test]
async fn a_file_is_kept_while_there_is_doubt() {
    let home = Home::new();
    let mut dead = bystander().await;
    let dead_pid = dead.id().unwrap();
    dead.kill().await.unwrap();
    let alive = bystander().await;
    let served = Fake::start(Behaviour::default()).await;
    // Its process is gone but the port answers; its process lives but the port does not answer.
    let doubtful =
        [("reused", served.port, dead_pid), ("starting", closed_port().await, alive.id().unwrap())];
    let files = doubtful.map(|(name, port, pid)| {
        Doorbell::new(&unique_id(name), name, &home.project(name), port, pid).write(&home.data())
    });
    let hub = Hub::start(&home, HubOptions::args(&["--give-up-after", "500ms"])).await;
    let listed = |list: &[serde_json::Value]| list.iter().any(|it| it["state"] != "dead");
    hub.instances_until("both are given up", |list| !listed(list)).await;
    for file in files {
        assert!(file.exists(), "{} is not ours to delete", file.display());
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_of_another_container_is_kept_although_its_process_cannot_be_seen() {
    let home = Home::new();
    let mut dead = bystander().await;
    let pid = dead.id().unwrap();
    dead.kill().await.unwrap();
    let port = closed_port().await;
    let stale = |name: &str| Doorbell::new(&unique_id(name), name, &home.project(name), port, pid);
    let kept = stale("elsewhere").with("pid_namespace", 1).write(&home.data());
    let left = stale("here").write(&home.data());
    let hub = Hub::start(&home, HubOptions::default()).await;
    removed(&left).await;
    // Whether it lives is for the connection to say, which is refused.
    for instance in hub.instances().await {
        assert_json!(instance, "/name", "elsewhere");
        assert_ne!(instance["state"], "active");
    }
    hub.end_quietly().await;
    assert!(kept.exists());
}

#[tokio::test]
async fn a_port_that_belongs_to_someone_else_is_never_active() {
    if is_wine() {
        eprintln!("skipped: Wine does not tell who listens on a port, so no hub can know");
        return;
    }
    let home = Home::new();
    let someone = Instance::fake(&home, "someone").await;
    let alive = bystander().await;
    let liar =
        Doorbell::new(&unique_id("liar"), "liar", &home.project("liar"), someone.port, alive.id().unwrap());
    liar.write(&home.data());
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&someone.id).await;
    let of_liar = |list: &[serde_json::Value]| {
        list.iter().find(|it| it["id"] == *liar.id).map(|it| it["state"].clone())
    };
    // It has been looked at when it is retried or dropped; at no time may it be active.
    let list = hub
        .instances_until("the liar has been looked at", |list| {
            let state = of_liar(list);
            assert_ne!(state, Some(json!("active")), "{list:#?}");
            state.is_none() || state == Some(json!("retrying"))
        })
        .await;
    drop(list);
    let connected = hub.call("instances_connect", json!({ "instance_id": liar.id })).await;
    assert_eq!(connected.ok()["isError"], true, "{}", connected.raw);
}
