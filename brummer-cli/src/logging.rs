//! Logs go to standard error or to a file, never to standard output. At the default level a healthy hub says nothing.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use brummer_hub::log::is_fit;
use clap::ValueEnum;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    colour,
    output::{self, Lines},
};

/// How much is logged. No filter language: it would cost a regular expression engine at every start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum LogLevel {
    /// Nothing
    Off,
    /// What makes the hub fail
    Error,
    /// Also what it had to refuse or put right, such as a bad doorbell file
    #[default]
    Warn,
    /// Also instances that come and go
    Info,
    /// Also every decision
    Debug,
    /// Everything
    Trace,
}

/// Where the log goes and how much of it there is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct LogOptions {
    pub(crate) level: LogLevel,
    pub(crate) file: Option<PathBuf>,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

impl From<LevelFilter> for LogLevel {
    fn from(level: LevelFilter) -> Self {
        match level {
            LevelFilter::OFF => Self::Off,
            LevelFilter::ERROR => Self::Error,
            LevelFilter::WARN => Self::Warn,
            LevelFilter::INFO => Self::Info,
            LevelFilter::DEBUG => Self::Debug,
            _ => Self::Trace,
        }
    }
}

/// Installs the process's logger.
///
/// A line that cannot be written is dropped: the subscriber's own complaint would go to the same closed standard error
/// and panic.
pub(crate) fn start(options: &LogOptions) -> anyhow::Result<()> {
    let builder = tracing_subscriber::fmt().with_max_level(options.level).log_internal_errors(false);
    match &options.file {
        // Each line is one append, so hubs that share a file do not mix their lines.
        Some(path) => {
            let file = Arc::new(open(path)?);
            install(builder.with_ansi(false).with_writer(move || Lines(Arc::clone(&file))).finish());
        }
        None => {
            let colour = colour::is_wanted(&io::stderr());
            install(builder.with_ansi(colour).with_writer(|| Lines(output::stderr())).finish());
        }
    }
    Ok(())
}

fn install(subscriber: impl Subscriber + Send + Sync + 'static) {
    subscriber.with(filter_fn(is_fit)).init();
}

/// Opens the log for appending; a new one is readable by its owner only.
fn open(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).with_context(|| format!("cannot open the log file {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_log_is_private_and_an_old_one_is_kept() {
        use std::io::Write;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hub.log");
        open(&path).unwrap().write_all(b"one\n").unwrap();
        open(&path).unwrap().write_all(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn an_impossible_log_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing").join("hub.log");
        let message = open(&path).unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
    }
}
