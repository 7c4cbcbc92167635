//! What a person sees: the lines of the scripts with their names in front, and what `run` itself has to say.
//!
//! A thread of its own writes, because a terminal may be slow or stand still. What it has not written yet is bounded: lines take
//! room before they are queued, and the thread gives it back when they are written. When there is none,
//!
//! - a console that is there to be looked at waits for nobody: lines are left out, and their number is told. The log has them all
//!   the same.
//! - a console that is there to be read whole ([`ConsoleOptions::whole`]) lets whoever reads a script wait for room, and so the
//!   script, which finds its pipe full. [`Console::hurry`] makes it one of the first kind when the run is to end.
//!
//! The thread ends when [`Console::finish`] says so, or when the last handle is gone.

mod screen;

use std::{
    fmt::Display,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use brummer_hub::terminal::clean_line;
use bytes::Bytes;
use tokio::sync::{Semaphore, TryAcquireError, oneshot};
use tokio_util::sync::CancellationToken;

use self::screen::Screen;
use crate::detect::urls::FoundUrl;

/// Blocks of lines and notes that wait to be written.
const QUEUE: u32 = 2048;

/// Bytes of lines that wait to be written: a second of work for a terminal.
const QUEUED_BYTES: u32 = 1024 * 1024;

/// The room that a block takes at least, so that there is a place in the queue for each that has room, and as many for notes.
const SMALLEST: u32 = QUEUED_BYTES / (QUEUE / 2);

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
    /// Whether every line is written, and a script waits for whoever reads. If not, lines are left out that come faster than they
    /// can be written.
    pub whole: bool,
}

impl std::fmt::Debug for ConsoleOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleOptions")
            .field("colour", &self.colour)
            .field("whole", &self.whole)
            .finish_non_exhaustive()
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
    /// Bytes of lines that may still be queued.
    room: Arc<Semaphore>,
    /// Nobody waits for room any more.
    hurry: CancellationToken,
    /// Lines that were left out since the thread has last said so.
    skipped: Arc<AtomicU64>,
}

impl Console {
    /// Starts the thread.
    pub(crate) fn start(options: ConsoleOptions) -> std::io::Result<Self> {
        let (items, incoming) = sync_channel(QUEUE as usize);
        let room = Arc::new(Semaphore::new(QUEUED_BYTES as usize));
        let console = Self { items, room, hurry: CancellationToken::new(), skipped: Arc::default() };
        if !options.whole {
            console.hurry();
        }
        let (room, skipped) = (console.room.clone(), console.skipped.clone());
        thread::Builder::new()
            .name("console".to_owned())
            .spawn(move || write(&incoming, &mut Screen::new(options), &room, &skipped))?;
        Ok(console)
    }

    /// From now on nobody waits: lines for which there is no room are left out.
    pub(crate) fn hurry(&self) {
        self.hurry.cancel();
    }

    /// Whether there are lines that somebody is to see and that are not written yet.
    pub(crate) fn is_behind(&self) -> bool {
        !self.hurry.is_cancelled() && self.room.available_permits() < QUEUED_BYTES as usize
    }

    /// Makes a process known by its name.
    pub(crate) fn begin(&self, process: u32, name: Arc<str>) {
        // A full queue loses the name only; the lines then come without it.
        let _ = self.items.try_send(ConsoleCommand::Begin { process, name });
    }

    /// Shows lines of a process, for which a whole console may have to wait.
    pub(crate) async fn output(&self, process: u32, is_error: bool, lines: &Bytes) {
        let weight = weight(lines);
        let has_room = tokio::select! {
            biased;
            () = self.hurry.cancelled() => self.room.try_acquire_many(weight),
            // It is never closed.
            permit = self.room.acquire_many(weight) => permit.map_err(|_| TryAcquireError::Closed),
        };
        let item = ConsoleCommand::Lines { process, is_error, lines: lines.clone() };
        match has_room {
            // The thread gives it back.
            Ok(permit) if self.items.try_send(item).is_ok() => permit.forget(),
            _ => {
                let count = memchr::memchr_iter(b'\n', lines).count();
                self.skipped.fetch_add(count as u64, Ordering::Relaxed);
            }
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

    /// Waits until everything is written; not for long if nobody is to wait.
    pub(crate) async fn finish(&self) {
        tokio::select! {
            biased;
            () = self.hurry.cancelled() => {}
            // All the room there is: nothing is queued.
            all = self.room.acquire_many(QUEUED_BYTES) => drop(all),
        }
        let (done, mut finished) = oneshot::channel();
        if self.items.try_send(ConsoleCommand::End { done }).is_err() {
            return;
        }
        tokio::select! {
            biased;
            _ = &mut finished => return,
            () = self.hurry.cancelled() => {}
        }
        let _ = tokio::time::timeout(LAST_WORDS, finished).await;
    }
}

/// The room that lines take.
fn weight(lines: &Bytes) -> u32 {
    u32::try_from(lines.len()).unwrap_or(QUEUED_BYTES).clamp(SMALLEST, QUEUED_BYTES)
}

/// The thread.
fn write(items: &Receiver<ConsoleCommand>, screen: &mut Screen, room: &Semaphore, skipped: &AtomicU64) {
    let mut had_reader = true;
    while let Ok(item) = items.recv() {
        let mut next = Some(item);
        // What is there already goes out at once.
        while let Some(item) = next {
            let left_out = skipped.swap(0, Ordering::Relaxed);
            // What is left out when nobody reads any more was for nobody.
            if left_out > 0 && had_reader {
                screen.skipped(left_out);
            }
            had_reader = screen.has_reader();
            match item {
                ConsoleCommand::Begin { process, name } => screen.begin(process, &name),
                ConsoleCommand::Lines { process, is_error, lines } => {
                    screen.lines(process, is_error, &crate::log::text(&lines));
                    room.add_permits(weight(&lines) as usize);
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
