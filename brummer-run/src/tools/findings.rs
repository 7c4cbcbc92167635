//! `errors_list` and `urls_list`: what was found in the output.

use brummer_hub::serve::{CallError, Offer};

use super::{
    Answer, App, Effect,
    arguments::{self, ErrorsArguments, UrlsArguments},
    fit,
    logs::which,
    results::{ErrorGroup, Errors, ScriptBuild, UrlInfo, time},
    tool, urls,
};
use crate::{
    detect::errors::{Builds, FoundError, MAX_ERRORS, Verdict},
    log::{Filter, search::Which},
    script::{self, Process},
};

const DEFAULT_LIMIT: usize = 20;

/// Which errors are wanted.
#[derive(Debug)]
pub(crate) struct ErrorFilter {
    pub(crate) processes: Which,
    pub(crate) since: Option<i64>,
    pub(crate) resolved: bool,
    pub(crate) limit: usize,
    /// Only older ones.
    pub(crate) before: Option<Before>,
}

/// Where the errors of an answer have ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Before {
    /// The log entry of the last one.
    entry: u64,
    /// How many of that entry were told.
    told: usize,
}

pub(super) fn add(offer: &mut Offer, app: &App) {
    tool(
        offer,
        app,
        "errors_list",
        Effect::Reads,
        "The errors that scripts have now, with place and stack trace, the latest first, without those that a later build or run \
         has resolved; and whether the last build of each is clean.",
        |app, wanted: ErrorsArguments, _| async move {
            let most = u32::try_from(MAX_ERRORS).unwrap_or(u32::MAX);
            let limit = arguments::limit(wanted.limit, u32::try_from(DEFAULT_LIMIT).unwrap_or(most), most)?;
            let processes = which(&app, wanted.process_id.as_deref())?;
            let since = arguments::since(wanted.since.as_deref(), script::now())?;
            let before = before(&app, wanted.cursor.as_deref())?;
            let wanted = ErrorFilter { processes, since, resolved: wanted.resolved, limit, before };
            let structured = errors(&app, wanted).await;
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
            let structured =
                urls::urls(&app, wanted.all, fit::PagedList::Urls.place(wanted.cursor.as_deref())?).await;
            let lines = structured.urls.iter().map(UrlInfo::line);
            let note = structured.note.iter().map(|note| format!("({note})"));
            let text = lines.chain(note).collect::<Vec<_>>().join("\n");
            Ok(Answer { structured, text })
        },
    );
}

/// The errors, the latest first.
pub(crate) async fn errors(app: &App, wanted: ErrorFilter) -> Errors {
    let ErrorFilter { processes, since, resolved, limit, before } = wanted;
    let list = app.scripts.list();
    let names = script::names(&list);
    let filter = Filter { processes, ..Filter::default() };
    let mut found = app.logs.errors().await;
    found.retain(|error| {
        filter.takes_process(error.process)
            && names.contains_key(&error.process)
            && since.is_none_or(|since| error.last >= since)
            && (resolved || error.resolved.is_none())
    });
    let mut errors = Errors { total: found.len(), ..Errors::default() };
    // Those that came in one entry are told in the order in which they stand there.
    found.sort_by_key(|error| std::cmp::Reverse(error.entry));
    let rest = found.iter().position(|error| before.is_none_or(|before| error.entry <= before.entry));
    let mut rest = found.split_off(rest.unwrap_or(found.len()));
    if let Some(before) = before {
        let same = rest.iter().take_while(|error| error.entry == before.entry).count();
        rest.drain(..same.min(before.told));
    } else {
        errors.scripts = builds(app, &filter, &list).await;
    }
    let skipped = errors.total - rest.len();
    let mut room = fit::MAX_TOTAL.saturating_sub(errors.scripts.iter().map(fit::size).sum());
    for error in rest {
        let Some((id, name)) = names.get(&error.process) else { continue };
        let group = ErrorGroup::new(error, id, name);
        let size = fit::size(&group);
        // At least one, so that it goes on.
        if errors.errors.len() >= limit || size > room && !errors.errors.is_empty() {
            errors.truncated = true;
            break;
        }
        room = room.saturating_sub(size);
        errors.errors.push(group);
    }
    if let Some(last) = errors.errors.last().filter(|_| errors.truncated) {
        let same = errors.errors.iter().filter(|error| error.log_id == last.log_id).count();
        let earlier = before.filter(|before| before.entry == last.log_id).map_or(0, |before| before.told);
        errors.cursor = Some(Before { entry: last.log_id, told: earlier + same }.text(app.nonce));
    }
    let shown = errors.errors.len();
    errors.note = Some(match (errors.total, &errors.cursor) {
        (0, _) => "there are no errors".to_owned(),
        (total, Some(cursor)) => {
            let (first, last) = (skipped + 1, skipped + shown);
            format!("{first} to {last} of {total} errors; for older ones, pass `cursor` {cursor} besides")
        }
        (total, None) if before.is_some() => format!("no older ones; {total} in all"),
        (total, None) => format!("{total} in all"),
    });
    errors
}

