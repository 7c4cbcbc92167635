//! Everything the scripts have said, as far as it is kept: from blocks of bytes to entries. Owned by the log's task;
//! pure but for the clock, which comes as an argument.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use brummer_hub::terminal::clean_line;
use bytes::Bytes;
use tokio::time::Instant;

use super::{
    ansi,
    echo::Echo,
    files::Files,
    level::{self, Level},
    mask::{self, KeyBlock},
    ring::{Ring, Stored, StoredLine},
    scan::Scanner,
    search::{Entry, Filter, Page, Start},
    splitter::MAX_LINE,
    trace::{self, Step, Trace},
};
use crate::detect::{
    engine::{Engine, Found, Origin},
    errors::Errors,
    page::Pages,
    urls::{FoundUrl, Urls},
};

/// Frames that come later than this after the line before them belong to something else. Within it come even those of a
/// process that is short of time.
const TRACE_GAP: Duration = Duration::from_millis(200);

/// A trace is closed after this time, whatever follows.
const TRACE_TIME: Duration = Duration::from_secs(5);

/// All entries, and what was found in them.
#[derive(Debug)]
pub(super) struct Store {
    scanner: Scanner,
    /// Entries kept for each process.
    limit: usize,
    logs: BTreeMap<u32, Log>,
    /// The number of the entry that came last.
    last: u64,
    /// Where the lines go besides, if a person has asked for it.
    files: Option<Files>,
    pub(super) errors: Errors,
    pub(super) urls: Urls,
    /// How many errors came, repeats too.
    pub(super) error_count: u64,
    /// Grows with everything that was found out about errors and builds.
    pub(super) findings: u64,
    /// URLs that were printed for the first time, until somebody takes them.
    new_urls: Vec<FoundUrl>,
    /// What the engine has found in a line, until it is taken.
    found: Vec<Found>,
}

/// What one process has said.
#[derive(Debug)]
struct Log {
    id: Arc<str>,
    name: Arc<str>,
    /// The number that the next entry of any process had when this one began.
    begun: u64,
    ring: Ring,
    /// Standard output and standard error.
    streams: [ProcessStream; 2],
}

#[derive(Debug)]
struct ProcessStream {
    key: KeyBlock,
    echo: Echo,
    open: Option<Open>,
    engine: Engine,
    /// What pages say.
    pages: Pages,
}

/// A trace that is being read.
#[derive(Debug)]
struct Open {
    trace: Trace,
    plain: String,
    raw: String,
    lines: usize,
    level: Level,
    at: i64,
    since: Instant,
    /// When its last line came.
    last: Instant,
    until: Instant,
}

