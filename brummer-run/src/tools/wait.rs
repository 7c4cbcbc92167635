//! `wait_until`: a URL answers, a line is printed, a port listens, a process ends, a build is clean; one of them, or several.

use std::time::Duration;

use brummer_hub::serve::{CallError, Offer, ToolCall};
use tokio::time::{Instant, interval_at, sleep, sleep_until};

use super::{
    Answer, App, Effect, PULSE,
    arguments::{self, Wait},
    findings, fit, logs, neighbours,
    probe::{self, Answered, Target},
    results::{ScriptBuild, Waited},
    scripts, tool,
};
use crate::{
    detect::{
        engine::cut,
        errors::{Builds, Verdict},
    },
    log::{Entry, Filter, Start, search::Which},
    ports::{Holder, Ports},
    script::{self, Process},
};

const DEFAULT_TIME: Duration = Duration::from_secs(30);
const MAX_SECONDS: f64 = 600.0;

/// Between two looks at a port or URL: the system tells of neither.
const LOOK: Duration = Duration::from_millis(100);

/// How long a process that asks something has to stand still until that is told instead of what was waited for.
const STILL: Duration = Duration::from_secs(2);

/// Between two questions whose a port is. They cost more, as all processes are looked at.
const ASK_OWNER: Duration = Duration::from_millis(300);

pub(super) fn add(offer: &mut Offer, app: &App) {
    tool(
        offer,
        app,
        "wait_until",
        Effect::Reads,
        "Waits until url, log, port, exit or clean has come about; of several, all. Answers with met: false when the time is \
         over, processId has ended, or, for clean, a build ends with errors.",
        |app, wait: Wait, call| async move { wait_until(&app, &wait, &call).await },
    );
}

/// What is waited for.
struct Wanted {
    url: Option<Target>,
    log: Option<(Filter, u64)>,
    port: Option<u16>,
    exit: Option<u32>,
    /// A process, and the entry of the log after which its build must have been told.
    clean: Option<(u32, Option<u64>)>,
}

/// What has come about.
#[derive(Default)]
struct Met {
    url: Option<u16>,
    log: Option<Entry>,
    port: bool,
    /// The process is not known any more if it has ended long ago.
    exit: Option<Option<Process>>,
    clean: Option<ScriptBuild>,
}

/// Why no more is waited for.
enum End {
    Met,
    Time,
    /// The process that was to bring it about has ended before.
    Never(Process),
    /// That process asks something, and waits itself.
    Asks(String),
    /// A build has ended with errors.
    Failed(ScriptBuild),
    /// The run is ending.
    Ending,
}

/// A wait, and what bounds it.
struct Waiting<'a> {
    wanted: &'a Wanted,
    any: bool,
    /// The process that is to bring it about.
    by: Option<u32>,
    deadline: Instant,
    what: String,
}

impl Wanted {
    fn is_met(&self, met: &Met, any: bool) -> bool {
        let states = [
            self.url.as_ref().map(|_| met.url.is_some()),
            self.log.as_ref().map(|_| met.log.is_some()),
            self.port.map(|_| met.port),
            self.exit.map(|_| met.exit.is_some()),
            self.clean.map(|_| met.clean.is_some()),
        ];
        let mut states = states.into_iter().flatten();
        if any { states.any(|met| met) } else { states.all(|met| met) }
    }
}

