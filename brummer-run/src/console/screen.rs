//! How lines and notes look. Owned by the console's thread.

use std::{
    borrow::Cow,
    collections::HashMap,
    io::{self, BufWriter, Write},
    sync::Arc,
};

use brummer_hub::terminal::{clean, clean_but_colours, clean_line};
use unicode_width::UnicodeWidthStr as _;

use super::ConsoleOptions;
use crate::log::ansi;

/// Names longer than this are not waited for by the others.
const MAX_WIDTH: usize = 20;

/// Colours of the names: those that can be read on dark and on light ground.
const COLOURS: [u8; 6] = [36, 33, 35, 32, 34, 31];

/// Two streams, each until it cannot be written any more.
pub(super) struct Screen {
    output: ScreenOutput,
    notes: ScreenOutput,
    colour: bool,
    names: HashMap<u32, Arc<str>>,
    width: usize,
    /// Room for what is being written.
    text: String,
}

struct ScreenOutput {
    writer: Option<BufWriter<Box<dyn Write + Send>>>,
}

impl ScreenOutput {
    fn new(writer: Box<dyn Write + Send>) -> Self {
        Self { writer: Some(BufWriter::with_capacity(64 * 1024, writer)) }
    }

    /// Writes; after the first failure, nothing more. Returns what went wrong the first time.
    fn put(&mut self, text: &str) -> Option<io::Error> {
        self.attempt(|writer| writer.write_all(text.as_bytes()))
    }

    fn flush(&mut self) -> Option<io::Error> {
        self.attempt(BufWriter::flush)
    }

    fn attempt(
        &mut self,
        act: impl FnOnce(&mut BufWriter<Box<dyn Write + Send>>) -> io::Result<()>,
    ) -> Option<io::Error> {
        let error = act(self.writer.as_mut()?).err()?;
        if let Some(writer) = self.writer.take() {
            // What is left in the buffer cannot be written either; dropping it as it is would try.
            let _ = writer.into_parts();
        }
        Some(error)
    }
}

impl Screen {
    pub(super) fn new(options: ConsoleOptions) -> Self {
        Self {
            output: ScreenOutput::new(options.output),
            notes: ScreenOutput::new(options.notes),
            colour: options.colour,
            names: HashMap::new(),
            width: 0,
            text: String::new(),
        }
    }

    pub(super) fn begin(&mut self, process: u32, name: &Arc<str>) {
        let name: Arc<str> = Arc::from(clean_line(name));
        self.width = self.width.max(name.width().min(MAX_WIDTH));
        self.names.insert(process, name);
    }

    /// Lines of a process, each with its end.
    pub(super) fn lines(&mut self, process: u32, is_error: bool, lines: &str) {
        let prefix = self.prefix(process, is_error);
        let mut text = std::mem::take(&mut self.text);
        // One look at all of them: most lines are plain, and there may be a million.
        let plain = !ansi::needs_cleaning(lines);
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', lines.as_bytes()) {
            text.push_str(&prefix);
            if plain {
                text.push_str(&lines[begin..=end]);
            } else {
                text.push_str(&self.shown(&lines[begin..end]));
                text.push('\n');
            }
            begin = end + 1;
        }
        self.put(&text);
        text.clear();
        self.text = text;
    }

    /// What `run` has to say, about a process or in general.
    pub(super) fn note(&mut self, about: Option<u32>, text: &str) {
        self.flush_output();
        let name = about.and_then(|process| self.names.get(&process));
        let mut said = String::new();
        for line in clean(text).lines() {
            let line = match name {
                Some(name) => format!("{name}: {line}"),
                None => line.to_owned(),
            };
            said.push_str(&if self.colour { format!("\x1b[2m{line}\x1b[0m\n") } else { format!("{line}\n") });
        }
        // Nobody is left to be told when this fails.
        let _ = self.notes.put(&said).or_else(|| self.notes.flush());
    }

    /// Whether the lines of processes can still be written.
    pub(super) fn has_reader(&self) -> bool {
        self.output.writer.is_some()
    }

    /// Lines that could not be shown.
    pub(super) fn skipped(&mut self, count: u64) {
        let lines = if count == 1 { "line" } else { "lines" };
        self.note(
            None,
            &format!(
                "… {count} {lines} not shown: they came faster than they could be written; the log has them"
            ),
        );
    }

    pub(super) fn flush(&mut self) {
        self.flush_output();
        let _ = self.notes.flush();
    }

    fn flush_output(&mut self) {
        let failed = self.output.flush();
        self.complain(failed);
    }

    fn put(&mut self, text: &str) {
        let failed = self.output.put(text);
        self.complain(failed);
    }

    /// Says once that the output cannot be written. A reader that has gone away wanted no more.
    fn complain(&mut self, failed: Option<io::Error>) {
        if let Some(error) = failed.filter(|error| error.kind() != io::ErrorKind::BrokenPipe) {
            let said = format!(
                "warning: cannot write to standard output: {error}; the scripts go on, and the log has their lines\n"
            );
            let _ = self.notes.put(&said).or_else(|| self.notes.flush());
        }
    }

    fn prefix(&self, process: u32, is_error: bool) -> String {
        let name = self.names.get(&process).map_or("", |name| &**name);
        let padding = " ".repeat(self.width.saturating_sub(name.width()));
        let bar = if is_error { '!' } else { '|' };
        if !self.colour {
            return format!("{name}{padding} {bar} ");
        }
        let colour = COLOURS[process as usize % COLOURS.len()];
        format!("\x1b[{colour}m{name}{padding} {bar}\x1b[0m ")
    }

    fn shown<'a>(&self, line: &'a str) -> Cow<'a, str> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if self.colour && ansi::needs_cleaning(line) {
            return Cow::Owned(clean_but_colours(&ansi::strip_but_colours(line)).into_owned());
        }
        ansi::printable(line)
    }
}
