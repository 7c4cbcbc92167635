//! Scripts on a pseudo terminal.

use brummer_hub::process::wait_for_exit;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Client, Run, command, project};
use crate::support::{Home, expect};

/// Tells what it is connected to, in colours where there are any to be shown.
const TELL: &str = "
const streams = [process.stdin, process.stdout, process.stderr].map((stream) => !!stream.isTTY);
console.log('streams', JSON.stringify(streams), 'columns', process.stdout.columns);
if (process.stdout.hasColors()) console.log('\\x1b[31mred\\x1b[39m \\x1b]0;title\\x07words');
console.error('and an error');
setInterval(() => {}, 1e6);";

#[tokio::test]
async fn a_script_with_a_terminal_has_colours_which_are_not_in_the_log() {
    let home = Home::new();
    let directory = project(&home, &[("tell", "node tell.js")], &[("tell.js", TELL)]);
    let run = Run::start(command(&home, &directory, &["--pty", "tell"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "and an error" })).await;
    let lines = client.lines(json!({ "processId": "tell" })).await;
    assert!(lines.contains(&"streams [true,true,true] columns 160".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"red words".to_owned()), "{lines:#?}");
    let page = client.tool("logs_search", json!({ "query": "red words", "ansi": true })).await;
    assert_json!(page, "/entries/0/content", "\u{1b}[0;31mred\u{1b}[0m words");
    let printed = run.prints("red words").await;
    assert!(!printed.contains('\u{1b}'), "{printed}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn without_the_switch_a_script_has_pipes() {
    let home = Home::new();
    let directory =
        project(&home, &[("tell", "node tell.js")], &[("tell.js", "console.log(process.stdout.isTTY)")]);
    let _run = Run::start(command(&home, &directory, &["tell"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "undefined", "exit": "tell" })).await;
    let said = client.refused("scripts_input", json!({ "processId": "tell", "key": "ctrl-c" })).await;
    assert!(said.contains("use scripts_stop, or start `run` with --pty"), "{said}");
    client.hub.end_quietly().await;
}

/// A bar of one line, then one of two lines.
const BARS: &str = "
let percent = 0;
const write = (text) => process.stdout.write(text);
const one = setInterval(() => {
    write('\\r\\x1b[2Kloading ' + (percent += 10) + ' %');
    if (percent < 100) return;
    clearInterval(one);
    write('\\nloaded\\n\\x1b[?25l');
    let step = 0;
    const two = setInterval(() => {
        if (step) write('\\x1b[2A\\x1b[0J');
        write('step ' + step + '\\nof ten\\n');
        if (step++ < 10) return;
        clearInterval(two);
        write('\\x1b[?25hall done\\n');
    }, 20);
}, 20);";

#[tokio::test]
async fn redraws_are_folded_into_what_they_leave() {
    let home = Home::new();
    let directory = project(&home, &[("bars", "node bars.js")], &[("bars.js", BARS)]);
    let run = Run::start(command(&home, &directory, &["--pty", "--exit", "bars"]));
    let ended = run.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<_> =
        ended.stdout.lines().filter_map(|line| line.split_once(" | ")).map(|(_, line)| line).collect();
    let said: Vec<_> = lines.iter().filter(|line| !line.is_empty() && !line.starts_with('>')).collect();
    assert_eq!(said, [&"loading 100 %", &"loaded", &"step 10", &"of ten", &"all done"], "{lines:#?}");
}

/// Asks as programs do that want a terminal: by keys, by lines, and without showing what is typed.
const ASK: &str = "
const { stdin } = process;
process.stdout.write('Press a key ');
stdin.setRawMode(true);
stdin.once('data', (key) => {
    stdin.setRawMode(false);
    console.log('\\nkey ' + JSON.stringify(String(key)));
    process.stdout.write('Name: ');
    stdin.once('data', (line) => {
        console.log('line ' + JSON.stringify(String(line)));
        process.on('SIGINT', () => { console.log('interrupted'); process.exit(7); });
        console.log('waiting');
    });
});";

#[tokio::test]
async fn keys_and_lines_reach_a_script_as_from_a_keyboard() {
    let home = Home::new();
    let directory = project(&home, &[("ask", "node ask.js")], &[("ask.js", ASK)]);
    let _run = Run::start(command(&home, &directory, &["--pty", "ask"]));
    let client = Client::of(&home, &directory).await;
    let enter = async |input: Value| client.tool("scripts_input", input).await;
    client.wait(json!({ "log": "Press a key" })).await;
    enter(json!({ "processId": "ask", "key": "up" })).await;
    client.wait(json!({ "log": "key \"\\u001b[A\"" })).await;
    client.wait(json!({ "log": "Name:" })).await;
    enter(json!({ "processId": "ask", "text": "shop" })).await;
    client.wait(json!({ "log": "line \"shop\\n\"" })).await;
    client.wait(json!({ "log": "waiting" })).await;
    enter(json!({ "processId": "ask", "key": "ctrl-c" })).await;
    client.wait(json!({ "log": "interrupted", "exit": "ask" })).await;
    let lines = client.lines(json!({ "processId": "ask" })).await;
    assert!(!lines.contains(&"shop".to_owned()), "what was typed is not what the script says: {lines:#?}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn the_end_of_a_script_with_a_terminal_has_its_code_and_all_it_has_said() {
    let home = Home::new();
    let many = "for (let i = 0; i < 2000; i++) console.log('line ' + i); process.exitCode = 3;";
    let directory = project(&home, &[("many", "node many.js")], &[("many.js", many)]);
    let ended = Run::start(command(&home, &directory, &["--pty", "--exit", "many"])).end().await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert_eq!(ended.stdout.matches("| line ").count(), 2000);
    assert!(ended.stdout.contains("| line 1999\n"));
}

/// A grandchild in a session of its own, and one that has only left the group; both are deaf.
const CHILDREN: &str = "
const { spawn } = require('child_process');
const deaf = `for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT']) process.on(signal, () => {}); console.log(process.argv[1], process.pid); setInterval(() => {}, 1e6)`;
spawn(process.execPath, ['-e', deaf, 'apart'], { stdio: 'inherit', detached: true });
spawn(process.execPath, ['-e', deaf, 'child'], { stdio: 'inherit' });
setInterval(() => {}, 1e6);";

#[tokio::test]
async fn nothing_of_a_script_with_a_terminal_stays_behind() {
    for wanted in [Signal::TERM, Signal::KILL] {
        let home = Home::new();
        let directory = project(&home, &[("dev", "node dev.js")], &[("dev.js", CHILDREN)]);
        let run = Run::start(command(&home, &directory, &["--pty", "dev"]));
        let client = Client::of(&home, &directory).await;
        let pids = [client.number("apart ").await, client.number("child ").await];
        if wanted == Signal::TERM {
            let stopped =
                client.tool("scripts_stop", json!({ "processId": "dev", "graceSeconds": 0.2 })).await;
            assert_json!(stopped, "/success", true);
        } else {
            run.signal(wanted);
        }
        for pid in pids {
            expect("a process of the script has ended", wait_for_exit(pid)).await;
        }
        client.hub.end().await;
    }
}
