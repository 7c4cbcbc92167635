//! One process and the states it goes through. Pure.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::Launch;
use crate::guard::link::Exit;

/// A script that was started.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// Counts up from 1; never used again.
    pub(crate) number: u32,
    /// What tools call it: `dev-1`.
    pub(crate) id: Arc<str>,
    /// The script's name.
    pub(crate) name: Arc<str>,
    /// Another spelling of it.
    pub(crate) also: Option<Arc<str>>,
    /// What `package.json` says.
    pub(crate) script: Arc<str>,
    /// How it was asked for.
    pub(crate) launch: Arc<Launch>,
    /// How long it may take to end when it is asked to.
    pub(crate) grace: Duration,
    pub(crate) started: Timestamp,
    pub(crate) state: ProcessState,
}

/// Where it is in its life.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ProcessState {
    /// Nothing was heard of it yet.
    Pending,
    Running(Running),
    /// It was asked to end; the system's number of its process, if it had one.
    Stopping(Option<Running>),
    Ended {
        how: Ending,
        at: Timestamp,
    },
}

/// What is known of a process that runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Running {
    pub(crate) pid: u32,
}

/// How it has ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    Success,
    Failed(Why),
    /// It was asked to.
    Stopped(Option<Exit>),
}

/// What was wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Why {
    Exit(Exit),
    /// It could not be started.
    NotStarted(String),
    /// Whoever watched over it was killed, and so was it.
    Lost,
}

/// What a script's task has to tell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    Started(u32),
    /// Nothing of it is left, and its output is stored.
    Gone(ProcessOutcome),
}

/// How a script's own process has ended, as far as that is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ProcessOutcome {
    Exited(Exit),
    NotStarted(String),
    Lost,
}

impl ProcessState {
    /// After an event.
    pub(crate) fn on_event(self, event: Event, now: Timestamp) -> Self {
        match (self, event) {
            (Self::Pending, Event::Started(pid)) => Self::Running(Running { pid }),
            (Self::Stopping(None), Event::Started(pid)) => Self::Stopping(Some(Running { pid })),
            (state @ Self::Ended { .. }, _) | (state, Event::Started(_)) => state,
            (Self::Stopping(_), Event::Gone(outcome)) => {
                let how = match outcome {
                    ProcessOutcome::Exited(exit) => Ending::Stopped(Some(exit)),
                    ProcessOutcome::NotStarted(why) => Ending::Failed(Why::NotStarted(why)),
                    ProcessOutcome::Lost => Ending::Stopped(None),
                };
                Self::Ended { how, at: now }
            }
            (Self::Pending | Self::Running(_), Event::Gone(outcome)) => {
                let how = match outcome {
                    ProcessOutcome::Exited(Exit::Code(0)) => Ending::Success,
                    ProcessOutcome::Exited(exit) => Ending::Failed(Why::Exit(exit)),
                    ProcessOutcome::NotStarted(why) => Ending::Failed(Why::NotStarted(why)),
                    ProcessOutcome::Lost => Ending::Failed(Why::Lost),
                };
                Self::Ended { how, at: now }
            }
        }
    }

    /// After it was asked to end.
    pub(crate) fn on_stop(self) -> Self {
        match self {
            Self::Pending => Self::Stopping(None),
            Self::Running(running) => Self::Stopping(Some(running)),
            state => state,
        }
    }

    /// Whether anything of it may run.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self, Self::Ended { .. })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running(_) => "running",
            Self::Stopping(_) => "stopping",
            Self::Ended { how: Ending::Success, .. } => "success",
            Self::Ended { how: Ending::Failed(_), .. } => "failed",
            Self::Ended { how: Ending::Stopped(_), .. } => "stopped",
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Running(running) | Self::Stopping(Some(running)) => Some(running.pid),
            Self::Pending | Self::Stopping(None) | Self::Ended { .. } => None,
        }
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        match self {
            Self::Ended { how, .. } => match how {
                Ending::Success => Some(Exit::Code(0)),
                Ending::Failed(Why::Exit(exit)) => Some(*exit),
                Ending::Stopped(exit) => *exit,
                Ending::Failed(Why::NotStarted(_) | Why::Lost) => None,
            },
            _ => None,
        }
    }
}

impl Process {
    /// When it ended.
    pub(crate) fn ended(&self) -> Option<Timestamp> {
        match &self.state {
            ProcessState::Ended { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// How it ended, in words.
    pub(crate) fn ending(&self) -> Option<String> {
        let ProcessState::Ended { how, .. } = &self.state else { return None };
        let exit = |exit: &Exit| match exit {
            Exit::Code(code) => format!("exit code {code}"),
            Exit::Signal(signal) => format!("signal {signal}{}", signal_name(*signal)),
        };
        Some(match how {
            Ending::Success => "ended".to_owned(),
            Ending::Failed(Why::Exit(how)) => format!("failed: {}", exit(how)),
            Ending::Failed(Why::NotStarted(why)) => format!("could not be started: {why}"),
            Ending::Failed(Why::Lost) => "was lost: its guard was killed, and it with it".to_owned(),
            Ending::Stopped(Some(how)) => format!("stopped ({})", exit(how)),
            Ending::Stopped(None) => "stopped".to_owned(),
        })
    }
}

/// What POSIX calls the signals by which scripts usually end.
fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        6 => " (SIGABRT)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp::UNIX_EPOCH;

    fn after(state: ProcessState, events: &[Event]) -> ProcessState {
        events.iter().cloned().fold(state, |state, event| state.on_event(event, T))
    }

    fn gone(exit: Exit) -> Event {
        Event::Gone(ProcessOutcome::Exited(exit))
    }

    #[test]
    fn a_life_without_trouble() {
        let running = after(ProcessState::Pending, &[Event::Started(7)]);
        assert_eq!((running.name(), running.pid()), ("running", Some(7)));
        let ended = after(running, &[gone(Exit::Code(0)), gone(Exit::Code(1)), Event::Started(8)]);
        assert_eq!((ended.name(), ended.pid(), ended.exit()), ("success", None, Some(Exit::Code(0))));
    }

    #[test]
    fn failures_say_why() {
        let of = |event| after(ProcessState::Running(Running { pid: 7 }), &[event]);
        assert_eq!(of(gone(Exit::Code(2))).name(), "failed");
        assert_eq!(of(gone(Exit::Signal(11))).exit(), Some(Exit::Signal(11)));
        assert_eq!(of(Event::Gone(ProcessOutcome::Lost)).exit(), None);
        let unknown =
            after(ProcessState::Pending, &[Event::Gone(ProcessOutcome::NotStarted("no npm".to_owned()))]);
        assert_eq!(unknown.name(), "failed");
    }

    #[test]
    fn whoever_was_asked_to_end_is_stopped_whatever_the_code() {
        let early = after(ProcessState::Pending.on_stop(), &[Event::Started(7)]);
        assert_eq!(early, ProcessState::Stopping(Some(Running { pid: 7 })));
        for exit in [Exit::Code(0), Exit::Code(143), Exit::Signal(9)] {
            let ended = after(early.clone().on_stop(), &[gone(exit)]);
            assert_eq!((ended.name(), ended.exit(), ended.is_alive()), ("stopped", Some(exit), false));
            assert_eq!(ended.clone().on_stop(), ended);
        }
    }
}
