//! A pseudo terminal for a script, for systems without ConPTY.
//!
//! ```text
//!  run:  keyboard ──▶ ┌──────────────┐ ──▶ standard input  ┐
//!        screen  ◀──  │ the system's │ ◀── standard output ├ of the script
//!                     │ pty          │ ◀── standard error  ┘
//!                     └──────────────┘ controlling terminal of the guard's session, the script's group in front
//! ```
//!
//! `run` has one end, the script the other. The guard, which leads a session, makes the terminal that of its session and puts
//! the script's process group in front: keys such as Ctrl-C go to all of it. The end of the script is told by the guard, as
//! without a terminal; `run` then lets go of the script's end, which it has kept open until then, and reads what is left.
//!
//! What is typed is not shown, but for the end of a line: the log is what the script says. Programs that draw what is typed
//! themselves do so here, too.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::OwnedFd,
};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize},
};
use tokio::net::unix::pipe;

use crate::log::{COLUMNS, ROWS};

/// What the script writes to. A read fails when nobody has the other end any more.
pub(crate) type Display = pipe::Receiver;

/// What types into the script.
#[derive(Debug)]
pub(crate) struct Keyboard(File);

/// A terminal: both of its ends.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) display: Display,
    pub(crate) keyboard: Keyboard,
    /// For the standard streams of the script.
    pub(crate) line: OwnedFd,
}

impl Terminal {
    /// Opens one.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub(crate) fn open() -> io::Result<Self> {
        let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        // Not every system takes this flag when it is opened. Scripts are started by this very thread.
        rustix::io::fcntl_setfd(&own, rustix::io::FdFlags::CLOEXEC)?;
        grantpt(&own)?;
        unlockpt(&own)?;
        let name = ptsname(&own, Vec::new())?;
        let line = rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut modes = tcgetattr(&line)?;
        modes.local_modes.remove(LocalModes::ECHO | LocalModes::ECHOCTL);
        modes.local_modes.insert(LocalModes::ECHONL);
        // Lines end as they were written.
        modes.output_modes.remove(OutputModes::ONLCR);
        tcsetattr(&line, OptionalActions::Now, &modes)?;
        let size = Winsize { ws_col: COLUMNS, ws_row: ROWS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&line, size)?;
        rustix::fs::fcntl_setfl(&own, OFlags::RDWR | OFlags::NONBLOCK)?;
        let keyboard = Keyboard(File::from(own.try_clone()?));
        // It is read as a pipe is; what is checked otherwise is only whether it is one.
        Ok(Self { display: pipe::Receiver::from_owned_fd_unchecked(own)?, keyboard, line })
    }
}

impl Keyboard {
    /// Types. A program that does not read is not waited for.
    pub(crate) fn enter(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The key that ends a line; the terminal makes a line end of it, unless the program wants keys.
        let keys: Vec<u8> = bytes.iter().map(|byte| if *byte == b'\n' { b'\r' } else { *byte }).collect();
        self.0.write_all(&keys)
    }

    /// Another handle to it.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}
