//! What a person sees: the lines of the scripts with their names in front, and what `run` itself has to say.
//!
//! A thread of its own writes, because a terminal may be slow or stand still, and nobody must wait for it. What it has not
//! written yet is bounded: a script that prints faster than the terminal can show is shown with gaps, each with the number
//! of lines that were left out. The log has them all the same. The thread ends when [`Console::finish`] says so, or when
//! the last handle is gone.

mod screen;

use std::{
    fmt::Display,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use brummer_hub::terminal::clean_line;
use bytes::Bytes;
use tokio::sync::oneshot;

use self::screen::Screen;
use crate::detect::urls::FoundUrl;

/// Blocks of lines and notes that wait to be written.
const QUEUE: usize = 1024;

/// Bytes of lines that wait to be written: a second of work for a terminal.
const QUEUED_BYTES: usize = 1024 * 1024;

/// How long the end waits for a terminal that stands still.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where to write.
pub struct ConsoleOptions {
    /// For the lines of the scripts.
    pub output: Box<dyn Write + Send>,
    /// For what `run` has to say itself.
    pub notes: Box<dyn Write + Send>,
    /// Whether lines may have colours. If not, those that scripts print are removed.
    pub colour: bool,
}

impl std::fmt::Debug for ConsoleOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleOptions").field("colour", &self.colour).finish_non_exhaustive()
    }
}

/// What the thread is told.
#[derive(Debug)]
enum ConsoleCommand {
    Begin { process: u32, name: Arc<str> },
    Lines { process: u32, is_error: bool, lines: Bytes },
    Note { about: Option<u32>, text: String },
    End { done: oneshot::Sender<()> },
}

/// The console, for everybody who has something to show.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    items: SyncSender<ConsoleCommand>,
    queued: Arc<AtomicUsize>,
    /// Lines that were left out since the thread has last said so.
    skipped: Arc<AtomicU64>,
}

impl Console {
    /// Starts the thread.
    pub(crate) fn start(options: ConsoleOptions) -> std::io::Result<Self> {
        let (items, incoming) = sync_channel(QUEUE);
        let console = Self { items, queued: Arc::default(), skipped: Arc::default() };
        let (queued, skipped) = (console.queued.clone(), console.skipped.clone());
        thread::Builder::new()
            .name("console".to_owned())
            .spawn(move || write(&incoming, &mut Screen::new(options), &queued, &skipped))?;
        Ok(console)
    }

    /// Makes a process known by its name.
    pub(crate) fn begin(&self, process: u32, name: Arc<str>) {
        // A full queue loses the name only; the lines then come without it.
        let _ = self.items.try_send(ConsoleCommand::Begin { process, name });
    }

    /// Shows lines of a process. Never waits.
    pub(crate) fn output(&self, process: u32, is_error: bool, lines: &Bytes) {
        let before = self.queued.fetch_add(lines.len(), Ordering::Relaxed);
        let item = ConsoleCommand::Lines { process, is_error, lines: lines.clone() };
        if before > QUEUED_BYTES || self.items.try_send(item).is_err() {
            self.queued.fetch_sub(lines.len(), Ordering::Relaxed);
            let count = memchr::memchr_iter(b'\n', lines).count();
            self.skipped.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// Says something of `run` itself.
    pub(crate) fn note(&self, text: impl Display) {
        let _ = self.items.try_send(ConsoleCommand::Note { about: None, text: text.to_string() });
    }

    /// Says something about a process.
    pub(crate) fn note_about(&self, process: u32, text: impl Display) {
        let _ = self.items.try_send(ConsoleCommand::Note { about: Some(process), text: text.to_string() });
    }

    /// Says that a process seems to wait for an answer.
    pub(crate) fn asks(&self, process: u32, question: &str) {
        self.note_about(process, format_args!("seems to wait for an answer to `{question}`"));
    }

    /// Tells a URL that a script has printed.
    pub(crate) fn found_url(&self, name: &str, url: &FoundUrl) {
        let label = url.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
        let text = format!("{name} serves {}{label}", url.url);
        self.note(clean_line(&text));
    }

    /// Waits until everything is written, but not for long.
    pub(crate) async fn finish(&self) {
        let (done, finished) = oneshot::channel();
        if self.items.try_send(ConsoleCommand::End { done }).is_ok() {
            let _ = tokio::time::timeout(LAST_WORDS, finished).await;
        }
    }
}

/// The thread.
fn write(items: &Receiver<ConsoleCommand>, screen: &mut Screen, queued: &AtomicUsize, skipped: &AtomicU64) {
    while let Ok(item) = items.recv() {
        let mut next = Some(item);
        // What is there already goes out at once.
        while let Some(item) = next {
            let left_out = skipped.swap(0, Ordering::Relaxed);
            if left_out > 0 {
                screen.skipped(left_out);
            }
            match item {
                ConsoleCommand::Begin { process, name } => screen.begin(process, &name),
                ConsoleCommand::Lines { process, is_error, lines } => {
                    screen.lines(process, is_error, &crate::log::text(&lines));
                    queued.fetch_sub(lines.len(), Ordering::Relaxed);
                }
                ConsoleCommand::Note { about, text } => screen.note(about, &text),
                ConsoleCommand::End { done } => {
                    screen.flush();
                    let _ = done.send(());
                    return;
                }
            }
            next = items.try_recv().ok();
        }
        screen.flush();
    }
}

#[cfg(test)]
mod tests;
