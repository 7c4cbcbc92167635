//! However a run ends, nothing that it has started stays behind.

use brummer_hub::process::wait_for_exit;
#[cfg(unix)]
use rustix::process::Signal;
use serde_json::json;

use super::{Client, Run, SERVER, command, project};
use crate::support::{Home, expect};

/// Tells its number and that of a child that has left the group; both are deaf.
const DEAF: &str = "
process.on('SIGTERM', () => console.log('asked to end'));
const { spawn } = require('child_process');
const child = spawn(process.execPath, ['-e', `process.on('SIGTERM', () => {}); console.log('child', process.pid); setInterval(() => {}, 1e6)`],
    { stdio: 'inherit', detached: true });
console.log('parent', process.pid);
setInterval(() => {}, 1e6);";

struct Deaf {
    home: Home,
    run: Run,
    client: Client,
    pids: [u32; 2],
}

async fn deaf() -> Deaf {
    let home = Home::new();
    let scripts = [("deaf", "node deaf.js"), ("web", "node server.js")];
    let directory = project(&home, &scripts, &[("deaf.js", DEAF), ("server.js", SERVER)]);
    let run = Run::start(command(&home, &directory, &["deaf", "web"]));
    let client = Client::of(&home, &directory).await;
    let pids = [client.number("parent ").await, client.number("child ").await];
    client.wait(json!({ "log": "Local:" })).await;
    Deaf { home, run, client, pids }
}

async fn all_gone(pids: &[u32]) {
    for pid in pids {
        expect("a process of the run has ended", wait_for_exit(*pid)).await;
    }
}

#[cfg(unix)]
fn doorbells(home: &Home) -> usize {
    std::fs::read_dir(home.data().join("instances")).into_iter().flatten().count()
}

#[tokio::test]
async fn a_killed_run_leaves_no_children_and_no_entry() {
    let Deaf { home: _home, mut run, client, pids } = deaf().await;
    run.kill();
    client.hub.gone(&client.id).await;
    all_gone(&pids).await;
    client.hub.end().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_everything_in_order() {
    // Each waits for deaf processes.
    let ends = [Signal::TERM, Signal::INT, Signal::HUP].map(|wanted| async move {
        let Deaf { home, run, client, pids } = deaf().await;
        run.signal(wanted);
        client.hub.gone(&client.id).await;
        let ended = run.end().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains("stopping all scripts"), "{ended:?}");
        assert!(ended.stderr.contains("web: stopped"), "{ended:?}");
        // It was asked before it was killed.
        assert!(ended.stdout.contains("deaf | asked to end"), "{ended:?}");
        all_gone(&pids).await;
        assert_eq!(doorbells(&home), 0);
        client.hub.end().await;
    });
    futures_util::future::join_all(ends).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_second_signal_ends_everything_at_once() {
    let Deaf { home: _home, run, client, pids } = deaf().await;
    run.signal(Signal::INT);
    run.prints("deaf | asked to end").await;
    run.signal(Signal::INT);
    let ended = run.end().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    all_gone(&pids).await;
    client.hub.end().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_killed_guard_takes_its_script_with_it() {
    let home = Home::new();
    let parent = "console.log('guarded by', process.ppid); console.log('parent', process.pid); setInterval(() => {}, 1e6);";
    // The shell replaces itself, so that the guard is the parent's parent.
    let directory = project(&home, &[("dev", "node dev.js")], &[("dev.js", parent)]);
    let _run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    let pid = client.number("parent ").await;
    let status = client.tool("scripts_status", json!({})).await;
    let leader = u32::try_from(status["processes"][0]["pid"].as_u64().unwrap()).unwrap();
    crate::support::signal(parent_of(leader), Signal::KILL);
    let waited = client.wait(json!({ "exit": "dev" })).await;
    assert!(waited["message"].as_str().unwrap().contains("was lost"), "{waited:#}");
    all_gone(&[pid]).await;
    client.hub.end_quietly().await;
}

/// The parent of a process.
#[cfg(unix)]
fn parent_of(pid: u32) -> u32 {
    let output =
        std::process::Command::new("ps").args(["-o", "ppid=", "-p", &pid.to_string()]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// The table of processes is bytes: a name that is no text once hid a process from its guard.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_whose_name_is_no_text_is_ended_too() {
    const HIDDEN: &str = "name=$(printf 'a\\377\\376')
cp \"$(command -v sleep)\" \"./$name\"
setsid \"./$name\" 100000 &
echo \"hidden $!\"
wait";
    let home = Home::new();
    let directory = project(&home, &[("hide", "sh hide.sh")], &[("hide.sh", HIDDEN)]);
    let mut run = Run::start(command(&home, &directory, &["hide"]));
    let client = Client::of(&home, &directory).await;
    let pid = client.number("hidden ").await;
    // Until then it is still the program that starts it.
    expect("it has its name", async {
        while !std::fs::read(format!("/proc/{pid}/comm")).unwrap().contains(&0xff) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    run.kill();
    all_gone(&[pid]).await;
    client.hub.end().await;
}

#[tokio::test]
async fn with_exit_a_run_ends_with_its_scripts_and_their_code() {
    let home = Home::new();
    let scripts = [("three", "node -e \"setTimeout(() => process.exit(3), 50)\""), ("fine", "node -p 40+2")];
    let directory = project(&home, &scripts, &[]);
    let code = async |arguments: &[&str]| {
        let mut all = vec!["--exit"];
        all.extend(arguments);
        let ended = Run::start(command(&home, &directory, &all)).end().await;
        (ended.code, ended.stdout)
    };
    let (fine, printed) = code(&["fine"]).await;
    assert_eq!(fine, Some(0));
    assert!(printed.contains("42"), "the last lines are shown: {printed}");
    assert_eq!(code(&["fine", "three"]).await.0, Some(3));
    assert_eq!(code(&["--", "node", "-e", "process.exit(7)"]).await.0, Some(7));
    assert_eq!(code(&["--", "no-such-program-at-all"]).await.0, Some(127));
    // Without a script it would never end.
    assert_eq!(code(&[]).await.0, Some(2));
}

#[cfg(unix)]
#[tokio::test]
async fn with_exit_a_signal_is_no_success_and_a_client_may_start_a_script_again() {
    let home = Home::new();
    let directory = project(&home, &[("wait", "node wait.js")], &[("wait.js", "setInterval(() => {}, 1e6)")]);
    let run = Run::start(command(&home, &directory, &["--exit", "wait"]));
    let client = Client::of(&home, &directory).await;
    client.tool("scripts_stop", json!({ "processId": "wait" })).await;
    client.tool("scripts_restart", json!({ "processId": "wait" })).await;
    assert_json!(
        client.tool("scripts_status", json!({ "name": "wait-2" })).await,
        "/processes/0/status",
        "running"
    );
    run.signal(Signal::TERM);
    assert_eq!(run.end().await.code, Some(143));
    client.hub.end_quietly().await;
}
