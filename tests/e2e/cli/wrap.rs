//! `register -- COMMAND`.

use std::path::PathBuf;

use brummer_hub::process::wait_for_exit;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::Command,
};

use super::{Cli, Ended, command, doorbells, free_port};
use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, expect, process_path, unique_id};

/// Where [`wrapped_server`] reads the port to listen on.
const WRAPPED_PORT: &str = "BRUMMER_E2E_WRAPPED_PORT";

/// `register` around [`wrapped_server`]; everything after `--` comes last.
fn wrapping(home: &Home, port: u16, arguments: &[&str]) -> Command {
    let mut command = command(home, &["register", "--port", &port.to_string()]);
    command.args(arguments).arg("--").arg(std::env::current_exe().unwrap());
    command.args(["--exact", "cli::wrap::wrapped_server", "--ignored", "--nocapture"]);
    command.env(WRAPPED_PORT, port.to_string());
    command
}

/// Runs it with arguments that must come after all others.
async fn run_last(home: &Home, arguments: &[&str], last: &[&str]) -> Ended {
    let mut command = command(home, arguments);
    command.args(last);
    Cli::start(command).end().await
}

/// A server as a developer would start it; `register` starts this binary again for this one function. It listens, and
/// does what its stdin says.
#[test]
#[ignore = "not a test: the command that `register` wraps"]
#[expect(clippy::exit, reason = "the exit code is what is passed on")]
fn wrapped_server() {
    let Ok(port) = std::env::var(WRAPPED_PORT) else { return };
    let port: u16 = port.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            match line.split_once(' ') {
                Some(("exit", code)) => std::process::exit(code.parse().unwrap()),
                _ if line == "listen" => {
                    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
                    Fake::serve(listener, Behaviour::default());
                    println!("pid {}", std::process::id());
                }
                _ => panic!("what is {line:?}?"),
            }
        }
        // Its test has ended, and so must it.
    });
}

#[tokio::test]
async fn a_wrapped_server_is_listed_while_it_runs() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    let id = unique_id("wrapped");
    let port = free_port().await;
    let mut register = Cli::start(wrapping(&home, port, &["--id", &id, "--name", "shop"]));
    register.write("listen\n").await;
    let entry = hub.active(&id).await;
    assert_json!(entry, "/port", port);
    assert_json!(entry, "/name", "shop");
    assert_eq!(entry["path"], process_path(&home.project("here")));

    register.write("exit 7\n").await;
    hub.gone(&id).await;
    let ended = register.end().await;
    assert_eq!(ended.code, Some(7), "{ended:?}");
    let pid = ended.stdout.lines().find_map(|line| line.split("pid ").nth(1)).expect("the server's stdout");
    assert_eq!(entry["pid"].to_string(), pid);
    assert!(ended.stderr.contains(&format!("announced port {port} of process {pid} as `shop`")), "{ended:?}");
    assert_eq!(doorbells(&home), [] as [PathBuf; 0]);
    hub.end_quietly().await;
}

#[tokio::test]
async fn nothing_is_announced_before_the_port_listens() {
    let home = Home::new();
    let mut register = Cli::start(wrapping(&home, free_port().await, &[]));
    register.write("exit 9\n").await;
    let ended = register.end().await;
    assert_eq!(ended.code, Some(9), "{ended:?}");
    assert_eq!(ended.stderr, "", "{ended:?}");
    assert!(!home.data().join("instances").exists());
}

#[tokio::test]
async fn a_server_that_takes_too_long_goes_on_without_being_announced() {
    let home = Home::new();
    let mut register = Cli::start(wrapping(&home, free_port().await, &["--wait", "20ms"]));
    register.says("goes on without being announced").await;
    assert!(register.says("hint: ").await.contains("--wait"));
    register.write("listen\nexit 3\n").await;
    let ended = register.end().await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(!home.data().join("instances").exists());
}

#[tokio::test]
async fn a_server_that_cannot_be_announced_runs_all_the_same() {
    let home = Home::new();
    std::fs::write(home.data(), "no directory").unwrap();
    let mut register = Cli::start(wrapping(&home, free_port().await, &[]));
    register.write("listen\n").await;
    register.says("error: cannot write").await;
    register.says("the command goes on without being announced").await;
    register.write("exit 4\n").await;
    assert_eq!(register.end().await.code, Some(4));
}

