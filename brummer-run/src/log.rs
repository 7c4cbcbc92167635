//! The log: what the scripts print, bounded, searchable, and free of secrets.
//!
//! ```text
//!  script's pipes ──▶ intake ──blocks of lines──▶ log task ◀──questions── tools, resources
//!                                                  │   owns the Store
//!                                                  └──▶ watch: how far it is
//! ```
//!
//! One task owns everything that was said ([`store::Store`]). Blocks of lines come over a bounded queue, which the task
//! empties faster than a script fills it; questions come over another one and are answered first. The task ends when its
//! token is cancelled; handles then answer as if nothing had been said.

pub(crate) mod ansi;
mod asking;
mod echo;
mod files;
#[cfg_attr(windows, expect(dead_code, reason = "there are no pseudo terminals on Windows"))]
mod fold;
mod intake;
pub(crate) mod level;
pub(crate) mod mask;
mod masked;
#[cfg(test)]
pub(crate) mod replay;
mod ring;
mod scan;
pub(crate) mod search;
mod sieve;
mod splitter;
mod store;
mod trace;

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::files::LogDirError;
pub(crate) use self::{
    asking::Asked,
    files::{Files, path as file_of},
    intake::{Intake, read},
    masked::{Masked, masked_line},
    search::{Entry, Filter, Page, Start},
};
use self::{asking::Asking, store::Store};
#[cfg(unix)]
pub(crate) use self::{
    fold::{COLUMNS, ROWS},
    intake::read_terminal,
};
use crate::{
    console::Console,
    detect::{
        errors::{Builds, FoundError},
        urls::FoundUrl,
    },
};

/// Entries that are kept for each process.
pub(crate) const DEFAULT_LINES: usize = 10_000;

/// Blocks that wait for the task, of at most 64 KiB each: enough to keep a script going while a question is answered.
const BLOCKS: usize = 64;

/// Questions that wait for the task. Each client asks a few at a time.
const QUESTIONS: usize = 64;

/// How far the log is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Progress {
    /// The number of the last entry.
    pub(crate) last: u64,
    /// How many lines of errors came.
    pub(crate) errors: u64,
    /// Grows with everything that was found out about errors and builds.
    pub(crate) findings: u64,
}

/// What the log's task is told, in this order.
#[derive(Debug)]
enum LogCommand {
    /// A process begins.
    Begin { process: u32, id: Arc<str>, name: Arc<str>, command: Arc<str> },
    /// It has said something: whole lines. The last one may be unfinished, and have stood there for a while.
    Lines { process: u32, is_error: bool, lines: Bytes, is_unfinished: bool, at: i64 },
    /// What it asked was answered.
    Answered { process: u32 },
    /// Answered when everything before it is stored.
    Settle { done: oneshot::Sender<()> },
    /// Nobody will ask for it any more.
    Forget { process: u32 },
}

/// What the log's task is asked.
#[derive(Debug)]
enum LogQuery {
    Page {
        filter: Filter,
        start: Start,
        limit: usize,
        ansi: bool,
        answer: oneshot::Sender<Page>,
    },
    /// The first entry after a number that is as wanted, as soon as there is one.
    Next {
        filter: Filter,
        after: u64,
        answer: oneshot::Sender<Entry>,
    },
    Errors {
        answer: oneshot::Sender<Vec<FoundError>>,
    },
    /// How the builds of these processes stand.
    Builds {
        processes: Vec<u32>,
        answer: oneshot::Sender<Vec<Builds>>,
    },
    Urls {
        answer: oneshot::Sender<Vec<FoundUrl>>,
    },
    Asking {
        answer: oneshot::Sender<Vec<Asked>>,
    },
}

/// The log, for everybody else.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    blocks: mpsc::Sender<LogCommand>,
    questions: mpsc::Sender<LogQuery>,
    progress: watch::Receiver<Progress>,
    url_count: watch::Receiver<u64>,
}

impl Logs {
    /// Starts the task.
    pub(crate) fn spawn(
        limit: usize,
        console: Console,
        files: Option<Files>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (blocks, incoming) = mpsc::channel(BLOCKS);
        let (questions, asked) = mpsc::channel(QUESTIONS);
        let (sender, progress) = watch::channel(Progress::default());
        let (urls, url_count) = watch::channel(0);
        let task = LogTask {
            store: Store::new(limit, files),
            asking: Asking::default(),
            incoming,
            asked,
            waiting: Vec::new(),
            progress: sender,
            urls,
            console,
        };
        tasks.spawn(task.run(stop));
        Self { blocks, questions, progress, url_count }
    }

    /// How far it is, now and whenever that changes.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// How many URLs were found, now and whenever that changes.
    pub(crate) fn url_count(&self) -> watch::Receiver<u64> {
        self.url_count.clone()
    }

    /// Makes room for a process, which runs this command.
    pub(crate) async fn begin(&self, process: u32, id: Arc<str>, name: Arc<str>, command: Arc<str>) {
        let _ = self.blocks.send(LogCommand::Begin { process, id, name, command }).await;
    }

