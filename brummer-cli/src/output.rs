//! The only place that prints. Data goes to standard output, everything said to a person to standard error.

use std::{
    ffi::OsStr,
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use colorchoice::ColorChoice;

use crate::env;

/// Writes data. A reader that has gone away (`brummer-hub list | head -1`) has what it wanted: that is no error.
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

/// Says something to the person at the terminal. When nobody listens there any more, there is nobody to tell.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
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
