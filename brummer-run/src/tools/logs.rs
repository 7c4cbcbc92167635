//! `logs_search` and `logs_tail`: parts of the log.

use brummer_hub::serve::{CallError, Offer};

use super::{
    Answer, App, Effect,
    arguments::{self, Search, Tail},
    fit::fit,
    results::LogPage,
    tool,
};
use crate::{
    log::{Entry, Filter, Page, Start, level::Level, search::Which},
    script,
};

pub(super) const DEFAULT_LIMIT: u32 = 100;
pub(super) const MAX_LIMIT: u32 = 1000;

/// Which way a cursor leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Newer,
    Older,
}

pub(super) fn add(offer: &mut Offer, app: &App) {
    tool(
        offer,
        app,
        "logs_search",
        Effect::Reads,
        "Searches what scripts have printed: the newest matches, in order. A stack trace is one entry.",
        |app, search: Search, _| async move {
            let filter = Filter {
                processes: which(&app, search.process_id.as_deref())?,
                level: search.level.least(),
                text: Some(arguments::pattern(&search.query, search.regex)?),
                since: arguments::since(search.since.as_deref(), script::now())?,
                ..Filter::default()
            };
            let limit = arguments::limit(search.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
            let start = start(&app, search.cursor.as_deref())?;
            answer(&app, filter, start, limit, search.ansi, "no line has this").await
        },
    );
    tool(
        offer,
        app,
        "logs_tail",
        Effect::Reads,
        "The last lines that scripts have printed; with `cursor`, those that came since an answer.",
        |app, tail: Tail, _| async move {
            let filter = Filter {
                processes: which(&app, tail.process_id.as_deref())?,
                level: tail.level.least(),
                ..Filter::default()
            };
            let limit = arguments::limit(tail.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
            let start = start(&app, tail.cursor.as_deref())?;
            answer(&app, filter, start, limit, tail.ansi, "nothing was printed").await
        },
    );
}

async fn answer(
    app: &App,
    filter: Filter,
    start: Start,
    limit: usize,
    ansi: bool,
    nothing: &str,
) -> Result<Answer<LogPage>, CallError> {
    let found = app.logs.page(filter, start, limit, ansi).await;
    let (structured, text) = page(app, found, !matches!(start, Start::After(_)), nothing);
    Ok(Answer { structured, text })
}

/// A page as it is answered: for a program and for a reader; `nothing` says that it is empty.
pub(crate) fn page(app: &App, mut found: Page, keep_newest: bool, nothing: &str) -> (LogPage, String) {
    let cut = fit(&mut found, keep_newest);
    let mut notes = Vec::new();
    if found.entries.is_empty() {
        notes.push(nothing.to_owned());
    }
    if cut.left_out > 0 {
        notes.push(format!("{} entries are left out to keep this answer short", cut.left_out));
    }
    if found.has_older {
        notes.push("there are older ones: pass `olderCursor` as `cursor`".to_owned());
    }
    if found.has_newer {
        notes.push("there are newer ones: pass `cursor`".to_owned());
    }
    if cut.shortened > 0 {
        notes.push(format!("{} long entries are shortened", cut.shortened));
    }
    if found.missed {
        notes.push("older lines were overwritten before they were asked for".to_owned());
    }
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    let older_cursor = found.entries.first().filter(|_| found.has_older);
    let older_cursor = older_cursor.map(|entry| cursor(app, Direction::Older, entry.number));
    let mut text = String::new();
    let mut today = String::new();
    for entry in &found.entries {
        // The day once, and again when it has changed.
        if day(entry) != today {
            today = day(entry);
            text.push_str(&format!("({today}, UTC)\n"));
        }
        text.push_str(&line(entry));
        text.push('\n');
    }
    let newer = cursor(app, Direction::Newer, found.cursor);
    if let Some(note) = &note {
        text.push_str(&format!("({note})\n"));
    }
    let older = older_cursor.as_ref().map(|older| format!(", olderCursor {older}")).unwrap_or_default();
    text.push_str(&format!("(cursor {newer}{older})"));
    let page = LogPage {
        truncated: found.has_older || found.has_newer || found.missed || cut.shortened > 0,
        entries: found.entries.into_iter().map(Into::into).collect(),
        cursor: newer,
        older_cursor,
        note,
    };
    (page, text)
}

/// The day of an entry.
pub(super) fn day(entry: &Entry) -> String {
    super::results::time(entry.at).chars().take_while(|it| *it != 'T').collect()
}

/// One entry for a reader, but for its day.
pub(super) fn line(entry: &Entry) -> String {
    let clock = |at| {
        let time = super::results::time(at);
        time.split_once('T').map_or_else(String::new, |(_, clock)| clock.trim_end_matches('Z').to_owned())
    };
    let error = if entry.is_error { " stderr" } else { "" };
    let level = match entry.level {
        Level::Info => String::new(),
        level => format!(" {}", level.name()),
    };
    let repeats = match entry.repeats {
        0 | 1 => String::new(),
        repeats => format!(" (×{repeats}, last {})", clock(entry.last)),
    };
    format!("{} #{} {}{error}{level}: {}{repeats}", clock(entry.at), entry.number, entry.id, entry.content)
}

/// The text of a cursor. It is opaque to clients.
pub(super) fn cursor(app: &App, direction: Direction, number: u64) -> String {
    let sign = if direction == Direction::Newer { 'n' } else { 'o' };
    format!("{:08x}{sign}{number}", app.nonce)
}

/// Where to begin.
pub(super) fn start(app: &App, cursor: Option<&str>) -> Result<Start, CallError> {
    let Some(text) = cursor else { return Ok(Start::Newest) };
    match read_cursor(app.nonce, text) {
        Some((Direction::Newer, number)) => Ok(Start::After(number)),
        Some((Direction::Older, number)) => Ok(Start::Before(number)),
        None => Err(CallError::new(format!(
            "`{text}` is not a cursor of this run (it may have been restarted since); leave `cursor` out to begin anew"
        ))),
    }
}

fn read_cursor(nonce: u32, text: &str) -> Option<(Direction, u64)> {
    let (run, rest) = text.split_at_checked(8)?;
    let direction = match rest.chars().next()? {
        'n' => Direction::Newer,
        'o' => Direction::Older,
        _ => return None,
    };
    let number = rest[1..].parse().ok()?;
    (u32::from_str_radix(run, 16) == Ok(nonce)).then_some((direction, number))
}

/// The processes that a name means; all if none is given.
pub(super) fn which(app: &App, name: Option<&str>) -> Result<Which, CallError> {
    let Some(name) = name else { return Ok(Which::All) };
    let processes = app.scripts.list();
    let found = script::named(&processes, name);
    if found.is_empty() { Err(super::scripts::unknown(&processes, name)) } else { Ok(Which::Only(found)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_those_of_their_run() {
        assert_eq!(read_cursor(0xab, "000000abn17"), Some((Direction::Newer, 17)));
        assert_eq!(read_cursor(0xab, "000000abo0"), Some((Direction::Older, 0)));
        for wrong in ["000000acn17", "000000abx17", "000000abn", "abn1", "", "ééééé", "000000abn-1"] {
            assert_eq!(read_cursor(0xab, wrong), None, "{wrong}");
        }
    }
}
