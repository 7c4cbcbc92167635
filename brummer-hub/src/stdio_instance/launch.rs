//! A process of a stdio server: how it is started, and the task that moves its lines.

use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    path::PathBuf,
    pin::Pin,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::mux::{Ending, Life, MuxKey};
use crate::{
    frame::{self, Frame, FrameError, Parts},
    protocol::code,
    session::message,
    stdio::{
        glimpse::Glimpse,
        lines::{Line, LineSplitter},
    },
};

/// The longest message of a server.
const MAX_LINE: usize = 64 * 1024 * 1024;

/// The longest line of its standard error that is kept whole.
const MAX_ERROR_LINE: usize = 4 * 1024;

/// The most messages of a batch.
const MAX_BATCH: usize = 1024;

/// UTF-8's byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Messages written with one call.
const BATCH: usize = 64;

/// How long a server may take to end when its input is closed (2025-11-25, lifecycle § Shutdown), and then when it was
/// told to.
const GRACE: Duration = Duration::from_secs(2);

/// How long the last output may take to be read when the process has ended.
const DRAIN: Duration = Duration::from_millis(500);

/// How a program is started. The library brings [`PlainCommand`]; a program that has a better way to see to it that nothing
/// survives it has its own.
pub trait Launch: Send + Sync + 'static {
    /// Starts the program with three pipes.
    fn launch(&self) -> Launching;

    /// What may be told of a line that the program has written where messages were expected. The line itself unless it is
    /// implemented; secrets are taken out of it there, as out of its standard error.
    fn told(&self, line: String) -> String {
        line
    }
}

/// The start of a program.
pub type Launching = Pin<Box<dyn Future<Output = Result<Launched, NotLaunched>> + Send>>;

/// A program that was started.
pub struct Launched {
    /// Its process id.
    pub pid: u32,
    /// Its standard input.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// The program itself. Dropping it ends it.
    pub program: Box<dyn RunningProgram>,
}

impl fmt::Debug for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// A program that runs. Dropping it ends it at once.
pub trait RunningProgram: Send {
    /// Waits until nothing of it is left, and says how it ended, such as "exit code 1". Cancel-safe.
    fn ended(&mut self) -> Pin<Box<dyn Future<Output = String> + Send + '_>>;

    /// Tells it and all that it has started to end, and ends them firmly after this time.
    fn end(&mut self, grace: Duration);
}

/// Why a program could not be started.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
#[non_exhaustive]
pub struct NotLaunched {
    /// There is no such program, and there will be none.
    pub is_missing: bool,
    /// In words.
    pub why: String,
}

impl NotLaunched {
    /// It could not be started for this reason.
    #[must_use]
    pub fn new(is_missing: bool, why: impl Into<String>) -> Self {
        Self { is_missing, why: why.into() }
    }
}

/// Starts a program as it is. It is killed when the instance ends, and when the program that serves it dies it finds its input
/// closed, by which stdio servers end. What it has started itself is left to it.
#[derive(Clone, Debug)]
pub struct PlainCommand {
    program: OsString,
    arguments: Vec<OsString>,
    directory: Option<PathBuf>,
}

impl PlainCommand {
    /// This program, without arguments.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { program: program.as_ref().to_owned(), arguments: Vec::new(), directory: None }
    }

    /// With these arguments besides.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// In this directory; the working directory unless given.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    fn start(&self) -> io::Result<Launched> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let mut child = command.spawn()?;
        let lost = || io::Error::other("it has no pipes");
        Ok(Launched {
            pid: child.id().ok_or_else(lost)?,
            stdin: Box::new(child.stdin.take().ok_or_else(lost)?),
            stdout: Box::new(child.stdout.take().ok_or_else(lost)?),
            stderr: Box::new(child.stderr.take().ok_or_else(lost)?),
            program: Box::new(Plain(child)),
        })
    }
}

impl Launch for PlainCommand {
    fn launch(&self) -> Launching {
        let started = self.start().map_err(|error| {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            NotLaunched::new(is_missing, format!("cannot start `{}`: {error}", self.program.display()))
        });
        Box::pin(std::future::ready(started))
    }
}

struct Plain(Child);

impl RunningProgram for Plain {
    fn ended(&mut self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        Box::pin(async {
            match self.0.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            }
        })
    }

    fn end(&mut self, _grace: Duration) {
        // It fails when it has ended. Its input was closed before, which was the time to end in order.
        let _ = self.0.start_kill();
    }
}