async fn wait_until(app: &App, wait: &Wait, call: &ToolCall) -> Result<Answer<Waited>, CallError> {
    let time = arguments::seconds("timeoutSeconds", wait.timeout_seconds, DEFAULT_TIME, 0.0..=MAX_SECONDS)?;
    let by = wait.process_id.as_deref().map(|name| newest(app, name)).transpose()?;
    let wanted = wanted(app, wait)?;
    let begun = Instant::now();
    let mut met = Met::default();
    let waiting =
        Waiting { wanted: &wanted, any: wait.any, by, deadline: begun + time, what: describe(wait) };
    let end = waiting.come_about(app, &mut met, call).await?;
    let waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);

    let mut answer = Waited { met: matches!(end, End::Met), waited_ms, ..Waited::default() };
    let mut said = Vec::new();
    let mut open = Vec::new();
    if let (Some(url), Some(_)) = (&wait.url, &wanted.url) {
        answer.status = met.url;
        match met.url {
            Some(status) => said.push(format!("until {url} answers: it answers with status {status}")),
            None => open.push(format!("until {url} answers")),
        }
    }
    if let (Some(log), Some(_)) = (&wait.log, &wanted.log) {
        let what = format!("until a line has `{}`", cut(log, 100));
        match met.log {
            Some(mut entry) => {
                fit::shorten(&mut entry.content);
                said.push(format!("{what}: {} {}", logs::day(&entry), logs::line(&entry)));
                answer.entry = Some(entry.into());
            }
            None => open.push(what),
        }
    }
    if let Some(port) = wanted.port {
        match met.port {
            true => said.push(format!("until port {port} listens: something listens")),
            false => open.push(format!("until port {port} listens")),
        }
    }
    if let (Some(name), Some(_)) = (&wait.exit, wanted.exit) {
        match met.exit {
            Some(Some(process)) => {
                let info = scripts::info(app, &process).await;
                said.push(format!("until {name} has ended: {}", info.line()));
                answer.process = Some(info);
            }
            Some(None) => said.push(format!("until {name} has ended: it has ended long ago")),
            None => open.push(format!("until {name} has ended")),
        }
    }
    if let (Some(name), Some(_)) = (&wait.clean, wanted.clean) {
        let what = format!("until the last build of {name} is clean");
        match met.clean {
            Some(build) => {
                said.push(format!("{what}: {}", build.line()));
                answer.build = Some(build);
            }
            None => open.push(what),
        }
    }
    if !answer.met {
        let what = open.join(if wait.any { " or " } else { " and " });
        said.push(match end {
            End::Never(process) => {
                let info = scripts::info(app, &process).await;
                let line = info.line();
                answer.process = Some(info);
                format!("{what}: not any more, for {line}. logs_tail and errors_list may say why")
            }
            End::Asks(question) => format!(
                "{what}: not before somebody answers `{question}`, for which {} seems to wait; scripts_input does",
                wait.process_id.as_deref().unwrap_or_default()
            ),
            End::Failed(build) => {
                let line = build.line();
                answer.build = Some(build);
                format!("{what}: {line}; errors_list has them")
            }
            End::Ending => format!("{what}: not any more, for this run is ending"),
            End::Time | End::Met => format!("{what}: not within {} s", time.as_secs_f64()),
        });
        let port = wanted.port.filter(|_| !met.port);
        let port = port.or_else(|| wanted.url.as_ref().filter(|_| met.url.is_none()).map(Target::port));
        said.extend(foreign(app, by, port).await);
    }
    answer.message = said.join("; ");
    let met = if answer.met { "met" } else { "not met" };
    let text = format!("{met}: {}\n(waited {waited_ms} ms)", answer.message);
    Ok(Answer { structured: answer, text })
}

/// What is waited for, in words.
fn describe(wait: &Wait) -> String {
    let url = wait.url.as_ref().map(|url| format!("until {url} answers"));
    let log = wait.log.as_ref().map(|log| format!("until a line has `{}`", cut(log, 100)));
    let port = wait.port.map(|port| format!("until port {port} listens"));
    let exit = wait.exit.as_ref().map(|name| format!("until {name} has ended"));
    let clean = wait.clean.as_ref().map(|name| format!("until the last build of {name} is clean"));
    let parts: Vec<String> = [url, log, port, exit, clean].into_iter().flatten().collect();
    parts.join(if wait.any { " or " } else { " and " })
}

/// Who has the port that a script was to listen on.
async fn foreign(app: &App, by: Option<u32>, port: Option<u16>) -> Option<String> {
    let port = port?;
    let processes = app.scripts.list();
    let process = processes.iter().find(|it| Some(it.number) == by)?;
    let ports = Ports::look().await;
    let id = &process.id;
    let held = match ports.holder(process, port) {
        Holder::Other(listener) => {
            let holder = neighbours::describe(app, &ports, &listener).await;
            format!("port {port} is held by another process, {holder}, not by {id}")
        }
        Holder::Hidden if probe::listens(port).await => {
            format!("port {port} is held by another process, which the system does not name, not by {id}")
        }
        Holder::Own | Holder::Hidden => return None,
    };
    let own: Vec<String> = ports.of(process).keys().map(ToString::to_string).collect();
    let own = if own.is_empty() { String::new() } else { format!(", which listens on {}", own.join(", ")) };
    Some(held + &own)
}