#[tokio::test]
async fn a_taken_port_is_an_error_before_anything_is_started() {
    let home = Home::new();
    let taken = Fake::start(Behaviour::default()).await;
    let ended = Cli::start(wrapping(&home, taken.port, &[])).end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&format!("error: something listens on port {} already", taken.port)));
    assert!(ended.stderr.contains("hint: "), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn a_missing_program_ends_as_it_would_in_a_shell() {
    let home = Home::new();
    let port = free_port().await.to_string();
    let ended = run_last(&home, &["register", "--port", &port], &["--", "brummer-no-such-program"]).await;
    assert_eq!(ended.code, Some(127), "{ended:?}");
    assert!(ended.stderr.contains("error: cannot start `brummer-no-such-program`"), "{ended:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn signals_reach_the_wrapped_command() {
    use rustix::process::Signal;

    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let home = Home::new();
        let mut register = Cli::start(wrapping(&home, free_port().await, &[]));
        register.write("listen\n").await;
        register.says("announced").await;
        register.signal(signal);
        let ended = register.end().await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert_eq!(doorbells(&home), [] as [PathBuf; 0]);
    }
}

#[tokio::test]
async fn a_killed_register_takes_the_server_with_it() {
    let home = Home::new();
    let id = unique_id("orphan");
    let hub = Hub::start(&home, HubOptions::default()).await;
    let mut register = Cli::start(wrapping(&home, free_port().await, &["--id", &id]));
    register.write("listen\n").await;
    let entry = hub.active(&id).await;
    register.child.kill().await.unwrap();
    hub.gone(&id).await;
    let pid = u32::try_from(entry["pid"].as_u64().unwrap()).unwrap();
    expect("the server has ended", wait_for_exit(pid)).await;
    hub.end_quietly().await;
}

/// A wrapper in a package, as `npm run` is one: the shell between it and the server passes nothing on.
#[cfg(unix)]
#[tokio::test]
async fn no_signal_leaves_a_server_behind_a_wrapper() {
    use rustix::process::Signal;

    let serve =
        "node -e \"console.log('pid', process.pid); require('http').createServer((q, r) => r.end('{}'))
        .listen(process.env.SERVED, '127.0.0.1')\"";
    // In the background of a shell, a program is deaf to interrupts, and the shell's end is not its own.
    let behind = format!("{serve} & wait");
    for (wrapper, signal) in [
        (["npm", "run", "-s", "serve"].as_slice(), Signal::TERM),
        (&["npm", "run", "-s", "serve"], Signal::INT),
        (&["npm", "run", "-s", "behind"], Signal::INT),
        (&["sh", "-c", &behind], Signal::TERM),
    ] {
        let home = Home::new();
        let port = free_port().await.to_string();
        let scripts = serde_json::json!({ "name": "here", "scripts": { "serve": serve, "behind": behind } });
        std::fs::write(home.project("here").join("package.json"), scripts.to_string()).unwrap();
        let mut command = command(&home, &["register", "--port", &port]);
        command.arg("--").args(wrapper).env("SERVED", &port);
        let mut register = Cli::start(command);
        register.says("announced").await;
        register.signal(signal);
        let ended = register.end().await;
        let pid = ended.stdout.lines().find_map(|line| line.strip_prefix("pid ")).expect("its number");
        expect("the server has ended", wait_for_exit(pid.parse().unwrap())).await;
        assert_eq!(doorbells(&home), [] as [PathBuf; 0]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_wrapped_command_leaves_running_ends_with_it() {
    let home = Home::new();
    let port = free_port().await.to_string();
    let leave = "sleep 1000 & echo left $!; exit 5";
    let ended = run_last(&home, &["register", "--port", &port], &["--", "sh", "-c", leave]).await;
    assert_eq!(ended.code, Some(5), "{ended:?}");
    let pid = ended.stdout.trim().strip_prefix("left ").expect("its number");
    expect("what was left has ended", wait_for_exit(pid.parse().unwrap())).await;
}
