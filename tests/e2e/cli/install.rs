//! `install` and `uninstall` with the files of clients in a home directory of their own.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{Cli, Ended, checked, command, command_of};
use crate::support::Home;

const PROGRAM: &str = env!("CARGO_BIN_EXE_brummer-hub");

/// A user's machine: no client is found but by what the test puts there.
struct Machine {
    home: Home,
}

impl Machine {
    fn new() -> Self {
        let home = Home::new();
        fs::create_dir_all(home.path().join("bin")).unwrap();
        Self { home }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(&self.home, arguments);
        command.env("PATH", self.path("bin"));
        command
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        Cli::start(self.command(arguments)).end().await
    }

    /// What the hub's entry in a plain file must be.
    fn entry(&self) -> Value {
        json!({ "command": PROGRAM, "args": ["--mcp", "--data-dir", self.home.data()] })
    }
}

#[tokio::test]
async fn every_client_that_is_found_is_configured_once_and_can_be_taken_back() {
    let machine = Machine::new();
    let cursor = "{\n    // mine\n    \"mcpServers\": {\n        \"x\": { \"command\": \"y\" }\n    }\n}\n";
    let codex = "# top\r\nmodel = \"x\"\r\n";
    let goose = "GOOSE_MODEL: x # why\n";
    let files = [
        (".cursor/mcp.json", cursor),
        (".codex/config.toml", codex),
        (
            if cfg!(windows) {
                "AppData/Block/goose/config/config.yaml"
            } else {
                ".config/goose/config.yaml"
            },
            goose,
        ),
    ];
    for (path, text) in files {
        machine.write(path, text);
    }

    let planned = machine.run(&["install", "--dry-run"]).await;
    assert_eq!((planned.code, planned.stderr.as_str()), (Some(0), ""), "{planned:?}");
    assert!(planned.stdout.contains("+            \"args\": [\"--mcp\""), "{planned:?}");
    for (path, text) in files {
        assert_eq!(machine.text(path), text, "a dry run changes nothing");
    }

    let ended = machine.run(&["install"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let names: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["codex", "cursor", "goose"], "{ended:?}");
    for (path, text) in files {
        let now = machine.text(path);
        assert!(now.contains("brummer-hub") && now != text, "{now}");
        assert_eq!(machine.text(&format!("{path}.brummer-hub.bak")), text);
    }
    assert!(machine.text(".cursor/mcp.json").contains("// mine"));
    assert!(machine.text(".codex/config.toml").contains("\"--tools\", \"all\""), "what this client needs");

    let written: Vec<String> = files.iter().map(|(path, _)| machine.text(path)).collect();
    let again = machine.run(&["install"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(again.stdout.matches("configured already").count(), 3, "{again:?}");
    assert_eq!(files.iter().map(|(path, _)| machine.text(path)).collect::<Vec<_>>(), written);

    let listed = machine.run(&["install", "--list", "--json"]).await;
    let listed = checked("install", &listed.stdout);
    for client in listed["clients"].as_array().unwrap() {
        let there = ["codex", "cursor", "goose"].contains(&client["id"].as_str().unwrap());
        assert_eq!(client["configured"], there, "{client}");
        assert_eq!(client["state"], if there { "configured" } else { "not found" }, "{client}");
    }

    let ended = machine.run(&["uninstall"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    for (path, text) in files {
        assert_eq!(machine.text(path), text, "byte for byte");
        assert!(!machine.path(&format!("{path}.brummer-hub.bak")).exists());
    }
    let ended = machine.run(&["uninstall"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
}

#[tokio::test]
async fn a_client_that_is_named_is_configured_though_it_is_not_found() {
    let machine = Machine::new();
    let nothing = machine.run(&["install"]).await;
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    assert!(nothing.stderr.contains("hint: name yours"), "{nothing:?}");
    let planned = machine.run(&["install", "--dry-run"]).await;
    assert_eq!((planned.code, &planned.stderr), (Some(1), &nothing.stderr), "{planned:?}");
    assert!(
        planned.stderr.contains("`brummer-hub install amp`; those that are known are amp, "),
        "{planned:?}"
    );

    let ended = machine.run(&["install", "Cursor", "lm-studio"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for path in [".cursor/mcp.json", ".lmstudio/mcp.json"] {
        assert_eq!(machine.json(path)["mcpServers"]["brummer-hub"], machine.entry());
    }
    // What it has written alone goes whole.
    assert_eq!(machine.run(&["uninstall"]).await.code, Some(0));
    assert!(!machine.path(".cursor/mcp.json").exists());

    let unknown = machine.run(&["install", "emacs"]).await;
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown.stderr.contains("there is no client `emacs`\nhint: the clients are amp, "),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_changed_safely_is_not_touched_and_the_user_told_what_to_add() {
    let machine = Machine::new();
    machine.write(".cursor/mcp.json", "{\"mcpServers\": ");
    machine.write(".warp/.mcp.json", "{}");
    let ended = machine.run(&["install"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("it does not parse: "), "{ended:?}");
    assert!(ended.stdout.contains("add this to it yourself:\n    {\n      \"mcpServers\": {"), "{ended:?}");
    assert_eq!(machine.text(".cursor/mcp.json"), "{\"mcpServers\": ");
    assert!(!machine.path(".cursor/mcp.json.brummer-hub.bak").exists());
    assert_eq!(
        machine.json(".warp/.mcp.json")["mcpServers"]["brummer-hub"],
        machine.entry(),
        "the others are"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn links_modes_and_read_only_files_are_respected() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let machine = Machine::new();
    machine.write("dotfiles/mcp.json", "{}\n");
    fs::set_permissions(machine.path("dotfiles/mcp.json"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir(machine.path(".cursor")).unwrap();
    symlink("../dotfiles/mcp.json", machine.path(".cursor/mcp.json")).unwrap();
    machine.write(".warp/.mcp.json", "{}\n");
    fs::set_permissions(machine.path(".warp/.mcp.json"), fs::Permissions::from_mode(0o444)).unwrap();

    let ended = machine.run(&["install"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("it is read-only"), "{ended:?}");
    assert_eq!(machine.text(".warp/.mcp.json"), "{}\n");
    assert!(machine.path(".cursor/mcp.json").symlink_metadata().unwrap().is_symlink());
    assert_eq!(machine.json("dotfiles/mcp.json")["mcpServers"]["brummer-hub"], machine.entry());
    assert_eq!(machine.path("dotfiles/mcp.json").metadata().unwrap().permissions().mode() & 0o777, 0o640);
}

#[cfg(unix)]
#[tokio::test]
async fn a_clients_own_command_is_used_and_its_file_written_when_that_fails() {
    use std::os::unix::fs::PermissionsExt as _;

    let machine = Machine::new();
    let program = |text: &str| {
        machine.write("bin/claude", &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(machine.path("bin/claude"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let data = machine.home.data();
    let written = json!({ "mcpServers": { "brummer-hub": {
        "type": "stdio", "command": PROGRAM, "args": ["--mcp", "--data-dir", data], "env": {},
    } } });
    machine.write("as-claude-writes-it.json", &format!("{written}\n"));
    program(
        "echo \"$*\" >> \"$HOME/calls\"; while read -r line; do echo \"$line\"; done < \"$HOME/as-claude-writes-it.json\" > \"$HOME/.claude.json\"",
    );
    let ended = machine.run(&["install"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("by claude mcp add --scope user brummer-hub -- "), "{ended:?}");
    assert_eq!(machine.json(".claude.json"), written);
    let add = format!("mcp add --scope user brummer-hub -- {PROGRAM} --mcp --data-dir {}\n", data.display());
    assert_eq!(machine.text("calls"), add);
    assert!(machine.run(&["install"]).await.stdout.contains("configured already"));
    assert_eq!(machine.text("calls"), add, "nothing was to be done");

    // It writes entries anew, and would lose what is in one that is there.
    let had = json!({ "mcpServers": { "brummer-hub": { "command": "npx", "args": ["brummer-hub", "--mcp"], "env": { "A": "b" } } } });
    machine.write(".claude.json", &had.to_string());
    assert_eq!(machine.run(&["install"]).await.code, Some(0));
    assert_eq!(machine.json(".claude.json")["mcpServers"]["brummer-hub"]["env"], json!({ "A": "b" }));
    assert_eq!(machine.text("calls"), add, "its file was written");

    fs::remove_file(machine.path(".claude.json")).unwrap();
    program("exit 1");
    let ended = machine.run(&["install"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(machine.json(".claude.json")["mcpServers"]["brummer-hub"]["command"], PROGRAM);
}

#[tokio::test]
async fn an_entry_is_known_whatever_the_program_is_called() {
    let machine = Machine::new();
    for name in ["hub", "brummer-hub-1.2", "brummer-hub.old"] {
        let program = machine.path(&format!("bin/{name}{}", std::env::consts::EXE_SUFFIX));
        if fs::hard_link(PROGRAM, &program).is_err() {
            fs::copy(PROGRAM, &program).unwrap();
        }
        let run = async |arguments: &[&str]| {
            let mut command = command_of(&program, &machine.home, arguments);
            command.env("PATH", machine.path("nothing"));
            Cli::start(command).end().await
        };
        let ended = run(&["install", "cursor"]).await;
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
        let entry = machine.json(".cursor/mcp.json")["mcpServers"]["brummer-hub"].clone();
        assert_json!(entry, "/command", program.to_str().unwrap());
        let ended = run(&["install", "cursor"]).await;
        assert!(ended.stdout.contains("configured already"), "{name}: {ended:?}");
        let ended = run(&["doctor"]).await;
        assert!(ended.stdout.contains("its hub starts and sees what this one sees"), "{name}: {ended:?}");
        // To one of another name it is right as well, and `install` puts that in its place.
        let ended = machine.run(&["doctor"]).await;
        assert!(ended.stdout.contains("its hub starts and sees what this one sees"), "{name}: {ended:?}");
        assert_eq!(machine.run(&["install", "cursor"]).await.code, Some(0));
        assert_eq!(machine.json(".cursor/mcp.json")["mcpServers"]["brummer-hub"], machine.entry());
        let ended = run(&["uninstall"]).await;
        assert_eq!(
            (ended.code, machine.path(".cursor/mcp.json").exists()),
            (Some(0), false),
            "{name}: {ended:?}"
        );
    }
}

#[tokio::test]
async fn a_plan_shows_no_secret_of_another_server() {
    let machine = Machine::new();
    let file = "{\n  \"mcpServers\": {\n    \"x\": { \"command\": \"y\", \"args\": [\"--token\", \"hushhush\"], \"env\": { \"API_KEY\": \"hushhush\" } }\n  }\n}\n";
    machine.write(".cursor/mcp.json", file);
    let planned = machine.run(&["install", "--dry-run"]).await;
    assert!(planned.stdout.contains("\"API_KEY\": \"[masked]\""), "{planned:?}");
    assert!(!planned.stdout.contains("hushhush"), "{planned:?}");
    assert_eq!(machine.run(&["install"]).await.code, Some(0));
    assert!(
        machine.text(".cursor/mcp.json").contains("[\"--token\", \"hushhush\"]"),
        "the file itself has it still"
    );
}

#[tokio::test]
async fn options_that_the_user_has_given_the_hub_stay() {
    let machine = Machine::new();
    let entry = json!({ "command": "npx", "args": ["-y", "brummer-hub", "--mcp", "--log-level", "debug"], "env": { "A": "b" } });
    machine.write(".cursor/mcp.json", &json!({ "mcpServers": { "brummer-hub": entry } }).to_string());
    let said = "    your own options stay: --log-level debug\n";
    let planned = machine.run(&["install", "--dry-run"]).await;
    assert!(planned.code == Some(0) && planned.stdout.contains(said), "{planned:?}");
    let ended = machine.run(&["install"]).await;
    assert!(ended.code == Some(0) && ended.stdout.contains(said), "{ended:?}");
    let now = &machine.json(".cursor/mcp.json")["mcpServers"]["brummer-hub"];
    let args = json!(["--mcp", "--log-level", "debug", "--data-dir", machine.home.data()]);
    assert_eq!(*now, json!({ "command": PROGRAM, "args": args, "env": { "A": "b" } }));
    let again = machine.run(&["install"]).await;
    assert!(again.stdout.contains("configured already") && again.stdout.contains(said), "{again:?}");

    // A release that is named stays, too.
    let args = json!(["-y", "brummer-hub@0.0.9", "--mcp", "--data-dir", machine.home.data()]);
    let entry = json!({ "mcpServers": { "brummer-hub": { "command": "npx", "args": args } } });
    machine.write(".cursor/mcp.json", &entry.to_string());
    let ended = machine.run(&["install"]).await;
    assert!(ended.stdout.contains("configured already"), "{ended:?}");
    assert_eq!(machine.json(".cursor/mcp.json"), entry);
}

#[tokio::test]
async fn an_entry_that_is_turned_off_is_said_to_be_so_each_time() {
    let machine = Machine::new();
    let entry = json!({ "command": "npx", "args": ["-y", "brummer-hub", "--mcp"], "disabled": true });
    machine.write(".cursor/mcp.json", &json!({ "mcpServers": { "brummer-hub": entry } }).to_string());
    for _ in 0..2 {
        let ended = machine.run(&["install"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.starts_with("cursor  turned off  "), "{ended:?}");
        assert!(ended.stdout.contains("    it is configured, and stays turned off\n"), "{ended:?}");
    }
    assert_eq!(machine.json(".cursor/mcp.json")["mcpServers"]["brummer-hub"]["command"], PROGRAM);
}

#[tokio::test]
async fn what_the_user_has_written_into_a_file_stays_when_the_hub_goes() {
    let machine = Machine::new();
    assert_eq!(machine.run(&["install", "codex"]).await.code, Some(0));
    let written = machine.text(".codex/config.toml");
    machine.write(".codex/config.toml", &format!("# my notes\n{written}# more\n"));
    let ended = machine.run(&["uninstall", "codex"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(machine.text(".codex/config.toml"), "# my notes\n# more\n");
    assert!(!machine.path(".codex/config.toml.brummer-hub.bak").exists());

    // Where a comment must go with the entry, what was there is kept.
    let written = written.replacen(']', "] # mine", 1);
    machine.write(".codex/config.toml", &written);
    let ended = machine.run(&["uninstall", "codex"]).await;
    let backup = ".codex/config.toml.brummer-hub.bak";
    assert!(ended.stdout.contains(&format!("as it was before: ~/{backup}")) || cfg!(windows), "{ended:?}");
    assert_eq!((machine.text(".codex/config.toml").as_str(), machine.text(backup)), ("", written));
}
