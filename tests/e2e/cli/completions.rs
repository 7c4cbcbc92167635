//! `completions` as the shells take them, and the manual.

use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use super::run;
use crate::support::{Behaviour, Fake, Home, expect};

/// What makes each shell load the script, and complete the beginning of a command with it.
const SHELLS: [(&str, &str); 3] = [
    (
        "bash",
        "source \"$1\"; COMP_WORDS=(brummer-hub unins); COMP_CWORD=1; COMP_TYPE=9; \
         _clap_complete_brummer_hub brummer-hub unins brummer-hub; echo \"${COMPREPLY[@]}\"",
    ),
    // Its completions need a terminal; that the script is loaded must do.
    ("zsh", "autoload -U compinit; compinit -u -d \"$1.dump\"; source \"$1\" && echo uninstall"),
    ("fish", "source $argv[1]; complete -C 'brummer-hub unins'"),
];

/// What is offered for the last of these words.
async fn offered(home: &Home, words: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brummer-hub"));
    let data = home.data();
    let line = ["brummer-hub", "--data-dir", data.to_str().unwrap()];
    command.arg("--").args(line).args(words);
    let index = (line.len() + words.len() - 1).to_string();
    command.env("_BRUMMER_HUB_COMPLETE", "bash").env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", index);
    command.env("_CLAP_COMPLETE_COMP_TYPE", "9").current_dir(home.project("here"));
    let output = expect("the candidates", command.output()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn what_runs_is_offered_to_the_shell() {
    let home = Home::new();
    let tools = json!({ "tools": [
        { "name": "find", "description": "Finds things.", "inputSchema": { "properties": {
            "query": { "type": "string" }, "level": { "enum": ["info", "warn"] }, "regex": { "type": "boolean" },
        } } },
        { "name": "file", "inputSchema": {} },
    ] });
    let fake = Fake::start(Behaviour::bare().always("tools/list", tools)).await;
    home.announce("shop", fake.port);
    assert_eq!(offered(&home, &["call", "s"]).await, ["shop"]);
    assert_eq!(offered(&home, &["call", "shop", "f"]).await, ["find", "file"]);
    assert_eq!(offered(&home, &["call", "shop", "find", "q"]).await, ["query="]);
    assert_eq!(offered(&home, &["call", "shop", "find", "level=w"]).await, ["level=warn"]);
    assert_eq!(offered(&home, &["call", "shop", "find", "regex="]).await, ["regex=true", "regex=false"]);
    assert!(offered(&home, &["call", "nobody", "f"]).await.is_empty());
    assert!(offered(&home, &["tools", ""]).await.contains(&".".to_owned()));
    assert_eq!(offered(&home, &["install", "claude-c"]).await, ["claude-code"]);
    assert!(!offered(&home, &[""]).await.contains(&"guard".to_owned()));
}

#[tokio::test]
async fn the_shells_that_are_there_load_their_completions() {
    let home = Home::new();
    for (shell, load) in SHELLS {
        if !is_installed(shell) {
            eprintln!("{shell} is not installed; its completions are not tried");
            continue;
        }
        let ended = run(&home, &["completions", shell]).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        let script = home.path().join(shell);
        std::fs::write(&script, ended.stdout).unwrap();
        let mut command = Command::new(shell);
        command.arg("-c").arg(load);
        if shell != "fish" {
            command.arg(shell);
        }
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_brummer-hub"));
        let path = std::env::join_paths(
            [program.parent().unwrap().to_owned()]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        command.arg(&script).env("HOME", home.path()).env("PATH", path.unwrap()).stdin(Stdio::null());
        let output = expect("the shell", command.output()).await.unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && printed.contains("uninstall"), "{shell}: {output:?}");
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    cfg!(unix) && std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

#[tokio::test]
async fn there_is_a_manual_page_for_every_command() {
    let home = Home::new();
    let ended = run(&home, &["man"]).await;
    assert!(ended.code == Some(0) && ended.stdout.contains(".TH brummer-hub 1"), "{ended:?}");
    let out = home.path().join("man1");
    assert_eq!(run(&home, &["man", "--out", out.to_str().unwrap()]).await.code, Some(0));
    for page in ["brummer-hub.1", "brummer-hub-install.1", "brummer-hub-call.1"] {
        assert!(out.join(page).is_file(), "{page}");
    }
    assert!(!out.join("brummer-hub-guard.1").exists());
}
