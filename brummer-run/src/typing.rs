//! What a person types at the terminal goes to the script that has the focus: the one that asked last, else the only one that
//! runs; `NAME: ` in front names another.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    console::Console,
    log::{Asked, Logs},
    script::{MAX_INPUT, Process, Scripts, named},
};

/// Types each line into a script, until there are no more.
pub(crate) async fn listen(
    mut typed: mpsc::Receiver<String>,
    scripts: Scripts,
    logs: Logs,
    console: Console,
    stop: CancellationToken,
) {
    loop {
        let line = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            line = typed.recv() => line,
        };
        let Some(line) = line else { return };
        let processes = scripts.list();
        let (process, text) = match focus(&processes, &logs.asking().await, &line) {
            Ok(found) => found,
            Err(why) => {
                console.note(why);
                continue;
            }
        };
        let bytes = format!("{text}\n").into_bytes();
        if bytes.len() > MAX_INPUT {
            console.note(format_args!("not typed: the line is longer than {MAX_INPUT} bytes"));
            continue;
        }
        match scripts.input(process, bytes.into()).await {
            Ok(()) => logs.answered(process).await,
            Err(error) => console.note_about(process, error),
        }
    }
}

/// Whom a line is for, and what of it. Pure.
fn focus<'a>(processes: &[Process], asking: &[Asked], line: &'a str) -> Result<(u32, &'a str), String> {
    let alive = || processes.iter().filter(|process| process.state.is_alive());
    if let Some((name, text)) = line.split_once(':') {
        let meant = named(processes, name);
        if let Some(process) = alive().find(|process| meant.contains(&process.number)) {
            return Ok((process.number, text.strip_prefix(' ').unwrap_or(text)));
        }
    }
    let asked = asking.iter().filter(|asked| alive().any(|process| process.number == asked.process));
    if let Some(asked) = asked.max_by_key(|asked| asked.at) {
        return Ok((asked.process, line));
    }
    let mut all = alive();
    match (all.next(), all.next()) {
        (Some(only), None) => Ok((only.number, line)),
        (None, _) => Err("not typed: no script runs".to_owned()),
        (Some(first), Some(_)) => Err(format!(
            "not typed: several scripts run; write the name of the one that is meant in front, as in `{}: {line}`",
            first.name
        )),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::script::{Ending, Launch, ProcessState, Running};

    fn process(number: u32, name: &str, is_alive: bool) -> Process {
        let ended = ProcessState::Ended { how: Ending::Success, at: Timestamp::UNIX_EPOCH };
        Process {
            number,
            id: format!("{name}-{number}").into(),
            name: name.into(),
            also: None,
            script: "node x".into(),
            launch: Launch::default().into(),
            grace: crate::script::DEFAULT_GRACE,
            started: Timestamp::UNIX_EPOCH,
            state: if is_alive { ProcessState::Running(Running { pid: number }) } else { ended },
        }
    }

    #[test]
    fn a_line_is_for_whoever_asked_last_or_is_alone() {
        let asked = |process, at| Asked { process, question: "Go on?".to_owned(), at };
        let old = process(1, "web", false);
        let (web, api) = (process(2, "web", true), process(3, "api", true));
        assert_eq!(focus(&[old.clone(), web.clone()], &[], "y"), Ok((2, "y")));
        let both = [old.clone(), web, api];
        assert_eq!(focus(&both, &[asked(1, 9), asked(2, 5), asked(3, 4)], "y"), Ok((2, "y")));
        assert_eq!(focus(&both, &[asked(2, 5)], "api: n"), Ok((3, "n")));
        assert_eq!(focus(&both, &[asked(2, 5)], "at 12:30"), Ok((2, "at 12:30")));
        assert!(focus(&both, &[], "y").unwrap_err().contains("`web: y`"));
        assert!(focus(&[old], &[], "y").unwrap_err().contains("no script runs"));
    }
}