/// What a process tells the desk.
#[derive(Debug)]
pub(super) struct ProcessNews {
    pub(super) mux: MuxKey,
    pub(super) life: Life,
    pub(super) what: ProcessNewsKind,
}

#[derive(Debug)]
pub(super) enum ProcessNewsKind {
    Started(u32),
    Line(Frame),
    /// A line of standard output that is no message.
    Garbage(String),
    /// A line of standard error.
    Error(String),
    Written(usize),
    /// It was not started; the last news.
    NotStarted(NotLaunched),
    /// It has ended, in these words; the last news.
    Ended(String),
}

/// Names a process towards the desk, and speaks to it.
struct Teller {
    mux: MuxKey,
    life: Life,
    news: mpsc::Sender<ProcessNews>,
    launch: Arc<dyn Launch>,
}

impl Teller {
    async fn tell(&self, what: ProcessNewsKind) {
        let what = match what {
            ProcessNewsKind::Garbage(line) => ProcessNewsKind::Garbage(self.launch.told(line)),
            what => what,
        };
        // It fails when the desk is gone, which ends this task too.
        let _ = self.news.send(ProcessNews { mux: self.mux, life: self.life, what }).await;
    }
}

/// Runs one process until nothing of it is left.
pub(super) async fn live(
    launch: Arc<dyn Launch>,
    (mux, life): (MuxKey, Life),
    messages: mpsc::Receiver<Parts>,
    news: mpsc::Sender<ProcessNews>,
    stop: CancellationToken,
) {
    let teller = Teller { mux, life, news, launch };
    let launched = match teller.launch.launch().await {
        Ok(launched) => launched,
        Err(error) => return teller.tell(ProcessNewsKind::NotStarted(error)).await,
    };
    let Launched { pid, stdin, stdout, stderr, mut program } = launched;
    teller.tell(ProcessNewsKind::Started(pid)).await;
    // Whoever has closed its output cannot answer any more, and is ended as one that is told to.
    let stop = stop.child_token();
    let mut reading = Box::pin(async {
        let answers = async {
            lines(stdout, MAX_LINE, &teller, read_messages).await;
            stop.cancel();
        };
        tokio::join!(answers, lines(stderr, MAX_ERROR_LINE, &teller, read_error));
    });
    let mut writing = Box::pin(write(stdin, messages, &teller, stop.clone()));
    let mut grace = Box::pin(async {
        // Its input is closed now.
        writing.as_mut().await;
        tokio::time::sleep(GRACE).await;
    });
    let (mut has_read, mut was_told) = (false, false);
    let how = loop {
        tokio::select! {
            biased;
            () = &mut reading, if !has_read => has_read = true,
            how = program.ended() => break how,
            () = &mut grace, if !was_told => {
                was_told = true;
                program.end(GRACE);
            }
        }
    };
    if !has_read {
        // A descendant that got away may hold the pipes open.
        let _ = timeout(DRAIN, reading).await;
    }
    teller.tell(ProcessNewsKind::Ended(how)).await;
}

/// Reads what stands on a line of standard output, as forgivingly as what comes over HTTP.
fn read_messages(line: Line, out: &mut Vec<ProcessNewsKind>) {
    match line {
        Line::Text(text) => read_text(&text, out),
        // Whoever waits for it hears why it does not come.
        Line::TooLong { limit, id: Some(id), is_answer: true } => {
            out.push(failed(&id, &format!("the answer is over the limit of {limit} bytes")));
        }
        Line::TooLong { limit, .. } => {
            out.push(ProcessNewsKind::Garbage(format!("(a message of more than {limit} bytes)")));
        }
    }
}

fn read_text(text: &Bytes, out: &mut Vec<ProcessNewsKind>) {
    // Some consoles begin with a mark.
    let text = text.strip_prefix(BOM).map_or_else(|| text.clone(), |rest| text.slice_ref(rest));
    if take(frame::messages(&text.clone().into(), MAX_BATCH), out) {
        return;
    }
    // A progress bar goes back to the beginning of its line instead of ending it.
    if memchr::memchr(b'\r', &text).is_none() {
        return read_unreadable(&text, out);
    }
    for part in text.split(|byte| *byte == b'\r').map(|part| without_controls(part.trim_ascii())) {
        if !part.is_empty() {
            let part = text.slice_ref(part);
            if !take(frame::messages(&part.clone().into(), MAX_BATCH), out) {
                read_unreadable(&part, out);
            }
        }
    }
}

