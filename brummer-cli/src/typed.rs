//! What a person types at the terminal, line by line.

use std::{io, thread};

use tokio::sync::mpsc;

/// Lines that wait to be taken.
const LINES: usize = 16;

/// The lines from now on, if standard input is a terminal. Anything else is not read: it may belong to somebody else.
pub(crate) fn lines() -> Option<mpsc::Receiver<String>> {
    if !io::IsTerminal::is_terminal(&io::stdin()) {
        return None;
    }
    let (sender, lines) = mpsc::channel(LINES);
    // It ends with the process: nothing can end a read of a terminal.
    let reading = thread::Builder::new().name("typed".to_owned()).spawn(move || {
        while let Some(line) = system::next() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    reading.ok().map(|_| lines)
}

fn read() -> Option<String> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(1..) => Some(line.trim_end_matches(['\n', '\r']).to_owned()),
        // The end of input, or no terminal any more.
        Ok(0) | Err(_) => None,
    }
}

#[cfg(unix)]
mod system {
    use std::{io, thread::sleep, time::Duration};

    use rustix::{
        event::{PollFd, PollFlags, poll},
        fs::Timespec,
    };

    /// Between two looks at a terminal that others have: no event tells when it is ours again.
    const LOOK: Duration = Duration::from_millis(300);

    /// The next line. A process in the background must not read, or the system stops it: it first waits until there is
    /// something to be read, and then until it may.
    pub(super) fn next() -> Option<String> {
        let stdin = io::stdin();
        loop {
            let mut descriptors = [PollFd::new(&stdin, PollFlags::IN)];
            let bound = Timespec { tv_sec: 3600, tv_nsec: 0 };
            match poll(&mut descriptors, Some(&bound)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return None,
            }
            if rustix::termios::tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp()) {
                return super::read();
            }
            sleep(LOOK);
        }
    }
}

#[cfg(windows)]
mod system {
    pub(super) fn next() -> Option<String> {
        super::read()
    }
}
