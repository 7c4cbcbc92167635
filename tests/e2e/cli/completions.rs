//! `completions` as the shells take them, and the manual.

use std::process::Stdio;

use tokio::process::Command;

use super::run;
use crate::support::{Home, expect};

/// What makes each shell load the script and complete the beginning of a command with it.
const SHELLS: [(&str, &str); 3] = [
    (
        "bash",
        "source \"$1\"; COMP_WORDS=(brummer-hub unins); COMP_CWORD=1; _brummer__hub brummer-hub unins brummer-hub; \
         echo \"${COMPREPLY[@]}\"",
    ),
    // Its completions need a terminal; that the script is loaded must do.
    (
        "zsh",
        "autoload -U compinit; compinit -u -d \"$1.dump\"; source \"$1\"; whence -w _brummer-hub && echo uninstall",
    ),
    ("fish", "source $argv[1]; complete -C 'brummer-hub unins'"),
];

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
        command.arg(&script).env("HOME", home.path()).stdin(Stdio::null());
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
