//! Takes what a script prints off its pipe, as fast as it comes, and hands it to the console and to the log. A console that is to
//! be read whole may take its time; nothing is read meanwhile.

use std::time::Duration;

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::{Instant, sleep_until},
};

use super::{LogCommand, Logs, mask, splitter::Splitter};
#[cfg(unix)]
use crate::terminal::{Display, Keyboard};
use crate::{console::Console, detect::engine::GAP};

/// How much is read at once: as much as a pipe of Linux holds.
const READ: usize = 64 * 1024;

/// After this time, what stands there without a line end is shown as it is: it is a question, or a bar that stands still. The
/// last frame of a stack may be such a line, and comes while the error that it belongs to is still open.
const UNFINISHED: Duration = Duration::from_millis(300);
const _: () = assert!(UNFINISHED.as_millis() < GAP.as_millis());

/// Where the output of a process goes.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    pub(crate) process: u32,
    pub(crate) logs: Logs,
    pub(crate) console: Console,
}

/// Reads a stream of a process to its end.
pub(crate) async fn read(mut stream: impl AsyncRead + Unpin, is_error: bool, intake: Intake) {
    let mut splitter = Splitter::default();
    let mut buffer = BytesMut::with_capacity(READ);
    let mut flush_at: Option<Instant> = None;
    loop {
        buffer.reserve(READ);
        let (lines, is_unfinished) = tokio::select! {
            biased;
            read = stream.read_buf(&mut buffer) => match read {
                // A pipe that cannot be read has ended.
                Ok(0) | Err(_) => break,
                Ok(_) => (splitter.lines(&mut buffer), false),
            },
            () = sleep_until(flush_at.unwrap_or_else(Instant::now)), if flush_at.is_some() => {
                // Half a secret would not be known as one, nor would the other half.
                if mask::is_within(&String::from_utf8_lossy(&buffer)) {
                    (None, false)
                } else {
                    (splitter.flush(&mut buffer), true)
                }
            }
        };
        flush_at = (!buffer.is_empty()).then(|| Instant::now() + UNFINISHED);
        if let Some(lines) = lines {
            intake.take(is_error, lines, is_unfinished).await;
        }
    }
    if let Some(lines) = splitter.flush(&mut buffer) {
        intake.take(is_error, lines, false).await;
    }
}

/// Reads a terminal of a process to its end, as a person would. The keyboard is for what the terminal itself answers.
#[cfg(unix)]
pub(crate) async fn read_terminal(mut display: Display, mut keyboard: Keyboard, intake: Intake) {
    let mut fold = super::fold::Fold::default();
    let mut buffer = BytesMut::with_capacity(READ);
    loop {
        let due = fold.due();
        let told = tokio::select! {
            biased;
            // What animates without a pause must not keep back what stands.
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => fold.settle(Instant::now()),
            read = display.read_buf(&mut buffer) => match read {
                Ok(0) | Err(_) => break,
                Ok(_) => fold.write(&buffer.split(), Instant::now()),
            },
        };
        buffer.reserve(READ);
        let replies = fold.take_replies();
        if !replies.is_empty() {
            // A program that reads nothing needs no answer.
            let _ = keyboard.enter(&replies);
        }
        if let Some(told) = told {
            intake.take(false, told.lines, told.is_unfinished).await;
        }
    }
    if let Some(told) = fold.end() {
        intake.take(false, told.lines, false).await;
    }
}

impl Intake {
    async fn take(&self, is_error: bool, lines: bytes::Bytes, is_unfinished: bool) {
        self.console.output(self.process, is_error, &lines).await;
        let at = jiff::Timestamp::now().as_millisecond();
        // Without a log there is nothing left to do for the lines; the script must not be held up for it.
        let block = LogCommand::Lines { process: self.process, is_error, lines, is_unfinished, at };
        let _ = self.logs.blocks.send(block).await;
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::AsyncWriteExt as _;
    use tokio_util::{sync::CancellationToken, task::TaskTracker};

    use super::*;
    use crate::console::ConsoleOptions;

    const STACK: &[u8] = b"TypeError: boom\n    at f (node:events:1:2)\n    at price (/app/src/price.ts:3:7)";

    /// The place of the error in what a script prints that then ends, or goes on without a word.
    async fn place(ends: bool) -> Option<String> {
        let console = Console::start(ConsoleOptions {
            output: Box::new(io::sink()),
            notes: Box::new(io::sink()),
            colour: false,
            whole: false,
        })
        .unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let logs = Logs::spawn(100, console.clone(), None, &tasks, stop.clone());
        logs.begin(1, "app-1".into(), "app".into(), "node app.js".into()).await;
        let (mut script, stream) = tokio::io::duplex(1024);
        let reader = tokio::spawn(read(stream, true, Intake { process: 1, logs: logs.clone(), console }));
        script.write_all(STACK).await.unwrap();
        let mut progress = logs.progress();
        if ends {
            drop(script);
            reader.await.unwrap();
            logs.settle().await;
        } else {
            // Nothing else comes until the error is known.
            let _ = progress.wait_for(|progress| progress.findings > 1).await;
        }
        let places = logs.errors().await.into_iter().map(|error| error.place).collect::<Vec<_>>();
        stop.cancel();
        assert_eq!(places.len(), 1, "{places:?}");
        places.into_iter().next().flatten()
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_frame_counts_without_the_end_of_its_line() {
        for ends in [true, false] {
            assert_eq!(place(ends).await.as_deref(), Some("/app/src/price.ts:3:7"), "{ends}");
        }
    }
}
