//! The only place that prints. Data goes to standard output, everything said to a person to standard error.

use std::{
    fmt::Display,
    io::{self, Write},
};

use anstream::AutoStream;
use brummer_hub::terminal;

/// Standard output, where colours may be written: a console of Windows is told of them first, or gets them in its own way.
/// Nothing is taken out.
pub(crate) fn stdout() -> AutoStream<io::Stdout> {
    AutoStream::always(io::stdout())
}

/// Standard error, in the same way.
pub(crate) fn stderr() -> AutoStream<io::Stderr> {
    AutoStream::always(io::stderr())
}

/// Writes data as it is: what comes from elsewhere has been cleaned where it was put together. A reader that has gone away (`brummer-hub list | head -1`) has what it wanted: that is no error.
pub(crate) fn data(text: &str) -> io::Result<()> {
    let mut stdout = stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// The same for what never ends: whether somebody still reads.
pub(crate) fn stream(text: &str) -> io::Result<bool> {
    let mut stdout = stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        done => done.map(|()| true),
    }
}

/// Says something to the person at the terminal, whatever names and errors are in it. When nobody listens there any more,
/// there is nobody to tell.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", terminal::clean(&text.to_string()));
}

/// Standard error or a file, for lines of the log: each write is one line, and what is in it stays on it.
#[derive(Debug)]
pub(crate) struct Lines<W>(pub(crate) W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut cleaned = terminal::clean_but_colours(line).replace('\n', " ");
        cleaned.push('\n');
        self.0.write_all(cleaned.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Asks something of the person at the terminal, who answers on the same line.
pub(crate) fn prompt(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_one_line_and_moves_no_terminal() {
        let mut written = Vec::new();
        let mut lines = Lines(&mut written);
        lines.write_all("\x1b[33m WARN\x1b[0m one\nforged\x1b]0;x\x07 \u{202e}\n".as_bytes()).unwrap();
        lines.write_all("two\n".as_bytes()).unwrap();
        let expected = "\x1b[33m WARN\x1b[0m one forged\u{fffd}]0;x\u{fffd} \u{fffd}\ntwo\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
