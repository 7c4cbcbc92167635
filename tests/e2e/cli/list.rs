//! `list`, help, exit codes and logs.

use serde_json::json;
use tokio::net::TcpListener;

use super::{Cli, checked, command, run};
use crate::support::{Behaviour, Call, Fake, Home, Hub, HubOptions, expect, result};

#[tokio::test]
async fn an_empty_list_is_no_error() {
    let home = Home::new();
    let ended = run(&home, &["list"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stderr.starts_with("no instance is running\nhint: `brummer-hub run SCRIPT` "), "{ended:?}");
    for words in [&["call", "shop", "find"][..], &["call", ".", "find"], &["tools"], &["logs", "shop"]] {
        let ended = run(&home, words).await;
        assert!(ended.stderr.contains("\nhint: `brummer-hub run SCRIPT` "), "{words:?}: {ended:?}");
    }
    let ended = run(&home, &["list", "--json"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(checked("list", &ended.stdout), json!({ "instances": [] }));
}

#[tokio::test]
async fn the_list_shows_what_the_hub_lists() {
    let home = Home::new();
    let (web, api) = (Fake::start(Behaviour::default()).await, Fake::start(Behaviour::default()).await);
    let (web_id, api_id) = (home.announce("web", web.port), home.announce("api", api.port));
    let hub = Hub::start(&home, HubOptions::args(&["--no-auto-connect"])).await;
    hub.active(&web_id).await;
    hub.active(&api_id).await;

    let ended = run(&home, &["list", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut printed = checked("list", &ended.stdout);
    let mut listed = json!({ "instances": hub.instances().await });
    for list in [&mut printed, &mut listed] {
        for entry in list["instances"].as_array_mut().unwrap() {
            // These are of one hub's connection, and the two have one each.
            for own in ["connected_at", "latency_ms"] {
                assert!(
                    entry.as_object_mut().unwrap().remove(own).is_some_and(|value| !value.is_null()),
                    "{own}"
                );
            }
        }
    }
    assert_eq!(printed, listed);

    let ended = run(&home, &["list"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let lines: Vec<Vec<&str>> = ended.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ALIAS", "NAME", "STATE", "PORT", "PID", "UPTIME", "PATH"]);
    assert_eq!(lines[1][..4], ["api", "api", "active", &api.port.to_string()]);
    assert_eq!(lines[2][..4], ["web", "web", "active", &web.port.to_string()]);
    assert!(!ended.stdout.contains('\x1b'), "no colour where there is no terminal: {ended:?}");
}

#[tokio::test]
async fn columns_stand_under_each_other_whatever_instances_are_called() {
    let home = Home::new();
    let (web, shop) = (Fake::start(Behaviour::default()).await, Fake::start(Behaviour::default()).await);
    home.announce("web", web.port);
    let named = home.doorbell("shop", shop.port).with("name", "日本語の店");
    named.write(&home.data());
    let ended = run(&home, &["list"]).await;
    // Each of these letters takes two columns.
    let column = |line: &str| {
        let before = &line[..line.find("active").or(line.find("STATE")).unwrap()];
        before.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>()
    };
    let columns: Vec<usize> = ended.stdout.lines().map(column).collect();
    assert_eq!(columns, [columns[0]; 3], "{ended:?}");
}

#[tokio::test]
async fn a_url_without_its_secret_is_explained() {
    let home = Home::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (port, pid) = (listener.local_addr().unwrap().port(), std::process::id());
    // What `run` writes of a script that serves.
    let served = |query: &str| {
        let server = json!({ "url": format!("http://127.0.0.1:{port}/{query}"), "pid": pid, "script": "dev",
            "path": home.project("shop"), "started": "2026-01-02T03:04:05Z" });
        let file = home.data().join("served").join("x.json");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, json!({ "pid": pid, "servers": [server] }).to_string()).unwrap();
    };
    served("?token=***");
    let ended = run(&home, &["list"]).await;
    assert!(ended.stdout.contains("/?token=***"), "{ended:?}");
    assert!(ended.stderr.contains("the terminal of `brummer-hub run` shows the URL whole"), "{ended:?}");
    served("?page=1");
    let ended = run(&home, &["list"]).await;
    assert!(ended.stdout.contains("/?page=1") && !ended.stderr.contains("***"), "{ended:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn colours_are_for_terminals_that_show_them_and_people_who_want_them() {
    use crate::support::Pty;

    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    home.announce("web", fake.port);
    let list = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(&home, &[&["list"], arguments].concat());
        command.envs(variables.iter().copied());
        command
    };
    for (is_coloured, arguments, variables) in [
        (true, &[][..], &[][..]),
        (false, &[], &[("NO_COLOR", "1")]),
        (true, &[], &[("NO_COLOR", "")]),
        (true, &["--color", "always"], &[("NO_COLOR", "1")]),
        (false, &["--color", "never"], &[("CLICOLOR_FORCE", "1")]),
        (false, &[], &[("CLICOLOR", "0")]),
        (false, &[], &[("TERM", "dumb")]),
        (true, &[], &[("CLICOLOR_FORCE", "0")]),
        (false, &[], &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]),
        (true, &[], &[("FORCE_COLOR", "0")]),
    ] {
        let (code, shown) = Pty::start(list(arguments, variables), 100, 20).end().await;
        assert_eq!(code, Some(0), "{shown}");
        assert_eq!(shown.contains("\x1b["), is_coloured, "{arguments:?} {variables:?}: {shown:?}");
    }
    for (is_coloured, variables) in [
        (false, &[][..]),
        (true, &[("CLICOLOR_FORCE", "1")]),
        (false, &[("CLICOLOR_FORCE", "0")]),
        (false, &[("FORCE_COLOR", "3")]),
    ] {
        let output = list(&[], variables).output().await.unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(shown.contains("\x1b["), is_coloured, "without a terminal, {variables:?}: {shown:?}");
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let home = Home::new();
    let mut list = Cli::start(command(&home, &["list", "--json"]));
    drop(list.child.stdout.take());
    let status = expect("the end", list.child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn wrong_arguments_end_with_2_and_help_with_0() {
    let home = Home::new();
    assert_eq!(run(&home, &["register"]).await.code, Some(2));
    assert_eq!(run(&home, &["--mcp", "list"]).await.code, Some(2));
    for help in [&["--help"][..], &["register", "--help"], &["list", "-h"], &["--version"]] {
        let ended = run(&home, help).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        assert!(ended.stdout.contains("brummer-hub"), "{ended:?}");
    }
}

#[tokio::test]
async fn what_nobody_asked_for_is_not_on_the_terminal() {
    let home = Home::new();
    // A server that leaves much to be desired, and a file that is no announcement.
    let tools = json!({ "tools": [{ "name": "find", "inputSchema": { "type": "object" } }, { "name": 7 }] });
    let server = Behaviour::bare().always("tools/list", tools).on("tools/call", async |call: Call| {
        result(&call, json!({ "content": [{ "type": "text", "text": "found" }] }))
    });
    let fake = Fake::start(server).await;
    home.announce("shop", fake.port);
    std::fs::write(home.data().join("instances/bad.json"), "{}").unwrap();
    for words in [&["list"][..], &["tools"], &["tools", "shop"], &["call", "shop", "find"], &["wait", "shop"]]
    {
        let ended = run(&home, words).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{words:?}: {ended:?}");
        let ended = run(&home, &[words, &["-v"]].concat()).await;
        assert!(ended.stderr.contains("WARN") && ended.stderr.contains("bad.json"), "{words:?}: {ended:?}");
    }
    let log = home.path().join("command.log");
    let ended = run(&home, &["tools", "shop", "--log-file", log.to_str().unwrap()]).await;
    assert_eq!(ended.stderr, "");
    assert!(std::fs::read_to_string(&log).unwrap().contains("bad.json"));
    let ended = run(&home, &["doctor"]).await;
    assert!(ended.stderr.is_empty() && ended.stdout.contains("bad.json is refused"), "{ended:?}");

    // What is wrong in the user's own files may change the answer.
    std::fs::write(home.data().join("config.toml"), "servers = 7\n").unwrap();
    let ended = run(&home, &["tools", "shop"]).await;
    assert!(ended.code == Some(0) && ended.stderr.starts_with("warning: "), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[tokio::test]
async fn logs_go_to_the_file_that_was_asked_for() {
    let home = Home::new();
    let log = home.path().join("hub.log");
    let hub =
        Hub::start(&home, HubOptions::args(&["--log-level", "debug", "--log-file", log.to_str().unwrap()]))
            .await;
    hub.end_quietly().await;
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("DEBUG") && !text.contains('\x1b'), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