/// How the last build of each script stands.
async fn builds(app: &App, filter: &Filter, list: &[Process]) -> Vec<ScriptBuild> {
    let newest = |process: &&Process| {
        let later = list.iter().rev().find(|other| other.name == process.name);
        filter.takes_process(process.number) && later.is_some_and(|later| later.number == process.number)
    };
    let newest: Vec<&Process> = list.iter().filter(newest).collect();
    let builds = app.logs.builds(newest.iter().map(|process| process.number).collect()).await;
    newest.into_iter().zip(&builds).map(|(process, builds)| ScriptBuild::new(process, *builds)).collect()
}

/// Where the answer has ended whose cursor this is.
fn before(app: &App, cursor: Option<&str>) -> Result<Option<Before>, CallError> {
    let Some(text) = cursor else { return Ok(None) };
    let before = Before::read(app.nonce, text);
    before.map(Some).ok_or_else(|| {
        CallError::new(format!(
            "`{text}` is not a cursor of errors_list in this run; leave `cursor` out to begin anew"
        ))
    })
}

impl Before {
    fn text(self, nonce: u32) -> String {
        format!("{nonce:08x}e{}.{}", self.entry, self.told)
    }

    fn read(nonce: u32, text: &str) -> Option<Self> {
        let (run, rest) = text.split_at_checked(8)?;
        let (entry, told) = rest.strip_prefix('e')?.split_once('.')?;
        let before = Self { entry: entry.parse().ok()?, told: told.parse().ok()? };
        (u32::from_str_radix(run, 16) == Ok(nonce)).then_some(before)
    }
}

/// How the last build of a process stands, its end included.
pub(super) async fn build(app: &App, process: u32) -> Option<(Process, Builds)> {
    let builds = app.logs.builds(vec![process]).await.first().copied()?;
    let process = app.scripts.list().iter().find(|known| known.number == process).cloned()?;
    let verdict = verdict(&process, builds);
    // A script that has said nothing of builds says by its end whether all is well.
    let entry = if process.state.is_alive() { builds.entry } else { builds.entry.max(builds.heard) };
    Some((process, Builds { verdict, entry, ..builds }))
}

/// What a process that has ended says by that.
fn verdict(process: &Process, builds: Builds) -> Verdict {
    match process.state.name() {
        "success" => Verdict::Clean,
        "failed" => Verdict::Failing,
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
    fn new(mut error: FoundError, id: &str, name: &str) -> Self {
        fit::shorten(&mut error.text);
        let has_more = error.text.trim() != error.message;
        Self {
            kind: error.kind,
            place: error.place,
            process_id: id.to_owned(),
            process_name: name.to_owned(),
            count: error.count,
            first_seen: time(error.first),
            last_seen: time(error.last),
            text: has_more.then_some(error.text),
            message: error.message,
            log_id: error.entry,
            browser: error.is_browser,
            resolved: error.resolved.is_some(),
            resolved_at: error.resolved.map(time),
        }
    }

    /// It for a reader, each line with its end.
    pub(crate) fn summary(&self) -> String {
        let place = self.place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
        let kind = self.kind.as_ref().filter(|kind| !self.message.contains(kind.as_str()));
        let kind = kind.map(|kind| format!("{kind}: ")).unwrap_or_default();
        let browser = if self.browser { ", in the browser" } else { "" };
        let resolved = self.resolved_at.as_ref().map(|at| format!(", resolved {at}")).unwrap_or_default();
        let mut text = format!(
            "{}, ×{}{browser}{resolved}{place}: {kind}{}\n",
            self.process_id, self.count, self.message
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_those_of_their_run() {
        let before = Before { entry: 17, told: 2 };
        for nonce in [0xab, 0xeeee_eeee] {
            assert_eq!(Before::read(nonce, &before.text(nonce)), Some(before));
        }
        for wrong in ["000000ace17.2", "000000abn17", "000000abe17", "000000abe", "", "ééééé"] {
            assert_eq!(Before::read(0xab, wrong), None, "{wrong}");
        }
    }
}
