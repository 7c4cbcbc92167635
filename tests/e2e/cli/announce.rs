//! `register` without a command.

use std::path::PathBuf;

use tokio::net::TcpListener;

use super::{Cli, command, doorbells, free_port, only_doorbell, run};
use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, Instance};

#[tokio::test]
async fn a_running_server_is_announced_until_it_ends() {
    let home = Home::new();
    let elsewhere = Home::new();
    let mut server = Instance::fake(&elsewhere, "server").await;
    let port = server.port.to_string();
    let mut register = Cli::start(command(&home, &["register", "--port", &port, "--endpoint", "mcp"]));
    register.says("announced").await;
    let doorbell = only_doorbell(&home);
    assert_json!(doorbell, "/port", server.port);
    assert_json!(doorbell, "/name", "here");
    // Elsewhere the system may not tell whose port it is.
    if cfg!(target_os = "linux") {
        assert_json!(doorbell, "/pid", server.pid);
    }
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(doorbell["id"].as_str().unwrap()).await;
    if cfg!(target_os = "linux") {
        server.kill().await;
        let ended = register.end().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains(&format!("process {} has ended", server.pid)), "{ended:?}");
        assert_eq!(doorbells(&home), [] as [PathBuf; 0]);
    }
}

/// Two servers share a port, each on an address of its own; `--host` says which is meant.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_says_which_server_of_a_port_is_meant() {
    let home = Home::new();
    let serve = async |address: &str| {
        let listener = TcpListener::bind(address).await.unwrap();
        Fake::serve(listener, Behaviour::default())
    };
    let other = serve("127.0.0.1:0").await;
    let port = other.port.to_string();
    let arguments = ["register", "--port", &port, "--host", "127.0.0.2"];
    let refused = run(&home, &arguments).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains(&format!("nothing listens on port {port} of 127.0.0.2")), "{refused:?}");
    let meant = serve(&format!("127.0.0.2:{port}")).await;
    let mut register = Cli::start(command(&home, &arguments));
    register.says("announced").await;
    let doorbell = only_doorbell(&home);
    assert_json!(doorbell, "/host", "127.0.0.2");
    assert_json!(doorbell, "/pid", std::process::id());
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(doorbell["id"].as_str().unwrap()).await;
    meant.saw("the handshake", |seen| seen.method() == "initialize").await;
    assert!(other.seen().is_empty(), "{:?}", other.seen());
    hub.end_quietly().await;
    for foreign in ["10.0.0.1", "0.0.0.0", "localhost", "example.com"] {
        let refused = run(&home, &["register", "--port", &port, "--host", foreign]).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("loopback address"), "{refused:?}");
    }
}

#[tokio::test]
async fn an_announcement_can_follow_another_process() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let elsewhere = Home::new();
    let mut leader = Instance::fake(&elsewhere, "leader").await;
    let (port, pid) = (fake.port.to_string(), leader.pid.to_string());
    let mut register = Cli::start(command(&home, &["register", "--port", &port, "--pid", &pid]));
    register.says("announced").await;
    assert_json!(only_doorbell(&home), "/pid", leader.pid);
    leader.kill().await;
    assert_eq!(register.end().await.code, Some(0));
    assert_eq!(doorbells(&home), [] as [PathBuf; 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_takes_the_announcement_back() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let mut register = Cli::start(command(&home, &["register", "--port", &fake.port.to_string()]));
    register.says("announced").await;
    assert_eq!(doorbells(&home).len(), 1);
    register.signal(rustix::process::Signal::TERM);
    let ended = register.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(doorbells(&home), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn a_port_without_a_server_is_an_error_that_helps() {
    let home = Home::new();
    let port = free_port().await.to_string();
    let ended = run(&home, &["register", "--port", &port]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.starts_with(&format!("error: nothing listens on port {port}\nhint: ")), "{ended:?}");
    let waited = run(&home, &["register", "--port", &port, "--wait", "10ms"]).await;
    assert_eq!(waited.code, Some(1), "{waited:?}");
    assert!(waited.stderr.contains("after 10ms"), "{waited:?}");
}

/// Nothing but a web server, and one of MCP that is not where it was announced.
#[tokio::test]
async fn a_server_that_does_not_speak_mcp_is_announced_with_a_warning() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let web = listener.local_addr().unwrap().port();
    let pages = axum::Router::new().fallback(async || (axum::http::StatusCode::NOT_FOUND, "<html>no</html>"));
    tokio::spawn(async move { axum::serve(listener, pages).await });
    let mcp = Fake::start(Behaviour::default()).await;
    for (port, endpoint) in [(web, "/mcp"), (mcp.port, "/elsewhere")] {
        let (home, port) = (Home::new(), port.to_string());
        let mut register = Cli::start(command(&home, &["register", "--port", &port, "--endpoint", endpoint]));
        register.says("announced").await;
        let said = register.says("warning: ").await;
        let wanted = format!("warning: port {port} does not answer MCP at {endpoint} yet: ");
        assert!(said.starts_with(&wanted) && said.len() > wanted.len(), "{said}");
        register.says("hint: it stays announced; if MCP is spoken elsewhere").await;
        assert_eq!(doorbells(&home).len(), 1);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn of_a_server_that_answers_nothing_more_is_said() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let mut register = Cli::start(command(&home, &["register", "--port", &fake.port.to_string()]));
    register.says("announced").await;
    // The hub that has looked is gone again.
    fake.saw("the end of the session", |seen| seen.verb == "DELETE").await;
    register.signal(rustix::process::Signal::TERM);
    let ended = register.end().await;
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(0), 1), "{ended:?}");
}

#[tokio::test]
async fn a_server_that_starts_later_is_waited_for() {
    let home = Home::new();
    let port = free_port().await;
    let mut register = Cli::start(command(&home, &["register", "--port", &port.to_string(), "--wait", "1m"]));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    Fake::serve(listener, Behaviour::default());
    register.says("announced").await;
    assert_json!(only_doorbell(&home), "/port", port);
}

#[tokio::test]
async fn what_could_never_be_announced_is_refused_as_wrong_arguments() {
    let home = Home::new();
    for (arguments, expected) in [
        (["--id", "../evil"], "`../evil` is not a valid id"),
        (["--path", "no-such-directory"], "there is no directory no-such-directory"),
    ] {
        let ended = run(&home, &[&["register", "--port", "3001"], &arguments[..]].concat()).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(expected), "{ended:?}");
    }
}
