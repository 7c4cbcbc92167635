//! A terminal for a command: what a person sees and types.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::Stdio,
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use tokio::{
    process::{Child, Command},
    sync::watch,
};

use super::expect;

/// A command at a terminal.
#[derive(Debug)]
pub(crate) struct Pty {
    pub(crate) child: Child,
    keyboard: File,
    shown: watch::Receiver<String>,
}

impl Pty {
    /// Starts it at a terminal of this size.
    pub(crate) fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let end = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        tcsetwinsize(&end, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let stdio = || Stdio::from(OwnedFd::from(end.try_clone().unwrap()));
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        if command.as_std().get_envs().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm-256color");
        }
        let child = command.kill_on_drop(true).spawn().unwrap();
        // The command's own copies are the last ones, so that its end is the terminal's.
        drop((command, end));
        let keyboard = File::from(terminal);
        let mut screen = keyboard.try_clone().unwrap();
        let (sender, shown) = watch::channel(String::new());
        // It ends when the command has closed the terminal.
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut chunk) {
                sender.send_modify(|text| text.push_str(&String::from_utf8_lossy(&chunk[..read])));
            }
        });
        Self { child, keyboard, shown }
    }

    /// Waits until everything that was shown so far has this in it.
    pub(crate) async fn shows(&self, wanted: &str) -> String {
        let mut shown = self.shown.clone();
        let seen = async { shown.wait_for(|text| text.contains(wanted)).await.map(|text| text.clone()) };
        match expect(&format!("{wanted:?} on the terminal"), seen).await {
            Ok(text) => text,
            Err(_) => panic!("it ended without {wanted:?}: {:?}", self.shown.borrow()),
        }
    }

    pub(crate) fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Waits for its end: its exit code and all that was shown.
    pub(crate) async fn end(mut self) -> (Option<i32>, String) {
        let status = expect("its end", self.child.wait()).await.unwrap();
        let mut shown = self.shown.clone();
        expect("the end of the terminal", async { while shown.changed().await.is_ok() {} }).await;
        let text = shown.borrow().clone();
        (status.code(), text)
    }
}