fn wanted(app: &App, wait: &Wait) -> Result<Wanted, CallError> {
    if wait.port == Some(0) {
        return Err(CallError::new("`port` is 0; it must be from 1 to 65535"));
    }
    let wanted = Wanted {
        url: wait.url.as_deref().map(Target::parse).transpose()?,
        log: wait.log.as_deref().map(|text| lines(app, wait, text)).transpose()?,
        port: wait.port,
        exit: wait.exit.as_deref().map(|name| newest(app, name)).transpose()?,
        clean: wait.clean.as_deref().map(|name| built(app, wait, name)).transpose()?,
    };
    if wanted.is_met(&Met::default(), false) {
        return Err(CallError::new("give at least one of `url`, `log`, `port`, `exit` and `clean`"));
    }
    Ok(wanted)
}

/// Whose build is waited for, and after which entry it must have been told.
fn built(app: &App, wait: &Wait, name: &str) -> Result<(u32, Option<u64>), CallError> {
    let after = match logs::start(app, wait.cursor.as_deref())? {
        Start::After(number) => Some(number),
        Start::Newest | Start::Before(_) => None,
    };
    Ok((newest(app, name)?, after))
}

/// Which lines are waited for, and after which.
fn lines(app: &App, wait: &Wait, text: &str) -> Result<(Filter, u64), CallError> {
    let processes = match &wait.process_id {
        Some(name) => Which::Only(vec![newest(app, name)?]),
        // What has ended has said its last, unless it is its end that is waited for.
        None => {
            let exit = wait.exit.as_deref().map(|name| newest(app, name)).transpose()?;
            let processes = app.scripts.list();
            let ended = processes.iter().filter(|it| !it.state.is_alive() && Some(it.number) != exit);
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
    Ok((Filter { processes, text, no_echo: true, ..Filter::default() }, after))
}

/// The process that a name means: the newest of a script.
fn newest(app: &App, name: &str) -> Result<u32, CallError> {
    let processes = app.scripts.list();
    script::named(&processes, name).first().copied().ok_or_else(|| scripts::unknown(&processes, name))
}

impl Waiting<'_> {
    /// Waits, and writes down what has come about.
    async fn come_about(self, app: &App, met: &mut Met, call: &ToolCall) -> Result<End, CallError> {
        let Self { wanted, any, by, mut deadline, what } = self;
        let begun = Instant::now();
        let total = deadline.duration_since(begun).as_secs_f64();
        let what = format!("waiting: {what}");
        let url = async {
            match &wanted.url {
                Some(target) => answers(app, target, by).await,
                None => std::future::pending().await,
            }
        };
        let log = async {
            match &wanted.log {
                Some((filter, after)) => app.logs.next(filter.clone(), *after).await,
                None => std::future::pending().await,
            }
        };
        let port = async {
            match wanted.port {
                Some(port) => listens(app, port, by).await,
                None => std::future::pending().await,
            }
        };
        let exit = async {
            match wanted.exit {
                Some(process) => app.scripts.ended(process).await,
                None => std::future::pending().await,
            }
        };
        let clean = async {
            match wanted.clean {
                Some((process, after)) => clean(app, process, after).await,
                None => std::future::pending().await,
            }
        };
        let given_up = async {
            match by {
                Some(process) => match app.scripts.ended(process).await {
                    Some(process) => process,
                    None => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        let asks = asks(app, by);
        tokio::pin!(url, log, port, exit, clean, given_up, asks);
        let mut pulse = interval_at(begun + PULSE, PULSE);
        let mut never = None;
        while !wanted.is_met(met, any) {
            tokio::select! {
                biased;
                () = call.cancelled().cancelled() => return Err(CallError::new("the call was cancelled")),
                status = &mut url, if met.url.is_none() => met.url = Some(status),
                entry = &mut log, if met.log.is_none() => match entry {
                    Some(entry) => met.log = Some(entry),
                    None => return Ok(End::Ending),
                },
                () = &mut port, if !met.port => met.port = true,
                process = &mut exit, if met.exit.is_none() => met.exit = Some(process),
                end = &mut clean, if met.clean.is_none() => match end {
                    Ok(build) => met.clean = Some(build),
                    Err(end) => return Ok(end),
                },
                () = app.stopping.cancelled() => return Ok(End::Ending),
                process = &mut given_up, if never.is_none() => {
                    // One last look: the end may have been heard of before the line that came before it. The log of a
                    // process that has ended is whole.
                    never = Some(process);
                    deadline = deadline.min(Instant::now() + LOOK);
                }
                question = &mut asks => return Ok(End::Asks(question)),
                () = sleep_until(deadline) => return Ok(never.map_or(End::Time, End::Never)),
                _ = pulse.tick() => {
                    call.progress(begun.elapsed().as_secs_f64(), Some(total), Some(&what)).await;
                }
            }
        }
        Ok(End::Met)
    }
}

/// Waits until the process has asked something and stood still for a while.
async fn asks(app: &App, by: Option<u32>) -> String {
    let Some(by) = by else { return std::future::pending().await };
    loop {
        sleep(STILL / 4).await;
        let now = script::now().as_millisecond();
        let is_still = |at: i64| u128::from(now.abs_diff(at)) >= STILL.as_millis();
        let asking = app.logs.asking().await;
        if let Some(asked) = asking.into_iter().find(|asked| asked.process == by && is_still(asked.at)) {
            return asked.question;
        }
    }
}

/// Waits until the port listens; with a process, until it is that which listens there.
async fn listens(app: &App, port: u16, by: Option<u32>) {
    loop {
        if probe::listens(port).await && owns(app, port, by).await {
            return;
        }
        sleep(LOOK).await;
    }
}

/// Waits until the URL answers, and returns the status; with a process, until it is that which answers.
async fn answers(app: &App, target: &Target, by: Option<u32>) -> u16 {
    loop {
        // Another's server is not even asked.
        if by.is_none() || probe::listens(target.port()).await && owns(app, target.port(), by).await {
            match target.ask().await {
                Answered::Ready(status) => return status,
                Answered::NotYet(why) => tracing::trace!(why, "not yet"),
            }
        }
        sleep(LOOK).await;
    }
}

/// Whether the process, if there is one, has the port that is listened on.
async fn owns(app: &App, port: u16, by: Option<u32>) -> bool {
    let Some(by) = by else { return true };
    let processes = app.scripts.list();
    let Some(process) = processes.iter().find(|process| process.number == by) else { return false };
    let owns = match Ports::look().await.holder(process, port) {
        Holder::Own => true,
        Holder::Other(_) => false,
        // Only there the system may name nobody at all.
        Holder::Hidden => cfg!(windows),
    };
    if !owns {
        sleep(ASK_OWNER).await;
    }
    owns
}

/// Waits until the last build of a process is clean; ends otherwise when a build that is told of from now on has failed.
async fn clean(app: &App, process: u32, after: Option<u64>) -> Result<ScriptBuild, End> {
    let mut progress = app.logs.progress();
    let mut changes = app.scripts.changes();
    let mut known = None;
    loop {
        progress.mark_unchanged();
        changes.mark_unchanged();
        let Some((process, builds)) = findings::build(app, process).await else { return Err(End::Ending) };
        let Builds { verdict, entry, settles, .. } = builds;
        let is_new = after.is_none_or(|after| entry > after);
        let was_there = *known.get_or_insert(entry) == entry && after.is_none();
        match verdict {
            Verdict::Clean if is_new => return Ok(ScriptBuild::new(&process, builds)),
            Verdict::Failing if is_new && !was_there => {
                return Err(End::Failed(ScriptBuild::new(&process, builds)));
            }
            _ if !process.state.is_alive() => return Err(End::Never(process)),
            _ => {}
        }
        let rest = settles.map(|at| at - script::now().as_millisecond());
        let rest = Duration::from_millis(rest.unwrap_or_default().max(0).unsigned_abs());
        tokio::select! {
            changed = progress.changed() => if changed.is_err() { return Err(End::Ending) },
            _ = changes.changed() => {}
            () = sleep(rest), if settles.is_some() => {}
        }
    }
}