/// Takes messages if all of them can be read. Programs log what they say to others, often with words beside it, and an answer to
/// somebody else is nobody's here: what is not a message as a whole is none in part.
fn take(messages: impl Iterator<Item = Result<Frame, FrameError>>, out: &mut Vec<ProcessNewsKind>) -> bool {
    let before = out.len();
    for message in messages {
        let Ok(frame) = message else {
            out.truncate(before);
            return false;
        };
        out.push(ProcessNewsKind::Line(frame));
    }
    out.len() > before
}

/// What is no message, but perhaps several: some servers forget to end a line.
fn read_unreadable(text: &Bytes, out: &mut Vec<ProcessNewsKind>) {
    let repaired = frame::repaired(text).unwrap_or_else(|| text.clone());
    let values = serde_json::Deserializer::from_slice(&repaired).into_iter::<&RawValue>();
    let messages = values.map(|value| {
        let value = value.map_err(FrameError::NotJson)?;
        frame::mended(&repaired.slice_ref(value.get().as_bytes()).into())
    });
    if take(messages, out) {
        return;
    }
    out.push(ProcessNewsKind::Garbage(shortened(text)));
    let mut glimpse = Glimpse::new();
    glimpse.read(text);
    // What ends in the middle is the beginning of a message that somebody has logged.
    if glimpse.is_whole()
        && glimpse.is_json_rpc()
        && glimpse.is_answer()
        && let Some(id) = glimpse.id()
    {
        let why =
            frame::mended(&text.clone().into()).err().map(|error| error.to_string()).unwrap_or_default();
        out.push(failed(&id, &format!("the answer cannot be read: {why}")));
    }
}

/// What stands behind control sequences: a line is cleared, or colours end (ECMA-48).
fn without_controls(mut text: &[u8]) -> &[u8] {
    while let Some(sequence) = text.strip_prefix(b"\x1b[") {
        let Some(end) = sequence.iter().position(|byte| (0x40..=0x7e).contains(byte)) else { break };
        text = &sequence[end + 1..];
    }
    text
}

/// What those hear who wait for an answer that cannot be read.
fn failed(id: &str, why: &str) -> ProcessNewsKind {
    match Frame::parse(message::error(Some(id), code::INTERNAL_ERROR, why, None).join()) {
        Ok(error) => ProcessNewsKind::Line(error),
        Err(_) => ProcessNewsKind::Garbage(format!("({why})")),
    }
}

fn read_error(line: Line, out: &mut Vec<ProcessNewsKind>) {
    out.push(ProcessNewsKind::Error(match line {
        Line::Text(text) => shortened(&text),
        Line::TooLong { limit, .. } => format!("(a line of more than {limit} bytes)"),
    }));
}

/// A line as it is kept.
fn shortened(text: &Bytes) -> String {
    String::from_utf8_lossy(&text[..text.len().min(MAX_ERROR_LINE)]).into_owned()
}

async fn lines(
    mut input: impl AsyncRead + Unpin,
    limit: usize,
    teller: &Teller,
    read: fn(Line, &mut Vec<ProcessNewsKind>),
) {
    let mut splitter = LineSplitter::new(limit);
    let mut said = Vec::new();
    loop {
        let ended = match input.read_buf(splitter.room()).await {
            Ok(read) => read == 0,
            Err(error) => {
                tracing::debug!(%error, "the output of a stdio server cannot be read");
                true
            }
        };
        while let Some(line) = splitter.next_line().or_else(|| ended.then(|| splitter.last_line()).flatten())
        {
            read(line, &mut said);
            for what in said.drain(..) {
                teller.tell(what).await;
            }
        }
        if ended {
            return;
        }
    }
}

/// Writes messages as lines until there are no more, the process takes none, or it is to end; then its input is closed.
async fn write(
    mut output: impl AsyncWrite + Unpin,
    mut messages: mpsc::Receiver<Parts>,
    teller: &Teller,
    stop: CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut text = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            received = messages.recv_many(&mut batch, BATCH) => if received == 0 {
                return;
            },
        }
        let mut bytes = 0;
        for parts in batch.drain(..) {
            bytes += parts.len();
            for piece in parts.pieces() {
                text.extend_from_slice(piece);
            }
            text.push(b'\n');
        }
        let written = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            written = async { output.write_all(&text).await.and(output.flush().await) } => written,
        };
        if let Err(error) = written {
            tracing::debug!(%error, "a stdio server does not read its input");
            return;
        }
        text.clear();
        text.shrink_to(64 * 1024);
        teller.tell(ProcessNewsKind::Written(bytes)).await;
    }
}

