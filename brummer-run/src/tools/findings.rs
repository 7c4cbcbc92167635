//! `errors_list` and `urls_list`: what was found in the output.

use brummer_hub::serve::Offer;

use super::{
    Answer, App, Effect,
    arguments::{self, ErrorsArguments, UrlsArguments},
    fit,
    logs::which,
    results::{ErrorGroup, Errors, time},
    tool, urls,
};
use crate::{
    detect::errors::MAX_ERRORS,
    log::{Filter, search::Which},
    script,
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
        "The errors that the scripts have printed, each once with how often it came, its place in the source and its stack \
         trace; the latest first.",
        |app, wanted: ErrorsArguments, _| async move {
            let most = u32::try_from(MAX_ERRORS).unwrap_or(u32::MAX);
            let limit = arguments::limit(wanted.limit, u32::try_from(DEFAULT_LIMIT).unwrap_or(most), most)?;
            let processes = which(&app, wanted.process_id.as_deref())?;
            let since = arguments::since(wanted.since.as_deref(), script::now())?;
            let structured = errors(&app, processes, since, limit).await;
            let text = text(&structured);
            Ok(Answer { structured, text })
        },
    );
    tool(
        offer,
        app,
        "urls_list",
        Effect::Reads,
        "The URLs of this machine that the scripts have printed, such as those of dev servers, with their labels; and the \
         ports on which they listen without having said so.",
        |app, wanted: UrlsArguments, _| async move {
            let structured = urls::urls(&app, wanted.all).await;
            let lines = structured.urls.iter().map(|url| {
                let ended = match url {
                    _ if !url.running => ", not running any more",
                    _ if !url.printed => ", not printed",
                    _ if url.listening == Some(false) => ", not listening there",
                    _ => "",
                };
                format!("{} ({}, {}{ended})", url.url, url.label, url.process_id)
            });
            let note = structured.note.iter().map(|note| format!("({note})"));
            let text = lines.chain(note).collect::<Vec<_>>().join("\n");
            let text = if text.is_empty() { "no URL was printed yet".to_owned() } else { text };
            Ok(Answer { structured, text })
        },
    );
}

/// The errors, the latest first.
pub(crate) async fn errors(app: &App, processes: Which, since: Option<i64>, limit: usize) -> Errors {
    let names = script::names(&app.scripts.list());
    let filter = Filter { processes, ..Filter::default() };
    let found = app.logs.errors().await;
    let wanted = found
        .into_iter()
        .rev()
        .filter(|error| filter.takes_process(error.process) && since.is_none_or(|since| error.last >= since));
    let mut errors = Errors::default();
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
        });
    }
    errors.note = errors.truncated.then(|| {
        format!(
            "{} of {} errors are shown; a higher `limit`, `processId` or `since` shows others",
            errors.errors.len(),
            errors.total
        )
    });
    errors
}

impl ErrorGroup {
    /// It for a reader, each line with its end.
    pub(crate) fn summary(&self) -> String {
        let place = self.place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
        let mut text = format!("{}, ×{}{place}: {}\n", self.process_id, self.count, self.message);
        for line in self.text.iter().flat_map(|text| text.lines()) {
            text.push_str(&format!("    {line}\n"));
        }
        text
    }
}

fn text(errors: &Errors) -> String {
    if errors.errors.is_empty() {
        return "no errors were printed".to_owned();
    }
    let mut text = String::new();
    for error in &errors.errors {
        text.push_str(&error.summary());
    }
    if let Some(note) = &errors.note {
        text.push_str(&format!("({note})"));
    }
    text.trim_end().to_owned()
}
