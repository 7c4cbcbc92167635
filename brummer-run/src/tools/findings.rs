//! `errors_list` and `urls_list`: what was found in the output.

use brummer_hub::serve::Offer;

use super::{
    Answer, App, Effect,
    arguments::{self, ErrorsArguments, UrlsArguments},
    fit,
    logs::which,
    results::{ErrorGroup, Errors, ScriptBuild, UrlInfo, time},
    tool, urls,
};
use crate::{
    detect::errors::{Builds, MAX_ERRORS, Verdict},
    log::{Filter, search::Which},
    script::{self, Process},
};

const DEFAULT_LIMIT: usize = 20;

/// Most characters of all errors in an answer; see the same bound of log pages.
const MAX_TOTAL: usize = 24_000;

pub(super) fn add(offer: &mut Offer, app: &App) {
    tool(
        offer,
        app,
        "errors_list",
        Effect::Reads,
        "The errors that scripts have now, with place and stack trace, the latest first; not those that a later build or run \
         has resolved. Says whether the last build of each is clean.",
        |app, wanted: ErrorsArguments, _| async move {
            let most = u32::try_from(MAX_ERRORS).unwrap_or(u32::MAX);
            let limit = arguments::limit(wanted.limit, u32::try_from(DEFAULT_LIMIT).unwrap_or(most), most)?;
            let processes = which(&app, wanted.process_id.as_deref())?;
            let since = arguments::since(wanted.since.as_deref(), script::now())?;
            let structured = errors(&app, processes, since, wanted.resolved, limit).await;
            let text = text(&structured);
            Ok(Answer { structured, text })
        },
    );
    tool(
        offer,
        app,
        "urls_list",
        Effect::Reads,
        "The URLs that scripts have printed, and ports on which they listen without a word.",
        |app, wanted: UrlsArguments, _| async move {
            let structured = urls::urls(&app, wanted.all).await;
            let lines = structured.urls.iter().map(UrlInfo::line);
            let note = structured.note.iter().map(|note| format!("({note})"));
            let text = lines.chain(note).collect::<Vec<_>>().join("\n");
            Ok(Answer { structured, text })
        },
    );
}

/// The errors, the latest first.
pub(crate) async fn errors(
    app: &App,
    processes: Which,
    since: Option<i64>,
    resolved: bool,
    limit: usize,
) -> Errors {
    let list = app.scripts.list();
    let names = script::names(&list);
    let filter = Filter { processes, ..Filter::default() };
    let found = app.logs.errors().await;
    let wanted = found.into_iter().rev().filter(|error| {
        filter.takes_process(error.process)
            && since.is_none_or(|since| error.last >= since)
            && (resolved || error.resolved.is_none())
    });
    let newest = |process: &&Process| {
        let later = list.iter().rev().find(|other| other.name == process.name);
        filter.takes_process(process.number) && later.is_some_and(|later| later.number == process.number)
    };
    let newest: Vec<&Process> = list.iter().filter(newest).collect();
    let builds = app.logs.builds(newest.iter().map(|process| process.number).collect()).await;
    let scripts = newest.into_iter().zip(&builds).map(|(process, builds)| ScriptBuild::new(process, *builds));
    let mut errors = Errors { scripts: scripts.collect(), ..Errors::default() };
    let mut room = MAX_TOTAL;
    for mut error in wanted {
        errors.total += 1;
        let Some((id, name)) = names.get(&error.process) else { continue };
        fit::shorten(&mut error.text);
        let size = error.text.len() + error.message.len();
        if errors.errors.len() >= limit || size > room {
            errors.truncated = true;
            continue;
        }
        room -= size;
        let has_more = error.text.trim() != error.message;
        errors.errors.push(ErrorGroup {
            kind: error.kind,
            place: error.place,
            process_id: id.as_ref().to_owned(),
            process_name: name.as_ref().to_owned(),
            count: error.count,
            first_seen: time(error.first),
            last_seen: time(error.last),
            text: has_more.then_some(error.text),
            message: error.message,
            log_id: error.entry,
            resolved: error.resolved.is_some(),
            resolved_at: error.resolved.map(time),
        });
    }
    let shown = errors.errors.len();
    errors.note = Some(match errors.total {
        0 => "there are no errors".to_owned(),
        total if errors.truncated => {
            format!(
                "{shown} of {total} errors are shown; a higher `limit`, `processId` or `since` shows others"
            )
        }
        total => format!("{total} in all"),
    });
    errors
}

