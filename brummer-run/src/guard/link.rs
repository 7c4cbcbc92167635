//! What `run` and a guard say to each other: one line each. Pure.

use std::time::Duration;

/// What `run` wants of a script.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// End gracefully within this time, or firmly after it.
    Stop(Duration),
    /// End at once.
    Kill,
    /// Hand this signal on to all of it.
    Signal(i32),
}

/// How a process has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

/// What becomes of a script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Report {
    /// It runs, as this process.
    Started(u32),
    /// It could not be started, perhaps because there is no such program.
    NotStarted { is_missing: bool, why: String },
    /// Its own process has ended; its children may still run.
    Exited(Exit),
    /// Nothing of it is left.
    Gone,
}

impl Order {
    #[cfg_attr(windows, expect(dead_code, reason = "there are no guards on Windows"))]
    pub(crate) fn line(self) -> String {
        match self {
            Self::Stop(grace) => format!("stop {}\n", grace.as_millis()),
            Self::Kill => "kill\n".to_owned(),
            Self::Signal(number) => format!("signal {number}\n"),
        }
    }

    #[cfg_attr(windows, expect(dead_code, reason = "there are no guards on Windows"))]
    pub(crate) fn read(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            Some(("stop", grace)) => Some(Self::Stop(Duration::from_millis(grace.parse().ok()?))),
            Some(("signal", number)) => Some(Self::Signal(number.parse().ok()?)),
            None if line == "kill" => Some(Self::Kill),
            _ => None,
        }
    }
}

impl Report {
    #[cfg_attr(windows, expect(dead_code, reason = "there are no guards on Windows"))]
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Started(pid) => format!("started {pid}\n"),
            Self::NotStarted { is_missing, why } => {
                format!("{} {}\n", if *is_missing { "missing" } else { "failed" }, why.replace('\n', " "))
            }
            Self::Exited(Exit::Code(code)) => format!("code {code}\n"),
            Self::Exited(Exit::Signal(signal)) => format!("signal {signal}\n"),
            Self::Gone => "gone\n".to_owned(),
        }
    }

    #[cfg_attr(windows, expect(dead_code, reason = "there are no guards on Windows"))]
    pub(crate) fn read(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some(match word {
            "started" => Self::Started(rest.parse().ok()?),
            "failed" | "missing" => Self::NotStarted { is_missing: word == "missing", why: rest.to_owned() },
            "code" => Self::Exited(Exit::Code(rest.parse().ok()?)),
            "signal" => Self::Exited(Exit::Signal(rest.parse().ok()?)),
            "gone" => Self::Gone,
            _ => return None,
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for order in [Order::Stop(Duration::from_millis(1500)), Order::Kill, Order::Signal(2)] {
            assert_eq!(Order::read(order.line().trim_end()), Some(order));
        }
        for report in [
            Report::Started(7),
            Report::NotStarted { is_missing: true, why: "No such file (os error 2)".to_owned() },
            Report::NotStarted { is_missing: false, why: "no".to_owned() },
            Report::Exited(Exit::Code(-1)),
            Report::Exited(Exit::Signal(9)),
            Report::Gone,
        ] {
            assert_eq!(Report::read(report.line().trim_end()), Some(report));
        }
        assert_eq!((Order::read("stop x"), Report::read("code")), (None, None));
    }
}
