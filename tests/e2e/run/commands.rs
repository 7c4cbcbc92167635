//! `logs`, `stop`, `restart` and `wait` as a person uses them beside a running project.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::{Run, bare, command, project};
use crate::{
    cli::checked,
    support::{Home, expect},
};

const TALK: &str = "
console.log('hello \\x1b[32mgreen\\x1b[0m');
console.error('trouble');
console.log('ready');
setInterval(() => {}, 1e6);";

/// A command of this program that works in the project.
fn beside(home: &Home, directory: &Path, arguments: &[&str]) -> Command {
    let mut command = bare(home);
    command.args(arguments).current_dir(directory);
    command
}

/// Runs it to its end: code, standard output, standard error.
async fn ended(mut command: Command) -> (Option<i32>, String, String) {
    let output = expect("the command ends", command.output()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn the_log_is_shown_and_followed_and_scripts_are_restarted_and_stopped() {
    let home = Home::new();
    let directory = project(&home, &[("talk", "node talk.js")], &[("talk.js", TALK)]);
    let run = Run::start(command(&home, &directory, &["talk"]));
    run.prints("ready").await;
    let of = |arguments: &[&str]| ended(beside(&home, &directory, arguments));

    let (code, _, said) = of(&["wait", ".", "--log", "ready", "--timeout", "30s"]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, printed, said) = of(&["logs"]).await;
    assert_eq!((code, said.as_str()), (Some(0), ""), "{printed}");
    for line in ["talk | hello green", "talk ! trouble", "talk | ready"] {
        assert!(printed.lines().any(|printed| printed == line), "{line:?}: {printed}");
    }
    let (_, printed, _) = of(&["logs", "shop", "--script", "talk", "-n", "1", "--json"]).await;
    let entry = checked("logs", &printed);
    assert_json!(entry, "/processName", "talk");
    let (code, _, said) = of(&["logs", "--script", "nothing"]).await;
    assert_eq!(code, Some(3), "{said}");

    let mut following =
        beside(&home, &directory, &["logs", "-f", "-n", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let (code, printed, said) = of(&["restart", ".", "talk"]).await;
    assert_eq!((code, said.as_str()), (Some(0), ""), "{printed}");
    expect("the new lines", async {
        while lines.next_line().await.unwrap().expect("it follows") != "talk | ready" {}
    })
    .await;
    following.kill().await.unwrap();

    let (code, _, said) = of(&["wait", ".", "--log", "never", "--timeout", "1s"]).await;
    assert_eq!(code, Some(124), "{said}");
    let (code, printed, said) = of(&["stop", "shop", "talk"]).await;
    assert_eq!((code, said.as_str()), (Some(0), ""), "{printed}");
    let (code, _, said) = of(&["restart", "shop"]).await;
    assert_eq!((code, said.as_str()), (Some(0), "no script is running\n"));

    #[cfg(unix)]
    {
        let (code, printed, said) = of(&["stop", "."]).await;
        assert_eq!((code, printed.as_str()), (Some(0), "shop has ended\n"), "{said}");
        assert_eq!(run.end().await.code, Some(0));
    }
    let (code, _, said) = of(&["logs"]).await;
    if cfg!(unix) {
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("`brummer-hub run` is not running here\nhint: "), "{said}");
    }
}
