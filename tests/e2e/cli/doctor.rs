//! `doctor`: it sees what is wrong, repairs what it can, and shows nothing that is nobody's business.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{Cli, Ended, checked, command};
use crate::support::{Behaviour, Fake, Home};

const PROGRAM: &str = env!("CARGO_BIN_EXE_brummer-hub");

/// `brummer-hub` on a machine with nothing in `PATH`.
fn alone(home: &Home, arguments: &[&str]) -> Command {
    let mut command = command(home, arguments);
    command.env("PATH", home.path().join("bin"));
    command
}

async fn run(home: &Home, arguments: &[&str]) -> Ended {
    Cli::start(alone(home, arguments)).end().await
}

fn cursor(home: &Home) -> PathBuf {
    home.path().join(".cursor/mcp.json")
}

fn configure(home: &Home, entry: &Value) {
    fs::create_dir_all(home.path().join(".cursor")).unwrap();
    fs::write(cursor(home), json!({ "mcpServers": { "brummer-hub": entry } }).to_string()).unwrap();
}

#[tokio::test]
async fn a_healthy_machine_has_no_problem_and_shows_no_home_directory() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    home.announce("shop", fake.port);
    configure(&home, &json!({ "command": PROGRAM, "args": ["--mcp", "--data-dir", home.data()] }));
    let ended = run(&home, &["doctor"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    for wanted in [
        &format!("brummer-hub {} on ", env!("CARGO_PKG_VERSION")),
        &format!(
            "shop active, port {}, process {}, MCP 2025-11-25 (legacy), ",
            fake.port,
            std::process::id()
        ),
        "Cursor (~",
        "its hub starts and sees what this one sees",
        "no problem was found",
    ] {
        assert!(ended.stdout.contains(wanted), "{wanted:?}: {ended:?}");
    }
    assert!(!ended.stdout.contains(home.path().to_str().unwrap()), "{ended:?}");
    let ended = run(&home, &["doctor", "--json"]).await;
    let printed = checked("doctor", &ended.stdout);
    assert_json!(printed, "/problems", 0);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_repaired() {
    let home = Home::new();
    let instances = home.data().join("instances");
    fs::create_dir_all(&instances).unwrap();
    let refused = instances.join("bad.json");
    fs::write(&refused, "{").unwrap();
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(&refused).unwrap().set_modified(an_hour_ago).unwrap();
    #[cfg(unix)]
    let pipe = instances.join("pipe.json");
    #[cfg(unix)]
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let old = home.path().join("old/brummer-hub");
    configure(&home, &json!({ "command": old, "args": ["--mcp"], "env": { "API_KEY": "s3cret" } }));
    #[cfg(unix)]
    fs::set_permissions(&instances, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();

    let ended = run(&home, &["doctor"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for wanted in [
        "bad.json is refused: ",
        ")\n           `brummer-hub install cursor`",
        "its hub does not start: ",
        "`brummer-hub doctor --fix` repairs ",
    ] {
        assert!(ended.stdout.contains(wanted), "{wanted:?}: {ended:?}");
    }
    assert!(cfg!(windows) || ended.stdout.contains("PROBLEM  others may write into "), "{ended:?}");
    assert!(cfg!(windows) || ended.stdout.contains("pipe.json is not taken: "), "{ended:?}");
    #[cfg(unix)]
    fs::remove_file(pipe).unwrap();
    assert!(!ended.stdout.contains("s3cret"), "{ended:?}");
    assert!(
        refused.exists() && fs::read_to_string(cursor(&home)).unwrap().contains("old"),
        "nothing was changed"
    );

    let ended = run(&home, &["doctor", "--fix"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.matches("  FIXED").count(), if cfg!(windows) { 2 } else { 3 }, "{ended:?}");
    assert!(!refused.exists());
    let entry: Value = serde_json::from_str(&fs::read_to_string(cursor(&home)).unwrap()).unwrap();
    assert_json!(entry, "/mcpServers/brummer-hub/command", PROGRAM);
    assert_json!(entry, "/mcpServers/brummer-hub/env/API_KEY", "s3cret");
    let ended = run(&home, &["doctor"]).await;
    assert!(ended.code == Some(0) && !ended.stdout.contains("FIXED"), "{ended:?}");
}

#[tokio::test]
async fn a_client_whose_hub_looks_elsewhere_is_found_out() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    home.announce("shop", fake.port);
    configure(
        &home,
        &json!({ "command": PROGRAM, "args": ["--mcp", "--data-dir", home.path().join("other")] }),
    );
    let ended = run(&home, &["doctor"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("its hub does not see 1 of 1 instances"), "{ended:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_hub_that_ends_at_once_is_shown_with_its_code_and_its_last_words() {
    let home = Home::new();
    let script = home.path().join("brummer-hub");
    fs::write(
        &script,
        "#!/bin/sh\necho first >&2\necho 'cannot start: password=hunter2secret' >&2\nexit 7\n",
    )
    .unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    configure(&home, &json!({ "command": script, "args": ["--mcp"] }));
    let ended = run(&home, &["doctor"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let wanted = "its hub does not start: it ended at once (exit status: 7): cannot start: password=";
    assert!(ended.stdout.contains(wanted), "{ended:?}");
    assert!(!ended.stdout.contains("hunter2secret") && !ended.stdout.contains("first"), "{ended:?}");
}

/// What README and users put into an entry is no problem while the hub works.
#[tokio::test]
async fn an_entry_of_the_users_own_that_works_is_right() {
    let home = Home::new();
    let (shop, other) = (Fake::start(Behaviour::default()).await, Fake::start(Behaviour::default()).await);
    home.announce("shop", shop.port);
    let data = home.data();
    let data = data.to_str().unwrap();
    let log = home.path().join("hub.log");
    for options in [
        &["--log-level", "debug", "--log-file", log.to_str().unwrap()][..],
        &["--tools", "hub"],
        &["--only", "label=none"],
        &["--no-auto-connect", "-v"],
    ] {
        let args = [&["--mcp", "--data-dir", data][..], options].concat();
        configure(&home, &json!({ "command": PROGRAM, "args": args }));
        let before = fs::read_to_string(cursor(&home)).unwrap();
        let ended = run(&home, &["doctor", "--fix"]).await;
        assert_eq!(ended.code, Some(0), "{options:?}: {ended:?}");
        let wanted = match options[0] {
            "--only" => "its hub starts, and sees 0 of 1 instances by its own options",
            _ => "its hub starts and sees what this one sees",
        };
        assert!(ended.stdout.contains(wanted), "{options:?}: {ended:?}");
        assert_eq!(fs::read_to_string(cursor(&home)).unwrap(), before, "{options:?}");
    }
    // Without the directory it sees another instance, or none: `install` can put that right, and keeps what is the user's.
    home.announce("other", other.port);
    configure(&home, &json!({ "command": PROGRAM, "args": ["--mcp", "--tools", "hub"] }));
    let ended = run(&home, &["doctor", "--fix"]).await;
    assert!(ended.stdout.contains("FIXED    Cursor"), "{ended:?}");
    let entry: Value = serde_json::from_str(&fs::read_to_string(cursor(&home)).unwrap()).unwrap();
    assert_json!(entry, "/mcpServers/brummer-hub/args", ["--mcp", "--tools", "hub", "--data-dir", data]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_release_that_the_entry_names_is_the_users_choice() {
    let home = Home::new();
    let npx = home.path().join("bin/npx");
    fs::create_dir_all(npx.parent().unwrap()).unwrap();
    let answers = [
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "serverInfo": { "version": "0.0.9" } } }),
        json!({ "jsonrpc": "2.0", "id": 2, "result": { "structuredContent": { "instances": [] } } }),
    ];
    let [first, second] = answers.map(|answer| answer.to_string());
    let script = format!("#!/bin/sh\necho '{first}'\necho '{second}'\nwhile read -r line; do :; done\n");
    fs::write(&npx, script).unwrap();
    fs::set_permissions(&npx, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (package, code, wanted) in [
        (
            "brummer-hub@0.0.9",
            0,
            "note     Cursor (~/.cursor/mcp.json): its hub starts, with the version that its entry names: 0.0.9",
        ),
        ("brummer-hub", 1, "PROBLEM  Cursor (~/.cursor/mcp.json): its hub has version 0.0.9"),
    ] {
        configure(
            &home,
            &json!({ "command": "npx", "args": ["-y", package, "--mcp", "--data-dir", home.data()] }),
        );
        let ended = run(&home, &["doctor"]).await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stdout.contains(wanted), "{ended:?}");
    }
}

#[tokio::test]
async fn the_error_of_a_hub_that_does_not_start_is_told() {
    let home = Home::new();
    configure(&home, &json!({ "command": PROGRAM, "args": ["--mcp", "--bogus"] }));
    let ended = run(&home, &["doctor"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains(": error: unexpected argument '--bogus' found\n"), "{ended:?}");
    // The form that Zed had.
    configure(
        &home,
        &json!({ "command": { "path": PROGRAM, "args": ["--mcp", "--data-dir", home.data()] } }),
    );
    let ended = run(&home, &["doctor"]).await;
    assert!(ended.code == Some(0) && ended.stdout.contains("its hub starts and sees"), "{ended:?}");
}

/// Files of the project and of the user that nobody writes, and programs that wait for them.
#[cfg(unix)]
#[tokio::test]
async fn what_does_not_answer_is_named_and_holds_nothing_up_for_long() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    home.announce("shop", fake.port);
    let here = home.project("here");
    for file in [".npmrc", ".brummer.toml", "package.json", "config.toml", ".git", "node_modules/.vite"] {
        for directory in [&here, &home.path(), &home.data()] {
            let pipe = directory.join(file);
            fs::create_dir_all(pipe.parent().unwrap()).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        }
    }
    fs::create_dir_all(home.path().join(".codex")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(home.path().join(".codex/config.toml")).status();
    assert!(made.unwrap().success());
    fs::create_dir_all(home.path().join("bin")).unwrap();
    for program in ["npm", "npx"] {
        let path = home.path().join("bin").join(program);
        fs::write(&path, "#!/bin/sh\nread -r line < .npmrc\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    configure(&home, &json!({ "command": "npx", "args": ["-y", "brummer-hub", "--mcp"] }));
    let ended = run(&home, &["doctor"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for wanted in [
        "npm does not say its version within ",
        "here/.npmrc is no regular file: npm and npx wait until it says something",
        "Codex (~/.codex/config.toml) cannot be read: it is not a file",
        ".brummer.toml: the file is refused: ",
        "its hub does not start: it did not answer within ",
        "shop active, ",
    ] {
        assert!(ended.stdout.contains(wanted), "{wanted:?}: {ended:?}");
    }
}
