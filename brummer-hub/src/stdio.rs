//! The stdio transport: one session, one JSON-RPC message per line (transports § stdio).
//!
//! ```text
//!  stdin ──▶ read_lines ──Input──▶ session ──Parts──▶ write_lines ──▶ stdout
//! ```
//!
//! Neither side holds state of the session. Small messages that wait together are written together; a large one is
//! written from where it lies.

use std::{
    io::{self, IoSlice},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Hub,
    budget::{Account, Budget},
    config::Limits,
    frame::Parts,
    session::{DRAIN, Input, SessionConfig, until},
};

pub(crate) mod glimpse;
#[doc(hidden)]
pub mod lines;
mod streams;

use lines::{Line, LineSplitter, READ_BYTES};

/// Up to this size a message is copied together with its neighbours; above, it is written without a copy.
const COPY_BYTES: usize = 16 * 1024;

/// Messages written with one call.
const WRITE_BATCH: usize = 64;

/// How often it is looked whether a client is still there from whom nothing is read.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long a client may take to read what was said before a stop.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// How long a client whose input has ended may take to read the last answers.
const READ_GRACE: Duration = Duration::from_secs(5);

/// Serves one client on the process's stdin and stdout until its input ends, its output is closed, or `stop` is
/// cancelled. Nothing else may use the two meanwhile.
///
/// # Errors
///
/// When stdin cannot be read. A closed stdout is no error: the client is gone.
pub async fn serve(hub: &Hub, config: SessionConfig, stop: CancellationToken) -> io::Result<()> {
    let (output, closed) = streams::stdout();
    let done = stop.child_token();
    let watch = async {
        tokio::select! {
            () = closed => done.cancel(),
            () = done.cancelled() => {}
        }
    };
    let serve = async {
        let result =
            serve_with(hub, config, done.clone(), (streams::stdin(), streams::stdin_is_closed), output).await;
        done.cancel();
        result
    };
    tokio::join!(serve, watch).0
}

/// The same on any pair of streams, such as a socket.
///
/// # Errors
///
/// When the input cannot be read.
pub async fn serve_on(
    hub: &Hub,
    config: SessionConfig,
    stop: CancellationToken,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    serve_with(hub, config, stop, (input, || false), output).await
}

/// The function tells whether the other end of the input is closed, although there is something left to read.
async fn serve_with(
    hub: &Hub,
    config: SessionConfig,
    stop: CancellationToken,
    (input, is_closed): (impl AsyncRead + Unpin, fn() -> bool),
    output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let limits = hub.config().limits;
    let (inbox, outlet, session) = hub.session(config).into_parts();
    let read = async {
        let result = read_lines(input, is_closed, &limits, &inbox).await;
        drop(inbox);
        result
    };
    let write = write_lines(output, outlet);
    tokio::pin!(read, write);
    let mut result = None;
    let mut deadline: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            // The writer ends when the session has ended or stdout is closed; either way all is over.
            written = &mut write => {
                if let Err(error) = written {
                    tracing::debug!("stdout is closed: {error}");
                }
                break;
            }
            () = stop.cancelled(), if !session.is_cancelled() => {
                session.cancel();
                deadline = Some(Instant::now() + STOP_GRACE);
            }
            () = until(deadline) => break,
            read = &mut read, if result.is_none() => {
                deadline = deadline.or_else(|| Some(Instant::now() + DRAIN + READ_GRACE));
                result = Some(read);
            }
        }
    }
    session.cancel();
    result.unwrap_or(Ok(()))
}

