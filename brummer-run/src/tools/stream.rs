//! `logs_stream`: follows the log for a while.

use std::time::Duration;

use brummer_hub::serve::{CallError, LogLevel, Offer, ToolCall};
use tokio::time::{Instant, interval_at, sleep_until};

use super::{
    Answer, App, Effect, PULSE,
    arguments::{self, Stream},
    logs::{self, DEFAULT_LIMIT, MAX_LIMIT, line, page, which},
    results::Streamed,
    tool,
};
use crate::log::{Filter, Page, Start, level::Level, search::Which};

const DEFAULT_TIME: Duration = Duration::from_secs(30);
const MAX_SECONDS: f64 = 600.0;

pub(super) fn add(offer: &mut Offer, app: &App) {
    tool(
        offer,
        app,
        "logs_stream",
        Effect::Reads,
        "Follows what scripts print from now on, until so many lines or seconds. Lines come as progress, and all in the answer.",
        |app, stream: Stream, call| async move { follow(&app, stream, &call).await },
    );
}

async fn follow(app: &App, stream: Stream, call: &ToolCall) -> Result<Answer<Streamed>, CallError> {
    let limit = arguments::limit(stream.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let time = arguments::seconds("seconds", stream.seconds, DEFAULT_TIME, 0.0..=MAX_SECONDS)?;
    let text = stream.query.as_deref().map(|query| arguments::pattern(query, stream.regex)).transpose()?;
    let processes = which(app, stream.process_id.as_deref())?;
    let filter = Filter { processes, level: stream.level.least(), text, ..Filter::default() };
    let start = logs::start(app, stream.cursor.as_deref())?;
    if stream.follow == Some(false) {
        let found = app.logs.page(filter, start, limit, stream.ansi).await;
        return Ok(answer(app, found, !matches!(start, Start::After(_)), "all"));
    }
    let mut progress = app.logs.progress();
    let after = match start {
        Start::After(number) => number,
        Start::Newest | Start::Before(_) => progress.borrow_and_update().last,
    };
    let mut following = Following {
        filter,
        ansi: stream.ansi,
        limit,
        page: Page { cursor: after, ..Page::default() },
        told: 0.0,
        call,
    };
    let until = Instant::now() + time;
    let mut pulse = interval_at(Instant::now() + PULSE, PULSE);
    let ended = loop {
        let process_ended = following.all_ended(app);
        following.take(app).await;
        if following.page.entries.len() >= limit {
            break "lines";
        }
        if process_ended {
            break "process";
        }
        let mut changes = app.scripts.changes();
        tokio::select! {
            biased;
            () = call.cancelled().cancelled() => break "cancelled",
            () = app.stopping.cancelled() => break "process",
            () = sleep_until(until) => break "time",
            changed = progress.changed() => if changed.is_err() { break "process" },
            _ = changes.changed(), if matches!(following.filter.processes, Which::Only(_)) => {}
            _ = pulse.tick() => following.tell(None).await,
        }
    };
    let found = following.page;
    Ok(answer(app, found, false, ended))
}

fn answer(app: &App, found: Page, keep_newest: bool, ended: &str) -> Answer<Streamed> {
    let (page, text) = page(app, found, keep_newest, "nothing came");
    let said = match ended {
        "lines" => "ended: as many lines as asked for",
        "time" => "ended: the time is over",
        "process" => "ended: the process has ended",
        "cancelled" => "ended: cancelled",
        _ => "ended: all",
    };
    Answer { structured: Streamed { page, ended: ended.to_owned() }, text: format!("{text}\n({said})") }
}

struct Following<'a> {
    filter: Filter,
    ansi: bool,
    limit: usize,
    page: Page,
    /// Notifications that were sent; the number of each is higher than that of the one before.
    told: f64,
    call: &'a ToolCall,
}

impl Following<'_> {
    /// Whether the processes that are followed by name have ended. Asked before the last look at the log: what they
    /// said before is stored then.
    fn all_ended(&self, app: &App) -> bool {
        let Which::Only(followed) = &self.filter.processes else { return false };
        let processes = app.scripts.list();
        !processes.iter().any(|process| followed.contains(&process.number) && process.state.is_alive())
    }

    /// Takes what is new, and tells it.
    async fn take(&mut self, app: &App) {
        let room = self.limit - self.page.entries.len();
        let new = app.logs.page(self.filter.clone(), Start::After(self.page.cursor), room, self.ansi).await;
        self.page.cursor = new.cursor.max(self.page.cursor);
        self.page.missed |= new.missed;
        self.page.has_newer = new.has_newer;
        // A client that does not ask for progress may still listen to the log of its session.
        let by_log = !self.call.wants_progress();
        for entry in new.entries {
            let said = line(&entry);
            if by_log {
                self.call.log(level(entry.level), Some(&entry.name), said).await;
            } else {
                self.tell(Some(&said)).await;
            }
            self.page.entries.push(entry);
        }
    }

    async fn tell(&mut self, message: Option<&str>) {
        self.told += 1.0;
        self.call.progress(self.told, None, message).await;
    }
}

/// What MCP calls a level.
fn level(level: Level) -> LogLevel {
    match level {
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warning,
        Level::Error => LogLevel::Error,
        Level::Critical => LogLevel::Critical,
    }
}
