//! The only place that prints. Data goes to standard output, everything said to a person to standard error.

use std::{
    ffi::OsStr,
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use brummer_hub::terminal;
use colorchoice::ColorChoice;

use crate::env;

/// Writes data as it is: what comes from elsewhere has been cleaned where it was put together. A reader that has gone away (`brummer-hub list | head -1`) has what it wanted: that is no error.
pub(crate) fn data(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// The same for what never ends: whether somebody still reads.
pub(crate) fn stream(text: &str) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
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

/// Whether this stream is a terminal that shows colour, and the user does not mind; `--color` has the last word.
pub(crate) fn colour(stream: &impl IsTerminal) -> bool {
    match ColorChoice::global() {
        ColorChoice::Never => false,
        ColorChoice::Always | ColorChoice::AlwaysAnsi => true,
        ColorChoice::Auto => stream.is_terminal() && colour_wanted(env::get, cfg!(windows)),
    }
}

fn colour_wanted<V: AsRef<OsStr>>(get: impl Fn(&str) -> Option<V>, windows: bool) -> bool {
    let dumb = get(env::TERM).map(|term| term.as_ref() == "dumb");
    match (get(env::NO_COLOR), dumb) {
        (Some(_), _) | (None, Some(true)) => false,
        (None, Some(false)) => true,
        (None, None) => !windows || get(env::WT_SESSION).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(set: &[(&str, &'static str)], windows: bool) -> bool {
        colour_wanted(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| *value), windows)
    }

    #[test]
    fn a_line_of_the_log_is_one_line_and_moves_no_terminal() {
        let mut written = Vec::new();
        let mut lines = Lines(&mut written);
        lines.write_all("\x1b[33m WARN\x1b[0m one\nforged\x1b]0;x\x07 \u{202e}\n".as_bytes()).unwrap();
        lines.write_all("two\n".as_bytes()).unwrap();
        let expected = "\x1b[33m WARN\x1b[0m one forged\u{fffd}]0;x\u{fffd} \u{fffd}\ntwo\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn no_color_and_dumb_terminals_are_honoured() {
        assert!(wanted(&[("TERM", "xterm")], false));
        assert!(!wanted(&[("TERM", "xterm"), ("NO_COLOR", "1")], false));
        assert!(!wanted(&[("TERM", "dumb")], false));
    }

    #[test]
    fn the_old_windows_console_gets_none() {
        assert!(!wanted(&[], true));
        assert!(wanted(&[("WT_SESSION", "x")], true));
    }
}