/// How the last build of a process stands, its end included.
pub(super) async fn build(app: &App, process: u32) -> Option<(Process, Builds)> {
    let builds = app.logs.builds(vec![process]).await.first().copied()?;
    let process = app.scripts.list().iter().find(|known| known.number == process).cloned()?;
    let verdict = verdict(&process, builds);
    Some((process, Builds { verdict, ..builds }))
}

/// What a process that has ended says by that.
fn verdict(process: &Process, builds: Builds) -> Verdict {
    match process.state.name() {
        "success" if builds.errors == 0 => Verdict::Clean,
        "success" | "failed" => Verdict::Failing,
        "stopped" if builds.verdict == Verdict::Building => Verdict::Unknown,
        _ => builds.verdict,
    }
}

impl ScriptBuild {
    pub(super) fn new(process: &Process, builds: Builds) -> Self {
        let build = match verdict(process, builds) {
            Verdict::Unknown => "unknown",
            Verdict::Building => "building",
            Verdict::Clean => "clean",
            Verdict::Failing => "failing",
        };
        Self {
            process_id: process.id.as_ref().to_owned(),
            process_name: process.name.as_ref().to_owned(),
            status: process.state.name().to_owned(),
            build: build.to_owned(),
            errors: builds.errors,
        }
    }

    /// It for a reader.
    pub(super) fn line(&self) -> String {
        let build = match self.build.as_str() {
            "unknown" => "does not say whether its last build is clean (unknown)".to_owned(),
            "clean" => "its last build is clean".to_owned(),
            "building" => "is building".to_owned(),
            build if self.errors == 0 => format!("its last build is {build}"),
            build => format!("its last build is {build}, errors: {}", self.errors),
        };
        let errors = match (self.build.as_str(), self.errors) {
            ("failing", _) | (_, 0) => String::new(),
            (_, errors) => format!(", errors that are not resolved: {errors}"),
        };
        format!("{} ({}): {build}{errors}", self.process_id, self.status)
    }
}

impl ErrorGroup {
    /// It for a reader, each line with its end.
    pub(crate) fn summary(&self) -> String {
        let place = self.place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
        let kind = self.kind.as_ref().filter(|kind| !self.message.contains(kind.as_str()));
        let kind = kind.map(|kind| format!("{kind}: ")).unwrap_or_default();
        let resolved = self.resolved_at.as_ref().map(|at| format!(", resolved {at}")).unwrap_or_default();
        let mut text =
            format!("{}, ×{}{resolved}{place}: {kind}{}\n", self.process_id, self.count, self.message);
        let seen = match self.first_seen == self.last_seen {
            true => self.first_seen.clone(),
            false => format!("{} to {}", self.first_seen, self.last_seen),
        };
        text.push_str(&format!("    (seen {seen}, log entry #{})\n", self.log_id));
        for line in self.text.iter().flat_map(|text| text.lines()) {
            text.push_str(&format!("    {line}\n"));
        }
        text
    }
}

impl UrlInfo {
    /// It for a reader.
    fn line(&self) -> String {
        let state = match self {
            _ if !self.running => ", not running any more",
            _ if !self.printed => ", not printed",
            _ if self.listening == Some(false) => ", not listening there",
            _ if self.listening == Some(true) => ", listening",
            _ => "",
        };
        let elsewhere = if self.local { "" } else { ", another machine" };
        let seen = match (&self.first_seen, &self.last_seen) {
            (Some(first), Some(last)) if first != last => format!(", seen {first} to {last}"),
            (Some(first), _) => format!(", seen {first}"),
            (None, _) => String::new(),
        };
        format!("{} ({}, {}{state}{elsewhere}{seen})", self.url, self.label, self.process_id)
    }
}

fn text(errors: &Errors) -> String {
    let mut text = String::new();
    for error in &errors.errors {
        text.push_str(&error.summary());
    }
    for script in &errors.scripts {
        text.push_str(&script.line());
        text.push('\n');
    }
    if let Some(note) = &errors.note {
        text.push_str(&format!("({note})"));
    }
    text.trim_end().to_owned()
}
