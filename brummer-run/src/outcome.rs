//! How the scripts of the command line have ended, for a run that is to end with them.

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::{
    guard::link::Exit,
    script::{Ending, ProcessList, ProcessState, Why},
};

/// What shells say of a command that cannot be started.
const NOT_STARTED: i32 = 127;

/// Scripts that have to end, each with its exit code once it has.
#[derive(Debug)]
pub(crate) struct Outcome {
    names: Vec<String>,
    codes: BTreeMap<String, i32>,
}

impl Outcome {
    /// All of these scripts have to end.
    pub(crate) fn of(names: Vec<String>) -> Self {
        Self { names, codes: BTreeMap::new() }
    }

    /// A script that cannot be started at all.
    pub(crate) fn not_started(&mut self, name: &str) {
        self.codes.insert(name.to_owned(), NOT_STARTED);
    }

    /// The exit code of all: that of the first that did not succeed, in the order of the command line.
    fn code(&self) -> Option<i32> {
        let codes: Option<Vec<i32>> = self.names.iter().map(|name| self.codes.get(name).copied()).collect();
        codes.map(|codes| codes.into_iter().find(|code| *code != 0).unwrap_or(0))
    }

    /// Takes in the list of processes as it is now.
    fn see(&mut self, processes: &ProcessList) {
        for name in &self.names {
            // One that is not known any more has ended long ago, and stays as it was.
            let Some(newest) = processes.iter().rev().find(|process| *process.name == **name) else {
                continue;
            };
            let code = match &newest.state {
                ProcessState::Ended { how: Ending::Success, .. } => Some(0),
                ProcessState::Ended { how: Ending::Failed(Why::Exit(Exit::Code(code))), .. } => Some(*code),
                ProcessState::Ended { how: Ending::Failed(Why::Exit(Exit::Signal(signal))), .. } => {
                    Some(128 + signal)
                }
                ProcessState::Ended { how: Ending::Failed(Why::NotStarted(_)), .. } => Some(NOT_STARTED),
                ProcessState::Ended { how: Ending::Failed(Why::Lost), .. } => Some(1),
                // A client that stops a script may start it again.
                ProcessState::Ended { how: Ending::Stopped(_), .. }
                | ProcessState::Pending
                | ProcessState::Running(_)
                | ProcessState::Stopping(_) => None,
            };
            match code {
                Some(code) => self.codes.insert(name.clone(), code),
                None => self.codes.remove(name),
            };
        }
    }

    /// Waits until all have ended by themselves, and returns their exit code.
    pub(crate) async fn wait(mut self, mut processes: watch::Receiver<ProcessList>) -> i32 {
        loop {
            let now = processes.borrow_and_update().clone();
            self.see(&now);
            if let Some(code) = self.code() {
                return code;
            }
            if processes.changed().await.is_err() {
                // The run is ending for another reason.
                return std::future::pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::script::{self, Process, Running};

    fn process(number: u32, name: &str, state: ProcessState) -> Process {
        Process {
            number,
            id: format!("{name}-{number}").into(),
            name: name.into(),
            also: None,
            script: "".into(),
            launch: Arc::default(),
            grace: crate::script::DEFAULT_GRACE,
            started: script::now(),
            state,
        }
    }

    fn ended(how: Ending) -> ProcessState {
        ProcessState::Ended { how, at: script::now() }
    }

    /// What a run of `a` and `b` ends with after these lists.
    fn code(lists: Vec<Vec<Process>>) -> Option<i32> {
        let mut outcome = Outcome::of(vec!["a".to_owned(), "b".to_owned()]);
        lists.into_iter().for_each(|list| outcome.see(&Arc::new(list)));
        outcome.code()
    }

    #[test]
    fn the_first_that_failed_counts() {
        let failed = |exit| ended(Ending::Failed(Why::Exit(exit)));
        let a = |state| process(1, "a", state);
        let b = |state| process(2, "b", state);
        let runs = || ProcessState::Running(Running { pid: 7 });
        assert_eq!(code(vec![vec![a(ended(Ending::Success)), b(runs())]]), None);
        assert_eq!(code(vec![vec![a(ended(Ending::Success)), b(ended(Ending::Success))]]), Some(0));
        let both = vec![a(failed(Exit::Code(3))), b(failed(Exit::Code(4)))];
        assert_eq!(code(vec![both]), Some(3));
        assert_eq!(code(vec![vec![a(ended(Ending::Success)), b(failed(Exit::Signal(9)))]]), Some(137));
        let missing = ended(Ending::Failed(Why::NotStarted("no npm".to_owned())));
        assert_eq!(code(vec![vec![a(missing), b(ended(Ending::Success))]]), Some(127));
    }

    #[test]
    fn a_script_that_a_client_stops_or_starts_again_has_not_ended() {
        let b = || process(2, "b", ended(Ending::Success));
        let stopped = process(1, "a", ended(Ending::Stopped(Some(Exit::Signal(15)))));
        assert_eq!(code(vec![vec![stopped.clone(), b()]]), None);
        let again = process(3, "a", ProcessState::Pending);
        let first = process(1, "a", ended(Ending::Success));
        assert_eq!(code(vec![vec![first.clone(), b(), again]]), None);
        // It was forgotten after it had ended.
        assert_eq!(code(vec![vec![first], vec![b()]]), Some(0));
    }
}