impl Store {
    pub(super) fn new(limit: usize, files: Option<Files>) -> Self {
        Self {
            scanner: Scanner::new(),
            limit,
            files,
            logs: BTreeMap::new(),
            last: 0,
            errors: Errors::default(),
            urls: Urls::default(),
            error_count: 0,
            findings: 0,
            new_urls: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Makes room for a process, which runs this command. What earlier runs of the same script have printed is over.
    pub(super) fn open(&mut self, process: u32, id: Arc<str>, name: Arc<str>, command: &Arc<str>, at: i64) {
        let earlier: Vec<u32> =
            self.logs.iter().filter(|(_, log)| log.name == name).map(|(process, _)| *process).collect();
        self.errors.superseded(&earlier, at);
        self.findings += 1;
        if let Some(files) = &self.files {
            let about = mask::mask_setting(&format!("{id}: {command}"));
            files.begin(process, name.clone(), clean_line(&about).into_owned());
        }
        let stream = || ProcessStream {
            key: KeyBlock::default(),
            echo: Echo::new(&name, command),
            open: None,
            engine: Engine::default(),
            pages: Pages::default(),
        };
        let streams = [stream(), stream()];
        let log = Log { id, name, begun: self.last + 1, ring: Ring::new(self.limit), streams };
        self.logs.insert(process, log);
    }

    /// Forgets a process.
    pub(super) fn forget(&mut self, process: u32) {
        self.logs.remove(&process);
        if let Some(files) = &self.files {
            files.forget(process);
        }
        self.errors.forget(process);
        self.urls.forget(process);
    }

    /// The number of the entry that came last.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The number of the last entry of a process, or of the next one of all when it began.
    pub(super) fn heard(&self, process: u32) -> u64 {
        self.logs
            .get(&process)
            .map_or(0, |log| log.ring.iter().next_back().map_or(0, |it| it.number).max(log.begun))
    }

    /// Id and name of a process.
    pub(super) fn names(&self, process: u32) -> Option<(Arc<str>, Arc<str>)> {
        self.logs.get(&process).map(|log| (log.id.clone(), log.name.clone()))
    }

    /// URLs that are new since the last time.
    pub(super) fn take_new_urls(&mut self) -> Vec<FoundUrl> {
        std::mem::take(&mut self.new_urls)
    }

    /// Takes in whole lines.
    pub(super) fn take(&mut self, process: u32, is_error: bool, bytes: &[u8], at: i64, now: Instant) {
        // Lines of a process that is forgotten already are of no use to anybody.
        let Some(mut log) = self.logs.remove(&process) else { return };
        let text = super::text(bytes);
        let stream = &mut log.streams[usize::from(is_error)];
        let is_open = stream.open.is_some()
            || stream.key.is_open()
            || stream.engine.is_open()
            || stream.pages.is_inside();
        let plain = !is_open && stream.echo.is_plain(&text) && self.scanner.is_plain(&text);
        if plain {
            stream.echo.pass(&text);
            stream.pages = Pages::default();
            self.last += log.ring.push_lines(self.last + 1, &text, is_error, at);
            if let Some(files) = &self.files {
                files.lines(process, &log.name, is_error, at, Bytes::copy_from_slice(text.as_bytes()));
            }
        } else {
            let mut lines = text.split('\n');
            // Every line has its end, so there is nothing after the last one.
            lines.next_back();
            for line in lines {
                self.line(process, &mut log, is_error, line, at, now);
            }
        }
        self.logs.insert(process, log);
    }

    /// Whether the last line of a stream is what a page says.
    pub(super) fn is_page(&self, process: u32, is_error: bool) -> bool {
        self.logs.get(&process).is_some_and(|log| log.streams[usize::from(is_error)].pages.is_last())
    }

    /// One line that needs a closer look.
    fn line(&mut self, process: u32, log: &mut Log, is_error: bool, raw: &str, at: i64, now: Instant) {
        let raw = raw.strip_suffix('\r').unwrap_or(raw);
        let coloured = raw.contains(ansi::CONTROLS.map(char::from));
        let plain = if coloured { Cow::Owned(ansi::strip(raw)) } else { Cow::Borrowed(raw) };
        let found = self.scanner.scan(&plain);
        let stream = &mut log.streams[usize::from(is_error)];
        let is_page = stream.pages.on(&plain);
        let mut shown: &str = &plain;
        if found.key || stream.key.is_open() {
            let Some(kept) = stream.key.line(&plain) else { return };
            shown = kept;
        }
        let is_echo = stream.echo.line(&plain);
        let shown = match is_echo {
            true => Cow::Owned(mask::mask_setting(shown)),
            false if found.secret => mask::mask(shown),
            false => Cow::Borrowed(shown),
        };
        // Colours may stand within a secret: a line that has one is kept without them.
        let raw = if coloured && *shown == *plain { raw } else { "" };
        if is_echo {
            self.close(process, log, is_error);
            let line =
                StoredLine { plain: &shown, raw: Some(raw), level: Level::Info, is_error, is_echo: true, at };
            return self.push(process, log, line, now);
        }
        let level = level::of_line(&shown, found.levels);
        if found.url && !is_page {
            self.new_urls.extend(self.urls.take(process, &shown, at));
        }
        let step = match &stream.open {
            Some(open) if now <= open.until => trace::step(open.trace, &shown, open.lines, level),
            _ => Step::Other,
        };
        if let (Step::Goes(_) | Step::Last, Some(open)) = (step, &mut stream.open)
            && open.plain.len() + shown.len() < MAX_LINE
        {
            open.add(&shown, raw, level, now);
            match step {
                Step::Goes(trace) => open.trace = trace,
                Step::Last | Step::Other => self.close(process, log, is_error),
            }
            return;
        }
        self.close(process, log, is_error);
        let line = StoredLine { plain: &shown, raw: Some(raw), level, is_error, is_echo: false, at };
        match trace::begins(&shown, level, is_error) {
            Some(trace) => log.streams[usize::from(is_error)].open = Some(Open::new(trace, line, now)),
            None => self.push(process, log, line, now),
        }
    }

    /// Ends the trace that is being read, if any.
    fn close(&mut self, process: u32, log: &mut Log, is_error: bool) {
        let Some(open) = log.streams[usize::from(is_error)].open.take() else { return };
        let line = |plain, raw, level| StoredLine {
            plain,
            raw: Some(raw),
            level,
            is_error,
            is_echo: false,
            at: open.at,
        };
        if open.trace != Trace::Place {
            let raw = if open.raw.contains(ansi::CONTROLS.map(char::from)) { &open.raw } else { "" };
            let line = line(&open.plain, raw, open.level.max(Level::Error));
            return self.push(process, log, line, open.last);
        }
        // It looked like the place of an error, but no error followed: these are lines like any others.
        for (plain, raw) in open.plain.split('\n').zip(open.raw.split('\n')) {
            self.push(process, log, line(plain, raw, open.level), open.last);
        }
    }

    /// Stores an entry whose last line came at this time, and looks for errors in it.
    fn push(&mut self, process: u32, log: &mut Log, line: StoredLine<'_>, now: Instant) {
        self.last += u64::from(log.ring.push(self.last + 1, line));
        if let Some(files) = &self.files {
            files.lines(process, &log.name, line.is_error, line.at, format!("{}\n", line.plain).into());
        }
        self.error_count += u64::from(line.level >= Level::Error);
        if line.is_echo {
            return;
        }
        let engine = &mut log.streams[usize::from(line.is_error)].engine;
        let origin = Origin { entry: self.last, at: line.at };
        for part in line.plain.split('\n') {
            engine.on(part, origin, now, &mut self.found);
        }
        self.take_found(process);
    }

    fn take_found(&mut self, process: u32) {
        for found in self.found.drain(..) {
            self.findings += 1;
            self.errors.take(process, found);
        }
    }

    /// The errors as they are if nothing else comes. What has begun goes on.
    pub(super) fn errors_so_far(&self) -> Errors {
        let mut errors = self.errors.clone();
        let mut found = Vec::new();
        for (process, log) in &self.logs {
            for stream in &log.streams {
                if stream.open.is_none() && !stream.engine.is_open() {
                    continue;
                }
                let mut engine = stream.engine.clone();
                if let Some(open) = &stream.open {
                    let origin = Origin { entry: self.last, at: open.at };
                    for part in open.plain.split('\n') {
                        engine.on(part, origin, open.last, &mut found);
                    }
                }
                engine.close_due(None, &mut found);
                found.drain(..).for_each(|found| errors.take(*process, found));
            }
        }
        errors
    }

    /// Ends all traces, so that they can be read.
    pub(super) fn close_traces(&mut self) {
        let processes: Vec<u32> = self.logs.keys().copied().collect();
        for process in processes {
            let Some(mut log) = self.logs.remove(&process) else { continue };
            for is_error in [false, true] {
                self.close(process, &mut log, is_error);
            }
            self.logs.insert(process, log);
        }
    }

    /// Ends the traces and errors whose time is over, or all.
    pub(super) fn close_due(&mut self, now: Option<Instant>) {
        let processes: Vec<u32> = self.logs.keys().copied().collect();
        for process in processes {
            let Some(mut log) = self.logs.remove(&process) else { continue };
            for is_error in [false, true] {
                let open = &log.streams[usize::from(is_error)].open;
                if open.as_ref().is_some_and(|open| now.is_none_or(|now| open.until <= now)) {
                    self.close(process, &mut log, is_error);
                }
                log.streams[usize::from(is_error)].engine.close_due(now, &mut self.found);
                self.take_found(process);
            }
            self.logs.insert(process, log);
        }
    }

    /// When the next trace's time is over.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let streams = self.logs.values().flat_map(|log| &log.streams);
        let due = streams
            .flat_map(|stream| [stream.open.as_ref().map(|open| open.until), stream.engine.next_due()]);
        due.flatten().min()
    }

    /// The first wanted entry after a number.
    pub(super) fn first_after(&self, filter: &Filter, number: u64) -> Option<Entry> {
        self.page(filter, Start::After(number), 1, false).entries.pop()
    }

    /// Entries, at most so many.
    pub(super) fn page(&self, filter: &Filter, start: Start, limit: usize, ansi: bool) -> Page {
        let logs = || self.logs.iter().filter(|(process, _)| filter.takes_process(**process));
        let mut wanted: Vec<(u32, &Log, Stored<'_>)> = Vec::new();
        for (process, log) in logs() {
            // One more than fits tells that there are more.
            let add = |entry| (*process, log, entry);
            match start {
                Start::Newest => {
                    wanted
                        .extend(log.ring.iter().rev().filter(|it| filter.takes(it)).take(limit + 1).map(add));
                }
                Start::Before(number) => {
                    wanted.extend(
                        log.ring.before(number).filter(|it| filter.takes(it)).take(limit + 1).map(add),
                    );
                }
                Start::After(number) => {
                    wanted.extend(
                        log.ring.after(number).filter(|it| filter.takes(it)).take(limit + 1).map(add),
                    );
                }
            }
        }
        wanted.sort_unstable_by_key(|(_, _, entry)| entry.number);
        let surplus = wanted.len().saturating_sub(limit);
        let mut page = Page { cursor: self.last, ..Page::default() };
        if let Start::After(number) = start {
            page.has_newer = surplus > 0;
            page.missed = logs().any(|(_, log)| log.ring.evicted() > number);
            wanted.truncate(limit);
            if page.has_newer {
                page.cursor = wanted.last().map_or(number, |(_, _, entry)| entry.number);
            }
        } else {
            page.has_older = surplus > 0;
            wanted.drain(..surplus);
        }
        page.entries =
            wanted.into_iter().map(|(process, log, stored)| log.entry(process, stored, ansi)).collect();
        page
    }
}

impl Log {
    fn entry(&self, process: u32, stored: Stored<'_>, ansi: bool) -> Entry {
        Entry {
            number: stored.number,
            process,
            id: self.id.clone(),
            name: self.name.clone(),
            content: if ansi { stored.raw } else { stored.plain }.to_owned(),
            level: stored.level,
            is_error: stored.is_error,
            at: stored.at,
            last: stored.last,
            repeats: stored.repeats,
        }
    }
}

impl Open {
    fn new(trace: Trace, line: StoredLine<'_>, now: Instant) -> Self {
        Self {
            trace,
            plain: line.plain.to_owned(),
            raw: line.raw.filter(|raw| !raw.is_empty()).unwrap_or(line.plain).to_owned(),
            lines: 1,
            level: line.level,
            at: line.at,
            since: now,
            last: now,
            until: now + TRACE_GAP,
        }
    }

    fn add(&mut self, plain: &str, raw: &str, level: Level, now: Instant) {
        for (text, line) in
            [(&mut self.plain, plain), (&mut self.raw, if raw.is_empty() { plain } else { raw })]
        {
            text.push('\n');
            text.push_str(line);
        }
        self.lines += 1;
        self.level = self.level.max(level);
        self.last = now;
        self.until = (now + TRACE_GAP).min(self.since + TRACE_TIME);
    }
}

#[cfg(test)]
mod tests;