impl From<NotLaunched> for Ending {
    fn from(NotLaunched { is_missing, why }: NotLaunched) -> Self {
        Self { why, is_hopeless: is_missing, last_words: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: Line) -> Vec<ProcessNewsKind> {
        let mut said = Vec::new();
        read_messages(line, &mut said);
        said
    }

    #[test]
    fn an_answer_over_the_limit_is_an_error_for_whoever_waits() {
        let id = Some("7".into());
        let said = read(Line::TooLong { limit: 9, id: id.clone(), is_answer: true });
        let [ProcessNewsKind::Line(frame)] = said.as_slice() else { panic!("no message: {said:?}") };
        assert_eq!(frame.id(), Some("7"));
        let text = message::error_of(frame).and_then(|error| error.message);
        assert_eq!(text.as_deref(), Some("the answer is over the limit of 9 bytes"));
        // A question of this size is nobody's answer.
        let question = read(Line::TooLong { limit: 9, id, is_answer: false });
        assert!(matches!(question.as_slice(), [ProcessNewsKind::Garbage(_)]));
    }

    #[test]
    fn what_servers_may_write_over_http_they_may_on_a_line_too() {
        let answer = |id: u32| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"a":"b"}}}}"#);
        let bad = br#"{"jsonrpc":"2.0","id":1,"result":{"a":"#.iter().chain(b"\"\xff\"}}").copied();
        for (line, ids) in [
            (bad.collect(), vec!["1"]),
            (format!("\u{feff}{}", answer(2)).into_bytes(), vec!["2"]),
            (format!("[{},{}]", answer(3), answer(4)).into_bytes(), vec!["3", "4"]),
            (b"a log line".to_vec(), vec!["?"]),
            (format!("\r 9 %\r 100 %\r\x1b[2K\x1b[0m{}", answer(5)).into_bytes(), vec!["?", "?", "5"]),
            (format!("{}\r 100 %\r", answer(51)).into_bytes(), vec!["51", "?"]),
            (format!("{}{} {}", answer(6), answer(61), answer(62)).into_bytes(), vec!["6", "61", "62"]),
            (format!("{}{}", answer(63), answer(64).replace("\"b\"", "NaN")).into_bytes(), vec!["63", "64"]),
            // What the program says to others is not for anybody here.
            (format!("[DEBUG] upstream said {}", answer(1)).into_bytes(), vec!["?"]),
            (format!(r#"{{"level":"info"}} {}"#, answer(1)).into_bytes(), vec!["?"]),
            (br#"{"level":"error","id":1,"error":{"code":"ECONN"}}"#.to_vec(), vec!["?"]),
            (br#"{"id":1,"result":"ok","msg":"row}"#.to_vec(), vec!["?"]),
            (format!("{} <- upstream answered", answer(1)).into_bytes(), vec!["?"]),
            (format!("{},{{\"x\":1}}", answer(1)).into_bytes(), vec!["?"]),
            (format!("[\"info\",{}]", answer(1)).into_bytes(), vec!["?"]),
            (br#"{"jsonrpc":"2.0","id":1,"error": upstream says so"#.to_vec(), vec!["?"]),
            (br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"cut he"#.to_vec(), vec!["?"]),
            (br#"{"jsonrpc":"2.0","id":7,"result":{"mean":NaN}}"#.to_vec(), vec!["7"]),
            (br#"[{"jsonrpc":"2.0","id":8,"result":{"mean":-Infinity}}]"#.to_vec(), vec!["8"]),
            (br#"{"jsonrpc":"2.0","id":9,"result":{"mean":nan}}"#.to_vec(), vec!["?", "9"]),
            (br#"{"jsonrpc":"2.0","id":10,"method":"x","params":{oops}}"#.to_vec(), vec!["?"]),
        ] {
            let said = read(Line::Text(line.clone().into()));
            let seen = said.iter().map(|what| match what {
                ProcessNewsKind::Line(frame) => frame.id().unwrap_or_default(),
                _ => "?",
            });
            assert_eq!(seen.collect::<Vec<_>>(), ids, "{}", String::from_utf8_lossy(&line));
        }
    }
}
