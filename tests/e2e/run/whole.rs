//! `run --exit` into a pipe: all that is printed is there, however slowly it is read.

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::{Client, command, gather, has, project};
use crate::support::{Home, expect};

const LINES: usize = 1_000_000;

/// Prints a million lines, far more than all that is between it and who reads can hold.
const MANY: &str =
    "let text = ''; for (let n = 0; n < 1e6; n += 1) text += `line ${n}\\n`; process.stdout.write(text);";

#[tokio::test]
async fn nothing_is_lost_however_slowly_it_is_read() {
    let home = Home::new();
    let directory = project(&home, &[], &[("many.js", MANY)]);
    let mut child = command(&home, &directory, &["--exit", "--", "node", "many.js"]).spawn().unwrap();
    let said = gather(child.stderr.take().unwrap());
    let mut stdout = child.stdout.take().unwrap();
    // Nobody reads yet, while the script prints.
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "line " })).await;
    let read = async {
        let (mut expected, mut rest, mut chunk) = (0, Vec::new(), [0; 4096]);
        loop {
            let read = stdout.read(&mut chunk).await.unwrap();
            if read == 0 {
                break (expected, rest);
            }
            rest.extend_from_slice(&chunk[..read]);
            let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            for line in String::from_utf8(rest.drain(..end).collect()).unwrap().lines() {
                let text = line.split_once("| ").unwrap().1;
                assert_eq!(text, format!("line {expected}"));
                expected += 1;
            }
            tokio::task::yield_now().await;
        }
    };
    let (read, rest) = expect("all is read", read).await;
    assert_eq!((read, rest), (LINES, Vec::new()));
    assert_eq!(expect("the run ends", child.wait()).await.unwrap().code(), Some(0));
    let said = has(&said, "ended").await;
    assert!(!said.contains("not shown"), "{said}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_what_is_shown_and_not_the_script_nor_its_log() {
    let home = Home::new();
    let print = "for (let n = 0; n < 50000; n += 1) console.log('line ' + n);";
    let directory = project(&home, &[], &[("print.js", print)]);
    let logs = home.path().join("logs");
    let arguments = ["--exit", "--log-dir", logs.to_str().unwrap(), "--", "node", "print.js"];
    let mut child = command(&home, &directory, &arguments).spawn().unwrap();
    let said = gather(child.stderr.take().unwrap());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = expect("a line", lines.next_line()).await.unwrap().unwrap();
    assert!(first.ends_with("| line 0"), "{first}");
    drop(lines);
    assert_eq!(expect("the run ends", child.wait()).await.unwrap().code(), Some(0));
    let said = has(&said, "ended").await;
    assert!(!said.contains("warning"), "{said}");
    let log = std::fs::read_dir(&logs).unwrap().next().unwrap().unwrap().path();
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains(" | line ")).count(), 50_000);
    assert!(log.ends_with(" | line 49999\n"), "{}", &log[log.len() - 100..]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_it_though_nobody_reads() {
    let home = Home::new();
    let directory = project(&home, &[], &[("many.js", MANY)]);
    let mut run = command(&home, &directory, &["--exit", "--", "node", "many.js"]);
    let mut child = run.stderr(std::process::Stdio::null()).spawn().unwrap();
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "line " })).await;
    crate::support::signal(child.id().unwrap(), rustix::process::Signal::INT);
    assert_eq!(expect("the run ends", child.wait()).await.unwrap().code(), Some(130));
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn what_a_person_says_of_colours_reaches_scripts_as_it_is() {
    let home = Home::new();
    let directory = project(&home, &[], &[]);
    for value in ["0", "1", "2", "3"] {
        let print = "console.log(`\\x1b[31m<${process.env.FORCE_COLOR}>`)";
        let mut run = command(&home, &directory, &["--exit", "--", "node", "-e", print]);
        run.env("FORCE_COLOR", value);
        let output = expect("the run ends", run.output()).await.unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        // It is for the script; what is piped has no colours all the same.
        assert!(shown.contains(&format!("| <{value}>\n")) && !shown.contains('\x1b'), "{value}: {shown:?}");
    }
}
