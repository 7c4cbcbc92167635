//! How the command ends: exit codes, and errors with a hint for the person who reads them.

use std::{fmt, process::ExitCode};

use crate::signals::Signal;

/// The exit code, by its meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ExitStatus {
    /// 0: did what was asked. An orderly end on a first signal is one too.
    Success,
    /// 1: it could not be done; standard error says why.
    Failure,
    /// 2: the arguments were wrong.
    Usage,
    /// 3: the tool that was called answered with an error.
    Tool,
    /// 124: the time that was given is up, as `timeout` has it.
    TimedOut,
    /// 128 + n: a signal ended it before it was done; for the hub, a second one.
    Signalled(Signal),
    /// The exit code of the command that `register` has wrapped, or of the scripts of `run --exit`; 128 + n if signal n ended it.
    Command(i32),
}

impl ExitStatus {
    /// The number that the parent process sees.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Tool => 3,
            Self::TimedOut => 124,
            Self::Signalled(signal) => 128 + signal.number(),
            Self::Command(code) => code,
        }
    }

    /// What `main` returns.
    pub(crate) fn end(self) -> ExitCode {
        match u8::try_from(self.code()) {
            Ok(code) => ExitCode::from(code),
            Err(_) => end_with_wide_code(self.code()),
        }
    }
}

#[expect(
    clippy::exit,
    reason = "exit codes of Windows have 32 bits and `ExitCode` holds 8; nothing is left to drop"
)]
fn end_with_wide_code(code: i32) -> ! {
    std::process::exit(code)
}

/// Why the command failed, and what the user can do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    status: ExitStatus,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    /// A failure in its own words: lower case, no full stop.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        anyhow::Error::msg(message.to_string()).into()
    }

    /// Adds what the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Ends with another code than 1.
    pub(crate) fn with_status(mut self, status: ExitStatus) -> Self {
        self.status = status;
        self
    }

    /// The exit code that goes with it.
    pub(crate) fn status(&self) -> ExitStatus {
        self.status
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.error.to_string();
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            // Some errors say their cause themselves.
            if !text.ends_with(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        write!(f, "error: {text}")?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { status: ExitStatus::Failure, error: error.into(), hint: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_manual() {
        assert_eq!(ExitStatus::Success.code(), 0);
        assert_eq!(ExitStatus::Failure.code(), 1);
        assert_eq!(ExitStatus::Usage.code(), 2);
        assert_eq!(ExitStatus::Tool.code(), 3);
        assert_eq!(ExitStatus::TimedOut.code(), 124);
        assert_eq!(ExitStatus::Signalled(Signal::Interrupt).code(), 130);
        assert_eq!(ExitStatus::Signalled(Signal::Terminate).code(), 143);
        assert_eq!(ExitStatus::Command(77).code(), 77);
    }

    #[test]
    fn a_failure_is_a_line_and_its_hint_another() {
        let plain = Failure::new("nothing listens on port 3001");
        assert_eq!(plain.to_string(), "error: nothing listens on port 3001");
        let hinted = plain.hint("start the server first");
        assert_eq!(hinted.to_string(), "error: nothing listens on port 3001\nhint: start the server first");
    }

    #[test]
    fn causes_follow_on_the_same_line() {
        let cause = std::io::Error::other("disk full");
        let failure = Failure::from(anyhow::Error::from(cause).context("cannot write a.json"));
        assert_eq!(failure.to_string(), "error: cannot write a.json: disk full");

        let told = anyhow::Error::from(std::io::Error::other("disk full")).context("cannot write: disk full");
        assert_eq!(Failure::from(told).to_string(), "error: cannot write: disk full");
    }
}