    /// Waits until everything that was said before is stored.
    pub(crate) async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        if self.blocks.send(LogCommand::Settle { done }).await.is_ok() {
            let _ = settled.await;
        }
    }

    /// Forgets a process.
    pub(crate) async fn forget(&self, process: u32) {
        let _ = self.blocks.send(LogCommand::Forget { process }).await;
    }

    /// Entries, at most so many.
    pub(crate) async fn page(&self, filter: Filter, start: Start, limit: usize, ansi: bool) -> Page {
        self.ask(|answer| LogQuery::Page { filter, start, limit, ansi, answer }).await.unwrap_or_default()
    }

    /// The first entry after a number that is as wanted, as soon as there is one; `None` if the log ends before.
    /// Cancel-safe.
    pub(crate) async fn next(&self, filter: Filter, after: u64) -> Option<Entry> {
        self.ask(|answer| LogQuery::Next { filter, after, answer }).await
    }

    /// The errors; the one that came last is the last.
    pub(crate) async fn errors(&self) -> Vec<FoundError> {
        self.ask(|answer| LogQuery::Errors { answer }).await.unwrap_or_default()
    }

    /// How the last builds of these processes stand, in the same order; nothing if the log has ended.
    pub(crate) async fn builds(&self, processes: Vec<u32>) -> Vec<Builds> {
        self.ask(|answer| LogQuery::Builds { processes, answer }).await.unwrap_or_default()
    }

    /// The URLs, in the order in which they were found.
    pub(crate) async fn urls(&self) -> Vec<FoundUrl> {
        self.ask(|answer| LogQuery::Urls { answer }).await.unwrap_or_default()
    }

    /// The questions that processes seem to wait on, also of those that have ended.
    pub(crate) async fn asking(&self) -> Vec<Asked> {
        self.ask(|answer| LogQuery::Asking { answer }).await.unwrap_or_default()
    }

    /// Says that what a process asked was answered.
    pub(crate) async fn answered(&self, process: u32) {
        let _ = self.blocks.send(LogCommand::Answered { process }).await;
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> LogQuery) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(question(answer)).await.ok()?;
        answered.await.ok()
    }
}

/// Bytes as text. Most are one; `from_utf8_lossy` alone would look at each of them by itself.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

struct LogTask {
    store: Store,
    asking: Asking,
    incoming: mpsc::Receiver<LogCommand>,
    asked: mpsc::Receiver<LogQuery>,
    waiting: Vec<LogWaiter>,
    progress: watch::Sender<Progress>,
    urls: watch::Sender<u64>,
    console: Console,
}

/// Somebody who waits for an entry.
struct LogWaiter {
    filter: Filter,
    /// Up to here, there was none.
    seen: u64,
    answer: oneshot::Sender<Entry>,
}

impl LogTask {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            let due = self.store.next_due();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(question) = self.asked.recv() => self.answer(question),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.store.close_due(Some(Instant::now()));
                }
                Some(block) = self.incoming.recv() => self.take(block),
                else => return,
            }
            self.publish();
        }
    }

    fn take(&mut self, block: LogCommand) {
        match block {
            LogCommand::Begin { process, id, name, command } => {
                let at = jiff::Timestamp::now().as_millisecond();
                self.store.open(process, id, name, &command, at);
            }
            LogCommand::Lines { process, is_error, lines, is_unfinished, at } => {
                self.store.take(process, is_error, &lines, at, Instant::now());
                // A page cannot ask anybody at the terminal.
                let said: &[u8] = if self.store.is_page(process, is_error) { b"" } else { &lines };
                if let Some(asked) = self.asking.take(process, said, is_unfinished, at) {
                    self.console.asks(process, &asked.question);
                }
            }
            LogCommand::Settle { done } => {
                self.store.close_due(None);
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
            LogCommand::Answered { process } => self.asking.forget(process),
            LogCommand::Forget { process } => {
                self.asking.forget(process);
                self.store.forget(process);
            }
        }
    }

    fn answer(&mut self, question: LogQuery) {
        // An answer that nobody waits for any more is dropped.
        match question {
            LogQuery::Page { filter, start, limit, ansi, answer } => {
                self.store.close_traces();
                let _ = answer.send(self.store.page(&filter, start, limit, ansi));
            }
            LogQuery::Next { filter, after, answer } => {
                self.waiting.retain(|waiting| !waiting.answer.is_closed());
                self.waiting.push(LogWaiter { filter, seen: after, answer });
                self.tell_waiting();
            }
            LogQuery::Errors { answer } => {
                let _ = answer.send(self.store.errors_so_far().iter().cloned().collect());
            }
            LogQuery::Builds { processes, answer } => {
                let now = jiff::Timestamp::now().as_millisecond();
                let errors = self.store.errors_so_far();
                let builds = processes.into_iter().map(|process| Builds {
                    heard: self.store.heard(process),
                    ..errors.builds(process, now)
                });
                let _ = answer.send(builds.collect());
            }
            LogQuery::Asking { answer } => drop(answer.send(self.asking.iter().cloned().collect())),
            LogQuery::Urls { answer } => drop(answer.send(self.store.urls.iter().cloned().collect())),
        }
    }

    /// Tells everybody what has changed.
    fn publish(&mut self) {
        for url in self.store.take_new_urls() {
            self.urls.send_modify(|count| *count += 1);
            if url.is_local
                && let Some((_, name)) = self.store.names(url.process)
            {
                self.console.found_url(&name, &url);
            }
        }
        let progress = Progress {
            last: self.store.last(),
            errors: self.store.error_count,
            findings: self.store.findings,
        };
        let changed = self.progress.send_if_modified(|now| std::mem::replace(now, progress) != progress);
        if changed {
            self.tell_waiting();
        }
    }

    fn tell_waiting(&mut self) {
        for mut waiting in std::mem::take(&mut self.waiting) {
            match self.store.first_after(&waiting.filter, waiting.seen) {
                Some(entry) => drop(waiting.answer.send(entry)),
                None if waiting.answer.is_closed() => {}
                None => {
                    waiting.seen = self.store.last();
                    self.waiting.push(waiting);
                }
            }
        }
    }
}
