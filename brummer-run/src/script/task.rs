//! The task of one running script: owns its child, reads its output, and carries out orders.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    Command, Launcher, ScriptMessage, TypedInput,
    child::Child,
    process::{Event, ProcessOutcome},
};
use crate::{
    console::Console,
    guard::link::{Order, Report},
    log::{Intake, Logs, read},
};

/// How much longer than asked a guard may take: what has to be killed may be in the middle of a slow write.
const GUARD_MARGIN: Duration = Duration::from_secs(3);

/// How long the output is read after nothing of the script is left, and all that was read is written. What still holds its pipes
/// does not belong to it.
const REST_OF_OUTPUT: Duration = Duration::from_secs(1);

pub(super) struct Task {
    pub(super) process: u32,
    pub(super) command: Command,
    pub(super) launcher: Launcher,
    pub(super) logs: Logs,
    pub(super) console: Console,
    pub(super) events: mpsc::Sender<(u32, Event)>,
}

impl Task {
    pub(super) async fn run(self, orders: mpsc::Receiver<ScriptMessage>) {
        let outcome = match Child::start(&self.command, &self.launcher) {
            Ok(child) => self.watch(child, orders).await,
            Err(error) => ProcessOutcome::NotStarted(error.to_string()),
        };
        self.logs.settle().await;
        self.tell(Event::Gone(outcome)).await;
    }

    /// Follows the child to its end.
    async fn watch(&self, mut child: Child, mut orders: mpsc::Receiver<ScriptMessage>) -> ProcessOutcome {
        let intake = Intake { process: self.process, logs: self.logs.clone(), console: self.console.clone() };
        let mut readers = JoinSet::new();
        #[cfg(unix)]
        if let Some((display, keyboard)) = child.terminal() {
            readers.spawn(crate::log::read_terminal(display, keyboard, intake.clone()));
        }
        if let Some(stdout) = child.stdout() {
            readers.spawn(read(stdout, false, intake.clone()));
        }
        if let Some(stderr) = child.stderr() {
            readers.spawn(read(stderr, true, intake));
        }
        let mut outcome = ProcessOutcome::Lost;
        let mut deadline: Option<Instant> = None;
        let mut ordered = true;
        loop {
            tokio::select! {
                biased;
                told = orders.recv(), if ordered => {
                    let order = match told {
                        Some(ScriptMessage::Order(order)) => order,
                        Some(ScriptMessage::Input(TypedInput { bytes, answer })) => {
                            // Whoever asked may have stopped waiting.
                            let _ = answer.send(child.input(&bytes).await);
                            continue;
                        }
                        // Without a supervisor nobody needs the script any more.
                        None => { ordered = false; Order::Kill }
                    };
                    child.order(order);
                    let grace = if let Order::Stop(grace) = order { grace } else { Duration::ZERO };
                    let until = Instant::now() + grace + GUARD_MARGIN;
                    deadline = Some(deadline.map_or(until, |earlier| earlier.min(until)));
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    child.end_firmly();
                    deadline = None;
                }
                report = child.next() => match report {
                    Report::Started(pid) => self.tell(Event::Started(pid)).await,
                    Report::NotStarted { why, .. } => outcome = ProcessOutcome::NotStarted(why),
                    Report::Exited(exit) => outcome = ProcessOutcome::Exited(exit),
                    Report::Gone => break,
                },
            }
        }
        // A terminal ends when nobody holds it any more.
        drop(child);
        loop {
            let until = Instant::now() + REST_OF_OUTPUT;
            while let Ok(Some(_)) = timeout_at(until, readers.join_next()).await {}
            if readers.is_empty() || !self.console.is_behind() {
                break;
            }
        }
        outcome
    }

    async fn tell(&self, event: Event) {
        // Without a supervisor there is nobody to tell.
        let _ = self.events.send((self.process, event)).await;
    }
}
