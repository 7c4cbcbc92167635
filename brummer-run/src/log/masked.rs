//! A stream of lines without their secrets and colours: what a program says on standard error, where it gets into answers.

use std::{
    borrow::Cow,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    ansi,
    mask::{KeyBlock, mask},
    splitter::Splitter,
};

/// How much is read at once.
const READ: usize = 8 * 1024;

/// Reads lines, and gives them on masked. A line is only given on when it is whole, or at the end.
#[derive(Debug)]
pub(crate) struct Masked<R> {
    stream: R,
    splitter: Splitter,
    /// What has been read and is no whole line yet.
    read: BytesMut,
    key: KeyBlock,
    /// What is to be given on.
    masked: Bytes,
    is_over: bool,
}

impl<R> Masked<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self {
            stream,
            splitter: Splitter::default(),
            read: BytesMut::new(),
            key: KeyBlock::default(),
            masked: Bytes::new(),
            is_over: false,
        }
    }

    fn mask(&mut self, lines: &[u8]) {
        let text = super::text(lines);
        let mut masked = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            let line = line.strip_suffix('\n').unwrap_or(line);
            if let Some(line) = self.key.line(&plain(line)) {
                masked += &mask(line);
                masked.push('\n');
            }
        }
        self.masked = masked.into();
    }
}

/// Colours may stand within a secret, or between its name and it.
fn plain(line: &str) -> Cow<'_, str> {
    if ansi::needs_cleaning(line) { Cow::Owned(ansi::strip(line)) } else { Cow::Borrowed(line) }
}

/// The same for one line by itself.
pub(crate) fn masked_line(line: &str) -> String {
    mask(&plain(line)).into_owned()
}

impl<R: AsyncRead + Unpin> AsyncRead for Masked<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.masked.is_empty() && !this.is_over {
            let mut room = [0; READ];
            let mut room = ReadBuf::new(&mut room);
            match Pin::new(&mut this.stream).poll_read(context, &mut room) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {}
            }
            this.is_over = room.filled().is_empty();
            this.read.extend_from_slice(room.filled());
            let lines = match this.is_over {
                false => this.splitter.lines(&mut this.read),
                true => this.splitter.flush(&mut this.read),
            };
            if let Some(lines) = lines {
                this.mask(&lines);
            }
        }
        let length = this.masked.len().min(into.remaining());
        into.put_slice(&this.masked[..length]);
        this.masked.advance(length);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn lines_come_without_secrets_whole_and_to_the_last() {
        let said = "starting\n\x1b[31mpassword\x1b[0m=hunter2\nghp_\x1b[1m0123456789abcdefghij0123456789abcdefghij\r\nDB_PASS=hunter2\n-----BEGIN \x1b[2mPRIVATE KEY-----\nMIIE\nAbCd\n-----END PRIVATE KEY-----\n\
                    x --token abc";
        // In pieces that end within a secret.
        let (mut to, from) = tokio::io::duplex(5);
        let writing = tokio::spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut to, said.as_bytes()).await.unwrap();
        });
        let mut read = String::new();
        Masked::new(from).read_to_string(&mut read).await.unwrap();
        writing.await.unwrap();
        let expected = "starting\npassword=[masked]\nghp_[masked]\nDB_PASS=[masked]\n-----BEGIN PRIVATE KEY-----\n[masked]\n-----END PRIVATE KEY-----\n\
                        x --token [masked]\n";
        assert_eq!(read, expected);
    }
}
