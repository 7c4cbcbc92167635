//! `wait_until`: a URL answers, a line is printed, a port listens, or a process ends.

use std::time::Duration;

use brummer_hub::serve::{CallError, Offer, ToolCall};
use tokio::time::{Instant, interval_at, sleep};

use super::{
    Answer, App, Effect, PULSE,
    arguments::{self, Wait},
    fit, logs,
    probe::{self, Answered, Target},
    results::Waited,
    scripts, tool,
};
use crate::{
    log::{Entry, Filter, Start, search::Which},
    script::{self, Process},
};

const DEFAULT_TIME: Duration = Duration::from_secs(30);
const MAX_SECONDS: f64 = 600.0;

/// Between two looks at a port or URL: the system tells of neither.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn add(offer: &mut Offer, app: &App) {
    tool(
        offer,
        app,
        "wait_until",
        Effect::Reads,
        "Waits until something has come about: give one of url, log, port or exit. Answers with met: false when the time is \
         over or the process that was to bring it about has ended.",
        |app, wait: Wait, call| async move { wait_until(&app, wait, &call).await },
    );
}

/// What is waited for.
enum Condition {
    Url(Target),
    Log { filter: Filter, after: u64 },
    Port(u16),
    Exit(u32),
}

/// What has come about.
enum Met {
    Url(u16),
    Log(Entry),
    Port,
    Exit(Option<Process>),
    /// The process that was to bring it about has ended before.
    Never(Process),
    /// The run is ending.
    Ending,
}

async fn wait_until(app: &App, wait: Wait, call: &ToolCall) -> Result<Answer<Waited>, CallError> {
    let time = arguments::seconds("timeoutSeconds", wait.timeout_seconds, DEFAULT_TIME, 0.0..=MAX_SECONDS)?;
    let by = wait.process_id.as_deref().map(|name| newest(app, name)).transpose()?;
    let what = describe(&wait);
    let condition = condition(app, &wait)?;
    let begun = Instant::now();
    let waiting = tokio::time::timeout(time, come_about(app, condition, by));
    tokio::pin!(waiting);
    let mut pulse = interval_at(begun + PULSE, PULSE);
    let met = loop {
        tokio::select! {
            biased;
            () = call.cancelled().cancelled() => return Err(CallError::new("the call was cancelled")),
            met = &mut waiting => break met,
            _ = pulse.tick() => {
                let elapsed = begun.elapsed().as_secs_f64();
                call.progress(elapsed, Some(time.as_secs_f64()), Some(&format!("waiting: {what}"))).await;
            }
        }
    };
    let waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut answer =
        Waited { met: true, waited_ms, message: String::new(), entry: None, status: None, process: None };
    answer.message = match met {
        Ok(Met::Url(status)) => {
            answer.status = Some(status);
            format!("{what}: it answers with status {status}")
        }
        Ok(Met::Log(mut entry)) => {
            fit::shorten(&mut entry.content);
            let message = format!("{what}: {}", logs::line(&entry));
            answer.entry = Some(entry.into());
            message
        }
        Ok(Met::Port) => format!("{what}: something listens"),
        Ok(Met::Exit(process)) => match process {
            Some(process) => {
                let info = scripts::info(app, &process).await;
                let message = format!("{what}: {}", info.line());
                answer.process = Some(info);
                message
            }
            None => format!("{what}: it has ended long ago"),
        },
        Ok(Met::Never(process)) => {
            answer.met = false;
            let info = scripts::info(app, &process).await;
            let message =
                format!("{what}: not any more, for {}. logs_tail and errors_list may say why", info.line());
            answer.process = Some(info);
            message
        }
        Ok(Met::Ending) => {
            answer.met = false;
            format!("{what}: not any more, for this run is ending")
        }
        Err(_) => {
            answer.met = false;
            format!("{what}: not within {} s", time.as_secs_f64())
        }
    };
    let text = format!("{}\n(waited {waited_ms} ms)", answer.message);
    Ok(Answer { structured: answer, text })
}

fn describe(wait: &Wait) -> String {
    match (&wait.url, &wait.log, wait.port, &wait.exit) {
        (Some(url), ..) => format!("until {url} answers"),
        (_, Some(log), ..) => format!("until a line has `{}`", crate::detect::errors::cut(log, 100)),
        (_, _, Some(port), _) => format!("until port {port} listens"),
        (.., Some(exit)) => format!("until {exit} has ended"),
        _ => String::new(),
    }
}

fn condition(app: &App, wait: &Wait) -> Result<Condition, CallError> {
    match (&wait.url, &wait.log, wait.port, &wait.exit) {
        (Some(url), None, None, None) => Ok(Condition::Url(Target::parse(url)?)),
        (None, None, Some(0), None) => Err(CallError::new("`port` is 0; it must be from 1 to 65535")),
        (None, None, Some(port), None) => Ok(Condition::Port(port)),
        (None, None, None, Some(name)) => Ok(Condition::Exit(newest(app, name)?)),
        (None, Some(text), None, None) => {
            let processes = match &wait.process_id {
                Some(name) => Which::Only(vec![newest(app, name)?]),
                // What has ended has said its last.
                None => {
                    let processes = app.scripts.list();
                    let ended = processes.iter().filter(|process| !process.state.is_alive());
                    Which::AllBut(ended.map(|process| process.number).collect())
                }
            };
            let after = match logs::start(app, wait.cursor.as_deref())? {
                Start::After(number) => number,
                Start::Newest => 0,
                Start::Before(_) => {
                    return Err(CallError::new("`cursor` leads to older lines; pass that of newer ones"));
                }
            };
            let text = Some(arguments::pattern(text, wait.regex)?);
            Ok(Condition::Log {
                filter: Filter { processes, text, no_echo: true, ..Filter::default() },
                after,
            })
        }
        _ => Err(CallError::new("give exactly one of `url`, `log`, `port` and `exit`")),
    }
}

/// The process that a name means: the newest of a script.
fn newest(app: &App, name: &str) -> Result<u32, CallError> {
    let processes = app.scripts.list();
    script::named(&processes, name).first().copied().ok_or_else(|| scripts::unknown(&processes, name))
}

async fn come_about(app: &App, condition: Condition, by: Option<u32>) -> Met {
    // The log of a process that has ended is whole: what is not in it never comes.
    let given_up = async {
        match by {
            Some(process) => match app.scripts.ended(process).await {
                Some(process) => Met::Never(process),
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    };
    let met = async {
        match condition {
            Condition::Exit(process) => Met::Exit(app.scripts.ended(process).await),
            Condition::Log { filter, after } => match app.logs.next(filter, after).await {
                Some(entry) => Met::Log(entry),
                None => Met::Ending,
            },
            Condition::Port(port) => loop {
                if probe::listens(port).await {
                    break Met::Port;
                }
                sleep(LOOK).await;
            },
            Condition::Url(target) => loop {
                match target.ask().await {
                    Answered::Ready(status) => break Met::Url(status),
                    Answered::NotYet(why) => tracing::trace!(why, "not yet"),
                }
                sleep(LOOK).await;
            },
        }
    };
    tokio::pin!(met);
    tokio::select! {
        biased;
        met = &mut met => met,
        () = app.stopping.cancelled() => Met::Ending,
        never = given_up => {
            // One last look: the end may have been heard of before the line that came before it.
            match tokio::time::timeout(LOOK, &mut met).await {
                Ok(met) => met,
                Err(_) => never,
            }
        }
    }
}