/// Splits the input into lines. Ends with the input, or when nobody takes the lines. What a line is over
/// [`READ_BYTES`] is paid for before it is read.
async fn read_lines(
    mut input: impl AsyncRead + Unpin,
    is_closed: fn() -> bool,
    limits: &Limits,
    lines: &mpsc::Sender<Input>,
) -> io::Result<()> {
    let budget = Budget::new(limits.max_buffered);
    let mut account = Account::with(Some(&budget));
    let mut splitter = LineSplitter::new(limits.max_message_bytes);
    let mut at_start = true;
    loop {
        let read = input.read_buf(splitter.room()).await?;
        let ended = read == 0;
        while let Some(line) = splitter.next_line().or_else(|| ended.then(|| splitter.last_line()).flatten())
        {
            let line = match line {
                Line::Text(text) => {
                    let text = if std::mem::take(&mut at_start) { without_bom(text) } else { text };
                    if !paid(&mut account, text.len(), Some(text.len()), is_closed).await {
                        return Ok(());
                    }
                    Input::Message(account.seal(text))
                }
                Line::TooLong { limit, id, is_answer } => {
                    account = Account::with(Some(&budget));
                    Input::TooLong { limit, id: id.filter(|_| !is_answer) }
                }
            };
            if lines.send(line).await.is_err() {
                return Ok(());
            }
        }
        if ended {
            return Ok(());
        }
        let held = splitter.held();
        if held >= READ_BYTES && !paid(&mut account, held + READ_BYTES, None, is_closed).await {
            return Ok(());
        }
    }
}

/// Waits for room; `false`: there was none, and the client has closed its end meanwhile. While nothing is read, the end of
/// the input is not seen.
async fn paid(account: &mut Account, bytes: usize, wish: Option<usize>, is_closed: fn() -> bool) -> bool {
    while timeout(LOOK_AGAIN, account.cover(bytes, wish)).await.is_err() {
        if is_closed() {
            tracing::debug!("the input was closed while an instance took no more");
            return false;
        }
    }
    true
}

/// Shells of Windows put a mark in front of what they pipe.
fn without_bom(text: Bytes) -> Bytes {
    match text.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => text.slice_ref(rest),
        None => text,
    }
}

/// Writes messages as lines until there are no more.
async fn write_lines(
    mut output: impl AsyncWrite + Unpin,
    mut messages: mpsc::Receiver<Parts>,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(WRITE_BATCH);
    let mut text = Vec::with_capacity(COPY_BYTES);
    while messages.recv_many(&mut batch, WRITE_BATCH).await > 0 {
        for parts in batch.drain(..) {
            if parts.len() <= COPY_BYTES {
                for part in parts.pieces() {
                    text.extend_from_slice(part);
                }
                text.push(b'\n');
                if text.len() < 4 * COPY_BYTES {
                    continue;
                }
            }
            output.write_all(&text).await?;
            text.clear();
            if parts.len() > COPY_BYTES {
                write_parts(&mut output, &parts).await?;
            }
        }
        output.write_all(&text).await?;
        text.clear();
        output.flush().await?;
    }
    Ok(())
}

async fn write_parts(output: &mut (impl AsyncWrite + Unpin), parts: &Parts) -> io::Result<()> {
    let pieces = parts.pieces().map(|piece| &piece[..]).chain([&b"\n"[..]]);
    let mut slices: Vec<_> = pieces.map(IoSlice::new).collect();
    let mut left = &mut slices[..];
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match output.write_vectored(left).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut left, written),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_byte_order_mark_is_no_part_of_the_first_line() {
        let (lines, mut read) = mpsc::channel(8);
        let input = &b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}"[..];
        read_lines(input, || false, &Limits::default(), &lines).await.unwrap();
        drop(lines);
        let mut texts = Vec::new();
        while let Some(Input::Message(text)) = read.recv().await {
            texts.push(text);
        }
        assert_eq!(texts, [&b"{}"[..], b"\xef\xbb\xbf{}"]);
    }

    #[tokio::test]
    async fn messages_of_all_sizes_come_out_as_lines() {
        let (sender, receiver) = mpsc::channel(8);
        let big = "x".repeat(COPY_BYTES * 3);
        for text in ["a", &big, "b"] {
            sender
                .send(Parts::of([text.to_owned().into(), Bytes::from_static(b"1"), Bytes::new()]))
                .await
                .unwrap();
        }
        drop(sender);
        let mut out = Vec::new();
        write_lines(&mut out, receiver).await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("a1\n{big}1\nb1\n"));
    }
}
